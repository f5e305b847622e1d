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

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "planner/capture/sets.h"
#include "planner/capture/shares.h"

#define SET_SLOTS	32

typedef struct Share
{
	pg_atomic_uint32 database;	/* InvalidOid: free */
	pg_atomic_uint32 guarded;	/* guard is at work there */
	pg_atomic_uint32 relations; /* records */
	pg_atomic_uint32 sessions_off;
	pg_atomic_uint64 resumed_at;	/* one of them stopped being so */
	pg_atomic_uint64 lost_at;	/* losses of nobody knows whom; 0 = none */
} Share;

typedef struct Loss
{
	GuardRelationKey key;		/* without relation: all of the owner's */
	Oid			owner;			/* InvalidOid: free */
	TimestampTz at;
} Loss;

typedef struct LossSet
{
	pg_atomic_flag busy;
	Loss		slots[SET_SLOTS];
} LossSet;

static Share *shares = NULL;	/* GUARD_SHARES and the common one */
static LossSet *loss_sets = NULL;
static int	mine = -1;

static Size
shares_size(void)
{
	return MAXALIGN((GUARD_SHARES + 1) * sizeof(Share));
}

/*
 * One loss can be remembered for each record that there may be.
 */
static int
loss_set_count(void)
{
	return (guard_guc_max_indexes + SET_SLOTS - 1) / SET_SLOTS;
}

Size
guard_shares_size(void)
{
	return add_size(shares_size(), mul_size(loss_set_count(), sizeof(LossSet)));
}

/*
 * Make the tables or find them; the caller holds AddinShmemInitLock.
 */
void
guard_shares_attach(void)
{
	bool		found;

	mine = -1;
	shares = ShmemInitStruct("guard shares", guard_shares_size(), &found);
	loss_sets = (LossSet *) ((char *) shares + shares_size());
	if (found)
		return;
	memset(shares, 0, guard_shares_size());
	for (int i = 0; i <= GUARD_SHARES; i++)
	{
		Share	   *share = &shares[i];

		pg_atomic_init_u32(&share->database, InvalidOid);
		pg_atomic_init_u32(&share->guarded, 0);
		pg_atomic_init_u32(&share->relations, 0);
		pg_atomic_init_u32(&share->sessions_off, 0);
		pg_atomic_init_u64(&share->resumed_at, 0);
		pg_atomic_init_u64(&share->lost_at, 0);
	}
	for (int i = 0; i < loss_set_count(); i++)
		pg_atomic_init_flag(&loss_sets[i].busy);
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

int
guard_shares_mine(void)
{
	if (unlikely(mine < 0))
		mine = guard_shares_of(MyDatabaseId);
	if (unlikely(pg_atomic_read_u32(&shares[mine].guarded) == 0))
		pg_atomic_write_u32(&shares[mine].guarded, 1);
	return mine;
}

void
guard_shares_add(int share, int records)
{
	pg_atomic_fetch_add_u32(&shares[share].relations, records);
}

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

int
guard_shares_guaranteed(int share)
{
	return pg_atomic_read_u32(&shares[share].guarded) == 0 ? 0 :
		guard_guc_max_indexes / (2 * count_guarded());
}

void
guard_shares_release(void)
{
	pg_atomic_write_u32(&shares[guard_shares_mine()].guarded, 0);
}

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

/* ----------------------------------------------------------------
 *		Sessions that run uncaptured
 * ----------------------------------------------------------------
 */

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

static LossSet *
loss_set(const GuardRelationKey *key, Oid owner)
{
	uint32		hash = hash_combine(murmurhash32(key->database),
									murmurhash32(OidIsValid(key->relation) ?
												 key->relation : owner));

	return &loss_sets[hash % loss_set_count()];
}

/*
 * Is the loss that of this relation, or without one, of all of this owner's?
 */
static bool
is_of(const Loss *loss, const GuardRelationKey *key, Oid owner)
{
	return OidIsValid(loss->owner) &&
		loss->key.database == key->database &&
		loss->key.relation == key->relation &&
		(OidIsValid(key->relation) || loss->owner == owner);
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
remember(const Loss *loss, Loss *displaced)
{
	LossSet    *set = loss_set(&loss->key, loss->owner);
	Loss	   *place = &set->slots[0];

	if (!guard_flag_try(&set->busy))
		return false;
	for (int i = 0; i < SET_SLOTS; i++)
	{
		Loss	   *slot = &set->slots[i];

		if (is_of(slot, &loss->key, loss->owner))
		{
			place = slot;
			break;
		}
		/* A free slot's was in the year 2000. */
		if (slot->at < place->at)
			place = slot;
	}
	*displaced = *place;
	*place = *loss;
	if (is_of(displaced, &loss->key, loss->owner))
	{
		place->at = Max(place->at, displaced->at);
		displaced->owner = InvalidOid;
	}
	pg_atomic_clear_flag(&set->busy);
	return true;
}

void
guard_shares_lose(const GuardRelationKey *key, Oid owner, TimestampTz at)
{
	Loss		loss = {*key, owner, at};
	Loss		displaced;
	Loss		last = {{InvalidOid, InvalidOid}, InvalidOid, 0};

	if (!remember(&loss, &displaced))
		displaced = loss;
	if (OidIsValid(displaced.owner) && OidIsValid(displaced.key.relation) &&
		displaced.at >= too_old())
	{
		displaced.key.relation = InvalidOid;
		if (remember(&displaced, &last))
			displaced = last;
	}
	if (OidIsValid(displaced.owner) && displaced.at >= too_old())
		lose_database(displaced.key.database, displaced.at);
}

static TimestampTz
find_loss(const GuardRelationKey *key, Oid owner)
{
	LossSet    *set = loss_set(key, owner);
	TimestampTz at = 0;

	if (!guard_flag_wait(&set->busy))
		return GetCurrentTimestamp();
	for (int i = 0; i < SET_SLOTS; i++)
	{
		if (is_of(&set->slots[i], key, owner))
			at = set->slots[i].at;
	}
	pg_atomic_clear_flag(&set->busy);
	return at;
}

TimestampTz
guard_shares_lost(const GuardRelationKey *key, Oid owner)
{
	GuardRelationKey all = {key->database, InvalidOid};
	TimestampTz at;

	at = (TimestampTz) pg_atomic_read_u64(&shares[guard_shares_mine()].lost_at);
	at = Max(at, find_loss(key, owner));
	at = Max(at, find_loss(&all, owner));
	return at >= too_old() ? at : 0;
}

/*
 * Forget the losses in one set: a relation's, or without one the database's.
 */
static void
forget_in_set(LossSet *set, const GuardRelationKey *key)
{
	if (!guard_flag_wait(&set->busy))
		return;
	for (int i = 0; i < SET_SLOTS; i++)
	{
		Loss	   *loss = &set->slots[i];

		if (loss->key.database == key->database &&
			(!OidIsValid(key->relation) || loss->key.relation == key->relation))
			memset(loss, 0, sizeof(*loss));
	}
	pg_atomic_clear_flag(&set->busy);
}

void
guard_shares_forget(const GuardRelationKey *key)
{
	forget_in_set(loss_set(key, InvalidOid), key);
}

/*
 * The caller has removed its records.  The place is free only where nobody is
 * in the database: who is counted off there must find what he is counted in.
 */
void
guard_shares_forget_database(Oid database)
{
	GuardRelationKey key = {database, InvalidOid};
	int			i = guard_shares_of(database);

	for (int set = 0; set < loss_set_count(); set++)
		forget_in_set(&loss_sets[set], &key);
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

size_t
guard_shares_record_sizes(void)
{
	return sizeof(SavedShare) + sizeof(Loss);
}

void
guard_shares_save(GuardCaptureFile *file)
{
	SavedShare	end = {0};
	Loss		no_loss = {0};

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
	for (int i = 0; i < loss_set_count() * SET_SLOTS; i++)
	{
		Loss	   *loss = &loss_sets[i / SET_SLOTS].slots[i % SET_SLOTS];

		if (OidIsValid(loss->owner))
			guard_file_put(file, loss, sizeof(*loss));
	}
	guard_file_put(file, &no_loss, sizeof(no_loss));
}

void
guard_shares_restore(GuardCaptureFile *file)
{
	SavedShare	saved;
	Loss		loss;

	while (guard_file_get(file, &saved, sizeof(saved)) &&
		   OidIsValid(saved.database))
	{
		Share	   *share = &shares[guard_shares_of(saved.database)];

		pg_atomic_write_u32(&share->guarded, saved.guarded);
		pg_atomic_write_u64(&share->resumed_at, saved.resumed_at);
		pg_atomic_write_u64(&share->lost_at, saved.lost_at);
	}
	while (guard_file_get(file, &loss, sizeof(loss)) && OidIsValid(loss.owner))
		guard_shares_lose(&loss.key, loss.owner, loss.at);
}

void
guard_shares_status(GuardCaptureStatus *status)
{
	int			share = guard_shares_mine();

	status->relations_here = guard_shares_records(share);
	status->guaranteed = guard_shares_guaranteed(share);
	status->sessions_off = (int) pg_atomic_read_u32(&shares[share].sessions_off);
	status->resumed_at =
		(TimestampTz) pg_atomic_read_u64(&shares[share].resumed_at);
	status->last_loss =
		(TimestampTz) pg_atomic_read_u64(&shares[share].lost_at);
	for (int i = 0; i < loss_set_count() * SET_SLOTS; i++)
	{
		const Loss *loss = &loss_sets[i / SET_SLOTS].slots[i % SET_SLOTS];

		if (OidIsValid(loss->owner) && loss->key.database == MyDatabaseId)
			status->last_loss = Max(status->last_loss, loss->at);
	}
	if (status->last_loss < too_old())
		status->last_loss = 0;
}
