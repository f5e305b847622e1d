/*-------------------------------------------------------------------------
 *
 * report.h
 *	  A verdict in words: error, warning, log line, facts.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REPORT_H
#define GUARD_REPORT_H

#include "policy/check.h"

/* Why a statement that would be refused is not refused here. */
typedef enum GuardOccasion
{
	GUARD_AT_STATEMENT,
	GUARD_AT_COMMIT,			/* the transaction left no replacement */
	GUARD_TOO_LATE				/* nothing can be taken back any more: said,
								 * not refused */
} GuardOccasion;

/*
 * Refuse: ERROR naming all of these judgements, SQLSTATE 55006, with the
 * statements that use the indexes in the server log only.  In observe mode a
 * WARNING and a log line instead, and it returns.  "why" is an additional
 * sentence or NULL.
 */
extern void guard_report_refuse(List *judgements, GuardOccasion occasion,
								const char *why);

/* A name leads to nothing, or to what guard cannot judge: that is said. */
extern void guard_report_told(const char *what);

/*
 * A name that was free was taken by what lacks such an index: a WARNING; returns
 * what it says.
 */
extern char *guard_report_lacking(const GuardJudgement *judgement);

/* NOTICE or WARNING for a drop that goes through, where it helps. */
extern void guard_report_allowed(const GuardJudgement *judgement);

/* In observe mode: in the other one it would become a soft drop. */
extern void guard_report_would_delay(const GuardJudgement *judgement);

/* NOTICE: the transaction must make up for this before COMMIT. */
extern void guard_report_remembered(const GuardJudgement *judgement);

#endif							/* GUARD_REPORT_H */
