/*-------------------------------------------------------------------------
 *
 * watch.h
 *	  Does anything become slower without a hidden index?
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WATCH_H
#define GUARD_WATCH_H

#include "softdrop/softdrop.h"

/* What was counted at one moment; opaque, in one memory context. */
typedef struct GuardWatchSample GuardWatchSample;

typedef struct GuardWatchFinding
{
	bool		regressed;
	bool		lost;			/* statistics were reset since the last look */
	char	   *sentence;		/* which statement, by how much; NULL unless
								 * regressed */
	bool		asking;			/* a session has been asked, and will answer
								 * soon: look again after
								 * GUARD_WATCH_ANSWER_INTERVAL */
} GuardWatchFinding;

#define GUARD_WATCH_ANSWER_INTERVAL	INT64CONST(250000)	/* microseconds */

/* NULL when statements can be compared, else why not, as a clause. */
extern const char *guard_watch_blind(void);

/* Count everything once, for all soft drops; in the current context. */
extern GuardWatchSample *guard_watch_sample(void);

/*
 * Write down how the statements of this index, of its table and of the rest
 * of the database are before it is hidden; in the transaction that hides it.
 */
extern void guard_watch_begin(GuardSoftDrop *drop, const GuardWatchSample *sample);

/*
 * Compare with before.  Writes down where the next window begins.
 */
extern GuardWatchFinding guard_watch_look(GuardSoftDrop *drop,
										  GuardWatchSample *sample);

/*
 * The statements (int64 *) of this index of which is known how they were before
 * it was hidden; and of how many others of its table that is known.
 */
extern List *guard_watch_known(const GuardSoftDrop *drop, int64 *others);

/* The trial is over, however it ended: forget what was before. */
extern void guard_watch_end(GuardSoftDrop *drop);

#endif							/* GUARD_WATCH_H */
