/*-------------------------------------------------------------------------
 *
 * departed.c
 *	  Indexes that were used and go, described while they are still there.
 *
 * A small table of fixed size, for what goes between two snapshots.  When it is
 * full, whoever drops an index writes the description into guard's tables
 * himself.
 *
 * It is searched from one end to the other, but what is looked at is 24 bytes
 * an entry.  The lock is taken by DDL and by those who ask, never by a
 * statement that uses an index.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "storage/shmem.h"

#include "planner/capture/departed.h"
#include "planner/planner.h"
#include "store/shmem.h"

/* One entry for so many records of relations. */
#define RELATIONS_PER_ENTRY	8
#define LEAST_ENTRIES		64

/* Tables whose losses are told apart; those displaced are everybody's. */
#define LOSSES	64

/* What is searched for. */
typedef struct Key
{
	Oid			database;		/* InvalidOid: free */
	Oid			index;
	Oid			table;
	int64		name;			/* guard_departed_key() */
} Key;

typedef struct Entry
{
	Key			key;
	TimestampTz at;
	TimestampTz created_at;
	NameData	schema;
	NameData	table_name;
	NameData	index_name;
	int64		scans;
	TimestampTz scans_since;
	TimestampTz last_scan;
	char		shapes[GUARD_DEPARTED_SHAPES];
} Entry;

typedef struct Loss
{
	Oid			database;		/* InvalidOid: free */
	Oid			table;
	TimestampTz at;
} Loss;

typedef struct Losses
{
	TimestampTz since;			/* what went before was lost altogether */
	Loss		tables[LOSSES];
	TimestampTz displaced;		/* the latest one of any other table */
} Losses;

static LWLock *lock = NULL;
static Losses *losses = NULL;
static Key *keys = NULL;
static Entry *entries = NULL;

static int
count(void)
{
	return Max(guard_guc_max_indexes / RELATIONS_PER_ENTRY, LEAST_ENTRIES);
}

static Size
keys_size(void)
{
	return MAXALIGN(mul_size(count(), sizeof(Key)));
}

int64
guard_departed_key(const char *schema, const char *table)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) schema,
										   strlen(schema), 0);

	return (int64) hash_bytes_extended((const unsigned char *) table,
									   strlen(table), hash);
}

/*
 * Where is the index, or, where it is not, a free place?  -1: there is none.
 */
static int
find_place(Oid database, Oid index, bool make)
{
	int			free = -1;

	for (int i = 0; i < count(); i++)
	{
		if (keys[i].database == database && keys[i].index == index)
			return i;
		if (free < 0 && !OidIsValid(keys[i].database))
			free = i;
	}
	return make ? free : -1;
}

static bool
fill_entry(Entry *entry, const GuardDeparted *departed)
{
	size_t		shape_size = strlen(departed->shape) + 1;
	size_t		plan_size = departed->by_plan ? strlen(departed->by_plan) + 1 : 1;

	if (shape_size + plan_size > sizeof(entry->shapes))
		return false;
	memset(entry, 0, sizeof(*entry));
	entry->key.database = MyDatabaseId;
	entry->key.index = departed->index;
	entry->key.table = departed->table;
	entry->key.name = guard_departed_key(NameStr(departed->schema),
										 NameStr(departed->table_name));
	entry->at = departed->at;
	entry->created_at = departed->created_at;
	entry->schema = departed->schema;
	entry->table_name = departed->table_name;
	entry->index_name = departed->name;
	entry->scans = departed->scans;
	entry->scans_since = departed->scans_since;
	entry->last_scan = departed->last_scan;
	memcpy(entry->shapes, departed->shape, shape_size);
	if (departed->by_plan)
		memcpy(entry->shapes + shape_size, departed->by_plan, plan_size);
	return true;
}

bool
guard_departed_note(const GuardDeparted *departed)
{
	Entry		entry;
	int			place;

	if (keys == NULL || !fill_entry(&entry, departed))
		return false;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	place = find_place(MyDatabaseId, departed->index, true);
	if (place >= 0)
	{
		entries[place] = entry;
		keys[place] = entry.key;
	}
	LWLockRelease(lock);
	return place >= 0;
}

static GuardDeparted *
make_departed(const Entry *entry)
{
	GuardDeparted *departed = palloc(sizeof(GuardDeparted));
	const char *by_plan = entry->shapes + strlen(entry->shapes) + 1;

	departed->index = entry->key.index;
	departed->table = entry->key.table;
	departed->at = entry->at;
	departed->created_at = entry->created_at;
	departed->schema = entry->schema;
	departed->table_name = entry->table_name;
	departed->name = entry->index_name;
	departed->scans = entry->scans;
	departed->scans_since = entry->scans_since;
	departed->last_scan = entry->last_scan;
	departed->shape = pstrdup(entry->shapes);
	departed->by_plan = *by_plan != '\0' ? pstrdup(by_plan) : NULL;
	return departed;
}

List *
guard_departed_of(Oid table, const char *schema, const char *name)
{
	int64		wanted = guard_departed_key(schema, name);
	List	   *result = NIL;

	if (keys == NULL)
		return NIL;
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < count(); i++)
	{
		const Key  *key = &keys[i];

		if (key->database == MyDatabaseId &&
			(key->table == table || key->name == wanted))
			result = lappend(result, make_departed(&entries[i]));
	}
	LWLockRelease(lock);
	return result;
}

List *
guard_departed_all(void)
{
	List	   *result = NIL;

	if (keys == NULL)
		return NIL;
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < count(); i++)
	{
		if (keys[i].database == MyDatabaseId)
			result = lappend(result, make_departed(&entries[i]));
	}
	LWLockRelease(lock);
	return result;
}

bool
guard_departed_have(Oid index)
{
	bool		found;

	if (keys == NULL)
		return false;
	LWLockAcquire(lock, LW_SHARED);
	found = find_place(MyDatabaseId, index, false) >= 0;
	LWLockRelease(lock);
	return found;
}

TimestampTz
guard_departed_since(void)
{
	/* never changed while sessions are connected */
	return losses != NULL ? losses->since : 0;
}

void
guard_departed_forget(Oid index, TimestampTz at)
{
	int			place;

	if (keys == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	place = find_place(MyDatabaseId, index, false);
	if (place >= 0 && (at == 0 || entries[place].at == at))
		memset(&keys[place], 0, sizeof(Key));
	LWLockRelease(lock);
}

void
guard_departed_forget_database(Oid database)
{
	if (keys == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < count(); i++)
	{
		if (keys[i].database == database)
			memset(&keys[i], 0, sizeof(Key));
	}
	LWLockRelease(lock);
}

/* ----------------------------------------------------------------
 *		Losses
 * ----------------------------------------------------------------
 */

static void
lose(Oid database, Oid table, TimestampTz at)
{
	Loss	   *place = &losses->tables[0];

	for (int i = 0; i < LOSSES; i++)
	{
		Loss	   *loss = &losses->tables[i];

		if (loss->database == database && loss->table == table)
		{
			place = loss;
			break;
		}
		/* A free place's was in the year 2000. */
		if (loss->at < place->at)
			place = loss;
	}
	if (OidIsValid(place->database) &&
		(place->database != database || place->table != table))
		losses->displaced = Max(losses->displaced, place->at);
	place->database = database;
	place->table = table;
	place->at = at;
}

void
guard_departed_lose(Oid table)
{
	if (losses == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	lose(MyDatabaseId, table, GetCurrentTimestamp());
	LWLockRelease(lock);
}

TimestampTz
guard_departed_lost(Oid table)
{
	TimestampTz at;

	if (losses == NULL)
		return 0;
	LWLockAcquire(lock, LW_SHARED);
	at = losses->displaced;
	for (int i = 0; i < LOSSES; i++)
	{
		const Loss *loss = &losses->tables[i];

		if (loss->database == MyDatabaseId && loss->table == table)
			at = Max(at, loss->at);
	}
	LWLockRelease(lock);
	return at;
}

/* ----------------------------------------------------------------
 *		Saving and restoring
 * ----------------------------------------------------------------
 */

static void
save(GuardFile *file)
{
	Entry		end = {0};

	guard_file_put(file, losses, sizeof(Losses));
	for (int i = 0; i < count(); i++)
	{
		if (OidIsValid(keys[i].database))
			guard_file_put(file, &entries[i], sizeof(Entry));
	}
	guard_file_put(file, &end, sizeof(end));
}

static void
begin_anew(void)
{
	memset(losses, 0, sizeof(Losses));
	losses->since = GetCurrentTimestamp();
}

/*
 * guard.max_indexes may be smaller now: what finds no room is lost.
 */
static void
restore(GuardFile *file)
{
	Entry		entry;

	if (!guard_file_get(file, losses, sizeof(Losses)))
		begin_anew();
	while (guard_file_get(file, &entry, sizeof(entry)) &&
		   OidIsValid(entry.key.database))
	{
		int			place = find_place(entry.key.database, entry.key.index, true);

		if (place < 0)
		{
			lose(entry.key.database, entry.key.table, entry.at);
			continue;
		}
		entries[place] = entry;
		keys[place] = entry.key;
	}
}

static void
attach(void *structure, bool fresh, LWLock *its_lock)
{
	losses = structure;
	keys = (Key *) ((char *) losses + MAXALIGN(sizeof(Losses)));
	entries = (Entry *) ((char *) keys + keys_size());
	lock = its_lock;
	if (fresh)
		begin_anew();
}

void
guard_departed_init(void)
{
	static GuardShmem shmem = {.name = "guard departed", .locked = true, .attach = attach};

	shmem.size = add_size(add_size(MAXALIGN(sizeof(Losses)), keys_size()),
						  mul_size(count(), sizeof(Entry)));
	guard_shmem_register(&shmem);
	guard_file_register(sizeof(Losses) + sizeof(Entry), save, restore);
}
