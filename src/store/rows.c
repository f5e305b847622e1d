/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Rows that are read one after the other, and their columns by type.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/fmgroids.h"

#include "store/store.h"

/* ---- of a table ---- */

/*
 * The condition that a column is a value.
 */
static ScanKeyData
make_key(int attnum, GuardParam key)
{
	ScanKeyData skey;

	Assert(key.type == OIDOID || key.type == INT4OID || key.type == INT8OID ||
		   key.type == NAMEOID || key.type == UUIDOID);
	ScanKeyInit(&skey, attnum, BTEqualStrategyNumber,
				key.type == OIDOID ? F_OIDEQ : key.type == INT4OID ? F_INT4EQ :
				key.type == INT8OID ? F_INT8EQ :
				key.type == NAMEOID ? F_NAMEEQ : F_UUID_EQ, key.value);
	return skey;
}

/* A table that was asked for, and the command in which it was found empty. */
typedef struct Asked
{
	NameData	name;			/* key */
	CommandId	empty_at;
}			Asked;

static HTAB *asked = NULL;		/* NULL: that is not remembered */

/*
 * Remember what is empty; see store.h.
 */
void
guard_rows_remember_empty(void)
{
	guard_hash_for_now(&asked, "guard empty tables", sizeof(NameData), sizeof(Asked));
}

/*
 * What is remembered of a table; NULL: nothing is of any.
 */
static Asked *
recall(const char *table)
{
	NameData	name;
	Asked	   *known;
	bool		found;

	if (likely(asked == NULL))
		return NULL;
	namestrcpy(&name, table);
	known = hash_search(asked, &name, HASH_ENTER, &found);
	if (!found)
		known->empty_at = InvalidCommandId;
	return known;
}

/*
 * Begin to read the table that is open, unless there is nothing in it: even to
 * ask an index costs more than to see that.
 */
static void
begin(GuardRows *rows, Oid index, Snapshot snapshot, int nkeys, ScanKey keys)
{
	rows->desc = RelationGetDescr(rows->rel);
	if (RelationGetNumberOfBlocks(rows->rel) > 0)
		rows->scan = systable_beginscan(rows->rel, index, OidIsValid(index),
										snapshot, nkeys, keys);
}

/*
 * The rows of a table that "key" finds, NULL: all.
 */
static GuardRows *
open_table(const char *table, const char *index, ScanKey key)
{
	Asked	   *known = recall(table);
	Oid			relid;
	Oid			indexid = InvalidOid;
	GuardRows  *rows = palloc0(sizeof(GuardRows));

	if (known != NULL && known->empty_at == GetCurrentCommandId(false))
		return rows;
	if (OidIsValid(guard_store_extension()) && !guard_store_matches())
		return rows;
	if (guard_identity_binds(table) && !guard_identity_is_home())
		return rows;

	/*
	 * Conditionally: somebody's LOCK TABLE on one of our tables must not
	 * freeze every DDL of the database.
	 */
	relid = guard_store_table(table);
	if (!OidIsValid(relid) ||
		!ConditionalLockRelationOid(relid, AccessShareLock))
		return NULL;
	rows->rel = try_relation_open(relid, NoLock);
	if (rows->rel == NULL)
	{
		UnlockRelationOid(relid, AccessShareLock);
		return NULL;
	}
	if (index != NULL)
		indexid = get_relname_relid(index, RelationGetNamespace(rows->rel));
	begin(rows, indexid, NULL, key != NULL ? 1 : 0, key);
	if (known != NULL && rows->scan == NULL)
		known->empty_at = GetCurrentCommandId(false);
	return rows;
}

/*
 * All rows of a table; see store.h.
 */
GuardRows *
guard_rows_of_table(const char *table)
{
	return open_table(table, NULL, NULL);
}

/*
 * Those that have a key; see store.h.
 */
GuardRows *
guard_rows_by_key(const char *table, const char *index, int attnum,
				  GuardParam key)
{
	ScanKeyData skey = make_key(attnum, key);

	return open_table(table, index, &skey);
}

/*
 * The rows of a catalog that keys find; see store.h.
 */
GuardRows *
guard_rows_of_catalog_params(Oid catalog, Oid index, Snapshot snapshot,
							 const GuardParam *keys, int nkeys)
{
	GuardRows  *rows = palloc0(sizeof(GuardRows));
	ScanKeyData skeys[INDEX_MAX_KEYS];

	if (nkeys > 0)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", index);
		for (int i = 0; i < nkeys; i++)
			skeys[i] = make_key(((Form_pg_index) GETSTRUCT(tuple))->indkey.values[i],
								keys[i]);
		ReleaseSysCache(tuple);
	}
	rows->rel = table_open(catalog, AccessShareLock);
	begin(rows, index, snapshot, nkeys, skeys);
	return rows;
}

/*
 * An error where a table cannot be read; see store.h.
 */
GuardRows *
guard_rows_surely(GuardRows *rows, const char *table)
{
	if (rows == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not read table \"guard.%s\"", table),
				 errdetail("Another session holds a lock on it, or it has been dropped.")));
	return rows;
}

static void
close_table(GuardRows *rows)
{
	if (rows->rel == NULL)
		return;
	if (rows->scan != NULL)
		systable_endscan(rows->scan);
	table_close(rows->rel, AccessShareLock);
	if (rows->registered != NULL)
		UnregisterSnapshot(rows->registered);
	rows->rel = NULL;
}

/* ---- going through them ---- */

/*
 * The next row; see store.h.
 */
bool
guard_rows_next(GuardRows *rows)
{
	rows->tuple = NULL;
	if (rows->found != NULL && rows->next < rows->count)
		rows->tuple = rows->found->vals[rows->next++];
	else if (rows->rel != NULL)
	{
		rows->tuple = rows->scan != NULL ? systable_getnext(rows->scan) : NULL;
		if (!HeapTupleIsValid(rows->tuple))
			close_table(rows);
	}
	return rows->tuple != NULL;
}

/*
 * No more rows are read.
 */
void
guard_rows_end(GuardRows *rows)
{
	close_table(rows);
	if (rows->found != NULL)
		MemoryContextDelete(rows->found->tuptabcxt);
	pfree(rows);
}

/* ---- columns ---- */

/*
 * The value of a column, which is of one of three types, as far as they are
 * given.
 */
static Datum
value_of(const GuardRows *rows, int column, Oid type, Oid or, Oid or_else,
		 bool *isnull)
{
	Oid			is = TupleDescAttr(rows->desc, column - 1)->atttypid;

	if (is != type && is != or && is != or_else)
		elog(ERROR, "column %d is of type %u, not %u", column, is, type);
	return heap_getattr(rows->tuple, column, rows->desc, isnull);
}

/*
 * Is it null?
 */
bool
guard_rows_null(const GuardRows *rows, int column)
{
	return heap_attisnull(rows->tuple, column, rows->desc);
}

/*
 * A column of type oid, regclass or regproc; InvalidOid for null.
 */
Oid
guard_rows_oid(const GuardRows *rows, int column)
{
	bool		isnull;
	Datum		value = value_of(rows, column, OIDOID, REGCLASSOID,
								 REGPROCEDUREOID, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

/*
 * An integer; "otherwise" for null.
 */
int64
guard_rows_int_or(const GuardRows *rows, int column, int64 otherwise)
{
	bool		isnull;
	Datum		value = value_of(rows, column, INT8OID, INT4OID, INT2OID, &isnull);

	if (isnull)
		return otherwise;
	switch (TupleDescAttr(rows->desc, column - 1)->atttypid)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/*
 * An integer; 0 for null.
 */
int64
guard_rows_int(const GuardRows *rows, int column)
{
	return guard_rows_int_or(rows, column, 0);
}

/*
 * A floating point number; 0 for null.
 */
double
guard_rows_float(const GuardRows *rows, int column)
{
	bool		isnull;
	Datum		value = value_of(rows, column, FLOAT8OID, FLOAT4OID, InvalidOid,
								 &isnull);

	if (isnull)
		return 0;
	return TupleDescAttr(rows->desc, column - 1)->atttypid == FLOAT4OID ?
		DatumGetFloat4(value) : DatumGetFloat8(value);
}

/*
 * A truth value; false for null.
 */
bool
guard_rows_bool(const GuardRows *rows, int column)
{
	bool		isnull;
	Datum		value = value_of(rows, column, BOOLOID, InvalidOid, InvalidOid,
								 &isnull);

	return !isnull && DatumGetBool(value);
}

/*
 * A time; 0 for null.
 */
TimestampTz
guard_rows_time(const GuardRows *rows, int column)
{
	bool		isnull;
	Datum		value = value_of(rows, column, TIMESTAMPTZOID, InvalidOid,
								 InvalidOid, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/*
 * A uuid; NULL for null.
 */
pg_uuid_t *
guard_rows_uuid(const GuardRows *rows, int column)
{
	bool		isnull;
	Datum		value = value_of(rows, column, UUIDOID, InvalidOid, InvalidOid,
								 &isnull);

	return isnull ? NULL : memcpy(palloc(sizeof(pg_uuid_t)), DatumGetUUIDP(value),
								  sizeof(pg_uuid_t));
}

/*
 * A column of any type as a string; NULL for null.
 */
char *
guard_rows_text(const GuardRows *rows, int column)
{
	Oid			type = TupleDescAttr(rows->desc, column - 1)->atttypid;
	bool		isnull;
	Datum		value = heap_getattr(rows->tuple, column, rows->desc, &isnull);
	Oid			output;
	bool		is_varlena;

	if (isnull)
		return NULL;
	if (type == TEXTOID)
		return TextDatumGetCString(value);
	if (type == NAMEOID)
		return pstrdup(NameStr(*DatumGetName(value)));
	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

/*
 * An array as a list; null elements are left out.
 */
List *
guard_rows_list(const GuardRows *rows, int column)
{
	bool		isnull;
	Datum		value = value_of(rows, column, TEXTARRAYOID, OIDARRAYOID,
								 InvalidOid, &isnull);
	List	   *list = NIL;
	ArrayIterator iterator;

	if (isnull)
		return NIL;
	iterator = array_create_iterator(DatumGetArrayTypeP(value), 0, NULL);
	while (array_iterate(iterator, &value, &isnull))
	{
		if (isnull)
			continue;
		if (TupleDescAttr(rows->desc, column - 1)->atttypid == OIDARRAYOID)
			list = lappend_oid(list, DatumGetObjectId(value));
		else
			list = lappend(list, TextDatumGetCString(value));
	}
	array_free_iterator(iterator);
	return list;
}

/*
 * One column of all rows that are left.
 */
List *
guard_rows_oids(GuardRows *rows, int column)
{
	List	   *oids = NIL;

	while (guard_rows_next(rows))
		oids = lappend_oid(oids, guard_rows_oid(rows, column));
	return oids;
}
