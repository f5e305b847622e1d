/*-------------------------------------------------------------------------
 *
 * visit.c
 *	  What a visitor does for the soft drops of a database.
 *
 * First what is quick, for each of them in a transaction of its own, so that
 * what goes wrong with one does not keep the others waiting.  Then, as a task of
 * its own, at most one step that takes long.
 *
 * Nobody watches the other indexes of the database during a long step.  So it
 * waits while one of them is in the first minutes of its trial, unless a person
 * wants an index back.
 *
 * Nothing is remembered between two visits: whoever comes next, after a crash or
 * on a promoted standby, finds everything in guard's tables.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "alerts/alerts.h"
#include "evidence/hideable.h"
#include "guc.h"
#include "planner/hide.h"
#include "policy/sentence.h"
#include "softdrop/need.h"
#include "softdrop/statement.h"
#include "softdrop/visit.h"
#include "softdrop/watch.h"
#include "store/store.h"
#include "store/visits.h"

/* A row that could not be looked at is looked at again after this long. */
#define FAILED_INTERVAL		(INT64CONST(5) * USECS_PER_SEC)

/* So many failures of one step in a row are worth an alert. */
#define ATTEMPTS_UNTIL_STUCK	5

/* One visit. */
typedef struct Visit
{
	MemoryContext context;
	List	   *ids;			/* of int64 * */
	GuardWatchSample *sample;
	const char *blind;			/* why statements cannot be compared; NULL */
	TimestampTz next;			/* when to come again; 0: no need to */
	bool		stay;
} Visit;

/* The long step that the last round found to be due; STAY: none. */
static GuardSoftDropStep long_step = GUARD_STEP_STAY;
static int64 long_step_id = 0;

static void
come_again(Visit *visit, TimestampTz at, bool stay)
{
	if (at != 0 && (visit->next == 0 || at < visit->next))
		visit->next = at;
	visit->stay = visit->stay || stay;
}

/* ---- what is the case ---- */

static bool
is_valid(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		return false;
	valid = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	ReleaseSysCache(tuple);
	return valid;
}

/*
 * A visit adds what has passed since the last one, but no more than there
 * should have been between two: nobody watched the rest.
 */
static int64
watched_until(const GuardSoftDrop *drop, TimestampTz now)
{
	int64		interval = guard_states_watch_interval(drop->watched);
	int64		passed = drop->last_visit == 0 ? 0 : now - drop->last_visit;

	return drop->watched + Max(0, Min(passed, 3 * interval + USECS_PER_SEC));
}

static void
read_facts(const GuardSoftDrop *drop, const GuardNeedAnswer *need,
		   const GuardWatchFinding *watch, GuardSoftDropFacts *facts)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	bool		for_now;

	facts->now = GetCurrentTimestamp();
	facts->state = drop->state;
	facts->state_since = drop->state_since;
	facts->exists = OidIsValid(self->index);
	facts->valid = facts->exists && (drop->partitioned || is_valid(self->index));
	facts->hiding_works = guard_hide_is_effective();
	facts->hidden = facts->exists &&
		(guard_hide_is_hidden(self->index) || !guard_hide_is_current());
	facts->regressed = watch->regressed;
	facts->restore_wanted = drop->restore_wanted;
	facts->need = need->need;
	facts->use_ends = need->use_ends;
	facts->watched = watched_until(drop, facts->now);
	facts->trial = drop->trial;
	facts->drop_started_at = drop->drop_started_at;
	facts->attempts = drop->attempts;
	facts->last_attempt = drop->last_attempt;
	facts->hideable = drop->state == GUARD_SOFTDROP_WAITING && facts->exists &&
		facts->valid && guard_hideable_obstacle(self->index, &for_now) == NULL;
	facts->old_lockers = drop->state == GUARD_SOFTDROP_HIDDEN && facts->exists &&
		facts->watched >= facts->trial && guard_dropping_must_wait(drop);
}

/* ---- quick steps ---- */

/*
 * What replaces the index inherits its evidence, as it would after a drop, and
 * under the name that people know.
 */
static void
record_heirs(const GuardSoftDrop *drop, const GuardJudgement *judgement)
{
	ListCell   *lc;

	foreach(lc, judgement->verdicts)
	{
		const GuardVerdict *verdict = lfirst(lc);

		if (verdict->reason != GUARD_REASON_REPLACED)
			continue;
		if (verdict->evidence->index == drop->index)
			verdict->evidence->shape->name = drop->name;
		guard_inherited_record(verdict->evidence,
							   verdict->evidence->replacement.index);
	}
}

/*
 * Out of the planner's sight.  Returns false when the table is locked: then it
 * is tried again.
 */
static bool
hide(GuardSoftDrop *drop, const GuardNeedAnswer *need, Visit *visit)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	int64		trial = Max((int64) guard_guc_trial_period * USECS_PER_SEC,
							need->longest_pause + need->longest_pause / 2);
	Oid			types[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(drop->id), Int64GetDatum(trial)};
	char	   *reason;

	if (!ConditionalLockRelationOid(drop->table, AccessShareLock))
		return false;
	if (get_rel_relkind(self->index) == '\0')
		return false;
	reason = psprintf("%s: %s",
					  guard_verdict_reason_name(need->judgement->verdict.reason),
					  guard_sentence_verdict(need->judgement));
	guard_watch_begin(drop, visit->sample);
	guard_hide_add(self->index, GUARD_HIDE_SOFT_DROP, reason);
	record_heirs(drop, need->judgement);
	guard_softdrop_set_state(drop, GUARD_SOFTDROP_HIDDEN, "hide", reason);
	guard_store_execute("UPDATE guard.soft_drop SET trial = $2, last_visit = clock_timestamp(),"
						" next_step = 'dropped, if nothing becomes slower' WHERE id = $1",
						2, types, values, NULL);
	return true;
}

/*
 * What an alert says of a soft drop, as a JSON object.
 */
static char *
facts_of(const GuardSoftDrop *drop)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"soft_drop\":" INT64_FORMAT ",\"state\":\"%s\",\"attempts\":%d",
					 drop->id, guard_softdrop_state_name(drop->state), drop->attempts);
	if (drop->hidden_at != 0)
		appendStringInfo(&buf, ",\"hidden_for_ms\":" INT64_FORMAT,
						 (GetCurrentTimestamp() - drop->hidden_at) / 1000);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

/*
 * The sight at once, in this transaction, for that is what hurts; the name may
 * have to wait for a lock, and comes in the next one.
 */
static void
restore(GuardSoftDrop *drop, const char *reason)
{
	GuardSoftDropPart *self = linitial(drop->parts);
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(drop->id)};

	if (drop->state == GUARD_SOFTDROP_HIDDEN)
		(void) guard_hide_remove(self->index);
	guard_watch_end(drop);
	guard_softdrop_set_state(drop, GUARD_SOFTDROP_RESTORED, "restore", reason);
	guard_store_execute("UPDATE guard.soft_drop SET restore_wanted = true, next_step = 'gets its name back',"
						" next_at = clock_timestamp() WHERE id = $1",
						1, types, values, NULL);
	ereport(LOG,
			(errmsg("index %s is restored: %s", guard_softdrop_name(drop), reason)));

	/* a person who asked for it knows */
	if (!drop->restore_wanted)
		(void) guard_alert_raise(GUARD_ALERT_RESTORED, guard_softdrop_name(drop),
								 reason, facts_of(drop));
}

static void
give_name_back(GuardSoftDrop *drop)
{
	char	   *kept = guard_softdrop_rename_back(drop);
	Oid			types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(drop->id),
	kept ? CStringGetTextDatum(psprintf("; %s", kept)) : CStringGetTextDatum("")};

	guard_store_execute("UPDATE guard.soft_drop SET restore_wanted = false, next_step = NULL, next_at = NULL,"
						" attempts = 0, last_error = NULL, state_reason = state_reason || $2 WHERE id = $1",
						2, types, values, NULL);
}

static void
stay(GuardSoftDrop *drop, const GuardSoftDropFacts *facts,
	 const GuardSoftDropPlan *plan, const Visit *visit)
{
	Oid			types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID};
	Datum		values[] = {Int64GetDatum(drop->id), (Datum) 0,
	TimestampTzGetDatum(plan->shown_at), Int64GetDatum(facts->watched)};
	char		nulls[] = "    ";

	if (plan->why == NULL)
		return;
	values[1] = CStringGetTextDatum(drop->state == GUARD_SOFTDROP_HIDDEN && visit->blind ?
									psprintf("%s (not compared: %s)", plan->why, visit->blind) :
									plan->why);
	if (plan->shown_at == 0)
		nulls[2] = 'n';
	if (drop->state == GUARD_SOFTDROP_HIDDEN)
		guard_store_execute("UPDATE guard.soft_drop SET next_step = $2, next_at = $3, watched = $4,"
							" last_visit = clock_timestamp() WHERE id = $1",
							4, types, values, nulls);
	else
		guard_store_execute("UPDATE guard.soft_drop SET next_step = $2, next_at = $3 WHERE id = $1"
							" AND (next_step IS DISTINCT FROM $2 OR next_at IS DISTINCT FROM $3) AND $4 IS NOT NULL",
							4, types, values, nulls);
}

/*
 * Look at one soft drop, and do what is quick.
 */
static void
look_at(Visit *visit, int64 id)
{
	GuardSoftDrop *drop = guard_softdrop_take(id, false);
	GuardSoftDropPart *self;
	GuardNeedAnswer need = {GUARD_NEED_UNKNOWN, 0, 0, NULL};
	GuardWatchFinding watch = {0};
	GuardSoftDropFacts facts = {0};
	GuardSoftDropPlan plan;

	if (drop == NULL)
	{
		/* somebody is at it just now, and decides what it is to be */
		come_again(visit, GetCurrentTimestamp() + USECS_PER_SEC, false);
		return;
	}
	if (drop->parts == NIL)
		return;
	self = linitial(drop->parts);
	if (OidIsValid(self->index) && drop->index != self->index)
	{
		guard_softdrop_rebuilt(drop->index, self->index);
		drop->index = self->index;
	}
	if (OidIsValid(self->index) && drop->state == GUARD_SOFTDROP_HIDDEN)
		watch = guard_watch_look(drop, visit->sample);
	if (OidIsValid(self->index) && !watch.regressed)
		need = guard_need_ask(drop);
	read_facts(drop, &need, &watch, &facts);
	plan = guard_states_next(&facts);
	switch (plan.step)
	{
		case GUARD_STEP_STAY:
			stay(drop, &facts, &plan, visit);
			come_again(visit, plan.next_visit, plan.stay_here);
			if (watch.asking)
				come_again(visit, facts.now + GUARD_WATCH_ANSWER_INTERVAL, true);
			break;
		case GUARD_STEP_HIDE:
			if (!hide(drop, &need, visit))
				come_again(visit, facts.now + USECS_PER_SEC, false);
			else
				come_again(visit, facts.now + guard_states_watch_interval(0), true);
			break;
		case GUARD_STEP_RESTORE:
			if (drop->state == GUARD_SOFTDROP_RESTORED)
				give_name_back(drop);
			else
			{
				restore(drop, watch.regressed ? watch.sentence :
						facts.need == GUARD_NEED_SOMEBODY && need.judgement != NULL ?
						psprintf("%s: %s", plan.why, guard_sentence_verdict(need.judgement)) :
						plan.why);
				come_again(visit, facts.now, true);
			}
			break;
		case GUARD_STEP_NOTE_GONE:
			guard_watch_end(drop);
			guard_softdrop_set_state(drop, GUARD_SOFTDROP_DROPPED, "gone", plan.why);
			break;
		case GUARD_STEP_DROP:
		case GUARD_STEP_REBUILD:
		case GUARD_STEP_CREATE:
			/* what a person waits for comes first */
			if (long_step == GUARD_STEP_STAY ||
				(long_step == GUARD_STEP_DROP && plan.step != GUARD_STEP_DROP))
			{
				long_step = plan.step;

				long_step_id = id;
			}
			come_again(visit, facts.now + USECS_PER_SEC, false);
			break;
	}
}

/* ---- transactions ---- */

static void
begin(Visit *visit)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * An attempt may fail for a lock that is held just then; one after the other
 * fails for something that wants a person.
 */
static void
tell_if_stuck(int64 id, const char *message)
{
	GuardSoftDrop *drop = guard_softdrop_take(id, false);

	if (drop != NULL && drop->attempts == ATTEMPTS_UNTIL_STUCK)
		(void) guard_alert_raise(GUARD_ALERT_STUCK, guard_softdrop_name(drop),
								 psprintf("%d attempts in a row failed, the last with: %s",
										  drop->attempts, message),
								 facts_of(drop));
}

/*
 * What went wrong goes into the row, and the attempt counts.  If that cannot be
 * written either, the log has it.
 */
static void
note_failure(Visit *visit, int64 id, const char *message)
{
	Oid			types[] = {INT8OID, TEXTOID};
	Datum		values[2];

	begin(visit);
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(message);
	guard_store_execute("UPDATE guard.soft_drop SET attempts = attempts + 1, last_attempt = clock_timestamp(),"
						" last_error = $2 WHERE id = (SELECT id FROM guard.soft_drop WHERE id = $1"
						" FOR NO KEY UPDATE SKIP LOCKED)",
						2, types, values, NULL);
	tell_if_stuck(id, message);
	end();
	come_again(visit, GetCurrentTimestamp() + FAILED_INTERVAL, false);
}

typedef void (*visit_work) (Visit *visit, int64 id);

static void
do_look(Visit *visit, int64 id)
{
	begin(visit);
	look_at(visit, id);
	end();
}

static void
do_long_step(Visit *visit, int64 id)
{
	switch (long_step)
	{
		case GUARD_STEP_DROP:
			guard_dropping_drop(id);
			break;
		case GUARD_STEP_REBUILD:
			guard_dropping_rebuild(id);
			break;
		case GUARD_STEP_CREATE:
			guard_dropping_create(id);
			break;
		default:
			break;
	}
}

/*
 * The drop waits for the first minutes of another index's trial.
 */
static void
do_put_off(Visit *visit, int64 id)
{
	Oid			types[] = {INT8OID, TEXTOID};
	Datum		values[2];

	begin(visit);
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum("dropped once another index's trial is five minutes old");
	guard_store_execute("UPDATE guard.soft_drop SET next_step = $2, next_at = NULL"
						" WHERE id = (SELECT id FROM guard.soft_drop WHERE id = $1"
						" FOR NO KEY UPDATE SKIP LOCKED) AND next_step IS DISTINCT FROM $2",
						2, types, values, NULL);
	end();
}

/*
 * Run a piece of work; what it raises is written down, unless it means that the
 * visitor has to leave.
 */
static void
run(Visit *visit, visit_work work, int64 id)
{
	MemoryContext context = AllocSetContextCreate(visit->context, "guard soft drop",
												  ALLOCSET_DEFAULT_SIZES);
	ErrorData  *volatile error = NULL;

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(visit, id);
	}
	PG_CATCH();
	{
		if (geterrcode() == ERRCODE_QUERY_CANCELED ||
			geterrcode() == ERRCODE_ADMIN_SHUTDOWN)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		AbortOutOfAnyTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	if (error != NULL)
		note_failure(visit, id, error->message);
	MemoryContextSwitchTo(visit->context);
	MemoryContextDelete(context);
}

/*
 * Which soft drops are there?  Everything is counted once for all of them.
 */
static void
prepare(Visit *visit)
{
	ListCell   *lc;
	List	   *drops;

	begin(visit);
	if (guard_store_present())
	{
		MemoryContext old = MemoryContextSwitchTo(visit->context);

		drops = guard_softdrop_list(false);
		foreach(lc, drops)
		{
			int64	   *id = palloc(sizeof(int64));

			*id = ((GuardSoftDrop *) lfirst(lc))->id;
			visit->ids = lappend(visit->ids, id);
		}
		if (drops != NIL)
		{
			visit->blind = guard_watch_blind();
			visit->sample = guard_watch_sample();
		}
		MemoryContextSwitchTo(old);
	}
	end();
}

/*
 * Both tasks are called in a context that is reset after them.
 */
TimestampTz
guard_softdrop_visit(void)
{
	Visit		visit = {0};
	ListCell   *lc;

	long_step = GUARD_STEP_STAY;

	if (guard_guc_mode == GUARD_MODE_OFF || RecoveryInProgress())
		return 0;
	visit.context = CurrentMemoryContext;
	prepare(&visit);
	foreach(lc, visit.ids)
	{
		CHECK_FOR_INTERRUPTS();
		run(&visit, do_look, *(int64 *) lfirst(lc));
	}
	if (long_step == GUARD_STEP_DROP && visit.stay)
	{
		run(&visit, do_put_off, long_step_id);
		long_step = GUARD_STEP_STAY;
	}
	if (visit.next != 0)
		guard_visits_want_at(visit.next, visit.stay ? visit.next : 0);
	return visit.next;
}

TimestampTz
guard_softdrop_long_step(void)
{
	Visit		visit = {0};

	if (long_step == GUARD_STEP_STAY)
		return 0;
	visit.context = CurrentMemoryContext;
	run(&visit, do_long_step, long_step_id);
	long_step = GUARD_STEP_STAY;

	return GetCurrentTimestamp();
}
