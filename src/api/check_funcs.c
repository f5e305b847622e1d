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

#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/api.h"
#include "compat/compat.h"
#include "evidence/prediction.h"
#include "evidence/statements.h"
#include "policy/sentence.h"
#include "softdrop/softdrop.h"
#include "store/text.h"

PG_FUNCTION_INFO_V1(guard_sql_check);
PG_FUNCTION_INFO_V1(guard_sql_index_statements);

#define CHECK_COLUMNS		5
#define STATEMENTS_COLUMNS	12

bool
guard_api_may_see(Oid table)
{
	return object_ownercheck(RelationRelationId, table, GetUserId()) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

bool
guard_api_may_see_texts(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

GuardTarget *
guard_api_target(Oid index)
{
	GuardTarget *target = guard_targets_make(index, GUARD_ROUTE_INDEX, NULL);

	if (target != NULL && OidIsValid(get_index_constraint(index)))
		target->route = GUARD_ROUTE_CONSTRAINT;
	else if (target != NULL)
		guard_softdrop_offer(list_make1(target));
	return target;
}

static void
refuse_exempt(Oid object)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("guard does not judge \"%s\"", get_rel_name(object)),
			 errdetail("Indexes of temporary tables, system catalogs, TOAST tables and guard's own tables are not judged.")));
}

List *
guard_api_targets(Oid object)
{
	char		relkind = get_rel_relkind(object);
	List	   *targets = NIL;
	ListCell   *lc;

	switch (relkind)
	{
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
			{
				GuardTarget *target = guard_api_target(object);

				if (target == NULL)
					refuse_exempt(object);
				return list_make1(target);
			}
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
			if (!guard_targets_eligible_table(object))
				refuse_exempt(object);
			foreach(lc, guard_targets_of_table(object, GUARD_ROUTE_INDEX, false))
				targets = lappend(targets,
								  guard_api_target(((GuardTarget *) lfirst(lc))->index));
			return targets;
		case '\0':
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("relation with OID %u does not exist", object)));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not an index or a table",
							get_rel_name(object))));
	}
	return NIL;
}

static Oid
table_of(Oid object)
{
	Oid			table = IndexGetRelation(object, true);

	return OidIsValid(table) ? table : object;
}

static void
require_sight(Oid object)
{
	if (get_rel_relkind(object) != '\0' && !guard_api_may_see(table_of(object)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for relation \"%s\"",
						get_rel_name(object)),
				 errdetail("Only the owner of the table and members of pg_read_all_stats may ask about its indexes.")));
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
	ListCell   *lc;

	require_sight(object);
	InitMaterializedSRF(fcinfo, 0);
	server = guard_server_read();
	foreach(lc, guard_api_targets(object))
	{
		GuardJudgement *judgement = guard_check_alone(lfirst(lc), server);
		Datum		values[CHECK_COLUMNS];
		bool		nulls[CHECK_COLUMNS] = {0};
		char	   *detail;

		if (judgement == NULL)
			continue;
		guard_check_predict(judgement);
		detail = psprintf("%s. %s", guard_sentence_verdict(judgement),
						  guard_sentence_detail(judgement));
		values[0] = ObjectIdGetDatum(judgement->target->index);
		values[1] = CStringGetTextDatum(guard_verdict_decision_name(judgement->verdict.decision));
		values[2] = CStringGetTextDatum(guard_verdict_reason_name(judgement->verdict.reason));
		values[3] = CStringGetTextDatum(guard_text_valid(detail));
		values[4] = DirectFunctionCall1(jsonb_in,
										CStringGetDatum(guard_facts_json(judgement)));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- guard.index_statements ---- */

/*
 * Names of the services that used an index or its partitions, as text[].
 */
static Datum
service_array(List *members)
{
	List	   *names = NIL;
	Datum	   *values;
	int			n = 0;
	ListCell   *lm;
	ListCell   *lc;

	foreach(lm, members)
	{
		foreach(lc, guard_capture_services(lfirst_oid(lm), NULL))
			names = list_append_unique(names,
									   makeString(((GuardCapturedService *) lfirst(lc))->service));
	}
	values = palloc(list_length(names) * sizeof(Datum));
	foreach(lc, names)
		values[n++] = CStringGetTextDatum(strVal(lfirst(lc)));
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/*
 * What is predicted for one statement, from column "first" on.
 */
static void
put_outlook(const GuardOutlook *outlook, Datum *values, bool *nulls, int first)
{
	for (int i = 0; i < 4; i++)
		nulls[first + i] = !outlook->timed;
	values[first] = Float8GetDatum(outlook->expected);
	values[first + 1] = Float8GetDatum(outlook->low);
	values[first + 2] = Float8GetDatum(outlook->high);
	values[first + 3] = Float8GetDatum(outlook->calls * outlook->expected / 1000);
	nulls[first + 4] = !OidIsValid(outlook->takeover) || outlook->mixed;
	values[first + 4] = ObjectIdGetDatum(outlook->takeover);
}

/*
 * The index that the arguments name, as a target; refuses what is none and
 * whoever may not ask.
 */
static GuardTarget *
require_index(Oid object)
{
	char		relkind = get_rel_relkind(object);

	if (relkind != RELKIND_INDEX && relkind != RELKIND_PARTITIONED_INDEX &&
		relkind != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", get_rel_name(object))));
	require_sight(object);
	return linitial(guard_api_targets(object));
}

/*
 * guard.index_statements(index): the statements that use it.
 */
Datum
guard_sql_index_statements(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	GuardTarget *target = require_index(PG_GETARG_OID(0));
	List	   *members = target->members;
	List	   *pairs;
	GuardTimes *times;
	bool		texts = guard_api_may_see_texts();
	const char *no_texts = NULL;
	Datum		services;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	services = service_array(members);
	pairs = guard_prediction_pairs(members);
	times = guard_times_create();
	foreach(lc, guard_statements_captured(members))
	{
		const GuardCapturedStatement *statement = lfirst(lc);
		const GuardTime *time = guard_times_find(times, statement->queryid);
		const char *query = !texts ? NULL :
			guard_times_query(times, statement->queryid, false, &no_texts);
		Datum		values[STATEMENTS_COLUMNS] = {0};
		bool		nulls[STATEMENTS_COLUMNS] = {0};
		double		secs = (GetCurrentTimestamp() - statement->first) /
			(double) USECS_PER_SEC;
		GuardOutlook outlook;

		(void) guard_outlook_read(&outlook, statement, pairs, times);
		values[0] = Int64GetDatum(statement->queryid);
		nulls[1] = query == NULL;
		if (query != NULL)
			values[1] = PointerGetDatum(cstring_to_text_with_len(query, guard_text_clip(query, GUARD_STATEMENT_SHOWN)));
		values[2] = Int64GetDatum(statement->count);
		values[3] = Float8GetDatum(outlook.timed ? outlook.calls :
								   statement->count / Max(secs, 1.0));
		values[4] = Float8GetDatum(time != NULL ? time->mean_time : 0);
		nulls[4] = time == NULL;
		put_outlook(&outlook, values, nulls, 5);
		values[10] = services;
		values[11] = TimestampTzGetDatum(statement->last);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	if (no_texts != NULL)
		ereport(WARNING,
				(errmsg("texts of statements are missing: %s", no_texts),
				 errhint("See the server log.")));
	return (Datum) 0;
}
