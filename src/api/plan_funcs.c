/*-------------------------------------------------------------------------
 *
 * plan_funcs.c
 *	  SQL function guard.plan_statement: the plan of a statement of a profile.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"

#include "api/api.h"
#include "planner/planas/planas.h"

PG_FUNCTION_INFO_V1(guard_sql_plan_statement);

/*
 * guard.plan_statement(text, search_path, role): cost, plan and the indexes in
 * it, or why there is none.
 */
Datum
guard_sql_plan_statement(PG_FUNCTION_ARGS)
{
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *search_path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			role = get_role_oid(NameStr(*PG_GETARG_NAME(2)), false);
	GuardPlanasPlan plan = {0};
	GuardFailure failure;

	InitMaterializedSRF(fcinfo, 0);
	if (guard_planas_statement(query, search_path, role, &plan, &failure))
		guard_api_row((ReturnSetInfo *) fcinfo->resultinfo, P_FLOAT8(plan.cost),
					  P_TEXT(plan.text), P_TEXT(NULL), P_OIDS(plan.indexes));
	else
		guard_api_row((ReturnSetInfo *) fcinfo->resultinfo,
					  P_NULL_IF(true, P_FLOAT8(0)), P_TEXT(NULL),
					  P_TEXT(failure.message), P_OIDS(NIL));
	return (Datum) 0;
}
