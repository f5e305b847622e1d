/*-------------------------------------------------------------------------
 *
 * review.c
 *	  Judge a migration script without running it.
 *
 * The script is cut into pieces, each piece parsed by itself, so that a syntax
 * error costs one statement; and each statement is taken in the order of the
 * script: first what it removes, then what it makes.  The rows are completed
 * at the end, when it is known what came afterwards.
 *
 * Every statement is worked on in a subtransaction: names may raise errors (a
 * schema that one may not use), and those of one statement must not end the
 * review.  Parsing is in it as well, for an error may be swallowed nowhere
 * else.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "utils/builtins.h"

#include "policy/verdict.h"
#include "review/script.h"
#include "store/text.h"
#include "store/work.h"

/* As much of a statement as a table's cell can hold. */
#define COMMAND_SHOWN	200

static bool take_piece(Script *script, GuardPiece *piece, int *error);
static void take_statements(Script *script, List *statements);
static void take_statement(Script *script, Node *stmt);
static void take_transaction(Script *script, TransactionStmt *stmt);
static bool take_set_config(Script *script, SelectStmt *stmt);
static void take_meta(Script *script);
static void report_error(Script *script, const GuardFailure *error, bool parsed,
						 int *position);
static void warn_of_settings(Script *script, VariableSetStmt *stmt);
static char *cut_command(const GuardPiece *piece);
static void append_sentence(char **to, const char *fmt, va_list args) pg_attribute_printf(2, 0);
static const char *allow(void);

List *
guard_review_script(const char *str, bool one_transaction)
{
	Script	   *script = palloc0(sizeof(Script));
	GuardSplitter splitter;
	GuardSplitter before;

	script->one_transaction = one_transaction;
	guard_script_init(script);
	guard_split_start(&splitter, str);
	for (;;)
	{
		GuardPiece *piece;
		int			error;

		CHECK_FOR_INTERRUPTS();
		before = splitter;
		piece = guard_split_next(&splitter);
		if (piece == NULL)
			break;
		script->piece = piece;
		if (!take_piece(script, piece, &error))
			guard_split_cut_short(&splitter, &before, piece, error);
	}
	guard_removal_conclude(script);
	return script->rows;
}

/* A piece to be taken; "parsed" tells how far that went. */
typedef struct Taking
{
	Script	   *script;
	bool		parsed;
} Taking;

static void
do_take(void *arg)
{
	Taking	   *taking = arg;
	ErrorContextCallback *callbacks = error_context_stack;
	List	   *statements;

	/* whose query this is in would take the position for one in it */
	error_context_stack = NULL;
	statements = raw_parser(taking->script->piece->str, RAW_PARSE_DEFAULT);
	taking->parsed = true;
	take_statements(taking->script, statements);
	error_context_stack = callbacks;
}

/*
 * Returns false when the piece could not be parsed, and the byte at fault.
 */
static bool
take_piece(Script *script, GuardPiece *piece, int *error)
{
	Taking		taking = {script, false};
	GuardFailure failure;

	if (piece->meta)
	{
		take_meta(script);
		return true;
	}

	*error = 0;
	if (guard_work_run(do_take, &taking, GUARD_WORK_STAYS, &failure))
		return true;

	/* these are about the review, not about the statement */
	if (failure.sqlerrcode == ERRCODE_OUT_OF_MEMORY ||
		failure.sqlerrcode == ERRCODE_ACTIVE_SQL_TRANSACTION)
		ereport(ERROR,
				(errcode(failure.sqlerrcode),
				 errmsg_internal("%s", failure.message)));
	report_error(script, &failure, taking.parsed, error);
	return taking.parsed;
}

/*
 * A piece that is not valid SQL, or a statement that could not be judged.
 */
static void
report_error(Script *script, const GuardFailure *error, bool parsed, int *position)
{
	GuardPiece *piece = script->piece;
	GuardReviewRow *row;
	int			line;
	int			column;

	if (parsed)
	{
		row = guard_review_row(script, NULL, "error");
		guard_review_explain(row, "It could not be judged: %s.", error->message);
		return;
	}
	if (error->cursorpos > 0)
		*position = pg_mbcharcliplen(piece->str, strlen(piece->str),
									 error->cursorpos - 1);
	guard_split_position(piece, *position, &line, &column);
	if (piece->variables && error->sqlerrcode == ERRCODE_SYNTAX_ERROR)
	{
		row = guard_review_row(script, NULL, "not reviewed");
		guard_review_explain(row, "It has variables (line %d, column %d); guard_review -v NAME=VALUE puts values in their place.",
							 line, column);
		return;
	}
	row = guard_review_row(script, NULL, "error");
	row->reason = "syntax";
	guard_review_explain(row, "Statement %d, line %d, column %d: %s.",
						 piece->number, line, column,
						 guard_secrets_may_hold(piece->str) ? "syntax error" :
						 error->message);
}

/* ---- one statement ---- */

static void
take_statements(Script *script, List *statements)
{
	ListCell   *lc;

	foreach(lc, statements)
		take_statement(script, lfirst_node(RawStmt, lc)->stmt);

	/* psql runs what the statement returns */
	if (script->piece->sent_by != NULL &&
		strncmp(script->piece->sent_by, "\\gexec", 6) == 0)
		guard_review_explain(guard_review_row(script, NULL, "not reviewed"),
							 "guard does not see the statements that \\gexec runs.");
}

static void
take_statement(Script *script, Node *stmt)
{
	int			rows = list_length(script->rows);
	const char *obstacle;

	if (IsA(stmt, SelectStmt) && take_set_config(script, (SelectStmt *) stmt))
		obstacle = NULL;
	else
		obstacle = guard_sight_obstacle(stmt);
	if (obstacle != NULL)
		guard_review_explain(guard_review_row(script, NULL, "not reviewed"),
							 "%s", obstacle);

	switch (nodeTag(stmt))
	{
		case T_TransactionStmt:
			take_transaction(script, (TransactionStmt *) stmt);
			break;
		case T_VariableSetStmt:
			guard_script_variable(script, (VariableSetStmt *) stmt);
			warn_of_settings(script, (VariableSetStmt *) stmt);
			break;
		case T_DiscardStmt:
			guard_script_set_config(script, "search_path", NULL, false);
			guard_script_set_config(script, "lock_timeout", NULL, false);
			break;
		default:
			(void) guard_removal_collect(script, stmt);
			guard_effects_apply(script, stmt);
			break;
	}
	if (list_length(script->rows) == rows)
		(void) guard_review_row(script, NULL, allow());
}

static void
take_transaction(Script *script, TransactionStmt *stmt)
{
	switch (stmt->kind)
	{
		case TRANS_STMT_BEGIN:
		case TRANS_STMT_START:
			guard_script_begin(script);
			break;
		case TRANS_STMT_COMMIT:
		case TRANS_STMT_PREPARE:
			guard_script_commit(script, stmt->chain);
			break;
		case TRANS_STMT_ROLLBACK:
			guard_script_rollback(script, stmt->chain);
			break;
		case TRANS_STMT_SAVEPOINT:
			guard_script_savepoint(script, stmt->savepoint_name);
			break;
		case TRANS_STMT_ROLLBACK_TO:
			guard_script_rollback_to(script, stmt->savepoint_name);
			break;
		default:
			break;
	}
}

/*
 * SELECT set_config('search_path', '', false), as pg_dump has it.
 */
static bool
take_set_config(Script *script, SelectStmt *stmt)
{
	ResTarget  *target;
	FuncCall   *call;
	A_Const    *args[2];
	bool		is_local;

	if (list_length(stmt->targetList) != 1 || stmt->fromClause != NIL)
		return false;
	target = linitial(stmt->targetList);
	if (!IsA(target, ResTarget) || !IsA(target->val, FuncCall))
		return false;
	call = (FuncCall *) target->val;
	if (strcmp(strVal(llast(call->funcname)), "set_config") != 0 ||
		list_length(call->args) != 3)
		return false;
	for (int i = 0; i < 2; i++)
	{
		args[i] = list_nth(call->args, i);
		if (!IsA(args[i], A_Const) || args[i]->isnull ||
			!IsA(&args[i]->val, String))
			return false;
	}
	if (!IsA(lthird(call->args), A_Const))
		return false;
	is_local = IsA(&((A_Const *) lthird(call->args))->val, Boolean) &&
		boolVal(&((A_Const *) lthird(call->args))->val);
	guard_script_set_config(script, strVal(&args[0]->val),
							strVal(&args[1]->val), is_local);
	return true;
}

/*
 * A script that switches guard off is judged as if it did not.
 */
static void
warn_of_settings(Script *script, VariableSetStmt *stmt)
{
	if (stmt->name == NULL || pg_strncasecmp(stmt->name, "guard.", 6) != 0)
		return;
	guard_review_advise(guard_review_statement_row(script),
						"It changes what guard will say when the script runs; the review is made without it.");
}

static const char *
allow(void)
{
	return guard_verdict_decision_name(GUARD_ALLOW);
}

/*
 * A command of psql that only shows something, or how something is shown?  What
 * a shell does is anybody's guess, behind a second backslash another command or
 * statement begins, and AUTOCOMMIT and the like change how statements run.
 */
static bool
is_talk(const char *str)
{
	static const char *const talk[] = {
		"\\echo", "\\qecho", "\\warn", "\\timing", "\\pset", "\\x",
		"\\restrict", "\\unrestrict", "\\set ON_ERROR_STOP", "\\set VERBOSITY",
		"\\set ECHO", "\\set QUIET"
	};

	if (strchr(str, '`') != NULL || strchr(str + 1, '\\') != NULL)
		return false;
	for (int i = 0; i < lengthof(talk); i++)
	{
		size_t		len = strlen(talk[i]);

		if (strncmp(str, talk[i], len) == 0 && strchr(" \t\r\n", str[len]) != NULL)
			return true;
	}
	return false;
}

static void
take_meta(Script *script)
{
	const char *str = script->piece->str;
	GuardReviewRow *row;

	if (is_talk(str))
	{
		(void) guard_review_row(script, NULL, allow());
		return;
	}
	row = guard_review_row(script, NULL, "not reviewed");
	if (strncmp(str, "\\i ", 3) == 0 || strncmp(str, "\\ir ", 4) == 0 ||
		strncmp(str, "\\include", 8) == 0)
		guard_review_explain(row, "guard.review() cannot read files; the program guard_review can.");
	else if (strncmp(str, "\\c", 2) == 0 && strncmp(str, "\\copy", 5) != 0 &&
			 strncmp(str, "\\cd", 3) != 0)
		guard_review_explain(row, "What follows is judged as if it ran in this session and this database.");
	else if (strncmp(str, "\\if", 3) == 0 || strncmp(str, "\\el", 3) == 0)
		guard_review_explain(row, "Conditions are not evaluated: all branches are reviewed.");
	else
		guard_review_explain(row, "It is a command of psql.");
}

/* ---- rows ---- */

GuardReviewRow *
guard_review_row(Script *script, const char *target, const char *verdict)
{
	GuardReviewRow *row = palloc0(sizeof(GuardReviewRow));

	row->statement = script->piece->number;
	row->line = script->piece->line;
	row->command = cut_command(script->piece);
	row->target = target != NULL ? pstrdup(target) : NULL;
	row->verdict = verdict;
	script->rows = lappend(script->rows, row);
	return row;
}

GuardReviewRow *
guard_review_statement_row(Script *script)
{
	ListCell   *lc;

	foreach(lc, script->rows)
	{
		GuardReviewRow *row = lfirst(lc);

		if (row->statement == script->piece->number && row->target == NULL)
			return row;
	}
	return guard_review_row(script, NULL, allow());
}

void
guard_review_advise(GuardReviewRow *row, const char *fmt, ...)
{
	va_list		args;

	va_start(args, fmt);
	append_sentence(&row->advice, fmt, args);
	va_end(args);
}

void
guard_review_explain(GuardReviewRow *row, const char *fmt, ...)
{
	va_list		args;

	va_start(args, fmt);
	append_sentence(&row->detail, fmt, args);
	va_end(args);
}

static void
append_sentence(char **to, const char *fmt, va_list args)
{
	StringInfoData buf;
	int			needed;
	va_list		copy;

	initStringInfo(&buf);
	if (*to != NULL)
		appendStringInfo(&buf, "%s ", *to);
	for (;;)
	{
		va_copy(copy, args);
		needed = appendStringInfoVA(&buf, fmt, copy);
		va_end(copy);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	*to = buf.data;
}

/*
 * On one line, and not too long: statements may be pages.
 */
static char *
cut_command(const GuardPiece *piece)
{
	const char *str = guard_secrets_may_hold(piece->str) ?
		guard_secrets_hide(piece->str, piece->meta) : piece->str;
	char	   *line = guard_text_cut(str, COMMAND_SHOWN, "...");
	char	   *to = line;

	for (char *from = line; *from != '\0'; from++)
	{
		bool		blank = *from == ' ' || *from == '\n' || *from == '\r' || *from == '\t';

		if (blank && to > line && to[-1] == ' ')
			continue;
		*to++ = blank ? ' ' : *from;
	}
	*to = '\0';
	return line;
}
