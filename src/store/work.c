/*-------------------------------------------------------------------------
 *
 * work.c
 *	  Work whose errors are not the statement's.
 *
 * What guard does in passing - it plans a statement once more, writes a row of
 * its books - runs in a subtransaction, so that an error in it is rolled back
 * and swallowed.  Two rules, which only hold because there is no other place:
 *
 *	- An error rolls back first.  Until then memory may be exhausted, and
 *	  whatever is allocated in the handler, a copy of the error to begin with,
 *	  would fail again and leave by the next handler, with the subtransaction
 *	  open for ever.
 *	- An error that is passed on is not copied.  It lies where PostgreSQL has
 *	  put it, and lasts until the server has reported it; a copy lies in some
 *	  context of ours, which the statement's end takes away before that.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "jit/jit.h"
#include "mb/pg_wchar.h"
#include "utils/resowner.h"

#include "store/store.h"

/*
 * What must be left before a subtransaction is started, for starting it cannot
 * be undone half-way.  Some times what it takes.
 */
#define ROOM	(64 * 1024)

bool
guard_work_has_room(void)
{
	void	   *room = MemoryContextAllocExtended(TopMemoryContext, ROOM,
												  MCXT_ALLOC_NO_OOM);

	if (room == NULL)
		return false;
	pfree(room);
	return true;
}

static void
set_failure(GuardFailure *failure, int sqlerrcode, const char *message)
{
	int			len = pg_mbcliplen(message, strlen(message),
								   GUARD_FAILURE_MESSAGE - 1);

	failure->sqlerrcode = sqlerrcode;
	failure->cursorpos = 0;
	memcpy(failure->message, message, len);
	failure->message[len] = '\0';
}

void
guard_work_take_failure(GuardFailure *failure)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext volatile context = NULL;
	int			code = geterrcode();

	/*
	 * A text that is known need not be copied; and another one may fail to
	 * be.
	 */
	set_failure(failure, code, "out of memory");
	if (code == ERRCODE_OUT_OF_MEMORY)
	{
		FlushErrorState();
		return;
	}
	PG_TRY();
	{
		ErrorData  *error;

		context = AllocSetContextCreate(TopMemoryContext, "guard error",
										ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		set_failure(failure, code, error->message ? error->message : "");
		failure->cursorpos = error->cursorpos;
	}
	PG_CATCH();
	{
	}
	PG_END_TRY();
	FlushErrorState();
	MemoryContextSwitchTo(old);
	if (context != NULL)
		MemoryContextDelete(context);
}

bool
guard_work_is_passed_on(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_QUERY_CANCELED ||
		sqlerrcode == ERRCODE_ADMIN_SHUTDOWN;
}

/*
 * Call the work and end the subtransaction, unless an error did: then false,
 * with the error on the stack.
 */
static bool
call_and_end(guard_work work, void *arg, GuardWorkEnd end)
{
	uint32		holdoff = InterruptHoldoffCount;
	int			level = NewGUCNestLevel();
	volatile bool ok = true;

	PG_TRY();
	{
		work(arg);
		if (end == GUARD_WORK_UNDONE)
			RollbackAndReleaseCurrentSubTransaction();
		else
		{
			AtEOXact_GUC(end == GUARD_WORK_STAYS, level);
			ReleaseCurrentSubTransaction();
		}
	}
	PG_CATCH();
	{
		/* An error has let go of all interrupts. */
		InterruptHoldoffCount = holdoff;
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

bool
guard_work_run(guard_work work, void *arg, GuardWorkEnd end,
			   GuardFailure *failure)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	bool		jit = jit_enabled;
	bool		ok;

	if (!guard_xact_may_begin())
	{
		set_failure(failure, ERRCODE_ACTIVE_SQL_TRANSACTION,
					"the transaction is being committed");
		return false;
	}
	if (!guard_work_has_room())
	{
		set_failure(failure, ERRCODE_OUT_OF_MEMORY, "out of memory");
		return false;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);

	/* What an error names may lie in compiled code, which the rollback frees. */
	jit_enabled = false;
	ok = call_and_end(work, arg, end);
	if (!ok)
		RollbackAndReleaseCurrentSubTransaction();
	jit_enabled = jit;
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (ok)
		return true;

	/*
	 * The one place that passes on an error.  As PostgreSQL leaves it, in a
	 * context that no handler deletes.
	 */
	if (end == GUARD_WORK_STAYS && guard_work_is_passed_on(geterrcode()))
	{
		MemoryContextSwitchTo(ErrorContext);
		PG_RE_THROW();
	}
	guard_work_take_failure(failure);
	return false;
}
