/*-------------------------------------------------------------------------
 *
 * object_access.c
 *	  The backstop: every index that is really removed passes here.
 *
 * OAT_DROP comes after the locks, but it is the one place that sees every
 * route (doc/internals/postgresql.md 1.1).  What PostgreSQL itself replaces
 * comes marked INTERNAL and is never refused, which would break ALTER TYPE,
 * REINDEX CONCURRENTLY and the end of sessions.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_rewrite.h"

#include "hooks/frame.h"
#include "planner/hide/hide.h"
#include "softdrop/softdrop.h"

static object_access_hook_type prev_object_access = NULL;

static void
drop_relation(Oid relation, int dropflags)
{
	char		relkind = get_rel_relkind(relation);
	bool		internal = (dropflags & PERFORM_DELETION_INTERNAL) != 0;

	if (relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX)
	{
		bool		concurrent = (dropflags & PERFORM_DELETION_CONCURRENTLY) != 0;

		guard_backstop_keeps(relation, concurrent);
		if (guard_guc_mode != GUARD_MODE_OFF)
			guard_backstop_drops_index(relation, internal, concurrent);
		else if (!internal)
			guard_unjudged_note(relation);
	}
	else if (guard_guc_mode != GUARD_MODE_OFF && !internal &&
			 (relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW ||
			  relkind == RELKIND_PARTITIONED_TABLE) &&
			 get_rel_persistence(relation) != RELPERSISTENCE_TEMP)
		guard_backstop_drops_table(relation);
}

/*
 * The name, columns or parents of a relation may have changed, or what a view
 * shows: COMMIT asks what its traffic leads to then.  Temporary ones bear no
 * name, and what belongs to an index is no name that traffic addresses.
 */
static void
note_touched(ObjectAccessType access, Oid classId, Oid objectId, int subId)
{
	if (guard_guc_mode == GUARD_MODE_OFF || IsBootstrapProcessingMode())
		return;
	if (classId == NamespaceRelationId && access == OAT_POST_ALTER)
		guard_before_touch(GUARD_TOUCHED_SCHEMA, objectId);
	else if (classId == RewriteRelationId && access == OAT_POST_CREATE)
		guard_before_touch(GUARD_TOUCHED_RULE, objectId);
	else if (classId == InheritsRelationId ||
			 (classId == RelationRelationId && (access != OAT_POST_CREATE || subId > 0) &&
			  guard_catalog_bears_name(objectId)))
		guard_before_touch(GUARD_TOUCHED_RELATION, objectId);
}

static pg_noinline void
look_at(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (access == OAT_TRUNCATE)
	{
		if (guard_guc_mode != GUARD_MODE_OFF && guard_store_present())
			guard_profile_emptied(objectId);
		return;
	}
	if (access == OAT_DROP && classId == DatabaseRelationId)
	{
		guard_capture_forget_database(objectId);
		guard_audit_forget_database(objectId);
	}
	if (access == OAT_DROP && classId == ExtensionRelationId)
	{
		if (objectId == guard_store_extension())
			guard_capture_extension_goes();
		guard_store_forget();
	}
	note_touched(access, classId, objectId, subId);

	/* ALTER SCHEMA ... RENAME alters none of its tables */
	if (access == OAT_POST_ALTER && classId == NamespaceRelationId)
		guard_backstop_alters(InvalidOid);
	if (classId != RelationRelationId || (subId != 0 && access != OAT_POST_ALTER))
		return;

	/* What goes is noted while guard is off, too. */
	if (guard_guc_mode == GUARD_MODE_OFF && access != OAT_DROP)
		return;
	if (!guard_store_present())
		return;
	if (access == OAT_DROP)
	{
		guard_hide_relation_goes(objectId);
		guard_softdrop_relation_goes(objectId);
		drop_relation(objectId, ((ObjectAccessDrop *) arg)->dropflags);
	}
	else if (access == OAT_POST_ALTER)
		guard_backstop_alters(objectId);
	else
		guard_backstop_creates(objectId);
}

/*
 * Most calls are for the execution of a function, or a search by name.
 */
static void
object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId,
			  void *arg)
{
	if (unlikely(prev_object_access != NULL))
		prev_object_access(access, classId, objectId, subId, arg);
	if (likely(access == OAT_FUNCTION_EXECUTE || access == OAT_NAMESPACE_SEARCH))
		return;
	look_at(access, classId, objectId, subId, arg);
}

void
guard_object_access_init(void)
{
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
}
