/*-------------------------------------------------------------------------
 *
 * proof.c
 *	  May a statement's plan rest on the uniqueness of an index?
 *
 * A join is left out, or a table joined by its key alone, because an index is
 * unique: no scan shows that, and only a plan without the index tells whether it
 * is so.  Where that plan is not made - there was no time left for it, or planning
 * the statement calls somebody's code - the planner may still have done it, if the
 * statement compares all columns of the index, or groups by them.  That is all that
 * is asked here, and the answer yes means: not known.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/pg_index.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"

#include "planner/whatif/sampling.h"

/* The columns of a table that a statement compares or groups by. */
typedef struct Compared
{
	Oid			heap;
	Query	   *query;			/* the level at hand */
	Bitmapset  *columns;
} Compared;

/*
 * What a column is made of, below joins and subqueries, is noted if it is one of
 * the table.
 */
static void
note_compared(Node *node, Query *query, Compared *compared)
{
	while (node != NULL)
	{
		RangeTblEntry *entry;
		Var		   *var;

		while (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		var = (Var *) node;
		if (!IsA(node, Var) || var->varlevelsup > 0 || var->varattno <= 0)
			return;
		entry = rt_fetch(var->varno, query->rtable);
		if (entry->rtekind == RTE_RELATION && entry->relid == compared->heap)
			compared->columns = bms_add_member(compared->columns, var->varattno);
		if (guard_compat_stands_for(entry) != NIL)
			node = list_nth(guard_compat_stands_for(entry), var->varattno - 1);
		else if (entry->rtekind == RTE_SUBQUERY)
		{
			TargetEntry *target = get_tle_by_resno(entry->subquery->targetList, var->varattno);

			node = target != NULL ? (Node *) target->expr : NULL;
			query = entry->subquery;
		}
		else
			return;
	}
}

static bool
find_compared(Node *node, void *arg)
{
	Compared   *compared = arg;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *outer = compared->query;

		compared->query = (Query *) node;
		foreach_ptr(SortGroupClause, clause, compared->query->groupClause)
			note_compared(get_sortgroupclause_expr(clause, compared->query->targetList),
						  compared->query, compared);
		(void) query_tree_walker(compared->query, find_compared, arg, 0);
		compared->query = outer;
		return false;
	}
	if (IsA(node, OpExpr) && list_length(((OpExpr *) node)->args) == 2)
	{
		const OpExpr *op = (const OpExpr *) node;

		if (op_mergejoinable(op->opno, exprType(linitial(op->args))) ||
			op_hashjoinable(op->opno, exprType(linitial(op->args))))
		{
			note_compared(linitial(op->args), compared->query, compared);
			note_compared(lsecond(op->args), compared->query, compared);
		}
	}
	return expression_tree_walker(node, find_compared, arg);
}

bool
guard_proof_possible(GuardShadow *shadow, Oid index)
{
	Compared	compared = {.heap = IndexGetRelation(index, true)};
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		possible;

	if (!HeapTupleIsValid(tuple))
		return false;
	possible = ((Form_pg_index) GETSTRUCT(tuple))->indisunique;
	if (possible)
		(void) find_compared((Node *) shadow->query, &compared);
	for (int i = 0; i < ((Form_pg_index) GETSTRUCT(tuple))->indnkeyatts; i++)
	{
		AttrNumber	column = ((Form_pg_index) GETSTRUCT(tuple))->indkey.values[i];

		/* what an expression is compared as is not looked at */
		possible &= column == 0 || bms_is_member(column, compared.columns);
	}
	ReleaseSysCache(tuple);
	return possible;
}
