/*-------------------------------------------------------------------------
 *
 * whatif.c
 *	  What statements would cost without an index.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "guc.h"
#include "planner/whatif.h"
#include "planner/whatif_table.h"

static bool
is_on(void)
{
	return guard_guc_mode != GUARD_MODE_OFF && guard_guc_whatif;
}

/*
 * Called from _PG_init.
 */
void
guard_whatif_init(void)
{
}

/* ----------------------------------------------------------------
 *		Questions
 * ----------------------------------------------------------------
 */

/*
 * The index of the partitioned table that an index goes with, or itself.
 */
static Oid
topmost(Oid index)
{
	List	   *ancestors;

	if (!get_rel_relispartition(index))
		return index;
	ancestors = get_partition_ancestors(index);
	return ancestors == NIL ? index : llast_oid(ancestors);
}

List *
guard_whatif_lookup(Oid index)
{
	List	   *result = NIL;
	Oid			top;

	if (!guard_whatif_table_attached())
		return NIL;
	result = guard_whatif_table_read(index, result);
	top = topmost(index);
	if (top != index)
		result = guard_whatif_table_read(top, result);
	return result;
}

void
guard_whatif_status(GuardWhatIfStatus *status)
{
	memset(status, 0, sizeof(*status));
	if (!guard_whatif_table_attached())
		return;
	status->available = true;
	status->on = is_on();
	guard_whatif_table_status(status);
}

void
guard_whatif_forget(Oid index)
{
	if (guard_whatif_table_attached())
		guard_whatif_table_forget(MyDatabaseId, index);
}

void
guard_whatif_forget_database(Oid database)
{
	if (guard_whatif_table_attached())
		guard_whatif_table_forget(database, InvalidOid);
}
