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

#include "utils/array.h"
#include "utils/lsyscache.h"

#include "store/batch.h"
#include "store/store.h"

#define FIRST_CAPACITY	64

struct GuardBatch
{
	int			ncolumns;
	const Oid  *types;
	int			nrows;
	int			capacity;
	Datum	  **values;			/* by column */
	bool	  **nulls;
};

GuardBatch *
guard_batch_make(int ncolumns, const Oid *types)
{
	GuardBatch *batch = palloc0(sizeof(GuardBatch));

	batch->ncolumns = ncolumns;
	batch->types = types;
	batch->capacity = FIRST_CAPACITY;
	batch->values = palloc(ncolumns * sizeof(Datum *));
	batch->nulls = palloc(ncolumns * sizeof(bool *));
	for (int i = 0; i < ncolumns; i++)
	{
		batch->values[i] = palloc(batch->capacity * sizeof(Datum));
		batch->nulls[i] = palloc(batch->capacity * sizeof(bool));
	}
	return batch;
}

void
guard_batch_add(GuardBatch *batch, const Datum *values, const bool *nulls)
{
	if (batch->nrows == batch->capacity)
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
	for (int i = 0; i < batch->ncolumns; i++)
	{
		batch->values[i][batch->nrows] = values[i];
		batch->nulls[i][batch->nrows] = nulls[i];
	}
	batch->nrows++;
}

int
guard_batch_rows(const GuardBatch *batch)
{
	return batch->nrows;
}

uint64
guard_batch_execute(const GuardBatch *batch, const char *sql)
{
	Oid		   *types = palloc(batch->ncolumns * sizeof(Oid));
	Datum	   *arrays = palloc(batch->ncolumns * sizeof(Datum));
	int			lower = 1;

	if (batch->nrows == 0)
		return 0;
	for (int i = 0; i < batch->ncolumns; i++)
	{
		int			nrows = batch->nrows;
		int16		typlen;
		bool		typbyval;
		char		typalign;

		get_typlenbyvalalign(batch->types[i], &typlen, &typbyval, &typalign);
		types[i] = get_array_type(batch->types[i]);
		arrays[i] = PointerGetDatum(construct_md_array(batch->values[i],
													   batch->nulls[i], 1,
													   &nrows, &lower,
													   batch->types[i], typlen,
													   typbyval, typalign));
	}
	return guard_store_execute(sql, batch->ncolumns, types, arrays, NULL);
}
