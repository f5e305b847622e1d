/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Who is this index, and is this still the database that guard knows?
 *
 * A rename keeps the OID and changes the name, REINDEX CONCURRENTLY and ALTER
 * COLUMN TYPE keep the name and change the OID (doc/internals/postgresql.md
 * 2.1, 3.9).  A row keeps both, and is brought up to date after every statement
 * that changes either, so that one half always leads to the other; what was
 * done where guard did not look is made up for by the next snapshot.
 *
 * The OIDs in guard's tables mean something in one database.  CREATE DATABASE
 * ... TEMPLATE copies rows to another, which is decided once, for all of them,
 * by the row of guard.installation.  pg_upgrade and pg_createsubscriber give
 * the server another system identifier, but keep every OID: there, and on a
 * standby, everything goes on.  A dump leaves behind all but registrations,
 * which bear names (evidence/registration.c), and replication brings no rows
 * (see guard_sql_leave_out()).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "replication/logicalworker.h"
#include "utils/inval.h"

#include "store/store.h"

PG_FUNCTION_INFO_V1(guard_sql_leave_out);

#define OBJECT "object"

#define COLUMN(type, name, member) GUARD_COLUMN(GuardObject, type, name, member)

/* guard.object */
static const GuardColumn columns[] = {
	COLUMN(UUID, "id", id),
#define OBJECT_ID			1
	COLUMN(OID, "table_oid", table),
#define OBJECT_TABLE		2
	COLUMN(OID, "index_oid", index),
#define OBJECT_INDEX		3
	COLUMN(TEXT, "table_schema", schema),
	COLUMN(TEXT, "table_name", table_name),
#define OBJECT_TABLE_NAME	5
#define OBJECT_SHAPE		7
#define OBJECT_LAST_SEEN	11
#define OBJECT_GONE_AT		12
	COLUMN(TEXT, "index_name", name),
	COLUMN(TEXT, "shape", shape),
	COLUMN(TIME, "created_at", created_at),
	COLUMN(TEXT, "created_by", created_by),
	COLUMN(TIME, "first_seen", first_seen),
	COLUMN(TIME, "last_seen", last_seen),
	COLUMN(TIME, "gone_at", gone_at),
	COLUMN(TEXT, "created_under", created_under),
};

/* guard.installation */
#define INSTALLATION_DATABASE	2

/* guard's tables, but for the record and what says which database this is. */
static const struct
{
	const char *table;
	bool		home_bound;		/* speaks of one database; not what is dumped */
	const char *forget;			/* hangs on objects: which of its rows go with
								 * them; NULL: none */
}			memories[] = {
	{"approval", true, "used_at IS NULL"},
	{"dependency", false, "true"},
	{"deployment", true, NULL},
	{"evidence_epoch", true, NULL},
	{"hidden_index", true, "true"},
	{"hidden_time", true, "true"},
	{"hourly_use", true, NULL},
	{"departed", true, NULL},
	{"known_use", true, NULL},
	{"moved_table", true, NULL},
	{"protection", false, "true"},
	{"soft_drop_baseline", true, NULL},
	{"soft_drop_sample", true, NULL},
	{"soft_drop", true, NULL},
	{"statement_hour", true, NULL},
	{"statement_rate", true, NULL},
	{OBJECT, true, NULL}
};

char	   *(*guard_identity_describe) (Oid index) = NULL;

/* ---- reading ---- */

static GuardObject *
read_object(const GuardRows *rows)
{
	GuardObject *object = palloc(sizeof(GuardObject));

	guard_record_read(columns, lengthof(columns), rows, object);
	return object;
}

/*
 * All of these rows.
 */
static List *
read_objects(GuardRows *rows)
{
	List	   *objects = NIL;

	while (rows != NULL && guard_rows_next(rows))
		objects = lappend(objects, read_object(rows));
	return objects;
}

/*
 * Rows of guard.object by the OID of an index, and by the OID or the name of a
 * table; NULL where they cannot be read.
 */
static GuardRows *
rows_of_index(Oid index)
{
	return guard_rows_by_key(OBJECT, "object_index_oid_idx", OBJECT_INDEX, P_OID(index));
}

static GuardRows *
rows_of_table(Oid table)
{
	return guard_rows_by_key(OBJECT, "object_table_oid_idx", OBJECT_TABLE, P_OID(table));
}

static GuardRows *
rows_named(const char *table_name)
{
	return guard_rows_by_key(OBJECT, "object_table_name_idx", OBJECT_TABLE_NAME, P_NAME(table_name));
}

/*
 * Of tables alone, however many indexes they have: by OID, and by name.
 */
static List *
table_itself(Oid table)
{
	return read_objects(guard_rows_surely(guard_rows_by_key(OBJECT, "object_itself_idx",
															OBJECT_TABLE, P_OID(table)),
										  OBJECT));
}

static List *
tables_named(const char *table_name)
{
	return read_objects(guard_rows_surely(guard_rows_by_key(OBJECT, "object_named_idx",
															OBJECT_TABLE_NAME, P_NAME(table_name)),
										  OBJECT));
}

/*
 * An object by its id.  The planner asks as well: SnapshotSelf leaves no SIREAD
 * lock in a serializable transaction.
 */
GuardObject *
guard_identity_find(const pg_uuid_t * id)
{
	GuardRows  *rows;
	GuardObject *object;
	Oid			table = guard_store_table(OBJECT);

	if (!guard_store_matches() || !guard_identity_is_home())
		return NULL;
	if (!OidIsValid(table) || !ConditionalLockRelationOid(table, AccessShareLock))
		(void) guard_rows_surely(NULL, OBJECT);
	rows = guard_rows_of_catalog_params(table, get_relname_relid("object_id_idx",
																 get_rel_namespace(table)),
										SnapshotSelf, GUARD_PARAMS(P_UUID(id)));
	object = guard_rows_next(rows) ? read_object(rows) : NULL;
	guard_rows_end(rows);
	UnlockRelationOid(table, AccessShareLock);
	return object;
}

/*
 * While REINDEX CONCURRENTLY waits to drop the old index, both are there: the
 * old one, not valid any more, has handed its name to the new one.
 */
Oid
guard_identity_index(Oid table, Oid index, const char *name)
{
	Oid			of_table = guard_catalog_table(index);
	Oid			successor;

	if (OidIsValid(of_table) && of_table != table)
		return InvalidOid;
	if (guard_catalog_is_valid(index))
		return index;
	successor = guard_catalog_index_named(table, name);
	return OidIsValid(successor) || !OidIsValid(of_table) ? successor : index;
}

/*
 * What it is now; see store.h.
 */
Oid
guard_identity_resolve(const GuardObject *object)
{
	if (object->gone_at != 0)
		return InvalidOid;
	if (object->name != NULL)
		return guard_identity_index(object->table, object->index, object->name);
	return guard_catalog_exists(object->table) ? object->table : InvalidOid;
}

/*
 * Who is it?  Its own OID counts most: the name may have been handed on to it
 * by an object that is gone.  What was rebuilt without our knowing it was not
 * seen being made.
 */
GuardObject *
guard_identity_of(Oid relation)
{
	Oid			index_of = guard_catalog_table(relation);
	Oid			table = OidIsValid(index_of) ? index_of : relation;

	if (OidIsValid(index_of))
	{
		foreach_ptr(GuardObject, object,
					read_objects(guard_rows_surely(rows_of_index(relation), OBJECT)))
		{
			if (object->gone_at == 0 && object->table == table)
				return object;
		}
	}
	foreach_ptr(GuardObject, object, OidIsValid(index_of) ?
				read_objects(guard_rows_surely(rows_of_table(table), OBJECT)) :
				table_itself(table))
	{
		if (object->gone_at != 0 || OidIsValid(index_of) != OidIsValid(object->index))
			continue;
		if (!OidIsValid(index_of))
			return object;
		if (guard_identity_resolve(object) == relation)
		{
			object->created_at = 0;
			return object;
		}
	}
	return NULL;
}

/*
 * Add those of the rows that speak of an index that is not there, and was not
 * seen since then, with its shape; of the table, or of others than that.  A
 * table has many indexes that are there, so nothing else of these is read.
 */
static List *
add_gone(List *objects, GuardRows *rows, Oid table, bool of_it, TimestampTz then)
{
	while (guard_rows_next(rows))
	{
		Oid			index = guard_rows_oid(rows, OBJECT_INDEX);
		TimestampTz gone_at = guard_rows_time(rows, OBJECT_GONE_AT);

		if (OidIsValid(index) && (guard_rows_oid(rows, OBJECT_TABLE) == table) == of_it &&
			(gone_at != 0 ? gone_at : guard_rows_time(rows, OBJECT_LAST_SEEN)) < then &&
			!guard_rows_null(rows, OBJECT_SHAPE) &&
			guard_catalog_table(index) != guard_rows_oid(rows, OBJECT_TABLE))
			objects = lappend(objects, read_object(rows));
	}
	return objects;
}

/*
 * What is gone of the table itself, or of others that had its name then.
 */
List *
guard_identity_gone_of(Oid table, const char *schema, const char *name,
					   TimestampTz then)
{
	List	   *objects = add_gone(NIL, guard_rows_surely(rows_of_table(table), OBJECT),
								   table, true, then);

	foreach_ptr(GuardObject, object,
				add_gone(NIL, guard_rows_surely(rows_named(name), OBJECT), table, false, then))
	{
		if (strcmp(object->schema, schema) == 0)
			objects = lappend(objects, object);
	}
	return objects;
}

/*
 * Tables that bear this name, as far as was written down.
 */
List *
guard_identity_tables_named(const char *schema, const char *name)
{
	List	   *tables = NIL;

	foreach_ptr(GuardObject, object, tables_named(name))
	{
		if (!OidIsValid(object->index) && object->gone_at == 0 &&
			strcmp(object->schema, schema) == 0)
			tables = lappend_oid(tables, object->table);
	}
	return tables;
}

/*
 * The table, where it was made from nothing and its name is its own.
 */
GuardObject *
guard_identity_made(Oid table, const char *schema, const char *name)
{
	GuardObject *made = NULL;

	foreach_ptr(GuardObject, object, tables_named(name))
	{
		if (OidIsValid(object->index) || strcmp(object->schema, schema) != 0)
			continue;
		if (object->table != table || object->gone_at != 0)
			return NULL;
		made = object;
	}
	return made != NULL && made->created_at != 0 && made->created_by != NULL ? made : NULL;
}

/*
 * All of them.
 */
List *
guard_identity_all_gone(void)
{
	return read_objects(guard_query_rows("SELECT * FROM guard.object WHERE shape IS NOT NULL"
										 " AND index_oid NOT IN (SELECT indexrelid FROM pg_index)"));
}

/*
 * Nobody need know any more what they were like.
 */
void
guard_identity_forget_shapes(List *indexes)
{
	if (indexes != NIL)
		guard_query_execute("UPDATE guard.object SET shape = NULL WHERE index_oid = ANY ($1)",
							P_OIDS(indexes));
}

/* ---- writing ---- */

/*
 * Relations as they are in the catalogs now: tables, and indexes of theirs.
 */
#define RELATIONS \
	"SELECT t.oid AS table_oid, coalesce(x.indexrelid, 0::oid) AS index_oid, n.nspname AS table_schema, t.relname AS table_name," \
	" CASE WHEN x.indexrelid IS NOT NULL THEN c.relname END AS index_name, c.relkind <> 'i' OR x.indisvalid AS usable" \
	" FROM pg_class c LEFT JOIN pg_index x ON x.indexrelid = c.oid JOIN pg_class t ON t.oid = coalesce(x.indrelid, c.oid)" \
	" JOIN pg_namespace n ON n.oid = t.relnamespace" \
	" WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND c.oid >= 16384 AND c.relpersistence <> 't'" \
	" AND t.relkind <> 't' AND n.nspname <> 'guard'"

/* Of these alone, which are found by their OIDs. */
#define THESE " AND c.oid = ANY ($1)"

/*
 * What is told of objects is written in the transactions of users, none of
 * which is to wait or to fail for it: the next snapshot makes up for it.
 */
static bool
may_write(void)
{
	return guard_query_may_write(OBJECT);
}

/* Rows that are to be changed, but for those that another session is at. */
#define FREE \
	"free AS (SELECT o.id FROM guard.object o WHERE o.id IN (SELECT id FROM stale) FOR UPDATE SKIP LOCKED)"

/*
 * Whoever keeps a copy of what objects are is to read it anew.
 */
static void
announce(uint64 changed)
{
	Oid			table = guard_store_table(OBJECT);

	if (changed > 0 && OidIsValid(table))
		CacheInvalidateRelcacheByRelid(table);
}

/*
 * Bring the shapes of indexes up to date.
 */
static void
write_shapes(List *indexes)
{
	List	   *described = NIL;
	List	   *shapes = NIL;

	if (guard_identity_describe == NULL)
		return;
	foreach_oid(each, indexes)
	{
		char	   *shape = guard_identity_describe(each);

		if (shape == NULL)
			continue;
		described = lappend_oid(described, each);
		shapes = lappend(shapes, shape);
	}
	if (shapes != NIL)
		guard_query_execute("WITH stale AS (SELECT o.id, n.shape FROM unnest($1, $2) AS n (index_oid, shape)"
							" JOIN guard.object o ON o.index_oid = n.index_oid AND o.gone_at IS NULL AND o.shape IS DISTINCT FROM n.shape), "
							FREE
							" UPDATE guard.object o SET shape = s.shape FROM stale s JOIN free USING (id) WHERE o.id = s.id",
							P_OIDS(described), P_TEXTS(shapes));
}

/*
 * Make rows for relations that have none, all of them where "relations" is
 * NIL; made from nothing, if so, by this session.  An index that is not valid
 * is being made, or is nobody's.
 */
static void
add_objects(List *relations, bool made)
{
	guard_query_execute(psprintf("INSERT INTO guard.object (table_oid, index_oid, table_schema, table_name, index_name, created_at, created_by, created_under)"
								 " SELECT table_oid, index_oid, table_schema, table_name, index_name,"
								 " CASE WHEN $2 THEN clock_timestamp() END, CASE WHEN $2 THEN session_user END, CASE WHEN $2 THEN current_setting('application_name') END"
								 " FROM (" RELATIONS "%s) r"
								 " WHERE $2 OR NOT EXISTS (SELECT FROM guard.object o WHERE o.table_oid = r.table_oid AND o.index_oid = r.index_oid"
								 " AND o.gone_at IS NULL)"
								 " ON CONFLICT (table_oid, index_oid) WHERE gone_at IS NULL"
								 " DO UPDATE SET created_at = excluded.created_at, created_by = excluded.created_by,"
								 " created_under = excluded.created_under WHERE $2",
								 relations == NIL ? " AND (c.relkind <> 'i' OR x.indisvalid)" : THESE),
						P_OIDS(relations), P_BOOL(made));
}

/*
 * These indexes were made from nothing.
 */
void
guard_identity_created(List *indexes)
{
	if (indexes == NIL || !may_write())
		return;
	add_objects(indexes, true);
	write_shapes(indexes);
}

/*
 * What was captured of an index that was rebuilt unseen, was captured under
 * its former OID: whether it has been used since it was created is not known
 * then.  A snapshot may have seen the new one already.
 */
static void
change_oid(Oid old, Oid successor, bool seen)
{
	if (!may_write())
		return;
	guard_query_execute("DELETE FROM guard.object n USING guard.object o WHERE n.index_oid = $2 AND n.gone_at IS NULL"
						" AND o.index_oid = $1 AND o.gone_at IS NULL",
						P_OID(old), P_OID(successor));
	announce(guard_query_execute("UPDATE guard.object SET index_oid = $2, created_at = CASE WHEN $3 THEN created_at END"
								 " WHERE index_oid = $1 AND gone_at IS NULL",
								 P_OID(old), P_OID(successor), P_BOOL(seen)));
	/* cached plans know their tables only */
	CacheInvalidateRelcacheByRelid(guard_catalog_table(successor));
}

/*
 * These relations bear other names now; NIL: any may.
 */
static void
correct_names(List *relations)
{
	announce(guard_query_execute(psprintf("WITH stale AS (SELECT o.id, r.* FROM (" RELATIONS "%s) r JOIN guard.object o USING (table_oid, index_oid)"
										  " WHERE o.gone_at IS NULL"
										  " AND (o.table_schema, o.table_name, o.index_name) IS DISTINCT FROM (r.table_schema, r.table_name, r.index_name)), "
										  FREE
										  " UPDATE guard.object o SET table_schema = s.table_schema, table_name = s.table_name, index_name = s.index_name,"
										  " last_seen = clock_timestamp() FROM stale s JOIN free USING (id) WHERE o.id = s.id",
										  relations == NIL ? "" : THESE),
								 P_OIDS(relations)));
}

static bool
is_name(const char *recorded, const char *now)
{
	return now != NULL && strcmp(recorded, now) == 0;
}

/*
 * Is what is written down of it true no longer?
 */
static bool
is_stale(const GuardObject *object)
{
	char	   *shape;

	if (object->gone_at != 0 || !guard_catalog_exists(object->table))
		return false;
	if (!is_name(object->table_name, get_rel_name(object->table)) ||
		!is_name(object->schema, get_namespace_name(get_rel_namespace(object->table))))
		return true;
	if (object->name == NULL || guard_catalog_table(object->index) != object->table)
		return false;
	if (!is_name(object->name, get_rel_name(object->index)))
		return true;
	shape = guard_identity_describe != NULL ? guard_identity_describe(object->index) : NULL;
	return shape != NULL && (object->shape == NULL || !is_name(object->shape, shape));
}

/*
 * Most statements that alter a table change no name, and are to leave no lock
 * behind.
 */
static void
correct(List *relations)
{
	bool		any = list_member_oid(relations, InvalidOid);
	List	   *stale = NIL;
	List	   *indexes = NIL;

	foreach_oid(each, relations)
	{
		foreach_ptr(GuardObject, object,
					read_objects(guard_catalog_is_index(each) ? rows_of_index(each) : rows_of_table(each)))
		{
			if (is_stale(object))
				stale = list_append_unique_oid(stale, OidIsValid(object->index) ?
											   object->index : object->table);
		}
	}
	if ((stale == NIL && !any) || !may_write())
		return;
	correct_names(any ? NIL : stale);
	foreach_oid(each, stale)
	{
		if (guard_catalog_is_index(each))
			indexes = lappend_oid(indexes, each);
	}
	write_shapes(indexes);
}

static bool
has_rows(const char *table)
{
	GuardRows  *rows = guard_rows_of_table(table);
	bool		any = rows != NULL && guard_rows_next(rows);

	if (rows != NULL)
		guard_rows_end(rows);
	return any;
}

/*
 * What hangs on objects that are gone goes as well, where it is not evidence.  NIL:
 * on any of them.
 */
static void
forget_hanging(List *relations)
{
	for (int i = 0; i < lengthof(memories); i++)
	{
		if (memories[i].forget != NULL && has_rows(memories[i].table) &&
			guard_query_may_write(memories[i].table))
			guard_query_execute(psprintf("DELETE FROM guard.%s WHERE %s AND object IN (SELECT o.id FROM guard.object o"
										 " WHERE o.gone_at IS NOT NULL%s)", memories[i].table, memories[i].forget,
										 relations == NIL ? "" : " AND (o.table_oid = ANY ($1) OR o.index_oid = ANY ($1))"),
								P_OIDS(relations));
	}
}

/*
 * Learn the OIDs of indexes that were rebuilt unseen.  One whose name belongs
 * to another object by now is gone.
 */
void
guard_identity_follow(Oid relation)
{
	Oid			table = guard_catalog_table(relation);
	List	   *objects = read_objects(rows_of_table(OidIsValid(table) ? table : relation));
	List	   *present = NIL;

	foreach_ptr(const GuardObject, object, objects)
	{
		if (object->gone_at == 0)
			present = lappend_oid(present, object->index);
	}
	foreach_ptr(const GuardObject, object, objects)
	{
		Oid			now = OidIsValid(object->index) ? guard_identity_resolve(object) : InvalidOid;

		if (OidIsValid(now) && !list_member_oid(present, now))
			change_oid(object->index, now, false);
	}
}

/*
 * An index was rebuilt.
 */
void
guard_identity_became(Oid old, Oid successor)
{
	change_oid(old, successor, true);
	correct(list_make1_oid(successor));
}

/*
 * Names of these, or of their columns, may have changed; one that was rebuilt
 * unseen may bear its old name again.
 */
void
guard_identity_renamed(List *relations)
{
	foreach_oid(each, relations)
		guard_identity_follow(each);
	correct(relations);
}

/*
 * These go for good, tables with their indexes.
 */
void
guard_identity_gone(List *relations)
{
	if (relations == NIL || !may_write() ||
		guard_query_execute("WITH stale AS (SELECT id FROM guard.object"
							" WHERE gone_at IS NULL AND (table_oid = ANY ($1) OR index_oid = ANY ($1))), "
							FREE
							" UPDATE guard.object o SET gone_at = clock_timestamp() FROM free WHERE o.id = free.id",
							P_OIDS(relations)) == 0)
		return;
	announce(1);
	forget_hanging(relations);
}

/*
 * Objects whose OID leads nowhere, or to an index that is not valid any more,
 * are what bears their name on the same table.
 */
static void
follow_rebuilt(void)
{
	announce(guard_query_execute("WITH stale AS (SELECT o.id, r.index_oid FROM guard.object o LEFT JOIN pg_index x ON x.indexrelid = o.index_oid"
								 " JOIN (" RELATIONS ") r ON r.table_oid = o.table_oid AND r.index_name = o.index_name"
								 " WHERE o.gone_at IS NULL AND r.index_oid <> o.index_oid AND NOT coalesce(x.indisvalid, false)"
								 " AND (r.usable OR x.indexrelid IS NULL)"
								 " AND NOT EXISTS (SELECT FROM guard.object n WHERE n.index_oid = r.index_oid AND n.gone_at IS NULL)), "
								 FREE
								 " UPDATE guard.object o SET index_oid = s.index_oid, created_at = NULL, last_seen = clock_timestamp()"
								 " FROM stale s JOIN free USING (id) WHERE o.id = s.id"));
}

static void
note_vanished(void)
{
	announce(guard_query_execute("WITH stale AS (SELECT o.id FROM guard.object o LEFT JOIN pg_class t ON t.oid = o.table_oid"
								 " LEFT JOIN pg_index x ON x.indexrelid = o.index_oid AND x.indrelid = o.table_oid"
								 " WHERE o.gone_at IS NULL AND (t.oid IS NULL OR (x.indexrelid IS NULL AND o.index_oid <> 0))), "
								 FREE
								 " UPDATE guard.object o SET gone_at = clock_timestamp() FROM free WHERE o.id = free.id"));
}

/*
 * Make up for what nobody told.
 */
void
guard_identity_snapshot(TimestampTz forget)
{
	GuardRows  *rows;
	List	   *indexes = NIL;

	follow_rebuilt();
	correct_names(NIL);
	note_vanished();
	forget_hanging(NIL);
	add_objects(NIL, false);
	rows = guard_query_rows("SELECT index_oid FROM guard.object WHERE gone_at IS NULL AND index_oid <> 0 AND shape IS NULL");
	while (guard_rows_next(rows))
		indexes = lappend_oid(indexes, guard_rows_oid(rows, 1));
	write_shapes(indexes);
	guard_query_execute("DELETE FROM guard.object WHERE gone_at < $1", P_TIME(forget));
}

static GuardObject *
find_or_add(Oid relation)
{
	GuardObject *object = guard_identity_of(relation);

	if (object != NULL)
		guard_identity_renamed(list_make1_oid(relation));
	else
	{
		add_objects(list_make1_oid(relation), false);
		CommandCounterIncrement();
		object = guard_identity_of(relation);
	}
	return object;
}

/*
 * The object of a relation, for who hangs something on it.
 */
pg_uuid_t *
guard_identity_ensure(Oid relation)
{
	bool		home = guard_identity_is_home();
	GuardObject *object = find_or_add(relation);

	/* Another session was about to make the copy of a database its own. */
	if (object == NULL && !home)
	{
		(void) guard_query_server("SELECT 1 FROM guard.installation FOR SHARE");
		object = find_or_add(relation);
	}
	if (object == NULL)
		elog(ERROR, "guard.object has no row for relation %u", relation);
	return &object->id;
}

/* ---- the database ---- */

/*
 * Does what the table holds speak of one database?
 */
bool
guard_identity_binds(const char *table)
{
	for (int i = 0; i < lengthof(memories); i++)
	{
		if (memories[i].home_bound && strcmp(memories[i].table, table) == 0)
			return true;
	}
	return false;
}

/*
 * A home never ceases to be one while sessions are connected to it.  Where the
 * row cannot be read now, it is taken for one: copies are rare.
 */
bool
guard_identity_is_home(void)
{
	static bool home = false;
	static Oid	extension = InvalidOid;
	GuardRows  *rows;
	bool		result = false;
	bool		ours = false;

	if (likely(home && extension == guard_store_extension()))
		return true;
	home = false;
	extension = guard_store_extension();
	rows = guard_rows_of_table("installation");
	if (rows == NULL)
		return true;
	while (guard_rows_next(rows))
	{
		result |= guard_rows_oid(rows, INSTALLATION_DATABASE) == MyDatabaseId;
		ours |= TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(rows->tuple->t_data));
	}
	/* What this transaction has settled may be undone. */
	home = result && !ours;
	return result;
}

/*
 * Of several sessions one does it, and nobody waits.
 */
bool
guard_identity_settle(void)
{
	if (guard_identity_is_home() ||
		guard_query_server("UPDATE guard.installation SET database_oid = $1, installed_at = clock_timestamp() WHERE ctid IN"
						   " (SELECT i.ctid FROM guard.installation i WHERE i.database_oid <> $1 FOR UPDATE SKIP LOCKED)",
						   P_OID(MyDatabaseId))->count == 0)
		return false;
	for (int i = 0; i < lengthof(memories); i++)
	{
		if (memories[i].home_bound)
			guard_query_server(psprintf("DELETE FROM guard.%s", memories[i].table));
	}
	return true;
}

/*
 * The trigger of all our tables for rows that a subscription brings: another
 * server's rows mean nothing here, and would collide with ours.  A restore
 * that calls itself a replica is none.
 */
Datum
guard_sql_leave_out(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function can only be called by a trigger")));
	if (IsLogicalWorker())
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
						   data->tg_newtuple : data->tg_trigtuple);
}
