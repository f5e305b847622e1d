/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  Who is this index, and is this still the database that guard knows?
 *
 * Vocabulary:
 *
 *	object		a table or index that guard has seen: a row of guard.object, on
 *				which hangs whatever guard remembers of it.  It stays the same
 *				object under other names and another OID, and after it is gone
 *	created		made from nothing while guard looked; what a rebuild or a
 *				rename made of an object is that object
 *	home		the database in which guard's rows were written; not the copy
 *				that CREATE DATABASE ... TEMPLATE made of it
 *
 * A row is written ahead of need, and nobody waits for one: an index without
 * is one that guard has not seen being created.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_IDENTITY_H
#define GUARD_IDENTITY_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"

typedef struct GuardObject
{
	pg_uuid_t	id;
	Oid			table;
	Oid			index;			/* InvalidOid: it is a table */
	char	   *schema;
	char	   *table_name;
	char	   *name;			/* of the index; NULL: it is a table */
	char	   *shape;			/* of the index, by names, as "describe" wrote
								 * it; NULL: not known */
	TimestampTz created_at;		/* 0: guard did not see it being created */
	TimestampTz first_seen;
	TimestampTz last_seen;		/* when this row was last found to be true */
	TimestampTz gone_at;		/* 0: it is there, as far as was seen */
} GuardObject;

/*
 * The shape of an index as a text, in the current memory context; NULL where
 * it cannot be read.  Set at start by the room that knows shapes.
 */
extern char *(*guard_identity_describe) (Oid index);

/* ---- asking; waits for no lock ---- */

/*
 * Who is this relation now?  In the current memory context; NULL where guard
 * has not seen it yet.  Raises an error where that cannot be read.
 */
extern GuardObject *guard_identity_of(Oid relation);

/* The object with that id, gone or not; NULL where this database has none. */
extern GuardObject *guard_identity_find(const pg_uuid_t * id);

/*
 * Indexes that guard has seen, and that are gone from the catalogs, where their
 * shapes are known: of a table, and of whatever bore that name when it was last
 * seen, and not seen "then"; or all.  Lists of GuardObject *.
 */
extern List *guard_identity_gone_of(Oid table, const char *schema,
									const char *name, TimestampTz then);
extern List *guard_identity_all_gone(void);

/*
 * Tables that bear this name, as far as was written down: OIDs.  A rename may
 * not have been.
 */
extern List *guard_identity_tables_named(const char *schema, const char *name);

/*
 * What relation is the object now?  The one with the OID, or, where that is gone
 * or not valid any more, the index of its table with the name, which REINDEX
 * CONCURRENTLY hands on in the middle.  InvalidOid: there is none.
 */
extern Oid	guard_identity_resolve(const GuardObject *object);
extern Oid	guard_identity_index(Oid table, Oid index, const char *name);

/* ---- what happens to objects; written in the current transaction ---- */

/* these indexes were made from nothing, now */
extern void guard_identity_created(List *indexes);

/* the object of "old" is "successor" from now on: it was rebuilt */
extern void guard_identity_became(Oid old, Oid successor);

/* a table's indexes, or this one, may have been rebuilt unseen */
extern void guard_identity_follow(Oid relation);

/*
 * These relations may bear other names now, or their columns may; with
 * InvalidOid among them, any.
 */
extern void guard_identity_renamed(List *relations);

/* nobody need know any more what these indexes were like */
extern void guard_identity_forget_shapes(List *indexes);

/* these relations go for good */
extern void guard_identity_gone(List *relations);

/*
 * What nobody told: rebuilt, renamed, gone or made while guard did not look.
 * Of objects that are gone since before "forget" nothing is kept.
 */
extern void guard_identity_snapshot(TimestampTz forget);

/* the object of a relation, made if need be, for who hangs something on it */
extern pg_uuid_t * guard_identity_ensure(Oid relation);

/* ---- the database ---- */

/*
 * Is this the database that guard's rows speak of?  In a copy of it, they are
 * another's: nothing is read of them, and the first one to write here clears
 * them.
 */
extern bool guard_identity_is_home(void);

/* Does what this table holds speak of one database alone? */
extern bool guard_identity_binds(const char *table);

/* Make this database guard's home; returns whether it was not. */
extern bool guard_identity_settle(void);

#endif							/* GUARD_IDENTITY_H */
