/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  The plan of a statement that a profile brought along.
 *
 * Somebody else wrote it, perhaps in a pull request.  It is never run, and what is done
 * with it is done as a role that may do nothing, in a security-restricted
 * operation, in a subtransaction that is rolled back: parsed, and refused
 * unless it is one query; analysed; and planned only where that calls nothing
 * but C (whatif/trust.c).  Its parameters have no values, so the plan is the
 * one that PostgreSQL calls generic.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_inherits.h"
#include "optimizer/planner.h"
#include "tcop/tcopprot.h"

#include "planner/planas/planas.h"
#include "planner/planner.h"
#include "planner/whatif/sampling.h"
#include "store/store.h"

typedef struct Stranger
{
	const char *text;
	const char *search_path;
	Oid			role;
	MemoryContext context;		/* for what comes of it */
	GuardPlanasPlan *plan;
} Stranger;

/* Relations that a query names, at any depth. */
static bool
find_relations(Node *node, List **relations)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_RELATION)
			*relations = lappend_oid(*relations, rte->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_relations, relations,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, find_relations, relations);
}

/*
 * Would planning it call nothing but C?  With its children's indexes, too.
 */
static bool
is_trusted(Query *query)
{
	List	   *named = NIL;
	List	   *relations = NIL;

	(void) find_relations((Node *) query, &named);
	foreach_oid(relation, named)
		relations = list_concat_unique_oid(relations,
										   find_all_inheritors(relation, AccessShareLock, NULL));
	return guard_trust_query(copyObject(query), relations);
}

/*
 * The query that the text is, analysed and rewritten; an error where it is
 * anything else.
 */
static Query *
understand(const char *text, int *nparams)
{
	List	   *parsed = pg_parse_query(text);
	Oid		   *types = NULL;
	List	   *queries;
	RawStmt    *stmt = list_length(parsed) == 1 ? linitial_node(RawStmt, parsed) : NULL;

	if (stmt == NULL ||
		!(IsA(stmt->stmt, SelectStmt) || IsA(stmt->stmt, InsertStmt) ||
		  IsA(stmt->stmt, UpdateStmt) || IsA(stmt->stmt, DeleteStmt) ||
		  IsA(stmt->stmt, MergeStmt)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("it is not one query")));
	queries = pg_analyze_and_rewrite_varparams(stmt, text, &types, nparams, NULL);
	if (list_length(queries) != 1 ||
		linitial_node(Query, queries)->commandType == CMD_UTILITY)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rules make more or less than one query of it")));
	return linitial_node(Query, queries);
}

/*
 * Explain a plan, for which nobody needs any rights: it is shown, not run.
 */
static char *
show(PlannedStmt *plan, const char *text, int nparams)
{
	ParamListInfo params = makeParamList(nparams);

	for (int i = 0; i < nparams; i++)
		params->params[i].isnull = true;
	guard_compat_waive_rights(plan);
	return guard_compat_explain_plan(plan, text, params);
}

static bool
note_index(Oid index, double rows, void *arg)
{
	GuardPlanasPlan *plan = arg;

	plan->indexes = lappend_oid(plan->indexes, index);
	return true;
}

static void
plan_stranger(void *arg)
{
	Stranger   *stranger = arg;
	int			nparams = 0;
	Query	   *query = understand(stranger->text, &nparams);
	PlannedStmt *plan;
	MemoryContext old;

	if (!is_trusted(query))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("planning it may run functions that are not in C")));
	plan = guard_compat_plan_query(query, stranger->text);
	stranger->plan->cost = plan->planTree->total_cost;
	old = MemoryContextSwitchTo(stranger->context);
	guard_plan_indexes(plan, note_index, stranger->plan);
	MemoryContextSwitchTo(old);
	stranger->plan->text = MemoryContextStrdup(stranger->context,
											   show(plan, stranger->text, nparams));
}

/*
 * As the role, and back.
 */
static void
plan_restricted(void *arg)
{
	Stranger   *stranger = arg;
	ExplainStmt *explain = makeNode(ExplainStmt);
	Oid			userid;
	int			security;

	(void) set_config_option("search_path", stranger->search_path, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("client_min_messages", "error", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	GetUserIdAndSecContext(&userid, &security);
	SetUserIdAndSecContext(stranger->role,
						   security | SECURITY_RESTRICTED_OPERATION);
	PushActiveSnapshot(GetTransactionSnapshot());
	explain->query = (Node *) makeNode(Query);
	guard_planas_explain(explain, plan_stranger, stranger);
	PopActiveSnapshot();
	SetUserIdAndSecContext(userid, security);
}

bool
guard_planas_statement(const char *text, const char *search_path, Oid role,
					   GuardPlanasPlan *plan, GuardFailure *failure)
{
	Stranger	stranger = {text, search_path, role, CurrentMemoryContext, plan};
	bool		ok;
	Oid			userid;
	int			security;

	GetUserIdAndSecContext(&userid, &security);
	ok = guard_work_run(plan_restricted, &stranger, GUARD_WORK_UNDONE, failure);
	SetUserIdAndSecContext(userid, security);
	return ok;
}
