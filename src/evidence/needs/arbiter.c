/*-------------------------------------------------------------------------
 *
 * arbiter.c
 *	  ON CONFLICT (columns), for which some index has to enforce as much.
 *
 * PostgreSQL takes every index that fits, and the statement goes on with any of
 * them.  INCLUDE columns have no part in that.
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
	return !other->deferrable && guard_shape_enforces(evidence->shape, other);
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return pstrdup("INSERT ... ON CONFLICT statements name it as arbiter and would fail without it");
}

const GuardNeedKind guard_need_arbiter = {
	.name = "arbiter",
	.reason = GUARD_NEED_ARBITER,
	.way = GUARD_WAY_ARBITER,
	.serves = serves,
	.sentence = sentence
};
