/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Who has something in shared memory.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "storage/shmem.h"

#include "store/shmem.h"

#define MAX_USERS	16

/* They are held for a few hundred nanoseconds, and this takes about as long. */
#define TRIES	200

/* Who may wait tries so often, a millisecond apart. */
#define PATIENT_TRIES	1000

static const GuardShmem *users[MAX_USERS];
static int	nusers = 0;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static Size
size_of(const GuardShmem *user)
{
	return add_size(user->size, mul_size(MaxBackends, user->per_backend));
}

static void
request_all(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	for (int i = 0; i < nusers; i++)
	{
		RequestAddinShmemSpace(add_size(MAXALIGN(size_of(users[i])), users[i]->beside));
		if (users[i]->locked)
			RequestNamedLWLockTranche(users[i]->name, 1);
	}
}

static void
attach(const GuardShmem *user)
{
	bool		found;
	void	   *structure = ShmemInitStruct(user->name, size_of(user), &found);

	if (!found)
		memset(structure, 0, size_of(user));
	user->attach(structure, !found,
				 user->locked ? &GetNamedLWLockTranche(user->name)->lock : NULL);
}

static void
attach_all(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < nusers; i++)
		attach(users[i]);
	LWLockRelease(AddinShmemInitLock);
	for (int i = 0; i < nusers; i++)
	{
		if (users[i]->ready != NULL)
			users[i]->ready();
	}
}

/*
 * To be called from _PG_init; see shmem.h.
 */
bool
guard_shmem_register(const GuardShmem *user)
{
	if (!process_shared_preload_libraries_in_progress)
		return false;
	if (nusers == MAX_USERS)
		elog(ERROR, "too many users of shared memory");
	if (nusers == 0)
	{
		prev_shmem_request_hook = shmem_request_hook;
		shmem_request_hook = request_all;
		prev_shmem_startup_hook = shmem_startup_hook;
		shmem_startup_hook = attach_all;
	}
	users[nusers++] = user;
	return true;
}

/* ---- busy flags ---- */

/* Take a flag, without waiting. */
bool
guard_flag_try(pg_atomic_flag *busy)
{
	for (int i = 0; i < TRIES; i++)
	{
		if (pg_atomic_unlocked_test_flag(busy) && pg_atomic_test_set_flag(busy))
			return true;
	}
	return false;
}

/* Take a flag, waiting for up to a second. */
bool
guard_flag_wait(pg_atomic_flag *busy)
{
	for (int i = 0; i < PATIENT_TRIES; i++)
	{
		if (guard_flag_try(busy))
			return true;
		pg_usleep(1000L);
	}
	return false;
}
