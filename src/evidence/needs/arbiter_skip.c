/*-------------------------------------------------------------------------
 *
 * arbiter_skip.c
 *	  ON CONFLICT DO NOTHING without a target, which skips duplicates by it.
 *
 * Such a statement does not fail without the index: it writes rows twice.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/needs/needs.h"

/*
 * What enforces more lets no duplicate through, either.
 */
static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	return !other->deferrable && guard_shape_forbids(evidence->shape, other);
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return psprintf("INSERT ... ON CONFLICT DO NOTHING statements%s%s skip duplicates by it",
					need->use->who != NULL ? " of " : "",
					need->use->who != NULL ? need->use->who : "");
}

const GuardNeedKind guard_need_arbiter_skip = {
	.name = "arbiter_skip",
	.reason = GUARD_NEED_ARBITER,
	.way = GUARD_WAY_SKIP,
	.serves = serves,
	.sentence = sentence
};
