/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Does somebody plan under settings of his own?
 *
 * Anybody may change the costs that his statements are planned by, in his
 * session or for his role.  What is planned so says nothing of other people's
 * statements.  What counts is where a setting comes from, not its value: the
 * server's own value is not at hand while another is in its place.  What the
 * configuration files, ALTER SYSTEM, ALTER ROLE ALL or ALTER DATABASE say is
 * the server's.
 *
 * Who plans under settings of his own may answer for himself: he is told by his
 * role and what he has set.  Not where he has switched a kind of plan off: what is
 * left is dear, and one such plan not much dearer than another.
 *
 * Which settings these are, PostgreSQL knows best: those it lists under query
 * tuning, and a few that it lists elsewhere.  Settings of extensions are not
 * looked at.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/guc_tables.h"

#include "planner/planner.h"

/* PostgreSQL 19 has some 60. */
#define MAX_SETTINGS	128

/* Planned with, but listed under resources or developers' options. */
static const char *const elsewhere[] = {
	"work_mem", "hash_mem_multiplier", "effective_io_concurrency",
	"max_parallel_workers", "max_parallel_workers_per_gather",
	"parallel_leader_participation", "force_parallel_mode",
	"debug_parallel_query"
};

static const struct config_generic *settings[MAX_SETTINGS];
static int	nsettings = 0;

static bool
is_planned_with(const struct config_generic *setting)
{
	switch (setting->group)
	{
		case QUERY_TUNING_METHOD:
		case QUERY_TUNING_COST:
		case QUERY_TUNING_GEQO:
		case QUERY_TUNING_OTHER:
			return true;
		default:
			break;
	}
	for (int i = 0; i < lengthof(elsewhere); i++)
	{
		if (elsewhere[i][0] == setting->name[0] &&
			strcmp(setting->name, elsewhere[i]) == 0)
			return true;
	}
	return false;
}

/*
 * PostgreSQL's own settings stay where they are for the life of a process.
 */
static void
find_settings(void)
{
	int			count;
	struct config_generic **all = guard_compat_settings(&count);

	for (int i = 0; i < count && nsettings < MAX_SETTINGS; i++)
	{
		if (is_planned_with(all[i]))
			settings[nsettings++] = all[i];
	}
}

/*
 * Go on with a hash, by a setting.
 */
static uint32
add_setting(uint32 hash, const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	hash = hash_combine(hash, string_hash(name, NAMEDATALEN));
	return value == NULL ? hash :
		hash_combine(hash, hash_bytes((const unsigned char *) value, strlen(value)));
}

uint32
guard_settings_own(void)
{
	uint32		own = 0;

	if (unlikely(nsettings == 0))
		find_settings();
	for (int i = 0; i < nsettings; i++)
	{
		if (likely(settings[i]->source <= PGC_S_DATABASE ||
				   settings[i]->source == PGC_S_OVERRIDE))
			continue;
		if (settings[i]->group == QUERY_TUNING_METHOD)
			return GUARD_SETTINGS_FORCE;
		own = add_setting(own != 0 ? own : murmurhash32(GetUserId()) | 2,
						  settings[i]->name) | 2;
	}
	return own;
}

void
guard_settings_take(const char *name, const char *value)
{
	if (unlikely(nsettings == 0))
		find_settings();
	for (int i = 0; i < nsettings; i++)
	{
		if (settings[i]->context == PGC_USERSET &&
			settings[i]->source < PGC_S_CLIENT &&
			strcmp(settings[i]->name, name) == 0)
			(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, DEBUG1, false);
	}
}
