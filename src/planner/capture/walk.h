/*-------------------------------------------------------------------------
 *
 * walk.h
 *	  Which indexes and tables an executed plan really used.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_WALK_H
#define GUARD_CAPTURE_WALK_H

#include "executor/execdesc.h"

/*
 * Note everything the execution used, between guard_pending_begin() and
 * guard_pending_end().  "excused" says that it was an EXPLAIN ANALYZE.
 */
extern void guard_walk_execution(QueryDesc *queryDesc, bool excused);

/* Did it open a relation whose use would have been noted?  Reads no catalog. */
extern bool guard_walk_touches(QueryDesc *queryDesc);

#endif							/* GUARD_CAPTURE_WALK_H */
