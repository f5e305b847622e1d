/*-------------------------------------------------------------------------
 *
 * functional_dependency.c
 *	  GROUP BY a primary key, which makes the other columns legal.
 *
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/needs/needs.h"

/*
 * PostgreSQL asks for a primary key that is checked at once.  Of fewer columns,
 * it determines the others just as well.
 */
static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	return other->primary && !other->deferrable &&
		guard_shape_forbids(evidence->shape, other);
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return pstrdup("statements GROUP BY this primary key, show other columns, and would fail without it");
}

const GuardNeedKind guard_need_functional_dependency = {
	.name = "functional_dependency",
	.reason = GUARD_NEED_REQUIRED,
	.of_table = true,
	.way = GUARD_WAY_GROUP,
	.serves = serves,
	.sentence = sentence
};
