/*-------------------------------------------------------------------------
 *
 * json.c
 *	  The one writer of JSON.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "store/store.h"

/*
 * What comes before a value: a comma, unless it is the first of an object or
 * an array, and its key.  No value ends with an opening bracket but those that
 * are open: a string ends with a quote.
 */
static void
begin_value(StringInfo json, const char *key)
{
	char		last = json->len > 0 ? json->data[json->len - 1] : '{';

	if (last != '{' && last != '[')
		appendStringInfoChar(json, ',');
	if (key != NULL)
	{
		escape_json(json, key);
		appendStringInfoChar(json, ':');
	}
}

/*
 * Open an object.
 */
void
guard_json_object(StringInfo json, const char *key)
{
	begin_value(json, key);
	appendStringInfoChar(json, '{');
}

/*
 * Close it.
 */
void
guard_json_end_object(StringInfo json)
{
	appendStringInfoChar(json, '}');
}

/*
 * Open an array.
 */
void
guard_json_array(StringInfo json, const char *key)
{
	begin_value(json, key);
	appendStringInfoChar(json, '[');
}

/*
 * Close it.
 */
void
guard_json_end_array(StringInfo json)
{
	appendStringInfoChar(json, ']');
}

/*
 * A string; NULL is left out.
 */
void
guard_json_text(StringInfo json, const char *key, const char *value)
{
	if (value == NULL)
		return;
	begin_value(json, key);
	escape_json(json, guard_text_valid(value));
}

/*
 * An integer.
 */
void
guard_json_int(StringInfo json, const char *key, int64 value)
{
	begin_value(json, key);
	appendStringInfo(json, INT64_FORMAT, value);
}

/*
 * A number with three digits behind the point; null where it has none.
 */
void
guard_json_number(StringInfo json, const char *key, double value)
{
	begin_value(json, key);
	if (isfinite(value))
		appendStringInfo(json, "%.3f", value);
	else
		appendStringInfoString(json, "null");
}

/*
 * true or false.
 */
void
guard_json_bool(StringInfo json, const char *key, bool value)
{
	begin_value(json, key);
	appendStringInfoString(json, value ? "true" : "false");
}

/*
 * A time; 0 is left out.
 */
void
guard_json_time(StringInfo json, const char *key, TimestampTz value)
{
	char		str[MAXDATELEN + 1];

	if (value == 0)
		return;
	guard_json_text(json, key, JsonEncodeDateTime(str, TimestampTzGetDatum(value),
												  TIMESTAMPTZOID, NULL));
}

/*
 * What is JSON already.
 */
void
guard_json_raw(StringInfo json, const char *key, const char *value)
{
	begin_value(json, key);
	appendStringInfoString(json, value);
}
