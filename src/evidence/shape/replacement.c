/*-------------------------------------------------------------------------
 *
 * replacement.c
 *	  Is there another index that serves in place of one that goes?
 *
 * The candidates are all indexes of one table, found by a scan of pg_index;
 * the table is not opened (see shape.c).  Structure is judged by
 * match.c.  Here it is asked whether queries may use a candidate now.
 *
 * Valid is not enough.  An index that was built without CONCURRENTLY over
 * rows with broken HOT chains has indcheckxmin set, and is passed over by
 * every snapshot that could see an older version of such a row: by all new
 * queries of all sessions, until the last transaction that is older than the
 * index has ended (doc/internals/review.md 6).  One idle transaction
 * with an XID, in whatever database, is enough.  And one that is hidden serves
 * nobody as long as it is.
 *
 * Among several candidates the choice should fall on the one that the planner
 * will use, because it inherits the evidence: the one with fewest keys, and
 * among equals the youngest, for the planner looks at indexes youngest first
 * and keeps the first of equal cost.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#include "evidence/shape/shape.h"
#include "planner/hide/hide.h"
#include "planner/planner.h"
#include "store/store.h"

static guard_replacement_leaving is_leaving = NULL;

void
guard_replacement_set_leaving(guard_replacement_leaving leaving)
{
	is_leaving = leaving;
}

GuardFellows *
guard_fellows_make(List *indexes)
{
	GuardFellows *fellows = palloc0(sizeof(GuardFellows));

	fellows->indexes = indexes;
	list_sort(fellows->indexes, list_oid_cmp);
	return fellows;
}

bool
guard_fellows_have(const GuardFellows *fellows, Oid index)
{
	int			low = 0;
	int			high = fellows != NULL ? list_length(fellows->indexes) : 0;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		Oid			here = list_nth_oid(fellows->indexes, middle);

		if (here == index)
			return true;
		if (here < index)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/*
 * The indexes of a table that stay.  Remembered for the table asked about last,
 * for one statement may name thousands of one table.
 */
static List *
list_staying(Oid table, GuardFellows *fellows)
{
	MemoryContext old;
	ListCell   *lc;

	if (fellows == NULL)
		return guard_catalog_indexes(table);
	if (fellows->table != table)
	{
		old = MemoryContextSwitchTo(GetMemoryChunkContext(fellows));
		list_free(fellows->staying);
		fellows->staying = guard_catalog_indexes(table);
		fellows->table = table;
		foreach(lc, fellows->staying)
		{
			if (guard_fellows_have(fellows, lfirst_oid(lc)))
				fellows->staying = foreach_delete_current(fellows->staying, lc);
		}
		MemoryContextSwitchTo(old);
	}
	return fellows->staying;
}

/*
 * Is this XID older than every XID that is running in another session, of any
 * database?  That is what the planner will compare it with, in snapshots taken
 * after our transaction has ended.  If not, *pid receives the backend with the
 * oldest one; 0 if that is a prepared transaction.
 *
 * A snapshot of our own could not tell: it does not list what is younger than
 * our own XID, but a subtransaction of ours may be younger still.  Hence we
 * look through the processes, with the same exceptions as GetSnapshotData().
 * No lock is needed: an XID that matters is older than the one asked about, so
 * it is there already and can only go away.  On a standby, which has no XIDs
 * of its own, the current snapshot is good enough.
 */
static bool
precedes_all_others(TransactionId xid, int *pid)
{
	TransactionId oldest = InvalidTransactionId;
	int			nprocs;

	*pid = 0;
	if (RecoveryInProgress())
		return TransactionIdPrecedes(xid, TransactionXmin);

	/* entries of prepared transactions stand behind those that are counted */
	nprocs = ProcGlobal->allProcCount + max_prepared_xacts;

	for (int i = 0; i < nprocs; i++)
	{
		PGPROC	   *proc = &ProcGlobal->allProcs[i];
		TransactionId other = proc->xid;

		if (proc == MyProc ||
			(proc->statusFlags & (PROC_IN_LOGICAL_DECODING | PROC_IN_VACUUM)) ||
			!TransactionIdIsNormal(other) ||
			TransactionIdPrecedes(xid, other))
			continue;

		/* the entry of a finished prepared transaction keeps its XID */
		if (!TransactionIdIsInProgress(other))
			continue;

		if (!TransactionIdIsValid(oldest) ||
			TransactionIdPrecedes(other, oldest))
		{
			oldest = other;
			*pid = proc->pid;
		}
	}

	return !TransactionIdIsValid(oldest);
}

/*
 * May queries use this index?  Asked as of the moment when our own
 * transaction has ended: an index that it has made itself is usable if nothing
 * older is running elsewhere.
 *
 * XIDs of subtransactions are compared as they stand.  So does the planner.
 */
static void
check_usable(GuardReplacement *candidate, const GuardShape *shape)
{
	if (!shape->valid || !shape->ready || !shape->live)
		candidate->why_not = "is not valid";
	else if (guard_hide_is_hidden(shape->index))
		candidate->why_not = "is hidden from the planner";
	else if (guard_catalog_hangs_on_temporary(shape->index))
		candidate->why_not = "depends on a temporary object";
	else if (is_leaving != NULL && is_leaving(shape->index))
		candidate->why_not = "is being dropped in stages";
	else if (shape->checkxmin &&
			 !precedes_all_others(shape->xmin, &candidate->blocking_pid))
		candidate->why_not = "is not visible to older transactions yet";
	else
		candidate->usable = true;
}

/*
 * Usable before not usable, twin before serving, fewer keys before more,
 * younger before older.
 */
static bool
is_better(const GuardReplacement *candidate, int candidate_nkeys,
		  const GuardReplacement *best, int best_nkeys)
{
	if (best->match == GUARD_MATCH_NONE)
		return true;
	if (candidate->usable != best->usable)
		return candidate->usable;
	if (candidate->match != best->match)
		return candidate->match > best->match;
	if (candidate_nkeys != best_nkeys)
		return candidate_nkeys < best_nkeys;

	return candidate->index > best->index;
}

/*
 * Let an index that serves take the place of the best one so far, which has
 * *nkeys keys, if it is better.
 */
static void
consider(GuardReplacement *result, int *nkeys, const GuardShape *shape,
		 GuardMatch match)
{
	GuardReplacement candidate;

	memset(&candidate, 0, sizeof(candidate));
	candidate.match = match;
	candidate.index = shape->index;
	candidate.schema = shape->schema;
	candidate.name = shape->name;
	check_usable(&candidate, shape);

	if (is_better(&candidate, shape->nkeys, result, *nkeys))
	{
		*result = candidate;
		*nkeys = shape->nkeys;
	}
}

static void
find_on(const GuardShape *gone, Oid table, GuardFellows *fellows, bool need_unique,
		GuardReplacement *result)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "guard candidates",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			nkeys = 0;

	memset(result, 0, sizeof(GuardReplacement));

	foreach_oid(index, list_staying(table, fellows))
	{
		GuardShape *shape;
		GuardMatch	match;

		if (index == gone->index)
			continue;

		shape = guard_shape_read_to_compare(index);
		if (shape == NULL)
			continue;			/* dropped meanwhile */

		match = guard_shape_match(gone, shape, need_unique);
		if (match != GUARD_MATCH_NONE)
			consider(result, &nkeys, shape, match);
	}
	MemoryContextSwitchTo(old);
	if (result->match != GUARD_MATCH_NONE)
	{
		result->schema = pstrdup(result->schema);
		result->name = pstrdup(result->name);
	}
	MemoryContextDelete(context);
}

/*
 * On a partitioned table it may as well be one of each leaf.
 */
void
guard_replacement_find(const GuardShape *gone, Oid table,
					   GuardFellows *fellows, bool need_unique,
					   GuardReplacement *result)
{
	List	   *children;

	find_on(gone, table, fellows, need_unique, result);
	if ((result->match != GUARD_MATCH_NONE && result->usable) ||
		get_rel_relkind(table) != RELKIND_PARTITIONED_TABLE)
		return;
	children = guard_catalog_children(table);
	foreach_oid(child, children)
	{
		GuardAnswer answer = {.table = child, .view = child, .of = table,
		.written = guard_catalog_columns(table, &answer.nwritten)};
		GuardShape *there;

		memset(result, 0, sizeof(*result));
		if (guard_shape_translate(gone, &answer, &there) != GUARD_TRANSLATED)
			return;
		guard_replacement_find(there, child, fellows, need_unique, result);
		if (result->match == GUARD_MATCH_NONE || !result->usable)
			return;
		result->match = GUARD_MATCH_SERVES;
	}
}

char *
guard_replacement_near_miss(const GuardShape *gone, GuardFellows *fellows,
							bool need_unique, char **name)
{
	char	   *best = NULL;
	int			nearest = 0;

	foreach_oid(index, list_staying(gone->table, fellows))
	{
		GuardShape *shape = index == gone->index ? NULL : guard_shape_read_to_compare(index);
		int			nearness;
		char	   *lacks;

		if (shape == NULL || !shape->valid)
			continue;
		lacks = guard_shape_lacks(gone, shape, need_unique, &nearness);
		if (lacks == NULL || nearness <= nearest)
			continue;
		best = lacks;
		nearest = nearness;
		*name = guard_catalog_name(guard_without_topmost(index));
	}
	return best;
}

bool
guard_replacement_by_plan(const GuardShape *gone, Oid index,
						  GuardReplacement *result)
{
	GuardShape *shape = guard_shape_read(index);
	int			nkeys = 0;

	memset(result, 0, sizeof(GuardReplacement));
	if (shape == NULL)
		return false;
	consider(result, &nkeys, shape, GUARD_MATCH_PLAN);
	result->shape = shape;
	return result->usable;
}
