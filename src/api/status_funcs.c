/*-------------------------------------------------------------------------
 *
 * status_funcs.c
 *	  The view guard.status: what works here, what does not, and since when
 *	  guard knows what it knows.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"

#include "alerts/alerts.h"
#include "api/api.h"
#include "audit/audit.h"
#include "evidence/history/history.h"
#include "planner/hide/hide.h"
#include "policy/sentence.h"
#include "store/visits.h"

PG_FUNCTION_INFO_V1(guard_sql_status);

static void
put(ReturnSetInfo *rsinfo, const char *item, const char *state)
{
	guard_api_row(rsinfo, P_TEXT(item), P_TEXT(state));
}

static char *
since_words(TimestampTz since)
{
	return psprintf("since %s (%d days)", guard_sentence_moment(since),
					(int) ((GetCurrentTimestamp() - since) / USECS_PER_DAY));
}

/*
 * Since when anything is known, all sources and their history together.  The
 * days are those of observation.
 */
static void
put_evidence(ReturnSetInfo *rsinfo, const GuardEpochs *epochs)
{
	char	   *gaps;
	int64		observed;

	if (epochs->since == 0)
	{
		put(rsinfo, "evidence", "none");
		return;
	}
	gaps = guard_epochs_gap_words(epochs, GUARD_WATCH_BOTH, epochs->since,
								  epochs->now);
	observed = epochs->now - epochs->since -
		guard_epochs_unobserved(epochs, GUARD_WATCH_BOTH, epochs->since,
								epochs->now);
	put(rsinfo, "evidence",
		psprintf("since %s (%d days)%s%s",
				 guard_sentence_moment(epochs->since),
				 (int) (observed / USECS_PER_DAY),
				 gaps == NULL ? "" : ", gaps: ", gaps == NULL ? "" : gaps));
}

/*
 * When the last snapshot was, and who takes the next.
 */
static void
put_history(ReturnSetInfo *rsinfo)
{
	TimestampTz last = guard_history_last_snapshot();

	if (last == 0)
		put(rsinfo, "history", "nothing written down yet: guard.snapshot() or the worker does");
	else
		put(rsinfo, "history", psprintf("last snapshot %s",
										guard_sentence_moment(last)));
}

/*
 * Since when nothing has passed capture by, or who does so now.
 */
static char *
capture_words(const GuardCaptureStatus *status, TimestampTz since)
{
	if (guard_guc_mode == GUARD_MODE_OFF || !guard_guc_capture)
		return psprintf("off (%s)", guard_guc_capture ? "guard.mode" : "guard.capture");
	if (status->sessions_off > 0)
		return psprintf("incomplete: %d %s not captured in this database (guard.mode or guard.capture is off there)",
						status->sessions_off,
						status->sessions_off == 1 ? "session is" : "sessions are");
	if (since == 0)
		return pstrdup("incomplete: some sessions are not captured");
	return psprintf("%s%s", since_words(since),
					status->resumed_at == 0 || status->resumed_at < status->since ? "" :
					", until when a session was not captured (guard.mode or guard.capture was off there)");
}

/*
 * Records in use of all that there are, and whether this database has found
 * no room.
 */
static char *
relations_words(const GuardCaptureStatus *status)
{
	char	   *used = psprintf("%d of %d, %d of them here (at least %d guaranteed)",
								status->relations_used, status->relations_max,
								status->relations_here, status->guaranteed);

	if (status->last_loss == 0)
		return used;
	return psprintf("%s%s; some found no room and are unknown, the last on %s (guard.max_indexes)",
					status->has_room ? "" : "full: ", used,
					guard_sentence_moment(status->last_loss));
}

static void
put_capture(ReturnSetInfo *rsinfo, TimestampTz since)
{
	GuardCaptureStatus status;

	guard_capture_status(&status);
	if (!status.available)
	{
		put(rsinfo, "capture", "not available: guard is not in shared_preload_libraries");
		return;
	}
	put(rsinfo, "capture", capture_words(&status, since));
	put(rsinfo, "captured indexes and tables", relations_words(&status));
	put(rsinfo, "captured statements",
		psprintf("%d of %d, " INT64_FORMAT " evicted",
				 Min(status.statements_used, guard_guc_max_statements),
				 guard_guc_max_statements, status.statements_evicted));
	put(rsinfo, "captured services",
		psprintf("%d of %d, one for each service of an index or table",
				 status.services_used, status.services_max));
}

/*
 * The background worker: is there one, and if not, why not.
 */
static const char *
worker_words(const GuardVisitsStatus *status)
{
	if (!status->preloaded)
		return "not available: guard is not in shared_preload_libraries";
	if (!status->running)
		return RecoveryInProgress() ? "none: the server is in recovery" :
			"not running: see the server log";
	if (guard_guc_mode == GUARD_MODE_OFF)
		return "off (guard.mode)";
	if (status->no_worker_since != 0)
		return psprintf("waits for a free background worker since %s (max_worker_processes)",
						guard_sentence_moment(status->no_worker_since));
	if (status->no_builder_since != 0)
		return psprintf("running; what takes long waits for a free background worker since %s (max_worker_processes)",
						guard_sentence_moment(status->no_builder_since));
	return "running";
}

static void
put_worker(ReturnSetInfo *rsinfo)
{
	GuardVisitsStatus status;

	guard_visits_status(&status);
	put(rsinfo, "worker", worker_words(&status));
	if (!status.preloaded)
		return;
	put(rsinfo, "visits here", status.visits == 0 ? "none yet" :
		psprintf(INT64_FORMAT ", last %s%s%s", status.visits,
				 guard_sentence_moment(status.last_visit),
				 status.visited_now ? ", a visitor is here" : "",
				 status.building ? ", an index is dropped or created just now" : ""));
	put(rsinfo, "databases",
		psprintf("%d with guard, %d without, %d not visited yet, %d waiting for a visit%s",
				 status.databases_with, status.databases_without,
				 status.databases_new, status.waiting,
				 status.databases_left_out == 0 ? "" :
				 psprintf("; %d more take turns", status.databases_left_out)));
}

static const char *
hiding_words(void)
{
	const char *on = "on";
	int			count;

	if (!guard_hide_is_preloaded())
		return "not available: guard is not in shared_preload_libraries";
	if (!guard_guc_hiding)
		on = "off (guard.hiding)";
	else if (!guard_hide_is_effective())
		on = "off (guard.mode)";
	count = guard_hide_count();
	if (!guard_hide_is_current())
		return psprintf("%s, what is hidden could not be read", on);
	return psprintf("%s, %d hidden", on, count);
}

static void
put_whatif(ReturnSetInfo *rsinfo)
{
	GuardWhatIfStatus status;

	guard_whatif_status(&status);
	if (!status.available)
	{
		put(rsinfo, "what-if", "not available: guard is not in shared_preload_libraries");
		return;
	}
	put(rsinfo, "what-if", status.on ? "on" : guard_guc_whatif ?
		"off (guard.mode)" : "off (guard.whatif)");
	put(rsinfo, "what-if statements and indexes",
		psprintf("%d of %d, " INT64_FORMAT " plans, " INT64_FORMAT
				 " failed, " INT64_FORMAT " statements left out (functions not in C)",
				 Min(status.records_used, guard_guc_max_statements),
				 guard_guc_max_statements, status.shadow_plans, status.failed, status.untrusted));
	put(rsinfo, "what-if time",
		psprintf("%.4f %% of one processor since %s (kept below %.0f %%), "
				 INT64_FORMAT " statements put off, " INT64_FORMAT
				 " too slow to plan (guard.whatif_time_limit)",
				 status.share * 100, guard_sentence_moment(status.since),
				 status.share_max * 100, status.postponed, status.too_slow));
}

/*
 * Does pg_stat_statements time what functions and foreign keys run, too?
 */
static const char *
track_words(void)
{
	const char *track = GetConfigOption("pg_stat_statements.track", true, false);

	return track == NULL || strcmp(track, "all") == 0 ? "available" :
		"available; what functions and foreign keys run is timed under pg_stat_statements.track = all only";
}

/*
 * Who else reads, and what is to be done about those that do not say what.
 */
static const char *
standbys_words(const GuardServer *server)
{
	int			heard = 0;

	if (server->silence != NULL)
		return psprintf("unknown: %s. %s", server->silence, guard_nodes_remedy(server));
	foreach_ptr(const GuardNode, node, server->nodes)
		heard += node->counts;
	return RecoveryInProgress() ? "this is one" : heard == 0 ? "none attached" :
		psprintf("%d reporting", heard);
}

Datum
guard_sql_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	GuardServer *server;
	const char *missing;

	InitMaterializedSRF(fcinfo, 0);
	server = guard_server_read();
	put(rsinfo, "mode", GetConfigOption("guard.mode", false, false));
	missing = guard_store_mismatch();
	put(rsinfo, "versions", missing == NULL ? "library and SQL belong together" :
		psprintf("%s (ALTER EXTENSION guard UPDATE)", missing));
	put_evidence(rsinfo, server->epochs);
	put(rsinfo, "counters", !pgstat_track_counts ? "off (track_counts)" :
		since_words(server->counters_since));
	put_capture(rsinfo, server->capture_since);
	put_worker(rsinfo);
	put(rsinfo, "hiding", hiding_words());
	put_history(rsinfo);
	put_whatif(rsinfo);
	missing = guard_pgss_find().missing;
	put(rsinfo, "pg_stat_statements", missing == NULL ? track_words() :
		psprintf("not available: %s", missing));
	put(rsinfo, "standbys", standbys_words(server));
	put(rsinfo, "audit", guard_audit_status());
	put(rsinfo, "alerts", guard_alerts_status());
	return (Datum) 0;
}
