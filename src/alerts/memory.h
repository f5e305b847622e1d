/*-------------------------------------------------------------------------
 *
 * memory.h
 *	  What alerts keep in shared memory: how the pool was lately.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_ALERTS_MEMORY_H
#define GUARD_ALERTS_MEMORY_H


#include "alerts/alerts.h"
#include "planner/capture/capture.h"

/* ----------------------------------------------------------------
 *		When a busy pool is worth an alert, and when the next one.
 *
 * Pure: no clock, no settings but those in its arguments.
 * ----------------------------------------------------------------
 */

/* All zero: no episode. */
typedef struct GuardEpisode
{
	bool		open;
	int			above;			/* samples in a row that were too busy */
	int			below;			/* that were well */
} GuardEpisode;

/*
 * One more sample: "busy" of "max" connections, "limit" in percent, 0 for
 * none.  Returns whether an episode begins with it.
 */
extern bool guard_hysteresis_step(GuardEpisode *episode, int busy, int max,
								  int limit);

/* So many services, those with the most connections, are told apart. */
#define GUARD_POOL_SERVICES 32

/* So many samples are kept: the last seconds, while somebody watches. */
#define GUARD_POOL_SAMPLES	16

typedef struct GuardPoolCount
{
	char		service[GUARD_SERVICE_LEN]; /* "": all together */
	int			connections;
	int			on_cpu;			/* active, and waiting for nothing */
	int			waiting;		/* active */
	int			idle_in_transaction;
} GuardPoolCount;

/* counts[0] is all together. */
typedef struct GuardPoolSample
{
	TimestampTz at;				/* 0: none */
	bool		complete;		/* no service was left out */
	int			ncounts;
	GuardPoolCount counts[GUARD_POOL_SERVICES + 1];
} GuardPoolSample;

/*
 * The newest sample that is at least "age" microseconds old, copied; false
 * when there is none.
 */
extern bool guard_alerts_sample(int64 age, GuardPoolSample *sample);

static inline int
guard_pool_busy(const GuardPoolCount *count)
{
	return count->on_cpu + count->waiting + count->idle_in_transaction;
}

#endif							/* GUARD_ALERTS_MEMORY_H */
