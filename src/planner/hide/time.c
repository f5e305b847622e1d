/*-------------------------------------------------------------------------
 *
 * time.c
 *	  When indexes were hidden that are not any more.
 *
 * Nobody can use an index that is hidden, so of that time nothing can be
 * concluded: it neither ends a use nor makes an index cold.  What is hidden now
 * says so itself; of the past, guard.hidden_time keeps one row for each time
 * that an index was unhidden.  Where nobody hides, it is empty, and costs no
 * statement.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "planner/hide/hide.h"

/* guard.hidden_time */
#define TIME_OBJECT		1
#define TIME_FROM		2
#define TIME_UNTIL		3

/*
 * When it was hidden, itself or a partitioned index that it belongs to.
 */
List *
guard_hide_past(Oid index)
{
	List	   *spans = NIL;

	foreach_oid(each, guard_catalog_lineage(index))
	{
		GuardObject *object = guard_identity_of(each);
		GuardRows  *rows;

		if (object == NULL)
			continue;
		rows = guard_rows_surely(guard_rows_by_key("hidden_time", "hidden_time_object_idx",
												   TIME_OBJECT, P_UUID(&object->id)),
								 "hidden_time");
		while (guard_rows_next(rows))
		{
			GuardSpan  *span = palloc(sizeof(GuardSpan));

			span->from = guard_rows_time(rows, TIME_FROM);
			span->until = guard_rows_time(rows, TIME_UNTIL);
			spans = lappend(spans, span);
		}
	}
	return spans;
}
