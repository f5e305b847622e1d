/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Every guard.* setting, readable by every room.
 *
 * Times are in seconds, sizes in kilobytes, as their GUC unit flags say.  A
 * setting that weakens protection is PGC_SUSET: a guard that anyone may
 * switch off guards nothing (doc/internals/postgresql.md 10.2, 10.4).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_GUC_H
#define GUARD_GUC_H

#include "utils/guc.h"

typedef enum GuardMode
{
	GUARD_MODE_OFF,				/* nothing is judged, nothing captured */
	GUARD_MODE_OBSERVE,			/* judged, never refused */
	GUARD_MODE_ENFORCE
} GuardMode;

typedef enum GuardUnknownAction
{
	GUARD_UNKNOWN_AUTO,			/* block where the way back is long */
	GUARD_UNKNOWN_ALLOW,
	GUARD_UNKNOWN_DELAY,		/* where that is possible, otherwise allow */
	GUARD_UNKNOWN_BLOCK
} GuardUnknownAction;

typedef enum GuardHotAction
{
	GUARD_HOT_BLOCK,
	GUARD_HOT_DELAY				/* where that is possible, otherwise block */
} GuardHotAction;

extern int	guard_guc_mode;
extern bool guard_guc_review;
extern int	guard_guc_hot_action;
extern int	guard_guc_unknown_action;
extern bool guard_guc_two_person;
extern char *guard_guc_ignore_standbys; /* names, with commas between */
extern char *guard_guc_primary_conninfo;	/* sighup */
extern char *guard_guc_application_name_pattern;	/* sighup */
extern int	guard_guc_lookback; /* seconds */
extern int	guard_guc_quiet_period; /* seconds */
extern int	guard_guc_min_evidence_age; /* seconds */
extern int	guard_guc_min_scans;	/* scans */
extern int	guard_guc_rebuild_limit;	/* kilobytes */
extern int	guard_guc_trial_period; /* seconds */
extern double guard_guc_restore_factor; /* times slower */
extern double guard_guc_harmless_cost_ratio;
extern int	guard_guc_snapshot_interval;	/* seconds, sighup; 0: never */
extern int	guard_guc_history_retention;	/* seconds, sighup */
extern int	guard_guc_audit_retention;	/* seconds, 0: for ever */
extern bool guard_guc_capture;	/* sighup */
extern bool guard_guc_whatif;	/* sighup */
extern int	guard_guc_whatif_interval;	/* seconds */
extern int	guard_guc_whatif_time_limit;	/* milliseconds */
extern bool guard_guc_hiding;	/* sighup */
extern bool guard_guc_alerts;	/* sighup */
extern int	guard_guc_alert_pool_busy;	/* percent, sighup; 0: no alert */
extern char *guard_guc_plan_as; /* "": as this server */
extern int	guard_guc_max_indexes;	/* slots, postmaster */
extern int	guard_guc_max_statements;	/* slots, postmaster */

/* define all settings; called once, from _PG_init */
extern void guard_guc_define(void);

/*
 * Registered by the room that captures: it is told when this session's
 * capturing is switched on or off.
 */
typedef void (*guard_guc_switched_type) (bool on);
extern void guard_guc_set_switched(guard_guc_switched_type switched);

/* The same for the room that hides. */
extern void guard_guc_set_hiding_switched(guard_guc_switched_type switched);

/*
 * Registered by the room that leaves indexes out of plans, before the settings
 * are defined: what guard.without_index means is its affair.
 */
extern void guard_guc_set_without(GucStringCheckHook check,
								  GucStringAssignHook assign);

#endif							/* GUARD_GUC_H */
