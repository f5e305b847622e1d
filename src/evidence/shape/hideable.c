/*-------------------------------------------------------------------------
 *
 * hideable.c
 *	  Can this index be hidden from the planner?
 *
 * Hiding tells what would happen without an index as far as the planner is
 * concerned.  Of an index that does something else it tells too little: what
 * is unique goes on refusing duplicates and proves nothing to the planner any
 * more, and logical replication's apply workers never ask the planner
 * (doc/internals/postgresql.md 2.8, 3.2).  To present that as a rehearsal of
 * the drop would be a lie, so such an index is not hidden at all.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_index.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "ddl/targets.h"
#include "evidence/shape/hideable.h"
#include "evidence/roles.h"
#include "evidence/shape/shape.h"

/*
 * Has a table an index by which apply workers find the row to change?  They use
 * no other then.
 */
static bool
has_identity_index(Oid table)
{
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table));
	scan = systable_beginscan(pg_index, IndexIndrelidIndexId, true, NULL, 1,
							  &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		found = form->indisvalid && (form->indisprimary || form->indisreplident);
	}
	systable_endscan(scan);
	table_close(pg_index, AccessShareLock);
	return found;
}

/*
 * May apply workers use it?  Since 16 they take any index that fits where the
 * published table has REPLICA IDENTITY FULL; what fits is their affair, and
 * may be another index tomorrow.
 */
static bool
serves_apply(const GuardShape *shape)
{
	GuardRoles	roles;

	guard_roles_collect(shape, &roles);
	return roles.subscribed && !has_identity_index(shape->table);
}

const char *
guard_hideable_obstacle(Oid index, bool *for_now)
{
	GuardShape *shape = guard_shape_read(index);
	ListCell   *lc;

	*for_now = false;
	if (shape == NULL)
		return NULL;
	if (shape->primary)
		return "it is the primary key";
	if (shape->replident)
		return "it is the replica identity of its table";
	if (shape->unique)
		return "it enforces uniqueness";
	if (shape->exclusion)
		return "it enforces an exclusion constraint";
	if (!shape->valid)
	{
		*for_now = true;
		return "it is not valid";
	}
	foreach(lc, guard_targets_leaves(index))
	{
		GuardShape *leaf = guard_shape_read(lfirst_oid(lc));

		if (leaf != NULL && serves_apply(leaf))
			return "logical replication may look up rows by it, and does not ask the planner";
	}
	return NULL;
}
