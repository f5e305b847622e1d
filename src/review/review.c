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

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "review/script.h"
#include "store/store.h"

/* As much of a statement as a table's cell can hold. */
#define COMMAND_SHOWN	200

static bool take_piece(Script *script, GuardSplitter *splitter,
					   const GuardSplitter *before, GuardPiece *piece);
static void take_statements(Script *script, List *statements);
static void take_statement(Script *script, Node *stmt);
static void take_transaction(Script *script, TransactionStmt *stmt);
static bool take_set_config(Script *script, SelectStmt *stmt);
static void take_meta(Script *script);
static void report_error(Script *script, const GuardFailure *error, bool parsed,
						 int line, int column);
static void end_review(Script *script, const char *why);
static void expect_strings(Script *script, const char *name, Node *value);
static void warn_of_settings(Script *script, VariableSetStmt *stmt);
static char *shown_command(GuardPiece *piece);
static void append_sentence(char **to, const char *fmt, va_list args) pg_attribute_printf(2, 0);
static const char *allow(void);

List *
guard_review_script(const char *str, bool one_transaction)
{
	Script	   *script = palloc0(sizeof(Script));
	GuardSplitter splitter;
	GuardSplitter before;
	Size		budget = 1024 * 1024 + 16 * strlen(str);

	script->one_transaction = one_transaction;
	guard_script_init(script);
	guard_split_start(&splitter, str);
	while (!script->ended)
	{
		GuardPiece *piece;
		Size		len;

		CHECK_FOR_INTERRUPTS();
		before = splitter;
		piece = guard_split_next(&splitter);
		if (piece == NULL)
			break;
		script->piece = piece;
		len = strlen(piece->str);
		if (take_piece(script, &splitter, &before, piece))
			continue;

		/* it was looked through to its end, perhaps that of the script */
		if (len > budget)
			end_review(script, "There are too many syntax errors.");
		budget -= Min(len, budget);
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
 * What cannot be followed could hide anything: it is an error to go on.
 */
static void
end_review(Script *script, const char *why)
{
	GuardReviewRow *row = guard_review_row(script, NULL, "error");

	guard_review_explain(row, "%s Nothing behind this statement is reviewed.", why);
	script->ended = true;
}

/*
 * Returns false when the piece could not be parsed; then the splitter goes on
 * behind the fault.
 */
static bool
take_piece(Script *script, GuardSplitter *splitter, const GuardSplitter *before,
		   GuardPiece *piece)
{
	Taking		taking = {script, false};
	GuardFailure failure;
	int			line = 0;
	int			column = 0;

	if (piece->meta)
	{
		take_meta(script);
		return true;
	}

	if (guard_work_run(do_take, &taking, GUARD_WORK_STAYS, &failure))
		return true;

	/* these are about the review, not about the statement */
	if (failure.sqlerrcode == ERRCODE_OUT_OF_MEMORY ||
		failure.sqlerrcode == ERRCODE_ACTIVE_SQL_TRANSACTION)
		ereport(ERROR,
				(errcode(failure.sqlerrcode),
				 errmsg_internal("%s", failure.message)));
	if (!taking.parsed)
	{
		int			at = failure.cursorpos > 0 ?
			pg_mbcharcliplen(piece->str, strlen(piece->str), failure.cursorpos - 1) : 0;

		guard_split_position(piece, at, &line, &column);
		guard_split_cut_short(splitter, before, piece, at);
	}
	report_error(script, &failure, taking.parsed, line, column);
	return taking.parsed;
}

/*
 * A piece that is not valid SQL, or a statement that could not be judged.
 */
static void
report_error(Script *script, const GuardFailure *error, bool parsed, int line,
			 int column)
{
	GuardPiece *piece = script->piece;
	GuardReviewRow *row;

	if (parsed)
	{
		row = guard_review_row(script, NULL, "error");
		guard_review_explain(row, "It could not be judged: %s.", error->message);
		return;
	}
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

/*
 * A command of psql that sends the statement before it, at once and as it is?
 */
static bool
is_sent(const char *str)
{
	static const char *const senders[] = {
		"\\g", "\\gx", "\\gset", "\\gexec", "\\watch", "\\crosstabview"
	};
	int			len = strcspn(str, " \t\r\n(");

	for (int i = 0; i < lengthof(senders); i++)
	{
		if (strlen(senders[i]) == len && strncmp(str, senders[i], len) == 0)
			return true;
	}
	return false;
}

static void
take_statements(Script *script, List *statements)
{
	ListCell   *lc;

	if (script->piece->sent_by != NULL && !is_sent(script->piece->sent_by))
	{
		end_review(script, "Whether and when psql sends the statement is not followed.");
		return;
	}
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
	expect_strings(script, strVal(&args[0]->val), (Node *) args[1]);
	return true;
}

/*
 * Where strings are read otherwise, statements end elsewhere.
 */
static void
expect_strings(Script *script, const char *name, Node *value)
{
	A_Const    *constant = IsA(value, TypeCast) ?
		(A_Const *) ((TypeCast *) value)->arg : (A_Const *) value;
	const char *now = GetConfigOption("standard_conforming_strings", false, false);
	bool		on = false;

	if (pg_strcasecmp(name, "standard_conforming_strings") != 0)
		return;
	if (IsA(constant, A_Const) && !constant->isnull)
	{
		if (IsA(&constant->val, String))
			(void) parse_bool(strVal(&constant->val), &on);
		else if (IsA(&constant->val, Integer))
			on = intVal(&constant->val) == 1;
		else if (IsA(&constant->val, Boolean))
			on = boolVal(&constant->val);
	}
	if (on != (strcmp(now, "on") == 0))
		end_review(script, "It changes how strings are read.");
}

/*
 * A script that switches guard off is judged as if it did not.
 */
static void
warn_of_settings(Script *script, VariableSetStmt *stmt)
{
	if (stmt->name != NULL && stmt->kind == VAR_SET_VALUE)
		expect_strings(script, stmt->name, linitial(stmt->args));
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
	if (strstr(str, "\\if") != NULL)
	{
		end_review(script, "Conditions are not evaluated.");
		return;
	}
	row = guard_review_row(script, NULL, "not reviewed");
	if (strncmp(str, "\\i ", 3) == 0 || strncmp(str, "\\ir ", 4) == 0 ||
		strncmp(str, "\\include", 8) == 0)
		guard_review_explain(row, "guard.review() cannot read files; the program guard_review can.");
	else if (strncmp(str, "\\c", 2) == 0 && strncmp(str, "\\copy", 5) != 0 &&
			 strncmp(str, "\\cd", 3) != 0)
		guard_review_explain(row, "What follows is judged as if it ran in this session and this database.");
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
	row->command = shown_command(script->piece);
	row->target = target != NULL ? pstrdup(target) : NULL;
	row->verdict = verdict;
	script->rows = lappend(script->rows, row);
	return row;
}

GuardReviewRow *
guard_review_statement_row(Script *script)
{
	for (int i = list_length(script->rows) - 1; i >= 0; i--)
	{
		GuardReviewRow *row = list_nth(script->rows, i);

		if (row->statement != script->piece->number)
			break;
		if (row->target == NULL)
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
shown_command(GuardPiece *piece)
{
	const char *str;
	char	   *line;
	char	   *to;

	if (piece->shown != NULL)
		return piece->shown;
	str = guard_secrets_may_hold(piece->str) ?
		guard_secrets_hide(piece->str, piece->meta) : piece->str;
	line = to = guard_text_cut(str, COMMAND_SHOWN, "...");
	for (char *from = line; *from != '\0'; from++)
	{
		bool		blank = *from == ' ' || *from == '\n' || *from == '\r' || *from == '\t';

		if (blank && to > line && to[-1] == ' ')
			continue;
		*to++ = blank ? ' ' : *from;
	}
	*to = '\0';
	return piece->shown = line;
}
