/*-------------------------------------------------------------------------
 *
 * param.h
 *	  A value with its type, as SQL takes it.
 *
 * Strings and times say null as they do in C: NULL and 0.  By reference, a
 * value lives in the current memory context.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_PARAM_H
#define GUARD_PARAM_H

#include "catalog/pg_type_d.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"

typedef struct GuardParam
{
	Oid			type;
	bool		isnull;
	Datum		value;
} GuardParam;

#define P_OID(oid)			guard_param(OIDOID, ObjectIdGetDatum(oid), false)
#define P_INT4(number)		guard_param(INT4OID, Int32GetDatum(number), false)
#define P_INT8(number)		guard_param(INT8OID, Int64GetDatum(number), false)
#define P_FLOAT8(number)	guard_param(FLOAT8OID, Float8GetDatum(number), false)
#define P_BOOL(flag)		guard_param(BOOLOID, BoolGetDatum(flag), false)
#define P_TIME(at)			guard_param_time(at)
#define P_TEXT(str)			guard_param_text(str)
#define P_NAME(str)			guard_param_name(str)
#define P_UUID(uuid)		guard_param(UUIDOID, UUIDPGetDatum(uuid), (uuid) == NULL)
#define P_JSONB(str)		guard_param_jsonb(str)

/* A parameter that is null where the condition holds. */
#define P_NULL_IF(condition, param) guard_param_null_if(condition, param)

/* oid[] of a list of OIDs, int4[] of a list of integers, text[] of char * */
#define P_OIDS(list)		guard_param_oids(list)
#define P_INT4S(list)		guard_param_int4s(list)
#define P_TEXTS(list)		guard_param_texts(list)

/* Any array. */
extern GuardParam guard_param_array(Oid element_type, const Datum *elements,
									const bool *nulls, int n);

static inline GuardParam
guard_param(Oid type, Datum value, bool isnull)
{
	GuardParam	param = {type, isnull, value};

	return param;
}

static inline GuardParam
guard_param_null_if(bool isnull, GuardParam param)
{
	param.isnull |= isnull;
	return param;
}

/* What the macros call. */
extern GuardParam guard_param_time(TimestampTz at);
extern GuardParam guard_param_text(const char *str);
extern GuardParam guard_param_name(const char *str);
extern GuardParam guard_param_jsonb(const char *str);
extern GuardParam guard_param_oids(const List *oids);
extern GuardParam guard_param_int4s(const List *integers);
extern GuardParam guard_param_texts(const List *strings);

/*
 * Parameters, and how many there are, as arguments of a function.  The first of
 * the array is none, so that there may be none.
 */
#define GUARD_PARAMS(...) \
	(const GuardParam[]) {{0}, __VA_ARGS__} + 1, \
	lengthof(((const GuardParam[]) {{0}, __VA_ARGS__})) - 1

#endif							/* GUARD_PARAM_H */
