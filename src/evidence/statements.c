/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  The statements that use an index, joined to pg_stat_statements.
 *
 * The migration role sees no queryid of other roles in pg_stat_statements
 * (finding 12 of the design review), so it is read with the rights of the
 * extension's owner.  The function is found through the extension that it
 * belongs to, wherever that lives, never through search_path.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "evidence/history.h"
#include "evidence/statements.h"
#include "store/store.h"

#define STATEMENT_TEXT_MAX	1000

/* What guard reads of pg_stat_statements; it has had these since 1.8. */
static const char *const columns_wanted[] = {"queryid", "query", "calls",
"mean_exec_time", "dbid"};

/*
 * Find the view of the extension, as a qualified and quoted name in the
 * current memory context; NULL and a reason when it cannot be used.  Must be
 * called with SPI connected.
 */
static char *
find_view(const char **why)
{
	Oid			types[] = {INT4OID};
	Datum		values[] = {Int32GetDatum(lengthof(columns_wanted))};

	*why = "extension pg_stat_statements is not installed in this database";
	if (SPI_execute_with_args("SELECT c.oid::pg_catalog.regclass::pg_catalog.text, count(a.attname) OPERATOR(pg_catalog.=) $1"
							  " FROM pg_catalog.pg_extension e"
							  " JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"
							  "  AND d.refobjid = e.oid AND d.deptype = 'e' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
							  " JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relname = 'pg_stat_statements'"
							  " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid"
							  "  AND a.attname = ANY ('{queryid,query,calls,mean_exec_time,dbid}'::pg_catalog.name[])"
							  " WHERE e.extname = 'pg_stat_statements' GROUP BY c.oid",
							  1, types, values, NULL, true, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		return NULL;
	if (strcmp(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2),
			   "t") != 0)
	{
		*why = "this version of pg_stat_statements is not understood";
		return NULL;
	}
	if (GetConfigOption("pg_stat_statements.max", true, false) == NULL)
	{
		*why = "pg_stat_statements is not in shared_preload_libraries";
		return NULL;
	}
	*why = NULL;
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* What run_as_owner() hands to its work. */
typedef struct StatementJob
{
	List	   *statements;
	bool		texts;
	const char *why;
	MemoryContext context;
	HTAB	   *times;			/* of GuardTime: fill this instead */
	char	   *view;			/* its name, in that context; NULL: none */
} StatementJob;

struct GuardTimes
{
	MemoryContext context;
	HTAB	   *hash;			/* NULL: nothing has been read yet */
};

/*
 * Fill in what pg_stat_statements knows of the captured statements.
 */
static void
join_statements(StatementJob *job, const char *view)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId)};
	char	   *sql;
	ListCell   *lc;

	sql = psprintf("SELECT queryid, pg_catalog.sum(calls)::pg_catalog.int8,"
				   " pg_catalog.sum(mean_exec_time OPERATOR(pg_catalog.*) calls) OPERATOR(pg_catalog./) pg_catalog.sum(calls)::pg_catalog.float8,"
				   " %s FROM %s WHERE dbid OPERATOR(pg_catalog.=) $1 AND calls OPERATOR(pg_catalog.>) 0 GROUP BY queryid",
				   job->texts ? "pg_catalog.min(query)" : "NULL", view);
	if (SPI_execute_with_args(sql, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		return;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		int64		queryid = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));

		if (isnull)
			continue;
		foreach(lc, job->statements)
		{
			GuardStatement *statement = lfirst(lc);
			char	   *query;

			if (statement->captured.queryid != queryid)
				continue;
			statement->joined = true;
			statement->calls = DatumGetInt64(SPI_getbinval(tuple, desc, 2, &isnull));
			statement->mean_time = DatumGetFloat8(SPI_getbinval(tuple, desc, 3, &isnull));
			query = job->texts ? SPI_getvalue(tuple, desc, 4) : NULL;
			if (query != NULL)
				statement->query = MemoryContextStrdup(job->context, query);
		}
	}
}

/*
 * Note the times of all statements of this database.
 */
static void
read_times(HTAB *times, const char *view)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId)};
	char	   *sql;

	sql = psprintf("SELECT queryid, pg_catalog.sum(mean_exec_time OPERATOR(pg_catalog.*) calls) OPERATOR(pg_catalog./) pg_catalog.sum(calls)::pg_catalog.float8"
				   " FROM %s WHERE dbid OPERATOR(pg_catalog.=) $1 AND calls OPERATOR(pg_catalog.>) 0"
				   " AND queryid IS NOT NULL GROUP BY queryid", view);
	if (SPI_execute_with_args(sql, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		return;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		int64		queryid = DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull));
		GuardTime  *time = hash_search(times, &queryid, HASH_ENTER, NULL);

		time->mean_time = DatumGetFloat8(SPI_getbinval(tuple, desc, 2, &isnull));
		time->lately = false;
		time->calls = 0;
	}
}

/*
 * What happened between the last two snapshots says more about now than the
 * mean of months does.
 */
static void
add_rates(HTAB *times)
{
	ListCell   *lc;

	foreach(lc, guard_history_statement_rates(NIL))
	{
		GuardStatementRate *rate = lfirst(lc);
		GuardTime  *time = hash_search(times, &rate->queryid, HASH_FIND, NULL);

		if (time == NULL || rate->to <= rate->from)
			continue;
		time->lately = true;
		time->calls = rate->calls * (double) USECS_PER_SEC /
			(rate->to - rate->from);
		if (rate->calls > 0)
			time->mean_time = rate->total_time / rate->calls;
	}
}

/*
 * As the owner of the extension, security-restricted and with nothing but
 * pg_catalog in the path, find the view and, if there is anything to join,
 * read it.
 */
static void
read_view(StatementJob *job)
{
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
	char	   *view;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(guard_store_owner(),
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	save_nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	view = find_view(&job->why);
	if (view != NULL)
		job->view = MemoryContextStrdup(job->context, view);
	if (view != NULL && job->times != NULL)
		read_times(job->times, view);
	else if (view != NULL && job->statements != NIL)
		join_statements(job, view);
	SPI_finish();
	AtEOXact_GUC(true, save_nestlevel);
	SetUserIdAndSecContext(save_userid, save_sec_context);
}

const char *
guard_statements_missing(void)
{
	StatementJob job = {.context = CurrentMemoryContext};

	read_view(&job);
	return job.why;
}

/*
 * View and function share name and schema, and only the extension's own
 * function can have its arguments there.
 */
char *
guard_statements_function(void)
{
	StatementJob job = {.context = CurrentMemoryContext};

	read_view(&job);
	return job.view;
}

static int
by_count(const ListCell *a, const ListCell *b)
{
	int64		ca = ((GuardStatement *) lfirst(a))->captured.count;
	int64		cb = ((GuardStatement *) lfirst(b))->captured.count;

	return ca < cb ? 1 : ca > cb ? -1 : 0;
}

/*
 * One entry for each queryid: several partitions' indexes share statements.
 */
static void
add_statement(List **statements, const GuardCapturedStatement *captured)
{
	GuardStatement *statement;
	ListCell   *lc;

	foreach(lc, *statements)
	{
		statement = lfirst(lc);
		if (statement->captured.queryid != captured->queryid)
			continue;
		statement->captured.count += captured->count;
		statement->captured.first = Min(statement->captured.first, captured->first);
		statement->captured.last = Max(statement->captured.last, captured->last);
		return;
	}
	statement = palloc0(sizeof(GuardStatement));
	statement->captured = *captured;
	*statements = lappend(*statements, statement);
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

List *
guard_statements_collect(List *relations, bool texts)
{
	StatementJob job = {.texts = texts, .context = CurrentMemoryContext};

	job.statements = guard_statements_captured(relations);
	if (job.statements == NIL)
		return NIL;
	read_view(&job);
	return job.statements;
}

GuardTimes *
guard_times_create(void)
{
	GuardTimes *times = palloc0(sizeof(GuardTimes));

	times->context = CurrentMemoryContext;
	return times;
}

static void
load_times(GuardTimes *times)
{
	StatementJob job = {.context = times->context};
	HASHCTL		info;

	info.keysize = sizeof(int64);
	info.entrysize = sizeof(GuardTime);
	info.hcxt = times->context;
	times->hash = hash_create("guard times", 1000, &info,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	job.times = times->hash;
	read_view(&job);
	add_rates(times->hash);
}

const GuardTime *
guard_times_find(GuardTimes *times, int64 queryid)
{
	if (times->hash == NULL)
		load_times(times);
	return hash_search(times->hash, &queryid, HASH_FIND, NULL);
}

void
guard_statements_append_texts(StringInfo buf, List *relations,
							  const char *index, int limit)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, guard_statements_collect(relations, true))
	{
		GuardStatement *statement = lfirst(lc);
		int			len;

		if (n++ == limit)
			break;
		appendStringInfo(buf, "\nUses %s: queryid " INT64_FORMAT ", "
						 INT64_FORMAT " times", index,
						 statement->captured.queryid, statement->captured.count);
		if (statement->joined)
			appendStringInfo(buf, ", mean %.3f ms", statement->mean_time);
		if (statement->query == NULL)
			continue;
		len = pg_mbcliplen(statement->query, strlen(statement->query),
						   STATEMENT_TEXT_MAX);
		appendStringInfo(buf, ": %.*s", len, statement->query);
	}
}
