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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/audit.h"
#include "softdrop/steps.h"
#include "store/store.h"

/* guard.soft_drop, as read beside judging */
#define SOFTDROP_INDEX		1
#define SOFTDROP_STATE		2

#define OPEN " s.state IN ('waiting', 'hidden')"

/* a parameter that is not used */
#define P_NOTHING P_TEXT(NULL)

/* ---- names for what is kept as text ---- */

static const char *const state_names[] = {
	[GUARD_SOFTDROP_WAITING] = "waiting",
	[GUARD_SOFTDROP_HIDDEN] = "hidden",
	[GUARD_SOFTDROP_DROPPED] = "dropped",
	[GUARD_SOFTDROP_RESTORED] = "restored"
};

/* Those that wait to be done. */
static const char *const step_names[] = {
	[GUARD_STEP_STAY] = NULL,
	[GUARD_STEP_DROP] = "drop",
	[GUARD_STEP_CREATE] = "create"
};

const char *
guard_softdrop_state_name(GuardSoftDropState state)
{
	return state_names[state];
}

/*
 * Which of "n" names is it?  None has no name.
 */
static int
number_of(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (name == names[i] ||
			(name != NULL && names[i] != NULL && strcmp(names[i], name) == 0))
			return i;
	}
	elog(ERROR, "\"%s\" is neither a state nor a step of a soft drop", name);
	return 0;
}

List *
guard_softdrop_indexes(const GuardSoftDrop *drop)
{
	List	   *indexes = NIL;

	foreach_ptr(GuardSoftDropPart, part, drop->parts)
		indexes = lappend_oid(indexes, part->index);
	return indexes;
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

bool
guard_softdrop_is_open(Oid index)
{
	bool		open = false;

	foreach_oid(candidate, guard_catalog_lineage(index))
	{
		GuardRows  *rows;

		if (open)
			break;
		rows = guard_rows_by_key("soft_drop", "soft_drop_index_oid_idx",
								 SOFTDROP_INDEX, P_OID(candidate));
		while (rows != NULL && guard_rows_next(rows))
		{
			if (number_of(guard_rows_text(rows, SOFTDROP_STATE), state_names,
						  lengthof(state_names)) <= GUARD_SOFTDROP_HIDDEN)
				open = true;
		}
	}
	return open;
}

/* ---- one row ---- */

typedef enum ColumnType
{
	COLUMN_OID,
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_BOOL,
	COLUMN_TIME,
	COLUMN_TEXT,
	COLUMN_STATE,
	COLUMN_STEP
} ColumnType;

#define COLUMN(name, type, member) {name, type, offsetof(GuardSoftDrop, member)}

/* What is read of it; from WRITTEN on also what is written. */
static const struct
{
	const char *name;
	ColumnType	type;
	size_t		offset;
}			columns[] = {

	COLUMN("id", COLUMN_INT8, id),
	COLUMN("table_oid", COLUMN_OID, table),
	COLUMN("index_schema", COLUMN_TEXT, schema),
	COLUMN("index_name", COLUMN_TEXT, name),
	COLUMN("partitioned", COLUMN_BOOL, partitioned),
	COLUMN("dropped_at", COLUMN_TIME, dropped_at),
	COLUMN("login_role", COLUMN_OID, login_role),
	COLUMN("dropped_by", COLUMN_TEXT, dropped_by),
#define WRITTEN 8
	COLUMN("state", COLUMN_STATE, state),
	COLUMN("index_oid", COLUMN_OID, index),
	COLUMN("state_since", COLUMN_TIME, state_since),
	COLUMN("state_reason", COLUMN_TEXT, state_reason),
	COLUMN("next_step", COLUMN_TEXT, next_step),
	COLUMN("next_at", COLUMN_TIME, next_at),
	COLUMN("due_at", COLUMN_TIME, due_at),
	COLUMN("hidden_at", COLUMN_TIME, hidden_at),
	COLUMN("watched", COLUMN_INT8, watched),
	COLUMN("trial", COLUMN_INT8, trial),
	COLUMN("last_visit", COLUMN_TIME, last_visit),
	COLUMN("long_step", COLUMN_STEP, long_step),
	COLUMN("attempts", COLUMN_INT4, attempts),
	COLUMN("last_attempt", COLUMN_TIME, last_attempt),
	COLUMN("last_error", COLUMN_TEXT, last_error),
	COLUMN("drop_started_at", COLUMN_TIME, drop_started_at),
	COLUMN("restore_wanted", COLUMN_BOOL, restore_wanted),
	COLUMN("name_wanted", COLUMN_BOOL, name_wanted),
	COLUMN("approved_at", COLUMN_TIME, approved_at),
	COLUMN("compared", COLUMN_BOOL, compared),
	COLUMN("needed_since", COLUMN_TIME, needed_since),
	COLUMN("untold", COLUMN_TEXT, untold),
};

/*
 * Their names, from "first" on, each behind a prefix.
 */
static char *
column_list(int first, const char *prefix)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = first; i < lengthof(columns); i++)
		appendStringInfo(&buf, "%s%s%s", i > first ? ", " : "", prefix,
						 columns[i].name);
	return buf.data;
}

static List *
read_parts(int64 id)
{
	List	   *parts = NIL;
	GuardRows  *rows = guard_query_rows("SELECT p.* FROM guard.soft_drop s, ROWS FROM (jsonb_to_recordset(s.parts)"
										" AS (oid oid, \"table\" oid, parent oid, was oid, partitioned boolean, clustered boolean,"
										" old_name text, holding_name text, comment text, definition text, tablespace text, statistics text))"
										" WITH ORDINALITY AS p WHERE s.id = $1 ORDER BY p.ordinality",
										P_INT8(id));

	while (guard_rows_next(rows))
	{
		GuardSoftDropPart *part = palloc0(sizeof(GuardSoftDropPart));

		part->table = guard_rows_oid(rows, 2);
		part->parent = guard_rows_oid(rows, 3);
		part->was = part->defined_by = guard_rows_oid(rows, 4);
		part->partitioned = guard_rows_bool(rows, 5);
		part->clustered = guard_rows_bool(rows, 6);
		part->old_name = guard_rows_text(rows, 7);
		part->holding_name = guard_rows_text(rows, 8);
		part->comment = guard_rows_text(rows, 9);
		part->definition = guard_rows_text(rows, 10);
		part->tablespace = guard_rows_text(rows, 11);
		part->statistics = guard_rows_text(rows, 12);
		part->index = guard_identity_index(part->table, guard_rows_oid(rows, 1),
										   part->holding_name);
		parts = lappend(parts, part);
	}
	return parts;
}

static void
read_column(GuardSoftDrop *drop, int i, const GuardRows *rows)
{
	void	   *member = (char *) drop + columns[i].offset;

	switch (columns[i].type)
	{
		case COLUMN_OID:
			*(Oid *) member = guard_rows_oid(rows, i + 1);
			break;
		case COLUMN_INT4:
			*(int *) member = (int) guard_rows_int(rows, i + 1);
			break;
		case COLUMN_INT8:
			*(int64 *) member = guard_rows_int(rows, i + 1);
			break;
		case COLUMN_BOOL:
			*(bool *) member = guard_rows_bool(rows, i + 1);
			break;
		case COLUMN_TIME:
			*(TimestampTz *) member = guard_rows_time(rows, i + 1);
			break;
		case COLUMN_TEXT:
			*(char **) member = guard_rows_text(rows, i + 1);
			break;
		case COLUMN_STATE:
			*(GuardSoftDropState *) member = (GuardSoftDropState)
				number_of(guard_rows_text(rows, i + 1), state_names, lengthof(state_names));
			break;
		case COLUMN_STEP:
			*(GuardSoftDropStep *) member = (GuardSoftDropStep)
				number_of(guard_rows_text(rows, i + 1), step_names, lengthof(step_names));
			break;
	}
}

/*
 * The soft drops for which "which" holds, parts included.
 */
static List *
load(const char *which, GuardParam param, GuardParam another)
{
	char	   *sql = psprintf("SELECT %s FROM guard.soft_drop s WHERE %s",
							   column_list(0, "s."), which);
	GuardRows  *rows = guard_query_rows(sql, param, another);
	List	   *list = NIL;

	while (guard_rows_next(rows))
	{
		GuardSoftDrop *drop = palloc0(sizeof(GuardSoftDrop));

		for (int i = 0; i < lengthof(columns); i++)
			read_column(drop, i, rows);
		drop->parts = read_parts(drop->id);
		list = lappend(list, drop);
	}
	return list;
}

static GuardParam
column_param(const GuardSoftDrop *drop, int i)
{
	const void *member = (const char *) drop + columns[i].offset;

	switch (columns[i].type)
	{
		case COLUMN_OID:
			return P_OID(*(const Oid *) member);
		case COLUMN_INT4:
			return P_INT4(*(const int *) member);
		case COLUMN_INT8:
			return P_INT8(*(const int64 *) member);
		case COLUMN_BOOL:
			return P_BOOL(*(const bool *) member);
		case COLUMN_TIME:
			return P_TIME(*(const TimestampTz *) member);
		case COLUMN_TEXT:
			return P_TEXT(*(char *const *) member);
		case COLUMN_STATE:
			return P_TEXT(state_names[*(const GuardSoftDropState *) member]);
		case COLUMN_STEP:
			return P_TEXT(step_names[*(const GuardSoftDropStep *) member]);
	}
	pg_unreachable();
}

void
guard_softdrop_save(const GuardSoftDrop *drop)
{
	GuardParam	params[lengthof(columns) - WRITTEN + 1];
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE guard.soft_drop SET (%s) = ROW(",
					 column_list(WRITTEN, ""));
	params[0] = P_INT8(drop->id);
	for (int i = WRITTEN; i < lengthof(columns); i++)
	{
		params[i - WRITTEN + 1] = column_param(drop, i);
		appendStringInfo(&sql, "%s$%d", i > WRITTEN ? ", " : "", i - WRITTEN + 2);
	}
	appendStringInfoString(&sql, ") WHERE id = $1");
	(void) guard_query_execute_params(sql.data, params, lengthof(params));
}

/* ---- finding them ---- */

List *
guard_softdrop_list_open(void)
{
	return load(OPEN " ORDER BY s.id", P_NOTHING, P_NOTHING);
}

static List *
add_ids(List *ids, GuardRows *rows)
{
	while (guard_rows_next(rows))
	{
		int64	   *id = palloc(sizeof(int64));

		*id = guard_rows_int(rows, 1);
		ids = lappend(ids, id);
	}
	return ids;
}

/*
 * Moments never lie far ahead: one that does is from before the clock went back.
 */
List *
guard_softdrop_list_due(TimestampTz now, int *hidden, TimestampTz *next)
{
	TimestampTz far = now + 2 * USECS_PER_HOUR;
	List	   *ids = NIL;
	GuardRows  *rows;

	for (int pass = 0; pass < 2; pass++)
	{
		ids = add_ids(ids, guard_query_rows("SELECT s.id FROM guard.soft_drop s"
											" WHERE (s.due_at <= $1 OR s.due_at > $2) AND (s.state = 'hidden') = $3"
											" ORDER BY row_number() OVER (PARTITION BY s.login_role"
											" ORDER BY s.restore_wanted DESC, s.name_wanted DESC, s.due_at), s.name_wanted DESC, s.id",
											P_TIME(now), P_TIME(far), P_BOOL(pass == 0)));
		if (pass == 0)
			*hidden = list_length(ids);
	}
	rows = guard_query_rows("SELECT min(s.due_at) FROM guard.soft_drop s"
							" WHERE s.due_at > $1 AND s.due_at <= $2",
							P_TIME(now), P_TIME(far));
	*next = guard_rows_next(rows) ? guard_rows_time(rows, 1) : 0;
	return ids;
}

List *
guard_softdrop_list_untold(void)
{
	return add_ids(NIL, guard_query_rows("SELECT s.id FROM guard.soft_drop s"
										 " WHERE s.untold IS NOT NULL ORDER BY s.id"));
}

bool
guard_softdrop_long_waits(void)
{
	return guard_query_int("SELECT s.id FROM guard.soft_drop s"
						   " WHERE s.long_step IS NOT NULL LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED") != 0;
}

/*
 * Nobody's many keep another's waiting: the owners of tables take turns, and of
 * one owner's what was tried less often comes first.
 */
int64
guard_softdrop_next_long(void)
{
	return guard_query_int("SELECT s.id FROM guard.soft_drop s LEFT JOIN pg_class t ON t.oid = s.table_oid"
						   " LEFT JOIN (SELECT ot.relowner, max(o.last_attempt) AS served FROM guard.soft_drop o"
						   "  JOIN pg_class ot ON ot.oid = o.table_oid GROUP BY ot.relowner) w ON w.relowner = t.relowner"
						   " WHERE s.long_step IS NOT NULL"
						   " ORDER BY w.served NULLS FIRST, s.attempts, s.long_step = 'drop', s.due_at, s.id"
						   " LIMIT 1 FOR NO KEY UPDATE OF s SKIP LOCKED");
}

GuardSoftDrop *
guard_softdrop_take(int64 id, bool wait)
{
	List	   *found = load(wait ? " s.id = $1 FOR NO KEY UPDATE" :
							 " s.id = $1 FOR NO KEY UPDATE SKIP LOCKED", P_INT8(id), P_NOTHING);

	return found != NIL ? linitial(found) : NULL;
}

GuardSoftDrop *
guard_softdrop_find(const char *schema, const char *name)
{
	List	   *found = load(" ($1 IS NULL OR s.index_schema = $1 OR $1 ="
							 "  (SELECT n.nspname FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace WHERE t.oid = s.table_oid))"
							 " AND (s.index_name = $2 OR s.parts -> 0 ->> 'holding_name' = $2)"
							 " ORDER BY" OPEN " DESC, s.id DESC LIMIT 1", P_TEXT(schema), P_TEXT(name));

	return found != NIL ? linitial(found) : NULL;
}

void
guard_softdrop_describe(Oid index, char **name, char **definition)
{
	GuardSoftDrop *drop;

	if (!guard_softdrop_is_open(index))
		return;
	drop = guard_softdrop_find(get_namespace_name(get_rel_namespace(index)),
							   get_rel_name(index));
	if (drop == NULL)
		return;
	foreach_ptr(GuardSoftDropPart, part, drop->parts)
	{
		if (part->index != index)
			continue;
		*name = part->old_name;
		*definition = part->definition;
	}
}

/* ---- what becomes of them ---- */

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
	guard_json_object(&facts, NULL);
	guard_json_text(&facts, "state", state_names[drop->state]);
	guard_json_text(&facts, "definition", self->definition);
	guard_json_text(&facts, "holding_name", self->holding_name);
	guard_json_end_object(&facts);
	guard_audit_step(action, guard_softdrop_name(drop), reason, facts.data);
}

/*
 * An index has gone.  If it was a soft drop, it is dropped now, whoever did
 * it; which of its names somebody used is in the audit row of the drop.
 */
void
guard_softdrop_gone(Oid index)
{

	/* most dropped indexes are not */
	if (!guard_softdrop_is_open(index))
		return;
	foreach_ptr(GuardSoftDrop, drop, load(" s.index_oid = $1 AND" OPEN " FOR NO KEY UPDATE", P_OID(index), P_NOTHING))
	{
		bool		wanted = drop->restore_wanted;

		guard_softdrop_enter(drop, GUARD_SOFTDROP_DROPPED,
							 wanted ? "its drop had begun when a person asked for it" :
							 drop->drop_started_at != 0 ? "nobody missed it" :
							 "dropped by a statement before its time");
		if (wanted)
		{
			drop->restore_wanted = true;
			drop->due_at = drop->state_since;
		}
		guard_softdrop_save(drop);
		guard_watch_end(drop);
	}
}

void
guard_softdrop_rebuilt(Oid old, Oid successor)
{
	(void) guard_query_execute("UPDATE guard.soft_drop s SET index_oid = CASE WHEN index_oid = $1 THEN $2 ELSE index_oid END,"
							   " parts = (SELECT jsonb_agg(CASE WHEN (p ->> 'oid')::oid = $1"
							   " THEN p || jsonb_build_object('oid', $2::bigint) ELSE p END ORDER BY n)"
							   " FROM jsonb_array_elements(parts) WITH ORDINALITY AS e (p, n))"
							   " WHERE" OPEN
							   " AND EXISTS (SELECT FROM jsonb_array_elements(parts) p WHERE (p ->> 'oid')::oid = $1)",
							   P_OID(old), P_OID(successor));
}
