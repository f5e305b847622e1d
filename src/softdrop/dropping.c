/*-------------------------------------------------------------------------
 *
 * dropping.c
 *	  The steps that take long: the drop itself, and the way back after it.
 *
 * That a drop was begun is written down before it begins.  A worker that dies
 * in DROP INDEX CONCURRENTLY leaves the index invalid, and so does a server
 * that crashes; whoever comes next finds the row and runs the same statement
 * again, which goes on where the other one stopped
 * (doc/internals/postgresql.md 7.2).
 *
 * guard's own doors would judge the statement.  They do so, for the audit log,
 * and find out here that this very index is being dropped by guard itself.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "parser/parser.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/portal.h"

#include "softdrop/steps.h"
#include "store/store.h"

/* ----------------------------------------------------------------
 *		Statements that commit inside, run by a visitor.
 *
 * DROP, CREATE and REINDEX INDEX CONCURRENTLY cannot be run through SPI.  What
 * exec_simple_query() does for a client is done here for ourselves
 * (doc/internals/postgresql.md 7.1).  The trees must outlive the transactions
 * that the statement ends, so they live in a context of their own.
 * ----------------------------------------------------------------
 */

/*
 * As the visitor itself sets them: from another source they would not be set
 * back by it.
 */
static void
set_option(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

static void
run_in_portal(const char *sql, MemoryContext context)
{
	MemoryContext old;
	RawStmt    *parsetree;
	List	   *plans;
	Portal		portal;
	QueryCompletion completion;

	StartTransactionCommand();
	old = MemoryContextSwitchTo(context);
	parsetree = linitial_node(RawStmt, pg_parse_query(sql));
	plans = pg_plan_queries(pg_analyze_and_rewrite_fixedparams(parsetree, sql,
															   NULL, 0, NULL),
							sql, 0, NULL);
	MemoryContextSwitchTo(old);

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, CreateCommandTag(parsetree->stmt),
					  plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	(void) guard_compat_portal_run(portal, None_Receiver, &completion);
	PortalDrop(portal, false);
	CommitTransactionCommand();
}

void
guard_softdrop_run(const char *sql, int lock_timeout)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "guard statement of its own",
												  ALLOCSET_SMALL_SIZES);
	char		limit[16];
	char	   *before = MemoryContextStrdup(context,
											 GetConfigOption("lock_timeout", false, false));

	snprintf(limit, sizeof(limit), "%d", lock_timeout);
	set_option("lock_timeout", limit);
	PG_TRY();
	{
		run_in_portal(sql, context);
	}
	PG_CATCH();
	{
		/* the setting is not undone with the transaction: it was made outside */
		set_option("lock_timeout", before);
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	set_option("lock_timeout", before);
	MemoryContextDelete(context);
}

/*
 * DROP INDEX of a partitioned index knows no CONCURRENTLY: its lock stops all
 * traffic on the table while it waits, in milliseconds.
 */
#define PARTITIONED_LOCK_TIMEOUT	200

/*
 * Others may wait as long as they like, but it would be invalid meanwhile.
 */
#define LOCK_TIMEOUT				4000

/* What this session is dropping just now, on guard's behalf. */
static List *being_dropped = NIL;
static bool approved = false;	/* and by an approval that was used up */

void
guard_dropping_note(Oid index)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	being_dropped = lappend_oid(being_dropped, index);
	MemoryContextSwitchTo(old);
}

void
guard_dropping_forget(void)
{
	list_free(being_dropped);
	being_dropped = NIL;
	approved = false;
}

bool
guard_softdrop_is_own_drop(Oid index)
{
	return list_member_oid(being_dropped, index);
}

void
guard_dropping_check(Oid relation)
{
	if (being_dropped != NIL && !list_member_oid(being_dropped, relation))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is not the index that was to be dropped",
						guard_catalog_name(relation)),
				 errdetail("Names have changed meanwhile.")));
}

bool
guard_softdrop_is_approved_drop(void)
{
	return approved;
}

/* ---- old lockers ---- */

/*
 * Younger transactions will have ended before anybody notices; of prepared ones
 * nobody knows when they will.
 */
bool
guard_dropping_must_wait(const GuardSoftDrop *drop)
{
	List	   *tables = NIL;

	foreach_ptr(GuardSoftDropPart, part, drop->parts)
		tables = lappend_oid(tables, guard_catalog_table(part->index));
	return guard_query_int("SELECT count(*) FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
						   " WHERE l.locktype = 'relation' AND l.database = $1 AND l.relation = ANY ($2) AND l.granted"
						   " AND (l.pid IS NULL OR l.pid <> pg_backend_pid() AND a.xact_start < clock_timestamp() - interval '1 second')",
						   P_OID(MyDatabaseId), P_OIDS(tables)) > 0;
}

/* ---- the drop ---- */

/*
 * What is to be done, in a transaction that has begun; it outlives that one.  A
 * soft drop at which somebody else is, or that has gone, gives NULL.
 */
GuardSoftDrop *
guard_dropping_read(int64 id, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	GuardSoftDrop *drop = guard_softdrop_take(id, false);

	MemoryContextSwitchTo(old);
	return drop != NULL && drop->parts != NIL ? drop : NULL;
}

/*
 * Registrations go with the index, and are kept here.
 */
static void
mark_started(GuardSoftDrop *drop)
{
	if (drop->drop_started_at == 0)
		drop->drop_started_at = GetCurrentTimestamp();
	guard_softdrop_save(drop);
	(void) guard_query_execute("UPDATE guard.soft_drop s SET"
							   " dependencies = (SELECT jsonb_agg(to_jsonb(d)) FROM guard.dependency d"
							   "  JOIN guard.object o ON o.id = d.object WHERE o.index_oid = s.index_oid AND o.gone_at IS NULL) WHERE id = $1",
							   P_INT8(drop->id));
}

void
guard_dropping_drop(int64 id, MemoryContext context)
{
	GuardSoftDrop *drop;
	char	   *sql = NULL;

	guard_visit_begin();
	drop = guard_dropping_read(id, context);
	if (drop != NULL && drop->state <= GUARD_SOFTDROP_HIDDEN)
	{
		GuardSoftDropPart *self = linitial(drop->parts);

		mark_started(drop);
		approved = drop->approved_at != 0;
		if (OidIsValid(self->index))
			sql = MemoryContextStrdup(context,
									  psprintf("DROP INDEX %s%s", drop->partitioned ? "" : "CONCURRENTLY ",
											   guard_catalog_name(self->index)));
		foreach_ptr(GuardSoftDropPart, part, drop->parts)
			guard_dropping_note(part->index);
	}
	guard_visit_end();
	if (sql != NULL)
		guard_softdrop_run(sql, drop->partitioned ? PARTITIONED_LOCK_TIMEOUT : LOCK_TIMEOUT);
}
