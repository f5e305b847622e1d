/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Many rows in one statement.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/store.h"

#define FIRST_CAPACITY	64

struct GuardBatch
{
	int			ncolumns;
	Oid		   *types;
	int			nrows;
	int			capacity;
	Datum	  **values;			/* by column */
	bool	  **nulls;
};

/*
 * No rows yet.
 */
GuardBatch *
guard_batch_make(void)
{
	return palloc0(sizeof(GuardBatch));
}

/*
 * The first row says what columns there are.
 */
static void
set_columns(GuardBatch *batch, const GuardParam *params, int nparams)
{
	batch->ncolumns = nparams;
	batch->capacity = FIRST_CAPACITY;
	batch->types = palloc(nparams * sizeof(Oid));
	batch->values = palloc(nparams * sizeof(Datum *));
	batch->nulls = palloc(nparams * sizeof(bool *));
	for (int i = 0; i < nparams; i++)
	{
		batch->types[i] = params[i].type;
		batch->values[i] = palloc(batch->capacity * sizeof(Datum));
		batch->nulls[i] = palloc(batch->capacity * sizeof(bool));
	}
}

static void
grow(GuardBatch *batch)
{
	batch->capacity *= 2;
	for (int i = 0; i < batch->ncolumns; i++)
	{
		batch->values[i] = repalloc(batch->values[i],
									batch->capacity * sizeof(Datum));
		batch->nulls[i] = repalloc(batch->nulls[i],
								   batch->capacity * sizeof(bool));
	}
}

/*
 * One more row; see store.h.
 */
void
guard_batch_add_params(GuardBatch *batch, const GuardParam *params, int nparams)
{
	if (batch->ncolumns == 0)
		set_columns(batch, params, nparams);
	else if (batch->nrows == batch->capacity)
		grow(batch);
	Assert(nparams == batch->ncolumns);
	for (int i = 0; i < nparams; i++)
	{
		Assert(params[i].type == batch->types[i]);
		batch->values[i][batch->nrows] = params[i].value;
		batch->nulls[i][batch->nrows] = params[i].isnull;
	}
	batch->nrows++;
}

/*
 * Run a statement for all rows; see store.h.
 */
uint64
guard_batch_execute(const GuardBatch *batch, const char *sql)
{
	GuardParam *arrays = palloc((batch->ncolumns + 1) * sizeof(GuardParam));

	if (batch->nrows == 0)
		return 0;
	for (int i = 0; i < batch->ncolumns; i++)
		arrays[i] = guard_param_array(batch->types[i], batch->values[i],
									  batch->nulls[i], batch->nrows);
	return guard_query_execute_params(sql, arrays, batch->ncolumns);
}
