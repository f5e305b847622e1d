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

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/dbcommands.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "alerts/memory.h"
#include "alerts/recent.h"
#include "audit/audit.h"
#include "guc.h"
#include "store/store.h"
#include "store/text.h"

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
	[GUARD_ALERT_TEST] = "test",
};

/* An alert under way. */
typedef struct Alert
{
	GuardAlertKind kind;
	const char *at;
	const char *object;
	const char *reason;
	const char *facts;
	List	   *recent;			/* of char *; JSON objects */
	bool		recent_known;
	MemoryContext context;
} Alert;

const char *
guard_alert_kind_name(GuardAlertKind kind)
{
	return kind_names[kind];
}

bool
guard_alerts_are_on(void)
{
	return guard_guc_alerts && guard_guc_mode != GUARD_MODE_OFF;
}

/* ---- its form ---- */

static void
put_member(StringInfo buf, const char *key, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(buf, "%s\"%s\":", buf->len > 1 ? "," : "", key);
	escape_json(buf, value);
}

static char *
now_text(void)
{
	char	   *str = palloc(MAXDATELEN + 1);

	return JsonEncodeDateTime(str, TimestampTzGetDatum(GetCurrentTimestamp()),
							  TIMESTAMPTZOID, NULL);
}

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
	const char *comma = "";
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	put_member(&buf, "alert", kind_names[alert->kind]);
	put_member(&buf, "at", alert->at);
	put_member(&buf, "database", get_database_name(MyDatabaseId));
	put_member(&buf, "index", alert->object);
	put_member(&buf, "reason", pnstrdup(alert->reason, reason_len));
	if (alert->facts != NULL && strlen(alert->facts) <= FACTS_MAX)
		appendStringInfo(&buf, ",\"facts\":%s", alert->facts);
	if (!alert->recent_known)
	{
		appendStringInfoString(&buf, ",\"recent\":null}");
		return buf.data;
	}
	appendStringInfoString(&buf, ",\"recent\":[");
	foreach(lc, alert->recent)
	{
		const char *item = lfirst(lc);

		/* what comes after it takes less than 40 bytes */
		if (left_out > 0 || (max > 0 && buf.len + strlen(item) + 40 > max))
		{
			left_out++;
			continue;
		}
		appendStringInfo(&buf, "%s%s", comma, item);
		comma = ",";
	}
	appendStringInfoChar(&buf, ']');
	if (left_out > 0)
		appendStringInfo(&buf, ",\"recent_left_out\":%d", left_out);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

/* ---- raising ---- */

static void
collect_recent(void *arg)
{
	Alert	   *alert = arg;
	MemoryContext old = MemoryContextSwitchTo(alert->context);

	alert->recent = guard_recent_collect();
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
	Alert		alert = {kind, NULL, object, reason, facts_json, NIL, false,
	CurrentMemoryContext};

	if (!guard_alerts_are_on())
		return false;
	alert.at = now_text();
	(void) guard_store_try("see what was dropped lately", collect_recent, &alert);
	ereport(LOG_SERVER_ONLY,
			(errcode(ERRCODE_GUARD_ALERT),
			 errmsg_internal("guard alert: %s", make_json(&alert, 0)),
			 errhidestmt(true), errhidecontext(true)));
	(void) guard_store_try("notify of an alert", notify, &alert);
	(void) guard_store_try("write down an alert", write_down, &alert);
	if (guard_alerts_memory != NULL)
		pg_atomic_fetch_add_u64(&guard_alerts_memory->raised[kind], 1);
	return true;
}

uint64
guard_alert_count(GuardAlertKind kind)
{
	return guard_alerts_memory == NULL ? 0 :
		pg_atomic_read_u64(&guard_alerts_memory->raised[kind]);
}

char *
guard_alerts_status(void)
{
	if (guard_alerts_memory == NULL)
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

void
guard_alerts_init(void)
{
	guard_alerts_memory_init();
}
