/*-------------------------------------------------------------------------
 *
 * hysteresis.c
 *	  When a busy pool is worth an alert, and when the next one.
 *
 * A sample is an instant, and an instant is no trouble: it takes three in a
 * row, which are as many seconds.  An episode ends when the pool has been well
 * below the limit for ten in a row, so that one that hovers about the limit
 * gives one alert, not one a minute.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alerts/alerts.h"

#define SAMPLES_TO_BEGIN	3
#define SAMPLES_TO_END		10

/* Well is what is below this part of the limit, in percent. */
#define WELL				80

bool
guard_hysteresis_step(GuardEpisode *episode, int busy, int max, int limit)
{
	int64		share = (int64) busy * 100;

	if (limit == 0)
	{
		memset(episode, 0, sizeof(*episode));
		return false;
	}
	if (share >= (int64) limit * max)
	{
		episode->below = 0;
		episode->above++;
		if (episode->open || episode->above < SAMPLES_TO_BEGIN)
			return false;
		episode->open = true;
		return true;
	}
	episode->above = 0;
	if (share * 100 >= (int64) limit * max * WELL)
		episode->below = 0;
	else if (++episode->below >= SAMPLES_TO_END)
		episode->open = false;
	return false;
}
