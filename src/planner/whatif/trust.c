/*-------------------------------------------------------------------------
 *
 * trust.c
 *	  Whose code may run while a statement is planned?
 *
 * Planning calls functions: it folds what is constant, tries operators on the
 * most common values of a column, pulls in the bodies of SQL functions, and
 * compares conditions with those of indexes, checks and partitions.  A
 * function in SQL or a procedural language can count how often it is called,
 * and do then what it would not do where somebody watches.  So a statement is
 * planned a second time only where all that planning may call is in C: what
 * the query, or an expression of one of its tables, calls by name, by operator
 * or by cast, and what its types call by themselves (input and output, checks
 * of domains, comparisons).
 *
 * What initdb made is believed by its OID, functions in SQL among it: nobody
 * but a superuser can change it.  That leaves nothing to look up for the usual
 * statement.  Not believed are functions that run what they are given: input
 * functions called by hand, which take a type for an argument, and those that
 * turn a query's result into XML.
 *
 * Nothing is remembered from one statement to the next: what was C can be
 * replaced, and a statement comes here once in guard.whatif_interval.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_language.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_range.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/typcache.h"

#include "planner/whatif/sampling.h"

/* What has been looked at for the query at hand, or is being looked at. */
typedef struct Trust
{
	List	   *functions;
	List	   *operators;
	List	   *families;
	List	   *types;
} Trust;

/* Built in, and running what they are told to. */
static const Oid runners[] = {
	F_TABLE_TO_XML, F_TABLE_TO_XMLSCHEMA, F_TABLE_TO_XML_AND_XMLSCHEMA,
	F_QUERY_TO_XML, F_QUERY_TO_XMLSCHEMA, F_QUERY_TO_XML_AND_XMLSCHEMA,
	F_CURSOR_TO_XML, F_CURSOR_TO_XMLSCHEMA,
	F_SCHEMA_TO_XML, F_SCHEMA_TO_XMLSCHEMA, F_SCHEMA_TO_XML_AND_XMLSCHEMA,
	F_DATABASE_TO_XML, F_DATABASE_TO_XMLSCHEMA,
	F_DATABASE_TO_XML_AND_XMLSCHEMA
};

static bool is_c_type(Oid type, Trust *trust);
static bool calls_others(Node *node, void *context);

static inline bool
is_built_in(Oid object)
{
	return object < FirstUnpinnedObjectId;
}

/*
 * Note that an object is looked at.  False: it has been before.
 */
static bool
is_first_look(List **seen, Oid object)
{
	if (list_member_oid(*seen, object))
		return false;
	*seen = lappend_oid(*seen, object);
	return true;
}

/* ----------------------------------------------------------------
 *		Functions and operators
 * ----------------------------------------------------------------
 */

static bool
is_c_function(Oid function, Trust *trust)
{
	FormData_pg_proc form;

	if (is_built_in(function))
	{
		for (int i = 0; i < lengthof(runners); i++)
		{
			if (runners[i] == function)
				return false;
		}
		return true;
	}
	if (!is_first_look(&trust->functions, function))
		return true;
	return guard_catalog_form(PROCOID, function, &form) &&
		(form.prolang == INTERNALlanguageId || form.prolang == ClanguageId);
}

/*
 * The functions of an operator alone, with those that estimate it.
 */
static bool
has_c_functions(Oid operator, Trust *trust)
{
	FormData_pg_operator form;

	return is_built_in(operator) ||
		(guard_catalog_form(OPEROID, operator, &form) &&
		 is_c_function(form.oprcode, trust) &&
		 is_c_function(form.oprrest, trust) &&
		 is_c_function(form.oprjoin, trust));
}

/*
 * All operators and support functions of an operator family: the planner goes
 * from one to the other.
 */
static bool
is_c_family(Oid family, Trust *trust)
{
	CatCList   *members;
	bool		result = true;

	if (!is_first_look(&trust->families, family))
		return true;
	members = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(family));
	for (int i = 0; i < members->n_members && result; i++)
	{
		HeapTuple	tuple = &members->members[i]->tuple;

		result = has_c_functions(((Form_pg_amop) GETSTRUCT(tuple))->amopopr,
								 trust);
	}
	ReleaseSysCacheList(members);
	members = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(family));
	for (int i = 0; i < members->n_members && result; i++)
	{
		HeapTuple	tuple = &members->members[i]->tuple;

		result = is_c_function(((Form_pg_amproc) GETSTRUCT(tuple))->amproc,
							   trust);
	}
	ReleaseSysCacheList(members);
	return result;
}

/*
 * An operator in an expression, with what the planner may put in its place.
 */
static bool
is_c_operator(Oid operator, Trust *trust)
{
	CatCList   *members;
	bool		result;

	if (is_built_in(operator) || !is_first_look(&trust->operators, operator))
		return true;
	result = has_c_functions(operator, trust) &&
		has_c_functions(get_commutator(operator), trust) &&
		has_c_functions(get_negator(operator), trust);
	members = SearchSysCacheList1(AMOPOPID, ObjectIdGetDatum(operator));
	for (int i = 0; i < members->n_members && result; i++)
	{
		HeapTuple	tuple = &members->members[i]->tuple;

		result = is_c_family(((Form_pg_amop) GETSTRUCT(tuple))->amopfamily,
							 trust);
	}
	ReleaseSysCacheList(members);
	return result;
}

static bool
are_c_operators(List *operators, Trust *trust)
{
	foreach_oid(each, operators)
	{
		if (!is_c_operator(each, trust))
			return false;
	}
	return true;
}

static bool
are_c_classes(oidvector *classes, Trust *trust)
{
	for (int i = 0; i < classes->dim1; i++)
	{
		if (!is_built_in(classes->values[i]) &&
			!is_c_family(get_opclass_family(classes->values[i]), trust))
			return false;
	}
	return true;
}

/* ----------------------------------------------------------------
 *		Expressions in the catalog
 * ----------------------------------------------------------------
 */

/*
 * An expression, or a list of them, as it is stored.
 */
static bool
is_c_stored(const char *stored, Trust *trust)
{
	return stored == NULL || !calls_others(stringToNode(stored), trust);
}

/*
 * The same of a column of a catalog; NULL is none.
 */
static bool
is_c_column(int cache, HeapTuple tuple, AttrNumber column, Trust *trust)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, column, &isnull);

	return isnull || is_c_stored(TextDatumGetCString(value), trust);
}

/* ----------------------------------------------------------------
 *		Types
 * ----------------------------------------------------------------
 */

/*
 * The checks of one domain, without those of the domain it may be based on.
 */
static bool
are_c_checks(Oid domain, Trust *trust)
{
	GuardRows  *rows = guard_rows_of_catalog(ConstraintRelationId, ConstraintTypidIndexId,
											 P_OID(domain));
	bool		result = true;

	while (result && guard_rows_next(rows))
		result = is_c_stored(guard_rows_text(rows, Anum_pg_constraint_conbin), trust);
	guard_rows_end(rows);
	return result;
}

static bool
are_c_attributes(Oid relation, Trust *trust)
{
	HeapTuple	tuple;

	for (AttrNumber i = 1;; i++)
	{
		Oid			type;

		tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation),
								Int16GetDatum(i));
		if (!HeapTupleIsValid(tuple))
			return true;
		type = ((Form_pg_attribute) GETSTRUCT(tuple))->atttypid;
		ReleaseSysCache(tuple);
		if (!is_c_type(type, trust))
			return false;
	}
}

static bool
is_c_range(Oid type, Trust *trust)
{
	HeapTuple	tuple = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(type));
	FormData_pg_range form;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = *(Form_pg_range) GETSTRUCT(tuple);
	ReleaseSysCache(tuple);
	return is_c_type(form.rngsubtype, trust) &&
		is_c_function(form.rngcanonical, trust) &&
		is_c_function(form.rngsubdiff, trust) &&
		is_c_family(get_opclass_family(form.rngsubopc), trust);
}

/*
 * What the functions of arrays and rows call to compare what is in them.
 */
static bool
is_c_comparison(Oid type, Trust *trust)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY |
											  TYPECACHE_HASH_OPFAMILY);

	return (!OidIsValid(entry->btree_opf) ||
			is_c_family(entry->btree_opf, trust)) &&
		(!OidIsValid(entry->hash_opf) || is_c_family(entry->hash_opf, trust));
}

static bool
is_c_type(Oid type, Trust *trust)
{
	FormData_pg_type form;

	if (is_built_in(type) || !is_first_look(&trust->types, type))
		return true;
	if (!guard_catalog_form(TYPEOID, type, &form) || !form.typisdefined ||
		!is_c_function(form.typinput, trust) ||
		!is_c_function(form.typoutput, trust) ||
		!is_c_function(form.typreceive, trust) ||
		!is_c_function(form.typsend, trust) ||
		!is_c_type(form.typelem, trust))
		return false;
	switch (form.typtype)
	{
		case TYPTYPE_DOMAIN:
			return is_c_type(form.typbasetype, trust) &&
				are_c_checks(type, trust);
		case TYPTYPE_COMPOSITE:
			return are_c_attributes(form.typrelid, trust);
		case TYPTYPE_RANGE:
			return is_c_range(type, trust);
		case TYPTYPE_MULTIRANGE:
			return is_c_type(get_multirange_range(type), trust);
		default:
			return is_c_comparison(type, trust);
	}
}

/* ----------------------------------------------------------------
 *		Expressions
 * ----------------------------------------------------------------
 */

/*
 * A function that is called by name, or by a cast.
 */
static bool
is_c_call(FuncExpr * call, Trust *trust)
{
	foreach_ptr(Node, arg, call->args)
	{
		if (exprType(arg) == CSTRINGOID)
			return false;
	}
	return is_c_function(call->funcid, trust) &&
		is_c_type(call->funcresulttype, trust);
}

/*
 * One node, not looking at its children.
 */
static bool
is_c_node(Node *node, Trust *trust)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			return is_c_call((FuncExpr *) node, trust);
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return is_c_operator(((OpExpr *) node)->opno, trust);
		case T_ScalarArrayOpExpr:
			return is_c_operator(((ScalarArrayOpExpr *) node)->opno, trust);
		case T_RowCompareExpr:
			return are_c_operators(((RowCompareExpr *) node)->opnos, trust);
		case T_Var:
		case T_Const:
		case T_Param:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_CoerceToDomain:
		case T_CoerceToDomainValue:
		case T_ConvertRowtypeExpr:
		case T_RelabelType:
		case T_MinMaxExpr:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_Aggref:
		case T_WindowFunc:
			return is_c_type(exprType(node), trust);
		default:
			return true;
	}
}

/*
 * A walker: does this call anything that is not in C?
 */
static bool
calls_others(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, calls_others, context, 0);
	return !is_c_node(node, context) ||
		expression_tree_walker(node, calls_others, context);
}

/* ----------------------------------------------------------------
 *		Tables
 * ----------------------------------------------------------------
 */

static bool
are_c_indexes(Relation rel, Trust *trust)
{
	foreach_oid(each, RelationGetIndexList(rel))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID,
											ObjectIdGetDatum(each));
		bool		isnull;
		bool		result;

		if (!HeapTupleIsValid(tuple))
			return false;
		result = is_c_column(INDEXRELID, tuple, Anum_pg_index_indexprs, trust) &&
			is_c_column(INDEXRELID, tuple, Anum_pg_index_indpred, trust) &&
			are_c_classes((oidvector *)
						  DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple,
														  Anum_pg_index_indclass,
														  &isnull)), trust);
		ReleaseSysCache(tuple);
		if (!result)
			return false;
	}
	return true;
}

static bool
are_c_statistics(Relation rel, Trust *trust)
{
	foreach_oid(each, RelationGetStatExtList(rel))
	{
		HeapTuple	tuple = SearchSysCache1(STATEXTOID,
											ObjectIdGetDatum(each));
		bool		result;

		if (!HeapTupleIsValid(tuple))
			return false;
		result = is_c_column(STATEXTOID, tuple, Anum_pg_statistic_ext_stxexprs,
							 trust);
		ReleaseSysCache(tuple);
		if (!result)
			return false;
	}
	return true;
}

/*
 * CHECK constraints, and the columns that are computed where they are read (18
 * on).
 */
static bool
are_c_constraints(Relation rel, Trust *trust)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;

	if (constr == NULL)
		return true;
	for (int i = 0; i < constr->num_check; i++)
	{
		if (!is_c_stored(constr->check[i].ccbin, trust))
			return false;
	}
	for (int i = 0; i < constr->num_defval; i++)
	{
		AttrNumber	column = constr->defval[i].adnum;
		char		generated = TupleDescAttr(RelationGetDescr(rel),
											  column - 1)->attgenerated;

		if (generated != '\0' && generated != ATTRIBUTE_GENERATED_STORED &&
			!is_c_stored(constr->defval[i].adbin, trust))
			return false;
	}
	return true;
}

/*
 * The key by which a table is partitioned, if it is.
 */
static bool
is_c_partition_key(Oid table, Trust *trust)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(table));
	bool		isnull;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return true;
	result = is_c_column(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs,
						 trust) &&
		are_c_classes((oidvector *)
					  DatumGetPointer(SysCacheGetAttr(PARTRELID, tuple,
													  Anum_pg_partitioned_table_partclass,
													  &isnull)), trust);
	ReleaseSysCache(tuple);
	return result;
}

static bool
are_c_partition_keys(Relation rel, Trust *trust)
{
	if (!is_c_partition_key(RelationGetRelid(rel), trust))
		return false;
	if (!rel->rd_rel->relispartition)
		return true;
	foreach_oid(each, get_partition_ancestors(RelationGetRelid(rel)))
	{
		if (!is_c_partition_key(each, trust))
			return false;
	}
	return true;
}

static bool
is_c_relation(Oid relation, Trust *trust)
{
	Relation	rel;
	bool		result;

	if (is_built_in(relation))
		return true;
	rel = RelationIdGetRelation(relation);
	if (rel == NULL)
		return false;
	result = are_c_indexes(rel, trust) && are_c_constraints(rel, trust) &&
		are_c_statistics(rel, trust) && are_c_partition_keys(rel, trust);
	RelationClose(rel);
	return result;
}

bool
guard_trust_expression(Node *expression)
{
	Trust		trust = {NIL};

	return !calls_others(expression, &trust);
}

bool
guard_trust_partition_key(Oid table)
{
	Trust		trust = {NIL};

	return is_c_partition_key(table, &trust);
}

bool
guard_trust_query(Query *query, List *relations)
{
	Trust		trust = {NIL};

	if (calls_others((Node *) query, &trust))
		return false;
	foreach_oid(each, relations)
	{
		if (!is_c_relation(each, &trust))
			return false;
	}
	return true;
}
