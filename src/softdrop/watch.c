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
 * Statements on standbys are series of their own, of which the standby tells what
 * it counts there: they are compared with how they were there.  While one that
 * counts is not heard the trial stands still.
 *
 * What slows down everything is not the index's fault, so other statements are
 * looked at in the same window, as controls.  For that it is written down what
 * the busiest of the database had done at each moment at which some window
 * began: once, whatever number of indexes are hidden.
 *
 * Whether the index could be the cause at all, only a session can tell that
 * runs the statement.  It is asked before anything is given back
 * (planner/whatif/question.h).  Those of a standby are not asked: figures alone
 * must do there.
 *
 * Statistics that hold calls from before the index existed do not tell how the
 * statement was with it, and are no baseline.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "planner/whatif/question.h"
#include "softdrop/steps.h"
#include "store/store.h"

/* The kind of a statement. */
typedef enum Kind
{
	KIND_INDEX,
	KIND_TABLE
} Kind;

static const char *const kinds[] = {[KIND_INDEX] = "i",[KIND_TABLE] = "t"};

/* So many controls are plenty. */
#define MAX_CONTROLS	200

/* A window that says too little is given up after this many seconds. */
#define MAX_WINDOW		3600

/* A standby that told nothing for so long is not heard, in microseconds. */
#define HEARD_FOR		(INT64CONST(10) * USECS_PER_SEC)

/* A row of guard.soft_drop_baseline. */
typedef struct Baseline
{
	int64		drop;
	char	   *node;			/* a standby; empty: this server */
	int64		queryid;
	Kind		kind;
	int64		calls;			/* 0: not known */
	double		mean;
	double		stddev;
	double		longest;
	double		rows;			/* per call */
	TimestampTz before_at;		/* the sample from before */
	GuardNoiseCounters seen;	/* the sample with which the window begins */
	bool		late;			/* some call waited for a lock then */
	int32		in_a_row;
} Baseline;

#define COLUMN(type, name, member) GUARD_COLUMN(Baseline, type, name, member)

/* From WINDOW on, what changes when a new window begins. */
static const GuardColumn columns[] = {
	COLUMN(INT8, "soft_drop_id", drop),
	COLUMN(TEXT, "node", node),
	COLUMN(INT8, "queryid", queryid),
	GUARD_COLUMN_OF_WORDS(Baseline, "kind", kind, kinds),
	COLUMN(INT8, "calls", calls),
	COLUMN(FLOAT8, "mean", mean),
	COLUMN(FLOAT8, "stddev", stddev),
	COLUMN(FLOAT8, "longest", longest),
	COLUMN(FLOAT8, "rows_per_call", rows),
	COLUMN(TIME, "before_at", before_at),
#define WINDOW 10
	COLUMN(TIME, "seen_at", seen.at),
	COLUMN(INT8, "seen_calls", seen.calls),
	COLUMN(FLOAT8, "seen_time", seen.time),
	COLUMN(FLOAT8, "seen_squares", seen.squares),
	COLUMN(FLOAT8, "seen_longest", seen.longest),
	COLUMN(FLOAT8, "seen_rows", seen.rows),
	COLUMN(BOOL, "seen_late", late),
	COLUMN(INT4, "in_a_row", in_a_row),
};

/* What other statements did in a window, as far as it was written down. */
typedef struct Controls
{
	TimestampTz before_at;
	TimestampTz seen_at;
	int			n;
	GuardNoiseStatement *statements;
} Controls;

/*
 * What a server has counted; NULL: nothing is known of that.
 */
static GuardWatchSample *
find_sample(List *samples, const char *node)
{
	foreach_ptr(GuardWatchSample, sample, samples)
	{
		if (strcmp(sample->node, node) == 0)
			return sample;
	}
	return NULL;
}

/*
 * Has the standby told how the statements of this index are there lately, and
 * while it was hidden there, if it is?
 */
static const char *
why_unheard(const GuardSoftDrop *drop, const char *node, const GuardWatchSample *sample)
{
	bool		hidden = drop->state == GUARD_SOFTDROP_HIDDEN;
	int64		age = sample != NULL ? GetCurrentTimestamp() - sample->at : 0;
	GuardHeard *heard = sample == NULL ? NULL :
		hash_search(sample->heard, &drop->id, HASH_FIND, NULL);

	if (heard == NULL || (hidden && !heard->hidden))
		return psprintf("standby \"%s\" has not told how its statements are there", node);
	if (hidden && age > HEARD_FOR)
		return psprintf("standby \"%s\" has not told for %s how its statements are there",
						node, guard_text_span(age));
	return hidden && sample->blind != NULL ? psprintf("on standby \"%s\" %s", node, sample->blind) : NULL;
}

const char *
guard_watch_blind(const GuardSoftDrop *drop, const GuardServer *server, List *samples)
{
	foreach_ptr(const GuardNode, node, server->nodes)
	{
		const char *why = !node->counts ? NULL :
			why_unheard(drop, node->name, find_sample(samples, node->name));

		if (why != NULL)
			return why;
	}
	return drop->state == GUARD_SOFTDROP_HIDDEN ? ((GuardWatchSample *) linitial(samples))->blind : NULL;
}

/* ---- before ---- */

/* A statement to be watched. */
typedef struct WatchedStatement
{
	int64		queryid;		/* key */
	Kind		kind;
	TimestampTz first;			/* that capture knows of, on this table */
	int64		uses;			/* of the index */
} WatchedStatement;

static void
add_statement(HTAB *watched, int64 queryid, Kind kind, TimestampTz first, int64 uses)
{
	bool		found;
	WatchedStatement *statement;

	if (queryid == 0)
		return;
	statement = hash_search(watched, &queryid, HASH_ENTER, &found);
	if (!found)
	{
		statement->kind = kind;
		statement->first = first;
		statement->uses = 0;
	}
	statement->first = Min(statement->first, first);
	if (kind == KIND_INDEX)
		statement->uses += uses;
}

static void
add_statements(HTAB *watched, List *relations, Kind kind, int64 *uses)
{
	foreach_ptr(GuardCapturedStatement, captured, guard_capture_statements(relations, uses))
		add_statement(watched, captured->queryid, kind, captured->first, captured->count);
}

/*
 * The index's own first: a statement has the first kind that fits.  *uses is for
 * how many uses they are to account.
 */
static HTAB *
statements_to_watch(const GuardSoftDrop *drop, const GuardWatchSample *sample, int64 *uses)
{
	HTAB	   *watched = guard_hash_make("guard watched", sizeof(int64),
										  sizeof(WatchedStatement), CurrentMemoryContext);
	GuardRows  *rows;

	if (sample->heard == NULL)
	{
		add_statements(watched, guard_softdrop_indexes(drop), KIND_INDEX, uses);
		add_statements(watched, list_make1_oid(drop->table), KIND_TABLE, NULL);
		foreach_ptr(GuardTarget, target, guard_targets_of_table(drop->table, GUARD_ROUTE_INDEX, true))
			add_statements(watched, target->members, KIND_TABLE, NULL);
		return watched;
	}
	rows = guard_watch_statements(sample, drop->id);
	while (guard_rows_next(rows))
		add_statement(watched, guard_rows_int(rows, 1),
					  strcmp(guard_rows_text(rows, 2), kinds[KIND_INDEX]) == 0 ? KIND_INDEX : KIND_TABLE,
					  guard_rows_time(rows, 4), guard_rows_int(rows, 3));
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

/* ---- counters ---- */

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
 * Write down what the busiest statements had done at this moment, for some
 * window begins here.
 */
static void
keep_sample(const GuardWatchSample *sample)
{
	GuardBatch *batch = guard_batch_make();
	HASH_SEQ_STATUS scan;
	GuardCounted *counted;

	hash_seq_init(&scan, sample->counted);
	while ((counted = hash_seq_search(&scan)) != NULL)
		guard_batch_add(batch, P_TEXT(sample->node), P_TIME(sample->at), P_INT8(counted->queryid),
						P_INT8(counted->counters.calls), P_FLOAT8(counted->counters.time));
	(void) guard_batch_execute(batch, "INSERT INTO guard.soft_drop_sample SELECT u.node, u.at, array_agg(u.q), array_agg(u.c), array_agg(u.t)"
							   " FROM (SELECT * FROM unnest($1, $2, $3, $4, $5) AS n (node, at, q, c, t) ORDER BY t DESC LIMIT " CppAsString2(MAX_CONTROLS) ") u"
							   " GROUP BY u.node, u.at ON CONFLICT DO NOTHING");
}

/*
 * Write down these rows, new ones or with new windows.
 */
static void
write_baseline(List *rows)
{
	GuardBatch *batch = guard_batch_make();
	int			n = lengthof(columns);

	foreach_ptr(Baseline, row, rows)
		guard_batch_add_params(batch, guard_record_params(columns, n, row), n);
	(void) guard_batch_execute(batch, psprintf("INSERT INTO guard.soft_drop_baseline SELECT * FROM unnest(%s)"
											   " ON CONFLICT (soft_drop_id, node, queryid) DO UPDATE SET (%s) = ROW(%s)",
											   guard_record_numbers(1, n),
											   guard_record_names(&columns[WINDOW], n - WINDOW, ""),
											   guard_record_names(&columns[WINDOW], n - WINDOW, "excluded.")));
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

/*
 * A window of a statement begins with what is counted now.
 */
static void
begin_window(Baseline *row, const GuardWatchSample *sample)
{
	const GuardCounted *counted = counted_now(sample, row->queryid);

	row->seen = counters_now(sample, counted);
	row->late = counted != NULL && counted->late;
}

/*
 * The same on one server.  False: that is not known of what used it there; *others
 * counts other statements of which it is.
 */
static bool
begin_there(const GuardSoftDrop *drop, const GuardWatchSample *sample, bool *used,
			int64 *others)
{
	GuardHeard *heard = sample->heard == NULL ? NULL :
		hash_search(sample->heard, &drop->id, HASH_FIND, NULL);
	int64		uses = heard != NULL ? heard->uses : 0;
	HTAB	   *watched = statements_to_watch(drop, sample, &uses);
	TimestampTz created = created_at(drop);
	int64		covered = 0;
	List	   *rows = NIL;
	HASH_SEQ_STATUS scan;
	WatchedStatement *statement;

	hash_seq_init(&scan, watched);
	while ((statement = hash_seq_search(&scan)) != NULL)
	{
		Baseline   *row = palloc0(sizeof(Baseline));
		const GuardNoiseCounters *seen = &row->seen;
		double		calls;

		row->drop = drop->id;
		row->node = unconstify(char *, sample->node);
		row->queryid = statement->queryid;
		row->kind = statement->kind;
		begin_window(row, sample);
		calls = Max(seen->calls, 1);
		if (tells_before(statement, counted_now(sample, row->queryid), created))
			row->calls = seen->calls;
		row->mean = seen->time / calls;
		row->stddev = sqrt(Max(seen->squares / calls - row->mean * row->mean, 0));
		row->longest = seen->longest;
		row->rows = seen->rows / calls;
		row->before_at = sample->at;
		rows = lappend(rows, row);
		if (row->calls == 0)
			continue;
		covered += statement->uses;
		*others += row->kind == KIND_TABLE ? 1 : 0;
	}
	if (rows != NIL)
	{
		keep_sample(sample);
		write_baseline(rows);
	}
	*used |= uses > 0;
	return !*used || guard_states_compared(true, Max(uses, 0), covered, 0);
}

bool
guard_watch_begin(GuardSoftDrop *drop, List *samples, const GuardNeedAnswer *need)
{
	bool		compared = true;
	bool		used_anywhere = false;
	int64		others = 0;

	guard_watch_end(drop);
	forget_samples();
	foreach_ptr(const GuardWatchSample, sample, samples)
	{
		bool		used = false;

		foreach_ptr(const char, node, need->used_on)
			used |= strcmp(node, sample->node) == 0;
		compared &= begin_there(drop, sample, &used, &others);
		used_anywhere |= used;
	}
	return compared && (used_anywhere || guard_states_compared(false, 0, 0, others));
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
	GuardRows  *rows = guard_query_rows("SELECT * FROM guard.soft_drop_baseline WHERE soft_drop_id = $1",
										P_INT8(drop->id));

	while (guard_rows_next(rows))
	{
		Baseline   *row = palloc0(sizeof(Baseline));

		guard_record_read(columns, lengthof(columns), rows, row);
		baseline = lappend(baseline, row);
	}
	return baseline;
}

/* ---- controls ---- */

/*
 * What was written down at both ends of the time before a window and at its
 * beginning, compared with what is counted now.  Statements that any hidden
 * index may have slowed down are no controls.
 */
static void
read_controls(Controls *controls, const GuardWatchSample *sample)
{
	GuardRows  *rows = guard_query_rows("SELECT s.q, s.c, s.t, b.c, b.t FROM guard.soft_drop_sample seen, guard.soft_drop_sample before,"
										" unnest(seen.queryids, seen.calls, seen.times) AS s (q, c, t),"
										" unnest(before.queryids, before.calls, before.times) AS b (q, c, t)"
										" WHERE seen.at = $1 AND before.at = $2 AND seen.node = $3 AND before.node = $3 AND b.q = s.q"
										" AND s.q NOT IN (SELECT queryid FROM guard.soft_drop_baseline)",
										P_TIME(controls->seen_at), P_TIME(controls->before_at),
										P_TEXT(sample->node));

	controls->statements = palloc0((rows->count + 1) * sizeof(GuardNoiseStatement));
	while (guard_rows_next(rows))
	{
		GuardNoiseStatement *control = &controls->statements[controls->n];
		const GuardCounted *counted = counted_now(sample, guard_rows_int(rows, 1));
		GuardNoiseCounters then = {.at = controls->seen_at, .calls = guard_rows_int(rows, 2),
		.time = guard_rows_float(rows, 3)};
		GuardNoiseCounters now = counters_now(sample, counted);

		if (counted == NULL || counted->late)
			continue;
		control->calls_before = guard_rows_int(rows, 4);
		control->mean_before = guard_rows_float(rows, 5) / Max(control->calls_before, 1);
		if (guard_noise_window(control, &then, &now))
			controls->n++;
	}
}

/*
 * How everything else was in the window of a statement; read once for all that
 * have the same.
 */
static GuardNoiseGeneral
general_of(const Baseline *row, GuardWatchSample *sample)
{
	MemoryContext old;
	Controls   *read;

	foreach_ptr(Controls, controls, sample->controls)
	{
		if (controls->before_at == row->before_at && controls->seen_at == row->seen.at)
			return guard_noise_general(controls->statements, controls->n, row->mean);
	}
	old = MemoryContextSwitchTo(sample->context);
	read = palloc0(sizeof(Controls));
	read->before_at = row->before_at;
	read->seen_at = row->seen.at;
	read_controls(read, sample);
	sample->controls = lappend(sample->controls, read);
	MemoryContextSwitchTo(old);
	return guard_noise_general(read->statements, read->n, row->mean);
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
	if (row->node[0] != '\0')
		appendStringInfo(&buf, "%s slowed down: ", row->node);
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
		answer = row->node[0] != '\0' ? GUARD_NOISE_NONE :
			ask(drop, row->queryid, guard_guc_restore_factor * finding.expected);
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

GuardWatchFinding
guard_watch_look(GuardSoftDrop *drop, List *samples)
{
	GuardWatchFinding result = {0};
	List	   *ended = NIL;
	List	   *begun = NIL;

	foreach_ptr(Baseline, row, read_baseline(drop))
	{
		GuardWatchSample *sample = find_sample(samples, row->node);

		/* Nothing new is known where the last report has been looked at. */
		if (sample == NULL || (row->node[0] != '\0' && sample->at <= row->seen.at))
			continue;
		if (!look_at(drop, row, sample, &result))
		{
			begin_window(row, sample);
			ended = lappend(ended, row);
			begun = list_append_unique_ptr(begun, sample);
		}
		if (result.regressed)
			return result;
	}
	if (ended == NIL)
		return result;

	/* New windows begin where these statements are now. */
	foreach_ptr(GuardWatchSample, sample, begun)
		keep_sample(sample);
	write_baseline(ended);
	return result;
}
