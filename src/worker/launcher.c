/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The one process that knows which databases there are, and sends visitors
 *	  to those that are due.
 *
 * It is connected to no database, as autovacuum's launcher is: it can read
 * pg_database, and is in nobody's way.  Everything else it knows from shared
 * memory: sessions announce databases that have guard, and ask for visits;
 * visitors say when they want to come again.  So after the first round nobody
 * is sent where nothing is to be done.
 *
 * max_worker_processes is eight where nobody has raised it, and other people
 * live on it, too.  The launcher takes one place for good and two at most for
 * visitors; and two for builders, while an index is dropped for good or created
 * again.  When there is none left, that is no error: it is counted, said
 * once and shown in guard.status, and tried again.
 *
 * On a standby visitors have one thing to do: they report what is used there
 * (report.c).  When it is promoted all databases are due.  When the launcher
 * dies it is started again after some seconds, and finds everything where it
 * was.
 *
 * When the server is shut down there is nothing left to do.  No process can
 * be started then to visit anybody, but neither is it necessary: what capture
 * knows is written to a file by the last process of all (planner/capture/file.c),
 * and what PostgreSQL counts it keeps itself.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_database.h"
#include "libpq/pqsignal.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/fmgroids.h"

#include "planner/capture/capture.h"
#include "store/visits.h"
#include "worker/worker.h"

/* Seconds until a launcher that died is started again. */
#define RESTART_AFTER	5

/* How often databases are listed, beside when somebody made or dropped one. */
#define LIST_EVERY		(10 * 60 * USECS_PER_SEC)

/* When a visitor is tried again after there was no worker slot for one. */
#define NO_WORKER_RETRY (5 * USECS_PER_SEC)

/* A database whose visitors fail is left alone for this long, doubled. */
#define FIRST_RETRY		(1 * USECS_PER_SEC)
#define MAX_DOUBLINGS	8		/* about four minutes */

/* A worker that was sent. */
typedef struct Sent
{
	BackgroundWorkerHandle *handle; /* NULL: nobody */
	int			slot;
	int64		rounds;			/* of its kind in that database, before */
} Sent;

/* What each kind is called, in pg_stat_activity as well, and where it begins. */
static const char *const kinds[GUARD_WORKER_KINDS][2] = {
	[GUARD_VISITOR] = {"guard worker", "guard_visitor_main"},
	[GUARD_BUILDER] = {"guard builder", "guard_builder_main"},
};

static Sent sent[GUARD_WORKER_KINDS][GUARD_WORKERS_EACH];
static TimestampTz next_listing = 0;

/* after there was no worker slot */
static TimestampTz next_try[GUARD_WORKER_KINDS];
static MemoryContext launcher_context = NULL;

/* ----------------------------------------------------------------
 *		Registration, and what both kinds of process do alike
 * ----------------------------------------------------------------
 */

void
guard_worker_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	guard_visits_describe(&worker, "guard launcher", "guard_launcher_main");
	worker.bgw_restart_time = RESTART_AFTER;
	RegisterBackgroundWorker(&worker);
}

/*
 * SIGTERM ends, SIGINT interrupts a statement, SIGHUP has the configuration
 * read.  Everything is acted upon where the process rests, or at the next
 * CHECK_FOR_INTERRUPTS.
 */
void
guard_worker_handle_signals(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
}

/*
 * Sleep until somebody sets the latch, or that time.  Dies with the
 * postmaster, and reads the configuration again if asked to.
 */
void
guard_worker_rest(TimestampTz until, uint32 wait_event)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	long		timeout = -1;

	if (until != GUARD_NEVER)
	{
		events |= WL_TIMEOUT;
		timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
	}
	(void) WaitLatch(MyLatch, events, timeout, wait_event);
	ResetLatch(MyLatch);

	/* An interrupt that came for a statement has none left to interrupt. */
	QueryCancelPending = false;
	if (!ProcDiePending)
		CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* ----------------------------------------------------------------
 *		Which databases there are
 * ----------------------------------------------------------------
 */

/*
 * Nobody visits a template, not even template1 that somebody has declared to
 * be none: CREATE DATABASE would have to wait for us (doc/internals/review.md
 * 17).
 */
static bool
is_visitable(Form_pg_database database)
{
	return database->datallowconn && !database->datistemplate &&
		database->oid != Template1DbOid &&
		database->datconnlimit != DATCONNLIMIT_INVALID_DB;
}

static void
list_databases(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	guard_visits_list_begin();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		guard_visits_list(database->oid, is_visitable(database));
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	guard_visits_list_end(guard_capture_forget_database);
	next_listing = GetCurrentTimestamp() + LIST_EVERY;
}

/*
 * Is a database still there, and still to be visited?  On a server that has
 * just started there may be no description of the index yet, and without a
 * database it cannot be made.
 */
static bool
may_visit(Oid database)
{
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		result;

	StartTransactionCommand();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_database_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	scan = systable_beginscan(rel, DatabaseOidIndexId,
							  criticalSharedRelcachesBuilt, NULL, 1, &key);
	tuple = systable_getnext(scan);
	result = HeapTupleIsValid(tuple) &&
		is_visitable((Form_pg_database) GETSTRUCT(tuple));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	return result;
}

/* ----------------------------------------------------------------
 *		Sending workers
 * ----------------------------------------------------------------
 */

/*
 * A worker has ended.  If it did not come to the end of its first round, its
 * database is left alone for a while, and longer each time.
 */
static void
take_back(Sent *worker, GuardWorkerKind kind, TimestampTz now)
{
	GuardCall  *call = &guard_visits->slots[worker->slot].calls[kind];

	if (call->rounds > worker->rounds)
		call->failures = 0;
	else
	{
		int			doublings = Min(call->failures, MAX_DOUBLINGS);

		call->not_before = now + (FIRST_RETRY << doublings);
		call->failures++;

		/* it took the wishes of others with it, which it had not met */
		guard_visits_sooner(&call->due, call->not_before);
	}
	call->called = false;
	pfree(worker->handle);
	worker->handle = NULL;
}

/*
 * See who has ended, and how many may still be sent.  Somebody whom a former
 * launcher sent may be there, too.
 */
static int
count_free(GuardWorkerKind kind, TimestampTz now)
{
	int			mine = 0;

	for (int i = 0; i < GUARD_WORKERS_EACH; i++)
	{
		Sent	   *worker = &sent[kind][i];
		pid_t		pid;

		if (worker->handle == NULL)
			continue;
		if (GetBackgroundWorkerPid(worker->handle, &pid) == BGWH_STOPPED)
			take_back(worker, kind, now);
		else
			mine++;
	}
	return GUARD_WORKERS_EACH - Max(mine, guard_visits_present(kind));
}

/*
 * There was no worker slot.  Said once, until there was one again.
 */
static void
note_no_worker(GuardWorkerKind kind, TimestampTz now)
{
	uint64		never = 0;

	pg_atomic_fetch_add_u64(&guard_visits->no_worker_count, 1);
	next_try[kind] = now + NO_WORKER_RETRY;
	if (!pg_atomic_compare_exchange_u64(&guard_visits->no_worker_since[kind],
										&never, (uint64) now))
		return;
	ereport(LOG,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("guard waits for a free background worker"),
			 errhint("Consider increasing the configuration parameter \"%s\".",
					 "max_worker_processes")));
}

static bool
send_worker(GuardWorkerKind kind, int number, TimestampTz now)
{
	GuardVisitSlot *slot = &guard_visits->slots[number];
	GuardCall  *call = &slot->calls[kind];
	Oid			database = pg_atomic_read_u32(&slot->database);
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	MemoryContext old;
	int			place = 0;
	bool		ok;

	guard_visits_describe(&worker, kinds[kind][0], kinds[kind][1]);
	worker.bgw_flags |= GUARD_COMPAT_BGWORKER_INTERRUPTIBLE;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = Int32GetDatum(number);
	memcpy(worker.bgw_extra, &database, sizeof(database));
	worker.bgw_notify_pid = MyProcPid;

	old = MemoryContextSwitchTo(launcher_context);
	ok = RegisterDynamicBackgroundWorker(&worker, &handle);
	MemoryContextSwitchTo(old);
	if (!ok)
	{
		note_no_worker(kind, now);
		return false;
	}
	pg_atomic_write_u64(&guard_visits->no_worker_since[kind], 0);
	call->called = true;
	while (sent[kind][place].handle != NULL)
		place++;
	sent[kind][place].handle = handle;
	sent[kind][place].slot = number;
	sent[kind][place].rounds = call->rounds;
	return true;
}

/*
 * Send workers to whoever is due; returns when to look again.
 */
static TimestampTz
send_workers(GuardWorkerKind kind, TimestampTz now)
{
	TimestampTz next = next_listing;
	int			places = count_free(kind, now);
	int			number;

	while ((number = guard_visits_pick(kind, now, &next)) >= 0)
	{
		if (next_try[kind] > now)
			return Min(next, next_try[kind]);
		if (places <= 0)
		{
			guard_visits_ask_to_yield(kind, now, &next);
			break;
		}
		if (!may_visit(pg_atomic_read_u32(&guard_visits->slots[number].database)))
		{
			pg_atomic_write_u64(&guard_visits->slots[number].calls[kind].due,
								(uint64) GUARD_NEVER);
			guard_visits_drop_slot(number);
		}
		else if (send_worker(kind, number, now))
			places--;
	}
	return next;
}

/*
 * All databases with guard are due.
 */
static void
call_all(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < GUARD_MAX_DATABASES; i++)
	{
		GuardVisitSlot *slot = &guard_visits->slots[i];

		if (OidIsValid(pg_atomic_read_u32(&slot->database)) &&
			slot->state == GUARD_DATABASE_WITH)
			guard_visits_sooner(&slot->calls[GUARD_VISITOR].due, now);
	}
}

/*
 * A standby that is promoted has much to do that it had not; until when it has
 * to be looked whether it is.
 */
static TimestampTz
note_promotion(TimestampTz now)
{
	static bool standby = false;
	bool		promoted = standby && !RecoveryInProgress();

	standby = RecoveryInProgress();
	if (promoted)
		call_all();
	return standby ? now + USECS_PER_SEC : GUARD_NEVER;
}

/*
 * From when a busy pool is to be alerted of, somebody has to come and count.
 */
static void
call_for_alerts(void)
{
	static bool called = false;
	bool		wanted = guard_guc_alerts && guard_guc_alert_pool_busy > 0;

	if (wanted && !called)
	{
		call_all();
	}
	called = wanted;
}

/* ----------------------------------------------------------------
 *		Life
 * ----------------------------------------------------------------
 */

/*
 * Somebody whom a former launcher sent is there, or comes, or does not.
 */
static void
take_over(void)
{
	for (int i = 0; i < GUARD_MAX_DATABASES; i++)
	{
		for (int kind = 0; kind < GUARD_WORKER_KINDS; kind++)
			guard_visits->slots[i].calls[kind].called = false;
	}
	pg_atomic_write_u32(&guard_visits->launcher, guard_visits_my_procno());
}

static void
retire(int code, Datum arg)
{
	pg_atomic_write_u32(&guard_visits->launcher, GUARD_NOBODY);
	for (int kind = 0; kind < GUARD_WORKER_KINDS; kind++)
		pg_atomic_write_u64(&guard_visits->no_worker_since[kind], 0);
}

void
guard_launcher_main(Datum arg)
{
	uint32		wait_event;

	guard_worker_handle_signals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", "guard launcher", PGC_USERSET,
					PGC_S_OVERRIDE);
	launcher_context = AllocSetContextCreate(TopMemoryContext,
											 "guard launcher",
											 ALLOCSET_SMALL_SIZES);
	wait_event = guard_compat_wait_event("GuardLauncherMain");
	take_over();
	on_shmem_exit(retire, (Datum) 0);

	while (!ProcDiePending)
	{
		TimestampTz next = GUARD_NEVER;

		if (guard_guc_mode != GUARD_MODE_OFF)
		{
			TimestampTz now = GetCurrentTimestamp();

			if (pg_atomic_exchange_u32(&guard_visits->relist, 0) != 0 ||
				now >= next_listing)
				list_databases();
			call_for_alerts();
			next = note_promotion(now);
			next = Min(next, send_workers(GUARD_VISITOR, now));
			next = Min(next, send_workers(GUARD_BUILDER, now));
		}
		else
			guard_visits_end_builders();
		guard_worker_rest(next, wait_event);
	}

	/* Not 0, which would mean that nobody is needed any more. */
	proc_exit(1);
}
