/*-------------------------------------------------------------------------
 *
 * places.c
 *	  Places among partitions and children: where which rows are.
 *
 * Who comes by the name of a partitioned table is led to those of its partitions
 * that may have his rows.  So a place is its bounds, and what has come to hold a
 * part of them takes over the traffic of what held it before, whether that was
 * exchanged, split, or merged with others.  What no other partition covers is the
 * default partition's.  A child of a table that is not partitioned has its CHECK
 * constraints for bounds, by which the planner excludes it; without them nothing
 * tells whose rows it has.
 *
 * A place is a list with two nodes for each level, from the top downwards: by
 * what the table is partitioned, as a string, and the bounds.  Below a table that
 * is partitioned by something else, any partition may have the rows.
 *
 * Bounds are compared as PostgreSQL compares them where that is in C: whoever
 * asks runs nothing that a user wrote.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attmap.h"
#include "common/hashfn.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/partcache.h"

#include "evidence/bearers.h"
#include "evidence/evidence.h"
#include "planner/planner.h"
#include "store/store.h"

/*
 * By what the children of inheritance are told apart, of which table: its
 * constraints are in its columns.
 */
#define BY_CHECKS	"- %u"

/* What texts of this transaction say; those before are gone with its memory. */
typedef struct Parsed
{
	uint64		hash;			/* of the text */
	char	   *text;
	Node	   *node;
} Parsed;

static HTAB *parsed = NULL;
static uint64 parsed_in = PG_UINT64_MAX;

/*
 * The same bounds are compared with many others.  The result is not to be changed.
 */
static Node *
parse(const char *text)
{
	HASHCTL		info = {.keysize = sizeof(uint64), .entrysize = sizeof(Parsed),
	.hcxt = TopTransactionContext};
	uint64		hash = hash_bytes_extended((const unsigned char *) text, strlen(text), 0);
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Parsed	   *entry;
	bool		found;

	if (parsed_in != guard_xact_number())
	{
		parsed = hash_create("guard bounds", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		parsed_in = guard_xact_number();
	}
	entry = hash_search(parsed, &hash, HASH_FIND, &found);
	if (!found || strcmp(entry->text, text) != 0)
	{
		Node	   *node = stringToNode(text);
		char	   *copy = pstrdup(text);

		entry = hash_search(parsed, &hash, HASH_ENTER, &found);
		entry->node = node;
		entry->text = copy;
	}
	MemoryContextSwitchTo(old);
	return entry->node;
}

/* ---- what a place is ---- */

/*
 * A CHECK constraint of a child in the columns of its parent; NULL: it speaks of
 * others.
 */
static Node *
check_of_parent(const char *check, char **columns, int ncolumns, Oid parent)
{
	Node	   *node = stringToNode(check);
	AttrMap    *map = make_attrmap(ncolumns);
	Bitmapset  *used = NULL;
	int			each = -1;
	bool		whole_row;

	pull_varattnos(node, 1, &used);
	while ((each = bms_next_member(used, each)) >= 0)
	{
		AttrNumber	column = each + FirstLowInvalidHeapAttributeNumber;
		AttrNumber	of_parent = column > 0 && column <= ncolumns && columns[column - 1] != NULL ?
			get_attnum(parent, columns[column - 1]) : InvalidAttrNumber;

		if (of_parent <= 0)
			return NULL;
		map->attnums[column - 1] = of_parent;
	}
	return map_variable_attnos(node, 1, 0, map, InvalidOid, &whole_row);
}

static Node *
checks_of(Oid child, Oid parent, bool now)
{
	int			ncolumns;
	char	  **columns = now ? guard_catalog_columns(child, &ncolumns) :
		guard_before_columns(child, &ncolumns);
	List	   *checks = NIL;

	foreach_ptr(const char, check, guard_before_checks(child, now))
	{
		Node	   *node = check_of_parent(check, columns, ncolumns, parent);

		if (node != NULL)
			checks = lappend(checks, node);
	}
	return (Node *) checks;
}

static Node *
bound_of(Oid child, Oid parent, bool now)
{
	GuardBefore *before = now ? NULL : guard_before_relation(child);
	char	   *bound = now ? guard_catalog_bound(child) :
		before != NULL ? before->bound : NULL;

	return bound != NULL ? parse(bound) : checks_of(child, parent, now);
}

static char *
key_of(Oid table, bool now)
{
	char	   *key = guard_before_partition_key(table, now);

	return key != NULL ? key : psprintf(BY_CHECKS, table);
}

static bool
is_by_checks(const char *key)
{
	return *key == *BY_CHECKS;
}

List *
guard_places_read(List *lineage, bool now)
{
	List	   *place = NIL;

	for (int i = 1; i < list_length(lineage); i++)
	{
		Oid			parent = list_nth_oid(lineage, i - 1);

		place = lappend(place, makeString(key_of(parent, now)));
		place = lappend(place, bound_of(list_nth_oid(lineage, i), parent, now));
	}
	return place;
}

List *
guard_places_write(List *place)
{
	List	   *texts = NIL;

	foreach_ptr(Node, node, place)
		texts = lappend(texts, node != NULL && IsA(node, String) ? strVal(node) : nodeToString(node));
	return texts;
}

List *
guard_places_from(List *texts)
{
	List	   *place = NIL;

	for (int i = 0; i + 1 < list_length(texts); i += 2)
	{
		place = lappend(place, makeString(list_nth(texts, i)));
		place = lappend(place, stringToNode(list_nth(texts, i + 1)));
	}
	return place;
}

/* ---- which rows ---- */

static PartitionBoundSpec *
spec_of(Node *bound)
{
	return bound != NULL && IsA(bound, PartitionBoundSpec) ? (PartitionBoundSpec *) bound : NULL;
}

static bool
is_default(Node *bound)
{
	PartitionBoundSpec *spec = spec_of(bound);

	return spec != NULL && spec->is_default;
}

static int
compare(PartitionKey key, int column, const Const *a, const Const *b)
{
	return DatumGetInt32(FunctionCall2Coll(&key->partsupfunc[column], key->partcollation[column],
										   a->constvalue, b->constvalue));
}

/*
 * Two ends of ranges.
 */
static int
compare_ends(PartitionKey key, List *a, List *b)
{
	for (int i = 0; i < key->partnatts; i++)
	{
		PartitionRangeDatum *x = list_nth_node(PartitionRangeDatum, a, i);
		PartitionRangeDatum *y = list_nth_node(PartitionRangeDatum, b, i);
		int			order = x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) :
			x->kind != PARTITION_RANGE_DATUM_VALUE ? 0 :
			compare(key, i, castNode(Const, x->value), castNode(Const, y->value));

		if (order != 0 || x->kind != PARTITION_RANGE_DATUM_VALUE)
			return order;
	}
	return 0;
}

static bool
has_value(PartitionKey key, List *values, const Const *value)
{
	foreach_ptr(const Const, each, values)
	{
		if (each->constisnull == value->constisnull &&
			(value->constisnull || compare(key, 0, each, value) == 0))
			return true;
	}
	return false;
}

static bool
share_values(PartitionKey key, List *a, List *b)
{
	foreach_ptr(const Const, value, a)
	{
		if (has_value(key, b, value))
			return true;
	}
	return false;
}

/*
 * A row has one remainder by each modulus: two of them go together unless a common
 * divisor says otherwise.
 */
static bool
share_remainders(const PartitionBoundSpec *a, const PartitionBoundSpec *b)
{
	int			divisor = a->modulus;
	int			rest = b->modulus;

	while (rest != 0)
	{
		int			next = divisor % rest;

		divisor = rest;
		rest = next;
	}
	return a->remainder % divisor == b->remainder % divisor;
}

bool
guard_places_are_told(List *place)
{
	return !is_by_checks(strVal(linitial(place))) && !is_default(lsecond(place));
}

/*
 * The table by whose key bounds of its partitions are compared, to be closed; NULL:
 * it is gone, or what that calls is not in C.
 */
static Relation
open_key(Oid parent)
{
	return guard_trust_partition_key(parent) ? RelationIdGetRelation(parent) : NULL;
}

/*
 * May a row be in both, neither being the default partition?
 */
static bool
bounds_overlap(Oid parent, const PartitionBoundSpec *a, const PartitionBoundSpec *b)
{
	Relation	rel;
	PartitionKey key;
	bool		result = equal(a, b);

	if (a->strategy != b->strategy)
		return true;
	if (a->strategy == PARTITION_STRATEGY_HASH)
		return share_remainders(a, b);
	rel = open_key(parent);
	key = rel != NULL ? RelationGetPartitionKey(rel) : NULL;
	if (key != NULL && a->strategy == PARTITION_STRATEGY_LIST)
		result = share_values(key, a->listdatums, b->listdatums);
	else if (key != NULL)
		result = compare_ends(key, a->lowerdatums, b->upperdatums) < 0 &&
			compare_ends(key, b->lowerdatums, a->upperdatums) < 0;
	if (rel != NULL)
		RelationClose(rel);
	return result;
}

/*
 * Conditions of two children: could one row fulfil both?
 */
static bool
checks_overlap(Node *a, Node *b)
{
	List	   *conditions[2];
	Node	   *checks[2] = {a, b};

	for (int i = 0; i < 2; i++)
	{
		Node	   *node = copyObject(checks[i]);

		if (node == NULL || !guard_trust_expression(node))
			return true;
		node = eval_const_expressions(NULL, (Node *) make_ands_explicit((List *) node));
		conditions[i] = make_ands_implicit((Expr *) canonicalize_qual((Expr *) node, true));
	}
	return !predicate_refuted_by(conditions[0], conditions[1], false);
}

/*
 * May a row of the parent be in both places?
 */
static bool
overlap(Oid parent, Node *a, Node *b)
{
	PartitionBoundSpec *spec_a = spec_of(a);
	PartitionBoundSpec *spec_b = spec_of(b);

	if (spec_a == NULL && spec_b == NULL)
		return checks_overlap(a, b);
	return spec_a == NULL || spec_b == NULL || spec_a->is_default || spec_b->is_default ||
		bounds_overlap(parent, spec_a, spec_b);
}

/*
 * Do these partitions leave nothing of the range to the default one?
 */
static bool
range_is_covered(PartitionKey key, const PartitionBoundSpec *range, List *specs)
{
	List	   *from = range->lowerdatums;
	bool		further = true;

	while (further && compare_ends(key, from, range->upperdatums) < 0)
	{
		further = false;
		foreach_ptr(const PartitionBoundSpec, spec, specs)
		{
			if (compare_ends(key, spec->lowerdatums, from) <= 0 &&
				compare_ends(key, from, spec->upperdatums) < 0)
			{
				from = spec->upperdatums;
				further = true;
			}
		}
	}
	return compare_ends(key, from, range->upperdatums) >= 0;
}

static bool
values_are_covered(PartitionKey key, const PartitionBoundSpec *list, List *specs)
{
	List	   *values = NIL;

	foreach_ptr(const PartitionBoundSpec, spec, specs)
		values = list_concat(values, spec->listdatums);
	foreach_ptr(const Const, value, list->listdatums)
	{
		if (!has_value(key, values, value))
			return false;
	}
	return true;
}

/*
 * The same of any bounds; where they cannot be compared, by being the same.
 */
static bool
is_covered(Oid parent, Node *bound, List *partitions)
{
	PartitionBoundSpec *sought = spec_of(bound);
	List	   *specs = NIL;
	Relation	rel = open_key(parent);
	PartitionKey key = rel != NULL ? RelationGetPartitionKey(rel) : NULL;
	bool		covered;

	foreach_oid(partition, partitions)
		specs = lappend(specs, bound_of(partition, parent, true));
	covered = key == NULL ? list_member(specs, sought) :
		sought->strategy == PARTITION_STRATEGY_LIST ?
		values_are_covered(key, sought, specs) : range_is_covered(key, sought, specs);
	if (rel != NULL)
		RelationClose(rel);
	return covered;
}

/* ---- who has them now ---- */

/*
 * Has this transaction put rows into a table, or taken them out?  Whoever writes
 * has this lock until he commits.
 */
static bool
was_written(Oid table)
{
	Relation	rel = RelationIdGetRelation(table);
	bool		written = rel != NULL && CheckRelationLockedByMe(rel, RowExclusiveLock, false);

	if (rel != NULL)
		RelationClose(rel);
	return written;
}

/*
 * Has the default partition of a table, of those before this transaction, given rows
 * away?
 */
static bool
default_gave(Oid parent, List *before)
{
	foreach_oid(child, before)
	{
		GuardBefore *was = guard_before_relation(child);

		if (was != NULL && was->bound != NULL && is_default(parse(was->bound)))
			return !list_member_oid(guard_catalog_children(parent), child) || was_written(child);
	}
	return true;
}

/*
 * The default partition is where it was when rows are only deleted, or come in with a
 * new one: it has its part in an exchange when somebody wrote into it.
 */
static bool
takes_rest(Oid parent, Oid partition, Node *bound, List *before, List *others)
{
	return OidIsValid(partition) &&
		(is_default(bound) ||
		 (!is_covered(parent, bound, others) &&
		  (!list_member_oid(before, partition) || was_written(partition))));
}

/*
 * Which of a table's partitions or children have rows that were in this place
 * before?  "before" are those that it had beside that one, if it is the same table.
 */
static List *
find_takers(Oid table, Node *bound, List *before)
{
	bool		must_arrive = spec_of(bound) == NULL || is_default(bound);
	List	   *found = NIL;
	Oid			rest = InvalidOid;

	if (is_default(bound) && !default_gave(table, before))
		before = list_concat_copy(before, guard_catalog_children(table));
	foreach_oid(child, guard_catalog_children(table))
	{
		Node	   *its = bound_of(child, table, true);

		if (is_default(its))
			rest = child;
		else if (!(must_arrive && list_member_oid(before, child)) && overlap(table, its, bound))
			found = lappend_oid(found, child);
	}
	return takes_rest(table, rest, bound, before, found) ? lappend_oid(found, rest) : found;
}

/*
 * What has, in the last of a path which leads downwards, or below it, the rows of the last of
 * the lineage, of which that has come to be the first's; all of them were in this
 * place.
 */
static List *
find_taken(List *path, List *lineage, List *place)
{
	Oid			table = llast_oid(path);
	Oid			parent = linitial_oid(lineage);
	char	   *key = key_of(parent, false);
	List	   *takers = NIL;
	List	   *found = NIL;

	if (list_length(lineage) > 1 && strcmp(key, key_of(table, true)) == 0)
		takers = find_takers(table, bound_of(lsecond_oid(lineage), parent, false),
							 table == parent ? guard_before_children(table) : NIL);
	else if (list_length(lineage) > 1 && is_by_checks(key) &&
			 guard_evidence_blocks_now(table) == 0)
		takers = guard_catalog_children(table);
	else
		return guard_places_meet(path, guard_places_read(path, true), place) ?
			list_make1_oid(table) : NIL;
	foreach_oid(child, takers)
		found = list_concat_unique_oid(found,
									   find_taken(lappend_oid(list_copy(path), child),
												  list_copy_tail(lineage, 1), place));
	return found;
}

List *
guard_places_taken(Oid table, List *lineage)
{
	return find_taken(list_make1_oid(table), lineage, guard_places_read(lineage, false));
}

bool
guard_places_kept(Oid parent, Oid child)
{
	Node	   *before = bound_of(child, parent, false);
	Node	   *now = bound_of(child, parent, true);

	return list_member_oid(guard_catalog_children(parent), child) &&
		(spec_of(before) == NULL || equal(spec_of(before), spec_of(now))) &&
		!(is_default(before) && was_written(child));
}

/*
 * What no other partition has is the default one's.
 */
static bool
is_rest(Oid parent, Node *bound)
{
	List	   *others = NIL;

	if (is_default(bound))
		return true;
	foreach_oid(child, guard_catalog_children(parent))
	{
		Node	   *its = bound_of(child, parent, true);

		if (!is_default(its) && overlap(parent, its, bound))
			others = lappend_oid(others, child);
	}
	return !is_covered(parent, bound, others);
}

bool
guard_places_meet(List *lineage, List *place, List *other)
{
	bool		alike = true;

	for (int i = 0; i < list_length(place); i += 2)
	{
		char	   *key = strVal(list_nth(place, i));
		Oid			parent = list_nth_oid(lineage, i / 2);
		Node	   *bound = list_nth(place, i + 1);

		/* a row has to be within all bounds, at whatever level they are */
		for (int j = 0; j < list_length(other); j += 2)
		{
			if (strcmp(key, strVal(list_nth(other, j))) == 0 &&
				!overlap(parent, bound, list_nth(other, j + 1)))
				return false;
		}
		alike &= i < list_length(other) && strcmp(key, strVal(list_nth(other, i))) == 0;
		if (alike && is_default(bound) && !is_rest(parent, list_nth(other, i + 1)))
			return false;
	}
	return true;
}
