/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  The statements that use an index: which, how long they take, their texts.
 *
 * Who is asked is the order of this file: capture, what the snapshots wrote
 * down, and pg_stat_statements.  A verdict never waits for a text, and where
 * pg_stat_statements cannot be read, it is as if it knew nothing.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/history/history.h"
#include "evidence/prediction.h"

struct GuardTimes
{
	MemoryContext context;
	HTAB	   *hash;			/* of GuardTime */
	bool		sought;			/* it was looked for pg_stat_statements, */
	bool		kept;			/* which is there */
	bool		counted;		/* and has been read */
	bool		texts;			/* and its texts, or it is known why not */
	const char *no_texts;
};

/* ---- as capture knows them ---- */

static int
by_count(const ListCell *a, const ListCell *b)
{
	int64		ca = ((GuardCapturedStatement *) lfirst(a))->count;
	int64		cb = ((GuardCapturedStatement *) lfirst(b))->count;

	return ca < cb ? 1 : ca > cb ? -1 : 0;
}

/*
 * One entry for each queryid: several partitions' indexes share statements.
 */
static void
add_statement(List **statements, GuardCapturedStatement *captured)
{
	foreach_ptr(GuardCapturedStatement, statement, *statements)
	{
		if (statement->queryid != captured->queryid)
			continue;
		statement->count += captured->count;
		statement->longest_run = Max(statement->longest_run, captured->longest_run);
		statement->first = Min(statement->first, captured->first);
		statement->last = Max(statement->last, captured->last);
		return;
	}
	*statements = lappend(*statements, captured);
}

List *
guard_statements_captured(List *relations)
{
	List	   *statements = NIL;

	foreach_ptr(GuardCapturedStatement, statement, guard_capture_statements(relations, NULL))
		add_statement(&statements, statement);
	list_sort(statements, by_count);
	return statements;
}

/* ---- as snapshots wrote them down ---- */

GuardTimes *
guard_times_create(void)
{
	GuardTimes *times = palloc0(sizeof(GuardTimes));

	times->context = CurrentMemoryContext;
	return times;
}

/*
 * The entry of a statement, new or not.
 */
static GuardTime *
get_entry(GuardTimes *times, int64 queryid)
{
	HASHCTL		info = {.keysize = sizeof(int64), .entrysize = sizeof(GuardTime),
	.hcxt = times->context};
	GuardTime  *entry;
	bool		found;

	if (times->hash == NULL)
		times->hash = hash_create("guard times", 64, &info,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	entry = hash_search(times->hash, &queryid, HASH_ENTER, &found);
	if (!found)
	{
		memset(entry, 0, sizeof(GuardTime));
		entry->queryid = queryid;
	}
	return entry;
}

/*
 * What happened between the last two snapshots says more about now than the
 * mean of months does.
 */
static GuardTime *
look_up(GuardTimes *times, int64 queryid)
{
	GuardTime  *entry = get_entry(times, queryid);
	MemoryContext old;
	GuardStatementRate rate;

	if (entry->looked)
		return entry;
	entry->looked = true;
	old = MemoryContextSwitchTo(times->context);
	if (guard_history_statement_rate(queryid, &rate))
	{
		entry->timed = true;
		entry->mean_time = rate.mean_time;
		entry->query = rate.query;
		entry->counted = rate.all_calls;
		entry->lately = rate.to > rate.from;
		entry->from = entry->lately ? rate.from : 0;
		if (entry->lately)
			entry->calls = rate.calls * (double) USECS_PER_SEC /
				(rate.to - rate.from);
		if (entry->lately && rate.calls > 0)
			entry->mean_time = rate.total_time / rate.calls;
	}
	MemoryContextSwitchTo(old);
	return entry;
}

/* ---- as pg_stat_statements knows them ---- */

/*
 * Whose view fails must not fail the judgement, so it takes a subtransaction:
 * at COMMIT there is none to be had, and what is known must do.
 */
static bool
try_to_read(const char *what, guard_work work, GuardTimes *times)
{
	return guard_xact_may_begin() && guard_store_try(what, work, times);
}

/*
 * What it counted of all statements of this database.
 */
static void
read_times(void *arg)
{
	GuardTimes *times = arg;
	GuardPgss	pgss = guard_pgss_find();
	const char *since = pgss.since ? "min(stats_since)" : pgss.info == NULL ? "NULL::timestamptz" :
		psprintf("(SELECT stats_reset FROM %s)", pgss.info);
	GuardRows  *rows = guard_pgss_rows(&pgss, psprintf("queryid, sum(total_exec_time) / sum(calls), sum(calls)::int8, %s",
													   since), false);

	while (guard_rows_next(rows))
	{
		GuardTime  *entry = get_entry(times, guard_rows_int(rows, 1));

		if (entry->timed)
			continue;
		entry->timed = true;
		entry->mean_time = guard_rows_float(rows, 2);
		entry->counted = guard_rows_int(rows, 3);
		entry->from = guard_rows_time(rows, 4);
	}
	guard_rows_end(rows);
}

/*
 * The texts of all statements of this database.
 */
static void
read_texts(void *arg)
{
	GuardTimes *times = arg;
	GuardPgss	pgss = guard_pgss_find();
	GuardRows  *rows = guard_pgss_rows(&pgss, "queryid, " GUARD_PGSS_TEXT, true);
	MemoryContext old = MemoryContextSwitchTo(times->context);

	while (guard_rows_next(rows))
	{
		GuardTime  *entry = get_entry(times, guard_rows_int(rows, 1));

		if (entry->query == NULL)
			entry->query = guard_rows_text(rows, 2);
	}
	MemoryContextSwitchTo(old);
	guard_rows_end(rows);
}

bool
guard_times_kept(GuardTimes *times)
{
	if (!times->sought)
		times->kept = guard_pgss_find().missing == NULL;
	times->sought = true;
	return times->kept;
}

const GuardTime *
guard_times_find(GuardTimes *times, int64 queryid)
{
	GuardTime  *entry = look_up(times, queryid);

	if (!entry->timed && !times->counted)
	{
		times->counted = true;
		(void) try_to_read("read pg_stat_statements", read_times, times);
	}
	return entry->timed ? entry : NULL;
}

const char *
guard_times_query(GuardTimes *times, int64 queryid, bool cheaply,
				  const char **why)
{
	GuardTime  *entry = look_up(times, queryid);

	if (entry->query == NULL && !times->texts)
	{
		times->texts = true;
		if (cheaply && guard_pgss_texts_long())
			times->no_texts = "the texts in pg_stat_statements are too long";
		else if (!try_to_read("read the texts of statements", read_texts, times))
			times->no_texts = guard_xact_may_begin() ?
				"pg_stat_statements could not be read with its texts" :
				"pg_stat_statements cannot be read at COMMIT";
	}
	if (entry->query == NULL && times->no_texts != NULL)
		*why = times->no_texts;
	return entry->query;
}

void
guard_statements_append_texts(StringInfo buf, GuardTimes *times,
							  List *relations, const char *index, int limit)
{
	const char *why = NULL;
	int			n = 0;

	foreach_ptr(GuardCapturedStatement, statement, guard_statements_captured(relations))
	{
		const GuardTime *time = guard_times_find(times, statement->queryid);
		const char *query = guard_times_query(times, statement->queryid, true,
											  &why);

		if (n++ == limit)
			break;
		appendStringInfo(buf, "\nUses %s: queryid " INT64_FORMAT ", "
						 INT64_FORMAT " times", index, statement->queryid,
						 statement->count);
		if (time != NULL)
			appendStringInfo(buf, ", mean %.3f ms", time->mean_time);
		if (query != NULL)
			appendStringInfo(buf, ": %.*s",
							 guard_text_clip(query, GUARD_STATEMENT_SHOWN), query);
	}
	if (why != NULL)
		appendStringInfo(buf, "\nWithout texts: %s.", why);
}
