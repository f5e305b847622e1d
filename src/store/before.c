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

#include "catalog/pg_attribute.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_rewrite.h"

#include "store/store.h"

typedef struct Touch
{
	GuardXactItem item;
	GuardTouched kind;
	Oid			object;
	uint64		number;			/* in the order of touches */
} Touch;

static GuardXactList touched = GUARD_XACT_LIST_INIT(touched);

/*
 * Relations that a transaction has touched, those of subtransactions that were
 * undone among them; and how often any has.
 */
static HTAB *remembered = NULL;
static uint64 remembered_in = PG_UINT64_MAX;
static uint64 touches = 0;

/* The same, repetitions counted. */
static uint64 last_number = 0;

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
		{
			touch->number = ++last_number;
			return;
		}
	}
	touches++;
	if (kind == GUARD_TOUCHED_RELATION)
		remember_relation(object);
	touch = MemoryContextAlloc(TopTransactionContext, sizeof(Touch));
	touch->kind = kind;
	touch->object = object;
	touch->number = ++last_number;
	guard_xact_list_add(&touched, &touch->item);
}

bool
guard_before_any(void)
{
	return !guard_xact_list_empty(&touched);
}

/* ---- the catalogs as they were, or, with "now", as they are ---- */

/*
 * GuardRows *look(catalog, index, now, keys ...)
 *
 * The rows of a catalog, as guard_rows_of_catalog() finds them.
 */
#define look(catalog, index, now, ...) \
	look_params(catalog, index, now, GUARD_PARAMS(__VA_ARGS__))

static GuardRows *
look_params(Oid catalog, Oid index, bool now, const GuardParam *keys, int nkeys)
{
	Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
	SnapshotData *before = palloc(sizeof(SnapshotData));
	GuardRows  *rows;

	*before = *latest;
	before->curcid = FirstCommandId;
	rows = guard_rows_of_catalog_params(catalog, index, now ? latest : before,
										keys, nkeys);
	rows->registered = latest;
	return rows;
}

/*
 * A column of the first of them; InvalidOid: there is none.
 */
static Oid
first_oid(GuardRows *rows, int column)
{
	List	   *oids = guard_rows_oids(rows, column);

	return oids != NIL ? linitial_oid(oids) : InvalidOid;
}

static char *
schema_name(Oid schema)
{
	GuardRows  *rows = look(NamespaceRelationId, NamespaceOidIndexId, false, P_OID(schema));
	char	   *name = NULL;

	while (guard_rows_next(rows))
		name = guard_rows_text(rows, Anum_pg_namespace_nspname);
	return name;
}

GuardBefore *
guard_before_relation(Oid relation)
{
	GuardRows  *rows = look(RelationRelationId, ClassOidIndexId, false, P_OID(relation));
	GuardBefore *before = NULL;

	while (guard_rows_next(rows))
	{
		before = palloc0(sizeof(GuardBefore));
		before->relation = relation;
		before->kind = *guard_rows_text(rows, Anum_pg_class_relkind);
		before->schema = schema_name(guard_rows_oid(rows, Anum_pg_class_relnamespace));
		before->name = guard_rows_text(rows, Anum_pg_class_relname);
		before->bound = guard_rows_text(rows, Anum_pg_class_relpartbound);
	}
	return before != NULL && before->schema != NULL ? before : NULL;
}

Oid
guard_before_named(const char *schema, const char *name)
{
	Oid			nsp = first_oid(look(NamespaceRelationId, NamespaceNameIndexId, false,
									 P_NAME(schema)), Anum_pg_namespace_oid);

	return !OidIsValid(nsp) ? InvalidOid :
		first_oid(look(RelationRelationId, ClassNameNspIndexId, false,
					   P_NAME(name), P_OID(nsp)), Anum_pg_class_oid);
}

/*
 * Those of its columns that are not dropped: a list of FormData_pg_attribute *.
 */
static List *
columns_of(Oid relation)
{
	GuardRows  *rows = look(AttributeRelationId, AttributeRelidNumIndexId, false,
							P_OID(relation));
	List	   *columns = NIL;

	while (guard_rows_next(rows))
	{
		FormData_pg_attribute *copy = palloc(ATTRIBUTE_FIXED_PART_SIZE);

		memcpy(copy, GETSTRUCT(rows->tuple), ATTRIBUTE_FIXED_PART_SIZE);
		if (copy->attnum > 0 && !copy->attisdropped)
			columns = lappend(columns, copy);
	}
	return columns;
}

char	  **
guard_before_columns(Oid relation, int *ncolumns)
{
	List	   *columns = columns_of(relation);
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
	foreach_ptr(FormData_pg_attribute, each, columns_of(relation))
	{
		if (each->attnum == column)
			return each->attcollation;
	}
	return InvalidOid;
}

List *
guard_before_children(Oid relation)
{
	return guard_rows_oids(look(InheritsRelationId, InheritsParentIndexId, false,
								P_OID(relation)), Anum_pg_inherits_inhrelid);
}

List *
guard_before_parents(Oid relation)
{
	return guard_rows_oids(look(InheritsRelationId, InheritsRelidSeqnoIndexId, false,
								P_OID(relation)), Anum_pg_inherits_inhparent);
}

/*
 * Its columns have their names, so that one table's key can be compared with
 * another's.
 */
char *
guard_before_partition_key(Oid table, bool now)
{
	GuardRows  *rows = look(PartitionedRelationId, PartitionedRelidIndexId, now,
							P_OID(table));
	char	   *key = NULL;

	while (guard_rows_next(rows))
	{
		Form_pg_partitioned_table form = (Form_pg_partitioned_table) GETSTRUCT(rows->tuple);
		char	   *expressions = guard_rows_text(rows, Anum_pg_partitioned_table_partexprs);
		int			ncolumns;
		char	  **columns = now ? guard_catalog_columns(table, &ncolumns) :
			guard_before_columns(table, &ncolumns);

		key = psprintf("%c %s %s %s", form->partstrat,
					   guard_rows_text(rows, Anum_pg_partitioned_table_partclass),
					   guard_rows_text(rows, Anum_pg_partitioned_table_partcollation),
					   expressions != NULL ? expressions : "");
		for (int i = 0; i < form->partnatts; i++)
		{
			AttrNumber	column = form->partattrs.values[i];

			if (column > 0 && column <= ncolumns && columns[column - 1] != NULL)
				key = psprintf("%s %s", key, quote_identifier(columns[column - 1]));
		}
	}
	return key;
}

List *
guard_before_checks(Oid table, bool now)
{
	GuardRows  *rows = look(ConstraintRelationId, ConstraintRelidTypidNameIndexId, now,
							P_OID(table));
	List	   *checks = NIL;

	while (guard_rows_next(rows))
	{
		if (*guard_rows_text(rows, Anum_pg_constraint_contype) == CONSTRAINT_CHECK &&
			guard_rows_bool(rows, Anum_pg_constraint_convalidated))
			checks = lappend(checks, guard_rows_text(rows, Anum_pg_constraint_conbin));
	}
	return checks;
}

Query *
guard_before_view(Oid view, bool now)
{
	GuardRows  *rows = look(RewriteRelationId, RewriteRelRulenameIndexId, now,
							P_OID(view), P_NAME("_RETURN"));
	List	   *queries = NIL;

	while (guard_rows_next(rows))
	{
		Form_pg_rewrite form = (Form_pg_rewrite) GETSTRUCT(rows->tuple);

		if (form->ev_type == '1' && form->is_instead)
			queries = castNode(List, stringToNode(guard_rows_text(rows, Anum_pg_rewrite_ev_action)));
	}
	return list_length(queries) == 1 ? linitial(queries) : NULL;
}

/* ---- what was touched, as relations ---- */

/*
 * Schemas have no index of what is in them but the one by name, so that is read
 * to its end.
 */
static List *
relations_in(Oid schema)
{
	GuardRows  *rows = look(RelationRelationId, InvalidOid, true);
	List	   *relations = NIL;

	while (guard_rows_next(rows))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(rows->tuple);

		if (form->relnamespace == schema &&
			(form->relkind == RELKIND_RELATION || form->relkind == RELKIND_MATVIEW ||
			 form->relkind == RELKIND_PARTITIONED_TABLE || form->relkind == RELKIND_VIEW))
			relations = lappend_oid(relations, form->oid);
	}
	return relations;
}

static List *
relations_of(const Touch *touch)
{
	switch (touch->kind)
	{
		case GUARD_TOUCHED_RELATION:
			return list_make1_oid(touch->object);
		case GUARD_TOUCHED_SCHEMA:
			return relations_in(touch->object);
		case GUARD_TOUCHED_RULE:
			return guard_rows_oids(look(RewriteRelationId, RewriteOidIndexId, true,
										P_OID(touch->object)), Anum_pg_rewrite_ev_class);
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

List *
guard_before_touched_since(uint64 *seen)
{
	List	   *relations = NIL;
	dlist_iter	iter;

	dlist_reverse_foreach(iter, &touched.items)
	{
		Touch	   *touch = dlist_container(Touch, item.node, iter.cur);

		if (touch->number <= *seen)
			break;
		relations = list_concat_unique_oid(relations, relations_of(touch));
	}
	*seen = last_number;
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
