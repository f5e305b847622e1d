/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Many rows in one statement.
 *
 * Rows are collected as columns, and handed to one statement as one array for
 * each column: "SELECT ... FROM unnest($1, $2, ...)".  Everything lives in the
 * memory context in which the batch was made.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_BATCH_H
#define GUARD_BATCH_H

#include "store/param.h"

typedef struct GuardBatch GuardBatch;

/* No rows yet. */
extern GuardBatch *guard_batch_make(void);

/*
 * void guard_batch_add(batch, columns ...)
 *
 * One more row.  All rows have the same columns, of the same types.  Values by
 * reference must outlive the batch.
 */
#define guard_batch_add(batch, ...) \
	guard_batch_add_params(batch, GUARD_PARAMS(__VA_ARGS__))

/* What that calls. */
extern void guard_batch_add_params(GuardBatch *batch, const GuardParam *params,
								   int nparams);

/*
 * Run the statement with the columns as $1, $2, ..., as guard_query_execute()
 * does, unless there are no rows; then 0.
 */
extern uint64 guard_batch_execute(const GuardBatch *batch, const char *sql);

#endif							/* GUARD_BATCH_H */
