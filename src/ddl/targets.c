/*-------------------------------------------------------------------------
 *
 * targets.c
 *	  Which indexes would this statement remove?
 *
 * The door of the room: which statements are looked at, which indexes guard
 * judges at all, and what a target consists of.  The statements themselves
 * are read in targets_drop.c and targets_alter.c.
 *
 * Everything here reads catalogs without a lock on what they describe.  A
 * concurrent change can make an answer stale, never an error: an object that
 * has vanished gives no target.  The backstop looks again under the lock.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "ddl/targets.h"
#include "store/store.h"

static GuardTargets *
make_targets(List *roots, DropBehavior behavior)
{
	GuardTargets *result = palloc0(sizeof(GuardTargets));

	result->targets = guard_roots_targets(roots, behavior == DROP_CASCADE);
	return result;
}

/*
 * Names are looked up without a lock, which is what makes the server read its
 * invalidation messages otherwise; without them, a name could still mean what
 * it meant when the transaction began (cf. RemoveRelations).
 */
static GuardTargets *
collect_drop(DropStmt *stmt, Oid role)
{
	GuardTargets *result;

	if (!guard_targets_drop_known(stmt))
		return NULL;

	AcceptInvalidationMessages();
	result = make_targets(guard_targets_drop_roots(stmt, role), stmt->behavior);
	result->concurrent = stmt->concurrent;
	return result;
}

/*
 * One walk serves all subcommands.  If only some of them say CASCADE, the walk
 * sees too much where PostgreSQL refuses the others anyway.
 */
static GuardTargets *
collect_alter(AlterTableStmt *stmt, Oid role)
{
	GuardTargets *result;

	if (!guard_targets_alter_known(stmt))
		return NULL;

	AcceptInvalidationMessages();
	result = make_targets(guard_targets_alter_roots(stmt, role),
						  guard_targets_alter_cascades(stmt) ? DROP_CASCADE : DROP_RESTRICT);
	result->adds = guard_targets_alter_adds(stmt);
	return result;
}

static GuardTargets *
collect(Node *parsetree, Oid role)
{
	if (parsetree != NULL && IsA(parsetree, DropStmt))
		return collect_drop((DropStmt *) parsetree, role);
	if (parsetree != NULL && IsA(parsetree, AlterTableStmt))
		return collect_alter((AlterTableStmt *) parsetree, role);
	return NULL;
}

GuardTargets *
guard_targets_collect(Node *parsetree)
{
	return collect(parsetree, GetUserId());
}

/*
 * Whether somebody may drop the schemas is not asked, and those that are not
 * there take nothing along.
 */
static GuardTargets *
collect_drop_schema(DropStmt *stmt)
{
	List	   *roots = NIL;
	ListCell   *lc;

	AcceptInvalidationMessages();
	foreach(lc, stmt->objects)
	{
		char	   *name = strVal(lfirst(lc));
		Oid			schema = get_namespace_oid(name, true);

		if (OidIsValid(schema))
			roots = lappend(roots, guard_roots_make(NamespaceRelationId, schema, 0,
													GUARD_ROUTE_CASCADE, name));
	}
	return make_targets(roots, stmt->behavior);
}

GuardTargets *
guard_targets_collect_as_owner(Node *parsetree)
{
	if (IsA(parsetree, DropStmt) &&
		((DropStmt *) parsetree)->removeType == OBJECT_SCHEMA)
		return collect_drop_schema((DropStmt *) parsetree);
	return collect(parsetree, InvalidOid);
}

bool
guard_targets_eligible(Oid index)
{
	Oid			table;

	if (index < FirstNormalObjectId)
		return false;
	table = IndexGetRelation(index, true);
	return OidIsValid(table) && guard_targets_eligible_table(table);
}

GuardTarget *
guard_targets_make(Oid index, GuardRoute route, const char *through)
{
	GuardTarget *target;

	if (!guard_targets_eligible(index))
		return NULL;

	target = palloc0(sizeof(GuardTarget));
	target->index = index;
	target->table = IndexGetRelation(index, true);
	target->route = route;
	target->through = through != NULL ? pstrdup(through) : NULL;
	target->table_goes = route == GUARD_ROUTE_TABLE;
	target->members = guard_targets_leaves(index);
	target->no_delay = "only DROP INDEX can be delayed";
	return target;
}

List *
guard_targets_leaves(Oid index)
{
	List	   *leaves = NIL;
	List	   *agenda = list_make1_oid(index);

	/* the agenda grows meanwhile, see follow_agenda() */
	foreach_oid(current, agenda)
	{
		char		relkind = get_rel_relkind(current);

		if (relkind == RELKIND_INDEX)
			leaves = lappend_oid(leaves, current);
		else if (relkind == RELKIND_PARTITIONED_INDEX)
			agenda = list_concat(agenda, guard_catalog_children(current));
	}
	list_free(agenda);

	return leaves;
}

/*
 * Append a target for each eligible index of one table; those attached to an
 * index of its parent only on demand.
 */
static List *
add_targets_of_table(List *targets, Oid table, GuardRoute route,
					 const char *through, bool attached_too)
{
	foreach_oid(index, guard_catalog_indexes(table))
	{
		GuardTarget *target;

		if (!attached_too && get_rel_relispartition(index))
			continue;
		target = guard_targets_make(index, route, through);
		if (target != NULL)
			targets = lappend(targets, target);
	}
	return targets;
}

List *
guard_targets_of_table(Oid table, GuardRoute route, bool recurse)
{
	List	   *targets = NIL;
	List	   *agenda = list_make1_oid(table);
	char	   *name = route == GUARD_ROUTE_INDEX ? NULL : get_rel_name(table);

	if (!recurse)
		return add_targets_of_table(NIL, table, route, name, true);

	/* the agenda grows meanwhile, see follow_agenda() */
	foreach_oid(current, agenda)
	{
		targets = add_targets_of_table(targets, current, route, name,
									   current == table);
		if (get_rel_relkind(current) == RELKIND_PARTITIONED_TABLE)
			agenda = list_concat(agenda, guard_catalog_children(current));
	}
	list_free(agenda);

	return targets;
}

/*
 * guard does not judge its own tables, nor how the author of an extension
 * rearranges his in an update script.
 */
static bool
is_exempt_member(Oid table)
{
	Oid			extension = getExtensionOfObject(RelationRelationId, table);

	if (!OidIsValid(extension))
		return false;
	return extension == guard_store_extension() ||
		(creating_extension && extension == CurrentExtensionObject);
}

/*
 * The information_schema, too, has OIDs below FirstNormalObjectId.
 */
bool
guard_targets_eligible_table(Oid table)
{
	HeapTuple	tuple;
	Form_pg_class form;
	bool		eligible;

	if (table < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		return false;

	form = (Form_pg_class) GETSTRUCT(tuple);
	eligible = form->relpersistence != RELPERSISTENCE_TEMP &&
		!IsToastClass(form) &&
		!IsCatalogNamespace(form->relnamespace);
	ReleaseSysCache(tuple);

	return eligible && !is_exempt_member(table);
}
