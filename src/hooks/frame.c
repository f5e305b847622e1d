/*-------------------------------------------------------------------------
 *
 * frame.c
 *	  The stack of running DDL statements.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/proc.h"

#include "hooks/frame.h"
#include "store/store.h"

static GuardFrame *top_frame = NULL;

GuardFrame *
guard_frame_top(void)
{
	return top_frame;
}

GuardFrame *
guard_frame_push(CommandTag tag, bool by_trigger)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "guard statement",
												  ALLOCSET_SMALL_SIZES);
	GuardFrame *frame = MemoryContextAllocZero(context, sizeof(GuardFrame));

	frame->context = context;
	frame->tag = tag;
	frame->by_trigger = by_trigger;
	frame->subid = GetCurrentSubTransactionId();
	frame->xact = guard_xact_number();
	frame->lock_timeout = LockTimeout;
	frame->outer = top_frame;
	top_frame = frame;
	guard_xact_follow();
	return frame;
}

bool
guard_frame_past_recall(void)
{
	for (GuardFrame *frame = top_frame; frame != NULL; frame = frame->outer)
	{
		if (frame->xact != guard_xact_number())
			return true;
	}
	return false;
}

/*
 * Pop a frame, and whatever was left above it by an error.
 */
void
guard_frame_pop(GuardFrame *frame)
{
	GuardFrame *popped;

	do
	{
		popped = top_frame;
		Assert(popped != NULL);
		top_frame = popped->outer;
		if (!popped->kept)
			MemoryContextDelete(popped->context);
	} while (popped != frame);
}

void
guard_frame_pop_aborted(SubTransactionId subid)
{
	while (top_frame != NULL && top_frame->by_trigger &&
		   top_frame->subid >= subid)
		guard_frame_pop(top_frame);
}

GuardAsked
guard_frame_asked(GuardFrame *frame)
{
	GuardAsked	asked;

	if (frame->question == NULL)
		frame->question = MemoryContextStrdup(frame->context,
											  guard_audit_question());
	asked.question = frame->question;
	asked.command = GetCommandTagName(frame->tag);
	asked.statement = frame->statement;
	asked.lock_timeout = frame->lock_timeout;
	return asked;
}
