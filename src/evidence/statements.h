/*-------------------------------------------------------------------------
 *
 * statements.h
 *	  The statements that use an index: which, how long they take, their texts.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_STATEMENTS_H
#define GUARD_STATEMENTS_H

#include "lib/stringinfo.h"

#include "planner/capture/capture.h"

/* The text of a statement, as far as it is shown, in bytes. */
#define GUARD_STATEMENT_SHOWN	1000

/*
 * The statements that used any of these relations as capture knows them, most
 * frequent first: a list of GuardCapturedStatement * in the current memory
 * context.
 */
extern List *guard_statements_captured(List *relations);

/*
 * What is known of statements, for one question, which may concern many
 * indexes.  What the last snapshots wrote down is read by key;
 * pg_stat_statements at most once, without its texts, and only when a statement
 * is asked for that is younger.  Where that fails, nothing is known of the
 * statement's time, and that is all.
 */
typedef struct GuardTimes GuardTimes;

typedef struct GuardTime
{
	int64		queryid;		/* hash key, must be first */
	bool		looked;			/* for what was written down of it */
	bool		timed;			/* mean_time is known */
	double		mean_time;		/* milliseconds: between the last two
								 * snapshots, else since pg_stat_statements'
								 * reset */
	bool		lately;			/* the former, and so: */
	double		calls;			/* a second */
	TimestampTz from;			/* mean_time is of calls since then; 0: since
								 * when nobody knows ... */
	int64		counted;		/* ... so many */
	char	   *query;			/* NULL: not known, or not asked for */
} GuardTime;

/* Empty; it and what is read later live in the current memory context. */
extern GuardTimes *guard_times_create(void);

/* Is there a pg_stat_statements that can be asked? */
extern bool guard_times_kept(GuardTimes *times);

/* NULL: nothing is known of that statement's time. */
extern const GuardTime *guard_times_find(GuardTimes *times, int64 queryid);

/*
 * The text of a statement, cut after some 1,000 characters; for the server log
 * and for those who may see texts.  One that no snapshot has written down costs
 * a reading of pg_stat_statements with all its texts, once; "cheaply": unless
 * these are very long.  NULL: not known, and if that is because they could not
 * be read, *why says so.
 */
extern const char *guard_times_query(GuardTimes *times, int64 queryid,
									 bool cheaply, const char **why);

/* For the server log: append the texts of the busiest statements. */
extern void guard_statements_append_texts(StringInfo buf, GuardTimes *times,
										  List *relations, const char *index,
										  int limit);

#endif							/* GUARD_STATEMENTS_H */
