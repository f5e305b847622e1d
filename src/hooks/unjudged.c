/*-------------------------------------------------------------------------
 *
 * unjudged.c
 *	  What is dropped while guard.mode is off, or with a temporary object.
 *
 * Off is off: nothing is judged, and the hooks return at their first line.
 * But whoever looks for the cause of a slow night must find what went, and who
 * had switched guard off.  So the backstop notes the index while it can still
 * be read, with its line in the log, and the row is written before COMMIT.
 *
 * It is not written at once: DROP INDEX CONCURRENTLY must not have a
 * transaction ID by then (PG-INTERNALS 1.8), and drops it in its third
 * transaction only.  Therefore what is still there at a COMMIT is kept for the
 * next one.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "guc.h"
#include "hooks/frame.h"
#include "policy/sentence.h"
#include "store/store.h"

typedef struct Unjudged
{
	SubTransactionId subid;
	GuardDropped dropped;
	GuardAsked	asked;
	bool		written;
} Unjudged;

static MemoryContext unjudged_context = NULL;
static List *unjudged = NIL;

static void
do_note(void *arg)
{
	Oid			index = *(Oid *) arg;
	GuardShape *shape;
	Unjudged   *entry;

	if (!guard_targets_eligible(index))
		return;
	shape = guard_shape_read(index);
	if (shape == NULL)
		return;
	entry = palloc0(sizeof(Unjudged));
	entry->subid = GetCurrentSubTransactionId();
	entry->dropped.index = index;
	if (guard_guc_mode != GUARD_MODE_OFF)
		entry->dropped.why = GUARD_UNJUDGED_INTERNAL;
	entry->dropped.table = shape->table;
	entry->dropped.name = guard_sentence_name(shape);
	entry->dropped.table_name = guard_sentence_table(shape);
	entry->dropped.definition = shape->definition;
	entry->asked.question = guard_audit_question();
	guard_utility_describe(&entry->asked);
	unjudged = lappend(unjudged, entry);
}

/*
 * An index is being dropped.
 */
void
guard_unjudged_note(Oid index)
{
	MemoryContext old;

	if (unjudged_context == NULL)
		unjudged_context = AllocSetContextCreate(TopMemoryContext,
												 "guard unjudged drops",
												 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(unjudged_context);
	(void) guard_store_try("note a drop", do_note, &index);
	MemoryContextSwitchTo(old);
}

static bool
is_gone(const Unjudged *entry)
{
	return get_rel_relkind(entry->dropped.index) == '\0';
}

static void
write_gone(void *arg)
{
	ListCell   *lc;

	foreach(lc, unjudged)
	{
		Unjudged   *entry = lfirst(lc);

		if (!entry->written && is_gone(entry))
			guard_audit_dropped(&entry->dropped, &entry->asked);
	}
}

/*
 * Just before COMMIT or PREPARE TRANSACTION: write down what has gone.
 */
static void
before_commit(void)
{
	ListCell   *lc;

	if (!guard_store_present())
		return;
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) guard_store_try("write down what was dropped while guard.mode was off",
						   write_gone, NULL);
	foreach(lc, unjudged)
	{
		Unjudged   *entry = lfirst(lc);

		entry->written = is_gone(entry);
	}
	PopActiveSnapshot();
}

/*
 * Between the transactions of CONCURRENTLY, what is still there is kept; it is
 * the subtransaction's number that begins anew.
 */
static void
after_end(bool committed)
{
	ListCell   *lc;

	foreach(lc, unjudged)
	{
		Unjudged   *entry = lfirst(lc);

		if (!committed || entry->written)
			unjudged = foreach_delete_current(unjudged, lc);
		else
			entry->subid = TopSubTransactionId;
	}
	if (unjudged == NIL)
	{
		MemoryContextDelete(unjudged_context);
		unjudged_context = NULL;
	}
}

static void
at_xact(XactEvent event, void *arg)
{
	if (likely(unjudged == NIL))
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			before_commit();
			break;
		case XACT_EVENT_COMMIT:
			after_end(true);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			after_end(false);
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
	foreach(lc, unjudged)
	{
		Unjudged   *entry = lfirst(lc);

		if (entry->subid != mySubid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			entry->subid = parentSubid;
		else
			unjudged = foreach_delete_current(unjudged, lc);
	}
}

void
guard_unjudged_init(void)
{
	RegisterXactCallback(at_xact, NULL);
	RegisterSubXactCallback(at_subxact, NULL);
}
