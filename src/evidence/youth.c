/*-------------------------------------------------------------------------
 *
 * youth.c
 *	  Is this use traffic, or does it belong to the making of the table?
 *
 * A history of migrations that runs on an empty database fills tables, looks
 * rows up again, and a few files later replaces the index by which it did.  For
 * an hour, what those who made a small table do with it is its installation:
 * the same login role, under the same service.
 *
 * Not where the name is not new: the table may be the successor of another one,
 * whose traffic is its own from the first moment.  Nor where they come again and
 * again: who installs does not come back in twenty transactions, and where the
 * application makes its tables itself, that is how it is told.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "evidence/gone.h"
#include "planner/capture/departed.h"
#include "store/store.h"

/* For so long a table is new, and so few transactions install it. */
#define YOUTH			USECS_PER_HOUR
#define TRANSACTIONS	20

/*
 * Has no other table had its name, as far as is known, and is all of that known?
 */
static bool
name_is_new(const GuardShape *shape)
{
	List	   *unseen;

	return guard_departed_lost(shape->table) == 0 &&
		list_delete_oid(guard_moved_from(shape->schema, shape->table_name, false, &unseen),
						shape->table) == NIL &&
		list_delete_oid(unseen, shape->table) == NIL;
}

void
guard_youth_collect(GuardEvidence *evidence)
{
	const GuardShape *shape = evidence->shape;
	GuardObject *made;
	BlockNumber blocks = 0;

	/* what a profile knows has long been made */
	if (guard_profile_size(shape->table, &blocks))
		return;
	if (evidence->table_kb < 0 || evidence->table_kb > guard_guc_rebuild_limit)
		return;
	made = guard_identity_made(shape->table, shape->schema, shape->table_name);
	if (made != NULL && evidence->as_of - made->created_at < YOUTH && name_is_new(shape))
		evidence->made = made;
}

/*
 * Is it the service under which the table was made?
 */
static bool
is_maker(const GuardObject *made, const GuardServiceUse *use)
{
	const char *service = guard_services_fold(made->created_under);

	return use->login == get_role_oid(made->created_by, true) && OidIsValid(use->login) &&
		strcmp(use->service, service != NULL ? service : made->created_by) == 0;
}

void
guard_youth_mark(const GuardEvidence *evidence, GuardFact *fact)
{
	int64		transactions = 0;

	/* who refreshes without a lock does it for others, who read meanwhile */
	if (evidence->made == NULL || !fact->services_known || fact->way == GUARD_WAY_REFRESH)
		return;
	foreach_ptr(const GuardServiceUse, use, fact->services)
	{
		if (!is_maker(evidence->made, use))
			return;
		transactions += use->transactions;
	}
	fact->installation = transactions < TRANSACTIONS;
}
