/*-------------------------------------------------------------------------
 *
 * dependencies.c
 *	  Which services need an index, and until which version.
 *
 * The schema change that went out before the code is the accident that guard
 * is made for.  Where people say which service needs an index until which
 * version, and their pipeline says which version runs, the order is known; and
 * what capture sees tells whether what was said is true.
 *
 * A service that was released by a deployment is not asked again for uses that
 * are older.  Which deployment that is depends on who made the use: the last
 * one reported ended an old version for good, so what that version did before
 * no longer counts; but a use by until_version or later, after it was first
 * reported, shows that the new code needs the index as well.
 *
 * Names are compared as capture folds them, so that a pipeline may report
 * "auth-7f9c6d5b8-x2v4q" for "auth", or as they are, since a login role stands
 * for a service under its own name.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/partition.h"

#include "evidence/evidence.h"
#include "evidence/registrations/registration.h"

/* guard.dependency, beside the columns of every registry */
#define DEPENDENCY_SERVICE	4
#define DEPENDENCY_BY		5
#define DEPENDENCY_AT		6
#define DEPENDENCY_UNTIL	8
#define DEPENDENCY_NOTE		9
#define DEPENDENCY_FROM		10
#define DEPENDENCY_SOURCE	11	/* of guard.profile_dependency */

/* guard.deployment */
#define DEPLOYMENT_SERVICE	1
#define DEPLOYMENT_VERSION	2
#define DEPLOYMENT_AT		3

/* One version of a service, reported to run everywhere from then on. */
typedef struct Deployment
{
	char	   *service;
	char	   *version;
	TimestampTz at;
} Deployment;

/* So many comparisons a session remembers. */
#define MAX_COMPARED	1024

/* Two versions as they were compared, one behind the other. */
typedef struct Compared
{
	char		versions[80];	/* key */
	GuardVersionOrder order;
} Compared;

/* ---- reading ---- */

/*
 * Those of a table that has the columns of guard.dependency.  That of profiles has
 * one more, which says whose they are; 0: none.
 */
static void
read_dependencies(GuardEvidence *evidence, const char *table, int source_column)
{
	GuardRows  *rows = guard_rows_surely(guard_rows_of_table(table), table);
	bool		inherited;

	while (guard_rows_next(rows))
	{
		Oid			index = guard_registration_covers(rows, evidence, &inherited);
		GuardDependency *dependency;

		if (!OidIsValid(index) || guard_profile_is_silent(evidence, rows, source_column))
			continue;
		dependency = palloc0(sizeof(GuardDependency));
		dependency->inherited = inherited;
		dependency->table = guard_catalog_table(index);
		dependency->service = guard_rows_text(rows, DEPENDENCY_SERVICE);
		dependency->until_version = guard_rows_text(rows, DEPENDENCY_UNTIL);
		dependency->from_version = guard_rows_text(rows, DEPENDENCY_FROM);
		dependency->note = guard_rows_text(rows, DEPENDENCY_NOTE);
		dependency->registered_by = guard_rows_text(rows, DEPENDENCY_BY);
		dependency->registered_at = guard_rows_time(rows, DEPENDENCY_AT);
		evidence->dependencies = lappend(evidence->dependencies, dependency);
	}
}

static List *
read_deployments(List *deployments, const char *table)
{
	GuardRows  *rows = guard_rows_surely(guard_rows_of_table(table), table);

	while (guard_rows_next(rows))
	{
		Deployment *deployment = palloc(sizeof(Deployment));

		deployment->service = guard_rows_text(rows, DEPLOYMENT_SERVICE);
		deployment->version = guard_rows_text(rows, DEPLOYMENT_VERSION);
		deployment->at = guard_rows_time(rows, DEPLOYMENT_AT);
		deployments = lappend(deployments, deployment);
	}
	return deployments;
}

static int
by_time(const ListCell *a, const ListCell *b)
{
	TimestampTz ta = ((Deployment *) lfirst(a))->at;
	TimestampTz tb = ((Deployment *) lfirst(b))->at;

	return ta < tb ? -1 : ta > tb ? 1 : 0;
}

/*
 * Does a version come before another?  The backend remembers what SQL says: many
 * indexes may be needed until the same version.
 */
static GuardVersionOrder
compare(const char *version, const char *until)
{
	static HTAB *known = NULL;
	Compared	key = {0};
	Compared   *compared;
	GuardRows  *rows;
	bool		fits = strlen(version) + strlen(until) + 2 < sizeof(key.versions);

	/* versions come from application_name, of which anybody may have many */
	if (known != NULL && hash_get_num_entries(known) >= MAX_COMPARED)
	{
		hash_destroy(known);
		known = NULL;
	}
	if (known == NULL)
		known = guard_hash_make("guard versions", sizeof(key.versions), sizeof(Compared),
								TopMemoryContext);
	if (fits)
	{
		strcpy(key.versions, version);
		strcpy(key.versions + strlen(version) + 1, until);
		compared = hash_search(known, &key, HASH_FIND, NULL);
		if (compared != NULL)
			return compared->order;
	}
	rows = guard_query_server(guard_query_kept("SELECT guard.compare_versions($1, $2)"),
							  P_TEXT(version), P_TEXT(until));
	if (guard_rows_next(rows) && !guard_rows_null(rows, 1))
		key.order = guard_rows_int(rows, 1) < 0 ? GUARD_VERSION_OLDER : GUARD_VERSION_REACHED;
	guard_rows_end(rows);
	if (fits)
		*(Compared *) hash_search(known, &key, HASH_ENTER, NULL) = key;
	return key.order;
}

/*
 * What a service runs, and since when that is late enough a version.  Anything
 * older in between, or anything that cannot be compared, closes the door
 * again.
 */
static void
apply_deployments(GuardDependency *dependency, List *deployments)
{
	foreach_ptr(Deployment, deployment, deployments)
	{
		if (!guard_services_same(deployment->service, dependency->service))
			continue;
		dependency->deployed = deployment->version;
		dependency->deployed_at = deployment->at;
		dependency->order = dependency->until_version == NULL ?
			GUARD_VERSION_UNKNOWN :
			compare(deployment->version, dependency->until_version);
		if (dependency->order != GUARD_VERSION_REACHED)
			dependency->released_at = 0;
		else if (dependency->released_at == 0)
			dependency->released_at = deployment->at;
	}
}

/*
 * Is that a use by a version which the service should have left behind, later than
 * those known?
 */
static bool
is_later_old(const GuardDependency *dependency, const char *service,
			 const char *version, TimestampTz last)
{
	return version != NULL && version[0] != '\0' && last > dependency->old_last &&
		guard_services_same(service, dependency->service) &&
		compare(version, dependency->until_version) == GUARD_VERSION_OLDER;
}

/*
 * Is such a version still at work, on this index or its table, here or on the
 * server of a profile?  Whoever calls himself by its name elsewhere proves nothing.
 */
static void
find_old_version(GuardEvidence *evidence, GuardDependency *dependency)
{
	foreach_oid(each, guard_usage_relations(evidence->shape->table))
	{
		foreach_ptr(GuardCapturedService, captured, guard_capture_services(each, &evidence->unread))
		{
			if (captured->mine ||
				!is_later_old(dependency, captured->service, captured->version, captured->last))
				continue;
			dependency->old_version = captured->version;
			dependency->old_last = captured->last;
			dependency->old_count = captured->count;
			dependency->old_role = GetUserNameFromId(captured->userid, true);
			dependency->old_pid = captured->pid;
		}
	}
	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		foreach_ptr(GuardServiceUse, use, fact->profile != NULL ? fact->services : NIL)
		{
			if (!is_later_old(dependency, use->service, use->version, use->last))
				continue;
			dependency->old_version = use->version;
			dependency->old_last = use->last;
			dependency->old_count = use->count;
			dependency->old_role = NULL;
			dependency->old_pid = 0;
		}
	}
}

/*
 * Since when is a use of this service, under this version, none any more?  0
 * where the service was not released, or is not known to have been.
 */
static TimestampTz
released_since(const GuardEvidence *evidence, const GuardServiceUse *use)
{
	TimestampTz since = 0;

	foreach_ptr(const GuardDependency, dependency, evidence->dependencies)
	{
		TimestampTz at;

		if (!guard_services_same(dependency->service, use->service))
			continue;
		if (dependency->released_at == 0)
			return 0;
		at = use->version != NULL &&
			compare(use->version,
					dependency->until_version) == GUARD_VERSION_OLDER ?
			dependency->deployed_at : dependency->released_at;
		since = since == 0 ? at : Min(since, at);
	}
	return since;
}

/*
 * Of a use, mark what deployments put an end to.  Where that is a part of it
 * only, the rest is what there is to be told of, and nothing is known of its
 * pauses.
 */
static void
mark_released(const GuardEvidence *evidence, GuardFact *fact)
{
	List	   *left = NIL;
	int64		all = 0;
	int64		count = 0;
	TimestampTz last = 0;

	foreach_ptr(GuardServiceUse, use, fact->services)
	{
		all += use->count;
		use->released_at = released_since(evidence, use);
		if (use->released_at != 0 && use->last < use->released_at)
			continue;
		left = lappend(left, use);
		count += use->count;
		last = Max(last, use->last);
	}
	if (!fact->services_known || left == NIL ||
		list_length(left) == list_length(fact->services))
		return;
	fact->who = guard_services_name(left, fact->node);
	fact->rate *= (double) count / all;
	fact->count = count;
	fact->last = last;
	fact->pause = -1;
}

/*
 * Not to know who needs an index is not to be able to judge.
 */
void
guard_dependencies_collect(GuardEvidence *evidence)
{
	List	   *deployments;

	read_dependencies(evidence, "dependency", 0);
	if (evidence->server->profiles != NIL)
		read_dependencies(evidence, "profile_dependency", DEPENDENCY_SOURCE);
	if (evidence->dependencies == NIL)
		return;
	deployments = read_deployments(NIL, "deployment");
	if (evidence->server->profiles != NIL)
		deployments = read_deployments(deployments, "profile_deployment");
	list_sort(deployments, by_time);
	foreach_ptr(GuardDependency, dependency, evidence->dependencies)
	{
		apply_deployments(dependency, deployments);
		if (dependency->released_at != 0)
			find_old_version(evidence, dependency);
	}
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->seen == GUARD_SEEN_USED)
			mark_released(evidence, fact);
	}
}

/* ---- changing ---- */

/*
 * Write one row.  "by" NULL: this session registers it, now; then what is
 * there already is replaced, otherwise it stays.
 */
static void
add_row(Oid index, const char *service, const char *from_version,
		const char *until_version, const char *note, const char *by, TimestampTz at)
{
	pg_uuid_t  *object = guard_registration_object(index);

	if (by == NULL)
		guard_query_execute("DELETE FROM guard.dependency WHERE object = $1 AND service = $2",
							P_UUID(object), P_TEXT(service));
	guard_query_execute("INSERT INTO guard.dependency"
						" SELECT " REGISTRY_NAMES ", $2, COALESCE($5, session_user), COALESCE($6, clock_timestamp()), o.id, $3, $4, $7" REGISTRY_OF
						" AND NOT EXISTS (SELECT FROM guard.dependency d WHERE d.object = $1 AND d.service = $2)",
						P_UUID(object), P_TEXT(service), P_TEXT(until_version),
						P_TEXT(note), P_NAME(by), P_TIME(at), P_TEXT(from_version));
}

/*
 * This session says that a service needs an index.
 */
void
guard_dependencies_add(Oid index, const char *service,
					   const char *from_version, const char *until_version,
					   const char *note)
{
	add_row(index, service, from_version, until_version, note, NULL, 0);
}

/*
 * Returns false where there was none.
 */
bool
guard_dependencies_remove(Oid index, const char *service)
{
	return guard_query_execute("DELETE FROM guard.dependency WHERE object = $1 AND service = $2",
							   P_UUID(guard_registration_object(index)),
							   P_TEXT(service)) > 0;
}

/*
 * This version runs everywhere now.
 */
void
guard_dependencies_deploy(const char *service, const char *version)
{
	guard_query_execute("INSERT INTO guard.deployment VALUES ($1, $2, clock_timestamp(), session_user)",
						P_TEXT(service), P_TEXT(version));
}

/* ---- passing on ---- */

/*
 * The counterpart, for the heir of a partition's index, of the parent that a
 * dependency is registered for: the heir's ancestor on the same table.  The
 * heir itself where it has none.
 */
static Oid
heir_on_table(Oid heir, Oid table)
{
	if (!get_rel_relispartition(heir))
		return heir;
	foreach_oid(each, get_partition_ancestors(heir))
	{
		if (IndexGetRelation(each, true) == table)
			return each;
	}
	return heir;
}

void
guard_dependencies_move(const GuardEvidence *gone, Oid heir)
{
	if (get_rel_relkind(heir) == '\0')
		return;
	foreach_ptr(const GuardDependency, dependency, gone->dependencies)
	{
		Oid			to = heir;

		if (dependency->inherited && OidIsValid(dependency->table))
			to = heir_on_table(heir, dependency->table);
		add_row(to, dependency->service, dependency->from_version,
				dependency->until_version, dependency->note,
				dependency->registered_by, dependency->registered_at);
	}
}
