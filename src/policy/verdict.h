/*-------------------------------------------------------------------------
 *
 * verdict.h
 *	  From evidence to verdict: the rules, and nothing else.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_VERDICT_H
#define GUARD_VERDICT_H

#include "evidence/evidence.h"

typedef enum GuardDecision
{
	GUARD_ALLOW,
	GUARD_DELAY,				/* becomes a soft drop */
	GUARD_BLOCK
} GuardDecision;

/* One lower-case code each; guard_verdict_reason_name() spells them. */
typedef enum GuardReason
{
	GUARD_REASON_APPROVED,
	GUARD_REASON_PROTECTED,
	GUARD_REASON_INVALID,
	GUARD_REASON_PARTITION,
	GUARD_REASON_REPLACED,
	GUARD_REASON_DEPENDENCY,
	GUARD_REASON_REPLICA_IDENTITY,
	GUARD_REASON_ARBITER,
	GUARD_REASON_HARMLESS,
	GUARD_REASON_HOT,
	GUARD_REASON_STOPPED,
	GUARD_REASON_CONSTRAINT,
	GUARD_REASON_COLD,
	GUARD_REASON_UNKNOWN
} GuardReason;

/* A heap of this many blocks is scanned as fast as its index is. */
#define GUARD_HARMLESS_BLOCKS	8

/* The settings and the clock, passed in: verdict.c looks at nothing else. */
typedef struct GuardPolicy
{
	TimestampTz now;
	int64		lookback;		/* microseconds */
	int64		quiet_period;	/* microseconds */
	int64		min_evidence_age;	/* microseconds */
	int64		rebuild_limit;	/* kilobytes */
	double		harmless_cost_ratio;
	int			unknown_action; /* GuardUnknownAction */
	bool		two_person;		/* nobody approves what he drops himself */
	int			hot_action;		/* GuardHotAction */
} GuardPolicy;

typedef struct GuardVerdict
{
	GuardDecision decision;
	GuardReason reason;
	bool		wait;			/* BLOCK: the transaction may still replace
								 * the index before it commits */
	bool		needs_unique;	/* only an index enforcing the same uniqueness
								 * can replace it */
	bool		notice;			/* ALLOW: worth a NOTICE */
	bool		warning;		/* ALLOW: worth a WARNING, for it is unknown */
	const char *no_delay;		/* why it is not delayed, though the settings
								 * ask for that; NULL where they do not */
	const GuardFact *use;		/* the use that decided; NULL when none did */
	const GuardDependency *dependency;	/* the first service that needs it;
										 * NULL when none does */
	int64		observed;		/* microseconds of evidence behind cold and
								 * unknown */
	GuardEvidence *evidence;
} GuardVerdict;

/*
 * The first rule that matches.  Pure: reads nothing but its arguments.  The
 * names are those of SQL and messages, constants.
 */
extern GuardVerdict guard_verdict_decide(GuardEvidence *evidence,
										 const GuardPolicy *policy);
extern const char *guard_verdict_reason_name(GuardReason reason);
extern const char *guard_verdict_decision_name(GuardDecision decision);

/*
 * Does the service still need what it registered for?  It does until it was
 * released, and as long as a version that should be gone is at work.
 */
extern bool guard_verdict_service_needs(const GuardDependency *dependency,
										TimestampTz now);

/* Was every service that made this use released, and the use before that? */
extern bool guard_verdict_use_released(const GuardFact *fact);

/*
 * Does this use still count?  (doc/internals/design.md 5, "a use stops
 * counting")
 */
extern bool guard_verdict_use_counts(const GuardFact *fact,
									 const GuardPolicy *policy);

/*
 * When will it not count any more, if no other use follows?  0 when that is not
 * known.
 */
extern TimestampTz guard_verdict_use_ends(const GuardFact *fact,
										  const GuardPolicy *policy);

#endif							/* GUARD_VERDICT_H */
