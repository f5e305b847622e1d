/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Who has something in shared memory.
 *
 * Everybody registers at start.  Where guard is not preloaded there is no
 * shared memory of a fixed size, and registering does nothing.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SHMEM_H
#define GUARD_SHMEM_H

#include "storage/lwlock.h"

#include "ground.h"

typedef struct GuardShmem
{
	const char *name;			/* as pg_shmem_allocations shows it */
	Size		size;			/* of the structure ... */
	Size		per_backend;	/* ... and what it has for each of them */
	Size		beside;			/* what attach() takes beside it, for a hash
								 * table */
	bool		locked;			/* it has a lock, whose tranche has this name */

	/*
	 * The structure is there.  "fresh": it has just been made, is all zeros,
	 * and must be filled.  Called in every process that makes or attaches the
	 * segment, with AddinShmemInitLock held, and again after a crash, when
	 * what is kept of an earlier segment means nothing any more.  "lock" is
	 * its lock, or NULL.
	 */
	void		(*attach) (void *structure, bool fresh, LWLock *lock);

	/* Called when all are there, without that lock; may be NULL. */
	void		(*ready) (void);
} GuardShmem;

/*
 * To be called from _PG_init, once the settings are defined, for something that is
 * static.  Returns whether there will be shared memory.
 */
extern bool guard_shmem_register(const GuardShmem *user);

/* ----------------------------------------------------------------
 *		Busy flags: who holds one may read and change what it protects.
 *
 * Nothing between taking and clearing one may raise an error or accept an
 * interrupt.  A backend that is killed inside takes the server through a crash
 * restart, which makes shared memory anew, so no flag is ever left set.
 * ----------------------------------------------------------------
 */

/* Take one, without waiting; pg_atomic_clear_flag() gives it back. */
extern bool guard_flag_try(pg_atomic_flag *busy);

/*
 * The same, waiting for up to a second; only where nobody's statement depends
 * on it.  False means that somebody was stopped (not killed) while he held it:
 * the caller then does not know.
 */
extern bool guard_flag_wait(pg_atomic_flag *busy);

#endif							/* GUARD_SHMEM_H */
