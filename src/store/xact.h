/*-------------------------------------------------------------------------
 *
 * xact.h
 *	  When a transaction ends, and until when there may be a subtransaction.
 *
 * Vocabulary:
 *
 *	phase		what is being told to those who registered
 *	ending		COMMIT or PREPARE TRANSACTION is about to begin: the last
 *				moment at which guard may start a subtransaction.  What is
 *				optional is written here, and nothing is refused
 *	last		it has begun, and triggers that were deferred have run: the
 *				last word, before anybody (postgres_fdw) commits elsewhere.
 *				What must not fail is written here, in the transaction itself,
 *				where an error refuses COMMIT
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_XACT_H
#define GUARD_XACT_H

#include "lib/ilist.h"

typedef enum GuardXactPhase
{
	GUARD_XACT_ENDING = 1 << 0,
	GUARD_XACT_LAST = 1 << 1,
	GUARD_XACT_COMMITTED = 1 << 2,
	GUARD_XACT_PREPARED = 1 << 3,	/* over for this session */
	GUARD_XACT_ABORTED = 1 << 4
} GuardXactPhase;

#define GUARD_XACT_OVER \
	(GUARD_XACT_COMMITTED | GUARD_XACT_PREPARED | GUARD_XACT_ABORTED)

/* Called by guard.c at start, before anybody registers. */
extern void guard_xact_init(void);

/*
 * Have "callback" called at the phases whose bits are set, after those who
 * registered before, until the session ends.  Callbacks of the last three may
 * neither fail nor look into a catalog.
 */
typedef void (*guard_xact_callback) (GuardXactPhase phase);
extern void guard_xact_register(int phases, guard_xact_callback callback);

/*
 * Have "callback" called when a subtransaction was rolled back.
 */
typedef void (*guard_xact_subabort) (SubTransactionId subid);
extern void guard_xact_register_subabort(guard_xact_subabort callback);

/*
 * COMMIT or PREPARE TRANSACTION has arrived in ProcessUtility, and will be
 * carried out next.
 */
extern void guard_xact_commit_arrives(void);

/*
 * See that guard's is the first callback that hears of COMMIT.
 */
extern void guard_xact_go_first(void);

/*
 * May guard start an internal subtransaction now?  Nowhere else is this
 * decided.
 */
extern bool guard_xact_may_begin(void);

/*
 * A list whose items belong to the subtransaction in which they were added:
 * ROLLBACK TO takes them off, an ended savepoint passes them on.  The memory
 * is the caller's, must last as long as the item is in the list, and begins
 * with a GuardXactItem.
 */
typedef struct GuardXactItem
{
	dlist_node	node;
	SubTransactionId subid;
} GuardXactItem;

typedef struct GuardXactList
{
	dlist_head	items;
	struct GuardXactList *next; /* of all lists */
	bool		followed;
} GuardXactList;

#define GUARD_XACT_LIST_INIT(name)	{DLIST_STATIC_INIT((name).items), NULL, false}

#define guard_xact_list_empty(list)	dlist_is_empty(&(list)->items)

/*
 * The item belongs to the current subtransaction from now on: passed on where
 * that ends well, dropped where it does not.
 */
extern void guard_xact_list_add(GuardXactList *list, GuardXactItem *item);

/* Take off all items, whose memory may be gone already. */
extern void guard_xact_list_clear(GuardXactList *list);

#endif							/* GUARD_XACT_H */
