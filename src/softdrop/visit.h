/*-------------------------------------------------------------------------
 *
 * visit.h
 *	  What a visitor does for the soft drops of a database.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_SOFTDROP_VISIT_H
#define GUARD_SOFTDROP_VISIT_H

#include "datatype/timestamp.h"

/*
 * Look at every soft drop of this database that is due, and move it on.
 * Called by a visitor, outside a transaction; begins and ends its own.  Returns
 * when to come again, 0 for no need to.
 */
extern TimestampTz guard_softdrop_visit(void);

/* After that: who is told of what was restored. */
extern TimestampTz guard_softdrop_tell(void);

/* And the step that takes long, if one is due. */
extern TimestampTz guard_softdrop_long_step(void);

#endif							/* GUARD_SOFTDROP_VISIT_H */
