/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  What a finished plan scans, and what it costs.
 *
 * The plan says what may be scanned (doc/internals/postgresql.md 4.1), which
 * is what a second plan can be compared with; what really was, capture knows.
 * Arbiters of ON CONFLICT are not in it: hiding does not touch them
 * (doc/internals/postgresql.md 3.2).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "optimizer/cost.h"
#include "optimizer/planmain.h"
#include "parser/parsetree.h"

#include "planner/planner.h"

/* Costs and rows that differ by less are the same. */
#define MATERIAL		0.01

typedef struct IndexVisit
{
	guard_plan_visit visit;
	void	   *arg;
} IndexVisit;

typedef struct Collected
{
	PlannedStmt *plan;
	List	   *scans;
} Collected;

/* ----------------------------------------------------------------
 *		The tree
 * ----------------------------------------------------------------
 */

static bool walk_plan(Plan *plan, guard_plan_scan_visit visit, void *arg);

/* The plans below a node that has a list of them. */
List *
guard_plan_members(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Append:
			return ((Append *) plan)->appendplans;
		case T_MergeAppend:
			return ((MergeAppend *) plan)->mergeplans;
		case T_BitmapAnd:
			return ((BitmapAnd *) plan)->bitmapplans;
		case T_BitmapOr:
			return ((BitmapOr *) plan)->bitmapplans;
		case T_CustomScan:
			return ((CustomScan *) plan)->custom_plans;
		default:
			return NIL;
	}
}

static bool
walk_list(List *plans, guard_plan_scan_visit visit, void *arg)
{
	foreach_ptr(Plan, plan, plans)
	{
		if (!walk_plan(plan, visit, arg))
			return false;
	}
	return true;
}

/*
 * Returns false as soon as "visit" does.  There is no check of the stack here:
 * making the same tree took far more.
 */
static bool
walk_plan(Plan *plan, guard_plan_scan_visit visit, void *arg)
{
	while (plan)
	{
		switch (nodeTag(plan))
		{
			case T_IndexScan:
			case T_IndexOnlyScan:
			case T_BitmapIndexScan:
			case T_SeqScan:
			case T_SampleScan:
				return visit((Scan *) plan, arg);
			case T_BitmapHeapScan:
				if (!visit((Scan *) plan, arg))
					return false;
				break;
			case T_SubqueryScan:
				plan = ((SubqueryScan *) plan)->subplan;
				continue;
			default:
				break;
		}
		if (!walk_list(guard_plan_members(plan), visit, arg))
			return false;
		if (innerPlan(plan) && !walk_plan(innerPlan(plan), visit, arg))
			return false;
		plan = outerPlan(plan);
	}
	return true;
}

/* Call "visit" for each scan of a table, until it returns false. */
void
guard_plan_walk(PlannedStmt *plan, guard_plan_scan_visit visit, void *arg)
{
	if (walk_plan(plan->planTree, visit, arg) && plan->subplans != NIL)
		(void) walk_list(plan->subplans, visit, arg);
}

/* ----------------------------------------------------------------
 *		Scans
 * ----------------------------------------------------------------
 */

/*
 * The index of a scan; InvalidOid where it has none.
 */
static Oid
index_of(const Scan *scan)
{
	switch (nodeTag(scan))
	{
		case T_IndexScan:
			return ((const IndexScan *) scan)->indexid;
		case T_IndexOnlyScan:
			return ((const IndexOnlyScan *) scan)->indexid;
		case T_BitmapIndexScan:
			return ((const BitmapIndexScan *) scan)->indexid;
		default:
			return InvalidOid;
	}
}

static bool
visit_index(Scan *scan, void *arg)
{
	IndexVisit *v = arg;
	Oid			index = index_of(scan);

	return !OidIsValid(index) || v->visit(index, scan->plan.plan_rows, v->arg);
}

/* Call "visit" for each index that the plan scans. */
void
guard_plan_indexes(PlannedStmt *plan, guard_plan_visit visit, void *arg)
{
	IndexVisit	v = {visit, arg};

	guard_plan_walk(plan, visit_index, &v);
}

static bool
collect_scan(Scan *node, void *arg)
{
	Collected  *collected = arg;
	GuardPlanScan *scan;

	/* Its bitmaps are there for themselves. */
	if (IsA(node, BitmapHeapScan))
		return true;
	scan = palloc(sizeof(*scan));
	scan->heap = rt_fetch(node->scanrelid, collected->plan->rtable)->relid;
	scan->index = index_of(node);
	scan->rows = node->plan.plan_rows;
	scan->only = IsA(node, IndexOnlyScan);
	collected->scans = lappend(collected->scans, scan);
	return true;
}

/* All scans of tables. */
List *
guard_plan_scans(PlannedStmt *plan)
{
	Collected	collected = {plan, NIL};

	guard_plan_walk(plan, collect_scan, &collected);
	return collected.scans;
}

/* How many scans of the list are of this table with this index. */
int
guard_plan_count(List *scans, Oid heap, Oid index)
{
	int			count = 0;

	foreach_ptr(GuardPlanScan, scan, scans)
	{
		count += scan->heap == heap && scan->index == index ? 1 : 0;
	}
	return count;
}

/* ----------------------------------------------------------------
 *		Cost
 * ----------------------------------------------------------------
 */

/*
 * Before 18 a plan node that is switched off costs disable_cost more, and a
 * plan can have several; what remains below it is what the planner thinks.
 */
double
guard_plan_unfined(double cost)
{
	return guard_compat_has_fines && cost >= disable_cost ?
		fmod(cost, disable_cost) : cost;
}

/* What the plan costs, without fines, for as much as it was planned for. */
double
guard_plan_cost(PlannedStmt *plan, int cursorOptions)
{
	double		startup = guard_plan_unfined(plan->planTree->startup_cost);
	double		total = guard_plan_unfined(plan->planTree->total_cost);

	if ((cursorOptions & CURSOR_OPT_FAST_PLAN) == 0)
		return total;
	return startup + Min(cursor_tuple_fraction, 1.0) * (total - startup);
}

/* Do two figures differ by more than this share of the larger one? */
bool
guard_plan_is_far(double a, double b, double share)
{
	return fabs(a - b) > share * Max(a, b);
}

/* Is a plan of the same statement another one? */
bool
guard_plan_differs(PlannedStmt *plan, PlannedStmt *other, int cursorOptions)
{
	return guard_plan_is_far(guard_plan_cost(plan, cursorOptions),
							 guard_plan_cost(other, cursorOptions), MATERIAL) ||
		guard_plan_is_far(plan->planTree->plan_rows,
						  other->planTree->plan_rows, MATERIAL) ||
		list_length(guard_plan_scans(plan)) !=
		list_length(guard_plan_scans(other));
}
