/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  The rows of guard.hidden_index, for the files that hide.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_HIDE_REGISTRY_H
#define GUARD_HIDE_REGISTRY_H

#include "access/htup.h"
#include "access/tupdesc.h"

#include "planner/hide/hide.h"
#include "store/identity.h"

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

#endif							/* GUARD_HIDE_REGISTRY_H */
