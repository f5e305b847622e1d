/*-------------------------------------------------------------------------
 *
 * hide_funcs.c
 *	  SQL functions that hide: guard.hide, guard.unhide.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/comment.h"

#include "api/api.h"
#include "audit/audit.h"
#include "evidence/shape/shape.h"
#include "planner/hide/hide.h"
#include "policy/sentence.h"

#define COMMENT_LINE	"Hidden from the planner by "

PG_FUNCTION_INFO_V1(guard_sql_hide);
PG_FUNCTION_INFO_V1(guard_sql_unhide);

/*
 * Is it an index that guard looks after, and does its table belong to the
 * caller?  Returns the table.
 */
static Oid
require_own_index(Oid index)
{
	guard_api_require_index(index);
	return guard_api_require_ownership(index);
}

static void
require_preload(void)
{
	if (!guard_hide_is_preloaded())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot hide an index without guard in \"shared_preload_libraries\""),
				 errdetail("Sessions that have not loaded guard would go on using it."),
				 errhint("Add guard to \"shared_preload_libraries\" and restart the server.")));
}

/*
 * The table is locked now.  Is the index still what it was, and can it be
 * hidden?
 */
static void
require_hideable(Oid index, Oid table)
{
	bool		for_now;
	const char *obstacle;

	if (guard_catalog_table(index) != table)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index with OID %u does not exist", index)));
	obstacle = guard_hideable_obstacle(index, &for_now);
	if (obstacle != NULL)
		ereport(ERROR,
				(errcode(for_now ? ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE :
						 ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot hide index \"%s\": %s", get_rel_name(index),
						obstacle)));
}

/*
 * What a soft drop has hidden is the soft drop's affair.
 */
static void
refuse_soft_dropped(Oid index)
{
	GuardHidden hidden;

	if (guard_hide_find(index, &hidden) && hidden.root == index &&
		!hidden.by_hand)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is hidden by a soft drop",
						get_rel_name(index)),
				 errhint("See SELECT * FROM guard.soft_drops; what guard.restore() gives back is visible again.")));
}

/*
 * In \d and to pg_dump a hidden index looks like any other, so the first line
 * of its comment says what it is, and the way back; NULL takes that away.  What
 * somebody wrote about it stays below.
 */
static void
set_comment_line(Oid index, const char *line)
{
	char	   *comment = GetComment(index, RelationRelationId, 0);
	char	   *own = comment;
	StringInfoData buf;

	if (own != NULL && strncmp(own, COMMENT_LINE, strlen(COMMENT_LINE)) == 0)
	{
		own = strchr(own, '\n');
		if (own != NULL)
			own++;
	}
	initStringInfo(&buf);
	if (line != NULL)
		appendStringInfo(&buf, COMMENT_LINE "%s%s", line, own ? "\n" : "");
	if (own != NULL)
		appendStringInfoString(&buf, own);
	if (comment != NULL || line != NULL)
		CreateComments(index, RelationRelationId, 0, buf.len > 0 ? buf.data : NULL);
}

/*
 * guard.hide(index, reason)
 */
Datum
guard_sql_hide(PG_FUNCTION_ARGS)
{
	Oid			index = guard_api_object(fcinfo, "index to hide");
	Oid			table = require_own_index(index);
	char	   *reason;

	require_preload();
	LockRelationOid(table, AccessShareLock);
	require_hideable(index, table);
	refuse_soft_dropped(index);
	reason = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	guard_hide_add(index, GUARD_HIDE_BY_HAND, reason);
	set_comment_line(index, psprintf("%s since %s%s%s. Back with SELECT guard.unhide(%s);",
									 GetUserNameFromId(GetSessionUserId(), false),
									 guard_sentence_moment(GetCurrentTimestamp()),
									 reason ? ": " : "",
									 reason ? guard_sentence_one_line(reason) : "",
									 quote_literal_cstr(guard_catalog_name(index))));
	guard_audit_change("hide", guard_catalog_name(index), reason, NULL);
	PG_RETURN_VOID();
}

static void
write_down_unhide(void *arg)
{
	guard_audit_change("unhide", arg, NULL, NULL);
}

/*
 * What cannot be written down does not keep an index hidden.
 *
 * It must work where hiding does not, to clean up; and it does not lock the
 * table, for the way back must not have to wait.
 */
Datum
guard_sql_unhide(PG_FUNCTION_ARGS)
{
	GuardHidden hidden;
	Oid			index = guard_api_object(fcinfo, "index to unhide");

	(void) require_own_index(index);
	refuse_soft_dropped(index);
	if (!guard_hide_remove(index))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index \"%s\" is not hidden", get_rel_name(index)),
				 guard_hide_find(index, &hidden) ?
				 errdetail("The partitioned index \"%s\" that it belongs to is.",
						   get_rel_name(hidden.root)) : 0));
	set_comment_line(index, NULL);
	(void) guard_store_try("write down that an index is not hidden any more",
						   write_down_unhide, guard_catalog_name(index));
	PG_RETURN_VOID();
}
