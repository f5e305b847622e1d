/*-------------------------------------------------------------------------
 *
 * event_trigger.c
 *	  The door that needs no restart: three event triggers, in C, for C sees
 *	  the parse tree (doc/internals/postgresql.md 1.6).
 *
 * The first DDL of a session that has not preloaded guard loads the library
 * through ddl_command_start, in time for the statement that fired it
 * (doc/internals/postgresql.md 1.10).  From then on the ProcessUtility hook is
 * there as well and these functions find its frame: they have nothing left to
 * do.
 *
 * Nothing is ever refused in sql_drop: after DROP INDEX CONCURRENTLY an error
 * there leaves a dead index (doc/internals/postgresql.md 1.2).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/event_trigger.h"

#include "hooks/frame.h"
#include "store/store.h"

PG_FUNCTION_INFO_V1(guard_sql_ddl_command_start);
PG_FUNCTION_INFO_V1(guard_sql_ddl_command_end);
PG_FUNCTION_INFO_V1(guard_sql_sql_drop);

static EventTriggerData *
get_trigger_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function can only be called by an event trigger")));
	return (EventTriggerData *) fcinfo->context;
}

/*
 * Is there something to do that the ProcessUtility hook does not do?
 */
static bool
door_is_ours(void)
{
	return guard_guc_mode != GUARD_MODE_OFF && guard_utility_depth() == 0 &&
		guard_store_present();
}

Datum
guard_sql_ddl_command_start(PG_FUNCTION_ARGS)
{
	EventTriggerData *data = get_trigger_data(fcinfo);

	if (door_is_ours())
	{
		guard_statement_close_left_open(false);
		guard_statement_start(guard_frame_push(data->tag, true),
							  data->parsetree, NULL);
	}
	PG_RETURN_NULL();
}

static void
finish(void)
{
	GuardFrame *frame = guard_frame_top();

	if (door_is_ours() && frame != NULL && frame->by_trigger)
		guard_statement_end(frame);
}

Datum
guard_sql_ddl_command_end(PG_FUNCTION_ARGS)
{
	(void) get_trigger_data(fcinfo);
	finish();
	PG_RETURN_NULL();
}

Datum
guard_sql_sql_drop(PG_FUNCTION_ARGS)
{
	(void) get_trigger_data(fcinfo);
	finish();
	PG_RETURN_NULL();
}
