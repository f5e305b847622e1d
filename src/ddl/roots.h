/*-------------------------------------------------------------------------
 *
 * roots.h
 *	  What a statement names for removal, and what goes along with it.
 *
 * Private to ddl/.  Vocabulary:
 *
 *	root		an object that the statement itself removes: an index, a
 *				constraint, a column, a relation.  The column that DROP COLUMN
 *				takes from an inheritance child is a root as well, because
 *				PostgreSQL lists it, too, before it looks at dependencies.
 *	owner		what a root is a part of, and cannot be dropped without: the
 *				constraint of an index, the parent of an attached index, the
 *				extension of a table.
 *
 * targets_drop.c and targets_alter.c turn a statement into roots, roots.c
 * turns roots into targets, targets.c is the door.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_ROOTS_H
#define GUARD_ROOTS_H

#include "catalog/objectaddress.h"

#include "ddl/targets.h"

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
extern List *guard_targets_drop_roots(DropStmt *stmt, Oid role);
extern List *guard_targets_alter_roots(AlterTableStmt *stmt, Oid role);

/* Does DROP of this kind of object have its roots found here? */
extern bool guard_targets_drop_known(DropStmt *stmt);

/* The same for ALTER. */
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

#endif							/* GUARD_ROOTS_H */
