/*-------------------------------------------------------------------------
 *
 * registration.c
 *	  What people registered for an index or a table, and how it stays there.
 *
 * A registration hangs on an object, and goes where that goes.  What pg_dump
 * carries to another database finds no such object there: its names lead to
 * the index then, until it is bound to the object that bears them.  So names
 * are kept up to date as well (doc/internals/postgresql.md 3.9, 9.1).
 *
 * Nothing is unique in these tables, since a restore may add what is there.
 *
 * A registration for a partitioned index or table covers the partitions,
 * present and future.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/evidence.h"
#include "evidence/registrations/registration.h"

/* The registries, and which of their rows are not over. */
static const struct
{
	const char *table;
	const char *open;
}			registries[] = {
	{"protection", ""},
	{"dependency", ""},
	{"approval", " AND r.used_at IS NULL"},
	{"profile_protection", ""},
	{"profile_dependency", ""}
};

/* The index judged, its table, or a parent of either. */
typedef struct Kin
{
	Oid			relation;
	bool		parent;
	char	   *schema;
	char	   *table;
	char	   *index;			/* NULL: it is a table */
	GuardObject *object;		/* NULL: not seen yet */
} Kin;

static List *
add_kin(List *kin, Oid relation, bool is_index, bool parent)
{
	foreach_oid(each, guard_catalog_lineage(relation))
	{
		Kin		   *one = palloc0(sizeof(Kin));
		Oid			table = is_index ? guard_catalog_table(each) : each;

		one->relation = each;
		one->parent = parent;
		one->schema = get_namespace_name(get_rel_namespace(table));
		one->table = get_rel_name(table);
		one->index = is_index ? get_rel_name(each) : NULL;
		one->object = guard_identity_of(each);
		if (one->schema != NULL && one->table != NULL)
			kin = lappend(kin, one);
		parent = true;
	}
	return kin;
}

/*
 * Does it bear these names?
 */
static bool
bears(const GuardRows *rows, const char *schema, const char *table,
	  const char *index)
{
	char	   *registered = guard_rows_text(rows, REGISTRY_INDEX);

	return (registered == NULL) == (index == NULL) &&
		(index == NULL || strcmp(registered, index) == 0) &&
		strcmp(guard_rows_text(rows, REGISTRY_TABLE), table) == 0 &&
		strcmp(guard_rows_text(rows, REGISTRY_SCHEMA), schema) == 0;
}

/*
 * What is it registered for?  By name only where no object is known here.
 */
Oid
guard_registration_covers(const GuardRows *rows, GuardEvidence *evidence,
						  bool *inherited)
{
	pg_uuid_t  *object = guard_rows_uuid(rows, REGISTRY_OBJECT);

	if (evidence->kin == NIL)
	{
		const GuardTarget *target = evidence->target;

		evidence->kin = add_kin(add_kin(NIL, evidence->index, true, false),
								evidence->shape->table, false, false);
		/* a child's, which is judged with the one that is its pattern */
		if (evidence->index != target->index &&
			!list_member_oid(target->members, evidence->index))
			evidence->kin = add_kin(add_kin(evidence->kin, target->index, true, true),
									target->table, false, true);
	}
	foreach_ptr(Kin, kin, evidence->kin)
	{
		*inherited = kin->parent;
		if (kin->object != NULL &&
			memcmp(&kin->object->id, object, sizeof(pg_uuid_t)) == 0)
			return kin->relation;
		if (bears(rows, kin->schema, kin->table, kin->index) &&
			guard_identity_find(object) == NULL)
			return kin->relation;
	}
	return InvalidOid;
}

/*
 * Is there one that is not bound to an object, or whose names are old?
 */
static bool
any_stale(const char *registry)
{
	GuardRows  *rows = guard_rows_of_table(registry);

	while (rows != NULL && guard_rows_next(rows))
	{
		GuardObject *object = guard_identity_find(guard_rows_uuid(rows, REGISTRY_OBJECT));

		if (object != NULL && (object->gone_at != 0 ||
							   bears(rows, object->schema, object->table_name, object->name)))
			continue;
		guard_rows_end(rows);
		return true;
	}
	return false;
}

/*
 * Bind what came by restore to the objects that bear its names, and give all
 * the names that their objects bear.
 */
static void
correct(const char *registry, const char *open)
{
	GuardRows  *rows;

	rows = guard_query_rows(psprintf("SELECT DISTINCT c.oid FROM guard.%s r JOIN pg_namespace n ON n.nspname = r.table_schema"
									 " JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = coalesce(r.index_name, r.table_name)"
									 " LEFT JOIN pg_index x ON x.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = x.indrelid"
									 " WHERE NOT EXISTS (SELECT FROM guard.object o WHERE o.id = r.object)"
									 " AND CASE WHEN r.index_name IS NULL THEN c.relkind IN ('r', 'p', 'm') ELSE t.relname = r.table_name END",
									 registry));
	while (guard_rows_next(rows))
		(void) guard_identity_ensure(guard_rows_oid(rows, 1));
	guard_query_execute(psprintf("UPDATE guard.%s r SET object = o.id FROM guard.object o WHERE o.gone_at IS NULL"
								 " AND o.table_schema = r.table_schema AND o.table_name = r.table_name"
								 " AND o.index_name IS NOT DISTINCT FROM r.index_name"
								 " AND NOT EXISTS (SELECT FROM guard.object k WHERE k.id = r.object)", registry));
	guard_query_execute(psprintf("UPDATE guard.%s r SET (table_schema, table_name, index_name) = ROW (" REGISTRY_NAMES ")"
								 " FROM guard.object o WHERE o.id = r.object AND o.gone_at IS NULL%s"
								 " AND (" REGISTRY_NAMES ") IS DISTINCT FROM (r.table_schema, r.table_name, r.index_name)",
								 registry, open));
}

/*
 * Bring all registrations up to date.
 */
void
guard_evidence_refresh(void)
{
	for (int i = 0; i < lengthof(registries); i++)
	{
		if (any_stale(registries[i].table) &&
			guard_query_may_write(registries[i].table))
			correct(registries[i].table, registries[i].open);
	}
}

/*
 * See registration.h.
 */
pg_uuid_t *
guard_registration_object(Oid relation)
{
	pg_uuid_t  *object = guard_identity_ensure(relation);

	guard_evidence_refresh();
	return object;
}
