/*-------------------------------------------------------------------------
 *
 * registration.h
 *	  What people registered for an index or a table, and how it stays there.
 *
 * A registry is one of guard's tables whose rows hang on an object
 * (store/store.h) and bear its names.  Those columns have the same numbers
 * in each of them.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REGISTRATION_H
#define GUARD_REGISTRATION_H

#include "store/store.h"
#include "planner/capture/capture.h"

/* Columns of every registry; the name of the index is null for a table. */
#define REGISTRY_SCHEMA		1
#define REGISTRY_TABLE		2
#define REGISTRY_INDEX		3
#define REGISTRY_OBJECT		7

/* These columns, of the object $1. */
#define REGISTRY_NAMES		"o.table_schema, o.table_name, o.index_name"
#define REGISTRY_OF			" FROM guard.object o WHERE o.id = $1"

struct GuardEvidence;

/*
 * The relation that the row at hand is registered for, if that is the index
 * judged, its table, or a parent of either ("inherited"); else InvalidOid.
 */
extern Oid	guard_registration_covers(const GuardRows *rows,
									  struct GuardEvidence *evidence,
									  bool *inherited);

/*
 * The object that something is to be registered for, when everything that was
 * registered is up to date.
 */
extern pg_uuid_t * guard_registration_object(Oid relation);

/* ----------------------------------------------------------------
 *		A person's "this once": who let whom drop an index.
 *
 * Vocabulary:
 *
 *	claim		this transaction, and no other, may use the approval up
 *	use up		write down that it has been used
 * ----------------------------------------------------------------
 */

typedef struct GuardApproval
{
	int32		id;				/* 0: there is none */
	char	   *reason;
	char	   *approved_by;
	TimestampTz approved_at;
	TimestampTz valid_until;
	const char *asked_by;		/* the login role that drops, and may use it
								 * up */
	bool		own;			/* given by the same one */
} GuardApproval;

/*
 * Give permission, or take back all that was given for exactly this object
 * and not used; the latter returns false where there was none.  The caller has
 * checked the rights.
 */
extern void guard_approvals_add(Oid relation, const char *reason,
								TimestampTz valid_until);
extern bool guard_approvals_revoke(Oid relation);

/*
 * Claim an approval for a drop that is about to happen, and use it up; with
 * "later" only claim it, because nothing may be written yet.  Returns false
 * when another session has it.  Waits for no lock.  The claim ends with the
 * transaction, and is given back by a rollback as any change is.
 */
extern bool guard_approvals_claim(const GuardApproval *approval, bool later);

/*
 * CONCURRENTLY is about to take away from the planner what was claimed for: it
 * is used up when this transaction commits.
 */
extern void guard_approvals_drop_begins(void);

/* Called by guard.c at start. */
extern void guard_approvals_init(void);

/* ----------------------------------------------------------------
 *		Which services use an index, which need it, and until which version.
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
 * ----------------------------------------------------------------
 */

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

/* A version beside the one until which an index is needed. */
typedef enum GuardVersionOrder
{
	GUARD_VERSION_UNKNOWN,		/* they cannot be compared */
	GUARD_VERSION_OLDER,
	GUARD_VERSION_REACHED		/* the same, or newer */
} GuardVersionOrder;

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

#endif							/* GUARD_REGISTRATION_H */
