/*-------------------------------------------------------------------------
 *
 * known.c
 *	  What was written down of the use of one index or table.
 *
 * A row keeps apart what happened in capture's present segment and what came
 * before: the one is compared with capture, and replaced by what it says now;
 * the other only grows.  When the segment has become a past one, it is folded
 * into the sum.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/history/history.h"

#define COLUMN(type, name, member) GUARD_COLUMN(GuardKnownUse, type, name, member)

/* guard.known_use */
const GuardColumn guard_history_columns[] = {
	COLUMN(INT4, "id", id),
	COLUMN(OID, "relation_oid", relation),
	COLUMN(OID, "table_oid", table),
	COLUMN(NAME, "relation_name", name),
	COLUMN(TIME, "first_use", first),
	COLUMN(TIME, "last_use", last),
	COLUMN(INT8, "uses", uses),
	COLUMN(SPAN, "longest_pause", pause),
	COLUMN(TIME, "pause_ended", pause_ended),
	COLUMN(INT4, "days", days),
	COLUMN(TEXT, "services", services),
	COLUMN(TIME, "segment", segment),
	COLUMN(TIME, "segment_first", seg_first),
	COLUMN(TIME, "segment_last", seg_last),
	COLUMN(INT8, "segment_uses", seg_uses),
	COLUMN(SPAN, "segment_pause", seg_pause),
	COLUMN(TIME, "counters_mark", counters_mark),
	COLUMN(INT8, "scans", scans),
	COLUMN(INT8, "unexplained", alone),
	COLUMN(TIME, "unexplained_first", alone_first),
	COLUMN(TIME, "unexplained_last", alone_last),
	COLUMN(SPAN, "unexplained_pause", alone_pause),
	COLUMN(INT4, "unexplained_days", alone_days),
	COLUMN(INT8, "foreign_key", fkey),
};

StaticAssertDecl(lengthof(guard_history_columns) == GUARD_HISTORY_COLUMNS,
				 "GUARD_HISTORY_COLUMNS is not their number");

/*
 * The pause between two uses, as far as somebody was there to see it.
 */
int64
guard_history_pause(TimestampTz last, TimestampTz first, const GuardEpochs *epochs)
{
	if (last == 0 || first <= last)
		return -1;
	return first - last - guard_epochs_unobserved(epochs, GUARD_WATCH_BOTH,
												  last, first);
}

/*
 * A pause longer than anything is remembered is a clock's that jumped.
 */
bool
guard_history_plausible(int64 pause)
{
	return pause <= (int64) guard_guc_history_retention * USECS_PER_SEC;
}

static void
note_pause(GuardKnownUse *use, int64 pause, TimestampTz ended)
{
	if (pause <= use->pause || !guard_history_plausible(pause))
		return;
	use->pause = pause;
	use->pause_ended = ended;
}

void
guard_history_fold(GuardKnownUse *use, TimestampTz segment,
				   const GuardEpochs *epochs)
{
	if (use->segment == 0 || use->segment == segment)
		return;
	if (use->seg_uses > 0)
	{
		note_pause(use, guard_history_pause(use->last, use->seg_first, epochs),
				   use->seg_first);
		note_pause(use, use->seg_pause, use->seg_last);
		use->first = use->first == 0 ? use->seg_first :
			Min(use->first, use->seg_first);
		use->last = Max(use->last, use->seg_last);
		use->uses += use->seg_uses;
	}
	use->segment = 0;
	use->seg_first = use->seg_last = 0;
	use->seg_uses = 0;
	use->seg_pause = -1;
}

/* ----------------------------------------------------------------
 *		Book-keeping
 * ----------------------------------------------------------------
 */

/*
 * These two run inside somebody's DDL, where everything that is written about
 * it stands or falls together: so what a snapshot has locked at this moment is
 * left to the next snapshot, which finds the index gone, or its name under
 * another OID.
 */
void
guard_history_rebuilt(Oid old, Oid successor)
{
	guard_query_execute("UPDATE guard.known_use SET relation_oid = $1 WHERE id = ANY (ARRAY("
						"SELECT id FROM guard.known_use WHERE relation_oid = $2 FOR UPDATE SKIP LOCKED))",
						P_OID(successor), P_OID(old));
}

/*
 * A relation has gone.
 */
void
guard_history_forget(Oid relation)
{
	guard_query_execute("WITH gone AS (SELECT id FROM guard.known_use WHERE relation_oid = $1 FOR UPDATE SKIP LOCKED),"
						" hours AS (DELETE FROM guard.hourly_use h USING gone WHERE h.relation_id = gone.id)"
						" DELETE FROM guard.known_use k USING gone WHERE k.id = gone.id",
						P_OID(relation));
}
