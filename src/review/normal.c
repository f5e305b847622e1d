/*-------------------------------------------------------------------------
 *
 * normal.c
 *	  Expressions of indexes in one normal form, as text.
 *
 * For comparing what a script says with what the catalogs say, without parse
 * analysis.  Made from the raw parse tree: casts of constants, pg_catalog and
 * case are dropped, IN becomes = ANY, BETWEEN two comparisons, and what has no
 * order is sorted.  A real index's expression, deparsed without the casts that
 * nobody wrote, is parsed again and brought into the same form.
 *
 * Columns stand in brackets, under the name that real indexes know them by.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "utils/builtins.h"

#include "compat/list.h"
#include "review/script.h"

/* Where the columns of an expression are looked up; NULL for a real index's. */
typedef struct Naming
{
	Script	   *script;
	ScriptRelation *table;
} Naming;

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
static Node *parse_expression(const char *str);

char *
guard_normal_text(Node *node, Script *script, ScriptRelation *table)
{
	Naming		naming = {script, table};

	return normal_text(node, &naming);
}

char *
guard_normal_text_of(const char *deparsed)
{
	return normal_text(parse_expression(deparsed), NULL);
}

static Node *
parse_expression(const char *str)
{
	List	   *statements = raw_parser(psprintf("SELECT %s", str),
										RAW_PARSE_DEFAULT);
	SelectStmt *select = castNode(SelectStmt,
								  linitial_node(RawStmt, statements)->stmt);

	return linitial_node(ResTarget, select->targetList)->val;
}

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
		char	   *str = normal_text(lfirst(lc), naming);

		if (str == NULL)
			return false;
		texts = lappend(texts, str);
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
		char	   *str;

		if (IsA(arg, BoolExpr) && ((BoolExpr *) arg)->boolop == expr->boolop)
		{
			if (!collect_bool(texts, (BoolExpr *) arg, naming))
				return false;
			continue;
		}
		str = normal_text(arg, naming);
		if (str == NULL)
			return false;
		*texts = lappend(*texts, str);
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
	appendStringInfoString(buf, "case(");
	if (!append_node(buf, (Node *) expr->arg, naming))
		return false;
	foreach_ptr(CaseWhen, when, expr->args)
	{
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
	char	   *str;

	if (constant->isnull)
	{
		appendStringInfoString(buf, "null");
		return;
	}
	switch (nodeTag(&constant->val))
	{
		case T_Integer:
			str = psprintf("%d", intVal(&constant->val));
			break;
		case T_Boolean:
			str = pstrdup(boolVal(&constant->val) ? "true" : "false");
			break;
		case T_Float:
			str = pstrdup(constant->val.fval.fval);
			break;
		default:
			str = pstrdup(strVal(&constant->val));
			break;
	}
	str = quote_literal_cstr(str);
	for (char *p = str; *p != '\0'; p++)
	{
		if (*p == '[')
			*p = '\001';
		else if (*p == ']')
			*p = '\002';
	}
	appendStringInfoString(buf, str);
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
