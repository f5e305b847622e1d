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

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "evidence/statements.h"
#include "softdrop/sample.h"
#include "store/store.h"

/* What the functions of pg_stat_statements can do. */
typedef struct Functions
{
	bool		since;			/* they tell since when each is counted */
	bool		info;			/* and since when all are */
} Functions;

static void
take_functions(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Functions  *functions = arg;
	bool		isnull;

	functions->since = DatumGetBool(SPI_getbinval(tuple, desc, 1, &isnull));
	functions->info = DatumGetBool(SPI_getbinval(tuple, desc, 2, &isnull));
}

/*
 * Where the other function is not the extension's, it is nobody's to call.
 */
static void
read_functions(const char *name, Functions *functions)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(name)};

	guard_store_select("SELECT p.proargnames @> '{stats_since}',"
					   " EXISTS (SELECT FROM pg_depend d JOIN pg_depend i USING (classid, refclassid, refobjid, deptype)"
					   "  WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'"
					   "  AND i.objid = to_regprocedure($1 || '_info()'))"
					   " FROM pg_proc p WHERE p.oid = to_regprocedure($1 || '(bool)')",
					   1, types, values, NULL, take_functions, functions);
}

double
guard_sample_float(HeapTuple tuple, TupleDesc desc, int field)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, field, &isnull);

	return isnull ? 0 : DatumGetFloat8(value);
}

int64
guard_sample_int(HeapTuple tuple, TupleDesc desc, int field)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, field, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static TimestampTz
sample_time(HeapTuple tuple, TupleDesc desc, int field)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, field, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

static void
take_counted(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardWatchSample *sample = arg;
	int64		queryid = guard_sample_int(tuple, desc, 1);
	GuardCounted *counted = hash_search(sample->counted, &queryid, HASH_ENTER, NULL);

	counted->counters.calls = guard_sample_int(tuple, desc, 2);
	counted->counters.time = guard_sample_float(tuple, desc, 3);
	counted->counters.squares = guard_sample_float(tuple, desc, 4);
	counted->counters.longest = guard_sample_float(tuple, desc, 5);
	counted->counters.rows = guard_sample_float(tuple, desc, 6);
	counted->since = sample_time(tuple, desc, 7);
	counted->late = false;
}

static void
take_reset(HeapTuple tuple, TupleDesc desc, void *arg)
{
	((GuardWatchSample *) arg)->reset_at = sample_time(tuple, desc, 1);
}

/*
 * pg_stat_statements is asked not to read the file with the texts.
 */
static void
read_counted(GuardWatchSample *sample)
{
	HASHCTL		info = {.keysize = sizeof(int64), .entrysize = sizeof(GuardCounted),
	.hcxt = sample->context};
	Functions	functions = {0};
	char	   *name = guard_statements_function();
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId)};

	sample->counted = hash_create("guard watch", 1024, &info,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	if (name != NULL)
		read_functions(name, &functions);
	sample->at = GetCurrentTimestamp();
	if (name == NULL)
		return;
	guard_store_select(psprintf("SELECT queryid, sum(calls)::int8, sum(total_exec_time),"
								" sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)),"
								" max(max_exec_time), sum(rows)::float8, %s"
								" FROM %s(false)"
								" WHERE dbid = $1 AND calls > 0 AND queryid IS NOT NULL GROUP BY queryid",
								functions.since ? "min(stats_since)" : "NULL::timestamptz",
								name),
					   1, types, values, NULL, take_counted, sample);
	if (functions.info)
		guard_store_select(psprintf("SELECT stats_reset FROM %s_info()", name),
						   0, NULL, NULL, NULL, take_reset, sample);
}

static void
take_late(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardWatchSample *sample = arg;
	int64		queryid = guard_sample_int(tuple, desc, 1);
	GuardCounted *counted = hash_search(sample->counted, &queryid, HASH_FIND, NULL);

	if (counted != NULL)
		counted->late = true;
}

static void
take_running(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardWatchSample *sample = arg;
	MemoryContext old = MemoryContextSwitchTo(sample->context);
	GuardRunning *running = palloc(sizeof(GuardRunning));
	bool		isnull;

	running->queryid = guard_sample_int(tuple, desc, 1);
	running->started = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 2, &isnull));
	running->elapsed = guard_sample_float(tuple, desc, 3);
	sample->running = lappend(sample->running, running);
	MemoryContextSwitchTo(old);
}

static void
take_server(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardWatchSample *sample = arg;

	sample->active = (int) guard_sample_int(tuple, desc, 1);
	sample->waiting = (int) guard_sample_int(tuple, desc, 2);
}

static void
read_activity(GuardWatchSample *sample)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId)};

	guard_store_select("SELECT query_id, query_start,"
					   " (1000 * extract(epoch FROM clock_timestamp() - query_start))::float8"
					   " FROM pg_stat_activity WHERE datid = $1 AND state = 'active'"
					   " AND backend_type = 'client backend' AND query_id IS NOT NULL"
					   " AND wait_event_type IS DISTINCT FROM 'Lock'",
					   1, types, values, NULL, take_running, sample);
	guard_store_select("SELECT query_id FROM pg_stat_activity WHERE datid = $1 AND state = 'active'"
					   " AND query_id IS NOT NULL AND wait_event_type = 'Lock'",
					   1, types, values, NULL, take_late, sample);
	guard_store_select("SELECT count(*) FILTER (WHERE state = 'active'),"
					   " count(*) FILTER (WHERE state = 'active' AND wait_event_type IS NOT NULL)"
					   " FROM pg_stat_activity WHERE backend_type = 'client backend'",
					   0, NULL, NULL, NULL, take_server, sample);
}

GuardWatchSample *
guard_watch_sample(void)
{
	GuardWatchSample *sample = palloc0(sizeof(GuardWatchSample));

	sample->context = CurrentMemoryContext;
	read_counted(sample);
	read_activity(sample);
	return sample;
}
