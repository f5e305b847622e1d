/*-------------------------------------------------------------------------
 *
 * shape.c
 *	  Read the structure of an index from the catalogs.
 *
 * Everything here is read through system caches and catalog scans; neither the
 * index nor its table is ever opened, because opening one means a lock, and a
 * lock that somebody else holds means a wait (doc/internals/review.md 11).
 * Another session may therefore drop the index between two of our look-ups, so
 * every look-up expects to find nothing; any miss means that the index has
 * vanished, and the answer is NULL.
 *
 * If the table can be locked without waiting it is, for as long as the
 * reading lasts.  That makes the answer consistent and is the condition for
 * deparsing, which does open the table; see text.c.
 *
 * Predicates are normalized as the planner does it, so that one can be proved
 * from another, with one exception.  The planner folds constants by calling
 * the functions it finds.  We may be looking at somebody else's index with a
 * superuser's rights, and must not run his code (doc/internals/postgresql.md
 * 5.2): a predicate that calls anything but built-in functions is left
 * unfolded, at the price of a proof that may not be found.
 *
 * A shape lives in the memory context that was current when it was read.  What
 * reading and deparsing leave behind, many times its size, does not: a
 * statement may drop thousands of indexes.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/reloptions.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opclass.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"

#include "evidence/shape/shape.h"
#include "store/store.h"

/* Copy the fixed part of the pg_index row. */
static void
read_flags(GuardShape *shape, Form_pg_index form)
{
	shape->table = form->indrelid;
	shape->unique = form->indisunique;
	shape->nulls_not_distinct = form->indnullsnotdistinct;
	shape->primary = form->indisprimary;
	shape->exclusion = form->indisexclusion;
	shape->deferrable = !form->indimmediate;
	shape->replident = form->indisreplident;
	shape->clustered = form->indisclustered;
	shape->valid = form->indisvalid;
	shape->ready = form->indisready;
	shape->live = form->indislive;
	shape->checkxmin = form->indcheckxmin;
	shape->nkeys = form->indnkeyatts;
}

/* A pg_node_tree attribute of a pg_index row; NULL when it is null. */
static Node *
read_tree(HeapTuple tuple, AttrNumber attribute)
{
	Datum		value;
	bool		isnull;

	value = SysCacheGetAttr(INDEXRELID, tuple, attribute, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(value));
}

static bool
is_user_function(Oid function, void *context)
{
	return function >= FirstNormalObjectId;
}

/* Does an expression call a function that did not come with PostgreSQL? */
static bool
calls_user_code(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_user_function, context))
		return true;

	return expression_tree_walker(node, calls_user_code, context);
}

/*
 * Bring a predicate into the form that predicate_implied_by() expects, as
 * RelationGetIndexPredicate() does, but without running anybody's code.
 */
static List *
normalize_predicate(Node *predicate)
{
	if (predicate == NULL)
		return NIL;

	if (!calls_user_code(predicate, NULL))
		predicate = eval_const_expressions(NULL, predicate);
	predicate = (Node *) canonicalize_qual((Expr *) predicate, false);

	return make_ands_implicit((Expr *) predicate);
}

/*
 * Options as they are written between the parentheses of WITH (...) or behind an
 * operator class; NULL when there are none.
 */
static char *
format_options(Datum options)
{
	StringInfoData buf;

	initStringInfo(&buf);
	foreach_ptr(DefElem, option, untransformRelOptions(options))
	{
		appendStringInfo(&buf, "%s%s=%s", buf.len > 0 ? ", " : "",
						 option->defname,
						 quote_literal_cstr(defGetString(option)));
	}

	return buf.len > 0 ? buf.data : NULL;
}

/* How many heap blocks a BRIN index with these options sums up in one entry. */
static int
pages_per_range(Datum options)
{
	foreach_ptr(DefElem, option, untransformRelOptions(options))
	{
		if (strcmp(option->defname, "pages_per_range") == 0)
			return atoi(defGetString(option));
	}

	return BRIN_DEFAULT_PAGES_PER_RANGE;
}

/* What the index's own pg_class row says.  False when it has vanished. */
static bool
read_relation(GuardShape *shape)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(shape->index));
	Form_pg_class form;
	Datum		options;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return false;

	form = (Form_pg_class) GETSTRUCT(tuple);
	shape->name = pstrdup(NameStr(form->relname));
	shape->am = form->relam;
	shape->partitioned = (form->relkind == RELKIND_PARTITIONED_INDEX);
	shape->tuples = form->reltuples;

	options = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &isnull);
	if (isnull)
		options = (Datum) 0;
	shape->storage_options = format_options(options);
	if (shape->am == BRIN_AM_OID)
		shape->pages_per_range = pages_per_range(options);

	ReleaseSysCache(tuple);

	return true;
}

/* Names of the table and its schema.  False when either has vanished. */
static bool
read_table_name(GuardShape *shape)
{
	shape->table_name = get_rel_name(shape->table);
	shape->schema = get_namespace_name(get_rel_namespace(shape->table));

	return shape->table_name != NULL && shape->schema != NULL;
}

/* An oidvector or int2vector attribute of a pg_index row; never null. */
static void *
read_vector(HeapTuple tuple, AttrNumber attribute)
{
	Datum		value;
	bool		isnull;

	value = SysCacheGetAttr(INDEXRELID, tuple, attribute, &isnull);
	Assert(!isnull);

	return DatumGetPointer(value);
}

/* Operator class parameters of one key as text; NULL when there are none. */
static char *
read_opclass_options(Oid index, int keyno)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(index),
										Int16GetDatum(keyno));
	Datum		options;
	bool		isnull;
	char	   *str = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;

	options = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attoptions,
							  &isnull);
	if (!isnull)
		str = format_options(options);
	ReleaseSysCache(tuple);

	return str;
}

/* Name, type and own collation of the column that a key refers to. */
static bool
read_column(Oid table, GuardShapeKey *key)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(table),
										Int16GetDatum(key->attnum));
	Form_pg_attribute form;

	if (!HeapTupleIsValid(tuple))
		return false;

	form = (Form_pg_attribute) GETSTRUCT(tuple);
	key->column = pstrdup(NameStr(form->attname));
	key->type = form->atttypid;
	key->default_collation = (key->collation == form->attcollation);
	ReleaseSysCache(tuple);

	return true;
}

/* Family, input type and default-ness of a key's operator class. */
static bool
read_opclass(Oid am, GuardShapeKey *key)
{
	FormData_pg_opclass form;

	if (!guard_catalog_form(CLAOID, key->opclass, &form))
		return false;
	key->opfamily = form.opcfamily;
	key->opclass_input = form.opcintype;

	/*
	 * of a type's own there is one; the look-up reads all of the access
	 * method's
	 */
	key->default_opclass = (form.opcdefault && form.opcintype == key->type) ||
		GetDefaultOpClass(key->type, am) == key->opclass;
	return true;
}

/*
 * What a key refers to, and whether its operator class and collation are those
 * it would have by default.  False when any of it has vanished.
 */
static bool
read_key(GuardShape *shape, GuardShapeKey *key)
{
	if (key->attnum == 0)
	{
		key->type = exprType(key->expression);
		key->default_collation =
			(key->collation == exprCollation(key->expression));
	}
	else if (!read_column(shape->table, key))
		return false;

	return read_opclass(shape->am, key);
}

/* Keys and INCLUDE columns.  False when anything of them has vanished. */
static bool
read_columns(GuardShape *shape, HeapTuple tuple)
{
	Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);
	oidvector  *opclasses = read_vector(tuple, Anum_pg_index_indclass);
	oidvector  *collations = read_vector(tuple, Anum_pg_index_indcollation);
	int2vector *options = read_vector(tuple, Anum_pg_index_indoption);
	List	   *expressions = (List *) read_tree(tuple, Anum_pg_index_indexprs);
	ListCell   *next = list_head(expressions);

	shape->keys = palloc0(sizeof(GuardShapeKey) * shape->nkeys);
	for (int i = 0; i < shape->nkeys; i++)
	{
		GuardShapeKey *key = &shape->keys[i];

		key->attnum = form->indkey.values[i];
		if (key->attnum == 0)
		{
			key->expression = lfirst(next);
			next = lnext(expressions, next);
		}
		key->opclass = opclasses->values[i];
		key->collation = collations->values[i];
		key->option = options->values[i];
		key->opclass_options = read_opclass_options(shape->index, i + 1);
		if (!read_key(shape, key))
			return false;
	}

	for (int i = shape->nkeys; i < form->indnatts; i++)
	{
		char	   *column = get_attname(shape->table, form->indkey.values[i],
										 true);

		if (column == NULL)
			return false;
		shape->included = lappend(shape->included, column);
		shape->included_columns = lappend_int(shape->included_columns,
											  form->indkey.values[i]);
	}

	return true;
}

/* Note with each key the operator that an exclusion constraint uses on it. */
static void
read_exclusion_operators(GuardShape *shape, HeapTuple tuple)
{
	Datum		value;
	bool		isnull;
	ArrayType  *operators;

	value = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_conexclop,
							&isnull);
	if (isnull)
		return;

	operators = DatumGetArrayTypeP(value);
	if (ARR_NDIM(operators) != 1 || ARR_DIMS(operators)[0] != shape->nkeys ||
		ARR_HASNULL(operators) || ARR_ELEMTYPE(operators) != OIDOID)
		elog(ERROR, "conexclop is not a 1-D Oid array of %d elements",
			 shape->nkeys);

	for (int i = 0; i < shape->nkeys; i++)
		shape->keys[i].exclusion_operator = ((Oid *) ARR_DATA_PTR(operators))[i];
}

/*
 * The constraint that the index belongs to, if any.  False when there was one
 * and it has vanished.
 */
static bool
read_constraint(GuardShape *shape)
{
	HeapTuple	tuple;
	Form_pg_constraint form;

	if (shape->unique || shape->exclusion)
		shape->constraint = get_index_constraint(shape->index);
	if (!OidIsValid(shape->constraint))
		return true;

	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(shape->constraint));
	if (!HeapTupleIsValid(tuple))
		return false;

	form = (Form_pg_constraint) GETSTRUCT(tuple);
	shape->constraint_name = pstrdup(NameStr(form->conname));
	shape->initially_deferred = form->condeferred;
	if (shape->exclusion)
		read_exclusion_operators(shape, tuple);
	ReleaseSysCache(tuple);

	return true;
}

/*
 * All of a shape but its texts; NULL when the index has vanished.  *predicate
 * receives the predicate as it was written, NULL when there is none.
 */
static GuardShape *
read_catalogs(Oid index, Node **predicate)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	GuardShape *shape;
	bool		found;

	if (!HeapTupleIsValid(tuple))
		return NULL;

	shape = palloc0(sizeof(GuardShape));
	shape->index = index;
	shape->xmin = HeapTupleHeaderGetXmin(tuple->t_data);
	read_flags(shape, (Form_pg_index) GETSTRUCT(tuple));

	*predicate = read_tree(tuple, Anum_pg_index_indpred);
	shape->has_predicate = (*predicate != NULL);
	shape->predicate = normalize_predicate(*predicate);

	found = read_relation(shape) &&
		read_table_name(shape) &&
		read_columns(shape, tuple) &&
		read_constraint(shape);

	ReleaseSysCache(tuple);

	return found ? shape : NULL;
}

static GuardShape *
read_shape(Oid index, bool definition)
{
	Oid			table = IndexGetRelation(index, true);
	MemoryContext context;
	MemoryContext old;
	Node	   *predicate;
	GuardShape *shape;
	bool		locked;

	if (!OidIsValid(table))
		return NULL;

	context = AllocSetContextCreate(CurrentMemoryContext, "guard shape",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	locked = ConditionalLockRelationOid(table, AccessShareLock);

	shape = read_catalogs(index, &predicate);
	if (shape != NULL)
		guard_shape_text_fill(shape, predicate, locked, definition);

	/* locks are counted: one that we held before stays held */
	if (locked)
		UnlockRelationOid(table, AccessShareLock);

	MemoryContextSwitchTo(old);
	if (shape != NULL)
		shape = guard_shape_copy(shape);
	MemoryContextDelete(context);
	return shape;
}

/* A shape that is remembered. */
typedef struct Remembered
{
	Oid			index;			/* key */
	GuardShape *shape;			/* NULL: it has vanished */
} Remembered;

static HTAB *remembered = NULL; /* NULL: none is */
static MemoryContext remembering;

/*
 * Read each shape once; see shape.h.
 */
void
guard_shape_remember(void)
{
	remembering = CurrentMemoryContext;
	guard_hash_for_now(&remembered, "guard shapes", sizeof(Oid), sizeof(Remembered));
}

/*
 * The shape of an index, in the current memory context; NULL when it has
 * vanished.  Waits for no lock, and holds none afterwards that the caller did
 * not hold.  May process invalidation messages.
 */
GuardShape *
guard_shape_read(Oid index)
{
	GuardShape *shape;

	if (remembered == NULL)
		return read_shape(index, true);
	shape = guard_shape_read_to_compare(index);
	return shape != NULL ? guard_shape_copy(shape) : NULL;
}

/*
 * The same without its definition, for comparing it with others: a table may
 * have many indexes.
 */
GuardShape *
guard_shape_read_to_compare(Oid index)
{
	Remembered *known;
	MemoryContext old;
	bool		found;

	if (remembered == NULL)
		return read_shape(index, false);
	known = hash_search(remembered, &index, HASH_ENTER, &found);
	if (!found)
	{
		known->shape = NULL;
		old = MemoryContextSwitchTo(remembering);
		known->shape = read_shape(index, false);
		MemoryContextSwitchTo(old);
	}
	return known->shape;
}

static char *
copy_string(const char *string)
{
	return string == NULL ? NULL : pstrdup(string);
}

/* Give a bitwise copied key its own strings and tree. */
static void
copy_key(GuardShapeKey *key)
{
	key->column = copy_string(key->column);
	key->expression = copyObject(key->expression);
	key->expression_text = copy_string(key->expression_text);
	key->opclass_options = copy_string(key->opclass_options);
}

/*
 * A deep copy into the current memory context.
 */
GuardShape *
guard_shape_copy(const GuardShape *shape)
{
	GuardShape *copy = palloc(sizeof(GuardShape));

	memcpy(copy, shape, sizeof(GuardShape));

	copy->schema = copy_string(shape->schema);
	copy->table_name = copy_string(shape->table_name);
	copy->name = copy_string(shape->name);
	copy->constraint_name = copy_string(shape->constraint_name);
	copy->predicate_text = copy_string(shape->predicate_text);
	copy->storage_options = copy_string(shape->storage_options);
	copy->definition = copy_string(shape->definition);
	copy->predicate = copyObject(shape->predicate);

	copy->included = NIL;
	copy->included_columns = list_copy(shape->included_columns);
	foreach_ptr(char, name, shape->included)
		copy->included = lappend(copy->included, pstrdup(name));

	copy->keys = palloc(sizeof(GuardShapeKey) * shape->nkeys);
	memcpy(copy->keys, shape->keys, sizeof(GuardShapeKey) * shape->nkeys);
	for (int i = 0; i < copy->nkeys; i++)
		copy_key(&copy->keys[i]);

	return copy;
}
