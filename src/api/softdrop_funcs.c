/*-------------------------------------------------------------------------
 *
 * softdrop_funcs.c
 *	  SQL functions for soft drops: guard.restore.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "utils/varlena.h"

#include "softdrop/softdrop.h"

PG_FUNCTION_INFO_V1(guard_sql_restore);

/*
 * guard.restore(name): an index that was dropped in stages comes back.
 */
Datum
guard_sql_restore(PG_FUNCTION_ARGS)
{
	RangeVar   *name;
	GuardSoftDrop *drop;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name of the index to restore must not be null")));
	PreventCommandIfReadOnly("guard.restore()");
	name = makeRangeVarFromNameList(textToQualifiedNameList(PG_GETARG_TEXT_PP(0)));
	drop = guard_softdrop_find(name->schemaname, name->relname);
	if (drop == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no index \"%s\" has been dropped in stages",
						text_to_cstring(PG_GETARG_TEXT_PP(0))),
				 errhint("See SELECT * FROM guard.soft_drops;")));
	if (get_rel_relkind(drop->table) != '\0' &&
		!object_ownercheck(RelationRelationId, drop->table, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(drop->table));

	/* a visitor may be at it, for a moment */
	drop = guard_softdrop_take(drop->id, true);
	if (drop == NULL || drop->parts == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("soft drop of index \"%s\" has been removed meanwhile",
						text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	PG_RETURN_TEXT_P(cstring_to_text(guard_softdrop_restore(drop)));
}
