/*-------------------------------------------------------------------------
 *
 * store.h
 *	  guard's own tables, and the one way to run guard's own SQL.
 *
 * Reading is done with catalog-style scans: no ACL, no search_path, no planner
 * (doc/internals/postgresql.md 10.1), and never behind a lock
 * (doc/internals/review.md 11).  Writing is done through SPI as the owner of
 * the extension, with a pinned search_path.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_STORE_H
#define GUARD_STORE_H

#include "access/htup.h"
#include "access/tupdesc.h"

#include "store/work.h"

/* Called by guard.c at start. */
extern void guard_store_init(void);

/*
 * An extension is being dropped: see anew whether it was guard.  Its event
 * triggers go first, and whoever asks after them but before the extension
 * itself has gone would otherwise be the last to be told that it is there.
 */
extern void guard_store_forget(void);

/*
 * OID of the extension in this database, InvalidOid where guard is not
 * installed (or is being installed just now).  Cached; needs a transaction.
 */
extern Oid	guard_store_extension(void);

/* Owner of the extension, whose rights guard's own SQL runs with. */
extern Oid	guard_store_owner(void);

/* Is guard here, and should it act?  False during binary upgrade, too. */
extern bool guard_store_present(void);

/*
 * Is the SQL of the extension here that of this library?  If not, because one
 * of them was upgraded without the other, then nothing is read from guard's
 * tables, as if they were empty, and nothing is written to them: guard judges
 * with what it sees elsewhere, and records in the server log.
 */
extern bool guard_store_matches(void);

/* What is to be said about it, NULL where they match; and once a session. */
extern const char *guard_store_mismatch(void);
extern void guard_store_tell_mismatch(void);

/*
 * The same for those who ask at every statement, inside a transaction.  The
 * flag is set while the answer is known to be yes; it may go on saying so while
 * a script of our own runs an upgrade.
 */
extern bool guard_store_known;

/* The schema of its tables, as last seen. */
extern Oid	guard_store_schema;

static inline bool
guard_store_is_here(void)
{
	return likely(guard_store_known) || guard_store_present();
}

/* OID of a table or view of schema guard, InvalidOid when there is none. */
extern Oid	guard_store_table(const char *name);

/*
 * Call "row" for each row of guard.<table> whose OID column "attnum" equals
 * "key" (all rows when attnum is 0), until it returns false.  "index" names an
 * index of the table that begins with that column, or is NULL.
 *
 * Where the SQL is not this library's there are no rows.  Returns false,
 * having read nothing, when the table is locked by somebody
 * else or gone: the caller then does not know.
 */
typedef bool (*guard_store_row) (HeapTuple tuple, TupleDesc desc, void *arg);
extern bool guard_store_scan(const char *table, const char *index,
							 int attnum, Oid key,
							 guard_store_row row, void *arg);

/*
 * The same for a table without which nothing can be judged: it is an error
 * when it cannot be read.
 */
extern void guard_store_scan_surely(const char *table, const char *index,
									int attnum, Oid key,
									guard_store_row row, void *arg);

/*
 * Run one statement as the owner of the extension, an error where the SQL is
 * not this library's; returns the number of rows
 * processed.  The text is fixed, values travel as parameters.
 */
extern uint64 guard_store_execute(const char *sql, int nargs, Oid *types,
								  Datum *values, const char *nulls);

/*
 * Run one query as the owner of the extension and call "row" for each row of
 * its result, which is gone when this returns; what is to be kept must be
 * copied into a memory context of the caller's.  Sees what this transaction
 * has written.
 */
typedef void (*guard_store_result) (HeapTuple tuple, TupleDesc desc, void *arg);
extern void guard_store_select(const char *sql, int nargs, Oid *types,
							   Datum *values, const char *nulls,
							   guard_store_result row, void *arg);

/*
 * Call "work" in a subtransaction and swallow what it raises, leaving a line
 * in the server log: book-keeping must never stop somebody's statement, nor
 * keep it waiting.
 * Returns whether it succeeded.
 */
extern bool guard_store_try(const char *what, guard_work work, void *arg);

/*
 * The same for what a later verdict leans on.  In enforce mode it is done by
 * the transaction itself, which may have begun to commit, and an error in it
 * is the transaction's: what cannot be written has not happened.  In the other
 * modes nothing is ever refused.
 */
extern bool guard_store_must(const char *what, guard_work work, void *arg);

#endif							/* GUARD_STORE_H */
