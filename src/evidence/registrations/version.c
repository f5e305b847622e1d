/*-------------------------------------------------------------------------
 *
 * version.c
 *	  Which of two versions is the older one, as people expect.
 *
 * There is no one rule, but what people write falls into few shapes:
 *
 *		2.10, v2.10, release-2.10.0		numbers; those that are missing are 0
 *		2.10.0-rc1, 2.10rc1, 2.10~beta	before 2.10.0
 *		2.10.post1, 2.10-hotfix2		after it
 *		v2.10-14-gabcdef				git describe: 14 commits after it
 *		2.10.0+build5					build metadata: 2.10.0
 *		1:2.10							an epoch, as Debian and (1!2.10) Python
 *		2026-11-04, 20261104, 20261104T1530	dates
 *
 * What is not understood has no order: the answer is UNKNOWN, and whoever asks
 * must not take that for "old enough" nor for "new enough".  That goes for a
 * commit's hash, for names (blue, green), for a date beside a version, and for
 * two that differ only in something whose order is anybody's guess: "2.10-1"
 * comes before 2.10 with npm and after it with Debian.
 *
 * This file is pure: it includes no header but the two it cannot do without,
 * so that a table of cases can be linked with it alone.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "evidence/registrations/version.h"

/* More than anybody writes; what has more has no order. */
#define MAX_NUMBERS		10
#define MAX_WORDS		10

/* What can be a year in front of a date. */
#define FIRST_YEAR		1990
#define LAST_YEAR		2100

/* A piece of the version, not terminated. */
typedef struct Piece
{
	const char *str;
	int			len;
} Piece;

typedef struct Version
{
	Piece		prefix;			/* "build" of build-17; NULL for none, or one
								 * that says nothing, as v */
	Piece		epoch;
	bool		date;			/* numbers begin with year, month, day */
	Piece		numbers[MAX_NUMBERS];
	int			nnumbers;
	Piece		words[MAX_WORDS];	/* what follows: rc, 1 */
	int			nwords;
	Piece		commits;		/* git describe's count; str NULL for none */
	Piece		hash;
	Piece		build;			/* after +; str NULL for none */
	bool		dirty;
} Version;

/* Those len bytes, where they are. */
static Piece
make_piece(const char *str, int len)
{
	Piece		piece = {str, len};

	return piece;
}

/* Words with a known place, before (< 0) or after the version itself. */
static const struct
{
	const char *word;
	int			rank;
}			known_words[] = {
	{"dev", -6}, {"snapshot", -5}, {"nightly", -5}, {"canary", -5},
	{"a", -4}, {"alpha", -4}, {"b", -3}, {"beta", -3},
	{"m", -2}, {"milestone", -2},
	{"c", -1}, {"rc", -1}, {"cr", -1}, {"pre", -1}, {"preview", -1},
	{"final", 0}, {"ga", 0}, {"release", 0},
	{"post", 1}, {"p", 1}, {"patch", 1}, {"hotfix", 1}, {"sp", 1}
};

#define UNKNOWN_RANK	99

/* Words that may stand before a version and mean nothing. */
static const char *const empty_prefixes[] = {
	"v", "ver", "version", "r", "rel", "release"
};

/* ---- pieces ---- */

static bool
is_number(Piece piece)
{
	return piece.len > 0 && isdigit((unsigned char) piece.str[0]);
}

/*
 * Are they the same, whatever the case?
 */
static bool
same_word(Piece a, const char *str, int len)
{
	if (a.len != len)
		return false;
	for (int i = 0; i < len; i++)
	{
		if (tolower((unsigned char) a.str[i]) != tolower((unsigned char) str[i]))
			return false;
	}
	return true;
}

static int
rank_of(Piece word)
{
	for (int i = 0; i < (int) lengthof(known_words); i++)
	{
		if (same_word(word, known_words[i].word, strlen(known_words[i].word)))
			return known_words[i].rank;
	}
	return UNKNOWN_RANK;
}

/*
 * Numbers of any length; an empty one is 0.
 */
static int
compare_numbers(Piece a, Piece b)
{
	while (a.len > 0 && a.str[0] == '0')
		a.str++, a.len--;
	while (b.len > 0 && b.str[0] == '0')
		b.str++, b.len--;
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len == 0 ? 0 : memcmp(a.str, b.str, a.len);
}

static int
value_of(Piece number)
{
	int			value = 0;

	for (int i = 0; i < number.len && i < 9; i++)
		value = value * 10 + (number.str[i] - '0');
	return value;
}

static bool
is_year(Piece number)
{
	return number.len == 4 && value_of(number) >= FIRST_YEAR &&
		value_of(number) <= LAST_YEAR;
}

static int
count_digits(const char *s)
{
	int			n = 0;

	while (isdigit((unsigned char) s[n]))
		n++;
	return n;
}

static int
count_letters(const char *s)
{
	int			n = 0;

	while (isalpha((unsigned char) s[n]))
		n++;
	return n;
}

/* ---- parsing ---- */

/*
 * Year, month and day, as 2026-11-04 (2026.11.04 needs no care, it compares as
 * any version does) or as 20261104.  Returns the length, 0 for anything else.
 */
static int
parse_date(const char *s, Piece *ymd)
{
	int			digits = count_digits(s);
	int			len;

	if (digits == 4 && s[4] == '-' && count_digits(s + 5) == 2 && s[7] == '-' &&
		count_digits(s + 8) == 2)
	{
		ymd[0] = make_piece(s, 4);
		ymd[1] = make_piece(s + 5, 2);
		ymd[2] = make_piece(s + 8, 2);
		len = 10;
	}
	else if (digits == 8 || digits == 12 || digits == 14)
	{
		ymd[0] = make_piece(s, 4);
		ymd[1] = make_piece(s + 4, 2);
		ymd[2] = make_piece(s + 6, 2);
		len = 8;
	}
	else
		return 0;
	if (!is_year(ymd[0]) ||
		value_of(ymd[1]) < 1 || value_of(ymd[1]) > 12 ||
		value_of(ymd[2]) < 1 || value_of(ymd[2]) > 31)
		return 0;
	return len;
}

static bool
add_number(Version *version, const char *s, int len)
{
	if (version->nnumbers == MAX_NUMBERS)
		return false;
	version->numbers[version->nnumbers++] = make_piece(s, len);
	return true;
}

/*
 * What follows a date: the time of day, or which of the day's.  Returns where
 * it ends, NULL when there is too much of it.
 */
static const char *
parse_time(Version *version, const char *s)
{
	/* 20261104153000 */
	while (count_digits(s) >= 2)
	{
		if (!add_number(version, s, 2))
			return NULL;
		s += 2;
	}
	while (*s != '\0' && strchr("Tt_-.:", *s) && isdigit((unsigned char) s[1]))
	{
		int			digits = count_digits(++s);

		/* T1530 and T15:30 are the same */
		while (digits > 2 && digits % 2 == 0)
		{
			if (!add_number(version, s, 2))
				return NULL;
			s += 2;
			digits -= 2;
		}
		if (!add_number(version, s, digits))
			return NULL;
		s += digits;
	}
	if ((*s == 'Z' || *s == 'z') && !isalnum((unsigned char) s[1]))
		s++;
	return s;
}

/*
 * The numbers that a version begins with.  Returns where they end, NULL when
 * it begins with none.
 */
static const char *
parse_numbers(Version *version, const char *s)
{
	Piece		ymd[3];
	int			len = parse_date(s, ymd);

	if (len > 0)
	{
		version->date = true;
		memcpy(version->numbers, ymd, sizeof(ymd));
		version->nnumbers = 3;
		return parse_time(version, s + len);
	}
	for (;;)
	{
		int			digits = count_digits(s);

		if (digits == 0 || !add_number(version, s, digits))
			return NULL;
		s += digits;
		if (*s != '.' || !isdigit((unsigned char) s[1]))
			return s;
		s++;
	}
}

/*
 * "v", "release-", "build-": letters with something between them and the
 * number, or letters that are known to mean nothing.  Returns where the number
 * begins, NULL when there is no telling letters and number apart, as in a
 * commit's hash.
 */
static const char *
parse_prefix(Version *version, const char *s)
{
	int			len = count_letters(s);
	const char *rest = s + len;
	bool		apart = *rest != '\0' && strchr("-_ /", *rest);

	if (len == 0)
		return s;
	if (apart)
		rest++;
	for (int i = 0; i < (int) lengthof(empty_prefixes); i++)
	{
		if (same_word(make_piece(s, len), empty_prefixes[i], strlen(empty_prefixes[i])))
			return *rest == 'v' && apart ? rest + 1 : rest;
	}
	if (!apart)
		return NULL;
	version->prefix = make_piece(s, len);
	return *rest == 'v' ? rest + 1 : rest;
}

/*
 * Does the suffix end like git describe's, "-14-gabcdef"?  Returns where that
 * begins, NULL when it does not.
 */
static const char *
find_describe(const char *s, const char *end, Piece *commits, Piece *hash)
{
	const char *g = end;
	const char *n;

	while (g > s && isxdigit((unsigned char) g[-1]))
		g--;
	if (end - g < 4 || g - s < 4 || g[-1] != 'g' || g[-2] != '-')
		return NULL;
	*hash = make_piece(g, end - g);
	n = g - 2;
	while (n > s && isdigit((unsigned char) n[-1]))
		n--;
	if (n == g - 2 || n == s || n[-1] != '-')
		return NULL;
	*commits = make_piece(n, g - 2 - n);
	return n - 1;
}

/*
 * What follows the numbers.  Returns false when it is not understood at all.
 */
static bool
parse_suffix(Version *version, const char *s)
{
	const char *end = strchr(s, '+');
	const char *describe;

	if (end != NULL)
		version->build = make_piece(end + 1, strlen(end + 1));
	else
		end = s + strlen(s);
	if (end - s >= 6 && strncmp(end - 6, "-dirty", 6) == 0)
	{
		version->dirty = true;
		end -= 6;
	}
	describe = find_describe(s, end, &version->commits, &version->hash);
	if (describe != NULL)
		end = describe;

	while (s < end)
	{
		int			len;

		if (strchr("-_.~", *s))
			s++;
		len = isdigit((unsigned char) *s) ? count_digits(s) : count_letters(s);
		if (len == 0 || s + len > end || version->nwords == MAX_WORDS)
			return false;
		version->words[version->nwords++] = make_piece(s, len);
		s += len;
	}

	/* 2.x and 11-04-2026 mean no version that numbers could tell */
	if (version->nwords > 0 && same_word(version->words[0], "x", 1))
		return false;
	return !(version->nnumbers == 1 && version->nwords == 2 &&
			 is_number(version->words[0]) && is_year(version->words[1]));
}

/*
 * A commit: nothing but hexadecimal digits, letters among them.
 */
static bool
is_hash(const char *s)
{
	size_t		len = strlen(s);

	return len >= 7 && strspn(s, "0123456789abcdefABCDEF") == len &&
		strspn(s, "0123456789") < len;
}

/*
 * Returns false when there is no order to be seen in it.
 */
static bool
parse(const char *s, Version *version)
{
	int			digits;

	memset(version, 0, sizeof(*version));
	if (is_hash(s))
		return false;
	s = parse_prefix(version, s);
	if (s == NULL)
		return false;
	digits = count_digits(s);
	if (digits > 0 && (s[digits] == ':' || s[digits] == '!'))
	{
		version->epoch = make_piece(s, digits);
		s += digits + 1;
	}
	s = parse_numbers(version, s);
	return s != NULL && parse_suffix(version, s);
}

/* ---- comparing ---- */

static GuardVersionOrder
order(int sign)
{
	return sign < 0 ? GUARD_VERSION_LESS :
		sign > 0 ? GUARD_VERSION_GREATER : GUARD_VERSION_EQUAL;
}

/*
 * Are they numbers of the same kind?  A date may stand beside a version that
 * begins with a year.
 */
static bool
same_kind(const Version *a, const Version *b)
{
	if (a->prefix.len != b->prefix.len ||
		(a->prefix.len > 0 && !same_word(a->prefix, b->prefix.str, b->prefix.len)))
		return false;
	if (a->date == b->date)
		return true;
	return is_year(a->numbers[0]) && is_year(b->numbers[0]);
}

static int
compare_all_numbers(const Version *a, const Version *b)
{
	static const Piece zero = {"", 0};
	int			n = Max(a->nnumbers, b->nnumbers);
	int			sign = compare_numbers(a->epoch, b->epoch);

	for (int i = 0; i < n && sign == 0; i++)
		sign = compare_numbers(i < a->nnumbers ? a->numbers[i] : zero,
							   i < b->nnumbers ? b->numbers[i] : zero);
	return sign;
}

/*
 * One has a word or number where the other has nothing.
 */
static GuardVersionOrder
compare_with_end(const Version *version, int i)
{
	static const Piece zero = {"", 0};
	int			rank;

	if (is_number(version->words[i]))
	{
		/* rc is rc0; but nobody knows where 2.10-1 stands */
		if (i == 0 || (!is_number(version->words[i - 1]) &&
					   rank_of(version->words[i - 1]) == UNKNOWN_RANK))
			return GUARD_VERSION_UNKNOWN;
		return order(compare_numbers(version->words[i], zero));
	}
	rank = rank_of(version->words[i]);
	if (rank == 0)
		return i + 1 < version->nwords ? compare_with_end(version, i + 1) :
			GUARD_VERSION_EQUAL;
	return rank == UNKNOWN_RANK ? GUARD_VERSION_UNKNOWN : order(rank);
}

static GuardVersionOrder
compare_words(const Version *a, const Version *b)
{
	for (int i = 0;; i++)
	{
		int			sign;

		if (i == a->nwords && i == b->nwords)
			return GUARD_VERSION_EQUAL;
		if (i == b->nwords)
			return compare_with_end(a, i);
		if (i == a->nwords)
		{
			GuardVersionOrder end = compare_with_end(b, i);

			return end == GUARD_VERSION_LESS ? GUARD_VERSION_GREATER :
				end == GUARD_VERSION_GREATER ? GUARD_VERSION_LESS : end;
		}
		if (is_number(a->words[i]) != is_number(b->words[i]))
			return GUARD_VERSION_UNKNOWN;
		if (is_number(a->words[i]))
			sign = compare_numbers(a->words[i], b->words[i]);
		else if (same_word(a->words[i], b->words[i].str, b->words[i].len))
			sign = 0;
		else if (rank_of(a->words[i]) == UNKNOWN_RANK ||
				 rank_of(b->words[i]) == UNKNOWN_RANK)
			return GUARD_VERSION_UNKNOWN;
		else
			sign = rank_of(a->words[i]) - rank_of(b->words[i]);
		if (sign != 0)
			return order(sign);
	}
}

/*
 * Build metadata says which of several builds of one version it is.  Where
 * only one says so, they are that version; where both do, they have no order.
 */
static bool
same_build(const Version *a, const Version *b)
{
	return a->build.str == NULL || b->build.str == NULL ||
		(a->build.len == b->build.len &&
		 memcmp(a->build.str, b->build.str, a->build.len) == 0);
}

static GuardVersionOrder
compare_parsed(const Version *a, const Version *b)
{
	GuardVersionOrder result;
	int			sign;

	if (!same_kind(a, b))
		return GUARD_VERSION_UNKNOWN;
	sign = compare_all_numbers(a, b);
	if (sign != 0)
		return order(sign);
	result = compare_words(a, b);
	if (result != GUARD_VERSION_EQUAL)
		return result;
	sign = compare_numbers(a->commits, b->commits);
	if (sign != 0)
		return order(sign);

	/* As many commits after the tag, but on another branch? */
	if (a->hash.len > 0 && b->hash.len > 0 &&
		memcmp(a->hash.str, b->hash.str, Min(a->hash.len, b->hash.len)) != 0)
		return GUARD_VERSION_UNKNOWN;
	return a->dirty == b->dirty && same_build(a, b) ?
		GUARD_VERSION_EQUAL : GUARD_VERSION_UNKNOWN;
}

GuardVersionOrder
guard_version_compare(const char *a, const char *b)
{
	Version		va;
	Version		vb;

	if (strcmp(a, b) == 0)
		return GUARD_VERSION_EQUAL;
	if (!parse(a, &va) || !parse(b, &vb))
		return GUARD_VERSION_UNKNOWN;
	return compare_parsed(&va, &vb);
}

bool
guard_version_has_order(const char *version)
{
	Version		parsed;

	return parse(version, &parsed);
}
