/*-------------------------------------------------------------------------
 *
 * service.c
 *	  Which service this session works for.
 *
 * application_name is what we have, and it is not made for us.  Puma puts
 * worker number, pid and application into it, Sidekiq how busy it is,
 * Kubernetes two random suffixes, pgbouncer the client's address and port.
 * Left as they are, such names would fill any table and mean nobody.  So what
 * tells processes of one service apart is cut off:
 *
 *		puma: cluster worker 0: 4711 [app]		puma: cluster worker
 *		sidekiq 7.2.4 app [3 of 10 busy]		sidekiq app
 *		auth-7f9c6d5b8-x2v4q					auth
 *		billing/v2.3.1 - 10.0.0.5:51234			billing, version v2.3.1
 *		report 3f2b8c1e-....-....-....-............	report
 *
 * A version is what follows a slash and looks like one; where the names of a
 * company are made otherwise, guard.application_name_pattern says how.  In the
 * blank form ("auth 2.9") the last word is one where it has a dot between
 * digits.  That DBeaver has a version, too, does no harm: nobody asks for the
 * versions of a service that is not registered.
 *
 * Where nothing is left, and where the name only says which driver connected,
 * the login role stands for the service.  It is the role of the connection
 * and not that of a later SET ROLE, because the latter would have to be looked
 * up, and a look-up may raise an error.
 *
 * This is done by hand and not by a regular expression, and the setting is no
 * more than two letters and what is between them: all this runs at the end of
 * somebody's statement, where nothing may be raised or allocated.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "common/hashfn.h"
#include "libpq/libpq-be.h"

#include "planner/capture/service.h"
#include "store/store.h"

/* Names that drivers and poolers set when the application sets none. */
static const char *const driver_names[] = {
	"PostgreSQL JDBC Driver",
	"r2dbc-postgresql",
	"vertx-pg-client",
	"pgbouncer",
};

/* What may separate the words of a name; none of them at either end. */
#define SEPARATORS	" -_.:,;/@#=|*"

/* The letters Kubernetes makes its random suffixes of. */
#define POD_LETTERS "bcdfghjklmnpqrstvwxz2456789"

/* See service.h. */
char		guard_service_seen[GUARD_SERVICE_LEN] = "\n";

static bool
is_blank(const char *s)
{
	return s[strspn(s, " ")] == '\0';
}

/*
 * Cut pgbouncer's suffix, " - host:port" or " - unix(pid):port", and "@host".
 */
static void
cut_host(char *name)
{
	char	   *dash = NULL;
	char	   *port = strrchr(name, ':');

	for (char *s = strstr(name, " - "); s; s = strstr(s + 1, " - "))
		dash = s;
	if (dash && port > dash && port[1] != '\0' &&
		port[1 + strspn(port + 1, "0123456789")] == '\0' &&
		strchr(dash + 3, ' ') == NULL)
		*dash = '\0';
	if (name[0] != '\0' && strchr(guard_guc_application_name_pattern, '@') == NULL)
		name[1 + strcspn(name + 1, "@")] = '\0';
}

/*
 * Cut brackets with what is in them, to the end where none closes them.
 */
static void
cut_brackets(char *name)
{
	char	   *to = name;
	int			depth = 0;

	for (const char *from = name; *from; from++)
	{
		if (strchr("([{", *from))
			depth++;
		else if (strchr(")]}", *from))
			depth -= depth > 0 ? 1 : 0;
		else if (depth == 0)
			*to++ = *from;
	}
	*to = '\0';
}

/*
 * Does a word look like a version: v2, 2.3.1-rc1, 2025-11-04, or a commit?
 */
static bool
is_version(const char *word, size_t len)
{
	const char *digits = (*word == 'v' || *word == 'V') ? word + 1 : word;

	for (size_t i = 0; i < len; i++)
	{
		if (IS_HIGHBIT_SET(word[i]) ||
			(!isalnum((unsigned char) word[i]) && !strchr(".-+_~", word[i])))
			return false;
	}
	if (isdigit((unsigned char) *digits))
		return true;
	return len >= 7 && strspn(word, "0123456789abcdef") >= len &&
		strcspn(word, "0123456789") < len;
}

/*
 * Copy the version, and close the gap in the name between "from" and "to".
 */
static void
take_version(char *word, size_t len, char *from, char *to, char *version)
{
	strlcpy(version, word, Min(len + 1, GUARD_VERSION_LEN));
	memmove(from, to, strlen(to) + 1);
}

/*
 * Move the version out of the name, as guard.application_name_pattern has it:
 * two letters, %s and %v, and what is between them.
 */
static bool
split_by_pattern(char *name, char *version)
{
	const char *pattern = guard_guc_application_name_pattern;
	char		between[GUARD_SERVICE_LEN];
	char	   *at = NULL;
	size_t		len;

	strlcpy(between, pattern + 2, Min(strlen(pattern) - 3, sizeof(between)));
	if (pattern[1] == 'v')
	{
		at = strstr(name, between);
		if (at == NULL || at == name || !is_version(name, at - name))
			return false;
		take_version(name, at - name, name, at + strlen(between), version);
		return true;
	}
	for (char *s = strstr(name, between); s; s = strstr(s + 1, between))
		at = s;
	if (at == NULL || at == name)
		return false;
	len = strcspn(at + strlen(between), " ");
	if (len == 0 || !is_version(at + strlen(between), len))
		return false;
	take_version(at + strlen(between), len, at, at + strlen(between) + len,
				 version);
	return true;
}

/*
 * The same for a last word like 2.9 or v2.9.1.
 */
static void
split_last_word(char *name, char *version)
{
	char	   *blank;
	char	   *dot;
	size_t		len = strlen(name);

	while (len > 0 && name[len - 1] == ' ')
		name[--len] = '\0';
	blank = strrchr(name, ' ');
	if (blank == NULL || !is_version(blank + 1, strlen(blank + 1)))
		return;
	dot = strchr(blank, '.');
	if (dot != NULL && isdigit((unsigned char) dot[-1]) &&
		isdigit((unsigned char) dot[1]))
		take_version(blank + 1, strlen(blank + 1), blank, name + len, version);
}

static void
split_version(char *name, char *version)
{
	version[0] = '\0';
	if (!split_by_pattern(name, version))
		split_last_word(name, version);
}

/*
 * Cut "-<hash>-<five letters>", as pods are named, off the end.
 */
static void
cut_pod(char *name)
{
	char	   *random = strrchr(name, '-');
	char	   *hash;
	size_t		len;

	if (random == NULL || strlen(random + 1) != 5 ||
		strspn(random + 1, POD_LETTERS) != 5)
		return;
	hash = random;
	while (hash > name && hash[-1] != '-')
		hash--;
	len = random - hash;
	if (hash > name && len >= 6 && len <= 10 &&
		strspn(hash, POD_LETTERS) >= len)
		hash[-1] = '\0';
}

/*
 * How much of a word to keep: nothing of numbers, and of what is hexadecimal
 * and longer than a word usually is; otherwise all but the digits at its end.
 */
static size_t
keep_of_word(const char *word, size_t len)
{
	size_t		keep = len;

	if (len >= 6 && strspn(word, "0123456789abcdefABCDEF") >= len &&
		strcspn(word, "0123456789") < len)
		return 0;
	while (keep > 0 && isdigit((unsigned char) word[keep - 1]))
		keep--;
	/* s3 and h2 are names */
	return keep == 1 && len == 2 ? len : keep;
}

/*
 * Length of a UUID at the beginning of a word, 0 if there is none.
 */
static size_t
uuid_length(const char *word)
{
	static const size_t groups[] = {8, 4, 4, 4, 12};
	size_t		len = 0;

	for (int i = 0; i < lengthof(groups); i++)
	{
		if (i > 0 && word[len++] != '-')
			return 0;
		if (strspn(word + len, "0123456789abcdefABCDEF") < groups[i])
			return 0;
		len += groups[i];
	}
	return len;
}

/*
 * Cut numbers and the like, word by word, with the separators before them.
 */
static void
fold_words(char *name)
{
	char	   *to = name;
	const char *from = name;

	while (*from)
	{
		size_t		gap = strspn(from, SEPARATORS);
		const char *word = from + gap;
		size_t		len = uuid_length(word);
		size_t		keep = 0;

		if (len == 0)
		{
			len = strcspn(word, SEPARATORS);
			keep = keep_of_word(word, len);
		}
		if (keep > 0)
		{
			/* "worker 0: x" is "worker: x", but a name begins with a word */
			if (to > name)
			{
				memmove(to, from, gap);
				to += gap;
			}
			memmove(to, word, keep);
			to += keep;
		}
		from = word + len;
	}
	*to = '\0';
}

/*
 * Does a name say only which driver connected?
 */
static bool
is_driver(const char *name)
{
	for (int i = 0; i < lengthof(driver_names); i++)
	{
		if (pg_strcasecmp(name, driver_names[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Fold a name into a service and its version, "fallback" standing for what
 * is folded to nothing.
 */
void
guard_service_fold(const char *name, const char *fallback,
				   GuardService *service)
{
	char		buf[GUARD_SERVICE_LEN];

	memset(service, 0, sizeof(*service));
	guard_text_copy(buf, sizeof(buf), name + strspn(name, " "));
	if (!is_driver(buf))
	{
		cut_host(buf);
		cut_brackets(buf);
		split_version(buf, service->version);
		cut_pod(buf);
		fold_words(buf);
	}
	else
		buf[0] = '\0';

	guard_text_copy(service->service, GUARD_SERVICE_LEN,
					is_blank(buf) ? fallback : buf);
	service->hash =
		hash_bytes((const unsigned char *) service->service,
				   strlen(service->service)) ^
		hash_bytes((const unsigned char *) service->version,
				   strlen(service->version));
}

/*
 * Who this session is when application_name does not say: the login role, or,
 * in a background worker, what the worker is called.
 */
static const char *
session_name(void)
{
	if (MyProcPort && MyProcPort->user_name)
		return MyProcPort->user_name;
	if (MyBgworkerEntry)
		return MyBgworkerEntry->bgw_type;
	return "postgres";
}

void
guard_service_follow(GuardService *service)
{
	strlcpy(guard_service_seen, application_name, GUARD_SERVICE_LEN);
	guard_service_fold(application_name, session_name(), service);
}

bool
guard_service_same(const GuardService *a, const GuardService *b)
{
	return a->hash == b->hash &&
		strcmp(a->service, b->service) == 0 &&
		strcmp(a->version, b->version) == 0;
}
