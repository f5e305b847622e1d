/*-------------------------------------------------------------------------
 *
 * registration.h
 *	  What people registered for an index or a table, and how it stays there.
 *
 * A registry is one of guard's tables whose rows hang on an object
 * (store/store.h) and bear its names.  Those columns have the same numbers
 * in each of them.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REGISTRATION_H
#define GUARD_REGISTRATION_H

#include "store/store.h"

/* Columns of every registry; the name of the index is null for a table. */
#define REGISTRY_SCHEMA		1
#define REGISTRY_TABLE		2
#define REGISTRY_INDEX		3
#define REGISTRY_OBJECT		7

/* These columns, of the object $1. */
#define REGISTRY_NAMES		"o.table_schema, o.table_name, o.index_name"
#define REGISTRY_OF			" FROM guard.object o WHERE o.id = $1"

struct GuardEvidence;

/*
 * The relation that the row at hand is registered for, if that is the index
 * judged, its table, or a parent of either ("inherited"); else InvalidOid.
 */
extern Oid	guard_registration_covers(const GuardRows *rows,
									  struct GuardEvidence *evidence,
									  bool *inherited);

/*
 * The object that something is to be registered for, when everything that was
 * registered is up to date.
 */
extern pg_uuid_t * guard_registration_object(Oid relation);

#endif							/* GUARD_REGISTRATION_H */
