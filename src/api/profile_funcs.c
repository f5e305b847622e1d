/*-------------------------------------------------------------------------
 *
 * profile_funcs.c
 *	  What a profile takes from shared memory and from pages, as SQL functions:
 *	  guard.captured_statements, guard.index_height.
 *
 * Everything else of a profile is SQL (src/sql/70_profile.sql).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

#include "api/api.h"
#include "compat/list.h"
#include "planner/capture/capture.h"

PG_FUNCTION_INFO_V1(guard_sql_captured_statements);
PG_FUNCTION_INFO_V1(guard_sql_index_height);

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

/*
 * guard.index_height(): the levels of a B-tree above its leaves.
 */
Datum
guard_sql_index_height(PG_FUNCTION_ARGS)
{
	Oid			index = PG_GETARG_OID(0);
	Relation	rel;
	int			height = -1;

	if (!ConditionalLockRelationOid(index, AccessShareLock))
		PG_RETURN_NULL();
	rel = try_relation_open(index, NoLock);
	if (rel != NULL && rel->rd_rel->relkind == RELKIND_INDEX &&
		rel->rd_rel->relam == BTREE_AM_OID && rel->rd_index->indisvalid)
		height = _bt_getrootheight(rel);
	if (rel != NULL)
		relation_close(rel, NoLock);
	UnlockRelationOid(index, AccessShareLock);
	if (height < 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(height);
}
