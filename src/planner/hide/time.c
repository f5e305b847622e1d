/*-------------------------------------------------------------------------
 *
 * time.c
 *	  When indexes were hidden that are not any more.
 *
 * Nobody can use an index that is hidden, so of that time nothing can be
 * concluded: it neither ends a use nor makes an index cold.  What is hidden now
 * says so itself; of the past, guard.hidden_time keeps one row for each time
 * that an index was unhidden.  Where nobody hides, it is empty, and costs no
 * statement.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "planner/hide/hide.h"
#include "store/store.h"

/* guard.hidden_time */
#define TIME_INDEX_OID		1
#define TIME_TABLE_OID		2
#define TIME_INDEX_NAME		3
#define TIME_FROM			4
#define TIME_UNTIL			5

/* What a scan looks for, and what it has found. */
typedef struct Search
{
	Oid			index;			/* or InvalidOid: all of the table's */
	Oid			relation;		/* index or table */
	const char *name;
	bool		found;
	List	   *spans;			/* of GuardSpan * */
} Search;

/*
 * Does this row speak of this index?  As in inherited.c, by its name where
 * guard did not see how it was rebuilt.
 */
static bool
speaks_of(HeapTuple tuple, TupleDesc desc, const Search *search)
{
	bool		isnull;
	Oid			index = DatumGetObjectId(heap_getattr(tuple, TIME_INDEX_OID,
													  desc, &isnull));
	Name		name = DatumGetName(heap_getattr(tuple, TIME_INDEX_NAME, desc,
												 &isnull));

	if (index == search->index)
		return true;
	return search->name != NULL && strcmp(NameStr(*name), search->name) == 0 &&
		!OidIsValid(IndexGetRelation(index, true));
}

static bool
read_span(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Search	   *search = arg;
	GuardSpan  *span;
	bool		isnull;

	if (!speaks_of(tuple, desc, search))
		return true;
	span = palloc(sizeof(GuardSpan));
	span->from = DatumGetTimestampTz(heap_getattr(tuple, TIME_FROM, desc, &isnull));
	span->until = DatumGetTimestampTz(heap_getattr(tuple, TIME_UNTIL, desc, &isnull));
	search->spans = lappend(search->spans, span);
	return true;
}

static List *
spans_of(Oid index)
{
	Search		search = {.index = index, .name = get_rel_name(index)};
	Oid			table = IndexGetRelation(index, true);

	if (OidIsValid(table))
		guard_store_scan_surely("hidden_time", "hidden_time_table_oid_idx",
								TIME_TABLE_OID, table, read_span, &search);
	return search.spans;
}

List *
guard_hide_past(Oid index)
{
	List	   *spans = spans_of(index);
	ListCell   *lc;

	if (get_rel_relispartition(index))
	{
		foreach(lc, get_partition_ancestors(index))
			spans = list_concat(spans, spans_of(lfirst_oid(lc)));
	}
	return spans;
}

static bool
find_mention(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Search	   *search = arg;
	bool		isnull;

	search->found =
		DatumGetObjectId(heap_getattr(tuple, TIME_INDEX_OID, desc, &isnull)) == search->relation ||
		DatumGetObjectId(heap_getattr(tuple, TIME_TABLE_OID, desc, &isnull)) == search->relation;
	return !search->found;
}

static bool
is_mentioned(Oid relation)
{
	Search		search = {.relation = relation};

	(void) guard_store_scan("hidden_time", NULL, 0, InvalidOid, find_mention,
							&search);
	return search.found;
}

void
guard_hide_rebuilt(Oid old, Oid successor)
{
	Oid			types[] = {OIDOID, OIDOID};
	Datum		values[] = {ObjectIdGetDatum(old), ObjectIdGetDatum(successor)};

	if (is_mentioned(old))
		guard_store_execute("UPDATE guard.hidden_time SET index_oid = $2"
							" WHERE index_oid OPERATOR(pg_catalog.=) $1",
							2, types, values, NULL);
}

void
guard_hide_forget_past(Oid relation)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(relation)};

	if (is_mentioned(relation))
		guard_store_execute("DELETE FROM guard.hidden_time"
							" WHERE index_oid OPERATOR(pg_catalog.=) $1"
							" OR table_oid OPERATOR(pg_catalog.=) $1",
							1, types, values, NULL);
}
