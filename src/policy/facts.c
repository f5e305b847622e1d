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

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "compat/list.h"
#include "policy/sentence.h"
#include "store/text.h"

/*
 * Begin a member of an object; a comma before all but the first.
 */
static void
put_key(StringInfo buf, const char *key)
{
	char		last = buf->data[buf->len - 1];

	if (last != '{' && last != '[')
		appendStringInfoChar(buf, ',');
	escape_json(buf, key);
	appendStringInfoChar(buf, ':');
}

/*
 * A comma before all members of an array but the first.
 */
static void
put_next(StringInfo buf)
{
	if (buf->data[buf->len - 1] != '[')
		appendStringInfoChar(buf, ',');
}

static void
put_text(StringInfo buf, const char *key, const char *value)
{
	if (value == NULL)
		return;
	put_key(buf, key);
	escape_json(buf, guard_text_valid(value));
}

static void
put_bool(StringInfo buf, const char *key, bool value)
{
	if (!value)
		return;
	put_key(buf, key);
	appendStringInfoString(buf, "true");
}

static void
put_int(StringInfo buf, const char *key, int64 value)
{
	put_key(buf, key);
	appendStringInfo(buf, INT64_FORMAT, value);
}

static void
put_time(StringInfo buf, const char *key, TimestampTz value)
{
	char		str[MAXDATELEN + 1];
	Datum		datum = TimestampTzGetDatum(value);

	if (value == 0)
		return;
	put_key(buf, key);
	appendStringInfo(buf, "\"%s\"",
					 JsonEncodeDateTime(str, datum, TIMESTAMPTZOID, NULL));
}

/*
 * Who made a use; "others": and somebody else, whose name was lost.
 */
static void
put_services(StringInfo buf, const GuardFact *fact)
{
	if (fact->services == NIL)
		return;
	put_key(buf, "by_service");
	appendStringInfoChar(buf, '[');
	foreach_ptr(const GuardServiceUse, use, fact->services)
	{
		put_next(buf);
		appendStringInfoChar(buf, '{');
		put_text(buf, "service", use->service);
		put_text(buf, "version", use->version);
		put_time(buf, "last", use->last);
		put_int(buf, "count", use->count);
		put_time(buf, "released_at", use->released_at);
		appendStringInfoChar(buf, '}');
	}
	appendStringInfoChar(buf, ']');
	put_bool(buf, "others", !fact->services_known);
}

/*
 * The approval that is used up.
 */
static void
put_approval(StringInfo buf, const GuardApproval *approval)
{
	put_key(buf, "approval");
	appendStringInfoChar(buf, '{');
	put_int(buf, "id", approval->id);
	put_text(buf, "approved_by", approval->approved_by);
	put_time(buf, "approved_at", approval->approved_at);
	put_text(buf, "reason", approval->reason);
	appendStringInfoChar(buf, '}');
}

static void
put_dependencies(StringInfo buf, const GuardEvidence *evidence)
{
	if (evidence->dependencies == NIL)
		return;
	put_key(buf, "dependencies");
	appendStringInfoChar(buf, '[');
	foreach_ptr(const GuardDependency, dependency, evidence->dependencies)
	{
		put_next(buf);
		appendStringInfoChar(buf, '{');
		put_text(buf, "service", dependency->service);
		put_text(buf, "until_version", dependency->until_version);
		put_text(buf, "deployed_version", dependency->deployed);
		put_time(buf, "deployed_at", dependency->deployed_at);
		put_time(buf, "released_at", dependency->released_at);
		put_text(buf, "old_version", dependency->old_version);
		put_time(buf, "old_version_last", dependency->old_last);
		put_bool(buf, "needed",
				 guard_verdict_service_needs(dependency, evidence->as_of));
		put_text(buf, "note", dependency->note);
		appendStringInfoChar(buf, '}');
	}
	appendStringInfoChar(buf, ']');
}

static void
put_use(StringInfo buf, const GuardFact *fact)
{
	static const char *const seen[] = {
		[GUARD_SEEN_UNKNOWN] = "unknown",
		[GUARD_SEEN_NOT] = "not seen",
		[GUARD_SEEN_USED] = "used"
	};

	put_next(buf);
	appendStringInfoChar(buf, '{');
	put_text(buf, "source", guard_evidence_source(fact));
	put_text(buf, "seen", seen[fact->seen]);
	put_time(buf, "since", fact->since);
	put_time(buf, "first", fact->first);
	put_time(buf, "last", fact->last);
	if (fact->seen == GUARD_SEEN_USED)
		put_int(buf, "count", fact->count);
	if (fact->rate > 0)
	{
		put_key(buf, "per_second");
		appendStringInfo(buf, "%.3f", fact->rate);
	}
	if (fact->pause > 0)
	{
		put_key(buf, "longest_pause_seconds");
		appendStringInfo(buf, "%.3f", fact->pause / (double) USECS_PER_SEC);
	}
	if (fact->statements > 0)
		put_int(buf, "statements", fact->statements);
	if (fact->hidden > 0)
	{
		put_key(buf, "hidden_seconds");
		appendStringInfo(buf, "%.3f", fact->hidden / (double) USECS_PER_SEC);
	}
	if (fact->days > 0)
		put_int(buf, "days", fact->days);
	put_text(buf, "services", fact->who);
	if (fact->unobserved > 0)
		put_int(buf, "not_observed_seconds", fact->unobserved / USECS_PER_SEC);
	put_text(buf, "not_observed", fact->gaps);
	put_services(buf, fact);
	put_bool(buf, "moved_away", fact->moved_away);
	put_text(buf, "note", fact->note);
	appendStringInfoChar(buf, '}');
}

static void
put_roles(StringInfo buf, const GuardEvidence *evidence)
{
	put_key(buf, "roles");
	appendStringInfoChar(buf, '{');
	put_bool(buf, "primary_key", evidence->shape->primary);
	put_bool(buf, "unique", evidence->shape->unique);
	put_bool(buf, "exclusion", evidence->shape->exclusion);
	put_bool(buf, "clustered", evidence->shape->clustered);
	put_bool(buf, "replica_identity", evidence->roles.replica_identity);
	put_bool(buf, "published", evidence->roles.published_for_update_or_delete);
	put_bool(buf, "subscribed", evidence->roles.subscribed);
	put_bool(buf, "foreign_key", evidence->roles.fk_support);
	put_bool(buf, "partition", evidence->roles.is_partition);
	put_time(buf, "arbiter_last", evidence->last_arbiter);
	appendStringInfoChar(buf, '}');
}

static void
put_replacement(StringInfo buf, const GuardVerdict *verdict)
{
	const GuardReplacement *replacement = &verdict->evidence->replacement;

	if (replacement->match == GUARD_MATCH_NONE || verdict->asked.unreplaced)
		return;
	put_key(buf, "replacement");
	appendStringInfoChar(buf, '{');
	put_text(buf, "index", quote_qualified_identifier(replacement->schema,
													  replacement->name));
	put_bool(buf, "twin", replacement->match == GUARD_MATCH_TWIN);
	put_bool(buf, "by_plan", replacement->match == GUARD_MATCH_PLAN);
	put_bool(buf, "usable", replacement->usable);
	if (!replacement->usable)
		put_text(buf, "why_not", replacement->why_not);
	appendStringInfoChar(buf, '}');
}

static void
put_number(StringInfo buf, const char *key, double value)
{
	put_key(buf, key);
	appendStringInfo(buf, "%.3f", value);
}

/*
 * Shadow plans, and what they predict; nothing where nothing is known.
 */
static void
put_prediction(StringInfo buf, const GuardJudgement *judgement)
{
	const GuardPlans *plans = &judgement->verdict.evidence->plans;
	const GuardLoad *load = judgement->load;

	if (plans->planned > 0)
	{
		put_key(buf, "what_if");
		appendStringInfoChar(buf, '{');
		put_int(buf, "statements", plans->statements);
		put_int(buf, "planned", plans->planned);
		put_bool(buf, "complete", plans->complete);
		put_number(buf, "worst_cost_ratio", plans->worst_ratio);
		put_bool(buf, "slower", plans->slower);
		appendStringInfoChar(buf, '}');
	}
	if (load == NULL)
		return;
	put_key(buf, "load_without");
	appendStringInfoChar(buf, '{');
	put_int(buf, "statements", load->statements);
	put_int(buf, "known", load->known);
	put_number(buf, "calls_per_second", load->calls);
	put_number(buf, "mean_ms_now", load->now);
	put_number(buf, "mean_ms_expected", load->expected);
	put_number(buf, "busy_now", load->busy_now);
	put_number(buf, "busy_low", load->busy_low);
	put_number(buf, "busy_expected", load->busy_expected);
	put_number(buf, "busy_high", load->busy_high);
	appendStringInfoChar(buf, '}');
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
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	put_time(&buf, "as_of", evidence->as_of);
	put_int(&buf, "rule", judgement->verdict.rule);
	put_key(&buf, "uses");
	appendStringInfoChar(&buf, '[');
	foreach(lc, evidence->facts)
		put_use(&buf, lfirst(lc));
	appendStringInfoChar(&buf, ']');
	put_roles(&buf, evidence);
	put_replacement(&buf, &judgement->verdict);
	put_prediction(&buf, judgement);
	put_time(&buf, "created_at", evidence->created_at);
	put_time(&buf, "hidden_since", evidence->hidden_since);
	if (evidence->table_kb >= 0)
		put_int(&buf, "table_kb", evidence->table_kb);
	if (evidence->heap_known)
		put_int(&buf, "table_blocks", evidence->heap_blocks);
	if (evidence->move.moved)
	{
		put_time(&buf, "moved_at", evidence->move.at);
		put_text(&buf, "moved_from", psprintf("%s.%s", evidence->move.old_schema,
											  evidence->move.old_name));
	}
	if (list_length(judgement->verdicts) > 1)
	{
		put_text(&buf, "member", guard_sentence_name(evidence->shape));
		put_int(&buf, "members", list_length(judgement->verdicts));
	}
	if (evidence->protection.found)
		put_text(&buf, "protected", evidence->protection.reason);
	put_dependencies(&buf, evidence);
	if (judgement->verdict.reason == GUARD_REASON_APPROVED)
		put_approval(&buf, &evidence->approval);
	put_text(&buf, "standbys_not_included", evidence->server->standbys);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}
