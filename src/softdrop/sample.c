/*-------------------------------------------------------------------------
 *
 * sample.c
 *	  What the server counts of its statements at one moment.
 *
 * Finished calls by pg_stat_statements, over all users of a statement; those
 * that run now by pg_stat_activity.  A call that waits for a lock is not slow,
 * but late: it is left out, and its statement is noted, for it will be counted
 * when it has finished.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "softdrop/steps.h"
#include "store/store.h"

/*
 * What pg_stat_statements has counted; it is asked not to read the file with the
 * texts.
 */
static void
read_counted(GuardWatchSample *sample)
{
	GuardPgss	pgss = guard_pgss_find();
	GuardRows  *rows;

	sample->counted = guard_hash_make("guard watch", sizeof(int64),
									  sizeof(GuardCounted), sample->context);
	sample->at = GetCurrentTimestamp();
	rows = guard_pgss_rows(&pgss, psprintf("queryid, sum(calls)::int8, sum(total_exec_time),"
										   " sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)),"
										   " max(max_exec_time), sum(rows)::float8, %s",
										   pgss.since ? "min(stats_since)" : "NULL::timestamptz"),
						   false);
	while (guard_rows_next(rows))
	{
		int64		queryid = guard_rows_int(rows, 1);
		GuardCounted *counted = hash_search(sample->counted, &queryid, HASH_ENTER, NULL);

		counted->counters.calls = guard_rows_int(rows, 2);
		counted->counters.time = guard_rows_float(rows, 3);
		counted->counters.squares = guard_rows_float(rows, 4);
		counted->counters.longest = guard_rows_float(rows, 5);
		counted->counters.rows = guard_rows_float(rows, 6);
		counted->since = guard_rows_time(rows, 7);
		counted->late = false;
	}
	guard_rows_end(rows);
	if (pgss.missing != NULL || pgss.info == NULL)
		return;
	rows = guard_query_server(psprintf("SELECT stats_reset FROM %s", pgss.info));
	if (guard_rows_next(rows))
		sample->reset_at = guard_rows_time(rows, 1);
	guard_rows_end(rows);
}

/*
 * The calls that run now, and the statements of which one waits.
 */
static void
read_running(GuardWatchSample *sample)
{
	GuardRows  *rows = guard_query_server("SELECT query_id, query_start,"
										  " (1000 * extract(epoch FROM clock_timestamp() - query_start))::float8,"
										  " wait_event_type IS NOT DISTINCT FROM 'Lock', backend_type = 'client backend'"
										  " FROM pg_stat_activity WHERE datid = $1 AND state = 'active'"
										  " AND query_id IS NOT NULL",
										  P_OID(MyDatabaseId));

	while (guard_rows_next(rows))
	{
		int64		queryid = guard_rows_int(rows, 1);

		if (guard_rows_bool(rows, 4))
		{
			GuardCounted *counted = hash_search(sample->counted, &queryid, HASH_FIND, NULL);

			if (counted != NULL)
				counted->late = true;
		}
		else if (guard_rows_bool(rows, 5))
		{
			GuardRunning *running = palloc(sizeof(GuardRunning));

			running->queryid = queryid;
			running->started = guard_rows_time(rows, 2);
			running->elapsed = guard_rows_float(rows, 3);
			sample->running = lappend(sample->running, running);
		}
	}
	guard_rows_end(rows);
}

/*
 * How busy the whole server is.
 */
static void
read_server(GuardWatchSample *sample)
{
	GuardRows  *rows = guard_query_server("SELECT count(*) FILTER (WHERE state = 'active'),"
										  " count(*) FILTER (WHERE state = 'active' AND wait_event_type IS NOT NULL)"
										  " FROM pg_stat_activity WHERE backend_type = 'client backend'");

	if (guard_rows_next(rows))
	{
		sample->active = (int) guard_rows_int(rows, 1);
		sample->waiting = (int) guard_rows_int(rows, 2);
	}
	guard_rows_end(rows);
}

GuardWatchSample *
guard_watch_sample(void)
{
	GuardWatchSample *sample = palloc0(sizeof(GuardWatchSample));

	sample->context = CurrentMemoryContext;
	read_counted(sample);
	read_running(sample);
	read_server(sample);
	return sample;
}
