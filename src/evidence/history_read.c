/*-------------------------------------------------------------------------
 *
 * history_read.c
 *	  What was written down of an index, as evidence.
 *
 * Capture and counters speak for as long as they are unbroken.  History speaks
 * for the time before, and tells of both what they cannot know themselves: how
 * long the pauses between uses have been over the months, and of the counters,
 * when they last moved and whether captured statements explain it.
 *
 * It never speaks of capture's present segment: that one knows better, for it
 * can tell the asking session's own use from that of others.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "evidence/history.h"
#include "guc.h"
#include "planner/capture.h"
#include "store/store.h"

/* guard.known_use */
#define KNOWN_ID				1
#define KNOWN_RELATION			2
#define KNOWN_TABLE				3
#define KNOWN_NAME				4
#define KNOWN_FIRST				5
#define KNOWN_LAST				6
#define KNOWN_USES				7
#define KNOWN_PAUSE				8
#define KNOWN_PAUSE_ENDED		9
#define KNOWN_DAYS				10
#define KNOWN_SERVICES			11
#define KNOWN_ARBITER			12
#define KNOWN_SEGMENT			13
#define KNOWN_SEGMENT_FIRST		14
#define KNOWN_SEGMENT_LAST		15
#define KNOWN_SEGMENT_USES		16
#define KNOWN_SEGMENT_PAUSE		17
#define KNOWN_COUNTERS_MARK		18
#define KNOWN_SCANS				19
#define KNOWN_ALONE				20
#define KNOWN_ALONE_FIRST		21
#define KNOWN_ALONE_LAST		22
#define KNOWN_ALONE_PAUSE		23
#define KNOWN_ALONE_DAYS		24

/* guard.statement_rate */
#define RATE_QUERYID			1
#define RATE_SEEN_AT			2
#define RATE_DELTA_FROM			6
#define RATE_DELTA_TO			7
#define RATE_DELTA_CALLS		8
#define RATE_DELTA_TIME			9
#define RATE_DELTA_ROWS			10

/* What is looked up for one question. */
typedef struct Lookup
{
	const GuardEvidence *evidence;
	GuardKnownUse index;
	GuardKnownUse table;
} Lookup;

static bool read_known(HeapTuple tuple, TupleDesc desc, void *arg);
static void collect_one(GuardEvidence *evidence, Oid relation,
						GuardKnownUse *use, bool of_table);

/*
 * What history knows of the index and, when its table goes, of the table.
 */
void
guard_history_collect(GuardEvidence *evidence)
{
	Lookup		lookup = {0};

	lookup.evidence = evidence;
	lookup.index.pause = lookup.index.alone_pause = -1;
	lookup.table = lookup.index;
	if (!evidence->server->epochs->known ||
		!guard_store_scan("known_use", "known_use_table_oid_idx", KNOWN_TABLE,
						  evidence->shape->table, read_known, &lookup))
	{
		GuardFact  *fact = palloc0(sizeof(GuardFact));

		fact->source = "history";
		fact->pause = -1;
		fact->note = "its table is locked by another session";
		evidence->facts = lappend(evidence->facts, fact);
		return;
	}

	/* CREATE DATABASE … TEMPLATE: those OIDs were another database's. */
	if (evidence->server->epochs->foreign)
		lookup.index.id = lookup.table.id = 0;
	collect_one(evidence, evidence->index, &lookup.index, false);
	if (evidence->whole_table)
		collect_one(evidence, evidence->shape->table, &lookup.table, true);
}

static TimestampTz
time_column(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

static int64
bigint_column(HeapTuple tuple, TupleDesc desc, int column, int64 otherwise)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? otherwise : DatumGetInt64(value);
}

void
guard_history_row(HeapTuple tuple, TupleDesc desc, GuardKnownUse *use)
{
	bool		isnull;
	Datum		value;

	memset(use, 0, sizeof(*use));
	use->id = DatumGetInt32(heap_getattr(tuple, KNOWN_ID, desc, &isnull));
	use->relation = DatumGetObjectId(heap_getattr(tuple, KNOWN_RELATION, desc,
												  &isnull));
	use->table = DatumGetObjectId(heap_getattr(tuple, KNOWN_TABLE, desc,
											   &isnull));
	namestrcpy(&use->name, NameStr(*DatumGetName(heap_getattr(tuple, KNOWN_NAME,
															  desc, &isnull))));
	use->first = time_column(tuple, desc, KNOWN_FIRST);
	use->last = time_column(tuple, desc, KNOWN_LAST);
	use->uses = bigint_column(tuple, desc, KNOWN_USES, 0);
	use->pause = bigint_column(tuple, desc, KNOWN_PAUSE, -1);
	use->pause_ended = time_column(tuple, desc, KNOWN_PAUSE_ENDED);
	use->days = DatumGetInt32(heap_getattr(tuple, KNOWN_DAYS, desc, &isnull));
	value = heap_getattr(tuple, KNOWN_SERVICES, desc, &isnull);
	use->services = isnull ? NULL : TextDatumGetCString(value);
	use->last_arbiter = time_column(tuple, desc, KNOWN_ARBITER);
	use->segment = time_column(tuple, desc, KNOWN_SEGMENT);
	use->seg_first = time_column(tuple, desc, KNOWN_SEGMENT_FIRST);
	use->seg_last = time_column(tuple, desc, KNOWN_SEGMENT_LAST);
	use->seg_uses = bigint_column(tuple, desc, KNOWN_SEGMENT_USES, 0);
	use->seg_pause = bigint_column(tuple, desc, KNOWN_SEGMENT_PAUSE, -1);
	use->counters_mark = time_column(tuple, desc, KNOWN_COUNTERS_MARK);
	use->scans = bigint_column(tuple, desc, KNOWN_SCANS, 0);
	use->alone = bigint_column(tuple, desc, KNOWN_ALONE, 0);
	use->alone_first = time_column(tuple, desc, KNOWN_ALONE_FIRST);
	use->alone_last = time_column(tuple, desc, KNOWN_ALONE_LAST);
	use->alone_pause = bigint_column(tuple, desc, KNOWN_ALONE_PAUSE, -1);
	use->alone_days = DatumGetInt32(heap_getattr(tuple, KNOWN_ALONE_DAYS, desc,
												 &isnull));
}

/*
 * Is the row about the index or the table that is asked for?  REINDEX
 * CONCURRENTLY in a session without guard gives an index another OID unseen;
 * its name still leads to it (3.9), until the next snapshot has noticed.
 */
static bool
read_known(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Lookup	   *lookup = arg;
	GuardKnownUse use;

	guard_history_row(tuple, desc, &use);
	if (use.relation == use.table)
		lookup->table = use;
	else if (use.relation == lookup->evidence->index)
		lookup->index = use;
	else if (lookup->index.id == 0 &&
			 strcmp(NameStr(use.name), lookup->evidence->shape->name) == 0 &&
			 !OidIsValid(IndexGetRelation(use.relation, true)))
		lookup->index = use;
	return true;
}

/*
 * The pause between two uses, as far as somebody was there to see it.
 */
static int64
pause_between(TimestampTz last, TimestampTz first, const GuardEpochs *epochs)
{
	if (last == 0 || first <= last)
		return -1;
	return first - last - guard_epochs_unobserved(epochs, GUARD_WATCH_BOTH,
												  last, first);
}

/*
 * A pause longer than anything is remembered is a clock's that jumped.
 */
static bool
is_plausible(int64 pause)
{
	return pause <= (int64) guard_guc_history_retention * USECS_PER_SEC;
}

static void
note_pause(GuardKnownUse *use, int64 pause, TimestampTz ended)
{
	if (pause <= use->pause || !is_plausible(pause))
		return;
	use->pause = pause;
	use->pause_ended = ended;
}

void
guard_history_fold(GuardKnownUse *use, const GuardEpochs *epochs)
{
	if (use->segment == 0 || use->segment == epochs->segment)
		return;
	if (use->seg_uses > 0)
	{
		note_pause(use, pause_between(use->last, use->seg_first, epochs),
				   use->seg_first);
		note_pause(use, use->seg_pause, use->seg_last);
		use->first = use->first == 0 ? use->seg_first :
			Min(use->first, use->seg_first);
		use->last = Max(use->last, use->seg_last);
		use->uses += use->seg_uses;
	}
	use->segment = 0;
	use->seg_first = use->seg_last = 0;
	use->seg_uses = 0;
	use->seg_pause = -1;
}

/* ----------------------------------------------------------------
 *		From history to evidence
 * ----------------------------------------------------------------
 */

static GuardFact *
find_fact(const GuardEvidence *evidence, const char *source)
{
	ListCell   *lc;

	foreach(lc, evidence->facts)
	{
		GuardFact  *fact = lfirst(lc);

		if (strcmp(fact->source, source) == 0)
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
	between = pause_between(use->last, fact->first, epochs);
	fact->days = use->days;
	if (!is_plausible(fact->pause))
		fact->pause = -1;
	if (use->uses == 0)
		return;
	fact->pause = Max(fact->pause, use->pause);
	if (is_plausible(between))
		fact->pause = Max(fact->pause, between);
	fact->known_uses = fact->count + use->uses;
	fact->known_first = use->first;
}

/*
 * Was capture there, with room for this relation, from "at" until now?
 */
static bool
captured_since(const GuardEpochs *epochs, TimestampTz at, GuardWatch watch)
{
	return epochs->capture != NULL && epochs->capture->since <= at &&
		watch != GUARD_WATCH_COUNTERS &&
		(watch == GUARD_WATCH_BOTH || epochs->capture->full_since == 0);
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
		fact->pause = use->alone_pause;
		fact->days = use->alone_days;
	}
}

static GuardFact *
add_fact(GuardEvidence *evidence, const char *source, GuardSeen seen,
		 GuardWatch watch, TimestampTz from)
{
	const GuardEpochs *epochs = evidence->server->epochs;
	GuardFact  *fact = palloc0(sizeof(GuardFact));

	fact->source = source;
	fact->seen = seen;
	fact->since = epochs->since;
	fact->pause = -1;
	fact->unobserved = guard_epochs_unobserved(epochs, watch, from, epochs->now);
	fact->gaps = guard_epochs_gap_words(epochs, watch, from, epochs->now);
	evidence->facts = lappend(evidence->facts, fact);
	return fact;
}

static void
add_captured(GuardEvidence *evidence, const char *source,
			 const GuardKnownUse *use, GuardWatch watch)
{
	GuardFact  *fact = add_fact(evidence, source, GUARD_SEEN_USED, watch,
								use->last);

	fact->first = use->first;
	fact->last = use->last;
	fact->count = use->uses;
	fact->pause = use->pause;
	fact->days = use->days;
	fact->who = use->services;
}

static void
add_counted(GuardEvidence *evidence, const char *source,
			const GuardKnownUse *use, GuardWatch watch)
{
	GuardFact  *fact;

	if (use->alone < guard_guc_min_scans)
	{
		fact = add_fact(evidence, source, GUARD_SEEN_UNKNOWN, watch,
						use->alone_last);
		fact->note = "too few scans to tell use from planning";
		return;
	}
	fact = add_fact(evidence, source, GUARD_SEEN_USED, watch, use->alone_last);
	fact->first = use->alone_first;
	fact->last = use->alone_last;
	fact->count = use->alone;
	fact->pause = use->alone_pause;
	fact->days = use->alone_days;
}

/*
 * Nothing was ever written down of it.  That says more than capture and
 * counters do themselves only where they have not been there all the time.
 */
static void
add_silence(GuardEvidence *evidence, const char *source, GuardWatch watch)
{
	const GuardEpochs *epochs = evidence->server->epochs;
	TimestampTz since = Max(epochs->since, evidence->created_at);
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
	fact = add_fact(evidence, source, GUARD_SEEN_NOT, watch, since);
	fact->since = since;
}

/*
 * How far does capture's testimony go for this relation?
 */
static GuardWatch
watch_for(const GuardEvidence *evidence, Oid relation)
{
	GuardCapturedUse captured;

	if (guard_usage_bypasses_executor(evidence->index,
									  evidence->roles.subscribed))
		return GUARD_WATCH_COUNTERS;
	return guard_capture_lookup(relation, &captured) ?
		GUARD_WATCH_BOTH : GUARD_WATCH_FULL;
}

/*
 * An inherited use is not watched where nobody was there, either.
 */
static void
mark_unobserved(GuardEvidence *evidence, GuardWatch watch)
{
	const GuardEpochs *epochs = evidence->server->epochs;
	ListCell   *lc;

	foreach(lc, evidence->facts)
	{
		GuardFact  *fact = lfirst(lc);

		if (strcmp(fact->source, "inherited") != 0 || fact->last == 0 ||
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
	GuardFact  *counted = find_fact(evidence, of_table ? "table counters" :
									"counters");

	guard_history_fold(use, epochs);
	continue_captured(find_fact(evidence, of_table ? "table capture" : "capture"),
					  use, epochs);
	if (epochs->recorded && epochs->counters != NULL &&
		epochs->counters->stored && counted != NULL && counted->count > 0)
	{
		continue_alone(counted, use, epochs, watch);

		/* of an exclusion constraint's index scans tell nothing */
		if (of_table || !evidence->shape->exclusion)
			continue_counted(counted, use);
	}

	if (use->last_arbiter < epochs->segment || epochs->segment == 0)
		evidence->last_arbiter = Max(evidence->last_arbiter, use->last_arbiter);
	if (use->uses > 0)
		add_captured(evidence, of_table ? "table history" : "history", use, watch);
	if (use->alone > 0 && !(evidence->shape->exclusion && !of_table) &&
		(epochs->counters == NULL || use->counters_mark != epochs->counters->mark))
		add_counted(evidence, of_table ? "table counted history" :
					"counted history", use, watch);
	if (use->uses == 0 && use->alone == 0)
		add_silence(evidence, of_table ? "table history" : "history", watch);
	if (!of_table)
		mark_unobserved(evidence, watch);
}

/* ----------------------------------------------------------------
 *		Book-keeping
 * ----------------------------------------------------------------
 */

/*
 * These two run inside somebody's DDL, where everything that is written about
 * it stands or falls together: so what a snapshot has locked at this moment is
 * left to the next snapshot, which finds the index gone, or its name under
 * another OID.
 */
void
guard_history_rebuilt(Oid old, Oid successor)
{
	Oid			types[] = {OIDOID, OIDOID};
	Datum		values[] = {ObjectIdGetDatum(successor), ObjectIdGetDatum(old)};

	/* Capture begins anew with the new OID: its segment is past for this one. */
	guard_store_execute("UPDATE guard.known_use SET relation_oid = $1,"
						" segment = segment OPERATOR(pg_catalog.-) '1 us'::pg_catalog.interval"
						" WHERE id OPERATOR(pg_catalog.=) ANY (ARRAY("
						"SELECT id FROM guard.known_use WHERE relation_oid OPERATOR(pg_catalog.=) $2 FOR UPDATE SKIP LOCKED))",
						2, types, values, NULL);
}

void
guard_history_forget(Oid relation)
{
	Oid			types[] = {OIDOID};
	Datum		values[] = {ObjectIdGetDatum(relation)};

	guard_store_execute("WITH gone AS (SELECT id FROM guard.known_use"
						"  WHERE relation_oid OPERATOR(pg_catalog.=) $1 FOR UPDATE SKIP LOCKED),"
						" hours AS (DELETE FROM guard.hourly_use h USING gone WHERE h.relation_id OPERATOR(pg_catalog.=) gone.id)"
						" DELETE FROM guard.known_use k USING gone WHERE k.id OPERATOR(pg_catalog.=) gone.id",
						1, types, values, NULL);
}

static bool
read_last_snapshot(HeapTuple tuple, TupleDesc desc, void *arg)
{
	TimestampTz *last = arg;

	/* guard.evidence_epoch.seen_at */
	*last = Max(*last, time_column(tuple, desc, 4));
	return true;
}

TimestampTz
guard_history_last_snapshot(void)
{
	TimestampTz last = 0;

	(void) guard_store_scan("evidence_epoch", NULL, 0, InvalidOid,
							read_last_snapshot, &last);
	return last;
}

/* ----------------------------------------------------------------
 *		Statements
 * ----------------------------------------------------------------
 */

typedef struct RateLookup
{
	List	   *queryids;
	List	   *rates;
} RateLookup;

static bool
read_rate(HeapTuple tuple, TupleDesc desc, void *arg)
{
	RateLookup *lookup = arg;
	GuardStatementRate *rate;
	int64		queryid = bigint_column(tuple, desc, RATE_QUERYID, 0);
	bool		wanted = lookup->queryids == NIL;
	bool		isnull;
	Datum		value;
	ListCell   *lc;

	foreach(lc, lookup->queryids)
		wanted = wanted || *(int64 *) lfirst(lc) == queryid;
	if (!wanted || time_column(tuple, desc, RATE_DELTA_TO) == 0)
		return true;

	rate = palloc0(sizeof(GuardStatementRate));
	rate->queryid = queryid;
	rate->from = time_column(tuple, desc, RATE_DELTA_FROM);
	rate->to = time_column(tuple, desc, RATE_DELTA_TO);
	rate->calls = bigint_column(tuple, desc, RATE_DELTA_CALLS, 0);
	value = heap_getattr(tuple, RATE_DELTA_TIME, desc, &isnull);
	rate->total_time = isnull ? 0 : DatumGetFloat8(value);
	rate->rows = bigint_column(tuple, desc, RATE_DELTA_ROWS, 0);
	lookup->rates = lappend(lookup->rates, rate);
	return true;
}

List *
guard_history_statement_rates(List *queryids)
{
	RateLookup	lookup = {queryids, NIL};

	(void) guard_store_scan("statement_rate", NULL, 0, InvalidOid, read_rate,
							&lookup);
	return lookup.rates;
}
