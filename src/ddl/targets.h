/*-------------------------------------------------------------------------
 *
 * targets.h
 *	  Which indexes would this statement remove?
 *
 * A target is an index that a statement would take away, with the route it
 * would go.  Targets are found from the parse tree before the statement has
 * taken any lock, and without waiting for one (doc/internals/postgresql.md
 * 1.4, 1.5): names are resolved with NoLock, the rest is read from the
 * catalogs.  What cannot be told that way is left to the object_access
 * backstop.
 *
 * A partitioned index is one target; its partitions' indexes are its members
 * and are judged one by one.  An index never is a target twice, and never a
 * target and a member; where a statement reaches it by several ways, what the
 * statement names wins over what goes along.
 *
 * Left to the backstop: DROP SCHEMA, OWNED, TYPE, EXTENSION and their like,
 * and ALTER TYPE ... DROP ATTRIBUTE ... CASCADE, which drops a column of typed
 * tables.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_TARGETS_H
#define GUARD_TARGETS_H

#include "catalog/objectaddress.h"
#include "nodes/parsenodes.h"

#include "ground.h"

typedef enum GuardRoute
{
	GUARD_ROUTE_INDEX,			/* DROP INDEX names it */
	GUARD_ROUTE_CONSTRAINT,		/* DROP CONSTRAINT names its constraint */
	GUARD_ROUTE_COLUMN,			/* goes with a dropped column */
	GUARD_ROUTE_TABLE,			/* goes with a table or materialized view that
								 * is named, or with a partition or
								 * inheritance child of one */
	GUARD_ROUTE_CASCADE			/* goes with something that CASCADE takes
								 * along: a generated column, a dependent
								 * materialized view */
} GuardRoute;

typedef struct GuardTarget
{
	Oid			index;
	Oid			table;			/* its table (pg_index.indrelid) */
	GuardRoute	route;
	char	   *through;		/* what the statement names and what takes it
								 * along: a constraint, column or relation,
								 * without schema; NULL for DROP INDEX */
	bool		table_goes;		/* its table goes as well: always for a TABLE
								 * route, for another route known only where
								 * guard_targets_collect found the target */
	List	   *members;		/* OIDs of the leaf indexes that go with a
								 * partitioned index (NIL when it has none),
								 * else only itself */
	const char *no_delay;		/* why this drop cannot be carried out in
								 * stages, as a clause; set to NULL by a door
								 * that can do so */
	List	   *keys;			/* OIDs of the constraints that go with the
								 * same statement, shared by its targets */
	bool		stays;			/* it does not go, but its table's name leads
								 * to something else, */
	bool		former;			/* or one that the table had before that */
	bool		if_exists;		/* DROP INDEX IF EXISTS names it */
	const char *asked_by;		/* the login role that wants it to go; NULL:
								 * this session's */
} GuardTarget;

typedef struct GuardTargets
{
	List	   *targets;		/* of GuardTarget * */
	bool		concurrent;		/* DROP INDEX CONCURRENTLY */
	bool		adds;			/* the same ALTER TABLE adds an index, alone,
								 * with a constraint or with a column: a
								 * replacement may come with it */
} GuardTargets;

/*
 * The targets of a statement, in the current memory context; NULL when it is
 * not of a kind that is resolved here.  The tree may be raw or analyzed, and
 * is not changed.
 *
 * A statement that PostgreSQL itself will refuse has no targets, not even for
 * those of its names that it could have dropped: an object that does not exist
 * without IF EXISTS, is of the wrong kind, belongs to another role or to
 * something that stays.  PostgreSQL's own error follows, and guard tells
 * nothing to somebody who could not drop the index anyway
 * (doc/internals/postgresql.md 1.5).  Not looked for is whether RESTRICT will
 * refuse.
 *
 * Takes no lock on anything but the system catalogs that it reads.  May raise
 * only what PostgreSQL would raise for the names itself: no right to use a
 * schema, another database's name.
 */
extern GuardTargets *guard_targets_collect(Node *parsetree);

/*
 * Is this index one that guard judges at all?  No: indexes of temporary,
 * toast and catalog relations, of guard's own tables, and of members of the
 * extension whose script is running.  False also when it has vanished.  For
 * indexes of either kind, 'i' and 'I'.
 */
extern bool guard_targets_eligible(Oid index);

/* The same for all the indexes that a table has or will have. */
extern bool guard_targets_eligible_table(Oid table);

/* A target for one index, with its members; NULL when not eligible. */
extern GuardTarget *guard_targets_make(Oid index, GuardRoute route,
									   const char *through);

/* Leaf indexes below a partitioned index; for another index, itself. */
extern List *guard_targets_leaves(Oid index);

/*
 * Every eligible index of a table as targets; with recurse, also the indexes
 * that only its partitions have, at any depth.  (A partition's index that is
 * attached to one of the table's is a member of that one's target.  When the
 * table is a partition itself, its own attached indexes are listed.)  For
 * guard.check on a table and guard.indexes.
 */
extern List *guard_targets_of_table(Oid table, GuardRoute route, bool recurse);

/* ----------------------------------------------------------------
 *		What a statement names for removal, and what goes along with it.
 *
 * Private to ddl/.  Vocabulary:
 *
 * root		an object that the statement itself removes: an index, a
 *			constraint, a column, a relation.  The column that DROP COLUMN
 *			takes from an inheritance child is a root as well, because
 *			PostgreSQL lists it, too, before it looks at dependencies.
 * owner		what a root is a part of, and cannot be dropped without: the
 *			constraint of an index, the parent of an attached index, the
 *			extension of a table.
 *
 * targets_alter.c turns an ALTER TABLE into roots, roots.c turns roots into
 * targets, targets.c is the door.
 * ----------------------------------------------------------------
 */

typedef struct GuardRoot
{
	ObjectAddress object;
	GuardRoute	route;			/* of an index that goes with it */
	char	   *name;			/* as the statement's author knows it */
} GuardRoot;

/*
 * The roots of a statement, of GuardRoot *.  NIL when there are none or when
 * PostgreSQL will refuse the statement when "role" runs it; InvalidOid stands
 * for somebody who owns everything.  No lock is taken.
 */
extern List *guard_targets_alter_roots(AlterTableStmt *stmt, Oid role);

/* Does ALTER of this kind of object have its roots found here? */
extern bool guard_targets_alter_known(AlterTableStmt *stmt);

/* Does the ALTER TABLE add an index? */
extern bool guard_targets_alter_adds(AlterTableStmt *stmt);

/* Does any of its subcommands say CASCADE? */
extern bool guard_targets_alter_cascades(AlterTableStmt *stmt);

/* Has the role the rights of this owner? */
extern bool guard_roots_is_owner(Oid role, Oid owner);

/* One root, in the current memory context; the name is copied. */
extern GuardRoot *guard_roots_make(Oid classid, Oid objectid, int subid,
								   GuardRoute route, const char *name);

/*
 * The eligible indexes that go when all of the roots are dropped in one go,
 * as targets; NIL when PostgreSQL will refuse because a root is part of
 * something that stays.
 */
extern List *guard_roots_targets(List *roots, bool cascade);

#endif							/* GUARD_TARGETS_H */
