/*-------------------------------------------------------------------------
 *
 * verdict.c
 *	  From evidence to verdict: the rules, and nothing else.
 *
 * This file is pure.  It reads no catalog, no clock and no setting but those
 * in its arguments, allocates nothing and raises nothing, so every rule can be
 * tested by a table of cases.  The rules are those of the design, section 5,
 * in its order; the first that matches wins.
 *
 * One deviation is deliberate: replica_identity stands before the exact twin.
 * A twin of a replica identity is not itself the identity: UPDATE and DELETE
 * on the published table would fail in spite of it.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "guc.h"
#include "policy/verdict.h"

/*
 * With this many uses or more, the longest pause between them says something
 * about the next one.
 */
#define ENOUGH_USES		20

/*
 * Fewer do on so many days, if the first and the last of them are a look-back
 * apart: two pauses, seen to their end.
 */
#define ENOUGH_DAYS		3

/* A partition that took rows this recently is not one for retention. */
#define WRITTEN_LATELY	(INT64CONST(5) * 60 * USECS_PER_SEC)

/* A version captured this recently is still at work. */
#define AT_WORK			(INT64CONST(10) * 60 * USECS_PER_SEC)

static const char *const reason_names[] = {
	[GUARD_REASON_APPROVED] = "approved",
	[GUARD_REASON_PROTECTED] = "protected",
	[GUARD_REASON_INVALID] = "invalid",
	[GUARD_REASON_PARTITION] = "partition",
	[GUARD_REASON_REPLACED] = "replaced",
	[GUARD_REASON_DEPENDENCY] = "dependency",
	[GUARD_REASON_REPLICA_IDENTITY] = "replica_identity",
	[GUARD_REASON_ARBITER] = "arbiter",
	[GUARD_REASON_HARMLESS] = "harmless",
	[GUARD_REASON_HOT] = "hot",
	[GUARD_REASON_STOPPED] = "stopped",
	[GUARD_REASON_CONSTRAINT] = "constraint",
	[GUARD_REASON_COLD] = "cold",
	[GUARD_REASON_UNKNOWN] = "unknown"
};

static const char *const decision_names[] = {
	[GUARD_ALLOW] = "allow",
	[GUARD_DELAY] = "delay",
	[GUARD_BLOCK] = "block"
};

const char *
guard_verdict_decision_name(GuardDecision decision)
{
	return decision_names[decision];
}

const char *
guard_verdict_reason_name(GuardReason reason)
{
	return reason_names[reason];
}

/*
 * Is the longest pause known one that says something about the next?  It is
 * after many uses, or after a few that history saw return again and again: the
 * month-end report of the last quarter.
 */
static bool
pauses_known(const GuardFact *fact, const GuardPolicy *policy)
{
	TimestampTz first = fact->known_first != 0 ? fact->known_first : fact->first;

	if (fact->pause < 0)
		return false;
	if (Max(fact->count, fact->known_uses) >= ENOUGH_USES)
		return true;
	return fact->days >= ENOUGH_DAYS && first != 0 &&
		fact->last - first >= policy->lookback;
}

/*
 * For how long has there been no use?  While the index was hidden the clock
 * stood still.
 */
static int64
quiet_for(const GuardFact *fact, const GuardPolicy *policy)
{
	return policy->now - fact->last - fact->hidden;
}

/*
 * Has this use ended after so long without another?  It has when that is more
 * than the quiet period and than one and a half times the longest pause known
 * between uses: the month-end report, whose pauses are 31 days, keeps its index
 * for 46, whatever the look-back.  With few uses, or no knowledge of pauses,
 * nothing but the look-back ends it.
 */
static bool
ended_after(const GuardFact *fact, int64 quiet, const GuardPolicy *policy)
{
	if (!pauses_known(fact, policy))
		return quiet >= policy->lookback;
	if (quiet < fact->pause + fact->pause / 2)
		return false;
	return quiet >= policy->quiet_period || quiet >= policy->lookback;
}

/*
 * The same from the other side, as if it were not hidden.
 */
TimestampTz
guard_verdict_use_ends(const GuardFact *fact, const GuardPolicy *policy)
{
	int64		quiet = policy->lookback;

	if (fact->last == 0)
		return 0;
	if (pauses_known(fact, policy))
		quiet = Max(Min(policy->quiet_period, policy->lookback),
					fact->pause + fact->pause / 2);
	return fact->last + fact->hidden + quiet;
}

/*
 * What the database sees beats what was reported: an old version at work after
 * its successor was said to run everywhere may ask for the index at any
 * moment.  A session that only bears its name, idle in some pool, is not at
 * work.
 */
bool
guard_verdict_service_needs(const GuardDependency *dependency, TimestampTz now)
{
	if (dependency->released_at == 0)
		return true;
	return dependency->old_version != NULL &&
		dependency->old_last > dependency->deployed_at &&
		now - dependency->old_last < AT_WORK;
}

/*
 * Where capture lost some of the services, or cannot tell them, the use may be
 * anybody's.
 */
bool
guard_verdict_use_released(const GuardFact *fact)
{
	ListCell   *lc;

	if (!fact->services_known || fact->services == NIL)
		return false;
	foreach(lc, fact->services)
	{
		const GuardServiceUse *use = (const GuardServiceUse *) lfirst(lc);

		if (use->released_at == 0 || use->last >= use->released_at)
			return false;
	}
	return true;
}

bool
guard_verdict_use_counts(const GuardFact *fact, const GuardPolicy *policy)
{
	if (fact->seen != GUARD_SEEN_USED || fact->moved_away)
		return false;

	/* Use that cannot be dated may have been a second ago. */
	return fact->last == 0 ||
		(!guard_verdict_use_released(fact) &&
		 !ended_after(fact, quiet_for(fact, policy), policy));
}

/*
 * Would it have ended, had somebody been there all the time?  What nobody
 * watched is unknown, never quiet.  Where it ended with a deployment, that is
 * somebody's word, and not a matter of having watched.
 */
static bool
ended_unwatched(const GuardFact *fact, const GuardPolicy *policy)
{
	return fact->seen == GUARD_SEEN_USED && !fact->moved_away &&
		fact->unobserved > 0 && !guard_verdict_use_released(fact) &&
		!guard_verdict_use_counts(fact, policy) &&
		!ended_after(fact, quiet_for(fact, policy) - fact->unobserved, policy);
}

/*
 * Of two uses that count, which one makes the better message?  What capture
 * saw says who and how often; a dated use says when.
 */
static bool
tells_more(const GuardFact *a, const GuardFact *b)
{
	if (b == NULL)
		return true;
	if ((a->who != NULL) != (b->who != NULL))
		return a->who != NULL;
	if ((a->last != 0) != (b->last != 0))
		return a->last != 0;
	if (a->last != b->last)
		return a->last > b->last;
	return a->count > b->count;
}

/*
 * The latest use of which it is unknown whether it has ended, or NULL.
 */
static const GuardFact *
find_unwatched(const GuardEvidence *evidence, const GuardPolicy *policy)
{
	const GuardFact *best = NULL;
	ListCell   *lc;

	foreach(lc, evidence->facts)
	{
		const GuardFact *fact = (const GuardFact *) lfirst(lc);

		if (ended_unwatched(fact, policy) &&
			(best == NULL || fact->last > best->last))
			best = fact;
	}
	return best;
}

/*
 * The use that counts and tells most, or NULL; with "ended", the latest of
 * those that do not count any more.
 */
static const GuardFact *
find_use(const GuardEvidence *evidence, const GuardPolicy *policy, bool ended)
{
	const GuardFact *best = NULL;
	ListCell   *lc;

	foreach(lc, evidence->facts)
	{
		const GuardFact *fact = (const GuardFact *) lfirst(lc);

		if (fact->seen != GUARD_SEEN_USED ||
			guard_verdict_use_counts(fact, policy) == ended)
			continue;
		if (tells_more(fact, best))
			best = fact;
	}
	return best;
}

/*
 * For how long has the index been observed by a source that saw nothing?
 */
static int64
observed_unused(const GuardEvidence *evidence, const GuardPolicy *policy,
				bool *since_creation)
{
	int64		longest = 0;
	ListCell   *lc;

	*since_creation = false;
	foreach(lc, evidence->facts)
	{
		const GuardFact *fact = (const GuardFact *) lfirst(lc);

		if (fact->seen != GUARD_SEEN_NOT || fact->since == 0)
			continue;
		longest = Max(longest, policy->now - fact->since - fact->hidden -
					  fact->unobserved);
		if (evidence->created_at != 0 && fact->since <= evidence->created_at &&
			fact->hidden == 0 && fact->unobserved == 0)
			*since_creation = true;
	}
	return longest;
}

/*
 * Retention: a partition goes, data and all, and nobody is at work on it.
 */
static bool
partition_leaves(const GuardEvidence *evidence, const GuardPolicy *policy)
{
	if (!evidence->whole_table || evidence->parent_goes || evidence->unread)
		return false;
	if (!evidence->roles.is_partition && !evidence->roles.is_inheritance_child &&
		!(evidence->move.moved && evidence->move.detached))
		return false;

	/* One that was attached lately has a life of its own behind it. */
	if (evidence->attached_at != 0 &&
		policy->now - evidence->attached_at < policy->quiet_period)
		return false;

	/* Rows taken before a DETACH came through the parent, and cannot again. */
	if (evidence->last_write != 0 &&
		policy->now - evidence->last_write < WRITTEN_LATELY &&
		!(evidence->move.moved && evidence->last_write <= evidence->move.at))
		return false;
	return !evidence->aimed_at;
}

/*
 * Do the shadow plans of its statements answer for every use that counts, and
 * do they all cost practically the same without the index?  Uses that nothing
 * but a counter or the history knows of may be by other statements, as may
 * those that found no room.
 */
static bool
plans_answer(const GuardEvidence *evidence, const GuardPolicy *policy)
{
	const GuardPlans *plans = &evidence->plans;
	TimestampTz captured_since = 0;
	ListCell   *lc;

	if (plans->statements == 0 || plans->planned < plans->statements ||
		!plans->complete || plans->slower || evidence->whole_table ||
		evidence->unread ||
		plans->worst_ratio > policy->harmless_cost_ratio)
		return false;
	foreach(lc, evidence->facts)
	{
		const GuardFact *fact = (const GuardFact *) lfirst(lc);

		if (fact->source == GUARD_SOURCE_CAPTURE && !fact->of_table)
			captured_since = fact->since;
	}
	foreach(lc, evidence->facts)
	{
		const GuardFact *fact = (const GuardFact *) lfirst(lc);

		if (!guard_verdict_use_counts(fact, policy) ||
			(fact->source == GUARD_SOURCE_CAPTURE && !fact->of_table))
			continue;
		if (captured_since == 0 || fact->first == 0 ||
			fact->first < captured_since ||
			fact->source == GUARD_SOURCE_WHATIF ||
			(fact->source == GUARD_SOURCE_HISTORY && !fact->of_table))
			return false;
	}
	return true;
}

/*
 * The first service that still needs the index, or NULL; one that somebody
 * registered for this very index comes before what was for its parent.  Where
 * another table has taken the place of its table since, with an index just
 * like this one, it is that index that the service needs.
 */
static const GuardDependency *
find_dependency(const GuardEvidence *evidence)
{
	const GuardDependency *inherited = NULL;
	ListCell   *lc;

	foreach(lc, evidence->dependencies)
	{
		const GuardDependency *dependency = (const GuardDependency *) lfirst(lc);

		if (!guard_verdict_service_needs(dependency, evidence->as_of) ||
			(OidIsValid(evidence->move.twin) &&
			 dependency->registered_at <= evidence->move.at))
			continue;
		if (!dependency->inherited)
			return dependency;
		if (inherited == NULL)
			inherited = dependency;
	}
	return inherited;
}

/*
 * Would statements name this index as their ON CONFLICT arbiter?
 */
static bool
arbitrates(const GuardEvidence *evidence, const GuardPolicy *policy)
{
	return !evidence->whole_table &&
		evidence->last_arbiter != 0 &&
		policy->now - evidence->last_arbiter < policy->lookback &&
		find_use(evidence, policy, false) != NULL;
}

static bool
enforces(const GuardEvidence *evidence)
{
	return evidence->shape->unique || evidence->shape->exclusion;
}

static GuardVerdict
make(GuardDecision decision, GuardReason reason, GuardEvidence *evidence)
{
	GuardVerdict verdict = {0};

	verdict.decision = decision;
	verdict.reason = reason;
	verdict.evidence = evidence;

	/* A person's word holds whatever the transaction does later. */
	verdict.wait = decision == GUARD_BLOCK && reason != GUARD_REASON_PROTECTED;
	return verdict;
}

/*
 * It is still needed.  What cannot be delayed is refused.
 */
static GuardVerdict
decide_hot(GuardReason reason, GuardEvidence *evidence,
		   const GuardPolicy *policy)
{
	bool		delay = policy->hot_action == GUARD_HOT_DELAY;
	GuardVerdict verdict = make(delay && evidence->no_delay == NULL ?
								GUARD_DELAY : GUARD_BLOCK, reason, evidence);

	if (delay)
		verdict.no_delay = evidence->no_delay;
	return verdict;
}

/*
 * Too little is known, or it enforces something: the setting decides.  A
 * refusal must rest on something seen, so "auto" refuses only where the way
 * back would be long, and what cannot be delayed goes.
 */
static GuardVerdict
decide_unknown(GuardReason reason, GuardEvidence *evidence,
			   const GuardPolicy *policy)
{
	GuardVerdict verdict;
	GuardDecision decision = GUARD_ALLOW;

	switch (policy->unknown_action)
	{
		case GUARD_UNKNOWN_BLOCK:
			decision = GUARD_BLOCK;
			break;
		case GUARD_UNKNOWN_ALLOW:
			break;
		case GUARD_UNKNOWN_DELAY:
			if (evidence->no_delay == NULL)
				decision = GUARD_DELAY;
			break;
		default:
			if (evidence->table_kb > policy->rebuild_limit)
				decision = GUARD_BLOCK;
			break;
	}
	verdict = make(decision, reason, evidence);
	verdict.warning = decision == GUARD_ALLOW;
	if (policy->unknown_action == GUARD_UNKNOWN_DELAY)
		verdict.no_delay = evidence->no_delay;
	return verdict;
}

/*
 * Did somebody who may let it go?
 */
static bool
is_approved(const GuardEvidence *evidence, const GuardPolicy *policy)
{
	const GuardApproval *approval = &evidence->approval;

	return approval->id != 0 && !approval->taken &&
		policy->now < approval->valid_until &&
		!(approval->own && policy->two_person);
}

/*
 * The rules that look at what the index is for, not at how it is used.
 * Returns false when none of them matches.
 */
static bool
decide_by_role(GuardEvidence *evidence, const GuardPolicy *policy,
			   GuardVerdict *verdict)
{
	bool		partition = partition_leaves(evidence, policy);
	bool		usable = evidence->replacement.match > GUARD_MATCH_PLAN &&
		evidence->replacement.usable;
	bool		by_plan = evidence->replacement.match == GUARD_MATCH_PLAN &&
		!guard_evidence_enforces_unnamed(evidence) &&
		plans_answer(evidence, policy);
	bool		twin = usable && evidence->replacement.match == GUARD_MATCH_TWIN;
	bool		arbiter = arbitrates(evidence, policy);
	const GuardDependency *dependency = find_dependency(evidence);

	if (evidence->protection.found &&
		!(partition && evidence->protection.inherited))
		*verdict = make(GUARD_BLOCK, GUARD_REASON_PROTECTED, evidence);
	else if (!evidence->shape->valid)
		*verdict = make(GUARD_ALLOW, GUARD_REASON_INVALID, evidence);
	else if (partition && (dependency == NULL || dependency->inherited))
		*verdict = make(GUARD_ALLOW, GUARD_REASON_PARTITION, evidence);
	else if (!evidence->whole_table && evidence->roles.replica_identity &&
			 evidence->roles.published_for_update_or_delete)
		*verdict = make(GUARD_BLOCK, GUARD_REASON_REPLICA_IDENTITY, evidence);
	else if (!evidence->whole_table && usable && (twin || dependency == NULL))
		*verdict = make(GUARD_ALLOW, GUARD_REASON_REPLACED, evidence);
	else if (dependency != NULL)
		*verdict = decide_hot(GUARD_REASON_DEPENDENCY, evidence, policy);
	else if (arbiter)
		*verdict = make(GUARD_BLOCK, GUARD_REASON_ARBITER, evidence);
	else if (by_plan)
		*verdict = make(GUARD_ALLOW, GUARD_REASON_REPLACED, evidence);
	else
		return false;

	verdict->needs_unique = arbiter || evidence->proves ||
		guard_evidence_enforces_unnamed(evidence);
	if (verdict->reason == GUARD_REASON_DEPENDENCY)
		verdict->dependency = dependency;
	if (verdict->reason == GUARD_REASON_REPLACED ||
		verdict->reason == GUARD_REASON_DEPENDENCY ||
		verdict->reason == GUARD_REASON_ARBITER)
		verdict->use = find_use(evidence, policy, false);
	verdict->notice = verdict->reason == GUARD_REASON_REPLACED;
	return true;
}

/*
 * The rules that look at its use.
 */
static GuardVerdict
decide_by_use(GuardEvidence *evidence, const GuardPolicy *policy)
{
	const GuardFact *use;
	GuardVerdict verdict;
	bool		since_creation;
	int64		observed;

	use = find_use(evidence, policy, false);
	if (use != NULL)
	{
		verdict = decide_hot(GUARD_REASON_HOT, evidence, policy);
		verdict.use = use;
		verdict.needs_unique = evidence->proves;
		return verdict;
	}
	use = find_unwatched(evidence, policy);
	if (use != NULL)
	{
		verdict = decide_unknown(GUARD_REASON_UNKNOWN, evidence, policy);
		verdict.use = use;
		return verdict;
	}
	if (evidence->unread)
		return decide_unknown(GUARD_REASON_UNKNOWN, evidence, policy);
	use = find_use(evidence, policy, true);
	if (use != NULL)
	{
		verdict = make(GUARD_ALLOW, GUARD_REASON_STOPPED, evidence);
		verdict.use = use;
		verdict.notice = !use->moved_away;
		return verdict;
	}

	/*
	 * Unused as far as can be seen.  A unique index still refuses duplicates;
	 * who drops it by name knows, who drops a column or a function may not.
	 */
	if (guard_evidence_enforces_unnamed(evidence))
		return decide_unknown(GUARD_REASON_CONSTRAINT, evidence, policy);

	observed = observed_unused(evidence, policy, &since_creation);
	if (since_creation || (observed > 0 && observed >= policy->min_evidence_age))
		verdict = make(GUARD_ALLOW,
					   enforces(evidence) && evidence->named ?
					   GUARD_REASON_CONSTRAINT : GUARD_REASON_COLD, evidence);
	else
		verdict = decide_unknown(GUARD_REASON_UNKNOWN, evidence, policy);
	verdict.observed = observed;
	return verdict;
}

GuardVerdict
guard_verdict_decide(GuardEvidence *evidence, const GuardPolicy *policy)
{
	GuardVerdict verdict;

	if (is_approved(evidence, policy))
	{
		verdict = make(GUARD_ALLOW, GUARD_REASON_APPROVED, evidence);
		verdict.notice = true;
		return verdict;
	}
	if (decide_by_role(evidence, policy, &verdict))
		return verdict;
	if (evidence->heap_known && evidence->heap_blocks <= GUARD_HARMLESS_BLOCKS)
		return make(GUARD_ALLOW, GUARD_REASON_HARMLESS, evidence);
	if (!guard_evidence_enforces_unnamed(evidence) &&
		plans_answer(evidence, policy))
		return make(GUARD_ALLOW, GUARD_REASON_HARMLESS, evidence);
	return decide_by_use(evidence, policy);
}
