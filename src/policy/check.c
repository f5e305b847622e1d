/*-------------------------------------------------------------------------
 *
 * check.c
 *	  May this index go?  The one function behind every door.
 *
 * A partitioned index is judged leaf by leaf, and the worst verdict wins: an
 * index build half done leaves the parent invalid and its attached children
 * in full use (doc/internals/review.md 5).
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_inherits.h"

#include "evidence/bearers.h"
#include "planner/capture/capture.h"
#include "policy/check.h"
#include "store/store.h"

GuardPolicy
guard_check_policy(TimestampTz now)
{
	GuardPolicy policy;

	policy.now = now;
	policy.lookback = (int64) guard_guc_lookback * USECS_PER_SEC;
	policy.quiet_period = (int64) guard_guc_quiet_period * USECS_PER_SEC;
	policy.min_evidence_age = (int64) guard_guc_min_evidence_age * USECS_PER_SEC;
	policy.rebuild_limit = guard_guc_rebuild_limit;
	policy.harmless_cost_ratio = guard_guc_harmless_cost_ratio;
	policy.unknown_action = guard_guc_unknown_action;
	policy.two_person = guard_guc_two_person;
	policy.hot_action = guard_guc_hot_action;
	return policy;
}

/*
 * The worst of the members' verdicts, and what they sum up to.
 */
void
guard_check_sum_up(GuardJudgement *judgement)
{
	const GuardVerdict *worst = linitial(judgement->verdicts);

	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (guard_verdict_is_worse(verdict, worst))
			worst = verdict;
	}
	judgement->verdict = *worst;
	judgement->rate = 0;
	judgement->count = 0;
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (verdict->use == NULL || verdict->reason != worst->reason)
			continue;
		judgement->rate += verdict->use->rate;
		judgement->count += verdict->use->count;
	}
}

/*
 * The indexes that children of inheritance have like this one of their parent.
 */
static List *
like_it_below(List *found, const GuardShape *shape, Oid table)
{
	GuardAnswer answer = {.of = shape->table};

	answer.written = guard_catalog_columns(shape->table, &answer.nwritten);
	foreach_oid(child, guard_catalog_children(table))
	{
		GuardShape *asked;

		answer.table = answer.view = child;
		if (guard_shape_translate(shape, &answer, &asked) != GUARD_TRANSLATED)
			continue;
		foreach_oid(index, guard_catalog_indexes(child))
		{
			GuardShape *other = guard_shape_read(index);

			if (other != NULL && other->valid &&
				guard_shape_match(asked, other, shape->unique) == GUARD_MATCH_TWIN)
				found = lappend_oid(found, index);
		}
		found = like_it_below(found, shape, child);
	}
	return found;
}

/*
 * Whoever makes children of a table takes its indexes as the pattern, and what
 * drops the one may drop the others (TimescaleDB): where nothing else on the table
 * does for it, it is needed as they are.
 */
static List *
judged_along(GuardTarget *target, GuardFellows *fellows)
{
	GuardShape *shape;
	GuardReplacement replacement;
	List	   *children;

	if (target->table_goes || target->stays || !has_subclass(target->table) ||
		(target->route != GUARD_ROUTE_INDEX && target->route != GUARD_ROUTE_CONSTRAINT) ||
		get_rel_relkind(target->table) != RELKIND_RELATION ||
		(shape = guard_shape_read(target->index)) == NULL || !shape->valid)
		return NIL;
	guard_replacement_find(shape, target->table, fellows, shape->unique, &replacement);
	if (replacement.match != GUARD_MATCH_NONE && replacement.usable)
		return NIL;
	children = like_it_below(NIL, shape, target->table);
	if (children != NIL)
		target->no_delay = "children of its table have it, too";
	return children;
}

/*
 * Judge each member on its own evidence.  A partitioned index without partitions
 * is judged by itself.
 */
static GuardJudgement *
judge(GuardTarget *target, GuardFellows *fellows, const GuardServer *server)
{
	GuardJudgement *judgement = palloc0(sizeof(GuardJudgement));
	List	   *members = target->members != NIL ? target->members :
		list_make1_oid(target->index);

	judgement->target = target;
	members = list_concat_copy(members, judged_along(target, fellows));
	foreach_oid(member, members)
	{
		GuardEvidence *evidence = guard_evidence_collect(target, member,
														 fellows, server);
		GuardVerdict *verdict;
		GuardPolicy policy;

		if (evidence == NULL)
			continue;
		policy = guard_check_policy(evidence->as_of);
		verdict = palloc(sizeof(GuardVerdict));
		*verdict = guard_verdict_decide(evidence, &evidence->asked, &policy);
		judgement->verdicts = lappend(judgement->verdicts, verdict);
		if (evidence->index == target->index)
			judgement->shape = evidence->shape;
	}
	if (judgement->shape == NULL)
		judgement->shape = guard_shape_read(target->index);
	if (judgement->verdicts == NIL || judgement->shape == NULL)
		return NULL;
	guard_check_sum_up(judgement);
	return judgement;
}

List *
guard_check_targets(List *targets, GuardFellows *fellows)
{
	List	   *judgements = NIL;
	GuardServer *server;

	if (targets == NIL)
		return NIL;
	server = guard_server_read();
	foreach_ptr(GuardTarget, target, targets)
	{
		GuardJudgement *judgement = judge(target, fellows, server);

		if (judgement != NULL)
			judgements = lappend(judgements, judgement);
	}
	return judgements;
}

GuardFellows *
guard_check_fellows(List *targets, List *others)
{
	List	   *all = list_copy(others);

	foreach_ptr(GuardTarget, target, targets)
	{
		all = lappend_oid(all, target->index);
		all = list_concat(all, target->members);
	}
	return guard_fellows_make(all);
}

GuardJudgement *
guard_check_with_fellows(GuardTarget *target, List *fellows,
						 const GuardServer *server)
{
	return judge(target, guard_check_fellows(list_make1(target), fellows), server);
}

GuardJudgement *
guard_check_alone(GuardTarget *target, const GuardServer *server)
{
	return guard_check_with_fellows(target, NIL, server);
}

void
guard_check_load(GuardLoad *load, List *members, const GuardFact *use,
				 const GuardServer *server)
{
	int			free;

	guard_load_read(load, members, server->times);
	load->cores = server->cores;
	load->pool = guard_server_limit(use, &free);
	load->busy = server->busy_connections;
}

void
guard_check_predict(GuardJudgement *judgement)
{
	const GuardEvidence *evidence = judgement->verdict.evidence;
	List	   *members = judgement->target->members;
	GuardLoad  *load;

	if (judgement->load != NULL)
		return;
	load = palloc0(sizeof(GuardLoad));
	if (!guard_profile_load(evidence, members, load))
		guard_check_load(load, members, judgement->verdict.use, evidence->server);
	guard_load_hold(load, Max(load->busy - load->busy_now, 0), load->cores, load->pool);
	if (load->known > 0)
		judgement->load = load;
}

/*
 * The same evidence, in another case.
 */
static void
decide_again(GuardVerdict *verdict)
{
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);
	GuardCase	asked = verdict->asked;

	*verdict = guard_verdict_decide(verdict->evidence, &asked, &policy);
}

void
guard_check_parent_goes(GuardJudgement *judgement)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		verdict->asked.parent_goes = true;
		decide_again(verdict);
	}
	guard_check_sum_up(judgement);
}

void
guard_check_approval_taken(GuardJudgement *judgement, int32 id)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		if (verdict->evidence->approval.id != id)
			continue;
		verdict->asked.approval_taken = true;
		decide_again(verdict);
	}
	guard_check_sum_up(judgement);
}

/* ---- what a transaction leaves behind ---- */

/*
 * Is everything there for which statements need the index, and which counts?
 */
static bool
needs_are_served(GuardJudgement *judgement, const GuardVerdict *verdict, List *answers)
{
	const GuardEvidence *evidence = verdict->evidence;
	GuardPolicy policy = guard_check_policy(evidence->as_of);
	GuardReplacement server;

	foreach_ptr(const GuardNeed, need, evidence->needs)
	{
		if (!guard_verdict_need_counts(need, &policy))
			continue;
		foreach_ptr(const GuardAnswer, answer, answers)
		{
			if (guard_needs_served(evidence, need, answer, NULL, &server))
				continue;
			judgement->bearer = guard_catalog_name(answer->view);
			return false;
		}
	}
	return true;
}

/*
 * Look for a replacement wherever the names lead to.  What was there, and is too
 * dear by shadow plans, is none.  False: one of the bearers lacks it.
 */
static bool
find_replacement(GuardJudgement *judgement, const GuardVerdict *verdict,
				 List *answers, GuardReplacement *replacement)
{
	const GuardEvidence *evidence = verdict->evidence;
	GuardFellows *none = verdict->contradicted ?
		guard_fellows_make(list_make1_oid(evidence->replacement.index)) : NULL;

	foreach_ptr(const GuardAnswer, answer, answers)
	{
		GuardShape *lacking;

		if (guard_predecessors_find_replacement(evidence, answer, none,
												verdict->needs_unique, replacement,
												&lacking) &&
			guard_verdict_is_served(verdict, replacement))
			continue;
		judgement->bearer = guard_catalog_name(answer->view);
		judgement->creation = lacking != NULL ? guard_shape_creation(lacking) : NULL;
		return false;
	}
	return answers != NIL;
}

/*
 * The use of a name passes on with the name: what this transaction has moved out
 * of the way, and maybe back, is not ended by that.  Who reads a table reads the
 * one that bears its name, if any.
 */
static void
pass_on(const GuardEvidence *evidence, bool borne)
{
	foreach_ptr(GuardFact, fact, evidence->facts)
	{
		if (fact->of_table && borne)
			fact->moved_away = true;
		else if (fact->moved_now)
			fact->moved_away = false;
	}
}

/* ---- by which names its statements came ---- */

typedef enum Came
{
	CAME_NOT,
	CAME_UNKNOWN,
	CAME
} Came;

/*
 * Does this use count, and did some of it come by a view, or with none by the name
 * of the table?  Foreign keys follow their table under any name.
 */
static Came
use_came_by(const GuardFact *fact, Oid view, const GuardPolicy *policy)
{
	const GuardNames *names = fact->names;
	GuardFact	by = *fact;

	by.moved_away &= !by.moved_now;
	if (!guard_verdict_use_counts(&by, policy) || fact->fkey != 0)
		return CAME_NOT;
	if (names == NULL)
		return CAME_UNKNOWN;
	by.last = view == fact->own_view ? names->own : 0;
	for (int i = 0; i < GUARD_CAPTURE_VIEWS; i++)
	{
		if (OidIsValid(view) &&
			(names->views[i] == view || guard_bearers_gone(names->views[i])))
			by.last = Max(by.last, names->by_view[i]);
	}
	if (by.last != 0 && guard_verdict_use_counts(&by, policy))
		return CAME;
	by.last = OidIsValid(view) ? names->more : 0;
	return by.last != 0 && guard_verdict_use_counts(&by, policy) ? CAME_UNKNOWN : CAME_NOT;
}

/*
 * The same of all use.  What people said of the index was about no name.
 */
static Came
came_by(const GuardVerdict *verdict, Oid view)
{
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);
	Came		came = verdict->use == NULL || verdict->dependency != NULL ?
		CAME_UNKNOWN : CAME_NOT;

	foreach_ptr(const GuardFact, fact, verdict->evidence->facts)
		came = Max(came, use_came_by(fact, view, &policy));
	return came;
}

/*
 * Has it come by a view that has not changed, and leads to it still?  Then it is
 * asked for here, whatever became of its table's name.
 */
static bool
stays_in_view(const GuardVerdict *verdict)
{
	foreach_ptr(const GuardFact, fact, verdict->evidence->facts)
	{
		for (int i = 0; i < GUARD_CAPTURE_VIEWS && fact->names != NULL; i++)
		{
			Oid			view = fact->names->views[i];

			if (OidIsValid(view) && came_by(verdict, view) == CAME &&
				guard_bearers_leads(view, verdict->evidence->shape->table))
				return true;
		}
	}
	return false;
}

/*
 * Does a foreign key that made use of it compare the same columns there?  A key
 * follows its table under any name, and may come back on another one.
 */
static bool
is_compared(const GuardVerdict *verdict, const GuardAnswer *answer)
{
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);

	foreach_ptr(const GuardFact, fact, verdict->evidence->facts)
	{
		GuardFact	use = *fact;

		use.key_gone = false;
		use.moved_away &= !use.moved_now;
		if (use.fkey != 0 && guard_verdict_use_counts(&use, &policy) &&
			guard_causes_compared(verdict->evidence->shape, use.fkey, answer))
			return true;
	}
	return false;
}

/*
 * Has all of it come by views, of which none leads to the table any more, nor
 * anywhere else?  Who names them fails.
 */
static bool
lost_its_views(const GuardVerdict *verdict, const GuardBearers *bearers)
{
	GuardAnswer itself = {.table = verdict->evidence->shape->table};
	bool		by_view = false;

	itself.view = itself.table;
	if (bearers->by_views != NIL || came_by(verdict, InvalidOid) != CAME_NOT ||
		came_by(verdict, GUARD_BOUND_BODY) != CAME_NOT || stays_in_view(verdict) ||
		is_compared(verdict, &itself))
		return false;
	foreach_ptr(const GuardFact, fact, verdict->evidence->facts)
	{
		for (int i = 0; i < GUARD_CAPTURE_VIEWS && fact->names != NULL; i++)
			by_view |= OidIsValid(fact->names->views[i]) &&
				came_by(verdict, fact->names->views[i]) == CAME;
	}
	return by_view;
}

/*
 * Can it be told what is asked for there?  Not where a view computes it.
 */
static bool
can_tell(const GuardVerdict *verdict, const GuardAnswer *answer)
{
	GuardShape *asked;

	return OidIsValid(answer->table) &&
		(verdict->need != NULL ||
		 guard_shape_translate(verdict->evidence->shape, answer, &asked) != GUARD_TRANSLATED_UNKNOWN);
}

/*
 * Those bearers that are asked for this index: itself by what follows its table under
 * any name, and where nobody else is.  *unknown is set to the name of a
 * view that may be, and of which it cannot be told what it needs instead.
 */
static List *
find_asked(const GuardVerdict *verdict, const GuardBearers *bearers, char **unknown)
{
	bool		by_name = came_by(verdict, InvalidOid) != CAME_NOT;
	GuardAnswer *itself = palloc0(sizeof(GuardAnswer));
	List	   *asked = NIL;

	*unknown = by_name ? bearers->unknown : NULL;
	foreach_ptr(GuardAnswer, answer, bearers->answers)
	{
		if (!by_name && !answer->by_any && !is_compared(verdict, answer))
			continue;
		if (can_tell(verdict, answer))
			asked = lappend(asked, answer);
		else
			*unknown = guard_catalog_name(answer->view);
	}
	foreach_ptr(GuardAnswer, answer, bearers->by_views)
	{
		Came		came = came_by(verdict, answer->by_view);

		if (came == CAME && can_tell(verdict, answer))
			asked = lappend(asked, answer);
		else if (came != CAME_NOT)
			*unknown = guard_catalog_name(answer->view);
	}
	itself->table = itself->view = verdict->evidence->shape->table;
	if (!verdict->evidence->asked.passes_on && guard_catalog_exists(itself->table) &&
		(stays_in_view(verdict) ||
		 (asked == NIL && !bearers->left && !lost_its_views(verdict, bearers)) ||
		 (bearers->changed && is_compared(verdict, itself))))
		asked = lappend(asked, itself);
	return asked;
}

/* ---- what is there now ---- */

static bool
is_small(Oid table)
{
	return guard_evidence_blocks_now(table) <= GUARD_HARMLESS_BLOCKS;
}

/*
 * Are the indexes that its statements would be planned with there, all of them?
 */
static void
find_takeovers(const GuardEvidence *evidence, GuardReplacement *replacement)
{
	foreach_ptr(const GuardReplacement, takeover, evidence->plans.takeovers)
	{
		if (!guard_replacement_by_plan(evidence->shape, takeover->index, replacement))
			return;
	}
}

/*
 * Is what the table was a partition or child of still there?
 */
static bool
parents_stay(const GuardEvidence *evidence)
{
	if (OidIsValid(evidence->roles.partition_parent) &&
		!guard_catalog_exists(evidence->roles.partition_parent))
		return false;
	foreach_oid(parent, evidence->roles.parents)
	{
		if (!guard_catalog_exists(parent))
			return false;
	}
	return true;
}

/*
 * Does the index stay where it is asked for, on columns of the same names?  One
 * that is hidden or waits to be dropped serves as little as before, and may come
 * back.
 */
static bool
answers_for_itself(const GuardShape *shape, const GuardAnswer *answer)
{
	GuardShape *asked;

	return answer->table == shape->table &&
		!(guard_catalog_has_temporary() && guard_catalog_hangs_on_temporary(shape->index)) &&
		guard_shape_translate(shape, answer, &asked) == GUARD_TRANSLATED &&
		guard_shape_match(asked, shape, shape->unique) >= GUARD_MATCH_SERVES;
}

/*
 * Is the index served wherever the names lead to, by structure alone?  "there",
 * unless it is NULL, gets what serves.
 */
static bool
is_served_everywhere(const GuardShape *shape, List *answers, bool need_unique,
					 List **there)
{
	GuardEvidence evidence = {.shape = unconstify(GuardShape *, shape),
	.asked.passes_on = true};

	foreach_ptr(const GuardAnswer, answer, answers)
	{
		GuardReplacement *replacement = palloc0(sizeof(GuardReplacement));
		GuardShape *lacking;

		if (answers_for_itself(shape, answer))
			continue;
		if (!guard_predecessors_find_replacement(&evidence, answer, NULL, need_unique,
												 replacement, &lacking) ||
			!replacement->usable)
			return false;
		replacement->match = GUARD_MATCH_PLAN;
		if (there != NULL)
			*there = lappend(*there, replacement);
	}
	return answers != NIL;
}

/*
 * The like of the indexes that its statements would be planned with, wherever
 * the names lead to.  False: one of them is lacking.
 */
static bool
find_like_takeovers(const GuardEvidence *evidence, List *answers, List **there)
{
	foreach_ptr(const GuardReplacement, takeover, evidence->plans.takeovers)
	{
		if (!is_served_everywhere(takeover->shape, answers, false, there))
			return false;
	}
	return true;
}

/*
 * What is there now that could make up for it, where anybody asks.
 */
static GuardLeft
read_left(GuardJudgement *judgement, const GuardVerdict *verdict)
{
	const GuardEvidence *evidence = verdict->evidence;
	Oid			table = evidence->shape->table;
	GuardBearers *bearers = guard_bearers_find(table);
	char	   *unknown;
	List	   *answers;
	List	   *there = NIL;
	GuardLeft	left = {0};

	answers = find_asked(verdict, bearers, &unknown);
	left.parent = parents_stay(evidence);
	left.ended = answers == NIL && (bearers->left || lost_its_views(verdict, bearers));
	if (left.ended && verdict->decision == GUARD_BLOCK && guard_catalog_exists(table))
		answers = list_make1(guard_bearers_itself(table));
	left.table = answers != NIL;
	if (!left.ended)
		pass_on(evidence, left.table);
	if (!left.table)
		return left;
	left.needs = needs_are_served(judgement, verdict, answers);
	if (find_replacement(judgement, verdict, answers, &left.replacement))
		return left;
	left.key_gone = guard_causes_refresh(evidence, answers);
	left.replacement.match = left.replacement.usable ? GUARD_MATCH_NONE :
		left.replacement.match;
	left.small = evidence->refilled && is_small(table);
	left.takeovers = find_like_takeovers(evidence, answers, &there);
	if (guard_verdict_by_plan(verdict) && !bearers->changed)
		find_takeovers(evidence, &left.replacement);
	else if (guard_verdict_by_plan(verdict) && left.takeovers && there != NIL)
	{
		/* these inherit its use */
		unconstify(GuardEvidence *, evidence)->plans.takeovers = there;
		left.replacement = *(GuardReplacement *) linitial(there);
	}
	return left;
}

/*
 * A child's index that was asked along with its parent's, and stays: that one is
 * made up for where the parent has its like.
 */
static bool
is_along(const GuardJudgement *judgement, const GuardVerdict *verdict)
{
	return verdict->evidence->shape->table != judgement->target->table &&
		!list_member_oid(judgement->target->members, verdict->evidence->index) &&
		guard_catalog_is_valid(verdict->evidence->index);
}

bool
guard_check_made_up(GuardJudgement *judgement, GuardVerdict *verdict,
					GuardReplacement *replacement)
{
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);
	GuardLeft	left;

	if (is_along(judgement, verdict))
	{
		memset(replacement, 0, sizeof(*replacement));
		if (guard_catalog_exists(judgement->target->table))
			guard_replacement_find(judgement->shape, judgement->target->table, NULL,
								   judgement->shape->unique, replacement);
		return replacement->match != GUARD_MATCH_NONE && replacement->usable;
	}
	left = read_left(judgement, verdict);

	*replacement = left.replacement;
	return guard_verdict_made_up(verdict, &left, &policy);
}

bool
guard_check_asks_again(const GuardVerdict *verdict)
{
	GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);

	return guard_verdict_asks_again(verdict, &policy);
}

/* ---- names that lead to something else ---- */

/*
 * Does a table of few rows pass its name on to one of few rows?  Not where what
 * is asked for is the traffic of yet another table that had the name.
 */
static bool
stays_small(const GuardEvidence *evidence, List *answers)
{
	if (!evidence->heap_known || evidence->heap_blocks > GUARD_HARMLESS_BLOCKS)
		return false;
	foreach_ptr(const GuardFact, fact, evidence->facts)
	{
		if (fact->seen == GUARD_SEEN_USED && guard_evidence_of_another(evidence, fact))
			return false;
	}
	foreach_ptr(const GuardAnswer, answer, answers)
	{
		if (!is_small(answer->table))
			return false;
	}
	return true;
}

/*
 * Said once, where a missing index would be told of.
 */
static void
tell(List **told, const GuardJudgement *judgement, const char *what)
{
	if (told != NULL)
		*told = lappend(*told, psprintf("index %s is in use, and %s",
										guard_catalog_name(judgement->target->index),
										what));
}

/*
 * One index of such a table: is it missed?
 */
static bool
is_missed(GuardJudgement *judgement, const GuardBearers *bearers, List **told)
{
	bool		missed = false;

	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		GuardPolicy policy = guard_check_policy(verdict->evidence->as_of);
		GuardReplacement replacement;
		char	   *unknown;
		List	   *answers;

		pass_on(verdict->evidence, true);
		if (bearers->answers != NIL)
			(void) guard_causes_refresh(verdict->evidence, bearers->answers);
		verdict->asked.unreplaced = !find_like_takeovers(verdict->evidence,
														 bearers->answers, NULL);
		*verdict = guard_verdict_decide(verdict->evidence, &verdict->asked, &policy);
		answers = find_asked(verdict, bearers, &unknown);
		if (verdict->need != NULL && answers != NIL &&
			needs_are_served(judgement, verdict, answers))
		{
			verdict->asked.needs_served = true;
			*verdict = guard_verdict_decide(verdict->evidence, &verdict->asked, &policy);
		}
		if (verdict->decision != GUARD_BLOCK ||
			(verdict->need == NULL && stays_small(verdict->evidence, answers)) ||
			(bearers->not_borne && verdict->use == NULL))
			verdict->decision = GUARD_ALLOW;
		else if (!needs_are_served(judgement, verdict, answers))
			missed = true;
		else if (answers != NIL &&
				 !find_replacement(judgement, verdict, answers, &replacement))
		{
			missed |= judgement->creation != NULL;
			if (judgement->creation == NULL && verdict->use != NULL)
				tell(told, judgement, psprintf("what is called %s has no such column: its statements fail",
											   judgement->bearer));
		}
		else if (unknown != NULL &&
				 guard_verdict_unknown_blocks(verdict->evidence, &policy))
		{
			judgement->bearer = unknown;
			missed = true;
		}
		else if (unknown != NULL)
			tell(told, judgement, psprintf("guard cannot tell what view %s needs instead",
										   unknown));
		else if (bearers->not_borne && came_by(verdict, InvalidOid) != CAME_NOT)
			tell(told, judgement, psprintf("nothing is called %s any more: its statements fail",
										   bearers->name));
	}
	guard_check_sum_up(judgement);
	return missed;
}

/*
 * The verdict on an index that stays, while its table's name leads to something
 * else, or, with "former", one that it had; NULL: no statement asks these bearers
 * for it.
 */
static GuardJudgement *
judge_staying(Oid index, List *answers, bool former)
{
	GuardShape *shape = guard_shape_read(index);
	GuardTarget *target;

	/* what enforces something may be needed for more than being read */
	if (shape == NULL || !shape->valid ||
		(!shape->unique && is_served_everywhere(shape, answers, true, NULL)))
		return NULL;
	target = guard_targets_make(index, GUARD_ROUTE_INDEX, NULL);
	if (target == NULL)
		return NULL;
	target->stays = true;
	target->former = former;
	return guard_check_alone(target, guard_server_read());
}

/*
 * All that may be asked; NIL where it cannot be told of each what it is.
 */
static List *
all_answers(const GuardBearers *bearers)
{
	foreach_ptr(const GuardAnswer, answer, bearers->by_views)
	{
		if (!OidIsValid(answer->table))
			return NIL;
	}
	return bearers->not_borne ? NIL :
		list_concat_copy(bearers->answers, bearers->by_views);
}

List *
guard_check_passed_on(Oid table, List **told)
{
	GuardBearers *bearers = guard_bearers_find(table);
	List	   *missed = NIL;

	if (!bearers->changed ||
		(bearers->by_views == NIL &&
		 ((bearers->left && bearers->answers == NIL) ||
		  (bearers->not_borne && told == NULL))))
		return NIL;
	foreach_oid(index, guard_catalog_indexes(table))
	{
		GuardJudgement *judgement = judge_staying(index, all_answers(bearers), false);

		if (judgement != NULL && is_missed(judgement, bearers, told))
			missed = lappend(missed, judgement);
	}
	return missed;
}

/*
 * Is what traffic asked of such an index lacking there?  Not if that is a column's
 * name, and it has found another one since.
 */
static bool
lacks(GuardJudgement *judgement, GuardAnswer *answer)
{
	foreach_ptr(GuardVerdict, verdict, judgement->verdicts)
	{
		GuardReplacement replacement;

		if (verdict->decision == GUARD_BLOCK &&
			(answer->until == 0 || verdict->use == NULL ||
			 verdict->use->last <= answer->until) &&
			!find_replacement(judgement, verdict, list_make1(answer), &replacement) &&
			judgement->creation != NULL)
			return true;
	}
	return false;
}

List *
guard_check_taken(Oid relation)
{
	List	   *missed = NIL;

	foreach_ptr(GuardAnswer, answer, guard_bearers_of_taken(relation))
	{
		foreach_oid(index, guard_catalog_indexes(answer->of))
		{
			GuardJudgement *judgement = judge_staying(index, list_make1(answer),
													  answer->table != answer->of);

			if (judgement != NULL && lacks(judgement, answer))
				missed = lappend(missed, judgement);
		}
	}
	return missed;
}

/*
 * New columns are called after those whose names they will take: id_new, new_id,
 * id_convert_to_bigint.
 */
static bool
called_alike(const GuardShape *a, const GuardShape *b)
{
	for (int i = 0; i < Min(a->nkeys, b->nkeys); i++)
	{
		const char *x = a->keys[i].column;
		const char *y = b->keys[i].column;

		if (x == NULL || y == NULL || (strstr(x, y) == NULL && strstr(y, x) == NULL))
			return false;
	}
	return true;
}

/*
 * Is there an index already, not used itself, that would serve if columns took
 * other names?  Then nothing need be built.
 */
static bool
is_prepared(const GuardVerdict *verdict)
{
	const GuardShape *gone = verdict->evidence->shape;

	foreach_oid(index, guard_catalog_indexes(gone->table))
	{
		GuardShape *other = index != gone->index && !guard_evidence_seems_used(index) ?
			guard_shape_read(index) : NULL;

		if (other != NULL && other->valid && called_alike(gone, other) &&
			guard_shape_would_serve(gone, other, verdict->needs_unique))
			return true;
	}
	return false;
}

bool
guard_check_cannot_wait(const GuardJudgement *judgement, const char **why)
{
	GuardPolicy policy = guard_check_policy(judgement->verdict.evidence->as_of);
	int			free;

	if (judgement->verdict.wait && is_prepared(&judgement->verdict))
		return false;
	(void) guard_server_limit(judgement->verdict.use, &free);
	foreach_ptr(const GuardProfile, profile, judgement->verdict.evidence->server->profiles)
	{
		if (profile->free_connections >= 0 && !profile->stale)
			free = Min(free, profile->free_connections);
	}
	return guard_verdict_cannot_wait(&judgement->verdict, judgement->rate, free,
									 &policy, why);
}
