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

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ddl/targets.h"
#include "evidence/statements.h"
#include "guc.h"
#include "planner/capture/capture.h"
#include "planner/whatif/question.h"
#include "softdrop/noise.h"
#include "softdrop/sample.h"
#include "softdrop/watch.h"
#include "store/identity.h"
#include "store/pgss.h"
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
	TimestampTz seen_at;		/* the sample with which the window begins */
	GuardNoiseCounters seen;
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
add_statements(HTAB *watched, Oid relation, char kind)
{
	ListCell   *lc;

	foreach(lc, guard_capture_statements(relation))
	{
		const GuardCapturedStatement *captured = lfirst(lc);
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
	ListCell   *lp;
	ListCell   *lt;
	ListCell   *lm;

	foreach(lp, drop->parts)
		add_statements(watched, ((GuardSoftDropPart *) lfirst(lp))->index, KIND_INDEX);
	add_statements(watched, drop->table, KIND_TABLE);
	foreach(lt, guard_targets_of_table(drop->table, GUARD_ROUTE_INDEX, true))
	{
		foreach(lm, ((GuardTarget *) lfirst(lt))->members)
			add_statements(watched, lfirst_oid(lm), KIND_TABLE);
	}
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

static Datum
make_array(Datum *elements, int n, Oid type)
{
	if (type == BOOLOID || type == CHAROID)
		return PointerGetDatum(construct_array(elements, n, type, 1, true, TYPALIGN_CHAR));
	if (type == INT4OID)
		return PointerGetDatum(construct_array(elements, n, type, 4, true, TYPALIGN_INT));
	return PointerGetDatum(construct_array(elements, n, type, 8, true, TYPALIGN_DOUBLE));
}

/*
 * The busiest statements go first.
 */
static int
compare_time(const void *a, const void *b)
{
	double		x = (*(GuardCounted *const *) a)->counters.time;
	double		y = (*(GuardCounted *const *) b)->counters.time;

	return x > y ? -1 : x < y ? 1 : 0;
}

/*
 * Write down what the busiest statements had done at this moment, for some
 * window begins here.
 */
static void
keep_sample(const GuardWatchSample *sample)
{
	long		n = hash_get_num_entries(sample->counted);
	GuardCounted **all = palloc(Max(n, 1) * sizeof(GuardCounted *));
	GuardCounted *counted;
	Datum	   *columns[3];
	Oid			types[] = {TIMESTAMPTZOID, INT8ARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID};
	Datum		values[4] = {TimestampTzGetDatum(sample->at)};
	HASH_SEQ_STATUS scan;

	n = 0;
	hash_seq_init(&scan, sample->counted);
	while ((counted = hash_seq_search(&scan)) != NULL)
		all[n++] = counted;
	qsort(all, n, sizeof(GuardCounted *), compare_time);
	n = Min(n, MAX_CONTROLS);
	for (int c = 0; c < 3; c++)
		columns[c] = palloc(Max(n, 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		columns[0][i] = Int64GetDatum(all[i]->queryid);
		columns[1][i] = Int64GetDatum(all[i]->counters.calls);
		columns[2][i] = Float8GetDatum(all[i]->counters.time);
	}
	for (int c = 0; c < 3; c++)
		values[c + 1] = make_array(columns[c], n, c < 2 ? INT8OID : FLOAT8OID);
	guard_store_execute("INSERT INTO guard.soft_drop_sample VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
						4, types, values, NULL);
}

/*
 * Those that no window needs any more go.
 */
static void
forget_samples(void)
{
	guard_store_execute("DELETE FROM guard.soft_drop_sample WHERE at NOT IN"
						" (SELECT before_at FROM guard.soft_drop_baseline UNION SELECT seen_at FROM guard.soft_drop_baseline)",
						0, NULL, NULL, NULL);
}

#define BASELINE_COLUMNS	9

void
guard_watch_begin(GuardSoftDrop *drop, const GuardWatchSample *sample)
{
	HTAB	   *watched = statements_to_watch(drop);
	TimestampTz created = created_at(drop);
	long		n = hash_get_num_entries(watched);
	static const Oid element_types[BASELINE_COLUMNS] = {INT8OID, CHAROID, BOOLOID,
	INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, BOOLOID};
	Oid			types[BASELINE_COLUMNS + 2] = {INT8OID, TIMESTAMPTZOID, INT8ARRAYOID, CHARARRAYOID,
	BOOLARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, BOOLARRAYOID};
	Datum		values[BASELINE_COLUMNS + 2];
	Datum	   *columns[BASELINE_COLUMNS];
	HASH_SEQ_STATUS scan;
	WatchedStatement *statement;
	int			i = 0;

	guard_watch_end(drop);
	forget_samples();
	if (n == 0)
		return;
	for (int c = 0; c < BASELINE_COLUMNS; c++)
		columns[c] = palloc(n * sizeof(Datum));
	hash_seq_init(&scan, watched);
	while ((statement = hash_seq_search(&scan)) != NULL)
	{
		GuardCounted none = {0};
		GuardCounted *counted = hash_search(sample->counted, &statement->queryid,
											HASH_FIND, NULL);
		bool		known = tells_before(statement, counted, created);

		if (counted == NULL)
			counted = &none;
		columns[0][i] = Int64GetDatum(statement->queryid);
		columns[1][i] = CharGetDatum(statement->kind);
		columns[2][i] = BoolGetDatum(known);
		columns[3][i] = Int64GetDatum(counted->counters.calls);
		columns[4][i] = Float8GetDatum(counted->counters.time);
		columns[5][i] = Float8GetDatum(counted->counters.squares);
		columns[6][i] = Float8GetDatum(counted->counters.longest);
		columns[7][i] = Float8GetDatum(counted->counters.rows);
		columns[8][i] = BoolGetDatum(counted->late);
		i++;
	}
	keep_sample(sample);
	values[0] = Int64GetDatum(drop->id);
	values[1] = TimestampTzGetDatum(sample->at);
	for (int c = 0; c < BASELINE_COLUMNS; c++)
		values[c + 2] = make_array(columns[c], i, element_types[c]);
	guard_store_execute("INSERT INTO guard.soft_drop_baseline (soft_drop_id, queryid, kind, calls, mean, stddev,"
						" longest, rows_per_call, before_at, seen_at, seen_calls, seen_time, seen_squares, seen_longest,"
						" seen_rows, seen_late)"
						" SELECT $1, u.q, u.k, CASE WHEN u.b THEN u.c ELSE 0 END, coalesce(u.t / nullif(u.c, 0), 0),"
						" coalesce(sqrt(greatest(u.s / nullif(u.c, 0) - (u.t / nullif(u.c, 0)) ^ 2, 0)), 0),"
						" u.l, coalesce(u.r / nullif(u.c, 0), 0), $2, $2, u.c, u.t, u.s, u.l, u.r, u.w"
						" FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11) AS u (q, k, b, c, t, s, l, r, w)",
						BASELINE_COLUMNS + 2, types, values, NULL);
}

void
guard_watch_end(GuardSoftDrop *drop)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(drop->id)};

	guard_store_execute("DELETE FROM guard.soft_drop_baseline WHERE soft_drop_id = $1",
						1, types, values, NULL);
}

/* ---- since ---- */

typedef struct Reading
{
	List	   *rows;			/* of Baseline * */
	MemoryContext context;
} Reading;

static void
take_baseline(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Reading    *reading = arg;
	MemoryContext old = MemoryContextSwitchTo(reading->context);
	Baseline   *row = palloc(sizeof(Baseline));
	bool		isnull;

	row->queryid = guard_sample_int(tuple, desc, 1);
	row->calls = guard_sample_int(tuple, desc, 2);
	row->mean = guard_sample_float(tuple, desc, 3);
	row->stddev = guard_sample_float(tuple, desc, 4);
	row->longest = guard_sample_float(tuple, desc, 5);
	row->rows = guard_sample_float(tuple, desc, 6);
	row->seen.calls = guard_sample_int(tuple, desc, 7);
	row->seen.time = guard_sample_float(tuple, desc, 8);
	row->seen.squares = guard_sample_float(tuple, desc, 9);
	row->seen.longest = guard_sample_float(tuple, desc, 10);
	row->seen.rows = guard_sample_float(tuple, desc, 11);
	row->late = DatumGetBool(SPI_getbinval(tuple, desc, 12, &isnull));
	row->in_a_row = DatumGetInt32(SPI_getbinval(tuple, desc, 13, &isnull));
	row->before_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 14, &isnull));
	row->seen_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 15, &isnull));
	row->kind = DatumGetChar(SPI_getbinval(tuple, desc, 16, &isnull));
	reading->rows = lappend(reading->rows, row);
	MemoryContextSwitchTo(old);
}

static List *
read_baseline(const GuardSoftDrop *drop)
{
	Reading		reading = {NIL, CurrentMemoryContext};
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(drop->id)};

	guard_store_select("SELECT queryid, calls, mean, stddev, longest, rows_per_call,"
					   " seen_calls, seen_time, seen_squares, seen_longest, seen_rows, seen_late, in_a_row,"
					   " before_at, seen_at, kind FROM guard.soft_drop_baseline WHERE soft_drop_id = $1",
					   1, types, values, NULL, take_baseline, &reading);
	return reading.rows;
}

/* ---- controls ---- */

static void
take_earlier(HeapTuple tuple, TupleDesc desc, void *arg)
{
	int64		queryid = guard_sample_int(tuple, desc, 1);
	GuardCounted *counted = hash_search((HTAB *) arg, &queryid, HASH_ENTER, NULL);

	memset(&counted->counters, 0, sizeof(counted->counters));
	counted->counters.calls = guard_sample_int(tuple, desc, 2);
	counted->counters.time = guard_sample_float(tuple, desc, 3);
}

/*
 * The counters of some moment, read once for all soft drops.  Empty where they
 * were not written down.
 */
static HTAB *
earlier(GuardWatchSample *sample, TimestampTz at)
{
	Oid			types[] = {TIMESTAMPTZOID};
	Datum		values[] = {TimestampTzGetDatum(at)};
	MemoryContext old;
	Earlier    *result;
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
	MemoryContextSwitchTo(old);
	guard_store_select("SELECT u.q, u.c, u.t FROM guard.soft_drop_sample s,"
					   " unnest(s.queryids, s.calls, s.times) AS u (q, c, t) WHERE s.at = $1",
					   1, types, values, NULL, take_earlier, result->counted);
	old = MemoryContextSwitchTo(sample->context);
	sample->earlier = lappend(sample->earlier, result);
	MemoryContextSwitchTo(old);
	return result->counted;
}

static void
take_watched(HeapTuple tuple, TupleDesc desc, void *arg)
{
	int64		queryid = guard_sample_int(tuple, desc, 1);

	(void) hash_search((HTAB *) arg, &queryid, HASH_ENTER, NULL);
}

/*
 * Statements that any hidden index may have slowed down are no controls.
 */
static HTAB *
all_watched(GuardWatchSample *sample)
{
	HTAB	   *watched = sample->watched;

	if (watched == NULL)
	{
		watched = make_set("guard all watched", sizeof(int64), sample->context);
		guard_store_select("SELECT DISTINCT queryid FROM guard.soft_drop_baseline",
						   0, NULL, NULL, NULL, take_watched, watched);
		sample->watched = watched;
	}
	return watched;
}

/*
 * How everything else was in the window of a statement.
 */
static GuardNoiseGeneral
general_of(const Baseline *row, GuardWatchSample *sample)
{
	HTAB	   *before = earlier(sample, row->before_at);
	HTAB	   *seen = earlier(sample, row->seen_at);
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
		GuardCounted *now = hash_search(sample->counted, &then->queryid, HASH_FIND, NULL);

		if (old == NULL || now == NULL || now->late ||
			hash_search(watched, &then->queryid, HASH_FIND, NULL) != NULL)
			continue;
		controls[n].calls_before = old->counters.calls;
		controls[n].mean_before = old->counters.time / Max(old->counters.calls, 1);
		if (guard_noise_window(&controls[n], &then->counters, &now->counters,
							   sample->reset_at > row->seen_at))
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
	const GuardCounted *counted = hash_search(sample->counted, &row->queryid,
											  HASH_FIND, NULL);

	memset(statement, 0, sizeof(*statement));
	statement->calls_before = row->calls;
	statement->mean_before = row->mean;
	statement->stddev_before = row->stddev;
	statement->max_before = row->longest;
	statement->rows_before = row->rows;
	statement->seconds = Max((sample->at - row->seen_at) / (double) USECS_PER_SEC, 0.001);
	statement->late = row->late;
	if (counted == NULL)
		return true;
	statement->late |= counted->late;
	return guard_noise_window(statement, &row->seen, &counted->counters,
							  sample->reset_at > row->seen_at);
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
	ListCell   *lc;

	foreach(lc, sample->running)
	{
		const GuardRunning *running = lfirst(lc);

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
	ListCell   *lc;

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
	foreach(lc, drop->parts)
		tables = list_append_unique_oid(tables, ((GuardSoftDropPart *) lfirst(lc))->table);
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
	int			n = 0;
	static const Oid element_types[] = {INT8OID, INT8OID, FLOAT8OID, FLOAT8OID,
	FLOAT8OID, FLOAT8OID, BOOLOID, INT4OID};
	Datum	   *columns[lengthof(element_types)];
	Oid			types[] = {INT8OID, TIMESTAMPTZOID, INT8ARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID,
	FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, BOOLARRAYOID, INT4ARRAYOID};
	Datum		values[lengthof(element_types) + 2];
	ListCell   *lc;

	if (rows == NIL)
		return;
	for (int c = 0; c < lengthof(element_types); c++)
		columns[c] = palloc(list_length(rows) * sizeof(Datum));
	foreach(lc, rows)
	{
		const Baseline *row = lfirst(lc);
		GuardCounted none = {0};
		GuardCounted *counted = hash_search(sample->counted, &row->queryid,
											HASH_FIND, NULL);

		if (counted == NULL)
			counted = &none;
		columns[0][n] = Int64GetDatum(row->queryid);
		columns[1][n] = Int64GetDatum(counted->counters.calls);
		columns[2][n] = Float8GetDatum(counted->counters.time);
		columns[3][n] = Float8GetDatum(counted->counters.squares);
		columns[4][n] = Float8GetDatum(counted->counters.longest);
		columns[5][n] = Float8GetDatum(counted->counters.rows);
		columns[6][n] = BoolGetDatum(counted->late);
		columns[7][n] = Int32GetDatum(row->in_a_row);
		n++;
	}
	keep_sample(sample);
	values[0] = Int64GetDatum(drop->id);
	values[1] = TimestampTzGetDatum(sample->at);
	for (int c = 0; c < lengthof(element_types); c++)
		values[c + 2] = make_array(columns[c], n, element_types[c]);
	guard_store_execute("UPDATE guard.soft_drop_baseline b SET seen_at = $2, seen_calls = u.c, seen_time = u.t,"
						" seen_squares = u.s, seen_longest = u.l, seen_rows = u.r, seen_late = u.w, in_a_row = u.p"
						" FROM unnest($3, $4, $5, $6, $7, $8, $9, $10) AS u (q, c, t, s, l, r, w, p)"
						" WHERE b.soft_drop_id = $1 AND b.queryid = u.q",
						lengthof(element_types) + 2, types, values, NULL);
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
	bool		reset = sample->reset_at > row->seen_at;

	result->lost |= reset;
	if (!compare(row, sample, &statement) || row->seen_at > sample->at)
	{
		result->lost = true;
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
	return !reset && !step.end && statement.seconds <= MAX_WINDOW;
}

List *
guard_watch_known(const GuardSoftDrop *drop, int64 *others)
{
	List	   *known = NIL;
	ListCell   *lc;

	*others = 0;
	foreach(lc, read_baseline(drop))
	{
		Baseline   *row = lfirst(lc);

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
	ListCell   *lc;

	foreach(lc, read_baseline(drop))
	{
		Baseline   *row = lfirst(lc);

		if (!look_at(drop, row, sample, &result))
			ended = lappend(ended, row);
		if (result.regressed)
			return result;
	}
	begin_windows(drop, ended, sample);
	return result;
}
