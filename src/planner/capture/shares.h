/*-------------------------------------------------------------------------
 *
 * shares.h
 *	  What each database has of capture, and what capture has lost.
 *
 * Vocabulary, beside that of capture.h:
 *
 *	share		what one database may have of the records of relations: so many
 *				are guaranteed, the rest is first come
 *	off			a session runs statements uncaptured: until it ends or is
 *				switched on again, nobody can say "not seen" in its database
 *	loss		a relation was used when no record of it could be made, or was
 *				used and its record had to make room
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_SHARES_H
#define GUARD_CAPTURE_SHARES_H

#include "planner/capture/table.h"

/* Shares are known by number; the last is common to all that found none. */
#define GUARD_SHARES	1000

/*
 * For the one segment of capture: bytes that are needed; make the tables or
 * find them, holding AddinShmemInitLock.
 */
extern Size guard_shares_size(void);
extern void guard_shares_attach(void);

/*
 * The share of a database, made if need be.  mine() is that of this session's
 * database, which from then on is known to have guard.
 */
extern int	guard_shares_of(Oid database);
extern int	guard_shares_mine(void);

/*
 * Records of relations, counted by the caller under his exclusive lock.
 * has_room(): may this database have one more, of "used" in all?
 */
extern void guard_shares_add(int share, int records);
extern int	guard_shares_records(int share);
extern int	guard_shares_guaranteed(int share);

/*
 * guard has gone from this database, until somebody asks or is captured there
 * again.  What is known stays, for who installs it again, but is guaranteed
 * nothing.
 */
extern void guard_shares_release(void);
extern bool guard_shares_has_room(int share, int used);

/* This session, see above. */
extern void guard_shares_session_off(void);
extern void guard_shares_session_on(void);

/*
 * A loss at "at" of a relation of that owner; waits for nobody.  And the latest
 * one that concerns a relation of this database, 0 = none within the look-back.
 */
extern void guard_shares_lose(const GuardRelationKey *key, Oid owner,
							  TimestampTz at);
extern TimestampTz guard_shares_lost(const GuardRelationKey *key, Oid owner);

/*
 * the relation, or the whole database, is gone: so are its losses and its
 * share
 */
extern void guard_shares_forget(const GuardRelationKey *key);
extern void guard_shares_forget_database(Oid database);

/* See guard_table_save(). */
extern size_t guard_shares_record_sizes(void);
extern void guard_shares_save(GuardCaptureFile *file);
extern void guard_shares_restore(GuardCaptureFile *file);

/* Fill in what of *status is about this database. */
extern void guard_shares_status(GuardCaptureStatus *status);

#endif							/* GUARD_CAPTURE_SHARES_H */
