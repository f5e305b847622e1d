/*-------------------------------------------------------------------------
 *
 * sample.c
 *	  Without which indexes a statement is planned, and what comes of it.
 *
 * First those that its plan scans, then those that it does not scan but that
 * may have made it what it is; see whatif.c for the order and the limits.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_statistic.h"
#include "common/hashfn.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "storage/bufmgr.h"

#include "planner/hide/hide.h"
#include "planner/planner.h"
#include "planner/whatif/sampling.h"
#include "store/store.h"

/* A statement that is off, and one that had to wait, are due after seconds: */
#define OFF_FOR			3600
#define POSTPONED_FOR	10

/* An estimate that falls short of another by this factor plans otherwise. */
#define TOO_FEW			10.0

/* So many conditions of one plan are tried out. */
#define TRIES			3

/* So many indexes are taken to be gone, one for the sake of the next. */
#define AHEAD			2

/* An index, or a partitioned one with those of its partitions. */
typedef struct Candidate
{
	Oid			index;			/* the topmost */
	List	   *scans;			/* of GuardPlanScan *, of those that are
								 * scanned */
	double		rows;			/* the most that one of them finds */
	List	   *heaps;			/* tables scanned with them */
	GuardWhatIfRole role;
} Candidate;

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
	foreach_ptr(Candidate, candidate, candidates)
	{
		if (candidate->index == index)
			return candidate;
	}
	return NULL;
}

/*
 * The indexes that the plan scans.
 */
static List *
scanned_candidates(GuardSample *sample)
{
	List	   *result = NIL;

	foreach_ptr(GuardPlanScan, scan, sample->scans)
	{
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
		candidate->scans = lappend(candidate->scans, scan);
		candidate->rows = Max(candidate->rows, scan->rows);
		candidate->heaps = list_append_unique_oid(candidate->heaps,
												  scan->heap);
	}
	return result;
}

/*
 * Those that it does not scan, but that may have made it what it is.
 */
static List *
silent_candidates(GuardSample *sample, List *scanned)
{
	List	   *result = NIL;

	foreach_ptr(GuardSeenIndex, index, sample->seen.indexes)
	{
		Oid			heap = IndexGetRelation(index->index, true);
		Oid			top;
		Candidate  *candidate;

		if (!OidIsValid(heap) || !is_ours(heap))
			continue;
		top = guard_without_topmost(index->index);
		if (find_candidate(scanned, top) != NULL ||
			find_candidate(result, top) != NULL ||
			!guard_clock_due(guard_clock_key(sample->pairs, top),
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

/*
 * What scans the candidate's tables in its stead: whatever the shadow plan
 * scans them with more often than the real one.
 */
static void
find_takeover(GuardSample *sample, Candidate *candidate, List *scans,
			  GuardWhatIf *record)
{
	Oid			same = InvalidOid;	/* was scanned all along */

	foreach_ptr(GuardPlanScan, scan, scans)
	{
		bool		more;

		if (!list_member_oid(candidate->heaps, scan->heap))
			continue;
		more = guard_plan_count(scans, scan->heap, scan->index) >
			guard_plan_count(sample->scans, scan->heap, scan->index);
		if (!OidIsValid(scan->index))
			record->seqscan |= more;
		else if (more && !OidIsValid(record->takeover))
		{
			record->takeover = guard_without_topmost(scan->index);
			record->takeover_rows = scan->rows;
		}
		else
			same = scan->index;
	}

	/* One branch less of a BitmapAnd: the others do it all. */
	if (!OidIsValid(record->takeover) && !record->seqscan && OidIsValid(same))
		record->takeover = guard_without_topmost(same);
}

static void
rely_on(List *scans, GuardRelied *relied)
{
	foreach_ptr(GuardPlanScan, scan, scans)
	{
		if (OidIsValid(scan->index))
			guard_relied_add(relied, guard_without_topmost(scan->index));
	}
}

/*
 * How many of the rows that an index finds one after the other are not where the
 * one before was?  By the order of its first column, as the planner has it.
 */
static double
scatter_of(const GuardPlanScan *scan)
{
	HeapTuple	index = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(scan->index));
	HeapTuple	statistics = NULL;
	AttStatsSlot slot;
	double		scatter = 1;

	if (HeapTupleIsValid(index))
	{
		AttrNumber	column = ((Form_pg_index) GETSTRUCT(index))->indkey.values[0];

		ReleaseSysCache(index);
		statistics = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(scan->heap),
									 Int16GetDatum(column), BoolGetDatum(false));
	}
	if (!HeapTupleIsValid(statistics))
		return scatter;
	if (get_attstatsslot(&slot, statistics, STATISTIC_KIND_CORRELATION, InvalidOid,
						 ATTSTATSSLOT_NUMBERS))
	{
		if (slot.nnumbers == 1)
			scatter -= slot.numbers[0] * slot.numbers[0];
		free_attstatsslot(&slot);
	}
	ReleaseSysCache(statistics);
	return scatter;
}

static int
count_only(List *scans, const Candidate *candidate)
{
	int			count = 0;

	foreach_ptr(GuardPlanScan, scan, scans)
		count += scan->only && list_member_oid(candidate->heaps, scan->heap) ? 1 : 0;
	return count;
}

/*
 * With the index alone a table need not be read, without it each row is
 * fetched.  The planner knows, but of the first rows it takes a share of what all
 * of them cost, which is no more than the table has pages: a hundred rows of ten
 * thousand seem to be on some few pages.
 */
static double
fetches_under_limit(GuardSample *sample, Candidate *candidate, List *scans,
					PlannedStmt *shadow)
{
	const Plan *limit = shadow->planTree;
	double		scatter = 0;

	while (limit != NULL && !IsA(limit, Limit))
		limit = IsA(limit, SubqueryScan) ? ((const SubqueryScan *) limit)->subplan :
			outerPlan(limit);
	if (limit == NULL ||
		count_only(scans, candidate) >= count_only(sample->scans, candidate))
		return 0;
	foreach_ptr(GuardPlanScan, scan, scans)
	{
		if (OidIsValid(scan->index) && !scan->only &&
			list_member_oid(candidate->heaps, scan->heap))
			scatter = Max(scatter, scatter_of(scan));
	}
	return scatter * limit->plan_rows * random_page_cost;
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

/*
 * What nobody has told guard of yet, as of a hypertable's chunk, is new.
 */
static bool
is_older(const GuardObject *object, TimestampTz than)
{
	return object != NULL && Max(object->created_at, object->first_seen) < than;
}

uint32
guard_sample_indexes(Oid index, TimestampTz before, List *gone)
{
	Oid			heap = IndexGetRelation(index, true);
	Relation	rel = OidIsValid(heap) ? RelationIdGetRelation(heap) : NULL;
	uint32		result = 0;
	List	   *indexes;

	if (rel == NULL)
		return 0;
	indexes = RelationGetIndexList(rel);
	foreach_oid(each, indexes)
	{
		if (get_index_isvalid(each) && !guard_hide_is_hidden(each) &&
			(before == 0 || is_older(guard_identity_of(each), before)) &&
			(gone == NIL || !list_member_oid(gone, guard_without_topmost(each))))
			result ^= murmurhash32(each);
	}
	list_free(indexes);
	RelationClose(rel);
	return result;
}

/*
 * What the planner merely relies on is one pair, whatever the plan costs.
 */
static uint64
pair_key(GuardSample *sample, Oid index, double rows, GuardWhatIfRole role)
{
	return role == GUARD_WHATIF_SCAN ?
		guard_clock_pair(sample->pairs, index, sample->cost, rows) :
		guard_clock_key(sample->pairs, index);
}

/*
 * Does the index find ranges of blocks, and not rows?
 */
static bool
finds_ranges(Oid index)
{
	FormData_pg_class form;

	return OidIsValid(index) && guard_catalog_form(RELOID, index, &form) &&
		form.relam == BRIN_AM_OID;
}

/*
 * How many rows a plan expects of a table, at most: what the whole returns need
 * not show it.
 */
static double
estimate_of(List *scans, const Candidate *candidate)
{
	double		rows = 0;

	foreach_ptr(GuardPlanScan, scan, scans)
	{
		if (list_member_oid(candidate->heaps, scan->heap) && !finds_ranges(scan->index))
			rows = Max(rows, scan->rows);
	}
	return rows;
}

/*
 * Is the plan without it no dearer only because fewer rows of a table are expected to
 * meet all conditions?  Then its cost says nothing: the index has the statistics of its
 * expression.  Both plans came to the tables in the same order.
 */
static bool
expects_too_few(const GuardSample *sample, GuardWhatIf *record)
{
	ListCell   *lc;
	ListCell   *ls;

	if (record->cost_without > record->cost_with * guard_guc_harmless_cost_ratio)
		return false;
	forboth(lc, sample->seen.tables, ls, sample->shadow.tables)
	{
		record->rows_with = ((RelOptInfo *) lfirst(lc))->rows;
		record->rows_without = ((RelOptInfo *) lfirst(ls))->rows;
		if (record->rows_with > Max(record->rows_without, 1) * TOO_FEW)
			return true;
	}
	return false;
}

/*
 * Does an index know what a condition on its table takes long to find out: by
 * an expression, or because it looks into values?
 */
static bool
has_computed(Oid index)
{
	Relation	rel = RelationIdGetRelation(index);
	bool		result;

	if (rel == NULL)
		return false;
	result = rel->rd_rel->relam == GIN_AM_OID || rel->rd_rel->relam == GIST_AM_OID ||
		!heap_attisnull(rel->rd_indextuple, Anum_pg_index_indexprs, NULL);
	RelationClose(rel);
	return result;
}

/* What a shadow plan's effort is told by. */
typedef struct ShadowAid
{
	GuardEffortAid aid;
	GuardSample *sample;
	Candidate  *candidate;
	int			tries;			/* conditions that were tried out, */
	double		row;			/* and what the last one takes */
} ShadowAid;

/*
 * Only what it does in place of the index; the condition of many partitions is the
 * same.
 */
static bool
try_out(GuardEffortAid *aid, PlannedStmt *plan, Scan *scan, double *table,
		double *row)
{
	ShadowAid  *shadow = (ShadowAid *) aid;

	*row = shadow->tries < TRIES ? 0 : shadow->row;
	if (!list_member_oid(shadow->candidate->heaps,
						 rt_fetch(scan->scanrelid, plan->rtable)->relid) ||
		!guard_tryout_scan(&shadow->sample->shadow, plan, scan, table, row))
		return false;
	shadow->tries++;
	shadow->row = *row;
	return true;
}

static bool
try_nothing(GuardEffortAid *aid, PlannedStmt *plan, Scan *scan,
			double *table, double *row)
{
	return false;
}

/*
 * What the plans have to do, with the index and without it.
 */
static void
compare_efforts(GuardSample *sample, Candidate *candidate, PlannedStmt *plan,
				GuardWhatIf *record)
{
	ShadowAid	shadow = {{sample->shadow.tables, try_out}, sample, candidate, 0, 0};
	GuardEffortAid real = {sample->seen.tables, try_nothing};

	guard_effort_of_plan(sample->plan, &real, &record->with);
	guard_effort_of_plan(plan, &shadow.aid, &record->without);
	record->computes = record->without.untried && has_computed(candidate->index);
}

/*
 * Its record waits for the execution.  Returns what would take over at the same
 * cost; InvalidOid: nothing.
 */
static Oid
record_pair(GuardSample *sample, Candidate *candidate, PlannedStmt *shadow,
			bool together)
{
	int			options = sample->shadow.cursorOptions;
	List	   *scans = guard_plan_scans(shadow);
	GuardWhatIf record = {0};
	uint64		clocks[2];

	record.index = candidate->index;
	record.heap = linitial_oid(candidate->heaps);
	record.heap_blocks = size_of(record.heap);
	record.queryid = sample->queryid;
	record.userid = GetUserId();
	record.at = GetCurrentTimestamp();
	record.role = candidate->role;
	record.cost_with = guard_plan_cost(sample->plan, options);
	record.cost_without = guard_plan_cost(shadow, options);
	record.scanned = candidate->rows;
	record.indexes = guard_sample_indexes(record.index, 0, sample->gone);
	record.ahead = sample->gone != NIL;
	record.own_settings = sample->own_settings;
	record.generic = sample->generic;
	record.together = together;
	record.planning_ms = sample->planning_ms;
	if (candidate->role == GUARD_WHATIF_ESTIMATE)
	{
		record.rows_with = estimate_of(sample->scans, candidate);
		record.rows_without = estimate_of(scans, candidate);
	}
	else if (candidate->role == GUARD_WHATIF_SCAN && expects_too_few(sample, &record))
		record.role = GUARD_WHATIF_ESTIMATE;
	else
	{
		record.rows_with = sample->plan->planTree->plan_rows;
		record.rows_without = shadow->planTree->plan_rows;
	}
	if (record.role == GUARD_WHATIF_SCAN)
	{
		rely_on(sample->scans, &record.relied);
		rely_on(scans, &record.relied);
		find_takeover(sample, candidate, scans, &record);
		record.takeover_indexes = guard_sample_indexes(record.takeover, 0, NIL);
		compare_efforts(sample, candidate, shadow, &record);
		record.fetches = fetches_under_limit(sample, candidate, scans, shadow);
	}
	clocks[0] = guard_clock_key(sample->statement, InvalidOid);
	clocks[1] = pair_key(sample, candidate->index, candidate->rows,
						 candidate->role);
	guard_waiting_add(&record, sample->plan_cost, clocks);
	return record.seqscan ||
		record.cost_without > record.cost_with * guard_guc_harmless_cost_ratio ?
		InvalidOid : record.takeover;
}

/* ----------------------------------------------------------------
 *		Sampling
 * ----------------------------------------------------------------
 */

/*
 * NULL where there is no plan: it was not to be made, or failed.
 */
static PlannedStmt *
plan_without(GuardSample *sample, List *indexes)
{
	PlannedStmt *plan;

	if (!sample->trusted)
		return NULL;
	plan = guard_shadow_plan(&sample->shadow, indexes);
	sample->failed |= plan == NULL;
	guard_whatif_count(plan ? GUARD_COUNT_SHADOW_PLANS : GUARD_COUNT_FAILED);
	return plan;
}

/*
 * Is there time left for one more?
 */
static bool
has_time(GuardSample *sample)
{
	if (guard_sample_elapsed(sample->started) <= guard_guc_whatif_time_limit)
		return true;
	sample->unfinished = true;
	return false;
}

/*
 * The candidate's pair, and those of its partitions, count as sampled.
 */
static bool
claim_pair(GuardSample *sample, Candidate *candidate)
{
	foreach_ptr(GuardPlanScan, scan, candidate->scans)
	{
		if (scan->index != candidate->index || scan->rows != candidate->rows)
			(void) guard_clock_claim(pair_key(sample, scan->index, scan->rows,
											  candidate->role),
									 sample->now, sample->now);
	}
	if (guard_clock_claim(pair_key(sample, candidate->index, candidate->rows,
								   candidate->role),
						  sample->now, sample->now))
		return true;
	if (sample->drawn && sample->due)
		guard_lot_drawn(sample->statement);
	return sample->drawn;
}

/*
 * Record the plan without an index.  Where another one would take over: what if
 * that went next, or before?
 */
static void
record_and_look_ahead(GuardSample *sample, Candidate *candidate, PlannedStmt *shadow)
{
	Oid			heir = record_pair(sample, candidate, shadow, false);
	GuardSample next = *sample;
	GuardSample turned = *sample;
	Candidate  *its;

	if (!OidIsValid(heir) || sample->own_settings != 0 ||
		list_length(sample->gone) == AHEAD ||
		guard_sample_elapsed(sample->started) > guard_guc_whatif_time_limit)
		return;
	next.plan = shadow;
	next.scans = guard_plan_scans(shadow);
	next.seen.tables = sample->shadow.tables;
	next.gone = lappend_oid(list_copy(sample->gone), candidate->index);
	its = find_candidate(scanned_candidates(&next), heir);
	shadow = its == NULL ? NULL :
		plan_without(&next, lappend_oid(list_copy(next.gone), heir));
	if (shadow == NULL)
		return;
	turned.gone = list_make1_oid(heir);
	turned.shadow.tables = next.shadow.tables;
	if (sample->gone == NIL && find_candidate(scanned_candidates(sample), heir) == NULL)
		(void) record_pair(&turned, candidate, shadow, false);
	record_and_look_ahead(&next, its, shadow);
}

static void
sample_scanned(GuardSample *sample, List *candidates)
{
	foreach_ptr(Candidate, candidate, candidates)
	{
		PlannedStmt *shadow;

		if (!has_time(sample))
			return;
		if (!claim_pair(sample, candidate))
		{
			sample->known |= guard_clock_known(pair_key(sample, candidate->index,
														candidate->rows,
														candidate->role));
			continue;
		}
		sample->sampled = true;
		shadow = plan_without(sample, list_make1_oid(candidate->index));
		if (shadow != NULL)
			record_and_look_ahead(sample, candidate, shadow);
	}
}

/*
 * The plan without all of them; NULL: it is no other plan.
 */
static PlannedStmt *
plan_differently(GuardSample *sample, List *candidates)
{
	List	   *indexes = NIL;
	PlannedStmt *shadow;

	foreach_ptr(Candidate, candidate, candidates)
		indexes = lappend_oid(indexes, candidate->index);
	shadow = plan_without(sample, indexes);
	return shadow != NULL &&
		guard_plan_differs(sample->plan, shadow, sample->shadow.cursorOptions) ?
		shadow : NULL;
}

/*
 * These it was not planned without: any that may be a proof is unknown until it is.
 */
static void
leave_untried(GuardSample *sample, List *candidates)
{
	foreach_ptr(Candidate, candidate, candidates)
	{
		GuardWhatIf record = {.index = candidate->index,
			.heap = linitial_oid(candidate->heaps),
			.queryid = sample->queryid,
			.userid = GetUserId(),
			.at = GetCurrentTimestamp(),
			.role = candidate->role,
			.own_settings = sample->own_settings,
		.untried = true};
		uint64		clocks[2] = {0, 0};

		/* that it was tried once, with these indexes, is good enough */
		if (!guard_clock_known(guard_clock_key(sample->pairs, candidate->index)) &&
			guard_proof_possible(&sample->shadow, candidate->index))
			guard_waiting_add(&record, sample->plan->planTree->total_cost, clocks);
	}
}

/*
 * It makes no difference that these are there.
 */
static void
note_tried(GuardSample *sample, List *candidates)
{
	foreach_ptr(Candidate, candidate, sample->own_settings != 0 ? NIL : candidates)
		guard_whatif_table_tried(candidate->index, sample->queryid);
}

/*
 * Usually none of them matters, and one plan shows it.  Where it takes several
 * of them to make a difference, each will do in place of the others.
 */
static void
sample_silent(GuardSample *sample, List *candidates)
{
	PlannedStmt *all = NULL;
	List	   *rest = NIL;
	bool		any;

	if (candidates == NIL)
		return;
	if (!sample->trusted || !has_time(sample))
	{
		leave_untried(sample, candidates);
		return;
	}
	if (list_length(candidates) > 1)
		all = plan_differently(sample, candidates);
	any = all != NULL || list_length(candidates) == 1;
	foreach_ptr(Candidate, candidate, candidates)
	{
		PlannedStmt *shadow;

		if (any && !has_time(sample))
		{
			leave_untried(sample, list_copy_tail(candidates, foreach_current_index(candidate)));
			return;
		}
		if (!claim_pair(sample, candidate))
			continue;
		if (!any)
		{
			rest = lappend(rest, candidate);
			continue;
		}
		shadow = plan_differently(sample, list_make1(candidate));
		if (shadow != NULL)
			(void) record_pair(sample, candidate, shadow, false);
		else
			rest = lappend(rest, candidate);
	}
	if (any && list_length(rest) > 1 && has_time(sample) &&
		list_length(rest) < list_length(candidates))
		all = plan_differently(sample, rest);
	if (sample->failed || sample->unfinished)
		leave_untried(sample, rest);
	else if (all == NULL || list_length(rest) < 2)
		note_tried(sample, rest);
	else
	{
		foreach_ptr(Candidate, candidate, rest)
			(void) record_pair(sample, candidate, all, true);
	}
}

/*
 * Set the statement's clock: sampled now, unless it has to wait.  False: it is
 * not to be sampled now.
 */
static bool
claim_statement(GuardSample *sample, uint64 key)
{
	int64		at = sample->now - guard_guc_whatif_interval;

	if (!sample->due)
	{
		guard_lot_drawn(sample->statement);
		return sample->planning_ms <= guard_guc_whatif_time_limit &&
			guard_allowance_left(GetCurrentTimestamp());
	}
	if (sample->planning_ms > guard_guc_whatif_time_limit)
	{
		if (guard_clock_claim(key, sample->now, Max(at + OFF_FOR, 1)))
			guard_whatif_count(GUARD_COUNT_TOO_SLOW);
		sample->put_off = true;
		return false;
	}
	if (!guard_allowance_left(GetCurrentTimestamp()))
	{
		if (guard_clock_claim(key, sample->now, Max(at + POSTPONED_FOR, 1)))
			guard_whatif_count(GUARD_COUNT_POSTPONED);
		sample->put_off = true;
		return false;
	}
	return guard_clock_claim(key, sample->now, sample->now);
}

void
guard_sample_statement(GuardSample *sample)
{
	uint64		key = guard_clock_key(sample->statement, InvalidOid);
	bool		claimed = claim_statement(sample, key);
	List	   *candidates;

	if (!claimed && !sample->put_off)
		return;
	sample->scans = guard_plan_scans(sample->plan);
	if (!claimed)
	{
		leave_untried(sample, silent_candidates(sample, scanned_candidates(sample)));
		return;
	}
	sample->plan_cost = sample->plan->planTree->total_cost;
	sample->shadow.relations = sample->seen.relations;
	sample->trusted = guard_trust_query(sample->shadow.query,
										sample->plan->relationOids);
	if (!sample->trusted)
		guard_whatif_count(GUARD_COUNT_UNTRUSTED);
	sample->generic = sample->shadow.boundParams == NULL &&
		has_parameters((Node *) sample->shadow.query, NULL);

	sample->cost = guard_plan_cost(sample->plan, sample->shadow.cursorOptions);
	candidates = scanned_candidates(sample);
	sample_scanned(sample, candidates);
	if (sample->due)
		sample_silent(sample, silent_candidates(sample, candidates));

	/*
	 * Nothing new: it was due for a plan of another magnitude, and these
	 * parameters have not made it.  Wait for those that do.
	 */
	if (sample->due &&
		(sample->unfinished || (sample->known && !sample->sampled)))
		guard_clock_rewind(key);
	guard_allowance_spend(GetCurrentTimestamp(),
						  (int64) (guard_sample_elapsed(sample->started) * 1000));
}
