/*-------------------------------------------------------------------------
 *
 * speed.c
 *	  How long one unit of the planner's cost takes on this server.
 *
 * Every execution of a costly plan that somebody measured (pg_stat_statements
 * does) is a sample: time divided by cost.  Samples of one kind and source are
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
 * What a plan mostly does is told by the costs of its scans.  Nodes below a
 * nested loop count once: this is to sort plans into two drawers, not to add
 * up.
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

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "parser/parsetree.h"
#include "utils/rel.h"

#include "compat/compat.h"
#include "planner/capture/speed.h"
#include "planner/planner.h"
#include "store/shmem.h"

/*
 * Assumed until something was measured: what cached tables took on machines of
 * the years in which this was written, PostgreSQL 15, default cost settings
 * (bench/prediction.sh prints what yours takes).
 */
static const double assumed[GUARD_SPEED_KINDS] = {
	[GUARD_SPEED_SCAN] = 0.004,
	[GUARD_SPEED_INDEX] = 0.0004
};
#define ASSUMED_SPREAD	4.0

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

/*
 * Kinds of scans, tables and predicates differ by as much, however alike the
 * samples of one of them are.
 */
#define LEAST_SPREAD	2.5

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

/* What the scans of a plan cost, and the table of the costliest. */
typedef struct Scans
{
	double		costs[GUARD_SPEED_KINDS];
	double		largest;
	double		rows;			/* that it returns */
	Index		scanrelid;
} Scans;

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
	.sets = GUARD_SPEED_KINDS,
	.same = same_role
};

/* Called at start. */
void
guard_speed_init(void)
{
	guard_slots_register(&speeds);
}

/* ---- what kind of plan is it? ---- */

/*
 * Add up the costs of a plan's scans.
 */
static bool
add_scan(Scan *scan, void *arg)
{
	Scans	   *scans = arg;
	double		cost = ((Plan *) scan)->total_cost;

	/* Bitmap index scans are in the cost of the heap scan above them. */
	if (IsA(scan, BitmapIndexScan))
		return true;
	scans->costs[IsA(scan, SeqScan) || IsA(scan, SampleScan) ?
				 GUARD_SPEED_SCAN : GUARD_SPEED_INDEX] += cost;
	if (cost > scans->largest)
	{
		scans->largest = cost;
		scans->rows = ((Plan *) scan)->plan_rows;
		scans->scanrelid = scan->scanrelid;
	}
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
 * Returns false for plans that mostly do something else, or a bit of both.
 */
static bool
kind_of_plan(QueryDesc *queryDesc, GuardSpeedKind *kind, Oid *table)
{
	PlannedStmt *statement = queryDesc->plannedstmt;
	Scans		scans;
	double		scan;
	double		lookup;

	memset(&scans, 0, sizeof(scans));
	guard_plan_walk(statement, add_scan, &scans);
	scan = scans.costs[GUARD_SPEED_SCAN];
	lookup = scans.costs[GUARD_SPEED_INDEX];
	if (Max(scan, lookup) < statement->planTree->total_cost / 2 ||
		Min(scan, lookup) > Max(scan, lookup) / 2)
		return false;
	*kind = scan > lookup ? GUARD_SPEED_SCAN : GUARD_SPEED_INDEX;
	*table = rt_fetch(scans.scanrelid, statement->rtable)->relid;
	return *kind != GUARD_SPEED_SCAN ||
		rejects_most(queryDesc->estate, scans.scanrelid, scans.rows);
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
add_sample(SpeedSource *source, GuardSpeedKind kind, double ms_per_cost)
{
	double		mean = source->samples == 0 ? log(assumed[kind]) :
		source->log_mean;
	double		distance = log(ms_per_cost) - mean;
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
	GuardSpeedKind kind;
	GuardSet   *set;
	Oid			table;

	if (speeds.shared == NULL || milliseconds <= 0 ||
		!is_planned_by_server(queryid, plan->total_cost))
		return;

	/* A cursor closed early did less than its plan says. */
	if (queryDesc->operation == CMD_SELECT &&
		queryDesc->estate->es_processed < FETCHED * plan->plan_rows)
		return;
	if (!kind_of_plan(queryDesc, &kind, &table))
		return;
	set = guard_slots_nth(&speeds, kind);
	if (!guard_flag_try(&set->busy))
		return;
	add_sample(find_source(set, GetSessionUserId(), table), kind,
			   milliseconds / plan->total_cost);
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
guard_speed_read(GuardSpeedKind kind, GuardSpeed *speed)
{
	SpeedSource sources[GUARD_SET_SLOTS];
	Voice		means[GUARD_SET_SLOTS + 1] = {{log(assumed[kind]), ASSUMED_VOICE}};
	Voice		distances[GUARD_SET_SLOTS + 1];
	double		mean;
	int			count = 1;

	if (speeds.shared == NULL ||
		!guard_slots_copy(&speeds, guard_slots_nth(&speeds, kind), sources))
		memset(sources, 0, sizeof(sources));
	speed->ms_per_cost = speed->assumed = assumed[kind];
	speed->spread = ASSUMED_SPREAD;
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
	speed->ms_per_cost = Max(exp(mean), assumed[kind] / ASSUMED_SPREAD);

	/* Twice the usual distance: most of what was measured lies inside. */
	distances[0].value = fabs(log(assumed[kind]) - mean);
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
	speed->spread = Max(exp(2 * median_of(distances, count)), LEAST_SPREAD);
}
