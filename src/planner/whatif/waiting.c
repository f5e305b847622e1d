/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  Samples of statements that were planned and not yet executed.
 *
 * A statement is planned before anybody asks whether its role may read the
 * table.  So nothing that was merely planned is evidence: a sample waits in
 * the backend until its plan has been executed, which only happens after that
 * question.  It is told by the query's identifier, the role, the cost of the
 * plan to the last bit, and the table; the identifier alone would not do, for
 * from 18 on it goes by the names of tables, and anybody may have a table of
 * that name.
 *
 * What is still waiting when the transaction ends, however it does, is thrown
 * away, and its clocks are let run down: who was refused has not used up
 * anybody's turn.  The same goes for the oldest where the places do not
 * suffice.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "planner/whatif/sampling.h"
#include "store/store.h"

#define PLACES	32

typedef struct Waiting
{
	GuardWhatIf record;
	double		plan_cost;
	uint64		clocks[2];
} Waiting;

static Waiting waiting[PLACES];
int			guard_waiting_count = 0;

/*
 * Take one out, those behind it moving up.
 */
static void
take_out(int place)
{
	guard_waiting_count--;
	memmove(&waiting[place], &waiting[place + 1],
			sizeof(Waiting) * (guard_waiting_count - place));
}

static void
throw_away(int place)
{
	for (int i = 0; i < lengthof(waiting[place].clocks); i++)
		guard_clock_rewind(waiting[place].clocks[i]);
	take_out(place);
}

static void
end_transaction(GuardXactPhase phase)
{
	while (guard_waiting_count > 0)
		throw_away(guard_waiting_count - 1);
}

/* Called at start. */
void
guard_waiting_init(void)
{
	guard_xact_register(GUARD_XACT_OVER, end_transaction);
}

void
guard_waiting_add(const GuardWhatIf *record, double plan_cost,
				  const uint64 clocks[2])
{
	Waiting    *place;

	guard_xact_follow();
	if (guard_waiting_count == PLACES)
		throw_away(0);
	place = &waiting[guard_waiting_count++];
	place->record = *record;
	place->plan_cost = plan_cost;
	place->clocks[0] = clocks[0];
	place->clocks[1] = clocks[1];
}

void
guard_waiting_executed(QueryDesc *queryDesc, int64 queryid)
{
	PlannedStmt *plan = queryDesc->plannedstmt;

	/* A cursor that nobody fetched from. */
	if (!queryDesc->already_executed)
		return;
	for (int i = guard_waiting_count - 1; i >= 0; i--)
	{
		const GuardWhatIf *record = &waiting[i].record;

		if (record->queryid != queryid || record->userid != GetUserId() ||
			waiting[i].plan_cost != plan->planTree->total_cost ||
			!list_member_oid(plan->relationOids, record->heap))
			continue;
		if (guard_whatif_table_put(record))
			take_out(i);
		else
			throw_away(i);
	}
}
