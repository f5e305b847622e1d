/*-------------------------------------------------------------------------
 *
 * review_funcs.c
 *	  SQL function guard.review.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "review/review.h"

PG_FUNCTION_INFO_V1(guard_sql_review);

/*
 * guard.review(ddl [, one_transaction]): one row per statement and target.
 */
Datum
guard_sql_review(PG_FUNCTION_ARGS)
{
	char	   *script = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		one_transaction = PG_NARGS() > 1 && PG_GETARG_BOOL(1);

	InitMaterializedSRF(fcinfo, 0);
	foreach_ptr(GuardReviewRow, row, guard_review_script(script, one_transaction))
		guard_api_row((ReturnSetInfo *) fcinfo->resultinfo,
					  P_INT4(row->statement), P_INT4(row->line),
					  P_TEXT(row->command), P_TEXT(row->target),
					  P_TEXT(row->verdict), P_TEXT(row->reason),
					  P_TEXT(row->detail), P_TEXT(row->advice));
	return (Datum) 0;
}
