/*-------------------------------------------------------------------------
 *
 * report.c
 *	  A verdict in words: error, warning, log line.
 *
 * Several migration tools show nothing but the primary message of an error,
 * so it alone must name the index, say who needs it and how much.  Statement
 * texts may hold secrets: they go to the server log, never to the client; and
 * to what guard adds to the log PostgreSQL adds no string that the client or a
 * function has sent, in which other statements may stand.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "guc.h"
#include "policy/report.h"
#include "policy/sentence.h"
#include "store/store.h"

/* How many other indexes a primary message names before it counts them. */
#define NAMED_IN_PRIMARY	5

/* How many of several refused indexes the client gets the evidence of. */
#define DETAILED_FOR_CLIENT	5

/* How many statements of each index the server log shows. */
#define STATEMENTS_LOGGED	5

/*
 * The same for whoever runs the statement.  One may drop a function or a
 * schema on which somebody else's index depends, and be refused, without
 * learning that one's traffic.
 */
static const char *
client_sentence(const GuardJudgement *judgement)
{
	if (judgement->verdict.evidence->asker_may_see)
		return guard_text_valid(guard_sentence_verdict(judgement));
	return pstrdup(judgement->verdict.decision != GUARD_ALLOW ?
				   "it is still needed" :
				   guard_verdict_reason_name(judgement->verdict.reason));
}

static char *
primary_message(List *judgements)
{
	const GuardJudgement *first = linitial(judgements);
	const GuardEvidence *evidence = first->verdict.evidence;
	StringInfoData buf;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	if (first->bearer != NULL && first->target->stays)
		appendStringInfo(&buf, "cannot leave %s without an index like \"%s\": %s",
						 first->bearer, guard_sentence_name(first->shape),
						 guard_text_valid(guard_sentence_refusal(first)));
	else if (first->verdict.asked.whole_table)
		appendStringInfo(&buf, "cannot drop %s \"%s\" with index \"%s\": %s",
						 evidence->roles.is_matview ? "materialized view" :
						 evidence->roles.is_partition && !first->verdict.asked.parent_goes ?
						 "partition" : "table",
						 guard_sentence_table(first->shape),
						 guard_sentence_name(first->shape),
						 guard_text_valid(guard_sentence_refusal(first)));
	else
		appendStringInfo(&buf, "cannot drop index \"%s\": %s",
						 guard_sentence_name(first->shape),
						 guard_text_valid(guard_sentence_refusal(first)));
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
						 guard_sentence_name(judgement->shape));
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

	initStringInfo(&buf);
	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		if (n == limit)
		{
			appendStringInfo(&buf, "\nFor %d more see the server log.",
							 list_length(judgements) - n);
			break;
		}
		if (n > 0)
			appendStringInfo(&buf, "\nIndex \"%s\": ",
							 guard_sentence_name(judgement->shape));
		appendStringInfoString(&buf, limit >= 0 &&
							   !judgement->verdict.evidence->asker_may_see ?
							   "Its table belongs to another role." :
							   guard_sentence_detail(judgement));
		if (judgement->verdict.no_delay != NULL)
			appendStringInfo(&buf, " It cannot be delayed: %s.",
							 judgement->verdict.no_delay);
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
	const char *remedy;

	guard_capture_status(&status);
	if (!status.available)
		return pstrdup("To know who uses it, add guard to shared_preload_libraries.");
	remedy = guard_pgss_find().remedy;
	return psprintf("%sWhat uses it: SELECT * FROM guard.index_statements(%s);",
					remedy ? psprintf("To see texts and times: %s ", remedy) : "",
					name);
}

static char *
ask_owner(const GuardEvidence *evidence)
{
	return psprintf("Ask the owner of table %s.",
					guard_sentence_table(evidence->shape));
}

/*
 * How the service that needs it can let go.
 */
static char *
dependency_hint(const GuardJudgement *judgement, const char *name)
{
	const GuardDependency *dependency = judgement->verdict.dependency;
	const char *service = dependency->service;
	const char *until = dependency->until_version;

	if (until == NULL)
		return psprintf("When %s no longer needs it: SELECT guard.remove_dependency(%s, %s);",
						service, name, quote_literal_cstr(service));
	if (dependency->released_at != 0)
		return psprintf("Stop what still runs version %s of %s, and try again 10 minutes later.",
						dependency->old_version, service);
	return psprintf("Deploy version %s of %s everywhere, then SELECT guard.report_deployment(%s, %s);",
					until, service, quote_literal_cstr(service),
					quote_literal_cstr(until));
}

/*
 * What to do, most useful first: the remedy, never the way round.
 */
static char *
hint_message(const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	const char *name = quote_literal_cstr(guard_sentence_name(judgement->shape));

	switch (judgement->verdict.reason)
	{
		case GUARD_REASON_PROTECTED:
			if (evidence->replacement.match == GUARD_MATCH_TWIN)
				return psprintf("An index of the same structure stays: SELECT guard.protect(%s, 'in place of %s'); SELECT guard.unprotect(%s);",
								quote_literal_cstr(quote_qualified_identifier(evidence->replacement.schema,
																			  evidence->replacement.name)),
								guard_sentence_name(judgement->shape), name);
			return psprintf("If the reason no longer holds: SELECT guard.unprotect(%s);",
							name);
		case GUARD_REASON_DEPENDENCY:
			return evidence->asker_may_see ?
				dependency_hint(judgement, name) : ask_owner(evidence);
		case GUARD_REASON_REPLICA_IDENTITY:
			return psprintf("Give the table another identity first: ALTER TABLE %s REPLICA IDENTITY ...;",
							guard_sentence_table(evidence->shape));
		case GUARD_REASON_UNKNOWN:
		case GUARD_REASON_CONSTRAINT:
			return psprintf("See SELECT * FROM guard.check(%s); and wait until enough has been observed, or have a superuser SET guard.unknown_action = 'allow' for this session.",
							name);
		default:
			break;
	}
	if (!evidence->asker_may_see)
		return ask_owner(evidence);
	if (judgement->target->stays && judgement->creation != NULL)
		return psprintf("It passes with this before it: %s; %s", judgement->creation,
						where_to_look(name));
	return psprintf("%s %s",
					judgement->verdict.asked.whole_table ?
					"Deploy the code that no longer needs the table first." :
					"Deploy the code that no longer needs it, or create its replacement CONCURRENTLY, first.",
					where_to_look(name));
}

/*
 * Last, what another person can run to let it go all the same.
 */
static char *
approval_hint(List *judgements)
{
	const GuardJudgement *first = linitial(judgements);
	bool		one_table = true;
	StringInfoData buf;
	int			n = 0;

	foreach_ptr(GuardJudgement, each, judgements)
		one_table &= each->shape->table == first->shape->table;
	initStringInfo(&buf);
	appendStringInfoString(&buf, "To drop it all the same, have somebody run SELECT ");
	if (first->verdict.asked.whole_table ||
		(one_table && list_length(judgements) > 1))
		judgements = NIL;
	if (judgements == NIL)
		appendStringInfo(&buf, "guard.approve(%s::regclass, 'reason')",
						 quote_literal_cstr(guard_sentence_table(first->shape)));
	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		if (n++ == NAMED_IN_PRIMARY)
			break;
		appendStringInfo(&buf, "%sguard.approve(%s::regclass, 'reason')",
						 n > 1 ? ", " : "",
						 quote_literal_cstr(guard_sentence_name(judgement->shape)));
	}
	appendStringInfoChar(&buf, ';');
	return buf.data;
}

char *
guard_report_hint(const GuardJudgement *judgement)
{
	return hint_message(judgement);
}

/*
 * What the traffic would take, for as many as the client hears of.
 */
static void
predict(List *judgements)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, judgements)
	{
		if (n++ == DETAILED_FOR_CLIENT)
			break;
		guard_check_predict(lfirst(lc));
	}
}

/*
 * For the server log only: which statements use the refused indexes.
 */
static char *
log_detail(List *judgements, const char *detail)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, detail);
	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		guard_statements_append_texts(&buf,
									  judgement->verdict.evidence->server->times,
									  judgement->target->members,
									  guard_sentence_name(judgement->shape),
									  STATEMENTS_LOGGED);
	}
	return buf.data;
}

void
guard_report_refuse(List *judgements, GuardOccasion occasion, const char *why)
{
	const GuardJudgement *first = linitial(judgements);
	const char *primary = primary_message(judgements);
	const char *detail;
	const char *log;
	const char *hint = psprintf("%s %s", hint_message(first),
								approval_hint(judgements));
	const char *reason = guard_verdict_reason_name(first->verdict.reason);
	const char *otherwise = occasion == GUARD_TOO_LATE ?
		"the statement that drops it cannot be taken back" : "guard.mode is observe";

	primary = guard_text_valid(primary);
	hint = guard_text_valid(hint);
	predict(judgements);
	detail = guard_text_valid(detail_message(judgements, occasion, why,
											 DETAILED_FOR_CLIENT));
	log = log_detail(judgements, detail_message(judgements, occasion, why, -1));

	if (guard_guc_mode == GUARD_MODE_ENFORCE && occasion != GUARD_TOO_LATE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg_internal("%s", primary),
				 errdetail_internal("%s", detail),
				 errdetail_log("%s\nReason: %s.", log, reason),
				 errhint("%s", hint)));

	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("%s, otherwise: %s", otherwise, primary),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint), errhidecontext(true)));
	ereport(LOG_SERVER_ONLY,
			(errmsg("%s, otherwise: %s", otherwise, primary),
			 errdetail_internal("%s\nReason: %s.", log, reason),
			 errhint("%s", hint), errhidestmt(true), errhidecontext(true)));
}

void
guard_report_told(const char *what)
{
	ereport(NOTICE, (errmsg_internal("%s", what)));
}

char *
guard_report_lacking(const GuardJudgement *judgement)
{
	char	   *what = psprintf("%s has no index like \"%s\": %s", judgement->bearer,
								guard_sentence_name(judgement->shape),
								client_sentence(judgement));

	ereport(WARNING,
			(errmsg_internal("%s", what),
			 errhint("%s;", judgement->creation), errhidecontext(true)));
	return what;
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
	const char *name = guard_sentence_name(judgement->shape);
	const char *sentence = client_sentence(judgement);
	const char *going = verdict->evidence->asker_may_see ?
		guard_sentence_going(verdict->evidence) : NULL;

	if (verdict->warning)
	{
		ereport(WARNING,
				(errmsg("dropping index \"%s\" without knowing whether it is used: %s",
						name, sentence),
				 verdict->evidence->asker_may_see ?
				 errdetail_internal("%s", guard_sentence_detail(judgement)) : 0,
				 errhidecontext(true)));
		ereport(LOG_SERVER_ONLY,
				(errmsg("dropping index \"%s\" without knowing whether it is used: %s",
						name, sentence),
				 errhidestmt(true), errhidecontext(true)));
	}
	else if (verdict->reason == GUARD_REASON_APPROVED)
		ereport(NOTICE,
				(errmsg("index \"%s\" goes by approval: %s", name, sentence),
				 going ? errdetail_internal("%s", going) : 0));
	else if (verdict->notice && verdict->reason == GUARD_REASON_STOPPED)
		ereport(NOTICE,
				(errmsg("index \"%s\" is no longer in use: %s", name, sentence)));
	else if (verdict->notice && verdict->reason == GUARD_REASON_HARMLESS)
		ereport(NOTICE,
				(errmsg("index \"%s\" is hardly missed: %s", name, sentence)));
	else if (verdict->notice && verdict->use != NULL)
		ereport(NOTICE,
				(errmsg("index \"%s\" is replaced: %s", name, sentence)));
	else if (verdict->reason == GUARD_REASON_COLD &&
			 verdict->evidence->server->standbys != NULL)
		ereport(NOTICE,
				(errmsg("index \"%s\" is not in use here: %s", name, sentence)));
}

void
guard_report_would_delay(const GuardJudgement *judgement)
{
	const char *name = guard_sentence_name(judgement->shape);

	ereport(WARNING,
			(errmsg("guard.mode is observe, otherwise: index \"%s\" would be dropped in stages: %s",
					name, client_sentence(judgement)),
			 errhidecontext(true)));
	ereport(LOG_SERVER_ONLY,
			(errmsg("guard.mode is observe, otherwise: index \"%s\" would be dropped in stages: %s",
					name, guard_sentence_verdict(judgement)),
			 errhidestmt(true), errhidecontext(true)));
}

void
guard_report_remembered(const GuardJudgement *judgement)
{
	if (guard_guc_mode != GUARD_MODE_ENFORCE)
		return;
	ereport(NOTICE,
			(errmsg("index \"%s\" is in use: %s",
					guard_sentence_name(judgement->shape),
					client_sentence(judgement)),
			 errdetail("COMMIT will be refused unless the transaction replaces it.")));
}
