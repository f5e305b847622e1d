/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  Which statements executed which indexes, recorded in shared memory.
 *
 * This file is the door: the hooks on one side, the questions of the rest of
 * guard on the other.  Behind it
 *
 *		walk.c		finds in an executed plan what it used
 *		pending.c	keeps it in the session and hands it over
 *		table.c		holds it in shared memory: relations
 *		sets.c		the same: statements and services
 *		runs.c		counts how often statements ran
 *		shares.c	shares it out, and knows what was lost
 *		room.c		whose record makes room for another
 *		file.c		keeps all that over a clean restart
 *		service.c	tells whom the session works for
 *
 * ExecutorEnd is where everything is known.  Nobody here has to know how deep
 * statements are nested: each is noted under its own query identifier, and is
 * published when it ends.  But those that end in an error have needed their
 * indexes as well, and have no ExecutorEnd, nor has a cursor that is open at
 * ROLLBACK: so ExecutorRun and ExecutorFinish note what an error cuts off, and
 * ExecutorRun what a cursor has used when it was first fetched from.
 * ExecutorStart serves only statements without an identifier: DECLARE CURSOR
 * and CREATE TABLE AS before 18 (doc/internals/postgresql.md 4.3).
 *
 * The time of a use is the start of the statement, or of the transaction if
 * that is later: it is for the asking, where looking at the clock is not.  So
 * the uses inside one long statement all bear the time of its beginning, but
 * those of a procedure that commits as it goes bear that of the last commit.
 *
 * What is not seen: COPY to or from a table, which bypasses the executor, as
 * do foreign key checks on PostgreSQL 19 (doc/internals/postgresql.md 4.2) and
 * the apply workers of logical replication (doc/internals/postgresql.md 2.8);
 * and statements in which the whole session ends.
 *
 * Nothing is noted without preloading, because a session that had not loaded
 * the library could not be told from one that used nothing.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "storage/ipc.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

#include "planner/capture/capture.h"
#include "planner/capture/departed.h"
#include "planner/capture/marks.h"
#include "planner/capture/speed.h"
#include "planner/capture/tables.h"
#include "planner/planner.h"
#include "planner/whatif/whatif.h"
#include "store/store.h"

/* More than any statements account for. */
#define UNKNOWN_USES	(PG_INT64_MAX / 2)

/* Statements without an identifier that may be open at a time, e.g. cursors */
#define NAMELESS	16

typedef struct NamelessStatement
{
	QueryDesc  *queryDesc;
	int64		queryid;		/* of the statement the client sent */
} NamelessStatement;

static NamelessStatement nameless[NAMELESS];
static int	next_nameless = 0;

/* Cursors that have been noted, but have not ended; of this transaction. */
#define CURSORS		16

typedef struct Cursor
{
	QueryDesc  *queryDesc;
	GuardRun	run;
} Cursor;

/*
 * Statements that have ended well in this session a moment ago: that one is cut
 * off now would be no news, so nothing is set up to notice.  By the last bits
 * of their identifiers.
 */
#define ENDED		64
#define A_MOMENT	(10 * USECS_PER_SEC)

typedef struct Ended
{
	int64		queryid;
	TimestampTz at;
} Ended;

static Ended ended[ENDED];

static Cursor cursors[CURSORS];
static int	ncursors = 0;		/* ever; the last ones are known */

static int	explain_depth = 0;

/* The check that runs, and what forgets it however it ends; NULL: none does. */
static QueryDesc *check = NULL;
static MemoryContextCallback check_over;

/* One item: this transaction drops the extension. */
static GuardXactList extension_goes = GUARD_XACT_LIST_INIT(extension_goes);
static bool counted_off = false;	/* is this session among those off? */

static ExecutorStart_hook_type prev_ExecutorStart = NULL;
static ExecutorRun_hook_type prev_ExecutorRun = NULL;
static ExecutorFinish_hook_type prev_ExecutorFinish = NULL;
static ExecutorEnd_hook_type prev_ExecutorEnd = NULL;

static void switched(bool on);
static void capture_ExecutorStart(QueryDesc *queryDesc, int eflags);
static void capture_ExecutorRun(GUARD_COMPAT_RUN_PARAMETERS);
static void capture_ExecutorFinish(QueryDesc *queryDesc);
static void capture_ExecutorEnd(QueryDesc *queryDesc);
static void capture_xact_end(GuardXactPhase phase);

/*
 * Called from _PG_init.
 */
void
guard_capture_init(void)
{
	guard_xact_register(GUARD_XACT_OVER, capture_xact_end);
	if (!process_shared_preload_libraries_in_progress)
		return;

	EnableQueryId();
	guard_guc_set_switched(switched);

	guard_table_init();
	guard_shares_init();
	guard_sets_init();
	guard_runs_init();
	guard_mail_init();
	guard_departed_init();
	guard_speed_init();
	guard_marks_init();
	guard_commands_init();
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = capture_ExecutorStart;
	prev_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = capture_ExecutorRun;
	prev_ExecutorFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = capture_ExecutorFinish;
	prev_ExecutorEnd = ExecutorEnd_hook;
	ExecutorEnd_hook = capture_ExecutorEnd;
}

/* ----------------------------------------------------------------
 *		Switched on and off
 * ----------------------------------------------------------------
 */

static inline bool
is_on(void)
{
	return guard_guc_mode != GUARD_MODE_OFF && guard_guc_capture;
}

/*
 * The opposite of count_off(); also called when the session ends.
 */
static void
count_on(int code, Datum arg)
{
	if (counted_off)
		guard_shares_session_on();
	counted_off = false;
}

/*
 * A statement ran uncaptured.  From here on, until this session is switched
 * on again or ends, nobody can say "not seen" in this database.
 *
 * It counts from the first statement that touches a relation, not from the
 * switch itself: a session that is switched off, does DDL, and is switched on
 * again has hidden nothing.
 */
static void
count_off(QueryDesc *queryDesc)
{
	static bool registered = false;

	if (IsParallelWorker() || !OidIsValid(MyDatabaseId) ||
		!guard_table_attached() || !guard_walk_touches(queryDesc))
		return;
	if (!registered)
		before_shmem_exit(count_on, (Datum) 0);
	registered = true;
	counted_off = true;
	guard_shares_session_off();
}

/*
 * The settings changed in this process.  In the postmaster, and before shared
 * memory is there, counted_off is never set.
 */
static void
switched(bool on)
{
	if (on)
		count_on(0, (Datum) 0);
}

/* ----------------------------------------------------------------
 *		EXPLAIN
 * ----------------------------------------------------------------
 */

void
guard_capture_enter_explain(void)
{
	guard_xact_follow();
	explain_depth++;
}

bool
guard_capture_in_explain(void)
{
	return explain_depth > 0;
}

void
guard_capture_leave_explain(void)
{
	if (explain_depth > 0)
		explain_depth--;
}

/*
 * Whatever was left open by an error ends with the transaction.
 */
static void
capture_xact_end(GuardXactPhase phase)
{
	explain_depth = 0;
	ncursors = 0;
	if (guard_xact_list_empty(&extension_goes))
		return;
	guard_xact_list_clear(&extension_goes);
	if (phase == GUARD_XACT_COMMITTED)
	{
		guard_shares_release();
		guard_departed_forget_database(MyDatabaseId);
	}
}

/* ----------------------------------------------------------------
 *		The executor
 * ----------------------------------------------------------------
 */

static void
forget_check(void *arg)
{
	check = NULL;
}

/*
 * A foreign key runs its statements under a flag of its own, which stays up in
 * whatever their triggers run: the outermost is the check.
 */
static void
note_check(QueryDesc *queryDesc)
{
	check = queryDesc;
	check_over.func = forget_check;
	MemoryContextRegisterResetCallback(queryDesc->estate->es_query_cxt, &check_over);
}

/* The place of a cursor that has been noted; NULL: it has not. */
static Cursor *
find_cursor(QueryDesc *queryDesc)
{
	for (int i = 1; i <= Min(ncursors, CURSORS); i++)
	{
		Cursor	   *cursor = &cursors[(ncursors - i) % CURSORS];

		if (cursor->queryDesc == queryDesc)
			return cursor;
	}
	return NULL;
}

/* Another execution begins there. */
static pg_noinline void
forget_cursor(QueryDesc *queryDesc)
{
	Cursor	   *cursor = find_cursor(queryDesc);

	if (cursor != NULL)
		cursor->queryDesc = NULL;
}

/*
 * Remember what the client sent, for a statement without an identifier: when
 * it ends, as a cursor does at COMMIT, the client has long sent another.
 */
static pg_noinline void
note_nameless(QueryDesc *queryDesc)
{
	nameless[next_nameless].queryDesc = queryDesc;
	nameless[next_nameless].queryid = (int64) pgstat_get_my_query_id();
	next_nameless = (next_nameless + 1) % NAMELESS;
}

static void
capture_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	/* A cursor that stood here in memory has gone. */
	if (unlikely(ncursors > 0))
		forget_cursor(queryDesc);

	if (unlikely(queryDesc->plannedstmt->queryId == 0) && is_on())
		note_nameless(queryDesc);

	if (prev_ExecutorStart)
		prev_ExecutorStart(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
	if (unlikely(check == NULL && InNoForceRLSOperation()) && is_on())
		note_check(queryDesc);
}

/*
 * The identifier that ExecutorStart remembered; 0 if it is no longer known.
 * Newest first, for the memory of an ended statement may be used again.
 */
static int64
find_nameless(QueryDesc *queryDesc)
{
	for (int i = 1; i <= NAMELESS; i++)
	{
		NamelessStatement *entry =
			&nameless[(next_nameless + NAMELESS - i) % NAMELESS];

		if (entry->queryDesc == queryDesc)
			return entry->queryid;
	}
	return 0;
}

/*
 * EXPLAIN executes nothing; workers' nodes are in the leader's plan.
 */
static bool
executes(QueryDesc *queryDesc)
{
	return queryDesc->planstate != NULL &&
		!(queryDesc->estate->es_top_eflags & EXEC_FLAG_EXPLAIN_ONLY) &&
		!IsParallelWorker();
}

/*
 * Note what an execution has used so far, the run being new or one that has
 * been noted before.  True: something was published.
 */
static bool
note_uses(QueryDesc *queryDesc, int64 queryid, GuardRun *run)
{
	guard_pending_begin(queryid, run);
	guard_walk_execution(queryDesc, explain_depth > 0, queryDesc == check);
	return guard_pending_end();
}

static int64
queryid_of(QueryDesc *queryDesc)
{
	int64		queryid = (int64) queryDesc->plannedstmt->queryId;

	return likely(queryid != 0) ? queryid : find_nameless(queryDesc);
}

/*
 * Whatever its plan looks like; of a cursor, what has not been noted yet.
 */
static pg_noinline bool
note_rest(QueryDesc *queryDesc, int64 queryid)
{
	Cursor	   *cursor = ncursors > 0 ? find_cursor(queryDesc) : NULL;
	GuardRun	run = {0};

	if (cursor != NULL)
		run = cursor->run;
	return note_uses(queryDesc, queryid, &run);
}

/*
 * Note what an execution used, now that it has come to its end.
 */
static void
note_execution(QueryDesc *queryDesc)
{
	int64		queryid;
	Relation	lone;
	bool		published;

	if (!executes(queryDesc) || !guard_store_is_here())
		return;
	queryid = queryid_of(queryDesc);
	lone = explain_depth > 0 || ncursors > 0 || queryDesc == check ? NULL :
		guard_walk_lone(queryDesc);
	if (lone != NULL)
		published = guard_pending_lone(queryid, lone);
	else
	{
		published = note_rest(queryDesc, queryid);
		if (explain_depth > 0)
			return;
	}
	if (unlikely(guard_whatif_listens(queryid) || published))
		guard_whatif_executed(queryDesc, queryid, published);
	if (unlikely(queryDesc->plannedstmt->planTree->total_cost >= GUARD_SPEED_MIN_COST))
		guard_speed_learn(queryDesc, queryid);
}

/*
 * The same where an error ends it: nothing is looked up any more.
 */
static void
note_cut_off(QueryDesc *queryDesc)
{
	GuardRun	run = {0};

	if (!is_on() && !counted_off)
		count_off(queryDesc);
	else if (is_on() && guard_store_known && executes(queryDesc) &&
			 find_cursor(queryDesc) == NULL)
		(void) note_uses(queryDesc, queryid_of(queryDesc), &run);
}

/*
 * May more be fetched from it?  EXECUTE makes a portal of its own, too, but
 * shows it to nobody.
 */
static inline bool
is_cursor(Portal portal, QueryDesc *queryDesc)
{
	return portal != NULL && portal->name[0] != '\0' && portal->visible &&
		portal->queryDesc == queryDesc;
}

/*
 * The same for a cursor, which may never come to an end, when rows have been
 * fetched from it for the first time.
 */
static pg_noinline void
note_cursor(QueryDesc *queryDesc)
{
	Cursor	   *cursor = &cursors[ncursors % CURSORS];

	if (!is_on() || !executes(queryDesc) || !guard_store_is_here() ||
		find_cursor(queryDesc) != NULL)
		return;
	guard_xact_follow();
	cursor->queryDesc = queryDesc;
	memset(&cursor->run, 0, sizeof(cursor->run));
	(void) note_uses(queryDesc, queryid_of(queryDesc), &cursor->run);
	ncursors++;
}

/* Has the same ended well a moment ago? */
static inline bool
is_no_news(QueryDesc *queryDesc)
{
	int64		queryid = (int64) queryDesc->plannedstmt->queryId;
	const Ended *one = &ended[queryid & (ENDED - 1)];

	return one->queryid == queryid && queryid != 0 &&
		GetCurrentStatementStartTimestamp() - one->at < A_MOMENT;
}

/*
 * From now on an error of the same is no news.  Noted where errors are watched
 * for, and not at every ExecutorEnd: the usual execution is not watched.
 */
static void
note_ended(QueryDesc *queryDesc)
{
	int64		queryid = (int64) queryDesc->plannedstmt->queryId;

	if (explain_depth > 0 || !is_on())
		return;
	ended[queryid & (ENDED - 1)].queryid = queryid;
	ended[queryid & (ENDED - 1)].at = GetCurrentStatementStartTimestamp();
}

/* Has it, when its rows are there, triggers to run, which may raise an error? */
static inline bool
may_still_fail(QueryDesc *queryDesc)
{
	return queryDesc->operation != CMD_SELECT ||
		queryDesc->plannedstmt->hasModifyingCTE;
}

static inline void
run_on(GUARD_COMPAT_RUN_PARAMETERS)
{
	if (prev_ExecutorRun)
		prev_ExecutorRun(GUARD_COMPAT_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(GUARD_COMPAT_RUN_ARGUMENTS);
}

/* Apart, since what may catch errors needs much of the stack. */
static pg_noinline void
run_watched(GUARD_COMPAT_RUN_PARAMETERS)
{
	PG_TRY();
	{
		run_on(GUARD_COMPAT_RUN_ARGUMENTS);
		if (count == 0 && !may_still_fail(queryDesc))
			note_ended(queryDesc);
	}
	PG_CATCH();
	{
		note_cut_off(queryDesc);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
capture_ExecutorRun(GUARD_COMPAT_RUN_PARAMETERS)
{
	if (likely(is_no_news(queryDesc)))
		run_on(GUARD_COMPAT_RUN_ARGUMENTS);
	else
		run_watched(GUARD_COMPAT_RUN_ARGUMENTS);
	if (unlikely(is_cursor(ActivePortal, queryDesc)))
		note_cursor(queryDesc);
}

static inline void
finish(QueryDesc *queryDesc)
{
	if (prev_ExecutorFinish)
		prev_ExecutorFinish(queryDesc);
	else
		standard_ExecutorFinish(queryDesc);
}

static pg_noinline void
finish_watched(QueryDesc *queryDesc)
{
	PG_TRY();
	{
		finish(queryDesc);
		note_ended(queryDesc);
	}
	PG_CATCH();
	{
		note_cut_off(queryDesc);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Triggers are run here, where something was written. */
static void
capture_ExecutorFinish(QueryDesc *queryDesc)
{
	if (likely(!may_still_fail(queryDesc) || is_no_news(queryDesc)))
		finish(queryDesc);
	else
		finish_watched(queryDesc);
}

static void
capture_ExecutorEnd(QueryDesc *queryDesc)
{
	if (likely(is_on()))
		note_execution(queryDesc);
	else if (!counted_off)
		count_off(queryDesc);

	if (prev_ExecutorEnd)
		prev_ExecutorEnd(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);
}

/* ----------------------------------------------------------------
 *		Questions
 * ----------------------------------------------------------------
 */

/*
 * See capture.h for all of these.  Where guard is not preloaded, nothing is
 * available and nothing is known.
 */
void
guard_capture_status(GuardCaptureStatus *status)
{
	memset(status, 0, sizeof(*status));
	if (guard_table_attached())
		guard_table_status(status);
}

bool
guard_capture_available(void)
{
	return guard_table_attached();
}

/*
 * Uses per second over the last minute, or for as long as capture was there to
 * see them: not over the time of a burst.  The current bucket is not yet over,
 * so the ring spans between fifty and sixty seconds.
 */
static double
rate_per_second(const GuardTally *tally, const GuardOwnUse *own)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		bucket = GUARD_RATE_BUCKET_SECS * USECS_PER_SEC;
	int64		span = (GUARD_RATE_BUCKETS - 1) * bucket + now % bucket;
	int64		uses = guard_rate_sum(&tally->rate, now);

	if (own)
		uses -= guard_rate_sum(&own->rate, now);
	span = Min(span, now - guard_table_since());
	return (double) Max(uses, 0) * USECS_PER_SEC / Max(span, bucket);
}

/*
 * Have everything in the shared tables that is known of a relation, InvalidOid
 * for all: what this session did, and what others could not publish.  False:
 * something could not be published.
 */
static bool
publish_all(Oid relation)
{
	guard_pending_flush(false);
	return guard_mail_deliver(relation);
}

/*
 * What a record says of uses of one kind, as this session sees it: without what
 * it did itself.
 */
static const GuardOwnUse *
fill_tally(const GuardRelationRecord *record, const GuardTally *tally,
		   GuardCapturedUse *use)
{
	const GuardOwnUse *own = guard_pending_own(record->key.relation, tally->fkey);

	memset(use, 0, sizeof(*use));
	use->relation = record->key.relation;
	use->fkey = tally->fkey;
	use->made = record->made;
	use->first = tally->first;
	use->last = guard_last_by_others(&tally->used, guard_pending_session());
	use->last_any = tally->used.last;
	use->own_count = own ? Min(own->count, tally->count) : 0;
	use->count = tally->count - use->own_count;
	use->rate = rate_per_second(tally, own);
	use->longest_pause = tally->longest_pause;
	use->other_services = record->others;
	use->names.own = guard_last_by_others(&record->named, guard_pending_session());
	use->names.more = record->more_views;
	for (int i = 0; i < GUARD_CAPTURE_VIEWS; i++)
	{
		use->names.views[i] = record->by_view[i].view;
		use->names.by_view[i] = guard_last_by_others(&record->by_view[i].used,
													 guard_pending_session());
	}
	return own;
}

/*
 * The same of all but checks.  A root's statements are of either kind.
 */
static void
fill_use(const GuardRelationRecord *record, GuardCapturedUse *use)
{
	const GuardOwnUse *own = fill_tally(record, &record->uses, use);
	uint64		session = guard_pending_session();

	if (record->is_root)
	{
		use->last_any = record->last;
		use->count = record->count;
	}
	use->last_aimed = guard_last_by_others(&record->aimed, session);
	use->aimed_count =
		Max(record->aimed_count - (own ? own->aimed_count : 0), 0);
	use->last_write = guard_last_by_others(&record->written, session);
	use->write_count =
		Max(record->write_count - (own ? own->write_count : 0), 0);
	use->excused = record->excused;
	use->statements = guard_sets_count_statements(use->relation) +
		(record->rooted ? guard_sets_count_statements(record->root) : 0);
}

/*
 * Append what a record says of checks and of needs.
 */
static List *
append_checks(List *uses, const GuardRelationRecord *record)
{
	for (int i = 0; i < GUARD_CAPTURE_FKEYS && record->checks[i].count > 0; i++)
	{
		GuardCapturedUse *use = palloc(sizeof(*use));

		(void) fill_tally(record, &record->checks[i], use);
		uses = lappend(uses, use);
	}
	for (int way = GUARD_WAY_READ + 1; way < GUARD_WAYS; way++)
	{
		GuardCapturedUse *use;

		if (record->needs[way].count == 0)
			continue;
		use = palloc(sizeof(*use));
		(void) fill_tally(record, &record->needs[way], use);
		uses = lappend(uses, use);
	}
	return uses;
}

bool
guard_capture_lookup(Oid relation, GuardCapturedUse *use)
{
	GuardRelationRecord record;

	memset(use, 0, sizeof(*use));
	use->relation = relation;
	if (!guard_table_attached())
		return false;
	use->unreadable = !publish_all(relation);
	if (use->unreadable ||
		!guard_table_read(relation, &record, &use->unreadable) ||
		record.is_root)
		return false;
	fill_use(&record, use);
	return true;
}

/* What the look-up for the others could not read, it has told. */
List *
guard_capture_checks(Oid relation)
{
	GuardRelationRecord record;
	bool		unreadable;

	return guard_table_attached() &&
		guard_table_read(relation, &record, &unreadable) ?
		append_checks(NIL, &record) : NIL;
}

TimestampTz
guard_capture_lost(Oid relation)
{
	Oid			owner = guard_table_attached() ? guard_catalog_owner(relation) : InvalidOid;

	return OidIsValid(owner) ? guard_shares_lost(relation, owner) : 0;
}

List *
guard_capture_relations(bool roots)
{
	List	   *records;
	List	   *result = NIL;

	if (!guard_table_attached())
		return NIL;
	(void) publish_all(InvalidOid);
	records = guard_table_relations(roots);
	foreach_ptr(GuardRelationRecord, record, records)
	{
		GuardCapturedUse *use = palloc(sizeof(*use));

		fill_use(record, use);
		result = append_checks(lappend(result, use), record);
	}
	list_free_deep(records);
	return result;
}

/*
 * The record of a relation, of a member with its root, which is found out by
 * whoever asks first.  False: there is none, or it is unreadable.
 */
static bool
read_rooted(Oid relation, GuardRelationRecord *record, bool *unreadable)
{
	GuardRelationRecord top;
	Oid			root;

	*unreadable = !publish_all(relation);
	if (*unreadable || !guard_table_read(relation, record, unreadable))
		return false;
	if (!record->member ||
		(record->rooted && guard_table_read(record->root, &top, unreadable)))
		return true;
	root = guard_without_topmost(relation);
	if (root == relation)
		return true;
	guard_table_adopt(relation, root);
	return guard_table_read(relation, record, unreadable);
}

List *
guard_capture_statements(List *relations, int64 *uses)
{
	List	   *roots = NIL;
	List	   *result = NIL;
	int64		known = -1;
	GuardRelationRecord record;
	bool		unreadable;

	foreach_oid(relation, guard_table_attached() ? relations : NIL)
	{
		if (!read_rooted(relation, &record, &unreadable))
		{
			known = unreadable ? UNKNOWN_USES : known;
			if (!unreadable)
				result = list_concat(result, guard_sets_statements(relation));
			continue;
		}
		if (record.rooted)
			roots = lappend_oid(roots, record.root);
		known = Max(known, 0) + (record.rooted ? record.apart : record.count);
		result = list_concat(result, guard_sets_statements(relation));
	}
	list_sort(roots, list_oid_cmp);
	list_deduplicate_oid(roots);
	foreach_oid(root, roots)
	{
		/* one that made room, or went: nothing tells what is lacking */
		known = guard_table_read(root, &record, &unreadable) ?
			known + record.count : UNKNOWN_USES;
		result = list_concat(result, guard_sets_statements(root));
	}
	if (uses != NULL)
		*uses = known;
	return result;
}

List *
guard_capture_services(Oid relation, bool *unreadable)
{
	if (!guard_table_attached())
		return NIL;
	(void) publish_all(relation);
	return guard_sets_services(relation, guard_pending_session(), unreadable);
}

/* Is it time to look for records of what is not there any more? */
bool
guard_capture_wants_purge(void)
{
	return guard_table_attached() && guard_table_is_nearly_full() &&
		guard_shares_claim_purge();
}

/* History has written down what a record held. */
void
guard_capture_saved(Oid relation, int64 count)
{
	if (guard_table_attached())
		guard_table_saved(relation, count);
}

void
guard_capture_forget(Oid relation, bool statements)
{
	if (!guard_table_attached())
		return;
	guard_pending_forget(relation);
	guard_table_forget(relation, statements);
	guard_whatif_forget(relation);
}

void
guard_capture_extension_goes(void)
{
	static GuardXactItem item;

	if (!guard_table_attached() || !guard_xact_list_empty(&extension_goes))
		return;
	guard_xact_list_add(&extension_goes, &item);
}

void
guard_capture_forget_database(Oid database)
{
	if (!guard_table_attached())
		return;
	guard_table_forget_database(database);
	guard_departed_forget_database(database);
	guard_whatif_forget_database(database);
}
