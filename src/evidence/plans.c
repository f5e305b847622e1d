/*-------------------------------------------------------------------------
 *
 * plans.c
 *	  What the planner would do without the index, as evidence.
 *
 * Two conclusions are drawn from shadow plans.  Where every statement that
 * uses an index would be planned with another one at practically the same
 * cost, that one serves in its place, whatever its structure; where all would
 * cost the same anyhow, nobody misses it.  Both need to know all statements:
 * one that capture has lost, or that was not planned without the index under
 * the server's own settings, is unknown, and then so is the answer.
 *
 * Costs alone are not believed where the statement would scan instead.  They
 * expect a disk, and a plan that looks up ten thousand cached blocks costs
 * nearly as much as one that reads them all, but takes a twentieth of the
 * time.
 *
 * And there are indexes that nobody scans but the planner relies on: a unique
 * one that spares a join, one whose expression has statistics
 * (doc/internals/postgresql.md 2.5, 2.7).  That is use, and becomes a fact of
 * its own.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat/list.h"
#include "evidence/evidence.h"
#include "evidence/prediction.h"
#include "guc.h"
#include "store/store.h"

/* An estimate without the index that is off by less than this does no harm. */
#define ESTIMATE_FACTOR	10.0

/* A statement that gets slower by less than both of these does not suffer. */
#define SLOWER_FACTOR	2.0
#define SLOWER_MS		1.0

/*
 * A table that has grown by more than this since its statements were planned
 * is another table: what was found of the small one says nothing.
 */
#define GROWN_FACTOR	1.5
#define GROWN_BLOCKS	8

/*
 * A statement has moved to another index when it has used that so often, and so
 * much more often than it ever ran between two uses of this one.
 */
#define MOVED_USES		20
#define MOVED_FACTOR	3

#define MS_PER_SEC		1000.0

/* Without a time to compare: a scan that costs this little takes no time. */
#define CHEAP_SCAN		50.0

/*
 * Is the time that a statement would take unlike the time it takes, although
 * its costs are alike?
 */
static bool
may_be_slower(const GuardOutlook *outlook)
{
	if (!outlook->scans || outlook->cost_without <= CHEAP_SCAN)
		return false;
	return !outlook->timed ||
		(outlook->cautious > outlook->now * SLOWER_FACTOR &&
		 outlook->cautious > outlook->now + SLOWER_MS);
}

/*
 * A shadow plan that was not made of the table as it is now does not answer; it
 * may still object.  Of a partition that a plan visited along with others the
 * size then is not known; its parent's plans speak for it.
 */
static void
note_growth(const GuardEvidence *evidence, List *pairs)
{
	foreach_ptr(GuardWhatIf, pair, pairs)
	{
		if (pair->heap == evidence->shape->table &&
			(!evidence->heap_known ||
			 evidence->heap_blocks > pair->heap_blocks * GROWN_FACTOR + GROWN_BLOCKS))
			pair->answers = false;
	}
}

/*
 * Can this index take over?  Then it stays, and queries may use it now.
 */
static bool
can_take_over(const GuardEvidence *evidence, Oid takeover,
			  const GuardFellows *fellows, GuardReplacement *replacement)
{
	if (!OidIsValid(takeover) || takeover == evidence->index ||
		guard_fellows_have(fellows, takeover))
		return false;
	return guard_replacement_by_plan(evidence->shape, takeover, replacement);
}

/*
 * Do the captured statements account for all captured uses?  The table of
 * statements may lose some, and may lag behind the index's own record.
 */
static bool
accounts_for_all(List *statements, int64 uses)
{
	int64		count = 0;
	ListCell   *lc;

	foreach(lc, statements)
		count += ((GuardCapturedStatement *) lfirst(lc))->count;
	return uses >= 0 && count >= uses;
}

/*
 * Has the statement used this index, which came after its last use of the other
 * one, so often that it would have come back by now?
 */
static bool
has_moved(const GuardCapturedStatement *statement, Oid successor)
{
	GuardObject *object = guard_identity_of(successor);
	int64		count = 0;

	if (object == NULL || object->index != successor ||
		object->created_at <= statement->last)
		return false;
	foreach_ptr(const GuardCapturedStatement, since,
				guard_capture_statements(list_make1_oid(successor), NULL))
	{
		if (since->queryid == statement->queryid && since->fkey == statement->fkey)
			count += since->count;
	}
	return count >= MOVED_USES && count >= MOVED_FACTOR * statement->longest_run;
}

/*
 * One statement's plan without the index.  One that takes another index is
 * believed only if that one stays, and is the same for all such statements: it
 * is what the verdict leans on, and what is asked for again before COMMIT.
 */
static void
add_outlook(GuardEvidence *evidence, const GuardCapturedStatement *statement,
			const GuardOutlook *outlook,
			const GuardFellows *fellows, GuardReplacement *replacement)
{
	GuardPlans *plans = &evidence->plans;

	plans->worst_ratio = Max(plans->worst_ratio, outlook->worst_ratio);
	plans->worst_extra = Max(plans->worst_extra, outlook->worst_extra);
	plans->found_ratio = Max(plans->found_ratio, outlook->found_ratio);
	plans->found_extra = Max(plans->found_extra, outlook->found_extra);
	plans->added_load += outlook->calls * outlook->added / MS_PER_SEC;
	if (outlook->mixed || !outlook->answers ||
		(outlook->moved && !has_moved(statement, outlook->takeover)))
		return;
	if (OidIsValid(outlook->takeover))
	{
		GuardReplacement candidate;

		if (!can_take_over(evidence, outlook->takeover, fellows, &candidate) ||
			(replacement->match == GUARD_MATCH_PLAN &&
			 replacement->index != candidate.index))
			return;
		*replacement = candidate;
	}
	plans->planned++;
	plans->worst_ratio = Max(plans->worst_ratio, outlook->cost_with > 0 ?
							 outlook->cost_without / outlook->cost_with : 1);
	plans->slower |= may_be_slower(outlook);
}

/*
 * Does the planner rely on the index in a way that matters, without reading
 * it?
 */
static bool
is_relied_on(const GuardWhatIf *pair)
{
	double		rows_with = Max(pair->rows_with, 1);
	double		rows_without = Max(pair->rows_without, 1);

	switch (pair->role)
	{
		case GUARD_WHATIF_PROOF:
			return pair->worst_ratio > guard_guc_harmless_cost_ratio;
		case GUARD_WHATIF_ESTIMATE:
			return Max(rows_with, rows_without) >=
				Min(rows_with, rows_without) * ESTIMATE_FACTOR;
		case GUARD_WHATIF_SCAN:
			break;
	}
	return false;
}

/*
 * Has the planner lately relied on the index's uniqueness?  Then one that does
 * not enforce it is no replacement.
 */
bool
guard_plans_need_unique(const GuardEvidence *evidence)
{
	TimestampTz oldest = evidence->as_of -
		(int64) guard_guc_lookback * USECS_PER_SEC;

	foreach_ptr(GuardWhatIf, pair, guard_whatif_lookup(evidence->index))
	{
		if (pair->role == GUARD_WHATIF_PROOF && pair->at >= oldest &&
			is_relied_on(pair))
			return true;
	}
	return false;
}

static void
collect_reliance(GuardEvidence *evidence, List *pairs)
{
	GuardFact  *fact = NULL;

	foreach_ptr(GuardWhatIf, pair, pairs)
	{
		if (!is_relied_on(pair))
			continue;
		if (fact == NULL)
		{
			fact = palloc0(sizeof(GuardFact));
			fact->source = GUARD_SOURCE_WHATIF;
			fact->seen = GUARD_SEEN_USED;
			fact->pause = -1;
			fact->first = pair->at;
			evidence->facts = lappend(evidence->facts, fact);
		}
		fact->note = pair->role == GUARD_WHATIF_PROOF ?
			"its uniqueness spares them a join" :
			"they would be estimated otherwise without its statistics";
		fact->first = Min(fact->first, pair->at);
		fact->last = Max(fact->last, pair->at);
		fact->count++;
		fact->statements++;
	}
}

/*
 * Is it the check of a foreign key that is gone, or goes as well?
 */
static bool
is_over(const GuardEvidence *evidence, const GuardCapturedStatement *statement)
{
	return statement->fkey != 0 &&
		guard_causes_keys(evidence->shape, statement->fkey,
						  evidence->target->keys) == NULL;
}

void
guard_plans_collect(GuardEvidence *evidence)
{
	List	   *pairs = guard_whatif_lookup(evidence->index);
	int64		uses;
	List	   *statements = guard_capture_statements(list_make1_oid(evidence->index), &uses);
	TimestampTz oldest = evidence->as_of -
		(int64) guard_guc_lookback * USECS_PER_SEC;
	GuardReplacement replacement = {0};

	collect_reliance(evidence, pairs);
	if (pairs == NIL)
		return;
	note_growth(evidence, pairs);

	foreach_ptr(GuardCapturedStatement, statement, statements)
	{
		GuardOutlook outlook;

		if (statement->last < oldest || is_over(evidence, statement))
			continue;
		evidence->plans.statements++;
		if (guard_outlook_read(&outlook, statement, pairs,
							   evidence->server->times))
			add_outlook(evidence, statement, &outlook, evidence->fellows, &replacement);
	}
	evidence->plans.complete = accounts_for_all(statements, uses);
	if (replacement.match != GUARD_MATCH_PLAN)
		return;
	if (evidence->replacement.match == GUARD_MATCH_NONE)
		evidence->replacement = replacement;
	else
		evidence->plans.planned = 0;	/* nobody would ask for it at COMMIT */
}
