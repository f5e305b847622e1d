/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  Append-only record of what was dropped, and with what verdict.
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

/*
 * One row and one log line for a drop that went through.  Written in the
 * dropping transaction, so a rollback takes the row back.
 */
extern void guard_audit_dropped(const GuardDropped *dropped, const char *command,
								const char *statement);

/* The log line alone: what was dropped while guard.mode was off. */
extern void guard_audit_log_unjudged(const char *index, const char *definition);

#endif							/* GUARD_AUDIT_H */
