/*-------------------------------------------------------------------------
 *
 * positions.c
 *	  Where the values of statements' parameters lie.
 *
 * A profile tells the load and the plans of a server without its data, so of a
 * value no more may leave than its place.  Taken are those of the statements
 * that what-if samples.  Their Query has all in one place: constants, where
 * they stand in the text, and what they are compared with.  Plans that come
 * from a session's cache pass no planner, so at an execution's end it is drawn
 * by lot as well, and what each parameter is has been written down.  And
 * nothing is written down before a statement has been executed: who was refused
 * tells nothing.
 *
 * pg_stat_statements numbers constants behind the parameters of the statement,
 * in the order of their places in the text.  A view's constants have no place.
 *
 * Values are compared by PostgreSQL's own functions, of its own types and of
 * enums only, in a subtransaction that is undone (shadow.c).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/nbtree.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "lib/hyperloglog.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/typcache.h"

#include "planner/whatif/positions.h"
#include "planner/whatif/sampling.h"
#include "store/shmem.h"

/* A statement's parameters, of which not more are looked at. */
#define PARAMETERS		(GUARD_SET_SLOTS - 1)

/* So many there is room for, of each of guard.max_statements. */
#define PER_STATEMENT	4

/* Places in its text: one with more is left alone. */
#define LOCATIONS		256

/* Of a list not more elements are looked at. */
#define ELEMENTS		16

/* Counters halve then: what was long ago counts less. */
#define ENOUGH			60000

/* Beside the common ones and the deciles. */
#define NOWHERE			(-1)
#define UNKNOWN			(-2)

/* One parameter of the statement at hand. */
typedef struct Seen
{
	GuardParameter about;
	int			location;
	Node	   *node;			/* while it is planned: where its value is */
	bool		placed;
	bool		isnull;
	int			nplaces;
	int			places[ELEMENTS];	/* deciles behind the common ones */
	char		measure;
	double		mark;
	bool		scaled;
	double		scalar;			/* a number; a time's distance from now */
	uint32		hash;
	uint8		matches[GUARD_POSITION_MATCHES / BITS_PER_BYTE];
} Seen;

/* The statement at hand; queryid 0: there is none. */
typedef struct AtHand
{
	int64		queryid;
	int			count;
	Seen		seen[PARAMETERS];
	ParamListInfo params;
} AtHand;

/* A walk through its Query. */
typedef struct Finding
{
	List	   *rtables;		/* the innermost first */
	int			nlocations;
	int			locations[LOCATIONS];
	int			highest;		/* parameter of its own */
	bool		squashed;		/* a list counts as one, and all by place */
} Finding;

static bool
same_number(const void *slot, const void *sought)
{
	const GuardPosition *a = slot;
	const GuardPosition *b = sought;

	return a->head.queryid == b->head.queryid && a->about.number == b->about.number;
}

static void restore(const void *slot);

static GuardSlots positions =
{
	.size = sizeof(GuardPosition),
	.same = same_number,
	.restore = restore
};

static AtHand at_hand;
GuardTurn	guard_positions_turns[GUARD_TURNS];

/* Called at start. */
void
guard_positions_init(void)
{
	positions.sets = guard_slots_sets(Min(guard_guc_max_statements, PG_INT32_MAX / PER_STATEMENT) * PER_STATEMENT);
	guard_slots_register(&positions);
}

static GuardSet *
set_of(Oid database, int64 queryid)
{
	return guard_slots_set(&positions, database, (Oid) queryid);
}

/* ----------------------------------------------------------------
 *		Which parameters does it have?
 * ----------------------------------------------------------------
 */

/*
 * What is below a cast that nobody wrote, or that PostgreSQL leaves in place.
 */
static Node *
strip(Node *node)
{
	while (node != NULL)
	{
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, CollateExpr))
			node = (Node *) ((CollateExpr *) node)->arg;
		else if (IsA(node, ArrayCoerceExpr))
			node = (Node *) ((ArrayCoerceExpr *) node)->arg;
		else if (IsA(node, FuncExpr) && ((FuncExpr *) node)->args != NIL &&
				 ((FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST)
			node = linitial(((FuncExpr *) node)->args);
		else
			break;
	}
	return node;
}

static void
add_location(Finding *finding, int location)
{
	for (int i = 0; i < finding->nlocations; i++)
	{
		if (finding->locations[i] == location)
			return;
	}
	if (location >= 0 && finding->nlocations < LOCATIONS)
		finding->locations[finding->nlocations++] = location;
}

/*
 * Take note of a value, if it is one, as compared or whatever else; what it was
 * found to be first, it stays.
 */
static void
note_value(Node *node, const GuardParameter *about, Finding *finding)
{
	Param	   *param = (Param *) node;
	Seen		fresh = {.about = *about, .node = node};

	if (node == NULL)
		return;
	fresh.location = exprLocation(node);
	fresh.about.type = exprType(node);
	if (IsA(node, Param) && param->paramkind == PARAM_EXTERN && param->paramid <= PG_INT16_MAX)
	{
		fresh.about.id = param->paramid;
		finding->highest = Max(finding->highest, param->paramid);
	}
	else if (IsA(node, ArrayExpr))
		fresh.location = guard_compat_squashed((ArrayExpr *) node);
	else if (!IsA(node, Const))
		return;
	if (fresh.location < 0)
		return;
	if (fresh.about.id == 0)
		add_location(finding, fresh.location);
	for (int i = 0; i < at_hand.count; i++)
	{
		Seen	   *known = &at_hand.seen[i];

		if (fresh.about.id != 0 ? known->about.id == fresh.about.id : known->location == fresh.location)
			return;
	}
	if (at_hand.count < PARAMETERS)
		at_hand.seen[at_hand.count++] = fresh;
}

/*
 * The column of a table that this is, looking into views.
 */
static bool
find_column(Node *node, List *rtables, GuardParameter *about)
{
	Var		   *var = (Var *) strip(node);
	List	   *rtable;

	if (var == NULL || !IsA(var, Var) || var->varlevelsup >= list_length(rtables))
		return false;
	rtable = list_nth(rtables, var->varlevelsup);
	for (;;)
	{
		RangeTblEntry *entry = var->varno > 0 && var->varno <= list_length(rtable) ?
			list_nth(rtable, var->varno - 1) : NULL;
		TargetEntry *target;

		if (entry == NULL || var->varattno <= 0)
			return false;
		if (entry->rtekind == RTE_RELATION)
		{
			about->relation = entry->relid;
			about->column = var->varattno;
			about->inherited = entry->inh;
			return entry->relid >= FirstNormalObjectId;
		}
		if (entry->rtekind != RTE_SUBQUERY || entry->subquery == NULL ||
			var->varattno > list_length(entry->subquery->targetList))
			return false;
		target = list_nth(entry->subquery->targetList, var->varattno - 1);
		var = (Var *) strip((Node *) target->expr);
		if (!IsA(var, Var) || var->varlevelsup != 0)
			return false;
		rtable = entry->subquery->rtable;
	}
}

/*
 * column op value, or the other way round; value may be a list.
 */
static void
note_comparison(Oid operator, List *args, Finding *finding)
{
	GuardParameter about = {.role = 'c', .operator = operator};
	Node	   *value;

	if (list_length(args) != 2)
		return;
	value = strip(lsecond(args));
	if (!find_column(linitial(args), finding->rtables, &about))
	{
		if (!find_column(lsecond(args), finding->rtables, &about))
			return;
		value = strip(linitial(args));
		about.operator = get_commutator(operator);
	}
	if (IsA(value, ArrayExpr) && guard_compat_squashed((ArrayExpr *) value) < 0)
	{
		foreach_ptr(Node, element, ((ArrayExpr *) value)->elements)
			note_value(strip(element), &about, finding);
	}
	else
		note_value(value, &about, finding);
}

static bool
find_parameters(Node *node, void *arg)
{
	static const GuardParameter other = {0};
	static const GuardParameter limit = {.role = 'l'};
	static const GuardParameter offset = {.role = 'o'};
	Finding    *finding = arg;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			{
				Query	   *query = (Query *) node;

				finding->rtables = lcons(query->rtable, finding->rtables);
				note_value(strip(query->limitCount), &limit, finding);
				note_value(strip(query->limitOffset), &offset, finding);
				(void) query_tree_walker(query, find_parameters, arg, 0);
				finding->rtables = list_delete_first(finding->rtables);
				return false;
			}
		case T_OpExpr:
		case T_DistinctExpr:
			note_comparison(((OpExpr *) node)->opno, ((OpExpr *) node)->args, finding);
			break;
		case T_ScalarArrayOpExpr:
			note_comparison(((ScalarArrayOpExpr *) node)->opno,
							((ScalarArrayOpExpr *) node)->args, finding);
			break;
		case T_ArrayExpr:
			if (guard_compat_squashed((ArrayExpr *) node) < 0)
				break;
			finding->squashed = true;
			note_value(node, &other, finding);
			return false;
		case T_Const:
		case T_Param:
			note_value(node, &other, finding);
			return false;
		default:
			break;
	}
	return expression_tree_walker(node, find_parameters, arg);
}

/*
 * Give them the numbers that pg_stat_statements gives them.
 */
static void
give_numbers(Finding *finding)
{
	if (finding->squashed)
	{
		for (int i = 0; i < at_hand.count; i++)
			add_location(finding, at_hand.seen[i].location);
		finding->highest = 0;
	}
	for (int i = 0; i < at_hand.count; i++)
	{
		Seen	   *seen = &at_hand.seen[i];

		seen->about.number = seen->about.id;
		if (seen->about.id != 0 && !finding->squashed)
			continue;
		seen->about.number = finding->highest + 1;
		for (int j = 0; j < finding->nlocations; j++)
			seen->about.number += finding->locations[j] < seen->location ? 1 : 0;
	}
}

/* ----------------------------------------------------------------
 *		Where does a value lie?
 * ----------------------------------------------------------------
 */

/*
 * Nothing but PostgreSQL's own code compares these.
 */
static bool
is_trusted(Oid type)
{
	return type < FirstNormalObjectId || get_typtype(type) == TYPTYPE_ENUM;
}

/*
 * The function that compares values of a column's type, or its elements', with
 * *value, which may have to become one of that type; and what the operator asks
 * of its order.
 */
static bool
find_comparison(const GuardParameter *about, Oid column, Oid type, Datum *value,
				FmgrInfo *compare, int *strategy)
{
	TypeCacheEntry *cached;
	Oid			proc;
	Oid			cast;

	if (!OidIsValid(column) || !is_trusted(column) || !is_trusted(type))
		return false;
	cached = lookup_type_cache(column, TYPECACHE_BTREE_OPFAMILY);
	if (!OidIsValid(cached->btree_opf))
		return false;
	proc = get_opfamily_proc(cached->btree_opf, cached->btree_opintype,
							 IsBinaryCoercible(type, cached->btree_opintype) ?
							 cached->btree_opintype : type, BTORDER_PROC);
	if (!OidIsValid(proc) &&
		find_coercion_pathway(column, type, COERCION_IMPLICIT, &cast) == COERCION_PATH_FUNC &&
		cast < FirstNormalObjectId)
	{
		*value = OidFunctionCall1(cast, *value);
		proc = get_opfamily_proc(cached->btree_opf, cached->btree_opintype,
								 cached->btree_opintype, BTORDER_PROC);
	}
	if (!OidIsValid(proc) || proc >= FirstNormalObjectId)
		return false;
	*strategy = get_op_opfamily_strategy(about->operator, cached->btree_opf);
	fmgr_info(proc, compare);
	return true;
}

/*
 * The tenth of a histogram in which a value lies; outside of it an order has a
 * side, and equality has none.
 */
static int
decile_of(const AttStatsSlot * slot, FmgrInfo *compare, Datum value, int strategy)
{
	int			low = 0;
	int			high = slot->nvalues;

	/* how many bounds are at or below it? */
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (DatumGetInt32(FunctionCall2Coll(compare, slot->stacoll,
											slot->values[middle], value)) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (strategy == BTEqualStrategyNumber &&
		(low == 0 || (low == slot->nvalues &&
					  DatumGetInt32(FunctionCall2Coll(compare, slot->stacoll,
													  slot->values[low - 1], value)) != 0)))
		return NOWHERE;
	low = Max(Min(low - 1, slot->nvalues - 2), 0);
	return GUARD_POSITION_COMMON + low * GUARD_POSITION_DECILES / Max(slot->nvalues - 1, 1);
}

/*
 * The statistics of a column; NULL: there are none.
 */
static HeapTuple
statistics_of(const GuardParameter *about)
{
	HeapTuple	tuple = NULL;

	for (int inherited = about->inherited; inherited >= 0 && tuple == NULL; inherited--)
		tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(about->relation),
								Int16GetDatum(about->column), BoolGetDatum(inherited));
	return tuple;
}

/*
 * The place of a value among those of its column; of an array's element, among
 * these.
 */
static int
place_of(const GuardParameter *about, Datum value, Oid type)
{
	Oid			column = about->column == 0 ? InvalidOid :
		getBaseType(get_atttype(about->relation, about->column));
	Oid			element = get_element_type(column);
	int			kind = OidIsValid(element) ? STATISTIC_KIND_MCELEM : STATISTIC_KIND_MCV;
	HeapTuple	tuple;
	FmgrInfo	compare;
	AttStatsSlot slot;
	int			strategy;
	int			place = UNKNOWN;

	if (!find_comparison(about, OidIsValid(element) ? element : column, type,
						 &value, &compare, &strategy))
		return UNKNOWN;
	tuple = statistics_of(about);
	if (!HeapTupleIsValid(tuple))
		return UNKNOWN;
	if (get_attstatsslot(&slot, tuple, kind, InvalidOid, ATTSTATSSLOT_VALUES))
	{
		place = NOWHERE;
		for (int i = 0; i < slot.nvalues && place == NOWHERE; i++)
		{
			if (DatumGetInt32(FunctionCall2Coll(&compare, slot.stacoll, slot.values[i], value)) == 0)
				place = Min(i, GUARD_POSITION_COMMON - 1);
		}
	}
	if (place < 0 && kind == STATISTIC_KIND_MCV &&
		get_attstatsslot(&slot, tuple, STATISTIC_KIND_HISTOGRAM, InvalidOid, ATTSTATSSLOT_VALUES))
		place = decile_of(&slot, &compare, value, strategy);
	ReleaseSysCache(tuple);
	return place;
}

/*
 * A number, an interval in seconds, a time in seconds from now.
 */
static bool
scalar_of(Datum value, Oid type, double *scalar)
{
	TimestampTz at;

	switch (type)
	{
		case INT2OID:
			*scalar = DatumGetInt16(value);
			return true;
		case INT4OID:
			*scalar = DatumGetInt32(value);
			return true;
		case INT8OID:
			*scalar = (double) DatumGetInt64(value);
			return true;
		case FLOAT4OID:
			*scalar = DatumGetFloat4(value);
			break;
		case FLOAT8OID:
			*scalar = DatumGetFloat8(value);
			break;
		case NUMERICOID:
			*scalar = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
			break;
		case INTERVALOID:
			{
				const		Interval *span = DatumGetIntervalP(value);

				*scalar = (span->month * DAYS_PER_MONTH + span->day) * (double) SECS_PER_DAY +
					span->time / (double) USECS_PER_SEC;
				break;
			}
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			at = type == TIMESTAMPTZOID ? DatumGetTimestampTz(value) :
				DatumGetTimestampTz(DirectFunctionCall1(type == DATEOID ? date_timestamptz :
														timestamp_timestamptz, value));
			*scalar = (at - GetCurrentStatementStartTimestamp()) / (double) USECS_PER_SEC;
			return !TIMESTAMP_NOT_FINITE(at);
		default:
			return false;
	}
	return isfinite(*scalar);
}

static bool
is_time(Oid type)
{
	return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

/*
 * The operator itself, or the one that it is the opposite of, if the planner
 * tries it on the values of the statistics: patterns, and documents in jsonb.
 * Only PostgreSQL's own, which take such a value; InvalidOid: none.
 */
static Oid
matching_operator(Oid operator, Oid value)
{
	for (int i = 0; i < 2; i++, operator = get_negator(operator))
	{
		Oid			left;
		Oid			right;

		if (!OidIsValid(operator) || operator >= FirstNormalObjectId)
			continue;
		op_input_types(operator, &left, &right);
		switch (get_oprrest(operator))
		{
			case F_LIKESEL:
			case F_ICLIKESEL:
			case F_REGEXEQSEL:
			case F_ICREGEXEQSEL:
			case F_MATCHINGSEL:
				return IsBinaryCoercible(value, right) ? operator : InvalidOid;
			default:
				break;
		}
	}
	return InvalidOid;
}

/*
 * Which of the values that the statistics have does a pattern match?  That is
 * what the planner asks.
 */
static void
match_pattern(Seen *seen, Datum pattern, Oid operator)
{
	static const int kinds[] = {STATISTIC_KIND_MCV, STATISTIC_KIND_HISTOGRAM};
	HeapTuple	tuple = seen->about.column != 0 ? statistics_of(&seen->about) : NULL;
	AttStatsSlot slot;

	seen->measure = 'p';
	if (get_oprrest(operator) == F_LIKESEL || get_oprrest(operator) == F_ICLIKESEL)
		seen->mark = strcspn(TextDatumGetCString(pattern), "%_\\");
	for (int k = 0; k < lengthof(kinds) && HeapTupleIsValid(tuple); k++)
	{
		int			first = k * GUARD_POSITION_COMMON;

		if (!get_attstatsslot(&slot, tuple, kinds[k], InvalidOid, ATTSTATSSLOT_VALUES))
			continue;
		for (int i = 0; i < slot.nvalues &&
			 first + i < (k == 0 ? GUARD_POSITION_COMMON : GUARD_POSITION_MATCHES); i++)
		{
			if (DatumGetBool(OidFunctionCall2Coll(get_opcode(operator), slot.stacoll,
												  slot.values[i], pattern)))
				seen->matches[(first + i) / BITS_PER_BYTE] |= 1 << (first + i) % BITS_PER_BYTE;
		}
	}
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
}

/*
 * One value, or one of a list.
 */
static void
place_value(Seen *seen, Datum value, Oid type, bool isnull)
{
	Oid			matching = seen->about.column != 0 ?
		matching_operator(seen->about.operator, type) : InvalidOid;
	int16		typlen;
	bool		typbyval;

	seen->isnull |= isnull;
	if (isnull || seen->nplaces == ELEMENTS)
		return;
	seen->places[seen->nplaces++] = OidIsValid(matching) ? UNKNOWN :
		place_of(&seen->about, value, type);
	get_typlenbyval(type, &typlen, &typbyval);
	seen->hash = seen->hash * 31 + datum_image_hash(value, typbyval, typlen);
	seen->scaled = scalar_of(value, type, &seen->scalar);
	if (OidIsValid(matching))
		match_pattern(seen, value, matching);
	if (!seen->scaled)
		return;
	seen->measure = seen->about.role == 'l' || seen->about.role == 'o' || type == INTERVALOID ? 'v' :
		is_time(type) ? 'a' : 0;
	seen->mark = seen->measure == 'a' ? -seen->scalar : seen->scalar;
}

static void
place_array(Seen *seen, Datum value, Oid element)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int16		typlen;
	bool		typbyval;
	char		typalign;

	get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
	deconstruct_array(DatumGetArrayTypeP(value), element, typlen, typbyval, typalign,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			place_value(seen, elements[i], element, false);
	}
	seen->measure = 'l';
	seen->mark = count;
}

/*
 * The value of a constant, or of a parameter of which it is known by now.
 */
static void
place_node(Seen *seen, Node *node)
{
	Const	   *constant = (Const *) node;
	int			id = node != NULL && IsA(node, Param) ? ((Param *) node)->paramid :
		seen->about.id;
	Datum		value;
	Oid			type;
	bool		isnull;

	if (id > 0)
	{
		if (at_hand.params == NULL || id > at_hand.params->numParams)
			return;
		value = at_hand.params->params[id - 1].value;
		type = at_hand.params->params[id - 1].ptype;
		isnull = at_hand.params->params[id - 1].isnull;
	}
	else if (node != NULL && IsA(node, Const))
	{
		value = constant->constvalue;
		type = constant->consttype;
		isnull = constant->constisnull;
	}
	else
		return;
	seen->placed = true;
	if (!isnull && OidIsValid(get_element_type(type)))
		place_array(seen, value, get_element_type(type));
	else
		place_value(seen, value, type, isnull);
}

/*
 * The upper end of a range is told by its distance from the lower one.
 */
static void
find_width(Seen *upper)
{
	char	   *name = upper->about.operator ? get_opname(upper->about.operator) : NULL;

	if (!upper->scaled || upper->about.column == 0 || name == NULL || name[0] != '<')
		return;
	for (int i = 0; i < at_hand.count; i++)
	{
		Seen	   *lower = &at_hand.seen[i];

		if (lower->scaled && lower->about.relation == upper->about.relation &&
			lower->about.column == upper->about.column &&
			(name = get_opname(lower->about.operator)) != NULL && name[0] == '>')
		{
			upper->measure = 'w';
			upper->mark = upper->scalar - lower->scalar;
			return;
		}
	}
}

/*
 * All of which the values are known now, and were not before.
 */
static void
place_all(void *arg)
{
	for (int i = 0; i < at_hand.count; i++)
	{
		Seen	   *seen = &at_hand.seen[i];

		if (seen->placed)
			continue;
		if (seen->node == NULL || !IsA(seen->node, ArrayExpr))
			place_node(seen, seen->node);
		else
		{
			foreach_ptr(Node, element, ((ArrayExpr *) seen->node)->elements)
				place_node(seen, strip(element));
			seen->measure = 'l';
			seen->mark = list_length(((ArrayExpr *) seen->node)->elements);
		}
	}
	for (int i = 0; i < at_hand.count; i++)
		find_width(&at_hand.seen[i]);
}

static bool
place_quietly(void)
{
	GuardShadow shadow = {0};

	return guard_shadow_run(&shadow, place_all, NULL);
}

/*
 * What asks the catalogs alone is no load, nor is an expression.
 */
static bool
is_load(const GuardSample *sample)
{
	foreach_oid(relation, sample->plan->relationOids)
	{
		if (relation >= FirstNormalObjectId)
			return true;
	}
	return sample->plan->relationOids == NIL && sample->shadow.query->rtable != NIL;
}

void
guard_positions_plan(GuardSample *sample)
{
	Finding		finding = {0};

	at_hand.queryid = 0;
	at_hand.count = 0;
	at_hand.params = NULL;
	if (positions.shared == NULL || !is_load(sample) ||
		!guard_allowance_left(GetCurrentTimestamp()))
		return;
	(void) find_parameters((Node *) sample->shadow.query, &finding);
	if (finding.nlocations == LOCATIONS)
		return;
	give_numbers(&finding);
	if (!place_quietly())
		return;

	/* the Query goes */
	for (int i = 0; i < at_hand.count; i++)
		at_hand.seen[i].node = NULL;
	at_hand.queryid = sample->queryid;
	guard_positions_turns[sample->queryid & (GUARD_TURNS - 1)].left = 0;
}

/* ----------------------------------------------------------------
 *		Writing it down
 * ----------------------------------------------------------------
 */

static void
restore(const void *saved)
{
	const GuardSlot *head = saved;

	(void) guard_slots_choose(&positions, set_of(head->database, head->queryid), saved);
}

/*
 * The slot of a parameter with one more sample.
 */
static GuardPosition *
one_more(GuardSet *set, const GuardParameter *about)
{
	GuardPosition fresh = {
		.head = {.database = MyDatabaseId, .object = (Oid) at_hand.queryid,
		.userid = GetUserId(), .queryid = at_hand.queryid},
		.about = *about
	};
	GuardPosition *slot = guard_slots_choose(&positions, set, &fresh);

	/* other types, or another search_path */
	if (memcmp(&slot->about, about, sizeof(*about)) != 0)
		memcpy(slot, &fresh, sizeof(*slot));
	slot->head.last = GetCurrentStatementStartTimestamp();
	if (slot->samples >= ENOUGH)
	{
		slot->samples /= 2;
		slot->nulls /= 2;
		slot->none /= 2;
		slot->marked /= 2;
		for (int i = 0; i < GUARD_POSITION_COMMON; i++)
			slot->common[i] /= 2;
		for (int i = 0; i < GUARD_POSITION_DECILES; i++)
			slot->deciles[i] /= 2;
	}
	slot->samples++;
	return slot;
}

/*
 * Of more marks than there is room for, some by chance.
 */
static void
add_mark(GuardPosition *slot, char measure, float4 mark)
{
	int			place;

	if (slot->measure != measure)
		slot->marked = 0;
	slot->measure = measure;
	place = slot->marked < GUARD_POSITION_MARKS ? slot->marked :
		(int) pg_prng_uint64_range(&pg_global_prng_state, 0, slot->marked);
	slot->marked++;
	if (place < GUARD_POSITION_MARKS)
		slot->marks[place] = mark;
}

static hyperLogLogState
registers_of(GuardPosition *slot)
{
	return (hyperLogLogState)
	{
		.registerWidth = 6, .nRegisters = GUARD_POSITION_REGISTERS,
			.alphaMM = 0.709 * GUARD_POSITION_REGISTERS * GUARD_POSITION_REGISTERS,
			.hashesArr = slot->registers, .arrSize = GUARD_POSITION_REGISTERS
	};
}

double
guard_positions_distinct(GuardPosition *position)
{
	hyperLogLogState state = registers_of(position);

	return estimateHyperLogLog(&state);
}

static void
add_seen(GuardPosition *slot, const Seen *seen)
{
	hyperLogLogState state = registers_of(slot);

	if (seen->isnull)
		slot->nulls++;
	else
		addHyperLogLog(&state, seen->hash);
	for (int i = 0; i < seen->nplaces; i++)
	{
		uint16	   *counter = seen->places[i] == UNKNOWN ? NULL :
			seen->places[i] == NOWHERE ? &slot->none :
			seen->places[i] < GUARD_POSITION_COMMON ? &slot->common[seen->places[i]] :
			&slot->deciles[seen->places[i] - GUARD_POSITION_COMMON];

		if (counter != NULL && *counter < PG_UINT16_MAX)
			(*counter)++;
	}
	if (seen->measure != 0)
		add_mark(slot, seen->measure, seen->mark);
	if (seen->measure == 'p')
		memcpy(slot->matches, seen->matches, sizeof(slot->matches));
}

/*
 * Which parameters were NULL together, as bits: so many combinations as there
 * are places.
 */
static void
add_nulls(GuardPosition *slot)
{
	uint32		nulls = 0;

	for (int i = 0; at_hand.params != NULL && i < Min(at_hand.params->numParams, FLT_MANT_DIG); i++)
		nulls |= at_hand.params->params[i].isnull ? (uint32) 1 << i : 0;
	for (int i = 0; i < GUARD_POSITION_MARKS && nulls != 0; i++)
	{
		if (slot->common[i] != 0 && slot->marks[i] != nulls)
			continue;
		slot->marks[i] = nulls;
		slot->common[i]++;
		return;
	}
}

static void
publish(uint64 rows)
{
	static const GuardParameter statement = {0};
	GuardSet   *set = set_of(MyDatabaseId, at_hand.queryid);
	GuardPosition *slot;

	if (!guard_flag_try(&set->busy))
		return;
	slot = one_more(set, &statement);
	slot->none += rows == 0 ? 1 : 0;
	add_nulls(slot);
	for (int i = 0; i < at_hand.count; i++)
	{
		if (at_hand.seen[i].placed)
			add_seen(one_more(set, &at_hand.seen[i].about), &at_hand.seen[i]);
	}
	pg_atomic_clear_flag(&set->busy);
}

/*
 * A plan from the cache: what are its parameters, as it was found when somebody
 * planned it?
 */
static bool
recall(int64 queryid)
{
	GuardSet   *set = set_of(MyDatabaseId, queryid);

	at_hand.queryid = queryid;
	at_hand.count = 0;
	if (!guard_flag_try(&set->busy))
		return false;
	foreach_slot(GuardPosition, slot, set)
	{
		if (slot->head.database == MyDatabaseId && slot->head.queryid == queryid &&
			slot->about.id > 0 && at_hand.count < PARAMETERS)
			at_hand.seen[at_hand.count++] = (Seen)
		{
			.about = slot->about
		};
	}
	pg_atomic_clear_flag(&set->busy);
	return at_hand.count > 0;
}

void
guard_positions_executed(QueryDesc *queryDesc, int64 queryid)
{
	ParamListInfo params = queryDesc->params;
	MemoryContext context;
	MemoryContext old;
	int64		started;
	GuardTurn  *turn = &guard_positions_turns[queryid & (GUARD_TURNS - 1)];

	/* variables of a function are no parameters that a text shows */
	if (params != NULL && (params->paramFetch != NULL || params->numParams == 0))
		params = NULL;
	if (positions.shared == NULL || queryid == 0 || !queryDesc->already_executed)
		return;
	turn->queryid = queryid;
	turn->left = guard_lot_wait(queryid);
	if ((at_hand.queryid != queryid && params == NULL) || !guard_shadow_possible() || !guard_work_has_room())
		return;
	if (at_hand.queryid != queryid)
	{
		guard_lot_drawn(queryid);
		if (!guard_allowance_left(GetCurrentTimestamp()) || !recall(queryid))
		{
			at_hand.queryid = 0;
			return;
		}
	}
	started = guard_sample_clock();
	at_hand.params = params;
	context = AllocSetContextCreate(CurrentMemoryContext, "guard positions",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	if (params == NULL || place_quietly())
		publish(queryDesc->estate->es_processed);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	at_hand.queryid = 0;
	guard_allowance_spend(GetCurrentTimestamp(),
						  (int64) (guard_sample_elapsed(started) * 1000));
}

/* ----------------------------------------------------------------
 *		Reading and forgetting
 * ----------------------------------------------------------------
 */

void
guard_positions_each(guard_positions_put put, void *arg)
{
	GuardPosition *slots = palloc(GUARD_SET_SLOTS * sizeof(GuardPosition));

	for (int i = 0; positions.shared != NULL && i < positions.sets; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!guard_slots_copy(&positions, guard_slots_nth(&positions, i), slots))
			continue;
		for (int j = 0; j < GUARD_SET_SLOTS; j++)
		{
			if (slots[j].head.database == MyDatabaseId)
				put(&slots[j], arg);
		}
	}
}

void
guard_positions_forget(Oid database)
{
	(void) guard_slots_forget(&positions, database, InvalidOid, true);
}
