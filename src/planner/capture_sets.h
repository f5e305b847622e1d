/*-------------------------------------------------------------------------
 *
 * capture_sets.h
 *	  Statements and services per relation; used by the shared tables only.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_SETS_H
#define GUARD_CAPTURE_SETS_H

#include "planner/capture_table.h"

extern Size guard_sets_size(void);
extern void guard_sets_attach(void);

/*
 * Add a batch to both tables, or, returning false, to neither.  *others is
 * what this adds to the relation's uses by services without a slot.
 */
extern bool guard_sets_add(const GuardRelationKey *key,
						   const GuardUseBatch *batch,
						   const GuardService *service, uint64 session,
						   int64 *others);
extern void guard_sets_forget(const GuardRelationKey *key);
extern void guard_sets_forget_database(Oid database);
extern void guard_sets_status(GuardCaptureStatus *status);

/* Busy flags, shared with the relations' records. */
extern bool guard_flag_try(pg_atomic_flag *busy);
extern bool guard_flag_wait(pg_atomic_flag *busy);

#endif							/* GUARD_CAPTURE_SETS_H */
