/*-------------------------------------------------------------------------
 *
 * proves.c
 *	  A unique index that the planner takes for a proof, and does not read.
 *
 * It spares a join, say (doc/internals/postgresql.md 2.7).  Statements are
 * slower without it, so that is a use like any other; but what takes its place
 * has to be as unique.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/needs/needs.h"

static bool
is_relied_on(const GuardWhatIf *pair)
{
	return pair->role == GUARD_WHATIF_PROOF &&
		pair->worst_ratio > guard_guc_harmless_cost_ratio;
}

void
guard_proves_collect_reliance(GuardEvidence *evidence, bool any)
{
	foreach_ptr(GuardWhatIf, pair, guard_whatif_lookup(evidence->index))
	{
		if (is_relied_on(pair) && (any || !pair->together))
			guard_needs_add_reliance(evidence, &guard_need_proves, pair);
	}
}

/*
 * What is known of an index holds for the one that has taken its place.
 */
static void
collect(GuardEvidence *evidence, const GuardNeedKind *kind)
{
	TimestampTz oldest = evidence->as_of -
		(int64) guard_guc_lookback * USECS_PER_SEC;
	List	   *pairs = guard_whatif_lookup(evidence->index);
	bool		found = false;

	evidence->untried = guard_whatif_untried(evidence->index);
	guard_proves_collect_reliance(evidence, false);
	foreach_oid(former, evidence->as_unique)
	{
		evidence->untried |= guard_whatif_untried(former);
		pairs = list_concat(pairs, guard_whatif_lookup_gone(former, evidence->index));
	}
	foreach_ptr(GuardWhatIf, pair, pairs)
	{
		if (!is_relied_on(pair) || pair->at < oldest)
			continue;
		if (pair->together && !found)
			guard_needs_add(evidence, kind, NULL);
		found |= pair->together;
		evidence->proves = true;
	}
}

/*
 * Where any of several will do: one of fewer columns proves more.
 */
static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	return guard_shape_forbids(evidence->shape, other);
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return pstrdup(need == NULL ? "its uniqueness spares them a join" :
				   "its uniqueness spares statements a join");
}

const GuardNeedKind guard_need_proves = {
	.name = "proves",
	.reason = GUARD_NEED_NO_REASON,
	.collect = collect,
	.serves = serves,
	.sentence = sentence
};
