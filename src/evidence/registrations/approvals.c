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

#include "catalog/pg_type.h"
#include "storage/lock.h"
#include "storage/procarray.h"

#include "evidence/evidence.h"
#include "evidence/registrations/registration.h"

/* guard.approval, beside the columns of every registry */
#define APPROVAL_REASON		4
#define APPROVAL_BY			5
#define APPROVAL_AT			6
#define APPROVAL_ID			8
#define APPROVAL_UNTIL		9
#define APPROVAL_USED_AT	10

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
is_usable(const GuardRows *rows)
{
	return guard_rows_null(rows, APPROVAL_USED_AT) ||
		used_by_us(rows->tuple, guard_rows_time(rows, APPROVAL_USED_AT));
}

/*
 * Is it for what goes?  What was approved for a parent does not stand for a
 * partition that goes alone.
 */
static bool
covers(const GuardRows *rows, GuardEvidence *evidence)
{
	const GuardTarget *target = evidence->target;
	bool		inherited;
	Oid			relation = guard_registration_covers(rows, evidence, &inherited);

	if (!OidIsValid(relation) || !inherited)
		return OidIsValid(relation);
	if (!guard_rows_null(rows, REGISTRY_INDEX))
		return relation == target->index;
	return evidence->asked.parent_goes || guard_catalog_table(target->index) == relation;
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

/*
 * Where the table cannot be read there is no approval.
 */
void
guard_approvals_collect(GuardEvidence *evidence)
{
	GuardRows  *rows = guard_rows_of_table("approval");
	const GuardTarget *target = evidence->target;

	while (rows != NULL && guard_rows_next(rows))
	{
		GuardApproval found = {0};

		if (!is_usable(rows) || !covers(rows, evidence))
			continue;
		found.id = guard_rows_int(rows, APPROVAL_ID);
		found.reason = guard_rows_text(rows, APPROVAL_REASON);
		found.approved_by = guard_rows_text(rows, APPROVAL_BY);
		found.approved_at = guard_rows_time(rows, APPROVAL_AT);
		found.valid_until = guard_rows_time(rows, APPROVAL_UNTIL);
		found.asked_by = target->asked_by != NULL ? target->asked_by :
			GetUserNameFromId(GetSessionUserId(), false);
		found.own = strcmp(found.approved_by, found.asked_by) == 0;
		if (is_better(&found, &evidence->approval, evidence->as_of))
			evidence->approval = found;
	}
}

/* ---- giving and taking back ---- */

/*
 * What was used up is history; what this role gave before is replaced.
 */
void
guard_approvals_add(Oid relation, const char *reason, TimestampTz valid_until)
{
	pg_uuid_t  *object = guard_registration_object(relation);

	guard_query_execute("DELETE FROM guard.approval WHERE (object = $1 AND used_at IS NULL AND approved_by = session_user)"
						" OR valid_until < clock_timestamp() - interval '30 days'",
						P_UUID(object));
	guard_query_execute("INSERT INTO guard.approval (table_schema, table_name, index_name, reason, approved_by, approved_at, object, valid_until)"
						" SELECT " REGISTRY_NAMES ", $2, session_user, clock_timestamp(), o.id, $3" REGISTRY_OF,
						P_UUID(object), P_TEXT(reason), P_TIME(valid_until));
}

/*
 * Returns false where there was none.
 */
bool
guard_approvals_revoke(Oid relation)
{
	return guard_query_execute("DELETE FROM guard.approval WHERE object = $1 AND used_at IS NULL",
							   P_UUID(guard_registration_object(relation))) > 0;
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

/*
 * Is the approval usable still?
 */
static void
look_again(StillUsable *answer)
{
	GuardRows  *rows = guard_rows_of_table("approval");

	while (rows != NULL && guard_rows_next(rows))
	{
		if (guard_rows_int(rows, APPROVAL_ID) != answer->id)
			continue;
		answer->usable = is_usable(rows) && !is_being_changed(rows->tuple);
		answer->used = answer->usable && !guard_rows_null(rows, APPROVAL_USED_AT);
	}
}

/*
 * Returns false, without having waited, where another transaction has it.
 */
static bool
write_use(const GuardApproval *approval)
{
	return guard_query_execute("UPDATE guard.approval SET used_at = clock_timestamp(), used_by = $2 WHERE id ="
							   " (SELECT a.id FROM guard.approval a WHERE a.id = $1 AND a.used_at IS NULL FOR UPDATE SKIP LOCKED)",
							   P_INT4(approval->id), P_TEXT(approval->asked_by)) == 1;
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
	if (take_lock(approval->id))
		look_again(&row);
	if (!row.usable)
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
	look_again(&row);
	if (row.used)
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

	if (guard_xact_list_empty(&claims))
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
