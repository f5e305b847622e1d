/*-------------------------------------------------------------------------
 *
 * protect_funcs.c
 *	  SQL functions that register: guard.protect, guard.unprotect.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "audit/audit.h"

PG_FUNCTION_INFO_V1(guard_sql_protect);
PG_FUNCTION_INFO_V1(guard_sql_unprotect);

/*
 * guard.protect(object, reason)
 */
Datum
guard_sql_protect(PG_FUNCTION_ARGS)
{
	Oid			object = guard_api_object(fcinfo, "object to protect");
	char	   *reason = guard_api_reason(fcinfo, 1, "Whoever meets the refusal will read it.");

	(void) guard_api_require_ownership(object);
	guard_protection_add(object, reason);
	guard_audit_change("protect", guard_catalog_name(object), reason, NULL);
	PG_RETURN_VOID();
}

/*
 * guard.unprotect(object)
 */
Datum
guard_sql_unprotect(PG_FUNCTION_ARGS)
{
	Oid			object = guard_api_object(fcinfo, "object to unprotect");

	(void) guard_api_require_ownership(object);
	if (!guard_protection_remove(object))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" is not protected", get_rel_name(object)),
				 errhint("See SELECT * FROM guard.index_facts WHERE protected;")));
	guard_audit_change("unprotect", guard_catalog_name(object), NULL, NULL);
	PG_RETURN_VOID();
}
