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

#include "funcapi.h"

#include "alerts/alerts.h"
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

/*
 * guard.pool_before(): the newest sample that is at least a second old.
 */
Datum
guard_sql_pool_before(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	GuardPoolSample *sample = palloc(sizeof(GuardPoolSample));

	InitMaterializedSRF(fcinfo, 0);
	if (!guard_alerts_sample(USECS_PER_SEC, sample))
		return (Datum) 0;
	for (int i = 0; i < sample->ncounts; i++)
		guard_api_row(rsinfo, P_TIME(sample->at),
					  P_TEXT(i == 0 ? NULL : sample->counts[i].service),
					  P_INT4(sample->counts[i].connections),
					  P_NULL_IF(!guard_api_may_see_texts(),
								P_INT4(guard_pool_busy(&sample->counts[i]))),
					  P_BOOL(sample->complete));
	return (Datum) 0;
}
