/*-------------------------------------------------------------------------
 *
 * names.c
 *	  What a name means at this point of a script.
 *
 * Every name is looked for among what the script has touched first, then in
 * the catalogs; what is found there under a name that the script has taken
 * away from it, is not found.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat/list.h"
#include "review/script.h"

/* Relations by OID, and by name. */
typedef struct OidEntry
{
	Oid			oid;			/* hash key */
	ScriptRelation *relation;
} OidEntry;

typedef struct NameEntry
{
	char		name[NAMEDATALEN];	/* hash key */
	List	   *relations;
} NameEntry;

static ScriptRelation *find_in(Script *script, ScriptSchema *schema,
							   const char *name);
static void register_name(Script *script, ScriptRelation *relation);
static void register_relation(Script *script, ScriptRelation *relation);
static bool may_use(ScriptSchema *schema);
static ScriptSchema *add_schema(Script *script, const char *name, Oid oid);
static void read_columns(Script *script, ScriptRelation *table);
static ScriptColumn *add_column(Script *script, ScriptRelation *table,
								const char *name);

void
guard_script_init_names(Script *script)
{
	HASHCTL		ctl;

	ctl.hcxt = CurrentMemoryContext;
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(OidEntry);
	script->by_oid = hash_create("guard relations of a script", 256, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.keysize = NAMEDATALEN;
	ctl.entrysize = sizeof(NameEntry);
	script->by_name = hash_create("guard names of a script", 256, &ctl,
								  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* ---- schemas ---- */

/*
 * NULL when there is none of that name now.  Whether the current user may use
 * it is not asked.
 */
ScriptSchema *
guard_script_find_schema(Script *script, const char *name)
{
	Oid			oid;

	if (strcmp(name, "$user") == 0)
		name = GetUserNameFromId(GetUserId(), false);
	foreach_ptr(ScriptSchema, schema, script->schemas)
	{
		if (!schema->dropped && strcmp(schema->name, name) == 0)
			return schema;
	}
	oid = get_namespace_oid(name, true);
	if (!OidIsValid(oid))
		return NULL;
	foreach_ptr(ScriptSchema, each, script->schemas)
	{
		if (each->oid == oid)
			return NULL;		/* renamed or dropped by the script */
	}
	return add_schema(script, name, oid);
}

ScriptSchema *
guard_script_make_schema(Script *script, const char *name)
{
	ScriptSchema *schema = guard_script_find_schema(script, name);

	if (schema != NULL)
		return schema;
	schema = add_schema(script, name, InvalidOid);
	schema->dropped = true;
	guard_script_set_bool(script, &schema->dropped, false);
	return schema;
}

static ScriptSchema *
add_schema(Script *script, const char *name, Oid oid)
{
	ScriptSchema *schema = palloc0(sizeof(ScriptSchema));

	schema->name = pstrdup(name);
	schema->oid = oid;
	schema->real_name = OidIsValid(oid) ? schema->name : NULL;
	script->schemas = lappend(script->schemas, schema);
	return schema;
}

/*
 * Made when it is not there: the script is judged in a database where what
 * comes before it may be missing.
 */
ScriptSchema *
guard_script_creation_schema(Script *script, const char *name)
{
	ListCell   *lc;

	if (name != NULL)
		return guard_script_make_schema(script, name);
	foreach(lc, script->settings.path)
	{
		ScriptSchema *schema = guard_script_find_schema(script, lfirst(lc));

		if (schema != NULL)
			return schema;
	}
	return guard_script_make_schema(script, "public");
}

ScriptSchema *
guard_script_schema_of(const ScriptRelation *relation)
{
	while (relation->table != NULL)
		relation = relation->table;
	return relation->schema;
}

/* ---- relations ---- */

ScriptRelation *
guard_script_find(Script *script, const char *schema, const char *name)
{
	ScriptRelation *relation;
	ScriptSchema *where;
	ListCell   *lc;

	if (schema != NULL)
	{
		where = guard_script_find_schema(script, schema);
		if (where == NULL)
			return NULL;
		if (OidIsValid(where->oid))
			(void) LookupExplicitNamespace(where->real_name, true);
		return find_in(script, where, name);
	}

	where = guard_script_find_schema(script, "pg_temp");
	if (where != NULL && (relation = find_in(script, where, name)) != NULL)
		return relation;
	foreach(lc, script->settings.path)
	{
		where = guard_script_find_schema(script, lfirst(lc));
		if (where != NULL && may_use(where) &&
			(relation = find_in(script, where, name)) != NULL)
			return relation;
	}
	return NULL;
}

static ScriptRelation *
of_kind(ScriptRelation *relation, const char *relkinds)
{
	return relation != NULL && strchr(relkinds, relation->relkind) != NULL ?
		relation : NULL;
}

ScriptRelation *
guard_script_find_var(Script *script, const RangeVar *name, const char *relkinds)
{
	return of_kind(guard_script_find(script, name->schemaname, name->relname),
				   relkinds);
}

/*
 * A name as DROP and COMMENT have it.  Another database's name is an error, as
 * in PostgreSQL.
 */
ScriptRelation *
guard_script_find_list(Script *script, List *names, const char *relkinds)
{
	RangeVar   *name = makeRangeVarFromNameList(names);

	if (name->catalogname != NULL &&
		strcmp(name->catalogname, get_database_name(MyDatabaseId)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cross-database references are not implemented: \"%s\"",
						NameListToString(names))));
	return guard_script_find_var(script, name, relkinds);
}

static ScriptRelation *
find_in(Script *script, ScriptSchema *schema, const char *name)
{
	NameEntry  *entry = hash_search(script->by_name, name, HASH_FIND, NULL);
	ScriptRelation *relation;
	ListCell   *lc;
	Oid			oid;

	foreach(lc, entry != NULL ? entry->relations : NIL)
	{
		relation = lfirst(lc);
		if (relation->dropped_by == 0 && strcmp(relation->name, name) == 0 &&
			guard_script_schema_of(relation) == schema)
			return relation;
	}
	if (!OidIsValid(schema->oid))
		return NULL;
	oid = get_relname_relid(name, schema->oid);
	if (!OidIsValid(oid))
		return NULL;
	relation = guard_script_find_oid(script, oid);

	/* the script may have dropped, renamed or moved it */
	if (relation == NULL || relation->dropped_by != 0 ||
		strcmp(relation->name, name) != 0 ||
		guard_script_schema_of(relation) != schema)
		return NULL;
	return relation;
}

static bool
may_use(ScriptSchema *schema)
{
	if (!OidIsValid(schema->oid))
		return true;
	return DatumGetBool(DirectFunctionCall2(has_schema_privilege_id,
											ObjectIdGetDatum(schema->oid),
											CStringGetTextDatum("USAGE")));
}

/*
 * NULL when it has vanished.  What the script has dropped is returned, too.
 */
ScriptRelation *
guard_script_find_oid(Script *script, Oid oid)
{
	OidEntry   *entry = hash_search(script->by_oid, &oid, HASH_FIND, NULL);
	ScriptRelation *relation;
	char	   *name;
	char	   *schema;
	char		relkind;
	Oid			table;

	if (entry != NULL)
		return entry->relation;
	name = get_rel_name(oid);
	schema = get_namespace_name(get_rel_namespace(oid));
	relkind = get_rel_relkind(oid);
	if (name == NULL || schema == NULL)
		return NULL;

	relation = palloc0(sizeof(ScriptRelation));
	relation->oid = oid;
	relation->relkind = relkind;
	relation->name = name;
	relation->real_name = quote_qualified_identifier(schema, name);
	if (relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX)
	{
		table = IndexGetRelation(oid, true);
		relation->table = OidIsValid(table) ?
			guard_script_find_oid(script, table) : NULL;
		if (relation->table == NULL)
			return NULL;
	}
	else
	{
		/* by OID: the script may have given its name to another one */
		foreach_ptr(ScriptSchema, known, script->schemas)
		{
			if (known->oid == get_rel_namespace(oid))
				relation->schema = known;
		}
		if (relation->schema == NULL)
			relation->schema = add_schema(script, schema,
										  get_rel_namespace(oid));
	}
	register_relation(script, relation);
	return relation;
}

/*
 * An entry of a name is never taken back: whoever looks asks for the name that
 * the relation has now.
 */
static void
register_name(Script *script, ScriptRelation *relation)
{
	bool		found;
	NameEntry  *entry = hash_search(script->by_name, relation->name, HASH_ENTER,
									&found);

	if (!found)
		entry->relations = NIL;
	entry->relations = list_append_unique_ptr(entry->relations, relation);
}

static void
register_relation(Script *script, ScriptRelation *relation)
{
	script->relations = lappend(script->relations, relation);
	register_name(script, relation);
	if (OidIsValid(relation->oid))
	{
		OidEntry   *entry = hash_search(script->by_oid, &relation->oid,
										HASH_ENTER, NULL);

		entry->relation = relation;
	}
}

void
guard_script_rename(Script *script, ScriptRelation *relation, const char *name)
{
	guard_script_set_pointer(script, &relation->name, pstrdup(name));
	register_name(script, relation);
}

ScriptRelation *
guard_script_add(Script *script, ScriptSchema *schema, const char *name,
				 char relkind)
{
	ScriptRelation *relation = palloc0(sizeof(ScriptRelation));

	relation->relkind = relkind;
	relation->schema = schema;
	relation->name = pstrdup(name);
	relation->created_by = script->piece->number;
	relation->dropped_by = script->piece->number;
	guard_script_set_int(script, &relation->dropped_by, 0);
	register_relation(script, relation);
	return relation;
}

/*
 * With a table go its indexes.
 */
void
guard_script_drop(Script *script, ScriptRelation *relation)
{
	ListCell   *lc;

	if (relation->dropped_by != 0)
		return;
	if (relation->table == NULL)
	{
		foreach(lc, guard_script_indexes_of(script, relation))
			guard_script_drop(script, lfirst(lc));
	}
	guard_script_set_int(script, &relation->dropped_by, script->piece->number);
}

List *
guard_script_indexes_of(Script *script, ScriptRelation *table)
{
	List	   *indexes = NIL;

	if (of_kind(table, SCRIPT_INDEXABLE) == NULL)
		return NIL;
	if (OidIsValid(table->oid))
	{
		foreach_ptr(GuardTarget, target, guard_targets_of_table(table->oid, GUARD_ROUTE_INDEX, false))
			(void) guard_script_find_oid(script,
										 target->index);
	}
	foreach_ptr(ScriptRelation, relation, script->relations)
	{
		if (relation->table == table && relation->dropped_by == 0)
			indexes = lappend(indexes, relation);
	}
	return indexes;
}

char *
guard_script_name(const ScriptRelation *relation)
{
	return quote_qualified_identifier(guard_script_schema_of(relation)->name,
									  relation->name);
}

/* ---- columns ---- */

ScriptColumn *
guard_script_column(Script *script, ScriptRelation *table, const char *name)
{
	read_columns(script, table);
	foreach_ptr(ScriptColumn, column, table->columns)
	{
		if (!column->dropped && strcmp(column->name, name) == 0)
			return column;
	}
	return NULL;
}

/*
 * Once for each real table; what the script makes is added by its statements.
 */
static void
read_columns(Script *script, ScriptRelation *table)
{
	HeapTuple	tuple;
	int			natts;

	if (!OidIsValid(table->oid) || table->columns_known)
		return;
	table->columns_known = true;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table->oid));
	if (!HeapTupleIsValid(tuple))
		return;
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);
	for (int i = 1; i <= natts; i++)
	{
		Form_pg_attribute form;

		tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(table->oid),
								Int16GetDatum(i));
		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_attribute) GETSTRUCT(tuple);
		if (!form->attisdropped)
		{
			ScriptColumn *column = palloc0(sizeof(ScriptColumn));

			column->name = column->real_name = pstrdup(NameStr(form->attname));
			column->attnum = i;
			column->type = form->atttypid;
			column->collation = form->attcollation;
			table->columns = lappend(table->columns, column);
		}
		ReleaseSysCache(tuple);
	}
}

/*
 * A type that is not there yet, or not any more, is not known.
 */
void
guard_script_add_column(Script *script, ScriptRelation *table,
						const char *name, TypeName *type)
{
	ScriptColumn *column;
	Type		tuple;

	if (guard_script_column(script, table, name) != NULL)
		return;
	column = add_column(script, table, name);
	if (type == NULL || type->setof || type->pct_type)
		return;
	tuple = LookupTypeName(NULL, type, NULL, true);
	if (tuple == NULL)
		return;
	column->type = typeTypeId(tuple);
	column->collation = typeTypeCollation(tuple);
	ReleaseSysCache(tuple);
}

static ScriptColumn *
add_column(Script *script, ScriptRelation *table, const char *name)
{
	ScriptColumn *column = palloc0(sizeof(ScriptColumn));

	column->name = pstrdup(name);
	column->dropped = true;
	guard_script_set_bool(script, &column->dropped, false);
	table->columns = lappend(table->columns, column);
	return column;
}

/*
 * The name under which real indexes know the column, so that a rename in the
 * script makes no difference - unless another column bears that name now.
 * Then queries by that name find the other one.
 */
const char *
guard_script_column_label(Script *script, ScriptRelation *table,
						  const char *name)
{
	ScriptColumn *column = guard_script_column(script, table, name);

	if (column == NULL || column->real_name == NULL ||
		guard_script_column(script, table, column->real_name) != NULL)
		return name;
	return column->real_name;
}
