/*-------------------------------------------------------------------------
 *
 * check.c
 *	  May this index go?  The one function behind every door.
 *
 * A partitioned index is judged leaf by leaf, and the worst verdict wins: an
 * index build half done leaves the parent invalid and its attached children
 * in full use (doc/internals/review.md 5).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "guc.h"
#include "policy/check.h"
#include "store/store.h"

GuardPolicy
guard_check_policy(TimestampTz now)
{
	GuardPolicy policy;

	policy.now = now;
	policy.lookback = (int64) guard_guc_lookback * USECS_PER_SEC;
	policy.quiet_period = (int64) guard_guc_quiet_period * USECS_PER_SEC;
	policy.min_evidence_age = (int64) guard_guc_min_evidence_age * USECS_PER_SEC;
	policy.rebuild_limit = guard_guc_rebuild_limit;
	policy.harmless_cost_ratio = guard_guc_harmless_cost_ratio;
	policy.unknown_action = guard_guc_unknown_action;
	policy.two_person = guard_guc_two_person;
	policy.hot_action = guard_guc_hot_action;
	return policy;
}

/*
 * The worst of the members' verdicts, and what they sum up to.
 */
void
guard_check_sum_up(GuardJudgement *judgement)
{
	const GuardVerdict *worst = linitial(judgement->verdicts);

	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (guard_verdict_is_worse(verdict, worst))
			worst = verdict;
	}
	judgement->verdict = *worst;
	judgement->rate = 0;
	judgement->count = 0;
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (verdict->use == NULL || verdict->reason != worst->reason)
			continue;
		judgement->rate += verdict->use->rate;
		judgement->count += verdict->use->count;
	}
}

/*
 * Judge each member on its own evidence.  A partitioned index without partitions
 * is judged by itself.
 */
static GuardJudgement *
judge(GuardTarget *target, GuardFellows *fellows, const GuardServer *server)
{
	GuardJudgement *judgement = palloc0(sizeof(GuardJudgement));
	List	   *members = target->members != NIL ? target->members :
		list_make1_oid(target->index);

	judgement->target = target;
	foreach_oid(member, members)
	{
		GuardEvidence *evidence = guard_evidence_collect(target, member,
														 fellows, server);
		GuardVerdict *verdict;
		GuardPolicy policy;

		if (evidence == NULL)
			continue;
		policy = guard_check_policy(evidence->as_of);
		verdict = palloc(sizeof(GuardVerdict));
		*verdict = guard_verdict_decide(evidence, &evidence->asked, &policy);
		judgement->verdicts = lappend(judgement->verdicts, verdict);
		if (evidence->index == target->index)
			judgement->shape = evidence->shape;
	}
	if (judgement->shape == NULL)
		judgement->shape = guard_shape_read(target->index);
	if (judgement->verdicts == NIL || judgement->shape == NULL)
		return NULL;
	guard_check_sum_up(judgement);
	return judgement;
}

List *
guard_check_targets(List *targets, GuardFellows *fellows)
{
	List	   *judgements = NIL;
	GuardServer *server;

	if (targets == NIL)
		return NIL;
	server = guard_server_read();
	foreach_ptr(GuardTarget, target, targets)
	{
		GuardJudgement *judgement = judge(target, fellows, server);

		if (judgement != NULL)
			judgements = lappend(judgements, judgement);
	}
	return judgements;
}

GuardFellows *
guard_check_fellows(List *targets, List *others)
{
	List	   *all = list_copy(others);

	foreach_ptr(GuardTarget, target, targets)
	{
		all = lappend_oid(all, target->index);
		all = list_concat(all, target->members);
	}
	return guard_fellows_make(all);
}

GuardJudgement *
guard_check_with_fellows(GuardTarget *target, List *fellows,
						 const GuardServer *server)
{
	return judge(target, guard_check_fellows(list_make1(target), fellows), server);
}

GuardJudgement *
guard_check_alone(GuardTarget *target, const GuardServer *server)
{
	return guard_check_with_fellows(target, NIL, server);
}

void
guard_check_predict(GuardJudgement *judgement)
{
	GuardLoad  *load;

	if (judgement->load != NULL)
		return;
	load = palloc(sizeof(GuardLoad));
	guard_load_read(load, judgement->target->members,
					judgement->verdict.evidence->server->times);
	if (load->known > 0)
		judgement->load = load;
}

/*
 * The same evidence, in another case.
 */
static void
decide_again(GuardVerdict *verdict)
{
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);
	GuardCase	asked = verdict->asked;

	*verdict = guard_verdict_decide(verdict->evidence, &asked, &policy);
}

void
guard_check_parent_goes(GuardJudgement *judgement)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		verdict->asked.parent_goes = true;
		decide_again(verdict);
	}
	guard_check_sum_up(judgement);
}

void
guard_check_approval_taken(GuardJudgement *judgement, int32 id)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (verdict->evidence->approval.id != id)
			continue;
		verdict->asked.approval_taken = true;
		decide_again(verdict);
	}
	guard_check_sum_up(judgement);
}

/* ---- what a transaction leaves behind ---- */

/*
 * The table that now bears the name that the index's table had.
 */
static Oid
table_now(const GuardShape *shape)
{
	Oid			nsp = get_namespace_oid(shape->schema, true);
	Oid			table = OidIsValid(nsp) ?
		get_relname_relid(shape->table_name, nsp) : InvalidOid;
	char		relkind = OidIsValid(table) ? get_rel_relkind(table) : '\0';

	return relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW ||
		relkind == RELKIND_PARTITIONED_TABLE ? table : InvalidOid;
}

/*
 * Does a table that is published for UPDATE or DELETE have an identity again?
 */
static bool
has_identity(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	char		replident;
	Relation	rel;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return true;
	replident = ((Form_pg_class) GETSTRUCT(tuple))->relreplident;
	ReleaseSysCache(tuple);
	if (replident == REPLICA_IDENTITY_FULL)
		return true;
	if (replident == REPLICA_IDENTITY_NOTHING)
		return false;

	/* Our own transaction dropped an index of it: it holds the lock. */
	rel = RelationIdGetRelation(table);
	if (rel == NULL)
		return true;
	result = OidIsValid(RelationGetReplicaIndex(rel));
	RelationClose(rel);
	return result;
}

/*
 * Look for a replacement on the table itself, and on the one that now bears its
 * name.  What was there, and is too dear by shadow plans, is none.
 */
static void
find_replacement(const GuardVerdict *verdict, Oid table, Oid successor,
				 GuardReplacement *replacement)
{
	const GuardEvidence *evidence = verdict->evidence;
	GuardFellows *none = verdict->contradicted ?
		guard_fellows_make(list_make1_oid(evidence->replacement.index)) : NULL;

	if (OidIsValid(table))
		guard_predecessors_find_replacement(evidence, table, none,
											verdict->needs_unique, replacement);
	if (OidIsValid(successor) && successor != table &&
		!guard_verdict_is_served(verdict, replacement))
		guard_predecessors_find_replacement(evidence, successor, NULL,
											verdict->needs_unique, replacement);
}

/*
 * What is there now that could make up for it, where anybody asks.
 */
static GuardLeft
read_left(const GuardVerdict *verdict)
{
	const GuardEvidence *evidence = verdict->evidence;
	Oid			table = guard_catalog_exists(evidence->shape->table) ?
		evidence->shape->table : InvalidOid;
	Oid			successor = table_now(evidence->shape);
	Oid			parent = evidence->roles.partition_parent;
	GuardLeft	left = {0};

	left.table = OidIsValid(table) || OidIsValid(successor);
	left.parent = !OidIsValid(parent) || guard_catalog_exists(parent);
	if (!left.table)
		return left;
	if (verdict->reason == GUARD_REASON_REPLICA_IDENTITY)
	{
		left.identity = has_identity(OidIsValid(table) ? table : successor);
		return left;
	}
	find_replacement(verdict, table, successor, &left.replacement);
	if (guard_verdict_is_served(verdict, &left.replacement))
		return left;
	left.key_gone = guard_causes_refresh(evidence);
	left.small = evidence->refilled &&
		guard_evidence_blocks_now(table) <= GUARD_HARMLESS_BLOCKS;
	if (verdict->reason == GUARD_REASON_REPLACED &&
		evidence->replacement.match == GUARD_MATCH_PLAN)
		(void) guard_replacement_by_plan(evidence->shape,
										 evidence->replacement.index,
										 &left.replacement);
	return left;
}

bool
guard_check_made_up(GuardVerdict *verdict, GuardReplacement *replacement)
{
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);
	GuardLeft	left = read_left(verdict);

	*replacement = left.replacement;
	return guard_verdict_made_up(verdict, &left, &policy);
}

bool
guard_check_cannot_wait(const GuardJudgement *judgement, const char **why)
{
	GuardPolicy policy = guard_check_policy(judgement->verdict.evidence->as_of);

	return guard_verdict_cannot_wait(&judgement->verdict, judgement->rate,
									 &policy, why);
}
