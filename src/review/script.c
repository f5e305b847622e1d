/*-------------------------------------------------------------------------
 *
 * script.c
 *	  What a script has done so far: transactions and settings.
 *
 * search_path is the script's, not the session's: no setting of the session is
 * changed.
 *
 * An undo list serves ROLLBACK and ROLLBACK TO.  It holds old values of
 * variables, so objects are never freed: what is created is born dropped, and
 * then set to be there.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"
#include "utils/varlena.h"

#include "review/script.h"

/* What a variable was before. */
typedef struct ScriptUndo
{
	void	   *variable;
	Size		size;
	char		old[sizeof(void *)];
} ScriptUndo;

typedef struct ScriptSavepoint
{
	char	   *name;
	int			undo_length;
} ScriptSavepoint;

static void set(Script *script, void *variable, const void *value, Size size);
static void undo_to(Script *script, int length);
static void set_settings(Script *script, ScriptSettings *where,
						 const char *name, List *values, bool is_default);
static List *default_path(void);
static List *split_path(const char *str);
static const char *value_text(Node *node);
void
guard_script_init(Script *script)
{
	guard_script_init_names(script);
	script->context = CurrentMemoryContext;
	script->settings.path = default_path();
	script->afterwards = script->settings;
	if (script->one_transaction)
		guard_script_begin(script);
}

/* ---- what can be undone ---- */

static void
set(Script *script, void *variable, const void *value, Size size)
{
	if (script->transaction != 0)
	{
		ScriptUndo *undo = palloc(sizeof(ScriptUndo));

		undo->variable = variable;
		undo->size = size;
		memcpy(undo->old, variable, size);
		script->undo = lappend(script->undo, undo);
	}
	memcpy(variable, value, size);
}

void
guard_script_set_pointer(Script *script, void *variable, const void *value)
{
	set(script, variable, &value, sizeof(value));
}

void
guard_script_set_int(Script *script, int *variable, int value)
{
	set(script, variable, &value, sizeof(value));
}

void
guard_script_set_oid(Script *script, Oid *variable, Oid value)
{
	set(script, variable, &value, sizeof(value));
}

void
guard_script_set_bool(Script *script, bool *variable, bool value)
{
	set(script, variable, &value, sizeof(value));
}

static void
undo_to(Script *script, int length)
{
	while (list_length(script->undo) > length)
	{
		ScriptUndo *undo = llast(script->undo);

		memcpy(undo->variable, undo->old, undo->size);
		script->undo = list_delete_last(script->undo);
	}
}

/* ---- transactions ---- */

/*
 * BEGIN in a transaction is a warning, and changes nothing.
 */
void
guard_script_begin(Script *script)
{
	if (script->transaction != 0)
		return;
	script->transaction = ++script->transactions;
	script->begun_by = script->piece != NULL ? script->piece->number : 0;
	script->afterwards = script->settings;
}

char *
guard_script_begun_by(const Script *script)
{
	if (script->begun_by == 0)
		return pstrdup("");
	return psprintf(" that statement %d begins", script->begun_by);
}

static void
end(Script *script, bool chain)
{
	script->undo = NIL;
	script->savepoints = NIL;
	script->transaction = 0;
	if (chain)
		guard_script_begin(script);
}

void
guard_script_commit(Script *script, bool chain)
{
	if (script->transaction == 0)
		return;
	script->settings = script->afterwards;
	end(script, chain);
}

void
guard_script_rollback(Script *script, bool chain)
{
	if (script->transaction == 0)
		return;
	undo_to(script, 0);
	end(script, chain);
}

void
guard_script_savepoint(Script *script, const char *name)
{
	ScriptSavepoint *savepoint = palloc(sizeof(ScriptSavepoint));

	savepoint->name = pstrdup(name);
	savepoint->undo_length = list_length(script->undo);
	script->savepoints = lappend(script->savepoints, savepoint);
}

void
guard_script_rollback_to(Script *script, const char *name)
{
	for (int i = list_length(script->savepoints) - 1; i >= 0; i--)
	{
		ScriptSavepoint *savepoint = list_nth(script->savepoints, i);

		if (strcmp(savepoint->name, name) == 0)
		{
			undo_to(script, savepoint->undo_length);
			script->savepoints = list_truncate(script->savepoints, i + 1);
			return;
		}
	}
}

/* ---- settings ---- */

/*
 * SET, SET LOCAL and RESET.  SET LOCAL outside a transaction does nothing.
 */
void
guard_script_variable(Script *script, VariableSetStmt *stmt)
{
	List	   *values = NIL;
	ListCell   *lc;

	if (stmt->kind == VAR_RESET_ALL)
	{
		guard_script_set_config(script, "search_path", NULL, false);
		guard_script_set_config(script, "lock_timeout", NULL, false);
		return;
	}
	if (stmt->kind == VAR_SET_CURRENT || stmt->kind == VAR_SET_MULTI ||
		stmt->name == NULL || (stmt->is_local && script->transaction == 0))
		return;
	foreach(lc, stmt->args)
		values = lappend(values, pstrdup(value_text(lfirst(lc))));

	set_settings(script, &script->settings, stmt->name, values,
				 stmt->kind != VAR_SET_VALUE);
	if (!stmt->is_local)
		set_settings(script, &script->afterwards, stmt->name, values,
					 stmt->kind != VAR_SET_VALUE);
}

/*
 * set_config(); a NULL value resets.
 */
void
guard_script_set_config(Script *script, const char *name, const char *value,
						bool is_local)
{
	List	   *values = NIL;

	if (is_local && script->transaction == 0)
		return;
	if (value != NULL)
		values = pg_strcasecmp(name, "search_path") == 0 ? split_path(value) :
			list_make1(pstrdup(value));
	set_settings(script, &script->settings, name, values, value == NULL);
	if (!is_local)
		set_settings(script, &script->afterwards, name, values, value == NULL);
}

static void
set_settings(Script *script, ScriptSettings *where, const char *name,
			 List *values, bool is_default)
{
	if (pg_strcasecmp(name, "search_path") == 0)
		guard_script_set_pointer(script, &where->path,
								 is_default ? default_path() : values);
	else if (pg_strcasecmp(name, "lock_timeout") == 0)
		guard_script_set_bool(script, &where->lock_timeout,
							  !is_default && values != NIL &&
							  strtol(linitial(values), NULL, 10) > 0);
}

/*
 * What a new session would have.
 */
static List *
default_path(void)
{
	return split_path(GetConfigOptionResetString("search_path"));
}

static List *
split_path(const char *str)
{
	List	   *names;

	if (str == NULL || !SplitIdentifierString(pstrdup(str), ',', &names))
		return NIL;
	return names;
}

static const char *
value_text(Node *node)
{
	A_Const    *constant;

	if (IsA(node, TypeCast))
		node = ((TypeCast *) node)->arg;
	if (!IsA(node, A_Const))
		return "";
	constant = (A_Const *) node;
	if (constant->isnull)
		return "";
	switch (nodeTag(&constant->val))
	{
		case T_Integer:
			return psprintf("%d", intVal(&constant->val));
		case T_Float:
			return constant->val.fval.fval;
		case T_String:
			return strVal(&constant->val);
		default:
			return "";
	}
}
