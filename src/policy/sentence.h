/*-------------------------------------------------------------------------
 *
 * sentence.h
 *	  A verdict and its evidence in words, and as JSON.
 *
 * Everything is returned in the current memory context.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SENTENCE_H
#define GUARD_SENTENCE_H

#include "policy/check.h"

/*
 * One clause: what the verdict rests on, for instance "auth uses it 412 times
 * a second, last 0.3 s ago".  In the current memory context.
 */
extern char *guard_sentence_verdict(const GuardJudgement *judgement);

/*
 * The same as guard says it where it refuses: "guard sees auth use it 412 times
 * a second, last 0.3 s ago".  To whoever may not learn of the traffic, only
 * that.
 */
extern char *guard_sentence_refusal(const GuardJudgement *judgement);

/*
 * One use in words, with a rate if that is going on; where guard speaks for
 * itself, it says what it sees.
 */
extern char *guard_sentence_use(const GuardFact *use, double rate, int64 count,
								TimestampTz now, bool guard_speaks);

/* ---- detail.c ---- */

/* What is known besides, in a few sentences, for the client. */
extern char *guard_sentence_detail(const GuardJudgement *judgement);

/* The same behind what the verdict says, where nobody has said that before. */
extern char *guard_sentence_whole(const GuardJudgement *judgement);

/* A replacement that is there, but not usable yet: a sentence, or NULL. */
extern char *guard_sentence_not_usable(const GuardReplacement *replacement);

/* ---- hint.c ---- */

/* What to do about a refusal, most likely first; without the approval. */
extern char *guard_hint_remedy(const GuardJudgement *judgement);

/* What another person can run to let all of them go all the same. */
extern char *guard_hint_approval(List *judgements);

/* What brings back what observe mode lets go; NULL: nothing does. */
extern char *guard_hint_bring_back(List *judgements);

/* ---- facts.c ---- */

/* The evidence as a JSON object, NULL facts left out. */
extern char *guard_facts_json(const GuardJudgement *judgement);

/* The same of the use of an index and its table, for another server. */
extern char *guard_facts_for_profile(const GuardEvidence *evidence);

/* ---- words.c ---- */

/* A person's text as part of a message: one line, and not too long. */
extern char *guard_sentence_one_line(const char *str);

/* "2026-11-23 05:55:16 +00" */
extern char *guard_sentence_moment(TimestampTz at);

/* "public.users_email_idx", quoted where needed */
extern char *guard_sentence_name(const GuardShape *shape);

/* "public.users", quoted where needed: the index's table */
extern char *guard_sentence_table(const GuardShape *shape);

/*
 * An index that serves, as something that a person can keep: of a partition's,
 * the one that it is part of.
 */
extern char *guard_sentence_keeper(const GuardReplacement *replacement);

/* ---- sentence_needs.c ---- */

/* The clause of a verdict whose reason is that statements would fail. */
extern char *guard_sentence_need(const GuardVerdict *verdict);

/* The clause of a verdict whose reason is a dependency. */
extern char *guard_sentence_dependency(const GuardVerdict *verdict);

/* The clause for a use that ended with deployments. */
extern char *guard_sentence_released(const GuardFact *use, TimestampTz now);

/* One dependency as full sentences; "told": the clause has told of it. */
extern void guard_sentence_append_dependency(StringInfo buf,
											 const GuardDependency *dependency,
											 TimestampTz now, bool told);

/*
 * What was registered for an index goes with it: as a sentence, or NULL where
 * there is nothing.
 */
extern char *guard_sentence_going(const GuardEvidence *evidence);

/* "by alice at 2026-11-23 05:55:16 +00: no longer needed" */
extern char *guard_sentence_approval(const GuardApproval *approval);

/* Why an approval does not help, where there is one. */
extern void guard_sentence_append_approval(StringInfo buf,
										   const GuardVerdict *verdict);

#endif							/* GUARD_SENTENCE_H */
