/*-------------------------------------------------------------------------
 *
 * whatif_funcs.c
 *	  SQL function guard.what_if: what statements would cost without an index.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"

#include "api/api.h"

PG_FUNCTION_INFO_V1(guard_sql_what_if);

static const char *const role_names[] = {
	[GUARD_WHATIF_SCAN] = "scan",
	[GUARD_WHATIF_PROOF] = "proof",
	[GUARD_WHATIF_ESTIMATE] = "estimate",
};

static int
newest_first(const ListCell *a, const ListCell *b)
{
	TimestampTz at_a = ((GuardWhatIf *) lfirst(a))->at;
	TimestampTz at_b = ((GuardWhatIf *) lfirst(b))->at;

	return at_a > at_b ? -1 : at_a < at_b ? 1 : 0;
}

/*
 * guard.what_if(index): what statements would cost without it.
 */
Datum
guard_sql_what_if(PG_FUNCTION_ARGS)
{
	Oid			index = PG_GETARG_OID(0);
	List	   *pairs;

	guard_api_require_index(index);
	guard_api_require_sight(index);
	InitMaterializedSRF(fcinfo, 0);
	pairs = guard_whatif_lookup(index);
	list_sort(pairs, newest_first);
	foreach_ptr(GuardWhatIf, pair, pairs)
		guard_api_row((ReturnSetInfo *) fcinfo->resultinfo,
					  P_INT8(pair->queryid), P_TIME(pair->at),
					  P_TEXT(role_names[pair->role]),
					  P_FLOAT8(pair->cost_with), P_FLOAT8(pair->cost_without),
					  P_FLOAT8(pair->rows_with), P_FLOAT8(pair->rows_without),
					  P_NULL_IF(!OidIsValid(pair->takeover), P_OID(pair->takeover)),
					  P_BOOL(pair->seqscan), P_BOOL(pair->generic),
					  P_FLOAT8(pair->planning_ms));
	return (Datum) 0;
}
