/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  Counting the pool.
 *
 * The view guard.pool_health counts; a visitor keeps what it said, for the
 * next one who looks to see how fast it changes.  That is done whenever a
 * visitor is there anyway: with every snapshot, and as often as the watch
 * looks while an index is in its trial.  Only where a busy pool is to be
 * alerted of does a visitor come for this, every second.
 *
 * Connections are common to all databases, so the visitors of one database do
 * for all.  Where they stop coming, those of another take over.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alerts/alerts.h"
#include "store/shmem.h"
#include "store/store.h"
#include "store/visits.h"

/* ----------------------------------------------------------------
 *		What alerts keep in shared memory.
 *
 * Samples are of use for seconds, so they are kept nowhere else.  Some 40
 * kilobytes, of fixed size, in the main segment; where guard is not preloaded
 * there is no visitor to take samples, and nothing here.
 * ----------------------------------------------------------------
 */

typedef struct GuardAlertsMemory
{
	LWLock	   *lock;			/* protects all the rest */
	Oid			sampler;		/* the database whose visitors count */
	GuardEpisode episode;
	int			last;			/* the newest sample */
	GuardPoolSample samples[GUARD_POOL_SAMPLES];
} GuardAlertsMemory;

/* NULL where guard is not preloaded */
static GuardAlertsMemory *memory = NULL;

static void
attach(void *structure, bool fresh, LWLock *lock)
{
	memory = structure;
	if (fresh)
		memory->lock = lock;
}

static const GuardShmem shared_memory = {
	.name = "guard alerts",
	.size = sizeof(GuardAlertsMemory),
	.locked = true,
	.attach = attach,
};

/*
 * Called from _PG_init.
 */
void
guard_alerts_init(void)
{
	(void) guard_shmem_register(&shared_memory);
}

/*
 * A clock that went back makes samples of the future; they are passed over.
 */
bool
guard_alerts_sample(int64 age, GuardPoolSample *sample)
{
	TimestampTz before = GetCurrentTimestamp() - age;

	sample->at = 0;
	if (memory == NULL)
		return false;
	LWLockAcquire(memory->lock, LW_SHARED);
	for (int i = 0; i < GUARD_POOL_SAMPLES; i++)
	{
		const GuardPoolSample *kept = &memory->samples[i];

		if (kept->at != 0 && kept->at <= before && kept->at > sample->at)
			*sample = *kept;
	}
	LWLockRelease(memory->lock);
	return sample->at != 0;
}

static void
keep(const GuardPoolSample *sample)
{
	LWLockAcquire(memory->lock, LW_EXCLUSIVE);
	memory->last = (memory->last + 1) % GUARD_POOL_SAMPLES;
	memory->samples[memory->last] = *sample;
	LWLockRelease(memory->lock);
}

#define INTERVAL		USECS_PER_SEC

/* Rounds that come early are rounds of this second. */
#define NOT_BEFORE		(INTERVAL * 9 / 10)

/* Whoever counted has not come back. */
#define TAKE_OVER_AFTER (10 * USECS_PER_SEC)

/* So many services are named in an alert. */
#define SERVICES_NAMED	5

/*
 * Count all services, as many of them as a sample holds.
 */
static void
count_pool(GuardPoolSample *sample)
{
	GuardRows  *rows = guard_query_rows("SELECT service, connections, active_on_cpu, waiting, idle_in_transaction"
										" FROM guard.pool_health ORDER BY service IS NOT NULL, connections DESC");

	memset(sample, 0, sizeof(*sample));
	sample->complete = true;
	while (sample->complete && guard_rows_next(rows))
	{
		GuardPoolCount *count = &sample->counts[sample->ncounts];
		char	   *service = guard_rows_text(rows, 1);

		sample->complete = sample->ncounts < lengthof(sample->counts);
		if (!sample->complete)
			break;
		sample->ncounts++;
		guard_text_copy(count->service, GUARD_SERVICE_LEN, service ? service : "");
		count->connections = guard_rows_int(rows, 2);
		count->on_cpu = guard_rows_int(rows, 3);
		count->waiting = guard_rows_int(rows, 4);
		count->idle_in_transaction = guard_rows_int(rows, 5);
	}
	guard_rows_end(rows);
	sample->at = GetCurrentTimestamp();
}

/*
 * Is it for us to count now?  Not if that was just done; nor, where an episode
 * is counted in samples, if another database's visitors do it: *ours says
 * whether we do.
 */
static bool
is_for_us(TimestampTz now, bool alerting, bool *ours)
{
	bool		result;
	TimestampTz last;

	LWLockAcquire(memory->lock, LW_EXCLUSIVE);
	last = memory->samples[memory->last].at;
	if (last > now)				/* the clock went back */
		last = 0;
	result = now - last >= NOT_BEFORE;
	if (now - last > TAKE_OVER_AFTER)
	{
		memory->sampler = MyDatabaseId;
		memory->episode.above = 0;
		memory->episode.below = 0;
	}
	*ours = memory->sampler == MyDatabaseId;
	if (alerting && !*ours)
		result = false;
	LWLockRelease(memory->lock);
	return result;
}

static bool
episode_begins(const GuardPoolSample *sample, int limit)
{
	bool		result;

	LWLockAcquire(memory->lock, LW_EXCLUSIVE);
	result = guard_hysteresis_step(&memory->episode,
								   guard_pool_busy(&sample->counts[0]),
								   MaxConnections, limit);
	LWLockRelease(memory->lock);
	return result;
}

static void
put_count(StringInfo buf, const GuardPoolCount *count)
{
	guard_json_int(buf, "connections", count->connections);
	guard_json_int(buf, "active_on_cpu", count->on_cpu);
	guard_json_int(buf, "waiting", count->waiting);
	guard_json_int(buf, "idle_in_transaction", count->idle_in_transaction);
}

static char *
facts_of(const GuardPoolSample *sample)
{
	StringInfoData buf;

	initStringInfo(&buf);
	guard_json_object(&buf, NULL);
	guard_json_int(&buf, "connection_limit", MaxConnections);
	put_count(&buf, &sample->counts[0]);
	guard_json_array(&buf, "services");
	for (int i = 1; i < sample->ncounts && i <= SERVICES_NAMED; i++)
	{
		guard_json_object(&buf, NULL);
		guard_json_text(&buf, "service", sample->counts[i].service);
		put_count(&buf, &sample->counts[i]);
		guard_json_end_object(&buf);
	}
	guard_json_end_array(&buf);
	guard_json_end_object(&buf);
	return buf.data;
}

static void
raise_pool_alert(const GuardPoolSample *sample)
{
	const GuardPoolCount *all = &sample->counts[0];

	(void) guard_alert_raise(GUARD_ALERT_POOL, NULL,
							 psprintf("%d of %d connections are busy: %d on CPU, %d waiting, %d idle in a transaction (guard.alert_pool_busy %d %%)",
									  guard_pool_busy(all), MaxConnections,
									  all->on_cpu, all->waiting,
									  all->idle_in_transaction,
									  guard_guc_alert_pool_busy),
							 facts_of(sample));
}

TimestampTz
guard_pool_watch(void)
{
	bool		alerting = guard_alerts_are_on() && guard_guc_alert_pool_busy > 0;
	TimestampTz next;
	bool		ours;

	if (memory == NULL)
		return 0;
	if (is_for_us(GetCurrentTimestamp(), alerting, &ours))
	{
		GuardPoolSample *sample = palloc(sizeof(GuardPoolSample));

		count_pool(sample);
		keep(sample);
		if (episode_begins(sample, alerting ? guard_guc_alert_pool_busy : 0))
			raise_pool_alert(sample);
	}
	if (!alerting || !ours)
		return 0;
	next = GetCurrentTimestamp() + INTERVAL;
	guard_visits_want_at(next, next);
	return next;
}
