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

#include "evidence/evidence.h"
#include "evidence/registrations/registration.h"

/* guard.protection, beside the columns of every registry */
#define PROTECTION_REASON		4
#define PROTECTION_BY			5
#define PROTECTION_AT			6
#define PROTECTION_SOURCE		8	/* of guard.profile_protection */

/*
 * One made on this very index or table says more than an inherited one.
 */
static void
read_protections(GuardEvidence *evidence, const char *table, int source_column)
{
	GuardRows  *rows = guard_rows_surely(guard_rows_of_table(table), table);
	GuardProtection *protection = &evidence->protection;
	bool		inherited;

	while (guard_rows_next(rows))
	{
		if (!OidIsValid(guard_registration_covers(rows, evidence, &inherited)) ||
			(protection->found && inherited) ||
			guard_profile_is_silent(evidence, rows, source_column))
			continue;
		protection->found = true;
		protection->inherited = inherited;
		protection->reason = guard_rows_text(rows, PROTECTION_REASON);
		protection->protected_by = guard_rows_text(rows, PROTECTION_BY);
		protection->protected_at = guard_rows_time(rows, PROTECTION_AT);
	}
}

/*
 * Not to know whether an index is protected is not to be able to judge.
 */
void
guard_protection_collect(GuardEvidence *evidence)
{
	read_protections(evidence, "protection", 0);
	if (evidence->server->profiles != NIL)
		read_protections(evidence, "profile_protection", PROTECTION_SOURCE);
}

/*
 * Protect an index or a table; again: for another reason.
 */
void
guard_protection_add(Oid relation, const char *reason)
{
	pg_uuid_t  *object = guard_registration_object(relation);

	guard_query_execute("DELETE FROM guard.protection WHERE object = $1", P_UUID(object));
	guard_query_execute("INSERT INTO guard.protection SELECT " REGISTRY_NAMES ", $2, session_user, clock_timestamp(), o.id" REGISTRY_OF,
						P_UUID(object), P_TEXT(reason));
}

/*
 * Returns false where there was none.
 */
bool
guard_protection_remove(Oid relation)
{
	return guard_query_execute("DELETE FROM guard.protection WHERE object = $1",
							   P_UUID(guard_registration_object(relation))) > 0;
}
