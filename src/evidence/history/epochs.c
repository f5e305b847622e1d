/*-------------------------------------------------------------------------
 *
 * epochs.c
 *	  Since when is it known what is known, and what lies between?
 *
 * There are two witnesses, the server's counters and capture.  Each is broken
 * by other things: a crash takes both, a clean restart takes only capture, a
 * pg_stat_reset() only counters, track_counts = off silences the one and
 * guard.capture = off the other, and a standby that is promoted brings its own
 * of both.  So each has its own row of epochs, and a span of time is a gap only
 * where neither was there.
 *
 * A snapshot writes down how far each epoch reached.  A reader does not wait
 * for the next one: it compares the stored rows with the server as it is now,
 * and sees for itself what has ended and what began.  It is the same function,
 * so that they agree; the snapshot writes the result.
 *
 * The clock may jump.  Nothing in the future of the clock counts as observed,
 * and a span that would be negative is empty.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xlog_internal.h"

#include "evidence/history/history.h"

#define EPOCH_SEEN_AT		4	/* guard.evidence_epoch */

/* How many gaps are told in words. */
#define GAPS_TOLD	3

/* In words such a gap is none: "0.0 s". */
#define GAP_WORTH_TELLING	(USECS_PER_SEC / 20)

static const char *const sources[] = {"capture", "counters"};

#define COLUMN(type, name, member) GUARD_COLUMN(GuardEpoch, type, name, member)

const GuardColumn guard_epochs_columns[] = {
	GUARD_COLUMN_OF_WORDS(GuardEpoch, "source", counters, sources),
	COLUMN(TIME, "since", since),
	COLUMN(TIME, "until", until),
	COLUMN(TIME, "seen_at", seen_at),
	COLUMN(TEXT, "began", began),
	COLUMN(TIME, "mark", mark),
	COLUMN(TIME, "cluster_mark", cluster_mark),
	COLUMN(INT8, "timeline", timeline),
	COLUMN(INT8, "system_identifier", system),
	COLUMN(INT4, "server_version", version),
};

StaticAssertDecl(lengthof(guard_epochs_columns) == GUARD_EPOCHS_COLUMNS,
				 "GUARD_EPOCHS_COLUMNS is not their number");

typedef struct Reason
{
	const char *code;
	const char *words;
} Reason;

static const Reason reasons[] = {
	{"crash", "crash"},
	{"restart", "restart"},
	{"failover", "failover"},
	{"reset", "statistics reset"},
	{"upgrade", "upgrade"},
	{"server", "another server"},
	{"track_counts", "track_counts was off"},
	{"capture", "some sessions were not captured: guard.mode or guard.capture was off"},
	{"standby", "standby"}
};

static void read_epochs(GuardEpochs *epochs);
static void bring_up_to_now(GuardEpochs *epochs, bool counters);
static void find_gaps(GuardEpochs *epochs);

static int
by_since(const ListCell *a, const ListCell *b)
{
	TimestampTz sa = ((GuardEpoch *) lfirst(a))->since;
	TimestampTz sb = ((GuardEpoch *) lfirst(b))->since;

	return sa < sb ? -1 : sa > sb ? 1 : 0;
}

GuardEpochs *
guard_epochs_read(void)
{
	GuardEpochs *epochs = palloc0(sizeof(GuardEpochs));

	epochs->now = GetCurrentTimestamp();
	read_epochs(epochs);
	epochs->recorded = epochs->epochs != NIL;
	list_sort(epochs->epochs, by_since);
	bring_up_to_now(epochs, true);
	bring_up_to_now(epochs, false);
	list_sort(epochs->epochs, by_since);
	find_gaps(epochs);
	return epochs;
}

/*
 * All that is written down.
 */
static void
read_epochs(GuardEpochs *epochs)
{
	GuardRows  *rows = guard_rows_of_table("evidence_epoch");

	epochs->known = rows != NULL;
	while (epochs->known && guard_rows_next(rows))
	{
		GuardEpoch *epoch = palloc0(sizeof(GuardEpoch));

		guard_record_read(guard_epochs_columns, GUARD_EPOCHS_COLUMNS, rows, epoch);
		epoch->stored_seen_at = epoch->seen_at;
		epoch->stored = true;
		epochs->epochs = lappend(epochs->epochs, epoch);
	}
}

/*
 * When this server was promoted to a timeline: then it wrote that one's history
 * file.  Where there is none, "otherwise".
 */
static TimestampTz
promoted_at(int64 timeline, TimestampTz otherwise)
{
	char		path[MAXPGPATH];
	struct stat st;

	TLHistoryFilePath(path, (TimeLineID) timeline);
	if (stat(path, &st) != 0)
		return otherwise;
	return time_t_to_timestamptz(st.st_mtime + 1);
}

/*
 * The present epoch of a source as the server shows it, with mark 0 where that
 * source sees nothing.  "lost" says that the statistics were lost as a whole,
 * not reset by somebody.
 */
static void
look_at_server(bool counters, GuardEpoch *live, bool *lost)
{
	TimestampTz since;

	memset(live, 0, sizeof(*live));
	live->counters = counters;
	since = guard_server_counters_since(&live->cluster_mark, lost);
	if (counters)
		live->mark = pgstat_track_counts ? since : 0;
	else
		live->mark = guard_server_capture_since();
	live->timeline = RecoveryInProgress() ? 0 : GetWALInsertionTimeLine();
	live->system = (int64) GetSystemIdentifier();
	live->version = PG_VERSION_NUM / 10000;
}

static bool
same_epoch(const GuardEpoch *a, const GuardEpoch *b)
{
	return a->mark == b->mark && a->timeline == b->timeline &&
		a->system == b->system;
}

/*
 * Why "live" is not the same epoch as the one before.
 */
static const char *
why_began(const GuardEpoch *before, const GuardEpoch *live, bool lost)
{
	if (before == NULL)
		return "first";
	if (before->system != live->system)
		return before->version != live->version ? "upgrade" : "server";
	if (before->timeline != live->timeline)
		return "failover";
	if (before->cluster_mark != live->cluster_mark && lost)
		return "crash";
	if (before->mark == live->mark)
		return live->counters ? "track_counts" : "capture";
	if (live->counters)
		return "reset";
	return PgStartTime > before->seen_at ? "restart" : "capture";
}

/*
 * Since when "live" speaks for this database's traffic.  Its marks may be older
 * than what came before: a standby has been counting for a year, but only what
 * was read there; a source that was switched off counts on from where it was.
 */
static TimestampTz
speaks_since(const GuardEpoch *before, const GuardEpoch *live, TimestampTz now)
{
	if (before == NULL)
		return Min(Max(live->mark, promoted_at(live->timeline, live->mark)), now);
	if (before->system != live->system)
		return Max(live->mark, PgStartTime);
	if (before->timeline != live->timeline)
		return Min(Max(live->mark, promoted_at(live->timeline, now)), now);
	return live->mark > before->seen_at ? live->mark : now;
}

/*
 * The latest epoch of a source that is stored, NULL when there is none.  The
 * one that goes on is it, wherever a clock that jumped has put the others.
 */
static GuardEpoch *
latest(const GuardEpochs *epochs, bool counters)
{
	GuardEpoch *result = NULL;

	foreach_ptr(GuardEpoch, epoch, epochs->epochs)
	{
		if (epoch->counters != counters)
			continue;
		if (epoch->until == 0)
			return epoch;
		result = epoch;
	}
	return result;
}

/*
 * What is stored was true at the last snapshot.  Has the source's epoch gone
 * on since, has another one begun, or is the source silent now?
 *
 * A standby cannot tell what its primary does now: there the stored epochs end
 * with the last snapshot, and its own begin anew.
 */
static void
bring_up_to_now(GuardEpochs *epochs, bool counters)
{
	GuardEpoch *before = latest(epochs, counters);
	GuardEpoch *live = palloc(sizeof(GuardEpoch));
	bool		lost;

	look_at_server(counters, live, &lost);
	if (before != NULL && before->until == 0)
	{
		if (live->mark != 0 && same_epoch(before, live))
		{
			before->seen_at = Max(before->seen_at, epochs->now);
			before->changed = true;
			if (counters)
				epochs->counters = before;
			else
				epochs->capture = before;
			return;
		}
		before->until = Max(before->since, before->seen_at);
		before->changed = true;
	}
	if (live->mark == 0)
		return;

	live->since = speaks_since(before, live, epochs->now);
	live->began = RecoveryInProgress() ? "standby" :
		why_began(before, live, lost);
	live->seen_at = Max(live->since, epochs->now);
	live->changed = true;
	epochs->epochs = lappend(epochs->epochs, live);
	if (counters)
		epochs->counters = live;
	else
		epochs->capture = live;
}

/*
 * When the last snapshot was; 0: there was none.
 */
TimestampTz
guard_history_last_snapshot(void)
{
	TimestampTz last = 0;
	GuardRows  *rows = guard_rows_of_table("evidence_epoch");

	while (rows != NULL && guard_rows_next(rows))
		last = Max(last, guard_rows_time(rows, EPOCH_SEEN_AT));
	return last;
}

/* ----------------------------------------------------------------
 *		Gaps
 * ----------------------------------------------------------------
 */

/*
 * How far an epoch reaches for one kind of question; 0: not at all.
 */
static TimestampTz
reaches(const GuardEpoch *epoch, GuardWatch watch, TimestampTz now)
{
	TimestampTz end = epoch->until != 0 ? epoch->until : epoch->seen_at;

	if (watch == GUARD_WATCH_COUNTERS && !epoch->counters)
		return 0;
	return Min(end, now);
}

static const char *
reason_words(const char *code)
{
	for (int i = 0; i < lengthof(reasons); i++)
	{
		if (strcmp(reasons[i].code, code) == 0)
			return reasons[i].words;
	}
	return code;
}

/*
 * Why nobody is there now.
 */
static const char *
why_silent(GuardWatch watch)
{
	if (!pgstat_track_counts)
		return "track_counts is off";
	return watch == GUARD_WATCH_COUNTERS ? "not counted" : "guard sees nothing now";
}

static void
add_gap(List **gaps, TimestampTz from, TimestampTz to, const char *why)
{
	GuardGap   *gap = palloc(sizeof(GuardGap));

	gap->from = from;
	gap->to = to;
	gap->why = why;
	*gaps = lappend(*gaps, gap);
}

/*
 * Walk through the epochs in the order in which they began, and note where
 * none of them was.  The gap is explained by the epoch that ends it: it says
 * what broke the one before.  Of two that begin together the counters' tells
 * more.
 */
static List *
gaps_of(const GuardEpochs *epochs, GuardWatch watch)
{
	List	   *gaps = NIL;
	TimestampTz covered = 0;
	const GuardEpoch *beginning = NULL;

	foreach_ptr(GuardEpoch, epoch, epochs->epochs)
	{
		TimestampTz end = reaches(epoch, watch, epochs->now);

		if (end <= epoch->since)
		{
			/* It begins this moment. */
			if (epoch->until == 0 && end != 0)
				beginning = epoch;
			continue;
		}
		if (covered != 0 && epoch->since > covered)
			add_gap(&gaps, covered, epoch->since, reason_words(epoch->began));
		covered = covered == 0 ? end : Max(covered, end);
	}
	if (covered != 0 && covered < epochs->now)
		add_gap(&gaps, covered, epochs->now,
				beginning != NULL ? reason_words(beginning->began) :
				why_silent(watch));
	return gaps;
}

static void
find_gaps(GuardEpochs *epochs)
{
	for (int watch = 0; watch < GUARD_WATCHES; watch++)
		epochs->gaps[watch] = gaps_of(epochs, watch);
	foreach_ptr(GuardEpoch, epoch, epochs->epochs)
	{
		if (epoch->since < epochs->now &&
			(epochs->since == 0 || epoch->since < epochs->since))
			epochs->since = epoch->since;
	}
}

int64
guard_epochs_unobserved(const GuardEpochs *epochs, GuardWatch watch,
						TimestampTz from, TimestampTz to)
{
	int64		sum = 0;

	/* Before the first epoch nobody was there either. */
	if (epochs->since != 0 && from < epochs->since)
		sum += Max(Min(to, epochs->since) - from, 0);
	foreach_ptr(GuardGap, gap, epochs->gaps[watch])
		sum += Max(Min(to, gap->to) - Max(from, gap->from), 0);
	return sum;
}

char *
guard_epochs_gap_words(const GuardEpochs *epochs, GuardWatch watch,
					   TimestampTz from, TimestampTz to)
{
	const List *gaps = epochs->gaps[watch];
	StringInfoData buf;
	int			told = 0;
	int			more = 0;

	initStringInfo(&buf);
	for (int i = list_length(gaps) - 1; i >= 0; i--)
	{
		const GuardGap *gap = list_nth(gaps, i);
		int64		length = Min(to, gap->to) - Max(from, gap->from);

		if (length < GAP_WORTH_TELLING)
			continue;
		if (told == GAPS_TOLD)
		{
			more++;
			continue;
		}
		if (told++ > 0)
			appendStringInfoString(&buf, ", ");
		appendStringInfo(&buf, "%s on %s (%s)", guard_text_span(length),
						 TextDatumGetCString(DirectFunctionCall2(timestamptz_to_char,
																 TimestampTzGetDatum(gap->from),
																 CStringGetTextDatum("YYYY-MM-DD HH24:MI"))),
						 gap->why);
	}
	if (more > 0)
		appendStringInfo(&buf, " and %d earlier", more);
	return told > 0 ? buf.data : NULL;
}
