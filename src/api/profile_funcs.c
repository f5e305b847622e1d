/*-------------------------------------------------------------------------
 *
 * profile_funcs.c
 *	  SQL function guard.captured_statements: what a profile takes from
 *	  shared memory.
 *
 * Everything else of a profile is SQL (src/sql/70_profile.sql).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"

#include "api/api.h"
#include "compat/list.h"
#include "planner/capture/capture.h"

PG_FUNCTION_INFO_V1(guard_sql_captured_statements);

/*
 * guard.captured_statements(): which statements used which relations.
 */
Datum
guard_sql_captured_statements(PG_FUNCTION_ARGS)
{
	List	   *relations = NIL;

	InitMaterializedSRF(fcinfo, 0);
	if (!guard_api_may_see_texts())
		return (Datum) 0;
	foreach_ptr(GuardCapturedUse, use, guard_capture_relations(false))
		relations = lappend_oid(relations, use->relation);
	foreach_ptr(GuardCapturedStatement, statement,
				guard_capture_statements(relations, NULL))
		guard_api_row((ReturnSetInfo *) fcinfo->resultinfo,
					  P_OID(statement->relation), P_INT8(statement->queryid),
					  P_INT8(statement->count), P_TIME(statement->first),
					  P_TIME(statement->last));
	return (Datum) 0;
}
