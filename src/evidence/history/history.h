/*-------------------------------------------------------------------------
 *
 * history.h
 *	  What was seen before: counters and captured use, written down with dates.
 *
 * Vocabulary:
 *
 * source		who observes: the server's cumulative counters, or capture
 * epoch		a span of time for which one source is unbroken; a crash, a
 *	reset, a failover end it and begin another
 * gap			a span for which no source was there.  What happened then is
 *	unknown; a stopped server is no gap, since the counters that
 *	survive a clean restart have missed nothing
 * segment		one life of a record of capture, known by the time at which it
 *	was made
 * snapshot	the writing down, in one transaction
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_HISTORY_H
#define GUARD_HISTORY_H

#include "evidence/evidence.h"
#include "store/store.h"

/* ---- epochs ---- */

typedef struct GuardEpoch
{
	int			counters;		/* 1, or else 0: capture */
	TimestampTz since;
	TimestampTz until;			/* 0: it goes on */
	TimestampTz seen_at;		/* found unbroken then for the last time */
	const char *began;			/* why, one word */

	/* what tells it from the one before */
	TimestampTz mark;
	TimestampTz cluster_mark;
	int64		timeline;
	int64		system;
	int			version;

	bool		stored;			/* there is a row of it */
	TimestampTz stored_seen_at; /* as the row says */
	bool		changed;		/* the row is no longer true */
} GuardEpoch;

/* The columns of guard.evidence_epoch. */
#define GUARD_EPOCHS_COLUMNS 10
extern const GuardColumn guard_epochs_columns[];

typedef struct GuardGap
{
	TimestampTz from;
	TimestampTz to;
	const char *why;			/* in words */
} GuardGap;

/* Whose testimony counts when gaps are looked for. */
typedef enum GuardWatch
{
	GUARD_WATCH_BOTH,			/* capture or counters */
	GUARD_WATCH_COUNTERS,		/* what no executor sees, or capture lost */
	GUARD_WATCHES
} GuardWatch;

typedef struct GuardEpochs
{
	List	   *epochs;			/* of GuardEpoch *, as of now */
	bool		known;			/* false: the table could not be read */
	bool		recorded;		/* there was a snapshot */
	TimestampTz now;
	TimestampTz since;			/* beginning of the first */
	const GuardEpoch *counters; /* the ones that go on; NULL: none */
	const GuardEpoch *capture;
	List	   *gaps[GUARD_WATCHES];	/* of GuardGap *, oldest first */
} GuardEpochs;

/* All epochs, brought up to this moment, in the current memory context. */
extern GuardEpochs *guard_epochs_read(void);

/* Microseconds between two moments for which nobody was there. */
extern int64 guard_epochs_unobserved(const GuardEpochs *epochs, GuardWatch watch,
									 TimestampTz from, TimestampTz to);

/*
 * The gaps between two moments in words, "4 min on 2026-11-20 14:03 (failover)",
 * the latest first and no more than a few; NULL when there is none.
 */
extern char *guard_epochs_gap_words(const GuardEpochs *epochs, GuardWatch watch,
									TimestampTz from, TimestampTz to);

/* for files of evidence/ alone */
extern TimestampTz guard_server_counters_since(TimestampTz *cluster, bool *lost);
extern TimestampTz guard_server_capture_since(void);
extern TimestampTz guard_server_installed_at(void);

/* ---- what is known of the use of one index or table ---- */

typedef struct GuardKnownUse
{
	int32		id;				/* 0: not written down yet */
	Oid			relation;
	uint64		fkey;			/* of checks by these columns; 0: all other
								 * uses */
	Oid			table;
	NameData	name;

	/* captured, before the segment */
	TimestampTz first;
	TimestampTz last;
	int64		uses;
	int64		pause;			/* longest, microseconds; -1: not known */
	TimestampTz pause_ended;
	int32		days;			/* with use, the segment's included */
	char	   *services;		/* in words */

	/* captured, in the segment */
	TimestampTz segment;
	TimestampTz seg_first;
	TimestampTz seg_last;
	int64		seg_uses;
	int64		seg_pause;

	/* counted */
	TimestampTz counters_mark;
	int64		scans;
	int64		alone;			/* those that no capture explained */
	TimestampTz alone_first;
	TimestampTz alone_last;
	int64		alone_pause;
	int32		alone_days;
} GuardKnownUse;

/* The columns of guard.known_use, the id first. */
#define GUARD_HISTORY_COLUMNS 24
extern const GuardColumn guard_history_columns[];

/*
 * If the segment of which the row speaks is not "segment", the present one (0:
 * there is none), what happened in it belongs to the past.
 */
extern void guard_history_fold(GuardKnownUse *use, TimestampTz segment,
							   const GuardEpochs *epochs);

/*
 * The pause between two uses, as far as somebody was there to see it; -1 when
 * the one is not after the other.
 */
extern int64 guard_history_pause(TimestampTz last, TimestampTz first,
								 const GuardEpochs *epochs);

/* One that is longer than anything is remembered is a clock's that jumped. */
extern bool guard_history_plausible(int64 pause);

/* ---- snapshots ---- */

/*
 * Write down what happened since the last snapshot; must be called in a
 * transaction that may write.  False: not now.  Waits for no lock.
 */
extern bool guard_history_snapshot(void);

/* when the last one was, 0: never */
extern TimestampTz guard_history_last_snapshot(void);

/* ---- statements ---- */

/* What pg_stat_statements counted between the last two snapshots. */
typedef struct GuardStatementRate
{
	int64		queryid;
	TimestampTz from;
	TimestampTz to;
	int64		calls;
	double		total_time;		/* milliseconds */
	int64		rows;
	int64		all_calls;		/* before the last snapshot */
	double		mean_time;		/* of those */
	char	   *query;			/* its text; NULL: not known */
} GuardStatementRate;

/*
 * Read that of one statement, in the current memory context.  False: no
 * snapshot has written it down.  One that was not called between the last two
 * snapshots has 0 calls; one that only the last one has seen, from = to.
 */
extern bool guard_history_statement_rate(int64 queryid,
										 GuardStatementRate *rate);

/* ----------------------------------------------------------------
 *		The rows of history; seen by its own files alone.
 * ----------------------------------------------------------------
 */

/* Rows of guard.known_use and guard.hourly_use, not written yet. */
typedef struct GuardHistoryRows GuardHistoryRows;

/*
 * Rows in the current memory context: none; one use more; the epochs written
 * at once.
 */
extern GuardHistoryRows *guard_history_rows_make(void);

/* what happened between two snapshots, for the row of this index */
extern void guard_history_rows_use(GuardHistoryRows *rows,
								   const GuardKnownUse *use);

/* "at" is when the last of the captured uses was, or the scans were noticed */
extern void guard_history_rows_hour(GuardHistoryRows *rows,
									const GuardKnownUse *use, TimestampTz at,
									int64 scans, int64 uses);
extern void guard_history_rows_write(GuardHistoryRows *rows);

/* relations that are no more, by their ids in guard.known_use */
extern void guard_history_rows_delete(List *ids);

/* write the epochs that are not written yet */
extern void guard_history_rows_epochs(const GuardEpochs *epochs);

/* the statements, and what is too old */
extern void guard_history_statements(TimestampTz now, TimestampTz last);
extern void guard_history_prune(const GuardEpochs *epochs);

#endif							/* GUARD_HISTORY_H */
