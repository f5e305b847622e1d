/*-------------------------------------------------------------------------
 *
 * guard_report.c
 *	  A standby's report travels to its primary: one query by libpq.
 *
 * A library of its own, so that nobody but the worker that reports has libpq in
 * its process.  Waiting is for the latch as much as for the socket, and never
 * for long.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq-fe.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "report/report.h"

PG_MODULE_MAGIC;

/* Longer than this nothing may take, connecting included. */
#define TIME_LIMIT	(20 * 1000)

#define MAX_OPTIONS	100

/*
 * Wait until the socket can be read, or written.  False: time is over.
 */
static bool
wait_for(PGconn *conn, int event, TimestampTz until)
{
	long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
	int			events;

	if (left <= 0)
		return false;
	events = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
							   WL_TIMEOUT | event, PQsocket(conn), left,
							   PG_WAIT_EXTENSION);
	if (events & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

/*
 * Have the connection made; false: it could not be, or not in time.
 */
static bool
is_connected(PGconn *conn, TimestampTz until)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (PQstatus(conn) != CONNECTION_BAD)
	{
		if (!wait_for(conn, status == PGRES_POLLING_READING ?
					  WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE, until))
			return false;
		status = PQconnectPoll(conn);
		if (status == PGRES_POLLING_OK)
			return true;
		if (status == PGRES_POLLING_FAILED)
			return false;
	}
	return false;
}

/*
 * The value of an option, NULL where it has none.
 */
static const char *
option(const PQconninfoOption * options, const char *keyword)
{
	for (; options != NULL && options->keyword != NULL; options++)
	{
		if (strcmp(options->keyword, keyword) == 0)
			return options->val;
	}
	return NULL;
}

/*
 * Begin to connect.  What the connection string does not say, the defaults say;
 * the database is this one.
 */
static PGconn *
begin(const GuardReport *report, const PQconninfoOption * options)
{
	const char *keywords[MAX_OPTIONS + 3];
	const char *values[MAX_OPTIONS + 3];
	int			n = 0;

	for (; options->keyword != NULL && n < MAX_OPTIONS; options++)
	{
		if (options->val == NULL || strcmp(options->keyword, "replication") == 0 ||
			(strcmp(options->keyword, "dbname") == 0 && report->for_replication))
			continue;
		keywords[n] = options->keyword;
		values[n++] = options->val;
	}
	if (report->for_replication || option(options, "dbname") == NULL)
	{
		keywords[n] = "dbname";
		values[n++] = report->database;
	}
	keywords[n] = "fallback_application_name";
	values[n++] = "guard report";
	keywords[n] = values[n] = NULL;
	return PQconnectStartParams(keywords, values, 0);
}

/*
 * What is missing on the primary, as a line to add, or to run.
 */
static char *
hint_for(const char *message, const char *user, const char *database)
{
	const char *host = strstr(message, "for host \"");

	if (strstr(message, "no pg_hba.conf entry") != NULL)
		return psprintf("Add to pg_hba.conf of the primary, and reload it: %s %s %s %s",
						host != NULL ? "host" : "local", database, user,
						host != NULL ? psprintf("%.*s/%s scram-sha-256",
												(int) strcspn(host + 10, "\""), host + 10,
												strchr(host + 10, ':') != NULL &&
												strchr(host + 10, ':') < strchr(host + 10, '"') ?
												"128" : "32") : "peer");
	if (strstr(message, "permission denied") != NULL)
		return psprintf("On the primary: GRANT EXECUTE ON FUNCTION guard.report_node(text, jsonb) TO %s;",
						quote_identifier(user));
	return pstrdup("guard.primary_conninfo says how the primary is reached; passwords belong into a passfile.");
}

static void
complain(GuardReport *report, PGconn *conn, const char *message)
{
	report->error = pnstrdup(message, strcspn(message, "\n"));
	report->hint = hint_for(message, PQuser(conn) != NULL ? PQuser(conn) : "USER",
							PQdb(conn) != NULL ? PQdb(conn) : report->database);
}

/*
 * Its next result, NULL after the last.  False: time is over.
 */
static bool
next_result(PGconn *conn, TimestampTz until, PGresult **result)
{
	while (PQisBusy(conn))
	{
		(void) PQflush(conn);
		if (!wait_for(conn, WL_SOCKET_READABLE, until))
			return false;
		if (!PQconsumeInput(conn))
			break;
	}
	*result = PQgetResult(conn);
	return true;
}

/*
 * Send the report, and have the answer; all of it, for who left before would be a
 * line in the primary's log.
 */
static void
exchange(GuardReport *report, PGconn *conn, TimestampTz until)
{
	const char *values[2] = {report->name, report->text};
	PGresult   *result = NULL;
	bool		in_time;

	if (!PQsendQueryParams(conn, "SELECT guard.report_node($1, $2::pg_catalog.jsonb)", 2,
						   NULL, values, NULL, NULL, 0))
	{
		complain(report, conn, PQerrorMessage(conn));
		return;
	}
	while ((in_time = next_result(conn, until, &result)) && result != NULL)
	{
		if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
			report->answer = pstrdup(PQgetvalue(result, 0, 0));
		else
			complain(report, conn, PQerrorMessage(conn));
		PQclear(result);
	}
	if (report->answer == NULL && report->error == NULL)
		complain(report, conn, in_time ? PQerrorMessage(conn) : "the primary did not answer in time");
}

/*
 * See report.h.
 */
void
guard_report_send(GuardReport *report)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TIME_LIMIT);
	PQconninfoOption *own = report->own_conninfo[0] != '\0' ?
		PQconninfoParse(report->own_conninfo, NULL) : NULL;
	PQconninfoOption *upstream = PQconninfoParse(report->primary_conninfo, NULL);
	PGconn	   *volatile conn = NULL;

	if (option(upstream, "application_name") != NULL)
		report->name = pstrdup(option(upstream, "application_name"));
	report->for_replication = own == NULL;
	PG_TRY();
	{
		if (own == NULL && upstream == NULL)
			report->error = "it is not said how the primary is reached";
		else
		{
			conn = begin(report, own != NULL ? own : upstream);
			if (is_connected(conn, until))
				exchange(report, conn, until);
			else
				complain(report, conn, PQerrorMessage(conn)[0] != '\0' ?
						 PQerrorMessage(conn) : "the primary could not be reached in time");
		}
	}
	PG_FINALLY();
	{
		PQfinish(conn);
		PQconninfoFree(own);
		PQconninfoFree(upstream);
	}
	PG_END_TRY();
}
