/*-------------------------------------------------------------------------
 *
 * registration.h
 *	  What people registered for an index or a table, and how it stays there.
 *
 * A registry is one of guard's tables whose rows bear an index, or a table
 * for all of its indexes, by names and by OIDs.  Those columns have the same
 * numbers in each of them.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REGISTRATION_H
#define GUARD_REGISTRATION_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"

/* Columns of every registry. */
#define REGISTRY_SCHEMA		1
#define REGISTRY_TABLE		2
#define REGISTRY_INDEX		3
#define REGISTRY_DATABASE	7
#define REGISTRY_SYSTEM		8
#define REGISTRY_TABLE_OID	9
#define REGISTRY_INDEX_OID	10

/* What one row is registered for. */
typedef struct GuardRegistration
{
	char	   *schema;
	char	   *table;
	char	   *index;			/* NULL: the whole table */
	Oid			table_oid;		/* Invalid when it belongs to another database */
	Oid			index_oid;
} GuardRegistration;

/*
 * read the columns that all registries have; strings in the current memory
 * context
 */
extern void guard_registration_read(HeapTuple tuple, TupleDesc desc,
									GuardRegistration *reg);

/*
 * Does it cover the index, by itself, through its table, or through a parent
 * of either ("inherited")?
 */
extern bool guard_registration_covers(const GuardRegistration *reg, Oid index,
									  Oid table, bool *inherited);

/*
 * The index that it means now, InvalidOid when it means a table or what it
 * meant is gone.
 */
extern Oid	guard_registration_index(const GuardRegistration *reg);

/* The table that it means, or whose index, InvalidOid when that is gone. */
extern Oid	guard_registration_table(const GuardRegistration *reg);

/*
 * Names and OIDs of what is to be registered, as parameters of a statement:
 * $1 to $3 are schema, table and index (NULL for a table), $4 to $7 database,
 * system and the OIDs of table and index.  "names" is where the names live.
 */
#define REGISTRY_PARAMETERS	7
#define REGISTRY_TYPES	NAMEOID, NAMEOID, NAMEOID, OIDOID, INT8OID, OIDOID, OIDOID
extern void guard_registration_identify(Oid relation, Datum *values,
										char *nulls, NameData *names);

/*
 * Bring one registry up to date with new names and OIDs
 * (doc/internals/postgresql.md 3.9).  Rows whose column "over_column" (0:
 * none) is not null are over and stay as they are; "condition" says the same
 * in SQL, beginning with " AND ".
 */
extern void guard_registration_refresh(const char *registry, int over_column,
									   const char *condition);

#endif							/* GUARD_REGISTRATION_H */
