/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  What other servers know of an index, as their profiles say.
 *
 * guard.place_profiles() has found out which index and table here each fact is
 * about, so they are read by OID, as history is; what has been made since it
 * last looked, it looks for when it is judged.  Where a profile knows an
 * index, that nobody uses it here tells nothing: migrations are tried where
 * there is no traffic.  Use here is use all the same, and of several profiles
 * each may object.
 *
 * What a profile says of a partition that is not here, it says of what that is a
 * partition of; so a partition that it does not know is what its parent is.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"

#include "evidence/evidence.h"
#include "evidence/prediction.h"
#include "planner/capture/capture.h"
#include "store/store.h"

/* guard.profile */
#define PROFILE_SOURCE		1
#define PROFILE_EXPORTED	2
#define PROFILE_IMPORTED	3
#define PROFILE_FREE		9
#define PROFILE_PREDECESSOR	10

/* guard.profile_relation */
#define RELATION_OID		2
#define RELATION_PAGES		6
#define RELATION_LAST_WRITE	11
#define RELATION_AIMED		12
#define RELATION_ATTACHED	13
#define RELATION_DETACHED	14

/* guard.profile_without */
#define PLAN_OF				2
#define PLAN_TAKEOVERS		12
#define PLAN_PROVES			13
#define PLAN_BESIDE			14

/* guard.profile_load */
#define LOAD_SOURCE			1
#define LOAD_OF				2

/* guard.profile_fact */
#define FACT_OF				2
#define FACT_BY_SERVICE		22
#define FACT_NAMES			25

/* by_service has so many for each service */
#define SERVICE_TEXTS		5

/* names has when the table's own was used, and so many for each view */
#define VIEW_TEXTS			4

/* An older profile tells nothing; where guard.min_evidence_age is longer, that. */
#define STALE_AFTER			(7 * USECS_PER_DAY)

/* A row of guard.profile_fact. */
typedef struct ProfileFact
{
	char	   *source;
	GuardFact	fact;
	bool		unread;			/* not all of its use could be recorded, or
								 * read, there */
} ProfileFact;

static const char *const observers[] = {
	[GUARD_SOURCE_CAPTURE] = "capture",
	[GUARD_SOURCE_COUNTERS] = "counters",
	[GUARD_SOURCE_HISTORY] = "history",
	[GUARD_SOURCE_COUNTED] = "counted history",
	[GUARD_SOURCE_INHERITED] = "inherited",
	[GUARD_SOURCE_WHATIF] = "what-if"
};

static const char *const seen_words[] = {
	[GUARD_SEEN_UNKNOWN] = "unknown",
	[GUARD_SEEN_NOT] = "not seen",
	[GUARD_SEEN_USED] = "used"
};

#define COLUMN(type, name, member) GUARD_COLUMN(ProfileFact, type, name, member)

static const GuardColumn columns[] = {
	COLUMN(TEXT, "source", source),
	COLUMN(UNREAD, "relation_oid", source),
	GUARD_COLUMN_OF_WORDS(ProfileFact, "observer", fact.source, observers),
	COLUMN(OID, "way", fact.way),
	GUARD_COLUMN_OF_WORDS(ProfileFact, "seen", fact.seen, seen_words),
	COLUMN(TIME, "since", fact.since),
	COLUMN(TIME, "first_use", fact.first),
	COLUMN(TIME, "last_use", fact.last),
	COLUMN(INT8, "uses", fact.count),
	COLUMN(FLOAT8, "rate", fact.rate),
	COLUMN(SPAN, "longest_pause", fact.pause),
	COLUMN(INT4, "statements", fact.statements),
	COLUMN(TEXT, "services", fact.who),
	COLUMN(INT8, "unobserved", fact.unobserved),
	COLUMN(TEXT, "gaps", fact.gaps),
	COLUMN(INT8, "known_uses", fact.known_uses),
	COLUMN(TIME, "known_first", fact.known_first),
	COLUMN(INT4, "days", fact.days),
	COLUMN(INT8, "foreign_key", fact.fkey),
	COLUMN(BOOL, "since_made", fact.since_made),
	COLUMN(TEXT, "note", fact.note),
	COLUMN(UNREAD, "by_service", source),
	COLUMN(BOOL, "services_known", fact.services_known),
	COLUMN(BOOL, "unread", unread),
	COLUMN(UNREAD, "names", source),
};

/*
 * All profiles, in the current memory context.
 */
List *
guard_profile_read(void)
{
	GuardRows  *rows = guard_rows_surely(guard_rows_of_table("profile"), "profile");
	TimestampTz now = GetCurrentTimestamp();
	List	   *profiles = NIL;

	while (guard_rows_next(rows))
	{
		GuardProfile *profile = palloc0(sizeof(GuardProfile));
		int64		age;

		profile->source = guard_rows_text(rows, PROFILE_SOURCE);
		profile->exported_at = guard_rows_time(rows, PROFILE_EXPORTED);
		profile->imported_at = guard_rows_time(rows, PROFILE_IMPORTED);
		profile->free_connections = (int) guard_rows_int_or(rows, PROFILE_FREE, -1);
		/* its clock may be ahead of ours */
		age = Max(now - Min(profile->exported_at, profile->imported_at), 0);
		profile->stale = !guard_rows_bool(rows, PROFILE_PREDECESSOR) &&
			age > Max(STALE_AFTER, (int64) guard_guc_min_evidence_age * USECS_PER_SEC);
		profile->words = psprintf("%s, %s ago", profile->source, guard_text_span(age));
		profiles = lappend(profiles, profile);
	}
	return profiles;
}

static GuardProfile *
find_profile(List *profiles, const char *source)
{
	foreach_ptr(GuardProfile, profile, profiles)
	{
		if (strcmp(profile->source, source) == 0)
			return profile;
	}
	return NULL;
}

bool
guard_profile_is_silent(const GuardEvidence *evidence, const GuardRows *rows, int column)
{
	GuardProfile *profile;

	if (column == 0)
		return false;
	profile = find_profile(evidence->server->profiles, guard_rows_text(rows, column));
	return profile == NULL || profile->stale;
}

/* ---- use ---- */

/*
 * Five texts each: service, version, first and last use, how often.
 */
List *
guard_profile_services(const GuardRows *rows, int column)
{
	List	   *texts = guard_rows_list(rows, column);
	List	   *services = NIL;

	for (int i = 0; i + SERVICE_TEXTS <= list_length(texts); i += SERVICE_TEXTS)
	{
		GuardServiceUse *use = palloc0(sizeof(GuardServiceUse));
		char	   *version = list_nth(texts, i + 1);

		use->service = list_nth(texts, i);
		use->version = *version != '\0' ? version : NULL;
		use->first = strtoll(list_nth(texts, i + 2), NULL, 10);
		use->last = strtoll(list_nth(texts, i + 3), NULL, 10);
		use->count = strtoll(list_nth(texts, i + 4), NULL, 10);
		services = lappend(services, use);
	}
	return services;
}

/*
 * By which names others came there, NULL where that is not known.  A view that was
 * not here when the fact was placed may have been made since; where there is none,
 * it is not known which it was.
 */
static GuardNames *
read_names(const GuardRows *rows)
{
	List	   *texts = guard_rows_list(rows, FACT_NAMES);
	GuardNames *names = palloc0(sizeof(GuardNames));
	int			n = 0;

	if (texts == NIL)
		return NULL;
	names->own = strtoll(linitial(texts), NULL, 10);
	for (int i = 1; i + VIEW_TEXTS <= list_length(texts); i += VIEW_TEXTS)
	{
		Oid			view = (Oid) strtoul(list_nth(texts, i), NULL, 10);
		Oid			nsp = get_namespace_oid(list_nth(texts, i + 1), true);
		TimestampTz last = strtoll(list_nth(texts, i + 3), NULL, 10);

		if (!OidIsValid(view) && OidIsValid(nsp))
			view = get_relname_relid(list_nth(texts, i + 2), nsp);
		if (OidIsValid(view) && n < GUARD_CAPTURE_VIEWS)
		{
			names->views[n] = view;
			names->by_view[n++] = last;
		}
		else
			names->more = Max(names->more, last);
	}
	return names;
}

static void
add_fact(GuardEvidence *evidence, ProfileFact *read, GuardProfile *profile,
		 List *services, bool of_table)
{
	GuardFact  *fact = &read->fact;

	if (profile->stale)
	{
		*fact = (GuardFact)
		{
			.source = fact->source, .pause = -1, .note = psprintf("too old, %s", profile->words)
		};
	}
	fact->profile = profile;
	fact->of_table = of_table;
	fact->services = services;
	guard_causes_fill(evidence, fact);
	evidence->unread |= read->unread;
	evidence->facts = lappend(evidence->facts, fact);
}

/*
 * What profiles say of one relation; false where none knows it.
 */
static bool
collect_of(GuardEvidence *evidence, Oid relation, bool of_table)
{
	GuardRows  *rows = guard_rows_surely(guard_rows_by_key("profile_fact", "profile_fact_relation_oid_idx",
														   FACT_OF, P_OID(relation)),
										 "profile_fact");
	List	   *stale = NIL;
	bool		found = false;

	while (guard_rows_next(rows))
	{
		ProfileFact *read = palloc0(sizeof(ProfileFact));
		GuardProfile *profile;

		guard_record_read(columns, lengthof(columns), rows, read);
		profile = find_profile(evidence->server->profiles, read->source);
		if (profile == NULL || list_member_ptr(stale, profile))
			continue;
		found = true;
		if (profile->stale)
			stale = lappend(stale, profile);
		read->fact.names = read_names(rows);
		if (!of_table)
			evidence->profiles = list_append_unique_ptr(evidence->profiles, profile);
		add_fact(evidence, read, profile, guard_profile_services(rows, FACT_BY_SERVICE), of_table);
	}
	return found;
}

/*
 * The same of the relation or, where it is a partition that none knows, of what
 * it is a partition of.
 */
static void
collect_known(GuardEvidence *evidence, Oid relation, bool of_table)
{
	List	   *lineage = evidence->departed != NULL ? list_make1_oid(relation) :
		guard_catalog_lineage(relation);

	foreach_oid(each, lineage)
	{
		if (collect_of(evidence, each, of_table))
			return;
	}
}

/*
 * An index that no profile knows may have been made since the import, or its
 * table.
 */
void
guard_profile_find(GuardEvidence *evidence)
{
	if (evidence->server->profiles == NIL)
		return;
	foreach_oid(index, guard_catalog_lineage(evidence->index))
	{
		GuardRows  *rows = guard_rows_surely(guard_rows_by_key("profile_fact", "profile_fact_relation_oid_idx",
															   FACT_OF, P_OID(index)),
											 "profile_fact");
		bool		known = guard_rows_next(rows);

		guard_rows_end(rows);
		if (known)
			return;
	}
	if (!guard_query_may_write("profile_fact"))
		return;
	foreach_oid(table, guard_catalog_lineage(evidence->shape->table))
		guard_query_execute("SELECT guard.place_profiles(NULL, $1)", P_OID(table));
}

/*
 * Partitions: the latest write, whether statements aim at it, and since when it
 * is one, or is none any more.
 */
static void
collect_aim(GuardEvidence *evidence)
{
	GuardRows  *rows = guard_rows_by_key("profile_relation", "profile_relation_relation_oid_idx",
										 RELATION_OID, P_OID(evidence->shape->table));

	while (rows != NULL && guard_rows_next(rows))
	{
		TimestampTz written = guard_rows_time(rows, RELATION_LAST_WRITE);
		TimestampTz attached = guard_rows_time(rows, RELATION_ATTACHED);
		TimestampTz detached = guard_rows_time(rows, RELATION_DETACHED);

		evidence->last_write = Max(evidence->last_write, written);
		evidence->aimed_at |= guard_rows_bool(rows, RELATION_AIMED);
		evidence->attached_at = Max(evidence->attached_at, attached);
		if (detached > evidence->move.at)
			evidence->move = (GuardMove)
		{
			.moved = true, .detached = true, .at = detached,
				.old_schema = evidence->shape->schema, .old_name = evidence->shape->table_name
		};
	}
}

/*
 * Do planners there rely on its uniqueness?
 */
static void
collect_proof(GuardEvidence *evidence)
{
	GuardRows  *rows = guard_rows_by_key("profile_without", "profile_without_index_oid_idx",
										 PLAN_OF, P_OID(evidence->index));

	while (rows != NULL && guard_rows_next(rows))
		evidence->proves |= guard_rows_bool(rows, PLAN_PROVES);
}

/*
 * What was seen here counts where it was use; that nothing was, or that nothing is
 * known, a profile knows better.
 */
void
guard_profile_collect(GuardEvidence *evidence)
{
	List	   *here = evidence->facts;

	if (evidence->server->profiles == NIL)
		return;
	evidence->facts = NIL;
	collect_known(evidence, evidence->index, false);
	if (evidence->asked.whole_table)
	{
		collect_known(evidence, evidence->shape->table, true);
		collect_aim(evidence);
	}
	if (evidence->profiles != NIL)
	{
		evidence->created_at = 0;
		collect_proof(evidence);
	}
	foreach_ptr(GuardFact, fact, here)
	{
		if (evidence->profiles == NIL || fact->seen == GUARD_SEEN_USED)
			evidence->facts = lappend(evidence->facts, fact);
	}
}

/* ---- plans ---- */

#define PLANS(type, name, member) GUARD_COLUMN(GuardPlans, type, name, member)

/* guard.profile_without, but for the last three */
static const GuardColumn plan_columns[] = {
	{"source", GUARD_COLUMN_UNREAD, 0, NULL, 0},
	{"index_oid", GUARD_COLUMN_UNREAD, 0, NULL, 0},
	PLANS(INT4, "statements", statements),
	PLANS(INT4, "planned", planned),
	PLANS(BOOL, "complete", complete),
	PLANS(FLOAT8, "worst_ratio", worst_ratio),
	PLANS(FLOAT8, "worst_extra", worst_extra),
	PLANS(FLOAT8, "found_ratio", found_ratio),
	PLANS(FLOAT8, "found_extra", found_extra),
	PLANS(FLOAT8, "added_load", added_load),
	PLANS(BOOL, "slower", slower),
};

/*
 * Plans there say something of here only where all indexes that they would take
 * are here, and stay.
 */
static bool
take_over(GuardEvidence *evidence, List *takeovers)
{
	foreach_oid(index, takeovers)
	{
		GuardReplacement *candidate = palloc0(sizeof(GuardReplacement));

		if (!OidIsValid(index) || index == evidence->index ||
			guard_fellows_have(evidence->fellows, index) ||
			!guard_replacement_by_plan(evidence->shape, index, candidate))
			return false;
		evidence->plans.takeovers = lappend(evidence->plans.takeovers, candidate);
	}
	return true;
}

/*
 * Has the table the usable indexes that it had there?  With others a statement may
 * be planned otherwise.
 */
static bool
same_indexes(const GuardEvidence *evidence, List *there)
{
	int			n = 0;

	foreach_oid(index, guard_catalog_indexes(evidence->shape->table))
	{
		if (!guard_catalog_is_valid(index))
			continue;
		if (!list_member_oid(there, index))
			return false;
		n++;
	}
	return n == list_length(there);
}

/*
 * What the planners of other servers would do without the index, beside ours.
 */
void
guard_profile_plans(GuardEvidence *evidence)
{
	GuardPlans *plans = &evidence->plans;
	bool		any = plans->statements > 0;
	GuardRows  *rows;

	if (evidence->profiles == NIL)
		return;
	rows = guard_rows_surely(guard_rows_by_key("profile_without", "profile_without_index_oid_idx",
											   PLAN_OF, P_OID(evidence->index)), "profile_without");
	while (guard_rows_next(rows))
	{
		GuardPlans	there = {0};

		if (guard_profile_is_silent(evidence, rows, 1))
			continue;
		guard_record_read(plan_columns, lengthof(plan_columns), rows, &there);
		if (!same_indexes(evidence, guard_rows_list(rows, PLAN_BESIDE)))
			there.planned = there.found_ratio = there.found_extra = 0;
		plans->statements += there.statements;
		plans->planned += take_over(evidence, guard_rows_list(rows, PLAN_TAKEOVERS)) ? there.planned : 0;
		plans->complete = there.complete && (plans->complete || !any);
		plans->worst_ratio = Max(plans->worst_ratio, there.worst_ratio);
		plans->worst_extra = Max(plans->worst_extra, there.worst_extra);
		plans->found_ratio = Max(plans->found_ratio, there.found_ratio);
		plans->found_extra = Max(plans->found_extra, there.found_extra);
		plans->added_load += there.added_load;
		plans->slower |= there.slower;
		any = true;
	}
}

/* ---- load ---- */

#define LOAD(type, name, member) GUARD_COLUMN(GuardLoad, type, name, member)

static const GuardColumn load_columns[] = {
	{"source", GUARD_COLUMN_UNREAD, 0, NULL, 0},
	{"index_oid", GUARD_COLUMN_UNREAD, 0, NULL, 0},
	LOAD(INT4, "statements", statements),
	LOAD(INT4, "known", known),
	LOAD(INT4, "open", open),
	LOAD(FLOAT8, "calls", calls),
	LOAD(FLOAT8, "mean_now", now),
	LOAD(FLOAT8, "mean_expected", expected),
	LOAD(FLOAT8, "busy_now", busy_now),
	LOAD(FLOAT8, "busy_low", busy_low),
	LOAD(FLOAT8, "busy_expected", busy_expected),
	LOAD(FLOAT8, "busy_high", busy_high),
	LOAD(INT4, "cores", cores),
	LOAD(INT4, "pool", pool),
	LOAD(INT4, "busy", busy),
};

/*
 * As it was estimated there: of several profiles, and of partitions, the worst.
 */
bool
guard_profile_load(const GuardEvidence *evidence, List *members, GuardLoad *load)
{
	load->known = 0;
	foreach_oid(member, members)
	{
		GuardRows  *rows = guard_rows_by_key("profile_load", "profile_load_index_oid_idx",
											 LOAD_OF, P_OID(member));

		while (rows != NULL && guard_rows_next(rows))
		{
			GuardLoad	there = {0};

			if (guard_profile_is_silent(evidence, rows, LOAD_SOURCE))
				continue;
			guard_record_read(load_columns, lengthof(load_columns), rows, &there);
			there.profile = find_profile(evidence->server->profiles,
										 guard_rows_text(rows, LOAD_SOURCE));
			if (load->known == 0 || there.busy_expected > load->busy_expected)
				*load = there;
		}
	}
	return load->known > 0;
}

/* ---- size ---- */

/*
 * How large is the table on the server where it is largest, this one, in *blocks,
 * among them?
 */
bool
guard_profile_size(Oid table, BlockNumber *blocks)
{
	bool		found = false;
	int64		most = *blocks;

	foreach_oid(each, guard_catalog_lineage(table))
	{
		GuardRows  *rows = guard_rows_by_key("profile_relation", "profile_relation_relation_oid_idx",
											 RELATION_OID, P_OID(each));

		while (rows != NULL && guard_rows_next(rows))
		{
			most = Max(most, guard_rows_int(rows, RELATION_PAGES));
			found = true;
		}
		if (found)
			break;
	}
	if (found)
		*blocks = (BlockNumber) Min(most, (int64) MaxBlockNumber);
	return found;
}

/* ---- what becomes of it here ---- */

/*
 * The index of a profile is another one now.
 */
void
guard_profile_rebuilt(Oid old, Oid successor)
{
	if (guard_profile_read() != NIL)
		guard_query_execute("SELECT guard.profile_rebuilt($1, $2)", P_OID(old), P_OID(successor));
}

static void
note_emptied(void *arg)
{
	guard_query_execute("UPDATE guard.profile_relation SET pages = 0, tuples = 0, all_visible = 0"
						" WHERE relation_oid = $1", P_OID(*(Oid *) arg));
}

void
guard_profile_emptied(Oid table)
{
	if (guard_store_matches() && guard_profile_read() != NIL)
		(void) guard_store_must("note that a table was emptied", note_emptied, &table);
}
