/*-------------------------------------------------------------------------
 *
 * hidden.c
 *	  The time in which an index could not be used, because it was hidden.
 *
 * What was known of an index before it was hidden is what is known of it: a
 * hidden index is judged as if the clock had stopped, and after it was unhidden
 * the clock goes on from there.  That nobody complained meanwhile proves
 * nothing, for nobody watched: a month-end report may not have been due.  Who
 * wants to drop an index by hiding it first and watching lets a soft drop do
 * it.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/evidence.h"
#include "planner/hide/hide.h"

static int
by_begin(const ListCell *a, const ListCell *b)
{
	TimestampTz fa = ((GuardSpan *) lfirst(a))->from;
	TimestampTz fb = ((GuardSpan *) lfirst(b))->from;

	return fa < fb ? -1 : fa > fb ? 1 : 0;
}

/*
 * How much of the time from then until now do these spans cover, which are
 * sorted, and may overlap?
 */
static int64
covered(List *spans, TimestampTz from, TimestampTz now)
{
	int64		sum = 0;

	foreach_ptr(GuardSpan, span, spans)
	{
		TimestampTz begin = Max(span->from, from);
		TimestampTz end = Min(span->until, now);

		if (end <= begin)
			continue;
		sum += end - begin;
		from = end;
	}
	return sum;
}

/*
 * Called when all facts are there.  Not to know whether an index is hidden is
 * not to be able to judge.
 */
void
guard_hidden_collect(GuardEvidence *evidence)
{
	List	   *spans = guard_hide_past(evidence->index);
	GuardHidden hidden;

	if (!guard_hide_is_current())
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not read table \"guard.hidden_index\""),
				 errdetail("Another session holds a lock on it, or it has been dropped.")));
	if (guard_hide_find(evidence->index, &hidden))
	{
		GuardSpan  *span = palloc(sizeof(GuardSpan));

		evidence->hidden_since = hidden.since;
		span->from = hidden.since;
		span->until = evidence->as_of;
		spans = lappend(spans, span);
	}
	if (spans == NIL)
		return;

	list_sort(spans, by_begin);
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		TimestampTz from = fact->seen == GUARD_SEEN_USED ? fact->last : fact->since;

		if (from != 0 && !fact->of_table)
			fact->hidden = covered(spans, from, evidence->as_of);
	}
}
