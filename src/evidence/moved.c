/*-------------------------------------------------------------------------
 *
 * moved.c
 *	  Tables that were moved out of the way: renamed, moved to another schema,
 *	  detached.
 *
 * Build-and-swap jobs rename the busy table away, put its successor in place
 * and drop the old one.  Its use was the use of a name, and the name has
 * passed on.  So guard notes every such move, and what was seen before it
 * stops speaking for the table and its indexes when
 *
 *	(a) another table bears the old name, and serves this use with an index of
 *		its own,
 *	(b) it was a partition or inheritance child until then, or
 *	(c) the quiet period has passed without use.
 *
 * Otherwise rename-then-drop is judged as if nothing had been renamed: it is
 * no way round the guard.  Counters that bear no date are told apart by the
 * scan counts noted at the move.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgroids.h"

#include "evidence/bearers.h"
#include "evidence/gone.h"
#include "store/store.h"

/* guard.moved_table */
#define MOVED_TABLE_OID		1
#define MOVED_OLD_SCHEMA	2
#define MOVED_OLD_NAME		3
#define MOVED_AT			4
#define MOVED_HOW			5
#define MOVED_RELATIONS		6
#define MOVED_SCANS			7
#define MOVED_OLD_KEY		8
#define MOVED_COLUMNS		9
#define MOVED_BESIDE		10

/* guard.moved_table.how */
#define HOW_RENAMED		'r'		/* or its schema, or moved to another */
#define HOW_DETACHED	'd'
#define HOW_ATTACHED	'a'
#define HOW_COLUMNS		'c'		/* these were */
#define HOW_UNSEEN		'u'		/* renamed, at some time before that */
#define HOW_LEFT		'l'		/* a place below what has that name; columns:
								 * which (places.c) */
#define HOW_RETAINED	'p'		/* the same, but it is still below that table,
								 * which has lost the name */
#define HOW_VIEW		'v'		/* a view of that name led to it */

struct GuardPendingMove
{
	Oid			table;
	char	   *old_schema;
	char	   *old_name;
	char		how;
	List	   *columns;		/* of char *: their names, "" for none */
	List	   *beside;			/* of a place: OIDs of what else was there and
								 * may not tell its rows from those */
};

/* A row of guard.moved_table. */
typedef struct NotedMove
{
	TimestampTz at;
	char	   *old_schema;
	char	   *old_name;
	char		how;
	ArrayType  *relations;
	ArrayType  *scans;
	bool		now;			/* by this transaction */
	bool		along;			/* of what it is a partition of, with it */
	char	  **columns;		/* HOW_COLUMNS: their names before */
	int			ncolumns;
	List	   *place;			/* HOW_LEFT, HOW_RETAINED */
} NotedMove;

/* ---- reading ---- */

static bool
is_of_place(char how)
{
	return how == HOW_LEFT || how == HOW_RETAINED;
}

static Oid
table_by_name(const char *schema, const char *name)
{
	Oid			nsp = get_namespace_oid(schema, true);

	return OidIsValid(nsp) ? get_relname_relid(name, nsp) : InvalidOid;
}

static int
by_time(const ListCell *a, const ListCell *b)
{
	TimestampTz ta = ((NotedMove *) lfirst(a))->at;
	TimestampTz tb = ((NotedMove *) lfirst(b))->at;

	return ta < tb ? -1 : ta > tb ? 1 : 0;
}

/*
 * The moves of a table, the latest last.
 */
static List *
read_moves(Oid table)
{
	List	   *moves = NIL;
	GuardRows  *rows = guard_rows_by_key("moved_table", "moved_table_table_oid_idx",
										 MOVED_TABLE_OID, P_OID(table));

	while (rows != NULL && guard_rows_next(rows))
	{
		NotedMove  *move = palloc0(sizeof(NotedMove));
		List	   *columns;
		bool		isnull;

		move->at = guard_rows_time(rows, MOVED_AT);
		move->old_schema = guard_rows_text(rows, MOVED_OLD_SCHEMA);
		move->old_name = guard_rows_text(rows, MOVED_OLD_NAME);
		move->how = *guard_rows_text(rows, MOVED_HOW);
		move->relations = DatumGetArrayTypePCopy(heap_getattr(rows->tuple, MOVED_RELATIONS,
															  rows->desc, &isnull));
		move->scans = DatumGetArrayTypePCopy(heap_getattr(rows->tuple, MOVED_SCANS,
														  rows->desc, &isnull));
		move->now = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(rows->tuple->t_data));
		columns = guard_rows_list(rows, MOVED_COLUMNS);
		if (is_of_place(move->how))
			move->place = guard_places_from(columns);
		move->columns = palloc(sizeof(char *) * (list_length(columns) + 1));
		foreach_ptr(char, name, columns)
			move->columns[move->ncolumns++] = *name != '\0' ? name : NULL;
		moves = lappend(moves, move);
	}
	list_sort(moves, by_time);
	return moves;
}

/*
 * The scans that a relation had when it was moved; 0 when it was not noted.
 */
static int64
scans_at_move(const NotedMove *move, Oid relation)
{
	Datum	   *oids;
	Datum	   *scans;
	int			noids;
	int			nscans;

	deconstruct_array(move->relations, OIDOID, sizeof(Oid), true,
					  TYPALIGN_INT, &oids, NULL, &noids);
	deconstruct_array(move->scans, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &scans, NULL, &nscans);
	for (int i = 0; i < Min(noids, nscans); i++)
	{
		if (DatumGetObjectId(oids[i]) == relation)
			return DatumGetInt64(scans[i]);
	}
	return 0;
}

/*
 * Did this use happen before the move, as far as its source can tell?  An
 * inherited one has been this table's only since it was inherited.
 */
static bool
before_move(const GuardFact *fact, const NotedMove *move,
			const GuardEvidence *evidence)
{
	TimestampTz last = Max(fact->profile != NULL && fact->last == 0 ?
						   fact->profile->imported_at : fact->last,
						   fact->inherited_at);

	if (last != 0 && last <= move->at)
		return true;
	if (fact->source != GUARD_SOURCE_COUNTERS)
		return false;
	return fact->count - scans_at_move(move, fact->of_table ?
									   evidence->shape->table : evidence->index)
		< guard_guc_min_scans;
}

/*
 * Does the name of what the table left lead to it now, on its own?
 */
static bool
stands_for_parent(List *moves, Oid table)
{
	foreach_ptr(const NotedMove, move, moves)
	{
		Oid			bearer = move->how != HOW_LEFT ? InvalidOid :
			table_by_name(move->old_schema, move->old_name);

		if (OidIsValid(bearer) && (bearer == table || guard_bearers_leads(bearer, table)))
			return true;
	}
	return false;
}

/*
 * Was it a partition or child until this DETACH, and for long enough that its
 * use came through the parent?  One that was attached only lately brought its
 * use along, and one that is attached again, or has the parent's name, has not
 * left.
 */
static bool
ended_membership(List *moves, int which, const GuardEvidence *evidence)
{
	const NotedMove *move = list_nth(moves, which);

	if (move->how != HOW_DETACHED || evidence->roles.is_inheritance_child ||
		(evidence->roles.is_partition && !move->along) ||
		stands_for_parent(moves, evidence->shape->table))
		return false;
	for (int i = which - 1; i >= 0; i--)
	{
		const NotedMove *earlier = list_nth(moves, i);

		if (earlier->how == HOW_ATTACHED)
			return move->at - earlier->at >=
				(int64) guard_guc_quiet_period * USECS_PER_SEC;
	}
	return true;
}

/*
 * Its own, or that of what it is below.
 */
static bool
loses_name(const NotedMove *move)
{
	return move->how == HOW_RENAMED || move->how == HOW_RETAINED;
}

/*
 * Has the table, or what it is below, the name that it lost in this move, or it the
 * place, as things are or were before this transaction?
 */
static bool
has_again(const NotedMove *move, Oid table, bool before)
{
	List	   *lineage = NIL;

	while (OidIsValid(table))
	{
		GuardBefore *was = before ? guard_before_relation(table) : NULL;
		List	   *parents = before ? guard_before_parents(table) : guard_catalog_parents(table);

		lineage = lcons_oid(table, lineage);
		if ((move->how == HOW_RENAMED || list_length(lineage) > 1) &&
			(before ? was != NULL && strcmp(was->schema, move->old_schema) == 0 &&
			 strcmp(was->name, move->old_name) == 0 :
			 table_by_name(move->old_schema, move->old_name) == table))
			return move->how == HOW_RENAMED ||
				guard_places_meet(lineage, guard_places_read(lineage, !before), move->place);
		table = parents != NIL ? linitial_oid(parents) : InvalidOid;
	}
	return false;
}

/*
 * Did the table take only after the use the place that it left in this move?
 */
static bool
joined_since(const GuardFact *fact, List *moves, int left, const GuardEvidence *evidence)
{
	for (int i = left - 1; i >= 0; i--)
	{
		const NotedMove *earlier = list_nth(moves, i);

		if (earlier->how == HOW_ATTACHED)
			return before_move(fact, earlier, evidence);
	}
	return false;
}

/*
 * Whoever has been moved several times had several names.  A use was the use
 * of the name that the table bore then, which is the one that it lost in the
 * first move afterwards; -1 when there is none, or that is its name now.
 */
static int
find_move(const GuardFact *fact, List *moves, const GuardEvidence *evidence)
{
	for (int i = 0; i < list_length(moves); i++)
	{
		const NotedMove *move = list_nth(moves, i);

		if (!before_move(fact, move, evidence) ||
			(move->how == HOW_RETAINED && joined_since(fact, moves, i, evidence)))
			continue;
		if (loses_name(move) && has_again(move, evidence->shape->table, false))
			return -1;
		if (loses_name(move) || ended_membership(moves, i, evidence))
			return i;
	}
	return -1;
}

/* An index that was used when the columns of its table had these names. */
typedef struct Former
{
	GuardShape *shape;
	char	  **columns;
	int			ncolumns;
}			Former;

/*
 * The index in these terms.
 */
static Former
as_used(GuardShape *shape, List *moves, TimestampTz used)
{
	Former		former = {.shape = shape};

	foreach_ptr(const NotedMove, move, moves)
	{
		if (move->how != HOW_COLUMNS || move->along || used > move->at)
			continue;
		former.columns = move->columns;
		former.ncolumns = move->ncolumns;
		return former;
	}
	former.columns = guard_catalog_columns(shape->table, &former.ncolumns);
	return former;
}

/*
 * Does the other table serve in place of this index?
 */
static bool
serves(const Former * former, Oid heir, Oid *twin)
{
	GuardAnswer answer = {.of = former->shape->table, .table = heir, .view = heir,
	.written = former->columns, .nwritten = former->ncolumns};
	GuardShape *asked = former->shape;
	GuardReplacement successor;

	if (get_rel_relkind(heir) == RELKIND_VIEW && !guard_bearers_look_through(&answer, heir, true))
		return false;
	(void) guard_shape_translate(former->shape, &answer, &asked);
	guard_replacement_find(asked, answer.table, NULL, false, &successor);
	if (successor.match == GUARD_MATCH_NONE || !successor.usable)
		return false;
	*twin = successor.match == GUARD_MATCH_TWIN ? successor.index : InvalidOid;
	return true;
}

/*
 * Do those below the first of the lineage that may have rows of this place, and are in it or below
 * its last?
 */
static bool
serve_in_place(const Former * former, List *lineage, List *place)
{
	List	   *children = guard_catalog_children(llast_oid(lineage));
	bool		any = false;
	Oid			twin;

	if (children == NIL)
		return serves(former, llast_oid(lineage), &twin);
	foreach_oid(child, children)
	{
		List	   *down = lappend_oid(list_copy(lineage), child);

		if (!guard_places_meet(down, guard_places_read(down, true), place))
			continue;
		if (!serve_in_place(former, down, place))
			return false;
		any = true;
	}
	return any;
}

/*
 * One move in the words of the evidence, for a use of that time.  A DETACH that
 * came later ended what came before this move as well.
 */
static void
describe_move(GuardEvidence *evidence, List *moves, int which, TimestampTz used,
			  GuardMove *result)
{
	const NotedMove *move = list_nth(moves, which);
	Former		former = as_used(evidence->shape, moves, used != 0 ? used : move->at);
	Oid			heir = table_by_name(move->old_schema, move->old_name);

	memset(result, 0, sizeof(*result));
	result->moved = true;
	result->at = move->at;
	result->old_schema = move->old_schema;
	result->old_name = move->old_name;
	for (int i = which; i < list_length(moves); i++)
		result->detached |= ended_membership(moves, i, evidence);
	if (!OidIsValid(heir) || heir == evidence->shape->table ||
		guard_bearers_leads(heir, evidence->shape->table))
		return;

	result->heir_table = psprintf("%s.%s", move->old_schema, move->old_name);
	result->served = serves(&former, heir, &result->twin) ||
		(move->how == HOW_RETAINED && serve_in_place(&former, list_make1_oid(heir), move->place));
}

/* ---- columns ---- */

static bool
same_columns(const GuardShape *a, const GuardShape *b)
{
	for (int i = 0; i < a->nkeys; i++)
	{
		if (a->keys[i].attnum != b->keys[i].attnum ||
			!equal(a->keys[i].expression, b->keys[i].expression))
			return false;
	}
	return equal(a->predicate, b->predicate);
}

/*
 * What was asked of an index of the table by the names that its columns had
 * before the move, as a shape by those which they have now, or had before this
 * transaction; NULL where that is the same index, or where nobody can ask for it
 * any more.
 */
static GuardShape *
asked_before(const NotedMove *move, const GuardShape *shape, bool before)
{
	GuardAnswer answer = {.table = shape->table, .view = shape->table, .of = shape->table,
	.written = move->columns, .nwritten = move->ncolumns};
	GuardShape *asked;

	if (before && guard_before_any() && guard_before_relation(shape->table) != NULL)
		answer.borne = guard_before_columns(shape->table, &answer.nborne);
	if (guard_shape_translate(shape, &answer, &asked) != GUARD_TRANSLATED ||
		same_columns(shape, asked))
		return NULL;
	return asked;
}

/*
 * Was the index used for a column's name that another column bears since, and
 * does another index serve there?  Then its use has passed to that one.
 */
static void
pass_by_columns(GuardFact *fact, List *moves, const GuardEvidence *evidence)
{
	foreach_ptr(const NotedMove, move, moves)
	{
		GuardShape *asked;
		GuardReplacement successor;

		if (move->how != HOW_COLUMNS || !before_move(fact, move, evidence))
			continue;
		asked = asked_before(move, evidence->shape, false);
		if (asked == NULL)
			return;
		guard_replacement_find(asked, asked->table, NULL, false, &successor);
		if (successor.match == GUARD_MATCH_NONE || !successor.usable ||
			successor.index == evidence->index)
			return;
		fact->moved_away = fact->by_column = true;
		fact->moved_now = move->now;
		return;
	}
}

void
guard_moved_call(GuardShape *shape, TimestampTz used)
{
	foreach_ptr(const NotedMove, move, read_moves(shape->table))
	{
		if (move->how != HOW_COLUMNS || used == 0 || used > move->at)
			continue;
		(void) guard_shape_call(shape, move->columns, move->ncolumns);
		return;
	}
}

bool
guard_moved_any_columns(Oid table)
{
	foreach_ptr(const NotedMove, move, read_moves(table))
	{
		if (move->how == HOW_COLUMNS)
			return true;
	}
	return false;
}

List *
guard_moved_former_columns(Oid table)
{
	List	   *all = NIL;

	foreach_ptr(const NotedMove, move, read_moves(table))
	{
		GuardFormerColumns *former;

		if (move->how != HOW_COLUMNS || move->now)
			continue;
		former = palloc(sizeof(GuardFormerColumns));
		former->until = move->at;
		former->names = move->columns;
		former->nnames = move->ncolumns;
		all = lappend(all, former);
	}
	return all;
}

List *
guard_moved_shapes(const GuardShape *shape, TimestampTz used, bool before)
{
	List	   *shapes = NIL;

	foreach_ptr(const NotedMove, move, read_moves(shape->table))
	{
		GuardShape *asked = move->how == HOW_COLUMNS && used <= move->at &&
			!(before && move->now) ?
			asked_before(move, shape, before) : NULL;

		if (asked != NULL)
			shapes = lappend(shapes, asked);
	}
	return shapes;
}

/* ---- names ---- */

/*
 * Was the use that of a name, or place, which the table had lost before this transaction?
 * What is below another table is read by way of that.  The use of another table came
 * with the name that this one took from it.
 */
static bool
of_former_name(const GuardFact *fact, List *moves, const GuardEvidence *evidence)
{
	Oid			table = evidence->shape->table;
	const NotedMove *name = NULL;
	const NotedMove *place = NULL;
	bool		joined = guard_before_parents(table) == NIL;

	if (guard_evidence_of_another(evidence, fact))
		return fact->former_name;
	if (fact->names != NULL && fact->names->own == 0 && fact->names->more == 0)
		return false;			/* it came by views */
	for (int i = 0; i < list_length(moves); i++)
	{
		const NotedMove *move = list_nth(moves, i);

		if (move->now || !before_move(fact, move, evidence))
			continue;
		joined |= move->how == HOW_ATTACHED;
		if (move->how == HOW_RENAMED && name == NULL)
			name = move;
		if (is_of_place(move->how) && place == NULL && !joined_since(fact, moves, i, evidence))
			place = move;
	}
	if (place != NULL)
		return !has_again(place, table, true);
	return joined && name != NULL && !has_again(name, table, true) &&
		!guard_bearers_led(guard_before_named(name->old_schema, name->old_name), table);
}

/*
 * The moves of its table, and of the topmost that this is a partition of now: it
 * went along when that was detached.
 */
static List *
moves_of(const GuardEvidence *evidence)
{
	Oid			table = evidence->shape->table;
	Oid			top = llast_oid(guard_catalog_lineage(table));
	List	   *moves = read_moves(table);

	foreach_ptr(NotedMove, move, top != table ? read_moves(top) : NIL)
	{
		move->along = true;
		if (move->how == HOW_DETACHED || move->how == HOW_ATTACHED)
			moves = lappend(moves, move);
	}
	list_sort(moves, by_time);
	return moves;
}

/*
 * Has the use stopped speaking for the index because of a move?  "named" is the
 * latest of which that is known.
 */
static void
end_by_move(GuardEvidence *evidence, List *moves, GuardFact *fact, int *named)
{
	bool		former = evidence->target != NULL && evidence->target->former;
	int			which;
	GuardMove	move;
	Oid			view;
	bool		quiet;

	if (fact->seen != GUARD_SEEN_USED || fact->by_column)
		return;
	which = find_move(fact, moves, evidence);
	fact->moved_away = evidence->asked.passes_on &&
		of_former_name(fact, moves, evidence) != former;
	if (which < 0)
		return;
	describe_move(evidence, moves, which, fact->last, &move);
	fact->moved_from = psprintf("%s.%s", move.old_schema, move.old_name);
	view = guard_before_named(move.old_schema, move.old_name);
	fact->own_view = guard_bearers_led(view, evidence->shape->table) ? view : InvalidOid;
	if (fact->moved_away || former)
		return;
	quiet = evidence->as_of - move.at >=
		(int64) guard_guc_quiet_period * USECS_PER_SEC;
	fact->moved_away = quiet || move.detached || move.served ||
		(fact->of_table && move.heir_table != NULL);
	for (int i = which; i < list_length(moves); i++)
		fact->moved_now |= fact->moved_away &&
			((const NotedMove *) list_nth(moves, i))->now;
	if (which >= *named)
		evidence->move = move;
	*named = Max(*named, which);
}

/*
 * Mark the facts that stopped speaking for this index because its table was
 * moved out of the way.  Of several moves the evidence names the latest that
 * ended a use, else the latest.
 */
void
guard_moved_collect(GuardEvidence *evidence)
{
	List	   *moves = moves_of(evidence);
	int			named = -1;
	int			last = -1;

	evidence->attached_at = Max(evidence->attached_at,
								guard_departed_lost(evidence->shape->table));
	if (moves == NIL)
		return;
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->seen == GUARD_SEEN_USED && fact->shape == NULL && !fact->of_table)
			pass_by_columns(fact, moves, evidence);
	}
	for (int i = 0; i < list_length(moves); i++)
	{
		const NotedMove *move = list_nth(moves, i);

		if (move->how == HOW_ATTACHED)
			evidence->attached_at = Max(evidence->attached_at, move->at);
		else if (loses_name(move) || move->how == HOW_DETACHED)
			last = i;
	}
	if (last < 0)
		return;
	describe_move(evidence, moves, last, 0, &evidence->move);

	/* who bears that name matters only where it ended a use */
	evidence->move.served = false;
	evidence->move.heir_table = NULL;
	foreach_ptr(GuardFact, fact, evidence->facts)
		end_by_move(evidence, moves, fact, &named);
}

void
guard_moved_collect_reliance(GuardEvidence *evidence)
{
	List	   *moves = NIL;
	int			named = -1;

	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->source != GUARD_SOURCE_WHATIF)
			continue;
		moves = moves_of(evidence);
		end_by_move(evidence, moves, fact, &named);
	}
}

static GuardFormerName *
make_former_name(char *schema, char *name, TimestampTz until)
{
	GuardFormerName *former = palloc(sizeof(GuardFormerName));

	former->until = until;
	former->schema = schema;
	former->name = name;
	return former;
}

/*
 * The names that a table has lost, the latest first: that of a rename which was
 * not written down is the one that it is remembered by.
 */
List *
guard_moved_former_names(Oid table)
{
	GuardObject *object = guard_identity_of(table);
	List	   *moves = read_moves(table);
	List	   *names = NIL;

	if (object != NULL && table_by_name(object->schema, object->table_name) != table)
		names = list_make1(make_former_name(object->schema, object->table_name,
											GetCurrentTimestamp()));
	for (int i = list_length(moves) - 1; i >= 0; i--)
	{
		NotedMove  *move = list_nth(moves, i);

		if (move->how == HOW_RENAMED || move->how == HOW_UNSEEN)
			names = lappend(names, make_former_name(move->old_schema, move->old_name,
													move->at));
	}
	return names;
}

/* A place that a table has left, as all ask who look for their own. */
typedef struct LeftPlace
{
	Oid			table;
	TimestampTz at;
	List	   *place;
	List	   *beside;
} LeftPlace;

/* Those below one name. */
typedef struct LeftPlaces
{
	int64		key;
	List	   *places;
} LeftPlaces;

static List *
read_left(const char *schema, const char *name, int64 key)
{
	GuardRows  *rows = guard_rows_by_key("moved_table", "moved_table_old_key_idx",
										 MOVED_OLD_KEY, P_INT8(key));
	List	   *places = NIL;

	while (rows != NULL && guard_rows_next(rows))
	{
		LeftPlace  *left = palloc(sizeof(LeftPlace));

		if (!is_of_place(*guard_rows_text(rows, MOVED_HOW)) ||
			strcmp(guard_rows_text(rows, MOVED_OLD_SCHEMA), schema) != 0 ||
			strcmp(guard_rows_text(rows, MOVED_OLD_NAME), name) != 0)
			continue;
		left->table = guard_rows_oid(rows, MOVED_TABLE_OID);
		left->at = guard_rows_time(rows, MOVED_AT);
		left->place = guard_places_from(guard_rows_list(rows, MOVED_COLUMNS));
		left->beside = guard_rows_list(rows, MOVED_BESIDE);
		places = lappend(places, left);
	}
	return places;
}

/*
 * They are asked for by each of many partitions: read once for a command.
 */
static List *
left_below(const char *schema, const char *name)
{
	static MemoryContext context = NULL;
	static HTAB *all = NULL;
	static uint64 xact = PG_UINT64_MAX;
	static CommandId command = InvalidCommandId;
	HASHCTL		info = {.keysize = sizeof(int64), .entrysize = sizeof(LeftPlaces)};
	int64		key = guard_departed_key(schema, name);
	LeftPlaces *known;
	bool		found;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "guard places", ALLOCSET_SMALL_SIZES);
	if (xact != guard_xact_number() || command != GetCurrentCommandId(false))
	{
		MemoryContextReset(context);
		info.hcxt = context;
		all = hash_create("guard places", 8, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		xact = guard_xact_number();
		command = GetCurrentCommandId(false);
	}
	known = hash_search(all, &key, HASH_FIND, &found);
	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		List	   *places = read_left(schema, name, key);

		MemoryContextSwitchTo(old);
		known = hash_search(all, &key, HASH_ENTER, &found);
		known->places = places;
	}
	return known->places;
}

List *
guard_moved_left(const char *schema, const char *name, List *lineage, bool before)
{
	List	   *left = left_below(schema, name);
	List	   *tables = NIL;
	List	   *place;
	MemoryContext context;
	MemoryContext old;

	if (left == NIL)
		return NIL;

	/* many may have left, and each of many partitions asks */
	context = AllocSetContextCreate(CurrentMemoryContext, "guard place", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	place = guard_places_read(lineage, !before);
	foreach_ptr(const LeftPlace, each, left)
	{
		/* it may be back */
		if (each->table != llast_oid(lineage) && !list_member_oid(tables, each->table) &&
			!list_member_oid(each->beside, lsecond_oid(lineage)) &&
			guard_places_meet(lineage, place, each->place))
			tables = lappend_oid(tables, each->table);
	}
	MemoryContextSwitchTo(old);
	tables = list_copy(tables);
	MemoryContextDelete(context);
	return tables;
}

List *
guard_moved_left_before(const char *schema, const char *name, Oid table, bool before)
{
	GuardObject *object = guard_identity_of(table);
	TimestampTz since = object != NULL ? object->created_at : 0;
	List	   *tables = NIL;

	foreach_ptr(const NotedMove, move, read_moves(table))
	{
		if (move->how == HOW_RENAMED && !(before && move->now))
			since = Max(since, move->at);
	}
	foreach_ptr(const LeftPlace, left, left_below(schema, name))
	{
		if (left->at <= since && left->table != table)
			tables = list_append_unique_oid(tables, left->table);
	}
	return tables;
}

bool
guard_moved_former_name(Oid table, TimestampTz used, Name schema, Name name)
{
	const GuardFormerName *passed_on = NULL;

	foreach_ptr(const GuardFormerName, former, guard_moved_former_names(table))
	{
		Oid			bearer = table_by_name(former->schema, former->name);

		if (former->until < used || (used == 0 && passed_on != NULL))
			break;
		passed_on = OidIsValid(bearer) && bearer != table ? former : NULL;
	}
	if (passed_on == NULL)
		return false;
	namestrcpy(schema, passed_on->schema);
	namestrcpy(name, passed_on->name);
	return true;
}

List *
guard_moved_from(const char *schema, const char *name, bool view, List **unseen)
{
	GuardRows  *rows = guard_rows_by_key("moved_table", "moved_table_old_key_idx",
										 MOVED_OLD_KEY,
										 P_INT8(guard_departed_key(schema, name)));
	List	   *tables = NIL;

	*unseen = view ? NIL : guard_identity_tables_named(schema, name);
	while (rows != NULL && guard_rows_next(rows))
	{
		char		how = *guard_rows_text(rows, MOVED_HOW);
		Oid			table = guard_rows_oid(rows, MOVED_TABLE_OID);

		if (strcmp(guard_rows_text(rows, MOVED_OLD_SCHEMA), schema) != 0 ||
			strcmp(guard_rows_text(rows, MOVED_OLD_NAME), name) != 0)
			continue;
		if (how == (view ? HOW_VIEW : HOW_RENAMED))
			tables = list_append_unique_oid(tables, table);
		else if (how == HOW_UNSEEN && !view)
			*unseen = list_append_unique_oid(*unseen, table);
	}
	return tables;
}

/* ---- writing ---- */

/*
 * Append a table, by OID, with its present name; NULL: it has none.
 */
static GuardPendingMove *
add_move(List **moves, Oid table, char how)
{
	GuardPendingMove *move = palloc0(sizeof(GuardPendingMove));

	if (!OidIsValid(table))
		return NULL;
	move->table = table;
	move->old_schema = get_namespace_name(get_rel_namespace(table));
	move->old_name = get_rel_name(table);
	move->how = how;
	if (move->old_schema == NULL || move->old_name == NULL)
		return NULL;
	*moves = lappend(*moves, move);
	return move;
}

/*
 * A table, and all that inherits its columns, with their names.
 */
static void
add_columns(List **moves, Oid table)
{
	GuardPendingMove *move = add_move(moves, table, HOW_COLUMNS);
	char	  **names;
	int			n;

	if (move == NULL)
		return;
	names = guard_catalog_columns(table, &n);
	for (int i = 0; i < n; i++)
		move->columns = lappend(move->columns, names[i] != NULL ? names[i] : "");
	foreach_oid(child, guard_catalog_children(table))
		add_columns(moves, child);
}

/*
 * What leads down in a lineage is about to be no place below its first any more, nor is
 * what is below that.  Others may come there.
 */
static void
add_left(List **moves, List *lineage, char how)
{
	Oid			top = linitial_oid(lineage);
	GuardPendingMove *move = add_move(moves, top, how);
	MemoryContext context;
	MemoryContext old;
	List	   *place;
	List	   *texts;
	bool		told;

	if (move == NULL)
		return;
	move->table = llast_oid(lineage);

	/* a table may go with all of its partitions */
	context = AllocSetContextCreate(CurrentMemoryContext, "guard place", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	/* of a table that is going, constraints may have gone before */
	place = guard_places_read(lineage, guard_before_relation(move->table) == NULL);
	texts = guard_places_write(place);
	told = guard_places_are_told(place);
	MemoryContextSwitchTo(old);
	foreach_ptr(const char, text, texts)
		move->columns = lappend(move->columns, pstrdup(text));
	MemoryContextDelete(context);
	if (!told)
		move->beside = guard_before_children(top);
	foreach_oid(child, guard_catalog_children(move->table))
		add_left(moves, lappend_oid(list_copy(lineage), child), how);
}

/*
 * The same of the first of the lineage and all that this is below.
 */
static void
add_left_all(List **moves, List *lineage)
{
	Oid			parent = linitial_oid(lineage);

	add_left(moves, lineage, HOW_LEFT);
	while (OidIsValid(parent = guard_catalog_parent(parent)))
	{
		lineage = lcons_oid(parent, lineage);
		add_left(moves, lineage, HOW_LEFT);
	}
}

/*
 * A table loses its name, and what is below it its places there.
 */
static void
add_renamed(List **moves, Oid table)
{
	add_move(moves, table, HOW_RENAMED);
	foreach_oid(child, OidIsValid(table) ? guard_catalog_children(table) : NIL)
		add_left(moves, list_make2_oid(table, child), HOW_RETAINED);
}

/*
 * ALTER SCHEMA ... RENAME moves all of its tables.
 */
static void
add_schema(List **moves, const char *schema)
{
	Oid			nsp = get_namespace_oid(schema, true);
	GuardRows  *rows = guard_rows_of_catalog(RelationRelationId, InvalidOid);

	while (guard_rows_next(rows))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(rows->tuple);

		if (form->relnamespace == nsp && (form->relhasindex || form->relhassubclass) &&
			(form->relkind == RELKIND_RELATION || form->relkind == RELKIND_PARTITIONED_TABLE ||
			 form->relkind == RELKIND_MATVIEW))
			add_renamed(moves, form->oid);
	}
}

/*
 * DETACH, ATTACH, INHERIT and NO INHERIT: by the first of these names, of the
 * second.
 */
static void
add_membership(List **moves, const RangeVar *child, const RangeVar *parent, bool joins)
{
	Oid			table = RangeVarGetRelid(child, NoLock, true);
	Oid			of = RangeVarGetRelid(parent, NoLock, true);

	add_move(moves, table, joins ? HOW_ATTACHED : HOW_DETACHED);
	if (!joins && OidIsValid(of) && list_member_oid(guard_catalog_parents(table), of))
		add_left_all(moves, list_make2_oid(of, table));
}

static void
add_memberships(List **moves, AlterTableStmt *stmt)
{
	foreach_ptr(AlterTableCmd, cmd, stmt->cmds)
	{
		switch (cmd->subtype)
		{
			case AT_DetachPartition:
			case AT_DetachPartitionFinalize:
			case AT_AttachPartition:
				add_membership(moves, ((PartitionCmd *) cmd->def)->name, stmt->relation,
							   cmd->subtype == AT_AttachPartition);
				break;
			case AT_DropInherit:
			case AT_AddInherit:
				add_membership(moves, stmt->relation, (RangeVar *) cmd->def,
							   cmd->subtype == AT_AddInherit);
				break;
			default:
				break;
		}
	}
}

/*
 * A table is about to go, and has places below all that it is a partition or child of.
 */
List *
guard_moved_dropped(Oid table)
{
	List	   *moves = NIL;

	if (OidIsValid(guard_catalog_parent(table)))
		add_left_all(&moves, list_make2_oid(guard_catalog_parent(table), table));
	return moves;
}

/*
 * Is the statement about to move tables?  Then what they are called now, as a
 * list of GuardPendingMove * in the current memory context.
 */
List *
guard_moved_prepare(Node *parsetree)
{
	List	   *moves = NIL;

	if (IsA(parsetree, RenameStmt))
	{
		RenameStmt *stmt = (RenameStmt *) parsetree;

		if (stmt->renameType == OBJECT_SCHEMA)
			add_schema(&moves, stmt->subname);
		else if (stmt->renameType == OBJECT_COLUMN)
			add_columns(&moves, RangeVarGetRelid(stmt->relation, NoLock, true));
		else if (stmt->renameType == OBJECT_TABLE ||
				 stmt->renameType == OBJECT_MATVIEW)
			add_renamed(&moves, RangeVarGetRelid(stmt->relation, NoLock, true));
	}
	else if (IsA(parsetree, AlterObjectSchemaStmt))
	{
		AlterObjectSchemaStmt *stmt = (AlterObjectSchemaStmt *) parsetree;

		if (stmt->objectType == OBJECT_TABLE ||
			stmt->objectType == OBJECT_MATVIEW)
			add_renamed(&moves, RangeVarGetRelid(stmt->relation, NoLock, true));
	}
	else if (IsA(parsetree, AlterTableStmt))
		add_memberships(&moves, (AlterTableStmt *) parsetree);
	return moves;
}

/*
 * Views that led to a table, and lead there no more.
 */
List *
guard_moved_by_views(List *views)
{
	List	   *moves = NIL;

	foreach_ptr(const GuardLostView, lost, guard_bearers_lost_views(views))
	{
		GuardPendingMove *move = palloc0(sizeof(GuardPendingMove));
		bool		noted = false;

		foreach_ptr(const NotedMove, earlier, read_moves(lost->table))
			noted |= earlier->how == HOW_VIEW && earlier->now &&
			strcmp(earlier->old_schema, lost->schema) == 0 &&
			strcmp(earlier->old_name, lost->name) == 0;
		if (noted)
			continue;
		move->table = lost->table;
		move->old_schema = lost->schema;
		move->old_name = lost->name;
		move->how = HOW_VIEW;
		moves = lappend(moves, move);
	}
	return moves;
}

/*
 * Has the statement, which is done, given the table another name or parent, or dropped it?
 */
static bool
is_moved(const GuardPendingMove *move)
{
	char	   *schema = get_namespace_name(get_rel_namespace(move->table));
	char	   *name = get_rel_name(move->table);

	return is_of_place(move->how) || move->how == HOW_VIEW ||
		(schema != NULL && name != NULL &&
		 (move->how != HOW_RENAMED || strcmp(schema, move->old_schema) != 0 ||
		  strcmp(name, move->old_name) != 0));
}

/*
 * An array as SQL writes it; "{}" is none.
 */
static GuardParam
written(GuardParam array)
{
	return P_TEXT(OidOutputFunctionCall(F_ARRAY_OUT, array.value));
}

/*
 * With the scan counts of the tables and their indexes, for counters without a date.
 */
static void
write_moves(List *moves)
{
	GuardBatch *batch = guard_batch_make();

	foreach_ptr(const GuardPendingMove, move, moves)
		guard_batch_add(batch, P_OID(move->table), P_NAME(move->old_schema),
						P_NAME(move->old_name), guard_param(CHAROID, CharGetDatum(move->how), false),
						P_INT8(guard_departed_key(move->old_schema, move->old_name)),
						written(P_TEXTS(move->columns)), written(P_OIDS(move->beside)));
	guard_batch_execute(batch, "INSERT INTO guard.moved_table SELECT m.t, m.s, m.n, clock_timestamp(), m.how,"
						" r.oids, r.scans, m.key, m.columns::text[], m.beside::oid[]"
						" FROM unnest($1, $2, $3, $4, $5, $6, $7) AS m (t, s, n, how, key, columns, beside),"
						" LATERAL (SELECT array_agg(o), array_agg(pg_stat_get_numscans(o)) FROM"
						" (SELECT m.t UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = m.t) AS o (o)) AS r (oids, scans)");
}

void
guard_moved_record(List *moves)
{
	List	   *moved = NIL;

	foreach_ptr(GuardPendingMove, move, moves)
	{
		if (is_moved(move))
			moved = lappend(moved, move);
	}
	write_moves(moved);
}

void
guard_moved_lose(List *moves)
{
	foreach_ptr(GuardPendingMove, move, moves)
		guard_departed_lose(move->table);
}

/*
 * A table that is remembered by a name which it does not bear any more has been
 * renamed, and nobody told.
 */
void
guard_moved_snapshot(void)
{
	GuardRows  *rows = guard_query_rows("SELECT o.table_oid, o.table_schema, o.table_name FROM guard.object o"
										" JOIN pg_class c ON c.oid = o.table_oid JOIN pg_namespace n ON n.oid = c.relnamespace"
										" WHERE o.index_oid = 0 AND o.gone_at IS NULL"
										" AND (o.table_schema, o.table_name) IS DISTINCT FROM (n.nspname, c.relname)");

	while (guard_rows_next(rows))
	{
		GuardPendingMove move = {
			.table = guard_rows_oid(rows, 1),
			.old_schema = guard_rows_text(rows, 2),
			.old_name = guard_rows_text(rows, 3),
			.how = HOW_UNSEEN
		};

		write_moves(list_make1(&move));
	}
}
