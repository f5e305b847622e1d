/*-------------------------------------------------------------------------
 *
 * visit.h
 *	  What a visitor does for the soft drops of a database.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SOFTDROP_VISIT_H
#define GUARD_SOFTDROP_VISIT_H

#include "datatype/timestamp.h"

/*
 * Look at every soft drop of this database that is due, and move it on.
 * Called by a visitor, outside a transaction; begins and ends its own.  Returns
 * when to come again, 0 for no need to.
 */
extern TimestampTz guard_softdrop_visit(void);

/* After that: who is told of what was restored. */
extern TimestampTz guard_softdrop_tell(void);

/* ---- long_work.c ---- */

/*
 * A builder's task: the next long step, if one is due.  0: none was.
 */
extern TimestampTz guard_softdrop_long_step(void);

/*
 * The visitor's part of it: call a builder when one is needed, and end it where
 * it gets nowhere and others wait.  Returns when to look again, 0 for no need
 * to.
 */
extern TimestampTz guard_softdrop_look_after_builder(void);

/* ---- shared by both: a transaction, and what to do with an error ---- */

extern void guard_visit_begin(void);
extern void guard_visit_end(void);

/*
 * Catch an error: say what it was, and undo it.  Returns its message, in
 * "context".
 */
extern char *guard_visit_caught(MemoryContext context);

/*
 * What went wrong goes into the row; "attempt" says whether that counts as one,
 * or has been counted.
 */
extern void guard_visit_note_failure(int64 id, const char *message, bool attempt);

#endif							/* GUARD_SOFTDROP_VISIT_H */
