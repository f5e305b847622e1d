/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  How often captured statements were called lately, and how long they took.
 *
 * pg_stat_statements counts since its own reset, months ago maybe.  What
 * happened between two snapshots says more about now.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "evidence/history/history.h"
#include "evidence/history/rows.h"
#include "evidence/statements.h"
#include "planner/capture/capture.h"
#include "store/store.h"

/* guard.statement_rate */
#define RATE_QUERYID			1
#define RATE_CALLS				3
#define RATE_TOTAL_TIME			4
#define RATE_DELTA_FROM			6
#define RATE_DELTA_TO			7
#define RATE_DELTA_CALLS		8
#define RATE_DELTA_TIME			9
#define RATE_DELTA_ROWS			10
#define RATE_QUERY				11

/*
 * The identifiers of all captured statements, as an array; NULL when there is
 * none.
 */
static ArrayType *
captured_queryids(void)
{
	List	   *relations = guard_capture_relations();
	Datum	   *elements = NULL;
	int			n = 0;
	int			max = 0;
	ListCell   *lr;
	ListCell   *lc;

	foreach(lr, relations)
	{
		foreach(lc, guard_capture_statements(((GuardCapturedUse *) lfirst(lr))->relation))
		{
			if (n == max)
			{
				max = Max(max * 2, 256);
				elements = elements == NULL ? palloc(max * sizeof(Datum)) :
					repalloc(elements, max * sizeof(Datum));
			}
			elements[n++] = Int64GetDatum(((GuardCapturedStatement *) lfirst(lc))->queryid);
		}
	}
	return n == 0 ? NULL :
		construct_array(elements, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
						TYPALIGN_DOUBLE);
}

/*
 * Note what pg_stat_statements has counted for the captured statements, and
 * how much of it is new.  A count that went down began anew, at some time since
 * the last look.  Rows of statements that rest are left alone, but for once a
 * day, which is how they are told from those that are captured no more; so what
 * is new came since the last snapshot, however old the row.
 */
static const char write_counts[] =
"INSERT INTO guard.statement_rate AS r (queryid, seen_at, calls, total_time, rows)"
" SELECT s.queryid, $1, sum(s.calls), sum(s.total_exec_time), sum(s.rows) FROM %s(false) s"
"  WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
"    AND s.queryid = ANY ($2) GROUP BY s.queryid"
" ON CONFLICT (queryid) DO UPDATE SET seen_at = EXCLUDED.seen_at, calls = EXCLUDED.calls,"
"  total_time = EXCLUDED.total_time, rows = EXCLUDED.rows,"
"  delta_from = GREATEST(r.seen_at, $3), delta_to = EXCLUDED.seen_at,"
"  delta_calls = EXCLUDED.calls - CASE WHEN EXCLUDED.calls >= r.calls THEN r.calls ELSE 0 END,"
"  delta_time = EXCLUDED.total_time - CASE WHEN EXCLUDED.calls >= r.calls THEN r.total_time ELSE 0 END,"
"  delta_rows = EXCLUDED.rows - CASE WHEN EXCLUDED.calls >= r.calls THEN r.rows ELSE 0 END"
" WHERE EXCLUDED.seen_at > r.seen_at AND (EXCLUDED.calls <> r.calls OR r.delta_calls <> 0"
"   OR r.delta_calls IS NULL OR r.seen_at < EXCLUDED.seen_at - interval '1 day')";

/*
 * Texts are written down so that a refusal's log line need not read them all.
 */
static const char write_texts[] =
"UPDATE guard.statement_rate r SET query = s.query"
" FROM (SELECT queryid, " GUARD_STATEMENT_TEXT " AS query FROM %s(true)"
"       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
"         AND queryid = ANY ($1) GROUP BY queryid) s"
" WHERE r.queryid = s.queryid AND r.query IS NULL AND s.query IS NOT NULL";

/* What is written down at one snapshot. */
typedef struct StatementsJob
{
	TimestampTz now;
	TimestampTz last;
	ArrayType  *queryids;
	char	   *function;
} StatementsJob;

static void
note_counts(void *arg)
{
	StatementsJob *job = arg;
	Oid			types[] = {TIMESTAMPTZOID, INT8ARRAYOID, TIMESTAMPTZOID};
	Datum		values[] = {TimestampTzGetDatum(job->now),
	PointerGetDatum(job->queryids), TimestampTzGetDatum(job->last)};

	guard_store_execute(psprintf(write_counts, job->function), 3, types, values,
						NULL);
}

static void
note_texts(void *arg)
{
	StatementsJob *job = arg;
	Oid			types[] = {INT8ARRAYOID};
	Datum		values[] = {PointerGetDatum(job->queryids)};

	guard_store_execute(psprintf(write_texts, job->function), 1, types, values,
						NULL);
}

static void
note_lacking(HeapTuple tuple, TupleDesc desc, void *arg)
{
	*(bool *) arg = true;
}

/*
 * Is there a captured statement whose text is not written down?
 */
static bool
texts_are_lacking(ArrayType *queryids)
{
	Oid			types[] = {INT8ARRAYOID};
	Datum		values[] = {PointerGetDatum(queryids)};
	bool		lacking = false;

	guard_store_select("SELECT 1 FROM guard.statement_rate"
					   " WHERE query IS NULL AND queryid = ANY ($1) LIMIT 1",
					   1, types, values, NULL, note_lacking, &lacking);
	return lacking;
}

void
guard_history_statements(TimestampTz now, TimestampTz last)
{
	StatementsJob job = {now, last, captured_queryids(), NULL};

	if (job.queryids == NULL ||
		(job.function = guard_statements_function()) == NULL)
		return;
	if (guard_store_try("read pg_stat_statements", note_counts, &job) &&
		texts_are_lacking(job.queryids) && !guard_statements_texts_long())
		(void) guard_store_try("read the texts of statements", note_texts, &job);
}

/* ---- reading ---- */

static double
get_double(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	return isnull ? 0 : DatumGetFloat8(value);
}

static bool
read_rate(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardStatementRate *rate = arg;
	int64		calls = guard_history_bigint(tuple, desc, RATE_CALLS, 0);
	bool		isnull;
	Datum		query = heap_getattr(tuple, RATE_QUERY, desc, &isnull);

	rate->from = guard_history_time(tuple, desc, RATE_DELTA_FROM);
	rate->to = guard_history_time(tuple, desc, RATE_DELTA_TO);
	rate->calls = guard_history_bigint(tuple, desc, RATE_DELTA_CALLS, 0);
	rate->total_time = get_double(tuple, desc, RATE_DELTA_TIME);
	rate->rows = guard_history_bigint(tuple, desc, RATE_DELTA_ROWS, 0);
	rate->mean_time = get_double(tuple, desc, RATE_TOTAL_TIME) / Max(calls, 1);
	rate->query = isnull ? NULL : TextDatumGetCString(query);
	rate->queryid = guard_history_bigint(tuple, desc, RATE_QUERYID, 0);
	return false;
}

bool
guard_history_statement_rate(int64 queryid, GuardStatementRate *rate)
{
	memset(rate, 0, sizeof(*rate));
	return guard_store_scan_bigint("statement_rate", "statement_rate_pkey",
								   RATE_QUERYID, queryid, read_rate, rate) &&
		rate->queryid == queryid && queryid != 0;
}
