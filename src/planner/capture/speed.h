/*-------------------------------------------------------------------------
 *
 * speed.h
 *	  How long one unit of the planner's cost takes on this server.
 *
 * Costs are made to compare plans, not to be read as time; still, for one kind
 * of work on one machine they are nearly proportional to it.  What is off is
 * the ratio between kinds: random_page_cost expects a disk, so a look-up in a
 * cached index takes a twentieth of the time per unit that a sequential scan
 * takes.  Hence one ratio for each kind, learnt from what was executed.
 *
 * Vocabulary:
 *
 *	speed		milliseconds per unit of cost, for one kind of plan
 *	spread		factor within which most of what was measured lies
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SPEED_H
#define GUARD_SPEED_H

#include "executor/execdesc.h"

typedef enum GuardSpeedKind
{
	GUARD_SPEED_SCAN,			/* most of the cost is sequential scanning */
	GUARD_SPEED_INDEX			/* most of it is looking things up */
} GuardSpeedKind;

#define GUARD_SPEED_KINDS	2

typedef struct GuardSpeed
{
	double		ms_per_cost;
	double		spread;			/* >= 1 */
	double		assumed;		/* ms_per_cost before anything was learnt */
	int64		executions;		/* learnt from; 0: an assumption */
} GuardSpeed;

/* A cheaper plan's time is mostly what every statement costs. */
#define GUARD_SPEED_MIN_COST	1000.0

/* Called by capture at start. */
extern void guard_speed_init(void);

/*
 * A plan that costs at least GUARD_SPEED_MIN_COST has been made under the
 * server's own settings.
 */
extern void guard_speed_planned(int64 queryid, double cost);

/*
 * Learn from an execution of such a plan that has come to its end.  Does
 * nothing where it is not known under which settings it was planned, or nobody
 * measured it, as pg_stat_statements does.  Never waits, raises or allocates.
 */
extern void guard_speed_learn(QueryDesc *queryDesc, int64 queryid);

/* What was learnt so far, or what is assumed where it is too little. */
extern void guard_speed_read(GuardSpeedKind kind, GuardSpeed *speed);

#endif							/* GUARD_SPEED_H */
