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

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "planner/hide.h"
#include "policy/sentence.h"
#include "softdrop/softdrop.h"
#include "store/store.h"
#include "store/text.h"
#include "store/visits.h"

/* Longer statements are cut. */
#define STATEMENT_MAX	10000

static bool began = false;		/* or wants something else from COMMIT on */
static bool registered = false; /* at_xact, in this session */

/*
 * The new row is there from COMMIT on: then somebody should look at it.
 */
static void
at_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && began)
		guard_visits_want();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		began = false;
}

void
guard_softdrop_want_at_commit(void)
{
	if (!registered)
		RegisterXactCallback(at_xact, NULL);
	registered = true;
	began = true;
}

void
guard_softdrop_init(void)
{
	guard_replacement_set_leaving(guard_softdrop_is_open);
}

const char *
guard_softdrop_unavailable(void)
{
	if (!guard_hide_is_preloaded())
		return "guard is not in shared_preload_libraries";
	if (!guard_guc_hiding)
		return "guard.hiding is off";
	return NULL;
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

static Datum
oid_array(List *oids)
{
	Datum	   *elements = palloc(list_length(oids) * sizeof(Datum));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, oids)
		elements[n++] = ObjectIdGetDatum(lfirst_oid(lc));
	return PointerGetDatum(construct_array(elements, n, OIDOID, sizeof(Oid),
										   true, TYPALIGN_INT));
}

/*
 * Everything that is needed to create the index and its parts again is read
 * from the catalogs by the statement that writes it down.
 */
static void
write_row(const GuardJudgement *judgement, List *parts, const char *statement)
{
	Oid			types[] = {OIDARRAYOID, OIDOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[7];
	char		nulls[] = "       ";
	int			nestlevel;

	values[0] = oid_array(parts);
	values[1] = ObjectIdGetDatum(MyDatabaseId);
	values[2] = Int64GetDatum((int64) GetSystemIdentifier());
	if (statement != NULL)
		values[3] = PointerGetDatum(cstring_to_text_with_len(statement,
															 guard_text_clip(statement,
																			 STATEMENT_MAX)));
	else
		nulls[3] = 'n';
	values[4] = CStringGetTextDatum(guard_verdict_reason_name(judgement->verdict.reason));
	values[5] = CStringGetTextDatum(guard_sentence_verdict(judgement));
	values[6] = CStringGetTextDatum("hidden once nobody needs it");

	if (!ConditionalLockRelationOid(guard_store_table("soft_drop"), RowExclusiveLock))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not write to table \"%s\"", "guard.soft_drop"),
				 errdetail("Another session holds a lock on it.")));
	nestlevel = guard_softdrop_settle_texts();
	guard_store_execute("INSERT INTO guard.soft_drop (index_oid, database_oid, system_identifier, state,"
						" table_oid, index_schema, index_name, table_name, partitioned, parts,"
						" statement, reason, detail, next_step)"
						" SELECT ($1)[1], $2, $3, 'waiting', i.indrelid, n.nspname,"
						" c.relname, t.relname, c.relkind = 'I',"
						" (SELECT jsonb_agg(jsonb_build_object('oid', pc.oid::bigint, 'table', pi.indrelid::bigint,"
						"    'old_name', pc.relname, 'holding_name', 'guard_drop_' || pc.oid,"
						"    'definition', pg_get_indexdef(pc.oid), 'comment', obj_description(pc.oid, 'pg_class'),"
						"    'tablespace', (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = pc.reltablespace),"
						"    'clustered', pi.indisclustered, 'partitioned', pc.relkind = 'I', 'was', pc.oid::bigint,"
						"    'parent', CASE WHEN p.n > 1 THEN (SELECT h.inhparent::bigint FROM pg_inherits h WHERE h.inhrelid = pc.oid) END,"
						"    'needs', (SELECT coalesce(jsonb_agg(jsonb_build_object('class', d.refclassid::bigint, 'oid', d.refobjid::bigint,"
						"        'identity', (pg_identify_object(d.refclassid, d.refobjid, 0)).identity)), '[]')"
						"        FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = pc.oid"
						"        AND d.refclassid <> 'pg_class'::regclass),"
						"    'statistics', (SELECT string_agg(a.attnum || '=' || a.attstattarget, ',')"
						"        FROM pg_attribute a WHERE a.attrelid = pc.oid AND a.attstattarget >= 0)) ORDER BY p.n)"
						"  FROM unnest($1) WITH ORDINALITY AS p (oid, n)"
						"  JOIN pg_class pc ON pc.oid = p.oid JOIN pg_index pi ON pi.indexrelid = p.oid),"
						" $4, $5, $6, $7"
						" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
						" JOIN pg_namespace n ON n.oid = c.relnamespace"
						" JOIN pg_class t ON t.oid = i.indrelid WHERE i.indexrelid = ($1)[1]",
						7, types, values, nulls);
	AtEOXact_GUC(true, nestlevel);
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
	ListCell   *lc;

	guard_softdrop_refresh_names();
	foreach(lc, parts)
	{
		Oid			index = lfirst_oid(lc);

		RenameRelationInternal(index, psprintf("guard_drop_%u", index), false, true);
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
