/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  The registry of hidden indexes: its rows, and the trigger that makes a
 *	  change of them take effect.
 *
 * A row must follow its index through renames, REINDEX CONCURRENTLY and ALTER
 * TYPE, so it keeps OID and name and is brought up to date around the
 * statements that change either, as registrations for protection are.  It says
 * which server and database its OIDs belong to, because a publication FOR ALL
 * TABLES would carry it to a subscriber, and CREATE DATABASE ... TEMPLATE to
 * another database (doc/internals/postgresql.md 3.11).
 *
 * The trigger is ENABLE ALWAYS, and the table is written by anybody who may:
 * what takes effect is the row, not the function that wrote it.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "planner/hide/registry.h"
#include "store/presence.h"
#include "store/store.h"

PG_FUNCTION_INFO_V1(guard_sql_hidden_index_changed);

/* guard.hidden_index */
#define HIDDEN_TABLE_OID	1
#define HIDDEN_INDEX_OID	2
#define HIDDEN_DATABASE		3
#define HIDDEN_SYSTEM		4
#define HIDDEN_SCHEMA		5
#define HIDDEN_TABLE		6
#define HIDDEN_INDEX		7
#define HIDDEN_PARTITIONED	8
#define HIDDEN_KIND			9
#define HIDDEN_AT			10

/* How an index is known in SQL: the first parameters of every statement here. */
#define IDENTITY_COLUMNS	8

/* ---- rows ---- */

/*
 * Read the fixed part of a row; nothing of it can be null.
 */
void
guard_hide_read_row(HeapTuple tuple, TupleDesc desc, GuardHideRow *row)
{
	Datum		values[HIDDEN_AT];
	bool		isnull;
	char	   *kind;

	for (int i = 0; i < HIDDEN_AT; i++)
		values[i] = heap_getattr(tuple, i + 1, desc, &isnull);

#define VALUE(attnum) values[(attnum) - 1]
	row->table = DatumGetObjectId(VALUE(HIDDEN_TABLE_OID));
	row->index = DatumGetObjectId(VALUE(HIDDEN_INDEX_OID));
	row->here = DatumGetObjectId(VALUE(HIDDEN_DATABASE)) == MyDatabaseId &&
		DatumGetInt64(VALUE(HIDDEN_SYSTEM)) == (int64) GetSystemIdentifier();
	row->partitioned = DatumGetBool(VALUE(HIDDEN_PARTITIONED));
	row->schema = *DatumGetName(VALUE(HIDDEN_SCHEMA));
	row->table_name = *DatumGetName(VALUE(HIDDEN_TABLE));
	row->name = *DatumGetName(VALUE(HIDDEN_INDEX));

	/* The CHECK leaves two words, and the first letter tells them apart. */
	kind = VARDATA_ANY(DatumGetTextPP(VALUE(HIDDEN_KIND)));
	row->by_hand = kind[0] == GUARD_HIDE_BY_HAND[0];
	row->since = DatumGetTimestampTz(VALUE(HIDDEN_AT));
#undef VALUE
}

/*
 * The index of a table that bears a name; InvalidOid when none does.
 */
static Oid
find_by_name(Oid table, const char *name)
{
	Oid			schema = get_rel_namespace(table);
	Oid			index;

	if (name[0] == '\0' || !OidIsValid(schema))
		return InvalidOid;
	index = get_relname_relid(name, schema);
	return OidIsValid(index) && IndexGetRelation(index, true) == table ?
		index : InvalidOid;
}

/*
 * While REINDEX CONCURRENTLY waits to drop the old index, both are there: the
 * old one, not valid any more, has handed its name to the new one.
 */
Oid
guard_hide_resolve(Oid table, Oid index, const char *name)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	Oid			successor;

	if (!HeapTupleIsValid(tuple))
		return find_by_name(table, name);
	form = (Form_pg_index) GETSTRUCT(tuple);
	if (form->indrelid != table)
		index = InvalidOid;
	else if (!form->indisvalid)
	{
		successor = find_by_name(table, name);
		if (OidIsValid(successor))
			index = successor;
	}
	ReleaseSysCache(tuple);
	return index;
}

/* ---- the trigger ---- */

/*
 * Have all plans for a table made anew.  It may have gone.
 */
static void
invalidate_table(Oid table)
{
	if (OidIsValid(table) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)))
		CacheInvalidateRelcacheByRelid(table);
}

/*
 * The same for all tables that a row concerns.  A plan may have been made for a
 * partition alone.
 */
static void
invalidate_tables(const GuardHideRow *row)
{
	Oid			root;
	ListCell   *lc;

	if (!row->here)
		return;
	invalidate_table(row->table);
	if (!row->partitioned)
		return;
	root = guard_hide_resolve(row->table, row->index, NameStr(row->name));
	if (!OidIsValid(root))
		return;
	foreach(lc, find_all_inheritors(root, NoLock, NULL))
		invalidate_table(IndexGetRelation(lfirst_oid(lc), true));
}

static bool
invalidate_row(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardHideRow row;

	guard_hide_read_row(tuple, desc, &row);
	invalidate_tables(&row);
	return true;
}

/*
 * After a row was inserted, updated or deleted, and before all are truncated.
 * Everything takes effect with the invalidations: here at once, in other
 * sessions at commit, on standbys when they replay it.
 */
Datum
guard_sql_hidden_index_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	TupleDesc	desc;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function can only be called by a trigger")));
	if (strcmp(RelationGetRelationName(data->tg_relation), GUARD_HIDE_TABLE) != 0 ||
		RelationGetNamespace(data->tg_relation) !=
		get_func_namespace(fcinfo->flinfo->fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function can only be called by the trigger of guard's table")));
	guard_presence_may_hide();
	desc = RelationGetDescr(data->tg_relation);
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
	{
		(void) invalidate_row(data->tg_trigtuple, desc, NULL);
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			(void) invalidate_row(data->tg_newtuple, desc, NULL);
	}
	else
		(void) guard_store_scan(GUARD_HIDE_TABLE, NULL, 0, InvalidOid,
								invalidate_row, NULL);
	CacheInvalidateRelcache(data->tg_relation);
	return PointerGetDatum(NULL);
}

void
guard_hide_relation_goes(Oid relation)
{
	char	   *name = get_rel_name(relation);

	if (name != NULL && strcmp(name, GUARD_HIDE_TABLE) == 0 &&
		relation == guard_store_table(GUARD_HIDE_TABLE))
		(void) guard_store_scan(GUARD_HIDE_TABLE, NULL, 0, InvalidOid,
								invalidate_row, NULL);
}

/* ---- changing ---- */

static Oid	identity_types[IDENTITY_COLUMNS] = {OIDOID, OIDOID, OIDOID, INT8OID,
NAMEOID, NAMEOID, NAMEOID, BOOLOID};

/*
 * What a row says of an index as it is now, in the order of the columns.
 */
static void
identify(Oid index, Datum *values, NameData *names)
{
	Oid			table = IndexGetRelation(index, false);

	namestrcpy(&names[0], get_namespace_name(get_rel_namespace(table)));
	namestrcpy(&names[1], get_rel_name(table));
	namestrcpy(&names[2], get_rel_name(index));
	values[0] = ObjectIdGetDatum(table);
	values[1] = ObjectIdGetDatum(index);
	values[2] = ObjectIdGetDatum(MyDatabaseId);
	values[3] = Int64GetDatum((int64) GetSystemIdentifier());
	values[4] = NameGetDatum(&names[0]);
	values[5] = NameGetDatum(&names[1]);
	values[6] = NameGetDatum(&names[2]);
	values[7] = BoolGetDatum(get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX);
}

void
guard_hide_add(Oid index, const char *kind, const char *reason)
{
	Oid			types[IDENTITY_COLUMNS + 2];
	Datum		values[IDENTITY_COLUMNS + 2];
	char		nulls[] = "          ";
	NameData	names[3];

	guard_hide_refresh();
	memcpy(types, identity_types, sizeof(identity_types));
	identify(index, values, names);
	types[8] = types[9] = TEXTOID;
	values[8] = CStringGetTextDatum(kind);
	values[9] = reason != NULL ? CStringGetTextDatum(reason) : (Datum) 0;
	nulls[9] = reason != NULL ? ' ' : 'n';
	guard_store_execute("INSERT INTO guard.hidden_index"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
						" clock_timestamp(), session_user, $10)"
						" ON CONFLICT (system_identifier, database_oid, index_oid) DO UPDATE"
						" SET kind = excluded.kind, reason = excluded.reason,"
						" hidden_by = excluded.hidden_by",
						IDENTITY_COLUMNS + 2, types, values, nulls);
}

bool
guard_hide_remove(Oid index)
{
	Oid			types[] = {OIDOID, OIDOID, INT8OID};
	Datum		values[] = {ObjectIdGetDatum(index), ObjectIdGetDatum(MyDatabaseId),
	Int64GetDatum((int64) GetSystemIdentifier())};

	guard_hide_refresh();
	return guard_store_execute("WITH gone AS (DELETE FROM guard.hidden_index"
							   " WHERE index_oid OPERATOR(pg_catalog.=) $1"
							   " AND database_oid OPERATOR(pg_catalog.=) $2"
							   " AND system_identifier OPERATOR(pg_catalog.=) $3"
							   " RETURNING index_oid, table_oid, index_name, hidden_at)"
							   " INSERT INTO guard.hidden_time"
							   " SELECT index_oid, table_oid, index_name, hidden_at, clock_timestamp()"
							   " FROM gone",
							   3, types, values, NULL) > 0;
}

/* ---- book-keeping ---- */

/* A row that is not what its index is now. */
typedef struct Correction
{
	Oid			recorded;		/* the OID in the row */
	Oid			index;			/* the index that it means */
} Correction;

static bool
is_outdated(const GuardHideRow *row, Oid index)
{
	char	   *schema = get_namespace_name(get_rel_namespace(row->table));
	char	   *table = get_rel_name(row->table);
	char	   *name = get_rel_name(index);

	return index != row->index ||
		schema == NULL || table == NULL || name == NULL ||
		strcmp(schema, NameStr(row->schema)) != 0 ||
		strcmp(table, NameStr(row->table_name)) != 0 ||
		strcmp(name, NameStr(row->name)) != 0;
}

static bool
find_correction(HeapTuple tuple, TupleDesc desc, void *arg)
{
	List	  **corrections = arg;
	GuardHideRow row;
	Oid			index;

	guard_hide_read_row(tuple, desc, &row);
	if (!row.here)
		return true;
	index = guard_hide_resolve(row.table, row.index, NameStr(row.name));
	if (OidIsValid(index) && is_outdated(&row, index))
	{
		Correction *correction = palloc(sizeof(Correction));

		correction->recorded = row.index;
		correction->index = index;
		*corrections = lappend(*corrections, correction);
	}
	return true;
}

void
guard_hide_refresh(void)
{
	List	   *corrections = NIL;
	ListCell   *lc;

	(void) guard_store_scan(GUARD_HIDE_TABLE, NULL, 0, InvalidOid,
							find_correction, &corrections);
	foreach(lc, corrections)
	{
		Correction *correction = lfirst(lc);
		Oid			types[IDENTITY_COLUMNS + 1];
		Datum		values[IDENTITY_COLUMNS + 1];
		NameData	names[3];

		memcpy(types, identity_types, sizeof(identity_types));
		identify(correction->index, values, names);
		types[8] = OIDOID;
		values[8] = ObjectIdGetDatum(correction->recorded);
		guard_store_execute("UPDATE guard.hidden_index"
							" SET table_oid = $1, index_oid = $2, table_schema = $5,"
							" table_name = $6, index_name = $7, partitioned = $8"
							" WHERE index_oid OPERATOR(pg_catalog.=) $9"
							" AND database_oid OPERATOR(pg_catalog.=) $3"
							" AND system_identifier OPERATOR(pg_catalog.=) $4",
							IDENTITY_COLUMNS + 1, types, values, NULL);
	}
}

/* Does a row mean this relation, or one of its indexes? */
static bool
find_mention(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Oid		   *relation = arg;
	GuardHideRow row;

	guard_hide_read_row(tuple, desc, &row);
	if (row.index != *relation && row.table != *relation)
		return true;
	*relation = InvalidOid;
	return false;
}

void
guard_hide_forget(Oid relation)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(relation)};
	Oid			sought = relation;

	if (guard_store_scan(GUARD_HIDE_TABLE, NULL, 0, InvalidOid, find_mention,
						 &sought) && !OidIsValid(sought))
		guard_store_execute("DELETE FROM guard.hidden_index"
							" WHERE index_oid OPERATOR(pg_catalog.=) $1"
							" OR table_oid OPERATOR(pg_catalog.=) $1",
							1, types, values, NULL);
}
