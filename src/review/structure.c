/*-------------------------------------------------------------------------
 *
 * structure.c
 *	  The structure of an index that does not exist yet.
 *
 * A CREATE INDEX of the script is turned into the same GuardShape that is
 * read of real indexes, so that one rule, guard_shape_match(), says whether
 * one serves in place of the other.  Columns, types, collations and operator
 * classes are looked up by name.
 *
 * Expressions and predicates cannot be: parse analysis would lock the table
 * (doc/internals/review.md 18).  They are compared as text in a normal
 * form (normal.c).  Equal texts mean the same.  Different ones need not mean
 * different things: where all else would match, and the same columns are used,
 * the answer is "compare by hand".
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat/list.h"
#include "review/script.h"

/* A column that the script adds: it has a name, and no number. */
#define ADDED_COLUMN	MaxAttrNumber

static GuardShape *start(Script *script, ScriptRelation *index, const char *am,
						 int nkeys);
static void read_element(Script *script, ScriptRelation *index,
						 GuardShapeKey *key, IndexElem *element);
static void read_column_key(Script *script, ScriptRelation *index,
							GuardShapeKey *key, const char *name);
static void read_opclass(ScriptRelation *index, GuardShapeKey *key,
						 List *opclass);
static double table_tuples(Oid table);
static char *options_text(List *options);
static int	brin_range(List *options);
static bool same_columns(const char *a, const char *b);
static bool but_for_casts(const char *a, const char *b);
static char *without_casts(const char *str);

/* ---- from the script ---- */

void
guard_structure_of_index(Script *script, ScriptRelation *index, IndexStmt *stmt)
{
	const char *am = stmt->accessMethod ? stmt->accessMethod : DEFAULT_INDEX_TYPE;
	GuardShape *shape = start(script, index, am, list_length(stmt->indexParams));
	ListCell   *lc;
	int			i = 0;

	shape->unique = stmt->unique;
	shape->nulls_not_distinct = stmt->nulls_not_distinct;
	shape->storage_options = options_text(stmt->options);
	shape->pages_per_range = shape->am == BRIN_AM_OID ? brin_range(stmt->options) : 0;
	foreach(lc, stmt->indexParams)
		read_element(script, index, &shape->keys[i++], lfirst(lc));
	foreach_ptr(IndexElem, element, stmt->indexIncludingParams)
	{
		if (element->name != NULL)
			shape->included = lappend(shape->included,
									  pstrdup(guard_script_column_label(script, index->table,
																		element->name)));
	}
	if (stmt->whereClause != NULL)
	{
		shape->has_predicate = true;
		shape->predicate_text = guard_normal_text(stmt->whereClause, script, index->table);
	}

	else
		shape->tuples = table_tuples(index->table->oid);

	/* what is built on the parent alone is not valid before its last child */
	index->usable = stmt->relation == NULL || stmt->relation->inh ||
		index->table->relkind != RELKIND_PARTITIONED_TABLE;
}

/*
 * Rows of a real table, which is what a full index on it will have as entries;
 * 0 or -1 when not known.
 */
static double
table_tuples(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	double		tuples = 0;

	if (!HeapTupleIsValid(tuple))
		return 0;
	tuples = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	return tuples;
}

/*
 * "column" is given where the constraint is that column's.
 */
void
guard_structure_of_constraint(Script *script, ScriptRelation *index,
							  Constraint *constraint, const char *column)
{
	List	   *keys = constraint->keys;
	GuardShape *shape;
	ListCell   *lc;
	int			i = 0;

	if (constraint->contype == CONSTR_EXCLUSION)
	{
		/* operators are looked up by type: that is parse analysis */
		shape = start(script, index, constraint->access_method ?
					  constraint->access_method : DEFAULT_INDEX_TYPE,
					  list_length(constraint->exclusions));
		shape->exclusion = true;
		index->shape_known = false;
		foreach(lc, constraint->exclusions)
			read_element(script, index, &shape->keys[i++],
						 linitial((List *) lfirst(lc)));
		index->usable = true;
		return;
	}
	if (column != NULL)
		keys = list_make1(makeString(pstrdup(column)));
	shape = start(script, index, DEFAULT_INDEX_TYPE, list_length(keys));
	shape->unique = true;
	shape->primary = constraint->contype == CONSTR_PRIMARY;
	shape->nulls_not_distinct = constraint->nulls_not_distinct;
	shape->deferrable = constraint->deferrable;
	shape->initially_deferred = constraint->initdeferred;
	foreach(lc, keys)
		read_column_key(script, index, &shape->keys[i++], strVal(lfirst(lc)));
	foreach(lc, constraint->including)
		shape->included = lappend(shape->included,
								  pstrdup(guard_script_column_label(script, index->table,
																	strVal(lfirst(lc)))));
	index->usable = true;
}

/*
 * The same structure as another index has, for CREATE TABLE (LIKE ...).
 */
void
guard_structure_copy(ScriptRelation *index, const GuardShape *shape, bool known)
{
	index->shape = guard_shape_copy(shape);
	index->shape->index = InvalidOid;
	index->shape->table = index->table->oid;
	index->shape_known = known;
	index->usable = true;
}

static GuardShape *
start(Script *script, ScriptRelation *index, const char *am, int nkeys)
{
	GuardShape *shape = palloc0(sizeof(GuardShape));

	shape->table = index->table->oid;
	shape->schema = guard_script_schema_of(index)->name;
	shape->table_name = index->table->name;
	shape->name = index->name;
	shape->am = get_index_am_oid(am, true);
	shape->valid = shape->ready = shape->live = true;
	shape->nkeys = nkeys;
	shape->keys = palloc0(sizeof(GuardShapeKey) * nkeys);
	index->shape = shape;
	index->shape_known = OidIsValid(shape->am);
	return shape;
}

static void
read_element(Script *script, ScriptRelation *index, GuardShapeKey *key,
			 IndexElem *element)
{
	if (element->name != NULL)
		read_column_key(script, index, key, element->name);
	else
	{
		key->expression = element->expr;
		key->expression_text = guard_normal_text(element->expr, script, index->table);
		key->default_opclass = true;
		key->default_collation = true;
	}
	if (element->collation != NIL)
	{
		Oid			collation = get_collation_oid(element->collation, true);

		key->default_collation = element->name != NULL &&
			collation == key->collation;
		key->collation = collation;
	}
	if (element->opclass != NIL)
		read_opclass(index, key, element->opclass);
	key->opclass_options = options_text(element->opclassopts);
	if (index->shape->am == BTREE_AM_OID)
	{
		bool		desc = element->ordering == SORTBY_DESC;
		bool		first = element->nulls_ordering == SORTBY_NULLS_DEFAULT ?
			desc : element->nulls_ordering == SORTBY_NULLS_FIRST;

		key->option = (desc ? INDOPTION_DESC : 0) |
			(first ? INDOPTION_NULLS_FIRST : 0);
	}
}

static void
read_column_key(Script *script, ScriptRelation *index, GuardShapeKey *key,
				const char *name)
{
	ScriptColumn *column = guard_script_column(script, index->table, name);

	key->column = pstrdup(guard_script_column_label(script, index->table, name));
	key->attnum = column != NULL && column->attnum != 0 ? column->attnum :
		ADDED_COLUMN;
	key->default_opclass = true;
	key->default_collation = true;
	if (column == NULL && index->table->columns_known)
		index->shape_known = false;

	/*
	 * Where the type is not known, the default operator class of whatever it
	 * is is what the default class of the old one was (see shape/match.c).
	 */
	if (column == NULL || !OidIsValid(column->type))
		return;
	key->type = column->type;
	key->collation = column->collation;
	key->opclass = GetDefaultOpClass(key->type, index->shape->am);
	if (OidIsValid(key->opclass))
	{
		key->opfamily = get_opclass_family(key->opclass);
		key->opclass_input = get_opclass_input_type(key->opclass);
	}
}

static void
read_opclass(ScriptRelation *index, GuardShapeKey *key, List *name)
{
	Oid			opclass = get_opclass_oid(index->shape->am, name, true);

	if (!OidIsValid(opclass))
	{
		index->shape_known = false;
		return;
	}
	key->default_opclass = key->column != NULL && opclass == key->opclass;
	key->opclass = opclass;
	key->opfamily = get_opclass_family(opclass);
	key->opclass_input = get_opclass_input_type(opclass);
}

/*
 * Like the options of a real index's shape; NULL when there are none.
 */
static char *
options_text(List *options)
{
	StringInfoData buf;

	initStringInfo(&buf);
	foreach_ptr(DefElem, option, options)
	{
		appendStringInfo(&buf, "%s%s=%s", buf.len > 0 ? ", " : "",
						 option->defname,
						 quote_literal_cstr(option->arg ? defGetString(option) : "true"));
	}
	return buf.len > 0 ? buf.data : NULL;
}

static int
brin_range(List *options)
{
	foreach_ptr(DefElem, option, options)
	{
		if (strcmp(option->defname, "pages_per_range") == 0 && option->arg)
			return atoi(defGetString(option));
	}
	return BRIN_DEFAULT_PAGES_PER_RANGE;
}

/* ---- from the catalogs ---- */

void
guard_structure_read(ScriptRelation *index)
{
	GuardShape *shape;

	if (index->shape != NULL || !OidIsValid(index->oid))
		return;
	shape = guard_shape_read(index->oid);
	if (shape == NULL)
		return;
	index->shape = guard_structure_comparable(shape, &index->shape_known);
	index->usable = shape->valid && shape->ready && shape->live;
}

/*
 * *known is false when an expression or the predicate could not be read: its
 * table is locked, or it is of a kind that has no normal form here.
 */
GuardShape *
guard_structure_comparable(const GuardShape *shape, bool *known)
{
	GuardShape *copy = guard_shape_copy(shape);

	*known = true;
	for (int i = 0; i < copy->nkeys; i++)
	{
		GuardShapeKey *key = &copy->keys[i];

		if (key->attnum != 0)
			continue;
		if (key->expression_text != NULL)
			key->expression_text = guard_normal_text_of(key->expression_text);
		if (key->expression_text == NULL)
			*known = false;
	}
	if (copy->has_predicate)
	{
		if (copy->predicate_text != NULL)
			copy->predicate_text = guard_normal_text_of(copy->predicate_text);
		if (copy->predicate_text == NULL)
			*known = false;
	}
	return copy;
}

/* ---- comparing ---- */

/*
 * Give the keys of an index of the script what only parse analysis would
 * know: an expression has the type that the same expression has in the real
 * index.  With "trust", casts make no difference.
 */
static void
adopt(const GuardShape *gone, GuardShape *other, bool trust)
{
	for (int i = 0; i < other->nkeys; i++)
	{
		GuardShapeKey *key = &other->keys[i];

		if (key->attnum != 0)
			continue;
		for (int j = 0; j < gone->nkeys; j++)
		{
			const GuardShapeKey *model = &gone->keys[j];
			bool		same;

			if (model->attnum != 0)
				continue;
			if (key->expression_text == NULL || model->expression_text == NULL)
				same = trust;
			else
				same = strcmp(key->expression_text, model->expression_text) == 0 ||
					(trust && but_for_casts(key->expression_text,
											model->expression_text));
			if (!same)
				continue;
			key->expression_text = model->expression_text;
			key->type = model->type;
			if (key->default_collation)
				key->collation = model->collation;
			if (key->default_opclass)
			{
				key->opclass = GetDefaultOpClass(key->type, other->am);
				key->opfamily = OidIsValid(key->opclass) ?
					get_opclass_family(key->opclass) : InvalidOid;
				key->opclass_input = OidIsValid(key->opclass) ?
					get_opclass_input_type(key->opclass) : InvalidOid;
			}
			break;
		}
	}
}

/*
 * Is the answer of guard_shape_match() about the predicates right here?  It
 * proves one from another by trees, and those of the script are not analyzed.
 */
static bool
predicates_comparable(const GuardShape *gone, const GuardShape *other)
{
	if (!other->has_predicate)
		return true;
	return gone->has_predicate &&
		gone->predicate_text != NULL && other->predicate_text != NULL &&
		strcmp(gone->predicate_text, other->predicate_text) == 0;
}

static bool
has_text_of_all(const GuardShape *shape)
{
	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i].attnum == 0 && shape->keys[i].expression_text == NULL)
			return false;
	}
	return !shape->has_predicate || shape->predicate_text != NULL;
}

/*
 * Would it serve if whatever cannot be compared were the same?
 */
static bool
might_match(const GuardShape *gone, const GuardShape *index, bool need_unique)
{
	GuardShape *a = guard_shape_copy(gone);
	GuardShape *b = guard_shape_copy(index);

	/* a narrower index than the one that goes never serves */
	if (!gone->has_predicate && index->has_predicate)
		return false;
	if (gone->has_predicate && index->has_predicate &&
		gone->predicate_text != NULL && index->predicate_text != NULL &&
		!same_columns(gone->predicate_text, index->predicate_text))
		return false;
	for (int i = 0; i < a->nkeys; i++)
	{
		if (a->keys[i].attnum == 0 && a->keys[i].expression_text == NULL)
			a->keys[i].expression_text = pstrdup("?");
	}
	adopt(a, b, true);
	for (int i = 0; i < Min(a->nkeys, b->nkeys); i++)
	{
		/* a column whose type is not known */
		if (b->keys[i].attnum != 0 && !OidIsValid(b->keys[i].opclass))
		{
			b->keys[i].type = a->keys[i].type;
			b->keys[i].opclass = a->keys[i].opclass;
			b->keys[i].opfamily = a->keys[i].opfamily;
			b->keys[i].opclass_input = a->keys[i].opclass_input;
			b->keys[i].collation = a->keys[i].collation;
			b->keys[i].default_collation = a->keys[i].default_collation;
		}
		if (a->exclusion && b->exclusion)
			b->keys[i].exclusion_operator = a->keys[i].exclusion_operator;
	}

	/* in place of a partial index, a full one's size decides, if it is known */
	if (b->has_predicate || a->tuples <= 0 || b->tuples <= 0)
	{
		a->has_predicate = b->has_predicate = false;
		a->predicate = b->predicate = NIL;
	}
	return guard_shape_match(a, b, need_unique) != GUARD_MATCH_NONE;
}

/*
 * Does an index of the script serve in place of a real one, whose texts are
 * comparable?
 */
ScriptMatch
guard_structure_match(const GuardShape *gone, const ScriptRelation *index,
					  bool need_unique)
{
	GuardShape *other;

	if (!index->usable || index->shape == NULL)
		return SCRIPT_MATCH_NONE;
	other = guard_shape_copy(index->shape);
	adopt(gone, other, false);
	if (index->shape_known && has_text_of_all(gone) && has_text_of_all(other) &&
		predicates_comparable(gone, other) &&
		guard_shape_match(gone, other, need_unique) != GUARD_MATCH_NONE)
		return SCRIPT_MATCH_SERVES;
	return might_match(gone, index->shape, need_unique) ?
		SCRIPT_MATCH_UNKNOWN : SCRIPT_MATCH_NONE;
}

bool
guard_structure_uses(const ScriptRelation *index, const char *label)
{
	const GuardShape *shape = index->shape;
	char	   *mark = psprintf("[%s]", label);
	ListCell   *lc;

	for (int i = 0; i < shape->nkeys; i++)
	{
		const GuardShapeKey *key = &shape->keys[i];

		if (key->column != NULL && strcmp(key->column, label) == 0)
			return true;
		if (key->expression_text != NULL && strstr(key->expression_text, mark))
			return true;
	}
	foreach(lc, shape->included)
	{
		if (strcmp(lfirst(lc), label) == 0)
			return true;
	}
	return shape->predicate_text != NULL && strstr(shape->predicate_text, mark);
}

/*
 * Columns stand in brackets in a normal text.  Do two texts name the same
 * ones?
 */
static bool
names_columns_of(const char *a, const char *b)
{
	const char *open = a;

	while ((open = strchr(open, '[')) != NULL)
	{
		const char *close = strchr(open, ']');

		if (close == NULL)
			break;
		if (strstr(b, pnstrdup(open, close - open + 1)) == NULL)
			return false;
		open = close;
	}
	return true;
}

static bool
same_columns(const char *a, const char *b)
{
	return names_columns_of(a, b) && names_columns_of(b, a);
}

/*
 * Do two texts differ in nothing but casts?  That is how one expression comes
 * to be written in two ways.
 */
static bool
but_for_casts(const char *a, const char *b)
{
	return strcmp(without_casts(a), without_casts(b)) == 0;
}

static char *
without_casts(const char *str)
{
	StringInfoData buf;

	initStringInfo(&buf);
	while (*str != '\0')
	{
		if (str[0] == ':' && str[1] == ':')
			str += strcspn(str, " (),");
		else
			appendStringInfoChar(&buf, *str++);
	}
	return buf.data;
}
