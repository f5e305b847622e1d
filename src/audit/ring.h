/*-------------------------------------------------------------------------
 *
 * ring.h
 *	  Entries that wait in shared memory for somebody who can write them.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_RING_H
#define GUARD_RING_H

/* An entry, taken to be written. */
typedef struct GuardWaiting
{
	uint64		id;
	char	   *json;
	int			coalesced;		/* how many more it stands for */
} GuardWaiting;

typedef struct GuardRingStatus
{
	bool		attached;
	int			waiting;		/* entries of this database */
	int			elsewhere;		/* entries of other databases */
	uint64		lost;			/* since start: entries of this database that
								 * no row tells of */
} GuardRingStatus;

/* Called from _PG_init, by way of guard_audit_init(). */
extern void guard_ring_init(void);

/*
 * Leave an entry of this database.  Where there is no room, the latest entry
 * that waits is made to say so.  Returns whether anything waits afterwards.
 * Waits for nothing but a lock that is held while memory is copied.
 *
 * Where guard is not preloaded the first call of the server makes the ring,
 * which can raise an error; "may_create" forbids it.
 */
extern bool guard_ring_put(const char *json, bool may_create);

/* No row will tell of an entry of this database. */
extern void guard_ring_lose(void);

/* Make the ring, or find it: then guard_ring_put() raises nothing. */
extern void guard_ring_make(void);

/*
 * Take the first entry of this database behind "after" (0: from the start) that
 * nobody else is writing; NULL when there is none.  In the current memory
 * context.  It stays in the ring until the transaction has committed with
 * guard_ring_written() said of it.
 */
extern GuardWaiting *guard_ring_take(uint64 after);
extern void guard_ring_written(uint64 id);

/* It could not be written; after a few times it is given up. */
extern void guard_ring_failed(uint64 id);

/* A database that has something waiting, InvalidOid if none has. */
extern Oid	guard_ring_database(void);

/* The database has gone. */
extern void guard_ring_forget_database(Oid database);

/* for guard.status */
extern void guard_ring_status(GuardRingStatus *status);

/*
 * One writer at a time (writer.c): may I be it?  The right ends with
 * guard_ring_writer_ends(), or a minute after it was given.
 */
extern bool guard_ring_writer_begins(void);
extern void guard_ring_writer_ends(void);

#endif							/* GUARD_RING_H */
