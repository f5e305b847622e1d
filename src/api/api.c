/*-------------------------------------------------------------------------
 *
 * api.c
 *	  What the SQL functions share.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_authid.h"
#include "utils/tuplestore.h"

#include "api/api.h"
#include "softdrop/softdrop.h"

#define BLANKS	" \t\r\n"

/* ---- arguments ---- */

/*
 * The first argument, which must not be null.
 */
Oid
guard_api_object(FunctionCallInfo fcinfo, const char *what)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
	return PG_GETARG_OID(0);
}

/*
 * An argument without blanks around it.
 */
char *
guard_api_text(FunctionCallInfo fcinfo, int n)
{
	char	   *value;
	int			len;

	if (PG_ARGISNULL(n))
		return NULL;
	value = text_to_cstring(PG_GETARG_TEXT_PP(n));
	value += strspn(value, BLANKS);
	len = strlen(value);
	while (len > 0 && strchr(BLANKS, value[len - 1]))
		value[--len] = '\0';
	return len > 0 ? value : NULL;
}

/*
 * A reason, which must say something.
 */
char *
guard_api_reason(FunctionCallInfo fcinfo, int n, const char *hint)
{
	if (guard_api_text(fcinfo, n) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be empty"),
				 errhint("%s", hint)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* ---- who may, and what ---- */

/*
 * The table of an index; what is none stands for itself.
 */
static Oid
table_of(Oid object)
{
	Oid			table = guard_catalog_table(object);

	return OidIsValid(table) ? table : object;
}

/*
 * May the current user see what guard knows of this table's indexes?
 */
bool
guard_api_may_see(Oid table)
{
	return object_ownercheck(RelationRelationId, table, GetUserId()) ||
		guard_api_may_see_texts();
}

/*
 * May he see texts of statements?
 */
bool
guard_api_may_see_texts(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

/*
 * Refuse whoever may not see.
 */
void
guard_api_require_sight(Oid object)
{
	if (guard_catalog_exists(object) && !guard_api_may_see(table_of(object)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for relation \"%s\"",
						get_rel_name(object)),
				 errdetail("Only the owner of the table and members of pg_read_all_stats may ask about its indexes.")));
}

/*
 * Refuse what is no index.
 */
void
guard_api_require_index(Oid object)
{
	if (!guard_catalog_exists(object))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u does not exist", object)));
	if (!guard_catalog_is_index(object))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", get_rel_name(object))));
}

/*
 * Refuse whoever does not own the table; returns it.
 */
Oid
guard_api_require_ownership(Oid object)
{
	Oid			table;

	(void) guard_api_targets(object);
	table = table_of(object);
	if (!object_ownercheck(RelationRelationId, table, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
	return table;
}

/* ---- what is judged ---- */

/*
 * One index as a target.
 */
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

static List *
targets_of_table(Oid table)
{
	List	   *targets = NIL;

	if (!guard_targets_eligible_table(table))
		refuse_exempt(table);
	foreach_ptr(GuardTarget, target,
				guard_targets_of_table(table, GUARD_ROUTE_INDEX, false))
		targets = lappend(targets, guard_api_target(target->index));
	return targets;
}

/*
 * Targets of an index or a table.
 */
List *
guard_api_targets(Oid object)
{
	GuardTarget *target;

	switch (get_rel_relkind(object))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
			return targets_of_table(object);
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
			target = guard_api_target(object);
			if (target == NULL)
				refuse_exempt(object);
			return list_make1(target);
		case '\0':
			guard_api_require_index(object);	/* which raises the error */
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not an index or a table",
							get_rel_name(object))));
	}
	return NIL;
}

/* ---- results ---- */

/*
 * One more row of a result; see api.h.
 */
void
guard_api_row_params(ReturnSetInfo *rsinfo, const GuardParam *params,
					 int nparams)
{
	Datum	   *values = palloc(nparams * sizeof(Datum));
	bool	   *nulls = palloc(nparams * sizeof(bool));

	if (nparams != rsinfo->setDesc->natts)
		elog(ERROR, "%d values for %d columns", nparams, rsinfo->setDesc->natts);
	for (int i = 0; i < nparams; i++)
	{
		Oid			type = TupleDescAttr(rsinfo->setDesc, i)->atttypid;

		if (params[i].type != type &&
			!(params[i].type == OIDOID && type == REGCLASSOID))
			elog(ERROR, "value %d is of type %u, not %u", i + 1,
				 params[i].type, type);
		values[i] = params[i].value;
		nulls[i] = params[i].isnull;
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}
