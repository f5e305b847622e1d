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

static void
collect(GuardEvidence *evidence, const GuardNeedKind *kind)
{
	TimestampTz oldest = evidence->as_of -
		(int64) guard_guc_lookback * USECS_PER_SEC;
	bool		found = false;

	foreach_ptr(GuardWhatIf, pair, guard_whatif_lookup(evidence->index))
	{
		if (pair->role != GUARD_WHATIF_PROOF ||
			pair->worst_ratio <= guard_guc_harmless_cost_ratio)
			continue;
		if (!pair->together)
			guard_needs_add_reliance(evidence, kind, pair);
		else if (pair->at >= oldest && !found)
		{
			guard_needs_add(evidence, kind, NULL);
			found = true;
		}
		evidence->proves |= pair->at >= oldest;
	}
}

/*
 * Where any of several will do.
 */
static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	return guard_shape_enforces(evidence->shape, other);
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
