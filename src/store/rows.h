/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Rows that are read one after the other, and their columns by type.
 *
 * Whether a query found them (store/query.h) or they are read from one of
 * guard's tables as a catalog is read, they are gone through in one way:
 *
 *		while (guard_rows_next(rows))
 *			use(guard_rows_oid(rows, 1), guard_rows_text(rows, 2));
 *
 * A column is read as the type that it has, which is checked.  Null reads as
 * what C has for nothing: InvalidOid, 0, false, NULL.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_ROWS_H
#define GUARD_ROWS_H

#include "access/genam.h"
#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/uuid.h"

#include "store/param.h"

/* Lives in the memory context in which it was made. */
typedef struct GuardRows
{
	HeapTuple	tuple;			/* the row at hand, NULL: none */
	TupleDesc	desc;

	/* of a query: all of them, next to be read, how many there are */
	SPITupleTable *found;
	uint64		next;
	uint64		count;

	/* of a table */
	Relation	rel;			/* NULL: read to the end */
	SysScanDesc scan;
} GuardRows;

/*
 * All rows of guard.<table>.  No ACL, no search_path, no planner
 * (doc/internals/postgresql.md 10.1), and it waits for no lock; the table
 * stays open, and locked, until the last row has been read or guard_rows_end()
 * is called.  Each row lasts until the next is read.
 *
 * Where the SQL is not this library's, or the rows speak of another database
 * (store/identity.h), there are none.  NULL where the table
 * is locked by somebody else, or gone: the caller then does not know.
 */
extern GuardRows *guard_rows_of_table(const char *table);

/*
 * The same for the rows whose column "attnum" is "key", of type oid, bigint,
 * name or uuid.
 * "index" names an index of the table that begins with that column; NULL: none
 * does.
 */
extern GuardRows *guard_rows_by_key(const char *table, const char *index,
									int attnum, GuardParam key);

/*
 * The same where nothing can be judged without the table: an error where it
 * cannot be read.
 */
extern GuardRows *guard_rows_surely(GuardRows *rows, const char *table);

/* Go on to the next row, the first one to begin with; false: none is left. */
extern bool guard_rows_next(GuardRows *rows);

/*
 * To be called where not all rows are read.  Those of a query are freed, and
 * nothing of them may be used any more.
 */
extern void guard_rows_end(GuardRows *rows);

/*
 * The columns of the row at hand, from 1 on.  Texts are copies, in the current
 * memory context: of text and name as they are, of other types as they would be
 * shown.  guard_rows_int() reads integers of all sizes, guard_rows_float()
 * floating point numbers of both.
 */
extern bool guard_rows_null(const GuardRows *rows, int column);
extern Oid	guard_rows_oid(const GuardRows *rows, int column);
extern int64 guard_rows_int(const GuardRows *rows, int column);
extern int64 guard_rows_int_or(const GuardRows *rows, int column,
							   int64 otherwise);
extern double guard_rows_float(const GuardRows *rows, int column);
extern bool guard_rows_bool(const GuardRows *rows, int column);
extern TimestampTz guard_rows_time(const GuardRows *rows, int column);
extern pg_uuid_t * guard_rows_uuid(const GuardRows *rows, int column);
extern char *guard_rows_text(const GuardRows *rows, int column);

/* An array of oid or of text, as a list of OIDs or of char *; null is NIL. */
extern List *guard_rows_list(const GuardRows *rows, int column);

#endif							/* GUARD_ROWS_H */
