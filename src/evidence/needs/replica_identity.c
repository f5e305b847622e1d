/*-------------------------------------------------------------------------
 *
 * replica_identity.c
 *	  The replica identity of a published table, without which UPDATE fails.
 *
 * PostgreSQL's own answers to these questions hang on open relations.  Opening
 * one means a lock, so here they are read from the system catalogs.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "catalog/pg_publication_rel.h"

#include "evidence/needs/needs.h"
#include "store/store.h"

/*
 * Do UPDATE and DELETE log the old row by this index?  The same conditions as
 * in RelationGetIndexList().
 */
static bool
is_identity(const GuardShape *shape)
{
	char		relreplident = guard_needs_identity(shape->table);

	if (!shape->valid || !shape->unique || shape->deferrable ||
		shape->has_predicate)
		return false;

	return (relreplident == REPLICA_IDENTITY_INDEX && shape->replident) ||
		(relreplident == REPLICA_IDENTITY_DEFAULT && shape->primary);
}

/* Can this table be published?  The same conditions as is_publishable_class. */
static bool
is_publishable_form(Oid table, Form_pg_class form)
{
	return (form->relkind == RELKIND_RELATION ||
			form->relkind == RELKIND_PARTITIONED_TABLE) &&
		form->relpersistence == RELPERSISTENCE_PERMANENT &&
		!IsCatalogRelationOid(table) &&
		table >= FirstNormalObjectId;
}

/* Does this publication send UPDATE or DELETE?  False when it has vanished. */
static bool
publication_has_changes(Oid publication)
{
	FormData_pg_publication form;

	return guard_catalog_form(PUBLICATIONOID, publication, &form) &&
		(form.pubupdate || form.pubdelete);
}

/*
 * Does any publication send UPDATE or DELETE for a table, given along with all
 * that it is a partition of, itself first and the topmost last: because it is
 * FOR ALL TABLES, or for the schema of one of them, or for one of them?
 */
static bool
publishes_changes(List *relations)
{
	List	   *publications;

	/* an exception is made for the topmost table only */
	publications =
		list_difference_oid(GetAllTablesPublications(),
							GetRelationExcludedPublications(llast_oid(relations)));

	foreach_oid(relation, relations)
	{
		/* PostgreSQL's own look-up goes through all lists that it has cached */
		GuardRows  *rows = guard_rows_of_catalog(PublicationRelRelationId,
												 PublicationRelPrrelidPrpubidIndexId,
												 P_OID(relation));

		publications = list_concat(publications,
								   list_difference_oid(guard_rows_oids(rows, Anum_pg_publication_rel_prpubid),
													   GetRelationExcludedPublications(relation)));
		publications = list_concat(publications,
								   GetSchemaPublications(get_rel_namespace(relation)));
	}

	foreach_oid(publication, publications)
	{
		if (publication_has_changes(publication))
			return true;
	}

	return false;
}

/*
 * Is anything of the table published that needs an identity?
 */
static bool
is_published(Oid table)
{
	FormData_pg_class form;

	return guard_catalog_form(RELOID, table, &form) && is_publishable_form(table, &form) &&
		publishes_changes(guard_catalog_lineage(table));
}

static void
collect(GuardEvidence *evidence, const GuardNeedKind *kind)
{
	evidence->roles.replica_identity = is_identity(evidence->shape);
	evidence->roles.published_for_update_or_delete = is_published(evidence->shape->table);
	if (evidence->roles.replica_identity &&
		evidence->roles.published_for_update_or_delete)
		guard_needs_add(evidence, kind, NULL);
}

static bool
serves(const GuardEvidence *evidence, const GuardNeed *need,
	   const GuardShape *other)
{
	return is_identity(other);
}

static bool
dispensable(Oid table)
{
	return guard_needs_identity(table) == REPLICA_IDENTITY_FULL ||
		!is_published(table);
}

static char *
sentence(const GuardEvidence *evidence, const GuardNeed *need)
{
	return psprintf("it is the replica identity of published table %s: UPDATE and DELETE would fail without it",
					guard_catalog_name(evidence->shape->table));
}

const GuardNeedKind guard_need_replica_identity = {
	.name = "replica_identity",
	.reason = GUARD_NEED_REPLICA_IDENTITY,
	.by_name = true,
	.collect = collect,
	.serves = serves,
	.dispensable = dispensable,
	.sentence = sentence
};
