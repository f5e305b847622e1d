/*-------------------------------------------------------------------------
 *
 * trust.h
 *	  Whose code may run while a statement is planned?
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WHATIF_TRUST_H
#define GUARD_WHATIF_TRUST_H

#include "nodes/parsenodes.h"

/*
 * Is everything that planning this query may call written in C?  The query is
 * as planner_hook gets it, rewritten and not yet planned; "relations" are the
 * OIDs of the tables in its plan, which the caller has locked.  The look-ups
 * scribble on the query's operators, and allocate in the current memory
 * context.
 */
extern bool guard_trust_query(Query *query, List *relations);

#endif							/* GUARD_WHATIF_TRUST_H */
