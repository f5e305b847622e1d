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

#include "ground.h"

/* Called by guard.c: registers the launcher where guard is preloaded. */
extern void guard_worker_init(void);

/* Where the processes begin. */
extern PGDLLEXPORT void guard_launcher_main(Datum arg);
extern PGDLLEXPORT void guard_visitor_main(Datum arg);
extern PGDLLEXPORT void guard_builder_main(Datum arg);

/* What is used on this standby is reported; a task. */
extern TimestampTz guard_worker_report(void);

/* What both do alike: signals, and a rest that a signal or a latch ends. */
extern void guard_worker_handle_signals(void);
extern void guard_worker_rest(TimestampTz until, uint32 wait_event);

#endif							/* GUARD_WORKER_H */
