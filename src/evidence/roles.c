/*-------------------------------------------------------------------------
 *
 * roles.c
 *	  What an index is good for besides being scanned.
 *
 * What statements need it for has a room of its own.  Here is what its table is,
 * and whether a foreign key is supported by it when a referenced row is deleted,
 * as the system catalogs say.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"

#include "evidence/needs/needs.h"
#include "evidence/evidence.h"
#include "store/store.h"

/* Position of a column, -1 when it is not there (an expression never is). */
static int
find_column(const AttrNumber *columns, int ncolumns, AttrNumber column)
{
	for (int i = 0; i < ncolumns; i++)
	{
		if (columns[i] == column)
			return i;
	}

	return -1;
}

/*
 * Can an index with this operator family search by "referenced operator
 * referencing"?  The index holds the right-hand side.
 */
static bool
in_family(Oid operator, Oid opfamily)
{
	Oid			commutator = get_commutator(operator);

	return OidIsValid(commutator) && op_in_opfamily(commutator, opfamily);
}

/* "column IS NOT NULL"; of a column that has vanished, nothing is implied. */
static Node *
make_not_null(Oid table, AttrNumber column)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(table),
										Int16GetDatum(column));
	Form_pg_attribute form;
	NullTest   *test;

	if (!HeapTupleIsValid(tuple))
		return makeBoolConst(true, false);

	form = (Form_pg_attribute) GETSTRUCT(tuple);
	test = makeNode(NullTest);
	test->arg = (Expr *) makeVar(1, column, form->atttypid, form->atttypmod,
								 form->attcollation, 0);
	test->nulltesttype = IS_NOT_NULL;
	test->location = -1;
	ReleaseSysCache(tuple);

	return (Node *) test;
}

/*
 * Has the index an entry for every row whose leading keys are not null?  Those
 * are the rows that a foreign key looks for.
 */
static bool
holds_all_values(const GuardShape *shape, int nkeys)
{
	List	   *not_null = NIL;

	if (!shape->has_predicate)
		return true;

	for (int i = 0; i < nkeys; i++)
		not_null = lappend(not_null,
						   make_not_null(shape->table, shape->keys[i].attnum));

	return predicate_implied_by(shape->predicate, not_null, false);
}

/*
 * The same for one foreign key: its columns must be the leading keys of the
 * index, in any order, and the operators that compare them with the referenced
 * key must be known to the index.
 */
static bool
supports_constraint(const GuardShape *shape, HeapTuple tuple)
{
	int			ncolumns;
	AttrNumber	columns[INDEX_MAX_KEYS];
	AttrNumber	referenced[INDEX_MAX_KEYS];
	Oid			operators[INDEX_MAX_KEYS];
	bool		seen[INDEX_MAX_KEYS] = {false};

	DeconstructFkConstraintRow(tuple, &ncolumns, columns, referenced,
							   operators, NULL, NULL, NULL, NULL);
	if (shape->nkeys < ncolumns)
		return false;

	for (int i = 0; i < ncolumns; i++)
	{
		const GuardShapeKey *key = &shape->keys[i];
		int			column = find_column(columns, ncolumns, key->attnum);

		if (column < 0 || seen[column] ||
			!in_family(operators[column], key->opfamily))
			return false;
		seen[column] = true;
	}

	return holds_all_values(shape, ncolumns);
}

/*
 * Would a DELETE or a key UPDATE on a referenced table find the referencing
 * rows by this index?  Counted as scans if it happens; but rare, and terrible
 * without the index.
 */
static bool
supports_foreign_key(const GuardShape *shape)
{
	GuardRows  *rows = guard_rows_of_catalog(ConstraintRelationId, ConstraintRelidTypidNameIndexId,
											 P_OID(shape->table));
	bool		found = false;

	while (!found && guard_rows_next(rows))
		found = *guard_rows_text(rows, Anum_pg_constraint_contype) == CONSTRAINT_FOREIGN &&
			supports_constraint(shape, rows->tuple);
	guard_rows_end(rows);
	return found;
}

/*
 * The roles of an index.  Every false stands for "no" as well as for "has
 * vanished meanwhile".
 */
void
guard_roles_collect(const GuardShape *shape, GuardRoles *roles)
{
	FormData_pg_class form;
	Oid			parent;

	memset(roles, 0, sizeof(GuardRoles));
	if (!guard_catalog_form(RELOID, shape->table, &form))
		return;

	roles->fk_support = supports_foreign_key(shape);
	roles->subscribed = guard_needs_subscribed(shape->table);

	parent = guard_catalog_parent(shape->table);
	roles->is_matview = form.relkind == RELKIND_MATVIEW;
	roles->is_partition = form.relispartition;
	roles->is_inheritance_child = OidIsValid(parent) && !form.relispartition;
	roles->partition_parent = form.relispartition ? parent : InvalidOid;
	roles->parents = guard_catalog_parents(shape->table);
}
