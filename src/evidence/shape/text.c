/*-------------------------------------------------------------------------
 *
 * text.c
 *	  The texts of a shape: deparsed expressions and the definition.
 *
 * Two kinds of text are made here.  The definition rebuilds the index when
 * somebody wants it back, so it is as PostgreSQL itself would write it.  The
 * texts of expressions and of the predicate exist to be compared, so casts
 * that nobody wrote are left out of them: "lower(email)" is stored as
 * "lower((email)::text)" while email is a varchar, and should be recognized
 * when the column has become text.
 *
 * PostgreSQL's deparser opens the table under an AccessShareLock.  We call it
 * only where the caller has got that lock without waiting; otherwise an index
 * on plain columns gets a definition put together from the catalogs, and
 * anything else gets none.
 *
 * A text must not depend on the settings of the session that happens to ask:
 * it is compared with one made earlier, and may be run long afterwards.  So
 * everything here is done under pinned settings, as in pg_dump.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "nodes/makefuncs.h"
#include "utils/ruleutils.h"

#include "evidence/shape/shape.h"

/*
 * Pin every setting that deparsed text depends on.  The caller gives the
 * returned level to AtEOXact_GUC(); after an error the transaction does.
 */
static int
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"quote_all_identifiers", "off"},
		{"DateStyle", "ISO"},
		{"IntervalStyle", "postgres"},
		{"TimeZone", "GMT"},
		{"bytea_output", "hex"},
		{"extra_float_digits", "3"},
	};
	int			nestlevel = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1],
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);

	return nestlevel;
}

/*
 * Make sure that the index cannot vanish under the deparser, which would be
 * an error.  The lock on the table does that, except against the last phase
 * of DROP INDEX CONCURRENTLY: it waits for holders of such a lock once more
 * after it has marked the index dead, but we may have come after that.  For a
 * dead index the index itself is locked, too; the caller releases that lock.
 * False when it cannot be had at once.
 */
static bool
keep_from_vanishing(GuardShape *shape)
{
	if (shape->live)
		return true;

	if (!ConditionalLockRelationOid(shape->index, AccessShareLock))
		return false;
	if (OidIsValid(IndexGetRelation(shape->index, true)))
		return true;

	UnlockRelationOid(shape->index, AccessShareLock);
	return false;
}

/* A copy without the relabelings that parse analysis put in by itself. */
static Node *
strip_implicit_casts(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, RelabelType) &&
		((RelabelType *) node)->relabelformat == COERCE_IMPLICIT_CAST)
		return strip_implicit_casts((Node *) ((RelabelType *) node)->arg,
									context);

	return expression_tree_mutator(node, strip_implicit_casts, context);
}

/* Fill in the texts that are compared with those of other shapes. */
static void
deparse_comparable(GuardShape *shape, Node *predicate)
{
	List	   *context = NIL;

	for (int i = 0; i < shape->nkeys; i++)
	{
		GuardShapeKey *key = &shape->keys[i];

		if (key->expression == NULL)
			continue;
		if (context == NIL)
			context = deparse_context_for(shape->table_name, shape->table);
		key->expression_text =
			deparse_expression(strip_implicit_casts(key->expression, NULL),
							   context, false, false);
	}

	if (predicate != NULL)
	{
		if (context == NIL)
			context = deparse_context_for(shape->table_name, shape->table);

		shape->predicate_text =
			deparse_expression(strip_implicit_casts(predicate, NULL),
							   context, false, false);
	}
}

/*
 * May a tree be deparsed long after it was made?  What it refers to must be
 * there: columns, functions, operators and types.
 */
static bool
has_gone(Oid function, void *context)
{
	return !SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(function));
}

static bool
operator_has_gone(Node *node)
{
	Oid			operator = IsA(node, OpExpr) ? ((OpExpr *) node)->opno :
		IsA(node, ScalarArrayOpExpr) ? ((ScalarArrayOpExpr *) node)->opno : InvalidOid;

	return OidIsValid(operator) &&
		!SearchSysCacheExists1(OPEROID, ObjectIdGetDatum(operator));
}

static bool
refers_to_more(Node *node, void *table)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno <= 0 ||
			get_attname(*(Oid *) table, ((Var *) node)->varattno, true) == NULL;
	switch (nodeTag(node))
	{
		case T_List:
			break;
		case T_Const:
		case T_OpExpr:
		case T_FuncExpr:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_ScalarArrayOpExpr:
		case T_CoalesceExpr:
		case T_CoerceViaIO:
		case T_ArrayExpr:
			if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(exprType(node))) ||
				operator_has_gone(node) ||
				check_functions_in_node(node, has_gone, NULL))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, refers_to_more, table);
}

bool
guard_shape_text_renew(GuardShape *shape)
{
	bool		readable = shape->predicate != NIL || !shape->has_predicate;
	int			nestlevel;

	for (int i = 0; i < shape->nkeys; i++)
		readable &= shape->keys[i].attnum != 0 ||
			(shape->keys[i].expression != NULL &&
			 !refers_to_more(shape->keys[i].expression, &shape->table));
	readable &= !refers_to_more((Node *) shape->predicate, &shape->table);
	shape->table_name = get_rel_name(shape->table);
	if (!readable || shape->table_name == NULL ||
		!ConditionalLockRelationOid(shape->table, AccessShareLock))
		return false;
	nestlevel = pin_settings();
	deparse_comparable(shape, shape->predicate == NIL ? NULL :
					   (Node *) make_ands_explicit(shape->predicate));
	AtEOXact_GUC(true, nestlevel);
	UnlockRelationOid(shape->table, AccessShareLock);
	return true;
}

/*
 * Does the deparser see this constraint?  It looks with the transaction's
 * snapshot, which under REPEATABLE READ may be older than the constraint that
 * we found in the system cache, and fails when it finds nothing.  The
 * SQL-callable variant answers NULL instead.
 */
static bool
constraint_visible(Oid constraint)
{
	LOCAL_FCINFO(fcinfo, 1);

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(constraint);
	fcinfo->args[0].isnull = false;
	(void) pg_get_constraintdef(fcinfo);

	return !fcinfo->isnull;
}

/*
 * The definition as PostgreSQL writes it; NULL when it cannot.
 */
static char *
deparse_definition(GuardShape *shape)
{
	if (!OidIsValid(shape->constraint))
		return pg_get_indexdef_string(shape->index);

	if (!constraint_visible(shape->constraint))
		return NULL;

	return pg_get_constraintdef_command(shape->constraint);
}

/* The same for an ALTER TABLE ... ADD CONSTRAINT statement. */
static void
append_constraint_head(StringInfo buf, GuardShape *shape)
{
	appendStringInfo(buf, "ALTER TABLE %s ADD CONSTRAINT %s %s ",
					 quote_qualified_identifier(shape->schema,
												shape->table_name),
					 quote_identifier(shape->constraint_name),
					 shape->primary ? "PRIMARY KEY" : "UNIQUE");
	if (shape->nulls_not_distinct)
		appendStringInfoString(buf, "NULLS NOT DISTINCT ");
}

/* Everything before the opening parenthesis of a CREATE INDEX statement. */
static void
append_index_head(StringInfo buf, const GuardShape *shape, const char *am)
{
	appendStringInfo(buf, "CREATE %sINDEX %s%sON %s USING %s ",
					 shape->unique ? "UNIQUE " : "",
					 shape->name != NULL ? quote_identifier(shape->name) : "",
					 shape->name != NULL ? " " : "",
					 quote_qualified_identifier(shape->schema,
												shape->table_name),
					 quote_identifier(am));
}

/*
 * One key column; with what differs from the defaults, where the statement is
 * a CREATE INDEX.  A constraint has nothing but defaults.
 */
static void
append_key(StringInfo buf, const GuardShape *shape, const GuardShapeKey *key)
{
	if (key->column != NULL)
		appendStringInfoString(buf, quote_identifier(key->column));
	else
		appendStringInfo(buf, "(%s)", key->expression_text);
	if (OidIsValid(shape->constraint))
		return;

	if (!key->default_collation && OidIsValid(key->collation))
		appendStringInfo(buf, " COLLATE %s",
						 generate_collation_name(key->collation));

	if (!key->default_opclass || key->opclass_options != NULL)
		appendStringInfo(buf, " %s", generate_opclass_name(key->opclass));
	if (key->opclass_options != NULL)
		appendStringInfo(buf, " (%s)", key->opclass_options);

	/* access methods without an order have no bits set */
	if (key->option & INDOPTION_DESC)
	{
		appendStringInfoString(buf, " DESC");
		if (!(key->option & INDOPTION_NULLS_FIRST))
			appendStringInfoString(buf, " NULLS LAST");
	}
	else if (key->option & INDOPTION_NULLS_FIRST)
		appendStringInfoString(buf, " NULLS FIRST");
}

/* Everything behind the column lists. */
static void
append_tail(StringInfo buf, GuardShape *shape)
{
	bool		is_constraint = OidIsValid(shape->constraint);
	Oid			tablespace = get_rel_tablespace(shape->index);
	char	   *tablespace_name = NULL;

	if (OidIsValid(tablespace))
		tablespace_name = get_tablespace_name(tablespace);

	if (shape->nulls_not_distinct && !is_constraint)
		appendStringInfoString(buf, " NULLS NOT DISTINCT");
	if (shape->storage_options != NULL)
		appendStringInfo(buf, " WITH (%s)", shape->storage_options);
	if (tablespace_name != NULL)
		appendStringInfo(buf, "%s TABLESPACE %s",
						 is_constraint ? " USING INDEX" : "",
						 quote_identifier(tablespace_name));
	if (shape->deferrable)
		appendStringInfoString(buf, " DEFERRABLE");
	if (shape->initially_deferred)
		appendStringInfoString(buf, " INITIALLY DEFERRED");
}

/* The lists of columns, in parentheses. */
static void
append_columns(StringInfo buf, const GuardShape *shape)
{
	ListCell   *lc;

	for (int i = 0; i < shape->nkeys; i++)
	{
		appendStringInfoString(buf, i == 0 ? "(" : ", ");
		append_key(buf, shape, &shape->keys[i]);
	}
	appendStringInfoChar(buf, ')');

	foreach(lc, shape->included)
		appendStringInfo(buf, "%s%s",
						 lc == list_head(shape->included) ? " INCLUDE (" : ", ",
						 quote_identifier(lfirst(lc)));
	if (shape->included != NIL)
		appendStringInfoChar(buf, ')');
}

/*
 * CREATE INDEX for what traffic asks for, where its texts are known.
 */
char *
guard_shape_creation(const GuardShape *shape)
{
	GuardShape	plain = *shape;
	char	   *am = get_am_name(shape->am);
	StringInfoData buf;

	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i].column == NULL && shape->keys[i].expression_text == NULL)
			return NULL;
	}
	if (am == NULL || shape->exclusion || shape->schema == NULL ||
		(shape->has_predicate && shape->predicate_text == NULL))
		return NULL;
	plain.name = NULL;
	plain.constraint = InvalidOid;
	initStringInfo(&buf);
	append_index_head(&buf, &plain, am);
	append_columns(&buf, &plain);
	if (shape->nulls_not_distinct)
		appendStringInfoString(&buf, " NULLS NOT DISTINCT");
	if (shape->has_predicate)
		appendStringInfo(&buf, " WHERE %s", shape->predicate_text);
	return buf.data;
}

/*
 * The definition of an index on plain columns, put together from what the
 * shape knows; NULL for one with expressions, a predicate or exclusion
 * operators, which need the deparser.
 */
static char *
compose_definition(GuardShape *shape)
{
	char	   *am = get_am_name(shape->am);
	StringInfoData buf;

	if (am == NULL || shape->has_predicate || shape->exclusion)
		return NULL;
	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i].expression != NULL)
			return NULL;
	}

	initStringInfo(&buf);
	if (OidIsValid(shape->constraint))
		append_constraint_head(&buf, shape);
	else
		append_index_head(&buf, shape, am);

	append_columns(&buf, shape);
	append_tail(&buf, shape);

	return buf.data;
}

/*
 * Fill in the texts of a shape that is complete but for them.  "predicate" is
 * the predicate as it is stored, NULL for none: deparsed where nothing is left
 * of it, since guard_shape_text_renew() has only what is left.  "locked" says
 * that the caller holds an AccessShareLock on the table; if not, the texts for
 * comparison stay NULL.  Without "definition" these are all that is wanted.
 */
void
guard_shape_text_fill(GuardShape *shape, Node *predicate, bool locked,
					  bool definition)
{
	int			nestlevel;
	bool		comparable = predicate != NULL;

	for (int i = 0; i < shape->nkeys; i++)
		comparable |= shape->keys[i].expression != NULL;
	if (!comparable && !definition)
		return;
	nestlevel = pin_settings();
	if (locked && keep_from_vanishing(shape))
	{
		deparse_comparable(shape, shape->predicate == NIL ? predicate :
						   (Node *) make_ands_explicit(shape->predicate));
		if (definition)
			shape->definition = deparse_definition(shape);
		if (!shape->live)
			UnlockRelationOid(shape->index, AccessShareLock);
	}

	if (definition && shape->definition == NULL)
		shape->definition = compose_definition(shape);

	AtEOXact_GUC(true, nestlevel);
}
