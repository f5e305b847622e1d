/*-------------------------------------------------------------------------
 *
 * split.h
 *	  Cut a script into statements.
 *
 * Private to review/.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REVIEW_SPLIT_H
#define GUARD_REVIEW_SPLIT_H

#include "nodes/pg_list.h"

/*
 * A piece of a script.  Pieces are numbered from 1 in the order in which they
 * are written; what a comment or an empty statement leaves is no piece.
 */
typedef struct GuardPiece
{
	int			number;
	int			line;			/* where it begins, from 1 */
	int			column;			/* in characters, from 1 */
	char	   *str;			/* without its semicolon */
	bool		meta;			/* a psql meta-command: its line from the
								 * backslash on */
	const char *sent_by;		/* ended by \gexec or the like instead of a
								 * semicolon; NULL otherwise */
	bool		copy_data;		/* COPY FROM STDIN: data lines follow it in
								 * the script, and are left out */
	char	   *shown;			/* as rows show it; NULL: not made yet */
	bool		variables;		/* it contains psql's :'variables', or what
								 * migration tools have: ${x}, {{x}} */
} GuardPiece;

/* What a cut leaves open, for guard_split_next(). */
typedef struct GuardSplitter
{
	const char *at;				/* the rest of the script */
	int			line;
	int			column;
	int			number;			/* of the last piece */
	bool		standard_strings;	/* a backslash in '...' is a backslash */
} GuardSplitter;

/* begin with a script, which must last as long as the splitter */
extern void guard_split_start(GuardSplitter *splitter, const char *script);

/* The next piece, in the current memory context; NULL at the end. */
extern GuardPiece *guard_split_next(GuardSplitter *splitter);

/*
 * The piece just returned cannot be parsed, because of what stands at this
 * byte of its text.  A parenthesis or a quote too many may have made it swallow
 * what follows, so it is cut short behind the first semicolon from there on
 * that ends a line.  "before" is the splitter as it was before the piece.
 */
extern void guard_split_cut_short(GuardSplitter *splitter,
								  const GuardSplitter *before,
								  GuardPiece *piece, int error);

/* Line and column, from 1, of a byte of a piece's text, in the script. */
extern void guard_split_position(const GuardPiece *piece, int byte,
								 int *line, int *column);

#endif							/* GUARD_REVIEW_SPLIT_H */
