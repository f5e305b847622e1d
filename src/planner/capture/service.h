/*-------------------------------------------------------------------------
 *
 * service.h
 *	  Which service this session works for.
 *
 * A service is what people would name when asked who needs an index: "auth",
 * "puma: cluster worker", "nightly_report".  It is told by application_name,
 * folded so that all processes of one service bear one name, with the version
 * kept apart; or by the login role where the client did not say.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SERVICE_H
#define GUARD_SERVICE_H

#include "planner/capture/capture.h"

typedef struct GuardService
{
	uint32		hash;			/* of both names */
	char		service[GUARD_SERVICE_LEN]; /* never "" once folded */
	char		version[GUARD_VERSION_LEN]; /* "" when none */
} GuardService;

/* fold a name; "fallback" serves where nothing of it is left */
extern void guard_service_fold(const char *name, const char *fallback,
							   GuardService *service);

/* The name that was folded last; at first, one that PostgreSQL lets nobody set. */
extern char guard_service_seen[GUARD_SERVICE_LEN];

/*
 * Has application_name changed since it was folded?  Asked for every statement:
 * the usual answer is "no", after one comparison of strings.  Their addresses
 * would not do, since a new value may take the place of the old one.
 */
static inline bool
guard_service_renamed(void)
{
	return strcmp(guard_service_seen, application_name) != 0;
}

/*
 * Fold it: *service is the one that this session works for now, be it the same,
 * and it is up to the caller to install it when everything done under the old
 * name has been accounted for.
 */
extern void guard_service_follow(GuardService *service);

/* Are these one service, in one version? */
extern bool guard_service_same(const GuardService *a, const GuardService *b);

#endif							/* GUARD_SERVICE_H */
