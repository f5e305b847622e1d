/*-------------------------------------------------------------------------
 *
 * roots.c
 *	  Which indexes go when these objects are dropped?
 *
 * PostgreSQL decides what a DROP takes along by walking pg_depend
 * (dependency.c: findDependentObjects).  guard asks the same catalog the same
 * question, so one walk answers for constraints, columns in keys, INCLUDE,
 * expressions and predicates, partitions, inheritance children, generated
 * columns and materialized views alike, and for whatever a later release
 * records there.
 *
 * What is different: no object is locked, no order of deletion is needed, so
 * the walk is a plain breadth-first one over a set of seen objects, and what
 * RESTRICT forbids is simply not followed.  It reads what PostgreSQL is about
 * to read anyway, once per object, so it costs a fraction of the DROP that it
 * precedes, and there is no limit on its length.
 *
 * The set, the agenda and the targets are allocated in the caller's memory
 * context; the first two are freed on the way out.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"

#include "ddl/targets.h"
#include "store/store.h"

/* An object that goes.  The hash key comes first and has no padding. */
typedef struct SeenObject
{
	ObjectAddress object;
	bool		is_root;
	bool		is_member;		/* an index partition whose parent index goes
								 * as well */
} SeenObject;

/* An object on the agenda, and how the walk came to it. */
typedef struct Step
{
	SeenObject *seen;
	const GuardRoot *root;
	GuardRoute	route;
} Step;

typedef struct Walk
{
	HTAB	   *seen;			/* SeenObject by ObjectAddress */
	List	   *agenda;			/* Step *, done and to do */
	bool		cascade;
} Walk;

GuardRoot *
guard_roots_make(Oid classid, Oid objectid, int subid,
				 GuardRoute route, const char *name)
{
	GuardRoot  *root = palloc(sizeof(GuardRoot));

	ObjectAddressSubSet(root->object, classid, objectid, subid);
	root->route = route;
	root->name = pstrdup(name);
	return root;
}

bool
guard_roots_is_owner(Oid role, Oid owner)
{
	return !OidIsValid(role) || has_privs_of_role(role, owner);
}

/* Does the statement name this object? */
static bool
is_root(Walk *walk, const ObjectAddress *object)
{
	SeenObject *seen = hash_search(walk->seen, object, HASH_FIND, NULL);

	return seen != NULL && seen->is_root;
}

/*
 * Put an object on the agenda, unless it has been there before.
 */
static SeenObject *
reach(Walk *walk, const ObjectAddress *object,
	  const GuardRoot *root, GuardRoute route)
{
	bool		found;
	SeenObject *seen = hash_search(walk->seen, object, HASH_ENTER, &found);

	if (!found)
	{
		Step	   *step = palloc(sizeof(Step));

		seen->is_root = false;
		seen->is_member = false;
		step->seen = seen;
		step->root = root;
		step->route = route;
		walk->agenda = lappend(walk->agenda, step);
	}
	return seen;
}

/*
 * All roots are on the agenda before the first of them is followed, so that
 * what the statement names never counts as something that goes along.
 */
static void
begin_walk(Walk *walk, List *roots, bool cascade)
{
	walk->seen = guard_hash_make("guard objects that go", sizeof(ObjectAddress),
								 sizeof(SeenObject), CurrentMemoryContext);
	walk->agenda = NIL;
	walk->cascade = cascade;

	foreach_ptr(GuardRoot, root, roots)
	{
		reach(walk, &root->object, root, root->route)->is_root = true;
	}
}

/* A whole object stands for all of its parts, as in findDependentObjects. */
static GuardRows *
scan_depend(const ObjectAddress *object, Oid index)
{
	const GuardParam keys[] = {P_OID(object->classId), P_OID(object->objectId),
	P_INT4(object->objectSubId)};

	return guard_rows_of_catalog_params(DependRelationId, index, NULL, keys,
										object->objectSubId != 0 ? 3 : 2);
}

/* The rows of pg_depend that say what this object depends on. */
static GuardRows *
scan_owners(const ObjectAddress *object)
{
	return scan_depend(object, DependDependerIndexId);
}

/*
 * An extension's own script may drop the extension's members.
 */
static bool
is_running_extension(Form_pg_depend row)
{
	return row->deptype == DEPENDENCY_EXTENSION &&
		creating_extension &&
		row->refclassid == ExtensionRelationId &&
		row->refobjid == CurrentExtensionObject;
}

/* Does this object go, by itself or as a part of a whole that goes? */
static bool
is_seen(Walk *walk, const ObjectAddress *object)
{
	ObjectAddress whole;

	if (hash_search(walk->seen, object, HASH_FIND, NULL) != NULL)
		return true;
	if (object->objectSubId == 0)
		return false;

	ObjectAddressSet(whole, object->classId, object->objectId);
	return hash_search(walk->seen, &whole, HASH_FIND, NULL) != NULL;
}

/*
 * What this object is an internal part of, or a member of, goes with it under
 * CASCADE: a rule takes its materialized view along, a generation expression
 * its column.  Under RESTRICT PostgreSQL never goes this way, and a root that
 * has such an owner is refused (see root_stands_alone).
 */
static void
follow_owners(Walk *walk, const Step *step)
{
	GuardRows  *rows;

	if (!walk->cascade ||
		memcmp(&step->seen->object, &step->root->object,
			   sizeof(ObjectAddress)) == 0)
		return;

	rows = scan_owners(&step->seen->object);
	while (guard_rows_next(rows))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(rows->tuple);
		ObjectAddress owner;

		if (row->deptype != DEPENDENCY_INTERNAL &&
			row->deptype != DEPENDENCY_EXTENSION)
			continue;
		if (is_running_extension(row))
			continue;

		ObjectAddressSubSet(owner, row->refclassid, row->refobjid,
							row->refobjsubid);
		if (!is_seen(walk, &owner))
			(void) reach(walk, &owner, step->root, step->route);
	}
}

/* A whole relation, not a column of one? */
static bool
is_relation(const ObjectAddress *object)
{
	return object->classId == RelationRelationId && object->objectSubId == 0;
}

/*
 * What depends on this object goes with it: by itself for the automatic,
 * internal and partition kinds of dependency, under CASCADE for the normal
 * kind.  From a normal dependency on, the route is CASCADE; only an
 * inheritance child, which hangs on its parent by a normal dependency, is
 * still a table that goes with a table.
 */
static void
follow_dependents(Walk *walk, const Step *step)
{
	const ObjectAddress *object = &step->seen->object;
	GuardRows  *rows = scan_depend(object, DependReferenceIndexId);

	while (guard_rows_next(rows))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(rows->tuple);
		GuardRoute	route = step->route;
		ObjectAddress dependent;
		SeenObject *seen;

		ObjectAddressSubSet(dependent, row->classid, row->objid,
							row->objsubid);

		/* a column that depends on its own table: a partition key */
		if (object->objectSubId == 0 &&
			dependent.classId == object->classId &&
			dependent.objectId == object->objectId)
			continue;

		if (row->deptype == DEPENDENCY_NORMAL)
		{
			if (!walk->cascade)
				continue;
			if (!is_relation(&dependent) || !is_relation(object) ||
				row->refobjsubid != 0)
				route = GUARD_ROUTE_CASCADE;
		}

		seen = reach(walk, &dependent, step->root, route);
		if (row->deptype == DEPENDENCY_PARTITION_PRI)
			seen->is_member = true;
	}
}

/*
 * The agenda grows while it is followed; foreach() is good for that, as long
 * as the list is only appended to (cf. find_all_inheritors).
 */
static void
follow_agenda(Walk *walk)
{
	foreach_ptr(Step, step, walk->agenda)
	{
		CHECK_FOR_INTERRUPTS();
		follow_owners(walk, step);
		follow_dependents(walk, step);
	}
}

/*
 * A root that is an internal part of something (the index of a constraint, a
 * column of the partition key) or a member of an extension can be dropped
 * only if that is a root, too.  That the walk came to it is not enough: from
 * 17 on, the row type of an extension's table is a member as well, and leads
 * from the table to the extension.
 *
 * An index or a constraint of a partition has two owners, the parent's one
 * and the partition.  One of them must go, but need not be named: an attached
 * index may be dropped together with its parent's parent.
 */
static bool
root_stands_alone(Walk *walk, const GuardRoot *root)
{
	GuardRows  *rows = scan_owners(&root->object);
	bool		stands_alone = true;
	bool		attached = false;
	bool		partition_goes = false;

	while (guard_rows_next(rows))
	{
		Form_pg_depend row = (Form_pg_depend) GETSTRUCT(rows->tuple);
		ObjectAddress owner;

		ObjectAddressSubSet(owner, row->refclassid, row->refobjid,
							row->refobjsubid);
		switch (row->deptype)
		{
			case DEPENDENCY_INTERNAL:
			case DEPENDENCY_EXTENSION:
				if (!is_running_extension(row) && !is_root(walk, &owner))
					stands_alone = false;
				break;
			case DEPENDENCY_PARTITION_PRI:
			case DEPENDENCY_PARTITION_SEC:
				attached = true;
				if (is_seen(walk, &owner))
					partition_goes = true;
				break;
			default:
				break;
		}
	}

	return stands_alone && (!attached || partition_goes);
}

/*
 * Will PostgreSQL accept the roots for what they are?  To be asked after the
 * walk.
 */
static bool
roots_stand_alone(Walk *walk, List *roots)
{
	foreach_ptr(GuardRoot, root, roots)
	{
		if (!root_stands_alone(walk, root))
			return false;
	}
	return true;
}

/* NULL when the relation is no index, or not an eligible one. */
static GuardTarget *
make_target(Walk *walk, const Step *step)
{
	Oid			relation = step->seen->object.objectId;
	const char *through;
	GuardTarget *target;
	ObjectAddress table;

	if (!guard_catalog_is_index(relation))
		return NULL;

	through = step->route == GUARD_ROUTE_INDEX ? NULL : step->root->name;
	target = guard_targets_make(relation, step->route, through);
	if (target == NULL)
		return NULL;

	ObjectAddressSet(table, RelationRelationId, target->table);
	target->table_goes = is_seen(walk, &table);
	return target;
}

static List *
list_constraints(Walk *walk)
{
	List	   *constraints = NIL;

	foreach_ptr(Step, step, walk->agenda)
	{
		if (step->seen->object.classId == ConstraintRelationId)
			constraints = lappend_oid(constraints, step->seen->object.objectId);
	}
	return constraints;
}

/*
 * A target for each eligible index that was seen, in the order of the walk.
 */
static List *
make_targets(Walk *walk)
{
	List	   *targets = NIL;
	List	   *constraints = list_constraints(walk);

	foreach_ptr(Step, step, walk->agenda)
	{
		GuardTarget *target;

		if (!is_relation(&step->seen->object) || step->seen->is_member)
			continue;
		target = make_target(walk, step);
		if (target == NULL)
			continue;
		target->keys = constraints;
		targets = lappend(targets, target);
	}
	return targets;
}

static void
end_walk(Walk *walk)
{
	list_free_deep(walk->agenda);
	hash_destroy(walk->seen);
}

/*
 * Roots that come first in the list win an index that several of them reach
 * in the same number of steps.
 */
List *
guard_roots_targets(List *roots, bool cascade)
{
	List	   *targets = NIL;
	Walk		walk;

	if (roots == NIL)
		return NIL;

	begin_walk(&walk, roots, cascade);
	follow_agenda(&walk);
	if (roots_stand_alone(&walk, roots))
		targets = make_targets(&walk);
	end_walk(&walk);

	return targets;
}
