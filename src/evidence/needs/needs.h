/*-------------------------------------------------------------------------
 *
 * needs.h
 *	  What statements need an index for besides reading it.
 *
 * Without it they would fail, or write other rows, which no scan counter shows.
 * Each kind of need is a file with what is asked of it, and a row in needs.c.
 *
 * Some needs are seen: capture notes the use of an index in a way other than
 * being read, and such a need ends as any use does.  Others are in the system
 * catalogs, and last as long as these say so.  A need is no reason to keep an
 * index where another one serves it, and that is asked again at COMMIT.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_NEEDS_H
#define GUARD_NEEDS_H

#include "evidence/evidence.h"
#include "planner/capture/capture.h"
#include "planner/whatif/whatif.h"

/* What people are told of it. */
typedef enum GuardNeedReason
{
	GUARD_NEED_REQUIRED,
	GUARD_NEED_ARBITER,
	GUARD_NEED_REPLICA_IDENTITY,
	GUARD_NEED_NO_REASON		/* it only slows: a use like any other */
} GuardNeedReason;

typedef struct GuardNeed GuardNeed;
typedef struct GuardNeedKind GuardNeedKind;

struct GuardNeedKind
{
	const char *name;
	GuardNeedReason reason;
	bool		by_name;		/* statements name it: an exact twin under
								 * another name serves no more than anything */
	bool		of_table;		/* PostgreSQL does not look for it through a
								 * view */
	GuardWay	way;			/* each use in this way is one ... */
	void		(*collect) (GuardEvidence *evidence, const GuardNeedKind *kind);	/* ... or this finds
																					 * them */

	/*
	 * Does another index, valid and on the same table or the one that has its
	 * name, serve in place of this one?  And, where that may be, does the
	 * table do without any?
	 */
	bool		(*serves) (const GuardEvidence *evidence, const GuardNeed *need,
						   const GuardShape *other);
	bool		(*dispensable) (Oid table);

	/* "INSERT ... ON CONFLICT statements name it ...", one clause */
	char	   *(*sentence) (const GuardEvidence *evidence, const GuardNeed *need);
};

struct GuardNeed
{
	const GuardNeedKind *kind;
	const GuardFact *use;		/* NULL: the catalogs say so */
	const char *name;			/* that of its constraint, as statements know
								 * it; NULL: it has none */
	bool		served;			/* without this index, by what stays */
	GuardReplacement server;	/* and by which; match NONE: by none */
};

/* All needs of the index, and what serves them; called when all facts are there. */
extern void guard_needs_collect(GuardEvidence *evidence);

/*
 * Is this one served by what answers for its table as it is now?  "fellows" serve nothing; NULL
 * stands for none.
 */
extern bool guard_needs_served(const GuardEvidence *evidence,
							   const GuardNeed *need,
							   const GuardAnswer *answer,
							   const GuardFellows *fellows,
							   GuardReplacement *server);

/* ---- for the kinds ---- */

extern const GuardNeedKind guard_need_apply;
extern const GuardNeedKind guard_need_arbiter;
extern const GuardNeedKind guard_need_arbiter_constraint;
extern const GuardNeedKind guard_need_arbiter_skip;
extern const GuardNeedKind guard_need_deferrable;
extern const GuardNeedKind guard_need_deferred;
extern const GuardNeedKind guard_need_functional_dependency;
extern const GuardNeedKind guard_need_proves;
extern const GuardNeedKind guard_need_refresh;
extern const GuardNeedKind guard_need_replica_identity;
extern const GuardNeedKind guard_need_statistics;

/* One more, as the catalogs say or as it was used. */
extern void guard_needs_add(GuardEvidence *evidence, const GuardNeedKind *kind,
							const GuardFact *use);

/*
 * A plan relies on it without reading it: a use like any other, in one fact for
 * all such statements.
 */
extern void guard_needs_add_reliance(GuardEvidence *evidence,
									 const GuardNeedKind *kind,
									 const GuardWhatIf *pair);

/*
 * That its uniqueness spares statements a join, as its own plans say, as use;
 * with "any", also where that of another one did as well.
 */
extern void guard_proves_collect_reliance(GuardEvidence *evidence, bool any);

/* The name of an index's constraint, that of the table named; NULL: none. */
extern char *guard_needs_constraint(Oid index);

/*
 * The expression of an index whose statistics nothing else holds; NULL: it has none.
 */
extern const char *guard_needs_statistics(const GuardShape *shape);

/* pg_class.relreplident; '\0': no such table */
extern char guard_needs_identity(Oid table);

/* Do apply workers of a subscription write to the table? */
extern bool guard_needs_subscribed(Oid table);

#endif							/* GUARD_NEEDS_H */
