/*-------------------------------------------------------------------------
 *
 * before.c
 *	  The catalogs as they were before this transaction.
 *
 * Nothing need be collected while names change: a copy of the latest snapshot
 * whose command id is the first one sees nothing that this transaction did.
 * Its own insertions are invisible to it (HeapTupleSatisfiesMVCC: cmin >=
 * curcid), its own deletions have not happened (cmax >= curcid), and what
 * others have committed meanwhile is there.  System caches know only the
 * present, so everything here is a scan, by an index.
 *
 * What is collected is which relations may have changed, a few OIDs, by
 * subtransaction.  Where that list is empty nothing here costs anything.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_rewrite.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat/list.h"
#include "store/store.h"

typedef struct Touch
{
	GuardXactItem item;
	GuardTouched kind;
	Oid			object;
} Touch;

static GuardXactList touched = GUARD_XACT_LIST_INIT(touched);

/*
 * Relations that a transaction has touched, those of subtransactions that were
 * undone among them; and how often any has.
 */
static HTAB *remembered = NULL;
static uint64 remembered_in = PG_UINT64_MAX;
static uint64 touches = 0;

/* ---- what was touched ---- */

static void
remember_relation(Oid relation)
{
	HASHCTL		info = {.keysize = sizeof(Oid), .entrysize = sizeof(Oid),
	.hcxt = TopTransactionContext};

	/* that of another transaction is gone with its memory */
	if (remembered_in != guard_xact_number())
	{
		remembered = hash_create("guard touched relations", 64, &info,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		remembered_in = guard_xact_number();
	}
	(void) hash_search(remembered, &relation, HASH_ENTER, NULL);
}

/*
 * A statement touches the same relation again and again.  Where guard is not
 * in this database nobody will ask.
 */
void
guard_before_touch(GuardTouched kind, Oid object)
{
	Touch	   *touch;

	if (!guard_store_present())
		return;
	if (!guard_xact_list_empty(&touched))
	{
		touch = dlist_container(Touch, item.node, touched.items.head.prev);
		if (touch->kind == kind && touch->object == object &&
			touch->item.subid == GetCurrentSubTransactionId())
			return;
	}
	touches++;
	if (kind == GUARD_TOUCHED_RELATION)
		remember_relation(object);
	touch = MemoryContextAlloc(TopTransactionContext, sizeof(Touch));
	touch->kind = kind;
	touch->object = object;
	guard_xact_list_add(&touched, &touch->item);
}

bool
guard_before_any(void)
{
	return !guard_xact_list_empty(&touched);
}

/* ---- the catalogs as they were, or, with "now", as they are ---- */

/*
 * Those rows of a catalog whose first columns are these keys: "take" makes of
 * each one an element of the list, NULL for none.
 */
static List *
look(Oid catalog, Oid catalog_index, int nkeys, ScanKeyData *keys, bool now,
	 void *(*take) (HeapTuple tuple, TupleDesc desc))
{
	Relation	rel = table_open(catalog, AccessShareLock);
	Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
	SnapshotData before = *latest;
	List	   *found = NIL;
	SysScanDesc scan;
	HeapTuple	tuple;

	before.curcid = FirstCommandId;
	scan = systable_beginscan(rel, catalog_index, OidIsValid(catalog_index),
							  now ? latest : &before, nkeys, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		void	   *element = take(tuple, RelationGetDescr(rel));

		if (element != NULL)
			found = lappend(found, element);
	}
	systable_endscan(scan);
	UnregisterSnapshot(latest);
	table_close(rel, AccessShareLock);
	return found;
}

static List *
look_by_oid(Oid catalog, Oid catalog_index, AttrNumber column, Oid oid, bool now,
			void *(*take) (HeapTuple tuple, TupleDesc desc))
{
	ScanKeyData key;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	return look(catalog, catalog_index, 1, &key, now, take);
}

static void *
first_of(List *found)
{
	return found != NIL ? linitial(found) : NULL;
}

static void *
copy_oid(Oid oid)
{
	Oid		   *copy = palloc(sizeof(Oid));

	*copy = oid;
	return copy;
}

static List *
to_oids(List *found)
{
	List	   *oids = NIL;

	foreach_ptr(Oid, oid, found)
		oids = lappend_oid(oids, *oid);
	return oids;
}

static void *
take_schema_name(HeapTuple tuple, TupleDesc desc)
{
	return pstrdup(NameStr(((Form_pg_namespace) GETSTRUCT(tuple))->nspname));
}

static void *
take_schema_oid(HeapTuple tuple, TupleDesc desc)
{
	return copy_oid(((Form_pg_namespace) GETSTRUCT(tuple))->oid);
}

static void *
take_relation_oid(HeapTuple tuple, TupleDesc desc)
{
	return copy_oid(((Form_pg_class) GETSTRUCT(tuple))->oid);
}

/*
 * Without the name of its schema, which a second look finds.
 */
static void *
take_relation(HeapTuple tuple, TupleDesc desc)
{
	Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);
	GuardBefore *before = palloc0(sizeof(GuardBefore));
	bool		isnull;
	Datum		bound = heap_getattr(tuple, Anum_pg_class_relpartbound, desc, &isnull);

	before->relation = form->relnamespace;
	before->kind = form->relkind;
	before->name = pstrdup(NameStr(form->relname));
	before->partition = form->relispartition;
	before->bound = isnull ? NULL : TextDatumGetCString(bound);
	return before;
}

GuardBefore *
guard_before_relation(Oid relation)
{
	GuardBefore *before = first_of(look_by_oid(RelationRelationId, ClassOidIndexId,
											   Anum_pg_class_oid, relation, false,
											   take_relation));

	if (before == NULL)
		return NULL;
	before->schema = first_of(look_by_oid(NamespaceRelationId, NamespaceOidIndexId,
										  Anum_pg_namespace_oid, before->relation,
										  false, take_schema_name));
	before->relation = relation;
	return before->schema != NULL ? before : NULL;
}

Oid
guard_before_named(const char *schema, const char *name)
{
	ScanKeyData keys[2];
	Oid		   *found;

	ScanKeyInit(&keys[0], Anum_pg_namespace_nspname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(schema));
	found = first_of(look(NamespaceRelationId, NamespaceNameIndexId, 1, keys, false,
						  take_schema_oid));
	if (found == NULL)
		return InvalidOid;
	ScanKeyInit(&keys[0], Anum_pg_class_relname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(name));
	ScanKeyInit(&keys[1], Anum_pg_class_relnamespace, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(*found));
	found = first_of(look(RelationRelationId, ClassNameNspIndexId, 2, keys, false,
						  take_relation_oid));
	return found != NULL ? *found : InvalidOid;
}

static void *
take_column(HeapTuple tuple, TupleDesc desc)
{
	FormData_pg_attribute *copy = palloc(ATTRIBUTE_FIXED_PART_SIZE);

	memcpy(copy, GETSTRUCT(tuple), ATTRIBUTE_FIXED_PART_SIZE);
	return copy->attnum > 0 && !copy->attisdropped ? copy : NULL;
}

char	  **
guard_before_columns(Oid relation, int *ncolumns)
{
	List	   *columns = look_by_oid(AttributeRelationId, AttributeRelidNumIndexId,
									  Anum_pg_attribute_attrelid, relation, false,
									  take_column);
	char	  **names;

	*ncolumns = columns != NIL ? ((Form_pg_attribute) llast(columns))->attnum : 0;
	names = palloc0(sizeof(char *) * (*ncolumns + 1));
	foreach_ptr(FormData_pg_attribute, column, columns)
		names[column->attnum - 1] = NameStr(column->attname);
	return names;
}

Oid
guard_before_collation(Oid relation, AttrNumber column)
{
	foreach_ptr(FormData_pg_attribute, each,
				look_by_oid(AttributeRelationId, AttributeRelidNumIndexId,
							Anum_pg_attribute_attrelid, relation, false, take_column))
	{
		if (each->attnum == column)
			return each->attcollation;
	}
	return InvalidOid;
}

static void *
take_child(HeapTuple tuple, TupleDesc desc)
{
	return copy_oid(((Form_pg_inherits) GETSTRUCT(tuple))->inhrelid);
}

static void *
take_parent(HeapTuple tuple, TupleDesc desc)
{
	return copy_oid(((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
}

List *
guard_before_children(Oid relation)
{
	return to_oids(look_by_oid(InheritsRelationId, InheritsParentIndexId,
							   Anum_pg_inherits_inhparent, relation, false, take_child));
}

List *
guard_before_parents(Oid relation)
{
	return to_oids(look_by_oid(InheritsRelationId, InheritsRelidSeqnoIndexId,
							   Anum_pg_inherits_inhrelid, relation, false, take_parent));
}

static void *
take_view(HeapTuple tuple, TupleDesc desc)
{
	Form_pg_rewrite form = (Form_pg_rewrite) GETSTRUCT(tuple);
	bool		isnull;
	Datum		action = heap_getattr(tuple, Anum_pg_rewrite_ev_action, desc, &isnull);
	List	   *queries;

	if (isnull || form->ev_type != '1' || !form->is_instead ||
		strcmp(NameStr(form->rulename), "_RETURN") != 0)
		return NULL;
	queries = castNode(List, stringToNode(TextDatumGetCString(action)));
	return list_length(queries) == 1 ? linitial(queries) : NULL;
}

Query *
guard_before_view(Oid view, bool now)
{
	return first_of(look_by_oid(RewriteRelationId, RewriteRelRulenameIndexId,
								Anum_pg_rewrite_ev_class, view, now, take_view));
}

/* ---- what was touched, as relations ---- */

static void *
take_rule_relation(HeapTuple tuple, TupleDesc desc)
{
	return copy_oid(((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class);
}

/*
 * Schemas have no index of what is in them but the one by name, so that is read
 * to its end.
 */
static Oid	schema_asked;

static void *
take_relation_in_schema(HeapTuple tuple, TupleDesc desc)
{
	Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

	return form->relnamespace == schema_asked &&
		(form->relkind == RELKIND_RELATION || form->relkind == RELKIND_MATVIEW ||
		 form->relkind == RELKIND_PARTITIONED_TABLE || form->relkind == RELKIND_VIEW) ?
		copy_oid(form->oid) : NULL;
}

static List *
relations_of(const Touch *touch)
{
	switch (touch->kind)
	{
		case GUARD_TOUCHED_RELATION:
			return list_make1_oid(touch->object);
		case GUARD_TOUCHED_SCHEMA:
			schema_asked = touch->object;
			return to_oids(look(RelationRelationId, InvalidOid, 0, NULL, true,
								take_relation_in_schema));
		case GUARD_TOUCHED_RULE:
			return to_oids(look_by_oid(RewriteRelationId, RewriteOidIndexId,
									   Anum_pg_rewrite_oid, touch->object, true,
									   take_rule_relation));
	}
	return NIL;
}

List *
guard_before_touched(void)
{
	List	   *relations = NIL;
	dlist_iter	iter;

	dlist_foreach(iter, &touched.items)
		relations = list_concat(relations,
								relations_of(dlist_container(Touch, item.node, iter.cur)));
	list_sort(relations, list_oid_cmp);
	list_deduplicate_oid(relations);
	return relations;
}

/*
 * At the cost of a look at a table in memory: one of a schema is not in it.
 */
bool
guard_before_is_touched(Oid relation)
{
	return remembered_in == guard_xact_number() &&
		hash_search(remembered, &relation, HASH_FIND, NULL) != NULL;
}

uint64
guard_before_touches(void)
{
	return touches;
}

static void
at_end(GuardXactPhase phase)
{
	guard_xact_list_clear(&touched);
}

void
guard_before_init(void)
{
	guard_xact_register(GUARD_XACT_OVER, at_end);
}
