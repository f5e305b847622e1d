/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  A person wants an index back.
 *
 * Before the drop itself that is a matter of its name and of the planner's
 * sight of it, done at once and in the caller's transaction.  Afterwards the
 * index must be created again, CONCURRENTLY, which no function can do
 * (doc/internals/postgresql.md 7.1): the wish is written down and a visitor
 * carries it out.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/comment.h"
#include "commands/tablecmds.h"
#include "utils/inval.h"

#include "planner/hide/hide.h"
#include "softdrop/steps.h"

/* ----------------------------------------------------------------
 *		Giving an index its old name back.
 *
 * RenameRelationInternal() rather than ALTER INDEX: whoever may drop an index
 * may not always rename it (doc/internals/review.md 16).  The schema is
 * that of the table now, which may have moved; the name may have been taken
 * by somebody else in the meantime, mostly by the replacement.  Then the index
 * keeps its holding name, for a name matters less than an index.
 * ----------------------------------------------------------------
 */

/*
 * One part.  Returns NULL, or why it keeps the name that it has.
 */
static char *
rename_part(GuardSoftDropPart *part)
{
	char	   *name;
	Oid			schema;

	if (!OidIsValid(part->index))
		return NULL;
	LockRelationOid(part->index, ShareUpdateExclusiveLock);
	name = get_rel_name(part->index);
	if (name == NULL)
	{
		part->index = InvalidOid;
		return NULL;
	}

	/* Somebody gave it a name of his own: that one stands. */
	if (strcmp(name, part->holding_name) != 0)
		return NULL;
	schema = get_rel_namespace(part->index);
	if (OidIsValid(get_relname_relid(part->old_name, schema)))
		return psprintf("it keeps the name %s, for there is another relation %s by now",
						quote_identifier(part->holding_name),
						quote_qualified_identifier(get_namespace_name(schema),
												   part->old_name));
	RenameRelationInternal(part->index, part->old_name, false, true);
	return NULL;
}

static void
refresh(void *arg)
{
	guard_identity_renamed(list_make1_oid(InvalidOid));
	guard_evidence_refresh();
}

/*
 * Registrations know an index by OID and name, and one half must always lead to
 * the other: so before and after every renaming.
 */
void
guard_softdrop_refresh_names(void)
{
	(void) guard_store_try("bring registrations up to date", refresh, NULL);
}

char *
guard_softdrop_rename_back(GuardSoftDrop *drop)
{
	char	   *why = NULL;

	guard_softdrop_refresh_names();

	foreach_ptr(GuardSoftDropPart, part, drop->parts)
	{
		char	   *kept = rename_part(part);

		if (why == NULL)
			why = kept;
		if (!OidIsValid(part->index))
			continue;
		CreateComments(part->index, RelationRelationId, 0, part->comment);
		CommandCounterIncrement();
	}
	guard_softdrop_refresh_names();
	return why;
}

void
guard_softdrop_await_name(GuardSoftDrop *drop, const char *kept)
{
	TimestampTz now = GetCurrentTimestamp();

	drop->name_wanted = kept != NULL;
	drop->due_at = kept == NULL ? 0 :
		now + guard_states_name_interval(now, drop->state_since);
	drop->next_step = kept == NULL ? NULL :
		psprintf("called %s again, as soon as nothing else is", guard_softdrop_name(drop));
	drop->next_at = 0;
}

/* So long a person waits for who has the index locked. */
#define PATIENCE	(INT64CONST(5) * USECS_PER_SEC)

/*
 * Lock the index.  Most who have it locked are done in a moment: a visitor, say,
 * that gives it the name of an earlier soft drop.  What has begun to be dropped
 * stays locked, by a process that would wait for us.
 */
static bool
lock_soon(const GuardSoftDrop *drop, Oid index)
{
	TimestampTz end = GetCurrentTimestamp() + PATIENCE;

	while (!ConditionalLockRelationOid(index, ShareUpdateExclusiveLock))
	{
		if (drop->drop_started_at != 0 || GetCurrentTimestamp() >= end)
			return false;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10000L);
	}
	return true;
}

/*
 * Write down that a visitor shall bring it back.
 */
static void
want_visitor(GuardSoftDrop *drop, const char *step)
{
	drop->restore_wanted = true;
	drop->attempts = 0;
	drop->next_step = pstrdup(step);
	drop->next_at = drop->due_at = GetCurrentTimestamp();
	guard_softdrop_save(drop);
	guard_softdrop_want_at_commit();
}

/*
 * It is back; a record that cannot be written now does not take it away again.
 */
char *
guard_softdrop_bring_back(GuardSoftDrop *drop, const char *reason)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	bool		hidden = drop->state == GUARD_SOFTDROP_HIDDEN;
	char	   *kept;

	/* the sight first, for that is what hurts */
	if (hidden)
		(void) guard_hide_remove(self->index);
	kept = guard_softdrop_rename_back(drop);
	guard_watch_end(drop);
	guard_softdrop_enter(drop, GUARD_SOFTDROP_RESTORED, reason);
	guard_softdrop_await_name(drop, kept);
	guard_softdrop_save(drop);
	guard_softdrop_audit(drop, "restored", reason);
	return psprintf("index %s is back%s%s%s", guard_softdrop_name(drop),
					hidden ? ", and the planner uses it again from COMMIT on" : "",
					kept != NULL ? "; but " : "", kept != NULL ? kept : "");
}

char *
guard_softdrop_restore(GuardSoftDrop *drop)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	char	   *reason = psprintf("%s asked for it",
								  GetUserNameFromId(GetSessionUserId(), false));

	if (drop->state == GUARD_SOFTDROP_RESTORED)
		return psprintf("index %s was restored on %s already",
						guard_softdrop_name(drop),
						timestamptz_to_str(drop->state_since));
	if (get_rel_relkind(drop->table) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("cannot restore index \"%s\": its table is gone",
						guard_softdrop_name(drop)),
				 errhint("How it was created: SELECT definition FROM guard.soft_drops;")));

	if (drop->state == GUARD_SOFTDROP_DROPPED || !OidIsValid(self->index))
	{
		want_visitor(drop, "created again");
		return psprintf("index %s has been dropped; a background worker creates it again, CONCURRENTLY: see guard.soft_drops",
						guard_softdrop_name(drop));
	}

	if (!lock_soon(drop, self->index))
	{
		want_visitor(drop, "brought back once it is no longer locked");
		return psprintf("index %s is locked at the moment, perhaps because it is just being dropped; a background worker brings it back: see guard.soft_drops",
						guard_softdrop_name(drop));
	}
	AcceptInvalidationMessages();
	if (drop->drop_started_at != 0 && !guard_catalog_is_valid(self->index))
	{
		want_visitor(drop, "created again");
		return psprintf("index %s had begun to be dropped; a background worker creates it again, CONCURRENTLY: see guard.soft_drops",
						guard_softdrop_name(drop));
	}
	return guard_softdrop_bring_back(drop, reason);
}

/* ---- when guard itself goes ---- */

static bool
names_guard(DropStmt *stmt)
{
	foreach_ptr(Node, name, stmt->objects)
	{
		if (strcmp(strVal(name), "guard") == 0)
			return true;
	}
	return false;
}

static void
give_all_back(void *arg)
{
	foreach_ptr(GuardSoftDrop, drop, guard_softdrop_list_open())
	{
		char	   *done = guard_softdrop_bring_back(drop,
													 "guard itself is being dropped");

		ereport(NOTICE, (errmsg_internal("%s", done)));
	}
}

/*
 * Others of our tables may have gone before: there is nothing to write any more.
 */
static void
give_names_back(void *arg)
{

	foreach_ptr(GuardSoftDrop, drop, guard_softdrop_list_open())
	{
		char	   *kept = guard_softdrop_rename_back(drop);

		ereport(NOTICE,
				(errmsg("index %s is back%s%s", guard_softdrop_name(drop),
						kept != NULL ? "; but " : "", kept != NULL ? kept : "")));
	}
}

void
guard_softdrop_relation_goes(Oid relation)
{
	guard_dropping_check(relation);
	if (relation == guard_store_table("soft_drop"))
		(void) guard_store_try("give indexes back their names", give_names_back, NULL);
}

void
guard_softdrop_before_extension_goes(DropStmt *stmt)
{
	List	   *open;

	if (!names_guard(stmt))
		return;
	open = guard_softdrop_list_open();
	if (open == NIL)
		return;
	if (stmt->behavior != DROP_CASCADE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg_plural("cannot drop extension guard: %d index is being dropped in stages",
							   "cannot drop extension guard: %d indexes are being dropped in stages",
							   list_length(open), list_length(open)),
				 errdetail("See guard.soft_drops."),
				 errhint("Use DROP EXTENSION guard CASCADE to give them their names back.")));
	give_all_back(NULL);
}
