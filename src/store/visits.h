/*-------------------------------------------------------------------------
 *
 * visits.h
 *	  Asking the background worker to come to this database.
 *
 * Vocabulary:
 *
 *	visit		a background worker connects to a database, does what is due
 *				there, and leaves; at most two do so at a time, for all
 *				databases of the server (doc/internals/review.md 17)
 *	wanted		somebody in the database has work that should not wait for the
 *				next regular visit
 *	stay		a visitor shall not leave before that time, because it watches
 *				something; it does leave when a statement needs the database
 *				empty, or when others wait and both visitors stay, and comes
 *				back as soon as it can
 *	bar			a statement needs the database empty: nobody visits it before
 *				the statement is done
 *	long work	what may take as long as it likes, at one thing after the
 *				other; done by a process of its own, the builder
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

#include "datatype/timestamp.h"

/* Called by guard.c at start. */
extern void guard_visits_init(void);

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
	int			visitors;		/* at work or staying now */
	int64		visits;			/* of this database */
	TimestampTz last_visit;		/* of this database, 0 = none */
	bool		visited_now;	/* a visitor is in this database */
	bool		building;		/* and a builder at work */
} GuardVisitsStatus;

/* for guard.status, in the current memory context */
extern void guard_visits_status(GuardVisitsStatus *status);

#endif							/* GUARD_VISITS_H */
