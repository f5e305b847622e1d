/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  Statements that commit inside, run by a visitor.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SOFTDROP_STATEMENT_H
#define GUARD_SOFTDROP_STATEMENT_H

#include "softdrop/softdrop.h"

/*
 * Run one statement as if a client had sent it alone.  Called outside a
 * transaction; raises what the statement raises, leaving the transaction to the
 * caller to abort.  "lock_timeout" is milliseconds, 0 for none.
 */
extern void guard_softdrop_run(const char *sql, int lock_timeout);

/* ---- dropping.c ---- */

/* These begin and end transactions of their own, and raise what goes wrong. */
extern void guard_dropping_drop(int64 id);
extern void guard_dropping_create(int64 id);

/*
 * Would dropping it have to wait for older transactions on its table?  It
 * would be invalid meanwhile (doc/internals/postgresql.md 7.2).
 */
extern bool guard_dropping_must_wait(const GuardSoftDrop *drop);

/* ---- shared by dropping.c and creating.c ---- */

/* the long step that creates; see guard_dropping_create() */
extern void guard_creating_run(int64 id, MemoryContext context);

/* guard's doors are to know that it is guard that drops this index */
extern void guard_dropping_note(Oid index);

/*
 * A relation is being dropped: by a visitor in a long step nothing but what it
 * has noted.  Between its look at a name and its statement, the name may have
 * been given to another index, of somebody else.
 */
extern void guard_dropping_check(Oid relation);

/* the row, in that context; called in a transaction */
extern GuardSoftDrop *guard_dropping_read(int64 id, MemoryContext context);

#endif							/* GUARD_SOFTDROP_STATEMENT_H */
