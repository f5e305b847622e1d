/*-------------------------------------------------------------------------
 *
 * bearers.c
 *	  What bears now the names under which traffic reached a table.
 *
 * Objects are dropped, names are addressed.  Whether a hot index is dropped, its
 * table renamed away, moved to another schema, detached, or a view pointed
 * elsewhere, comes to one question: does what its traffic's statements lead to
 * now serve each of their uses?  Here it is found out what that is.
 *
 * A table is addressed by its own name and, where it is a partition or child, by
 * those of its parents.  A view that shows one relation is looked through.  Of
 * any other view nothing can be told.  What is in pg_temp bears no name.
 *
 * A partition that was exchanged for others has these in its place: partitions
 * with the same bounds; and whatever child came to a parent of inheritance,
 * which knows no bounds.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat/list.h"
#include "evidence/bearers.h"
#include "evidence/gone.h"
#include "store/store.h"

/* How many views deep one is looked through. */
#define VIEWS_DEEP	10

/* ---- views ---- */

/*
 * The one relation that a view shows, NULL for any other view.  Conditions may
 * leave rows out; whatever groups, orders by itself, limits or combines asks for
 * other plans.
 */
static RangeTblEntry *
shown_relation(const Query *query, int *rtindex)
{
	RangeTblRef *ref;
	RangeTblEntry *entry;

	if (query == NULL || query->commandType != CMD_SELECT ||
		query->setOperations != NULL || query->groupClause != NIL ||
		query->groupingSets != NIL || query->distinctClause != NIL ||
		query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs ||
		query->limitCount != NULL || query->limitOffset != NULL ||
		query->cteList != NIL || list_length(query->jointree->fromlist) != 1 ||
		!IsA(linitial(query->jointree->fromlist), RangeTblRef))
		return NULL;
	ref = linitial_node(RangeTblRef, query->jointree->fromlist);
	entry = rt_fetch(ref->rtindex, query->rtable);
	*rtindex = ref->rtindex;
	return entry->rtekind == RTE_RELATION && entry->tablesample == NULL ? entry : NULL;
}

/*
 * Which column of the relation is each column of the view?
 */
static AttrNumber *
shown_columns(const Query *query, int rtindex, int *nshown)
{
	AttrNumber *shown = palloc0(sizeof(AttrNumber) * (list_length(query->targetList) + 1));

	*nshown = 0;
	foreach_ptr(TargetEntry, entry, query->targetList)
	{
		const Var  *var = (const Var *) entry->expr;

		if (entry->resjunk)
			continue;
		if (IsA(var, Var) && var->varno == rtindex && var->varlevelsup == 0 &&
			var->varattno > 0)
			shown[*nshown] = var->varattno;
		(*nshown)++;
	}
	return shown;
}

/*
 * Look through a view, and whatever view that shows.  False: that cannot be
 * done.
 */
static bool
look_through(GuardAnswer *answer, Oid view)
{
	answer->view = view;
	answer->table = view;
	for (int depth = 0; depth < VIEWS_DEEP; depth++)
	{
		Query	   *query = guard_before_view(answer->table, true);
		int			rtindex;
		RangeTblEntry *entry = shown_relation(query, &rtindex);
		AttrNumber *shown;
		int			nshown;

		if (entry == NULL)
			return false;
		shown = shown_columns(query, rtindex, &nshown);
		for (int i = 0; depth > 0 && i < answer->nshown; i++)
		{
			AttrNumber	column = answer->shown[i];

			answer->shown[i] = column > 0 && column <= nshown ? shown[column - 1] :
				InvalidAttrNumber;
		}
		if (depth == 0)
		{
			answer->shown = shown;
			answer->nshown = nshown;
		}
		answer->table = entry->relid;
		if (get_rel_relkind(entry->relid) != RELKIND_VIEW)
			return true;
	}
	return false;
}

/*
 * The tables that a view showed before, whatever it is.
 */
static List *
tables_shown_before(Oid view, int depth)
{
	Query	   *query = depth < VIEWS_DEEP ? guard_before_view(view, false) : NULL;
	List	   *tables = NIL;

	if (query == NULL)
		return NIL;
	foreach_ptr(RangeTblEntry, entry, query->rtable)
	{
		if (entry->rtekind != RTE_RELATION || entry->relid == view)
			continue;
		tables = lappend_oid(tables, entry->relid);
		if (entry->relkind == RELKIND_VIEW)
			tables = list_concat(tables, tables_shown_before(entry->relid, depth + 1));
	}
	return tables;
}

/* ---- names ---- */

/*
 * What a name leads to now; a sequence or type is nothing that traffic could
 * reach under it.
 */
static Oid
bearer_now(const char *schema, const char *name, char *kind)
{
	Oid			nsp = get_namespace_oid(schema, true);
	Oid			relation = OidIsValid(nsp) ? get_relname_relid(name, nsp) : InvalidOid;

	*kind = OidIsValid(relation) ? get_rel_relkind(relation) : '\0';
	return *kind == RELKIND_RELATION || *kind == RELKIND_PARTITIONED_TABLE ||
		*kind == RELKIND_MATVIEW || *kind == RELKIND_VIEW ||
		*kind == RELKIND_FOREIGN_TABLE ? relation : InvalidOid;
}

static GuardAnswer *
make_answer(Oid of, char **written, int nwritten, Oid bearer)
{
	GuardAnswer *answer = palloc0(sizeof(GuardAnswer));

	answer->of = of;
	answer->written = written;
	answer->nwritten = nwritten;
	answer->table = answer->view = bearer;
	return answer;
}

/*
 * Once each: a table may be reached by several ways.
 */
static void
add_answer(GuardBearers *bearers, GuardAnswer *answer)
{
	foreach_ptr(GuardAnswer, other, bearers->answers)
	{
		if (other->table == answer->table && other->view == answer->view)
			return;
	}
	bearers->answers = lappend(bearers->answers, answer);
}

static void
add_bearer(GuardBearers *bearers, GuardAnswer *answer, char kind)
{
	Oid			bearer = answer->view;

	if (kind == RELKIND_VIEW && !look_through(answer, bearer))
		bearers->unknown = guard_catalog_name(bearer);
	else
		add_answer(bearers, answer);
}

/*
 * Do the columns of the table have other names than before?
 */
static bool
columns_changed(Oid table, char **written, int nwritten)
{
	for (int i = 0; i < nwritten; i++)
	{
		char	   *now = written[i] != NULL ? get_attname(table, i + 1, true) : NULL;

		if (written[i] != NULL && (now == NULL || strcmp(now, written[i]) != 0))
			return true;
	}
	return false;
}

/*
 * Has it an index that will go with a temporary object?
 */
static bool
goes_with_session(Oid table)
{
	foreach_oid(index, guard_catalog_has_temporary() ? guard_catalog_indexes(table) : NIL)
	{
		if (guard_catalog_hangs_on_temporary(index))
			return true;
	}
	return false;
}

/* ---- partitions and children ---- */

/*
 * Is a table somewhere below another one?
 */
static bool
is_below(Oid table, Oid ancestor)
{
	foreach_oid(parent, guard_catalog_parents(table))
	{
		if (parent == ancestor || is_below(parent, ancestor))
			return true;
	}
	return false;
}

/*
 * Bounds tell where they stood in their statement, which does not count.
 */
static bool
same_bound(const char *a, const char *b)
{
	return a == NULL || b == NULL || equal(stringToNode(a), stringToNode(b));
}

/*
 * What has come to the parent that the table has left, to be in its place?
 */
static List *
exchanged_for(const GuardBefore *before, Oid parent)
{
	List	   *had = guard_before_children(parent);
	List	   *heirs = NIL;

	foreach_oid(child, guard_catalog_children(parent))
	{
		if (!list_member_oid(had, child) &&
			same_bound(before->bound, guard_catalog_bound(child)))
			heirs = lappend_oid(heirs, child);
	}
	return heirs;
}

/*
 * The names of what the table was a partition or child of, and so on upwards.
 */
static void
add_by_parents(GuardBearers *bearers, const GuardBefore *before, char **written,
			   int nwritten, Oid below)
{
	foreach_oid(parent, guard_before_parents(below))
	{
		GuardBefore *was = guard_before_relation(parent);
		char		kind;
		Oid			now = was != NULL ? bearer_now(was->schema, was->name, &kind) :
			InvalidOid;

		if (now == parent && is_below(before->relation, parent))
			add_answer(bearers, make_answer(before->relation, written, nwritten,
											before->relation));
		else if (now == parent && guard_catalog_exists(parent))
		{
			List	   *heirs = exchanged_for(before, parent);

			bearers->changed = true;
			bearers->left |= heirs == NIL;
			foreach_oid(heir, heirs)
				add_answer(bearers, make_answer(before->relation, written, nwritten,
												heir));
		}
		else if (OidIsValid(now))
		{
			bearers->changed = true;
			add_bearer(bearers, make_answer(before->relation, written, nwritten, now),
					   kind);
		}
		add_by_parents(bearers, before, written, nwritten, parent);
	}
}

/*
 * Views that this transaction has touched, as they were: found once for all of
 * its tables.
 */
static List *
touched_views(void)
{
	static List *views = NIL;
	static uint64 as_of = 0;
	MemoryContext old;

	if (as_of == guard_before_touches())
		return views;
	/* the one before is gone with its transaction, or soon will be */
	views = NIL;
	foreach_oid(relation, guard_before_touched())
	{
		GuardBefore *before = guard_before_relation(relation);

		if (before == NULL || before->kind != RELKIND_VIEW)
			continue;
		old = MemoryContextSwitchTo(TopTransactionContext);
		views = lappend_oid(views, relation);
		MemoryContextSwitchTo(old);
	}
	as_of = guard_before_touches();
	return views;
}

/*
 * Views that showed the table, and lead to another one now.  Whose statements came
 * through them is not known, so they are names of the table like any other.
 */
static void
add_by_views(GuardBearers *bearers, Oid table)
{
	foreach_oid(view, touched_views())
	{
		GuardBefore *before = guard_before_relation(view);
		Query	   *query = guard_before_view(view, false);
		int			rtindex;
		RangeTblEntry *entry = shown_relation(query, &rtindex);
		GuardAnswer *answer;
		AttrNumber *shown;
		char	  **names;
		int			nnames;
		int			nshown;
		char		kind;
		Oid			bearer;

		if (entry == NULL || entry->relid != table)
			continue;
		bearer = bearer_now(before->schema, before->name, &kind);
		if (!OidIsValid(bearer))
			continue;
		names = guard_before_columns(view, &nnames);
		shown = shown_columns(query, rtindex, &nshown);
		answer = make_answer(table, NULL, 0, bearer);
		(void) guard_before_columns(table, &answer->nwritten);
		answer->written = palloc0(sizeof(char *) * (answer->nwritten + 1));
		for (int i = 0; i < Min(nshown, nnames); i++)
		{
			if (shown[i] > 0 && shown[i] <= answer->nwritten)
				answer->written[shown[i] - 1] = names[i];
		}
		if ((kind == RELKIND_VIEW && !look_through(answer, bearer)) ||
			answer->table == table)
			continue;
		bearers->changed = true;
		add_answer(bearers, answer);
	}
}

GuardBearers *
guard_bearers_find(Oid table)
{
	GuardBearers *bearers = palloc0(sizeof(GuardBearers));
	GuardBefore *before = guard_before_any() ? guard_before_relation(table) : NULL;
	char	  **written;
	int			nwritten;
	char		kind;
	Oid			bearer;

	if (before == NULL)
	{
		/* as it is: nobody touched it, or this transaction has made it */
		bearers->name = guard_catalog_name(table);
		if (guard_catalog_exists(table))
			bearers->answers = list_make1(make_answer(InvalidOid, NULL, 0, table));
		return bearers;
	}
	bearers->name = quote_qualified_identifier(before->schema, before->name);
	written = guard_before_columns(table, &nwritten);
	bearer = bearer_now(before->schema, before->name, &kind);
	bearers->not_borne = !OidIsValid(bearer);
	bearers->changed = bearer != table || columns_changed(table, written, nwritten) ||
		goes_with_session(table);
	add_by_parents(bearers, before, written, nwritten, table);
	if (bearers->left && (bearer == table || bearers->not_borne))
		return bearers;

	/* under the name that is nobody's, nobody finds anything */
	if (bearers->not_borne)
		bearer = guard_catalog_exists(table) ? table : InvalidOid;
	if (OidIsValid(bearer))
		add_bearer(bearers, make_answer(table, written, nwritten, bearer), kind);
	add_by_views(bearers, table);
	return bearers;
}

GuardAnswer *
guard_bearers_itself(Oid table)
{
	GuardAnswer *answer = make_answer(InvalidOid, NULL, 0, table);

	if (!guard_before_any() || !guard_before_is_touched(table) ||
		guard_before_relation(table) == NULL)
		return answer;
	answer->of = table;
	answer->written = guard_before_columns(table, &answer->nwritten);
	return answer;
}

/* ---- which tables ---- */

/*
 * A table, or all that was below it.
 */
static List *
with_children_before(List *tables, Oid table)
{
	if (list_member_oid(tables, table))
		return tables;
	tables = lappend_oid(tables, table);
	foreach_oid(child, guard_before_children(table))
		tables = with_children_before(tables, child);
	return tables;
}

/*
 * Is the relation what and where it was?  A name that has come to it may be one
 * that another table had.
 */
static bool
stands(const GuardBefore *before)
{
	char		kind;
	int			nwritten;
	char	  **written;

	if (bearer_now(before->schema, before->name, &kind) != before->relation ||
		kind != before->kind || kind == RELKIND_VIEW)
		return false;
	written = guard_before_columns(before->relation, &nwritten);
	return !columns_changed(before->relation, written, nwritten) &&
		!goes_with_session(before->relation) &&
		equal(guard_before_parents(before->relation),
			  guard_catalog_parents(before->relation));
}

List *
guard_bearers_concerned(void)
{
	List	   *tables = NIL;

	foreach_oid(relation, guard_before_touched())
	{
		GuardBefore *before = guard_before_relation(relation);

		if (before == NULL || stands(before))
			continue;
		if (before->kind == RELKIND_VIEW)
			tables = list_concat_unique_oid(tables, tables_shown_before(relation, 0));
		else if (before->kind == RELKIND_RELATION || before->kind == RELKIND_MATVIEW ||
				 before->kind == RELKIND_PARTITIONED_TABLE)
			tables = with_children_before(tables, relation);
	}
	return tables;
}

List *
guard_bearers_of_taken(Oid relation)
{
	GuardBefore *before = guard_before_relation(relation);
	char	   *schema = get_namespace_name(get_rel_namespace(relation));
	char	   *name = get_rel_name(relation);
	List	   *answers = NIL;
	List	   *unseen;

	if (schema == NULL || name == NULL ||
		(before != NULL && strcmp(before->schema, schema) == 0 &&
		 strcmp(before->name, name) == 0) ||
		OidIsValid(guard_before_named(schema, name)))
		return NIL;
	foreach_oid(table, guard_moved_from(schema, name, &unseen))
	{
		GuardAnswer *answer = make_answer(table, NULL, 0, relation);

		if (table == relation || !guard_catalog_exists(table) ||
			guard_before_relation(table) == NULL)
			continue;
		answer->written = guard_before_columns(table, &answer->nwritten);
		if (get_rel_relkind(relation) != RELKIND_VIEW || look_through(answer, relation))
			answers = lappend(answers, answer);
	}
	return answers;
}
