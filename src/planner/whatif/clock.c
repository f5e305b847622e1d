/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  When a statement is planned a second time, and what that may cost.
 *
 * Clocks
 *
 * Every planning asks whether its statement is due, so the answer must cost
 * next to nothing and need no lock.  A clock is one 64-bit number: who it is
 * of (half of a hash, the other half being its place) and when that was last
 * sampled, in seconds.  Eight of them, a cache line, are a bucket; a new clock
 * takes the place of one that has run down.  Where all eight are running,
 * there is no room, and what has no clock is not due: with more statements
 * than guard.max_statements some go unsampled, but none is sampled too often.
 * Setting a clock is an atomic exchange, so of a hundred sessions that plan a
 * new statement at the same moment one alone plans it twice.
 *
 * Lots
 *
 * What a statement costs without an index need not show in what it costs with
 * it, so plannings are drawn by lot, too: of each statement the first 16, half
 * of the next 32, a quarter of the 64 after these, and so on to one in 1024.  A
 * seldom parameter of a seldom statement has its chance, and a million calls
 * make two hundred samples.  Statements that share a place share its lots.
 *
 * Allowance
 *
 * All sessions together may spend one hundredth of one processor's time, and
 * may spend five seconds' worth at once, after a start or a deployment.  This
 * is kept as one number, too: the time up to which the allowance has been
 * spent in advance.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "port/pg_bitutils.h"

#include "planner/whatif/sampling.h"
#include "store/shmem.h"

#define BUCKET_CLOCKS	8

/* One in this many microseconds may be spent ... */
#define ALLOWANCE		100
/* ... this many of them at once. */
#define BURST			(5 * USECS_PER_SEC)

/* So many lots are drawn with each chance, which then halves ... */
#define LOTS_PER_CHANCE	16
/* ... that often. */
#define MAX_HALVED		10

typedef struct Clocks
{
	TimestampTz since;
	pg_atomic_uint64 spent;		/* microseconds */
	pg_atomic_uint64 spent_until;	/* TimestampTz, the allowance's own clock */
	pg_atomic_uint64 counts[GUARD_COUNTS];
	pg_atomic_uint64 clocks[FLEXIBLE_ARRAY_MEMBER];
} Clocks;

static Clocks *clocks = NULL;

/* How many lots were drawn, for each bucket; behind the clocks. */
static pg_atomic_uint32 *lots;
static uint32 bucket_mask;

/*
 * A power of two, with room for twice as many clocks as pairs can be kept, and
 * as many again for their statements.
 */
static uint32
bucket_count(void)
{
	return pg_nextpower2_32(Max(guard_guc_max_statements / 2, 16));
}

/* Shared memory is there, or has been made. */
static void
attach(void *segment, bool fresh, LWLock *lock)
{
	clocks = segment;
	bucket_mask = bucket_count() - 1;
	lots = (pg_atomic_uint32 *) &clocks->clocks[bucket_count() * BUCKET_CLOCKS];
	if (!fresh)
		return;
	clocks->since = GetCurrentTimestamp();
	pg_atomic_init_u64(&clocks->spent, 0);
	pg_atomic_init_u64(&clocks->spent_until, 0);
	for (int i = 0; i < GUARD_COUNTS; i++)
		pg_atomic_init_u64(&clocks->counts[i], 0);
	for (uint32 i = 0; i < bucket_count() * BUCKET_CLOCKS; i++)
		pg_atomic_init_u64(&clocks->clocks[i], 0);
	for (uint32 i = 0; i < bucket_count(); i++)
		pg_atomic_init_u32(&lots[i], 0);
}

/* Called at start. */
void
guard_clock_init(void)
{
	static GuardShmem segment =
	{
		.name = "guard what-if clocks", .attach = attach
	};

	segment.size = add_size(offsetof(Clocks, clocks),
							mul_size(bucket_count(),
									 BUCKET_CLOCKS * sizeof(pg_atomic_uint64) +
									 sizeof(pg_atomic_uint32)));
	guard_shmem_register(&segment);
}

/* ----------------------------------------------------------------
 *		Clocks
 * ----------------------------------------------------------------
 */

/*
 * The key of a pair, or with InvalidOid of a statement.  A queryid is a hash
 * already, OIDs are not: 2^64 divided by the golden ratio spreads them.
 */
uint64
guard_clock_key(int64 queryid, Oid index)
{
	uint64		key = ((uint64) index << 32 | MyDatabaseId) *
		UINT64CONST(0x9E3779B97F4A7C15);

	key = (uint64) queryid ^ key ^ (key >> 32);
	/* No clock's upper half is 0: that is nobody's. */
	return key | UINT64CONST(0x100000000);
}

/*
 * The key of a pair whose plan costs about that much, and whose scan finds about
 * so many rows.  With other parameters the same statement may be another matter:
 * a common value, or LIMIT, can make the index worthless where a rare value
 * needs it.
 */
uint64
guard_clock_pair(int64 queryid, Oid index, double cost, double rows)
{
	uint64		magnitudes = guard_clock_magnitude(cost) +
		guard_clock_magnitude(rows) * GUARD_MAGNITUDES;

	return guard_clock_key(queryid ^
						   (int64) (magnitudes * UINT64CONST(0xD6E8FEB86659FD93)),
						   index);
}

/*
 * A power of four, from 0 to GUARD_MAGNITUDES - 1.
 */
int
guard_clock_magnitude(double figure)
{
	return figure <= 1 ? 0 : Min(ilogb(figure) / 2, GUARD_MAGNITUDES - 1);
}

static inline pg_atomic_uint64 *
bucket_of(uint64 key)
{
	return &clocks->clocks[((uint32) key & bucket_mask) * BUCKET_CLOCKS];
}

static inline bool
has_run_down(uint64 clock, int64 now)
{
	return (int64) (uint32) clock + guard_guc_whatif_interval <= now;
}

static inline bool
is_of(uint64 clock, uint64 key)
{
	return clock >> 32 == key >> 32;
}

/*
 * Has this a clock, running or not?
 */
bool
guard_clock_known(uint64 key)
{
	pg_atomic_uint64 *bucket = bucket_of(key);

	for (int i = 0; i < BUCKET_CLOCKS; i++)
	{
		if (is_of(pg_atomic_read_u64(&bucket[i]), key))
			return true;
	}
	return false;
}

/*
 * Has this not been sampled within guard.whatif_interval?
 */
bool
guard_clock_due(uint64 key, int64 now)
{
	pg_atomic_uint64 *bucket = bucket_of(key);
	bool		room = false;

	for (int i = 0; i < BUCKET_CLOCKS; i++)
	{
		uint64		clock = pg_atomic_read_u64(&bucket[i]);

		if (is_of(clock, key))
			return has_run_down(clock, now);
		room |= has_run_down(clock, now);
	}
	return room;
}

/*
 * It is sampled now, or counts as sampled "at" another time.  False: it is
 * not, because somebody else was quicker or there is no room.
 */
bool
guard_clock_claim(uint64 key, int64 now, int64 at)
{
	pg_atomic_uint64 *bucket = bucket_of(key);
	uint64		set = (key & ~UINT64CONST(0xFFFFFFFF)) | (uint32) at;
	uint64		old = 0;
	int			place = -1;

	for (int i = 0; i < BUCKET_CLOCKS; i++)
	{
		uint64		clock = pg_atomic_read_u64(&bucket[i]);

		if (is_of(clock, key))
		{
			place = i;
			old = clock;
			break;
		}
		if (place < 0 && has_run_down(clock, now))
		{
			place = i;
			old = clock;
		}
	}
	return place >= 0 && (!is_of(old, key) || has_run_down(old, now)) &&
		pg_atomic_compare_exchange_u64(&bucket[place], &old, set);
}

/*
 * Let it be due again at once.
 */
void
guard_clock_rewind(uint64 key)
{
	pg_atomic_uint64 *bucket = bucket_of(key);

	for (int i = 0; i < BUCKET_CLOCKS; i++)
	{
		uint64		clock = pg_atomic_read_u64(&bucket[i]);

		if (is_of(clock, key))
			(void) pg_atomic_compare_exchange_u64(&bucket[i], &clock, 0);
	}
}

/* ----------------------------------------------------------------
 *		Lots
 * ----------------------------------------------------------------
 */

/*
 * The statement's time in microseconds is as good as a random number, and costs
 * nothing.
 */
static inline uint32
draw(void)
{
	return (uint32) ((uint64) GetCurrentStatementStartTimestamp() *
					 UINT64CONST(0x9E3779B97F4A7C15) >> 32);
}

static inline uint32
halved(int64 queryid)
{
	uint32		drawn = pg_atomic_read_u32(&lots[(uint32) queryid & bucket_mask]);

	return Min(drawn / LOTS_PER_CHANCE, MAX_HALVED);
}

/*
 * Is a planning of this statement drawn?
 */
bool
guard_lot_falls(int64 queryid)
{
	return draw() >> (32 - MAX_HALVED) < (uint32) 1 << (MAX_HALVED - halved(queryid));
}

/*
 * The same where to ask each time costs too much: how many executions are passed
 * over before one is drawn; by chance, and on average as many as its chance says.
 */
uint32
guard_lot_wait(int64 queryid)
{
	return (uint32) ((uint64) draw() * (((uint64) 2 << halved(queryid)) - 1) >> 32);
}

/*
 * It was sampled for that.
 */
void
guard_lot_drawn(int64 queryid)
{
	pg_atomic_fetch_add_u32(&lots[(uint32) queryid & bucket_mask], 1);
}

/*
 * There is something new about it: its chance is one in eight again, or what
 * it was.
 */
void
guard_lot_again(int64 queryid)
{
	pg_atomic_uint32 *drawn = &lots[(uint32) queryid & bucket_mask];

	if (pg_atomic_read_u32(drawn) > 3 * LOTS_PER_CHANCE)
		pg_atomic_write_u32(drawn, 3 * LOTS_PER_CHANCE);
}

/* ----------------------------------------------------------------
 *		Allowance
 * ----------------------------------------------------------------
 */

bool
guard_allowance_left(TimestampTz now)
{
	return (int64) pg_atomic_read_u64(&clocks->spent_until) - now <
		BURST * ALLOWANCE;
}

/*
 * Book what was spent.
 */
void
guard_allowance_spend(TimestampTz now, int64 microseconds)
{
	uint64		old = pg_atomic_read_u64(&clocks->spent_until);
	int64		next;

	pg_atomic_fetch_add_u64(&clocks->spent, microseconds);
	do
	{
		next = Max((int64) old, now) + microseconds * ALLOWANCE;
	} while (!pg_atomic_compare_exchange_u64(&clocks->spent_until, &old,
											 (uint64) next));
}

void
guard_whatif_count(GuardWhatIfCount what)
{
	pg_atomic_fetch_add_u64(&clocks->counts[what], 1);
}

static int64
count_of(GuardWhatIfCount what)
{
	return (int64) pg_atomic_read_u64(&clocks->counts[what]);
}

void
guard_clock_status(GuardWhatIfStatus *status)
{
	int64		elapsed = GetCurrentTimestamp() - clocks->since;
	int64		spent = (int64) pg_atomic_read_u64(&clocks->spent);

	status->since = clocks->since;
	status->shadow_plans = count_of(GUARD_COUNT_SHADOW_PLANS);
	status->failed = count_of(GUARD_COUNT_FAILED);
	status->postponed = count_of(GUARD_COUNT_POSTPONED);
	status->too_slow = count_of(GUARD_COUNT_TOO_SLOW);
	status->untrusted = count_of(GUARD_COUNT_UNTRUSTED);
	status->share = elapsed > 0 ? (double) spent / elapsed : 0;
	status->share_max = 1.0 / ALLOWANCE;
}
