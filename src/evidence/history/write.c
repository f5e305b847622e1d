/*-------------------------------------------------------------------------
 *
 * write.c
 *	  Writing down what happened since the last time.
 *
 * One pass compares what the server has counted and what capture has recorded
 * with what was written down before.  Only what has moved is written, in one
 * statement for all of it; where nothing has, the pass costs one look at each
 * relation and writes a row or two of epochs.
 *
 * Counters are kept as they were, and compared; a counter that went backwards
 * began anew.  Of capture the state of the present segment is kept beside the
 * sum of all before it: so nothing is counted twice when a snapshot is lost,
 * and what a segment knew at the last snapshot before a crash is not lost.
 *
 * Nobody waits for a snapshot, and it waits for nobody: two of them exclude each
 * other by a lock on the extension that is taken conditionally, a locked table
 * of ours puts it off, and a row that somebody's DDL has locked is left alone
 * until the next time.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "storage/lock.h"

#include "evidence/history/history.h"
#include "evidence/needs/needs.h"
#include "planner/capture/departed.h"

/* Tells our lock on the extension from PostgreSQL's own. */
#define SNAPSHOT_LOCK	1

/* A clock that went back may leave this much behind. */
#define CLOCK_TOLERANCE	USECS_PER_HOUR

/* This many statements that only write are use. */
#define FILLED_OFTEN	20

/* A relation, and by which columns checks of it are, 0: all other uses. */
typedef struct KnownKey
{
	uint64		fkey;
	uint64		relation;		/* without padding */
} KnownKey;

/* One relation that guard knows something of, or is about to. */
typedef struct Known
{
	KnownKey	key;			/* hash key */
	bool		stored;
	bool		committed;		/* not by this transaction */
	bool		present;		/* seen in pg_class */
	bool		moved;			/* its row was another OID's until now */
	bool		captured;		/* capture has a record */
	GuardKnownUse use;
	GuardCapturedUse now;
} Known;

/* One snapshot at work. */
typedef struct Snapshotting
{
	GuardEpochs *epochs;
	TimestampTz now;
	TimestampTz counted_at;		/* the last one in this epoch of the counters;
								 * 0: there was none */
	bool		first;			/* nothing was ever written down */
	HTAB	   *known;
	GuardHistoryRows *rows;
	List	   *gone;			/* ids */
} Snapshotting;

static bool lock_out_others(void);
static void read_known_uses(Snapshotting *snap);
static void find_lost(Snapshotting *snap);
static void walk_relations(Snapshotting *snap,
						   void (*work) (Snapshotting *, Form_pg_class));
static void look_at_relation(Snapshotting *snap, Form_pg_class form);
static void look_at_checks(Snapshotting *snap);
static void look_at(Snapshotting *snap, Known *known, int64 scans,
					TimestampTz last_scan, const char *name);

bool
guard_history_snapshot(void)
{
	Snapshotting snap = {0};

	if (guard_guc_mode == GUARD_MODE_OFF || !guard_store_present() ||
		RecoveryInProgress() || XactReadOnly || !lock_out_others())
		return false;

	pgstat_clear_snapshot();
	snap.epochs = guard_epochs_read();
	if (!snap.epochs->known)
		return false;
	snap.now = snap.epochs->now;
	snap.first = !snap.epochs->recorded;
	if (snap.epochs->counters != NULL && snap.epochs->counters->stored)
		snap.counted_at = snap.epochs->counters->stored_seen_at;
	snap.rows = guard_history_rows_make();

	guard_gone_snapshot();
	guard_moved_snapshot();
	guard_identity_snapshot(snap.now - (int64) guard_guc_history_retention * USECS_PER_SEC);
	guard_evidence_refresh();
	guard_query_execute("SELECT guard.forget_predecessors()");
	read_known_uses(&snap);
	find_lost(&snap);
	walk_relations(&snap, look_at_relation);
	look_at_checks(&snap);
	guard_history_rows_delete(snap.gone);
	guard_history_rows_write(snap.rows);
	guard_history_statements(snap.now, guard_history_last_snapshot());
	guard_history_prune(snap.epochs);
	guard_history_rows_epochs(snap.epochs);
	return true;
}

/*
 * Take the lock that keeps two snapshots apart, until the transaction ends, and
 * see to it that none of our tables makes us wait.
 */
static bool
lock_out_others(void)
{
	static const char *const tables[] = {"object", "evidence_epoch",
		"known_use", "hourly_use", "statement_hour", "statement_rate", "departed",
	"moved_table", "profile"};
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId,
					   guard_store_extension(), SNAPSHOT_LOCK);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	for (int i = 0; i < lengthof(tables); i++)
	{
		Oid			table = guard_store_table(tables[i]);

		if (!OidIsValid(table) ||
			!ConditionalLockRelationOid(table, RowExclusiveLock))
			return false;
	}
	return true;
}

/* ----------------------------------------------------------------
 *		What is known, and what is there
 * ----------------------------------------------------------------
 */

static Known *
enter(Snapshotting *snap, Oid relation, uint64 fkey)
{
	KnownKey	key = {fkey, relation};
	bool		found;
	Known	   *known = hash_search(snap->known, &key, HASH_ENTER, &found);

	if (!found)
	{
		memset(known, 0, sizeof(Known));
		known->key = key;
		known->use.relation = relation;
		known->use.fkey = fkey;
		known->use.pause = known->use.seg_pause = known->use.alone_pause = -1;
	}
	return known;
}

/*
 * A row of guard.known_use.  Two may mean one relation, rebuilt: one of them
 * goes.
 */
static void
take_stored(Snapshotting *snap, const GuardRows *rows)
{
	GuardKnownUse use;
	Known	   *known;

	guard_record_read(guard_history_columns, GUARD_HISTORY_COLUMNS, rows, &use);
	known = enter(snap, use.relation, use.fkey);
	if (known->stored)
		snap->gone = lappend_int(snap->gone, use.id);
	else
		known->use = use;
	known->stored = true;
	known->committed =
		!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(rows->tuple->t_data));
}

/*
 * Has it been filled by a few statements and never read?  That is nobody's
 * traffic (see usage.c).
 */
static bool
only_filled(const GuardCapturedUse *use)
{
	int64		count = use->count + use->own_count;

	return count < FILLED_OFTEN && use->write_count >= count;
}

/*
 * Does capture know no more than what was written down, by a transaction that
 * has committed?
 */
static bool
is_saved(const Known *known)
{
	return !known->captured || (known->committed &&
								known->use.segment == known->now.made &&
								known->use.seg_uses == known->now.count + known->now.own_count);
}

/*
 * What capture knows of one relation, in the list from "at" on; returns where
 * the next one begins.  If all of that was written down, its record may make
 * room for another.
 */
static int
take_captured(Snapshotting *snap, List *uses, int at)
{
	Oid			relation = ((GuardCapturedUse *) list_nth(uses, at))->relation;
	int64		count = 0;
	bool		saved = true;

	for (; at < list_length(uses); at++)
	{
		GuardCapturedUse *use = list_nth(uses, at);
		Known	   *known;

		if (use->relation != relation)
			break;
		known = enter(snap, relation, use->fkey);
		known->captured = use->last_any != 0 && !only_filled(use);
		known->now = *use;
		count += use->count + use->own_count;
		saved &= is_saved(known);
	}
	if (saved)
		guard_capture_saved(relation, count);
	return at;
}

/*
 * What was written down, and what capture knows now, by relation.
 */
static void
read_known_uses(Snapshotting *snap)
{
	GuardRows  *rows = guard_rows_of_table("known_use");
	List	   *uses;

	snap->known = guard_hash_make("guard known uses", sizeof(KnownKey), sizeof(Known),
								  CurrentMemoryContext);
	while (rows != NULL && guard_rows_next(rows))
		take_stored(snap, rows);
	uses = guard_capture_relations(false);
	for (int at = 0; at < list_length(uses);)
		at = take_captured(snap, uses, at);
}

/*
 * Is it of a kind whose use counts?  The system's own relations, temporary ones
 * and guard's are left out.
 */
static bool
is_observed(Form_pg_class form, Oid own_schema)
{
	return (form->relkind == RELKIND_INDEX || form->relkind == RELKIND_RELATION ||
			form->relkind == RELKIND_MATVIEW) &&
		form->oid >= FirstNormalObjectId &&
		form->relpersistence != RELPERSISTENCE_TEMP &&
		form->relnamespace != own_schema &&
		!IsToastNamespace(form->relnamespace);
}

/*
 * Call "work" for each relation whose use counts.
 */
static void
walk_relations(Snapshotting *snap, void (*work) (Snapshotting *, Form_pg_class))
{
	Oid			own_schema = get_namespace_oid("guard", true);
	GuardRows  *rows = guard_rows_of_catalog(RelationRelationId, InvalidOid);

	while (guard_rows_next(rows))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(rows->tuple);

		if (is_observed(form, own_schema))
			work(snap, form);
	}
}

static void
note_present(Snapshotting *snap, Form_pg_class form)
{
	KnownKey	key = {0, form->oid};
	Known	   *known = hash_search(snap->known, &key, HASH_FIND, NULL);

	if (known != NULL)
		known->present = true;
}

/*
 * A row's relation is not there any more: it was dropped while nobody looked,
 * or rebuilt under another OID.  The name tells (doc/internals/postgresql.md
 * 3.9); the row becomes the new one's then.
 */
static void
follow_lost(Snapshotting *snap, const Known *lost)
{
	Oid			nsp = get_rel_namespace(lost->use.table);
	Oid			successor = OidIsValid(nsp) ?
		get_relname_relid(NameStr(lost->use.name), nsp) : InvalidOid;
	Known	   *heir;

	/* guard_gone_snapshot() sees to it. */
	if (guard_departed_have(lost->use.relation))
		return;
	if (!OidIsValid(successor) ||
		IndexGetRelation(successor, true) != lost->use.table ||
		(heir = enter(snap, successor, lost->use.fkey))->stored)
	{
		snap->gone = lappend_int(snap->gone, lost->use.id);
		return;
	}
	heir->use = lost->use;
	heir->use.relation = successor;
	heir->stored = true;
	heir->moved = true;
}

static void
find_lost(Snapshotting *snap)
{
	List	   *lost = NIL;
	HASH_SEQ_STATUS status;
	Known	   *known;

	walk_relations(snap, note_present);
	hash_seq_init(&status, snap->known);
	while ((known = hash_seq_search(&status)) != NULL)
	{
		if (known->key.fkey != 0)
			known->present = get_rel_relkind(known->use.relation) != '\0';
		if (known->stored && !known->present)
			lost = lappend(lost, known);
	}
	foreach_ptr(Known, each, lost)
		follow_lost(snap, each);
}

static void
look_at_relation(Snapshotting *snap, Form_pg_class form)
{
	PgStat_StatTabEntry *tab = pgstat_track_counts ?
		pgstat_fetch_stat_tabentry(form->oid) : NULL;
	int64		scans = tab != NULL ? tab->numscans : 0;
	KnownKey	key = {0, form->oid};
	Known	   *known = hash_search(snap->known, &key, HASH_FIND, NULL);

	if (known == NULL && scans == 0)
		return;
	if (known == NULL)
		known = enter(snap, form->oid, 0);
	if (!known->stored)
		known->use.table = form->relkind == RELKIND_INDEX ?
			IndexGetRelation(form->oid, true) : form->oid;
	look_at(snap, known, scans, tab != NULL ? guard_compat_lastscan(tab) : 0,
			NameStr(form->relname));
}

/*
 * What indexes are needed for, and checks that foreign keys made by them; by which they read tables does not
 * matter to anybody.
 */
static void
look_at_checks(Snapshotting *snap)
{
	HASH_SEQ_STATUS status;
	Known	   *known;

	hash_seq_init(&status, snap->known);
	while ((known = hash_seq_search(&status)) != NULL)
	{
		Oid			table = known->key.fkey == 0 ? InvalidOid :
			IndexGetRelation(known->use.relation, true);

		if (guard_capture_way(known->key.fkey) == GUARD_WAY_REFRESH && known->present)
			table = known->use.relation;
		if (!OidIsValid(table))
			continue;
		known->use.table = table;
		look_at(snap, known, 0, 0, get_rel_name(known->use.relation));
	}
}

/* ----------------------------------------------------------------
 *		One relation
 * ----------------------------------------------------------------
 */

static bool
same_day(TimestampTz a, TimestampTz b)
{
	return a / USECS_PER_DAY == b / USECS_PER_DAY;
}

/*
 * What a clock that was ahead has dated into the future happened by now, and a
 * pause that ended there was none.
 */
static void
repair_clock(GuardKnownUse *use, TimestampTz now)
{
	if (use->last > now + CLOCK_TOLERANCE)
		use->last = now;
	if (use->alone_last > now + CLOCK_TOLERANCE)
	{
		use->alone_last = now;
		use->alone_pause = -1;
	}
	if (use->pause_ended > now + CLOCK_TOLERANCE)
	{
		use->pause = -1;
		use->pause_ended = 0;
	}
}

/*
 * Bring what is known up to what capture sees.  Returns the number of uses
 * since the last snapshot.
 */
static int64
add_captured(Snapshotting *snap, Known *known)
{
	GuardKnownUse *use = &known->use;
	const GuardCapturedUse *now = &known->now;
	int64		count = now->count + now->own_count;
	TimestampTz last = Min(now->last_any, snap->now + CLOCK_TOLERANCE);
	int64		grown;

	guard_history_fold(use, now->made, snap->epochs);
	if (!known->captured)
		return 0;
	grown = Max(count - use->seg_uses, 0);
	if (grown > 0 && (use->days == 0 ||
					  !same_day(Max(use->last, use->seg_last), last)))
		use->days++;
	use->segment = now->made;
	use->seg_first = now->first;
	use->seg_last = last;
	use->seg_uses = count;
	use->seg_pause = now->longest_pause;
	return grown;
}

/*
 * Was capture there to explain what the counters counted since "from"?
 */
static bool
explained(Snapshotting *snap, const Known *known, TimestampTz from)
{
	const GuardEpoch *capture = snap->epochs->capture;

	return capture != NULL && capture->since <= from &&
		guard_capture_lost(known->use.relation) < from &&
		!guard_usage_bypasses_executor(known->use.relation,
									   guard_needs_subscribed(known->use.table));
}

/*
 * Bring what is known up to what the server has counted.  Returns the number
 * of scans since the last snapshot.
 *
 * The first time that a server is looked at, its counter says nothing of what
 * was there before: after a failover it has counted other traffic.
 */
static int64
add_counted(Snapshotting *snap, Known *known, int64 scans, TimestampTz last_scan)
{
	const GuardEpoch *epoch = snap->epochs->counters;
	GuardKnownUse *use = &known->use;
	bool		same = use->counters_mark == epoch->mark;
	TimestampTz from = snap->counted_at != 0 ? snap->counted_at : epoch->since;
	int64		grown;

	if (!same && (strcmp(epoch->began, "failover") == 0 ||
				  strcmp(epoch->began, "server") == 0))
		grown = 0;
	else
		grown = scans >= use->scans ? scans - use->scans : scans;
	use->counters_mark = epoch->mark;
	use->scans = scans;
	if (grown > 0 && !explained(snap, known, from))
	{
		TimestampTz at = last_scan > from ? Min(last_scan, snap->now) : snap->now;

		if (use->alone_last == 0 || !same_day(use->alone_last, at))
			use->alone_days++;
		if (use->alone_last != 0 && at > use->alone_last)
			use->alone_pause =
				Max(use->alone_pause, at - use->alone_last -
					guard_epochs_unobserved(snap->epochs, GUARD_WATCH_BOTH,
											use->alone_last, at));
		use->alone += grown;
		use->alone_last = at;
		if (use->alone_first == 0)
			use->alone_first = at;
	}
	return grown;
}

/*
 * Has anything happened?  Then note it for writing.
 */
static void
look_at(Snapshotting *snap, Known *known, int64 scans, TimestampTz last_scan,
		const char *name)
{
	GuardKnownUse before = known->use;
	GuardKnownUse *use = &known->use;
	int64		used;
	int64		scanned = 0;

	repair_clock(use, snap->now);
	used = add_captured(snap, known);
	if (snap->epochs->counters != NULL && known->key.fkey == 0)
		scanned = add_counted(snap, known, scans, last_scan);
	namestrcpy(&use->name, name);
	if (used > 0)
		use->services = guard_services_of(known->use.relation, known->key.fkey);
	if (known->stored && !known->moved && used == 0 && scanned == 0 &&
		use->last == before.last && use->alone_last == before.alone_last &&
		use->pause == before.pause &&
		use->segment == before.segment && use->scans == before.scans &&
		use->counters_mark == before.counters_mark &&
		strcmp(NameStr(before.name), name) == 0)
		return;
	if (!known->stored && use->seg_uses == 0 && use->scans == 0)
		return;
	guard_history_rows_use(snap->rows, use);

	/* What was counted before guard first looked happened at no known hour. */
	if (!snap->first && known->key.fkey == 0 && (used > 0 || scanned > 0))
		guard_history_rows_hour(snap->rows, use,
								used > 0 ? use->seg_last : snap->now,
								scanned, used);
}
