/*-------------------------------------------------------------------------
 *
 * transaction.c
 *	  A transaction is judged by what it leaves behind.
 *
 * Two thirds of all index replacements in migrations drop first and create
 * afterwards.  So inside a transaction a drop that would be refused by itself
 * is remembered, with its evidence and its structure by names, and judged
 * again just before COMMIT or PREPARE TRANSACTION: is there a replacement now?
 * If not, an error there undoes everything.
 *
 * From the first remembered drop of a session on, guard's callback is moved to
 * the head of the list after every statement that follows one in its
 * transaction.
 *
 * In observe mode nothing is refused, not even by an error.  So there a
 * transaction is judged where a subtransaction is still possible, and what is
 * dropped by triggers that were deferred is not.
 *
 * What is remembered belongs to a subtransaction: ROLLBACK TO forgets it, an
 * ended savepoint passes it on.  Memory is that of the frames, whose contexts
 * are moved below one context that ends with the transaction.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alerts/alerts.h"
#include "evidence/bearers.h"
#include "hooks/frame.h"
#include "planner/capture/departed.h"
#include "policy/check.h"
#include "policy/sentence.h"
#include "store/store.h"

typedef struct Remembered
{
	GuardXactItem item;
	GuardJudgement *judgement;
	GuardAsked	asked;
} Remembered;

/* A relation that is gone once this transaction commits. */
typedef struct Gone
{
	GuardXactItem item;
	Oid			relation;
} Gone;

static MemoryContext transaction_context = NULL;
static GuardXactList remembered = GUARD_XACT_LIST_INIT(remembered);
static GuardXactList gone = GUARD_XACT_LIST_INIT(gone);

static bool watching_executor = false;
static ExecutorEnd_hook_type prev_ExecutorEnd = NULL;

static void watch_executor(void);

static MemoryContext
get_context(void)
{
	if (transaction_context == NULL)
		transaction_context = AllocSetContextCreate(TopMemoryContext,
													"guard transaction",
													ALLOCSET_SMALL_SIZES);
	guard_xact_follow();
	return transaction_context;
}

/*
 * The frame's memory must last until the transaction ends.
 */
void
guard_transaction_keep(GuardFrame *frame)
{
	if (frame->kept)
		return;
	MemoryContextSetParent(frame->context, get_context());
	frame->kept = true;
}

void
guard_transaction_remember(GuardFrame *frame, GuardJudgement *judgement)
{
	MemoryContext old = MemoryContextSwitchTo(get_context());
	Remembered *entry = palloc(sizeof(Remembered));

	/* CONCURRENTLY commits inside: nothing may wait for it to do so. */
	Assert(!frame->concurrent);

	entry->judgement = judgement;
	entry->asked = guard_frame_asked(frame);
	guard_xact_list_add(&remembered, &entry->item);
	MemoryContextSwitchTo(old);
	guard_transaction_keep(frame);

	watch_executor();
	guard_transaction_go_first();
}

/*
 * A statement has ended; somebody may have registered a callback meanwhile.
 */
void
guard_transaction_go_first(void)
{
	if (unlikely(!guard_xact_list_empty(&remembered) || guard_before_any()))
		guard_xact_go_first();
}

static void
end_executor(QueryDesc *queryDesc)
{
	if (prev_ExecutorEnd)
		prev_ExecutorEnd(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
	guard_transaction_go_first();
}

/*
 * Only a session that drops something in use needs to know when its statements
 * end: the others do without this hook.
 */
static void
watch_executor(void)
{
	if (watching_executor)
		return;
	prev_ExecutorEnd = ExecutorEnd_hook;
	ExecutorEnd_hook = end_executor;
	watching_executor = true;
}

static void
note_gone(Oid relation)
{
	Gone	   *entry = MemoryContextAlloc(get_context(), sizeof(Gone));

	entry->relation = relation;
	guard_xact_list_add(&gone, &entry->item);
}

/*
 * Once this transaction has committed, capture may forget what the statement
 * removed, but for indexes whose use a snapshot has not seen yet.
 */
void
guard_transaction_forget_captured(GuardFrame *frame)
{
	ListCell   *lc;

	foreach_ptr(GuardDropped, dropped, frame->dropped)
		note_gone(dropped->index);
	foreach(lc, frame->gone)
		note_gone(lfirst_oid(lc));
}

List *
guard_transaction_fellows(void)
{
	List	   *result = NIL;
	dlist_iter	iter;

	dlist_foreach(iter, &gone.items)
		result = lappend_oid(result,
							 dlist_container(Gone, item.node, iter.cur)->relation);
	return result;
}

/* A replacement that serves from now on. */
typedef struct Heir
{
	const GuardEvidence *gone;
	const GuardReplacement *replacement;
} Heir;

/*
 * Whose traffic an index has taken over is found by its shape; only where plans
 * say so it is written down.
 */
static void
record_heir(void *arg)
{
	Heir	   *heir = arg;

	if (heir->replacement->match == GUARD_MATCH_PLAN)
		guard_gone_by_plan(heir->gone);
	else
		guard_dependencies_move(heir->gone, heir->replacement->index);
}

/*
 * Judge one remembered drop by what is there now.
 */
static bool
made_up(Remembered *entry, char **why)
{
	foreach_ptr(GuardVerdict, verdict, entry->judgement->verdicts)
	{
		GuardReplacement replacement;
		Heir		heir;

		if (verdict->decision != GUARD_BLOCK && !guard_verdict_leans(verdict) &&
			!guard_check_asks_again(verdict))
			continue;
		if (!guard_check_made_up(entry->judgement, verdict, &replacement))
		{
			guard_check_sum_up(entry->judgement);
			*why = guard_sentence_not_usable(&replacement);
			return false;
		}
		heir.gone = verdict->evidence;
		heir.replacement = &replacement;
		if ((replacement.match == GUARD_MATCH_PLAN ||
			 replacement.match == GUARD_MATCH_TWIN) && guard_store_matches())
			(void) guard_store_must("write down what takes the place of an index",
									record_heir, &heir);
	}
	return true;
}

/*
 * To refuse would keep the statements failing that the name has had none for.
 */
static void
warn_of_taken(const GuardJudgement *judgement)
{
	StringInfoData facts;

	initStringInfo(&facts);
	guard_json_object(&facts, NULL);
	guard_json_text(&facts, "definition", judgement->creation);
	guard_json_end_object(&facts);
	(void) guard_alert_raise(GUARD_ALERT_LACKING, judgement->bearer,
							 guard_report_lacking(judgement), facts.data);
}

static void
warn_of_names(void *arg)
{
	List	   *told = NIL;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach_oid(table, guard_bearers_concerned())
		(void) guard_check_passed_on(table, &told);
	foreach_ptr(const char, what, told)
		guard_report_told(what);
	foreach_oid(relation, guard_before_touched())
	{
		foreach_ptr(const GuardJudgement, judgement, guard_check_taken(relation))
			warn_of_taken(judgement);
	}
	PopActiveSnapshot();
}

/*
 * Names that lead to something else than before: what is missed there, beside
 * what "missing" tells of already.
 */
static List *
judge_names(List *missing)
{
	GuardAsked	asked = {.question = guard_audit_question(),
	.command = GetCommandTagName(CMDTAG_COMMIT)};
	List	   *missed = NIL;

	foreach_oid(table, guard_bearers_concerned())
		missed = list_concat(missed, guard_check_passed_on(table, NULL));
	if (missed != NIL && guard_guc_mode == GUARD_MODE_ENFORCE)
		guard_audit_refused(missed, &asked);
	return list_concat(missing, missed);
}

/*
 * Is everything made up for?
 */
static void
judge_transaction(void *arg)
{
	List	   *missing = NIL;
	char	   *why = NULL;
	dlist_iter	iter;
	MemoryContext before;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	dlist_foreach(iter, &remembered.items)
	{
		Remembered *entry = dlist_container(Remembered, item.node, iter.cur);
		MemoryContext old = MemoryContextSwitchTo(get_context());

		if (!made_up(entry, &why))
		{
			missing = lappend(missing, entry->judgement);
			if (guard_guc_mode == GUARD_MODE_ENFORCE)
				guard_audit_refused(list_make1(entry->judgement), &entry->asked);
		}
		MemoryContextSwitchTo(old);
	}
	before = MemoryContextSwitchTo(get_context());
	missing = judge_names(missing);
	MemoryContextSwitchTo(before);
	if (missing != NIL)
		guard_report_refuse(missing, guard_frame_past_recall() ? GUARD_TOO_LATE :
							GUARD_AT_COMMIT, why);
	PopActiveSnapshot();
}

/*
 * The transaction is over.  Frames that an event trigger opened are, too.
 */
static void
clean_up(bool committed)
{
	dlist_iter	iter;
	GuardFrame *frame;

	if (committed)
	{
		dlist_foreach(iter, &gone.items)
		{
			Oid			relation = dlist_container(Gone, item.node, iter.cur)->relation;

			if (!guard_departed_have(relation))
				guard_capture_forget(relation, false);
		}
	}
	guard_xact_list_clear(&remembered);
	guard_xact_list_clear(&gone);
	if (transaction_context == NULL)
		return;

	/* A frame still open keeps its memory: CONCURRENTLY, procedures. */
	for (frame = guard_frame_top(); frame != NULL; frame = frame->outer)
	{
		if (frame->kept)
		{
			MemoryContextSetParent(frame->context, TopMemoryContext);
			frame->kept = false;
		}
	}
	MemoryContextDelete(transaction_context);
	transaction_context = NULL;
}

/*
 * The mode may have been changed meanwhile: it is read again
 * (doc/internals/review.md 15).
 */
static void
before_commit(bool last)
{
	guard_statement_close_left_open(true);
	if ((guard_xact_list_empty(&remembered) && !guard_before_any()) ||
		guard_guc_mode == GUARD_MODE_OFF || !guard_store_present())
		return;
	if (!last && guard_before_any())
		(void) guard_store_try("look at names that were taken", warn_of_names, NULL);
	if (guard_guc_mode == GUARD_MODE_ENFORCE && last)
		judge_transaction(NULL);
	else if (guard_guc_mode == GUARD_MODE_OBSERVE && !last)
		(void) guard_store_try("judge a transaction", judge_transaction, NULL);
}

static void
at_phase(GuardXactPhase phase)
{
	switch (phase)
	{
		case GUARD_XACT_ENDING:
		case GUARD_XACT_LAST:
			before_commit(phase == GUARD_XACT_LAST);
			break;
		case GUARD_XACT_COMMITTED:
			clean_up(true);
			break;
		case GUARD_XACT_ABORTED:
			guard_frame_pop_aborted(TopSubTransactionId);
			clean_up(false);
			break;
		case GUARD_XACT_PREPARED:
			clean_up(false);
			break;
	}
	if (guard_frame_top() != NULL)
		guard_xact_follow();
}

void
guard_transaction_init(void)
{
	guard_xact_register(GUARD_XACT_ENDING | GUARD_XACT_LAST | GUARD_XACT_OVER,
						at_phase);
	guard_xact_register_subabort(guard_frame_pop_aborted);
}
