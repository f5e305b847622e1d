/*-------------------------------------------------------------------------
 *
 * utility.c
 *	  The door for statements: ProcessUtility.
 *
 * It covers what the event trigger does not: sessions in which event triggers
 * are off (doc/internals/postgresql.md 1.9), REINDEX on servers before 17, and
 * the moment after the statement.  It only routes.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"

#include "guc.h"
#include "hooks/frame.h"
#include "planner/capture/capture.h"
#include "planner/without.h"
#include "store/store.h"
#include "store/visits.h"
#include "store/xact.h"

static ProcessUtility_hook_type prev_ProcessUtility = NULL;
static int	depth = 0;

/* A statement that runs while guard.mode is off, and the string it is in. */
typedef struct Unjudged
{
	const PlannedStmt *pstmt;
	const char *queryString;
} Unjudged;

static const Unjudged *unjudged = NULL; /* the innermost one */

int
guard_utility_depth(void)
{
	return depth;
}

/*
 * Can this statement concern an index?  DDL as PostgreSQL classifies it, and
 * REINDEX, which it does not.
 */
static bool
is_ddl(Node *parsetree)
{
	return IsA(parsetree, ReindexStmt) ||
		GetCommandLogLevel(parsetree) == LOGSTMT_DDL;
}

/*
 * In a read-only transaction, and on a standby, PostgreSQL itself refuses all
 * DDL.
 */
static bool
concerns_us(Node *parsetree)
{
	return (IsA(parsetree, ReindexStmt) || !XactReadOnly) &&
		guard_store_present();
}

/*
 * The text of this statement alone, out of a string that may hold several, and
 * among them what is nobody's business: the password of a role.  NULL where it
 * cannot be told from the others.
 */
static char *
statement_text(const PlannedStmt *pstmt, const char *queryString)
{
	if (queryString == NULL || pstmt->stmt_location < 0)
		return NULL;
	if (pstmt->stmt_len <= 0)
		return pstrdup(queryString + pstmt->stmt_location);
	return pnstrdup(queryString + pstmt->stmt_location, pstmt->stmt_len);
}

void
guard_utility_describe(GuardAsked *asked)
{
	Unjudged	top = {NULL, NULL};

	if (unjudged != NULL)
		top = *unjudged;
	else if (ActivePortal != NULL && list_length(ActivePortal->stmts) == 1)
	{
		/* the statement whose event trigger has loaded the library */
		top.pstmt = linitial_node(PlannedStmt, ActivePortal->stmts);
		top.queryString = ActivePortal->sourceText;
		asked->command = GetCommandTagName(ActivePortal->commandTag);
	}
	if (top.pstmt == NULL || top.pstmt->utilityStmt == NULL ||
		!is_ddl(top.pstmt->utilityStmt))
		return;
	asked->command = GetCommandTagName(CreateCommandTag(top.pstmt->utilityStmt));
	asked->statement = statement_text(top.pstmt, top.queryString);
}

static void
call_next(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
		  ProcessUtilityContext context, ParamListInfo params,
		  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_ProcessUtility)
		prev_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
							queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);
}

/*
 * EXPLAIN ANALYZE executes, but is no use of an index.
 */
static void
run_explain(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			ProcessUtilityContext context, ParamListInfo params,
			QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	guard_without_check_explain((ExplainStmt *) pstmt->utilityStmt);
	guard_capture_enter_explain();
	PG_TRY();
	{
		call_next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
				  dest, qc);
	}
	PG_FINALLY();
	{
		guard_capture_leave_explain();
	}
	PG_END_TRY();
}

static void
leave(GuardFrame *frame)
{
	depth--;
	guard_frame_pop(frame);
}

/*
 * The frame ends in any case, also when that leads to another error.
 */
static void
fail(GuardFrame *frame)
{
	PG_TRY();
	{
		guard_statement_failed(frame);
	}
	PG_CATCH();
	{
		leave(frame);
		PG_RE_THROW();
	}
	PG_END_TRY();
	leave(frame);
}

static void
run_ddl(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
		ProcessUtilityContext context, ParamListInfo params,
		QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	GuardFrame *frame;

	if (depth == 0)
		guard_statement_close_left_open(false);
	frame = guard_frame_push(CreateCommandTag(pstmt->utilityStmt), false);
	depth++;
	PG_TRY();
	{
		guard_statement_start(frame, pstmt->utilityStmt,
							  statement_text(pstmt, queryString));
		call_next(frame->delayed == NIL ? pstmt :
				  guard_delay_carry_out(frame, pstmt,
										context == PROCESS_UTILITY_TOPLEVEL),
				  queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		guard_statement_end(frame, true);
	}
	PG_CATCH();
	{
		fail(frame);
		PG_RE_THROW();
	}
	PG_END_TRY();
	leave(frame);
}

/*
 * With guard.mode off nothing is done but to remember which statement this is,
 * for what is dropped is written down all the same.
 */
static void
run_unjudged(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *queryEnv, DestReceiver *dest,
			 QueryCompletion *qc)
{
	const Unjudged *outer = unjudged;
	Unjudged	mine = {pstmt, queryString};

	PG_TRY();
	{
		unjudged = &mine;
		call_next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
				  dest, qc);
	}
	PG_FINALLY();
	{
		unjudged = outer;
	}
	PG_END_TRY();
}

static void
route(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
	  ProcessUtilityContext context, ParamListInfo params,
	  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (IsA(pstmt->utilityStmt, ExplainStmt))
		run_explain(pstmt, queryString, readOnlyTree, context, params,
					queryEnv, dest, qc);
	else if (!is_ddl(pstmt->utilityStmt))
		call_next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
				  dest, qc);
	else if (guard_guc_mode == GUARD_MODE_OFF)
		run_unjudged(pstmt, queryString, readOnlyTree, context, params,
					 queryEnv, dest, qc);
	else if (concerns_us(pstmt->utilityStmt))
		run_ddl(pstmt, queryString, readOnlyTree, context, params, queryEnv,
				dest, qc);
	else
		call_next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
				  dest, qc);
}

static void
unbar(int code, Datum database)
{
	guard_visits_unbar(DatumGetObjectId(database));
}

/*
 * A statement about databases: our own visitors make way for it, wherever it
 * is issued.
 */
static void
run_with_way_made(PlannedStmt *pstmt, const char *queryString,
				  bool readOnlyTree, ProcessUtilityContext context,
				  ParamListInfo params, QueryEnvironment *queryEnv,
				  DestReceiver *dest, QueryCompletion *qc)
{
	Oid			database = guard_database_to_empty(pstmt->utilityStmt);

	PG_ENSURE_ERROR_CLEANUP(unbar, ObjectIdGetDatum(database));
	{
		if (OidIsValid(database))
			guard_visits_bar(database);
		route(pstmt, queryString, readOnlyTree, context, params, queryEnv,
			  dest, qc);
	}
	PG_END_ENSURE_ERROR_CLEANUP(unbar, ObjectIdGetDatum(database));
	guard_visits_unbar(database);
	guard_visits_note_databases();
}

static inline bool
is_commit(Node *parsetree)
{
	TransactionStmtKind kind;

	if (likely(!IsA(parsetree, TransactionStmt)))
		return false;
	kind = ((TransactionStmt *) parsetree)->kind;
	return kind == TRANS_STMT_COMMIT || kind == TRANS_STMT_PREPARE;
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest,
				QueryCompletion *qc)
{
	guard_settings_check(pstmt->utilityStmt);
	if (is_commit(pstmt->utilityStmt))
		guard_xact_commit_arrives();
	if (guard_database_concerns(pstmt->utilityStmt))
		run_with_way_made(pstmt, queryString, readOnlyTree, context, params,
						  queryEnv, dest, qc);
	else
		route(pstmt, queryString, readOnlyTree, context, params, queryEnv,
			  dest, qc);

	if (guard_settings_concerns(pstmt->utilityStmt))
		guard_settings_changed(pstmt->utilityStmt,
							   statement_text(pstmt, queryString));

	/* So that the launcher is told (guard_visits_note_present). */
	if (IsA(pstmt->utilityStmt, CreateExtensionStmt) &&
		strcmp(((CreateExtensionStmt *) pstmt->utilityStmt)->extname, "guard") == 0)
		(void) guard_store_present();
	guard_transaction_go_first();
}

void
guard_utility_init(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
