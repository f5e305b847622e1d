/*-------------------------------------------------------------------------
 *
 * query.h
 *	  The one way to run SQL of guard's own.
 *
 * Always as the owner of the extension, with search_path pinned to pg_catalog
 * and pg_temp: whoever asks, guard sees the same, and what it calls is
 * PostgreSQL's.  The text is fixed, or has been put together of names that are
 * quoted; values travel as parameters (store/param.h).  An error is raised as
 * it is; see guard_store_try() for what must not stop anybody's statement.
 *
 * Sees what this transaction has written.  In a copy of a database, which guard's
 * rows do not speak of, it sees none (store/identity.h).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_QUERY_H
#define GUARD_QUERY_H

#include "store/param.h"
#include "store/rows.h"

/*
 * uint64 guard_query_execute(sql, parameters ...)
 *
 * Change guard's tables.  Returns how many rows were; an error where the SQL of
 * the extension is not this library's.
 */
#define guard_query_execute(sql, ...) \
	guard_query_execute_params(sql, GUARD_PARAMS(__VA_ARGS__))

/*
 * GuardRows *guard_query_rows(sql, parameters ...)
 *
 * Read guard's tables; where the SQL is not this library's there are no rows.
 * All rows are read at once, into the current memory context, and may be kept
 * while others are read.  A change with RETURNING is read in the same way.
 */
#define guard_query_rows(sql, ...) \
	guard_query_rows_params(sql, GUARD_PARAMS(__VA_ARGS__))

/*
 * GuardRows *guard_query_server(sql, parameters ...)
 *
 * The same for what is not guard's: views of the server and of other
 * extensions.
 */
#define guard_query_server(sql, ...) \
	guard_query_server_params(sql, GUARD_PARAMS(__VA_ARGS__))

/* The value of the first column of the first row; 0 where there is none. */
#define guard_query_int(sql, ...) \
	guard_query_int_params(sql, GUARD_PARAMS(__VA_ARGS__))

/*
 * For a text that a session runs again and again, and that is a constant: the
 * same text, whose plan is kept from now on.
 *
 *		guard_query_rows(guard_query_kept(text), P_OID(index))
 */
extern const char *guard_query_kept(const char *sql);

/*
 * May rows of guard.<table> be written now, without waiting for the table?
 * Then it is locked for it.  For what can be left out.
 */
extern bool guard_query_may_write(const char *table);

/* What the macros call. */
extern uint64 guard_query_execute_params(const char *sql,
										 const GuardParam *params, int nparams);
extern GuardRows *guard_query_rows_params(const char *sql,
										  const GuardParam *params, int nparams);
extern GuardRows *guard_query_server_params(const char *sql,
											const GuardParam *params,
											int nparams);
extern int64 guard_query_int_params(const char *sql, const GuardParam *params,
									int nparams);

#endif							/* GUARD_QUERY_H */
