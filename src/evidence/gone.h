/*-------------------------------------------------------------------------
 *
 * gone.h
 *	  What is remembered of the use of an index that is gone.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_GONE_H
#define GUARD_GONE_H

#include "evidence/evidence.h"
#include "planner/capture/departed.h"

/*
 * The use of one index, of all sources together: what is dated, and what is
 * not.  Capture and counters saw the same scans, so counts are not added up.
 */
typedef struct GuardPastUse
{
	GuardFact	dated;			/* count 0: none */
	GuardFact	undated;
	GuardFact	checks;			/* foreign keys', which may be gone; not
								 * dated's */
	GuardFact	counted;		/* of these, what the server's counters say */
	List	   *needed;			/* of GuardFact *: in other ways than read */
	List	   *profiled;		/* of GuardFact *: on other servers */
	bool		unread;			/* something of it could not be read */
	TimestampTz created_at;		/* of the index; 0: not seen */
	TimestampTz origin;			/* the same, but not before guard was here */
	bool		idle;			/* watched since then, and nobody used it */
} GuardPastUse;

/*
 * The name under which use counts that a table has lost: that of a view, or its
 * own (NULL: any).
 */
typedef struct GuardUnder
{
	Oid			view;
	const char *name;
} GuardUnder;

/*
 * Read it, in the current memory context: of an index that is there, or, with
 * "departed", of one that is gone.  "shape" is its own; of the use of one that
 * is there only what came under a name that its table has lost since, if "under"
 * is not NULL; with "passes_on" as it was before this transaction, in which the
 * name that its table had is passed on once more.  Returns whether its heir has to
 * know: false where it was idle.
 */
extern bool guard_gone_read(GuardShape *shape, const GuardDeparted *departed,
							const GuardServer *server, const GuardUnder *under,
							bool passes_on, GuardPastUse *use);

/* What separates the shapes of several indexes that take over by their plans. */
#define GUARD_GONE_NEXT	"\036"

/* A row of guard.departed. */
typedef struct GuardGoneRow
{
	GuardDeparted departed;
	GuardPastUse use;
	bool		committed;		/* by another transaction than this one */
} GuardGoneRow;

/*
 * The rows of one table, by its OID or its name, as a list of GuardGoneRow *.
 * It is an error when they cannot be read.
 */
extern List *guard_gone_rows(Oid table, const char *schema, const char *name);

/*
 * Indexes of that table, or of whatever bore that name, that went unnoted or
 * before a crash that took the note, as far as guard.object knows them, as a
 * list of GuardDeparted *.
 */
extern List *guard_gone_unnoted(Oid table, const char *schema, const char *name);

/*
 * The name by which traffic called this table when it was used last (0: not
 * known when), where the table has lost it to another one since; false: none, or
 * not known.
 */
extern bool guard_moved_former_name(Oid table, TimestampTz used, Name schema,
									Name name);

/* A name that a table bore until then. */
typedef struct GuardFormerName
{
	TimestampTz until;
	char	   *schema;
	char	   *name;
} GuardFormerName;

/* The names that a table has lost: a list of GuardFormerName *. */
extern List *guard_moved_former_names(Oid table);

/* Call the columns of a shape by the names that they had when it was used. */
extern void guard_moved_call(GuardShape *shape, TimestampTz used);

/* Have columns of the table passed on their names? */
extern bool guard_moved_any_columns(Oid table);

/* The names that the columns of a table had before a transaction that is over. */
typedef struct GuardFormerColumns
{
	TimestampTz until;
	char	  **names;			/* number n at n - 1; NULL: there was none */
	int			nnames;
}			GuardFormerColumns;

/* All that are known, a list of GuardFormerColumns *. */
extern List *guard_moved_former_columns(Oid table);

/*
 * What was asked of an index until then by names that other columns of its table
 * bear now: a list of GuardShape *, without that of the index itself.  "before":
 * not as this transaction has moved them.
 */
extern List *guard_moved_shapes(const GuardShape *shape, TimestampTz used,
								bool before);

/*
 * Tables that have lost this name, or to which the view of this name led, as lists
 * of OIDs: from when on is known, or, in *unseen, is not.
 */
extern List *guard_moved_from(const char *schema, const char *name, bool view,
							  List **unseen);

/*
 * Tables, or what was below them, that have left the places below what has this
 * name in which the last of a lineage is now, or, with "before", was before this
 * transaction.  OIDs, also of tables that are gone.
 */
extern List *guard_moved_left(const char *schema, const char *name, List *lineage,
							  bool before);

/*
 * The same of all places that were left before this table took the name, with
 * "before" not in this transaction.
 */
extern List *guard_moved_left_before(const char *schema, const char *name, Oid table,
									 bool before);

#endif							/* GUARD_GONE_H */
