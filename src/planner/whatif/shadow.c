/*-------------------------------------------------------------------------
 *
 * shadow.c
 *	  A second planning that leaves no trace.
 *
 * A user's statement is being planned, and is planned once more in passing.
 * Nobody must notice:
 *
 *	errors		What is planned in vain fails in a subtransaction, which is
 *				rolled back in any case: whatever a function did that was
 *				evaluated while planning is undone, and the command counter
 *				stays where it was.
 *				A request to cancel is the statement's, and ends it.
 *	conflicts	On a standby a subtransaction turns a conflict with recovery,
 *				which cancels a statement, into the end of the session; up to
 *				16 the signal handler itself decides so.  There interrupts and
 *				the signal wait until it is over.  Rolling back would let the
 *				signal in too early, so unless there was an error, the
 *				subtransaction, which cannot have written, is released.
 *	messages	The client is told nothing twice.  The server's log is: a line
 *				that is missing there would hide what somebody did.
 *	counters	Planning reads the ends of indexes to know the range of a
 *				column, which raises idx_scan and dates last_idx_scan
 *				(doc/internals/postgresql.md 2.6).  The pending counters of all tables and
 *				indexes that the statement knows are put back to what they
 *				were; they reach the server's statistics only when the session
 *				is idle.  An entry with nothing in it is not sent.
 *	buffers		The session's buffer usage is put back, too, so that
 *				pg_stat_statements does not charge the statement with it.
 *	others		PostgreSQL's own planner is called, not the chain of hooks, so
 *				that nobody counts the statement twice.
 *
 * Left: stable and immutable functions in C that are called with constants run
 * a second time (a statement that calls others is not planned a second time:
 * trust.c), their own calls are counted, and what the server keeps
 * per process (pg_stat_io) includes the pages read.  Planning time as others
 * measure it includes ours where their hook is called before guard's.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "executor/instrument.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"

#include "planner/planner.h"
#include "planner/whatif/sampling.h"
#include "store/store.h"

/* What reading a relation counts in this session, not yet sent. */
typedef struct Reads
{
	Oid			relation;
	PgStat_Counter scans;
	PgStat_Counter tuples_returned;
	PgStat_Counter tuples_fetched;
	PgStat_Counter blocks_fetched;
	PgStat_Counter blocks_hit;
} Reads;

typedef struct ShadowCall
{
	GuardShadow *shadow;
	List	   *without;		/* these indexes */
	PlannedStmt *plan;
} ShadowCall;

/* The tables of the plan that is being made. */
static List *tables = NIL;

static bool running = false;

bool
guard_shadow_running(void)
{
	return running;
}

void
guard_shadow_note(RelOptInfo *rel)
{
	tables = lappend(tables, rel);
}

bool
guard_shadow_possible(void)
{
	return guard_xact_may_begin();
}

/* ----------------------------------------------------------------
 *		Counters
 * ----------------------------------------------------------------
 */

/*
 * A relation that the real planning has locked, or NULL.  Not relation_open(),
 * which would begin to count anew.
 */
static Relation
open_quietly(Oid relation)
{
	return RelationIdGetRelation(relation);
}

/*
 * What is pending for a relation.  Its entry may be there already although the
 * relation does not know it yet.
 */
static void
save_one(Oid relation, Reads *reads)
{
	Relation	rel = open_quietly(relation);
	PgStat_TableStatus *status;

	memset(reads, 0, sizeof(*reads));
	reads->relation = relation;
	if (rel == NULL)
		return;
	status = rel->pgstat_info ? rel->pgstat_info : find_tabstat_entry(relation);
	if (status != NULL)
	{
		reads->scans = guard_compat_count(status, numscans);
		reads->tuples_returned = guard_compat_count(status, tuples_returned);
		reads->tuples_fetched = guard_compat_count(status, tuples_fetched);
		reads->blocks_fetched = guard_compat_count(status, blocks_fetched);
		reads->blocks_hit = guard_compat_count(status, blocks_hit);
	}
	RelationClose(rel);
}

static void
restore_one(const Reads *reads)
{
	Relation	rel = open_quietly(reads->relation);
	PgStat_TableStatus *status;

	if (rel == NULL)
		return;

	/* Counted, and then thrown out of the relation cache? */
	if (rel->pgstat_info == NULL && rel->pgstat_enabled &&
		find_tabstat_entry(reads->relation) != NULL)
		pgstat_assoc_relation(rel);
	status = rel->pgstat_info;
	if (status != NULL)
	{
		guard_compat_count(status, numscans) = reads->scans;
		guard_compat_count(status, tuples_returned) = reads->tuples_returned;
		guard_compat_count(status, tuples_fetched) = reads->tuples_fetched;
		guard_compat_count(status, blocks_fetched) = reads->blocks_fetched;
		guard_compat_count(status, blocks_hit) = reads->blocks_hit;
	}
	RelationClose(rel);
}

static Reads *
save_reads(List *relations)
{
	Reads	   *reads = palloc(sizeof(Reads) * list_length(relations));
	ListCell   *lc;

	foreach(lc, relations)
		save_one(lfirst_oid(lc), &reads[foreach_current_index(lc)]);
	return reads;
}

static void
restore_reads(const Reads *reads, int count)
{
	for (int i = 0; i < count; i++)
		restore_one(&reads[i]);
}

/* ----------------------------------------------------------------
 *		Planning
 * ----------------------------------------------------------------
 */

static void
make_plan(void *arg)
{
	ShadowCall *call = arg;
	GuardShadow *shadow = call->shadow;

	call->plan = guard_compat_standard_planner(copyObject(shadow->query),
											   shadow->query_string,
											   shadow->cursorOptions,
											   shadow->boundParams);
}

static void
make_plan_without(void *arg)
{
	guard_without_run(((ShadowCall *) arg)->without, make_plan, arg);
}

/*
 * Let nobody tell us of a conflict with recovery; "mask" is what was blocked
 * before.
 */
static void
hold_conflicts(sigset_t *mask)
{
	sigset_t	conflict;

	sigemptyset(&conflict);
	sigaddset(&conflict, SIGUSR1);
	sigprocmask(SIG_BLOCK, &conflict, mask);
	HOLD_INTERRUPTS();
}

/*
 * Do something in a subtransaction and undo it, as if it had never been.
 */
static bool
do_and_undo(guard_work work, void *arg, GuardFailure *failure)
{
	CommandDest output = whereToSendOutput;
	bool		standby = RecoveryInProgress();
	uint32		holdoff = InterruptHoldoffCount;
	bool		ok = false;
	sigset_t	mask;

	if (standby)
		hold_conflicts(&mask);
	running = true;
	whereToSendOutput = DestNone;
	PG_TRY();
	{
		ok = guard_work_run(work, arg,
							standby ? GUARD_WORK_SETTINGS_UNDONE : GUARD_WORK_UNDONE,
							failure);
	}
	PG_FINALLY();
	{
		running = false;
		whereToSendOutput = output;
		InterruptHoldoffCount = holdoff;
		if (standby)
			sigprocmask(SIG_SETMASK, &mask, NULL);
	}
	PG_END_TRY();
	return ok;
}

bool
guard_shadow_run(GuardShadow *shadow, guard_work work, void *arg)
{
	Reads	   *reads = save_reads(shadow->relations);
	BufferUsage buffers = pgBufferUsage;
	GuardFailure failure;
	bool		ok;

	Assert(guard_shadow_possible() && !running);
	ok = do_and_undo(work, arg, &failure);
	pgBufferUsage = buffers;
	restore_reads(reads, list_length(shadow->relations));
	if (ok)
		return true;

	/*
	 * Meant for the statement, which would have met it a moment later.  It is
	 * raised anew, since the one that was raised does not go to the client.
	 */
	if (guard_work_is_passed_on(failure.sqlerrcode))
		ereport(ERROR,
				(errcode(failure.sqlerrcode),
				 errmsg_internal("%s", failure.message)));
	ereport(DEBUG1,
			(errmsg_internal("shadow planning failed: %s", failure.message)));
	return false;
}

PlannedStmt *
guard_shadow_plan(GuardShadow *shadow, List *indexes)
{
	ShadowCall	call = {shadow, indexes, NULL};
	bool		ok;

	tables = NIL;
	ok = guard_shadow_run(shadow, make_plan_without, &call);
	shadow->tables = ok ? tables : NIL;
	tables = NIL;
	return ok ? call.plan : NULL;
}
