/*-------------------------------------------------------------------------
 *
 * pgss.c
 *	  Finding pg_stat_statements, and reading it.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "utils/catcache.h"

#include "store/store.h"

#define EXTENSION	"pg_stat_statements"

/*
 * Where its texts are, and from what length on they are too long to be read
 * while somebody waits.
 */
#define TEXTS_FILE	PG_STAT_TMP_DIR "/pgss_query_texts.stat"
#define TEXTS_MAX	(16 * 1024 * 1024)

/*
 * Has a function a parameter or a result of this name?
 */
static bool
has_column(HeapTuple function, const char *column)
{
	Oid		   *types;
	char	  **names;
	char	   *modes;
	int			n = get_func_arg_info(function, &types, &names, &modes);

	for (int i = 0; i < n && names != NULL; i++)
	{
		if (strcmp(names[i], column) == 0)
			return true;
	}
	return false;
}

/*
 * The name of a function, qualified and quoted.
 */
static char *
name_of(HeapTuple function)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(function);

	return quote_qualified_identifier(get_namespace_name(form->pronamespace),
									  NameStr(form->proname));
}

/*
 * Call "take" for the functions of a name and a number of arguments that are
 * the extension's.
 */
static void
each_function(Oid extension, const char *name, int nargs,
			  void (*take) (HeapTuple function, GuardPgss *pgss),
			  GuardPgss *pgss)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));

	for (int i = 0; i < list->n_members; i++)
	{
		HeapTuple	tuple = &list->members[i]->tuple;
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);

		if (form->pronargs == nargs &&
			getExtensionOfObject(ProcedureRelationId, form->oid) == extension)
			take(tuple, pgss);
	}
	ReleaseSysCacheList(list);
}

/*
 * It counts what guard reads since 1.8, and says since when since 1.11.
 */
static void
take_function(HeapTuple function, GuardPgss *pgss)
{
	pgss->missing = pgss->remedy = NULL;
	pgss->function = name_of(function);
	pgss->since = has_column(function, "stats_since");
	if (!has_column(function, "total_exec_time"))
	{
		pgss->missing = "this version of pg_stat_statements is not understood";
		pgss->remedy = "ALTER EXTENSION pg_stat_statements UPDATE;";
	}
}

static void
take_info(HeapTuple function, GuardPgss *pgss)
{
	pgss->info = psprintf("%s()", name_of(function));
}

/*
 * Look for it; see store.h.
 */
GuardPgss
guard_pgss_find(void)
{
	Oid			extension = get_extension_oid(EXTENSION, true);
	GuardPgss	pgss = {.missing = "extension pg_stat_statements is not installed in this database",
	.remedy = "CREATE EXTENSION pg_stat_statements;"};

	if (!OidIsValid(extension))
		return pgss;
	each_function(extension, EXTENSION, 1, take_function, &pgss);
	each_function(extension, EXTENSION "_info", 0, take_info, &pgss);
	if (pgss.missing == NULL &&
		GetConfigOption("pg_stat_statements.max", true, false) == NULL)
	{
		pgss.missing = "pg_stat_statements is not in shared_preload_libraries";
		pgss.remedy = "add pg_stat_statements to shared_preload_libraries and restart the server.";
	}
	return pgss;
}

/*
 * Are its texts too long to be read while somebody waits?
 */
bool
guard_pgss_texts_long(void)
{
	struct stat st;

	return stat(TEXTS_FILE, &st) == 0 && st.st_size > TEXTS_MAX;
}

/*
 * What it has counted; see store.h.
 */
GuardRows *
guard_pgss_rows(const GuardPgss *pgss, const char *columns, bool texts)
{
	if (pgss->missing != NULL)
		return palloc0(sizeof(GuardRows));
	return guard_query_server(psprintf("SELECT %s FROM %s(%s) WHERE dbid = $1 AND calls > 0"
									   " AND queryid IS NOT NULL GROUP BY queryid",
									   columns, pgss->function,
									   texts ? "true" : "false"),
							  P_OID(MyDatabaseId));
}
