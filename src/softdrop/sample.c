/*-------------------------------------------------------------------------
 *
 * sample.c
 *	  What the server counts of its statements at one moment.
 *
 * Finished calls by pg_stat_statements, over all users of a statement; those
 * that run now by pg_stat_activity.  A call that waits for a lock is not slow,
 * but late, and left out.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "softdrop/sample.h"
#include "store/store.h"

/* a qualified name, every character doubled and quoted */
#define FUNCTION_LEN	(4 * NAMEDATALEN + 8)

static void
take_name(HeapTuple tuple, TupleDesc desc, void *arg)
{
	snprintf((char *) arg, FUNCTION_LEN, "%s", SPI_getvalue(tuple, desc, 1));
}

/*
 * The function of the extension, wherever that lives; never by search_path.
 * It is asked not to read the file with the texts.  NULL when it is not there.
 */
static char *
counting_function(void)
{
	char	   *name = palloc0(FUNCTION_LEN);

	guard_store_select("SELECT format('%I.%I', n.nspname, p.proname)"
					   " FROM pg_extension e"
					   " JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
					   "  AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'"
					   " JOIN pg_proc p ON p.oid = d.objid AND p.proname = 'pg_stat_statements' AND p.pronargs = 1"
					   " JOIN pg_namespace n ON n.oid = p.pronamespace"
					   " WHERE e.extname = 'pg_stat_statements'",
					   0, NULL, NULL, NULL, take_name, name);
	return name[0] != '\0' ? name : NULL;
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

static void
take_counted(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardWatchSample *sample = arg;
	int64		queryid = guard_sample_int(tuple, desc, 1);
	GuardCounted *counted = hash_search(sample->counted, &queryid, HASH_ENTER, NULL);

	counted->calls = guard_sample_int(tuple, desc, 2);
	counted->time = guard_sample_float(tuple, desc, 3);
	counted->stddev = guard_sample_float(tuple, desc, 4);
	counted->longest = guard_sample_float(tuple, desc, 5);
	counted->rows = guard_sample_float(tuple, desc, 6);
}

static void
read_counted(GuardWatchSample *sample)
{
	HASHCTL		info = {.keysize = sizeof(int64), .entrysize = sizeof(GuardCounted),
	.hcxt = sample->context};
	char	   *function = counting_function();
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId)};

	sample->counted = hash_create("guard watch", 1024, &info,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	if (function == NULL)
		return;
	guard_store_select(psprintf("SELECT queryid, sum(calls)::int8, sum(total_exec_time),"
								" sqrt(greatest(sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)) / sum(calls)"
								" - (sum(total_exec_time) / sum(calls)) ^ 2, 0)),"
								" max(max_exec_time), sum(rows)::float8"
								" FROM %s(false) WHERE dbid = $1 AND calls > 0 AND queryid IS NOT NULL"
								" GROUP BY queryid", function),
					   1, types, values, NULL, take_counted, sample);
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
