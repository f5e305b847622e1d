/*-------------------------------------------------------------------------
 *
 * softdrop.h
 *	  A DROP INDEX carried out in stages that can be undone.
 *
 * An index takes hours to rebuild and milliseconds to unhide, and an outage
 * lasts as long as the way back.  So a drop with the verdict "delay" succeeds
 * at once, and the index lives on under another name:
 *
 *	waiting		still used by the planner, until nobody needs it any more
 *	hidden		the planner does not see it; a visitor compares the statements
 *				that used it with how they were before
 *	dropped		gone, its definition kept
 *	restored	given back, by the watch or by a person
 *
 * Vocabulary:
 *
 *	open		waiting or hidden
 *	parts		the index itself and, of a partitioned one, every index below
 *	old name	what the index was called, free for others since the drop
 *	holding name	guard_drop_<oid>, what it is called while it is open
 *
 * What is known of a soft drop is a row of guard.soft_drop, written in the
 * transaction of the drop itself: a rollback takes back the row and the
 * renaming together.  Rows that came by restore or replication from another
 * server bear that server's identity and are ignored
 * (doc/internals/postgresql.md 3.11).
 *
 * Every transition but a person's restore is made by a visitor.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SOFTDROP_H
#define GUARD_SOFTDROP_H

#include "policy/check.h"

typedef enum GuardSoftDropState
{
	GUARD_SOFTDROP_WAITING,
	GUARD_SOFTDROP_HIDDEN,
	GUARD_SOFTDROP_DROPPED,
	GUARD_SOFTDROP_RESTORED
} GuardSoftDropState;

typedef enum GuardSoftDropStep
{
	GUARD_STEP_STAY,
	GUARD_STEP_HIDE,
	GUARD_STEP_RESTORE,			/* sight back, and then the name */
	GUARD_STEP_NAME,			/* the name back, if nobody else has it */
	GUARD_STEP_NOTE_GONE,		/* it went without our help */
	GUARD_STEP_DROP,			/* for good; a long step */
	GUARD_STEP_CREATE			/* it is gone and is wanted; a long step */
} GuardSoftDropStep;

/* One index of a soft drop. */
typedef struct GuardSoftDropPart
{
	Oid			index;			/* where it is now; InvalidOid when it is gone */
	Oid			table;
	Oid			parent;			/* what the index above it was; InvalidOid: it
								 * is the first */
	Oid			was;			/* its OID when it was dropped */
	Oid			defined_by;		/* "was" of the part whose definition it has */
	bool		partitioned;
	char	   *old_name;
	char	   *holding_name;
	char	   *comment;		/* that it had; NULL for none */
	char	   *definition;		/* the statement that creates it */
	char	   *tablespace;		/* NULL: the database's */
	char	   *statistics;		/* "1=500,3=0": columns with a statistics
								 * target of their own; NULL for none */
	bool		clustered;
} GuardSoftDropPart;

/* A row of guard.soft_drop. */
typedef struct GuardSoftDrop
{
	int64		id;
	GuardSoftDropState state;
	Oid			index;			/* as in the row; may be gone */
	Oid			table;
	char	   *schema;			/* where the index was when it was dropped */
	char	   *name;			/* its old name */
	bool		partitioned;
	List	   *parts;			/* of GuardSoftDropPart *, the index itself
								 * first */
	TimestampTz dropped_at;
	Oid			login_role;		/* who asked for it, and what that role was
								 * called; InvalidOid: not known */
	char	   *dropped_by;

	/* ---- what guard_softdrop_save() writes; 0 and NULL: there is none ---- */
	TimestampTz state_since;
	char	   *state_reason;
	char	   *next_step;
	TimestampTz next_at;
	TimestampTz due_at;			/* when to look at it again */
	TimestampTz hidden_at;
	int64		watched;		/* microseconds hidden and watched */
	int64		trial;			/* microseconds needed */
	TimestampTz last_visit;		/* since it was hidden */
	GuardSoftDropStep long_step;	/* that waits for a builder; STAY: none */
	int			attempts;		/* at a long step, that were begun and did not
								 * succeed */
	TimestampTz last_attempt;	/* kept when a new state begins: owners take
								 * turns */
	char	   *last_error;
	TimestampTz drop_started_at;	/* a visitor began to drop it for good */
	bool		restore_wanted; /* a person wants it back, a visitor must do
								 * it */
	bool		name_wanted;	/* it is back, but not all of its names are */
	TimestampTz approved_at;	/* hidden by an approval, used up then */
	bool		compared;		/* the statements that used it are known from
								 * before it was hidden */
	TimestampTz needed_since;	/* hidden, and found to be needed since then */
	char	   *untold;			/* "record", "alert": it is back, and nobody
								 * has been told */
} GuardSoftDrop;

/* ---- begin.c: at the door ---- */

/* Somebody should come and look at what this transaction has written. */
extern void guard_softdrop_want_at_commit(void);

/*
 * Set no_delay of each of these targets: NULL where it can be carried out in
 * stages, all of them together.  An owner has so many open ones at most.
 */
extern void guard_softdrop_offer(List *targets);

/*
 * The index of this judgement becomes a soft drop, in the current transaction:
 * renamed, commented, written down, and a WARNING says so.  When it is one
 * already, only the WARNING says so.  Returns false, having done nothing, when
 * the index has vanished or changed its name meanwhile.
 *
 * Takes a ShareUpdateExclusiveLock on the index, never one on its table.
 */
extern bool guard_softdrop_begin(const GuardJudgement *judgement,
								 const char *statement);

/* ---- rows.c: what is written down ---- */

/* Is this index, or the partitioned one above it, an open soft drop? */
extern bool guard_softdrop_is_open(Oid index);

/*
 * All open soft drops of this database; those at which a visitor is to look
 * now, as int64 *, hidden ones first and every login role's in turn; and those
 * of which something is still to be told.  In the current context.
 *
 * Of those that are due, *hidden says how many come first, and *next when the
 * next of the others will be, 0 for never.
 */
extern List *guard_softdrop_list_open(void);
extern List *guard_softdrop_list_due(TimestampTz now, int *hidden, TimestampTz *next);
extern List *guard_softdrop_list_untold(void);

/*
 * Does any wait for its long step, and which is next; 0: none.  What somebody
 * has locked does not count.
 */
extern bool guard_softdrop_long_waits(void);
extern int64 guard_softdrop_next_long(void);

/*
 * One of them, as it is now, and nobody else changes it until the transaction
 * ends.  Where somebody is at it, in a transaction that may take as long as it
 * likes, a visitor does not wait.  NULL then, and when there is none of that
 * number.
 */
extern GuardSoftDrop *guard_softdrop_take(int64 id, bool wait);

/*
 * The soft drop that a person means: by its old name, qualified or not, or its
 * holding name.  An open one goes before a closed one, a later before an
 * earlier.  NULL when there is none.
 */
extern GuardSoftDrop *guard_softdrop_find(const char *schema, const char *name);

/* The index and those of its partitions; one that has gone is InvalidOid. */
extern List *guard_softdrop_indexes(const GuardSoftDrop *drop);

/* Write it down as it is here; whoever changes it has taken it. */
extern void guard_softdrop_save(const GuardSoftDrop *drop);

/* A new state begins, from nothing; not written down yet. */
extern void guard_softdrop_enter(GuardSoftDrop *drop, GuardSoftDropState state,
								 const char *reason);

/* Write a new state down, with the reason in words, here, in audit and log. */
extern void guard_softdrop_set_state(GuardSoftDrop *drop,
									 GuardSoftDropState state,
									 const char *action, const char *reason);

/* A row in the audit log, in the current transaction. */
extern void guard_softdrop_audit(const GuardSoftDrop *drop, const char *action,
								 const char *reason);

/*
 * Constants and names in a definition are written, and read, in one form,
 * whatever the settings of the session: from here until the settings of the
 * level that is returned are given up.
 */
extern int	guard_softdrop_settle_texts(void);

/* "public.users_email_idx", quoted where needed */
extern char *guard_softdrop_name(const GuardSoftDrop *drop);

/* as in guard.soft_drops, a constant */
extern const char *guard_softdrop_state_name(GuardSoftDropState state);

/* ---- restore.c ---- */

/*
 * Give all parts their names and comments back.  Returns NULL, or why one of
 * them, the index itself before others, keeps its holding name, in words.
 * Locks the indexes.
 */
extern char *guard_softdrop_rename_back(GuardSoftDrop *drop);

/*
 * It is back; "kept" is what guard_softdrop_rename_back() said.  Where it keeps
 * its holding name, one looks again.  Not written down yet.
 */
extern void guard_softdrop_await_name(GuardSoftDrop *drop, const char *kept);

/* Registrations are brought up to date with names, old or new. */
extern void guard_softdrop_refresh_names(void);

/*
 * It is open: the planner may see it again, under its old name.  Returns what
 * was done, in a sentence.
 */
extern char *guard_softdrop_bring_back(GuardSoftDrop *drop, const char *reason);

/*
 * A person wants the index back.  Returns what was done, or will be, in a
 * sentence.  The caller has checked the rights.
 */
extern char *guard_softdrop_restore(GuardSoftDrop *drop);

/* DROP EXTENSION guard: refused, or with CASCADE all names are given back. */
extern void guard_softdrop_before_extension_goes(DropStmt *stmt);

/*
 * A relation is being dropped.  If it is the table of soft drops, guard goes by
 * a way that nobody saw coming: names are given back as far as that can be read.
 */
extern void guard_softdrop_relation_goes(Oid relation);

/* ---- called by hooks ---- */

/*
 * If this index is an open soft drop, what it was called, and the statement
 * that created it under that name; otherwise both are left as they are.
 */
extern void guard_softdrop_describe(Oid index, char **name, char **definition);

/*
 * Is this session, a visitor, dropping this very index for good?  And what it
 * drops just now, was that hidden by an approval?
 */
extern bool guard_softdrop_is_own_drop(Oid index);
extern bool guard_softdrop_is_approved_drop(void);

/* the index has really gone, by whichever way */
extern void guard_softdrop_gone(Oid index);

/* PostgreSQL rebuilt it under another OID */
extern void guard_softdrop_rebuilt(Oid old, Oid successor);

/* ---- called by worker ---- */

/*
 * Look at every soft drop of this database that is due, and move it on.
 * Called by a visitor, outside a transaction; begins and ends its own.  Returns
 * when to come again, 0 for no need to.
 */
extern TimestampTz guard_softdrop_visit(void);

/* After that: who is told of what was restored. */
extern TimestampTz guard_softdrop_tell(void);

/*
 * A builder's task: the next long step, if one is due.  0: none was.
 */
extern TimestampTz guard_softdrop_long_step(void);

/*
 * The visitor's part of it: call a builder when one is needed, and end it where
 * it gets nowhere and others wait.  Returns when to look again, 0 for no need
 * to.
 */
extern TimestampTz guard_softdrop_look_after_builder(void);

/* ---- called by guard.c ---- */
extern void guard_softdrop_init(void);

#endif							/* GUARD_SOFTDROP_H */
