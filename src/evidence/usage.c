/*-------------------------------------------------------------------------
 *
 * usage.c
 *	  Use of an index as capture and the server's counters saw it.
 *
 * Capture knows who used an index, and when.  The counters know neither (15)
 * or only when (16 and later), but they also count what no executor hook sees:
 * logical replication's apply workers and, since 19, foreign key checks
 * (doc/internals/postgresql.md 2.8, 4.2).  They also count what is no use at
 * all: planning alone reads the ends of an index (doc/internals/postgresql.md
 * 2.6), and so does CLUSTER (doc/internals/postgresql.md 2.1).
 *
 * So where capture has watched for as long as the counters have counted, and
 * nothing can have passed it by, capture alone is believed: whatever else the
 * counters show, the planner did.  Elsewhere guard.min_scans separates use
 * from noise, and what lies below it is unknown.
 * Of an exclusion constraint's index they tell nothing, because every row that
 * comes is looked for in it.
 *
 * When a whole table goes, the table's own scans and writes are use of each
 * of its indexes.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"

#include "evidence/evidence.h"
#include "planner/capture/departed.h"
#include "store/store.h"

/* A partition is aimed at when it draws this many times its siblings' share. */
#define AIMED_FACTOR	2
#define AIMED_ENOUGH	20

/* This many statements that write to it make it current whatever the others. */
#define WRITTEN_OFTEN	20

static GuardFact *
add_fact(GuardEvidence *evidence, GuardSource source, Oid relation)
{
	GuardFact  *fact = palloc0(sizeof(GuardFact));

	fact->source = source;
	fact->of_table = relation != evidence->index;
	fact->pause = -1;
	evidence->facts = lappend(evidence->facts, fact);
	return fact;
}

/*
 * Has this been filled by a few statements and never read?  A staging table is
 * nobody's traffic; a partition that is filled is the current one.
 */
static bool
only_filled(const GuardEvidence *evidence, const GuardCapturedUse *use)
{
	return use->count == use->write_count && use->count < WRITTEN_OFTEN &&
		!evidence->roles.is_partition && !evidence->roles.is_inheritance_child;
}

/*
 * What capture saw of one relation.  Returns whether it saw anything at all,
 * be it only this session's own use or an EXPLAIN ANALYZE.
 */
static bool
collect_captured(GuardEvidence *evidence, Oid relation, TimestampTz capture_since)
{
	GuardCapturedUse use;
	GuardFact  *fact;
	TimestampTz lost;
	bool		found;

	if (!guard_capture_available())
		return false;

	fact = add_fact(evidence, GUARD_SOURCE_CAPTURE, relation);
	fact->since = capture_since;
	lost = guard_capture_lost(relation);
	found = guard_capture_lookup(relation, &use);
	if (found && use.last_any >= lost)
		lost = 0;
	if (found && use.last != 0 && only_filled(evidence, &use))
	{
		fact->seen = GUARD_SEEN_NOT;
		fact->note = "filled, never read";
	}
	else if (found && use.last != 0)
	{
		fact->seen = GUARD_SEEN_USED;
		fact->first = use.first;
		fact->last = use.last;
		fact->count = use.count;
		fact->rate = use.rate;
		fact->pause = use.longest_pause;
		fact->statements = use.statements;
		fact->names = memcpy(palloc(sizeof(GuardNames)), &use.names, sizeof(GuardNames));
		guard_services_collect(fact, relation, &use);
		guard_youth_mark(evidence, fact);
	}
	else if (use.unreadable)
		fact->note = "its record is held by a process that has stopped";
	else if (capture_since == 0)
		fact->note = "not every session is captured";
	else if (lost != 0)
		fact->note = psprintf("used on %s, when there was no room to record it: guard.max_indexes",
							  timestamptz_to_str(lost));
	else
		fact->seen = GUARD_SEEN_NOT;

	evidence->unread |= use.unreadable || lost != 0;
	if (found)
		evidence->last_write = Max(evidence->last_write, use.last_write);
	return found;
}

/*
 * Is the index one that the server itself may read without a statement?  Apply
 * workers do on a subscriber, and foreign key checks where they bypass the
 * executor.
 */
bool
guard_usage_bypasses_executor(Oid index, bool subscribed)
{
	return subscribed ||
		(guard_compat_fk_checks_bypass_executor &&
		 get_index_ref_constraints(index) != NIL);
}

/*
 * What the server counted for one relation.  "explained" says that capture has
 * watched for as long, and has statements to explain the scans.
 */
static void
collect_counted(GuardEvidence *evidence, Oid relation,
				TimestampTz capture_since, bool captured)
{
	PgStat_StatTabEntry *tab;
	GuardFact  *fact = add_fact(evidence, GUARD_SOURCE_COUNTERS, relation);
	bool		watched;
	bool		covered;
	TimestampTz last;

	if (evidence->departed != NULL)
	{
		fact->seen = evidence->departed->scans > 0 ? GUARD_SEEN_USED : GUARD_SEEN_NOT;
		fact->since = evidence->departed->scans_since;
		fact->count = evidence->departed->scans;
		fact->last = evidence->departed->last_scan;
		return;
	}
	fact->since = evidence->server->counters_since;
	if (!pgstat_track_counts)
	{
		fact->note = "track_counts is off";
		return;
	}
	tab = pgstat_fetch_stat_tabentry(relation);
	fact->count = tab != NULL ? tab->numscans : 0;
	last = tab != NULL ? guard_compat_lastscan(tab) : 0;

	if (fact->count == 0)
	{
		fact->seen = GUARD_SEEN_NOT;
		return;
	}
	watched = capture_since != 0 && !evidence->unread &&
		guard_capture_lost(relation) < fact->since &&
		(capture_since <= fact->since ||
		 (evidence->created_at != 0 && capture_since <= evidence->created_at));
	covered = watched && !guard_usage_bypasses_executor(evidence->index,
														evidence->roles.subscribed);
	if (evidence->shape->exclusion && relation == evidence->index)
	{
		fact->seen = covered ? GUARD_SEEN_NOT : GUARD_SEEN_UNKNOWN;
		fact->note = "its scans may be no more than its enforcement";
		return;
	}
	if (covered)
	{
		fact->seen = GUARD_SEEN_NOT;
		fact->note = captured ?
			"nothing that captured statements do not explain" :
			"no statement explains its scans, so they are the planner's";
		return;
	}
	if (fact->count < guard_guc_min_scans)
	{
		fact->note = "too few scans to tell use from planning";
		return;
	}
	fact->seen = GUARD_SEEN_USED;

	/*
	 * What capture would have seen in any other way is checks, of whatever
	 * key.
	 */
	if (watched && !evidence->roles.subscribed && relation == evidence->index)
	{
		fact->fkey = GUARD_FKEY_ANY;
		guard_causes_fill(evidence, fact);
	}

	/*
	 * The server keeps the date of the last scan only, and that one may have
	 * been this session's, or a planner's.  If capture was already watching
	 * then and saw nobody else, what it does explain hides when the others
	 * came: some time before capture began.
	 */
	if (last != 0 && captured && capture_since != 0 && last >= capture_since)
		fact->last = capture_since;
	else
		fact->last = last;
}

List *
guard_usage_relations(Oid table)
{
	return lcons_oid(table, guard_catalog_indexes(table));
}

/*
 * Add up the aimed uses of a table: its own and those of its indexes.  Returns
 * false where one of them could not be read.
 */
static bool
aimed_uses(Oid table, int64 *count, TimestampTz *last)
{
	bool		readable = true;
	GuardCapturedUse use;

	*count = 0;
	*last = 0;
	foreach_oid(each, guard_usage_relations(table))
	{
		(void) guard_capture_lookup(each, &use);
		*count += use.aimed_count;
		*last = Max(*last, use.last_aimed);
		readable &= !use.unreadable;
	}
	return readable;
}

/*
 * The partitions or inheritance children of the same parent, itself included.
 * Of several parents the first counts.
 */
static List *
find_siblings(const GuardEvidence *evidence)
{
	Oid			parent = evidence->roles.partition_parent;

	if (!OidIsValid(parent))
		parent = guard_catalog_parent(evidence->shape->table);
	return OidIsValid(parent) ? guard_catalog_children(parent) : NIL;
}

/*
 * Does this partition draw clearly more statements than its siblings do, and
 * still?  Statements that visit it along with the others are not counted.
 */
static bool
aimed_at(GuardEvidence *evidence)
{
	Oid			table = evidence->shape->table;
	int64		mine;
	TimestampTz last;
	int64		others = 0;
	int			nothers = 0;

	if (!aimed_uses(table, &mine, &last))
		evidence->unread = true;
	if (mine < AIMED_ENOUGH ||
		evidence->as_of - last >= (int64) guard_guc_quiet_period * USECS_PER_SEC)
		return false;

	/* Detached: there are no siblings any more to compare it with. */
	if (!evidence->roles.is_partition && !evidence->roles.is_inheritance_child)
		return evidence->move.moved && last > evidence->move.at;

	foreach_oid(each, find_siblings(evidence))
	{
		int64		count;

		if (each == table)
			continue;
		(void) aimed_uses(each, &count, &last);
		others += count;
		nothers++;
	}
	return nothers == 0 || mine > AIMED_FACTOR * others / nothers;
}

/*
 * All that is known of the use of an index and, when its table goes, of the
 * table.  Where the whole table goes in one statement each of its indexes is
 * asked; a key that goes before the others answers for them.
 */
void
guard_usage_collect(GuardEvidence *evidence)
{
	TimestampTz capture_since = evidence->server->capture_since;
	Oid			table = evidence->shape->table;
	List	   *others;
	bool		captured;

	captured = collect_captured(evidence, evidence->index, capture_since);
	collect_counted(evidence, evidence->index, capture_since, captured);
	guard_causes_collect(evidence);
	if (!evidence->asked.whole_table)
		return;

	others = evidence->asked.restoring ? guard_usage_relations(table) :
		list_make1_oid(table);
	foreach_oid(other, others)
	{
		if (other == evidence->index)
			continue;
		captured = collect_captured(evidence, other, capture_since);
		collect_counted(evidence, other, capture_since, captured);
	}
}

/*
 * Is it written no more than its siblings are?  A bulk load that touched them
 * all, or the rows of an hour ago, do not make a partition the current one:
 * being written last does, or more often.
 */
static bool
written_like_siblings(GuardEvidence *evidence)
{
	GuardCapturedUse use;

	if (!guard_capture_lookup(evidence->shape->table, &use) ||
		use.write_count >= WRITTEN_OFTEN)
		return false;
	foreach_oid(each, find_siblings(evidence))
	{
		GuardCapturedUse sibling;

		if (each != evidence->shape->table &&
			guard_capture_lookup(each, &sibling) &&
			sibling.last_write >= use.last_write &&
			sibling.write_count >= use.write_count)
			return true;
	}
	return false;
}

/*
 * Is this partition the one that statements aim at, or that rows arrive in?
 * Asked once its roles and moves are known.
 */
void
guard_usage_collect_aim(GuardEvidence *evidence)
{
	if (!evidence->asked.whole_table ||
		(!evidence->roles.is_partition && !evidence->roles.is_inheritance_child &&
		 !evidence->move.detached))
		return;
	evidence->aimed_at |= aimed_at(evidence);
	if (written_like_siblings(evidence))
		evidence->last_write = 0;
}
