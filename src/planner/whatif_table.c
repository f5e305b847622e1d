/*-------------------------------------------------------------------------
 *
 * whatif_table.c
 *	  The records of what-if in shared memory.
 *
 * Sets of 32 slots, as capture keeps its statements in (capture_sets.c): the
 * hash of (database, index) says which set an index's records are in, a set
 * is searched from end to end under its busy flag, and the least recent goes.
 * They are beside capture's sets rather than in them, because a pair can be
 * known here of an index that is never executed, and the other way round.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/shmem.h"

#include "guc.h"
#include "planner/capture_sets.h"
#include "planner/whatif_table.h"

#define SET_SLOTS	GUARD_CAPTURE_STATEMENTS_PER_INDEX

typedef struct WhatIfSlot
{
	Oid			database;		/* InvalidOid: free */
	GuardWhatIf record;
} WhatIfSlot;

typedef struct WhatIfSet
{
	pg_atomic_flag busy;
	WhatIfSlot	slots[SET_SLOTS];
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

/*
 * The new record of a pair, with the worst that is known of the statement
 * under other parameters, which had plans of another magnitude.  That is
 * sampled again as often as this one is, and forgotten if it is not.
 */
static void
worst_of(const WhatIfSlot *old, const GuardWhatIf *record, GuardWhatIf *result)
{
	int64		kept_for = (int64) guard_guc_whatif_interval * 2 * USECS_PER_SEC;

	*result = *record;
	result->worst_ratio = ratio_of(record);
	result->worst_magnitude = guard_clock_magnitude(record->cost_with);
	result->worst_at = record->at;
	if (is_of(old, record->index) && old->record.queryid == record->queryid &&
		old->record.role == record->role &&
		old->record.worst_ratio > result->worst_ratio &&
		old->record.worst_magnitude != result->worst_magnitude &&
		record->at - old->record.worst_at <= kept_for)
	{
		result->worst_ratio = old->record.worst_ratio;
		result->worst_magnitude = old->record.worst_magnitude;
		result->worst_at = old->record.worst_at;
	}
}

/*
 * Keep a record in place of the older one of its pair; false, and nothing is
 * kept, where somebody else is at it.
 */
bool
guard_whatif_table_put(const GuardWhatIf *record)
{
	WhatIfSet  *set = set_of(record->index);
	WhatIfSlot *place = &set->slots[0];
	GuardWhatIf worst;

	if (!guard_flag_try(&set->busy))
		return false;
	for (int i = 0; i < SET_SLOTS; i++)
	{
		WhatIfSlot *slot = &set->slots[i];

		if (is_of(slot, record->index) &&
			slot->record.queryid == record->queryid)
		{
			place = slot;
			break;
		}
		/* A free slot was planned in the year 2000. */
		if (slot->record.at < place->record.at)
			place = slot;
	}
	worst_of(place, record, &worst);
	place->database = MyDatabaseId;
	place->record = worst;
	pg_atomic_clear_flag(&set->busy);
	return true;
}

/*
 * Append an index's records, palloc'd, to a list.
 */
List *
guard_whatif_table_read(Oid index, List *result)
{
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

		if (!is_of(&slots[i], index))
			continue;
		record = palloc(sizeof(*record));
		*record = slots[i].record;
		result = lappend(result, record);
	}
	return result;
}

/*
 * Forget an index, also where it took over, or with InvalidOid a whole
 * database.  The pairs are sampled again when they are next planned.
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
			{
				for (int k = 0; k < GUARD_MAGNITUDES; k++)
					guard_clock_rewind(guard_clock_pair(slot->record.queryid,
														slot->record.index, k));
				guard_clock_rewind(guard_clock_key(slot->record.queryid,
												   InvalidOid));
			}
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
