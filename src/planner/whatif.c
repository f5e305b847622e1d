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

#include "miscadmin.h"

#include "guc.h"
#include "planner/whatif.h"
#include "planner/whatif_table.h"
#include "planner/without.h"

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

List *
guard_whatif_lookup(Oid index)
{
	List	   *result = NIL;
	Oid			top;

	if (!guard_whatif_table_attached())
		return NIL;
	result = guard_whatif_table_read(index, result);
	top = guard_without_topmost(index);
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
