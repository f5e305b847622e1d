/*-------------------------------------------------------------------------
 *
 * creating.c
 *	  An index that was dropped in stages is created again.
 *
 * CONCURRENTLY, and a partitioned one from the top down: what has no storage at
 * once, then every partition's index, each of which is attached to the one above
 * it.  All of it can be interrupted anywhere and begun anew: what is there
 * already is found by its definition.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "softdrop/statement.h"
#include "store/store.h"

/*
 * What a definition says behind the name of the table, which may be called
 * otherwise by now.
 */
static const char *
behind_table(const char *definition)
{
	const char *found = strstr(definition, " USING ");

	if (found == NULL)
		elog(ERROR, "unexpected definition of an index: %s", definition);
	return found;
}

/*
 * The name under which a part is created: its old one, or its holding name where
 * somebody else's index has the old one.  "found" is the index that an earlier
 * attempt left there, InvalidOid for none.
 */
static char *
name_to_create(const GuardSoftDropPart *part, Oid *found)
{
	Oid			schema = get_rel_namespace(part->table);
	Oid			there = get_relname_relid(part->old_name, schema);

	*found = InvalidOid;
	if (!OidIsValid(there))
		return part->old_name;
	if (IndexGetRelation(there, true) == part->table &&
		strcmp(behind_table(TextDatumGetCString(DirectFunctionCall1(pg_get_indexdef,
																	ObjectIdGetDatum(there)))),
			   behind_table(part->definition)) == 0)
	{
		*found = there;
		return part->old_name;
	}
	there = get_relname_relid(part->holding_name, schema);
	if (OidIsValid(there) && IndexGetRelation(there, true) == part->table)
		*found = there;
	return part->holding_name;
}

/*
 * The statement that creates a part under that name.
 */
static char *
creating_statement(const GuardSoftDropPart *part, const char *name)
{
	return psprintf("CREATE INDEX %s%s ON %s%s%s",
					part->partitioned ? "" : "CONCURRENTLY ",
					quote_identifier(name), part->partitioned ? "ONLY " : "",
					guard_dropping_name_now(part->table),
					behind_table(part->definition));
}

/*
 * Run a statement that creates an index, in the tablespace where it was.
 */
static void
run_in_tablespace(const char *sql, const char *tablespace, MemoryContext context)
{
	char	   *before = MemoryContextStrdup(context,
											 GetConfigOption("default_tablespace", false, false));

	SetConfigOption("default_tablespace", tablespace ? tablespace : "",
					PGC_SUSET, PGC_S_OVERRIDE);
	PG_TRY();
	{
		guard_softdrop_run(sql, 0);
	}
	PG_FINALLY();
	{
		SetConfigOption("default_tablespace", before, PGC_SUSET, PGC_S_OVERRIDE);
	}
	PG_END_TRY();
}

/* ---- partitions that came and went ---- */

/*
 * A table that has gone, or is no partition any more, needs no index.
 */
static bool
is_wanted(const GuardSoftDrop *drop, const GuardSoftDropPart *part)
{
	const GuardSoftDropPart *self = linitial(drop->parts);

	if (get_rel_relkind(part->table) == '\0')
		return false;
	return part == self || (get_rel_relispartition(part->table) &&
							list_member_oid(get_partition_ancestors(part->table), self->table));
}

static const GuardSoftDropPart *
part_of_table(const GuardSoftDrop *drop, Oid table)
{
	ListCell   *lc;

	foreach(lc, drop->parts)
	{
		if (((GuardSoftDropPart *) lfirst(lc))->table == table)
			return lfirst(lc);
	}
	return NULL;
}

/*
 * Partitions that were added meanwhile get an index as well: without it that of
 * the partitioned table would stay invalid.  Its name is the same in every
 * attempt; its own number stands for that of an index that never was.
 */
static void
add_new_partitions(GuardSoftDrop *drop)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	ListCell   *lc;

	if (!self->partitioned || get_rel_relkind(self->table) == '\0')
		return;
	foreach(lc, find_all_inheritors(self->table, NoLock, NULL))
	{
		Oid			table = lfirst_oid(lc);
		char		kind = get_rel_relkind(table);
		const GuardSoftDropPart *above;
		GuardSoftDropPart *part;

		if (part_of_table(drop, table) != NULL ||
			(kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE))
			continue;
		above = part_of_table(drop, get_partition_parent(table, true));
		if (above == NULL)
			continue;
		part = palloc0(sizeof(GuardSoftDropPart));
		part->table = table;
		part->parent = above->was;
		part->was = table;
		part->partitioned = kind == RELKIND_PARTITIONED_TABLE;
		part->old_name = makeObjectName(get_rel_name(table), self->old_name, NULL);
		part->holding_name = psprintf("guard_drop_%u", table);
		part->definition = self->definition;
		part->tablespace = self->tablespace;
		drop->parts = lappend(drop->parts, part);
	}
}

/* ---- one after the other ---- */

/*
 * Create one part, unless an earlier attempt has done so; one that failed left
 * an invalid index, which is in the way.  Begins and ends transactions.
 */
static void
create_part(GuardSoftDropPart *part, MemoryContext context)
{
	char	   *clear = NULL;
	char	   *create = NULL;
	char	   *name;
	Oid			found;
	MemoryContext old;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	name = name_to_create(part, &found);
	old = MemoryContextSwitchTo(context);
	if (OidIsValid(found) && !part->partitioned && !guard_dropping_is_valid(found))
	{
		clear = psprintf("DROP INDEX CONCURRENTLY %s", guard_dropping_name_now(found));
		guard_dropping_note(found);
		found = InvalidOid;
	}
	if (!OidIsValid(found))
		create = creating_statement(part, name);
	MemoryContextSwitchTo(old);
	PopActiveSnapshot();
	CommitTransactionCommand();

	if (clear != NULL)
		guard_softdrop_run(clear, 0);
	if (create != NULL)
		run_in_tablespace(create, part->tablespace, context);
}

/*
 * What was created for a part.
 */
static Oid
created(const GuardSoftDropPart *part)
{
	Oid			found;

	(void) name_to_create(part, &found);
	return found;
}

/*
 * A partition's index becomes part of the one above it, which is valid when it
 * has them all.
 */
static void
attach(const GuardSoftDrop *drop, const GuardSoftDropPart *part, Oid index)
{
	ListCell   *lc;

	if (!OidIsValid(part->parent) || get_rel_relispartition(index))
		return;
	foreach(lc, drop->parts)
	{
		const GuardSoftDropPart *above = lfirst(lc);
		Oid			parent = above->was == part->parent ? created(above) : InvalidOid;

		if (OidIsValid(parent))
			guard_store_execute(psprintf("ALTER INDEX %s ATTACH PARTITION %s",
										 guard_dropping_name_now(parent), guard_dropping_name_now(index)),
								0, NULL, NULL, NULL);
	}
}

/*
 * Registrations went with the index; under its old name they come back.
 */
static void
register_again(const GuardSoftDrop *drop, Oid index)
{
	Oid			types[] = {INT8OID, OIDOID};
	Datum		values[] = {Int64GetDatum(drop->id), ObjectIdGetDatum(index)};

	guard_store_execute("INSERT INTO guard.dependency SELECT (jsonb_populate_record(NULL::guard.dependency,"
						" e.d || jsonb_build_object('index_oid', $2::bigint, 'index_name', s.index_name))).*"
						" FROM guard.soft_drop s, jsonb_array_elements(s.dependencies) AS e (d) WHERE s.id = $1"
						" ON CONFLICT DO NOTHING",
						2, types, values, NULL);
}

/*
 * What the definition does not say.
 */
static void
dress(const GuardSoftDropPart *part, Oid index)
{
	char	   *rest;
	char	   *entry;

	CreateComments(index, RelationRelationId, 0, part->comment);
	rest = part->statistics != NULL ? pstrdup(part->statistics) : NULL;
	while (rest != NULL && (entry = strsep(&rest, ",")) != NULL)
	{
		int			column;
		int			target;

		if (sscanf(entry, "%d=%d", &column, &target) == 2)
			guard_store_execute(psprintf("ALTER INDEX %s ALTER COLUMN %d SET STATISTICS %d",
										 guard_dropping_name_now(index), column, target),
								0, NULL, NULL, NULL);
	}
	if (part->clustered)
		guard_store_execute(psprintf("ALTER TABLE %s CLUSTER ON %s", guard_dropping_name_now(part->table),
									 quote_identifier(get_rel_name(index))),
							0, NULL, NULL, NULL);
}

static void
finish_create(GuardSoftDrop *drop)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	Oid			index = InvalidOid;
	char	   *name = NULL;
	ListCell   *lc;

	foreach(lc, drop->parts)
	{
		GuardSoftDropPart *part = lfirst(lc);

		if (!is_wanted(drop, part))
			continue;
		index = created(part);
		if (!OidIsValid(index))
			elog(ERROR, "index %s was not created", part->old_name);
		attach(drop, part, index);
		dress(part, index);
		CommandCounterIncrement();
	}
	index = created(self);
	register_again(drop, index);
	name = get_rel_name(index);
	guard_softdrop_set_state(drop, GUARD_SOFTDROP_RESTORED, "restore",
							 strcmp(name, self->old_name) == 0 ?
							 "a person asked for it; it was created again" :
							 psprintf("a person asked for it; it was created again as %s, for its old name has been taken",
									  quote_identifier(name)));
}

/*
 * Each part in transactions of its own; then they are put together.
 */
void
guard_creating_run(int64 id, MemoryContext context)
{
	GuardSoftDrop *drop;
	ListCell   *lc;

	StartTransactionCommand();
	drop = guard_dropping_read(id, context);
	if (drop != NULL && drop->parts != NIL)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		add_new_partitions(drop);
		MemoryContextSwitchTo(old);
	}
	CommitTransactionCommand();
	if (drop == NULL || drop->parts == NIL)
		return;
	foreach(lc, drop->parts)
	{
		GuardSoftDropPart *part = lfirst(lc);
		bool		wanted;

		StartTransactionCommand();
		wanted = is_wanted(drop, part);
		CommitTransactionCommand();
		if (wanted)
			create_part(part, context);
	}
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	finish_create(drop);
	PopActiveSnapshot();
	CommitTransactionCommand();
}
