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

#include "evidence/needs/needs.h"
#include "policy/check.h"
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

/*
 * What is refused, and why; or what is done all the same, "which" says why.
 */
static char *
primary_message(List *judgements, const char *which)
{
	const GuardJudgement *first = linitial(judgements);
	const GuardEvidence *evidence = first->verdict.evidence;
	StringInfoData buf;
	int			n = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	if (first->target->stays && first->bearer != NULL)
		appendStringInfo(&buf, "%s %s without an index like \"%s\"",
						 which == NULL ? "cannot leave" : "leaving", first->bearer,
						 guard_sentence_name(first->shape));
	else
	{
		appendStringInfoString(&buf, which == NULL ? "cannot drop " : "dropping ");
		if (first->verdict.asked.whole_table && !first->verdict.asked.restoring)
			appendStringInfo(&buf, "%s \"%s\" with ",
							 evidence->roles.is_matview ? "materialized view" :
							 evidence->roles.is_partition && !first->verdict.asked.parent_goes ?
							 "partition" : "table",
							 guard_sentence_table(first->shape));
		appendStringInfo(&buf, "%s \"%s\"%s",
						 first->verdict.asked.restoring ? "key" : "index",
						 guard_sentence_name(first->shape),
						 first->verdict.asked.restoring ?
						 psprintf(" of table \"%s\"", guard_sentence_table(first->shape)) : "");
	}
	appendStringInfo(&buf, "%s: %s", which == NULL ? "" : which,
					 guard_text_valid(which == NULL ? guard_sentence_refusal(first) :
									  client_sentence(first)));
	if (list_length(judgements) == 1)
		return buf.data;

	appendStringInfoString(&buf, which == NULL ? "; nor " : "; also ");
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

static void
add_line(StringInfo buf, const char *line)
{
	appendStringInfo(buf, "%s%s", buf->len > 0 ? "\n" : "", line);
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
		const char *sentence = limit >= 0 && !judgement->verdict.evidence->asker_may_see ?
			"Its table belongs to another role." : guard_sentence_detail(judgement);

		if (n == limit)
		{
			add_line(&buf, psprintf("For %d more see the server log.",
									list_length(judgements) - n));
			break;
		}
		if (judgement->verdict.no_delay != NULL)
			sentence = psprintf("%s%sIt cannot be delayed: %s.", sentence,
								sentence[0] != '\0' ? " " : "", judgement->verdict.no_delay);
		if (n > 0 && sentence[0] != '\0')
			add_line(&buf, psprintf("Index \"%s\": %s", guard_sentence_name(judgement->shape),
									sentence));
		else if (sentence[0] != '\0')
			add_line(&buf, sentence);
		n++;
	}
	if (occasion == GUARD_AT_COMMIT)
		add_line(&buf, "The transaction leaves nothing that serves in its place.");
	if (why != NULL && strstr(buf.data, why) == NULL)
		add_line(&buf, why);
	return buf.data;
}

/*
 * Called within ereport(): what there is to say besides, if anything.
 */
static int
tell_detail(const char *detail)
{
	return detail[0] != '\0' ? errdetail_internal("%s", detail) : 0;
}

/*
 * What the traffic would take, for as many as the client hears of.
 */
static void
predict(List *judgements)
{
	int			n = 0;

	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		if (n++ == DETAILED_FOR_CLIENT)
			break;
		guard_check_predict(judgement);
	}
}

/*
 * Several are refused only because they would go together: how to go about it,
 * NULL where one of them would be refused alone as well.  What serves in place
 * of the first is what one needs to know.
 */
static char *
one_at_a_time(List *judgements)
{
	const GuardJudgement *first = linitial(judgements);
	GuardServer *server = guard_server_read();
	char	   *serves = NULL;

	if (first->target->stays || first->verdict.asked.whole_table)
		return NULL;
	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		GuardJudgement *alone = guard_check_alone(judgement->target, server);

		if (alone == NULL || alone->verdict.decision != GUARD_ALLOW ||
			alone->verdict.reason != GUARD_REASON_REPLACED)
			return NULL;
		if (serves == NULL)
			serves = guard_sentence_keeper(&alone->verdict.evidence->replacement);
	}
	return psprintf("Drop them one at a time, and not all: after %s, index %s is what serves.",
					guard_sentence_name(first->shape), serves);
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

/*
 * What would be refused, or delayed, in the form in which the audit log says
 * what was, for a review.
 */
static void
tell_review(const GuardJudgement *judgement, const char *verdict, const char *why)
{
	StringInfoData buf;

	if (!guard_guc_review)
		return;
	initStringInfo(&buf);
	guard_json_object(&buf, NULL);
	guard_json_text(&buf, "verdict", verdict);
	guard_json_text(&buf, "reason", guard_verdict_reason_name(judgement->verdict.reason));
	guard_json_text(&buf, "index_name", guard_sentence_name(judgement->shape));
	guard_json_text(&buf, "table_name", guard_sentence_table(judgement->shape));
	guard_json_text(&buf, "definition", judgement->shape->definition);
	guard_json_text(&buf, "bearer", judgement->bearer);
	guard_json_text(&buf, "detail", psprintf("%s%s%s", guard_sentence_whole(judgement),
											 why ? " " : "", why ? why : ""));
	guard_json_text(&buf, "hint", guard_hint_remedy(judgement));
	guard_json_end_object(&buf);
	ereport(INFO,
			(errmsg_internal("guard judgement: %s", buf.data), errhidecontext(true)));
}

/*
 * Whoever drops a table has not chosen the order of its indexes: the one that
 * is used most goes first.
 */
static List *
in_order(List *judgements)
{
	GuardJudgement *most = linitial(judgements);

	if (!most->verdict.asked.whole_table)
		return judgements;
	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		if (judgement->count > most->count)
			most = judgement;
	}
	return lcons(most, list_delete_ptr(list_copy(judgements), most));
}

void
guard_report_refuse(List *judgements, GuardOccasion occasion, const char *why)
{
	const char *which = occasion == GUARD_TOO_LATE ? ", which cannot be refused any more" :
		guard_guc_mode == GUARD_MODE_ENFORCE ? NULL :
		", which guard.mode = enforce would refuse";
	const GuardJudgement *first;
	const char *primary;
	const char *together;
	const char *hint;
	const char *detail;
	const char *log;

	judgements = in_order(judgements);
	first = linitial(judgements);
	primary = guard_text_valid(primary_message(judgements, which));
	together = which == NULL && occasion == GUARD_AT_STATEMENT ?
		one_at_a_time(judgements) : NULL;
	hint = which == NULL ?
		psprintf("%s %s", together != NULL ? together : guard_hint_remedy(first),
				 guard_hint_approval(judgements)) :
		guard_hint_bring_back(judgements);
	predict(judgements);
	detail = guard_text_valid(detail_message(judgements, occasion, why,
											 DETAILED_FOR_CLIENT));
	log = log_detail(judgements, detail_message(judgements, occasion, why, -1));

	foreach_ptr(const GuardJudgement, judgement, judgements)
		tell_review(judgement, "block", why);
	ereport(which == NULL ? ERROR : WARNING,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg_internal("%s", primary),
			 tell_detail(detail),
			 errdetail_log("%s%sReason: %s.", log, log[0] != '\0' ? "\n" : "",
						   guard_verdict_reason_name(first->verdict.reason)),
			 hint != NULL ? errhint("%s", guard_text_valid(hint)) : 0,
			 which == NULL ? 0 : errhidestmt(true),
			 which == NULL ? 0 : errhidecontext(true)));
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

/* ---- letting go ---- */

/*
 * What goes along with an index that nobody reads, and will be missed later.
 */
static void
tell_what_goes_along(const GuardJudgement *judgement)
{
	const GuardShape *shape = judgement->shape;
	const char *expression = guard_needs_statistics(shape);

	if (shape->clustered)
		ereport(NOTICE,
				(errmsg("CLUSTER %s goes by index \"%s\": without it, it will ask for another",
						guard_sentence_table(shape), guard_sentence_name(shape))));
	if (expression != NULL)
		ereport(NOTICE,
				(errmsg("the statistics of %s go with index \"%s\", and plans may have relied on them",
						expression, guard_sentence_name(shape)),
				 errhint("To keep them: CREATE STATISTICS ON (%s) FROM %s; ANALYZE %s;",
						 expression, guard_sentence_table(shape),
						 guard_sentence_table(shape))));
}

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
				 tell_detail(guard_sentence_detail(judgement)) : 0,
				 verdict->silent ?
				 errhint("%s", guard_nodes_remedy(verdict->evidence->server)) : 0,
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
	if (!judgement->target->table_goes && verdict->reason != GUARD_REASON_REPLACED &&
		verdict->evidence->asker_may_see)
		tell_what_goes_along(judgement);
}

void
guard_report_would_delay(const GuardJudgement *judgement)
{
	char	   *back = guard_hint_bring_back(list_make1((void *) judgement));

	tell_review(judgement, "delay", NULL);
	ereport(WARNING,
			(errmsg("dropping index \"%s\", which guard.mode = enforce would do in stages: %s",
					guard_sentence_name(judgement->shape),
					client_sentence(judgement)),
			 back != NULL ? errhint("%s", back) : 0,
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
