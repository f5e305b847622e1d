/*-------------------------------------------------------------------------
 *
 * drop_list.c
 *	  Which indexes of a table may go, all of them together?
 *
 * Each of two twins may go for the sake of the other, but not both
 * (doc/internals/review.md 2).  Asked about one index, guard answers for that
 * one.  Whoever asks for a list of what can be dropped wants another answer:
 * the list as a whole must be right.
 *
 * So indexes are put on the list one after the other, as if each had been
 * dropped: one on the list serves in nobody's place any more, and one that
 * serves in place of a listed index is as needed as that one was, for it
 * inherits its use.  First on the list are those of which nobody makes use,
 * since dropping them changes no plan; then the larger ones.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy/check.h"

/*
 * Has anybody used it, as far as counts?
 */
static bool
is_used(const GuardJudgement *judgement)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (verdict->use != NULL)
			return true;
	}
	return false;
}

/* Candidates in the order in which they are put on the list. */
static int
by_eagerness(const ListCell *a, const ListCell *b)
{
	const GuardJudgement *ja = lfirst(a);
	const GuardJudgement *jb = lfirst(b);

	return guard_verdict_goes_first(is_used(ja), ja->shape,
									is_used(jb), jb->shape) ? -1 : 1;
}

/*
 * Would it be let go if nothing served in its place?
 */
static bool
can_go_alone(const GuardJudgement *judgement, List *all,
			 const GuardServer *server)
{
	GuardJudgement *alone = guard_check_with_fellows(judgement->target, all,
													 server);

	return alone == NULL || alone->verdict.decision == GUARD_ALLOW;
}

static GuardJudgement *
find(List *judgements, Oid index)
{
	foreach_ptr(GuardJudgement, judgement, judgements)
	{
		if (judgement->target->index == index ||
			list_member_oid(judgement->target->members, index))
			return judgement;
	}
	return NULL;
}

/*
 * Try to list an index that leans on another one, given those listed before.
 */
static void
consider(GuardJudgement *judgement, List *judgements, List **listed, List *all,
		 const GuardServer *server)
{
	GuardJudgement *again = guard_check_with_fellows(judgement->target, *listed,
													 server);
	bool		needed = OidIsValid(judgement->serves_for);
	GuardJudgement *heir;

	if (again == NULL)
		return;
	if (again->verdict.decision == GUARD_ALLOW &&
		again->verdict.reason == GUARD_REASON_REPLACED)
	{
		judgement->verdict = again->verdict;
		judgement->verdicts = again->verdicts;
		if (needed || !can_go_alone(judgement, all, server))
		{
			judgement->keep_instead =
				again->verdict.evidence->replacement.index;
			heir = find(judgements, judgement->keep_instead);
			if (heir != NULL && heir->verdict.decision == GUARD_ALLOW)
			{
				guard_verdict_keep(&heir->verdict, &judgement->verdict);
				heir->serves_for = judgement->target->index;
			}
		}
		judgement->serves_for = InvalidOid;
	}
	else if (!needed || again->verdict.decision != GUARD_ALLOW)
	{
		judgement->verdict = again->verdict;
		judgement->verdicts = again->verdicts;
	}
	if (judgement->verdict.decision == GUARD_ALLOW)
	{
		*listed = lappend_oid(*listed, judgement->target->index);
		*listed = list_concat(*listed, judgement->target->members);
	}
}

List *
guard_check_drop_list(List *targets, const GuardServer *server)
{
	List	   *judgements = NIL;
	List	   *leaning = NIL;
	List	   *listed = NIL;
	List	   *all = NIL;

	foreach_ptr(GuardTarget, target, targets)
	{
		GuardJudgement *judgement = guard_check_alone(target, server);

		if (judgement == NULL)
			continue;
		judgements = lappend(judgements, judgement);
		all = lappend_oid(all, target->index);
		all = list_concat(all, target->members);
		if (judgement->verdict.decision != GUARD_ALLOW)
			continue;
		if (judgement->verdict.reason == GUARD_REASON_REPLACED)
			leaning = lappend(leaning, judgement);
		else
		{
			listed = lappend_oid(listed, target->index);
			listed = list_concat(listed, target->members);
		}
	}
	list_sort(leaning, by_eagerness);
	foreach_ptr(GuardJudgement, judgement, leaning)
		consider(judgement, judgements, &listed, all, server);
	return judgements;
}
