/*-------------------------------------------------------------------------
 *
 * sentence.c
 *	  A verdict in words.
 *
 * One clause says what a verdict rests on; it goes into errors, notices, the
 * audit row and guard.check() alike.  What else is known is the detail (see
 * detail.c).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy/sentence.h"
#include "store/store.h"

/* So few uses make no rate. */
#define RATE_USES		20

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
char *
guard_sentence_use(const GuardFact *use, double rate, int64 count, TimestampTz now,
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

	if (use->profile != NULL)
		now += use->profile->imported_at - use->profile->exported_at;
	if (use->last == 0)
		appendStringInfo(&buf, " at some time since %s",
						 guard_sentence_moment(use->since));
	else if (use->profile == NULL || !going_on)
		appendStringInfo(&buf, ", last %s ago", guard_text_span(now - use->last));
	if (use->profile != NULL)
		appendStringInfo(&buf, " (%s%s%s)", use->profile->words,
						 use->source == GUARD_SOURCE_INHERITED ? "; " : "",
						 use->source == GUARD_SOURCE_INHERITED ? use->note : "");
	else if (use->source == GUARD_SOURCE_INHERITED)
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
	clause = guard_sentence_use(verdict->use, judgement->rate, judgement->count,
								evidence->as_of, guard_speaks);
	if (checks != NULL)
		clause = psprintf("%s; %s", clause, checks);

	/* The successor of a table that was swapped out lacks this index. */
	if (evidence->move.moved && evidence->move.heir_table != NULL &&
		!evidence->move.served && !verdict->asked.passes_on)
		clause = psprintf("%s, and \"%s\", which bears its old name now, has no index like it",
						  clause, evidence->move.heir_table);
	return clause;
}

/*
 * For how long guard has looked, and where it has not.
 */
static char *
observed_clause(const GuardVerdict *verdict, bool guard_speaks)
{
	if (verdict->silent)
		return psprintf("%s, but %s", verdict->use != NULL ?
						guard_sentence_use(verdict->use, 0, verdict->use->count,
										   verdict->evidence->as_of, guard_speaks) :
						"no use was seen here", verdict->evidence->silence);
	if (verdict->use != NULL)
		return psprintf("%s, but nothing is known of %s since",
						guard_sentence_use(verdict->use, 0, verdict->use->count,
										   verdict->evidence->as_of, guard_speaks),
						guard_text_span(verdict->use->unobserved));
	foreach_ptr(const GuardProfile, profile, verdict->evidence->profiles)
	{
		if (profile->stale)
			return psprintf("what is known of its use is too old (%s)", profile->words);
	}
	if (verdict->evidence->unread)
		return pstrdup("not all of its use could be recorded, or read");
	if (verdict->evidence->untried)
		return pstrdup("statements may rest on its uniqueness, and could not be planned without it");
	if (verdict->observed <= 0)
		return pstrdup("nothing is known of its use");
	return psprintf("no use was seen, but only for the last %s",
					guard_text_span(verdict->observed));
}

/*
 * Nothing was seen, anywhere.
 */
static char *
cold_clause(const GuardVerdict *verdict)
{
	const GuardEvidence *evidence = verdict->evidence;
	char	   *clause = evidence->created_at != 0 ?
		psprintf("not used since it was created %s ago",
				 guard_text_span(evidence->as_of - evidence->created_at)) :
		psprintf("no use was seen for %s", guard_text_span(verdict->observed));

	foreach_ptr(const GuardProfile, profile, evidence->profiles)
		clause = psprintf("%s (%s)", clause, profile->words);
	return clause;
}

/*
 * It could go alone, but not together with the one that it serves in place of.
 */
static char *
heir_clause(const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	char	   *clause = psprintf("it stays in place of index %s, which can go",
								  guard_catalog_name(judgement->serves_for));

	return verdict->use == NULL ? clause :
		psprintf("%s: %s", clause,
				 guard_sentence_use(verdict->use, verdict->use->rate,
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
							guard_sentence_keeper(&evidence->replacement));
		case GUARD_REASON_DEPENDENCY:
			return guard_sentence_dependency(verdict);
		case GUARD_REASON_REPLICA_IDENTITY:
		case GUARD_REASON_ARBITER:
		case GUARD_REASON_REQUIRED:
			return guard_sentence_need(verdict);
		case GUARD_REASON_HARMLESS:
			if (verdict->notice)
				return psprintf("without it its captured statements would cost the same, or at most %.1f units more each, %.2g %% of a processor together",
								evidence->plans.worst_extra,
								100 * evidence->plans.added_load);
			if (!evidence->heap_known || evidence->heap_blocks > GUARD_HARMLESS_BLOCKS)
				return psprintf("its %d captured %s would cost the same without it",
								evidence->plans.statements + evidence->plans.inherited,
								evidence->plans.statements + evidence->plans.inherited == 1 ?
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
			return guard_sentence_use(verdict->use, 0, judgement->count, evidence->as_of,
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
