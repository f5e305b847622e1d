/*-------------------------------------------------------------------------
 *
 * judging.c
 *	  Asking policy/ about a statement, and acting on the answer.
 *
 * Judging fails closed, for the drop in question, with an error that says how
 * to get on; in observe mode, where nothing is ever refused, it fails open.
 * Each piece of it is a GuardJob, so that both are done in one place, and what
 * kind of job failed tells which errors are PostgreSQL's own.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alerts/alerts.h"
#include "hooks/frame.h"
#include "policy/check.h"
#include "policy/sentence.h"
#include "store/store.h"

typedef enum GuardJobKind
{
	GUARD_JOB_COLLECT,			/* a statement becomes targets */
	GUARD_JOB_JUDGE,			/* targets become judgements */
	GUARD_JOB_CLAIM				/* an allowed drop uses its approvals up */
} GuardJobKind;

typedef struct GuardJob
{
	GuardJobKind kind;
	GuardFrame *frame;
	union
	{
		Node	   *parsetree;
		List	   *targets;	/* of GuardTarget * */
		GuardJudgement *judgement;
	}			in;
	union
	{
		GuardTargets *targets;
		List	   *judgements; /* of GuardJudgement * */
	}			out;
} GuardJob;

/*
 * An approval is good for one drop: this one, unless another session was
 * faster.  Then the verdict becomes what it would be without.
 */
static void
claim_approvals(GuardJudgement *judgement, bool concurrent)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		const GuardApproval *approval = &verdict->evidence->approval;

		if (verdict->reason == GUARD_REASON_APPROVED &&
			!guard_approvals_claim(approval, concurrent))
			guard_check_approval_taken(judgement, approval->id);
	}
}

/*
 * What each kind of job is.
 */
static void
do_job(GuardJob *job)
{
	switch (job->kind)
	{
		case GUARD_JOB_COLLECT:
			job->out.targets = guard_targets_collect(job->in.parsetree);
			break;
		case GUARD_JOB_JUDGE:
			job->out.judgements = guard_check_targets(job->in.targets,
													  job->frame->fellows);
			break;
		case GUARD_JOB_CLAIM:
			claim_approvals(job->in.judgement, job->frame->concurrent);
			break;
	}
}

/*
 * Is this an error that PostgreSQL itself would have raised just as well?  The
 * names in a statement may be of a schema that one may not use, or of another
 * database.
 */
static bool
is_postgres_own(int sqlerrcode, GuardJobKind kind)
{
	return sqlerrcode == ERRCODE_QUERY_CANCELED ||
		sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
		sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		(kind == GUARD_JOB_COLLECT &&
		 (sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		  sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED));
}

/*
 * guard itself failed in this job: the drop is refused.  Called with the error
 * still on the stack.
 */
static void
fail_closed(GuardJob *job)
{
	GuardFrame *frame = job->frame;
	ErrorData  *error;
	GuardAsked	asked;

	if (is_postgres_own(geterrcode(), job->kind))
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

/* the same, as guard_store_try() asks for it */
static void
try_job(void *job)
{
	do_job(job);
}

/*
 * In observe mode, and where nothing can be taken back, an error is swallowed, and
 * there is no answer.
 */
static void
run(GuardJob *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->frame->context);

	if (guard_guc_mode == GUARD_MODE_OBSERVE || guard_frame_past_recall())
	{
		if (!guard_store_try("judge a drop", try_job, job))
			memset(&job->out, 0, sizeof(job->out));
		MemoryContextSwitchTo(old);
		return;
	}
	PG_TRY();
	{
		do_job(job);
	}
	PG_CATCH();
	{
		fail_closed(job);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

/*
 * The targets of the statement; NULL where they are not resolved beforehand.
 */
GuardTargets *
guard_judging_collect(GuardFrame *frame, Node *parsetree)
{
	GuardJob	job = {.kind = GUARD_JOB_COLLECT, .frame = frame, .in.parsetree = parsetree};

	run(&job);
	return job.out.targets;
}

/*
 * Judgements in the frame's memory.  What is known to go with the targets is
 * collected first, if nobody has done so.
 */
List *
guard_judging_targets(GuardFrame *frame, List *targets)
{
	GuardJob	job = {.kind = GUARD_JOB_JUDGE, .frame = frame, .in.targets = targets};
	MemoryContext old = MemoryContextSwitchTo(frame->context);

	if (frame->fellows == NULL)
		frame->fellows = guard_check_fellows(NIL, guard_transaction_fellows());
	MemoryContextSwitchTo(old);
	run(&job);
	return job.out.judgements;
}

/*
 * Use up the approvals on which an allowed drop rests.
 */
void
guard_judging_claim(GuardFrame *frame, GuardJudgement *judgement)
{
	GuardJob	job = {.kind = GUARD_JOB_CLAIM, .frame = frame, .in.judgement = judgement};

	if (judgement->verdict.decision == GUARD_ALLOW)
		run(&job);
}

/*
 * May the rest of the transaction make up for a drop?  CONCURRENTLY commits
 * inside; and a statement that is its own transaction has no rest, but the same
 * ALTER TABLE may add what it removes.
 */
static bool
can_wait(const GuardFrame *frame)
{
	return !frame->concurrent &&
		(!frame->own || (frame->adds && frame->phase == GUARD_PHASE_BEFORE));
}

static void
alert(List *judgements)
{
	foreach_ptr(const GuardJudgement, judgement, judgements)
		(void) guard_alert_raise(GUARD_ALERT_LACKING,
								 guard_sentence_name(judgement->shape),
								 guard_sentence_verdict(judgement), NULL);
}

/*
 * In observe mode nothing is refused, and the drop itself will be written down;
 * nor where an error would leave half of an outer statement done.
 */
static void
refuse(GuardFrame *frame, List *judgements, const char *why)
{
	GuardAsked	asked = guard_frame_asked(frame);
	bool		too_late = guard_frame_past_recall();

	frame->refused = guard_guc_mode == GUARD_MODE_ENFORCE && !too_late;
	if (frame->refused)
		guard_audit_refused(judgements, &asked);
	guard_report_refuse(judgements, too_late ? GUARD_TOO_LATE : GUARD_AT_STATEMENT, why);
	if (too_late && guard_guc_mode == GUARD_MODE_ENFORCE)
		alert(judgements);
}

/*
 * Was an index let go for what the transaction may yet take back?
 */
static bool
asks_again(const GuardJudgement *judgement)
{
	foreach_ptr(const GuardVerdict, verdict, judgement->verdicts)
	{
		if (guard_verdict_leans(verdict) || guard_check_asks_again(verdict))
			return true;
	}
	return false;
}

/*
 * Act on one judgement.  Returns false if it has to be refused now; "why" then
 * is why the transaction cannot make up for it, where that needs saying.
 */
static bool
act_on_one(GuardFrame *frame, GuardJudgement *judgement, const char **why)
{
	const char *cannot = NULL;

	guard_judging_claim(frame, judgement);
	switch (judgement->verdict.decision)
	{
		case GUARD_ALLOW:
			guard_report_allowed(judgement);
			if (!frame->concurrent && !guard_frame_past_recall() && asks_again(judgement))
				guard_transaction_remember(frame, judgement);
			return true;
		case GUARD_DELAY:
			if (guard_guc_mode == GUARD_MODE_ENFORCE)
				frame->delayed = lappend(frame->delayed, judgement);
			else
				guard_report_would_delay(judgement);
			return true;
		case GUARD_BLOCK:
			break;
	}
	if (!guard_frame_past_recall() && can_wait(frame) && !guard_check_cannot_wait(judgement, &cannot))
	{
		/* An ALTER TABLE that adds may have made up for it already. */
		if (!frame->own)
			guard_report_remembered(judgement);
		guard_transaction_remember(frame, judgement);
		return true;
	}
	if (cannot != NULL)
		*why = cannot;
	return false;
}

/*
 * Refuse, in one error, what cannot wait.
 */
void
guard_judging_act_on(GuardFrame *frame, List *judgements)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	List	   *refused = NIL;
	const char *why = NULL;

	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		if (!act_on_one(frame, judgement, &why))
			refused = lappend(refused, judgement);
	}
	if (refused != NIL)
		refuse(frame, refused, why);
	MemoryContextSwitchTo(old);
}
