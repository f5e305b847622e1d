/*-------------------------------------------------------------------------
 *
 * node_funcs.c
 *	  SQL functions about nodes: what is captured here, and what standbys say.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"

#include "api/api.h"
#include "audit/audit.h"
#include "evidence/history/history.h"

PG_FUNCTION_INFO_V1(guard_sql_captured_uses);
PG_FUNCTION_INFO_V1(guard_sql_captured_here);
PG_FUNCTION_INFO_V1(guard_sql_forget_node);
PG_FUNCTION_INFO_V1(guard_sql_nodes);

/*
 * guard.captured_uses(): what a standby reports.
 */
Datum
guard_sql_captured_uses(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	if (!guard_api_may_see_texts())
		return (Datum) 0;
	foreach_ptr(GuardCapturedUse, use, guard_capture_relations(false))
	{
		GuardFact	fact = {0};
		StringInfoData services;

		guard_services_collect(&fact, use->relation, use);
		initStringInfo(&services);
		guard_json_array(&services, NULL);
		foreach_ptr(const GuardServiceUse, made, fact.services)
		{
			guard_json_object(&services, NULL);
			guard_json_text(&services, "service", made->service);
			guard_json_text(&services, "version", made->version);
			guard_json_int(&services, "last", GetCurrentTimestamp() - made->last);
			guard_json_int(&services, "count", made->count);
			guard_json_end_object(&services);
		}
		guard_json_end_array(&services);
		guard_api_row((ReturnSetInfo *) fcinfo->resultinfo,
					  P_OID(use->relation), P_INT8((int64) use->fkey),
					  P_INT8(use->made), P_TIME(use->first), P_TIME(use->last),
					  P_INT8(use->count), P_FLOAT8(use->rate),
					  P_NULL_IF(use->count < 2, P_INT8(use->longest_pause)),
					  P_INT4(use->statements), P_TEXT(services.data),
					  P_BOOL(fact.services_known));
	}
	return (Datum) 0;
}

/*
 * Why what was captured here is not all there was; NULL: it is.
 */
static const char *
what_lacks(const GuardCaptureStatus *status, TimestampTz since)
{
	if (!status->available)
		return "guard is not in shared_preload_libraries there";
	if (status->last_loss != 0)
		return psprintf("there was no room for all of it on %s (guard.max_indexes)",
						timestamptz_to_str(status->last_loss));
	return since == 0 ? "not every session is captured there" : NULL;
}

/*
 * guard.captured_here(): is everything captured, and who is this?
 */
Datum
guard_sql_captured_here(PG_FUNCTION_ARGS)
{
	GuardCaptureStatus status;
	TimestampTz since = guard_server_capture_since();
	const char *lacks;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	guard_capture_status(&status);
	lacks = what_lacks(&status, since);
	values[0] = TimestampTzGetDatum(since);
	nulls[0] = lacks != NULL;
	values[1] = lacks != NULL ? CStringGetTextDatum(lacks) : (Datum) 0;
	nulls[1] = lacks == NULL;
	values[2] = CStringGetTextDatum(guard_nodes_identity());
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * guard.forget_node(name, reason)
 */
Datum
guard_sql_forget_node(PG_FUNCTION_ARGS)
{
	char	   *name = guard_api_text(fcinfo, 0);
	char	   *reason;
	uint64		known;

	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("name of the node must not be null")));
	reason = guard_api_reason(fcinfo, 1, "Say why it does not come back.");
	PreventCommandIfReadOnly("guard.forget_node()");
	(void) guard_query_execute("WITH watch AS (DELETE FROM guard.node_watch WHERE node = $1)"
							   " DELETE FROM guard.node_use WHERE node = $1", P_TEXT(name));
	known = guard_query_execute("DELETE FROM guard.node WHERE name = $1", P_TEXT(name));
	if (known > 0)
		guard_audit_change("forget_node", name, reason, NULL);
	PG_RETURN_BOOL(known > 0);
}

/*
 * guard.nodes: who else reads.
 */
Datum
guard_sql_nodes(PG_FUNCTION_ARGS)
{
	GuardServer server = {0};
	TimestampTz now = GetCurrentTimestamp();

	InitMaterializedSRF(fcinfo, 0);
	guard_nodes_read(&server);
	foreach_ptr(const GuardNode, node, server.nodes)
	{
		Interval	age = {.time = now - node->reported_at};

		guard_api_row((ReturnSetInfo *) fcinfo->resultinfo,
					  P_TEXT(node->name), P_TEXT("standby"), P_BOOL(node->attached > 0),
					  P_TIME(node->reported_at),
					  guard_param(INTERVALOID, IntervalPGetDatum(&age), node->reported_at == 0),
					  P_TIME(node->since), P_TEXT(node->upstream), P_TEXT(node->lacks),
					  P_BOOL(node->counts));
	}
	return (Datum) 0;
}
