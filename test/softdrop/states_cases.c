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

#include "softdrop/steps.h"

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
	bool		use_approval;
} Case;

#define COMMON	.now = NOW, .state_since = NOW - 10 * DAY, .exists = true, .valid = true, .hiding_works = true, .hideable = true
#define WAITING	COMMON, .state = GUARD_SOFTDROP_WAITING
#define HIDDEN	COMMON, .state = GUARD_SOFTDROP_HIDDEN, .hidden = true, .trial = 7 * DAY, .need = GUARD_NEED_NOBODY, .compared = true
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

	{"approved, though somebody needs it", {WAITING, .need = GUARD_NEED_SOMEBODY, .approved = true}, GUARD_STEP_HIDE, .use_approval = true},
	{"approved, though it is protected", {WAITING, .need = GUARD_NEED_PROTECTED, .approved = true}, GUARD_STEP_HIDE, .use_approval = true},
	{"approved, though too little is known", {WAITING, .need = GUARD_NEED_UNKNOWN, .approved = true}, GUARD_STEP_HIDE, .use_approval = true},
	{"an approval that nobody needs is left alone", {WAITING, .need = GUARD_NEED_NOBODY, .approved = true}, GUARD_STEP_HIDE},
	{"approved, and a person wants it back", {WAITING, .need = GUARD_NEED_SOMEBODY, .approved = true, .restore_wanted = true}, GUARD_STEP_RESTORE},

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
	{"what replaced it has gone", {HIDDEN, .need = GUARD_NEED_SOMEBODY}, GUARD_STEP_STAY, SEC},
	{"and is gone four seconds later", {HIDDEN, .need = GUARD_NEED_SOMEBODY, .needed_for = 4 * SEC}, GUARD_STEP_STAY, SEC},
	{"and six", {HIDDEN, .need = GUARD_NEED_SOMEBODY, .needed_for = 6 * SEC}, GUARD_STEP_RESTORE},
	{"its table has been locked for an hour, maybe by who replaces it", {HIDDEN, .need = GUARD_NEED_SOMEBODY, .needed_for = 60 * MINUTE, .table_locked = true}, GUARD_STEP_STAY, SEC},
	{"nothing is known of before it was hidden", {HIDDEN, .compared = false}, GUARD_STEP_STAY, MINUTE},
	{"nothing is known of before it was hidden, the trial is over", {HIDDEN, OVER, .compared = false}, GUARD_STEP_STAY, MINUTE},
	{"nothing is known of before it was hidden, and it is needed", {HIDDEN, OVER, .compared = false, .need = GUARD_NEED_SOMEBODY, .needed_for = MINUTE}, GUARD_STEP_RESTORE},
	{"nothing is known of before it was hidden, and a person wants it back", {HIDDEN, OVER, .compared = false, .restore_wanted = true}, GUARD_STEP_RESTORE},
	{"hidden by an approval: that it is needed was known", {HIDDEN, .watched = DAY, .approved = true, .need = GUARD_NEED_SOMEBODY, .needed_for = DAY}, GUARD_STEP_STAY, 30 * SEC},
	{"hidden by an approval, and something became slower", {HIDDEN, .approved = true, .regressed = true}, GUARD_STEP_RESTORE},
	{"hidden by an approval, the trial is over", {HIDDEN, OVER, .approved = true, .need = GUARD_NEED_SOMEBODY, .needed_for = DAY}, GUARD_STEP_DROP},
	{"hidden by an approval, and protected since", {HIDDEN, OVER, .approved = true, .need = GUARD_NEED_PROTECTED}, GUARD_STEP_RESTORE},
	{"hiding is off: nothing is tried", {HIDDEN, OVER, .hiding_works = false}, GUARD_STEP_STAY, MINUTE},
	{"the trial is over", {HIDDEN, OVER}, GUARD_STEP_DROP},
	{"the trial is over, the statistics were lost", {HIDDEN, OVER, .need = GUARD_NEED_UNKNOWN}, GUARD_STEP_DROP},
	{"the trial is over, needed again", {HIDDEN, OVER, .need = GUARD_NEED_SOMEBODY, .needed_for = MINUTE}, GUARD_STEP_RESTORE},
	{"the trial is over, an old transaction is on the table", {HIDDEN, OVER, .old_lockers = true}, GUARD_STEP_STAY, 5 * SEC},
	{"the clock jumped a month ahead: only what was watched counts", {HIDDEN, .watched = MINUTE, .state_since = NOW - 30 * DAY}, GUARD_STEP_STAY, 5 * SEC, .stay_here = true},
	{"the clock went back a month", {HIDDEN, .watched = MINUTE, .state_since = NOW + 30 * DAY}, GUARD_STEP_STAY, 5 * SEC, .stay_here = true},
	{"gone by a DROP that nobody told of", {HIDDEN, .exists = false}, GUARD_STEP_NOTE_GONE},
	{"a worker died in the drop", {HIDDEN, OVER, .valid = false, .drop_started_at = NOW - MINUTE}, GUARD_STEP_DROP},
	{"the same, and somebody wants it back: it is created again after that", {HIDDEN, OVER, .valid = false, .restore_wanted = true}, GUARD_STEP_DROP},
	{"the drop failed half a second ago", {HIDDEN, OVER, .attempts = 1, .last_attempt = NOW - SEC / 2}, GUARD_STEP_STAY, SEC},
	{"the drop failed three times, the last one four seconds ago", {HIDDEN, OVER, .attempts = 3, .last_attempt = NOW - 4 * SEC}, GUARD_STEP_DROP},
	{"the drop failed thirty times, an hour ago", {HIDDEN, OVER, .attempts = 30, .last_attempt = NOW - 60 * MINUTE}, GUARD_STEP_DROP},
	{"the drop failed, and the clock went back", {HIDDEN, OVER, .attempts = 3, .last_attempt = NOW + DAY}, GUARD_STEP_DROP},

	/* closed */
	{"dropped", {COMMON, .exists = false, .state = GUARD_SOFTDROP_DROPPED}, GUARD_STEP_STAY},
	{"dropped, and wanted back", {COMMON, .exists = false, .state = GUARD_SOFTDROP_DROPPED, .restore_wanted = true}, GUARD_STEP_CREATE},
	{"dropped, wanted back, and an attempt has left something", {COMMON, .valid = false, .state = GUARD_SOFTDROP_DROPPED, .restore_wanted = true}, GUARD_STEP_CREATE},
	{"dropped, wanted back, and an attempt has come far", {COMMON, .state = GUARD_SOFTDROP_DROPPED, .restore_wanted = true}, GUARD_STEP_CREATE},
	{"gone before it was seen, and wanted back", {WAITING, .exists = false, .restore_wanted = true}, GUARD_STEP_CREATE},
	{"restored, its name still to come", {COMMON, .state = GUARD_SOFTDROP_RESTORED, .name_wanted = true}, GUARD_STEP_NAME},
	{"restored without its name, and dropped by somebody", {COMMON, .exists = false, .state = GUARD_SOFTDROP_RESTORED, .name_wanted = true}, GUARD_STEP_STAY},
	{"restored", {COMMON, .state = GUARD_SOFTDROP_RESTORED}, GUARD_STEP_STAY},
};

static bool
holds(const Case *c)
{
	GuardSoftDropPlan plan = guard_states_next(&c->f);
	int64		again = plan.next_visit == 0 ? 0 : plan.next_visit - c->f.now;

	if (plan.step == c->step && plan.stay_here == c->stay_here &&
		plan.use_approval == c->use_approval &&
		(c->again == 0 ? again == 0 : again > 0 && again <= c->again))
		return true;
	printf("# step %d, again in %lld us%s\n", plan.step, (long long) again,
		   plan.stay_here ? ", stays" : "");
	return false;
}

/* How long has it been watched? */
typedef struct WatchedCase
{
	const char *name;
	int64		watched;
	int64		since_visit;	/* -1: there was none */
	bool		lost;
	int64		result;
} WatchedCase;

static const WatchedCase watched_cases[] = {
	{"nobody looked yet", 0, -1, false, 0},
	{"a second since the last look", 0, SEC, false, SEC},
	{"the worker was away for a day: four seconds, when it should have come every second", 0, DAY, false, 4 * SEC},
	{"the worker was away for a day: 91 seconds, when it should have come every 30", 2 * DAY, DAY, false, 2 * DAY + 91 * SEC},
	{"the server restarted 91 seconds ago", 2 * DAY, 91 * SEC, false, 2 * DAY + 91 * SEC},
	{"a second longer does not count", 2 * DAY, 92 * SEC, false, 2 * DAY + 91 * SEC},
	{"the clock went back", DAY, -MINUTE, false, DAY},
	{"statistics were reset, or nothing could be compared", DAY, 30 * SEC, true, DAY},
};

static bool
watched_holds(const WatchedCase *c)
{
	GuardSoftDrop drop = {.watched = c->watched};

	if (c->since_visit != -1)
		drop.last_visit = NOW - c->since_visit;
	return guard_states_watched(&drop, NOW, c->lost) == c->result;
}

/* Is known what used it? */
typedef struct ComparedCase
{
	const char *name;
	bool		used;
	int64		uses;
	int64		covered;
	int64		others;
	bool		result;
} ComparedCase;

static const ComparedCase compared_cases[] = {
	{"every use is known", true, 100, 100, 0, true},
	{"a few of many are not", true, 100, 90, 0, true},
	{"more than a few are not", true, 100, 89, 50, false},
	{"all of its statements were pushed out", true, 100, 0, 50, false},
	{"only older statistics know of its use", true, 0, 0, 50, false},
	{"never used, the table is", false, 0, 0, 1, true},
	{"never used, nor is the table", false, 0, 0, 0, false},
	{"used once, by a statement that is known", true, 1, 1, 0, true},
	{"used once, by one that is not", true, 1, 0, 9, false},
};

/* Does long work give way?  Looks are a second apart. */
typedef struct WorkCase
{
	const char *name;
	const char *looks;			/* of each: w it worked, s it got on but slept
								 * just then, r nothing moved */
	int64		ends_at;		/* after the first look; 0: whenever it likes */
	bool		others_wait;
	bool		result;
} WorkCase;

static const WorkCase work_cases[] = {
	{"nobody has looked", "", 0, true, false},
	{"it rests for five seconds", "rrrrrr", 0, true, false},
	{"and for six", "rrrrrrr", 0, true, true},
	{"and nobody waits", "rrrrrrrrrrrrrrrrrrrr", 0, false, false},
	{"it works for ever", "rwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww", 0, true, false},
	{"it has worked for ten seconds, and rests for ten", "rwwwwwwwwwwrrrrrrrrrr", 0, true, false},
	{"and for eleven", "rwwwwwwwwwwrrrrrrrrrrr", 0, true, true},
	{"it sleeps between one row and the next", "sssssss", 0, true, true},
	{"it has twenty seconds", "rrrrrrrrrrrrrrrrrrrr", 20 * SEC, false, false},
	{"and they are over", "rrrrrrrrrrrrrrrrrrrrr", 20 * SEC, false, true},
	{"however much it has worked", "wwwwwwwwwwwwwwwwwwwww", 20 * SEC, false, true},
};

static bool
work_holds(const WorkCase *c)
{
	GuardLongWork work = {.thing = 1};
	TimestampTz now = NOW - SEC;
	uint64		progress = 0;

	for (const char *look = c->looks; *look != '\0'; look++)
	{
		now += SEC;
		progress += *look != 'r';
		guard_states_account(&work, now, progress, *look == 's');
	}
	work.ends_at = c->ends_at == 0 ? 0 : NOW + c->ends_at;
	return guard_states_gives_way(&work, now, c->others_wait) == c->result;
}

static int	tests = 0;
static int	failed = 0;

static void
tell(bool ok, const char *name)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, name);
	failed += !ok;
}

int
main(void)
{
	for (int i = 0; i < (int) lengthof(cases); i++)
		tell(holds(&cases[i]), cases[i].name);
	for (int i = 0; i < (int) lengthof(watched_cases); i++)
		tell(watched_holds(&watched_cases[i]), watched_cases[i].name);
	for (int i = 0; i < (int) lengthof(compared_cases); i++)
		tell(guard_states_compared(compared_cases[i].used, compared_cases[i].uses,
								   compared_cases[i].covered, compared_cases[i].others) ==
			 compared_cases[i].result, compared_cases[i].name);
	for (int i = 0; i < (int) lengthof(work_cases); i++)
		tell(work_holds(&work_cases[i]), work_cases[i].name);
	printf("1..%d\n", tests);
	return failed > 0;
}
