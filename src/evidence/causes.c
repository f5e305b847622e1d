/*-------------------------------------------------------------------------
 *
 * causes.c
 *	  What made a use: the foreign keys that check by an index.
 *
 * Capture tells checks by the columns that they compare; which keys compare
 * these is asked of the catalogs, as they are now.  So a check counts as long as
 * its key is there.  It does not where the statement that is judged takes that
 * key along, and what a transaction drops later is seen when it ends.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"

#include "evidence/evidence.h"
#include "planner/capture/capture.h"
#include "planner/planner.h"
#include "store/store.h"

/* How many keys a message names before it says "and N others". */
#define KEYS_NAMED	3

/*
 * What hangs on a table: its own constraints, and the foreign keys of others
 * that refer to its columns.  OIDs, some of them twice.
 */
static List *
constraints_of(Oid table)
{
	List	   *constraints = NIL;
	GuardRows  *rows = guard_rows_of_catalog(DependRelationId, DependReferenceIndexId,
											 P_OID(RelationRelationId), P_OID(table));

	while (guard_rows_next(rows))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(rows->tuple);

		if (row->classid == ConstraintRelationId)
			constraints = list_append_unique_oid(constraints, row->objid);
	}
	return constraints;
}

static uint64
bits_of(const AttrNumber *columns, int n)
{
	uint64		fkey = 0;

	for (int i = 0; i < n; i++)
		fkey |= guard_capture_fkey(columns[i]);
	return fkey;
}

/*
 * Does this key check by these columns of the table?  Where it is not known by
 * which, by any that the index has.
 */
static bool
compares(HeapTuple tuple, Oid table, uint64 fkey, uint64 has)
{
	Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);
	AttrNumber	own[INDEX_MAX_KEYS];
	AttrNumber	referred[INDEX_MAX_KEYS];
	Oid			unused[3][INDEX_MAX_KEYS];
	AttrNumber	deleted[INDEX_MAX_KEYS];
	int			ndeleted;
	uint64		sides[2] = {0};
	int			n;

	if (constraint->contype != CONSTRAINT_FOREIGN)
		return false;
	DeconstructFkConstraintRow(tuple, &n, own, referred, unused[0], unused[1],
							   unused[2], &ndeleted, deleted);
	if (constraint->conrelid == table)
		sides[0] = bits_of(own, n);
	if (constraint->confrelid == table)
		sides[1] = bits_of(referred, n);
	return fkey == GUARD_FKEY_ANY ? ((sides[0] | sides[1]) & has) != 0 :
		sides[0] == fkey || sides[1] == fkey;
}

static uint64
columns_of(const GuardShape *shape)
{
	uint64		fkey = 0;

	for (int i = 0; i < shape->nkeys; i++)
		fkey |= guard_capture_fkey(shape->keys[i].attnum);
	return fkey;
}

bool
guard_causes_has(const GuardShape *shape, uint64 fkey)
{
	return fkey == GUARD_FKEY_ANY || (fkey & ~columns_of(shape)) == 0;
}

char *
guard_causes_keys(const GuardShape *shape, uint64 fkey, List *going)
{
	StringInfoData names;
	int			n = 0;

	initStringInfo(&names);
	foreach_oid(each, constraints_of(shape->table))
	{
		HeapTuple	tuple = list_member_oid(going, each) ? NULL :
			SearchSysCache1(CONSTROID, ObjectIdGetDatum(each));

		if (!HeapTupleIsValid(tuple))
			continue;
		if (compares(tuple, shape->table, fkey, columns_of(shape)) && n++ < KEYS_NAMED)
			appendStringInfo(&names, "%s%s", n > 1 ? ", " : "",
							 quote_identifier(NameStr(((Form_pg_constraint) GETSTRUCT(tuple))->conname)));
		ReleaseSysCache(tuple);
	}
	if (n > KEYS_NAMED)
		appendStringInfo(&names, " and %d %s", n - KEYS_NAMED,
						 n == KEYS_NAMED + 1 ? "other" : "others");
	return n == 0 ? NULL : names.data;
}

void
guard_causes_fill(const GuardEvidence *evidence, GuardFact *fact)
{
	if (fact->fkey == 0)
		return;
	fact->keys = guard_causes_keys(evidence->shape, fact->fkey,
								   evidence->target != NULL ? evidence->target->keys : NIL);
	fact->key_gone = fact->keys == NULL || evidence->asked.whole_table;
}

/*
 * A need of this index, or a check by these columns, as a fact that has all but
 * its use.
 * A table takes its keys along, on either side: nothing checks one that is gone.
 */
GuardFact *
guard_causes_add(GuardEvidence *evidence, GuardSource source, uint64 fkey)
{
	GuardFact  *fact = palloc0(sizeof(GuardFact));

	fact->source = source;
	fact->seen = GUARD_SEEN_USED;
	fact->pause = -1;
	fact->way = guard_capture_way(fkey);
	fact->fkey = fact->way == GUARD_WAY_READ ? fkey : 0;
	guard_causes_fill(evidence, fact);
	evidence->facts = lappend(evidence->facts, fact);
	return fact;
}

/*
 * What capture saw of checks and needs; of relations other than the index, of
 * needs alone.
 */
static void
collect_of(GuardEvidence *evidence, Oid relation)
{
	foreach_ptr(GuardCapturedUse, use, guard_capture_checks(relation))
	{
		GuardFact  *fact;

		if (use->last == 0 ||
			(relation != evidence->index &&
			 guard_capture_way(use->fkey) == GUARD_WAY_READ))
			continue;
		fact = guard_causes_add(evidence, GUARD_SOURCE_CAPTURE, use->fkey);
		fact->since = evidence->server->capture_since;
		fact->first = use->first;
		fact->last = use->last;
		fact->count = use->count;
		fact->rate = use->rate;
		fact->pause = use->longest_pause;
		fact->names = &use->names;
		guard_services_collect(fact, relation, use);
		guard_youth_mark(evidence, fact);
	}
}

/*
 * REFRESH needs any index of its materialized view that will do; what names the
 * constraint of a partitioned table needs the indexes of its partitions.
 */
void
guard_causes_collect(GuardEvidence *evidence)
{
	Oid			top = evidence->departed != NULL ? evidence->index :
		guard_without_topmost(evidence->index);

	collect_of(evidence, evidence->index);
	if (evidence->departed == NULL)
		collect_of(evidence, evidence->shape->table);
	if (top != evidence->index)
		collect_of(evidence, top);
}

/*
 * The keys that check by these columns of the shape, where that is asked for now.
 */
static char *
keys_there(const GuardShape *shape, uint64 fkey, const GuardAnswer *answer)
{
	GuardShape *asked = guard_shape_copy(shape);

	if (answer->of != InvalidOid &&
		guard_shape_translate(shape, answer, &asked) != GUARD_TRANSLATED)
		return NULL;
	return guard_causes_keys(asked, asked->table == shape->table &&
							 columns_of(asked) == columns_of(shape) ? fkey :
							 GUARD_FKEY_ANY, NIL);
}

bool
guard_causes_compared(const GuardShape *shape, uint64 fkey, const GuardAnswer *answer)
{
	return keys_there(shape, fkey, answer) != NULL;
}

/*
 * Here nothing is about to go: what was, is gone, or has come back as another
 * key.
 */
bool
guard_causes_refresh(const GuardEvidence *evidence, List *answers)
{
	bool		gone = false;

	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->fkey == 0)
			continue;
		fact->key_gone = true;
		foreach_ptr(const GuardAnswer, answer, answers)
		{
			char	   *keys = keys_there(evidence->shape, fact->fkey, answer);

			fact->key_gone &= keys == NULL;
			fact->keys = keys != NULL ? keys : fact->keys;
		}
		gone |= fact->key_gone;
	}
	return gone;
}
