/*-------------------------------------------------------------------------
 *
 * evidence.h
 *	  What is known of an index: dated, sourced observations.
 *
 * A fact is one observation.  It says whether use was seen, and its third
 * value matters most: UNKNOWN is never NOT_SEEN.  Statistics reset yesterday,
 * a table that could not be read, a server that counts nothing are unknown,
 * and note says so in words.
 *
 * Evidence is everything known of one index at one moment, in one memory
 * context.  Verdict, message, audit row and guard.check() all render this one
 * struct, so they cannot disagree.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_EVIDENCE_H
#define GUARD_EVIDENCE_H

#include "storage/block.h"

#include "ddl/targets.h"
#include "evidence/registrations/registration.h"
#include "evidence/shape/shape.h"

/* ----------------------------------------------------------------
 *		What an index is good for besides being scanned.
 * ----------------------------------------------------------------
 */

typedef struct GuardRoles
{
	/* of the index */
	bool		replica_identity;	/* it identifies rows for replication, as
									 * chosen or as the primary key */
	bool		fk_support;		/* a foreign key of its table finds the
								 * referencing rows by it */

	/* of its table */
	bool		published_for_update_or_delete; /* itself or through a
												 * partition ancestor: without
												 * a replica identity, UPDATE
												 * or DELETE would fail */
	bool		subscribed;		/* rows arrive by logical replication,
								 * directly or through a partition ancestor */
	bool		is_matview;
	bool		is_partition;
	bool		is_inheritance_child;	/* of a table that is not partitioned */
	Oid			partition_parent;	/* InvalidOid unless is_partition */
	List	   *parents;		/* of a partition or child: OIDs */
} GuardRoles;

/*
 * The roles of an index.  Reads system catalogs only, takes no lock on user
 * relations; what has vanished meanwhile plays no role.
 */
extern void guard_roles_collect(const GuardShape *shape, GuardRoles *roles);

typedef enum GuardSeen
{
	GUARD_SEEN_UNKNOWN,
	GUARD_SEEN_NOT,
	GUARD_SEEN_USED
} GuardSeen;

/* Who observed a use; guard_evidence_source() spells it. */
typedef enum GuardSource
{
	GUARD_SOURCE_CAPTURE,
	GUARD_SOURCE_COUNTERS,
	GUARD_SOURCE_HISTORY,		/* what capture saw, as written down */
	GUARD_SOURCE_COUNTED,		/* what counters said, as written down */
	GUARD_SOURCE_INHERITED,
	GUARD_SOURCE_WHATIF,		/* the planner relies on it, unread */
	GUARD_SOURCE_NODE			/* a standby, as it reported */
} GuardSource;

/*
 * One observation of use.  Times are 0 where they are not known; a use that
 * cannot be dated (last = 0) happened at some time after "since".
 */
typedef struct GuardFact
{
	GuardSource source;
	Oid			way;			/* GuardWay: read, or needed for something */
	bool		of_table;		/* use of the table, which goes as well */
	GuardSeen	seen;
	TimestampTz since;			/* observed since, without a break */
	TimestampTz first;
	TimestampTz last;
	TimestampTz inherited_at;	/* it was another index's until then; 0: it
								 * was always this one's */
	int64		count;			/* uses, or scans for counters */
	double		rate;			/* uses per second over the last minute */
	int64		pause;			/* longest pause between two uses in
								 * microseconds; -1 when not known */
	int64		hidden;			/* microseconds since "last" (if not used,
								 * since "since") in which the planner did not
								 * see the index: nothing follows from them */
	int			statements;		/* distinct statements; 0 when not known */
	char	   *who;			/* services, in words; NULL when not known */
	int64		unobserved;		/* of the time since "last", or since "since"
								 * when nothing was seen, for so long nobody
								 * was there */
	char	   *gaps;			/* when and why that was, in words */
	int64		known_uses;		/* uses behind "pause", those before this
								 * source began included; 0: count says it */
	TimestampTz known_first;	/* the first of them; 0: first says it */
	int			days;			/* days on which they happened; 0: not known */
	List	   *services;		/* of GuardServiceUse *: who made it */
	bool		services_known; /* nobody but these did */
	bool		moved_away;		/* this use spoke for a table that has been
								 * moved out of the way since: it no longer
								 * counts */
	bool		by_column;		/* for one that another column has the name of */
	bool		moved_now;		/* and this transaction has moved it */
	const char *moved_from;		/* the name that the table bore then; NULL:
								 * the one that it bears, or that is not known */
	const struct GuardNames *names; /* by which it came; NULL: not known */
	Oid			own_view;		/* the view that had, before this transaction,
								 * the name by which it came as the table's
								 * own; InvalidOid: that is the table's still */
	bool		former_name;	/* inherited: under a name that the table has
								 * lost */
	GuardShape *shape;			/* inherited: the one that this use asks for;
								 * NULL: that of the index */
	Oid			of_index;		/* by which index it came then, */
	bool		answered;		/* and all of its statements are known and
								 * were planned without this one */
	uint64		fkey;			/* checks of foreign keys, by these columns;
								 * 0: any other use */
	char	   *keys;			/* which these are, in words */
	bool		key_gone;		/* they are gone, or go along: it no longer
								 * counts */
	bool		installation;	/* it belongs to the making of the table, and
								 * never counted */
	const char *node;			/* the standby that says so; NULL: known here */
	const struct GuardProfile *profile; /* it was observed on another server;
										 * NULL: on this one */
	bool		since_made;		/* of a profile: not used since the index was
								 * made */
	char	   *note;			/* why unknown, or where it comes from */
} GuardFact;

/*
 * What another server knows (sql/15_profile.sql).  The times of its facts are
 * what they would be had it been exported when it was imported; from then on
 * its clock stands still.
 */
typedef struct GuardProfile
{
	char	   *source;
	TimestampTz exported_at;
	TimestampTz imported_at;
	bool		stale;			/* too old to tell anything */
	int			free_connections;	/* when it was exported; -1: not known */
	char	   *words;			/* "prod, 14 h ago" */
} GuardProfile;

/* As of when does a fact speak? */
static inline TimestampTz
guard_evidence_clock(const GuardFact *fact, TimestampTz now)
{
	return fact->profile != NULL ? fact->profile->imported_at : now;
}

/* How a table was moved out of the way. */
typedef struct GuardMove
{
	bool		moved;
	TimestampTz at;
	char	   *old_schema;
	char	   *old_name;
	bool		detached;		/* it was a partition or child until then */
	bool		served;			/* another table bears its old name, with an
								 * index that serves in place of this one */
	char	   *heir_table;		/* that table's name, served or not; NULL when
								 * nothing bears the old name */
	Oid			twin;			/* an index of that table, just like this one
								 * and usable: what services needed before the
								 * move is that one.  Invalid: none */
} GuardMove;

/*
 * What the planner would do without the index, for the statements that use it.
 * The default, all zero, says that nothing is known.
 */
typedef struct GuardPlans
{
	int			statements;		/* that used it within the look-back */
	int			planned;		/* of these, planned without it, lately, and
								 * with no other index than what stays */
	int			inherited;		/* of those of inherited use, so planned, too,
								 * beside the former */
	List	   *takeovers;		/* of GuardReplacement *: other indexes that
								 * they would take then, which must stay */
	bool		complete;		/* these are all its captured uses */
	double		worst_ratio;	/* cost without / cost with, the worst of them */
	double		worst_extra;	/* and how much more cost that is of a call,
								 * of those that cost more than practically
								 * the same; infinite where a table is read
								 * instead */
	double		found_ratio;	/* the same, as far as they were planned with
								 * the indexes that there are now; 0: none was */
	double		found_extra;
	double		added_load;		/* what all calls would take longer, expected,
								 * in processors */
	bool		slower;			/* one would be slower, or may be, although it
								 * costs the same */
} GuardPlans;

/* A person's "not this one". */
typedef struct GuardProtection
{
	bool		found;
	bool		inherited;		/* registered for a parent table or index */
	char	   *reason;
	char	   *protected_by;
	TimestampTz protected_at;
} GuardProtection;

/*
 * The case in which an index is judged: how it would go.  Evidence is collected
 * for one case; where something else turns out later, the same evidence is
 * judged in another.
 */
typedef struct GuardCase
{
	bool		whole_table;	/* its table goes, too */
	bool		parent_goes;	/* and so does the table it is a partition of */
	bool		named;			/* the statement names it or its constraint */
	bool		restoring;		/* it is a key which pg_restore takes first of
								 * a table that goes next: judged as if that
								 * went */
	const char *no_delay;		/* why the drop cannot be carried out in
								 * stages, as a clause; NULL: it can */
	bool		approval_taken; /* its approval went to another session */
	bool		unreplaced;		/* what was to serve in its place has gone as
								 * well */
	bool		passes_on;		/* something else bears the name of its table,
								 * or other columns those of its own: that is
								 * asked for what its traffic needs, and not
								 * excused by its size */
	bool		needs_served;	/* what it is needed for is there now */
} GuardCase;

typedef struct GuardEvidence
{
	Oid			index;			/* the index judged: a leaf */
	const GuardTarget *target;	/* what was asked about, */
	GuardFellows *fellows;		/* what goes with it and cannot replace it, */
	GuardCase	asked;			/* and how it would go */
	GuardShape *shape;
	GuardRoles	roles;
	List	   *facts;			/* of GuardFact * */
	List	   *profiles;		/* of GuardProfile *: those that know it, and
								 * of whose word it is that nobody uses it */
	TimestampTz as_of;			/* when all this was true */

	struct GuardObject *object; /* who it is; NULL: not seen yet */
	List	   *kin;			/* registration.c: what it may be registered
								 * as */
	TimestampTz created_at;		/* guard saw it being created; 0: did not */
	TimestampTz older;			/* it has taken the place of one that was made
								 * then, and may have been used when nobody
								 * was there to see it; 0: of none */
	List	   *stands_for;		/* of GuardShape *: what went for its sake, as
								 * plans said */
	List	   *gone;			/* of GuardDeparted *: what went of its table */
	GuardMove	move;
	struct GuardObject *made;	/* its table, which is new, and by whom; NULL:
								 * it is not new */
	TimestampTz attached_at;	/* guard saw its table being attached to a
								 * parent; 0: did not */
	TimestampTz hidden_since;	/* it is hidden from the planner; 0: it is not */
	GuardProtection protection;
	List	   *dependencies;	/* of GuardDependency * */
	GuardApproval approval;
	GuardReplacement replacement;
	GuardPlans	plans;

	List	   *needs;			/* of GuardNeed *: what statements need it for
								 * besides reading it, see needs.h */
	TimestampTz last_write;		/* rows written to its table, by others; 0
								 * when it is a partition that is written no
								 * more than its siblings are */
	bool		unread;			/* a record of its use could not be read: that
								 * none was seen means nothing */
	List	   *as_unique;		/* of Oid: whose place it has taken, and whose
								 * uniqueness it has */
	bool		proves;			/* the planner relies on its uniqueness */
	bool		untried;		/* or may: that could not be tried out */
	bool		aimed_at;		/* statements aim at this partition clearly
								 * more than at its siblings */

	bool		heap_known;		/* heap_blocks is its size now */
	BlockNumber heap_blocks;
	bool		refilled;		/* this transaction truncated or rewrote the
								 * table, and may yet fill it: not known */
	int64		table_kb;		/* size, from the catalog's estimate where the
								 * heap could not be looked at; -1 unknown */
	const char *silence;		/* why it is not known whether standbys read
								 * it, as a clause; NULL: it is, or they
								 * cannot */
	bool		asker_may_see;	/* the current user owns the table, or may
								 * read all statistics */
	const struct GuardDeparted *departed;	/* it is gone: what was noted of
											 * it then.  NULL: it is there */
	const struct GuardServer *server;
} GuardEvidence;

/*
 * Does it say that nobody has used the index since that was made?
 */
static inline bool
guard_evidence_covers(const GuardFact *fact, TimestampTz created_at)
{
	if (fact->profile != NULL)
		return fact->since_made;
	return fact->seen == GUARD_SEEN_NOT && fact->since != 0 &&
		fact->since <= created_at && fact->unobserved == 0;
}

/*
 * Is this the use of another table, whose name this one bears now?
 */
static inline bool
guard_evidence_of_another(const GuardEvidence *evidence, const GuardFact *fact)
{
	return fact->source == GUARD_SOURCE_INHERITED && fact->shape != NULL &&
		fact->shape->table != evidence->shape->table;
}

/*
 * Since when must nobody have used it, for it to be as good as new?  0: that is
 * not known.
 */
static inline TimestampTz
guard_evidence_origin(const GuardEvidence *evidence)
{
	return evidence->older != 0 ? Min(evidence->created_at, evidence->older) :
		evidence->created_at;
}

/* A standby, attached or not; see nodes.c. */
typedef struct GuardNode
{
	char	   *name;
	int			attached;		/* walsenders of that name */
	bool		cut_off;		/* it is attached neither here nor to another */
	bool		counts;			/* it may be read, and is not in
								 * guard.ignore_standbys */
	bool		silent;			/* and what is used there is not known */
	TimestampTz reported_at;	/* 0: never */
	TimestampTz since;			/* use is watched there since; 0: it is not */
	int64		unobserved;		/* of that, microseconds in which it was not */
	char	   *upstream;		/* the standby that feeds it; NULL: this
								 * server */
	char	   *lacks;			/* what it lacks, in words; NULL: nothing */
} GuardNode;

/* What is known of the server as a whole, read once per question asked. */
typedef struct GuardServer
{
	TimestampTz counters_since; /* statistics unbroken since; 0 unknown */
	TimestampTz capture_since;	/* this database watched by capture, unbroken,
								 * since; 0: it is not */
	int			busy_connections;	/* at work on a statement now */
	int			cores;			/* processors that are there now */
	const struct GuardEpochs *epochs;	/* see history.h */
	List	   *profiles;		/* of GuardProfile * */
	List	   *nodes;			/* of GuardNode * */
	const GuardNode *silent;	/* the first standby whose reads are not
								 * known; NULL when there is none */
	char	   *standbys;		/* all of them, quoted, */
	char	   *silence;		/* and why that is, as a clause */
	struct GuardTimes *times;	/* read when first asked for */
} GuardServer;

/*
 * what is known of the server as a whole, in the current memory context; cheap
 * enough for once a question
 */
extern GuardServer *guard_server_read(void);

/*
 * How many connections those have who make this use (NULL: whoever), all
 * together, and how many of them are free: what the server does not keep for
 * others, what the database allows, and what the login roles are allowed, where
 * these are known.  Superusers are stopped by the server's end only.
 */
extern int	guard_server_limit(const GuardFact *use, int *free);

/*
 * Its standbys, for the former; and what a person can do about the silent ones,
 * as lines to paste.
 */
extern void guard_nodes_read(GuardServer *server);
extern char *guard_nodes_remedy(const GuardServer *server);

/* what tells this node from others of its name */
extern char *guard_nodes_identity(void);

/*
 * Everything known of one leaf index, in the current memory context; NULL
 * when it has vanished.  "fellows" go together with it and cannot be its
 * replacement.  Waits for no lock.
 */
extern GuardEvidence *guard_evidence_collect(const GuardTarget *target,
											 Oid leaf, GuardFellows *fellows,
											 const GuardServer *server);

/* "capture", "table counters": who observed, and what */
extern const char *guard_evidence_source(const GuardFact *fact);

/* Does this session call itself pg_restore, which goes on after errors? */
extern bool guard_evidence_restoring(void);

/*
 * Would something that it enforces be lost without having been named?  Who
 * drops a unique index by name knows; who drops a column or a function may
 * not.
 */
static inline bool
guard_evidence_enforces_unnamed(const GuardEvidence *evidence,
								const GuardCase *asked)
{
	return (evidence->shape->unique || evidence->shape->exclusion) &&
		!asked->named && !asked->whole_table;
}

/*
 * The size of an open relation: 0 of a partitioned one, which holds nothing, and
 * on a standby of what is not logged.
 */
extern BlockNumber guard_evidence_blocks(Relation rel);

/*
 * The size of a table that this session has locked; MaxBlockNumber when it
 * does not exist.
 */
extern BlockNumber guard_evidence_blocks_now(Oid table);

/* ---- the kinds of evidence, one file each; called by evidence.c ---- */

/*
 * The collectors.  Each adds its facts to the evidence, in the current memory
 * context, without waiting for a lock.  Those that a verdict could not do
 * without raise an error where they cannot read their table: protection,
 * dependencies, hidden, predecessors.
 */
extern void guard_evidence_collect_size(GuardEvidence *evidence);
extern void guard_usage_collect(GuardEvidence *evidence);
extern void guard_causes_collect(GuardEvidence *evidence);
extern void guard_youth_collect(GuardEvidence *evidence);
extern void guard_youth_mark(const GuardEvidence *evidence, GuardFact *fact);
extern void guard_usage_collect_aim(GuardEvidence *evidence);
extern bool guard_usage_bypasses_executor(Oid index, bool subscribed);

/*
 * The names of the foreign keys that check by these columns of an index's
 * table, in words, without those that go; NULL: there is none.  Fill in which a
 * fact is about, if any; add one that is.  And, when a transaction ends: which keys are
 * gone by now that the evidence has checks of, wherever it is asked for the index
 * (GuardAnswer *)?  True: some are.
 */
extern char *guard_causes_keys(const GuardShape *shape, uint64 fkey, List *going);
extern bool guard_causes_has(const GuardShape *shape, uint64 fkey); /* columns */
extern void guard_causes_fill(const GuardEvidence *evidence, GuardFact *fact);
extern GuardFact *guard_causes_add(GuardEvidence *evidence, GuardSource source,
								   uint64 fkey);

/*
 * Does a key check by these columns of the shape, where that is asked for now?
 * There they may have other numbers.
 */
extern bool guard_causes_compared(const GuardShape *shape, uint64 fkey,
								  const GuardAnswer *answer);
extern bool guard_causes_refresh(const GuardEvidence *evidence, List *answers);

/*
 * what standbys used it for, false where that cannot be read; and does it matter
 * that one is silent?
 */
extern bool guard_nodes_collect_uses(GuardEvidence *evidence);
extern void guard_nodes_collect(GuardEvidence *evidence);

/* a table and its indexes: whatever capture may have a record of */
extern List *guard_usage_relations(Oid table);

/*
 * whose use it has taken over, and for how long that is known; what was written
 * down, what moves of its table ended
 */
extern void guard_predecessors_collect(GuardEvidence *evidence);
extern void guard_predecessors_limit(GuardEvidence *evidence);

/*
 * Is there an index that takes its place there?  As guard_replacement_find(); where nobody has used it but as the heir of
 * another one, what serves that one will do.  Otherwise *lacking is what would
 * have to be there, NULL where that cannot be told.
 */
extern bool guard_predecessors_find_replacement(const GuardEvidence *evidence,
												const GuardAnswer *answer,
												GuardFellows *fellows,
												bool need_unique,
												GuardReplacement *result,
												GuardShape **lacking);
extern void guard_history_collect(GuardEvidence *evidence);
extern void guard_moved_collect(GuardEvidence *evidence);
extern void guard_moved_collect_reliance(GuardEvidence *evidence);	/* of plans */

struct GuardRows;
struct GuardLoad;

/*
 * The profiles of other servers that were imported; what they say of the use of
 * an index, of plans and of the load without it, and of the size of a table: false
 * where none knows it.  Is the row one of a profile, named in that column (0: of
 * none), that is too old?  The index was rebuilt; the table is being truncated.
 */
extern List *guard_profile_read(void);
extern List *guard_profile_services(const struct GuardRows *rows, int column);
extern void guard_profile_find(GuardEvidence *evidence);
extern void guard_profile_collect(GuardEvidence *evidence);
extern void guard_profile_plans(GuardEvidence *evidence);
extern bool guard_profile_size(Oid table, BlockNumber *blocks);
extern bool guard_profile_is_silent(const GuardEvidence *evidence,
									const struct GuardRows *rows,
									int column);
extern bool guard_profile_load(const GuardEvidence *evidence, List *members,
							   struct GuardLoad *load);
extern void guard_profile_rebuilt(Oid old, Oid successor);
extern void guard_profile_emptied(Oid table);

/* do the views by which uses came still lead here? */
extern void guard_bearers_collect(GuardEvidence *evidence);

/* seen being created?  protected?  what do shadow plans say? */
extern void guard_protection_collect(GuardEvidence *evidence);
extern void guard_plans_collect(GuardEvidence *evidence);

/* called when all other facts are there */
extern void guard_hidden_collect(GuardEvidence *evidence);

/* who needs it, and the approvals that are valid for who asks */
extern void guard_dependencies_collect(GuardEvidence *evidence);
extern void guard_approvals_collect(GuardEvidence *evidence);

/* ---- book-keeping about tables and indexes, called by hooks ---- */

/*
 * A table is about to be renamed, moved to another schema or detached.  The
 * first call remembers what it is called; the second, after the statement,
 * writes that down.
 */
typedef struct GuardPendingMove GuardPendingMove;

/*
 * Is the statement about to move tables?  What they are called now, as a list
 * of GuardPendingMove in the current memory context; and, at its end, what
 * they are called since.
 */
extern List *guard_moved_prepare(Node *parsetree);

/* What these views led to before this transaction, and do no more: the same. */
extern List *guard_moved_by_views(List *views);
extern List *guard_moved_dropped(Oid table);	/* the same of one that goes */
extern void guard_moved_record(List *moves);

/* that could not be written down: shared memory is told */
extern void guard_moved_lose(List *moves);

/* the part of a snapshot that is about tables which were moved unseen */
extern void guard_moved_snapshot(void);

/*
 * An index goes, which people know by that name: what is known of its use is
 * kept.  Returns what there was no
 * room to keep in shared memory, to be written when the statement has ended;
 * NULL where there is nothing to do.
 */
extern struct GuardDeparted *guard_gone_note(Oid index, char *name,
											 bool concurrent);
extern void guard_gone_write(List *departed);

/*
 * It goes for the sake of indexes that serve its statements, as their plans
 * say, and whose shapes do not tell: that is written down; or, where a drop
 * CONCURRENTLY begins, put into shared memory - false: it cannot be.
 */
extern void guard_gone_by_plan(const GuardEvidence *gone);
extern bool guard_gone_intend(const GuardEvidence *gone);

/* has it, or may it have been used, at a look that costs next to nothing? */
extern bool guard_evidence_seems_used(Oid index);

/* the part of a snapshot that is about indexes which are gone */
extern void guard_gone_snapshot(void);

/* what was written down of it; both wait for nobody */
extern void guard_history_rebuilt(Oid old, Oid successor);
extern void guard_history_forget(Oid relation);

/* the index was rebuilt under a new OID: what was known of it goes along */
extern void guard_evidence_rebuilt(Oid old, Oid successor);

/*
 * Registrations.  An index, or a table for all of its indexes; raises errors
 * of its own where the object cannot be registered.  The caller has checked
 * the rights.
 */
extern void guard_protection_add(Oid relation, const char *reason);
extern bool guard_protection_remove(Oid relation);

/*
 * bring registrations up to date with new names and OIDs
 * (doc/internals/postgresql.md 3.9)
 */
extern void guard_evidence_refresh(void);

/*
 * "heir" is the twin of an index that goes, or the like of it on the table
 * that bears its table's old name: services need it now.
 */
extern void guard_dependencies_move(const GuardEvidence *gone, Oid heir);

/* an index or table is gone for good: forget what was noted of it */
extern void guard_evidence_forget(Oid relation);

/*
 * Capture forgets what is not in the catalog (any more) and was last used
 * before that time.  What an open transaction made is not in the catalog
 * either, as others see it.
 */
extern void guard_evidence_forget_vanished(TimestampTz unused_since);

#endif							/* GUARD_EVIDENCE_H */
