/*-------------------------------------------------------------------------
 *
 * compat.c
 *	  What older servers lack, under its newer name.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"

#include "compat/compat.h"

#if PG_VERSION_NUM < 160000

/*
 * Ownership of a relation or a schema, the two kinds that guard asks about.
 */
bool
guard_compat_ownercheck(Oid classid, Oid objectid, Oid roleid)
{
	switch (classid)
	{
		case RelationRelationId:
			return pg_class_ownercheck(objectid, roleid);
		case NamespaceRelationId:
			return pg_namespace_ownercheck(objectid, roleid);
	}
	elog(ERROR, "unexpected class %u in ownership check", classid);
	return false;
}

#endif
