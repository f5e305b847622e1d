/*-------------------------------------------------------------------------
 *
 * sample.h
 *	  What the server counts of its statements at one moment.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SAMPLE_H
#define GUARD_SAMPLE_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"

#include "softdrop/noise.h"
#include "softdrop/watch.h"

/* What pg_stat_statements knows of one statement, over all its users. */
typedef struct GuardCounted
{
	int64		queryid;		/* key */
	GuardNoiseCounters counters;
	TimestampTz since;			/* counted since then; 0 where the server does
								 * not tell one from another (before 17) */
	bool		late;			/* a call of it waits for a lock */
} GuardCounted;

typedef struct GuardRunning
{
	int64		queryid;
	TimestampTz started;
	double		elapsed;		/* milliseconds */
} GuardRunning;

struct GuardWatchSample
{
	HTAB	   *counted;		/* of GuardCounted */
	List	   *running;		/* of GuardRunning * */
	TimestampTz at;				/* counted at */
	TimestampTz reset_at;		/* all counters began; 0 not known */
	int			active;
	int			waiting;
	MemoryContext context;
	List	   *earlier;		/* samples read back; watch.c's */
	HTAB	   *watched;		/* statements that are no controls; watch.c's */
};

#endif							/* GUARD_SAMPLE_H */
