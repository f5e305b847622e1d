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

#include "mb/pg_wchar.h"

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
