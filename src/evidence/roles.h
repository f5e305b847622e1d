/*-------------------------------------------------------------------------
 *
 * roles.h
 *	  What an index is good for besides being scanned.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_ROLES_H
#define GUARD_ROLES_H

#include "evidence/shape/shape.h"

typedef struct GuardRoles
{
	/* of the index */
	bool		replica_identity;	/* it identifies rows for replication, as
									 * chosen or as the primary key */
	bool		fk_support;		/* a foreign key of its table finds the
								 * referencing rows by it */

	/* of its table */
	bool		published_for_update_or_delete; /* itself or through a
												 * partition ancestor: without
												 * a replica identity, UPDATE
												 * or DELETE would fail */
	bool		subscribed;		/* rows arrive by logical replication,
								 * directly or through a partition ancestor */
	bool		is_matview;
	bool		is_partition;
	bool		is_inheritance_child;	/* of a table that is not partitioned */
	Oid			partition_parent;	/* InvalidOid unless is_partition */
	List	   *parents;		/* of a partition or child: OIDs */
} GuardRoles;

/*
 * The roles of an index.  Reads system catalogs only, takes no lock on user
 * relations; what has vanished meanwhile plays no role.
 */
extern void guard_roles_collect(const GuardShape *shape, GuardRoles *roles);

#endif							/* GUARD_ROLES_H */
