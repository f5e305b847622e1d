/*-------------------------------------------------------------------------
 *
 * presence.c
 *	  Is guard in this database?  As the sessions before this one found.
 *
 * One number is for all databases.  Who changes what store.c goes by learns of
 * it by his own invalidations, before his COMMIT: from then on nothing is
 * relied on and nothing that is found is kept, until his own invalidations have
 * been sent, when the number is another.  What a session reads meanwhile, or
 * had begun to read before, bears the old number and is worth nothing.  After
 * PREPARE TRANSACTION nobody knows when it will be over, and nothing is shared
 * until the server starts again.
 *
 * A database has one place, which it may lose to another: then its sessions
 * find out by themselves.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/resowner.h"

#include "store/shmem.h"
#include "store/store.h"

/* A power of two, some 50 bytes each. */
#define PLACES	1024

typedef struct Place
{
	pg_atomic_flag busy;
	uint64		number;			/* when this was found */
	GuardPresence presence;
	Oid			empty;			/* the table that hides nothing */
} Place;

typedef struct Presences
{
	pg_atomic_uint64 number;
	pg_atomic_uint32 changing;	/* transactions that change something */
	Place		places[PLACES];
} Presences;

static Presences *presences = NULL;
static bool changing = false;	/* this transaction is one of them */

/* Shared memory is there, or has been made. */
static void
attach(void *segment, bool fresh, LWLock *lock)
{
	presences = segment;
	changing = false;
	if (!fresh)
		return;
	pg_atomic_init_u64(&presences->number, 1);
	pg_atomic_init_u32(&presences->changing, 0);
	for (int i = 0; i < PLACES; i++)
		pg_atomic_init_flag(&presences->places[i].busy);
}

/* Called at start. */
void
guard_presence_init(void)
{
	static GuardShmem segment =
	{
		.name = "guard presence",
		.size = sizeof(Presences),
		.attach = attach
	};

	(void) guard_shmem_register(&segment);
}

/*
 * The place of this database, its flag taken, if what it may hold can be relied
 * on; otherwise NULL.
 */
static Place *
take_place(void)
{
	Place	   *place;

	if (presences == NULL || RecoveryInProgress() ||
		pg_atomic_read_u32(&presences->changing) != 0)
		return NULL;
	place = &presences->places[MyDatabaseId & (PLACES - 1)];
	return guard_flag_try(&place->busy) ? place : NULL;
}

static bool
is_current(const Place *place)
{
	return place->presence.database == MyDatabaseId &&
		place->number == pg_atomic_read_u64(&presences->number);
}

/* What is known of this database. */
bool
guard_presence_read(GuardPresence *presence, uint64 *number)
{
	Place	   *place = take_place();
	bool		known = place != NULL && is_current(place);

	*number = place != NULL ? pg_atomic_read_u64(&presences->number) : 0;
	if (known)
		*presence = place->presence;
	if (place != NULL)
		pg_atomic_clear_flag(&place->busy);
	return known;
}

/*
 * Who has written anything may have found what nobody else will.
 */
static bool
may_tell(void)
{
	return !TransactionIdIsValid(GetTopTransactionIdIfAny());
}

/* It was found by who was handed this number; 0: it is not to be told. */
void
guard_presence_tell(const GuardPresence *presence, uint64 number)
{
	Place	   *place = may_tell() && number != 0 ? take_place() : NULL;

	if (place == NULL)
		return;
	place->number = number;
	place->presence = *presence;
	place->empty = InvalidOid;
	pg_atomic_clear_flag(&place->busy);
}

/*
 * The transaction is over, and its invalidations have been sent.
 */
static void
end_change(ResourceReleasePhase phase, bool isCommit, bool isTopLevel,
		   void *arg)
{
	if (likely(!changing) || !isTopLevel ||
		phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	changing = false;
	pg_atomic_fetch_add_u64(&presences->number, 1);
	pg_atomic_fetch_sub_u32(&presences->changing, 1);
}

/*
 * Prepared: it goes on without us.
 */
static void
keep_changing(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PREPARE)
		changing = false;
}

/* Something may have changed, by this transaction or another. */
void
guard_presence_changed(void)
{
	static bool registered = false;

	if (presences == NULL || changing)
		return;
	pg_atomic_fetch_add_u64(&presences->number, 1);
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;
	if (!registered)
	{
		RegisterResourceReleaseCallback(end_change, NULL);
		RegisterXactCallback(keep_changing, NULL);
	}
	registered = true;
	changing = true;
	pg_atomic_fetch_add_u32(&presences->changing, 1);
}

/* ----------------------------------------------------------------
 *		The table that hides indexes
 * ----------------------------------------------------------------
 */

/* That of this database, if it is known to be empty. */
Oid
guard_presence_hides_nothing(Oid extension)
{
	Place	   *place = take_place();
	Oid			table = InvalidOid;

	if (place == NULL)
		return InvalidOid;
	if (is_current(place) && place->presence.extension == extension)
		table = place->empty;
	pg_atomic_clear_flag(&place->busy);
	return table;
}

/* It is empty, and cannot be written to just now. */
void
guard_presence_tell_hides_nothing(Oid extension, Oid table)
{
	Place	   *place = may_tell() ? take_place() : NULL;

	if (place == NULL)
		return;
	if (is_current(place) && place->presence.extension == extension)
		place->empty = table;
	pg_atomic_clear_flag(&place->busy);
}

/*
 * It may not be empty any more.  Where somebody was stopped at its place, what
 * he has there is made worthless.
 */
void
guard_presence_may_hide(void)
{
	Place	   *place;

	if (presences == NULL)
		return;
	place = &presences->places[MyDatabaseId & (PLACES - 1)];
	if (guard_flag_try(&place->busy))
	{
		if (place->presence.database == MyDatabaseId)
			place->empty = InvalidOid;
		pg_atomic_clear_flag(&place->busy);
	}
	else
		pg_atomic_fetch_add_u64(&presences->number, 1);
}
