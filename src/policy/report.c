/*-------------------------------------------------------------------------
 *
 * report.c
 *	  A verdict in words: error, warning, log line.
 *
 * Several migration tools show nothing but the primary message of an error,
 * so it alone must name the index, say who needs it and how much.  Statement
 * texts may hold secrets: they go to the server log, never to the client.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/timestamp.h"

#include "evidence/statements.h"
#include "guc.h"
#include "planner/capture.h"
#include "policy/report.h"

/* How many other indexes a primary message names before it counts them. */
#define NAMED_IN_PRIMARY	5

/* So few uses make no rate. */
#define RATE_USES		20

/* A reason longer than this is cut in a message. */
#define REASON_SHOWN	200

/* How many of several refused indexes the client gets the evidence of. */
#define DETAILED_FOR_CLIENT	5

/* How many statements of each index the server log shows. */
#define STATEMENTS_LOGGED	5

/* ---- words ---- */

char *
guard_report_name(const GuardShape *shape)
{
	return quote_qualified_identifier(shape->schema, shape->name);
}

static char *
table_name(const GuardShape *shape)
{
	return quote_qualified_identifier(shape->schema, shape->table_name);
}

/*
 * A span of time in one unit, as one says it.
 */
static char *
span(int64 usecs)
{
	double		secs = Max(usecs, 0) / (double) USECS_PER_SEC;

	if (secs < 10)
		return psprintf("%.1f s", secs);
	if (secs < 120)
		return psprintf("%.0f s", secs);
	if (secs < 2 * SECS_PER_HOUR)
		return psprintf("%.0f min", secs / SECS_PER_MINUTE);
	if (secs < 2 * SECS_PER_DAY)
		return psprintf("%.0f hours", secs / SECS_PER_HOUR);
	return psprintf("%.0f days", secs / SECS_PER_DAY);
}

/*
 * A moment, to the second, in the session's time zone.
 */
char *
guard_report_moment(TimestampTz at)
{
	return TextDatumGetCString(DirectFunctionCall2(timestamptz_to_char,
												   TimestampTzGetDatum(at),
												   CStringGetTextDatum("YYYY-MM-DD HH24:MI:SS TZH")));
}

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
 * One use in words.  A rate is still going on, a count is past.
 */
static char *
use_clause(const GuardFact *use, double rate, int64 count, TimestampTz now)
{
	bool		counters = strstr(use->source, "counters") != NULL;
	bool		going_on = rate * SECS_PER_MINUTE >= 1.95 && count >= RATE_USES;
	StringInfoData buf;

	initStringInfo(&buf);
	if (counters)
		appendStringInfo(&buf, "it was scanned %s", how_often(0, count));
	else if (use->who != NULL)
		appendStringInfo(&buf, "%s %s it %s", use->who,
						 !going_on ? "used" : strstr(use->who, " and ") ?
						 "use" : "uses", how_often(going_on ? rate : 0, count));
	else
		appendStringInfo(&buf, "it %s used %s", going_on ? "is" : "was",
						 how_often(going_on ? rate : 0, count));

	if (use->last != 0)
		appendStringInfo(&buf, ", last %s ago", span(now - use->last));
	else
		appendStringInfo(&buf, " at some time since %s",
						 guard_report_moment(use->since));
	if (strcmp(use->source, "inherited") == 0)
		appendStringInfo(&buf, " (%s)", use->note);
	return buf.data;
}

/*
 * A person's text as part of a message: one line, and not too long.
 */
static char *
one_line(const char *text)
{
	int			len = strlen(text);
	char	   *line;

	if (len > REASON_SHOWN)
		line = psprintf("%.*s…", pg_mbcliplen(text, len, REASON_SHOWN), text);
	else
		line = pstrdup(text);
	for (char *p = line; *p; p++)
	{
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
	}
	return line;
}

static char *
hot_clause(const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardEvidence *evidence = verdict->evidence;
	char	   *clause;

	if (evidence->whole_table && !evidence->parent_goes &&
		evidence->last_write != 0 &&
		(evidence->roles.is_partition || evidence->roles.is_inheritance_child) &&
		verdict->use->last <= evidence->last_write)
		return psprintf("rows were written to it %s ago",
						span(evidence->as_of - evidence->last_write));
	clause = use_clause(verdict->use, judgement->rate, judgement->count,
						evidence->as_of);

	/* The successor of a table that was swapped out lacks this index. */
	if (evidence->move.moved && evidence->move.heir_table != NULL &&
		!evidence->move.served)
		clause = psprintf("%s, and table \"%s\", which bears its old name now, has no index like it",
						  clause, evidence->move.heir_table);
	return clause;
}

/*
 * For how long guard has looked, and where it has not.
 */
static char *
observed_clause(const GuardVerdict *verdict)
{
	if (verdict->observed <= 0)
		return pstrdup("nothing is known of its use");
	return psprintf("no use was seen, but only for the last %s",
					span(verdict->observed));
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
				 span(evidence->as_of - evidence->created_at)) :
		psprintf("no use was seen for %s", span(verdict->observed));

	if (evidence->server->standbys != NULL)
		clause = psprintf("%s; reads on standby %s are not included", clause,
						  evidence->server->standbys);
	return clause;
}

char *
guard_report_sentence(const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardEvidence *evidence = verdict->evidence;

	switch (verdict->reason)
	{
		case GUARD_REASON_PROTECTED:
			return psprintf("%s protected it: %s", evidence->protection.protected_by,
							one_line(evidence->protection.reason));
		case GUARD_REASON_INVALID:
			return pstrdup("it is not valid and serves no query");
		case GUARD_REASON_PARTITION:
			return psprintf("its partition %s goes with all its rows",
							table_name(evidence->shape));
		case GUARD_REASON_REPLACED:
			return psprintf("index %s serves in its place",
							quote_qualified_identifier(evidence->replacement.schema,
													   evidence->replacement.name));
		case GUARD_REASON_REPLICA_IDENTITY:
			return psprintf("it is the replica identity of published table %s: UPDATE and DELETE would fail without it",
							table_name(evidence->shape));
		case GUARD_REASON_ARBITER:
			return psprintf("INSERT … ON CONFLICT statements name it as arbiter and would fail without it, last %s ago",
							span(evidence->as_of - evidence->last_arbiter));
		case GUARD_REASON_HARMLESS:
			return psprintf("its table has %u %s", evidence->heap_blocks,
							evidence->heap_blocks == 1 ? "block" : "blocks");
		case GUARD_REASON_HOT:
			return hot_clause(judgement);
		case GUARD_REASON_STOPPED:
			if (verdict->use->moved_away)
				return pstrdup(evidence->move.detached ?
							   "its use ended when its table was detached" :
							   "its use passed to another table with its table's name");
			return use_clause(verdict->use, 0, judgement->count, evidence->as_of);
		case GUARD_REASON_CONSTRAINT:
			return evidence->named ?
				pstrdup("no query uses it; what it enforces goes with it") :
				pstrdup("no use was seen, but it enforces uniqueness");
		case GUARD_REASON_COLD:
			return cold_clause(verdict);
		case GUARD_REASON_UNKNOWN:
			return observed_clause(verdict);
	}
	return pstrdup("");
}

/*
 * The same for whoever runs the statement.  One may drop a function or a
 * schema on which somebody else's index depends, and be refused, without
 * learning that one's traffic.
 */
static char *
client_sentence(const GuardJudgement *judgement)
{
	if (judgement->verdict.evidence->asker_may_see)
		return guard_report_sentence(judgement);
	return pstrdup(judgement->verdict.decision == GUARD_BLOCK ?
				   "it is still needed" :
				   guard_verdict_reason_name(judgement->verdict.reason));
}

/* ---- detail ---- */

/*
 * One fact as a sentence.
 */
static void
append_fact(StringInfo buf, const GuardFact *fact, TimestampTz now)
{
	if (buf->len > 0)
		appendStringInfoChar(buf, ' ');
	appendStringInfo(buf, "%c%s: ", pg_toupper((unsigned char) fact->source[0]),
					 fact->source + 1);
	switch (fact->seen)
	{
		case GUARD_SEEN_USED:
			appendStringInfoString(buf, use_clause(fact, 0, fact->count, now));
			if (fact->statements > 0)
				appendStringInfo(buf, ", by %d %s", fact->statements,
								 fact->statements == 1 ? "statement" : "statements");
			if (fact->moved_away)
				appendStringInfoString(buf, ", before its table was moved away");
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
						 guard_report_moment(fact->since));
	appendStringInfoChar(buf, '.');
}

/*
 * The way that a target would go, where it is not the obvious one.
 */
static void
append_route(StringInfo buf, const GuardTarget *target,
			 const GuardEvidence *evidence)
{
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
						 evidence->whole_table && evidence->roles.is_matview &&
						 strcmp(target->through, evidence->shape->table_name) == 0 ?
						 "materialized view" : kinds[target->route],
						 target->through);
	else if (target->route == GUARD_ROUTE_CASCADE)
		appendStringInfoString(buf, "It would go as a dependent object.");
}

char *
guard_report_detail(const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	append_route(&buf, judgement->target, evidence);
	foreach(lc, evidence->facts)
		append_fact(&buf, lfirst(lc), evidence->as_of);
	if (list_length(judgement->verdicts) > 1)
		appendStringInfo(&buf, " This is partition index %s, one of %d.",
						 guard_report_name(evidence->shape),
						 list_length(judgement->verdicts));
	if (evidence->server->standbys != NULL &&
		judgement->verdict.reason != GUARD_REASON_COLD)
		appendStringInfo(&buf, " Not included: reads on standby %s.",
						 evidence->server->standbys);
	return buf.data;
}

/* ---- refusing ---- */

static char *
primary_message(List *judgements)
{
	const GuardJudgement *first = linitial(judgements);
	const GuardEvidence *evidence = first->verdict.evidence;
	StringInfoData buf;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	if (evidence->whole_table)
		appendStringInfo(&buf, "cannot drop %s \"%s\" with index \"%s\": %s",
						 evidence->roles.is_matview ? "materialized view" :
						 evidence->roles.is_partition && !evidence->parent_goes ?
						 "partition" : "table",
						 table_name(first->shape),
						 guard_report_name(first->shape),
						 client_sentence(first));
	else
		appendStringInfo(&buf, "cannot drop index \"%s\": %s",
						 guard_report_name(first->shape),
						 client_sentence(first));
	if (list_length(judgements) == 1)
		return buf.data;

	appendStringInfoString(&buf, "; nor ");
	for_each_from(lc, judgements, 1)
	{
		const GuardJudgement *judgement = lfirst(lc);

		if (n == NAMED_IN_PRIMARY)
		{
			appendStringInfo(&buf, " and %d more",
							 list_length(judgements) - 1 - n);
			break;
		}
		appendStringInfo(&buf, "%s\"%s\"", n > 0 ? ", " : "",
						 guard_report_name(judgement->shape));
		n++;
	}
	return buf.data;
}

/*
 * The evidence for each index: the first few for the client, all of them for
 * the server log.
 */
static char *
detail_message(List *judgements, GuardOccasion occasion, const char *why,
			   int limit)
{
	StringInfoData buf;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, judgements)
	{
		const GuardJudgement *judgement = lfirst(lc);

		if (n == limit)
		{
			appendStringInfo(&buf, "\nFor %d more see the server log.",
							 list_length(judgements) - n);
			break;
		}
		if (n > 0)
			appendStringInfo(&buf, "\nIndex \"%s\": ",
							 guard_report_name(judgement->shape));
		appendStringInfoString(&buf, limit >= 0 &&
							   !judgement->verdict.evidence->asker_may_see ?
							   "Its table belongs to another role." :
							   guard_report_detail(judgement));
		n++;
	}
	if (occasion == GUARD_AT_COMMIT)
		appendStringInfoString(&buf, "\nThe transaction leaves nothing that serves in its place.");
	if (why != NULL)
		appendStringInfo(&buf, "\n%s", why);
	return buf.data;
}

/*
 * Where one learns more, and what is missing to know it.
 */
static char *
where_to_look(const char *name)
{
	GuardCaptureStatus status;
	const char *missing;

	guard_capture_status(&status);
	if (!status.available)
		return pstrdup("To know who uses it, add guard to shared_preload_libraries.");
	missing = guard_statements_missing();
	return psprintf("%sWhat uses it: SELECT * FROM guard.index_statements(%s);",
					missing ? psprintf("To see texts and times: %s. ", missing) : "",
					name);
}

/*
 * What to do, most useful first: the remedy, never the way round.
 */
static char *
hint_message(const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	const char *name = quote_literal_cstr(guard_report_name(judgement->shape));

	switch (judgement->verdict.reason)
	{
		case GUARD_REASON_PROTECTED:
			if (evidence->replacement.match == GUARD_MATCH_TWIN)
				return psprintf("An index of the same structure stays: SELECT guard.protect(%s, 'in place of %s'); SELECT guard.unprotect(%s);",
								quote_literal_cstr(quote_qualified_identifier(evidence->replacement.schema,
																			  evidence->replacement.name)),
								guard_report_name(judgement->shape), name);
			return psprintf("If the reason no longer holds: SELECT guard.unprotect(%s);",
							name);
		case GUARD_REASON_REPLICA_IDENTITY:
			return psprintf("Give the table another identity first: ALTER TABLE %s REPLICA IDENTITY …;",
							table_name(evidence->shape));
		case GUARD_REASON_UNKNOWN:
		case GUARD_REASON_CONSTRAINT:
			return psprintf("See SELECT * FROM guard.check(%s); and wait until enough has been observed, or have a superuser SET guard.unknown_action = 'allow' for this session.",
							name);
		default:
			break;
	}
	if (!evidence->asker_may_see)
		return psprintf("Ask the owner of table %s.", table_name(evidence->shape));
	return psprintf("%s %s",
					evidence->whole_table ?
					"Deploy the code that no longer needs the table first." :
					"Deploy the code that no longer needs it, or create its replacement CONCURRENTLY, first.",
					where_to_look(name));
}

/*
 * For the server log only: which statements use the refused indexes.
 */
static char *
log_detail(List *judgements, const char *detail)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoString(&buf, detail);
	foreach(lc, judgements)
	{
		const GuardJudgement *judgement = lfirst(lc);

		guard_statements_append_texts(&buf, judgement->target->members,
									  guard_report_name(judgement->shape),
									  STATEMENTS_LOGGED);
	}
	return buf.data;
}

void
guard_report_refuse(List *judgements, GuardOccasion occasion, const char *why)
{
	const GuardJudgement *first = linitial(judgements);
	char	   *primary = primary_message(judgements);
	char	   *detail = detail_message(judgements, occasion, why,
										DETAILED_FOR_CLIENT);
	char	   *log = log_detail(judgements,
								 detail_message(judgements, occasion, why, -1));
	char	   *hint = hint_message(first);
	const char *reason = guard_verdict_reason_name(first->verdict.reason);

	if (guard_guc_mode == GUARD_MODE_ENFORCE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg_internal("%s", primary),
				 errdetail_internal("%s", detail),
				 errdetail_log("%s\nReason: %s.", log, reason),
				 errhint("%s", hint)));

	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("guard.mode is observe, otherwise: %s", primary),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint)));
	ereport(LOG_SERVER_ONLY,
			(errmsg("guard.mode is observe, otherwise: %s", primary),
			 errdetail_internal("%s\nReason: %s.", log, reason),
			 errhint("%s", hint)));
}

char *
guard_report_not_usable(const GuardReplacement *replacement)
{
	char	   *name;

	if (replacement->match == GUARD_MATCH_NONE || replacement->usable)
		return NULL;
	name = quote_qualified_identifier(replacement->schema, replacement->name);
	if (replacement->blocking_pid != 0)
		return psprintf("Index %s would serve, but %s: process %d has an older transaction open. CREATE INDEX CONCURRENTLY waits for it.",
						name, replacement->why_not, replacement->blocking_pid);
	return psprintf("Index %s would serve, but it %s.", name,
					replacement->why_not);
}

/* ---- letting go ---- */

void
guard_report_allowed(const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const char *name = guard_report_name(judgement->shape);
	char	   *sentence = client_sentence(judgement);

	if (verdict->warning)
	{
		ereport(WARNING,
				(errmsg("dropping index \"%s\" without knowing whether it is used: %s",
						name, sentence),
				 verdict->evidence->asker_may_see ?
				 errdetail_internal("%s", guard_report_detail(judgement)) : 0));
		ereport(LOG_SERVER_ONLY,
				(errmsg("dropping index \"%s\" without knowing whether it is used: %s",
						name, sentence)));
	}
	else if (verdict->notice && verdict->reason == GUARD_REASON_STOPPED)
		ereport(NOTICE,
				(errmsg("index \"%s\" is no longer in use: %s", name, sentence)));
	else if (verdict->notice && verdict->use != NULL)
		ereport(NOTICE,
				(errmsg("index \"%s\" is replaced: %s", name, sentence)));
	else if (verdict->reason == GUARD_REASON_COLD &&
			 verdict->evidence->server->standbys != NULL)
		ereport(NOTICE,
				(errmsg("index \"%s\" is not in use here: %s", name, sentence)));
}

void
guard_report_remembered(const GuardJudgement *judgement)
{
	if (guard_guc_mode != GUARD_MODE_ENFORCE)
		return;
	ereport(NOTICE,
			(errmsg("index \"%s\" is in use: %s",
					guard_report_name(judgement->shape),
					client_sentence(judgement)),
			 errdetail("COMMIT will be refused unless the transaction replaces it.")));
}
