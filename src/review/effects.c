/*-------------------------------------------------------------------------
 *
 * effects.c
 *	  What a statement of a script makes, renames and moves.
 *
 * Followed as far as it decides which index a later name means, and whether
 * an index replaces another.  Views, sequences, types and the like are not.
 * What a statement removes is removal.c's.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "parser/parse_type.h"
#include "utils/syscache.h"

#include "compat/list.h"
#include "review/script.h"

static void create_table(Script *script, CreateStmt *stmt);
static void create_table_as(Script *script, IntoClause *into, char relkind,
							bool if_not_exists);
static void create_index(Script *script, IndexStmt *stmt);
static void create_schema(Script *script, CreateSchemaStmt *stmt);
static void alter_table(Script *script, AlterTableStmt *stmt);
static void alter_column_type(Script *script, ScriptRelation *table,
							  const char *name, TypeName *type);
static void rename_object(Script *script, RenameStmt *stmt);
static void renamed_table(Script *script, ScriptRelation *table);
static void reindex(Script *script, ReindexStmt *stmt);
static void move_object(Script *script, AlterObjectSchemaStmt *stmt);
static ScriptRelation *add_relation(Script *script, RangeVar *name,
									char relkind, bool if_not_exists);
static void add_element(Script *script, ScriptRelation *table, Node *element);
static void add_column_def(Script *script, ScriptRelation *table, ColumnDef *def);
static void add_constraint(Script *script, ScriptRelation *table,
						   Constraint *constraint, const char *column);
static void use_index(Script *script, ScriptRelation *table,
					  Constraint *constraint);
static void copy_columns(Script *script, ScriptRelation *table,
						 ScriptRelation *source);
static void copy_indexes(Script *script, ScriptRelation *table,
						 ScriptRelation *source);
static ScriptRelation *add_index(Script *script, ScriptRelation *table,
								 const char *name, List *columns,
								 const char *label);
static char *choose_name(Script *script, ScriptRelation *table, List *columns,
						 const char *label);

void
guard_effects_apply(Script *script, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreateStmt:
			create_table(script, (CreateStmt *) stmt);
			break;
		case T_CreateTableAsStmt:
			{
				CreateTableAsStmt *as = (CreateTableAsStmt *) stmt;

				create_table_as(script, as->into,
								as->objtype == OBJECT_MATVIEW ? RELKIND_MATVIEW :
								RELKIND_RELATION, as->if_not_exists);
				break;
			}
		case T_SelectStmt:
			if (((SelectStmt *) stmt)->intoClause != NULL)
				create_table_as(script, ((SelectStmt *) stmt)->intoClause,
								RELKIND_RELATION, false);
			break;
		case T_ViewStmt:
			(void) add_relation(script, ((ViewStmt *) stmt)->view, RELKIND_VIEW,
								true);
			break;
		case T_IndexStmt:
			create_index(script, (IndexStmt *) stmt);
			break;
		case T_CreateSchemaStmt:
			create_schema(script, (CreateSchemaStmt *) stmt);
			break;
		case T_AlterTableStmt:
			alter_table(script, (AlterTableStmt *) stmt);
			break;
		case T_ReindexStmt:
			reindex(script, (ReindexStmt *) stmt);
			break;
		case T_RenameStmt:
			rename_object(script, (RenameStmt *) stmt);
			break;
		case T_AlterObjectSchemaStmt:
			move_object(script, (AlterObjectSchemaStmt *) stmt);
			break;
		default:
			break;
	}
}

/* ---- tables ---- */

/*
 * NULL when there is one of that name already, and the statement says that
 * this is no error.
 */
static ScriptRelation *
add_relation(Script *script, RangeVar *name, char relkind, bool if_not_exists)
{
	ScriptSchema *schema = name->relpersistence == RELPERSISTENCE_TEMP ?
		guard_script_make_schema(script, "pg_temp") :
		guard_script_creation_schema(script, name->schemaname);

	if (if_not_exists &&
		guard_script_find(script, schema->name, name->relname) != NULL)
		return NULL;
	return guard_script_add(script, schema, name->relname, relkind);
}

static void
create_table(Script *script, CreateStmt *stmt)
{
	ScriptRelation *table = add_relation(script, stmt->relation,
										 stmt->partspec != NULL ?
										 RELKIND_PARTITIONED_TABLE : RELKIND_RELATION,
										 stmt->if_not_exists);
	ListCell   *lc;

	if (table == NULL)
		return;
	table->columns_known = stmt->ofTypename == NULL;

	/* columns first: a constraint may stand before its column */
	foreach(lc, stmt->inhRelations)
	{
		ScriptRelation *parent = guard_script_find_var(script, lfirst(lc), SCRIPT_TABLES);

		if (parent == NULL)
			table->columns_known = false;
		else
			copy_columns(script, table, parent);
	}
	foreach(lc, stmt->tableElts)
	{
		if (IsA(lfirst(lc), ColumnDef))
		{
			ColumnDef  *def = lfirst(lc);

			guard_script_add_column(script, table, def->colname, def->typeName);
		}
	}
	foreach(lc, stmt->tableElts)
		add_element(script, table, lfirst(lc));

	/* a partition gets the indexes of its parent, an inheritance child none */
	if (stmt->partbound != NULL && list_length(stmt->inhRelations) == 1)
	{
		ScriptRelation *parent = guard_script_find_var(script,
													   linitial(stmt->inhRelations), SCRIPT_INDEXABLE);

		if (parent != NULL)
			copy_indexes(script, table, parent);
	}
}

static void
add_element(Script *script, ScriptRelation *table, Node *element)
{
	switch (nodeTag(element))
	{
		case T_ColumnDef:
			add_column_def(script, table, (ColumnDef *) element);
			break;
		case T_Constraint:
			add_constraint(script, table, (Constraint *) element, NULL);
			break;
		case T_TableLikeClause:
			{
				TableLikeClause *like = (TableLikeClause *) element;
				ScriptRelation *source = guard_script_find_var(script, like->relation, SCRIPT_LISTS);

				if (source == NULL)
				{
					table->columns_known = false;
					break;
				}
				copy_columns(script, table, source);
				if (like->options & CREATE_TABLE_LIKE_INDEXES)
					copy_indexes(script, table, source);
				break;
			}
		default:
			break;
	}
}

static void
create_table_as(Script *script, IntoClause *into, char relkind,
				bool if_not_exists)
{
	(void) add_relation(script, into->rel, relkind, if_not_exists);
}

static void
add_column_def(Script *script, ScriptRelation *table, ColumnDef *def)
{
	ListCell   *lc;

	guard_script_add_column(script, table, def->colname, def->typeName);
	foreach(lc, def->constraints)
	{
		if (IsA(lfirst(lc), Constraint))
			add_constraint(script, table, lfirst(lc), def->colname);
	}
}

static void
copy_columns(Script *script, ScriptRelation *table, ScriptRelation *source)
{
	/* have them read */
	(void) guard_script_column(script, source, "");
	if (!source->columns_known)
		table->columns_known = false;
	foreach_ptr(ScriptColumn, model, source->columns)
	{
		ScriptColumn *column;

		if (model->dropped)
			continue;
		guard_script_add_column(script, table, model->name, NULL);
		column = guard_script_column(script, table, model->name);
		if (column->attnum == 0 && !OidIsValid(column->type))
		{
			column->type = model->type;
			column->collation = model->collation;
		}
	}
}

/*
 * With the names that the columns have now, under which the copy knows them.
 */
static void
copy_indexes(Script *script, ScriptRelation *table, ScriptRelation *source)
{
	foreach_ptr(ScriptRelation, model, guard_script_indexes_of(script, source))
	{
		ScriptRelation *index;

		guard_structure_read(model);
		if (model->shape == NULL)
			continue;
		index = add_index(script, table,
						  choose_name(script, table, NIL,
									  model->shape->primary ? "pkey" : "idx"), NIL, NULL);
		guard_structure_copy(index, model->shape, model->shape_known);
		guard_removal_index_added(script, index);
	}
}

/* ---- indexes ---- */

static ScriptRelation *
add_index(Script *script, ScriptRelation *table, const char *name,
		  List *columns, const char *label)
{
	ScriptRelation *index;

	if (name == NULL)
		name = choose_name(script, table, columns, label);
	index = guard_script_add(script, guard_script_schema_of(table), name,
							 table->relkind == RELKIND_PARTITIONED_TABLE ?
							 RELKIND_PARTITIONED_INDEX : RELKIND_INDEX);
	index->table = table;
	return index;
}

/*
 * The name that PostgreSQL would choose (ChooseIndexName).
 */
static char *
choose_name(Script *script, ScriptRelation *table, List *columns,
			const char *label)
{
	StringInfoData addition;
	char	   *name;

	initStringInfo(&addition);
	foreach_ptr(char, str, columns)
		appendStringInfo(&addition, "%s%s", addition.len > 0 ? "_" : "",
						 str);
	name = makeObjectName(table->name, addition.len > 0 ? addition.data : NULL,
						  label);
	for (int i = 1; guard_script_find(script, guard_script_schema_of(table)->name,
									  name) != NULL; i++)
		name = makeObjectName(table->name, addition.len > 0 ? addition.data : NULL,
							  psprintf("%s%d", label, i));
	return name;
}

static void
create_index(Script *script, IndexStmt *stmt)
{
	ScriptRelation *table = guard_script_find_var(script, stmt->relation, SCRIPT_INDEXABLE);
	ScriptRelation *index;
	List	   *columns = NIL;

	if (table == NULL)
		return;
	if (stmt->idxname != NULL &&
		(index = guard_script_find(script, guard_script_schema_of(table)->name,
								   stmt->idxname)) != NULL)
	{
		if (stmt->if_not_exists)
			guard_review_advise(guard_review_statement_row(script),
								"\"%s\" exists already, so this statement does nothing, whatever the structure of that one is.",
								guard_script_name(index));
		return;
	}
	foreach_ptr(IndexElem, element, stmt->indexParams)
	{
		columns = lappend(columns, element->name ? element->name :
						  element->indexcolname ? element->indexcolname : "expr");
	}
	index = add_index(script, table, stmt->idxname, columns, "idx");
	guard_structure_of_index(script, index, stmt);
	guard_removal_index_added(script, index);
	if (!stmt->concurrent)
		return;
	if (script->transaction != 0)
		guard_review_advise(guard_review_statement_row(script),
							"CREATE INDEX CONCURRENTLY cannot run inside a transaction block: take it out of the transaction%s.",
							guard_script_begun_by(script));
	else if (table->relkind == RELKIND_PARTITIONED_TABLE)
		guard_review_advise(guard_review_statement_row(script),
							"CREATE INDEX CONCURRENTLY does not work on a partitioned table: create the index ON ONLY %s, then CONCURRENTLY on each partition, and attach them.",
							guard_script_name(table));
}

static void
add_constraint(Script *script, ScriptRelation *table, Constraint *constraint,
			   const char *column)
{
	ScriptRelation *index;
	List	   *columns = NIL;
	const char *label = "key";
	ListCell   *lc;

	switch (constraint->contype)
	{
		case CONSTR_PRIMARY:
			label = "pkey";
			break;
		case CONSTR_UNIQUE:
			break;
		case CONSTR_EXCLUSION:
			label = "excl";
			break;
		default:
			return;
	}
	if (constraint->indexname != NULL)
	{
		use_index(script, table, constraint);
		return;
	}
	if (column != NULL)
		columns = list_make1(pstrdup(column));
	foreach(lc, constraint->keys)
		columns = lappend(columns, strVal(lfirst(lc)));
	foreach(lc, constraint->exclusions)
	{
		IndexElem  *element = linitial((List *) lfirst(lc));

		columns = lappend(columns, element->name ? element->name : "expr");
	}
	index = add_index(script, table, constraint->conname,
					  constraint->contype == CONSTR_PRIMARY ? NIL : columns, label);
	guard_structure_of_constraint(script, index, constraint, column);
	guard_removal_index_added(script, index);
}

/*
 * ADD CONSTRAINT ... USING INDEX: the index takes the constraint's name.
 */
static void
use_index(Script *script, ScriptRelation *table, Constraint *constraint)
{
	ScriptRelation *index = guard_script_find(script, guard_script_schema_of(table)->name,
											  constraint->indexname);

	if (index == NULL || index->table != table)
		return;
	if (constraint->conname != NULL)
		guard_script_rename(script, index, constraint->conname);
	if (index->shape != NULL && !OidIsValid(index->oid))
	{
		index->shape->primary = constraint->contype == CONSTR_PRIMARY;
		guard_removal_index_added(script, index);
	}
}

/* ---- the rest ---- */

/*
 * Makes no difference, where it can run.
 */
static void
reindex(Script *script, ReindexStmt *stmt)
{
	if (script->transaction == 0)
		return;
	foreach_ptr(DefElem, option, stmt->params)
	{
		if (strcmp(option->defname, "concurrently") == 0 && defGetBoolean(option))
			guard_review_advise(guard_review_statement_row(script),
								"REINDEX CONCURRENTLY cannot run inside a transaction block: take it out of the transaction%s.",
								guard_script_begun_by(script));
	}
}

static void
create_schema(Script *script, CreateSchemaStmt *stmt)
{
	const char *name = stmt->schemaname;
	List	   *path = script->settings.path;
	ListCell   *lc;

	if (name == NULL && stmt->authrole != NULL)
		name = stmt->authrole->rolename;
	if (name == NULL)
		return;
	(void) guard_script_make_schema(script, name);

	/* its elements are created in it */
	script->settings.path = lcons(pstrdup(name), list_copy(path));
	foreach(lc, stmt->schemaElts)
		guard_effects_apply(script, lfirst(lc));
	script->settings.path = path;
}

static void
alter_table(Script *script, AlterTableStmt *stmt)
{
	ScriptRelation *relation = guard_script_find_var(script, stmt->relation,
													 SCRIPT_TABLES SCRIPT_INDEXES);

	if (relation == NULL)
		return;
	foreach_ptr(AlterTableCmd, cmd, stmt->cmds)
	{
		/* an index has no columns and constraints of its own */
		if (relation->table != NULL && cmd->subtype != AT_AttachPartition)
			continue;
		switch (cmd->subtype)
		{
			case AT_AddColumn:
				if (!cmd->missing_ok ||
					guard_script_column(script, relation,
										((ColumnDef *) cmd->def)->colname) == NULL)
					add_column_def(script, relation, (ColumnDef *) cmd->def);
				break;
			case AT_AddConstraint:
				if (IsA(cmd->def, Constraint))
					add_constraint(script, relation, (Constraint *) cmd->def, NULL);
				break;
			case AT_AlterColumnType:
				alter_column_type(script, relation, cmd->name,
								  ((ColumnDef *) cmd->def)->typeName);
				break;
			case AT_AttachPartition:

				/*
				 * The last of a partitioned index's children makes it valid;
				 * which one is the last is not counted.
				 */
				if (relation->shape != NULL && !OidIsValid(relation->oid))
				{
					guard_script_set_bool(script, &relation->usable, true);
					guard_removal_index_added(script, relation);
				}
				break;
			default:
				break;
		}
	}
}

static void
alter_column_type(Script *script, ScriptRelation *table, const char *name,
				  TypeName *type)
{
	ScriptColumn *column = guard_script_column(script, table, name);
	Type		tuple;

	if (column == NULL)
		return;
	tuple = type->pct_type ? NULL : LookupTypeName(NULL, type, NULL, true);
	guard_script_set_oid(script, &column->type,
						 tuple != NULL ? typeTypeId(tuple) : InvalidOid);
	guard_script_set_oid(script, &column->collation,
						 tuple != NULL ? typeTypeCollation(tuple) : InvalidOid);
	if (tuple != NULL)
		ReleaseSysCache(tuple);
}

static void
rename_object(Script *script, RenameStmt *stmt)
{
	ScriptRelation *relation = NULL;
	ScriptSchema *schema;
	ScriptColumn *column;

	if (stmt->relation != NULL)
		relation = guard_script_find_var(script, stmt->relation,
										 stmt->renameType == OBJECT_TABCONSTRAINT ? SCRIPT_TABLES :
										 stmt->renameType == OBJECT_COLUMN ? SCRIPT_LISTS :
										 SCRIPT_LISTS SCRIPT_INDEXES);
	switch (stmt->renameType)
	{
		case OBJECT_SCHEMA:
			schema = guard_script_find_schema(script, stmt->subname);
			if (schema != NULL)
				guard_script_set_pointer(script, &schema->name, pstrdup(stmt->newname));
			break;
		case OBJECT_TABLE:
		case OBJECT_INDEX:
		case OBJECT_MATVIEW:
		case OBJECT_VIEW:
		case OBJECT_FOREIGN_TABLE:
			if (relation == NULL)
				break;
			guard_script_rename(script, relation, stmt->newname);
			renamed_table(script, relation);
			break;
		case OBJECT_COLUMN:
			column = relation != NULL ?
				guard_script_column(script, relation, stmt->subname) : NULL;
			if (column != NULL)
				guard_script_set_pointer(script, &column->name, pstrdup(stmt->newname));
			break;
		case OBJECT_TABCONSTRAINT:
			if (relation == NULL)
				break;
			foreach_ptr(ScriptRelation, index, guard_script_indexes_of(script, relation))
			{
				if (strcmp(index->name, stmt->subname) == 0)
					guard_script_rename(script, index, stmt->newname);
			}
			break;
		default:
			break;
	}
}

/*
 * A table may have come to where another one was.
 */
static void
renamed_table(Script *script, ScriptRelation *table)
{
	ListCell   *lc;

	if (table->table != NULL || script->removals == NIL)
		return;
	foreach(lc, guard_script_indexes_of(script, table))
		guard_removal_index_added(script, lfirst(lc));
}

/*
 * Its indexes go along; they are read while they can still be found.
 */
static void
move_object(Script *script, AlterObjectSchemaStmt *stmt)
{
	ScriptRelation *relation;

	if (stmt->relation == NULL)
		return;
	relation = guard_script_find_var(script, stmt->relation, SCRIPT_LISTS);
	if (relation == NULL)
		return;
	(void) guard_script_indexes_of(script, relation);
	guard_script_set_pointer(script, &relation->schema,
							 guard_script_make_schema(script, stmt->newschema));
	renamed_table(script, relation);
}
