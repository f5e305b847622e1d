/*-------------------------------------------------------------------------
 *
 * sentence.c
 *	  A verdict and its evidence in words.
 *
 * One clause says what a verdict rests on; it goes into errors, notices, the
 * audit row and guard.check() alike.  The detail tells every fact.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat/list.h"
#include "policy/sentence.h"
#include "store/store.h"

/* So few uses make no rate. */
#define RATE_USES		20

/* Fewer busy connections than this are no news. */
#define WORTH_SAYING	0.1

/*
 * "412 times a second", "9 times a minute", "3 times"
 */
static char *
how_often(double rate, int64 count)
{
	if (rate >= 1.5)
		return psprintf("%.0f times a second", rate);
	if (rate >= 0.95)
		return pstrdup("once a second");
	if (rate * SECS_PER_MINUTE >= 1.95)
		return psprintf("%.0f times a minute", rate * SECS_PER_MINUTE);
	if (count == 1)
		return pstrdup("once");
	return psprintf(INT64_FORMAT " times", count);
}

/*
 * One use in words.  A rate is still going on, a count is past.  Where guard
 * speaks for itself, it says what it sees: "guard sees auth use it".
 */
static char *
use_clause(const GuardFact *use, double rate, int64 count, TimestampTz now,
		   bool guard_speaks)
{
	bool		counters = use->source == GUARD_SOURCE_COUNTERS ||
		use->source == GUARD_SOURCE_COUNTED;
	bool		going_on = rate * SECS_PER_MINUTE >= 1.95 && count >= RATE_USES;
	const char *sees = going_on ? "guard sees " : "guard saw ";
	StringInfoData buf;

	if (use->source == GUARD_SOURCE_WHATIF)
		return psprintf("%s%d %s on it without reading it (%s), last planned %s ago",
						guard_speaks ? "guard sees " : "", use->statements,
						use->statements == 1 && !guard_speaks ? "statement relies" :
						use->statements == 1 ? "statement rely" : "statements rely",
						use->note, guard_text_span(now - use->last));
	initStringInfo(&buf);
	if (guard_speaks)
		appendStringInfoString(&buf, sees);
	if (counters)
		appendStringInfo(&buf, "it %sscanned %s", guard_speaks ? "" : "was ",
						 how_often(0, count));
	else if (use->who != NULL)
		appendStringInfo(&buf, "%s %s it %s", use->who,
						 guard_speaks ? "use" : !going_on ? "used" :
						 strstr(use->who, " and ") ? "use" : "uses",
						 how_often(going_on ? rate : 0, count));
	else
		appendStringInfo(&buf, "it %sused %s",
						 guard_speaks ? "" : going_on ? "is " : "was ",
						 how_often(going_on ? rate : 0, count));

	if (use->last != 0)
		appendStringInfo(&buf, ", last %s ago", guard_text_span(now - use->last));
	else
		appendStringInfo(&buf, " at some time since %s",
						 guard_sentence_moment(use->since));
	if (use->source == GUARD_SOURCE_INHERITED)
		appendStringInfo(&buf, " (%s)", use->note);
	return buf.data;
}

/*
 * How many of the uses foreign keys made, where they made any that counts.
 */
static char *
checks_clause(const GuardEvidence *evidence)
{
	int64		uses = 0;
	int64		checks = 0;
	const char *keys = NULL;

	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (fact->seen != GUARD_SEEN_USED || fact->of_table ||
			fact->source != GUARD_SOURCE_CAPTURE)
			continue;
		uses += fact->count;
		if (fact->fkey == 0 || fact->key_gone)
			continue;
		checks += fact->count;
		keys = keys == NULL ? fact->keys : psprintf("%s, %s", keys, fact->keys);
	}
	return checks == 0 ? NULL :
		psprintf(INT64_FORMAT " of " INT64_FORMAT " uses are checks of foreign key %s",
				 checks, uses, keys);
}

static char *
hot_clause(const GuardJudgement *judgement, bool guard_speaks)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardEvidence *evidence = verdict->evidence;
	char	   *clause;
	char	   *checks = checks_clause(evidence);

	if (verdict->asked.whole_table && !verdict->asked.parent_goes &&
		evidence->last_write != 0 &&
		(evidence->roles.is_partition || evidence->roles.is_inheritance_child) &&
		verdict->use->last <= evidence->last_write)
		return psprintf("%s %s ago", guard_speaks ?
						"guard saw rows written to it" : "rows were written to it",
						guard_text_span(evidence->as_of - evidence->last_write));
	clause = use_clause(verdict->use, judgement->rate, judgement->count,
						evidence->as_of, guard_speaks);
	if (checks != NULL)
		clause = psprintf("%s; %s", clause, checks);

	/* The successor of a table that was swapped out lacks this index. */
	if (evidence->move.moved && evidence->move.heir_table != NULL &&
		!evidence->move.served && !verdict->asked.passes_on)
		clause = psprintf("%s, and table \"%s\", which bears its old name now, has no index like it",
						  clause, evidence->move.heir_table);
	return clause;
}

/*
 * For how long guard has looked, and where it has not.
 */
static char *
observed_clause(const GuardVerdict *verdict, bool guard_speaks)
{
	if (verdict->use != NULL)
		return psprintf("%s, but nothing is known of %s since",
						use_clause(verdict->use, 0, verdict->use->count,
								   verdict->evidence->as_of, guard_speaks),
						guard_text_span(verdict->use->unobserved));
	if (verdict->evidence->unread)
		return pstrdup("not all of its use could be recorded, or read");
	if (verdict->observed <= 0)
		return pstrdup("nothing is known of its use");
	return psprintf("no use was seen, but only for the last %s",
					guard_text_span(verdict->observed));
}

/*
 * Nothing was seen, here.
 */
static char *
cold_clause(const GuardVerdict *verdict)
{
	const GuardEvidence *evidence = verdict->evidence;
	char	   *clause = evidence->created_at != 0 ?
		psprintf("not used since it was created %s ago",
				 guard_text_span(evidence->as_of - evidence->created_at)) :
		psprintf("no use was seen for %s", guard_text_span(verdict->observed));

	if (evidence->server->standbys != NULL)
		clause = psprintf("%s; reads on standby %s are not included", clause,
						  evidence->server->standbys);
	return clause;
}

/*
 * It could go alone, but not together with the one that it serves in place of.
 */
static char *
heir_clause(const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	Oid			other = judgement->serves_for;
	char	   *clause = psprintf("it stays in place of index %s, which can go",
								  quote_qualified_identifier(get_namespace_name(get_rel_namespace(other)),
															 get_rel_name(other)));

	return verdict->use == NULL ? clause :
		psprintf("%s: %s", clause,
				 use_clause(verdict->use, verdict->use->rate,
							verdict->use->count, verdict->evidence->as_of, false));
}

char *
guard_sentence_verdict(const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardEvidence *evidence = verdict->evidence;

	if (OidIsValid(judgement->serves_for))
		return heir_clause(judgement);

	switch (verdict->reason)
	{
		case GUARD_REASON_APPROVED:
			return psprintf("%s approved it: %s", evidence->approval.approved_by,
							guard_sentence_one_line(evidence->approval.reason));
		case GUARD_REASON_PROTECTED:
			return psprintf("%s protected it: %s", evidence->protection.protected_by,
							guard_sentence_one_line(evidence->protection.reason));
		case GUARD_REASON_INVALID:
			return pstrdup("it is not valid and serves no query");
		case GUARD_REASON_PARTITION:
			return psprintf("its partition %s goes with all its rows",
							guard_sentence_table(evidence->shape));
		case GUARD_REASON_REPLACED:
			return psprintf("index %s serves in its place",
							quote_qualified_identifier(evidence->replacement.schema,
													   evidence->replacement.name));
		case GUARD_REASON_DEPENDENCY:
			return guard_sentence_dependency(verdict);
		case GUARD_REASON_REPLICA_IDENTITY:
		case GUARD_REASON_ARBITER:
		case GUARD_REASON_REQUIRED:
			return guard_sentence_need(verdict);
		case GUARD_REASON_HARMLESS:
			if (verdict->notice)
				return psprintf("without it its captured statements would cost at most %.1f units more each, %.2g %% of a processor together",
								evidence->plans.worst_extra,
								100 * evidence->plans.added_load);
			if (!evidence->heap_known || evidence->heap_blocks > GUARD_HARMLESS_BLOCKS)
				return psprintf("its %d captured %s would cost the same without it",
								evidence->plans.statements,
								evidence->plans.statements == 1 ?
								"statement" : "statements");
			return psprintf("its table has %u %s", evidence->heap_blocks,
							evidence->heap_blocks == 1 ? "block" : "blocks");
		case GUARD_REASON_HOT:
			return hot_clause(judgement, false);
		case GUARD_REASON_STOPPED:
			if (verdict->use->by_column)
				return pstrdup("its use passed to another index with its column's name");
			if (verdict->use->moved_away)
				return pstrdup(evidence->move.detached ?
							   "its use ended when its table was detached" :
							   "its use passed to another table with its table's name");
			if (verdict->use->installation)
				return pstrdup("only who made its table used it, less than an hour ago");
			if (verdict->use->key_gone)
				return pstrdup("only a foreign key used it, which is gone or goes as well");
			if (guard_verdict_use_released(verdict->use))
				return guard_sentence_released(verdict->use, evidence->as_of);
			return use_clause(verdict->use, 0, judgement->count, evidence->as_of,
							  false);
		case GUARD_REASON_CONSTRAINT:
			return verdict->asked.named ?
				pstrdup("no query uses it; what it enforces goes with it") :
				pstrdup(evidence->shape->unique ?
						"no use was seen, but it enforces uniqueness" :
						"no use was seen, but it enforces its constraint");
		case GUARD_REASON_COLD:
			return cold_clause(verdict);
		case GUARD_REASON_UNKNOWN:
			return observed_clause(verdict, false);
	}
	return pstrdup("");
}

/*
 * The same where guard refuses and says so: several tools show nothing else.
 */
char *
guard_sentence_refusal(const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardEvidence *evidence = verdict->evidence;

	if (!evidence->asker_may_see)
		return pstrdup("guard knows that it is still needed");
	switch (verdict->reason)
	{
		case GUARD_REASON_HOT:
			return hot_clause(judgement, true);
		case GUARD_REASON_PROTECTED:
			return psprintf("guard protects it for %s: %s",
							evidence->protection.protected_by,
							guard_sentence_one_line(evidence->protection.reason));
		case GUARD_REASON_CONSTRAINT:
			return psprintf("guard keeps it: %s", guard_sentence_verdict(judgement));
		case GUARD_REASON_UNKNOWN:
			return verdict->use != NULL ? observed_clause(verdict, true) :
				psprintf("guard cannot tell whether it is needed: %s",
						 observed_clause(verdict, false));
		default:
			return psprintf("guard knows that %s", guard_sentence_verdict(judgement));
	}
}

/*
 * One fact as a sentence.
 */
static void
append_fact(StringInfo buf, const GuardFact *fact, TimestampTz now)
{
	const char *source = guard_evidence_source(fact);

	if (buf->len > 0 && buf->data[buf->len - 1] != ' ')
		appendStringInfoChar(buf, ' ');
	appendStringInfo(buf, "%c%s: ", pg_toupper((unsigned char) source[0]),
					 source + 1);
	switch (fact->seen)
	{
		case GUARD_SEEN_USED:
			appendStringInfoString(buf, use_clause(fact, 0, fact->count, now, false));
			if (fact->statements > 0 && fact->source != GUARD_SOURCE_WHATIF)
				appendStringInfo(buf, ", by %d %s", fact->statements,
								 fact->statements == 1 ? "statement" : "statements");
			if (fact->moved_away)
				appendStringInfoString(buf, ", before its table was moved away");
			if (fact->installation)
				appendStringInfoString(buf, ", when its table was made");
			if (fact->key_gone)
				appendStringInfoString(buf, ", by a foreign key that is gone or goes as well");
			else if (fact->fkey != 0)
				appendStringInfo(buf, ", by foreign key %s", fact->keys);
			break;
		case GUARD_SEEN_NOT:
			appendStringInfoString(buf, fact->note ? fact->note : "no use seen");
			break;
		case GUARD_SEEN_UNKNOWN:
			appendStringInfo(buf, "unknown (%s)", fact->note ? fact->note : "");
			break;
	}
	if (fact->since != 0 && (fact->seen != GUARD_SEEN_USED || fact->last != 0))
		appendStringInfo(buf, "; observed since %s",
						 guard_sentence_moment(fact->since));
	if (fact->gaps != NULL)
		appendStringInfo(buf, "; not observed: %s", fact->gaps);
	appendStringInfoChar(buf, '.');
}

/*
 * "2.4 s", "0.80 ms"
 */
static char *
duration(double ms)
{
	if (ms < 1)
		return psprintf("%.2f ms", ms);
	if (ms < 1000)
		return psprintf("%.*f ms", ms < 10 ? 1 : 0, ms);
	return psprintf("%.*f s", ms < 10000 ? 1 : 0, ms / 1000);
}

/*
 * "400 calls a second", "3 calls an hour"
 */
static char *
calls(double per_second)
{
	if (per_second >= 0.95)
		return psprintf("%.0f calls a second", per_second);
	if (per_second * SECS_PER_MINUTE >= 0.95)
		return psprintf("%.0f calls a minute", per_second * SECS_PER_MINUTE);
	return psprintf("%.0f calls an hour", ceil(per_second * SECS_PER_HOUR));
}

/*
 * A number of connections; what is below a tenth is as good as none.
 */
static char *
connections(double busy)
{
	return psprintf("%.*f", busy < 9.95 ? 1 : 0, busy);
}

/*
 * Would the traffic go on without the index, only slower?  Not where its
 * statements would fail.
 */
static bool
goes_on(const GuardVerdict *verdict)
{
	return !verdict->asked.whole_table &&
		(verdict->need == NULL || verdict->need->served);
}

/*
 * What the traffic would take without the index: the figure that tells an
 * inconvenience from an outage.
 */
static void
append_load(StringInfo buf, const GuardJudgement *judgement)
{
	const GuardLoad *load = judgement->load;
	const GuardServer *server = judgement->verdict.evidence->server;

	if (load == NULL || load->calls <= 0 || !goes_on(&judgement->verdict))
		return;
	appendStringInfo(buf, "Without it, by estimate, %s would take %s instead of %s",
					 calls(load->calls), duration(load->expected),
					 duration(load->now));
	if (load->busy_high >= WORTH_SAYING)
		appendStringInfo(buf, ": %s busy connections (%s to %s) instead of %s; the limit is %d, on %ld cores, and %d %s busy now",
						 connections(load->busy_expected),
						 connections(load->busy_low),
						 connections(load->busy_high),
						 connections(load->busy_now), MaxConnections,
						 sysconf(_SC_NPROCESSORS_ONLN),
						 server->busy_connections,
						 server->busy_connections == 1 ? "is" : "are");
	appendStringInfoChar(buf, '.');
	if (load->known < load->statements)
		appendStringInfo(buf, " Estimated for %d of %d statements.",
						 load->known, load->statements);
	if (load->open > 0)
		appendStringInfo(buf, " Without an upper bound for %d, which would compute what the index has for every row.",
						 load->open);
	appendStringInfoChar(buf, ' ');
}

/*
 * The way that a target would go, where it is not the obvious one.
 */
static void
append_route(StringInfo buf, const GuardJudgement *judgement)
{
	const GuardTarget *target = judgement->target;
	const GuardEvidence *evidence = judgement->verdict.evidence;
	static const char *const kinds[] = {
		[GUARD_ROUTE_CONSTRAINT] = "constraint",
		[GUARD_ROUTE_COLUMN] = "column",
		[GUARD_ROUTE_TABLE] = "table",
		[GUARD_ROUTE_CASCADE] = "object"
	};

	if (target->route == GUARD_ROUTE_INDEX)
		return;
	if (target->through != NULL)
		appendStringInfo(buf, "It would go with %s \"%s\".",
						 judgement->verdict.asked.whole_table &&
						 evidence->roles.is_matview &&
						 strcmp(target->through, evidence->shape->table_name) == 0 ?
						 "materialized view" : kinds[target->route],
						 target->through);
	else if (target->route == GUARD_ROUTE_CASCADE)
		appendStringInfoString(buf, "It would go as a dependent object.");
}

char *
guard_sentence_detail(const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	append_load(&buf, judgement);
	append_route(&buf, judgement);
	foreach(lc, evidence->facts)
		append_fact(&buf, lfirst(lc), evidence->as_of);
	if (judgement->verdict.contradicted)
		appendStringInfo(&buf, " Index %s has its columns, but without this one statements would cost up to %.*f times as much.",
						 quote_qualified_identifier(evidence->replacement.schema,
													evidence->replacement.name),
						 evidence->plans.found_ratio < 9.95 ? 1 : 0,
						 evidence->plans.found_ratio);
	if (evidence->hidden_since != 0)
		appendStringInfo(&buf, " It has been hidden from the planner since %s, and judged as of then.",
						 guard_sentence_moment(evidence->hidden_since));
	foreach(lc, evidence->dependencies)
		guard_sentence_append_dependency(&buf, lfirst(lc), evidence->as_of);
	if (judgement->verdict.reason != GUARD_REASON_APPROVED)
		guard_sentence_append_approval(&buf, &judgement->verdict);
	else if (guard_sentence_going(evidence) != NULL)
		appendStringInfo(&buf, " %s", guard_sentence_going(evidence));
	if (list_length(judgement->verdicts) > 1)
		appendStringInfo(&buf, " This is partition index %s, one of %d.",
						 guard_sentence_name(evidence->shape),
						 list_length(judgement->verdicts));
	if (evidence->server->standbys != NULL &&
		judgement->verdict.reason != GUARD_REASON_COLD)
		appendStringInfo(&buf, " Not included: reads on standby %s.",
						 evidence->server->standbys);
	return buf.data;
}
