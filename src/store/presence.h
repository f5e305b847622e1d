/*-------------------------------------------------------------------------
 *
 * presence.h
 *	  Is guard in this database?  As the sessions before this one found.
 *
 * Finding out reads half a dozen catalogs, which costs a client that connects
 * for one query a tenth of all it does.  So what one session has found is in
 * shared memory, for as long as nothing can have changed it: it goes by a
 * number that changes whenever somebody makes, changes or drops what
 * store.c goes by, from when he does until his transaction is over.
 *
 * On a standby nobody here learns what is replayed, so nothing is shared.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_PRESENCE_H
#define GUARD_PRESENCE_H

typedef struct GuardPresence
{
	Oid			database;
	Oid			extension;		/* InvalidOid: guard is not installed */
	Oid			owner;
	Oid			schema;
	bool		match;			/* its SQL is that of this library */
	uint32		match_hash;		/* of guard.sql_id() */
} GuardPresence;

/* Called at start. */
extern void guard_presence_init(void);

/*
 * What is known of this database.  False: nothing that can be relied on; then
 * *number is to be handed to guard_presence_tell() with what is found, which
 * believes nobody who has written something.  Neither waits for anybody.
 */
extern bool guard_presence_read(GuardPresence *presence, uint64 *number);
extern void guard_presence_tell(const GuardPresence *presence, uint64 number);

/*
 * It may have changed: by this transaction, or by one that has told us.  To be
 * called before its COMMIT.
 */
extern void guard_presence_changed(void);

/*
 * The table of this database that hides indexes, if it is known to be empty;
 * InvalidOid: it is not known.  Who tells so holds a lock on it that lets
 * nobody else write; who writes to it says so before his COMMIT.
 */
extern Oid	guard_presence_hides_nothing(Oid extension);
extern void guard_presence_tell_hides_nothing(Oid extension, Oid table);
extern void guard_presence_may_hide(void);

#endif							/* GUARD_PRESENCE_H */
