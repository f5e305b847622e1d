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
	bool		used;			/* a use is known, whether it counts or not */
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

#endif							/* GUARD_NEED_H */
