/*-------------------------------------------------------------------------
 *
 * index_funcs.c
 *	  The view guard.indexes: what a DBA may drop, and what not.
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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/api.h"
#include "planner/hide/hide.h"
#include "policy/sentence.h"
#include "store/text.h"

PG_FUNCTION_INFO_V1(guard_sql_indexes);

#define INDEXES_COLUMNS		16

/* An index of pg_index, by its table. */
typedef struct TableIndex
{
	Oid			table;
	Oid			index;
} TableIndex;

/*
 * Size of an index and its partitions' in bytes; -1 when it is locked.
 */
static int64
size_of(const GuardTarget *target)
{
	int64		size = 0;
	ListCell   *lc;

	foreach(lc, target->members)
	{
		Oid			index = lfirst_oid(lc);
		Relation	rel;

		if (!ConditionalLockRelationOid(index, AccessShareLock))
			return -1;
		rel = try_relation_open(index, NoLock);
		if (rel != NULL)
		{
			if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
				size += (int64) RelationGetNumberOfBlocks(rel) * BLCKSZ;
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
	ListCell   *lv;
	ListCell   *lc;

	*last = 0;
	*scans = 0;
	*services = NULL;
	foreach(lv, judgement->verdicts)
	{
		const GuardEvidence *evidence = ((GuardVerdict *) lfirst(lv))->evidence;

		foreach(lc, evidence->facts)
		{
			const GuardFact *fact = lfirst(lc);

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
 * A relation's name as text, null where there is none.
 */
static void
put_name(Oid relation, Datum *value, bool *isnull)
{
	char	   *name = OidIsValid(relation) ? get_rel_name(relation) : NULL;

	*isnull = name == NULL;
	if (name != NULL)
		*value = CStringGetTextDatum(quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
																name));
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
put_index(GuardJudgement *judgement, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardEvidence *evidence = verdict->evidence;
	Datum		values[INDEXES_COLUMNS] = {0};
	bool		nulls[INDEXES_COLUMNS] = {0};
	TimestampTz last;
	int64		scans;
	const char *services;
	int64		size = size_of(judgement->target);
	double		days = (evidence->as_of - evidence->server->counters_since) /
		(double) USECS_PER_DAY;

	sum_use(judgement, &last, &scans, &services);
	guard_check_predict(judgement);
	values[0] = CStringGetTextDatum(judgement->shape->schema);
	values[1] = CStringGetTextDatum(judgement->shape->table_name);
	values[2] = CStringGetTextDatum(judgement->shape->name);
	values[3] = CStringGetTextDatum(guard_verdict_decision_name(verdict->decision));
	values[4] = CStringGetTextDatum(guard_verdict_reason_name(verdict->reason));
	values[5] = CStringGetTextDatum(guard_text_valid(guard_sentence_verdict(judgement)));
	put_name(judgement->keep_instead, &values[6], &nulls[6]);
	put_name(redundant_with(verdict), &values[7], &nulls[7]);
	values[8] = TimestampTzGetDatum(last);
	nulls[8] = last == 0;
	values[9] = Float8GetDatum(days > 0 ? scans / days : 0);
	nulls[9] = days <= 0 || !pgstat_track_counts;
	nulls[10] = judgement->load == NULL;
	if (judgement->load != NULL)
		values[10] = Float8GetDatum(judgement->load->busy_expected);
	values[11] = Int64GetDatum(size);
	nulls[11] = size < 0;
	nulls[12] = services == NULL;
	if (services != NULL)
		values[12] = CStringGetTextDatum(services);
	values[13] = BoolGetDatum(evidence->protection.found);
	values[14] = BoolGetDatum(guard_hide_is_hidden(judgement->target->index));
	values[15] = ObjectIdGetDatum(judgement->target->index);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static int
by_table(const void *a, const void *b)
{
	const TableIndex *ia = a;
	const TableIndex *ib = b;

	if (ia->table != ib->table)
		return ia->table < ib->table ? -1 : 1;
	return ia->index < ib->index ? -1 : ia->index > ib->index;
}

/*
 * All indexes of user tables, in the order of their tables.
 */
static TableIndex *
all_indexes(int *n)
{
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(pg_index, InvalidOid, false, NULL, 0, NULL);
	int			max = 256;
	TableIndex *indexes = palloc(max * sizeof(TableIndex));
	HeapTuple	tuple;

	*n = 0;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		if (form->indexrelid < FirstNormalObjectId)
			continue;
		if (*n == max)
			indexes = repalloc(indexes, (max *= 2) * sizeof(TableIndex));
		indexes[*n].table = form->indrelid;
		indexes[(*n)++].index = form->indexrelid;
	}
	systable_endscan(scan);
	table_close(pg_index, AccessShareLock);
	qsort(indexes, *n, sizeof(TableIndex), by_table);
	return indexes;
}

/*
 * The rows of one table, whose indexes are the first n of the array.  Those
 * of a partition go with their parent's.
 */
static void
put_table(const TableIndex *indexes, int n, const GuardServer *server,
		  guard_api_put put, void *arg)
{
	List	   *targets = NIL;
	ListCell   *lc;

	if (!guard_api_may_see(indexes[0].table))
		return;
	for (int i = 0; i < n; i++)
	{
		GuardTarget *target;

		if (get_rel_relispartition(indexes[i].index))
			continue;
		target = guard_api_target(indexes[i].index);
		if (target != NULL)
			targets = lappend(targets, target);
	}
	foreach(lc, guard_check_together(targets, server))
		put(lfirst(lc), arg);
}

void
guard_api_each_index(guard_api_put put, void *arg)
{
	GuardServer *server = guard_server_read();
	MemoryContext context;
	TableIndex *indexes;
	int			n;
	int			next;

	context = AllocSetContextCreate(CurrentMemoryContext, "guard check",
									ALLOCSET_DEFAULT_SIZES);
	indexes = all_indexes(&n);
	for (int i = 0; i < n; i = next)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		for (next = i + 1; next < n && indexes[next].table == indexes[i].table;)
			next++;
		put_table(&indexes[i], next - i, server, put, arg);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
}

/*
 * The view guard.indexes: every index that the caller may see.
 */
Datum
guard_sql_indexes(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	guard_api_each_index(put_index, fcinfo->resultinfo);
	return (Datum) 0;
}
