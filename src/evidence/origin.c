/*-------------------------------------------------------------------------
 *
 * origin.c
 *	  Indexes that guard saw being created.
 *
 * PostgreSQL keeps no creation time.  Where guard saw it, an index that was
 * never used is cold at any age: "created an hour ago as an experiment, drop
 * it again" is the commonest drop of all, and the database lived without it
 * the day before.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "evidence/evidence.h"
#include "store/store.h"

/* guard.index_origin */
#define ORIGIN_INDEX_OID	1
#define ORIGIN_TABLE_OID	2
#define ORIGIN_CREATED_AT	3

static bool
read_origin(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardEvidence *evidence = arg;
	bool		isnull;

	/*
	 * An OID may have been used before: the table must be the same
	 * (doc/internals/postgresql.md 3.9).
	 */
	if (DatumGetObjectId(heap_getattr(tuple, ORIGIN_TABLE_OID, desc,
									  &isnull)) == evidence->shape->table)
		evidence->created_at =
			DatumGetTimestampTz(heap_getattr(tuple, ORIGIN_CREATED_AT, desc,
											 &isnull));
	return true;
}

void
guard_origin_collect(GuardEvidence *evidence)
{
	(void) guard_store_scan("index_origin", "index_origin_index_oid_idx",
							ORIGIN_INDEX_OID, evidence->index,
							read_origin, evidence);
}

void
guard_origin_record(List *indexes)
{
	Oid			types[] = {OIDOID, OIDOID, TIMESTAMPTZOID};
	Datum		values[3];
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Oid			table = IndexGetRelation(lfirst_oid(lc), true);

		if (!OidIsValid(table))
			continue;
		values[0] = ObjectIdGetDatum(lfirst_oid(lc));
		values[1] = ObjectIdGetDatum(table);
		values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
		guard_store_execute("INSERT INTO guard.index_origin VALUES ($1, $2, $3, session_user)",
							3, types, values, NULL);
	}
}

/*
 * The index has a new OID.
 */
void
guard_origin_rebuilt(Oid old, Oid successor)
{
	Oid			types[] = {OIDOID, OIDOID};
	Datum		values[] = {ObjectIdGetDatum(successor), ObjectIdGetDatum(old)};

	guard_store_execute("UPDATE guard.index_origin SET index_oid = $1"
						" WHERE index_oid = $2",
						2, types, values, NULL);
}
