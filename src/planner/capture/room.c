/*-------------------------------------------------------------------------
 *
 * room.c
 *	  Which record of a relation makes room for another.
 *
 * A database whose share is full gets room for a new record in this order:
 *
 *	1	One that is idle, not used for guard.quiet_period, and that history has
 *		written down.  Nothing is lost: history goes on speaking for it, and it
 *		gets a record again when it is used again.
 *	2	Where the database has less than it is guaranteed, the least recently
 *		used one of a database that has more, or one of a database from which
 *		guard has gone.
 *	3	Where the owner of the new relation has less than an owner is guaranteed
 *		within his database, the least recently used one of the owner who has
 *		most.  An owner is guaranteed what a database is: half of an equal part.
 *
 * In 2 and 3 the relation that made room is unknown from then on, until it is
 * used again or the look-back has passed: one role's tables, or one database's,
 * blind themselves and not the others.
 *
 * It is chosen from a sample, for there may be millions.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "planner/capture/tables.h"

/* Owners that are told apart in a sample; the others pass for guaranteed. */
#define OWNERS	32

typedef struct OwnerCount
{
	Oid			owner;
	int			records;
} OwnerCount;

static inline GuardRelationRecord *
older(GuardRelationRecord *a, GuardRelationRecord *b)
{
	return a == NULL || b->last < a->last ? b : a;
}

static bool
is_costless(const GuardRelationRecord *record, TimestampTz idle_since)
{
	return record->last < idle_since && record->saved == record->count;
}

/*
 * The owner who has most of a database's records, if a new one of "owner" may
 * take one of his; otherwise InvalidOid.
 */
static Oid
richest_owner(GuardRelationRecord *const *sample, int n, int share, Oid owner)
{
	OwnerCount	owners[OWNERS];
	OwnerCount *richest = &owners[0];
	int			nowners = 1;
	int			records = 0;

	/* The first place is his. */
	owners[0].owner = owner;
	owners[0].records = 0;
	for (int i = 0; i < n; i++)
	{
		int			at = 0;

		if (sample[i]->share != share)
			continue;
		records++;
		while (at < nowners && owners[at].owner != sample[i]->owner)
			at++;
		if (at == OWNERS)
			continue;
		if (at == nowners)
		{
			owners[nowners].owner = sample[i]->owner;
			owners[nowners++].records = 0;
		}
		if (++owners[at].records > richest->records)
			richest = &owners[at];
	}
	return owners[0].records * 2 * nowners < records ? richest->owner : InvalidOid;
}

/* Which of a sample, if any, may be removed for a new record? */
GuardRelationRecord *
guard_room_choose(GuardRelationRecord *const *sample, int n, int share,
				  Oid owner, bool *costless)
{
	TimestampTz idle_since = GetCurrentTimestamp() -
		(int64) guard_guc_quiet_period * USECS_PER_SEC;
	bool		below = guard_shares_records(share) < guard_shares_guaranteed(share);
	Oid			richest = richest_owner(sample, n, share, owner);
	GuardRelationRecord *idle = NULL;
	GuardRelationRecord *elsewhere = NULL;
	GuardRelationRecord *here = NULL;

	for (int i = 0; i < n; i++)
	{
		GuardRelationRecord *record = sample[i];
		bool		is_here = record->share == share;
		int			its = guard_shares_guaranteed(record->share);

		if (!is_here && its > 0 &&
			!(below && guard_shares_records(record->share) > its))
			continue;
		if (is_costless(record, idle_since))
			idle = older(idle, record);
		else if (!is_here)
			elsewhere = older(elsewhere, record);
		else if (OidIsValid(richest) && record->owner == richest)
			here = older(here, record);
	}
	*costless = idle != NULL;
	return idle ? idle : elsewhere ? elsewhere : here;
}
