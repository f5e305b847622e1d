/*-------------------------------------------------------------------------
 *
 * profile.c
 *	  What a profile says, as the planner can be told it.
 *
 * A table is read when it is first planned, with its indexes and statistics,
 * and is kept until anything changes that names or types hang on: a relation,
 * or the profile.  That is looked at when an EXPLAIN begins, so nothing goes
 * away while a statement is being planned.
 *
 * A profile may come with a pull request.  Its values are read as the types that the columns have
 * here, by input functions of PostgreSQL's own types and of enums, and no
 * others; what is none of the type counts as no value.  What it says of numbers
 * is held within the bounds that the planner relies on.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "storage/block.h"
#include "utils/array.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/typcache.h"

#include "planner/planas/planas.h"
#include "planner/planner.h"
#include "store/store.h"

/*
 * Where the planner reads the ends of an index, it does not round what is rarer
 * than a hundredth of a bucket up to it.  Here it cannot read them, so buckets
 * are cut into as many.
 */
#define CUT				100

/* Columns of guard.plan_statistics(). */
enum
{
	S_RELATION = 1, S_ATTNUM, S_INHERITED, S_NULL_FRACTION, S_WIDTH, S_DISTINCT,
	S_CORRELATION, S_FREQUENCIES, S_COMMON, S_HISTOGRAM, S_CUT, S_ELEMENTS,
	S_ELEMENT_FREQUENCIES, S_ELEMENT_COUNTS, S_NO_CODE
};

/* The profile at hand. */
typedef struct Profile
{
	char	   *source;
	TimestampTz imported;
	TimestampTz exported;
	int			version;		/* major */
	List	   *settings;		/* names and values by turns */
	HTAB	   *sizes;			/* GuardPlanasSize */
	HTAB	   *statistics;		/* GuardPlanasStatistic */
} Profile;

/* A row of statistics that is being turned into one of pg_statistic. */
typedef struct Forming
{
	GuardRows  *rows;
	Oid			type;			/* of the column */
	Oid			collation;
	bool		with_values;
	Datum		values[Natts_pg_statistic];
	bool		nulls[Natts_pg_statistic];
	int			slots;
} Forming;

static MemoryContext context = NULL;
static Profile *profile = NULL;
static bool stale = false;

static void
relation_changed(Datum arg, Oid relation)
{
	stale = true;
}

/* ----------------------------------------------------------------
 *		Opening
 * ----------------------------------------------------------------
 */

static HTAB *
make_table(const char *name, Size keysize, Size entrysize)
{
	HASHCTL		info = {.keysize = keysize, .entrysize = entrysize, .hcxt = context};

	return hash_create(name, 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Forget what is at hand and begin anew with the profile of the row.
 */
static void
begin(const char *source, GuardRows *row)
{
	static bool registered = false;
	MemoryContext old;

	if (!registered)
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	registered = true;
	profile = NULL;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "guard profile",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	old = MemoryContextSwitchTo(context);
	profile = palloc0(sizeof(Profile));
	profile->source = pstrdup(source);
	profile->imported = guard_rows_time(row, 1);
	profile->exported = guard_rows_time(row, 2);
	profile->version = guard_rows_int(row, 3);
	profile->settings = guard_rows_list(row, 4);
	profile->sizes = make_table("guard sizes", sizeof(Oid), sizeof(GuardPlanasSize));
	profile->statistics = make_table("guard statistics",
									 offsetof(GuardPlanasStatistic, tuple),
									 sizeof(GuardPlanasStatistic));
	MemoryContextSwitchTo(old);
	stale = false;
}

TimestampTz
guard_planas_open(const char *source)
{
	GuardRows  *row = guard_query_rows(guard_query_kept("SELECT * FROM guard.plan_profile($1)"),
									   P_TEXT(source));

	if (!guard_rows_next(row))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("profile \"%s\" does not exist", source),
				 errdetail("guard.plan_as names it."),
				 errhint("Import it with guard.import_profile(), or RESET guard.plan_as.")));
	if (stale || profile == NULL || strcmp(profile->source, source) != 0 ||
		profile->imported != guard_rows_time(row, 1))
		begin(source, row);
	guard_rows_end(row);

	for (int i = 0; i + 1 < list_length(profile->settings); i += 2)
		guard_settings_take(list_nth(profile->settings, i),
							list_nth(profile->settings, i + 1));
	return profile->exported;
}

int
guard_planas_version(void)
{
	return profile->version;
}

/* ----------------------------------------------------------------
 *		Values
 * ----------------------------------------------------------------
 */

/*
 * The type whose input function reads values of this one, InvalidOid where
 * that may be anybody's.
 */
static Oid
readable_type(Oid type)
{
	Oid			element;

	type = getBaseType(type);
	element = get_element_type(type);
	if (!OidIsValid(element))
		element = type;
	return element < FirstNormalObjectId || type_is_enum(element) ? type : InvalidOid;
}

static Datum *
read_values(List *texts, Oid type)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(texts) + 1));
	Oid			input;
	Oid			ioparam;
	int			n = 0;

	getTypeInputInfo(type, &input, &ioparam);
	foreach_ptr(char, text, texts)
		values[n++] = OidInputFunctionCall(input, text, ioparam, -1);
	return values;
}

/*
 * A value between two neighbours in a histogram, "share" of the way.
 */
static Datum
between(Datum low, Datum high, double share, Oid type)
{
#define BETWEEN(get, put) \
	put((get(low) + floor(((double) get(high) - (double) get(low)) * share)))

	switch (type)
	{
		case INT2OID:
			return BETWEEN(DatumGetInt16, Int16GetDatum);
		case INT4OID:
			return BETWEEN(DatumGetInt32, Int32GetDatum);
		case INT8OID:
		case TIMEOID:
			return BETWEEN(DatumGetInt64, Int64GetDatum);
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			if (TIMESTAMP_NOT_FINITE(DatumGetTimestamp(low)) ||
				TIMESTAMP_NOT_FINITE(DatumGetTimestamp(high)))
				return low;
			return BETWEEN(DatumGetTimestamp, TimestampGetDatum);
		case FLOAT8OID:
			return Float8GetDatum(DatumGetFloat8(low) +
								  (DatumGetFloat8(high) - DatumGetFloat8(low)) * share);
		case NUMERICOID:
			return DirectFunctionCall2(numeric_add, low,
									   DirectFunctionCall2(numeric_mul,
														   DirectFunctionCall2(numeric_sub, high, low),
														   DirectFunctionCall1(float8_numeric, Float8GetDatum(share))));
		default:
			return low;
	}
#undef BETWEEN
}

static bool
can_be_cut(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == TIMEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID ||
		type == FLOAT8OID || type == NUMERICOID;
}

static Datum *
cut(const Datum *bounds, int *n, Oid type)
{
	Datum	   *finer = palloc(sizeof(Datum) * ((*n - 1) * CUT + 1));
	int			k = 0;

	for (int i = 0; i + 1 < *n; i++)
		for (int j = 0; j < CUT; j++)
			finer[k++] = j == 0 ? bounds[i] :
				between(bounds[i], bounds[i + 1], (double) j / CUT, type);
	finer[k++] = bounds[*n - 1];
	*n = k;
	return finer;
}

/* ----------------------------------------------------------------
 *		Rows of pg_statistic
 * ----------------------------------------------------------------
 */

static void
put(Forming *forming, int attribute, Datum value)
{
	forming->values[attribute - 1] = value;
	forming->nulls[attribute - 1] = false;
}

/*
 * One more slot; "type" InvalidOid: without values.  InvalidOid for an operator
 * that the type does not have: no slot.
 */
static void
add_slot(Forming *forming, int kind, Oid operator, ArrayType *numbers,
		 Datum *values, int nvalues, Oid type)
{
	int			n = forming->slots;
	int16		length;
	bool		byvalue;
	char		align;

	if (!OidIsValid(operator))
		return;
	put(forming, Anum_pg_statistic_stakind1 + n, Int16GetDatum(kind));
	put(forming, Anum_pg_statistic_staop1 + n, ObjectIdGetDatum(operator));
	put(forming, Anum_pg_statistic_stacoll1 + n, ObjectIdGetDatum(forming->collation));
	if (numbers != NULL)
		put(forming, Anum_pg_statistic_stanumbers1 + n, PointerGetDatum(numbers));
	if (values != NULL)
	{
		get_typlenbyvalalign(type, &length, &byvalue, &align);
		put(forming, Anum_pg_statistic_stavalues1 + n,
			PointerGetDatum(construct_array(values, nvalues, type, length,
											byvalue, align)));
	}
	forming->slots++;
}

/* An array of float4 of the row at hand; NULL where there is none. */
static ArrayType *
numbers_of(Forming *forming, int column, int *n)
{
	bool		isnull;
	Datum		array = heap_getattr(forming->rows->tuple, column,
									 forming->rows->desc, &isnull);
	ArrayType  *numbers;

	*n = 0;
	if (isnull)
		return NULL;
	numbers = DatumGetArrayTypePCopy(array);
	if (ARR_NDIM(numbers) != 1 || ARR_HASNULL(numbers))
		return NULL;
	*n = ARR_DIMS(numbers)[0];
	return numbers;
}

/*
 * The most common values and the histogram, and those of elements.
 */
static void
add_values(Forming *forming, TypeCacheEntry * operators, Oid type)
{
	GuardRows  *row = forming->rows;
	List	   *common = guard_rows_list(row, S_COMMON);
	List	   *histogram = guard_rows_list(row, S_HISTOGRAM);
	List	   *elements = guard_rows_list(row, S_ELEMENTS);
	Oid			element = type == TSVECTOROID ? TEXTOID : get_element_type(type);
	int			n;
	ArrayType  *numbers = numbers_of(forming, S_FREQUENCIES, &n);

	if (n > 0 && n == list_length(common))
		add_slot(forming, STATISTIC_KIND_MCV, operators->eq_opr, numbers,
				 read_values(common, type), n, type);
	n = list_length(histogram);
	if (n > 1)
	{
		Datum	   *bounds = read_values(histogram, type);

		if (guard_rows_bool(row, S_CUT) && n > 2 && can_be_cut(type))
			bounds = cut(bounds, &n, type);
		add_slot(forming, STATISTIC_KIND_HISTOGRAM, operators->lt_opr, NULL,
				 bounds, n, type);
	}
	if (elements == NIL || !OidIsValid(element))
		return;
	numbers = numbers_of(forming, S_ELEMENT_FREQUENCIES, &n);
	if (n > list_length(elements))
		add_slot(forming, STATISTIC_KIND_MCELEM,
				 lookup_type_cache(element, TYPECACHE_EQ_OPR)->eq_opr, numbers,
				 read_values(elements, element), list_length(elements), element);
	numbers = numbers_of(forming, S_ELEMENT_COUNTS, &n);
	if (n > 2)
		add_slot(forming, STATISTIC_KIND_DECHIST,
				 lookup_type_cache(element, TYPECACHE_EQ_OPR)->eq_opr, numbers,
				 NULL, 0, InvalidOid);
}

static double
within(double x, double least, double most)
{
	return isnan(x) ? least : Max(Min(x, most), least);
}

/*
 * The row at hand as one of pg_statistic, in the current memory context.
 */
static void
form(void *arg)
{
	Forming    *forming = arg;
	GuardRows  *row = forming->rows;
	Oid			type = readable_type(forming->type);
	TypeCacheEntry *operators;

	memset(forming->values, 0, sizeof(forming->values));
	memset(forming->nulls, 0, sizeof(forming->nulls));
	forming->slots = 0;
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
		forming->nulls[Anum_pg_statistic_stanumbers1 - 1 + i] =
			forming->nulls[Anum_pg_statistic_stavalues1 - 1 + i] = true;
	put(forming, Anum_pg_statistic_starelid, ObjectIdGetDatum(guard_rows_oid(row, S_RELATION)));
	put(forming, Anum_pg_statistic_staattnum, Int16GetDatum(guard_rows_int(row, S_ATTNUM)));
	put(forming, Anum_pg_statistic_stainherit, BoolGetDatum(guard_rows_bool(row, S_INHERITED)));
	put(forming, Anum_pg_statistic_stanullfrac,
		Float4GetDatum(within(guard_rows_float(row, S_NULL_FRACTION), 0, 1)));
	put(forming, Anum_pg_statistic_stawidth,
		Int32GetDatum(within(guard_rows_int(row, S_WIDTH), 0, INT_MAX / 2)));
	put(forming, Anum_pg_statistic_stadistinct,
		Float4GetDatum(within(guard_rows_float(row, S_DISTINCT), -1, 1e18)));
	operators = lookup_type_cache(OidIsValid(type) ? type : forming->type,
								  TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR);
	if (OidIsValid(type) && forming->with_values)
		add_values(forming, operators, type);
	if (!guard_rows_null(row, S_CORRELATION))
	{
		Datum		correlation = Float4GetDatum(within(guard_rows_float(row, S_CORRELATION), -1, 1));

		add_slot(forming, STATISTIC_KIND_CORRELATION, operators->lt_opr,
				 construct_array(&correlation, 1, FLOAT4OID, 4, true, TYPALIGN_INT),
				 NULL, 0, InvalidOid);
	}
}

/*
 * The type and collation of a column of the table, or of an index of it; false
 * where there is none.
 */
static bool
find_type(RelOptInfo *rel, Oid heap, Forming *forming)
{
	Oid			relation = guard_rows_oid(forming->rows, S_RELATION);
	int			attnum = guard_rows_int(forming->rows, S_ATTNUM);
	int32		typmod;

	if (relation == heap)
	{
		get_atttypetypmodcoll(heap, attnum, &forming->type, &typmod,
							  &forming->collation);
		return true;
	}
	foreach_ptr(IndexOptInfo, index, rel->indexlist)
	{
		if (index->indexoid == relation &&
			attnum >= 1 && attnum <= list_length(index->indextlist))
		{
			Node	   *expr = (Node *) list_nth_node(TargetEntry, index->indextlist, attnum - 1)->expr;

			forming->type = exprType(expr);
			forming->collation = exprCollation(expr);
			return true;
		}
	}
	return false;
}

/*
 * Keep the row at hand.  Values that are none of the column's type are left
 * out, all of them.
 */
static void
keep_statistic(RelOptInfo *rel, Oid heap, GuardRows *rows)
{
	Forming		forming = {.rows = rows, .with_values = true};
	GuardFailure failure;
	GuardPlanasStatistic key = {0};
	GuardPlanasStatistic *statistic;
	Relation	catalog;
	MemoryContext old;
	char	   *no_code = guard_rows_text(rows, S_NO_CODE);

	if (!find_type(rel, heap, &forming))
		return;
	if (!guard_work_run(form, &forming, GUARD_WORK_SETTINGS_UNDONE, &failure))
	{
		no_code = psprintf("its values are of another type here: %s", failure.message);
		forming.with_values = false;
		form(&forming);
	}
	key.relation = guard_rows_oid(rows, S_RELATION);
	key.attnum = guard_rows_int(rows, S_ATTNUM);
	key.inherited = guard_rows_bool(rows, S_INHERITED);
	catalog = table_open(StatisticRelationId, AccessShareLock);
	statistic = hash_search(profile->statistics, &key, HASH_ENTER, NULL);
	old = MemoryContextSwitchTo(context);
	statistic->tuple = heap_form_tuple(RelationGetDescr(catalog),
									   forming.values, forming.nulls);
	statistic->no_code = no_code ? pstrdup(no_code) : NULL;
	MemoryContextSwitchTo(old);
	table_close(catalog, AccessShareLock);
}

/* ----------------------------------------------------------------
 *		A table
 * ----------------------------------------------------------------
 */

static void
keep_size(GuardRows *rows)
{
	Oid			relation = guard_rows_oid(rows, 1);
	GuardPlanasSize *size = hash_search(profile->sizes, &relation, HASH_ENTER, NULL);
	char	   *remark = guard_rows_text(rows, 6);

	size->known = true;
	size->has_rest = false;
	size->pages = within(guard_rows_float(rows, 2), 0, MaxBlockNumber);
	size->tuples = guard_rows_null(rows, 3) ? -1 : within(guard_rows_float(rows, 3), 0, 1e18);
	size->all_visible = within(guard_rows_float(rows, 4), 0, size->pages);
	size->height = within(guard_rows_int_or(rows, 5, -1), -1, 100);
	size->remark = remark && remark[0] ? MemoryContextStrdup(context, remark) : NULL;
}

GuardPlanasSize *
guard_planas_table(RelOptInfo *rel, Oid heap)
{
	bool		found;
	GuardPlanasSize *size = hash_search(profile->sizes, &heap, HASH_ENTER, &found);
	GuardRows  *rows;

	if (found && size->has_rest)
		return size;
	memset(size, 0, sizeof(*size));
	size->relation = heap;
	rows = guard_query_rows(guard_query_kept("SELECT * FROM guard.plan_sizes($1, $2)"),
							P_TEXT(profile->source), P_OID(heap));
	while (guard_rows_next(rows))
		keep_size(rows);
	rows = guard_query_rows(guard_query_kept("SELECT * FROM guard.plan_statistics($1, $2)"),
							P_TEXT(profile->source), P_OID(heap));
	while (guard_rows_next(rows))
		keep_statistic(rel, heap, rows);
	size->has_rest = true;
	return size;
}

GuardPlanasSize *
guard_planas_size(Oid relation)
{
	GuardPlanasSize *size = hash_search(profile->sizes, &relation, HASH_FIND, NULL);

	return size != NULL && size->known ? size : NULL;
}

GuardPlanasStatistic *
guard_planas_statistic(Oid relation, int attnum, bool inherited)
{
	GuardPlanasStatistic key = {0};

	key.relation = relation;
	key.attnum = attnum;
	key.inherited = inherited;
	return hash_search(profile->statistics, &key, HASH_FIND, NULL);
}
