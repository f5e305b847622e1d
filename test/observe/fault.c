/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  A module for tests: has any of the queries fail that guard runs, in a
 *	  session whose own statements are no queries.
 *
 * SET fault.at = N has the N-th query from now on fail; SHOW fault.passed tells
 * how many there were.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "executor/executor.h"
#include "fmgr.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static int	at = 0;
static int	passed = 0;
static char *unused = NULL;
static ExecutorStart_hook_type prev_ExecutorStart = NULL;

static void
pass(void)
{
	if (at > 0 && ++passed == at)
		elog(ERROR, "fault %d", at);
}

static void
start(QueryDesc *queryDesc, int eflags)
{
	pass();
	if (prev_ExecutorStart)
		prev_ExecutorStart(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

static void
reset(int value, void *extra)
{
	passed = 0;
}

static const char *
show_passed(void)
{
	return psprintf("%d", passed);
}

void
_PG_init(void)
{
	DefineCustomIntVariable("fault.at", "Which query fails.", NULL, &at, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, reset, NULL);
	DefineCustomStringVariable("fault.passed", "How many there were.", NULL, &unused, "",
							   PGC_INTERNAL, 0, NULL, NULL, show_passed);
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = start;
}
