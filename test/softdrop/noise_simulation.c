/*-------------------------------------------------------------------------
 *
 * noise_simulation.c
 *	  Heavy tails: how often is what did not become slower given back, and how
 *	  soon what did?
 *
 * A statement of which 95 calls of 100 take 9 ms and the others 450, as where
 * few tenants are large, is counted for a minute, then watched for an hour at
 * the times at which visits come.  Always the same random numbers.
 *
 * Linked with noise.c and nothing of the server.  Prints TAP.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>
#include <stdlib.h>

#include "softdrop/steps.h"

/* The server's own printf and qsort are not linked either. */
#undef printf

#define RUNS		60
#define BEFORE		60.0		/* seconds */
#define WATCHED		3600.0
#define WAITED		5.0			/* for an answer */
#define ANSWER_HOLDS	60.0
#define FACTOR		3.0

static uint64 state;

/* xorshift64*: the same everywhere */
static double
uniform(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return ((state * UINT64CONST(2685821657736338717)) >> 11) * (1.0 / 9007199254740992.0);
}

/* One call: when it began, and how long it took, in seconds and milliseconds. */
typedef struct Call
{
	double		began;
	double		took;
} Call;

static double
next_call(double rate)
{
	return -log(1 - uniform()) / rate;
}

static double
tail(double times)
{
	return times * (uniform() < 0.05 ? 450.0 : 9.0);
}

static double
light(double times)
{
	return times * 9.0 * (0.5 + uniform());
}

static void
count(GuardNoiseCounters *counters, double took)
{
	counters->calls++;
	counters->time += took;
	counters->squares += took * took;
	counters->rows++;
	counters->longest = Max(counters->longest, took);
}

static void
take_baseline(GuardNoiseStatement *s, const GuardNoiseCounters *c)
{
	s->calls_before = c->calls;
	s->mean_before = c->time / c->calls;
	s->stddev_before = sqrt(Max(c->squares / c->calls - s->mean_before * s->mean_before, 0));
	s->max_before = c->longest;
	s->rows_before = 1;
}

#define MAX_RUNNING 4096

/*
 * Seconds until it is given back; -1: not within the hour.
 */
static double
watch(double rate, double (*take) (double), double times, GuardNoiseAnswer answer)
{
	GuardNoiseStatement s = {0};
	GuardNoiseGeneral general = {1, 1};
	GuardNoiseCounters counters = {0};
	GuardNoiseCounters seen;
	static Call running[MAX_RUNNING];
	int			nrunning = 0;
	double		at;
	double		visit = 0;
	double		window = 0;
	double		asked = -1;
	int			in_a_row = 0;

	for (at = next_call(rate); at < BEFORE; at += next_call(rate))
		count(&counters, take(1));
	if (counters.calls == 0)
		return -1;
	take_baseline(&s, &counters);
	seen = counters;
	at = next_call(rate);
	while (visit < WATCHED)
	{
		GuardNoiseFinding finding;
		GuardNoiseStep step;
		GuardNoiseAnswer known;
		bool		waiting = asked >= 0 && visit - asked < WAITED;

		visit += waiting ? 0.25 : visit < 60 ? 1 : visit < 300 ? 5 : 10;
		for (; at < visit && nrunning < MAX_RUNNING; at += next_call(rate))
		{
			running[nrunning].began = at;
			running[nrunning++].took = take(times);
		}
		s.running = s.running_long = 0;
		s.longest_running = 0;
		for (int i = nrunning - 1; i >= 0; i--)
		{
			double		elapsed = (visit - running[i].began) * 1000;

			if (elapsed >= running[i].took)
			{
				count(&counters, running[i].took);
				running[i] = running[--nrunning];
				continue;
			}
			s.running++;
			s.longest_running = Max(s.longest_running, elapsed);
			s.running_long += elapsed > guard_noise_limit(&s, FACTOR);
		}
		guard_noise_window(&s, &seen, &counters);
		s.seconds = visit - window;
		if (asked >= 0 && visit - asked > ANSWER_HOLDS)
			asked = -1;
		finding = guard_noise_judge(&s, FACTOR, &general);
		if (asked < 0 && finding.suspect)
			asked = visit;
		known = asked == visit || (answer == GUARD_NOISE_NONE && visit - asked < WAITED) ?
			GUARD_NOISE_WAITING : answer;
		step = guard_noise_decide(&finding, known, in_a_row);
		if (step.restore)
			return visit;
		in_a_row = step.in_a_row;
		if (step.end)
		{
			window = visit;
			seen = counters;
		}
	}
	return -1;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

typedef struct Simulation
{
	const char *name;
	double		rate;
	double		(*take) (double);
	double		times;
	GuardNoiseAnswer answer;
	double		at_most;		/* median of the seconds; 0: never */
	int			missed;			/* at most */
} Simulation;

static const Simulation simulations[] = {
	/* nothing has changed */
	{"heavy tail as before, no answer, 1/s", 1, tail, 1, GUARD_NOISE_NONE, 0, RUNS},
	{"heavy tail as before, no answer, 5/s", 5, tail, 1, GUARD_NOISE_NONE, 0, RUNS},
	{"heavy tail as before, no answer, 20/s", 20, tail, 1, GUARD_NOISE_NONE, 0, RUNS},
	{"heavy tail as before, innocent, 5/s", 5, tail, 1, GUARD_NOISE_INNOCENT, 0, RUNS},
	{"light tail as before, used, 20/s", 20, light, 1, GUARD_NOISE_USED, 0, RUNS},

	/* it has: a median no later than with the rule of five calls alone */
	{"heavy tail five times slower, used, 1/s", 1, tail, 5, GUARD_NOISE_USED, 40, 0},
	{"heavy tail five times slower, used, 5/s", 5, tail, 5, GUARD_NOISE_USED, 8, 0},
	{"heavy tail five times slower, used, 20/s", 20, tail, 5, GUARD_NOISE_USED, 3, 0},

	/* nobody knows of the index, so it takes longer */
	{"heavy tail five times slower, no answer, 5/s", 5, tail, 5, GUARD_NOISE_NONE, 120, 0},
	{"heavy tail five times slower, no answer, 20/s", 20, tail, 5, GUARD_NOISE_NONE, 30, 0},
	{"light tail five times slower, no answer, 1/s", 1, light, 5, GUARD_NOISE_NONE, 30, 0},
	{"light tail five times slower, no answer, 5/s", 5, light, 5, GUARD_NOISE_NONE, 10, 0},
	{"light tail five times slower, no answer, 20/s", 20, light, 5, GUARD_NOISE_NONE, 10, 0},

	/*
	 * sixty calls do not tell what happens once in twenty: half of the runs
	 * take hours
	 */
	{"heavy tail five times slower, no answer, 1/s", 1, tail, 5, GUARD_NOISE_NONE, 900, 40},
};

/* What noise.c sorts with comes from the server as well. */
void
pg_qsort(void *base, size_t nel, size_t elsize, int (*cmp) (const void *, const void *))
{
#undef qsort
	qsort(base, nel, elsize, cmp);
}

int
main(void)
{
	int			failed = 0;

	printf("1..%d\n", (int) lengthof(simulations));
	for (int i = 0; i < (int) lengthof(simulations); i++)
	{
		const Simulation *sim = &simulations[i];
		double		seconds[RUNS];
		int			restored = 0;
		double		median = 0;
		bool		ok;

		for (int run = 0; run < RUNS; run++)
		{
			double		after;

			state = UINT64CONST(88172645463325252) + run * UINT64CONST(1000003) + i;
			after = watch(sim->rate, sim->take, sim->times, sim->answer);
			if (after >= 0)
				seconds[restored++] = after;
		}
		qsort(seconds, restored, sizeof(double), compare);
		if (restored > 0)
			median = seconds[restored / 2];
		ok = sim->at_most == 0 ? restored == 0 :
			median <= sim->at_most && RUNS - restored <= sim->missed;
		printf("# %s: %d of %d restored, median after %.0f s\n", sim->name, restored, RUNS, median);
		printf("%sok %d - %s\n", ok ? "" : "not ", i + 1, sim->name);
		failed += !ok;
	}
	return failed > 0;
}
