/*-------------------------------------------------------------------------
 *
 * prediction.c
 *	  What the traffic of an index would cost without it: the facts.
 *
 * Three sources meet here: capture knows which statements use an index and
 * how often, what-if how they would be planned without it,
 * pg_stat_statements how long they take.  prediction_model.c does the sums.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/prediction.h"
#include "planner/planner.h"
#include "store/store.h"

/*
 * A shadow plan speaks for its statement for this many sampling intervals:
 * the statement may come at any time in one, and be put off in the next.  And
 * for some seconds where each execution is a sample, for none is when the time
 * for them is used up.
 */
#define PLAN_INTERVALS	3
#define SHORTEST_INTERVAL	10

/* So many of a statement's calls are as good as all. */
#define NEARLY_ALL		0.9

/* Rates are of the time since first use, and not of a burst. */
#define SHORTEST_SPAN	USECS_PER_MINUTE

/*
 * Is this plan too old to speak for what the statement did at "last"?
 */
static bool
is_stale(const GuardWhatIf *pair, TimestampTz last)
{
	return last - pair->at >
		(int64) Max(guard_guc_whatif_interval, SHORTEST_INTERVAL) *
		PLAN_INTERVALS * USECS_PER_SEC;
}

/*
 * What was measured before the index was made says nothing of what it is good
 * for: what took long then may be why it was made.  Unless nearly all of the
 * calls used it.
 */
static bool
is_of_index(const GuardTime *time, const GuardCapturedStatement *statement,
			Oid index)
{
	GuardObject *object = guard_identity_of(index);

	return object == NULL || object->created_at <= time->from ||
		(!time->lately && statement->count >= time->counted * NEARLY_ALL);
}

/*
 * Of indexes that go together a statement may use several, as partitions' are;
 * each was taken away alone, so what that adds is added up.  A plan under
 * settings of somebody's own answers for executions under these alone.
 */
static void
add_pair(GuardOutlook *outlook, const GuardCapturedStatement *statement,
		 const GuardWhatIf *pair)
{
	double		added = Max(pair->cost_without - pair->cost_with, 0);

	if (!outlook->planned)
	{
		outlook->planned = outlook->answers = true;
		outlook->cost_with = pair->cost_with;
		outlook->cost_without = pair->cost_with;
		outlook->with = outlook->without = pair->with;
		outlook->takeover = pair->takeover;
	}
	outlook->cost_without += added;
	for (int i = 0; i < GUARD_EFFORT_KINDS; i++)
	{
		outlook->without.expected[i] += pair->without.expected[i] - pair->with.expected[i];
		outlook->without.least[i] += pair->without.least[i] - pair->with.least[i];
		outlook->without.most[i] += pair->without.most[i] - pair->with.most[i];
	}
	outlook->worst_ratio = Max(outlook->worst_ratio, pair->worst_ratio);
	outlook->worst_extra += pair->worst_extra;
	outlook->found_ratio = Max(outlook->found_ratio, pair->found_ratio);
	outlook->found_extra += pair->found_extra;
	outlook->answers &= pair->answers &&
		(pair->own_settings == 0 ||
		 (pair->own_settings == statement->own_settings &&
		  pair->own_settings != GUARD_SETTINGS_FORCE));
	outlook->scans |= pair->seqscan;
	outlook->moved |= pair->moved;
	outlook->computes |= pair->computes;
	if (outlook->takeover != pair->takeover)
		outlook->mixed = true;
}

static void
add_time(GuardOutlook *outlook, const GuardCapturedStatement *statement,
		 Oid index, GuardTimes *times)
{
	const GuardTime *time = guard_times_find(times, statement->queryid);
	int64		span = Max(GetCurrentTimestamp() - statement->first,
						   SHORTEST_SPAN);
	GuardSpeed	speeds[GUARD_EFFORT_KINDS];

	outlook->calls = statement->count * (double) USECS_PER_SEC / span;
	if (time != NULL && is_of_index(time, statement, index))
	{
		outlook->timed = true;
		outlook->now = time->mean_time;
		if (time->lately)
			outlook->calls = time->calls;
	}
	outlook->predicted = outlook->timed || guard_times_kept(times);
	for (int i = 0; i < GUARD_EFFORT_KINDS; i++)
		guard_speed_read(i, &speeds[i]);
	guard_outlook_predict(outlook, speeds);
}

bool
guard_outlook_read(GuardOutlook *outlook,
				   const GuardCapturedStatement *statement,
				   List *pairs, GuardTimes *times)
{
	Oid			index = InvalidOid;

	memset(outlook, 0, sizeof(*outlook));
	foreach_ptr(GuardWhatIf, pair, pairs)
	{
		if (pair->queryid == statement->queryid &&
			pair->role == GUARD_WHATIF_SCAN && !is_stale(pair, statement->last))
		{
			add_pair(outlook, statement, pair);
			index = pair->index;
		}
	}
	if (outlook->planned)
		add_time(outlook, statement, index, times);
	return outlook->planned;
}

List *
guard_prediction_pairs(List *indexes)
{
	List	   *pairs = NIL;
	ListCell   *lp;

	foreach_oid(each, indexes)
	{
		foreach(lp, guard_whatif_lookup(each))
		{
			const GuardWhatIf *pair = lfirst(lp);
			bool		known = false;

			foreach_ptr(GuardWhatIf, other, pairs)
			{
				known |= other->index == pair->index &&
					other->queryid == pair->queryid;
			}
			if (!known)
				pairs = lappend(pairs, lfirst(lp));
		}
	}
	return pairs;
}

void
guard_load_read(GuardLoad *load, List *indexes, GuardTimes *times)
{
	List	   *pairs = guard_prediction_pairs(indexes);

	memset(load, 0, sizeof(*load));
	foreach_ptr(GuardCapturedStatement, statement, guard_statements_captured(indexes))
	{
		GuardOutlook outlook;

		(void) guard_outlook_read(&outlook, statement, pairs, times);
		guard_load_add(load, &outlook);
	}
}
