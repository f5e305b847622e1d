/*-------------------------------------------------------------------------
 *
 * need.h
 *	  Does anybody still need an index that is a soft drop?
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_NEED_H
#define GUARD_NEED_H

#include "softdrop/states.h"

typedef struct GuardNeedAnswer
{
	GuardSoftDropNeed need;
	TimestampTz use_ends;		/* when its use stops counting, if no more
								 * happens; 0 when that is not known */
	int64		longest_pause;	/* between two uses, microseconds; 0 not known */
	GuardJudgement *judgement;	/* NULL when it has vanished */
} GuardNeedAnswer;

/* Judge it as any DROP would be judged; in the current memory context. */
extern GuardNeedAnswer guard_need_ask(const GuardSoftDrop *drop);

/* The same question of a verdict that somebody else asked for. */
extern GuardSoftDropNeed guard_need_of_verdict(const GuardVerdict *verdict);

#endif							/* GUARD_NEED_H */
