/*-------------------------------------------------------------------------
 *
 * visit_funcs.c
 *	  Asking for a visit from SQL.
 *
 * Not declared in the install script: visitors are sent for by those who have
 * something for them to do.  Tests declare it for themselves.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/visits.h"

PG_FUNCTION_INFO_V1(guard_sql_want_visit);

/*
 * Have a visitor come now, and stay that many seconds (0: just come).
 */
Datum
guard_sql_want_visit(PG_FUNCTION_ARGS)
{
	int32		seconds = PG_GETARG_INT32(0);
	TimestampTz now = GetCurrentTimestamp();

	if (seconds > 0)
		guard_visits_want_at(now, now + seconds * USECS_PER_SEC);
	else
		guard_visits_want();
	PG_RETURN_VOID();
}
