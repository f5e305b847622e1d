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

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "review/review.h"

PG_FUNCTION_INFO_V1(guard_sql_review);

#define REVIEW_COLUMNS	8

static void
put_text(Datum *values, bool *nulls, int column, const char *str)
{
	nulls[column] = str == NULL;
	if (str != NULL)
		values[column] = CStringGetTextDatum(str);
}

/*
 * guard.review(ddl [, one_transaction]): one row per statement and target.
 */
Datum
guard_sql_review(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *script = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		one_transaction = PG_NARGS() > 1 && PG_GETARG_BOOL(1);
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, guard_review_script(script, one_transaction))
	{
		const GuardReviewRow *row = lfirst(lc);
		Datum		values[REVIEW_COLUMNS] = {0};
		bool		nulls[REVIEW_COLUMNS] = {0};

		values[0] = Int32GetDatum(row->statement);
		values[1] = Int32GetDatum(row->line);
		put_text(values, nulls, 2, row->command);
		put_text(values, nulls, 3, row->target);
		put_text(values, nulls, 4, row->verdict);
		put_text(values, nulls, 5, row->reason);
		put_text(values, nulls, 6, row->detail);
		put_text(values, nulls, 7, row->advice);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
