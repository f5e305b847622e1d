/*-------------------------------------------------------------------------
 *
 * shares.c
 *	  What each database has of capture, and what capture has lost.
 *
 * Capture's tables belong to all databases of the server, and any role that
 * may create tables can fill them.  So each database in which guard is at work
 * is guaranteed guard.max_indexes / (2 x such databases) records of relations;
 * the rest goes to whoever comes first.  A database that comes when all is
 * taken gets its guarantee from those that have more than theirs.
 *
 * What found no room, or had to make room before history had it, is
 * remembered by itself: where, and when.  Those relations are unknown, and no
 * others, until they have a record again or the look-back has passed.  The
 * memory for that is limited, too: of more than it can hold only the owner is
 * remembered, whose relations without a record are then unknown, all of them;
 * and, where that fails, the database.
 *
 * Sessions that run uncaptured are counted here as well, by database, whether
 * guard is there or not: who is switched off reads no catalog to find out.
 *
 * Numbers of shares stay as they are until the database is gone.  All fields
 * are atomic; what must agree with the table of relations is changed under
 * the lock that protects that.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "planner/capture/tables.h"
#include "planner/planner.h"
#include "store/shmem.h"

/* At most that often are records looked through for what is gone. */
#define PURGE_PAUSE	(60 * USECS_PER_SEC)

typedef struct Share
{
	pg_atomic_uint32 database;	/* InvalidOid: free */
	pg_atomic_uint32 guarded;	/* guard is at work there */
	pg_atomic_uint32 relations; /* records */
	pg_atomic_uint32 sessions_off;
	pg_atomic_uint64 resumed_at;	/* one of them stopped being so */
	pg_atomic_uint64 lost_at;	/* losses of nobody knows whom; 0 = none */
	pg_atomic_uint64 purged_at;
} Share;

static Share *shares = NULL;	/* GUARD_SHARES and the common one */
static int	mine = -1;

static bool same_loss(const void *slot, const void *sought);
static void restore_loss(const void *slot);

/*
 * Losses: of a relation, or without one, of all of the owner's, who is the
 * "userid".  "last" is when.
 */
static GuardSlots losses =
{
	.size = sizeof(GuardSlot),
	.same = same_loss,
	.restore = restore_loss
};

/* Shared memory is there, or has been made. */
static void
attach(void *segment, bool fresh, LWLock *lock)
{
	mine = -1;
	shares = segment;
	for (int i = 0; fresh && i <= GUARD_SHARES; i++)
	{
		Share	   *share = &shares[i];

		pg_atomic_init_u32(&share->database, InvalidOid);
		pg_atomic_init_u32(&share->guarded, 0);
		pg_atomic_init_u32(&share->relations, 0);
		pg_atomic_init_u32(&share->sessions_off, 0);
		pg_atomic_init_u64(&share->resumed_at, 0);
		pg_atomic_init_u64(&share->lost_at, 0);
		pg_atomic_init_u64(&share->purged_at, 0);
	}
}

/* ----------------------------------------------------------------
 *		Shares
 * ----------------------------------------------------------------
 */

/*
 * Asked once a session.  Two that come together take the same free place, so
 * one of them fails, looks again and finds the other's.
 */
int
guard_shares_of(Oid database)
{
	for (int i = 0; i < GUARD_SHARES; i++)
	{
		if (pg_atomic_read_u32(&shares[i].database) == database)
			return i;
	}
	for (int i = 0; i < GUARD_SHARES; i++)
	{
		uint32		there = InvalidOid;

		if (pg_atomic_compare_exchange_u32(&shares[i].database, &there, database) ||
			there == database)
			return i;
	}
	return GUARD_SHARES;
}

/* That of this session's database, which from then on is known to have guard. */
int
guard_shares_mine(void)
{
	if (unlikely(mine < 0))
		mine = guard_shares_of(MyDatabaseId);
	if (unlikely(pg_atomic_read_u32(&shares[mine].guarded) == 0))
		pg_atomic_write_u32(&shares[mine].guarded, 1);
	return mine;
}

/* The caller, under his exclusive lock, has made records or removed them. */
void
guard_shares_add(int share, int records)
{
	pg_atomic_fetch_add_u32(&shares[share].relations, records);
}

/* How many records a share has. */
int
guard_shares_records(int share)
{
	return (int) pg_atomic_read_u32(&shares[share].relations);
}

static int
count_guarded(void)
{
	int			databases = 0;

	for (int i = 0; i <= GUARD_SHARES; i++)
		databases += pg_atomic_read_u32(&shares[i].guarded) != 0 ? 1 : 0;
	return Max(databases, 1);
}

/* How many it is guaranteed. */
int
guard_shares_guaranteed(int share)
{
	return pg_atomic_read_u32(&shares[share].guarded) == 0 ? 0 :
		guard_guc_max_indexes / (2 * count_guarded());
}

/* guard has gone from this database. */
void
guard_shares_release(void)
{
	pg_atomic_write_u32(&shares[guard_shares_mine()].guarded, 0);
}

/* May this database have one more record, of "used" in all? */
bool
guard_shares_has_room(int share, int used)
{
	int			each = guard_shares_guaranteed(share);
	int			common = guard_guc_max_indexes - count_guarded() * each;

	if (used >= guard_guc_max_indexes)
		return false;
	if (guard_shares_records(share) < each)
		return true;
	for (int i = 0; i <= GUARD_SHARES; i++)
		common -= Max(guard_shares_records(i) - guard_shares_guaranteed(i), 0);
	return common > 0;
}

/* Has nobody looked through this database's records for a minute? */
bool
guard_shares_claim_purge(void)
{
	pg_atomic_uint64 *purged_at = &shares[guard_shares_mine()].purged_at;
	uint64		last = pg_atomic_read_u64(purged_at);
	TimestampTz now = GetCurrentTimestamp();

	return now - (TimestampTz) last >= PURGE_PAUSE &&
		pg_atomic_compare_exchange_u64(purged_at, &last, (uint64) now);
}

/* ----------------------------------------------------------------
 *		Sessions that run uncaptured
 * ----------------------------------------------------------------
 */

/* This session runs uncaptured from now on; and does not any more. */
void
guard_shares_session_off(void)
{
	if (mine < 0)
		mine = guard_shares_of(MyDatabaseId);
	pg_atomic_fetch_add_u32(&shares[mine].sessions_off, 1);
}

void
guard_shares_session_on(void)
{
	pg_atomic_write_u64(&shares[mine].resumed_at,
						(uint64) GetCurrentTimestamp());
	pg_atomic_fetch_sub_u32(&shares[mine].sessions_off, 1);
}

/* ----------------------------------------------------------------
 *		Losses
 * ----------------------------------------------------------------
 */

static GuardSet *
set_of(const GuardSlot *loss)
{
	return guard_slots_set(&losses, loss->database,
						   OidIsValid(loss->object) ? loss->object : loss->userid);
}

/*
 * Of one relation they are the same, whosever it was; and of an owner.
 */
static bool
same_loss(const void *slot, const void *sought)
{
	const GuardSlot *loss = sought;

	return OidIsValid(loss->object) ||
		((const GuardSlot *) slot)->userid == loss->userid;
}

/* Losses before this concern nobody any more. */
static TimestampTz
too_old(void)
{
	return GetCurrentTimestamp() - (int64) guard_guc_lookback * USECS_PER_SEC;
}

static void
lose_database(Oid database, TimestampTz at)
{
	pg_atomic_uint64 *lost_at = &shares[guard_shares_of(database)].lost_at;
	uint64		known = pg_atomic_read_u64(lost_at);

	while (known < (uint64) at &&
		   !pg_atomic_compare_exchange_u64(lost_at, &known, (uint64) at))
		;
}

/*
 * Remember a loss in its set.  What has to make room for it is returned in
 * *displaced.  False: somebody else is at the set.
 */
static bool
remember(const GuardSlot *loss, GuardSlot *displaced)
{
	GuardSet   *set = set_of(loss);
	GuardSlot  *place;

	memset(displaced, 0, sizeof(*displaced));
	if (!guard_flag_try(&set->busy))
		return false;
	place = guard_slots_find(&losses, set, loss);
	if (place != NULL)
		place->last = Max(place->last, loss->last);
	else
	{
		place = guard_slots_least(&losses, set);
		*displaced = *place;
		guard_slots_put(&losses, place, loss);
	}
	pg_atomic_clear_flag(&set->busy);
	return true;
}

/*
 * A relation of that owner was used when no record of it could be made, or had
 * one that made room.
 */
void
guard_shares_lose(const GuardRelationKey *key, Oid owner, TimestampTz at)
{
	GuardSlot	loss = {.database = key->database, .object = key->relation, .userid = owner, .last = at};
	GuardSlot	displaced;
	GuardSlot	last;

	if (!remember(&loss, &displaced))
		displaced = loss;
	if (OidIsValid(displaced.object) && displaced.last >= too_old())
	{
		displaced.object = InvalidOid;
		if (remember(&displaced, &last))
		{
			bool		same_owner = last.database == displaced.database &&
				last.userid == displaced.userid;

			displaced = last;

			/* it is one of these: their date is all that it can change */
			last.object = InvalidOid;
			if (same_owner && remember(&last, &displaced))
				displaced.database = InvalidOid;
		}
	}
	if (OidIsValid(displaced.database) && displaced.last >= too_old())
		lose_database(displaced.database, displaced.last);
}

static TimestampTz
find_loss(Oid relation, Oid owner)
{
	GuardSlot	sought = {.database = MyDatabaseId, .object = relation, .userid = owner};
	GuardSet   *set = set_of(&sought);
	GuardSlot  *loss;
	TimestampTz at;

	/* Not known: as if it had been now. */
	if (!guard_flag_wait(&set->busy))
		return GetCurrentTimestamp();
	loss = guard_slots_find(&losses, set, &sought);
	at = loss ? loss->last : 0;
	pg_atomic_clear_flag(&set->busy);
	return at;
}

/*
 * The latest loss that concerns a relation of this database.
 */
TimestampTz
guard_shares_lost(Oid relation, Oid owner)
{
	TimestampTz at;

	at = (TimestampTz) pg_atomic_read_u64(&shares[guard_shares_mine()].lost_at);
	at = Max(at, find_loss(relation, owner));
	at = Max(at, find_loss(InvalidOid, owner));
	return at >= too_old() ? at : 0;
}

/* The relation is gone, and so are its losses. */
void
guard_shares_forget(const GuardRelationKey *key)
{
	(void) guard_slots_forget(&losses, key->database, key->relation, true);
}

/*
 * The caller has removed its records.  The place is free only where nobody is
 * in the database: who is counted off there must find what he is counted in.
 */
void
guard_shares_forget_database(Oid database)
{
	int			i = guard_shares_of(database);

	(void) guard_slots_forget(&losses, database, InvalidOid, true);
	if (i == GUARD_SHARES)
		return;
	pg_atomic_write_u32(&shares[i].guarded, 0);
	pg_atomic_write_u64(&shares[i].lost_at, 0);
	if (database == MyDatabaseId)
		return;
	pg_atomic_write_u32(&shares[i].sessions_off, 0);
	pg_atomic_write_u64(&shares[i].resumed_at, 0);
	pg_atomic_write_u32(&shares[i].database, InvalidOid);
}

/* ----------------------------------------------------------------
 *		Saving and restoring, status
 * ----------------------------------------------------------------
 */

/* What of a share outlives a restart. */
typedef struct SavedShare
{
	Oid			database;		/* InvalidOid: the end */
	uint32		guarded;
	uint64		resumed_at;
	uint64		lost_at;
} SavedShare;

static void
save(GuardFile *file)
{
	SavedShare	end = {0};

	for (int i = 0; i < GUARD_SHARES; i++)
	{
		Share	   *share = &shares[i];
		SavedShare	saved = {0};

		saved.database = pg_atomic_read_u32(&share->database);
		if (!OidIsValid(saved.database))
			continue;
		saved.guarded = pg_atomic_read_u32(&share->guarded);
		saved.lost_at = pg_atomic_read_u64(&share->lost_at);

		/* Whoever has not come back was running uncaptured to the end. */
		saved.resumed_at = pg_atomic_read_u32(&share->sessions_off) != 0 ?
			(uint64) GetCurrentTimestamp() : pg_atomic_read_u64(&share->resumed_at);
		guard_file_put(file, &saved, sizeof(saved));
	}
	guard_file_put(file, &end, sizeof(end));
}

static void
restore(GuardFile *file)
{
	SavedShare	saved;

	while (guard_file_get(file, &saved, sizeof(saved)) &&
		   OidIsValid(saved.database))
	{
		Share	   *share = &shares[guard_shares_of(saved.database)];

		pg_atomic_write_u32(&share->guarded, saved.guarded);
		pg_atomic_write_u64(&share->resumed_at, saved.resumed_at);
		pg_atomic_write_u64(&share->lost_at, saved.lost_at);
	}
}

static void
restore_loss(const void *slot)
{
	const GuardSlot *loss = slot;
	GuardRelationKey key = {loss->database, loss->object};

	guard_shares_lose(&key, loss->userid, loss->last);
}

/* Called at start. */
void
guard_shares_init(void)
{
	static GuardShmem segment =
	{
		.name = "guard shares",
		.size = (GUARD_SHARES + 1) * sizeof(Share),
		.attach = attach
	};

	/* One loss can be remembered for each record that there may be. */
	losses.sets = guard_slots_sets(guard_guc_max_indexes);
	guard_slots_register(&losses);
	guard_shmem_register(&segment);
	guard_file_register(sizeof(SavedShare), save, restore);
}

/* When this database lost something last. */
static TimestampTz
last_loss(Share *share)
{
	TimestampTz last = (TimestampTz) pg_atomic_read_u64(&share->lost_at);

	for (int i = 0; i < losses.sets; i++)
	{
		foreach_slot(GuardSlot, loss, guard_slots_nth(&losses, i))
		{
			if (loss->database == MyDatabaseId)
				last = Max(last, loss->last);
		}
	}
	return last >= too_old() ? last : 0;
}

/* Fill in what of *status is about this database. */
void
guard_shares_status(GuardCaptureStatus *status)
{
	int			number = guard_shares_mine();
	Share	   *share = &shares[number];

	status->relations_here = guard_shares_records(number);
	status->guaranteed = guard_shares_guaranteed(number);
	status->sessions_off = (int) pg_atomic_read_u32(&share->sessions_off);
	status->resumed_at = (TimestampTz) pg_atomic_read_u64(&share->resumed_at);
	status->last_loss = last_loss(share);
}
