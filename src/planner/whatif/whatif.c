/*-------------------------------------------------------------------------
 *
 * whatif.c
 *	  What statements would cost without an index.
 *
 * This file has the hook, and decides when a statement is planned a second
 * time; behind it
 *
 *		sample.c	decides without which indexes, and compares
 *		trust.c		tells whose code planning may call
 *		proof.c		tells whether an index that is not scanned may matter
 *		shadow.c	plans without leaving a trace
 *		plan.c		reads what a plan scans and costs
 *		clock.c		tells when a statement is due, and what is left
 *						to spend
 *		waiting.c	keeps the outcome until the plan was executed
 *		table.c		and then in shared memory
 *		positions.c	tells where the values of parameters lie
 *		question.c	plans with an index that is hidden, when the watch
 *						asks
 *
 * planner_hook has what no later look at a statement's text has: its literals
 * and parameters, its search_path, role and locks (doc/internals/postgresql.md
 * 5.1, 5.4).  The planner scribbles on the Query, so a copy must be made
 * before it is known which indexes the plan will use, or how long planning
 * takes.  A copy costs some hundredths of the planning.  Therefore a statement
 * has a clock of its own, asked first: usually it is not due, and all that
 * happens beside the planning is that the indexes of the plan are looked up,
 * whether they are new for the statement, or its cost or what they find of a
 * new magnitude.  If so, the statement is due when it is planned next, until
 * such a plan comes by again.  And because what it costs without an index need
 * not show in what it costs with it, plannings are drawn by lot, too.
 *
 * When a statement is due:
 *
 *	- The one session that sets its clock goes on, all others plan as usual.
 *	- Planning took more processor time than guard.whatif_time_limit: off for an
 *	  hour, but for those that are drawn by lot and do not.
 *	- All sessions together have spent their share: off for ten seconds.
 *	- Otherwise it is planned without each index that its plan scans, those of
 *	  partitions together with the partitioned one they belong to, each pair by
 *	  its own clock.
 *	- And it is planned without the unique and expression indexes that it does
 *	  not scan, for the planner may have relied on their uniqueness, to remove a
 *	  join, or on their statistics (doc/internals/postgresql.md 2.7).  First without all of
 *	  them at once, which usually changes nothing.
 *	- As soon as that has taken the limit once more, the rest is left for the
 *	  next time.
 *
 * Not planned a second time: what EXPLAIN plans, what runs under
 * guard.without_index, anything in parallel mode, where there are no
 * subtransactions, statements without an identifier, statements whose planning
 * may call what is not in C, and indexes of catalogs, temporary tables and
 * guard's own tables.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/execdesc.h"
#include "utils/plancache.h"

#include "planner/capture/capture.h"
#include "planner/capture/marks.h"
#include "planner/capture/speed.h"
#include "planner/hide/hide.h"
#include "planner/planas/planas.h"
#include "planner/planner.h"
#include "planner/whatif/positions.h"
#include "planner/whatif/question.h"
#include "planner/whatif/sampling.h"
#include "store/store.h"

/* NULL when nobody wants to know what the planner sees. */
static GuardSeen *seen = NULL;

/* A hash of the indexes that the planner has seen of the statement at hand. */
static uint32 seen_indexes = 0;

/* The statement that was planned last: what is executed otherwise is cached. */
static int64 planned_last = 0;

/* A session's cached plans are made anew at most that often. */
#define REPLAN_PAUSE	(10 * USECS_PER_SEC)

static PlannedStmt *whatif_planner(Query *parse, const char *query_string,
								   int cursorOptions,
								   ParamListInfo boundParams,
								   struct ExplainState *es);
static PlannedStmt *plan(Query *parse, const char *query_string,
						 int cursorOptions, ParamListInfo boundParams,
						 struct ExplainState *es);
static void note_seen(RelOptInfo *rel, Oid heap);
static PlannedStmt *plan_and_sample(Query *parse, const char *query_string,
									int cursorOptions,
									ParamListInfo boundParams, int64 queryid,
									uint32 own_settings, bool asked, bool due, bool drawn);

static inline bool
is_on(void)
{
	return guard_guc_mode != GUARD_MODE_OFF && guard_guc_whatif;
}

/*
 * Called from _PG_init.  Without preloading there is nothing to keep records
 * in, nor anybody to tell other sessions what is sampled.
 */
void
guard_whatif_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	guard_whatif_table_init();
	guard_positions_init();
	guard_waiting_init();
	guard_indexlist_register(note_seen);
	guard_compat_hook_planner(whatif_planner);
}

/* ----------------------------------------------------------------
 *		Every planning
 * ----------------------------------------------------------------
 */

/*
 * Is this the planning of a statement that will be executed as it is planned,
 * and may there be a second one?
 */
static bool
may_be_sampled(struct ExplainState *es)
{
	return es == NULL && !guard_capture_in_explain() &&
		!guard_without_active() && guard_shadow_possible() &&
		guard_work_has_room();
}

/*
 * The identifier under which capture will note the execution.
 */
static inline int64
queryid_of(Query *parse)
{
	return parse->queryId != 0 ? (int64) parse->queryId :
		(int64) pgstat_get_my_query_id();
}

/*
 * The time is that of the statement the client sent: it is for the asking, and
 * one that takes long is sampled at its beginning.
 */
static inline int64
now_in_seconds(void)
{
	return GetCurrentStatementStartTimestamp() / USECS_PER_SEC;
}

/*
 * Pairs go by other clocks when the indexes of the statement's tables change.
 */
static inline int64
id_of_pairs(int64 statement, uint32 indexes)
{
	return statement ^ (int64) ((uint64) indexes << 32 | indexes);
}

/*
 * What a statement's clock and lots go by: who plans under settings of his own
 * takes nobody else's turn.
 */
static inline int64
id_of_statement(int64 queryid, uint32 own_settings)
{
	return queryid ^ (int64) ((uint64) own_settings << 32 | own_settings);
}

/* A statement that is not due. */
typedef struct NewLook
{
	int64		statement;
	int64		pairs;
	double		cost;			/* its plan's */
	bool		own;			/* it is that of settings of somebody's own */
} NewLook;

/*
 * An index in the plan of a statement that is not due: if it is new, or the
 * plan has never cost that much, or it has never found so many rows, let the
 * statement be due next time.
 */
static bool
look_for_new(Oid index, double rows, void *arg)
{
	const NewLook *look = (const NewLook *) arg;

	if (index < FirstNormalObjectId ||
		likely(!guard_clock_due(guard_clock_pair(look->pairs, index,
												 look->cost, rows),
								now_in_seconds())))
		return true;
	if (!look->own && guard_settings_own() != 0)
		return false;
	guard_clock_rewind(guard_clock_key(look->statement, InvalidOid));
	guard_lot_again(look->statement);
	return false;
}

/*
 * A statement has been planned.
 */
static inline void
note_planned(PlannedStmt *plan, int64 queryid)
{
	planned_last = queryid;
	if (unlikely(plan->planTree->total_cost >= GUARD_SPEED_MIN_COST) &&
		!guard_settings_own())
		guard_speed_planned(queryid, plan->planTree->total_cost);
}

/* What planner_hook is called with. */
typedef struct Planning
{
	Query	   *parse;
	const char *query_string;
	int			cursorOptions;
	ParamListInfo boundParams;
	struct ExplainState *es;
} Planning;

static PlannedStmt *
plan_whatever(void *arg)
{
	const Planning *planning = arg;

	return plan(planning->parse, planning->query_string,
				planning->cursorOptions, planning->boundParams, planning->es);
}

/*
 * The hook.  What capture has the plan carry is read from the query before.
 */
static PlannedStmt *
whatif_planner(Query *parse, const char *query_string, int cursorOptions,
			   ParamListInfo boundParams, struct ExplainState *es)
{
	Planning	planning = {parse, query_string, cursorOptions, boundParams, es};

	if (unlikely(guard_planas_explaining))
		return guard_planas_plan(parse, query_string, cursorOptions,
								 boundParams, es);
	return guard_marks_plan(parse, plan_whatever, &planning);
}

/*
 * Plan a statement, and maybe what it would be without an index.
 */
static PlannedStmt *
plan(Query *parse, const char *query_string, int cursorOptions,
	 ParamListInfo boundParams, struct ExplainState *es)
{
	int64		queryid = queryid_of(parse);
	uint32		outer_indexes = seen_indexes;
	PlannedStmt *result;
	int64		statement = queryid;
	uint32		own = 0;
	bool		asked;
	bool		drawn;
	bool		due;

	if (queryid == 0 || !is_on() || guard_shadow_running() ||
		!guard_store_is_here())
		return guard_compat_next_planner(parse, query_string, cursorOptions,
										 boundParams, es);
	asked = unlikely(guard_question_any()) && guard_question_concerns(queryid);
	due = guard_clock_due(guard_clock_key(queryid, InvalidOid), now_in_seconds());
	if (unlikely(due) && !asked && (own = guard_settings_own()) != 0)
	{
		statement = id_of_statement(queryid, own);
		due = guard_clock_due(guard_clock_key(statement, InvalidOid),
							  now_in_seconds());
	}
	due |= asked;
	drawn = guard_lot_falls(statement);
	if (unlikely(due || drawn) && may_be_sampled(es) &&
		(own != 0 || guard_settings_own() == 0))
		return plan_and_sample(parse, query_string, cursorOptions, boundParams,
							   queryid, own, asked, due, drawn);
	seen_indexes = 0;
	result = guard_compat_next_planner(parse, query_string, cursorOptions,
									   boundParams, es);
	if (likely(!due))
	{
		NewLook		look = {statement, id_of_pairs(statement, seen_indexes),
		guard_plan_cost(result, cursorOptions), own != 0};

		guard_plan_indexes(result, look_for_new, &look);
	}
	seen_indexes = outer_indexes;
	note_planned(result, queryid);
	return result;
}

/* ----------------------------------------------------------------
 *		A statement that is due
 * ----------------------------------------------------------------
 */

/*
 * Take note of a table that is being planned, and of its indexes.
 */
static void
note_seen(RelOptInfo *rel, Oid heap)
{
	MemoryContext old;

	if (guard_shadow_running())
	{
		guard_shadow_note(rel);
		return;
	}
	if (rel->reloptkind == RELOPT_BASEREL)
	{
		foreach_ptr(IndexOptInfo, each, rel->indexlist)
			seen_indexes ^=
			murmurhash32(each->indexoid);
	}
	if (likely(seen == NULL))
		return;
	old = MemoryContextSwitchTo(seen->context);
	seen->relations = lappend_oid(seen->relations, heap);
	seen->tables = lappend(seen->tables, rel);
	foreach_ptr(IndexOptInfo, info, rel->indexlist)
	{
		GuardSeenIndex *index;

		/* What hypopg invents has an OID, but is no relation. */
		if (info->hypothetical)
			continue;
		seen->relations = lappend_oid(seen->relations, info->indexoid);
		if (!info->unique && info->indexprs == NIL)
			continue;
		index = palloc(sizeof(*index));
		index->index = info->indexoid;
		index->unique = info->unique;
		index->expression = info->indexprs != NIL;
		seen->indexes = lappend(seen->indexes, index);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Make the real plan, watching, then look what else there might be.
 */
static PlannedStmt *
plan_and_sample(Query *parse, const char *query_string, int cursorOptions,
				ParamListInfo boundParams, int64 queryid, uint32 own_settings,
				bool asked, bool due, bool drawn)
{
	GuardSample sample = {0};
	GuardSeen  *outer = seen;
	uint32		outer_indexes = seen_indexes;
	MemoryContext context;
	MemoryContext old;
	int64		started;

	context = AllocSetContextCreate(CurrentMemoryContext, "guard what-if",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	sample.shadow.query = copyObject(parse);
	sample.shadow.query_string = query_string;
	sample.shadow.cursorOptions = cursorOptions;
	sample.shadow.boundParams = boundParams;
	sample.queryid = queryid;
	sample.own_settings = own_settings;
	sample.drawn = drawn;
	sample.due = due;
	sample.statement = id_of_statement(queryid, own_settings);
	sample.now = now_in_seconds();
	sample.seen.context = context;
	MemoryContextSwitchTo(old);

	seen = &sample.seen;
	seen_indexes = 0;
	started = guard_sample_clock();
	PG_TRY();
	{
		sample.plan = guard_compat_next_planner(parse, query_string,
												cursorOptions, boundParams,
												NULL);
	}
	PG_FINALLY();
	{
		seen = outer;
	}
	PG_END_TRY();
	sample.planning_ms = guard_sample_elapsed(started);
	sample.pairs = id_of_pairs(sample.statement, seen_indexes);
	seen_indexes = outer_indexes;
	note_planned(sample.plan, queryid);

	MemoryContextSwitchTo(context);
	sample.started = guard_sample_clock();
	guard_positions_plan(&sample);
	if (asked)
	{
		sample.shadow.relations = sample.seen.relations;
		if (guard_trust_query(sample.shadow.query, sample.plan->relationOids))
			guard_question_plan(&sample);
	}
	else
		guard_sample_statement(&sample);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return sample.plan;
}

/* ----------------------------------------------------------------
 *		Every execution
 * ----------------------------------------------------------------
 */

static bool
is_anybodys(Oid index, double rows, void *arg)
{
	*(bool *) arg |= index >= FirstNormalObjectId;
	return !*(bool *) arg;
}

/*
 * A plan from the session's cache never passes the planner, so a statement
 * that is due would stay so.  Have the session make its cached plans anew.
 * That marks them, and no more: each is made when it is next executed.
 */
static void
replan_cached(QueryDesc *queryDesc, int64 queryid)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentStatementStartTimestamp();
	bool		indexes = false;

	if (queryid == 0 || queryid == planned_last || !is_on() ||
		!may_be_sampled(NULL) || now - last < REPLAN_PAUSE ||
		!guard_clock_due(guard_clock_key(id_of_statement(queryid, guard_settings_own()),
										 InvalidOid),
						 now_in_seconds()))
		return;
	guard_plan_indexes(queryDesc->plannedstmt, is_anybodys, &indexes);
	if (!indexes)
		return;
	last = now;
	ResetPlanCache();
}

/* Nearly never is there anybody who waits for it. */
static pg_noinline void
tell_of_executed(QueryDesc *queryDesc, int64 queryid, bool published)
{
	if (guard_waiting_count > 0)
		guard_waiting_executed(queryDesc, queryid);
	if (guard_question_count > 0)
		guard_question_executed(queryDesc, queryid);
	if (published)
		replan_cached(queryDesc, queryid);
}

void
guard_whatif_executed(QueryDesc *queryDesc, int64 queryid, bool published)
{
	if (is_on())
		guard_positions_executed(queryDesc, queryid);
	if (unlikely(guard_waiting_count > 0 || guard_question_count > 0 || published))
		tell_of_executed(queryDesc, queryid, published);
}

/* ----------------------------------------------------------------
 *		Questions
 * ----------------------------------------------------------------
 */

/*
 * A pair may have two records, one of them planned ahead: the other one, or NULL.
 */
static GuardWhatIf *
other_of_pair(const GuardWhatIf *record, List *records)
{
	foreach_ptr(GuardWhatIf, other, records)
	{
		if (other->queryid == record->queryid && other->ahead != record->ahead)
			return other;
	}
	return NULL;
}

/*
 * Are there the usable indexes with which it was planned, or more of them?
 */
static bool
is_still_so(const GuardWhatIf *record, Oid index, uint32 indexes)
{
	return record->indexes == indexes ||
		record->indexes == guard_sample_indexes(index, record->at, NIL);
}

/*
 * Are there usable indexes, other than the heir, that are younger?  They may do what
 * would have cost more.
 */
static bool
has_younger(const GuardWhatIf *record, Oid heir)
{
	List	   *gone = list_make1_oid(heir);

	return guard_sample_indexes(heir, record->at, gone) != guard_sample_indexes(heir, 0, gone);
}

/*
 * Can all that its plans scan beside the index still be scanned, if the heir went,
 * which may be the index itself?  Then what else went changes none of them.
 */
static bool
is_as_possible(const GuardWhatIf *record, Oid heir)
{
	for (int i = 0; i < Min(record->relied.count, GUARD_RELIED); i++)
	{
		Oid			relied = record->relied.indexes[i];

		if (relied != record->index &&
			(relied == heir || !guard_catalog_is_valid(relied) || guard_hide_is_hidden(relied)))
			return false;
	}
	return record->role == GUARD_WHATIF_SCAN && record->relied.count <= GUARD_RELIED;
}

/*
 * The records of an index, as if its heir, or it itself, were to go now.  What was
 * sampled when its table had other usable indexes answers nothing, unless there
 * are only more of them now, for nothing costs more than it did because of these,
 * or none of those that went is in these plans.  What was planned ahead is not there
 * before it is so, and not where the statement has been planned since.
 */
static List *
read_records(Oid index, Oid heir)
{
	List	   *records = guard_whatif_table_read(index);
	uint32		indexes = records == NIL ? 0 : guard_sample_indexes(index, 0, NIL);
	List	   *result = NIL;

	foreach_ptr(GuardWhatIf, record, records)
	{
		const GuardWhatIf *other = other_of_pair(record, records);
		const GuardWhatIf *ahead = record->ahead ? record : other;
		const GuardWhatIf *own = record->ahead ? other : record;

		if (record != (ahead != NULL && (own == NULL || own->indexes != indexes) &&
					   is_still_so(ahead, index, indexes) ? ahead : own))
			continue;
		result = lappend(result, record);
		if (record->indexes == indexes)
			continue;
		record->fewer = !is_still_so(record, index, indexes);
		record->answers &= !record->fewer || (!record->ahead && is_as_possible(record, heir));
		if (has_younger(record, heir))
			record->found_ratio = record->found_extra = 0;
	}
	return result;
}

List *
guard_whatif_lookup(Oid index)
{
	Oid			top;
	List	   *result;

	if (!guard_whatif_table_attached())
		return NIL;
	result = read_records(index, index);
	top = guard_without_topmost(index);
	if (top != index)
		result = list_concat(result, read_records(top, top));
	return result;
}

List *
guard_whatif_lookup_gone(Oid index, Oid heir)
{
	return guard_whatif_table_attached() ? read_records(index, heir) : NIL;
}

bool
guard_whatif_untried(Oid index)
{
	return guard_whatif_table_attached() &&
		(guard_whatif_table_untried(index) ||
		 guard_whatif_table_untried(guard_without_topmost(index)));
}

void
guard_whatif_status(GuardWhatIfStatus *status)
{
	memset(status, 0, sizeof(*status));
	if (!guard_whatif_table_attached())
		return;
	status->available = true;
	status->on = is_on();
	guard_whatif_table_status(status);
}

void
guard_whatif_forget(Oid index)
{
	if (guard_whatif_table_attached())
		guard_whatif_table_forget(MyDatabaseId, index);
}

void
guard_whatif_forget_database(Oid database)
{
	if (!guard_whatif_table_attached())
		return;
	guard_whatif_table_forget(database, InvalidOid);
	guard_positions_forget(database);
}
