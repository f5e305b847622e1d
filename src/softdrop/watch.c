/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  Does anything become slower without a hidden index?
 *
 * Two kinds of statements are compared with how they were before the index was
 * hidden, all by what pg_stat_statements counts:
 *
 *	i	those that capture has seen using the index
 *	t	those that use its table in another way: what takes up the index's
 *		work is among them, and where nothing was known of the index, so are
 *		its users
 *
 * What was before is written down, so that a visitor that dies is followed by
 * one that knows as much.  So is where the window begins that is looked at: a
 * mean over days would hide what begins now.  A window begins anew as soon as
 * it has said enough.
 *
 * What slows down everything is not the index's fault, so other statements are
 * looked at in the same window, as controls.  For that it is written down what
 * the busiest of the database had done at each moment at which some window
 * began: once, whatever number of indexes are hidden.
 *
 * Whether the index could be the cause at all, only a session can tell that
 * runs the statement.  It is asked before anything is given back
 * (planner/whatif/question.h).
 *
 * Statistics that hold calls from before the index existed do not tell how the
 * statement was with it, and are no baseline.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "guc.h"
#include "planner/whatif/question.h"
#include "softdrop/steps.h"
#include "store/store.h"

#define KIND_INDEX		'i'
#define KIND_TABLE		't'

/* So many controls are plenty. */
#define MAX_CONTROLS	200

/* A window that says too little is given up after this many seconds. */
#define MAX_WINDOW		3600

/* A row of guard.soft_drop_baseline. */
typedef struct Baseline
{
	int64		queryid;
	char		kind;
	int64		calls;			/* 0: not known */
	double		mean;
	double		stddev;
	double		longest;
	double		rows;			/* per call */
	TimestampTz before_at;		/* the sample from before */
	GuardNoiseCounters seen;	/* the sample with which the window begins */
	bool		late;			/* some call waited for a lock then */
	int			in_a_row;
} Baseline;

/* Counters of some moment, as they were written down. */
typedef struct Earlier
{
	TimestampTz at;
	HTAB	   *counted;		/* of GuardCounted */
} Earlier;

const char *
guard_watch_blind(void)
{
	return guard_pgss_find().missing;
}

/* ---- before ---- */

/* A statement to be watched. */
typedef struct WatchedStatement
{
	int64		queryid;		/* key */
	char		kind;
	TimestampTz first;			/* that capture knows of, on this table */
} WatchedStatement;

static HTAB *
make_set(const char *name, Size entrysize, MemoryContext context)
{
	HASHCTL		info = {.keysize = sizeof(int64), .entrysize = entrysize, .hcxt = context};

	return hash_create(name, 256, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
add_statements(HTAB *watched, List *relations, char kind)
{

	foreach_ptr(GuardCapturedStatement, captured, guard_capture_statements(relations, NULL))
	{
		bool		found;
		WatchedStatement *statement;

		if (captured->queryid == 0)
			continue;
		statement = hash_search(watched, &captured->queryid, HASH_ENTER, &found);
		if (!found)
		{
			statement->kind = kind;
			statement->first = captured->first;
		}
		statement->first = Min(statement->first, captured->first);
	}
}

/*
 * The index's own first: a statement has the first kind that fits.
 */
static HTAB *
statements_to_watch(const GuardSoftDrop *drop)
{
	HTAB	   *watched = make_set("guard watched", sizeof(WatchedStatement),
								   CurrentMemoryContext);

	add_statements(watched, guard_softdrop_indexes(drop), KIND_INDEX);
	add_statements(watched, list_make1_oid(drop->table), KIND_TABLE);
	foreach_ptr(GuardTarget, target, guard_targets_of_table(drop->table, GUARD_ROUTE_INDEX, true))
		add_statements(watched, target->members, KIND_TABLE);
	return watched;
}

/*
 * When guard saw the index being created; 0: it did not.
 */
static TimestampTz
created_at(const GuardSoftDrop *drop)
{
	GuardObject *object = guard_identity_of(drop->index);

	return object != NULL ? object->created_at : 0;
}

/*
 * Do the counters of a statement tell how it was with the index?  Before 17 it
 * is not known since when they count, but capture may have seen the statement
 * before the index was there.
 */
static bool
tells_before(const WatchedStatement *statement, const GuardCounted *counted,
			 TimestampTz created)
{
	if (counted == NULL || counted->counters.calls == 0)
		return false;
	return created == 0 ||
		(counted->since != 0 ? counted->since : statement->first) >= created;
}

/* ---- counters, as they are written down ---- */

/*
 * What put_counters() has written, one row for each statement, as what a query
 * selects from.  Where a statement is not counted, it is all 0.
 */
#define COUNTERS(parameter) \
	" jsonb_to_recordset(" parameter ") AS u (queryid bigint, kind \"char\", known boolean, in_a_row integer," \
	" calls bigint, \"time\" float8, squares float8, longest float8, rows float8, late boolean)"

/*
 * A number that is the same when it is read.
 */
static void
put_number(StringInfo json, const char *key, double value)
{
	guard_json_raw(json, key, psprintf("%.17g", value));
}

/*
 * A statement's counters, as members of an object that is open.
 */
static void
put_counters(StringInfo json, int64 queryid, const GuardCounted *counted)
{
	static const GuardCounted none = {0};

	if (counted == NULL)
		counted = &none;
	guard_json_int(json, "queryid", queryid);
	guard_json_int(json, "calls", counted->counters.calls);
	put_number(json, "time", counted->counters.time);
	put_number(json, "squares", counted->counters.squares);
	put_number(json, "longest", counted->counters.longest);
	put_number(json, "rows", counted->counters.rows);
	guard_json_bool(json, "late", counted->late);
}

static const GuardCounted *
counted_now(const GuardWatchSample *sample, int64 queryid)
{
	return hash_search(sample->counted, &queryid, HASH_FIND, NULL);
}

/*
 * Its counters as of now; where it is not counted, it was not called, or thrown
 * out.
 */
static GuardNoiseCounters
counters_now(const GuardWatchSample *sample, const GuardCounted *counted)
{
	GuardNoiseCounters now = {0};

	if (counted != NULL)
		now = counted->counters;
	now.at = sample->at;
	now.reset_at = sample->reset_at;
	return now;
}

/*
 * The busiest statements go first.
 */
static int
compare_time(const ListCell *a, const ListCell *b)
{
	double		x = ((const GuardCounted *) lfirst(a))->counters.time;
	double		y = ((const GuardCounted *) lfirst(b))->counters.time;

	return x > y ? -1 : x < y ? 1 : 0;
}

/*
 * Write down what the busiest statements had done at this moment, for some
 * window begins here.
 */
static void
keep_sample(const GuardWatchSample *sample)
{
	List	   *all = NIL;
	GuardCounted *counted;
	HASH_SEQ_STATUS scan;
	StringInfoData json;
	int			n = 0;
	ListCell   *lc;

	hash_seq_init(&scan, sample->counted);
	while ((counted = hash_seq_search(&scan)) != NULL)
		all = lappend(all, counted);
	list_sort(all, compare_time);
	initStringInfo(&json);
	guard_json_array(&json, NULL);
	foreach(lc, all)
	{
		counted = lfirst(lc);
		if (n++ == MAX_CONTROLS)
			break;
		guard_json_object(&json, NULL);
		put_counters(&json, counted->queryid, counted);
		guard_json_end_object(&json);
	}
	guard_json_end_array(&json);
	(void) guard_query_execute("INSERT INTO guard.soft_drop_sample"
							   " SELECT $1, coalesce(array_agg(u.queryid), '{}'), coalesce(array_agg(u.calls), '{}'),"
							   " coalesce(array_agg(u.time), '{}') FROM" COUNTERS("$2::jsonb") " ON CONFLICT DO NOTHING",
							   P_TIME(sample->at), P_TEXT(json.data));
}

/*
 * Those that no window needs any more go.
 */
static void
forget_samples(void)
{
	(void) guard_query_execute("DELETE FROM guard.soft_drop_sample WHERE at NOT IN"
							   " (SELECT before_at FROM guard.soft_drop_baseline UNION SELECT seen_at FROM guard.soft_drop_baseline)");
}

void
guard_watch_begin(GuardSoftDrop *drop, const GuardWatchSample *sample)
{
	HTAB	   *watched = statements_to_watch(drop);
	TimestampTz created = created_at(drop);
	HASH_SEQ_STATUS scan;
	WatchedStatement *statement;
	StringInfoData json;

	guard_watch_end(drop);
	forget_samples();
	if (hash_get_num_entries(watched) == 0)
		return;
	initStringInfo(&json);
	guard_json_array(&json, NULL);
	hash_seq_init(&scan, watched);
	while ((statement = hash_seq_search(&scan)) != NULL)
	{
		const GuardCounted *counted = counted_now(sample, statement->queryid);

		guard_json_object(&json, NULL);
		guard_json_text(&json, "kind", statement->kind == KIND_INDEX ? "i" : "t");
		guard_json_bool(&json, "known", tells_before(statement, counted, created));
		put_counters(&json, statement->queryid, counted);
		guard_json_end_object(&json);
	}
	guard_json_end_array(&json);
	keep_sample(sample);
	(void) guard_query_execute("INSERT INTO guard.soft_drop_baseline (soft_drop_id, queryid, kind, calls, mean, stddev,"
							   " longest, rows_per_call, before_at, seen_at, seen_calls, seen_time, seen_squares, seen_longest,"
							   " seen_rows, seen_late)"
							   " SELECT $1, u.queryid, u.kind, CASE WHEN u.known THEN u.calls ELSE 0 END, coalesce(u.time / nullif(u.calls, 0), 0),"
							   " coalesce(sqrt(greatest(u.squares / nullif(u.calls, 0) - (u.time / nullif(u.calls, 0)) ^ 2, 0)), 0),"
							   " u.longest, coalesce(u.rows / nullif(u.calls, 0), 0), $2, $2, u.calls, u.time, u.squares, u.longest, u.rows, u.late"
							   " FROM" COUNTERS("$3::jsonb"),
							   P_INT8(drop->id), P_TIME(sample->at), P_TEXT(json.data));
}

void
guard_watch_end(GuardSoftDrop *drop)
{
	(void) guard_query_execute("DELETE FROM guard.soft_drop_baseline WHERE soft_drop_id = $1",
							   P_INT8(drop->id));
}

/* ---- since ---- */

static List *
read_baseline(const GuardSoftDrop *drop)
{
	List	   *baseline = NIL;
	GuardRows  *rows = guard_query_rows("SELECT queryid, calls, mean, stddev, longest, rows_per_call,"
										" seen_calls, seen_time, seen_squares, seen_longest, seen_rows, seen_late, in_a_row,"
										" before_at, seen_at, kind = 'i' FROM guard.soft_drop_baseline WHERE soft_drop_id = $1",
										P_INT8(drop->id));

	while (guard_rows_next(rows))
	{
		Baseline   *row = palloc(sizeof(Baseline));

		row->queryid = guard_rows_int(rows, 1);
		row->calls = guard_rows_int(rows, 2);
		row->mean = guard_rows_float(rows, 3);
		row->stddev = guard_rows_float(rows, 4);
		row->longest = guard_rows_float(rows, 5);
		row->rows = guard_rows_float(rows, 6);
		row->seen.calls = guard_rows_int(rows, 7);
		row->seen.time = guard_rows_float(rows, 8);
		row->seen.squares = guard_rows_float(rows, 9);
		row->seen.longest = guard_rows_float(rows, 10);
		row->seen.rows = guard_rows_float(rows, 11);
		row->late = guard_rows_bool(rows, 12);
		row->in_a_row = guard_rows_int(rows, 13);
		row->before_at = guard_rows_time(rows, 14);
		row->seen.at = guard_rows_time(rows, 15);
		row->seen.reset_at = 0;
		row->kind = guard_rows_bool(rows, 16) ? KIND_INDEX : KIND_TABLE;
		baseline = lappend(baseline, row);
	}
	return baseline;
}

/* ---- controls ---- */

/*
 * The counters of some moment, read once for all soft drops.  Empty where they
 * were not written down.
 */
static HTAB *
earlier(GuardWatchSample *sample, TimestampTz at)
{
	MemoryContext old;
	Earlier    *result;
	GuardRows  *rows;
	ListCell   *lc;

	foreach(lc, sample->earlier)
	{
		result = lfirst(lc);
		if (result->at == at)
			return result->counted;
	}
	old = MemoryContextSwitchTo(sample->context);
	result = palloc(sizeof(Earlier));
	result->at = at;
	result->counted = make_set("guard earlier sample", sizeof(GuardCounted), sample->context);
	sample->earlier = lappend(sample->earlier, result);
	MemoryContextSwitchTo(old);
	rows = guard_query_rows("SELECT u.q, u.c, u.t FROM guard.soft_drop_sample s,"
							" unnest(s.queryids, s.calls, s.times) AS u (q, c, t) WHERE s.at = $1",
							P_TIME(at));
	while (guard_rows_next(rows))
	{
		int64		queryid = guard_rows_int(rows, 1);
		GuardCounted *counted = hash_search(result->counted, &queryid, HASH_ENTER, NULL);

		memset(&counted->counters, 0, sizeof(counted->counters));
		counted->counters.at = at;
		counted->counters.calls = guard_rows_int(rows, 2);
		counted->counters.time = guard_rows_float(rows, 3);
	}
	return result->counted;
}

/*
 * Statements that any hidden index may have slowed down are no controls.
 */
static HTAB *
all_watched(GuardWatchSample *sample)
{
	GuardRows  *rows;

	if (sample->watched != NULL)
		return sample->watched;
	sample->watched = make_set("guard all watched", sizeof(int64), sample->context);
	rows = guard_query_rows("SELECT DISTINCT queryid FROM guard.soft_drop_baseline");
	while (guard_rows_next(rows))
	{
		int64		queryid = guard_rows_int(rows, 1);

		(void) hash_search(sample->watched, &queryid, HASH_ENTER, NULL);
	}
	return sample->watched;
}

/*
 * How everything else was in the window of a statement.
 */
static GuardNoiseGeneral
general_of(const Baseline *row, GuardWatchSample *sample)
{
	HTAB	   *before = earlier(sample, row->before_at);
	HTAB	   *seen = earlier(sample, row->seen.at);
	HTAB	   *watched = all_watched(sample);
	GuardNoiseStatement *controls = palloc0(Max(hash_get_num_entries(seen), 1) *
											sizeof(GuardNoiseStatement));
	int			n = 0;
	HASH_SEQ_STATUS scan;
	GuardCounted *then;

	hash_seq_init(&scan, seen);
	while ((then = hash_seq_search(&scan)) != NULL)
	{
		GuardCounted *old = hash_search(before, &then->queryid, HASH_FIND, NULL);
		const GuardCounted *counted = counted_now(sample, then->queryid);
		GuardNoiseCounters now = counters_now(sample, counted);

		if (old == NULL || counted == NULL || counted->late ||
			hash_search(watched, &then->queryid, HASH_FIND, NULL) != NULL)
			continue;
		controls[n].calls_before = old->counters.calls;
		controls[n].mean_before = old->counters.time / Max(old->counters.calls, 1);
		if (guard_noise_window(&controls[n], &then->counters, &now))
			n++;
	}
	return guard_noise_general(controls, n, row->mean);
}

/* ---- one statement ---- */

/*
 * What a statement did in its window.  False: that cannot be told.
 */
static bool
compare(const Baseline *row, const GuardWatchSample *sample,
		GuardNoiseStatement *statement)
{
	const GuardCounted *counted = counted_now(sample, row->queryid);
	GuardNoiseCounters now = counters_now(sample, counted);

	memset(statement, 0, sizeof(*statement));
	statement->calls_before = row->calls;
	statement->mean_before = row->mean;
	statement->stddev_before = row->stddev;
	statement->max_before = row->longest;
	statement->rows_before = row->rows;
	statement->seconds = Max((sample->at - row->seen.at) / (double) USECS_PER_SEC, 0.001);
	statement->late = row->late;
	statement->late |= counted != NULL && counted->late;
	return guard_noise_window(statement, &row->seen, &now);
}

/*
 * Add its calls that run now.  Those that began before the index was hidden
 * have the old plan.
 */
static void
add_running(GuardNoiseStatement *statement, int64 queryid,
			const GuardSoftDrop *drop, const GuardWatchSample *sample)
{
	double		limit = guard_noise_limit(statement, guard_guc_restore_factor);

	foreach_ptr(GuardRunning, running, sample->running)
	{
		if (running->queryid != queryid || running->started < drop->hidden_at)
			continue;
		statement->running++;
		statement->longest_running = Max(statement->longest_running, running->elapsed);
		if (running->elapsed > limit)
			statement->running_long++;
	}
}

/*
 * What sessions say of the statement and the index; they are asked, if nobody
 * was yet.
 */
static GuardNoiseAnswer
ask(const GuardSoftDrop *drop, int64 queryid, double slow)
{
	List	   *tables = list_make1_oid(drop->table);

	switch (guard_question_read(drop->index, queryid))
	{
		case GUARD_QUESTION_USED:
			return GUARD_NOISE_USED;
		case GUARD_QUESTION_INNOCENT:
			return GUARD_NOISE_INNOCENT;
		case GUARD_QUESTION_OPEN:
			return GUARD_NOISE_WAITING;
		case GUARD_QUESTION_EITHER:
		case GUARD_QUESTION_UNANSWERED:
			return GUARD_NOISE_NONE;
		case GUARD_QUESTION_NOT_ASKED:
			break;
	}
	foreach_ptr(GuardSoftDropPart, part, drop->parts)
		tables = list_append_unique_oid(tables, part->table);
	return guard_question_ask(drop->index, queryid, slow, tables) ?
		GUARD_NOISE_WAITING : GUARD_NOISE_NONE;
}

static char *
describe(const Baseline *row, const GuardNoiseStatement *statement,
		 const GuardNoiseFinding *finding, double general,
		 GuardNoiseAnswer answer, const GuardWatchSample *sample)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (finding->still_running)
		appendStringInfo(&buf, "statement " INT64_FORMAT " has been running for %.0f ms",
						 row->queryid, finding->mean);
	else
		appendStringInfo(&buf, "statement " INT64_FORMAT " took %.3f ms in its last "
						 INT64_FORMAT " calls", row->queryid, finding->mean,
						 statement->calls);
	appendStringInfo(&buf, ", %.1f times the %.3f ms of before", finding->mean / row->mean,
					 row->mean);
	if (general > 1.05)
		appendStringInfo(&buf, "; everything else, %.1f times", general);
	appendStringInfoString(&buf, answer == GUARD_NOISE_USED ?
						   "; the planner would use the index" :
						   "; whether the planner would use the index is not known");
	appendStringInfo(&buf, " (guard.restore_factor %g; %d connections busy, %d waiting)",
					 guard_guc_restore_factor, sample->active, sample->waiting);
	return buf.data;
}

/*
 * Say that a statement has become slower, and why the index stays hidden all
 * the same; once a minute.
 */
static void
say_innocent(const GuardSoftDrop *drop, const Baseline *row,
			 const GuardNoiseFinding *finding)
{
	static TimestampTz said_at = 0;
	static int64 said_of = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (said_of == row->queryid && now - said_at < 60 * USECS_PER_SEC)
		return;
	said_of = row->queryid;
	said_at = now;
	ereport(LOG,
			(errmsg("index %s stays hidden: statement " INT64_FORMAT " takes %.3f ms instead of %.3f ms, but the planner would not use the index",
					guard_softdrop_name(drop), row->queryid, finding->mean, row->mean)));
}

/*
 * New windows begin where these statements are now.
 */
static void
begin_windows(const GuardSoftDrop *drop, List *rows, const GuardWatchSample *sample)
{
	StringInfoData json;

	if (rows == NIL)
		return;
	initStringInfo(&json);
	guard_json_array(&json, NULL);
	foreach_ptr(Baseline, row, rows)
	{
		guard_json_object(&json, NULL);
		guard_json_int(&json, "in_a_row", row->in_a_row);
		put_counters(&json, row->queryid, counted_now(sample, row->queryid));
		guard_json_end_object(&json);
	}
	guard_json_end_array(&json);
	keep_sample(sample);
	(void) guard_query_execute("UPDATE guard.soft_drop_baseline b SET seen_at = $2, seen_calls = u.calls, seen_time = u.time,"
							   " seen_squares = u.squares, seen_longest = u.longest, seen_rows = u.rows, seen_late = u.late,"
							   " in_a_row = u.in_a_row FROM" COUNTERS("$3::jsonb")
							   " WHERE b.soft_drop_id = $1 AND b.queryid = u.queryid",
							   P_INT8(drop->id), P_TIME(sample->at), P_TEXT(json.data));
}

/*
 * Look at one statement.  False: a new window begins.
 */
static bool
look_at(const GuardSoftDrop *drop, Baseline *row, GuardWatchSample *sample,
		GuardWatchFinding *result)
{
	static const GuardNoiseGeneral nothing = {1.0, 1.0};
	GuardNoiseGeneral general = nothing;
	GuardNoiseAnswer answer = GUARD_NOISE_WAITING;
	GuardNoiseStatement statement;
	GuardNoiseFinding finding;
	GuardNoiseStep step;
	bool		told = compare(row, sample, &statement);

	result->lost |= statement.lost;
	if (!told)
	{
		row->in_a_row = 0;
		return false;
	}
	add_running(&statement, row->queryid, drop, sample);
	finding = guard_noise_judge(&statement, guard_guc_restore_factor, &general);
	if (finding.suspect)
	{
		general = general_of(row, sample);
		finding = guard_noise_judge(&statement, guard_guc_restore_factor, &general);
	}
	if (finding.suspect)
		answer = ask(drop, row->queryid, guard_guc_restore_factor * finding.expected);
	step = guard_noise_decide(&finding, answer, row->in_a_row);
	result->asking |= finding.suspect && answer == GUARD_NOISE_WAITING;
	if (step.restore)
	{
		result->regressed = true;
		result->sentence = describe(row, &statement, &finding, general.middle,
									answer, sample);
	}
	if (finding.slower && answer == GUARD_NOISE_INNOCENT)
		say_innocent(drop, row, &finding);
	row->in_a_row = step.in_a_row;

	/* lost once: what comes after a reset is in a window of its own */
	return !statement.lost && !step.end && statement.seconds <= MAX_WINDOW;
}

List *
guard_watch_known(const GuardSoftDrop *drop, int64 *others)
{
	List	   *known = NIL;

	*others = 0;
	foreach_ptr(Baseline, row, read_baseline(drop))
	{
		if (row->calls > 0 && row->kind == KIND_INDEX)
			known = lappend(known, &row->queryid);
		else if (row->calls > 0)
			(*others)++;
	}
	return known;
}

GuardWatchFinding
guard_watch_look(GuardSoftDrop *drop, GuardWatchSample *sample)
{
	GuardWatchFinding result = {0};
	List	   *ended = NIL;

	foreach_ptr(Baseline, row, read_baseline(drop))
	{
		if (!look_at(drop, row, sample, &result))
			ended = lappend(ended, row);
		if (result.regressed)
			return result;
	}
	begin_windows(drop, ended, sample);
	return result;
}
