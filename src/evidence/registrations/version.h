/*-------------------------------------------------------------------------
 *
 * version.h
 *	  Which of two versions is the older one, as people expect.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_VERSION_H
#define GUARD_VERSION_H

typedef enum GuardVersionOrder
{
	GUARD_VERSION_UNKNOWN,		/* they cannot be compared */
	GUARD_VERSION_LESS,			/* the first is older */
	GUARD_VERSION_EQUAL,
	GUARD_VERSION_GREATER
} GuardVersionOrder;

/*
 * Compare two versions.  Reads nothing else, allocates nothing, raises
 * nothing.
 */
extern GuardVersionOrder guard_version_compare(const char *a, const char *b);

/* Can it be compared with any but itself? */
extern bool guard_version_has_order(const char *version);

#endif							/* GUARD_VERSION_H */
