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
 * One deviation is deliberate: needs that go by name stand before the exact twin.
 * A twin of a replica identity is not itself the identity, nor of a constraint
 * that statements name: they would fail in spite of it.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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

/* Traffic that paused this long does not queue up behind a lock. */
#define GOING_ON		(INT64CONST(5) * USECS_PER_SEC)

/*
 * What statements may cost more and still nobody notices: so many of the
 * planner's units each, and this share of a processor all together.
 */
#define TRIFLING_COST	10.0
#define TRIFLING_LOAD	0.01

/*
 * How fast an index is rebuilt: a cautious figure for one backend on ordinary
 * storage, and what even the smallest rebuild costs with its locks.
 */
#define REBUILD_KB_PER_SEC	(50 * 1024)
#define REBUILD_MIN_SECS	0.2

/*
 * Each reason with its rule in the table of the design; an exact twin replaces
 * by rule REPLACED_BY_TWIN.  "by_use" is what looks at how the index is used.
 */
#define REPLACED_BY_TWIN	5
static const struct
{
	const char *name;
	int			rule;
	bool		by_use;
}			reasons[] =

{
	[GUARD_REASON_APPROVED] = {"approved", 1, false},
	[GUARD_REASON_PROTECTED] = {"protected", 2, false},
	[GUARD_REASON_INVALID] = {"invalid", 3, false},
	[GUARD_REASON_PARTITION] = {"partition", 4, false},
	[GUARD_REASON_DEPENDENCY] = {"dependency", 6, false},
	[GUARD_REASON_REPLICA_IDENTITY] = {"replica_identity", 7, false},
	[GUARD_REASON_ARBITER] = {"arbiter", 7, false},
	[GUARD_REASON_REQUIRED] = {"required", 7, false},
	[GUARD_REASON_REPLACED] = {"replaced", 8, false},
	[GUARD_REASON_HARMLESS] = {"harmless", 9, false},
	[GUARD_REASON_HOT] = {"hot", 10, true},
	[GUARD_REASON_STOPPED] = {"stopped", 11, true},
	[GUARD_REASON_CONSTRAINT] = {"constraint", 12, true},
	[GUARD_REASON_COLD] = {"cold", 13, true},
	[GUARD_REASON_UNKNOWN] = {"unknown", 14, true}
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
	return reasons[reason].name;
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
	return guard_evidence_clock(fact, policy->now) - fact->last - fact->hidden;
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
	return fact->last + fact->hidden + quiet + policy->now -
		guard_evidence_clock(fact, policy->now);
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

	if (!fact->services_known || fact->services == NIL)
		return false;
	foreach_ptr(const GuardServiceUse, use, fact->services)
	{
		if (use->released_at == 0 || use->last >= use->released_at)
			return false;
	}
	return true;
}

bool
guard_verdict_use_counts(const GuardFact *fact, const GuardPolicy *policy)
{
	if (fact->seen != GUARD_SEEN_USED || fact->moved_away || fact->key_gone ||
		fact->installation)
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
	return fact->seen == GUARD_SEEN_USED && !fact->moved_away && !fact->key_gone && !fact->installation &&
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

	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (ended_unwatched(fact, policy) &&
			(best == NULL || fact->last > best->last))
			best = fact;
	}
	return best;
}

/*
 * The use that counts and tells most, or NULL: that it was read, for needs have
 * rules of their own.  With "ended", the latest of those that do not count any
 * more, of all kinds.
 */
static const GuardFact *
find_use(const GuardEvidence *evidence, const GuardPolicy *policy, bool ended)
{
	const GuardFact *best = NULL;

	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (fact->seen != GUARD_SEEN_USED ||
			(fact->way != GUARD_WAY_READ && !ended) ||
			guard_verdict_use_counts(fact, policy) == ended)
			continue;
		if (tells_more(fact, best))
			best = fact;
	}
	return best;
}

/*
 * For how long has the index been observed on one server by a source that saw
 * nothing, and on each of its standbys?
 */
static int64
observed_there(const GuardEvidence *evidence, const GuardProfile *profile,
			   const GuardPolicy *policy, bool *since_creation)
{
	int64		longest = 0;
	int64		elsewhere = PG_INT64_MAX;
	bool		covered = true;

	*since_creation = false;
	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		int64		span = guard_evidence_clock(fact, policy->now) - fact->since -
			fact->hidden - fact->unobserved;
		bool		covers = fact->hidden == 0 &&
			guard_evidence_covers(fact, guard_evidence_origin(evidence));

		if (fact->profile != profile || fact->seen != GUARD_SEEN_NOT ||
			fact->since == 0)
			continue;
		if (fact->node != NULL)
		{
			elsewhere = Min(elsewhere, span);
			covered &= covers;
			continue;
		}
		longest = Max(longest, span);
		*since_creation |= covers;
	}
	*since_creation &= covered;
	return Min(longest, elsewhere);
}

/*
 * The same of all servers that know it; the one that knows least.
 */
static int64
observed_unused(const GuardEvidence *evidence, const GuardPolicy *policy,
				bool *since_creation)
{
	int64		shortest = 0;

	if (evidence->profiles == NIL)
		return observed_there(evidence, NULL, policy, since_creation);
	*since_creation = true;
	foreach_ptr(const GuardProfile, profile, evidence->profiles)
	{
		bool		since;
		int64		observed = observed_there(evidence, profile, policy, &since);

		if (profile == linitial(evidence->profiles) ||
			(*since_creation && !since) ||
			(*since_creation == since && observed < shortest))
			shortest = observed;
		*since_creation &= since;
	}
	return shortest;
}

/*
 * Retention: a partition goes, data and all, and nobody is at work on it.
 */
static bool
partition_leaves(const GuardEvidence *evidence, const GuardCase *asked,
				 const GuardPolicy *policy)
{
	if (!asked->whole_table || asked->parent_goes || evidence->unread)
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
 * Does so much cost nobody notice?  Not where a table is read from end to end
 * instead: what that costs depends on what is cached.
 */
static bool
is_trifle(double extra, const GuardPlans *plans)
{
	return extra < TRIFLING_COST && plans->added_load < TRIFLING_LOAD;
}

/*
 * Has a statement been planned without the index, with all others that there
 * are now, and would cost more?  What structure says of a replacement does not
 * hold against that.
 */
static bool
plans_object(const GuardPlans *plans, const GuardPolicy *policy)
{
	return plans->found_ratio > policy->harmless_cost_ratio &&
		!is_trifle(plans->found_extra, plans);
}

/*
 * Do the shadow plans of its statements answer for every use that counts, and
 * do they all cost practically the same without the index?  Uses that nothing
 * but a counter or the history knows of may be by other statements, as may
 * those that found no room.
 */
static bool
plans_answer(const GuardEvidence *evidence, const GuardCase *asked,
			 const GuardPolicy *policy)
{
	const GuardPlans *plans = &evidence->plans;
	TimestampTz captured_since = 0;

	if (plans->statements + plans->inherited == 0 ||
		plans->planned < plans->statements ||
		!plans->complete || plans->slower || asked->whole_table ||
		evidence->unread || evidence->untried ||
		(asked->unreplaced && (plans->takeovers != NIL ||
							   evidence->replacement.match == GUARD_MATCH_PLAN)) ||
		(plans->worst_ratio > policy->harmless_cost_ratio &&
		 !is_trifle(plans->worst_extra, plans)))
		return false;
	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (fact->source == GUARD_SOURCE_CAPTURE && !fact->of_table &&
			fact->way == GUARD_WAY_READ)
			captured_since = fact->since;
	}
	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (!guard_verdict_use_counts(fact, policy) ||
			fact->way != GUARD_WAY_READ ||
			(fact->source == GUARD_SOURCE_CAPTURE && !fact->of_table))
			continue;
		if (captured_since == 0 || fact->first == 0 ||
			fact->first < captured_since ||
			fact->source == GUARD_SOURCE_WHATIF || fact->node != NULL ||
			(OidIsValid(fact->of_index) && fact->profile == NULL && !fact->answered) ||
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

	foreach_ptr(const GuardDependency, dependency, evidence->dependencies)
	{
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
 * Does it enforce anything?
 */
static bool
enforces(const GuardEvidence *evidence)
{
	return evidence->shape->unique || evidence->shape->exclusion;
}

bool
guard_verdict_need_counts(const GuardNeed *need, const GuardPolicy *policy)
{
	return need->use == NULL || guard_verdict_use_counts(need->use, policy);
}

/*
 * The first need that counts, and that something serves, or nothing does.
 * "named": of those for which even a twin under another name is nothing.
 */
static const GuardNeed *
find_need(const GuardEvidence *evidence, const GuardCase *asked,
		  const GuardPolicy *policy, bool served, bool named)
{
	if (asked->whole_table)
		return NULL;
	foreach_ptr(const GuardNeed, need, evidence->needs)
	{
		/* what the catalogs say of a table does not pass on with its name */
		if (asked->passes_on && need->use == NULL)
			continue;
		if (((need->served && !asked->passes_on) || asked->needs_served) == served &&
			(need->kind->by_name || !named) &&
			guard_verdict_need_counts(need, policy))
			return need;
	}
	return NULL;
}

/*
 * What people are told of it.
 */
static GuardReason
reason_of(const GuardNeed *need)
{
	switch (need->kind->reason)
	{
		case GUARD_NEED_ARBITER:
			return GUARD_REASON_ARBITER;
		case GUARD_NEED_REPLICA_IDENTITY:
			return GUARD_REASON_REPLICA_IDENTITY;
		default:
			return GUARD_REASON_REQUIRED;
	}
}

/*
 * A verdict for that reason.  A person's word holds whatever the transaction
 * does later.
 */
static GuardVerdict
make(GuardDecision decision, GuardReason reason, const GuardEvidence *evidence,
	 const GuardCase *asked)
{
	GuardVerdict verdict = {
		.decision = decision,
		.reason = reason,
		.rule = reasons[reason].rule,
		.wait = decision == GUARD_BLOCK && reason != GUARD_REASON_PROTECTED,
		.asked = *asked,
		.evidence = evidence
	};

	if (reason == GUARD_REASON_REPLACED &&
		evidence->replacement.match == GUARD_MATCH_TWIN)
		verdict.rule = REPLACED_BY_TWIN;
	return verdict;
}

/*
 * It is still needed.  What cannot be delayed is refused.
 */
static GuardVerdict
decide_hot(GuardReason reason, const GuardEvidence *evidence,
		   const GuardCase *asked, const GuardPolicy *policy)
{
	bool		delay = policy->hot_action == GUARD_HOT_DELAY && !asked->passes_on;
	GuardVerdict verdict = make(delay && asked->no_delay == NULL ?
								GUARD_DELAY : GUARD_BLOCK, reason, evidence,
								asked);

	verdict.no_delay = delay ? asked->no_delay : NULL;
	return verdict;
}

/*
 * A refusal must rest on something seen, so "auto" refuses only where the way
 * back would be long.
 */
bool
guard_verdict_unknown_blocks(const GuardEvidence *evidence, const GuardPolicy *policy)
{
	return policy->unknown_action == GUARD_UNKNOWN_BLOCK ||
		(policy->unknown_action == GUARD_UNKNOWN_AUTO &&
		 evidence->table_kb > policy->rebuild_limit);
}

/*
 * Too little is known, or it enforces something: the setting decides, and what
 * cannot be delayed goes.
 */
static GuardVerdict
decide_unknown(GuardReason reason, const GuardEvidence *evidence,
			   const GuardCase *asked, const GuardPolicy *policy)
{
	bool		delay = policy->unknown_action == GUARD_UNKNOWN_DELAY;
	bool		block = guard_verdict_unknown_blocks(evidence, policy);
	GuardVerdict verdict = make(block ? GUARD_BLOCK :
								delay && asked->no_delay == NULL ? GUARD_DELAY :
								GUARD_ALLOW, reason, evidence, asked);

	verdict.warning = verdict.decision == GUARD_ALLOW;
	verdict.no_delay = delay ? asked->no_delay : NULL;
	return verdict;
}

/*
 * Nobody uses it here, and a standby that may has not said so.
 */
static GuardVerdict
decide_silent(const GuardEvidence *evidence, const GuardCase *asked,
			  const GuardPolicy *policy)
{
	GuardVerdict verdict = decide_unknown(GUARD_REASON_UNKNOWN, evidence, asked,
										  policy);

	verdict.silent = true;
	return verdict;
}

/*
 * Statements would fail without it, or write other rows.
 */
static GuardVerdict
decide_needed(const GuardNeed *need, const GuardEvidence *evidence,
			  const GuardCase *asked)
{
	GuardVerdict verdict = make(GUARD_BLOCK, reason_of(need), evidence, asked);

	verdict.need = need;
	verdict.use = need->use;
	return verdict;
}

/*
 * Nobody reads it, and what statements need it for another index does: then it
 * may go for the sake of that.
 */
static void
lean_on_server(GuardVerdict *verdict, const GuardPolicy *policy)
{
	const GuardEvidence *evidence = verdict->evidence;

	if (evidence->replacement.match != GUARD_MATCH_NEEDS ||
		verdict->asked.unreplaced || verdict->decision != GUARD_ALLOW ||
		verdict->warning ||
		(!reasons[verdict->reason].by_use && verdict->reason != GUARD_REASON_HARMLESS) ||
		find_need(evidence, &verdict->asked, policy, true, false) == NULL)
		return;
	verdict->reason = GUARD_REASON_REPLACED;
	verdict->rule = reasons[GUARD_REASON_REPLACED].rule;
	verdict->need = find_need(evidence, &verdict->asked, policy, true, false);
	verdict->use = verdict->need->use;
	verdict->notice = true;
}

/*
 * Does something serve in its place by its structure only, and the shadow plans
 * say that it costs more?  An exact twin costs the same.
 */
static bool
contradicted(const GuardEvidence *evidence, const GuardPolicy *policy)
{
	return evidence->replacement.match == GUARD_MATCH_SERVES &&
		plans_object(&evidence->plans, policy);
}

/*
 * Did somebody who may let it go?
 */
static bool
is_approved(const GuardEvidence *evidence, const GuardCase *asked,
			const GuardPolicy *policy)
{
	const GuardApproval *approval = &evidence->approval;

	return approval->id != 0 && !asked->approval_taken &&
		policy->now < approval->valid_until &&
		!(approval->own && policy->two_person);
}

/*
 * The rules that look at what the index is for, not at how it is used.
 * Returns false when none of them matches.
 */
static bool
decide_by_role(const GuardEvidence *evidence, const GuardCase *asked,
			   const GuardPolicy *policy, GuardVerdict *verdict)
{
	GuardMatch	match = asked->unreplaced || asked->passes_on ? GUARD_MATCH_NONE :
		evidence->replacement.match;
	bool		partition = partition_leaves(evidence, asked, policy);
	bool		usable = match > GUARD_MATCH_PLAN && evidence->replacement.usable &&
		!asked->whole_table && !contradicted(evidence, policy);
	bool		by_plan = match == GUARD_MATCH_PLAN &&
		!guard_evidence_enforces_unnamed(evidence, asked) &&
		plans_answer(evidence, asked, policy);
	const GuardNeed *named = find_need(evidence, asked, policy, false, true);
	const GuardNeed *need = find_need(evidence, asked, policy, false, false);
	const GuardDependency *dependency = find_dependency(evidence);

	if (evidence->protection.found && !asked->passes_on &&
		!(partition && evidence->protection.inherited))
		*verdict = make(GUARD_BLOCK, GUARD_REASON_PROTECTED, evidence, asked);
	else if (!evidence->shape->valid)
		*verdict = make(GUARD_ALLOW, GUARD_REASON_INVALID, evidence, asked);
	else if (partition && (dependency == NULL || dependency->inherited))
		*verdict = make(GUARD_ALLOW, GUARD_REASON_PARTITION, evidence, asked);
	else if (named != NULL)
		*verdict = decide_needed(named, evidence, asked);
	else if (usable && match == GUARD_MATCH_TWIN)
		*verdict = make(GUARD_ALLOW, GUARD_REASON_REPLACED, evidence, asked);
	else if (dependency != NULL)
		*verdict = decide_hot(GUARD_REASON_DEPENDENCY, evidence, asked, policy);
	else if (need != NULL)
		*verdict = decide_needed(need, evidence, asked);
	else if (usable || by_plan)
		*verdict = make(GUARD_ALLOW, GUARD_REASON_REPLACED, evidence, asked);
	else
		return false;

	verdict->needs_unique = evidence->proves || evidence->untried ||
		guard_evidence_enforces_unnamed(evidence, asked);
	if (verdict->reason == GUARD_REASON_DEPENDENCY)
		verdict->dependency = dependency;
	if (verdict->reason == GUARD_REASON_REPLACED ||
		verdict->reason == GUARD_REASON_DEPENDENCY)
		verdict->use = find_use(evidence, policy, false);
	if (verdict->reason == GUARD_REASON_REPLACED && verdict->use == NULL &&
		(need = find_need(evidence, asked, policy, true, false)) != NULL)
		verdict->use = need->use;
	verdict->notice = verdict->reason == GUARD_REASON_REPLACED;
	return true;
}

/*
 * The rules that look at its use.
 */
static GuardVerdict
decide_by_use(const GuardEvidence *evidence, const GuardCase *asked,
			  const GuardPolicy *policy)
{
	bool		unnamed = guard_evidence_enforces_unnamed(evidence, asked);
	const GuardFact *use;
	GuardVerdict verdict;
	bool		since_creation;
	int64		observed;

	if ((use = find_use(evidence, policy, false)) != NULL)
	{
		verdict = decide_hot(GUARD_REASON_HOT, evidence, asked, policy);
		verdict.needs_unique = evidence->proves || evidence->untried;
	}
	else if ((use = find_unwatched(evidence, policy)) != NULL || evidence->unread ||
			 (evidence->untried && !asked->whole_table))
		verdict = decide_unknown(GUARD_REASON_UNKNOWN, evidence, asked, policy);
	else if ((use = find_use(evidence, policy, true)) != NULL)
	{
		if (evidence->silence != NULL && !use->moved_away)
			verdict = decide_silent(evidence, asked, policy);
		else
			verdict = make(GUARD_ALLOW, GUARD_REASON_STOPPED, evidence, asked);
		verdict.notice = !verdict.silent && !use->moved_away && !use->key_gone && !use->installation;
	}

	/*
	 * Unused as far as can be seen.  A unique index still refuses duplicates;
	 * who drops it by name knows, who drops a column or a function may not.
	 */
	else if (unnamed)
		verdict = decide_unknown(GUARD_REASON_CONSTRAINT, evidence, asked, policy);
	else
	{
		observed = observed_unused(evidence, policy, &since_creation);
		if (!since_creation &&
			(observed <= 0 || observed < policy->min_evidence_age))
			verdict = decide_unknown(GUARD_REASON_UNKNOWN, evidence, asked, policy);
		else if (evidence->silence != NULL)
			verdict = decide_silent(evidence, asked, policy);
		else if (enforces(evidence) && asked->named)
			verdict = make(GUARD_ALLOW, GUARD_REASON_CONSTRAINT, evidence, asked);
		else
			verdict = make(GUARD_ALLOW, GUARD_REASON_COLD, evidence, asked);
		verdict.observed = observed;
	}
	verdict.use = use;
	return verdict;
}

/*
 * So small that nobody needs an index to read it?  Not where it has taken the place
 * of another table and nobody has read it yet: a copy may be filled later.
 */
static bool
is_small(const GuardEvidence *evidence, const GuardCase *asked,
		 const GuardPolicy *policy)
{
	bool		awaited = false;
	bool		read = false;

	if (asked->passes_on || !evidence->heap_known ||
		evidence->heap_blocks > GUARD_HARMLESS_BLOCKS)
		return false;
	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (!guard_verdict_use_counts(fact, policy))
			continue;
		awaited |= guard_evidence_of_another(evidence, fact);
		read |= fact->source != GUARD_SOURCE_INHERITED;
	}
	return read || !awaited;
}

/*
 * The first rule that matches.
 */
static GuardVerdict
decide(const GuardEvidence *evidence, const GuardCase *asked,
	   const GuardPolicy *policy)
{
	GuardVerdict verdict;

	if (is_approved(evidence, asked, policy))
	{
		verdict = make(GUARD_ALLOW, GUARD_REASON_APPROVED, evidence, asked);
		verdict.notice = true;
		return verdict;
	}
	if (decide_by_role(evidence, asked, policy, &verdict))
		return verdict;
	if (is_small(evidence, asked, policy))
		return make(GUARD_ALLOW, GUARD_REASON_HARMLESS, evidence, asked);
	if (!guard_evidence_enforces_unnamed(evidence, asked) &&
		plans_answer(evidence, asked, policy))
	{
		verdict = make(GUARD_ALLOW, GUARD_REASON_HARMLESS, evidence, asked);
		verdict.notice = evidence->plans.worst_ratio > policy->harmless_cost_ratio;
		verdict.leans = evidence->plans.takeovers != NIL;
		return verdict;
	}
	return decide_by_use(evidence, asked, policy);
}

GuardVerdict
guard_verdict_decide(const GuardEvidence *evidence, const GuardCase *asked,
					 const GuardPolicy *policy)
{
	GuardVerdict verdict = decide(evidence, asked, policy);

	lean_on_server(&verdict, policy);
	verdict.contradicted = contradicted(evidence, policy);
	return verdict;
}

bool
guard_verdict_leans(const GuardVerdict *verdict)
{
	return verdict->reason == GUARD_REASON_REPLACED || verdict->leans;
}

bool
guard_verdict_by_plan(const GuardVerdict *verdict)
{
	return verdict->leans ||
		(verdict->reason == GUARD_REASON_REPLACED &&
		 verdict->evidence->replacement.match == GUARD_MATCH_PLAN);
}

/* ---- more than one of them ---- */

/*
 * How bad is a verdict?
 */
static int
badness(const GuardVerdict *verdict)
{
	if (verdict->decision == GUARD_BLOCK)
		return verdict->wait ? 5 : 6;
	if (verdict->decision == GUARD_DELAY)
		return 4;
	if (verdict->warning)
		return 3;
	if (guard_verdict_leans(verdict))
		return 2;
	return verdict->notice ? 1 : 0;
}

/*
 * The worst one speaks, and of those the one with the latest use.
 */
bool
guard_verdict_is_worse(const GuardVerdict *a, const GuardVerdict *b)
{
	if (badness(a) != badness(b))
		return badness(a) > badness(b);
	return a->use != NULL && b->use != NULL && a->use->last > b->use->last;
}

/*
 * To drop what nobody uses changes no plan; of the others, the larger first.
 */
bool
guard_verdict_goes_first(bool a_used, const GuardShape *a,
						 bool b_used, const GuardShape *b)
{
	if (a_used != b_used)
		return !a_used;
	if (a->nkeys != b->nkeys)
		return a->nkeys > b->nkeys;
	return a->index < b->index;
}

/*
 * It may go no longer, as if it had inherited the use.
 */
void
guard_verdict_keep(GuardVerdict *heir, const GuardVerdict *gone)
{
	*heir = make(GUARD_BLOCK, GUARD_REASON_HOT, heir->evidence, &heir->asked);
	heir->use = gone->use;
}

/* ---- a transaction that may replace what it drops ---- */

/*
 * Is all use that counts the checks of foreign keys?  What ends that takes no
 * time.
 */
static bool
only_checks(const GuardEvidence *evidence, const GuardPolicy *policy)
{
	bool		any = false;

	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (!guard_verdict_use_counts(fact, policy))
			continue;
		if (fact->fkey == 0)
			return false;
		any = true;
	}
	return any;
}

/*
 * The table is locked meanwhile.  One that goes as a whole has no traffic to
 * wait; use that is not going on does not queue up.
 */
bool
guard_verdict_cannot_wait(const GuardVerdict *verdict, double rate, int free,
						  const GuardPolicy *policy, const char **why)
{
	const GuardEvidence *evidence = verdict->evidence;
	double		seconds = Max(REBUILD_MIN_SECS,
							  (double) evidence->table_kb / REBUILD_KB_PER_SEC);

	*why = NULL;
	if (!verdict->wait)
		return true;
	if (verdict->asked.whole_table || only_checks(evidence, policy))
		return false;
	if (evidence->table_kb < 0)
		*why = "Its table is locked by another session and may be larger than guard.rebuild_limit.";
	else if (evidence->table_kb > policy->rebuild_limit)
		*why = "Its table is larger than guard.rebuild_limit: the traffic would wait too long for a replacement built in this transaction.";
	else if (verdict->use != NULL &&
			 (verdict->use->profile != NULL ||
			  evidence->as_of - verdict->use->last < GOING_ON) &&
			 rate * seconds > free)
		*why = "While this transaction builds a replacement, the waiting traffic would use up all free connections.";
	return *why != NULL;
}

/*
 * What people say is needed is this index; nothing but its twin is as good.
 */
bool
guard_verdict_is_served(const GuardVerdict *verdict,
						const GuardReplacement *replacement)
{
	if (verdict->reason == GUARD_REASON_DEPENDENCY &&
		replacement->match != GUARD_MATCH_TWIN)
		return false;
	return replacement->match != GUARD_MATCH_NONE && replacement->usable;
}

/*
 * What was let go for what the transaction may undo.
 */
bool
guard_verdict_asks_again(const GuardVerdict *verdict, const GuardPolicy *policy)
{
	if (verdict->decision != GUARD_ALLOW)
		return false;
	foreach_ptr(const GuardFact, fact, verdict->evidence->facts)
	{
		if (fact->seen != GUARD_SEEN_USED || fact->of_table)
			continue;
		if (fact->moved_now || fact->key_gone ||
			(guard_verdict_use_counts(fact, policy) &&
			 (verdict->reason == GUARD_REASON_PARTITION ||
			  (fact->way != GUARD_WAY_READ &&
			   (verdict->reason == GUARD_REASON_HARMLESS || verdict->asked.whole_table)) ||
			  (verdict->reason == GUARD_REASON_HARMLESS &&
			   guard_evidence_of_another(verdict->evidence, fact) &&
			   !is_small(verdict->evidence, &verdict->asked, policy)))))
			return true;
	}
	return false;
}

/*
 * Where the table went, at once or afterwards, the question is whether anybody
 * needs the table, and use of this index is use of it.  Where what the index
 * leaned on is gone as well, whether it would have been let go alone.
 */
bool
guard_verdict_made_up(GuardVerdict *verdict, const GuardLeft *left,
					  const GuardPolicy *policy)
{
	const GuardEvidence *evidence = verdict->evidence;
	bool		again = guard_verdict_asks_again(verdict, policy);
	bool		leant = guard_verdict_leans(verdict);
	GuardCase	asked = verdict->asked;
	GuardVerdict decided;

	if (asked.no_delay == NULL)
		asked.no_delay = "it has been dropped already";
	if (left->ended && again)
		return true;
	if (!left->table)
	{
		asked.whole_table = true;
		asked.parent_goes |= !left->parent;
	}
	else if (!left->needs)
	{
		if (!asked.whole_table || verdict->decision == GUARD_BLOCK)
			return false;
		asked.whole_table = false;
		asked.passes_on = true;
	}
	else if (guard_verdict_is_served(verdict, &left->replacement) ||
			 (evidence->refilled && reasons[verdict->reason].by_use && left->small))
		return true;
	else if (again || asked.whole_table)
	{
		asked.whole_table = false;
		asked.passes_on = true;
		asked.needs_served = true;
		asked.unreplaced = !left->takeovers;
	}
	else if (leant || verdict->need != NULL)
	{
		asked.needs_served = true;
		asked.unreplaced = true;
	}
	else if (!left->key_gone)
		return false;

	decided = guard_verdict_decide(evidence, &asked, policy);
	if (decided.decision == GUARD_ALLOW || verdict->decision != GUARD_BLOCK ||
		!left->table)
		*verdict = decided;
	return decided.decision == GUARD_ALLOW;
}
