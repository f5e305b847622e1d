/*-------------------------------------------------------------------------
 *
 * begin.c
 *	  A DROP INDEX becomes a soft drop.
 *
 * The index gets out of the way: it takes another name, so that the old one is
 * free in the same transaction, as after a drop.  Migration tools drop and
 * re-create.  The comment tells whoever meets the new name what it is, also on
 * a server that a dump was restored to, where guard knows nothing of it.
 *
 * The right to drop has been tested before there was a target.  Renaming asks
 * for other rights (CREATE on the schema), so it is done by the function that
 * asks for none.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/tablecmds.h"

#include "planner/hide/hide.h"
#include "policy/sentence.h"
#include "softdrop/steps.h"

/* An owner has so many open ones at most. */
#define MAX_OPEN		1000

/* Longer statements are cut. */
#define STATEMENT_MAX	10000

static bool began = false;		/* or wants something else from COMMIT on */

/*
 * The new row is there from COMMIT on: then somebody should look at it.  Of
 * COMMIT PREPARED nobody tells us: a visitor that sees what was prepared comes
 * again until it is no longer there.
 */
static void
at_end(GuardXactPhase phase)
{
	if (phase != GUARD_XACT_ABORTED && began)
		guard_visits_want();
	began = false;
}

void
guard_softdrop_want_at_commit(void)
{
	began = true;
	guard_xact_follow();
}

void
guard_softdrop_init(void)
{
	guard_replacement_set_leaving(guard_softdrop_is_open);
	guard_xact_register(GUARD_XACT_OVER, at_end);
}

/*
 * Why nothing can be carried out in stages here, as a clause; NULL: it can.
 */
static const char *
find_unavailable(void)
{
	if (!guard_hide_is_preloaded())
		return "guard is not in shared_preload_libraries";
	if (!guard_guc_hiding)
		return "guard.hiding is off";
	if (!guard_store_matches())
		return "guard's library and its SQL are of different versions";
	return NULL;
}

/*
 * How many open ones does an owner have?  Those of this transaction count.
 */
static int64
count_open(Oid owner)
{
	/* where they cannot be counted, there is no room for another */
	if (!ConditionalLockRelationOid(guard_store_table("soft_drop"), AccessShareLock))
		return MAX_OPEN;

	/*
	 * no join: unanalysed, it reads the table once for each table of the
	 * owner
	 */
	return guard_query_int("SELECT count(*) FROM guard.soft_drop s"
						   " WHERE s.state IN ('waiting', 'hidden') AND s.due_at IS NOT NULL"
						   " AND (SELECT t.relowner FROM pg_class t WHERE t.oid = s.table_oid) = $1",
						   P_OID(owner));
}

/* An owner, and how many more are possible. */
typedef struct Room
{
	Oid			owner;
	int64		left;
} Room;

static Room *
room_of(List **rooms, Oid owner)
{
	Room	   *room;

	foreach_ptr(Room, each, *rooms)
	{
		if (each->owner == owner)
			return each;
	}
	room = palloc(sizeof(Room));
	room->owner = owner;
	room->left = MAX_OPEN - count_open(owner);
	*rooms = lappend(*rooms, room);
	return room;
}

void
guard_softdrop_offer(List *targets)
{
	const char *why = find_unavailable();
	bool		asked = guard_guc_hot_action == GUARD_HOT_DELAY ||
		guard_guc_unknown_action == GUARD_UNKNOWN_DELAY;
	List	   *rooms = NIL;

	foreach_ptr(GuardTarget, target, targets)
	{
		if (target->route != GUARD_ROUTE_INDEX)
			continue;
		target->no_delay = why;
		if (why == NULL && asked && !guard_softdrop_is_open(target->index) &&
			room_of(&rooms, guard_catalog_owner(target->table))->left-- <= 0)
			target->no_delay = "the owner of its table has as many indexes being dropped in stages as possible";
	}
}

/*
 * Is it still the index that was judged?  Called with the index locked.
 */
static bool
is_unchanged(const GuardShape *shape)
{
	Oid			schema = get_rel_namespace(shape->index);
	char	   *name = get_rel_name(shape->index);

	return name != NULL && strcmp(name, shape->name) == 0 &&
		OidIsValid(schema) &&
		strcmp(get_namespace_name(schema), shape->schema) == 0;
}

/*
 * Everything that is needed to create the index and its parts again is read
 * from the catalogs by the statement that writes it down.
 */
static void
write_row(const GuardJudgement *judgement, List *parts, const char *statement)
{
	int			nestlevel;

	if (!ConditionalLockRelationOid(guard_store_table("soft_drop"), RowExclusiveLock))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not write to table \"%s\"", "guard.soft_drop"),
				 errdetail("Another session holds a lock on it.")));
	nestlevel = guard_softdrop_settle_texts();
	(void) guard_query_execute("INSERT INTO guard.soft_drop (index_oid, state,"
							   " table_oid, index_schema, index_name, table_name, partitioned, parts,"
							   " statement, reason, detail, next_step, login_role)"
							   " SELECT i.indexrelid, 'waiting', i.indrelid, n.nspname, p.parts -> 0 ->> 'old_name',"
							   " t.relname, c.relkind = 'I', p.parts, $2, $3, $4, $5, $6"
							   " FROM guard.soft_drop_parts($1) AS p (parts), pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
							   " JOIN pg_namespace n ON n.oid = c.relnamespace"
							   " JOIN pg_class t ON t.oid = i.indrelid WHERE i.indexrelid = ($1)[1]",
							   P_OIDS(parts),
							   P_TEXT(statement == NULL ? NULL : pnstrdup(statement, guard_text_clip(statement, STATEMENT_MAX))),
							   P_TEXT(guard_verdict_reason_name(judgement->verdict.reason)),
							   P_TEXT(guard_sentence_verdict(judgement)), P_TEXT("hidden once nobody needs it"),
							   P_OID(GetSessionUserId()));
	AtEOXact_GUC(true, nestlevel);

	/* What it still was to get from an earlier one, this one takes. */
	(void) guard_query_execute("UPDATE guard.soft_drop SET name_wanted = false, due_at = NULL"
							   " WHERE name_wanted AND index_oid = ($1)[1]",
							   P_OIDS(parts));
}

static char *
comment_for(const GuardShape *shape)
{
	return psprintf("Was index %s until %s dropped it on %s, in stages: see guard.soft_drops. "
					"To have it back: SELECT guard.restore(%s); "
					"where guard is not installed: ALTER INDEX %s RENAME TO %s;",
					guard_sentence_name(shape),
					quote_identifier(GetUserNameFromId(GetSessionUserId(), false)),
					guard_sentence_moment(GetCurrentTimestamp()),
					quote_literal_cstr(guard_sentence_name(shape)),
					psprintf("guard_drop_%u", shape->index),
					quote_identifier(shape->name));
}

/*
 * All parts get out of the way.
 */
static void
rename_parts(const GuardShape *shape, List *parts)
{

	guard_softdrop_refresh_names();
	foreach_oid(index, parts)
	{
		char	   *holding_name = psprintf("guard_drop_%u", index);

		if (strcmp(get_rel_name(index), holding_name) != 0)
			RenameRelationInternal(index, holding_name, false, true);
		if (index == shape->index)
			CreateComments(index, RelationRelationId, 0, comment_for(shape));
		CommandCounterIncrement();
	}
	guard_softdrop_refresh_names();
}

static void
tell(const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	const char *name = guard_sentence_name(judgement->shape);

	ereport(WARNING,
			(errmsg("index \"%s\" will be dropped in stages: %s", name,
					evidence->asker_may_see ? guard_sentence_verdict(judgement) :
					"it is still needed"),
			 errdetail("Its name is free. It stays as %s until nobody needs it, is then hidden from the planner and watched for at least %s (guard.trial_period), and dropped after that; if anything slows down meanwhile, it comes back.",
					   psprintf("guard_drop_%u", judgement->shape->index),
					   GetConfigOptionByName("guard.trial_period", NULL, false)),
			 errhint("To have it back at any time: SELECT guard.restore(%s); what becomes of it: SELECT * FROM guard.soft_drops;",
					 quote_literal_cstr(name))));
}

/*
 * Somebody drops it by its holding name, and it is still needed.  Tools that
 * compare schemas do so at every deployment, and an error would stop them.
 */
static void
tell_again(const GuardJudgement *judgement)
{
	const GuardSoftDrop *drop = guard_softdrop_find(judgement->shape->schema,
													judgement->shape->name);

	ereport(WARNING,
			(errmsg("index \"%s\" is being dropped in stages already, and is still needed: %s",
					guard_sentence_name(judgement->shape),
					judgement->verdict.evidence->asker_may_see ?
					guard_sentence_verdict(judgement) : "it is in use"),
			 errdetail("It was index %s. It stays until nobody needs it: see guard.soft_drops.",
					   drop != NULL ? guard_softdrop_name(drop) : "of another name"),
			 errhint("To have it back under its old name: SELECT guard.restore(%s);",
					 quote_literal_cstr(guard_sentence_name(judgement->shape)))));
}

bool
guard_softdrop_begin(const GuardJudgement *judgement, const char *statement)
{
	const GuardShape *shape = judgement->shape;
	List	   *parts;

	if (guard_softdrop_is_open(shape->index))
	{
		tell_again(judgement);
		return true;
	}
	LockRelationOid(shape->index, ShareUpdateExclusiveLock);
	if (!is_unchanged(shape))
		return false;
	parts = find_all_inheritors(shape->index, ShareUpdateExclusiveLock, NULL);
	write_row(judgement, parts, statement);
	rename_parts(shape, parts);
	guard_softdrop_audit(guard_softdrop_find(shape->schema, shape->name),
						 "delay", psprintf("%s: %s",
										   guard_verdict_reason_name(judgement->verdict.reason),
										   guard_sentence_verdict(judgement)));
	guard_softdrop_want_at_commit();
	tell(judgement);
	return true;
}
