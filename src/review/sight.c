/*-------------------------------------------------------------------------
 *
 * sight.c
 *	  Can a statement be seen into?
 *
 * DO, CALL and EXECUTE run what is not in the script's text, and so does every
 * function that somebody wrote.  PostgreSQL's own functions drop no index.
 * Nothing is said of triggers, rules, default values and operators: whoever
 * hides a DROP INDEX there will meet guard when the migration runs.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/defrem.h"
#include "utils/catcache.h"
#include "utils/syscache.h"

#include "compat/compat.h"
#include "compat/list.h"
#include "review/script.h"

static const char *obstacle_in_query(Node *query);
static const char *obstacle_in_explain(ExplainStmt *stmt);
static bool finds_foreign_call(Node *node, void *context);
static bool is_builtin(List *name);
static bool writes_catalog(const RangeVar *relation);

const char *
guard_sight_obstacle(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_DoStmt:
			return "guard does not see what the block does.";
		case T_CallStmt:
			return "guard does not see what the procedure does.";
		case T_ExecuteStmt:
			return "guard does not see what the prepared statement does.";
		case T_CreateExtensionStmt:
		case T_AlterExtensionStmt:
			return "guard does not see what the extension's script does.";
		case T_AlterExtensionContentsStmt:
			return NULL;
		case T_LoadStmt:
			return "guard does not see what the library does.";
		case T_DropOwnedStmt:
			return "What belongs to the role is judged when the statement runs.";
		case T_DropdbStmt:
			return "The database has its own guard, which is not asked here.";
		case T_AlterTypeStmt:
			return NULL;
		case T_PrepareStmt:
			return obstacle_in_query(((PrepareStmt *) stmt)->query);
		case T_DeclareCursorStmt:
			return obstacle_in_query(((DeclareCursorStmt *) stmt)->query);
		case T_CreateTableAsStmt:
			return IsA(((CreateTableAsStmt *) stmt)->query, ExecuteStmt) ?
				"guard does not see what the prepared statement does." :
				obstacle_in_query(((CreateTableAsStmt *) stmt)->query);
		case T_ExplainStmt:
			return obstacle_in_explain((ExplainStmt *) stmt);
		case T_CopyStmt:
			if (((CopyStmt *) stmt)->is_program)
				return "guard does not see what the program does.";
			return obstacle_in_query(((CopyStmt *) stmt)->query);
		case T_SelectStmt:
		case T_InsertStmt:
		case T_UpdateStmt:
		case T_DeleteStmt:
		case T_MergeStmt:
			return obstacle_in_query(stmt);
		case T_VariableSetStmt:
			{
				VariableSetStmt *set = (VariableSetStmt *) stmt;

				if (set->name != NULL &&
					(strcmp(set->name, "role") == 0 ||
					 strcmp(set->name, "session_authorization") == 0))
					return "SET ROLE is not honoured: what follows is judged with the rights of whoever asks for the review.";
				return NULL;
			}
		default:
			return NULL;
	}
}

/*
 * EXPLAIN runs nothing without ANALYZE.
 */
static const char *
obstacle_in_explain(ExplainStmt *stmt)
{
	foreach_ptr(DefElem, option, stmt->options)
	{
		if (strcmp(option->defname, "analyze") == 0 && defGetBoolean(option))
			return guard_sight_obstacle(stmt->query);
	}
	return NULL;
}

static const char *
obstacle_in_query(Node *query)
{
	List	   *foreign = NIL;
	const RangeVar *written = NULL;

	if (query == NULL)
		return NULL;
	if (IsA(query, UpdateStmt))
		written = ((UpdateStmt *) query)->relation;
	else if (IsA(query, DeleteStmt))
		written = ((DeleteStmt *) query)->relation;
	else if (IsA(query, InsertStmt))
		written = ((InsertStmt *) query)->relation;
	if (written != NULL && writes_catalog(written))
		return "It changes the catalogs behind PostgreSQL's back.";

	(void) finds_foreign_call(query, &foreign);
	if (foreign == NIL)
		return NULL;
	return psprintf("guard does not see what function %s does.",
					NameListToString(foreign));
}

/*
 * The name of the first function that is not PostgreSQL's own, or makes a
 * setting in a way that is not followed.
 */
static bool
finds_foreign_call(Node *node, void *context)
{
	List	  **foreign = context;

	if (node == NULL)
		return false;
	if (IsA(node, FuncCall) &&
		(!is_builtin(((FuncCall *) node)->funcname) ||
		 strcmp(strVal(llast(((FuncCall *) node)->funcname)), "set_config") == 0))
	{
		*foreign = ((FuncCall *) node)->funcname;
		return true;
	}
	return raw_expression_tree_walker(node, finds_foreign_call, context);
}

/*
 * Are all functions that the name may mean PostgreSQL's own?  One that does
 * not exist is not.
 */
static bool
is_builtin(List *name)
{
	CatCList   *functions;
	const char *schema = list_length(name) > 1 ?
		strVal(list_nth(name, list_length(name) - 2)) : NULL;
	bool		builtin;

	if (schema != NULL && strcmp(schema, "pg_catalog") != 0)
		return false;
	functions = SearchSysCacheList1(PROCNAMEARGSNSP,
									CStringGetDatum(strVal(llast(name))));
	builtin = functions->n_members > 0;
	for (int i = 0; i < functions->n_members; i++)
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(&functions->members[i]->tuple);

		if (form->pronamespace == PG_CATALOG_NAMESPACE)
			builtin = builtin && form->oid < FirstNormalObjectId;
		else if (schema == NULL)
			builtin = false;
	}
	ReleaseSysCacheList(functions);
	return builtin;
}

static bool
writes_catalog(const RangeVar *relation)
{
	if (relation->schemaname != NULL)
		return strcmp(relation->schemaname, "pg_catalog") == 0;
	return strncmp(relation->relname, "pg_", 3) == 0;
}
