/*-------------------------------------------------------------------------
 *
 * long_work.c
 *	  The steps that take long, in a process of their own.
 *
 * To drop an index for good, to rebuild it or to create it again takes as long
 * as it takes: it waits for old transactions and for locks of the table's owner,
 * and creating it runs what its owner wrote.  So it is done by a builder, and the
 * visitor of the database, which does not wait for it, does three things: it
 * finds out which steps are due, calls the builder, and looks after it.
 *
 * That an attempt is made is written down, and committed, before it begins.  A
 * step that hangs or kills its process is not taken up at once by the next one,
 * but by back-off (states.c), and the owners of tables take turns.
 *
 * A builder that gets nowhere while others wait is ended: the process, for what
 * an owner wrote may catch everything else.  What it had done so far is found by
 * the next attempt.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timeout.h"

#include "softdrop/steps.h"
#include "store/store.h"

/* A builder at work is looked at so often. */
#define LOOK_INTERVAL	USECS_PER_SEC

/* When a row that is being worked at is looked at again, if nobody says so. */
#define AFTERWARDS		(INT64CONST(5) * USECS_PER_SEC)

/* ---- the builder ---- */

/*
 * Whose turn is it?  Write down that an attempt begins, and tell the visitors of
 * it before that can be seen.  Returns the step, STAY for none.
 */
static GuardSoftDropStep
take_turn(int64 *id)
{
	GuardSoftDropStep step = GUARD_STEP_STAY;
	GuardSoftDrop *drop = NULL;

	guard_visit_begin();
	*id = guard_store_present() ? guard_softdrop_next_long() : 0;
	if (*id != 0)
		drop = guard_softdrop_take(*id, false);
	if (drop != NULL)
	{
		guard_visits_work_at(*id);
		step = drop->long_step;
		drop->long_step = GUARD_STEP_STAY;
		drop->attempts++;
		drop->last_attempt = GetCurrentTimestamp();
		drop->last_error = pstrdup("the last attempt has not come to its end");
		drop->next_step = pstrdup(step == GUARD_STEP_DROP ? "being dropped now" :
								  "being brought back now");
		drop->next_at = 0;
		drop->due_at = drop->last_attempt + AFTERWARDS;
		guard_softdrop_save(drop);
	}
	guard_visit_end();
	return step;
}

/*
 * Do the step.  Returns why it failed, allocated in the current memory context,
 * or NULL.
 */
static char *
do_step(GuardSoftDropStep step, int64 id)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *volatile message = NULL;

	PG_TRY();
	{
		if (step == GUARD_STEP_DROP)
			guard_dropping_drop(id, context);
		else
			guard_creating_run(id, context);
	}
	PG_CATCH();
	{
		disable_timeout(STATEMENT_TIMEOUT, false);
		message = guard_visit_caught(context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return message;
}

TimestampTz
guard_softdrop_long_step(void)
{
	GuardSoftDropStep step;
	char	   *message;
	int64		id;

	if (guard_guc_mode == GUARD_MODE_OFF || RecoveryInProgress())
		return 0;
	step = take_turn(&id);
	if (step == GUARD_STEP_STAY)
		return 0;
	message = do_step(step, id);
	guard_dropping_forget();
	if (message != NULL)
		guard_visit_note_failure(id, message, false);
	guard_visits_work_at(0);

	/* what comes next is for the visitor to find out */
	guard_visits_want();
	return GetCurrentTimestamp();
}

/* ---- the visitor ---- */

/*
 * Look at what the builder does, and end it if it must give way.
 */
static void
look_at_work(GuardLongWork *work, bool others_wait)
{
	TimestampTz now = GetCurrentTimestamp();
	GuardRows  *rows;

	guard_visit_begin();
	rows = guard_query_server("SELECT coalesce(hashtextextended(p::text, 0), 0),"
							  " a.wait_event_type IN ('Lock', 'Timeout', 'Client', 'Extension')"
							  " FROM pg_stat_get_activity($1) a LEFT JOIN pg_stat_progress_create_index p ON p.pid = a.pid",
							  P_INT4(work->pid));
	if (guard_rows_next(rows))
		guard_states_account(work, now, (uint64) guard_rows_int(rows, 1),
							 guard_rows_bool(rows, 2));
	guard_visit_end();
	if (!guard_visits_note_work(work) ||
		!guard_states_gives_way(work, now, others_wait))
		return;

	/* first what it must not be without */
	guard_visit_note_failure(work->thing, work->ends_at != 0 && now >= work->ends_at ?
							 "ended by guard: what its owner wrote took too long" :
							 "ended by guard: it waited or slept while others had to wait",
							 false);
	if (guard_visits_end_work(work))
		ereport(LOG,
				(errmsg("guard ends its process %d, which has come no further for %d seconds with soft drop " INT64_FORMAT,
						work->pid, (int) (work->rested / USECS_PER_SEC), work->thing)));
}

TimestampTz
guard_softdrop_look_after_builder(void)
{
	GuardLongWork work;
	bool		waits;

	guard_visit_begin();
	waits = guard_store_present() && guard_softdrop_long_waits();
	guard_visit_end();
	guard_visits_read_work(&work);
	if (work.thing == 0 && !waits)
		return 0;
	if (work.thing == 0)
		guard_visits_want_builder();
	else
		look_at_work(&work, waits || guard_visits_builder_wanted());
	return GetCurrentTimestamp() + LOOK_INTERVAL;
}
