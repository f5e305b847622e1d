/*-------------------------------------------------------------------------
 *
 * indexlist.c
 *	  The indexes that the planner gets to see of a table.
 *
 * The hook sits at the end of get_relation_info(), from where everything in
 * the planner takes its list of indexes (doc/internals/postgresql.md 3.1).  A
 * module that was loaded earlier and adds indexes of its own, as hypopg does,
 * is called first, so its inventions pass the filters, too; they bear OIDs
 * that no filter knows.  So are sizes that a profile has in place of those here.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "planner/planas/planas.h"
#include "planner/planner.h"

/* as many as there are files that hide, with room for one more */
#define MAX_FILTERS		5

static guard_indexlist_filter filters[MAX_FILTERS];
static int	nfilters = 0;

void
guard_indexlist_register(guard_indexlist_filter filter)
{
	Assert(nfilters < MAX_FILTERS);
	filters[nfilters++] = filter;
}

/*
 * Catalogs are never filtered: what hides an index must itself be able to look
 * into them.
 */
static void
filter_indexlist(RelOptInfo *rel, Oid heap, bool inhparent)
{
	if (heap < FirstNormalObjectId)
		return;
	guard_planas_relation(rel, heap, inhparent);
	for (int i = 0; i < nfilters && rel->indexlist != NIL; i++)
		filters[i] (rel, heap);
}

void
guard_indexlist_init(void)
{
	guard_compat_hook_indexlist(filter_indexlist);
}
