/*-------------------------------------------------------------------------
 *
 * history_rows.h
 *	  The rows that a snapshot writes; seen by the snapshot alone.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_HISTORY_ROWS_H
#define GUARD_HISTORY_ROWS_H

#include "evidence/history.h"

/* Rows of guard.known_use and guard.hourly_use, not written yet. */
typedef struct GuardHistoryRows GuardHistoryRows;

extern GuardHistoryRows *guard_history_rows_make(void);
extern void guard_history_rows_use(GuardHistoryRows *rows,
								   const GuardKnownUse *use);

/* "at" is when the last of the captured uses was, or the scans were noticed */
extern void guard_history_rows_hour(GuardHistoryRows *rows,
									const GuardKnownUse *use, TimestampTz at,
									int64 scans, int64 uses);
extern void guard_history_rows_write(GuardHistoryRows *rows);

/* relations that are no more, by their ids in guard.known_use */
extern void guard_history_rows_delete(List *ids);

/* everything: it is another database's */
extern void guard_history_rows_clear(void);

extern void guard_history_rows_epochs(const GuardEpochs *epochs);

/* the statements, and what is too old */
extern void guard_history_statements(TimestampTz now, TimestampTz last);
extern void guard_history_prune(const GuardEpochs *epochs);

#endif							/* GUARD_HISTORY_ROWS_H */
