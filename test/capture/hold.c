/*-------------------------------------------------------------------------
 *
 * hold.c
 *	  A module for tests: holds the record of a relation, as a process does
 *	  that is stopped while it publishes.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/guc.h"

#include "compat/compat.h"
#include "planner/capture/tables.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(hold);

/*
 * hold(relation, held): take the flag of its record, or let go of it.
 */
Datum
hold(PG_FUNCTION_ARGS)
{
	GuardRelationKey key = {MyDatabaseId, PG_GETARG_OID(0)};
	HASHCTL		info = {.keysize = sizeof(GuardRelationKey),
	.entrysize = sizeof(GuardRelationRecord)};
	int			max = atoi(GetConfigOption("guard.max_indexes", false, false));
	HTAB	   *relations = guard_compat_shmem_hash("guard relations", max, &info,
													HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	GuardRelationRecord *record = hash_search(relations, &key, HASH_FIND, NULL);

	if (record == NULL)
		PG_RETURN_BOOL(false);
	if (PG_GETARG_BOOL(1))
		PG_RETURN_BOOL(pg_atomic_test_set_flag(&record->busy));
	pg_atomic_clear_flag(&record->busy);
	PG_RETURN_BOOL(true);
}
