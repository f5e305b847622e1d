/*-------------------------------------------------------------------------
 *
 * frame.h
 *	  What guard knows of one running DDL statement.
 *
 * A statement enters through one of two doors, the ProcessUtility hook or the
 * ddl_command_start event trigger, and meets the object_access backstop on
 * its way.  The frame is what they share: it makes the second door a no-op and
 * tells the backstop what has been judged already.  Frames form a stack, since
 * statements nest (event triggers, functions, REFRESH CONCURRENTLY).
 *
 * A frame lives in a memory context of its own under TopMemoryContext, not in
 * the transaction: DROP INDEX CONCURRENTLY commits twice before its end, where
 * the frame is needed for the audit row.  Where something of it must last
 * until COMMIT, its context passes to the transaction.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_FRAME_H
#define GUARD_FRAME_H

#include "nodes/plannodes.h"
#include "tcop/cmdtag.h"

#include "audit/audit.h"
#include "store/store.h"

/* An index about to go that nobody had resolved beforehand. */
typedef struct GuardPending
{
	Oid			table;
	GuardJudgement *alone;		/* judged as an index that goes */
	GuardJudgement *with_table; /* judged as if its table went, too */
	bool		table_goes;
	GuardDropped *dropped;
	List	   *parents;		/* OIDs of the partitioned indexes it is in */
	List	   *wholes;			/* of GuardDropped *: those of them that went */
} GuardPending;

/*
 * Why an index was not judged that went while guard.mode was on: PostgreSQL
 * dropped it along with what it replaces, or with a temporary object, and
 * nothing took its place; the script of its own extension did; or judging failed,
 * in observe mode.
 */
#define GUARD_UNJUDGED_INTERNAL "internal"
#define GUARD_UNJUDGED_SCRIPT	"extension"
#define GUARD_UNJUDGED_FAILED	"failed"

/* An index that PostgreSQL itself replaces by a new one of the same name. */
typedef struct GuardRebuilt
{
	Oid			index;			/* the old one */
	char	   *name;
	Oid			table;
	GuardShape *shape;			/* of the old one */
} GuardRebuilt;

/* How far a statement has come. */
typedef enum GuardPhase
{
	GUARD_PHASE_BEFORE,			/* it has taken no lock */
	GUARD_PHASE_REMOVING,		/* it has, and removes what was judged */
	GUARD_PHASE_DONE
} GuardPhase;

typedef struct GuardFrame
{
	struct GuardFrame *outer;
	MemoryContext context;
	CommandTag	tag;
	char	   *statement;		/* its text, NULL when not known */
	char	   *question;		/* its name in the audit log, once it has one */
	int			lock_timeout;	/* as it began: guard has its own */
	SubTransactionId subid;
	uint64		xact;			/* the transaction in which it began */
	bool		by_trigger;		/* opened by the event trigger: nobody will
								 * close it but its successor */
	bool		own;			/* it is its own transaction */
	bool		concurrent;
	bool		adds;			/* an ALTER TABLE that adds an index, too */
	GuardPhase	phase;
	bool		refused;		/* an error says so */
	bool		kept;			/* the context has passed to the transaction */
	List	   *judgements;		/* of GuardJudgement *: resolved beforehand */
	GuardFellows *fellows;		/* what is known to go with them */
	List	   *delayed;		/* those of them that become soft drops */
	List	   *dropped;		/* of GuardDropped * */
	List	   *departed;		/* of GuardDeparted *: to be written down */
	List	   *gone;			/* OIDs of tables that went */
	List	   *pending;		/* of GuardPending * */
	List	   *rebuilt;		/* of GuardRebuilt * */
	List	   *created;		/* OIDs of relations created */
	List	   *altered;		/* and of those that may bear other names, or
								 * their columns; InvalidOid: any */
	bool		renames;
	List	   *moves;			/* of GuardPendingMove * */
} GuardFrame;

/*
 * The innermost running statement, NULL for none; open one; and close it, with
 * whatever an error left open above it.
 */
extern GuardFrame *guard_frame_top(void);
extern GuardFrame *guard_frame_push(CommandTag tag, bool by_trigger);
extern void guard_frame_pop(GuardFrame *frame);

/*
 * Has one of the running statements committed already, as CONCURRENTLY does?  An
 * error now would leave it half done, for ever: so nothing is refused.
 */
extern bool guard_frame_past_recall(void);

/* the statement as the audit log names it; lives as long as the frame */
extern GuardAsked guard_frame_asked(GuardFrame *frame);

/* an error ended what event triggers had opened since that subtransaction */
extern void guard_frame_pop_aborted(SubTransactionId subid);

/* how many statements are inside the ProcessUtility hook now */
extern int	guard_utility_depth(void);

/*
 * What runs while guard.mode is off: command and statement as the audit log
 * names them, left alone where they are not known
 */
extern void guard_utility_describe(GuardAsked *asked);

/* ---- statement.c: the life of a statement, whichever door it came through */

/*
 * Call what guard does about a statement.  In observe mode nothing of it may stop
 * the statement: an error is undone, and a line in the server log.
 */
extern bool guard_statement_look(const char *what, guard_work work, void *arg);

/* before it has taken any lock; refuses by ERROR */
extern void guard_statement_start(GuardFrame *frame, Node *parsetree,
								  const char *str);

/*
 * After it is done: what the backstop saw is judged, book-keeping is written.
 * Refuses by ERROR, but where an event trigger has opened the frame.
 */
extern void guard_statement_end(GuardFrame *frame);

/* an error ended it; called while that is being handled */
extern void guard_statement_failed(GuardFrame *frame);

/*
 * Frames that an event trigger opened are closed by nobody: finish them now,
 * leaving what is pending to COMMIT.  "committing" spares one that commits
 * inside.
 */
extern void guard_statement_close_left_open(bool committing);

/* ---- judging.c: asking, and acting on the answer; an error refuses the drop */

/* NULL: not a statement whose targets are resolved beforehand */
extern GuardTargets *guard_judging_collect(GuardFrame *frame, Node *parsetree);

/* GuardJudgements of GuardTargets, in the frame's memory */
extern List *guard_judging_targets(GuardFrame *frame, List *targets);

/*
 * Claim the approvals on which an allowed drop rests; without them, the verdict
 * is another one.
 */
extern void guard_judging_claim(GuardFrame *frame, GuardJudgement *judgement);

/*
 * Refuse what cannot wait, remember what the transaction may still make up
 * for, say what is worth saying about the rest.
 */
extern void guard_judging_act_on(GuardFrame *frame, List *judgements);

/* ---- backstop.c: what a statement really removes */

/*
 * An index is being removed, INTERNAL or not: what is known of its use is kept,
 * whatever guard.mode is; and it is judged.
 */
extern void guard_backstop_keeps(Oid index, bool concurrent);
extern void guard_backstop_drops_index(Oid index, bool internal, bool concurrent);
extern void guard_backstop_drops_table(Oid table);
extern void guard_backstop_creates(Oid relation);
extern void guard_backstop_alters(Oid relation);

/* judge what nobody had resolved; see guard_statement_end() */
extern void guard_backstop_judge(GuardFrame *frame);

/* ---- delay.c: what becomes a soft drop */

/* tell these targets whether their drop can be carried out in stages */
extern void guard_delay_prepare(const GuardFrame *frame, Node *parsetree,
								List *targets);

/*
 * The same judgements without those of indexes that this session, a visitor,
 * is dropping for good because still nobody needs them.
 */
extern List *guard_delay_leave_out_own(List *judgements);

/*
 * Carry out what is delayed; returns what is left of the statement for
 * PostgreSQL to do, in the frame's memory.
 */
extern PlannedStmt *guard_delay_carry_out(GuardFrame *frame, PlannedStmt *pstmt,
										  bool top_level);

/* ---- books.c */

/*
 * at the end of a statement that succeeded: audit rows, created and moved
 * relations
 */
extern void guard_books_write(GuardFrame *frame);

/* what was known of indexes that go could not be kept: so it is said */
extern void guard_books_lose(GuardFrame *frame);

/* ---- transaction.c: what must be made up for before COMMIT ---- */

/*
 * Of the judgement's drop: judge it again before COMMIT; let capture forget it
 * once committed; keep the frame's memory until the transaction ends.
 */
extern void guard_transaction_remember(GuardFrame *frame, GuardJudgement *judgement);
extern void guard_transaction_forget_captured(GuardFrame *frame);
extern void guard_transaction_keep(GuardFrame *frame);

/* a statement has ended: see that ours is still the first callback at COMMIT */
extern void guard_transaction_go_first(void);

/* indexes already dropped by this transaction */
extern List *guard_transaction_fellows(void);

/* ---- database.c: statements about whole databases ---- */

/* Does a statement make, drop or alter a database? */
extern bool guard_database_concerns(Node *parsetree);

/* The database that must be empty for it; InvalidOid where none must. */
extern Oid	guard_database_to_empty(Node *parsetree);

/*
 * ---- unjudged.c: what is dropped while guard.mode is off, or at the end of
 * temporary objects ----
 */

/*
 * register with the end of transactions; and note an index that is being
 * dropped with guard.mode = off
 */
extern void guard_unjudged_init(void);
extern void guard_unjudged_note(Oid index);

/* ---- settings.c: who changed a setting of guard's ---- */

/* does the statement change one? */
extern bool guard_settings_concerns(Node *parsetree);

/* it was carried out; its text, NULL where that is not known */
extern void guard_settings_changed(Node *parsetree, const char *statement);

/* ---- installation, called by guard.c ---- */

/* register with the phases of a transaction; called once, from _PG_init */
extern void guard_transaction_init(void);

/* install the hook; called once, from _PG_init */
extern void guard_utility_init(void);

/* install the hook; called once, from _PG_init */
extern void guard_object_access_init(void);

#endif							/* GUARD_FRAME_H */
