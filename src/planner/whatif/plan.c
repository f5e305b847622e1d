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

#include "nodes/pathnodes.h"
#include "optimizer/cost.h"
#include "optimizer/planmain.h"
#include "parser/parsetree.h"

#include "compat/compat.h"
#include "compat/list.h"
#include "planner/whatif/plan.h"

/* Called for each scan; false ends the walk. */
typedef bool (*visit_scan) (Index scanrelid, Oid index, void *arg);

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

static bool walk_plan(Plan *plan, visit_scan visit, void *arg);

static bool
walk_list(List *plans, visit_scan visit, void *arg)
{
	ListCell   *lc;

	foreach(lc, plans)
	{
		if (!walk_plan((Plan *) lfirst(lc), visit, arg))
			return false;
	}
	return true;
}

/*
 * Returns false as soon as "visit" does.  There is no check of the stack here:
 * making the same tree took far more.
 */
static bool
walk_plan(Plan *plan, visit_scan visit, void *arg)
{
	List	   *members;

	while (plan)
	{
		members = NIL;
		switch (nodeTag(plan))
		{
			case T_IndexScan:
				return visit(((Scan *) plan)->scanrelid,
							 ((IndexScan *) plan)->indexid, arg);
			case T_IndexOnlyScan:
				return visit(((Scan *) plan)->scanrelid,
							 ((IndexOnlyScan *) plan)->indexid, arg);
			case T_BitmapIndexScan:
				return visit(((Scan *) plan)->scanrelid,
							 ((BitmapIndexScan *) plan)->indexid, arg);
			case T_SeqScan:
			case T_SampleScan:
				return visit(((Scan *) plan)->scanrelid, InvalidOid, arg);
			case T_SubqueryScan:
				plan = ((SubqueryScan *) plan)->subplan;
				continue;
			case T_Append:
				members = ((Append *) plan)->appendplans;
				break;
			case T_MergeAppend:
				members = ((MergeAppend *) plan)->mergeplans;
				break;
			case T_BitmapAnd:
				members = ((BitmapAnd *) plan)->bitmapplans;
				break;
			case T_BitmapOr:
				members = ((BitmapOr *) plan)->bitmapplans;
				break;
			case T_CustomScan:
				members = ((CustomScan *) plan)->custom_plans;
				break;
			default:
				break;
		}
		if (members != NIL && !walk_list(members, visit, arg))
			return false;
		if (innerPlan(plan) && !walk_plan(innerPlan(plan), visit, arg))
			return false;
		plan = outerPlan(plan);
	}
	return true;
}

static void
walk_statement(PlannedStmt *plan, visit_scan visit, void *arg)
{
	if (walk_plan(plan->planTree, visit, arg) && plan->subplans != NIL)
		(void) walk_list(plan->subplans, visit, arg);
}

/* ----------------------------------------------------------------
 *		Scans
 * ----------------------------------------------------------------
 */

static bool
visit_index(Index scanrelid, Oid index, void *arg)
{
	IndexVisit *v = arg;

	return !OidIsValid(index) || v->visit(index, v->arg);
}

void
guard_plan_indexes(PlannedStmt *plan, guard_plan_visit visit, void *arg)
{
	IndexVisit	v = {visit, arg};

	walk_statement(plan, visit_index, &v);
}

static bool
collect_scan(Index scanrelid, Oid index, void *arg)
{
	Collected  *collected = arg;
	GuardPlanScan *scan = palloc(sizeof(*scan));

	scan->heap = rt_fetch(scanrelid, collected->plan->rtable)->relid;
	scan->index = index;
	collected->scans = lappend(collected->scans, scan);
	return true;
}

List *
guard_plan_scans(PlannedStmt *plan)
{
	Collected	collected = {plan, NIL};

	walk_statement(plan, collect_scan, &collected);
	return collected.scans;
}

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
static double
without_fines(double cost)
{
	return guard_compat_has_fines && cost >= disable_cost ?
		fmod(cost, disable_cost) : cost;
}

double
guard_plan_cost(PlannedStmt *plan, int cursorOptions)
{
	double		startup = without_fines(plan->planTree->startup_cost);
	double		total = without_fines(plan->planTree->total_cost);

	if ((cursorOptions & CURSOR_OPT_FAST_PLAN) == 0)
		return total;
	return startup + Min(cursor_tuple_fraction, 1.0) * (total - startup);
}
