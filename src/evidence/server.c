/*-------------------------------------------------------------------------
 *
 * server.c
 *	  Since when does this server know what it knows, and who else reads?
 *
 * Counters lie quietly.  A crash loses them all and leaves
 * pg_stat_database.stats_reset NULL, as in a database never reset
 * (doc/internals/postgresql.md 2.3); what does change is the reset time of the
 * cluster-wide statistics.  Those can also be reset one by one, so the
 * earliest of them is the time before which nothing was counted, and the
 * database's own reset, if it is later, wins.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "storage/procarray.h"

#include "evidence/history/history.h"
#include "evidence/prediction.h"

/* guard.installation */
#define INSTALLATION_AT		1

/*
 * Since when the server's cumulative statistics are unbroken.  "cluster" is
 * since when those of the whole server are.  Three that began at the very same
 * moment were not reset by a person but "lost", or made with the server.
 */
TimestampTz
guard_server_counters_since(TimestampTz *cluster, bool *lost)
{
	TimestampTz archiver = pgstat_fetch_stat_archiver()->stat_reset_timestamp;
	TimestampTz bgwriter = pgstat_fetch_stat_bgwriter()->stat_reset_timestamp;
	TimestampTz wal = pgstat_fetch_stat_wal()->stat_reset_timestamp;
	PgStat_StatDBEntry *db = pgstat_fetch_stat_dbentry(MyDatabaseId);

	*cluster = Min(archiver, Min(bgwriter, wal));
	*lost = archiver == bgwriter && bgwriter == wal;
	return db != NULL ? Max(*cluster, db->stat_reset_timestamp) : *cluster;
}

/*
 * When the extension was installed here; 0: that cannot be read.
 */
TimestampTz
guard_server_installed_at(void)
{
	TimestampTz installed_at = 0;
	GuardRows  *rows = guard_rows_of_table("installation");

	while (rows != NULL && guard_rows_next(rows))
		installed_at = guard_rows_time(rows, INSTALLATION_AT);
	return installed_at;
}

/*
 * Capture does nothing in a database without guard, so it has watched this one
 * only since the extension was installed.
 */
TimestampTz
guard_server_capture_since(void)
{
	GuardCaptureStatus status;
	TimestampTz installed_at;

	guard_capture_status(&status);
	if (!status.available || status.since == 0)
		return 0;
	if (!guard_store_matches())
		return status.since;
	installed_at = guard_server_installed_at();
	return installed_at == 0 ? 0 : Max(status.since, installed_at);
}

/*
 * How many sessions are executing a statement now, this one apart.
 */
static int
busy_connections(void)
{
	int			busy = 0;

	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		const PgBackendStatus *status = guard_compat_backend_status(i);

		if (status != NULL && status->st_backendType == B_BACKEND &&
			(status->st_state == STATE_RUNNING ||
			 status->st_state == STATE_FASTPATH) &&
			status->st_procpid != MyProcPid)
			busy++;
	}
	return busy;
}

/* A setting of the server that not all versions have; 0 where there is none. */
static int
reserved(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value != NULL ? atoi(value) : 0;
}

/*
 * CONNECTION LIMIT of this database; -1: none.
 */
static int
database_limit(void)
{
	FormData_pg_database form;

	return guard_catalog_form(DATABASEOID, MyDatabaseId, &form) ? form.datconnlimit : -1;
}

/*
 * CONNECTION LIMIT of a role; -1: none, or it is not bound by any limit.
 */
static int
role_limit(Oid role, bool *superuser)
{
	FormData_pg_authid form;

	if (!guard_catalog_form(AUTHOID, role, &form))
		return -1;
	*superuser |= form.rolsuper;
	return form.rolconnlimit;
}

/*
 * No more than these are allowed, and so many of them are taken.
 */
static void
cap(int *limit, int *free, int64 allowed, int taken)
{
	*limit = Min(*limit, allowed);
	*free = Min(*free, allowed - taken);
}

/*
 * The login roles behind a use; NIL where not all of them are known.
 */
static List *
logins_of(const GuardFact *use)
{
	List	   *logins = NIL;

	if (use == NULL || !use->services_known)
		return NIL;
	foreach_ptr(GuardServiceUse, made, use->services)
	{
		if (!OidIsValid(made->login))
			return NIL;
		logins = list_append_unique_oid(logins, made->login);
	}
	return logins;
}

int
guard_server_limit(const GuardFact *use, int *free)
{
	List	   *logins = logins_of(use);
	bool		superuser = false;
	bool		bound = logins != NIL;
	int64		sum = 0;
	int			taken = 0;
	int			limit = MaxConnections;

	*free = limit - CountDBBackends(InvalidOid);
	foreach_oid(role, logins)
	{
		int			one = role_limit(role, &superuser);

		bound &= one >= 0;
		sum += one;
		taken += CountUserBackends(role);
	}
	if (superuser)
		return limit;
	cap(&limit, free, MaxConnections - reserved("superuser_reserved_connections") -
		reserved("reserved_connections"), MaxConnections - *free);
	if (database_limit() >= 0)
		cap(&limit, free, database_limit(), CountDBBackends(MyDatabaseId));
	if (bound)
		cap(&limit, free, sum, taken);
	return limit;
}

/*
 * What is known of the server as a whole, in the current memory context.
 */
GuardServer *
guard_server_read(void)
{
	GuardServer *server = palloc0(sizeof(GuardServer));
	GuardEpochs *epochs = guard_epochs_read();
	TimestampTz cluster;
	bool		lost;

	/*
	 * A server that was promoted counted before, but other traffic.  While it
	 * is a standby it speaks of its own.
	 */
	server->epochs = epochs;
	server->counters_since = epochs->counters != NULL && !RecoveryInProgress() ?
		epochs->counters->since : guard_server_counters_since(&cluster, &lost);
	server->capture_since = epochs->capture != NULL && !RecoveryInProgress() ?
		epochs->capture->since : guard_server_capture_since();
	server->busy_connections = busy_connections();
	server->cores = sysconf(_SC_NPROCESSORS_ONLN);
	guard_nodes_read(server);
	server->profiles = guard_profile_read();
	server->times = guard_times_create();
	return server;
}
