/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  The life of one DDL statement, whichever door it came through.
 *
 * Before the statement has taken a lock, its targets are resolved and judged.
 * While it runs, the backstop sees every index that is really removed.  At the
 * end what the backstop found is judged, and the books are written.
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
#include "commands/defrem.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "guc.h"
#include "hooks/frame.h"
#include "policy/report.h"
#include "softdrop/softdrop.h"
#include "store/store.h"

static void do_collect(void *arg);

/*
 * Is this an error that PostgreSQL itself would have raised just as well?  The
 * names in a statement may be of a schema that one may not use, or of another
 * database.
 */
static bool
is_postgres_own(int sqlerrcode, guard_work work)
{
	return sqlerrcode == ERRCODE_QUERY_CANCELED ||
		sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
		sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		(work == do_collect &&
		 (sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		  sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED));
}

/*
 * guard itself failed in this piece of work: the drop is refused, and the error
 * says how to get on.  Called with the error still on the stack.
 */
static void
fail_closed(GuardFrame *frame, guard_work work)
{
	ErrorData  *error;
	GuardAsked	asked;

	if (is_postgres_own(geterrcode(), work))
		PG_RE_THROW();
	MemoryContextSwitchTo(frame->context);
	error = CopyErrorData();
	FlushErrorState();
	asked = guard_frame_asked(frame);
	guard_audit_failed(NULL, &asked, error->message);
	frame->refused = true;
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
run_judging(GuardFrame *frame, guard_work work, void *arg)
{
	if (guard_guc_mode == GUARD_MODE_OBSERVE)
		return guard_store_try("judge a drop", work, arg);

	PG_TRY();
	{
		work(arg);
	}
	PG_CATCH();
	{
		fail_closed(frame, work);
	}
	PG_END_TRY();
	return true;
}

/* A question to guard_check_targets(), and its answer. */
typedef struct JudgeJob
{
	List	   *targets;
	GuardFellows *fellows;
	List	   *judgements;
} JudgeJob;

static void
do_judge(void *arg)
{
	JudgeJob   *job = arg;

	job->judgements = guard_check_targets(job->targets, job->fellows);
}

/*
 * Judge targets in the frame's memory.
 */
List *
guard_statement_judge(GuardFrame *frame, List *targets)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	JudgeJob	job = {targets, NULL, NIL};

	if (frame->fellows == NULL)
		frame->fellows = guard_check_fellows(NIL, guard_transaction_fellows());
	job.fellows = frame->fellows;
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
 * (doc/internals/review.md 9).  The first statement of an extended-query
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

/* A verdict that rests on an approval. */
typedef struct ClaimJob
{
	GuardFrame *frame;
	GuardJudgement *judgement;
} ClaimJob;

static void
do_claim(void *arg)
{
	ClaimJob   *job = arg;
	ListCell   *lc;

	foreach(lc, job->judgement->verdicts)
	{
		GuardVerdict *verdict = lfirst(lc);
		const GuardApproval *approval = &verdict->evidence->approval;

		if (verdict->reason == GUARD_REASON_APPROVED &&
			!guard_approvals_claim(approval, job->frame->concurrent))
			guard_check_approval_taken(job->judgement, approval->id);
	}
}

/*
 * An approval is good for one drop: this one, unless another session was
 * faster.  Then the verdict becomes what it would be without.
 */
void
guard_statement_claim(GuardFrame *frame, GuardJudgement *judgement)
{
	ClaimJob	job = {frame, judgement};

	if (judgement->verdict.decision == GUARD_ALLOW)
		(void) run_judging(frame, do_claim, &job);
}

/*
 * In observe mode nothing is refused, and the drop itself will be written down.
 */
static void
refuse(GuardFrame *frame, List *judgements, const char *why)
{
	GuardAsked	asked = guard_frame_asked(frame);

	frame->refused = guard_guc_mode == GUARD_MODE_ENFORCE;
	if (frame->refused)
		guard_audit_refused(judgements, &asked);
	guard_report_refuse(judgements, GUARD_AT_STATEMENT, why);
}

/*
 * Sort verdicts into what is refused now and what the transaction may still
 * make up for.
 */
void
guard_statement_act_on(GuardFrame *frame, List *judgements, bool can_wait)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	List	   *refused = NIL;
	const char *why = NULL;
	ListCell   *lc;

	foreach(lc, judgements)
	{
		GuardJudgement *judgement = lfirst(lc);
		const char *cannot = NULL;

		guard_statement_claim(frame, judgement);
		if (judgement->verdict.decision == GUARD_ALLOW)
		{
			guard_report_allowed(judgement);
			if (judgement->verdict.reason == GUARD_REASON_REPLACED &&
				!frame->concurrent)
				guard_transaction_remember(frame, judgement);
		}
		else if (judgement->verdict.decision == GUARD_DELAY)
		{
			if (guard_guc_mode == GUARD_MODE_ENFORCE)
				frame->delayed = lappend(frame->delayed, judgement);
			else
				guard_report_would_delay(judgement);
		}
		else if (can_wait && !guard_check_cannot_wait(judgement, &cannot))
		{
			/*
			 * An ALTER TABLE that adds as well may have made up for it
			 * already.
			 */
			if (!frame->own)
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
		refuse(frame, refused, why);
	MemoryContextSwitchTo(old);
}

/*
 * REINDEX CONCURRENTLY: like a DROP, it commits inside.
 */
static bool
is_concurrent_reindex(Node *parsetree)
{
	ListCell   *lc;

	if (!IsA(parsetree, ReindexStmt))
		return false;
	foreach(lc, ((ReindexStmt *) parsetree)->params)
	{
		DefElem    *option = lfirst(lc);

		if (strcmp(option->defname, "concurrently") == 0)
			return defGetBoolean(option);
	}
	return false;
}

static void
refresh_registrations(void *arg)
{
	guard_evidence_refresh();
}

void
guard_statement_start(GuardFrame *frame, Node *parsetree, const char *str)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	CollectJob	job = {parsetree, NULL};

	guard_store_tell_mismatch();
	frame->statement = str != NULL ? pstrdup(str) : NULL;
	frame->own = is_own_transaction(frame->tag);
	frame->concurrent = is_concurrent_reindex(parsetree);
	frame->renames = IsA(parsetree, RenameStmt) ||
		IsA(parsetree, AlterObjectSchemaStmt) || IsA(parsetree, AlterTableStmt);
	frame->moves = guard_moved_prepare(parsetree);

	/*
	 * A registration that came by restore or upgrade leads to its index by
	 * name alone.  Before the name goes, it must learn the OID.
	 */
	if (frame->renames)
		(void) guard_store_try("bring registrations up to date",
							   refresh_registrations, NULL);

	if (IsA(parsetree, DropStmt) &&
		((DropStmt *) parsetree)->removeType == OBJECT_EXTENSION)
		guard_softdrop_before_extension_goes((DropStmt *) parsetree);

	if (run_judging(frame, do_collect, &job) && job.targets != NULL)
	{
		guard_delay_prepare(frame, parsetree, job.targets->targets);
		frame->fellows = guard_check_fellows(job.targets->targets,
											 guard_transaction_fellows());
		frame->concurrent = job.targets->concurrent;
		frame->judgements = guard_statement_judge(frame, job.targets->targets);
		guard_statement_act_on(frame, guard_delay_leave_out_own(frame->judgements),
							   !frame->concurrent && (job.targets->adds || !frame->own));
	}
	MemoryContextSwitchTo(old);
}

void
guard_statement_end(GuardFrame *frame, bool may_refuse)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);

	if (frame->pending != NIL)
		guard_backstop_judge(frame, may_refuse);
	guard_books_write(frame);
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

/*
 * The statement has ended in an error, which is still on the stack.  In a
 * transaction nothing has happened then; but CONCURRENTLY leaves the index
 * invalid when it is cancelled while it waits.
 */
void
guard_statement_failed(GuardFrame *frame)
{
	MemoryContext old;
	ErrorData  *error;
	GuardAsked	asked;
	ListCell   *lc;

	if (!frame->concurrent || frame->refused || frame->dropped == NIL)
		return;
	old = MemoryContextSwitchTo(frame->context);
	error = CopyErrorData();
	asked = guard_frame_asked(frame);
	foreach(lc, frame->dropped)
		guard_audit_failed(lfirst(lc), &asked, error->message);
	MemoryContextSwitchTo(old);
}
