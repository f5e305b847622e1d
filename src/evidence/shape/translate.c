/*-------------------------------------------------------------------------
 *
 * translate.c
 *	  A shape as it is asked for under names that something else bears now.
 *
 * Traffic writes names.  When another table bears the name of its table, or
 * another column that of its column, what its statements look for is the shape
 * in which each column is the one that bears the name now.  Trees are turned
 * by column number and deparsed anew, so that the one comparison of shapes
 * (match.c) will do.
 *
 * The shape of an index of yet another table, which was used under this name
 * before, has its names as texts only.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attnum.h"

#include "evidence/shape/shape.h"

/* What is being done, and what has come of it so far. */
typedef struct Translation
{
	const GuardAnswer *answer;
	bool		own;			/* the shape is one of the table asked about */
	bool		moved;			/* a column has another number */
	bool		unread;			/* nobody asks for a column any more: the view
								 * did, and not they who come by it */
	GuardTranslated outcome;
} Translation;

/*
 * The column of that name, as it is or was.
 */
static AttrNumber
column_called(const GuardAnswer *answer, const char *name)
{
	if (answer->borne == NULL)
		return get_attnum(answer->view, name);
	for (int i = 0; i < answer->nborne; i++)
	{
		if (answer->borne[i] != NULL && strcmp(answer->borne[i], name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

/*
 * The column that answers for the one which is written like this, "by_view": by the
 * view itself.
 */
static AttrNumber
answering(Translation *work, const char *written, bool by_view)
{
	const GuardAnswer *answer = work->answer;
	AttrNumber	column = written == NULL ? InvalidAttrNumber :
		by_view ? get_attnum(answer->table, written) : column_called(answer, written);

	if (by_view && (column <= 0 || !bms_is_member(column, answer->read)))
	{
		work->unread = true;
		return InvalidAttrNumber;
	}
	if (column <= 0)
	{
		work->outcome = GUARD_TRANSLATED_NOT_BORNE;
		return InvalidAttrNumber;
	}
	if (answer->view == answer->table || by_view)
		return column;
	column = column <= answer->nshown ? answer->shown[column - 1] : InvalidAttrNumber;
	if (column <= 0 && work->outcome == GUARD_TRANSLATED)
		work->outcome = GUARD_TRANSLATED_UNKNOWN;
	return column;
}

/*
 * Which column of the table asked about has this name there?
 */
static AttrNumber
number_of(const GuardAnswer *answer, const char *name)
{
	for (int i = 0; i < answer->nwritten && answer->names != NULL; i++)
	{
		if (answer->names[i] != NULL && strcmp(answer->names[i], name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

/*
 * The same for a column of the table asked about, by number; for another's
 * index by the name that it has there.
 */
static AttrNumber
answering_for(Translation *work, AttrNumber column, const char *name)
{
	const GuardAnswer *answer = work->answer;
	bool		own = work->own && column > 0;
	AttrNumber	asked = own ? column : number_of(answer, name);
	AttrNumber	now;

	if (!own && answer->names == NULL)
		now = answering(work, name, false);
	else
		now = answering(work, asked > 0 && asked <= answer->nwritten ? answer->written[asked - 1] : NULL,
						bms_is_member(asked, answer->hidden));
	work->moved |= now != column;
	return now;
}

static Node *
turn(Node *node, Translation *work)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = copyObject((Var *) node);

		var->varattno = var->varattno > 0 ?
			answering_for(work, var->varattno, NULL) : InvalidAttrNumber;

		/* by which it is deparsed */
		var->varnosyn = var->varno;
		var->varattnosyn = var->varattno;
		if (var->varattno <= 0 && !work->unread && work->outcome == GUARD_TRANSLATED)
			work->outcome = GUARD_TRANSLATED_UNKNOWN;
		return (Node *) var;
	}
	return expression_tree_mutator(node, turn, work);
}

static void
translate_key(Translation *work, GuardShapeKey *key)
{
	if (key->attnum != 0)
	{
		key->attnum = answering_for(work, key->attnum, key->column);
		key->column = key->attnum > 0 ?
			get_attname(work->answer->table, key->attnum, true) : key->column;
	}
	else if (work->own)
		key->expression = turn(key->expression, work);
}

/*
 * Conditions which nobody makes any more are not asked for.
 */
static void
translate_predicate(Translation *work, GuardShape *shape)
{
	List	   *conditions = NIL;

	foreach_ptr(Node, condition, shape->predicate)
	{
		Node	   *turned = turn(condition, work);

		if (!work->unread)
			conditions = lappend(conditions, turned);
		work->unread = false;
	}
	if (conditions == NIL && shape->predicate != NIL)
	{
		shape->has_predicate = false;
		shape->predicate_text = NULL;
	}
	shape->predicate = conditions;
}

/*
 * Statements that name a column which nobody bears any more fail; the others ask
 * for what comes before it in the index.
 */
static void
translate_keys(Translation *work, GuardShape *shape)
{
	for (int i = 0; i < shape->nkeys; i++)
	{
		translate_key(work, &shape->keys[i]);
		if (work->unread)
			work->outcome = i == 0 || shape->exclusion ? GUARD_TRANSLATED_UNKNOWN :
				GUARD_TRANSLATED_NOT_BORNE;
		work->unread = false;
		if (i == 0 && work->outcome != GUARD_TRANSLATED)
			return;
		if (work->outcome != GUARD_TRANSLATED_NOT_BORNE || shape->exclusion)
			continue;
		work->outcome = GUARD_TRANSLATED;
		work->moved = true;
		shape->nkeys = i;
		shape->unique = false;
	}
}

static void
translate_included(Translation *work, GuardShape *shape)
{
	List	   *names = NIL;
	int			i = 0;

	foreach_ptr(char, name, shape->included)
	{
		AttrNumber	column = shape->included_columns == NIL ? InvalidAttrNumber :
			list_nth_int(shape->included_columns, i);

		i++;
		column = answering_for(work, column, name);
		if (work->unread || work->outcome == GUARD_TRANSLATED_NOT_BORNE)
		{
			work->unread = false;
			work->outcome = GUARD_TRANSLATED;
			continue;
		}
		names = lappend(names, column > 0 ?
						get_attname(work->answer->table, column, true) : name);
	}
	shape->included = names;
	shape->included_columns = NIL;
}

static bool
equal_names(List *a, List *b)
{
	ListCell   *la;
	ListCell   *lb;

	forboth(la, a, lb, b)
	{
		if (strcmp(lfirst(la), lfirst(lb)) != 0)
			return false;
	}
	return list_length(a) == list_length(b);
}

static bool
has_tree(const GuardShape *shape)
{
	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i].expression != NULL)
			return true;
	}
	return shape->predicate != NIL;
}

/*
 * A tree that cannot be deparsed is compared as a tree.
 */
static void
renew_texts(GuardShape *shape)
{
	if (!has_tree(shape) || guard_shape_text_renew(shape))
		return;
	for (int i = 0; i < shape->nkeys; i++)
		shape->keys[i].expression_text = NULL;
	shape->predicate_text = NULL;
}

GuardTranslated
guard_shape_translate(const GuardShape *shape, const GuardAnswer *answer,
					  GuardShape **result)
{
	GuardShape *copy = guard_shape_copy(shape);
	Translation work = {.answer = answer, .own = shape->table == answer->of};

	translate_keys(&work, copy);
	if (work.outcome == GUARD_TRANSLATED)
		translate_included(&work, copy);
	if (work.own)
		translate_predicate(&work, copy);
	if (work.outcome != GUARD_TRANSLATED)
		return work.outcome;

	copy->table = work.own || shape->table == answer->table ? answer->table : InvalidOid;
	copy->table_name = get_rel_name(answer->table);
	copy->schema = get_namespace_name(get_rel_namespace(answer->table));
	if (work.own && (work.moved || answer->table != shape->table))
		renew_texts(copy);
	*result = copy;
	return GUARD_TRANSLATED;
}

bool
guard_shape_call(GuardShape *shape, char **names, int nnames)
{
	bool		changed = false;
	int			n = 0;
	List	   *included = NIL;

	for (int i = 0; i < shape->nkeys; i++)
	{
		AttrNumber	column = shape->keys[i].attnum;

		if (column <= 0 || column > nnames || names[column - 1] == NULL ||
			strcmp(names[column - 1], shape->keys[i].column) == 0)
			continue;
		shape->keys[i].column = names[column - 1];
		changed = true;
	}
	foreach_ptr(char, name, shape->included)
	{
		int			column = n < list_length(shape->included_columns) ?
			list_nth_int(shape->included_columns, n) : 0;

		n++;
		included = lappend(included, column > 0 && column <= nnames && names[column - 1] != NULL ?
						   names[column - 1] : name);
	}
	changed |= !equal_names(shape->included, included);
	shape->included = included;
	return changed;
}

bool
guard_shape_would_serve(const GuardShape *gone, const GuardShape *other,
						bool need_unique)
{
	GuardShape *asked = guard_shape_copy(gone);

	if (other->nkeys < gone->nkeys || other->has_predicate != gone->has_predicate)
		return false;
	for (int i = 0; i < asked->nkeys; i++)
	{
		asked->keys[i].attnum = other->keys[i].attnum;
		asked->keys[i].column = other->keys[i].column;
		asked->keys[i].expression = other->keys[i].expression;
		asked->keys[i].expression_text = other->keys[i].expression_text;
	}
	asked->predicate = other->predicate;
	asked->predicate_text = other->predicate_text;
	asked->included = other->included;
	return guard_shape_match(asked, other, need_unique) != GUARD_MATCH_NONE;
}
