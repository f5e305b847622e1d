/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  Which statements executed which indexes, recorded in shared memory.
 *
 * Vocabulary:
 *
 *	use			one execution of a statement whose plan really read an index
 *				or needed it for something else.  Rescans inside one
 *				execution are one use.
 *	need		a use without which the statement would have failed, or written
 *				other rows, be the index read or not
 *	relation	what a use is recorded for: an index, or a table that was
 *				scanned without an index or written to.  Both share one table
 *				of records, told apart by their OID.
 *	aimed		the statement names the relation, or was pruned to it, rather
 *				than visiting it along with its sibling partitions.
 *	name		by which a statement reached the relation: its own (or that of what
 *				it is a partition of), or those of the views that it went through,
 *				or that of no view, but a function with a bound body.
 *				A check goes by no name
 *	check		a use that a foreign key made to look after itself.  It is told
 *				by the columns that it compares, as bits (guard_capture_fkey()):
 *				of whichever side of the key the relation is.  0: no check.  What
 *				a trigger runs inside of a check is a use like any other
 *	session		a backend, told apart by its start time and pid, for as long as
 *				it works for one client: until application_name, the session
 *				role or the current role changes
 *
 * Three fixed tables live in one shared segment (doc/internals/design.md 5,
 * review.md 12):
 *
 *	relations	one record each, carries the verdict; makes room only when it
 *				is idle and history has it, or its database or owner has more
 *				than his share, and that is a loss (shares.c)
 *	statements	(relation, queryid), with the topmost index for all of its
 *				partitions' once that is known; of those that share a set of
 *				slots the least recently used goes; loss costs detail
 *	services	(relation, service, version); at most
 *				GUARD_CAPTURE_SERVICES_PER_INDEX each plus the record's
 *				"others" counter
 *
 * All times are TimestampTz (0 = never), all pauses microseconds.  Nothing
 * here raises an error while a user's statement runs, waits for a lock, or
 * allocates memory after start-up.
 *
 * A use bears the time at which its statement began (or its transaction, in a
 * procedure that commits), and is told at the latest with the next statement
 * of its session: at once where nothing was told for ten seconds, otherwise
 * once a second.  Counts may therefore lag behind, times by ten seconds.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_H
#define GUARD_CAPTURE_H

#include "ground.h"

#define GUARD_SERVICE_LEN	64	/* bytes, terminator included */
#define GUARD_VERSION_LEN	32
#define GUARD_CAPTURE_SERVICES_PER_INDEX	16
#define GUARD_CAPTURE_VIEWS	3

/* Checks by other columns than the first two are told as those of any key. */
#define GUARD_CAPTURE_FKEYS	3
#define GUARD_FKEY_ANY		PG_UINT64_MAX

/* The bit of a column; two of them may share it. */
static inline uint64
guard_capture_fkey(int attnum)
{
	return attnum > 0 ? UINT64CONST(1) << (attnum - 1) % 63 : 0;
}

/*
 * How a relation was used.  Those after the first are needs: the statement would
 * have failed, or written other rows, without the index.
 */
typedef enum GuardWay
{
	GUARD_WAY_READ,				/* or, of tables, written to */
	GUARD_WAY_ARBITER,			/* ON CONFLICT (columns) inferred it */
	GUARD_WAY_CONSTRAINT,		/* ON CONFLICT ON CONSTRAINT names it */
	GUARD_WAY_SKIP,				/* ON CONFLICT DO NOTHING without a target may
								 * have left out a row because of it */
	GUARD_WAY_GROUP,			/* GROUP BY relies on that primary key */
	GUARD_WAY_DEFER,			/* SET CONSTRAINTS names its constraint */
	GUARD_WAY_REFRESH,			/* of a materialized view: REFRESH ...
								 * CONCURRENTLY */
	GUARD_WAYS
} GuardWay;

/* A need stands where the columns of a check do, with a bit that none has. */
#define GUARD_FKEY_NEED		(UINT64CONST(1) << 63)

static inline uint64
guard_capture_need(GuardWay way)
{
	return GUARD_FKEY_NEED | way;
}

static inline GuardWay
guard_capture_way(uint64 fkey)
{
	return fkey == GUARD_FKEY_ANY || (fkey & GUARD_FKEY_NEED) == 0 ?
		GUARD_WAY_READ : (GuardWay) (fkey & ~GUARD_FKEY_NEED);
}

/* Uses, checks and needs have services of their own. */
typedef enum GuardUseKind
{
	GUARD_KIND_USE,
	GUARD_KIND_CHECK,
	GUARD_KIND_NEED
} GuardUseKind;

static inline GuardUseKind
guard_capture_kind(uint64 fkey)
{
	return fkey == 0 ? GUARD_KIND_USE :
		guard_capture_way(fkey) == GUARD_WAY_READ ? GUARD_KIND_CHECK : GUARD_KIND_NEED;
}

/*
 * What stands for all functions whose body is bound to OIDs (BEGIN ATOMIC, RETURN),
 * where the OID of a view does: whose a statement is, nobody tells.
 */
#define GUARD_BOUND_BODY	1255	/* pg_proc's own */

/*
 * When others last used a relation by which name; 0: not.
 */
typedef struct GuardNames
{
	TimestampTz own;
	Oid			views[GUARD_CAPTURE_VIEWS];
	TimestampTz by_view[GUARD_CAPTURE_VIEWS];
	TimestampTz more;			/* by views of which there were too many to
								 * tell which */
} GuardNames;

/* Uses of the last minute are counted in buckets of ten seconds. */
#define GUARD_RATE_BUCKETS	6
#define GUARD_RATE_BUCKET_SECS	10

/*
 * What capture knows of one relation: of checks by some columns, or of all
 * other uses.  The "other" fields leave out what the asking session did itself.
 * Of checks it is never known that they were aimed, an arbiter's, or writing.
 */
typedef struct GuardCapturedUse
{
	Oid			relation;
	uint64		fkey;			/* of checks, or a need; 0: all other uses */
	bool		unreadable;		/* there is a record, but whoever holds it
								 * does not go on: nothing is known */
	TimestampTz made;			/* tells this record from an earlier one */
	TimestampTz first;			/* first use by anybody */
	TimestampTz last;			/* last use by a session other than mine */
	TimestampTz last_any;		/* last use by anybody, me included */
	int64		count;			/* uses by other sessions */
	int64		own_count;		/* uses by this session */
	double		rate;			/* uses per second over the last minute (over
								 * the time since first use if that is
								 * shorter), this session's left out */
	int64		longest_pause;	/* microseconds between two uses; 0 when fewer
								 * than two */
	TimestampTz last_aimed;		/* last aimed use by another session */
	int64		aimed_count;	/* aimed uses by other sessions */
	TimestampTz last_write;		/* tables: last INSERT, UPDATE, DELETE or
								 * MERGE, by another session */
	int64		write_count;
	int64		excused;		/* executions under EXPLAIN ANALYZE, probes of
								 * an ON CONFLICT that names no index: they
								 * raise idx_scan, but are no uses */
	int			statements;		/* distinct statements known */
	int64		other_services; /* uses by services that found no slot */
	GuardNames	names;			/* of uses of all kinds */
} GuardCapturedUse;

typedef struct GuardCapturedStatement
{
	Oid			relation;		/* or the root of which that is a member */
	int64		queryid;
	uint64		fkey;			/* of a check, or a need */
	Oid			userid;			/* role that executed it last */
	TimestampTz first;
	TimestampTz last;
	int64		count;
	int64		longest_run;	/* so often it ran between two of them */
	uint32		own_settings;	/* guard_settings_own() of all executions; 0:
								 * the server's, or of several */
} GuardCapturedStatement;

typedef struct GuardCapturedService
{
	Oid			relation;
	char		service[GUARD_SERVICE_LEN];
	char		version[GUARD_VERSION_LEN]; /* "" when none */
	Oid			userid;			/* role and process that used it last */
	int			pid;
	TimestampTz first;
	TimestampTz last;
	int64		count;
	GuardUseKind kind;			/* of what it made */
	Oid			login;			/* the login role of all who did; InvalidOid:
								 * of several */
	int64		transactions;	/* in which it did, or more */
	bool		mine;			/* only this session has used it under this
								 * name */
} GuardCapturedService;

typedef struct GuardCaptureStatus
{
	bool		available;		/* preloaded, tables attached */
	TimestampTz since;			/* since when every session of this database
								 * has been captured without a break; 0 when
								 * that is not so now */
	int			sessions_off;	/* that are not captured now */
	TimestampTz resumed_at;		/* the last of them ended; 0 = never */
	int			relations_used; /* records in use, of relations_max */
	int			relations_max;
	int			relations_here; /* of this database */
	int			guaranteed;		/* to this database */
	bool		has_room;		/* for one more of this database */
	TimestampTz last_loss;		/* a relation of this database found no room;
								 * 0 = none did within the look-back */
	int			statements_used;
	int64		statements_evicted;
	int			services_used;
	int			services_max;
} GuardCaptureStatus;

/* called by guard.c */
extern void guard_capture_init(void);

/* called by hooks: while depth > 0, executions belong to an EXPLAIN */
extern void guard_capture_enter_explain(void);
extern void guard_capture_leave_explain(void);
extern bool guard_capture_in_explain(void);

/*
 * Called by evidence and api.
 *
 * Lookup returns false where there is no record.  That means "not used" only
 * if use->unreadable is not set, status says so, available and since set,
 * nothing of it was lost, and there is nothing in history, which keeps what
 * made room.  lost() is when its use was last not recorded, 0 = never, as far
 * as it matters.  lookup() is about all uses but checks and needs, of which checks() is a
 * list, of GuardCapturedUse *.  The lists are of palloc'd structs.  They leave out what was lost: an empty list of
 * services, or other_services > 0, does not mean that nobody else used it.
 * "unreadable" may be NULL, and is set where the services could not be read.
 */
extern bool guard_capture_available(void);
extern void guard_capture_status(GuardCaptureStatus *status);
extern bool guard_capture_lookup(Oid relation, GuardCapturedUse *use);
extern List *guard_capture_checks(Oid relation);
extern TimestampTz guard_capture_lost(Oid relation);

/*
 * Of GuardCapturedUse *, this database, that of checks after the other of the
 * same relation; "roots" also of partitioned indexes,
 * which are there for their statements only.
 */
extern List *guard_capture_relations(bool roots);

/*
 * The statements of some relations; where these are indexes of partitions, of
 * all partitions, once.  *uses, if not NULL, is for how many uses they are to
 * account: fewer mean that some are lost; -1: nothing is known of any.
 */
extern List *guard_capture_statements(List *relations, int64 *uses);
extern List *guard_capture_services(Oid relation, bool *unreadable);

/*
 * History has written down what a record held when it had this count: an idle
 * one may now make room.
 */
extern void guard_capture_saved(Oid relation, int64 count);

/*
 * The table of relations is nearly full: is it time to look for records of what
 * is not there any more?  Looking means reading all of them, so the answer is
 * yes once a minute in a database.
 */
extern bool guard_capture_wants_purge(void);

/*
 * The relation is gone (at commit of its drop), or the whole database.  Its
 * statements may stay for those who ask what has taken its place.
 */
extern void guard_capture_forget(Oid relation, bool statements);
extern void guard_capture_forget_database(Oid database);

/* at commit, if it comes to that, this database is guaranteed nothing more */
extern void guard_capture_extension_goes(void);

#endif							/* GUARD_CAPTURE_H */
