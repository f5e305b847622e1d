/*-------------------------------------------------------------------------
 *
 * protection.c
 *	  A DBA's flat "not this one".
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "evidence/evidence.h"
#include "evidence/registrations/registration.h"
#include "store/store.h"

/* guard.protection, beside the columns of every registry */
#define PROTECTION_REASON		4
#define PROTECTION_BY			5
#define PROTECTION_AT			6

static bool
match_row(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardEvidence *evidence = arg;
	GuardProtection *protection = &evidence->protection;
	GuardRegistration reg;
	bool		inherited;
	bool		isnull;

	guard_registration_read(tuple, desc, &reg);
	if (!guard_registration_covers(&reg, evidence->index,
								   evidence->shape->table, &inherited))
		return true;

	/* One made on this very index or table says more than an inherited one. */
	if (protection->found && inherited)
		return true;
	protection->found = true;
	protection->inherited = inherited;
	protection->reason =
		TextDatumGetCString(heap_getattr(tuple, PROTECTION_REASON, desc, &isnull));
	protection->protected_by =
		pstrdup(NameStr(*DatumGetName(heap_getattr(tuple, PROTECTION_BY, desc,
												   &isnull))));
	protection->protected_at =
		DatumGetTimestampTz(heap_getattr(tuple, PROTECTION_AT, desc, &isnull));
	return inherited;
}

/*
 * Not to know whether an index is protected is not to be able to judge.
 */
void
guard_protection_collect(GuardEvidence *evidence)
{
	guard_store_scan_surely("protection", NULL, 0, InvalidOid, match_row,
							evidence);
}

void
guard_protection_add(Oid relation, const char *reason)
{
	NameData	names[3];
	Datum		values[REGISTRY_PARAMETERS + 1];
	char		nulls[REGISTRY_PARAMETERS + 2] = "        ";
	Oid			types[] = {REGISTRY_TYPES, TEXTOID};

	guard_registration_refresh("protection", 0, "");
	guard_registration_identify(relation, values, nulls, names);
	values[REGISTRY_PARAMETERS] = CStringGetTextDatum(reason);
	guard_store_execute("INSERT INTO guard.protection"
						" VALUES ($1, $2, $3, $8, session_user, clock_timestamp(), $4, $5, $6, $7)"
						" ON CONFLICT (table_schema, table_name, index_name) DO UPDATE"
						" SET reason = excluded.reason, protected_by = excluded.protected_by,"
						" protected_at = excluded.protected_at, database_oid = excluded.database_oid,"
						" system_identifier = excluded.system_identifier,"
						" table_oid = excluded.table_oid, index_oid = excluded.index_oid",
						lengthof(types), types, values, nulls);
}

bool
guard_protection_remove(Oid relation)
{
	NameData	names[3];
	Datum		values[REGISTRY_PARAMETERS];
	char		nulls[REGISTRY_PARAMETERS + 1] = "       ";
	Oid			types[] = {REGISTRY_TYPES};

	guard_registration_refresh("protection", 0, "");
	guard_registration_identify(relation, values, nulls, names);
	return guard_store_execute("DELETE FROM guard.protection"
							   " WHERE table_schema OPERATOR(pg_catalog.=) $1"
							   " AND table_name OPERATOR(pg_catalog.=) $2"
							   " AND index_name IS NOT DISTINCT FROM $3",
							   3, types, values, nulls) > 0;
}
