/*-------------------------------------------------------------------------
 *
 * visits.c
 *	  Asking the background worker to come to this database.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/visits.h"

bool
guard_visits_available(void)
{
	return false;
}

void
guard_visits_want(void)
{
}

void
guard_visits_want_at(TimestampTz at, TimestampTz until)
{
}
