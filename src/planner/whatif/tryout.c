/*-------------------------------------------------------------------------
 *
 * tryout.c
 *	  How long it takes to read rows and to hold a condition against them.
 *
 * The planner takes most functions to be equally dear.  Without its index an
 * expression is computed, and what is stored out of line fetched, for each row:
 * a thousandth of a millisecond, or a twentieth of one.  So a condition that a
 * shadow plan would hold against each row is held against some of them, from
 * a few pages somewhere in the table, for no more than a millisecond, twice.  Time is
 * that of the processor, so nobody else's work is in it.
 *
 * Whose code runs, and who could learn what?  Only functions that are built in
 * and not volatile, on values of built-in types; in the session of who wrote
 * the condition, where the role he has at the moment may read the whole table,
 * without row security.  Nobody learns more than by executing the statement.
 * The caller sees to it that no trace is left: counters, errors, messages.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "common/hashfn.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "parser/parsetree.h"
#include "storage/bufmgr.h"
#include "utils/rls.h"

#include "planner/planner.h"
#include "planner/whatif/sampling.h"

/* So many pages, or what of them can be had within some time. */
#define PAGES		32
#define ENOUGH_MS	1.0

/* Asking for the time takes as long as some rows do. */
#define ROWS_TIMED	32

/* What is being tried out. */
typedef struct TryOut
{
	Relation	rel;
	List	   *condition;		/* of a scan */
	BlockNumber blocks;			/* of the table */
	int			rows;			/* so many ... */
	double		ms;				/* ... took so long */
} TryOut;

/* ---- may it be tried out? ---- */

static bool
is_not_built_in(Oid function, void *context)
{
	return function >= FirstUnpinnedObjectId;
}

/*
 * A walker: is there anything in it that is not built in, or that has no value
 * yet?
 */
static bool
is_foreign(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Param:
		case T_SubPlan:
		case T_AlternativeSubPlan:
		case T_CoerceToDomain:
			return true;
		case T_Var:
		case T_Const:
			if ((IsA(node, Var) && IS_SPECIAL_VARNO(((Var *) node)->varno)) ||
				(exprType(node) >= FirstUnpinnedObjectId &&
				 !type_is_enum(exprType(node))))
				return true;
			break;
		default:
			break;
	}
	return check_functions_in_node(node, is_not_built_in, NULL) ||
		expression_tree_walker(node, is_foreign, context);
}

/*
 * One that conflicts with others' transactions for what they read is no place to read
 * more.
 */
static bool
may_try_out(Relation rel, List *condition)
{
	return rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_tableam->scan_set_tidrange != NULL &&
		ActiveSnapshotSet() && !IsolationIsSerializable() &&
		pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(RelationGetRelid(rel), InvalidOid, true) != RLS_ENABLED &&
		!is_foreign((Node *) condition, NULL) &&
		!contain_volatile_functions((Node *) condition);
}

/* ---- trying ---- */

/*
 * Some pages, from the same ones on whenever the table is as large.
 */
static TableScanDesc
begin_scan(const TryOut *tryout)
{
	BlockNumber first = tryout->blocks <= PAGES ? 0 :
		murmurhash32(tryout->blocks) % (tryout->blocks - PAGES);
	ItemPointerData from;
	ItemPointerData to;

	ItemPointerSet(&from, first, FirstOffsetNumber);
	ItemPointerSet(&to, first + PAGES - 1, MaxOffsetNumber);
	return guard_compat_beginscan_tidrange(tryout->rel, GetActiveSnapshot(), &from, &to);
}

/*
 * Hold the condition against rows for some time, or until there are no more.
 */
static void
time_rows(TryOut *tryout, TableScanDesc scan, TupleTableSlot * slot,
		  ExprState * condition, ExprContext * context)
{
	int64		started = guard_sample_clock();
	int			rows = 0;

	tryout->ms = 0;
	while (tryout->ms <= ENOUGH_MS &&
		   table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		(void) ExecQual(condition, context);
		ResetExprContext(context);
		rows++;
		if (rows % ROWS_TIMED != 0 && (rows & (rows - 1)) != 0)
			continue;
		tryout->ms = guard_sample_elapsed(started);
		tryout->rows = rows;
	}
}

/*
 * The second time counts: what a session touches first, and what a function
 * looks up once, is not what a row takes.
 */
static void
try_rows(void *arg)
{
	TryOut	   *tryout = arg;
	TupleTableSlot *slot = table_slot_create(tryout->rel, NULL);
	ExprContext *context = CreateStandaloneExprContext();
	ExprState  *condition = ExecInitQual(tryout->condition, NULL);
	TableScanDesc scan;

	context->ecxt_scantuple = slot;
	for (int i = 0; i < 2; i++)
	{
		scan = begin_scan(tryout);
		time_rows(tryout, scan, slot, condition, context);
		table_endscan(scan);
	}
	FreeExprContext(context, true);
	ExecDropSingleTupleTableSlot(slot);
}

/* As GuardEffortAid has it. */
bool
guard_tryout_scan(GuardShadow *shadow, PlannedStmt *plan, Scan *scan,
				  double *table, double *row)
{
	TryOut		tryout = {NULL};
	double		tuples = 0;
	double		visible;
	bool		known = false;

	tryout.rel = table_open(rt_fetch(scan->scanrelid, plan->rtable)->relid, NoLock);
	tryout.condition = scan->plan.qual;
	if (may_try_out(tryout.rel, tryout.condition))
	{
		estimate_rel_size(tryout.rel, NULL, &tryout.blocks, &tuples, &visible);
		known = *row > 0;
		if (!known && tryout.blocks > 0 &&
			guard_shadow_run(shadow, try_rows, &tryout) && tryout.rows > 0)
		{
			known = true;
			*row = tryout.ms / tryout.rows;
		}
	}
	table_close(tryout.rel, NoLock);
	*table = *row * tuples;
	return known;
}
