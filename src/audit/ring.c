/*-------------------------------------------------------------------------
 *
 * ring.c
 *	  Entries that wait in shared memory for somebody who can write them.
 *
 * The transaction of a refused drop is rolled back, so its row must be written
 * by somebody else.  Entries of all databases lie one behind the other in one
 * piece of memory of fixed size; whoever writes them takes those of his
 * database, wherever they are, and what is behind them moves up.  Moving a
 * megabyte takes some 50 microseconds, and nobody is in a hurry here.
 *
 * An entry leaves the ring only when the transaction that wrote its row has
 * committed.  If that fails, it waits for the next one.
 *
 * Every database has its share of the ring, so that a flood of refusals in one
 * costs no other a row.
 *
 * When that is full, the latest entry of the database that waits counts
 * what it stands for: its row says how many were not written.  The server log
 * has them all, and is what survives a crash.
 *
 * Where guard is preloaded, the ring is in the main shared memory segment.
 * Without, a few bytes of the server's reserve (doc/internals/postgresql.md
 * 4.7) lead to a pinned dynamic segment, made by the first refusal.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "audit/entry.h"
#include "store/shmem.h"
#include "store/visits.h"
#include "store/store.h"

/*
 * An entry has some two kilobytes, so this is room for a thousand.  Without
 * preloading it is taken from nobody's reserve, but made while somebody waits.
 */
#define RING_SIZE		(2 * 1024 * 1024)
#define RING_SIZE_DSM	(1024 * 1024)

/* Databases that are told apart in the ring; any more count as one. */
#define DATABASES		64

/* No entry may take more than this part of the ring. */
#define LARGEST_PART	8

/*
 * How often writing an entry is tried, about once a second: whoever holds a
 * lock on the audit log that long does not want to know.
 */
#define MAX_FAILURES	600

/* A writer that has not come to its end by now has died. */
#define WRITER_LIMIT	(60 * USECS_PER_SEC)

typedef enum MessageState
{
	MESSAGE_WAITS,
	MESSAGE_TAKEN,				/* somebody is writing it */
	MESSAGE_WRITTEN				/* and will have, when he commits */
} MessageState;

typedef struct Message
{
	uint32		size;			/* with this header, aligned */
	Oid			database;
	uint64		id;
	MessageState state;
	int			taker;			/* process ID, unless it waits */
	int			coalesced;
	int			failures;
	char		json[FLEXIBLE_ARRAY_MEMBER];
} Message;

/* How many entries of a database no row tells of. */
typedef struct Lost
{
	Oid			database;
	uint64		count;
} Lost;

typedef struct Ring
{
	LWLock	   *lock;			/* protects all the rest */
	LWLock		own_lock;		/* where guard is not preloaded */
	int			tranche;		/* and that of it */
	dsm_handle	segment;		/* where the entries are, if not behind this */
	uint32		size;			/* bytes for entries; 0: not made yet */
	uint32		used;
	uint64		next_id;
	Lost		lost[DATABASES];
	TimestampTz writer_since;	/* 0: none is under way */
} Ring;

static Ring *ring = NULL;
static char *entries = NULL;
static bool watching_commit = false;

/*
 * Where guard is preloaded the ring has its place from the start.
 */
static void
attach_shared(void *structure, bool fresh, LWLock *lock)
{
	ring = structure;
	entries = (char *) ring + MAXALIGN(sizeof(Ring));
	if (!fresh)
		return;
	ring->lock = lock;
	ring->segment = DSM_HANDLE_INVALID;
	ring->size = RING_SIZE;
}

static const GuardShmem shared_memory = {
	.name = "guard audit",
	.size = MAXALIGN(sizeof(Ring)) + RING_SIZE,
	.locked = true,
	.attach = attach_shared,
};

/*
 * Called from _PG_init.
 */
void
guard_ring_init(void)
{
	(void) guard_shmem_register(&shared_memory);
}

/*
 * Where guard is not preloaded: make the head of the ring or find it.
 */
static void
attach_head(void)
{
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	ring = ShmemInitStruct("guard audit", sizeof(Ring), &found);
	if (!found)
	{
		memset(ring, 0, sizeof(Ring));
		ring->tranche = guard_compat_new_tranche("guard audit");
		ring->segment = DSM_HANDLE_INVALID;
		ring->lock = &ring->own_lock;
		LWLockInitialize(ring->lock, ring->tranche);
	}
	LWLockRelease(AddinShmemInitLock);
	guard_compat_register_tranche(ring->tranche, "guard audit");
}

/*
 * The ring where guard is not preloaded: attach to the segment, or make it.
 */
static void
attach_segment(bool may_create)
{
	dsm_segment *segment = NULL;

	if (ring->segment != DSM_HANDLE_INVALID)
		segment = dsm_attach(ring->segment);
	else if (may_create)
	{
		segment = dsm_create(RING_SIZE_DSM, DSM_CREATE_NULL_IF_MAXSEGMENTS);
		if (segment == NULL)
			return;
		LWLockAcquire(ring->lock, LW_EXCLUSIVE);
		if (ring->segment == DSM_HANDLE_INVALID)
		{
			dsm_pin_segment(segment);
			ring->segment = dsm_segment_handle(segment);
			ring->size = RING_SIZE_DSM;
		}
		LWLockRelease(ring->lock);

		/* Somebody else was faster. */
		if (ring->segment != dsm_segment_handle(segment))
		{
			dsm_detach(segment);
			segment = dsm_attach(ring->segment);
		}
	}
	if (segment == NULL)
		return;
	dsm_pin_mapping(segment);
	entries = dsm_segment_address(segment);
}

static bool
attach(bool may_create)
{
	if (entries != NULL)
		return true;
	if (!IsUnderPostmaster)
		return false;
	if (ring == NULL)
		attach_head();
	attach_segment(may_create);
	return entries != NULL;
}

/* ---- the entries; the caller holds the lock ---- */

static Message *
message_at(uint32 offset)
{
	return offset < ring->used ? (Message *) (entries + offset) : NULL;
}

static Message *
next_message(const Message *message)
{
	return message_at((const char *) message - entries + message->size);
}

#define foreach_message(message) \
	for (Message *message = message_at(0); message != NULL; message = next_message(message))

static void
remove_message(Message *message)
{
	uint32		offset = (char *) message - entries;
	uint32		size = message->size;

	memmove(message, entries + offset + size, ring->used - offset - size);
	ring->used -= size;
}

static Message *
find_message(uint64 id)
{
	foreach_message(message)
	{
		if (message->id == id)
			return message;
	}
	return NULL;
}

/*
 * Its own place, or one that nobody needs; the last one is for all that find no
 * other.
 */
static Lost *
lost_of(Oid database)
{
	Lost	   *place = &ring->lost[DATABASES - 1];

	for (int i = DATABASES - 1; i >= 0; i--)
	{
		Lost	   *lost = &ring->lost[i];

		if (lost->count > 0 && lost->database == database)
			return lost;
		if (lost->count == 0)
			place = lost;
	}
	return place;
}

static void
lose(uint64 count)
{
	Lost	   *lost = lost_of(MyDatabaseId);

	lost->database = MyDatabaseId;
	lost->count += count;
}

/*
 * No room: let the latest one that waits say so.
 */
static void
coalesce(void)
{
	Message    *latest = NULL;

	foreach_message(message)
	{
		if (message->database == MyDatabaseId && message->state == MESSAGE_WAITS)
			latest = message;
	}
	if (latest != NULL)
		latest->coalesced++;
	else
		lose(1);
}

/*
 * What the other databases have beyond what each is guaranteed.
 */
static uint32
others_beyond(uint32 each)
{
	Oid			counted[DATABASES] = {InvalidOid};
	uint32		used[DATABASES] = {0};
	uint32		beyond = 0;

	foreach_message(message)
	{
		int			i = 0;

		if (message->database == MyDatabaseId)
			continue;
		while (i < DATABASES - 1 && OidIsValid(counted[i]) &&
			   counted[i] != message->database)
			i++;
		counted[i] = message->database;
		used[i] += message->size;
	}
	for (int i = 0; i < DATABASES; i++)
		beyond += used[i] > each ? used[i] - each : 0;
	return beyond;
}

/*
 * May this database have so much more?  Each that has guard is guaranteed an
 * equal part of half of the ring, the other half is first come.
 */
static bool
has_room(uint32 size)
{
	uint32		mine = 0;
	uint32		each;
	uint32		common;
	int			databases = guard_visits_count_with();

	/* Where nobody counts them, there is another beside those that wait. */
	if (databases == 0)
		databases = 2;
	foreach_message(message)
	{
		if (message->database == MyDatabaseId)
			mine += message->size;
	}
	each = ring->size / (2 * databases);
	common = ring->size - databases * each;
	if (ring->used + size > ring->size)
		return false;
	if (mine + size <= each)
		return true;
	return others_beyond(each) + mine + size - each <= common;
}

static void
append(const char *json, Size len)
{
	Size		size = MAXALIGN(offsetof(Message, json) + len + 1);
	Message    *message = (Message *) (entries + ring->used);

	if (size > ring->size / LARGEST_PART || !has_room(size))
	{
		coalesce();
		return;
	}
	memset(message, 0, offsetof(Message, json));
	message->size = size;
	message->database = MyDatabaseId;
	message->id = ++ring->next_id;
	memcpy(message->json, json, len + 1);
	ring->used += size;
}

void
guard_ring_make(void)
{
	if (!RecoveryInProgress())
		(void) attach(true);
}

bool
guard_ring_put(const char *json, bool may_create)
{
	bool		waits;

	/* A standby writes nothing, and a worker would start at its promotion. */
	if (RecoveryInProgress() || !attach(may_create))
		return false;
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	append(json, strlen(json));
	waits = ring->used > 0;
	LWLockRelease(ring->lock);
	return waits;
}

void
guard_ring_lose(void)
{
	if (entries == NULL)
		return;
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	lose(1);
	LWLockRelease(ring->lock);
}

/* ---- writing them ---- */

/*
 * What this process has taken: written is gone, the rest waits again.
 */
static void
settle(bool committed)
{
	Message    *message;
	uint32		at = 0;

	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	while ((message = message_at(at)) != NULL)
	{
		if (message->state != MESSAGE_WAITS && message->taker == MyProcPid)
		{
			if (committed && message->state == MESSAGE_WRITTEN)
			{
				remove_message(message);
				continue;
			}
			message->state = MESSAGE_WAITS;
			message->taker = 0;
		}
		at += message->size;
	}
	LWLockRelease(ring->lock);
}

static void
at_end(GuardXactPhase phase)
{
	settle(phase == GUARD_XACT_COMMITTED);
}

/*
 * Take a message; what is not taken yet can still stand for others.
 */
static GuardWaiting *
take(Message *message)
{
	GuardWaiting *waiting = palloc(sizeof(GuardWaiting));

	waiting->id = message->id;
	waiting->json = pstrdup(message->json);
	waiting->coalesced = message->coalesced;
	message->state = MESSAGE_TAKEN;
	message->taker = MyProcPid;
	return waiting;
}

GuardWaiting *
guard_ring_take(uint64 after)
{
	GuardWaiting *waiting = NULL;

	if (!attach(false))
		return NULL;
	if (!watching_commit)
		guard_xact_register(GUARD_XACT_COMMITTED | GUARD_XACT_ABORTED, at_end);
	watching_commit = true;
	guard_xact_follow();
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	foreach_message(message)
	{
		if (message->database != MyDatabaseId || message->id <= after ||
			message->state != MESSAGE_WAITS)
			continue;
		waiting = take(message);
		break;
	}
	LWLockRelease(ring->lock);
	return waiting;
}

void
guard_ring_written(uint64 id)
{
	Message    *message;

	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	message = find_message(id);
	if (message != NULL)
		message->state = MESSAGE_WRITTEN;
	LWLockRelease(ring->lock);
}

void
guard_ring_failed(uint64 id)
{
	Message    *message;

	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	message = find_message(id);
	if (message != NULL && ++message->failures >= MAX_FAILURES)
	{
		lose(message->coalesced + 1);
		remove_message(message);
	}
	LWLockRelease(ring->lock);
}

/* ---- questions ---- */

Oid
guard_ring_database(void)
{
	Oid			database = InvalidOid;

	if (!attach(false))
		return InvalidOid;
	LWLockAcquire(ring->lock, LW_SHARED);
	foreach_message(message)
	{
		if (message->state != MESSAGE_WAITS)
			continue;
		database = message->database;
		break;
	}
	LWLockRelease(ring->lock);
	return database;
}

void
guard_audit_forget_database(Oid database)
{
	Message    *message;
	Lost	   *lost;
	uint32		at = 0;

	if (!attach(false))
		return;
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	while ((message = message_at(at)) != NULL)
	{
		if (message->database == database)
			remove_message(message);
		else
			at += message->size;
	}
	lost = lost_of(database);
	if (lost->database == database)
		lost->count = 0;
	LWLockRelease(ring->lock);
}

void
guard_ring_status(GuardRingStatus *status)
{
	memset(status, 0, sizeof(*status));
	if (!attach(false))
		return;
	LWLockAcquire(ring->lock, LW_SHARED);
	foreach_message(message)
	{
		if (message->database == MyDatabaseId)
			status->waiting++;
		else
			status->elsewhere++;
	}
	status->lost = lost_of(MyDatabaseId)->count;
	LWLockRelease(ring->lock);
}

bool
guard_ring_writer_begins(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		mine;

	if (!attach(false))
		return false;
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	mine = ring->writer_since == 0 ||
		ring->writer_since + WRITER_LIMIT < now;
	if (mine)
		ring->writer_since = now;
	LWLockRelease(ring->lock);
	return mine;
}

void
guard_ring_writer_ends(void)
{
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	ring->writer_since = 0;
	LWLockRelease(ring->lock);
}
