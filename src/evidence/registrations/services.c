/*-------------------------------------------------------------------------
 *
 * services.c
 *	  Which services made a use, and who of them is there now.
 *
 * Capture keeps at most sixteen services for each index, versions kept apart,
 * and counts the uses of those that found no place.  So "nobody but these" is
 * something that capture can say, and often cannot.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "common/ip.h"
#include "utils/varlena.h"

#include "evidence/evidence.h"
#include "planner/capture/service.h"
#include "store/store.h"

/* So many names are proposed in place of one that nobody knows. */
#define NEAREST_NAMED	3

/* How many services a message names before it says "and N others". */
#define SERVICES_NAMED	3

/* The same for sessions. */
#define SESSIONS_NAMED	5

static int
by_count(const ListCell *a, const ListCell *b)
{
	int64		ca = ((GuardServiceUse *) lfirst(a))->count;
	int64		cb = ((GuardServiceUse *) lfirst(b))->count;

	return ca < cb ? 1 : ca > cb ? -1 : 0;
}

void
guard_services_collect(GuardFact *fact, Oid relation,
					   const GuardCapturedUse *use)
{
	int64		count = 0;

	foreach_ptr(GuardCapturedService, captured, guard_capture_services(relation, NULL))
	{
		GuardServiceUse *service;

		if (captured->kind != guard_capture_kind(use->fkey))
			continue;
		count += captured->count;
		if (captured->mine)
			continue;
		service = palloc0(sizeof(GuardServiceUse));
		service->service = captured->service;
		if (captured->version[0] != '\0')
			service->version = captured->version;
		service->role = captured->userid;
		service->first = captured->first;
		service->last = captured->last;
		service->count = captured->count;
		service->login = captured->login;
		service->transactions = captured->transactions;
		fact->services = lappend(fact->services, service);
	}
	list_sort(fact->services, by_count);
	fact->services_known = use->other_services == 0 &&
		fact->services != NIL && count >= use->count;
	fact->who = guard_services_name(fact->services, NULL);
}

char *
guard_services_of(Oid relation, uint64 fkey)
{
	GuardFact	fact = {0};
	GuardCapturedUse use = {.fkey = fkey};

	guard_services_collect(&fact, relation, &use);
	return fact.who;
}

char *
guard_services_name(List *uses, const char *node)
{
	const char *names[SERVICES_NAMED];
	List	   *others = NIL;
	int			nnames = 0;
	StringInfoData buf;

	foreach_ptr(GuardServiceUse, each, uses)
	{
		const char *service = each->service;
		bool		known = false;

		for (int i = 0; i < nnames && !known; i++)
			known = strcmp(names[i], service) == 0;
		if (known)
			continue;
		if (nnames < SERVICES_NAMED)
			names[nnames++] = service;
		else
			others = list_append_unique(others, makeString(pstrdup(service)));
	}
	if (nnames == 0 && node == NULL)
		return NULL;

	initStringInfo(&buf);
	if (nnames == 0)
		appendStringInfoString(&buf, "somebody");
	for (int i = 0; i < nnames; i++)
	{
		if (i > 0)
			appendStringInfoString(&buf, i == nnames - 1 && others == NIL ?
								   " and " : ", ");
		appendStringInfoString(&buf, names[i]);
	}
	if (others != NIL)
		appendStringInfo(&buf, " and %d %s", list_length(others),
						 list_length(others) == 1 ? "other" : "others");
	if (node != NULL)
		appendStringInfo(&buf, " on %s", node);
	return buf.data;
}

char *
guard_services_fold(const char *name)
{
	GuardService folded;

	guard_service_fold(name, "", &folded);
	return folded.service[0] != '\0' ? pstrdup(folded.service) : NULL;
}

bool
guard_services_same(const char *a, const char *b)
{
	char	   *folded_a;
	char	   *folded_b;

	if (strcmp(a, b) == 0)
		return true;
	folded_a = guard_services_fold(a);
	folded_b = guard_services_fold(b);
	return (folded_a && strcmp(folded_a, b) == 0) ||
		(folded_b && strcmp(a, folded_b) == 0) ||
		(folded_a && folded_b && strcmp(folded_a, folded_b) == 0);
}

/* ---- names that nobody knows ---- */

typedef struct Candidate
{
	const char *name;
	int			distance;		/* from the name that was given */
} Candidate;

static int
by_distance(const ListCell *a, const ListCell *b)
{
	const Candidate *ca = lfirst(a);
	const Candidate *cb = lfirst(b);

	return ca->distance != cb->distance ? ca->distance - cb->distance :
		strcmp(ca->name, cb->name);
}

/*
 * The services that capture has seen and, with "registered", those that
 * something is, or was, registered for: each once.
 */
static GuardRows *
known_services(bool registered)
{
	return guard_query_rows("SELECT DISTINCT service FROM ("
							"SELECT service FROM guard.service_uses() UNION ALL"
							" SELECT guard.service_of(coalesce(application_name, ''), usename::text) FROM pg_stat_activity"
							"  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' UNION ALL"
							" SELECT d.service FROM guard.home, guard.dependency d WHERE $1 UNION ALL"
							" SELECT a.facts ->> 'service' FROM guard.home, guard.audit_log a WHERE $1 AND a.command = 'add_dependency') s",
							P_BOOL(registered));
}

char *
guard_services_nearest(const char *service, bool registered)
{
	GuardRows  *rows;
	List	   *candidates = NIL;
	StringInfoData buf;

	if (!guard_capture_available())
		return NULL;
	rows = known_services(registered);
	while (guard_rows_next(rows))
	{
		Candidate  *candidate = palloc(sizeof(Candidate));

		candidate->name = guard_rows_text(rows, 1);
		if (guard_services_same(candidate->name, service))
		{
			guard_rows_end(rows);
			return NULL;
		}
		candidate->distance = varstr_levenshtein(candidate->name, strlen(candidate->name),
												 service, strlen(service),
												 1, 1, 1, true);
		candidates = lappend(candidates, candidate);
	}
	list_sort(candidates, by_distance);
	initStringInfo(&buf);
	foreach_ptr(Candidate, candidate, list_truncate(candidates, NEAREST_NAMED))
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", candidate->name);
	return buf.data;
}

/*
 * Where a session comes from, without the port; NULL for a socket of this
 * machine.
 */
static char *
client_address(const PgBackendStatus *status)
{
	char		host[NI_MAXHOST];

	if (status->st_clientaddr.addr.ss_family != AF_INET &&
		status->st_clientaddr.addr.ss_family != AF_INET6)
		return NULL;
	if (pg_getnameinfo_all(&status->st_clientaddr.addr,
						   status->st_clientaddr.salen, host, sizeof(host),
						   NULL, 0, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return NULL;
	return pstrdup(host);
}

/*
 * Does this session bear the name?
 */
static bool
bears_name(const PgBackendStatus *status, const char *service,
		   const char *version)
{
	GuardService folded;

	if (status->st_procpid == MyProcPid ||
		status->st_databaseid != MyDatabaseId)
		return false;
	guard_service_fold(status->st_appname, "", &folded);
	return strcmp(folded.service, service) == 0 &&
		strcmp(folded.version, version) == 0;
}

char *
guard_services_sessions(const char *service, const char *version)
{
	int			n = pgstat_fetch_stat_numbackends();
	int			found = 0;
	StringInfoData buf;

	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		return NULL;
	initStringInfo(&buf);
	for (int i = 1; i <= n; i++)
	{
		LocalPgBackendStatus *local = guard_compat_local_status(i);
		PgBackendStatus *status;
		char	   *address;

		if (local == NULL)
			continue;
		status = &local->backendStatus;
		if (!bears_name(status, service, version))
			continue;
		if (found++ >= SESSIONS_NAMED)
			continue;
		address = client_address(status);
		appendStringInfo(&buf, "%sprocess %d", found > 1 ? ", " : "",
						 status->st_procpid);
		if (address != NULL)
			appendStringInfo(&buf, " from %s", address);
	}
	if (found == 0)
		return NULL;
	if (found > SESSIONS_NAMED)
		appendStringInfo(&buf, " and %d more", found - SESSIONS_NAMED);
	return buf.data;
}
