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

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "evidence/history/history.h"
#include "guc.h"
#include "store/store.h"

/* guard.known_use */
#define KNOWN_ID				1
#define KNOWN_RELATION			2
#define KNOWN_TABLE				3
#define KNOWN_NAME				4
#define KNOWN_FIRST				5
#define KNOWN_LAST				6
#define KNOWN_USES				7
#define KNOWN_PAUSE				8
#define KNOWN_PAUSE_ENDED		9
#define KNOWN_DAYS				10
#define KNOWN_SERVICES			11
#define KNOWN_ARBITER			12
#define KNOWN_SEGMENT			13
#define KNOWN_SEGMENT_FIRST		14
#define KNOWN_SEGMENT_LAST		15
#define KNOWN_SEGMENT_USES		16
#define KNOWN_SEGMENT_PAUSE		17
#define KNOWN_COUNTERS_MARK		18
#define KNOWN_SCANS				19
#define KNOWN_ALONE				20
#define KNOWN_ALONE_FIRST		21
#define KNOWN_ALONE_LAST		22
#define KNOWN_ALONE_PAUSE		23
#define KNOWN_ALONE_DAYS		24

/*
 * A row of guard.known_use.
 */
void
guard_history_row(const GuardRows *rows, GuardKnownUse *use)
{
	memset(use, 0, sizeof(*use));
	use->id = guard_rows_int(rows, KNOWN_ID);
	use->relation = guard_rows_oid(rows, KNOWN_RELATION);
	use->table = guard_rows_oid(rows, KNOWN_TABLE);
	namestrcpy(&use->name, guard_rows_text(rows, KNOWN_NAME));
	use->first = guard_rows_time(rows, KNOWN_FIRST);
	use->last = guard_rows_time(rows, KNOWN_LAST);
	use->uses = guard_rows_int(rows, KNOWN_USES);
	use->pause = guard_rows_int_or(rows, KNOWN_PAUSE, -1);
	use->pause_ended = guard_rows_time(rows, KNOWN_PAUSE_ENDED);
	use->days = guard_rows_int(rows, KNOWN_DAYS);
	use->services = guard_rows_text(rows, KNOWN_SERVICES);
	use->last_arbiter = guard_rows_time(rows, KNOWN_ARBITER);
	use->segment = guard_rows_time(rows, KNOWN_SEGMENT);
	use->seg_first = guard_rows_time(rows, KNOWN_SEGMENT_FIRST);
	use->seg_last = guard_rows_time(rows, KNOWN_SEGMENT_LAST);
	use->seg_uses = guard_rows_int(rows, KNOWN_SEGMENT_USES);
	use->seg_pause = guard_rows_int_or(rows, KNOWN_SEGMENT_PAUSE, -1);
	use->counters_mark = guard_rows_time(rows, KNOWN_COUNTERS_MARK);
	use->scans = guard_rows_int(rows, KNOWN_SCANS);
	use->alone = guard_rows_int(rows, KNOWN_ALONE);
	use->alone_first = guard_rows_time(rows, KNOWN_ALONE_FIRST);
	use->alone_last = guard_rows_time(rows, KNOWN_ALONE_LAST);
	use->alone_pause = guard_rows_int_or(rows, KNOWN_ALONE_PAUSE, -1);
	use->alone_days = guard_rows_int(rows, KNOWN_ALONE_DAYS);
}

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
