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

#include "policy/check.h"

#include "policy/check.h"

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
 * May the current user see what guard knows of this table's indexes?  Its
 * owner may, and members of pg_read_all_stats.
 */
extern bool guard_api_may_see(Oid table);

/* Statement texts are shown to members of pg_read_all_stats only. */
extern bool guard_api_may_see_texts(void);

/*
 * Is it an index or a table that can be registered, and does it belong to the
 * caller?  EXECUTE alone is not enough: a grantee looks after his own tables.
 */
extern void guard_api_require_ownership(Oid object);

/*
 * Judge every index that is nobody's partition and that the caller may see,
 * and hand each judgement to "put".  It lives until that returns.
 */
typedef void (*guard_api_put) (GuardJudgement *judgement, void *arg);
extern void guard_api_each_index(guard_api_put put, void *arg);

/*
 * Name of an index or table for the audit log, qualified and quoted.
 */
extern char *guard_api_name(Oid object);

#endif							/* GUARD_API_H */
