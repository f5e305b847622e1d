/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  What PostgreSQL's catalogs say of tables, indexes and partitions.
 *
 * Lists are read from the catalogs by hand.  RelationGetIndexList() needs the
 * table to be open, and so locked; find_inheritance_children() raises an error
 * for a parent that has vanished.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"

#include "store/store.h"

/*
 * The fixed part of a row; see store.h.
 */
bool
guard_catalog_copy_form(int cache, Oid oid, void *form, Size size)
{
	HeapTuple	tuple = SearchSysCache1(cache, ObjectIdGetDatum(oid));

	memset(form, 0, size);
	if (!HeapTupleIsValid(tuple))
		return false;
	memcpy(form, GETSTRUCT(tuple), Min(size, tuple->t_len - tuple->t_data->t_hoff));
	ReleaseSysCache(tuple);
	return true;
}

/*
 * Is there a relation with this OID?
 */
bool
guard_catalog_exists(Oid relation)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation));
}

/*
 * Is it an index, partitioned ones included?
 */
bool
guard_catalog_is_index(Oid relation)
{
	char		relkind = get_rel_relkind(relation);

	return relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX;
}

/*
 * Is it something that statements address by name, and that lasts?
 */
bool
guard_catalog_bears_name(Oid relation)
{
	FormData_pg_class form;

	return guard_catalog_form(RELOID, relation, &form) &&
		form.relpersistence != RELPERSISTENCE_TEMP &&
		(form.relkind == RELKIND_RELATION || form.relkind == RELKIND_MATVIEW ||
		 form.relkind == RELKIND_PARTITIONED_TABLE || form.relkind == RELKIND_VIEW);
}

/*
 * Is it in some session's pg_temp?
 */
static bool
is_temporary(const ObjectAddress *object)
{
	AttrNumber	attnum = is_objectclass_supported(object->classId) ?
		get_object_attnum_namespace(object->classId) : InvalidAttrNumber;
	GuardRows  *rows;
	bool		temporary;

	if (object->classId == RelationRelationId)
		return isAnyTempNamespace(get_rel_namespace(object->objectId));
	if (attnum == InvalidAttrNumber)
		return false;
	rows = guard_rows_of_catalog(object->classId, get_object_oid_index(object->classId),
								 P_OID(object->objectId));
	temporary = guard_rows_next(rows) && isAnyTempNamespace(guard_rows_oid(rows, attnum));
	guard_rows_end(rows);
	return temporary;
}

/*
 * Once each; what came with PostgreSQL is nobody's to drop.
 */
static void
add_object(List **seen, Oid classid, Oid object, int32 subid)
{
	ObjectAddress *added;

	if (object < FirstNormalObjectId)
		return;
	foreach_ptr(const ObjectAddress, other, *seen)
	{
		if (other->objectId == object && other->classId == classid &&
			other->objectSubId == subid)
			return;
	}
	added = palloc(sizeof(ObjectAddress));
	ObjectAddressSubSet(*added, classid, object, subid);
	*seen = lappend(*seen, added);
}

/*
 * What an object depends on, beside what came with PostgreSQL: a list of
 * ObjectAddress *, each of them once in "seen".
 */
static void
add_referenced(List **seen, const ObjectAddress *object)
{
	GuardRows  *rows = guard_rows_of_catalog(DependRelationId, DependDependerIndexId,
											 P_OID(object->classId), P_OID(object->objectId),
											 P_INT4(object->objectSubId));

	while (guard_rows_next(rows))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(rows->tuple);

		add_object(seen, form->refclassid, form->refobjid, form->refobjsubid);
	}
}

/*
 * An index goes with what it depends on, and whatever that depends on: the types
 * of its columns and theirs, the table as a whole.
 */
bool
guard_catalog_hangs_on_temporary(Oid index)
{
	List	   *seen = NIL;

	add_object(&seen, RelationRelationId, index, 0);
	add_object(&seen, RelationRelationId, guard_catalog_table(index), 0);
	for (int i = 0; i < list_length(seen); i++)
	{
		const ObjectAddress *object = list_nth(seen, i);

		if (is_temporary(object))
			return true;
		add_referenced(&seen, object);
	}
	list_free_deep(seen);
	return false;
}

bool
guard_catalog_has_temporary(void)
{
	Oid			schema;
	Oid			toast;

	GetTempNamespaceState(&schema, &toast);
	return OidIsValid(schema);
}

/*
 * The table of an index; InvalidOid when it is none, or not there.
 */
Oid
guard_catalog_table(Oid index)
{
	return IndexGetRelation(index, true);
}

/*
 * Who owns a relation; InvalidOid where it is not there.
 */
Oid
guard_catalog_owner(Oid relation)
{
	FormData_pg_class form;

	(void) guard_catalog_form(RELOID, relation, &form);
	return form.relowner;
}

/*
 * Is there a valid index with this OID?
 */
bool
guard_catalog_is_valid(Oid index)
{
	FormData_pg_index form;

	return guard_catalog_form(INDEXRELID, index, &form) && form.indisvalid;
}

/*
 * The indexes of a table.
 */
List *
guard_catalog_indexes(Oid table)
{
	return guard_rows_oids(guard_rows_of_catalog(IndexRelationId, IndexIndrelidIndexId,
												 P_OID(table)),
						   Anum_pg_index_indexrelid);
}

/*
 * What is attached directly to a table or an index.
 */
List *
guard_catalog_children(Oid parent)
{
	GuardRows  *rows = guard_rows_of_catalog(InheritsRelationId, InheritsParentIndexId,
											 P_OID(parent));
	List	   *children = NIL;

	while (guard_rows_next(rows))
	{
		if (!guard_rows_bool(rows, Anum_pg_inherits_inhdetachpending))
			children = lappend_oid(children, guard_rows_oid(rows, Anum_pg_inherits_inhrelid));
	}
	return children;
}

/*
 * What a table is a partition of, or inherits from first.
 */
Oid
guard_catalog_parent(Oid table)
{
	List	   *parents = guard_catalog_parents(table);

	return parents == NIL ? InvalidOid : linitial_oid(parents);
}

/*
 * The same, all of them in their order.
 */
List *
guard_catalog_parents(Oid table)
{
	return guard_rows_oids(guard_rows_of_catalog(InheritsRelationId, InheritsRelidSeqnoIndexId,
												 P_OID(table)),
						   Anum_pg_inherits_inhparent);
}

/*
 * The bounds of a partition; NULL: it is none.
 */
char *
guard_catalog_bound(Oid partition)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(partition));
	Datum		bound;
	bool		isnull;
	char	   *tree;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	bound = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);
	tree = isnull ? NULL : TextDatumGetCString(bound);
	ReleaseSysCache(tuple);
	return tree;
}

/*
 * The names of a table's columns.
 */
char	  **
guard_catalog_columns(Oid table, int *ncolumns)
{
	FormData_pg_class form;
	char	  **names;

	(void) guard_catalog_form(RELOID, table, &form);
	*ncolumns = form.relnatts;
	names = palloc0(sizeof(char *) * (*ncolumns + 1));
	for (int i = 0; i < *ncolumns; i++)
		names[i] = get_attname(table, i + 1, true);
	return names;
}

/*
 * The index of a table that bears a name.
 */
Oid
guard_catalog_index_named(Oid table, const char *name)
{
	Oid			schema = get_rel_namespace(table);
	Oid			index = OidIsValid(schema) ? get_relname_relid(name, schema) :
		InvalidOid;

	return OidIsValid(index) && guard_catalog_table(index) == table ? index :
		InvalidOid;
}

/*
 * A relation and all that it is a partition of.
 */
List *
guard_catalog_lineage(Oid relation)
{
	List	   *lineage = list_make1_oid(relation);

	return get_rel_relispartition(relation) ?
		list_concat(lineage, get_partition_ancestors(relation)) : lineage;
}

/*
 * Schema and name, qualified and quoted.
 */
char *
guard_catalog_name(Oid relation)
{
	char	   *name = get_rel_name(relation);
	char	   *schema = name == NULL ? NULL :
		get_namespace_name(get_rel_namespace(relation));

	return schema == NULL ? NULL : quote_qualified_identifier(schema, name);
}
