/*-------------------------------------------------------------------------
 *
 * question.c
 *	  Would this statement use that hidden index?
 *
 * A statement has become slower since an index was hidden.  That index is the
 * cause only if the planner would use it, which only a session that runs the
 * statement can find out: it has the literals, the role, the search_path and
 * the locks (doc/internals/postgresql.md 5.1, 5.4).  So the watch asks in
 * shared memory, and invalidates the table, for generic plans are not made
 * anew otherwise.  The next session that plans the statement plans it once
 * more, with the index in sight, and compares.
 *
 *	used		The index is in the plan, or there is another plan because of
 *				it: an expression index also holds estimates.
 *	either		The same, but it costs as good as nothing to do without.
 *				Costs are not times: such an answer leaves it to the figures.
 *	innocent	The plan is the same.  That holds for these parameters only, so
 *				it counts if the execution was one of the slow ones.  Or its
 *				table has an index of the same structure in the planner's sight,
 *				and costs and rows are alike: that holds for all parameters.
 *
 * One answer that it would be used outweighs any number of others, and is
 * waited for as long as any other could still come.
 *
 * Nothing is told before the statement has been executed: who plans what he may
 * not execute answers nothing.  Nor does "innocent" count from a session that
 * has planner settings of its own, since they are for anybody to set.
 *
 * Answering fails open: whatever is busy, full or forbidden leaves the question
 * without an answer, and then figures must do.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/inval.h"

#include "planner/capture/capture.h"
#include "planner/hide/hide.h"
#include "planner/planner.h"
#include "planner/whatif/question.h"
#include "planner/whatif/sampling.h"
#include "store/shmem.h"

/* Questions at a time, and of these, of one database. */
#define QUESTIONS		64
#define QUESTIONS_EACH	16

/* So long are answers waited for, and so long they hold. */
#define PATIENCE		(INT64CONST(5) * USECS_PER_SEC)
#define VALIDITY		(INT64CONST(60) * USECS_PER_SEC)

/* One session plans so often for one question. */
#define PLANNINGS		8

/* Costs and rows that differ by less are alike. */
#define ALIKE			0.1

/* Answers of this session that wait for an execution. */
#define WAITING			8

typedef struct Question
{
	Oid			database;		/* InvalidOid: free */
	Oid			index;
	int64		queryid;
	TimestampTz asked_at;
	double		slow;			/* milliseconds */
	GuardQuestionAnswer answer; /* the weightiest so far */
	bool		for_good;		/* no other can outweigh it */
} Question;

typedef struct Questions
{
	pg_atomic_uint32 open;		/* how many others could still answer */
	pg_atomic_flag busy;		/* held while questions are changed */
	Question	questions[QUESTIONS];
} Questions;

/* What a planning has found, until its execution. */
typedef struct WaitingAnswer
{
	int64		queryid;
	Oid			role;
	TimestampTz asked_at;
	int			question;		/* its place */
	GuardQuestionAnswer answer;
	bool		always;			/* whatever the parameters */
} WaitingAnswer;

/* How often this session has planned for a question. */
typedef struct Plannings
{
	TimestampTz asked_at;
	int			count;
} Plannings;

/* An index of a table that is being planned once more. */
typedef struct Alike
{
	Oid			heap;
	Oid			hidden;
	Oid			other;			/* of the same structure; InvalidOid: none */
} Alike;

static Questions *shared = NULL;
static WaitingAnswer waiting[WAITING];
int			guard_question_count = 0;
static Plannings plannings[QUESTIONS];

/* While one of ours is planned: what may be seen, and what is like it. */
static Oid	looked_at = InvalidOid;
static List *alikes = NIL;
static MemoryContext alikes_context = NULL;

/* ----------------------------------------------------------------
 *		Shared memory
 * ----------------------------------------------------------------
 */

/* Shared memory is there, or has been made. */
static void
attach(void *segment, bool fresh, LWLock *lock)
{
	shared = segment;
	if (!fresh)
		return;
	pg_atomic_init_u32(&shared->open, 0);
	pg_atomic_init_flag(&shared->busy);
}

static bool
is_about(const Question *question, Oid index, int64 queryid)
{
	return question->database == MyDatabaseId && question->index == index &&
		question->queryid == queryid;
}

/*
 * Nobody will want its answer any more.
 */
static bool
is_over(const Question *question, TimestampTz now)
{
	return !OidIsValid(question->database) ||
		now - question->asked_at > VALIDITY || question->asked_at - now > VALIDITY;
}

static inline bool
is_open(const Question *question)
{
	return question->database == MyDatabaseId && !question->for_good;
}

/*
 * Forget what nobody will want to know any more, and count what is open.
 */
static void
tidy(TimestampTz now)
{
	uint32		open = 0;

	for (int i = 0; i < QUESTIONS; i++)
	{
		Question   *question = &shared->questions[i];

		if (is_over(question, now))
			question->database = InvalidOid;
		open += OidIsValid(question->database) && !question->for_good;
	}
	pg_atomic_write_u32(&shared->open, open);
}

/*
 * Where to put a question; NULL when everything is full, or this database has
 * its share.
 */
static Question *
find_place(Oid index, int64 queryid, TimestampTz now)
{
	Question   *place = NULL;
	int			ours = 0;

	for (int i = 0; i < QUESTIONS; i++)
	{
		Question   *question = &shared->questions[i];

		if (is_about(question, index, queryid))
			return question;
		if (is_over(question, now))
			place = place ? place : question;
		else if (question->database == MyDatabaseId)
			ours++;
	}
	return ours < QUESTIONS_EACH ? place : NULL;
}

bool
guard_question_ask(Oid index, int64 queryid, double slow, List *tables)
{
	TimestampTz now = GetCurrentTimestamp();
	Question   *place;

	if (shared == NULL || !guard_flag_wait(&shared->busy))
		return false;
	place = find_place(index, queryid, now);
	if (place != NULL)
	{
		place->database = MyDatabaseId;
		place->index = index;
		place->queryid = queryid;
		place->asked_at = now;
		place->slow = slow;
		place->answer = GUARD_QUESTION_UNANSWERED;
		place->for_good = false;
	}
	tidy(now);
	pg_atomic_clear_flag(&shared->busy);
	if (place == NULL)
		return false;
	foreach_oid(each, tables)
	{
		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(each)))
			CacheInvalidateRelcacheByRelid(each);
	}
	return true;
}

GuardQuestionAnswer
guard_question_read(Oid index, int64 queryid)
{
	GuardQuestionAnswer answer = GUARD_QUESTION_NOT_ASKED;
	TimestampTz now = GetCurrentTimestamp();

	if (shared == NULL || !guard_flag_wait(&shared->busy))
		return answer;
	for (int i = 0; i < QUESTIONS; i++)
	{
		const Question *question = &shared->questions[i];

		if (!is_about(question, index, queryid) || is_over(question, now))
			continue;
		answer = question->for_good || now - question->asked_at > PATIENCE ?
			question->answer : GUARD_QUESTION_OPEN;
	}
	pg_atomic_clear_flag(&shared->busy);
	return answer;
}

/* ----------------------------------------------------------------
 *		Planning once more
 * ----------------------------------------------------------------
 */

bool
guard_question_any(void)
{
	return shared != NULL && pg_atomic_read_u32(&shared->open) != 0;
}

bool
guard_question_concerns(int64 queryid)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();
	bool		concerned = false;
	bool		untidy = false;

	for (int i = 0; i < QUESTIONS; i++)
	{
		const Question *question = &shared->questions[i];

		untidy |= OidIsValid(question->database) && is_over(question, now);
		concerned |= question->queryid == queryid && is_open(question) &&
			(plannings[i].asked_at != question->asked_at ||
			 plannings[i].count < PLANNINGS);
	}
	if (unlikely(untidy) && guard_flag_try(&shared->busy))
	{
		/* not that time: this may be a statement of a long function */
		tidy(GetCurrentTimestamp());
		pg_atomic_clear_flag(&shared->busy);
	}
	return concerned;
}

static bool
same_lists(const IndexOptInfo *a, const IndexOptInfo *b)
{
	for (int i = 0; i < a->ncolumns; i++)
	{
		if (a->indexkeys[i] != b->indexkeys[i])
			return false;
	}
	for (int i = 0; i < a->nkeycolumns; i++)
	{
		if (a->opfamily[i] != b->opfamily[i] || a->opcintype[i] != b->opcintype[i] ||
			a->indexcollations[i] != b->indexcollations[i] ||
			(a->reverse_sort != NULL && b->reverse_sort != NULL &&
			 (a->reverse_sort[i] != b->reverse_sort[i] ||
			  a->nulls_first[i] != b->nulls_first[i])))
			return false;
	}
	return true;
}

/*
 * Does the second index answer what the first one answers, in the same way?
 */
static bool
same_structure(const IndexOptInfo *a, const IndexOptInfo *b)
{
	return a->relam == b->relam && a->ncolumns == b->ncolumns &&
		a->nkeycolumns == b->nkeycolumns &&
		(a->reverse_sort == NULL) == (b->reverse_sort == NULL) &&
		same_lists(a, b) && equal(a->indexprs, b->indexprs) &&
		equal(a->indpred, b->indpred);
}

/*
 * Note, of a table that is being planned with the index in sight, which of its
 * indexes that is, and which is like it.
 */
static void
note_alikes(RelOptInfo *rel, Oid heap)
{
	MemoryContext old;

	if (likely(!OidIsValid(looked_at)))
		return;
	old = MemoryContextSwitchTo(alikes_context);
	foreach_ptr(IndexOptInfo, hidden, rel->indexlist)
	{
		Alike	   *alike;

		if (hidden->hypothetical || !guard_hide_is_hidden(hidden->indexoid))
			continue;
		alike = palloc0(sizeof(*alike));
		alike->heap = heap;
		alike->hidden = hidden->indexoid;
		foreach_ptr(IndexOptInfo, other, rel->indexlist)
		{
			if (other != hidden && !other->hypothetical &&
				same_structure(hidden, other))
				alike->other = other->indexoid;
		}
		alikes = lappend(alikes, alike);
	}
	MemoryContextSwitchTo(old);
}

/*
 * The plan with the index in sight; NULL when there is none.
 */
static PlannedStmt *
plan_with(GuardSample *sample, Oid index)
{
	PlannedStmt *volatile plan = NULL;

	alikes = NIL;
	alikes_context = CurrentMemoryContext;
	looked_at = index;
	guard_hide_show(index);
	PG_TRY();
	{
		plan = guard_shadow_plan(&sample->shadow, NIL);
	}
	PG_FINALLY();
	{
		guard_hide_show(InvalidOid);
		looked_at = InvalidOid;
	}
	PG_END_TRY();
	return plan;
}

/*
 * Has every index that was looked at one like it?
 */
static bool
all_have_alikes(void)
{
	foreach_ptr(Alike, alike, alikes)
	{
		if (!OidIsValid(alike->other))
			return false;
	}
	return alikes != NIL;
}

/*
 * Is any of them in the plan?
 */
static bool
scans_hidden(List *scans)
{
	foreach_ptr(const Alike, alike, alikes)
	{
		if (guard_plan_count(scans, alike->heap, alike->hidden) > 0)
			return true;
	}
	return false;
}

/*
 * What the two plans, without the index and with it, say.
 */
static GuardQuestionAnswer
compare_plans(GuardSample *sample, PlannedStmt *with, Oid index, bool *always)
{
	int			options = sample->shadow.cursorOptions;
	double		cost_without = guard_plan_cost(sample->plan, options);
	double		cost_with = guard_plan_cost(with, options);
	double		rows_without = sample->plan->planTree->plan_rows;
	double		rows_with = with->planTree->plan_rows;
	List	   *scans = guard_plan_scans(with);

	*always = false;

	/* the statement does not read its table any more, or nothing is hidden */
	if (alikes == NIL)
		return GUARD_QUESTION_UNANSWERED;
	if (all_have_alikes() && !guard_plan_is_far(cost_without, cost_with, ALIKE) &&
		!guard_plan_is_far(rows_without, rows_with, ALIKE))
	{
		/* other parameters may read other partitions */
		*always = ((Alike *) linitial(alikes))->hidden == index;
		return GUARD_QUESTION_INNOCENT;
	}
	if (!scans_hidden(scans) && !guard_plan_differs(sample->plan, with, options))
		return GUARD_QUESTION_INNOCENT;
	return cost_without <= cost_with * (1 + ALIKE) ?
		GUARD_QUESTION_EITHER : GUARD_QUESTION_USED;
}

/*
 * Keep an answer until the execution, in place of an older one.
 */
static void
keep_answer(const WaitingAnswer *answer)
{
	static int	next = 0;

	for (int i = 0; i < guard_question_count; i++)
	{
		if (waiting[i].queryid == answer->queryid &&
			waiting[i].role == answer->role &&
			waiting[i].question == answer->question)
		{
			waiting[i] = *answer;
			return;
		}
	}
	if (guard_question_count < WAITING)
		waiting[guard_question_count++] = *answer;
	else
	{
		waiting[next] = *answer;
		next = (next + 1) % WAITING;
	}
}

/*
 * Plan for one question.
 */
static void
plan_for(GuardSample *sample, const Question *question, int place)
{
	WaitingAnswer answer = {.queryid = sample->queryid, .role = GetUserId(),
	.question = place, .asked_at = question->asked_at};
	PlannedStmt *with;

	if (plannings[place].asked_at != question->asked_at)
		plannings[place].count = 0;
	plannings[place].asked_at = question->asked_at;
	plannings[place].count++;
	with = plan_with(sample, question->index);
	if (with == NULL)
		return;
	answer.answer = compare_plans(sample, with, question->index, &answer.always);
	if (answer.answer == GUARD_QUESTION_UNANSWERED ||
		(answer.answer == GUARD_QUESTION_INNOCENT && guard_settings_own()))
		return;
	keep_answer(&answer);
}

void
guard_question_plan(GuardSample *sample)
{
	Question   *copy = palloc(sizeof(shared->questions));

	if (!guard_flag_try(&shared->busy))
		return;
	memcpy(copy, shared->questions, sizeof(shared->questions));
	pg_atomic_clear_flag(&shared->busy);
	for (int i = 0; i < QUESTIONS; i++)
	{
		if (is_open(&copy[i]) && copy[i].queryid == sample->queryid)
			plan_for(sample, &copy[i], i);
	}
}

/* ----------------------------------------------------------------
 *		Telling
 * ----------------------------------------------------------------
 */

/*
 * Tell an answer.  True: it need not be kept any longer.
 */
static bool
tell(const WaitingAnswer *answer, double milliseconds)
{
	Question   *question = &shared->questions[answer->question];
	bool		told = true;

	if (!guard_flag_try(&shared->busy))
		return false;
	if (is_open(question) && question->queryid == answer->queryid &&
		question->asked_at == answer->asked_at)
	{
		if (answer->answer != GUARD_QUESTION_INNOCENT || answer->always ||
			milliseconds >= question->slow)
		{
			question->answer = Max(question->answer, answer->answer);
			question->for_good = answer->always ||
				question->answer == GUARD_QUESTION_USED;
			tidy(GetCurrentTimestamp());
		}
		else
			told = false;
	}
	pg_atomic_clear_flag(&shared->busy);
	return told;
}

/* An execution of a statement comes to its end: tell what waited for it. */
void
guard_question_executed(QueryDesc *queryDesc, int64 queryid)
{
	for (int i = guard_question_count - 1; i >= 0; i--)
	{
		if (waiting[i].queryid == queryid && waiting[i].role == GetUserId() &&
			tell(&waiting[i], guard_compat_execution_time(queryDesc)))
			waiting[i] = waiting[--guard_question_count];
	}
}

/*
 * Called from _PG_init, after hide.c has put its filter into the list.
 */
void
guard_question_init(void)
{
	static GuardShmem segment =
	{
		.name = "guard questions",
		.size = sizeof(Questions),
		.attach = attach
	};

	if (guard_shmem_register(&segment))
		guard_indexlist_register(note_alikes);
}
