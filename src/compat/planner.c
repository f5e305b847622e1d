/*-------------------------------------------------------------------------
 *
 * planner.c
 *	  The planner's hooks, whichever PostgreSQL calls them.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "commands/explain.h"
#include "optimizer/planner.h"

#include "compat/compat.h"

#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* ----------------------------------------------------------------
 *		planner_hook
 * ----------------------------------------------------------------
 */

static guard_compat_planner_type our_planner = NULL;
static planner_hook_type prev_planner = NULL;

#if PG_VERSION_NUM >= 190000

static PlannedStmt *
planner_190000(Query *parse, const char *query_string, int cursorOptions,
			   ParamListInfo boundParams, ExplainState *es)
{
	return our_planner(parse, query_string, cursorOptions, boundParams, es);
}

PlannedStmt *
guard_compat_next_planner(Query *parse, const char *query_string,
						  int cursorOptions, ParamListInfo boundParams,
						  struct ExplainState *es)
{
	return (prev_planner ? prev_planner : standard_planner)
		(parse, query_string, cursorOptions, boundParams, es);
}

PlannedStmt *
guard_compat_standard_planner(Query *parse, const char *query_string,
							  int cursorOptions, ParamListInfo boundParams)
{
	return standard_planner(parse, query_string, cursorOptions, boundParams,
							NULL);
}

void
guard_compat_hook_planner(guard_compat_planner_type planner)
{
	our_planner = planner;
	prev_planner = planner_hook;
	planner_hook = planner_190000;
}

#else

static PlannedStmt *
planner_without_explain(Query *parse, const char *query_string,
						int cursorOptions, ParamListInfo boundParams)
{
	return our_planner(parse, query_string, cursorOptions, boundParams, NULL);
}

PlannedStmt *
guard_compat_next_planner(Query *parse, const char *query_string,
						  int cursorOptions, ParamListInfo boundParams,
						  struct ExplainState *es)
{
	return (prev_planner ? prev_planner : standard_planner)
		(parse, query_string, cursorOptions, boundParams);
}

PlannedStmt *
guard_compat_standard_planner(Query *parse, const char *query_string,
							  int cursorOptions, ParamListInfo boundParams)
{
	return standard_planner(parse, query_string, cursorOptions, boundParams);
}

void
guard_compat_hook_planner(guard_compat_planner_type planner)
{
	our_planner = planner;
	prev_planner = planner_hook;
	planner_hook = planner_without_explain;
}

#endif

/* ----------------------------------------------------------------
 *		An option of EXPLAIN
 * ----------------------------------------------------------------
 */

#if PG_VERSION_NUM >= 180000

typedef struct ExplainCall
{
	Query	   *query;
	int			cursorOptions;
	IntoClause *into;
	struct ExplainState *es;
	const char *queryString;
	ParamListInfo params;
	QueryEnvironment *queryEnv;
} ExplainCall;

static ExplainOneQuery_hook_type prev_ExplainOneQuery = NULL;
static guard_compat_explain_parse parse_option = NULL;
static guard_compat_explain_run run_under_option = NULL;
static int	explain_id = -1;

static void
take_option(struct ExplainState *es, DefElem *option, ParseState *pstate)
{
	SetExplainExtensionState(es, explain_id, parse_option(defGetString(option)));
}

static void
explain_next(void *arg)
{
	ExplainCall *call = arg;

	(prev_ExplainOneQuery ? prev_ExplainOneQuery : standard_ExplainOneQuery)
		(call->query, call->cursorOptions, call->into, call->es,
		 call->queryString, call->params, call->queryEnv);
}

static void
explain_one_query(Query *query, int cursorOptions, IntoClause *into,
				  struct ExplainState *es, const char *queryString,
				  ParamListInfo params, QueryEnvironment *queryEnv)
{
	ExplainCall call = {query, cursorOptions, into, es, queryString, params, queryEnv};
	List	   *option = GetExplainExtensionState(es, explain_id);

	if (option == NIL)
		explain_next(&call);
	else
		run_under_option(option, explain_next, &call);
}

void
guard_compat_add_explain_option(const char *name,
								guard_compat_explain_parse parse,
								guard_compat_explain_run run)
{
	parse_option = parse;
	run_under_option = run;
	explain_id = GetExplainExtensionId("guard");
#if PG_VERSION_NUM >= 190000
	RegisterExtensionExplainOption(name, take_option, NULL);
#else
	RegisterExtensionExplainOption(name, take_option);
#endif
	prev_ExplainOneQuery = ExplainOneQuery_hook;
	ExplainOneQuery_hook = explain_one_query;
}

#else

void
guard_compat_add_explain_option(const char *name,
								guard_compat_explain_parse parse,
								guard_compat_explain_run run)
{
}

#endif

/* ----------------------------------------------------------------
 *		EXPLAIN of a plan
 * ----------------------------------------------------------------
 */

char *
guard_compat_explain_plan(PlannedStmt *plan, const char *text,
						  ParamListInfo params)
{
	ExplainState *es = NewExplainState();
	instr_time	none;

	INSTR_TIME_SET_ZERO(none);
	ExplainBeginOutput(es);
#if PG_VERSION_NUM >= 170000
	ExplainOnePlan(plan, NULL, es, text, params, NULL, &none, NULL, NULL);
#else
	ExplainOnePlan(plan, NULL, es, text, params, NULL, &none, NULL);
#endif
	ExplainEndOutput(es);
	return es->str->data;
}
