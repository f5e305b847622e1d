/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The background door: one launcher, and the visitors that it sends.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WORKER_H
#define GUARD_WORKER_H

#include "datatype/timestamp.h"
#include "postmaster/bgworker.h"

/* Called by guard.c: registers the launcher where guard is preloaded. */
extern void guard_worker_init(void);

/* Where the processes begin. */
extern PGDLLEXPORT void guard_launcher_main(Datum arg);
extern PGDLLEXPORT void guard_visitor_main(Datum arg);
extern PGDLLEXPORT void guard_builder_main(Datum arg);

/* What both do alike: signals, and a rest that a signal or a latch ends. */
extern void guard_worker_handle_signals(void);
extern void guard_worker_rest(TimestampTz until, uint32 wait_event);

/* ----------------------------------------------------------------
 *		What a visitor does in a database.
 *
 * A task is a row of the table in tasks.c.  It is called in a session of the
 * bootstrap superuser, with a pinned search_path, in a transaction of its own
 * with a snapshot; what it raises is logged, undone, and stops no other task.
 *
 * The visitor calls it for the first time when it first comes to a database
 * after the server started, and again when its interval is over; who asks for
 * a visit (guard_visits_want) has all tasks without an interval called at
 * once.  In a database where guard.mode is off none is called.
 * ----------------------------------------------------------------
 */

/*
 * The task begins and ends its transactions itself; it is called outside of
 * one, and left outside of one, also by what it raises.
 */
#define GUARD_TASK_OWN_TRANSACTIONS 0x01

typedef struct GuardTask
{
	const char *name;			/* for log lines, and pg_stat_activity */

	/*
	 * Seconds between two runs, usually the address of a setting; 0 there is
	 * never.  NULL: whenever a visitor is there, and when it was asked for.
	 */
	const int  *interval;

	/*
	 * Does it, and returns when it wants to be called next, if that is before
	 * the interval is over; 0: it does not.
	 */
	TimestampTz (*run) (void);

	int			flags;
} GuardTask;

extern const GuardTask guard_tasks[];
extern const int guard_tasks_count;

/* A builder's only one, which may take long and wait for locks without a limit. */
extern const GuardTask guard_long_task;

#endif							/* GUARD_WORKER_H */
