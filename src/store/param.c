/*-------------------------------------------------------------------------
 *
 * param.c
 *	  A value with its type, as SQL takes it.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/fmgrprotos.h"

#include "store/store.h"

/*
 * timestamptz; 0 is null.
 */
GuardParam
guard_param_time(TimestampTz at)
{
	return guard_param(TIMESTAMPTZOID, TimestampTzGetDatum(at), at == 0);
}

/*
 * text; NULL is null.
 */
GuardParam
guard_param_text(const char *str)
{
	return guard_param(TEXTOID, str != NULL ? CStringGetTextDatum(str) : (Datum) 0,
					   str == NULL);
}

/*
 * name; NULL is null.
 */
GuardParam
guard_param_name(const char *str)
{
	Name		name = palloc0(sizeof(NameData));

	if (str != NULL)
		namestrcpy(name, str);
	return guard_param(NAMEOID, NameGetDatum(name), str == NULL);
}

/*
 * jsonb of a text that is JSON; NULL is null.
 */
GuardParam
guard_param_jsonb(const char *str)
{
	return guard_param(JSONBOID, str == NULL ? (Datum) 0 :
					   DirectFunctionCall1(jsonb_in, CStringGetDatum(str)),
					   str == NULL);
}

/*
 * An array of "n" elements of a type; nulls NULL: none of them is null.
 */
GuardParam
guard_param_array(Oid element_type, const Datum *elements, const bool *nulls,
				  int n)
{
	int			lower = 1;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	ArrayType  *array;

	get_typlenbyvalalign(element_type, &typlen, &typbyval, &typalign);
	array = n == 0 ? construct_empty_array(element_type) :
		construct_md_array((Datum *) elements, (bool *) nulls, 1, &n, &lower,
						   element_type, typlen, typbyval, typalign);
	return guard_param(get_array_type(element_type), PointerGetDatum(array),
					   false);
}

/*
 * An array of what a list has: of OIDs, of integers, of char * as text.
 */
GuardParam
guard_param_list(Oid element_type, const List *list)
{
	Datum	   *elements = palloc((list_length(list) + 1) * sizeof(Datum));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, list)
		elements[n++] = element_type == OIDOID ? ObjectIdGetDatum(lfirst_oid(lc)) :
		element_type == INT4OID ? Int32GetDatum(lfirst_int(lc)) :
		CStringGetTextDatum((const char *) lfirst(lc));
	return guard_param_array(element_type, elements, NULL, n);
}

/* ----------------------------------------------------------------
 *		Many rows in one statement.
 * ----------------------------------------------------------------
 */

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
