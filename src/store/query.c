/*-------------------------------------------------------------------------
 *
 * query.c
 *	  The one way to run SQL of guard's own.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/store.h"

/*
 * Plans that are kept, by the address of their texts.  There are as many as
 * there are calls of guard_query_kept(), so a list will do.
 */
typedef struct KeptPlan
{
	const char *sql;
	SPIPlanPtr	plan;			/* NULL: not made yet */
	struct KeptPlan *next;
} KeptPlan;

static KeptPlan *kept_plans = NULL;

static KeptPlan *
find_kept(const char *sql)
{
	KeptPlan   *kept = kept_plans;

	while (kept != NULL && kept->sql != sql)
		kept = kept->next;
	return kept;
}

/*
 * Have the plan of a text kept; returns the text.
 */
const char *
guard_query_kept(const char *sql)
{
	if (find_kept(sql) == NULL)
	{
		KeptPlan   *kept = MemoryContextAllocZero(TopMemoryContext,
												  sizeof(KeptPlan));

		kept->sql = sql;
		kept->next = kept_plans;
		kept_plans = kept;
	}
	return sql;
}

/*
 * Run it, in a connection to SPI.
 */
static int
execute(const char *sql, const GuardParam *params, int nparams)
{
	Oid		   *types = palloc((nparams + 1) * sizeof(Oid));
	Datum	   *values = palloc((nparams + 1) * sizeof(Datum));
	char	   *nulls = palloc(nparams + 1);
	KeptPlan   *kept = find_kept(sql);

	for (int i = 0; i < nparams; i++)
	{
		types[i] = params[i].type;
		values[i] = params[i].value;
		nulls[i] = params[i].isnull ? 'n' : ' ';
	}
	if (kept == NULL)
		return SPI_execute_with_args(sql, nparams, types, values, nulls, false, 0);
	if (kept->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(sql, nparams, types);

		if (plan == NULL)
			return SPI_result;
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "SPI_keepplan failed");
		kept->plan = plan;
	}
	return SPI_execute_plan(kept->plan, values, nulls, false, 0);
}

/*
 * Run it as the owner of the extension, with a pinned search_path, whatever it
 * is about.  The rows that it gives are left to the current memory context.
 */
GuardRows *
guard_query_server_params(const char *sql, const GuardParam *params,
						  int nparams)
{
	MemoryContext context = CurrentMemoryContext;
	GuardRows  *rows = palloc0(sizeof(GuardRows));
	Oid			save_userid;
	int			save_sec_context;
	int			save_nestlevel;
	int			rc;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(guard_store_owner(),
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	save_nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	/* guard_review hears what a script's own code reads, and not ours */
	if (guard_guc_review && GetConfigOption("auto_explain.log_min_duration", true, false) != NULL)
		(void) set_config_option("auto_explain.log_min_duration", "-1",
								 PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = execute(sql, params, nparams);
	if (rc < 0)
		elog(ERROR, "SPI could not execute a query: %s",
			 SPI_result_code_string(rc));
	rows->count = SPI_processed;
	if (SPI_tuptable != NULL)
	{
		/*
		 * Not copied, but moved: SPI frees what its own context holds, and
		 * keeps no other track of it once it has finished.
		 */
		rows->found = SPI_tuptable;
		rows->desc = SPI_tuptable->tupdesc;
		MemoryContextSetParent(SPI_tuptable->tuptabcxt, context);
	}
	SPI_finish();

	AtEOXact_GUC(true, save_nestlevel);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	return rows;
}

/*
 * Is this the database that guard's rows speak of?  If it is not, it is made so
 * where one may write.
 */
static bool
come_home(void)
{
	return likely(guard_identity_is_home()) ||
		(!XactReadOnly && !RecoveryInProgress() && guard_identity_settle());
}

/*
 * May a table be written without waiting for it?  See store.h.
 */
bool
guard_query_may_write(const char *table)
{
	Oid			relation = guard_store_table(table);

	return OidIsValid(relation) && !XactReadOnly && !RecoveryInProgress() &&
		ConditionalLockRelationOid(relation, RowExclusiveLock);
}

/*
 * Change guard's tables; see store.h.
 */
uint64
guard_query_execute_params(const char *sql, const GuardParam *params,
						   int nparams)
{
	GuardRows  *rows;
	uint64		count;

	if (!guard_store_matches())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("%s", guard_store_mismatch()),
				 errhint("Run ALTER EXTENSION guard UPDATE.")));
	(void) come_home();
	rows = guard_query_server_params(sql, params, nparams);
	count = rows->count;
	guard_rows_end(rows);
	return count;
}

/*
 * Read guard's tables; see store.h.
 */
GuardRows *
guard_query_rows_params(const char *sql, const GuardParam *params, int nparams)
{
	return guard_store_matches() && come_home() ? guard_query_server_params(sql, params, nparams) :
		palloc0(sizeof(GuardRows));
}

/*
 * One integer of guard's tables; see store.h.
 */
int64
guard_query_int_params(const char *sql, const GuardParam *params, int nparams)
{
	GuardRows  *rows = guard_query_rows_params(sql, params, nparams);
	int64		value = guard_rows_next(rows) ? guard_rows_int(rows, 1) : 0;

	guard_rows_end(rows);
	return value;
}
