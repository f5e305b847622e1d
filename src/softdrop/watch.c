/*-------------------------------------------------------------------------
 *
 * watch.c
 *	  Does anything become slower without a hidden index?
 *
 * Three kinds of statements are compared with how they were before the index
 * was hidden, all by what pg_stat_statements counts:
 *
 *	i	those that capture has seen using the index
 *	t	those that use its table in another way: what takes up the index's
 *		work is among them, and where nothing was known of the index, so are
 *		its users
 *	o	others, as controls: what slows down everything is not the index's fault
 *
 * What was before is written down, so that a visitor that dies is followed by
 * one that knows as much.  So is where the window begins that is looked at: a
 * mean over days would hide what begins now.  Windows of the first two kinds
 * begin anew as soon as they have said enough, those of the controls by the
 * clock, to write less.
 *
 * A counter that went back was reset, and is taken to have begun at zero.
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

#include "ddl/targets.h"
#include "evidence/statements.h"
#include "guc.h"
#include "planner/capture.h"
#include "softdrop/noise.h"
#include "softdrop/sample.h"
#include "softdrop/watch.h"
#include "store/store.h"

#define KIND_INDEX		'i'
#define KIND_TABLE		't'
#define KIND_OTHER		'o'

/* So many controls are plenty. */
#define MAX_CONTROLS	200

/* How long a control's window is, in seconds: at first, and later. */
#define CONTROL_WINDOW		10
#define CONTROL_WINDOW_LATE	300

/* A window that says too little is given up after this many seconds. */
#define MAX_WINDOW		3600

/* A row of guard.soft_drop_baseline. */
typedef struct Baseline
{
	int64		queryid;
	char		kind;
	int64		calls;
	double		mean;
	double		stddev;
	double		longest;
	double		rows;			/* per call */
	int64		seen_calls;
	double		seen_time;
	double		seen_rows;
	double		seen_longest;
	double		seconds;		/* since the window began */
} Baseline;

const char *
guard_watch_blind(void)
{
	return guard_statements_missing();
}

/* ---- before ---- */

/* A statement to be watched. */
typedef struct WatchedStatement
{
	int64		queryid;		/* key */
	char		kind;
} WatchedStatement;

static void
add_statements(HTAB *watched, Oid relation, char kind)
{
	ListCell   *lc;

	foreach(lc, guard_capture_statements(relation))
	{
		int64		queryid = ((GuardCapturedStatement *) lfirst(lc))->queryid;
		bool		found;
		WatchedStatement *statement;

		if (queryid == 0)
			continue;
		statement = hash_search(watched, &queryid, HASH_ENTER, &found);
		if (!found)
			statement->kind = kind;
	}
}

/*
 * The index's own first: a statement has the first kind that fits.
 */
static HTAB *
statements_to_watch(const GuardSoftDrop *drop, const GuardWatchSample *sample)
{
	HASHCTL		info = {.keysize = sizeof(int64),
	.entrysize = sizeof(WatchedStatement), .hcxt = CurrentMemoryContext};
	HTAB	   *watched = hash_create("guard watched", 256, &info,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	HASH_SEQ_STATUS scan;
	GuardCounted *counted;
	int			controls = 0;
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

	hash_seq_init(&scan, sample->counted);
	while ((counted = hash_seq_search(&scan)) != NULL)
	{
		bool		found;
		WatchedStatement *statement;

		if (controls == MAX_CONTROLS)
		{
			hash_seq_term(&scan);
			break;
		}
		statement = hash_search(watched, &counted->queryid, HASH_ENTER, &found);
		if (found)
			continue;
		statement->kind = KIND_OTHER;
		controls++;
	}
	return watched;
}

#define BASELINE_COLUMNS	7

static Datum
make_array(Datum *elements, int n, Oid type)
{
	return PointerGetDatum(type == CHAROID ?
						   construct_array(elements, n, CHAROID, 1, true, TYPALIGN_CHAR) :
						   construct_array(elements, n, type, 8, true, TYPALIGN_DOUBLE));
}

void
guard_watch_begin(GuardSoftDrop *drop, const GuardWatchSample *sample)
{
	HTAB	   *watched = statements_to_watch(drop, sample);
	long		n = hash_get_num_entries(watched);
	static const Oid element_types[BASELINE_COLUMNS] = {INT8OID, CHAROID,
	INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID};
	Oid			types[BASELINE_COLUMNS + 1] = {INT8OID, INT8ARRAYOID, CHARARRAYOID,
	INT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID};
	Datum		values[BASELINE_COLUMNS + 1];
	Datum	   *columns[BASELINE_COLUMNS];
	HASH_SEQ_STATUS scan;
	WatchedStatement *statement;
	int			i = 0;

	guard_watch_end(drop);
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

		if (counted == NULL)
			counted = &none;
		columns[0][i] = Int64GetDatum(statement->queryid);
		columns[1][i] = CharGetDatum(statement->kind);
		columns[2][i] = Int64GetDatum(counted->calls);
		columns[3][i] = Float8GetDatum(counted->time);
		columns[4][i] = Float8GetDatum(counted->stddev);
		columns[5][i] = Float8GetDatum(counted->longest);
		columns[6][i] = Float8GetDatum(counted->rows);
		i++;
	}
	values[0] = Int64GetDatum(drop->id);
	for (int c = 0; c < BASELINE_COLUMNS; c++)
		values[c + 1] = make_array(columns[c], i, element_types[c]);
	guard_store_execute("INSERT INTO guard.soft_drop_baseline (soft_drop_id, queryid, kind, calls, mean, stddev,"
						" longest, rows_per_call, seen_calls, seen_time, seen_rows, seen_longest)"
						" SELECT $1, u.q, u.k, u.c, CASE WHEN u.c > 0 THEN u.t / u.c ELSE 0 END, u.s,"
						" u.l, CASE WHEN u.c > 0 THEN u.r / u.c ELSE 0 END, u.c, u.t, u.r, u.l"
						" FROM unnest($2, $3, $4, $5, $6, $7, $8) AS u (q, k, c, t, s, l, r)",
						BASELINE_COLUMNS + 1, types, values, NULL);
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
	row->kind = DatumGetChar(SPI_getbinval(tuple, desc, 2, &isnull));
	row->calls = guard_sample_int(tuple, desc, 3);
	row->mean = guard_sample_float(tuple, desc, 4);
	row->stddev = guard_sample_float(tuple, desc, 5);
	row->longest = guard_sample_float(tuple, desc, 6);
	row->rows = guard_sample_float(tuple, desc, 7);
	row->seen_calls = guard_sample_int(tuple, desc, 8);
	row->seen_time = guard_sample_float(tuple, desc, 9);
	row->seen_rows = guard_sample_float(tuple, desc, 10);
	row->seen_longest = guard_sample_float(tuple, desc, 11);
	row->seconds = guard_sample_float(tuple, desc, 12);
	reading->rows = lappend(reading->rows, row);
	MemoryContextSwitchTo(old);
}

static List *
read_baseline(const GuardSoftDrop *drop)
{
	Reading		reading = {NIL, CurrentMemoryContext};
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(drop->id)};

	guard_store_select("SELECT queryid, kind, calls, mean, stddev, longest, rows_per_call,"
					   " seen_calls, seen_time, seen_rows, seen_longest,"
					   " extract(epoch FROM clock_timestamp() - seen_at)::float8"
					   " FROM guard.soft_drop_baseline WHERE soft_drop_id = $1",
					   1, types, values, NULL, take_baseline, &reading);
	return reading.rows;
}

/*
 * What a statement did in its window.
 */
static GuardNoiseStatement
compare(const Baseline *row, const GuardCounted *counted)
{
	GuardNoiseStatement statement = {0};
	bool		reset;

	statement.calls_before = row->calls;
	statement.mean_before = row->mean;
	statement.stddev_before = row->stddev;
	statement.max_before = row->longest;
	statement.rows_before = row->rows;
	statement.seconds = Max(row->seconds, 0.001);
	if (counted == NULL)
		return statement;
	reset = counted->calls < row->seen_calls;
	statement.calls = counted->calls - (reset ? 0 : row->seen_calls);
	statement.time = counted->time - (reset ? 0 : row->seen_time);
	statement.rows = counted->rows - (reset ? 0 : row->seen_rows);
	if (reset || counted->longest > row->seen_longest)
		statement.longest = counted->longest;
	return statement;
}

/*
 * Add its calls that run now.  Those that began before the index was hidden
 * have the old plan.
 */
static void
add_running(GuardNoiseStatement *statement, int64 queryid,
			const GuardSoftDrop *drop, const GuardWatchSample *sample,
			double general)
{
	double		limit = guard_noise_limit(statement, guard_guc_restore_factor,
										  general);
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

static double
general_factor(List *rows, const GuardWatchSample *sample)
{
	GuardNoiseStatement *controls = palloc(list_length(rows) *
										   sizeof(GuardNoiseStatement));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, rows)
	{
		const Baseline *row = lfirst(lc);

		if (row->kind == KIND_OTHER)
			controls[n++] = compare(row, hash_search(sample->counted, &row->queryid,
													 HASH_FIND, NULL));
	}
	return guard_noise_general(controls, n);
}

static char *
describe(const Baseline *row, const GuardNoiseStatement *statement,
		 const GuardNoiseFinding *finding, double general,
		 const GuardWatchSample *sample)
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
	appendStringInfo(&buf, " (guard.restore_factor %g; %d connections busy, %d waiting)",
					 guard_guc_restore_factor, sample->active, sample->waiting);
	return buf.data;
}

/*
 * New windows begin where these statements are now.
 */
static void
begin_windows(const GuardSoftDrop *drop, List *rows, const GuardWatchSample *sample)
{
	int			n = 0;
	Datum	   *columns[5];
	Oid			types[] = {INT8OID, INT8ARRAYOID, INT8ARRAYOID, FLOAT8ARRAYOID,
	FLOAT8ARRAYOID, FLOAT8ARRAYOID};
	Datum		values[6];
	ListCell   *lc;

	if (rows == NIL)
		return;
	for (int c = 0; c < 5; c++)
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
		columns[1][n] = Int64GetDatum(counted->calls);
		columns[2][n] = Float8GetDatum(counted->time);
		columns[3][n] = Float8GetDatum(counted->rows);
		columns[4][n] = Float8GetDatum(counted->longest);
		n++;
	}
	values[0] = Int64GetDatum(drop->id);
	for (int c = 0; c < 5; c++)
		values[c + 1] = make_array(columns[c], n, c < 2 ? INT8OID : FLOAT8OID);
	guard_store_execute("UPDATE guard.soft_drop_baseline b SET seen_calls = u.c, seen_time = u.t,"
						" seen_rows = u.r, seen_longest = u.l, seen_at = clock_timestamp()"
						" FROM unnest($2, $3, $4, $5, $6) AS u (q, c, t, r, l)"
						" WHERE b.soft_drop_id = $1 AND b.queryid = u.q",
						6, types, values, NULL);
}

GuardWatchFinding
guard_watch_look(GuardSoftDrop *drop, const GuardWatchSample *sample)
{
	GuardWatchFinding result = {0};
	List	   *rows = read_baseline(drop);
	List	   *ended = NIL;
	double		general = general_factor(rows, sample);
	double		control_window = drop->watched < INT64CONST(300) * USECS_PER_SEC ?
		CONTROL_WINDOW : CONTROL_WINDOW_LATE;
	ListCell   *lc;

	foreach(lc, rows)
	{
		Baseline   *row = lfirst(lc);
		GuardNoiseStatement statement;
		GuardNoiseFinding finding;

		if (row->kind == KIND_OTHER)
		{
			if (row->seconds < 0 || row->seconds >= control_window)
				ended = lappend(ended, row);
			continue;
		}
		statement = compare(row, hash_search(sample->counted, &row->queryid,
											 HASH_FIND, NULL));
		add_running(&statement, row->queryid, drop, sample, general);
		finding = guard_noise_judge(&statement, guard_guc_restore_factor, general);
		if (finding.slower)
		{
			result.regressed = true;
			result.sentence = describe(row, &statement, &finding, general, sample);
			return result;
		}
		if (finding.enough || row->seconds < 0 || row->seconds > MAX_WINDOW)
			ended = lappend(ended, row);
	}
	begin_windows(drop, ended, sample);
	return result;
}
