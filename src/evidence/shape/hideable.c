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

#include "catalog/pg_index.h"

#include "ddl/targets.h"
#include "evidence/needs/needs.h"
#include "evidence/shape/shape.h"
#include "store/store.h"

/*
 * Has a table an index by which apply workers find the row to change?  They use
 * no other then.
 */
static bool
has_identity_index(Oid table)
{
	bool		found = false;

	foreach_oid(index, guard_catalog_indexes(table))
	{
		FormData_pg_index form;

		found |= guard_catalog_form(INDEXRELID, index, &form) && form.indisvalid &&
			(form.indisprimary || form.indisreplident);
	}
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
	return guard_needs_subscribed(shape->table) && !has_identity_index(shape->table);
}

const char *
guard_hideable_obstacle(Oid index, bool *for_now)
{
	GuardShape *shape = guard_shape_read(index);

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
	foreach_oid(member, guard_targets_leaves(index))
	{
		GuardShape *leaf = guard_shape_read(member);

		if (leaf != NULL && serves_apply(leaf))
			return "logical replication may look up rows by it, and does not ask the planner";
	}
	return NULL;
}
