/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Strings that are cut, and strings that come from elsewhere.
 *
 * What guard shows, stores and logs is valid in the database's encoding: a
 * string is cut between characters, and bytes that are no character - names of
 * roles are common to databases of different encodings - are shown as "\xE9".
 *
 * A database in SQL_ASCII takes all bytes, but its clients do not: there
 * characters are those of the client's encoding, or of UTF-8 where it has none.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_TEXT_H
#define GUARD_TEXT_H

/* So many bytes of the string are whole characters, at most "limit". */
extern int	guard_text_clip(const char *str, int limit);

/*
 * The string, in the current memory context; if it is longer than "limit",
 * cut, and with "mark" behind it.
 */
extern char *guard_text_cut(const char *str, int limit, const char *mark);

/*
 * The string, or, where it has invalid bytes, a copy that shows them.
 */
extern const char *guard_text_valid(const char *str);

/*
 * The same in an array of "size" bytes: as much as it can hold.  Raises no
 * error and allocates nothing.
 */
extern void guard_text_copy(char *to, size_t size, const char *from);

/* A span of time in microseconds, in one unit, as one says it. */
extern char *guard_text_span(int64 usecs);

#endif							/* GUARD_TEXT_H */
