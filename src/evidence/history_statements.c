/*-------------------------------------------------------------------------
 *
 * history_statements.c
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
#include "utils/timestamp.h"

#include "evidence/history.h"
#include "evidence/history_rows.h"
#include "evidence/statements.h"
#include "planner/capture.h"
#include "store/store.h"

/* guard.statement_rate */
#define RATE_QUERYID			1
#define RATE_SEEN_AT			2
#define RATE_DELTA_FROM			6
#define RATE_DELTA_TO			7
#define RATE_DELTA_CALLS		8
#define RATE_DELTA_TIME			9
#define RATE_DELTA_ROWS			10

/* What is looked up for one question. */
typedef struct RateLookup
{
	List	   *queryids;
	List	   *rates;
} RateLookup;

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
void
guard_history_statements(TimestampTz now, TimestampTz last)
{
	ArrayType  *queryids = captured_queryids();
	char	   *function;
	Oid			types[] = {TIMESTAMPTZOID, INT8ARRAYOID, TIMESTAMPTZOID};
	Datum		values[3];

	if (queryids == NULL || (function = guard_statements_function()) == NULL)
		return;
	values[0] = TimestampTzGetDatum(now);
	values[1] = PointerGetDatum(queryids);
	values[2] = TimestampTzGetDatum(last);
	guard_store_execute(psprintf("INSERT INTO guard.statement_rate AS r (queryid, seen_at, calls, total_time, rows)"
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
								 "   OR r.delta_calls IS NULL OR r.seen_at < EXCLUDED.seen_at - interval '1 day')",
								 function),
						3, types, values, NULL);
}
static bool
read_rate(HeapTuple tuple, TupleDesc desc, void *arg)
{
	RateLookup *lookup = arg;
	GuardStatementRate *rate;
	int64		queryid = guard_history_bigint(tuple, desc, RATE_QUERYID, 0);
	bool		wanted = lookup->queryids == NIL;
	bool		isnull;
	Datum		value;
	ListCell   *lc;

	foreach(lc, lookup->queryids)
		wanted = wanted || *(int64 *) lfirst(lc) == queryid;
	if (!wanted || guard_history_time(tuple, desc, RATE_DELTA_TO) == 0)
		return true;

	rate = palloc0(sizeof(GuardStatementRate));
	rate->queryid = queryid;
	rate->from = guard_history_time(tuple, desc, RATE_DELTA_FROM);
	rate->to = guard_history_time(tuple, desc, RATE_DELTA_TO);
	rate->calls = guard_history_bigint(tuple, desc, RATE_DELTA_CALLS, 0);
	value = heap_getattr(tuple, RATE_DELTA_TIME, desc, &isnull);
	rate->total_time = isnull ? 0 : DatumGetFloat8(value);
	rate->rows = guard_history_bigint(tuple, desc, RATE_DELTA_ROWS, 0);
	lookup->rates = lappend(lookup->rates, rate);
	return true;
}

List *
guard_history_statement_rates(List *queryids)
{
	RateLookup	lookup = {queryids, NIL};

	(void) guard_store_scan("statement_rate", NULL, 0, InvalidOid, read_rate,
							&lookup);
	return lookup.rates;
}
