/*-------------------------------------------------------------------------
 *
 * planas.h
 *	  The plan that another server would make, from what its profile says.
 *
 * Vocabulary:
 *
 *	profile		what guard.import_profile() has taken in of another server;
 *				guard.plan_as names the one that EXPLAIN goes by
 *	answer		what the planner is told in place of what it would read here:
 *				sizes of relations, rows of statistics, widths
 *	remark		why a plan may not be that server's all the same
 *
 * An answer counts inside EXPLAIN without ANALYZE, and for the statement that
 * is explained: what a function runs that is evaluated while that is planned,
 * would be kept and run later with plans made of somebody else's numbers.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_PLANAS_H
#define GUARD_PLANAS_H

#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

#include "ground.h"

struct ExplainState;
struct GuardFailure;

/* Called by guard.c at start. */
extern void guard_planas_init(void);

/* ---- called by hooks: an EXPLAIN, which "work" carries out ---- */

typedef void (*guard_planas_work) (void *arg);

/* Carry it out, as guard.plan_as says. */
extern void guard_planas_explain(ExplainStmt *stmt, guard_planas_work work,
								 void *arg);

/*
 * ---- called by whatif.c, which has the planner's hook ----
 *
 * Is an EXPLAIN being planned from a profile?  Then plan by this.
 */
extern bool guard_planas_explaining;

/* The plan of a query, from the profile in use. */
extern PlannedStmt *guard_planas_plan(Query *parse, const char *query_string,
									  int cursorOptions,
									  ParamListInfo boundParams,
									  struct ExplainState *es);

/*
 * ---- called by indexlist.c: the planner has read what there is of a table
 */
extern void guard_planas_relation(RelOptInfo *rel, Oid heap, bool inhparent);

/* ---- called by api: the plan of a statement of a profile ---- */

typedef struct GuardPlanasPlan
{
	double		cost;
	char	   *text;			/* as EXPLAIN shows it */
	List	   *indexes;		/* that it scans: OIDs, some of them twice */
} GuardPlanasPlan;

/*
 * Plan what somebody else wrote, as this role, which should be allowed nothing.
 * False: it is not planned, and *failure says why.
 */
extern bool guard_planas_statement(const char *text, const char *search_path,
								   Oid role, GuardPlanasPlan *plan,
								   struct GuardFailure *failure);

/* ---- profile.c: what a profile says, in this session's memory ---- */

/* Of a table or an index. */
typedef struct GuardPlanasSize
{
	Oid			relation;
	bool		known;			/* to the profile */
	bool		has_rest;		/* its indexes and statistics are here, too */
	double		pages;
	double		tuples;			/* -1: that server has never counted them */
	double		all_visible;
	int			height;			/* of a B-tree; -1: not known */
	char	   *remark;			/* NULL: none */
} GuardPlanasSize;

/* Of a column, by itself or with the children of its table. */
typedef struct GuardPlanasStatistic
{
	Oid			relation;
	int16		attnum;
	int16		inherited;
	HeapTuple	tuple;			/* as pg_statistic has it */
	char	   *no_code;		/* why it has no values; NULL: it has */
} GuardPlanasStatistic;

/*
 * Have what the profile of that name says at hand; an error where there is none.
 * Returns when it was exported.  Its settings are taken over for the nest level
 * of settings that the caller has begun.
 */
extern TimestampTz guard_planas_open(const char *source);

/* Of which major version was the server? */
extern int	guard_planas_version(void);

/*
 * What it says of a table that is being planned and, with it, of its indexes and
 * columns; read when it is first asked for.  Never NULL.
 */
extern GuardPlanasSize *guard_planas_table(RelOptInfo *rel, Oid heap);

/* Of an index of such a table, and of a column; NULL: nothing. */
extern GuardPlanasSize *guard_planas_size(Oid relation);
extern GuardPlanasStatistic *guard_planas_statistic(Oid relation, int attnum,
													bool inherited);

#endif							/* GUARD_PLANAS_H */
