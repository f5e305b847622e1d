/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  What this session has used: not yet published, and published so far.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_PENDING_H
#define GUARD_CAPTURE_PENDING_H

#include "planner/capture/table.h"

/* What a statement did with a relation; several may come together. */
#define GUARD_USE_AIMED		0x01
#define GUARD_USE_ARBITER	0x02
#define GUARD_USE_WRITE		0x04

/* What this session has published of its own, to be left out for itself. */
typedef struct GuardOwnUse
{
	Oid			relation;
	int64		count;
	int64		aimed_count;
	int64		write_count;
	GuardRate	rate;
	TimestampTz last;
} GuardOwnUse;

/*
 * One executed statement: begin, any number of uses, end.  "now" is the time
 * of all of them.
 */
extern void guard_pending_begin(TimestampTz now, int64 queryid);
extern void guard_pending_use(Oid relation, Oid owner, int flags);
extern void guard_pending_excuse(Oid relation, Oid owner, int64 executions);
extern bool guard_pending_end(void);

/*
 * Publish what is pending.  "patient" tries for some milliseconds: for the end
 * of the session, when there is no next try, and for more news than mail.c
 * has places for.
 */
extern void guard_pending_flush(bool patient);

/*
 * What this session has published of a relation, NULL for nothing it
 * remembers; and forget one that is gone.
 */
extern const GuardOwnUse *guard_pending_own(Oid relation);
extern void guard_pending_forget(Oid relation);

/* This session, as the shared tables tell sessions apart. */
extern uint64 guard_pending_session(void);

#endif							/* GUARD_CAPTURE_PENDING_H */
