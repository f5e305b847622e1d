/*-------------------------------------------------------------------------
 *
 * evidence.c
 *	  Everything known of one index, put together.
 *
 * A new kind of evidence is a field in evidence.h, a file that fills it in, and
 * a row in the table of kinds.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/partition.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_index.h"
#include "storage/bufmgr.h"

#include "evidence/bearers.h"
#include "evidence/evidence.h"
#include "evidence/needs/needs.h"
#include "planner/capture/departed.h"
#include "store/store.h"

typedef void (*GuardCollector) (GuardEvidence *evidence);

#define KB_PER_BLOCK	(BLCKSZ / 1024)

/*
 * The catalog's idea of a table's size.  It speaks of the last VACUUM or
 * ANALYZE, so it may call a table large, never small; -1 and 0 are unknown.
 */
static int64
estimated_kb(Oid table)
{
	FormData_pg_class form;

	(void) guard_catalog_form(RELOID, table, &form);
	return form.relpages > 0 ? (int64) form.relpages * KB_PER_BLOCK : -1;
}

BlockNumber
guard_evidence_blocks(Relation rel)
{
	if (!RELKIND_HAS_STORAGE(rel->rd_rel->relkind) ||
		(rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED && RecoveryInProgress()))
		return 0;
	return RelationGetNumberOfBlocks(rel);
}

/*
 * The size of the table now, if its lock is free (doc/internals/review.md 11).
 * One that this transaction has truncated is as small as it will be at COMMIT,
 * not as it is now.
 */
void
guard_evidence_collect_size(GuardEvidence *evidence)
{
	Oid			table = evidence->shape->table;
	Relation	rel;

	evidence->table_kb = estimated_kb(table);
	if (!ConditionalLockRelationOid(table, AccessShareLock))
		return;
	rel = try_relation_open(table, NoLock);
	if (rel != NULL)
	{
		evidence->heap_blocks = guard_evidence_blocks(rel);
		if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
		{
			evidence->table_kb = (int64) evidence->heap_blocks * KB_PER_BLOCK;
			evidence->refilled = guard_compat_new_file(rel) &&
				rel->rd_createSubid == InvalidSubTransactionId;
		}
		evidence->heap_known = !evidence->refilled;
		relation_close(rel, NoLock);
	}
	UnlockRelationOid(table, AccessShareLock);
	if (guard_profile_size(table, &evidence->heap_blocks))
	{
		evidence->table_kb = (int64) evidence->heap_blocks * KB_PER_BLOCK;
		evidence->heap_known = !evidence->refilled;
	}
}

BlockNumber
guard_evidence_blocks_now(Oid table)
{
	Relation	rel = try_relation_open(table, AccessShareLock);
	BlockNumber blocks = MaxBlockNumber;

	if (rel == NULL)
		return blocks;
	if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
		blocks = guard_evidence_blocks(rel);
	(void) guard_profile_size(table, &blocks);
	relation_close(rel, NoLock);
	return blocks;
}

/*
 * The index's table goes.  Does it go along with the table that it is a
 * partition of?  Where that one is itself a partition of what stays, a level
 * goes as a partition does.
 */
static bool
parent_goes(const GuardTarget *target, const GuardShape *shape)
{
	if (target->through == NULL)
		return shape->index != target->index;
	if (strcmp(target->through, shape->table_name) == 0)
		return false;
	foreach_oid(each, get_partition_ancestors(shape->table))
	{
		const char *name = get_rel_name(each);

		if (name != NULL && strcmp(target->through, name) == 0)
			return !get_rel_relispartition(each);
	}
	return true;
}

/*
 * Can the index stay for a while after it was dropped?  What it enforces must
 * not outlive the statement.
 */
static const char *
why_no_delay(const GuardTarget *target, const GuardShape *shape)
{
	if (shape->unique || shape->exclusion)
		return "it enforces uniqueness, which must end with the statement";
	return target->no_delay;
}

bool
guard_evidence_restoring(void)
{
	return application_name != NULL && strcmp(application_name, "pg_restore") == 0;
}

/*
 * Is it the last one that keeps duplicates out of its table?
 */
static bool
is_last_key(const GuardShape *shape)
{
	if (!shape->unique)
		return false;
	foreach_oid(other, guard_catalog_indexes(shape->table))
	{
		FormData_pg_index form;

		if (other != shape->index && guard_catalog_form(INDEXRELID, other, &form) &&
			form.indisunique)
			return false;
	}
	return true;
}

/*
 * pg_restore --clean goes on after an error.  Were it let have the key of a
 * table that it is refused afterwards, it would copy all rows into that once
 * more, and could not create the key again.
 */
static bool
takes_key_first(const GuardTarget *target, const GuardShape *shape)
{
	return !target->table_goes && guard_evidence_restoring() &&
		(target->route == GUARD_ROUTE_CONSTRAINT ||
		 target->route == GUARD_ROUTE_INDEX) &&
		(shape->primary || is_last_key(shape));
}

const char *
guard_evidence_source(const GuardFact *fact)
{
	static const char *const names[] = {
		[GUARD_SOURCE_CAPTURE] = "table capture",
		[GUARD_SOURCE_COUNTERS] = "table counters",
		[GUARD_SOURCE_HISTORY] = "table history",
		[GUARD_SOURCE_COUNTED] = "table counted history",
		[GUARD_SOURCE_INHERITED] = "table inherited",
		[GUARD_SOURCE_WHATIF] = "table what-if",
		[GUARD_SOURCE_NODE] = "table standby"
	};

	const char *name = names[fact->source] + (fact->of_table ? 0 : strlen("table "));

	return fact->profile == NULL ? name :
		psprintf("profile %s, %s", fact->profile->source, name);
}

/*
 * Only whoever owns the table, or may read all statistics, is told who uses it.
 */
static void
collect_asker(GuardEvidence *evidence)
{
	evidence->asker_may_see =
		object_ownercheck(RelationRelationId, evidence->shape->table, GetUserId()) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

static void
collect_roles(GuardEvidence *evidence)
{
	guard_roles_collect(evidence->shape, &evidence->roles);
}

/*
 * Who is it, and did guard see it being created?
 */
static void
collect_identity(GuardEvidence *evidence)
{
	evidence->object = guard_identity_of(evidence->index);
	/* not where it was rebuilt unseen, see store/identity.c */
	if (evidence->object != NULL && evidence->object->index == evidence->index)
		evidence->created_at = evidence->object->created_at;
}

/*
 * What serves in its place?  Where it is relied on, or enforces what nobody has
 * named, only one that enforces the same.
 */
static void
collect_replacement(GuardEvidence *evidence)
{
	GuardShape *lacking;

	(void) guard_predecessors_find_replacement(evidence,
											   guard_bearers_itself(evidence->shape->table),
											   evidence->fellows,
											   evidence->proves || evidence->untried || evidence->unread ||
											   guard_evidence_enforces_unnamed(evidence, &evidence->asked),
											   &evidence->replacement, &lacking);
	if (evidence->replacement.match != GUARD_MATCH_NONE)
		return;
	foreach_ptr(const GuardNeed, need, evidence->needs)
	{
		if (need->server.match != GUARD_MATCH_NONE)
			evidence->replacement = need->server;
	}
}

/*
 * The kinds of evidence, in the order in which they are collected: roles and
 * origin help to read the counters; history goes on where capture and counters
 * end; moves and hidden spans qualify facts that are there already.  Profiles
 * know sizes, too, so what they know is found first.
 */
static const GuardCollector kinds[] = {
	collect_asker,
	collect_roles,
	collect_identity,
	guard_profile_find,
	guard_evidence_collect_size,
	guard_youth_collect,
	guard_usage_collect,
	guard_predecessors_collect,
	guard_history_collect,
	guard_profile_collect,
	guard_predecessors_limit,
	guard_nodes_collect,
	guard_moved_collect,
	guard_bearers_collect,
	guard_usage_collect_aim,
	guard_protection_collect,
	guard_hidden_collect,
	guard_dependencies_collect,
	guard_approvals_collect,
	guard_needs_collect,
	guard_moved_collect_reliance,
	collect_replacement,
	guard_plans_collect,
};

GuardEvidence *
guard_evidence_collect(const GuardTarget *target, Oid leaf,
					   GuardFellows *fellows, const GuardServer *server)
{
	GuardEvidence *evidence = palloc0(sizeof(GuardEvidence));
	GuardCase  *asked = &evidence->asked;

	evidence->index = leaf;
	evidence->target = target;
	evidence->fellows = fellows;
	evidence->as_of = GetCurrentTimestamp();
	evidence->server = server;
	evidence->shape = guard_shape_read(leaf);
	if (evidence->shape == NULL)
		return NULL;
	asked->restoring = takes_key_first(target, evidence->shape);
	asked->whole_table = target->table_goes || asked->restoring;
	asked->parent_goes = asked->whole_table && parent_goes(target, evidence->shape);
	asked->named = target->route == GUARD_ROUTE_INDEX ||
		target->route == GUARD_ROUTE_CONSTRAINT;
	asked->passes_on = target->stays;
	asked->no_delay = why_no_delay(target, evidence->shape);
	for (int i = 0; i < lengthof(kinds); i++)
		kinds[i] (evidence);
	return evidence;
}

/*
 * The old OID is gone.  What was noted of it by OID moves to the new one, but
 * its use stays with the old one (see predecessors.c).
 */
void
guard_evidence_rebuilt(Oid old, Oid successor)
{
	guard_identity_became(old, successor);
	guard_history_rebuilt(old, successor);
	guard_profile_rebuilt(old, successor);
}

/*
 * A relation is gone for good.  Its OID may come back for something else.  What
 * is known of its use stays until a snapshot has seen to it, and so does whose
 * place among partitions it has left.
 */
void
guard_evidence_forget(Oid relation)
{
	guard_query_execute("DELETE FROM guard.moved_table WHERE table_oid = $1 AND how NOT IN ('l', 'p')",
						P_OID(relation));
}

void
guard_evidence_forget_vanished(TimestampTz unused_since)
{
	foreach_ptr(GuardCapturedUse, use, guard_capture_relations(true))
	{
		if (use->last_any < unused_since &&
			!guard_departed_have(use->relation) &&
			get_rel_relkind(use->relation) == '\0')
			guard_capture_forget(use->relation, true);
	}
}
