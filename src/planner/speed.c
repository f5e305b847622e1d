/*-------------------------------------------------------------------------
 *
 * speed.c
 *	  How long one unit of the planner's cost takes on this server.
 *
 * Every execution of a costly plan that somebody measured (pg_stat_statements
 * does) is a sample: time divided by cost.  Samples of one kind are averaged
 * by their logarithms, so that one that took ten times as long weighs no more
 * than one that took a tenth; later ones count for more, since machines,
 * caches and tables change.  A sample far from the rest is pulled closer: a
 * statement that waited for a lock was not slow.
 *
 * What a plan mostly does is told by the costs of its scans.  Nodes below a
 * nested loop count once: this is to sort plans into two drawers, not to add
 * up.
 *
 * It lives in shared memory under a flag that nobody waits for; a sample that
 * finds it taken is lost.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "port/atomics.h"
#include "storage/shmem.h"

#include "compat/compat.h"
#include "planner/speed.h"

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

/* Of an execution that ended early, LIMIT apart, this much must be there. */
#define FETCHED			0.5

/* Plans nest; this deep nothing decides any more. */
#define MAX_DEPTH		20

typedef struct SpeedRecord
{
	int64		samples;
	double		log_mean;
	double		log_deviation;	/* mean distance from log_mean */
} SpeedRecord;

typedef struct SpeedSegment
{
	pg_atomic_flag busy;
	SpeedRecord records[GUARD_SPEED_KINDS];
} SpeedSegment;

static SpeedSegment *segment = NULL;

Size
guard_speed_size(void)
{
	return MAXALIGN(sizeof(SpeedSegment));
}

/*
 * Make the segment, or find it; the caller holds AddinShmemInitLock.
 */
void
guard_speed_attach(void)
{
	bool		found;

	segment = ShmemInitStruct("guard speed", sizeof(SpeedSegment), &found);
	if (!found)
	{
		memset(segment, 0, sizeof(SpeedSegment));
		pg_atomic_init_flag(&segment->busy);
	}
}

/* ---- what kind of plan is it? ---- */

/*
 * Add up the costs of the scans below a node.
 */
static void
add_scans(const Plan *plan, int depth, double *scans, double *lookups)
{
	const List *members = NIL;
	const ListCell *lc;

	if (plan == NULL || depth == MAX_DEPTH)
		return;
	switch (nodeTag(plan))
	{
		case T_SeqScan:
			*scans += plan->total_cost;
			return;
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
			*lookups += plan->total_cost;
			return;
		case T_Append:
			members = ((const Append *) plan)->appendplans;
			break;
		case T_MergeAppend:
			members = ((const MergeAppend *) plan)->mergeplans;
			break;
		case T_SubqueryScan:
			add_scans(((const SubqueryScan *) plan)->subplan, depth + 1,
					  scans, lookups);
			break;
		default:
			break;
	}
	foreach(lc, members)
		add_scans(lfirst(lc), depth + 1, scans, lookups);
	add_scans(plan->lefttree, depth + 1, scans, lookups);
	add_scans(plan->righttree, depth + 1, scans, lookups);
}

/*
 * Returns false for plans that mostly do something else, or a bit of both.
 */
static bool
kind_of_plan(const Plan *plan, GuardSpeedKind *kind)
{
	double		scans = 0;
	double		lookups = 0;

	add_scans(plan, 0, &scans, &lookups);
	if (Max(scans, lookups) < plan->total_cost / 2 ||
		Min(scans, lookups) > Max(scans, lookups) / 2)
		return false;
	*kind = scans > lookups ? GUARD_SPEED_SCAN : GUARD_SPEED_INDEX;
	return true;
}

/* ---- learning ---- */

static void
add_sample(SpeedRecord *record, GuardSpeedKind kind, double ms_per_cost)
{
	double		mean = record->samples == 0 ? log(assumed[kind]) :
		record->log_mean;
	double		distance = log(ms_per_cost) - mean;
	double		weight;

	distance = Max(Min(distance, log(FARTHEST)), -log(FARTHEST));
	record->samples++;
	weight = Max(1.0 / record->samples, 1.0 / MEMORY);
	record->log_mean = mean + weight * distance;
	record->log_deviation += weight * (fabs(distance) - record->log_deviation);
}

void
guard_speed_learn(QueryDesc *queryDesc)
{
	const Plan *plan = queryDesc->plannedstmt->planTree;
	double		milliseconds = guard_compat_execution_time(queryDesc);
	GuardSpeedKind kind;

	if (segment == NULL || milliseconds <= 0)
		return;

	/* A cursor closed early did less than its plan says. */
	if (queryDesc->operation == CMD_SELECT &&
		queryDesc->estate->es_processed < FETCHED * plan->plan_rows)
		return;
	if (!kind_of_plan(plan, &kind))
		return;
	if (!pg_atomic_test_set_flag(&segment->busy))
		return;
	add_sample(&segment->records[kind], kind, milliseconds / plan->total_cost);
	pg_atomic_clear_flag(&segment->busy);
}

void
guard_speed_read(GuardSpeedKind kind, GuardSpeed *speed)
{
	SpeedRecord record = {0};

	/* Read beside a writer, at worst one of its fields is a sample older. */
	if (segment != NULL)
		record = segment->records[kind];
	speed->executions = record.samples >= ENOUGH_SAMPLES ? record.samples : 0;
	if (speed->executions == 0)
	{
		speed->ms_per_cost = assumed[kind];
		speed->spread = ASSUMED_SPREAD;
		return;
	}
	speed->ms_per_cost = exp(record.log_mean);

	/* Twice the mean distance: most of what was measured lies inside. */
	speed->spread = Max(exp(2 * record.log_deviation), 1.5);
}
