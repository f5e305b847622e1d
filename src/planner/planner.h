/*-------------------------------------------------------------------------
 *
 * planner.h
 *	  What all rooms of planner/ stand on: the list of indexes that the planner gets
 *	  to see, plans, and shared tables that may lose.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_PLANNER_H
#define GUARD_PLANNER_H

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "port/atomics.h"

#include "ground.h"

/* ----------------------------------------------------------------
 *		The indexes that the planner gets to see of a table.
 *
 * One hook for all that takes an index out of the planner's sight: hidden
 * indexes, guard.without_index, and the second planning of what-if.  Whatever
 * is not in the list does not exist for the planner, while everything else,
 * from uniqueness to ON CONFLICT inference, goes on as before
 * (doc/internals/postgresql.md 3.1, 3.2).
 * ----------------------------------------------------------------
 */

/*
 * Takes out of rel->indexlist what shall not be seen, by list_delete_cell or
 * the like; "heap" is the table's OID, the list is not empty.  Called while a
 * statement is being planned, perhaps in a parallel worker, on a standby or in
 * a failed transaction's wake: it runs no SQL, waits for no lock and raises no
 * error.
 */
typedef void (*guard_indexlist_filter) (RelOptInfo *rel, Oid heap);

/* Registered once, at start, by the files that hide. */
extern void guard_indexlist_register(guard_indexlist_filter filter);

/* Called by guard.c. */
extern void guard_indexlist_init(void);

/* ----------------------------------------------------------------
 *		Planning as if some indexes were not there.
 *
 * By hand, with SET guard.without_index = 'public.idx_a, idx_b' or EXPLAIN
 * (WITHOUT_INDEX '...'), and for the shadow plans of what-if.  An index that is
 * left out takes those of all partitions below it along.  Nothing but plans
 * made in this session changes.
 * ----------------------------------------------------------------
 */

/* Called by guard.c at start, before the settings are defined. */
extern void guard_without_init(void);

/*
 * Call "work"; whatever it plans, it plans without these indexes (a list of
 * OIDs), and without those that are left out already.  However it ends, they
 * are back afterwards.
 */
typedef void (*guard_without_work) (void *arg);
extern void guard_without_run(List *indexes, guard_without_work work,
							  void *arg);

/* Is anything being left out? */
extern bool guard_without_active(void);

/*
 * Called by hooks before an EXPLAIN: refuses WITHOUT_INDEX for a prepared
 * statement, whose plan may be there already (doc/internals/postgresql.md
 * 8.1).
 */
extern void guard_without_check_explain(ExplainStmt *stmt);

/*
 * The index of the partitioned table that an index goes with, or itself;
 * InvalidOid for what is none.
 */
extern Oid	guard_without_topmost(Oid index);

/* ----------------------------------------------------------------
 *		What a finished plan scans, and what it costs.
 * ----------------------------------------------------------------
 */

/* One scan node; "index" is InvalidOid where the table is read end to end. */
typedef struct GuardPlanScan
{
	Oid			heap;
	Oid			index;
	double		rows;			/* expected of the scan, whatever LIMIT is
								 * above */
	bool		only;			/* of the index alone */
} GuardPlanScan;

/*
 * Call "visit" for each node that scans a table, until it returns false: for a
 * bitmap heap scan, and for each of its bitmap index scans as well.  Allocates
 * nothing, like the next one.
 */
typedef bool (*guard_plan_scan_visit) (Scan *scan, void *arg);
extern void guard_plan_walk(PlannedStmt *plan, guard_plan_scan_visit visit,
							void *arg);

/*
 * Call "visit" for each index that the plan scans, with the rows expected of
 * the scan, until it returns false.
 */
typedef bool (*guard_plan_visit) (Oid index, double rows, void *arg);
extern void guard_plan_indexes(PlannedStmt *plan, guard_plan_visit visit,
							   void *arg);

/* All scans of tables, as palloc'd GuardPlanScan *, in no order. */
extern List *guard_plan_scans(PlannedStmt *plan);

/* How many scans of the list are of this table with this index. */
extern int	guard_plan_count(List *scans, Oid heap, Oid index);

/*
 * What the plan costs for as much of its result as it was planned for, without
 * the fines of enable_seqscan = off and its like.
 */
extern double guard_plan_cost(PlannedStmt *plan, int cursorOptions);

/* Of one node: without such a fine. */
extern double guard_plan_unfined(double cost);

/* The plans below a node that has a list of them. */
extern List *guard_plan_members(Plan *plan);

/*
 * Do two figures differ by more than this share of the larger one?  And is a
 * plan of the same statement another one: by cost, rows or scans?
 */
extern bool guard_plan_is_far(double a, double b, double share);
extern bool guard_plan_differs(PlannedStmt *plan, PlannedStmt *other,
							   int cursorOptions);

/* ----------------------------------------------------------------
 *		What a plan has to do, by kind of work.
 * ----------------------------------------------------------------
 */

typedef enum GuardEffortKind
{
	GUARD_EFFORT_SCAN,			/* reading tables from end to end: cost */
	GUARD_EFFORT_FETCH,			/* rows that an index finds, fetched at random */
	GUARD_EFFORT_REST,			/* whatever is done with the rows: cost */
	GUARD_EFFORT_TRIED			/* milliseconds: tried out on some rows */
} GuardEffortKind;

#define GUARD_EFFORT_KINDS	4

typedef struct GuardEffort
{
	float		expected[GUARD_EFFORT_KINDS];
	/* if the planner was wrong where it is unsure */
	float		least[GUARD_EFFORT_KINDS];
	float		most[GUARD_EFFORT_KINDS];
	bool		untried;		/* evaluates for each row what could not be
								 * tried out */
} GuardEffort;

/* What is known of a plan that has just been made. */
typedef struct GuardEffortAid GuardEffortAid;
struct GuardEffortAid
{
	List	   *tables;			/* RelOptInfo *, as the planner left them */

	/*
	 * Milliseconds that the condition of a scan takes for one row, and
	 * reading all of its table; false: nobody can tell.
	 */
	bool		(*try_out) (GuardEffortAid *aid, PlannedStmt *plan, Scan *scan,
							double *table, double *row);
};

/* Without an aid it allocates nothing. */
extern void guard_effort_of_plan(PlannedStmt *plan, GuardEffortAid *aid,
								 GuardEffort *effort);

/* ----------------------------------------------------------------
 *		Does somebody plan under settings of his own?
 * ----------------------------------------------------------------
 */

/*
 * Does a setting that costs or plans depend on come from the session, its role
 * or its client, rather than from the server or the database?  Then a number
 * that tells these settings and the current role; otherwise 0.  Raises nothing;
 * looks through all settings when it is first called in a session.
 */
extern uint32 guard_settings_own(void);

/* Of whoever has switched a kind of plan off. */
#define GUARD_SETTINGS_FORCE	1

/*
 * Take over another server's value of a setting that is planned with, for the
 * caller's nest level of settings, unless the session has one of its own.
 */
extern void guard_settings_take(const char *name, const char *value);

/* ----------------------------------------------------------------
 *		Shared tables that may lose: sets of 32 slots.
 *
 * A table is an array of sets; the hash of (database, object) says which set
 * an object's slots are in, usually alone or with a few others.  A set is
 * searched from end to end, under its busy flag, so there is no order to keep,
 * nothing to rehash, and no place where a slot could hide.  What a table keeps
 * in its slots, and which of them makes room, is its own affair.
 *
 * All tables are in one segment, sized when the server starts and never after.
 * What is to outlive a clean restart is in a file (see below).
 * ----------------------------------------------------------------
 */

#define GUARD_SET_SLOTS	32

/* What every slot begins with. */
typedef struct GuardSlot
{
	Oid			database;		/* InvalidOid: free, and all zeros */
	Oid			object;
	Oid			userid;			/* on whose account it goes ... */
	int64		queryid;		/* ... and by which statement; 0: none */
	TimestampTz last;			/* the least recent one makes room */
} GuardSlot;

typedef struct GuardSet
{
	pg_atomic_flag busy;
} GuardSet;

typedef struct GuardSlots
{
	Size		size;			/* of a slot */
	Size		beside;			/* of what a set has beside its slots */
	int			sets;			/* how many there are */

	/* Of slots of the same object: are they about the same? */
	bool		(*same) (const void *slot, const void *sought);

	/* Put a slot that was saved back; NULL: the table is not saved. */
	void		(*restore) (const void *slot);

	/* Filled in when shared memory is there. */
	struct GuardSlotsShared *shared;
} GuardSlots;

/*
 * Called at start: the table is to be part of the segment; and when all are
 * known, ask for that.  Until it is there, and where guard is not preloaded,
 * "shared" is NULL.
 */
extern void guard_slots_register(GuardSlots *slots);
extern void guard_slots_init(void);

/* How many slots hold slots for so many things, rounded up to sets. */
static inline int
guard_slots_sets(int things)
{
	return (things + GUARD_SET_SLOTS - 1) / GUARD_SET_SLOTS;
}

/* ---- without the flag of a set ---- */

/* The set of an object, and each of them by number. */
extern GuardSet *guard_slots_set(const GuardSlots *slots, Oid database,
								 Oid object);
extern GuardSet *guard_slots_nth(const GuardSlots *slots, int number);

/*
 * Copy the slots of a set to a place for as many, all of them or those of an
 * object of this database, first ones first: how many these are, or -1 where
 * somebody is at the set.
 */
extern bool guard_slots_copy(const GuardSlots *slots, GuardSet *set,
							 void *copy);
extern int	guard_slots_read(const GuardSlots *slots, Oid object, void *copy);

/*
 * Forget an object, or with InvalidOid a whole database.  False: somebody is at
 * its set, and nothing is forgotten.
 */
extern bool guard_slots_forget(GuardSlots *slots, Oid database, Oid object,
							   bool wait);

/* How many slots are taken, of how many; how many had to make room. */
extern int	guard_slots_used(const GuardSlots *slots);
extern int	guard_slots_max(const GuardSlots *slots);
extern int64 guard_slots_evicted(const GuardSlots *slots);

/* ---- for who holds the flag: never waits, never raises ---- */

/* A walk through the slots of a set. */
#define foreach_slot(type, slot, set) \
	for (type *slot = (type *) guard_slots_first(set), *slot##__end = slot + GUARD_SET_SLOTS; \
		 slot < slot##__end; slot++)

static inline void *
guard_slots_first(GuardSet *set)
{
	return (char *) set + MAXALIGN(sizeof(GuardSet));
}

/* What the set has beside its slots. */
static inline void *
guard_slots_beside(const GuardSlots *slots, GuardSet *set)
{
	return (char *) guard_slots_first(set) + GUARD_SET_SLOTS * slots->size;
}

/*
 * The slot that is about the same as "sought"; NULL: none is.  And the least
 * recent one, which is a free one if there is any.
 */
extern void *guard_slots_find(const GuardSlots *slots, GuardSet *set,
							  const void *sought);
extern GuardSlot *guard_slots_least(const GuardSlots *slots, GuardSet *set);

/*
 * Who gives up his place in a full set: whoever has most of it, with the one
 * that asks for it counted in, his least recent one.  So a statement that
 * visits a thousand partitions, or else a role that runs a thousand statements,
 * pushes out itself.
 */
extern GuardSlot *guard_slots_make_room(const GuardSlots *slots, GuardSet *set,
										const GuardSlot *mine);

/* The slot for this: its own, a free one, or one that makes room. */
extern void *guard_slots_choose(GuardSlots *slots, GuardSet *set,
								const void *sought);

/* Put this into a slot, in place of what is there; and empty one. */
extern void guard_slots_put(GuardSlots *slots, void *slot, const void *content);
extern void guard_slots_clear(GuardSlots *slots, void *slot);

/* ----------------------------------------------------------------
 *		Shared tables in a file, from a clean shutdown to the next start.
 * ----------------------------------------------------------------
 */

typedef struct GuardFile GuardFile;

/*
 * Called at start, by the tables that are to outlive a restart: "save" writes
 * one, "restore" fills it, empty, in the same order.  "records" is the size of
 * what they write, which changes when its form does.
 */
typedef void (*guard_file_work) (GuardFile *file);
extern void guard_file_register(Size records, guard_file_work save,
								guard_file_work restore);

/*
 * So many bytes.  Both return false when that fails, and do nothing any more
 * then.
 */
extern bool guard_file_put(GuardFile *file, const void *data, size_t len);
extern bool guard_file_get(GuardFile *file, void *data, size_t len);

/*
 * Called when the tables have been made: in the postmaster, fill them with what
 * the last clean shutdown left, and see that the next one does so.
 */
extern void guard_file_startup(void);

/* ---- whatif/trust.c ---- */

/*
 * Is all that planning with this expression, or list of them, may call written in C,
 * and what bounds of the table's partitions are compared by?  The look-ups
 * scribble on operators.
 */
extern bool guard_trust_expression(Node *expression);
extern bool guard_trust_partition_key(Oid table);

#endif							/* GUARD_PLANNER_H */
