/*-------------------------------------------------------------------------
 *
 * tables.h
 *	  What the files of capture know of each other.
 *
 * Vocabulary, beside that of capture.h:
 *
 *	batch		what one session did with one (relation, queryid) since it
 *				last told
 *	publish		add a batch to the shared tables
 *	last two	when the last user used something, and when the last one who
 *				was not he did: enough to answer "last use by somebody other
 *				than me" exactly, for whoever asks
 *	root		the topmost index of a partition's index.  A statement visits all
 *				partitions or any of them, so it is told of under the root, if
 *				that is known: whoever may read the catalogs finds it out
 *	share		what one database may have of the records of relations: so many
 *				are guaranteed, the rest is first come
 *	off			a session runs statements uncaptured: until it ends or is
 *				switched on again, nobody can say "not seen" in its database
 *	loss		a relation was used when no record of it could be made, or was
 *				used and its record had to make room
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_TABLES_H
#define GUARD_CAPTURE_TABLES_H

#include "executor/execdesc.h"
#include "port/atomics.h"

#include "planner/capture/service.h"

/*
 * Executions under EXPLAIN ANALYZE are only in "excused": a batch of nothing
 * else has count 0 and no times.  What happened to a batch happened at
 * batch->last, as far as anybody cares: batches are at most ten seconds long.
 */
typedef struct GuardUseBatch
{
	Oid			relation;
	Oid			owner;			/* of the relation */
	Oid			userid;			/* role that executed the first of them */
	int64		queryid;		/* 0 where the server gave none */
	uint64		fkey;			/* of checks */
	TimestampTz first;
	TimestampTz last;
	int64		longest;		/* longest pause inside the batch */
	uint32		count;			/* executions */
	uint32		aimed;			/* of these, aimed */
	uint32		writes;			/* of these, writing to the relation */
	uint32		told;			/* of these, told of under its root */
	bool		member;			/* it is an index of a partition */
	int64		excused;
	Oid			login;			/* whose session it is */
	uint32		transactions;	/* in which they were executed ... */
	TimestampTz transaction;	/* ... when the latest of these began */
	uint64		longest_run;	/* so often the statement ran between two ... */
	uint64		run_before;		/* ... as often until the first, by all, ... */
	uint64		run;			/* ... and until the last of them */
	uint32		own_settings;	/* under which it began; 0: the server's */
	bool		named;			/* some came by the relation's own name, ... */
	Oid			views[GUARD_CAPTURE_VIEWS]; /* ... some by these views, ... */
	bool		more_views;		/* ... and by others */
} GuardUseBatch;

typedef struct GuardLastTwo
{
	uint64		user;			/* session of the last use, 0 = none yet */
	TimestampTz last;			/* its last use */
	TimestampTz other;			/* last use by any other session, not after it */
} GuardLastTwo;

/* A ring of GUARD_RATE_BUCKETS counters; time is in whole buckets. */
typedef struct GuardRate
{
	int64		newest;			/* number of the newest bucket since 2000 */
	uint32		buckets[GUARD_RATE_BUCKETS];
} GuardRate;

/* Checks by some columns, or all other uses. */
typedef struct GuardTally
{
	uint64		fkey;
	TimestampTz first;
	GuardLastTwo used;
	int64		count;
	int64		longest_pause;
	GuardRate	rate;
} GuardTally;

/* A view by which a relation was used. */
typedef struct GuardByView
{
	Oid			view;
	GuardLastTwo used;
} GuardByView;

typedef struct GuardRelationKey
{
	Oid			database;
	Oid			relation;
} GuardRelationKey;

typedef struct GuardRelationRecord
{
	GuardRelationKey key;		/* hash key, must be first */
	pg_atomic_flag busy;		/* held while the rest is read or changed */
	int			share;			/* of its database */
	Oid			owner;
	TimestampTz made;			/* tells it from the one before */
	int64		saved;			/* "count" when history had all of it; -1 */
	TimestampTz last;			/* by anybody, checks included ... */
	int64		count;			/* ... as here */
	GuardTally	uses;			/* all but checks */
	GuardTally	checks[GUARD_CAPTURE_FKEYS];	/* count 0: free */
	GuardTally	needs[GUARD_WAYS];	/* by GuardWay */
	GuardLastTwo aimed;
	GuardLastTwo written;
	GuardLastTwo named;			/* by its own name */
	GuardByView by_view[GUARD_CAPTURE_VIEWS];
	TimestampTz more_views;		/* by others */
	int64		aimed_count;
	int64		write_count;
	int64		excused;
	int64		apart;			/* uses of a member told of under itself */
	Oid			root;			/* of a member, as it was last ... */
	bool		rooted;			/* ... and is */
	bool		member;
	bool		is_root;		/* "count" is what its statements are to
								 * account for, and nothing else is kept */
	int64		others;			/* uses by services without a slot */
} GuardRelationRecord;

typedef enum GuardPublished
{
	GUARD_PUBLISHED,			/* everything is in the tables */
	GUARD_PUBLISH_BUSY,			/* nothing is: try again later */
	GUARD_PUBLISH_GONE,			/* no record, and none was to be made */
	GUARD_PUBLISH_FULL			/* no room for one more relation */
} GuardPublished;

/* ---- walk.c ---- */

/*
 * Note everything that this execution used; "excused" if it was run by EXPLAIN
 * ANALYZE, "check" if a foreign key ran it.
 */
extern void guard_walk_execution(QueryDesc *queryDesc, bool excused, bool check);

/*
 * The index where this execution was a scan of that, by the table's own name and
 * without views, and nothing besides; NULL: it was more, or nothing of ours.
 */
extern Relation guard_walk_lone(QueryDesc *queryDesc);

/* Has it opened anything of which the use would be noted? */
extern bool guard_walk_touches(QueryDesc *queryDesc);

/* ---- runs.c ---- */

/* Called at start. */
extern void guard_runs_init(void);

/*
 * A statement ran once more: how often it did in this session.  And how often in
 * all that are known, *mine in this one; 0: this one has lost count.
 */
extern uint64 guard_runs_add(int64 queryid);
extern uint64 guard_runs_tell(int64 queryid, uint64 *mine);

/* ---- pending.c ---- */

/* What a statement did with a relation; several may come together. */
#define GUARD_USE_AIMED		0x01
#define GUARD_USE_WRITE		0x02
#define GUARD_USE_MEMBER	0x04	/* an index of a partition */
#define GUARD_USE_NAMED		0x08	/* by its own name */

static inline int
guard_capture_membership(Relation rel)
{
	return rel->rd_rel->relispartition &&
		rel->rd_rel->relkind == RELKIND_INDEX ? GUARD_USE_MEMBER : 0;
}

/* What this session has published of its own, to be left out for itself. */
typedef struct GuardOwnUse
{
	Oid			relation;
	uint64		fkey;
	int64		count;
	int64		aimed_count;
	int64		write_count;
	GuardRate	rate;
	TimestampTz last;
} GuardOwnUse;

/* Which of this session's runs of statements, and of this one: 0 is none yet. */
typedef struct GuardRun
{
	uint32		number;
	uint64		run;
} GuardRun;

/*
 * One executed statement: begin, any number of uses, end.  The time of all of
 * them is that of its start, or of its transaction's if that is later.  What
 * begins again with the same run is no further use.
 * by_view(): the statement goes through a view, whatever it uses after that.
 */
extern void guard_pending_begin(int64 queryid, GuardRun *of);
extern void guard_pending_by_view(Oid view);
extern void guard_pending_use(Oid relation, Oid owner, int flags, uint64 fkey);
extern void guard_pending_excuse(Oid relation, Oid owner, int64 executions);
extern bool guard_pending_end(void);

/* All of it for a run that aimed at one relation by its name. */
extern bool guard_pending_lone(int64 queryid, Relation rel);

/*
 * Publish what is pending.  "patient" tries for some milliseconds: for the end
 * of the session, when there is no next try, and for more news than mail.c
 * has places for.
 */
extern void guard_pending_flush(bool patient);

/*
 * What this session has published of a relation, NULL for nothing it
 * remembers; and forget one that is gone.
 */
extern const GuardOwnUse *guard_pending_own(Oid relation, uint64 fkey);
extern void guard_pending_forget(Oid relation);

/* This session, as the shared tables tell sessions apart. */
extern uint64 guard_pending_session(void);

/* ---- commands.c ---- */

/* Called at start. */
extern void guard_commands_init(void);

/* ---- table.c ---- */

/* Called at start. */
extern void guard_table_init(void);
extern bool guard_table_attached(void);

/* Hot path: never wait, never raise, never allocate. */
extern GuardPublished guard_table_publish(const GuardUseBatch *batch,
										  const GuardService *service,
										  uint64 session, bool create);
extern void guard_table_lose(const GuardUseBatch *batch);

/*
 * The root under which statements of a relation are told of, and telling: the
 * batch is of the root.  False: it cannot be told just now.
 */
extern Oid	guard_table_root(Oid relation);
extern bool guard_table_tell(const GuardUseBatch *batch);

/* Called from SQL and DDL: may wait for a moment. */
extern bool guard_table_read(Oid relation, GuardRelationRecord *record,
							 bool *unreadable);
extern List *guard_table_relations(bool roots);
extern void guard_table_adopt(Oid relation, Oid root);
extern void guard_table_saved(Oid relation, int64 count);
extern void guard_table_forget(Oid relation, bool statements);
extern void guard_table_forget_database(Oid database);
extern bool guard_table_is_nearly_full(void);
extern void guard_table_status(GuardCaptureStatus *status);
extern TimestampTz guard_table_since(void);

/* While nobody else is there: somebody used it who is not in the list. */
extern void guard_table_add_others(const GuardRelationKey *key, int64 uses);

/* The two small structures, used for a session's own tally as well. */
extern TimestampTz guard_last_by_others(const GuardLastTwo *two,
										uint64 session);
extern void guard_rate_add(GuardRate *rate, TimestampTz at, uint32 n);
extern int64 guard_rate_sum(const GuardRate *rate, TimestampTz now);

/* ---- sets.c ---- */

/* Called at start. */
extern void guard_sets_init(void);

/*
 * Add a batch to both tables, or, returning false, to neither.  *others is
 * what this adds to the relation's uses by services without a slot.
 */
extern bool guard_sets_add(const GuardRelationKey *key,
						   const GuardUseBatch *batch,
						   const GuardService *service, uint64 session,
						   int64 *others);

/* The same of a statement alone; and moving all that are known of a member. */
extern bool guard_sets_tell(const GuardRelationKey *key,
							const GuardUseBatch *batch);
extern bool guard_sets_move(const GuardRelationKey *from,
							const GuardRelationKey *to, int64 *more);

/* What is known of a relation of this database; see capture.h. */
extern int	guard_sets_count_statements(Oid relation);
extern List *guard_sets_statements(Oid relation);
extern List *guard_sets_services(Oid relation, uint64 session,
								 bool *unreadable);

/*
 * Forget a relation, or without one a whole database, its statements maybe not.
 * False: somebody is at one of the sets, and not all is forgotten.
 */
extern bool guard_sets_forget(const GuardRelationKey *key, bool statements, bool wait);
extern void guard_sets_status(GuardCaptureStatus *status);

/* ---- mail.c ---- */

/* Called at start. */
extern void guard_mail_init(void);

/*
 * Leave a batch, with what guard_table_publish() would be given.  False: this
 * backend has no place left, and keeps it.  Never waits, never raises.
 */
extern bool guard_mail_post(const GuardUseBatch *batch,
							const GuardService *service, uint64 session,
							bool create);

/*
 * Publish what was left of a relation of this database, InvalidOid for all of
 * them.  Waits for up to a second; false: something is there that could not
 * be published.
 */
extern bool guard_mail_deliver(Oid relation);

/* What was left of a database is of no interest any more. */
extern void guard_mail_forget_database(Oid database);

/* When nobody else is there: what still waits becomes a loss. */
extern void guard_mail_lose(void);

/* ---- room.c ---- */

/*
 * Which of these records, if any, may be removed for a new one of a database
 * (its share) and an owner?  NULL: none.  "costless": nothing is lost by that.
 * The caller holds the lock exclusively.
 */
extern GuardRelationRecord *guard_room_choose(GuardRelationRecord *const *sample,
											  int n, int share, Oid owner,
											  bool *costless);

/* ---- shares.c ---- */

/* Shares are known by number; the last is common to all that found none. */
#define GUARD_SHARES	1000

/* Called at start. */
extern void guard_shares_init(void);

/*
 * The share of a database, made if need be.  mine() is that of this session's
 * database, which from then on is known to have guard.
 */
extern int	guard_shares_of(Oid database);
extern int	guard_shares_mine(void);

/*
 * Records of relations, counted by the caller under his exclusive lock.
 * has_room(): may this database have one more, of "used" in all?
 */
extern void guard_shares_add(int share, int records);
extern int	guard_shares_records(int share);
extern int	guard_shares_guaranteed(int share);
extern bool guard_shares_has_room(int share, int used);

/*
 * guard has gone from this database, until somebody asks or is captured there
 * again.  What is known stays, for who installs it again, but is guaranteed
 * nothing.
 */
extern void guard_shares_release(void);

/* Has nobody looked through this database's records for a minute?  I do now. */
extern bool guard_shares_claim_purge(void);

/* This session, see above. */
extern void guard_shares_session_off(void);
extern void guard_shares_session_on(void);

/*
 * A loss at "at" of a relation of that owner; waits for nobody.  And the latest
 * one that concerns a relation of this database, 0 = none within the look-back.
 */
extern void guard_shares_lose(const GuardRelationKey *key, Oid owner,
							  TimestampTz at);
extern TimestampTz guard_shares_lost(Oid relation, Oid owner);

/*
 * the relation, or the whole database, is gone: so are its losses and its
 * share
 */
extern void guard_shares_forget(const GuardRelationKey *key);
extern void guard_shares_forget_database(Oid database);

/* Fill in what of *status is about this database. */
extern void guard_shares_status(GuardCaptureStatus *status);

#endif							/* GUARD_CAPTURE_TABLES_H */
