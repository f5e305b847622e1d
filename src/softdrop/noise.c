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
 *	- not because it waited for locks: a call that waits is not slow, but late;
 *	- slow calls may not have finished.  Several that run for longer than any
 *	  did before are proof as well, and so is a single one that runs on and on.
 *
 * That is enough where the planner would use the index if it saw it.  Where
 * nobody could say whether it would, figures alone must do, and they are asked
 * for more, for most statements have few calls that take very long: two such
 * in a handful are no proof.
 *
 *	- Most calls must be slow.  pg_stat_statements keeps no call, but sums of
 *	  times and of their squares, and k calls cannot add up to more than the
 *	  square root of k times the sum of squares: what is left for the rest is
 *	  slow all the same.
 *	- Or there are many calls, and the mean is beyond what they vary now, even
 *	  without those that may have had no like before, by chance.
 *	- Twice in a row, in windows that have nothing in common.
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

#include "softdrop/steps.h"

/* So many calls are more than chance. */
#define ENOUGH_CALLS	5

/* So many of them running too long at once, or having done so, as well. */
#define ENOUGH_RUNNING	3

/* Shorter windows say nothing of calls per second, nor begin anew. */
#define SHORTEST_WINDOW		0.5
#define RATE_WINDOW			1.0

/*
 * Figures alone: this many calls of which this share is left out, or so many
 * that their mean says something, and so many that it has said it; and in so
 * many windows.
 */
#define ALONE_CALLS		10
#define ALONE_LEFT_OUT	0.25
#define ALONE_MANY		30
#define ALONE_PLENTY	300
#define ALONE_WINDOWS	2

/*
 * What happens in less than this many of the calls from before may have
 * happened in none of them: by a chance of one in twenty.
 */
#define UNSEEN_CALLS	3.0

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

/* So many that take at least a quarter as long speak for all. */
#define SIMILAR_CONTROLS	3
#define SIMILAR_TIMES		0.25

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

bool
guard_noise_window(GuardNoiseStatement *statement,
				   const GuardNoiseCounters *seen,
				   const GuardNoiseCounters *now)
{
	static const GuardNoiseCounters nothing = {0};
	int64		began = seen->at;

	statement->lost = true;
	if (now->reset_at > began)
		seen = &nothing;
	if (now->calls < seen->calls || now->time < seen->time || now->at < began)
		return false;
	statement->lost = now->reset_at > began;
	statement->calls = now->calls - seen->calls;
	statement->time = now->time - seen->time;
	statement->squares = Max(now->squares - seen->squares, 0);
	statement->rows = now->rows - seen->rows;
	statement->longest = now->longest > seen->longest ? now->longest : 0;
	return true;
}

/*
 * The factor of which "share" of them are smaller; they are sorted.
 */
static double
quantile(const double *factors, int n, double share)
{
	return Max(factors[Min((int) (n * share), n - 1)], 1.0);
}

/*
 * Short calls are hardly ever preempted where cores are few, long ones are, so
 * those that take as long speak first.  A few that have become slower for
 * reasons of their own change nothing in the middle.
 */
GuardNoiseGeneral
guard_noise_general(const GuardNoiseStatement *controls, int n,
					double mean_before)
{
	GuardNoiseGeneral general = {1.0, 1.0};
	double		factors[MAX_CONTROLS];
	double		similar[MAX_CONTROLS];
	int			known = 0;
	int			alike = 0;
	int64		calls = 0;

	for (int i = 0; i < n && known < MAX_CONTROLS; i++)
	{
		const GuardNoiseStatement *control = &controls[i];

		if (control->calls < CONTROL_CALLS || control->mean_before <= 0 ||
			control->calls_before < KNOWN_CALLS)
			continue;
		factors[known] = control->time / control->calls / control->mean_before;
		if (control->mean_before >= mean_before * SIMILAR_TIMES)
			similar[alike++] = factors[known];
		known++;
		calls += control->calls;
	}
	if (known == 0 || (calls < CONTROLS_CALLS && alike < SIMILAR_CONTROLS))
		return general;
	qsort(factors, known, sizeof(double), compare_doubles);
	qsort(similar, alike, sizeof(double), compare_doubles);
	general.middle = alike >= SIMILAR_CONTROLS ?
		quantile(similar, alike, 0.5) : quantile(factors, known, 0.5);
	general.most = Max(general.middle, quantile(factors, known, 0.9));
	return general;
}

/*
 * What one call is expected to take now, at most.
 */
static double
expected_time(const GuardNoiseStatement *statement, double general)
{
	double		expected = statement->mean_before * general;

	if (statement->calls > 0 && statement->rows_before > 0)
		expected *= Max(statement->rows / statement->calls / statement->rows_before, 1.0);
	return expected;
}

double
guard_noise_limit(const GuardNoiseStatement *statement, double factor)
{
	double		limit = Max(2 * factor * statement->mean_before,
							statement->max_before);

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
 * The least that the mean can be without any "left_out" of them.
 */
static double
mean_of_rest(const GuardNoiseStatement *statement, double left_out)
{
	double		rest = statement->calls - left_out;

	if (rest < 1)
		return 0;
	return Max(statement->time - sqrt(left_out * statement->squares), 0) / rest;
}

/*
 * Is so much lost by each call that somebody minds?
 */
static bool
matters(const GuardNoiseStatement *statement, double lost)
{
	return lost >= MATTERS_CALL ||
		lost * statement->calls / 1000.0 >=
		MATTERS_SHARE * Max(statement->seconds, RATE_WINDOW);
}

/*
 * Do the finished calls show it, if the index would be used?
 */
static bool
finished_show(const GuardNoiseStatement *statement, double factor,
			  double mean, double expected)
{
	double		lost = mean - expected;

	if (statement->calls < ENOUGH_CALLS ||
		statement->seconds < SHORTEST_WINDOW || mean <= factor * expected)
		return false;

	/* three standard errors: once in a thousand by chance */
	return lost > 3 * statement->stddev_before / sqrt((double) statement->calls) &&
		matters(statement, lost);
}

/*
 * Are most of them slow?  The rest may be as slow as it likes.
 */
static bool
most_are_slow(const GuardNoiseStatement *statement, double factor,
			  double expected)
{
	double		left_out = ceil(statement->calls * ALONE_LEFT_OUT);

	return mean_of_rest(statement, left_out) > factor * expected;
}

/*
 * Do they prove it by themselves?
 */
static bool
finished_prove(const GuardNoiseStatement *statement, double factor,
			   double expected)
{
	double		n = statement->calls;
	double		mean = n > 0 ? statement->time / n : 0;
	double		unseen;
	double		stddev;

	if (n < ALONE_CALLS)
		return false;
	if (most_are_slow(statement, factor, expected))
		return true;
	if (n < ALONE_MANY)
		return false;
	unseen = ceil(n * Min(UNSEEN_CALLS / statement->calls_before, 1.0));
	stddev = sqrt(Max(statement->squares / n - mean * mean, 0));
	return mean_of_rest(statement, unseen) > factor * expected &&
		mean - expected > 3 * Max(stddev, statement->stddev_before) / sqrt(n);
}

/*
 * Do the running calls, together with those that have just finished slowly?
 */
static bool
running_show(const GuardNoiseStatement *statement, double factor,
			 double general, double mean, double expected)
{
	double		alone = Max(ALONE_TIMES * factor * expected,
							2 * statement->max_before * general);

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
guard_noise_judge(const GuardNoiseStatement *window, double factor,
				  const GuardNoiseGeneral *general)
{
	GuardNoiseStatement only_running;
	const GuardNoiseStatement *statement = window;
	GuardNoiseFinding finding = {0};
	bool		finished;
	bool		running;
	double		at_most;

	if (window->late)
	{
		only_running = *window;
		only_running.calls = 0;
		only_running.time = only_running.squares = only_running.rows = 0;
		statement = &only_running;
	}

	/* Of what nothing is known from before nothing can be said. */
	finding.enough = window->late || (statement->calls >= ENOUGH_CALLS &&
									  statement->seconds >= SHORTEST_WINDOW);
	if (statement->calls_before < 1 || statement->mean_before <= 0)
		return finding;
	if (statement->calls_before < KNOWN_CALLS)
		factor *= 2;

	finding.expected = expected_time(statement, general->middle);
	finding.mean = trimmed_mean(statement);
	finished = finished_show(statement, factor, finding.mean, finding.expected);
	running = running_show(statement, factor, general->middle, finding.mean,
						   finding.expected);
	finding.slower = finished || running;
	finding.suspect = finding.slower || statement->running_long > 0 ||
		(statement->calls > 1 && finding.mean > factor * finding.expected &&
		 matters(statement, finding.mean - finding.expected));
	if (!finding.slower)
		return finding;

	/* While the others are as fast as ever, a few that run on are its tail. */
	at_most = expected_time(statement, general->most);
	if (finished)
		finding.proven = finished_prove(statement, factor, at_most);
	else
		finding.proven = running_show(statement, factor, general->most,
									  finding.mean, at_most) &&
			(statement->calls < ENOUGH_CALLS ||
			 most_are_slow(statement, factor, at_most));
	finding.enough = window->late || finding.proven || statement->calls >= ALONE_PLENTY;
	if (!finished)
	{
		finding.still_running = true;
		finding.mean = statement->longest_running;
	}
	return finding;
}

GuardNoiseStep
guard_noise_decide(const GuardNoiseFinding *finding, GuardNoiseAnswer answer,
				   int in_a_row)
{
	GuardNoiseStep step = {0};

	step.end = finding->enough ||
		(finding->slower && answer == GUARD_NOISE_INNOCENT);
	step.in_a_row = !step.end ? in_a_row : finding->proven ? in_a_row + 1 : 0;
	if (answer == GUARD_NOISE_USED)
		step.restore = finding->slower;
	else if (answer == GUARD_NOISE_NONE)
		step.restore = finding->proven && step.in_a_row >= ALONE_WINDOWS;
	return step;
}
