/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  The index by which a subscription's apply workers find rows.
 *
 * They take the replica identity of the table, or else its primary key, and
 * without either no UPDATE or DELETE arrives, unless the published table sends
 * whole rows.  Then, since 16, any index will do that fits.  Nothing of that
 * passes an executor hook.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_subscription_rel.h"

#include "evidence/needs/needs.h"
#include "store/store.h"

bool
guard_needs_subscribed(Oid table)
{
	bool		found = false;

	foreach_oid(relation, guard_catalog_lineage(table))
		found = found || guard_rows_oids(guard_rows_of_catalog(SubscriptionRelRelationId,
															   SubscriptionRelSrrelidSrsubidIndexId,
															   P_OID(relation)),
										 Anum_pg_subscription_rel_srsubid) != NIL;
	return found;
}

/*
 * Is it what rows are found by: the identity of its table, or else its primary
 * key?
 */
static bool
is_key(const GuardShape *shape)
{
	if (!shape->valid || !shape->unique || shape->deferrable || shape->has_predicate)
		return false;
	if (guard_needs_identity(shape->table) == REPLICA_IDENTITY_INDEX)
		return shape->replident;
	return shape->primary;
}

/*
 * Could any row be found by it that is sent as a whole?
 */
static bool
finds_whole_rows(const GuardShape *shape)
{
	return guard_compat_apply_takes_any_index && shape->am == BTREE_AM_OID &&
		!shape->has_predicate && shape->nkeys > 0 && shape->keys[0].attnum > 0;
}

static bool
has_key(Oid table)
{
	foreach_oid(index, guard_catalog_indexes(table))
	{
		GuardShape *shape = guard_shape_read(index);

		if (shape != NULL && is_key(shape))
			return true;
	}
	return false;
}

/*
 * Of rows that are sent as a whole nothing is known here; where the server has
 * counted scans of such an index, they arrive.
 */
static bool
was_scanned(const GuardEvidence *evidence)
{
	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (fact->source == GUARD_SOURCE_COUNTERS && !fact->of_table &&
			fact->count > 0)
			return true;
	}
	return false;
}

static void
collect(GuardEvidence *evidence, const GuardNeedKind *kind)
{
	const GuardShape *shape = evidence->shape;

	if (evidence->roles.subscribed &&
		(is_key(shape) ||
		 (finds_whole_rows(shape) && was_scanned(evidence) && !has_key(shape->table))))
		guard_needs_add(evidence, kind, NULL);
}

/*
 * A key of other columns is none of the published table's.
 */
static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	if (is_key(evidence->shape))
		return is_key(other) && guard_shape_enforces(evidence->shape, other);
	return is_key(other) || finds_whole_rows(other);
}

static bool
dispensable(Oid table)
{
	return !guard_needs_subscribed(table);
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return psprintf("a subscription finds the rows of table %s by it, and could not apply UPDATE and DELETE without it",
					guard_catalog_name(evidence->shape->table));
}

const GuardNeedKind guard_need_apply = {
	.name = "apply",
	.reason = GUARD_NEED_REQUIRED,
	.collect = collect,
	.serves = serves,
	.dispensable = dispensable,
	.sentence = sentence
};
