/*-------------------------------------------------------------------------
 *
 * removal.c
 *	  What the statements of a script remove, and what becomes of it.
 *
 * The names in a statement are replaced by those that the objects have in the
 * catalogs, what exists in the script only is taken out, and the rest goes the
 * way of every DROP: ddl/ finds the targets, policy/check judges them, with
 * the indexes that went before as fellows.
 *
 * A verdict of block is not the end: an index of the script may serve, one
 * that is there already or one that comes later.  So a removal is remembered
 * until the script is over, and so is what leans on another index: when that
 * one is dropped, too, it answers for both.
 *
 * The caller may own none of it.  Everything is found as if he owned it all,
 * since the migration will run as somebody else, and what he may not see is
 * not told.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat/list.h"
#include "guc.h"
#include "planner/capture/capture.h"
#include "policy/sentence.h"
#include "review/script.h"
#include "softdrop/softdrop.h"

static void collect_drop(Script *script, DropStmt *stmt);
static void collect_drop_schema(Script *script, DropStmt *stmt);
static void collect_alter(Script *script, AlterTableStmt *stmt);
static bool alter_constraint(Script *script, ScriptRelation *table,
							 AlterTableCmd *cmd);
static bool alter_column(Script *script, ScriptRelation *table,
						 AlterTableCmd *cmd);
static void judge(Script *script, Node *stmt, bool concurrently);
static void add_removal(Script *script, GuardJudgement *judgement,
						bool concurrently);
static bool is_busy(const GuardJudgement *judgement);
static bool captured_since(Oid table, TimestampTz since);
static void drop_created(Script *script, ScriptRelation *relation,
						 GuardReviewRow *row);
static void answer_for_others(Script *script, GuardReviewRow *row,
							  GuardTarget *target, ScriptRelation *created);
static bool made_up_again(Script *script, ScriptRemoval *removal,
						  GuardTarget *target);
static List *fellows_of(Script *script, List *targets);
static void find_heir(Script *script, ScriptRemoval *removal);
static ScriptMatch serves(const ScriptRemoval *removal,
						  const ScriptRelation *index);
bool
guard_removal_collect(Script *script, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_DropStmt:
			collect_drop(script, (DropStmt *) stmt);
			return true;
		case T_AlterTableStmt:
			collect_alter(script, (AlterTableStmt *) stmt);
			return true;
		default:
			return false;
	}
}

/* ---- what a statement names ---- */

/*
 * NIL when it has vanished meanwhile.
 */
static List *
real_name_list(const ScriptRelation *relation)
{
	char	   *schema = get_namespace_name(get_rel_namespace(relation->oid));
	char	   *name = get_rel_name(relation->oid);

	return schema != NULL && name != NULL ?
		list_make2(makeString(schema), makeString(name)) : NIL;
}

/* The kinds of relation that a DROP means. */
static const char *
kinds_of(ObjectType type)
{
	switch (type)
	{
		case OBJECT_INDEX:
			return SCRIPT_INDEXES;
		case OBJECT_TABLE:
			return "rp";
		case OBJECT_MATVIEW:
			return "m";
		case OBJECT_VIEW:
			return "v";
		default:
			return "f";
	}
}

static void
collect_drop(Script *script, DropStmt *stmt)
{
	DropStmt   *real;
	ListCell   *lc;

	switch (stmt->removeType)
	{
		case OBJECT_INDEX:
		case OBJECT_TABLE:
		case OBJECT_MATVIEW:
		case OBJECT_VIEW:
		case OBJECT_FOREIGN_TABLE:
			break;
		case OBJECT_SCHEMA:
			collect_drop_schema(script, stmt);
			return;
		default:
			if (stmt->removeType == OBJECT_EXTENSION)
				guard_review_explain(guard_review_row(script, NULL, "not reviewed"),
									 "What belongs to the extension is judged when the statement runs.");
			else if (stmt->behavior == DROP_CASCADE)
				guard_review_explain(guard_review_row(script, NULL, "not reviewed"),
									 "What CASCADE takes along is judged when the statement runs.");
			return;
	}

	real = copyObject(stmt);
	real->objects = NIL;
	real->concurrent = false;
	real->missing_ok = true;
	foreach(lc, stmt->objects)
	{
		ScriptRelation *relation = guard_script_find_list(script, lfirst(lc),
														  kinds_of(stmt->removeType));

		if (relation == NULL ||
			(OidIsValid(relation->oid) && real_name_list(relation) == NIL))
		{
			const char *name = NameListToString(lfirst(lc));

			if (stmt->missing_ok)
				guard_review_explain(guard_review_row(script, name,
													  guard_verdict_decision_name(GUARD_ALLOW)),
									 "It does not exist.");
			else
				guard_review_explain(guard_review_row(script, name, "not reviewed"),
									 "It does not exist here.");
		}
		else if (!OidIsValid(relation->oid))
			drop_created(script, relation, NULL);
		else
			real->objects = lappend(real->objects, real_name_list(relation));
	}
	if (real->objects != NIL)
		judge(script, (Node *) real, stmt->concurrent);

	/* whatever it is, it is gone from here on */
	foreach(lc, stmt->objects)
	{
		ScriptRelation *relation = guard_script_find_list(script, lfirst(lc),
														  kinds_of(stmt->removeType));

		if (relation != NULL)
			guard_script_drop(script, relation);
	}
	if (!stmt->concurrent)
		return;
	if (list_length(stmt->objects) > 1)
		guard_review_advise(guard_review_statement_row(script),
							"DROP INDEX CONCURRENTLY takes one index: write a statement for each.");
	if (stmt->behavior == DROP_CASCADE)
		guard_review_advise(guard_review_statement_row(script),
							"DROP INDEX CONCURRENTLY does not support CASCADE.");
}

/*
 * Every table in it goes.  Without CASCADE it must be empty, so nothing does.
 */
static void
collect_drop_schema(Script *script, DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		ScriptSchema *schema = guard_script_find_schema(script, strVal(lfirst(lc)));

		if (schema == NULL)
			continue;
		if (OidIsValid(schema->oid) && stmt->behavior == DROP_CASCADE)
		{
			DropStmt   *real = copyObject(stmt);

			real->objects = list_make1(makeString(schema->real_name));
			judge(script, (Node *) real, false);
		}
		foreach_ptr(ScriptRelation, relation, script->relations)
		{
			if (relation->dropped_by != 0 || relation->table != NULL ||
				relation->schema != schema)
				continue;
			if (!OidIsValid(relation->oid))
				drop_created(script, relation, guard_review_statement_row(script));
			else
				guard_script_drop(script, relation);
		}
		guard_script_set_bool(script, &schema->dropped, true);
	}
}

static List *
var_names(const RangeVar *name)
{
	List	   *names = list_make1(makeString(name->relname));

	return name->schemaname ? lcons(makeString(name->schemaname), names) : names;
}

static void
collect_alter(Script *script, AlterTableStmt *stmt)
{
	ScriptRelation *table = stmt->objtype == OBJECT_TYPE ? NULL :
		guard_script_find_var(script, stmt->relation, SCRIPT_TABLES);
	AlterTableStmt *real = copyObject(stmt);
	bool		drops = false;
	ListCell   *lc;

	if (stmt->objtype == OBJECT_TYPE)
	{
		foreach(lc, stmt->cmds)
		{
			if (lfirst_node(AlterTableCmd, lc)->behavior == DROP_CASCADE)
				guard_review_explain(guard_review_row(script, NULL, "not reviewed"),
									 "What CASCADE takes along is judged when the statement runs.");
		}
		return;
	}
	if (table == NULL)
	{
		foreach(lc, stmt->cmds)
		{
			AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

			if ((cmd->subtype == AT_DropColumn || cmd->subtype == AT_DropConstraint) &&
				!stmt->missing_ok)
			{
				guard_review_explain(guard_review_row(script, NameListToString(var_names(stmt->relation)), "not reviewed"),
									 "There is no such table here.");
				return;
			}
		}
		return;
	}
	real->cmds = NIL;
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = copyObject(lfirst_node(AlterTableCmd, lc));

		if (cmd->subtype == AT_DropConstraint)
			drops |= alter_constraint(script, table, cmd);
		else if (cmd->subtype == AT_DropColumn)
			drops |= alter_column(script, table, cmd);
		cmd->missing_ok = true;
		real->cmds = lappend(real->cmds, cmd);
	}
	if (!drops || !OidIsValid(table->oid) || real_name_list(table) == NIL)
		return;
	real->relation = makeRangeVarFromNameList(real_name_list(table));
	real->relation->inh = stmt->relation->inh;
	judge(script, (Node *) real, false);
}

/*
 * Let the subcommand name the constraint as the catalogs do.  Returns whether
 * there is a real one to drop.
 */
static bool
alter_constraint(Script *script, ScriptRelation *table, AlterTableCmd *cmd)
{
	foreach_ptr(ScriptRelation, index, guard_script_indexes_of(script, table))
	{
		if (strcmp(index->name, cmd->name) != 0)
			continue;
		if (OidIsValid(index->oid))
		{
			cmd->name = get_rel_name(index->oid);
			return cmd->name != NULL;
		}
		drop_created(script, index, NULL);
	}

	/* a foreign key, or what does not exist, or was renamed: no index */
	cmd->subtype = AT_SetLogged;
	return false;
}

/*
 * The same for a column.
 */
static bool
alter_column(Script *script, ScriptRelation *table, AlterTableCmd *cmd)
{
	ScriptColumn *column = guard_script_column(script, table, cmd->name);
	const char *label;

	if (column == NULL)
	{
		if (!cmd->missing_ok && table->columns_known)
			guard_review_explain(guard_review_row(script, guard_script_name(table), "not reviewed"),
								 "Column \"%s\" does not exist here.", cmd->name);
		cmd->subtype = AT_SetLogged;
		return false;
	}
	label = guard_script_column_label(script, table, cmd->name);
	foreach_ptr(ScriptRelation, index, guard_script_indexes_of(script, table))
	{
		if (OidIsValid(index->oid) || !guard_structure_uses(index, label))
			continue;
		drop_created(script, index, NULL);
	}
	guard_script_set_bool(script, &column->dropped, true);
	if (column->attnum == 0)
	{
		cmd->subtype = AT_SetLogged;
		return false;
	}
	cmd->name = column->real_name;
	return true;
}

/* ---- judging ---- */

/*
 * A statement in the catalogs' own names.
 */
static void
judge(Script *script, Node *stmt, bool concurrently)
{
	GuardTargets *collected = guard_targets_collect_as_owner(stmt);
	List	   *targets = NIL;
	ListCell   *lc;

	foreach_ptr(GuardTarget, target, collected != NULL ? collected->targets : NIL)
	{
		ScriptRelation *index = guard_script_find_oid(script, target->index);

		if (target->route == GUARD_ROUTE_INDEX)
			target->no_delay = guard_softdrop_unavailable();
		if (index != NULL && index->dropped_by == 0)
			targets = lappend(targets, target);
	}
	if (targets == NIL && IsA(stmt, DropStmt) &&
		((DropStmt *) stmt)->removeType == OBJECT_INDEX)
	{
		foreach(lc, ((DropStmt *) stmt)->objects)
			guard_review_explain(guard_review_row(script, NameListToQuotedString(lfirst(lc)), "not reviewed"),
								 "PostgreSQL will refuse to drop it this way, or it is an index that guard does not judge.");
		return;
	}
	foreach(lc, guard_check_targets(targets, guard_check_fellows(targets, fellows_of(script, targets))))
		add_removal(script, lfirst(lc), concurrently);
	foreach_ptr(GuardTarget, target, targets)
	{
		ScriptRelation *index = guard_script_find_oid(script, target->index);

		guard_script_drop(script, target->table_goes ? index->table : index);
	}
}

/*
 * OIDs of the real indexes that went before, of the tables of these targets:
 * others could not replace them.
 */
static List *
fellows_of(Script *script, List *targets)
{
	List	   *tables = NIL;
	List	   *fellows = NIL;

	foreach_ptr(GuardTarget, target, targets)
	{
		tables = list_append_unique_ptr(tables,
										guard_script_find_oid(script, target->table));
	}
	foreach_ptr(ScriptRelation, table, tables)
	{
		foreach_ptr(ScriptRemoval, removal, table != NULL ? table->removals : NIL)
		{
			if (removal->undone)
				continue;
			fellows = lappend_oid(fellows, removal->target->index);
			fellows = list_concat(fellows, removal->target->members);
		}
	}
	return fellows;
}

static void
add_removal(Script *script, GuardJudgement *judgement, bool concurrently)
{
	GuardTarget *target = judgement->target;
	ScriptRemoval *removal = palloc0(sizeof(ScriptRemoval));

	removal->index = guard_script_find_oid(script, target->index);
	if (removal->index == NULL)
		return;
	removal->table = removal->index->table;
	removal->table_schema = judgement->shape->schema;
	removal->table_name = judgement->shape->table_name;
	removal->target = target;
	removal->judgement = judgement;
	removal->transaction = script->transaction;
	removal->begun_by = script->begun_by;
	removal->concurrently = concurrently;
	removal->busy = is_busy(judgement);
	removal->waits = !concurrently && !script->settings.lock_timeout;
	removal->row = guard_review_row(script, guard_script_name(removal->index), NULL);
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		bool		known;

		if (verdict->reason == GUARD_REASON_REPLACED)
			removal->leans_on = lappend_oid(removal->leans_on,
											verdict->evidence->replacement.index);
		removal->gone = lappend(removal->gone,
								guard_structure_comparable(verdict->evidence->shape, &known));
	}
	answer_for_others(script, removal->row, target, NULL);

	/* born undone, for ROLLBACK to find */
	removal->undone = true;
	guard_script_set_bool(script, &removal->undone, false);
	script->removals = lappend(script->removals, removal);
	removal->table->removals = lappend(removal->table->removals, removal);
	if (guard_removal_is_blocked(removal) || !guard_removal_may_see(removal))
		find_heir(script, removal);
}

/*
 * Have others used the table, or any of its indexes, since then?
 */
static bool
captured_since(Oid table, TimestampTz since)
{
	List	   *relations = list_make1_oid(table);
	ListCell   *lc;

	foreach(lc, guard_targets_of_table(table, GUARD_ROUTE_INDEX, false))
		relations = list_concat(relations, ((GuardTarget *) lfirst(lc))->members);
	foreach(lc, relations)
	{
		GuardCapturedUse use;

		if (guard_capture_lookup(lfirst_oid(lc), &use) &&
			Max(use.last, use.last_write) > since)
			return true;
	}
	return false;
}

bool
guard_removal_may_see(const ScriptRemoval *removal)
{
	return removal->judgement->verdict.evidence->asker_may_see;
}

/*
 * Is the table one whose traffic would queue up?  Capture tells by statements
 * of others; the counters, by anybody's, and not when.
 */
static bool
is_busy(const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	int64		quiet = (int64) guard_guc_quiet_period * USECS_PER_SEC;
	GuardCaptureStatus status;
	PgStat_StatTabEntry *counters;

	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->seen == GUARD_SEEN_USED &&
			(fact->last == 0 || evidence->as_of - fact->last < quiet))
			return true;
	}
	guard_capture_status(&status);
	if (status.available && status.since != 0)
		return captured_since(evidence->shape->table, evidence->as_of - quiet);
	counters = pgstat_fetch_stat_tabentry(evidence->shape->table);
	return counters != NULL &&
		counters->numscans + counters->tuples_inserted > 0;
}

bool
guard_removal_is_blocked(const ScriptRemoval *removal)
{
	return removal->judgement->verdict.decision != GUARD_ALLOW;
}

/*
 * What the script has created goes again: it has no traffic.  But it may have
 * served in place of something that has.
 */
static void
drop_created(Script *script, ScriptRelation *relation, GuardReviewRow *row)
{
	List	   *indexes = relation->table != NULL ? list_make1(relation) :
		guard_script_indexes_of(script, relation);
	ListCell   *lc;

	if (row == NULL)
	{
		row = guard_review_row(script, guard_script_name(relation),
							   guard_verdict_decision_name(GUARD_ALLOW));
		guard_review_explain(row, "Statement %d creates it: it has no traffic.",
							 relation->created_by);
	}
	guard_script_drop(script, relation);
	foreach(lc, indexes)
		answer_for_others(script, row, NULL, lfirst(lc));
}

/*
 * An index goes that serves in place of others which went before: it is as
 * needed as they were.
 */
static void
answer_for_others(Script *script, GuardReviewRow *row, GuardTarget *target,
				  ScriptRelation *created)
{
	/* a real index serves on its own table, where policy has found it */
	foreach_ptr(ScriptRemoval, removal, created != NULL ? script->removals :
				guard_script_find_oid(script, target->index)->table->removals)
	{
		bool		leans = false;
		ListCell   *lm;

		if (removal->undone)
			continue;
		if (created != NULL)
			leans = removal->heir == created ||
				(removal->later == created && guard_removal_is_made_up_later(removal));
		else
		{
			foreach(lm, target->members)
				leans |= list_member_oid(removal->leans_on, lfirst_oid(lm));
		}
		if (!leans)
			continue;
		if (!guard_removal_may_see(removal))
		{
			/* whether it is missed would tell whether it is used */
			row->verdict = "not reviewed";
			row->reason = NULL;
			row->detail = pstrdup(GUARD_REVIEW_NOT_OWNER);
			continue;
		}
		if (made_up_again(script, removal, target))
			continue;
		row->verdict = guard_verdict_decision_name(removal->missed->verdict.decision);
		row->reason = guard_verdict_reason_name(removal->missed->verdict.reason);
		guard_review_explain(row, "It serves in place of %s, which statement %d drops: %s.",
							 removal->row->target, removal->row->statement,
							 guard_sentence_verdict(removal->missed));
	}
}

/*
 * Does the index that comes after it come in time: with the same statement, or
 * in the same transaction?
 */
bool
guard_removal_is_made_up_later(const ScriptRemoval *removal)
{
	return removal->later != NULL &&
		(removal->later_by == removal->row->statement ||
		 (removal->transaction != 0 &&
		  removal->later_transaction == removal->transaction));
}

/*
 * Something else serves now, or nobody misses it.  Otherwise the removal's
 * judgement says why it is missed.  The row of the removal stays as it is: at
 * its own place in the script it was made up for.
 */
static bool
made_up_again(Script *script, ScriptRemoval *removal, GuardTarget *target)
{
	List	   *targets = list_make1(removal->target);
	List	   *fellows = fellows_of(script, targets);
	List	   *judgements;
	ScriptRelation *heir = removal->heir;

	if (target != NULL)
		fellows = list_concat(lappend_oid(fellows, target->index), target->members);
	judgements = guard_check_targets(targets, guard_check_fellows(targets, fellows));
	if (judgements == NIL)
		return true;
	if (((GuardJudgement *) linitial(judgements))->verdict.decision == GUARD_ALLOW)
		return true;
	removal->heir = NULL;
	find_heir(script, removal);
	if (removal->heir != NULL && removal->heir != heir)
		return true;
	removal->heir = heir;
	removal->missed = linitial(judgements);
	return false;
}

/* ---- what serves in its place ---- */

/*
 * Does this index of the script serve in place of all that is missed?
 */
static ScriptMatch
serves(const ScriptRemoval *removal, const ScriptRelation *index)
{
	ScriptMatch worst = SCRIPT_MATCH_SERVES;
	int			i = 0;

	if (index->dropped_by != 0)
		return SCRIPT_MATCH_NONE;
	foreach_ptr(GuardVerdict, verdict, removal->judgement->verdicts)
	{
		const GuardShape *gone = list_nth(removal->gone, i++);

		worst = Min(worst, guard_structure_match(gone, index, verdict->needs_unique));
	}
	return worst;
}

/*
 * Can it stand in for the removed index: on the same table, if that one stays,
 * or on the one that bears its name instead?  A real index on the same table
 * is policy's to judge.
 */
static bool
is_candidate(const ScriptRemoval *removal, const ScriptRelation *index)
{
	const ScriptRelation *table = index->table;

	if (table == NULL || index->dropped_by != 0 || table->dropped_by != 0)
		return false;
	if (table == removal->table)
		return !OidIsValid(index->oid) && !removal->target->table_goes;
	return strcmp(table->name, removal->table_name) == 0 &&
		strcmp(guard_script_schema_of(table)->name, removal->table_schema) == 0;
}

static void
find_heir(Script *script, ScriptRemoval *removal)
{
	ScriptRelation *successor = guard_script_find(script, removal->table_schema,
												  removal->table_name);

	/* have the indexes read of the table that is there in its place */
	if (successor != NULL && successor != removal->table)
		(void) guard_script_indexes_of(script, successor);
	foreach_ptr(ScriptRelation, index, script->relations)
	{
		if (!is_candidate(removal, index))
			continue;
		guard_structure_read(index);
		switch (serves(removal, index))
		{
			case SCRIPT_MATCH_SERVES:
				guard_script_set_pointer(script, &removal->heir, index);
				return;
			case SCRIPT_MATCH_UNKNOWN:
				guard_script_set_pointer(script, &removal->maybe, index);
				break;
			case SCRIPT_MATCH_NONE:
				break;
		}
	}
}

void
guard_removal_index_added(Script *script, ScriptRelation *index)
{
	foreach_ptr(ScriptRemoval, removal, script->removals)
	{
		if (removal->undone || removal->heir != NULL || removal->later != NULL ||
			!is_candidate(removal, index))
			continue;
		guard_structure_read(index);
		switch (serves(removal, index))
		{
			case SCRIPT_MATCH_SERVES:
				guard_script_set_pointer(script, &removal->later, index);
				guard_script_set_int(script, &removal->later_by, script->piece->number);
				guard_script_set_int(script, &removal->later_transaction, script->transaction);
				break;
			case SCRIPT_MATCH_UNKNOWN:
				guard_script_set_pointer(script, &removal->maybe, index);
				break;
			case SCRIPT_MATCH_NONE:
				break;
		}
	}
}
