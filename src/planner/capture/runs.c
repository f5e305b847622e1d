/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  How often statements ran, whatever they used.
 *
 * A statement that has not used an index lately may have moved to another one,
 * or may need it for parameters that come once a month.  What tells them apart
 * is how often it ever ran between two uses, so runs are counted: by each
 * session for itself, in a small table where the next statement takes the place
 * of another, and by all together in an array of counters.  These have no names:
 * two statements may share one, and then each seems to run more often than it
 * does, which makes guard the more careful.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "planner/capture/tables.h"
#include "store/shmem.h"

/* Statements of which a session counts the runs, a power of two. */
#define PLACES	512

typedef struct OwnRuns
{
	int64		queryid;
	uint64		runs;			/* by this session */
	uint64		told;			/* of these, added to those of all */
} OwnRuns;

static OwnRuns own[PLACES];
static pg_atomic_uint64 *counters = NULL;

static uint32
count(void)
{
	return pg_nextpower2_32(Max(guard_guc_max_statements, PLACES));
}

/* Shared memory is there, or has been made. */
static void
attach(void *segment, bool fresh, LWLock *lock)
{
	counters = segment;
	for (uint32 i = 0; fresh && i < count(); i++)
		pg_atomic_init_u64(&counters[i], 0);
}

/* Called at start. */
void
guard_runs_init(void)
{
	static GuardShmem shmem = {.name = "guard runs", .attach = attach};

	shmem.size = mul_size(count(), sizeof(pg_atomic_uint64));
	guard_shmem_register(&shmem);
}

static uint64
tell(OwnRuns *mine)
{
	pg_atomic_uint64 *counter =
		&counters[(uint32) (mine->queryid ^ MyDatabaseId) & (count() - 1)];
	uint64		news = mine->runs - mine->told;

	mine->told = mine->runs;
	return pg_atomic_add_fetch_u64(counter, (int64) news);
}

uint64
guard_runs_add(int64 queryid)
{
	OwnRuns    *mine = &own[(uint32) queryid & (PLACES - 1)];

	if (unlikely(mine->queryid != queryid))
	{
		if (mine->runs > mine->told)
			(void) tell(mine);
		mine->queryid = queryid;
		mine->runs = mine->told = 0;
	}
	return ++mine->runs;
}

uint64
guard_runs_tell(int64 queryid, uint64 *mine)
{
	OwnRuns    *runs = &own[(uint32) queryid & (PLACES - 1)];

	*mine = 0;
	if (runs->queryid != queryid)
		return 0;
	*mine = runs->runs;
	return tell(runs);
}
