/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Shared tables that may lose: sets of 32 slots.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "planner/planner.h"
#include "store/shmem.h"

#define MAX_TABLES	8

/* What a table has in shared memory, before its sets. */
typedef struct GuardSlotsShared
{
	pg_atomic_uint32 used;
	pg_atomic_uint64 evicted;
} GuardSlotsShared;

static GuardSlots *tables[MAX_TABLES];
static int	ntables = 0;

/* ----------------------------------------------------------------
 *		The segment
 * ----------------------------------------------------------------
 */

static Size
set_size(const GuardSlots *slots)
{
	return MAXALIGN(sizeof(GuardSet)) +
		MAXALIGN(GUARD_SET_SLOTS * slots->size + slots->beside);
}

static Size
table_size(const GuardSlots *slots)
{
	return add_size(MAXALIGN(sizeof(GuardSlotsShared)),
					mul_size(slots->sets, set_size(slots)));
}

/* A set by its number. */
GuardSet *
guard_slots_nth(const GuardSlots *slots, int number)
{
	return (GuardSet *) ((char *) slots->shared +
						 MAXALIGN(sizeof(GuardSlotsShared)) +
						 number * set_size(slots));
}

/* Each table begins where the one before it ends. */
static void
attach(void *segment, bool fresh, LWLock *lock)
{
	char	   *at = segment;

	for (int i = 0; i < ntables; at += table_size(tables[i++]))
	{
		tables[i]->shared = (GuardSlotsShared *) at;
		if (!fresh)
			continue;
		pg_atomic_init_u32(&tables[i]->shared->used, 0);
		pg_atomic_init_u64(&tables[i]->shared->evicted, 0);
		for (int j = 0; j < tables[i]->sets; j++)
			pg_atomic_init_flag(&guard_slots_nth(tables[i], j)->busy);
	}
}

/* A table is to be part of the segment. */
void
guard_slots_register(GuardSlots *slots)
{
	Assert(ntables < MAX_TABLES);
	tables[ntables++] = slots;
}

/* The set in which an object's slots are. */
GuardSet *
guard_slots_set(const GuardSlots *slots, Oid database, Oid object)
{
	uint32		hash = hash_combine(murmurhash32(database),
									murmurhash32(object));

	return guard_slots_nth(slots, hash % slots->sets);
}

static inline GuardSlot *
slot_at(const GuardSlots *slots, void *first, int number)
{
	return (GuardSlot *) ((char *) first + number * slots->size);
}

/* ----------------------------------------------------------------
 *		In a set
 * ----------------------------------------------------------------
 */

/* The slot that is about the same as "sought"; NULL: none is. */
void *
guard_slots_find(const GuardSlots *slots, GuardSet *set, const void *sought)
{
	const GuardSlot *head = sought;

	for (int i = 0; i < GUARD_SET_SLOTS; i++)
	{
		GuardSlot  *slot = slot_at(slots, guard_slots_first(set), i);

		if (slot->object == head->object && slot->database == head->database &&
			slots->same(slot, sought))
			return slot;
	}
	return NULL;
}

/* The least recent slot: a free one was last used in the year 2000. */
GuardSlot *
guard_slots_least(const GuardSlots *slots, GuardSet *set)
{
	GuardSlot  *least = guard_slots_first(set);

	for (int i = 1; i < GUARD_SET_SLOTS; i++)
	{
		GuardSlot  *slot = slot_at(slots, guard_slots_first(set), i);

		if (slot->last < least->last)
			least = slot;
	}
	return least;
}

/*
 * Are both of the same statement, or else of the same role?
 */
static inline bool
go_together(const GuardSlot *a, const GuardSlot *b, bool by_statement)
{
	return a->database == b->database &&
		(by_statement ? a->queryid == b->queryid : a->userid == b->userid);
}

/*
 * How much of the set goes to a statement, or else to its role, "more" slots
 * added.  A statement weighs by itself when it is there for several objects,
 * and then more than any role.
 */
static int
weigh(const GuardSlots *slots, GuardSet *set, const GuardSlot *one, int more,
	  bool *by_statement)
{
	int			statement = more;
	int			role = more;

	for (int i = 0; i < GUARD_SET_SLOTS; i++)
	{
		const GuardSlot *slot = slot_at(slots, guard_slots_first(set), i);

		statement += go_together(slot, one, true) ? 1 : 0;
		role += go_together(slot, one, false) ? 1 : 0;
	}
	*by_statement = statement > 1;
	return *by_statement ? GUARD_SET_SLOTS + statement : role;
}

/* Who gives up his place in a full set? */
GuardSlot *
guard_slots_make_room(const GuardSlots *slots, GuardSet *set,
					  const GuardSlot *mine)
{
	bool		by_statement;
	int			most = weigh(slots, set, mine, 1, &by_statement);
	bool		own = true;
	GuardSlot  *victim = NULL;

	for (int i = 0; i < GUARD_SET_SLOTS; i++)
	{
		GuardSlot  *slot = slot_at(slots, guard_slots_first(set), i);
		bool		ignored;
		int			its = weigh(slots, set, slot, 0, &ignored);

		if (its > most || (own && its == most))
		{
			own = false;
			most = its;
			victim = slot;
		}
		else if (own ? go_together(slot, mine, by_statement) : its == most)
		{
			if (victim == NULL || slot->last < victim->last)
				victim = slot;
		}
	}
	return victim ? victim : guard_slots_first(set);
}

/* Put this into a slot, in place of what is there. */
void
guard_slots_put(GuardSlots *slots, void *slot, const void *content)
{
	if (OidIsValid(((GuardSlot *) slot)->database))
		pg_atomic_fetch_add_u64(&slots->shared->evicted, 1);
	else
		pg_atomic_fetch_add_u32(&slots->shared->used, 1);
	memcpy(slot, content, slots->size);
}

/*
 * The slot for this: its own, or else put it into a free one, or into one that
 * makes room.
 */
void *
guard_slots_choose(GuardSlots *slots, GuardSet *set, const void *sought)
{
	GuardSlot  *slot = guard_slots_find(slots, set, sought);

	if (slot != NULL)
		return slot;
	slot = guard_slots_least(slots, set);
	if (OidIsValid(slot->database))
		slot = guard_slots_make_room(slots, set, sought);
	guard_slots_put(slots, slot, sought);
	return slot;
}

/* Empty a slot that is taken. */
void
guard_slots_clear(GuardSlots *slots, void *slot)
{
	memset(slot, 0, slots->size);
	pg_atomic_fetch_sub_u32(&slots->shared->used, 1);
}

/* ----------------------------------------------------------------
 *		Reading and forgetting
 * ----------------------------------------------------------------
 */

/* Copy all slots of a set; false: somebody is at it. */
bool
guard_slots_copy(const GuardSlots *slots, GuardSet *set, void *copy)
{
	if (!guard_flag_wait(&set->busy))
		return false;
	memcpy(copy, guard_slots_first(set), GUARD_SET_SLOTS * slots->size);
	pg_atomic_clear_flag(&set->busy);
	return true;
}

/* Copy the slots of an object of this database; -1: somebody is at its set. */
int
guard_slots_read(const GuardSlots *slots, Oid object, void *copy)
{
	int			count = 0;

	if (!guard_slots_copy(slots, guard_slots_set(slots, MyDatabaseId, object),
						  copy))
		return -1;
	for (int i = 0; i < GUARD_SET_SLOTS; i++)
	{
		GuardSlot  *slot = slot_at(slots, copy, i);

		if (slot->database == MyDatabaseId && slot->object == object)
			memmove(slot_at(slots, copy, count++), slot, slots->size);
	}
	return count;
}

static bool
forget_in_set(GuardSlots *slots, GuardSet *set, Oid database, Oid object,
			  bool wait)
{
	if (!(wait ? guard_flag_wait(&set->busy) : guard_flag_try(&set->busy)))
		return false;
	for (int i = 0; i < GUARD_SET_SLOTS; i++)
	{
		GuardSlot  *slot = slot_at(slots, guard_slots_first(set), i);

		if (slot->database == database &&
			(!OidIsValid(object) || slot->object == object))
			guard_slots_clear(slots, slot);
	}
	pg_atomic_clear_flag(&set->busy);
	return true;
}

/* Forget an object, or with InvalidOid a whole database. */
bool
guard_slots_forget(GuardSlots *slots, Oid database, Oid object, bool wait)
{
	bool		all = true;

	if (OidIsValid(object))
		return forget_in_set(slots, guard_slots_set(slots, database, object),
							 database, object, wait);
	for (int i = 0; i < slots->sets; i++)
		all &= forget_in_set(slots, guard_slots_nth(slots, i), database,
							 InvalidOid, wait);
	return all;
}

/* How many slots are taken, of how many; how many had to make room. */
int
guard_slots_used(const GuardSlots *slots)
{
	return (int) pg_atomic_read_u32(&slots->shared->used);
}

int
guard_slots_max(const GuardSlots *slots)
{
	return slots->sets * GUARD_SET_SLOTS;
}

int64
guard_slots_evicted(const GuardSlots *slots)
{
	return (int64) pg_atomic_read_u64(&slots->shared->evicted);
}

/* ----------------------------------------------------------------
 *		Saving and restoring
 * ----------------------------------------------------------------
 */

/* Each table ends with a free slot. */
static void
save(GuardFile *file)
{
	for (int i = 0; i < ntables; i++)
	{
		GuardSlots *slots = tables[i];
		void	   *end = palloc0(slots->size);

		for (int j = 0; slots->restore && j < guard_slots_max(slots); j++)
		{
			GuardSet   *set = guard_slots_nth(slots, j / GUARD_SET_SLOTS);
			GuardSlot  *slot = slot_at(slots, guard_slots_first(set),
									   j % GUARD_SET_SLOTS);

			if (OidIsValid(slot->database))
				guard_file_put(file, slot, slots->size);
		}
		if (slots->restore)
			guard_file_put(file, end, slots->size);
	}
}

static void
restore(GuardFile *file)
{
	for (int i = 0; i < ntables; i++)
	{
		GuardSlot  *slot = palloc(tables[i]->size);

		while (tables[i]->restore &&
			   guard_file_get(file, slot, tables[i]->size) &&
			   OidIsValid(slot->database))
			tables[i]->restore(slot);
	}
}

/* All tables are known: ask for shared memory, and for a place in the file. */
void
guard_slots_init(void)
{
	static GuardShmem segment =
	{
		.name = "guard sets", .attach = attach
	};
	Size		saved = 0;

	for (int i = 0; i < ntables; i++)
	{
		segment.size = add_size(segment.size, table_size(tables[i]));
		saved += tables[i]->restore ? tables[i]->size : 0;
	}
	guard_shmem_register(&segment);
	guard_file_register(saved, save, restore);
}
