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

#include "planner/capture/speed.h"
#include "planner/whatif/whatif.h"
#include "planner/capture/capture.h"

/* ----------------------------------------------------------------
 *		The statements that use an index: which, how long they take, their texts.
 * ----------------------------------------------------------------
 */

/* The text of a statement, as far as it is shown, in bytes. */
#define GUARD_STATEMENT_SHOWN	1000

/*
 * The statements that used any of these relations as capture knows them, most
 * frequent first: a list of GuardCapturedStatement * in the current memory
 * context.
 */
extern List *guard_statements_captured(List *relations);

/*
 * What is known of statements, for one question, which may concern many
 * indexes.  What the last snapshots wrote down is read by key;
 * pg_stat_statements at most once, without its texts, and only when a statement
 * is asked for that is younger.  Where that fails, nothing is known of the
 * statement's time, and that is all.
 */
typedef struct GuardTimes GuardTimes;

typedef struct GuardTime
{
	int64		queryid;		/* hash key, must be first */
	bool		looked;			/* for what was written down of it */
	bool		timed;			/* mean_time is known */
	double		mean_time;		/* milliseconds: between the last two
								 * snapshots, else since pg_stat_statements'
								 * reset */
	bool		lately;			/* the former, and so: */
	double		calls;			/* a second */
	TimestampTz from;			/* mean_time is of calls since then; 0: since
								 * when nobody knows ... */
	int64		counted;		/* ... so many */
	char	   *query;			/* NULL: not known, or not asked for */
} GuardTime;

/* Empty; it and what is read later live in the current memory context. */
extern GuardTimes *guard_times_create(void);

/* Is there a pg_stat_statements that can be asked? */
extern bool guard_times_kept(GuardTimes *times);

/* NULL: nothing is known of that statement's time. */
extern const GuardTime *guard_times_find(GuardTimes *times, int64 queryid);

/*
 * The text of a statement, cut after some 1,000 characters; for the server log
 * and for those who may see texts.  One that no snapshot has written down costs
 * a reading of pg_stat_statements with all its texts, once; "cheaply": unless
 * these are very long.  NULL: not known, and if that is because they could not
 * be read, *why says so.
 */
extern const char *guard_times_query(GuardTimes *times, int64 queryid,
									 bool cheaply, const char **why);

/* For the server log: append the texts of the busiest statements. */
extern void guard_statements_append_texts(StringInfo buf, GuardTimes *times,
										  List *relations, const char *index,
										  int limit);

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
