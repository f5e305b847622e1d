/*-------------------------------------------------------------------------
 *
 * without.c
 *	  Planning as if some indexes were not there.
 *
 * Names are looked up anew for every table that is planned, so that an index
 * created, renamed or dropped meanwhile is found or missed as it would be by
 * name.  That costs a few look-ups, and only where the setting is set.  A name
 * that means nothing leaves nothing out: SET says so, planning does not.
 *
 * The setting is anybody's: it changes the plans of whoever sets it, in his
 * session, by SET, by SET LOCAL, by a function while that runs, or as he
 * connects.  Set for a role, a database or the server it would hide an index
 * from others, until it goes cold, so there it is refused.  What he executes under it uses other indexes, and is captured as
 * such, like anything else that he may do to his plans.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "catalog/namespace.h"
#include "utils/plancache.h"
#include "utils/varlena.h"

#include "planner/planner.h"
#include "store/store.h"

#define EXPLAIN_OPTION	"without_index"

typedef struct IndexName
{
	char	   *schema;			/* NULL: wherever search_path finds it */
	char	   *name;
} IndexName;

/* What a frame of guard_without_run() leaves out, and those around it. */
typedef struct Without
{
	List	   *indexes;
	struct Without *outer;
} Without;

/* guard.without_index, known to be a list of names; NULL: nothing is set */
static const char *named = NULL;
static Without *running = NULL;

/* ----------------------------------------------------------------
 *		Names
 * ----------------------------------------------------------------
 */

/*
 * The next comma that is not in quotes, or the end.
 */
static char *
find_comma(char *str)
{
	bool		quoted = false;

	for (; *str != '\0'; str++)
	{
		if (*str == '"')
			quoted = !quoted;
		else if (*str == ',' && !quoted)
			break;
	}
	return str;
}

/*
 * Split one name into its parts; false where it is none.
 */
static bool
split_name(char *str, IndexName *name)
{
	List	   *parts;

	if (!SplitIdentifierString(str, '.', &parts) ||
		parts == NIL || list_length(parts) > 2)
		return false;
	name->schema = list_length(parts) == 2 ? linitial(parts) : NULL;
	name->name = llast(parts);
	return true;
}

/*
 * Parse a list of names, as it stands in the setting; false if it is not one.
 */
static bool
parse_names(const char *value, List **names)
{
	char	   *str = pstrdup(value);

	*names = NIL;
	for (;;)
	{
		char	   *comma = find_comma(str);
		bool		last = *comma == '\0';
		IndexName  *name = palloc(sizeof(*name));

		*comma = '\0';
		if (!split_name(str, name))
			return false;
		*names = lappend(*names, name);
		if (last)
			return true;
		str = comma + 1;
	}
}

/*
 * The relation of that name, InvalidOid where there is none.  No lock, no
 * rights, no error.
 */
static Oid
find_index(const char *schema, const char *name)
{
	Oid			namespace;

	if (schema == NULL)
		return RelnameGetRelid(name);
	namespace = get_namespace_oid(schema, true);
	return OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
}

static char *
display_name(const IndexName *name)
{
	return name->schema == NULL ? pstrdup(name->name) :
		psprintf("%s.%s", name->schema, name->name);
}

/* ----------------------------------------------------------------
 *		The setting
 * ----------------------------------------------------------------
 */

/*
 * Say what the names mean, to somebody who is there to hear it.
 */
static bool
check_meaning(List *names)
{
	foreach_ptr(IndexName, name, names)
	{
		Oid			relation = find_index(name->schema, name->name);

		if (!OidIsValid(relation))
			ereport(NOTICE,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("index \"%s\" does not exist", display_name(name))));
		else if (!guard_catalog_is_index(relation))
		{
			GUC_check_errdetail("\"%s\" is not an index.", display_name(name));
			return false;
		}
	}
	return true;
}

static bool
is_blank(const char *value)
{
	return value[strspn(value, " \t\n\r")] == '\0';
}

/*
 * Whoever owns a database, or a function that others call, could otherwise hide
 * an index from everybody, and have it dropped when it has gone cold.  What is
 * to be kept with a role, database or function comes to be tested.
 */
static bool
check_setting(char **newval, void **extra, GucSource source)
{
	bool		empty = is_blank(*newval);
	List	   *names;

	if (source == PGC_S_TEST ||
		(!empty && source > PGC_S_DYNAMIC_DEFAULT && source < PGC_S_CLIENT))
	{
		GUC_check_errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM);
		GUC_check_errmsg("parameter \"%s\" can be set in a session only",
						 "guard.without_index");
		GUC_check_errhint("Use SET or SET LOCAL there.");
		return false;
	}
	if (empty)
		return true;
	if (!parse_names(*newval, &names))
	{
		GUC_check_errdetail("List syntax is invalid.");
		return false;
	}

	/* As a connection begins, and for later, names may mean nothing yet. */
	return source != PGC_S_SESSION || !IsTransactionState() ||
		!OidIsValid(MyDatabaseId) || InitializingParallelWorker ||
		IsParallelWorker() || check_meaning(names);
}

/*
 * Plans that this session keeps were made under the old value.
 */
static void
assign_setting(const char *newval, void *extra)
{
	const char *now = is_blank(newval) ? NULL : newval;

	if (named != NULL || now != NULL)
		ResetPlanCache();
	named = now;
}

/* ----------------------------------------------------------------
 *		Leaving out
 * ----------------------------------------------------------------
 */

bool
guard_without_active(void)
{
	return named != NULL || running != NULL;
}

void
guard_without_run(List *indexes, guard_without_work work, void *arg)
{
	Without		frame = {indexes, running};

	running = &frame;
	PG_TRY();
	{
		work(arg);
	}
	PG_FINALLY();
	{
		running = frame.outer;
	}
	PG_END_TRY();
}

/*
 * Everything that is to be left out now, as OIDs.
 */
static List *
collect_left_out(void)
{
	List	   *result = NIL;
	List	   *names;

	for (Without *frame = running; frame != NULL; frame = frame->outer)
		result = list_concat_unique_oid(result, frame->indexes);
	if (named == NULL || !parse_names(named, &names))
		return result;
	foreach_ptr(IndexName, name, names)
	{
		Oid			index = find_index(name->schema, name->name);

		if (OidIsValid(index))
			result = lappend_oid(result, index);
	}
	return result;
}

/*
 * Itself, or what it is a partition of?
 */
static bool
is_left_out(Oid index, List *left_out)
{
	foreach_oid(each, guard_catalog_lineage(index))
	{
		if (list_member_oid(left_out, each))
			return true;
	}
	return false;
}

static void
leave_out(RelOptInfo *rel, Oid heap)
{
	List	   *left_out;
	ListCell   *lc;

	if (likely(named == NULL && running == NULL))
		return;
	left_out = collect_left_out();
	foreach(lc, rel->indexlist)
	{
		IndexOptInfo *info = (IndexOptInfo *) lfirst(lc);

		if (is_left_out(info->indexoid, left_out))
			rel->indexlist = foreach_delete_current(rel->indexlist, lc);
	}
}

Oid
guard_without_topmost(Oid index)
{
	return get_rel_relispartition(index) ? llast_oid(guard_catalog_lineage(index)) : index;
}

/* ----------------------------------------------------------------
 *		EXPLAIN (WITHOUT_INDEX '...')
 * ----------------------------------------------------------------
 */

/*
 * The option's value as a list of OIDs; here every name must mean an index.
 */
static List *
parse_option(const char *value)
{
	List	   *names;
	List	   *result = NIL;

	if (!parse_names(value, &names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for EXPLAIN option \"%s\": \"%s\"",
						EXPLAIN_OPTION, value)));
	foreach_ptr(IndexName, name, names)
	{
		Oid			relation = find_index(name->schema, name->name);

		if (!OidIsValid(relation))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("index \"%s\" does not exist", display_name(name))));
		if (!guard_catalog_is_index(relation))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not an index", display_name(name))));
		result = lappend_oid(result, relation);
	}
	return result;
}

/*
 * Does a statement that is to be explained execute a prepared one?
 */
static bool
executes_prepared(Node *statement)
{
	while (statement != NULL && IsA(statement, Query))
	{
		statement = ((Query *) statement)->utilityStmt;
		if (statement != NULL && IsA(statement, CreateTableAsStmt))
			statement = ((CreateTableAsStmt *) statement)->query;
	}
	return statement != NULL && IsA(statement, ExecuteStmt);
}

void
guard_without_check_explain(ExplainStmt *stmt)
{
	if (!guard_compat_has_explain_options)
		return;
	foreach_ptr(DefElem, option, stmt->options)
	{
		if (strcmp(option->defname, EXPLAIN_OPTION) == 0 &&
			executes_prepared(stmt->query))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("EXPLAIN option \"%s\" cannot be used with EXECUTE",
							EXPLAIN_OPTION),
					 errdetail("The prepared statement may have been planned already."),
					 errhint("SET guard.without_index has its statements planned anew.")));
	}
}

/*
 * Called from _PG_init, before the settings are defined.
 */
void
guard_without_init(void)
{
	guard_guc_set_without(check_setting, assign_setting);
	guard_indexlist_register(leave_out);
	guard_compat_add_explain_option(EXPLAIN_OPTION, parse_option,
									guard_without_run);
}
