/*-------------------------------------------------------------------------
 *
 * targets_drop.c
 *	  What does a DROP of relations name?
 *
 * Follows tablecmds.c: RemoveRelations and its RangeVarCallbackForDropRelation
 * in everything that decides whether a name is dropped or the statement is
 * refused, and leaves out their locks.
 *
 * DROP VIEW and DROP FOREIGN TABLE are here as well, since under CASCADE they
 * take materialized views and inheritance children along.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "utils/syscache.h"

#include "ddl/targets.h"

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

bool
guard_targets_drop_known(DropStmt *stmt)
{
	return dropped_relkind(stmt->removeType) != '\0';
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
	HeapTuple	tuple;
	Oid			schema_owner;

	if (guard_roots_is_owner(role, form->relowner))
		return true;

	tuple = SearchSysCache1(NAMESPACEOID,
							ObjectIdGetDatum(form->relnamespace));
	if (!HeapTupleIsValid(tuple))
		return false;
	schema_owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);

	return guard_roots_is_owner(role, schema_owner);
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
	HeapTuple	tuple;
	Form_pg_class form;
	bool		droppable;

	relid = RangeVarGetRelidExtended(rel, NoLock, RVR_MISSING_OK, NULL, NULL);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		return stmt->missing_ok;

	form = (Form_pg_class) GETSTRUCT(tuple);
	droppable = is_droppable(stmt, form, role);
	if (droppable)
		*roots = lappend(*roots,
						 guard_roots_make(RelationRelationId, relid, 0, route,
										  NameStr(form->relname)));
	ReleaseSysCache(tuple);

	return droppable;
}

List *
guard_targets_drop_roots(DropStmt *stmt, Oid role)
{
	List	   *roots = NIL;
	ListCell   *lc;

	if (stmt->concurrent &&
		(list_length(stmt->objects) != 1 || stmt->behavior == DROP_CASCADE))
		return NIL;

	foreach(lc, stmt->objects)
	{
		if (!add_root(&roots, stmt, (List *) lfirst(lc), role))
			return NIL;
	}
	return roots;
}
