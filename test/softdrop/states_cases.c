/*-------------------------------------------------------------------------
 *
 * states_cases.c
 *	  What happens next to a soft drop, case by case.
 *
 * Linked with states.c and nothing of the server.  Prints TAP.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "softdrop/states.h"

/* The server's own printf is not linked either. */
#undef printf

#define SEC		INT64CONST(1000000)
#define MINUTE	(60 * SEC)
#define DAY		(24 * 60 * MINUTE)
#define NOW		(10000 * DAY)

typedef struct Case
{
	const char *name;
	GuardSoftDropFacts f;
	GuardSoftDropStep step;
	int64		again;			/* STAY: how soon at the latest; 0: never */
	bool		stay_here;
} Case;

#define COMMON	.now = NOW, .state_since = NOW - 10 * DAY, .exists = true, .valid = true, .hiding_works = true, .hideable = true
#define WAITING	COMMON, .state = GUARD_SOFTDROP_WAITING
#define HIDDEN	COMMON, .state = GUARD_SOFTDROP_HIDDEN, .hidden = true, .trial = 7 * DAY, .need = GUARD_NEED_NOBODY
#define OVER	.watched = 7 * DAY

static const Case cases[] = {
	/* waiting */
	{"somebody needs it", {WAITING, .need = GUARD_NEED_SOMEBODY}, GUARD_STEP_STAY, MINUTE},
	{"its use ends in ten seconds", {WAITING, .need = GUARD_NEED_SOMEBODY, .use_ends = NOW + 10 * SEC}, GUARD_STEP_STAY, 10 * SEC},
	{"dropped four seconds ago", {WAITING, .need = GUARD_NEED_SOMEBODY, .state_since = NOW - 4 * SEC}, GUARD_STEP_STAY, SEC},
	{"not enough is known", {WAITING, .need = GUARD_NEED_UNKNOWN}, GUARD_STEP_STAY, MINUTE},
	{"nobody needs it", {WAITING, .need = GUARD_NEED_NOBODY}, GUARD_STEP_HIDE},
	{"nobody needs it, hiding is off", {WAITING, .need = GUARD_NEED_NOBODY, .hiding_works = false}, GUARD_STEP_STAY, MINUTE},
	{"nobody needs it, it cannot be hidden", {WAITING, .need = GUARD_NEED_NOBODY, .hideable = false}, GUARD_STEP_STAY, MINUTE},
	{"it is invalid", {WAITING, .need = GUARD_NEED_NOBODY, .valid = false}, GUARD_STEP_DROP},
	{"somebody protected it", {WAITING, .need = GUARD_NEED_PROTECTED}, GUARD_STEP_RESTORE},
	{"it was wanted back while it was locked", {WAITING, .need = GUARD_NEED_SOMEBODY, .restore_wanted = true}, GUARD_STEP_RESTORE},
	{"it is gone", {WAITING, .exists = false}, GUARD_STEP_NOTE_GONE},
	{"the clock went back a day", {WAITING, .need = GUARD_NEED_SOMEBODY, .state_since = NOW + DAY}, GUARD_STEP_STAY, SEC},

	/* hidden */
	{"hidden just now", {HIDDEN}, GUARD_STEP_STAY, SEC, .stay_here = true},
	{"for 59 seconds", {HIDDEN, .watched = 59 * SEC}, GUARD_STEP_STAY, SEC, .stay_here = true},
	{"for two minutes", {HIDDEN, .watched = 2 * MINUTE}, GUARD_STEP_STAY, 5 * SEC, .stay_here = true},
	{"for ten minutes", {HIDDEN, .watched = 10 * MINUTE}, GUARD_STEP_STAY, 10 * SEC},
	{"for a day", {HIDDEN, .watched = DAY}, GUARD_STEP_STAY, 30 * SEC},
	{"the trial ends in half a second", {HIDDEN, .watched = 7 * DAY - SEC / 2}, GUARD_STEP_STAY, SEC / 2},
	{"something became slower", {HIDDEN, .watched = DAY, .regressed = true}, GUARD_STEP_RESTORE},
	{"something became slower in the last second", {HIDDEN, OVER, .regressed = true}, GUARD_STEP_RESTORE},
	{"somebody wants it back", {HIDDEN, .restore_wanted = true}, GUARD_STEP_RESTORE},
	{"somebody protected it", {HIDDEN, .need = GUARD_NEED_PROTECTED}, GUARD_STEP_RESTORE},
	{"somebody unhid it", {HIDDEN, .hidden = false}, GUARD_STEP_RESTORE},
	{"what replaced it has gone", {HIDDEN, .need = GUARD_NEED_SOMEBODY}, GUARD_STEP_RESTORE},
	{"hiding is off: nothing is tried", {HIDDEN, OVER, .hiding_works = false}, GUARD_STEP_STAY, MINUTE},
	{"the trial is over", {HIDDEN, OVER}, GUARD_STEP_DROP},
	{"the trial is over, the statistics were lost", {HIDDEN, OVER, .need = GUARD_NEED_UNKNOWN}, GUARD_STEP_DROP},
	{"the trial is over, needed again", {HIDDEN, OVER, .need = GUARD_NEED_SOMEBODY}, GUARD_STEP_RESTORE},
	{"the trial is over, an old transaction is on the table", {HIDDEN, OVER, .old_lockers = true}, GUARD_STEP_STAY, 5 * SEC},
	{"the clock jumped a month ahead: only what was watched counts", {HIDDEN, .watched = MINUTE, .state_since = NOW - 30 * DAY}, GUARD_STEP_STAY, 5 * SEC, .stay_here = true},
	{"the clock went back a month", {HIDDEN, .watched = MINUTE, .state_since = NOW + 30 * DAY}, GUARD_STEP_STAY, 5 * SEC, .stay_here = true},
	{"gone by a DROP that nobody told of", {HIDDEN, .exists = false}, GUARD_STEP_NOTE_GONE},
	{"a worker died in the drop", {HIDDEN, OVER, .valid = false, .drop_started_at = NOW - MINUTE}, GUARD_STEP_DROP},
	{"the same, and somebody wants it back", {HIDDEN, OVER, .valid = false, .restore_wanted = true}, GUARD_STEP_REBUILD},
	{"the drop failed half a second ago", {HIDDEN, OVER, .attempts = 1, .last_attempt = NOW - SEC / 2}, GUARD_STEP_STAY, SEC},
	{"the drop failed three times, the last one four seconds ago", {HIDDEN, OVER, .attempts = 3, .last_attempt = NOW - 4 * SEC}, GUARD_STEP_DROP},
	{"the drop failed thirty times, an hour ago", {HIDDEN, OVER, .attempts = 30, .last_attempt = NOW - 60 * MINUTE}, GUARD_STEP_DROP},
	{"the drop failed, and the clock went back", {HIDDEN, OVER, .attempts = 3, .last_attempt = NOW + DAY}, GUARD_STEP_DROP},

	/* closed */
	{"dropped", {COMMON, .exists = false, .state = GUARD_SOFTDROP_DROPPED}, GUARD_STEP_STAY},
	{"dropped, and wanted back", {COMMON, .exists = false, .state = GUARD_SOFTDROP_DROPPED, .restore_wanted = true}, GUARD_STEP_CREATE},
	{"gone before it was seen, and wanted back", {WAITING, .exists = false, .restore_wanted = true}, GUARD_STEP_CREATE},
	{"restored, its name still to come", {COMMON, .state = GUARD_SOFTDROP_RESTORED, .restore_wanted = true}, GUARD_STEP_RESTORE},
	{"restored", {COMMON, .state = GUARD_SOFTDROP_RESTORED}, GUARD_STEP_STAY},
};

static bool
holds(const Case *c)
{
	GuardSoftDropPlan plan = guard_states_next(&c->f);
	int64		again = plan.next_visit == 0 ? 0 : plan.next_visit - c->f.now;

	if (plan.step == c->step && plan.stay_here == c->stay_here &&
		(c->again == 0 ? again == 0 : again > 0 && again <= c->again))
		return true;
	printf("# step %d, again in %lld us%s\n", plan.step, (long long) again,
		   plan.stay_here ? ", stays" : "");
	return false;
}

int
main(void)
{
	int			failed = 0;

	printf("1..%d\n", (int) lengthof(cases));
	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		bool		ok = holds(&cases[i]);

		printf("%sok %d - %s\n", ok ? "" : "not ", i + 1, cases[i].name);
		failed += !ok;
	}
	return failed > 0;
}
