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
 * (finding 18 of the design review).  They are compared as text instead, made
 * from the raw parse tree in one normal form: casts of constants, pg_catalog
 * and case are dropped, IN becomes = ANY, AND and OR are sorted.  The real
 * index's text, deparsed without the casts that nobody wrote, is parsed again
 * and brought into the same form.  Equal texts mean the same.  Different ones
 * need not mean different things: where all else would match, and the same
 * columns are used, the answer is "compare by hand".
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attnum.h"
#include "access/brin.h"
#include "catalog/namespace.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "review/script.h"

/* A column that the script adds: it has a name, and no number. */
#define ADDED_COLUMN	MaxAttrNumber

/* Where the columns of an expression are looked up; NULL for a real index's. */
typedef struct Naming
{
	Script	   *script;
	ScriptRelation *table;
} Naming;

static GuardShape *start(Script *script, ScriptRelation *index, const char *am,
						 int nkeys);
static void read_element(Script *script, ScriptRelation *index,
						 GuardShapeKey *key, IndexElem *element);
static void read_column_key(Script *script, ScriptRelation *index,
							GuardShapeKey *key, const char *name);
static void read_opclass(ScriptRelation *index, GuardShapeKey *key,
						 List *opclass);
static char *options_text(List *options);
static int	brin_range(List *options);
static char *normal_text(Node *node, const Naming *naming);
static bool append_node(StringInfo buf, Node *node, const Naming *naming);
static bool append_list(StringInfo buf, List *nodes, const Naming *naming);
static bool append_set(StringInfo buf, List *nodes, const Naming *naming);
static void append_sorted(StringInfo buf, List *texts);
static int	compare_texts(const ListCell *a, const ListCell *b);
static Node *expand_between(Node *node);
static bool append_expr(StringInfo buf, A_Expr *expr, const Naming *naming);
static bool append_bool(StringInfo buf, BoolExpr *expr, const Naming *naming);
static bool append_case(StringInfo buf, CaseExpr *expr, const Naming *naming);
static bool append_function(StringInfo buf, FuncCall *call,
							const Naming *naming);
static void append_type(StringInfo buf, TypeName *type);
static void append_const(StringInfo buf, A_Const *constant);
static void append_name(StringInfo buf, List *names);
static Node *strip_const_cast(Node *node);
static Node *parse_expression(const char *text);
static bool same_columns(const char *a, const char *b);
static bool but_for_casts(const char *a, const char *b);
static char *without_casts(const char *text);

/* ---- from the script ---- */

void
guard_structure_of_index(Script *script, ScriptRelation *index, IndexStmt *stmt)
{
	const char *am = stmt->accessMethod ? stmt->accessMethod : DEFAULT_INDEX_TYPE;
	GuardShape *shape = start(script, index, am, list_length(stmt->indexParams));
	Naming		naming = {script, index->table};
	ListCell   *lc;
	int			i = 0;

	shape->unique = stmt->unique;
	shape->nulls_not_distinct = stmt->nulls_not_distinct;
	shape->storage_options = options_text(stmt->options);
	shape->pages_per_range = shape->am == BRIN_AM_OID ? brin_range(stmt->options) : 0;
	foreach(lc, stmt->indexParams)
		read_element(script, index, &shape->keys[i++], lfirst(lc));
	foreach(lc, stmt->indexIncludingParams)
	{
		IndexElem  *element = lfirst(lc);

		if (element->name != NULL)
			shape->included = lappend(shape->included,
									  pstrdup(guard_script_column_label(script, index->table,
																		element->name)));
	}
	if (stmt->whereClause != NULL)
	{
		shape->has_predicate = true;
		shape->predicate_text = normal_text(stmt->whereClause, &naming);
	}

	/* what is built on the parent alone is not valid before its last child */
	index->usable = stmt->relation == NULL || stmt->relation->inh ||
		index->table->relkind != RELKIND_PARTITIONED_TABLE;
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
 * The same structure as another index has, for CREATE TABLE (LIKE …).
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
	Naming		naming = {script, index->table};

	if (element->name != NULL)
		read_column_key(script, index, key, element->name);
	else
	{
		key->expression = element->expr;
		key->expression_text = normal_text(element->expr, &naming);
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
	if (column == NULL || !OidIsValid(column->type))
	{
		index->shape_known = false;
		return;
	}
	key->type = column->type;
	key->collation = column->collation;
	key->opclass = GetDefaultOpClass(key->type, index->shape->am);
	if (!OidIsValid(key->opclass))
		index->shape_known = false;
	else
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
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		appendStringInfo(&buf, "%s%s=%s", buf.len > 0 ? ", " : "",
						 option->defname,
						 quote_literal_cstr(option->arg ? defGetString(option) : "true"));
	}
	return buf.len > 0 ? buf.data : NULL;
}

static int
brin_range(List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

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
			key->expression_text = normal_text(parse_expression(key->expression_text), NULL);
		if (key->expression_text == NULL)
			*known = false;
	}
	if (copy->has_predicate)
	{
		if (copy->predicate_text != NULL)
			copy->predicate_text = normal_text(parse_expression(copy->predicate_text), NULL);
		if (copy->predicate_text == NULL)
			*known = false;
	}
	return copy;
}

static Node *
parse_expression(const char *text)
{
	List	   *statements = raw_parser(psprintf("SELECT %s", text),
										RAW_PARSE_DEFAULT);
	SelectStmt *select = castNode(SelectStmt,
								  linitial_node(RawStmt, statements)->stmt);

	return linitial_node(ResTarget, select->targetList)->val;
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
	a->has_predicate = b->has_predicate = false;
	a->predicate = b->predicate = NIL;
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
without_casts(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	while (*text != '\0')
	{
		if (text[0] == ':' && text[1] == ':')
			text += strcspn(text, " (),");
		else
			appendStringInfoChar(&buf, *text++);
	}
	return buf.data;
}

/* ---- the normal form ---- */

/*
 * NULL for what has none: a node of a kind that is not known here.
 */
static char *
normal_text(Node *node, const Naming *naming)
{
	StringInfoData buf;

	initStringInfo(&buf);
	return append_node(&buf, node, naming) ? buf.data : NULL;
}

static bool
append_node(StringInfo buf, Node *node, const Naming *naming)
{
	check_stack_depth();
	if (node == NULL)
		return true;
	node = expand_between(strip_const_cast(node));
	switch (nodeTag(node))
	{
		case T_ColumnRef:
			{
				Node	   *name = llast(((ColumnRef *) node)->fields);

				if (!IsA(name, String))
					return false;
				appendStringInfo(buf, "[%s]", naming == NULL ? strVal(name) :
								 guard_script_column_label(naming->script, naming->table,
														   strVal(name)));
				return true;
			}
		case T_A_Const:
			append_const(buf, (A_Const *) node);
			return true;
		case T_TypeCast:
			if (!append_node(buf, ((TypeCast *) node)->arg, naming))
				return false;
			appendStringInfoString(buf, "::");
			append_type(buf, ((TypeCast *) node)->typeName);
			return true;
		case T_FuncCall:
			return append_function(buf, (FuncCall *) node, naming);
		case T_A_Expr:
			return append_expr(buf, (A_Expr *) node, naming);
		case T_BoolExpr:
			return append_bool(buf, (BoolExpr *) node, naming);
		case T_NullTest:
			appendStringInfoString(buf, ((NullTest *) node)->nulltesttype == IS_NULL ?
								   "isnull(" : "notnull(");
			if (!append_node(buf, (Node *) ((NullTest *) node)->arg, naming))
				return false;
			appendStringInfoChar(buf, ')');
			return true;
		case T_BooleanTest:
			appendStringInfo(buf, "test%d(", (int) ((BooleanTest *) node)->booltesttype);
			if (!append_node(buf, (Node *) ((BooleanTest *) node)->arg, naming))
				return false;
			appendStringInfoChar(buf, ')');
			return true;
		case T_CoalesceExpr:
			appendStringInfoString(buf, "coalesce");
			return append_list(buf, ((CoalesceExpr *) node)->args, naming);
		case T_MinMaxExpr:
			appendStringInfoString(buf, ((MinMaxExpr *) node)->op == IS_GREATEST ?
								   "greatest" : "least");
			return append_list(buf, ((MinMaxExpr *) node)->args, naming);
		case T_CaseExpr:
			return append_case(buf, (CaseExpr *) node, naming);
		case T_A_ArrayExpr:
			appendStringInfoString(buf, "array");
			return append_list(buf, ((A_ArrayExpr *) node)->elements, naming);
		case T_CollateClause:
			if (!append_node(buf, ((CollateClause *) node)->arg, naming))
				return false;
			appendStringInfoString(buf, " collate ");
			append_name(buf, ((CollateClause *) node)->collname);
			return true;
		default:
			return false;
	}
}

static bool
append_list(StringInfo buf, List *nodes, const Naming *naming)
{
	ListCell   *lc;

	appendStringInfoChar(buf, '(');
	foreach(lc, nodes)
	{
		if (foreach_current_index(lc) > 0)
			appendStringInfoChar(buf, ',');
		if (!append_node(buf, lfirst(lc), naming))
			return false;
	}
	appendStringInfoChar(buf, ')');
	return true;
}

/*
 * The same for what has no order.
 */
static bool
append_set(StringInfo buf, List *nodes, const Naming *naming)
{
	List	   *texts = NIL;
	ListCell   *lc;

	foreach(lc, nodes)
	{
		char	   *text = normal_text(lfirst(lc), naming);

		if (text == NULL)
			return false;
		texts = lappend(texts, text);
	}
	append_sorted(buf, texts);
	return true;
}

static void
append_sorted(StringInfo buf, List *texts)
{
	ListCell   *lc;

	list_sort(texts, compare_texts);
	appendStringInfoChar(buf, '(');
	foreach(lc, texts)
		appendStringInfo(buf, "%s%s", foreach_current_index(lc) > 0 ? "," : "",
						 (char *) lfirst(lc));
	appendStringInfoChar(buf, ')');
}

static int
compare_texts(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/*
 * a BETWEEN b AND c is short for a >= b AND a <= c; other nodes are returned.
 */
static Node *
expand_between(Node *node)
{
	A_Expr	   *expr = (A_Expr *) node;
	List	   *bounds;

	if (node == NULL || !IsA(node, A_Expr) || expr->kind != AEXPR_BETWEEN)
		return node;
	bounds = castNode(List, expr->rexpr);
	return (Node *) makeBoolExpr(AND_EXPR,
								 list_make2(makeSimpleA_Expr(AEXPR_OP, ">=", expr->lexpr,
															 linitial(bounds), -1),
											makeSimpleA_Expr(AEXPR_OP, "<=", expr->lexpr,
															 lsecond(bounds), -1)), -1);
}

/*
 * a op b, and what is short for it.
 */
static bool
append_expr(StringInfo buf, A_Expr *expr, const Naming *naming)
{
	const char *name = strVal(llast(expr->name));
	const char *quantifier = "";
	bool		ok;

	switch (expr->kind)
	{
		case AEXPR_OP:
		case AEXPR_LIKE:
		case AEXPR_ILIKE:
			break;
		case AEXPR_OP_ANY:
			quantifier = "any ";
			break;
		case AEXPR_OP_ALL:
			quantifier = "all ";
			break;
		case AEXPR_IN:
			quantifier = strcmp(name, "=") == 0 ? "any array" : "all array";
			break;
		case AEXPR_DISTINCT:
			quantifier = "distinct ";
			break;
		case AEXPR_NOT_DISTINCT:
			quantifier = "not distinct ";
			break;
		case AEXPR_NULLIF:
			quantifier = "nullif ";
			break;
		default:
			return false;
	}
	appendStringInfoChar(buf, '(');
	ok = append_node(buf, expr->lexpr, naming);
	appendStringInfo(buf, " %s %s", name, quantifier);
	if (expr->rexpr != NULL && IsA(expr->rexpr, List))
		ok = ok && append_set(buf, (List *) expr->rexpr, naming);
	else if (*quantifier == 'a' && IsA(strip_const_cast(expr->rexpr), A_ArrayExpr))
	{
		appendStringInfoString(buf, "array");
		ok = ok && append_set(buf, ((A_ArrayExpr *) strip_const_cast(expr->rexpr))->elements,
							  naming);
	}
	else
		ok = ok && append_node(buf, expr->rexpr, naming);
	appendStringInfoChar(buf, ')');
	return ok;
}

/*
 * The arguments of an AND or OR in an order of their own, those of the same
 * kind below it among them.
 */
static bool
collect_bool(List **texts, BoolExpr *expr, const Naming *naming)
{
	ListCell   *lc;

	check_stack_depth();
	foreach(lc, expr->args)
	{
		Node	   *arg = expand_between(lfirst(lc));
		char	   *text;

		if (IsA(arg, BoolExpr) && ((BoolExpr *) arg)->boolop == expr->boolop)
		{
			if (!collect_bool(texts, (BoolExpr *) arg, naming))
				return false;
			continue;
		}
		text = normal_text(arg, naming);
		if (text == NULL)
			return false;
		*texts = lappend(*texts, text);
	}
	return true;
}

static bool
append_bool(StringInfo buf, BoolExpr *expr, const Naming *naming)
{
	List	   *texts = NIL;

	if (expr->boolop == NOT_EXPR)
	{
		appendStringInfoString(buf, "not");
		return append_list(buf, expr->args, naming);
	}
	if (!collect_bool(&texts, expr, naming))
		return false;
	appendStringInfoString(buf, expr->boolop == AND_EXPR ? "and" : "or");
	append_sorted(buf, texts);
	return true;
}

static bool
append_case(StringInfo buf, CaseExpr *expr, const Naming *naming)
{
	ListCell   *lc;

	appendStringInfoString(buf, "case(");
	if (!append_node(buf, (Node *) expr->arg, naming))
		return false;
	foreach(lc, expr->args)
	{
		CaseWhen   *when = lfirst_node(CaseWhen, lc);

		appendStringInfoString(buf, " when ");
		if (!append_node(buf, (Node *) when->expr, naming))
			return false;
		appendStringInfoString(buf, " then ");
		if (!append_node(buf, (Node *) when->result, naming))
			return false;
	}
	appendStringInfoString(buf, " else ");
	if (expr->defresult == NULL)
		appendStringInfoString(buf, "null");
	else if (!append_node(buf, (Node *) expr->defresult, naming))
		return false;
	appendStringInfoChar(buf, ')');
	return true;
}

/*
 * Only what an index expression can have: no aggregate, no window.
 */
static bool
append_function(StringInfo buf, FuncCall *call, const Naming *naming)
{
	if (call->agg_order != NIL || call->agg_filter != NULL ||
		call->over != NULL || call->agg_star || call->agg_distinct ||
		call->agg_within_group)
		return false;
	append_name(buf, call->funcname);
	return append_list(buf, call->args, naming);
}

static void
append_type(StringInfo buf, TypeName *type)
{
	ListCell   *lc;

	append_name(buf, type->names);
	foreach(lc, type->typmods)
	{
		if (IsA(lfirst(lc), A_Const))
		{
			appendStringInfoChar(buf, '#');
			append_const(buf, lfirst(lc));
		}
	}
	if (type->arrayBounds != NIL)
		appendStringInfoString(buf, "[]");
}

/*
 * 1, '1' and '1'::integer are one: the column decides.  Brackets mean columns,
 * so a constant has none.
 */
static void
append_const(StringInfo buf, A_Const *constant)
{
	char	   *text;

	if (constant->isnull)
	{
		appendStringInfoString(buf, "null");
		return;
	}
	switch (nodeTag(&constant->val))
	{
		case T_Integer:
			text = psprintf("%d", intVal(&constant->val));
			break;
		case T_Boolean:
			text = pstrdup(boolVal(&constant->val) ? "true" : "false");
			break;
		case T_Float:
			text = pstrdup(constant->val.fval.fval);
			break;
		default:
			text = pstrdup(strVal(&constant->val));
			break;
	}
	text = quote_literal_cstr(text);
	for (char *p = text; *p != '\0'; p++)
	{
		if (*p == '[')
			*p = '\001';
		else if (*p == ']')
			*p = '\002';
	}
	appendStringInfoString(buf, text);
}

/* A qualified name, pg_catalog left out. */
static void
append_name(StringInfo buf, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		const char *name = strVal(lfirst(lc));

		if (lnext(names, lc) == NULL)
			appendStringInfoString(buf, name);
		else if (strcmp(name, "pg_catalog") != 0)
			appendStringInfo(buf, "%s.", name);
	}
}

/*
 * The deparser writes constants with their types, people do not.  'now'::date
 * and 'now' mean the same where an index takes them.
 */
static Node *
strip_const_cast(Node *node)
{
	Node	   *inner = node;

	while (IsA(inner, TypeCast))
		inner = ((TypeCast *) inner)->arg;
	return IsA(inner, A_Const) || IsA(inner, A_ArrayExpr) ? inner : node;
}
