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
#include "catalog/pg_index.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "guc.h"
#include "policy/check.h"

/*
 * How fast an index is rebuilt: a cautious figure for one backend on ordinary
 * storage, and what even the smallest rebuild costs with its locks.
 */
#define REBUILD_KB_PER_SEC	(50 * 1024)
#define REBUILD_MIN_SECS	0.2

/* Traffic that paused this long does not queue up behind a lock. */
#define GOING_ON	(INT64CONST(5) * USECS_PER_SEC)

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
 * How bad is a verdict?  Of several for one target the worst one speaks.
 */
static int
badness(const GuardVerdict *verdict)
{
	if (verdict->decision == GUARD_BLOCK)
		return verdict->wait ? 5 : 6;
	if (verdict->decision == GUARD_DELAY)
		return 4;
	if (verdict->warning)
		return 3;
	if (verdict->reason == GUARD_REASON_REPLACED)
		return 2;
	return verdict->notice ? 1 : 0;
}

/*
 * The worst of the members' verdicts, and what they sum up to.
 */
void
guard_check_sum_up(GuardJudgement *judgement)
{
	const GuardVerdict *worst = NULL;
	ListCell   *lc;

	foreach(lc, judgement->verdicts)
	{
		const GuardVerdict *verdict = lfirst(lc);

		if (worst == NULL || badness(verdict) > badness(worst) ||
			(badness(verdict) == badness(worst) && verdict->use != NULL &&
			 worst->use != NULL && verdict->use->last > worst->use->last))
			worst = verdict;
	}
	judgement->verdict = *worst;
	judgement->rate = 0;
	judgement->count = 0;
	foreach(lc, judgement->verdicts)
	{
		const GuardVerdict *verdict = lfirst(lc);

		if (verdict->use == NULL || verdict->reason != worst->reason)
			continue;
		judgement->rate += verdict->use->rate;
		judgement->count += verdict->use->count;
	}
}

static GuardJudgement *
judge(GuardTarget *target, GuardFellows *fellows, const GuardServer *server)
{
	GuardJudgement *judgement = palloc0(sizeof(GuardJudgement));
	List	   *members = target->members;
	ListCell   *lc;

	/* A partitioned index without partitions is judged by itself. */
	if (members == NIL)
		members = list_make1_oid(target->index);
	judgement->target = target;
	foreach(lc, members)
	{
		GuardEvidence *evidence = guard_evidence_collect(target, lfirst_oid(lc),
														 fellows, server);
		GuardVerdict *verdict;
		GuardPolicy policy;

		if (evidence == NULL)
			continue;
		policy = guard_check_policy(evidence->as_of);
		verdict = palloc(sizeof(GuardVerdict));
		*verdict = guard_verdict_decide(evidence, &policy);
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
	ListCell   *lc;

	if (targets == NIL)
		return NIL;
	server = guard_server_read();
	foreach(lc, targets)
	{
		GuardJudgement *judgement = judge(lfirst(lc), fellows, server);

		if (judgement != NULL)
			judgements = lappend(judgements, judgement);
	}
	return judgements;
}

GuardFellows *
guard_check_fellows(List *targets, List *others)
{
	List	   *all = list_copy(others);
	ListCell   *lc;

	foreach(lc, targets)
	{
		const GuardTarget *target = lfirst(lc);

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
 * The evidence has been corrected.  Returns whether the index may go now.
 */
static bool
decide_again(GuardVerdict *verdict)
{
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);

	*verdict = guard_verdict_decide(verdict->evidence, &policy);
	return verdict->decision == GUARD_ALLOW;
}

void
guard_check_parent_goes(GuardJudgement *judgement)
{
	ListCell   *lc;

	foreach(lc, judgement->verdicts)
	{
		GuardVerdict *verdict = lfirst(lc);

		verdict->evidence->parent_goes = true;
		(void) decide_again(verdict);
	}
	guard_check_sum_up(judgement);
}

void
guard_check_approval_taken(GuardJudgement *judgement, int32 id)
{
	ListCell   *lc;

	foreach(lc, judgement->verdicts)
	{
		GuardVerdict *verdict = lfirst(lc);

		if (verdict->evidence->approval.id != id)
			continue;
		verdict->evidence->approval.taken = true;
		(void) decide_again(verdict);
	}
	guard_check_sum_up(judgement);
}

/* ---- what a transaction leaves behind ---- */

static bool
table_exists(Oid table)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table));
}

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
 * What people say is needed is this index; nothing but its twin is as good.
 */
static bool
serves(const GuardVerdict *verdict, const GuardReplacement *replacement)
{
	if (verdict->reason == GUARD_REASON_DEPENDENCY &&
		replacement->match != GUARD_MATCH_TWIN)
		return false;
	return replacement->match != GUARD_MATCH_NONE && replacement->usable;
}

/*
 * Look for a replacement on the table itself and on the one that now bears its
 * name.  Returns whether one serves.
 */
static bool
find_replacement(const GuardVerdict *verdict, Oid table, Oid successor,
				 GuardReplacement *replacement)
{
	if (OidIsValid(table))
	{
		guard_replacement_find(verdict->evidence->shape, table, NULL,
							   verdict->needs_unique, replacement);
		if (serves(verdict, replacement))
			return true;
	}
	if (OidIsValid(successor) && successor != table)
		guard_replacement_find(verdict->evidence->shape, successor, NULL,
							   verdict->needs_unique, replacement);
	return serves(verdict, replacement);
}

bool
guard_check_made_up(GuardVerdict *verdict, GuardReplacement *replacement)
{
	GuardEvidence *evidence = verdict->evidence;
	Oid			table = evidence->shape->table;
	Oid			successor = table_now(evidence->shape);

	memset(replacement, 0, sizeof(*replacement));
	if (evidence->no_delay == NULL)
		evidence->no_delay = "it has been dropped already";
	if (!table_exists(table))
		table = InvalidOid;

	/*
	 * The table went, at once or afterwards: then the question is whether
	 * anybody needs the table, and use of this index is use of it.
	 */
	if (!OidIsValid(table) && !OidIsValid(successor))
	{
		evidence->whole_table = true;
		if (OidIsValid(evidence->roles.partition_parent) &&
			!table_exists(evidence->roles.partition_parent))
			evidence->parent_goes = true;
		return decide_again(verdict);
	}
	if (verdict->reason == GUARD_REASON_REPLICA_IDENTITY)
		return has_identity(OidIsValid(table) ? table : successor);
	if (find_replacement(verdict, table, successor, replacement))
		return true;
	if (evidence->refilled && verdict->reason >= GUARD_REASON_HOT &&
		guard_evidence_blocks_now(table) <= GUARD_HARMLESS_BLOCKS)
		return true;
	if (verdict->reason == GUARD_REASON_REPLACED &&
		evidence->replacement.match == GUARD_MATCH_PLAN &&
		guard_replacement_by_plan(evidence->shape, evidence->replacement.index,
								  replacement))
		return true;
	if (verdict->reason != GUARD_REASON_REPLACED)
		return false;

	/* What it leaned on is gone as well: would it have been let go alone? */
	if (evidence->replacement.match == GUARD_MATCH_PLAN)
		evidence->plans.planned = 0;
	evidence->replacement.match = GUARD_MATCH_NONE;
	return decide_again(verdict);
}

bool
guard_check_cannot_wait(const GuardJudgement *judgement, const char **why)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	double		seconds;

	*why = NULL;
	if (!judgement->verdict.wait)
		return true;
	if (evidence->whole_table)
		return false;
	if (evidence->table_kb < 0)
	{
		*why = "Its table is locked by another session and may be larger than guard.rebuild_limit.";
		return true;
	}
	if (evidence->table_kb > guard_guc_rebuild_limit)
	{
		*why = "Its table is larger than guard.rebuild_limit: the traffic would wait too long for a replacement built in this transaction.";
		return true;
	}
	if (judgement->verdict.use == NULL)
		return false;
	seconds = Max(REBUILD_MIN_SECS,
				  (double) evidence->table_kb / REBUILD_KB_PER_SEC);
	if (evidence->as_of - judgement->verdict.use->last < GOING_ON &&
		judgement->rate * seconds > evidence->server->free_connections)
	{
		*why = "While this transaction builds a replacement, the waiting traffic would use up all free connections.";
		return true;
	}
	return false;
}
