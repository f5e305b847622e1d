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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "pgstat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "evidence/evidence.h"
#include "guc.h"
#include "store/store.h"

/* guard.moved_table */
#define MOVED_TABLE_OID		1
#define MOVED_OLD_SCHEMA	2
#define MOVED_OLD_NAME		3
#define MOVED_AT			4
#define MOVED_DETACHED		5
#define MOVED_RELATIONS		6
#define MOVED_SCANS			7

struct GuardPendingMove
{
	Oid			table;
	char	   *old_schema;
	char	   *old_name;
	bool		detach;
};

/* What reading guard.moved_table is about. */
typedef struct MoveSearch
{
	GuardEvidence *evidence;
	Oid			heir;			/* bears the old name of the chosen move */
	ArrayType  *relations;
	ArrayType  *scans;
} MoveSearch;

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

/*
 * Of several moves the latest whose old name somebody else bears now is the
 * one that matters, else the latest.
 */
static bool
choose_move(HeapTuple tuple, TupleDesc desc, void *arg)
{
	MoveSearch *search = arg;
	GuardMove  *move = &search->evidence->move;
	TimestampTz at = DatumGetTimestampTz(get_value(tuple, MOVED_AT, desc));
	char	   *schema = NameStr(*DatumGetName(get_value(tuple, MOVED_OLD_SCHEMA, desc)));
	char	   *name = NameStr(*DatumGetName(get_value(tuple, MOVED_OLD_NAME, desc)));
	Oid			heir = table_by_name(schema, name);

	if (heir == search->evidence->shape->table)
		heir = InvalidOid;
	if (move->moved)
	{
		if (OidIsValid(search->heir) && !OidIsValid(heir))
			return true;
		if (OidIsValid(search->heir) == OidIsValid(heir) && at < move->at)
			return true;
	}

	search->heir = heir;
	search->relations = DatumGetArrayTypePCopy(get_value(tuple, MOVED_RELATIONS, desc));
	search->scans = DatumGetArrayTypePCopy(get_value(tuple, MOVED_SCANS, desc));
	move->moved = true;
	move->at = at;
	move->old_schema = pstrdup(schema);
	move->old_name = pstrdup(name);
	move->detached |= DatumGetBool(get_value(tuple, MOVED_DETACHED, desc));
	return true;
}

/*
 * The scans that a relation had when it was moved; 0 when it was not noted.
 */
static int64
scans_at_move(MoveSearch *search, Oid relation)
{
	Datum	   *oids;
	Datum	   *scans;
	int			noids;
	int			nscans;

	deconstruct_array(search->relations, OIDOID, sizeof(Oid), true,
					  TYPALIGN_INT, &oids, NULL, &noids);
	deconstruct_array(search->scans, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &scans, NULL, &nscans);
	for (int i = 0; i < Min(noids, nscans); i++)
	{
		if (DatumGetObjectId(oids[i]) == relation)
			return DatumGetInt64(scans[i]);
	}
	return 0;
}

/*
 * Did this use happen before the move, as far as its source can tell?
 */
static bool
before_move(GuardFact *fact, MoveSearch *search)
{
	GuardEvidence *evidence = search->evidence;
	bool		counted = strstr(fact->source, "counters") != NULL;
	bool		of_table = strncmp(fact->source, "table", 5) == 0;

	if (fact->last != 0 && fact->last <= evidence->move.at)
		return true;
	if (!counted)
		return false;
	return fact->count - scans_at_move(search, of_table ?
									   evidence->shape->table : evidence->index)
		< guard_guc_min_scans;
}

/*
 * Mark the facts that stopped speaking for this index because its table was
 * moved out of the way.
 */
void
guard_moved_collect(GuardEvidence *evidence)
{
	MoveSearch	search = {0};
	GuardMove  *move = &evidence->move;
	bool		quiet;
	ListCell   *lc;

	search.evidence = evidence;
	(void) guard_store_scan("moved_table", "moved_table_table_oid_idx",
							MOVED_TABLE_OID, evidence->shape->table,
							choose_move, &search);
	if (!move->moved)
		return;
	if (OidIsValid(search.heir))
	{
		GuardReplacement successor;

		move->heir_table = psprintf("%s.%s", move->old_schema, move->old_name);
		guard_replacement_find(evidence->shape, search.heir, NIL, false,
							   &successor);
		move->served = successor.match != GUARD_MATCH_NONE && successor.usable;
		move->heir_index = successor.index;
	}

	quiet = evidence->as_of - move->at >=
		(int64) guard_guc_quiet_period * USECS_PER_SEC;
	foreach(lc, evidence->facts)
	{
		GuardFact  *fact = lfirst(lc);
		bool		of_table = strncmp(fact->source, "table", 5) == 0;

		if (fact->seen != GUARD_SEEN_USED || !before_move(fact, &search))
			continue;
		fact->moved_away = quiet || move->detached || move->served ||
			(of_table && OidIsValid(search.heir));
	}
}

/* ---- writing ---- */

/*
 * The table that a statement is about to move, and whether by detaching it.
 */
static RangeVar *
moved_by(Node *parsetree, bool *detach)
{
	ListCell   *lc;

	*detach = false;
	switch (nodeTag(parsetree))
	{
		case T_RenameStmt:
			{
				RenameStmt *stmt = (RenameStmt *) parsetree;

				if (stmt->renameType == OBJECT_TABLE ||
					stmt->renameType == OBJECT_MATVIEW)
					return stmt->relation;
				break;
			}
		case T_AlterObjectSchemaStmt:
			{
				AlterObjectSchemaStmt *stmt = (AlterObjectSchemaStmt *) parsetree;

				if (stmt->objectType == OBJECT_TABLE ||
					stmt->objectType == OBJECT_MATVIEW)
					return stmt->relation;
				break;
			}
		case T_AlterTableStmt:
			foreach(lc, ((AlterTableStmt *) parsetree)->cmds)
			{
				AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

				*detach = true;
				if (cmd->subtype == AT_DetachPartition)
					return ((PartitionCmd *) cmd->def)->name;
				if (cmd->subtype == AT_DropInherit)
					return ((AlterTableStmt *) parsetree)->relation;
			}
			break;
		default:
			break;
	}
	return NULL;
}

/*
 * Is the statement about to move a table?  Then what the table is called now,
 * in the current memory context; else NULL.
 */
GuardPendingMove *
guard_moved_prepare(Node *parsetree)
{
	GuardPendingMove *move;
	bool		detach;
	RangeVar   *name = moved_by(parsetree, &detach);
	Oid			table;

	if (name == NULL)
		return NULL;
	table = RangeVarGetRelid(name, NoLock, true);
	if (!OidIsValid(table))
		return NULL;

	move = palloc0(sizeof(GuardPendingMove));
	move->table = table;
	move->old_schema = get_namespace_name(get_rel_namespace(table));
	move->old_name = get_rel_name(table);
	move->detach = detach;
	if (move->old_schema == NULL || move->old_name == NULL)
		return NULL;
	return move;
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
	ListCell   *lc;

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
	foreach(lc, oids)
	{
		PgStat_StatTabEntry *tab = pgstat_fetch_stat_tabentry(lfirst_oid(lc));

		oid_values[n] = ObjectIdGetDatum(lfirst_oid(lc));
		scan_values[n++] = Int64GetDatum(tab != NULL ? tab->numscans : 0);
	}
	*relations = construct_array(oid_values, n, OIDOID, sizeof(Oid), true,
								 TYPALIGN_INT);
	*scans = construct_array(scan_values, n, INT8OID, sizeof(int64),
							 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/*
 * The statement is done: if the table has another name or parent now, write
 * the move down.
 */
void
guard_moved_record(GuardPendingMove *move)
{
	char	   *schema = get_namespace_name(get_rel_namespace(move->table));
	char	   *name = get_rel_name(move->table);
	ArrayType  *relations;
	ArrayType  *scans;
	NameData	old_schema;
	NameData	old_name;
	Oid			types[] = {OIDOID, NAMEOID, NAMEOID, TIMESTAMPTZOID, BOOLOID,
	OIDARRAYOID, INT8ARRAYOID};
	Datum		values[7];

	if (schema == NULL || name == NULL)
		return;
	if (!move->detach && strcmp(schema, move->old_schema) == 0 &&
		strcmp(name, move->old_name) == 0)
		return;

	read_scans(move->table, &relations, &scans);
	namestrcpy(&old_schema, move->old_schema);
	namestrcpy(&old_name, move->old_name);
	values[0] = ObjectIdGetDatum(move->table);
	values[1] = NameGetDatum(&old_schema);
	values[2] = NameGetDatum(&old_name);
	values[3] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[4] = BoolGetDatum(move->detach);
	values[5] = PointerGetDatum(relations);
	values[6] = PointerGetDatum(scans);
	guard_store_execute("INSERT INTO guard.moved_table VALUES ($1, $2, $3, $4, $5, $6, $7)",
						7, types, values, NULL);
}
