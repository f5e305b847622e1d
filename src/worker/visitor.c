/*-------------------------------------------------------------------------
 *
 * visitor.c
 *	  A visit: connect to one database, do what is due there, leave.
 *
 * A visitor that has nothing to do is gone within milliseconds.  It stays only
 * while somebody wished it to, because something is being watched, and goes
 * between two tasks when it is asked to leave, which is when a statement needs
 * the database empty or when others wait.
 *
 * What may take long is not done here but by a builder, a second process that
 * comes for nothing else: a visitor calls it, and ends it where it gets nowhere
 * and others wait (softdrop/long_work.c).
 *
 * Every task has a transaction of its own, and what it raises ends here: one
 * line in the server log, and the next task.  A task that failed is called
 * again after its interval, and not before a minute has passed.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/ipc.h"
#include "utils/timeout.h"

#include "alerts/alerts.h"
#include "audit/audit.h"
#include "evidence/history/history.h"
#include "softdrop/softdrop.h"
#include "store/visits.h"
#include "worker/worker.h"

/* ----------------------------------------------------------------
 *		What a visitor does in a database.
 *
 * A task is a row of a table.  It is called in a session of the bootstrap
 * superuser, with a pinned search_path, in a transaction of its own with a
 * snapshot; what it raises is logged, undone, and stops no other task.
 *
 * The visitor calls it for the first time when it first comes to a database
 * after the server started, and again when its interval is over; who asks for
 * a visit (guard_visits_want) has all tasks without an interval called at
 * once.  In a database where guard.mode is off none is called.
 *
 * Order matters only among tasks that are due at the same time: they run from
 * top to bottom, the short ones first.
 * ----------------------------------------------------------------
 */

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

	/*
	 * It begins and ends its transactions itself; it is called outside of
	 * one, and left outside of one, also by what it raises.
	 */
	bool		own_transactions;

	bool		on_standby;		/* it is for standbys, and only for them */
} GuardTask;

static const int hourly = 3600;

/*
 * Capture cannot be told of a drop that was prepared, or that happened while
 * guard.mode was off.  What was used within a day may be the work of a
 * transaction that is still open.
 */
static TimestampTz
purge(void)
{
	guard_evidence_forget_vanished(GetCurrentTimestamp() - USECS_PER_DAY);
	return 0;
}

/*
 * Somebody else who is at it does it for us.
 */
static TimestampTz
history(void)
{
	(void) guard_history_snapshot();
	return 0;
}

/*
 * Somebody's transaction may hold a lock on the audit log: it is tried again a
 * second later.
 */
static TimestampTz
deliver_audit(void)
{
	return guard_audit_deliver() ? 0 : GetCurrentTimestamp() + USECS_PER_SEC;
}

static TimestampTz
prune_audit(void)
{
	(void) guard_audit_prune();
	return 0;
}

static const GuardTask tasks[] = {
	{"soft drops", NULL, guard_softdrop_visit, true, false},
	{"soft drops, telling", NULL, guard_softdrop_tell, true, false},
	{"audit", NULL, deliver_audit, false, false},
	{"pool", NULL, guard_pool_watch, false, false},
	{"history", &guard_guc_snapshot_interval, history, false, false},
	{"prune audit", &hourly, prune_audit, false, false},
	{"purge", &hourly, purge, false, false},
	{"report", &guard_guc_snapshot_interval, guard_worker_report, true, true},
};

/* A builder's only one, which may take long and wait for locks without a limit. */
static const GuardTask long_task =
{"soft drops, long step", NULL, guard_softdrop_long_step, true, false};

StaticAssertDecl(lengthof(tasks) <= GUARD_MAX_TASKS,
				 "GUARD_MAX_TASKS is too small");

/*
 * What a task may take, in milliseconds, unless it is a builder's.  Users
 * come first: for a lock that one of them holds we rather come again.
 */
#define TASK_LOCK_WAIT	"200ms"
#define TASK_TIME_LIMIT 30000

/* A task that failed is not called again before this. */
#define RETRY_AFTER		(60 * USECS_PER_SEC)

/*
 * A database without guard announces itself when it gets it, and one in which
 * guard.mode is off when that changes; looking is for what nobody expects.  On a
 * standby nobody announces what is replayed, so it is looked as often as it would
 * report.
 */
#define WITHOUT_GUARD	USECS_PER_DAY
#define WITH_MODE_OFF	(5 * 60 * USECS_PER_SEC)

static GuardWorkerKind my_kind;
static GuardVisitSlot *here = NULL;
static MemoryContext visitor_context = NULL;

/* Tasks that failed are not called again before. */
static TimestampTz not_before[GUARD_MAX_TASKS];

/* ----------------------------------------------------------------
 *		One task
 * ----------------------------------------------------------------
 */

/*
 * Settings that ALTER DATABASE or ALTER SYSTEM may have made, and that must
 * not reach our own work.  A synchronous standby that hangs would otherwise
 * keep us from leaving.
 */
static void
pin_settings(void)
{
	static const char *const pinned[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"statement_timeout", "0"},
		{"lock_timeout", TASK_LOCK_WAIT},
		{"idle_in_transaction_session_timeout", "0"},
		{"transaction_timeout", "0"},	/* since 17 */
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_tablespace", ""},
		{"max_parallel_workers_per_gather", "0"},
		{"synchronous_commit", "local"},
	};

	SetConfigOption("application_name", MyBgworkerEntry->bgw_type, PGC_SUSET,
					PGC_S_OVERRIDE);
	for (int i = 0; i < lengthof(pinned); i++)
	{
		if (GetConfigOption(pinned[i][0], true, false) != NULL)
			SetConfigOption(pinned[i][0], pinned[i][1], PGC_SUSET,
							PGC_S_OVERRIDE);
	}
}

static void
begin_task(const GuardTask *task)
{
	bool		patient = my_kind == GUARD_BUILDER;

	SetConfigOption("lock_timeout", patient ? "0" : TASK_LOCK_WAIT, PGC_SUSET,
					PGC_S_OVERRIDE);
	pgstat_report_activity(STATE_RUNNING, psprintf("guard: %s", task->name));
	SetCurrentStatementStartTimestamp();
	if (!patient)
		enable_timeout_after(STATEMENT_TIMEOUT, TASK_TIME_LIMIT);
	if (task->own_transactions)
		return;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_task(const GuardTask *task)
{
	if (!task->own_transactions)
	{
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	disable_timeout(STATEMENT_TIMEOUT, false);
}

/*
 * After an error: say what it was, unless we were told to stop, and undo it.
 */
static void
abandon_task(const GuardTask *task)
{
	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	if (!guard_visits_asked_to_leave())
	{
		errcontext("guard task \"%s\"", task->name);
		EmitErrorReport();
	}
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
}

/*
 * Call a task.  False: it failed.  *wish is when it wants to be called next.
 */
static bool
call_task(const GuardTask *task, TimestampTz *wish)
{
	volatile bool ok = true;

	PG_TRY();
	{
		begin_task(task);
		*wish = task->run();
		end_task(task);
	}
	PG_CATCH();
	{
		ok = false;
		abandon_task(task);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(visitor_context);
	MemoryContextReset(visitor_context);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return ok;
}

/*
 * Run a task; returns when it is to be run again.
 */
static TimestampTz
run_task(int number)
{
	const GuardTask *task = &tasks[number];
	TimestampTz wish = 0;
	TimestampTz next = GUARD_NEVER;
	bool		ok = call_task(task, &wish);
	TimestampTz now = GetCurrentTimestamp();

	if (task->interval != NULL)
		next = now + *task->interval * USECS_PER_SEC;
	if (!ok)
	{
		not_before[number] = now + RETRY_AFTER;
		return task->interval != NULL ? Max(next, not_before[number]) :
			not_before[number];
	}
	return wish != 0 ? Min(next, wish) : next;
}

/* ----------------------------------------------------------------
 *		One visit
 * ----------------------------------------------------------------
 */

/*
 * Is guard installed here, and switched on?  If not, *again says when to look
 * again.
 */
static bool
is_wanted_here(TimestampTz *again)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		present;
	bool		matches;

	StartTransactionCommand();
	present = guard_store_present();
	matches = guard_store_matches();
	CommitTransactionCommand();
	MemoryContextSwitchTo(visitor_context);
	here->state = present ? GUARD_DATABASE_WITH : GUARD_DATABASE_WITHOUT;
	if (present && matches && guard_guc_mode != GUARD_MODE_OFF)
		return true;
	*again = now + (present ? WITH_MODE_OFF :
					RecoveryInProgress() ? guard_guc_snapshot_interval * USECS_PER_SEC :
					WITHOUT_GUARD);
	return false;
}

static bool
must_leave(void)
{
	return ProcDiePending || guard_guc_mode == GUARD_MODE_OFF ||
		guard_visits_asked_to_leave();
}

/*
 * Call what is due, from top to bottom; returns when something will be again.
 * What is left undone because we must go is due at once.
 */
static TimestampTz
run_tasks(void)
{
	TimestampTz next = GUARD_NEVER;

	for (int i = 0; i < lengthof(tasks); i++)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (must_leave())
			return now;
		if ((tasks[i].interval != NULL && *tasks[i].interval == 0) ||
			tasks[i].on_standby != RecoveryInProgress())
			continue;
		if (not_before[i] <= now &&
			(tasks[i].interval == NULL || here->next[i] <= now))
			here->next[i] = run_task(i);
		next = Min(next, here->next[i]);
	}
	return next;
}

/*
 * What others wished for until now.
 */
static TimestampTz
take_wish(void)
{
	return (TimestampTz) pg_atomic_exchange_u64(&here->calls[my_kind].due,
												(uint64) GUARD_NEVER);
}

/*
 * One round.  What others wish for from here on is for the next one: they made
 * their wish after they wrote down what is to be done, and we look for that
 * after we take note of their wish.
 */
static void
go_round(void)
{
	TimestampTz next = GUARD_NEVER;
	TimestampTz wish = take_wish();
	GuardCall  *call = &here->calls[GUARD_VISITOR];

	/* One for later is not met by a round now. */
	if (wish > GetCurrentTimestamp())
		guard_visits_sooner(&call->due, wish);
	if (is_wanted_here(&next))
		next = run_tasks();
	else
		pg_atomic_write_u64(&here->until, 0);
	guard_visits_sooner(&call->due, next);
	here->last_visit = GetCurrentTimestamp();
	call->rounds++;
}

/*
 * Rest until something is due.  False: the visit is over.
 */
static bool
stay(uint32 wait_event)
{
	bool		due = false;

	guard_visits_set_staying(true);
	while (!due && !must_leave())
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz until = (TimestampTz) pg_atomic_read_u64(&here->until);
		TimestampTz next = (TimestampTz)
			pg_atomic_read_u64(&here->calls[GUARD_VISITOR].due);

		if (next <= now)
			due = true;
		else if (until <= now)
			break;
		else
			guard_worker_rest(Min(until, next), wait_event);
	}
	guard_visits_set_staying(false);
	return due;
}

/*
 * Connect to the database, as a worker of that kind.
 */
static void
arrive(GuardWorkerKind kind, int slot)
{
	Oid			database;

	my_kind = kind;
	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(database));
	guard_worker_handle_signals();
	if (guard_guc_mode == GUARD_MODE_OFF ||
		!guard_visits_arrive(kind, slot, database))
		proc_exit(0);
	here = &guard_visits->slots[slot];
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	pin_settings();
	pgstat_report_activity(STATE_IDLE, NULL);
	visitor_context = AllocSetContextCreate(TopMemoryContext, "guard worker",
											ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(visitor_context);
}

void
guard_visitor_main(Datum arg)
{
	uint32		wait_event;

	arrive(GUARD_VISITOR, DatumGetInt32(arg));
	wait_event = guard_compat_wait_event("GuardWorkerStay");
	do
		go_round();
	while (stay(wait_event));
	proc_exit(0);
}

/*
 * One thing after the other.  A visitor calls again as long as anything is left
 * to do, so nothing is lost by going.
 */
void
guard_builder_main(Datum arg)
{
	TimestampTz again;
	TimestampTz more = 0;

	arrive(GUARD_BUILDER, DatumGetInt32(arg));
	do
		(void) take_wish();
	while (is_wanted_here(&again) && !must_leave() &&
		   call_task(&long_task, &more) && more != 0);
	proc_exit(0);
}
