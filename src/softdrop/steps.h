/*-------------------------------------------------------------------------
 *
 * steps.h
 *	  What the files of this room have in common: how a soft drop goes on.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_STEPS_H
#define GUARD_STEPS_H

#include "c.h"

#include "softdrop/softdrop.h"
#include "store/visits.h"

/* ----------------------------------------------------------------
 *		Has a statement become slower, or does it only look so?
 *
 * Times are milliseconds, windows seconds.
 *
 * Vocabulary:
 *
 * window		the time that is looked at: from some visit until now
 * control		a statement that no hidden index has anything to do with
 * answer		what a session said that planned the statement once more, with
 *			the hidden index (planner/whatif/question.h)
 * ----------------------------------------------------------------
 */

/* What is counted of a statement at one moment, since some beginning. */
typedef struct GuardNoiseCounters
{
	int64		at;				/* that moment, microseconds; of what was seen
								 * when a window began */
	int64		reset_at;		/* all statements' counters began; 0 not
								 * known; of what is seen now */
	int64		calls;
	double		time;
	double		squares;		/* of the times of its calls, added up */
	double		rows;
	double		longest;
} GuardNoiseCounters;

/* One statement, before its index was hidden and since. */
typedef struct GuardNoiseStatement
{
	int64		calls_before;	/* 0: nothing is known from before */
	double		mean_before;
	double		stddev_before;
	double		max_before;
	double		rows_before;	/* per call */

	/* finished calls of the window */
	double		seconds;		/* its length */
	int64		calls;
	double		time;			/* in all */
	double		squares;		/* in all */
	double		rows;			/* in all */
	double		longest;		/* the longest of them, where it is known:
								 * where it was a new record; else 0 */

	bool		late;			/* some of them waited for a lock: how long
								 * they took says nothing */
	bool		lost;			/* what ran in a part of it was not counted */

	/* calls that run now */
	int			running;
	int			running_long;	/* beyond guard_noise_limit() */
	double		longest_running;
} GuardNoiseStatement;

/* By how much has everything else become slower?  At least 1. */
typedef struct GuardNoiseGeneral
{
	double		middle;			/* half of the controls by more, of those that
								 * take as long if there are some */
	double		most;			/* one in ten by more */
} GuardNoiseGeneral;

typedef enum GuardNoiseAnswer
{
	GUARD_NOISE_WAITING,		/* nobody has answered yet */
	GUARD_NOISE_NONE,			/* and nobody will: the figures must do */
	GUARD_NOISE_USED,			/* the index would be used */
	GUARD_NOISE_INNOCENT		/* it would not, or where one like it is */
} GuardNoiseAnswer;

/* What is found. */
typedef struct GuardNoiseFinding
{
	bool		suspect;		/* worth a question */
	bool		slower;			/* proven, where the index would be used */
	bool		proven;			/* proven, whatever is known of the index */
	bool		still_running;	/* it shows in calls that have not finished */
	bool		enough;			/* the window has said what it can: begin a
								 * new one */
	double		mean;			/* per finished call, the longest left out; or
								 * the longest that is running */
	double		expected;
} GuardNoiseFinding;

/* What follows. */
typedef struct GuardNoiseStep
{
	bool		restore;
	bool		end;			/* a new window begins */
	int			in_a_row;		/* windows without a break that proved it */
} GuardNoiseStep;

/*
 * Put into a statement what it did since its window began, "seen" being what
 * was counted then.  Where all counters began anew meanwhile, it is what was
 * counted since, and the rest is lost.  False, with nothing but that put in,
 * where they contradict each other: a counter of one of its users was thrown
 * out, or the clock went back, so begin a new window.
 */
extern bool guard_noise_window(GuardNoiseStatement *statement,
							   const GuardNoiseCounters *seen,
							   const GuardNoiseCounters *now);

/*
 * What controls say of a statement whose calls took "mean_before", in the same
 * window.
 */
extern GuardNoiseGeneral guard_noise_general(const GuardNoiseStatement *controls,
											 int n, double mean_before);

/* A call that has been running for longer than this is suspicious. */
extern double guard_noise_limit(const GuardNoiseStatement *statement,
								double factor);

/* Has it become slower, by more than "factor"? */
extern GuardNoiseFinding guard_noise_judge(const GuardNoiseStatement *window,
										   double factor,
										   const GuardNoiseGeneral *general);

/*
 * What is to be done: "in_a_row" is what the last step of this statement said.
 */
extern GuardNoiseStep guard_noise_decide(const GuardNoiseFinding *finding,
										 GuardNoiseAnswer answer, int in_a_row);

/* ---- states.c: what happens next ---- */

/* Does anybody need the index? */
typedef enum GuardSoftDropNeed
{
	GUARD_NEED_UNKNOWN,
	GUARD_NEED_NOBODY,
	GUARD_NEED_SOMEBODY,
	GUARD_NEED_PROTECTED
} GuardSoftDropNeed;

/* Everything that decides, as a visitor finds it. */
typedef struct GuardSoftDropFacts
{
	TimestampTz now;
	GuardSoftDropState state;
	TimestampTz state_since;
	bool		exists;
	bool		valid;
	bool		hiding_works;	/* preloaded, guard.hiding on */
	bool		hidden;			/* the registry says so; or cannot be read */
	bool		hideable;
	bool		regressed;		/* the watch has proof */
	bool		compared;		/* what used it is known from before */
	bool		approved;		/* waiting: an approval can be claimed;
								 * hidden: one was used up */
	bool		table_locked;	/* by somebody who keeps everybody out */
	int64		needed_for;		/* hidden: found to be needed for so long;
								 * microseconds */
	bool		name_wanted;	/* restored, but not under its name */
	bool		restore_wanted;
	bool		unheard;		/* waiting: not all standbys have told how its
								 * statements are there */
	bool		old_lockers;	/* a drop would wait, with the index invalid */
	GuardSoftDropNeed need;
	TimestampTz use_ends;		/* when its use stops counting if nothing more
								 * happens; 0 not known */
	int64		watched;		/* microseconds hidden and watched */
	int64		trial;			/* microseconds needed */
	TimestampTz drop_started_at;	/* 0: never */
	int			attempts;		/* at the long step, that did not succeed */
	TimestampTz last_attempt;	/* 0: none */
} GuardSoftDropFacts;

typedef struct GuardSoftDropPlan
{
	GuardSoftDropStep step;
	const char *why;			/* a clause: of RESTORE the reason, of STAY
								 * what comes next */
	TimestampTz shown_at;		/* STAY: when that is at the earliest; 0 not
								 * known */
	TimestampTz next_visit;		/* STAY: when to look again; 0: no need to */
	bool		stay_here;		/* do not leave until then: seconds count */
	bool		use_approval;	/* HIDE: only if an approval can be claimed */
} GuardSoftDropPlan;

/*
 * Pure: it reads no clock and no setting but those in its argument.
 */
extern GuardSoftDropPlan guard_states_next(const GuardSoftDropFacts *facts);

/* How often is a hidden index looked at, after so long?  Microseconds. */
extern int64 guard_states_watch_interval(int64 watched);

/*
 * How long has it been hidden and watched by now?  Time in which nobody looked,
 * or in which nothing could be seen ("lost"), does not count.
 */
extern int64 guard_states_watched(const GuardSoftDrop *drop, TimestampTz now,
								  bool lost);

/*
 * Are the statements that used it known from before it was hidden?  "uses" is
 * how often it was used, as far as capture knows, "covered" how many of those
 * were by statements whose times are known; "used" says whether anything knows
 * of a use, and "others" of how many other statements of its table the times
 * are known.
 */
extern bool guard_states_compared(bool used, int64 uses, int64 covered,
								  int64 others);

/* When to look again whether a name has become free. */
extern int64 guard_states_name_interval(TimestampTz now, TimestampTz state_since);

/* Back-off: how long after a failed attempt comes the next?  Microseconds. */
extern int64 guard_states_back_off(int attempts);

/*
 * Long work was looked at: it has got on if its progress is another than at the
 * last look, and it does not sleep or wait for somebody just now.
 */
extern void guard_states_account(GuardLongWork *work, TimestampTz now,
								 uint64 progress, bool rests);

/*
 * Must it end, for its time is over, or since others wait and it gets nowhere?
 */
extern bool guard_states_gives_way(const GuardLongWork *work, TimestampTz now,
								   bool others_wait);

/* ---- need.c: does anybody still need it? ---- */

typedef struct GuardNeedAnswer
{
	GuardSoftDropNeed need;
	TimestampTz use_ends;		/* when its use stops counting, if no more
								 * happens; 0 when that is not known */
	int64		longest_pause;	/* between two uses, microseconds; 0 not known */
	List	   *used_on;		/* of const char *: where a use is known,
								 * whether it counts or not; empty: this
								 * server */
	TimestampTz protected_at;	/* 0: it is not */
	List	   *approvals;		/* of const GuardApproval *: with them it
								 * could go though it is needed */
	GuardJudgement *judgement;	/* without them; NULL when it has vanished */
} GuardNeedAnswer;

/*
 * Judge it as a DROP by who asked for it would be judged; in the current memory
 * context.
 */
extern GuardNeedAnswer guard_need_ask(const GuardSoftDrop *drop,
									  const GuardServer *server);

/*
 * The same question of a judgement that somebody else asked for.  Approvals are
 * for those who claim them: the judgement becomes what it is without, and they
 * are added to the list, if that is asked for.
 */
extern GuardSoftDropNeed guard_need_of_judgement(GuardJudgement *judgement,
												 List **approvals);

/*
 * Use up these approvals, in this transaction, for the drop that was asked for.
 * False when somebody else was faster with one of them: then what the others
 * were used up for must not happen.
 */
extern bool guard_need_claim(List *approvals);

/* ---- sample.c: what the server counts of its statements at one moment ---- */

/* What pg_stat_statements knows of one statement, over all its users. */
typedef struct GuardCounted
{
	int64		queryid;		/* key */
	GuardNoiseCounters counters;
	TimestampTz since;			/* counted since then; 0 where the server does
								 * not tell one from another (before 17) */
	bool		late;			/* a call of it waits for a lock */
} GuardCounted;

typedef struct GuardRunning
{
	int64		queryid;
	TimestampTz started;
	double		elapsed;		/* milliseconds */
} GuardRunning;

/* A soft drop that a standby knows of. */
typedef struct GuardHeard
{
	int64		drop;			/* key */
	bool		hidden;			/* the index is hidden there, too */
	int64		uses;			/* of it there, as far as capture knows */
} GuardHeard;

/* What was counted on one server at one moment, in one memory context. */
typedef struct GuardWatchSample
{
	const char *node;			/* a standby; empty: this server */
	const char *blind;			/* why statements cannot be compared there;
								 * NULL: they can */
	HTAB	   *heard;			/* of GuardHeard: of a standby */
	HTAB	   *counted;		/* of GuardCounted */
	List	   *running;		/* of GuardRunning * */
	TimestampTz at;				/* counted at */
	TimestampTz reset_at;		/* all counters began; 0 not known */
	int			active;
	int			waiting;
	MemoryContext context;
	List	   *controls;		/* read back; watch.c's */
} GuardWatchSample;

/* ---- watch.c: does anything become slower without a hidden index? ---- */

typedef struct GuardWatchFinding
{
	bool		regressed;
	bool		lost;			/* statistics were reset since the last look */
	char	   *sentence;		/* which statement, by how much; NULL unless
								 * regressed */
	bool		asking;			/* a session has been asked, and will answer
								 * soon: look again after
								 * GUARD_WATCH_ANSWER_INTERVAL */
} GuardWatchFinding;

#define GUARD_WATCH_ANSWER_INTERVAL	INT64CONST(250000)	/* microseconds */

/*
 * Count everything once, for all soft drops; in the current context.  First what
 * this server counts, then what its standbys did when they reported.  And the
 * statements of an index on a standby.
 */
extern List *guard_watch_samples(void);
extern struct GuardRows *guard_watch_statements(const GuardWatchSample *sample,
												int64 drop);

/*
 * NULL when its statements can be compared, here and on all standbys that count,
 * else why not, as a clause.
 */
extern const char *guard_watch_blind(const GuardSoftDrop *drop, const GuardServer *server,
									 List *samples);

/*
 * Write down how the statements of this index, of its table and of the rest
 * of the database are before it is hidden; in the transaction that hides it.  Is
 * known how those were that used it, as far as anything knows of a use?
 */
extern bool guard_watch_begin(GuardSoftDrop *drop, List *samples,
							  const GuardNeedAnswer *need);

/*
 * Compare with before.  Writes down where the next window begins.
 */
extern GuardWatchFinding guard_watch_look(GuardSoftDrop *drop,
										  List *samples);

/* The trial is over, however it ended: forget what was before. */
extern void guard_watch_end(GuardSoftDrop *drop);

/* ---- visit.c: a transaction, and what to do with an error ---- */

/* A transaction with a snapshot. */
extern void guard_visit_begin(void);
extern void guard_visit_end(void);

/*
 * Catch an error: say what it was, and undo it.  Returns its message, in
 * "context".
 */
extern char *guard_visit_caught(MemoryContext context);

/*
 * What went wrong goes into the row; "attempt" says whether that counts as one,
 * or has been counted.
 */
extern void guard_visit_note_failure(int64 id, const char *message, bool attempt);

/* ---- dropping.c: statements that commit inside, run by a builder ---- */

/*
 * Run one statement as if a client had sent it alone.  Called outside a
 * transaction; raises what the statement raises, leaving the transaction to the
 * caller to abort.  "lock_timeout" is milliseconds, 0 for none.
 */
extern void guard_softdrop_run(const char *sql, int lock_timeout);

/* ---- the long steps: dropping.c, creating.c ---- */

/*
 * The long steps.  They begin and end transactions of their own, and raise what
 * goes wrong; "context" outlives them.
 */
extern void guard_dropping_drop(int64 id, MemoryContext context);
extern void guard_creating_run(int64 id, MemoryContext context);

/*
 * Would dropping it have to wait for older transactions on its table?  It
 * would be invalid meanwhile (doc/internals/postgresql.md 7.2).
 */
extern bool guard_dropping_must_wait(const GuardSoftDrop *drop);

/* guard's doors are to know that it is guard that drops this index, until then */
extern void guard_dropping_note(Oid index);
extern void guard_dropping_forget(void);

/*
 * A relation is being dropped: by a visitor in a long step nothing but what it
 * has noted.  Between its look at a name and its statement, the name may have
 * been given to another index, of somebody else.
 */
extern void guard_dropping_check(Oid relation);

/* the row, in that context; called in a transaction */
extern GuardSoftDrop *guard_dropping_read(int64 id, MemoryContext context);

#endif							/* GUARD_STEPS_H */
