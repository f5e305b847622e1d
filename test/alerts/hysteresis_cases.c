/*-------------------------------------------------------------------------
 *
 * hysteresis_cases.c
 *	  When a busy pool is worth an alert, case by case.
 *
 * Linked with hysteresis.c and nothing of the server.  Prints TAP.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alerts/alerts.h"

/* The server's own printf is not linked either. */
#undef printf

/*
 * Samples in a row, of a pool of 100 with a limit of 80 %: '+' is at the limit,
 * '-' just below it, 'w' just below what is well (64), 'n' just not, '0' that
 * no alert is wanted.  "alerts" has a '!' for each sample with which an episode
 * begins.
 */
typedef struct Case
{
	const char *name;
	const char *samples;
	const char *alerts;
} Case;

static const Case cases[] = {
	{"never busy", "wwww", "...."},
	{"one sample is an instant", "w+w", "..."},
	{"two are", "w++w", "...."},
	{"three are not", "w+++", "...!"},
	{"not in a row", "++-+", "...."},
	{"and then three in a row", "++-+++", ".....!"},
	{"one alert, however long it lasts", "++++++++++++", "..!........."},
	{"just below the limit it goes on", "+++----------------+++", "..!..................."},
	{"nine times well is not over", "+++wwwwwwwww+++", "..!............"},
	{"ten times is", "+++wwwwwwwwww+++", "..!............!"},
	{"not quite well is not", "+++nnnnnnnnnnnn+++", "..!..............."},
	{"well, but not in a row", "+++wwwwwnwwwww+++", "..!.............."},
	{"well, interrupted by a busy one", "+++wwwww+wwwww+++", "..!.............."},
	{"a second episode is alerted of as the first", "+++wwwwwwwwww+++wwwwwwwwww+++", "..!............!............!"},
	{"no alert is wanted", "000", "..."},
	{"none was wanted meanwhile: it begins anew", "+++0+++", "..!...!"},
	{"what was counted before does not count", "++0+", "...."},
};

static bool
holds(const Case *c)
{
	GuardEpisode episode = {0};

	for (int i = 0; c->samples[i] != '\0'; i++)
	{
		char		sample = c->samples[i];
		int			busy = sample == '+' ? 80 : sample == '-' ? 79 : sample == 'n' ? 64 : 63;
		bool		alert = guard_hysteresis_step(&episode, sample == '0' ? 100 : busy, 100,
												  sample == '0' ? 0 : 80);

		if (alert != (c->alerts[i] == '!'))
		{
			printf("# sample %d\n", i + 1);
			return false;
		}
	}
	return true;
}

int
main(void)
{
	int			failed = 0;

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		bool		ok = holds(&cases[i]);

		printf("%sok %d - %s\n", ok ? "" : "not ", i + 1, cases[i].name);
		failed += !ok;
	}
	printf("1..%d\n", (int) lengthof(cases));
	return failed > 0;
}
