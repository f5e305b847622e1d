/*-------------------------------------------------------------------------
 *
 * review.h
 *	  Judge a migration script without running it.
 *
 * Every statement of the script that would remove an index is asked about in
 * policy/check, like any DROP.  What this room adds is the script: names mean
 * what they mean after the statements before, an index that the script creates
 * can replace one that it drops, and a table that it creates has no traffic.
 * All that lives in memory (script.h); no lock is waited for, and none is
 * stronger than a conditional AccessShareLock.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REVIEW_H
#define GUARD_REVIEW_H

#include "nodes/pg_list.h"

/* One statement and target; texts are NULL where there is nothing to say. */
typedef struct GuardReviewRow
{
	int			statement;		/* its number in the script, from 1 */
	int			line;			/* where it begins, from 1 */
	char	   *command;		/* its text on one line, cut */
	char	   *target;			/* the index, qualified and quoted */
	const char *verdict;		/* that of policy/, or "not reviewed",
								 * "error", "unknown" */
	const char *reason;
	char	   *detail;
	char	   *advice;
} GuardReviewRow;

/*
 * Rows in the order of the script, in the current memory context.  With
 * one_transaction, the script is judged as if it stood between BEGIN and
 * COMMIT: so most migration tools run it.
 *
 * Raises no error for anything in the script; a statement that cannot be
 * judged gets a row that says why.  Needs a transaction in which
 * subtransactions can be started.
 */
extern List *guard_review_script(const char *script, bool one_transaction);

#endif							/* GUARD_REVIEW_H */
