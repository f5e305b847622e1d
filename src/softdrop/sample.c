/*-------------------------------------------------------------------------
 *
 * sample.c
 *	  What the server counts of its statements at one moment.
 *
 * A standby's are what it reported last (sql/73_nodes.sql): the same, counted there.
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

#include "softdrop/steps.h"
#include "store/store.h"

/*
 * What was counted of each statement.
 */
static void
take_counted(GuardWatchSample *sample, GuardRows *rows)
{
	sample->counted = guard_hash_make("guard watch", sizeof(int64),
									  sizeof(GuardCounted), sample->context);
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
}

/*
 * What pg_stat_statements has counted; it is asked not to read the file with the
 * texts.
 */
static void
read_counted(GuardWatchSample *sample)
{
	GuardPgss	pgss = guard_pgss_find();
	GuardRows  *rows;

	sample->at = GetCurrentTimestamp();
	sample->blind = pgss.missing;
	take_counted(sample, guard_pgss_rows(&pgss, psprintf("queryid, sum(calls)::int8, sum(total_exec_time),"
														 " sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)),"
														 " max(max_exec_time), sum(rows)::float8, %s",
														 pgss.since ? "min(stats_since)" : "NULL::timestamptz"),
										 false));
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
take_running(GuardWatchSample *sample, GuardRows *rows)
{
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

/*
 * This server's.
 */
static GuardWatchSample *
read_own(void)
{
	GuardWatchSample *sample = palloc0(sizeof(GuardWatchSample));

	sample->context = CurrentMemoryContext;
	sample->node = "";
	read_counted(sample);
	take_running(sample, guard_query_server("SELECT query_id, query_start,"
											" (1000 * extract(epoch FROM clock_timestamp() - query_start))::float8,"
											" wait_event_type IS NOT DISTINCT FROM 'Lock', backend_type = 'client backend'"
											" FROM pg_stat_activity WHERE datid = $1 AND state = 'active'"
											" AND query_id IS NOT NULL",
											P_OID(MyDatabaseId)));
	read_server(sample);
	return sample;
}

#define OF_NODE(list, columns) \
	" FROM guard.node_watch w, jsonb_to_recordset(w." list ") AS x (" columns ") WHERE w.node = $1"

/*
 * Which soft drops the node knew of.
 */
static void
read_heard(GuardWatchSample *sample)
{
	GuardRows  *rows = guard_query_rows("SELECT x.id, x.state = 'hidden', x.uses" OF_NODE("drops", "id int8, state text, uses int8"),
										P_TEXT(sample->node));

	sample->heard = guard_hash_make("guard heard", sizeof(int64), sizeof(GuardHeard),
									sample->context);
	while (guard_rows_next(rows))
	{
		int64		id = guard_rows_int(rows, 1);
		GuardHeard *heard = hash_search(sample->heard, &id, HASH_ENTER, NULL);

		heard->hidden = guard_rows_bool(rows, 2);
		heard->uses = guard_rows_int(rows, 3);
	}
	guard_rows_end(rows);
}

/*
 * What a standby reported last, by the row at hand.
 */
static GuardWatchSample *
read_node(const GuardRows *rows)
{
	GuardWatchSample *sample = palloc0(sizeof(GuardWatchSample));
	GuardParam	node;

	sample->context = CurrentMemoryContext;
	sample->node = guard_rows_text(rows, 1);
	sample->at = guard_rows_time(rows, 2);
	sample->reset_at = guard_rows_time(rows, 3);
	sample->blind = guard_rows_text(rows, 4);
	sample->active = (int) guard_rows_int(rows, 5);
	sample->waiting = (int) guard_rows_int(rows, 6);
	node = P_TEXT(sample->node);
	take_counted(sample, guard_query_rows("SELECT x.statement, x.calls, x.time, x.squares, x.longest, x.rows, x.since"
										  OF_NODE("counted", "statement int8, calls int8, time float8, squares float8,"
												  " longest float8, rows float8, since timestamptz"), node));
	take_running(sample, guard_query_rows("SELECT x.statement, x.started, x.elapsed, x.late, x.client"
										  OF_NODE("running", "statement int8, started timestamptz, elapsed float8,"
												  " late bool, client bool"), node));
	read_heard(sample);
	return sample;
}

List *
guard_watch_samples(void)
{
	List	   *samples = list_make1(read_own());
	GuardRows  *rows = guard_query_rows("SELECT node, at, reset_at, lacks, active, waiting FROM guard.node_watch");

	while (guard_rows_next(rows))
		samples = lappend(samples, read_node(rows));
	return samples;
}

GuardRows *
guard_watch_statements(const GuardWatchSample *sample, int64 drop)
{
	return guard_query_rows("SELECT x.statement, x.kind, x.uses, x.first"
							OF_NODE("statements", "drop int8, statement int8, kind text, uses int8, first timestamptz")
							" AND w.at = $2 AND x.drop = $3",
							P_TEXT(sample->node), P_TIME(sample->at), P_INT8(drop));
}
