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

#include "softdrop/need.h"

GuardSoftDropNeed
guard_need_of_verdict(const GuardVerdict *verdict)
{
	switch (verdict->reason)
	{
		case GUARD_REASON_PROTECTED:
			return GUARD_NEED_PROTECTED;
		case GUARD_REASON_UNKNOWN:
			return GUARD_NEED_UNKNOWN;
		default:
			return verdict->decision == GUARD_ALLOW ? GUARD_NEED_NOBODY :
				GUARD_NEED_SOMEBODY;
	}
}

static void
read_facts(const GuardEvidence *evidence, GuardNeedAnswer *answer)
{
	GuardPolicy policy = guard_check_policy(evidence->as_of);
	ListCell   *lc;

	foreach(lc, evidence->facts)
	{
		const GuardFact *fact = lfirst(lc);

		if (fact->seen != GUARD_SEEN_USED || fact->moved_away)
			continue;
		answer->longest_pause = Max(answer->longest_pause, fact->pause);
		answer->use_ends = Max(answer->use_ends, guard_verdict_use_ends(fact, &policy));
	}
}

GuardNeedAnswer
guard_need_ask(const GuardSoftDrop *drop)
{
	GuardNeedAnswer answer = {0};
	GuardTarget *target = guard_targets_make(drop->index, GUARD_ROUTE_INDEX, NULL);
	ListCell   *lc;

	answer.need = GUARD_NEED_UNKNOWN;
	if (target == NULL)
		return answer;
	answer.judgement = guard_check_alone(target, guard_server_read());
	if (answer.judgement == NULL)
		return answer;
	answer.need = guard_need_of_verdict(&answer.judgement->verdict);
	foreach(lc, answer.judgement->verdicts)
		read_facts(((GuardVerdict *) lfirst(lc))->evidence, &answer);
	return answer;
}
