/*-------------------------------------------------------------------------
 *
 * noise.h
 *	  Has a statement become slower, or does it only look so?
 *
 * Times are milliseconds, windows seconds.
 *
 * Vocabulary:
 *
 *	window		the time that is looked at: from some visit until now
 *	control		a statement that no hidden index has anything to do with
 *	answer		what a session said that planned the statement once more, with
 *				the hidden index (planner/whatif/question.h)
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_NOISE_H
#define GUARD_NOISE_H

#include "c.h"

/* What is counted of a statement at one moment, since some beginning. */
typedef struct GuardNoiseCounters
{
	int64		at;				/* that moment, microseconds; of what was seen
								 * when a window began */
	int64		reset_at;		/* all statements' counters began; 0 not
								 * known; of what is seen now */
	int64		calls;
	double		time;
	double		squares;		/* of the times of its calls, added up */
	double		rows;
	double		longest;
} GuardNoiseCounters;

/* One statement, before its index was hidden and since. */
typedef struct GuardNoiseStatement
{
	int64		calls_before;	/* 0: nothing is known from before */
	double		mean_before;
	double		stddev_before;
	double		max_before;
	double		rows_before;	/* per call */

	/* finished calls of the window */
	double		seconds;		/* its length */
	int64		calls;
	double		time;			/* in all */
	double		squares;		/* in all */
	double		rows;			/* in all */
	double		longest;		/* the longest of them, where it is known:
								 * where it was a new record; else 0 */

	bool		late;			/* some of them waited for a lock: how long
								 * they took says nothing */
	bool		lost;			/* what ran in a part of it was not counted */

	/* calls that run now */
	int			running;
	int			running_long;	/* beyond guard_noise_limit() */
	double		longest_running;
} GuardNoiseStatement;

/* By how much has everything else become slower?  At least 1. */
typedef struct GuardNoiseGeneral
{
	double		middle;			/* half of the controls by more, of those that
								 * take as long if there are some */
	double		most;			/* one in ten by more */
} GuardNoiseGeneral;

typedef enum GuardNoiseAnswer
{
	GUARD_NOISE_WAITING,		/* nobody has answered yet */
	GUARD_NOISE_NONE,			/* and nobody will: the figures must do */
	GUARD_NOISE_USED,			/* the index would be used */
	GUARD_NOISE_INNOCENT		/* it would not, or where one like it is */
} GuardNoiseAnswer;

/* What is found. */
typedef struct GuardNoiseFinding
{
	bool		suspect;		/* worth a question */
	bool		slower;			/* proven, where the index would be used */
	bool		proven;			/* proven, whatever is known of the index */
	bool		still_running;	/* it shows in calls that have not finished */
	bool		enough;			/* the window has said what it can: begin a
								 * new one */
	double		mean;			/* per finished call, the longest left out; or
								 * the longest that is running */
	double		expected;
} GuardNoiseFinding;

/* What follows. */
typedef struct GuardNoiseStep
{
	bool		restore;
	bool		end;			/* a new window begins */
	int			in_a_row;		/* windows without a break that proved it */
} GuardNoiseStep;

/*
 * Put into a statement what it did since its window began, "seen" being what
 * was counted then.  Where all counters began anew meanwhile, it is what was
 * counted since, and the rest is lost.  False, with nothing but that put in,
 * where they contradict each other: a counter of one of its users was thrown
 * out, or the clock went back, so begin a new window.
 */
extern bool guard_noise_window(GuardNoiseStatement *statement,
							   const GuardNoiseCounters *seen,
							   const GuardNoiseCounters *now);

/*
 * What controls say of a statement whose calls took "mean_before", in the same
 * window.
 */
extern GuardNoiseGeneral guard_noise_general(const GuardNoiseStatement *controls,
											 int n, double mean_before);

/* A call that has been running for longer than this is suspicious. */
extern double guard_noise_limit(const GuardNoiseStatement *statement,
								double factor);

/* Has it become slower, by more than "factor"? */
extern GuardNoiseFinding guard_noise_judge(const GuardNoiseStatement *window,
										   double factor,
										   const GuardNoiseGeneral *general);

/*
 * What is to be done: "in_a_row" is what the last step of this statement said.
 */
extern GuardNoiseStep guard_noise_decide(const GuardNoiseFinding *finding,
										 GuardNoiseAnswer answer, int in_a_row);

#endif							/* GUARD_NOISE_H */
