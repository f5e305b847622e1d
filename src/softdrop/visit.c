/*-------------------------------------------------------------------------
 *
 * visit.c
 *	  What a visitor does for the soft drops of a database.
 *
 * First what is quick, for each of them that is due in a transaction of its own,
 * so that what goes wrong with one does not keep the others waiting: load, decide
 * (states.c), save.  Hidden ones come first, every login role's in turn, and what
 * a round has no time for is left to the next: who has many delays nobody.
 *
 * What gives an index back is such a transaction, and nothing else is in it that
 * could fail or wait.  Who is to know of it is told afterwards, by a task of its
 * own.
 *
 * What takes long is only written down as due: another process does it
 * (long_work.c), and the watch goes on.
 *
 * Nothing is remembered between two visits: whoever comes next, after a crash or
 * on a promoted standby, finds everything in guard's tables.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "utils/timeout.h"

#include "alerts/alerts.h"
#include "evidence/shape/shape.h"
#include "planner/hide/hide.h"
#include "policy/sentence.h"
#include "softdrop/steps.h"

/* A row that could not be looked at is looked at again after this long. */
#define FAILED_INTERVAL		(INT64CONST(5) * USECS_PER_SEC)

/* So many failures of one step in a row are worth an alert. */
#define ATTEMPTS_UNTIL_STUCK	5

/* A round takes so long for the hidden ones, and for the others. */
#define HIDDEN_TIME		(INT64CONST(1500) * 1000)
#define OTHERS_TIME		(INT64CONST(500) * 1000)

/* Telling must not keep the watch from its work. */
#define TELLING_TIME_LIMIT	2000	/* milliseconds */

/* Whether what was prepared is committed is looked at so often. */
#define PREPARED_INTERVAL	(INT64CONST(2) * USECS_PER_SEC)

/* One visit. */
typedef struct Visit
{
	MemoryContext context;
	List	   *ids;			/* of int64 *: those that are due */
	int			hidden;			/* so many of them are hidden, and come first */
	GuardServer *server;
	List	   *samples;		/* of GuardWatchSample *, this server's first */
	const char *blind;			/* of the soft drop at hand: why statements
								 * cannot be compared; NULL */
	TimestampTz next;			/* when to come again; 0: no need to */
	bool		stay;
} Visit;

static void
come_again(Visit *visit, TimestampTz at, bool stay)
{
	if (at != 0 && (visit->next == 0 || at < visit->next))
		visit->next = at;
	visit->stay = visit->stay || stay;
}

/* ---- what is the case ---- */

/*
 * Somebody else keeps everybody from reading the table.
 */
static bool
is_locked(Oid table)
{
	return !ConditionalLockRelationOid(table, AccessShareLock);
}

static void
read_facts(GuardSoftDrop *drop, const GuardNeedAnswer *need,
		   const GuardWatchFinding *watch, const Visit *visit,
		   GuardSoftDropFacts *facts)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	bool		hidden = drop->state == GUARD_SOFTDROP_HIDDEN;
	bool		for_now;

	facts->now = GetCurrentTimestamp();
	facts->state = drop->state;
	facts->state_since = drop->state_since;
	facts->exists = OidIsValid(self->index);
	facts->valid = facts->exists && (drop->partitioned || guard_catalog_is_valid(self->index));
	facts->hiding_works = guard_hide_is_effective();
	facts->hidden = facts->exists &&
		(guard_hide_is_hidden(self->index) || !guard_hide_is_current());
	facts->regressed = watch->regressed;
	facts->compared = drop->compared;
	facts->approved = hidden ? drop->approved_at != 0 : need->approvals != NIL;
	facts->restore_wanted = drop->restore_wanted;
	facts->name_wanted = drop->name_wanted;
	facts->need = need->need;
	/* what was protected when it was approved nevertheless */
	if (hidden && facts->approved && facts->need == GUARD_NEED_PROTECTED &&
		need->protected_at < drop->approved_at)
		facts->need = GUARD_NEED_SOMEBODY;
	if (!hidden || facts->need != GUARD_NEED_SOMEBODY)
		drop->needed_since = 0;
	else if (drop->needed_since == 0 || drop->needed_since > facts->now)
		drop->needed_since = facts->now;
	facts->needed_for = drop->needed_since == 0 ? 0 : facts->now - drop->needed_since;
	facts->table_locked = drop->needed_since != 0 && is_locked(drop->table);
	facts->use_ends = need->use_ends;
	facts->watched = guard_states_watched(drop, facts->now, watch->lost || visit->blind != NULL ||
										  !facts->hiding_works || !facts->hidden);
	facts->unheard = !hidden && visit->blind != NULL;
	facts->trial = drop->trial;
	facts->drop_started_at = drop->drop_started_at;
	facts->attempts = drop->attempts;
	facts->last_attempt = drop->last_attempt;
	facts->hideable = drop->state == GUARD_SOFTDROP_WAITING && facts->exists &&
		facts->valid && guard_hideable_obstacle(self->index, &for_now) == NULL;
	facts->old_lockers = hidden && facts->exists &&
		facts->watched >= facts->trial && guard_dropping_must_wait(drop);
}

/* ---- quick steps ---- */

/*
 * Whose traffic its replacement has taken over is seen by its shape, unless it is
 * by plan.
 */
static void
record_heirs(const GuardJudgement *judgement)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (guard_verdict_by_plan(verdict))
			guard_gone_by_plan(verdict->evidence);
	}
}

/*
 * Out of the planner's sight.  Returns false when the table is locked, or the
 * approval gone: then it is tried again.
 */
static bool
hide(GuardSoftDrop *drop, const GuardNeedAnswer *need, bool use_approval, Visit *visit)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	TimestampTz now = GetCurrentTimestamp();
	char	   *reason;

	if (!ConditionalLockRelationOid(drop->table, AccessShareLock))
		return false;
	if (get_rel_relkind(self->index) == '\0')
		return false;
	if (use_approval && !guard_need_claim(need->approvals))
		return false;
	reason = psprintf("%s: %s",
					  use_approval ? "approved" :
					  guard_verdict_reason_name(need->judgement->verdict.reason),
					  use_approval ? guard_sentence_approval(linitial(need->approvals)) :
					  guard_sentence_verdict(need->judgement));
	drop->compared = guard_watch_begin(drop, visit->samples, need);
	guard_hide_add(self->index, GUARD_HIDE_SOFT_DROP, reason);
	record_heirs(need->judgement);
	guard_softdrop_enter(drop, GUARD_SOFTDROP_HIDDEN, reason);
	drop->trial = Max((int64) guard_guc_trial_period * USECS_PER_SEC,
					  need->longest_pause + need->longest_pause / 2);
	drop->last_visit = now;
	drop->approved_at = use_approval ? now : 0;
	drop->next_step = drop->compared ? "dropped, if nothing becomes slower" :
		"unknown: how its statements were before it was hidden is not known";
	drop->due_at = now + guard_states_watch_interval(0);
	guard_softdrop_save(drop);
	guard_softdrop_audit(drop, "hide", reason);
	return true;
}

/*
 * What an alert says of a soft drop, as a JSON object.
 */
static char *
facts_of(const GuardSoftDrop *drop)
{
	StringInfoData json;

	initStringInfo(&json);
	guard_json_object(&json, NULL);
	guard_json_int(&json, "soft_drop", drop->id);
	guard_json_text(&json, "state", guard_softdrop_state_name(drop->state));
	guard_json_int(&json, "attempts", drop->attempts);
	if (drop->hidden_at != 0)
		guard_json_int(&json, "hidden_for_ms", (GetCurrentTimestamp() - drop->hidden_at) / 1000);
	guard_json_end_object(&json);
	return json.data;
}

/*
 * The sight at once, in this transaction, for that is what hurts, and nothing
 * that can wait.  The name may have to wait for a lock, and comes in the next
 * one; who is to be told is told after that.
 */
static void
restore(GuardSoftDrop *drop, const char *reason)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	bool		by_person = drop->restore_wanted;

	if (drop->state == GUARD_SOFTDROP_HIDDEN)
		(void) guard_hide_remove(self->index);
	guard_softdrop_enter(drop, GUARD_SOFTDROP_RESTORED, reason);
	drop->name_wanted = true;
	drop->next_step = "gets its name back";
	drop->next_at = drop->due_at = GetCurrentTimestamp();

	/* a person who asked for it knows */
	drop->untold = by_person ? "record" : "alert";
	guard_softdrop_save(drop);
}

static void
stay(GuardSoftDrop *drop, const GuardSoftDropFacts *facts,
	 const GuardSoftDropPlan *plan, const GuardWatchFinding *watch, Visit *visit)
{
	drop->name_wanted = false;
	drop->due_at = plan->next_visit;
	if (watch->asking)
	{
		drop->due_at = Min(drop->due_at, facts->now + GUARD_WATCH_ANSWER_INTERVAL);
		visit->stay = true;
	}
	if (plan->why != NULL)
	{
		drop->next_step = drop->state == GUARD_SOFTDROP_HIDDEN && visit->blind ?
			psprintf("%s (not compared: %s)", plan->why, visit->blind) : pstrdup(plan->why);
		drop->next_at = plan->shown_at;
	}
	if (drop->state == GUARD_SOFTDROP_HIDDEN)
	{
		drop->watched = facts->watched;
		drop->last_visit = facts->now;
	}
	guard_softdrop_save(drop);
}

static void
give_name_back(GuardSoftDrop *drop)
{
	guard_softdrop_await_name(drop, guard_softdrop_rename_back(drop));
	guard_watch_end(drop);
	drop->attempts = 0;
	drop->last_error = NULL;
	guard_softdrop_save(drop);
}

/*
 * Do what was decided, if it is quick.  Returns what to say in the log when it
 * is committed, or NULL.
 */
static char *
do_step(Visit *visit, GuardSoftDrop *drop, const GuardSoftDropFacts *facts,
		const GuardSoftDropPlan *plan, const GuardNeedAnswer *need,
		const GuardWatchFinding *watch)
{
	const char *reason;

	drop->long_step = GUARD_STEP_STAY;
	switch (plan->step)
	{
		case GUARD_STEP_STAY:
			stay(drop, facts, plan, watch, visit);
			break;
		case GUARD_STEP_HIDE:
			if (!hide(drop, need, plan->use_approval, visit))
			{
				drop->due_at = facts->now + USECS_PER_SEC;
				guard_softdrop_save(drop);
			}
			break;
		case GUARD_STEP_RESTORE:
			reason = watch->regressed ? watch->sentence :
				facts->need == GUARD_NEED_SOMEBODY && need->judgement != NULL ?
				psprintf("%s: %s", plan->why, guard_sentence_verdict(need->judgement)) :
				plan->why;
			restore(drop, reason);
			come_again(visit, facts->now, true);
			return psprintf("index %s is restored: %s", guard_softdrop_name(drop), reason);
		case GUARD_STEP_NAME:
			give_name_back(drop);
			break;
		case GUARD_STEP_NOTE_GONE:
			guard_watch_end(drop);
			guard_softdrop_set_state(drop, GUARD_SOFTDROP_DROPPED, "gone", plan->why);
			break;
		case GUARD_STEP_DROP:
		case GUARD_STEP_CREATE:
			drop->long_step = plan->step;
			drop->next_step = pstrdup(plan->step == GUARD_STEP_DROP && !drop->restore_wanted ?
									  "dropped, when a background worker is free" :
									  "brought back, when a background worker is free");
			drop->next_at = 0;
			drop->due_at = facts->now + FAILED_INTERVAL;
			guard_softdrop_save(drop);
			break;
	}
	come_again(visit, drop->due_at, plan->stay_here ||
			   (plan->step == GUARD_STEP_HIDE && drop->state == GUARD_SOFTDROP_HIDDEN));
	return NULL;
}

/*
 * Look at one soft drop, and do what is quick.
 */
static char *
look_at(Visit *visit, int64 id)
{
	GuardSoftDrop *drop = guard_softdrop_take(id, false);
	GuardSoftDropPart *self;
	GuardNeedAnswer need = {GUARD_NEED_UNKNOWN};
	GuardWatchFinding watch = {0};
	GuardSoftDropFacts facts = {0};
	GuardSoftDropPlan plan;

	if (drop == NULL || guard_visits_is_at(id))
	{
		/* somebody is at it just now, and decides what it is to be */
		come_again(visit, GetCurrentTimestamp() + USECS_PER_SEC, false);
		return NULL;
	}
	if (drop->parts == NIL)
		return NULL;
	self = linitial(drop->parts);
	if (OidIsValid(self->index) && drop->index != self->index)
	{
		guard_softdrop_rebuilt(drop->index, self->index);
		drop->index = self->index;
	}
	visit->blind = guard_watch_blind(drop, visit->server, visit->samples);
	if (OidIsValid(self->index) && drop->state == GUARD_SOFTDROP_HIDDEN)
		watch = guard_watch_look(drop, visit->samples);
	if (OidIsValid(self->index) && !watch.regressed &&
		drop->state <= GUARD_SOFTDROP_HIDDEN)
		need = guard_need_ask(drop, visit->server);
	read_facts(drop, &need, &watch, visit, &facts);
	plan = guard_states_next(&facts);
	return do_step(visit, drop, &facts, &plan, &need, &watch);
}

/* ---- transactions ---- */

void
guard_visit_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

void
guard_visit_end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * An attempt may fail for a lock that is held just then; one after the other
 * fails for something that wants a person.
 */
static void
do_note_failure(int64 id, const char *message, bool attempt)
{
	GuardSoftDrop *drop;
	bool		stuck = false;

	guard_visit_begin();
	drop = guard_softdrop_take(id, false);
	if (drop != NULL)
	{
		if (attempt)
		{
			drop->attempts++;
			drop->last_attempt = GetCurrentTimestamp();
		}
		drop->last_error = pstrdup(message);
		drop->due_at = GetCurrentTimestamp() + FAILED_INTERVAL;
		guard_softdrop_save(drop);
		stuck = drop->attempts == ATTEMPTS_UNTIL_STUCK;
	}
	guard_visit_end();
	if (!stuck)
		return;
	guard_visit_begin();
	drop = guard_softdrop_take(id, false);
	if (drop != NULL)
		(void) guard_alert_raise(GUARD_ALERT_STUCK, guard_softdrop_name(drop),
								 psprintf("%d attempts in a row failed, the last with: %s",
										  drop->attempts, message),
								 facts_of(drop));
	guard_visit_end();
}

char *
guard_visit_caught(MemoryContext context)
{
	GuardFailure failure;

	EmitErrorReport();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(context);
	guard_work_take_failure(&failure);
	return pstrdup(failure.message);
}

/*
 * If that cannot be done either, the log has it.
 */
void
guard_visit_note_failure(int64 id, const char *message, bool attempt)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		do_note_failure(id, message, attempt);
	}
	PG_CATCH();
	{
		if (guard_work_is_passed_on(geterrcode()))
			PG_RE_THROW();
		(void) guard_visit_caught(context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

/*
 * Look at one; what goes wrong is written down, unless it means that the visitor
 * has to leave.
 */
static void
look(Visit *visit, int64 id)
{
	MemoryContext context = AllocSetContextCreate(visit->context, "guard soft drop",
												  ALLOCSET_DEFAULT_SIZES);
	char	   *volatile message = NULL;
	char	   *done = NULL;

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		guard_visit_begin();
		done = look_at(visit, id);

		/* it outlives the transaction in whose memory it is */
		if (done != NULL)
			done = MemoryContextStrdup(context, done);
		guard_visit_end();
		if (done != NULL)
			ereport(LOG, (errmsg_internal("%s", done)));
	}
	PG_CATCH();
	{
		if (guard_work_is_passed_on(geterrcode()))
			PG_RE_THROW();
		message = guard_visit_caught(context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	if (message != NULL)
	{
		come_again(visit, GetCurrentTimestamp() + FAILED_INTERVAL, false);
		guard_visit_note_failure(id, message, true);
	}
	MemoryContextSwitchTo(visit->context);
	MemoryContextDelete(context);
}

/*
 * Has somebody prepared a transaction that changes soft drops?
 */
static bool
is_one_prepared(void)
{
	return max_prepared_xacts > 0 &&
		guard_query_int("SELECT count(*) FROM pg_locks l WHERE l.locktype = 'relation' AND l.database = $1"
						" AND l.relation = $2 AND l.pid IS NULL AND l.mode = 'RowExclusiveLock' AND"
						" EXISTS (SELECT FROM pg_prepared_xacts)",
						P_OID(MyDatabaseId), P_OID(guard_store_table("soft_drop"))) > 0;
}

/*
 * Which soft drops are due?  The server is read, and everything counted, once
 * for all of them.
 */
static void
prepare(Visit *visit)
{
	TimestampTz now = GetCurrentTimestamp();

	guard_visit_begin();
	if (guard_store_present())
	{
		MemoryContext old = MemoryContextSwitchTo(visit->context);

		/* Before the list: what is committed in between is on it. */
		bool		prepared = is_one_prepared();

		visit->ids = guard_softdrop_list_due(now, &visit->hidden, &visit->next);
		if (visit->ids != NIL)
		{
			visit->server = guard_server_read();
			visit->samples = guard_watch_samples();
		}
		if (prepared)
			come_again(visit, now + PREPARED_INTERVAL, false);
		MemoryContextSwitchTo(old);
	}
	guard_visit_end();
}

/*
 * Look at some of them, as long as there is time; the rest is due at once.  What
 * is not hidden, one of it apart, waits for what is, if that is due again.
 */
static void
look_at_some(Visit *visit, int from, int to, int64 limit)
{
	TimestampTz began = GetCurrentTimestamp();

	for (int i = from; i < to; i++)
	{
		TimestampTz now = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		if (now - began > limit ||
			(i > visit->hidden && visit->next != 0 && visit->next <= now))
		{
			come_again(visit, began, true);
			return;
		}
		look(visit, *(int64 *) list_nth(visit->ids, i));
	}
}

/*
 * All tasks are called in a context that is reset after them.
 */
TimestampTz
guard_softdrop_visit(void)
{
	Visit		visit = {0};
	TimestampTz again;

	if (guard_guc_mode == GUARD_MODE_OFF || RecoveryInProgress())
		return 0;
	visit.context = CurrentMemoryContext;
	prepare(&visit);
	look_at_some(&visit, 0, visit.hidden, HIDDEN_TIME);
	look_at_some(&visit, visit.hidden, list_length(visit.ids), OTHERS_TIME);
	again = guard_softdrop_look_after_builder();
	come_again(&visit, again, again != 0);
	if (visit.next != 0)
		guard_visits_want_at(visit.next, visit.stay ? visit.next : 0);
	return visit.next;
}

/* ---- telling ---- */

/*
 * The row first, and with it that it has been told: an alert is raised once.
 */
static void
tell_of(int64 id)
{
	GuardSoftDrop *drop;
	bool		alert;

	guard_visit_begin();
	drop = guard_softdrop_take(id, false);
	if (drop == NULL || drop->untold == NULL)
	{
		guard_visit_end();
		return;
	}
	alert = strcmp(drop->untold, "alert") == 0;
	drop->untold = NULL;

	/* A row that cannot be written now comes later; others wait to be told. */
	(void) set_config_option("lock_timeout", "1s", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	guard_softdrop_save(drop);
	guard_softdrop_audit(drop, "restore", drop->state_reason);
	guard_visit_end();
	if (!alert)
		return;
	guard_visit_begin();
	drop = guard_softdrop_take(id, false);
	if (drop != NULL)
		(void) guard_alert_raise(GUARD_ALERT_RESTORED, guard_softdrop_name(drop),
								 drop->state_reason, facts_of(drop));
	guard_visit_end();
}

/*
 * What fails here is said in the server log, and has no other consequence.
 */
TimestampTz
guard_softdrop_tell(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *ids = NIL;

	if (guard_guc_mode == GUARD_MODE_OFF || RecoveryInProgress())
		return 0;
	enable_timeout_after(STATEMENT_TIMEOUT, TELLING_TIME_LIMIT);
	guard_visit_begin();
	if (guard_store_present())
	{
		MemoryContextSwitchTo(context);
		ids = guard_softdrop_list_untold();
	}
	guard_visit_end();
	foreach_ptr(int64, id, ids)
	{
		MemoryContextSwitchTo(context);
		tell_of(*id);
	}
	return 0;
}
