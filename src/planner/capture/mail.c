/*-------------------------------------------------------------------------
 *
 * mail.c
 *	  Uses that could not be published at once, where everybody finds them.
 *
 * A statement must not wait for the shared tables, and its session may idle
 * for hours afterwards.  So what it cannot publish it leaves here, in one of
 * the places of its own backend, without a lock: nobody else writes there.
 * Whoever is about to judge publishes what was left of that relation, and may
 * wait for it; a snapshot publishes all.  What finds no place stays with its
 * session, as pending.c tells.
 *
 * A place is FREE, WRITING (its backend fills it in), FULL, or TAKEN (somebody
 * publishes it).  Nothing in between can raise an error or accept an
 * interrupt.  A place outlives its session: the batch says which database,
 * service and session it is of.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/proc.h"

#include "planner/capture/tables.h"
#include "store/shmem.h"

/* Places of one backend: as many new pairs as a usual statement has. */
#define PLACES			16

/* How long whoever judges tries: a second, a millisecond at a time. */
#define PATIENT_TRIES	1000

#define FREE			0
#define WRITING			1
#define FULL			2
#define TAKEN			3

typedef struct Mail
{
	pg_atomic_uint32 state;
	Oid			database;
	bool		create;
	bool		nobody;			/* it is no longer known who it was */
	uint64		session;
	GuardUseBatch batch;
	GuardService service;
} Mail;

typedef struct MailRoom
{
	pg_atomic_uint32 waiting;	/* places that are not FREE */
	Mail		mails[FLEXIBLE_ARRAY_MEMBER];	/* PLACES for each backend */
} MailRoom;

static MailRoom *room = NULL;

static inline int
count_mails(void)
{
	return MaxBackends * PLACES;
}

/* Shared memory is there, or has been made. */
static void
attach(void *segment, bool fresh, LWLock *lock)
{
	room = segment;
	if (!fresh)
		return;
	pg_atomic_init_u32(&room->waiting, 0);
	for (int i = 0; i < count_mails(); i++)
		pg_atomic_init_u32(&room->mails[i].state, FREE);
}

/* Called at start. */
void
guard_mail_init(void)
{
	static const GuardShmem segment = {
		.name = "guard mail",
		.size = offsetof(MailRoom, mails),
		.per_backend = PLACES * sizeof(Mail),
		.attach = attach
	};

	(void) guard_shmem_register(&segment);
}

/*
 * Go from one state to the next, unless somebody else was faster.
 */
static inline bool
change(Mail *mail, uint32 from, uint32 to)
{
	return pg_atomic_compare_exchange_u32(&mail->state, &from, to);
}

static inline void
set_free(Mail *mail)
{
	change(mail, TAKEN, FREE);
	pg_atomic_fetch_sub_u32(&room->waiting, 1);
}

bool
guard_mail_post(const GuardUseBatch *batch, const GuardService *service,
				uint64 session, bool create)
{
	int			backend = (int) (MyProc - ProcGlobal->allProcs);

	if (backend >= MaxBackends)
		return false;
	for (int i = 0; i < PLACES; i++)
	{
		Mail	   *mail = &room->mails[backend * PLACES + i];

		if (!change(mail, FREE, WRITING))
			continue;
		pg_atomic_fetch_add_u32(&room->waiting, 1);
		mail->database = MyDatabaseId;
		mail->create = create;
		mail->nobody = service == NULL;
		mail->session = session;
		mail->batch = *batch;
		if (service != NULL)
			mail->service = *service;
		change(mail, WRITING, FULL);
		return true;
	}
	return false;
}

/*
 * Take the content of a place that is not free, waiting until it is whole and
 * nobody else has it.  False: it is free by now, or, with *stuck, somebody
 * was stopped who had it.
 */
static bool
take(Mail *mail, bool *stuck)
{
	for (int i = 0; i < PATIENT_TRIES; i++)
	{
		if (change(mail, FULL, TAKEN))
			return true;
		if (pg_atomic_read_u32(&mail->state) == FREE)
			return false;
		pg_usleep(1000L);
	}
	*stuck = true;
	return false;
}

/*
 * Publish a content that was taken; false: the tables are busy all the time.
 */
static bool
publish(const Mail *mail)
{
	for (int i = 0; i < PATIENT_TRIES; i++)
	{
		if (guard_table_publish(&mail->batch,
								mail->nobody ? NULL : &mail->service,
								mail->session, mail->create) !=
			GUARD_PUBLISH_BUSY)
			return true;
		pg_usleep(1000L);
	}
	return false;
}

bool
guard_mail_deliver(Oid relation)
{
	bool		stuck = false;

	if (likely(pg_atomic_read_u32(&room->waiting) == 0))
		return true;
	for (int i = 0; i < count_mails(); i++)
	{
		Mail	   *mail = &room->mails[i];

		if (pg_atomic_read_u32(&mail->state) == FREE || !take(mail, &stuck))
			continue;
		if (mail->database != MyDatabaseId ||
			(OidIsValid(relation) && mail->batch.relation != relation))
			change(mail, TAKEN, FULL);
		else if (publish(mail))
			set_free(mail);
		else
		{
			change(mail, TAKEN, FULL);
			stuck = true;
		}
	}
	return !stuck;
}

void
guard_mail_forget_database(Oid database)
{
	bool		stuck;

	for (int i = 0; i < count_mails(); i++)
	{
		Mail	   *mail = &room->mails[i];

		if (pg_atomic_read_u32(&mail->state) == FREE || !take(mail, &stuck))
			continue;
		if (mail->database == database)
			set_free(mail);
		else
			change(mail, TAKEN, FULL);
	}
}

void
guard_mail_lose(void)
{
	for (int i = 0; i < count_mails(); i++)
	{
		Mail	   *mail = &room->mails[i];

		if (change(mail, FULL, TAKEN))
		{
			GuardRelationKey key = {mail->database, mail->batch.relation};

			guard_shares_lose(&key, mail->batch.owner, mail->batch.last);
			set_free(mail);
		}
	}
}
