/*-------------------------------------------------------------------------
 *
 * wholes.c
 *	  Verdicts on more than one index, and on what a transaction leaves.
 *
 * Linked with verdict.c and nothing else, as cases.c is.  Prints TAP.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "guc.h"
#include "policy/verdict.h"

/* The server's own printf is not linked either. */
#undef printf

#define SECOND	USECS_PER_SEC
#define HOUR	(INT64CONST(3600) * SECOND)
#define DAY		(24 * HOUR)
#define NOW		(10000 * DAY)
#define AGO(t)	(NOW - (t))

#define ALLOW(why)	{.decision = GUARD_ALLOW, .reason = GUARD_REASON_##why}
#define TOLD(why)	{.decision = GUARD_ALLOW, .reason = GUARD_REASON_##why, .notice = true}
#define UNSURE(why)	{.decision = GUARD_ALLOW, .reason = GUARD_REASON_##why, .warning = true}
#define DELAY(why)	{.decision = GUARD_DELAY, .reason = GUARD_REASON_##why}
#define BLOCK(why)	{.decision = GUARD_BLOCK, .reason = GUARD_REASON_##why, .wait = true}
#define REFUSE(why)	{.decision = GUARD_BLOCK, .reason = GUARD_REASON_##why}

static int	number = 0;
static int	failed = 0;

static void
test(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++number, name);
	failed += !good;
}

/* ---- which of two verdicts on parts of one index speaks ---- */

static const struct
{
	const char *name;
	GuardVerdict worse;
	GuardVerdict better;
}			pairs[] =

{
	{"refused before what may wait", REFUSE(PROTECTED), BLOCK(HOT)},
	{"what may wait before delayed", BLOCK(HOT), DELAY(HOT)},
	{"delayed before allowed", DELAY(HOT), ALLOW(COLD)},
	{"delayed before unknown", DELAY(HOT), UNSURE(UNKNOWN)},
	{"delayed before replaced", DELAY(UNKNOWN), TOLD(REPLACED)},
	{"unknown before replaced", UNSURE(UNKNOWN), TOLD(REPLACED)},
	{"replaced before stopped, for it must be asked again", TOLD(REPLACED), TOLD(STOPPED)},
	{"stopped before cold", TOLD(STOPPED), ALLOW(COLD)},
};

static void
test_pairs(void)
{
	GuardFact	early = {.last = AGO(HOUR)};
	GuardFact	late = {.last = AGO(SECOND)};
	GuardVerdict a = BLOCK(HOT);
	GuardVerdict b = BLOCK(HOT);

	for (int i = 0; i < (int) lengthof(pairs); i++)
		test(guard_verdict_is_worse(&pairs[i].worse, &pairs[i].better) &&
			 !guard_verdict_is_worse(&pairs[i].better, &pairs[i].worse), pairs[i].name);
	test(!guard_verdict_is_worse(&a, &b), "of equals the first");
	a.use = &early;
	b.use = &late;
	test(guard_verdict_is_worse(&b, &a) && !guard_verdict_is_worse(&a, &b),
		 "of two hot ones the one used last");
}

/* ---- which of two indexes goes that serve in place of each other ---- */

static void
test_drop_list(void)
{
	GuardShape	older = {.index = 100, .nkeys = 1};
	GuardShape	younger = {.index = 200, .nkeys = 1};
	GuardShape	wider = {.index = 300, .nkeys = 2};
	GuardFact	fact = {.seen = GUARD_SEEN_USED, .last = AGO(SECOND)};
	GuardEvidence evidence = {.shape = &older};
	GuardVerdict heir = UNSURE(UNKNOWN);
	GuardVerdict gone = TOLD(REPLACED);

	test(guard_verdict_goes_first(false, &younger, true, &older) &&
		 !guard_verdict_goes_first(true, &older, false, &younger),
		 "an unused one before its older twin in use");
	test(guard_verdict_goes_first(false, &older, true, &wider) &&
		 !guard_verdict_goes_first(true, &wider, false, &older),
		 "an unused one before a wider one in use");
	test(guard_verdict_goes_first(true, &wider, true, &older) &&
		 !guard_verdict_goes_first(true, &older, true, &wider),
		 "of two in use the wider one");
	test(guard_verdict_goes_first(false, &older, false, &younger) &&
		 !guard_verdict_goes_first(false, &younger, false, &older),
		 "of twins the older one");

	heir.evidence = &evidence;
	gone.use = &fact;
	guard_verdict_keep(&heir, &gone);
	test(heir.decision == GUARD_BLOCK && heir.reason == GUARD_REASON_HOT &&
		 heir.rule == 10 && heir.use == &fact && !heir.warning,
		 "the one that stays is needed as the other was");
}

/* ---- may a transaction make up for it later? ---- */

static const struct
{
	const char *name;
	GuardVerdict verdict;
	GuardFact	use;
	double		rate;
	int64		table_kb;
	bool		cannot;
	bool		says_why;
}			waits[] =

{
	{"protected", REFUSE(PROTECTED), {.last = AGO(SECOND)}, 1, 800, true, false},
	{"a small table, some traffic", BLOCK(HOT), {.last = AGO(SECOND)}, 10, 800, false, false},
	{"a small table, much traffic", BLOCK(HOT), {.last = AGO(SECOND)}, 1000, 800, true, true},
	{"as much, but not for the last six seconds", BLOCK(HOT), {.last = AGO(6 * SECOND)}, 1000, 800, false, false},
	{"as much, a day ago", BLOCK(HOT), {.last = AGO(DAY)}, 1000, 800, false, false},
	{"a table that takes 4 s, 20 uses a second", BLOCK(HOT), {.last = AGO(SECOND)}, 20, 200 * 1024, false, false},
	{"the same, 30 uses a second", BLOCK(HOT), {.last = AGO(SECOND)}, 30, 200 * 1024, true, true},
	{"a large table, no traffic to speak of", BLOCK(HOT), {.last = AGO(DAY)}, 0, 300 * 1024, true, true},
	{"a table of unknown size", BLOCK(HOT), {.last = AGO(DAY)}, 0, -1, true, true},
	{"a dependency, and no use", BLOCK(DEPENDENCY), {0}, 0, 800, false, false},
	{"a large table that goes itself", {.decision = GUARD_BLOCK, .wait = true, .asked.whole_table = true}, {.last = AGO(SECOND)}, 1000, 300 * 1024, false, false},
};

static const GuardPolicy policy = {
	.now = NOW,
	.lookback = 35 * DAY,
	.quiet_period = DAY,
	.min_evidence_age = 7 * DAY,
	.rebuild_limit = 256 * 1024,
	.harmless_cost_ratio = 1.1
};

static void
test_waits(void)
{
	for (int i = 0; i < (int) lengthof(waits); i++)
	{
		GuardEvidence evidence = {.as_of = NOW, .table_kb = waits[i].table_kb};
		GuardVerdict verdict = waits[i].verdict;
		const char *why;
		bool		cannot;

		verdict.evidence = &evidence;
		verdict.use = waits[i].use.last != 0 ? &waits[i].use : NULL;
		cannot = guard_verdict_cannot_wait(&verdict, waits[i].rate, 100, &policy, &why);
		test(cannot == waits[i].cannot && (why != NULL) == waits[i].says_why,
			 waits[i].name);
	}
}

/* ---- what is left when the transaction ends ---- */

#define TABLE		.table = true, .parent = true, .needs = true, .takeovers = true
#define LACKING		.table = true, .parent = true
static const GuardNeed need = {.served = false};

#define NEEDED(why)	{.decision = GUARD_BLOCK, .reason = GUARD_REASON_##why, .wait = true, .need = &need}
#define FOUND(how)	.replacement = {.match = GUARD_MATCH_##how, .usable = true}
#define UNUSABLE	.replacement = {.match = GUARD_MATCH_TWIN}
#define LEANT(how)	.replacement = {.match = GUARD_MATCH_##how, .usable = true}
#define PARTITION	.roles = {.is_partition = true, .partition_parent = 7}

static struct
{
	const char *name;
	GuardVerdict verdict;
	GuardEvidence evidence;
	GuardFact	use;
	GuardLeft	left;
	bool		made_up;
	GuardReason reason;			/* afterwards */
}			ends[] =

{
	{"hot, and nothing serves", BLOCK(HOT), {0}, {.last = AGO(SECOND)}, {TABLE}, false, GUARD_REASON_HOT},
	{"hot, and something serves", BLOCK(HOT), {0}, {.last = AGO(SECOND)}, {TABLE, FOUND(SERVES)}, true, GUARD_REASON_HOT},
	{"hot, and what serves is not usable", BLOCK(HOT), {0}, {.last = AGO(SECOND)}, {TABLE, UNUSABLE}, false, GUARD_REASON_HOT},
	{"a dependency, and something serves", BLOCK(DEPENDENCY), {0}, {.last = AGO(SECOND)}, {TABLE, FOUND(SERVES)}, false, GUARD_REASON_DEPENDENCY},
	{"a dependency, and a twin is there", BLOCK(DEPENDENCY), {0}, {.last = AGO(SECOND)}, {TABLE, FOUND(TWIN)}, true, GUARD_REASON_DEPENDENCY},
	{"replica identity, and none again, but a twin", BLOCK(REPLICA_IDENTITY), {0}, {.last = AGO(SECOND)}, {LACKING, FOUND(TWIN)}, false, GUARD_REASON_REPLICA_IDENTITY},
	{"replica identity, and one again, but reads are not served", NEEDED(REPLICA_IDENTITY), {0}, {.last = AGO(SECOND)}, {TABLE}, false, GUARD_REASON_REPLICA_IDENTITY},
	{"replica identity, and one again, unread", NEEDED(REPLICA_IDENTITY), {.created_at = AGO(DAY), .asked.named = true}, {.seen = GUARD_SEEN_NOT, .since = AGO(DAY)}, {TABLE}, true, GUARD_REASON_COLD},
	{"arbiter, and reads are served alone", NEEDED(ARBITER), {.asked.named = true}, {.last = AGO(SECOND)}, {LACKING, FOUND(SERVES)}, false, GUARD_REASON_ARBITER},
	{"arbiter, and both are served", NEEDED(ARBITER), {.asked.named = true}, {.last = AGO(SECOND)}, {TABLE, FOUND(SERVES)}, true, GUARD_REASON_ARBITER},
	{"replaced, and that stays, but what it is needed for has gone", TOLD(REPLACED), {LEANT(SERVES)}, {.last = AGO(SECOND)}, {LACKING, FOUND(SERVES)}, false, GUARD_REASON_REPLACED},
	{"hot, truncated, and small now", BLOCK(HOT), {.refilled = true}, {.last = AGO(SECOND)}, {TABLE, .small = true}, true, GUARD_REASON_HOT},
	{"unknown, truncated, and small now", BLOCK(UNKNOWN), {.refilled = true}, {0}, {TABLE, .small = true}, true, GUARD_REASON_UNKNOWN},
	{"hot, truncated, and filled again", BLOCK(HOT), {.refilled = true}, {.last = AGO(SECOND)}, {TABLE}, false, GUARD_REASON_HOT},
	{"hot, small all the time but not truncated", BLOCK(HOT), {0}, {.last = AGO(SECOND)}, {TABLE, .small = true}, false, GUARD_REASON_HOT},
	{"arbiter, truncated, and small now", BLOCK(ARBITER), {.refilled = true, .asked.named = true}, {.last = AGO(SECOND)}, {LACKING, .small = true}, false, GUARD_REASON_ARBITER},
	{"a dependency, truncated, and small now", BLOCK(DEPENDENCY), {.refilled = true}, {.last = AGO(SECOND)}, {TABLE, .small = true}, false, GUARD_REASON_DEPENDENCY},
	{"replaced by plan, and that one stays", TOLD(REPLACED), {LEANT(PLAN)}, {.last = AGO(SECOND)}, {TABLE, FOUND(PLAN)}, true, GUARD_REASON_REPLACED},
	{"replaced by plan, and that one has gone", TOLD(REPLACED), {LEANT(PLAN), .plans = {.statements = 1, .planned = 1, .complete = true, .worst_ratio = 1}}, {.last = AGO(SECOND)}, {TABLE}, false, GUARD_REASON_HOT},
	{"replaced, and that one has gone", TOLD(REPLACED), {LEANT(TWIN)}, {.last = AGO(SECOND)}, {TABLE}, false, GUARD_REASON_HOT},
	{"replaced, that one has gone, and nobody misses it", TOLD(REPLACED), {LEANT(TWIN), .created_at = AGO(DAY)}, {.seen = GUARD_SEEN_NOT, .since = AGO(DAY)}, {TABLE}, true, GUARD_REASON_COLD},
	{"hot, and its table went", BLOCK(HOT), {0}, {.last = AGO(SECOND)}, {.parent = true}, false, GUARD_REASON_HOT},
	{"hot, and its partition went", BLOCK(HOT), {PARTITION}, {.last = AGO(SECOND)}, {.parent = true}, true, GUARD_REASON_PARTITION},
	{"hot, and its partition went with the parent", BLOCK(HOT), {PARTITION}, {.last = AGO(SECOND)}, {.parent = false}, false, GUARD_REASON_HOT},
};

static void
test_ends(void)
{
	GuardShape	shape = {.valid = true, .ready = true, .live = true};

	for (int i = 0; i < (int) lengthof(ends); i++)
	{
		GuardVerdict *verdict = &ends[i].verdict;
		ListCell	cell = {.ptr_value = &ends[i].use};
		List		facts = {.type = T_List, .length = 1, .elements = &cell};
		bool		made_up;

		ends[i].use.pause = -1;
		if (ends[i].use.last != 0)
			ends[i].use.seen = GUARD_SEEN_USED;
		ends[i].use.first = ends[i].use.last;
		ends[i].evidence.as_of = NOW;
		ends[i].evidence.table_kb = 800;
		ends[i].evidence.shape = &shape;
		ends[i].evidence.facts = &facts;
		verdict->evidence = &ends[i].evidence;
		verdict->asked = ends[i].evidence.asked;
		made_up = guard_verdict_made_up(verdict, &ends[i].left, &policy);
		test(made_up == ends[i].made_up && verdict->reason == ends[i].reason,
			 ends[i].name);
	}
}

int
main(void)
{
	test_pairs();
	test_drop_list();
	test_waits();
	test_ends();
	printf("1..%d\n", number);
	return failed > 0;
}
