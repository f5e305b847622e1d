/*-------------------------------------------------------------------------
 *
 * bearers.h
 *	  What bears now the names under which traffic reached a table.
 *
 * Vocabulary:
 *
 *	name		by which traffic addressed the table before this transaction:
 *				its own, and those of what it was a partition or child of
 *	bearer		the relation to which such a name leads now
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_BEARERS_H
#define GUARD_BEARERS_H

#include "evidence/shape/shape.h"

typedef struct GuardBearers
{
	char	   *name;			/* the table's, before, qualified and quoted */
	List	   *answers;		/* of GuardAnswer *: each of them must serve */
	List	   *by_views;		/* the same for views that lead elsewhere now,
								 * without a table where that cannot be told */
	bool		changed;		/* not what it was before this transaction */
	bool		not_borne;		/* nothing bears the table's name any more */
	bool		left;			/* it was a partition or child, and is none
								 * any more, and nothing has its rows */
	char	   *unknown;		/* a view of which nothing can be told bears a
								 * name; NULL: none does */
} GuardBearers;

/*
 * Look through a view, and whatever view that shows, as they are now or were before
 * this transaction.  False: that cannot be done.
 */
extern bool guard_bearers_look_through(GuardAnswer *answer, Oid view, bool now);

/* In the current memory context. */
extern GuardBearers *guard_bearers_find(Oid table);

/*
 * Does a view lead to a table, or what that is a partition of?  Of one that is gone
 * it is known that none does where there is none: it may have been made anew.
 */
extern bool guard_bearers_leads(Oid view, Oid table);

/* Did a view lead there before this transaction?  InvalidOid: none does. */
extern bool guard_bearers_led(Oid view, Oid table);

/* The views that lead to a table, now or before this transaction: OIDs. */
extern List *guard_bearers_views(Oid table, bool before);

/*
 * Views of the time before this transaction that it has touched since this was
 * asked last: OIDs.
 */
extern List *guard_bearers_views_touched(void);

/* A table to which a view has led. */
typedef struct GuardLostView
{
	Oid			table;
	char	   *schema;			/* of the view */
	char	   *name;
} GuardLostView;

/*
 * Tables to which these views led before this transaction, and what has the views'
 * names does not any more: a list of GuardLostView *.
 */
extern List *guard_bearers_lost_views(List *views);

/* Was it gone before this transaction? */
extern bool guard_bearers_gone(Oid view);

/*
 * A table that answers for itself, under the names that its columns had before
 * this transaction.
 */
extern GuardAnswer *guard_bearers_itself(Oid table);

/*
 * Tables whose names, columns or parents this transaction has changed: what was
 * reached under them may not be any more.  OIDs.
 */
extern List *guard_bearers_concerned(void);

/*
 * The relation bears a name that nothing bore before this transaction, or has a
 * place among partitions that was free: it answers for those tables that had lost
 * it; and for itself where the name of a column was free.  GuardAnswers.
 */
extern List *guard_bearers_of_taken(Oid relation);

/* ---- places.c ---- */

/*
 * The place of the last of a lineage, which leads downwards, below the first, as it
 * is now or was before this transaction; and that as texts, and from them.
 */
extern List *guard_places_read(List *lineage, bool now);
extern List *guard_places_write(List *place);
extern List *guard_places_from(List *texts);

/*
 * Is it told by its bounds alone whose place it is?  Not below a table that is not
 * partitioned, and not that of the default partition.
 */
extern bool guard_places_are_told(List *place);

/*
 * May rows of the other place be in that of the last of a lineage?
 */
extern bool guard_places_meet(List *lineage, List *place, List *other);

/*
 * Is a partition or child still where it was before this transaction, with all of
 * its rows, as far as can be told?
 */
extern bool guard_places_kept(Oid parent, Oid child);

/*
 * What has, in a table or below it, the rows that were in the place of the last of
 * a lineage before this transaction: OIDs; the table itself where it is not
 * partitioned like the first.
 */
extern List *guard_places_taken(Oid table, List *lineage);

#endif							/* GUARD_BEARERS_H */
