/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  What alerts keep in shared memory.
 *
 * Samples are of use for seconds, so they are kept nowhere else.  Some 40
 * kilobytes, of fixed size, in the main segment; where guard is not preloaded
 * there is no visitor to take samples, and nothing here.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "alerts/memory.h"
#include "store/shmem.h"

GuardAlertsMemory *guard_alerts_memory = NULL;

static void
attach(void *structure, bool fresh, LWLock *lock)
{
	guard_alerts_memory = structure;
	if (fresh)
		guard_alerts_memory->lock = lock;
}

static const GuardShmem shared_memory = {
	.name = "guard alerts",
	.size = sizeof(GuardAlertsMemory),
	.locked = true,
	.attach = attach,
};

/*
 * Called from _PG_init.
 */
void
guard_alerts_init(void)
{
	(void) guard_shmem_register(&shared_memory);
}

/*
 * A clock that went back makes samples of the future; they are passed over.
 */
bool
guard_alerts_sample(int64 age, GuardPoolSample *sample)
{
	TimestampTz before = GetCurrentTimestamp() - age;

	sample->at = 0;
	if (guard_alerts_memory == NULL)
		return false;
	LWLockAcquire(guard_alerts_memory->lock, LW_SHARED);
	for (int i = 0; i < GUARD_POOL_SAMPLES; i++)
	{
		const GuardPoolSample *kept = &guard_alerts_memory->samples[i];

		if (kept->at != 0 && kept->at <= before && kept->at > sample->at)
			*sample = *kept;
	}
	LWLockRelease(guard_alerts_memory->lock);
	return sample->at != 0;
}

void
guard_alerts_keep(const GuardPoolSample *sample)
{
	LWLockAcquire(guard_alerts_memory->lock, LW_EXCLUSIVE);
	guard_alerts_memory->last = (guard_alerts_memory->last + 1) % GUARD_POOL_SAMPLES;
	guard_alerts_memory->samples[guard_alerts_memory->last] = *sample;
	LWLockRelease(guard_alerts_memory->lock);
}
