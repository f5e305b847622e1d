/*-------------------------------------------------------------------------
 *
 * store.h
 *	  guard's own tables, and the one way to run guard's own SQL.
 *
 * Reading is done with catalog-style scans: no ACL, no search_path, no planner
 * (doc/internals/postgresql.md 10.1), and never behind a lock
 * (doc/internals/review.md 11).  Writing is done through SPI as the owner of
 * the extension, with a pinned search_path.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_STORE_H
#define GUARD_STORE_H

#include "access/genam.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "lib/ilist.h"
#include "utils/uuid.h"

#include "ground.h"

/* ----------------------------------------------------------------
 *		A value with its type, as SQL takes it.
 *
 * Strings and times say null as they do in C: NULL and 0.  By reference, a
 * value lives in the current memory context.
 * ----------------------------------------------------------------
 */

typedef struct GuardParam
{
	Oid			type;
	bool		isnull;
	Datum		value;
} GuardParam;

#define P_OID(oid)			guard_param(OIDOID, ObjectIdGetDatum(oid), false)
#define P_INT4(number)		guard_param(INT4OID, Int32GetDatum(number), false)
#define P_INT8(number)		guard_param(INT8OID, Int64GetDatum(number), false)
#define P_FLOAT8(number)	guard_param(FLOAT8OID, Float8GetDatum(number), false)
#define P_BOOL(flag)		guard_param(BOOLOID, BoolGetDatum(flag), false)
#define P_TIME(at)			guard_param_time(at)
#define P_TEXT(str)			guard_param_text(str)
#define P_NAME(str)			guard_param_name(str)
#define P_UUID(uuid)		guard_param(UUIDOID, UUIDPGetDatum(uuid), (uuid) == NULL)
#define P_JSONB(str)		guard_param_jsonb(str)

/* A parameter that is null where the condition holds. */
#define P_NULL_IF(condition, param) guard_param_null_if(condition, param)

/* oid[] of a list of OIDs, int4[] of a list of integers, text[] of char * */
#define P_OIDS(list)		guard_param_list(OIDOID, list)
#define P_INT4S(list)		guard_param_list(INT4OID, list)
#define P_TEXTS(list)		guard_param_list(TEXTOID, list)

/* Any array. */
extern GuardParam guard_param_array(Oid element_type, const Datum *elements,
									const bool *nulls, int n);

static inline GuardParam
guard_param(Oid type, Datum value, bool isnull)
{
	GuardParam	param = {type, isnull, value};

	return param;
}

static inline GuardParam
guard_param_null_if(bool isnull, GuardParam param)
{
	param.isnull |= isnull;
	return param;
}

/* What the macros call. */
extern GuardParam guard_param_time(TimestampTz at);
extern GuardParam guard_param_text(const char *str);
extern GuardParam guard_param_name(const char *str);
extern GuardParam guard_param_jsonb(const char *str);
extern GuardParam guard_param_list(Oid element_type, const List *list);

/*
 * Parameters, and how many there are, as arguments of a function.  The first of
 * the array is none, so that there may be none.
 */
#define GUARD_PARAMS(...) \
	(const GuardParam[]) {{0}, __VA_ARGS__} + 1, \
	lengthof(((const GuardParam[]) {{0}, __VA_ARGS__})) - 1

/* ----------------------------------------------------------------
 *		Rows that are read one after the other, and their columns by type.
 *
 * Whether a query found them (store/store.h) or they are read from one of
 * guard's tables as a catalog is read, they are gone through in one way:
 *
 *	while (guard_rows_next(rows))
 *		use(guard_rows_oid(rows, 1), guard_rows_text(rows, 2));
 *
 * A column is read as the type that it has, which is checked.  Null reads as
 * what C has for nothing: InvalidOid, 0, false, NULL.
 * ----------------------------------------------------------------
 */

/* Lives in the memory context in which it was made. */
typedef struct GuardRows
{
	HeapTuple	tuple;			/* the row at hand, NULL: none */
	TupleDesc	desc;

	/* of a query: all of them, next to be read, how many there are */
	SPITupleTable *found;
	uint64		next;
	uint64		count;

	/* of a table */
	Relation	rel;			/* NULL: read to the end */
	SysScanDesc scan;			/* NULL: it is empty */
	Snapshot	registered;		/* until then; NULL: none */
} GuardRows;

/*
 * All rows of guard.<table>.  No ACL, no search_path, no planner
 * (doc/internals/postgresql.md 10.1), and it waits for no lock; the table
 * stays open, and locked, until the last row has been read or guard_rows_end()
 * is called.  Each row lasts until the next is read.
 *
 * Where the SQL is not this library's, or the rows speak of another database
 * (store/store.h), there are none.  NULL where the table
 * is locked by somebody else, or gone: the caller then does not know.
 */
extern GuardRows *guard_rows_of_table(const char *table);

/*
 * The same for the rows whose column "attnum" is "key", of type oid, bigint,
 * name or uuid.
 * "index" names an index of the table that begins with that column; NULL: none
 * does.
 */
extern GuardRows *guard_rows_by_key(const char *table, const char *index,
									int attnum, GuardParam key);

/*
 * Until the current memory context is reset, a table of guard's that was found
 * empty is taken to be so, unless this transaction has written something since:
 * for statements that ask about many indexes.
 */
extern void guard_rows_remember_empty(void);

/*
 * The same where nothing can be judged without the table: an error where it
 * cannot be read.
 */
extern GuardRows *guard_rows_surely(GuardRows *rows, const char *table);

/*
 * GuardRows *guard_rows_of_catalog(catalog, index, keys ...)
 *
 * The rows of one of PostgreSQL's catalogs whose columns are these keys, those
 * by which the index begins: parameters, of type oid, integer or name.  Without
 * keys, and with InvalidOid for the index, all rows.
 */
#define guard_rows_of_catalog(catalog, index, ...) \
	guard_rows_of_catalog_params(catalog, index, NULL, GUARD_PARAMS(__VA_ARGS__))

/* What that calls; the snapshot may be another than that of catalogs. */
extern GuardRows *guard_rows_of_catalog_params(Oid catalog, Oid index,
											   Snapshot snapshot,
											   const GuardParam *keys, int nkeys);

/* Go on to the next row, the first one to begin with; false: none is left. */
extern bool guard_rows_next(GuardRows *rows);

/*
 * To be called where not all rows are read.  Those of a query are freed, and
 * nothing of them may be used any more.
 */
extern void guard_rows_end(GuardRows *rows);

/*
 * The columns of the row at hand, from 1 on.  Texts are copies, in the current
 * memory context: of text and name as they are, of other types as they would be
 * shown.  guard_rows_int() reads integers of all sizes, guard_rows_float()
 * floating point numbers of both.
 */
extern bool guard_rows_null(const GuardRows *rows, int column);
extern Oid	guard_rows_oid(const GuardRows *rows, int column);
extern int64 guard_rows_int(const GuardRows *rows, int column);
extern int64 guard_rows_int_or(const GuardRows *rows, int column,
							   int64 otherwise);
extern double guard_rows_float(const GuardRows *rows, int column);
extern bool guard_rows_bool(const GuardRows *rows, int column);
extern TimestampTz guard_rows_time(const GuardRows *rows, int column);
extern pg_uuid_t * guard_rows_uuid(const GuardRows *rows, int column);
extern char *guard_rows_text(const GuardRows *rows, int column);

/* An array of oid or of text, as a list of OIDs or of char *; null is NIL. */
extern List *guard_rows_list(const GuardRows *rows, int column);

/* That column of all rows that are left, as a list of OIDs. */
extern List *guard_rows_oids(GuardRows *rows, int column);

/* ----------------------------------------------------------------
 *		The one way to run SQL of guard's own.
 *
 * Always as the owner of the extension, with search_path pinned to pg_catalog
 * and pg_temp: whoever asks, guard sees the same, and what it calls is
 * PostgreSQL's.  The text is fixed, or has been put together of names that are
 * quoted; values travel as parameters (store/store.h).  An error is raised as
 * it is; see guard_store_try() for what must not stop anybody's statement.
 *
 * Sees what this transaction has written.  In a copy of a database, which guard's
 * rows do not speak of, it sees none (store/store.h).
 * ----------------------------------------------------------------
 */

/*
 * uint64 guard_query_execute(sql, parameters ...)
 *
 * Change guard's tables.  Returns how many rows were; an error where the SQL of
 * the extension is not this library's.
 */
#define guard_query_execute(sql, ...) \
	guard_query_execute_params(sql, GUARD_PARAMS(__VA_ARGS__))

/*
 * GuardRows *guard_query_rows(sql, parameters ...)
 *
 * Read guard's tables; where the SQL is not this library's there are no rows.
 * All rows are read at once, into the current memory context, and may be kept
 * while others are read.  A change with RETURNING is read in the same way.
 */
#define guard_query_rows(sql, ...) \
	guard_query_rows_params(sql, GUARD_PARAMS(__VA_ARGS__))

/*
 * GuardRows *guard_query_server(sql, parameters ...)
 *
 * The same for what is not guard's: views of the server and of other
 * extensions.
 */
#define guard_query_server(sql, ...) \
	guard_query_server_params(sql, GUARD_PARAMS(__VA_ARGS__))

/* The value of the first column of the first row; 0 where there is none. */
#define guard_query_int(sql, ...) \
	guard_query_int_params(sql, GUARD_PARAMS(__VA_ARGS__))

/*
 * For a text that a session runs again and again, and that is a constant: the
 * same text, whose plan is kept from now on.
 *
 *		guard_query_rows(guard_query_kept(text), P_OID(index))
 */
extern const char *guard_query_kept(const char *sql);

/*
 * May rows of guard.<table> be written now, without waiting for the table?
 * Then it is locked for it.  For what can be left out.
 */
extern bool guard_query_may_write(const char *table);

/* What the macros call. */
extern uint64 guard_query_execute_params(const char *sql,
										 const GuardParam *params, int nparams);
extern GuardRows *guard_query_rows_params(const char *sql,
										  const GuardParam *params, int nparams);
extern GuardRows *guard_query_server_params(const char *sql,
											const GuardParam *params,
											int nparams);
extern int64 guard_query_int_params(const char *sql, const GuardParam *params,
									int nparams);

/* ----------------------------------------------------------------
 *		Many rows in one statement.
 *
 * Rows are collected as columns, and handed to one statement as one array for
 * each column: "SELECT ... FROM unnest($1, $2, ...)".  Everything lives in the
 * memory context in which the batch was made.
 * ----------------------------------------------------------------
 */

typedef struct GuardBatch GuardBatch;

/* No rows yet. */
extern GuardBatch *guard_batch_make(void);

/*
 * void guard_batch_add(batch, columns ...)
 *
 * One more row.  All rows have the same columns, of the same types.  Values by
 * reference must outlive the batch.
 */
#define guard_batch_add(batch, ...) \
	guard_batch_add_params(batch, GUARD_PARAMS(__VA_ARGS__))

/* What that calls. */
extern void guard_batch_add_params(GuardBatch *batch, const GuardParam *params,
								   int nparams);

/*
 * Run the statement with the columns as $1, $2, ..., as guard_query_execute()
 * does, unless there are no rows; then 0.
 */
extern uint64 guard_batch_execute(const GuardBatch *batch, const char *sql);

/* ----------------------------------------------------------------
 *		Structures that are rows.
 *
 * A table of columns says which member of a structure is which column of a
 * row, in the order in which the row has them.
 * ----------------------------------------------------------------
 */

typedef enum GuardColumnType
{
	GUARD_COLUMN_UNREAD,		/* no member has it */
	GUARD_COLUMN_OID,
	GUARD_COLUMN_INT4,
	GUARD_COLUMN_INT8,
	GUARD_COLUMN_SPAN,			/* microseconds; null is -1 */
	GUARD_COLUMN_FLOAT8,
	GUARD_COLUMN_BOOL,
	GUARD_COLUMN_TIME,
	GUARD_COLUMN_TEXT,			/* char *, of any type that is not written */
	GUARD_COLUMN_NAME,			/* NameData */
	GUARD_COLUMN_UUID,
	GUARD_COLUMN_WORD			/* an enum; text: its word */
} GuardColumnType;

typedef struct GuardColumn
{
	const char *name;
	GuardColumnType type;
	size_t		offset;			/* of the member */
	const char *const *words;	/* by the values of the enum; NULL: null */
	int			nwords;
} GuardColumn;

#define GUARD_COLUMN(structure, type, name, member) \
	{name, GUARD_COLUMN_##type, offsetof(structure, member), NULL, 0}
#define GUARD_COLUMN_OF_WORDS(structure, name, member, words) \
	{name, GUARD_COLUMN_WORD, offsetof(structure, member), words, lengthof(words)}

/* Fill a structure from the row at hand. */
extern void guard_record_read(const GuardColumn *columns, int n,
							  const GuardRows *rows, void *record);

/* A member, or all of them, as parameters of a query or of a row of a batch. */
extern GuardParam guard_record_param(const GuardColumn *column,
									 const void *record);
extern GuardParam *guard_record_params(const GuardColumn *columns, int n,
									   const void *record);

/* For SQL: "p.a, p.b", the columns behind a prefix; and "$1, $2". */
extern char *guard_record_names(const GuardColumn *columns, int n,
								const char *prefix);
extern char *guard_record_numbers(int from, int to);

/* ----------------------------------------------------------------
 *		Work whose errors are not the statement's.
 *
 * The one way to start an internal subtransaction.
 * ----------------------------------------------------------------
 */

/* Longer messages are cut. */
#define GUARD_FAILURE_MESSAGE	1024

/* What went wrong.  Needs no memory, for that may be what went wrong. */
typedef struct GuardFailure
{
	int			sqlerrcode;
	int			cursorpos;		/* in a query, 0: not known */
	char		message[GUARD_FAILURE_MESSAGE];
} GuardFailure;

typedef enum GuardWorkEnd
{
	GUARD_WORK_STAYS,			/* what it has done */
	GUARD_WORK_UNDONE,			/* rolled back, however it ended */
	GUARD_WORK_SETTINGS_UNDONE	/* for what cannot have done anything else:
								 * rolled back only if it failed */
} GuardWorkEnd;

/*
 * Call "work" in a subtransaction.  Returns false when it raised an error, or
 * when there can be none now; *failure tells which.  What was meant for the
 * statement is passed on, unless the work is undone, whose messages the caller
 * may have held back: he asks himself.
 *
 * Must not be called while an error is being handled, for it takes all errors
 * off PostgreSQL's stack.
 */
typedef void (*guard_work) (void *arg);
extern bool guard_work_run(guard_work work, void *arg, GuardWorkEnd end,
						   GuardFailure *failure);

/*
 * Was it meant for the statement, which would have met it a moment later: a
 * request to cancel, the end of the session?
 */
extern bool guard_work_is_passed_on(int sqlerrcode);

/*
 * Is there some memory left?  What is optional asks before it begins to need
 * any outside of guard_work_run().
 */
extern bool guard_work_has_room(void);

/*
 * Take the error that is being handled off the stack.  The transaction or
 * subtransaction in which it was raised has been rolled back.
 */
extern void guard_work_take_failure(GuardFailure *failure);

/* Called by guard.c at start. */
extern void guard_store_init(void);

/*
 * An extension is being dropped: see anew whether it was guard.  Its event
 * triggers go first, and whoever asks after them but before the extension
 * itself has gone would otherwise be the last to be told that it is there.
 */
extern void guard_store_forget(void);

/*
 * OID of the extension in this database, InvalidOid where guard is not
 * installed (or is being installed just now).  Cached; needs a transaction.
 */
extern Oid	guard_store_extension(void);

/* Owner of the extension, whose rights guard's own SQL runs with. */
extern Oid	guard_store_owner(void);

/* Is guard here, and should it act?  False during binary upgrade, too. */
extern bool guard_store_present(void);

/*
 * Is the SQL of the extension here that of this library?  If not, because one
 * of them was upgraded without the other, then nothing is read from guard's
 * tables, as if they were empty, and nothing is written to them: guard judges
 * with what it sees elsewhere, and records in the server log.
 */
extern bool guard_store_matches(void);

/* What is to be said about it, NULL where they match; and once a session. */
extern const char *guard_store_mismatch(void);
extern void guard_store_tell_mismatch(void);

/*
 * The same for those who ask at every statement, inside a transaction.  The
 * flag is set while the answer is known to be yes; it may go on saying so while
 * a script of our own runs an upgrade.
 */
extern bool guard_store_known;

/* The schema of its tables, as last seen. */
extern Oid	guard_store_schema;

static inline bool
guard_store_is_here(void)
{
	return likely(guard_store_known) || guard_store_present();
}

/* OID of a table or view of schema guard, InvalidOid when there is none. */
extern Oid	guard_store_table(const char *name);

/*
 * Call "work" in a subtransaction and swallow what it raises, leaving a line
 * in the server log: book-keeping must never stop somebody's statement, nor
 * keep it waiting.
 * Returns whether it succeeded.
 */
extern bool guard_store_try(const char *what, guard_work work, void *arg);

/*
 * The same for what a later verdict leans on.  In enforce mode it is done by
 * the transaction itself, which may have begun to commit, and an error in it
 * is the transaction's: what cannot be written has not happened.  In the other
 * modes nothing is ever refused.
 */
extern bool guard_store_must(const char *what, guard_work work, void *arg);

/* ----------------------------------------------------------------
 *		Is guard in this database?  As the sessions before this one found.
 *
 * Finding out reads half a dozen catalogs, which costs a client that connects
 * for one query a tenth of all it does.  So what one session has found is in
 * shared memory, for as long as nothing can have changed it: it goes by a
 * number that changes whenever somebody makes, changes or drops what
 * store.c goes by, from when he does until his transaction is over.
 *
 * On a standby nobody here learns what is replayed, so nothing is shared.
 * ----------------------------------------------------------------
 */

typedef struct GuardPresence
{
	Oid			database;
	Oid			extension;		/* InvalidOid: guard is not installed */
	Oid			owner;
	Oid			schema;
	bool		match;			/* its SQL is that of this library */
	uint32		match_hash;		/* of guard.sql_id() */
} GuardPresence;

/* Called at start. */
extern void guard_presence_init(void);

/*
 * What is known of this database.  False: nothing that can be relied on; then
 * *number is to be handed to guard_presence_tell() with what is found, which
 * believes nobody who has written something.  Neither waits for anybody.
 */
extern bool guard_presence_read(GuardPresence *presence, uint64 *number);
extern void guard_presence_tell(const GuardPresence *presence, uint64 number);

/*
 * It may have changed: by this transaction, or by one that has told us.  To be
 * called before its COMMIT.
 */
extern void guard_presence_changed(void);

/*
 * The table of this database that hides indexes, if it is known to be empty;
 * InvalidOid: it is not known.  Who tells so holds a lock on it that lets
 * nobody else write; who writes to it says so before his COMMIT.
 */
extern Oid	guard_presence_hides_nothing(Oid extension);
extern void guard_presence_tell_hides_nothing(Oid extension, Oid table);
extern void guard_presence_may_hide(void);

/* ----------------------------------------------------------------
 *		Who is this index, and is this still the database that guard knows?
 *
 * Vocabulary:
 *
 * object		a table or index that guard has seen: a row of guard.object, on
 *			which hangs whatever guard remembers of it.  It stays the same
 *			object under other names and another OID, and after it is gone
 * created		made from nothing while guard looked; what a rebuild or a
 *			rename made of an object is that object
 * home		the database in which guard's rows were written; not the copy
 *			that CREATE DATABASE ... TEMPLATE made of it
 *
 * A row is written ahead of need, and nobody waits for one: an index without
 * is one that guard has not seen being created.
 * ----------------------------------------------------------------
 */

typedef struct GuardObject
{
	pg_uuid_t	id;
	Oid			table;
	Oid			index;			/* InvalidOid: it is a table */
	char	   *schema;
	char	   *table_name;
	char	   *name;			/* of the index; NULL: it is a table */
	char	   *shape;			/* of the index, by names, as "describe" wrote
								 * it; NULL: not known */
	TimestampTz created_at;		/* 0: guard did not see it being created */
	TimestampTz first_seen;
	TimestampTz last_seen;		/* when this row was last found to be true */
	TimestampTz gone_at;		/* 0: it is there, as far as was seen */
	char	   *created_by;		/* the login role of who made it ... */
	char	   *created_under;	/* ... and the session's application_name */
} GuardObject;

/*
 * The shape of an index as a text, in the current memory context; NULL where
 * it cannot be read.  Set at start by the room that knows shapes.
 */
extern char *(*guard_identity_describe) (Oid index);

/* ---- asking; waits for no lock ---- */

/*
 * Who is this relation now?  In the current memory context; NULL where guard
 * has not seen it yet.  Raises an error where that cannot be read.
 */
extern GuardObject *guard_identity_of(Oid relation);

/*
 * A table, where guard saw it being made and no other one of the database is
 * known to have had its name; otherwise NULL.
 */
extern GuardObject *guard_identity_made(Oid table, const char *schema,
										const char *name);

/* The object with that id, gone or not; NULL where this database has none. */
extern GuardObject *guard_identity_find(const pg_uuid_t * id);

/*
 * Indexes that guard has seen, and that are gone from the catalogs, where their
 * shapes are known: of a table, and of whatever bore that name when it was last
 * seen, and not seen "then"; or all.  Lists of GuardObject *.
 */
extern List *guard_identity_gone_of(Oid table, const char *schema,
									const char *name, TimestampTz then);
extern List *guard_identity_all_gone(void);

/*
 * Tables that bear this name, as far as was written down: OIDs.  A rename may
 * not have been.
 */
extern List *guard_identity_tables_named(const char *schema, const char *name);

/*
 * What relation is the object now?  The one with the OID, or, where that is gone
 * or not valid any more, the index of its table with the name, which REINDEX
 * CONCURRENTLY hands on in the middle.  InvalidOid: there is none.
 */
extern Oid	guard_identity_resolve(const GuardObject *object);
extern Oid	guard_identity_index(Oid table, Oid index, const char *name);

/* ---- what happens to objects; written in the current transaction ---- */

/* these indexes were made from nothing, now */
extern void guard_identity_created(List *indexes);

/* the object of "old" is "successor" from now on: it was rebuilt */
extern void guard_identity_became(Oid old, Oid successor);

/* a table's indexes, or this one, may have been rebuilt unseen */
extern void guard_identity_follow(Oid relation);

/*
 * These relations may bear other names now, or their columns may; with
 * InvalidOid among them, any.
 */
extern void guard_identity_renamed(List *relations);

/* nobody need know any more what these indexes were like */
extern void guard_identity_forget_shapes(List *indexes);

/* these relations go for good */
extern void guard_identity_gone(List *relations);

/*
 * What nobody told: rebuilt, renamed, gone or made while guard did not look.
 * Of objects that are gone since before "forget" nothing is kept.
 */
extern void guard_identity_snapshot(TimestampTz forget);

/* the object of a relation, made if need be, for who hangs something on it */
extern pg_uuid_t * guard_identity_ensure(Oid relation);

/* ---- the database ---- */

/*
 * Is this the database that guard's rows speak of?  In a copy of it, they are
 * another's: nothing is read of them, and the first one to write here clears
 * them.
 */
extern bool guard_identity_is_home(void);

/* Does what this table holds speak of one database alone? */
extern bool guard_identity_binds(const char *table);

/* Make this database guard's home; returns whether it was not. */
extern bool guard_identity_settle(void);

/* ----------------------------------------------------------------
 *		What PostgreSQL's catalogs say of tables, indexes and partitions.
 *
 * No lock is taken on what is asked about: it may go at any moment, and what
 * has gone is an answer, never an error.  Results live in the current memory
 * context.
 * ----------------------------------------------------------------
 */

/*
 * bool guard_catalog_form(cache, oid, form)
 *
 * The row of a catalog that this cache has for an OID: its fixed part, into a
 * FormData_..., which is all zero where there is none; then false.
 */
#define guard_catalog_form(cache, oid, form) \
	guard_catalog_copy_form(cache, oid, form, sizeof(*(form)))

/* What that calls. */
extern bool guard_catalog_copy_form(int cache, Oid oid, void *form, Size size);

/* Is there a relation with this OID? */
extern bool guard_catalog_exists(Oid relation);

/* Is it an index, partitioned ones included? */
extern bool guard_catalog_is_index(Oid relation);

/* Is it something that statements address by name, and that lasts? */
extern bool guard_catalog_bears_name(Oid relation);

/* Will it go with the session: does it depend on something in pg_temp? */
extern bool guard_catalog_hangs_on_temporary(Oid index);

/* Can anything hang on one: has the session a pg_temp? */
extern bool guard_catalog_has_temporary(void);

/* The table of an index; InvalidOid when it is none, or not there. */
extern Oid	guard_catalog_table(Oid index);

/* Who owns it; InvalidOid where it is not there. */
extern Oid	guard_catalog_owner(Oid relation);

/* Is there a valid index with this OID? */
extern bool guard_catalog_is_valid(Oid index);

/* The indexes of a table, valid or not: a list of OIDs. */
extern List *guard_catalog_indexes(Oid table);

/* That of them which bears a name; InvalidOid when none does. */
extern Oid	guard_catalog_index_named(Oid table, const char *name);

/*
 * What is attached directly to a table or an index: partitions, or children of
 * inheritance.  Not what is being detached concurrently.
 */
extern List *guard_catalog_children(Oid parent);

/*
 * What a table is a partition of, or the first of those that it inherits from;
 * InvalidOid: nothing.
 */
extern Oid	guard_catalog_parent(Oid table);

/* All that it is attached to directly; and the bounds of a partition, as a tree. */
extern List *guard_catalog_parents(Oid table);
extern char *guard_catalog_bound(Oid partition);

/* The names of its columns: that of number n at n - 1, NULL for none. */
extern char **guard_catalog_columns(Oid table, int *ncolumns);

/*
 * A relation and all that it is a partition of, itself first and the topmost
 * last.
 */
extern List *guard_catalog_lineage(Oid relation);

/* Schema and name, qualified and quoted as SQL takes them; NULL: not there. */
extern char *guard_catalog_name(Oid relation);

/* ----------------------------------------------------------------
 *		When a transaction ends, and until when there may be a subtransaction.
 *
 * Vocabulary:
 *
 * phase		what is being told to those who registered
 * ending		COMMIT or PREPARE TRANSACTION is about to begin: the last
 *			moment at which guard may start a subtransaction.  What is
 *			optional is written here, and nothing is refused
 * last		it has begun, and triggers that were deferred have run: the
 *			last word, before anybody (postgres_fdw) commits elsewhere.
 *			What must not fail is written here, in the transaction itself,
 *			where an error refuses COMMIT
 * ----------------------------------------------------------------
 */

typedef enum GuardXactPhase
{
	GUARD_XACT_ENDING = 1 << 0,
	GUARD_XACT_LAST = 1 << 1,
	GUARD_XACT_COMMITTED = 1 << 2,
	GUARD_XACT_PREPARED = 1 << 3,	/* over for this session */
	GUARD_XACT_ABORTED = 1 << 4
} GuardXactPhase;

#define GUARD_XACT_OVER \
	(GUARD_XACT_COMMITTED | GUARD_XACT_PREPARED | GUARD_XACT_ABORTED)

/* Called by guard.c at start, before anybody registers. */
extern void guard_xact_init(void);

/*
 * Have "callback" called at the phases whose bits are set, after those who
 * registered before, in every transaction that is followed, until the session
 * ends.  Callbacks of the last three may neither fail nor look into a catalog.
 */
typedef void (*guard_xact_callback) (GuardXactPhase phase);
extern void guard_xact_register(int phases, guard_xact_callback callback);

/*
 * This transaction is to be followed: whoever keeps anything for its end says
 * so.  Said in a callback of one of the last three, it is about the next one.
 */
extern void guard_xact_follow(void);

/*
 * Have "callback" called when a subtransaction was rolled back.
 */
typedef void (*guard_xact_subabort) (SubTransactionId subid);
extern void guard_xact_register_subabort(guard_xact_subabort callback);

/*
 * COMMIT or PREPARE TRANSACTION has arrived in ProcessUtility, and will be
 * carried out next.
 */
extern void guard_xact_commit_arrives(void);

/*
 * See that guard's is the first callback that hears of COMMIT.
 */
extern void guard_xact_go_first(void);

/* How many transactions this session has ended: a number for the current one. */
extern uint64 guard_xact_number(void);

/*
 * May guard start an internal subtransaction now?  Nowhere else is this
 * decided.
 */
extern bool guard_xact_may_begin(void);

/*
 * A list whose items belong to the subtransaction in which they were added:
 * ROLLBACK TO takes them off, an ended savepoint passes them on.  The memory
 * is the caller's, must last as long as the item is in the list, and begins
 * with a GuardXactItem.
 */
typedef struct GuardXactItem
{
	dlist_node	node;
	SubTransactionId subid;
} GuardXactItem;

typedef struct GuardXactList
{
	dlist_head	items;
	struct GuardXactList *next; /* of all lists */
	bool		followed;
} GuardXactList;

#define GUARD_XACT_LIST_INIT(name)	{DLIST_STATIC_INIT((name).items), NULL, false}

#define guard_xact_list_empty(list)	dlist_is_empty(&(list)->items)

/*
 * The item belongs to the current subtransaction from now on: passed on where
 * that ends well, dropped where it does not.  The transaction is followed.
 */
extern void guard_xact_list_add(GuardXactList *list, GuardXactItem *item);

/* Take off all items, whose memory may be gone already. */
extern void guard_xact_list_clear(GuardXactList *list);

/* ----------------------------------------------------------------
 *		The catalogs as they were before this transaction
 *
 *	touched		this transaction may have changed the name, the columns or the
 *				parents of a relation, or made or dropped it
 *	before		as this transaction found it
 *
 * What others have committed meanwhile is seen.  Results live in the current
 * memory context; what was not there before is an answer, never an error.
 * ----------------------------------------------------------------
 */

typedef enum GuardTouched
{
	GUARD_TOUCHED_RELATION,
	GUARD_TOUCHED_SCHEMA,		/* and so all that is in it */
	GUARD_TOUCHED_RULE			/* and so, maybe, a view */
} GuardTouched;

/* Register with the end of transactions; called once, from _PG_init. */
extern void guard_before_init(void);

/* This transaction touches an object. */
extern void guard_before_touch(GuardTouched kind, Oid object);

/* Has it touched any; has it, maybe, touched this relation? */
extern bool guard_before_any(void);
extern bool guard_before_is_touched(Oid relation);

/* How often this session has touched any: another figure, another answer. */
extern uint64 guard_before_touches(void);

/* What it has touched, gone ones included: OIDs of relations. */
extern List *guard_before_touched(void);

/* The same of what was touched since, which *seen tells, and is told. */
extern List *guard_before_touched_since(uint64 *seen);

/* A relation as it was. */
typedef struct GuardBefore
{
	Oid			relation;
	char		kind;			/* relkind */
	char	   *schema;
	char	   *name;
	char	   *bound;			/* of a partition, as a node tree */
} GuardBefore;

/* NULL: it was not there. */
extern GuardBefore *guard_before_relation(Oid relation);

/* What bore that name; InvalidOid: nothing did. */
extern Oid	guard_before_named(const char *schema, const char *name);

/* The names of its columns: that of number n at n - 1, NULL for none. */
extern char **guard_before_columns(Oid relation, int *ncolumns);

/* The collation of one; InvalidOid where it has none, or was not there. */
extern Oid	guard_before_collation(Oid relation, AttrNumber column);

/* What was attached to it, and what it was attached to. */
extern List *guard_before_children(Oid relation);
extern List *guard_before_parents(Oid relation);

/*
 * As it was, or is now: by what a table is partitioned, as a text, NULL: it is not;
 * its CHECK constraints, node trees as texts; and what a view shows, NULL: it is
 * none.
 */
extern char *guard_before_partition_key(Oid table, bool now);
extern List *guard_before_checks(Oid table, bool now);
extern Query *guard_before_view(Oid view, bool now);

/* ----------------------------------------------------------------
 *		Strings that are cut, and strings that come from elsewhere.
 *
 * What guard shows, stores and logs is valid in the database's encoding: a
 * string is cut between characters, and bytes that are no character - names of
 * roles are common to databases of different encodings - are shown as "\xE9".
 *
 * A database in SQL_ASCII takes all bytes, but its clients do not: there
 * characters are those of the client's encoding, or of UTF-8 where it has none.
 * ----------------------------------------------------------------
 */

/* So many bytes of the string are whole characters, at most "limit". */
extern int	guard_text_clip(const char *str, int limit);

/*
 * The string, in the current memory context; if it is longer than "limit",
 * cut, and with "mark" behind it.
 */
extern char *guard_text_cut(const char *str, int limit, const char *mark);

/*
 * The string, or, where it has invalid bytes, a copy that shows them.
 */
extern const char *guard_text_valid(const char *str);

/*
 * The same in an array of "size" bytes: as much as it can hold.  Raises no
 * error and allocates nothing.
 */
extern void guard_text_copy(char *to, size_t size, const char *from);

/* A span of time in microseconds, in one unit, as one says it. */
extern char *guard_text_span(int64 usecs);

/* ----------------------------------------------------------------
 *		The one writer of JSON.
 *
 * JSON is appended to a StringInfo, member by member:
 *
 *	guard_json_object(buf, NULL);
 *	guard_json_text(buf, "service", service);
 *	guard_json_array(buf, "seen");
 *	guard_json_time(buf, NULL, at);
 *	guard_json_end_array(buf);
 *	guard_json_end_object(buf);
 *
 * "key" is NULL for an element of an array and for the whole.  Commas come by
 * themselves.  A member that has nothing to say is left out: a text that is
 * NULL, a time that is 0.
 *
 * Where a query of ours has the values, jsonb_build_object() is simpler still.
 * ----------------------------------------------------------------
 */

/* Open an object or an array, and close it. */
extern void guard_json_object(StringInfo json, const char *key);
extern void guard_json_end_object(StringInfo json);
extern void guard_json_array(StringInfo json, const char *key);
extern void guard_json_end_array(StringInfo json);

/* Bytes that are no character are shown (store/store.h). */
extern void guard_json_text(StringInfo json, const char *key, const char *value);
extern void guard_json_int(StringInfo json, const char *key, int64 value);
extern void guard_json_bool(StringInfo json, const char *key, bool value);
extern void guard_json_time(StringInfo json, const char *key, TimestampTz value);

/* With three digits behind the point; null where it is not finite. */
extern void guard_json_number(StringInfo json, const char *key, double value);

/* What is JSON already; "null", where a member must be there. */
extern void guard_json_raw(StringInfo json, const char *key, const char *value);

/* ----------------------------------------------------------------
 *		Finding pg_stat_statements, and reading it.
 *
 * It holds what every role of every database makes it hold.  Its texts are one
 * file, read as a whole, and one invalid byte in the text of some other database
 * fails the whole call.  So texts are asked for apart, and whatever reads them
 * can do without.
 *
 * A role sees no queryid of other roles in it (doc/internals/review.md 12), so
 * it is read with the rights of the extension's owner.  Its functions are found
 * through the extension that they belong to, wherever that lives, never through
 * search_path.
 * ----------------------------------------------------------------
 */

/* What is here, as of now. */
typedef struct GuardPgss
{
	const char *missing;		/* in words, why it cannot be used; NULL: it
								 * can */
	const char *remedy;			/* what to do about that, as one writes it */
	char	   *function;		/* its function, qualified and quoted */
	char	   *info;			/* the function that tells since when it
								 * counts, called; NULL: there is none */
	bool		since;			/* it tells since when each statement is
								 * counted */
} GuardPgss;

/* Look for it; the result lives in the current memory context. */
extern GuardPgss guard_pgss_find(void);

/*
 * Are the texts of all statements too long to be read while somebody waits?
 */
extern bool guard_pgss_texts_long(void);

/*
 * In a query grouped by queryid: the text of a statement, cut, but not as short
 * as it will be shown.
 */
#define GUARD_PGSS_TEXT	"left(min(query COLLATE \"C\"), 1004)"

/*
 * GuardRows *guard_pgss_rows(columns, texts)
 *
 * What it has counted of the statements of this database, over all users: one
 * row for each queryid, with these columns, which are aggregates but for
 * queryid.  "texts": query is not null, and costs what it costs.  No rows where
 * it is missing.
 */
extern GuardRows *guard_pgss_rows(const GuardPgss *pgss, const char *columns,
								  bool texts);

/* ----------------------------------------------------------------
 *		Hash tables, by the bytes of their keys.
 * ----------------------------------------------------------------
 */

/* One in a memory context. */
static inline HTAB *
guard_hash_make(const char *name, Size keysize, Size entrysize,
				MemoryContext context)
{
	HASHCTL		info = {.keysize = keysize, .entrysize = entrysize, .hcxt = context};

	return hash_create(name, 256, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static inline void
guard_hash_is_over(void *table)
{
	*(HTAB **) table = NULL;
}

/* One in the current memory context; *table is NULL again when that is reset. */
static inline void
guard_hash_for_now(HTAB **table, const char *name, Size keysize, Size entrysize)
{
	MemoryContextCallback *over = palloc0(sizeof(MemoryContextCallback));

	over->func = guard_hash_is_over;
	over->arg = table;
	*table = guard_hash_make(name, keysize, entrysize, CurrentMemoryContext);
	MemoryContextRegisterResetCallback(CurrentMemoryContext, over);
}

#endif							/* GUARD_STORE_H */
