/*-------------------------------------------------------------------------
 *
 * predecessors.c
 *	  Whose traffic has this index taken over?
 *
 * Of two twins the planner uses one, and the other looks idle.  Dropping the
 * used one is right, since the idle one serves in its place - but then the
 * idle one must not look idle any more, or dropping twin after twin removes
 * both (doc/internals/review.md 2).
 *
 * Nobody writes down who inherits, because that may fail, or be undone.  Use
 * stays with the index that was used, and an heir is found when it is asked
 * about: an index has the use of every predecessor whose shape it serves, that
 * is, of indexes of its table, or of one that had its table's name, which are
 * not there any more, not valid, hidden, or on a table that has lost the name, or
 * its place among partitions - as the catalogs say now.  A drop that was rolled back leaves nothing behind,
 * one that was cancelled half-way counts, and so does REINDEX CONCURRENTLY
 * from the moment at which it swaps the names.
 *
 * Each use keeps the shape by which it came: what takes the place of the heir
 * need serve no more than that.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"

#include "evidence/bearers.h"
#include "evidence/gone.h"
#include "planner/hide/hide.h"

/* What PostgreSQL appends to an index's name while it is being rebuilt. */
#define REINDEX_SUFFIX	"_ccold"

/*
 * Is this the same index before it was rebuilt?
 */
static bool
is_former_self(const GuardEvidence *evidence, const char *schema, const char *name)
{
	size_t		len = strlen(evidence->shape->name);

	return strcmp(schema, evidence->shape->schema) == 0 &&
		strncmp(name, evidence->shape->name, len) == 0 &&
		(name[len] == '\0' ||
		 strncmp(name + len, REINDEX_SUFFIX, strlen(REINDEX_SUFFIX)) == 0);
}

static void
add_fact(GuardEvidence *evidence, const GuardFact *use, Oid index, GuardShape *shape,
		 TimestampTz at, const char *note)
{
	GuardFact  *fact;

	if (use->count == 0)
		return;
	fact = palloc(sizeof(GuardFact));
	*fact = *use;
	fact->source = GUARD_SOURCE_INHERITED;
	fact->seen = GUARD_SEEN_USED;
	fact->note = pstrdup(note);
	fact->inherited_at = at;
	fact->shape = shape;
	fact->of_index = index;
	if (fact->fkey != 0 && (shape->table != evidence->shape->table ||
							!guard_causes_has(evidence->shape, fact->fkey)))
		fact->fkey = GUARD_FKEY_ANY;
	guard_causes_fill(evidence, fact);
	evidence->facts = lappend(evidence->facts, fact);
}

/*
 * It has taken the place of one that was made then (0: nobody knows).
 */
static void
stands_for_one_of(GuardEvidence *evidence, TimestampTz made)
{
	made = Max(made, 1);
	evidence->older = evidence->older != 0 ? Min(evidence->older, made) : made;
}

static bool
has_use(const GuardPastUse *use)
{
	return use->dated.count > 0 || use->undated.count > 0 ||
		use->checks.count > 0 || use->needed != NIL || use->profiled != NIL || use->unread;
}

static void
add_unknown(GuardEvidence *evidence, const char *note, const char *schema,
			const char *name)
{
	GuardFact  *fact = palloc0(sizeof(GuardFact));

	fact->source = GUARD_SOURCE_INHERITED;
	fact->pause = -1;
	fact->note = psprintf(note, quote_qualified_identifier(schema, name));
	evidence->facts = lappend(evidence->facts, fact);
}

/*
 * The predecessor has been used in this way.  Where nobody is known to have, what
 * is known of the two together is what is known since the older one was made.
 */
static void
inherit(GuardEvidence *evidence, const GuardPastUse *use, Oid index, GuardShape *shape,
		const char *schema, const char *name, TimestampTz at)
{
	const char *note = is_former_self(evidence, schema, name) ?
		"before it was rebuilt" :
		psprintf("as index %s, which it replaced",
				 quote_qualified_identifier(schema, name));

	if (guard_shape_enforces(shape, evidence->shape))
		evidence->as_unique = list_append_unique_oid(evidence->as_unique, index);
	/* What replaces it may not be itself. */
	shape->index = evidence->index;
	if (use->unread)
		add_unknown(evidence, "what is known of index %s, which it replaced, cannot be read now",
					schema, name);
	else if (!has_use(use) && !use->idle)
	{
		add_unknown(evidence, "index %s, which it replaced, may have been used when nobody was there to see it",
					schema, name);
		stands_for_one_of(evidence, use->origin);
	}
	evidence->unread |= use->unread;
	add_fact(evidence, &use->dated, index, shape, at, note);
	add_fact(evidence, &use->undated, index, shape, at, note);
	add_fact(evidence, &use->checks, index, shape, at, note);
	foreach_ptr(GuardFact, fact, use->needed)
		add_fact(evidence, fact, index, shape, at, note);
	foreach_ptr(GuardFact, fact, use->profiled)
		add_fact(evidence, fact, index, shape, at, note);
}

/*
 * Does it, or did one that went for its sake?
 */
static bool
serves(const GuardEvidence *evidence, const GuardShape *shape)
{
	bool		served = guard_shape_match(shape, evidence->shape, false) >= GUARD_MATCH_SERVES;

	foreach_ptr(const GuardShape, other, evidence->stands_for)
		served |= guard_shape_match(shape, other, false) >= GUARD_MATCH_SERVES;
	return served;
}

/* ---- predecessors that are there ---- */

/*
 * One that no query can use any more, or that another table's queries use.  One
 * that does not work, and never was seen to, is nobody's.
 *
 * What a DROP CONCURRENTLY has left may have been dropped for the sake of any
 * other index, as the plans of its statements said.  A crash has taken what was
 * noted of that.
 */
static void
take_present(GuardEvidence *evidence, Oid index, const GuardUnder *under)
{
	GuardShape *shape = guard_shape_read(index);
	bool		served = shape != NULL && serves(evidence, shape);
	GuardObject *object;
	bool		worked;
	GuardPastUse use;

	if (shape == NULL || (shape->valid && !served))
		return;
	object = shape->valid ? NULL : guard_identity_of(index);
	worked = shape->valid || (object != NULL && object->index == index);
	if (!guard_gone_read(shape, NULL, evidence->server, under,
						 evidence->asked.passes_on, &use))
		return;
	if (served && (worked || has_use(&use)))
		inherit(evidence, &use, index, shape, shape->schema, shape->name,
				evidence->as_of);
	else if (!served && worked && object->first_seen < guard_departed_since())
	{
		add_unknown(evidence, "it may serve in place of index %s, which does not work any more since before a crash",
					shape->schema, shape->name);
		stands_for_one_of(evidence, 0);
	}
}

/*
 * One that is there and works, on a column that has passed on its name.
 */
static void
take_by_columns(GuardEvidence *evidence, Oid index)
{
	const GuardUnder any_name = {0};
	GuardShape *shape = guard_shape_read(index);
	GuardPastUse use;

	foreach_ptr(GuardShape, asked, shape == NULL ? NIL :
				guard_moved_shapes(shape, 0, evidence->asked.passes_on))
	{
		if (!serves(evidence, asked) ||
			!guard_gone_read(shape, NULL, evidence->server, &any_name, false, &use) ||
			!has_use(&use))
			continue;
		inherit(evidence, &use, index, asked, shape->schema, shape->name, evidence->as_of);
		return;
	}
}

/*
 * The indexes of the table itself that do not work, or all of those of one that
 * has lost its name, and what they were used for under that.
 */
static void
take_indexes(GuardEvidence *evidence, Oid table, const GuardUnder *under)
{
	List	   *indexes = guard_catalog_indexes(table);
	bool		columns = guard_moved_any_columns(table);

	foreach_oid(index, indexes)
	{
		if (index != evidence->index &&
			(table != evidence->shape->table || !guard_catalog_is_valid(index) ||
			 guard_hide_is_hidden(index)))
			take_present(evidence, index, under);
		else if (columns && index != evidence->index)
			take_by_columns(evidence, index);
	}
	list_free(indexes);
}

/* ---- predecessors that are gone ---- */

/*
 * Does this speak of an index that is not gone?  An OID may have come back for
 * another one.
 */
static bool
is_present(const GuardDeparted *departed)
{
	return IndexGetRelation(departed->index, true) == departed->table;
}

/*
 * The shape of an index of that table, if the one asked about serves it.
 */
static GuardShape *
served_shape(const GuardEvidence *evidence, const char *text, Oid table,
			 TimestampTz used)
{
	GuardShape *shape = text == NULL ? NULL :
		guard_shape_from_text(text, evidence->shape->table);
	GuardAnswer answer = {.table = evidence->shape->table, .view = evidence->shape->table};
	GuardShape *rest;

	if (shape == NULL)
		return NULL;
	shape->table = table;
	if (serves(evidence, shape))
		return shape;

	/* its columns may have been renamed since, or before it went */
	if (table != evidence->shape->table)
		return NULL;
	foreach_ptr(GuardShape, asked, guard_moved_shapes(shape, used,
													  evidence->asked.passes_on))
	{
		asked->table = table;
		if (serves(evidence, asked))
			return asked;
	}
	if (guard_shape_text_renew(shape) && serves(evidence, shape))
		return shape;

	/* nor may all of them be there */
	return guard_shape_translate(shape, &answer, &rest) == GUARD_TRANSLATED &&
		serves(evidence, rest) ? rest : NULL;
}

/*
 * The same of indexes that took over its statements, as their plans said.
 */
static GuardShape *
served_by_plan(const GuardEvidence *evidence, const GuardDeparted *departed)
{
	char	   *texts = departed->by_plan != NULL ? pstrdup(departed->by_plan) : NULL;
	char	   *rest = NULL;

	for (char *text = texts == NULL ? NULL : strtok_r(texts, GUARD_GONE_NEXT, &rest);
		 text != NULL; text = strtok_r(NULL, GUARD_GONE_NEXT, &rest))
	{
		GuardShape *shape = served_shape(evidence, text, departed->table,
										 departed->at);

		if (shape != NULL)
			return shape;
	}
	return NULL;
}

/*
 * It was to go CONCURRENTLY for the sake of an index that serves its statements,
 * as their plans said, and is there, but does not work.
 */
static void
take_half_gone(GuardEvidence *evidence, const GuardDeparted *departed)
{
	GuardShape *shape = served_by_plan(evidence, departed);
	GuardShape *own = shape != NULL ? guard_shape_read(departed->index) : NULL;
	GuardPastUse use;

	if (own != NULL && (!own->valid || guard_hide_is_hidden(own->index)) &&
		!serves(evidence, own) &&
		guard_gone_read(own, NULL, evidence->server, NULL, false, &use))
		inherit(evidence, &use, own->index, shape, own->schema, own->name,
				departed->at);
}

static void
take_gone(GuardEvidence *evidence, const GuardDeparted *departed,
		  const GuardPastUse *known, TimestampTz at)
{
	GuardShape *shape;
	GuardPastUse use;

	if (departed->index == evidence->index)
		return;
	if (is_present(departed))
	{
		take_half_gone(evidence, departed);
		return;
	}
	shape = served_shape(evidence, departed->shape, departed->table,
						 known != NULL ? known->dated.last : 0);
	if (shape == NULL)
		shape = served_by_plan(evidence, departed);
	if (shape == NULL)
		return;
	if (known != NULL)
		use = *known;
	else if (!guard_gone_read(guard_shape_copy(shape), departed,
							  evidence->server, NULL, false, &use))
		return;

	/* without a date: at the latest when it went, which may be long ago */
	if (evidence->as_of - departed->at >= (int64) guard_guc_lookback * USECS_PER_SEC)
		use.undated.last = departed->at;
	inherit(evidence, &use, departed->index, shape, NameStr(departed->schema),
			NameStr(departed->name), at);
}

/*
 * Has a snapshot written this down?  At 0: whenever it went.
 */
static bool
is_written(List *rows, Oid index, TimestampTz at)
{
	foreach_ptr(const GuardGoneRow, row, rows)
	{
		if (row->departed.index == index && (at == 0 || row->departed.at == at))
			return true;
	}
	return false;
}

/*
 * One that was used under a name which the table bore until then (0: it does) and
 * that another table had before: from when on does its use count for this one?
 * A table's moves end only what was used before them.
 */
static bool
counts_from(const GuardEvidence *evidence, const GuardDeparted *departed,
			TimestampTz until, TimestampTz *from)
{
	*from = until != 0 ? until : evidence->as_of;
	if (departed->table != evidence->shape->table)
		return until == 0 || departed->at <= until;
	*from = departed->at;
	return until == 0;
}

/*
 * Find all of these that went for its sake, as plans said: what those had taken
 * over is its own as well, whatever the shapes.
 */
static void
stand_for(GuardEvidence *evidence, List *all)
{
	int			known;

	do
	{
		known = list_length(evidence->stands_for);
		foreach_ptr(const GuardDeparted, departed, all)
		{
			GuardShape *shape = departed->by_plan == NULL || is_present(departed) ||
				served_by_plan(evidence, departed) == NULL ? NULL :
				guard_shape_from_text(departed->shape, departed->table);

			if (shape != NULL && !serves(evidence, shape))
				evidence->stands_for = lappend(evidence->stands_for, shape);
		}
	} while (list_length(evidence->stands_for) > known);
}

/*
 * What is gone of a table, and of others under this name: written down, noted, or
 * neither, where a crash came before the next snapshot.
 */
static void
take_all_gone(GuardEvidence *evidence, Oid table, const char *schema, const char *name,
			  TimestampTz until)
{
	List	   *rows = guard_gone_rows(table, schema, name);
	List	   *noted = guard_departed_of(table, schema, name);
	List	   *all = list_copy(noted);
	TimestampTz from;

	foreach_ptr(GuardGoneRow, row, rows)
		all = lappend(all, &row->departed);
	stand_for(evidence, all);
	foreach_ptr(GuardDeparted, departed, all)
	{
		if (departed->table == evidence->shape->table)
			evidence->gone = lappend(evidence->gone, departed);
	}
	foreach_ptr(const GuardGoneRow, row, rows)
	{
		if (counts_from(evidence, &row->departed, until, &from))
			take_gone(evidence, &row->departed, &row->use, from);
	}
	foreach_ptr(const GuardDeparted, departed, noted)
	{
		if (!is_written(rows, departed->index, departed->at) &&
			counts_from(evidence, departed, until, &from))
			take_gone(evidence, departed, NULL, from);
	}
	foreach_ptr(const GuardDeparted, departed, guard_gone_unnoted(table, schema, name))
	{
		if (!is_written(rows, departed->index, 0) &&
			counts_from(evidence, departed, until, &from))
			take_gone(evidence, departed, NULL, from);
	}
}

/*
 * What the indexes of other tables were used for when this name, or a view of that
 * name, led there.
 */
static void
take_under(GuardEvidence *evidence, List *tables, Oid view, const char *schema,
		   const char *name)
{
	GuardUnder	under = {view, psprintf("%s.%s", schema, name)};

	foreach_oid(other, list_delete_oid(tables, evidence->shape->table))
		take_indexes(evidence, other, &under);
}

/*
 * All that was used under this name, which the table bears, or what it is a
 * partition of, or a view that leads to it.
 */
static void
take_named(GuardEvidence *evidence, const char *schema, const char *name, Oid view)
{
	Oid			table = evidence->shape->table;
	List	   *unseen;
	List	   *others = guard_moved_from(schema, name, OidIsValid(view), &unseen);

	take_all_gone(evidence, OidIsValid(view) ? InvalidOid : table, schema, name, 0);
	take_under(evidence, others, view, schema, name);
	foreach_oid(other, list_delete_oid(unseen, table))
		take_indexes(evidence, other, NULL);
}

/*
 * A table and what it is a partition or, first, a child of, or, with "before", was
 * before this transaction; then NIL where nothing has changed.
 */
static List *
lineage_of(Oid table, bool before)
{
	List	   *upwards = NIL;

	if (before && (!guard_before_any() || guard_before_relation(table) == NULL))
		return NIL;
	while (OidIsValid(table))
	{
		List	   *parents = before ? guard_before_parents(table) : guard_catalog_parents(table);

		upwards = lappend_oid(upwards, table);
		table = parents != NIL ? linitial_oid(parents) : InvalidOid;
	}
	return upwards;
}

/*
 * All that was used, below what has or had the name, in the place of the last of the lineage;
 * in any where this is not partitioned and has taken the name.
 */
static void
take_place(GuardEvidence *evidence, const char *schema, const char *name, List *lineage,
		   bool before)
{
	List	   *all = list_length(lineage) > 1 ?
		guard_moved_left(schema, name, lineage, before) :
		guard_moved_left_before(schema, name, linitial_oid(lineage), before);

	foreach_oid(left, all)
	{
		take_indexes(evidence, left, NULL);
		take_all_gone(evidence, left, "", "", 0);
	}
}

/*
 * All that was used under the names of this lineage, which leads upwards, or, with
 * "only_places" and of what no partition has, in the places below them.
 */
static void
take_lineage(GuardEvidence *evidence, List *upwards, bool before, bool only_places)
{
	List	   *lineage = NIL;

	foreach_oid(table, upwards)
	{
		GuardBefore *was = before ? guard_before_relation(table) : NULL;
		char	   *schema = was != NULL ? was->schema :
			get_namespace_name(get_rel_namespace(table));
		char	   *name = was != NULL ? was->name : get_rel_name(table);

		lineage = lcons_oid(table, lineage);
		if (!only_places)
			take_named(evidence, schema, name, InvalidOid);
		if (!only_places && list_length(lineage) == 1 &&
			get_rel_relkind(table) == RELKIND_RELATION)
			take_place(evidence, schema, name, lineage, before);
		only_places |= was != NULL ? was->bound == NULL : !get_rel_relispartition(table);
		if (list_length(lineage) == 1)
			continue;
		take_place(evidence, schema, name, lineage, before);
		foreach_ptr(GuardFormerName, former, guard_moved_former_names(table))
			take_place(evidence, former->schema, former->name, lineage, before);
	}
}

/*
 * Who comes by a view asks for what the view calls its columns.
 */
static void
stand_for_view(GuardEvidence *evidence, Oid view, bool before)
{
	GuardShape *shape = guard_shape_copy(evidence->shape);
	GuardAnswer answer = {0};
	int			n;
	char	  **called = before && guard_before_relation(view) != NULL ?
		guard_before_columns(view, &n) : guard_catalog_columns(view, &n);
	char	   *names[MaxHeapAttributeNumber] = {0};

	if (!guard_bearers_look_through(&answer, view, !before) || answer.table != shape->table)
		return;
	for (int i = 0; i < Min(n, answer.nshown); i++)
	{
		if (answer.shown[i] > 0)
			names[answer.shown[i] - 1] = called[i];
	}
	if (guard_shape_call(shape, names, lengthof(names)))
		evidence->stands_for = lappend(evidence->stands_for, shape);
}

/*
 * All that was used by views that lead to one of these tables, and led to another
 * one then.
 */
static void
take_by_views(GuardEvidence *evidence, List *tables)
{
	bool		before = evidence->asked.passes_on && guard_before_any();

	foreach_oid(table, tables)
	{
		foreach_oid(view, guard_bearers_views(table, before))
		{
			GuardBefore *was = before ? guard_before_relation(view) : NULL;
			int			known = list_length(evidence->facts);
			List	   *stands_for = list_copy(evidence->stands_for);
			char	   *schema = was != NULL ? was->schema :
				get_namespace_name(get_rel_namespace(view));
			char	   *name = was != NULL ? was->name : get_rel_name(view);
			List	   *unseen;

			stand_for_view(evidence, view, before);
			take_named(evidence, schema, name, view);
			take_under(evidence, guard_moved_from(schema, name, false, &unseen),
					   InvalidOid, schema, name);
			evidence->stands_for = stands_for;
			for (int i = known; i < list_length(evidence->facts); i++)
			{
				GuardFact  *fact = list_nth(evidence->facts, i);
				GuardNames *names = palloc0(sizeof(GuardNames));

				names->views[0] = view;
				names->by_view[0] = Max(fact->last, fact->inherited_at);
				fact->names = names;
			}
		}
	}
}

/*
 * Its columns had other names before this transaction: what was used by these is
 * its own.
 */
static void
stand_for_itself(GuardEvidence *evidence)
{
	GuardShape *shape = guard_shape_copy(evidence->shape);
	int			n;
	char	  **names = guard_before_columns(shape->table, &n);

	if (guard_shape_call(shape, names, n))
		evidence->stands_for = lappend(evidence->stands_for, shape);
}

/*
 * Not to know whether an idle index is a hot one's heir is not to be able to
 * judge: it is an error when that cannot be read.
 *
 * Where it is asked what becomes of the traffic of a table that has passed on its
 * name, its names are those which it had.
 */
void
guard_predecessors_collect(GuardEvidence *evidence)
{
	const GuardShape *shape = evidence->shape;
	List	   *lineage = lineage_of(shape->table, false);
	List	   *before = lineage_of(shape->table, true);
	bool		passed = evidence->asked.passes_on && before != NIL;
	int			named;

	if (passed && guard_before_relation(evidence->index) != NULL)
		stand_for_itself(evidence);
	take_lineage(evidence, passed ? before : lineage, passed, false);
	take_by_views(evidence, passed ? before : lineage);
	if (!passed && !equal(before, lineage))
		take_lineage(evidence, before, true, true);
	named = list_length(evidence->facts);
	foreach_ptr(GuardFormerName, former, guard_moved_former_names(shape->table))
		take_all_gone(evidence, shape->table, former->schema, former->name, former->until);
	for (int i = named; i < list_length(evidence->facts); i++)
		((GuardFact *) list_nth(evidence->facts, i))->former_name = true;
	take_indexes(evidence, shape->table, NULL);
}

/*
 * Where what was known of an index could not be kept, any of its table may have
 * taken its place: that no use was seen says nothing of the time before.
 */
void
guard_predecessors_limit(GuardEvidence *evidence)
{
	TimestampTz lost = guard_departed_lost(evidence->shape->table);

	if (lost == 0)
		return;
	stands_for_one_of(evidence, lost - 1);
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->seen != GUARD_SEEN_NOT || fact->since >= lost)
			continue;
		fact->since = lost;
		fact->note = psprintf("what was known of an index that served before could not be kept on %s",
							  timestamptz_to_str(lost));
	}
}

/* ---- what takes its place ---- */

/*
 * What there serves in place of one that has this shape?  "lacking" is the shape
 * in which the answer lacks it, NULL where nobody can ask it for that.
 */
static bool
find_one(const GuardEvidence *evidence, const GuardShape *shape,
		 const GuardAnswer *answer, GuardFellows *fellows, bool need_unique,
		 GuardReplacement *result, GuardShape **lacking)
{
	GuardShape *asked = NULL;

	memset(result, 0, sizeof(*result));
	if (answer->of == InvalidOid && answer->table == shape->table)
	{
		*lacking = guard_shape_copy(shape);
		guard_replacement_find(shape, shape->table, fellows, need_unique, result);
		return result->match != GUARD_MATCH_NONE && result->usable;
	}
	if (guard_shape_translate(shape, answer, &asked) == GUARD_TRANSLATED)
	{
		/* one that stays may answer for itself */
		if (evidence->asked.passes_on)
			asked->index = InvalidOid;
		guard_replacement_find(asked, answer->table, fellows, need_unique, result);
	}
	*lacking = asked;
	return result->match != GUARD_MATCH_NONE && result->usable;
}

/*
 * What takes the place of the index in the eyes of those who used one that it
 * has taken over; only where nobody has used the index itself.
 */
static bool
find_for_inherited(const GuardEvidence *evidence, const GuardAnswer *answer,
				   GuardFellows *fellows, bool need_unique,
				   GuardReplacement *result, GuardShape **lacking)
{
	bool		found = false;

	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		GuardReplacement replacement;

		if (fact->seen != GUARD_SEEN_USED || fact->of_table || fact->way != GUARD_WAY_READ || fact->moved_away)
			continue;
		if (fact->shape == NULL)
			return false;
		if (!find_one(evidence, fact->shape, answer, fellows, need_unique,
					  &replacement, lacking))
			return false;
		if (!found)
			*result = replacement;
		found = true;
	}

	/* What is registered for the index itself is another matter. */
	result->match = found ? GUARD_MATCH_SERVES : result->match;
	return found;
}

bool
guard_predecessors_find_replacement(const GuardEvidence *evidence,
									const GuardAnswer *answer,
									GuardFellows *fellows, bool need_unique,
									GuardReplacement *result, GuardShape **lacking)
{
	GuardReplacement narrower;
	GuardShape *lacks_narrower;

	if (find_one(evidence, evidence->shape, answer, fellows, need_unique, result,
				 lacking))
		return true;
	if (find_for_inherited(evidence, answer, fellows, need_unique, &narrower,
						   &lacks_narrower))
	{
		*result = narrower;
		return true;
	}
	return false;
}
