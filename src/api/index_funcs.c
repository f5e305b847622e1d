/*-------------------------------------------------------------------------
 *
 * index_funcs.c
 *	  The views guard.indexes and guard.index_facts: what a DBA may drop, and
 *	  what not; and of guard.dependencies what is known.
 *
 * Indexes are judged table by table, since those that serve in place of each
 * other are on one table: the rows with verdict "allow" can be dropped all
 * together.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "funcapi.h"
#include "storage/bufmgr.h"

#include "api/api.h"
#include "planner/hide/hide.h"
#include "planner/planner.h"
#include "policy/sentence.h"

PG_FUNCTION_INFO_V1(guard_sql_indexes);

/*
 * Size of an index and its partitions' in bytes; -1 when it is locked.
 */
static int64
size_of(const GuardTarget *target)
{
	int64		size = 0;

	foreach_oid(index, target->members)
	{
		Relation	rel;

		if (!ConditionalLockRelationOid(index, AccessShareLock))
			return -1;
		rel = try_relation_open(index, NoLock);
		if (rel != NULL)
		{
			size += (int64) guard_evidence_blocks(rel) * BLCKSZ;
			relation_close(rel, NoLock);
		}
		UnlockRelationOid(index, AccessShareLock);
	}
	return size;
}

/*
 * Scans, latest use and services, summed up over a target's members.
 */
static void
sum_use(const GuardJudgement *judgement, TimestampTz *last, int64 *scans,
		const char **services)
{
	*last = 0;
	*scans = 0;
	*services = NULL;
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		const GuardEvidence *evidence = verdict->evidence;

		foreach_ptr(GuardFact, fact, evidence->facts)
		{
			if (fact->source == GUARD_SOURCE_COUNTERS && !fact->of_table)
				*scans += fact->count;
			if (fact->seen == GUARD_SEEN_USED)
				*last = Max(*last, fact->last);
			if (fact->who != NULL)
				*services = fact->who;
		}
	}
}

/*
 * The index that serves in its place, used or not.
 */
static Oid
redundant_with(const GuardVerdict *verdict)
{
	const GuardReplacement *replacement = &verdict->evidence->replacement;

	return replacement->usable &&
		(replacement->match > GUARD_MATCH_PLAN ||
		 verdict->reason == GUARD_REASON_REPLACED) ?
		replacement->index : InvalidOid;
}

static void
put_index(GuardJudgement *judgement, ReturnSetInfo *rsinfo)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardEvidence *evidence = verdict->evidence;
	TimestampTz last;
	int64		scans;
	const char *services;
	int64		size = size_of(judgement->target);
	double		days = (evidence->as_of - evidence->server->counters_since) /
		(double) USECS_PER_DAY;

	sum_use(judgement, &last, &scans, &services);
	guard_check_predict(judgement);
	guard_api_row(rsinfo, P_TEXT(judgement->shape->schema),
				  P_TEXT(judgement->shape->table_name),
				  P_TEXT(judgement->shape->name),
				  P_TEXT(guard_verdict_decision_name(verdict->decision)),
				  P_TEXT(guard_verdict_reason_name(verdict->reason)),
				  P_TEXT(guard_text_valid(guard_sentence_verdict(judgement))),
				  P_TEXT(guard_catalog_name(guard_without_topmost(judgement->keep_instead))),
				  P_TEXT(guard_catalog_name(guard_without_topmost(redundant_with(verdict)))),
				  P_TIME(last),
				  P_NULL_IF(days <= 0 || !pgstat_track_counts,
							P_FLOAT8(days > 0 ? scans / days : 0)),
				  P_NULL_IF(judgement->load == NULL,
							P_FLOAT8(judgement->load == NULL ? 0 : judgement->load->busy_expected)),
				  P_NULL_IF(size < 0, P_INT8(size)),
				  P_TEXT(services), P_BOOL(evidence->protection.found),
				  P_BOOL(guard_hide_is_hidden(judgement->target->index)),
				  P_OID(judgement->target->index),
				  P_JSONB(guard_api_services(judgement)));
}

/*
 * The rows of one table and its partitions, whose indexes may serve in place of
 * each other.  Those of a partition's index go with its parent's.
 */
static void
put_table(List *indexes, const GuardServer *server, ReturnSetInfo *rsinfo)
{
	List	   *targets = NIL;

	foreach_oid(index, indexes)
	{
		GuardTarget *target = get_rel_relispartition(index) ||
			!guard_api_may_see(guard_catalog_table(index)) ? NULL :
			guard_api_target(index);

		if (target != NULL)
			targets = lappend(targets, target);
	}
	foreach_ptr(GuardJudgement, judgement, guard_check_drop_list(targets, server))
		put_index(judgement, rsinfo);
}

/*
 * All indexes, table by table, partitions along with what they are partitions
 * of.
 */
void
guard_api_each_table(guard_api_put put, ReturnSetInfo *rsinfo)
{
	MemoryContext whole = AllocSetContextCreate(CurrentMemoryContext, "guard list",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(whole);
	MemoryContext context = AllocSetContextCreate(whole, "guard check",
												  ALLOCSET_DEFAULT_SIZES);
	GuardServer *server = guard_server_read();
	GuardRows  *tables = guard_query_server("SELECT array_agg(indexrelid ORDER BY indrelid, indexrelid)"
											" FROM pg_index WHERE indexrelid >= $1"
											" GROUP BY COALESCE(pg_partition_root(indrelid), indrelid)"
											" ORDER BY COALESCE(pg_partition_root(indrelid), indrelid)",
											P_OID(FirstNormalObjectId));

	guard_rows_remember_empty();
	while (guard_rows_next(tables))
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		guard_shape_remember();
		put(guard_rows_list(tables, 1), server, rsinfo);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(whole);
}

/*
 * The rows of three views: every index that the caller may see.
 */
Datum
guard_sql_indexes(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	guard_api_each_table(put_table, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}
