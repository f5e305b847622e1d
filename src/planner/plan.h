/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What a finished plan scans, and what it costs.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_PLAN_H
#define GUARD_PLAN_H

#include "nodes/pg_list.h"
#include "nodes/plannodes.h"

/* One scan node; "index" is InvalidOid where the table is read end to end. */
typedef struct GuardPlanScan
{
	Oid			heap;
	Oid			index;
	double		rows;			/* expected of the scan, whatever LIMIT is
								 * above */
} GuardPlanScan;

/*
 * Call "visit" for each node that scans a table, until it returns false: for a
 * bitmap heap scan, and for each of its bitmap index scans as well.  Allocates
 * nothing, like the next one.
 */
typedef bool (*guard_plan_scan_visit) (Scan *scan, void *arg);
extern void guard_plan_walk(PlannedStmt *plan, guard_plan_scan_visit visit,
							void *arg);

/*
 * Call "visit" for each index that the plan scans, with the rows expected of
 * the scan, until it returns false.
 */
typedef bool (*guard_plan_visit) (Oid index, double rows, void *arg);
extern void guard_plan_indexes(PlannedStmt *plan, guard_plan_visit visit,
							   void *arg);

/* All scans of tables, as palloc'd GuardPlanScan *, in no order. */
extern List *guard_plan_scans(PlannedStmt *plan);

/* How many scans of the list are of this table with this index. */
extern int	guard_plan_count(List *scans, Oid heap, Oid index);

/*
 * What the plan costs for as much of its result as it was planned for, without
 * the fines of enable_seqscan = off and its like.
 */
extern double guard_plan_cost(PlannedStmt *plan, int cursorOptions);

/*
 * Do two figures differ by more than this share of the larger one?  And is a
 * plan of the same statement another one: by cost, rows or scans?
 */
extern bool guard_plan_is_far(double a, double b, double share);
extern bool guard_plan_differs(PlannedStmt *plan, PlannedStmt *other,
							   int cursorOptions);

#endif							/* GUARD_PLAN_H */
