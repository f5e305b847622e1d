/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  Append-only record of what was asked and what was answered.
 *
 * Every entry is a line in the server log first, and then a row in
 * guard.audit_log.  The line is the record of truth: it needs neither a
 * transaction that commits nor a background worker.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_AUDIT_H
#define GUARD_AUDIT_H

#include "policy/check.h"

/* An index that is really gone. */
typedef struct GuardDropped
{
	Oid			index;
	Oid			table;
	char	   *name;			/* qualified and quoted */
	char	   *table_name;
	char	   *definition;		/* the statement that brings it back; NULL when
								 * it could not be read */
	const GuardJudgement *judgement;	/* NULL when it was not judged */
} GuardDropped;

/* The statement that asks. */
typedef struct GuardAsked
{
	const char *question;		/* guard_audit_question() */
	const char *command;
	const char *statement;		/* NULL when not known */
} GuardAsked;

/* A name for one question, in the current memory context. */
extern char *guard_audit_question(void);

/*
 * One row and one log line for a drop that went through.  Written in the
 * dropping transaction, so a rollback takes the row back.
 */
extern void guard_audit_dropped(const GuardDropped *dropped,
								const GuardAsked *asked);

/* The log line alone: what was dropped while guard.mode was off. */
extern void guard_audit_log_unjudged(const char *index, const char *definition);

/*
 * One row and one log line for a change of guard's own rules, in the current
 * transaction: "action" is the verb (protect, approve, hide), "object" what it
 * is about, "reason" the person's, "facts_json" an object with what else there
 * is to know.  All but "action" may be NULL.  A member "definition" of the
 * facts is what guard.last_drops() shows to bring an index back.
 *
 * Writes: not to be called before DROP INDEX CONCURRENTLY (PG-INTERNALS 1.8).
 */
extern void guard_audit_change(const char *action, const char *object,
							   const char *reason, const char *facts_json);

#endif							/* GUARD_AUDIT_H */
