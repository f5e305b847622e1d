/*-------------------------------------------------------------------------
 *
 * table.c
 *	  The shared segment of capture: relations, and publishing into it.
 *
 * One segment, sized when the server starts and never after, holds three
 * tables.  Relations are a hash table of fixed size, of which each database has
 * its share (shares.c); when that is full, another record makes room
 * (room.c), or the new relation finds none, which makes that relation
 * unknown and no other.  Statements and services are in sets next door
 * (sets.c), because they may be lost and replaced.
 *
 * What protects what:
 *
 *	lock		the LWLock "guard": which records exist.  Publishing takes it
 *				shared, making or removing a record exclusively.
 *	busy flags	one per record and per set: what is in them.
 *
 * A statement of a user must not wait for us, so publishing takes all of them
 * conditionally, and all of them before it changes anything: it is done as a
 * whole or not at all, and the caller keeps his batch for the next try.
 * Nothing between taking and clearing a flag can raise an error or accept an
 * interrupt.  A backend that is killed inside takes the server through a
 * crash restart, which makes the segment anew, so no flag is ever left set.
 *
 * Not tried: EXEC_BACKEND (Windows), where every backend attaches by itself.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "planner/capture/tables.h"
#include "planner/planner.h"
#include "store/shmem.h"

/* How often the lock is tried in the hot path. */
#define LOCK_TRIES		3

/* Records among which one that makes room is looked for: some 50 us. */
#define SAMPLE	500

typedef struct GuardSegment
{
	TimestampTz started_at;		/* the segment was made, empty */
	uint32		hand;			/* bucket where the next sample begins */
} GuardSegment;

static LWLock *lock = NULL;
static GuardSegment *segment = NULL;
static HTAB *relations = NULL;

/*
 * Shared memory is there, or has been made.
 */
static void
attach(void *structure, bool fresh, LWLock *its_lock)
{
	HASHCTL		info;

	segment = structure;
	lock = its_lock;
	if (fresh)
		segment->started_at = GetCurrentTimestamp();
	info.keysize = sizeof(GuardRelationKey);
	info.entrysize = sizeof(GuardRelationRecord);
	relations = guard_compat_shmem_hash("guard relations",
										guard_guc_max_indexes, &info,
										HASH_ELEM | HASH_BLOBS |
										HASH_FIXED_SIZE);
}

/* Is shared memory there?  Not where guard is not preloaded. */
bool
guard_table_attached(void)
{
	return segment != NULL;
}

/* ----------------------------------------------------------------
 *		Small structures
 * ----------------------------------------------------------------
 */

/*
 * A session used something.  It may tell of it late, when others have used it
 * since.
 */
static void
note_last(GuardLastTwo *two, uint64 session, TimestampTz at)
{
	if (two->user == session)
		two->last = Max(two->last, at);
	else if (at < two->last)
		two->other = Max(two->other, at);
	else
	{
		two->other = two->last;
		two->user = session;
		two->last = at;
	}
}

/*
 * The last use by a session other than this one; 0 = none known.
 */
TimestampTz
guard_last_by_others(const GuardLastTwo *two, uint64 session)
{
	return two->user == session ? two->other : two->last;
}

static int64
bucket_number(TimestampTz at)
{
	return at / (GUARD_RATE_BUCKET_SECS * USECS_PER_SEC);
}

/*
 * Count uses in the bucket of their time, unless that has left the ring.
 */
void
guard_rate_add(GuardRate *rate, TimestampTz at, uint32 n)
{
	int64		bucket = bucket_number(at);

	if (bucket <= rate->newest - GUARD_RATE_BUCKETS)
		return;

	if (bucket >= rate->newest + GUARD_RATE_BUCKETS)
	{
		memset(rate->buckets, 0, sizeof(rate->buckets));
		rate->newest = bucket;
	}
	while (rate->newest < bucket)
		rate->buckets[++rate->newest % GUARD_RATE_BUCKETS] = 0;
	rate->buckets[bucket % GUARD_RATE_BUCKETS] += n;
}

/*
 * Uses in the current bucket and the GUARD_RATE_BUCKETS - 1 before it.
 */
int64
guard_rate_sum(const GuardRate *rate, TimestampTz now)
{
	int64		oldest = bucket_number(now) - (GUARD_RATE_BUCKETS - 1);
	int64		sum = 0;

	for (int64 bucket = Max(oldest, rate->newest - (GUARD_RATE_BUCKETS - 1));
		 bucket <= rate->newest; bucket++)
		sum += rate->buckets[bucket % GUARD_RATE_BUCKETS];
	return sum;
}

/* ----------------------------------------------------------------
 *		Publishing
 * ----------------------------------------------------------------
 */

static bool
lock_briefly(LWLockMode mode)
{
	for (int i = 0; i < LOCK_TRIES; i++)
	{
		if (LWLockConditionalAcquire(lock, mode))
			return true;
	}
	return false;
}

static void
init_record(GuardRelationRecord *record, int share, Oid owner)
{
	GuardRelationKey key = record->key;

	memset(record, 0, sizeof(*record));
	record->key = key;
	pg_atomic_init_flag(&record->busy);
	record->share = share;
	record->owner = owner;
	record->made = GetCurrentTimestamp();
	record->saved = -1;
}

static void
remove_record(GuardRelationRecord *record)
{
	guard_shares_add(record->share, -1);
	hash_search(relations, &record->key, HASH_REMOVE, NULL);
}

/*
 * Some records, others each time; returns how many.
 */
static int
take_sample(GuardRelationRecord **sample)
{
	HASH_SEQ_STATUS status;
	int			n = 0;

	hash_seq_init(&status, relations);
	if (hash_get_num_entries(relations) > SAMPLE)
		status.curBucket = segment->hand;
	while (n < SAMPLE && (sample[n] = hash_seq_search(&status)) != NULL)
		n++;
	segment->hand = n < SAMPLE ? 0 : status.curBucket;
	if (n == SAMPLE)
		hash_seq_term(&status);
	return n;
}

/*
 * Have another record make room.  False: none does.
 */
static bool
make_room(int share, Oid owner)
{
	GuardRelationRecord *sample[SAMPLE];
	int			n = take_sample(sample);
	bool		costless;
	GuardRelationRecord *victim = guard_room_choose(sample, n, share, owner,
													&costless);

	/* Its statements would pass for all there are of the next record. */
	if (victim == NULL || !guard_sets_forget(&victim->key, true, false))
		return false;
	if (!costless && victim->last != 0)
		guard_shares_lose(&victim->key, victim->owner, victim->last);
	remove_record(victim);
	return true;
}

/*
 * Make a record, unless somebody has done so; NULL: there is no room.  The
 * caller holds the lock exclusively.
 */
static GuardRelationRecord *
make_record(const GuardRelationKey *key, Oid owner)
{
	int			share = guard_shares_mine();
	GuardRelationRecord *record = hash_search(relations, key, HASH_FIND, NULL);

	if (record != NULL)
		return record;
	if (!guard_shares_has_room(share, hash_get_num_entries(relations)) &&
		!make_room(share, owner))
		return NULL;
	record = hash_search(relations, key, HASH_ENTER_NULL, NULL);
	if (record != NULL)
	{
		init_record(record, share, owner);
		guard_shares_add(share, 1);
	}
	return record;
}

/*
 * Find the record for a batch, or make it.  With GUARD_PUBLISHED *record is
 * set and the lock is held; with anything else it is not.
 */
static GuardPublished
find_record(const GuardRelationKey *key, const GuardUseBatch *batch,
			bool create, GuardRelationRecord **record)
{
	if (!lock_briefly(LW_SHARED))
		return GUARD_PUBLISH_BUSY;
	*record = hash_search(relations, key, HASH_FIND, NULL);
	if (*record)
		return GUARD_PUBLISHED;
	LWLockRelease(lock);

	if (create && !lock_briefly(LW_EXCLUSIVE))
		return GUARD_PUBLISH_BUSY;
	if (create)
	{
		*record = make_record(key, batch->owner);
		if (*record)
			return GUARD_PUBLISHED;
		LWLockRelease(lock);
	}
	guard_table_lose(batch);
	return create ? GUARD_PUBLISH_FULL : GUARD_PUBLISH_GONE;
}

/*
 * Where such uses are added up; where there is no place left for the columns of
 * a check, with those of any key.
 */
static GuardTally *
find_tally(GuardRelationRecord *record, uint64 fkey)
{
	GuardTally *tally = &record->checks[GUARD_CAPTURE_FKEYS - 1];
	GuardWay	way = guard_capture_way(fkey);

	if (way != GUARD_WAY_READ)
	{
		record->needs[way].fkey = fkey;
		return &record->needs[way];
	}
	if (fkey == 0)
		return &record->uses;
	for (int i = 0; i < GUARD_CAPTURE_FKEYS; i++)
	{
		if (record->checks[i].count == 0)
			record->checks[i].fkey = fkey;
		if (record->checks[i].fkey == fkey)
			return &record->checks[i];
	}
	tally->fkey = GUARD_FKEY_ANY;
	return tally;
}

static void
add_to_tally(GuardTally *tally, const GuardUseBatch *batch, uint64 session)
{
	if (tally->first == 0 || batch->first < tally->first)
		tally->first = batch->first;
	tally->longest_pause = Max(tally->longest_pause, batch->longest);
	if (tally->used.last != 0)
		tally->longest_pause = Max(tally->longest_pause,
								   batch->first - tally->used.last);
	note_last(&tally->used, session, batch->last);
	tally->count += batch->count;
	guard_rate_add(&tally->rate, batch->last, batch->count);
}

/*
 * Of the views that a relation is used by, the least recent makes room: which one
 * that was is forgotten, not that there was one.
 */
static void
note_view(GuardRelationRecord *record, Oid view, uint64 session, TimestampTz at)
{
	GuardByView *place = &record->by_view[0];

	for (int i = 0; i < GUARD_CAPTURE_VIEWS && place->view != view; i++)
	{
		GuardByView *each = &record->by_view[i];

		if (each->view == view || each->used.last < place->used.last)
			place = each;
	}
	if (place->view != view)
	{
		record->more_views = Max(record->more_views, place->used.last);
		memset(place, 0, sizeof(*place));
		place->view = view;
	}
	note_last(&place->used, session, at);
}

static void
note_names(GuardRelationRecord *record, const GuardUseBatch *batch, uint64 session)
{
	if (batch->named)
		note_last(&record->named, session, batch->last);
	if (batch->more_views)
		record->more_views = Max(record->more_views, batch->last);
	for (int i = 0; i < GUARD_CAPTURE_VIEWS && OidIsValid(batch->views[i]); i++)
		note_view(record, batch->views[i], session, batch->last);
}

/*
 * Add a batch to a record whose flag is held.
 */
static void
add_to_record(GuardRelationRecord *record, const GuardUseBatch *batch,
			  uint64 session)
{
	record->excused += batch->excused;
	if (batch->count == 0)
		return;

	add_to_tally(find_tally(record, batch->fkey), batch, session);
	record->last = Max(record->last, batch->last);
	if (batch->aimed > 0)
		note_last(&record->aimed, session, batch->last);
	if (batch->writes > 0)
		note_last(&record->written, session, batch->last);
	note_names(record, batch, session);

	record->member = batch->member;
	record->rooted &= batch->member;
	record->apart += batch->count - batch->told;
	record->count += batch->count;
	record->aimed_count += batch->aimed;
	record->write_count += batch->writes;
}

/*
 * Add a batch to the tables, all of it or nothing.
 *
 * "service" NULL means that it is no longer known who it was.  Without
 * "create", a relation that has no record is taken for dropped: its record
 * was made when it was first used, under the lock of that statement, and has
 * gone with the relation, or made room since.  So a batch that arrives late
 * does not leave a record behind that nobody would ever remove; it is a loss.
 */
GuardPublished
guard_table_publish(const GuardUseBatch *batch, const GuardService *service,
					uint64 session, bool create)
{
	GuardRelationKey key;
	GuardRelationRecord *record;
	GuardPublished result;

	key.database = MyDatabaseId;
	key.relation = batch->relation;

	result = find_record(&key, batch, create, &record);
	if (result != GUARD_PUBLISHED)
		return result;

	if (!guard_flag_try(&record->busy))
		result = GUARD_PUBLISH_BUSY;
	else
	{
		int64		others = 0;

		if (batch->count == 0 ||
			guard_sets_add(&key, batch, service, session, &others))
		{
			add_to_record(record, batch, session);
			record->others += others;
		}
		else
			result = GUARD_PUBLISH_BUSY;
		pg_atomic_clear_flag(&record->busy);
	}
	LWLockRelease(lock);
	return result;
}

/* A record, under the lock; NULL: there is none, or the lock is not to be had. */
static GuardRelationRecord *
lock_record(Oid relation)
{
	GuardRelationKey key = {MyDatabaseId, relation};
	GuardRelationRecord *record;

	if (!lock_briefly(LW_SHARED))
		return NULL;
	record = hash_search(relations, &key, HASH_FIND, NULL);
	if (record == NULL)
		LWLockRelease(lock);
	return record;
}

Oid
guard_table_root(Oid relation)
{
	GuardRelationRecord *record = lock_record(relation);
	Oid			root = InvalidOid;

	if (record == NULL)
		return InvalidOid;
	if (record->rooted)
		root = record->root;
	LWLockRelease(lock);
	return root;
}

bool
guard_table_tell(const GuardUseBatch *batch)
{
	GuardRelationRecord *record = lock_record(batch->relation);
	bool		told = false;

	if (record == NULL)
		return false;
	if (record->is_root && guard_flag_try(&record->busy))
	{
		told = guard_sets_tell(&record->key, batch);
		if (told)
		{
			record->count += batch->count;
			record->last = Max(record->last, batch->last);
		}
		pg_atomic_clear_flag(&record->busy);
	}
	LWLockRelease(lock);
	return told;
}

/*
 * Uses could not be recorded.  From now on "no record" does not mean "not used"
 * for their relation.
 */
void
guard_table_lose(const GuardUseBatch *batch)
{
	GuardRelationKey key = {MyDatabaseId, batch->relation};

	if (batch->count > 0)
		guard_shares_lose(&key, batch->owner, batch->last);
}

/* ----------------------------------------------------------------
 *		Reading and forgetting
 * ----------------------------------------------------------------
 */

/*
 * Copy a record whose existence is protected by the lock.
 */
static bool
copy_record(GuardRelationRecord *record, GuardRelationRecord *copy)
{
	if (!guard_flag_wait(&record->busy))
		return false;
	*copy = *record;
	pg_atomic_clear_flag(&record->busy);
	return true;
}

/*
 * Read the record of a relation of this database.  False: there is none, or,
 * with *unreadable, it could not be read.
 */
bool
guard_table_read(Oid relation, GuardRelationRecord *record, bool *unreadable)
{
	GuardRelationKey key;
	GuardRelationRecord *shared;
	bool		result;

	key.database = MyDatabaseId;
	key.relation = relation;

	LWLockAcquire(lock, LW_SHARED);
	shared = hash_search(relations, &key, HASH_FIND, NULL);
	result = shared && copy_record(shared, record);
	*unreadable = shared && !result;
	LWLockRelease(lock);
	return result;
}

/*
 * All records of this database, those of roots included or not, as palloc'd
 * GuardRelationRecord *
 */
List *
guard_table_relations(bool roots)
{
	List	   *result = NIL;
	HASH_SEQ_STATUS status;
	GuardRelationRecord *shared;

	LWLockAcquire(lock, LW_SHARED);
	hash_seq_init(&status, relations);
	while ((shared = hash_seq_search(&status)) != NULL)
	{
		GuardRelationRecord record;

		/* To the stack first: palloc may fail, and would leave the flag set. */
		if (shared->key.database == MyDatabaseId && (roots || !shared->is_root) &&
			copy_record(shared, &record))
		{
			GuardRelationRecord *copy = palloc(sizeof(*copy));

			*copy = record;
			result = lappend(result, copy);
		}
	}
	LWLockRelease(lock);
	return result;
}

/*
 * The root of a member is known: what was told of under the member moves there,
 * unless somebody is at it just now.  Of a member of another root all uses are
 * to be accounted for.
 */
void
guard_table_adopt(Oid relation, Oid root)
{
	GuardRelationKey key = {MyDatabaseId, relation};
	GuardRelationKey root_key = {MyDatabaseId, root};
	GuardRelationRecord *record;
	GuardRelationRecord *top = NULL;
	int64		more;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	record = hash_search(relations, &key, HASH_FIND, NULL);
	if (record != NULL)
		top = make_record(&root_key, record->owner);
	/* it may have made room for that */
	record = hash_search(relations, &key, HASH_FIND, NULL);
	if (record != NULL && top != NULL && guard_sets_move(&key, &root_key, &more))
	{
		bool		again = record->root == root && top->is_root;

		top->is_root = true;
		top->count += (again ? record->apart : record->count) + more;
		record->root = root;
		record->rooted = true;
		record->apart = 0;
	}
	LWLockRelease(lock);
}

/*
 * History has all that the record of a relation held at this count.
 */
void
guard_table_saved(Oid relation, int64 count)
{
	GuardRelationKey key = {MyDatabaseId, relation};
	GuardRelationRecord *shared;

	LWLockAcquire(lock, LW_SHARED);
	shared = hash_search(relations, &key, HASH_FIND, NULL);
	if (shared && guard_flag_wait(&shared->busy))
	{
		shared->saved = count;
		pg_atomic_clear_flag(&shared->busy);
	}
	LWLockRelease(lock);
}

/*
 * Forget a relation of this database.
 */
void
guard_table_forget(Oid relation, bool statements)
{
	GuardRelationKey key = {MyDatabaseId, relation};
	GuardRelationRecord *shared;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	shared = hash_search(relations, &key, HASH_FIND, NULL);
	if (shared)
		remove_record(shared);
	LWLockRelease(lock);
	(void) guard_sets_forget(&key, statements, true);
	guard_shares_forget(&key);
}

/*
 * Forget a whole database, not necessarily this one.
 */
void
guard_table_forget_database(Oid database)
{
	GuardRelationKey key = {database, InvalidOid};
	HASH_SEQ_STATUS status;
	GuardRelationRecord *shared;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	hash_seq_init(&status, relations);
	while ((shared = hash_seq_search(&status)) != NULL)
	{
		if (shared->key.database == database)
			remove_record(shared);
	}
	LWLockRelease(lock);
	(void) guard_sets_forget(&key, true, true);
	guard_shares_forget_database(database);
	guard_mail_forget_database(database);
}

/*
 * Beside others who make and remove records; one more or less does not matter.
 */
bool
guard_table_is_nearly_full(void)
{
	return hash_get_num_entries(relations) >= guard_guc_max_indexes / 10 * 9;
}

/* Since when there has been anything to record uses in. */
TimestampTz
guard_table_since(void)
{
	return segment->started_at;
}

/*
 * Fill in *status, which is all zero.
 */
void
guard_table_status(GuardCaptureStatus *status)
{
	LWLockAcquire(lock, LW_SHARED);
	status->relations_used = (int) hash_get_num_entries(relations);
	status->has_room = guard_shares_has_room(guard_shares_mine(),
											 status->relations_used);
	LWLockRelease(lock);

	status->available = true;
	status->relations_max = guard_guc_max_indexes;
	guard_shares_status(status);
	if (status->sessions_off == 0)
		status->since = Max(segment->started_at, status->resumed_at);
	guard_sets_status(status);
}

/* ----------------------------------------------------------------
 *		Saving and restoring
 * ----------------------------------------------------------------
 */

/* What of the segment outlives a restart. */
typedef struct SavedSegment
{
	TimestampTz started_at;
	int64		relations;
} SavedSegment;

static void
save(GuardFile *file)
{
	SavedSegment saved;
	HASH_SEQ_STATUS status;
	GuardRelationRecord *record;

	guard_mail_lose();
	saved.started_at = segment->started_at;
	saved.relations = hash_get_num_entries(relations);
	guard_file_put(file, &saved, sizeof(saved));
	hash_seq_init(&status, relations);
	while ((record = hash_seq_search(&status)) != NULL)
		guard_file_put(file, record, sizeof(*record));
}

static void
restore(GuardFile *file)
{
	SavedSegment saved;
	GuardRelationRecord record;

	if (!guard_file_get(file, &saved, sizeof(saved)))
		return;
	segment->started_at = saved.started_at;
	for (int64 i = 0; i < saved.relations; i++)
	{
		GuardRelationRecord *shared = NULL;

		if (!guard_file_get(file, &record, sizeof(record)))
			return;
		/* guard.max_indexes may be smaller now. */
		if (hash_get_num_entries(relations) < guard_guc_max_indexes)
			shared = hash_search(relations, &record.key, HASH_ENTER_NULL, NULL);
		if (shared == NULL)
		{
			guard_shares_lose(&record.key, record.owner, record.last);
			continue;
		}
		*shared = record;
		pg_atomic_init_flag(&shared->busy);
		shared->share = guard_shares_of(record.key.database);
		guard_shares_add(shared->share, 1);
	}
}

/* A service of it found no slot when it was restored. */
void
guard_table_add_others(const GuardRelationKey *key, int64 uses)
{
	GuardRelationRecord *record = hash_search(relations, key, HASH_FIND, NULL);

	if (record)
		record->others += uses;
}

/* Called at start. */
void
guard_table_init(void)
{
	static GuardShmem shmem =
	{
		.name = "guard",
		.size = sizeof(GuardSegment),
		.locked = true,
		.attach = attach,
		.ready = guard_file_startup
	};

	shmem.beside = hash_estimate_size(guard_guc_max_indexes,
									  sizeof(GuardRelationRecord));
	guard_shmem_register(&shmem);
	guard_file_register(sizeof(GuardRelationRecord), save, restore);
}
