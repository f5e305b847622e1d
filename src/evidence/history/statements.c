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

#include "evidence/history/history.h"

/*
 * The identifiers of all captured statements, as an array.
 */
static GuardParam
captured_queryids(int *n)
{
	List	   *relations = NIL;
	List	   *statements;
	Datum	   *elements;

	foreach_ptr(GuardCapturedUse, use, guard_capture_relations(false))
		relations = lappend_oid(relations, use->relation);
	statements = guard_capture_statements(relations, NULL);
	elements = palloc((list_length(statements) + 1) * sizeof(Datum));
	*n = 0;
	foreach_ptr(GuardCapturedStatement, statement, statements)
		elements[(*n)++] = Int64GetDatum(statement->queryid);
	return guard_param_array(INT8OID, elements, NULL, *n);
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
 * What is new, added to the hour that goes on; of the others the busiest of the
 * last seven days stays.
 */
static const char add_to_hour[] =
"INSERT INTO guard.statement_hour AS h SELECT date_trunc('hour', $1, 'UTC'), queryid, delta_calls, delta_time, delta_rows"
"  FROM guard.statement_rate WHERE delta_to = $1 AND delta_calls > 0"
" ON CONFLICT (queryid, hour) DO UPDATE SET calls = h.calls + EXCLUDED.calls,"
"  total_time = h.total_time + EXCLUDED.total_time, rows = h.rows + EXCLUDED.rows";

static const char keep_busiest[] =
"WITH ended AS (SELECT hour, sum(total_time) AS time FROM guard.statement_hour"
"   WHERE hour <> date_trunc('hour', $1, 'UTC') GROUP BY hour)"
" DELETE FROM guard.statement_hour WHERE hour IN (SELECT hour FROM ended EXCEPT (SELECT hour FROM ended"
"   WHERE hour BETWEEN $1 - interval '7 days' AND $1 ORDER BY time DESC LIMIT 1))";

/*
 * Texts are written down so that a refusal's log line need not read them all.
 */
static const char write_texts[] =
"UPDATE guard.statement_rate r SET query = s.query"
" FROM (SELECT queryid, " GUARD_PGSS_TEXT " AS query FROM %s(true)"
"       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
"         AND queryid = ANY ($1) GROUP BY queryid) s"
" WHERE r.queryid = s.queryid AND r.query IS NULL AND s.query IS NOT NULL";

/* What is written down at one snapshot. */
typedef struct StatementsJob
{
	TimestampTz now;
	TimestampTz last;
	GuardParam	queryids;
	GuardPgss	pgss;
} StatementsJob;

static void
note_counts(void *arg)
{
	StatementsJob *job = arg;

	guard_query_execute(psprintf(write_counts, job->pgss.function),
						P_TIME(job->now), job->queryids, P_TIME(job->last));
	guard_query_execute(add_to_hour, P_TIME(job->now));
	guard_query_execute(keep_busiest, P_TIME(job->now));
}

static void
note_texts(void *arg)
{
	StatementsJob *job = arg;

	guard_query_execute(psprintf(write_texts, job->pgss.function),
						job->queryids);
}

/*
 * Is there a captured statement whose text is not written down?
 */
static bool
texts_are_lacking(GuardParam queryids)
{
	return guard_query_int("SELECT 1 FROM guard.statement_rate"
						   " WHERE query IS NULL AND queryid = ANY ($1) LIMIT 1",
						   queryids) != 0;
}

void
guard_history_statements(TimestampTz now, TimestampTz last)
{
	int			n;
	StatementsJob job = {now, last, captured_queryids(&n), guard_pgss_find()};

	if (n == 0 || job.pgss.missing != NULL)
		return;
	if (guard_store_try("read pg_stat_statements", note_counts, &job) &&
		texts_are_lacking(job.queryids) && !guard_pgss_texts_long())
		(void) guard_store_try("read the texts of statements", note_texts, &job);
}

/* ---- reading ---- */

#define COLUMN(type, name, member) GUARD_COLUMN(GuardStatementRate, type, name, member)

static const GuardColumn columns[] = {
	COLUMN(INT8, "queryid", queryid),
	COLUMN(UNREAD, "seen_at", queryid),
	COLUMN(INT8, "calls", all_calls),
	COLUMN(FLOAT8, "total_time", mean_time),
	COLUMN(UNREAD, "rows", queryid),
	COLUMN(TIME, "delta_from", from),
	COLUMN(TIME, "delta_to", to),
	COLUMN(INT8, "delta_calls", calls),
	COLUMN(FLOAT8, "delta_time", total_time),
	COLUMN(INT8, "delta_rows", rows),
	COLUMN(TEXT, "query", query),
};

/*
 * What is written down of a statement; false: nothing.
 */
bool
guard_history_statement_rate(int64 queryid, GuardStatementRate *rate)
{
	GuardRows  *rows = guard_rows_by_key("statement_rate", "statement_rate_queryid_idx",
										 1, P_INT8(queryid));

	memset(rate, 0, sizeof(*rate));
	while (rows != NULL && guard_rows_next(rows))
	{
		guard_record_read(columns, lengthof(columns), rows, rate);
		rate->mean_time /= Max(rate->all_calls, 1);
	}
	return rate->queryid != 0;
}
