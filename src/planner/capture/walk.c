/*-------------------------------------------------------------------------
 *
 * walk.c
 *	  Which indexes and tables an executed plan really used.
 *
 * The plan says what may run; the tree of PlanStates, at ExecutorEnd, what did
 * (doc/internals/postgresql.md 4.1): a scan descriptor is made when a node is
 * first executed, so it is missing in a cursor nobody fetched from, a
 * partition that was pruned at run time, and an inner side that was never
 * started.
 *
 * Where that is not enough:
 *
 *	bitmap index scans make their descriptor early, but the heap scan above
 *	them knows whether it has begun.  A branch of a BitmapAnd that was skipped
 *	because the others had found nothing counts as used: without its index the
 *	plan would have been another.
 *
 *	under a Gather whose workers started, the leader need not have executed
 *	anything itself.  All counts as executed there, except partitions that
 *	were pruned.
 *
 * A table that was scanned without an index, or written to, is noted as well:
 * when a whole table is to go, the question is whether anybody needs *it*.
 *
 * "Aimed" tells a statement that wants this partition from one that visits all
 * of them: under an Append for a partitioned table (or an inheritance parent)
 * a member is aimed at if it is the only one that was reached.
 *
 * planstate_tree_walker() would do, but costs three calls a node, visits a
 * subplan as often as it is referred to, and may raise an error on its way.
 * There is no check of the stack here: executing the same tree took far more.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_namespace.h"
#include "nodes/execnodes.h"

#include "planner/capture/marks.h"
#include "planner/capture/tables.h"
#include "store/store.h"

/* How we came to a node. */
#define WALK_AIMED		0x01	/* not along with its siblings */
#define WALK_WORKERS	0x02	/* workers may have executed it */

typedef struct WalkState
{
	EState	   *estate;
	PlanState  *top;
	const PlannedStmt *plan;
	bool		excused;
	bool		check;			/* a foreign key runs this */
	bool		views;			/* it goes through views */
	int			child;			/* place of the partition that was asked about
								 * last, ... */
	Index		parent;			/* ... what it is one of, ... */
	bool		parent_named;	/* ... and whether that is named: scans come
								 * in the order of partitions */
	bool		workers;		/* some Gather has started workers */
} WalkState;

static void walk_node(PlanState *node, int flags, WalkState *walk);

/* ----------------------------------------------------------------
 *		Leaves
 * ----------------------------------------------------------------
 */

/*
 * Catalogs, temporary tables and toast tables are nobody's to drop with us, and
 * guard's own tables go with it.
 */
static inline bool
is_ours(Relation rel)
{
	return RelationGetRelid(rel) >= FirstNormalObjectId &&
		rel->rd_rel->relpersistence != RELPERSISTENCE_TEMP &&
		rel->rd_rel->relnamespace != PG_TOAST_NAMESPACE &&
		rel->rd_rel->relnamespace != guard_store_schema;
}

static bool
add_column(Node *node, void *fkey)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		*(uint64 *) fkey |= guard_capture_fkey(((Var *) node)->varattno);
		return false;
	}
	return expression_tree_walker(node, add_column, fkey);
}

/*
 * Which columns does a check compare with the key?  Its scan finds some of them
 * in the index and filters by the others.  It never reads an index only, for it
 * locks what it finds.
 */
static uint64
columns_of(const Scan *scan)
{
	uint64		fkey = 0;

	if (IsA(scan, IndexScan))
		(void) add_column((Node *) ((const IndexScan *) scan)->indexqualorig, &fkey);
	else if (IsA(scan, BitmapHeapScan))
		(void) add_column((Node *) ((const BitmapHeapScan *) scan)->bitmapqualorig, &fkey);
	(void) add_column((Node *) scan->plan.qual, &fkey);
	return fkey != 0 ? fkey : GUARD_FKEY_ANY;
}

/*
 * Whose use is what this node does?  Of a table it does not matter which key it
 * is.
 */
static inline uint64
cause_of(PlanState *scan, const WalkState *walk)
{
	if (likely(!walk->check))
		return 0;
	return IsA(scan, IndexScanState) || IsA(scan, BitmapHeapScanState) ?
		columns_of((Scan *) scan->plan) : GUARD_FKEY_ANY;
}

/*
 * Does a statement that goes through views name the table of an entry itself, or
 * what that is a partition or child of?
 */
static bool
names_entry(Index rtindex, WalkState *walk)
{
	List	   *children = walk->plan->appendRelations;

	if (guard_marks_named(walk->plan, exec_rt_fetch(rtindex, walk->estate)->relid))
		return true;
	for (int i = 0; i < list_length(children); i++)
	{
		int			at = (walk->child + i) % list_length(children);
		AppendRelInfo *child = list_nth(children, at);

		if (child->child_relid != rtindex)
			continue;
		walk->child = at;
		if (walk->parent != child->parent_relid)
		{
			walk->parent_named = names_entry(child->parent_relid, walk);
			walk->parent = child->parent_relid;
		}
		return walk->parent_named;
	}
	return false;
}

/*
 * A check goes by no name.
 */
static inline int
naming(Index rtindex, WalkState *walk)
{
	if (unlikely(walk->check))
		return 0;
	return likely(!walk->views) || names_entry(rtindex, walk) ? GUARD_USE_NAMED : 0;
}

/*
 * A node used a relation; a bitmap's is below the scan to which it belongs.
 */
static pg_attribute_always_inline void
note_use(Relation rel, PlanState *node, PlanState *scan, int flags, WalkState *walk)
{
	if (rel == NULL || !is_ours(rel))
		return;
	if (likely(!walk->excused))
		guard_pending_use(RelationGetRelid(rel), rel->rd_rel->relowner,
						  ((flags & WALK_AIMED) && !walk->check ? GUARD_USE_AIMED : 0) |
						  guard_capture_membership(rel) |
						  naming(((Scan *) scan->plan)->scanrelid, walk),
						  cause_of(scan, walk));
	else
		guard_pending_excuse(RelationGetRelid(rel), rel->rd_rel->relowner,
							 guard_compat_executions(node));
}

/*
 * The bitmap index scans below a bitmap heap scan that has begun.
 */
static void
walk_bitmap(PlanState *node, PlanState *scan, int flags, WalkState *walk)
{
	PlanState **members = NULL;
	int			nmembers = 0;

	switch (nodeTag(node))
	{
		case T_BitmapIndexScanState:
			note_use(((BitmapIndexScanState *) node)->biss_RelationDesc,
					 node, scan, flags, walk);
			break;
		case T_BitmapAndState:
			members = ((BitmapAndState *) node)->bitmapplans;
			nmembers = ((BitmapAndState *) node)->nplans;
			break;
		case T_BitmapOrState:
			members = ((BitmapOrState *) node)->bitmapplans;
			nmembers = ((BitmapOrState *) node)->nplans;
			break;
		default:
			break;
	}
	for (int i = 0; i < nmembers; i++)
		walk_bitmap(members[i], scan, flags, walk);
}

/* ----------------------------------------------------------------
 *		Appends
 * ----------------------------------------------------------------
 */

/* What a scan reads: the index where there is one, or the table. */
static inline Relation
scanned(PlanState *node)
{
	switch (nodeTag(node))
	{
		case T_IndexScanState:
			return ((IndexScanState *) node)->iss_RelationDesc;
		case T_IndexOnlyScanState:
			return ((IndexOnlyScanState *) node)->ioss_RelationDesc;
		default:
			return ((ScanState *) node)->ss_currentRelation;
	}
}

/*
 * Has a scan begun, as far as the leader knows?
 */
static inline bool
has_begun(PlanState *node)
{
	switch (nodeTag(node))
	{
		case T_IndexScanState:
			return ((IndexScanState *) node)->iss_ScanDesc != NULL;
		case T_IndexOnlyScanState:
			return ((IndexOnlyScanState *) node)->ioss_ScanDesc != NULL;
		case T_BitmapHeapScanState:
			return ((BitmapHeapScanState *) node)->initialized;
		default:
			return ((ScanState *) node)->ss_currentScanDesc != NULL;
	}
}

/*
 * Is this scan one of a child, and not of the parent itself?
 */
static inline bool
scans_child(ScanState *node, Oid parent)
{
	return node->ss_currentRelation &&
		RelationGetRelid(node->ss_currentRelation) != parent;
}

/*
 * Has a member of an Append been executed?  Judged by the first scan in it.
 * An inheritance parent is visited always, for it may have rows of its own,
 * so its scan says nothing of its children.
 */
static bool
is_reached(PlanState *node, bool workers, Oid parent)
{
	while (node)
	{
		switch (nodeTag(node))
		{
			case T_IndexScanState:
			case T_IndexOnlyScanState:
			case T_BitmapHeapScanState:
			case T_SeqScanState:
			case T_SampleScanState:
			case T_TidScanState:
			case T_TidRangeScanState:
				return (workers || has_begun(node)) &&
					scans_child((ScanState *) node, parent);
			case T_AppendState:
				return workers || ((AppendState *) node)->as_begun;
			case T_MergeAppendState:
				return workers || ((MergeAppendState *) node)->ms_initialized;
			case T_SubqueryScanState:
				node = ((SubqueryScanState *) node)->subplan;
				break;
			default:
				node = outerPlanState(node);
				break;
		}
	}
	return true;
}

/*
 * The table whose children the members of an Append stand for; InvalidOid for
 * a UNION ALL, whose members are nobody's children.
 */
static Oid
common_parent(Bitmapset *apprelids, EState *estate)
{
	int			rti = bms_next_member(apprelids, -1);
	RangeTblEntry *rte;

	if (rti <= 0)
		return InvalidOid;
	rte = exec_rt_fetch(rti, estate);
	return rte->rtekind == RTE_RELATION ? rte->relid : InvalidOid;
}

/*
 * Walk the members of an Append or its like.  "valid" are those that run-time
 * pruning left when it last looked, NULL if it did not; nobody executed the
 * others unless it was the leader.
 */
static void
walk_members(PlanState **members, int nmembers, Oid parent,
			 Bitmapset *valid, int flags, WalkState *walk)
{
	int			workers = flags & WALK_WORKERS;
	int			reached = 0;

	flags &= ~WALK_WORKERS;
	for (int i = 0; i < nmembers && OidIsValid(parent) && reached < 2; i++)
	{
		if (is_reached(members[i],
					   workers && (!valid || bms_is_member(i, valid)), parent))
			reached++;
	}
	if (reached > 1)
		flags &= ~WALK_AIMED;

	for (int i = 0; i < nmembers; i++)
		walk_node(members[i],
				  flags | (!valid || bms_is_member(i, valid) ? workers : 0),
				  walk);
}

static void
walk_append(AppendState *node, int flags, WalkState *walk)
{
	Append	   *plan = (Append *) node->ps.plan;

	walk_members(node->appendplans, node->as_nplans,
				 common_parent(plan->apprelids, walk->estate),
				 node->as_prune_state ? node->as_valid_subplans : NULL,
				 flags, walk);
}

static void
walk_merge_append(MergeAppendState *node, int flags, WalkState *walk)
{
	MergeAppend *plan = (MergeAppend *) node->ps.plan;

	walk_members(node->mergeplans, node->ms_nplans,
				 common_parent(plan->apprelids, walk->estate),
				 node->ms_prune_state ? node->ms_valid_subplans : NULL,
				 flags, walk);
}

/*
 * Custom scans with several children are Appends in all but name (chunks of
 * TimescaleDB, say).
 */
static void
walk_custom(CustomScanState *node, int flags, WalkState *walk)
{
	bool		workers = (flags & WALK_WORKERS) != 0;
	int			reached = 0;
	ListCell   *lc;

	foreach(lc, node->custom_ps)
		reached += is_reached((PlanState *) lfirst(lc), workers, InvalidOid);
	if (reached > 1)
		flags &= ~WALK_AIMED;
	foreach(lc, node->custom_ps)
		walk_node((PlanState *) lfirst(lc), flags, walk);
}

/* ----------------------------------------------------------------
 *		The tree
 * ----------------------------------------------------------------
 */

/*
 * How to go on below a Gather.
 */
static int
with_workers(int launched, int flags, WalkState *walk)
{
	if (launched == 0)
		return flags;
	walk->workers = true;
	return flags | WALK_WORKERS;
}

/*
 * Subplans are not followed here: they are in a list of their own.
 */
static void
walk_node(PlanState *node, int flags, WalkState *walk)
{
	while (node)
	{
		bool		workers = (flags & WALK_WORKERS) != 0;

		switch (nodeTag(node))
		{
			case T_IndexScanState:
			case T_IndexOnlyScanState:
			case T_SeqScanState:
			case T_SampleScanState:
			case T_TidScanState:
			case T_TidRangeScanState:
				if (workers || has_begun(node))
					note_use(scanned(node), node, node, flags, walk);
				return;
			case T_BitmapHeapScanState:
				if (workers || has_begun(node))
					walk_bitmap(outerPlanState(node), node, flags, walk);
				return;
			case T_AppendState:
				walk_append((AppendState *) node, flags, walk);
				return;
			case T_MergeAppendState:
				walk_merge_append((MergeAppendState *) node, flags, walk);
				return;
			case T_CustomScanState:
				walk_custom((CustomScanState *) node, flags, walk);
				break;
			case T_GatherState:
				flags =
					with_workers(((GatherState *) node)->nworkers_launched,
								 flags, walk);
				break;
			case T_GatherMergeState:
				flags =
					with_workers(((GatherMergeState *) node)->nworkers_launched,
								 flags, walk);
				break;
			case T_SubqueryScanState:
				node = ((SubqueryScanState *) node)->subplan;
				continue;
			default:
				break;
		}
		if (innerPlanState(node))
			walk_node(innerPlanState(node), flags, walk);
		node = outerPlanState(node);
	}
}

/* ----------------------------------------------------------------
 *		Targets of INSERT, UPDATE, DELETE and MERGE
 * ----------------------------------------------------------------
 */

/*
 * Did this transaction change rows of a relation?  An UPDATE of a partitioned
 * table opens all partitions it might change, and changes few.  Without
 * track_counts that cannot be told, and all count as changed.
 */
static bool
is_changed(Relation rel)
{
	PgStat_TableStatus *stat = rel->pgstat_info;

	if (!pgstat_track_counts)
		return true;
	return stat && stat->trans &&
		(stat->trans->tuples_inserted > 0 ||
		 stat->trans->tuples_updated > 0 ||
		 stat->trans->tuples_deleted > 0);
}

static void
note_need(Oid relation, Oid owner, int flags, GuardWay way)
{
	guard_pending_use(relation, owner, flags, guard_capture_need(way));
}

/*
 * Is what a statement changes named by it?  Rows may have been routed there.
 */
static int
naming_target(const ResultRelInfo *target, WalkState *walk)
{
	while (target->ri_RootResultRelInfo)
		target = target->ri_RootResultRelInfo;
	return target->ri_RangeTableIndex == 0 ? GUARD_USE_NAMED :
		naming(target->ri_RangeTableIndex, walk);
}

/*
 * Has this very transaction created the index?  Then nobody else can have needed
 * it: what a migration does with its own index is no reason to refuse the way
 * back.
 */
static inline bool
is_new(Relation index)
{
	return index != NULL && index->rd_createSubid != InvalidSubTransactionId;
}

/*
 * INSERT ... ON CONFLICT DO NOTHING: may it have left out a row?  It inserted
 * fewer than it was given, or nobody can tell how many that were.
 */
static bool
may_have_skipped(const WalkState *walk)
{
	ModifyTableState *node = (ModifyTableState *) walk->top;
	PlanState  *source;

	if (!IsA(node, ModifyTableState) || !node->canSetTag)
		return true;
	source = outerPlanState(&node->ps);
	if (IsA(source, ResultState) && outerPlanState(source) == NULL)
		return walk->estate->es_processed < 1;
	if (IsA(source, ValuesScanState))
		return walk->estate->es_processed <
			list_length(((ValuesScan *) source->plan)->values_lists);
	return true;
}

/*
 * Can a row that the statement makes be in the way of another, in this index?
 * Not one whose key it leaves to a sequence.  The columns are those of the table
 * named, of which a partition may have others.
 */
static bool
can_conflict(const WalkState *walk, const ResultRelInfo *target,
			 const IndexInfo *info)
{
	const ResultRelInfo *root = target->ri_RootResultRelInfo;
	TupleDesc	columns = RelationGetDescr(target->ri_RelationDesc);
	TupleDesc	named = root ? RelationGetDescr(root->ri_RelationDesc) : columns;

	if (info->ii_NullsNotDistinct || !IsA(walk->top, ModifyTableState))
		return true;
	for (int i = 0; i < info->ii_NumIndexKeyAttrs; i++)
	{
		AttrNumber	column = info->ii_IndexAttrNumbers[i];
		const char *name;
		int			at = 0;

		if (column <= 0)
			continue;
		name = NameStr(TupleDescAttr(columns, column - 1)->attname);
		while (at < named->natts &&
			   strcmp(NameStr(TupleDescAttr(named, at)->attname), name) != 0)
			at++;
		if (!guard_marks_supply(walk->plan, at + 1))
			return false;
	}
	return true;
}

/*
 * ON CONFLICT that names no index looks for each row in every unique one, of
 * which the operators are known only then.  That raises idx_scan, and is no use;
 * but the statement relies on those that may have made it leave out a row.
 */
static void
note_probes(WalkState *walk, ResultRelInfo *target)
{
	bool		leaves_out = guard_marks_leave_out(walk->plan);
	bool		skipped = leaves_out && may_have_skipped(walk);

	for (int i = 0; i < target->ri_NumIndices; i++)
	{
		Relation	index = target->ri_IndexRelationDescs[i];
		IndexInfo  *info = target->ri_IndexRelationInfo[i];

		if (!index || !info ||
			!(info->ii_UniqueOps || (info->ii_ExclusionOps && leaves_out)))
			continue;
		guard_pending_excuse(RelationGetRelid(index), index->rd_rel->relowner, 1);
		if (skipped && !is_new(index) && can_conflict(walk, target, info))
			note_need(RelationGetRelid(index), index->rd_rel->relowner,
					  naming_target(target, walk), GUARD_WAY_SKIP);
	}
}

/*
 * An arbiter that ON CONFLICT has inferred, or that it names.
 */
static void
note_arbiter(WalkState *walk, const ResultRelInfo *target, Oid index)
{
	const ResultRelInfo *root = target->ri_RootResultRelInfo ?
		target->ri_RootResultRelInfo : target;
	bool		named = false;

	for (int i = 0; i < target->ri_NumIndices; i++)
	{
		Relation	rel = target->ri_IndexRelationDescs[i];

		if (rel && RelationGetRelid(rel) == index && is_new(rel))
			return;
	}
	foreach_oid(each, root->ri_onConflictArbiterIndexes)
		named |= guard_marks_name(walk->plan, each);
	note_need(index, target->ri_RelationDesc->rd_rel->relowner,
			  naming_target(target, walk),
			  named ? GUARD_WAY_CONSTRAINT : GUARD_WAY_ARBITER);
}

/*
 * A relation that the statement opened to change it.
 */
static void
note_target(WalkState *walk, ResultRelInfo *target, int flags)
{
	Relation	rel = target->ri_RelationDesc;

	if (rel == NULL || !is_ours(rel))
		return;
	if (rel->rd_rel->relkind == RELKIND_RELATION && is_changed(rel))
		guard_pending_use(RelationGetRelid(rel), rel->rd_rel->relowner,
						  walk->check ? 0 :
						  flags | GUARD_USE_WRITE | naming_target(target, walk),
						  walk->check ? GUARD_FKEY_ANY : 0);

	/* Empty where ON CONFLICT names no index. */
	foreach_oid(each, target->ri_onConflictArbiterIndexes)
		note_arbiter(walk, target, each);
	if (target->ri_onConflictArbiterIndexes == NIL)
		note_probes(walk, target);
}

/*
 * All of them, of all ModifyTable nodes there may be.
 */
static void
note_targets(WalkState *walk)
{
	EState	   *estate = walk->estate;
	int			leaves = 0;
	ListCell   *lc;

	foreach(lc, estate->es_opened_result_relations)
	{
		Relation	rel = ((ResultRelInfo *) lfirst(lc))->ri_RelationDesc;

		leaves += rel && rel->rd_rel->relkind == RELKIND_RELATION ? 1 : 0;
	}
	foreach(lc, estate->es_opened_result_relations)
		note_target(walk, (ResultRelInfo *) lfirst(lc),
					leaves == 1 ? GUARD_USE_AIMED : 0);

	/* Rows were routed to these, and to no others. */
	foreach(lc, estate->es_tuple_routing_result_relations)
		note_target(walk, (ResultRelInfo *) lfirst(lc), GUARD_USE_AIMED);
}

/*
 * A key that a GROUP BY relies on.
 */
static void
note_group(Oid index, Oid owner)
{
	note_need(index, owner, GUARD_USE_NAMED, GUARD_WAY_GROUP);
}

void
guard_walk_execution(QueryDesc *queryDesc, bool excused, bool check)
{
	WalkState	walk;

	walk.estate = queryDesc->estate;
	walk.top = queryDesc->planstate;
	walk.plan = queryDesc->plannedstmt;
	walk.excused = excused;
	walk.check = check;
	walk.workers = false;
	walk.child = 0;
	walk.parent = 0;
	walk.views = unlikely(walk.plan->invalItems != NIL) && !check &&
		guard_marks_views(walk.plan, guard_pending_by_view);

	walk_node(queryDesc->planstate, WALK_AIMED, &walk);
	foreach_ptr(PlanState, subplan, walk.estate->es_subplanstates)
	{
		if (subplan)
			walk_node(subplan, WALK_AIMED |
					  (walk.workers && subplan->plan->parallel_safe ?
					   WALK_WORKERS : 0), &walk);
	}

	if (unlikely(walk.plan->invalItems != NIL) && !excused)
		guard_marks_groups(walk.plan, note_group);

	/* Not before its end has a statement written what it is going to. */
	if (walk.estate->es_opened_result_relations != NIL &&
		walk.estate->es_finished && !excused)
		note_targets(&walk);
}

/*
 * What most statements are that are executed most often: worth a look that costs
 * less than the walk, which would find the same.
 */
Relation
guard_walk_lone(QueryDesc *queryDesc)
{
	PlanState  *node = queryDesc->planstate;
	EState	   *estate = queryDesc->estate;
	Relation	rel;

	if (!(IsA(node, IndexScanState) || IsA(node, IndexOnlyScanState)) ||
		queryDesc->plannedstmt->invalItems != NIL ||
		estate->es_subplanstates != NIL ||
		estate->es_opened_result_relations != NIL || !has_begun(node))
		return NULL;
	rel = scanned(node);
	return is_ours(rel) ? rel : NULL;
}

/*
 * Under guard.mode = off it is not known whether guard is installed, nor which
 * its schema is.
 */
bool
guard_walk_touches(QueryDesc *queryDesc)
{
	EState	   *estate = queryDesc->estate;

	if (queryDesc->planstate == NULL ||
		(estate->es_top_eflags & EXEC_FLAG_EXPLAIN_ONLY))
		return false;
	for (int i = 0; i < estate->es_range_table_size; i++)
	{
		if (estate->es_relations[i] != NULL && is_ours(estate->es_relations[i]))
			return true;
	}
	return false;
}
