/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  The registry of hidden indexes: its rows, and the trigger that makes a
 *	  change of them take effect.
 *
 * Nobody can use an index that is hidden, so of that time nothing can be
 * concluded: it neither ends a use nor makes an index cold.  What is hidden now
 * says so itself; of the past, guard.hidden_time keeps one row for each time
 * that an index was unhidden.  Where nobody hides, it is empty, and costs no
 * statement.
 *
 * A row hangs on an object (store/store.h), and so follows its index.
 *
 * The trigger is ENABLE ALWAYS, and the table is written by anybody who may:
 * what takes effect is the row, not the function that wrote it.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "utils/inval.h"

#include "planner/hide/hide.h"

PG_FUNCTION_INFO_V1(guard_sql_hidden_index_changed);

/* guard.hidden_index */
#define HIDDEN_OBJECT		1
#define HIDDEN_PARTITIONED	2
#define HIDDEN_KIND			3
#define HIDDEN_AT			4

/* ---- rows ---- */

/*
 * Nothing of a row can be null that is read here.
 */
bool
guard_hide_read_row(HeapTuple tuple, TupleDesc desc, GuardHideRow *row)
{
	GuardRows	rows = {.tuple = tuple, .desc = desc};

	row->object = guard_identity_find(guard_rows_uuid(&rows, HIDDEN_OBJECT));
	row->partitioned = guard_rows_bool(&rows, HIDDEN_PARTITIONED);
	row->by_hand = strcmp(guard_rows_text(&rows, HIDDEN_KIND), GUARD_HIDE_BY_HAND) == 0;
	row->since = guard_rows_time(&rows, HIDDEN_AT);
	return row->object != NULL;
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

	invalidate_table(row->object->table);
	root = row->partitioned ? guard_identity_resolve(row->object) : InvalidOid;
	if (!OidIsValid(root))
		return;
	foreach_oid(each, find_all_inheritors(root, NoLock, NULL))
		invalidate_table(guard_catalog_table(each));
}

static void
invalidate_row(HeapTuple tuple, TupleDesc desc)
{
	GuardHideRow row;

	if (guard_hide_read_row(tuple, desc, &row))
		invalidate_tables(&row);
}

static void
invalidate_all_rows(void)
{
	GuardRows  *rows = guard_rows_of_table(GUARD_HIDE_TABLE);

	while (rows != NULL && guard_rows_next(rows))
		invalidate_row(rows->tuple, rows->desc);
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
		invalidate_row(data->tg_trigtuple, desc);
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			invalidate_row(data->tg_newtuple, desc);
	}
	else
		invalidate_all_rows();
	CacheInvalidateRelcache(data->tg_relation);
	return PointerGetDatum(NULL);
}

void
guard_hide_relation_goes(Oid relation)
{
	char	   *name = get_rel_name(relation);

	if (name != NULL && strcmp(name, GUARD_HIDE_TABLE) == 0 &&
		relation == guard_store_table(GUARD_HIDE_TABLE))
		invalidate_all_rows();
}

/* ---- changing ---- */

/*
 * Hide an index; see hide.h.
 */
void
guard_hide_add(Oid index, const char *kind, const char *reason)
{
	guard_query_execute("INSERT INTO guard.hidden_index VALUES ($1, $2, $3, clock_timestamp(), session_user, $4)"
						" ON CONFLICT (object) DO UPDATE SET kind = excluded.kind, reason = excluded.reason, hidden_by = excluded.hidden_by",
						P_UUID(guard_identity_ensure(index)),
						P_BOOL(get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX),
						P_TEXT(kind), P_TEXT(reason));
}

/*
 * Let it be seen again, and write down since when it was not.
 */
bool
guard_hide_remove(Oid index)
{
	GuardObject *object = guard_identity_of(index);

	return object != NULL &&
		guard_query_execute("WITH gone AS (DELETE FROM guard.hidden_index WHERE object = $1 RETURNING object, hidden_at)"
							" INSERT INTO guard.hidden_time SELECT object, hidden_at, clock_timestamp() FROM gone",
							P_UUID(&object->id)) > 0;
}

/* ---- the past ---- */

/* guard.hidden_time */
#define TIME_OBJECT		1
#define TIME_FROM		2
#define TIME_UNTIL		3

/*
 * When it was hidden, itself or a partitioned index that it belongs to.
 */
List *
guard_hide_past(Oid index)
{
	List	   *spans = NIL;

	foreach_oid(each, guard_catalog_lineage(index))
	{
		GuardObject *object = guard_identity_of(each);
		GuardRows  *rows;

		if (object == NULL)
			continue;
		rows = guard_rows_surely(guard_rows_by_key("hidden_time", "hidden_time_object_idx",
												   TIME_OBJECT, P_UUID(&object->id)),
								 "hidden_time");
		while (guard_rows_next(rows))
		{
			GuardSpan  *span = palloc(sizeof(GuardSpan));

			span->from = guard_rows_time(rows, TIME_FROM);
			span->until = guard_rows_time(rows, TIME_UNTIL);
			spans = lappend(spans, span);
		}
	}
	return spans;
}
