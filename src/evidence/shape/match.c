/*-------------------------------------------------------------------------
 *
 * match.c
 *	  Does one index serve in place of another?
 *
 * "Serves" means: whatever the planner can do with the index that goes, it can
 * do with the other one, reading about as much.  Both mistakes are grave.  A
 * missed successor refuses an honest migration; a false one lets go the index
 * that keeps a service alive.  So a rule stands here only where structure
 * alone decides it.  What depends on the data or on the queries is NONE, and
 * what-if may find out that the queries do not mind.
 *
 * Every rule below answers TWIN, SERVES or NONE about one aspect, and the
 * worst answer wins.  GuardMatch is ordered for that.
 *
 * Keys.  A btree (a, b) serves in place of (a): same range of entries, same
 * order.  Never the other way round, and never (b, a).  A GiST index is split
 * mostly by its first column, so the same rule holds.  GIN keeps the entries
 * of each column apart, and BRIN one summary per column; to them keys are a
 * set.  Hash and SP-GiST have one key.  Of access methods that we do not know
 * we expect the same keys in the same order.
 *
 * Order.  Only a btree has one.  Read backwards it is reversed in all columns
 * at once, NULLS included: (a DESC, b DESC) serves in place of (a, b), but
 * (a, b DESC) does not, nor does (a NULLS FIRST) in place of (a): an ORDER BY
 * would have to sort.
 *
 * INCLUDE.  Columns are there for index-only scans, so all of them must be
 * found in the other index.  A btree can return its keys as well.
 *
 * Predicate.  See match_predicate().
 *
 * Columns are compared by name (doc/internals/review.md 15), because a
 * transaction that drops and adds a column leaves another one under the same
 * name, and queries go by name.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_am_d.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_index.h"
#include "optimizer/optimizer.h"
#include "utils/catcache.h"

#include "evidence/shape/shape.h"

/*
 * In place of a partial index, one with up to this many times its entries is
 * taken to read about as much.  Twice is what separates "a few rows are soft
 * deleted" from "the queue of a large table", with room for statistics that
 * lag.
 */
#define MAX_ENTRIES_RATIO	2.0

/* Equal strings, or neither there. */
static bool
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;

	return strcmp(a, b) == 0;
}

/*
 * Is there still a column of this number?
 */
static bool
column_stays(Oid table, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCacheAttNum(table, attnum);

	if (!HeapTupleIsValid(tuple))
		return false;
	ReleaseSysCache(tuple);
	return true;
}

/*
 * Are both keys on the same column, or the same expression?
 *
 * On another table columns go by name.  On the same one they go by number, as
 * what follows a column under any name does: the check of a foreign key; what
 * statements write is translated into numbers before (translate.c).  In place of
 * a column that was dropped stands what has its name.  Expressions go by deparsed
 * text; where one of them could not be deparsed, another session has locked the
 * table, so ours has not altered it, and the trees can be compared.
 */
static bool
same_subject(const GuardShape *gone, const GuardShapeKey *key,
			 const GuardShape *other, const GuardShapeKey *candidate)
{
	bool		same_table = (gone->table == other->table);

	if ((key->attnum == 0) != (candidate->attnum == 0))
		return false;

	if (key->attnum == 0)
	{
		if (key->expression_text && candidate->expression_text)
			return same_text(key->expression_text, candidate->expression_text);
		return same_table && equal(key->expression, candidate->expression);
	}

	if (same_table && column_stays(gone->table, key->attnum))
		return key->attnum == candidate->attnum;

	return strcmp(key->column, candidate->column) == 0;
}

/*
 * Does the collation fit the same queries?  A query that says nothing uses
 * the column's own, whatever that now is.  One that names a collation fits the
 * index that has it.
 */
static bool
same_collation(const GuardShapeKey *key, const GuardShapeKey *candidate)
{
	if (key->default_collation)
		return candidate->default_collation;

	return key->collation == candidate->collation;
}

/*
 * Do the operator classes support the same operators?
 *
 * Where the type of the column has changed, the classes cannot be the same;
 * the default class of the new type is what the default of the old one was,
 * and a class of the same family (text_pattern_ops, varchar_pattern_ops)
 * likewise.  With the same type, btree and hash classes of one family are
 * different names for the same thing (varchar_ops is text_ops); for other
 * access methods a family promises nothing about what the classes store.
 */
static GuardMatch
match_opclass(Oid am, const GuardShapeKey *key, const GuardShapeKey *candidate)
{
	if (key->opclass == candidate->opclass)
		return GUARD_MATCH_TWIN;

	if (key->type != candidate->type)
	{
		if (key->default_opclass && candidate->default_opclass)
			return GUARD_MATCH_TWIN;
		return key->opfamily == candidate->opfamily ?
			GUARD_MATCH_TWIN : GUARD_MATCH_NONE;
	}

	if (key->opfamily == candidate->opfamily &&
		(am == BTREE_AM_OID || am == HASH_AM_OID))
		return GUARD_MATCH_SERVES;

	return GUARD_MATCH_NONE;
}

/*
 * Is every operator that can search this key (or order by it) also a search
 * operator of the given btree family?
 */
static bool
family_covers(Oid btree_family, const GuardShapeKey *key)
{
	CatCList   *operators;
	bool		covered = true;

	operators = SearchSysCacheList2(AMOPSTRATEGY,
									ObjectIdGetDatum(key->opfamily),
									ObjectIdGetDatum(key->opclass_input));
	for (int i = 0; i < operators->n_members && covered; i++)
	{
		HeapTuple	tuple = &operators->members[i]->tuple;
		Form_pg_amop form = (Form_pg_amop) GETSTRUCT(tuple);

		covered = form->amoppurpose == AMOP_SEARCH &&
			op_in_opfamily(form->amopopr, btree_family);
	}
	covered = covered && operators->n_members > 0;
	ReleaseSysCacheList(operators);

	return covered;
}

/*
 * A btree serves in place of an index of another kind on a single key when it
 * begins with that key and knows each of the operators that the other kind
 * knows: a hash index, or a BRIN index of the minmax kind.  It reads no more
 * than they do.  With several keys it would not, for they can search by the
 * second key alone.  Operator class options tune a lossy summary, which a
 * btree does not need.
 */
static GuardMatch
match_as_btree(const GuardShape *gone, const GuardShape *other)
{
	const GuardShapeKey *key = &gone->keys[0];
	const GuardShapeKey *candidate = &other->keys[0];

	if (other->am != BTREE_AM_OID || gone->nkeys != 1)
		return GUARD_MATCH_NONE;
	if (!same_subject(gone, key, other, candidate) ||
		!same_collation(key, candidate))
		return GUARD_MATCH_NONE;

	/* with another type, default classes correspond: see match_opclass */
	if (key->type != candidate->type)
		return key->default_opclass && candidate->default_opclass ?
			GUARD_MATCH_SERVES : GUARD_MATCH_NONE;

	return family_covers(candidate->opfamily, key) ?
		GUARD_MATCH_SERVES : GUARD_MATCH_NONE;
}

/* Can "candidate" be searched by all that "key" can, but for the order? */
static GuardMatch
match_key(const GuardShape *gone, const GuardShapeKey *key,
		  const GuardShape *other, const GuardShapeKey *candidate)
{
	if (!same_subject(gone, key, other, candidate) ||
		!same_collation(key, candidate) ||
		!same_text(key->opclass_options, candidate->opclass_options))
		return GUARD_MATCH_NONE;

	return match_opclass(gone->am, key, candidate);
}

/* Does "other" begin with the keys of "gone", in their order? */
static GuardMatch
match_key_prefix(const GuardShape *gone, const GuardShape *other)
{
	GuardMatch	match = GUARD_MATCH_TWIN;

	if (other->nkeys < gone->nkeys)
		return GUARD_MATCH_NONE;
	if (other->nkeys > gone->nkeys)
		match = GUARD_MATCH_SERVES;

	for (int i = 0; i < gone->nkeys; i++)
		match = Min(match, match_key(gone, &gone->keys[i],
									 other, &other->keys[i]));

	return match;
}

/*
 * Has "other" all keys of "gone", wherever?  SERVES at best.
 */
static GuardMatch
match_key_set(const GuardShape *gone, const GuardShape *other)
{
	if (other->nkeys < gone->nkeys)
		return GUARD_MATCH_NONE;

	for (int i = 0; i < gone->nkeys; i++)
	{
		bool		found = false;

		for (int j = 0; j < other->nkeys && !found; j++)
			found = match_key(gone, &gone->keys[i],
							  other, &other->keys[j]) != GUARD_MATCH_NONE;
		if (!found)
			return GUARD_MATCH_NONE;
	}

	return GUARD_MATCH_SERVES;
}

/* Are the keys of "gone" where the access method needs them in "other"? */
static GuardMatch
match_keys(const GuardShape *gone, const GuardShape *other)
{
	GuardMatch	match;

	if (gone->am != other->am)
		return match_as_btree(gone, other);

	match = match_key_prefix(gone, other);

	switch (gone->am)
	{
		case BTREE_AM_OID:
		case GIST_AM_OID:
			return match;

		case GIN_AM_OID:
			return match != GUARD_MATCH_NONE ? match :
				match_key_set(gone, other);

		case BRIN_AM_OID:

			/*
			 * The coarser index reads whole ranges of blocks that the finer
			 * one skips.  Whether that hurts depends on the data.
			 */
			if (other->pages_per_range > gone->pages_per_range)
				return GUARD_MATCH_NONE;
			return match != GUARD_MATCH_NONE ? match :
				match_key_set(gone, other);

		default:
			return gone->nkeys == other->nkeys ? match : GUARD_MATCH_NONE;
	}
}

/*
 * Do both read in the same order?  Reversed in all keys will do, see the file
 * header.  Longer keys of "other" only refine the order.
 */
static GuardMatch
match_order(const GuardShape *gone, const GuardShape *other)
{
	int			same = 0;
	int			reversed = 0;

	/* a btree in place of something that has no order */
	if (gone->am != other->am)
		return GUARD_MATCH_SERVES;

	for (int i = 0; i < gone->nkeys; i++)
	{
		int			difference = gone->keys[i].option ^ other->keys[i].option;

		if (difference == 0)
			same++;
		else if (difference == (INDOPTION_DESC | INDOPTION_NULLS_FIRST))
			reversed++;
	}

	if (same == gone->nkeys)
		return GUARD_MATCH_TWIN;
	if (reversed == gone->nkeys && gone->am == BTREE_AM_OID)
		return GUARD_MATCH_SERVES;
	return GUARD_MATCH_NONE;
}

static bool
has_name(List *names, const char *name)
{
	foreach_ptr(char, other, names)
	{
		if (strcmp(other, name) == 0)
			return true;
	}
	return false;
}

static bool
has_key_column(const GuardShape *shape, const char *column)
{
	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i].column != NULL &&
			strcmp(shape->keys[i].column, column) == 0)
			return true;
	}

	return false;
}

/*
 * Can index-only scans still read the INCLUDE columns?  A GiST key can be
 * returned only if its operator class says so, hence keys count for btree
 * only.  TWIN means the same columns, in whatever order: nobody sees it.
 */
static GuardMatch
match_included(const GuardShape *gone, const GuardShape *other)
{
	GuardMatch	match = GUARD_MATCH_TWIN;

	foreach_ptr(char, column, gone->included)
	{
		if (has_name(other->included, column))
			continue;
		if (other->am != BTREE_AM_OID || !has_key_column(other, column))
			return GUARD_MATCH_NONE;
		match = GUARD_MATCH_SERVES;
	}
	foreach_ptr(char, column, other->included)
	{
		if (!has_name(gone->included, column))
			match = GUARD_MATCH_SERVES;
	}

	return match;
}

/*
 * The same predicate, or none in both: by text, or by trees where the text is
 * missing (see same_subject).
 */
static bool
same_predicate(const GuardShape *gone, const GuardShape *other)
{
	if (!gone->has_predicate || !other->has_predicate)
		return gone->has_predicate == other->has_predicate;

	if (gone->predicate_text && other->predicate_text)
		return same_text(gone->predicate_text, other->predicate_text);

	return gone->table == other->table &&
		equal(gone->predicate, other->predicate);
}

/*
 * Does the predicate of "gone" imply that of "other"?  A proof needs column
 * numbers, hence the same table.
 */
static bool
covers_rows(const GuardShape *gone, const GuardShape *other)
{
	if (!other->has_predicate || same_predicate(gone, other))
		return true;

	return gone->has_predicate && gone->table == other->table &&
		predicate_implied_by(other->predicate, gone->predicate, false);
}

/* Is this node the key itself, whatever it has been relabeled as? */
static bool
is_key(Node *node, const GuardShapeKey *key)
{
	if (key->attnum == 0)
		return equal(node, key->expression);

	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;

	return IsA(node, Var) && ((Var *) node)->varattno == key->attnum;
}

/* Does the index's operator compare the key with a constant? */
static bool
compares(Oid operator, List *args, const GuardShapeKey *key)
{
	return list_length(args) == 2 && op_in_opfamily(operator, key->opfamily) &&
		is_key(linitial(args), key) && IsA(lsecond(args), Const);
}

/* Is this clause a condition on the key that its index can search for? */
static bool
is_bound(Node *clause, const GuardShapeKey *key)
{
	if (IsA(clause, NullTest))
	{
		NullTest   *test = (NullTest *) clause;

		return !test->argisrow && is_key((Node *) test->arg, key);
	}

	if (IsA(clause, OpExpr))
		return compares(((OpExpr *) clause)->opno, ((OpExpr *) clause)->args, key);
	if (IsA(clause, ScalarArrayOpExpr))
		return ((ScalarArrayOpExpr *) clause)->useOr &&
			compares(((ScalarArrayOpExpr *) clause)->opno,
					 ((ScalarArrayOpExpr *) clause)->args, key);
	return false;
}

/*
 * Does the predicate do nothing but bound the leading key, by conditions that
 * the index itself could search for?  Not "a <> ''", which no btree can.
 */
static bool
bounds_leading_key(const GuardShape *shape)
{
	/* one that is gone, and whose tree could not be kept */
	if (shape->predicate == NIL)
		return false;
	foreach_ptr(Node, clause, shape->predicate)
	{
		if (!is_bound(clause, &shape->keys[0]))
			return false;
	}

	return true;
}

/*
 * Do statistics say that "other" has not many more entries?  Where an entry is
 * not a row (GIN, BRIN), they count now the one and now the other, and say
 * nothing.
 */
static bool
few_more_entries(const GuardShape *gone, const GuardShape *other)
{
	if (gone->am != BTREE_AM_OID && gone->am != HASH_AM_OID &&
		gone->am != GIST_AM_OID && gone->am != SPGIST_AM_OID)
		return false;

	return gone->tuples > 0 && other->tuples > 0 &&
		other->tuples <= MAX_ENTRIES_RATIO * gone->tuples;
}

/*
 * Has "other" an entry for every row that "gone" has one for, and not many
 * more?
 *
 * The second half matters as much as the first.  A partial index is most often
 * the short way to a few rows among very many, "(created) WHERE state =
 * 'open'".  A full index on (created) answers the same queries, by reading past
 * all that is not open: that is the outage that guard exists to prevent.  So a
 * wider index serves only
 *
 * - if the predicate does no more than bound the leading key, "(a) WHERE a IS
 *   NOT NULL": the wider index is entered and left at the same places; or
 *
 * - if statistics say that it has at most MAX_ENTRIES_RATIO times the entries,
 *   "(email) WHERE deleted IS NULL" where few are deleted.  A queue cannot
 *   look like that.  Not if it has INCLUDE columns, though: it was built for
 *   index-only scans, and those cannot check "deleted" in the wider index.
 *
 * Two risks remain in the second case and are taken: an ORDER BY ... LIMIT may
 * meet all of the surplus first, and index-only scans of the key alone become
 * plain ones.  Without statistics the answer is no.
 */
static GuardMatch
match_predicate(const GuardShape *gone, const GuardShape *other)
{
	if (same_predicate(gone, other))
		return GUARD_MATCH_TWIN;

	if (covers_rows(gone, other) &&
		(bounds_leading_key(gone) ||
		 (gone->included == NIL && few_more_entries(gone, other))))
		return GUARD_MATCH_SERVES;

	return GUARD_MATCH_NONE;
}

/* Has "other" a key like this one, under the same exclusion operator? */
static bool
excludes_by(const GuardShape *gone, const GuardShapeKey *key,
			const GuardShape *other)
{
	for (int i = 0; i < other->nkeys; i++)
	{
		const GuardShapeKey *candidate = &other->keys[i];

		if (key->exclusion_operator == candidate->exclusion_operator &&
			same_subject(gone, key, other, candidate))
			return true;
	}

	return false;
}

/*
 * Does "other" exclude by the same operators, if "gone" excludes at all?  The
 * order of keys does not matter to that.
 */
static bool
same_exclusion(const GuardShape *gone, const GuardShape *other)
{
	if (!gone->exclusion || !other->exclusion)
		return gone->exclusion == other->exclusion;
	if (gone->nkeys != other->nkeys)
		return false;

	for (int i = 0; i < gone->nkeys; i++)
	{
		if (!excludes_by(gone, &gone->keys[i], other))
			return false;
	}

	return true;
}

/*
 * Is "other" to its table what "gone" was?  If not, it may still serve its
 * scans.  An index that stops being the primary key or the replica identity
 * leaves more behind than an equal one can take over.
 */
static GuardMatch
match_role(const GuardShape *gone, const GuardShape *other)
{
	if (gone->unique == other->unique &&
		gone->nulls_not_distinct == other->nulls_not_distinct &&
		gone->deferrable == other->deferrable &&
		(!gone->primary || other->primary) &&
		(!gone->replident || other->replident) &&
		same_exclusion(gone, other))
		return GUARD_MATCH_TWIN;

	return GUARD_MATCH_SERVES;
}

/*
 * Does "other" serve in place of "gone"?  With need_unique, it must enforce
 * the same uniqueness, too.  Takes no lock; looks at the system catalogs only
 * for operator families and for columns that were renamed.
 */
GuardMatch
guard_shape_match(const GuardShape *gone, const GuardShape *other,
				  bool need_unique)
{
	GuardMatch	match = match_keys(gone, other);

	if (match == GUARD_MATCH_NONE)
		return GUARD_MATCH_NONE;
	if (need_unique && !guard_shape_enforces(gone, other))
		return GUARD_MATCH_NONE;

	match = Min(match, match_order(gone, other));
	match = Min(match, match_included(gone, other));
	match = Min(match, match_predicate(gone, other));
	match = Min(match, match_role(gone, other));

	return match;
}

/*
 * Does "other" enforce all the uniqueness that "gone" enforces?
 *
 * The key columns must be the same as a set: fewer would enforce more, but an
 * ON CONFLICT clause that names the columns would not find it, and more would
 * enforce less.  INCLUDE columns take no part.  Covering more rows is fine, for
 * ON CONFLICT (a) WHERE p infers an index without p as well.  NULLS NOT
 * DISTINCT enforces more than its opposite, and an immediate check more than a
 * deferrable one, which can be no arbiter and no replica identity.
 */
bool
guard_shape_enforces(const GuardShape *gone, const GuardShape *other)
{
	return guard_shape_forbids(gone, other) &&
		((!gone->unique && !gone->exclusion) || other->nkeys == gone->nkeys);
}

/*
 * Is this key of "other" one of those of "gone"?
 */
static bool
has_key(const GuardShape *gone, const GuardShape *other,
		const GuardShapeKey *candidate)
{
	for (int i = 0; i < gone->nkeys; i++)
	{
		if (match_key(gone, &gone->keys[i], other, candidate) != GUARD_MATCH_NONE)
			return true;
	}
	return false;
}

/*
 * The same, but fewer columns, which enforce more, will do.
 */
bool
guard_shape_forbids(const GuardShape *gone, const GuardShape *other)
{
	if (!gone->unique && !gone->exclusion)
		return true;

	for (int i = 0; i < other->nkeys; i++)
	{
		if (!has_key(gone, other, &other->keys[i]))
			return false;
	}
	if (other->deferrable && !gone->deferrable)
		return false;
	if (!covers_rows(gone, other))
		return false;

	/* a temporal key is both unique and an exclusion, and the latter decides */
	if (gone->exclusion || other->exclusion)
		return same_exclusion(gone, other);

	return other->unique &&
		(other->nulls_not_distinct || !gone->nulls_not_distinct);
}

/* ---- what is missing ---- */

/*
 * How a key is called: by its column, or as its expression.
 */
static const char *
key_name(const GuardShapeKey *key)
{
	if (key->column != NULL)
		return key->column;
	return key->expression_text != NULL ? key->expression_text : "its expression";
}

/*
 * The first key of "gone" that "other" has not; or, "in_place", that it has not
 * at the same place.
 */
static const GuardShapeKey *
missing_key(const GuardShape *gone, const GuardShape *other, bool in_place)
{
	for (int i = 0; i < gone->nkeys; i++)
	{
		bool		found = false;

		for (int j = 0; j < other->nkeys && !found; j++)
			found = (!in_place || i == j) &&
				same_subject(gone, &gone->keys[i], other, &other->keys[j]);
		if (!found)
			return &gone->keys[i];
	}
	return NULL;
}

/*
 * What the rows are that an index has.
 */
static const char *
rows_of(const GuardShape *shape)
{
	if (!shape->has_predicate)
		return "all rows";
	return shape->predicate_text == NULL ? "other rows" :
		psprintf("only the rows with %s", shape->predicate_text);
}

/*
 * Why does "other" not serve in place of "gone", with whose columns it begins?
 * A clause in the current memory context, and how near it is; NULL where it is
 * not alike, or serves.
 */
char *
guard_shape_lacks(const GuardShape *gone, const GuardShape *other,
				  bool need_unique, int *nearness)
{
	const GuardShapeKey *missing = missing_key(gone, other, false);

	*nearness = 1;
	if (!same_subject(gone, &gone->keys[0], other, &other->keys[0]) &&
		missing != NULL)
		return NULL;
	if (missing != NULL)
		return psprintf("it lacks %s", key_name(missing));
	*nearness = 2;
	if (gone->am != other->am)
		return pstrdup("it is of another access method");
	if (missing_key(gone, other, true) != NULL && gone->am != GIN_AM_OID)
		return pstrdup("it has the columns in another order");
	*nearness = 3;
	if (match_keys(gone, other) == GUARD_MATCH_NONE)
		return pstrdup("its collation or operator class is another");
	if (match_order(gone, other) == GUARD_MATCH_NONE)
		return pstrdup("it is sorted otherwise");
	if (match_included(gone, other) == GUARD_MATCH_NONE)
		return pstrdup("it does not include the same columns");
	*nearness = 4;
	if (match_predicate(gone, other) == GUARD_MATCH_NONE)
		return psprintf("it has %s", rows_of(other));
	if (need_unique && !other->unique)
		return pstrdup("it is not unique");
	if (need_unique && !guard_shape_enforces(gone, other))
		return pstrdup("it does not enforce the same");
	return NULL;
}
