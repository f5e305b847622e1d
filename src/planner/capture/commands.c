/*-------------------------------------------------------------------------
 *
 * commands.c
 *	  Commands that would fail without an index, and execute no plan with it.
 *
 * REFRESH MATERIALIZED VIEW CONCURRENTLY asks for a unique index, any of those
 * that it can use; so that is noted of the materialized view.  SET CONSTRAINTS
 * names a constraint, whose index it is noted of.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "planner/capture/tables.h"
#include "store/store.h"

static ProcessUtility_hook_type prev_ProcessUtility = NULL;

/*
 * Note it, if it is not temporary.
 */
static void
note(Oid relation, GuardWay way)
{
	FormData_pg_class form;

	if (guard_catalog_form(RELOID, relation, &form) &&
		form.relpersistence != RELPERSISTENCE_TEMP)
		guard_pending_use(relation, form.relowner, GUARD_USE_NAMED, guard_capture_need(way));
}

/*
 * The constraints of that name in one schema that have an index of their own.
 */
static void
note_constraints(const char *name, Oid schema)
{
	GuardRows  *rows = guard_rows_of_catalog(ConstraintRelationId, ConstraintNameNspIndexId,
											 P_NAME(name), P_OID(schema));

	while (guard_rows_next(rows))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(rows->tuple);

		if (form->condeferrable && form->contype != CONSTRAINT_FOREIGN &&
			OidIsValid(form->conindid))
			note(form->conindid, GUARD_WAY_DEFER);
	}
}

/*
 * PostgreSQL takes the constraints of the first schema that has any.
 */
static void
note_named(const ConstraintsSetStmt *stmt)
{
	foreach_ptr(RangeVar, name, stmt->constraints)
	{
		List	   *schemas = name->schemaname != NULL ?
			list_make1_oid(get_namespace_oid(name->schemaname, true)) :
			fetch_search_path(true);

		foreach_oid(schema, schemas)
			note_constraints(name->relname, schema);
	}
}

static void
note_command(const PlannedStmt *pstmt)
{
	Node	   *parsetree = pstmt->utilityStmt;
	GuardRun	run = {0};

	guard_pending_begin((int64) pstmt->queryId, &run);
	if (IsA(parsetree, ConstraintsSetStmt))
		note_named((ConstraintsSetStmt *) parsetree);
	else
		note(RangeVarGetRelid(((RefreshMatViewStmt *) parsetree)->relation,
							  NoLock, true), GUARD_WAY_REFRESH);
	(void) guard_pending_end();
}

/*
 * Is it one of those?
 */
static bool
concerns_us(Node *parsetree)
{
	return (IsA(parsetree, ConstraintsSetStmt) ||
			(IsA(parsetree, RefreshMatViewStmt) &&
			 ((RefreshMatViewStmt *) parsetree)->concurrent)) &&
		guard_guc_mode != GUARD_MODE_OFF && guard_guc_capture &&
		guard_store_is_here();
}

static void
note_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	bool		ours = unlikely(concerns_us(pstmt->utilityStmt));

	(prev_ProcessUtility ? prev_ProcessUtility : standard_ProcessUtility)
		(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	if (ours)
		note_command(pstmt);
}

/* Called at start. */
void
guard_commands_init(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = note_utility;
}
