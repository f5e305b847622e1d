/*-------------------------------------------------------------------------
 *
 * question.h
 *	  Would this statement use that hidden index?
 *
 * Vocabulary:
 *
 *	question	a statement (its queryid) and an index that is hidden, of this
 *				database; open until there is an answer, or for a minute
 *	answer		of a session that executed the statement, under its own role
 *				and parameters, after planning it once more as if the index
 *				were not hidden
 *
 * Questions are kept in shared memory, and survive nothing: whoever wants to
 * know asks again.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_QUESTION_H
#define GUARD_QUESTION_H

#include "ground.h"

struct GuardSample;
struct QueryDesc;

/* What weighs more comes later. */
typedef enum GuardQuestionAnswer
{
	GUARD_QUESTION_NOT_ASKED,	/* not lately */
	GUARD_QUESTION_OPEN,		/* nobody has answered for good yet */
	GUARD_QUESTION_UNANSWERED,	/* nobody did in time */
	GUARD_QUESTION_INNOCENT,	/* it would not be used, or only in place of
								 * one of the same structure */
	GUARD_QUESTION_EITHER,		/* it would be used, at a cost that is as good
								 * as without */
	GUARD_QUESTION_USED			/* it would be used, and is worth it */
} GuardQuestionAnswer;

/* Called by guard.c at start. */
extern void guard_question_init(void);

/* ---- called by softdrop ---- */

/*
 * Ask.  "index" is what was hidden, perhaps a partitioned index; "tables" are
 * OIDs of its tables, the plans of which are made anew from the commit of this
 * transaction on.  Calls that take less than "slow" milliseconds do not show
 * that the index would not be used by those that take longer.  False: no room
 * for one more question.
 */
extern bool guard_question_ask(Oid index, int64 queryid, double slow,
							   List *tables);

/* What is known of a question. */
extern GuardQuestionAnswer guard_question_read(Oid index, int64 queryid);

/* ---- called by whatif.c ---- */

/* Is any question open, in any database?  One look at shared memory. */
extern bool guard_question_any(void);

/*
 * An execution comes to its end: tell the answers that waited for it.  Never
 * waits.
 */
extern void guard_question_executed(struct QueryDesc *queryDesc, int64 queryid);

/* Is one about this statement? */
extern bool guard_question_concerns(int64 queryid);

/*
 * The statement has been planned: plan it again for each question about it.
 * What comes of it is told when it has been executed.  Allocates in the
 * current memory context.
 */
extern void guard_question_plan(struct GuardSample *sample);

#endif							/* GUARD_QUESTION_H */
