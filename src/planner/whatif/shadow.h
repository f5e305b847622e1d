/*-------------------------------------------------------------------------
 *
 * shadow.h
 *	  A second planning that leaves no trace.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WHATIF_SHADOW_H
#define GUARD_WHATIF_SHADOW_H

#include "nodes/params.h"
#include "nodes/pg_list.h"
#include "nodes/plannodes.h"

/* What is to be planned, as planner_hook got it. */
typedef struct GuardShadow
{
	Query	   *query;			/* not touched: a copy of it is planned */
	const char *query_string;
	int			cursorOptions;
	ParamListInfo boundParams;
	List	   *relations;		/* OIDs of its tables and their indexes */
} GuardShadow;

/*
 * The plan without some indexes, in the current memory context; NULL when it
 * could not be made.  Raises nothing but what would have ended the statement
 * anyway: a cancel request, the end of the session.
 */
extern PlannedStmt *guard_shadow_plan(GuardShadow *shadow, List *indexes);

/* Is the planning at hand one of these? */
extern bool guard_shadow_running(void);

/* Can there be one now?  They need a subtransaction. */
extern bool guard_shadow_possible(void);

#endif							/* GUARD_WHATIF_SHADOW_H */
