/*-------------------------------------------------------------------------
 *
 * detail.c
 *	  What is known besides the clause of a verdict, in a few sentences.
 *
 * Somebody who has never heard of guard reads this at a bad moment.  So there
 * are four sentences, each left out where there is nothing to say: what would
 * happen without the index, who uses it and since when that is known, what is
 * missing, and what nobody knows.  Nothing is said twice, and nothing that the
 * clause has said.
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

/* Fewer busy connections than this are no news. */
#define WORTH_SAYING	0.1

/* So many services are named with their versions. */
#define VERSIONS_NAMED	3

/*
 * The next sentence begins.
 */
static void
begin(StringInfo buf)
{
	if (buf->len > 0 && buf->data[buf->len - 1] != ' ')
		appendStringInfoChar(buf, ' ');
}

/* ---- what would happen ---- */

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
 * "400 calls a second", "1 call an hour"
 */
static char *
calls(double per_second)
{
	const char *unit = "a second";
	double		number = per_second;

	if (number < 0.95)
	{
		unit = "a minute";
		number = per_second * SECS_PER_MINUTE;
	}
	if (number < 0.95)
	{
		unit = "an hour";
		number = ceil(per_second * SECS_PER_HOUR);
	}
	return psprintf("%.0f %s %s", number, number < 1.5 ? "call" : "calls", unit);
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

	if (load == NULL || load->calls <= 0 || !goes_on(&judgement->verdict))
		return;
	begin(buf);
	appendStringInfo(buf, "Without it, by estimate, %s would take %s instead of %s",
					 calls(load->calls), duration(load->expected),
					 duration(load->now));
	if (load->busy_high >= WORTH_SAYING)
	{
		appendStringInfo(buf, ": %s busy connections (%s to %s) instead of %s; the limit %sis %d, on %d cores, and %d ",
						 connections(load->busy_expected),
						 connections(load->busy_low),
						 connections(load->busy_high),
						 connections(load->busy_now),
						 load->profile != NULL ? "there " : "",
						 load->pool, load->cores, load->busy);
		if (load->profile != NULL)
			appendStringInfo(buf, "%s busy (%s)", load->busy == 1 ? "was" : "were",
							 load->profile->words);
		else
			appendStringInfo(buf, "%s busy now", load->busy == 1 ? "is" : "are");
		if (load->fills)
			appendStringInfo(buf, "; that is more than the cores can do, so any pool fills, and at the limit a call takes %s",
							 duration(load->full));
		else if (load->may_fill)
			appendStringInfoString(buf, "; the upper figure is more than the cores can do, and then any pool fills");
	}
	appendStringInfoChar(buf, '.');
}

/*
 * The way that a target would go, where it is not the obvious one.
 */
static void
append_route(StringInfo buf, const GuardJudgement *judgement)
{
	const GuardTarget *target = judgement->target;
	static const char *const kinds[] = {
		[GUARD_ROUTE_CONSTRAINT] = "constraint ",
		[GUARD_ROUTE_COLUMN] = "column ",
		[GUARD_ROUTE_TABLE] = "table ",
		[GUARD_ROUTE_CASCADE] = ""
	};

	/* the table that goes is named already */
	if (target->route == GUARD_ROUTE_INDEX ||
		(target->route == GUARD_ROUTE_TABLE && target->through != NULL &&
		 strcmp(target->through, judgement->shape->table_name) == 0))
		return;
	if (target->through != NULL)
		appendStringInfo(buf, "It would go with %s\"%s\".", kinds[target->route],
						 target->through);
	else if (target->route == GUARD_ROUTE_CASCADE)
		appendStringInfoString(buf, "It would go with what it depends on.");
}

/* ---- who uses it ---- */

/*
 * Does the clause of the verdict tell of that use?
 */
static bool
is_told(const GuardVerdict *verdict, const GuardFact *fact)
{
	return fact == verdict->use &&
		(verdict->reason == GUARD_REASON_HOT ||
		 verdict->reason == GUARD_REASON_STOPPED ||
		 verdict->reason == GUARD_REASON_UNKNOWN);
}

/*
 * Of several uses the one to tell of: the one that decided; else the one that
 * is known best.
 */
static const GuardFact *
find_use(const GuardVerdict *verdict)
{
	const GuardFact *best = verdict->use;

	foreach_ptr(GuardFact, fact, verdict->evidence->facts)
	{
		if (verdict->use == NULL && fact->seen == GUARD_SEEN_USED &&
			(best == NULL || (fact->who != NULL && best->who == NULL)))
			best = fact;
	}
	return best;
}

/*
 * "auth/2.9 and push/1.1"; NULL where no version is known.
 */
static char *
versions(const GuardFact *fact)
{
	StringInfoData buf;
	int			n = 0;

	initStringInfo(&buf);
	foreach_ptr(GuardServiceUse, use, fact->services)
	{
		if (use->version == NULL || n == VERSIONS_NAMED)
			continue;
		appendStringInfo(&buf, "%s%s/%s", n++ > 0 ? ", " : "", use->service,
						 use->version);
	}
	return n > 0 ? buf.data : NULL;
}

static void
append_use(StringInfo buf, const GuardVerdict *verdict, const GuardFact *use)
{
	bool		told = is_told(verdict, use);
	bool		serves = use->statements > 0 && use->source != GUARD_SOURCE_WHATIF;
	char	   *by = versions(use);
	int			begun = buf->len;

	begin(buf);
	if (!told)
		appendStringInfo(buf, "In use: %s",
						 guard_sentence_use(use, 0, use->count,
											verdict->evidence->as_of, false));
	if (serves)
		appendStringInfo(buf, "%s %d %s", !told ? ", by" :
						 use->of_table ? "Its table serves" : "It serves",
						 use->statements,
						 use->statements == 1 ? "statement" : "statements");
	if (serves && by != NULL)
		appendStringInfo(buf, " of %s", by);
	if (use->first != 0 && (serves || !told))
		appendStringInfo(buf, ", first seen %s", guard_sentence_moment(use->first));
	if (use->moved_away)
		appendStringInfoString(buf, ", before its table was moved away");
	if (use->installation && !told)
		appendStringInfoString(buf, ", when its table was made");
	if (use->key_gone && !told)
		appendStringInfoString(buf, ", by a foreign key that is gone or goes as well");
	if (use->since != 0 && use->last != 0)
		appendStringInfo(buf, "%s since %s", buf->len <= begun + 1 ? "Watched" : "; watched",
						 guard_sentence_moment(use->since));
	if (buf->len > begun + 1)
		appendStringInfoChar(buf, '.');
}

/*
 * For how long has been watched, where nothing was seen.
 */
static void
append_no_use(StringInfo buf, const GuardVerdict *verdict)
{
	TimestampTz since = 0;
	bool		told = verdict->reason == GUARD_REASON_COLD ||
		verdict->reason == GUARD_REASON_UNKNOWN ||
		verdict->reason == GUARD_REASON_CONSTRAINT;

	foreach_ptr(GuardFact, fact, verdict->evidence->facts)
	{
		if (fact->seen == GUARD_SEEN_NOT && fact->since != 0 &&
			(since == 0 || fact->since < since))
			since = fact->since;
	}
	if (since == 0)
		return;
	begin(buf);
	appendStringInfo(buf, "%s since %s.",
					 told ? "Watched" : "No use of it was seen",
					 guard_sentence_moment(since));
}

/*
 * Who uses it, and since when that is known; others that are known from
 * elsewhere, too.
 */
static void
append_users(StringInfo buf, const GuardVerdict *verdict)
{
	const GuardFact *use = find_use(verdict);

	if (use == NULL)
	{
		append_no_use(buf, verdict);
		return;
	}
	append_use(buf, verdict, use);
	foreach_ptr(GuardFact, fact, verdict->evidence->facts)
	{
		if (fact == use || fact->key_gone || fact->seen != GUARD_SEEN_USED || fact->who == NULL ||
			(use->who != NULL && strcmp(fact->who, use->who) == 0))
			continue;
		begin(buf);
		appendStringInfo(buf, "Also: %s.",
						 guard_sentence_use(fact, 0, fact->count,
											verdict->evidence->as_of, false));
	}
}

/* ---- what is missing ---- */

char *
guard_sentence_not_usable(const GuardReplacement *replacement)
{
	char	   *name;

	if (replacement->match == GUARD_MATCH_NONE || replacement->usable)
		return NULL;
	name = guard_sentence_keeper(replacement);
	if (replacement->blocking_pid != 0)
		return psprintf("Index %s would serve, but %s: process %d has an older transaction open. CREATE INDEX CONCURRENTLY waits for it.",
						name, replacement->why_not, replacement->blocking_pid);
	return psprintf("Index %s would serve, but it %s.", name,
					replacement->why_not);
}

/*
 * An index that nearly serves in its place, and what it lacks.
 */
static void
append_near_miss(StringInfo buf, const GuardVerdict *verdict)
{
	const GuardEvidence *evidence = verdict->evidence;
	const GuardReplacement *replacement = &evidence->replacement;
	char	   *name;
	char	   *lacks;

	if (verdict->decision == GUARD_ALLOW || verdict->asked.whole_table)
		return;
	if (replacement->match != GUARD_MATCH_NONE && !verdict->asked.unreplaced)
	{
		name = guard_sentence_keeper(replacement);
		begin(buf);
		if (!replacement->usable)
			appendStringInfoString(buf, guard_sentence_not_usable(replacement));
		else if (verdict->contradicted)
			appendStringInfo(buf, "Index %s has its columns, but without this one statements would cost up to %.*f times as much.",
							 name, evidence->plans.found_ratio < 9.95 ? 1 : 0,
							 evidence->plans.found_ratio);
		else if (replacement->match == GUARD_MATCH_PLAN)
			appendStringInfo(buf, "Its statements would use index %s, at up to %.*f times the cost.",
							 name, evidence->plans.worst_ratio < 9.95 ? 1 : 0,
							 evidence->plans.worst_ratio);
		return;
	}
	lacks = guard_replacement_near_miss(evidence->shape, evidence->fellows,
										verdict->needs_unique, &name);
	if (lacks == NULL)
		return;
	begin(buf);
	appendStringInfo(buf, "Index %s does not serve in its place: %s.", name, lacks);
}

/* ---- what nobody knows ---- */

static void
append_unknown(StringInfo buf, const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	const GuardLoad *load = judgement->load;
	StringInfoData all;

	initStringInfo(&all);
	foreach_ptr(GuardFact, fact, verdict->evidence->facts)
	{
		const char *what = fact->of_table ? "use of its table" : "use";

		if (fact->seen == GUARD_SEEN_UNKNOWN && fact->note != NULL)
			appendStringInfo(&all, "; %s, as %s saw it (%s)", what,
							 guard_evidence_source(fact), fact->note);
		if (fact->gaps != NULL)
			appendStringInfo(&all, "; %s for %s", what, fact->gaps);
		if (fact->seen == GUARD_SEEN_USED && fact != verdict->use &&
			fact->source == GUARD_SOURCE_COUNTERS && verdict->use != NULL)
			appendStringInfo(&all, "; which statements made most of the " INT64_FORMAT " scans that the server counted since %s",
							 fact->count, guard_sentence_moment(fact->since));
	}
	if (load != NULL && load->known < load->statements)
		appendStringInfo(&all, "; what %d of its %d statements would take",
						 load->statements - load->known, load->statements);
	if (load != NULL && load->open > 0)
		appendStringInfo(&all, "; how long at most %d of them would take, computing for every row what the index has",
						 load->open);
	if (verdict->evidence->silence != NULL)
		appendStringInfo(&all, "; what standbys use (%s)", verdict->evidence->silence);
	if (all.len > 0)
	{
		begin(buf);
		appendStringInfo(buf, "Not known: %s.", all.data + strlen("; "));
	}
}

/* ---- what people said of it ---- */

static void
append_registered(StringInfo buf, const GuardVerdict *verdict)
{
	const GuardEvidence *evidence = verdict->evidence;

	foreach_ptr(GuardDependency, dependency, evidence->dependencies)
		guard_sentence_append_dependency(buf, dependency, evidence->as_of,
										 dependency == verdict->dependency);
	if (verdict->reason != GUARD_REASON_APPROVED)
		guard_sentence_append_approval(buf, verdict);
	else if (guard_sentence_going(evidence) != NULL)
	{
		begin(buf);
		appendStringInfoString(buf, guard_sentence_going(evidence));
	}
}

char *
guard_sentence_detail(const GuardJudgement *judgement)
{
	const GuardVerdict *verdict = &judgement->verdict;
	StringInfoData buf;

	initStringInfo(&buf);
	append_route(&buf, judgement);
	append_load(&buf, judgement);
	append_users(&buf, verdict);
	append_registered(&buf, verdict);
	append_near_miss(&buf, verdict);
	append_unknown(&buf, judgement);
	if (verdict->evidence->hidden_since != 0)
	{
		begin(&buf);
		appendStringInfo(&buf, "It has been hidden from the planner since %s, and judged as of then.",
						 guard_sentence_moment(verdict->evidence->hidden_since));
	}
	if (list_length(judgement->verdicts) > 1)
	{
		begin(&buf);
		appendStringInfo(&buf, "This is %s %s, one of %d.",
						 judgement->shape->partitioned ? "partition index" : "index",
						 guard_sentence_name(verdict->evidence->shape),
						 list_length(judgement->verdicts));
	}
	return buf.data;
}

char *
guard_sentence_whole(const GuardJudgement *judgement)
{
	const char *detail = guard_sentence_detail(judgement);

	return psprintf("%s.%s%s", guard_sentence_verdict(judgement),
					detail[0] != '\0' ? " " : "", detail);
}
