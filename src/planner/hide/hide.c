/*-------------------------------------------------------------------------
 *
 * hide.c
 *	  Indexes that the planner does not get to see.
 *
 * What is hidden is said by a table, so it is undone with its transaction, and
 * holds after a crash and on standbys.  Each backend keeps a copy of it, by
 * table, since the planner asks for every table of every statement.  A trigger
 * on the registry invalidates the registry and the tables concerned in all
 * backends at commit: the former has this file read it anew, the latter has
 * cached plans made anew, for they know their tables and not their indexes
 * (doc/internals/postgresql.md 3.3, 3.7).
 *
 * The copy holds rows as they were written.  Which index one means now is found
 * out when its table is planned for the first time, and again after every
 * invalidation of that table, which each CREATE, DROP and REINDEX of an index
 * brings.  Partitions are the exception: the tree below a hidden root is
 * expanded when the registry is read, and any invalidation in it has the
 * registry read anew.
 *
 * Everything here fails open: what cannot be read, or be found, is visible.
 * Usually nothing is hidden, and a session that comes learns that from those
 * before it, without a look at the registry (store/store.h).
 *
 * No lock is waited for, since a LOCK TABLE on the registry would otherwise
 * stop the planning of every new session.  There is no PG_TRY, because there
 * can be no subtransaction here; a flag that is found set tells that the last
 * reading failed (doc/internals/postgresql.md 3.5).
 *
 * Where guard is not preloaded nothing is hidden, not even from a session that
 * has loaded it: hidden in one session and visible in another is neither.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/pg_inherits.h"
#include "utils/inval.h"
#include "utils/plancache.h"

#include "planner/hide/hide.h"
#include "planner/planner.h"

/*
 * After so many failures in a row the registry is left alone until it changes.
 * One may have been a cancelled statement.
 */
#define MAX_FAILURES	3

/* A hidden index, or one that belongs to a hidden partitioned index. */
typedef struct HiddenIndex
{
	Oid			index;			/* as it was recorded */
	NameData	name;			/* empty for what was found through its root */
	Oid			current;		/* what that is now; InvalidOid: nothing */
	GuardHidden hidden;
	struct HiddenIndex *next;
} HiddenIndex;

/*
 * A table with hidden indexes; in trees, also the indexes themselves, without
 * any, so that their invalidations are noticed.
 */
typedef struct HiddenEntry
{
	Oid			relation;		/* key */
	bool		in_tree;		/* read the registry anew when it changes */
	bool		resolved;
	HiddenIndex *first;
} HiddenEntry;

static bool preloaded = false;

/* The copy, of HiddenEntry, and where all of it is.  NULL: nothing is hidden. */
static HTAB *copy = NULL;
static MemoryContext copy_context = NULL;
static bool copy_valid = false;
static Oid	copy_extension = InvalidOid;	/* the extension that it was read
											 * for */
static Oid	registry = InvalidOid;
static Oid	objects = InvalidOid;	/* which its rows hang on */

static MemoryContext loading = NULL;	/* of a copy not finished yet */

/* Something was planned while nobody could know what is hidden. */
static bool planned_blindly = false;
static int	failures = 0;

/* See guard_hide_show(). */
static Oid	shown = InvalidOid;

/* ---- invalidation ---- */

/*
 * A relation has changed, or everything has.  While guard is here but its
 * registry is not, any new relation may be it; and while a copy is being made,
 * any may be in it already.
 */
static void
relation_changed(Datum arg, Oid relation)
{
	HiddenEntry *entry;

	if (OidIsValid(registry) && relation == registry)
		guard_presence_may_hide();
	if (!OidIsValid(relation) || !OidIsValid(registry) || relation == registry ||
		relation == objects || loading != NULL)
	{
		copy_valid = false;
		return;
	}
	if (copy == NULL)
		return;
	entry = hash_search(copy, &relation, HASH_FIND, NULL);
	if (entry == NULL)
		return;
	if (entry->in_tree)
		copy_valid = false;
	entry->resolved = false;
}

/*
 * guard.hiding or guard.mode was switched for this session.  Plans that it
 * keeps were made under the other setting.
 */
static void
switched(bool on)
{
	if (preloaded && !(copy_valid && copy == NULL))
		ResetPlanCache();
}

/* ---- reading the registry ---- */

static void
replace_copy(HTAB *fresh, MemoryContext context)
{
	if (copy != NULL)
		MemoryContextDelete(copy_context);
	copy = fresh;
	copy_context = context;
}

static HiddenEntry *
enter(HTAB *fresh, Oid relation, bool in_tree)
{
	bool		found;
	HiddenEntry *entry = hash_search(fresh, &relation, HASH_ENTER,
									 &found);

	if (!found)
	{
		entry->in_tree = false;
		entry->resolved = false;
		entry->first = NULL;
	}
	entry->in_tree |= in_tree;
	return entry;
}

/*
 * Put an index in.  "row" is the one that hides it, "root" the index that this
 * means.
 */
static void
put_index(HTAB *fresh, Oid table, Oid index, const GuardHideRow *row,
		  Oid root)
{
	HiddenEntry *entry = enter(fresh, table, row->partitioned);
	HiddenIndex *hidden = MemoryContextAllocZero(loading,
												 sizeof(HiddenIndex));

	hidden->index = index;
	if (!row->partitioned)
		namestrcpy(&hidden->name, row->object->name);
	hidden->hidden.root = root;
	hidden->hidden.since = row->since;
	hidden->hidden.by_hand = row->by_hand;
	hidden->next = entry->first;
	entry->first = hidden;
}

/*
 * A partitioned index, and all below it.  Where it is not to be found, its
 * table is watched for its coming.
 */
static void
put_tree(HTAB *fresh, const GuardHideRow *row)
{
	Oid			root = guard_identity_resolve(row->object);

	enter(fresh, row->object->table, true);
	if (!OidIsValid(root))
		return;
	foreach_oid(each, find_all_inheritors(root, NoLock, NULL))
	{
		Oid			table = IndexGetRelation(each, true);

		enter(fresh, each, true);
		if (OidIsValid(table))
			put_index(fresh, table, each, row, root);
	}
}

/*
 * Read all rows.  SnapshotSelf leaves no SIREAD lock in a serializable
 * transaction.  It may miss a row that is being updated meanwhile, but then an
 * invalidation is on its way.
 */
static void
read_rows(Relation rel, HTAB *fresh)
{
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf,
										  0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		GuardHideRow row;

		if (!guard_hide_read_row(tuple, RelationGetDescr(rel), &row))
			continue;
		if (row.partitioned)
			put_tree(fresh, &row);
		else
			put_index(fresh, row.object->table, row.object->index, &row,
					  row.object->index);
	}
	systable_endscan(scan);
}

/*
 * Nothing is hidden: tell the sessions that come, so that they need not look,
 * if nobody is about to change that.  Not on a standby, where there is no such
 * lock.
 */
static void
tell_nothing_hidden(Oid extension)
{
	Relation	rel;

	if (RecoveryInProgress() ||
		!ConditionalLockRelationOid(registry, ShareLock))
		return;
	rel = try_relation_open(registry, NoLock);
	if (rel != NULL)
	{
		SysScanDesc scan = systable_beginscan(rel, InvalidOid, false,
											  SnapshotSelf, 0, NULL);

		if (!HeapTupleIsValid(systable_getnext(scan)))
			guard_presence_tell_hides_nothing(extension, registry);
		systable_endscan(scan);
		relation_close(rel, NoLock);
	}
	UnlockRelationOid(registry, ShareLock);
}

/*
 * Replace the copy by what the registry says now.  Returns false, leaving the
 * copy as it is, when the registry is locked.
 */
static bool
load(Oid extension)
{
	Relation	rel = NULL;
	HTAB	   *fresh;

	registry = guard_store_matches() ? guard_store_table(GUARD_HIDE_TABLE) :
		InvalidOid;
	objects = OidIsValid(registry) ? guard_store_table("object") : InvalidOid;
	if (OidIsValid(objects))
	{
		if (!ConditionalLockRelationOid(objects, AccessShareLock))
			return false;
		if (!ConditionalLockRelationOid(registry, AccessShareLock))
		{
			UnlockRelationOid(objects, AccessShareLock);
			return false;
		}
		rel = try_relation_open(registry, NoLock);
		if (rel == NULL)
			UnlockRelationOid(registry, AccessShareLock);
	}

	if (loading != NULL)
		MemoryContextDelete(loading);
	loading = AllocSetContextCreate(TopMemoryContext, "guard hidden indexes",
									ALLOCSET_SMALL_SIZES);

	/* Set first: an invalidation that arrives meanwhile must not be lost. */
	copy_valid = true;
	copy_extension = extension;

	fresh = guard_hash_make("guard hidden indexes", sizeof(Oid), sizeof(HiddenEntry),
							loading);
	if (rel != NULL)
	{
		read_rows(rel, fresh);
		table_close(rel, AccessShareLock);
	}
	if (OidIsValid(objects))
		UnlockRelationOid(objects, AccessShareLock);
	if (hash_get_num_entries(fresh) == 0)
	{
		MemoryContextDelete(loading);
		fresh = NULL;
	}
	failures = 0;
	replace_copy(fresh, loading);
	loading = NULL;
	if (planned_blindly)
	{
		planned_blindly = false;
		ResetPlanCache();
	}
	if (rel != NULL && fresh == NULL)
		tell_nothing_hidden(extension);
	return true;
}

/*
 * Nothing is hidden: there is nothing to read, or it was not to be read.
 */
static void
take_nothing_for_hidden(Oid extension)
{
	if (loading != NULL)
		MemoryContextDelete(loading);
	loading = NULL;
	failures = 0;
	replace_copy(NULL, NULL);
	copy_valid = true;
	copy_extension = extension;
}

/*
 * The registry could not be read, again and again.  Nothing is hidden then,
 * until it changes.
 */
static void
give_up(Oid extension)
{
	take_nothing_for_hidden(extension);
	ereport(WARNING,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("guard could not read which indexes are hidden"),
			 errdetail("The planner of this session sees all of them.")));
}

/*
 * See that the copy is what the registry says.  Returns false when that cannot
 * be known.
 */
static bool
make_current(void)
{
	Oid			extension = guard_store_extension();
	Oid			empty = InvalidOid;

	if (copy_valid && copy_extension == extension)
		return true;
	if (OidIsValid(extension))
		empty = guard_presence_hides_nothing(extension);
	if (!OidIsValid(extension) || OidIsValid(empty))
	{
		registry = empty;
		planned_blindly = false;
		take_nothing_for_hidden(extension);
		return true;
	}
	if (loading != NULL && ++failures >= MAX_FAILURES)
	{
		give_up(extension);
		return false;
	}
	return load(extension);
}

/* ---- looking up ---- */

/*
 * The entry of a table with hidden indexes, resolved; NULL when it has none.
 */
static HiddenEntry *
find_entry(Oid table)
{
	HiddenEntry *entry;

	if (copy == NULL)
		return NULL;
	entry = hash_search(copy, &table, HASH_FIND, NULL);
	if (entry == NULL || entry->resolved)
		return entry;

	entry->resolved = true;		/* first, as above */
	for (HiddenIndex *hidden = entry->first; hidden != NULL; hidden = hidden->next)
	{
		hidden->current = guard_identity_index(table, hidden->index,
											   NameStr(hidden->name));
		if (NameStr(hidden->name)[0] != '\0')
			hidden->hidden.root = hidden->current;
	}
	return entry;
}

/*
 * An index may be hidden by itself and through several roots as well.  Its own
 * row counts most.
 */
static HiddenIndex *
find_index(HiddenEntry *entry, Oid index)
{
	HiddenIndex *found = NULL;

	if (entry == NULL)
		return NULL;
	for (HiddenIndex *hidden = entry->first; hidden != NULL; hidden = hidden->next)
	{
		if (hidden->current == index &&
			(found == NULL || hidden->hidden.root == index))
			found = hidden;
	}
	return found;
}

/*
 * What enforces something is left in the list, though it cannot be hidden: an
 * index of the same name may have taken the place of one that could.
 */
static void
take_out_hidden(RelOptInfo *rel, Oid heap)
{
	HiddenEntry *entry;
	ListCell   *lc;

	if (!guard_hide_is_effective())
		return;
	/* The usual case: it is known that nothing is hidden. */
	if (likely(copy == NULL && copy_valid &&
			   copy_extension == guard_store_extension()))
		return;
	if (IsBinaryUpgrade || HistoricSnapshotActive())
		return;
	if (!make_current())
		planned_blindly = true;
	entry = find_entry(heap);
	if (entry == NULL)
		return;
	foreach(lc, rel->indexlist)
	{
		IndexOptInfo *info = lfirst(lc);
		HiddenIndex *hidden = info->unique ? NULL : find_index(entry, info->indexoid);

		if (hidden != NULL &&
			(likely(!OidIsValid(shown)) || hidden->hidden.root != shown))
			rel->indexlist = foreach_delete_current(rel->indexlist, lc);
	}
}

/* ---- see hide.h ---- */

bool
guard_hide_find(Oid index, GuardHidden *hidden)
{
	Oid			table = IndexGetRelation(index, true);
	HiddenEntry *entry;
	HiddenIndex *found;

	if (!OidIsValid(table))
		return false;
	(void) make_current();
	entry = find_entry(table);
	found = find_index(entry, index);
	if (found == NULL)
		return false;
	*hidden = found->hidden;
	for (HiddenIndex *other = entry->first; other != NULL; other = other->next)
	{
		if (other->current == index)
			hidden->since = Min(hidden->since, other->hidden.since);
	}
	return true;
}

bool
guard_hide_is_hidden(Oid index)
{
	GuardHidden hidden;

	return guard_hide_find(index, &hidden);
}

void
guard_hide_show(Oid root)
{
	shown = root;
}

bool
guard_hide_is_current(void)
{
	return make_current();
}

int
guard_hide_count(void)
{
	HASH_SEQ_STATUS status;
	HiddenEntry *entry;
	List	   *relations = NIL;
	int			count = 0;

	(void) make_current();
	if (copy == NULL)
		return 0;

	/* Resolving must not happen in the middle of a hash scan. */
	hash_seq_init(&status, copy);
	while ((entry = hash_seq_search(&status)) != NULL)
		relations = lappend_oid(relations, entry->relation);
	foreach_oid(each, relations)
	{
		entry = find_entry(each);
		for (HiddenIndex *hidden = entry->first; hidden != NULL; hidden = hidden->next)
			count += OidIsValid(hidden->current) &&
				find_index(entry, hidden->current) == hidden;
	}
	return count;
}

bool
guard_hide_is_preloaded(void)
{
	return preloaded;
}

bool
guard_hide_is_effective(void)
{
	return preloaded && guard_guc_hiding && guard_guc_mode != GUARD_MODE_OFF;
}

/*
 * One callback for each backend, for there is room for ten in all of them
 * together (doc/internals/postgresql.md 3.8).
 */
void
guard_hide_init(void)
{
	preloaded = process_shared_preload_libraries_in_progress;
	guard_guc_set_hiding_switched(switched);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	guard_indexlist_register(take_out_hidden);
}
