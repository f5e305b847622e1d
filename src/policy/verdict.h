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
#include "evidence/needs/needs.h"

typedef enum GuardDecision
{
	GUARD_ALLOW,
	GUARD_DELAY,				/* becomes a soft drop */
	GUARD_BLOCK
} GuardDecision;

/*
 * One lower-case code each; guard_verdict_reason_name() spells them.  Their order
 * means nothing.
 */
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
	GUARD_REASON_REQUIRED,
	GUARD_REASON_HARMLESS,
	GUARD_REASON_HOT,
	GUARD_REASON_STOPPED,
	GUARD_REASON_CONSTRAINT,
	GUARD_REASON_COLD,
	GUARD_REASON_UNKNOWN
} GuardReason;

/* A heap of this many blocks is scanned as fast as its index is. */
#define GUARD_HARMLESS_BLOCKS	8

/* The settings and the clock, passed in: verdict.c asks for neither. */
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
	int			rule;			/* the number of the rule that matched
								 * (doc/internals/design.md 5) */
	bool		wait;			/* BLOCK: the transaction may still replace
								 * the index before it commits */
	bool		needs_unique;	/* only an index enforcing the same uniqueness
								 * can replace it */
	bool		contradicted;	/* what would serve in its place, by
								 * structure, costs more, as shadow plans say:
								 * it does not count as a replacement */
	bool		leans;			/* ALLOW: for the sake of other indexes, which
								 * must be there when the transaction ends */
	bool		notice;			/* ALLOW: worth a NOTICE */
	bool		warning;		/* ALLOW: worth a WARNING, for it is unknown */
	bool		silent;			/* it is unknown because a standby is silent */
	const char *no_delay;		/* why it is not delayed, though the settings
								 * ask for that; NULL where they do not */
	const GuardFact *use;		/* the use that decided; NULL when none did */
	const GuardNeed *need;		/* what fails without it; NULL: nothing */
	const GuardDependency *dependency;	/* the first service that needs it;
										 * NULL when none does */
	int64		observed;		/* microseconds of evidence behind cold and
								 * unknown */
	GuardCase	asked;			/* the case in which it was decided */
	const GuardEvidence *evidence;
} GuardVerdict;

/* What a transaction leaves behind of an index that it has dropped. */
typedef struct GuardLeft
{
	bool		table;			/* its table is there, or another one bears
								 * that name */
	bool		parent;			/* and so is what it was a partition of, if
								 * anything */
	bool		ended;			/* it was a partition or child, and left */
	bool		needs;			/* what statements need it for is there */
	bool		small;			/* it is as small as harmless is */
	bool		key_gone;		/* so is a foreign key whose checks were use */
	bool		takeovers;		/* and the like of what its statements would
								 * be planned with instead */
	GuardReplacement replacement;	/* what serves in its place */
} GuardLeft;

/*
 * The first rule that matches.  Pure, as is all of verdict.c: reads nothing but
 * its arguments.  The names are those of SQL and messages, constants.
 */
extern GuardVerdict guard_verdict_decide(const GuardEvidence *evidence,
										 const GuardCase *asked,
										 const GuardPolicy *policy);

/* Where it cannot be told whether it is needed, does guard.unknown_action refuse? */
extern bool guard_verdict_unknown_blocks(const GuardEvidence *evidence,
										 const GuardPolicy *policy);
extern const char *guard_verdict_reason_name(GuardReason reason);
extern const char *guard_verdict_decision_name(GuardDecision decision);

/*
 * Was it let go for the sake of other indexes, and of those that statements
 * would be planned with, as nothing but their plans says?
 */
extern bool guard_verdict_leans(const GuardVerdict *verdict);
extern bool guard_verdict_by_plan(const GuardVerdict *verdict);

/* Of two verdicts on parts of one index, does the first one speak? */
extern bool guard_verdict_is_worse(const GuardVerdict *a, const GuardVerdict *b);

/*
 * Of two indexes that serve in place of each other, does the first one go first
 * when as many as possible shall go?  "used": somebody makes use of it.
 */
extern bool guard_verdict_goes_first(bool a_used, const GuardShape *a,
									 bool b_used, const GuardShape *b);

/*
 * An index that may go, but that one which was to go leans on: it stays, needed
 * as that one was.
 */
extern void guard_verdict_keep(GuardVerdict *heir, const GuardVerdict *gone);

/*
 * Would it be too long to keep the traffic, "rate" uses a second, waiting until
 * the transaction that drops it has replaced it, with "free" connections that
 * can wait?  "why" may remain NULL.
 */
extern bool guard_verdict_cannot_wait(const GuardVerdict *verdict, double rate,
									  int free, const GuardPolicy *policy,
									  const char **why);

/*
 * Does this index serve well enough in place of one that such a verdict was
 * given on?
 */
extern bool guard_verdict_is_served(const GuardVerdict *verdict,
									const GuardReplacement *replacement);

/*
 * Was it let go for what the transaction may yet undo: since its table was moved
 * out of the way, is small although its name had more traffic, or is a
 * partition?  Then the end of the transaction asks again.
 */
extern bool guard_verdict_asks_again(const GuardVerdict *verdict,
									 const GuardPolicy *policy);

/*
 * A transaction ends that has dropped the index: may it?  Otherwise the verdict
 * says why not.
 */
extern bool guard_verdict_made_up(GuardVerdict *verdict, const GuardLeft *left,
								  const GuardPolicy *policy);

/*
 * Does the service still need what it registered for?  It does until it was
 * released, and as long as a version that should be gone is at work.
 */
extern bool guard_verdict_service_needs(const GuardDependency *dependency,
										TimestampTz now);

/* Was every service that made this use released, and the use before that? */
extern bool guard_verdict_use_released(const GuardFact *fact);

/*
 * Does this need count, as a use does?
 */
extern bool guard_verdict_need_counts(const GuardNeed *need,
									  const GuardPolicy *policy);

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
