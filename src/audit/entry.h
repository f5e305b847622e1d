/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  One entry of the audit log, and its form on the way there.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_ENTRY_H
#define GUARD_ENTRY_H

/*
 * What the caller knows; who asks, from where and when, is added.  All text is
 * in the encoding of the database, NULL where there is none.
 */
typedef struct GuardEntry
{
	const char *question;		/* common to what one statement asked */
	const char *verdict;
	const char *reason;
	const char *command;
	const char *statement;
	const char *object;			/* of a change of guard's own rules */
	const char *index_name;
	const char *table_name;
	const char *definition;
	const char *detail;
	const char *facts;			/* a JSON object */
	const char *approval;
	bool		in_error;		/* an error is being handled: catalogs cannot
								 * be read */
} GuardEntry;

/*
 * A new question: the ID that the session has in the server log (%c), and a
 * number.  In the current memory context.
 */
extern char *guard_entry_question(void);

/*
 * The entry as one JSON object on one line, in the current memory context.
 */
extern char *guard_entry_json(const GuardEntry *entry);

/*
 * The same, short enough to wait in shared memory: what would be too long is
 * cut, with a mark.  The line in the server log has all of it.
 */
extern char *guard_entry_short_json(const GuardEntry *entry);

/*
 * Insert it into guard.audit_log, in the current transaction.  "coalesced" is
 * how many more there were like it, of which only the server log tells.
 */
extern void guard_entry_insert(const char *json, int coalesced);

/* The line in the server log. */
extern void guard_entry_log(const char *json);

#endif							/* GUARD_ENTRY_H */
