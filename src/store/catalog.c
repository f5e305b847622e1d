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

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "store/store.h"

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
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Form_pg_class form;
	bool		bears;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	bears = form->relpersistence != RELPERSISTENCE_TEMP &&
		(form->relkind == RELKIND_RELATION || form->relkind == RELKIND_MATVIEW ||
		 form->relkind == RELKIND_PARTITIONED_TABLE || form->relkind == RELKIND_VIEW);
	ReleaseSysCache(tuple);
	return bears;
}

/*
 * Is it in some session's pg_temp?
 */
static bool
is_temporary(const ObjectAddress *object)
{
	AttrNumber	attnum = is_objectclass_supported(object->classId) ?
		get_object_attnum_namespace(object->classId) : InvalidAttrNumber;
	Oid			schema = InvalidOid;
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	if (object->classId == RelationRelationId)
		return isAnyTempNamespace(get_rel_namespace(object->objectId));
	if (attnum == InvalidAttrNumber)
		return false;
	rel = table_open(object->classId, AccessShareLock);
	ScanKeyInit(&key, get_object_attnum_oid(object->classId), BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(object->objectId));
	scan = systable_beginscan(rel, get_object_oid_index(object->classId), true, NULL, 1,
							  &key);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
		schema = DatumGetObjectId(heap_getattr(tuple, attnum, RelationGetDescr(rel), &isnull));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return isAnyTempNamespace(schema);
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
	Relation	rel = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(object->classId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(object->objectId));
	ScanKeyInit(&keys[2], Anum_pg_depend_objsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(object->objectSubId));
	scan = systable_beginscan(rel, DependDependerIndexId, true, NULL, 3, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		add_object(seen, form->refclassid, form->refobjid, form->refobjsubid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
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
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/*
 * Is there a valid index with this OID?
 */
bool
guard_catalog_is_valid(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		return false;
	valid = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	ReleaseSysCache(tuple);
	return valid;
}

/*
 * Those rows of a catalog whose column "attnum" is "key", and that "take" gives
 * an OID for.
 */
static List *
scan_catalog(Oid catalog, Oid catalog_index, int attnum, Oid key,
			 Oid (*take) (HeapTuple tuple))
{
	List	   *found = NIL;
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&skey, attnum, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(key));
	scan = systable_beginscan(rel, catalog_index, true, NULL, 1, &skey);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			oid = take(tuple);

		if (OidIsValid(oid))
			found = lappend_oid(found, oid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

static Oid
take_index(HeapTuple tuple)
{
	return ((Form_pg_index) GETSTRUCT(tuple))->indexrelid;
}

static Oid
take_child(HeapTuple tuple)
{
	Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT(tuple);

	return form->inhdetachpending ? InvalidOid : form->inhrelid;
}

static Oid
take_parent(HeapTuple tuple)
{
	return ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;
}

/*
 * The indexes of a table.
 */
List *
guard_catalog_indexes(Oid table)
{
	return scan_catalog(IndexRelationId, IndexIndrelidIndexId,
						Anum_pg_index_indrelid, table, take_index);
}

/*
 * What is attached directly to a table or an index.
 */
List *
guard_catalog_children(Oid parent)
{
	return scan_catalog(InheritsRelationId, InheritsParentIndexId,
						Anum_pg_inherits_inhparent, parent, take_child);
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
	return scan_catalog(InheritsRelationId, InheritsRelidSeqnoIndexId,
						Anum_pg_inherits_inhrelid, table, take_parent);
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
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	char	  **names;

	*ncolumns = 0;
	if (HeapTupleIsValid(tuple))
	{
		*ncolumns = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
		ReleaseSysCache(tuple);
	}
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
