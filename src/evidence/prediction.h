/*-------------------------------------------------------------------------
 *
 * prediction.h
 *	  What the traffic of an index would cost without it.
 *
 * Vocabulary:
 *
 *	outlook		one statement without the index: how long it would take
 *	load		all statements of an index together: how many connections they
 *				would keep busy, which is calls per second times the time that
 *				each takes (Little's law)
 *	low, high	bounds within which the measured time should lie.  All of this
 *				is an estimate, and says so
 *
 * Times are in milliseconds.  A statement that was never planned without the
 * index, or whose time nobody measured, is not known, and is counted as such;
 * it is never taken for harmless.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_PREDICTION_H
#define GUARD_PREDICTION_H

#include "evidence/statements.h"
#include "planner/capture/speed.h"
#include "planner/whatif/whatif.h"

typedef struct GuardOutlook
{
	bool		planned;		/* its plan without the index is known */
	double		cost_with;
	double		cost_without;
	GuardEffort with;			/* what the plans have to do */
	GuardEffort without;
	double		worst_ratio;	/* of the two, for whatever parameters lately */
	double		worst_extra;	/* cost, infinite where it would scan */
	double		found_ratio;	/* the same, with the indexes there are now */
	double		found_extra;
	bool		answers;		/* it may speak for a drop, too */
	bool		scans;			/* without the index it scans sequentially */
	Oid			takeover;		/* the index that it would use instead;
								 * InvalidOid: none */
	bool		mixed;			/* of several, not always the same */
	bool		moved;			/* that is what it uses by now */
	bool		timed;			/* planned, and its time now was measured */
	bool		predicted;		/* that, or somebody measures, but not this */
	bool		computes;		/* without the index it computes, for every
								 * row, what the index has, and nobody knows
								 * what that takes */
	double		calls;			/* per second, lately */
	double		added;			/* expected of a call, over its time now,
								 * which need not be known */
	double		now;			/* mean time; not timed: by its cost */
	double		low;			/* mean time without the index */
	double		expected;
	double		high;			/* infinite where it computes */
	double		cautious;		/* expected of a server that is no faster than
								 * assumed, whatever was learnt */
} GuardOutlook;

typedef struct GuardLoad
{
	int			statements;		/* that use the index */
	int			known;			/* of these, with a known outlook */
	int			open;			/* of those, without an upper bound, and not
								 * in busy_high */
	double		calls;			/* per second, of those known */
	double		now;			/* mean time of a call */
	double		expected;		/* the same without the index */
	double		busy_now;		/* connections that they keep busy now */
	double		busy_low;		/* ... and would without the index */
	double		busy_expected;
	double		busy_high;
	int			cores;
	int			pool;			/* connections that there can be */
	int			busy;			/* of these, at work on a statement now */
	const struct GuardProfile *profile; /* all that on another server; NULL:
										 * here */
	bool		fills;			/* it wants more than all cores: then any pool
								 * fills, whatever its size, ... */
	bool		may_fill;		/* ... and that is within the bounds */
	double		full;			/* what a call takes then; expected, if not */
} GuardLoad;

/*
 * Fill in added, low, expected, high and cautious from the rest of an outlook,
 * and now where nobody measured it.  Pure: looks at nothing but its arguments.
 */
extern void guard_outlook_predict(GuardOutlook *outlook,
								  const GuardSpeed *speeds);

/* Add a statement to the load; "load" begins as all zero. */
extern void guard_load_add(GuardLoad *load, const GuardOutlook *outlook);

/*
 * Hold the load against the processors.  Up to their number, so many
 * connections are busy as the demand is; beyond that more comes in than can be
 * done, all connections of any pool become busy, and share the processors.
 * "others" is what is busy beside it.  Pure, too.
 */
extern void guard_load_hold(GuardLoad *load, double others, int cores,
							int pool);

/*
 * What guard_whatif_lookup() knows of several indexes; a pair that two of them
 * share, as partitions share that of their parent, is there once.
 */
extern List *guard_prediction_pairs(List *indexes);

/*
 * What is known of one captured statement without the indexes that go
 * together, of which "pairs" are.  False, and
 * all zero, when the statement has not been planned without them since its
 * use was last looked at.
 */
extern bool guard_outlook_read(GuardOutlook *outlook,
							   const GuardCapturedStatement *statement,
							   List *pairs, GuardTimes *times);

/*
 * All statements that use any of these indexes, which go together.  Reads
 * pg_stat_statements at most once.
 */
extern void guard_load_read(GuardLoad *load, List *indexes, GuardTimes *times);

#endif							/* GUARD_PREDICTION_H */
