/*-------------------------------------------------------------------------
 *
 * effort.c
 *	  What a plan has to do, by kind of work.
 *
 * Costs compare plans; they are not proportional to time across kinds of work.
 * random_page_cost expects a disk, and a page is charged once however often
 * its rows are fetched: sixty thousand rows that an index finds in nine hundred
 * pages cost less than reading these pages does, and take thirty times as
 * long.  So what a finished plan is expected to do is counted here in units
 * of each kind: cost, where cost is what counts, and rows, where a row is.
 *
 * A node's own share is its cost less that of the nodes below it; how often
 * these are executed is told by the costs as well, since that is how the
 * planner came by them.  Under a LIMIT a node does a part of its work.
 *
 * What the planner is unsure of is counted at its most as well: columns that
 * go together although it takes them to be independent, and a walk that stops
 * when it has found enough, of what may not be there.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_statistic.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "planner/planner.h"

/* What an index scan does, in rows fetched from the table at random. */
#define IN_INDEX		1.0		/* for what finding them in the index costs */
#define ENTRY			0.15	/* each of the entries */
#define NEIGHBOUR		0.2		/* a row in the same page as the last one */
#define ALSO_ORDERED	0.56	/* what further columns leave of an order, as
								 * the planner has it */

/* Paths that are looked at for one plan, at most. */
#define MOST_LOOKS		10000

/* No estimate is taken to be further off than this. */
#define MOST_DOUBT		100.0

/* What a walk works on. */
typedef struct Walk
{
	PlannedStmt *plan;
	GuardEffortAid *aid;
	GuardEffort *effort;
	double		processes;		/* at work below a Gather, as costs have it */
	int			place;			/* the table of the last scan */
	int			looked;			/* at so many paths */
} Walk;

/*
 * How much of something is done: at least, by estimate, and at most, and how
 * often it is begun.
 */
typedef struct Amount
{
	double		begun;
	double		least;
	double		expected;
	double		most;
} Amount;

static double add_plan(Walk *walk, Plan *plan, Amount times);

/* For each execution: so much. */
static inline Amount
each_execution(double much)
{
	return (Amount)
	{
		much, much, much, much
	};
}

static inline Amount
part_of(Amount times, double share)
{
	times.begun *= share;
	times.least *= share;
	times.expected *= share;
	times.most *= share;
	return times;
}

static void
add(Walk *walk, GuardEffortKind kind, Amount amount)
{
	walk->effort->least[kind] += amount.least;
	walk->effort->expected[kind] += amount.expected;
	walk->effort->most[kind] += amount.most;
}

/* ----------------------------------------------------------------
 *		What the planner knew
 * ----------------------------------------------------------------
 */

/*
 * The path that a scan was made of, with the table that it is a path of.  Scans
 * come in the order of tables, mostly, so the next one is looked for where the
 * last one was found.
 */
static Path *
find_path(Walk *walk, const Plan *plan, RelOptInfo **table)
{
	int			count = walk->aid != NULL ? list_length(walk->aid->tables) : 0;

	for (int i = 0; i < count && walk->looked < MOST_LOOKS; i++)
	{
		int			place = (walk->place + i) % count;
		RelOptInfo *rel = list_nth(walk->aid->tables, place);

		foreach_ptr(Path, path, list_concat_copy(rel->pathlist, rel->partial_pathlist))
		{
			walk->looked++;
			if (path->total_cost == plan->total_cost &&
				path->startup_cost == plan->startup_cost)
			{
				walk->place = place;
				*table = rel;
				return path;
			}
		}
	}
	*table = NULL;
	return NULL;
}

/*
 * What one of these conditions lets through if the others, which are about
 * other columns, let through whatever it does; of "share", which all of them
 * together are taken to.
 */
static double
share_at_most(List *conditions, Index relid, double share)
{
	Bitmapset  *once = NULL;
	Bitmapset  *twice = NULL;
	double		least = 1;

	foreach_ptr(RestrictInfo, condition, conditions)
	{
		Bitmapset  *columns = NULL;

		pull_varattnos((Node *) condition->clause, relid, &columns);
		twice = bms_add_members(twice, bms_intersect(once, columns));
		once = bms_add_members(once, columns);
	}
	foreach_ptr(RestrictInfo, condition, conditions)
	{
		Bitmapset  *columns = NULL;

		pull_varattnos((Node *) condition->clause, relid, &columns);
		if (condition->norm_selec > 0 && !bms_overlap(columns, twice))
			least = Min(least, condition->norm_selec);
	}
	return least < 1 ? Max(least, share) : share;
}

/*
 * The rows that a scan by one index finds, before they are filtered.
 */
static Amount
rows_found(const IndexPath * path, const RelOptInfo *table)
{
	List	   *conditions = NIL;
	Amount		result;

	foreach_ptr(IndexClause, clause, path->indexclauses)
		conditions = lappend(conditions, clause->rinfo);
	result = each_execution(table->tuples * path->indexselectivity);
	result.most = table->tuples * share_at_most(conditions, table->relid,
												path->indexselectivity);
	return result;
}

/*
 * How far do rows lie in the order of an index, from 0 to 1?  The planner has
 * asked its statistics as well, and kept the cost only.
 */
static double
order_of(const IndexPath * path, Oid relid)
{
	int			column = path->indexinfo->indexkeys[0];
	HeapTuple	tuple = column <= 0 ? NULL :
		SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relid), Int16GetDatum(column),
						BoolGetDatum(false));
	double		result = 0;
	AttStatsSlot slot;

	if (!HeapTupleIsValid(tuple))
		return 0;
	if (get_attstatsslot(&slot, tuple, STATISTIC_KIND_CORRELATION, InvalidOid,
						 ATTSTATSSLOT_NUMBERS))
	{
		result = slot.numbers[0] * slot.numbers[0];
		free_attstatsslot(&slot);
	}
	ReleaseSysCache(tuple);
	return path->indexinfo->nkeycolumns > 1 ? result * ALSO_ORDERED : result;
}

/* ----------------------------------------------------------------
 *		Scans
 * ----------------------------------------------------------------
 */

/*
 * The rows that pass a condition, by which the planner may not be able to tell
 * what it takes: try it out.
 */
static void
add_filter(Walk *walk, Scan *scan, Amount rows)
{
	double		page;
	double		row;

	if (scan->plan.qual == NIL || walk->aid == NULL)
		return;
	if (walk->aid->try_out(walk->aid, walk->plan, scan, &page, &row))
		add(walk, GUARD_EFFORT_TRIED, part_of(rows, row));
	else
		walk->effort->untried = true;
}

/*
 * Reading all of a table.  What falls to one of several processes takes as long
 * as all of it when the others find no processor.
 */
static void
add_sequential(Walk *walk, Scan *scan, Amount times)
{
	double		processes = scan->plan.parallel_aware ? walk->processes : 1;
	double		table;
	double		row;

	if (walk->aid != NULL &&
		walk->aid->try_out(walk->aid, walk->plan, scan, &table, &row))
	{
		times.least /= processes;
		times.expected /= processes;
		add(walk, GUARD_EFFORT_TRIED, part_of(times, table));
		return;
	}
	times.most *= processes;
	add(walk, GUARD_EFFORT_SCAN,
		part_of(times, guard_plan_unfined(scan->plan.total_cost)));
	walk->effort->untried |= walk->aid != NULL && scan->plan.qual != NIL;
}

/*
 * The leaves of a bitmap; returns the rows that it has.
 */
static Amount
add_bitmap(Walk *walk, Plan *plan, Amount times)
{
	Amount		result = each_execution(plan->plan_rows);

	if (IsA(plan, BitmapIndexScan))
	{
		add(walk, GUARD_EFFORT_FETCH,
			part_of(times, IN_INDEX * plan->total_cost + ENTRY * plan->plan_rows));
		return result;
	}
	foreach_ptr(Plan, member, guard_plan_members(plan))
	{
		Amount		found = add_bitmap(walk, member, times);

		/* of columns that go together the one tells nothing new */
		if (IsA(plan, BitmapAnd))
			result.most = result.most <= plan->plan_rows ? found.most :
				Min(result.most, found.most);
	}
	return result;
}

/*
 * Rows found by an index, and fetched one by one, or page by page.
 */
static void
add_index_scan(Walk *walk, Scan *scan, Amount times)
{
	Plan	   *plan = &scan->plan;
	RelOptInfo *table;
	Path	   *path = find_path(walk, plan, &table);
	Amount		rows = each_execution(plan->plan_rows);
	double		each = 1;

	if (IsA(plan, BitmapHeapScan))
	{
		rows = add_bitmap(walk, outerPlan(plan), times);
		if (path != NULL && IsA(path, BitmapHeapPath))
			path = ((BitmapHeapPath *) path)->bitmapqual;
		if (table != NULL && table->pages > 0)
			each = NEIGHBOUR + 2.0 * table->pages / (2.0 * table->pages + rows.expected);
	}
	else
		add(walk, GUARD_EFFORT_FETCH,
			part_of(times, IN_INDEX * (path != NULL && IsA(path, IndexPath) ?
									   ((IndexPath *) path)->indextotalcost :
									   plan->startup_cost)));
	if (path != NULL && IsA(path, IndexPath))
	{
		rows = rows_found((IndexPath *) path, table);
		if (IsA(plan, IndexScan))
			each -= (1 - NEIGHBOUR) * order_of((IndexPath *) path,
											   rt_fetch(scan->scanrelid, walk->plan->rtable)->relid);
	}
	if (IsA(plan, IndexOnlyScan))
		each = table != NULL ? 1 - table->allvisfrac : 0;
	if (!IsA(plan, BitmapHeapScan))
		each += ENTRY;
	rows.least *= times.least;
	rows.expected *= times.expected;
	rows.most *= times.most;
	add(walk, GUARD_EFFORT_FETCH, part_of(rows, each));
	if (!IsA(plan, IndexOnlyScan))
		add_filter(walk, scan, rows);
}

/*
 * By how much more rows than expected may a scan return?
 */
static double
doubt_of(Walk *walk, const Plan *plan)
{
	RelOptInfo *table;

	if (find_path(walk, plan, &table) == NULL || table->tuples <= 0 ||
		table->rows <= 0)
		return 1;
	return share_at_most(table->baserestrictinfo, table->relid, table->rows / table->tuples) *
		table->tuples / table->rows;
}

/* ----------------------------------------------------------------
 *		The tree
 * ----------------------------------------------------------------
 */

/* Of a node: what is looked for in its expressions, and found. */
typedef struct SubPlans
{
	Walk	   *walk;
	Amount		times;
	double		cost;			/* to be shared */
	int			count;
	bool		add;
} SubPlans;

/*
 * A walker: the plans that an expression executes for each row.
 */
static bool
each_subplan(Node *node, void *context)
{
	SubPlans   *sought = context;

	if (node == NULL)
		return false;
	if (IsA(node, SubPlan))
	{
		Plan	   *plan = list_nth(sought->walk->plan->subplans,
									((SubPlan *) node)->plan_id - 1);
		double		cost = guard_plan_unfined(plan->total_cost);
		bool		once = ((SubPlan *) node)->useHashTable;

		sought->count++;
		if (sought->add)
			(void) add_plan(sought->walk, plan,
							part_of(sought->times, once || cost <= 0 ? 1 : sought->cost / cost));
	}
	return expression_tree_walker(node, each_subplan, context);
}

/*
 * What executes plans for each row does little beside; returns what is left of
 * its cost.
 */
static double
add_subplans(Walk *walk, Plan *plan, Amount times, double cost)
{
	SubPlans	sought = {walk, times, cost, 0, false};

	foreach_ptr(SubPlan, once, plan->initPlan)
	{
		Plan	   *subplan = list_nth(walk->plan->subplans, once->plan_id - 1);

		(void) add_plan(walk, subplan, times);
		cost -= guard_plan_unfined(subplan->total_cost);
	}
	if (walk->plan->subplans == NIL)
		return cost;
	(void) each_subplan((Node *) plan->targetlist, &sought);
	(void) each_subplan((Node *) plan->qual, &sought);
	if (sought.count == 0)
		return cost;
	sought.add = true;
	sought.cost = Max(cost, 0) / sought.count;
	(void) each_subplan((Node *) plan->targetlist, &sought);
	(void) each_subplan((Node *) plan->qual, &sought);
	return 0;
}

/*
 * How often the node below a LIMIT is executed: a part of it, and less if what
 * the LIMIT wants comes first, all of it if that comes last.
 */
static Amount
times_of_limited(const Plan *limit, const Plan *below, Amount times)
{
	double		run = below->total_cost - below->startup_cost;
	double		share = run > 0 ? (limit->total_cost - below->startup_cost) / run : 1;
	bool		seeks = below->qual != NIL || innerPlan(below) != NULL;

	share = Max(Min(share, 1), 0);
	times.least *= seeks ? share / MOST_DOUBT : share;
	times.expected *= share;
	times.most *= seeks ? 1 : share;
	return times;
}

/*
 * How often is the inner side of a nested loop executed?
 */
static double
repetitions(const Plan *loop)
{
	double		cost = guard_plan_unfined(innerPlan(loop)->total_cost);

	return cost <= 0 ? 1 :
		Max(guard_plan_unfined(loop->total_cost) -
			guard_plan_unfined(outerPlan(loop)->total_cost), 0) / cost;
}

/*
 * As the planner's get_parallel_divisor() has it.
 */
static double
processes_of(int workers)
{
	return workers + (parallel_leader_participation ? Max(1 - 0.3 * workers, 0) : 0);
}

/*
 * A node below another one; returns what of the upper one's cost is its.
 */
static double
add_below(Walk *walk, Plan *plan, Amount times, double share, double doubt,
		  double *own)
{
	times = part_of(times, share);
	times.most *= doubt;
	*own -= share * guard_plan_unfined(plan->total_cost);
	return add_plan(walk, plan, times);
}

/*
 * All that a node does, and those below it.  Returns how many times as many
 * rows as expected it may return.
 */
static double
add_plan(Walk *walk, Plan *plan, Amount times)
{
	double		cost = guard_plan_unfined(plan->total_cost);
	double		own = cost;
	double		doubt = 1;
	Plan	   *outer = outerPlan(plan);

	/* what it does before its first row it does whenever it is begun */
	if (cost > 0)
	{
		double		startup = Min(guard_plan_unfined(plan->startup_cost) / cost, 1);

		times.least += Max(times.begun - times.least, 0) * startup;
		times.expected += Max(times.begun - times.expected, 0) * startup;
	}
	times.most = Max(times.most, times.expected);
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
			if (add_subplans(walk, plan, times, own) > 0)
				add_sequential(walk, (Scan *) plan, times);
			return doubt_of(walk, plan);
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
			(void) add_subplans(walk, plan, times, own);
			add_index_scan(walk, (Scan *) plan, times);
			return doubt_of(walk, plan);
		case T_Limit:
			return add_plan(walk, outer, times_of_limited(plan, outer, times));
		case T_SubqueryScan:
			outer = ((SubqueryScan *) plan)->subplan;
			break;
		case T_Gather:
			walk->processes = processes_of(((Gather *) plan)->num_workers);
			break;
		case T_GatherMerge:
			walk->processes = processes_of(((GatherMerge *) plan)->num_workers);
			break;
		default:
			break;
	}
	foreach_ptr(Plan, member, guard_plan_members(plan))
		doubt = Max(doubt, add_below(walk, member, times, 1, 1, &own));
	if (outer)
		doubt = add_below(walk, outer, times, 1, 1, &own);
	if (IsA(plan, NestLoop) && !IsA(innerPlan(plan), Material))
		doubt *= add_below(walk, innerPlan(plan), times, repetitions(plan), doubt, &own);
	else if (innerPlan(plan))
		doubt *= add_below(walk, innerPlan(plan), times, 1, 1, &own);
	doubt = Min(doubt, MOST_DOUBT);
	own = Max(add_subplans(walk, plan, times, own), 0);
	times.most *= doubt;
	add(walk, GUARD_EFFORT_REST, part_of(times, own));
	return doubt;
}

/* All that a plan has to do. */
void
guard_effort_of_plan(PlannedStmt *plan, GuardEffortAid *aid,
					 GuardEffort *effort)
{
	Walk		walk = {plan, aid, effort, 1, 0, 0};

	memset(effort, 0, sizeof(*effort));
	(void) add_plan(&walk, plan->planTree, each_execution(1));
}
