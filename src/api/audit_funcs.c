/*-------------------------------------------------------------------------
 *
 * audit_funcs.c
 *	  The SQL side of the audit log: that it only grows, and how it is pruned.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"

#include "audit/audit.h"

PG_FUNCTION_INFO_V1(guard_sql_audit_log_only_grows);
PG_FUNCTION_INFO_V1(guard_sql_prune_audit_log);

/*
 * The trigger on guard.audit_log.  Rights alone would not do: they can be
 * granted, and the extension can be owned by a role that is no superuser.
 */
Datum
guard_sql_audit_log_only_grows(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function can only be called as a trigger")));
	if (!superuser() && !guard_audit_pruning())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to change rows of the audit log"),
				 errdetail("Only a superuser may do that."),
				 errhint("Old rows go by themselves: see guard.audit_retention.")));
	return PointerGetDatum(NULL);
}

Datum
guard_sql_prune_audit_log(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(guard_audit_prune());
}
