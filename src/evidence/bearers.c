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
 * those of its parents; and by the views that lead to it, which are bound to it and
 * follow when it takes another name.  Capture knows who came by which.  A view that
 * shows one relation is looked through.  Of any other view nothing can be told.  What
 * is in pg_temp bears no name.
 *
 * A partition or child that was exchanged for others has these in its place: those
 * that have some of its rows now (places.c).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "parser/parsetree.h"

#include "evidence/bearers.h"
#include "evidence/gone.h"
#include "planner/capture/capture.h"
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

/* What a view asks its relation for. */
typedef struct Reading
{
	int			rtindex;
	Bitmapset  *columns;
} Reading;

static bool
find_read(Node *node, void *arg)
{
	Reading    *reading = arg;

	if (node == NULL || IsA(node, Query))
		return false;
	if (!IsA(node, Var))
		return expression_tree_walker(node, find_read, arg);
	if (((Var *) node)->varno == reading->rtindex && ((Var *) node)->varattno > 0)
		reading->columns = bms_add_member(reading->columns, ((Var *) node)->varattno);
	return false;
}

/*
 * The columns of the relation which the view reads for its conditions, and for what
 * it computes, and of those that it shows the ones which the view over it so reads.
 */
static Bitmapset *
columns_read(const Query *query, int rtindex, const AttrNumber *shown, int nshown,
			 const Bitmapset *above)
{
	Reading		reading = {.rtindex = rtindex};
	int			column = -1;

	(void) find_read(query->jointree->quals, &reading);
	foreach_ptr(TargetEntry, entry, query->targetList)
	{
		if (!IsA(entry->expr, Var))
			(void) find_read((Node *) entry->expr, &reading);
	}
	while ((column = bms_next_member(above, column)) >= 0)
	{
		if (column <= nshown && shown[column - 1] > 0)
			reading.columns = bms_add_member(reading.columns, shown[column - 1]);
	}
	return reading.columns;
}

bool
guard_bearers_look_through(GuardAnswer *answer, Oid view, bool now)
{
	answer->view = view;
	answer->table = view;
	for (int depth = 0; depth < VIEWS_DEEP; depth++)
	{
		Query	   *query = guard_before_view(answer->table, now);
		int			rtindex;
		RangeTblEntry *entry = shown_relation(query, &rtindex);
		AttrNumber *shown;
		int			nshown;

		if (entry == NULL)
			return false;
		shown = shown_columns(query, rtindex, &nshown);
		answer->read = columns_read(query, rtindex, shown, nshown, answer->read);
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
		if (entry->relkind != RELKIND_VIEW)
			return true;
	}
	return false;
}

/*
 * Append all relations that a query reads, however deep.
 */
static bool
find_relations(Node *node, void *relations)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		if (((RangeTblEntry *) node)->rtekind == RTE_RELATION)
			*(List **) relations = list_append_unique_oid(*(List **) relations,
														  ((RangeTblEntry *) node)->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_relations, relations,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, find_relations, relations);
}

/*
 * What a view shows itself, whatever it is.
 */
static List *
relations_shown(Oid view, bool now)
{
	List	   *relations = NIL;

	(void) find_relations((Node *) guard_before_view(view, now), &relations);
	return list_delete_oid(relations, view);
}

/*
 * The same with what is shown by the views among that.
 */
static List *
all_shown(Oid view, bool now, int depth)
{
	List	   *relations = depth < VIEWS_DEEP ? relations_shown(view, now) : NIL;

	foreach_oid(relation, list_copy(relations))
		relations = list_concat_unique_oid(relations, all_shown(relation, now, depth + 1));
	return relations;
}

static bool
shows_any(Oid view, List *tables, bool now)
{
	foreach_oid(relation, all_shown(view, now, 0))
	{
		if (list_member_oid(tables, relation))
			return true;
	}
	return false;
}

/*
 * A table and all that it is, or was, a partition or child of.
 */
static List *
lineage_of(List *found, Oid table, bool now)
{
	found = list_append_unique_oid(found, table);
	foreach_oid(parent, now ? guard_catalog_parents(table) : guard_before_parents(table))
		found = lineage_of(found, parent, now);
	return found;
}

/*
 * The views that lead to a relation, however deep.
 */
static List *
add_views(List *found, Oid relation, int depth)
{
	GuardRows  *rows = guard_rows_of_catalog(DependRelationId, DependReferenceIndexId,
											 P_OID(RelationRelationId), P_OID(relation));
	List	   *rules = NIL;

	while (guard_rows_next(rows))
	{
		if (guard_rows_oid(rows, Anum_pg_depend_classid) == RewriteRelationId)
			rules = list_append_unique_oid(rules, guard_rows_oid(rows, Anum_pg_depend_objid));
	}
	foreach_oid(rule, rules)
	{
		List	   *views = guard_rows_oids(guard_rows_of_catalog(RewriteRelationId, RewriteOidIndexId,
																  P_OID(rule)),
											Anum_pg_rewrite_ev_class);

		foreach_oid(view, views)
		{
			if (view == relation || list_member_oid(found, view) ||
				get_rel_relkind(view) != RELKIND_VIEW)
				continue;
			found = lappend_oid(found, view);
			if (depth < VIEWS_DEEP)
				found = add_views(found, view, depth + 1);
		}
	}
	return found;
}

/*
 * Is the body of a function bound to one of these relations?
 */
static bool
has_bound_body(List *relations)
{
	bool		found = false;

	foreach_oid(relation, relations)
	{
		GuardRows  *rows = guard_rows_of_catalog(DependRelationId, DependReferenceIndexId,
												 P_OID(RelationRelationId), P_OID(relation));

		while (guard_rows_next(rows))
			found |= guard_rows_oid(rows, Anum_pg_depend_classid) == ProcedureRelationId;
	}
	return found;
}

bool
guard_bearers_gone(Oid view)
{
	return OidIsValid(view) && view != GUARD_BOUND_BODY && !guard_catalog_exists(view) &&
		guard_before_relation(view) == NULL;
}

bool
guard_bearers_led(Oid view, Oid table)
{
	return OidIsValid(view) && shows_any(view, lineage_of(NIL, table, false), false);
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
		{
			other->by_any |= answer->by_any;
			return;
		}
	}
	bearers->answers = lappend(bearers->answers, answer);
}

/*
 * Whoever comes by a parent that is where it was is led to it, by whatever name he
 * reaches that.
 */
static void
add_by_any(GuardBearers *bearers, GuardAnswer *answer)
{
	answer->by_any = true;
	add_answer(bearers, answer);
}

static void
add_bearer(GuardBearers *bearers, GuardAnswer *answer, char kind)
{
	Oid			bearer = answer->view;

	if (kind == RELKIND_VIEW && !guard_bearers_look_through(answer, bearer, true))
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
 * Is a table another one, or somewhere below it?
 */
static bool
is_below(Oid table, Oid ancestor)
{
	if (table == ancestor)
		return true;
	foreach_oid(parent, guard_catalog_parents(table))
	{
		if (is_below(parent, ancestor))
			return true;
	}
	return false;
}

/*
 * What a name, the parent's or one that has come to it, leads to where the rows of
 * the last of the lineage were.  False: nobody has them.
 */
static bool
add_places(GuardBearers *bearers, List *lineage, char **written, int nwritten,
		   Oid bearer, char kind)
{
	Oid			table = llast_oid(lineage);
	GuardAnswer *answer = make_answer(table, written, nwritten, bearer);
	List	   *heirs;

	if (kind == RELKIND_VIEW && !guard_bearers_look_through(answer, bearer, true))
	{
		bearers->unknown = guard_catalog_name(bearer);
		return true;
	}
	heirs = guard_places_taken(answer->table, lineage);
	bearers->changed |= !equal(heirs, list_make1_oid(table));
	foreach_oid(heir, heirs)
	{
		GuardAnswer *there = make_answer(table, written, nwritten, heir);

		if (kind == RELKIND_VIEW)
			*there = *answer;
		there->table = heir;
		there->by_any = bearer == linitial_oid(lineage);
		add_answer(bearers, there);
	}
	return heirs != NIL;
}

/*
 * The names of what the table was a partition or child of, and so on upwards:
 * "lineage" leads down to it.
 */
static void
add_by_parents(GuardBearers *bearers, const GuardBefore *before, char **written,
			   int nwritten, List *lineage)
{
	Oid			below = linitial_oid(lineage);

	foreach_oid(parent, guard_before_parents(below))
	{
		GuardBefore *was = guard_before_relation(parent);
		List	   *from_here = lcons_oid(parent, list_copy(lineage));
		char		kind = '\0';
		Oid			now = was != NULL ? bearer_now(was->schema, was->name, &kind) :
			InvalidOid;

		if (now == parent && is_below(before->relation, below) && guard_places_kept(parent, below))
			add_by_any(bearers, make_answer(before->relation, written, nwritten,
											before->relation));
		else if (OidIsValid(now))
			bearers->left |= !add_places(bearers, from_here, written, nwritten, now, kind);
		add_by_parents(bearers, before, written, nwritten, from_here);
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
 * A column of the table that is called so is written like this.
 */
static void
write_column(GuardAnswer *answer, const char *column, char *written, bool hidden)
{
	for (int i = 0; i < answer->nwritten && column != NULL; i++)
	{
		if (answer->names[i] == NULL || strcmp(answer->names[i], column) != 0 ||
			(hidden && answer->written[i] != NULL))
			continue;
		answer->written[i] = written;
		if (hidden)
			answer->hidden = bms_add_member(answer->hidden, i + 1);
	}
}

/*
 * The columns of the table as those write them who come by a view, which showed
 * it, or what it was a partition of, as "was"; and as the view does itself.
 */
static void
write_by_view(GuardAnswer *answer, Oid view, const GuardAnswer *was)
{
	int			nnames;
	int			nshown;
	int			column = -1;
	char	  **names = guard_before_columns(view, &nnames);
	char	  **shown = guard_before_columns(was->table, &nshown);

	answer->names = guard_before_columns(answer->of, &answer->nwritten);
	answer->written = palloc0(sizeof(char *) * (answer->nwritten + 1));
	for (int i = 0; i < Min(was->nshown, nnames); i++)
	{
		if (was->shown[i] > 0 && was->shown[i] <= nshown)
			write_column(answer, shown[was->shown[i] - 1], names[i], false);
	}
	while ((column = bms_next_member(was->read, column)) >= 0)
		write_column(answer, shown[column - 1], shown[column - 1], true);
}

/*
 * Has a view that leads to the same table other columns of it under the same
 * names?
 */
static bool
shows_otherwise(Oid view, Oid bearer)
{
	GuardAnswer was = {0};
	GuardAnswer now = {0};
	int			nnames;
	char	  **names = guard_before_columns(view, &nnames);

	if (!guard_bearers_look_through(&was, view, false) || !guard_bearers_look_through(&now, bearer, true) ||
		was.table != now.table)
		return false;
	for (int i = 0; i < Min(nnames, was.nshown); i++)
	{
		AttrNumber	column = names[i] != NULL ? get_attnum(bearer, names[i]) : 0;

		if (was.shown[i] > 0 &&
			(column <= 0 || column > now.nshown || now.shown[column - 1] != was.shown[i]))
			return true;
	}
	return false;
}

/*
 * What does a view lead to now that showed the table?  Of one that computes it can
 * be told where it reads one other table instead, and is the same otherwise.
 */
static GuardAnswer *
answer_by_view(Oid view, Oid table, List *lineage, Oid bearer, char kind)
{
	GuardAnswer *answer = make_answer(table, NULL, 0, bearer);
	GuardAnswer was = {0};
	List	   *before;
	List	   *now;

	answer->by_view = view;
	if (guard_bearers_look_through(&was, view, false) && list_member_oid(lineage, was.table))
	{
		write_by_view(answer, view, &was);
		if (kind == RELKIND_VIEW && !guard_bearers_look_through(answer, bearer, true))
			answer->table = InvalidOid;
		return answer;
	}
	before = relations_shown(view, false);
	now = kind == RELKIND_VIEW ? relations_shown(bearer, true) : NIL;
	answer->table = InvalidOid;
	if (list_length(list_difference_oid(before, now)) == 1 &&
		list_length(list_difference_oid(now, before)) == 1 &&
		list_member_oid(lineage, linitial_oid(list_difference_oid(before, now))))
	{
		Oid			instead = linitial_oid(list_difference_oid(now, before));

		answer->written = guard_before_columns(table, &answer->nwritten);
		if (get_rel_relkind(instead) != RELKIND_VIEW)
			answer->table = answer->view = instead;
	}
	return answer;
}

/*
 * Views that led to the table, and lead to another one now.
 */
static void
add_by_views(GuardBearers *bearers, Oid table)
{
	List	   *lineage = touched_views() != NIL ? lineage_of(NIL, table, false) : NIL;

	foreach_oid(view, touched_views())
	{
		GuardBefore *before = guard_before_relation(view);
		char		kind;
		Oid			bearer = bearer_now(before->schema, before->name, &kind);

		if (!OidIsValid(bearer) || !shows_any(view, lineage, false) ||
			list_member_oid(lineage, bearer) ||
			(kind == RELKIND_VIEW && shows_any(bearer, lineage, true) &&
			 !shows_otherwise(view, bearer)))
			continue;
		bearers->changed = true;
		bearers->by_views = lappend(bearers->by_views,
									answer_by_view(view, table, lineage, bearer, kind));
	}
}

List *
guard_bearers_views(Oid table, bool before)
{
	List	   *views = NIL;

	foreach_oid(view, add_views(NIL, table, 0))
	{
		if (!before || !guard_before_is_touched(view))
			views = lappend_oid(views, view);
	}
	foreach_oid(view, before ? touched_views() : NIL)
	{
		if (shows_any(view, list_make1_oid(table), false))
			views = lappend_oid(views, view);
	}
	return views;
}

List *
guard_bearers_views_touched(void)
{
	static uint64 seen = 0;
	List	   *views = NIL;

	foreach_oid(relation, guard_before_any() ? guard_before_touched_since(&seen) : NIL)
	{
		GuardBefore *before = guard_before_relation(relation);

		if (before != NULL && before->kind == RELKIND_VIEW)
			views = lappend_oid(views, relation);
	}
	return views;
}

List *
guard_bearers_lost_views(List *views)
{
	List	   *lost = NIL;

	foreach_oid(view, views)
	{
		GuardBefore *before = guard_before_relation(view);
		char		kind;
		Oid			bearer = bearer_now(before->schema, before->name, &kind);

		foreach_oid(table, all_shown(view, false, 0))
		{
			GuardLostView *each;

			if (bearer == table || guard_before_relation(table) == NULL ||
				guard_before_relation(table)->kind == RELKIND_VIEW ||
				(OidIsValid(bearer) && kind == RELKIND_VIEW &&
				 shows_any(bearer, list_make1_oid(table), true)))
				continue;
			each = palloc(sizeof(GuardLostView));
			each->table = table;
			each->schema = before->schema;
			each->name = before->name;
			lost = lappend(lost, each);
		}
	}
	return lost;
}

bool
guard_bearers_leads(Oid view, Oid table)
{
	List	   *lineage = lineage_of(NIL, table, true);
	bool		bound = view == GUARD_BOUND_BODY;
	GuardBefore *dropped = bound || guard_catalog_exists(view) ? NULL :
		guard_before_relation(view);
	char		kind;

	if (dropped != NULL)
		view = bearer_now(dropped->schema, dropped->name, &kind);
	if (!bound && (dropped != NULL || guard_catalog_exists(view)))
		return shows_any(view, lineage, true);
	foreach_oid(relation, lineage)
	{
		List	   *views = add_views(NIL, relation, 0);

		if (bound ? has_bound_body(lcons_oid(relation, views)) : views != NIL)
			return true;
	}
	return false;
}

/*
 * Did a view lead to the table that this transaction has touched?  Any of those may
 * be one that is gone, made anew.
 */
static bool
led_lately(Oid view, Oid table)
{
	if (!guard_before_any() || !guard_bearers_gone(view))
		return guard_before_is_touched(view) && guard_bearers_led(view, table);
	foreach_oid(touched, touched_views())
	{
		if (guard_bearers_led(touched, table))
			return true;
	}
	return false;
}

/*
 * Where no function is bound to the table any more, its name is what those have that
 * are made anew.
 */
static const GuardNames *
come_by(const GuardNames *names, Oid table)
{
	GuardNames *by = palloc(sizeof(GuardNames));

	*by = *names;
	for (int i = 0; i < GUARD_CAPTURE_VIEWS; i++)
	{
		if (by->views[i] != GUARD_BOUND_BODY || guard_bearers_leads(GUARD_BOUND_BODY, table))
			continue;
		by->own = Max(by->own, by->by_view[i]);
		by->by_view[i] = 0;
	}
	return by;
}

/*
 * A use that came by a view goes where that leads: it is one of this table for as long as
 * that shows it, whatever became of the table's name, and no longer.
 */
void
guard_bearers_collect(GuardEvidence *evidence)
{
	Oid			table = evidence->shape->table;

	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		const GuardNames *names;
		bool		by_view = false;
		bool		leads = false;
		bool		lately = false;

		if (fact->seen != GUARD_SEEN_USED || fact->names == NULL || fact->of_table)
			continue;
		fact->names = names = come_by(fact->names, table);
		for (int i = 0; i < GUARD_CAPTURE_VIEWS; i++)
		{
			bool		before = led_lately(names->views[i], table);

			if (names->by_view[i] == 0)
				continue;
			by_view = true;
			lately |= before;
			leads |= (before && evidence->asked.passes_on) ||
				guard_bearers_leads(names->views[i], table);
		}
		if (leads)
		{
			fact->moved_away = fact->by_column = fact->moved_now = false;
			if (names->own == 0)
				evidence->move.heir_table = NULL;
		}
		else if (by_view && names->own == 0 && names->more == 0)
		{
			fact->moved_away = true;
			fact->moved_now |= lately;
		}
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
	add_by_views(bearers, table);
	add_by_parents(bearers, before, written, nwritten, list_make1_oid(table));
	if (bearers->left && (bearer == table || bearers->not_borne))
		return bearers;

	/* under the name that is nobody's, nobody finds anything */
	if (bearers->not_borne)
		bearer = guard_catalog_exists(table) ? table : InvalidOid;
	if (OidIsValid(bearer))
		add_bearer(bearers, make_answer(table, written, nwritten, bearer), kind);
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
	foreach_oid(parent, guard_before_parents(before->relation))
	{
		if (!guard_places_kept(parent, before->relation))
			return false;
	}
	written = guard_before_columns(before->relation, &nwritten);
	return !columns_changed(before->relation, written, nwritten) &&
		!goes_with_session(before->relation);
}

/*
 * Default partitions that gave rows to this one, which has come beside them.
 */
static List *
rests_before(Oid relation)
{
	List	   *rests = NIL;

	foreach_oid(parent, guard_catalog_bound(relation) == NULL ? NIL :
				list_difference_oid(guard_catalog_parents(relation),
									guard_before_parents(relation)))
	{
		Oid			rest = get_default_partition_oid(parent);

		if (OidIsValid(rest) && rest != relation && !guard_places_kept(parent, rest))
			rests = lappend_oid(rests, rest);
	}
	return rests;
}

List *
guard_bearers_concerned(void)
{
	List	   *tables = NIL;

	foreach_oid(relation, guard_before_touched())
	{
		GuardBefore *before = guard_before_relation(relation);

		foreach_oid(gave, rests_before(relation))
			tables = with_children_before(tables, gave);
		if (before == NULL || stands(before))
			continue;
		if (before->kind == RELKIND_VIEW)
		{
			foreach_oid(table, all_shown(relation, false, 0))
				tables = with_children_before(tables, table);
		}
		else if (before->kind == RELKIND_RELATION || before->kind == RELKIND_MATVIEW ||
				 before->kind == RELKIND_PARTITIONED_TABLE)
			tables = with_children_before(tables, relation);
	}
	return tables;
}

/*
 * What the relation answers for in place of a table, if that was there before.
 */
static List *
add_taken(List *answers, Oid table, Oid relation)
{
	GuardAnswer *answer = make_answer(table, NULL, 0, relation);

	if (table == relation || !guard_catalog_exists(table) ||
		guard_before_relation(table) == NULL)
		return answers;
	answer->written = guard_before_columns(table, &answer->nwritten);
	return get_rel_relkind(relation) != RELKIND_VIEW || guard_bearers_look_through(answer, relation, true) ?
		lappend(answers, answer) : answers;
}

/*
 * The same of those that had left before what it has become a partition of.
 */
static List *
add_places_taken(List *answers, Oid relation)
{
	List	   *before = guard_before_parents(relation);

	foreach_oid(parent, guard_catalog_bound(relation) != NULL ? guard_catalog_parents(relation) : NIL)
	{
		GuardBefore *was = list_member_oid(before, parent) ? NULL : guard_before_relation(parent);

		/* not free, where another one goes: that is judged by its own use */
		foreach_oid(left, was == NULL ||
					list_difference_oid(guard_before_children(parent),
										guard_catalog_children(parent)) != NIL ? NIL :
					guard_moved_left(was->schema, was->name,
									 list_make2_oid(parent, relation), false))
		{
			if (!list_member_oid(guard_before_parents(left), parent))
				answers = add_taken(answers, left, relation);
		}
	}
	return answers;
}

static bool
has_name(char **names, int nnames, const char *sought)
{
	for (int i = 0; i < nnames; i++)
	{
		if (names[i] != NULL && strcmp(names[i], sought) == 0)
			return true;
	}
	return false;
}

/*
 * Names that columns of it had, and none had before this transaction: another
 * column has one of them.
 */
static List *
add_columns_taken(List *answers, Oid relation)
{
	int			nwritten;
	char	  **written = guard_before_columns(relation, &nwritten);

	foreach_ptr(const GuardFormerColumns, former, guard_moved_former_columns(relation))
	{
		bool		taken = false;

		for (int i = 0; i < former->nnames; i++)
		{
			AttrNumber	now = former->names[i] == NULL ||
				has_name(written, nwritten, former->names[i]) ? InvalidAttrNumber :
				get_attnum(relation, former->names[i]);

			taken |= now != InvalidAttrNumber && now != i + 1;
		}
		if (taken)
		{
			GuardAnswer *answer = make_answer(relation, former->names, former->nnames, relation);

			answer->until = former->until;
			answers = lappend(answers, answer);
		}
	}
	return answers;
}

List *
guard_bearers_of_taken(Oid relation)
{
	GuardBefore *before = guard_before_relation(relation);
	char	   *schema = get_namespace_name(get_rel_namespace(relation));
	char	   *name = get_rel_name(relation);
	List	   *answers = NIL;
	List	   *unseen;

	if (schema == NULL || name == NULL)
		return NIL;
	answers = add_places_taken(before != NULL ? add_columns_taken(NIL, relation) : NIL,
							   relation);
	if ((before != NULL && strcmp(before->schema, schema) == 0 &&
		 strcmp(before->name, name) == 0) ||
		OidIsValid(guard_before_named(schema, name)))
		return answers;
	foreach_oid(table, list_concat_unique_oid(guard_moved_from(schema, name, false, &unseen),
											  guard_moved_from(schema, name, true, &unseen)))
		answers = add_taken(answers, table, relation);
	return answers;
}
