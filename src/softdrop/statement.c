/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  Statements that commit inside, run by a visitor.
 *
 * DROP, CREATE and REINDEX INDEX CONCURRENTLY cannot be run through SPI.  What
 * exec_simple_query() does for a client is done here for ourselves
 * (doc/internals/postgresql.md 7.1).  The trees must outlive the transactions
 * that the statement ends, so they live in a context of their own.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "parser/parser.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "compat/compat.h"
#include "softdrop/steps.h"

/*
 * As the visitor itself sets them: from another source they would not be set
 * back by it.
 */
static void
set_option(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

static void
run_in_portal(const char *sql, MemoryContext context)
{
	MemoryContext old;
	RawStmt    *parsetree;
	List	   *plans;
	Portal		portal;
	QueryCompletion completion;

	StartTransactionCommand();
	old = MemoryContextSwitchTo(context);
	parsetree = linitial_node(RawStmt, pg_parse_query(sql));
	plans = pg_plan_queries(pg_analyze_and_rewrite_fixedparams(parsetree, sql,
															   NULL, 0, NULL),
							sql, 0, NULL);
	MemoryContextSwitchTo(old);

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, CreateCommandTag(parsetree->stmt),
					  plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	(void) guard_compat_portal_run(portal, None_Receiver, &completion);
	PortalDrop(portal, false);
	CommitTransactionCommand();
}

void
guard_softdrop_run(const char *sql, int lock_timeout)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "guard statement of its own",
												  ALLOCSET_SMALL_SIZES);
	char		limit[16];
	char	   *before = MemoryContextStrdup(context,
											 GetConfigOption("lock_timeout", false, false));

	snprintf(limit, sizeof(limit), "%d", lock_timeout);
	set_option("lock_timeout", limit);
	PG_TRY();
	{
		run_in_portal(sql, context);
	}
	PG_CATCH();
	{
		/* the setting is not undone with the transaction: it was made outside */
		set_option("lock_timeout", before);
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	set_option("lock_timeout", before);
	MemoryContextDelete(context);
}
