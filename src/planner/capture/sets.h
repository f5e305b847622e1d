/*-------------------------------------------------------------------------
 *
 * sets.h
 *	  Statements and services per relation; used by the shared tables only.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_SETS_H
#define GUARD_CAPTURE_SETS_H

#include "planner/capture/table.h"

/*
 * For the one segment of capture: bytes that are needed; make the tables or
 * find them, holding AddinShmemInitLock.
 */
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

/* False: somebody is at one of the sets, and not all is forgotten. */
extern bool guard_sets_forget(const GuardRelationKey *key, bool wait);
extern void guard_sets_forget_database(Oid database);

/*
 * See guard_table_save().  "lost" is called for uses by services that find no
 * slot any more, because guard.max_indexes is smaller now.
 */
extern size_t guard_sets_record_sizes(void);
extern void guard_sets_save(GuardCaptureFile *file);
extern void guard_sets_restore(GuardCaptureFile *file,
							   void (*lost) (const GuardRelationKey *key,
											 int64 uses));
extern void guard_sets_status(GuardCaptureStatus *status);

/* Who has a place in a set. */
typedef struct GuardHolder
{
	Oid			database;
	Oid			userid;
	int64		queryid;
	TimestampTz last;
} GuardHolder;

/*
 * Who gives up his place in a full set, here and in what-if's: whoever has most
 * of it, with the one that asks for it counted in, his least recent one.  So a
 * statement that visits a thousand partitions, or else a role that runs a
 * thousand statements, pushes out itself.  "holders" are as many as a set has
 * slots, all taken; returns the number of one.
 */
extern int	guard_sets_make_room(const GuardHolder *holders,
								 const GuardHolder *mine);

/* Busy flags, shared with the relations' records. */
extern bool guard_flag_try(pg_atomic_flag *busy);
extern bool guard_flag_wait(pg_atomic_flag *busy);

#endif							/* GUARD_CAPTURE_SETS_H */
