/*-------------------------------------------------------------------------
 *
 * compat.c
 *	  What older servers lack, under its newer name.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "optimizer/pathnode.h"
#include "optimizer/plancat.h"

#include "compat/compat.h"

#if PG_VERSION_NUM < 160000

/*
 * Ownership of the kinds of objects that guard asks about.
 */
bool
guard_compat_ownercheck(Oid classid, Oid objectid, Oid roleid)
{
	switch (classid)
	{
		case RelationRelationId:
			return pg_class_ownercheck(objectid, roleid);
		case NamespaceRelationId:
			return pg_namespace_ownercheck(objectid, roleid);
		case DatabaseRelationId:
			return pg_database_ownercheck(objectid, roleid);
	}
	elog(ERROR, "unexpected class %u in ownership check", classid);
	return false;
}

#endif

static guard_compat_indexlist_type indexlist_filter = NULL;

#if PG_VERSION_NUM >= 190000

static build_simple_rel_hook_type prev_build_simple_rel = NULL;

static void
simple_rel(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	if (prev_build_simple_rel)
		prev_build_simple_rel(root, rel, rte);
	if (rte->rtekind == RTE_RELATION)
		indexlist_filter(rel, rte->relid, rte->inh);
}

void
guard_compat_hook_indexlist(guard_compat_indexlist_type filter)
{
	indexlist_filter = filter;
	prev_build_simple_rel = build_simple_rel_hook;
	build_simple_rel_hook = simple_rel;
}

#else

static get_relation_info_hook_type prev_get_relation_info = NULL;

static void
relation_info(PlannerInfo *root, Oid relationObjectId, bool inhparent,
			  RelOptInfo *rel)
{
	if (prev_get_relation_info)
		prev_get_relation_info(root, relationObjectId, inhparent, rel);
	indexlist_filter(rel, relationObjectId, inhparent);
}

void
guard_compat_hook_indexlist(guard_compat_indexlist_type filter)
{
	indexlist_filter = filter;
	prev_get_relation_info = get_relation_info_hook;
	get_relation_info_hook = relation_info;
}

#endif

/* ----------------------------------------------------------------
 *		pg_stat_statements
 * ----------------------------------------------------------------
 */

#if PG_VERSION_NUM >= 180000

/*
 * A constant or a parameter below its casts, as IsSquashableConstant() has it.
 */
static bool
is_squashable(const Node *node)
{
	for (;;)
	{
		if (IsA(node, RelabelType))
			node = (const Node *) ((const RelabelType *) node)->arg;
		else if (IsA(node, CoerceViaIO))
			node = (const Node *) ((const CoerceViaIO *) node)->arg;
		else if (IsA(node, FuncExpr) &&
				 list_length(((const FuncExpr *) node)->args) == 1 &&
				 ((const FuncExpr *) node)->funcid <= FirstGenbkiObjectId &&
				 (((const FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST ||
				  ((const FuncExpr *) node)->funcformat == COERCE_EXPLICIT_CAST))
			node = linitial(((const FuncExpr *) node)->args);
		else
			return IsA(node, Const) ||
				(IsA(node, Param) && ((const Param *) node)->paramkind == PARAM_EXTERN);
	}
}

int
guard_compat_squashed(const ArrayExpr * list)
{
	ListCell   *lc;

	if (list->list_start <= 0 || list->list_end <= 0 || list_length(list->elements) < 2)
		return -1;
	foreach(lc, list->elements)
	{
		if (!is_squashable(lfirst(lc)))
			return -1;
	}
	return list->list_start + 1;
}

#else

int
guard_compat_squashed(const ArrayExpr * list)
{
	return -1;
}

#endif
