/*-------------------------------------------------------------------------
 *
 * recent.h
 *	  The indexes that went, or went out of sight, in the last hour.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_RECENT_H
#define GUARD_RECENT_H

#include "nodes/pg_list.h"

/*
 * One JSON object (char *) for each, latest first, in the current memory
 * context; of this database.  Raises what reading guard's tables raises.
 */
extern List *guard_recent_collect(void);

#endif							/* GUARD_RECENT_H */
