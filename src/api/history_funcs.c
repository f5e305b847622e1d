/*-------------------------------------------------------------------------
 *
 * history_funcs.c
 *	  guard.snapshot(): write down what happened, where no worker does.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/history/history.h"

PG_FUNCTION_INFO_V1(guard_sql_snapshot);

Datum
guard_sql_snapshot(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("guard.snapshot()");
	PG_RETURN_BOOL(guard_history_snapshot());
}
