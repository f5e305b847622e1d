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

#define GUARD_HIDE_TABLE	"hidden_index"

/* One row. */
typedef struct GuardHideRow
{
	Oid			table;
	Oid			index;
	bool		here;			/* it belongs to this server and database */
	bool		partitioned;	/* so do the partitions' indexes */
	NameData	schema;
	NameData	table_name;
	NameData	name;
	bool		by_hand;
	TimestampTz since;
} GuardHideRow;

/* read the fixed part of a row; nothing of it can be null */
extern void guard_hide_read_row(HeapTuple tuple, TupleDesc desc,
								GuardHideRow *row);

/*
 * The index of that table which a row means now: the one with the OID, or,
 * where no valid index bears that any more, the one with the name
 * (doc/internals/postgresql.md 3.9).  InvalidOid when there is neither.  Takes
 * no lock.
 */
extern Oid	guard_hide_resolve(Oid table, Oid index, const char *name);

#endif							/* GUARD_HIDE_REGISTRY_H */
