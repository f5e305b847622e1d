/*-------------------------------------------------------------------------
 *
 * check_funcs.c
 *	  SQL functions that ask about one index or table: guard.check,
 *	  guard.index_statements.
 *
 * They answer with what the doors would decide, from the same function, and
 * wait for no lock.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"

#include "api/api.h"
#include "policy/sentence.h"

PG_FUNCTION_INFO_V1(guard_sql_check);
PG_FUNCTION_INFO_V1(guard_sql_index_statements);

/*
 * What a refusal would say of what can be done.
 */
static const char *
hint_of(GuardJudgement *judgement)
{
	if (judgement->verdict.decision == GUARD_ALLOW)
		return NULL;
	return guard_text_valid(psprintf("%s %s", guard_hint_remedy(judgement),
									 guard_hint_approval(list_make1(judgement))));
}

/*
 * guard.check(object): what would happen if it were dropped now.
 */
Datum
guard_sql_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			object = PG_GETARG_OID(0);
	GuardServer *server;

	guard_api_require_sight(object);
	InitMaterializedSRF(fcinfo, 0);
	server = guard_server_read();
	foreach_ptr(GuardTarget, target, guard_api_targets(object))
	{
		GuardJudgement *judgement = guard_check_alone(target, server);

		if (judgement == NULL)
			continue;
		guard_check_predict(judgement);
		guard_api_row(rsinfo, P_OID(judgement->target->index),
					  P_TEXT(guard_verdict_decision_name(judgement->verdict.decision)),
					  P_TEXT(guard_verdict_reason_name(judgement->verdict.reason)),
					  P_TEXT(guard_text_valid(guard_sentence_whole(judgement))),
					  P_TEXT(hint_of(judgement)),
					  P_JSONB(guard_facts_json(judgement)));
	}
	return (Datum) 0;
}

/* ---- guard.index_statements ---- */

/*
 * Names of the services that used an index or its partitions.
 */
static List *
services_of(List *members)
{
	List	   *names = NIL;

	foreach_oid(member, members)
	{
		foreach_ptr(GuardCapturedService, service,
					guard_capture_services(member, NULL))
		{
			bool		there = false;

			foreach_ptr(char, name, names)
				there |= strcmp(name, service->service) == 0;
			if (!there)
				names = lappend(names, service->service);
		}
	}
	return names;
}

/*
 * Of a check, the foreign keys that make it; NULL for any other statement, and
 * where they are gone.
 */
static char *
keys_of(const GuardCapturedStatement *statement)
{
	GuardShape *shape = statement->fkey == 0 ? NULL :
		guard_shape_read(statement->relation);

	return shape == NULL ? NULL : guard_causes_keys(shape, statement->fkey, NIL);
}

/*
 * One row: what is known and predicted of a statement.
 */
static void
put_statement(ReturnSetInfo *rsinfo, const GuardCapturedStatement *statement,
			  const GuardTime *time, const char *query,
			  const GuardOutlook *outlook, GuardParam services)
{
	bool		known = outlook->predicted;
	double		secs = (GetCurrentTimestamp() - statement->first) /
		(double) USECS_PER_SEC;

	guard_api_row(rsinfo, P_INT8(statement->queryid),
				  P_TEXT(query == NULL ? NULL :
						 guard_text_cut(query, GUARD_STATEMENT_SHOWN, "")),
				  P_INT8(statement->count),
				  P_FLOAT8(known ? outlook->calls : statement->count / Max(secs, (double) SECS_PER_MINUTE)),
				  P_NULL_IF(time == NULL, P_FLOAT8(time == NULL ? 0 : time->mean_time)),
				  P_NULL_IF(!known, P_FLOAT8(outlook->expected)),
				  P_NULL_IF(!known, P_FLOAT8(outlook->low)),
				  P_NULL_IF(!known, P_FLOAT8(outlook->high)),
				  P_NULL_IF(!known, P_FLOAT8(outlook->calls * outlook->expected / 1000)),
				  P_NULL_IF(!OidIsValid(outlook->takeover) || outlook->mixed,
							P_OID(outlook->takeover)),
				  services, P_TIME(statement->last), P_TEXT(keys_of(statement)));
}

/*
 * guard.index_statements(index): the statements that use it.
 */
Datum
guard_sql_index_statements(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			index = PG_GETARG_OID(0);
	GuardTarget *target;
	List	   *pairs;
	GuardTimes *times = guard_times_create();
	bool		texts = guard_api_may_see_texts();
	const char *no_texts = NULL;
	GuardParam	services;

	guard_api_require_index(index);
	guard_api_require_sight(index);
	target = linitial(guard_api_targets(index));
	InitMaterializedSRF(fcinfo, 0);
	services = P_TEXTS(services_of(target->members));
	pairs = guard_prediction_pairs(target->members);
	foreach_ptr(GuardCapturedStatement, statement,
				guard_statements_captured(target->members))
	{
		const GuardTime *time = guard_times_find(times, statement->queryid);
		const char *query = !texts ? NULL :
			guard_times_query(times, statement->queryid, false, &no_texts);
		GuardOutlook outlook;

		(void) guard_outlook_read(&outlook, statement, pairs, times);
		put_statement(rsinfo, statement, time, query, &outlook, services);
	}
	if (no_texts != NULL)
		ereport(WARNING,
				(errmsg("texts of statements are missing: %s", no_texts),
				 errhint("See the server log.")));
	return (Datum) 0;
}
