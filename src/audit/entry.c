/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  One entry of the audit log, and its form on the way there.
 *
 * An entry has one form: a JSON object whose members have the names of the
 * columns of guard.audit_log.  It is the line in the server log, it waits in
 * shared memory when its own transaction cannot write it, and the row is made
 * from it.  So all three say the same, and a row that got lost can be made
 * again from the log.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "libpq/libpq-be.h"
#include "utils/fmgroids.h"

#include "audit/entry.h"
#include "store/store.h"

/*
 * Longer statements are cut, with a mark.  Enough for any DDL on indexes that
 * people write; what is longer is a generated list of names.
 */
#define STATEMENT_MAX	4000

/*
 * An entry that waits, and each of its texts where it is longer.  JSON may make
 * six bytes of one.
 */
#define ENTRY_MAX		(64 * 1024)
#define TEXT_MAX		2000

char *
guard_audit_question(void)
{
	static uint32 counter = 0;

	return psprintf("%lx.%x.%u", (unsigned long) MyStartTime, MyProcPid,
					++counter);
}

static char *
cut_statement(const char *statement)
{
	return statement == NULL ? NULL :
		guard_text_cut(statement + strspn(statement, " \t\r\n"), STATEMENT_MAX,
					   " [...]");
}

static char *
cut_text(const char *value)
{
	return value == NULL ? NULL : guard_text_cut(value, TEXT_MAX, " [...]");
}

/*
 * Address of the client, NULL for a local one.
 */
static char *
client_address(void)
{
	LOCAL_FCINFO(fcinfo, 0);
	FmgrInfo	flinfo;
	Datum		address;

	fmgr_info(F_INET_CLIENT_ADDR, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 0, InvalidOid, NULL, NULL);
	address = FunctionCallInvoke(fcinfo);
	return fcinfo->isnull ? NULL : OidOutputFunctionCall(F_INET_OUT, address);
}

/*
 * Who asks.  A SECURITY DEFINER function makes current_user its definer, so
 * outer_user, whom SET ROLE chose, is noted as well
 * (doc/internals/postgresql.md 10.5).
 */
static void
put_asker(StringInfo buf)
{
	guard_json_text(buf, "database", get_database_name(MyDatabaseId));
	guard_json_text(buf, "login_role", GetUserNameFromId(GetSessionUserId(), true));
	guard_json_text(buf, "role", GetUserNameFromId(GetUserId(), true));
	guard_json_text(buf, "outer_user", GetUserNameFromId(GetOuterUserId(), true));
	guard_json_text(buf, "client", client_address());
}

/*
 * The same from what the connection was made with.
 */
static void
put_asker_in_error(StringInfo buf)
{
	guard_json_text(buf, "database", MyProcPort ? MyProcPort->database_name : "");
	guard_json_text(buf, "login_role", MyProcPort ? MyProcPort->user_name : "");
}

char *
guard_entry_json(const GuardEntry *entry)
{
	StringInfoData buf;

	initStringInfo(&buf);
	guard_json_object(&buf, NULL);
	guard_json_time(&buf, "at", GetCurrentTimestamp());
	guard_json_text(&buf, "question", entry->asked.question);
	guard_json_text(&buf, "verdict", entry->verdict);
	guard_json_text(&buf, "reason", entry->reason);
	guard_json_text(&buf, "index_name", entry->index_name);
	guard_json_text(&buf, "table_name", entry->table_name);
	guard_json_text(&buf, "object", entry->object);
	guard_json_text(&buf, "command", entry->asked.command);
	guard_json_text(&buf, "statement", cut_statement(entry->asked.statement));
	guard_json_text(&buf, "definition", entry->definition);
	guard_json_text(&buf, "detail", entry->detail);
	guard_json_text(&buf, "approval", entry->approval);
	guard_json_text(&buf, "mode", GetConfigOption("guard.mode", false, false));
	guard_json_text(&buf, "application", application_name);
	if (entry->in_error)
		put_asker_in_error(&buf);
	else
		put_asker(&buf);
	if (entry->facts != NULL)
		guard_json_raw(&buf, "facts", entry->facts);
	guard_json_end_object(&buf);
	return buf.data;
}

char *
guard_entry_short_json(const GuardEntry *entry)
{
	GuardEntry	cut = *entry;
	char	   *json = guard_entry_json(entry);

	if (strlen(json) <= ENTRY_MAX)
		return json;
	pfree(json);
	cut.definition = cut_text(entry->definition);
	cut.detail = cut_text(entry->detail);
	if (entry->facts != NULL)
		cut.facts = "{\"cut\": \"too long: see the server log\"}";
	return guard_entry_json(&cut);
}

/*
 * Make the row of an entry, and count it.  Its members have the names of the
 * columns.
 */
void
guard_entry_insert(const char *json, int coalesced)
{
#define COLUMNS "at, question, verdict, reason, command, statement, object, index_name," \
	" table_name, definition, detail, facts, approval, mode, database, login_role, role," \
	" outer_user, application, client"

	static const char insert[] =
		"WITH e AS (INSERT INTO guard.audit_log (" COLUMNS ", coalesced) SELECT " COLUMNS ", $2"
		" FROM jsonb_populate_record(NULL::guard.audit_log, $1::jsonb) RETURNING *)"
		" INSERT INTO guard.audit_total SELECT verdict,"
		" CASE WHEN verdict IN ('allow', 'observe', 'block') THEN reason END, 1 + coalesced, at, index_name FROM e";

	guard_query_execute(guard_query_kept(insert), P_TEXT(json), P_INT4(coalesced));
}

/*
 * The server would add the whole string that the client has sent, and those
 * of functions that run: the entry has the statement, and it alone.  A review
 * hears of it as well, and whether the statement would have waited for locks.
 */
void
guard_entry_log(const GuardEntry *entry, const char *json)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg_internal("guard audit: %s", json),
			 errhidestmt(true), errhidecontext(true)));
	if (guard_guc_review)
		ereport(INFO,
				(errmsg_internal("guard audit: %s", json),
				 errdetail_internal("{\"lock_timeout\": %d}", entry->asked.lock_timeout),
				 errhidecontext(true)));
}
