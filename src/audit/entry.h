/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  One entry of the audit log, and its form on the way there.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_ENTRY_H
#define GUARD_ENTRY_H

#include "audit/audit.h"

/*
 * What the caller knows; who asks, from where and when, is added.  All text is
 * in the encoding of the database, NULL where there is none.
 */
typedef struct GuardEntry
{
	GuardAsked	asked;
	const char *verdict;
	const char *reason;
	const char *object;			/* of a change of guard's own rules */
	const char *index_name;
	const char *table_name;
	const char *definition;
	const char *detail;
	const char *facts;			/* a JSON object */
	const char *approval;
	bool		in_error;		/* an error is being handled: catalogs cannot
								 * be read */
} GuardEntry;

/*
 * The entry as one JSON object on one line, in the current memory context.
 */
extern char *guard_entry_json(const GuardEntry *entry);

/*
 * The same, short enough to wait in shared memory: what would be too long is
 * cut, with a mark.  The line in the server log has all of it.
 */
extern char *guard_entry_short_json(const GuardEntry *entry);

/*
 * Insert it into guard.audit_log, in the current transaction.  "coalesced" is
 * how many more there were like it, of which only the server log tells.
 */
extern void guard_entry_insert(const char *json, int coalesced);

/* The line in the server log, of which a review hears as well. */
extern void guard_entry_log(const GuardEntry *entry, const char *json);

/* ----------------------------------------------------------------
 *		Entries that wait in shared memory for somebody who can write them.
 * ----------------------------------------------------------------
 */

/* An entry, taken to be written. */
typedef struct GuardWaiting
{
	uint64		id;
	char	   *json;
	int			coalesced;		/* how many more it stands for */
} GuardWaiting;

typedef struct GuardRingStatus
{
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

/* for guard.status */
extern void guard_ring_status(GuardRingStatus *status);

/*
 * One writer at a time (writer.c): may I be it?  The right ends with
 * guard_ring_writer_ends(), or a minute after it was given.
 */
extern bool guard_ring_writer_begins(void);
extern void guard_ring_writer_ends(void);

/* ----------------------------------------------------------------
 *		Somebody who writes the entries that wait.
 * ----------------------------------------------------------------
 */

/*
 * Something waits: have it written, by a visitor where there is a launcher,
 * else by a background worker of our own.  Waits for neither; false when none
 * can be had.  Callable while an error is about to be raised.
 */
extern bool guard_writer_call(void);

/* what the background worker runs that writes the entries of one database */
extern PGDLLEXPORT void guard_writer_main(Datum database);

#endif							/* GUARD_ENTRY_H */
