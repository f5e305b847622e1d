/*-------------------------------------------------------------------------
 *
 * refresh.c
 *	  REFRESH MATERIALIZED VIEW CONCURRENTLY, for which there must be some index.
 *
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_am_d.h"

#include "evidence/needs/needs.h"

/*
 * Any that is unique over columns alone and all rows, checked at once, will do:
 * the conditions of is_usable_unique_index() in PostgreSQL.
 */
static bool
will_do(const GuardShape *shape)
{
	if (!shape->unique || shape->deferrable || shape->has_predicate ||
		shape->am != BTREE_AM_OID)
		return false;
	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i].attnum <= 0)
			return false;
	}
	return true;
}

static void
collect(GuardEvidence *evidence, const GuardNeedKind *kind)
{
	if (!evidence->roles.is_matview || !will_do(evidence->shape))
		return;
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->way == GUARD_WAY_REFRESH)
			guard_needs_add(evidence, kind, fact);
	}
}

static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	return will_do(other);
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return pstrdup("REFRESH MATERIALIZED VIEW CONCURRENTLY has no other unique index to go by, and would fail without it");
}

const GuardNeedKind guard_need_refresh = {
	.name = "refresh",
	.reason = GUARD_NEED_REQUIRED,
	.collect = collect,
	.serves = serves,
	.sentence = sentence
};
