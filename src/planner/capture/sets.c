/*-------------------------------------------------------------------------
 *
 * sets.c
 *	  The shared tables of capture that may lose: statements and services.
 *
 * Both are tables of planner.h, by relation.
 *
 * Statements: whoever has most of a set gives up his least recent slot.  What
 * is lost costs detail, never a verdict.
 *
 * Services: 16 for a relation, and here what is lost would matter, because a
 * use stops counting when every service that made it was released.  Any role
 * can invent names, so a new name must not push out an old service, nor may a
 * flood of names keep the later, real ones out for ever.  Therefore a slot is
 * given up only when
 *
 *	- it was last used longer than guard.lookback ago, when its uses no longer
 *	  count anyway, whosever it is; or
 *	- it is of the same relation, which has no other slot left, and its name
 *	  was about for less than ten minutes, and that ten minutes ago or more: a
 *	  pod, a person at psql, or an invention.
 *
 * In the second case its uses, and in every other case the new ones, are
 * added to the relation's "others": somebody used it who is not in the list,
 * so the list alone can no longer release the index.  A flood can therefore
 * make guard more careful, and never less.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "planner/capture/tables.h"
#include "store/shmem.h"
#include "planner/planner.h"

/* Slots for services, per relation that can be recorded. */
#define SERVICES_PER_RELATION	4

/* A name about for less than this is replaceable (see above). */
#define PASSING_NAME	(10 * 60 * USECS_PER_SEC)

typedef struct StatementSlot
{
	GuardSlot	head;
	uint64		fkey;
	TimestampTz first;
	int64		count;
	uint64		run;			/* runs of all, until the last use; 0: not
								 * known */
	uint64		longest_run;
	uint32		own_settings;	/* of all uses; 0: the server's, or several */
} StatementSlot;

typedef struct ServiceSlot
{
	GuardSlot	head;			/* userid: of the last use */
	GuardService service;
	GuardUseKind kind;
	Oid			login;			/* of all uses; InvalidOid: of several */
	TimestampTz transaction;	/* the latest */
	int64		transactions;
	int			pid;			/* of the last use */
	TimestampTz first;
	int64		count;
	uint64		only_user;		/* the one session that used it, 0 = several */
} ServiceSlot;

static bool
same_statement(const void *slot, const void *sought)
{
	const StatementSlot *a = slot;
	const StatementSlot *b = sought;

	return a->head.queryid == b->head.queryid && a->fkey == b->fkey;
}

static bool
same_service(const void *slot, const void *sought)
{
	const ServiceSlot *a = slot;
	const ServiceSlot *b = sought;

	return a->kind == b->kind && guard_service_same(&a->service, &b->service);
}

static void restore_statement(const void *slot);
static void restore_service(const void *slot);

static GuardSlots statements =
{
	.size = sizeof(StatementSlot),
	.same = same_statement,
	.restore = restore_statement
};
static GuardSlots services =
{
	.size = sizeof(ServiceSlot),
	.same = same_service,
	.restore = restore_service
};

/* Called at start. */
void
guard_sets_init(void)
{
	statements.sets = guard_slots_sets(guard_guc_max_statements);
	services.sets = guard_slots_sets(guard_guc_max_indexes * SERVICES_PER_RELATION);
	guard_slots_register(&statements);
	guard_slots_register(&services);
}

/* ----------------------------------------------------------------
 *		Adding
 * ----------------------------------------------------------------
 */

static void
add_statement(GuardSet *set, const GuardRelationKey *key,
			  const GuardUseBatch *batch)
{
	StatementSlot fresh = {
		.head = {.database = key->database, .object = key->relation,
		.userid = batch->userid, .queryid = batch->queryid},
		.fkey = batch->fkey,
		.first = batch->first,
		.own_settings = batch->own_settings
	};
	StatementSlot *slot = guard_slots_choose(&statements, set, &fresh);

	slot->head.last = Max(slot->head.last, batch->last);
	slot->head.userid = batch->userid;
	slot->first = Min(slot->first, batch->first);
	slot->count += batch->count - batch->told;
	if (slot->run != 0 && batch->run_before > slot->run)
		slot->longest_run = Max(slot->longest_run, batch->run_before - slot->run);
	slot->longest_run = Max(slot->longest_run, batch->longest_run);
	slot->run = Max(slot->run, batch->run);
	if (slot->own_settings != batch->own_settings)
		slot->own_settings = 0;
}

/*
 * A slot for a service of this relation that has none, or NULL; *others is what
 * is lost by that.  See the rules at the top.
 */
static ServiceSlot *
make_room_for_service(GuardSet *set, const GuardRelationKey *key,
					  TimestampTz now, int64 *others)
{
	TimestampTz too_old = now - (int64) guard_guc_lookback * USECS_PER_SEC;
	ServiceSlot *unused = NULL;
	ServiceSlot *passing = NULL;
	int			mine = 0;

	foreach_slot(ServiceSlot, slot, set)
	{
		bool		own = slot->head.database == key->database &&
			slot->head.object == key->relation;

		/* Prefer a free slot to one whose uses no longer count. */
		if (slot->head.last < too_old)
		{
			if (!unused || OidIsValid(unused->head.database))
				unused = slot;
			continue;
		}
		if (own)
			mine++;
		if (own && slot->head.last - slot->first < PASSING_NAME &&
			slot->head.last < now - PASSING_NAME &&
			(!passing || slot->head.last < passing->head.last))
			passing = slot;
	}
	if (unused && mine < GUARD_CAPTURE_SERVICES_PER_INDEX)
		return unused;
	if (passing)
		*others += passing->count;
	return passing;
}

/*
 * Add a batch to the slot of its service, or to *others.
 */
static void
add_service(GuardSet *set, const GuardRelationKey *key,
			const GuardUseBatch *batch, const GuardService *service,
			uint64 session, int64 *others)
{
	ServiceSlot fresh = {.head = {.database = key->database, .object = key->relation}};
	ServiceSlot *slot = NULL;

	if (service)
	{
		fresh.service = *service;
		fresh.kind = guard_capture_kind(batch->fkey);
		fresh.login = batch->login;
		fresh.first = batch->first;
		fresh.only_user = session;
		slot = guard_slots_find(&services, set, &fresh);
		if (slot == NULL)
		{
			slot = make_room_for_service(set, key, batch->last, others);
			if (slot != NULL)
				guard_slots_put(&services, slot, &fresh);
		}
	}
	if (slot == NULL)
	{
		*others += batch->count;
		return;
	}
	slot->head.last = Max(slot->head.last, batch->last);
	slot->head.userid = batch->userid;
	slot->pid = MyProcPid;
	slot->count += batch->count;
	if (slot->login != batch->login)
		slot->login = InvalidOid;
	if (batch->transactions > 1 || batch->transaction != slot->transaction)
		slot->transactions += batch->transactions;
	slot->transaction = batch->transaction;
	if (slot->only_user != session)
		slot->only_user = 0;
}

/*
 * Add a batch to both tables, or, returning false, to neither.
 */
bool
guard_sets_add(const GuardRelationKey *key, const GuardUseBatch *batch,
			   const GuardService *service, uint64 session, int64 *others)
{
	GuardSet   *by_statement = guard_slots_set(&statements, key->database,
											   key->relation);
	GuardSet   *by_service = guard_slots_set(&services, key->database,
											 key->relation);

	if (!guard_flag_try(&by_statement->busy))
		return false;
	if (!guard_flag_try(&by_service->busy))
	{
		pg_atomic_clear_flag(&by_statement->busy);
		return false;
	}
	if (batch->told < batch->count)
		add_statement(by_statement, key, batch);
	pg_atomic_clear_flag(&by_statement->busy);
	add_service(by_service, key, batch, service, session, others);
	pg_atomic_clear_flag(&by_service->busy);
	return true;
}

/*
 * Add a statement alone; false: somebody is at its set.
 */
bool
guard_sets_tell(const GuardRelationKey *key, const GuardUseBatch *batch)
{
	GuardSet   *set = guard_slots_set(&statements, key->database, key->relation);

	if (!guard_flag_try(&set->busy))
		return false;
	add_statement(set, key, batch);
	pg_atomic_clear_flag(&set->busy);
	return true;
}

/*
 * What was known of a member is known of its root, an execution that used more
 * than one member once; *more is by how much there is more of the root than
 * there was of the member.  False, and nothing is moved: somebody is at a set.
 */
bool
guard_sets_move(const GuardRelationKey *from, const GuardRelationKey *to,
				int64 *more)
{
	GuardSet   *source = guard_slots_set(&statements, from->database, from->relation);
	GuardSet   *target = guard_slots_set(&statements, to->database, to->relation);
	StatementSlot moved[GUARD_SET_SLOTS];
	int			count = 0;

	*more = 0;
	if (!guard_flag_try(&source->busy))
		return false;
	if (target != source && !guard_flag_try(&target->busy))
	{
		pg_atomic_clear_flag(&source->busy);
		return false;
	}
	foreach_slot(StatementSlot, slot, source)
	{
		if (slot->head.database != from->database || slot->head.object != from->relation)
			continue;
		moved[count++] = *slot;
		guard_slots_clear(&statements, slot);
	}
	for (StatementSlot *slot = moved; slot < moved + count; slot++)
	{
		GuardUseBatch batch = {
			.userid = slot->head.userid, .queryid = slot->head.queryid,
			.fkey = slot->fkey, .first = slot->first, .last = slot->head.last,
			.run = slot->run, .longest_run = slot->longest_run,
			.own_settings = slot->own_settings
		};
		StatementSlot *its;

		add_statement(target, to, &batch);
		slot->head.object = to->relation;
		its = guard_slots_find(&statements, target, slot);
		*more -= Min(its->count, slot->count);
		its->count = Max(its->count, slot->count);
	}
	pg_atomic_clear_flag(&source->busy);
	if (target != source)
		pg_atomic_clear_flag(&target->busy);
	return true;
}

/* ----------------------------------------------------------------
 *		Reading and forgetting
 * ----------------------------------------------------------------
 */

/* How many statements of a relation of this database are known. */
int
guard_sets_count_statements(Oid relation)
{
	StatementSlot slots[GUARD_SET_SLOTS];

	return Max(guard_slots_read(&statements, relation, slots), 0);
}

/*
 * The statements of a relation of this database, palloc'd; NIL also if they
 * could not be read.
 */
List *
guard_sets_statements(Oid relation)
{
	StatementSlot slots[GUARD_SET_SLOTS];
	int			count = guard_slots_read(&statements, relation, slots);
	List	   *result = NIL;

	for (StatementSlot *slot = slots; slot < slots + count; slot++)
	{
		GuardCapturedStatement *statement = palloc(sizeof(*statement));

		*statement = (GuardCapturedStatement)
		{
			.relation = relation, .queryid = slot->head.queryid,
				.fkey = slot->fkey, .userid = slot->head.userid, .first = slot->first,
				.last = slot->head.last, .count = slot->count,
				.longest_run = (int64) slot->longest_run,
				.own_settings = slot->own_settings
		};
		result = lappend(result, statement);
	}
	return result;
}

/*
 * The same for its services; "session" is whose own they may be.
 */
List *
guard_sets_services(Oid relation, uint64 session, bool *unreadable)
{
	ServiceSlot slots[GUARD_SET_SLOTS];
	int			count = guard_slots_read(&services, relation, slots);
	List	   *result = NIL;

	if (count < 0 && unreadable != NULL)
		*unreadable = true;
	for (ServiceSlot *slot = slots; slot < slots + count; slot++)
	{
		GuardCapturedService *service = palloc(sizeof(*service));

		*service = (GuardCapturedService)
		{
			.relation = relation, .userid = slot->head.userid, .pid = slot->pid,
				.first = slot->first, .last = slot->head.last, .count = slot->count,
				.kind = slot->kind, .login = slot->login,
				.transactions = slot->transactions, .mine = slot->only_user == session
		};
		strlcpy(service->service, slot->service.service, GUARD_SERVICE_LEN);
		strlcpy(service->version, slot->service.version, GUARD_VERSION_LEN);
		result = lappend(result, service);
	}
	return result;
}

/*
 * Forget a relation, or a whole database.  False: somebody is at one of the
 * sets, and not all is forgotten.
 */
bool
guard_sets_forget(const GuardRelationKey *key, bool its_statements, bool wait)
{
	return (!its_statements ||
			guard_slots_forget(&statements, key->database, key->relation, wait)) &&
		guard_slots_forget(&services, key->database, key->relation, wait);
}

/* Fill in what of *status is about these tables. */
void
guard_sets_status(GuardCaptureStatus *status)
{
	status->statements_used = guard_slots_used(&statements);
	status->statements_evicted = guard_slots_evicted(&statements);
	status->services_used = guard_slots_used(&services);
	status->services_max = guard_slots_max(&services);
}

static void
restore_statement(const void *saved)
{
	const GuardSlot *head = saved;

	(void) guard_slots_choose(&statements,
							  guard_slots_set(&statements, head->database, head->object),
							  saved);
}

/*
 * A service that finds no slot any more, because guard.max_indexes is smaller
 * now: somebody used the relation who is not in the list.
 */
static void
restore_service(const void *saved)
{
	const ServiceSlot *service = saved;
	GuardRelationKey key = {service->head.database, service->head.object};
	GuardSlot  *slot = guard_slots_least(&services,
										 guard_slots_set(&services, key.database,
														 key.relation));

	if (OidIsValid(slot->database))
		guard_table_add_others(&key, service->count);
	else
		guard_slots_put(&services, slot, saved);
}
