/*-------------------------------------------------------------------------
 *
 * speed.c
 *	  How long one unit of each kind of work takes on this server.
 *
 * Every execution of a costly plan that somebody measured (pg_stat_statements
 * does) is a sample: time divided by what there was to do.  Samples of one kind and source are
 * averaged by their logarithms, so that one that took ten times as long weighs
 * no more than one that took a tenth; later ones count for more, since
 * machines, caches and tables change.  A sample far from the rest is pulled
 * closer: a statement that waited for a lock was not slow.
 *
 * A source is a table and the login role that read it.  Nobody's statements
 * decide what others are told: the answer is the median of the sources, where
 * those of one role together have one voice, and what is assumed has half a
 * voice.  What was planned under settings of somebody's own is left out.  And
 * a server is never believed to be faster than assumed by more than the
 * assumption's own spread.
 *
 * A sample is one of the kind of work that takes most of the plan's time, as
 * far as is known.  Of rows fetched by an index the estimates are often wrong;
 * there the buffers that were asked for count.
 *
 * It lives in shared memory under a flag that no statement waits for; a sample
 * that finds it taken is lost.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "nodes/execnodes.h"
#include "parser/parsetree.h"

#include "planner/capture/speed.h"
#include "planner/planner.h"
#include "store/shmem.h"

/*
 * Assumed until something was measured: what cached tables took on machines of
 * the years in which this was written, PostgreSQL 15, default cost settings
 * (bench/prediction.sh prints what yours takes).  Tables and conditions differ
 * by as much as the spread, however alike the samples of one of them are.
 */
static const struct
{
	double		ms;
	double		assumed_spread;
	double		least_spread;
}			kinds[GUARD_EFFORT_KINDS] = {
	[GUARD_EFFORT_SCAN] = {0.004, 4, 2.5},
	[GUARD_EFFORT_FETCH] = {0.0006, 4, 3},
	[GUARD_EFFORT_REST] = {0.004, 4, 3},
	[GUARD_EFFORT_TRIED] = {1, 2.5, 2.5}	/* measured where it is needed */
};

/* A sample has this much of its time from one kind of work. */
#define MOSTLY			0.66

/* From here on samples are believed more than the assumption. */
#define ENOUGH_SAMPLES	8

/* The newest sample counts for at least one in this many. */
#define MEMORY			64

/* No sample moves the average as if it were further off than this factor. */
#define FARTHEST		10.0

/*
 * Scans that return most of what they read take their time with what is done
 * with the rows; what comes in place of an index returns next to none.
 */
#define RETURNED		0.1

/* Of an execution that ended early, LIMIT apart, this much must be there. */
#define FETCHED			0.5

/* Of the sources of a kind, for one role. */
#define ROLE_SOURCES	8

/* What is assumed counts as much as this many roles. */
#define ASSUMED_VOICE	0.5

/* Plans that this session remembers as made under the server's settings. */
#define PLANNED			16

/* The set of a kind has a slot for each of its sources. */
typedef struct SpeedSource
{
	GuardSlot	head;			/* a table and a role */
	int64		samples;
	double		log_mean;
	double		log_deviation;	/* mean distance from log_mean */
} SpeedSource;

/* One of those whose median is sought. */
typedef struct Voice
{
	double		value;
	double		weight;
} Voice;

typedef struct Planned
{
	int64		queryid;
	double		cost;
} Planned;

static Planned planned[PLANNED];
static int	next_planned = 0;

static bool
same_role(const void *slot, const void *sought)
{
	return ((const GuardSlot *) slot)->userid ==
		((const GuardSlot *) sought)->userid;
}

static GuardSlots speeds =
{
	.size = sizeof(SpeedSource),
	.sets = GUARD_EFFORT_KINDS,
	.same = same_role
};

/* Called at start. */
void
guard_speed_init(void)
{
	guard_slots_register(&speeds);
}

/* ---- what kind of work is it? ---- */

/* The table of the scan that costs most. */
typedef struct Largest
{
	double		cost;
	double		rows;			/* that it returns */
	Index		scanrelid;
} Largest;

static bool
find_largest(Scan *scan, void *arg)
{
	Largest    *largest = arg;

	if (IsA(scan, BitmapIndexScan) || scan->plan.total_cost <= largest->cost)
		return true;
	largest->cost = scan->plan.total_cost;
	largest->rows = scan->plan.plan_rows;
	largest->scanrelid = scan->scanrelid;
	return true;
}

/*
 * Does a scan that returns so many rows leave most of its table's aside?
 */
static bool
rejects_most(EState *estate, Index scanrelid, double rows)
{
	Relation	rel = estate->es_relations != NULL ?
		estate->es_relations[scanrelid - 1] : NULL;

	return rel == NULL || rel->rd_rel->reltuples <= 0 ||
		rows <= RETURNED * rel->rd_rel->reltuples;
}

/*
 * What the work of an execution would have taken at the speeds assumed; false
 * where it did a bit of everything.
 */
static bool
kind_of_work(QueryDesc *queryDesc, GuardEffortKind *kind, double *ms, Oid *table)
{
	Largest		largest = {0};
	GuardEffort effort;

	guard_plan_walk(queryDesc->plannedstmt, find_largest, &largest);
	if (largest.scanrelid == 0)
		return false;
	*table = rt_fetch(largest.scanrelid, queryDesc->plannedstmt->rtable)->relid;
	guard_effort_of_plan(queryDesc->plannedstmt, NULL, &effort);
	if (effort.expected[GUARD_EFFORT_SCAN] == 0)
		effort.expected[GUARD_EFFORT_FETCH] = Max(effort.expected[GUARD_EFFORT_FETCH],
												  guard_compat_execution_buffers(queryDesc));
	*ms = 0;
	for (int i = 0; i < GUARD_EFFORT_KINDS; i++)
		*ms += effort.expected[i] * kinds[i].ms;
	for (int i = 0; i < GUARD_EFFORT_KINDS; i++)
	{
		if (effort.expected[i] * kinds[i].ms < MOSTLY * *ms)
			continue;
		*kind = i;
		return i != GUARD_EFFORT_SCAN ||
			rejects_most(queryDesc->estate, largest.scanrelid, largest.rows);
	}
	return false;
}

/* ---- learning ---- */

void
guard_speed_planned(int64 queryid, double cost)
{
	planned[next_planned].queryid = queryid;
	planned[next_planned].cost = cost;
	next_planned = (next_planned + 1) % PLANNED;
}

/*
 * A plan may be executed long after it was made: what counts are the settings
 * of then.
 */
static bool
is_planned_by_server(int64 queryid, double cost)
{
	for (int i = 0; i < PLANNED; i++)
	{
		if (planned[i].queryid == queryid && planned[i].cost == cost)
			return true;
	}
	return false;
}

/*
 * The record of a source, if need be in place of the least recent one; of the
 * same role, if that has its share.
 */
static SpeedSource *
find_source(GuardSet *set, Oid role, Oid table)
{
	SpeedSource fresh = {.head = {.database = MyDatabaseId, .object = table, .userid = role}};
	SpeedSource *source = guard_slots_find(&speeds, set, &fresh);
	SpeedSource *least_own = NULL;
	int			own = 0;

	if (source != NULL)
		return source;
	foreach_slot(SpeedSource, slot, set)
	{
		if (slot->head.userid != role)
			continue;
		own++;
		if (least_own == NULL || slot->head.last < least_own->head.last)
			least_own = slot;
	}
	source = own >= ROLE_SOURCES ? least_own :
		(SpeedSource *) guard_slots_least(&speeds, set);
	guard_slots_put(&speeds, source, &fresh);
	return source;
}

static void
add_sample(SpeedSource *source, GuardEffortKind kind, double ms)
{
	double		mean = source->samples == 0 ? log(kinds[kind].ms) :
		source->log_mean;
	double		distance = log(ms) - mean;
	double		weight;

	distance = Max(Min(distance, log(FARTHEST)), -log(FARTHEST));
	source->samples++;
	weight = Max(1.0 / source->samples, 1.0 / MEMORY);
	source->log_mean = mean + weight * distance;
	source->log_deviation += weight * (fabs(distance) - source->log_deviation);
	source->head.last = GetCurrentStatementStartTimestamp();
}

void
guard_speed_learn(QueryDesc *queryDesc, int64 queryid)
{
	const Plan *plan = queryDesc->plannedstmt->planTree;
	double		milliseconds = guard_compat_execution_time(queryDesc);
	GuardEffortKind kind;
	GuardSet   *set;
	double		assumed;
	Oid			table;

	if (speeds.shared == NULL || milliseconds <= 0 ||
		!is_planned_by_server(queryid, plan->total_cost))
		return;

	/* A cursor closed early did less than its plan says. */
	if (queryDesc->operation == CMD_SELECT &&
		queryDesc->estate->es_processed < FETCHED * plan->plan_rows)
		return;
	if (!kind_of_work(queryDesc, &kind, &assumed, &table))
		return;
	set = guard_slots_nth(&speeds, kind);
	if (!guard_flag_try(&set->busy))
		return;
	add_sample(find_source(set, GetSessionUserId(), table), kind,
			   kinds[kind].ms * milliseconds / assumed);
	pg_atomic_clear_flag(&set->busy);
}

/* ---- asking ---- */

/*
 * The value on either side of which lies half of the weight; sorts them.
 */
static double
median_of(Voice *voices, int count)
{
	double		half = 0;
	int			i;

	for (i = 0; i < count; i++)
	{
		Voice		voice = voices[i];
		int			j = i;

		for (; j > 0 && voices[j - 1].value > voice.value; j--)
			voices[j] = voices[j - 1];
		voices[j] = voice;
		half += voice.weight / 2;
	}
	for (i = 0; i < count - 1 && voices[i].weight < half; i++)
		half -= voices[i].weight;
	return voices[i].value;
}

/*
 * The voice of one source: its role's, divided by the role's sources.
 */
static double
weight_of(const SpeedSource *sources, int source)
{
	int			own = 0;

	for (int i = 0; i < GUARD_SET_SLOTS; i++)
		own += sources[i].head.userid == sources[source].head.userid &&
			sources[i].samples >= ENOUGH_SAMPLES ? 1 : 0;
	return 1.0 / own;
}

void
guard_speed_read(GuardEffortKind kind, GuardSpeed *speed)
{
	SpeedSource sources[GUARD_SET_SLOTS];
	Voice		means[GUARD_SET_SLOTS + 1] = {{log(kinds[kind].ms), ASSUMED_VOICE}};
	Voice		distances[GUARD_SET_SLOTS + 1];
	double		mean;
	int			count = 1;

	if (speeds.shared == NULL ||
		!guard_slots_copy(&speeds, guard_slots_nth(&speeds, kind), sources))
		memset(sources, 0, sizeof(sources));
	speed->ms = speed->assumed = kinds[kind].ms;
	speed->spread = kinds[kind].assumed_spread;
	speed->executions = 0;
	for (int i = 0; i < GUARD_SET_SLOTS; i++)
	{
		if (sources[i].samples < ENOUGH_SAMPLES)
			continue;
		means[count].value = sources[i].log_mean;
		means[count++].weight = weight_of(sources, i);
		speed->executions += sources[i].samples;
	}
	if (count == 1)
		return;
	mean = median_of(means, count);
	speed->ms = Max(exp(mean), kinds[kind].ms / kinds[kind].assumed_spread);

	/* Twice the usual distance: most of what was measured lies inside. */
	distances[0].value = fabs(log(kinds[kind].ms) - mean);
	distances[0].weight = ASSUMED_VOICE;
	count = 1;
	for (int i = 0; i < GUARD_SET_SLOTS; i++)
	{
		if (sources[i].samples < ENOUGH_SAMPLES)
			continue;
		distances[count].value = fabs(sources[i].log_mean - mean) +
			sources[i].log_deviation;
		distances[count++].weight = weight_of(sources, i);
	}
	speed->spread = Max(exp(2 * median_of(distances, count)), kinds[kind].least_spread);
}
