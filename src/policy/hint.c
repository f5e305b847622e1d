/*-------------------------------------------------------------------------
 *
 * hint.c
 *	  What to do about a refusal.
 *
 * By reason, in the order of likelihood: what to do now, when it passes by
 * itself, whom to tell of a version that runs already, and last who may let it
 * go all the same.  Nothing that has been done, or cannot be: there is no word
 * of a replacement where one is there and lacks something, or where a
 * statement names this very index.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "planner/capture/capture.h"
#include "policy/sentence.h"
#include "store/store.h"

/* So many indexes are approved by one statement. */
#define NAMED_IN_APPROVAL	5

static char *
ask_owner(const GuardEvidence *evidence)
{
	return psprintf("Ask the owner of table %s.",
					guard_sentence_table(evidence->shape));
}

/*
 * Where one learns more, and what is missing to know it.
 */
static void
append_where_to_look(StringInfo buf, const GuardVerdict *verdict, const char *name)
{
	const char *remedy;

	if (!guard_capture_available())
	{
		appendStringInfoString(buf, " To know who uses it, add guard to shared_preload_libraries.");
		return;
	}
	remedy = guard_pgss_find().remedy;
	if (remedy != NULL)
		appendStringInfo(buf, " To see texts and times: %s", remedy);
	if (verdict->use != NULL && verdict->use->statements > 0)
		appendStringInfo(buf, " What uses it: SELECT * FROM guard.index_statements(%s);",
						 name);
}

/*
 * When it passes by itself, if nobody uses it from now on.
 */
static void
append_passes(StringInfo buf, const GuardVerdict *verdict)
{
	const GuardFact *use = verdict->use;
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);
	TimestampTz ends = use != NULL ? guard_verdict_use_ends(use, &policy) : 0;

	if (ends != 0)
		appendStringInfo(buf, " It passes by itself when it has been unused for %s.",
						 guard_text_span(ends - use->last - use->hidden));
}

/*
 * Where one service with versions makes the use, a later version may run
 * already that does not: guard can be told.
 */
static void
append_report(StringInfo buf, const GuardVerdict *verdict, const char *name)
{
	const GuardFact *use = verdict->use;
	const char *service = NULL;

	if (use == NULL || !use->services_known || verdict->asked.whole_table)
		return;
	foreach_ptr(GuardServiceUse, made, use->services)
	{
		if (made->version == NULL ||
			(service != NULL && strcmp(service, made->service) != 0))
			return;
		service = made->service;
	}
	if (service == NULL)
		return;
	service = quote_literal_cstr(service);
	appendStringInfo(buf, " If a later version runs everywhere that does without it: SELECT guard.add_dependency(%s, %s, until_version => 'that version'), guard.report_deployment(%s, 'that version');",
					 name, service, service);
}

/*
 * It is in use.
 */
static char *
hint_hot(const GuardJudgement *judgement, const char *name)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardReplacement *there = &verdict->evidence->replacement;
	char	   *nearly;
	StringInfoData buf;

	initStringInfo(&buf);
	if (judgement->target->stays && judgement->creation != NULL)
		appendStringInfo(&buf, "It passes with this before it: %s;",
						 judgement->creation);
	else if (verdict->asked.whole_table)
		appendStringInfoString(&buf, "Deploy the code that no longer needs the table first.");
	else if (verdict->use != NULL && verdict->use->fkey != 0)
		appendStringInfo(&buf, "If foreign key %s is no longer needed, drop it first, or in the same transaction.",
						 verdict->use->keys);
	else if (there->match != GUARD_MATCH_NONE && !there->usable)
		appendStringInfo(&buf, get_index_isvalid(there->index) ?
						 "Wait until queries can use index %s." :
						 "Repair its replacement first: REINDEX INDEX CONCURRENTLY %s;",
						 guard_sentence_keeper(there));
	else if (there->match != GUARD_MATCH_NONE ||
			 verdict->reason == GUARD_REASON_REQUIRED ||
			 guard_replacement_near_miss(verdict->evidence->shape,
										 verdict->evidence->fellows,
										 verdict->needs_unique, &nearly) != NULL)
		appendStringInfoString(&buf, "Deploy the code that no longer needs it first.");
	else
		appendStringInfoString(&buf, "Deploy the code that no longer needs it, or create its replacement CONCURRENTLY, first.");
	append_where_to_look(&buf, verdict, name);
	append_passes(&buf, verdict);
	append_report(&buf, verdict, name);
	return buf.data;
}

/*
 * How the service that needs it can let go.
 */
static char *
hint_dependency(const GuardJudgement *judgement, const char *name)
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

static char *
hint_protected(const GuardJudgement *judgement, const char *name)
{
	const GuardReplacement *there = &judgement->verdict.evidence->replacement;

	if (there->match == GUARD_MATCH_TWIN)
		return psprintf("An index of the same structure stays: SELECT guard.protect(%s, 'in place of %s'); SELECT guard.unprotect(%s);",
						quote_literal_cstr(guard_sentence_keeper(there)),
						guard_sentence_name(judgement->shape), name);
	return psprintf("If the reason no longer holds: SELECT guard.unprotect(%s);",
					name);
}

/*
 * Too little is known: it passes when enough is.
 */
static char *
hint_unknown(const GuardJudgement *judgement, const char *name)
{
	const GuardVerdict *verdict = &judgement->verdict;
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);
	int64		missing = policy.min_evidence_age - verdict->observed;
	bool		ends = verdict->reason == GUARD_REASON_UNKNOWN &&
		verdict->use == NULL && !verdict->evidence->unread && missing > 0;

	return psprintf("See SELECT * FROM guard.check(%s);%s or have a superuser SET guard.unknown_action = 'allow' for this session.",
					name, !ends ? "" :
					psprintf(" it passes by itself in %s, unless it is used;",
							 guard_text_span(missing)));
}

static char *
remedy_of(const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	const char *name = quote_literal_cstr(guard_sentence_name(judgement->shape));

	switch (judgement->verdict.reason)
	{
		case GUARD_REASON_PROTECTED:
			return hint_protected(judgement, name);
		case GUARD_REASON_DEPENDENCY:
			return evidence->asker_may_see ?
				hint_dependency(judgement, name) : ask_owner(evidence);
		case GUARD_REASON_REPLICA_IDENTITY:
			return psprintf("Give the table another identity first: ALTER TABLE %s REPLICA IDENTITY ...;",
							guard_sentence_table(evidence->shape));
		case GUARD_REASON_UNKNOWN:
		case GUARD_REASON_CONSTRAINT:
			return judgement->verdict.silent ? guard_nodes_remedy(evidence->server) :
				hint_unknown(judgement, name);
		default:
			return evidence->asker_may_see ?
				hint_hot(judgement, name) : ask_owner(evidence);
	}
}

/*
 * Two tools that go on after a refusal have more to lose than the statement:
 * pg_restore, and a migration that will create IF NOT EXISTS what it could not
 * drop IF EXISTS.
 */
char *
guard_hint_remedy(const GuardJudgement *judgement)
{
	const char *remedy = remedy_of(judgement);

	if (guard_evidence_restoring())
		return psprintf("pg_restore goes on after errors, and leaves half of a table replaced: run it with --single-transaction or --exit-on-error. %s",
						remedy);
	if (!judgement->target->if_exists)
		return pstrdup(remedy);
	return psprintf("%s If another step creates it again IF NOT EXISTS, that step does nothing as long as it is there, and must be run again after the drop%s.",
					remedy, judgement->shape->unique || judgement->shape->exclusion ? "" :
					"; with guard.hot_action = 'delay' both go through");
}

char *
guard_hint_approval(List *judgements)
{
	const GuardJudgement *first = linitial(judgements);
	bool		one_table = true;
	StringInfoData buf;
	int			n = 0;

	foreach_ptr(GuardJudgement, judgement, judgements)
		one_table &= judgement->shape->table == first->shape->table;
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
		if (n++ == NAMED_IN_APPROVAL)
			break;
		appendStringInfo(&buf, "%sguard.approve(%s::regclass, 'reason')",
						 n > 1 ? ", " : "",
						 quote_literal_cstr(guard_sentence_name(judgement->shape)));
	}
	appendStringInfoChar(&buf, ';');
	return buf.data;
}

/*
 * What is gone with its whole table cannot be had back by an index alone.
 */
char *
guard_hint_bring_back(List *judgements)
{
	StringInfoData buf;

	initStringInfo(&buf);
	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		const char *definition = judgement->target->stays ?
			judgement->creation : judgement->shape->definition;

		if (judgement->verdict.asked.whole_table || definition == NULL ||
			judgement->shape->name == NULL)
			continue;
		appendStringInfo(&buf, "%s%s;", buf.len > 0 ? " " : "To have it back: ",
						 definition);
	}
	return buf.len > 0 ? buf.data : NULL;
}
