/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  What this session has used: not yet published, and published so far.
 *
 * Every execution is noted here first, in memory of our own, so that the
 * usual statement costs a hash look-up and a few additions.  It reaches the
 * shared tables at the end of a statement:
 *
 *	at once		when the pair (relation, queryid) is new to this session, or
 *				new under the present service, or its published last use
 *				is ten seconds old.  A session may idle for hours after any
 *				statement, and the use it made must be known meanwhile
 *				(doc/internals/review.md 3).  What stays untold is
 *				therefore only how often something is used that was used
 *				within the last ten seconds anyway.
 *	batched		otherwise, once a second.
 *
 * What cannot be published because somebody holds a flag or the lock is left
 * where whoever judges finds it (mail.c), if it is news.  Where that is full,
 * too, the statement tries for some milliseconds.  What remains stays pending:
 * the next statement tries again, and so does the end of the session.
 *
 * The memory is two fixed arrays, for pairs and for the session's own tally,
 * static so that there is nothing to allocate and no way to fail: some 500 kB,
 * of which a process only touches what it uses.  That is room for a few
 * statements that visit a thousand partitions each.  Pairs stay in the
 * array after they have been published, for otherwise every use would look
 * new; the least recent ones make room.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "storage/ipc.h"

#include "planner/capture/tables.h"
#include "planner/planner.h"

/*
 * Places for pairs and for relations, powers of two.  An entry is searched in
 * WINDOW places beginning with that of its hash, all of which are looked at:
 * so entries can be taken out without leaving tombstones.
 */
#define PAIR_BITS		12
#define PAIRS			(1 << PAIR_BITS)
#define OWN_BITS		8
#define OWNS			(1 << OWN_BITS)
#define WINDOW			8

/* 2^32 divided by the golden ratio: spreads neighbouring OIDs */
#define HASH_MULTIPLIER	((uint32) 0x9E3779B1)

/* Counts are told once a second; a use when the last told is this old. */
#define FLUSH_INTERVAL	USECS_PER_SEC
#define STALE_AFTER		(10 * USECS_PER_SEC)

/* Where there may be no next try: this many, a millisecond apart. */
#define LAST_TRIES		20

typedef struct PendingPair
{
	GuardUseBatch batch;		/* relation InvalidOid: free place */
	TimestampTz published;		/* last published use, 0 = never */
	uint32		generation;		/* of the service it was published under */
	uint64		first_run;		/* of this session's runs, the first in the
								 * batch, ... */
	uint64		run;			/* ... and the last that used it */
	uint32		statement;		/* last statement that used it ... */
	uint8		flags;			/* ... and how */
	bool		known;			/* has a record in the shared tables */
	bool		dirty;			/* in the list of those to publish */
	bool		orphan;			/* pending for a client that is gone */
	uint8		place;			/* in "roots", see there */
} PendingPair;

/*
 * What a statement did with all members of a root is told of at once: of this
 * many at a time.
 */
#define ROOTS	16

static PendingPair pairs[PAIRS];
static int	ndirty = 0;
static int16 dirty[PAIRS];		/* places of the pairs to publish */
static GuardOwnUse owns[OWNS];
static bool any_own = false;

static uint64 session = 0;
static GuardService service;	/* for whom this session works, ... */
static Oid	login = InvalidOid; /* ... who connected, ... */
static Oid	role = InvalidOid;	/* ... and as whom it works */
static uint32 generation = 0;	/* counts the changes of service */

/* the statement at hand */
static TimestampTz transaction; /* when the one it is in began */
static TimestampTz moment;		/* when it began itself, if that was later */
static int64 queryid;
static uint64 run;				/* which of this session's runs of it */
static uint32 statement = 0;	/* its number, of so many: */
static uint32 statements = 0;
static Oid	views[GUARD_CAPTURE_VIEWS]; /* that it goes through, ... */
static int	nviews = 0;			/* ... so many, or more than fit */
static bool in_statement = false;	/* between its begin and its end */
static bool urgent = false;		/* something must be published at its end */
static TimestampTz last_flush = 0;

static void follow_client(void);
static void flush_at_exit(int code, Datum arg);
static PendingPair *find_pair(Oid relation, Oid owner, uint64 fkey);
static PendingPair *new_pair(Oid relation, Oid owner, uint64 fkey);
static PendingPair *choose_place(uint32 place);
static void note_dirty(PendingPair *pair);
static void count_runs(PendingPair *pair);
static void publish_whole(PendingPair *pair);
static void tell_of_roots(const int16 *places, int n);
static bool publish_pair(PendingPair *pair);
static void add_own(const GuardUseBatch *batch);

/*
 * Has at least "interval" passed between two times?  Also when the clock was
 * set back: rather too often than never again.
 */
static inline bool
has_passed(TimestampTz since, TimestampTz at, int64 interval)
{
	return (uint64) (at - since) >= (uint64) interval;
}

/*
 * Is a use in this batch news, so that somebody may be about to judge by not
 * knowing it?
 */
static inline bool
is_urgent(const PendingPair *pair)
{
	return pair->batch.count > 0 &&
		(pair->generation != generation ||
		 has_passed(pair->published, pair->batch.last, STALE_AFTER));
}

/* ----------------------------------------------------------------
 *		One statement
 * ----------------------------------------------------------------
 */

/*
 * What follows, up to guard_pending_end(), is of a statement: of a run that is
 * new and gets its number, or of one that has been here before.
 */
static pg_attribute_always_inline void
begin(int64 id, GuardRun *of)
{
	if (of->number == 0)
	{
		of->number = ++statements;
		of->run = guard_runs_add(id);
	}
	transaction = GetCurrentTransactionStartTimestamp();
	moment = Max(GetCurrentStatementStartTimestamp(), transaction);
	queryid = id;
	statement = of->number;
	run = of->run;
	nviews = 0;
	in_statement = true;
	follow_client();
}

void
guard_pending_by_view(Oid view)
{
	for (int i = 0; i < Min(nviews, GUARD_CAPTURE_VIEWS); i++)
	{
		if (views[i] == view)
			return;
	}
	if (nviews < GUARD_CAPTURE_VIEWS)
		views[nviews] = view;
	nviews++;
}

/*
 * The batch has come by the views that the statement goes through, too.
 */
static pg_noinline void
add_views(GuardUseBatch *batch)
{
	batch->more_views |= nviews > GUARD_CAPTURE_VIEWS;
	for (int i = 0; i < Min(nviews, GUARD_CAPTURE_VIEWS); i++)
	{
		int			at = 0;

		while (at < GUARD_CAPTURE_VIEWS && OidIsValid(batch->views[at]) &&
			   batch->views[at] != views[i])
			at++;
		if (at < GUARD_CAPTURE_VIEWS)
			batch->views[at] = views[i];
		else
			batch->more_views = true;
	}
}

/* The first use of a batch. */
static pg_noinline void
begin_batch(PendingPair *pair)
{
	GuardUseBatch *batch = &pair->batch;

	batch->first = batch->last = moment;
	batch->userid = GetUserId();
	batch->login = GetSessionUserId();
	batch->own_settings = guard_settings_own();
	pair->first_run = pair->run = run;
}

/* One use more. */
static inline void
add_use(PendingPair *pair)
{
	GuardUseBatch *batch = &pair->batch;

	pair->statement = statement;
	pair->flags = 0;
	if (unlikely(batch->count++ == 0))
		begin_batch(pair);
	batch->longest = Max(batch->longest, moment - batch->last);
	if (likely(run > pair->run))
		batch->longest_run = Max(batch->longest_run, run - pair->run - 1);
	if (batch->transaction != transaction)
		batch->transactions++;
	batch->transaction = transaction;
	batch->last = moment;
	pair->run = run;
}

/*
 * The statement used a relation.  However often it says so, it is one use;
 * where that has been published meanwhile, only what it did besides is news.
 */
static pg_attribute_always_inline void
use(Oid relation, Oid owner, int flags, uint64 fkey)
{
	PendingPair *pair = find_pair(relation, owner, fkey);
	GuardUseBatch *batch;
	int			news;

	if (unlikely(pair == NULL))
		return;

	/* A batch must not span the time for which the session was idle. */
	if (pair->batch.count > 0 &&
		unlikely(has_passed(pair->batch.first, moment, STALE_AFTER)))
		publish_whole(pair);

	batch = &pair->batch;
	if (likely(pair->statement != statement) ||
		(batch->count == 0 && (flags & ~pair->flags) != 0))
		add_use(pair);
	else if (batch->count == 0)
		return;
	news = flags & ~pair->flags;
	pair->flags |= flags;
	batch->member = (flags & GUARD_USE_MEMBER) != 0;
	batch->named |= (flags & GUARD_USE_NAMED) != 0;
	if (unlikely(nviews > 0))
		add_views(batch);
	if (news & GUARD_USE_AIMED)
		batch->aimed++;
	if (news & GUARD_USE_WRITE)
		batch->writes++;

	note_dirty(pair);

	/* Later ones of a batch are told of as soon as its first one is. */
	if (unlikely(batch->count == 1) && is_urgent(pair))
		urgent = true;
}

/*
 * The statement would have used a relation, but was run by EXPLAIN ANALYZE.
 */
void
guard_pending_excuse(Oid relation, Oid owner, int64 executions)
{
	PendingPair *pair = find_pair(relation, owner, 0);

	if (pair == NULL)
		return;
	pair->batch.excused += executions;
	note_dirty(pair);
}

/*
 * That was all of the statement: publish what must or may be published now.
 * True: something was.
 */
static inline bool
end(void)
{
	bool		publish = urgent ||
		(ndirty > 0 && has_passed(last_flush, moment, FLUSH_INTERVAL));

	if (publish)
		guard_pending_flush(false);
	/* More news than there are places for: worth some milliseconds, once. */
	if (unlikely(publish && urgent))
		guard_pending_flush(true);
	in_statement = false;
	return publish;
}

/*
 * These three for others, one by one, and all of them at once, which saves the
 * usual execution the calls.
 */
void
guard_pending_begin(int64 id, GuardRun *of)
{
	begin(id, of);
}

void
guard_pending_use(Oid relation, Oid owner, int flags, uint64 fkey)
{
	use(relation, owner, flags, fkey);
}

bool
guard_pending_end(void)
{
	return end();
}

bool
guard_pending_lone(int64 id, Relation rel)
{
	GuardRun	of = {0};

	begin(id, &of);
	use(RelationGetRelid(rel), rel->rd_rel->relowner,
		GUARD_USE_AIMED | GUARD_USE_NAMED | guard_capture_membership(rel), 0);
	return end();
}

/* ----------------------------------------------------------------
 *		The session
 * ----------------------------------------------------------------
 */

uint64
guard_pending_session(void)
{
	follow_client();
	return session;
}

/*
 * Notice that this session works for somebody else, as a pooler's does: under
 * another application_name or role.  (Not the role of a SECURITY DEFINER
 * function: that is still the same client.)  What was done until now is then
 * somebody else's, for this session and for all, and it gets another number;
 * its pid and start time tell it from other sessions, 0 is "nobody".  What
 * cannot be published now will be told as nobody's.
 */
static pg_noinline void
change_client(void)
{
	static uint64 clients = 0;
	GuardService next = service;

	if (session == 0)
		before_shmem_exit(flush_at_exit, (Datum) 0);
	guard_pending_flush(false);
	for (int i = 0; i < ndirty; i++)
		pairs[dirty[i]].orphan = true;
	if (any_own)
		memset(owns, 0, sizeof(owns));
	any_own = false;

	login = GetSessionUserId();
	role = GetOuterUserId();
	session = hash_bytes_uint32_extended((uint32) MyProcPid,
										 (uint64) MyStartTimestamp +
										 clients++) | 1;
	if (guard_service_renamed())
		guard_service_follow(&next);
	if (guard_service_same(&service, &next))
		return;
	service = next;
	generation++;
	urgent = ndirty > 0;
}

static inline void
follow_client(void)
{
	if (unlikely(guard_service_renamed() || login != GetSessionUserId() ||
				 role != GetOuterUserId()))
		change_client();
}

static void
flush_at_exit(int code, Datum arg)
{
	guard_pending_flush(true);
}

/* ----------------------------------------------------------------
 *		Pairs
 * ----------------------------------------------------------------
 */

static inline uint32
pair_place(Oid relation)
{
	/* queryids are hashes already, OIDs are not */
	return (relation * HASH_MULTIPLIER + (uint32) queryid) >>
		(32 - PAIR_BITS);
}

static inline bool
is_pair(const PendingPair *pair, Oid relation, uint64 fkey)
{
	return pair->batch.relation == relation &&
		pair->batch.queryid == queryid && pair->batch.fkey == fkey;
}

/* In the places behind that of its hash. */
static pg_noinline PendingPair *
search_pair(Oid relation, Oid owner, uint64 fkey)
{
	uint32		place = pair_place(relation);

	for (uint32 i = 1; i < WINDOW; i++)
	{
		PendingPair *pair = &pairs[(place + i) & (PAIRS - 1)];

		if (is_pair(pair, relation, fkey))
			return pair;
	}
	return new_pair(relation, owner, fkey);
}

/*
 * The entry for a relation and the statement at hand, or NULL if no place can
 * be had for it.
 */
static inline PendingPair *
find_pair(Oid relation, Oid owner, uint64 fkey)
{
	PendingPair *pair = &pairs[pair_place(relation)];

	return likely(is_pair(pair, relation, fkey)) ? pair :
		search_pair(relation, owner, fkey);
}

/*
 * An empty entry for a relation and the statement at hand; NULL as above.
 */
static PendingPair *
new_pair(Oid relation, Oid owner, uint64 fkey)
{
	uint32		place = pair_place(relation);
	PendingPair *pair = choose_place(place);

	if (pair == NULL)
	{
		guard_pending_flush(false);
		pair = choose_place(place);
	}
	if (pair == NULL)
	{
		/* Eight others wait here, and nothing can be published. */
		GuardUseBatch lost = {.relation = relation, .owner = owner,
		.count = 1, .last = moment};

		guard_table_lose(&lost);
		return NULL;
	}
	memset(pair, 0, sizeof(*pair));
	pair->batch.relation = relation;
	pair->batch.owner = owner;
	pair->batch.queryid = queryid;
	pair->batch.fkey = fkey;
	pair->generation = generation;
	return pair;
}

/*
 * A place that is free, or that of the least recent entry of which nothing is
 * pending; NULL if there is none.
 */
static PendingPair *
choose_place(uint32 place)
{
	PendingPair *victim = NULL;

	for (uint32 i = 0; i < WINDOW; i++)
	{
		PendingPair *pair = &pairs[(place + i) & (PAIRS - 1)];

		if (!OidIsValid(pair->batch.relation))
			return pair;
		if (!pair->dirty && (!victim || pair->published < victim->published))
			victim = pair;
	}
	return victim;
}

static inline void
note_dirty(PendingPair *pair)
{
	if (pair->dirty)
		return;
	pair->dirty = true;
	dirty[ndirty++] = (int16) (pair - pairs);
}

/* ----------------------------------------------------------------
 *		Publishing
 * ----------------------------------------------------------------
 */

/*
 * Publish an entry before something new is added to it.  If that fails, the
 * new use joins the old batch, and its pause appears longer than it was: an
 * error on the safe side.
 */
static pg_noinline void
publish_whole(PendingPair *pair)
{
	int16		place = (int16) (pair - pairs);

	count_runs(pair);
	tell_of_roots(&place, 1);
	if (!publish_pair(pair))
		return;
	for (int i = 0; i < ndirty; i++)
	{
		if (&pairs[dirty[i]] == pair)
		{
			dirty[i] = dirty[--ndirty];
			break;
		}
	}
}

/*
 * Add the uses of a member, which are not told of yet, to those of its root.
 * What visits several members at a time is one execution; "writes" is the most
 * that there were of those, "count" the others.  Returns which of the "n" that
 * is, or ROOTS where there is none.
 */
static int
add_to_root(const GuardUseBatch *batch, Oid root, GuardUseBatch *roots, int *n)
{
	int			i = *n;
	uint32		uses = batch->count - batch->told;
	uint32		alone = Min(batch->aimed, uses);

	/* most have the same as the one before */
	while (--i >= 0 &&
		   (roots[i].relation != root || roots[i].queryid != batch->queryid));
	if (i < 0 && *n == ROOTS)
		return ROOTS;
	if (i < 0)
	{
		i = (*n)++;
		roots[i] = *batch;
		roots[i].relation = root;
		roots[i].count = roots[i].writes = roots[i].told = 0;
	}
	roots[i].first = Min(roots[i].first, batch->first);
	roots[i].last = Max(roots[i].last, batch->last);
	roots[i].count += alone;
	roots[i].writes = Max(roots[i].writes, uses - alone);
	return i;
}

/*
 * Tell of the statements of members under their roots.  What cannot be told
 * there is told of under the member, when that is published.
 */
static void
tell_of_roots(const int16 *places, int n)
{
	GuardUseBatch roots[ROOTS];
	bool		told[ROOTS + 1] = {false};
	int			nroots = 0;

	for (int i = 0; i < n; i++)
	{
		PendingPair *pair = &pairs[places[i]];
		Oid			root = InvalidOid;

		pair->place = ROOTS;
		if (pair->batch.member && pair->batch.told < pair->batch.count)
			root = guard_table_root(pair->batch.relation);
		if (OidIsValid(root))
			pair->place = (uint8) add_to_root(&pair->batch, root, roots, &nroots);
	}
	for (int i = 0; i < nroots; i++)
	{
		roots[i].count += roots[i].writes;
		told[i] = guard_table_tell(&roots[i]);
	}
	for (int i = 0; i < n && nroots > 0; i++)
	{
		PendingPair *pair = &pairs[places[i]];

		if (told[pair->place])
			pair->batch.told = pair->batch.count;
	}
}

/*
 * Publish the batch of an entry, which is then no longer dirty, but still in
 * the list.  False: it stays as it is.
 */
static bool
publish_pair(PendingPair *pair)
{
	GuardUseBatch *batch = &pair->batch;
	Oid			relation = batch->relation;
	Oid			owner = batch->owner;
	int64		id = batch->queryid;
	uint64		fkey = batch->fkey;
	const GuardService *of = pair->orphan ? NULL : &service;
	uint64		by = pair->orphan ? 0 : session;
	bool		create;
	bool		mailed;
	GuardPublished published;

	/* What the present statement used is locked by it, and so is not gone. */
	create = !pair->known || (in_statement && pair->statement == statement);

	published = guard_table_publish(batch, of, by, create);
	mailed = published == GUARD_PUBLISH_BUSY && is_urgent(pair) &&
		guard_mail_post(batch, of, by, create);
	if (mailed)
		published = GUARD_PUBLISHED;

	switch (published)
	{
		case GUARD_PUBLISH_BUSY:
			return false;
		case GUARD_PUBLISHED:
			if (!pair->orphan)
				add_own(batch);
			if (batch->count > 0)
				pair->published = batch->last;
			pair->known = !mailed;	/* its record may still have to be made */
			pair->generation = generation;
			break;
		case GUARD_PUBLISH_FULL:

			/* Do not ask again with the very next statement. */
			pair->published = batch->last;
			pair->generation = generation;
			break;
		case GUARD_PUBLISH_GONE:

			/* Dropped, or made room; it may be used again. */
			pair->published = 0;
			pair->known = false;
			break;
	}
	memset(batch, 0, sizeof(*batch));
	batch->relation = relation;
	batch->owner = owner;
	batch->queryid = id;
	batch->fkey = fkey;
	pair->dirty = false;
	pair->orphan = false;
	return true;
}

/*
 * When did the statement run, as runs of all sessions are counted?  What others
 * ran since the batch began passes for what was before it.
 */
static void
count_runs(PendingPair *pair)
{
	uint64		mine;
	uint64		all = guard_runs_tell(pair->batch.queryid, &mine);

	if (mine < pair->run)
		return;
	pair->batch.run = all - (mine - pair->run);
	pair->batch.run_before = all - (mine - pair->first_run) - 1;
}

/*
 * Publish everything that is pending, or as much as can be had without
 * waiting; what remains is tried again at the end of the next statement.
 */
void
guard_pending_flush(bool patient)
{
	int			left;

	urgent = false;
	for (int i = 0; i < ndirty; i++)
		count_runs(&pairs[dirty[i]]);
	tell_of_roots(dirty, ndirty);
	for (int try = 0; try < (patient ? LAST_TRIES : 1); try++)
	{
		if (try > 0)
			pg_usleep(1000L);
		left = 0;
		urgent = false;
		for (int i = 0; i < ndirty; i++)
		{
			int16		place = dirty[i];

			if (publish_pair(&pairs[place]))
				continue;
			dirty[left++] = place;
			urgent |= is_urgent(&pairs[place]);
		}
		ndirty = left;
		if (left == 0)
			break;
	}
	last_flush = moment;
}

/* ----------------------------------------------------------------
 *		This session's own tally
 * ----------------------------------------------------------------
 */

/*
 * The tally of a relation.  With "create" there always is one, if need be at
 * the cost of the least recent one; otherwise NULL where there is none.
 */
static GuardOwnUse *
find_own(Oid relation, uint64 fkey, bool create)
{
	uint32		place = (relation * HASH_MULTIPLIER) >> (32 - OWN_BITS);
	GuardOwnUse *victim = NULL;

	for (uint32 i = 0; i < WINDOW; i++)
	{
		GuardOwnUse *own = &owns[(place + i) & (OWNS - 1)];

		if (own->relation == relation && own->fkey == fkey)
			return own;
		/* A free place was last used in the year 2000. */
		if (!victim || own->last < victim->last)
			victim = own;
	}
	if (!create)
		return NULL;
	memset(victim, 0, sizeof(*victim));
	victim->relation = relation;
	victim->fkey = fkey;
	return victim;
}

/*
 * Remember what we published.  A session that uses very many relations loses
 * count of some, whose uses then pass for others' uses; when others used them
 * last does not depend on this.
 */
static void
add_own(const GuardUseBatch *batch)
{
	GuardOwnUse *own;

	if (batch->count == 0)
		return;
	any_own = true;
	own = find_own(batch->relation, batch->fkey, true);
	own->count += batch->count;
	own->aimed_count += batch->aimed;
	own->write_count += batch->writes;
	own->last = batch->last;
	guard_rate_add(&own->rate, batch->last, batch->count);
}

/*
 * What this session has published of a relation; NULL: nothing it remembers.
 */
const GuardOwnUse *
guard_pending_own(Oid relation, uint64 fkey)
{
	follow_client();
	return find_own(relation, fkey, false);
}

/*
 * The relation is gone.
 */
void
guard_pending_forget(Oid relation)
{
	int			left = 0;

	for (int i = 0; i < OWNS; i++)
	{
		if (owns[i].relation == relation)
			memset(&owns[i], 0, sizeof(GuardOwnUse));
	}

	for (int i = 0; i < ndirty; i++)
	{
		int16		place = dirty[i];

		if (pairs[place].batch.relation != relation)
			dirty[left++] = place;
	}
	ndirty = left;
	for (int i = 0; i < PAIRS; i++)
	{
		if (pairs[i].batch.relation == relation)
			memset(&pairs[i], 0, sizeof(PendingPair));
	}
}
