/*-------------------------------------------------------------------------
 *
 * cases.c
 *	  The rules of the verdict, case by case.
 *
 * A program of its own, linked with verdict.c and nothing else: that this is
 * possible is what "pure" means.  Every case is an index as guard may meet it,
 * and the verdict that the design, section 5, gives.  Prints TAP.
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

#define MINUTE	(INT64CONST(60) * USECS_PER_SEC)
#define HOUR	(60 * MINUTE)
#define DAY		(24 * HOUR)
#define NOW		(10000 * DAY)
#define AGO(t)	(NOW - (t))
#define MAX_FACTS	3
#define MAX_NEEDS	2
#define MAX_SERVICES	3

typedef struct Case
{
	const char *name;
	GuardEvidence evidence;
	GuardShape	shape;
	GuardFact	facts[MAX_FACTS];
	GuardDependency needs[MAX_NEEDS];
	GuardServiceUse services[MAX_SERVICES]; /* of the first fact */
	GuardNeed	wants[MAX_NEEDS];	/* by the last fact, unless the catalogs
									 * say so */
	bool		services_lost;	/* and of others */
	int			unknown_action; /* GuardUnknownAction */
	int64		quiet_period;	/* 0: a day */
	int			hot_action;		/* GuardHotAction */
	bool		two_person;
	GuardDecision decision;
	GuardReason reason;
	bool		warning;
	bool		cannot_wait;
	bool		said;			/* it says why it is not delayed */
} Case;

#define USED(ago, n, longest) \
	{.source = GUARD_SOURCE_CAPTURE, .seen = GUARD_SEEN_USED, .since = AGO(100 * DAY), \
	 .first = AGO(90 * DAY), .last = AGO(ago), .count = (n), .pause = (longest)}
#define UNDATED(n) \
	{.source = GUARD_SOURCE_COUNTERS, .seen = GUARD_SEEN_USED, .since = AGO(100 * DAY), \
	 .count = (n), .pause = -1}
#define MOVED(ago) \
	{.source = GUARD_SOURCE_CAPTURE, .seen = GUARD_SEEN_USED, .last = AGO(ago), \
	 .count = 1000, .pause = MINUTE, .moved_away = true}
#define NOT_SEEN(days) \
	{.source = GUARD_SOURCE_COUNTERS, .seen = GUARD_SEEN_NOT, .since = AGO((days) * DAY), .pause = -1}
#define UNKNOWN \
	{.source = GUARD_SOURCE_COUNTERS, .seen = GUARD_SEEN_UNKNOWN, .since = AGO(100 * DAY), .pause = -1}

#define USED_HIDDEN(ago, n, longest, time) \
	{.source = GUARD_SOURCE_CAPTURE, .seen = GUARD_SEEN_USED, .since = AGO(100 * DAY), \
	 .first = AGO(90 * DAY), .last = AGO(ago), .count = (n), .pause = (longest), .hidden = (time)}
#define NOT_SEEN_HIDDEN(days, time) \
	{.source = GUARD_SOURCE_COUNTERS, .seen = GUARD_SEEN_NOT, .since = AGO((days) * DAY), .pause = -1, .hidden = (time)}
/* a monthly report, or the like: history has seen so many days with use, the first so long ago */
#define HISTORY(ago, n, longest, ndays, span) \
	{.source = GUARD_SOURCE_HISTORY, .seen = GUARD_SEEN_USED, .since = AGO(300 * DAY), \
	 .first = AGO((ago) + (span)), .last = AGO(ago), .count = (n), .pause = (longest), .days = (ndays)}
/* capture's present segment began lately, history knows what was before */
#define CONTINUED(ago, n, before, longest) \
	{.source = GUARD_SOURCE_CAPTURE, .seen = GUARD_SEEN_USED, .since = AGO(3 * DAY), .first = AGO(3 * DAY), \
	 .last = AGO(ago), .count = (n), .pause = (longest), .known_uses = (before), .known_first = AGO(90 * DAY)}
#define UNWATCHED(ago, n, longest, gap) \
	{.source = GUARD_SOURCE_HISTORY, .seen = GUARD_SEEN_USED, .since = AGO(300 * DAY), .first = AGO(200 * DAY), \
	 .last = AGO(ago), .count = (n), .pause = (longest), .unobserved = (gap)}
#define NOT_SEEN_BUT(days, gap) \
	{.source = GUARD_SOURCE_HISTORY, .seen = GUARD_SEEN_NOT, .since = AGO((days) * DAY), .pause = -1, .unobserved = (gap)}
/* A registered dependency, as what was reported leaves it. */
#define NEEDS(who) \
	{.service = (who), .until_version = "2.10", .deployed = "2.9", .deployed_at = AGO(DAY), .order = GUARD_VERSION_OLDER}
#define FOREVER(who)	{.service = (who)}
#define RELEASED(who, ago) \
	{.service = (who), .until_version = "2.10", .deployed = "2.10", .deployed_at = AGO(ago), .order = GUARD_VERSION_REACHED, \
	 .released_at = AGO(ago)}
#define AT_WORK(who, ago, seen) \
	{.service = (who), .until_version = "2.10", .deployed = "2.10", .deployed_at = AGO(ago), .order = GUARD_VERSION_REACHED, \
	 .released_at = AGO(ago), .old_version = "2.9", .old_last = AGO(seen)}
#define INHERITED(who) \
	{.service = (who), .inherited = true}

/* What a service had to do with the use. */
#define BY(who, ago)	{.service = (who), .last = AGO(ago)}
#define BY_RELEASED(who, ago, released) \
	{.service = (who), .last = AGO(ago), .released_at = AGO(released)}

#define BIG		.heap_known = true, .heap_blocks = 1000, .table_kb = 8000
#define HUGE	.heap_known = true, .heap_blocks = 100000, .table_kb = 800000
#define SILENT	.silence = "standby \"pg-2\" is attached and has never reported what is used there"
#define VALID	.valid = true, .ready = true, .live = true
#define HOT		USED(MINUTE, 1000, MINUTE)
#define TWIN	.replacement = {.match = GUARD_MATCH_TWIN, .usable = true}
#define SERVES	.replacement = {.match = GUARD_MATCH_SERVES, .usable = true}
#define BY_PLAN	.replacement = {.match = GUARD_MATCH_PLAN, .usable = true}
#define APPROVED .approval = {.id = 1, .valid_until = NOW + 1}
#define PLANS(n, nplanned, ratio) \
	.plans = {.statements = (n), .planned = (nplanned), .complete = true, .worst_ratio = (ratio), .worst_extra = 100}
#define COSTS(ratio, extra, load) \
	.plans = {.statements = 3, .planned = 3, .complete = true, .worst_ratio = (ratio), .worst_extra = (extra), .added_load = (load)}
#define OBJECTION(ratio, extra) \
	.plans = {.statements = 3, .worst_ratio = (ratio), .worst_extra = (extra), .found_ratio = (ratio), .found_extra = (extra)}
#define ALLOW(why)	.decision = GUARD_ALLOW, .reason = GUARD_REASON_##why
#define BLOCK(why)	.decision = GUARD_BLOCK, .reason = GUARD_REASON_##why
#define DELAY(why)	.decision = GUARD_DELAY, .reason = GUARD_REASON_##why
#define HOT_DELAY	.hot_action = GUARD_HOT_DELAY
#define UNKNOWN_DELAY	.unknown_action = GUARD_UNKNOWN_DELAY
#define NO_DELAY	.asked.no_delay = "of its way"

/* needs that were seen, but for the identity */
#define NEEDED(ago) \
	{.source = GUARD_SOURCE_CAPTURE, .way = GUARD_WAY_ARBITER, .seen = GUARD_SEEN_USED, .since = AGO(100 * DAY), \
	 .first = AGO(90 * DAY), .last = AGO(ago), .count = 1000, .pause = MINUTE}
#define SERVER	.replacement = {.match = GUARD_MATCH_NEEDS, .usable = true}

static const GuardNeedKind arbiter = {.reason = GUARD_NEED_ARBITER};
static const GuardNeedKind by_name = {.reason = GUARD_NEED_ARBITER, .by_name = true};
static const GuardNeedKind required = {.reason = GUARD_NEED_REQUIRED};
static const GuardNeedKind identity = {.reason = GUARD_NEED_REPLICA_IDENTITY, .by_name = true};

static Case cases[] = {
	/* 1: approved */
	{"approved, whatever else", {BIG, APPROVED, .protection = {.found = true}}, {VALID}, {HOT}, ALLOW(APPROVED)},
	{"approved, but the approval expired", {BIG, .approval = {.id = 1, .valid_until = NOW}}, {VALID}, {HOT}, BLOCK(HOT)},
	{"approved, but another session used that up", {BIG, APPROVED, .asked.approval_taken = true}, {VALID}, {HOT}, BLOCK(HOT)},
	{"approved by who drops it", {BIG, .approval = {.id = 1, .valid_until = NOW + 1, .own = true}}, {VALID}, {HOT}, ALLOW(APPROVED)},
	{"approved by who drops it, guard.two_person", {BIG, .approval = {.id = 1, .valid_until = NOW + 1, .own = true}}, {VALID}, {HOT}, .two_person = true, BLOCK(HOT)},
	{"approved by another, guard.two_person", {BIG, APPROVED}, {VALID}, {HOT}, .two_person = true, ALLOW(APPROVED)},

	/* 2: protected */
	{"protected", {BIG, .protection = {.found = true}}, {VALID}, {NOT_SEEN(100)}, BLOCK(PROTECTED), .cannot_wait = true},
	{"protected, a twin stays", {BIG, TWIN, .protection = {.found = true}}, {VALID}, {NOT_SEEN(100)}, BLOCK(PROTECTED), .cannot_wait = true},
	{"protected and invalid", {BIG, .protection = {.found = true}}, {.live = true}, {{0}}, BLOCK(PROTECTED), .cannot_wait = true},
	{"protected on a tiny table", {.heap_known = true, .protection = {.found = true}}, {VALID}, {{0}}, BLOCK(PROTECTED), .cannot_wait = true},
	{"parent protected, its partition goes alone", {BIG, .asked.whole_table = true, .roles = {.is_partition = true}, .protection = {.found = true, .inherited = true}}, {VALID}, {HOT}, ALLOW(PARTITION)},
	{"partition itself protected, and goes alone", {BIG, .asked.whole_table = true, .roles = {.is_partition = true}, .protection = {.found = true}}, {VALID}, {HOT}, BLOCK(PROTECTED), .cannot_wait = true},
	{"parent protected, only the partition's index goes", {BIG, .roles = {.is_partition = true}, .protection = {.found = true, .inherited = true}}, {VALID}, {NOT_SEEN(100)}, BLOCK(PROTECTED), .cannot_wait = true},

	/* 3: invalid */
	{"invalid, counters say hot", {BIG}, {.ready = true, .live = true}, {HOT}, ALLOW(INVALID)},

	/* 4: partition */
	{"partition goes, swept by scans of all", {BIG, .asked.whole_table = true, .roles = {.is_partition = true}}, {VALID}, {HOT}, ALLOW(PARTITION)},
	{"inheritance child goes", {BIG, .asked.whole_table = true, .roles = {.is_inheritance_child = true}}, {VALID}, {HOT}, ALLOW(PARTITION)},
	{"partition that took rows a minute ago", {BIG, .asked.whole_table = true, .roles = {.is_partition = true}, .last_write = AGO(MINUTE)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"partition that took rows an hour ago", {BIG, .asked.whole_table = true, .roles = {.is_partition = true}, .last_write = AGO(HOUR)}, {VALID}, {HOT}, ALLOW(PARTITION)},
	{"partition that statements aim at", {BIG, .asked.whole_table = true, .roles = {.is_partition = true}, .aimed_at = true}, {VALID}, {HOT}, BLOCK(HOT)},
	{"partition goes together with its parent", {BIG, .asked.whole_table = true, .asked.parent_goes = true, .roles = {.is_partition = true}}, {VALID}, {HOT}, BLOCK(HOT)},
	{"detached, then dropped", {BIG, .asked.whole_table = true, .move = {.moved = true, .detached = true, .at = AGO(MINUTE)}}, {VALID}, {MOVED(2 * MINUTE)}, ALLOW(PARTITION)},
	{"written until it was detached", {BIG, .asked.whole_table = true, .move = {.moved = true, .detached = true, .at = AGO(MINUTE)}, .last_write = AGO(2 * MINUTE)}, {VALID}, {MOVED(2 * MINUTE)}, ALLOW(PARTITION)},
	{"written after it was detached", {BIG, .asked.whole_table = true, .move = {.moved = true, .detached = true, .at = AGO(2 * MINUTE)}, .last_write = AGO(MINUTE)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"only the index of a partition goes", {BIG, .roles = {.is_partition = true}}, {VALID}, {HOT}, BLOCK(HOT)},

	/* 7 before 5: replica identity */
	{"identity of a published table", {BIG, .roles = {.replica_identity = true}}, {VALID, .unique = true}, {NOT_SEEN(100)}, .wants = {{.kind = &identity}}, BLOCK(REPLICA_IDENTITY)},
	{"identity of a published table, twin stays", {BIG, TWIN, .roles = {.replica_identity = true}}, {VALID, .unique = true}, {NOT_SEEN(100)}, .wants = {{.kind = &identity}}, BLOCK(REPLICA_IDENTITY)},
	{"identity of a table nobody publishes", {BIG, .asked.named = true, .roles = {.replica_identity = true}}, {VALID, .unique = true}, {NOT_SEEN(100)}, ALLOW(CONSTRAINT)},
	{"identity goes with its whole table", {BIG, .asked.whole_table = true, .roles = {.replica_identity = true}}, {VALID, .unique = true}, {NOT_SEEN(100)}, .wants = {{.kind = &identity}}, ALLOW(COLD)},

	/* 5 and 8: replaced */
	{"hot, a twin stays", {BIG, TWIN}, {VALID}, {HOT}, ALLOW(REPLACED)},
	{"hot, another one serves", {BIG, SERVES}, {VALID}, {HOT}, ALLOW(REPLACED)},
	{"hot, the replacement is not usable yet", {BIG, .replacement = {.match = GUARD_MATCH_TWIN}}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, a twin stays, but the whole table goes", {BIG, TWIN, .asked.whole_table = true}, {VALID}, {HOT}, BLOCK(HOT)},

	/* 6: dependency, and what comes before it and after it */
	{"needed until a version that is not out", {BIG}, {VALID}, {NOT_SEEN(100)}, {NEEDS("auth")}, BLOCK(DEPENDENCY)},
	{"needed for ever", {BIG}, {VALID}, {NOT_SEEN(100)}, {FOREVER("auth")}, BLOCK(DEPENDENCY)},
	{"what was captured cannot be read", {BIG, .unread = true, .created_at = AGO(DAY)}, {VALID}, {NOT_SEEN(100)}, ALLOW(UNKNOWN), .warning = true},
	{"the same, of one that was used long ago", {BIG, .unread = true}, {VALID}, {USED(99 * DAY, 1000, MINUTE)}, ALLOW(UNKNOWN), .warning = true},
	{"the same, of one in use", {BIG, .unread = true}, {VALID}, {HOT}, BLOCK(HOT)},
	{"released, nothing seen", {BIG}, {VALID}, {NOT_SEEN(100)}, {RELEASED("auth", HOUR)}, ALLOW(COLD)},
	{"one of two released", {BIG}, {VALID}, {NOT_SEEN(100)}, {RELEASED("auth", HOUR), NEEDS("push")}, BLOCK(DEPENDENCY)},
	{"an old version at work", {BIG}, {VALID}, {NOT_SEEN(100)}, {AT_WORK("auth", HOUR, MINUTE)}, BLOCK(DEPENDENCY)},
	{"an old version seen 10 minutes ago", {BIG}, {VALID}, {NOT_SEEN(100)}, {AT_WORK("auth", HOUR, 10 * MINUTE)}, ALLOW(COLD)},
	{"an old version, before its successor was reported", {BIG}, {VALID}, {NOT_SEEN(100)}, {AT_WORK("auth", MINUTE, 2 * MINUTE)}, ALLOW(COLD)},
	{"needed, and protected", {BIG, .protection = {.found = true}}, {VALID}, {NOT_SEEN(100)}, {NEEDS("auth")}, BLOCK(PROTECTED), .cannot_wait = true},
	{"needed, but invalid", {BIG}, {.live = true}, {{0}}, {NEEDS("auth")}, ALLOW(INVALID)},
	{"needed, a twin stays", {BIG, TWIN}, {VALID}, {HOT}, {NEEDS("auth")}, ALLOW(REPLACED)},
	{"needed, another one serves", {BIG, SERVES}, {VALID}, {HOT}, {NEEDS("auth")}, BLOCK(DEPENDENCY)},
	{"released, another one serves", {BIG, SERVES}, {VALID}, {HOT}, {RELEASED("auth", HOUR)}, ALLOW(REPLACED)},
	{"needed, the twin is not usable yet", {BIG, .replacement = {.match = GUARD_MATCH_TWIN}}, {VALID}, {HOT}, {NEEDS("auth")}, BLOCK(DEPENDENCY)},
	{"needed, on a table of 8 blocks", {.heap_known = true, .heap_blocks = 8}, {VALID}, {NOT_SEEN(100)}, {NEEDS("auth")}, BLOCK(DEPENDENCY)},
	{"needed, and arbiter", {BIG, .asked.named = true}, {VALID, .unique = true}, {HOT}, {NEEDS("auth")}, .wants = {{.kind = &arbiter}}, BLOCK(DEPENDENCY)},
	{"needed, its table goes", {BIG, .asked.whole_table = true}, {VALID}, {NOT_SEEN(100)}, {NEEDS("auth")}, BLOCK(DEPENDENCY)},
	{"needed, but another table bears its table's name and serves", {BIG, .asked.whole_table = true, .move = {.moved = true, .served = true, .twin = 1, .at = AGO(MINUTE)}}, {VALID}, {MOVED(2 * MINUTE)}, {NEEDS("auth")}, ALLOW(STOPPED)},
	{"the same, registered since then", {BIG, .asked.whole_table = true, .move = {.moved = true, .served = true, .twin = 1, .at = AGO(MINUTE)}}, {VALID}, {MOVED(2 * MINUTE)}, {{.service = "auth", .registered_at = NOW}}, BLOCK(DEPENDENCY)},
	{"needed on the parent, its partition goes", {BIG, .asked.whole_table = true, .roles = {.is_partition = true}}, {VALID}, {HOT}, {INHERITED("auth")}, ALLOW(PARTITION)},
	{"needed on the partition itself, which goes", {BIG, .asked.whole_table = true, .roles = {.is_partition = true}}, {VALID}, {HOT}, {INHERITED("auth"), FOREVER("archive")}, BLOCK(DEPENDENCY)},
	{"needed on the parent, only the partition's index goes", {BIG, .roles = {.is_partition = true}}, {VALID}, {NOT_SEEN(100)}, {INHERITED("auth")}, BLOCK(DEPENDENCY)},

	/* 10 and 11: a use stops counting when who made it was released */
	{"released, and only older use", {BIG}, {VALID}, {USED(2 * HOUR, 1000, MINUTE)}, {RELEASED("auth", HOUR)}, {BY_RELEASED("auth", 2 * HOUR, HOUR)}, ALLOW(STOPPED)},
	{"released, a minute after its last use", {BIG}, {VALID}, {USED(2 * MINUTE, 1, 0)}, {RELEASED("auth", MINUTE)}, {BY_RELEASED("auth", 2 * MINUTE, MINUTE)}, ALLOW(STOPPED)},
	{"released, but used after the deployment", {BIG}, {VALID}, {USED(MINUTE, 1000, MINUTE)}, {RELEASED("auth", HOUR)}, {BY_RELEASED("auth", MINUTE, HOUR)}, BLOCK(HOT)},
	{"used at the moment of the deployment", {BIG}, {VALID}, {USED(HOUR, 1000, MINUTE)}, {RELEASED("auth", HOUR)}, {BY_RELEASED("auth", HOUR, HOUR)}, BLOCK(HOT)},
	{"released for one of two services", {BIG}, {VALID}, {USED(2 * HOUR, 1000, MINUTE)}, {RELEASED("auth", HOUR)}, {BY_RELEASED("auth", 2 * HOUR, HOUR), BY("push", 3 * HOUR)}, BLOCK(HOT)},
	{"released for both", {BIG}, {VALID}, {USED(2 * HOUR, 1000, MINUTE)}, {RELEASED("auth", HOUR), RELEASED("push", HOUR)}, {BY_RELEASED("auth", 2 * HOUR, HOUR), BY_RELEASED("push", 3 * HOUR, HOUR)}, ALLOW(STOPPED)},
	{"rolled back", {BIG}, {VALID}, {USED(2 * HOUR, 1000, MINUTE)}, {NEEDS("auth")}, {BY("auth", 2 * HOUR)}, BLOCK(DEPENDENCY)},
	{"released, but used by services whose names were lost", {BIG}, {VALID}, {USED(2 * HOUR, 1000, MINUTE)}, {RELEASED("auth", HOUR)}, {BY_RELEASED("auth", 2 * HOUR, HOUR)}, .services_lost = true, BLOCK(HOT)},
	{"released, but nobody knows who used it", {BIG}, {VALID}, {USED(2 * HOUR, 1000, MINUTE)}, {RELEASED("auth", HOUR)}, BLOCK(HOT)},
	{"released, and another source cannot date its use", {BIG}, {VALID}, {USED(2 * HOUR, 1000, MINUTE), UNDATED(5000)}, {RELEASED("auth", HOUR)}, {BY_RELEASED("auth", 2 * HOUR, HOUR)}, BLOCK(HOT)},
	{"released, only older use, but an old version at work elsewhere", {BIG}, {VALID}, {USED(2 * HOUR, 1000, MINUTE)}, {AT_WORK("auth", HOUR, MINUTE)}, {BY_RELEASED("auth", 2 * HOUR, HOUR)}, BLOCK(DEPENDENCY)},
	{"arbiter of a released service", {BIG, .asked.named = true}, {VALID, .unique = true}, {USED(2 * HOUR, 1000, MINUTE)}, {RELEASED("auth", HOUR)}, {BY_RELEASED("auth", 2 * HOUR, HOUR)}, .wants = {{.kind = &arbiter}}, ALLOW(STOPPED)},

	/* 7: arbiter */
	{"arbiter of live upserts", {BIG, .asked.named = true}, {VALID, .unique = true}, {HOT}, .wants = {{.kind = &arbiter}}, BLOCK(ARBITER)},
	{"arbiter on a tiny table", {.heap_known = true, .heap_blocks = 1, .asked.named = true}, {VALID, .unique = true}, {HOT}, .wants = {{.kind = &arbiter}}, BLOCK(ARBITER)},
	{"arbiter beside another that enforces as much, unread", {BIG, SERVER, .asked.named = true}, {VALID, .unique = true}, {NOT_SEEN(100), NEEDED(MINUTE)}, .wants = {{.kind = &arbiter, .served = true}}, ALLOW(REPLACED)},
	{"arbiter beside another that enforces as much, and read", {BIG, SERVER, .asked.named = true}, {VALID, .unique = true}, {HOT, NEEDED(MINUTE)}, .wants = {{.kind = &arbiter, .served = true}}, BLOCK(HOT)},
	{"arbiter beside another, upserts long ended", {BIG, SERVER, .asked.named = true}, {VALID, .unique = true}, {NEEDED(40 * DAY)}, .wants = {{.kind = &arbiter, .served = true}}, ALLOW(STOPPED)},
	{"arbiter, unread, and nothing else enforces it", {BIG, .asked.named = true}, {VALID, .unique = true}, {NEEDED(MINUTE)}, .wants = {{.kind = &arbiter}}, BLOCK(ARBITER)},
	{"arbiter, and an index serves its reads alone", {BIG, SERVES, .asked.named = true}, {VALID, .unique = true}, {HOT, NEEDED(MINUTE)}, .wants = {{.kind = &arbiter}}, BLOCK(ARBITER)},
	{"arbiter by name, and a twin of another", {BIG, TWIN, .asked.named = true}, {VALID, .unique = true}, {NEEDED(MINUTE)}, .wants = {{.kind = &by_name}}, BLOCK(ARBITER)},
	{"arbiter by name, and one of that name", {BIG, TWIN, .asked.named = true}, {VALID, .unique = true}, {NEEDED(MINUTE)}, .wants = {{.kind = &by_name, .served = true}}, ALLOW(REPLACED)},
	{"arbiter by name, and a service", {BIG, .asked.named = true}, {VALID, .unique = true}, {NEEDED(MINUTE)}, {NEEDS("auth")}, .wants = {{.kind = &by_name}}, BLOCK(ARBITER)},
	{"needed for something else", {BIG, SERVES, .asked.named = true}, {VALID, .unique = true}, {NEEDED(MINUTE)}, .wants = {{.kind = &required}}, BLOCK(REQUIRED)},
	{"needed for something else, whatever hot_action says", {BIG, .asked.named = true}, {VALID, .unique = true}, {NEEDED(MINUTE)}, .wants = {{.kind = &required}}, HOT_DELAY, BLOCK(REQUIRED)},
	{"needed for something else, on a tiny table", {.heap_known = true, .heap_blocks = 1, .asked.named = true}, {VALID, .unique = true}, {NEEDED(MINUTE)}, .wants = {{.kind = &required}}, BLOCK(REQUIRED)},
	{"needed for something else, and its table goes", {BIG, .asked.whole_table = true}, {VALID, .unique = true}, {NOT_SEEN(100), NEEDED(MINUTE)}, .wants = {{.kind = &required}}, ALLOW(COLD)},
	{"needed for two things, of which one is served", {BIG, SERVER, .asked.named = true}, {VALID, .unique = true}, {NEEDED(MINUTE)}, .wants = {{.kind = &arbiter, .served = true}, {.kind = &required}}, BLOCK(REQUIRED)},
	{"arbiter beyond the look-back", {BIG, .asked.named = true}, {VALID, .unique = true}, {USED(40 * DAY, 1000, MINUTE)}, .wants = {{.kind = &arbiter}}, ALLOW(STOPPED)},
	{"arbiter beyond the look-back, reads go on", {BIG, .asked.named = true}, {VALID, .unique = true}, {HOT, NEEDED(40 * DAY)}, .wants = {{.kind = &arbiter}}, BLOCK(HOT)},
	{"arbiter whose upserts have ended", {BIG, .asked.named = true}, {VALID, .unique = true}, {USED(2 * DAY, 1000, MINUTE)}, .wants = {{.kind = &arbiter}}, ALLOW(STOPPED)},
	{"arbiter, but a unique twin stays", {BIG, TWIN, .asked.named = true}, {VALID, .unique = true}, {HOT, NEEDED(MINUTE)}, .wants = {{.kind = &arbiter, .served = true}}, ALLOW(REPLACED)},

	/* 9: harmless */
	{"hot on a table of 8 blocks", {.heap_known = true, .heap_blocks = 8}, {VALID}, {HOT}, ALLOW(HARMLESS)},
	{"hot on a table of 9 blocks", {.heap_known = true, .heap_blocks = 9}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, size not known", {.table_kb = -1}, {VALID}, {HOT}, BLOCK(HOT)},

	/* 8 and 9: by plan */
	{"hot, all plans take another index", {BIG, BY_PLAN, PLANS(3, 3, 1.05)}, {VALID}, {HOT}, ALLOW(REPLACED)},
	{"hot, plans take another index at twice the cost", {BIG, BY_PLAN, PLANS(3, 3, 2.0)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, plans cost twice as much, but 9 units", {BIG, BY_PLAN, COSTS(2.0, 9, 0.009)}, {VALID}, {HOT}, ALLOW(REPLACED)},
	{"hot, plans cost twice as much, 9 units, often", {BIG, BY_PLAN, COSTS(2.0, 9, 0.01)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, plans cost twice as much, 10 units, rarely", {BIG, BY_PLAN, COSTS(2.0, 10, 0)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, 9 units more and nothing in its place", {BIG, COSTS(2.0, 9, 0.009)}, {VALID}, {HOT}, ALLOW(HARMLESS)},
	{"hot, another one serves, but at twice the cost", {BIG, SERVES, OBJECTION(2.0, 20)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, another one serves, at 9 units more", {BIG, SERVES, OBJECTION(2.0, 9)}, {VALID}, {HOT}, ALLOW(REPLACED)},
	{"hot, another one serves, at practically the same cost", {BIG, SERVES, OBJECTION(1.1, 20)}, {VALID}, {HOT}, ALLOW(REPLACED)},
	{"hot, another one serves; what cost more was before it came", {BIG, SERVES, PLANS(3, 3, 40.0)}, {VALID}, {HOT}, ALLOW(REPLACED)},
	{"hot, a twin stays, whatever plans say", {BIG, TWIN, OBJECTION(2.0, 20)}, {VALID}, {HOT}, ALLOW(REPLACED)},
	{"stopped, another one serves at twice the cost", {BIG, SERVES, OBJECTION(2.0, 20)}, {VALID}, {USED(40 * DAY, 1000, MINUTE)}, ALLOW(STOPPED)},
	{"hot, one statement was not planned without it", {BIG, BY_PLAN, PLANS(3, 2, 1.0)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, all plans cost the same", {BIG, PLANS(3, 3, 1.1)}, {VALID}, {HOT}, ALLOW(HARMLESS)},
	{"hot, all plans cost the same, but a scan would be slower", {BIG, .plans = {.statements = 1, .planned = 1, .complete = true, .worst_ratio = 1, .slower = true}}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, capture has lost statements", {BIG, .plans = {.statements = 1, .planned = 1, .worst_ratio = 1}}, {VALID}, {HOT}, BLOCK(HOT)},
	{"nothing captured, nothing planned", {BIG, BY_PLAN, PLANS(0, 0, 0)}, {VALID}, {UNDATED(5000)}, BLOCK(HOT)},
	{"plans the same, but counters know of older uses", {BIG, PLANS(3, 3, 1.0)}, {VALID}, {HOT, UNDATED(5000)}, BLOCK(HOT)},
	{"plans the same, but somebody relies on its uniqueness", {BIG, .asked.named = true, PLANS(3, 3, 1.0)}, {VALID, .unique = true}, {HOT, {.source = GUARD_SOURCE_WHATIF, .seen = GUARD_SEEN_USED, .first = AGO(HOUR), .last = AGO(HOUR), .count = 1, .pause = -1}}, BLOCK(HOT)},
	{"plans the same, but not all of its use could be read", {BIG, .unread = true, PLANS(3, 3, 1.0)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"plans the same, but the whole table goes", {BIG, .asked.whole_table = true, PLANS(3, 3, 1.0)}, {VALID}, {HOT}, BLOCK(HOT)},
	{"unique, plans the same, goes as collateral", {BIG, BY_PLAN, PLANS(3, 3, 1.0)}, {VALID, .unique = true}, {HOT}, BLOCK(HOT)},
	{"arbiter, all plans take another index", {BIG, BY_PLAN, PLANS(3, 3, 1.0), .asked.named = true}, {VALID, .unique = true}, {HOT}, .wants = {{.kind = &arbiter}}, BLOCK(ARBITER)},
	{"never scanned, a join relies on it", {BIG, .asked.named = true}, {VALID, .unique = true}, {NOT_SEEN(100), {.source = GUARD_SOURCE_WHATIF, .seen = GUARD_SEEN_USED, .first = AGO(HOUR), .last = AGO(HOUR), .count = 1, .pause = -1}}, BLOCK(HOT)},

	/* 10: hot */
	{"used a minute ago", {BIG}, {VALID}, {HOT}, BLOCK(HOT)},
	{"used once, 34 days ago", {BIG}, {VALID}, {USED(34 * DAY, 1, 0)}, BLOCK(HOT)},
	{"used at no known time", {BIG}, {VALID}, {UNDATED(5000)}, BLOCK(HOT)},
	{"unseen by one source, hot by another", {BIG}, {VALID}, {NOT_SEEN(300), HOT}, BLOCK(HOT)},
	{"hot, whatever unknown_action says", {BIG}, {VALID}, {HOT}, .unknown_action = GUARD_UNKNOWN_ALLOW, BLOCK(HOT)},
	{"quiet for half a day", {BIG}, {VALID}, {USED(12 * HOUR, 1000, MINUTE)}, BLOCK(HOT)},
	{"monthly report, 20 days ago", {BIG}, {VALID}, {USED(20 * DAY, 24, 31 * DAY)}, BLOCK(HOT)},
	{"19 uses, quiet for a week", {BIG}, {VALID}, {USED(7 * DAY, 19, MINUTE)}, BLOCK(HOT)},
	{"many scans, pauses not known, quiet for a week", {BIG}, {VALID}, {USED(7 * DAY, 5000, -1)}, BLOCK(HOT)},
	{"monthly report, three runs in history, 20 days ago", {BIG}, {VALID}, {HISTORY(20 * DAY, 3, 31 * DAY, 3, 61 * DAY)}, BLOCK(HOT)},
	{"monthly report, beyond the look-back, 46 days ago", {BIG}, {VALID}, {HISTORY(46 * DAY, 3, 31 * DAY, 3, 61 * DAY)}, BLOCK(HOT)},
	{"monthly report, many uses in each run, 46 days ago", {BIG}, {VALID}, {HISTORY(46 * DAY, 500, 31 * DAY, 3, 61 * DAY)}, BLOCK(HOT)},
	{"used on 3 days of one week, quiet for three", {BIG}, {VALID}, {HISTORY(21 * DAY, 3, 2 * DAY, 3, 5 * DAY)}, BLOCK(HOT)},
	{"used on 2 days, quiet for 34 days", {BIG}, {VALID}, {HISTORY(34 * DAY, 2, 2 * DAY, 2, 60 * DAY)}, BLOCK(HOT)},
	{"restarted 3 days ago, few uses since, monthly before", {BIG}, {VALID}, {CONTINUED(25 * HOUR, 30, 100, 31 * DAY)}, BLOCK(HOT)},
	{"quiet in history, but used since", {BIG}, {VALID}, {HISTORY(100 * DAY, 1000, DAY, 50, 100 * DAY), HOT}, BLOCK(HOT)},
	{"quiet for a day, half of it unwatched", {BIG}, {VALID}, {UNWATCHED(12 * HOUR, 1000, MINUTE, 6 * HOUR)}, BLOCK(HOT)},
	{"pause of 20 h, quiet for 29 h", {BIG}, {VALID}, {USED(29 * HOUR, 1000, 20 * HOUR)}, BLOCK(HOT)},

	/* 11: stopped */
	{"code out, a day later the drop", {BIG}, {VALID}, {USED(25 * HOUR, 1000, MINUTE)}, ALLOW(STOPPED)},
	{"exactly one quiet period ago", {BIG}, {VALID}, {USED(DAY, 1000, MINUTE)}, ALLOW(STOPPED)},
	{"quiet for a week, quiet_period longer than lookback", {BIG}, {VALID}, {USED(7 * DAY, 1000, MINUTE)}, .quiet_period = 365 * DAY, BLOCK(HOT)},
	{"the same, quiet for the lookback", {BIG}, {VALID}, {USED(35 * DAY, 1000, MINUTE)}, .quiet_period = 365 * DAY, ALLOW(STOPPED)},
	{"20 uses, quiet for a week", {BIG}, {VALID}, {USED(7 * DAY, 20, MINUTE)}, ALLOW(STOPPED)},
	{"pause of 20 h, quiet for 30 h", {BIG}, {VALID}, {USED(30 * HOUR, 1000, 20 * HOUR)}, ALLOW(STOPPED)},
	{"used once, 35 days ago", {BIG}, {VALID}, {USED(35 * DAY, 1, 0)}, ALLOW(STOPPED)},
	{"monthly report, 47 days ago", {BIG}, {VALID}, {HISTORY(47 * DAY, 3, 31 * DAY, 3, 61 * DAY)}, ALLOW(STOPPED)},
	{"used on 3 days of one week, 35 days ago", {BIG}, {VALID}, {HISTORY(35 * DAY, 3, 2 * DAY, 3, 5 * DAY)}, ALLOW(STOPPED)},
	{"weekly job of two months, quiet for 11 days", {BIG}, {VALID}, {HISTORY(11 * DAY, 9, 7 * DAY, 9, 56 * DAY)}, ALLOW(STOPPED)},
	{"restarted 3 days ago, few uses since, many before, quiet for a day", {BIG}, {VALID}, {CONTINUED(25 * HOUR, 3, 1000, MINUTE)}, ALLOW(STOPPED)},
	{"ended long before four minutes were missed", {BIG}, {VALID}, {UNWATCHED(10 * DAY, 1000, MINUTE, 4 * MINUTE)}, ALLOW(STOPPED)},
	{"use that moved away with its table's name", {BIG, .asked.whole_table = true, .move = {.moved = true, .served = true, .at = AGO(MINUTE)}}, {VALID}, {MOVED(2 * MINUTE)}, ALLOW(STOPPED)},
	{"one use ended, another counts", {BIG}, {VALID}, {USED(25 * HOUR, 1000, MINUTE), HOT}, BLOCK(HOT)},

	/* hidden: the clock stands still */
	{"used until it was hidden, two days ago", {BIG, .hidden_since = AGO(2 * DAY)}, {VALID}, {USED_HIDDEN(2 * DAY + MINUTE, 1000, MINUTE, 2 * DAY)}, BLOCK(HOT)},
	{"used until it was hidden, 300 days ago", {BIG, .hidden_since = AGO(300 * DAY)}, {VALID}, {USED_HIDDEN(300 * DAY, 3, MINUTE, 300 * DAY)}, BLOCK(HOT)},
	{"used until it was hidden for 300 days, unhidden an hour ago", {BIG}, {VALID}, {USED_HIDDEN(300 * DAY + HOUR, 1000, MINUTE, 300 * DAY)}, BLOCK(HOT)},
	{"the same, unhidden a day ago", {BIG}, {VALID}, {USED_HIDDEN(301 * DAY, 1000, MINUTE, 300 * DAY)}, ALLOW(STOPPED)},
	{"had stopped before it was hidden", {BIG, .hidden_since = AGO(7 * DAY)}, {VALID}, {USED_HIDDEN(9 * DAY, 1000, MINUTE, 7 * DAY)}, ALLOW(STOPPED)},
	{"monthly report, hidden for 20 of 67 days", {BIG}, {VALID}, {USED_HIDDEN(67 * DAY, 24, 31 * DAY, 20 * DAY)}, ALLOW(STOPPED)},
	{"monthly report, hidden for 26 of 60 days", {BIG}, {VALID}, {USED_HIDDEN(60 * DAY, 24, 31 * DAY, 26 * DAY)}, BLOCK(HOT)},
	{"nothing seen for a month, hidden for all but a day of it", {HUGE}, {VALID}, {NOT_SEEN_HIDDEN(30, 29 * DAY)}, BLOCK(UNKNOWN)},
	{"nothing seen for a month, hidden for 23 days of it", {HUGE}, {VALID}, {NOT_SEEN_HIDDEN(30, 23 * DAY)}, ALLOW(COLD)},
	{"created a day ago and hidden ever since", {HUGE, .created_at = AGO(DAY), .hidden_since = AGO(DAY)}, {VALID}, {NOT_SEEN_HIDDEN(1, DAY)}, BLOCK(UNKNOWN)},

	/* 12: constraint */
	{"unused unique index goes with a column", {BIG, .asked.named = false}, {VALID, .unique = true}, {NOT_SEEN(100)}, ALLOW(CONSTRAINT), .warning = true},
	{"the same on a large table", {HUGE, .asked.named = false}, {VALID, .unique = true}, {NOT_SEEN(100)}, BLOCK(CONSTRAINT)},
	{"the same, unknown_action = block", {BIG, .asked.named = false}, {VALID, .unique = true}, {NOT_SEEN(100)}, .unknown_action = GUARD_UNKNOWN_BLOCK, BLOCK(CONSTRAINT)},
	{"exclusion constraint goes by cascade", {HUGE, .asked.named = false}, {VALID, .exclusion = true}, {NOT_SEEN(100)}, BLOCK(CONSTRAINT)},
	{"unused unique constraint, dropped by name", {HUGE, .asked.named = true}, {VALID, .unique = true}, {NOT_SEEN(100)}, ALLOW(CONSTRAINT)},
	{"the same, which may be a proof", {HUGE, .asked.named = true, .untried = true}, {VALID, .unique = true}, {NOT_SEEN(100)}, BLOCK(UNKNOWN)},
	{"the same on a small table", {BIG, .asked.named = true, .untried = true}, {VALID, .unique = true}, {NOT_SEEN(100)}, ALLOW(UNKNOWN), .warning = true},
	{"the same, and its table goes", {HUGE, .asked.named = true, .asked.whole_table = true, .untried = true}, {VALID, .unique = true}, {NOT_SEEN(100)}, ALLOW(CONSTRAINT)},
	{"unused unique index goes with its table", {HUGE, .asked.whole_table = true}, {VALID, .unique = true}, {NOT_SEEN(100)}, ALLOW(COLD)},
	{"used unique constraint, dropped by name", {BIG, .asked.named = true}, {VALID, .unique = true}, {HOT}, BLOCK(HOT)},

	/* 13: cold */
	{"nothing seen for a month", {HUGE}, {VALID}, {NOT_SEEN(30)}, ALLOW(COLD)},
	{"nothing seen for exactly a week", {HUGE}, {VALID}, {NOT_SEEN(7)}, ALLOW(COLD)},
	{"created an hour ago, never used", {HUGE, .created_at = AGO(HOUR)}, {VALID}, {NOT_SEEN(1)}, ALLOW(COLD)},
	{"nothing seen for 300 days, with a failover of 4 minutes", {HUGE}, {VALID}, {NOT_SEEN_BUT(300, 4 * MINUTE), NOT_SEEN(1)}, ALLOW(COLD)},
	{"nothing seen for 10 days, 3 of them unwatched", {HUGE}, {VALID}, {NOT_SEEN_BUT(10, 3 * DAY)}, ALLOW(COLD)},
	{"one source knows for a month, another is silent", {HUGE}, {VALID}, {NOT_SEEN(30), UNKNOWN}, ALLOW(COLD)},

	/* delayed, where that is possible */
	{"hot, hot_action = delay", {BIG}, {VALID}, {HOT}, HOT_DELAY, DELAY(HOT)},
	{"hot, hot_action = delay, no way to delay", {BIG, NO_DELAY}, {VALID}, {HOT}, HOT_DELAY, BLOCK(HOT), .said = true},
	{"hot, hot_action = block, could be delayed", {BIG}, {VALID}, {HOT}, BLOCK(HOT)},
	{"hot, unknown_action = delay says nothing of hot ones", {BIG, NO_DELAY}, {VALID}, {HOT}, UNKNOWN_DELAY, BLOCK(HOT)},
	{"protected, whatever hot_action says", {BIG, .protection = {.found = true}}, {VALID}, {HOT}, HOT_DELAY, BLOCK(PROTECTED), .cannot_wait = true},
	{"arbiter, whatever hot_action says", {BIG, .asked.named = true, NO_DELAY}, {VALID, .unique = true}, {HOT}, HOT_DELAY, .wants = {{.kind = &arbiter}}, BLOCK(ARBITER)},
	{"replaced goes at once, whatever hot_action says", {BIG, TWIN}, {VALID}, {HOT}, HOT_DELAY, ALLOW(REPLACED)},
	{"stopped goes at once, whatever hot_action says", {BIG}, {VALID}, {USED(25 * HOUR, 1000, MINUTE)}, HOT_DELAY, ALLOW(STOPPED)},
	{"cold goes at once, whatever the actions say", {HUGE}, {VALID}, {NOT_SEEN(30)}, HOT_DELAY, UNKNOWN_DELAY, ALLOW(COLD)},
	{"unknown, unknown_action = delay", {HUGE}, {VALID}, {NOT_SEEN(1)}, UNKNOWN_DELAY, DELAY(UNKNOWN)},
	{"unknown, unknown_action = delay, no way to delay", {HUGE, NO_DELAY}, {VALID}, {NOT_SEEN(1)}, UNKNOWN_DELAY, ALLOW(UNKNOWN), .warning = true, .said = true},
	{"unknown, hot_action = delay says nothing of it", {HUGE}, {VALID}, {NOT_SEEN(1)}, HOT_DELAY, BLOCK(UNKNOWN)},
	{"unused unique index goes with a column, unknown_action = delay", {HUGE, .asked.named = false, NO_DELAY}, {VALID, .unique = true}, {NOT_SEEN(100)}, UNKNOWN_DELAY, ALLOW(CONSTRAINT), .warning = true, .said = true},

	/* 14: unknown is never unused */
	{"nothing seen for a month, a standby is silent", {BIG, SILENT}, {VALID}, {NOT_SEEN(30)}, ALLOW(UNKNOWN), .warning = true},
	{"the same, large table", {HUGE, SILENT}, {VALID}, {NOT_SEEN(30)}, BLOCK(UNKNOWN)},
	{"the same, created an hour ago", {HUGE, SILENT, .created_at = AGO(HOUR)}, {VALID}, {NOT_SEEN(1)}, BLOCK(UNKNOWN)},
	{"stopped, a standby is silent", {HUGE, SILENT}, {VALID}, {USED(40 * DAY, 1000, MINUTE)}, BLOCK(UNKNOWN)},
	{"released, a standby is silent", {HUGE, SILENT}, {VALID}, {USED(2 * HOUR, 1000, MINUTE)}, {RELEASED("auth", HOUR)}, {BY_RELEASED("auth", 2 * HOUR, HOUR)}, BLOCK(UNKNOWN)},
	{"unused unique index, a standby is silent", {HUGE, SILENT, .asked.named = true}, {VALID, .unique = true}, {NOT_SEEN(30)}, BLOCK(UNKNOWN)},
	{"its name leads elsewhere, on the standby as well", {HUGE, SILENT, .asked.whole_table = true, .move = {.moved = true, .served = true, .at = AGO(MINUTE)}}, {VALID}, {MOVED(2 * MINUTE)}, ALLOW(STOPPED)},
	{"hot, whatever the standby says", {BIG, SILENT}, {VALID}, {HOT}, BLOCK(HOT)},
	{"a twin serves on the standby, too", {HUGE, SILENT, TWIN}, {VALID}, {NOT_SEEN(30)}, ALLOW(REPLACED)},
	{"quiet for a week, but nobody was there", {BIG}, {VALID}, {UNWATCHED(7 * DAY, 1000, MINUTE, 7 * DAY - HOUR)}, ALLOW(UNKNOWN), .warning = true},
	{"the same, large table", {HUGE}, {VALID}, {UNWATCHED(7 * DAY, 1000, MINUTE, 7 * DAY - HOUR)}, BLOCK(UNKNOWN)},
	{"beyond the look-back, half of it unwatched", {HUGE}, {VALID}, {UNWATCHED(36 * DAY, 1, 0, 18 * DAY)}, BLOCK(UNKNOWN)},
	{"nothing seen for 10 days, 4 of them unwatched", {HUGE}, {VALID}, {NOT_SEEN_BUT(10, 4 * DAY)}, BLOCK(UNKNOWN)},
	{"created an hour ago, a failover since", {HUGE, .created_at = AGO(HOUR)}, {VALID}, {NOT_SEEN_BUT(1, 4 * MINUTE)}, BLOCK(UNKNOWN)},
	{"nothing seen for a day", {BIG}, {VALID}, {NOT_SEEN(1)}, ALLOW(UNKNOWN), .warning = true},
	{"nothing seen for a day, large table", {HUGE}, {VALID}, {NOT_SEEN(1)}, BLOCK(UNKNOWN)},
	{"the same, unknown_action = allow", {HUGE}, {VALID}, {NOT_SEEN(1)}, .unknown_action = GUARD_UNKNOWN_ALLOW, ALLOW(UNKNOWN), .warning = true},
	{"nothing seen for a day, unknown_action = block", {BIG}, {VALID}, {NOT_SEEN(1)}, .unknown_action = GUARD_UNKNOWN_BLOCK, BLOCK(UNKNOWN)},
	{"created before the statistics were lost", {HUGE, .created_at = AGO(2 * DAY)}, {VALID}, {NOT_SEEN(1)}, BLOCK(UNKNOWN)},
	{"too few scans to tell", {HUGE}, {VALID}, {UNKNOWN}, BLOCK(UNKNOWN)},
	{"no evidence at all", {HUGE}, {VALID}, {{0}}, BLOCK(UNKNOWN)},
	{"size and use not known", {.table_kb = -1}, {VALID}, {UNKNOWN}, ALLOW(UNKNOWN), .warning = true},
};

/*
 * A List of the case's facts; the server's list functions are not linked.
 */
static List *
fact_list(Case *c)
{
	static List list;
	static ListCell cells[MAX_FACTS];

	list.type = T_List;
	list.length = 0;
	list.elements = cells;
	for (int i = 0; i < MAX_FACTS && (c->facts[i].since != 0 || c->facts[i].last != 0); i++)
		cells[list.length++].ptr_value = &c->facts[i];
	return list.length > 0 ? &list : NIL;
}

/*
 * The same for its dependencies, and for the services of its first fact.
 */
static List *
need_list(Case *c)
{
	static List list;
	static ListCell cells[MAX_NEEDS];

	list.type = T_List;
	list.length = 0;
	list.elements = cells;
	for (int i = 0; i < MAX_NEEDS && c->needs[i].service != NULL; i++)
		cells[list.length++].ptr_value = &c->needs[i];
	return list.length > 0 ? &list : NIL;
}

static List *
want_list(Case *c)
{
	static List list;
	static ListCell cells[MAX_NEEDS];
	int			last = 0;

	while (last + 1 < MAX_FACTS && c->facts[last + 1].pause != 0)
		last++;
	list.type = T_List;
	list.length = 0;
	list.elements = cells;
	for (int i = 0; i < MAX_NEEDS && c->wants[i].kind != NULL; i++)
	{
		if (c->wants[i].kind != &identity)
			c->wants[i].use = &c->facts[last];
		cells[list.length++].ptr_value = &c->wants[i];
	}
	return list.length > 0 ? &list : NIL;
}

static List *
service_list(Case *c)
{
	static List list;
	static ListCell cells[MAX_SERVICES];

	list.type = T_List;
	list.length = 0;
	list.elements = cells;
	for (int i = 0; i < MAX_SERVICES && c->services[i].service != NULL; i++)
		cells[list.length++].ptr_value = &c->services[i];
	return list.length > 0 ? &list : NIL;
}

/*
 * The number of the rule, as the table of the design has it.
 */
static int
rule_of(const Case *c)
{
	switch (c->reason)
	{
		case GUARD_REASON_APPROVED:
			return 1;
		case GUARD_REASON_PROTECTED:
			return 2;
		case GUARD_REASON_INVALID:
			return 3;
		case GUARD_REASON_PARTITION:
			return 4;
		case GUARD_REASON_REPLACED:
			return c->evidence.replacement.match == GUARD_MATCH_TWIN ? 5 : 8;
		case GUARD_REASON_DEPENDENCY:
			return 6;
		case GUARD_REASON_REPLICA_IDENTITY:
		case GUARD_REASON_ARBITER:
		case GUARD_REASON_REQUIRED:
			return 7;
		case GUARD_REASON_HARMLESS:
			return 9;
		case GUARD_REASON_HOT:
			return 10;
		case GUARD_REASON_STOPPED:
			return 11;
		case GUARD_REASON_CONSTRAINT:
			return 12;
		case GUARD_REASON_COLD:
			return 13;
		case GUARD_REASON_UNKNOWN:
			return 14;
	}
	return 0;
}

static bool
holds(Case *c)
{
	GuardPolicy policy = {
		.now = NOW,
		.lookback = 35 * DAY,
		.quiet_period = c->quiet_period != 0 ? c->quiet_period : DAY,
		.min_evidence_age = 7 * DAY,
		.rebuild_limit = 256 * 1024,
		.harmless_cost_ratio = 1.1,
		.unknown_action = c->unknown_action,
		.hot_action = c->hot_action,
		.two_person = c->two_person
	};
	GuardVerdict verdict;

	c->evidence.shape = &c->shape;
	c->evidence.as_of = NOW;
	c->evidence.facts = fact_list(c);
	c->evidence.dependencies = need_list(c);
	c->evidence.needs = want_list(c);
	c->facts[0].services = service_list(c);
	c->facts[0].services_known = c->facts[0].services != NIL && !c->services_lost;
	verdict = guard_verdict_decide(&c->evidence, &c->evidence.asked, &policy);
	if (verdict.decision == c->decision && verdict.reason == c->reason &&
		verdict.rule == rule_of(c) && verdict.warning == c->warning &&
		(verdict.no_delay != NULL) == c->said &&
		verdict.wait == (c->decision == GUARD_BLOCK && !c->cannot_wait))
		return true;
	printf("# got %s, %s by rule %d%s%s\n",
		   guard_verdict_decision_name(verdict.decision),
		   guard_verdict_reason_name(verdict.reason), verdict.rule,
		   verdict.warning ? ", with a warning" : "",
		   verdict.wait ? ", may wait" : "");
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
