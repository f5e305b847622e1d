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

#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/api.h"
#include "planner/whatif/whatif.h"

PG_FUNCTION_INFO_V1(guard_sql_what_if);

#define WHAT_IF_COLUMNS		11

static const char *const role_names[] = {
	[GUARD_WHATIF_SCAN] = "scan",
	[GUARD_WHATIF_PROOF] = "proof",
	[GUARD_WHATIF_ESTIMATE] = "estimate",
};

static void
require_index(Oid index)
{
	char		relkind = get_rel_relkind(index);

	if (relkind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u does not exist", index)));
	if (relkind != RELKIND_INDEX && relkind != RELKIND_PARTITIONED_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", get_rel_name(index))));
	if (!guard_api_may_see(IndexGetRelation(index, false)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for relation \"%s\"",
						get_rel_name(index)),
				 errdetail("Only the owner of the table and members of pg_read_all_stats may ask about its indexes.")));
}

static int
newest_first(const ListCell *a, const ListCell *b)
{
	TimestampTz at_a = ((GuardWhatIf *) lfirst(a))->at;
	TimestampTz at_b = ((GuardWhatIf *) lfirst(b))->at;

	return at_a > at_b ? -1 : at_a < at_b ? 1 : 0;
}

Datum
guard_sql_what_if(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *pairs;
	ListCell   *lc;

	require_index(PG_GETARG_OID(0));
	InitMaterializedSRF(fcinfo, 0);
	pairs = guard_whatif_lookup(PG_GETARG_OID(0));
	list_sort(pairs, newest_first);
	foreach(lc, pairs)
	{
		GuardWhatIf *pair = (GuardWhatIf *) lfirst(lc);
		Datum		values[WHAT_IF_COLUMNS];
		bool		nulls[WHAT_IF_COLUMNS] = {0};

		values[0] = Int64GetDatum(pair->queryid);
		values[1] = TimestampTzGetDatum(pair->at);
		values[2] = CStringGetTextDatum(role_names[pair->role]);
		values[3] = Float8GetDatum(pair->cost_with);
		values[4] = Float8GetDatum(pair->cost_without);
		values[5] = Float8GetDatum(pair->rows_with);
		values[6] = Float8GetDatum(pair->rows_without);
		values[7] = ObjectIdGetDatum(pair->takeover);
		nulls[7] = !OidIsValid(pair->takeover);
		values[8] = BoolGetDatum(pair->seqscan);
		values[9] = BoolGetDatum(pair->generic);
		values[10] = Float8GetDatum(pair->planning_ms);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
