/*-------------------------------------------------------------------------
 *
 * database.c
 *	  Statements about whole databases, which our own visitors must not be in
 *	  the way of.
 *
 * CREATE DATABASE wants its template without sessions, DROP DATABASE, RENAME
 * and SET TABLESPACE the database itself.  Other ALTERs do not, but somebody
 * who takes the right to connect away, or makes a template of it, does not
 * want us there either.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"

#include "hooks/frame.h"

bool
guard_database_concerns(Node *parsetree)
{
	switch (nodeTag(parsetree))
	{
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
			return true;
		case T_RenameStmt:
			return castNode(RenameStmt, parsetree)->renameType == OBJECT_DATABASE;
		default:
			return false;
	}
}

/*
 * What CREATE DATABASE copies.
 */
static const char *
template_name(CreatedbStmt *stmt)
{
	foreach_ptr(DefElem, option, stmt->options)
	{
		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return "template1";
}

/*
 * Takes no lock.  Who does not own the database can send nobody away: his
 * statement will be refused anyway.  (Not owning a template, one may still
 * copy it, but templates have no visitors.)
 */
Oid
guard_database_to_empty(Node *parsetree)
{
	const char *name = NULL;
	Oid			database;

	if (IsA(parsetree, CreatedbStmt))
		name = template_name(castNode(CreatedbStmt, parsetree));
	else if (IsA(parsetree, DropdbStmt))
		name = castNode(DropdbStmt, parsetree)->dbname;
	else if (IsA(parsetree, AlterDatabaseStmt))
		name = castNode(AlterDatabaseStmt, parsetree)->dbname;
	else if (IsA(parsetree, RenameStmt))
		name = castNode(RenameStmt, parsetree)->subname;

	if (name == NULL || !IsTransactionState())
		return InvalidOid;
	database = get_database_oid(name, true);
	if (!OidIsValid(database) ||
		!object_ownercheck(DatabaseRelationId, database, GetUserId()))
		return InvalidOid;
	return database;
}
