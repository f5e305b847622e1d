/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Giving an index its old name back.
 *
 * RenameRelationInternal() rather than ALTER INDEX: whoever may drop an index
 * may not always rename it (doc/internals/review.md 16).  The schema is
 * that of the table now, which may have moved; the name may have been taken
 * by somebody else in the meantime, mostly by the replacement.  Then the index
 * keeps its holding name, for a name matters less than an index.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/comment.h"
#include "commands/tablecmds.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "planner/hide/hide.h"
#include "softdrop/steps.h"

/*
 * One part.  Returns NULL, or why it keeps the name that it has.
 */
static char *
rename_part(GuardSoftDropPart *part)
{
	char	   *name;
	Oid			schema;

	if (!OidIsValid(part->index))
		return NULL;
	LockRelationOid(part->index, ShareUpdateExclusiveLock);
	name = get_rel_name(part->index);
	if (name == NULL)
	{
		part->index = InvalidOid;
		return NULL;
	}

	/* Somebody gave it a name of his own: that one stands. */
	if (strcmp(name, part->holding_name) != 0)
		return NULL;
	schema = get_rel_namespace(part->index);
	if (OidIsValid(get_relname_relid(part->old_name, schema)))
		return psprintf("it keeps the name %s, for there is another relation %s by now",
						quote_identifier(part->holding_name),
						quote_qualified_identifier(get_namespace_name(schema),
												   part->old_name));
	RenameRelationInternal(part->index, part->old_name, false, true);
	return NULL;
}

static void
refresh(void *arg)
{
	guard_identity_renamed(list_make1_oid(InvalidOid));
	guard_evidence_refresh();
}

/*
 * Registrations know an index by OID and name, and one half must always lead to
 * the other: so before and after every renaming.
 */
void
guard_softdrop_refresh_names(void)
{
	(void) guard_store_try("bring registrations up to date", refresh, NULL);
}

char *
guard_softdrop_rename_back(GuardSoftDrop *drop)
{
	char	   *why = NULL;

	guard_softdrop_refresh_names();

	foreach_ptr(GuardSoftDropPart, part, drop->parts)
	{
		char	   *kept = rename_part(part);

		if (why == NULL)
			why = kept;
		if (!OidIsValid(part->index))
			continue;
		CreateComments(part->index, RelationRelationId, 0, part->comment);
		CommandCounterIncrement();
	}
	guard_softdrop_refresh_names();
	return why;
}

void
guard_softdrop_await_name(GuardSoftDrop *drop, const char *kept)
{
	TimestampTz now = GetCurrentTimestamp();

	drop->name_wanted = kept != NULL;
	drop->due_at = kept == NULL ? 0 :
		now + guard_states_name_interval(now, drop->state_since);
	drop->next_step = kept == NULL ? NULL :
		psprintf("called %s again, as soon as nothing else is", guard_softdrop_name(drop));
	drop->next_at = 0;
}
