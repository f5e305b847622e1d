/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  What PostgreSQL's catalogs say of tables, indexes and partitions.
 *
 * No lock is taken on what is asked about: it may go at any moment, and what
 * has gone is an answer, never an error.  Results live in the current memory
 * context.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CATALOG_H
#define GUARD_CATALOG_H

#include "nodes/pg_list.h"

/* Is there a relation with this OID? */
extern bool guard_catalog_exists(Oid relation);

/* Is it an index, partitioned ones included? */
extern bool guard_catalog_is_index(Oid relation);

/* The table of an index; InvalidOid when it is none, or not there. */
extern Oid	guard_catalog_table(Oid index);

/* Is there a valid index with this OID? */
extern bool guard_catalog_is_valid(Oid index);

/* The indexes of a table, valid or not: a list of OIDs. */
extern List *guard_catalog_indexes(Oid table);

/* That of them which bears a name; InvalidOid when none does. */
extern Oid	guard_catalog_index_named(Oid table, const char *name);

/*
 * What is attached directly to a table or an index: partitions, or children of
 * inheritance.  Not what is being detached concurrently.
 */
extern List *guard_catalog_children(Oid parent);

/*
 * What a table is a partition of, or the first of those that it inherits from;
 * InvalidOid: nothing.
 */
extern Oid	guard_catalog_parent(Oid table);

/*
 * A relation and all that it is a partition of, itself first and the topmost
 * last.
 */
extern List *guard_catalog_lineage(Oid relation);

/* Schema and name, qualified and quoted as SQL takes them; NULL: not there. */
extern char *guard_catalog_name(Oid relation);

#endif							/* GUARD_CATALOG_H */
