/*-------------------------------------------------------------------------
 *
 * work.h
 *	  Work whose errors are not the statement's.
 *
 * The one way to start an internal subtransaction.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WORK_H
#define GUARD_WORK_H

/* Longer messages are cut. */
#define GUARD_FAILURE_MESSAGE	1024

/* What went wrong.  Needs no memory, for that may be what went wrong. */
typedef struct GuardFailure
{
	int			sqlerrcode;
	int			cursorpos;		/* in a query, 0: not known */
	char		message[GUARD_FAILURE_MESSAGE];
} GuardFailure;

typedef enum GuardWorkEnd
{
	GUARD_WORK_STAYS,			/* what it has done */
	GUARD_WORK_UNDONE,			/* rolled back, however it ended */
	GUARD_WORK_SETTINGS_UNDONE	/* for what cannot have done anything else:
								 * rolled back only if it failed */
} GuardWorkEnd;

/*
 * Call "work" in a subtransaction.  Returns false when it raised an error, or
 * when there can be none now; *failure tells which.  What was meant for the
 * statement is passed on, unless the work is undone, whose messages the caller
 * may have held back: he asks himself.
 *
 * Must not be called while an error is being handled, for it takes all errors
 * off PostgreSQL's stack.
 */
typedef void (*guard_work) (void *arg);
extern bool guard_work_run(guard_work work, void *arg, GuardWorkEnd end,
						   GuardFailure *failure);

/*
 * Was it meant for the statement, which would have met it a moment later: a
 * request to cancel, the end of the session?
 */
extern bool guard_work_is_passed_on(int sqlerrcode);

/*
 * Is there some memory left?  What is optional asks before it begins to need
 * any outside of guard_work_run().
 */
extern bool guard_work_has_room(void);

/*
 * Take the error that is being handled off the stack.  The transaction or
 * subtransaction in which it was raised has been rolled back.
 */
extern void guard_work_take_failure(GuardFailure *failure);

#endif							/* GUARD_WORK_H */
