/*-------------------------------------------------------------------------
 *
 * need.c
 *	  Does anybody still need an index that is a soft drop?
 *
 * The same judgement as behind every door, whatever the settings say should
 * follow from it: here only the reason counts.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "softdrop/steps.h"

/*
 * It stands for the judgement with all its approvals only if each member that
 * may not go has one.
 */
static void
set_aside(GuardJudgement *judgement, List **approvals)
{
	List	   *found = NIL;
	bool		covered = true;

	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		GuardApproval *approval;

		while (verdict->reason == GUARD_REASON_APPROVED)
		{
			approval = palloc(sizeof(GuardApproval));
			*approval = verdict->evidence->approval;
			found = lappend(found, approval);
			guard_check_approval_taken(judgement, approval->id);
		}
	}
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		covered = covered && (verdict->decision == GUARD_ALLOW ||
							  verdict->asked.approval_taken);
	}
	if (approvals != NULL && covered)
		*approvals = found;
}

GuardSoftDropNeed
guard_need_of_judgement(GuardJudgement *judgement, List **approvals)
{
	set_aside(judgement, approvals);
	switch (judgement->verdict.reason)
	{
		case GUARD_REASON_PROTECTED:
			return GUARD_NEED_PROTECTED;
		case GUARD_REASON_UNKNOWN:
			return GUARD_NEED_UNKNOWN;
		default:
			return judgement->verdict.decision == GUARD_ALLOW ? GUARD_NEED_NOBODY :
				GUARD_NEED_SOMEBODY;
	}
}

bool
guard_need_claim(List *approvals)
{
	List	   *done = NIL;

	foreach_ptr(GuardApproval, approval, approvals)
	{
		if (list_member_int(done, approval->id))
			continue;
		if (!guard_approvals_claim(approval, false))
			return false;
		done = lappend_int(done, approval->id);
	}
	return true;
}

static void
read_facts(const GuardEvidence *evidence, GuardNeedAnswer *answer)
{
	GuardPolicy policy = guard_check_policy(evidence->as_of);

	if (evidence->protection.found)
		answer->protected_at = Max(answer->protected_at,
								   evidence->protection.protected_at);
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->seen != GUARD_SEEN_USED || fact->moved_away)
			continue;
		if (!fact->of_table)
			answer->used_on = lappend(answer->used_on, fact->node != NULL ? unconstify(char *, fact->node) : "");
		answer->longest_pause = Max(answer->longest_pause, fact->pause);
		answer->use_ends = Max(answer->use_ends, guard_verdict_use_ends(fact, &policy));
	}
}

GuardNeedAnswer
guard_need_ask(const GuardSoftDrop *drop, const GuardServer *server)
{
	GuardNeedAnswer answer = {0};
	GuardTarget *target = guard_targets_make(drop->index, GUARD_ROUTE_INDEX, NULL);
	const char *asker = OidIsValid(drop->login_role) ?
		GetUserNameFromId(drop->login_role, true) : NULL;

	answer.need = GUARD_NEED_UNKNOWN;
	if (target == NULL)
		return answer;
	target->asked_by = asker != NULL ? asker : drop->dropped_by;
	answer.judgement = guard_check_alone(target, server);
	if (answer.judgement == NULL)
		return answer;
	answer.need = guard_need_of_judgement(answer.judgement, &answer.approvals);
	foreach_ptr(GuardVerdict, verdict, answer.judgement->verdicts)
		read_facts(verdict->evidence, &answer);
	return answer;
}
