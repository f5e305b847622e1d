/*-------------------------------------------------------------------------
 *
 * visits_table.c
 *	  Which databases there are, when each is due, and who is there now: the
 *	  shared memory of launcher and visitors.
 *
 * An array of slots, one per database, that is searched from end to end: a
 * thousand words are read faster than a hash table is locked, and a session
 * remembers where its own database is.  Slots are made by whoever needs one,
 * and freed by the launcher alone.
 *
 * A crash restart makes the segment anew.  When only the launcher dies, its
 * successor finds the visitors that are there in the array of visitors; who
 * was on his way finds a place, or goes.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "store/shmem.h"
#include "store/visits.h"

/*
 * How long a visitor that stays is not asked to make room for others: where
 * three databases are watched, they take turns, and not processes a second.
 */
#define MIN_STAY	(2 * USECS_PER_SEC)

/* How often it is said that a database waits for a builder; and believed. */
#define WANTED_INTERVAL (1 * USECS_PER_SEC)
#define WANTED_FOR		(5 * USECS_PER_SEC)

GuardVisits *guard_visits = NULL;

static int	my_slot = -1;		/* of the database that was asked for last */
static int	my_place = -1;		/* in workers[], when we are one */

/* ----------------------------------------------------------------
 *		The segment
 * ----------------------------------------------------------------
 */

/*
 * Nobody is there, nothing is known.  The caller holds the lock, except at the
 * very beginning.
 */
static void
clear_slot(GuardVisitSlot *slot)
{
	pg_atomic_write_u32(&slot->database, InvalidOid);
	pg_atomic_write_u64(&slot->until, 0);
	for (int kind = 0; kind < GUARD_WORKER_KINDS; kind++)
	{
		GuardCall  *call = &slot->calls[kind];

		pg_atomic_write_u64(&call->due, (uint64) GUARD_NEVER);
		call->worker = -1;
		call->called = false;
		call->failures = 0;
		call->not_before = 0;
		call->rounds = 0;
	}
	slot->barred = 0;
	slot->seen = 0;
	memset(&slot->work, 0, sizeof(slot->work));
	slot->state = GUARD_DATABASE_NEW;
	slot->last_visit = 0;
	memset(slot->next, 0, sizeof(slot->next));
}

/*
 * Make the segment, or find it.
 */
static void
attach(void *structure, bool fresh, LWLock *lock)
{
	guard_visits = structure;
	if (!fresh)
		return;
	guard_visits->lock = lock;
	ConditionVariableInit(&guard_visits->gone);
	pg_atomic_init_u32(&guard_visits->launcher, GUARD_NOBODY);
	pg_atomic_init_u32(&guard_visits->relist, 0);
	pg_atomic_init_u64(&guard_visits->no_worker_count, 0);
	pg_atomic_init_u64(&guard_visits->builder_wanted, 0);
	for (int kind = 0; kind < GUARD_WORKER_KINDS; kind++)
		pg_atomic_init_u64(&guard_visits->no_worker_since[kind], 0);
	for (int i = 0; i < lengthof(guard_visits->workers); i++)
	{
		pg_atomic_init_u32(&guard_visits->workers[i].procno, GUARD_NOBODY);
		pg_atomic_init_u32(&guard_visits->workers[i].leave, 0);
	}
	for (int i = 0; i < GUARD_MAX_DATABASES; i++)
	{
		GuardVisitSlot *slot = &guard_visits->slots[i];

		pg_atomic_init_u32(&slot->database, InvalidOid);
		pg_atomic_init_u64(&slot->until, 0);
		for (int kind = 0; kind < GUARD_WORKER_KINDS; kind++)
			pg_atomic_init_u64(&slot->calls[kind].due, 0);
		clear_slot(slot);
	}
}

static const GuardShmem shared_memory = {
	.name = "guard visits",
	.size = sizeof(GuardVisits),
	.locked = true,
	.attach = attach,
};

/*
 * To be called from _PG_init.
 */
bool
guard_visits_table_register(void)
{
	return guard_shmem_register(&shared_memory);
}

/* ----------------------------------------------------------------
 *		Small things
 * ----------------------------------------------------------------
 */

uint32
guard_visits_my_procno(void)
{
	return (uint32) (MyProc - ProcGlobal->allProcs);
}

/*
 * Set somebody's latch.  That he has gone, and another has his latch now, does
 * no harm: everybody looks why he was woken.
 */
void
guard_visits_wake(pg_atomic_uint32 *procno)
{
	uint32		number = pg_atomic_read_u32(procno);

	if (number != GUARD_NOBODY)
		SetLatch(&GetPGProcByNumber(number)->procLatch);
}

void
guard_visits_sooner(pg_atomic_uint64 *due, TimestampTz at)
{
	uint64		old = pg_atomic_read_u64(due);

	while (at < (TimestampTz) old &&
		   !pg_atomic_compare_exchange_u64(due, &old, (uint64) at))
		;
}

void
guard_visits_later(pg_atomic_uint64 *until, TimestampTz at)
{
	uint64		old = pg_atomic_read_u64(until);

	while (at > (TimestampTz) old &&
		   !pg_atomic_compare_exchange_u64(until, &old, (uint64) at))
		;
}

/* ----------------------------------------------------------------
 *		Slots
 * ----------------------------------------------------------------
 */

static int
find_slot(Oid database)
{
	for (int i = 0; i < GUARD_MAX_DATABASES; i++)
	{
		if (pg_atomic_read_u32(&guard_visits->slots[i].database) == database)
			return i;
	}
	return -1;
}

/*
 * Find or make; the caller holds the lock exclusively.  -1: all are taken.
 */
int
guard_visits_slot_locked(Oid database)
{
	int			number = find_slot(database);

	if (number >= 0)
		return number;
	number = find_slot(InvalidOid);
	if (number < 0)
		return -1;
	guard_visits->slots[number].seen = guard_visits->listing;
	pg_atomic_write_u64(&guard_visits->slots[number].calls[GUARD_VISITOR].due,
						(uint64) GetCurrentTimestamp());
	pg_atomic_write_u32(&guard_visits->slots[number].database, database);
	return number;
}

int
guard_visits_slot(Oid database, bool make)
{
	if (my_slot < 0 ||
		pg_atomic_read_u32(&guard_visits->slots[my_slot].database) != database)
		my_slot = find_slot(database);
	if (my_slot >= 0 || !make)
		return my_slot;

	if (!LWLockConditionalAcquire(guard_visits->lock, LW_EXCLUSIVE))
		return -1;
	my_slot = guard_visits_slot_locked(database);
	LWLockRelease(guard_visits->lock);
	return my_slot;
}

GuardVisitSlot *
guard_visits_slot_here(bool make)
{
	int			number = guard_visits == NULL || !OidIsValid(MyDatabaseId) ? -1 :
		guard_visits_slot(MyDatabaseId, make);

	return number < 0 ? NULL : &guard_visits->slots[number];
}

/* ----------------------------------------------------------------
 *		Listing
 * ----------------------------------------------------------------
 */

void
guard_visits_list_begin(void)
{
	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	guard_visits->listing++;
	guard_visits->left_out = 0;
	LWLockRelease(guard_visits->lock);
}

/* May nobody be there, come, or be kept out? */
static bool
is_idle(const GuardVisitSlot *slot)
{
	for (int kind = 0; kind < GUARD_WORKER_KINDS; kind++)
	{
		if (slot->calls[kind].worker >= 0 || slot->calls[kind].called)
			return false;
	}
	return slot->barred == 0;
}

/*
 * All slots are taken.  Free that of the database whose turn it is to wait:
 * one without guard, otherwise the one visited longest ago, but none that was
 * not visited yet, or is to be watched.
 */
static void
free_one_slot(void)
{
	TimestampTz now = GetCurrentTimestamp();
	GuardVisitSlot *chosen = NULL;

	for (int i = 0; i < GUARD_MAX_DATABASES; i++)
	{
		GuardVisitSlot *slot = &guard_visits->slots[i];

		if (!is_idle(slot) || slot->state == GUARD_DATABASE_NEW ||
			(TimestampTz) pg_atomic_read_u64(&slot->until) > now)
			continue;
		if (chosen == NULL || slot->state < chosen->state ||
			(slot->state == chosen->state &&
			 slot->last_visit < chosen->last_visit))
			chosen = slot;
	}
	if (chosen != NULL)
		clear_slot(chosen);
}

void
guard_visits_list(Oid database, bool visitable)
{
	int			number;

	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	number = find_slot(database);
	if (number < 0 && visitable)
	{
		number = guard_visits_slot_locked(database);
		if (number < 0)
		{
			guard_visits->left_out++;
			free_one_slot();
			number = guard_visits_slot_locked(database);
		}
	}
	if (number >= 0 && !visitable && is_idle(&guard_visits->slots[number]))
		clear_slot(&guard_visits->slots[number]);
	else if (number >= 0)
		guard_visits->slots[number].seen = guard_visits->listing;
	LWLockRelease(guard_visits->lock);
}

void
guard_visits_list_end(void (*vanished) (Oid database))
{
	for (int i = 0; i < GUARD_MAX_DATABASES; i++)
	{
		GuardVisitSlot *slot = &guard_visits->slots[i];
		Oid			gone = InvalidOid;

		LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
		if (slot->seen != guard_visits->listing && is_idle(slot))
		{
			gone = pg_atomic_read_u32(&slot->database);
			clear_slot(slot);
		}
		LWLockRelease(guard_visits->lock);
		if (OidIsValid(gone))
			vanished(gone);
	}
}

void
guard_visits_drop_slot(int slot)
{
	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	if (is_idle(&guard_visits->slots[slot]))
		clear_slot(&guard_visits->slots[slot]);
	LWLockRelease(guard_visits->lock);
}

/* ----------------------------------------------------------------
 *		Whose turn it is
 * ----------------------------------------------------------------
 */

int
guard_visits_pick(GuardWorkerKind kind, TimestampTz now, TimestampTz *next)
{
	int			chosen = -1;
	TimestampTz chosen_due = 0;

	LWLockAcquire(guard_visits->lock, LW_SHARED);
	for (int i = 0; i < GUARD_MAX_DATABASES; i++)
	{
		GuardVisitSlot *slot = &guard_visits->slots[i];
		GuardCall  *call = &slot->calls[kind];
		TimestampTz due = (TimestampTz) pg_atomic_read_u64(&call->due);

		if (!OidIsValid(pg_atomic_read_u32(&slot->database)) ||
			slot->barred > 0 || call->worker >= 0 || call->called)
			continue;
		due = Max(due, call->not_before);
		if (due > now)
			*next = Min(*next, due);
		else if (chosen < 0 || due < chosen_due)
		{
			chosen = i;
			chosen_due = due;
		}
	}
	LWLockRelease(guard_visits->lock);
	return chosen;
}

/*
 * The places of one kind of worker.
 */
static GuardVisitor *
places(GuardWorkerKind kind)
{
	return &guard_visits->workers[kind * GUARD_WORKERS_EACH];
}

int
guard_visits_present(GuardWorkerKind kind)
{
	int			present = 0;

	LWLockAcquire(guard_visits->lock, LW_SHARED);
	for (int i = 0; i < GUARD_WORKERS_EACH; i++)
		present += places(kind)[i].pid != 0 ? 1 : 0;
	LWLockRelease(guard_visits->lock);
	return present;
}

void
guard_visits_ask_to_yield(GuardWorkerKind kind, TimestampTz now,
						  TimestampTz *next)
{
	GuardVisitor *first = NULL;

	if (kind == GUARD_BUILDER)
	{
		pg_atomic_write_u64(&guard_visits->builder_wanted, (uint64) now);
		*next = Min(*next, now + WANTED_INTERVAL);
		return;
	}
	LWLockAcquire(guard_visits->lock, LW_SHARED);
	for (int i = 0; i < GUARD_WORKERS_EACH; i++)
	{
		GuardVisitor *visitor = &places(kind)[i];

		/* Who does not stay will be gone in a moment, and wakes us. */
		if (visitor->pid == 0 || !visitor->staying ||
			pg_atomic_read_u32(&visitor->leave) != 0)
		{
			first = NULL;
			break;
		}
		if (first == NULL || visitor->came < first->came)
			first = visitor;
	}
	if (first != NULL && first->came + MIN_STAY > now)
		*next = Min(*next, first->came + MIN_STAY);
	else if (first != NULL)
	{
		pg_atomic_write_u32(&first->leave, 1);
		guard_visits_wake(&first->procno);
	}
	LWLockRelease(guard_visits->lock);
}

void
guard_visits_end_builders(void)
{
	LWLockAcquire(guard_visits->lock, LW_SHARED);
	for (int i = 0; i < GUARD_WORKERS_EACH; i++)
	{
		/* it cannot end without the lock */
		if (places(GUARD_BUILDER)[i].pid != 0)
			(void) kill(places(GUARD_BUILDER)[i].pid, SIGTERM);
	}
	LWLockRelease(guard_visits->lock);
}

/* ----------------------------------------------------------------
 *		Workers
 * ----------------------------------------------------------------
 */

static GuardWorkerKind
my_kind(void)
{
	return (GuardWorkerKind) (my_place / GUARD_WORKERS_EACH);
}

/*
 * This process ends.  Called when it has left the array of processes, so that
 * nobody counts it as connected to the database any more.
 */
static void
leave(int code, Datum arg)
{
	GuardVisitor *me = &guard_visits->workers[my_place];
	GuardVisitSlot *slot = &guard_visits->slots[me->slot];
	TimestampTz now = GetCurrentTimestamp();

	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	slot->calls[my_kind()].worker = -1;
	if (my_kind() == GUARD_BUILDER)
		slot->work.thing = 0;
	/* Whoever had to leave early comes back when it is his turn. */
	else if ((TimestampTz) pg_atomic_read_u64(&slot->until) > now)
		guard_visits_sooner(&slot->calls[GUARD_VISITOR].due, now);
	pg_atomic_write_u32(&me->procno, GUARD_NOBODY);
	me->pid = 0;
	LWLockRelease(guard_visits->lock);
	ConditionVariableBroadcast(&guard_visits->gone);
	guard_visits_wake(&guard_visits->launcher);
}

/*
 * Take a free place; the caller holds the lock.
 */
static bool
take_place(GuardWorkerKind kind, int slot)
{
	for (int i = 0; i < GUARD_WORKERS_EACH; i++)
	{
		GuardVisitor *worker = &places(kind)[i];

		if (worker->pid != 0)
			continue;
		worker->pid = MyProcPid;
		worker->slot = slot;
		worker->came = GetCurrentTimestamp();
		worker->staying = false;
		pg_atomic_write_u32(&worker->leave, 0);
		pg_atomic_write_u32(&worker->procno, guard_visits_my_procno());
		my_place = worker - guard_visits->workers;
		guard_visits->slots[slot].calls[kind].worker = my_place;
		return true;
	}
	return false;
}

bool
guard_visits_arrive(GuardWorkerKind kind, int slot, Oid database)
{
	GuardVisitSlot *there = &guard_visits->slots[slot];
	bool		arrived;

	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	arrived = pg_atomic_read_u32(&there->database) == database &&
		there->barred == 0 && there->calls[kind].worker < 0 &&
		take_place(kind, slot);
	LWLockRelease(guard_visits->lock);
	if (arrived)
		on_shmem_exit(leave, (Datum) 0);
	return arrived;
}

bool
guard_visits_asked_to_leave(void)
{
	return pg_atomic_read_u32(&guard_visits->workers[my_place].leave) != 0;
}

void
guard_visits_set_staying(bool staying)
{
	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	guard_visits->workers[my_place].staying = staying;
	LWLockRelease(guard_visits->lock);

	/* Somebody may have been waiting for one of us to do so. */
	if (staying)
		guard_visits_wake(&guard_visits->launcher);
}

/* ----------------------------------------------------------------
 *		Long work
 * ----------------------------------------------------------------
 */

void
guard_visits_work_at(int64 thing)
{
	GuardVisitSlot *slot = &guard_visits->slots[guard_visits->workers[my_place].slot];

	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	slot->work = (GuardLongWork)
	{
		.thing = thing, .pid = MyProcPid
	};
	if (thing != 0)
		slot->calls[GUARD_BUILDER].rounds++;
	LWLockRelease(guard_visits->lock);
}

void
guard_visits_limit_work(TimestampTz ends_at)
{
	GuardVisitSlot *slot = &guard_visits->slots[guard_visits->workers[my_place].slot];

	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	slot->work.ends_at = ends_at;
	LWLockRelease(guard_visits->lock);
}

void
guard_visits_read_work(GuardLongWork *work)
{
	GuardVisitSlot *slot = guard_visits_slot_here(false);

	memset(work, 0, sizeof(*work));
	if (slot == NULL)
		return;
	LWLockAcquire(guard_visits->lock, LW_SHARED);
	*work = slot->work;
	LWLockRelease(guard_visits->lock);
}

bool
guard_visits_is_at(int64 thing)
{
	GuardLongWork work;

	guard_visits_read_work(&work);
	return work.thing == thing;
}

/*
 * Is it still the same process, at the same thing?  The caller holds the lock.
 */
static bool
is_same_work(const GuardVisitSlot *slot, const GuardLongWork *work)
{
	return slot != NULL && work->thing != 0 && slot->work.thing == work->thing &&
		slot->work.pid == work->pid;
}

bool
guard_visits_note_work(const GuardLongWork *work)
{
	GuardVisitSlot *slot = guard_visits_slot_here(false);
	bool		same;

	LWLockAcquire(guard_visits->lock, LW_EXCLUSIVE);
	same = is_same_work(slot, work);
	if (same)
	{
		TimestampTz ends_at = slot->work.ends_at;

		slot->work = *work;
		slot->work.ends_at = ends_at;
	}
	LWLockRelease(guard_visits->lock);
	return same;
}

bool
guard_visits_end_work(const GuardLongWork *work)
{
	GuardVisitSlot *slot = guard_visits_slot_here(false);
	bool		same;

	LWLockAcquire(guard_visits->lock, LW_SHARED);
	same = is_same_work(slot, work);
	if (same)
		(void) kill(work->pid, SIGTERM);
	LWLockRelease(guard_visits->lock);
	return same;
}

bool
guard_visits_builder_wanted(void)
{
	TimestampTz at = (TimestampTz) pg_atomic_read_u64(&guard_visits->builder_wanted);

	return GetCurrentTimestamp() - at < WANTED_FOR;
}
