/*-------------------------------------------------------------------------
 *
 * flag.c
 *	  Busy flags: who holds one may read and change what it protects.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/shmem.h"

/* They are held for a few hundred nanoseconds, and this takes about as long. */
#define TRIES	200

/* Who may wait tries so often, a millisecond apart. */
#define PATIENT_TRIES	1000

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
