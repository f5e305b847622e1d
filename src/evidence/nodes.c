/*-------------------------------------------------------------------------
 *
 * nodes.c
 *	  Who else reads the indexes of this server: its standbys.
 *
 * A standby is a physical walsender that has told how far it has replayed;
 * receivers of log (pg_receivewal, backups) never do.  What is used there
 * leaves no trace here, so one that is attached and does not report makes
 * unknown what would be unused.  So does one that has reported and is not
 * attached any more: it may be cut off, and be read all the same.  After a day
 * its data would be of no use to anybody.  What is fed from an archive, or by
 * another standby that does not report, cannot be seen.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "postmaster/postmaster.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "utils/varlena.h"

#include "evidence/evidence.h"
#include "planner/capture/capture.h"
#include "store/store.h"

/* guard.node */
#define NODE_NAME			1
#define NODE_REPORTED_AT	3
#define NODE_SINCE			4
#define NODE_UNOBSERVED		5
#define NODE_UPSTREAM		6
#define NODE_LACKS			7
#define NODE_IDENTITY		8

/* A node is heard as long as it has not missed so many reports. */
#define REPORTS_MISSED	3

/* How often it reports where guard.snapshot_interval is 0. */
#define REPORT_INTERVAL	300

/* For so long is one believed to be read that is not attached any more. */
#define CUT_OFF_FOR		USECS_PER_DAY

/*
 * Is any walsender at work?  Looked at without its lock: whoever attaches this
 * moment may be missed, as he may be a moment later.
 */
static bool
any_walsender(void)
{
	for (int i = 0; i < max_wal_senders; i++)
	{
		if (WalSndCtl->walsnds[i].pid != 0)
			return true;
	}
	return false;
}

static GuardNode *
enter(List **nodes, const char *name)
{
	GuardNode  *node;

	foreach_ptr(GuardNode, each, *nodes)
	{
		if (strcmp(each->name, name) == 0)
			return each;
	}
	node = palloc0(sizeof(GuardNode));
	node->name = pstrdup(name);
	*nodes = lappend(*nodes, node);
	return node;
}

/*
 * The standbys that are attached.  Logical walsenders are known by their
 * database.  Whoever asks, it is read with the rights of the extension's owner:
 * a role that may not see other sessions must not take an index for cold on
 * that account.
 */
static void
read_attached(List **nodes)
{
	GuardRows  *rows;

	if (!any_walsender())
		return;
	rows = guard_query_server(guard_query_kept("SELECT a.application_name, count(*)"
											   " FROM pg_stat_get_activity(NULL) a JOIN pg_stat_get_wal_senders() s USING (pid)"
											   " WHERE a.datid IS NULL AND s.state <> 'backup' AND s.replay_lsn IS NOT NULL"
											   " GROUP BY 1 ORDER BY 1"));
	while (guard_rows_next(rows))
		enter(nodes, guard_rows_text(rows, 1))->attached = guard_rows_int(rows, 2);
}

/*
 * What tells this node from others with the same name.
 */
char *
guard_nodes_identity(void)
{
	char		host[256] = "";
	char	   *where;

	(void) gethostname(host, sizeof(host) - 1);
	where = psprintf("%s %d %s", host, PostPortNumber, DataDir);
	return psprintf(UINT64_FORMAT, DatumGetUInt64(hash_any_extended((unsigned char *) where,
																	strlen(where), 0)));
}

/*
 * What the nodes have reported of themselves; not this one, from before it was
 * promoted.  Not to know which there are is not to be able to judge: one that is
 * not attached at the moment is known by its row alone.
 */
static void
read_reported(List **nodes)
{
	GuardRows  *rows = guard_rows_surely(guard_rows_of_table("node"), "node");
	char	   *mine = guard_nodes_identity();

	while (guard_rows_next(rows))
	{
		char	   *identity = guard_rows_text(rows, NODE_IDENTITY);
		GuardNode  *node;

		if (identity != NULL && strcmp(identity, mine) == 0)
			continue;
		node = enter(nodes, guard_rows_text(rows, NODE_NAME));
		node->reported_at = guard_rows_time(rows, NODE_REPORTED_AT);
		node->since = guard_rows_time(rows, NODE_SINCE);
		node->unobserved = guard_rows_int(rows, NODE_UNOBSERVED);
		node->upstream = guard_rows_text(rows, NODE_UPSTREAM);
		node->lacks = guard_rows_text(rows, NODE_LACKS);
	}
}

/*
 * Is the node one of those that do not count?
 */
static bool
is_ignored(const char *name)
{
	List	   *names;

	if (!SplitGUCList(pstrdup(guard_guc_ignore_standbys), ',', &names))
		return false;
	foreach_ptr(char, each, names)
	{
		if (strcmp(each, name) == 0)
			return true;
	}
	return false;
}

/*
 * Is it attached, here or to a standby that says so?
 */
static bool
is_attached(const GuardNode *node, List *nodes, int depth)
{
	if (node->attached > 0 || node->upstream == NULL || depth > 10)
		return node->attached > 0;
	foreach_ptr(const GuardNode, each, nodes)
	{
		if (strcmp(each->name, node->upstream) == 0)
			return is_attached(each, nodes, depth + 1);
	}
	return false;
}

/*
 * Why nothing is known of its reads, as a clause that follows its name; NULL:
 * they are known.
 */
static char *
why_silent(const GuardNode *node, TimestampTz now)
{
	int64		interval = guard_guc_snapshot_interval != 0 ?
		guard_guc_snapshot_interval : REPORT_INTERVAL;
	const char *attached = node->cut_off ? "is not attached any more" :
		node->upstream == NULL ? "is attached" : psprintf("is attached to %s", node->upstream);

	if (node->attached > 1)
		return psprintf("is the name of %d that are attached", node->attached);
	if (node->reported_at == 0)
		return psprintf("%s and has never reported what is used there", attached);
	if (now - node->reported_at > REPORTS_MISSED * interval * USECS_PER_SEC)
		return psprintf("%s and has not reported for %s", attached,
						guard_text_span(now - node->reported_at));
	if (node->since == 0)
		return psprintf("cannot tell what is used there: %s",
						node->lacks != NULL ? node->lacks : "nobody watches");
	return NULL;
}

/*
 * All nodes that are attached or have reported, and which of them are silent,
 * in the current memory context.  A standby speaks for itself.
 */
void
guard_nodes_read(GuardServer *server)
{
	TimestampTz now = GetCurrentTimestamp();
	StringInfoData names;
	StringInfoData words;

	if (RecoveryInProgress())
		return;
	read_attached(&server->nodes);
	read_reported(&server->nodes);
	initStringInfo(&names);
	initStringInfo(&words);
	foreach_ptr(GuardNode, node, server->nodes)
	{
		char	   *why;

		node->cut_off = !is_attached(node, server->nodes, 0);
		node->counts = !is_ignored(node->name) &&
			(!node->cut_off || (node->reported_at != 0 && now - node->reported_at < CUT_OFF_FOR));
		why = why_silent(node, now);
		if (!node->counts || why == NULL)
			continue;
		node->silent = true;
		node->lacks = why;
		if (server->silent == NULL)
			server->silent = node;
		appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", node->name);
		appendStringInfo(&words, "%sstandby \"%s\" %s", words.len > 0 ? ", and " : "",
						 node->name, why);
	}
	if (server->silent != NULL)
	{
		server->standbys = names.data;
		server->silence = words.data;
	}
}

/*
 * What a person can do about the first of them, as lines to paste.
 */
char *
guard_nodes_remedy(const GuardServer *server)
{
	char	   *name = quote_literal_cstr(server->silent->name);
	char	   *ignored = guard_guc_ignore_standbys[0] == '\0' ? name :
		quote_literal_cstr(psprintf("%s, %s", guard_guc_ignore_standbys, server->silent->name));

	if (server->silent->cut_off)
		return psprintf("Have it attached again. Or, where it is gone for good: SELECT guard.forget_node(%s, 'decommissioned');",
						name);
	return psprintf("Report by hand: psql -h HOST_OF_STANDBY -d %s -Atc \"SELECT format('SELECT guard.import_profile(%%L, %%L)', %s, guard.export_profile())\" | psql -d %s"
					" Or, where nobody reads there: ALTER SYSTEM SET guard.ignore_standbys = %s; SELECT pg_reload_conf();",
					get_database_name(MyDatabaseId), name,
					get_database_name(MyDatabaseId), ignored);
}

/* ---- what they use ---- */

/* guard.node_use */
#define USE_NODE			1
#define USE_RELATION		2
#define USE_FOREIGN_KEY		3
#define USE_FIRST			4
#define USE_LAST			5
#define USE_USES			6
#define USE_USES_BEFORE		7
#define USE_RATE			8
#define USE_PAUSE			9
#define USE_STATEMENTS		10
#define USE_BY_SERVICE		11
#define USE_SERVICES_KNOWN	12

static GuardFact *
add_fact(GuardEvidence *evidence, GuardNode *node, GuardSeen seen, bool of_table)
{
	GuardFact  *fact = palloc0(sizeof(GuardFact));

	fact->source = GUARD_SOURCE_NODE;
	fact->node = node->name;
	fact->seen = seen;
	fact->of_table = of_table;
	fact->since = node->since;
	fact->pause = -1;
	evidence->facts = lappend(evidence->facts, fact);
	return fact;
}

/*
 * One use, as its node reported it.  The rate is as old as the report: what was
 * not used since is not in a later one.
 */
static void
add_use(GuardEvidence *evidence, const GuardRows *rows, bool of_table)
{
	List	   *nodes = evidence->server->nodes;
	GuardNode  *node = enter(&nodes, guard_rows_text(rows, USE_NODE));
	GuardFact  *fact = add_fact(evidence, node, GUARD_SEEN_USED, of_table);

	fact->fkey = (uint64) guard_rows_int(rows, USE_FOREIGN_KEY);
	fact->way = guard_capture_way(fact->fkey);
	if (fact->way != GUARD_WAY_READ)
		fact->fkey = 0;
	fact->first = guard_rows_time(rows, USE_FIRST);
	fact->last = guard_rows_time(rows, USE_LAST);
	fact->count = guard_rows_int(rows, USE_USES) + guard_rows_int(rows, USE_USES_BEFORE);
	if (node->reported_at - fact->last < USECS_PER_MINUTE)
		fact->rate = guard_rows_float(rows, USE_RATE);
	fact->pause = guard_rows_int_or(rows, USE_PAUSE, -1);
	fact->statements = guard_rows_int(rows, USE_STATEMENTS);
	fact->services = guard_profile_services(rows, USE_BY_SERVICE);
	fact->services_known = guard_rows_bool(rows, USE_SERVICES_KNOWN);
	fact->who = guard_services_name(fact->services, node->name);
}

/*
 * What nodes reported of a relation; false where that cannot be read.
 */
static bool
add_uses(GuardEvidence *evidence, Oid relation, bool of_table)
{
	GuardRows  *rows = guard_rows_by_key("node_use", "node_use_relation_oid_idx",
										 USE_RELATION, P_OID(relation));

	while (rows != NULL && guard_rows_next(rows))
		add_use(evidence, rows, of_table);
	return rows != NULL;
}

static bool
uses_it(const GuardEvidence *evidence, const char *node)
{
	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (fact->node != NULL && fact->seen == GUARD_SEEN_USED && !fact->of_table &&
			strcmp(fact->node, node) == 0)
			return true;
	}
	return false;
}

/*
 * A node that counts has not used the index, or has not been heard since it is
 * there.
 */
static void
add_silence(GuardEvidence *evidence, GuardNode *node)
{
	if (!node->counts || node->silent || uses_it(evidence, node->name))
		return;
	if (evidence->created_at >= node->reported_at)
		evidence->silence = psprintf("standby \"%s\" has not reported since it was created",
									 node->name);
	else
		add_fact(evidence, node, GUARD_SEEN_NOT, false)->unobserved = node->unobserved;
}

/*
 * Can anybody read it on a standby?  Nobody can what is not written to the log,
 * nor what no other transaction sees yet.
 */
static bool
can_be_read(Oid index)
{
	Relation	rel = RelationIdGetRelation(index);
	bool		result;

	if (rel == NULL)
		return false;
	result = rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT &&
		rel->rd_createSubid == InvalidSubTransactionId;
	RelationClose(rel);
	return result;
}

/*
 * What they used of it, there or gone.
 */
bool
guard_nodes_collect_uses(GuardEvidence *evidence)
{
	return add_uses(evidence, evidence->index, false);
}

/*
 * What standbys use of the index, and when its table goes, of the table; and
 * whether it matters that some are silent.
 */
void
guard_nodes_collect(GuardEvidence *evidence)
{
	const GuardServer *server = evidence->server;

	if (server->nodes == NIL || !can_be_read(evidence->index))
		return;
	evidence->silence = server->silence;
	if (!guard_nodes_collect_uses(evidence) ||
		(evidence->asked.whole_table &&
		 !add_uses(evidence, evidence->shape->table, true)))
		evidence->silence = "what standbys reported is locked by another session";
	foreach_ptr(GuardNode, node, server->nodes)
		add_silence(evidence, node);
}
