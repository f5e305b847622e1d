/*-------------------------------------------------------------------------
 *
 * whatif.c
 *	  What statements would cost without an index.
 *
 * This file decides what is planned a second time, and when; behind it
 *
 *		whatif_shadow.c		plans without leaving a trace
 *		whatif_plan.c		reads what a plan scans and costs
 *		whatif_clock.c		tells when a statement is due, and what is left
 *							to spend
 *		whatif_table.c		keeps the outcome in shared memory
 *
 * planner_hook has what no later look at a statement's text has: its literals
 * and parameters, its search_path, role and locks (PG-INTERNALS 5.1, 5.4).
 * The planner scribbles on the Query, so a copy must be made before it is
 * known which indexes the plan will use, or how long planning takes.  A copy
 * costs some hundredths of the planning.  Therefore a statement has a clock of
 * its own, asked first: usually it is not due, and all that happens beside the
 * planning is that the indexes of the plan are looked up, whether they are new
 * for the statement.  If one is, the statement is due when it is planned next.
 *
 * When a statement is due:
 *
 *	- The one session that sets its clock goes on, all others plan as usual.
 *	- Planning took longer than guard.whatif_time_limit: off for a day.
 *	- All sessions together have spent their share: off for ten seconds.
 *	- Otherwise it is planned without each index that its plan scans, those of
 *	  partitions together with the partitioned one they belong to, each pair by
 *	  its own clock.
 *	- And it is planned without the unique and expression indexes that it does
 *	  not scan, for the planner may have relied on their uniqueness, to remove a
 *	  join, or on their statistics (PG-INTERNALS 2.7).  First without all of
 *	  them at once, which usually changes nothing.
 *	- As soon as that has taken the limit once more, the rest is left for the
 *	  next time.
 *
 * Not planned a second time: what EXPLAIN plans, what runs under
 * guard.without_index, anything in parallel mode, where there are no
 * subtransactions, statements without an identifier, and indexes of catalogs,
 * temporary tables and guard's own tables.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "portability/instr_time.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/backend_status.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat/compat.h"
#include "guc.h"
#include "planner/capture.h"
#include "planner/indexlist.h"
#include "planner/whatif.h"
#include "planner/whatif_plan.h"
#include "planner/whatif_shadow.h"
#include "planner/whatif_table.h"
#include "planner/without.h"
#include "store/store.h"

/* A statement that is off, and one that had to wait, are due after seconds: */
#define OFF_FOR			86400
#define POSTPONED_FOR	10

/* Costs and rows that differ by less are the same. */
#define MATERIAL		0.01

/* An index that the planner saw while it made the real plan. */
typedef struct SeenIndex
{
	Oid			index;
	bool		unique;
	bool		expression;
} SeenIndex;

/*
 * What the planner is seeing for the statement at hand, in the statement's own
 * memory; NULL when nobody wants to know.
 */
typedef struct Seen
{
	MemoryContext context;
	List	   *relations;		/* OIDs of tables and indexes, some twice */
	List	   *indexes;		/* SeenIndex *, those that may matter unscanned */
} Seen;

static Seen *seen = NULL;

/* One statement that is due. */
typedef struct Sample
{
	GuardShadow shadow;
	PlannedStmt *plan;			/* the real one */
	List	   *scans;			/* what it scans */
	Seen		seen;
	int64		queryid;
	int64		now;			/* seconds */
	bool		generic;
	double		planning_ms;
	instr_time	started;		/* sampling, after the real planning */
	bool		unfinished;		/* left something for the next time */
} Sample;

/* An index, or a partitioned one with those of its partitions. */
typedef struct Candidate
{
	Oid			index;			/* the topmost */
	List	   *leaves;			/* those that are scanned */
	List	   *heaps;			/* tables scanned with them */
	GuardWhatIfRole role;
} Candidate;

static PlannedStmt *whatif_planner(Query *parse, const char *query_string,
								   int cursorOptions,
								   ParamListInfo boundParams,
								   struct ExplainState *es);
static void note_seen(RelOptInfo *rel, Oid heap);
static PlannedStmt *plan_and_sample(Query *parse, const char *query_string,
									int cursorOptions,
									ParamListInfo boundParams, int64 queryid);
static void sample_statement(Sample *sample);

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
	guard_shadow_init();
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
		!guard_without_active() && guard_shadow_possible();
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
 * An index in the plan of a statement that is not due: if it is new, let the
 * statement be due next time.
 */
static bool
look_for_new(Oid index, void *arg)
{
	int64		queryid = *(int64 *) arg;

	if (index < FirstNormalObjectId ||
		likely(!guard_clock_due(guard_clock_key(queryid, index),
								now_in_seconds())))
		return true;
	guard_clock_rewind(guard_clock_key(queryid, InvalidOid));
	return false;
}

static PlannedStmt *
whatif_planner(Query *parse, const char *query_string, int cursorOptions,
			   ParamListInfo boundParams, struct ExplainState *es)
{
	int64		queryid = queryid_of(parse);
	PlannedStmt *plan;
	bool		due;

	if (queryid == 0 || !is_on() || guard_shadow_running() ||
		!guard_store_is_here())
		return guard_compat_next_planner(parse, query_string, cursorOptions,
										 boundParams, es);
	due = guard_clock_due(guard_clock_key(queryid, InvalidOid),
						  now_in_seconds());
	if (unlikely(due) && may_be_sampled(es))
		return plan_and_sample(parse, query_string, cursorOptions, boundParams,
							   queryid);
	plan = guard_compat_next_planner(parse, query_string, cursorOptions,
									 boundParams, es);
	if (likely(!due))
		guard_plan_indexes(plan, look_for_new, &queryid);
	return plan;
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
	ListCell   *lc;

	if (likely(seen == NULL) || guard_shadow_running())
		return;
	old = MemoryContextSwitchTo(seen->context);
	seen->relations = lappend_oid(seen->relations, heap);
	foreach(lc, rel->indexlist)
	{
		IndexOptInfo *info = (IndexOptInfo *) lfirst(lc);
		SeenIndex  *index;

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

static double
elapsed_ms(instr_time since)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, since);
	return INSTR_TIME_GET_MILLISEC(now);
}

/*
 * Does a query have parameters from outside?
 */
static bool
has_parameters(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXTERN;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_parameters, context, 0);
	return expression_tree_walker(node, has_parameters, context);
}

/*
 * Make the real plan, watching, then look what else there might be.
 */
static PlannedStmt *
plan_and_sample(Query *parse, const char *query_string, int cursorOptions,
				ParamListInfo boundParams, int64 queryid)
{
	Sample		sample = {0};
	Seen	   *outer = seen;
	MemoryContext context;
	MemoryContext old;
	instr_time	started;

	context = AllocSetContextCreate(CurrentMemoryContext, "guard what-if",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	sample.shadow.query = copyObject(parse);
	sample.shadow.query_string = query_string;
	sample.shadow.cursorOptions = cursorOptions;
	sample.shadow.boundParams = boundParams;
	sample.queryid = queryid;
	sample.now = now_in_seconds();
	sample.seen.context = context;
	MemoryContextSwitchTo(old);

	seen = &sample.seen;
	INSTR_TIME_SET_CURRENT(started);
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
	sample.planning_ms = elapsed_ms(started);

	MemoryContextSwitchTo(context);
	INSTR_TIME_SET_CURRENT(sample.started);
	sample_statement(&sample);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return sample.plan;
}

/* ----------------------------------------------------------------
 *		Candidates
 * ----------------------------------------------------------------
 */

/*
 * Is this a table of which the indexes are anybody's to drop with us?
 */
static bool
is_ours(Oid heap)
{
	return heap >= FirstNormalObjectId &&
		get_rel_persistence(heap) != RELPERSISTENCE_TEMP &&
		get_rel_namespace(heap) != get_namespace_oid("guard", true);
}

static Candidate *
find_candidate(List *candidates, Oid index)
{
	ListCell   *lc;

	foreach(lc, candidates)
	{
		Candidate  *candidate = (Candidate *) lfirst(lc);

		if (candidate->index == index)
			return candidate;
	}
	return NULL;
}

/*
 * The indexes that the plan scans.
 */
static List *
scanned_candidates(Sample *sample)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, sample->scans)
	{
		GuardPlanScan *scan = (GuardPlanScan *) lfirst(lc);
		Candidate  *candidate;
		Oid			top;

		if (!OidIsValid(scan->index) || !is_ours(scan->heap))
			continue;
		top = guard_without_topmost(scan->index);
		candidate = find_candidate(result, top);
		if (candidate == NULL)
		{
			candidate = palloc0(sizeof(*candidate));
			candidate->index = top;
			candidate->role = GUARD_WHATIF_SCAN;
			result = lappend(result, candidate);
		}
		candidate->leaves = list_append_unique_oid(candidate->leaves,
												   scan->index);
		candidate->heaps = list_append_unique_oid(candidate->heaps,
												  scan->heap);
	}
	return result;
}

/*
 * Those that it does not scan, but that may have made it what it is.
 */
static List *
silent_candidates(Sample *sample, List *scanned)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, sample->seen.indexes)
	{
		SeenIndex  *index = (SeenIndex *) lfirst(lc);
		Oid			heap = IndexGetRelation(index->index, true);
		Oid			top;
		Candidate  *candidate;

		if (!OidIsValid(heap) || !is_ours(heap))
			continue;
		top = guard_without_topmost(index->index);
		if (find_candidate(scanned, top) != NULL ||
			find_candidate(result, top) != NULL ||
			!guard_clock_due(guard_clock_key(sample->queryid, top),
							 sample->now))
			continue;
		candidate = palloc0(sizeof(*candidate));
		candidate->index = top;
		candidate->heaps = list_make1_oid(heap);
		candidate->role = index->unique ? GUARD_WHATIF_PROOF :
			GUARD_WHATIF_ESTIMATE;
		result = lappend(result, candidate);
	}
	return result;
}

/* ----------------------------------------------------------------
 *		Comparing
 * ----------------------------------------------------------------
 */

static bool
differ(double a, double b)
{
	return fabs(a - b) > MATERIAL * Max(a, b);
}

/*
 * Is the shadow plan another one?
 */
static bool
is_another(Sample *sample, PlannedStmt *shadow)
{
	int			options = sample->shadow.cursorOptions;

	return differ(guard_plan_cost(sample->plan, options),
				  guard_plan_cost(shadow, options)) ||
		differ(sample->plan->planTree->plan_rows,
			   shadow->planTree->plan_rows) ||
		list_length(guard_plan_scans(shadow)) != list_length(sample->scans);
}

/*
 * What scans the candidate's tables in its stead: whatever the shadow plan
 * scans them with more often than the real one.
 */
static void
find_takeover(Sample *sample, Candidate *candidate, List *scans,
			  GuardWhatIf *record)
{
	Oid			same = InvalidOid;	/* was scanned all along */
	ListCell   *lc;

	foreach(lc, scans)
	{
		GuardPlanScan *scan = (GuardPlanScan *) lfirst(lc);
		bool		more;

		if (!list_member_oid(candidate->heaps, scan->heap))
			continue;
		more = guard_plan_count(scans, scan->heap, scan->index) >
			guard_plan_count(sample->scans, scan->heap, scan->index);
		if (!OidIsValid(scan->index))
			record->seqscan |= more;
		else if (more && !OidIsValid(record->takeover))
			record->takeover = guard_without_topmost(scan->index);
		else
			same = scan->index;
	}

	/* One branch less of a BitmapAnd: the others do it all. */
	if (!OidIsValid(record->takeover) && !record->seqscan && OidIsValid(same))
		record->takeover = guard_without_topmost(same);
}

/*
 * The size of a table that the statement has locked, as the planner has just
 * asked for it.
 */
static BlockNumber
size_of(Oid heap)
{
	Relation	rel = table_open(heap, NoLock);
	BlockNumber blocks = RELKIND_HAS_STORAGE(rel->rd_rel->relkind) ?
		RelationGetNumberOfBlocks(rel) : 0;

	table_close(rel, NoLock);
	return blocks;
}

static void
record_pair(Sample *sample, Candidate *candidate, PlannedStmt *shadow)
{
	int			options = sample->shadow.cursorOptions;
	GuardWhatIf record = {0};

	record.index = candidate->index;
	record.heap = linitial_oid(candidate->heaps);
	record.heap_blocks = size_of(record.heap);
	record.queryid = sample->queryid;
	record.userid = GetUserId();
	record.at = GetCurrentTimestamp();
	record.role = candidate->role;
	record.cost_with = guard_plan_cost(sample->plan, options);
	record.cost_without = guard_plan_cost(shadow, options);
	record.rows_with = sample->plan->planTree->plan_rows;
	record.rows_without = shadow->planTree->plan_rows;
	record.generic = sample->generic;
	record.planning_ms = sample->planning_ms;
	if (candidate->role == GUARD_WHATIF_SCAN)
		find_takeover(sample, candidate, guard_plan_scans(shadow), &record);
	(void) guard_whatif_table_put(&record);
}

/* ----------------------------------------------------------------
 *		Sampling
 * ----------------------------------------------------------------
 */

static PlannedStmt *
plan_without(Sample *sample, List *indexes)
{
	PlannedStmt *plan = guard_shadow_plan(&sample->shadow, indexes);

	guard_whatif_count(plan ? GUARD_COUNT_SHADOW_PLANS : GUARD_COUNT_FAILED);
	return plan;
}

/*
 * Is there time left for one more?
 */
static bool
has_time(Sample *sample)
{
	if (elapsed_ms(sample->started) <= guard_guc_whatif_time_limit)
		return true;
	sample->unfinished = true;
	return false;
}

/*
 * The candidate's pair, and those of its partitions, count as sampled.
 */
static bool
claim_pair(Sample *sample, Candidate *candidate)
{
	ListCell   *lc;

	foreach(lc, candidate->leaves)
	{
		if (lfirst_oid(lc) != candidate->index)
			(void) guard_clock_claim(guard_clock_key(sample->queryid,
													 lfirst_oid(lc)),
									 sample->now, sample->now);
	}
	return guard_clock_claim(guard_clock_key(sample->queryid,
											 candidate->index),
							 sample->now, sample->now);
}

static void
sample_scanned(Sample *sample, List *candidates)
{
	ListCell   *lc;

	foreach(lc, candidates)
	{
		Candidate  *candidate = (Candidate *) lfirst(lc);
		PlannedStmt *shadow;

		if (!has_time(sample))
			return;
		if (!claim_pair(sample, candidate))
			continue;
		shadow = plan_without(sample, list_make1_oid(candidate->index));
		if (shadow != NULL)
			record_pair(sample, candidate, shadow);
	}
}

/*
 * Usually none of them matters, and one plan shows it.
 */
static bool
matters_at_all(Sample *sample, List *candidates)
{
	List	   *all = NIL;
	PlannedStmt *shadow;
	ListCell   *lc;

	if (list_length(candidates) == 1)
		return true;
	foreach(lc, candidates)
		all = lappend_oid(all, ((Candidate *) lfirst(lc))->index);
	shadow = plan_without(sample, all);
	return shadow != NULL && is_another(sample, shadow);
}

static void
sample_silent(Sample *sample, List *candidates)
{
	bool		any;
	ListCell   *lc;

	if (candidates == NIL || !has_time(sample))
		return;
	any = matters_at_all(sample, candidates);
	foreach(lc, candidates)
	{
		Candidate  *candidate = (Candidate *) lfirst(lc);
		PlannedStmt *shadow;

		if (any && !has_time(sample))
			return;
		if (!claim_pair(sample, candidate) || !any)
			continue;
		shadow = plan_without(sample, list_make1_oid(candidate->index));
		if (shadow != NULL && is_another(sample, shadow))
			record_pair(sample, candidate, shadow);
	}
}

/*
 * Set the statement's clock: sampled now, unless it has to wait.  False: it is
 * not to be sampled now.
 */
static bool
claim_statement(Sample *sample, uint64 key)
{
	int64		at = sample->now - guard_guc_whatif_interval;

	if (sample->planning_ms > guard_guc_whatif_time_limit)
	{
		if (guard_clock_claim(key, sample->now, Max(at + OFF_FOR, 1)))
			guard_whatif_count(GUARD_COUNT_TOO_SLOW);
		return false;
	}
	if (!guard_allowance_left(GetCurrentTimestamp()))
	{
		if (guard_clock_claim(key, sample->now, Max(at + POSTPONED_FOR, 1)))
			guard_whatif_count(GUARD_COUNT_POSTPONED);
		return false;
	}
	return guard_clock_claim(key, sample->now, sample->now);
}

static void
sample_statement(Sample *sample)
{
	uint64		key = guard_clock_key(sample->queryid, InvalidOid);
	List	   *candidates;

	if (!claim_statement(sample, key))
		return;
	sample->scans = guard_plan_scans(sample->plan);
	sample->shadow.relations = sample->seen.relations;
	sample->generic = sample->shadow.boundParams == NULL &&
		has_parameters((Node *) sample->shadow.query, NULL);

	candidates = scanned_candidates(sample);
	sample_scanned(sample, candidates);
	sample_silent(sample, silent_candidates(sample, candidates));
	if (sample->unfinished)
		guard_clock_rewind(key);
	guard_allowance_spend(GetCurrentTimestamp(),
						  (int64) (elapsed_ms(sample->started) * 1000));
}

/* ----------------------------------------------------------------
 *		Questions
 * ----------------------------------------------------------------
 */

List *
guard_whatif_lookup(Oid index)
{
	List	   *result = NIL;
	Oid			top;

	if (!guard_whatif_table_attached())
		return NIL;
	result = guard_whatif_table_read(index, result);
	top = guard_without_topmost(index);
	if (top != index)
		result = guard_whatif_table_read(top, result);
	return result;
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
	if (guard_whatif_table_attached())
		guard_whatif_table_forget(database, InvalidOid);
}
