/*-------------------------------------------------------------------------
 *
 * recent.c
 *	  The indexes that went, or went out of sight, in the last hour.
 *
 * Three tables know of them.  One index is named once, with what happened to
 * it last and the statement that undoes that.  Nothing is told here that
 * everybody could not read in the catalogs while the index was there: whoever
 * may connect may LISTEN.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"

#include "alerts/recent.h"
#include "store/store.h"

static const char *const recent_query =
"WITH here AS ("
"  SELECT d.oid, c.system_identifier FROM pg_database d, pg_control_system() c"
"   WHERE d.datname = current_database()),"
" happened AS ("
"  SELECT 'dropped' AS what, a.index_name, a.at, a.\"session_user\" AS by,"
"         left(a.definition, 1000) AS undo"
"    FROM guard.audit_log a"
"   WHERE a.at > statement_timestamp() - interval '1 hour'"
"     AND a.verdict NOT IN ('block', 'failed', 'change')"
"     AND a.index_name IS NOT NULL"
"  UNION ALL"
"  SELECT 'hidden', format('%I.%I', h.table_schema, h.index_name), h.hidden_at, h.hidden_by,"
"         format('SELECT guard.unhide(%L);', format('%I.%I', h.table_schema, h.index_name))"
"    FROM guard.hidden_index h, here"
"   WHERE h.hidden_at > statement_timestamp() - interval '1 hour' AND h.kind = 'hand'"
"     AND h.database_oid = here.oid AND h.system_identifier = here.system_identifier"
"  UNION ALL"
"  SELECT 'soft drop, ' || s.state, format('%I.%I', s.index_schema, s.index_name),"
"         greatest(s.dropped_at, s.state_since), s.dropped_by,"
"         CASE WHEN s.state <> 'restored'"
"              THEN format('SELECT guard.restore(%L);', format('%I.%I', s.index_schema, s.index_name)) END"
"    FROM guard.soft_drop s, here"
"   WHERE greatest(s.dropped_at, s.state_since) > statement_timestamp() - interval '1 hour'"
"     AND s.database_oid = here.oid AND s.system_identifier = here.system_identifier)"
" SELECT jsonb_strip_nulls(jsonb_build_object('index', l.index_name, 'what', l.what, 'at', l.at,"
"                          'by', l.by, 'undo', l.undo))::text"
"   FROM (SELECT DISTINCT ON (h.index_name) h.* FROM happened h ORDER BY h.index_name, h.at DESC) l"
"  ORDER BY l.at DESC LIMIT 50";

typedef struct Recent
{
	List	   *items;
	MemoryContext context;
} Recent;

static void
take_item(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Recent	   *recent = arg;
	MemoryContext old = MemoryContextSwitchTo(recent->context);

	recent->items = lappend(recent->items, SPI_getvalue(tuple, desc, 1));
	MemoryContextSwitchTo(old);
}

List *
guard_recent_collect(void)
{
	Recent		recent = {NIL, CurrentMemoryContext};

	guard_store_select(recent_query, 0, NULL, NULL, NULL, take_item, &recent);
	return recent.items;
}
