/*-------------------------------------------------------------------------
 *
 * marks.c
 *	  What a statement needs and only its Query says, carried by its plan.
 *
 * GROUP BY a primary key is legal because of that key, and ON CONFLICT ON
 * CONSTRAINT names one; which that is stands in the Query, and is gone when the
 * plan is executed, maybe hours later and a thousand times.  Nor can anything
 * be remembered for it in the session, for what is remembered gets lost.  So the
 * plan carries it where it lists what else it depends on: as items whose
 * "cache" says what is meant, and whose hash value is no hash.  PostgreSQL asks
 * for items of functions and types only.
 *
 *		CONSTROID	the index of a key that GROUP BY relies on,
 *		AUTHOID		followed by its owner
 *		INDEXRELID	the index of a constraint that ON CONFLICT names
 *		RULERELNAME	a view that the statement goes through, or GUARD_BOUND_BODY
 *		RELOID		in such a statement, a table that it names itself; 0: it may have
 *					named any
 *		ATTNUM		columns that INSERT ... ON CONFLICT DO NOTHING supplies itself,
 *					32 in each item, in their order
 *
 * This is the one thing that is allocated while a user's statement is planned,
 * some bytes for those few that have something to carry.
 *
 * Set-returning SQL functions become part of the statement only while it is
 * planned; their queries are met when they are analyzed.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"

#include "planner/capture/capture.h"
#include "planner/capture/marks.h"
#include "store/store.h"

#define COLUMNS_IN_ITEM	32

/* What is found in a query, and all that is in it. */
typedef struct Found
{
	List	   *marks;
	bool		functions;		/* that may become part of it */
	bool		views;			/* it goes through some */
	bool		naming;			/* look for the names by which it reaches what
								 * it does, and for nothing else */
	bool		in_view;		/* here we are in one */
} Found;

/*
 * Where the queries of functions are met that are planned along, and the memory
 * that is in; NULL: nowhere.
 */
static Found *collecting = NULL;
static MemoryContext context = NULL;

static post_parse_analyze_hook_type prev_post_parse = NULL;

static void find_marks(Query *query, Found *found);

static void
add_item(List **marks, int cache, uint32 value)
{
	PlanInvalItem *item = makeNode(PlanInvalItem);

	item->cacheId = cache;
	item->hashValue = value;
	*marks = lappend(*marks, item);
}

/*
 * The index of a constraint, and its owner; only of what is recorded.
 */
static void
add_index(List **marks, int cache, Oid constraint)
{
	Oid			index = get_constraint_index(constraint);
	FormData_pg_class form;

	if (guard_catalog_form(RELOID, index, &form) &&
		index >= FirstNormalObjectId &&
		form.relpersistence != RELPERSISTENCE_TEMP &&
		form.relnamespace != guard_store_schema)
	{
		add_item(marks, cache, index);
		if (cache == CONSTROID)
			add_item(marks, AUTHOID, form.relowner);
	}
}

static bool
is_given(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	return IsA(node, Var) || IsA(node, Param) ||
		expression_tree_walker(node, is_given, arg);
}

/*
 * Does the statement itself say what goes into this column?  Not where nothing
 * does, nor where it is made up for each row, as by a sequence: what a statement
 * leaves to such a default conflicts with nothing.
 */
static bool
is_supplied(const TargetEntry * entry)
{
	if (IsA(entry->expr, Const))
		return !((Const *) entry->expr)->constisnull;
	return !contain_volatile_functions((Node *) entry->expr) ||
		is_given((Node *) entry->expr, NULL);
}

static void
add_columns(List **marks, Query *query)
{
	uint32		columns[MaxHeapAttributeNumber / COLUMNS_IN_ITEM + 1] = {0};
	int			last = 0;

	foreach_ptr(TargetEntry, entry, query->targetList)
	{
		int			number = entry->resno - 1;

		if (entry->resjunk || !is_supplied(entry))
			continue;
		columns[number / COLUMNS_IN_ITEM] |= (uint32) 1 << number % COLUMNS_IN_ITEM;
		last = Max(last, number / COLUMNS_IN_ITEM);
	}
	for (int i = 0; i <= last; i++)
		add_item(marks, ATTNUM, columns[i]);
}

static bool
find_in_sublink(Node *node, void *found)
{
	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, find_in_sublink, found);
	find_marks((Query *) node, found);
	return false;
}

/*
 * Is this a call of a function that may become part of the statement, and reaches
 * its tables by their OIDs?
 */
static bool
has_bound_body(const RangeTblEntry *entry)
{
	const		RangeTblFunction *called = entry->rtekind == RTE_FUNCTION ?
		linitial(entry->functions) : NULL;
	Oid			function = called != NULL && IsA(called->funcexpr, FuncExpr) ?
		((const FuncExpr *) called->funcexpr)->funcid : InvalidOid;
	HeapTuple	tuple = function >= FirstNormalObjectId ?
		SearchSysCache1(PROCOID, ObjectIdGetDatum(function)) : NULL;
	bool		bound = HeapTupleIsValid(tuple) &&
		!heap_attisnull(tuple, Anum_pg_proc_prosqlbody, NULL);

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return bound;
}

/*
 * Is it a statement of such a body?  What was parsed here has a place in its text, and an
 * identifier; the actions of rules have only that.
 */
static bool
is_bound_body(const Query *query)
{
	return query->stmt_location == -1 && query->queryId == 0 && IsQueryIdEnabled();
}

/*
 * The view that an entry stands for, if not a function.  Where one is read, its entry has become that
 * of a subquery: on 15 without a name, but with the view as an entry in there, which
 * nothing refers to.  Where one is written to, the entry has stayed, beside that
 * of its table.
 */
static Oid
view_of(const RangeTblEntry *entry)
{
	const Query *query = entry->rtekind == RTE_SUBQUERY ? entry->subquery : NULL;
	const RangeTblEntry *first = query != NULL && query->rtable != NIL ?
		linitial(query->rtable) : NULL;

	if (entry->relkind == RELKIND_VIEW)
		return entry->relid;
	if (has_bound_body(entry))
		return GUARD_BOUND_BODY;
	return first != NULL && first->rtekind == RTE_RELATION && !first->inFromCl &&
		first->relkind == RELKIND_VIEW ? first->relid : InvalidOid;
}

/*
 * By which names does the query reach its tables?  What one writes to through a
 * view is not named.
 */
static void
find_names(const Query *query, Found *found)
{
	bool		through_view = false;
	int			rtindex = 0;

	foreach_ptr(RangeTblEntry, entry, query->rtable)
	{
		Oid			view = view_of(entry);

		if (OidIsValid(view))
			add_item(&found->marks, RULERELNAME, view);
		through_view |= OidIsValid(view) && entry->rtekind == RTE_RELATION;
	}
	foreach_ptr(RangeTblEntry, entry, query->rtable)
	{
		rtindex++;
		if (entry->rtekind == RTE_RELATION && !found->in_view &&
			entry->relkind != RELKIND_VIEW &&
			(rtindex != query->resultRelation || !through_view))
			add_item(&found->marks, RELOID, entry->relid);
	}
}

static void
find_needs(Query *query, Found *found)
{
	OnConflictExpr *conflict = query->onConflict;

	foreach_oid(constraint, query->constraintDeps)
		add_index(&found->marks, CONSTROID, constraint);
	if (conflict != NULL && OidIsValid(conflict->constraint))
		add_index(&found->marks, INDEXRELID, conflict->constraint);
	else if (conflict != NULL && conflict->arbiterElems == NIL)
		add_columns(&found->marks, query);
}

/*
 * The marks of a query and all that is in it, before it is planned.
 */
static void
find_marks(Query *query, Found *found)
{
	bool		outer = found->in_view;

	if (found->naming)
		find_names(query, found);
	else
		find_needs(query, found);
	foreach_ptr(RangeTblEntry, entry, query->rtable)
	{
		bool		is_view = OidIsValid(view_of(entry));

		found->views |= is_view;
		found->functions |= entry->rtekind == RTE_FUNCTION;
		if (entry->rtekind != RTE_SUBQUERY || entry->subquery == NULL)
			continue;
		found->in_view |= is_view;
		find_marks(entry->subquery, found);
		found->in_view = outer;
	}
	foreach_ptr(CommonTableExpr, cte, query->cteList)
	{
		if (IsA(cte->ctequery, Query))
			find_marks((Query *) cte->ctequery, found);
	}
	if (query->hasSubLinks)
		(void) query_tree_walker(query, find_in_sublink, found,
								 QTW_IGNORE_RT_SUBQUERIES |
								 QTW_IGNORE_CTE_SUBQUERIES);
}

/*
 * All of them.  Names are of interest only where some are those of views.
 */
static void
find_all(Query *query, Found *found)
{
	found->in_view = is_bound_body(query);
	found->views |= found->in_view;
	find_marks(query, found);
	found->naming = found->views;
	if (found->in_view)
		add_item(&found->marks, RULERELNAME, GUARD_BOUND_BODY);
	if (found->naming)
		find_marks(query, found);
	found->naming = false;
}

static inline bool
is_on(void)
{
	return guard_guc_mode != GUARD_MODE_OFF && guard_guc_capture;
}

PlannedStmt *
guard_marks_plan(Query *query, guard_marks_planner plan, void *arg)
{
	Found		found = {0};
	Found	   *outer = collecting;
	MemoryContext outer_context = context;
	PlannedStmt *result;

	if (!is_on() || query->commandType == CMD_UTILITY || !guard_store_is_here())
		return plan(arg);
	find_all(query, &found);
	if (likely(!found.functions))
		result = plan(arg);
	else
	{
		collecting = &found;
		context = CurrentMemoryContext;
		PG_TRY();
		{
			result = plan(arg);
		}
		PG_FINALLY();
		{
			collecting = outer;
			context = outer_context;
		}
		PG_END_TRY();
	}
	if (unlikely(found.marks != NIL))
		result->invalItems = list_concat(result->invalItems, found.marks);
	return result;
}

/*
 * Where only a function goes through views, it is too late to look for what the
 * statement itself names.
 */
static void
note_analyzed(ParseState *pstate, Query *query, guard_compat_jumble_state * jumble)
{
	MemoryContext old;
	bool		views;

	if (prev_post_parse)
		prev_post_parse(pstate, query, jumble);
	if (likely(collecting == NULL) || query->commandType != CMD_SELECT)
		return;
	old = MemoryContextSwitchTo(context);
	views = collecting->views;
	find_all(query, collecting);
	if (collecting->views && !views)
		add_item(&collecting->marks, RELOID, InvalidOid);
	MemoryContextSwitchTo(old);
}

bool
guard_marks_name(const PlannedStmt *plan, Oid index)
{
	foreach_ptr(PlanInvalItem, item, plan->invalItems)
	{
		if (item->cacheId == INDEXRELID && item->hashValue == index)
			return true;
	}
	return false;
}

bool
guard_marks_leave_out(const PlannedStmt *plan)
{
	foreach_ptr(PlanInvalItem, item, plan->invalItems)
	{
		if (item->cacheId == ATTNUM)
			return true;
	}
	return false;
}

bool
guard_marks_supply(const PlannedStmt *plan, AttrNumber column)
{
	int			number = column - 1;
	int			items = 0;

	foreach_ptr(PlanInvalItem, item, plan->invalItems)
	{
		if (item->cacheId == ATTNUM && items++ == number / COLUMNS_IN_ITEM)
			return (item->hashValue >> number % COLUMNS_IN_ITEM & 1) != 0;
	}
	return false;
}

bool
guard_marks_views(const PlannedStmt *plan, void (*note) (Oid view))
{
	bool		any = false;

	foreach_ptr(PlanInvalItem, item, plan->invalItems)
	{
		if (item->cacheId != RULERELNAME)
			continue;
		note(item->hashValue);
		any = true;
	}
	return any;
}

bool
guard_marks_named(const PlannedStmt *plan, Oid table)
{
	foreach_ptr(PlanInvalItem, item, plan->invalItems)
	{
		if (item->cacheId == RELOID &&
			(item->hashValue == table || item->hashValue == InvalidOid))
			return true;
	}
	return false;
}

void
guard_marks_groups(const PlannedStmt *plan,
				   void (*note) (Oid index, Oid owner))
{
	Oid			index = InvalidOid;

	foreach_ptr(PlanInvalItem, item, plan->invalItems)
	{
		if (item->cacheId == CONSTROID)
			index = item->hashValue;
		else if (item->cacheId == AUTHOID)
			note(index, item->hashValue);
	}
}

/* Called at start. */
void
guard_marks_init(void)
{
	prev_post_parse = post_parse_analyze_hook;
	post_parse_analyze_hook = note_analyzed;
}
