/*-------------------------------------------------------------------------
 *
 * table.h
 *	  The shared tables of what-if: records, clocks, the allowance.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WHATIF_TABLE_H
#define GUARD_WHATIF_TABLE_H

#include "port/atomics.h"

#include "planner/whatif/whatif.h"

/* Called at start. */
extern void guard_whatif_table_init(void);
extern void guard_clock_init(void);

/* Is shared memory there? */
extern bool guard_whatif_table_attached(void);

/* While a user's statement is planned: never wait, never raise. */
extern bool guard_whatif_table_put(const GuardWhatIf *record);

/* Called from SQL and DDL: may wait for a moment. */
extern List *guard_whatif_table_read(Oid index);
extern void guard_whatif_table_forget(Oid database, Oid index);

/*
 * Clocks: when was something sampled last?  A key stands for a statement or a
 * pair of this database; "at" and "now" are whole seconds since 2000.
 */
extern uint64 guard_clock_key(int64 queryid, Oid index);
extern uint64 guard_clock_pair(int64 queryid, Oid index, int magnitude);
extern int	guard_clock_magnitude(double cost);
#define GUARD_MAGNITUDES	16
extern bool guard_clock_known(uint64 key);
extern bool guard_clock_due(uint64 key, int64 now);
extern bool guard_clock_claim(uint64 key, int64 now, int64 at);
extern void guard_clock_rewind(uint64 key);

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

#endif							/* GUARD_WHATIF_TABLE_H */
