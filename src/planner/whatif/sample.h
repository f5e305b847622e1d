/*-------------------------------------------------------------------------
 *
 * sample.h
 *	  One statement that is due to be planned without its indexes.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WHATIF_SAMPLE_H
#define GUARD_WHATIF_SAMPLE_H

#include "portability/instr_time.h"

#include "planner/whatif/shadow.h"

/* An index that the planner saw while it made the real plan. */
typedef struct GuardSeenIndex
{
	Oid			index;
	bool		unique;
	bool		expression;
} GuardSeenIndex;

/*
 * What the planner is seeing for the statement at hand, in the statement's own
 * memory.
 */
typedef struct GuardSeen
{
	MemoryContext context;
	List	   *relations;		/* OIDs of tables and indexes, some twice */
	List	   *indexes;		/* GuardSeenIndex *, those that may matter
								 * unscanned */
} GuardSeen;

/* One statement that is due. */
typedef struct GuardSample
{
	GuardShadow shadow;
	PlannedStmt *plan;			/* the real one */
	List	   *scans;			/* what it scans */
	GuardSeen	seen;
	int64		queryid;
	bool		own_settings;	/* planned under settings of somebody's own */
	int64		statement;		/* whose clock it goes by ... */
	int64		pairs;			/* ... and those of its pairs */
	int64		now;			/* seconds */
	int			magnitude;		/* of the plan's cost */
	bool		sampled;		/* at least one pair */
	bool		known;			/* at least one pair that was sampled before */
	bool		generic;
	bool		trusted;		/* planning it calls nothing but C */
	double		planning_ms;
	instr_time	started;		/* sampling, after the real planning */
	bool		unfinished;		/* left something for the next time */
} GuardSample;

/*
 * If its clock can be set and there is something left to spend, plan it again
 * and record the outcome.  Allocates in the current memory context.
 */
extern void guard_sample_statement(GuardSample *sample);

/*
 * A hash of the usable indexes of an index's table, as the catalogs have them
 * now.  Takes no lock.
 */
extern uint32 guard_sample_indexes(Oid index);

/* Milliseconds since then. */
static inline double
guard_sample_elapsed(instr_time since)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, since);
	return INSTR_TIME_GET_MILLISEC(now);
}

#endif							/* GUARD_WHATIF_SAMPLE_H */
