/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  What is written down of soft drops.
 *
 * Rows are written through SPI and read the same way, but for the one question
 * that is asked while others judge: is this index open?  That one waits for no
 * lock, and a table that cannot be read means "no": then the index counts for
 * what it looks like, an index.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/audit.h"
#include "softdrop/softdrop.h"
#include "softdrop/watch.h"
#include "store/store.h"

/* guard.soft_drop */
#define SOFTDROP_INDEX		1
#define SOFTDROP_DATABASE	2
#define SOFTDROP_SYSTEM		3
#define SOFTDROP_STATE		4

/* What every query of whole rows begins with; see read_row(). */
#define HERE " s.database_oid = $1 AND s.system_identifier = $2"
#define OPEN " s.state IN ('waiting', 'hidden')"
#define SELECT_ROW \
	"SELECT s.id, s.state, s.index_oid, s.table_oid, s.index_schema, s.index_name," \
	" s.partitioned, s.dropped_at, s.login_role, s.dropped_by, s.state_since, s.state_reason," \
	" s.next_step, s.next_at, s.due_at, s.hidden_at, s.watched, s.trial, s.last_visit," \
	" s.attempts, s.last_attempt, s.last_error, s.drop_started_at, s.restore_wanted," \
	" s.name_wanted, s.approved_at, s.compared, s.needed_since, s.untold, s.long_step" \
	" FROM guard.soft_drop s WHERE" HERE

static const char *const state_names[] = {
	[GUARD_SOFTDROP_WAITING] = "waiting",
	[GUARD_SOFTDROP_HIDDEN] = "hidden",
	[GUARD_SOFTDROP_DROPPED] = "dropped",
	[GUARD_SOFTDROP_RESTORED] = "restored"
};

/* Those that wait to be done. */
static const char *const step_names[] = {
	[GUARD_STEP_DROP] = "drop",
	[GUARD_STEP_REBUILD] = "rebuild",
	[GUARD_STEP_CREATE] = "create"
};

const char *
guard_softdrop_state_name(GuardSoftDropState state)
{
	return state_names[state];
}

static GuardSoftDropState
state_of_name(const char *name)
{
	for (int i = 0; i < lengthof(state_names); i++)
	{
		if (strcmp(state_names[i], name) == 0)
			return (GuardSoftDropState) i;
	}
	elog(ERROR, "unknown state \"%s\" of a soft drop", name);
	return GUARD_SOFTDROP_RESTORED;
}

static GuardSoftDropStep
step_of_name(const char *name)
{
	for (int i = 0; name != NULL && i < lengthof(step_names); i++)
	{
		if (step_names[i] != NULL && strcmp(step_names[i], name) == 0)
			return (GuardSoftDropStep) i;
	}
	return GUARD_STEP_STAY;
}

char *
guard_softdrop_name(const GuardSoftDrop *drop)
{
	return quote_qualified_identifier(drop->schema, drop->name);
}

int
guard_softdrop_settle_texts(void)
{
	static const char *const settled[][2] = {
		{"array_nulls", "on"},
		{"bytea_output", "hex"},
		{"datestyle", "ISO"},
		{"extra_float_digits", "1"},
		{"intervalstyle", "postgres"},
		{"lc_monetary", "C"},
		{"quote_all_identifiers", "off"},
		{"search_path", "pg_catalog, pg_temp"},
		{"standard_conforming_strings", "on"},
		{"transform_null_equals", "off"},
		{"xmloption", "content"},
	};
	int			nestlevel = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settled); i++)
		(void) set_config_option(settled[i][0], settled[i][1], PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nestlevel;
}

/* ---- is it open? ---- */

static bool
see_open(HeapTuple tuple, TupleDesc desc, void *arg)
{
	bool		isnull;
	char	   *state = TextDatumGetCString(heap_getattr(tuple, SOFTDROP_STATE,
														 desc, &isnull));

	if (DatumGetObjectId(heap_getattr(tuple, SOFTDROP_DATABASE, desc, &isnull)) == MyDatabaseId &&
		DatumGetInt64(heap_getattr(tuple, SOFTDROP_SYSTEM, desc, &isnull)) == (int64) GetSystemIdentifier() &&
		(strcmp(state, "waiting") == 0 || strcmp(state, "hidden") == 0))
		*(bool *) arg = true;
	return !*(bool *) arg;
}

bool
guard_softdrop_is_open(Oid index)
{
	bool		open = false;
	List	   *candidates = list_make1_oid(index);
	ListCell   *lc;

	if (get_rel_relispartition(index))
		candidates = list_concat(candidates, get_partition_ancestors(index));
	foreach(lc, candidates)
	{
		if (!open)
			(void) guard_store_scan("soft_drop", "soft_drop_index_oid_idx",
									SOFTDROP_INDEX, lfirst_oid(lc), see_open, &open);
	}
	return open;
}

/* ---- reading ---- */

/* A list being read, and the memory that it lives in. */
typedef struct Reading
{
	List	   *list;
	MemoryContext context;
} Reading;

static char *
text_field(HeapTuple tuple, TupleDesc desc, int field, MemoryContext context)
{
	char	   *value = SPI_getvalue(tuple, desc, field);

	return value == NULL ? NULL : MemoryContextStrdup(context, value);
}

static TimestampTz
time_field(HeapTuple tuple, TupleDesc desc, int field)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, field, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

static int64
int_field(HeapTuple tuple, TupleDesc desc, int field)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(tuple, desc, field, &isnull));
}

static bool
bool_field(HeapTuple tuple, TupleDesc desc, int field)
{
	bool		isnull;

	return DatumGetBool(SPI_getbinval(tuple, desc, field, &isnull));
}

static Oid
oid_field(HeapTuple tuple, TupleDesc desc, int field)
{
	bool		isnull;

	return DatumGetObjectId(SPI_getbinval(tuple, desc, field, &isnull));
}

static void
read_row(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Reading    *reading = arg;
	MemoryContext old = MemoryContextSwitchTo(reading->context);
	GuardSoftDrop *drop = palloc0(sizeof(GuardSoftDrop));
	int			n = 0;

	drop->id = int_field(tuple, desc, ++n);
	drop->state = state_of_name(SPI_getvalue(tuple, desc, ++n));
	drop->index = oid_field(tuple, desc, ++n);
	drop->table = oid_field(tuple, desc, ++n);
	drop->schema = text_field(tuple, desc, ++n, reading->context);
	drop->name = text_field(tuple, desc, ++n, reading->context);
	drop->partitioned = bool_field(tuple, desc, ++n);
	drop->dropped_at = time_field(tuple, desc, ++n);
	drop->login_role = oid_field(tuple, desc, ++n);
	drop->dropped_by = text_field(tuple, desc, ++n, reading->context);
	drop->state_since = time_field(tuple, desc, ++n);
	drop->state_reason = text_field(tuple, desc, ++n, reading->context);
	drop->next_step = text_field(tuple, desc, ++n, reading->context);
	drop->next_at = time_field(tuple, desc, ++n);
	drop->due_at = time_field(tuple, desc, ++n);
	drop->hidden_at = time_field(tuple, desc, ++n);
	drop->watched = int_field(tuple, desc, ++n);
	drop->trial = int_field(tuple, desc, ++n);
	drop->last_visit = time_field(tuple, desc, ++n);
	drop->attempts = (int) int_field(tuple, desc, ++n);
	drop->last_attempt = time_field(tuple, desc, ++n);
	drop->last_error = text_field(tuple, desc, ++n, reading->context);
	drop->drop_started_at = time_field(tuple, desc, ++n);
	drop->restore_wanted = bool_field(tuple, desc, ++n);
	drop->name_wanted = bool_field(tuple, desc, ++n);
	drop->approved_at = time_field(tuple, desc, ++n);
	drop->compared = bool_field(tuple, desc, ++n);
	drop->needed_since = time_field(tuple, desc, ++n);
	drop->untold = text_field(tuple, desc, ++n, reading->context);
	drop->long_step = step_of_name(SPI_getvalue(tuple, desc, ++n));
	reading->list = lappend(reading->list, drop);
	MemoryContextSwitchTo(old);
}

/*
 * The OID may have changed while nobody looked, in REINDEX CONCURRENTLY with
 * guard.mode off; the holding name leads to the new one.
 */
static Oid
locate(Oid index, Oid table, const char *holding_name)
{
	Oid			found;

	if (OidIsValid(IndexGetRelation(index, true)))
		return index;
	if (get_rel_relkind(table) == '\0')
		return InvalidOid;
	found = get_relname_relid(holding_name, get_rel_namespace(table));
	return OidIsValid(found) && OidIsValid(IndexGetRelation(found, true)) ?
		found : InvalidOid;
}

static void
read_part(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Reading    *reading = arg;
	MemoryContext old = MemoryContextSwitchTo(reading->context);
	GuardSoftDropPart *part = palloc0(sizeof(GuardSoftDropPart));

	part->old_name = text_field(tuple, desc, 3, reading->context);
	part->holding_name = text_field(tuple, desc, 4, reading->context);
	part->comment = text_field(tuple, desc, 5, reading->context);
	part->definition = text_field(tuple, desc, 6, reading->context);
	part->tablespace = text_field(tuple, desc, 7, reading->context);
	part->statistics = text_field(tuple, desc, 8, reading->context);
	part->clustered = bool_field(tuple, desc, 9);
	part->table = oid_field(tuple, desc, 2);
	part->partitioned = bool_field(tuple, desc, 10);
	part->was = oid_field(tuple, desc, 11);
	part->defined_by = part->was;
	part->parent = oid_field(tuple, desc, 12);
	part->index = locate(oid_field(tuple, desc, 1),
						 part->table, part->holding_name);
	reading->list = lappend(reading->list, part);
	MemoryContextSwitchTo(old);
}

static void
read_parts(GuardSoftDrop *drop)
{
	Reading		reading = {NIL, CurrentMemoryContext};
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(drop->id)};

	guard_store_select("SELECT (p ->> 'oid')::oid, (p ->> 'table')::oid, p ->> 'old_name',"
					   " p ->> 'holding_name', p ->> 'comment', p ->> 'definition',"
					   " p ->> 'tablespace', p ->> 'statistics', (p ->> 'clustered')::boolean,"
					   " (p ->> 'partitioned')::boolean, (p ->> 'was')::oid, coalesce((p ->> 'parent')::oid, 0::oid)"
					   " FROM guard.soft_drop s, jsonb_array_elements(s.parts) WITH ORDINALITY AS e (p, n)"
					   " WHERE s.id = $1 ORDER BY e.n",
					   1, types, values, NULL, read_part, &reading);
	drop->parts = reading.list;
}

/*
 * Rows of this database and this server that "sql" selects, parts included.
 */
static List *
read_rows(const char *sql, const char *schema, const char *name, int64 id)
{
	Reading		reading = {NIL, CurrentMemoryContext};
	Oid			types[] = {OIDOID, INT8OID, TEXTOID, TEXTOID, INT8OID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId),
		Int64GetDatum((int64) GetSystemIdentifier()), (Datum) 0, (Datum) 0,
	Int64GetDatum(id)};
	char		nulls[] = "  nn ";
	ListCell   *lc;

	if (schema != NULL)
	{
		values[2] = CStringGetTextDatum(schema);
		nulls[2] = ' ';
	}
	if (name != NULL)
	{
		values[3] = CStringGetTextDatum(name);
		nulls[3] = ' ';
	}
	guard_store_select(sql, lengthof(types), types, values, nulls,
					   read_row, &reading);
	foreach(lc, reading.list)
		read_parts(lfirst(lc));
	return reading.list;
}

List *
guard_softdrop_list_open(void)
{
	return read_rows(SELECT_ROW " AND" OPEN " ORDER BY s.id", NULL, NULL, 0);
}

static void
read_id(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Reading    *reading = arg;
	int64	   *id = MemoryContextAlloc(reading->context, sizeof(int64));
	MemoryContext old = MemoryContextSwitchTo(reading->context);

	*id = int_field(tuple, desc, 1);
	reading->list = lappend(reading->list, id);
	MemoryContextSwitchTo(old);
}

static void
read_time(HeapTuple tuple, TupleDesc desc, void *arg)
{
	*(TimestampTz *) arg = time_field(tuple, desc, 1);
}

/*
 * Moments never lie far ahead: one that does is from before the clock went back.
 */
List *
guard_softdrop_list_due(TimestampTz now, int *hidden, TimestampTz *next)
{
	Reading		reading = {NIL, CurrentMemoryContext};
	Oid			types[] = {OIDOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId),
		Int64GetDatum((int64) GetSystemIdentifier()), TimestampTzGetDatum(now),
	TimestampTzGetDatum(now + 2 * USECS_PER_HOUR), BoolGetDatum(true)};

	for (int pass = 0; pass < 2; pass++)
	{
		values[4] = BoolGetDatum(pass == 0);
		guard_store_select("SELECT s.id FROM guard.soft_drop s WHERE" HERE
						   " AND (s.due_at <= $3 OR s.due_at > $4) AND (s.state = 'hidden') = $5"
						   " ORDER BY row_number() OVER (PARTITION BY s.login_role"
						   " ORDER BY s.restore_wanted DESC, s.due_at), s.id",
						   5, types, values, NULL, read_id, &reading);
		if (pass == 0)
			*hidden = list_length(reading.list);
	}
	*next = 0;
	guard_store_select("SELECT min(s.due_at) FROM guard.soft_drop s WHERE" HERE
					   " AND s.due_at > $3 AND s.due_at <= $4",
					   4, types, values, NULL, read_time, next);
	return reading.list;
}

List *
guard_softdrop_list_untold(void)
{
	Reading		reading = {NIL, CurrentMemoryContext};
	Oid			types[] = {OIDOID, INT8OID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId),
	Int64GetDatum((int64) GetSystemIdentifier())};

	guard_store_select("SELECT s.id FROM guard.soft_drop s WHERE" HERE
					   " AND s.untold IS NOT NULL ORDER BY s.id",
					   2, types, values, NULL, read_id, &reading);
	return reading.list;
}

bool
guard_softdrop_long_waits(void)
{
	Reading		reading = {NIL, CurrentMemoryContext};
	Oid			types[] = {OIDOID, INT8OID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId),
	Int64GetDatum((int64) GetSystemIdentifier())};

	guard_store_select("SELECT s.id FROM guard.soft_drop s WHERE" HERE " AND s.long_step IS NOT NULL LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
					   2, types, values, NULL, read_id, &reading);
	return reading.list != NIL;
}

/*
 * Nobody's many keep another's waiting: the owners of tables take turns,
 * and of one owner's what was tried less often comes first.
 */
int64
guard_softdrop_next_long(void)
{
	Reading		reading = {NIL, CurrentMemoryContext};
	Oid			types[] = {OIDOID, INT8OID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId),
	Int64GetDatum((int64) GetSystemIdentifier())};

	guard_store_select("SELECT s.id FROM guard.soft_drop s LEFT JOIN pg_class t ON t.oid = s.table_oid"
					   " LEFT JOIN (SELECT ot.relowner, max(o.last_attempt) AS served FROM guard.soft_drop o"
					   "  JOIN pg_class ot ON ot.oid = o.table_oid GROUP BY ot.relowner) w ON w.relowner = t.relowner"
					   " WHERE" HERE " AND s.long_step IS NOT NULL"
					   " ORDER BY w.served NULLS FIRST, s.attempts, s.long_step = 'drop', s.due_at, s.id LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED",
					   2, types, values, NULL, read_id, &reading);
	return reading.list != NIL ? *(int64 *) linitial(reading.list) : 0;
}

GuardSoftDrop *
guard_softdrop_take(int64 id, bool wait)
{
	List	   *rows = read_rows(wait ?
								 SELECT_ROW " AND s.id = $5 FOR NO KEY UPDATE" :
								 SELECT_ROW " AND s.id = $5 FOR NO KEY UPDATE SKIP LOCKED",
								 NULL, NULL, id);

	return rows != NIL ? linitial(rows) : NULL;
}

GuardSoftDrop *
guard_softdrop_find(const char *schema, const char *name)
{
	List	   *rows = read_rows(SELECT_ROW
								 " AND ($3 IS NULL OR s.index_schema = $3)"
								 " AND (s.index_name = $4 OR s.parts -> 0 ->> 'holding_name' = $4)"
								 " ORDER BY" OPEN " DESC, s.id DESC LIMIT 1",
								 schema, name, 0);

	return rows != NIL ? linitial(rows) : NULL;
}

void
guard_softdrop_describe(Oid index, char **name, char **definition)
{
	GuardSoftDrop *drop;
	ListCell   *lc;

	if (!guard_softdrop_is_open(index))
		return;
	drop = guard_softdrop_find(get_namespace_name(get_rel_namespace(index)),
							   get_rel_name(index));
	if (drop == NULL)
		return;
	foreach(lc, drop->parts)
	{
		GuardSoftDropPart *part = lfirst(lc);

		if (part->index != index)
			continue;
		*name = quote_qualified_identifier(drop->schema, part->old_name);
		*definition = part->definition;
	}
}

/* ---- writing ---- */

/* The parameters of a statement, in the making. */
typedef struct Parameters
{
	int			n;
	Oid			types[24];
	Datum		values[24];
	char		nulls[25];
} Parameters;

static void
add(Parameters *p, Oid type, Datum value, bool isnull)
{
	Assert(p->n < lengthof(p->types));
	p->types[p->n] = type;
	p->values[p->n] = value;
	p->nulls[p->n++] = isnull ? 'n' : ' ';
}

static void
add_text(Parameters *p, const char *value)
{
	add(p, TEXTOID, value != NULL ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

static void
add_time(Parameters *p, TimestampTz value)
{
	add(p, TIMESTAMPTZOID, TimestampTzGetDatum(value), value == 0);
}

void
guard_softdrop_save(const GuardSoftDrop *drop)
{
	Parameters	p = {0};

	add(&p, INT8OID, Int64GetDatum(drop->id), false);
	add_text(&p, state_names[drop->state]);
	add(&p, OIDOID, ObjectIdGetDatum(drop->index), false);
	add_time(&p, drop->state_since);
	add_text(&p, drop->state_reason);
	add_text(&p, drop->next_step);
	add_time(&p, drop->next_at);
	add_time(&p, drop->due_at);
	add_time(&p, drop->hidden_at);
	add(&p, INT8OID, Int64GetDatum(drop->watched), false);
	add(&p, INT8OID, Int64GetDatum(drop->trial), false);
	add_time(&p, drop->last_visit);
	add(&p, INT4OID, Int32GetDatum(drop->attempts), false);
	add_time(&p, drop->last_attempt);
	add_text(&p, drop->last_error);
	add_time(&p, drop->drop_started_at);
	add(&p, BOOLOID, BoolGetDatum(drop->restore_wanted), false);
	add(&p, BOOLOID, BoolGetDatum(drop->name_wanted), false);
	add_time(&p, drop->approved_at);
	add(&p, BOOLOID, BoolGetDatum(drop->compared), false);
	add_time(&p, drop->needed_since);
	add_text(&p, drop->untold);
	add_text(&p, step_names[drop->long_step]);
	guard_store_execute("UPDATE guard.soft_drop SET state = $2, index_oid = $3, state_since = $4,"
						" state_reason = $5, next_step = $6, next_at = $7, due_at = $8, hidden_at = $9,"
						" watched = $10, trial = $11, last_visit = $12, attempts = $13, last_attempt = $14,"
						" last_error = $15, drop_started_at = $16, restore_wanted = $17, name_wanted = $18,"
						" approved_at = $19, compared = $20, needed_since = $21, untold = $22, long_step = $23 WHERE id = $1",
						p.n, p.types, p.values, p.nulls);
}

void
guard_softdrop_enter(GuardSoftDrop *drop, GuardSoftDropState state,
					 const char *reason)
{
	TimestampTz now = GetCurrentTimestamp();

	drop->state = state;
	drop->state_since = now;
	drop->state_reason = pstrdup(reason);
	drop->next_step = NULL;
	drop->next_at = 0;
	drop->due_at = state == GUARD_SOFTDROP_HIDDEN ? now : 0;
	if (state == GUARD_SOFTDROP_HIDDEN)
		drop->hidden_at = now;
	drop->watched = 0;
	drop->last_visit = 0;
	drop->long_step = GUARD_STEP_STAY;
	drop->attempts = 0;
	drop->last_error = NULL;
	drop->restore_wanted = false;
	drop->needed_since = 0;
}

void
guard_softdrop_set_state(GuardSoftDrop *drop, GuardSoftDropState state,
						 const char *action, const char *reason)
{
	guard_softdrop_enter(drop, state, reason);
	guard_softdrop_save(drop);
	guard_softdrop_audit(drop, action, reason);
}

void
guard_softdrop_audit(const GuardSoftDrop *drop, const char *action,
					 const char *reason)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	StringInfoData facts;

	initStringInfo(&facts);
	appendStringInfoString(&facts, "{\"state\": ");
	escape_json(&facts, state_names[drop->state]);
	appendStringInfoString(&facts, ", \"definition\": ");
	escape_json(&facts, self->definition);
	appendStringInfoString(&facts, ", \"holding_name\": ");
	escape_json(&facts, self->holding_name);
	appendStringInfoChar(&facts, '}');
	guard_audit_change(action, guard_softdrop_name(drop), reason, facts.data);
}

/*
 * An index has gone.  If it was a soft drop, it is dropped now, whoever did
 * it; which of its names somebody used is in the audit row of the drop.
 */
void
guard_softdrop_gone(Oid index)
{
	ListCell   *lc;

	/* most dropped indexes are not */
	if (!guard_softdrop_is_open(index))
		return;
	foreach(lc, read_rows(SELECT_ROW " AND s.index_oid = $5::oid AND" OPEN " FOR NO KEY UPDATE",
						  NULL, NULL, index))
	{
		GuardSoftDrop *drop = lfirst(lc);

		guard_softdrop_enter(drop, GUARD_SOFTDROP_DROPPED, drop->drop_started_at != 0 ?
							 "nobody missed it" : "dropped by a statement before its time");
		guard_softdrop_save(drop);
		guard_watch_end(drop);
	}
}

void
guard_softdrop_rebuilt(Oid old, Oid successor)
{
	Oid			types[] = {OIDOID, OIDOID, OIDOID, INT8OID};
	Datum		values[] = {ObjectIdGetDatum(old), ObjectIdGetDatum(successor),
	ObjectIdGetDatum(MyDatabaseId), Int64GetDatum((int64) GetSystemIdentifier())};

	guard_store_execute("UPDATE guard.soft_drop SET index_oid = CASE WHEN index_oid = $1 THEN $2 ELSE index_oid END,"
						" parts = (SELECT jsonb_agg(CASE WHEN (p ->> 'oid')::oid = $1"
						" THEN p || jsonb_build_object('oid', $2::bigint) ELSE p END ORDER BY n)"
						" FROM jsonb_array_elements(parts) WITH ORDINALITY AS e (p, n))"
						" WHERE database_oid = $3 AND system_identifier = $4 AND state IN ('waiting', 'hidden')"
						" AND EXISTS (SELECT FROM jsonb_array_elements(parts) p WHERE (p ->> 'oid')::oid = $1)",
						4, types, values, NULL);
}
