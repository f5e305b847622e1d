/*-------------------------------------------------------------------------
 *
 * departed.h
 *	  Indexes that were used and go, described while they are still there.
 *
 * Use stays with the index that was used, also when that is gone: capture keeps
 * its record.  What the record cannot tell is noted here when the index goes.
 *
 * Shared memory cannot be rolled back, and need not be: an entry describes an
 * index, and says nothing as long as that is there.  Whoever reads it asks the
 * catalogs.  It is forgotten when a snapshot has written it down.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_DEPARTED_H
#define GUARD_DEPARTED_H

#include "ground.h"

/* Bytes for the shape, and for the other one, terminators included. */
#define GUARD_DEPARTED_SHAPES	1024

typedef struct GuardDeparted
{
	Oid			index;
	Oid			table;
	TimestampTz at;				/* when this was noted */
	TimestampTz created_at;		/* of the index; 0: not seen */
	NameData	schema;			/* what traffic called the table */
	NameData	table_name;
	NameData	name;
	int64		scans;			/* that the server counted and no statement
								 * explains: its counters go with the index */
	TimestampTz scans_since;
	TimestampTz last_scan;
	const char *shape;			/* as a text; opaque here */
	const char *by_plan;		/* that of an index which takes over its
								 * statements by their plans; NULL: none */
} GuardDeparted;

/* Tells tables by name: a hash for indexes in memory and on disk. */
extern int64 guard_departed_key(const char *schema, const char *table);

/*
 * Note an index, in place of what was noted of it before.  False: there is no
 * room for it, or no shared memory.
 */
extern bool guard_departed_note(const GuardDeparted *departed);

/*
 * Entries of this database, in the current memory context, as a list of
 * GuardDeparted *: of one table, by its OID or its name; or all.
 */
extern List *guard_departed_of(Oid table, const char *schema, const char *name);
extern List *guard_departed_all(void);
extern bool guard_departed_have(Oid index);

/*
 * Whatever went since then, used or not known to be unused, has been noted: a
 * crash takes the entries along.  0: they are not kept here.
 */
extern TimestampTz guard_departed_since(void);

/*
 * An index of this table went, and what was known of it could not be kept; and
 * when that was last so, 0 = never.
 */
extern void guard_departed_lose(Oid table);
extern TimestampTz guard_departed_lost(Oid table);

/*
 * Forget the entry that was made then (0: whenever it was), or a whole database.
 */
extern void guard_departed_forget(Oid index, TimestampTz at);
extern void guard_departed_forget_database(Oid database);

/* Called at start. */
extern void guard_departed_init(void);

#endif							/* GUARD_DEPARTED_H */
