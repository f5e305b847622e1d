/*-------------------------------------------------------------------------
 *
 * store.c
 *	  guard's own tables, and the one way to run guard's own SQL.
 *
 * Every hook asks first whether guard is installed in this database, some of
 * them once per statement, so the answer is cached.  pg_extension has no
 * system cache whose invalidation could be listened to (before 19), but the
 * extension cannot come or go without its event triggers, and pg_event_trigger
 * has one: a change there in any session drops the cached answer.
 *
 * A schema called guard proves nothing, since any role with CREATE on the
 * database could have made it: only what is a member of the extension counts
 * (doc/internals/postgresql.md 10.4).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "storage/proc.h"
#include "utils/inval.h"

#include "store/store.h"
#include "store/visits.h"

/* The source of guard.sql_id() in the SQL that belongs to this library. */
#define SQL_ID_SOURCE	"SELECT '" GUARD_SQL_ID "'::pg_catalog.text"

/*
 * How long book-keeping waits for a lock that somebody holds on our tables, in
 * milliseconds.  Meanwhile the user's statement holds locks of its own.
 */
#define MAX_LOCK_WAIT	100

bool		guard_store_known = false;
Oid			guard_store_schema = InvalidOid;

static bool cache_valid = false;
static GuardPresence cached = {0};
static bool known_absent = false;

/* Tables that have been seen to be the extension's, until the cache is renewed. */
#define MOST_TABLES		32
static Oid	members[MOST_TABLES];
static int	nmembers = 0;

/*
 * An event trigger has come or gone, or all may have (0), which others have
 * seen for themselves.
 */
static void
forget_cached(Datum arg, int cacheid, uint32 hashvalue)
{
	guard_store_forget();
	if (hashvalue != 0)
		guard_presence_changed();
}

void
guard_store_forget(void)
{
	cache_valid = false;
	guard_store_known = false;
}

/*
 * ALTER EXTENSION guard UPDATE replaces the function, or makes it.
 */
static void
forget_match(Datum arg, int cacheid, uint32 hashvalue)
{
	if (cached.match && hashvalue != 0 && hashvalue != cached.match_hash)
		return;
	guard_store_forget();
	if (hashvalue != 0 && !known_absent)
		guard_presence_changed();
}

void
guard_store_init(void)
{
	CacheRegisterSyscacheCallback(EVENTTRIGGEROID, forget_cached, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_match, (Datum) 0);
}

/*
 * Does guard.sql_id() say what this library was built with?  Its text is
 * compared; nothing is run.
 */
static void
look_up_match(GuardPresence *found)
{
	oidvector  *no_arguments = buildoidvector(NULL, 0);
	HeapTuple	tuple = SearchSysCache3(PROCNAMEARGSNSP,
										CStringGetDatum("sql_id"),
										PointerGetDatum(no_arguments),
										ObjectIdGetDatum(found->schema));
	Oid			function;
	bool		isnull;
	char	   *source;

	pfree(no_arguments);
	if (!HeapTupleIsValid(tuple))
		return;
	function = ((Form_pg_proc) GETSTRUCT(tuple))->oid;
	source = TextDatumGetCString(SysCacheGetAttr(PROCNAMEARGSNSP, tuple,
												 Anum_pg_proc_prosrc, &isnull));
	ReleaseSysCache(tuple);
	found->match_hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function));
	found->match = strcmp(source, SQL_ID_SOURCE) == 0 &&
		getExtensionOfObject(ProcedureRelationId, function) == found->extension;
	pfree(source);
}

/*
 * Read OID and owner of the extension from pg_extension.
 */
static void
look_up(GuardPresence *found)
{
	GuardRows  *rows = guard_rows_of_catalog(ExtensionRelationId, ExtensionNameIndexId,
											 P_NAME("guard"));

	while (guard_rows_next(rows))
	{
		found->extension = guard_rows_oid(rows, Anum_pg_extension_oid);
		found->owner = guard_rows_oid(rows, Anum_pg_extension_extowner);
		found->schema = get_namespace_oid("guard", true);
		look_up_match(found);
	}
}

/*
 * See whether guard is here, as others have found or by ourselves.
 */
static void
load_cached(void)
{
	GuardPresence found = {.database = MyDatabaseId};
	uint64		number;

	/* Set first: an invalidation that arrives meanwhile must not be lost. */
	cache_valid = true;
	nmembers = 0;
	cached.extension = cached.owner = InvalidOid;
	if (!guard_presence_read(&found, &number))
	{
		look_up(&found);
		guard_presence_tell(&found, number);
	}
	known_absent = !OidIsValid(found.extension);
	cached = found;
	if (known_absent)
		return;
	guard_store_schema = found.schema;
	guard_visits_note_present();
}

Oid
guard_store_extension(void)
{
	if (!cache_valid)
		load_cached();
	return cached.extension;
}

Oid
guard_store_owner(void)
{
	if (!OidIsValid(guard_store_extension()))
		elog(ERROR, "extension guard is not installed");
	return cached.owner;
}

bool
guard_store_matches(void)
{
	return OidIsValid(guard_store_extension()) && cached.match;
}

const char *
guard_store_mismatch(void)
{
	return guard_store_matches() ? NULL :
		"guard's library and its SQL in this database are of different versions: its tables are neither read nor written";
}

void
guard_store_tell_mismatch(void)
{
	static bool told = false;

	if (likely(guard_store_matches()) || told)
		return;
	told = true;
	ereport(LOG_SERVER_ONLY,
			(errmsg_internal("%s", guard_store_mismatch()),
			 errdetail("Drops are judged with what is known without them, and recorded in the server log alone."),
			 errhint("Run ALTER EXTENSION guard UPDATE in database \"%s\", or restart the server with the library that belongs to the SQL.",
					 get_database_name(MyDatabaseId)),
			 errhidestmt(true), errhidecontext(true)));
}

bool
guard_store_present(void)
{
	if (IsBinaryUpgrade || !IsTransactionState() || !OidIsValid(MyDatabaseId))
		return false;
	if (!OidIsValid(guard_store_extension()))
		return false;

	/* While our own script runs, our tables are not all there. */
	if (creating_extension && CurrentExtensionObject == cached.extension)
		return false;
	/* Not if it was called in question while it was read. */
	guard_store_known = cache_valid;
	return true;
}

Oid
guard_store_table(const char *name)
{
	Oid			nsp = get_namespace_oid("guard", true);
	Oid			relid;

	if (!OidIsValid(nsp) || !OidIsValid(guard_store_extension()))
		return InvalidOid;
	relid = get_relname_relid(name, nsp);
	for (int i = 0; i < nmembers; i++)
	{
		if (members[i] == relid)
			return relid;
	}
	if (OidIsValid(relid) &&
		getExtensionOfObject(RelationRelationId, relid) != cached.extension)
		return InvalidOid;
	if (OidIsValid(relid) && nmembers < MOST_TABLES)
		members[nmembers++] = relid;
	return relid;
}

/*
 * Until the level of settings ends.
 */
static void
limit_lock_waits(void)
{
	char		limit[16];

	if (LockTimeout > 0 && LockTimeout <= MAX_LOCK_WAIT)
		return;
	snprintf(limit, sizeof(limit), "%d", MAX_LOCK_WAIT);
	(void) set_config_option("lock_timeout", limit, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* A piece of book-keeping, in words and as a function. */
typedef struct Entry
{
	const char *what;
	guard_work	work;
	void	   *arg;
} Entry;

/*
 * In a transaction that may not write it is the user's statements that may not:
 * what guard has to remember of them is another matter.
 */
static void
do_limited(void *arg)
{
	Entry	   *entry = arg;
	bool		read_only = XactReadOnly;

	limit_lock_waits();
	XactReadOnly = RecoveryInProgress();
	PG_TRY();
	{
		entry->work(entry->arg);
	}
	PG_FINALLY();
	{
		XactReadOnly = read_only;
	}
	PG_END_TRY();
}

/*
 * Leave a line in the server log.  Where that takes more memory than there is,
 * there is none.
 */
static void
log_failure(const char *what, const GuardFailure *failure)
{
	MemoryContext old = CurrentMemoryContext;

	/* told once, by guard_store_tell_mismatch() */
	if (failure->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE &&
		!guard_store_matches())
		return;
	PG_TRY();
	{
		ereport(LOG_SERVER_ONLY,
				(errcode(failure->sqlerrcode),
				 errmsg("guard could not %s: %s", what, failure->message),
				 errhidestmt(true), errhidecontext(true)));
	}
	PG_CATCH();
	{
		FlushErrorState();
		MemoryContextSwitchTo(old);
	}
	PG_END_TRY();
}

bool
guard_store_try(const char *what, guard_work work, void *arg)
{
	Entry		entry = {what, work, arg};
	GuardFailure failure;

	if (guard_work_run(do_limited, &entry, GUARD_WORK_STAYS, &failure))
		return true;
	log_failure(what, &failure);
	return false;
}

static void
tell_what(void *arg)
{
	errcontext("guard was about to %s", ((Entry *) arg)->what);
}

bool
guard_store_must(const char *what, guard_work work, void *arg)
{
	Entry		entry = {what, work, arg};
	ErrorContextCallback callback = {error_context_stack, tell_what, &entry};
	int			level;

	if (guard_guc_mode != GUARD_MODE_ENFORCE)
		return guard_store_try(what, work, arg);
	level = NewGUCNestLevel();
	error_context_stack = &callback;
	do_limited(&entry);
	error_context_stack = callback.previous;
	AtEOXact_GUC(true, level);
	return true;
}
