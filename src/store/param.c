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
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

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
