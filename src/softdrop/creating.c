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

#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "nodes/makefuncs.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "utils/fmgrprotos.h"
#include "utils/timeout.h"

#include "softdrop/steps.h"
#include "store/store.h"

/*
 * What a table's owner wrote may take so long: then it is cancelled, and the
 * process ended where that was caught.  To build is another matter.
 */
#define OWNER_TIME_LIMIT	30000	/* milliseconds */
#define OWNER_TIME_END		(INT64CONST(35) * USECS_PER_SEC)

/* ---- as the owner of the table ---- */

/* Who this process was before it became the owner of a table. */
typedef struct Identity
{
	Oid			user;
	int			context;
	int			nestlevel;		/* of settings */
} Identity;

/*
 * What users wrote runs with the rights of the table's owner and can keep
 * nothing of this session: neither the identity, nor settings.  The settings of
 * that role are not applied.  An error leaves the identity to the transaction,
 * which gives it back when it is aborted.
 */
static void
become_owner(Oid table, Identity *before)
{
	Oid			owner = guard_catalog_owner(table);

	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table %u has been dropped", table)));
	GetUserIdAndSecContext(&before->user, &before->context);
	SetUserIdAndSecContext(owner, before->context | SECURITY_RESTRICTED_OPERATION);
	before->nestlevel = guard_softdrop_settle_texts();
	enable_timeout_after(STATEMENT_TIMEOUT, OWNER_TIME_LIMIT);
	guard_visits_limit_work(GetCurrentTimestamp() + OWNER_TIME_END);
}

static void
become_again(const Identity *before)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	guard_visits_limit_work(0);
	AtEOXact_GUC(false, before->nestlevel);
	SetUserIdAndSecContext(before->user, before->context);
}

/*
 * Run a statement about an index of that table, which may look into what the
 * index is made of.
 */
static void
run_as_owner(Oid table, const char *sql)
{
	Identity	before;

	become_owner(table, &before);
	SPI_connect();
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run: %s", sql);
	SPI_finish();
	become_again(&before);
	CommandCounterIncrement();
}

/* ---- definitions ---- */

/*
 * A definition as the grammar has it.  Nothing that it names has been looked up.
 */
static IndexStmt *
parse(const char *definition)
{
	List	   *statements = raw_parser(definition, RAW_PARSE_DEFAULT);
	Node	   *stmt = list_length(statements) == 1 ?
		linitial_node(RawStmt, statements)->stmt : NULL;

	if (stmt == NULL || !IsA(stmt, IndexStmt))
		elog(ERROR, "unexpected definition of an index: %s", definition);
	return (IndexStmt *) stmt;
}

/*
 * The index of that name, if it is one of the part's table, and has the part's
 * definition, whatever the two are called; otherwise InvalidOid.
 */
static Oid
find_alike(const GuardSoftDropPart *part, const char *name)
{
	Oid			index = get_relname_relid(name, get_rel_namespace(part->table));
	IndexStmt  *theirs;
	IndexStmt  *ours;
	int			nestlevel;

	if (!OidIsValid(index) || IndexGetRelation(index, true) != part->table)
		return InvalidOid;
	nestlevel = guard_softdrop_settle_texts();
	theirs = parse(TextDatumGetCString(DirectFunctionCall1(pg_get_indexdef,
														   ObjectIdGetDatum(index))));
	ours = parse(part->definition);
	AtEOXact_GUC(false, nestlevel);
	theirs->idxname = ours->idxname = NULL;
	theirs->relation = ours->relation = NULL;
	return equal(theirs, ours) ? index : InvalidOid;
}

/*
 * The name under which a part is created: its old one, or its holding name where
 * somebody else's index has the old one.  "found" is the index that an earlier
 * attempt left there, InvalidOid for none.
 */
static char *
name_to_create(const GuardSoftDropPart *part, Oid *found)
{
	*found = find_alike(part, part->old_name);
	if (OidIsValid(*found) ||
		!OidIsValid(get_relname_relid(part->old_name, get_rel_namespace(part->table))))
		return part->old_name;
	*found = find_alike(part, part->holding_name);
	return part->holding_name;
}

/* Something that a definition names. */
typedef struct Named
{
	ObjectAddress object;
	char	   *identity;
} Named;

/*
 * What the definition of a part names, in the current context.  Read before
 * anything of an owner's is waited for, and not while it is.
 */
static List *
read_names(const GuardSoftDrop *drop, const GuardSoftDropPart *part)
{
	List	   *names = NIL;
	GuardRows  *rows = guard_query_rows("SELECT (n ->> 'class')::oid, (n ->> 'oid')::oid, n ->> 'identity'"
										" FROM guard.soft_drop s, jsonb_array_elements(s.parts) p,"
										" jsonb_array_elements(p -> 'needs') n"
										" WHERE s.id = $1 AND (p ->> 'was')::oid = $2",
										P_INT8(drop->id), P_OID(part->defined_by));

	while (guard_rows_next(rows))
	{
		Named	   *named = palloc(sizeof(Named));

		ObjectAddressSet(named->object, guard_rows_oid(rows, 1), guard_rows_oid(rows, 2));
		named->identity = guard_rows_text(rows, 3);
		names = lappend(names, named);
	}
	return names;
}

/*
 * Nothing may have taken the place of what the definition names: it would run
 * with the rights of the table's owner.
 */
static void
expect_same(const GuardSoftDropPart *part, const Named *named)
{
	char	   *now;

	LockDatabaseObject(named->object.classId, named->object.objectId, 0,
					   AccessShareLock);
	now = getObjectIdentity(&named->object, true);
	if (now == NULL || strcmp(now, named->identity) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("cannot create index %s again: it was made with %s, which has been dropped or renamed",
						quote_identifier(part->old_name), named->identity)));
}

/*
 * The definition with everything that it names looked up, by the owner.  The
 * table is locked.
 */
static IndexStmt *
analyse(GuardSoftDropPart *part, List *names)
{
	int			nestlevel = guard_softdrop_settle_texts();
	Identity	before;
	IndexStmt  *stmt;

	foreach_ptr(Named, named, names)
		expect_same(part, named);
	AtEOXact_GUC(false, nestlevel);
	become_owner(part->table, &before);
	stmt = transformIndexStmt(part->table, parse(part->definition), part->definition);
	become_again(&before);
	return stmt;
}

/*
 * Create a part: CONCURRENTLY, which ends the transaction and begins others; of a
 * partitioned one what has no storage.  The table is locked from before anything
 * is looked up until the index is there, and PostgreSQL itself becomes the owner
 * for what is left to run.
 */
static void
build(GuardSoftDropPart *part, List *names, const char *name,
	  MemoryContext context)
{
	IndexStmt  *stmt;
	Oid			tablespace;
	Oid			index;
	MemoryContext old;

	StartTransactionCommand();
	LockRelationOid(part->table,
					part->partitioned ? ShareLock : ShareUpdateExclusiveLock);
	PushActiveSnapshot(GetTransactionSnapshot());
	old = MemoryContextSwitchTo(context);
	stmt = analyse(part, names);
	stmt->idxname = pstrdup(name);
	stmt->concurrent = !part->partitioned;
	stmt->relation = makeRangeVar(get_namespace_name(get_rel_namespace(part->table)),
								  get_rel_name(part->table), -1);
	stmt->relation->inh = !part->partitioned;
	tablespace = part->tablespace != NULL ?
		get_tablespace_oid(part->tablespace, true) : InvalidOid;
	if (OidIsValid(tablespace) && tablespace != MyDatabaseTableSpace)
		stmt->tableSpace = part->tablespace;
	MemoryContextSwitchTo(old);
	index = guard_compat_define_index(part->table, stmt).objectId;
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();

	guard_visit_begin();
	guard_identity_created(list_make1_oid(index));
	guard_visit_end();
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
	foreach_ptr(GuardSoftDropPart, part, drop->parts)
	{
		if (part->table == table)
			return part;
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

	if (!self->partitioned || get_rel_relkind(self->table) == '\0')
		return;
	foreach_oid(table, find_all_inheritors(self->table, NoLock, NULL))
	{
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
		part->defined_by = self->was;
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
create_part(const GuardSoftDrop *drop, GuardSoftDropPart *part, MemoryContext context)
{
	char	   *clear = NULL;
	char	   *name;
	List	   *names;
	Oid			found;
	MemoryContext old;

	guard_visit_begin();
	name = name_to_create(part, &found);
	old = MemoryContextSwitchTo(context);
	names = read_names(drop, part);
	if (OidIsValid(found) && !part->partitioned && !guard_catalog_is_valid(found))
	{
		clear = psprintf("DROP INDEX CONCURRENTLY %s", guard_catalog_name(found));
		guard_dropping_note(found);
		found = InvalidOid;
	}
	MemoryContextSwitchTo(old);
	guard_visit_end();

	if (clear != NULL)
		guard_softdrop_run(clear, 0);
	if (!OidIsValid(found))
		build(part, names, name, context);
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

	if (!OidIsValid(part->parent) || get_rel_relispartition(index))
		return;
	foreach_ptr(GuardSoftDropPart, above, drop->parts)
	{
		Oid			parent = above->was == part->parent ? created(above) : InvalidOid;

		if (OidIsValid(parent))
			run_as_owner(above->table,
						 psprintf("ALTER INDEX %s ATTACH PARTITION %s",
								  guard_catalog_name(parent), guard_catalog_name(index)));
	}
}

/*
 * Registrations went with the index; under its old name they come back.
 */
static void
register_again(const GuardSoftDrop *drop, Oid index)
{
	guard_query_execute("INSERT INTO guard.dependency SELECT (jsonb_populate_record(NULL::guard.dependency, e.d ||"
						" jsonb_build_object('object', o.id, 'table_schema', o.table_schema, 'table_name', o.table_name, 'index_name', o.index_name))).*"
						" FROM guard.soft_drop s, jsonb_array_elements(s.dependencies) AS e (d), guard.object o WHERE s.id = $1 AND o.id = $2",
						P_INT8(drop->id), P_UUID(guard_identity_ensure(index)));
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
			run_as_owner(part->table,
						 psprintf("ALTER INDEX %s ALTER COLUMN %d SET STATISTICS %d",
								  guard_catalog_name(index), column, target));
	}
	if (part->clustered)
		run_as_owner(part->table,
					 psprintf("ALTER TABLE %s CLUSTER ON %s", guard_catalog_name(part->table),
							  quote_identifier(get_rel_name(index))));
}

static void
finish_create(GuardSoftDrop *drop)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	Oid			index = InvalidOid;
	char	   *name = NULL;

	foreach_ptr(GuardSoftDropPart, part, drop->parts)
	{
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
	guard_softdrop_await_name(drop, strcmp(name, self->old_name) == 0 ? NULL : name);
	guard_softdrop_save(drop);
}

/*
 * Each part in transactions of its own; then they are put together.
 */
void
guard_creating_run(int64 id, MemoryContext context)
{
	GuardSoftDrop *drop;

	guard_visit_begin();
	drop = guard_dropping_read(id, context);
	if (drop != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		add_new_partitions(drop);
		MemoryContextSwitchTo(old);
	}
	guard_visit_end();
	if (drop == NULL)
		return;
	foreach_ptr(GuardSoftDropPart, part, drop->parts)
	{
		bool		wanted;

		guard_visit_begin();
		wanted = is_wanted(drop, part);
		guard_visit_end();
		if (wanted)
			create_part(drop, part, context);
	}
	guard_visit_begin();
	finish_create(drop);
	guard_visit_end();
}
