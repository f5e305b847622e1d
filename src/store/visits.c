/*-------------------------------------------------------------------------
 *
 * visits.c
 *	  Asking the background worker to come to this database, or to leave it.
 *
 * Wishes are numbers in shared memory, and a latch.  Nobody waits for what he
 * wished for (doc/internals/postgresql.md 6.2, 7.2).
 *
 * Leaving is another matter.  CREATE DATABASE wants its template empty, DROP,
 * RENAME and SET TABLESPACE the database itself, and until 18 PostgreSQL sends
 * away nobody but autovacuum (doc/internals/review.md 17).  So such a
 * statement bars the database first: the visitor is told, then interrupted,
 * then ended, and the statement waits for that, as it would for autovacuum, a
 * few seconds.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "storage/procarray.h"

#include "store/visits.h"
#include "store/store.h"

/*
 * When a visitor that was asked to leave is interrupted, when it is ended, and
 * when nobody waits for it any longer, in milliseconds.  PostgreSQL itself
 * waits five seconds for a database to become empty.
 */
#define INTERRUPT_AFTER 300
#define END_AFTER		2000
#define GIVE_UP_AFTER	5000

/* How often it is looked whether a visitor has gone, beside being told. */
#define LOOK_EVERY		100

/* What this transaction has to tell the launcher when it commits. */
static bool tell_present = false;
static bool tell_databases = false;

/*
 * Fill in what is the same for all of them.
 */
void
guard_visits_describe(BackgroundWorker *worker, const char *name,
					  const char *function)
{
	memset(worker, 0, sizeof(*worker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_ConsistentState;
	strlcpy(worker->bgw_library_name, "guard", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker->bgw_name, name, BGW_MAXLEN);
	strlcpy(worker->bgw_type, name, BGW_MAXLEN);
}

/* ----------------------------------------------------------------
 *		Wishes
 * ----------------------------------------------------------------
 */

bool
guard_visits_available(void)
{
	return guard_visits != NULL &&
		pg_atomic_read_u32(&guard_visits->launcher) != GUARD_NOBODY;
}

/*
 * Tell whoever is to come: the visitor that is there, or the launcher.
 */
static void
call_somebody(const GuardVisitSlot *slot)
{
	int			visitor = slot->calls[GUARD_VISITOR].worker;

	/* Without the lock: the latch of one who has just gone harms nobody ... */
	if (visitor >= 0)
		guard_visits_wake(&guard_visits->workers[visitor].procno);
	/* ... and the launcher looks for itself. */
	guard_visits_wake(&guard_visits->launcher);
}

void
guard_visits_want_at(TimestampTz at, TimestampTz until)
{
	GuardVisitSlot *slot = guard_visits_slot_here(true);

	if (slot == NULL)
		return;
	guard_visits_later(&slot->until, until);
	guard_visits_sooner(&slot->calls[GUARD_VISITOR].due, at);
	call_somebody(slot);
}

/*
 * Who is there already looks for more before he leaves.
 */
void
guard_visits_want_builder(void)
{
	GuardVisitSlot *slot = guard_visits_slot_here(true);

	if (slot == NULL)
		return;
	guard_visits_sooner(&slot->calls[GUARD_BUILDER].due, GetCurrentTimestamp());
	guard_visits_wake(&guard_visits->launcher);
}

void
guard_visits_want(void)
{
	guard_visits_want_at(GetCurrentTimestamp(), 0);
}

/* ----------------------------------------------------------------
 *		What the launcher must know
 * ----------------------------------------------------------------
 */

void
guard_visits_note_present(void)
{
	tell_present = true;
	guard_xact_follow();
}

void
guard_visits_note_databases(void)
{
	tell_databases = true;
	guard_xact_follow();
}

/*
 * Tell, now that others can see what there is to be seen: a visit is wanted
 * only if the launcher did not know that guard is here.  What a transaction
 * that failed had to tell is told by the next one: at worst a visitor comes
 * for nothing.
 */
static void
tell_launcher(GuardXactPhase phase)
{
	if (guard_visits == NULL)
		return;
	if (phase != GUARD_XACT_COMMITTED)
	{
		if (tell_present || tell_databases)
			guard_xact_follow();
		return;
	}
	if (tell_present)
	{
		GuardVisitSlot *slot = guard_visits_slot_here(true);

		tell_present = false;
		if (slot != NULL && slot->state != GUARD_DATABASE_WITH)
			guard_visits_want();
	}
	if (tell_databases)
	{
		tell_databases = false;
		pg_atomic_write_u32(&guard_visits->relist, 1);
		guard_visits_wake(&guard_visits->launcher);
	}
}

/*
 * Called from _PG_init.
 */
void
guard_visits_init(void)
{
	if (guard_visits_table_register())
		guard_xact_register(GUARD_XACT_OVER, tell_launcher);
}

/* ----------------------------------------------------------------
 *		Making way
 * ----------------------------------------------------------------
 */

/*
 * Tell the workers in a database to leave, by a signal if it is not 0.  False:
 * there are none.
 */
static bool
tell_to_leave(GuardVisitSlot *slot, int sig)
{
	bool		anybody = false;

	LWLockAcquire(guard_visits->lock, LW_SHARED);
	for (int kind = 0; kind < GUARD_WORKER_KINDS; kind++)
	{
		GuardVisitor *worker;

		if (slot->calls[kind].worker < 0)
			continue;
		worker = &guard_visits->workers[slot->calls[kind].worker];
		anybody = true;
		pg_atomic_write_u32(&worker->leave, 1);
		guard_visits_wake(&worker->procno);
		if (sig != 0 && BackendPidGetProc(worker->pid) != NULL)
			(void) kill(worker->pid, sig);
	}
	LWLockRelease(guard_visits->lock);
	return anybody;
}

/*
 * Be more explicit, once at each stage.
 */
static int
next_signal(long waited, int *last_signal)
{
	int			sig = waited >= END_AFTER ? SIGTERM :
		waited >= INTERRUPT_AFTER ? SIGINT : 0;

	if (sig == *last_signal)
		return 0;
	*last_signal = sig;
	return sig;
}

static void
wait_until_gone(GuardVisitSlot *slot)
{
	TimestampTz start = GetCurrentTimestamp();
	long		waited = 0;
	int			last_signal = 0;

	ConditionVariablePrepareToSleep(&guard_visits->gone);
	while (tell_to_leave(slot, next_signal(waited, &last_signal)) &&
		   waited < GIVE_UP_AFTER)
	{
		(void) ConditionVariableTimedSleep(&guard_visits->gone, LOOK_EVERY,
										   guard_compat_wait_event("GuardMakeWay"));
		waited = TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
	}
	ConditionVariableCancelSleep();
}

void
guard_visits_bar(Oid database)
{
	GuardVisitSlot *slot;
	int			number;

	if (guard_visits == NULL)
		return;
	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	number = guard_visits_slot_locked(database);
	if (number >= 0)
		guard_visits->slots[number].barred++;
	LWLockRelease(guard_visits->lock);
	if (number < 0)
		return;
	slot = &guard_visits->slots[number];
	if (tell_to_leave(slot, 0))
		wait_until_gone(slot);
}

void
guard_visits_unbar(Oid database)
{
	int			number;

	if (guard_visits == NULL || !OidIsValid(database))
		return;
	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	number = guard_visits_slot(database, false);
	if (number >= 0 && guard_visits->slots[number].barred > 0)
		guard_visits->slots[number].barred--;
	LWLockRelease(guard_visits->lock);
	guard_visits_wake(&guard_visits->launcher);
}

/* ----------------------------------------------------------------
 *		Status
 * ----------------------------------------------------------------
 */

static void
count_slot(const GuardVisitSlot *slot, TimestampTz now,
		   GuardVisitsStatus *status)
{
	const GuardCall *call = &slot->calls[GUARD_VISITOR];
	TimestampTz due =
		(TimestampTz) pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &call->due));

	switch (slot->state)
	{
		case GUARD_DATABASE_NEW:
			status->databases_new++;
			break;
		case GUARD_DATABASE_WITHOUT:
			status->databases_without++;
			break;
		case GUARD_DATABASE_WITH:
			status->databases_with++;
			break;
	}
	if (due <= now && call->worker < 0)
		status->waiting++;
}

int
guard_visits_count_with(void)
{
	int			count = 0;

	for (int i = 0; guard_visits != NULL && i < GUARD_MAX_DATABASES; i++)
	{
		const GuardVisitSlot *slot = &guard_visits->slots[i];

		if (OidIsValid(pg_atomic_read_u32(unconstify(pg_atomic_uint32 *,
													 &slot->database))) &&
			slot->state != GUARD_DATABASE_WITHOUT)
			count++;
	}
	return count;
}

void
guard_visits_status(GuardVisitsStatus *status)
{
	TimestampTz now = GetCurrentTimestamp();

	memset(status, 0, sizeof(*status));
	if (guard_visits == NULL)
		return;
	status->preloaded = true;
	status->running = guard_visits_available();
	status->no_worker_since = (TimestampTz)
		pg_atomic_read_u64(&guard_visits->no_worker_since[GUARD_VISITOR]);
	status->no_builder_since = (TimestampTz)
		pg_atomic_read_u64(&guard_visits->no_worker_since[GUARD_BUILDER]);
	status->no_worker_count =
		(int64) pg_atomic_read_u64(&guard_visits->no_worker_count);

	LWLockAcquire(guard_visits->lock, LW_SHARED);
	status->databases_left_out = guard_visits->left_out;
	for (int i = 0; i < GUARD_MAX_DATABASES; i++)
	{
		GuardVisitSlot *slot = &guard_visits->slots[i];
		Oid			database = pg_atomic_read_u32(&slot->database);

		if (!OidIsValid(database))
			continue;
		count_slot(slot, now, status);
		if (database == MyDatabaseId)
		{
			status->visits = slot->calls[GUARD_VISITOR].rounds;
			status->last_visit = slot->last_visit;
			status->visited_now = slot->calls[GUARD_VISITOR].worker >= 0;
			status->building = slot->work.thing != 0;
		}
	}
	LWLockRelease(guard_visits->lock);
}
