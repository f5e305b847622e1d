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
	char	   *definition;		/* the statement that brings it back; NULL
								 * when it could not be read */
	const GuardJudgement *judgement;	/* NULL when it was not judged */
	const char *why;			/* then: why not; NULL while guard.mode is off */
} GuardDropped;

/* The statement that asks. */
typedef struct GuardAsked
{
	const char *question;		/* guard_audit_question() */
	const char *command;
	const char *statement;		/* NULL when not known */
	int			lock_timeout;	/* milliseconds, as it began; 0: it waits */
} GuardAsked;

/*
 * A name for one question, in the current memory context: the ID that the
 * session has in the server log (%c), and a number.
 */
extern char *guard_audit_question(void);

typedef struct GuardRecord GuardRecord;

/* One log line for a drop that went through, and what is to become its row. */
extern GuardRecord *guard_audit_dropped(const GuardDropped *dropped,
										const GuardAsked *asked);

/*
 * Write rows, of GuardRecord *, in the transaction that drops, so that a
 * rollback takes them back.  Those that cannot be written now wait, from its
 * COMMIT on, for somebody who can.
 */
extern void guard_audit_write(List *records);

/*
 * One entry for each index that the statement was refused, or is about to be.
 * The transaction will be rolled back, so its rows are handed to somebody else
 * who writes them a moment later.  Raises nothing, waits for nobody.
 */
extern void guard_audit_refused(List *judgements, const GuardAsked *asked);

/*
 * Judging failed, so the statement is refused; or what was let go could not be
 * carried out, which under CONCURRENTLY can leave an invalid index: then
 * "dropped" says which.  Called while the error is being handled: reads no
 * catalog.
 */
extern void guard_audit_failed(const GuardDropped *dropped,
							   const GuardAsked *asked, const char *message);

/*
 * Write what waits to be written in this database; for a background worker
 * inside a transaction, after whose commit it is out of the ring.  Returns
 * whether nothing is left.
 */
extern bool guard_audit_deliver(void);

/* Rows older than guard.audit_retention go; returns how many. */
extern uint64 guard_audit_prune(void);

/* Is a row of the audit log being deleted by guard_audit_prune()? */
extern bool guard_audit_pruning(void);

/* What guard.status says of it, in the current memory context. */
extern char *guard_audit_status(void);

/* A database is being dropped. */
extern void guard_audit_forget_database(Oid database);

/*
 * A setting of guard's was changed by this statement: one row and one log line
 * when it lasts, else the line alone.
 */
extern void guard_audit_setting(const char *name, const char *statement,
								bool lasting);

/* Called from _PG_init. */
extern void guard_audit_init(void);

/*
 * One row and one log line for a change of guard's own rules, in the current
 * transaction: "action" is the verb (protect, approve, hide), "object" what it
 * is about, "reason" the person's, "facts_json" an object with what else there
 * is to know.  All but "action" may be NULL.  A member "definition" of the
 * facts is what guard.last_drops() shows to bring an index back.
 *
 * Writes: not to be called before DROP INDEX CONCURRENTLY
 * (doc/internals/postgresql.md 1.8).
 */
extern void guard_audit_change(const char *action, const char *object,
							   const char *reason, const char *facts_json);

/*
 * The same of what guard does by its rules, and nobody's word can be taken
 * back for: a row that cannot be written now comes after COMMIT, by a worker.
 */
extern void guard_audit_step(const char *action, const char *object,
							 const char *reason, const char *facts_json);

#endif							/* GUARD_AUDIT_H */
