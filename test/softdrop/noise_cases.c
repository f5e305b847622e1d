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

#include "softdrop/steps.h"

/* The server's own printf and qsort are not linked either. */
#undef printf

typedef struct Case
{
	const char *name;
	GuardNoiseStatement s;
	double		general;		/* 0: nothing else has changed */
	bool		slower;			/* shown, if the index would be used */
	bool		still_running;
	bool		proven;			/* whatever is known of the index */
	bool		suspect;		/* worth a question, though not shown */
} Case;

/* a point look-up: 0.2 ms, one row, called all day */
#define LOOKUP	.calls_before = 100000, .mean_before = 0.2, .stddev_before = 0.1, .max_before = 40, .rows_before = 1
/* a report: half a minute, once a week */
#define REPORT	.calls_before = 4, .mean_before = 30000, .stddev_before = 3000, .max_before = 34000, .rows_before = 100
/* calls in a window of one second, which all take as long */
#define CALLS(n, ms)	.seconds = 1, .calls = (n), .time = (n) * (double) (ms), .squares = (n) * (double) (ms) * (ms), .rows = (n)
/* the same, and others that take longer */
#define AND(n, ms, m, others)	.seconds = 1, .calls = (n) + (m), .time = (n) * (double) (ms) + (m) * (double) (others), .squares = (n) * (double) (ms) * (ms) + (m) * (double) (others) * (others), .rows = (n) + (m)
/* of a hundred calls five took fifty times as long */
#define TAIL	.calls_before = 1000, .mean_before = 31, .stddev_before = 96, .max_before = 450, .rows_before = 1
/* the same, and in the minute from before there was none of those */
#define TAIL_UNSEEN	.calls_before = 42, .mean_before = 9, .stddev_before = 0.5, .max_before = 10, .rows_before = 1

static const Case cases[] = {
	{"nothing was called", {LOOKUP, .seconds = 1}},
	{"as before", {LOOKUP, CALLS(500, 0.2)}},
	{"twice as slow", {LOOKUP, CALLS(500, 0.4)}},
	{"a hundred times as slow", {LOOKUP, CALLS(500, 20)}, .slower = true, .proven = true},
	{"five calls, a hundred times as slow", {LOOKUP, CALLS(5, 20)}, .slower = true},
	{"four calls are too few", {LOOKUP, CALLS(4, 20)}, .suspect = true},
	{"a single outlier among five", {LOOKUP, .seconds = 1, .calls = 5, .time = 500.8, .rows = 5, .longest = 500}},
	{"a single outlier among five hundred", {LOOKUP, .seconds = 1, .calls = 500, .time = 5100, .rows = 500, .longest = 5000}},
	{"slower than the factor, but nobody will notice", {LOOKUP, CALLS(5, 1)}},
	{"the same, often enough to matter", {LOOKUP, CALLS(500, 1)}, .slower = true, .proven = true},
	{"everything is slower", {LOOKUP, CALLS(500, 2)}, .general = 10},
	{"everything is slower, but this one much more", {LOOKUP, CALLS(500, 50)}, .general = 10, .slower = true, .proven = true},
	{"it returns a hundred times as many rows", {LOOKUP, .seconds = 1, .calls = 50, .time = 1000, .rows = 5000}},
	{"it always varied that much", {.calls_before = 1000, .mean_before = 10, .stddev_before = 200, .max_before = 3000, .rows_before = 1, CALLS(6, 60)}, .suspect = true},
	{"nothing is known from before", {.seconds = 1, .calls = 100, .time = 100000, .rows = 100}},
	{"little is known from before: as slow as may be by chance", {.calls_before = 2, .mean_before = 10, .stddev_before = 1, .max_before = 11, .rows_before = 1, CALLS(10, 50)}},
	{"little is known from before: slower than that", {.calls_before = 2, .mean_before = 10, .stddev_before = 1, .max_before = 11, .rows_before = 1, CALLS(10, 200)}, .slower = true, .proven = true},

	/* five calls are no proof by themselves, nor a few that take very long */
	{"nine calls, all slow", {LOOKUP, CALLS(9, 200)}, .slower = true},
	{"ten calls, all slow", {LOOKUP, CALLS(10, 200)}, .slower = true, .proven = true},
	{"two of five are of the long kind", {TAIL_UNSEEN, AND(3, 9, 2, 450)}, .slower = true},
	{"two of forty are, and none was before", {TAIL_UNSEEN, AND(38, 9, 2, 450)}, .slower = true},
	{"fifteen of three hundred are, and none was before", {TAIL_UNSEEN, AND(285, 9, 15, 450)}, .slower = true},
	{"a thousand calls before: five in a hundred of the long kind", {TAIL, AND(285, 9, 15, 450)}},
	{"all of them five times slower, the long kind too", {TAIL, AND(285, 45, 15, 2250)}, .slower = true, .proven = true},
	{"all but the long kind", {TAIL, AND(285, 150, 15, 450)}, .slower = true, .proven = true},
	{"a batch held a row lock for four seconds, twice", {LOOKUP, AND(14, 0.1, 2, 4000)}, .slower = true},

	/* how long they waited is not how slow they are */
	{"some waited for a lock", {LOOKUP, CALLS(500, 20), .late = true}},
	{"some waited, and three run on", {LOOKUP, CALLS(500, 20), .late = true, .running = 3, .running_long = 3, .longest_running = 400}, .slower = true, .still_running = true, .proven = true},

	/* windows of milliseconds */
	{"seven calls, a quarter of a millisecond each, in a tenth of a second", {LOOKUP, .seconds = 0.1, .calls = 7, .time = 7, .squares = 7, .rows = 7}},
	{"the same in a bit less than a second: what is lost in a second counts", {LOOKUP, .seconds = 0.6, .calls = 16, .time = 16, .squares = 16, .rows = 16}},
	{"fifty such in the same time", {LOOKUP, .seconds = 0.6, .calls = 50, .time = 50, .squares = 50, .rows = 50}, .slower = true, .proven = true},

	/* what has not finished */
	{"three of the long kind run, the others finish as ever", {TAIL_UNSEEN, AND(19, 9, 1, 450), .longest = 450, .running = 3, .running_long = 3, .longest_running = 300}, .slower = true, .still_running = true},
	{"three run on, longer than any before", {LOOKUP, .running = 3, .running_long = 3, .longest_running = 400}, .slower = true, .still_running = true, .proven = true},
	{"two do", {LOOKUP, .running = 2, .running_long = 2, .longest_running = 400}, .suspect = true},
	{"two do, and one has just finished slowly", {LOOKUP, .seconds = 1, .calls = 1, .time = 400, .rows = 1, .running = 2, .running_long = 2, .longest_running = 400}, .slower = true, .still_running = true, .proven = true},
	{"one runs on and on", {LOOKUP, .running = 1, .running_long = 1, .longest_running = 2500}, .slower = true, .still_running = true, .proven = true},
	{"the report runs as long as ever", {REPORT, .running = 1, .longest_running = 33000}},
	{"the report runs twice as long as it ever did", {REPORT, .running = 1, .running_long = 0, .longest_running = 70000}},
	{"the report runs for half an hour", {REPORT, .running = 1, .running_long = 1, .longest_running = 1801000}, .slower = true, .still_running = true, .proven = true},
};

#define CONTROL(n, before, now)	{.calls_before = 1000, .mean_before = (before), .calls = (n), .time = (n) * (double) (now)}
#define ALIKE(before, times)	CONTROL(50, before, (before) * (times))
#define TEN(before, times)	ALIKE(before, times), ALIKE(before, times), ALIKE(before, times), ALIKE(before, times), ALIKE(before, times), \
	ALIKE(before, times), ALIKE(before, times), ALIKE(before, times), ALIKE(before, times), ALIKE(before, times)

static const struct
{
	const char *name;
	GuardNoiseStatement controls[24];
	double		mean;			/* of the statement */
	double		middle;
	double		most;
}			generals[] = {
	{"no controls", {{0}}, 1, 1, 1},
	{"all as before", {ALIKE(1, 1), ALIKE(2, 1), ALIKE(4, 1)}, 1, 1, 1},
	{"all four times slower", {ALIKE(1, 4), ALIKE(2, 4), ALIKE(4, 4)}, 1, 4, 4},
	{"one of three slower: its own affair, but not if nobody knows better", {ALIKE(1, 100), ALIKE(2, 1), ALIKE(4, 1)}, 1, 1, 100},
	{"all faster does not make others slow", {ALIKE(1, 0.5), ALIKE(2, 0.5), ALIKE(4, 0.5)}, 1, 1, 1},
	{"too few calls to say anything", {CONTROL(6, 1, 9), CONTROL(6, 2, 18)}, 1, 1, 1},
	{"long ones are slow, and so is the statement", {TEN(0.1, 1), ALIKE(6, 5), ALIKE(8, 5), ALIKE(20, 6)}, 8, 5, 5},
	{"long ones are slow, the statement is short", {TEN(0.1, 1), TEN(0.1, 1), ALIKE(20, 6)}, 0.1, 1, 1},
	{"two that take as long are too few to speak for all", {TEN(0.1, 1), ALIKE(6, 5), ALIKE(8, 5)}, 8, 1, 5},
	{"what takes a quarter as long is alike, less is not", {TEN(1.9, 1), ALIKE(2, 5), ALIKE(2, 5), ALIKE(2, 5)}, 8, 5, 5},
};

#define COUNTS(n, t)	.calls = (n), .time = (t), .squares = (t), .rows = (n), .longest = 5
#define COUNTED(n, t)	{.at = (n) == 100 ? 1000 : 2000, COUNTS(n, t)}
#define RESET(when, n, t)	{.at = 2000, .reset_at = (when), COUNTS(n, t)}

/* What a statement did in its window. */
static const struct
{
	const char *name;
	GuardNoiseCounters seen;
	GuardNoiseCounters now;
	bool		told;
	bool		lost;
	int64		calls;
	double		time;
	double		longest;
}			windows[] = {
	{"ten calls since", COUNTED(100, 20), COUNTED(110, 40), .told = true, .calls = 10, .time = 20},
	{"none since", COUNTED(100, 20), COUNTED(100, 20), .told = true},
	{"not known then", {.at = 1000}, COUNTED(10, 20), .told = true, .calls = 10, .time = 20, .longest = 5},
	{"not known now: it was thrown out", COUNTED(100, 20), {.at = 2000}, .lost = true},
	{"known neither then nor now", {.at = 1000}, {.at = 2000}, .told = true},
	{"all counters were reset before", COUNTED(100, 20), RESET(999, 110, 40), .told = true, .calls = 10, .time = 20},
	{"all counters were reset meanwhile: what was counted since", COUNTED(100, 20), RESET(1500, 10, 200), .told = true, .lost = true, .calls = 10, .time = 200, .longest = 5},
	{"the same, and it has been called more often since than before", COUNTED(100, 20), RESET(1500, 300, 600), .told = true, .lost = true, .calls = 300, .time = 600, .longest = 5},
	{"the same, and it has not been called since", COUNTED(100, 20), {.at = 2000, .reset_at = 1500}, .told = true, .lost = true},
	{"the counters of one of its users were thrown out", COUNTED(100, 20), COUNTED(60, 12), .lost = true},
	{"and the others make up for the calls, but not for the time", COUNTED(100, 20), COUNTED(110, 12), .lost = true},
	{"and the others make up for the time, but not for the calls", COUNTED(100, 20), COUNTED(60, 30), .lost = true},
	{"the clock went back", COUNTED(100, 20), {.at = 500, .calls = 110, .time = 40}, .lost = true},
};

#define SLOWER	.suspect = true, .slower = true

/* What follows from a finding. */
static const struct
{
	const char *name;
	GuardNoiseFinding finding;
	GuardNoiseAnswer answer;
	int			before;
	GuardNoiseStep step;
}			steps[] = {
	{"nothing to see", {.enough = true}, GUARD_NOISE_WAITING, 0, {.end = true}},
	{"slower, nobody has answered yet", {SLOWER}, GUARD_NOISE_WAITING, 0, {0}},
	{"proven, nobody has answered yet", {SLOWER, .proven = true, .enough = true}, GUARD_NOISE_WAITING, 3, {.end = true, .in_a_row = 4}},
	{"slower, the index would be used", {SLOWER}, GUARD_NOISE_USED, 0, {.restore = true}},
	{"suspect only, the index would be used", {.suspect = true}, GUARD_NOISE_USED, 0, {0}},
	{"proven, it would not be used", {SLOWER, .proven = true, .enough = true}, GUARD_NOISE_INNOCENT, 5, {.end = true, .in_a_row = 6}},
	{"slower, it would not be used: begin anew", {SLOWER}, GUARD_NOISE_INNOCENT, 1, {.end = true}},
	{"slower, no answer", {SLOWER}, GUARD_NOISE_NONE, 5, {.in_a_row = 5}},
	{"proven once, no answer", {SLOWER, .proven = true, .enough = true}, GUARD_NOISE_NONE, 0, {.end = true, .in_a_row = 1}},
	{"proven twice in a row, no answer", {SLOWER, .proven = true, .enough = true}, GUARD_NOISE_NONE, 1, {.restore = true, .end = true, .in_a_row = 2}},
	{"proven once, then not: it begins from nothing", {.enough = true}, GUARD_NOISE_NONE, 1, {.end = true}},
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

static void
run_cases(void)
{
	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		const Case *c = &cases[i];
		GuardNoiseGeneral general = {Max(c->general, 1.0), Max(c->general, 1.0)};
		GuardNoiseFinding f = guard_noise_judge(&c->s, 3.0, &general);
		bool		ok = f.slower == c->slower && f.still_running == c->still_running &&
			f.proven == c->proven && f.suspect == (c->suspect || c->slower);

		if (!ok)
			printf("# %s%s%s%s: %f ms, expected %f ms\n", f.slower ? "slower" : "not slower",
				   f.still_running ? ", still running" : "", f.proven ? ", proven" : "",
				   f.suspect ? ", suspect" : "", f.mean, f.expected);
		report(ok, c->name);
	}
}

static void
run_windows(void)
{
	for (int i = 0; i < (int) lengthof(windows); i++)
	{
		GuardNoiseStatement s = {0};
		bool		told = guard_noise_window(&s, &windows[i].seen, &windows[i].now);

		report(told == windows[i].told && s.lost == windows[i].lost && s.calls == windows[i].calls &&
			   s.time == windows[i].time && s.longest == windows[i].longest, windows[i].name);
	}
}

static void
run_steps(void)
{
	for (int i = 0; i < (int) lengthof(steps); i++)
	{
		GuardNoiseStep step = guard_noise_decide(&steps[i].finding, steps[i].answer, steps[i].before);

		report(step.restore == steps[i].step.restore && step.end == steps[i].step.end &&
			   step.in_a_row == steps[i].step.in_a_row, steps[i].name);
	}
}

int
main(void)
{
	printf("1..%d\n", (int) (lengthof(cases) + lengthof(generals) + lengthof(windows) + lengthof(steps)));
	run_cases();
	for (int i = 0; i < (int) lengthof(generals); i++)
	{
		GuardNoiseGeneral general = guard_noise_general(generals[i].controls, lengthof(generals[i].controls),
														generals[i].mean);

		if (general.middle != generals[i].middle || general.most != generals[i].most)
			printf("# %f, %f\n", general.middle, general.most);
		report(general.middle == generals[i].middle && general.most == generals[i].most, generals[i].name);
	}
	run_windows();
	run_steps();
	return failed > 0;
}
