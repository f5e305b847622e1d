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

typedef struct GuardBatch GuardBatch;

/* "types" are the element types of the columns. */
extern GuardBatch *guard_batch_make(int ncolumns, const Oid *types);

/* Datums by reference must outlive the batch; nulls[] true is null. */
extern void guard_batch_add(GuardBatch *batch, const Datum *values,
							const bool *nulls);
extern int	guard_batch_rows(const GuardBatch *batch);

/*
 * Run the statement with the columns as $1, $2, ..., as guard_store_execute()
 * does, unless there are no rows; then 0.
 */
extern uint64 guard_batch_execute(const GuardBatch *batch, const char *sql);

#endif							/* GUARD_BATCH_H */
