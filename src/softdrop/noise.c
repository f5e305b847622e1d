/*-------------------------------------------------------------------------
 *
 * noise.c
 *	  Has a statement become slower, or does it only look so?
 *
 * A false alarm gives back an index that nobody needs, which costs little; a
 * missed one is an outage.  But a watch that restores whatever it is told to
 * watch is no watch, so proof is asked for:
 *
 *	- enough calls, and not one outlier among them: the longest is left out;
 *	- slower than the factor that is allowed, beyond what the statement varied
 *	  before, and by enough to matter to anybody;
 *	- not because it returns more rows, nor because everything has become
 *	  slower: the expectation is raised by both;
 *	- slow calls may not have finished.  Several that run for longer than any
 *	  did before are proof as well, and so is a single one that runs on and on.
 *
 * This file is pure: it reads no clock, no setting, no catalog, and allocates
 * nothing, so that it can be tested by a table of cases.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "softdrop/noise.h"

/* So many calls are more than chance. */
#define ENOUGH_CALLS	5

/* So many of them running too long at once, or having done so, as well. */
#define ENOUGH_RUNNING	3

/*
 * What is lost must matter: this much of one connection's time (20 ms each
 * second), or this much in each call (50 ms, what a person begins to notice in a
 * page that needs a few of them).
 */
#define MATTERS_SHARE	0.02
#define MATTERS_CALL	50.0

/* Shorter than this no running call is long. */
#define RUNNING_LONG_MIN	100.0

/*
 * One call alone must have run for this long, and for ten times what the
 * factor allows.
 */
#define ALONE_MIN		2000.0
#define ALONE_TIMES		10.0

/* With fewer calls before, what they took says half as much. */
#define KNOWN_CALLS		10

/* Controls need this many calls to say anything. */
#define CONTROL_CALLS	5
#define CONTROLS_CALLS	30
#define MAX_CONTROLS	512

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/*
 * The median of the controls' own factors: a few that have become slower for
 * reasons of their own change nothing.
 */
double
guard_noise_general(const GuardNoiseStatement *controls, int n)
{
	double		factors[MAX_CONTROLS];
	int			known = 0;
	int64		calls = 0;

	for (int i = 0; i < n && known < MAX_CONTROLS; i++)
	{
		const GuardNoiseStatement *control = &controls[i];

		if (control->calls < CONTROL_CALLS || control->mean_before <= 0 ||
			control->calls_before < KNOWN_CALLS)
			continue;
		factors[known++] = control->time / control->calls / control->mean_before;
		calls += control->calls;
	}
	if (known == 0 || calls < CONTROLS_CALLS)
		return 1.0;
	qsort(factors, known, sizeof(double), compare_doubles);
	return Max(factors[known / 2], 1.0);
}

double
guard_noise_expected(const GuardNoiseStatement *statement, double general)
{
	double		expected = statement->mean_before * Max(general, 1.0);

	if (statement->calls > 0 && statement->rows_before > 0)
		expected *= Max(statement->rows / statement->calls / statement->rows_before, 1.0);
	return expected;
}

double
guard_noise_limit(const GuardNoiseStatement *statement, double factor,
				  double general)
{
	double		limit = 2 * factor * statement->mean_before * Max(general, 1.0);

	limit = Max(limit, statement->max_before * Max(general, 1.0));
	return Max(limit, RUNNING_LONG_MIN);
}

/*
 * The mean of the finished calls without the longest.
 */
static double
trimmed_mean(const GuardNoiseStatement *statement)
{
	if (statement->calls < 2)
		return statement->time;
	return Max(statement->time - statement->longest, 0) / (statement->calls - 1);
}

/*
 * Do the finished calls prove it?
 */
static bool
finished_prove(const GuardNoiseStatement *statement, double factor,
			   double mean, double expected)
{
	double		lost = mean - expected;

	if (statement->calls < ENOUGH_CALLS || mean <= factor * expected)
		return false;

	/* three standard errors: once in a thousand by chance */
	if (lost <= 3 * statement->stddev_before / sqrt((double) statement->calls))
		return false;
	return lost >= MATTERS_CALL ||
		(statement->seconds > 0 &&
		 lost * statement->calls / 1000.0 / statement->seconds >= MATTERS_SHARE);
}

/*
 * Do the running calls, together with those that have just finished slowly?
 */
static bool
running_prove(const GuardNoiseStatement *statement, double factor,
			  double general, double mean, double expected)
{
	double		alone = Max(ALONE_TIMES * factor * expected,
							2 * statement->max_before * Max(general, 1.0));

	if (statement->longest_running >= Max(alone, ALONE_MIN))
		return true;
	if (statement->running_long == 0)
		return false;
	if (statement->calls > 0 && mean > factor * expected &&
		mean - expected >= MATTERS_CALL)
		return statement->running_long + statement->calls >= ENOUGH_RUNNING;
	return statement->running_long >= ENOUGH_RUNNING;
}

GuardNoiseFinding
guard_noise_judge(const GuardNoiseStatement *statement, double factor,
				  double general)
{
	GuardNoiseFinding finding = {0};

	/* Of what nothing is known from before nothing can be said. */
	finding.enough = statement->calls >= ENOUGH_CALLS;
	if (statement->calls_before < 1 || statement->mean_before <= 0)
		return finding;
	if (statement->calls_before < KNOWN_CALLS)
		factor *= 2;

	finding.expected = guard_noise_expected(statement, general);
	finding.mean = trimmed_mean(statement);
	if (finished_prove(statement, factor, finding.mean, finding.expected))
		finding.slower = true;
	else if (running_prove(statement, factor, general, finding.mean,
						   finding.expected))
	{
		finding.slower = true;
		finding.still_running = true;
		finding.mean = statement->longest_running;
	}
	return finding;
}
