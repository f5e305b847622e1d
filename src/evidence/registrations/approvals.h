/*-------------------------------------------------------------------------
 *
 * approvals.h
 *	  A person's "this once": who let whom drop an index.
 *
 * Vocabulary:
 *
 *	claim		this transaction, and no other, may use the approval up
 *	use up		write down that it has been used
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_APPROVALS_H
#define GUARD_APPROVALS_H

#include "datatype/timestamp.h"

typedef struct GuardApproval
{
	int32		id;				/* 0: there is none */
	char	   *reason;
	char	   *approved_by;
	TimestampTz approved_at;
	TimestampTz valid_until;
	const char *asked_by;		/* the login role that drops, and may use it
								 * up */
	bool		own;			/* given by the same one */
} GuardApproval;

/*
 * Give permission, or take back all that was given for exactly this object
 * and not used; the latter returns false where there was none.  The caller has
 * checked the rights.
 */
extern void guard_approvals_add(Oid relation, const char *reason,
								TimestampTz valid_until);
extern bool guard_approvals_revoke(Oid relation);

/*
 * Claim an approval for a drop that is about to happen, and use it up; with
 * "later" only claim it, because nothing may be written yet.  Returns false
 * when another session has it.  Waits for no lock.  The claim ends with the
 * transaction, and is given back by a rollback as any change is.
 */
extern bool guard_approvals_claim(const GuardApproval *approval, bool later);

/*
 * CONCURRENTLY is about to take away from the planner what was claimed for: it
 * is used up when this transaction commits.
 */
extern void guard_approvals_drop_begins(void);

/* Called by guard.c at start. */
extern void guard_approvals_init(void);

#endif							/* GUARD_APPROVALS_H */
