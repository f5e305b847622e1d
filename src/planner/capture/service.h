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

/*
 * Has application_name changed since this was asked last?  Then *service is
 * the one that this session works for now, be it the same, and it is up to the
 * caller to install it when everything done under the old name has been
 * accounted for.
 */
extern bool guard_service_renamed(GuardService *service);

/* Are these one service, in one version? */
extern bool guard_service_same(const GuardService *a, const GuardService *b);

#endif							/* GUARD_SERVICE_H */
