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

#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"

#include "hooks/frame.h"
#include "planner/planas/planas.h"
#include "planner/planner.h"
#include "store/store.h"
#include "store/visits.h"

static ProcessUtility_hook_type prev_ProcessUtility = NULL;
static int	depth = 0;

/* One call of the hook, with what it passes on. */
typedef struct Call
{
	PlannedStmt *pstmt;
	const char *queryString;
	bool		readOnlyTree;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *queryEnv;
	DestReceiver *dest;
	QueryCompletion *qc;
} Call;

/* the innermost statement that runs while guard.mode is off */
static const Call *unjudged = NULL;

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
	Call		top = {NULL};

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

/*
 * What would have been called without us.
 */
static void
call_next(const Call *call, PlannedStmt *pstmt)
{
	(prev_ProcessUtility ? prev_ProcessUtility : standard_ProcessUtility)
		(pstmt, call->queryString, call->readOnlyTree, call->context,
		 call->params, call->queryEnv, call->dest, call->qc);
}

static void
call_same(void *arg)
{
	const Call *call = arg;

	call_next(call, call->pstmt);
}

/*
 * EXPLAIN ANALYZE executes, but is no use of an index.
 */
static void
run_explain(const Call *call)
{
	guard_without_check_explain((ExplainStmt *) call->pstmt->utilityStmt);
	guard_capture_enter_explain();
	PG_TRY();
	{
		guard_planas_explain((ExplainStmt *) call->pstmt->utilityStmt,
							 call_same, (void *) call);
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
 * The frame ends in any case, also when that leads to another error.  (With
 * PG_FINALLY 18 is warned of its own variable, that longjmp might clobber it.)
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

/*
 * DDL that may concern an index: judged before, and looked at afterwards.
 */
static void
run_ddl(const Call *call)
{
	PlannedStmt *pstmt = call->pstmt;
	GuardFrame *frame;

	if (depth == 0)
		guard_statement_close_left_open(false);
	frame = guard_frame_push(CreateCommandTag(pstmt->utilityStmt), false);
	depth++;
	PG_TRY();
	{
		guard_statement_start(frame, pstmt->utilityStmt,
							  statement_text(pstmt, call->queryString));
		call_next(call, frame->delayed == NIL ? pstmt :
				  guard_delay_carry_out(frame, pstmt,
										call->context == PROCESS_UTILITY_TOPLEVEL));
		guard_statement_end(frame);
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
run_unjudged(const Call *call)
{
	const Call *outer = unjudged;

	PG_TRY();
	{
		unjudged = call;
		call_next(call, call->pstmt);
	}
	PG_FINALLY();
	{
		unjudged = outer;
	}
	PG_END_TRY();
}

/*
 * Which of these ways does the statement go?
 */
static void
route(const Call *call)
{
	Node	   *parsetree = call->pstmt->utilityStmt;

	if (IsA(parsetree, ExplainStmt))
		run_explain(call);
	else if (is_ddl(parsetree) && guard_guc_mode == GUARD_MODE_OFF)
		run_unjudged(call);
	else if (is_ddl(parsetree) && concerns_us(parsetree))
		run_ddl(call);
	else
		call_next(call, call->pstmt);
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
run_with_way_made(const Call *call)
{
	Oid			database = guard_database_to_empty(call->pstmt->utilityStmt);

	PG_ENSURE_ERROR_CLEANUP(unbar, ObjectIdGetDatum(database));
	{
		if (OidIsValid(database))
			guard_visits_bar(database);
		route(call);
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
	Call		call = {pstmt, queryString, readOnlyTree, context, params,
	queryEnv, dest, qc};

	if (is_commit(pstmt->utilityStmt))
		guard_xact_commit_arrives();
	if (guard_database_concerns(pstmt->utilityStmt))
		run_with_way_made(&call);
	else
		route(&call);

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
