/*-------------------------------------------------------------------------
 *
 * speed.h
 *	  How long one unit of the planner's cost takes on this server.
 *
 * Costs are made to compare plans, not to be read as time; still, for one kind
 * of work on one machine time is nearly proportional to what is to be done of
 * it (planner.h).  Hence one ratio for each kind, learnt from what was
 * executed.
 *
 * Vocabulary:
 *
 *	speed		milliseconds per unit, for one kind of work
 *	spread		factor within which most of what was measured lies
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SPEED_H
#define GUARD_SPEED_H

#include "executor/execdesc.h"

#include "planner/planner.h"

typedef struct GuardSpeed
{
	double		ms;
	double		spread;			/* >= 1 */
	double		assumed;		/* ms before anything was learnt */
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
extern void guard_speed_read(GuardEffortKind kind, GuardSpeed *speed);

#endif							/* GUARD_SPEED_H */
