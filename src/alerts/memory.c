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

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "alerts/memory.h"
#include "compat/compat.h"

GuardAlertsMemory *guard_alerts_memory = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
alerts_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(GuardAlertsMemory)));
}

static void
alerts_shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	guard_alerts_memory = ShmemInitStruct("guard alerts",
										  sizeof(GuardAlertsMemory), &found);
	if (!found)
	{
		memset(guard_alerts_memory, 0, sizeof(GuardAlertsMemory));
		guard_alerts_memory->tranche = guard_compat_new_tranche("guard alerts");
		LWLockInitialize(&guard_alerts_memory->lock, guard_alerts_memory->tranche);
		for (int i = 0; i < GUARD_ALERT_KINDS; i++)
			pg_atomic_init_u64(&guard_alerts_memory->raised[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
	guard_compat_register_tranche(guard_alerts_memory->tranche, "guard alerts");
}

void
guard_alerts_memory_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = alerts_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = alerts_shmem_startup;
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
	LWLockAcquire(&guard_alerts_memory->lock, LW_SHARED);
	for (int i = 0; i < GUARD_POOL_SAMPLES; i++)
	{
		const GuardPoolSample *kept = &guard_alerts_memory->samples[i];

		if (kept->at != 0 && kept->at <= before && kept->at > sample->at)
			*sample = *kept;
	}
	LWLockRelease(&guard_alerts_memory->lock);
	return sample->at != 0;
}

void
guard_alerts_keep(const GuardPoolSample *sample)
{
	LWLockAcquire(&guard_alerts_memory->lock, LW_EXCLUSIVE);
	guard_alerts_memory->last = (guard_alerts_memory->last + 1) % GUARD_POOL_SAMPLES;
	guard_alerts_memory->samples[guard_alerts_memory->last] = *sample;
	LWLockRelease(&guard_alerts_memory->lock);
}
