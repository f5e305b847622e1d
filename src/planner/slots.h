/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  Shared tables that may lose: sets of 32 slots.
 *
 * A table is an array of sets; the hash of (database, object) says which set
 * an object's slots are in, usually alone or with a few others.  A set is
 * searched from end to end, under its busy flag, so there is no order to keep,
 * nothing to rehash, and no place where a slot could hide.  What a table keeps
 * in its slots, and which of them makes room, is its own affair.
 *
 * All tables are in one segment, sized when the server starts and never after.
 * What is to outlive a clean restart is in the file of file.h.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SLOTS_H
#define GUARD_SLOTS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "port/atomics.h"

#define GUARD_SET_SLOTS	32

/* What every slot begins with. */
typedef struct GuardSlot
{
	Oid			database;		/* InvalidOid: free, and all zeros */
	Oid			object;
	Oid			userid;			/* on whose account it goes ... */
	int64		queryid;		/* ... and by which statement; 0: none */
	TimestampTz last;			/* the least recent one makes room */
} GuardSlot;

typedef struct GuardSet
{
	pg_atomic_flag busy;
} GuardSet;

typedef struct GuardSlots
{
	Size		size;			/* of a slot */
	Size		beside;			/* of what a set has beside its slots */
	int			sets;			/* how many there are */

	/* Of slots of the same object: are they about the same? */
	bool		(*same) (const void *slot, const void *sought);

	/* Put a slot that was saved back; NULL: the table is not saved. */
	void		(*restore) (const void *slot);

	/* Filled in when shared memory is there. */
	struct GuardSlotsShared *shared;
} GuardSlots;

/*
 * Called at start: the table is to be part of the segment; and when all are
 * known, ask for that.  Until it is there, and where guard is not preloaded,
 * "shared" is NULL.
 */
extern void guard_slots_register(GuardSlots *slots);
extern void guard_slots_init(void);

/* How many slots hold slots for so many things, rounded up to sets. */
static inline int
guard_slots_sets(int things)
{
	return (things + GUARD_SET_SLOTS - 1) / GUARD_SET_SLOTS;
}

/* ---- without the flag of a set ---- */

/* The set of an object, and each of them by number. */
extern GuardSet *guard_slots_set(const GuardSlots *slots, Oid database,
								 Oid object);
extern GuardSet *guard_slots_nth(const GuardSlots *slots, int number);

/*
 * Copy the slots of a set to a place for as many, all of them or those of an
 * object of this database, first ones first: how many these are, or -1 where
 * somebody is at the set.
 */
extern bool guard_slots_copy(const GuardSlots *slots, GuardSet *set,
							 void *copy);
extern int	guard_slots_read(const GuardSlots *slots, Oid object, void *copy);

/*
 * Forget an object, or with InvalidOid a whole database.  False: somebody is at
 * its set, and nothing is forgotten.
 */
extern bool guard_slots_forget(GuardSlots *slots, Oid database, Oid object,
							   bool wait);

/* How many slots are taken, of how many; how many had to make room. */
extern int	guard_slots_used(const GuardSlots *slots);
extern int	guard_slots_max(const GuardSlots *slots);
extern int64 guard_slots_evicted(const GuardSlots *slots);

/* ---- for who holds the flag: never waits, never raises ---- */

/* A walk through the slots of a set. */
#define foreach_slot(type, slot, set) \
	for (type *slot = (type *) guard_slots_first(set), *slot##__end = slot + GUARD_SET_SLOTS; \
		 slot < slot##__end; slot++)

static inline void *
guard_slots_first(GuardSet *set)
{
	return (char *) set + MAXALIGN(sizeof(GuardSet));
}

/* What the set has beside its slots. */
static inline void *
guard_slots_beside(const GuardSlots *slots, GuardSet *set)
{
	return (char *) guard_slots_first(set) + GUARD_SET_SLOTS * slots->size;
}

/*
 * The slot that is about the same as "sought"; NULL: none is.  And the least
 * recent one, which is a free one if there is any.
 */
extern void *guard_slots_find(const GuardSlots *slots, GuardSet *set,
							  const void *sought);
extern GuardSlot *guard_slots_least(const GuardSlots *slots, GuardSet *set);

/*
 * Who gives up his place in a full set: whoever has most of it, with the one
 * that asks for it counted in, his least recent one.  So a statement that
 * visits a thousand partitions, or else a role that runs a thousand statements,
 * pushes out itself.
 */
extern GuardSlot *guard_slots_make_room(const GuardSlots *slots, GuardSet *set,
										const GuardSlot *mine);

/* Put this into a slot, in place of what is there; and empty one. */
extern void guard_slots_put(GuardSlots *slots, void *slot, const void *content);
extern void guard_slots_clear(GuardSlots *slots, void *slot);

#endif							/* GUARD_SLOTS_H */
