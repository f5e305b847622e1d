/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Who changed a setting of guard's, and when.
 *
 * Whoever switches guard off, drops what he likes and switches it on again
 * leaves rows of his drops; this adds when it was off.  A change that lasts is
 * a row; one for the session is a line in the server log, since sessions may do
 * so every minute.  What comes with a connection (PGOPTIONS), by set_config()
 * or by editing the configuration file is not seen: there the drops' own rows
 * must do.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "hooks/frame.h"
#include "store/store.h"

/*
 * The setting of guard's that this statement changes, NULL where it changes
 * none; whether that lasts longer than the session goes to "lasting".
 */
static const VariableSetStmt *
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
	return set;
}

bool
guard_settings_concerns(Node *parsetree)
{
	bool		lasting;

	return changed_setting(parsetree, &lasting) != NULL;
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

	if (!guard_store_present())
		return;
	change.name = changed_setting(parsetree, &change.lasting)->name;
	change.statement = statement;
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) guard_store_try("write down that a setting was changed",
						   write_change, &change);
	PopActiveSnapshot();
}
