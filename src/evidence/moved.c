/*-------------------------------------------------------------------------
 *
 * moved.c
 *	  Tables that were moved out of the way: renamed, moved to another schema,
 *	  detached.
 *
 * Build-and-swap jobs rename the busy table away, put its successor in place
 * and drop the old one.  Its use was the use of a name, and the name has
 * passed on.  So guard notes every such move, and what was seen before it
 * stops speaking for the table and its indexes when
 *
 *	(a) another table bears the old name, and serves this use with an index of
 *		its own,
 *	(b) it was a partition or inheritance child until then, or
 *	(c) the quiet period has passed without use.
 *
 * Otherwise rename-then-drop is judged as if nothing had been renamed: it is
 * no way round the guard.  Counters that bear no date are told apart by the
 * scan counts noted at the move.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "pgstat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "evidence/gone.h"
#include "guc.h"
#include "store/store.h"

/* guard.moved_table */
#define MOVED_TABLE_OID		1
#define MOVED_OLD_SCHEMA	2
#define MOVED_OLD_NAME		3
#define MOVED_AT			4
#define MOVED_HOW			5
#define MOVED_RELATIONS		6
#define MOVED_SCANS			7
#define MOVED_OLD_KEY		8

/* guard.moved_table.how */
#define HOW_RENAMED		'r'		/* or its schema, or moved to another */
#define HOW_DETACHED	'd'
#define HOW_ATTACHED	'a'
#define HOW_UNSEEN		'u'		/* renamed, at some time before that */

struct GuardPendingMove
{
	Oid			table;
	char	   *old_schema;
	char	   *old_name;
	char		how;
};

/* A row of guard.moved_table. */
typedef struct NotedMove
{
	TimestampTz at;
	char	   *old_schema;
	char	   *old_name;
	char		how;
	ArrayType  *relations;
	ArrayType  *scans;
} NotedMove;

/* ---- reading ---- */

static Oid
table_by_name(const char *schema, const char *name)
{
	Oid			nsp = get_namespace_oid(schema, true);

	return OidIsValid(nsp) ? get_relname_relid(name, nsp) : InvalidOid;
}

static Datum
get_value(HeapTuple tuple, int attnum, TupleDesc desc)
{
	bool		isnull;

	return heap_getattr(tuple, attnum, desc, &isnull);
}

static int
by_time(const ListCell *a, const ListCell *b)
{
	TimestampTz ta = ((NotedMove *) lfirst(a))->at;
	TimestampTz tb = ((NotedMove *) lfirst(b))->at;

	return ta < tb ? -1 : ta > tb ? 1 : 0;
}

/*
 * The moves of a table, the latest last.
 */
static List *
read_moves(Oid table)
{
	List	   *moves = NIL;
	GuardRows  *rows = guard_rows_by_key("moved_table", "moved_table_table_oid_idx",
										 MOVED_TABLE_OID, P_OID(table));

	while (rows != NULL && guard_rows_next(rows))
	{
		NotedMove  *move = palloc(sizeof(NotedMove));

		move->at = guard_rows_time(rows, MOVED_AT);
		move->old_schema = guard_rows_text(rows, MOVED_OLD_SCHEMA);
		move->old_name = guard_rows_text(rows, MOVED_OLD_NAME);
		move->how = DatumGetChar(get_value(rows->tuple, MOVED_HOW, rows->desc));
		move->relations = DatumGetArrayTypePCopy(get_value(rows->tuple, MOVED_RELATIONS, rows->desc));
		move->scans = DatumGetArrayTypePCopy(get_value(rows->tuple, MOVED_SCANS, rows->desc));
		moves = lappend(moves, move);
	}
	list_sort(moves, by_time);
	return moves;
}

/*
 * The scans that a relation had when it was moved; 0 when it was not noted.
 */
static int64
scans_at_move(const NotedMove *move, Oid relation)
{
	Datum	   *oids;
	Datum	   *scans;
	int			noids;
	int			nscans;

	deconstruct_array(move->relations, OIDOID, sizeof(Oid), true,
					  TYPALIGN_INT, &oids, NULL, &noids);
	deconstruct_array(move->scans, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &scans, NULL, &nscans);
	for (int i = 0; i < Min(noids, nscans); i++)
	{
		if (DatumGetObjectId(oids[i]) == relation)
			return DatumGetInt64(scans[i]);
	}
	return 0;
}

/*
 * Did this use happen before the move, as far as its source can tell?  An
 * inherited one has been this table's only since it was inherited.
 */
static bool
before_move(const GuardFact *fact, const NotedMove *move,
			const GuardEvidence *evidence)
{
	TimestampTz last = Max(fact->last, fact->inherited_at);

	if (last != 0 && last <= move->at)
		return true;
	if (fact->source != GUARD_SOURCE_COUNTERS)
		return false;
	return fact->count - scans_at_move(move, fact->of_table ?
									   evidence->shape->table : evidence->index)
		< guard_guc_min_scans;
}

/*
 * Was it a partition or child until this DETACH, and for long enough that its
 * use came through the parent?  One that was attached only lately brought its
 * use along, and one that is attached again has not left.
 */
static bool
ended_membership(List *moves, int which, const GuardEvidence *evidence)
{
	const NotedMove *move = list_nth(moves, which);

	if (move->how != HOW_DETACHED || evidence->roles.is_partition ||
		evidence->roles.is_inheritance_child)
		return false;
	for (int i = which - 1; i >= 0; i--)
	{
		const NotedMove *earlier = list_nth(moves, i);

		if (earlier->how == HOW_ATTACHED)
			return move->at - earlier->at >=
				(int64) guard_guc_quiet_period * USECS_PER_SEC;
	}
	return true;
}

/*
 * Whoever has been moved several times had several names.  A use was the use
 * of the name that the table bore then, which is the one that it lost in the
 * first move afterwards; -1 when there is none, or that is its name now.
 */
static int
find_move(const GuardFact *fact, List *moves, const GuardEvidence *evidence)
{
	for (int i = 0; i < list_length(moves); i++)
	{
		const NotedMove *move = list_nth(moves, i);

		if (!before_move(fact, move, evidence))
			continue;
		if (move->how == HOW_RENAMED &&
			table_by_name(move->old_schema, move->old_name) == evidence->shape->table)
			return -1;
		if (move->how == HOW_RENAMED || ended_membership(moves, i, evidence))
			return i;
	}
	return -1;
}

/*
 * One move in the words of the evidence.  A DETACH that came later ended what
 * came before this move as well.
 */
static void
describe_move(GuardEvidence *evidence, List *moves, int which,
			  GuardMove *result)
{
	const NotedMove *move = list_nth(moves, which);
	Oid			heir = table_by_name(move->old_schema, move->old_name);
	GuardReplacement successor;

	memset(result, 0, sizeof(*result));
	result->moved = true;
	result->at = move->at;
	result->old_schema = move->old_schema;
	result->old_name = move->old_name;
	for (int i = which; i < list_length(moves); i++)
		result->detached |= ended_membership(moves, i, evidence);
	if (!OidIsValid(heir) || heir == evidence->shape->table)
		return;

	result->heir_table = psprintf("%s.%s", move->old_schema, move->old_name);
	guard_replacement_find(evidence->shape, heir, NULL, false, &successor);
	result->served = successor.match != GUARD_MATCH_NONE && successor.usable;
	result->heir_index = successor.index;
	if (result->served && successor.match == GUARD_MATCH_TWIN)
		result->twin = successor.index;
}

/*
 * Mark the facts that stopped speaking for this index because its table was
 * moved out of the way.  Of several moves the evidence names the latest that
 * ended a use, else the latest.
 */
void
guard_moved_collect(GuardEvidence *evidence)
{
	List	   *moves = read_moves(evidence->shape->table);
	int			named = -1;
	int			last = -1;

	evidence->attached_at = guard_departed_lost(evidence->shape->table);
	if (moves == NIL)
		return;
	for (int i = 0; i < list_length(moves); i++)
	{
		const NotedMove *move = list_nth(moves, i);

		if (move->how == HOW_ATTACHED)
			evidence->attached_at = Max(evidence->attached_at, move->at);
		else if (move->how != HOW_UNSEEN)
			last = i;
	}
	if (last < 0)
		return;
	describe_move(evidence, moves, last, &evidence->move);

	/* who bears that name matters only where it ended a use */
	evidence->move.served = false;
	evidence->move.heir_table = NULL;
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		int			which;
		GuardMove	move;
		bool		quiet;

		if (fact->seen != GUARD_SEEN_USED)
			continue;
		which = find_move(fact, moves, evidence);
		if (which < 0)
			continue;
		describe_move(evidence, moves, which, &move);
		quiet = evidence->as_of - move.at >=
			(int64) guard_guc_quiet_period * USECS_PER_SEC;
		fact->moved_away = quiet || move.detached || move.served ||
			(fact->of_table && move.heir_table != NULL);
		if (which >= named)
			evidence->move = move;
		named = Max(named, which);
	}
}

static GuardFormerName *
make_former_name(char *schema, char *name, TimestampTz until)
{
	GuardFormerName *former = palloc(sizeof(GuardFormerName));

	former->until = until;
	former->schema = schema;
	former->name = name;
	return former;
}

/*
 * The names that a table has lost, the latest first: that of a rename which was
 * not written down is the one that it is remembered by.
 */
List *
guard_moved_former_names(Oid table)
{
	GuardObject *object = guard_identity_of(table);
	List	   *moves = read_moves(table);
	List	   *names = NIL;

	if (object != NULL && table_by_name(object->schema, object->table_name) != table)
		names = list_make1(make_former_name(object->schema, object->table_name,
											GetCurrentTimestamp()));
	for (int i = list_length(moves) - 1; i >= 0; i--)
	{
		NotedMove  *move = list_nth(moves, i);

		if (move->how == HOW_RENAMED || move->how == HOW_UNSEEN)
			names = lappend(names, make_former_name(move->old_schema, move->old_name,
													move->at));
	}
	return names;
}

bool
guard_moved_former_name(Oid table, Name schema, Name name)
{
	foreach_ptr(const GuardFormerName, former, guard_moved_former_names(table))
	{
		Oid			bearer = table_by_name(former->schema, former->name);

		if (!OidIsValid(bearer) || bearer == table)
			continue;
		namestrcpy(schema, former->schema);
		namestrcpy(name, former->name);
		return true;
	}
	return false;
}

List *
guard_moved_from(const char *schema, const char *name, List **unseen)
{
	GuardRows  *rows = guard_rows_by_key("moved_table", "moved_table_old_key_idx",
										 MOVED_OLD_KEY,
										 P_INT8(guard_departed_key(schema, name)));
	List	   *tables = NIL;

	*unseen = guard_identity_tables_named(schema, name);
	while (rows != NULL && guard_rows_next(rows))
	{
		char		how = *guard_rows_text(rows, MOVED_HOW);
		Oid			table = guard_rows_oid(rows, MOVED_TABLE_OID);

		if (strcmp(guard_rows_text(rows, MOVED_OLD_SCHEMA), schema) != 0 ||
			strcmp(guard_rows_text(rows, MOVED_OLD_NAME), name) != 0)
			continue;
		if (how == HOW_RENAMED)
			tables = list_append_unique_oid(tables, table);
		else if (how == HOW_UNSEEN)
			*unseen = list_append_unique_oid(*unseen, table);
	}
	return tables;
}

/* ---- writing ---- */

/*
 * Append a table, by OID, with its present name.
 */
static void
add_move(List **moves, Oid table, char how)
{
	GuardPendingMove *move = palloc0(sizeof(GuardPendingMove));

	if (!OidIsValid(table))
		return;
	move->table = table;
	move->old_schema = get_namespace_name(get_rel_namespace(table));
	move->old_name = get_rel_name(table);
	move->how = how;
	if (move->old_schema != NULL && move->old_name != NULL)
		*moves = lappend(*moves, move);
}

/*
 * ALTER SCHEMA ... RENAME moves all of its tables.
 */
static void
add_schema(List **moves, const char *schema)
{
	Oid			nsp = get_namespace_oid(schema, true);
	Relation	pg_class;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(nsp))
		return;
	pg_class = table_open(RelationRelationId, AccessShareLock);
	scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relnamespace == nsp && form->relhasindex &&
			form->relkind != RELKIND_TOASTVALUE)
			add_move(moves, form->oid, HOW_RENAMED);
	}
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
}

/*
 * DETACH, ATTACH, INHERIT and NO INHERIT.
 */
static void
add_membership(List **moves, AlterTableStmt *stmt)
{
	foreach_ptr(AlterTableCmd, cmd, stmt->cmds)
	{
		switch (cmd->subtype)
		{
			case AT_DetachPartition:
			case AT_DetachPartitionFinalize:
			case AT_AttachPartition:
				add_move(moves,
						 RangeVarGetRelid(((PartitionCmd *) cmd->def)->name,
										  NoLock, true),
						 cmd->subtype == AT_AttachPartition ?
						 HOW_ATTACHED : HOW_DETACHED);
				break;
			case AT_DropInherit:
			case AT_AddInherit:
				add_move(moves, RangeVarGetRelid(stmt->relation, NoLock, true),
						 cmd->subtype == AT_AddInherit ?
						 HOW_ATTACHED : HOW_DETACHED);
				break;
			default:
				break;
		}
	}
}

/*
 * Is the statement about to move tables?  Then what they are called now, as a
 * list of GuardPendingMove * in the current memory context.
 */
List *
guard_moved_prepare(Node *parsetree)
{
	List	   *moves = NIL;

	if (IsA(parsetree, RenameStmt))
	{
		RenameStmt *stmt = (RenameStmt *) parsetree;

		if (stmt->renameType == OBJECT_SCHEMA)
			add_schema(&moves, stmt->subname);
		else if (stmt->renameType == OBJECT_TABLE ||
				 stmt->renameType == OBJECT_MATVIEW)
			add_move(&moves, RangeVarGetRelid(stmt->relation, NoLock, true),
					 HOW_RENAMED);
	}
	else if (IsA(parsetree, AlterObjectSchemaStmt))
	{
		AlterObjectSchemaStmt *stmt = (AlterObjectSchemaStmt *) parsetree;

		if (stmt->objectType == OBJECT_TABLE ||
			stmt->objectType == OBJECT_MATVIEW)
			add_move(&moves, RangeVarGetRelid(stmt->relation, NoLock, true),
					 HOW_RENAMED);
	}
	else if (IsA(parsetree, AlterTableStmt))
		add_membership(&moves, (AlterTableStmt *) parsetree);
	return moves;
}

/*
 * Note the scan counts of a table and its indexes, for counters without a
 * date.
 */
static void
read_scans(Oid table, ArrayType **relations, ArrayType **scans)
{
	Relation	pg_index = table_open(IndexRelationId, AccessShareLock);
	List	   *oids = list_make1_oid(table);
	Datum	   *oid_values;
	Datum	   *scan_values;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;

	ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(table));
	scan = systable_beginscan(pg_index, IndexIndrelidIndexId, true, NULL,
							  1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		oids = lappend_oid(oids, ((Form_pg_index) GETSTRUCT(tuple))->indexrelid);
	systable_endscan(scan);
	table_close(pg_index, AccessShareLock);

	oid_values = palloc(list_length(oids) * sizeof(Datum));
	scan_values = palloc(list_length(oids) * sizeof(Datum));
	foreach_oid(each, oids)
	{
		PgStat_StatTabEntry *tab = pgstat_fetch_stat_tabentry(each);

		oid_values[n] = ObjectIdGetDatum(each);
		scan_values[n++] = Int64GetDatum(tab != NULL ? tab->numscans : 0);
	}
	*relations = construct_array(oid_values, n, OIDOID, sizeof(Oid), true,
								 TYPALIGN_INT);
	*scans = construct_array(scan_values, n, INT8OID, sizeof(int64),
							 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

static void
write_move(const GuardPendingMove *move)
{
	ArrayType  *relations;
	ArrayType  *scans;

	read_scans(move->table, &relations, &scans);
	guard_query_execute("INSERT INTO guard.moved_table VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6, $7)",
						P_OID(move->table), P_NAME(move->old_schema), P_NAME(move->old_name),
						guard_param(CHAROID, CharGetDatum(move->how), false),
						guard_param(OIDARRAYOID, PointerGetDatum(relations), false),
						guard_param(INT8ARRAYOID, PointerGetDatum(scans), false),
						P_INT8(guard_departed_key(move->old_schema, move->old_name)));
}

/*
 * The statement is done: if the table has another name or parent now, write
 * the move down.
 */
static void
record_move(GuardPendingMove *move)
{
	char	   *schema = get_namespace_name(get_rel_namespace(move->table));
	char	   *name = get_rel_name(move->table);

	if (schema != NULL && name != NULL &&
		(move->how != HOW_RENAMED || strcmp(schema, move->old_schema) != 0 ||
		 strcmp(name, move->old_name) != 0))
		write_move(move);
}

void
guard_moved_record(List *moves)
{
	ListCell   *lc;

	foreach(lc, moves)
		record_move(lfirst(lc));
}

void
guard_moved_lose(List *moves)
{
	foreach_ptr(GuardPendingMove, move, moves)
		guard_departed_lose(move->table);
}

/*
 * A table that is remembered by a name which it does not bear any more has been
 * renamed, and nobody told.
 */
void
guard_moved_snapshot(void)
{
	GuardRows  *rows = guard_query_rows("SELECT o.table_oid, o.table_schema, o.table_name FROM guard.object o"
										" JOIN pg_class c ON c.oid = o.table_oid JOIN pg_namespace n ON n.oid = c.relnamespace"
										" WHERE o.index_oid = 0 AND o.gone_at IS NULL"
										" AND (o.table_schema, o.table_name) IS DISTINCT FROM (n.nspname, c.relname)");

	while (guard_rows_next(rows))
	{
		GuardPendingMove move = {
			.table = guard_rows_oid(rows, 1),
			.old_schema = guard_rows_text(rows, 2),
			.old_name = guard_rows_text(rows, 3),
			.how = HOW_UNSEEN
		};

		write_move(&move);
	}
}
