/*-------------------------------------------------------------------------
 *
 * noise.h
 *	  Has a statement become slower, or does it only look so?
 *
 * Times are milliseconds, windows seconds.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_NOISE_H
#define GUARD_NOISE_H

#include "c.h"

/* One statement, before its index was hidden and since. */
typedef struct GuardNoiseStatement
{
	int64		calls_before;
	double		mean_before;
	double		stddev_before;
	double		max_before;
	double		rows_before;	/* per call */

	/* finished calls of the window that is looked at */
	double		seconds;		/* its length */
	int64		calls;
	double		time;			/* in all */
	double		rows;			/* in all */
	double		longest;		/* the longest of them, where it is known:
								 * where it was a new record; else 0 */

	/* calls that run now */
	int			running;
	int			running_long;	/* beyond guard_noise_limit() */
	double		longest_running;
} GuardNoiseStatement;

/* What is found. */
typedef struct GuardNoiseFinding
{
	bool		slower;			/* proven */
	bool		still_running;	/* proven by calls that have not finished */
	bool		enough;			/* the window says enough: begin a new one */
	double		mean;			/* per finished call, the longest left out; or
								 * the longest that is running */
	double		expected;
} GuardNoiseFinding;

/*
 * By how much has everything else become slower?  At least 1; 1 when too
 * little is known.  "controls" are statements that have nothing to do with the
 * index.
 */
extern double guard_noise_general(const GuardNoiseStatement *controls, int n);

/* What one call is expected to take now, at most. */
extern double guard_noise_expected(const GuardNoiseStatement *statement,
								   double general);

/* A call that has been running for longer than this is suspicious. */
extern double guard_noise_limit(const GuardNoiseStatement *statement,
								double factor, double general);

/* Has it become slower, by more than "factor"? */
extern GuardNoiseFinding guard_noise_judge(const GuardNoiseStatement *statement,
										   double factor, double general);

#endif							/* GUARD_NOISE_H */
