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
 * look-ups, and without it mostly something else.  What the server takes for a
 * unit of each kind of work is a good one (bench/prediction.sh measures it).
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

/* A statement that takes so long tells something of its own speed. */
#define OWN_SPEED_MS	0.5

/* Who wants no more of the cores than this, more than now, fills no pool. */
#define NOTICEABLE		0.05

typedef enum Bound
{
	LOW, EXPECTED, CAUTIOUS, HIGH
} Bound;

/* What a unit of work takes, at its least, usually, and at its most. */
static double
speed_of(const GuardSpeed *speed, Bound bound)
{
	switch (bound)
	{
		case LOW:
			return speed->ms / speed->spread;
		case CAUTIOUS:
			return Max(speed->ms, speed->assumed);
		case HIGH:
			return speed->ms * speed->spread;
		default:
			return speed->ms;
	}
}

static double
time_of(const float *work, const GuardSpeed *speeds, Bound bound)
{
	double		result = 0;

	for (int i = 0; i < GUARD_EFFORT_KINDS; i++)
		result += work[i] * speed_of(&speeds[i], bound);
	return result;
}

/*
 * Reading a table from end to end takes its time whatever the present plan was
 * thought to do.
 */
static double
time_of_scans(const float *work, const GuardSpeed *speeds, Bound bound)
{
	return work[GUARD_EFFORT_SCAN] * speed_of(&speeds[GUARD_EFFORT_SCAN], bound) +
		work[GUARD_EFFORT_TRIED] * speed_of(&speeds[GUARD_EFFORT_TRIED], bound);
}

/*
 * How much slower is the statement than others at what it does now?  Where it
 * goes on doing that, the bounds have both.
 */
static double
own_factor(const GuardOutlook *outlook, const GuardSpeed *speeds, Bound bound)
{
	double		usual = time_of(outlook->with.expected, speeds, EXPECTED);
	double		factor;

	if (!outlook->timed || outlook->scans || usual < OWN_SPEED_MS)
		return 1;
	factor = Max(outlook->now / usual, 1 / speeds[GUARD_EFFORT_FETCH].spread);
	if (bound == EXPECTED)
		return factor;
	return bound == LOW ? Min(factor, 1) : Max(factor, 1);
}

/*
 * Without the index.  What both plans do takes what it takes now.
 */
static double
time_without(const GuardOutlook *outlook, const GuardSpeed *speeds, Bound bound)
{
	const float *without = bound == HIGH ? outlook->without.most :
		bound == LOW ? outlook->without.least : outlook->without.expected;
	float		more[GUARD_EFFORT_KINDS];
	double		result;

	for (int i = 0; i < GUARD_EFFORT_KINDS; i++)
		more[i] = without[i] - outlook->with.expected[i];
	result = outlook->now + time_of(more, speeds, bound) *
		own_factor(outlook, speeds, bound);
	return Max(Max(result, outlook->now), time_of_scans(more, speeds, bound));
}

/* Fill in times. */
void
guard_outlook_predict(GuardOutlook *outlook, const GuardSpeed *speeds)
{
	if (!outlook->timed)
		outlook->now = time_of(outlook->with.expected, speeds, EXPECTED);
	outlook->expected = time_without(outlook, speeds, EXPECTED);
	outlook->added = outlook->expected - outlook->now;
	outlook->low = Min(time_without(outlook, speeds, LOW), outlook->expected);
	outlook->cautious = time_without(outlook, speeds, CAUTIOUS);
	outlook->high = outlook->computes ? INFINITY :
		Max(time_without(outlook, speeds, HIGH), outlook->expected);
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

/* Does it want more than there is? */
void
guard_load_hold(GuardLoad *load, double others, int cores, int pool)
{
	load->cores = cores;
	load->pool = pool;
	load->fills = load->busy_expected + others >= cores &&
		load->busy_expected - load->busy_now >= cores * NOTICEABLE;
	load->may_fill = load->busy_high + others >= cores &&
		load->busy_high - load->busy_now >= cores * NOTICEABLE;
	load->full = load->fills ? load->expected * Max(pool, cores) / cores :
		load->expected;
}
