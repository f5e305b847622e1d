/*-------------------------------------------------------------------------
 *
 * needs.c
 *	  The kinds of needs, and what serves them.
 *
 * The order of the table is that in which they are told.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"

#include "evidence/bearers.h"
#include "evidence/needs/needs.h"
#include "planner/planner.h"
#include "store/store.h"

static const GuardNeedKind *const kinds[] = {
	&guard_need_replica_identity,
	&guard_need_arbiter_constraint,
	&guard_need_deferred,
	&guard_need_arbiter,
	&guard_need_arbiter_skip,
	&guard_need_functional_dependency,
	&guard_need_refresh,
	&guard_need_apply,
	&guard_need_deferrable,
	&guard_need_proves,
	&guard_need_statistics,
};

/*
 * A partition's has another name, which no statement names.
 */
char *
guard_needs_constraint(Oid index)
{
	Oid			constraint = get_index_constraint(guard_without_topmost(index));

	return OidIsValid(constraint) ? get_constraint_name(constraint) : NULL;
}

char
guard_needs_identity(Oid table)
{
	FormData_pg_class form;

	(void) guard_catalog_form(RELOID, table, &form);
	return form.relreplident;
}

/*
 * As statements know it, who have not seen what this transaction calls it.  It has
 * the name of its index.
 */
static char *
constraint_before(Oid index)
{
	char	   *name = guard_needs_constraint(index);
	GuardBefore *before = name != NULL && guard_before_any() ?
		guard_before_relation(guard_without_topmost(index)) : NULL;

	return before != NULL ? before->name : name;
}

void
guard_needs_add(GuardEvidence *evidence, const GuardNeedKind *kind,
				const GuardFact *use)
{
	GuardNeed  *need = palloc0(sizeof(GuardNeed));

	need->kind = kind;
	need->use = use;
	need->name = constraint_before(evidence->index);
	need->served = guard_needs_served(evidence, need,
									  guard_bearers_itself(evidence->shape->table),
									  evidence->fellows, &need->server);
	evidence->needs = lappend(evidence->needs, need);
}

void
guard_needs_add_reliance(GuardEvidence *evidence, const GuardNeedKind *kind,
						 const GuardWhatIf *pair)
{
	GuardFact  *fact = NULL;

	foreach_ptr(GuardFact, other, evidence->facts)
	{
		if (other->source == GUARD_SOURCE_WHATIF)
			fact = other;
	}
	if (fact == NULL)
	{
		fact = palloc0(sizeof(GuardFact));
		fact->source = GUARD_SOURCE_WHATIF;
		fact->seen = GUARD_SEEN_USED;
		fact->pause = -1;
		fact->first = pair->at;
		evidence->facts = lappend(evidence->facts, fact);
	}
	fact->note = kind->sentence(evidence, NULL);
	fact->first = Min(fact->first, pair->at);
	fact->last = Max(fact->last, pair->at);
	fact->count++;
	fact->statements++;
}

/*
 * Those that were seen: what was known of the index when it went counts for its
 * heir, too.
 */
static void
collect_used(GuardEvidence *evidence, const GuardNeedKind *kind)
{
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->way == kind->way)
			guard_needs_add(evidence, kind, fact);
	}
}

void
guard_needs_collect(GuardEvidence *evidence)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (kinds[i]->collect != NULL)
			kinds[i]->collect(evidence, kinds[i]);
		else
			collect_used(evidence, kinds[i]);
	}
}

/*
 * Where a column's name is nobody's any more, its statements fail by themselves.
 */
bool
guard_needs_served(const GuardEvidence *evidence, const GuardNeed *need,
				   const GuardAnswer *answer, const GuardFellows *fellows,
				   GuardReplacement *server)
{
	GuardEvidence asked = *evidence;
	GuardTranslated translated = guard_shape_translate(evidence->shape, answer,
													   &asked.shape);

	memset(server, 0, sizeof(*server));
	if (translated != GUARD_TRANSLATED)
		return translated == GUARD_TRANSLATED_NOT_BORNE;
	if (need->kind->of_table && answer->view != answer->table)
		return OidIsValid(answer->by_view);
	if (need->kind->dispensable != NULL && need->kind->dispensable(answer->table))
		return true;
	foreach_oid(index, guard_catalog_indexes(answer->table))
	{
		GuardShape *other;

		if ((index == evidence->index && !evidence->asked.passes_on) ||
			guard_fellows_have(fellows, index))
			continue;
		other = guard_shape_read_to_compare(index);
		if (other == NULL || !other->valid || !other->ready || !other->live ||
			!need->kind->serves(&asked, need, other))
			continue;
		server->match = GUARD_MATCH_NEEDS;
		server->index = index;
		server->schema = other->schema;
		server->name = other->name;
		server->usable = true;
		return true;
	}
	return false;
}
