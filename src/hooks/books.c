/*-------------------------------------------------------------------------
 *
 * books.c
 *	  What is written down when a statement is done.
 *
 * Indexes that went, with the statement that brings them back; indexes that
 * were created or rebuilt; tables that were moved.  Nobody's statement fails
 * because of a book: an error here is undone and becomes a line in the server
 * log.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"

#include "evidence/bearers.h"
#include "hooks/frame.h"
#include "planner/capture/departed.h"
#include "policy/sentence.h"
#include "softdrop/softdrop.h"
#include "store/store.h"

/*
 * PostgreSQL has dropped it by itself, but nothing has taken its place: what it
 * hung on was a temporary object.
 */
static void
record_not_rebuilt(GuardFrame *frame, GuardShape *shape)
{
	GuardDropped dropped = {0};
	GuardAsked	asked = guard_frame_asked(frame);

	dropped.index = shape->index;
	dropped.name = guard_sentence_name(shape);
	dropped.table_name = guard_sentence_table(shape);
	dropped.definition = shape->definition;
	dropped.why = GUARD_UNJUDGED_INTERNAL;
	guard_audit_write(list_make1(guard_audit_dropped(&dropped, &asked)));
}

/*
 * An index that was rebuilt under a new OID: what was known of it goes along.
 */
static void
record_rebuilt(GuardFrame *frame)
{
	foreach_ptr(GuardRebuilt, rebuilt, frame->rebuilt)
	{
		Oid			successor = get_relname_relid(rebuilt->name,
												  get_rel_namespace(rebuilt->table));

		if (OidIsValid(successor) && successor != rebuilt->index &&
			IndexGetRelation(successor, true) == rebuilt->table)
		{
			frame->created = list_delete_oid(frame->created, successor);
			guard_softdrop_rebuilt(rebuilt->index, successor);
			guard_evidence_rebuilt(rebuilt->index, successor);
		}
		else if (!OidIsValid(successor) && rebuilt->shape != NULL)
			record_not_rebuilt(frame, rebuilt->shape);
	}
	frame->rebuilt = NIL;
}

/*
 * What services need passes to the twin that serves now, of the same table or of
 * the one that bears its table's old name.  What waits for COMMIT has its
 * replacement found there.
 */
static void
record_heirs(GuardFrame *frame, const GuardDropped *dropped)
{
	/* it was hidden first, and the heir has been written down since then */
	if (guard_softdrop_is_own_drop(dropped->index))
		return;
	foreach_ptr(GuardVerdict, verdict, dropped->judgement->verdicts)
	{
		const GuardEvidence *evidence = verdict->evidence;

		if (evidence->index != dropped->index)
			continue;
		if (frame->concurrent && guard_verdict_by_plan(verdict))
			guard_gone_by_plan(evidence);
		else if (frame->concurrent && verdict->reason == GUARD_REASON_REPLACED &&
				 evidence->replacement.match == GUARD_MATCH_TWIN)
			guard_dependencies_move(evidence, evidence->replacement.index);
		if (OidIsValid(evidence->move.twin))
			guard_dependencies_move(evidence, evidence->move.twin);
	}
}

/*
 * For itself, so that neither fails with the other: a lock on the audit log
 * costs no evidence.
 */
static void
record_for_audit(void *arg)
{
	GuardFrame *frame = arg;
	GuardAsked	asked = guard_frame_asked(frame);
	List	   *records = NIL;

	foreach_ptr(GuardDropped, dropped, frame->dropped)
		records = lappend(records, guard_audit_dropped(dropped, &asked));
	guard_audit_write(records);
}

static void
record_dropped(GuardFrame *frame)
{
	List	   *gone = list_copy(frame->gone);

	foreach_ptr(GuardDropped, dropped, frame->dropped)
	{
		if (dropped->judgement != NULL)
		{
			const GuardObject *object = dropped->judgement->verdict.evidence->object;

			record_heirs(frame, dropped);
			/* one that was rebuilt unseen */
			if (object != NULL && !guard_catalog_exists(object->index))
				gone = lappend_oid(gone, object->index);
		}
		gone = lappend_oid(gone, dropped->index);
		guard_softdrop_gone(dropped->index);
		guard_evidence_forget(dropped->index);
	}
	foreach_oid(each, frame->gone)
	{
		guard_evidence_forget(each);
	}
	guard_identity_gone(gone);
}

/*
 * Not temporary; nor one for long values, which ADD COLUMN makes.
 */
static bool
is_table(Oid relation)
{
	char		kind = get_rel_relkind(relation);

	return (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE ||
			kind == RELKIND_MATVIEW) &&
		get_rel_persistence(relation) != RELPERSISTENCE_TEMP;
}

static void
record_created(GuardFrame *frame)
{
	List	   *created = NIL;

	foreach_oid(relation, frame->created)
	{
		/*
		 * Whoever asks for the index of a table's OID leaves a negative cache
		 * entry that nothing removes: a leak in sessions that make temporary
		 * tables all day.
		 */
		if (guard_catalog_is_index(relation) ? guard_targets_eligible(relation) :
			is_table(relation))
			created = lappend_oid(created, relation);
	}
	guard_identity_created(created);
}

static void
write_books(void *arg)
{
	GuardFrame *frame = arg;

	if (!guard_store_matches())
		return;
	record_rebuilt(frame);
	record_dropped(frame);
	record_created(frame);
	guard_moved_record(frame->moves);
	guard_identity_renamed(frame->altered);
	if (frame->renames || frame->rebuilt != NIL)
		guard_evidence_refresh();
}

/*
 * What there was no room to keep in shared memory: without it a later verdict
 * would be wrong.  CONCURRENTLY cannot be refused any more.
 */
static void
write_departed(void *arg)
{
	guard_gone_write(arg);
}

static void
keep_departed(GuardFrame *frame)
{
	bool		kept;

	if (frame->departed == NIL || !guard_store_matches())
		return;
	kept = frame->concurrent && guard_xact_may_begin() ?
		guard_store_try("keep what was known of an index", write_departed, frame->departed) :
		guard_store_must("keep what was known of an index", write_departed, frame->departed);
	if (!kept)
		guard_books_lose(frame);
}

void
guard_books_lose(GuardFrame *frame)
{
	foreach_ptr(GuardDeparted, each, frame->departed)
		guard_departed_lose(each->table);
	frame->departed = NIL;
}

/* Is there anything to write? */
static bool
has_news(const GuardFrame *frame)
{
	return frame->dropped != NIL || frame->gone != NIL ||
		frame->created != NIL || frame->rebuilt != NIL ||
		frame->moves != NIL || frame->altered != NIL || frame->renames ||
		frame->departed != NIL;
}

/*
 * Capture cannot be told of a drop that was prepared, or that happened while
 * guard.mode was off.  When its table of relations is nearly full, whatever is
 * not in the catalog any more makes room.
 */
static void
purge_captured(void)
{
	if (guard_capture_wants_purge())
		guard_evidence_forget_vanished(DT_NOEND);
}

/*
 * A table or view that was made may have taken a name that was free.
 */
static void
touch_created(const GuardFrame *frame)
{
	ListCell   *lc;

	foreach(lc, frame->created)
	{
		if (guard_catalog_bears_name(lfirst_oid(lc)))
			guard_before_touch(GUARD_TOUCHED_RELATION, lfirst_oid(lc));
	}
}

void
guard_books_write(GuardFrame *frame)
{
	bool		(*run) (const char *what, guard_work work, void *arg);
	bool		present = guard_store_present();
	List	   *views = present ? guard_bearers_views_touched() : NIL;

	/* DROP EXTENSION guard leaves no books to write. */
	if ((has_news(frame) || views != NIL) && present)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
		frame->moves = list_concat(frame->moves, guard_moved_by_views(views));
		/* In a trigger that was deferred, COMMIT may have begun. */
		touch_created(frame);
		run = guard_xact_may_begin() ? guard_store_try : guard_store_must;
		keep_departed(frame);
		(void) run("record what was dropped", record_for_audit, frame);
		if (!run("write its books", write_books, frame))
			guard_moved_lose(frame->moves);
		PopActiveSnapshot();
		guard_transaction_forget_captured(frame);
		purge_captured();
	}
	frame->dropped = frame->gone = frame->created = frame->altered = NIL;
	frame->rebuilt = frame->departed = NIL;
	frame->moves = NIL;
	frame->renames = false;
}
