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

#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "api/api.h"
#include "audit/audit.h"
#include "compat/compat.h"
#include "evidence/evidence.h"

PG_FUNCTION_INFO_V1(guard_sql_protect);
PG_FUNCTION_INFO_V1(guard_sql_unprotect);

void
guard_api_require_ownership(Oid object)
{
	Oid			table;

	(void) guard_api_targets(object);
	table = IndexGetRelation(object, true);
	if (!OidIsValid(table))
		table = object;
	if (!object_ownercheck(RelationRelationId, table, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
}

char *
guard_api_name(Oid object)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(object)),
									  get_rel_name(object));
}

Datum
guard_sql_protect(PG_FUNCTION_ARGS)
{
	Oid			object;
	char	   *reason;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("object to protect must not be null")));
	reason = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (reason == NULL || strspn(reason, " \t\r\n") == strlen(reason))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be empty"),
				 errhint("Whoever meets the refusal will read it.")));
	object = PG_GETARG_OID(0);
	guard_api_require_ownership(object);
	guard_protection_add(object, reason);
	guard_audit_change("protect", guard_api_name(object), reason, NULL);
	PG_RETURN_VOID();
}

Datum
guard_sql_unprotect(PG_FUNCTION_ARGS)
{
	Oid			object;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("object to unprotect must not be null")));
	object = PG_GETARG_OID(0);
	guard_api_require_ownership(object);
	if (!guard_protection_remove(object))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" is not protected", get_rel_name(object)),
				 errhint("See SELECT * FROM guard.indexes WHERE protected;")));
	guard_audit_change("unprotect", guard_api_name(object), NULL, NULL);
	PG_RETURN_VOID();
}
