/*-------------------------------------------------------------------------
 *
 * saved.c
 *	  The shape of an index as a text, which outlives the index.
 *
 * Whoever asks whose traffic an index has taken over compares it with indexes
 * that are gone, so their shapes are kept: in shared memory, and in guard's
 * tables.  The text is a list of strings in the order in which they are read
 * here.  Catalog objects are told by OID, columns by name.
 *
 * Expressions and predicates are compared by their deparsed text; their trees
 * are kept as well, for what only trees can prove, and are read by the very
 * version of PostgreSQL that wrote them.  Where there is no room for them the
 * text goes without.
 *
 * How many entries a partial index had is kept as a part of its table's rows:
 * the table goes on growing when the index is gone.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/catversion.h"
#include "commands/defrem.h"
#include "nodes/value.h"
#include "parser/parse_coerce.h"

#include "evidence/shape/shape.h"
#include "store/store.h"

/* What a text begins with; another one is not understood. */
#define FORMAT	"1"

/* Bits of a shape that a comparison looks at. */
#define IS_PARTITIONED			(1 << 0)
#define IS_UNIQUE				(1 << 1)
#define NULLS_NOT_DISTINCT		(1 << 2)
#define IS_PRIMARY				(1 << 3)
#define IS_EXCLUSION			(1 << 4)
#define IS_DEFERRABLE			(1 << 5)
#define INITIALLY_DEFERRED		(1 << 6)
#define IS_REPLIDENT			(1 << 7)
#define HAS_PREDICATE			(1 << 8)

#define DEFAULT_OPCLASS			(1 << 0)
#define DEFAULT_COLLATION		(1 << 1)

/* A text that is being read: what is left of it, and whether all was well. */
typedef struct Reader
{
	List	   *strings;
	int			next;
	bool		failed;
} Reader;

static void
put_text(List **strings, const char *text)
{
	*strings = lappend(*strings, makeString(text != NULL ?
											psprintf("=%s", text) : pstrdup("-")));
}

static void
put_number(List **strings, int64 number)
{
	*strings = lappend(*strings, makeString(psprintf(INT64_FORMAT, number)));
}

static const char *
get_string(Reader *reader)
{
	Node	   *node = reader->next < list_length(reader->strings) ?
		list_nth(reader->strings, reader->next++) : NULL;

	if (node == NULL || !IsA(node, String))
	{
		reader->failed = true;
		return "-";
	}
	return strVal(node);
}

static char *
get_text(Reader *reader)
{
	const char *string = get_string(reader);

	return *string == '=' ? pstrdup(string + 1) : NULL;
}

static int64
get_number(Reader *reader)
{
	return strtoll(get_string(reader), NULL, 10);
}

/*
 * The rows of a table, as the catalog has it; 0 where it does not know.
 */
static double
table_rows(Oid table)
{
	FormData_pg_class form;

	(void) guard_catalog_form(RELOID, table, &form);
	return Max(form.reltuples, 0);
}

/*
 * ALTER TYPE drops an index when its column has changed already.  What counts is
 * the type for which it was made, and the collation that it had.
 */
static GuardShapeKey
before_alter_type(Oid am, Oid table, const GuardShapeKey *key)
{
	GuardShapeKey result = *key;

	if (key->attnum > 0 && !key->default_collation)
		result.default_collation = key->collation == guard_before_collation(table, key->attnum);

	if (!key->default_opclass &&
		!IsBinaryCoercible(key->type, key->opclass_input) &&
		GetDefaultOpClass(key->opclass_input, am) == key->opclass)
	{
		result.type = key->opclass_input;
		result.default_opclass = true;
		result.default_collation |= key->collation == get_typcollation(result.type);
	}
	return result;
}

static void
put_key(List **strings, const GuardShapeKey *key, bool trees)
{
	put_number(strings, key->attnum);
	put_text(strings, key->column);
	put_text(strings, key->expression_text);
	put_text(strings, trees && key->expression != NULL ?
			 nodeToString(key->expression) : NULL);
	put_number(strings, key->type);
	put_number(strings, key->opfamily);
	put_number(strings, key->opclass);
	put_number(strings, key->opclass_input);
	put_number(strings, (key->default_opclass ? DEFAULT_OPCLASS : 0) |
			   (key->default_collation ? DEFAULT_COLLATION : 0));
	put_text(strings, key->opclass_options);
	put_number(strings, key->collation);
	put_number(strings, key->option);
	put_number(strings, key->exclusion_operator);
}

static Node *
get_tree(Reader *reader, bool readable)
{
	char	   *text = get_text(reader);

	return text != NULL && readable ? stringToNode(text) : NULL;
}

static void
get_key(Reader *reader, GuardShapeKey *key, bool readable)
{
	int			flags;

	key->attnum = (AttrNumber) get_number(reader);
	key->column = get_text(reader);
	key->expression_text = get_text(reader);
	key->expression = get_tree(reader, readable);
	key->type = (Oid) get_number(reader);
	key->opfamily = (Oid) get_number(reader);
	key->opclass = (Oid) get_number(reader);
	key->opclass_input = (Oid) get_number(reader);
	flags = (int) get_number(reader);
	key->default_opclass = (flags & DEFAULT_OPCLASS) != 0;
	key->default_collation = (flags & DEFAULT_COLLATION) != 0;
	key->opclass_options = get_text(reader);
	key->collation = (Oid) get_number(reader);
	key->option = (int16) get_number(reader);
	key->exclusion_operator = (Oid) get_number(reader);

	/* a column is compared by its name */
	reader->failed |= key->attnum != 0 && key->column == NULL;
}

static int
flags_of(const GuardShape *shape)
{
	return (shape->partitioned ? IS_PARTITIONED : 0) |
		(shape->unique ? IS_UNIQUE : 0) |
		(shape->nulls_not_distinct ? NULLS_NOT_DISTINCT : 0) |
		(shape->primary ? IS_PRIMARY : 0) |
		(shape->exclusion ? IS_EXCLUSION : 0) |
		(shape->deferrable ? IS_DEFERRABLE : 0) |
		(shape->initially_deferred ? INITIALLY_DEFERRED : 0) |
		(shape->replident ? IS_REPLIDENT : 0) |
		(shape->has_predicate ? HAS_PREDICATE : 0);
}

char *
guard_shape_to_text(const GuardShape *shape, bool trees)
{
	List	   *strings = NIL;
	double		rows = table_rows(shape->table);

	strings = list_make1(makeString(FORMAT));
	put_number(&strings, CATALOG_VERSION_NO);
	put_number(&strings, shape->am);
	put_number(&strings, flags_of(shape));
	put_number(&strings, shape->pages_per_range);

	/* in thousandths; -1: not known */
	put_number(&strings, shape->tuples > 0 && rows > 0 ?
			   (int64) (Min(shape->tuples / rows, 1) * 1000) : -1);
	put_text(&strings, shape->predicate_text);
	put_text(&strings, trees && shape->predicate != NIL ?
			 nodeToString(shape->predicate) : NULL);
	put_number(&strings, shape->nkeys);
	for (int i = 0; i < shape->nkeys; i++)
	{
		GuardShapeKey key = before_alter_type(shape->am, shape->table,
											  &shape->keys[i]);

		put_key(&strings, &key, trees);
	}
	foreach_ptr(char, name, shape->included)
		put_text(&strings, name);
	return nodeToString(strings);
}

GuardShape *
guard_shape_from_text(const char *text, Oid table)
{
	GuardShape *shape = palloc0(sizeof(GuardShape));
	Reader		reader = {castNode(List, stringToNode(text)), 0, false};
	bool		readable;
	int			flags;
	int64		part;

	if (strcmp(get_string(&reader), FORMAT) != 0)
		return NULL;
	readable = get_number(&reader) == CATALOG_VERSION_NO;
	shape->table = table;
	shape->am = (Oid) get_number(&reader);
	flags = (int) get_number(&reader);
	shape->partitioned = (flags & IS_PARTITIONED) != 0;
	shape->unique = (flags & IS_UNIQUE) != 0;
	shape->nulls_not_distinct = (flags & NULLS_NOT_DISTINCT) != 0;
	shape->primary = (flags & IS_PRIMARY) != 0;
	shape->exclusion = (flags & IS_EXCLUSION) != 0;
	shape->deferrable = (flags & IS_DEFERRABLE) != 0;
	shape->initially_deferred = (flags & INITIALLY_DEFERRED) != 0;
	shape->replident = (flags & IS_REPLIDENT) != 0;
	shape->has_predicate = (flags & HAS_PREDICATE) != 0;
	shape->pages_per_range = (int) get_number(&reader);
	part = get_number(&reader);
	if (part >= 0)
		shape->tuples = Max(part, 1) * table_rows(table) / 1000;
	shape->predicate_text = get_text(&reader);
	shape->predicate = (List *) get_tree(&reader, readable);
	shape->nkeys = (int) get_number(&reader);
	if (reader.failed || shape->nkeys <= 0 || shape->nkeys > INDEX_MAX_KEYS)
		return NULL;
	shape->keys = palloc0(shape->nkeys * sizeof(GuardShapeKey));
	for (int i = 0; i < shape->nkeys; i++)
		get_key(&reader, &shape->keys[i], readable);
	while (reader.next < list_length(reader.strings))
		shape->included = lappend(shape->included, get_text(&reader));
	return reader.failed ? NULL : shape;
}

char *
guard_shape_describe(Oid index)
{
	GuardShape *shape = guard_shape_read(index);

	return shape != NULL ? guard_shape_to_text(shape, true) : NULL;
}
