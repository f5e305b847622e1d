/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  Somebody who writes the entries that wait.
 *
 * Where guard is preloaded, its launcher sends a visitor.  Elsewhere the
 * refusing backend registers a background worker for its database, called a
 * writer: one at a time for the whole server, however many are refused, since
 * parallel query and logical replication want workers, too
 * (doc/internals/postgresql.md 6.3).  A writer that finds entries of another
 * database when it leaves sends the next one.
 *
 * Nobody waits for a writer: one's own transaction may hold the very lock
 * that it needs, which would be a deadlock that nobody detects
 * (doc/internals/postgresql.md 6.2).  It tries for a while itself, since such
 * a transaction is about to end.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"

#include "audit/entry.h"
#include "store/store.h"
#include "store/visits.h"

/* How often a writer tries, and how long it waits in between. */
#define TRIES			20
#define PAUSE_MSECS		1000

static bool connected = false;	/* to the database */
static bool delivered = false;	/* all that waited there */

/*
 * Register a worker for a database; false when there is no slot for it.
 */
static bool
send_writer(Oid database)
{
	BackgroundWorker worker;

	guard_visits_describe(&worker, "guard audit writer", "guard_writer_main");
	snprintf(worker.bgw_name, BGW_MAXLEN, "guard audit writer for database %u",
			 database);
	worker.bgw_flags |= GUARD_COMPAT_BGWORKER_INTERRUPTIBLE;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

bool
guard_writer_call(void)
{
	/*
	 * It would not start before promotion, and hold its slot
	 * (doc/internals/postgresql.md 6.4).
	 */
	if (RecoveryInProgress())
		return false;
	if (guard_visits_available())
		guard_visits_want();
	else if (guard_ring_writer_begins() && !send_writer(MyDatabaseId))
	{
		guard_ring_writer_ends();
		return false;
	}
	return true;
}

static void
deliver_one(void *arg)
{
	GuardWaiting *waiting = arg;

	guard_entry_insert(waiting->json, waiting->coalesced);
}

bool
guard_audit_deliver(void)
{
	GuardWaiting *waiting = NULL;
	int			failures = 0;

	if (!OidIsValid(guard_store_extension()))
		guard_audit_forget_database(MyDatabaseId);
	if (!guard_store_present())
		return true;

	/* One may be bad by itself; two, and it is the log that is locked. */
	while (failures < 2 &&
		   (waiting = guard_ring_take(waiting ? waiting->id : 0)) != NULL)
	{
		if (guard_store_try("write down a refused drop", deliver_one, waiting))
			guard_ring_written(waiting->id);
		else
		{
			guard_ring_failed(waiting->id);
			failures++;
		}
	}
	return failures == 0;
}

/* ---- the worker's own life ---- */

static bool
deliver_in_transaction(void)
{
	bool		done;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	done = guard_audit_deliver();
	PopActiveSnapshot();
	CommitTransactionCommand();
	return done;
}

/*
 * The last thing it does, however it ends: let the next one come.  What is left
 * of its own database has just arrived, or could not be written, and then
 * trying once more at once would not help.
 */
static void
leave(int code, Datum database)
{
	Oid			next;

	guard_ring_writer_ends();
	if (!connected)
		guard_audit_forget_database(DatumGetObjectId(database));
	if (code != 0)
		return;
	next = guard_ring_database();
	if (OidIsValid(next) &&
		(delivered || next != DatumGetObjectId(database)) &&
		guard_ring_writer_begins() && !send_writer(next))
		guard_ring_writer_ends();
}

void
guard_writer_main(Datum database)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	(void) guard_ring_database();	/* attach */
	before_shmem_exit(leave, database);
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database),
											  InvalidOid, 0);
	connected = true;
	pgstat_report_activity(STATE_RUNNING, "guard: writing down refused drops");

	for (int i = 0; i < TRIES; i++)
	{
		delivered = deliver_in_transaction();
		if (delivered)
			break;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 PAUSE_MSECS,
						 guard_compat_wait_event("GuardAuditWriterMain"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	proc_exit(0);
}
