/*-------------------------------------------------------------------------
 *
 * arbiter_constraint.c
 *	  ON CONFLICT ON CONSTRAINT, for which there must be one of that name.
 *
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/needs/needs.h"

/*
 * What it is on is whoever's affair who gave it that name.
 */
static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	const char *name = guard_needs_constraint(other->index);

	return !other->deferrable && name != NULL && need->name != NULL &&
		strcmp(name, need->name) == 0;
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return psprintf("INSERT ... ON CONFLICT ON CONSTRAINT statements name constraint %s and would fail without it",
					quote_identifier(need->name != NULL ? need->name :
									 evidence->shape->name));
}

const GuardNeedKind guard_need_arbiter_constraint = {
	.name = "arbiter_constraint",
	.reason = GUARD_NEED_ARBITER,
	.by_name = true,
	.of_table = true,
	.way = GUARD_WAY_CONSTRAINT,
	.serves = serves,
	.sentence = sentence
};
