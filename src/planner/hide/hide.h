/*-------------------------------------------------------------------------
 *
 * hide.h
 *	  Indexes that the planner does not get to see.
 *
 * Vocabulary:
 *
 * hidden		the planner passes the index over, while it stays maintained and
 *	everything else that it is good for goes on
 * registry	the table guard.hidden_index: one row for each index that
 *	somebody hid, by hand or as a stage of a soft drop
 * root		the index of such a row; a partitioned one hides the indexes of
 *	all its partitions, whenever they were attached
 *
 * In a copy of a database what was hidden in the other is not
 * (doc/internals/postgresql.md 3.11).  Where it is doubtful whether an index
 * is hidden, it is not.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_HIDE_H
#define GUARD_HIDE_H

#include "store/store.h"

/* guard.hidden_index.kind */
#define GUARD_HIDE_BY_HAND		"hand"
#define GUARD_HIDE_SOFT_DROP	"softdrop"

typedef struct GuardHidden
{
	Oid			root;			/* the index that was hidden, perhaps a parent */
	TimestampTz since;			/* without a break, by whatever row */
	bool		by_hand;		/* false: it is a stage of a soft drop */
} GuardHidden;

/* A time in which an index was hidden. */
typedef struct GuardSpan
{
	TimestampTz from;
	TimestampTz until;
} GuardSpan;

/* Called by guard.c. */
extern void guard_hide_init(void);

/* ---- asking; what the registry says, whatever guard.hiding says ---- */

/*
 * Is this index hidden, by itself or through the partitioned index that it
 * belongs to?  Waits for no lock; false where the registry cannot be read and
 * never was.  Needs a transaction.
 */
extern bool guard_hide_is_hidden(Oid index);

/* The same, and who hid it. */
extern bool guard_hide_find(Oid index, GuardHidden *hidden);

/* Does this session know what the registry says now?  No: it is locked. */
extern bool guard_hide_is_current(void);

/*
 * When it was hidden before, by itself or with a partitioned index that it
 * belongs to now: a list of GuardSpan *, in no order.  Raises an error when that
 * cannot be read.
 */
extern List *guard_hide_past(Oid index);

/* How many indexes of this database are hidden, partitions counted. */
extern int	guard_hide_count(void);

/*
 * Does hiding work at all?  False where guard is not preloaded, for then other
 * sessions would not know, and while guard.hiding or guard.mode is off.
 */
extern bool guard_hide_is_preloaded(void);
extern bool guard_hide_is_effective(void);

/*
 * Let this session's planner see one index that is hidden, named by its root,
 * until it is called with InvalidOid; for the planning of what is not executed.
 */
extern void guard_hide_show(Oid root);

/* ---- changing, in the current transaction: rollback takes it back ---- */

/*
 * Hide an index from commit on; "kind" is one of the two above, "reason" may be
 * NULL.  If it is hidden already, kind and reason are replaced and the time
 * stays.  The caller has seen to it that it is one that can be hidden (see
 * evidence/hideable.h), owns the right to, and holds a lock on its table that
 * keeps it from being dropped.  Callable in a visitor.
 */
extern void guard_hide_add(Oid index, const char *kind, const char *reason);

/*
 * Let the planner see it again, whoever hid it, and write down for how long it
 * could not.  False when it was not hidden by itself.  Waits for no lock on the
 * index or its table.
 */
extern bool guard_hide_remove(Oid index);

/* ---- book-keeping, called by hooks ---- */

/*
 * A relation is being dropped.  If it is the registry, plans that were made
 * without hidden indexes are made anew.
 */
extern void guard_hide_relation_goes(Oid relation);

/* ----------------------------------------------------------------
 *		The rows of guard.hidden_index, for the files that hide.
 * ----------------------------------------------------------------
 */

#define GUARD_HIDE_TABLE	"hidden_index"

/* One row. */
typedef struct GuardHideRow
{
	GuardObject *object;		/* what is hidden */
	bool		partitioned;	/* so are the partitions' indexes */
	bool		by_hand;
	TimestampTz since;
} GuardHideRow;

/*
 * Read a row; false where what it hides is gone.  In the current memory
 * context.  Raises an error where that cannot be read.
 */
extern bool guard_hide_read_row(HeapTuple tuple, TupleDesc desc,
								GuardHideRow *row);

#endif							/* GUARD_HIDE_H */
