/*-------------------------------------------------------------------------
 *
 * prediction.c
 *	  The model of predicted time, case by case.
 *
 * A program of its own, linked with prediction_model.c and nothing else.  The
 * first table is measured: what plans had to do and the times of one statement
 * each, before and after its index was really dropped, on PostgreSQL 15 with
 * everything in memory.  What the model says must lie within a factor of three
 * of it.
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
	double		now;			/* ms */
	double		fetches;		/* now */
	double		scan;			/* without the index: cost, */
	double		without;		/* fetches, */
	double		rest;			/* cost of what is done with the rows, */
	double		tried;			/* ms of conditions that were tried out */
	double		measured;		/* ms */
} Shape;

static const Shape shapes[] = {
	{"point look-up", 0.005, 4, 15232, 0, 0, 0, 44.569},
	{"range", 0.454, 500, 15753, 0, 0, 0, 46.339},
	{"inner side of a join", 2.537, 450, 8346, 0, 0, 0, 34.289},
	{"one of two in a bitmap AND", 0.082, 120, 0, 820, 0, 0, 0.412},
	{"small table", 0.006, 60, 457, 0, 0, 0, 1.538},
	{"update", 0.018, 4, 17878, 0, 0, 0, 50.191},
	{"expression of what is toasted", 0.016, 4, 0, 0, 0, 150, 202},
	{"full text", 0.79, 100, 0, 0, 0, 900, 1251},
	{"all of another index, sorted", 0.2, 60, 0, 66000, 4600, 0, 143}
};

/* What the server assumes as long as it has measured nothing. */
#define REST	{0.004, 4.0, 0.004, 0}
#define TRIED	{1, 2.5, 1, 0}
static const GuardSpeed assumed[] = {{0.004, 4.0, 0.004, 0}, {0.0006, 4.0, 0.0006, 0}, REST, TRIED};
static const GuardSpeed fooled[] = {{0.000004, 1.5, 0.004, 1500}, {0.0006, 4.0, 0.0006, 0}, REST, TRIED};

static int	tests = 0;

static void
ok(bool good, const char *name, const char *what, double value)
{
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++tests, name, what);
	if (!good)
		printf("# %g\n", value);
}

/* What the planner is sure of. */
static void
without_index(GuardOutlook *outlook, GuardEffortKind kind, double work)
{
	outlook->without.least[kind] = outlook->without.expected[kind] =
		outlook->without.most[kind] = work;
}

/* A statement that fetches rows now, and would scan, or fetch more of them. */
static GuardOutlook
outlook_of(double now, double fetches, double scan, double without)
{
	GuardOutlook outlook = {0};

	outlook.planned = outlook.timed = true;
	outlook.now = now;
	outlook.with.expected[GUARD_EFFORT_FETCH] = fetches;
	without_index(&outlook, GUARD_EFFORT_SCAN, scan);
	without_index(&outlook, GUARD_EFFORT_FETCH, without);
	outlook.scans = scan > 0;
	return outlook;
}

static GuardOutlook
predict(double now, double fetches, double scan, double without)
{
	GuardOutlook outlook = outlook_of(now, fetches, scan, without);

	guard_outlook_predict(&outlook, assumed);
	return outlook;
}

static void
measured_shapes(void)
{
	for (int i = 0; i < lengthof(shapes); i++)
	{
		const Shape *shape = &shapes[i];
		GuardOutlook outlook = outlook_of(shape->now, shape->fetches,
										  shape->scan, shape->without);
		double		ratio;

		without_index(&outlook, GUARD_EFFORT_REST, shape->rest);
		without_index(&outlook, GUARD_EFFORT_TRIED, shape->tried);
		guard_outlook_predict(&outlook, assumed);
		ratio = outlook.expected / shape->measured;
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

	outlook = predict(5.0, 100, 0, 100);
	ok(outlook.expected == 5.0 && outlook.high == 5.0,
	   "the same plan", "takes the same time", outlook.expected);

	outlook = predict(5.0, 100, 0, 90);
	ok(outlook.expected == 5.0,
	   "a plan that looks cheaper", "is not promised to be faster",
	   outlook.expected);

	/*
	 * 20 ms for 2000 rows: its own look-ups are slow (a disk), so the others
	 * are
	 */
	outlook = predict(20, 2000, 0, 4000);
	ok(fabs(outlook.expected - 40) < 0.001, "two costly look-ups",
	   "the statement's own speed serves", outlook.expected);
	ok(outlook.low < 21 && outlook.high > 40, "two costly look-ups",
	   "or it was an accident", outlook.low);

	/* a table read by index now, at 80 ms by estimate, in 1 ms in truth */
	outlook = predict(1, 133333, 25000, 0);
	ok(outlook.expected >= 100, "a scan", "takes its time whatever was estimated of now",
	   outlook.expected);

	/* a server that somebody made believe it were a thousand times as fast */
	outlook = outlook_of(0.01, 1, 1600, 0);
	guard_outlook_predict(&outlook, fooled);
	ok(outlook.expected < 0.02 && outlook.cautious > 6, "a speed too good",
	   "does not hide that a scan is slower", outlook.cautious);

	memset(&outlook, 0, sizeof(outlook));
	guard_outlook_predict(&outlook, assumed);
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
	outlook = outlook_of(0, 4, 10000, 0);
	outlook.timed = false;
	outlook.predicted = true;
	guard_outlook_predict(&outlook, assumed);
	ok(outlook.now < 0.01 && outlook.low <= 10.1 && outlook.expected > 39 &&
	   outlook.high >= 159, "no time measured", "what it has to do tells",
	   outlook.expected);

	/* what an expression takes that was not tried out, nobody can tell */
	outlook.computes = true;
	guard_outlook_predict(&outlook, assumed);
	ok(isinf(outlook.high) && outlook.expected > 39, "an expression",
	   "has no upper bound", outlook.high);
	outlook.calls = 1;
	guard_load_add(&load, &outlook);
	ok(load.open == 1 && load.busy_high == 1600, "load",
	   "which is told apart", load.busy_high);

	/*
	 * columns that go together: another index would find a hundred times as
	 * much
	 */
	outlook = outlook_of(0.1, 4, 0, 100);
	outlook.without.most[GUARD_EFFORT_FETCH] = 10000;
	guard_outlook_predict(&outlook, assumed);
	ok(outlook.expected < 0.2 && outlook.high > 20, "what the planner is unsure of",
	   "widens the upper bound", outlook.high);
}

/*
 * Two cores.  Measured: 20 ms alone, 98 a second, 20 connections: all of these
 * busy, and 217 ms a call; on a busier machine 53 and 537.
 */
static void
cores(void)
{
	const struct
	{
		const char *name;
		double		calls;
		double		ms;
		double		others;		/* busy connections */
		bool		fills;
		double		full_ms;
	}			cases[] = {
		{"two cores", 98, 20, 0.1, true, 200},
		{"two cores, busier", 98, 53, 0, true, 530},
		{"below the cores", 21, 6.8, 0.4, false, 6.8},
		{"just below", 99, 20, 0, false, 20},
		{"others are at it already", 1, 20, 5, false, 20}
	};

	for (int i = 0; i < lengthof(cases); i++)
	{
		GuardOutlook outlook = {0};
		GuardLoad	load = {0};

		outlook.predicted = true;
		outlook.calls = cases[i].calls;
		outlook.low = outlook.expected = outlook.high = cases[i].ms;
		guard_load_add(&load, &outlook);
		guard_load_hold(&load, cases[i].others, 2, 20);
		ok(load.fills == cases[i].fills, cases[i].name,
		   cases[i].fills ? "any pool fills" : "the pool does not fill",
		   load.busy_expected);
		ok(fabs(load.full - cases[i].full_ms) < 0.001, cases[i].name,
		   "time of a call", load.full);
	}
}

int
main(void)
{
	measured_shapes();
	corners();
	cores();
	printf("1..%d\n", tests);
	return 0;
}
