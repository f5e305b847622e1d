/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What a finished plan scans, and what it costs.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WHATIF_PLAN_H
#define GUARD_WHATIF_PLAN_H

#include "nodes/pg_list.h"
#include "nodes/plannodes.h"

/* One scan node; "index" is InvalidOid where the table is read end to end. */
typedef struct GuardPlanScan
{
	Oid			heap;
	Oid			index;
} GuardPlanScan;

/*
 * Call "visit" for each index that the plan scans, until it returns false.
 * Allocates nothing.
 */
typedef bool (*guard_plan_visit) (Oid index, void *arg);
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

#endif							/* GUARD_WHATIF_PLAN_H */
