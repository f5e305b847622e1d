/*-------------------------------------------------------------------------
 *
 * conclude.c
 *	  What becomes of a removal, now that the whole script is known.
 *
 * Verdict, detail and advice of each index that the script removes.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "policy/report.h"
#include "policy/sentence.h"
#include "review/script.h"

static void conclude(ScriptRemoval *removal);
static void conclude_undone(ScriptRemoval *removal);
static void conclude_blocked(ScriptRemoval *removal);
static void set_verdict(GuardReviewRow *row, const GuardVerdict *verdict);
static bool is_refused(const GuardReviewRow *row);
static void replaced(GuardReviewRow *row);
static char *made_by(const ScriptRelation *index);
static void advise_order(ScriptRemoval *removal);
static void advise_lock(ScriptRemoval *removal);

void
guard_removal_conclude(Script *script)
{
	ListCell   *lc;

	foreach(lc, script->removals)
		conclude(lfirst(lc));
}

/*
 * The row of a removal, now that all is known that the script does.
 */
static void
conclude(ScriptRemoval *removal)
{
	const GuardJudgement *judgement = removal->judgement;
	GuardReviewRow *row = removal->row;
	bool		answers = row->verdict != NULL;

	if (!guard_removal_may_see(removal))
	{
		row->verdict = "not reviewed";
		row->reason = NULL;
		row->detail = pstrdup(GUARD_REVIEW_NOT_OWNER);
		return;
	}
	if (removal->undone)
		conclude_undone(removal);
	else if (guard_removal_is_blocked(removal))
		conclude_blocked(removal);
	else if (!answers)
		set_verdict(row, &judgement->verdict);
	guard_review_explain(row, "%s. %s", guard_sentence_verdict(judgement),
						 guard_sentence_detail(judgement));
	advise_order(removal);
	if (is_refused(row) && row->advice == NULL)
		guard_review_advise(row, "%s", guard_hint_remedy(judgement));
	advise_lock(removal);
}

static void
set_verdict(GuardReviewRow *row, const GuardVerdict *verdict)
{
	row->verdict = guard_verdict_decision_name(verdict->decision);
	row->reason = guard_verdict_reason_name(verdict->reason);
}

static bool
is_refused(const GuardReviewRow *row)
{
	return strcmp(row->verdict, guard_verdict_decision_name(GUARD_ALLOW)) != 0;
}

/*
 * A transaction that is rolled back loses nothing; but it is refused at the
 * statement where it could not wait for its end.
 */
static void
conclude_undone(ScriptRemoval *removal)
{
	const char *why;

	set_verdict(removal->row, &removal->judgement->verdict);
	if (guard_removal_is_blocked(removal) &&
		guard_check_cannot_wait(removal->judgement, &why))
	{
		if (why != NULL)
			guard_review_explain(removal->row, "%s", why);
	}
	else
	{
		removal->row->verdict = guard_verdict_decision_name(GUARD_ALLOW);
		removal->row->reason = NULL;
	}
	guard_review_explain(removal->row, "It is rolled back.");
}

/*
 * By itself it would be refused.  Does the script make up for it?
 */
static void
conclude_blocked(ScriptRemoval *removal)
{
	const GuardVerdict *verdict = &removal->judgement->verdict;
	GuardReviewRow *row = removal->row;
	const char *why = NULL;

	set_verdict(row, verdict);

	/* a person's word holds whatever replaces the index */
	if (verdict->reason == GUARD_REASON_PROTECTED)
		return;
	if (removal->heir != NULL)
	{
		replaced(row);
		guard_review_explain(row, "%s%s serves in its place.",
							 guard_script_name(removal->heir), made_by(removal->heir));
		return;
	}
	if (guard_removal_is_made_up_later(removal))
	{
		if (guard_check_cannot_wait(removal->judgement, &why))
		{
			if (why != NULL)
				guard_review_explain(row, "%s", why);
			return;
		}
		replaced(row);
		guard_review_explain(row, "%s, by statement %d of the same transaction, serves in its place.",
							 guard_script_name(removal->later), removal->later_by);
		return;
	}
	if (removal->later == NULL && removal->maybe != NULL)
	{
		row->verdict = "unknown";
		row->reason = guard_verdict_reason_name(GUARD_REASON_UNKNOWN);
		guard_review_explain(row, "unknown: compare by hand. %s%s may serve in its place, but an expression, a predicate or a type cannot be compared without analyzing it.",
							 guard_script_name(removal->maybe), made_by(removal->maybe));
		guard_review_advise(row, "Compare the definitions: SELECT pg_get_indexdef(%s::regclass);",
							quote_literal_cstr(removal->index->real_name));
	}
}

static void
replaced(GuardReviewRow *row)
{
	row->verdict = guard_verdict_decision_name(GUARD_ALLOW);
	row->reason = guard_verdict_reason_name(GUARD_REASON_REPLACED);
}

static char *
made_by(const ScriptRelation *index)
{
	return OidIsValid(index->oid) ? pstrdup("") :
		psprintf(", created by statement %d,", index->created_by);
}

/*
 * Drop first, create afterwards: between the two there is no index, or the
 * traffic waits.
 */
static void
advise_order(ScriptRemoval *removal)
{
	GuardReviewRow *row = removal->row;
	GuardReason reason = removal->judgement->verdict.reason;
	bool		one_statement = removal->later_by == row->statement;

	if (removal->later == NULL || removal->undone ||
		reason == GUARD_REASON_REPLACED || reason == GUARD_REASON_INVALID ||
		reason == GUARD_REASON_PARTITION || reason == GUARD_REASON_PROTECTED)
		return;
	if (removal->target->table_goes)
	{
		guard_review_advise(row, "Turn statements %d and %d round: put the new table in place first, then drop the old one.",
							row->statement, removal->later_by);
		return;
	}
	if (one_statement)
		guard_review_advise(row, "The table is locked while statement %d builds the new index: build it first, by CREATE UNIQUE INDEX CONCURRENTLY, and ADD CONSTRAINT ... USING INDEX.",
							row->statement);
	else
		guard_review_advise(row, "Turn statements %d and %d round: create %s first, CONCURRENTLY, then drop %s.%s",
							row->statement, removal->later_by,
							guard_script_name(removal->later), row->target,
							guard_removal_is_made_up_later(removal) ? " In between, all traffic of the table waits for this transaction." :
							" In between, there is no such index.");
	if (!one_statement &&
		strcmp(guard_script_name(removal->later), row->target) == 0)
		guard_review_advise(row, "The new one needs another name until then: ALTER INDEX ... RENAME TO %s afterwards.",
							quote_identifier(removal->later->name));
}

/*
 * What concerns the lock that the statement takes.
 */
static void
advise_lock(ScriptRemoval *removal)
{
	GuardReviewRow *row = removal->row;
	bool		partitioned = get_rel_relkind(removal->target->index) == RELKIND_PARTITIONED_INDEX;
	bool		by_name = removal->target->route == GUARD_ROUTE_INDEX;

	if (removal->concurrently)
	{
		if (removal->transaction != 0)
			guard_review_advise(row, "DROP INDEX CONCURRENTLY cannot run inside a transaction block: take it out of the transaction%s.",
								removal->begun_by != 0 ? psprintf(" that statement %d begins", removal->begun_by) : "");
		if (partitioned)
			guard_review_advise(row, "DROP INDEX CONCURRENTLY does not work on a partitioned index: drop it without, after SET lock_timeout = '2s'.");
		return;
	}
	if (!removal->busy || !removal->waits)
		return;
	if (by_name && !partitioned && removal->transaction == 0)
		guard_review_advise(row, "This waits for every running statement on %s, and all others queue up behind it: use DROP INDEX CONCURRENTLY, or SET lock_timeout = '2s' first.",
							guard_sentence_table(removal->judgement->shape));
	else
		guard_review_advise(row, "This waits for every running statement on %s, and all others queue up behind it: SET lock_timeout = '2s' first%s.",
							guard_sentence_table(removal->judgement->shape),
							by_name && !partitioned ? ", or use DROP INDEX CONCURRENTLY outside the transaction" : "");
}
