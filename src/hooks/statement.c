/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  The life of one DDL statement, whichever door it came through.
 *
 * Before the statement has taken a lock, its targets are resolved and judged.
 * While it runs, the backstop sees every index that is really removed.  At the
 * end what the backstop found is judged, and the books are written.
 *
 * Judging (judging.c) fails closed for the drop in question; everything else
 * here, which is book-keeping, fails open.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

#include "hooks/frame.h"
#include "softdrop/softdrop.h"
#include "store/store.h"

/*
 * Is the statement its own transaction, so that nothing can follow that makes
 * up for it?  IsTransactionBlock() is false also in DO, functions and CALL;
 * the active portal tells those apart, since they run under their own tag
 * (doc/internals/review.md 9).  The first statement of an extended-query
 * pipeline cannot be told from one that stands alone.
 */
static bool
is_own_transaction(CommandTag tag)
{
	return !IsInTransactionBlock(true) &&
		ActivePortal != NULL &&
		ActivePortal->strategy == PORTAL_MULTI_QUERY &&
		ActivePortal->commandTag == tag;
}

/*
 * REINDEX CONCURRENTLY: like a DROP, it commits inside.
 */
static bool
is_concurrent_reindex(Node *parsetree)
{
	if (!IsA(parsetree, ReindexStmt))
		return false;
	foreach_ptr(DefElem, option, ((ReindexStmt *) parsetree)->params)
	{
		if (strcmp(option->defname, "concurrently") == 0)
			return defGetBoolean(option);
	}
	return false;
}

/*
 * An index that was rebuilt unseen, or registered before a restore, is known
 * by its name alone.  Before that goes, its OID must be.
 */
static void
learn_oids(void *arg)
{
	Node	   *stmt = arg;
	RangeVar   *relation = IsA(stmt, RenameStmt) ? ((RenameStmt *) stmt)->relation :
		IsA(stmt, AlterTableStmt) ? ((AlterTableStmt *) stmt)->relation :
		((AlterObjectSchemaStmt *) stmt)->relation;

	if (relation != NULL)
		guard_identity_follow(RangeVarGetRelid(relation, NoLock, true));
	guard_evidence_refresh();
}

/*
 * Resolve and judge the targets of a statement, refuse it or take out of it what
 * is delayed.
 */
static void
judge_targets(GuardFrame *frame, Node *parsetree)
{
	GuardTargets *found = guard_judging_collect(frame, parsetree);

	if (found == NULL)
		return;
	guard_delay_prepare(frame, parsetree, found->targets);
	frame->fellows = guard_check_fellows(found->targets,
										 guard_transaction_fellows());
	frame->concurrent = found->concurrent;
	frame->adds = found->adds;
	frame->judgements = guard_judging_targets(frame, found->targets);
	guard_judging_act_on(frame, guard_delay_leave_out_own(frame->judgements));
}

/*
 * Does an ALTER TABLE take something away?
 */
static bool
takes_away(const AlterTableStmt *stmt)
{
	foreach_ptr(const AlterTableCmd, cmd, stmt->cmds)
	{
		if (cmd->subtype == AT_DropConstraint || cmd->subtype == AT_DropColumn)
			return true;
	}
	return false;
}

/*
 * PostgreSQL keeps the tables of an extension, but not their indexes, constraints
 * and columns.  Those of guard itself are not to be had one by one; whoever has no
 * right to them hears that from PostgreSQL.
 */
static void
keep_own(Oid relation)
{
	Oid			table = guard_catalog_is_index(relation) ? guard_catalog_table(relation) :
		relation;

	if (!OidIsValid(table) ||
		getExtensionOfObject(RelationRelationId, table) != guard_store_extension() ||
		!has_privs_of_role(GetUserId(), guard_catalog_owner(table)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot drop what belongs to %s because extension guard requires it",
					guard_catalog_name(table)),
			 errhint("You can drop extension guard instead: DROP EXTENSION guard;")));
}

static void
keep_all_own(Node *parsetree)
{
	if (guard_guc_mode != GUARD_MODE_ENFORCE || creating_extension || !guard_store_present())
		return;
	if (IsA(parsetree, DropStmt) && ((DropStmt *) parsetree)->removeType == OBJECT_INDEX)
	{
		foreach_ptr(List, name, ((DropStmt *) parsetree)->objects)
			keep_own(RangeVarGetRelid(makeRangeVarFromNameList(name), NoLock, true));
	}
	else if (IsA(parsetree, AlterTableStmt) && takes_away((AlterTableStmt *) parsetree))
		keep_own(RangeVarGetRelid(((AlterTableStmt *) parsetree)->relation, NoLock, true));
}

bool
guard_statement_look(const char *what, guard_work work, void *arg)
{
	if (guard_guc_mode == GUARD_MODE_OBSERVE)
		return guard_store_try(what, work, arg);
	work(arg);
	return true;
}

/* A statement that begins. */
typedef struct Beginning
{
	GuardFrame *frame;
	Node	   *parsetree;
	const char *str;
} Beginning;

static void
start(void *arg)
{
	const Beginning *beginning = arg;
	GuardFrame *frame = beginning->frame;
	Node	   *parsetree = beginning->parsetree;
	const char *str = beginning->str;

	guard_store_tell_mismatch();
	frame->statement = str != NULL ? pstrdup(str) : NULL;
	frame->own = is_own_transaction(frame->tag);
	frame->concurrent = is_concurrent_reindex(parsetree);
	frame->renames = IsA(parsetree, RenameStmt) ||
		IsA(parsetree, AlterObjectSchemaStmt) || IsA(parsetree, AlterTableStmt);
	frame->moves = guard_moved_prepare(parsetree);
	if (frame->renames)
		(void) guard_store_try("bring registrations up to date", learn_oids,
							   parsetree);

	if (IsA(parsetree, DropStmt) &&
		((DropStmt *) parsetree)->removeType == OBJECT_EXTENSION)
		guard_softdrop_before_extension_goes((DropStmt *) parsetree);

	keep_all_own(parsetree);
	judge_targets(frame, parsetree);
}

void
guard_statement_start(GuardFrame *frame, Node *parsetree, const char *str)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);
	Beginning	beginning = {frame, parsetree, str};

	(void) guard_statement_look("look at a statement", start, &beginning);
	MemoryContextSwitchTo(old);
}

static void
judge_pending(void *arg)
{
	guard_backstop_judge(arg);
}

static void
write_books(void *arg)
{
	guard_books_write(arg);
}

/*
 * What the backstop saw is judged, and the books are written.
 */
void
guard_statement_end(GuardFrame *frame)
{
	MemoryContext old = MemoryContextSwitchTo(frame->context);

	frame->phase = GUARD_PHASE_DONE;
	if (frame->pending != NIL)
		(void) guard_statement_look("judge what has gone", judge_pending, frame);
	if (!guard_statement_look("write what a statement did", write_books, frame))
		guard_books_lose(frame);
	MemoryContextSwitchTo(old);
}

void
guard_statement_close_left_open(bool committing)
{
	GuardFrame *frame;

	while ((frame = guard_frame_top()) != NULL && frame->by_trigger)
	{
		/* CONCURRENTLY commits inside; it is not over yet. */
		if (frame->concurrent && committing)
			break;
		guard_statement_end(frame);
		guard_frame_pop(frame);
	}
}

/*
 * The statement has ended in an error, which is still on the stack.  In a
 * transaction nothing has happened then; but CONCURRENTLY leaves the index
 * invalid when it is cancelled while it waits.
 */
void
guard_statement_failed(GuardFrame *frame)
{
	MemoryContext old;
	ErrorData  *error;
	GuardAsked	asked;

	if (!frame->concurrent || frame->refused || frame->dropped == NIL)
		return;
	old = MemoryContextSwitchTo(frame->context);
	error = CopyErrorData();
	asked = guard_frame_asked(frame);
	foreach_ptr(GuardDropped, dropped, frame->dropped)
		guard_audit_failed(dropped, &asked, error->message);
	MemoryContextSwitchTo(old);
}
