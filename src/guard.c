/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Keeps people from dropping an index that live traffic still needs.
 *
 * The library can be loaded in two ways.  In shared_preload_libraries it also
 * records which statements use which indexes.  Without, the first DDL of a
 * session loads it through the extension's event trigger, and drops are judged
 * by what the server counts.
 *
 * The map of the source is in README.md beside this file.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alerts/alerts.h"
#include "hooks/frame.h"
#include "planner/hide/hide.h"
#include "planner/planas/planas.h"
#include "planner/planner.h"
#include "planner/whatif/question.h"
#include "softdrop/softdrop.h"
#include "store/visits.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	guard_xact_init();
	guard_before_init();
	guard_without_init();
	guard_guc_define();
	guard_presence_init();
	guard_store_init();
	guard_identity_describe = guard_shape_describe;
	guard_visits_init();
	guard_capture_init();
	guard_indexlist_init();
	guard_planas_init();
	guard_hide_init();
	guard_whatif_init();		/* sees what hiding leaves */
	guard_question_init();
	guard_slots_init();
	guard_approvals_init();
	guard_softdrop_init();
	guard_audit_init();
	guard_alerts_init();
	guard_transaction_init();
	guard_unjudged_init();
	guard_utility_init();
	guard_object_access_init();
	guard_worker_init();
}
