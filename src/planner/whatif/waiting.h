/*-------------------------------------------------------------------------
 *
 * waiting.h
 *	  Samples of statements that were planned and not yet executed.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WHATIF_WAITING_H
#define GUARD_WHATIF_WAITING_H

#include "executor/execdesc.h"

#include "planner/whatif/whatif.h"

/*
 * Keep a record until the plan from which it comes has been executed.  "clocks"
 * are the statement's and the pair's: let run down if it never is.
 */
extern void guard_waiting_add(const GuardWhatIf *record, double plan_cost,
							  const uint64 clocks[2]);

/* How many wait. */
extern int	guard_waiting_count;

/*
 * This execution of a statement comes to its end: publish what waited for it.
 */
extern void guard_waiting_executed(QueryDesc *queryDesc, int64 queryid);

#endif							/* GUARD_WHATIF_WAITING_H */
