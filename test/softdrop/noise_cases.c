/*-------------------------------------------------------------------------
 *
 * noise_cases.c
 *	  Has a statement become slower, or does it only look so?  Case by case.
 *
 * Linked with noise.c and nothing of the server.  Prints TAP.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "softdrop/noise.h"

/* The server's own printf and qsort are not linked either. */
#undef printf

typedef struct Case
{
	const char *name;
	GuardNoiseStatement s;
	double		general;		/* 0: nothing else has changed */
	bool		slower;
	bool		still_running;
} Case;

/* a point look-up: 0.2 ms, one row, called all day */
#define LOOKUP	.calls_before = 100000, .mean_before = 0.2, .stddev_before = 0.1, .max_before = 40, .rows_before = 1
/* a report: half a minute, once a week */
#define REPORT	.calls_before = 4, .mean_before = 30000, .stddev_before = 3000, .max_before = 34000, .rows_before = 100
/* calls in a window of one second */
#define CALLS(n, ms)	.seconds = 1, .calls = (n), .time = (n) * (double) (ms), .rows = (n)

static const Case cases[] = {
	{"nothing was called", {LOOKUP, .seconds = 1}},
	{"as before", {LOOKUP, CALLS(500, 0.2)}},
	{"twice as slow", {LOOKUP, CALLS(500, 0.4)}},
	{"a hundred times as slow", {LOOKUP, CALLS(500, 20)}, .slower = true},
	{"five calls, a hundred times as slow", {LOOKUP, CALLS(5, 20)}, .slower = true},
	{"four calls are too few", {LOOKUP, CALLS(4, 20)}},
	{"a single outlier among five", {LOOKUP, .seconds = 1, .calls = 5, .time = 500.8, .rows = 5, .longest = 500}},
	{"a single outlier among five hundred", {LOOKUP, .seconds = 1, .calls = 500, .time = 5100, .rows = 500, .longest = 5000}},
	{"slower than the factor, but nobody will notice", {LOOKUP, CALLS(5, 1)}},
	{"the same, often enough to matter", {LOOKUP, CALLS(500, 1)}, .slower = true},
	{"everything is slower", {LOOKUP, CALLS(500, 2)}, .general = 10},
	{"everything is slower, but this one much more", {LOOKUP, CALLS(500, 50)}, .general = 10, .slower = true},
	{"it returns a hundred times as many rows", {LOOKUP, .seconds = 1, .calls = 50, .time = 1000, .rows = 5000}},
	{"it always varied that much", {.calls_before = 1000, .mean_before = 10, .stddev_before = 200, .max_before = 3000, .rows_before = 1, CALLS(6, 60)}},
	{"nothing is known from before", {.seconds = 1, .calls = 100, .time = 100000, .rows = 100}},
	{"little is known from before: as slow as may be by chance", {.calls_before = 2, .mean_before = 10, .stddev_before = 1, .max_before = 11, .rows_before = 1, CALLS(10, 50)}},
	{"little is known from before: slower than that", {.calls_before = 2, .mean_before = 10, .stddev_before = 1, .max_before = 11, .rows_before = 1, CALLS(10, 200)}, .slower = true},

	/* what has not finished */
	{"three run on, longer than any before", {LOOKUP, .running = 3, .running_long = 3, .longest_running = 400}, .slower = true, .still_running = true},
	{"two do", {LOOKUP, .running = 2, .running_long = 2, .longest_running = 400}},
	{"two do, and one has just finished slowly", {LOOKUP, .seconds = 1, .calls = 1, .time = 400, .rows = 1, .running = 2, .running_long = 2, .longest_running = 400}, .slower = true, .still_running = true},
	{"one runs on and on", {LOOKUP, .running = 1, .running_long = 1, .longest_running = 2500}, .slower = true, .still_running = true},
	{"the report runs as long as ever", {REPORT, .running = 1, .longest_running = 33000}},
	{"the report runs twice as long as it ever did", {REPORT, .running = 1, .running_long = 0, .longest_running = 70000}},
	{"the report runs for half an hour", {REPORT, .running = 1, .running_long = 1, .longest_running = 1801000}, .slower = true, .still_running = true},
};

#define CONTROL(n, before, now)	{.calls_before = 1000, .mean_before = (before), .calls = (n), .time = (n) * (double) (now)}

static const struct
{
	const char *name;
	GuardNoiseStatement controls[5];
	double		general;
}			generals[] = {
	{"no controls", {{0}}, 1},
	{"all as before", {CONTROL(50, 1, 1), CONTROL(50, 2, 2), CONTROL(50, 4, 4)}, 1},
	{"all four times slower", {CONTROL(50, 1, 4), CONTROL(50, 2, 8), CONTROL(50, 4, 16)}, 4},
	{"one of three slower: its own affair", {CONTROL(50, 1, 100), CONTROL(50, 2, 2), CONTROL(50, 4, 4)}, 1},
	{"all faster does not make others slow", {CONTROL(50, 1, 0.5), CONTROL(50, 2, 1), CONTROL(50, 4, 2)}, 1},
	{"too few calls to say anything", {CONTROL(6, 1, 9), CONTROL(6, 2, 18)}, 1},
};

static int	number = 0;
static int	failed = 0;

static void
report(bool ok, const char *name)
{
	number++;
	failed += !ok;
	printf("%sok %d - %s\n", ok ? "" : "not ", number, name);
}

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
	printf("1..%d\n", (int) (lengthof(cases) + lengthof(generals)));
	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		const Case *c = &cases[i];
		GuardNoiseFinding f = guard_noise_judge(&c->s, 3.0,
												c->general > 0 ? c->general : 1.0);

		if (f.slower != c->slower || f.still_running != c->still_running)
			printf("# %s%s: %f ms, expected %f ms\n", f.slower ? "slower" : "not slower",
				   f.still_running ? ", still running" : "", f.mean, f.expected);
		report(f.slower == c->slower && f.still_running == c->still_running, c->name);
	}
	for (int i = 0; i < (int) lengthof(generals); i++)
		report(guard_noise_general(generals[i].controls, 5) == generals[i].general,
			   generals[i].name);
	return failed > 0;
}
