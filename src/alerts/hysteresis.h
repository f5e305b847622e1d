/*-------------------------------------------------------------------------
 *
 * hysteresis.h
 *	  When a busy pool is worth an alert, and when the next one.
 *
 * Pure: no clock, no settings but those in its arguments.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_HYSTERESIS_H
#define GUARD_HYSTERESIS_H

/* All zero: no episode. */
typedef struct GuardEpisode
{
	bool		open;
	int			above;			/* samples in a row that were too busy */
	int			below;			/* that were well */
} GuardEpisode;

/*
 * One more sample: "busy" of "max" connections, "limit" in percent, 0 for
 * none.  Returns whether an episode begins with it.
 */
extern bool guard_hysteresis_step(GuardEpisode *episode, int busy, int max,
								  int limit);

#endif							/* GUARD_HYSTERESIS_H */
