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
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/evidence.h"
#include "evidence/prediction.h"
#include "planner/capture/departed.h"
#include "planner/hide/hide.h"
#include "store/store.h"

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
 * Do the captured statements account for all captured uses?  The table of
 * statements may lose some, and may lag behind the index's own record.
 */
static bool
accounts_for_all(List *statements, int64 uses)
{
	int64		count = 0;

	foreach_ptr(GuardCapturedStatement, statement, statements)
		count += statement->count;
	return uses >= 0 && count >= uses;
}

/*
 * Did the statement use this index, or may it have?  Capture has its record as long
 * as its departure is noted.
 */
static bool
may_have_used(int64 queryid, const GuardDeparted *departed)
{
	int64		uses;
	List	   *statements = guard_capture_statements(list_make1_oid(departed->index), &uses);

	foreach_ptr(const GuardCapturedStatement, statement, statements)
	{
		if (statement->queryid == queryid)
			return true;
	}
	return departed->scans > 0 ||
		(uses < 0 ? !guard_departed_have(departed->index) : !accounts_for_all(statements, uses));
}

/*
 * A statement that used, maybe with other parameters, an index that is gone or
 * cannot be scanned any more since it was planned is planned otherwise now.
 */
static void
note_gone(const GuardEvidence *evidence, List *pairs)
{
	foreach_ptr(GuardWhatIf, pair, pairs)
	{
		if (!pair->fewer || !pair->answers)
			continue;
		foreach_oid(index, guard_catalog_indexes(evidence->shape->table))
			pair->answers &= !guard_hide_is_hidden(index);
		foreach_ptr(const GuardDeparted, departed, evidence->gone)
			pair->answers &= departed->at < pair->at || departed->index == pair->index ||
			!may_have_used(pair->queryid, departed);
	}
}

/*
 * Can this index take over?  Then it stays, and queries may use it now.  Where
 * the whole table goes, one like it may be on the table that takes its name.
 */
static bool
can_take_over(const GuardEvidence *evidence, Oid takeover,
			  const GuardFellows *fellows, GuardReplacement *replacement)
{
	if (!OidIsValid(takeover) || takeover == evidence->index ||
		(guard_fellows_have(fellows, takeover) && !evidence->asked.whole_table))
		return false;
	return guard_replacement_by_plan(evidence->shape, takeover, replacement);
}

static void
note_takeover(GuardPlans *plans, GuardReplacement *candidate)
{
	foreach_ptr(const GuardReplacement, takeover, plans->takeovers)
	{
		if (takeover->index == candidate->index)
			return;
	}
	plans->takeovers = lappend(plans->takeovers, candidate);
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
 * How much more it costs matters where that is more than a share of what it costs.
 */
static void
add_worst(double ratio, double extra, double *worst_ratio, double *worst_extra)
{
	*worst_ratio = Max(*worst_ratio, ratio);
	if (ratio > guard_guc_harmless_cost_ratio)
		*worst_extra = Max(*worst_extra, extra);
}

/*
 * One statement's plan without the index.  One that takes another index is
 * believed only if that one stays: the verdict leans on it, and it is asked for
 * again before COMMIT.  False: it does not answer.
 */
static bool
add_outlook(GuardEvidence *evidence, const GuardCapturedStatement *statement,
			const GuardOutlook *outlook, const GuardFellows *fellows)
{
	GuardPlans *plans = &evidence->plans;
	double		ratio = outlook->answers && outlook->cost_with > 0 ?
		outlook->cost_without / outlook->cost_with : 1;

	add_worst(Max(outlook->worst_ratio, ratio), outlook->worst_extra,
			  &plans->worst_ratio, &plans->worst_extra);
	add_worst(outlook->found_ratio, outlook->found_extra,
			  &plans->found_ratio, &plans->found_extra);
	plans->added_load += outlook->calls * outlook->added / MS_PER_SEC;
	if (outlook->mixed || !outlook->answers ||
		(outlook->moved && !has_moved(statement, outlook->takeover)))
		return false;
	if (OidIsValid(outlook->takeover))
	{
		GuardReplacement *candidate = palloc(sizeof(GuardReplacement));

		if (!can_take_over(evidence, outlook->takeover, fellows, candidate))
			return false;
		note_takeover(plans, candidate);
	}
	plans->slower |= may_be_slower(outlook);
	return true;
}

/*
 * Is it the check of a foreign key that is gone, or goes as well, or needs the
 * index for something else than reading it?
 */
static bool
is_over(const GuardEvidence *evidence, const GuardCapturedStatement *statement)
{
	if (guard_capture_way(statement->fkey) != GUARD_WAY_READ)
		return true;
	return statement->fkey != 0 &&
		guard_causes_keys(evidence->shape, statement->fkey,
						  evidence->target->keys) == NULL;
}

/* Statements that were looked at, and those of them that were answered. */
typedef struct Looked
{
	GuardEvidence *evidence;
	List	   *pairs;
	List	   *former;			/* of what it has taken the place of */
	List	   *statements;		/* of GuardCapturedStatement * */
	List	   *answered;
}			Looked;

static bool
has_statement(List *statements, const GuardCapturedStatement *sought)
{
	foreach_ptr(const GuardCapturedStatement, statement, statements)
	{
		if (statement->queryid == sought->queryid && statement->fkey == sought->fkey)
			return true;
	}
	return false;
}

/*
 * Is a statement that has no plan without this index one that has a plan with
 * another index of the table, as that is now?
 */
static bool
is_of_another(const GuardEvidence *evidence, const GuardCapturedStatement *statement)
{
	foreach_oid(index, guard_catalog_indexes(evidence->shape->table))
	{
		foreach_ptr(const GuardWhatIf, pair, index == evidence->index ? NIL : guard_whatif_lookup(index))
		{
			if (pair->queryid == statement->queryid && pair->answers &&
				!pair->fewer && pair->role == GUARD_WHATIF_SCAN)
				return true;
		}
	}
	return false;
}

/*
 * Look at a statement, once.  Is it answered?
 */
static bool
look_at(Looked * looked, GuardCapturedStatement *statement, bool own)
{
	GuardEvidence *evidence = looked->evidence;
	GuardTimes *times = evidence->server->times;
	GuardOutlook outlook;

	if (has_statement(looked->statements, statement))
		return has_statement(looked->answered, statement);
	looked->statements = lappend(looked->statements, statement);
	if (guard_outlook_read(&outlook, statement, looked->pairs, times) ||
		guard_outlook_read(&outlook, statement, looked->former, times) ?
		!add_outlook(evidence, statement, &outlook, evidence->fellows) :
		(own || !is_of_another(evidence, statement)))
		return false;
	looked->answered = lappend(looked->answered, statement);
	return true;
}

/*
 * Does another index have the structure by which this use came?  It answers where
 * no plan does, and must stay as one that a plan takes must.
 */
static bool
has_structure(GuardEvidence *evidence, const GuardFact *fact)
{
	GuardReplacement *candidate = palloc(sizeof(GuardReplacement));
	GuardReplacement found = {0};

	if (fact->shape == NULL || fact->shape->table != evidence->shape->table)
		return false;
	guard_replacement_find(fact->shape, fact->shape->table, evidence->fellows,
						   evidence->proves, &found);
	if (found.match < GUARD_MATCH_SERVES || !found.usable ||
		!can_take_over(evidence, found.index, evidence->fellows, candidate))
		return false;
	note_takeover(&evidence->plans, candidate);
	return true;
}

/*
 * What shadow plans of this server say of its own statements, and of those that
 * used what it has taken the place of.
 */
static void
collect_own(GuardEvidence *evidence, List *pairs, List *former, List *statements,
			int64 uses)
{
	Looked		looked = {.evidence = evidence, .pairs = pairs, .former = former};
	TimestampTz oldest = evidence->as_of -
		(int64) guard_guc_lookback * USECS_PER_SEC;
	int			own;

	note_growth(evidence, pairs);
	note_growth(evidence, former);
	note_gone(evidence, pairs);
	note_gone(evidence, former);
	foreach_ptr(GuardCapturedStatement, statement, statements)
	{
		if (statement->last < oldest || is_over(evidence, statement))
			continue;
		evidence->plans.statements++;
		evidence->plans.planned += look_at(&looked, statement, true) ? 1 : 0;
	}
	evidence->plans.complete = statements == NIL && uses < 0 ? true :
		accounts_for_all(statements, uses);
	own = list_length(looked.answered);

	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		int64		count = 0;

		if (fact->seen != GUARD_SEEN_USED || !OidIsValid(fact->of_index) ||
			fact->way != GUARD_WAY_READ || fact->profile != NULL)
			continue;
		fact->answered = true;
		foreach_ptr(GuardCapturedStatement, statement,
					guard_capture_statements(list_make1_oid(fact->of_index), NULL))
		{
			if (guard_capture_way(statement->fkey) != GUARD_WAY_READ ||
				(statement->fkey != 0) != (fact->fkey != 0))
				continue;
			count += statement->count;
			if (statement->last >= oldest && !is_over(evidence, statement))
				fact->answered &= look_at(&looked, statement, false);
		}
		fact->answered = (fact->answered && count >= fact->count) ||
			has_structure(evidence, fact);
	}
	evidence->plans.inherited = list_length(looked.answered) - own;
}

/*
 * What is known of indexes of its table whose use it has taken over.
 */
static List *
former_pairs(const GuardEvidence *evidence)
{
	List	   *indexes = NIL;
	List	   *pairs = NIL;

	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (OidIsValid(fact->of_index) && fact->profile == NULL)
			indexes = list_append_unique_oid(indexes, fact->of_index);
	}
	foreach_oid(index, indexes)
	{
		foreach_ptr(GuardWhatIf, pair, guard_whatif_lookup_gone(index, evidence->index))
		{
			if (pair->heap == evidence->shape->table)
				pairs = lappend(pairs, pair);
		}
	}
	return pairs;
}

void
guard_plans_collect(GuardEvidence *evidence)
{
	List	   *pairs = guard_whatif_lookup(evidence->index);
	List	   *former = former_pairs(evidence);
	int64		uses;
	List	   *statements = guard_capture_statements(list_make1_oid(evidence->index), &uses);
	GuardPlans *plans = &evidence->plans;

	if (pairs != NIL || former != NIL)
		collect_own(evidence, pairs, former, statements, uses);
	guard_profile_plans(evidence);

	/*
	 * Something that does not work, but has the same structure, is no reason
	 * to look no further.
	 */
	if (list_length(plans->takeovers) == 1 &&
		(evidence->replacement.match <= GUARD_MATCH_NEEDS ||
		 (!evidence->replacement.usable && plans->planned == plans->statements)))
		evidence->replacement = *(GuardReplacement *) linitial(plans->takeovers);
}
