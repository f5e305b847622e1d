/*-------------------------------------------------------------------------
 *
 * replacement.h
 *	  Is there another index that serves in place of one that goes?
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REPLACEMENT_H
#define GUARD_REPLACEMENT_H

#include "evidence/shape/shape.h"

typedef struct GuardReplacement
{
	GuardMatch	match;			/* NONE: nothing serves */
	Oid			index;
	char	   *schema;
	char	   *name;
	bool		usable;			/* false: it exists, but queries may not use
								 * it yet */
	const char *why_not;		/* when not usable: "is not valid", "is hidden
								 * from the planner", "is being dropped in
								 * stages", "is not visible to older
								 * transactions yet" */
	int			blocking_pid;	/* indcheckxmin: a backend whose transaction
								 * is older than the index; 0 when unknown */
	GuardShape *shape;			/* by plan: what it is, should it go as well */
} GuardReplacement;

/*
 * Indexes that go together: none serves in place of another.  Asked for every
 * index of every table concerned, so nothing here may cost as much as they are
 * many.
 */
typedef struct GuardFellows
{
	List	   *indexes;		/* OIDs, sorted */
	Oid			table;			/* the table asked about last */
	List	   *staying;		/* its indexes that are not among them */
} GuardFellows;

/* Makes the list its own.  Lives in the current memory context. */
extern GuardFellows *guard_fellows_make(List *indexes);

/* Is it one of them?  NULL stands for none. */
extern bool guard_fellows_have(const GuardFellows *fellows, Oid index);

/*
 * The best replacement for "gone" among the indexes of "table" (which may be
 * another table than it was on): usable twins first, then usable ones that
 * serve, then those not usable now.  Neither the index itself nor its fellows
 * (NULL: it has none) count.  Waits for no lock, allocates in the current
 * memory context.
 */
extern void guard_replacement_find(const GuardShape *gone, Oid table,
								   GuardFellows *fellows, bool need_unique,
								   GuardReplacement *result);

/*
 * Where nothing serves: the index of the same table that comes nearest, by its
 * quoted name, and what it lacks, as a clause.  NULL where none is alike.
 */
extern char *guard_replacement_near_miss(const GuardShape *gone,
										 GuardFellows *fellows,
										 bool need_unique, char **name);

/*
 * Registered at start by the room that drops in stages: is this index on its
 * way out?  It waits for no lock.
 */
typedef bool (*guard_replacement_leaving) (Oid index);
extern void guard_replacement_set_leaving(guard_replacement_leaving leaving);

/*
 * Could this index, which the planner would choose, serve in place of "gone"?
 * Fills in *result, with match PLAN, and returns true if queries may use it
 * now.
 */
extern bool guard_replacement_by_plan(const GuardShape *gone, Oid index,
									  GuardReplacement *result);

#endif							/* GUARD_REPLACEMENT_H */
