/*-------------------------------------------------------------------------
 *
 * registration.c
 *	  What people registered for an index or a table, and how it stays there.
 *
 * A registration must follow its index through everything that keeps the index
 * what it is: renames keep the OID and change the name, REINDEX CONCURRENTLY
 * and ALTER COLUMN TYPE keep the name and change the OID, dump and restore
 * keeps nothing but the names (doc/internals/postgresql.md 2.1, 3.9, 9.1).  So
 * a row keeps both, with the database and the system that the OIDs belong to,
 * and matches by OID, or by name where the recorded OID is not there any more.
 * Both are brought up to date around every statement that renames, so that one
 * half always leads to the other.
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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "evidence/registrations/registration.h"
#include "store/store.h"

/* ---- matching ---- */

void
guard_registration_read(HeapTuple tuple, TupleDesc desc,
						GuardRegistration *reg)
{
	bool		isnull;
	Datum		index;
	bool		here;

#define VALUE(attnum) heap_getattr(tuple, attnum, desc, &isnull)
	reg->schema = NameStr(*DatumGetName(VALUE(REGISTRY_SCHEMA)));
	reg->table = NameStr(*DatumGetName(VALUE(REGISTRY_TABLE)));
	index = VALUE(REGISTRY_INDEX);
	reg->index = isnull ? NULL : NameStr(*DatumGetName(index));

	/*
	 * Rows that came by restore bear another database's OIDs
	 * (doc/internals/postgresql.md 9.1).
	 */
	here = DatumGetObjectId(VALUE(REGISTRY_DATABASE)) == MyDatabaseId &&
		DatumGetInt64(VALUE(REGISTRY_SYSTEM)) == (int64) GetSystemIdentifier();
	reg->table_oid = here ? DatumGetObjectId(VALUE(REGISTRY_TABLE_OID)) : InvalidOid;
	reg->index_oid = here && reg->index != NULL ?
		DatumGetObjectId(VALUE(REGISTRY_INDEX_OID)) : InvalidOid;
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
means_table(const GuardRegistration *reg, Oid table)
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
means_index(const GuardRegistration *reg, Oid index, Oid table)
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

bool
guard_registration_covers(const GuardRegistration *reg, Oid index, Oid table,
						  bool *inherited)
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

/*
 * Resolve a registration by whichever of its halves still holds.  Returns
 * false when neither does; *index is Invalid for a whole table.
 */
static bool
resolve(const GuardRegistration *reg, Oid *table, Oid *index)
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
	if (reg->index == NULL)
		return true;
	*index = reg->index_oid;
	if (!relation_exists(*index) || IndexGetRelation(*index, true) != *table)
		*index = get_relname_relid(reg->index, get_rel_namespace(*table));
	return OidIsValid(*index) && IndexGetRelation(*index, true) == *table;
}

Oid
guard_registration_index(const GuardRegistration *reg)
{
	Oid			table;
	Oid			index;

	return resolve(reg, &table, &index) ? index : InvalidOid;
}

Oid
guard_registration_table(const GuardRegistration *reg)
{
	Oid			table;
	Oid			index;

	return resolve(reg, &table, &index) ? table : InvalidOid;
}

/* ---- changing ---- */

void
guard_registration_identify(Oid relation, Datum *values, char *nulls,
							NameData *names)
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
	memset(nulls, ' ', REGISTRY_PARAMETERS);
	if (!is_index)
		nulls[2] = nulls[6] = 'n';
}

/* What has to be corrected, found while scanning. */
typedef struct Correction
{
	GuardRegistration reg;
	Oid			table;
	Oid			index;
} Correction;

/*
 * Has what it means got another name or OID since?
 */
static bool
is_stale(const GuardRegistration *reg, Oid table, Oid index)
{
	return table != reg->table_oid || index != reg->index_oid ||
		strcmp(reg->schema, get_namespace_name(get_rel_namespace(table))) != 0 ||
		strcmp(reg->table, get_rel_name(table)) != 0 ||
		(reg->index != NULL && strcmp(reg->index, get_rel_name(index)) != 0);
}

/* A scan for what has to be corrected. */
typedef struct Stale
{
	int			over_column;
	List	   *corrections;	/* of Correction * */
} Stale;

static bool
find_correction(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Stale	   *stale = arg;
	Correction	found;

	if (stale->over_column != 0 &&
		!heap_attisnull(tuple, stale->over_column, desc))
		return true;
	guard_registration_read(tuple, desc, &found.reg);
	if (resolve(&found.reg, &found.table, &found.index) &&
		is_stale(&found.reg, found.table, found.index))
	{
		Correction *copy = palloc(sizeof(Correction));

		*copy = found;
		copy->reg.schema = pstrdup(found.reg.schema);
		copy->reg.table = pstrdup(found.reg.table);
		copy->reg.index = found.reg.index ? pstrdup(found.reg.index) : NULL;
		stale->corrections = lappend(stale->corrections, copy);
	}
	return true;
}

/* Parameters of the correction: what it is called now, and what it was. */
#define CORRECTION_PARAMETERS	(REGISTRY_PARAMETERS + 3)

static void
correct(const char *registry, const char *condition, const Correction *c)
{
	NameData	names[6];
	Datum		values[CORRECTION_PARAMETERS];
	char		nulls[CORRECTION_PARAMETERS + 1] = "          ";
	Oid			types[CORRECTION_PARAMETERS] = {REGISTRY_TYPES, NAMEOID,
	NAMEOID, NAMEOID};

	guard_registration_identify(OidIsValid(c->index) ? c->index : c->table,
								values, nulls, names);
	namestrcpy(&names[3], c->reg.schema);
	namestrcpy(&names[4], c->reg.table);
	namestrcpy(&names[5], c->reg.index ? c->reg.index : "");
	values[7] = NameGetDatum(&names[3]);
	values[8] = NameGetDatum(&names[4]);
	values[9] = NameGetDatum(&names[5]);
	if (c->reg.index == NULL)
		nulls[9] = 'n';
	guard_store_execute(psprintf("UPDATE guard.%s"
								 " SET table_schema = $1, table_name = $2, index_name = $3,"
								 " database_oid = $4, system_identifier = $5,"
								 " table_oid = $6, index_oid = $7"
								 " WHERE table_schema OPERATOR(pg_catalog.=) $8"
								 " AND table_name OPERATOR(pg_catalog.=) $9"
								 " AND index_name IS NOT DISTINCT FROM $10%s",
								 registry, condition),
						CORRECTION_PARAMETERS, types, values, nulls);
}

void
guard_registration_refresh(const char *registry, int over_column,
						   const char *condition)
{
	Stale		stale = {over_column, NIL};
	ListCell   *lc;

	(void) guard_store_scan(registry, NULL, 0, InvalidOid, find_correction,
							&stale);
	foreach(lc, stale.corrections)
		correct(registry, condition, lfirst(lc));
}
