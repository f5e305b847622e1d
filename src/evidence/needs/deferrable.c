/*-------------------------------------------------------------------------
 *
 * deferrable.c
 *	  A deferrable constraint, which only a deferrable one replaces.
 *
 * Statements that change several rows may rely on it, or transactions that put
 * things in order before they end, and neither shows.
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
	if (!evidence->shape->deferrable)
		return;
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->seen == GUARD_SEEN_USED && !fact->of_table &&
			fact->way == GUARD_WAY_READ)
			guard_needs_add(evidence, kind, fact);
	}
}

static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	return other->deferrable &&
		guard_shape_match(evidence->shape, other, false) >= GUARD_MATCH_SERVES;
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return pstrdup("its constraint is deferrable, and nothing that is deferrable serves in its place while it is in use");
}

const GuardNeedKind guard_need_deferrable = {
	.name = "deferrable",
	.reason = GUARD_NEED_REQUIRED,
	.collect = collect,
	.serves = serves,
	.sentence = sentence
};
