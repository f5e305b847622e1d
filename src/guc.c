/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Every guard.* setting: name, unit, range, who may set it.
 *
 * Whatever weakens protection is PGC_SUSET, so that a migration role cannot
 * simply switch its guard off, while ALTER ROLE ... SET by a superuser, and
 * GRANT SET ON PARAMETER, still give standing exemptions.  Times take every
 * unit from seconds to days.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/varlena.h"

#include "guc.h"

#define SECS_PER_DAY_INT	86400

int			guard_guc_mode = GUARD_MODE_ENFORCE;
bool		guard_guc_review = false;
int			guard_guc_hot_action = GUARD_HOT_BLOCK;
int			guard_guc_unknown_action = GUARD_UNKNOWN_AUTO;
char	   *guard_guc_application_name_pattern = "%s/%v";
bool		guard_guc_two_person = false;
char	   *guard_guc_ignore_standbys = "";
char	   *guard_guc_primary_conninfo = "";
int			guard_guc_lookback = 35 * SECS_PER_DAY_INT;
int			guard_guc_quiet_period = SECS_PER_DAY_INT;
int			guard_guc_min_evidence_age = 7 * SECS_PER_DAY_INT;
int			guard_guc_min_scans = 50;
int			guard_guc_rebuild_limit = 256 * 1024;
int			guard_guc_trial_period = 7 * SECS_PER_DAY_INT;
double		guard_guc_restore_factor = 3.0;
double		guard_guc_harmless_cost_ratio = 1.1;
int			guard_guc_snapshot_interval = 300;
int			guard_guc_history_retention = 400 * SECS_PER_DAY_INT;
int			guard_guc_audit_retention = 400 * SECS_PER_DAY_INT;
bool		guard_guc_capture = true;
bool		guard_guc_whatif = true;
int			guard_guc_whatif_interval = 3600;
int			guard_guc_whatif_time_limit = 10;
bool		guard_guc_hiding = true;
bool		guard_guc_alerts = true;
int			guard_guc_alert_pool_busy = 0;
char	   *guard_guc_plan_as = "";
int			guard_guc_max_indexes = 10000;
int			guard_guc_max_statements = 5000;

static char *guard_guc_without_index = "";	/* read through its assign hook
											 * only */

static guard_guc_switched_type capture_switched = NULL;
static guard_guc_switched_type hiding_switched = NULL;
static GucStringCheckHook check_without = NULL;
static GucStringAssignHook assign_without = NULL;

static const struct config_enum_entry mode_options[] = {
	{"off", GUARD_MODE_OFF, false},
	{"observe", GUARD_MODE_OBSERVE, false},
	{"enforce", GUARD_MODE_ENFORCE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry hot_options[] = {
	{"block", GUARD_HOT_BLOCK, false},
	{"delay", GUARD_HOT_DELAY, false},
	{NULL, 0, false}
};

static const struct config_enum_entry unknown_options[] = {
	{"auto", GUARD_UNKNOWN_AUTO, false},
	{"allow", GUARD_UNKNOWN_ALLOW, false},
	{"delay", GUARD_UNKNOWN_DELAY, false},
	{"block", GUARD_UNKNOWN_BLOCK, false},
	{NULL, 0, false}
};

void
guard_guc_set_switched(guard_guc_switched_type switched)
{
	capture_switched = switched;
}

void
guard_guc_set_hiding_switched(guard_guc_switched_type switched)
{
	hiding_switched = switched;
}

void
guard_guc_set_without(GucStringCheckHook check, GucStringAssignHook assign)
{
	check_without = check;
	assign_without = assign;
}

static void
assign_mode(int newval, void *extra)
{
	bool		on = newval != GUARD_MODE_OFF;

	if (capture_switched)
		capture_switched(on && guard_guc_capture);
	if (hiding_switched && on != (guard_guc_mode != GUARD_MODE_OFF))
		hiding_switched(on && guard_guc_hiding);
}

static void
assign_capture(bool newval, void *extra)
{
	if (capture_switched)
		capture_switched(newval && guard_guc_mode != GUARD_MODE_OFF);
}

static void
assign_hiding(bool newval, void *extra)
{
	if (hiding_switched && newval != guard_guc_hiding)
		hiding_switched(newval && guard_guc_mode != GUARD_MODE_OFF);
}

/*
 * %s, %v and something between them, in either order.
 */
static bool
check_pattern(char **newval, void **extra, GucSource source)
{
	const char *pattern = *newval;
	size_t		len = strlen(pattern);

	if (len > 4 && len < 64 && strchr(pattern + 1, '%') == pattern + len - 2 &&
		((strncmp(pattern, "%s", 2) == 0 && pattern[len - 1] == 'v') ||
		 (strncmp(pattern, "%v", 2) == 0 && pattern[len - 1] == 's')))
		return true;
	GUC_check_errdetail("It must consist of %%s (service), what separates the two, and %%v (version), or the other way round.");
	return false;
}

/*
 * Names, with commas between.
 */
static bool
check_names(char **newval, void **extra, GucSource source)
{
	List	   *names;

	if (SplitGUCList(pstrdup(*newval), ',', &names))
		return true;
	GUC_check_errdetail("List syntax is invalid.");
	return false;
}

/*
 * Settings by kind: guard.<name>, whose variable is guard_guc_<name> and whose
 * default is what that begins with; what it is, and what to know of it.
 */
#define BOOL_SETTING(name, what, more, context, assign) \
	DefineCustomBoolVariable("guard." #name, what, more, &guard_guc_##name, guard_guc_##name, \
							 context, 0, NULL, assign, NULL)
#define INT_SETTING(name, what, more, least, most, context, flags) \
	DefineCustomIntVariable("guard." #name, what, more, &guard_guc_##name, guard_guc_##name, \
							least, most, context, flags, NULL, NULL, NULL)
#define REAL_SETTING(name, what, more, least, most) \
	DefineCustomRealVariable("guard." #name, what, more, &guard_guc_##name, guard_guc_##name, \
							 least, most, PGC_SUSET, 0, NULL, NULL, NULL)
#define ENUM_SETTING(name, what, more, options, assign) \
	DefineCustomEnumVariable("guard." #name, what, more, &guard_guc_##name, guard_guc_##name, \
							 options, PGC_SUSET, 0, NULL, assign, NULL)
#define STRING_SETTING(name, what, more, context, flags, check, assign) \
	DefineCustomStringVariable("guard." #name, what, more, &guard_guc_##name, guard_guc_##name, \
							   context, flags, check, assign, NULL)

/* Judging drops. */
static void
define_judgement(void)
{
	ENUM_SETTING(mode, "Whether drops of indexes are judged.",
				 "off: nothing is judged or captured; observe: judged and reported, never refused; enforce: a "
				 "drop that would be missed is refused. Begin with observe, and read the server log. For a "
				 "test database prefer observe to off.", mode_options, assign_mode);
	ENUM_SETTING(hot_action, "What happens to a drop of an index that is still needed.",
				 "block: it is refused; delay: a plain DROP INDEX is carried out in stages that can be undone, "
				 "all else is refused. Choose delay where migrations often run before the code that goes with "
				 "them.", hot_options, NULL);
	ENUM_SETTING(unknown_action, "What happens to a drop when too little is known of the index.",
				 "auto: refused where the table is larger than guard.rebuild_limit, otherwise allowed with a "
				 "warning; allow: with a warning; delay: carried out in stages where that is possible, "
				 "otherwise allowed; block: refused. Choose block where nobody minds to ask for an approval.",
				 unknown_options, NULL);
	BOOL_SETTING(review, "Whether the client is told of every judgement, as JSON at level INFO.",
				 "It may show evidence to whom guard.check() would not. guard_review switches it on where it "
				 "runs migrations.", PGC_SUSET, NULL);
	BOOL_SETTING(two_person, "Whether an approval by the login role that drops does not count.",
				 "Switch it on where nobody shall drop a needed index alone; a login role that approves cannot "
				 "drop then.", PGC_SUSET, NULL);
	STRING_SETTING(ignore_standbys, "Standbys that do not count when they do not report what is used there.",
				   "Their names in pg_stat_replication, with commas between. For standbys on which nobody reads: "
				   "delayed ones, those for backups only.", PGC_SUSET, GUC_LIST_INPUT, check_names, NULL);
	INT_SETTING(lookback, "How long a use keeps an index, unless it ended earlier.",
				"Raise it where something runs more seldom than monthly, such as the reports of a quarter; "
				"guard.history_retention must be longer.", 1, INT_MAX, PGC_SUSET, GUC_UNIT_S);
	INT_SETTING(quiet_period, "How long an index must be quiet before its use can have ended.",
				"And for one and a half times the longest pause between its uses. Lower it where indexes go "
				"within hours of a deployment; report deployments instead, and it does not matter.",
				1, INT_MAX, PGC_SUSET, GUC_UNIT_S);
	INT_SETTING(min_evidence_age, "How long an index must have been observed before nothing seen means cold.",
				"Lower it for a new installation only if everything that uses indexes runs within that time.",
				0, INT_MAX, PGC_SUSET, GUC_UNIT_S);
	INT_SETTING(min_scans, "Scans counted by the server that no captured statement explains, below which they mean nothing.",
				"Planning and EXPLAIN alone raise an index's counter. Matters where guard is not preloaded.",
				1, INT_MAX, PGC_SUSET, 0);
	INT_SETTING(rebuild_limit,
				"Table size above which an index takes too long to rebuild to wait for COMMIT, or to drop in the dark.",
				"Raise it if CREATE INDEX on a table of that size is no trouble.",
				0, INT_MAX, PGC_SUSET, GUC_UNIT_KB);
	REAL_SETTING(harmless_cost_ratio,
				 "Cost of a statement without an index, relative to its cost with it, that passes for no difference.",
				 "A cost that is measured the same may still be estimated above it; such an index is refused "
				 "as needed. Lower means more refusals.", 1.0, 10.0);
}

/* Hiding. */
static void
define_hiding(void)
{
	BOOL_SETTING(hiding, "Whether hidden indexes are hidden from the planner.",
				 "off: it sees them all, from the next statement of every session on. For emergencies.",
				 PGC_SIGHUP, assign_hiding);
}

/* Drops in stages. */
static void
define_softdrop(void)
{
	INT_SETTING(trial_period, "How long an index stays hidden, and watched, before it is dropped.",
				"At least, and one and a half times the longest pause between its uses. Raise it where "
				"something runs more seldom than that.", 0, INT_MAX, PGC_SUSET, GUC_UNIT_S);
	REAL_SETTING(restore_factor, "How many times slower than before a statement must be for its hidden index to come back.",
				 "Lower means that an index comes back sooner, and more often for nothing.", 1.1, 1000.0);
}

/*
 * Settings are shown, written down and backed up.
 */
static bool
check_no_password(char **newval, void **extra, GucSource source)
{
	const char *uri = strstr(*newval, "://");
	const char *at = uri != NULL ? strchr(uri, '@') : NULL;
	const char *colon = uri != NULL ? strchr(uri + 3, ':') : NULL;

	if (strstr(*newval, "password") == NULL &&
		(at == NULL || colon == NULL || colon > at))
		return true;
	GUC_check_errdetail("A password belongs into a passfile.");
	return false;
}

/* History. */
static void
define_history(void)
{
	INT_SETTING(snapshot_interval, "How often the worker writes down what was counted and captured; 0: never.",
				"guard.snapshot() does the same at any time. It is what a crash loses at most.",
				0, SECS_PER_DAY_INT, PGC_SIGHUP, GUC_UNIT_S);
	STRING_SETTING(primary_conninfo, "On a standby: how its worker reaches the primary, to report what is used here.",
				   "A connection string of libpq, without a password; empty: primary_conninfo, with the name of "
				   "the database. The role needs EXECUTE on guard.report_node. Set it where a standby is fed by "
				   "another one.", PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_no_password, NULL);
	INT_SETTING(history_retention, "How long it is remembered.",
				"Longer than the longest pause between uses that matter. An index that is used every hour "
				"takes 109 kB a year.", SECS_PER_DAY_INT, INT_MAX, PGC_SIGHUP, GUC_UNIT_S);
}

/* The audit log. */
static void
define_audit(void)
{
	INT_SETTING(audit_retention, "How long rows of guard.audit_log are kept.",
				"0 keeps them for ever.", 0, INT_MAX, PGC_SUSET, GUC_UNIT_S);
}

/* Alerts. */
static void
define_alerts(void)
{
	BOOL_SETTING(alerts, "Whether guard raises alerts: in the server log, on channel guard_alert, in guard.audit_log.",
				 "guard.test_alert() raises one, to see whether it arrives.", PGC_SIGHUP, NULL);
	INT_SETTING(alert_pool_busy, "Busy connections, in percent of max_connections, at which an alert is raised; 0: never.",
				"A connection is busy unless it is idle. The alert comes after three seconds. One of guard's "
				"two visitors is kept busy by it.", 0, 100, PGC_SIGHUP, 0);
}

/* Capture. */
static void
define_capture(void)
{
	BOOL_SETTING(capture, "Whether executed statements are recorded for the indexes they use.",
				 "off: who uses an index is not known; use is what the server counts.",
				 PGC_SIGHUP, assign_capture);

	STRING_SETTING(application_name_pattern, "How services name themselves and their version in application_name.",
				   "%s is the service, %v its version; what stands between the two separates them.",
				   PGC_SIGHUP, 0, check_pattern, NULL);

	/*
	 * Shared memory is sized when the server starts, so where guard is not
	 * preloaded these two mean nothing, and defining them then would be an
	 * error.
	 */
	if (!process_shared_preload_libraries_in_progress)
		return;
	INT_SETTING(max_indexes, "Number of indexes and tables whose use can be recorded.",
				"Raise it when guard.status says that some found no room: those are unknown. Each of n "
				"databases with guard is guaranteed 1 / (2 n) of it.", 100, 10000000, PGC_POSTMASTER, 0);
	INT_SETTING(max_statements,
				"Number of pairs of index and statement that can be recorded, a partitioned index being one.",
				"Raise it when guard.status counts evicted ones and predictions are missing.",
				100, 10000000, PGC_POSTMASTER, 0);
}

/* Plans without an index. */
static void
define_whatif(void)
{
	BOOL_SETTING(whatif, "Whether statements are sometimes planned once more without an index they use.",
				 "off: there are no predictions, and nothing is harmless by its plans. Takes at most a "
				 "hundredth of one processor.", PGC_SIGHUP, NULL);
	INT_SETTING(whatif_interval, "How often a statement is planned without the same index.",
				"For tests of guard.", 0, INT_MAX, PGC_SUSET, GUC_UNIT_S | GUC_NOT_IN_SAMPLE);
	INT_SETTING(whatif_time_limit, "Processor time of planning above which a statement is not planned once more.",
				"For tests of guard.", 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS | GUC_NOT_IN_SAMPLE);

	/* Anybody's: it changes nothing but plans of the session that sets it. */
	STRING_SETTING(without_index, "Indexes that this session's plans leave out, to see what they would be like.",
				   "Names, separated by commas. An index of a partitioned table stands for those of its "
				   "partitions.", PGC_USERSET, GUC_LIST_INPUT, check_without, assign_without);
	STRING_SETTING(plan_as, "The imported profile that EXPLAIN plans by, as the server would that it is of; empty: none.",
				   "What is executed, EXPLAIN ANALYZE too, is planned as ever.", PGC_USERSET, 0, NULL, NULL);
}

/*
 * Define all settings; called once, from _PG_init.
 */
void
guard_guc_define(void)
{
	define_judgement();
	define_hiding();
	define_softdrop();
	define_history();
	define_audit();
	define_alerts();
	define_capture();
	define_whatif();

	/*
	 * Nobody else may invent guard.* settings that look like ours
	 * (doc/internals/postgresql.md 10.4).
	 */
	MarkGUCPrefixReserved("guard");
}
