/*-------------------------------------------------------------------------
 *
 * prediction_model.c
 *	  From costs to time.
 *
 * This file is pure: arithmetic on its arguments, so that it can be tested by
 * a table of cases.
 *
 * A statement's own ratio of time to cost is a poor guide to what it would
 * take without its index, because with the index it is mostly overhead and
 * look-ups, and without it mostly a scan: of fifteen shapes measured, it was
 * off by more than a factor of three for nine, by up to twenty
 * (bench/prediction.sh measures them).  What the server takes for a unit of
 * cost in plans of the kind that the statement would then have is a good one.
 * The statement's own ratio serves where both plans are look-ups and the
 * present one is costly enough to say something.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "evidence/prediction.h"

/* So much more cost in another index is more than a look-up or two. */
#define LONG_WALK		100.0

/*
 * What the extra cost takes at a given speed.  A scan takes its time whatever
 * the costs of the present plan are, which often are those of a disk that is
 * not read.
 */
static double
time_at(const GuardOutlook *outlook, double ms_per_cost)
{
	double		added = Max(outlook->cost_without - outlook->cost_with, 0);
	double		result = outlook->now + added * ms_per_cost;

	if (outlook->scans && added > 0)
		result = Max(result, outlook->cost_without * ms_per_cost);
	return result;
}

void
guard_outlook_predict(GuardOutlook *outlook, const GuardSpeed *scan,
					  const GuardSpeed *index)
{
	GuardSpeed	speed = outlook->scans ? *scan : *index;
	double		fastest = speed.ms_per_cost / speed.spread;
	double		slowest = speed.ms_per_cost * speed.spread;

	if (!outlook->timed)
		outlook->now = outlook->cost_with * index->ms_per_cost;

	/* a long walk through another index may be as slow as reading all */
	if (!outlook->scans && outlook->cost_without - outlook->cost_with >= LONG_WALK)
		slowest = Max(slowest, scan->ms_per_cost * scan->spread);
	if (outlook->timed && !outlook->scans &&
		outlook->cost_with >= GUARD_SPEED_MIN_COST)
	{
		speed.ms_per_cost = outlook->now / outlook->cost_with;
		fastest = speed.ms_per_cost / speed.spread;
		slowest = Max(slowest, speed.ms_per_cost * speed.spread);
	}
	outlook->added = time_at(outlook, speed.ms_per_cost) - outlook->now;
	outlook->low = time_at(outlook, fastest);
	outlook->expected = time_at(outlook, speed.ms_per_cost);
	outlook->cautious = time_at(outlook, Max(speed.ms_per_cost, speed.assumed));
	outlook->high = outlook->computes ? INFINITY : time_at(outlook, slowest);
}

void
guard_load_add(GuardLoad *load, const GuardOutlook *outlook)
{
	double		calls = load->calls + outlook->calls;

	load->statements++;
	if (!outlook->predicted)
		return;
	load->known++;
	if (calls > 0)
	{
		load->now = (load->now * load->calls +
					 outlook->now * outlook->calls) / calls;
		load->expected = (load->expected * load->calls +
						  outlook->expected * outlook->calls) / calls;
	}
	load->calls = calls;
	load->busy_now += outlook->calls * outlook->now / 1000;
	load->busy_low += outlook->calls * outlook->low / 1000;
	load->busy_expected += outlook->calls * outlook->expected / 1000;
	if (isinf(outlook->high))
		load->open++;
	else
		load->busy_high += outlook->calls * outlook->high / 1000;
}
