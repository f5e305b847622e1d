/*-------------------------------------------------------------------------
 *
 * alert_funcs.c
 *	  SQL functions for alerts and the pool: guard.test_alert, and what the
 *	  view guard.pool_health is made of.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "alerts/memory.h"
#include "api/api.h"
#include "planner/capture/service.h"

PG_FUNCTION_INFO_V1(guard_sql_test_alert);
PG_FUNCTION_INFO_V1(guard_sql_service_of);
PG_FUNCTION_INFO_V1(guard_sql_pool_before);

/*
 * guard.test_alert(): does an alert arrive where it should?
 */
Datum
guard_sql_test_alert(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("guard.test_alert()");
	PreventCommandDuringRecovery("guard.test_alert()");
	PG_RETURN_BOOL(guard_alert_raise(GUARD_ALERT_TEST, NULL,
									 psprintf("%s wants to see whether alerts arrive",
											  GetUserNameFromId(GetSessionUserId(), false)),
									 NULL));
}

/*
 * guard.service_of(application_name, role): the service, without its version.
 */
Datum
guard_sql_service_of(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *role = text_to_cstring(PG_GETARG_TEXT_PP(1));
	GuardService service;

	guard_service_fold(name, role, &service);
	PG_RETURN_TEXT_P(cstring_to_text(service.service));
}

static void
put_before(ReturnSetInfo *rsinfo, const GuardPoolSample *sample,
		   const GuardPoolCount *count, bool all)
{
	Datum		values[5];
	bool		nulls[5] = {0};

	values[0] = TimestampTzGetDatum(sample->at);
	nulls[1] = all;
	values[1] = CStringGetTextDatum(count->service);
	values[2] = Int32GetDatum(count->connections);
	nulls[3] = !guard_api_may_see_texts();
	values[3] = Int32GetDatum(guard_pool_busy(count));
	values[4] = BoolGetDatum(sample->complete);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * guard.pool_before(): the newest sample that is at least a second old.
 */
Datum
guard_sql_pool_before(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	GuardPoolSample *sample = palloc(sizeof(GuardPoolSample));

	InitMaterializedSRF(fcinfo, 0);
	if (guard_alerts_sample(USECS_PER_SEC, sample))
	{
		for (int i = 0; i < sample->ncounts; i++)
			put_before(rsinfo, sample, &sample->counts[i], i == 0);
	}
	return (Datum) 0;
}
