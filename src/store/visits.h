/*-------------------------------------------------------------------------
 *
 * visits.h
 *	  Asking the background worker to come to this database.
 *
 * Vocabulary:
 *
 * visit		a background worker connects to a database, does what is due
 *	there, and leaves; at most two do so at a time, for all
 *	databases of the server (doc/internals/review.md 17)
 * wanted		somebody in the database has work that should not wait for the
 *	next regular visit
 * stay		a visitor shall not leave before that time, because it watches
 *	something; it does leave when a statement needs the database
 *	empty, or when others wait and both visitors stay, and comes
 *	back as soon as it can
 * bar			a statement needs the database empty: nobody visits it before
 *	the statement is done
 * long work	what may take as long as it likes, at one thing after the
 *	other; done by a process of its own, the builder
 *
 * What is asked for is kept in shared memory, and survives nothing: work
 * itself is always found in guard's own tables, or in the ring of whoever
 * asked.  Where guard is not preloaded there is nobody to ask.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_VISITS_H
#define GUARD_VISITS_H

#include "storage/condition_variable.h"
#include "storage/lwlock.h"

#include "ground.h"

/* Called by guard.c at start. */
extern void guard_visits_init(void);

/* What all processes of guard's are registered with, by name and function. */
extern void guard_visits_describe(BackgroundWorker *worker, const char *name,
								  const char *function);

/* Is there a launcher at all?  False: not preloaded, or not running. */
extern bool guard_visits_available(void);

/*
 * Databases that have guard, or may have, since nobody has visited them yet; 0
 * where nobody counts them.
 */
extern int	guard_visits_count_with(void);

/*
 * This database wants a visit, as soon as possible.  Takes no lock that can
 * wait and raises nothing; callable from any backend that is connected to a
 * database, also while an error is being raised.
 */
extern void guard_visits_want(void);

/*
 * This database wants to be visited at "at", and not be left before "until"
 * (0: just visited).  Earlier wishes are kept if they are earlier, or last
 * longer.  A wish to stay cannot be withdrawn: who watches asks for a minute,
 * and for another when that is nearly over.
 */
extern void guard_visits_want_at(TimestampTz at, TimestampTz until);

/*
 * guard was found in this database: once the transaction has committed, the
 * launcher is to know.
 */
extern void guard_visits_note_present(void);

/*
 * This transaction makes, drops or alters a database: once it has committed,
 * the launcher is to look which there are.
 */
extern void guard_visits_note_databases(void);

/*
 * Have visitors leave a database and keep them out until guard_visits_unbar().
 * Returns when they have gone, or after a few seconds: whoever needs the
 * database empty then finds out himself.  Accepts interrupts, and may be
 * called again for the same database by others.
 */
extern void guard_visits_bar(Oid database);
extern void guard_visits_unbar(Oid database);

/*
 * Long work is wanted in this database: somebody should come for it.  He tells
 * at which thing he is, by a number that is not 0, before he begins to read it;
 * that ends with 0, or with the process.
 */
extern void guard_visits_want_builder(void);
extern void guard_visits_work_at(int64 thing);

/*
 * What comes now must have ended then, or the process is ended; 0 when it has.
 */
extern void guard_visits_limit_work(TimestampTz ends_at);

/* A visitor's look at the long work that is done in this database. */
typedef struct GuardLongWork
{
	int64		thing;			/* 0: none */
	int			pid;
	uint64		progress;		/* as it was at the last look */
	TimestampTz seen_at;		/* 0: nobody has looked yet */
	int64		worked;			/* microseconds in which it got on */
	int64		rested;			/* and in which it did not */
	TimestampTz ends_at;		/* at the latest; 0: whenever it likes */
} GuardLongWork;

/* What is known of it, zeros where nothing is. */
extern void guard_visits_read_work(GuardLongWork *work);

/* Is it at that thing just now? */
extern bool guard_visits_is_at(int64 thing);

/*
 * Write down what was seen of it, if it is still at the same thing; and end the
 * process, if it is.  False: it is not.
 */
extern bool guard_visits_note_work(const GuardLongWork *work);
extern bool guard_visits_end_work(const GuardLongWork *work);

/* Do other databases wait for a builder, because all are at work? */
extern bool guard_visits_builder_wanted(void);

typedef struct GuardVisitsStatus
{
	bool		preloaded;
	bool		running;		/* there is a launcher */
	TimestampTz no_worker_since;	/* max_worker_processes are used up; 0 */
	TimestampTz no_builder_since;	/* the same, for long work */
	int64		no_worker_count;	/* how often that happened */
	int			databases_with; /* with guard, as last visited */
	int			databases_without;
	int			databases_new;	/* not visited yet */
	int			databases_left_out; /* more than the list can hold */
	int			waiting;		/* due, nobody there yet */
	int64		visits;			/* of this database */
	TimestampTz last_visit;		/* of this database, 0 = none */
	bool		visited_now;	/* a visitor is in this database */
	bool		building;		/* and a builder at work */
} GuardVisitsStatus;

/* for guard.status, in the current memory context */
extern void guard_visits_status(GuardVisitsStatus *status);

/* ----------------------------------------------------------------
 *		Which databases there are, when each is due, and who is there now: the
 * shared memory of launcher and visitors.
 *
 * What protects what:
 *
 * lock		the LWLock "guard visits": which database has which slot, who
 *			is where, and what is barred
 * atomics		what any session may ask for at any moment
 * nobody		fields that say so are written by the launcher alone, or by
 *			the one visitor who is in the database
 * ----------------------------------------------------------------
 */

/*
 * What is sent to a database: a visitor for everything that is soon done, and
 * a builder for what may take as long as it likes: it builds indexes, runs what
 * their owners wrote, and waits for their locks.  The one never waits for the
 * other.
 */
typedef enum GuardWorkerKind
{
	GUARD_VISITOR,
	GUARD_BUILDER
} GuardWorkerKind;
#define GUARD_WORKER_KINDS	2

/*
 * So many of each kind at a time, and at most one in a database:
 * max_worker_processes is 8 where nobody has raised it.
 */
#define GUARD_WORKERS_EACH	2

/*
 * Databases that can be known at a time, some 200 bytes each.  Beyond that the
 * launcher takes them in turns.
 */
#define GUARD_MAX_DATABASES 1000

/* Rows that the table of tasks may have. */
#define GUARD_MAX_TASKS 12

#define GUARD_NEVER		((TimestampTz) PG_INT64_MAX)
#define GUARD_NOBODY	PG_UINT32_MAX

typedef enum GuardDatabaseState
{
	GUARD_DATABASE_NEW,			/* not visited yet */
	GUARD_DATABASE_WITHOUT,		/* guard is not installed there */
	GUARD_DATABASE_WITH
} GuardDatabaseState;

/* A database's wish for one kind of worker. */
typedef struct GuardCall
{
	pg_atomic_uint64 due;		/* GUARD_NEVER: nothing scheduled */
	int			worker;			/* number of the one that is there, -1; lock */

	/* launcher */
	bool		called;			/* one is on its way, or there */
	int			failures;		/* in a row that came to nothing */
	TimestampTz not_before;

	int64		rounds;			/* that came to something; that worker */
} GuardCall;

typedef struct GuardVisitSlot
{
	pg_atomic_uint32 database;	/* InvalidOid: free */
	pg_atomic_uint64 until;		/* a visitor is not to leave before; 0 */
	GuardCall	calls[GUARD_WORKER_KINDS];

	/* lock */
	int			barred;			/* statements that need it empty */
	int			seen;			/* number of the listing that saw it */
	GuardLongWork work;			/* of the builder that is there */

	/* visitor */
	GuardDatabaseState state;
	TimestampTz last_visit;
	TimestampTz next[GUARD_MAX_TASKS];	/* 0: not run yet */
} GuardVisitSlot;

typedef struct GuardVisitor
{
	int			pid;			/* 0: free */
	int			slot;
	TimestampTz came;
	bool		staying;		/* resting, with nothing to do just now */
	pg_atomic_uint32 procno;	/* GUARD_NOBODY */
	pg_atomic_uint32 leave;
} GuardVisitor;

typedef struct GuardVisits
{
	LWLock	   *lock;
	ConditionVariable gone;		/* a visitor has left */
	pg_atomic_uint32 launcher;	/* its proc number, GUARD_NOBODY */
	pg_atomic_uint32 relist;	/* databases have come or gone */
	pg_atomic_uint64 no_worker_since[GUARD_WORKER_KINDS];
	pg_atomic_uint64 no_worker_count;
	pg_atomic_uint64 builder_wanted;	/* when a database last waited for one
										 * because all were elsewhere */
	int			listing;		/* number of the latest listing */
	int			left_out;
	GuardVisitor workers[GUARD_WORKER_KINDS * GUARD_WORKERS_EACH];
	GuardVisitSlot slots[GUARD_MAX_DATABASES];
} GuardVisits;

/* NULL where guard is not preloaded. */
extern GuardVisits *guard_visits;

/* To be called from _PG_init: will it be there? */
extern bool guard_visits_table_register(void);

/* This process as others can wake it, and waking. */
extern uint32 guard_visits_my_procno(void);
extern void guard_visits_wake(pg_atomic_uint32 *procno);

/* Lower a time to "at", if that is earlier; raise it, if that is later. */
extern void guard_visits_sooner(pg_atomic_uint64 *due, TimestampTz at);
extern void guard_visits_later(pg_atomic_uint64 *until, TimestampTz at);

/*
 * The slot of a database, -1 if it has none.  With "make" it is given one, due
 * at once, if there is a free one and nobody holds the lock.  And that of this
 * database, NULL.
 */
extern int	guard_visits_slot(Oid database, bool make);
extern GuardVisitSlot *guard_visits_slot_here(bool make);

/* The same, made if need be, for who holds the lock exclusively. */
extern int	guard_visits_slot_locked(Oid database);

/* ---- for the launcher ---- */

/*
 * A listing of all databases: begin, tell each, end.  end() calls "vanished"
 * for every one that is no more, and frees the slots of what cannot be visited.
 */
extern void guard_visits_list_begin(void);
extern void guard_visits_list(Oid database, bool visitable);
extern void guard_visits_list_end(void (*vanished) (Oid database));

/*
 * The slot of the database that is due for such a worker and has waited
 * longest, -1 if none is; *next is lowered to the time when the next one will
 * be.
 */
extern int	guard_visits_pick(GuardWorkerKind kind, TimestampTz now,
							  TimestampTz *next);

/* Free the slot of a database that is no more, or not to be visited. */
extern void guard_visits_drop_slot(int slot);

/* Workers that are in a database now. */
extern int	guard_visits_present(GuardWorkerKind kind);

/*
 * Somebody waits for a worker, and none is free.  If all visitors stay, have
 * the one go that came first; builders are gone when a visitor finds that they
 * have got nowhere.  *next is lowered to when this may be tried again.
 */
extern void guard_visits_ask_to_yield(GuardWorkerKind kind, TimestampTz now,
									  TimestampTz *next);

/* guard has been switched off: builders go at once. */
extern void guard_visits_end_builders(void);

/* ---- for a worker ---- */

/*
 * Come to a database, before connecting to it; false: not wanted there any
 * more, or no place free.  Leaving is seen to when the process ends.
 */
extern bool guard_visits_arrive(GuardWorkerKind kind, int slot, Oid database);
extern bool guard_visits_asked_to_leave(void);
extern void guard_visits_set_staying(bool staying);

#endif							/* GUARD_VISITS_H */
