/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  Append-only record of what was asked and what was answered.
 *
 * There is one entry for each index, not for each statement: what one looks
 * for later is an index by its name, and a statement's entries have its
 * question in common.
 *
 * Nothing is written before a drop, since DROP INDEX CONCURRENTLY must not
 * have a transaction ID (PG-INTERNALS 1.8); what is to be written is kept in
 * memory until the drop is done.  The definition is the most useful column
 * there is when latency jumps: it brings the index back.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/audit.h"
#include "audit/entry.h"
#include "guc.h"
#include "policy/sentence.h"

char *
guard_audit_question(void)
{
	return guard_entry_question();
}

/*
 * The line comes first, so that it is there even if the row cannot be written.
 */
static void
write_here(const GuardEntry *entry)
{
	char	   *json = guard_entry_json(entry);

	guard_entry_log(json);
	guard_entry_insert(json, 0);
}

void
guard_audit_dropped(const GuardDropped *dropped, const GuardAsked *asked)
{
	const GuardJudgement *judgement = dropped->judgement;
	GuardEntry	entry = {0};

	entry.question = asked->question;
	entry.command = asked->command;
	entry.statement = asked->statement;
	entry.index_name = dropped->name;
	entry.table_name = dropped->table_name;
	entry.definition = dropped->definition;
	entry.verdict = "unjudged";
	if (judgement != NULL)
	{
		GuardReason reason = judgement->verdict.reason;
		bool		missed = judgement->verdict.decision != GUARD_ALLOW;

		/*
		 * A drop that would be refused by itself gets here only in a
		 * transaction that must replace the index, and its row stays only if
		 * it has.
		 */
		entry.verdict = "allow";
		if (missed && guard_guc_mode == GUARD_MODE_OBSERVE)
			entry.verdict = "observe";
		else if (missed)
			reason = GUARD_REASON_REPLACED;
		entry.reason = guard_verdict_reason_name(reason);
		entry.detail = guard_sentence_verdict(judgement);
		entry.facts = guard_facts_json(judgement);
	}
	write_here(&entry);
}

void
guard_audit_log_unjudged(const char *index, const char *definition)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg("index %s dropped while guard.mode is off", index),
			 definition ? errhint("To bring it back: %s", definition) : 0));
}

void
guard_audit_change(const char *action, const char *object, const char *reason,
				   const char *facts_json)
{
	GuardEntry	entry = {0};

	entry.question = guard_entry_question();
	entry.verdict = "change";
	entry.command = action;
	entry.object = object;
	entry.reason = reason;
	entry.facts = facts_json;
	write_here(&entry);
}
