/*-------------------------------------------------------------------------
 *
 * marks.h
 *	  What a statement needs and only its Query says, carried by its plan.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_MARKS_H
#define GUARD_MARKS_H

#include "access/attnum.h"
#include "nodes/plannodes.h"

#include "ground.h"

/* Called at start. */
extern void guard_marks_init(void);

/*
 * Have a query planned, and its plan carry what it needs.
 */
typedef PlannedStmt *(*guard_marks_planner) (void *arg);
extern PlannedStmt *guard_marks_plan(Query *query, guard_marks_planner plan,
									 void *arg);

/*
 * The views that it goes through, and whether there are any; and is this a table
 * that such a statement names itself?
 */
extern bool guard_marks_views(const PlannedStmt *plan, void (*note) (Oid view));
extern bool guard_marks_named(const PlannedStmt *plan, Oid table);

/*
 * Does it name this index's constraint as its ON CONFLICT arbiter?  Has it an
 * INSERT ... ON CONFLICT DO NOTHING without a target, and does that supply a
 * column?  And on which keys does a GROUP BY rely?
 */
extern bool guard_marks_name(const PlannedStmt *plan, Oid index);
extern bool guard_marks_leave_out(const PlannedStmt *plan);
extern bool guard_marks_supply(const PlannedStmt *plan, AttrNumber column);
extern void guard_marks_groups(const PlannedStmt *plan,
							   void (*note) (Oid index, Oid owner));

#endif							/* GUARD_MARKS_H */
