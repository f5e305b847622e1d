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
 * have a transaction ID (doc/internals/postgresql.md 1.8); what is to be
 * written is kept in memory until the drop is done.  The definition is the
 * most useful column there is when latency jumps: it brings the index back.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/entry.h"
#include "policy/sentence.h"
#include "store/store.h"
#include "store/visits.h"

struct GuardRecord
{
	GuardEntry	entry;
	char	   *json;
};

/* A row of this transaction that could not be written in it. */
typedef struct Unwritten
{
	GuardXactItem item;
	char		json[FLEXIBLE_ARRAY_MEMBER];
} Unwritten;

static GuardXactList unwritten = GUARD_XACT_LIST_INIT(unwritten);
static MemoryContext unwritten_context = NULL;

/*
 * The line, and what the row is made of.
 */
static GuardRecord *
make_record(const GuardEntry *entry)
{
	GuardRecord *record = palloc(sizeof(GuardRecord));

	record->entry = *entry;
	record->json = guard_entry_json(entry);
	guard_entry_log(entry, record->json);
	return record;
}

static void
insert_all(void *arg)
{
	foreach_ptr(GuardRecord, record, (List *) arg)
		guard_entry_insert(record->json, 0);
}

/*
 * Keep it until COMMIT, when nothing may fail any more: the ring is made now.
 */
static void
leave_unwritten(const GuardRecord *record)
{
	char	   *json = guard_entry_short_json(&record->entry);
	Unwritten  *left;

	if (unwritten_context == NULL)
		unwritten_context = AllocSetContextCreate(TopMemoryContext,
												  "guard unwritten records",
												  ALLOCSET_SMALL_SIZES);
	left = MemoryContextAlloc(unwritten_context,
							  offsetof(Unwritten, json) + strlen(json) + 1);
	strcpy(left->json, json);
	guard_ring_make();
	guard_xact_list_add(&unwritten, &left->item);
}

void
guard_audit_write(List *records)
{
	if (records == NIL || !guard_store_matches())
		return;
	if (guard_xact_may_begin() &&
		guard_store_try("write to the audit log", insert_all, records))
		return;
	foreach_ptr(GuardRecord, record, records)
		leave_unwritten(record);
}

static void
hand_over_unwritten(GuardXactPhase phase)
{
	dlist_iter	iter;

	if (unwritten_context == NULL)
		return;
	dlist_foreach(iter, &unwritten.items)
	{
		if (phase == GUARD_XACT_COMMITTED)
			(void) guard_ring_put(dlist_container(Unwritten, item.node, iter.cur)->json,
								  false);

		/* Nobody will tell us what became of it. */
		else if (phase == GUARD_XACT_PREPARED)
			guard_ring_lose();
	}
	if (phase == GUARD_XACT_COMMITTED)
		guard_writer_call();
	guard_xact_list_clear(&unwritten);
	MemoryContextDelete(unwritten_context);
	unwritten_context = NULL;
}

/*
 * An entry of what is asked of an index, or NULL.
 */
static GuardEntry
entry_of(const GuardAsked *asked, const GuardDropped *dropped,
		 const char *verdict)
{
	GuardEntry	entry = {0};

	entry.asked = *asked;
	entry.verdict = verdict;
	if (dropped != NULL)
	{
		entry.index_name = dropped->name;
		entry.table_name = dropped->table_name;
		entry.definition = dropped->definition;
	}
	return entry;
}

/*
 * What its judgement says.
 */
static void
put_judgement(GuardEntry *entry, const GuardJudgement *judgement)
{
	entry->reason = guard_verdict_reason_name(judgement->verdict.reason);
	entry->detail = guard_sentence_verdict(judgement);
	entry->facts = guard_facts_json(judgement);
}

GuardRecord *
guard_audit_dropped(const GuardDropped *dropped, const GuardAsked *asked)
{
	const GuardJudgement *judgement = dropped->judgement;
	GuardEntry	entry = entry_of(asked, dropped, "unjudged");

	entry.reason = dropped->why;
	if (judgement != NULL)
	{
		bool		missed = judgement->verdict.decision != GUARD_ALLOW;

		put_judgement(&entry, judgement);

		/*
		 * A drop that would be refused by itself gets here only in a
		 * transaction that must replace the index, and its row stays only if
		 * it has.
		 */
		entry.verdict = missed && guard_guc_mode == GUARD_MODE_OBSERVE ?
			"observe" : "allow";
		if (missed && guard_guc_mode != GUARD_MODE_OBSERVE)
			entry.reason = guard_verdict_reason_name(GUARD_REASON_REPLACED);
		if (judgement->verdict.reason == GUARD_REASON_APPROVED)
			entry.approval = guard_sentence_approval(&judgement->verdict.evidence->approval);
	}
	return make_record(&entry);
}

/* ---- what is refused ---- */

typedef struct Refusal
{
	List	   *judgements;
	const GuardAsked *asked;
} Refusal;

/*
 * The lines now, the rows by somebody else.
 */
static void
hand_over_refusal(void *arg)
{
	Refusal    *refusal = arg;

	foreach_ptr(GuardJudgement, judgement, refusal->judgements)
	{
		GuardEntry	entry = entry_of(refusal->asked, NULL, "block");

		entry.index_name = guard_sentence_name(judgement->shape);
		entry.table_name = guard_sentence_table(judgement->shape);
		entry.definition = judgement->shape->definition;
		put_judgement(&entry, judgement);
		guard_entry_log(&entry, guard_entry_json(&entry));
		if (guard_store_matches())
			(void) guard_ring_put(guard_entry_short_json(&entry), true);
	}
	guard_writer_call();
}

void
guard_audit_refused(List *judgements, const GuardAsked *asked)
{
	Refusal		refusal = {judgements, asked};

	/* An error in place of the one that will be raised refuses as well. */
	(void) guard_store_must("hand over an entry of the audit log",
							hand_over_refusal, &refusal);
}

void
guard_audit_failed(const GuardDropped *dropped, const GuardAsked *asked,
				   const char *message)
{
	GuardEntry	entry = entry_of(asked, dropped, "failed");

	entry.detail = message;
	entry.in_error = true;
	guard_entry_log(&entry, guard_entry_json(&entry));
	if (guard_ring_put(guard_entry_short_json(&entry), false))
		guard_writer_call();
}

/*
 * Why are they not written yet?
 */
static const char *
why_waiting(bool called)
{
	Oid			log = guard_store_table("audit_log");
	GuardVisitsStatus status;

	guard_visits_status(&status);
	if (!called || status.no_worker_since != 0)
		return "max_worker_processes are used up";
	if (!ConditionalLockRelationOid(log, RowExclusiveLock))
		return "another session holds a lock on guard.audit_log";
	UnlockRelationOid(log, RowExclusiveLock);
	return status.visited_now ? "it is at work" : "it has been called";
}

char *
guard_audit_status(void)
{
	GuardRingStatus status;
	char	   *waiting;
	bool		called = true;

	guard_ring_status(&status);

	/* Perhaps there is room for a worker now. */
	if (status.waiting + status.elsewhere > 0)
		called = guard_writer_call();
	if (status.waiting == 0)
		waiting = pstrdup("nothing waits");
	else
		waiting = psprintf("%d records wait to be written by a background worker: %s",
						   status.waiting, why_waiting(called));
	if (status.lost == 0)
		return waiting;
	return psprintf("%s; " UINT64_FORMAT " are in the server log only", waiting,
					status.lost);
}

void
guard_audit_init(void)
{
	guard_ring_init();
	guard_xact_register(GUARD_XACT_OVER, hand_over_unwritten);
}

/* ---- what is too old ---- */

static bool pruning = false;

bool
guard_audit_pruning(void)
{
	return pruning;
}

/*
 * Rows older than guard.audit_retention go, unless that is 0; returns how
 * many.  What was counted of them is added up.
 */
uint64
guard_audit_prune(void)
{
	volatile uint64 count = 0;

	PG_TRY();
	{
		pruning = true;
		count = guard_query_execute("WITH t AS (DELETE FROM guard.audit_total RETURNING *), s AS (INSERT INTO guard.audit_total"
									" SELECT verdict, reason, sum(entries), max(last_at), (array_agg(last_index ORDER BY last_at DESC))[1]"
									" FROM t GROUP BY verdict, reason)"
									" DELETE FROM guard.audit_log WHERE $1 > 0 AND at < statement_timestamp() - $1 * interval '1 second'",
									P_INT4(guard_guc_audit_retention));
	}
	PG_FINALLY();
	{
		pruning = false;
	}
	PG_END_TRY();
	return count;
}

/* ---- guard's own rules ---- */

/*
 * The line comes first, so that it is there even without the row.
 */
static GuardRecord *
record_change(const char *action, const char *object, const char *reason,
			  const char *facts_json)
{
	GuardEntry	entry = {.asked = {guard_audit_question(), action, NULL}, .verdict = "change",
	.object = object, .reason = reason, .facts = facts_json};

	return make_record(&entry);
}

void
guard_audit_change(const char *action, const char *object, const char *reason,
				   const char *facts_json)
{
	GuardRecord *record = record_change(action, object, reason, facts_json);

	if (guard_store_matches())
		guard_entry_insert(record->json, 0);
}

void
guard_audit_step(const char *action, const char *object, const char *reason,
				 const char *facts_json)
{
	guard_audit_write(list_make1(record_change(action, object, reason,
											   facts_json)));
}

void
guard_audit_setting(const char *name, const char *statement, bool lasting)
{
	GuardEntry	entry = {.asked = {guard_audit_question(), "set", statement},
	.verdict = "change", .object = name};

	if (lasting)
		guard_audit_write(list_make1(make_record(&entry)));
	else
		guard_entry_log(&entry, guard_entry_json(&entry));
}
