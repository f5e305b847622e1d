/*-------------------------------------------------------------------------
 *
 * dependencies.h
 *	  Which services use an index, which need it, and until which version.
 *
 * Vocabulary:
 *
 *	dependency	a person said: this service needs the index as long as a
 *				version below until_version runs
 *	deployment	a person, or a pipeline, said: this version runs everywhere now
 *	released	the last deployments, without a break, were of until_version
 *				or later
 *	at work		captured lately under the name of a version
 *
 * Facts only: what follows from them is for the verdict.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_DEPENDENCIES_H
#define GUARD_DEPENDENCIES_H

#include "evidence/registrations/version.h"
#include "planner/capture/capture.h"

/* What one service had to do with a use.  Times are 0 where not known. */
typedef struct GuardServiceUse
{
	char	   *service;
	char	   *version;		/* NULL when it bore none */
	Oid			role;			/* the login role that made it last;
								 * InvalidOid: not known */
	TimestampTz first;
	TimestampTz last;
	int64		count;
	Oid			login;			/* the login role of all; InvalidOid: of
								 * several */
	int64		transactions;	/* in which they were made, or more; 0: not
								 * known */
	TimestampTz released_at;	/* released by the deployment reported then;
								 * 0: it was not */
} GuardServiceUse;

typedef struct GuardDependency
{
	char	   *service;
	char	   *until_version;	/* NULL: for ever */
	char	   *from_version;	/* NULL: all before that, too */
	char	   *note;
	char	   *registered_by;
	TimestampTz registered_at;
	bool		inherited;		/* registered for a parent of the index */
	Oid			table;			/* registered for an index of this table */
	char	   *deployed;		/* the version reported last; NULL: none was */
	TimestampTz deployed_at;
	GuardVersionOrder order;	/* deployed against until_version */
	TimestampTz released_at;	/* reported to run until_version or later
								 * without a break since; 0: it is not */

	/*
	 * The latest captured use of the index, or of anything of its table, by a
	 * version below until_version.
	 */
	char	   *old_version;	/* NULL: none was captured */
	TimestampTz old_last;
	int64		old_count;
	char	   *old_role;		/* who made it */
	int			old_pid;
} GuardDependency;

struct GuardFact;

/*
 * Who made a captured use, for the fact.  The services of "relation" other
 * than this session, most frequent first.
 */
extern void guard_services_collect(struct GuardFact *fact, Oid relation,
								   const GuardCapturedUse *use);

/* The same in words, NULL when none but this session is known. */
extern char *guard_services_of(Oid relation, uint64 fkey);

/*
 * A list of GuardServiceUse * in words: "auth", "auth and push", "auth, push,
 * mail and 2 others"; NULL for none.  Versions of one service are named once.
 * With a node, they are there: "auth on pg-2", or "somebody on pg-2".
 */
extern char *guard_services_name(List *uses, const char *node);

/*
 * Sessions that bear the name of a version of a service now, in words:
 * "process 4711 from 10.0.0.5"; NULL when there is none, or when the current
 * user may not see other people's sessions.
 */
extern char *guard_services_sessions(const char *service, const char *version);

/*
 * A name as capture would fold it, in the current memory context; NULL when
 * nothing is left of it.
 */
extern char *guard_services_fold(const char *name);

/*
 * Where nobody has seen this service, nor, with "registered", registered
 * anything for it: the nearest names of those who were, in words, "" where there
 * are none.  NULL: it is known, or nobody could have seen it.
 */
extern char *guard_services_nearest(const char *service, bool registered);

/* Are these two names of one service? */
extern bool guard_services_same(const char *a, const char *b);

/*
 * Changing.  The caller has checked the rights.  Adding again replaces versions
 * and note; removing returns false where there was nothing to remove.
 */
extern void guard_dependencies_add(Oid index, const char *service,
								   const char *from_version,
								   const char *until_version, const char *note);
extern bool guard_dependencies_remove(Oid index, const char *service);
extern void guard_dependencies_deploy(const char *service, const char *version);

/*
 * Dependencies of the service, of any index, whose version cannot be compared
 * with this one: a version that is one's until_version, or NULL.
 */
extern char *guard_dependencies_incomparable(const char *service,
											 const char *version);

#endif							/* GUARD_DEPENDENCIES_H */
