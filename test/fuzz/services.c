/*-------------------------------------------------------------------------
 *
 * services.c
 *	  Fuzz what makes a service of an application_name.
 *
 * The input is a name.  What comes of it is never empty, and ends within its
 * place.  Linked with service.c and libFuzzer; what service.c takes from the
 * server stands below.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/libpq-be.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/guc.h"

#include "guc.h"
#include "planner/capture/service.h"
#include "store/store.h"

extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

char	   *guard_guc_application_name_pattern = "%s/%v";
char	   *application_name = NULL;
struct Port *MyProcPort = NULL;
BackgroundWorker *MyBgworkerEntry = NULL;

/* of store/text.c, which knows the database's encoding; here it has bytes */
void
guard_text_copy(char *to, size_t size, const char *from)
{
	strlcpy(to, from, size);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static const char *const patterns[] = {"%s/%v", "%v %s", "%s@%v", "%s-%v"};
	char		name[256];
	GuardService service;

	if (size == 0 || size > sizeof(name))
		return -1;
	/* the first byte chooses the pattern */
	guard_guc_application_name_pattern =
		unconstify(char *, patterns[data[0] % lengthof(patterns)]);
	memcpy(name, data + 1, size - 1);
	name[size - 1] = '\0';

	guard_service_fold(name, "nobody", &service);
	if (service.service[0] == '\0' ||
		memchr(service.service, '\0', GUARD_SERVICE_LEN) == NULL ||
		memchr(service.version, '\0', GUARD_VERSION_LEN) == NULL)
		abort();
	return 0;
}
