/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  An index on an expression, whose statistics hold an estimate.
 *
 * ANALYZE gathers statistics of the expressions of an index, and the planner
 * goes by them whether or not it reads the index (doc/internals/postgresql.md
 * 2.7).  Statements are planned badly without them, so that is a use like any
 * other; CREATE STATISTICS on the same expression serves as well, once there are
 * any.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_statistic_ext_data.h"

#include "evidence/needs/needs.h"
#include "store/store.h"

/* An estimate without the index that is off by less than this does no harm. */
#define ESTIMATE_FACTOR	10.0

/*
 * The expressions of a statistics object.
 */
static List *
expressions_of(const GuardRows *rows)
{
	char	   *expressions = guard_rows_text(rows, Anum_pg_statistic_ext_stxexprs);

	return expressions == NULL ? NIL : castNode(List, stringToNode(expressions));
}

/*
 * Has it been analyzed?
 */
static bool
has_data(Oid statistics)
{
	for (int inherit = 0; inherit <= 1; inherit++)
	{
		HeapTuple	data = SearchSysCache2(STATEXTDATASTXOID,
										   ObjectIdGetDatum(statistics),
										   BoolGetDatum(inherit));
		bool		found = HeapTupleIsValid(data) &&
			!heap_attisnull(data, Anum_pg_statistic_ext_data_stxdexpr, NULL);

		if (HeapTupleIsValid(data))
			ReleaseSysCache(data);
		if (found)
			return true;
	}
	return false;
}

/*
 * Are there statistics of the expression that no index has to hold?
 */
static bool
has_statistics(Oid table, Node *expression)
{
	GuardRows  *rows = guard_rows_of_catalog(StatisticExtRelationId, StatisticExtRelidIndexId,
											 P_OID(table));
	bool		found = false;

	while (!found && guard_rows_next(rows))
		found = list_member(expressions_of(rows), expression) &&
			has_data(guard_rows_oid(rows, Anum_pg_statistic_ext_oid));
	guard_rows_end(rows);
	return found;
}

/*
 * Of each of its expressions?
 */
static bool
is_spared(const GuardShape *shape)
{
	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i].attnum == 0 &&
			!has_statistics(shape->table, shape->keys[i].expression))
			return false;
	}
	return true;
}

/*
 * Has ANALYZE gathered any of it?
 */
static bool
is_analyzed(const GuardShape *shape, int key)
{
	return SearchSysCacheExists3(STATRELATTINH, ObjectIdGetDatum(shape->index),
								 Int16GetDatum(key + 1), BoolGetDatum(false));
}

const char *
guard_needs_statistics(const GuardShape *shape)
{
	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i].attnum == 0 && shape->keys[i].expression_text != NULL &&
			is_analyzed(shape, i) &&
			!has_statistics(shape->table, shape->keys[i].expression))
			return shape->keys[i].expression_text;
	}
	return NULL;
}

static void
collect(GuardEvidence *evidence, const GuardNeedKind *kind)
{
	TimestampTz oldest = evidence->as_of -
		(int64) guard_guc_lookback * USECS_PER_SEC;
	bool		found = false;

	foreach_ptr(GuardWhatIf, pair, guard_whatif_lookup(evidence->index))
	{
		double		rows_with = Max(pair->rows_with, 1);
		double		rows_without = Max(pair->rows_without, 1);

		if (pair->role == GUARD_WHATIF_ESTIMATE &&
			Max(rows_with, rows_without) >=
			Min(rows_with, rows_without) * ESTIMATE_FACTOR &&
			!is_spared(evidence->shape))
		{
			if (!pair->together)
				guard_needs_add_reliance(evidence, kind, pair);
			else if (pair->at >= oldest && !found)
			{
				guard_needs_add(evidence, kind, NULL);
				found = true;
			}
		}
	}
}

/*
 * Where any of several will do: one with the same expressions.
 */
static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	for (int i = 0; i < evidence->shape->nkeys; i++)
	{
		bool		found = evidence->shape->keys[i].attnum != 0;

		for (int j = 0; j < other->nkeys && !found; j++)
			found = other->keys[j].attnum == 0 &&
				equal(evidence->shape->keys[i].expression, other->keys[j].expression);
		if (!found)
			return false;
	}
	return true;
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return pstrdup(need == NULL ? "they would be estimated otherwise without its statistics" :
				   "statements would be estimated otherwise without its statistics");
}

const GuardNeedKind guard_need_statistics = {
	.name = "statistics",
	.reason = GUARD_NEED_NO_REASON,
	.collect = collect,
	.serves = serves,
	.sentence = sentence
};
