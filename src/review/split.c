/*-------------------------------------------------------------------------
 *
 * split.c
 *	  Cut a script into statements.
 *
 * PostgreSQL's parser takes a whole script, but stops at the first syntax
 * error, and knows neither psql's meta-commands nor the data behind COPY FROM
 * STDIN.  So the script is cut first, by the rules of psql's own scanner
 * (psqlscan.l): a semicolon ends a statement unless it is in quotes, in a
 * comment, in parentheses (CREATE RULE ... DO (a; b)) or in the BEGIN ATOMIC
 * body of a function.
 *
 * A script is text that somebody else wrote, and may be anything.  Nothing
 * here raises an error, and time is linear in its length.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/guc.h"

#include "review/split.h"

/* CREATE OR REPLACE FUNCTION: so many words tell what a statement is. */
#define FIRST_WORDS		4

/* What COPY ... FROM STDIN is told by, and where a word may be cut. */
#define WORD_LEN		16

/* State within one statement. */
typedef struct Scan
{
	const char *start;			/* of the statement; NULL before its first
								 * token */
	int			line;
	int			column;
	int			parens;
	int			begins;			/* depth of BEGIN ATOMIC ... END, CASE ... END */
	int			nwords;			/* identifiers so far, up to FIRST_WORDS */
	char		words[FIRST_WORDS][WORD_LEN];
	char		previous[WORD_LEN]; /* the last identifier */
	bool		from_stdin;
	bool		variables;
} Scan;

static void advance(GuardSplitter *s, int bytes);
static void begin_token(GuardSplitter *s, Scan *scan);
static GuardPiece *finish(GuardSplitter *s, Scan *scan, const char *end);
static GuardPiece *take_meta(GuardSplitter *s);
static void skip_copy_data(GuardSplitter *s);
static bool skip_blank(GuardSplitter *s);
static bool ends_line(const char *p);
static void take_comment(GuardSplitter *s);
static void take_quoted(GuardSplitter *s, bool escapes);
static bool take_dollar_quoted(GuardSplitter *s);
static void take_word(GuardSplitter *s, Scan *scan);
static void take_variable(GuardSplitter *s, Scan *scan);
static void note_word(Scan *scan, const char *word);
static bool defines_routine(const Scan *scan);
static bool is_word(const Scan *scan, int n, const char *word);
static bool sends(const char *meta);

static inline bool
is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		IS_HIGHBIT_SET(c);
}

static inline bool
is_word_part(char c)
{
	return is_word_start(c) || (c >= '0' && c <= '9') || c == '$';
}

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

void
guard_split_start(GuardSplitter *s, const char *script)
{
	const char *strings = GetConfigOption("standard_conforming_strings", true, false);

	s->at = script;
	s->line = 1;
	s->column = 1;
	s->number = 0;
	s->standard_strings = strings == NULL || strcmp(strings, "off") != 0;

	/* a byte order mark is psql's to skip, and ours */
	if (strncmp(script, "\xEF\xBB\xBF", 3) == 0)
		s->at += 3;
}

/*
 * The order of the cases is that of what may hide what: nothing is a quote in
 * a comment, nothing a comment in a quote.
 */
GuardPiece *
guard_split_next(GuardSplitter *s)
{
	Scan		scan = {0};

	while (*s->at != '\0')
	{
		const char *end;

		if (skip_blank(s))
			continue;

		end = s->at;
		if (*s->at == ';' && scan.parens == 0 && scan.begins == 0)
		{
			advance(s, 1);
			if (scan.start != NULL)
				return finish(s, &scan, end);
			continue;
		}
		if (*s->at == '\\')
		{
			if (s->at[1] == ';')
			{
				advance(s, 2);
				if (scan.start != NULL)
					return finish(s, &scan, end);
				continue;
			}
			if (scan.start == NULL)
				return take_meta(s);
			if (sends(s->at + 1))
			{
				GuardPiece *meta;
				GuardPiece *piece = finish(s, &scan, end);

				/* the meta-command is part of the statement that it sends */
				meta = take_meta(s);
				s->number--;
				piece->sent_by = meta->str;
				return piece;
			}

			/* one in the middle of a statement leaves the statement alone */
			while (*s->at != '\0' && *s->at != '\n')
				advance(s, 1);
			continue;
		}

		begin_token(s, &scan);
		switch (*s->at)
		{
			case '\'':
				take_quoted(s, !s->standard_strings);
				break;
			case '"':
				take_quoted(s, false);
				note_word(&scan, "");
				break;
			case '$':
				if (!take_dollar_quoted(s))
				{
					scan.variables |= s->at[1] == '{';
					advance(s, 1);
				}
				break;
			case '{':
				scan.variables |= s->at[1] == '{';
				advance(s, 1);
				break;
			case '(':
				scan.parens++;
				advance(s, 1);
				break;
			case ')':
				if (scan.parens > 0)
					scan.parens--;
				advance(s, 1);
				break;
			case ':':
				take_variable(s, &scan);
				break;
			default:
				if (is_word_start(*s->at))
					take_word(s, &scan);
				else if (*s->at >= '0' && *s->at <= '9')
				{
					/* a number, with whatever letters hang on it */
					while (is_word_part(*s->at))
						advance(s, 1);
				}
				else
					advance(s, 1);
				break;
		}
	}
	return scan.start != NULL ? finish(s, &scan, s->at) : NULL;
}

/*
 * Single quotes are not respected here, for one too many is what it may be
 * about; dollar quotes are, since what is in a function's body is no statement
 * of the script.
 */
void
guard_split_cut_short(GuardSplitter *s, const GuardSplitter *before,
					  GuardPiece *piece, int error)
{
	GuardSplitter at;

	guard_split_start(&at, piece->str);
	advance(&at, error);
	while (*at.at != '\0' && !(*at.at == ';' && ends_line(at.at + 1)))
	{
		if (!skip_blank(&at) &&
			!(*at.at == '$' && take_dollar_quoted(&at)))
			advance(&at, 1);
	}
	if (*at.at == '\0')
		return;

	/* go over the same text again, as far as that */
	*s = *before;
	while (s->line < piece->line || s->column < piece->column)
		advance(s, 1);
	advance(s, at.at + 1 - piece->str);
	s->number = piece->number;
	piece->str[at.at - piece->str] = '\0';
	piece->copy_data = false;
	piece->sent_by = NULL;
}

void
guard_split_position(const GuardPiece *piece, int byte, int *line, int *column)
{
	GuardSplitter at;

	guard_split_start(&at, piece->str);
	at.line = piece->line;
	at.column = piece->column;
	advance(&at, byte);
	*line = at.line;
	*column = at.column;
}

static bool
ends_line(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\r')
		p++;
	return *p == '\n' || (p[0] == '-' && p[1] == '-');
}

/*
 * Go on, counting lines and characters.
 */
static void
advance(GuardSplitter *s, int bytes)
{
	for (; bytes > 0 && *s->at != '\0'; bytes--, s->at++)
	{
		if (*s->at == '\n')
		{
			s->line++;
			s->column = 1;
		}
		else if (s->at[1] == '\0' || (s->at[1] & 0xC0) != 0x80)
			s->column++;
	}
}

static void
begin_token(GuardSplitter *s, Scan *scan)
{
	if (scan->start != NULL)
		return;
	scan->start = s->at;
	scan->line = s->line;
	scan->column = s->column;
}

static GuardPiece *
finish(GuardSplitter *s, Scan *scan, const char *end)
{
	GuardPiece *piece = palloc0(sizeof(GuardPiece));

	while (end > scan->start && is_blank(end[-1]))
		end--;
	piece->number = ++s->number;
	piece->line = scan->line;
	piece->column = scan->column;
	piece->str = pnstrdup(scan->start, end - scan->start);
	piece->variables = scan->variables;
	if (scan->from_stdin)
	{
		piece->copy_data = true;
		skip_copy_data(s);
	}
	return piece;
}

/*
 * A meta-command takes the rest of its line.  (In psql another one, or even a
 * statement after "\\", may follow on the line; neither would be looked into.)
 */
static GuardPiece *
take_meta(GuardSplitter *s)
{
	GuardPiece *piece = palloc0(sizeof(GuardPiece));
	const char *start = s->at;
	const char *end;

	piece->number = ++s->number;
	piece->line = s->line;
	piece->column = s->column;
	piece->meta = true;
	while (*s->at != '\0' && *s->at != '\n')
		advance(s, 1);
	end = s->at;
	while (end > start && is_blank(end[-1]))
		end--;
	piece->str = pnstrdup(start, end - start);
	return piece;
}

/*
 * Data begins on the next line and ends with "\." on one of its own.
 */
static void
skip_copy_data(GuardSplitter *s)
{
	while (*s->at != '\0' && *s->at != '\n')
		advance(s, 1);
	while (*s->at == '\n')
	{
		advance(s, 1);
		if (s->at[0] == '\\' && s->at[1] == '.' &&
			(s->at[2] == '\0' || s->at[2] == '\n' || s->at[2] == '\r'))
		{
			advance(s, 2);
			return;
		}
		while (*s->at != '\0' && *s->at != '\n')
			advance(s, 1);
	}
}

/*
 * White space and comments.  Returns false when there is neither.
 */
static bool
skip_blank(GuardSplitter *s)
{
	if (is_blank(*s->at))
		advance(s, 1);
	else if (s->at[0] == '-' && s->at[1] == '-')
	{
		/* to PostgreSQL a carriage return alone ends it, too */
		while (*s->at != '\0' && *s->at != '\n' && *s->at != '\r')
			advance(s, 1);
	}
	else if (s->at[0] == '/' && s->at[1] == '*')
		take_comment(s);
	else
		return false;
	return true;
}

static void
take_comment(GuardSplitter *s)
{
	int			depth = 0;

	do
	{
		if (s->at[0] == '/' && s->at[1] == '*')
		{
			depth++;
			advance(s, 2);
		}
		else if (s->at[0] == '*' && s->at[1] == '/')
		{
			depth--;
			advance(s, 2);
		}
		else
			advance(s, 1);
	} while (depth > 0 && *s->at != '\0');
}

/*
 * '...', E'...' or "...".  A doubled quote ends it and begins it anew, which comes
 * to the same.
 */
static void
take_quoted(GuardSplitter *s, bool escapes)
{
	char		quote = *s->at;

	advance(s, 1);
	while (*s->at != '\0' && *s->at != quote)
		advance(s, escapes && s->at[0] == '\\' && s->at[1] != '\0' ? 2 : 1);
	advance(s, 1);
}

/*
 * $$...$$ or $tag$...$tag$.  Returns false when it is something else, a parameter
 * for instance.
 */
static bool
take_dollar_quoted(GuardSplitter *s)
{
	const char *end = s->at + 1;
	const char *close;
	char	   *tag;

	if (is_word_start(*end))
	{
		while (is_word_part(*end) && *end != '$')
			end++;
	}
	if (*end != '$')
		return false;
	tag = pnstrdup(s->at, end + 1 - s->at);
	advance(s, strlen(tag));
	close = strstr(s->at, tag);
	if (close == NULL)
		close = s->at + strlen(s->at);
	advance(s, close - s->at);
	advance(s, strlen(tag));
	pfree(tag);
	return true;
}

/*
 * A word; with E'...' the string behind it.
 */
static void
take_word(GuardSplitter *s, Scan *scan)
{
	char		word[WORD_LEN];
	int			len = 0;
	const char *start = s->at;

	while (is_word_part(*s->at))
	{
		if (len < WORD_LEN - 1)
			word[len++] = pg_tolower((unsigned char) *s->at);
		advance(s, 1);
	}
	word[len] = '\0';
	if (*s->at == '\'' && s->at - start == 1)
	{
		take_quoted(s, word[0] == 'e' || !s->standard_strings);
		return;
	}
	note_word(scan, word);
}

/*
 * A psql variable is :name, :'name', :"name" or :{?name}; a cast is "::", and
 * a slice has numbers, which psql would replace as well if it had a variable
 * of that name.
 */
static void
take_variable(GuardSplitter *s, Scan *scan)
{
	char		next = s->at[1];

	if (next == ':')
	{
		advance(s, 2);
		return;
	}
	if (is_word_start(next) ||
		((next == '\'' || next == '"') && is_word_part(s->at[2])) ||
		(next == '{' && s->at[2] == '?'))
		scan->variables = true;
	advance(s, 1);
}

/*
 * What the words of a statement mean to its end.
 */
static void
note_word(Scan *scan, const char *word)
{
	if (scan->parens == 0 && defines_routine(scan))
	{
		if (strcmp(word, "begin") == 0)
			scan->begins++;
		else if (strcmp(word, "case") == 0 && scan->begins > 0)
			scan->begins++;
		else if (strcmp(word, "end") == 0 && scan->begins > 0)
			scan->begins--;
	}
	if (scan->parens == 0 && is_word(scan, 0, "copy") &&
		strcmp(scan->previous, "from") == 0)
		scan->from_stdin = strcmp(word, "stdin") == 0;
	strlcpy(scan->previous, word, WORD_LEN);
	if (scan->nwords < FIRST_WORDS)
		strlcpy(scan->words[scan->nwords++], word, WORD_LEN);
}

static bool
defines_routine(const Scan *scan)
{
	int			n = 1;

	if (!is_word(scan, 0, "create"))
		return false;
	if (is_word(scan, 1, "or") && is_word(scan, 2, "replace"))
		n = 3;
	return is_word(scan, n, "function") || is_word(scan, n, "procedure");
}

static bool
is_word(const Scan *scan, int n, const char *word)
{
	return n < scan->nwords && strcmp(scan->words[n], word) == 0;
}

/*
 * Does this meta-command send the statement before it?
 */
static bool
sends(const char *meta)
{
	static const char *const senders[] = {
		"gexec", "gset", "gdesc", "gx", "g", "watch", "crosstabview", "bind",
		"bind_named", "parse", "sendpipeline", "close_prepared"
	};
	int			len = 0;

	while (is_word_part(meta[len]))
		len++;
	for (int i = 0; i < lengthof(senders); i++)
	{
		if (strlen(senders[i]) == len && strncmp(meta, senders[i], len) == 0)
			return true;
	}
	return false;
}
