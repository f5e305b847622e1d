/*-------------------------------------------------------------------------
 *
 * capture_table.c
 *	  The shared segment of capture: relations, and publishing into it.
 *
 * One segment, sized when the server starts and never after, holds three
 * tables.  Relations are a hash table of fixed size; when it is full, a new
 * relation finds no record, which makes that relation unknown and no other.
 * Statements and services are in sets next door (capture_sets.c), because
 * they may be lost and replaced, which a record of the first table never is.
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

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "compat/compat.h"
#include "guc.h"
#include "planner/capture_sets.h"
#include "planner/capture_table.h"
#include "planner/whatif_table.h"

/*
 * How often a flag or the lock is tried in the hot path.  They are held for a
 * few hundred nanoseconds, and this takes about as long.
 */
#define FLAG_TRIES		200
#define LOCK_TRIES		3

/* How long SQL functions try: one second, a millisecond at a time. */
#define PATIENT_TRIES	1000

typedef struct GuardSegment
{
	LWLock	   *lock;
	TimestampTz started_at;		/* the segment was made, empty */
	pg_atomic_uint32 sessions_off;	/* sessions that run uncaptured */
	pg_atomic_uint64 resumed_at;	/* one of them stopped doing so */
	pg_atomic_uint64 overflow_since;
	pg_atomic_uint64 overflow_count;
} GuardSegment;

static GuardSegment *segment = NULL;
static HTAB *relations = NULL;

/*
 * Bytes of shared memory for the settings as they are now.
 */
Size
guard_table_size(void)
{
	Size		size = MAXALIGN(sizeof(GuardSegment));

	size = add_size(size, hash_estimate_size(guard_guc_max_indexes,
											 sizeof(GuardRelationRecord)));
	size = add_size(size, guard_sets_size());
	return add_size(size, guard_whatif_table_size());
}

/*
 * Make the segment, or find it.  Called from shmem_startup_hook.
 */
void
guard_table_attach(void)
{
	HASHCTL		info;
	bool		found;

	/* After a crash the old addresses mean nothing any more. */
	segment = NULL;
	relations = NULL;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	segment = ShmemInitStruct("guard capture", sizeof(GuardSegment), &found);
	if (!found)
	{
		segment->lock = &(GetNamedLWLockTranche("guard"))->lock;
		segment->started_at = GetCurrentTimestamp();
		pg_atomic_init_u32(&segment->sessions_off, 0);
		pg_atomic_init_u64(&segment->resumed_at, 0);
		pg_atomic_init_u64(&segment->overflow_since, 0);
		pg_atomic_init_u64(&segment->overflow_count, 0);
	}

	info.keysize = sizeof(GuardRelationKey);
	info.entrysize = sizeof(GuardRelationRecord);
	relations = guard_compat_shmem_hash("guard relations",
										guard_guc_max_indexes, &info,
										HASH_ELEM | HASH_BLOBS |
										HASH_FIXED_SIZE);
	guard_sets_attach();
	guard_whatif_table_attach();
	LWLockRelease(AddinShmemInitLock);
}

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
 * Try to take a flag without waiting.
 */
bool
guard_flag_try(pg_atomic_flag *busy)
{
	for (int i = 0; i < FLAG_TRIES; i++)
	{
		if (pg_atomic_unlocked_test_flag(busy) && pg_atomic_test_set_flag(busy))
			return true;
	}
	return false;
}

/*
 * Take a flag, waiting for up to a second; only where nobody's statement
 * depends on it.  False means that somebody was stopped (not killed) while he
 * held it: the caller then does not know.
 */
bool
guard_flag_wait(pg_atomic_flag *busy)
{
	for (int i = 0; i < PATIENT_TRIES; i++)
	{
		if (guard_flag_try(busy))
			return true;
		pg_usleep(1000L);
	}
	return false;
}

/*
 * A session used something.
 */
static void
note_last(GuardLastTwo *two, uint64 session, TimestampTz at)
{
	if (two->user != session)
	{
		two->other = Max(two->other, two->last);
		two->user = session;
		two->last = at;
	}
	else
		two->last = Max(two->last, at);
}

/*
 * The last use by a session other than this one; 0 = none known.  Exact, but
 * for sessions that publish out of order, which costs at most the ten seconds
 * that a use may stay unpublished.
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
		if (LWLockConditionalAcquire(segment->lock, mode))
			return true;
	}
	return false;
}

static void
init_record(GuardRelationRecord *record)
{
	GuardRelationKey key = record->key;

	memset(record, 0, sizeof(*record));
	record->key = key;
	pg_atomic_init_flag(&record->busy);
}

/*
 * Find the record for a relation, or make it.  With GUARD_PUBLISHED *record is
 * set and the lock is held; with anything else it is not.
 */
static GuardPublished
find_record(const GuardRelationKey *key, bool create,
			GuardRelationRecord **record)
{
	bool		full;
	bool		found;

	if (!lock_briefly(LW_SHARED))
		return GUARD_PUBLISH_BUSY;
	*record = hash_search(relations, key, HASH_FIND, NULL);
	if (*record)
		return GUARD_PUBLISHED;
	full = hash_get_num_entries(relations) >= guard_guc_max_indexes;
	LWLockRelease(segment->lock);

	if (!create)
		return GUARD_PUBLISH_GONE;
	if (full)
	{
		guard_table_note_loss();
		return GUARD_PUBLISH_FULL;
	}
	if (!lock_briefly(LW_EXCLUSIVE))
		return GUARD_PUBLISH_BUSY;
	*record = hash_search(relations, key, HASH_ENTER_NULL, &found);
	if (*record)
	{
		if (!found)
			init_record(*record);
		return GUARD_PUBLISHED;
	}
	LWLockRelease(segment->lock);
	guard_table_note_loss();
	return GUARD_PUBLISH_FULL;
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

	if (record->first == 0 || batch->first < record->first)
		record->first = batch->first;
	record->longest_pause = Max(record->longest_pause, batch->longest);
	if (record->last != 0)
		record->longest_pause = Max(record->longest_pause,
									batch->first - record->last);
	record->last = Max(record->last, batch->last);
	note_last(&record->used, session, batch->last);
	if (batch->aimed > 0)
		note_last(&record->aimed, session, batch->last);
	if (batch->arbiters > 0)
		note_last(&record->arbiter, session, batch->last);
	if (batch->writes > 0)
		note_last(&record->written, session, batch->last);

	record->count += batch->count;
	record->aimed_count += batch->aimed;
	record->write_count += batch->writes;
	guard_rate_add(&record->rate, batch->last, batch->count);
}

/*
 * Add a batch to the tables, all of it or nothing.
 *
 * "service" NULL means that it is no longer known who it was.  Without
 * "create", a relation that has no record is taken for dropped: its record
 * was made when it was first used, under the lock of that statement, and can
 * only have gone with the relation.  So a batch that arrives late does not
 * leave a record behind that nobody would ever remove.
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

	result = find_record(&key, create, &record);
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
	LWLockRelease(segment->lock);
	return result;
}

/*
 * A use could not be recorded at all.  From now on "no record" does not mean
 * "not used".
 */
void
guard_table_note_loss(void)
{
	uint64		never = 0;

	pg_atomic_compare_exchange_u64(&segment->overflow_since, &never,
								   (uint64) GetCurrentTimestamp());
	pg_atomic_fetch_add_u64(&segment->overflow_count, 1);
}

/*
 * This session has run a statement uncaptured, or ceases to do so (switched on
 * again, or gone).  The caller sees to it that they alternate.
 */
void
guard_table_session_off(void)
{
	pg_atomic_fetch_add_u32(&segment->sessions_off, 1);
}

void
guard_table_session_on(void)
{
	pg_atomic_write_u64(&segment->resumed_at, (uint64) GetCurrentTimestamp());
	pg_atomic_fetch_sub_u32(&segment->sessions_off, 1);
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

	LWLockAcquire(segment->lock, LW_SHARED);
	shared = hash_search(relations, &key, HASH_FIND, NULL);
	result = shared && copy_record(shared, record);
	*unreadable = shared && !result;
	LWLockRelease(segment->lock);
	return result;
}

/*
 * All records of this database, as palloc'd GuardRelationRecord *.
 */
List *
guard_table_relations(void)
{
	List	   *result = NIL;
	HASH_SEQ_STATUS status;
	GuardRelationRecord *shared;

	LWLockAcquire(segment->lock, LW_SHARED);
	hash_seq_init(&status, relations);
	while ((shared = hash_seq_search(&status)) != NULL)
	{
		GuardRelationRecord record;

		/* To the stack first: palloc may fail, and would leave the flag set. */
		if (shared->key.database == MyDatabaseId &&
			copy_record(shared, &record))
		{
			GuardRelationRecord *copy = palloc(sizeof(*copy));

			*copy = record;
			result = lappend(result, copy);
		}
	}
	LWLockRelease(segment->lock);
	return result;
}

/*
 * Forget a relation of this database.
 */
void
guard_table_forget(Oid relation)
{
	GuardRelationKey key;

	key.database = MyDatabaseId;
	key.relation = relation;

	LWLockAcquire(segment->lock, LW_EXCLUSIVE);
	hash_search(relations, &key, HASH_REMOVE, NULL);
	LWLockRelease(segment->lock);
	guard_sets_forget(&key);
}

/*
 * Forget a whole database, not necessarily this one.
 */
void
guard_table_forget_database(Oid database)
{
	HASH_SEQ_STATUS status;
	GuardRelationRecord *shared;

	LWLockAcquire(segment->lock, LW_EXCLUSIVE);
	hash_seq_init(&status, relations);
	while ((shared = hash_seq_search(&status)) != NULL)
	{
		if (shared->key.database == database)
			hash_search(relations, &shared->key, HASH_REMOVE, NULL);
	}
	LWLockRelease(segment->lock);
	guard_sets_forget_database(database);
}

/*
 * Fill in *status, which is all zero.
 */
void
guard_table_status(GuardCaptureStatus *status)
{
	LWLockAcquire(segment->lock, LW_SHARED);
	status->relations_used = (int) hash_get_num_entries(relations);
	LWLockRelease(segment->lock);

	status->available = true;
	status->segment = segment->started_at;
	status->relations_max = guard_guc_max_indexes;
	status->overflow_since =
		(TimestampTz) pg_atomic_read_u64(&segment->overflow_since);
	status->overflow_count =
		(int64) pg_atomic_read_u64(&segment->overflow_count);
	if (pg_atomic_read_u32(&segment->sessions_off) == 0)
		status->since = Max(segment->started_at, (TimestampTz)
							pg_atomic_read_u64(&segment->resumed_at));
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
	uint64		resumed_at;
	uint64		overflow_since;
	uint64		overflow_count;
	int64		relations;
} SavedSegment;

void
guard_table_save(GuardCaptureFile *file)
{
	SavedSegment saved;
	HASH_SEQ_STATUS status;
	GuardRelationRecord *record;

	saved.started_at = segment->started_at;
	saved.resumed_at = pg_atomic_read_u64(&segment->resumed_at);
	saved.overflow_since = pg_atomic_read_u64(&segment->overflow_since);
	saved.overflow_count = pg_atomic_read_u64(&segment->overflow_count);
	saved.relations = hash_get_num_entries(relations);

	/* Whoever has not come back to say so was running uncaptured to the end. */
	if (pg_atomic_read_u32(&segment->sessions_off) != 0)
		saved.resumed_at = (uint64) GetCurrentTimestamp();
	guard_file_put(file, &saved, sizeof(saved));
	hash_seq_init(&status, relations);
	while ((record = hash_seq_search(&status)) != NULL)
		guard_file_put(file, record, sizeof(*record));
	guard_sets_save(file);
}

/*
 * A service found no slot: somebody used the relation who is not in the list.
 */
static void
add_to_others(const GuardRelationKey *key, int64 uses)
{
	GuardRelationRecord *record = hash_search(relations, key, HASH_FIND, NULL);

	if (record)
		record->others += uses;
}

void
guard_table_restore(GuardCaptureFile *file)
{
	SavedSegment saved;
	GuardRelationRecord record;

	if (!guard_file_get(file, &saved, sizeof(saved)))
		return;
	segment->started_at = saved.started_at;
	pg_atomic_write_u64(&segment->resumed_at, saved.resumed_at);
	pg_atomic_write_u64(&segment->overflow_since, saved.overflow_since);
	pg_atomic_write_u64(&segment->overflow_count, saved.overflow_count);
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
			guard_table_note_loss();
			continue;
		}
		*shared = record;
		pg_atomic_init_flag(&shared->busy);
	}
	guard_sets_restore(file, add_to_others);
}
