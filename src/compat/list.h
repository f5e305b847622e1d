/*-------------------------------------------------------------------------
 *
 * list.h
 *	  foreach_ptr() and its like, which PostgreSQL has from 17 on
 *	  (14dd0f27d7cd).
 *
 * They walk a list whose elements have a type, and need no ListCell.  What is
 * deleted on the way (foreach_delete_current) needs foreach().
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_LIST_H
#define GUARD_LIST_H

#include "nodes/pg_list.h"

#if PG_VERSION_NUM < 170000
#define foreach_ptr(type, var, lst) foreach_internal(type, *, var, lst, lfirst)
#define foreach_int(var, lst)	foreach_internal(int, , var, lst, lfirst_int)
#define foreach_oid(var, lst)	foreach_internal(Oid, , var, lst, lfirst_oid)
#define foreach_internal(type, pointer, var, lst, func) \
	for (type pointer var = 0, pointer var##__outerloop = (type pointer) 1; \
		 var##__outerloop; \
		 var##__outerloop = 0) \
		for (ForEachState var##__state = {(lst), 0}; \
			 (var##__state.l != NIL && \
			  var##__state.i < var##__state.l->length && \
			 (var = (type pointer) func(&var##__state.l->elements[var##__state.i]), true)); \
			 var##__state.i++)
#endif

#endif							/* GUARD_LIST_H */
