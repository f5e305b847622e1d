/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The one place of guard that asks which PostgreSQL this is.
 *
 * guard is written for the newest server; this file teaches the older ones
 * the newer names.  Every entry names the version that brought the change
 * and can be deleted when the versions before it are no longer supported.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_COMPAT_H
#define GUARD_COMPAT_H

#include <limits.h>				/* LONG_MAX, for FETCH_ALL (19) */

#include "access/tableam.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_publication.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "utils/wait_event.h"
#include "utils/backend_status.h"

/*
 * 16 replaced the per-catalog ownership checks by one (afbfc02983f8).
 */
#if PG_VERSION_NUM < 160000
extern bool guard_compat_ownercheck(Oid classid, Oid objectid, Oid roleid);
#define object_ownercheck(classid, objectid, roleid) \
	guard_compat_ownercheck(classid, objectid, roleid)
#endif

/*
 * 16 moved the query identifiers from utils/ to nodes/ ("Move queryjumble.c
 * code to src/backend/nodes/", January 2023).
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/queryjumble.h"
#else
#include "utils/queryjumble.h"
#endif

/*
 * 19 gives ShmemInitHash one size instead of two (9ebe1c4f2c7c).
 */
#if PG_VERSION_NUM >= 190000
#define guard_compat_shmem_hash(name, size, info, flags) \
	ShmemInitHash(name, size, info, flags)
#else
#define guard_compat_shmem_hash(name, size, info, flags) \
	ShmemInitHash(name, size, size, info, flags)
#endif

/*
 * How often EXPLAIN ANALYZE says that a node was executed; 1 where it counts
 * nothing.
 */
static inline int64
guard_compat_executions(PlanState *node)
{
	return node->instrument && node->instrument->nloops > 1 ?
		(int64) node->instrument->nloops : 1;
}

/*
 * Milliseconds that an execution has taken, if somebody asked for its time to
 * be taken; -1 otherwise.  19 renamed the field and keeps the total at hand.
 */
static inline double
guard_compat_execution_time(QueryDesc *queryDesc)
{
#if PG_VERSION_NUM >= 190000
	if (queryDesc->query_instr == NULL)
		return -1;
	return INSTR_TIME_GET_MILLISEC(queryDesc->query_instr->total);
#else
	if (queryDesc->totaltime == NULL)
		return -1;

	/* whoever else wants to know may do the same (pg_stat_statements.c) */
	InstrEndLoop(queryDesc->totaltime);
	return queryDesc->totaltime->total * 1000;
#endif
}

/*
 * 19 takes options.
 */
static inline TableScanDesc
guard_compat_beginscan_tidrange(Relation rel, Snapshot snapshot,
								ItemPointer from, ItemPointer to)
{
#if PG_VERSION_NUM >= 190000
	return table_beginscan_tidrange(rel, snapshot, from, to, SO_NONE);
#else
	return table_beginscan_tidrange(rel, snapshot, from, to);
#endif
}

/*
 * What the columns of an entry are that stands for others: a join, and from 18 on
 * ("Introduce an RTE for the grouping step", 247dea89f) GROUP BY.  NIL: it does not.
 */
static inline List *
guard_compat_stands_for(const RangeTblEntry *entry)
{
#if PG_VERSION_NUM >= 180000
	if (entry->rtekind == RTE_GROUP)
		return entry->groupexprs;
#endif
	return entry->rtekind == RTE_JOIN ? entry->joinaliasvars : NIL;
}

/*
 * The pages that it has asked for, if somebody asked for them to be counted; 0
 * otherwise.
 */
static inline double
guard_compat_execution_buffers(QueryDesc *queryDesc)
{
#if PG_VERSION_NUM >= 190000
	const BufferUsage *usage = queryDesc->query_instr != NULL ?
		&queryDesc->query_instr->bufusage : NULL;
#else
	const BufferUsage *usage = queryDesc->totaltime != NULL ?
		&queryDesc->totaltime->bufusage : NULL;
#endif

	return usage != NULL ? usage->shared_blks_hit + usage->shared_blks_read : 0;
}

/*
 * The status of a session, by its number from 1 on; NULL when there is none.
 * 16 renamed the function ("Rename pgstat_fetch_stat_local_beentry", d7e39d72ca1c).
 */
static inline const PgBackendStatus *
guard_compat_backend_status(int number)
{
#if PG_VERSION_NUM >= 160000
	LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(number);
#else
	LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(number);
#endif

	return local != NULL ? &local->backendStatus : NULL;
}

/*
 * 16 dates the last scan of every index and table (c037471832e1).  0 where the
 * server does not know.
 */
#if PG_VERSION_NUM >= 160000
#define guard_compat_lastscan(tabentry) ((tabentry)->lastscan)
#else
#define guard_compat_lastscan(tabentry) ((TimestampTz) 0)
#endif

/*
 * Has the current transaction given this relation another file, as TRUNCATE
 * does?  16 renamed relfilenodes to relfilenumbers (b0a55e43299c).
 */
#if PG_VERSION_NUM >= 160000
#define guard_compat_new_file(rel) \
	((rel)->rd_firstRelfilelocatorSubid != InvalidSubTransactionId)
#else
#define guard_compat_new_file(rel) \
	((rel)->rd_firstRelfilenodeSubid != InvalidSubTransactionId)
#endif

/*
 * 19 lets FOR ALL TABLES name exceptions (4 March 2026: "Allow table exclusions
 * in publications via EXCEPT TABLE").
 */
#if PG_VERSION_NUM < 190000
#define GetRelationExcludedPublications(relid)	NIL
#endif

/*
 * 16 gave the callbacks of the tree walkers a prototype ("Revise tree-walk
 * APIs to improve spec compliance & silence warnings", September 2022).  What
 * was there before, "()", means no arguments to compilers that default to C23.
 * The cast by way of void (*) (void) is the one that no compiler warns about.
 */
#if PG_VERSION_NUM < 160000
#define expression_tree_walker(node, walker, context) \
	(expression_tree_walker) (node, \
							  (bool (*) ()) (void (*) (void)) (walker), \
							  context)
#define query_tree_walker(query, walker, context, flags) \
	(query_tree_walker) (query, \
						 (bool (*) ()) (void (*) (void)) (walker), \
						 context, flags)
#define raw_expression_tree_walker(node, walker, context) \
	(raw_expression_tree_walker) (node, \
								  (bool (*) ()) (void (*) (void)) (walker), \
								  context)
#define expression_tree_mutator(node, mutator, context) \
	(expression_tree_mutator) (node, \
							   (Node *(*) ()) (void (*) (void)) (mutator), \
							   context)
#endif

/*
 * 19 checks foreign keys against an unpartitioned key without SPI, planner and
 * executor (ri_FastPathCheck).
 */
#if PG_VERSION_NUM >= 190000
#define guard_compat_fk_checks_bypass_executor true
#else
#define guard_compat_fk_checks_bypass_executor false
#endif

/*
 * 19 hands post_parse_analyze_hook what it must not change.
 */
#if PG_VERSION_NUM >= 190000
#define guard_compat_jumble_state const JumbleState
#else
#define guard_compat_jumble_state JumbleState
#endif

/*
 * Since 16 apply workers find a row that was sent as a whole by any index that
 * fits (89e46da5e5, March 2023).
 */
#if PG_VERSION_NUM >= 160000
#define guard_compat_apply_takes_any_index true
#else
#define guard_compat_apply_takes_any_index false
#endif

/*
 * What a session shows of itself, by its place in the list, from 1 to
 * pgstat_fetch_stat_numbackends().  16 renamed the look-up.
 */
#if PG_VERSION_NUM >= 160000
#define guard_compat_local_status(n) pgstat_get_local_beentry_by_index(n)
#else
#define guard_compat_local_status(n) pgstat_fetch_stat_local_beentry(n)
#endif

/*
 * 19 replaced get_relation_info_hook by build_simple_rel_hook (91f33a2ae92a),
 * which is called for every kind of range table entry.  Both end up here, with
 * the table that is about to be planned; "inhparent": for all of its children.
 */
typedef void (*guard_compat_indexlist_type) (RelOptInfo *rel, Oid heap,
											 bool inhparent);
extern void guard_compat_hook_indexlist(guard_compat_indexlist_type filter);

/*
 * What ExecutorRun_hook is called with, and passes on; 18 left out whether
 * that is the only call.
 */
#if PG_VERSION_NUM >= 180000
#define GUARD_COMPAT_RUN_PARAMETERS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define GUARD_COMPAT_RUN_ARGUMENTS queryDesc, direction, count
#else
#define GUARD_COMPAT_RUN_PARAMETERS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool once
#define GUARD_COMPAT_RUN_ARGUMENTS queryDesc, direction, count, once
#endif

/*
 * 19 tells the planner for which EXPLAIN it plans, if for one.  The hook is
 * called with that, or NULL; "next" is what it is to call in turn, "standard"
 * PostgreSQL's own planner.
 */
struct ExplainState;
typedef PlannedStmt *(*guard_compat_planner_type) (Query *parse,
												   const char *query_string,
												   int cursorOptions,
												   ParamListInfo boundParams,
												   struct ExplainState *es);

/*
 * Put a planner at the head of planner_hook; it may call the next one, which
 * is the standard planner where nobody else has hooked in, or the standard one
 * past all others.
 */
extern void guard_compat_hook_planner(guard_compat_planner_type planner);
extern PlannedStmt *guard_compat_next_planner(Query *parse,
											  const char *query_string,
											  int cursorOptions,
											  ParamListInfo boundParams,
											  struct ExplainState *es);
extern PlannedStmt *guard_compat_standard_planner(Query *parse,
												  const char *query_string,
												  int cursorOptions,
												  ParamListInfo boundParams);

/*
 * 18 lets extensions have options of EXPLAIN ("Make it possible for loadable
 * modules to add EXPLAIN options", March 2025); before, nothing is added.  "parse" gets the option's value, "run" calls what it is given
 * under what was parsed.
 */
typedef List *(*guard_compat_explain_parse) (const char *value);
typedef void (*guard_compat_explain_run) (List *parsed,
										  void (*work) (void *), void *arg);
extern void guard_compat_add_explain_option(const char *name,
											guard_compat_explain_parse parse,
											guard_compat_explain_run run);
#if PG_VERSION_NUM >= 180000
#define guard_compat_has_explain_options true
#else
#define guard_compat_has_explain_options false
#endif

/*
 * 18 shows a list of constants and parameters as one parameter, at this place of
 * the text ("Introduce squashing of constant lists in query jumbling", March
 * 2025); -1: each for itself.
 */
extern int	guard_compat_squashed(const ArrayExpr * list);

/*
 * What EXPLAIN prints of a plan; 17 can count memory, and 18 has other headers
 * for it.
 */
extern char *guard_compat_explain_plan(PlannedStmt *plan, const char *text,
									   ParamListInfo params);

/*
 * 19 plans with the EXPLAIN at hand.
 */
#if PG_VERSION_NUM >= 190000
#define guard_compat_plan_query(query, text) \
	pg_plan_query(query, text, CURSOR_OPT_PARALLEL_OK, NULL, NULL)
#else
#define guard_compat_plan_query(query, text) \
	pg_plan_query(query, text, CURSOR_OPT_PARALLEL_OK, NULL)
#endif

/*
 * Have the executor ask for no rights on what a plan scans.  16 moved them out
 * of the range table (a61b1f74823c), and asserts that some are asked for; the
 * bootstrap superuser has all, and there always is one.
 */
static inline void
guard_compat_waive_rights(PlannedStmt *plan)
{
	ListCell   *lc;

#if PG_VERSION_NUM >= 160000
	foreach(lc, plan->permInfos)
		lfirst_node(RTEPermissionInfo, lc)->checkAsUser = BOOTSTRAP_SUPERUSERID;
#else
	foreach(lc, plan->rtable)
		lfirst_node(RangeTblEntry, lc)->requiredPerms = 0;
#endif
}

/*
 * 16 keeps what belongs to settings in a memory context of its own ("Store GUC
 * data in a memory context, instead of using malloc()", October 2022).
 */
#if PG_VERSION_NUM < 160000
#define guc_malloc(elevel, size)	malloc(size)
#endif

/*
 * 18 counts the nodes of a plan that are switched off, where disable_cost was
 * added to their cost before ("Treat number of disabled nodes in a path as a
 * separate cost metric", August 2024).
 */
#if PG_VERSION_NUM >= 180000
#define guard_compat_has_fines false
#else
#define guard_compat_has_fines true
#endif

/*
 * All settings; 16 makes a list of them for whoever asks, palloc'd ("Replace
 * the sorted array of GUC variables with a hash table", October 2022).
 */
#if PG_VERSION_NUM >= 160000
#define guard_compat_settings(count)	get_guc_variables(count)
#else
#define guard_compat_settings(count) \
	(*(count) = GetNumConfigOptions(), get_guc_variables())
#endif

/*
 * A relation's pending counter; 16 took the t_ from their names.
 */
#if PG_VERSION_NUM >= 160000
#define guard_compat_count(status, name) ((status)->counts.name)
#else
#define guard_compat_count(status, name) ((status)->t_counts.t_##name)
#endif

/*
 * 17 lets extensions name what they wait for ("Add support for custom wait
 * events", c9af054653).
 */
#if PG_VERSION_NUM >= 170000
#define guard_compat_wait_event(name) WaitEventExtensionNew(name)
#else
#define guard_compat_wait_event(name) PG_WAIT_EXTENSION
#endif

/*
 * 19 has DROP DATABASE and the like send away workers that agree to it.
 */
#if PG_VERSION_NUM >= 190000
#define GUARD_COMPAT_BGWORKER_INTERRUPTIBLE BGWORKER_INTERRUPTIBLE
#else
#define GUARD_COMPAT_BGWORKER_INTERRUPTIBLE 0
#endif

/*
 * 19 takes the name of a lock tranche along with the number and tells every
 * process ("Move dynamically-allocated LWLock tranche names to shared memory",
 * August 2025); before, each process had to be told.
 */
#if PG_VERSION_NUM >= 190000
#define guard_compat_new_tranche(name)	LWLockNewTrancheId(name)
#define guard_compat_register_tranche(id, name)	((void) 0)
#else
#define guard_compat_new_tranche(name)	LWLockNewTrancheId()
#define guard_compat_register_tranche(id, name)	LWLockRegisterTranche(id, name)
#endif

/*
 * 18 removed PortalRun's run_once ("Simplify executor's determination of
 * whether to use parallelism", 3eea7a0c97e9): a portal is run to its end.
 */
#if PG_VERSION_NUM >= 180000
#define guard_compat_portal_run(portal, dest, completion) \
	PortalRun(portal, FETCH_ALL, true, dest, dest, completion)
#else
#define guard_compat_portal_run(portal, dest, completion) \
	PortalRun(portal, FETCH_ALL, true, true, dest, dest, completion)
#endif

/*
 * 16 wants to be told how many partitions there are, for its progress reports
 * ("Fix CREATE INDEX progress reporting for multi-level partitioning", March
 * 2023); 19 takes what was parsed, for positions in errors.  Nothing is asked of
 * rights: who creates an index again has made sure.
 */
#if PG_VERSION_NUM >= 190000
#define guard_compat_define_index(table, stmt) \
	DefineIndex(NULL, table, stmt, InvalidOid, InvalidOid, InvalidOid, -1, \
				false, false, true, false, false)
#elif PG_VERSION_NUM >= 160000
#define guard_compat_define_index(table, stmt) \
	DefineIndex(table, stmt, InvalidOid, InvalidOid, InvalidOid, -1, \
				false, false, true, false, false)
#else
#define guard_compat_define_index(table, stmt) \
	DefineIndex(table, stmt, InvalidOid, InvalidOid, InvalidOid, \
				false, false, true, false, false)
#endif

#endif							/* GUARD_COMPAT_H */
