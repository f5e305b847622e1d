/*-------------------------------------------------------------------------
 *
 * room.h
 *	  Which record of a relation makes room for another.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_CAPTURE_ROOM_H
#define GUARD_CAPTURE_ROOM_H

#include "planner/capture/table.h"

/*
 * Which of these records, if any, may be removed for a new one of a database
 * (its share) and an owner?  NULL: none.  "costless": nothing is lost by that.
 * The caller holds the lock exclusively.
 */
extern GuardRelationRecord *guard_room_choose(GuardRelationRecord *const *sample,
											  int n, int share, Oid owner,
											  bool *costless);

#endif							/* GUARD_CAPTURE_ROOM_H */
