/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  The life of one DDL statement, whichever door it came through.
 *
 * Before the statement has taken a lock, its targets are resolved and judged.
 * While it runs, the backstop sees every index that is really removed: one
 * judged on its own account passes, one that leaned on a replacement, or of
 * which too little was known, is judged anew, and one that nobody resolved
 * beforehand waits for the end of the statement, when it has become clear
 * whether its whole table went.  At the end the books are written.
 *
 * Judging fails closed for the drop in question; everything else here, which
 * is book-keeping, fails open.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "guc.h"
#include "hooks/frame.h"
#include "policy/report.h"
#include "store/store.h"

/* What PostgreSQL appends to the old index's name in REINDEX CONCURRENTLY. */
#define REINDEX_OLD_SUFFIX	"_ccold"

/* ---- judging ---- */

static void do_collect(void *arg);

/*
 * Is this an error that PostgreSQL itself would have raised just as well?  The
 * names in a statement may be of a schema that one may not use, or of another
 * database.
 */
static bool
is_postgres_own(const ErrorData *error, guard_store_work work)
{
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
		(work == do_collect &&
		 (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		  error->sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED));
}

/*
 * guard itself failed in this piece of work: the drop is refused, and the error
 * says how to get on.  Called with the error still on the stack.
 */
static void
fail_closed(MemoryContext context, guard_store_work work)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (is_postgres_own(error, work))
		PG_RE_THROW();
	FlushErrorState();
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("guard could not judge whether an index may be dropped: %s",
					error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 errhint("To drop it without judgement, a superuser can run SET guard.mode = 'off' in this session.")));
}

/*
 * Run a piece of judging.  In enforce mode an error in it refuses the drop; in
 * observe mode nothing is ever refused, so it is swallowed and false returned.
 */
static bool
run_judging(GuardFrame *frame, guard_store_work work, void *arg)
{
	if (guard_guc_mode == GUARD_MODE_OBSERVE)
		return guard_store_try("judge a drop", work, arg);

	PG_TRY();
	{
		work(arg);
	}
	PG_CATCH();
	{
		fail_closed(frame->context, work);
	}
	PG_END_TRY();
	return true;
}

/* A question to guard_check_targets(), and its answer. */
typedef struct JudgeJob
{
	List	   *targets;
	List	   *judgements;
} JudgeJob;

static void
do_judge(void *arg)
{
	JudgeJob   *job = arg;

	job->judgements = guard_check_targets(job->targets,
										  guard_transaction_fellows());
}

/*
 * Judge targets in the frame's memory.
 */
static List *
judge(GuardFrame *frame, List *targets)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	JudgeJob	job = {targets, NIL};

	if (!run_judging(frame, do_judge, &job))
		job.judgements = NIL;
	MemoryContextSwitchTo(old);
	return job.judgements;
}

/* A parse tree to guard_targets_collect(), and its answer. */
typedef struct CollectJob
{
	Node	   *parsetree;
	GuardTargets *targets;
} CollectJob;

static void
do_collect(void *arg)
{
	CollectJob *job = arg;

	job->targets = guard_targets_collect(job->parsetree);
}

/*
 * Is the statement its own transaction, so that nothing can follow that makes
 * up for it?  IsTransactionBlock() is false also in DO, functions and CALL;
 * the active portal tells those apart, since they run under their own tag
 * (finding 9 of the design review).  The first statement of an extended-query
 * pipeline cannot be told from one that stands alone.
 */
static bool
is_own_transaction(CommandTag tag)
{
	return !IsInTransactionBlock(true) &&
		ActivePortal != NULL &&
		ActivePortal->strategy == PORTAL_MULTI_QUERY &&
		ActivePortal->commandTag == tag;
}

/*
 * Sort verdicts into what is refused now and what the transaction may still
 * make up for.
 */
static void
act_on(GuardFrame *frame, List *judgements, bool can_wait)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	List	   *refused = NIL;
	const char *why = NULL;
	ListCell   *lc;

	foreach(lc, judgements)
	{
		GuardJudgement *judgement = lfirst(lc);
		const char *cannot = NULL;

		if (judgement->verdict.decision == GUARD_ALLOW)
		{
			guard_report_allowed(judgement);
			if (judgement->verdict.reason == GUARD_REASON_REPLACED &&
				!frame->concurrent)
				guard_transaction_remember(frame, judgement);
		}
		else if (can_wait && !guard_check_cannot_wait(judgement, &cannot))
		{
			guard_report_remembered(judgement);
			guard_transaction_remember(frame, judgement);
		}
		else
		{
			refused = lappend(refused, judgement);
			if (cannot != NULL)
				why = cannot;
		}
	}
	if (refused != NIL)
		guard_report_refuse(refused, GUARD_AT_STATEMENT, why);
	MemoryContextSwitchTo(old);
}

static void
refresh_registrations(void *arg)
{
	guard_protection_refresh();
}

void
guard_statement_start(GuardFrame *frame, Node *parsetree, const char *text)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	CollectJob	job = {parsetree, NULL};

	frame->statement = text != NULL ? pstrdup(text) : NULL;
	frame->own = is_own_transaction(frame->tag);
	frame->renames = IsA(parsetree, RenameStmt) ||
		IsA(parsetree, AlterObjectSchemaStmt) || IsA(parsetree, AlterTableStmt);
	frame->move = guard_moved_prepare(parsetree);

	/*
	 * A registration that came by restore or upgrade leads to its index by
	 * name alone.  Before the name goes, it must learn the OID.
	 */
	if (frame->renames)
		(void) guard_store_try("bring registrations up to date",
							   refresh_registrations, NULL);

	if (run_judging(frame, do_collect, &job) && job.targets != NULL)
	{
		frame->concurrent = job.targets->concurrent;
		frame->judgements = judge(frame, job.targets->targets);
		act_on(frame, frame->judgements,
			   !frame->concurrent && (job.targets->adds || !frame->own));
	}
	MemoryContextSwitchTo(old);
}

/* ---- the backstop ---- */

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
	ListCell   *lc;

	foreach(lc, frame->judgements)
	{
		GuardJudgement *judgement = lfirst(lc);

		if (judgement->target->index == index ||
			list_member_oid(judgement->target->members, index))
			return judgement;
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
	dropped->name = guard_report_name(shape);
	dropped->table_name = quote_qualified_identifier(shape->schema,
													 shape->table_name);
	dropped->definition = shape->definition;
	frame->dropped = lappend(frame->dropped, dropped);
	return dropped;
}

static GuardJudgement *
judge_one(GuardFrame *frame, Oid index, GuardRoute route)
{
	GuardTarget *target = guard_targets_make(index, route, NULL);
	List	   *judgements;

	if (target == NULL)
		return NULL;
	judgements = judge(frame, list_make1(target));
	return judgements != NIL ? linitial(judgements) : NULL;
}

/*
 * An index that was judged beforehand: does the verdict still stand?  One that
 * leaned on another index, or on ignorance, is asked for again now that the
 * table is locked.
 */
static void
recheck(GuardFrame *frame, GuardJudgement *judgement, Oid index)
{
	GuardJudgement *again;

	if (judgement->verdict.decision != GUARD_ALLOW ||
		(judgement->verdict.reason != GUARD_REASON_REPLACED &&
		 !judgement->verdict.warning))
		return;

	/* Replaced, and not CONCURRENTLY: COMMIT will ask what is left. */
	if (judgement->verdict.reason == GUARD_REASON_REPLACED && !frame->concurrent)
		return;
	again = judge_one(frame, index, judgement->target->route);
	if (again != NULL && again->verdict.decision == GUARD_BLOCK)
		act_on(frame, list_make1(again), !frame->own && !frame->concurrent);
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
	pending->alone = judge_one(frame, dropped->index, GUARD_ROUTE_CASCADE);
	pending->with_table = judge_one(frame, dropped->index, GUARD_ROUTE_TABLE);
	if (pending->alone != NULL && pending->with_table != NULL)
		frame->pending = lappend(frame->pending, pending);
}

static void
note_rebuilt(void *arg)
{
	GuardFrame *frame = guard_frame_top();
	Oid			index = *(Oid *) arg;
	GuardRebuilt *rebuilt;
	GuardTarget *target = guard_targets_make(index, GUARD_ROUTE_CASCADE, NULL);
	List	   *judgements;
	int			len;

	if (target == NULL)
		return;
	judgements = guard_check_targets(list_make1(target), NIL);
	if (judgements == NIL)
		return;
	rebuilt = palloc0(sizeof(GuardRebuilt));
	rebuilt->name = get_rel_name(index);
	rebuilt->table = target->table;
	rebuilt->judgement = linitial(judgements);
	len = strlen(rebuilt->name) - strlen(REINDEX_OLD_SUFFIX);
	if (frame->tag == CMDTAG_REINDEX && len > 0 &&
		strcmp(rebuilt->name + len, REINDEX_OLD_SUFFIX) == 0)
	{
		rebuilt->name[len] = '\0';
		rebuilt->judgement->verdict.evidence->shape->name = rebuilt->name;
	}
	frame->rebuilt = lappend(frame->rebuilt, rebuilt);
}

void
guard_statement_drops_index(Oid index, bool internal, bool concurrent)
{
	GuardFrame *frame = guard_frame_top();
	MemoryContext old;
	GuardDropped *dropped;
	GuardJudgement *judgement;

	if (internal)
	{
		/* PostgreSQL's own replacing: never refused, but the heir inherits. */
		if (frame == NULL || !guard_targets_eligible(index))
			return;
		old = MemoryContextSwitchTo(frame->context);
		(void) guard_store_try("note that an index is being rebuilt",
							   note_rebuilt, &index);
		MemoryContextSwitchTo(old);
		return;
	}

	if (!guard_targets_eligible(index))
		return;
	frame = current_frame();
	old = MemoryContextSwitchTo(frame->context);
	judgement = find_judgement(frame, index);
	dropped = note_dropped(frame, index);
	if (dropped == NULL)
		;
	else if (judgement != NULL)
	{
		dropped->judgement = judgement;
		recheck(frame, judgement, index);
	}
	else if (get_rel_relkind(index) != RELKIND_PARTITIONED_INDEX)
		add_pending(frame, dropped);
	MemoryContextSwitchTo(old);
}

void
guard_statement_drops_table(Oid table)
{
	GuardFrame *frame = guard_frame_top();
	MemoryContext old;
	ListCell   *lc;

	if (frame == NULL)
		return;
	old = MemoryContextSwitchTo(frame->context);
	frame->gone = lappend_oid(frame->gone, table);
	MemoryContextSwitchTo(old);
	foreach(lc, frame->pending)
	{
		GuardPending *pending = lfirst(lc);

		if (pending->table == table)
			pending->table_goes = true;
	}
}

void
guard_statement_creates(Oid relation)
{
	GuardFrame *frame = guard_frame_top();
	MemoryContext old;

	if (frame == NULL)
		return;
	old = MemoryContextSwitchTo(frame->context);
	frame->created = lappend_oid(frame->created, relation);
	MemoryContextSwitchTo(old);
}

/* ---- the end ---- */

/*
 * Did the table go of which this one was a partition?  The parent of an
 * inheritance child is not known here; where other tables went with it, it is
 * not retention.
 */
static bool
parent_went(GuardFrame *frame, GuardJudgement *judgement)
{
	const GuardRoles *roles = &judgement->verdict.evidence->roles;

	if (roles->is_inheritance_child)
		return list_length(frame->gone) > 1;
	return list_member_oid(frame->gone, roles->partition_parent);
}

/*
 * Judge what the backstop found.
 */
static void
judge_pending(GuardFrame *frame, bool may_refuse)
{
	List	   *judgements = NIL;
	ListCell   *lc;

	foreach(lc, frame->pending)
	{
		GuardPending *pending = lfirst(lc);
		GuardJudgement *judgement = pending->table_goes ? pending->with_table :
			pending->alone;

		if (pending->table_goes && parent_went(frame, judgement))
			guard_check_parent_goes(judgement);
		pending->dropped->judgement = judgement;
		if (may_refuse || judgement->verdict.decision == GUARD_ALLOW)
			judgements = lappend(judgements, judgement);
		else
			guard_transaction_remember(frame, judgement);
	}
	frame->pending = NIL;
	act_on(frame, judgements, !frame->own);
}

/*
 * An index that was rebuilt under a new OID: what was known of it goes along.
 */
static void
record_rebuilt(GuardFrame *frame)
{
	ListCell   *lc;

	foreach(lc, frame->rebuilt)
	{
		GuardRebuilt *rebuilt = lfirst(lc);
		const GuardEvidence *evidence = rebuilt->judgement->verdict.evidence;
		Oid			successor = get_relname_relid(rebuilt->name,
												  get_rel_namespace(rebuilt->table));

		if (OidIsValid(successor) && successor != evidence->index &&
			IndexGetRelation(successor, true) == rebuilt->table)
		{
			guard_evidence_rebuilt(evidence, successor);
			frame->created = list_delete_oid(frame->created, successor);
		}
	}
	frame->rebuilt = NIL;
}

/*
 * What was known of the dropped index passes to the one that serves now: its
 * replacement, or the like of it on the table that bears its table's old name.
 * What waits for COMMIT has its replacement found there.
 */
static void
record_heirs(GuardFrame *frame, const GuardDropped *dropped)
{
	ListCell   *lc;

	foreach(lc, dropped->judgement->verdicts)
	{
		GuardVerdict *verdict = lfirst(lc);
		GuardEvidence *evidence = verdict->evidence;

		if (evidence->index != dropped->index)
			continue;
		if (frame->concurrent && verdict->reason == GUARD_REASON_REPLACED)
			guard_inherited_record(evidence, evidence->replacement.index);
		else if (verdict->reason == GUARD_REASON_STOPPED && evidence->move.served)
			guard_inherited_record(evidence, evidence->move.heir_index);
	}
}

static void
record_dropped(GuardFrame *frame)
{
	ListCell   *lc;

	foreach(lc, frame->dropped)
	{
		GuardDropped *dropped = lfirst(lc);

		if (dropped->judgement != NULL)
			record_heirs(frame, dropped);
		guard_audit_dropped(dropped, GetCommandTagName(frame->tag),
							frame->statement);
		guard_evidence_forget(dropped->index);
	}
	foreach(lc, frame->gone)
		guard_evidence_forget(lfirst_oid(lc));
}

static void
record_created(GuardFrame *frame)
{
	List	   *indexes = NIL;
	ListCell   *lc;

	foreach(lc, frame->created)
	{
		if (guard_targets_eligible(lfirst_oid(lc)))
			indexes = lappend_oid(indexes, lfirst_oid(lc));
	}
	guard_origin_record(indexes);
}

static void
write_books(void *arg)
{
	GuardFrame *frame = arg;

	record_rebuilt(frame);
	record_dropped(frame);
	record_created(frame);
	if (frame->move != NULL)
		guard_moved_record(frame->move);
	if (frame->renames)
		guard_protection_refresh();
}

static bool
has_news(const GuardFrame *frame)
{
	return frame->dropped != NIL || frame->gone != NIL ||
		frame->created != NIL || frame->rebuilt != NIL ||
		frame->move != NULL || frame->renames;
}

void
guard_statement_end(GuardFrame *frame, bool may_refuse)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);

	if (frame->pending != NIL)
		judge_pending(frame, may_refuse);

	/* DROP EXTENSION guard leaves no books to write. */
	if (has_news(frame) && guard_store_present())
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetTransactionSnapshot());
		(void) guard_store_try("write its books", write_books, frame);
		PopActiveSnapshot();
		guard_transaction_forget_captured(frame);
	}
	frame->dropped = frame->gone = frame->created = NIL;
	frame->rebuilt = NIL;
	frame->move = NULL;
	frame->renames = false;
	MemoryContextSwitchTo(old);
}

void
guard_statement_close_left_open(bool committing)
{
	GuardFrame *frame;

	while ((frame = guard_frame_top()) != NULL && frame->by_trigger)
	{
		/* CONCURRENTLY commits inside; it is not over yet. */
		if (frame->concurrent && committing)
			break;
		guard_statement_end(frame, false);
		guard_frame_pop(frame);
	}
}
