/*-------------------------------------------------------------------------
 *
 * approve_funcs.c
 *	  SQL functions that let somebody drop: guard.approve,
 *	  guard.revoke_approval.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "audit/audit.h"

PG_FUNCTION_INFO_V1(guard_sql_approve);
PG_FUNCTION_INFO_V1(guard_sql_revoke_approval);

/*
 * An index or table that guard judges.  Whose it is does not matter: who may
 * approve is for the DBA to say.
 */
static Oid
get_object(FunctionCallInfo fcinfo)
{
	Oid			object = guard_api_object(fcinfo, "object");

	(void) guard_api_targets(object);
	return object;
}

/*
 * The end of a permission that begins now.
 */
static TimestampTz
get_end(FunctionCallInfo fcinfo, int n)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end = 0;

	if (!PG_ARGISNULL(n))
		end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													  TimestampTzGetDatum(now),
													  PG_GETARG_DATUM(n)));
	if (end <= now || TIMESTAMP_NOT_FINITE(end))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("valid_for must be positive and finite")));
	return end;
}

/*
 * guard.approve(object, reason, valid_for)
 */
Datum
guard_sql_approve(PG_FUNCTION_ARGS)
{
	Oid			object = get_object(fcinfo);
	TimestampTz end = get_end(fcinfo, 2);
	char	   *reason = guard_api_reason(fcinfo, 1, "It is kept in the audit log with the drop.");

	guard_approvals_add(object, reason, end);
	guard_audit_change("approve", guard_catalog_name(object), reason,
					   psprintf("{\"valid_until\":\"%s\"}",
								timestamptz_to_str(end)));
	PG_RETURN_VOID();
}

/*
 * guard.revoke_approval(object)
 */
Datum
guard_sql_revoke_approval(PG_FUNCTION_ARGS)
{
	Oid			object = get_object(fcinfo);

	if (!guard_approvals_revoke(object))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no approval for \"%s\" is left", get_rel_name(object)),
				 errhint("See SELECT * FROM guard.approvals;")));
	guard_audit_change("revoke_approval", guard_catalog_name(object), NULL, NULL);
	PG_RETURN_VOID();
}
