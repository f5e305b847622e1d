/*-------------------------------------------------------------------------
 *
 * inherited.c
 *	  The heir inherits: use of an index that another one took over.
 *
 * Of two twins the planner uses one, and the other looks idle.  Dropping the
 * used one is right, since the idle one serves in its place - but then the
 * idle one must not look idle any more, or dropping twin after twin removes
 * both (doc/internals/review.md 2).  So what was known of the dropped
 * index is written down for its replacement, and counts as the replacement's
 * own until it would have stopped counting anyway.
 *
 * It is kept in a table, not in shared memory: it must be undone with the
 * transaction, and outlive a restart.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "evidence/evidence.h"
#include "guc.h"
#include "store/store.h"

/* guard.inherited_use */
#define INHERITED_INDEX_OID		1
#define INHERITED_TABLE_OID		2
#define INHERITED_FROM_INDEX	3
#define INHERITED_FIRST_USE		4
#define INHERITED_LAST_USE		5
#define INHERITED_USES			6
#define INHERITED_PAUSE			7
#define INHERITED_SERVICES		8
#define INHERITED_AT			9
#define INHERITED_SINCE			10
#define INHERITED_ARBITER		11
#define INHERITED_INDEX_NAME	12
#define INHERITED_DAYS			13

/*
 * When the last use was.  One without a date happened at the latest when it
 * was inherited, and stops counting when that is long ago.
 */
static void
read_last_use(HeapTuple tuple, TupleDesc desc, GuardFact *fact)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, INHERITED_LAST_USE, desc, &isnull);

	if (!isnull)
	{
		fact->last = DatumGetTimestampTz(value);
		return;
	}
	if (GetCurrentTimestamp() - fact->inherited_at >=
		(int64) guard_guc_lookback * USECS_PER_SEC)
		fact->last = fact->inherited_at;
	value = heap_getattr(tuple, INHERITED_SINCE, desc, &isnull);
	if (!isnull)
		fact->since = DatumGetTimestampTz(value);
}

/*
 * Does this row of the table speak of this index?  REINDEX CONCURRENTLY in a
 * session that has not loaded guard gives an index another OID unseen; its
 * name still leads to it (doc/internals/postgresql.md 3.9).
 */
static bool
speaks_of(HeapTuple tuple, TupleDesc desc, const GuardEvidence *evidence)
{
	bool		isnull;
	Oid			index = DatumGetObjectId(heap_getattr(tuple, INHERITED_INDEX_OID,
													  desc, &isnull));
	Name		name = DatumGetName(heap_getattr(tuple, INHERITED_INDEX_NAME,
												 desc, &isnull));

	if (index == evidence->index)
		return true;
	return !OidIsValid(IndexGetRelation(index, true)) &&
		strcmp(NameStr(*name), evidence->shape->name) == 0;
}

static bool
read_inherited(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardEvidence *evidence = arg;
	GuardFact  *fact;
	bool		isnull;
	Datum		value;

	if (!speaks_of(tuple, desc, evidence))
		return true;

	fact = palloc0(sizeof(GuardFact));
	fact->source = GUARD_SOURCE_INHERITED;
	fact->seen = GUARD_SEEN_USED;
	value = heap_getattr(tuple, INHERITED_FROM_INDEX, desc, &isnull);
	fact->note = isnull ? "before it was rebuilt" :
		psprintf("as index %s, which it replaced", TextDatumGetCString(value));
	value = heap_getattr(tuple, INHERITED_FIRST_USE, desc, &isnull);
	if (!isnull)
		fact->first = DatumGetTimestampTz(value);
	fact->inherited_at =
		DatumGetTimestampTz(heap_getattr(tuple, INHERITED_AT, desc, &isnull));
	read_last_use(tuple, desc, fact);
	fact->count = DatumGetInt64(heap_getattr(tuple, INHERITED_USES, desc,
											 &isnull));
	value = heap_getattr(tuple, INHERITED_PAUSE, desc, &isnull);
	fact->pause = isnull ? -1 : DatumGetInt64(value);
	fact->days = DatumGetInt32(heap_getattr(tuple, INHERITED_DAYS, desc,
											&isnull));
	value = heap_getattr(tuple, INHERITED_SERVICES, desc, &isnull);
	if (!isnull)
		fact->who = TextDatumGetCString(value);
	value = heap_getattr(tuple, INHERITED_ARBITER, desc, &isnull);
	if (!isnull)
		evidence->last_arbiter = Max(evidence->last_arbiter,
									 DatumGetTimestampTz(value));
	evidence->facts = lappend(evidence->facts, fact);
	return true;
}

/*
 * Not to know whether an idle index is a hot one's heir is not to be able to
 * judge.
 */
void
guard_inherited_collect(GuardEvidence *evidence)
{
	guard_store_scan_surely("inherited_use", "inherited_use_table_oid_idx",
							INHERITED_TABLE_OID, evidence->shape->table,
							read_inherited, evidence);
}

/*
 * Merge the uses of the dropped index that are dated, or that are not, into
 * one fact.  Capture and counters saw the same scans, so counts are not added
 * up.  Returns whether there was any.
 */
static bool
merge_uses(const GuardEvidence *gone, bool dated, GuardFact *merged)
{
	bool		found = false;
	ListCell   *lc;

	memset(merged, 0, sizeof(*merged));
	merged->pause = -1;
	foreach(lc, gone->facts)
	{
		GuardFact  *fact = lfirst(lc);

		if (fact->seen != GUARD_SEEN_USED || fact->of_table ||
			(fact->last != 0) != dated)
			continue;
		found = true;
		merged->last = Max(merged->last, fact->last);
		merged->count = Max(merged->count, Max(fact->count, fact->known_uses));
		merged->pause = Max(merged->pause, fact->pause);
		merged->days = Max(merged->days, fact->days);
		if (fact->first != 0 && (merged->first == 0 || fact->first < merged->first))
			merged->first = fact->first;
		if (fact->since != 0 && (merged->since == 0 || fact->since < merged->since))
			merged->since = fact->since;
		if (merged->who == NULL)
			merged->who = fact->who;
	}
	return found;
}

static void
write_row(Oid heir, const char *from, const GuardFact *use,
		  TimestampTz last_arbiter)
{
	Oid			types[] = {OIDOID, OIDOID, TEXTOID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	NAMEOID, INT4OID};
	Datum		values[12];
	char		nulls[13] = "            ";
	NameData	name;

	namestrcpy(&name, get_rel_name(heir));
	values[0] = ObjectIdGetDatum(heir);
	values[1] = ObjectIdGetDatum(IndexGetRelation(heir, false));
	values[2] = from != NULL ? CStringGetTextDatum(from) : (Datum) 0;
	values[3] = TimestampTzGetDatum(use->first);
	values[4] = TimestampTzGetDatum(use->last);
	values[5] = Int64GetDatum(use->count);
	values[6] = Int64GetDatum(use->pause);
	values[7] = use->who != NULL ? CStringGetTextDatum(use->who) : (Datum) 0;
	values[8] = TimestampTzGetDatum(use->since);
	values[9] = TimestampTzGetDatum(last_arbiter);
	values[10] = NameGetDatum(&name);
	values[11] = Int32GetDatum(use->days);
	nulls[2] = from == NULL ? 'n' : ' ';
	nulls[3] = use->first == 0 ? 'n' : ' ';
	nulls[4] = use->last == 0 ? 'n' : ' ';
	nulls[6] = use->pause < 0 ? 'n' : ' ';
	nulls[7] = use->who == NULL ? 'n' : ' ';
	nulls[8] = use->since == 0 ? 'n' : ' ';
	nulls[9] = last_arbiter == 0 ? 'n' : ' ';
	guard_store_execute("INSERT INTO guard.inherited_use"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp(), $9, $10, $11, $12)",
						12, types, values, nulls);
}

/*
 * Write down what was known of the use of a dropped index, what it had itself
 * inherited included.
 */
void
guard_inherited_record(const GuardEvidence *gone, Oid heir)
{
	char	   *heir_name = get_rel_name(heir);
	char	   *from = NULL;
	GuardFact	merged;

	if (heir_name == NULL)
		return;
	if (strcmp(heir_name, gone->shape->name) != 0)
		from = quote_qualified_identifier(gone->shape->schema, gone->shape->name);
	if (merge_uses(gone, true, &merged))
		write_row(heir, from, &merged, gone->last_arbiter);
	if (merge_uses(gone, false, &merged))
		write_row(heir, from, &merged, gone->last_arbiter);
}
