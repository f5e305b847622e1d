/*-------------------------------------------------------------------------
 *
 * sentence_needs.c
 *	  What statements need an index for, and what people said of it, in words:
 *	  which services need it, and why an approval does not help.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy/sentence.h"
#include "store/store.h"

/*
 * What would fail; the catalogs' word has no date.
 */
char *
guard_sentence_need(const GuardVerdict *verdict)
{
	const GuardNeed *need = verdict->need;
	char	   *clause = need->kind->sentence(verdict->evidence, need);

	if (need->use != NULL && need->use->profile != NULL)
		return psprintf("%s (%s)", clause, need->use->profile->words);
	return need->use == NULL || need->use->last == 0 ? clause :
		psprintf("%s, last %s ago", clause,
				 guard_text_span(verdict->evidence->as_of - need->use->last));
}

/*
 * Which other services need it, after the one that has been named.
 */
static char *
others_clause(const GuardVerdict *verdict)
{
	const GuardEvidence *evidence = verdict->evidence;
	List	   *uses = NIL;

	foreach_ptr(const GuardDependency, dependency, evidence->dependencies)
	{
		GuardServiceUse *use;

		if (strcmp(dependency->service, verdict->dependency->service) == 0 ||
			!guard_verdict_service_needs(dependency, evidence->as_of))
			continue;
		use = palloc0(sizeof(GuardServiceUse));
		use->service = dependency->service;
		uses = lappend(uses, use);
	}
	if (uses == NIL)
		return "";
	return psprintf(" (%s %s it, too)", guard_services_name(uses, NULL),
					list_length(uses) == 1 ? "needs" : "need");
}

/*
 * What a service needs, and how that is known to be so still.
 */
static char *
need_clause(const GuardDependency *dependency, TimestampTz now)
{
	const char *service = dependency->service;
	const char *until = dependency->until_version;

	if (until == NULL)
		return dependency->note == NULL ? psprintf("%s needs it", service) :
			psprintf("%s needs it: %s", service,
					 guard_sentence_one_line(dependency->note));
	if (dependency->released_at != 0)
		return psprintf("%s needs it until version %s, and version %s is still at work: %slast %s ago",
						service, until, dependency->old_version,
						dependency->old_pid == 0 ? "" :
						psprintf("role %s, process %d, ", dependency->old_role != NULL ?
								 dependency->old_role : "dropped", dependency->old_pid),
						guard_text_span(now - dependency->old_last));
	if (dependency->deployed == NULL)
		return psprintf("%s needs it until version %s, and no deployment of it was reported",
						service, until);
	if (dependency->order == GUARD_VERSION_UNKNOWN)
		return psprintf("%s needs it until version %s, and runs \"%s\", which cannot be compared with that",
						service, until, dependency->deployed);
	return psprintf("%s needs it until version %s, and runs %s", service, until,
					dependency->deployed);
}

char *
guard_sentence_dependency(const GuardVerdict *verdict)
{
	return psprintf("%s%s", need_clause(verdict->dependency,
										verdict->evidence->as_of),
					others_clause(verdict));
}

char *
guard_sentence_released(const GuardFact *use, TimestampTz now)
{
	TimestampTz released = 0;

	foreach_ptr(GuardServiceUse, each, use->services)
		released = Max(released, each->released_at);
	return psprintf("%s used it last %s ago, and was replaced by a version without need of it %s ago",
					use->who, guard_text_span(now - use->last),
					guard_text_span(now - released));
}

/*
 * What was seen of a version that should be gone.
 */
static void
append_old_version(StringInfo buf, const GuardDependency *dependency,
				   TimestampTz now)
{
	const char *sessions;

	appendStringInfo(buf, " Version %s was reported to run everywhere %s ago; version %s was seen " INT64_FORMAT " %s, last %s ago.",
					 dependency->deployed,
					 guard_text_span(now - dependency->deployed_at),
					 dependency->old_version, dependency->old_count,
					 dependency->old_count == 1 ? "time" : "times",
					 guard_text_span(now - dependency->old_last));
	sessions = guard_services_sessions(dependency->service,
									   dependency->old_version);
	if (sessions != NULL)
		appendStringInfo(buf, " Its sessions now: %s.", sessions);
}

void
guard_sentence_append_dependency(StringInfo buf,
								 const GuardDependency *dependency,
								 TimestampTz now, bool told)
{
	if (buf->len > 0)
		appendStringInfoChar(buf, ' ');
	if (!guard_verdict_service_needs(dependency, now))
	{
		appendStringInfo(buf, "Service %s needed it until version %s, and runs %s since %s.",
						 dependency->service, dependency->until_version,
						 dependency->deployed,
						 guard_sentence_moment(dependency->released_at));
		return;
	}
	if (told)
		appendStringInfo(buf, "Registered by %s", dependency->registered_by);
	else
		appendStringInfo(buf, "Service %s; registered by %s",
						 need_clause(dependency, now), dependency->registered_by);
	if (dependency->until_version != NULL && dependency->note != NULL)
		appendStringInfo(buf, ": %s", guard_sentence_one_line(dependency->note));
	appendStringInfoChar(buf, '.');
	if (dependency->released_at != 0)
		append_old_version(buf, dependency, now);
}

/*
 * Those of a partitioned index stay with it when an index of a partition goes.
 */
char *
guard_sentence_going(const GuardEvidence *evidence)
{
	StringInfoData buf;

	initStringInfo(&buf);
	foreach_ptr(const GuardDependency, dependency, evidence->dependencies)
	{
		if (!dependency->inherited)
			appendStringInfo(&buf, "%s%s", buf.len == 0 ? "" : ", ", dependency->service);
	}
	return buf.len == 0 ? NULL :
		psprintf("What was registered of it with guard.add_dependency() goes with it, and does not come back with an index of its name: %s.",
				 buf.data);
}

char *
guard_sentence_approval(const GuardApproval *approval)
{
	return psprintf("by %s at %s: %s", approval->approved_by,
					guard_sentence_moment(approval->approved_at),
					approval->reason);
}

void
guard_sentence_append_approval(StringInfo buf, const GuardVerdict *verdict)
{
	const GuardApproval *approval = &verdict->evidence->approval;
	TimestampTz now = verdict->evidence->as_of;

	if (approval->id == 0)
		return;
	appendStringInfo(buf, "%sThe approval by %s ", buf->len > 0 ? " " : "",
					 approval->approved_by);
	if (approval->valid_until <= now)
		appendStringInfo(buf, "expired %s ago.",
						 guard_text_span(now - approval->valid_until));
	else if (verdict->asked.approval_taken)
		appendStringInfoString(buf, "is being used up by another session.");
	else if (approval->own && guard_guc_two_person)
		appendStringInfoString(buf, "does not count, because the same login role drops the index (guard.two_person).");
	else
		appendStringInfoString(buf, "came later.");
}
