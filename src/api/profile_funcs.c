/*-------------------------------------------------------------------------
 *
 * profile_funcs.c
 *	  What a profile takes from shared memory, from pages, and from all that is
 *	  known, as SQL functions: guard.captured_statements, guard.index_height,
 *	  guard.captured_evidence, guard.captured_parameters.
 *
 * Everything else of a profile is SQL (src/sql/70_profile.sql).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/relation.h"
#include "catalog/pg_am.h"
#include "funcapi.h"

#include "api/api.h"
#include "planner/capture/capture.h"
#include "planner/whatif/positions.h"
#include "policy/sentence.h"

PG_FUNCTION_INFO_V1(guard_sql_captured_statements);
PG_FUNCTION_INFO_V1(guard_sql_index_height);
PG_FUNCTION_INFO_V1(guard_sql_captured_evidence);
PG_FUNCTION_INFO_V1(guard_sql_captured_parameters);

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

/*
 * Of those of a table that are not partitioned themselves.
 */
static void
put_evidence(List *indexes, const GuardServer *server, ReturnSetInfo *rsinfo)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "guard evidence",
												  ALLOCSET_DEFAULT_SIZES);

	foreach_oid(index, indexes)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		GuardTarget *target = get_rel_relkind(index) == RELKIND_INDEX ?
			guard_targets_make(index, GUARD_ROUTE_INDEX, NULL) : NULL;
		GuardEvidence *evidence = NULL;

		if (target != NULL)
		{
			target->table_goes = true;
			evidence = guard_evidence_collect(target, index, NULL, server);
		}
		if (evidence != NULL)
			guard_api_row(rsinfo, P_OID(index), P_JSONB(guard_facts_for_profile(evidence)));
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
}

/*
 * guard.captured_evidence(): what is known of the use of each index that is not
 * partitioned itself, and of its table, were it to go.
 */
Datum
guard_sql_captured_evidence(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	if (guard_api_may_see_texts())
		guard_api_each_table(put_evidence, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}

static GuardParam
counters(const uint16 * counts, int n)
{
	Datum	   *elements = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elements[i] = Int32GetDatum(counts[i]);
	return guard_param_array(INT4OID, elements, NULL, n);
}

static void
put_position(GuardPosition *position, void *rsinfo)
{
	const GuardParameter *about = &position->about;
	char		role[] = {about->role, '\0'};
	char		measure[] = {position->measure, '\0'};
	int			n = about->number == 0 ? GUARD_POSITION_MARKS :
		Min(position->marked, GUARD_POSITION_MARKS);
	Datum		marks[GUARD_POSITION_MARKS];
	List	   *matches = NIL;

	for (int i = 0; i < n; i++)
		marks[i] = Float8GetDatum(position->marks[i]);
	for (int i = 0; i < GUARD_POSITION_MATCHES; i++)
	{
		if (position->matches[i / BITS_PER_BYTE] >> i % BITS_PER_BYTE & 1)
			matches = lappend_int(matches, i + 1);
	}
	guard_api_row(rsinfo, P_INT8(position->head.queryid), P_INT4(about->number),
				  P_TEXT(role), P_OID(about->type), P_OID(about->relation),
				  P_INT4(about->column), P_OID(about->operator),
				  P_INT4(position->samples), P_INT4(position->nulls),
				  P_INT4(position->none),
				  counters(position->common, GUARD_POSITION_COMMON),
				  counters(position->deciles, GUARD_POSITION_DECILES),
				  P_FLOAT8(guard_positions_distinct(position)), P_TEXT(measure),
				  guard_param_array(FLOAT8OID, marks, NULL, n), P_INT4S(matches));
}

/*
 * guard.captured_parameters(): where the values of statements' parameters lie.
 */
Datum
guard_sql_captured_parameters(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	if (guard_api_may_see_texts())
		guard_positions_each(put_position, fcinfo->resultinfo);
	return (Datum) 0;
}
