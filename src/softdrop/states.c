/*-------------------------------------------------------------------------
 *
 * states.c
 *	  What happens next to a soft drop.
 *
 * Time is what has been watched, not what the clock says: a server that was
 * down for a week has not watched for a week, and a clock that jumps neither
 * ends a trial nor makes it endless.  Moments are only used to say when to look
 * again, and never lie far ahead.
 *
 * This file is pure, so that every rule can be tested by a table of cases.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "softdrop/steps.h"

#define SECS(n)		((int64) (n) * USECS_PER_SEC)
#define MINUTES(n)	(SECS(60) * (n))

/*
 * How often one looks whether a waiting index is still needed: often at first,
 * for the sake of a replacement that the same migration made, and in good time
 * when its use is about to end.
 */
#define WAITING_INTERVAL_MIN	SECS(1)
#define WAITING_INTERVAL_MAX	MINUTES(1)

/* While seconds count, the visitor does not go away in between. */
#define FAST_PERIOD			MINUTES(5)

/*
 * A hidden index whose replacement is not there may be in the middle of being
 * replaced: it must have been needed for so long before it comes back.
 */
#define NEEDED_AGAIN		SECS(5)

/* One use in so many may be by a statement of which nothing is known. */
#define UNKNOWN_USES		10

/* A drop that would have to wait for old transactions is tried again. */
#define LOCKERS_INTERVAL	SECS(5)

/* never further apart than this, whatever fails */
#define MAX_BACK_OFF		MINUTES(60)

/*
 * Long work may rest for this long while others wait for it to end, or for as
 * long as it has worked: an index that took hours to be read is not given up
 * because it waits for one old transaction.
 */
#define REST		SECS(5)

/* Looks further apart than this say nothing of the time between them. */
#define LOOKS_APART SECS(5)

int64
guard_states_watch_interval(int64 watched)
{
	if (watched < MINUTES(1))
		return SECS(1);
	if (watched < FAST_PERIOD)
		return SECS(5);
	if (watched < MINUTES(60))
		return SECS(10);
	return SECS(30);
}

int64
guard_states_watched(const GuardSoftDrop *drop, TimestampTz now, bool lost)
{
	int64		most = 3 * guard_states_watch_interval(drop->watched) + SECS(1);
	int64		passed = now - drop->last_visit;

	if (drop->last_visit == 0 || lost || passed <= 0)
		return drop->watched;
	return drop->watched + Min(passed, most);
}

bool
guard_states_compared(bool used, int64 uses, int64 covered, int64 others)
{
	if (!used && uses == 0)
		return others > 0;
	return covered > 0 && uses - covered <= uses / UNKNOWN_USES;
}

int64
guard_states_back_off(int attempts)
{
	int64		wait = SECS(1);

	while (attempts-- > 1 && wait < MAX_BACK_OFF)
		wait *= 2;
	return Min(wait, MAX_BACK_OFF);
}

void
guard_states_account(GuardLongWork *work, TimestampTz now, uint64 progress,
					 bool rests)
{
	int64		passed = work->seen_at == 0 ? 0 :
		Min(Max(now - work->seen_at, 0), LOOKS_APART);

	if (progress != work->progress && !rests)
		work->worked += passed;
	else
		work->rested += passed;
	work->progress = progress;
	work->seen_at = now;
}

bool
guard_states_gives_way(const GuardLongWork *work, TimestampTz now,
					   bool others_wait)
{
	if (work->ends_at != 0 && now >= work->ends_at)
		return true;
	return others_wait && work->rested > Max(REST, work->worked);
}

static GuardSoftDropPlan
step(GuardSoftDropStep what, const char *why)
{
	GuardSoftDropPlan plan = {0};

	plan.step = what;
	plan.why = why;
	return plan;
}

static GuardSoftDropPlan
stay(const GuardSoftDropFacts *facts, const char *why, TimestampTz shown_at,
	 int64 interval)
{
	GuardSoftDropPlan plan = step(GUARD_STEP_STAY, why);

	plan.shown_at = shown_at;
	plan.next_visit = facts->now + interval;
	return plan;
}

/*
 * A long step that failed lately waits for its next attempt.  A clock that
 * went back does not make it wait longer.
 */
static GuardSoftDropPlan
attempt(const GuardSoftDropFacts *facts, GuardSoftDropStep what)
{
	int64		back_off = guard_states_back_off(facts->attempts);
	int64		passed = facts->now - facts->last_attempt;

	if (facts->attempts > 0 && facts->last_attempt != 0 &&
		passed >= 0 && passed < back_off)
		return stay(facts, what == GUARD_STEP_DROP ? "dropped, next attempt" :
					"brought back, next attempt",
					facts->last_attempt + back_off, back_off - passed);
	return step(what, NULL);
}

/*
 * Often at first, then ever less.
 */
static int64
ever_less_often(TimestampTz now, TimestampTz since)
{
	return Max(Min((now - since) / 4, WAITING_INTERVAL_MAX), WAITING_INTERVAL_MIN);
}

int64
guard_states_name_interval(TimestampTz now, TimestampTz state_since)
{
	return ever_less_often(now, state_since);
}

static int64
waiting_interval(const GuardSoftDropFacts *facts)
{
	int64		interval = ever_less_often(facts->now, facts->state_since);

	if (facts->use_ends > facts->now)
		interval = Min(interval, facts->use_ends - facts->now);
	return Max(interval, WAITING_INTERVAL_MIN);
}

static GuardSoftDropPlan
next_waiting(const GuardSoftDropFacts *facts)
{
	bool		by_approval = facts->approved && facts->need != GUARD_NEED_NOBODY;
	GuardSoftDropPlan plan;

	if (facts->restore_wanted)
		return step(GUARD_STEP_RESTORE, "a person asked for it");
	if (by_approval)
		;
	else if (facts->need == GUARD_NEED_PROTECTED)
		return step(GUARD_STEP_RESTORE, "it has been protected");
	else if (facts->need == GUARD_NEED_UNKNOWN)
		return stay(facts, "hidden once enough is known of its use", 0,
					waiting_interval(facts));
	else if (facts->need == GUARD_NEED_SOMEBODY)
		return stay(facts, "hidden once nobody needs it", facts->use_ends,
					waiting_interval(facts));

	/* An invalid index serves nobody: there is nothing to try. */
	if (!facts->valid)
		return attempt(facts, GUARD_STEP_DROP);
	if (!facts->hideable)
		return stay(facts, "nobody needs it, but it cannot be hidden", 0,
					waiting_interval(facts));
	if (!facts->hiding_works)
		return stay(facts, "hidden once guard.hiding is on", 0,
					waiting_interval(facts));
	if (facts->unheard)
		return stay(facts, "hidden once all standbys have told how its statements are there", 0,
					waiting_interval(facts));
	plan = step(GUARD_STEP_HIDE, NULL);
	plan.use_approval = by_approval;
	return plan;
}

static GuardSoftDropPlan
next_hidden(const GuardSoftDropFacts *facts)
{
	GuardSoftDropPlan plan;

	/* its drop has begun; what is wanted is created again after it */
	if (!facts->valid)
		return attempt(facts, GUARD_STEP_DROP);
	if (facts->restore_wanted)
		return step(GUARD_STEP_RESTORE, "a person asked for it");
	if (facts->regressed)
		return step(GUARD_STEP_RESTORE, "statements became slower without it");
	if (facts->need == GUARD_NEED_PROTECTED)
		return step(GUARD_STEP_RESTORE, "it has been protected");
	if (!facts->hiding_works)
		return stay(facts, "watched once guard.hiding is on again", 0,
					waiting_interval(facts));
	if (!facts->hidden)
		return step(GUARD_STEP_RESTORE, "somebody let the planner see it again");
	if (facts->need == GUARD_NEED_SOMEBODY && !facts->approved)
	{
		if (facts->needed_for >= NEEDED_AGAIN && !facts->table_locked)
			return step(GUARD_STEP_RESTORE, "it is needed again");
		return stay(facts, "brought back, if it is still needed in a moment", 0, SECS(1));
	}

	/* Nobody would notice that it is missed. */
	if (!facts->compared && !facts->approved)
		return stay(facts, "unknown: how its statements were before it was hidden is not known, so it is not watched, and not dropped",
					0, guard_states_watch_interval(facts->watched));
	if (facts->watched < facts->trial)
	{
		int64		interval = guard_states_watch_interval(facts->watched);

		plan = stay(facts, "dropped, if nothing becomes slower",
					facts->now + facts->trial - facts->watched,
					Min(interval, facts->trial - facts->watched));
		plan.stay_here = facts->watched < FAST_PERIOD;
		return plan;
	}
	plan = attempt(facts, GUARD_STEP_DROP);
	if (plan.step == GUARD_STEP_DROP && facts->old_lockers)
		return stay(facts, "dropped once older transactions on its table have ended",
					0, LOCKERS_INTERVAL);
	return plan;
}

GuardSoftDropPlan
guard_states_next(const GuardSoftDropFacts *facts)
{
	if (facts->state == GUARD_SOFTDROP_DROPPED ||
		facts->state == GUARD_SOFTDROP_RESTORED)
	{
		if (facts->restore_wanted)
			return attempt(facts, GUARD_STEP_CREATE);
		if (facts->name_wanted && facts->exists)
			return step(GUARD_STEP_NAME, NULL);
		return step(GUARD_STEP_STAY, NULL);
	}
	if (!facts->exists)
	{
		if (facts->restore_wanted)
			return attempt(facts, GUARD_STEP_CREATE);
		return step(GUARD_STEP_NOTE_GONE, "it is no longer there");
	}
	return facts->state == GUARD_SOFTDROP_WAITING ? next_waiting(facts) :
		next_hidden(facts);
}
