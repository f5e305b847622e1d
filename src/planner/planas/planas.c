/*-------------------------------------------------------------------------
 *
 * planas.c
 *	  EXPLAIN as another server would plan: guard.plan_as.
 *
 * The planner asks for sizes when it has read those of the files here, and for
 * statistics before it looks into pg_statistic; pg_class and pg_statistic stay
 * what they are.  For a table that the profile knows, what it does not say is
 * "none", never what is here.
 *
 * What has no hook: extended statistics, which are left out; the meta page of a
 * GIN index; the ends of a B-tree, which the planner would read, and
 * believe, if the index did not pass for a hypothetical one.  (That flag has two
 * readers more: a GIN index would be costed without its meta page, and a BRIN
 * one without its pages_per_range, so B-trees alone bear it.)  Functions that
 * the planner evaluates see the tables as they are here.  What of that a
 * statement meets is told with its plan.
 *
 * now() is when the profile was exported, as if this were a parallel worker of
 * a transaction of then: statistics end there, and so do partitions.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/itup.h"
#include "access/parallel.h"
#include "catalog/pg_am.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic.h"
#include "commands/defrem.h"
#include "utils/plancache.h"
#include "utils/selfuncs.h"

#include "planner/planas/planas.h"

/* What one EXPLAIN changes for its length. */
typedef struct Explaining
{
	bool		outer_explaining;
	int			outer_depth;
	bool		outer_is_kept;
	List	   *outer_remarks;
	MemoryContext outer_context;
	TimestampTz transaction_start;
	TimestampTz statement_start;
	int			nestlevel;		/* of settings */
} Explaining;

bool		guard_planas_explaining = false;
static int	depth = 0;			/* of plannings within an EXPLAIN */
static bool is_kept = false;	/* is a plan of this EXPLAIN in the cache? */
static List *remarks = NIL;		/* char *, in remark_context */
static MemoryContext remark_context = NULL;

static get_relation_stats_hook_type prev_relation_stats = NULL;
static get_index_stats_hook_type prev_index_stats = NULL;
static get_attavgwidth_hook_type prev_width = NULL;

/* Is the statement that is explained being planned, and nothing else? */
static inline bool
is_answering(void)
{
	return unlikely(depth == 1);
}

/* ----------------------------------------------------------------
 *		Why it may not be that server's plan
 * ----------------------------------------------------------------
 */

/*
 * Add a remark, once; what is in "text" is the caller's.
 */
static void
remark(const char *text)
{
	MemoryContext old;

	foreach_ptr(char, known, remarks)
	{
		if (strcmp(known, text) == 0)
			return;
	}
	old = MemoryContextSwitchTo(remark_context);
	remarks = lappend(remarks, pstrdup(text));
	MemoryContextSwitchTo(old);
}

static bool
is_evaluated_function(Oid function, void *arg)
{
	if (function >= FirstNormalObjectId && func_volatile(function) != PROVOLATILE_VOLATILE)
		remark(psprintf("function %s may have been run while planning, on the data that are here",
						get_func_name(function)));
	return false;
}

static bool
find_evaluated(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_evaluated, arg, 0);
	(void) check_functions_in_node(node, is_evaluated_function, arg);
	return expression_tree_walker(node, find_evaluated, arg);
}

/* Say them, and forget them. */
static void
tell_remarks(void)
{
	StringInfoData detail;

	if (remarks == NIL)
		return;
	initStringInfo(&detail);
	foreach_ptr(char, each, remarks)
		appendStringInfo(&detail, "%s%s", detail.len > 0 ? "\n" : "", each);
	ereport(NOTICE,
			(errmsg("the plan may differ from the one of profile \"%s\"", guard_guc_plan_as),
			 errdetail_internal("%s", detail.data)));
}

/* ----------------------------------------------------------------
 *		Sizes
 * ----------------------------------------------------------------
 */

/*
 * How high a B-tree of so many pages is, where the profile does not say it:
 * with 280 entries on an inner page that is right nine times in ten.
 */
static int
height_of(double pages)
{
	int			height = 0;

	for (double level = pages - 1; level > 1; level = ceil(level / 280))
		height++;
	return height;
}

/*
 * An index that the profile does not know, as a migration has just made it:
 * pages nine tenths full of entries as wide as its columns.
 */
static void
guess_index(IndexOptInfo *index, Oid heap)
{
	double		width = MAXALIGN(sizeof(IndexTupleData)) + sizeof(ItemIdData);

	for (int i = 0; i < index->ncolumns; i++)
		width += index->indexkeys[i] != 0 ? get_attavgwidth(heap, index->indexkeys[i]) :
			get_typavgwidth(exprType((Node *) list_nth_node(TargetEntry, index->indextlist, i)->expr), -1);
	index->pages = 2 + index->tuples * width / (BLCKSZ * 0.9);
	index->tree_height = index->relam == BTREE_AM_OID ? height_of(index->pages) : -1;
	remark(psprintf("index %s is not in the profile: its size is guessed", get_rel_name(index->indexoid)));
}

static void
answer_index(IndexOptInfo *index, RelOptInfo *rel, Oid heap)
{
	const GuardPlanasSize *size = guard_planas_size(index->indexoid);

	index->tuples = rel->tuples;
	if (index->relam == BTREE_AM_OID)
		index->hypothetical = true;
	else if (index->relam == GIN_AM_OID)
		remark(psprintf("the cost of GIN index %s hangs on pages that are not here", get_rel_name(index->indexoid)));
	if (size == NULL)
	{
		guess_index(index, heap);
		return;
	}
	index->pages = size->pages;
	if (index->indpred != NIL && size->tuples >= 0)
		index->tuples = Min(size->tuples, rel->tuples);
	if (index->relam == BTREE_AM_OID)
		index->tree_height = size->height >= 0 ? size->height : height_of(size->pages);
}

/*
 * A table that has never been counted is as large as the planner takes one for:
 * ten pages at least, with as many rows on each as their width lets expect,
 * which is what it has found here.
 */
static void
answer_table(RelOptInfo *rel, const GuardPlanasSize *size)
{
	if (size->tuples >= 0)
		rel->tuples = size->tuples;
	else if (rel->pages > 0)
		rel->tuples = rint(rel->tuples / rel->pages * Max(size->pages, 10));
	rel->pages = size->tuples >= 0 ? size->pages : Max(size->pages, 10);
	rel->allvisfrac = size->pages > 0 ? size->all_visible / size->pages : 0;
}

void
guard_planas_relation(RelOptInfo *rel, Oid heap, bool inhparent)
{
	const GuardPlanasSize *size;

	if (likely(!is_answering()))
		return;
	size = guard_planas_table(rel, heap);
	if (size->remark != NULL)
		remark(size->remark);
	if (OidIsValid(rel->serverid))
		remark(psprintf("%s is a foreign table", get_rel_name(heap)));
	else if (!size->known)
		remark(psprintf("table %s is not in the profile", get_rel_name(heap)));
	if (!size->known)
		return;
	rel->statlist = NIL;
	if (inhparent)
		return;
	answer_table(rel, size);
	foreach_ptr(IndexOptInfo, index, rel->indexlist)
		answer_index(index, rel, heap);
}

/* ----------------------------------------------------------------
 *		Statistics
 * ----------------------------------------------------------------
 */

static void
free_nothing(HeapTuple tuple)
{
}

/*
 * Answer for a column of a relation that the profile knows.  Whoever runs the
 * statement there may read the column; rows that policies hide say no more
 * there than they do here.
 */
static void
answer_column(VariableStatData * vardata, Oid relation, int attnum,
			  bool inherited, bool acl_ok)
{
	const GuardPlanasStatistic *statistic = guard_planas_statistic(relation, attnum, inherited);

	if (statistic != NULL && statistic->no_code != NULL)
		remark(psprintf("column %d of %s has no values: %s", attnum,
						get_rel_name(relation), statistic->no_code));
	vardata->statsTuple = statistic != NULL ? statistic->tuple : NULL;
	vardata->freefunc = free_nothing;
	vardata->acl_ok = acl_ok;
}

static bool
relation_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum,
			   VariableStatData * vardata)
{
	if (is_answering() && rte->rtekind == RTE_RELATION &&
		guard_planas_size(rte->relid) != NULL)
	{
		answer_column(vardata, rte->relid, attnum, rte->inh,
					  rte->securityQuals == NIL);
		return true;
	}
	return prev_relation_stats ?
		prev_relation_stats(root, rte, attnum, vardata) : false;
}

/*
 * Nothing of *vardata may be looked at: brincostestimate() does not clear it.
 */
static bool
index_stats(PlannerInfo *root, Oid index, AttrNumber attnum,
			VariableStatData * vardata)
{
	if (is_answering() && guard_planas_size(index) != NULL)
	{
		answer_column(vardata, index, attnum, false, true);
		return true;
	}
	return prev_index_stats ?
		prev_index_stats(root, index, attnum, vardata) : false;
}

/*
 * As get_attavgwidth() has it, of the table without its children.
 */
static int32
width(Oid relation, AttrNumber attnum)
{
	const GuardPlanasStatistic *statistic;

	if (is_answering() &&
		(statistic = guard_planas_statistic(relation, attnum, false)) != NULL)
		return ((Form_pg_statistic) GETSTRUCT(statistic->tuple))->stawidth;
	return prev_width ? prev_width(relation, attnum) : 0;
}

/* ----------------------------------------------------------------
 *		EXPLAIN
 * ----------------------------------------------------------------
 */

/*
 * Set what now() reads.  Only a parallel worker may, so be one for the length of
 * the call.
 */
static void
set_clock(TimestampTz transaction_start, TimestampTz statement_start)
{
	int			number = ParallelWorkerNumber;

	ParallelWorkerNumber = 0;
	SetParallelStartTimestamps(transaction_start, statement_start);
	ParallelWorkerNumber = number;
}

/*
 * Does it execute what it explains?  As EXPLAIN does, the last word counts.
 */
static bool
is_analyze(ExplainStmt *stmt)
{
	bool		analyze = false;

	foreach_ptr(DefElem, option, stmt->options)
	{
		if (strcmp(option->defname, "analyze") == 0)
			analyze = defGetBoolean(option);
	}
	return analyze;
}

/*
 * Nothing that was planned before may be shown, and nothing that is planned now
 * be kept: neither by EXPLAIN EXECUTE, nor what a function has planned that was
 * evaluated meanwhile, under that server's settings.
 */
static void
begin(Explaining *explaining, ExplainStmt *stmt)
{
	TimestampTz exported;

	explaining->outer_explaining = guard_planas_explaining;
	explaining->outer_depth = depth;
	explaining->outer_remarks = remarks;
	explaining->outer_context = remark_context;
	explaining->transaction_start = GetCurrentTransactionStartTimestamp();
	explaining->statement_start = GetCurrentStatementStartTimestamp();
	explaining->outer_is_kept = is_kept;
	explaining->nestlevel = NewGUCNestLevel();
	exported = guard_planas_open(guard_guc_plan_as);
	is_kept = IsA(stmt->query, Query) &&
		((Query *) stmt->query)->commandType == CMD_UTILITY;
	if (is_kept)
		ResetPlanCache();
	set_clock(exported, exported);
	guard_planas_explaining = true;
	depth = 0;
	remarks = NIL;
	remark_context = CurrentMemoryContext;
	if (guard_planas_version() != PG_VERSION_NUM / 10000)
		remark(psprintf("that server is of version %d", guard_planas_version()));
}

/*
 * All is as it was; settings in any case, also those of what has failed within.
 */
static void
end(const Explaining *explaining, bool ok)
{
	AtEOXact_GUC(ok, explaining->nestlevel);
	set_clock(explaining->transaction_start, explaining->statement_start);
	if (is_kept)
		ResetPlanCache();
	is_kept = explaining->outer_is_kept;
	guard_planas_explaining = explaining->outer_explaining;
	depth = explaining->outer_depth;
	remarks = explaining->outer_remarks;
	remark_context = explaining->outer_context;
}

void
guard_planas_explain(ExplainStmt *stmt, guard_planas_work work, void *arg)
{
	Explaining	explaining;

	if (likely(guard_guc_plan_as[0] == '\0') || is_analyze(stmt))
	{
		work(arg);
		return;
	}
	begin(&explaining, stmt);
	PG_TRY();
	{
		work(arg);
		tell_remarks();
	}
	PG_CATCH();
	{
		end(&explaining, false);
		PG_RE_THROW();
	}
	PG_END_TRY();
	end(&explaining, true);
}

PlannedStmt *
guard_planas_plan(Query *parse, const char *query_string, int cursorOptions,
				  ParamListInfo boundParams, struct ExplainState *es)
{
	PlannedStmt *plan;

	depth++;
	PG_TRY();
	{
		is_kept |= depth > 1;
		if (is_answering())
			(void) find_evaluated((Node *) parse, NULL);
		plan = guard_compat_next_planner(parse, query_string, cursorOptions,
										 boundParams, es);
	}
	PG_FINALLY();
	{
		depth--;
	}
	PG_END_TRY();
	return plan;
}

void
guard_planas_init(void)
{
	prev_relation_stats = get_relation_stats_hook;
	get_relation_stats_hook = relation_stats;
	prev_index_stats = get_index_stats_hook;
	get_index_stats_hook = index_stats;
	prev_width = get_attavgwidth_hook;
	get_attavgwidth_hook = width;
}
