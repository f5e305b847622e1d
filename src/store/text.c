/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Strings that are cut, and strings that come from elsewhere.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/json.h"

#include "store/store.h"

/* What shows one invalid byte, with its end. */
#define ESCAPED_SIZE	5

static int
characters(void)
{
	int			encoding = GetDatabaseEncoding();

	if (encoding == PG_SQL_ASCII)
		encoding = pg_get_client_encoding();
	return encoding == PG_SQL_ASCII ? PG_UTF8 : encoding;
}

int
guard_text_clip(const char *str, int limit)
{
	int			len = strlen(str);

	return len <= limit ? len :
		Min(pg_encoding_mbcliplen(characters(), str, len, limit), limit);
}

char *
guard_text_cut(const char *str, int limit, const char *mark)
{
	int			len = guard_text_clip(str, limit);

	return str[len] == '\0' ? pstrdup(str) :
		psprintf("%.*s%s", len, str, mark);
}

/*
 * The next character, as it is or as its first byte is shown; advances *from.
 */
static int
next_character(char *buf, const char **from, const char *end)
{
	int			len = pg_encoding_verifymbchar(characters(), *from,
											   end - *from);

	if (len > 0)
	{
		memcpy(buf, *from, len);
		*from += len;
		return len;
	}
	return snprintf(buf, ESCAPED_SIZE, "\\x%02X", (unsigned char) *(*from)++);
}

const char *
guard_text_valid(const char *str)
{
	const char *end = str + strlen(str);
	char		buf[Max(MAX_MULTIBYTE_CHAR_LEN, ESCAPED_SIZE)];
	StringInfoData valid;

	if (pg_verify_mbstr(characters(), str, end - str, true))
		return str;
	initStringInfo(&valid);
	while (str < end)
		appendBinaryStringInfo(&valid, buf, next_character(buf, &str, end));
	return valid.data;
}

void
guard_text_copy(char *to, size_t size, const char *from)
{
	const char *end = from + strlen(from);
	char		buf[Max(MAX_MULTIBYTE_CHAR_LEN, ESCAPED_SIZE)];
	size_t		used = 0;

	while (from < end)
	{
		int			len = next_character(buf, &from, end);

		if (used + len >= size)
			break;
		memcpy(to + used, buf, len);
		used += len;
	}
	to[used] = '\0';
}

/*
 * "0.3 s", "4 min", "2 days"
 */
char *
guard_text_span(int64 usecs)
{
	double		secs = Max(usecs, 0) / (double) USECS_PER_SEC;

	if (secs < 10)
		return psprintf("%.1f s", secs);
	if (secs < 120)
		return psprintf("%.0f s", secs);
	if (secs < 2 * SECS_PER_HOUR)
		return psprintf("%.0f min", secs / SECS_PER_MINUTE);
	if (secs < 2 * SECS_PER_DAY)
		return psprintf("%.0f hours", secs / SECS_PER_HOUR);
	return psprintf("%.0f days", secs / SECS_PER_DAY);
}

/* ----------------------------------------------------------------
 *		The one writer of JSON.
 * ----------------------------------------------------------------
 */

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
