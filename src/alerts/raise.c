/*-------------------------------------------------------------------------
 *
 * raise.c
 *	  Raising an alert.
 *
 * An alert has one form, a JSON object on one line: in the server log behind
 * "guard alert: ", as a notification, and as the facts of a row in the audit
 * log.  The line comes first, and whether or not the rest can be written.
 *
 * A notification has a limit of its own, so it may name fewer indexes than the
 * line, and says how many it leaves out.
 *
 * Sites have monitoring, so guard tells what only guard knows; to watch the
 * pool as well is an offer for those who have none.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "commands/dbcommands.h"

#include "alerts/alerts.h"
#include "audit/audit.h"
#include "planner/hide/hide.h"

#define CHANNEL			"guard_alert"

/* A warning, of a kind of our own: what a log filter looks for with %e. */
#define ERRCODE_GUARD_ALERT MAKE_SQLSTATE('0', '1', 'X', 'G', 'A')

/*
 * NOTIFY takes less than a page.  The reason alone never fills it.
 */
#define PAYLOAD_MAX		7900
#define REASON_MAX		1000
#define FACTS_MAX		3000

static const char *const kind_names[GUARD_ALERT_KINDS] = {
	[GUARD_ALERT_RESTORED] = "restored",
	[GUARD_ALERT_STUCK] = "stuck",
	[GUARD_ALERT_POOL] = "pool",
	[GUARD_ALERT_LACKING] = "lacking",
	[GUARD_ALERT_MISSING] = "missing",
	[GUARD_ALERT_TEST] = "test",
};

/* An alert under way. */
typedef struct Alert
{
	GuardAlertKind kind;
	TimestampTz at;
	const char *object;
	const char *reason;
	const char *facts;
	List	   *recent;			/* of char *; JSON objects */
	bool		recent_known;
	MemoryContext context;
} Alert;

bool
guard_alerts_are_on(void)
{
	return guard_guc_alerts && guard_guc_mode != GUARD_MODE_OFF;
}

/* ---- its form ---- */

/*
 * As one JSON object of at most "max" bytes (0: as long as it gets); recent
 * indexes are named as long as there is room, and the rest is counted.
 */
static char *
make_json(const Alert *alert, int max)
{
	StringInfoData buf;
	int			reason_len = guard_text_clip(alert->reason, REASON_MAX);
	int			left_out = 0;

	initStringInfo(&buf);
	guard_json_object(&buf, NULL);
	guard_json_text(&buf, "alert", kind_names[alert->kind]);
	guard_json_time(&buf, "at", alert->at);
	guard_json_text(&buf, "database", get_database_name(MyDatabaseId));
	guard_json_text(&buf, "index", alert->object);
	guard_json_text(&buf, "reason", pnstrdup(alert->reason, reason_len));
	if (alert->facts != NULL && strlen(alert->facts) <= FACTS_MAX)
		guard_json_raw(&buf, "facts", alert->facts);
	if (!alert->recent_known)
		guard_json_raw(&buf, "recent", "null");
	else
	{
		guard_json_array(&buf, "recent");
		foreach_ptr(char, item, alert->recent)
		{
			/* what comes after it takes less than 40 bytes */
			if (left_out > 0 || (max > 0 && buf.len + strlen(item) + 40 > max))
				left_out++;
			else
				guard_json_raw(&buf, NULL, item);
		}
		guard_json_end_array(&buf);
	}
	if (left_out > 0)
		guard_json_int(&buf, "recent_left_out", left_out);
	guard_json_end_object(&buf);
	return buf.data;
}

/* ---- raising ---- */

static void
collect_recent(void *arg)
{
	Alert	   *alert = arg;
	GuardRows  *rows = guard_query_rows("SELECT jsonb_strip_nulls(jsonb_build_object('index', r.index_name, 'what', r.what, 'at', r.at,"
										" 'by', r.by, 'undo', r.undo))::text FROM guard.recent r ORDER BY r.at DESC LIMIT 50");
	MemoryContext old = MemoryContextSwitchTo(alert->context);

	while (guard_rows_next(rows))
		alert->recent = lappend(alert->recent, guard_rows_text(rows, 1));
	alert->recent_known = true;
	MemoryContextSwitchTo(old);
}

static void
notify(void *arg)
{
	Async_Notify(CHANNEL, make_json(arg, PAYLOAD_MAX));
}

static void
write_down(void *arg)
{
	Alert	   *alert = arg;

	guard_audit_change("alert", alert->object, alert->reason,
					   make_json(alert, 0));
}

bool
guard_alert_raise(GuardAlertKind kind, const char *object, const char *reason,
				  const char *facts_json)
{
	Alert		alert = {kind, GetCurrentTimestamp(), object, reason,
	facts_json, NIL, false, CurrentMemoryContext};

	if (!guard_alerts_are_on())
		return false;
	(void) guard_store_try("see what was dropped lately", collect_recent, &alert);
	ereport(LOG_SERVER_ONLY,
			(errcode(ERRCODE_GUARD_ALERT),
			 errmsg_internal("guard alert: %s", make_json(&alert, 0)),
			 errhidestmt(true), errhidecontext(true)));
	(void) guard_store_try("notify of an alert", notify, &alert);
	(void) guard_store_try("write down an alert", write_down, &alert);
	return true;
}

char *
guard_alerts_status(void)
{
	if (!guard_hide_is_preloaded())
		return pstrdup("not available: guard is not in shared_preload_libraries");
	if (guard_guc_mode == GUARD_MODE_OFF)
		return pstrdup("off (guard.mode)");
	if (!guard_guc_alerts)
		return pstrdup("off (guard.alerts)");
	if (guard_guc_alert_pool_busy == 0)
		return pstrdup("on, but not for a busy pool (guard.alert_pool_busy)");
	return psprintf("on, also when %d %% of max_connections are busy",
					guard_guc_alert_pool_busy);
}
