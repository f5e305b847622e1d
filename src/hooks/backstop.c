/*-------------------------------------------------------------------------
 *
 * backstop.c
 *	  What a statement really removes, seen while it does so.
 *
 * An index judged on its own account passes.  One that leaned on a
 * replacement, or of which too little was known, is judged anew, now that its
 * table is locked.  One that nobody resolved beforehand waits for the end of
 * the statement, when it has become clear whether its whole table went.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "commands/extension.h"

#include "hooks/frame.h"
#include "planner/capture/departed.h"
#include "policy/sentence.h"
#include "softdrop/softdrop.h"
#include "store/store.h"

/* What PostgreSQL appends to the old index's name in REINDEX CONCURRENTLY. */
#define REINDEX_OLD_SUFFIX	"_ccold"

/*
 * A drop that no DDL statement caused: an extension's C function called
 * performDeletion by itself.  Its frame ends with the transaction.
 */
static GuardFrame *
current_frame(void)
{
	GuardFrame *frame = guard_frame_top();

	if (frame == NULL)
	{
		frame = guard_frame_push(CMDTAG_UNKNOWN, true);
		frame->own = false;
	}
	return frame;
}

static GuardJudgement *
find_judgement(GuardFrame *frame, Oid index)
{
	foreach_ptr(GuardJudgement, judgement, frame->judgements)
	{
		if (judgement->target->index == index ||
			list_member_oid(judgement->target->members, index))
			return judgement;
	}
	return NULL;
}

/*
 * A partitioned index goes with the indexes of its partitions, which were
 * judged: beforehand, as what its own parent consists of, or when they went,
 * just before it.  Returns the judgement of the former; what is to come of the
 * latter is noted with them.
 */
static GuardJudgement *
judged_with_parts(GuardFrame *frame, GuardDropped *dropped, bool *pending)
{
	foreach_oid(each, get_rel_relispartition(dropped->index) ?
				get_partition_ancestors(dropped->index) : NIL)
	{
		GuardJudgement *judgement = find_judgement(frame, each);

		if (judgement != NULL)
			return judgement;
	}
	foreach_ptr(GuardPending, part, frame->pending)
	{
		if (!list_member_oid(part->parents, dropped->index))
			continue;
		part->wholes = lappend(part->wholes, dropped);
		*pending = true;
	}
	return NULL;
}

/*
 * Names and definition of an index that is going, for the books.  Its table is
 * locked by now, so the definition can be read.
 */
static GuardDropped *
note_dropped(GuardFrame *frame, Oid index)
{
	GuardShape *shape = guard_shape_read(index);
	GuardDropped *dropped;

	if (shape == NULL)
		return NULL;
	dropped = palloc0(sizeof(GuardDropped));
	dropped->index = index;
	dropped->table = shape->table;
	guard_softdrop_describe(index, &shape->name, &shape->definition);
	dropped->name = guard_sentence_name(shape);
	dropped->table_name = quote_qualified_identifier(shape->schema,
													 shape->table_name);
	dropped->definition = shape->definition;
	dropped->why = GUARD_UNJUDGED_FAILED;
	frame->dropped = lappend(frame->dropped, dropped);
	return dropped;
}

/*
 * "keys" are constraints that are known to go with the statement.
 */
static GuardJudgement *
judge_one(GuardFrame *frame, Oid index, GuardRoute route, List *keys)
{
	GuardTarget *target = guard_targets_make(index, route, NULL);
	List	   *judgements;

	if (target == NULL)
		return NULL;
	target->keys = keys;
	judgements = guard_judging_targets(frame, list_make1(target));
	return judgements != NIL ? linitial(judgements) : NULL;
}

/*
 * The evidence of one member is fresher now.  COMMIT decides from it: while we
 * waited for the lock, another session may have dropped its twin, and made it
 * the heir.
 */
static void
renew(GuardJudgement *judgement, const GuardVerdict *fresh)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (verdict->evidence->index == fresh->evidence->index)
			*verdict = *fresh;
	}
	guard_check_sum_up(judgement);
}

/*
 * Could this verdict be another one by now?  While the statement waited for
 * its lock, the index that it leaned on may have gone, or an idle index may have
 * come into use or become the heir of one that was dropped.
 */
static bool
may_have_changed(const GuardJudgement *judgement)
{
	if (judgement->verdict.decision != GUARD_ALLOW)
		return false;
	switch (judgement->verdict.reason)
	{
		case GUARD_REASON_REPLACED:
			return true;
		case GUARD_REASON_COLD:
		case GUARD_REASON_STOPPED:
		case GUARD_REASON_CONSTRAINT:
			return !judgement->target->table_goes;
		default:
			return judgement->verdict.warning || judgement->verdict.leans;
	}
}

/*
 * An index that was judged beforehand: does the verdict still stand now that
 * the table is locked?
 */
static void
recheck(GuardFrame *frame, GuardJudgement *judgement, Oid index)
{
	GuardJudgement *again;

	if (!may_have_changed(judgement))
		return;

	/* which indexes their tables have was asked without a lock */
	if (frame->phase == GUARD_PHASE_BEFORE)
		frame->fellows->table = InvalidOid;
	frame->phase = GUARD_PHASE_REMOVING;
	again = judge_one(frame, index, judgement->target->route, judgement->target->keys);
	if (again == NULL)
		return;
	if (again->verdict.decision == GUARD_BLOCK)
		guard_judging_act_on(frame, list_make1(again));
	else
		renew(judgement, linitial(again->verdicts));
}

/*
 * An index that nobody resolved beforehand.  Whether its table goes as well is
 * known only later, so both questions are answered while the catalogs can
 * still be read.
 */
static void
add_pending(GuardFrame *frame, GuardDropped *dropped)
{
	GuardPending *pending = palloc0(sizeof(GuardPending));

	pending->table = dropped->table;
	pending->dropped = dropped;
	if (get_rel_relispartition(dropped->index))
		pending->parents = get_partition_ancestors(dropped->index);
	pending->alone = judge_one(frame, dropped->index, GUARD_ROUTE_CASCADE, NIL);
	pending->with_table = judge_one(frame, dropped->index, GUARD_ROUTE_TABLE, NIL);
	if (pending->alone != NULL && pending->with_table != NULL)
		frame->pending = lappend(frame->pending, pending);
}

/*
 * CONCURRENTLY, and nobody resolved it: this is the last moment at which an
 * error leaves the index as it was.
 */
static void
judge_now(GuardFrame *frame, GuardDropped *dropped)
{
	GuardJudgement *judgement = judge_one(frame, dropped->index,
										  GUARD_ROUTE_INDEX, NIL);

	frame->concurrent = true;
	dropped->judgement = judgement;
	if (judgement != NULL)
		guard_judging_act_on(frame, list_make1(judgement));
}

/*
 * CONCURRENTLY, and its statements go to an index that only their plans lead to:
 * if what is done now is not done to its end, shared memory must know.
 */
static void
intend_by_plan(const GuardDropped *dropped)
{
	if (dropped == NULL || dropped->judgement == NULL)
		return;
	foreach_ptr(const GuardVerdict, verdict, dropped->judgement->verdicts)
	{
		if (verdict->evidence->index == dropped->index &&
			guard_verdict_by_plan(verdict) &&
			!guard_gone_intend(verdict->evidence))
			guard_departed_lose(dropped->table);
	}
}

/*
 * PostgreSQL replaces an index by a new one of the same name.
 */
static void
note_rebuilt(void *arg)
{
	GuardFrame *frame = guard_frame_top();
	Oid			index = *(Oid *) arg;
	GuardRebuilt *rebuilt = palloc0(sizeof(GuardRebuilt));
	int			len;

	rebuilt->index = index;
	rebuilt->shape = guard_shape_read(index);
	if (rebuilt->shape == NULL)
		return;
	rebuilt->name = rebuilt->shape->name;
	rebuilt->table = rebuilt->shape->table;
	len = strlen(rebuilt->name) - strlen(REINDEX_OLD_SUFFIX);
	if (frame->tag == CMDTAG_REINDEX && len > 0 &&
		strcmp(rebuilt->name + len, REINDEX_OLD_SUFFIX) == 0)
		rebuilt->name[len] = '\0';
	frame->rebuilt = lappend(frame->rebuilt, rebuilt);
}

/* An index that goes, and how. */
typedef struct Going
{
	Oid			index;
	bool		concurrent;
} Going;

static void
keep(void *arg)
{
	const Going *going = arg;
	GuardFrame *frame = guard_frame_top();
	MemoryContext context = AllocSetContextCreate(frame != NULL ? frame->context :
												  CurrentMemoryContext,
												  "guard going", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *name = get_rel_name(going->index);
	char	   *definition = NULL;
	GuardDeparted *departed;

	guard_softdrop_describe(going->index, &name, &definition);
	departed = guard_gone_note(going->index, name, going->concurrent);

	if (departed != NULL && frame == NULL)
		guard_departed_lose(departed->table);
	MemoryContextSwitchTo(old);
	if (departed == NULL || frame == NULL)
	{
		MemoryContextDelete(context);
		return;
	}
	old = MemoryContextSwitchTo(frame->context);
	frame->departed = lappend(frame->departed, departed);
	MemoryContextSwitchTo(old);
}

/*
 * What PostgreSQL does by itself is never refused, so neither is it here; where
 * what is known of the index cannot be read, shared memory is told so much.
 */
void
guard_backstop_keeps(Oid index, bool concurrent)
{
	Going		going = {index, concurrent};

	if (guard_targets_eligible(index) &&
		!guard_store_try("keep what is known of an index that goes", keep, &going))
		guard_departed_lose(guard_catalog_table(index));
}

/*
 * An index goes that was judged beforehand, or was not.
 */
static void
judge_going(void *arg)
{
	const Going *going = arg;
	GuardFrame *frame = guard_frame_top();
	GuardJudgement *judgement = find_judgement(frame, going->index);
	GuardDropped *dropped = note_dropped(frame, going->index);
	bool		pending = false;

	if (dropped == NULL)
		;
	else if (judgement != NULL)
	{
		dropped->judgement = judgement;
		if (!guard_softdrop_is_own_drop(going->index))
			recheck(frame, judgement, going->index);
	}
	else if (going->concurrent)
		judge_now(frame, dropped);
	else
	{
		if (get_rel_relkind(going->index) == RELKIND_PARTITIONED_INDEX)
			dropped->judgement = judged_with_parts(frame, dropped, &pending);
		if (dropped->judgement == NULL && !pending)
			add_pending(frame, dropped);
	}
	if (going->concurrent)
	{
		intend_by_plan(dropped);
		guard_approvals_drop_begins();
	}
}

void
guard_backstop_drops_index(Oid index, bool internal, bool concurrent)
{
	GuardFrame *frame = guard_frame_top();
	Going		going = {index, concurrent};
	MemoryContext old;

	if (internal)
	{
		/* PostgreSQL's own replacing: never refused. */
		if (!guard_targets_eligible(index))
			return;
		if (frame == NULL)
		{
			guard_unjudged_note(index);
			return;
		}
		old = MemoryContextSwitchTo(frame->context);
		(void) guard_store_try("note that an index is being rebuilt",
							   note_rebuilt, &index);
		MemoryContextSwitchTo(old);
		return;
	}

	if (!guard_targets_eligible(index))
	{
		if (creating_extension)
			guard_unjudged_note(index);
		return;
	}
	frame = current_frame();
	old = MemoryContextSwitchTo(frame->context);
	(void) guard_statement_look("judge an index that goes", judge_going, &going);
	MemoryContextSwitchTo(old);
}

static void
note_places(void *table)
{
	GuardFrame *frame = guard_frame_top();

	frame->moves = list_concat(frame->moves, guard_moved_dropped(*(Oid *) table));
}

void
guard_backstop_drops_table(Oid table)
{
	GuardFrame *frame = guard_frame_top();
	MemoryContext old;

	if (frame == NULL)
		return;
	old = MemoryContextSwitchTo(frame->context);
	frame->gone = lappend_oid(frame->gone, table);
	(void) guard_statement_look("note what a table was below", note_places, &table);
	MemoryContextSwitchTo(old);
	foreach_ptr(GuardPending, pending, frame->pending)
	{
		if (pending->table == table)
			pending->table_goes = true;
	}
}

void
guard_backstop_creates(Oid relation)
{
	GuardFrame *frame = guard_frame_top();
	MemoryContext old;

	if (frame == NULL)
		return;
	old = MemoryContextSwitchTo(frame->context);
	frame->created = lappend_oid(frame->created, relation);
	MemoryContextSwitchTo(old);
}

/*
 * A relation was altered, or a column of it, or all (InvalidOid).
 */
void
guard_backstop_alters(Oid relation)
{
	GuardFrame *frame = guard_frame_top();
	MemoryContext old;

	if (frame == NULL || !frame->renames)
		return;
	old = MemoryContextSwitchTo(frame->context);
	frame->altered = list_append_unique_oid(frame->altered, relation);
	MemoryContextSwitchTo(old);
}

/*
 * Did a table go of which this one was a partition or child?
 */
static bool
parent_went(GuardFrame *frame, GuardJudgement *judgement)
{
	foreach_oid(parent, judgement->verdict.evidence->roles.parents)
	{
		if (list_member_oid(frame->gone, parent))
			return true;
	}
	return false;
}

/*
 * Judge what the backstop found.  Where an event trigger leads here nothing is
 * refused, which would leave a dead index (doc/internals/postgresql.md 1.2):
 * COMMIT will.
 */
void
guard_backstop_judge(GuardFrame *frame)
{
	List	   *judgements = NIL;

	foreach_ptr(GuardPending, pending, frame->pending)
	{
		GuardJudgement *judgement = pending->table_goes ? pending->with_table :
			pending->alone;

		if (pending->table_goes && parent_went(frame, judgement))
			guard_check_parent_goes(judgement);
		pending->dropped->judgement = judgement;
		guard_judging_claim(frame, judgement);
		foreach_ptr(GuardDropped, dropped, pending->wholes)
		{
			if (dropped->judgement == NULL ||
				judgement->verdict.decision != GUARD_ALLOW)
				dropped->judgement = judgement;
		}
		if (!frame->by_trigger || guard_frame_past_recall() ||
			judgement->verdict.decision == GUARD_ALLOW)
			judgements = lappend(judgements, judgement);
		else
			guard_transaction_remember(frame, judgement);
	}
	frame->pending = NIL;
	guard_judging_act_on(frame, judgements);
}
