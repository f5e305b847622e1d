/*-------------------------------------------------------------------------
 *
 * unjudged.c
 *	  What is dropped while guard.mode is off, with a temporary object, or by
 *	  the script of the extension that it belongs to.
 *
 * Off is off: nothing is judged, and the hooks return at their first line.
 * But whoever looks for the cause of a slow night must find what went, and who
 * had switched guard off.  So the backstop notes the index while it can still
 * be read, with its line in the log, and the row is written before COMMIT.
 *
 * It is not written at once: DROP INDEX CONCURRENTLY must not have a
 * transaction ID by then (doc/internals/postgresql.md 1.8), and drops it in
 * its third transaction only.  Therefore what is still there at a COMMIT is
 * kept for the next one.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "commands/extension.h"

#include "hooks/frame.h"
#include "policy/sentence.h"
#include "store/store.h"

typedef struct Unjudged
{
	GuardXactItem item;
	GuardDropped dropped;
	GuardAsked	asked;
	bool		written;
} Unjudged;

static MemoryContext unjudged_context = NULL;
static GuardXactList unjudged = GUARD_XACT_LIST_INIT(unjudged);

/*
 * Does it belong to the extension whose script is running?  How its author
 * rearranges his tables is not judged, but written down.
 */
static bool
is_of_running_script(Oid index)
{
	Oid			table = guard_catalog_table(index);

	return creating_extension && OidIsValid(table) &&
		get_rel_persistence(table) != RELPERSISTENCE_TEMP &&
		CurrentExtensionObject != guard_store_extension() &&
		getExtensionOfObject(RelationRelationId, table) == CurrentExtensionObject;
}

static Unjudged *
make_entry(Oid index)
{
	bool		by_script = is_of_running_script(index);
	GuardShape *shape;
	Unjudged   *entry;

	if (!by_script && !guard_targets_eligible(index))
		return NULL;
	shape = guard_shape_read(index);
	if (shape == NULL)
		return NULL;
	entry = palloc0(sizeof(Unjudged));
	entry->dropped.index = index;
	if (guard_guc_mode != GUARD_MODE_OFF)
		entry->dropped.why = by_script ? GUARD_UNJUDGED_SCRIPT : GUARD_UNJUDGED_INTERNAL;
	entry->dropped.table = shape->table;
	entry->dropped.name = guard_sentence_name(shape);
	entry->dropped.table_name = guard_sentence_table(shape);
	entry->dropped.definition = shape->definition;
	entry->asked.question = guard_audit_question();
	guard_utility_describe(&entry->asked);
	return entry;
}

static void
do_note(void *arg)
{
	Unjudged   *entry = make_entry(*(Oid *) arg);

	if (entry != NULL)
		guard_xact_list_add(&unjudged, &entry->item);
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
	guard_xact_follow();
	old = MemoryContextSwitchTo(unjudged_context);
	if (guard_xact_may_begin())
		(void) guard_store_try("note a drop", do_note, &index);
	else if (guard_store_present())
	{
		/* ON COMMIT DROP: the last look before COMMIT has been */
		Unjudged   *entry = make_entry(index);

		if (entry != NULL)
			guard_audit_write(list_make1(guard_audit_dropped(&entry->dropped,
															 &entry->asked)));
	}
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
	List	   *records = NIL;
	dlist_iter	iter;

	dlist_foreach(iter, &unjudged.items)
	{
		Unjudged   *entry = dlist_container(Unjudged, item.node, iter.cur);

		if (!entry->written && is_gone(entry))
			records = lappend(records, guard_audit_dropped(&entry->dropped,
														   &entry->asked));
	}
	guard_audit_write(records);
}

/*
 * Write down what has gone.
 */
static void
write_down(void)
{
	dlist_iter	iter;

	if (!guard_store_present())
		return;
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) guard_store_try("write down what was dropped while guard.mode was off",
						   write_gone, NULL);
	dlist_foreach(iter, &unjudged.items)
	{
		Unjudged   *entry = dlist_container(Unjudged, item.node, iter.cur);

		entry->written = is_gone(entry);
	}
	PopActiveSnapshot();
}

/*
 * Between the transactions of CONCURRENTLY, what is still there is kept.
 */
static void
forget(bool committed)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &unjudged.items)
	{
		Unjudged   *entry = dlist_container(Unjudged, item.node, iter.cur);

		if (!committed || entry->written)
			dlist_delete(&entry->item.node);
	}
	if (guard_xact_list_empty(&unjudged))
	{
		MemoryContextDelete(unjudged_context);
		unjudged_context = NULL;
	}
	else
		guard_xact_follow();
}

static void
at_end(GuardXactPhase phase)
{
	if (unjudged_context == NULL)
		return;
	if (phase == GUARD_XACT_ENDING)
		write_down();
	else
		forget(phase == GUARD_XACT_COMMITTED);
}

void
guard_unjudged_init(void)
{
	guard_xact_register(GUARD_XACT_ENDING | GUARD_XACT_OVER, at_end);
}
