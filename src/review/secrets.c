/*-------------------------------------------------------------------------
 *
 * secrets.c
 *	  What a script should not have said, a review does not repeat.
 *
 * A review is pasted into pull requests and kept in logs.  Where a statement
 * speaks of a password, of a connection or of an address, none of its strings
 * is shown: which of them is the secret is not worth guessing.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "review/script.h"

#define HIDDEN	"***"

static const char *skip_string(const char *p, bool escapes);
static const char *skip_dollar_string(const char *p);

bool
guard_secrets_may_hold(const char *str)
{
	static const char *const signs[] = {
		"passw", "pwd", "secret", "token", "credential", "connection", "connect",
		"api_key", "apikey", "private_key", "://"
	};

	for (const char *p = str; *p != '\0'; p++)
	{
		for (int i = 0; i < lengthof(signs); i++)
		{
			if (pg_strncasecmp(p, signs[i], strlen(signs[i])) == 0)
				return true;
		}
	}
	return false;
}

/*
 * Of a psql command only the name is left.
 */
char *
guard_secrets_hide(const char *str, bool meta)
{
	StringInfoData buf;
	const char *p = str;

	initStringInfo(&buf);
	if (meta)
		return psprintf("%.*s " HIDDEN, (int) strcspn(str, " \t"), str);
	while (*p != '\0')
	{
		const char *end = p;

		if (*p == '\'')
			end = skip_string(p, p > str && (p[-1] == 'e' || p[-1] == 'E'));
		else if (*p == '$')
			end = skip_dollar_string(p);
		if (end > p)
		{
			appendStringInfoString(&buf, "'" HIDDEN "'");
			p = end;
		}
		else
			appendStringInfoChar(&buf, *p++);
	}
	return buf.data;
}

/* Behind the string that begins here, or at the end of the text. */
static const char *
skip_string(const char *p, bool escapes)
{
	for (p++; *p != '\0'; p++)
	{
		if (escapes && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '\'' && p[1] == '\'')
			p++;
		else if (*p == '\'')
			return p + 1;
	}
	return p;
}

/* The same for $tag$...$tag$; where none begins, the beginning. */
static const char *
skip_dollar_string(const char *p)
{
	int			len = strcspn(p + 1, "$ \t\n\r'\"();,") + 2;
	const char *end;

	if (p[len - 1] != '$' || (p[1] >= '0' && p[1] <= '9'))
		return p;
	for (end = p + len; *end != '\0'; end++)
	{
		if (strncmp(end, p, len) == 0)
			return end + len;
	}
	return end;
}
