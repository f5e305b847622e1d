/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  The statements that use an index: which, how long they take, their texts.
 *
 * Who is asked is the order of this file: capture, what the snapshots wrote
 * down, and pg_stat_statements.  The last one holds what every role of every
 * database makes it hold.  Its texts are one file, read as a whole, and one
 * invalid byte in the text of some other database fails the whole call.  So a
 * verdict never waits for a text, and where pg_stat_statements cannot be read,
 * it is as if it knew nothing.
 *
 * The migration role sees no queryid of other roles in pg_stat_statements
 * (doc/internals/review.md 12), so it is read with the rights of the
 * extension's owner.  The function is found through the extension that it
 * belongs to, wherever that lives, never through search_path.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "evidence/history/history.h"
#include "evidence/statements.h"
#include "store/store.h"
#include "store/text.h"

#define EXTENSION	"pg_stat_statements"

/*
 * Where its texts are, and from what length on they are too long to be read
 * while somebody waits.
 */
#define TEXTS_FILE	PG_STAT_TMP_DIR "/pgss_query_texts.stat"
#define TEXTS_MAX	(16 * 1024 * 1024)


struct GuardTimes
{
	MemoryContext context;
	HTAB	   *hash;			/* of GuardTime */
	bool		counted;		/* pg_stat_statements has been read */
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
	ListCell   *lc;

	foreach(lc, *statements)
	{
		GuardCapturedStatement *statement = lfirst(lc);

		if (statement->queryid != captured->queryid)
			continue;
		statement->count += captured->count;
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
	ListCell   *lr;
	ListCell   *lc;

	foreach(lr, relations)
	{
		foreach(lc, guard_capture_statements(lfirst_oid(lr)))
			add_statement(&statements, lfirst(lc));
	}
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
		entry->lately = rate.to > rate.from;
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
 * Does it count what guard reads?  It has done since 1.8.
 */
static bool
is_understood(HeapTuple tuple)
{
	Oid		   *types;
	char	  **names;
	char	   *modes;
	int			n = get_func_arg_info(tuple, &types, &names, &modes);

	for (int i = 0; i < n && names != NULL; i++)
	{
		if (strcmp(names[i], "total_exec_time") == 0)
			return true;
	}
	return false;
}

/*
 * The function of the extension, in the current memory context; NULL and a
 * reason when it cannot be used.
 */
static char *
find_function(const char **why)
{
	Oid			extension = get_extension_oid(EXTENSION, true);
	CatCList   *list;
	char	   *name = NULL;

	*why = "extension pg_stat_statements is not installed in this database";
	if (!OidIsValid(extension))
		return NULL;
	list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(EXTENSION));
	for (int i = 0; i < list->n_members && name == NULL; i++)
	{
		HeapTuple	tuple = &list->members[i]->tuple;
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);

		if (form->pronargs != 1 ||
			getExtensionOfObject(ProcedureRelationId, form->oid) != extension)
			continue;
		*why = "this version of pg_stat_statements is not understood";
		if (is_understood(tuple))
			name = quote_qualified_identifier(get_namespace_name(form->pronamespace),
											  EXTENSION);
	}
	ReleaseSysCacheList(list);
	if (name != NULL &&
		GetConfigOption("pg_stat_statements.max", true, false) == NULL)
	{
		*why = "pg_stat_statements is not in shared_preload_libraries";
		return NULL;
	}
	if (name != NULL)
		*why = NULL;
	return name;
}

const char *
guard_statements_missing(void)
{
	const char *why;

	(void) find_function(&why);
	return why;
}

char *
guard_statements_function(void)
{
	const char *why;

	return find_function(&why);
}

static void
take_time(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardTimes *times = arg;
	bool		isnull;
	GuardTime  *entry = get_entry(times, DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull)));

	if (entry->timed)
		return;
	entry->timed = true;
	entry->mean_time = DatumGetFloat8(SPI_getbinval(tuple, desc, 2, &isnull));
}

static void
take_text(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardTimes *times = arg;
	bool		isnull;
	GuardTime  *entry = get_entry(times, DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull)));
	char	   *query = SPI_getvalue(tuple, desc, 2);

	if (entry->query == NULL && query != NULL)
		entry->query = MemoryContextStrdup(times->context, query);
}

/*
 * What pg_stat_statements counted of all statements of this database.
 */
static void
read_times(void *arg)
{
	char	   *function = guard_statements_function();
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId)};

	if (function != NULL)
		guard_store_select(psprintf("SELECT queryid, sum(total_exec_time) / sum(calls) FROM %s(false)"
									" WHERE dbid = $1 AND calls > 0 AND queryid IS NOT NULL"
									" GROUP BY queryid", function),
						   1, types, values, NULL, take_time, arg);
}

/*
 * The texts of all statements of this database.
 */
static void
read_texts(void *arg)
{
	char	   *function = guard_statements_function();
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId)};

	if (function != NULL)
		guard_store_select(psprintf("SELECT queryid, " GUARD_STATEMENT_TEXT " FROM %s(true)"
									" WHERE dbid = $1 AND queryid IS NOT NULL GROUP BY queryid",
									function),
						   1, types, values, NULL, take_text, arg);
}

const GuardTime *
guard_times_find(GuardTimes *times, int64 queryid)
{
	GuardTime  *entry = look_up(times, queryid);

	if (!entry->timed && !times->counted)
	{
		times->counted = true;
		(void) guard_store_try("read pg_stat_statements", read_times, times);
	}
	return entry->timed ? entry : NULL;
}

bool
guard_statements_texts_long(void)
{
	struct stat st;

	return stat(TEXTS_FILE, &st) == 0 && st.st_size > TEXTS_MAX;
}

const char *
guard_times_query(GuardTimes *times, int64 queryid, bool cheaply,
				  const char **why)
{
	GuardTime  *entry = look_up(times, queryid);

	if (entry->query == NULL && !times->texts)
	{
		times->texts = true;
		if (cheaply && guard_statements_texts_long())
			times->no_texts = "the texts in pg_stat_statements are too long";
		else if (!guard_store_try("read the texts of statements", read_texts, times))
			times->no_texts = "pg_stat_statements could not be read with its texts";
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
	ListCell   *lc;

	foreach(lc, guard_statements_captured(relations))
	{
		const GuardCapturedStatement *statement = lfirst(lc);
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
