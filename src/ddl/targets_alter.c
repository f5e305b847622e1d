/*-------------------------------------------------------------------------
 *
 * targets_alter.c
 *	  What do the subcommands of an ALTER TABLE drop?
 *
 * DROP CONSTRAINT and DROP COLUMN, alone or among other subcommands.  What
 * decides whether the statement is refused is taken from tablecmds.c:
 * RangeVarCallbackForAlterRelation, ATExecDropConstraint and
 * ATExecDropColumn, without their locks.
 *
 * PostgreSQL executes all drops of a statement before anything else, so the
 * other subcommands cannot change what the dropped names mean.
 *
 * DROP CONSTRAINT is not followed to inheritance children: only CHECK and NOT
 * NULL constraints are inherited, which have no index.  A partition's
 * constraint hangs on its parent's in pg_depend.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_constraint.h"

#include "ddl/targets.h"
#include "store/store.h"

/* How many parents of an inheritance child lose the column. */
typedef struct ChildTable
{
	Oid			table;			/* hash key */
	int			losing_parents;
} ChildTable;

bool
guard_targets_alter_known(AlterTableStmt *stmt)
{
	return stmt->objtype == OBJECT_TABLE ||
		stmt->objtype == OBJECT_FOREIGN_TABLE;
}

/*
 * ALTER TABLE works on foreign tables, too, and these can have inheritance
 * children with indexes.  Views have no constraints and drop no columns.
 */
static bool
is_alterable(AlterTableStmt *stmt, Form_pg_class form, Oid role)
{
	switch (form->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			if (stmt->objtype != OBJECT_TABLE)
				return false;
			break;
		case RELKIND_FOREIGN_TABLE:
			break;
		default:
			return false;
	}
	return guard_roots_is_owner(role, form->relowner);
}

/*
 * The table that the statement alters; InvalidOid when there is none, or none
 * that the role may alter this way.
 */
static Oid
find_table(AlterTableStmt *stmt, Oid role)
{
	FormData_pg_class form;
	Oid			relid = RangeVarGetRelidExtended(stmt->relation, NoLock, RVR_MISSING_OK,
												 NULL, NULL);

	return guard_catalog_form(RELOID, relid, &form) && is_alterable(stmt, &form, role) ?
		relid : InvalidOid;
}

/* True also for one that has vanished: nothing to be dropped either way. */
static bool
is_inherited_constraint(Oid constraint)
{
	FormData_pg_constraint form;

	return !guard_catalog_form(CONSTROID, constraint, &form) || form.coninhcount > 0;
}

/*
 * Append the constraint that the subcommand drops.  Returns false when
 * PostgreSQL will refuse it.
 */
static bool
add_constraint(List **roots, Oid table, AlterTableCmd *cmd)
{
	Oid			constraint;

	constraint = get_relation_constraint_oid(table, cmd->name, true);
	if (!OidIsValid(constraint))
		return cmd->missing_ok;
	if (is_inherited_constraint(constraint))
		return false;

	*roots = lappend(*roots,
					 guard_roots_make(ConstraintRelationId, constraint, 0,
									  GUARD_ROUTE_CONSTRAINT, cmd->name));
	return true;
}

/* A table made by CREATE TABLE ... OF, whose columns are its type's? */
static bool
is_typed(Oid table)
{
	FormData_pg_class form;

	return guard_catalog_form(RELOID, table, &form) && OidIsValid(form.reloftype);
}

/* The fixed part of a column's pg_attribute row; false when there is none. */
static bool
read_column(Oid table, const char *column, FormData_pg_attribute *att)
{
	HeapTuple	tuple = SearchSysCacheAttName(table, column);

	if (!HeapTupleIsValid(tuple))
		return false;
	memcpy(att, GETSTRUCT(tuple), ATTRIBUTE_FIXED_PART_SIZE);
	ReleaseSysCache(tuple);

	return true;
}

/*
 * Owners are compared directly, because object_ownercheck() raises an error
 * for a table that has vanished.
 */
static bool
owns_table(Oid table, Oid role)
{
	Oid			owner = guard_catalog_owner(table);

	return OidIsValid(owner) && guard_roots_is_owner(role, owner);
}

/* Returns false when the column has vanished meanwhile. */
static bool
add_column_root(List **roots, Oid table, const char *column)
{
	FormData_pg_attribute att;

	if (!read_column(table, column, &att))
		return false;
	*roots = lappend(*roots,
					 guard_roots_make(RelationRelationId, table, att.attnum,
									  GUARD_ROUTE_COLUMN, column));
	return true;
}

/*
 * Count the loss of a table's column in its children; returns those that
 * thereby lose their own.
 */
static List *
find_losing_children(HTAB *children, Oid table, const char *column)
{
	List	   *losing = NIL;

	foreach_oid(child, guard_catalog_children(table))
	{
		FormData_pg_attribute att;
		bool		found;
		ChildTable *entry = hash_search(children, &child, HASH_ENTER, &found);

		if (!found)
			entry->losing_parents = 0;
		entry->losing_parents++;

		if (read_column(child, column, &att) && !att.attislocal &&
			att.attinhcount == entry->losing_parents)
			losing = lappend_oid(losing, child);
	}
	return losing;
}

/*
 * Append the column of a table and of all its descendants that have it from
 * nowhere else: a child keeps a column that it defines itself, or inherits
 * from a parent that keeps it.  Parents are counted down one by one, as
 * ATExecDropColumn does with attinhcount, so that a child of two tables that
 * both lose the column loses it, too.
 */
static bool
add_columns_below(List **roots, Oid table, const char *column, Oid role)
{
	List	   *agenda = list_make1_oid(table);
	HTAB	   *children = guard_hash_make("guard inheritance children", sizeof(Oid),
										   sizeof(ChildTable), CurrentMemoryContext);

	/* the agenda grows meanwhile, see follow_agenda() */
	foreach_oid(current, agenda)
	{
		/* the owner of a parent need not own the children */
		if (!owns_table(current, role) || !add_column_root(roots, current, column))
			return false;
		agenda = list_concat(agenda,
							 find_losing_children(children, current, column));
	}
	hash_destroy(children);
	list_free(agenda);

	return true;
}

/* ONLY is refused for a partitioned table that has partitions. */
static bool
may_stay_alone(Oid table)
{
	return get_rel_relkind(table) != RELKIND_PARTITIONED_TABLE ||
		guard_catalog_children(table) == NIL;
}

/*
 * Append the column that the subcommand drops, with the children's columns
 * that go with it.  Returns false when PostgreSQL will refuse it: an inherited
 * column, a typed table, a partitioned table without its partitions.
 */
static bool
add_column(List **roots, Oid table, AlterTableCmd *cmd, bool recurse, Oid role)
{
	FormData_pg_attribute att;

	if (is_typed(table))
		return false;
	if (!read_column(table, cmd->name, &att))
		return cmd->missing_ok;
	if (att.attnum <= 0 || att.attinhcount > 0)
		return false;

	if (recurse)
		return add_columns_below(roots, table, cmd->name, role);
	return may_stay_alone(table) && add_column_root(roots, table, cmd->name);
}

/*
 * Constraints come first, so that an index that a named constraint and a
 * dropped column both take along goes as the constraint's.
 */
List *
guard_targets_alter_roots(AlterTableStmt *stmt, Oid role)
{
	List	   *roots = NIL;
	Oid			table;

	table = find_table(stmt, role);
	if (!OidIsValid(table))
		return NIL;

	foreach_ptr(AlterTableCmd, cmd, stmt->cmds)
	{
		if (cmd->subtype == AT_DropConstraint &&
			!add_constraint(&roots, table, cmd))
			return NIL;
	}
	foreach_ptr(AlterTableCmd, cmd, stmt->cmds)
	{
		if (cmd->subtype == AT_DropColumn &&
			!add_column(&roots, table, cmd, stmt->relation->inh, role))
			return NIL;
	}
	return roots;
}

static bool
constraint_has_index(Node *node)
{
	if (!IsA(node, Constraint))
		return false;

	switch (((Constraint *) node)->contype)
	{
		case CONSTR_PRIMARY:
		case CONSTR_UNIQUE:
		case CONSTR_EXCLUSION:
			return true;
		default:
			return false;
	}
}

/*
 * Adding a column or a constraint counts only where an index comes with it;
 * after parse analysis that is a subcommand of its own.
 */
static bool
adds_index(AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_AddIndex:
		case AT_AddIndexConstraint:
			return true;
		case AT_AddConstraint:
			return constraint_has_index(cmd->def);
		case AT_AddColumn:
			foreach_ptr(Node, constraint, castNode(ColumnDef, cmd->def)->constraints)
			{
				if (constraint_has_index(constraint))
					return true;
			}
			return false;
		default:
			return false;
	}
}

bool
guard_targets_alter_adds(AlterTableStmt *stmt)
{
	foreach_ptr(AlterTableCmd, cmd, stmt->cmds)
	{
		if (adds_index(cmd))
			return true;
	}
	return false;
}

bool
guard_targets_alter_cascades(AlterTableStmt *stmt)
{
	foreach_ptr(AlterTableCmd, cmd, stmt->cmds)
	{
		if ((cmd->subtype == AT_DropConstraint ||
			 cmd->subtype == AT_DropColumn) &&
			cmd->behavior == DROP_CASCADE)
			return true;
	}
	return false;
}
