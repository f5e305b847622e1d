/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Who changed a setting of guard's, and when.
 *
 * Whoever switches guard off, drops what he likes and switches it on again
 * leaves rows of his drops; this adds when it was off.  A change that lasts is
 * a row; one for the session is a line in the server log, since sessions may do
 * so every minute.  What comes with a connection (PGOPTIONS) or by editing the
 * configuration file is not seen: there the drops' own rows must do.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/parsenodes.h"
#include "utils/snapmgr.h"

#include "hooks/frame.h"
#include "store/store.h"

/*
 * Does this change a setting of guard's?  Returns its name, or NULL; whether
 * that lasts longer than the session goes to "lasting".
 */
static const char *
changed_setting(Node *parsetree, bool *lasting)
{
	VariableSetStmt *set = NULL;

	*lasting = true;
	switch (nodeTag(parsetree))
	{
		case T_VariableSetStmt:
			set = (VariableSetStmt *) parsetree;
			*lasting = false;
			break;
		case T_AlterSystemStmt:
			set = ((AlterSystemStmt *) parsetree)->setstmt;
			break;
		case T_AlterRoleSetStmt:
			set = ((AlterRoleSetStmt *) parsetree)->setstmt;
			break;
		case T_AlterDatabaseSetStmt:
			set = ((AlterDatabaseSetStmt *) parsetree)->setstmt;
			break;
		default:
			return NULL;
	}
	if (set->name == NULL || pg_strncasecmp(set->name, "guard.", 6) != 0)
		return NULL;

	/* What everybody may set for himself changes no rule. */
	if (pg_strcasecmp(set->name, "guard.without_index") == 0)
		return NULL;
	return set->name;
}

typedef struct Change
{
	const char *name;
	const char *statement;
	bool		lasting;
} Change;

static void
write_change(void *arg)
{
	Change	   *change = arg;

	guard_audit_setting(change->name, change->statement, change->lasting);
}

void
guard_settings_changed(Node *parsetree, const char *statement)
{
	Change		change;

	change.name = changed_setting(parsetree, &change.lasting);
	if (change.name == NULL || !guard_store_present())
		return;
	change.statement = statement;
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) guard_store_try("write down that a setting was changed",
						   write_change, &change);
	PopActiveSnapshot();
}
