/*-------------------------------------------------------------------------
 *
 * xact.c
 *	  When a transaction ends, and until when there may be a subtransaction.
 *
 * PostgreSQL cannot roll back a subtransaction once the block has got the
 * word COMMIT or PREPARE TRANSACTION: RollbackAndReleaseCurrentSubTransaction
 * knows no such state, and a server with assertions stops.  But a lot runs
 * after that word, before any callback of ours: triggers that were deferred,
 * cursors WITH HOLD that are read to their end, and all that these plan and
 * execute.  Nothing that is exported tells this state from that of a block in
 * which statements run, so it is remembered here.
 *
 * Why that is complete.  A block gets into these two states by
 * EndTransactionBlock() and PrepareTransactionBlock() alone, and leaves them
 * by the end of the transaction alone.  They are called
 *
 *	- by COMMIT, END and PREPARE TRANSACTION, which only a client can send
 *	  (SPI, SQL functions and procedures refuse them), through ProcessUtility.
 *	  Our hook is there, and is told of each of them: ended_block.
 *	- by workers that apply what was replicated, without ProcessUtility.  They
 *	  open a block for nothing else.  Therefore a background worker starts no
 *	  subtransaction in a block.
 *	- before our hook was there, where the first thing that loads this library
 *	  is a trigger that was deferred.  Then the session is not executing a
 *	  statement of its client's; only the unnamed portal tells, so by a named
 *	  one we do not know, and start none until the transaction ends.
 *
 * Where there is no block - a statement by itself, several in one message, a
 * pipeline, COMMIT in a procedure, CONCURRENTLY and VACUUM, our own workers -
 * the transaction commits from a state that subtransactions return to, and
 * what its deferred triggers do is allowed to them as it is to an EXCEPTION
 * block of PL/pgSQL.  (Several statements in one message are a block, but
 * PostgreSQL ends that before it commits.)
 *
 * Callbacks run last registered first, and postgres_fdw commits its remote
 * transaction in one, which it registers when a session first uses it.  To
 * refuse before anybody has committed elsewhere, guard has a callback that can
 * be moved to the head of the list (doc/internals/review.md 4).  Moving a
 * callback while callbacks run could make the server pass over it, so another
 * one stays where it is; whichever hears first of COMMIT does the work.
 *
 * Nearly all transactions end without anything for us to do.  So nobody is
 * told of a transaction that nobody follows.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "utils/portal.h"

#include "store/store.h"

#define MAX_CALLBACKS	12

static struct
{
	int			phases;
	guard_xact_callback call;
}			callbacks[MAX_CALLBACKS];
static int	ncallbacks = 0;
static guard_xact_subabort at_subabort = NULL;
static GuardXactList *lists = NULL;

/* How far this transaction has come. */
typedef enum XactStage
{
	RUNS,
	TOLD_ENDING,				/* those of the phase "ending" have been
								 * called */
	COMMITS,					/* callbacks are being called */
	TOLD_LAST					/* and those of the phase "last" have been */
} XactStage;

static XactStage stage = RUNS;
static uint64 number = 0;
static bool ended_block = false;	/* it has got the word to end, or may have */
static bool followed = false;	/* those who registered want to be told */

/*
 * Is a statement of the client's being executed by the unnamed portal, which
 * SPI never uses?
 */
static bool
client_statement_runs(void)
{
	Portal		portal = GetPortalByName("");

	return PortalIsValid(portal) && portal->status == PORTAL_ACTIVE;
}

void
guard_xact_register(int phases, guard_xact_callback callback)
{
	if (ncallbacks == MAX_CALLBACKS)
		elog(ERROR, "too many transaction callbacks");
	callbacks[ncallbacks].phases = phases;
	callbacks[ncallbacks].call = callback;
	ncallbacks++;
}

void
guard_xact_register_subabort(guard_xact_subabort callback)
{
	at_subabort = callback;
}

static pg_noinline void
tell(GuardXactPhase phase)
{
	for (int i = 0; i < ncallbacks; i++)
	{
		if (callbacks[i].phases & phase)
			callbacks[i].call(phase);
	}
}

void
guard_xact_follow(void)
{
	followed = true;
}

/*
 * In a transaction that has failed, COMMIT is another word for ROLLBACK.
 */
void
guard_xact_commit_arrives(void)
{
	if (!IsTransactionState() || !IsTransactionBlock())
		return;
	ended_block = false;
	if (stage < TOLD_ENDING)
	{
		stage = TOLD_ENDING;
		if (followed)
			tell(GUARD_XACT_ENDING);
	}
	ended_block = true;
}

uint64
guard_xact_number(void)
{
	return number;
}

bool
guard_xact_may_begin(void)
{
	if (!IsTransactionState() || IsInParallelMode() || IsParallelWorker() || stage == TOLD_LAST)
		return false;
	return !IsTransactionBlock() ||
		(!ended_block && MyBackendType != B_BG_WORKER);
}

static pg_noinline void
tell_before_commit(void)
{
	bool		told = stage == TOLD_ENDING;

	if (stage >= COMMITS)
		return;
	stage = COMMITS;
	if (!told)
		tell(GUARD_XACT_ENDING);
	stage = TOLD_LAST;
	tell(GUARD_XACT_LAST);
}

static inline void
before_commit(void)
{
	if (unlikely(followed))
		tell_before_commit();
	else
		stage = TOLD_LAST;
}

static void
at_xact_first(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		before_commit();
}

void
guard_xact_go_first(void)
{
	if (stage >= COMMITS)
		return;
	UnregisterXactCallback(at_xact_first, NULL);
	RegisterXactCallback(at_xact_first, NULL);
}

/*
 * Who has not done with it follows the next one, too.
 */
static inline void
over(GuardXactPhase phase)
{
	stage = RUNS;
	ended_block = false;
	number++;
	if (unlikely(followed))
	{
		followed = false;
		tell(phase);
	}
}

static void
at_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
		over(GUARD_XACT_COMMITTED);
	else if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		before_commit();
	else if (event == XACT_EVENT_PREPARE)
		over(GUARD_XACT_PREPARED);
	else if (event == XACT_EVENT_ABORT)
		over(GUARD_XACT_ABORTED);
}

/* ---- lists ---- */

void
guard_xact_list_add(GuardXactList *list, GuardXactItem *item)
{
	if (!list->followed)
	{
		list->followed = true;
		list->next = lists;
		lists = list;
	}
	guard_xact_follow();
	item->subid = GetCurrentSubTransactionId();
	dlist_push_tail(&list->items, &item->node);
}

void
guard_xact_list_clear(GuardXactList *list)
{
	dlist_init(&list->items);
}

static void
at_subxact(SubXactEvent event, SubTransactionId mySubid,
		   SubTransactionId parentSubid, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB && at_subabort != NULL)
		at_subabort(mySubid);
	for (GuardXactList *list = lists; list != NULL; list = list->next)
	{
		dlist_mutable_iter iter;

		dlist_foreach_modify(iter, &list->items)
		{
			GuardXactItem *item = dlist_container(GuardXactItem, node, iter.cur);

			if (item->subid != mySubid)
				continue;
			if (event == SUBXACT_EVENT_COMMIT_SUB)
				item->subid = parentSubid;
			else
				dlist_delete(&item->node);
		}
	}
}

/* ---- at start ---- */

void
guard_xact_init(void)
{
	RegisterXactCallback(at_xact, NULL);
	RegisterSubXactCallback(at_subxact, NULL);
	ended_block = IsTransactionState() && IsTransactionBlock() &&
		!client_statement_runs();
}
