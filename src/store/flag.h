/*-------------------------------------------------------------------------
 *
 * flag.h
 *	  Busy flags: who holds one may read and change what it protects.
 *
 * Nothing between taking and clearing one may raise an error or accept an
 * interrupt.  A backend that is killed inside takes the server through a crash
 * restart, which makes shared memory anew, so no flag is ever left set.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_FLAG_H
#define GUARD_FLAG_H

#include "port/atomics.h"

/* Take one, without waiting; pg_atomic_clear_flag() gives it back. */
extern bool guard_flag_try(pg_atomic_flag *busy);

/*
 * The same, waiting for up to a second; only where nobody's statement depends
 * on it.  False means that somebody was stopped (not killed) while he held it:
 * the caller then does not know.
 */
extern bool guard_flag_wait(pg_atomic_flag *busy);

#endif							/* GUARD_FLAG_H */
