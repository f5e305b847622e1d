/*-------------------------------------------------------------------------
 *
 * table.h
 *	  The shared tables of capture, seen from inside the room.
 *
 * Vocabulary, beside that of capture.h:
 *
 *	batch		what one session did with one (relation, queryid) since it
 *				last told
 *	publish		add a batch to the shared tables
 *	last two	when the last user used something, and when the last one who
 *				was not he did: enough to answer "last use by somebody other
 *				than me" exactly, for whoever asks
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_TABLE_H
#define GUARD_CAPTURE_TABLE_H

#include "port/atomics.h"

#include "planner/capture/capture.h"
#include "planner/capture/file.h"
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
	TimestampTz first;
	TimestampTz last;
	int64		longest;		/* longest pause inside the batch */
	uint32		count;			/* executions */
	uint32		aimed;			/* of these, aimed */
	uint32		arbiters;		/* of these, as named arbiter */
	uint32		writes;			/* of these, writing to the relation */
	int64		excused;
} GuardUseBatch;

typedef struct GuardLastTwo
{
	uint64		user;			/* session of the last use, 0 = none yet */
	TimestampTz last;			/* its last use */
	TimestampTz other;			/* last use before that by another session */
} GuardLastTwo;

/* A ring of GUARD_RATE_BUCKETS counters; time is in whole buckets. */
typedef struct GuardRate
{
	int64		newest;			/* number of the newest bucket since 2000 */
	uint32		buckets[GUARD_RATE_BUCKETS];
} GuardRate;

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
	TimestampTz first;
	TimestampTz last;			/* by anybody */
	GuardLastTwo used;
	GuardLastTwo aimed;
	GuardLastTwo arbiter;
	GuardLastTwo written;
	int64		count;
	int64		aimed_count;
	int64		write_count;
	int64		excused;
	int64		others;			/* uses by services without a slot */
	int64		longest_pause;
	GuardRate	rate;
} GuardRelationRecord;

typedef enum GuardPublished
{
	GUARD_PUBLISHED,			/* everything is in the tables */
	GUARD_PUBLISH_BUSY,			/* nothing is: try again later */
	GUARD_PUBLISH_GONE,			/* no record, and none was to be made */
	GUARD_PUBLISH_FULL			/* no room for one more relation */
} GuardPublished;

/* Start-up: size and attach. */
extern Size guard_table_size(void);
extern void guard_table_attach(void);
extern bool guard_table_attached(void);

/*
 * All three tables, and since when; called when nobody else is there, and
 * restored into empty ones.
 */
extern void guard_table_save(GuardCaptureFile *file);
extern void guard_table_restore(GuardCaptureFile *file);

/* Hot path: never wait, never raise, never allocate. */
extern GuardPublished guard_table_publish(const GuardUseBatch *batch,
										  const GuardService *service,
										  uint64 session, bool create);
extern void guard_table_lose(const GuardUseBatch *batch);

/* Called from SQL and DDL: may wait for a moment. */
extern bool guard_table_read(Oid relation, GuardRelationRecord *record,
							 bool *unreadable);
extern List *guard_table_relations(void);
extern int	guard_table_count_statements(Oid relation);
extern List *guard_table_statements(Oid relation);
extern List *guard_table_services(Oid relation, uint64 session,
								  bool *unreadable);
extern void guard_table_saved(Oid relation, int64 count);
extern TimestampTz guard_table_lost(Oid relation, Oid owner);
extern void guard_table_forget(Oid relation);
extern void guard_table_forget_database(Oid database);
extern void guard_table_status(GuardCaptureStatus *status);

/* The two small structures, used for a session's own tally as well. */
extern TimestampTz guard_last_by_others(const GuardLastTwo *two,
										uint64 session);
extern void guard_rate_add(GuardRate *rate, TimestampTz at, uint32 n);
extern int64 guard_rate_sum(const GuardRate *rate, TimestampTz now);

#endif							/* GUARD_CAPTURE_TABLE_H */
