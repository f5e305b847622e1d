/*-------------------------------------------------------------------------
 *
 * facts.c
 *	  The evidence behind a verdict as JSON.
 *
 * What is not known is left out, never written as zero or false.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "planner/capture/capture.h"
#include "policy/sentence.h"
#include "store/store.h"

/*
 * What does not hold is left out.
 */
static void
put_flag(StringInfo buf, const char *key, bool value)
{
	if (value)
		guard_json_bool(buf, key, true);
}

/*
 * Who made a use; "others": and somebody else, whose name was lost.
 */
static void
put_services(StringInfo buf, const GuardFact *fact)
{
	if (fact->services == NIL)
		return;
	guard_json_array(buf, "by_service");
	foreach_ptr(const GuardServiceUse, use, fact->services)
	{
		guard_json_object(buf, NULL);
		guard_json_text(buf, "service", use->service);
		guard_json_text(buf, "version", use->version);
		guard_json_time(buf, "last", use->last);
		guard_json_int(buf, "count", use->count);
		guard_json_time(buf, "released_at", use->released_at);
		guard_json_end_object(buf);
	}
	guard_json_end_array(buf);
	put_flag(buf, "others", !fact->services_known);
}

/*
 * The approval that is used up.
 */
static void
put_approval(StringInfo buf, const GuardApproval *approval)
{
	guard_json_object(buf, "approval");
	guard_json_int(buf, "id", approval->id);
	guard_json_text(buf, "approved_by", approval->approved_by);
	guard_json_time(buf, "approved_at", approval->approved_at);
	guard_json_text(buf, "reason", approval->reason);
	guard_json_end_object(buf);
}

static void
put_dependencies(StringInfo buf, const GuardEvidence *evidence)
{
	if (evidence->dependencies == NIL)
		return;
	guard_json_array(buf, "dependencies");
	foreach_ptr(const GuardDependency, dependency, evidence->dependencies)
	{
		guard_json_object(buf, NULL);
		guard_json_text(buf, "service", dependency->service);
		guard_json_text(buf, "from_version", dependency->from_version);
		guard_json_text(buf, "until_version", dependency->until_version);
		guard_json_text(buf, "deployed_version", dependency->deployed);
		guard_json_time(buf, "deployed_at", dependency->deployed_at);
		guard_json_time(buf, "released_at", dependency->released_at);
		guard_json_text(buf, "old_version", dependency->old_version);
		guard_json_time(buf, "old_version_last", dependency->old_last);
		put_flag(buf, "needed",
				 guard_verdict_service_needs(dependency, evidence->as_of));
		guard_json_text(buf, "note", dependency->note);
		guard_json_end_object(buf);
	}
	guard_json_end_array(buf);
}

/*
 * By which names others came: views by theirs, but for one that is gone.
 */
static void
put_names(StringInfo buf, const GuardNames *names)
{
	if (names == NULL)
		return;
	guard_json_object(buf, "by");
	guard_json_time(buf, "name", names->own);
	guard_json_time(buf, "other_views", names->more);
	guard_json_array(buf, "views");
	for (int i = 0; i < GUARD_CAPTURE_VIEWS; i++)
	{
		Oid			view = names->views[i];

		if (names->by_view[i] == 0)
			continue;
		guard_json_object(buf, NULL);
		if (get_rel_relkind(view) == RELKIND_VIEW)
		{
			guard_json_text(buf, "schema", get_namespace_name(get_rel_namespace(view)));
			guard_json_text(buf, "name", get_rel_name(view));
		}
		put_flag(buf, "function_bodies", view == GUARD_BOUND_BODY);
		guard_json_time(buf, "last", names->by_view[i]);
		guard_json_end_object(buf);
	}
	guard_json_end_array(buf);
	guard_json_end_object(buf);
}

/*
 * What another server must know, too: its columns have other numbers.
 */
static void
put_rest(StringInfo buf, const GuardFact *fact, const GuardEvidence *evidence)
{
	static const char *const ways[GUARD_WAYS] = {
		[GUARD_WAY_ARBITER] = "arbiter",
		[GUARD_WAY_CONSTRAINT] = "constraint",
		[GUARD_WAY_SKIP] = "skip",
		[GUARD_WAY_GROUP] = "group",
		[GUARD_WAY_DEFER] = "defer",
		[GUARD_WAY_REFRESH] = "refresh"
	};
	int			n;
	char	  **names = guard_catalog_columns(evidence->shape->table, &n);

	guard_json_text(buf, "way", ways[fact->way]);
	if (fact->known_uses > 0)
		guard_json_int(buf, "known_uses", fact->known_uses);
	guard_json_time(buf, "known_first", fact->known_first);
	put_flag(buf, "since_created", guard_evidence_covers(fact, guard_evidence_origin(evidence)));
	put_names(buf, fact->names);
	if (fact->fkey == 0)
		return;
	guard_json_array(buf, "columns");
	for (int i = 0; i < n; i++)
	{
		if (fact->fkey != GUARD_FKEY_ANY && names[i] != NULL &&
			(fact->fkey & guard_capture_fkey(i + 1)) != 0)
			guard_json_text(buf, NULL, names[i]);
	}
	guard_json_end_array(buf);
}

/*
 * One fact; "whole": of this evidence, for another server.
 */
static void
put_use(StringInfo buf, const GuardFact *fact, const GuardEvidence *whole)
{
	static const char *const seen[] = {
		[GUARD_SEEN_UNKNOWN] = "unknown",
		[GUARD_SEEN_NOT] = "not seen",
		[GUARD_SEEN_USED] = "used"
	};

	guard_json_object(buf, NULL);
	guard_json_text(buf, "source", guard_evidence_source(fact));
	guard_json_text(buf, "seen", seen[fact->seen]);
	guard_json_time(buf, "since", fact->since);
	guard_json_time(buf, "first", fact->first);
	guard_json_time(buf, "last", fact->last);
	if (fact->seen == GUARD_SEEN_USED)
		guard_json_int(buf, "count", fact->count);
	if (fact->rate > 0)
		guard_json_number(buf, "per_second", fact->rate);
	if (fact->pause > 0)
		guard_json_number(buf, "longest_pause_seconds", fact->pause / (double) USECS_PER_SEC);
	if (fact->statements > 0)
		guard_json_int(buf, "statements", fact->statements);
	if (fact->hidden > 0)
		guard_json_number(buf, "hidden_seconds", fact->hidden / (double) USECS_PER_SEC);
	if (fact->days > 0)
		guard_json_int(buf, "days", fact->days);
	guard_json_text(buf, "services", fact->who);
	if (fact->unobserved > 0)
		guard_json_int(buf, "not_observed_seconds", fact->unobserved / USECS_PER_SEC);
	guard_json_text(buf, "not_observed", fact->gaps);
	put_services(buf, fact);
	put_flag(buf, "moved_away", fact->moved_away);
	guard_json_text(buf, "foreign_keys", fact->keys);
	put_flag(buf, "foreign_key_gone", fact->key_gone);
	put_flag(buf, "installation", fact->installation);
	guard_json_text(buf, "note", fact->note);
	if (whole != NULL)
		put_rest(buf, fact, whole);
	guard_json_end_object(buf);
}

static void
put_roles(StringInfo buf, const GuardEvidence *evidence)
{
	guard_json_object(buf, "roles");
	put_flag(buf, "primary_key", evidence->shape->primary);
	put_flag(buf, "unique", evidence->shape->unique);
	put_flag(buf, "exclusion", evidence->shape->exclusion);
	put_flag(buf, "clustered", evidence->shape->clustered);
	put_flag(buf, "replica_identity", evidence->roles.replica_identity);
	put_flag(buf, "published", evidence->roles.published_for_update_or_delete);
	put_flag(buf, "subscribed", evidence->roles.subscribed);
	put_flag(buf, "foreign_key", evidence->roles.fk_support);
	put_flag(buf, "partition", evidence->roles.is_partition);
	guard_json_end_object(buf);
}

/*
 * What statements need it for, and what else does that.
 */
static void
put_needs(StringInfo buf, const GuardEvidence *evidence)
{
	if (evidence->needs == NIL)
		return;
	guard_json_array(buf, "needs");
	foreach_ptr(const GuardNeed, need, evidence->needs)
	{
		guard_json_object(buf, NULL);
		guard_json_text(buf, "kind", need->kind->name);
		if (need->use != NULL)
			guard_json_time(buf, "last", need->use->last);
		put_flag(buf, "served", need->served);
		if (need->server.match != GUARD_MATCH_NONE)
			guard_json_text(buf, "by", quote_qualified_identifier(need->server.schema,
																  need->server.name));
		guard_json_end_object(buf);
	}
	guard_json_end_array(buf);
}

static void
put_replacement(StringInfo buf, const GuardVerdict *verdict)
{
	const GuardReplacement *replacement = &verdict->evidence->replacement;

	if (replacement->match == GUARD_MATCH_NONE || verdict->asked.unreplaced)
		return;
	guard_json_object(buf, "replacement");
	guard_json_text(buf, "index", quote_qualified_identifier(replacement->schema,
															 replacement->name));
	put_flag(buf, "twin", replacement->match == GUARD_MATCH_TWIN);
	put_flag(buf, "by_plan", replacement->match == GUARD_MATCH_PLAN);
	put_flag(buf, "usable", replacement->usable);
	if (!replacement->usable)
		guard_json_text(buf, "why_not", replacement->why_not);
	guard_json_end_object(buf);
}

static void
put_load(StringInfo buf, const GuardLoad *load)
{
	guard_json_object(buf, "load_without");
	guard_json_int(buf, "statements", load->statements);
	guard_json_int(buf, "known", load->known);
	if (load->open > 0)
		guard_json_int(buf, "without_upper_bound", load->open);
	guard_json_number(buf, "calls_per_second", load->calls);
	guard_json_number(buf, "mean_ms_now", load->now);
	guard_json_number(buf, "mean_ms_expected", load->expected);
	guard_json_number(buf, "busy_now", load->busy_now);
	guard_json_number(buf, "busy_low", load->busy_low);
	guard_json_number(buf, "busy_expected", load->busy_expected);
	guard_json_number(buf, "busy_high", load->busy_high);
	guard_json_int(buf, "cores", load->cores);
	guard_json_int(buf, "limit", load->pool);
	guard_json_int(buf, "busy", load->busy);
	put_flag(buf, "fills_any_pool", load->fills);
	if (load->full > 0)
		guard_json_number(buf, "mean_ms_at_limit", load->full);
	guard_json_end_object(buf);
}

/*
 * Shadow plans, and what they predict; nothing where nothing is known.
 */
static void
put_prediction(StringInfo buf, const GuardJudgement *judgement)
{
	const GuardPlans *plans = &judgement->verdict.evidence->plans;

	if (plans->planned + plans->inherited > 0)
	{
		guard_json_object(buf, "what_if");
		guard_json_int(buf, "statements", plans->statements + plans->inherited);
		guard_json_int(buf, "planned", plans->planned + plans->inherited);
		put_flag(buf, "complete", plans->complete);
		guard_json_number(buf, "worst_cost_ratio", plans->worst_ratio);
		guard_json_number(buf, "worst_extra_cost", plans->worst_extra);
		put_flag(buf, "slower", plans->slower);
		guard_json_end_object(buf);
	}
	if (judgement->load != NULL)
		put_load(buf, judgement->load);
}

/*
 * The evidence of the decisive member as one JSON object, in the current
 * memory context.
 */
char *
guard_facts_json(const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	StringInfoData buf;

	initStringInfo(&buf);
	guard_json_object(&buf, NULL);
	guard_json_time(&buf, "as_of", evidence->as_of);
	guard_json_int(&buf, "rule", judgement->verdict.rule);
	guard_json_array(&buf, "uses");
	foreach_ptr(GuardFact, fact, evidence->facts)
		put_use(&buf, fact, NULL);
	guard_json_end_array(&buf);
	put_roles(&buf, evidence);
	put_needs(&buf, evidence);
	put_replacement(&buf, &judgement->verdict);
	put_prediction(&buf, judgement);
	guard_json_time(&buf, "created_at", evidence->created_at);
	guard_json_time(&buf, "hidden_since", evidence->hidden_since);
	if (evidence->table_kb >= 0)
		guard_json_int(&buf, "table_kb", evidence->table_kb);
	if (evidence->heap_known)
		guard_json_int(&buf, "table_blocks", evidence->heap_blocks);
	if (evidence->move.moved)
	{
		guard_json_time(&buf, "moved_at", evidence->move.at);
		guard_json_text(&buf, "moved_from", psprintf("%s.%s", evidence->move.old_schema,
													 evidence->move.old_name));
	}
	if (list_length(judgement->verdicts) > 1)
	{
		guard_json_text(&buf, "member", guard_sentence_name(evidence->shape));
		guard_json_int(&buf, "members", list_length(judgement->verdicts));
	}
	if (evidence->protection.found)
		guard_json_text(&buf, "protected", evidence->protection.reason);
	put_dependencies(&buf, evidence);
	if (judgement->verdict.reason == GUARD_REASON_APPROVED)
		put_approval(&buf, &evidence->approval);
	guard_json_text(&buf, "standbys_not_included", evidence->silence == NULL ? NULL :
					evidence->server->standbys);
	guard_json_end_object(&buf);
	return buf.data;
}

static void
put_finite(StringInfo buf, const char *key, double value)
{
	if (!isinf(value))
		guard_json_number(buf, key, value);
}

/*
 * What its planner would do without the index; what is infinite is left out.
 */
static void
put_plans(StringInfo buf, const GuardEvidence *evidence)
{
	const GuardPlans *plans = &evidence->plans;

	if (plans->statements == 0 && !evidence->proves && !evidence->untried)
		return;
	guard_json_object(buf, "what_if");
	guard_json_int(buf, "statements", plans->statements);
	guard_json_int(buf, "planned", plans->planned);
	put_flag(buf, "complete", plans->complete);
	put_finite(buf, "worst_ratio", plans->worst_ratio);
	put_finite(buf, "worst_extra", plans->worst_extra);
	put_finite(buf, "found_ratio", plans->found_ratio);
	put_finite(buf, "found_extra", plans->found_extra);
	put_finite(buf, "added_load", plans->added_load);
	put_flag(buf, "slower", plans->slower);
	put_flag(buf, "proves", evidence->proves);
	put_flag(buf, "untried", evidence->untried);
	guard_json_array(buf, "takeovers");
	foreach_ptr(const GuardReplacement, takeover, plans->takeovers)
	{
		guard_json_object(buf, NULL);
		guard_json_text(buf, "schema", takeover->schema);
		guard_json_text(buf, "name", takeover->name);
		guard_json_end_object(buf);
	}
	guard_json_end_array(buf);
	guard_json_end_object(buf);
}

char *
guard_facts_for_profile(const GuardEvidence *evidence)
{
	GuardLoad	load = {0};
	StringInfoData buf;

	initStringInfo(&buf);
	guard_json_object(&buf, NULL);
	guard_json_time(&buf, "as_of", evidence->as_of);
	guard_json_array(&buf, "uses");
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (!fact->moved_away && !fact->installation && fact->profile == NULL)
			put_use(&buf, fact, evidence);
	}
	guard_json_end_array(&buf);
	put_plans(&buf, evidence);
	guard_check_load(&load, list_make1_oid(evidence->index), NULL, evidence->server);
	if (load.known > 0)
		put_load(&buf, &load);
	put_flag(&buf, "unread", evidence->unread);
	put_flag(&buf, "aimed_at", evidence->aimed_at);
	guard_json_time(&buf, "last_write", evidence->last_write);
	guard_json_time(&buf, "attached", evidence->attached_at);
	if (evidence->move.detached)
		guard_json_time(&buf, "detached", evidence->move.at);
	guard_json_end_object(&buf);
	return buf.data;
}
