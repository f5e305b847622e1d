/*-------------------------------------------------------------------------
 *
 * hideable.h
 *	  Can this index be hidden from the planner?
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_HIDEABLE_H
#define GUARD_HIDEABLE_H

#include "c.h"

/*
 * Why an index cannot be hidden, as a clause ("it is the primary key"); NULL
 * when it can, or has vanished.  "for_now" is set where that may change.  For
 * indexes that guard judges, of either kind, 'i' and 'I'.  Waits for no lock.
 */
extern const char *guard_hideable_obstacle(Oid index, bool *for_now);

#endif							/* GUARD_HIDEABLE_H */
