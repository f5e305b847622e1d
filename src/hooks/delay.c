/*-------------------------------------------------------------------------
 *
 * delay.c
 *	  A DROP INDEX of which some names become soft drops.
 *
 * Those names are taken out of the statement, the rest goes on to PostgreSQL.
 * When no name is left, the statement goes on all the same, naming nothing:
 * event triggers fire for it and other modules see it, but nothing is dropped.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"

#include "hooks/frame.h"
#include "softdrop/steps.h"
#include "softdrop/softdrop.h"

/*
 * Is this DROP INDEX one that can be carried out in stages?  Tell its targets.
 */
void
guard_delay_prepare(const GuardFrame *frame, Node *parsetree, List *targets)
{
	if (!IsA(parsetree, DropStmt) ||
		((DropStmt *) parsetree)->removeType != OBJECT_INDEX)
		return;
	if (!frame->by_trigger)
	{
		guard_softdrop_offer(targets);
		return;
	}
	foreach_ptr(GuardTarget, target, targets)
	{
		if (target->route == GUARD_ROUTE_INDEX)
			target->no_delay = "the statement came by a way on which nothing can be delayed";
	}
}

List *
guard_delay_leave_out_own(List *judgements)
{
	List	   *others = NIL;

	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		GuardSoftDropNeed need;

		if (guard_softdrop_is_own_drop(judgement->target->index))
		{
			need = guard_need_of_judgement(judgement, NULL);
			if (guard_softdrop_is_approved_drop() ||
				(need != GUARD_NEED_SOMEBODY && need != GUARD_NEED_PROTECTED))
				continue;
		}
		others = lappend(others, judgement);
	}
	return others;
}

/*
 * The statement without the names of these indexes.
 */
static PlannedStmt *
take_out(const PlannedStmt *pstmt, List *indexes)
{
	PlannedStmt *copy = copyObject((PlannedStmt *) pstmt);
	DropStmt   *stmt = (DropStmt *) copy->utilityStmt;
	List	   *rest = NIL;

	foreach_ptr(List, name, ((DropStmt *) pstmt->utilityStmt)->objects)
	{
		Oid			index = RangeVarGetRelidExtended(makeRangeVarFromNameList(name),
													 NoLock, RVR_MISSING_OK,
													 NULL, NULL);

		if (!list_member_oid(indexes, index))
			rest = lappend(rest, copyObject(name));
	}
	stmt->objects = rest;

	/* CONCURRENTLY wants exactly one name. */
	if (rest == NIL)
		stmt->concurrent = false;
	return copy;
}

PlannedStmt *
guard_delay_carry_out(GuardFrame *frame, PlannedStmt *pstmt, bool top_level)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	List	   *indexes = NIL;
	PlannedStmt *rest;
	ListCell   *lc;

	/* PostgreSQL would have refused it there. */
	if (((DropStmt *) pstmt->utilityStmt)->concurrent)
		PreventInTransactionBlock(top_level, "DROP INDEX CONCURRENTLY");

	/* Names must be looked up before the indexes bear others. */
	foreach(lc, frame->delayed)
		indexes = lappend_oid(indexes, ((GuardJudgement *) lfirst(lc))->target->index);
	rest = take_out(pstmt, indexes);
	foreach(lc, frame->delayed)
	{
		/* It has vanished meanwhile: PostgreSQL has the last word on it. */
		if (!guard_softdrop_begin(lfirst(lc), frame->statement))
		{
			rest = pstmt;
			break;
		}
	}
	MemoryContextSwitchTo(old);
	return rest;
}
