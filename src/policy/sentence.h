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

/* "2026-11-23 05:55:16 +00" */
extern char *guard_sentence_moment(TimestampTz at);

/* "public.users_email_idx", quoted where needed */
extern char *guard_sentence_name(const GuardShape *shape);

/* The evidence, in full sentences, for the client. */
extern char *guard_sentence_detail(const GuardJudgement *judgement);

/* The evidence as a JSON object, NULL facts left out. */
extern char *guard_facts_json(const GuardJudgement *judgement);

/* "public.users", quoted where needed: the index's table */
extern char *guard_sentence_table(const GuardShape *shape);

#endif							/* GUARD_SENTENCE_H */
