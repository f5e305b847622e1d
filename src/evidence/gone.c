/*-------------------------------------------------------------------------
 *
 * gone.c
 *	  What is remembered of the use of an index that is gone.
 *
 * While it goes its description is put into shared memory, which cannot fail
 * behind a lock, in a read-only transaction or in the middle of CONCURRENTLY;
 * capture keeps its record, and history its row.  A snapshot brings all of that
 * together in one row of guard.departed, and the next one, which finds the row
 * committed, lets go of the rest.
 *
 * Where shared memory has no room for it, or where guard is not preloaded, the
 * row is written at the end of the statement, and what cannot be written has
 * not happened.  Where that cannot be had either (CONCURRENTLY, guard.mode not
 * enforce), what is known of the table's indexes begins anew.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"

#include "evidence/gone.h"
#include "evidence/history/history.h"
#include "evidence/needs/needs.h"

/* guard.departed */
#define DEPARTED_INDEX		1
#define DEPARTED_TABLE		2
#define DEPARTED_KEY		3
#define DEPARTED_SCHEMA		4
#define DEPARTED_TABLE_NAME	5
#define DEPARTED_NAME		6
#define DEPARTED_CREATED_AT	7
#define DEPARTED_GONE_AT	8
#define DEPARTED_SHAPE		9
#define DEPARTED_BY_PLAN	10
#define DEPARTED_FIRST		11
#define DEPARTED_LAST		12
#define DEPARTED_USES		13
#define DEPARTED_PAUSE		14
#define DEPARTED_DAYS		15
#define DEPARTED_SERVICES	16
#define DEPARTED_WAY		17
#define DEPARTED_SCANS		18
#define DEPARTED_SINCE		19

/* DEPARTED_WAY: a GuardWay, of reads none, or all checks of foreign keys. */
#define NO_WAY				GUARD_WAYS
#define WAY_CHECKS			(GUARD_WAYS + 1)

/* ----------------------------------------------------------------
 *		Its use
 * ----------------------------------------------------------------
 */

static void
merge(const GuardFact *fact, GuardFact *merged)
{
	if (merged->count == 0)
		merged->pause = -1;
	if (fact->last >= merged->last)
		merged->names = fact->names;
	merged->last = Max(merged->last, fact->last);
	merged->count = Max(merged->count, Max(fact->count, fact->known_uses));
	merged->pause = Max(merged->pause, fact->pause);
	merged->days = Max(merged->days, fact->days);
	if (fact->first != 0 && (merged->first == 0 || fact->first < merged->first))
		merged->first = fact->first;
	if (fact->last == 0 && fact->since != 0 &&
		(merged->since == 0 || fact->since < merged->since))
		merged->since = fact->since;
	if (merged->who == NULL)
		merged->who = fact->who;
}

/*
 * The same of what it was needed for.  What REFRESH needs is known of its view.
 */
static void
merge_needed(const GuardFact *fact, GuardPastUse *use)
{
	if (fact->way == GUARD_WAY_REFRESH)
		return;
	foreach_ptr(GuardFact, merged, use->needed)
	{
		if (merged->way == fact->way)
		{
			merge(fact, merged);
			return;
		}
	}
	use->needed = lappend(use->needed, memcpy(palloc(sizeof(GuardFact)), fact,
											  sizeof(GuardFact)));
}

/*
 * Since when must it have been watched, to be known as unused?  What an index did
 * before guard was here never made its successor an unknown one.
 */
static TimestampTz
origin_of(TimestampTz created_at)
{
	return created_at != 0 ? created_at : guard_server_installed_at();
}

/*
 * Did some of this use come under a name that its table has lost?
 */
static bool
came_under(const GuardEvidence *past, const GuardFact *fact,
		   const GuardUnder *under)
{
	if (!OidIsValid(under->view))
		return fact->moved_away && !past->move.detached &&
			(under->name == NULL || fact->moved_from == NULL ||
			 strcmp(fact->moved_from, under->name) == 0) &&
			(fact->names == NULL || fact->names->own != 0);
	for (int i = 0; i < GUARD_CAPTURE_VIEWS && fact->names != NULL; i++)
	{
		/* one that is gone may have been made anew */
		if (fact->names->by_view[i] != 0 &&
			(fact->names->views[i] == under->view ||
			 !guard_catalog_exists(fact->names->views[i])))
			return true;
	}
	return fact->names == NULL || fact->names->more != 0;
}

bool
guard_gone_read(GuardShape *shape, const GuardDeparted *departed,
				const GuardServer *server, const GuardUnder *under,
				bool passes_on, GuardPastUse *use)
{
	GuardEvidence *past = palloc0(sizeof(GuardEvidence));
	GuardObject *object;
	TimestampTz origin;

	memset(use, 0, sizeof(*use));
	if (departed != NULL)
	{
		shape->index = departed->index;
		shape->table = departed->table;
		shape->name = pstrdup(NameStr(departed->name));
		shape->schema = pstrdup(NameStr(departed->schema));
		shape->table_name = pstrdup(NameStr(departed->table_name));
	}
	past->index = shape->index;
	past->shape = shape;
	past->departed = departed;
	past->server = server;
	past->as_of = GetCurrentTimestamp();
	past->asked.passes_on = passes_on;
	if (departed == NULL)
	{
		past->roles.subscribed = guard_needs_subscribed(shape->table);
		object = guard_identity_of(shape->index);
		past->created_at = object != NULL && object->index == shape->index ?
			object->created_at : 0;
	}
	else
		past->created_at = departed->created_at;
	origin = origin_of(past->created_at);
	guard_evidence_collect_size(past);
	guard_youth_collect(past);
	guard_usage_collect(past);
	guard_proves_collect_reliance(past, true);
	guard_history_collect(past);
	guard_profile_collect(past);
	(void) guard_nodes_collect_uses(past);
	guard_predecessors_limit(past);
	if (under != NULL && !OidIsValid(under->view))
		guard_moved_collect(past);

	use->unread = past->unread;
	use->created_at = past->created_at;
	use->origin = past->older != 0 ? Min(origin, past->older) : origin;
	foreach_ptr(const GuardFact, fact, past->facts)
	{
		use->idle |= guard_evidence_covers(fact, use->origin);

		if (fact->seen == GUARD_SEEN_USED && !fact->installation &&
			(under == NULL || came_under(past, fact, under)))
		{
			if (fact->profile != NULL)
			{
				use->profiled = lappend(use->profiled, unconstify(GuardFact *, fact));
				continue;
			}
			if (fact->way != GUARD_WAY_READ)
			{
				merge_needed(fact, use);
				continue;
			}
			merge(fact, fact->fkey != 0 ? &use->checks : fact->last != 0 ? &use->dated : &use->undated);
			if (fact->fkey != 0)
				use->checks.fkey = use->checks.fkey == 0 || use->checks.fkey == fact->fkey ?
					fact->fkey : GUARD_FKEY_ANY;
			if (fact->source == GUARD_SOURCE_COUNTERS)
				use->counted = *fact;
		}
		use->unread |= fact->seen == GUARD_SEEN_UNKNOWN &&
			fact->source == GUARD_SOURCE_HISTORY;
	}
	use->idle &= use->checks.count == 0 && use->dated.count == 0 && use->undated.count == 0 &&
		use->profiled == NIL && !use->unread;
	return !use->idle || use->needed != NIL;
}

/* ----------------------------------------------------------------
 *		Going
 * ----------------------------------------------------------------
 */

/*
 * The view by which it was used last, and not by its table's name; InvalidOid: none.
 */
static Oid
last_view(const GuardNames *names)
{
	Oid			view = InvalidOid;
	TimestampTz last = 0;

	for (int i = 0; i < GUARD_CAPTURE_VIEWS && names != NULL && names->own == 0; i++)
	{
		if (names->by_view[i] <= last || names->views[i] == GUARD_BOUND_BODY)
			continue;
		last = names->by_view[i];
		view = names->views[i];
	}
	return view;
}

/*
 * The name by which traffic called the table when it last did: that of a view, or
 * its own, unless another table bears that in its stead.
 */
static void
set_names(GuardDeparted *departed, const GuardShape *shape, TimestampTz used,
		  const GuardNames *names)
{
	Oid			view = last_view(names);
	GuardBefore *before = OidIsValid(view) && guard_before_any() ?
		guard_before_relation(view) : NULL;

	namestrcpy(&departed->name, shape->name);
	if (before != NULL || (OidIsValid(view) && guard_catalog_exists(view)))
	{
		namestrcpy(&departed->schema, before != NULL ? before->schema :
				   get_namespace_name(get_rel_namespace(view)));
		namestrcpy(&departed->table_name, before != NULL ? before->name :
				   get_rel_name(view));
		return;
	}
	if (guard_moved_former_name(shape->table, used, &departed->schema,
								&departed->table_name))
		return;
	namestrcpy(&departed->schema, shape->schema);
	namestrcpy(&departed->table_name, shape->table_name);
}

static GuardDeparted *
describe(const GuardShape *described, TimestampTz used, const GuardNames *names)
{
	GuardDeparted *departed = palloc0(sizeof(GuardDeparted));
	GuardShape *shape = guard_shape_copy(described);

	guard_moved_call(shape, used);
	departed->index = shape->index;
	departed->table = shape->table;
	departed->at = GetCurrentTimestamp();
	set_names(departed, shape, used, names);
	departed->shape = guard_shape_to_text(shape, true);
	if (strlen(departed->shape) + 1 >= GUARD_DEPARTED_SHAPES)
		departed->shape = guard_shape_to_text(shape, false);
	return departed;
}

/*
 * Has it, or may it have been used, at a look that costs next to nothing?
 */
bool
guard_evidence_seems_used(Oid index)
{
	PgStat_StatTabEntry *tab = pgstat_fetch_stat_tabentry(index);
	GuardCapturedUse use;

	return (tab != NULL && tab->numscans > 0) ||
		guard_capture_lookup(index, &use) || use.unreadable;
}

GuardDeparted *
guard_gone_note(Oid index, char *name, bool concurrent)
{
	bool		off = guard_guc_mode == GUARD_MODE_OFF;
	GuardShape *shape;
	GuardDeparted *departed;
	GuardPastUse use;

	if (off && !guard_evidence_seems_used(index))
		return NULL;
	shape = guard_shape_read(index);
	if (shape == NULL)
		return NULL;
	shape->name = name;
	if (!guard_gone_read(shape, NULL, guard_server_read(), NULL, false, &use) &&
		!concurrent)
		return NULL;
	departed = describe(shape, Max(use.dated.last, use.checks.last), use.dated.names);
	departed->scans = use.counted.count;
	departed->scans_since = use.counted.since;
	departed->created_at = use.created_at;
	departed->last_scan = use.counted.last;
	if (guard_departed_note(departed))
		return NULL;
	return departed;
}

/*
 * "gone" goes for the sake of indexes that serve its statements, as their plans
 * say, and whose shapes would not lead back to it.
 */
static GuardDeparted *
describe_by_plan(const GuardEvidence *gone)
{
	GuardDeparted *departed;
	StringInfoData shapes;
	TimestampTz used = 0;
	const GuardNames *names = NULL;

	foreach_ptr(const GuardFact, fact, gone->facts)
	{
		if (fact->of_table || fact->last < used)
			continue;
		used = fact->last;
		names = fact->names;
	}
	departed = describe(gone->shape, used, names);
	initStringInfo(&shapes);
	foreach_ptr(const GuardReplacement, heir, gone->plans.takeovers)
	{
		GuardShape *shape = guard_shape_read(heir->index);

		if (shape != NULL)
			appendStringInfo(&shapes, "%s%s", shapes.len > 0 ? GUARD_GONE_NEXT : "",
							 guard_shape_to_text(shape, false));
	}
	departed->by_plan = shapes.len > 0 ? shapes.data : NULL;
	return departed;
}

bool
guard_gone_intend(const GuardEvidence *gone)
{
	return guard_departed_note(describe_by_plan(gone));
}

/* ----------------------------------------------------------------
 *		Rows
 * ----------------------------------------------------------------
 */

/*
 * What profiles say of it is not in the row.
 */
static void
read_profiles(const GuardDeparted *departed, GuardPastUse *use)
{
	GuardServer *server = palloc0(sizeof(GuardServer));
	GuardShape *shape = palloc0(sizeof(GuardShape));
	GuardEvidence *past = palloc0(sizeof(GuardEvidence));

	server->profiles = guard_profile_read();
	shape->index = past->index = departed->index;
	shape->table = departed->table;
	past->shape = shape;
	past->departed = departed;
	past->server = server;
	guard_profile_collect(past);
	foreach_ptr(GuardFact, fact, past->facts)
	{
		if (fact->seen == GUARD_SEEN_USED)
			use->profiled = lappend(use->profiled, fact);
	}
}

static GuardGoneRow *
read_row(const GuardRows *rows)
{
	GuardGoneRow *row = palloc0(sizeof(GuardGoneRow));
	GuardDeparted *departed = &row->departed;
	GuardFact  *dated = &row->use.dated;
	GuardFact  *undated = &row->use.undated;

	departed->index = guard_rows_oid(rows, DEPARTED_INDEX);
	departed->table = guard_rows_oid(rows, DEPARTED_TABLE);
	namestrcpy(&departed->schema, guard_rows_text(rows, DEPARTED_SCHEMA));
	namestrcpy(&departed->table_name, guard_rows_text(rows, DEPARTED_TABLE_NAME));
	namestrcpy(&departed->name, guard_rows_text(rows, DEPARTED_NAME));
	departed->created_at = guard_rows_time(rows, DEPARTED_CREATED_AT);
	departed->at = guard_rows_time(rows, DEPARTED_GONE_AT);
	departed->shape = guard_rows_text(rows, DEPARTED_SHAPE);
	departed->by_plan = guard_rows_text(rows, DEPARTED_BY_PLAN);
	dated->first = guard_rows_time(rows, DEPARTED_FIRST);
	dated->last = guard_rows_time(rows, DEPARTED_LAST);
	dated->count = guard_rows_int(rows, DEPARTED_USES);
	dated->pause = guard_rows_int_or(rows, DEPARTED_PAUSE, -1);
	dated->days = (int) guard_rows_int(rows, DEPARTED_DAYS);
	dated->who = guard_rows_text(rows, DEPARTED_SERVICES);
	dated->way = guard_rows_oid(rows, DEPARTED_WAY);
	read_profiles(departed, &row->use);
	if (dated->way == WAY_CHECKS)
	{
		dated->way = GUARD_WAY_READ;
		dated->fkey = GUARD_FKEY_ANY;
		row->use.checks = *dated;
		memset(dated, 0, sizeof(*dated));
	}
	row->use.idle = dated->way != GUARD_WAY_READ;
	row->use.origin = origin_of(departed->created_at);
	undated->count = guard_rows_int(rows, DEPARTED_SCANS);
	undated->since = guard_rows_time(rows, DEPARTED_SINCE);
	undated->pause = -1;
	row->committed =
		!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(rows->tuple->t_data));
	return row;
}

static GuardRows *
open_rows(const char *index, int column, GuardParam key)
{
	GuardRows  *rows = guard_rows_by_key("departed", index, column, key);

	if (rows == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not read table \"guard.%s\"", "departed"),
				 errdetail("Another session holds a lock on it, or it has been dropped.")));
	return rows;
}

List *
guard_gone_rows(Oid table, const char *schema, const char *name)
{
	GuardRows  *rows = open_rows("departed_table_oid_idx", DEPARTED_TABLE, P_OID(table));
	List	   *result = NIL;

	while (guard_rows_next(rows))
		result = lappend(result, read_row(rows));
	rows = open_rows("departed_name_key_idx", DEPARTED_KEY,
					 P_INT8(guard_departed_key(schema, name)));
	while (guard_rows_next(rows))
	{
		GuardGoneRow *row = read_row(rows);

		if (row->departed.table != table &&
			strcmp(NameStr(row->departed.schema), schema) == 0 &&
			strcmp(NameStr(row->departed.table_name), name) == 0)
			result = lappend(result, row);
	}
	return result;
}

static void
insert_row(const GuardDeparted *departed, const GuardPastUse *use)
{
	const GuardFact *dated = &use->dated;
	const char *schema = NameStr(departed->schema);
	const char *table = NameStr(departed->table_name);

	guard_query_execute("INSERT INTO guard.departed VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
						P_OID(departed->index), P_OID(departed->table),
						P_INT8(guard_departed_key(schema, table)),
						P_NAME(schema), P_NAME(table), P_NAME(NameStr(departed->name)),
						P_TIME(departed->created_at), P_TIME(departed->at),
						P_TEXT(departed->shape),
						P_TEXT(departed->by_plan), P_TIME(dated->first),
						P_TIME(dated->last), P_INT8(dated->count),
						P_NULL_IF(dated->count == 0 || dated->pause < 0,
								  P_INT8(dated->pause)),
						P_INT4(dated->days), P_TEXT(dated->who),
						P_OID(dated->way), P_INT8(use->undated.count),
						P_TIME(use->undated.since));
}

/*
 * Write the rows of an index that is gone from the catalogs, as this transaction
 * sees them: of one that was not used only for whose sake it went, if plans said.
 * False: there is nothing to tell.
 */
static bool
write_gone(const GuardDeparted *departed, const GuardServer *server)
{
	const GuardPastUse nothing = {.dated.way = NO_WAY, .undated.pause = -1};
	GuardPastUse checks = nothing;
	GuardShape *shape = guard_shape_from_text(departed->shape, departed->table);
	GuardPastUse use;

	if (shape == NULL ||
		(!guard_gone_read(shape, departed, server, NULL, false, &use) &&
		 departed->by_plan == NULL))
		return false;
	if (use.unread)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not read what is known of the use of index \"%s\"",
						NameStr(departed->name))));
	guard_query_execute("DELETE FROM guard.departed WHERE index_oid = $1",
						P_OID(departed->index));
	checks.dated = use.checks;
	checks.dated.way = WAY_CHECKS;
	if (use.checks.count > 0)
		insert_row(departed, &checks);
	if (use.dated.count > 0 || use.undated.count > 0 || (!use.idle && use.checks.count == 0))
		insert_row(departed, &use);
	else if (departed->by_plan != NULL)
		insert_row(departed, &nothing);
	foreach_ptr(GuardFact, fact, use.needed)
	{
		GuardPastUse needed = {.dated = *fact, .undated = {.pause = -1}};

		insert_row(departed, &needed);
	}
	return true;
}

void
guard_gone_write(List *departed)
{
	GuardServer *server = departed != NIL ? guard_server_read() : NULL;

	foreach_ptr(GuardDeparted, each, departed)
		(void) write_gone(each, server);
}

void
guard_gone_by_plan(const GuardEvidence *gone)
{
	GuardDeparted *departed = describe_by_plan(gone);

	(void) guard_departed_note(departed);
	(void) write_gone(departed, gone->server);
}

/*
 * "object" in the terms of what would have been noted.  NULL: it was, or nobody
 * had used it.
 */
static GuardDeparted *
describe_unnoted(const GuardObject *object)
{
	TimestampTz there = object->gone_at != 0 ? object->gone_at : object->last_seen;
	GuardDeparted *departed;

	if (there >= guard_departed_since() ||
		guard_departed_have(object->index))
		return NULL;
	departed = palloc0(sizeof(GuardDeparted));
	departed->index = object->index;
	departed->table = object->table;
	departed->at = there;
	departed->created_at = object->created_at;
	namestrcpy(&departed->schema, object->schema);
	namestrcpy(&departed->table_name, object->table_name);
	namestrcpy(&departed->name, object->name);
	departed->shape = object->shape;
	return departed;
}

List *
guard_gone_unnoted(Oid table, const char *schema, const char *name)
{
	List	   *result = NIL;

	/* nothing is lost where nothing is noted in memory */
	if (guard_departed_since() == 0)
		return NIL;
	foreach_ptr(const GuardObject, object, guard_identity_gone_of(table, schema, name,
																  guard_departed_since()))
	{
		GuardDeparted *departed = describe_unnoted(object);

		if (departed != NULL)
			result = lappend(result, departed);
	}
	return result;
}

/* ----------------------------------------------------------------
 *		Snapshots
 * ----------------------------------------------------------------
 */

/*
 * Does the index work, and is nobody dropping it?  Whoever does holds a lock
 * that is in the way of this one, CONCURRENTLY included.
 */
static bool
stays(const GuardDeparted *departed)
{
	bool		valid;

	if (!ConditionalLockRelationOid(departed->index, ShareUpdateExclusiveLock))
		return false;
	valid = guard_catalog_is_valid(departed->index);
	UnlockRelationOid(departed->index, ShareUpdateExclusiveLock);
	return valid;
}

/*
 * Has it been written down, by a transaction that has committed?
 */
static bool
has_row(const GuardDeparted *departed)
{
	GuardRows  *rows = open_rows("departed_index_oid_idx", DEPARTED_INDEX,
								 P_OID(departed->index));
	bool		found = false;

	while (guard_rows_next(rows))
	{
		const GuardGoneRow *row = read_row(rows);

		found |= row->departed.at == departed->at && row->committed;
	}
	return found;
}

/*
 * Nothing is asked of it any more.
 */
static void
prune(void)
{
	guard_query_execute("DELETE FROM guard.departed WHERE gone_at"
						" + GREATEST($1 * interval '1 second', longest_pause * interval '1.5 microsecond') < clock_timestamp()",
						P_INT8(guard_guc_lookback));
	guard_query_execute("DELETE FROM guard.moved_table m WHERE how IN ('l', 'p') AND moved_at + $1 * interval '1 second' < clock_timestamp()"
						" AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = m.table_oid)"
						" AND NOT EXISTS (SELECT FROM guard.departed d WHERE d.table_oid = m.table_oid)",
						P_INT8(guard_guc_lookback));
}

/*
 * Whoever is still told by one of these is told by the row, or there is nothing
 * to tell.
 */
static void
forget(const GuardDeparted *departed)
{
	guard_history_forget(departed->index);
	guard_capture_forget(departed->index, false);
	guard_departed_forget(departed->index, departed->at);
}

/*
 * What guard.object knows of indexes that are gone is written down as well where
 * nobody noted it, and then need not be known there.
 */
static void
snapshot_unnoted(const GuardServer *server)
{
	List	   *indexes = NIL;

	foreach_ptr(const GuardObject, object, guard_identity_all_gone())
	{
		GuardDeparted *departed = describe_unnoted(object);

		if (departed != NULL && !has_row(departed))
			(void) write_gone(departed, server);
		indexes = lappend_oid(indexes, object->index);
	}
	guard_identity_forget_shapes(indexes);
}

void
guard_gone_snapshot(void)
{
	const GuardServer *server = guard_server_read();

	foreach_ptr(const GuardDeparted, departed, guard_departed_all())
	{
		if (IndexGetRelation(departed->index, true) == departed->table)
		{
			if (stays(departed))
				guard_departed_forget(departed->index, departed->at);
		}
		else if (has_row(departed) || !write_gone(departed, server))
			forget(departed);
	}
	snapshot_unnoted(server);
	prune();
}
