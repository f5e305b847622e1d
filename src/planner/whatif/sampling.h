/*-------------------------------------------------------------------------
 *
 * sampling.h
 *	  What the files of what-if know of each other.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WHATIF_SAMPLING_H
#define GUARD_WHATIF_SAMPLING_H

#include <time.h>

#include "executor/execdesc.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

#include "planner/planner.h"
#include "planner/whatif/whatif.h"
#include "store/store.h"

/* ---- shadow.c ---- */

/* What is to be planned, as planner_hook got it. */
typedef struct GuardShadow
{
	Query	   *query;			/* not touched: a copy of it is planned */
	const char *query_string;
	int			cursorOptions;
	ParamListInfo boundParams;
	List	   *relations;		/* OIDs of its tables and their indexes */
	List	   *tables;			/* RelOptInfo *, of the last plan made of it */
} GuardShadow;

/*
 * The plan without some indexes, in the current memory context; NULL when it
 * could not be made.  Raises nothing but what would have ended the statement
 * anyway: a cancel request, the end of the session.
 */
extern PlannedStmt *guard_shadow_plan(GuardShadow *shadow, List *indexes);

/* The planning at hand, one of these, has come to a table. */
extern void guard_shadow_note(RelOptInfo *rel);

/* Do something else in the same way, leaving no trace; false: it failed. */
extern bool guard_shadow_run(GuardShadow *shadow, guard_work work, void *arg);

/* Is the planning at hand one of these? */
extern bool guard_shadow_running(void);

/* Can there be one now?  They need a subtransaction. */
extern bool guard_shadow_possible(void);

/* ---- sample.c ---- */

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
	List	   *tables;			/* RelOptInfo * */
	List	   *indexes;		/* GuardSeenIndex *, those that may matter
								 * unscanned */
} GuardSeen;

/* One statement that is due. */
typedef struct GuardSample
{
	GuardShadow shadow;
	PlannedStmt *plan;			/* the real one, or that without "gone" */
	List	   *scans;			/* what it scans */
	List	   *gone;			/* OIDs: as if these indexes were gone */
	double		plan_cost;		/* all of the real one's */
	GuardSeen	seen;
	int64		queryid;
	uint32		own_settings;	/* planned under settings of somebody's own */
	int64		statement;		/* whose clock it goes by ... */
	int64		pairs;			/* ... and those of its pairs */
	int64		now;			/* seconds */
	double		cost;			/* the plan's */
	bool		drawn;			/* by lot: whatever clocks say of its pairs, */
	bool		due;			/* or because its own clock says so */
	bool		sampled;		/* at least one pair */
	bool		known;			/* at least one pair that was sampled before */
	bool		generic;
	bool		trusted;		/* planning it calls nothing but C */
	double		planning_ms;
	int64		started;		/* sampling, after the real planning */
	bool		unfinished;		/* left something for the next time */
	bool		put_off;		/* it has to wait */
	bool		failed;			/* a plan could not be made */
} GuardSample;

/*
 * If its clock can be set and there is something left to spend, plan it again
 * and record the outcome.  Allocates in the current memory context.
 */
extern void guard_sample_statement(GuardSample *sample);

/*
 * A hash of the usable indexes of an index's table, as the catalogs have them
 * now, but for some that are taken to be gone; unless "before" is 0, without those
 * that guard has come to know since, or does not know yet.  Takes no lock.
 */
extern uint32 guard_sample_indexes(Oid index, TimestampTz before, List *gone);

/*
 * The time that this session has had a processor, in nanoseconds, and how many
 * milliseconds since then: a busy machine does not decide what is planned.
 */
static inline int64
guard_sample_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (int64) time.tv_sec * INT64CONST(1000000000) + time.tv_nsec;
}

static inline double
guard_sample_elapsed(int64 since)
{
	return (guard_sample_clock() - since) / 1e6;
}

/* ---- trust.c ---- */

/*
 * Is everything that planning this query may call written in C?  The query is
 * as planner_hook gets it, rewritten and not yet planned; "relations" are the
 * OIDs of the tables in its plan, which the caller has locked.  The look-ups
 * scribble on the query's operators, and allocate in the current memory
 * context.
 */
extern bool guard_trust_query(Query *query, List *relations);

/* ---- tryout.c ---- */

/*
 * What the condition of a scan takes for one row, and reading all of its table,
 * in milliseconds; false where it was not tried out.  What *row has before, if
 * anything, is taken to be right.
 */
extern bool guard_tryout_scan(GuardShadow *shadow, PlannedStmt *plan, Scan *scan,
							  double *table, double *row);

/* ---- proof.c ---- */

/*
 * May the plan of this statement rest on the uniqueness of an index that it does
 * not scan?
 */
extern bool guard_proof_possible(GuardShadow *shadow, Oid index);

/* ---- waiting.c ---- */

/* Called at start. */
extern void guard_waiting_init(void);

/*
 * Keep a record until the plan from which it comes has been executed.  "clocks"
 * are the statement's and the pair's: let run down if it never is.
 */
extern void guard_waiting_add(const GuardWhatIf *record, double plan_cost,
							  const uint64 clocks[2]);

/*
 * This execution of a statement comes to its end: publish what waited for it.
 */
extern void guard_waiting_executed(QueryDesc *queryDesc, int64 queryid);

/* ---- table.c and clock.c ---- */

/* Called at start. */
extern void guard_whatif_table_init(void);
extern void guard_clock_init(void);

/* Is shared memory there? */
extern bool guard_whatif_table_attached(void);

/*
 * Note one more index.
 */
static inline void
guard_relied_add(GuardRelied *relied, Oid index)
{
	for (int i = 0; i < Min(relied->count, GUARD_RELIED); i++)
	{
		if (relied->indexes[i] == index)
			return;
	}
	if (relied->count < GUARD_RELIED)
		relied->indexes[relied->count] = index;
	relied->count = Min(relied->count + 1, GUARD_RELIED + 1);
}

/* While a user's statement is planned: never wait, never raise. */
extern bool guard_whatif_table_put(const GuardWhatIf *record);
extern void guard_whatif_table_tried(Oid index, int64 queryid);

/* Called from SQL and DDL: may wait for a moment. */
extern List *guard_whatif_table_read(Oid index);
extern bool guard_whatif_table_untried(Oid index);
extern void guard_whatif_table_forget(Oid database, Oid index);

/*
 * Clocks: when was something sampled last?  A key stands for a statement or a
 * pair of this database; "at" and "now" are whole seconds since 2000.
 */
extern uint64 guard_clock_key(int64 queryid, Oid index);
extern uint64 guard_clock_pair(int64 queryid, Oid index, double cost,
							   double rows);
extern int	guard_clock_magnitude(double figure);
#define GUARD_MAGNITUDES	16
extern bool guard_clock_known(uint64 key);
extern bool guard_clock_due(uint64 key, int64 now);
extern bool guard_clock_claim(uint64 key, int64 now, int64 at);
extern void guard_clock_rewind(uint64 key);

/*
 * Lots: is a planning of this statement drawn by chance; it was; and there is
 * something new about it.
 */
extern bool guard_lot_falls(int64 queryid);
extern uint32 guard_lot_wait(int64 queryid);	/* or: after how many more? */
extern void guard_lot_drawn(int64 queryid);
extern void guard_lot_again(int64 queryid);

/* What sampling may cost, all sessions together. */
extern bool guard_allowance_left(TimestampTz now);
extern void guard_allowance_spend(TimestampTz now, int64 microseconds);

/* What it did, for guard.status. */
typedef enum GuardWhatIfCount
{
	GUARD_COUNT_SHADOW_PLANS,
	GUARD_COUNT_FAILED,
	GUARD_COUNT_POSTPONED,
	GUARD_COUNT_TOO_SLOW,
	GUARD_COUNT_UNTRUSTED
} GuardWhatIfCount;
#define GUARD_COUNTS	5

/*
 * Count one; and the counts, what the clock let pass and how full the table
 * is, for guard.status.  Atomic, waits for nobody.
 */
extern void guard_whatif_count(GuardWhatIfCount what);
extern void guard_clock_status(GuardWhatIfStatus *status);
extern void guard_whatif_table_status(GuardWhatIfStatus *status);

#endif							/* GUARD_WHATIF_SAMPLING_H */
