/*-------------------------------------------------------------------------
 *
 * tasks.c
 *	  The table of what a visitor does in a database.
 *
 * Order matters only among tasks that are due at the same time: they run from
 * top to bottom, the short ones first.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "alerts/alerts.h"
#include "audit/audit.h"
#include "evidence/history/history.h"
#include "guc.h"
#include "softdrop/softdrop.h"
#include "store/visits.h"
#include "worker/worker.h"

static const int hourly = 3600;

/*
 * Capture cannot be told of a drop that was prepared, or that happened while
 * guard.mode was off.  What was used within a day may be the work of a
 * transaction that is still open.
 */
static TimestampTz
purge(void)
{
	guard_evidence_forget_vanished(GetCurrentTimestamp() - USECS_PER_DAY);
	return 0;
}

/*
 * Somebody else who is at it does it for us.
 */
static TimestampTz
history(void)
{
	(void) guard_history_snapshot();
	return 0;
}

/*
 * Somebody's transaction may hold a lock on the audit log: it is tried again a
 * second later.
 */
static TimestampTz
deliver_audit(void)
{
	return guard_audit_deliver() ? 0 : GetCurrentTimestamp() + USECS_PER_SEC;
}

static TimestampTz
prune_audit(void)
{
	(void) guard_audit_prune();
	return 0;
}

const GuardTask guard_tasks[] = {
	{"soft drops", NULL, guard_softdrop_visit, GUARD_TASK_OWN_TRANSACTIONS},
	{"soft drops, telling", NULL, guard_softdrop_tell, GUARD_TASK_OWN_TRANSACTIONS},
	{"audit", NULL, deliver_audit, 0},
	{"pool", NULL, guard_pool_watch, 0},
	{"history", &guard_guc_snapshot_interval, history, 0},
	{"prune audit", &hourly, prune_audit, 0},
	{"purge", &hourly, purge, 0},
};
const int	guard_tasks_count = lengthof(guard_tasks);

const GuardTask guard_long_task =
{"soft drops, long step", NULL, guard_softdrop_long_step, GUARD_TASK_OWN_TRANSACTIONS};

StaticAssertDecl(lengthof(guard_tasks) <= GUARD_MAX_TASKS,
				 "GUARD_MAX_TASKS is too small");
