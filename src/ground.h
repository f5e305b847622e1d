/*-------------------------------------------------------------------------
 *
 * ground.h
 *	  What every room stands on: the settings, what differs between versions
 *	  of PostgreSQL, and of PostgreSQL itself what most files need.
 *
 * It comes with the header of a room, so a file names only what is its own
 * affair.  Files that are pure do without.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_GROUND_H
#define GUARD_GROUND_H

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat/compat.h"
#include "compat/list.h"
#include "guc.h"

#endif							/* GUARD_GROUND_H */
