/*-------------------------------------------------------------------------
 *
 * check.h
 *	  May this index go?  The one function behind every door.
 *
 * Event trigger, backstop, COMMIT and the SQL functions all ask here, so they
 * cannot give different answers.  Nothing here refuses anything: a door does.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CHECK_H
#define GUARD_CHECK_H

#include "evidence/prediction.h"
#include "policy/verdict.h"

/* The verdict on one target, with all that led to it. */
typedef struct GuardJudgement
{
	GuardTarget *target;
	GuardShape *shape;			/* of the target itself, which may be the
								 * parent of what was judged */
	GuardVerdict verdict;		/* the worst of its members */
	List	   *verdicts;		/* of GuardVerdict *, one for each member */
	double		rate;			/* sums over members with the same reason */
	int64		count;
	GuardLoad  *load;			/* its traffic without it; NULL until
								 * guard_check_predict() was called, or where
								 * nothing can be said */
	Oid			keep_instead;	/* see guard_check_drop_list() */
	Oid			serves_for;		/* refused only since it serves in place of
								 * this one, by the same function */
	char	   *bearer;			/* what would have to have such an index,
								 * since it bears the name; NULL: the index
								 * goes */
	char	   *creation;		/* CREATE INDEX that ends that; NULL: not
								 * known */
} GuardJudgement;

/* What the settings say now. */
extern GuardPolicy guard_check_policy(TimestampTz now);

/*
 * What goes together: these targets, and the indexes in "others".
 */
extern GuardFellows *guard_check_fellows(List *targets, List *others);

/*
 * Judge targets, in whose place none of "fellows" can serve.  Returns a list of
 * GuardJudgement * in the current memory context, without those that have
 * vanished.
 */
extern List *guard_check_targets(List *targets, GuardFellows *fellows);

/*
 * Judge one target by itself, for somebody who asks about many: the server is
 * read once, by guard_server_read().  NULL when it has vanished.
 */
extern GuardJudgement *guard_check_alone(GuardTarget *target,
										 const GuardServer *server);

/* The same, if none of "fellows" can serve in its place. */
extern GuardJudgement *guard_check_with_fellows(GuardTarget *target,
												List *fellows,
												const GuardServer *server);

/*
 * Judge all indexes of one table for somebody who wants to drop every one that
 * may go.  Each verdict is right even if all that are allowed go together:
 * where indexes serve in place of each other, the one that stays is refused,
 * and the others name it in keep_instead (InvalidOid: it can go for its own
 * sake).
 */
extern List *guard_check_drop_list(List *targets, const GuardServer *server);

/*
 * Fill in the load: what its statements would take without it, as a profile says
 * that knows it, else as this server does: guard_check_load(), of indexes that go
 * together and the use that decided, NULL: none.  Costs a look into
 * pg_stat_statements, once for all judgements of one GuardServer.
 */
extern void guard_check_predict(GuardJudgement *judgement);
extern void guard_check_load(GuardLoad *load, List *members, const GuardFact *use,
							 const GuardServer *server);

/*
 * It has turned out that the table whose partition goes, goes as well: decide
 * again, from the same evidence.
 */
extern void guard_check_parent_goes(GuardJudgement *judgement);

/*
 * Another session was faster in using up the approval: decide again, without
 * it.
 */
extern void guard_check_approval_taken(GuardJudgement *judgement, int32 id);

/*
 * What the transaction leaves behind: is this index, now gone, made up for?
 * "verdict" is one member's verdict; the replacement found goes to
 * "replacement".  True also when nobody misses it: because its whole table
 * went afterwards, or because it was let go for the sake of a replacement and
 * could have gone without.  Otherwise the verdict says why it is missed.
 */
extern bool guard_check_made_up(GuardJudgement *judgement, GuardVerdict *verdict,
								GuardReplacement *replacement);

/* Is that to be asked of this verdict, although it let the index go? */
extern bool guard_check_asks_again(const GuardVerdict *verdict);

/*
 * Indexes that are there, of a table whose name or columns lead to something
 * else now: which of them are missed there?  A list of GuardJudgement *.  "told"
 * receives what there is to say of those that nobody can look for any more, or of
 * whose place nothing can be told; NULL: that is not asked.
 */
extern List *guard_check_passed_on(Oid table, List **told);

/*
 * A relation has taken a name that was nobody's: which indexes of a table that
 * bore it, and whose traffic counts, does it lack?
 */
extern List *guard_check_taken(Oid relation);

/* Sum up again, after verdicts of members have changed. */
extern void guard_check_sum_up(GuardJudgement *judgement);

/*
 * A transaction that drops a hot index and replaces it before COMMIT keeps
 * the traffic waiting meanwhile.  Is that too long?
 */
extern bool guard_check_cannot_wait(const GuardJudgement *judgement,
									const char **why);

/* ----------------------------------------------------------------
 *		A verdict in words: error, warning, log line, facts.
 * ----------------------------------------------------------------
 */

/* Why a statement that would be refused is not refused here. */
typedef enum GuardOccasion
{
	GUARD_AT_STATEMENT,
	GUARD_AT_COMMIT,			/* the transaction left no replacement */
	GUARD_TOO_LATE				/* nothing can be taken back any more: said,
								 * not refused */
} GuardOccasion;

/*
 * Refuse: ERROR naming all of these judgements, SQLSTATE 55006, with the
 * statements that use the indexes in the server log only.  In observe mode a
 * WARNING and a log line instead, and it returns.  "why" is an additional
 * sentence or NULL.
 */
extern void guard_report_refuse(List *judgements, GuardOccasion occasion,
								const char *why);

/* A name leads to nothing, or to what guard cannot judge: that is said. */
extern void guard_report_told(const char *what);

/*
 * A name that was free was taken by what lacks such an index: a WARNING; returns
 * what it says.
 */
extern char *guard_report_lacking(const GuardJudgement *judgement);

/* NOTICE or WARNING for a drop that goes through, where it helps. */
extern void guard_report_allowed(const GuardJudgement *judgement);

/* In observe mode: in the other one it would become a soft drop. */
extern void guard_report_would_delay(const GuardJudgement *judgement);

/* NOTICE: the transaction must make up for this before COMMIT. */
extern void guard_report_remembered(const GuardJudgement *judgement);

#endif							/* GUARD_CHECK_H */
