/*-------------------------------------------------------------------------
 *
 * indexlist.h
 *	  The indexes that the planner gets to see of a table.
 *
 * One hook for all that takes an index out of the planner's sight: hidden
 * indexes, guard.without_index, and the second planning of what-if.  Whatever
 * is not in the list does not exist for the planner, while everything else,
 * from uniqueness to ON CONFLICT inference, goes on as before
 * (doc/internals/postgresql.md 3.1, 3.2).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_INDEXLIST_H
#define GUARD_INDEXLIST_H

#include "nodes/pathnodes.h"

/*
 * Takes out of rel->indexlist what shall not be seen, by list_delete_cell or
 * the like; "heap" is the table's OID, the list is not empty.  Called while a
 * statement is being planned, perhaps in a parallel worker, on a standby or in
 * a failed transaction's wake: it runs no SQL, waits for no lock and raises no
 * error.
 */
typedef void (*guard_indexlist_filter) (RelOptInfo *rel, Oid heap);

/* Registered once, at start, by the files that hide. */
extern void guard_indexlist_register(guard_indexlist_filter filter);

/* Called by guard.c. */
extern void guard_indexlist_init(void);

#endif							/* GUARD_INDEXLIST_H */
