/*-------------------------------------------------------------------------
 *
 * whatif.h
 *	  What statements would cost without an index.
 *
 * Vocabulary:
 *
 *	shadow plan	a statement planned once more, as if an index were not there,
 *				with its real literals and parameters; never executed
 *	pair		a statement (its queryid) and an index: what is sampled, once
 *				every guard.whatif_interval, by whichever session comes first,
 *				for each magnitude that its cost, or what the index finds, has
 *				with other parameters; and now and then by lot
 *	role		what the statement has of the index: it scans it, or it relies
 *				on its uniqueness, or only on its statistics (doc/internals/postgresql.md 2.7)
 *
 * The records are in fixed tables in capture's shared segment.  They may be
 * lost (least recent first, at most 32 per index, when the server stops all but
 * those of what is not scanned): no record means "not known", never "no statement".
 *
 * Whose evidence
 *
 * Everybody's statements are sampled, so nobody may decide for others with
 * his.  A record is made of a plan that was executed (waiting.c).  What
 * was planned under settings of somebody's own only raises the worst ratio,
 * unless nobody else has executed the statement: his role, under these settings.
 * That is kept for every magnitude over guard.lookback, also where the record
 * itself is lost meanwhile, until the usable indexes of the table change.  From
 * then on a record answers nothing until every magnitude that it knew has been
 * planned again.  But what went or was built again since, and neither plan nor
 * any other of the statement has ever scanned, changes nothing.
 *
 * What an index is good for that takes over from another one, or is its twin,
 * would be known only some time after that has gone.  So where a statement
 * would cost the same with it, it is planned without both at once: ahead.  That
 * says nothing until the other one is gone.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_WHATIF_H
#define GUARD_WHATIF_H

#include "storage/block.h"

#include "planner/planner.h"

struct QueryDesc;

typedef enum GuardWhatIfRole
{
	GUARD_WHATIF_SCAN,			/* the plan scans the index */
	GUARD_WHATIF_PROOF,			/* it does not, but there would be another
								 * plan without this unique index: a join
								 * removed, say */
	GUARD_WHATIF_ESTIMATE		/* it does not, but would be estimated
								 * otherwise: the index has an expression */
} GuardWhatIfRole;

/*
 * Indexes that plans scan, the topmost of partitions; more than there is room
 * for: not known.
 */
#define GUARD_RELIED	8
typedef struct GuardRelied
{
	int			count;
	Oid			indexes[GUARD_RELIED];
} GuardRelied;

/*
 * One pair, as it was planned last.  Costs are the planner's, for as much of
 * the result as the statement was planned for (a cursor: cursor_tuple_fraction
 * of it), without what enable_seqscan = off and its like add.  Under
 * GUARD_WHATIF_ESTIMATE the two are not comparable: compare the rows.
 */
typedef struct GuardWhatIf
{
	Oid			index;			/* of a partitioned table: the topmost index,
								 * all of its partitions' being away together */
	Oid			heap;			/* a table scanned with it: a partition's, of
								 * a partitioned table */
	BlockNumber heap_blocks;	/* its size then */
	int64		queryid;
	Oid			userid;			/* role that planned it */
	TimestampTz at;
	GuardWhatIfRole role;
	double		cost_with;
	double		cost_without;
	GuardEffort with;			/* what the plans have to do */
	GuardEffort without;
	bool		computes;		/* it evaluates for each row, and could not be
								 * tried out, what the index has computed */
	double		scanned;		/* rows expected of its scan, whatever LIMIT
								 * is above: the most, of several */
	double		rows_with;		/* estimated result */
	double		rows_without;
	Oid			takeover;		/* the index scanned instead, topmost as
								 * above; InvalidOid: none */
	double		takeover_rows;	/* what that scan of it finds */
	bool		moved;			/* the plan is one with "takeover" by now, and
								 * costs the same without this index */
	double		fetches;		/* what the planner's costs leave out: rows
								 * fetched from the table under a LIMIT */
	bool		seqscan;		/* the table, or a partition, is read from end
								 * to end instead */
	uint32		indexes;		/* the usable indexes of the index's table:
								 * guard_sample_indexes() */
	uint32		takeover_indexes;	/* and of what takes over, which may be of
									 * a partition, or of all */
	GuardRelied relied;			/* what the plans with and without it scan;
								 * when read: all of those with other
								 * parameters */
	uint32		own_settings;	/* planned under settings of somebody's own:
								 * guard_settings_own() */
	double		worst_ratio;	/* when read: cost_without / cost_with at its
								 * worst, this or with other parameters,
								 * within guard.lookback */
	double		worst_extra;	/* and how much more cost that was; infinite
								 * where the table would be read instead */
	double		found_ratio;	/* the same, of plans that were made with all
								 * indexes that the table has now; 0: of none */
	double		found_extra;
	bool		answers;		/* when read: may speak for a drop, too; under
								 * settings of somebody's own, of those who
								 * have the same */
	bool		fewer;			/* and only where the statement has not used
								 * any index that is gone since */
	bool		together;		/* one that is not scanned: what makes the
								 * difference are several, any of which will
								 * do */
	bool		ahead;			/* as if what it would take over from were
								 * gone: "indexes" are without that */
	bool		generic;		/* planned without knowing its parameters */
	bool		untried;		/* it was not planned without the index, which
								 * may be a proof: nothing else is known */
	double		planning_ms;	/* what the real planning took of a processor */
} GuardWhatIf;

typedef struct GuardWhatIfStatus
{
	bool		available;		/* preloaded, tables attached */
	bool		on;				/* guard.whatif, guard.mode */
	TimestampTz since;			/* what follows is counted since then */
	int			records_used;
	int64		shadow_plans;	/* plans made */
	int64		failed;			/* of these, ended in an error */
	int64		postponed;		/* statements put off: the share was used up */
	int64		too_slow;		/* statements put off for an hour: their
								 * planning took more processor time than
								 * guard.whatif_time_limit */
	int64		untrusted;		/* statements left out: planning them may call
								 * what is not in C */
	double		share;			/* what all that took, of all sessions, as a
								 * share of the time since, of one processor */
	double		share_max;		/* what it is kept below, bursts apart */
} GuardWhatIfStatus;

/* Called by guard.c at start. */
extern void guard_whatif_init(void);

/*
 * Called by evidence and api.  The list is of palloc'd structs, those of the
 * index itself and, for one of a partition, of the index it goes with.
 */
extern List *guard_whatif_lookup(Oid index);

/* The same of one that is gone, as if its heir were to go now. */
extern List *guard_whatif_lookup_gone(Oid index, Oid heir);

/*
 * Are there statements that may rest on its uniqueness, and have not been planned
 * without it in guard.lookback?
 */
extern bool guard_whatif_untried(Oid index);

/* For guard.status. */
extern void guard_whatif_status(GuardWhatIfStatus *status);

/*
 * An execution comes to its end, outside of EXPLAIN.  "published" says that
 * capture has told the others of it: that is when what-if looks whether a plan
 * from the session's cache should be made anew.
 */
extern void guard_whatif_executed(struct QueryDesc *queryDesc, int64 queryid,
								  bool published);

/* How many records and answers wait for an execution in this session. */
extern int	guard_waiting_count;
extern int	guard_question_count;

/*
 * Executions of a statement in this session that are passed over before one tells
 * where its values lie; by the last bits of their identifiers.
 */
#define GUARD_TURNS		64

typedef struct GuardTurn
{
	int64		queryid;
	uint32		left;
} GuardTurn;

extern GuardTurn guard_positions_turns[GUARD_TURNS];

/*
 * Is there anything to do where nothing was published?  To be asked once for an
 * execution.
 */
static inline bool
guard_whatif_listens(int64 queryid)
{
	GuardTurn  *turn = &guard_positions_turns[queryid & (GUARD_TURNS - 1)];

	if (likely(turn->queryid == queryid && turn->left > 0))
		turn->left--;
	else if (guard_guc_whatif)
		return true;
	return guard_waiting_count > 0 || guard_question_count > 0;
}

/*
 * The index is gone: forget its pairs, and those in which it took over.  A
 * table's OID does no harm.
 */
extern void guard_whatif_forget(Oid index);
extern void guard_whatif_forget_database(Oid database);

#endif							/* GUARD_WHATIF_H */
