/*-------------------------------------------------------------------------
 *
 * depend_funcs.c
 *	  SQL functions about the order of deployment: guard.add_dependency,
 *	  guard.remove_dependency, guard.report_deployment,
 *	  guard.may_deploy, guard.dependencies.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"

#include "alerts/alerts.h"
#include "api/api.h"
#include "audit/audit.h"
#include "planner/capture/service.h"

PG_FUNCTION_INFO_V1(guard_sql_add_dependency);
PG_FUNCTION_INFO_V1(guard_sql_remove_dependency);
PG_FUNCTION_INFO_V1(guard_sql_report_deployment);
PG_FUNCTION_INFO_V1(guard_sql_service_uses);
PG_FUNCTION_INFO_V1(guard_sql_may_deploy);

/* ---- arguments ---- */

/*
 * A service is known by the name under which capture records it.
 */
static char *
get_service(FunctionCallInfo fcinfo, int n)
{
	char	   *service = guard_api_text(fcinfo, n);
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
	Oid			index = guard_api_object(fcinfo, "index");

	guard_api_require_index(index);
	(void) guard_api_require_ownership(index);
	return index;
}

/* ---- what is written down ---- */

static void
audit_change(const char *action, const char *object, const char *reason,
			 const char *service, const char *version_key, const char *version)
{
	StringInfoData facts;

	initStringInfo(&facts);
	guard_json_object(&facts, NULL);
	guard_json_text(&facts, "service", service);
	guard_json_text(&facts, version_key, version);
	guard_json_end_object(&facts);
	guard_audit_change(action, object, reason, facts.data);
}

/*
 * Tell at once of a version whose order nobody will know when it matters.
 */
static void
notice_without_order(const char *version)
{
	if (guard_query_int("SELECT 1 FROM guard.version_parts($1) v WHERE v.numbers IS NOT NULL",
						P_TEXT(version)) == 0)
		ereport(NOTICE,
				(errmsg("version \"%s\" cannot be compared with any but itself",
						version)));
}

/*
 * Tell of a name that is perhaps a slip of the pen: what is registered under it
 * would never end.
 */
static void
notice_unseen(const char *service, bool registered)
{
	char	   *nearest = guard_services_nearest(service, registered);

	if (nearest != NULL)
		ereport(NOTICE,
				(errmsg("no service \"%s\" has been seen here", service),
				 nearest[0] != '\0' ? errdetail("Nearest to it: %s.", nearest) : 0));
}

Datum
guard_sql_add_dependency(PG_FUNCTION_ARGS)
{
	Oid			index = get_own_index(fcinfo);
	char	   *service = get_service(fcinfo, 1);
	char	   *until_version = guard_api_text(fcinfo, 2);
	char	   *note = guard_api_text(fcinfo, 3);
	char	   *from_version = guard_api_text(fcinfo, 4);

	notice_unseen(service, false);
	guard_dependencies_add(index, service, from_version, until_version, note);
	audit_change("add_dependency", guard_catalog_name(index), note, service,
				 "until_version", until_version);
	if (until_version != NULL)
		notice_without_order(until_version);
	if (from_version != NULL)
		notice_without_order(from_version);
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
	audit_change("remove_dependency", guard_catalog_name(index), NULL, service,
				 NULL, NULL);
	PG_RETURN_VOID();
}

static char *
get_version(FunctionCallInfo fcinfo, int n)
{
	char	   *version = guard_api_text(fcinfo, n);

	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must not be empty")));
	return version;
}

/* What a version needs and does not find. */
static GuardRows *
needs(const char *service, const char *version)
{
	return guard_query_rows("SELECT index_name, table_name, state, detail, remedy"
							" FROM guard.version_needs($1, $2)",
							P_TEXT(service), P_TEXT(version));
}

/*
 * A version runs that needs what is gone: a rollback, most likely, to before
 * the migration that dropped it.
 */
static void
alert_of_missing(const char *service, const char *version)
{
	GuardRows  *rows = needs(service, version);

	while (guard_rows_next(rows))
	{
		char	   *index = guard_rows_text(rows, 1);
		char	   *definition = guard_rows_text(rows, 5);
		StringInfoData facts;

		if (strcmp(guard_rows_text(rows, 3), "missing") != 0)
			continue;
		initStringInfo(&facts);
		guard_json_object(&facts, NULL);
		guard_json_text(&facts, "service", service);
		guard_json_text(&facts, "version", version);
		guard_json_text(&facts, "definition", definition);
		guard_json_end_object(&facts);
		(void) guard_alert_raise(GUARD_ALERT_MISSING, index,
								 psprintf("version %s of %s runs, and needs index %s, which is gone",
										  version, service, index),
								 facts.data);
		ereport(WARNING,
				(errmsg("version \"%s\" of %s needs index %s, which is gone: %s",
						version, service, index, guard_rows_text(rows, 4)),
				 definition != NULL ? errhint("To have it back: %s;", definition) : 0));
	}
}

Datum
guard_sql_report_deployment(PG_FUNCTION_ARGS)
{
	char	   *service = get_service(fcinfo, 0);
	char	   *version = get_version(fcinfo, 1);
	GuardRows  *rows;

	notice_unseen(service, true);
	guard_dependencies_deploy(service, version);
	audit_change("report_deployment", NULL, NULL, service, "version", version);
	rows = guard_query_rows("SELECT d.until_version FROM guard.dependency d"
							" WHERE (d.service = $1 OR guard.service_of(d.service, d.service) = guard.service_of($1, $1))"
							" AND d.until_version IS NOT NULL AND guard.compare_versions($2, d.until_version) IS NULL LIMIT 1",
							P_TEXT(service), P_TEXT(version));
	if (guard_rows_next(rows))
		ereport(WARNING,
				(errmsg("version \"%s\" of %s cannot be compared with \"%s\"",
						version, service, guard_rows_text(rows, 1)),
				 errdetail("What %s needs until that version, it will be taken to need still.",
						   service)));
	alert_of_missing(service, version);
	PG_RETURN_VOID();
}

/*
 * guard.may_deploy(service, version): what it needs and does not find.
 */
Datum
guard_sql_may_deploy(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *service = get_service(fcinfo, 0);
	char	   *version = get_version(fcinfo, 1);
	GuardRows  *rows = needs(service, version);
	bool		any = false;

	InitMaterializedSRF(fcinfo, 0);
	for (; guard_rows_next(rows); any = true)
		guard_api_row(rsinfo, P_TEXT(guard_rows_text(rows, 1)),
					  P_TEXT(guard_rows_text(rows, 2)),
					  P_TEXT(guard_rows_text(rows, 3)),
					  P_TEXT(guard_rows_text(rows, 4)),
					  P_TEXT(guard_rows_text(rows, 5)));
	if (any)
		return (Datum) 0;
	if (guard_services_nearest(service, true) != NULL)
	{
		notice_unseen(service, true);
		guard_api_row(rsinfo, P_TEXT(NULL), P_TEXT(NULL), P_TEXT("unknown"),
					  P_TEXT(psprintf("no service \"%s\" has been seen here, and nothing is registered for it",
									  service)), P_TEXT(NULL));
	}
	return (Datum) 0;
}

/*
 * guard.service_uses(): what capture has seen of services, in this database.
 */
Datum
guard_sql_service_uses(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	foreach_ptr(GuardCapturedUse, use, guard_capture_relations(false))
	{
		foreach_ptr(GuardCapturedService, service,
					guard_capture_services(use->relation, NULL))
			guard_api_row(rsinfo, P_OID(use->relation), P_TEXT(service->service),
						  P_NULL_IF(service->version[0] == '\0', P_TEXT(service->version)),
						  P_TIME(service->last));
	}
	return (Datum) 0;
}

/* ---- guard.dependencies, which is SQL ---- */

/* What is known of one service and one index, its partitions' included. */
typedef struct ServiceRow
{
	const char *service;
	const GuardDependency *dependency;	/* NULL: not registered */
	bool		needed;
	List	   *versions;		/* of char * */
	TimestampTz first;
	TimestampTz last;
	int64		uses;
} ServiceRow;

static ServiceRow *
row_of(List **rows, const char *service)
{
	ServiceRow *made;

	foreach_ptr(ServiceRow, row, *rows)
	{
		if (guard_services_same(row->service, service))
			return row;
	}
	made = palloc0(sizeof(ServiceRow));
	made->service = service;
	*rows = lappend(*rows, made);
	return made;
}

static void
add_registered(List **rows, const GuardEvidence *evidence)
{
	foreach_ptr(GuardDependency, dependency, evidence->dependencies)
	{
		ServiceRow *row = row_of(rows, dependency->service);

		row->dependency = dependency;
		row->needed |= guard_verdict_service_needs(dependency, evidence->as_of);
	}
}

static void
add_version(ServiceRow *row, char *version)
{
	foreach_ptr(char, known, row->versions)
	{
		if (strcmp(known, version) == 0)
			return;
	}
	row->versions = lappend(row->versions, version);
}

static void
add_discovered(List **rows, const GuardEvidence *evidence)
{
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		foreach_ptr(GuardServiceUse, use, fact->services)
		{
			ServiceRow *row = row_of(rows, use->service);

			if (use->version != NULL)
				add_version(row, use->version);
			if (use->first != 0 && (row->first == 0 || use->first < row->first))
				row->first = use->first;
			row->last = Max(row->last, use->last);
			row->uses += use->count;
		}
	}
}

static void
put_service(StringInfo json, const ServiceRow *row)
{
	static const GuardDependency none = {0};
	const GuardDependency *dependency = row->dependency ? row->dependency : &none;
	bool		registered = row->dependency != NULL;

	guard_json_object(json, NULL);
	guard_json_text(json, "service", row->service);
	guard_json_bool(json, "registered", registered);
	guard_json_text(json, "from_version", dependency->from_version);
	guard_json_text(json, "until_version", dependency->until_version);
	guard_json_text(json, "deployed_version", dependency->deployed);
	if (registered)
		guard_json_bool(json, "needed", row->needed);
	if (row->uses > 0)
	{
		guard_json_array(json, "versions_seen");
		foreach_ptr(const char, version, row->versions)
			guard_json_text(json, NULL, version);
		guard_json_end_array(json);
		guard_json_time(json, "first_use", row->first);
		guard_json_time(json, "last_use", row->last);
		guard_json_int(json, "uses", row->uses);
	}
	guard_json_text(json, "note", dependency->note);
	guard_json_text(json, "registered_by", dependency->registered_by);
	guard_json_time(json, "registered_at", dependency->registered_at);
	guard_json_end_object(json);
}

/*
 * The services that need an index, as registered, or use it, as captured, side by
 * side: JSON that guard.dependencies makes rows of; NULL: there are none.
 */
char *
guard_api_services(const GuardJudgement *judgement)
{
	List	   *rows = NIL;
	StringInfoData json;

	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
		add_registered(&rows, verdict->evidence);
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
		add_discovered(&rows, verdict->evidence);
	if (rows == NIL)
		return NULL;
	initStringInfo(&json);
	guard_json_array(&json, NULL);
	foreach_ptr(ServiceRow, row, rows)
		put_service(&json, row);
	guard_json_end_array(&json);
	return json.data;
}
