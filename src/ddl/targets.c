/*-------------------------------------------------------------------------
 *
 * targets.c
 *	  Which indexes would this statement remove?
 *
 * The door of the room: which statements are looked at, which indexes guard
 * judges at all, and what a target consists of.  ALTER TABLE is read in
 * targets_alter.c.
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

#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "utils/inval.h"

#include "ddl/targets.h"
#include "store/store.h"

/* ----------------------------------------------------------------
 *		What does a DROP of relations name?
 *
 * Follows tablecmds.c: RemoveRelations and its RangeVarCallbackForDropRelation
 * in everything that decides whether a name is dropped or the statement is
 * refused, and leaves out their locks.
 *
 * DROP VIEW and DROP FOREIGN TABLE are here as well, since under CASCADE they
 * take materialized views and inheritance children along.
 * ----------------------------------------------------------------
 */

/*
 * The relkind that DROP of this type asks for, '\0' for a type that is not
 * looked at here.
 */
static char
dropped_relkind(ObjectType type)
{
	switch (type)
	{
		case OBJECT_INDEX:
			return RELKIND_INDEX;
		case OBJECT_TABLE:
			return RELKIND_RELATION;
		case OBJECT_MATVIEW:
			return RELKIND_MATVIEW;
		case OBJECT_VIEW:
			return RELKIND_VIEW;
		case OBJECT_FOREIGN_TABLE:
			return RELKIND_FOREIGN_TABLE;
		default:
			return '\0';
	}
}

/* DROP TABLE and DROP INDEX make no difference for partitioned ones. */
static char
general_relkind(char relkind)
{
	switch (relkind)
	{
		case RELKIND_PARTITIONED_TABLE:
			return RELKIND_RELATION;
		case RELKIND_PARTITIONED_INDEX:
			return RELKIND_INDEX;
		default:
			return relkind;
	}
}

/*
 * The owner of the relation and the owner of its schema may drop it.  Owners
 * are compared directly, because object_ownercheck() raises an error for a
 * schema that has vanished.
 */
static bool
may_drop(Form_pg_class form, Oid role)
{
	FormData_pg_namespace schema;

	return guard_roots_is_owner(role, form->relowner) ||
		(guard_catalog_form(NAMESPACEOID, form->relnamespace, &schema) &&
		 guard_roots_is_owner(role, schema.nspowner));
}

/*
 * Right kind, right owner?  PostgreSQL drops the indexes of a temporary table
 * without CONCURRENTLY even when told so, but those are never targets.
 */
static bool
is_droppable(DropStmt *stmt, Form_pg_class form, Oid role)
{
	if (general_relkind(form->relkind) != dropped_relkind(stmt->removeType))
		return false;
	if (stmt->concurrent && form->relkind == RELKIND_PARTITIONED_INDEX)
		return false;
	return may_drop(form, role);
}

/*
 * Append what the name means.  Returns false when PostgreSQL will refuse the
 * statement on account of this name.
 */
static bool
add_root(List **roots, DropStmt *stmt, List *name, Oid role)
{
	RangeVar   *rel = makeRangeVarFromNameList(name);
	GuardRoute	route = stmt->removeType == OBJECT_INDEX ?
		GUARD_ROUTE_INDEX : GUARD_ROUTE_TABLE;
	Oid			relid;
	FormData_pg_class form;

	relid = RangeVarGetRelidExtended(rel, NoLock, RVR_MISSING_OK, NULL, NULL);
	if (!guard_catalog_form(RELOID, relid, &form))
		return stmt->missing_ok;
	if (!is_droppable(stmt, &form, role))
		return false;
	*roots = lappend(*roots,
					 guard_roots_make(RelationRelationId, relid, 0, route,
									  NameStr(form.relname)));
	return true;
}

static List *
find_roots(DropStmt *stmt, Oid role)
{
	List	   *roots = NIL;

	if (stmt->concurrent &&
		(list_length(stmt->objects) != 1 || stmt->behavior == DROP_CASCADE))
		return NIL;

	foreach_ptr(List, name, stmt->objects)
	{
		if (!add_root(&roots, stmt, name, role))
			return NIL;
	}
	return roots;
}

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

	if (dropped_relkind(stmt->removeType) == '\0')
		return NULL;

	AcceptInvalidationMessages();
	result = make_targets(find_roots(stmt, role), stmt->behavior);
	result->concurrent = stmt->concurrent;
	foreach_ptr(GuardTarget, target, result->targets)
		target->if_exists = stmt->missing_ok && OidIsValid(role) &&
		target->route == GUARD_ROUTE_INDEX;
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

GuardTargets *
guard_targets_collect(Node *parsetree)
{
	Oid			role = GetUserId();

	if (parsetree != NULL && IsA(parsetree, DropStmt))
		return collect_drop((DropStmt *) parsetree, role);
	if (parsetree != NULL && IsA(parsetree, AlterTableStmt))
		return collect_alter((AlterTableStmt *) parsetree, role);
	return NULL;
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
	FormData_pg_class form;

	return table >= FirstNormalObjectId &&
		guard_catalog_form(RELOID, table, &form) &&
		form.relpersistence != RELPERSISTENCE_TEMP &&
		!IsToastClass(&form) &&
		!IsCatalogNamespace(form.relnamespace) && !is_exempt_member(table);
}
