/*-------------------------------------------------------------------------
 *
 * words.c
 *	  Names, moments and people's texts as parts of a sentence.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "planner/planner.h"
#include "policy/sentence.h"
#include "store/store.h"

/* A reason longer than this is cut in a message. */
#define REASON_SHOWN	200

/* schema and name, as SQL takes them */
char *
guard_sentence_name(const GuardShape *shape)
{
	return quote_qualified_identifier(shape->schema, shape->name);
}

/* the same of its table */
char *
guard_sentence_table(const GuardShape *shape)
{
	return quote_qualified_identifier(shape->schema, shape->table_name);
}

char *
guard_sentence_keeper(const GuardReplacement *replacement)
{
	char	   *name = guard_catalog_name(guard_without_topmost(replacement->index));

	return name != NULL ? name :
		quote_qualified_identifier(replacement->schema, replacement->name);
}

/*
 * A moment, to the second, in the session's time zone.
 */
char *
guard_sentence_moment(TimestampTz at)
{
	return TextDatumGetCString(DirectFunctionCall2(timestamptz_to_char,
												   TimestampTzGetDatum(at),
												   CStringGetTextDatum("YYYY-MM-DD HH24:MI:SS TZH")));
}

/*
 * Line breaks would let a text pass for lines of the message.
 */
char *
guard_sentence_one_line(const char *str)
{
	char	   *line = guard_text_cut(str, REASON_SHOWN, "...");

	for (char *p = line; *p; p++)
	{
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
	}
	return line;
}
