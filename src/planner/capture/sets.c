/*-------------------------------------------------------------------------
 *
 * sets.c
 *	  The shared tables of capture that may lose: statements and services.
 *
 * Both are arrays of sets of 32 slots; the hash of (database, relation) says
 * which set a relation's slots are in, usually alone or with a few others.
 * A set is searched from end to end, under its busy flag, so there is no
 * order to keep, nothing to rehash, and no place where a slot could hide.
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

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "planner/capture/sets.h"

#define SET_SLOTS	GUARD_CAPTURE_STATEMENTS_PER_INDEX

/* Slots for services, per relation that can be recorded. */
#define SERVICES_PER_RELATION	4

/* A name about for less than this is replaceable (see above). */
#define PASSING_NAME	(10 * 60 * USECS_PER_SEC)

typedef struct StatementSlot
{
	GuardRelationKey key;		/* relation InvalidOid: free */
	int64		queryid;
	Oid			userid;
	TimestampTz first;
	TimestampTz last;
	int64		count;
} StatementSlot;

typedef struct StatementSet
{
	pg_atomic_flag busy;
	StatementSlot slots[SET_SLOTS];
} StatementSet;

typedef struct ServiceSlot
{
	GuardRelationKey key;		/* relation InvalidOid: free */
	GuardService service;
	Oid			userid;
	int			pid;			/* of the last use */
	TimestampTz first;
	TimestampTz last;
	int64		count;
	uint64		only_user;		/* the one session that used it, 0 = several */
} ServiceSlot;

typedef struct ServiceSet
{
	pg_atomic_flag busy;
	ServiceSlot slots[SET_SLOTS];
} ServiceSet;

typedef struct GuardSets
{
	pg_atomic_uint32 statements_used;
	pg_atomic_uint32 services_used;
	pg_atomic_uint64 statements_evicted;
} GuardSets;

static GuardSets *sets = NULL;
static StatementSet *statement_sets = NULL;
static ServiceSet *service_sets = NULL;

static int
statement_set_count(void)
{
	return (guard_guc_max_statements + SET_SLOTS - 1) / SET_SLOTS;
}

static int
service_set_count(void)
{
	return (guard_guc_max_indexes + SET_SLOTS / SERVICES_PER_RELATION - 1) /
		(SET_SLOTS / SERVICES_PER_RELATION);
}

static Size
header_size(void)
{
	return MAXALIGN(sizeof(GuardSets));
}

static Size
statements_size(void)
{
	return MAXALIGN(mul_size(statement_set_count(), sizeof(StatementSet)));
}

Size
guard_sets_size(void)
{
	Size		size = add_size(header_size(), statements_size());

	return add_size(size, mul_size(service_set_count(), sizeof(ServiceSet)));
}

/*
 * Make the tables or find them; the caller holds AddinShmemInitLock.
 */
void
guard_sets_attach(void)
{
	bool		found;

	sets = ShmemInitStruct("guard sets", guard_sets_size(), &found);
	statement_sets = (StatementSet *) ((char *) sets + header_size());
	service_sets = (ServiceSet *) ((char *) statement_sets + statements_size());
	if (found)
		return;

	memset(sets, 0, guard_sets_size());
	pg_atomic_init_u32(&sets->statements_used, 0);
	pg_atomic_init_u32(&sets->services_used, 0);
	pg_atomic_init_u64(&sets->statements_evicted, 0);
	for (int i = 0; i < statement_set_count(); i++)
		pg_atomic_init_flag(&statement_sets[i].busy);
	for (int i = 0; i < service_set_count(); i++)
		pg_atomic_init_flag(&service_sets[i].busy);
}

static uint32
hash_key(const GuardRelationKey *key)
{
	return hash_combine(murmurhash32(key->database),
						murmurhash32(key->relation));
}

static StatementSet *
statement_set(const GuardRelationKey *key)
{
	return &statement_sets[hash_key(key) % statement_set_count()];
}

static ServiceSet *
service_set(const GuardRelationKey *key)
{
	return &service_sets[hash_key(key) % service_set_count()];
}

static bool
same_key(const GuardRelationKey *a, const GuardRelationKey *b)
{
	return a->relation == b->relation && a->database == b->database;
}

/* ----------------------------------------------------------------
 *		Adding
 * ----------------------------------------------------------------
 */

/*
 * Are both of the same statement, or else of the same role?
 */
static inline bool
are_fellows(const GuardHolder *a, const GuardHolder *b, bool by_statement)
{
	return a->database == b->database &&
		(by_statement ? a->queryid == b->queryid : a->userid == b->userid);
}

/*
 * How much of the set goes to a statement, or else to its role, "more" slots
 * added.  A statement weighs by itself when it is there for several relations,
 * and then more than any role.
 */
static int
weigh(const GuardHolder *holders, const GuardHolder *one, int more,
	  bool *by_statement)
{
	int			statement = more;
	int			role = more;

	for (int i = 0; i < SET_SLOTS; i++)
	{
		statement += are_fellows(&holders[i], one, true) ? 1 : 0;
		role += are_fellows(&holders[i], one, false) ? 1 : 0;
	}
	*by_statement = statement > 1;
	return *by_statement ? SET_SLOTS + statement : role;
}

int
guard_sets_make_room(const GuardHolder *holders, const GuardHolder *mine)
{
	bool		by_statement;
	int			most = weigh(holders, mine, 1, &by_statement);
	bool		own = true;
	int			victim = -1;

	for (int i = 0; i < SET_SLOTS; i++)
	{
		bool		ignored;
		int			its = weigh(holders, &holders[i], 0, &ignored);

		if (its > most || (own && its == most))
		{
			own = false;
			most = its;
			victim = i;
		}
		else if (own ? are_fellows(&holders[i], mine, by_statement) :
				 its == most)
		{
			if (victim < 0 || holders[i].last < holders[victim].last)
				victim = i;
		}
	}
	return Max(victim, 0);
}

/*
 * The set is full.
 */
static StatementSlot *
make_slot_free(StatementSet *set, Oid database, int64 queryid, Oid userid)
{
	GuardHolder holders[SET_SLOTS];
	GuardHolder mine = {database, userid, queryid, 0};

	for (int i = 0; i < SET_SLOTS; i++)
	{
		const StatementSlot *slot = &set->slots[i];

		holders[i] = (GuardHolder)
		{
			slot->key.database, slot->userid, slot->queryid, slot->last
		};
	}
	return &set->slots[guard_sets_make_room(holders, &mine)];
}

/*
 * The slot for a statement: its own, a free one, or one that makes room.
 */
static StatementSlot *
choose_statement_slot(StatementSet *set, const GuardRelationKey *key,
					  int64 queryid, Oid userid)
{
	StatementSlot *victim = &set->slots[0];

	for (int i = 0; i < SET_SLOTS; i++)
	{
		StatementSlot *slot = &set->slots[i];

		if (slot->queryid == queryid && same_key(&slot->key, key))
			return slot;
		/* A free slot was last used in the year 2000. */
		if (slot->last < victim->last)
			victim = slot;
	}
	if (OidIsValid(victim->key.relation))
		victim = make_slot_free(set, key->database, queryid, userid);

	if (OidIsValid(victim->key.relation))
		pg_atomic_fetch_add_u64(&sets->statements_evicted, 1);
	else
		pg_atomic_fetch_add_u32(&sets->statements_used, 1);
	memset(victim, 0, sizeof(*victim));
	victim->key = *key;
	victim->queryid = queryid;
	return victim;
}

static void
add_statement(StatementSet *set, const GuardRelationKey *key,
			  const GuardUseBatch *batch)
{
	StatementSlot *slot = choose_statement_slot(set, key, batch->queryid,
												batch->userid);

	if (slot->first == 0)
		slot->first = batch->first;
	slot->last = Max(slot->last, batch->last);
	slot->userid = batch->userid;
	slot->count += batch->count;
}

/*
 * Give a slot to a service of this relation that has none, or return NULL;
 * *others is what is lost by that.  See the rules at the top.
 */
static ServiceSlot *
take_service_slot(ServiceSet *set, const GuardRelationKey *key,
				  TimestampTz now, int64 *others)
{
	TimestampTz too_old = now - (int64) guard_guc_lookback * USECS_PER_SEC;
	ServiceSlot *unused = NULL;
	ServiceSlot *passing = NULL;
	int			mine = 0;

	for (int i = 0; i < SET_SLOTS; i++)
	{
		ServiceSlot *slot = &set->slots[i];
		bool		own = same_key(&slot->key, key);

		if (!OidIsValid(slot->key.relation) || slot->last < too_old)
		{
			/* Prefer a free slot to one whose uses no longer count. */
			if (!unused || OidIsValid(unused->key.relation))
				unused = slot;
			continue;
		}
		if (own)
			mine++;
		if (own && slot->last - slot->first < PASSING_NAME &&
			slot->last < now - PASSING_NAME &&
			(!passing || slot->last < passing->last))
			passing = slot;
	}

	if (unused && mine < GUARD_CAPTURE_SERVICES_PER_INDEX)
	{
		if (!OidIsValid(unused->key.relation))
			pg_atomic_fetch_add_u32(&sets->services_used, 1);
		return unused;
	}
	if (passing)
		*others += passing->count;
	return passing;
}

/*
 * Add a batch to the slot of its service, or to *others.
 */
static void
add_service(ServiceSet *set, const GuardRelationKey *key,
			const GuardUseBatch *batch, const GuardService *service,
			uint64 session, int64 *others)
{
	ServiceSlot *slot = NULL;

	for (int i = 0; i < SET_SLOTS && service && !slot; i++)
	{
		if (same_key(&set->slots[i].key, key) &&
			guard_service_same(&set->slots[i].service, service))
			slot = &set->slots[i];
	}

	if (service && !slot)
	{
		slot = take_service_slot(set, key, batch->last, others);
		if (slot)
		{
			memset(slot, 0, sizeof(*slot));
			slot->key = *key;
			slot->service = *service;
			slot->first = batch->first;
			slot->only_user = session;
		}
	}

	if (!slot)
	{
		*others += batch->count;
		return;
	}
	slot->last = Max(slot->last, batch->last);
	slot->userid = batch->userid;
	slot->pid = MyProcPid;
	slot->count += batch->count;
	if (slot->only_user != session)
		slot->only_user = 0;
}

bool
guard_sets_add(const GuardRelationKey *key, const GuardUseBatch *batch,
			   const GuardService *service, uint64 session, int64 *others)
{
	StatementSet *statements = statement_set(key);
	ServiceSet *services = service_set(key);

	if (!guard_flag_try(&statements->busy))
		return false;
	if (!guard_flag_try(&services->busy))
	{
		pg_atomic_clear_flag(&statements->busy);
		return false;
	}

	add_statement(statements, key, batch);
	pg_atomic_clear_flag(&statements->busy);
	add_service(services, key, batch, service, session, others);
	pg_atomic_clear_flag(&services->busy);
	return true;
}

/* ----------------------------------------------------------------
 *		Reading and forgetting
 * ----------------------------------------------------------------
 */

/*
 * Copy a set to where palloc may fail without leaving its flag set.
 */
static bool
copy_statements(const GuardRelationKey *key, StatementSlot *copy)
{
	StatementSet *set = statement_set(key);

	if (!guard_flag_wait(&set->busy))
		return false;
	memcpy(copy, set->slots, sizeof(set->slots));
	pg_atomic_clear_flag(&set->busy);
	return true;
}

/*
 * How many statements of a relation of this database are known.
 */
int
guard_table_count_statements(Oid relation)
{
	GuardRelationKey key = {MyDatabaseId, relation};
	StatementSlot slots[SET_SLOTS];
	int			count = 0;

	if (!copy_statements(&key, slots))
		return 0;
	for (int i = 0; i < SET_SLOTS; i++)
		count += same_key(&slots[i].key, &key) ? 1 : 0;
	return count;
}

/*
 * The statements of a relation of this database, palloc'd; NIL also if they
 * could not be read.
 */
List *
guard_table_statements(Oid relation)
{
	GuardRelationKey key = {MyDatabaseId, relation};
	StatementSlot slots[SET_SLOTS];
	List	   *result = NIL;

	if (!copy_statements(&key, slots))
		return NIL;
	for (int i = 0; i < SET_SLOTS; i++)
	{
		GuardCapturedStatement *statement;

		if (!same_key(&slots[i].key, &key))
			continue;
		statement = palloc0(sizeof(*statement));
		statement->relation = relation;
		statement->queryid = slots[i].queryid;
		statement->userid = slots[i].userid;
		statement->first = slots[i].first;
		statement->last = slots[i].last;
		statement->count = slots[i].count;
		result = lappend(result, statement);
	}
	return result;
}

/*
 * The same for its services; "session" is whose own they may be.  *unreadable,
 * unless NULL, is set where they could not be read.
 */
List *
guard_table_services(Oid relation, uint64 session, bool *unreadable)
{
	GuardRelationKey key = {MyDatabaseId, relation};
	ServiceSet *set = service_set(&key);
	ServiceSlot slots[SET_SLOTS];
	List	   *result = NIL;

	if (!guard_flag_wait(&set->busy))
	{
		if (unreadable != NULL)
			*unreadable = true;
		return NIL;
	}
	memcpy(slots, set->slots, sizeof(set->slots));
	pg_atomic_clear_flag(&set->busy);

	for (int i = 0; i < SET_SLOTS; i++)
	{
		GuardCapturedService *service;

		if (!same_key(&slots[i].key, &key))
			continue;
		service = palloc0(sizeof(*service));
		service->relation = relation;
		strlcpy(service->service, slots[i].service.service, GUARD_SERVICE_LEN);
		strlcpy(service->version, slots[i].service.version, GUARD_VERSION_LEN);
		service->userid = slots[i].userid;
		service->pid = slots[i].pid;
		service->first = slots[i].first;
		service->last = slots[i].last;
		service->count = slots[i].count;
		service->mine = slots[i].only_user == session;
		result = lappend(result, service);
	}
	return result;
}

/*
 * Free the slots of one relation (or, with InvalidOid as the relation, of a
 * whole database) in one set of each kind.  False: not all, for somebody else
 * is at one.
 */
static bool
forget_in_sets(StatementSet *statements, ServiceSet *services,
			   const GuardRelationKey *key, bool wait)
{
	bool		all = !OidIsValid(key->relation);

	if (statements)
	{
		if (!(wait ? guard_flag_wait(&statements->busy) :
			  guard_flag_try(&statements->busy)))
			return false;
		for (int i = 0; i < SET_SLOTS; i++)
		{
			StatementSlot *slot = &statements->slots[i];

			if (OidIsValid(slot->key.relation) &&
				slot->key.database == key->database &&
				(all || slot->key.relation == key->relation))
			{
				memset(slot, 0, sizeof(*slot));
				pg_atomic_fetch_sub_u32(&sets->statements_used, 1);
			}
		}
		pg_atomic_clear_flag(&statements->busy);
	}
	if (services)
	{
		if (!(wait ? guard_flag_wait(&services->busy) :
			  guard_flag_try(&services->busy)))
			return false;
		for (int i = 0; i < SET_SLOTS; i++)
		{
			ServiceSlot *slot = &services->slots[i];

			if (OidIsValid(slot->key.relation) &&
				slot->key.database == key->database &&
				(all || slot->key.relation == key->relation))
			{
				memset(slot, 0, sizeof(*slot));
				pg_atomic_fetch_sub_u32(&sets->services_used, 1);
			}
		}
		pg_atomic_clear_flag(&services->busy);
	}
	return true;
}

bool
guard_sets_forget(const GuardRelationKey *key, bool wait)
{
	return forget_in_sets(statement_set(key), service_set(key), key, wait);
}

void
guard_sets_forget_database(Oid database)
{
	GuardRelationKey key = {database, InvalidOid};

	for (int i = 0; i < statement_set_count(); i++)
		(void) forget_in_sets(&statement_sets[i], NULL, &key, true);
	for (int i = 0; i < service_set_count(); i++)
		(void) forget_in_sets(NULL, &service_sets[i], &key, true);
}

void
guard_sets_status(GuardCaptureStatus *status)
{
	status->statements_used = (int) pg_atomic_read_u32(&sets->statements_used);
	status->statements_max = statement_set_count() * SET_SLOTS;
	status->statements_evicted =
		(int64) pg_atomic_read_u64(&sets->statements_evicted);
	status->services_used = (int) pg_atomic_read_u32(&sets->services_used);
	status->services_max = service_set_count() * SET_SLOTS;
}

/* ----------------------------------------------------------------
 *		Saving and restoring
 * ----------------------------------------------------------------
 */

size_t
guard_sets_record_sizes(void)
{
	return sizeof(StatementSlot) + sizeof(ServiceSlot);
}

/*
 * Each table ends with a free slot.
 */
void
guard_sets_save(GuardCaptureFile *file)
{
	StatementSlot no_statement;
	ServiceSlot no_service;

	memset(&no_statement, 0, sizeof(no_statement));
	memset(&no_service, 0, sizeof(no_service));
	for (int i = 0; i < statement_set_count() * SET_SLOTS; i++)
	{
		StatementSlot *slot = &statement_sets[i / SET_SLOTS].slots[i % SET_SLOTS];

		if (OidIsValid(slot->key.relation))
			guard_file_put(file, slot, sizeof(*slot));
	}
	guard_file_put(file, &no_statement, sizeof(no_statement));
	for (int i = 0; i < service_set_count() * SET_SLOTS; i++)
	{
		ServiceSlot *slot = &service_sets[i / SET_SLOTS].slots[i % SET_SLOTS];

		if (OidIsValid(slot->key.relation))
			guard_file_put(file, slot, sizeof(*slot));
	}
	guard_file_put(file, &no_service, sizeof(no_service));
}

/*
 * Put a service back where it belongs.  False: its set is full.
 */
static bool
restore_service(const ServiceSlot *saved)
{
	ServiceSet *set = service_set(&saved->key);

	for (int i = 0; i < SET_SLOTS; i++)
	{
		if (OidIsValid(set->slots[i].key.relation))
			continue;
		set->slots[i] = *saved;
		pg_atomic_fetch_add_u32(&sets->services_used, 1);
		return true;
	}
	return false;
}

void
guard_sets_restore(GuardCaptureFile *file,
				   void (*lost) (const GuardRelationKey *key, int64 uses))
{
	StatementSlot statement;
	ServiceSlot service;

	while (guard_file_get(file, &statement, sizeof(statement)) &&
		   OidIsValid(statement.key.relation))
		*choose_statement_slot(statement_set(&statement.key), &statement.key,
							   statement.queryid, statement.userid) = statement;
	while (guard_file_get(file, &service, sizeof(service)) &&
		   OidIsValid(service.key.relation))
	{
		if (!restore_service(&service))
			lost(&service.key, service.count);
	}
}
