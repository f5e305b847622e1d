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
			const char *state = guard_rows_text(rows, SOFTDROP_STATE);

			open |= strcmp(state, "waiting") == 0 || strcmp(state, "hidden") == 0;
		}
	}
	return open;
}

/* ---- one row ---- */

#define COLUMN(type, name, member) GUARD_COLUMN(GuardSoftDrop, type, name, member)
#define WORD(name, member, words) GUARD_COLUMN_OF_WORDS(GuardSoftDrop, name, member, words)

/* What is read of it; from WRITTEN on also what is written. */
static const GuardColumn columns[] = {
	COLUMN(INT8, "id", id),
	COLUMN(OID, "table_oid", table),
	COLUMN(TEXT, "index_schema", schema),
	COLUMN(TEXT, "index_name", name),
	COLUMN(BOOL, "partitioned", partitioned),
	COLUMN(TIME, "dropped_at", dropped_at),
	COLUMN(OID, "login_role", login_role),
	COLUMN(TEXT, "dropped_by", dropped_by),
#define WRITTEN 8
	WORD("state", state, state_names),
	COLUMN(OID, "index_oid", index),
	COLUMN(TIME, "state_since", state_since),
	COLUMN(TEXT, "state_reason", state_reason),
	COLUMN(TEXT, "next_step", next_step),
	COLUMN(TIME, "next_at", next_at),
	COLUMN(TIME, "due_at", due_at),
	COLUMN(TIME, "hidden_at", hidden_at),
	COLUMN(INT8, "watched", watched),
	COLUMN(INT8, "trial", trial),
	COLUMN(TIME, "last_visit", last_visit),
	WORD("long_step", long_step, step_names),
	COLUMN(INT4, "attempts", attempts),
	COLUMN(TIME, "last_attempt", last_attempt),
	COLUMN(TEXT, "last_error", last_error),
	COLUMN(TIME, "drop_started_at", drop_started_at),
	COLUMN(BOOL, "restore_wanted", restore_wanted),
	COLUMN(BOOL, "name_wanted", name_wanted),
	COLUMN(TIME, "approved_at", approved_at),
	COLUMN(BOOL, "compared", compared),
	COLUMN(TIME, "needed_since", needed_since),
	COLUMN(TEXT, "untold", untold),
};

#define PART(type, name, member) GUARD_COLUMN(GuardSoftDropPart, type, name, member)

/* What is read of each of its parts. */
static const GuardColumn part_columns[] = {
	PART(OID, "oid", index),
	PART(OID, "\"table\"", table),
	PART(OID, "parent", parent),
	PART(OID, "was", was),
	PART(BOOL, "partitioned", partitioned),
	PART(BOOL, "clustered", clustered),
	PART(TEXT, "old_name", old_name),
	PART(TEXT, "holding_name", holding_name),
	PART(TEXT, "comment", comment),
	PART(TEXT, "definition", definition),
	PART(TEXT, "tablespace", tablespace),
	PART(TEXT, "statistics", statistics)
};

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

		guard_record_read(part_columns, lengthof(part_columns), rows, part);
		part->defined_by = part->was;
		part->index = guard_identity_index(part->table, part->index, part->holding_name);
		parts = lappend(parts, part);
	}
	return parts;
}

/*
 * The soft drops for which "which" holds, parts included.
 */
static List *
load(const char *which, GuardParam param, GuardParam another)
{
	char	   *sql = psprintf("SELECT %s FROM guard.soft_drop s WHERE %s",
							   guard_record_names(columns, lengthof(columns), "s."), which);
	GuardRows  *rows = guard_query_rows(sql, param, another);
	List	   *list = NIL;

	while (guard_rows_next(rows))
	{
		GuardSoftDrop *drop = palloc0(sizeof(GuardSoftDrop));

		guard_record_read(columns, lengthof(columns), rows, drop);
		drop->parts = read_parts(drop->id);
		list = lappend(list, drop);
	}
	return list;
}

void
guard_softdrop_save(const GuardSoftDrop *drop)
{
	int			n = lengthof(columns);

	(void) guard_query_execute_params(psprintf("UPDATE guard.soft_drop SET (%s) = ROW(%s) WHERE id = $1",
											   guard_record_names(&columns[WRITTEN], n - WRITTEN, ""),
											   guard_record_numbers(WRITTEN + 1, n)),
									  guard_record_params(columns, n, drop), n);
}

/* ---- finding them ---- */

List *
guard_softdrop_list_open(void)
{
	return load(OPEN " ORDER BY s.id", P_NOTHING, P_NOTHING);
}

/*
 * The first column of these rows, as int64 *; of those whose second column is
 * true, how many there are.
 */
static List *
read_ids(GuardRows *rows, int *marked)
{
	List	   *ids = NIL;

	while (guard_rows_next(rows))
	{
		int64	   *id = palloc(sizeof(int64));

		*id = guard_rows_int(rows, 1);
		ids = lappend(ids, id);
		*marked += guard_rows_bool(rows, 2) ? 1 : 0;
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
	GuardRows  *rows = guard_query_rows("SELECT min(s.due_at) FROM guard.soft_drop s"
										" WHERE s.due_at > $1 AND s.due_at <= $2",
										P_TIME(now), P_TIME(far));

	*next = guard_rows_next(rows) ? guard_rows_time(rows, 1) : 0;
	*hidden = 0;
	return read_ids(guard_query_rows("SELECT s.id, s.state = 'hidden' FROM guard.soft_drop s WHERE s.due_at <= $1 OR s.due_at > $2"
									 " ORDER BY s.state = 'hidden' DESC, row_number() OVER (PARTITION BY s.state = 'hidden', s.login_role"
									 " ORDER BY s.restore_wanted DESC, s.name_wanted DESC, s.due_at), s.name_wanted DESC, s.id",
									 P_TIME(now), P_TIME(far)), hidden);
}

List *
guard_softdrop_list_untold(void)
{
	int			all = 0;

	return read_ids(guard_query_rows("SELECT s.id, true FROM guard.soft_drop s"
									 " WHERE s.untold IS NOT NULL ORDER BY s.id"), &all);
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
