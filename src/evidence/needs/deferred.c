/*-------------------------------------------------------------------------
 *
 * deferred.c
 *	  SET CONSTRAINTS, for which there must be a deferrable one of that name.
 *
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/needs/needs.h"

static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	const char *name = guard_needs_constraint(other->index);

	return other->deferrable && name != NULL && need->name != NULL &&
		strcmp(name, need->name) == 0;
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return psprintf("SET CONSTRAINTS statements name constraint %s and would fail without it",
					quote_identifier(need->name != NULL ? need->name :
									 evidence->shape->name));
}

const GuardNeedKind guard_need_deferred = {
	.name = "deferred",
	.reason = GUARD_NEED_REQUIRED,
	.by_name = true,
	.way = GUARD_WAY_DEFER,
	.serves = serves,
	.sentence = sentence
};
