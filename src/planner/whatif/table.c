/*-------------------------------------------------------------------------
 *
 * table.c
 *	  The records of what-if in shared memory.
 *
 * Sets of 32 slots, as capture keeps its statements in (sets.c): the
 * hash of (database, index) says which set an index's records are in, a set
 * is searched from end to end under its busy flag, and who has most of it makes
 * room.
 * They are beside capture's sets rather than in them, because a pair can be
 * known here of an index that is never executed, and the other way round.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "planner/capture/sets.h"
#include "planner/whatif/table.h"

#define SET_SLOTS	GUARD_CAPTURE_STATEMENTS_PER_INDEX

/* The worst ratio of one magnitude of cost; "at" 0: none is known. */
typedef struct Worst
{
	float		ratio;			/* negative: known of other indexes only */
	uint32		at;				/* seconds since 2000 */
} Worst;

/* One for each magnitude, and one for what an earlier record of the pair knew. */
#define WORSTS		(GUARD_MAGNITUDES + 1)
#define FORMERLY	GUARD_MAGNITUDES

typedef struct WhatIfSlot
{
	Oid			database;		/* InvalidOid: free */
	bool		vanished;		/* what took over is gone: only the worst
								 * ratios are left */
	GuardWhatIf record;
	Worst		worst[WORSTS];
} WhatIfSlot;

/* The worst that was known of a pair that had to make room. */
typedef struct LostPair
{
	uint32		pair;			/* a hash of it */
	Worst		worst;
} LostPair;

/* Twice as many as there are slots; then all that are lost count as one. */
#define LOST_PAIRS	(2 * SET_SLOTS)

typedef struct WhatIfSet
{
	pg_atomic_flag busy;
	WhatIfSlot	slots[SET_SLOTS];
	uint32		next_lost;
	LostPair	lost[LOST_PAIRS];
	Worst		lost_others;
} WhatIfSet;

static WhatIfSet *sets = NULL;

static int
set_count(void)
{
	return (guard_guc_max_statements + SET_SLOTS - 1) / SET_SLOTS;
}

static Size
sets_size(void)
{
	return MAXALIGN(mul_size(set_count(), sizeof(WhatIfSet)));
}

Size
guard_whatif_table_size(void)
{
	return add_size(sets_size(), guard_clock_size());
}

/*
 * Make the tables or find them.
 */
void
guard_whatif_table_attach(void)
{
	bool		found;

	sets = ShmemInitStruct("guard what-if", sets_size(), &found);
	if (!found)
	{
		memset(sets, 0, sets_size());
		for (int i = 0; i < set_count(); i++)
			pg_atomic_init_flag(&sets[i].busy);
	}
	guard_clock_attach();
}

bool
guard_whatif_table_attached(void)
{
	return sets != NULL;
}

static WhatIfSet *
set_of(Oid index)
{
	uint32		hash = hash_combine(murmurhash32(MyDatabaseId),
									murmurhash32(index));

	return &sets[hash % set_count()];
}

/*
 * Is this what is known of an index of this database?
 */
static bool
is_of(const WhatIfSlot *slot, Oid index)
{
	return slot->database == MyDatabaseId && slot->record.index == index;
}

static inline double
ratio_of(const GuardWhatIf *record)
{
	return record->cost_with > 0 ? record->cost_without / record->cost_with : 1;
}

/* ----------------------------------------------------------------
 *		The worst
 * ----------------------------------------------------------------
 */

static inline uint32
seconds_of(TimestampTz at)
{
	return (uint32) (at / USECS_PER_SEC);
}

/*
 * Does it still count?
 */
static inline bool
is_recent(const Worst *worst, uint32 now)
{
	return worst->at != 0 && (int64) now - worst->at <= guard_guc_lookback;
}

/*
 * Add a ratio.  One that does harm as well makes the worst one last.
 */
static void
add_worst(Worst *worst, float ratio, uint32 at)
{
	bool		known = is_recent(worst, at) && worst->ratio >= 0;

	if (!known || ratio >= worst->ratio ||
		ratio > guard_guc_harmless_cost_ratio)
		worst->at = at;
	worst->ratio = known ? Max(worst->ratio, ratio) : ratio;
}

/*
 * The table has other indexes now: what was known of any magnitude says no
 * more than that there are such parameters.
 */
static void
void_worsts(WhatIfSlot *slot)
{
	for (int i = 0; i < WORSTS; i++)
		slot->worst[i].ratio = -1;
}

/*
 * The worst of all; false: of some it is not known.
 */
static bool
worst_of(const WhatIfSlot *slot, uint32 now, double *ratio)
{
	bool		all = true;

	*ratio = 0;
	for (int i = 0; i < WORSTS; i++)
	{
		if (!is_recent(&slot->worst[i], now))
			continue;
		all &= slot->worst[i].ratio >= 0;
		*ratio = Max(*ratio, slot->worst[i].ratio);
	}
	return all;
}

/* ----------------------------------------------------------------
 *		Losing
 * ----------------------------------------------------------------
 */

static uint32
hash_of_pair(Oid database, const GuardWhatIf *record)
{
	return hash_combine(hash_combine(database, murmurhash32(record->index)),
						(uint32) (record->queryid ^ (record->queryid >> 32)));
}

/*
 * A pair makes room.  The worst that is known of it stays, and of the pair
 * that makes room among those, at least for all pairs of the set together.
 */
static void
lose_pair(WhatIfSet *set, const WhatIfSlot *slot, uint32 now)
{
	LostPair   *lost = &set->lost[set->next_lost++ % LOST_PAIRS];
	double		ratio;

	if (is_recent(&lost->worst, now))
		add_worst(&set->lost_others, lost->worst.ratio, now);
	if (!worst_of(slot, now, &ratio))
		ratio = INFINITY;
	lost->pair = hash_of_pair(slot->database, &slot->record);
	lost->worst.ratio = (float) ratio;
	lost->worst.at = now;
}

/*
 * What was lost of a pair that comes back.
 */
static void
find_lost(WhatIfSet *set, WhatIfSlot *slot, uint32 now)
{
	uint32		pair = hash_of_pair(slot->database, &slot->record);
	Worst	   *formerly = &slot->worst[FORMERLY];

	for (int i = 0; i < LOST_PAIRS; i++)
	{
		if (set->lost[i].pair == pair && is_recent(&set->lost[i].worst, now) &&
			(formerly->at == 0 || set->lost[i].worst.ratio > formerly->ratio))
			*formerly = set->lost[i].worst;
	}
	if (is_recent(&set->lost_others, now) &&
		(formerly->at == 0 || set->lost_others.ratio > formerly->ratio))
		*formerly = set->lost_others;
}

static inline GuardHolder
holder_of(Oid database, const GuardWhatIf *record)
{
	return (GuardHolder)
	{
		database, record->userid, record->queryid, record->at
	};
}

/*
 * Whose place is it?  The pair's own, a free one, that of the least recent pair
 * that answers nothing, or of whoever has most of the set; a record that
 * answers nothing itself does not take the place of one that does.  NULL:
 * nobody's.
 */
static WhatIfSlot *
choose_place(WhatIfSet *set, const GuardWhatIf *record)
{
	GuardHolder holders[SET_SLOTS];
	GuardHolder mine = holder_of(MyDatabaseId, record);
	WhatIfSlot *spare = NULL;

	for (int i = 0; i < SET_SLOTS; i++)
	{
		WhatIfSlot *slot = &set->slots[i];

		if (is_of(slot, record->index) &&
			slot->record.queryid == record->queryid)
			return slot;
		holders[i] = holder_of(slot->database, &slot->record);

		/* A free slot was planned in the year 2000. */
		if ((!OidIsValid(slot->database) || slot->record.own_settings) &&
			(spare == NULL || slot->record.at < spare->record.at))
			spare = slot;
	}
	if (spare == NULL && !record->own_settings)
		return &set->slots[guard_sets_make_room(holders, &mine)];
	return spare;
}

/*
 * Keep a record in place of the older one of its pair; false, and nothing is
 * kept, where somebody else is at it, or where there is no room for what
 * answers nothing.
 */
bool
guard_whatif_table_put(const GuardWhatIf *record)
{
	WhatIfSet  *set = set_of(record->index);
	uint32		now = seconds_of(record->at);
	WhatIfSlot *place;

	if (!guard_flag_try(&set->busy))
		return false;
	place = choose_place(set, record);
	if (place != NULL)
	{
		bool		known = is_of(place, record->index) &&
			place->record.queryid == record->queryid;

		if (!known)
		{
			if (OidIsValid(place->database))
				lose_pair(set, place, now);
			memset(place, 0, sizeof(*place));
		}
		else if (place->record.indexes != record->indexes)
			void_worsts(place);
		if (!known || !record->own_settings || place->record.own_settings ||
			place->record.indexes != record->indexes)
		{
			place->database = MyDatabaseId;
			place->vanished = false;
			place->record = *record;
		}
		if (!known)
			find_lost(set, place, now);
		add_worst(&place->worst[guard_clock_magnitude(record->cost_with)],
				  (float) ratio_of(record), now);
	}
	pg_atomic_clear_flag(&set->busy);
	return place != NULL;
}

/*
 * An index's records, palloc'd.  Whether they still answer depends on its
 * table's usable indexes as well, which the caller asks for where there are
 * records at all.
 */
List *
guard_whatif_table_read(Oid index)
{
	List	   *result = NIL;
	uint32		now = seconds_of(GetCurrentTimestamp());
	WhatIfSet  *set = set_of(index);
	WhatIfSlot	slots[SET_SLOTS];

	/* To the stack first: palloc may fail, and would leave the flag set. */
	if (!guard_flag_wait(&set->busy))
		return result;
	memcpy(slots, set->slots, sizeof(slots));
	pg_atomic_clear_flag(&set->busy);

	for (int i = 0; i < SET_SLOTS; i++)
	{
		GuardWhatIf *record;

		if (!is_of(&slots[i], index) || slots[i].vanished)
			continue;
		record = palloc(sizeof(*record));
		*record = slots[i].record;
		record->answers = worst_of(&slots[i], now, &record->worst_ratio) &&
			!record->own_settings;
		result = lappend(result, record);
	}
	return result;
}

/*
 * Forget an index, also where it took over, or with InvalidOid a whole
 * database.  The pairs are sampled again when they are next planned: their
 * table's indexes are others now.
 */
void
guard_whatif_table_forget(Oid database, Oid index)
{
	for (int i = 0; i < set_count(); i++)
	{
		if (!guard_flag_wait(&sets[i].busy))
			continue;
		for (int j = 0; j < SET_SLOTS; j++)
		{
			WhatIfSlot *slot = &sets[i].slots[j];

			if (slot->database != database ||
				(OidIsValid(index) && slot->record.index != index &&
				 slot->record.takeover != index))
				continue;
			if (database == MyDatabaseId)
				guard_clock_rewind(guard_clock_key(slot->record.queryid,
												   InvalidOid));
			if (OidIsValid(index) && slot->record.index != index)
				slot->vanished = true;
			else
				memset(slot, 0, sizeof(*slot));
		}
		pg_atomic_clear_flag(&sets[i].busy);
	}
}

void
guard_whatif_table_status(GuardWhatIfStatus *status)
{
	status->records_max = set_count() * SET_SLOTS;
	for (int i = 0; i < set_count(); i++)
	{
		for (int j = 0; j < SET_SLOTS; j++)
			status->records_used +=
				OidIsValid(sets[i].slots[j].database) ? 1 : 0;
	}
	guard_clock_status(status);
}
