/*-------------------------------------------------------------------------
 *
 * api.h
 *	  What the SQL functions share.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_API_H
#define GUARD_API_H

#include "nodes/execnodes.h"

#include "policy/check.h"
#include "store/store.h"

/* ---- arguments ---- */

/*
 * The first argument, an OID; "what" names it where it is null, which is
 * refused.
 */
extern Oid	guard_api_object(FunctionCallInfo fcinfo, const char *what);

/* An argument without blanks around it; NULL where nothing is left, or null. */
extern char *guard_api_text(FunctionCallInfo fcinfo, int n);

/* A reason as it is given; one that says nothing is refused with a hint. */
extern char *guard_api_reason(FunctionCallInfo fcinfo, int n, const char *hint);

/* ---- who may, and what ---- */

/*
 * May the current user see what guard knows of this table's indexes?  Its
 * owner may, and members of pg_read_all_stats.  Texts of statements are shown
 * to the latter only.
 */
extern bool guard_api_may_see(Oid table);
extern bool guard_api_may_see_texts(void);

/* Refuse whoever may not see, of an index or a table that is there. */
extern void guard_api_require_sight(Oid object);

/* Refuse what is no index. */
extern void guard_api_require_index(Oid object);

/*
 * Is it an index or a table that can be registered, and does it belong to the
 * caller?  EXECUTE alone is not enough: a grantee looks after his own tables.
 * Returns the table.
 */
extern Oid	guard_api_require_ownership(Oid object);

/* ---- what is judged ---- */

/*
 * Targets of an object given by a person: an index, or a table for all of its
 * indexes.  Raises an error for anything else.  Each is judged as if it were
 * dropped by name.
 */
extern List *guard_api_targets(Oid object);

/*
 * One index as a target, by the route by which a person would drop it; NULL
 * when guard does not judge it.
 */
extern GuardTarget *guard_api_target(Oid index);

/*
 * Hand all indexes of each table and its partitions to "put": a list of OIDs.  What
 * that leaves behind in the current memory context is freed when it returns.
 */
typedef void (*guard_api_put) (List *indexes, const GuardServer *server,
							   ReturnSetInfo *rsinfo);
extern void guard_api_each_table(guard_api_put put, ReturnSetInfo *rsinfo);

/* the services of guard.dependencies, as JSON; NULL: there are none */
extern char *guard_api_services(const GuardJudgement *judgement);

/* ---- results ---- */

/*
 * void guard_api_row(rsinfo, columns ...)
 *
 * One more row of a result of InitMaterializedSRF(): as many values as it has
 * columns, of their types (store/store.h).
 */
#define guard_api_row(rsinfo, ...) \
	guard_api_row_params(rsinfo, GUARD_PARAMS(__VA_ARGS__))

/* What that calls. */
extern void guard_api_row_params(ReturnSetInfo *rsinfo,
								 const GuardParam *params, int nparams);

#endif							/* GUARD_API_H */
