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
 * hours of a day become one row, which keeps what its busiest hour was: a year
 * of 10,000 busy indexes stays at a tenth of what it were otherwise.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/history/history.h"

#define COMPACT_AFTER	14		/* days */

/* A statement that was not captured for so long is forgotten. */
#define STATEMENT_KEPT	7		/* days */

struct GuardHistoryRows
{
	GuardBatch *uses;
	GuardBatch *hours;
};

/* With the columns of guard.known_use but for the id, and as many parameters. */
static const char write_uses[] =
"WITH new AS (SELECT * FROM unnest(%2$s) AS n (id, %1$s)),"
" free AS (SELECT id FROM guard.known_use WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED),"
" updated AS (UPDATE guard.known_use k SET (%1$s) = ROW (%3$s) FROM new JOIN free USING (id) WHERE k.id = new.id)"
" INSERT INTO guard.known_use (%1$s) SELECT %1$s FROM new WHERE id = 0";

static const char write_hours[] =
"INSERT INTO guard.hourly_use AS h (relation_id, hour, hours, first_use, last_use, scans, uses)"
" SELECT k.id, n.hour, 1, n.at, n.at, n.scans, n.uses FROM unnest($1, $2, $3, $4, $5) AS n (relation, hour, at, scans, uses)"
"  JOIN (SELECT id, relation_oid FROM guard.known_use WHERE relation_oid = ANY ($1) AND foreign_key = 0 FOR UPDATE SKIP LOCKED) k"
"    ON k.relation_oid = n.relation"
" ON CONFLICT (relation_id, hour) DO UPDATE SET"
"   first_use = LEAST(h.first_use, EXCLUDED.first_use), last_use = GREATEST(h.last_use, EXCLUDED.last_use),"
"   scans = h.scans + EXCLUDED.scans, uses = h.uses + EXCLUDED.uses";

static const char compact_hours[] =
"WITH old AS (DELETE FROM guard.hourly_use WHERE hours = 1 AND hour < date_trunc('day', $1, 'UTC') - $2 * interval '1 day'"
"   RETURNING *, date_trunc('day', hour, 'UTC') AS day)"
" INSERT INTO guard.hourly_use AS d (relation_id, hour, hours, first_use, last_use, scans, uses, peak)"
"  SELECT relation_id, day, 24, min(first_use), max(last_use), sum(scans), sum(uses), max(GREATEST(scans, uses))"
"   FROM old GROUP BY relation_id, day"
" ON CONFLICT (relation_id, hour) DO UPDATE SET"
"   first_use = LEAST(d.first_use, EXCLUDED.first_use), last_use = GREATEST(d.last_use, EXCLUDED.last_use),"
"   scans = d.scans + EXCLUDED.scans, uses = d.uses + EXCLUDED.uses, peak = GREATEST(d.peak, EXCLUDED.peak)";

/* ----------------------------------------------------------------
 *		Use
 * ----------------------------------------------------------------
 */

/*
 * Rows in the current memory context: none.
 */
GuardHistoryRows *
guard_history_rows_make(void)
{
	GuardHistoryRows *rows = palloc(sizeof(GuardHistoryRows));

	rows->uses = guard_batch_make();
	rows->hours = guard_batch_make();
	return rows;
}

/*
 * One use more.
 */
void
guard_history_rows_use(GuardHistoryRows *rows, const GuardKnownUse *use)
{
	guard_batch_add_params(rows->uses,
						   guard_record_params(guard_history_columns, GUARD_HISTORY_COLUMNS, use),
						   GUARD_HISTORY_COLUMNS);
}

/*
 * What happened between two snapshots; see history.h.
 */
void
guard_history_rows_hour(GuardHistoryRows *rows, const GuardKnownUse *use,
						TimestampTz at, int64 scans, int64 uses)
{
	guard_batch_add(rows->hours, P_OID(use->relation),
					P_TIME(at - at % USECS_PER_HOUR),
					P_TIME(uses > 0 ? at : 0), P_INT8(scans), P_INT8(uses));
}

/*
 * Write them all.
 */
void
guard_history_rows_write(GuardHistoryRows *rows)
{
	guard_batch_execute(rows->uses,
						psprintf(write_uses,
								 guard_record_names(&guard_history_columns[1], GUARD_HISTORY_COLUMNS - 1, ""),
								 guard_record_numbers(1, GUARD_HISTORY_COLUMNS),
								 guard_record_names(&guard_history_columns[1], GUARD_HISTORY_COLUMNS - 1, "new.")));
	guard_batch_execute(rows->hours, write_hours);
}

/*
 * Relations that are no more, by their ids.
 */
void
guard_history_rows_delete(List *ids)
{
	if (ids != NIL)
		guard_query_execute("WITH gone AS (SELECT id FROM guard.known_use WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED),"
							" hours AS (DELETE FROM guard.hourly_use WHERE relation_id IN (SELECT id FROM gone))"
							" DELETE FROM guard.known_use WHERE id IN (SELECT id FROM gone)",
							P_INT4S(ids));
}

/* ----------------------------------------------------------------
 *		Epochs
 * ----------------------------------------------------------------
 */

/*
 * Of one that is stored, only what changes as it goes on.
 */
static void
write_epoch(const GuardEpoch *epoch)
{
	GuardParam *params = guard_record_params(guard_epochs_columns, GUARD_EPOCHS_COLUMNS, epoch);

	guard_query_execute_params(epoch->stored ?
							   "UPDATE guard.evidence_epoch SET until = $3, seen_at = $4"
							   " WHERE source = $1 AND since = $2 AND until IS NULL" :
							   "INSERT INTO guard.evidence_epoch VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
							   params, GUARD_EPOCHS_COLUMNS);
}

void
guard_history_rows_epochs(const GuardEpochs *epochs)
{
	foreach_ptr(GuardEpoch, epoch, epochs->epochs)
	{
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
	GuardParam	now = P_TIME(epochs->now);
	GuardParam	retention = P_INT4(guard_guc_history_retention);
	TimestampTz last = epochs->counters != NULL ?
		epochs->counters->stored_seen_at : 0;

	if (epochs->capture != NULL)
		last = Max(last, epochs->capture->stored_seen_at);
	if (last / USECS_PER_DAY == epochs->now / USECS_PER_DAY)
		return;

	guard_query_execute(compact_hours, now, P_INT4(COMPACT_AFTER));
	guard_query_execute("DELETE FROM guard.statement_rate WHERE seen_at < $1 - $2 * interval '1 day'",
						now, P_INT4(STATEMENT_KEPT));
	guard_query_execute("DELETE FROM guard.hourly_use WHERE hour < $1 - $2 * interval '1 s'",
						now, retention);
	guard_query_execute("DELETE FROM guard.evidence_epoch WHERE until < $1 - $2 * interval '1 s'",
						now, retention);

	/* What standbys used of an index that is gone is in the row of that. */
	guard_query_execute("DELETE FROM guard.node_use WHERE relation_oid NOT IN (SELECT oid FROM pg_class)"
						" AND (relation_oid IN (SELECT index_oid FROM guard.departed) OR last_use < $1 - $2 * interval '1 s')",
						now, retention);

	/*
	 * Sessions that run uncaptured end epochs of capture, dozens a day maybe.
	 * Where counters were there all the time these say nothing more.
	 */
	guard_query_execute("DELETE FROM guard.evidence_epoch e WHERE source = 'capture' AND until IS NOT NULL"
						" AND EXISTS (SELECT FROM guard.evidence_epoch c WHERE c.source = 'counters'"
						"   AND c.since <= e.since AND e.until <= COALESCE(c.until, c.seen_at))"
						" AND EXISTS (SELECT FROM guard.evidence_epoch l WHERE l.source = 'capture' AND l.since > e.since)");

	/* A pause that ended that long ago says nothing of today's. */
	guard_query_execute("UPDATE guard.known_use SET longest_pause = NULL, pause_ended = NULL"
						" WHERE pause_ended < $1 - $2 * interval '1 s'",
						now, retention);
}
