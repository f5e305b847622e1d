/*-------------------------------------------------------------------------
 *
 * report.h
 *	  What a standby's worker and the library that sends its report share.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REPORT_H
#define GUARD_REPORT_H

typedef struct GuardReport
{
	const char *own_conninfo;	/* guard.primary_conninfo */
	const char *primary_conninfo;
	const char *database;
	const char *name;			/* of this node, unless primary_conninfo has
								 * another */
	const char *text;			/* what is reported */
	bool		for_replication;	/* primary_conninfo is used */

	/* what came of it */
	const char *answer;			/* NULL: it did not arrive, */
	const char *error;			/* why, */
	const char *hint;			/* and what is to be done */
} GuardReport;

/* Send it; results live in the current memory context. */
typedef void (*guard_report_send_type) (GuardReport *report);
extern PGDLLEXPORT void guard_report_send(GuardReport *report);

#endif							/* GUARD_REPORT_H */
