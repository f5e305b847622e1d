/*-------------------------------------------------------------------------
 *
 * statements.h
 *	  The statements that use an index, joined to pg_stat_statements.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_STATEMENTS_H
#define GUARD_STATEMENTS_H

#include "lib/stringinfo.h"

#include "planner/capture.h"

typedef struct GuardStatement
{
	GuardCapturedStatement captured;
	bool		joined;			/* pg_stat_statements knows it */
	int64		calls;			/* since pg_stat_statements' reset */
	double		mean_time;		/* milliseconds */
	char	   *query;			/* NULL when not asked for or not known */
} GuardStatement;

/*
 * Is pg_stat_statements here, and of a version that is understood?  NULL when
 * it is, else why not, in words.
 */
extern const char *guard_statements_missing(void);

/*
 * The function of pg_stat_statements, qualified and quoted; NULL where it
 * cannot be used.
 */
extern char *guard_statements_function(void);

/*
 * The statements that used any of these relations, most frequent first, as a
 * list of GuardStatement * in the current memory context.  Read with the
 * rights of the extension's owner: whether texts may be shown to whoever asks
 * is for the caller to decide.
 */
extern List *guard_statements_collect(List *relations, bool texts);

/* The same as capture knows them, without asking pg_stat_statements. */
extern List *guard_statements_captured(List *relations);

/*
 * How long statements take: what pg_stat_statements says of all of them, read
 * once for a question that concerns many indexes, at the first look-up.
 */
typedef struct GuardTimes GuardTimes;

typedef struct GuardTime
{
	int64		queryid;		/* hash key, must be first */
	double		mean_time;		/* milliseconds: between the last two
								 * snapshots, else since pg_stat_statements'
								 * reset */
	bool		lately;			/* the former, and so: */
	double		calls;			/* a second */
} GuardTime;

/* Empty; it and what is read later live in the current memory context. */
extern GuardTimes *guard_times_create(void);

/* NULL: nothing is known of that statement's time. */
extern const GuardTime *guard_times_find(GuardTimes *times, int64 queryid);

/* For the server log: append the texts of the busiest statements. */
extern void guard_statements_append_texts(StringInfo buf, List *relations,
										  const char *index, int limit);

#endif							/* GUARD_STATEMENTS_H */
