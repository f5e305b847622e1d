/*-------------------------------------------------------------------------
 *
 * mail.h
 *	  Uses that could not be published at once, where everybody finds them.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_MAIL_H
#define GUARD_CAPTURE_MAIL_H

#include "planner/capture/table.h"

/* Start-up: size and attach. */
extern Size guard_mail_size(void);
extern void guard_mail_attach(void);

/*
 * Leave a batch, with what guard_table_publish() would be given.  False: this
 * backend has no place left, and keeps it.  Never waits, never raises.
 */
extern bool guard_mail_post(const GuardUseBatch *batch,
							const GuardService *service, uint64 session,
							bool create);

/*
 * Publish what was left of a relation of this database, InvalidOid for all of
 * them.  Waits for up to a second; false: something is there that could not
 * be published.
 */
extern bool guard_mail_deliver(Oid relation);

/* What was left of a database is of no interest any more. */
extern void guard_mail_forget_database(Oid database);

/* When nobody else is there: what still waits becomes a loss. */
extern void guard_mail_lose(void);

#endif							/* GUARD_CAPTURE_MAIL_H */
