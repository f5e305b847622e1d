/*-------------------------------------------------------------------------
 *
 * without.h
 *	  Planning as if some indexes were not there.
 *
 * By hand, with SET guard.without_index = 'public.idx_a, idx_b' or EXPLAIN
 * (WITHOUT_INDEX '...'), and for the shadow plans of what-if.  An index that is
 * left out takes those of all partitions below it along.  Nothing but plans
 * made in this session changes.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WITHOUT_H
#define GUARD_WITHOUT_H

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

/* Called by guard.c at start, before the settings are defined. */
extern void guard_without_init(void);

/*
 * Call "work"; whatever it plans, it plans without these indexes (a list of
 * OIDs), and without those that are left out already.  However it ends, they
 * are back afterwards.
 */
typedef void (*guard_without_work) (void *arg);
extern void guard_without_run(List *indexes, guard_without_work work,
							  void *arg);

/* Is anything being left out? */
extern bool guard_without_active(void);

/*
 * Called by hooks before an EXPLAIN: refuses WITHOUT_INDEX for a prepared
 * statement, whose plan may be there already (doc/internals/postgresql.md
 * 8.1).
 */
extern void guard_without_check_explain(ExplainStmt *stmt);

/*
 * The index of the partitioned table that an index goes with, or itself.
 */
extern Oid	guard_without_topmost(Oid index);

#endif							/* GUARD_WITHOUT_H */
