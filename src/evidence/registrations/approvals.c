/*-------------------------------------------------------------------------
 *
 * approvals.c
 *	  A person's "this once": who let whom drop an index.
 *
 * An approval is used up exactly once, however many sessions drop at the same
 * time.  It is used up in the transaction that drops, so that a rollback gives
 * it back, and a drop that is done has used it up.
 *
 * Nothing may be written before DROP INDEX CONCURRENTLY, not even a row lock
 * (doc/internals/postgresql.md 1.8), and at its end it is too late: it has
 * committed twice, and an error leaves an index that nobody can use.  But the
 * first of its transactions takes the index away from the planner, and from
 * then on there is no way back: so the row is written when that one commits.
 * Either both have happened or neither, whoever is cancelled or crashes.
 *
 * From the verdict on until the row is written, a lock on the approval as an
 * object keeps other sessions away.  It is the transaction's, and assigns no
 * transaction ID.  Nobody waits for it: who does not get it has no approval.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "evidence/evidence.h"
#include "evidence/registrations/registration.h"
#include "store/store.h"
#include "store/xact.h"

/* guard.approval, beside the columns of every registry */
#define APPROVAL_REASON		4
#define APPROVAL_BY			5
#define APPROVAL_AT			6
#define APPROVAL_ID			11
#define APPROVAL_UNTIL		12
#define APPROVAL_USED_AT	13

/* An approval that this transaction has claimed, and not used up yet. */
typedef struct Claim
{
	GuardXactItem item;
	GuardApproval approval;		/* no more than is needed to use it up */
	bool		due;			/* PostgreSQL drops the index */
} Claim;

static GuardXactList claims = GUARD_XACT_LIST_INIT(claims);

/* ---- reading ---- */

/*
 * Was this approval used up by the running transaction?  Then it stands for
 * whatever else of its table goes.  A row that only followed a rename may be
 * the transaction's as well, but bears an earlier date.
 */
static bool
used_by_us(HeapTuple tuple, TimestampTz used_at)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)) &&
		used_at >= GetCurrentTransactionStartTimestamp();
}

static bool
is_usable(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		used_at = heap_getattr(tuple, APPROVAL_USED_AT, desc, &isnull);

	return isnull || used_by_us(tuple, DatumGetTimestampTz(used_at));
}

/* What is looked for in guard.approval. */
typedef struct Search
{
	GuardEvidence *evidence;
	const GuardTarget *target;
} Search;

/*
 * Is it for what goes?  What was approved for a parent does not stand for a
 * partition that goes alone.
 */
static bool
covers(const GuardRegistration *reg, const Search *search)
{
	Oid			table = search->evidence->shape->table;
	bool		inherited;

	if (!guard_registration_covers(reg, search->evidence->index, table, &inherited))
		return false;
	if (!inherited)
		return true;
	if (reg->index != NULL)
		return guard_registration_index(reg) == search->target->index;
	return search->evidence->asked.parent_goes ||
		IndexGetRelation(search->target->index, true) == guard_registration_table(reg);
}

/*
 * Of several approvals, one that has not expired, then one by somebody else.
 */
static bool
is_better(const GuardApproval *a, const GuardApproval *b, TimestampTz now)
{
	if (b->id == 0)
		return true;
	if ((a->valid_until > now) != (b->valid_until > now))
		return a->valid_until > now;
	if (a->own != b->own)
		return !a->own;
	return a->approved_at > b->approved_at;
}

static bool
read_approval(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Search	   *search = arg;
	GuardRegistration reg;
	GuardApproval found = {0};
	bool		isnull;

	guard_registration_read(tuple, desc, &reg);
	if (!is_usable(tuple, desc) || !covers(&reg, search))
		return true;
	found.id = DatumGetInt32(heap_getattr(tuple, APPROVAL_ID, desc, &isnull));
	found.reason = TextDatumGetCString(heap_getattr(tuple, APPROVAL_REASON, desc,
													&isnull));
	found.approved_by = pstrdup(NameStr(*DatumGetName(heap_getattr(tuple, APPROVAL_BY,
																   desc, &isnull))));
	found.approved_at = DatumGetTimestampTz(heap_getattr(tuple, APPROVAL_AT, desc,
														 &isnull));
	found.valid_until = DatumGetTimestampTz(heap_getattr(tuple, APPROVAL_UNTIL,
														 desc, &isnull));
	found.asked_by = search->target->asked_by != NULL ? search->target->asked_by :
		GetUserNameFromId(GetSessionUserId(), false);
	found.own = strcmp(found.approved_by, found.asked_by) == 0;
	if (is_better(&found, &search->evidence->approval, search->evidence->as_of))
		search->evidence->approval = found;
	return true;
}

/*
 * Where the table cannot be read there is no approval.
 */
void
guard_approvals_collect(GuardEvidence *evidence)
{
	Search		search = {evidence, evidence->target};

	(void) guard_store_scan("approval", NULL, 0, InvalidOid, read_approval,
							&search);
}

/* ---- giving and taking back ---- */

/*
 * What was used up is history and keeps the names of its day.
 */
void
guard_approvals_refresh(void)
{
	guard_registration_refresh("approval", APPROVAL_USED_AT, " AND used_at IS NULL");
}

void
guard_approvals_add(Oid relation, const char *reason, TimestampTz valid_until)
{
	NameData	names[3];
	Datum		values[REGISTRY_PARAMETERS + 2];
	char		nulls[REGISTRY_PARAMETERS + 3] = "         ";
	Oid			types[] = {REGISTRY_TYPES, TEXTOID, TIMESTAMPTZOID};

	guard_approvals_refresh();
	guard_registration_identify(relation, values, nulls, names);
	values[REGISTRY_PARAMETERS] = CStringGetTextDatum(reason);
	values[REGISTRY_PARAMETERS + 1] = TimestampTzGetDatum(valid_until);
	guard_store_execute("DELETE FROM guard.approval"
						" WHERE (table_oid OPERATOR(pg_catalog.=) $1"
						"  AND index_oid IS NOT DISTINCT FROM $2"
						"  AND used_at IS NULL"
						"  AND approved_by OPERATOR(pg_catalog.=) session_user)"
						" OR valid_until OPERATOR(pg_catalog.<) (clock_timestamp() OPERATOR(pg_catalog.-) interval '30 days')",
						2, &types[5], &values[5], &nulls[5]);
	guard_store_execute("INSERT INTO guard.approval"
						" VALUES ($1, $2, $3, $8, session_user, clock_timestamp(),"
						" $4, $5, $6, $7, DEFAULT, $9)",
						lengthof(types), types, values, nulls);
}

bool
guard_approvals_revoke(Oid relation)
{
	NameData	names[3];
	Datum		values[REGISTRY_PARAMETERS];
	char		nulls[REGISTRY_PARAMETERS + 1] = "       ";
	Oid			types[] = {REGISTRY_TYPES};

	guard_approvals_refresh();
	guard_registration_identify(relation, values, nulls, names);
	return guard_store_execute("DELETE FROM guard.approval"
							   " WHERE table_oid OPERATOR(pg_catalog.=) $1"
							   " AND index_oid IS NOT DISTINCT FROM $2"
							   " AND used_at IS NULL",
							   2, &types[5], &values[5], &nulls[5]) > 0;
}

/* ---- using up ---- */

/*
 * Keep other sessions away, if nobody does.
 */
static bool
take_lock(int32 id)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, guard_store_table("approval"),
					   (Oid) id, 0);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* A question about one row, and its answer. */
typedef struct StillUsable
{
	int32		id;
	bool		usable;
	bool		used;			/* by the running transaction */
} StillUsable;

/*
 * Is another transaction using it up, or taking it back?  One that was
 * prepared has no session to hold the lock.
 */
static bool
is_being_changed(HeapTuple tuple)
{
	TransactionId xmax = HeapTupleHeaderGetRawXmax(tuple->t_data);

	if (tuple->t_data->t_infomask & HEAP_XMAX_INVALID)
		return false;
	return (tuple->t_data->t_infomask & HEAP_XMAX_IS_MULTI) ||
		(!TransactionIdIsCurrentTransactionId(xmax) && TransactionIdIsInProgress(xmax));
}

static bool
look_again(HeapTuple tuple, TupleDesc desc, void *arg)
{
	StillUsable *answer = arg;
	bool		isnull;

	if (DatumGetInt32(heap_getattr(tuple, APPROVAL_ID, desc, &isnull)) != answer->id)
		return true;
	answer->usable = is_usable(tuple, desc) && !is_being_changed(tuple);
	(void) heap_getattr(tuple, APPROVAL_USED_AT, desc, &isnull);
	answer->used = answer->usable && !isnull;
	return false;
}

/*
 * Returns false, without having waited, where another transaction has it.
 */
static bool
write_use(const GuardApproval *approval)
{
	Oid			types[] = {INT4OID, TEXTOID};
	Datum		values[] = {Int32GetDatum(approval->id), CStringGetTextDatum(approval->asked_by)};

	return guard_store_execute("UPDATE guard.approval"
							   " SET used_at = clock_timestamp(), used_by = $2"
							   " WHERE id OPERATOR(pg_catalog.=)"
							   " (SELECT a.id FROM guard.approval a"
							   " WHERE a.id OPERATOR(pg_catalog.=) $1 AND a.used_at IS NULL"
							   " FOR UPDATE SKIP LOCKED)",
							   2, types, values, NULL) == 1;
}

/*
 * The same, with an error where that has to do with the snapshot.
 */
static bool
use_up(const GuardApproval *approval)
{
	if (write_use(approval))
		return true;
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not use the approval by %s: it is younger than this transaction's snapshot",
						approval->approved_by),
				 errhint("Run it again in a new transaction.")));
	return false;
}

static void
note_claim(const GuardApproval *approval)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Claim	   *claim = palloc0(sizeof(Claim));

	claim->approval.id = approval->id;
	claim->approval.approved_by = pstrdup(approval->approved_by);
	claim->approval.asked_by = pstrdup(approval->asked_by);
	guard_xact_list_add(&claims, &claim->item);
	MemoryContextSwitchTo(old);
}

bool
guard_approvals_claim(const GuardApproval *approval, bool later)
{
	StillUsable row = {approval->id, false, false};

	/* It may have been used up, or taken back, before we had the lock. */
	if (!take_lock(approval->id) ||
		!guard_store_scan("approval", NULL, 0, InvalidOid, look_again, &row) ||
		!row.usable)
		return false;
	if (row.used)
		return true;
	if (!later)
		return use_up(approval);
	note_claim(approval);
	return true;
}

void
guard_approvals_drop_begins(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &claims.items)
		dlist_container(Claim, item.node, iter.cur)->due = true;
}

static void
use_up_claim(void *arg)
{
	const GuardApproval *approval = &((Claim *) arg)->approval;
	StillUsable row = {approval->id, false, false};

	/* claimed twice? */
	if (guard_store_scan("approval", NULL, 0, InvalidOid, look_again, &row) &&
		row.used)
		return;
	if (!use_up(approval))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("could not use the approval by %s: it has been taken back",
						approval->approved_by)));
}

/*
 * CONCURRENTLY is never in a block, so an error here has the statement fail,
 * and the index stays as it is.
 */
static void
at_phase(GuardXactPhase phase)
{
	dlist_iter	iter;

	if (likely(guard_xact_list_empty(&claims)))
		return;
	if (phase != GUARD_XACT_ENDING)
	{
		guard_xact_list_clear(&claims);
		return;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	dlist_foreach(iter, &claims.items)
	{
		Claim	   *claim = dlist_container(Claim, item.node, iter.cur);

		if (claim->due)
			(void) guard_store_must("use up an approval", use_up_claim, claim);
	}
	PopActiveSnapshot();
}

/*
 * Called from _PG_init.
 */
void
guard_approvals_init(void)
{
	guard_xact_register(GUARD_XACT_ENDING | GUARD_XACT_OVER, at_phase);
}
