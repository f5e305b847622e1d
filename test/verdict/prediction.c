/*-------------------------------------------------------------------------
 *
 * prediction.c
 *	  The model of predicted time, case by case.
 *
 * A program of its own, linked with prediction_model.c and nothing else.  The
 * first table is measured: costs and times of one statement each, before and
 * after its index was really dropped, on PostgreSQL 15 with everything in
 * memory.  What the model says must lie within a factor of three of it.
 * Prints TAP.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "evidence/prediction.h"

/* The server's own printf is not linked either. */
#undef printf

typedef struct Shape
{
	const char *name;
	double		cost_with;
	double		now;			/* ms */
	double		cost_without;
	double		measured;		/* ms */
	bool		scans;
} Shape;

static const Shape shapes[] = {
	{"point look-up", 8.44, 0.005, 15232.27, 44.569, true},
	{"range", 1674.34, 0.454, 15753.77, 46.339, true},
	{"order by, limit", 3.0, 0.023, 16119.65, 73.189, true},
	{"inner side of a join", 1399.09, 2.537, 8346.16, 34.289, true},
	{"one of two in a bitmap AND", 22.19, 0.082, 2273.24, 0.412, false},
	{"partial", 162.13, 0.045, 16277.63, 57.521, true},
	{"expression", 8.44, 0.006, 16003.0, 101.935, true},
	{"index-only count", 12582.14, 18.889, 15253.8, 52.177, true},
	{"min/max", 0.48, 0.008, 15232.39, 65.047, true},
	{"GIN containment", 78.87, 0.209, 15232.4, 98.367, true},
	{"BRIN range", 9852.36, 2.709, 14591.02, 56.422, true},
	{"partitioned", 94.19, 0.019, 13414.91, 46.173, true},
	{"proof of a join removal", 7629.43, 30.773, 8111.46, 32.373, true},
	{"small table", 8.3, 0.006, 457.0, 1.538, true},
	{"update", 8.44, 0.018, 17878.0, 50.191, true}
};

/* What the server assumes as long as it has measured nothing. */
static const GuardSpeed scan = {0.004, 4.0, 0.004, 0};
static const GuardSpeed look_up = {0.0004, 4.0, 0.0004, 0};
static const GuardSpeed fooled = {0.000004, 1.5, 0.004, 1500};

static int	tests = 0;

static void
ok(bool good, const char *name, const char *what, double value)
{
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++tests, name, what);
	if (!good)
		printf("# %g\n", value);
}

static GuardOutlook
predict(double now, double cost_with, double cost_without, bool scans)
{
	GuardOutlook outlook = {0};

	outlook.planned = outlook.timed = true;
	outlook.now = now;
	outlook.cost_with = cost_with;
	outlook.cost_without = cost_without;
	outlook.scans = scans;
	guard_outlook_predict(&outlook, &scan, &look_up);
	return outlook;
}

static void
measured_shapes(void)
{
	for (int i = 0; i < lengthof(shapes); i++)
	{
		const Shape *shape = &shapes[i];
		GuardOutlook outlook = predict(shape->now, shape->cost_with,
									   shape->cost_without, shape->scans);
		double		ratio = outlook.expected / shape->measured;

		ok(ratio > 1 / 3.0 && ratio < 3, shape->name,
		   "within a factor of three", ratio);
		ok(outlook.low <= shape->measured && shape->measured <= outlook.high,
		   shape->name, "between low and high", outlook.high);
	}
}

static void
corners(void)
{
	GuardOutlook outlook;
	GuardLoad	load = {0};

	outlook = predict(5.0, 100, 100, false);
	ok(outlook.expected == 5.0 && outlook.high == 5.0,
	   "the same plan", "takes the same time", outlook.expected);

	outlook = predict(5.0, 100, 90, true);
	ok(outlook.expected == 5.0,
	   "a plan that looks cheaper", "is not promised to be faster",
	   outlook.expected);

	/* 20 s for 2000: its own look-ups are slow (a disk), so the others are */
	outlook = predict(20, 2000, 4000, false);
	ok(outlook.expected == 40,
	   "two costly look-ups", "the statement's own ratio serves",
	   outlook.expected);

	/* a server that somebody made believe it were a thousand times as fast */
	memset(&outlook, 0, sizeof(outlook));
	outlook.planned = outlook.timed = outlook.scans = true;
	outlook.now = 0.01;
	outlook.cost_with = 8;
	outlook.cost_without = 1600;
	guard_outlook_predict(&outlook, &fooled, &look_up);
	ok(outlook.expected < 0.02 && outlook.cautious > 6, "a speed too good",
	   "does not hide that a scan is slower", outlook.cautious);

	memset(&outlook, 0, sizeof(outlook));
	guard_outlook_predict(&outlook, &scan, &look_up);
	ok(outlook.expected == 0, "nothing known", "nothing is predicted",
	   outlook.expected);

	/* the incident: 400 calls a second, 0.8 ms, then 2.4 s */
	guard_load_add(&load, &outlook);
	outlook.predicted = outlook.timed = true;
	outlook.calls = 400;
	outlook.now = 0.8;
	outlook.low = 1000;
	outlook.expected = 2400;
	outlook.high = 4000;
	guard_load_add(&load, &outlook);
	ok(load.statements == 2 && load.known == 1, "load",
	   "one of two statements is known", load.known);
	ok(load.busy_expected == 960 && load.busy_low == 400, "load",
	   "400 calls a second of 2.4 s keep 960 connections busy",
	   load.busy_expected);
	ok(load.busy_now > 0.319 && load.busy_now < 0.321, "load",
	   "and now a third of one", load.busy_now);
	outlook.calls = 0;
	guard_load_add(&load, &outlook);
	ok(load.busy_expected == 960 && load.expected == 2400, "load",
	   "what is not called adds nothing", load.busy_expected);

	/* in a function, or a foreign key's: pg_stat_statements knows no time */
	memset(&outlook, 0, sizeof(outlook));
	outlook.predicted = outlook.scans = true;
	outlook.cost_with = 8;
	outlook.cost_without = 10000;
	guard_outlook_predict(&outlook, &scan, &look_up);
	ok(outlook.now < 0.01 && outlook.low <= 10 && outlook.expected > 39 &&
	   outlook.high >= 160, "no time measured", "its costs tell",
	   outlook.expected);

	/* what an expression takes, no cost tells */
	outlook.computes = true;
	guard_outlook_predict(&outlook, &scan, &look_up);
	ok(isinf(outlook.high) && outlook.expected > 39, "an expression",
	   "has no upper bound", outlook.high);
	outlook.calls = 1;
	guard_load_add(&load, &outlook);
	ok(load.open == 1 && load.busy_high == 1600, "load",
	   "which is told apart", load.busy_high);

	/* 140 ms for 2500 units were seen */
	outlook = predict(0.2, 8, 2500, false);
	ok(outlook.expected < 2 && outlook.high > 35, "a long walk",
	   "may be as slow as a scan", outlook.high);
	outlook = predict(0.2, 8, 60, false);
	ok(outlook.high < 0.4, "some look-ups more", "are look-ups", outlook.high);
}

int
main(void)
{
	measured_shapes();
	corners();
	printf("1..%d\n", tests);
	return 0;
}
