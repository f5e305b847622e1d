/*-------------------------------------------------------------------------
 *
 * pgss.h
 *	  Finding pg_stat_statements, and reading it.
 *
 * It holds what every role of every database makes it hold.  Its texts are one
 * file, read as a whole, and one invalid byte in the text of some other database
 * fails the whole call.  So texts are asked for apart, and whatever reads them
 * can do without.
 *
 * A role sees no queryid of other roles in it (doc/internals/review.md 12), so
 * it is read with the rights of the extension's owner.  Its functions are found
 * through the extension that they belong to, wherever that lives, never through
 * search_path.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_PGSS_H
#define GUARD_PGSS_H

#include "store/query.h"

/* What is here, as of now. */
typedef struct GuardPgss
{
	const char *missing;		/* in words, why it cannot be used; NULL: it
								 * can */
	const char *remedy;			/* what to do about that, as one writes it */
	char	   *function;		/* its function, qualified and quoted */
	char	   *info;			/* the function that tells since when it
								 * counts, called; NULL: there is none */
	bool		since;			/* it tells since when each statement is
								 * counted */
} GuardPgss;

/* Look for it; the result lives in the current memory context. */
extern GuardPgss guard_pgss_find(void);

/*
 * Are the texts of all statements too long to be read while somebody waits?
 */
extern bool guard_pgss_texts_long(void);

/*
 * In a query grouped by queryid: the text of a statement, cut, but not as short
 * as it will be shown.
 */
#define GUARD_PGSS_TEXT	"left(min(query COLLATE \"C\"), 1004)"

/*
 * GuardRows *guard_pgss_rows(columns, texts)
 *
 * What it has counted of the statements of this database, over all users: one
 * row for each queryid, with these columns, which are aggregates but for
 * queryid.  "texts": query is not null, and costs what it costs.  No rows where
 * it is missing.
 */
extern GuardRows *guard_pgss_rows(const GuardPgss *pgss, const char *columns,
								  bool texts);

#endif							/* GUARD_PGSS_H */
