/*-------------------------------------------------------------------------
 *
 * shape.h
 *	  The structure of an index, by names, comparable after it is gone.
 *
 * A transaction is judged by what it leaves behind, so guard must recognise
 * the successor of an index whose table meanwhile changed column numbers,
 * column types, or was replaced altogether (doc/internals/review.md 15:
 * dropping and re-adding column "a" turns indkey 1 into 3 and int4_ops into
 * int8_ops).  A shape therefore keeps names, operator families and deparsed
 * text; node trees serve only while the table is the same.
 *
 * Reading a shape never waits for a lock.  Deparsing needs an
 * AccessShareLock on the table, which is taken conditionally; where it cannot
 * be had, the texts are NULL and the trees decide.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SHAPE_H
#define GUARD_SHAPE_H

#include "access/attnum.h"

#include "ground.h"

typedef struct GuardShapeKey
{
	AttrNumber	attnum;			/* 0 for an expression */
	char	   *column;			/* column name; NULL for an expression */
	Node	   *expression;		/* NULL for a column */
	char	   *expression_text;	/* deparsed for comparison, casts that
									 * nobody wrote left out; NULL when it
									 * could not be */
	Oid			type;			/* of the column or expression */
	Oid			opfamily;
	Oid			opclass;
	Oid			opclass_input;	/* the operator class's own input type */
	bool		default_opclass;	/* the default one of its type */
	char	   *opclass_options;	/* text of attoptions, NULL when none */
	Oid			collation;
	bool		default_collation;	/* the column's own */
	int16		option;			/* INDOPTION_DESC, INDOPTION_NULLS_FIRST */
	Oid			exclusion_operator; /* InvalidOid unless exclusion */
} GuardShapeKey;

typedef struct GuardShape
{
	Oid			index;
	Oid			table;
	char	   *schema;			/* of the table, which is that of the index */
	char	   *table_name;
	char	   *name;
	Oid			am;
	bool		partitioned;	/* relkind 'I' */
	bool		unique;
	bool		nulls_not_distinct;
	bool		primary;
	bool		exclusion;		/* also a temporal key, WITHOUT OVERLAPS */
	bool		deferrable;
	bool		initially_deferred;
	bool		replident;		/* indisreplident */
	bool		clustered;
	Oid			constraint;		/* pg_constraint OID, or InvalidOid */
	char	   *constraint_name;
	bool		valid;
	bool		ready;
	bool		live;
	bool		checkxmin;
	TransactionId xmin;			/* of the pg_index row, see checkxmin */
	double		tuples;			/* pg_class.reltuples; 0 and -1 are unknown */
	int			nkeys;
	GuardShapeKey *keys;
	List	   *included;		/* names (char *) of INCLUDE columns */
	List	   *included_columns;	/* and their numbers; NIL where it is gone */
	List	   *predicate;		/* implicit-AND list of Nodes; NIL when none */
	char	   *predicate_text; /* deparsed as expression_text; NULL when none
								 * or not readable */
	bool		has_predicate;
	char	   *storage_options;	/* WITH (...) text, NULL when none */
	int			pages_per_range;	/* BRIN; else 0 */
	char	   *definition;		/* CREATE INDEX or ALTER TABLE ... ADD
								 * CONSTRAINT statement, with schema; NULL
								 * when not readable */
} GuardShape;

/* How well another index serves in place of the first. */
typedef enum GuardMatch
{
	GUARD_MATCH_NONE,
	GUARD_MATCH_NEEDS,			/* nobody reads the first one, and this does
								 * what statements need it for */
	GUARD_MATCH_PLAN,			/* all of its statements would be planned with
								 * it, at no higher cost; structure says
								 * nothing */
	GUARD_MATCH_SERVES,			/* answers every scan the first one answers */
	GUARD_MATCH_TWIN			/* the same in everything but name and storage
								 * parameters */
} GuardMatch;

/*
 * The shape of an index, in the current memory context; NULL when it has
 * vanished.  To be compared only, it is not to be changed, and has no definition.
 */
extern GuardShape *guard_shape_read(Oid index);
extern GuardShape *guard_shape_read_to_compare(Oid index);

/*
 * Until the current memory context is reset, each shape is read once, without its
 * definition: for who asks about all indexes of a table, and shows none.
 */
extern void guard_shape_remember(void);

/*
 * A deep copy into the current memory context.
 */
extern GuardShape *guard_shape_copy(const GuardShape *shape);

/*
 * A shape as a text that outlives the index, and back, in the current memory
 * context.  "trees": with what is needed to prove one predicate from another.
 * "table" is the one whose indexes it will be compared with.  NULL where the
 * text is not understood; its names, and what it is now (valid, ready ...),
 * are not in it.
 */
extern char *guard_shape_to_text(const GuardShape *shape, bool trees);
extern GuardShape *guard_shape_from_text(const char *text, Oid table);

/* That of an index which is there; NULL where it cannot be read. */
extern char *guard_shape_describe(Oid index);

/*
 * Does "other" serve in place of "gone"?  Pure catalog arithmetic on the two
 * shapes: it asks neither whether "other" is valid nor whether queries may use
 * it now.  With need_unique, only an index that also enforces the same
 * uniqueness on the same columns will do.
 */
extern GuardMatch guard_shape_match(const GuardShape *gone,
									const GuardShape *other,
									bool need_unique);

/*
 * Does "other" enforce all the uniqueness that "gone" enforces, whether or
 * not it serves the same scans?  Enough for an ON CONFLICT arbiter.  True when
 * "gone" enforces nothing.
 */
extern bool guard_shape_enforces(const GuardShape *gone,
								 const GuardShape *other);

/* Does it forbid all that "gone" forbids, and maybe more? */
extern bool guard_shape_forbids(const GuardShape *gone,
								const GuardShape *other);

/*
 * What answers for the columns of a table: those of "table", or of a view of it.
 */
typedef struct GuardAnswer
{
	Oid			table;			/* whose indexes are asked */
	Oid			view;			/* what bears the name; "table" itself where
								 * it is no view */
	AttrNumber *shown;			/* of a view: the column of "table" that each
								 * of its own is, 0: none */
	int			nshown;
	Oid			of;				/* the table whose uses are asked about;
								 * InvalidOid: shapes are asked for as they
								 * are, by the names that they have; */
	char	  **written;		/* its columns as traffic writes them: number
								 * n at n - 1, NULL: not at all */
	int			nwritten;
	char	  **names;			/* as the table calls them itself; NULL: so */
	Bitmapset  *hidden;			/* those columns that a view does not show,
								 * but reads: it is what writes them */
	Bitmapset  *read;			/* of a view: columns of "table" for which it
								 * asks itself, in conditions or to compute */
	char	  **borne;			/* what the columns of "view" are called, if
								 * not as now: number n at n - 1 */
	int			nborne;
	TimestampTz until;			/* "written" were the names until then; 0:
								 * they are still what traffic writes */
	Oid			by_view;		/* it is asked by those who came by this view;
								 * InvalidOid: by the name of "of" */
	bool		by_any;			/* by everybody who came, however that was */
} GuardAnswer;

/*
 * Call the columns of a shape by these names, of all columns of its table: number n
 * at n - 1.  False: they have them.  What expressions and predicates call them stays.
 */
extern bool guard_shape_call(GuardShape *shape, char **names, int nnames);

/* What became of a shape. */
typedef enum GuardTranslated
{
	GUARD_TRANSLATED,
	GUARD_TRANSLATED_NOT_BORNE, /* a column's name is nobody's any more: its
								 * statements fail */
	GUARD_TRANSLATED_UNKNOWN	/* a view computes it, or asks no more for the
								 * first column */
} GuardTranslated;

/*
 * The shape that an index must serve to answer for "shape", by names: its
 * columns are those that bear now the names which traffic wrote.
 */
extern GuardTranslated guard_shape_translate(const GuardShape *shape,
											 const GuardAnswer *answer,
											 GuardShape **result);

/*
 * Would "other" serve in place of "gone", if columns were renamed?
 */
extern bool guard_shape_would_serve(const GuardShape *gone, const GuardShape *other,
									bool need_unique);

/* CREATE INDEX for a shape, without a name; NULL where it cannot be told. */
extern char *guard_shape_creation(const GuardShape *shape);

/*
 * Why not, if "other" is alike?  A clause for people, in the current memory
 * context, with how near it is; NULL where it is not alike, or serves.
 */
extern char *guard_shape_lacks(const GuardShape *gone, const GuardShape *other,
							   bool need_unique, int *nearness);

/*
 * The texts of the shape of an index that is gone, with the names which the
 * columns of its table bear now.  False: they cannot be made.
 */
extern bool guard_shape_text_renew(GuardShape *shape);

/* text.c, called by shape.c only: fills in the texts */
extern void guard_shape_text_fill(GuardShape *shape, Node *predicate,
								  bool locked, bool definition);

/* ----------------------------------------------------------------
 *		Is there another index that serves in place of one that goes?
 * ----------------------------------------------------------------
 */

typedef struct GuardReplacement
{
	GuardMatch	match;			/* NONE: nothing serves */
	Oid			index;
	char	   *schema;
	char	   *name;
	bool		usable;			/* false: it exists, but queries may not use
								 * it yet */
	const char *why_not;		/* when not usable: "is not valid", "is hidden
								 * from the planner", "is being dropped in
								 * stages", "is not visible to older
								 * transactions yet" */
	int			blocking_pid;	/* indcheckxmin: a backend whose transaction
								 * is older than the index; 0 when unknown */
	GuardShape *shape;			/* by plan: what it is, should it go as well */
} GuardReplacement;

/*
 * Indexes that go together: none serves in place of another.  Asked for every
 * index of every table concerned, so nothing here may cost as much as they are
 * many.
 */
typedef struct GuardFellows
{
	List	   *indexes;		/* OIDs, sorted */
	Oid			table;			/* the table asked about last */
	List	   *staying;		/* its indexes that are not among them */
} GuardFellows;

/* Makes the list its own.  Lives in the current memory context. */
extern GuardFellows *guard_fellows_make(List *indexes);

/* Is it one of them?  NULL stands for none. */
extern bool guard_fellows_have(const GuardFellows *fellows, Oid index);

/*
 * The best replacement for "gone" among the indexes of "table" (which may be
 * another table than it was on): usable twins first, then usable ones that
 * serve, then those not usable now.  Neither the index itself nor its fellows
 * (NULL: it has none) count.  Waits for no lock, allocates in the current
 * memory context.
 */
extern void guard_replacement_find(const GuardShape *gone, Oid table,
								   GuardFellows *fellows, bool need_unique,
								   GuardReplacement *result);

/*
 * Where nothing serves: the index of the same table that comes nearest, by its
 * quoted name (of a partition's the topmost), and what it lacks, as a clause.  NULL where none is alike.
 */
extern char *guard_replacement_near_miss(const GuardShape *gone,
										 GuardFellows *fellows,
										 bool need_unique, char **name);

/*
 * Registered at start by the room that drops in stages: is this index on its
 * way out?  It waits for no lock.
 */
typedef bool (*guard_replacement_leaving) (Oid index);
extern void guard_replacement_set_leaving(guard_replacement_leaving leaving);

/*
 * Could this index, which the planner would choose, serve in place of "gone"?
 * Fills in *result, with match PLAN, and returns true if queries may use it
 * now.
 */
extern bool guard_replacement_by_plan(const GuardShape *gone, Oid index,
									  GuardReplacement *result);

/* ----------------------------------------------------------------
 *		Can this index be hidden from the planner?
 * ----------------------------------------------------------------
 */

/*
 * Why an index cannot be hidden, as a clause ("it is the primary key"); NULL
 * when it can, or has vanished.  "for_now" is set where that may change.  For
 * indexes that guard judges, of either kind, 'i' and 'I'.  Waits for no lock.
 */
extern const char *guard_hideable_obstacle(Oid index, bool *for_now);

#endif							/* GUARD_SHAPE_H */
