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

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "softdrop/need.h"
#include "softdrop/statement.h"
#include "store/store.h"

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
static MemoryContext dropping_context = NULL;
static bool approved = false;	/* and by an approval that was used up */

/*
 * The list lives as long as the long step.
 */
void
guard_dropping_note(Oid index)
{
	MemoryContext old = MemoryContextSwitchTo(dropping_context);

	being_dropped = lappend_oid(being_dropped, index);
	MemoryContextSwitchTo(old);
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
						guard_dropping_name_now(relation)),
				 errdetail("Names have changed meanwhile.")));
}

bool
guard_softdrop_is_approved_drop(void)
{
	return approved;
}

bool
guard_dropping_is_valid(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		return false;
	valid = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	ReleaseSysCache(tuple);
	return valid;
}

/* ---- old lockers ---- */

static void
take_flag(HeapTuple tuple, TupleDesc desc, void *arg)
{
	bool		isnull;

	*(bool *) arg = DatumGetBool(SPI_getbinval(tuple, desc, 1, &isnull));
}

/*
 * Younger transactions will have ended before anybody notices; of prepared ones
 * nobody knows when they will.
 */
bool
guard_dropping_must_wait(const GuardSoftDrop *drop)
{
	Oid			types[] = {OIDOID, OIDARRAYOID};
	Datum		values[2];
	Datum	   *tables = palloc(list_length(drop->parts) * sizeof(Datum));
	int			n = 0;
	bool		found = false;
	ListCell   *lc;

	foreach(lc, drop->parts)
	{
		Oid			table = IndexGetRelation(((GuardSoftDropPart *) lfirst(lc))->index, true);

		if (OidIsValid(table))
			tables[n++] = ObjectIdGetDatum(table);
	}
	values[0] = ObjectIdGetDatum(MyDatabaseId);
	values[1] = PointerGetDatum(construct_array(tables, n, OIDOID, sizeof(Oid),
												true, TYPALIGN_INT));
	guard_store_select("SELECT EXISTS (SELECT FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
					   " WHERE l.locktype = 'relation' AND l.database = $1 AND l.relation = ANY ($2) AND l.granted"
					   " AND (l.pid IS NULL OR l.pid <> pg_backend_pid() AND a.xact_start < clock_timestamp() - interval '1 second'))",
					   2, types, values, NULL, take_flag, &found);
	return found;
}

/* ---- the drop ---- */

/*
 * Read what is to be done, in a transaction of its own; the result lives in
 * "context".  A soft drop at which somebody else is, or that has gone, gives NULL.
 */
GuardSoftDrop *
guard_dropping_read(int64 id, MemoryContext context)
{
	GuardSoftDrop *drop;
	MemoryContext old = MemoryContextSwitchTo(context);

	PushActiveSnapshot(GetTransactionSnapshot());
	drop = guard_softdrop_take(id, false);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	return drop;
}

/*
 * Registrations go with the index, and are kept here.
 */
static void
mark_started(GuardSoftDrop *drop)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(drop->id)};

	if (drop->drop_started_at == 0)
		drop->drop_started_at = GetCurrentTimestamp();
	drop->next_step = "being dropped now";
	drop->next_at = 0;
	PushActiveSnapshot(GetTransactionSnapshot());
	guard_softdrop_save(drop);
	guard_store_execute("UPDATE guard.soft_drop s SET"
						" dependencies = (SELECT jsonb_agg(to_jsonb(d)) FROM guard.dependency d"
						"  WHERE d.index_oid = s.index_oid AND d.database_oid = s.database_oid"
						"  AND d.system_identifier = s.system_identifier) WHERE id = $1",
						1, types, values, NULL);
	PopActiveSnapshot();
}

/*
 * The name that an index bears now, to be used in a statement.
 */
char *
guard_dropping_name_now(Oid index)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(index)),
									  get_rel_name(index));
}

static void
do_drop(int64 id, MemoryContext context)
{
	GuardSoftDrop *drop;
	GuardSoftDropPart *self;
	char	   *sql;
	MemoryContext old;
	ListCell   *lc;

	StartTransactionCommand();
	drop = guard_dropping_read(id, context);
	self = drop == NULL || drop->parts == NIL ? NULL : linitial(drop->parts);
	if (self == NULL || !OidIsValid(self->index) ||
		drop->state == GUARD_SOFTDROP_DROPPED ||
		drop->state == GUARD_SOFTDROP_RESTORED)
	{
		CommitTransactionCommand();
		return;
	}
	mark_started(drop);
	approved = drop->approved_at != 0;
	old = MemoryContextSwitchTo(context);
	sql = psprintf("DROP INDEX %s%s", drop->partitioned ? "" : "CONCURRENTLY ",
				   guard_dropping_name_now(self->index));
	foreach(lc, drop->parts)
		being_dropped = lappend_oid(being_dropped,
									((GuardSoftDropPart *) lfirst(lc))->index);
	MemoryContextSwitchTo(old);
	CommitTransactionCommand();

	guard_softdrop_run(sql, drop->partitioned ? PARTITIONED_LOCK_TIMEOUT : LOCK_TIMEOUT);
}

/* ---- the way back ---- */

static void
do_rebuild(int64 id, MemoryContext context)
{
	GuardSoftDrop *drop;
	GuardSoftDropPart *self;
	MemoryContext old;
	char	   *sql;
	char	   *done;

	StartTransactionCommand();
	drop = guard_dropping_read(id, context);
	self = drop == NULL || drop->parts == NIL ? NULL : linitial(drop->parts);
	if (self == NULL || !OidIsValid(self->index))
	{
		CommitTransactionCommand();
		return;
	}
	old = MemoryContextSwitchTo(context);
	sql = psprintf("REINDEX INDEX CONCURRENTLY %s", guard_dropping_name_now(self->index));
	MemoryContextSwitchTo(old);
	CommitTransactionCommand();

	guard_softdrop_run(sql, 0);

	StartTransactionCommand();
	drop = guard_dropping_read(id, context);
	if (drop == NULL)
	{
		/* it is valid by now: the next visit does the rest */
		CommitTransactionCommand();
		return;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	done = guard_softdrop_bring_back(drop, "a person asked for it; it was rebuilt");
	ereport(LOG, (errmsg_internal("%s", done)));
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* ---- what they have in common ---- */

typedef void (*long_step) (int64 id, MemoryContext context);

static void
run_step(long_step what, int64 id)
{
	dropping_context = AllocSetContextCreate(TopMemoryContext, "guard dropping",
											 ALLOCSET_SMALL_SIZES);
	PG_TRY();
	{
		what(id, dropping_context);
	}
	PG_FINALLY();
	{
		being_dropped = NIL;
		approved = false;
		MemoryContextDelete(dropping_context);
	}
	PG_END_TRY();
}

void
guard_dropping_drop(int64 id)
{
	run_step(do_drop, id);
}

void
guard_dropping_rebuild(int64 id)
{
	run_step(do_rebuild, id);
}

void
guard_dropping_create(int64 id)
{
	run_step(guard_creating_run, id);
}
