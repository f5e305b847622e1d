/*-------------------------------------------------------------------------
 *
 * read.c
 *	  What was written down of an index, as evidence.
 *
 * Capture and counters speak for as long as they are unbroken.  History speaks
 * for the time before, and tells of both what they cannot know themselves: how
 * long the pauses between uses have been over the months, and of the counters,
 * when they last moved and whether captured statements explain it.
 *
 * It never speaks of what capture's present record holds: that knows better,
 * for it can tell the asking session's own use from that of others.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/history/history.h"
#include "planner/capture/departed.h"
#include "planner/planner.h"

/* guard.known_use */
#define KNOWN_RELATION			2
#define KNOWN_TABLE				3

/* Days with use, before scans that nobody dated tell of pauses. */
#define ENOUGH_DAYS		3

/* What is looked up for one question. */
typedef struct Lookup
{
	const GuardEvidence *evidence;
	GuardKnownUse index;
	GuardKnownUse table;
	List	   *checks;			/* and needs of the index, GuardKnownUse * */
} Lookup;

static bool look_up(Lookup *lookup);
static void collect_one(GuardEvidence *evidence, Oid relation,
						GuardKnownUse *use, bool of_table);
static void collect_checks(GuardEvidence *evidence, List *checks);

static void
clear(Lookup *lookup, const GuardEvidence *evidence)
{
	memset(lookup, 0, sizeof(*lookup));
	lookup->evidence = evidence;
	lookup->index.pause = lookup->index.seg_pause = lookup->index.alone_pause = -1;
	lookup->table = lookup->index;
}

/*
 * What history knows of the index and, when its table goes, of the table.
 */
void
guard_history_collect(GuardEvidence *evidence)
{
	Lookup		lookup;

	clear(&lookup, evidence);
	if (!evidence->server->epochs->known || !look_up(&lookup))
	{
		GuardFact  *fact = palloc0(sizeof(GuardFact));

		fact->source = GUARD_SOURCE_HISTORY;
		fact->pause = -1;
		fact->note = "its table is locked by another session";
		evidence->facts = lappend(evidence->facts, fact);
		return;
	}

	collect_one(evidence, evidence->index, &lookup.index, false);
	collect_checks(evidence, lookup.checks);
	if (evidence->asked.whole_table)
		collect_one(evidence, evidence->shape->table, &lookup.table, true);
}

/*
 * The rows of the index and of its table; false where they cannot be read.
 * REINDEX CONCURRENTLY in a session without guard gives an index another OID
 * unseen; its name still leads to it (doc/internals/postgresql.md 3.9), until
 * the next snapshot has noticed.
 */
static bool
look_up(Lookup *lookup)
{
	const GuardEvidence *evidence = lookup->evidence;
	GuardRows  *rows = guard_rows_by_key("known_use", "known_use_table_oid_idx",
										 KNOWN_TABLE, P_OID(evidence->shape->table));

	Oid			top = evidence->departed != NULL ? evidence->index :
		guard_without_topmost(evidence->index);

	while (rows != NULL && guard_rows_next(rows))
	{
		GuardKnownUse use;

		guard_record_read(guard_history_columns, GUARD_HISTORY_COLUMNS, rows, &use);
		if (use.fkey != 0 &&
			(use.relation == evidence->index ||
			 (use.relation == use.table && guard_capture_way(use.fkey) == GUARD_WAY_REFRESH)))
		{
			GuardKnownUse *copy = palloc(sizeof(GuardKnownUse));

			*copy = use;
			lookup->checks = lappend(lookup->checks, copy);
		}
		else if (use.fkey != 0)
			continue;
		else if (use.relation == use.table)
			lookup->table = use;
		else if (use.relation == evidence->index)
			lookup->index = use;
		else if (lookup->index.id == 0 &&
				 strcmp(NameStr(use.name), evidence->shape->name) == 0 &&
				 !OidIsValid(guard_catalog_table(use.relation)) &&
				 !guard_departed_have(use.relation))
			lookup->index = use;
	}
	if (rows == NULL || top == evidence->index)
		return rows != NULL;
	rows = guard_rows_by_key("known_use", "known_use_relation_oid_idx",
							 KNOWN_RELATION, P_OID(top));
	while (rows != NULL && guard_rows_next(rows))
	{
		GuardKnownUse *use = palloc(sizeof(GuardKnownUse));

		guard_record_read(guard_history_columns, GUARD_HISTORY_COLUMNS, rows, use);
		if (guard_capture_way(use->fkey) != GUARD_WAY_READ)
			lookup->checks = lappend(lookup->checks, use);
	}
	return rows != NULL;
}

/* ----------------------------------------------------------------
 *		From history to evidence
 * ----------------------------------------------------------------
 */

static GuardFact *
find_fact(const GuardEvidence *evidence, GuardSource source, bool of_table)
{
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->source == source && fact->of_table == of_table &&
			fact->way == GUARD_WAY_READ)
			return fact;
	}
	return NULL;
}

/*
 * What capture sees now is the continuation of what it saw before.
 */
static void
continue_captured(GuardFact *fact, const GuardKnownUse *use,
				  const GuardEpochs *epochs)
{
	int64		between;

	if (fact == NULL || fact->seen != GUARD_SEEN_USED)
		return;
	between = guard_history_pause(use->last, fact->first, epochs);
	fact->days = use->days;
	if (!guard_history_plausible(fact->pause))
		fact->pause = -1;
	if (use->uses == 0)
		return;
	fact->pause = Max(fact->pause, use->pause);
	if (guard_history_plausible(between))
		fact->pause = Max(fact->pause, between);
	fact->known_uses = fact->count + use->uses;
	fact->known_first = use->first;
}

/*
 * Was capture there for this relation, from "at" until now?
 */
static bool
captured_since(const GuardEpochs *epochs, TimestampTz at, GuardWatch watch)
{
	return epochs->capture != NULL && epochs->capture->since <= at &&
		watch == GUARD_WATCH_BOTH;
}

/*
 * Bring the unexplained scans of "use" up to this moment, by what the server
 * has counted since the last snapshot.
 */
static void
continue_alone(const GuardFact *fact, GuardKnownUse *use,
			   const GuardEpochs *epochs, GuardWatch watch)
{
	TimestampTz at = epochs->counters->stored_seen_at;
	int64		grown = fact->count;

	if (use->counters_mark == epochs->counters->mark)
		grown = Max(fact->count - use->scans, 0);
	if (grown == 0 || captured_since(epochs, at, watch))
		return;
	use->alone += grown;
	use->alone_last = fact->last > at ? fact->last : epochs->now;
	if (use->alone_first == 0)
		use->alone_first = use->alone_last;
}

/*
 * The longest pause between uses that were only counted.  A thousand scans
 * between two snapshots may be one report: it takes days to see it return.
 */
static int64
counted_pause(const GuardKnownUse *use)
{
	return use->alone_days >= ENOUGH_DAYS ? use->alone_pause : -1;
}

/*
 * The server's counters say how often, history says when, and how much of it
 * captured statements explain.
 */
static void
continue_counted(GuardFact *fact, const GuardKnownUse *use)
{
	if (use->alone == 0)
	{
		fact->seen = GUARD_SEEN_NOT;
		fact->last = 0;
		fact->note = "nothing that captured statements do not explain";
	}
	else if (use->alone < guard_guc_min_scans)
	{
		fact->seen = GUARD_SEEN_UNKNOWN;
		fact->note = "too few scans to tell use from planning";
	}
	else
	{
		fact->seen = GUARD_SEEN_USED;
		fact->note = NULL;
		fact->last = use->alone_last;
		fact->known_first = use->alone_first;
		fact->pause = counted_pause(use);
		fact->days = use->alone_days;
	}
}

static GuardFact *
add_fact(GuardEvidence *evidence, GuardSource source, bool of_table,
		 GuardSeen seen, GuardWatch watch, TimestampTz from)
{
	const GuardEpochs *epochs = evidence->server->epochs;
	GuardFact  *fact = palloc0(sizeof(GuardFact));

	fact->source = source;
	fact->of_table = of_table;
	fact->seen = seen;
	fact->since = epochs->since;
	fact->pause = -1;
	fact->unobserved = guard_epochs_unobserved(epochs, watch, from, epochs->now);
	fact->gaps = guard_epochs_gap_words(epochs, watch, from, epochs->now);
	evidence->facts = lappend(evidence->facts, fact);
	return fact;
}

static void
add_captured(GuardEvidence *evidence, bool of_table,
			 const GuardKnownUse *use, GuardWatch watch)
{
	GuardFact  *fact = add_fact(evidence, GUARD_SOURCE_HISTORY, of_table,
								GUARD_SEEN_USED, watch, use->last);

	fact->first = use->first;
	fact->last = use->last;
	fact->count = use->uses;
	fact->pause = use->pause;
	fact->days = use->days;
	fact->who = use->services;
}

static void
add_counted(GuardEvidence *evidence, bool of_table,
			const GuardKnownUse *use, GuardWatch watch)
{
	GuardFact  *fact;

	if (use->alone < guard_guc_min_scans)
	{
		fact = add_fact(evidence, GUARD_SOURCE_COUNTED, of_table,
						GUARD_SEEN_UNKNOWN, watch, use->alone_last);
		fact->note = "too few scans to tell use from planning";
		return;
	}
	fact = add_fact(evidence, GUARD_SOURCE_COUNTED, of_table, GUARD_SEEN_USED, watch,
					use->alone_last);
	fact->first = use->alone_first;
	fact->last = use->alone_last;
	fact->count = use->alone;
	fact->pause = counted_pause(use);
	fact->days = use->alone_days;
}

/*
 * Nothing was ever written down of it.  That says more than capture and
 * counters do themselves only where they have not been there all the time.
 */
static void
add_silence(GuardEvidence *evidence, bool of_table, GuardWatch watch)
{
	const GuardEpochs *epochs = evidence->server->epochs;
	TimestampTz since = Max(epochs->since, guard_evidence_origin(evidence));
	GuardFact  *fact;
	ListCell   *lc;

	if (!epochs->recorded || since >= epochs->now)
		return;
	foreach(lc, evidence->facts)
	{
		fact = lfirst(lc);
		if (fact->seen != GUARD_SEEN_NOT || fact->since > since)
			continue;
		return;
	}
	fact = add_fact(evidence, GUARD_SOURCE_HISTORY, of_table, GUARD_SEEN_NOT, watch,
					since);
	fact->since = since;
}

/*
 * Does capture testify for this relation?
 */
static GuardWatch
watch_for(const GuardEvidence *evidence, Oid relation)
{
	return guard_usage_bypasses_executor(evidence->index,
										 evidence->roles.subscribed) ||
		guard_capture_lost(relation) != 0 ?
		GUARD_WATCH_COUNTERS : GUARD_WATCH_BOTH;
}

/*
 * An inherited use is not watched where nobody was there, either.
 */
static void
mark_unobserved(GuardEvidence *evidence, GuardWatch watch)
{
	const GuardEpochs *epochs = evidence->server->epochs;

	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->source != GUARD_SOURCE_INHERITED || fact->last == 0 ||
			fact->gaps != NULL)
			continue;
		fact->unobserved = guard_epochs_unobserved(epochs, watch, fact->last,
												   epochs->now);
		fact->gaps = guard_epochs_gap_words(epochs, watch, fact->last,
											epochs->now);
	}
}

static void
collect_one(GuardEvidence *evidence, Oid relation, GuardKnownUse *use,
			bool of_table)
{
	const GuardEpochs *epochs = evidence->server->epochs;
	GuardWatch	watch = watch_for(evidence, relation);
	GuardFact  *counted = find_fact(evidence, GUARD_SOURCE_COUNTERS, of_table);
	GuardCapturedUse captured;

	(void) guard_capture_lookup(relation, &captured);
	guard_history_fold(use, captured.made, epochs);
	continue_captured(find_fact(evidence, GUARD_SOURCE_CAPTURE, of_table), use,
					  epochs);
	if (epochs->recorded && epochs->counters != NULL &&
		epochs->counters->stored && counted != NULL && counted->count > 0)
	{
		continue_alone(counted, use, epochs, watch);

		/* of an exclusion constraint's index scans tell nothing */
		if (of_table || !evidence->shape->exclusion)
			continue_counted(counted, use);
	}

	if (use->uses > 0)
		add_captured(evidence, of_table, use, watch);
	if (use->alone > 0 && !(evidence->shape->exclusion && !of_table) &&
		(epochs->counters == NULL || use->counters_mark != epochs->counters->mark))
		add_counted(evidence, of_table, use, watch);
	if (use->uses == 0 && use->alone == 0)
		add_silence(evidence, of_table, watch);
	if (!of_table)
		mark_unobserved(evidence, watch);
}

/*
 * What was written down of checks and needs, as what was of all other uses.
 */
static void
collect_checks(GuardEvidence *evidence, List *checks)
{
	const GuardEpochs *epochs = evidence->server->epochs;
	GuardCapturedUse captured;

	foreach_ptr(GuardKnownUse, use, checks)
	{
		GuardWay	way = guard_capture_way(use->fkey);
		GuardFact  *fact;

		(void) guard_capture_lookup(use->relation, &captured);
		guard_history_fold(use, captured.made, epochs);
		foreach_ptr(GuardFact, now, evidence->facts)
		{
			if (now->source == GUARD_SOURCE_CAPTURE && now->way == way &&
				(way != GUARD_WAY_READ ? !now->of_table : now->fkey == use->fkey))
				continue_captured(now, use, epochs);
		}
		if (use->uses == 0)
			continue;
		fact = guard_causes_add(evidence, GUARD_SOURCE_HISTORY, use->fkey);
		fact->since = epochs->since;
		fact->first = use->first;
		fact->last = use->last;
		fact->count = use->uses;
		fact->pause = use->pause;
		fact->days = use->days;
		fact->who = use->services;
		fact->unobserved = guard_epochs_unobserved(epochs, GUARD_WATCH_BOTH,
												   use->last, epochs->now);
		fact->gaps = guard_epochs_gap_words(epochs, GUARD_WATCH_BOTH, use->last,
											epochs->now);
	}
}
