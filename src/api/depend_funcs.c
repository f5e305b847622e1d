/*-------------------------------------------------------------------------
 *
 * depend_funcs.c
 *	  SQL functions about the order of deployment: guard.add_dependency,
 *	  guard.remove_dependency, guard.report_deployment,
 *	  guard.compare_versions, guard.dependencies.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/api.h"
#include "audit/audit.h"
#include "policy/sentence.h"
#include "planner/capture/service.h"

PG_FUNCTION_INFO_V1(guard_sql_add_dependency);
PG_FUNCTION_INFO_V1(guard_sql_remove_dependency);
PG_FUNCTION_INFO_V1(guard_sql_report_deployment);
PG_FUNCTION_INFO_V1(guard_sql_compare_versions);
PG_FUNCTION_INFO_V1(guard_sql_dependencies);

#define DEPENDENCIES_COLUMNS	16

/* ---- arguments ---- */

/*
 * An argument without blanks around it; NULL for null and for nothing but
 * blanks.
 */
static char *
get_text(FunctionCallInfo fcinfo, int n)
{
	char	   *value;
	int			len;

	if (PG_ARGISNULL(n))
		return NULL;
	value = text_to_cstring(PG_GETARG_TEXT_PP(n));
	value += strspn(value, " \t\r\n");
	len = strlen(value);
	while (len > 0 && strchr(" \t\r\n", value[len - 1]))
		value[--len] = '\0';
	return len > 0 ? value : NULL;
}

/*
 * A service is known by the name under which capture records it.
 */
static char *
get_service(FunctionCallInfo fcinfo, int n)
{
	char	   *service = get_text(fcinfo, n);
	GuardService folded;

	if (service == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("service must not be empty"),
				 errhint("It is what application_name begins with, or the login role where that is not set.")));
	if (strlen(service) >= GUARD_SERVICE_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("service \"%s\" is too long", service),
				 errdetail("A service has at most %d bytes.", GUARD_SERVICE_LEN - 1)));
	guard_service_fold(service, "", &folded);
	if (folded.version[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("service \"%s\" contains a version", service),
				 errhint("The service is \"%s\".", folded.service)));
	return service;
}

/*
 * An index that belongs to the caller.
 */
static Oid
get_own_index(FunctionCallInfo fcinfo)
{
	Oid			index;
	char		relkind;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("index must not be null")));
	index = PG_GETARG_OID(0);
	relkind = get_rel_relkind(index);
	if (relkind != RELKIND_INDEX && relkind != RELKIND_PARTITIONED_INDEX &&
		relkind != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", get_rel_name(index))));
	guard_api_require_ownership(index);
	return index;
}

/* ---- what is written down ---- */

static void
put_member(StringInfo buf, const char *key, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfoString(buf, buf->len == 0 ? "{" : ",");
	escape_json(buf, key);
	appendStringInfoChar(buf, ':');
	escape_json(buf, value);
}

static void
audit_change(const char *action, const char *object, const char *reason,
			 const char *service, const char *version_key, const char *version)
{
	StringInfoData facts;

	initStringInfo(&facts);
	put_member(&facts, "service", service);
	put_member(&facts, version_key, version);
	appendStringInfoChar(&facts, '}');
	guard_audit_change(action, object, reason, facts.data);
}

/*
 * Tell at once of a version whose order nobody will know when it matters.
 */
static void
notice_without_order(const char *version)
{
	if (!guard_version_has_order(version))
		ereport(NOTICE,
				(errmsg("version \"%s\" cannot be compared with any but itself",
						version)));
}

Datum
guard_sql_add_dependency(PG_FUNCTION_ARGS)
{
	Oid			index = get_own_index(fcinfo);
	char	   *service = get_service(fcinfo, 1);
	char	   *until_version = get_text(fcinfo, 2);
	char	   *note = get_text(fcinfo, 3);

	guard_dependencies_add(index, service, until_version, note);
	audit_change("add_dependency", guard_api_name(index), note, service,
				 "until_version", until_version);
	if (until_version != NULL)
		notice_without_order(until_version);
	PG_RETURN_VOID();
}

Datum
guard_sql_remove_dependency(PG_FUNCTION_ARGS)
{
	Oid			index = get_own_index(fcinfo);
	char	   *service = get_service(fcinfo, 1);

	if (!guard_dependencies_remove(index, service))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no dependency of \"%s\" on index \"%s\" is registered",
						service, get_rel_name(index)),
				 errhint("See SELECT * FROM guard.dependencies WHERE registered;")));
	audit_change("remove_dependency", guard_api_name(index), NULL, service,
				 NULL, NULL);
	PG_RETURN_VOID();
}

Datum
guard_sql_report_deployment(PG_FUNCTION_ARGS)
{
	char	   *service = get_service(fcinfo, 0);
	char	   *version = get_text(fcinfo, 1);
	char	   *until;

	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must not be empty")));
	guard_dependencies_deploy(service, version);
	audit_change("report_deployment", NULL, NULL, service, "version", version);
	until = guard_dependencies_incomparable(service, version);
	if (until != NULL)
		ereport(WARNING,
				(errmsg("version \"%s\" of %s cannot be compared with \"%s\"",
						version, service, until),
				 errdetail("What %s needs until that version, it will be taken to need still.",
						   service)));
	PG_RETURN_VOID();
}

Datum
guard_sql_compare_versions(PG_FUNCTION_ARGS)
{
	switch (guard_version_compare(text_to_cstring(PG_GETARG_TEXT_PP(0)),
								  text_to_cstring(PG_GETARG_TEXT_PP(1))))
	{
		case GUARD_VERSION_LESS:
			PG_RETURN_INT32(-1);
		case GUARD_VERSION_EQUAL:
			PG_RETURN_INT32(0);
		case GUARD_VERSION_GREATER:
			PG_RETURN_INT32(1);
		case GUARD_VERSION_UNKNOWN:
			break;
	}
	PG_RETURN_NULL();
}

/* ---- guard.dependencies ---- */

/* What is known of one service and one index, its partitions' included. */
typedef struct ServiceRow
{
	const char *service;
	const GuardDependency *dependency;	/* NULL: not registered */
	bool		needed;
	List	   *versions;		/* of String */
	TimestampTz first;
	TimestampTz last;
	int64		uses;
} ServiceRow;

static ServiceRow *
row_of(List **rows, const char *service)
{
	ServiceRow *row;
	ListCell   *lc;

	foreach(lc, *rows)
	{
		row = lfirst(lc);
		if (guard_services_same(row->service, service))
			return row;
	}
	row = palloc0(sizeof(ServiceRow));
	row->service = service;
	*rows = lappend(*rows, row);
	return row;
}

static void
add_registered(List **rows, const GuardEvidence *evidence)
{
	ListCell   *lc;

	foreach(lc, evidence->dependencies)
	{
		const GuardDependency *dependency = lfirst(lc);
		ServiceRow *row = row_of(rows, dependency->service);

		row->dependency = dependency;
		row->needed |= guard_verdict_service_needs(dependency, evidence->as_of);
	}
}

static void
add_discovered(List **rows, const GuardEvidence *evidence)
{
	ListCell   *lf;
	ListCell   *ls;

	foreach(lf, evidence->facts)
	{
		const GuardFact *fact = lfirst(lf);

		foreach(ls, fact->services)
		{
			const GuardServiceUse *use = lfirst(ls);
			ServiceRow *row = row_of(rows, use->service);

			if (use->version != NULL)
				row->versions = list_append_unique(row->versions,
												   makeString(use->version));
			if (use->first != 0 && (row->first == 0 || use->first < row->first))
				row->first = use->first;
			row->last = Max(row->last, use->last);
			row->uses += use->count;
		}
	}
}

static Datum
text_array(List *strings)
{
	Datum	   *values = palloc(Max(list_length(strings), 1) * sizeof(Datum));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, strings)
		values[n++] = CStringGetTextDatum(strVal(lfirst(lc)));
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static void
put_service(ReturnSetInfo *rsinfo, const GuardJudgement *judgement,
			const ServiceRow *row)
{
	const GuardDependency *dependency = row->dependency;
	Datum		values[DEPENDENCIES_COLUMNS] = {0};
	bool		nulls[DEPENDENCIES_COLUMNS];
	NameData	by;

	memset(nulls, true, sizeof(nulls));
#define PUT(n, datum) (values[n] = (datum), nulls[n] = false)
	PUT(0, CStringGetTextDatum(judgement->shape->schema));
	PUT(1, CStringGetTextDatum(judgement->shape->table_name));
	PUT(2, CStringGetTextDatum(judgement->shape->name));
	PUT(3, CStringGetTextDatum(row->service));
	PUT(4, BoolGetDatum(dependency != NULL));
	if (dependency != NULL)
	{
		if (dependency->until_version != NULL)
			PUT(5, CStringGetTextDatum(dependency->until_version));
		if (dependency->deployed != NULL)
			PUT(6, CStringGetTextDatum(dependency->deployed));
		PUT(7, BoolGetDatum(row->needed));
		if (dependency->note != NULL)
			PUT(12, CStringGetTextDatum(dependency->note));
		namestrcpy(&by, dependency->registered_by);
		PUT(13, NameGetDatum(&by));
		PUT(14, TimestampTzGetDatum(dependency->registered_at));
	}
	if (row->uses > 0)
	{
		PUT(8, text_array(row->versions));
		PUT(9, TimestampTzGetDatum(row->first));
		PUT(10, TimestampTzGetDatum(row->last));
		PUT(11, Int64GetDatum(row->uses));
	}
	PUT(15, ObjectIdGetDatum(judgement->target->index));
#undef PUT
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_services(GuardJudgement *judgement, void *arg)
{
	List	   *rows = NIL;
	ListCell   *lc;

	foreach(lc, judgement->verdicts)
		add_registered(&rows, ((GuardVerdict *) lfirst(lc))->evidence);
	foreach(lc, judgement->verdicts)
		add_discovered(&rows, ((GuardVerdict *) lfirst(lc))->evidence);
	foreach(lc, rows)
		put_service(arg, judgement, lfirst(lc));
}

/*
 * The view guard.dependencies: registered and discovered side by side.
 */
Datum
guard_sql_dependencies(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	guard_api_each_index(put_services, fcinfo->resultinfo);
	return (Datum) 0;
}
