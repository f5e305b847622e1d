/*-------------------------------------------------------------------------
 *
 * check_funcs.c
 *	  SQL functions that ask: guard.check, guard.indexes,
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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/api.h"
#include "compat/compat.h"
#include "evidence/statements.h"
#include "planner/hide.h"
#include "policy/sentence.h"
#include "softdrop/softdrop.h"
#include "store/store.h"

PG_FUNCTION_INFO_V1(guard_sql_check);
PG_FUNCTION_INFO_V1(guard_sql_indexes);
PG_FUNCTION_INFO_V1(guard_sql_index_statements);

#define CHECK_COLUMNS		5
#define INDEXES_COLUMNS		13
#define STATEMENTS_COLUMNS	7

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

/*
 * The route by which a person would drop this index.
 */
static GuardTarget *
target_by_name(Oid index)
{
	GuardTarget *target = guard_targets_make(index, GUARD_ROUTE_INDEX, NULL);

	if (target != NULL && OidIsValid(get_index_constraint(index)))
		target->route = GUARD_ROUTE_CONSTRAINT;
	else if (target != NULL)
		target->no_delay = guard_softdrop_unavailable();
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
				GuardTarget *target = target_by_name(object);

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
								  target_by_name(((GuardTarget *) lfirst(lc))->index));
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
		detail = psprintf("%s. %s", guard_sentence_verdict(judgement),
						  guard_sentence_detail(judgement));
		values[0] = ObjectIdGetDatum(judgement->target->index);
		values[1] = CStringGetTextDatum(guard_verdict_decision_name(judgement->verdict.decision));
		values[2] = CStringGetTextDatum(guard_verdict_reason_name(judgement->verdict.reason));
		values[3] = CStringGetTextDatum(detail);
		values[4] = DirectFunctionCall1(jsonb_in,
										CStringGetDatum(guard_facts_json(judgement)));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- guard.indexes ---- */

/*
 * Size of an index and its partitions' in bytes; -1 when it is locked.
 */
static int64
size_of(const GuardTarget *target)
{
	int64		size = 0;
	ListCell   *lc;

	foreach(lc, target->members)
	{
		Oid			index = lfirst_oid(lc);
		Relation	rel;

		if (!ConditionalLockRelationOid(index, AccessShareLock))
			return -1;
		rel = try_relation_open(index, NoLock);
		if (rel != NULL)
		{
			if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
				size += (int64) RelationGetNumberOfBlocks(rel) * BLCKSZ;
			relation_close(rel, NoLock);
		}
		UnlockRelationOid(index, AccessShareLock);
	}
	return size;
}

/*
 * Scans, latest use and services, summed up over a target's members.
 */
static void
sum_use(const GuardJudgement *judgement, TimestampTz *last, int64 *scans,
		const char **services)
{
	ListCell   *lv;
	ListCell   *lc;

	*last = 0;
	*scans = 0;
	*services = NULL;
	foreach(lv, judgement->verdicts)
	{
		const GuardEvidence *evidence = ((GuardVerdict *) lfirst(lv))->evidence;

		foreach(lc, evidence->facts)
		{
			const GuardFact *fact = lfirst(lc);

			if (strcmp(fact->source, "counters") == 0)
				*scans += fact->count;
			if (fact->seen == GUARD_SEEN_USED)
				*last = Max(*last, fact->last);
			if (fact->who != NULL)
				*services = fact->who;
		}
	}
}

static void
put_index(ReturnSetInfo *rsinfo, const GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	Datum		values[INDEXES_COLUMNS] = {0};
	bool		nulls[INDEXES_COLUMNS] = {0};
	TimestampTz last;
	int64		scans;
	const char *services;
	int64		size = size_of(judgement->target);
	double		days = (evidence->as_of - evidence->server->counters_since) /
		(double) USECS_PER_DAY;

	sum_use(judgement, &last, &scans, &services);
	values[0] = CStringGetTextDatum(judgement->shape->schema);
	values[1] = CStringGetTextDatum(judgement->shape->table_name);
	values[2] = CStringGetTextDatum(judgement->shape->name);
	values[3] = CStringGetTextDatum(guard_verdict_decision_name(judgement->verdict.decision));
	values[4] = CStringGetTextDatum(guard_verdict_reason_name(judgement->verdict.reason));
	values[5] = CStringGetTextDatum(guard_sentence_verdict(judgement));
	values[6] = TimestampTzGetDatum(last);
	nulls[6] = last == 0;
	values[7] = Float8GetDatum(days > 0 ? scans / days : 0);
	nulls[7] = days <= 0 || !pgstat_track_counts;
	values[8] = Int64GetDatum(size);
	nulls[8] = size < 0;
	nulls[9] = services == NULL;
	if (services != NULL)
		values[9] = CStringGetTextDatum(services);
	values[10] = BoolGetDatum(evidence->protection.found);
	values[11] = BoolGetDatum(guard_hide_is_hidden(judgement->target->index));
	values[12] = ObjectIdGetDatum(judgement->target->index);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * OIDs of all indexes that are nobody's partition.
 */
static List *
all_indexes(void)
{
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(pg_index, InvalidOid, false, NULL, 0, NULL);
	List	   *indexes = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		if (form->indexrelid >= FirstNormalObjectId)
			indexes = lappend_oid(indexes, form->indexrelid);
	}
	systable_endscan(scan);
	table_close(pg_index, AccessShareLock);
	return indexes;
}

/*
 * The view guard.indexes: every index that the caller may see.
 */
Datum
guard_sql_indexes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context;
	GuardServer *server;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	server = guard_server_read();
	context = AllocSetContextCreate(CurrentMemoryContext, "guard check",
									ALLOCSET_DEFAULT_SIZES);
	foreach(lc, all_indexes())
	{
		Oid			index = lfirst_oid(lc);
		MemoryContext old = MemoryContextSwitchTo(context);
		GuardTarget *target;
		GuardJudgement *judgement;

		CHECK_FOR_INTERRUPTS();
		if (!get_rel_relispartition(index) &&
			(target = target_by_name(index)) != NULL &&
			guard_api_may_see(target->table) &&
			(judgement = guard_check_alone(target, server)) != NULL)
			put_index(rsinfo, judgement);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
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
		foreach(lc, guard_capture_services(lfirst_oid(lm)))
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
 * guard.index_statements(index): the statements that use it.
 */
Datum
guard_sql_index_statements(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			object = PG_GETARG_OID(0);
	char		relkind = get_rel_relkind(object);
	bool		texts = guard_api_may_see_texts();
	GuardTarget *target;
	Datum		services;
	ListCell   *lc;

	if (relkind != RELKIND_INDEX && relkind != RELKIND_PARTITIONED_INDEX &&
		relkind != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", get_rel_name(object))));
	require_sight(object);
	target = linitial(guard_api_targets(object));
	InitMaterializedSRF(fcinfo, 0);
	services = service_array(target->members);
	foreach(lc, guard_statements_collect(target->members, texts))
	{
		GuardStatement *statement = lfirst(lc);
		Datum		values[STATEMENTS_COLUMNS] = {0};
		bool		nulls[STATEMENTS_COLUMNS] = {0};
		double		secs = (GetCurrentTimestamp() - statement->captured.first) /
			(double) USECS_PER_SEC;

		values[0] = Int64GetDatum(statement->captured.queryid);
		nulls[1] = statement->query == NULL;
		if (statement->query != NULL)
			values[1] = CStringGetTextDatum(statement->query);
		values[2] = Int64GetDatum(statement->captured.count);
		values[3] = Float8GetDatum(statement->captured.count / Max(secs, 1.0));
		values[4] = Float8GetDatum(statement->mean_time);
		nulls[4] = !statement->joined;
		values[5] = services;
		values[6] = TimestampTzGetDatum(statement->captured.last);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
