/*-------------------------------------------------------------------------
 *
 * script.h
 *	  What a script has done so far, in memory.
 *
 * Private to review/.  Vocabulary:
 *
 *	script		the state of a review: settings, transaction, names, removals.
 *	relation	a table or index that the script has touched, real (oid) or
 *				created by the script (oid invalid), under the name that it
 *				has at this point of the script.
 *	removal		a real index that a statement takes away, with its judgement.
 *
 * The rest of the database is looked up in the catalogs when it is named, and
 * becomes a relation then.  Everything is allocated in one memory context and
 * goes with it.
 *
 * What ROLLBACK must undo is changed through guard_script_set_*() only.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_REVIEW_SCRIPT_H
#define GUARD_REVIEW_SCRIPT_H

#include "utils/hsearch.h"

#include "policy/check.h"
#include "review/review.h"
#include "review/split.h"

typedef struct ScriptSchema
{
	char	   *name;			/* now */
	Oid			oid;			/* InvalidOid: made by the script */
	char	   *real_name;		/* in the catalogs; NULL when made */
	bool		dropped;
} ScriptSchema;

typedef struct ScriptColumn
{
	char	   *name;			/* now */
	char	   *real_name;		/* in the catalogs; NULL when added */
	AttrNumber	attnum;			/* 0 when added */
	Oid			type;			/* InvalidOid: not known */
	Oid			collation;
	bool		dropped;
} ScriptColumn;

typedef struct ScriptRelation
{
	Oid			oid;			/* InvalidOid: created by the script */
	char		relkind;
	ScriptSchema *schema;		/* of an index: see guard_script_schema_of() */
	char	   *name;
	char	   *real_name;		/* qualified, as it was before the script;
								 * NULL when created */
	int			created_by;		/* number of a statement, 0 when real */
	int			dropped_by;		/* 0: it is there */
	struct ScriptRelation *table;	/* of an index */

	/* of a table */
	List	   *removals;		/* of ScriptRemoval *, of its indexes */
	List	   *columns;		/* of ScriptColumn * */
	bool		columns_known;	/* all of them */

	/* of an index; of a real one after guard_structure_read() */
	GuardShape *shape;			/* columns by their real names, texts
								 * comparable */
	bool		shape_known;	/* false: it can be compared by hand only */
	bool		usable;			/* false for ON ONLY a partitioned table */
} ScriptRelation;

typedef struct ScriptRemoval
{
	GuardReviewRow *row;
	int			transaction;	/* 0: the statement is its own */
	int			begun_by;		/* statement that begins it, 0: none */
	bool		undone;			/* rolled back */
	ScriptRelation *index;
	ScriptRelation *table;
	char	   *table_schema;	/* what its table was called before the
								 * script, */
	char	   *table_name;		/* to tell what bears that name now */
	bool		busy;			/* statements of others use the table */
	bool		waits;			/* its lock is waited for: not CONCURRENTLY,
								 * and no lock_timeout */
	bool		concurrently;
	GuardTarget *target;
	GuardJudgement *judgement;	/* at its place in the script */
	GuardJudgement *missed;		/* after what served in its place went, too */
	List	   *gone;			/* GuardShape *, with comparable texts, of
								 * those of its members that are missed */
	List	   *leans_on;		/* OIDs of real indexes that serve in its
								 * place */
	ScriptRelation *heir;		/* index of the script that does */
	ScriptRelation *later;		/* index that will, and which statement makes
								 * it so, in which transaction */
	int			later_by;
	int			later_transaction;
	ScriptRelation *maybe;		/* one that cannot be compared */
} ScriptRemoval;

typedef struct ScriptSettings
{
	List	   *path;			/* names of schemas */
	bool		lock_timeout;	/* the script has set one */
} ScriptSettings;

typedef struct Script
{
	MemoryContext context;
	bool		one_transaction;
	int			transaction;	/* 0: none open */
	int			transactions;	/* how many there were */
	int			begun_by;		/* the statement that opened it */
	GuardPiece *piece;			/* the current one */
	bool		ended;			/* nothing behind it can be reviewed */
	List	   *rows;			/* of GuardReviewRow * */

	List	   *schemas;		/* of ScriptSchema * */
	List	   *relations;		/* of ScriptRelation * */
	HTAB	   *by_oid;			/* the same by OID ... */
	HTAB	   *by_name;		/* ... and by every name that one ever had */
	List	   *removals;		/* of ScriptRemoval * */

	ScriptSettings settings;
	ScriptSettings afterwards;	/* after COMMIT, without what SET LOCAL set */

	List	   *undo;			/* of ScriptUndo *, newest last */
	List	   *savepoints;		/* of ScriptSavepoint *, newest last */
} Script;

/* ---- transactions and settings (script.c) ---- */

/* an empty script, in the current memory context */
extern void guard_script_init(Script *script);

/* Change a variable of the script's state such that ROLLBACK changes it back. */
extern void guard_script_set_pointer(Script *script, void *variable,
									 const void *value);
extern void guard_script_set_int(Script *script, int *variable, int value);
extern void guard_script_set_oid(Script *script, Oid *variable, Oid value);
extern void guard_script_set_bool(Script *script, bool *variable, bool value);

/* BEGIN, SAVEPOINT and their ends */
extern void guard_script_begin(Script *script);
extern void guard_script_commit(Script *script, bool chain);
extern void guard_script_rollback(Script *script, bool chain);

/* " that statement 3 begins", or "" */
extern char *guard_script_begun_by(const Script *script);
extern void guard_script_savepoint(Script *script, const char *name);
extern void guard_script_rollback_to(Script *script, const char *name);

/* settings */
extern void guard_script_variable(Script *script, VariableSetStmt *stmt);
extern void guard_script_set_config(Script *script, const char *name,
									const char *value, bool is_local);

/* ---- names (names.c) ---- */

/* read search_path and what else the session brings along */
extern void guard_script_init_names(Script *script);

/*
 * What a name means at this point of the script; NULL when nothing bears it, or
 * something of another kind than those of "relkinds".  Raises what PostgreSQL
 * would for a schema that one may not use.
 */
#define SCRIPT_INDEXABLE	"rpm"	/* tables and materialized views */
#define SCRIPT_TABLES		"rpf"	/* what has columns that can be altered */
#define SCRIPT_LISTS		"rpmfvc"	/* what has columns */
#define SCRIPT_INDEXES		"iI"
extern ScriptRelation *guard_script_find_var(Script *script, const RangeVar *name,
											 const char *relkinds);
extern ScriptRelation *guard_script_find_list(Script *script, List *names,
											  const char *relkinds);

/* The same for any kind. */
extern ScriptRelation *guard_script_find(Script *script, const char *schema,
										 const char *name);
extern ScriptRelation *guard_script_find_oid(Script *script, Oid relation);
extern ScriptSchema *guard_script_find_schema(Script *script, const char *name);
extern ScriptSchema *guard_script_make_schema(Script *script, const char *name);

/* Where CREATE puts an unqualified name. */
extern ScriptSchema *guard_script_creation_schema(Script *script,
												  const char *name);
extern ScriptSchema *guard_script_schema_of(const ScriptRelation *relation);

/* Effects on what the script knows: a relation made, renamed, dropped. */
extern ScriptRelation *guard_script_add(Script *script, ScriptSchema *schema,
										const char *name, char relkind);
extern void guard_script_rename(Script *script, ScriptRelation *relation,
								const char *name);
extern void guard_script_drop(Script *script, ScriptRelation *relation);

/* All indexes of a table that are there, of ScriptRelation *. */
extern List *guard_script_indexes_of(Script *script, ScriptRelation *table);

/* a column by its name, NULL for none; and a new one */
extern ScriptColumn *guard_script_column(Script *script, ScriptRelation *table,
										 const char *name);
extern void guard_script_add_column(Script *script, ScriptRelation *table,
									const char *name, TypeName *type);

/* How a column is called for comparison: see structure.c */
extern const char *guard_script_column_label(Script *script,
											 ScriptRelation *table,
											 const char *name);

/* "auth.users", quoted where needed */
extern char *guard_script_name(const ScriptRelation *relation);

/* ---- structure (structure.c) ---- */

/* The index that a statement or constraint of the script creates on a table. */
extern void guard_structure_of_index(Script *script, ScriptRelation *index,
									 IndexStmt *stmt);
extern void guard_structure_of_constraint(Script *script, ScriptRelation *index,
										  Constraint *constraint,
										  const char *column);
extern void guard_structure_copy(ScriptRelation *index, const GuardShape *shape,
								 bool known);

/* Give a real index its shape; usable is false when it has vanished. */
extern void guard_structure_read(ScriptRelation *index);

/* A real index's shape with texts that can be compared with the script's. */
extern GuardShape *guard_structure_comparable(const GuardShape *shape,
											  bool *known);

typedef enum ScriptMatch
{
	SCRIPT_MATCH_NONE,
	SCRIPT_MATCH_UNKNOWN,		/* compare by hand */
	SCRIPT_MATCH_SERVES
} ScriptMatch;

/* does an index of the script serve in place of a real one? */
extern ScriptMatch guard_structure_match(const GuardShape *gone,
										 const ScriptRelation *index,
										 bool need_unique);

/* Does an index of the script need this column? */
extern bool guard_structure_uses(const ScriptRelation *index,
								 const char *label);

/* ---- expressions (normal.c) ---- */

/*
 * An expression of the script on this table, or a real index's as it was
 * deparsed, in normal form; NULL when it is of a kind that has none.
 */
extern char *guard_normal_text(Node *node, Script *script,
							   ScriptRelation *table);
extern char *guard_normal_text_of(const char *deparsed);

/* ---- effects (effects.c) ---- */

/* What the statement makes or renames.  Nothing is removed here. */
extern void guard_effects_apply(Script *script, Node *stmt);

/* ---- removals (removal.c) ---- */

/*
 * What the statement removes: rows, and removals to be judged.  Returns
 * whether it was of a kind that can remove an index.
 */
extern bool guard_removal_collect(Script *script, Node *stmt);

/*
 * An index has come, or has got another place: does it serve for one that
 * went before?
 */
extern void guard_removal_index_added(Script *script, ScriptRelation *index);

/* May the caller see the evidence?  Would it be refused by itself? */
extern bool guard_removal_may_see(const ScriptRemoval *removal);
extern bool guard_removal_is_blocked(const ScriptRemoval *removal);

/*
 * Does the index that comes after it come in time: with the same statement, or
 * in the same transaction?
 */
extern bool guard_removal_is_made_up_later(const ScriptRemoval *removal);

#define GUARD_REVIEW_NOT_OWNER \
	"Only the owner of the table and members of pg_read_all_stats may ask about its indexes."

/* The whole script is known: say what became of each removal (conclude.c). */
extern void guard_removal_conclude(Script *script);

/* ---- rows (review.c) ---- */

/* A row of the current statement, at the end of the list. */
extern GuardReviewRow *guard_review_row(Script *script, const char *target,
										const char *verdict);

/* Its row without a target; made where there is none. */
extern GuardReviewRow *guard_review_statement_row(Script *script);

/* Sentences are strung together. */
extern void guard_review_advise(GuardReviewRow *row, const char *fmt, ...) pg_attribute_printf(2, 3);
extern void guard_review_explain(GuardReviewRow *row, const char *fmt, ...) pg_attribute_printf(2, 3);

/* ---- secrets (secrets.c) ---- */

/* May the text of a statement or psql command hold a password? */
extern bool guard_secrets_may_hold(const char *str);

/* The text without whatever in it may be one. */
extern char *guard_secrets_hide(const char *str, bool meta);

/* ---- sight (sight.c) ---- */

/*
 * Why a statement cannot be seen into, as a sentence; NULL when it can.
 */
extern const char *guard_sight_obstacle(Node *stmt);

#endif							/* GUARD_REVIEW_SCRIPT_H */
