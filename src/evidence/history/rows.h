/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  The rows of history; seen by its own files alone.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_HISTORY_ROWS_H
#define GUARD_HISTORY_ROWS_H

#include "evidence/history/history.h"

/* Rows of guard.known_use and guard.hourly_use, not written yet. */
typedef struct GuardHistoryRows GuardHistoryRows;

/*
 * Rows in the current memory context: none; one use more; the epochs written
 * at once.
 */
extern GuardHistoryRows *guard_history_rows_make(void);

/* what happened between two snapshots, for the row of this index */
extern void guard_history_rows_use(GuardHistoryRows *rows,
								   const GuardKnownUse *use);

/* "at" is when the last of the captured uses was, or the scans were noticed */
extern void guard_history_rows_hour(GuardHistoryRows *rows,
									const GuardKnownUse *use, TimestampTz at,
									int64 scans, int64 uses);
extern void guard_history_rows_write(GuardHistoryRows *rows);

/* relations that are no more, by their ids in guard.known_use */
extern void guard_history_rows_delete(List *ids);

/* write the epochs that are not written yet */
extern void guard_history_rows_epochs(const GuardEpochs *epochs);

/* the statements, and what is too old */
extern void guard_history_statements(TimestampTz now, TimestampTz last);
extern void guard_history_prune(const GuardEpochs *epochs);

#endif							/* GUARD_HISTORY_ROWS_H */
