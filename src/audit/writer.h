/*-------------------------------------------------------------------------
 *
 * writer.h
 *	  Somebody who writes the entries that wait.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WRITER_H
#define GUARD_WRITER_H

/*
 * Something waits: have it written, by a visitor where there is a launcher,
 * else by a background worker of our own.  Waits for neither; false when none
 * can be had.  Callable while an error is about to be raised.
 */
extern bool guard_writer_call(void);

/*
 * Write the entries of this database that wait.  Needs a transaction, after
 * whose commit they are out of the ring.  Returns whether all were written.
 */
extern bool guard_writer_deliver(void);

/* what the background worker runs that writes the entries of one database */
extern PGDLLEXPORT void guard_writer_main(Datum database);

#endif							/* GUARD_WRITER_H */
