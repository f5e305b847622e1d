/*-------------------------------------------------------------------------
 *
 * protection.c
 *	  A DBA's flat "not this one".
 *
 * A registration must follow its index through everything that keeps the
 * index what it is: renames keep the OID and change the name, REINDEX
 * CONCURRENTLY and ALTER COLUMN TYPE keep the name and change the OID, dump
 * and restore keeps nothing but the names (PG-INTERNALS 2.1, 3.9, 9.1).  So a
 * row keeps both, with the database and the system that the OIDs belong to,
 * and matches by OID, or by name where the recorded OID is not there any
 * more.  Both are brought up to date around every statement that renames, so
 * that one half always leads to the other.
 *
 * A registration for a partitioned index or table covers the partitions,
 * present and future.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "evidence/evidence.h"
#include "store/store.h"

/* guard.protection */
#define PROTECTION_SCHEMA		1
#define PROTECTION_TABLE		2
#define PROTECTION_INDEX		3
#define PROTECTION_REASON		4
#define PROTECTION_BY			5
#define PROTECTION_AT			6
#define PROTECTION_DATABASE		7
#define PROTECTION_SYSTEM		8
#define PROTECTION_TABLE_OID	9
#define PROTECTION_INDEX_OID	10

/* One row, deformed. */
typedef struct Registration
{
	char	   *schema;
	char	   *table;
	char	   *index;			/* NULL: the whole table */
	Oid			table_oid;		/* Invalid when it belongs to another database */
	Oid			index_oid;
} Registration;

/* ---- matching ---- */

static void
read_registration(HeapTuple tuple, TupleDesc desc, Registration *reg)
{
	Datum		values[PROTECTION_INDEX_OID];
	bool		nulls[PROTECTION_INDEX_OID];
	bool		here;

#define VALUE(attnum) values[(attnum) - 1]
	heap_deform_tuple(tuple, desc, values, nulls);
	reg->schema = NameStr(*DatumGetName(VALUE(PROTECTION_SCHEMA)));
	reg->table = NameStr(*DatumGetName(VALUE(PROTECTION_TABLE)));
	reg->index = nulls[PROTECTION_INDEX - 1] ? NULL :
		NameStr(*DatumGetName(VALUE(PROTECTION_INDEX)));

	/* Rows that came by restore bear another database's OIDs (9.1). */
	here = DatumGetObjectId(VALUE(PROTECTION_DATABASE)) == MyDatabaseId &&
		DatumGetInt64(VALUE(PROTECTION_SYSTEM)) == (int64) GetSystemIdentifier();
	reg->table_oid = here ? DatumGetObjectId(VALUE(PROTECTION_TABLE_OID)) : InvalidOid;
	reg->index_oid = here && reg->index != NULL ?
		DatumGetObjectId(VALUE(PROTECTION_INDEX_OID)) : InvalidOid;
#undef VALUE
}

static bool
relation_exists(Oid relation)
{
	return OidIsValid(relation) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation));
}

/*
 * Does the registration mean this table?
 */
static bool
means_table(const Registration *reg, Oid table)
{
	char	   *schema;
	char	   *name;

	if (relation_exists(reg->table_oid))
		return reg->table_oid == table;
	schema = get_namespace_name(get_rel_namespace(table));
	name = get_rel_name(table);
	return schema != NULL && name != NULL &&
		strcmp(reg->schema, schema) == 0 && strcmp(reg->table, name) == 0;
}

/*
 * Does the registration mean this very index?  Its table is asked first, so
 * that an OID used anew for something else does not match.
 */
static bool
means_index(const Registration *reg, Oid index, Oid table)
{
	char	   *name;

	if (reg->index == NULL || !means_table(reg, table))
		return false;
	if (relation_exists(reg->index_oid) &&
		IndexGetRelation(reg->index_oid, true) == table)
		return reg->index_oid == index;
	name = get_rel_name(index);
	return name != NULL && strcmp(reg->index, name) == 0;
}

/*
 * Does it cover the index, by itself, through its table, or through a parent
 * of either?
 */
static bool
covers(const Registration *reg, Oid index, Oid table, bool *inherited)
{
	List	   *tables = NIL;
	List	   *indexes = NIL;
	ListCell   *lt;
	ListCell   *li;

	*inherited = false;
	if (reg->index == NULL ? means_table(reg, table)
		: means_index(reg, index, table))
		return true;

	if (!get_rel_relispartition(table))
		return false;
	*inherited = true;
	tables = get_partition_ancestors(table);
	if (reg->index == NULL)
	{
		foreach(lt, tables)
		{
			if (means_table(reg, lfirst_oid(lt)))
				return true;
		}
		return false;
	}
	if (get_rel_relispartition(index))
		indexes = get_partition_ancestors(index);
	foreach(li, indexes)
	{
		Oid			parent = IndexGetRelation(lfirst_oid(li), true);

		if (OidIsValid(parent) && means_index(reg, lfirst_oid(li), parent))
			return true;
	}
	return false;
}

static bool
match_row(HeapTuple tuple, TupleDesc desc, void *arg)
{
	GuardEvidence *evidence = arg;
	GuardProtection *protection = &evidence->protection;
	Registration reg;
	bool		inherited;
	bool		isnull;

	read_registration(tuple, desc, &reg);
	if (!covers(&reg, evidence->index, evidence->shape->table, &inherited))
		return true;

	/* One made on this very index or table says more than an inherited one. */
	if (protection->found && inherited)
		return true;
	protection->found = true;
	protection->inherited = inherited;
	protection->reason =
		TextDatumGetCString(heap_getattr(tuple, PROTECTION_REASON, desc, &isnull));
	protection->protected_by =
		pstrdup(NameStr(*DatumGetName(heap_getattr(tuple, PROTECTION_BY, desc,
												   &isnull))));
	protection->protected_at =
		DatumGetTimestampTz(heap_getattr(tuple, PROTECTION_AT, desc, &isnull));
	return inherited;
}

/*
 * Not to know whether an index is protected is not to be able to judge.
 */
void
guard_protection_collect(GuardEvidence *evidence)
{
	guard_store_scan_surely("protection", NULL, 0, InvalidOid, match_row,
							evidence);
}

/* ---- changing ---- */

/*
 * Names and OIDs of what is to be registered, in the order of the columns.
 */
static void
identify(Oid relation, Datum *values, char *nulls, NameData *names)
{
	bool		is_index = get_rel_relkind(relation) == RELKIND_INDEX ||
		get_rel_relkind(relation) == RELKIND_PARTITIONED_INDEX;
	Oid			table = is_index ? IndexGetRelation(relation, false) : relation;

	namestrcpy(&names[0], get_namespace_name(get_rel_namespace(table)));
	namestrcpy(&names[1], get_rel_name(table));
	namestrcpy(&names[2], get_rel_name(relation));
	values[0] = NameGetDatum(&names[0]);
	values[1] = NameGetDatum(&names[1]);
	values[2] = NameGetDatum(&names[2]);
	values[3] = ObjectIdGetDatum(MyDatabaseId);
	values[4] = Int64GetDatum((int64) GetSystemIdentifier());
	values[5] = ObjectIdGetDatum(table);
	values[6] = ObjectIdGetDatum(relation);
	memset(nulls, ' ', 8);
	nulls[8] = '\0';
	if (!is_index)
		nulls[2] = nulls[6] = 'n';
}

static Oid	identity_types[] = {NAMEOID, NAMEOID, NAMEOID, OIDOID, INT8OID,
OIDOID, OIDOID, TEXTOID};

void
guard_protection_add(Oid relation, const char *reason)
{
	NameData	names[3];
	Datum		values[8];
	char		nulls[9];

	guard_protection_refresh();
	identify(relation, values, nulls, names);
	values[7] = CStringGetTextDatum(reason);
	guard_store_execute("INSERT INTO guard.protection"
						" VALUES ($1, $2, $3, $8, session_user, clock_timestamp(), $4, $5, $6, $7)"
						" ON CONFLICT (table_schema, table_name, index_name) DO UPDATE"
						" SET reason = excluded.reason, protected_by = excluded.protected_by,"
						" protected_at = excluded.protected_at, database_oid = excluded.database_oid,"
						" system_identifier = excluded.system_identifier,"
						" table_oid = excluded.table_oid, index_oid = excluded.index_oid",
						8, identity_types, values, nulls);
}

bool
guard_protection_remove(Oid relation)
{
	NameData	names[3];
	Datum		values[8];
	char		nulls[9];

	guard_protection_refresh();
	identify(relation, values, nulls, names);
	return guard_store_execute("DELETE FROM guard.protection"
							   " WHERE table_schema OPERATOR(pg_catalog.=) $1"
							   " AND table_name OPERATOR(pg_catalog.=) $2"
							   " AND index_name IS NOT DISTINCT FROM $3",
							   3, identity_types, values, nulls) > 0;
}

/* What has to be corrected, found while scanning. */
typedef struct Correction
{
	Registration reg;
	Oid			table;
	Oid			index;
} Correction;

/*
 * Resolve a registration by whichever of its halves still holds.  Returns
 * false when nothing needs to be corrected, or nothing can be.
 */
static bool
resolve(const Registration *reg, Oid *table, Oid *index)
{
	Oid			nsp;

	*table = reg->table_oid;
	*index = InvalidOid;
	if (!relation_exists(*table))
	{
		nsp = get_namespace_oid(reg->schema, true);
		*table = OidIsValid(nsp) ? get_relname_relid(reg->table, nsp) : InvalidOid;
	}
	if (!OidIsValid(*table))
		return false;
	if (reg->index != NULL)
	{
		*index = reg->index_oid;
		if (!relation_exists(*index) ||
			IndexGetRelation(*index, true) != *table)
			*index = get_relname_relid(reg->index, get_rel_namespace(*table));
		if (!OidIsValid(*index) || IndexGetRelation(*index, true) != *table)
			return false;
	}
	return *table != reg->table_oid || *index != reg->index_oid ||
		strcmp(reg->schema, get_namespace_name(get_rel_namespace(*table))) != 0 ||
		strcmp(reg->table, get_rel_name(*table)) != 0 ||
		(reg->index != NULL && strcmp(reg->index, get_rel_name(*index)) != 0);
}

static bool
find_correction(HeapTuple tuple, TupleDesc desc, void *arg)
{
	List	  **corrections = arg;
	Correction	found;

	read_registration(tuple, desc, &found.reg);
	if (resolve(&found.reg, &found.table, &found.index))
	{
		Correction *copy = palloc(sizeof(Correction));

		*copy = found;
		copy->reg.schema = pstrdup(found.reg.schema);
		copy->reg.table = pstrdup(found.reg.table);
		copy->reg.index = found.reg.index ? pstrdup(found.reg.index) : NULL;
		*corrections = lappend(*corrections, copy);
	}
	return true;
}

void
guard_protection_refresh(void)
{
	List	   *corrections = NIL;
	ListCell   *lc;

	(void) guard_store_scan("protection", NULL, 0, InvalidOid,
							find_correction, &corrections);
	foreach(lc, corrections)
	{
		Correction *c = lfirst(lc);
		NameData	names[6];
		Datum		values[11];
		char		nulls[12] = "           ";
		Oid			types[11] = {NAMEOID, NAMEOID, NAMEOID, OIDOID, INT8OID,
		OIDOID, OIDOID, TEXTOID, NAMEOID, NAMEOID, NAMEOID};

		identify(OidIsValid(c->index) ? c->index : c->table, values, nulls, names);
		nulls[7] = 'n';
		nulls[8] = nulls[9] = nulls[10] = ' ';
		nulls[11] = '\0';
		values[7] = (Datum) 0;
		namestrcpy(&names[3], c->reg.schema);
		namestrcpy(&names[4], c->reg.table);
		namestrcpy(&names[5], c->reg.index ? c->reg.index : "");
		values[8] = NameGetDatum(&names[3]);
		values[9] = NameGetDatum(&names[4]);
		values[10] = NameGetDatum(&names[5]);
		if (c->reg.index == NULL)
			nulls[10] = 'n';
		guard_store_execute("UPDATE guard.protection"
							" SET table_schema = $1, table_name = $2, index_name = $3,"
							" database_oid = $4, system_identifier = $5,"
							" table_oid = $6, index_oid = $7"
							" WHERE table_schema OPERATOR(pg_catalog.=) $9"
							" AND table_name OPERATOR(pg_catalog.=) $10"
							" AND index_name IS NOT DISTINCT FROM $11",
							11, types, values, nulls);
	}
}
