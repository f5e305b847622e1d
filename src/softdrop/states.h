/*-------------------------------------------------------------------------
 *
 * states.h
 *	  What happens next to a soft drop.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_STATES_H
#define GUARD_STATES_H

#include "datatype/timestamp.h"

#include "softdrop/softdrop.h"
#include "store/visits.h"

/* Does anybody need the index? */
typedef enum GuardSoftDropNeed
{
	GUARD_NEED_UNKNOWN,
	GUARD_NEED_NOBODY,
	GUARD_NEED_SOMEBODY,
	GUARD_NEED_PROTECTED
} GuardSoftDropNeed;

/* Everything that decides, as a visitor finds it. */
typedef struct GuardSoftDropFacts
{
	TimestampTz now;
	GuardSoftDropState state;
	TimestampTz state_since;
	bool		exists;
	bool		valid;
	bool		hiding_works;	/* preloaded, guard.hiding on */
	bool		hidden;			/* the registry says so; or cannot be read */
	bool		hideable;
	bool		regressed;		/* the watch has proof */
	bool		compared;		/* what used it is known from before */
	bool		approved;		/* waiting: an approval can be claimed;
								 * hidden: one was used up */
	bool		table_locked;	/* by somebody who keeps everybody out */
	int64		needed_for;		/* hidden: found to be needed for so long;
								 * microseconds */
	bool		name_wanted;	/* restored, but not under its name */
	bool		restore_wanted;
	bool		old_lockers;	/* a drop would wait, with the index invalid */
	GuardSoftDropNeed need;
	TimestampTz use_ends;		/* when its use stops counting if nothing more
								 * happens; 0 not known */
	int64		watched;		/* microseconds hidden and watched */
	int64		trial;			/* microseconds needed */
	TimestampTz drop_started_at;	/* 0: never */
	int			attempts;		/* at the long step, that did not succeed */
	TimestampTz last_attempt;	/* 0: none */
} GuardSoftDropFacts;

typedef struct GuardSoftDropPlan
{
	GuardSoftDropStep step;
	const char *why;			/* a clause: of RESTORE the reason, of STAY
								 * what comes next */
	TimestampTz shown_at;		/* STAY: when that is at the earliest; 0 not
								 * known */
	TimestampTz next_visit;		/* STAY: when to look again; 0: no need to */
	bool		stay_here;		/* do not leave until then: seconds count */
	bool		use_approval;	/* HIDE: only if an approval can be claimed */
} GuardSoftDropPlan;

/*
 * Pure: it reads no clock and no setting but those in its argument.
 */
extern GuardSoftDropPlan guard_states_next(const GuardSoftDropFacts *facts);

/* How often is a hidden index looked at, after so long?  Microseconds. */
extern int64 guard_states_watch_interval(int64 watched);

/*
 * How long has it been hidden and watched by now?  Time in which nobody looked,
 * or in which nothing could be seen ("lost"), does not count.
 */
extern int64 guard_states_watched(const GuardSoftDrop *drop, TimestampTz now,
								  bool lost);

/*
 * Are the statements that used it known from before it was hidden?  "uses" is
 * how often it was used, as far as capture knows, "covered" how many of those
 * were by statements whose times are known; "used" says whether anything knows
 * of a use, and "others" of how many other statements of its table the times
 * are known.
 */
extern bool guard_states_compared(bool used, int64 uses, int64 covered,
								  int64 others);

/* When to look again whether a name has become free. */
extern int64 guard_states_name_interval(TimestampTz now, TimestampTz state_since);

/* Back-off: how long after a failed attempt comes the next?  Microseconds. */
extern int64 guard_states_back_off(int attempts);

/*
 * Long work was looked at: it has got on if its progress is another than at the
 * last look, and it does not sleep or wait for somebody just now.
 */
extern void guard_states_account(GuardLongWork *work, TimestampTz now,
								 uint64 progress, bool rests);

/*
 * Must it end, for its time is over, or since others wait and it gets nowhere?
 */
extern bool guard_states_gives_way(const GuardLongWork *work, TimestampTz now,
								   bool others_wait);

#endif							/* GUARD_STATES_H */
