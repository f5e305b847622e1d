/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  The rows that a snapshot writes, and those that it removes.
 *
 * All changed rows of a table go into one statement.  Rows that somebody's DDL
 * has locked meanwhile stay as they are: the next snapshot compares with them
 * again, and finds the same, or more.
 *
 * An hour's row says what happened in that hour.  After COMPACT_AFTER days the
 * hours of a day become one row: who asks for a peak asks for the last days,
 * and a year of 10,000 busy indexes stays at a tenth of what it were otherwise.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "evidence/history/rows.h"
#include "guc.h"
#include "planner/capture/capture.h"
#include "store/batch.h"
#include "store/query.h"
#include "store/store.h"

#define COMPACT_AFTER	14		/* days */

/* A statement that was not captured for so long is forgotten. */
#define STATEMENT_KEPT	7		/* days */

struct GuardHistoryRows
{
	GuardBatch *uses;
	GuardBatch *hours;
};

static const Oid use_types[] = {
	INT4OID, OIDOID, OIDOID, NAMEOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, TIMESTAMPTZOID, INT4OID,
	TEXTOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID,
	TIMESTAMPTZOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
	INT4OID
};

static const Oid hour_types[] = {
	OIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID
};

/* The columns of guard.known_use but for the id, in their order. */
#define USE_COLUMNS \
	"relation_oid, table_oid, relation_name, first_use, last_use, uses, longest_pause, pause_ended, days, services," \
	" last_arbiter, segment, segment_first, segment_last, segment_uses, segment_pause, counters_mark, scans," \
	" unexplained, unexplained_first, unexplained_last, unexplained_pause, unexplained_days"

#define NEW_COLUMNS \
	"new.relation_oid, new.table_oid, new.relation_name, new.first_use, new.last_use, new.uses, new.longest_pause," \
	" new.pause_ended, new.days, new.services, new.last_arbiter, new.segment, new.segment_first, new.segment_last," \
	" new.segment_uses, new.segment_pause, new.counters_mark, new.scans, new.unexplained, new.unexplained_first," \
	" new.unexplained_last, new.unexplained_pause, new.unexplained_days"

static const char write_uses[] =
"WITH new AS (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,"
"   $22, $23, $24) AS n (id, " USE_COLUMNS ")),"
" free AS (SELECT id FROM guard.known_use WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED),"
" updated AS (UPDATE guard.known_use k SET (" USE_COLUMNS ") = ROW (" NEW_COLUMNS ")"
"  FROM new JOIN free USING (id) WHERE k.id = new.id)"
" INSERT INTO guard.known_use (" USE_COLUMNS ") SELECT " USE_COLUMNS " FROM new WHERE id = 0";

/*
 * One name a line.  Whoever makes up a new name for every connection fills the
 * table, and is not told apart from then on.
 */
static const char write_services[] =
"INSERT INTO guard.known_service"
" SELECT (SELECT COALESCE(max(id), 0) FROM guard.known_service) + row_number() OVER (), service"
"  FROM (SELECT unnest(string_to_array(list, E'\\n')) FROM unnest($6) AS l (list)"
"        EXCEPT SELECT service FROM guard.known_service) AS s (service)"
"  LIMIT GREATEST(30000 - (SELECT count(*) FROM guard.known_service), 0)";

static const char write_hours[] =
"INSERT INTO guard.hourly_use AS h (relation_id, hour, hours, first_use, last_use, scans, uses, services)"
" SELECT k.id, n.hour, 1, n.at, n.at, n.scans, n.uses,"
"   (SELECT array_agg(s.id ORDER BY s.id) FROM guard.known_service s WHERE s.service = ANY (string_to_array(n.services, E'\\n')))"
"  FROM unnest($1, $2, $3, $4, $5, $6) AS n (relation, hour, at, scans, uses, services)"
"  JOIN (SELECT id, relation_oid FROM guard.known_use WHERE relation_oid = ANY ($1) FOR UPDATE SKIP LOCKED) k"
"    ON k.relation_oid = n.relation"
" ON CONFLICT (relation_id, hour) DO UPDATE SET"
"   first_use = LEAST(h.first_use, EXCLUDED.first_use), last_use = GREATEST(h.last_use, EXCLUDED.last_use),"
"   scans = h.scans + EXCLUDED.scans, uses = h.uses + EXCLUDED.uses,"
"   services = CASE WHEN EXCLUDED.services <@ h.services OR EXCLUDED.services IS NULL THEN h.services"
"     ELSE (SELECT array_agg(DISTINCT u) FROM unnest(h.services || EXCLUDED.services) u) END";

static const char compact_hours[] =
"WITH old AS (DELETE FROM guard.hourly_use WHERE hours = 1 AND hour < date_trunc('day', $1, 'UTC') - $2 * interval '1 day'"
"   RETURNING *, date_trunc('day', hour, 'UTC') AS day),"
" who AS (SELECT relation_id, day, array_agg(DISTINCT s) AS services FROM old, unnest(services) AS u (s) GROUP BY relation_id, day)"
" INSERT INTO guard.hourly_use (relation_id, hour, hours, first_use, last_use, scans, uses, services)"
"  SELECT relation_id, day, 24, min(first_use), max(last_use), sum(scans), sum(uses), who.services"
"   FROM old LEFT JOIN who USING (relation_id, day) GROUP BY relation_id, day, who.services"
" ON CONFLICT DO NOTHING";

/* ----------------------------------------------------------------
 *		Use
 * ----------------------------------------------------------------
 */

GuardHistoryRows *
guard_history_rows_make(void)
{
	GuardHistoryRows *rows = palloc(sizeof(GuardHistoryRows));

	rows->uses = guard_batch_make(lengthof(use_types), use_types);
	rows->hours = guard_batch_make(lengthof(hour_types), hour_types);
	return rows;
}

static Datum
time_value(TimestampTz at, bool *isnull)
{
	*isnull = at == 0;
	return TimestampTzGetDatum(at);
}

static Datum
pause_value(int64 pause, bool *isnull)
{
	*isnull = pause < 0;
	return Int64GetDatum(pause);
}

static Datum
text_value(const char *str, bool *isnull)
{
	*isnull = str == NULL;
	return str == NULL ? (Datum) 0 : CStringGetTextDatum(str);
}

void
guard_history_rows_use(GuardHistoryRows *rows, const GuardKnownUse *use)
{
	Datum		values[lengthof(use_types)];
	bool		nulls[lengthof(use_types)] = {0};

	values[0] = Int32GetDatum(use->id);
	values[1] = ObjectIdGetDatum(use->relation);
	values[2] = ObjectIdGetDatum(use->table);
	values[3] = PointerGetDatum(memcpy(palloc(NAMEDATALEN), &use->name,
									   NAMEDATALEN));
	values[4] = time_value(use->first, &nulls[4]);
	values[5] = time_value(use->last, &nulls[5]);
	values[6] = Int64GetDatum(use->uses);
	values[7] = pause_value(use->pause, &nulls[7]);
	values[8] = time_value(use->pause_ended, &nulls[8]);
	values[9] = Int32GetDatum(use->days);
	values[10] = text_value(use->services, &nulls[10]);
	values[11] = time_value(use->last_arbiter, &nulls[11]);
	values[12] = time_value(use->segment, &nulls[12]);
	values[13] = time_value(use->seg_first, &nulls[13]);
	values[14] = time_value(use->seg_last, &nulls[14]);
	values[15] = Int64GetDatum(use->seg_uses);
	values[16] = pause_value(use->seg_pause, &nulls[16]);
	values[17] = time_value(use->counters_mark, &nulls[17]);
	values[18] = Int64GetDatum(use->scans);
	values[19] = Int64GetDatum(use->alone);
	values[20] = time_value(use->alone_first, &nulls[20]);
	values[21] = time_value(use->alone_last, &nulls[21]);
	values[22] = pause_value(use->alone_pause, &nulls[22]);
	values[23] = Int32GetDatum(use->alone_days);
	guard_batch_add(rows->uses, values, nulls);
}

/*
 * Names of the services that used it since the hour began, one a line; NULL
 * when none is known.
 */
static char *
services_since(Oid relation, TimestampTz hour)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, guard_capture_services(relation, NULL))
	{
		const GuardCapturedService *service = lfirst(lc);

		if (service->last < hour)
			continue;
		if (buf.len > 0)
			appendStringInfoChar(&buf, '\n');
		appendStringInfoString(&buf, service->service);
	}
	return buf.len > 0 ? buf.data : NULL;
}

void
guard_history_rows_hour(GuardHistoryRows *rows, const GuardKnownUse *use,
						TimestampTz at, int64 scans, int64 uses)
{
	Datum		values[lengthof(hour_types)];
	bool		nulls[lengthof(hour_types)] = {0};
	TimestampTz hour = at - at % USECS_PER_HOUR;

	values[0] = ObjectIdGetDatum(use->relation);
	values[1] = TimestampTzGetDatum(hour);
	values[2] = time_value(uses > 0 ? at : 0, &nulls[2]);
	values[3] = Int64GetDatum(scans);
	values[4] = Int64GetDatum(uses);
	values[5] = text_value(uses > 0 ? services_since(use->relation, hour) : NULL,
						   &nulls[5]);
	guard_batch_add(rows->hours, values, nulls);
}

void
guard_history_rows_write(GuardHistoryRows *rows)
{
	guard_batch_execute(rows->uses, write_uses);
	guard_batch_execute(rows->hours, write_services);
	guard_batch_execute(rows->hours, write_hours);
}

void
guard_history_rows_delete(List *ids)
{
	Oid			types[] = {INT4ARRAYOID};
	Datum	   *elements = palloc((list_length(ids) + 1) * sizeof(Datum));
	Datum		values[1];
	int			n = 0;
	ListCell   *lc;

	if (ids == NIL)
		return;
	foreach(lc, ids)
		elements[n++] = Int32GetDatum(lfirst_int(lc));
	values[0] = PointerGetDatum(construct_array(elements, n, INT4OID,
												sizeof(int32), true,
												TYPALIGN_INT));
	guard_store_execute("WITH gone AS (SELECT id FROM guard.known_use WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED),"
						" hours AS (DELETE FROM guard.hourly_use WHERE relation_id IN (SELECT id FROM gone))"
						" DELETE FROM guard.known_use WHERE id IN (SELECT id FROM gone)",
						1, types, values, NULL);
}

/* ----------------------------------------------------------------
 *		Epochs
 * ----------------------------------------------------------------
 */

static void
write_epoch(const GuardEpoch *epoch)
{
	const char *source = epoch->counters ? "counters" : "capture";

	if (epoch->stored)
		guard_query_execute("UPDATE guard.evidence_epoch SET until = $3, seen_at = $4"
							" WHERE source = $1 AND since = $2 AND until IS NULL",
							P_TEXT(source), P_TIME(epoch->since), P_TIME(epoch->until),
							P_TIME(epoch->seen_at));
	else
		guard_query_execute("INSERT INTO guard.evidence_epoch (source, since, until, seen_at, began, mark,"
							" cluster_mark, timeline, system_identifier, server_version)"
							" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
							P_TEXT(source), P_TIME(epoch->since), P_TIME(epoch->until),
							P_TIME(epoch->seen_at), P_TEXT(epoch->began),
							P_TIME(epoch->mark), P_TIME(epoch->cluster_mark),
							P_INT8(epoch->timeline), P_INT8(epoch->system),
							P_INT4(epoch->version));
}

void
guard_history_rows_epochs(const GuardEpochs *epochs)
{
	ListCell   *lc;

	foreach(lc, epochs->epochs)
	{
		const GuardEpoch *epoch = lfirst(lc);

		if (epoch->changed)
			write_epoch(epoch);
	}
}

/* ----------------------------------------------------------------
 *		What is too old
 * ----------------------------------------------------------------
 */

/*
 * Once a day.  The last epoch of a source stays: the next one is compared with
 * it.
 */
void
guard_history_prune(const GuardEpochs *epochs)
{
	Oid			types[] = {TIMESTAMPTZOID, INT4OID};
	Datum		values[2];
	TimestampTz last = epochs->counters != NULL ?
		epochs->counters->stored_seen_at : 0;

	if (epochs->capture != NULL)
		last = Max(last, epochs->capture->stored_seen_at);
	if (last / USECS_PER_DAY == epochs->now / USECS_PER_DAY)
		return;

	values[0] = TimestampTzGetDatum(epochs->now);
	values[1] = Int32GetDatum(COMPACT_AFTER);
	guard_store_execute(compact_hours, 2, types, values, NULL);
	values[1] = Int32GetDatum(STATEMENT_KEPT);
	guard_store_execute("DELETE FROM guard.statement_rate WHERE seen_at < $1 - $2 * interval '1 day'",
						2, types, values, NULL);

	values[1] = Int32GetDatum(guard_guc_history_retention);
	guard_store_execute("DELETE FROM guard.hourly_use WHERE hour < $1 - $2 * interval '1 s'",
						2, types, values, NULL);
	guard_store_execute("DELETE FROM guard.evidence_epoch WHERE until < $1 - $2 * interval '1 s'",
						2, types, values, NULL);

	/*
	 * Sessions that run uncaptured end epochs of capture, dozens a day maybe.
	 * Where counters were there all the time these say nothing more.
	 */
	guard_store_execute("DELETE FROM guard.evidence_epoch e WHERE source = 'capture' AND until IS NOT NULL"
						" AND EXISTS (SELECT FROM guard.evidence_epoch c WHERE c.source = 'counters'"
						"   AND c.since <= e.since AND e.until <= COALESCE(c.until, c.seen_at))"
						" AND EXISTS (SELECT FROM guard.evidence_epoch l WHERE l.source = 'capture' AND l.since > e.since)",
						0, NULL, NULL, NULL);

	/* A pause that ended that long ago says nothing of today's. */
	guard_store_execute("UPDATE guard.known_use SET longest_pause = NULL, pause_ended = NULL"
						" WHERE pause_ended < $1 - $2 * interval '1 s'",
						2, types, values, NULL);
}
