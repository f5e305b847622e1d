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
 * Transaction callbacks run last registered first, and postgres_fdw commits
 * its remote transaction in one, which it registers when a session first uses
 * it.  To refuse before anybody has committed elsewhere, guard keeps a callback
 * at the head of the list: from the first remembered drop of a session on, it
 * is moved there after every statement that follows one in its transaction
 * (finding 4 of the design review).  Moving a callback while callbacks run
 * could make the server pass over it, so another one stays where it is.
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

#include "access/xact.h"
#include "executor/executor.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "guc.h"
#include "hooks/frame.h"
#include "planner/capture.h"
#include "policy/report.h"
#include "store/store.h"

typedef struct Remembered
{
	SubTransactionId subid;
	GuardJudgement *judgement;
	GuardAsked	asked;
} Remembered;

/* A relation that is gone once this transaction commits. */
typedef struct Gone
{
	SubTransactionId subid;
	Oid			relation;
} Gone;

static MemoryContext transaction_context = NULL;
static List *remembered = NIL;
static List *gone = NIL;

/* COMMIT has begun: what is remembered is being judged, or has been. */
static bool committing = false;

static bool watching_executor = false;
static ExecutorEnd_hook_type prev_ExecutorEnd = NULL;

static void at_xact_first(XactEvent event, void *arg);
static void watch_executor(void);

static MemoryContext
get_context(void)
{
	guard_transaction_watch();
	if (transaction_context == NULL)
		transaction_context = AllocSetContextCreate(TopMemoryContext,
													"guard transaction",
													ALLOCSET_SMALL_SIZES);
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

	entry->subid = GetCurrentSubTransactionId();
	entry->judgement = judgement;
	entry->asked = guard_frame_asked(frame);
	remembered = lappend(remembered, entry);
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
	if (likely(remembered == NIL) || committing)
		return;
	UnregisterXactCallback(at_xact_first, NULL);
	RegisterXactCallback(at_xact_first, NULL);
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

/*
 * Once this transaction has committed, capture may forget what the statement
 * removed.
 */
void
guard_transaction_forget_captured(GuardFrame *frame)
{
	MemoryContext old = MemoryContextSwitchTo(get_context());
	ListCell   *lc;

	foreach(lc, frame->dropped)
	{
		Gone	   *entry = palloc(sizeof(Gone));

		entry->subid = GetCurrentSubTransactionId();
		entry->relation = ((GuardDropped *) lfirst(lc))->index;
		gone = lappend(gone, entry);
	}
	foreach(lc, frame->gone)
	{
		Gone	   *entry = palloc(sizeof(Gone));

		entry->subid = GetCurrentSubTransactionId();
		entry->relation = lfirst_oid(lc);
		gone = lappend(gone, entry);
	}
	MemoryContextSwitchTo(old);
}

List *
guard_transaction_fellows(void)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, gone)
		result = lappend_oid(result, ((Gone *) lfirst(lc))->relation);
	return result;
}

/* A replacement that serves from now on. */
typedef struct Heir
{
	const GuardEvidence *gone;
	Oid			index;
	bool		twin;
} Heir;

static void
record_heir(void *arg)
{
	Heir	   *heir = arg;

	guard_inherited_record(heir->gone, heir->index);
	if (heir->twin)
		guard_dependencies_move(heir->gone, heir->index);
}

/*
 * Judge one remembered drop by what is there now.  What serves in its place
 * inherits its evidence.
 */
static bool
made_up(Remembered *entry, char **why)
{
	ListCell   *lc;

	foreach(lc, entry->judgement->verdicts)
	{
		GuardVerdict *verdict = lfirst(lc);
		GuardReplacement replacement;
		Heir		heir;

		if (verdict->decision != GUARD_BLOCK &&
			verdict->reason != GUARD_REASON_REPLACED)
			continue;
		if (!guard_check_made_up(verdict, &replacement))
		{
			guard_check_sum_up(entry->judgement);
			*why = guard_report_not_usable(&replacement);
			return false;
		}
		heir.gone = verdict->evidence;
		heir.index = replacement.index;
		heir.twin = replacement.match == GUARD_MATCH_TWIN;
		if (OidIsValid(heir.index))
			(void) guard_store_try("write down an heir", record_heir, &heir);
	}
	return true;
}

/*
 * Just before COMMIT or PREPARE TRANSACTION.
 */
static void
judge_transaction(void)
{
	List	   *missing = NIL;
	char	   *why = NULL;
	ListCell   *lc;

	/*
	 * The mode may have been changed meanwhile: it is read again (finding
	 * 15).
	 */
	if (remembered == NIL || guard_guc_mode == GUARD_MODE_OFF ||
		!guard_store_present())
		return;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, remembered)
	{
		Remembered *entry = lfirst(lc);
		MemoryContext old = MemoryContextSwitchTo(get_context());

		if (!made_up(entry, &why))
		{
			missing = lappend(missing, entry->judgement);
			if (guard_guc_mode == GUARD_MODE_ENFORCE)
				guard_audit_refused(list_make1(entry->judgement), &entry->asked);
		}
		MemoryContextSwitchTo(old);
	}
	if (missing != NIL)
		guard_report_refuse(missing, GUARD_AT_COMMIT, why);
	PopActiveSnapshot();
}

/*
 * The transaction is over.  Frames that an event trigger opened are, too.
 */
static void
clean_up(bool committed)
{
	ListCell   *lc;

	if (committed)
	{
		foreach(lc, gone)
			guard_capture_forget(((Gone *) lfirst(lc))->relation);
	}
	committing = false;
	remembered = NIL;
	gone = NIL;
	if (transaction_context != NULL)
	{
		GuardFrame *frame;

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
}

/*
 * COMMIT or PREPARE TRANSACTION begins; whichever callback hears of it first
 * does the work.
 */
static void
before_commit(void)
{
	if (committing)
		return;
	committing = true;
	guard_statement_close_left_open(true);
	judge_transaction();
}

/* the one at the head of the list */
static void
at_xact_first(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		before_commit();
}

/*
 * The usual transaction: nothing dropped, nothing remembered, no DDL open.
 */
static inline bool
is_none_of_ours(void)
{
	return transaction_context == NULL && remembered == NIL && gone == NIL &&
		!committing && guard_frame_top() == NULL;
}

static void
at_xact(XactEvent event, void *arg)
{
	if (likely(is_none_of_ours()))
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			before_commit();
			break;
		case XACT_EVENT_COMMIT:
			guard_approvals_release(true);
			clean_up(true);
			break;
		case XACT_EVENT_ABORT:
			guard_frame_pop_aborted(TopSubTransactionId);
			guard_approvals_release(false);
			clean_up(false);
			break;
		case XACT_EVENT_PREPARE:
			/* what it used up is nobody's until it is decided */
			guard_approvals_release(true);
			clean_up(false);
			break;
		default:
			break;
	}
}

static void
at_subxact(SubXactEvent event, SubTransactionId mySubid,
		   SubTransactionId parentSubid, void *arg)
{
	ListCell   *lc;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		guard_frame_pop_aborted(mySubid);
	foreach(lc, remembered)
	{
		Remembered *entry = lfirst(lc);

		if (entry->subid != mySubid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			entry->subid = parentSubid;
		else
			remembered = foreach_delete_current(remembered, lc);
	}
	foreach(lc, gone)
	{
		Gone	   *entry = lfirst(lc);

		if (entry->subid != mySubid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			entry->subid = parentSubid;
		else
			gone = foreach_delete_current(gone, lc);
	}
}

void
guard_transaction_watch(void)
{
	static bool watching = false;

	if (watching)
		return;
	watching = true;
	RegisterXactCallback(at_xact, NULL);
	RegisterSubXactCallback(at_subxact, NULL);
}
