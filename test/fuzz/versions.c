/*-------------------------------------------------------------------------
 *
 * versions.c
 *	  Fuzz the order of versions.
 *
 * The input is two versions with a zero byte between them.  Asked both ways
 * round the answer must be the same one, and a version equals itself.  Linked
 * with version.c and libFuzzer.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/registrations/version.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char		both[512];
	const char *a = both;
	const char *b;
	GuardVersionOrder one;
	GuardVersionOrder other;

	if (size >= sizeof(both) - 1)
		return -1;
	memcpy(both, data, size);
	both[size] = both[size + 1] = '\0';
	b = a + strlen(a) + 1;

	one = guard_version_compare(a, b);
	other = guard_version_compare(b, a);
	if (one == GUARD_VERSION_LESS ? other != GUARD_VERSION_GREATER :
		one == GUARD_VERSION_GREATER ? other != GUARD_VERSION_LESS :
		other != one)
		abort();
	if (guard_version_compare(a, a) != GUARD_VERSION_EQUAL)
		abort();
	(void) guard_version_has_order(a);
	return 0;
}
