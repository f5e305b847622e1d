/*-------------------------------------------------------------------------
 *
 * alerts.h
 *	  Telling people what they would otherwise find out too late.
 *
 * Vocabulary:
 *
 *	alert		a line in the server log, a notification on the channel
 *				guard_alert and a row in the audit log, which say the same
 *	recent		the indexes that were dropped, hidden or dropped in stages in
 *				the last hour; every alert names them, because when latency
 *				jumps it is the diagnosis that takes long
 *	busy		a connection that is not idle: it runs a statement, waits in
 *				one, or has a transaction open
 *	pool		the connections that max_connections allows for, of all
 *				databases
 *	episode		from when the pool is too busy until it has been well for a
 *				while: one alert
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_ALERTS_H
#define GUARD_ALERTS_H

#include "planner/capture/capture.h"

typedef enum GuardAlertKind
{
	GUARD_ALERT_RESTORED,		/* the watch gave an index back */
	GUARD_ALERT_STUCK,			/* a soft drop does not get on */
	GUARD_ALERT_POOL,			/* the pool is busy */
	GUARD_ALERT_LACKING,		/* a name was taken by what lacks an index */
	GUARD_ALERT_MISSING,		/* what was deployed needs an index that is
								 * gone */
	GUARD_ALERT_TEST			/* a person wants to see one */
} GuardAlertKind;

#define GUARD_ALERT_KINDS	(GUARD_ALERT_TEST + 1)

/* Are there alerts at all, by the settings? */
extern bool guard_alerts_are_on(void);

/*
 * Raise an alert, in the current transaction: who listens is told when it
 * commits, and the row is there then; the log line is written at once.
 * "object" is the index that it is about, qualified and quoted, "reason" a
 * sentence, "facts_json" an object with the figures; all but "reason" may be
 * NULL.  Nothing that goes wrong here is raised.  Returns false, having done
 * nothing, when alerts are off.
 *
 * Writes: not to be called before DROP INDEX CONCURRENTLY
 * (doc/internals/postgresql.md 1.8).
 */
extern bool guard_alert_raise(GuardAlertKind kind, const char *object,
							  const char *reason, const char *facts_json);

/* What guard.status says of alerts, in the current memory context. */
extern char *guard_alerts_status(void);

/*
 * Count the pool, and raise an alert where an episode begins.  For a visitor,
 * in a transaction; returns when it wants to be called next, 0: whenever.
 */
extern TimestampTz guard_pool_watch(void);

/* Called from _PG_init. */
extern void guard_alerts_init(void);

/* ----------------------------------------------------------------
 *		What alerts keep in shared memory: how the pool was lately.
 * ----------------------------------------------------------------
 */

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

#endif							/* GUARD_ALERTS_H */
