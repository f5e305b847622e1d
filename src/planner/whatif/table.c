/*-------------------------------------------------------------------------
 *
 * table.c
 *	  The records of what-if in shared memory.
 *
 * A table of planner.h, by index; who has most of a set makes room.  It is beside
 * that of capture's statements rather than in it, because a pair can be known
 * here of an index that is never executed, and the other way round.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"

#include "store/shmem.h"
#include "planner/planner.h"
#include "planner/whatif/sampling.h"

/*
 * The worst of one magnitude of cost; "at" 0: none is known.  Of which
 * magnitudes of rows, as bits, and which of these have not been planned with the
 * indexes that the table has now.
 */
typedef struct Worst
{
	float		ratio;			/* negative: known of other indexes only */
	float		extra;			/* cost; infinite: the table is read instead */
	uint32		at;				/* seconds since 2000 */
	uint32		stale_at;		/* since when they are stale */
	uint16		rows;
	uint16		stale;
} Worst;

StaticAssertDecl(GUARD_MAGNITUDES <= 16, "a bit for each magnitude of rows");

/* One for each magnitude, and one for what an earlier record of the pair knew. */
#define WORSTS		(GUARD_MAGNITUDES + 1)
#define FORMERLY	GUARD_MAGNITUDES

typedef struct WhatIfSlot
{
	GuardSlot	head;			/* last: planned at */
	bool		vanished;		/* what took over is gone: only the worst
								 * ratios are left */
	GuardWhatIf record;
	GuardRelied relied;			/* whatever the parameters */
	Worst		worst[WORSTS];
} WhatIfSlot;

/* The worst that was known of a pair that had to make room. */
typedef struct LostPair
{
	uint32		pair;			/* a hash of it */
	Worst		worst;
} LostPair;

/* Twice as many as there are slots; then all that are lost count as one. */
#define LOST_PAIRS	(2 * GUARD_SET_SLOTS)

/* What a set has beside its slots. */
typedef struct Lost
{
	uint32		next;
	LostPair	pairs[LOST_PAIRS];
	Worst		others;
} Lost;

static bool
same_pair(const void *slot, const void *sought)
{
	const WhatIfSlot *a = slot;
	const WhatIfSlot *b = sought;

	return a->head.queryid == b->head.queryid && a->record.ahead == b->record.ahead;
}

static void restore(const void *slot);

static GuardSlots records =
{
	.size = sizeof(WhatIfSlot),
	.beside = sizeof(Lost),
	.same = same_pair,
	.restore = restore
};

/*
 * What no scan shows is known by these records alone, and outlives a clean restart.
 * What statements scan capture knows, and they are planned anew.
 */
static void
restore(const void *saved)
{
	const WhatIfSlot *slot = saved;

	if (slot->record.role != GUARD_WHATIF_SCAN && !slot->record.ahead)
		(void) guard_slots_choose(&records,
								  guard_slots_set(&records, slot->head.database, slot->head.object),
								  saved);
}

/* Called at start. */
void
guard_whatif_table_init(void)
{
	records.sets = guard_slots_sets(guard_guc_max_statements);
	guard_slots_register(&records);
	guard_clock_init();
}

/* Is shared memory there? */
bool
guard_whatif_table_attached(void)
{
	return records.shared != NULL;
}

static inline double
ratio_of(const GuardWhatIf *record)
{
	return record->cost_with > 0 ? record->cost_without / record->cost_with : 1;
}

/* What it would cost more; a table read from end to end is no matter of cost. */
static inline double
extra_of(const GuardWhatIf *record)
{
	return record->seqscan ? INFINITY :
		Max(record->cost_without - record->cost_with, 0) + record->fetches;
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
is_recent(uint32 at, uint32 now)
{
	return at != 0 && (int64) now - at <= guard_guc_lookback;
}

/*
 * Add a ratio, and what it comes from.  One that does harm as well makes the
 * worst one last.
 */
static void
add_worst(Worst *worst, float ratio, float extra, uint32 at)
{
	bool		known = is_recent(worst->at, at) && worst->ratio >= 0;

	if (!known || ratio >= worst->ratio ||
		ratio > guard_guc_harmless_cost_ratio)
		worst->at = at;
	worst->ratio = known ? Max(worst->ratio, ratio) : ratio;
	worst->extra = known ? Max(worst->extra, extra) : extra;
}

/*
 * The table has other indexes now: what was known of any magnitude says no
 * more than that there are such parameters.
 */
static void
void_worsts(WhatIfSlot *slot, uint32 now)
{
	for (Worst *worst = slot->worst; worst < slot->worst + WORSTS; worst++)
	{
		worst->ratio = -1;
		worst->stale = worst->rows;
		worst->stale_at = now;
	}
	slot->relied.count = 0;
}

/*
 * The worst of the first "count"; false: of some it is not known.
 */
static bool
worst_of(const WhatIfSlot *slot, int count, uint32 now, double *ratio,
		 double *extra)
{
	bool		all = true;

	*ratio = *extra = 0;
	for (int i = 0; i < count; i++)
	{
		if (!is_recent(slot->worst[i].at, now))
			continue;
		if (slot->worst[i].ratio < 0 ||
			(slot->worst[i].stale != 0 &&
			 is_recent(slot->worst[i].stale_at, now)))
			all = false;
		if (slot->worst[i].ratio >= 0)
		{
			*ratio = Max(*ratio, slot->worst[i].ratio);
			*extra = Max(*extra, slot->worst[i].extra);
		}
	}
	return all;
}

/* ----------------------------------------------------------------
 *		Losing
 * ----------------------------------------------------------------
 */

static uint32
hash_of_pair(const GuardSlot *head)
{
	return hash_combine(hash_combine(head->database, murmurhash32(head->object)),
						(uint32) (head->queryid ^ (head->queryid >> 32)));
}

/*
 * A pair makes room.  The worst that is known of it stays, and of the pair
 * that makes room among those, at least for all pairs of the set together.
 */
static void
lose_pair(Lost *all, const WhatIfSlot *slot, uint32 now)
{
	LostPair   *lost = &all->pairs[all->next++ % LOST_PAIRS];
	double		ratio;
	double		extra;

	if (is_recent(lost->worst.at, now))
		add_worst(&all->others, lost->worst.ratio, lost->worst.extra, now);
	if (!worst_of(slot, WORSTS, now, &ratio, &extra))
		ratio = extra = INFINITY;
	lost->pair = hash_of_pair(&slot->head);
	lost->worst.ratio = (float) ratio;
	lost->worst.extra = (float) extra;
	lost->worst.at = now;
}

static void
be_at_least(Worst *worst, const Worst *other, uint32 now)
{
	if (is_recent(other->at, now) &&
		(worst->at == 0 || other->ratio > worst->ratio))
		*worst = *other;
}

/*
 * What was lost of a pair that comes back.
 */
static void
find_lost(const Lost *all, WhatIfSlot *slot, uint32 now)
{
	uint32		pair = hash_of_pair(&slot->head);

	for (int i = 0; i < LOST_PAIRS; i++)
	{
		if (all->pairs[i].pair == pair)
			be_at_least(&slot->worst[FORMERLY], &all->pairs[i].worst, now);
	}
	be_at_least(&slot->worst[FORMERLY], &all->others, now);
}

/*
 * Does it at most speak against a drop, or of what is not there yet?
 */
static inline bool
answers_nothing(const GuardWhatIf *record)
{
	return record->own_settings || record->ahead || record->untried;
}

/*
 * Whose place does a new pair take?  A free one, that of the least recent pair
 * that answers nothing, or of whoever has most of the set; a record that
 * answers nothing itself does not take the place of one that does.  NULL:
 * nobody's.
 */
static WhatIfSlot *
choose_place(GuardSet *set, const WhatIfSlot *fresh)
{
	WhatIfSlot *spare = NULL;

	foreach_slot(WhatIfSlot, slot, set)
	{
		/* A free slot was planned in the year 2000. */
		if ((!OidIsValid(slot->head.database) || answers_nothing(&slot->record)) &&
			(spare == NULL || slot->head.last < spare->head.last))
			spare = slot;
	}
	if (spare == NULL && !answers_nothing(&fresh->record))
		return (WhatIfSlot *) guard_slots_make_room(&records, set, &fresh->head);
	return spare;
}

/*
 * Keep the record of a pair that has none; NULL: there is no room for it.
 */
static WhatIfSlot *
put_new(GuardSet *set, const WhatIfSlot *fresh, uint32 now)
{
	Lost	   *lost = guard_slots_beside(&records, set);
	WhatIfSlot *place = choose_place(set, fresh);

	if (place == NULL)
		return NULL;
	if (OidIsValid(place->head.database) && !place->record.ahead && !place->record.untried)
		lose_pair(lost, place, now);
	guard_slots_put(&records, place, fresh);
	find_lost(lost, place, now);
	return place;
}

/*
 * Keep it in place of the older one of its pair, unless that tells more.
 */
static void
put_again(WhatIfSlot *place, const WhatIfSlot *fresh, uint32 now)
{
	bool		others = place->record.indexes != fresh->record.indexes;

	if (fresh->record.untried && !place->record.untried)
		return;
	if (others)
		void_worsts(place, now);
	if (!others && fresh->record.own_settings && !place->record.own_settings &&
		!place->record.untried)
		return;
	place->head = fresh->head;
	place->vanished = false;
	place->record = fresh->record;
}

/*
 * A plan of this magnitude has been looked at.
 */
static void
note_class(WhatIfSlot *slot, const GuardWhatIf *record, double cost, double scanned,
		   uint32 now)
{
	Worst	   *worst = &slot->worst[guard_clock_magnitude(cost)];
	uint16		rows = 1 << guard_clock_magnitude(scanned);

	if (!is_recent(worst->at, now))
		worst->rows = worst->stale = 0;
	add_worst(worst, (float) ratio_of(record), (float) extra_of(record), now);
	worst->rows |= rows;
	worst->stale &= ~rows;
	for (int i = 0; i < Min(record->relied.count, GUARD_RELIED); i++)
		guard_relied_add(&slot->relied, record->relied.indexes[i]);
	slot->relied.count = Max(slot->relied.count, record->relied.count);
}

/*
 * Has a plan of this magnitude been looked at, with whatever indexes?
 */
static bool
is_known(const WhatIfSlot *slot, double cost, double scanned, uint32 now)
{
	const Worst *worst = &slot->worst[guard_clock_magnitude(cost)];

	return is_recent(worst->at, now) &&
		(worst->rows & 1 << guard_clock_magnitude(scanned)) != 0;
}

/*
 * Without its index the statement would use another one.  If it did so before,
 * when that cost so much and found so many rows, then for such parameters it has
 * moved, and would not miss that one: no plan without it need be made.
 */
static void
note_moved(const GuardWhatIf *record, uint32 now)
{
	GuardSet   *set = guard_slots_set(&records, MyDatabaseId, record->takeover);
	WhatIfSlot	moved = {
		.head = {.database = MyDatabaseId, .object = record->takeover,
		.userid = record->userid, .queryid = record->queryid, .last = record->at},
		.record = *record
	};
	WhatIfSlot *slot;

	moved.record.index = record->takeover;
	moved.record.indexes = record->takeover_indexes;
	moved.record.takeover = record->index;
	moved.record.cost_without = record->cost_with;
	moved.record.rows_without = record->rows_with;
	moved.record.moved = true;
	if (!guard_flag_try(&set->busy))
		return;
	slot = guard_slots_find(&records, set, &moved);
	if (slot != NULL && slot->record.role == GUARD_WHATIF_SCAN &&
		is_known(slot, record->cost_without, record->takeover_rows, now))
	{
		if (slot->record.indexes != moved.record.indexes || slot->record.moved)
			put_again(slot, &moved, now);
		note_class(slot, &moved.record, record->cost_without, record->takeover_rows, now);
	}
	pg_atomic_clear_flag(&set->busy);
}

/*
 * Keep a record in place of the older one of its pair; false, and nothing is
 * kept, where somebody else is at it, or where there is no room for what
 * answers nothing.
 */
bool
guard_whatif_table_put(const GuardWhatIf *record)
{
	GuardSet   *set = guard_slots_set(&records, MyDatabaseId, record->index);
	uint32		now = seconds_of(record->at);
	WhatIfSlot	fresh = {
		.head = {.database = MyDatabaseId, .object = record->index,
		.userid = record->userid, .queryid = record->queryid, .last = record->at},
		.record = *record
	};
	WhatIfSlot *place;

	if (!guard_flag_try(&set->busy))
		return false;
	place = guard_slots_find(&records, set, &fresh);
	if (place == NULL)
		place = put_new(set, &fresh, now);
	else
		put_again(place, &fresh, now);
	if (place != NULL && !record->untried)
		note_class(place, record, record->cost_with, record->scanned, now);
	pg_atomic_clear_flag(&set->busy);
	if (place != NULL && OidIsValid(record->takeover) && !record->seqscan &&
		record->role == GUARD_WHATIF_SCAN && !record->own_settings && !record->ahead)
		note_moved(record, now);
	return place != NULL;
}

/*
 * Was it planned ahead for all parameters of which the pair's own record knows?
 */
static bool
knows_all(const WhatIfSlot *ahead, const WhatIfSlot *own, uint32 now)
{
	if (is_recent(own->worst[FORMERLY].at, now))
		return false;
	for (int i = 0; i < GUARD_MAGNITUDES; i++)
	{
		if (is_recent(own->worst[i].at, now) &&
			(own->worst[i].rows & ~ahead->worst[i].rows) != 0)
			return false;
	}
	return true;
}

/*
 * Is it of no use, or, planned ahead, less than what the pair's own record knows?
 */
static bool
tells_nothing(const WhatIfSlot *slot, const WhatIfSlot *slots, int count, uint32 now)
{
	if (slot->vanished || slot->record.untried)
		return true;
	for (const WhatIfSlot *own = slots; slot->record.ahead && own < slots + count; own++)
	{
		if (own->head.queryid == slot->head.queryid && !own->record.ahead &&
			!knows_all(slot, own, now))
			return true;
	}
	return false;
}

/*
 * An index's records, palloc'd.  Whether they still answer depends on its
 * table's usable indexes as well, which the caller asks for where there are
 * records at all.
 */
List *
guard_whatif_table_read(Oid index)
{
	WhatIfSlot	slots[GUARD_SET_SLOTS];
	int			count = guard_slots_read(&records, index, slots);
	uint32		now = seconds_of(GetCurrentTimestamp());
	List	   *result = NIL;

	for (WhatIfSlot *slot = slots; slot < slots + count; slot++)
	{
		GuardWhatIf *record;

		if (tells_nothing(slot, slots, count, now))
			continue;
		record = palloc(sizeof(*record));
		*record = slot->record;
		record->relied = slot->relied;
		if (is_recent(slot->worst[FORMERLY].at, now))
			record->relied.count = GUARD_RELIED + 1;
		(void) worst_of(slot, FORMERLY, now, &record->found_ratio,
						&record->found_extra);
		record->answers = worst_of(slot, WORSTS, now, &record->worst_ratio,
								   &record->worst_extra);
		result = lappend(result, record);
	}
	return result;
}

/*
 * Is there a statement that may rest on the index, and was not planned without it?
 * Also where that cannot be read.
 */
bool
guard_whatif_table_untried(Oid index)
{
	WhatIfSlot	slots[GUARD_SET_SLOTS];
	int			count = guard_slots_read(&records, index, slots);
	uint32		now = seconds_of(GetCurrentTimestamp());

	for (int i = 0; i < count; i++)
	{
		if (slots[i].record.untried && is_recent(seconds_of(slots[i].record.at), now))
			return true;
	}
	return count < 0;
}

/*
 * The statement was planned without the index, and that makes no difference.
 */
void
guard_whatif_table_tried(Oid index, int64 queryid)
{
	GuardSet   *set = guard_slots_set(&records, MyDatabaseId, index);
	WhatIfSlot	sought = {.head = {.database = MyDatabaseId, .object = index, .queryid = queryid}};
	WhatIfSlot *slot;

	if (!guard_flag_try(&set->busy))
		return;
	slot = guard_slots_find(&records, set, &sought);
	if (slot != NULL && slot->record.untried)
		guard_slots_clear(&records, slot);
	pg_atomic_clear_flag(&set->busy);
}

/*
 * Forget an index, also where it took over, or with InvalidOid a whole
 * database.  The pairs are sampled again when they are next planned: their
 * table's indexes are others now.
 */
void
guard_whatif_table_forget(Oid database, Oid index)
{
	for (int i = 0; i < records.sets; i++)
	{
		GuardSet   *set = guard_slots_nth(&records, i);

		if (!guard_flag_wait(&set->busy))
			continue;
		foreach_slot(WhatIfSlot, slot, set)
		{
			if (slot->head.database != database ||
				(OidIsValid(index) && slot->head.object != index &&
				 slot->record.takeover != index))
				continue;
			if (database == MyDatabaseId && !slot->record.ahead)
				guard_clock_rewind(guard_clock_key(slot->head.queryid,
												   InvalidOid));
			if (OidIsValid(index) && slot->head.object != index)
				slot->vanished = true;
			else
				guard_slots_clear(&records, slot);
		}
		pg_atomic_clear_flag(&set->busy);
	}
}

/* For guard.status. */
void
guard_whatif_table_status(GuardWhatIfStatus *status)
{
	status->records_used = guard_slots_used(&records);
	guard_clock_status(status);
}
