/*-------------------------------------------------------------------------
 *
 * visits.h
 *	  Asking the background worker to come to this database.
 *
 * Vocabulary:
 *
 *	visit		a background worker connects to a database, does what is due
 *				there, and leaves; at most two do so at a time, for all
 *				databases of the server (finding 17 of the design review)
 *	wanted		somebody in the database has work that should not wait for the
 *				next regular visit
 *	stay		a visitor shall not leave before that time, because it watches
 *				something
 *
 * What is asked for is kept in shared memory, and survives nothing: work
 * itself is always found in guard's own tables, or in the ring of whoever
 * asked.  Where guard is not preloaded there is nobody to ask.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_VISITS_H
#define GUARD_VISITS_H

#include "datatype/timestamp.h"

/* Is there a launcher at all?  False: not preloaded, or not running. */
extern bool guard_visits_available(void);

/*
 * This database wants a visit, as soon as possible.  Takes no lock that can
 * wait and raises nothing; callable from any backend that is connected to a
 * database, also while an error is being raised.
 */
extern void guard_visits_want(void);

/*
 * This database wants to be visited at "at", and not be left before "until"
 * (0: just visited).  Earlier wishes are kept if they are earlier, or last
 * longer.
 */
extern void guard_visits_want_at(TimestampTz at, TimestampTz until);

#endif							/* GUARD_VISITS_H */
