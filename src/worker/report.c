/*-------------------------------------------------------------------------
 *
 * report.c
 *	  A standby tells its primary what is used here.
 *
 * The report is SQL (guard.node_report), made in a transaction that has ended
 * before it is sent.  The library that sends it has libpq, and is loaded when
 * it is needed first, by this worker alone.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlogrecovery.h"
#include "commands/dbcommands.h"
#include "replication/walreceiver.h"

#include "report/report.h"
#include "store/store.h"
#include "store/visits.h"
#include "worker/worker.h"

/* While something is hidden there, its statements are reported so often. */
#define WATCH_INTERVAL	(2 * USECS_PER_SEC)

/*
 * Make the report, in the current memory context.
 */
static void
make_report(GuardReport *report)
{
	MemoryContext context = CurrentMemoryContext;
	GuardRows  *rows;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(context);
	report->database = get_database_name(MyDatabaseId);
	rows = guard_query_server("SELECT guard.node_report(false)::text");
	if (guard_rows_next(rows))
		report->text = guard_rows_text(rows, 1);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

/*
 * A task of visitors: report, where this is a standby.
 */
TimestampTz
guard_worker_report(void)
{
	GuardReport report = {.own_conninfo = guard_guc_primary_conninfo,
		.primary_conninfo = PrimaryConnInfo != NULL ? PrimaryConnInfo : "",
	.name = cluster_name[0] != '\0' ? cluster_name : "walreceiver"};
	guard_report_send_type send;

	make_report(&report);
	if (report.text == NULL)
		return 0;
	send = (guard_report_send_type) load_external_function("guard_report",
														   "guard_report_send", true, NULL);
	send(&report);
	if (report.answer == NULL)
		ereport(LOG,
				(errmsg("what is used on this standby could not be reported to its primary: %s",
						report.error),
				 report.hint != NULL ? errhint("%s", report.hint) : 0));
	else if (strstr(report.answer, "\"hidden\": 0") == NULL)
	{
		TimestampTz next = GetCurrentTimestamp() + WATCH_INTERVAL;

		guard_visits_want_at(next, next);
		return next;
	}
	return 0;
}
