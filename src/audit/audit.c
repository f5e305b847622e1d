/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  Append-only record of what was dropped, and with what verdict.
 *
 * Nothing is written before a drop, since DROP INDEX CONCURRENTLY must not
 * have a transaction ID (PG-INTERNALS 1.8); what is to be written is kept in
 * memory until the drop is done.  The definition is the most useful column
 * there is when latency jumps: it brings the index back.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "audit/audit.h"
#include "guc.h"
#include "policy/sentence.h"
#include "store/store.h"

/* Longer statements are cut, with a mark. */
#define STATEMENT_MAX	10000

static Datum
text_or_null(const char *value, char *isnull)
{
	*isnull = value == NULL ? 'n' : ' ';
	return value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

static char *
cut_statement(const char *statement)
{
	int			len;

	if (statement == NULL)
		return NULL;
	len = strlen(statement);
	if (len <= STATEMENT_MAX)
		return pstrdup(statement);
	len = pg_mbcliplen(statement, len, STATEMENT_MAX);
	return psprintf("%.*s […]", len, statement);
}

/*
 * The line comes first, so that it is there even if the row cannot be written.
 */
static void
log_dropped(const GuardDropped *dropped, const char *verdict,
			const char *reason, const char *sentence, bool pending)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg("index %s dropped: verdict %s, reason %s%s", dropped->name,
					verdict, reason ? reason : "none",
					pending ? " (or COMMIT will be refused)" : ""),
			 sentence ? errdetail_internal("%s", sentence) : 0,
			 dropped->definition ?
			 errhint("To bring it back: %s", dropped->definition) : 0));
}

void
guard_audit_dropped(const GuardDropped *dropped, const char *command,
					const char *statement)
{
	const GuardJudgement *judgement = dropped->judgement;
	bool		observed = guard_guc_mode == GUARD_MODE_OBSERVE;
	bool		missed = judgement != NULL &&
		judgement->verdict.decision == GUARD_BLOCK;
	const char *verdict = judgement == NULL ? "unjudged" :
		missed && observed ? "observe" : "allow";
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	TEXTOID, TEXTOID, JSONBOID};
	Datum		values[9];
	char		nulls[10] = "         ";
	char	   *sentence = judgement ? guard_sentence_verdict(judgement) : NULL;
	const char *reason;

	/*
	 * A drop that would be refused by itself gets here only in a transaction
	 * that must replace the index, and its row stays only if it has.
	 */
	if (judgement == NULL)
		reason = NULL;
	else if (missed && !observed)
		reason = guard_verdict_reason_name(GUARD_REASON_REPLACED);
	else
		reason = guard_verdict_reason_name(judgement->verdict.reason);
	log_dropped(dropped, verdict, reason, sentence, missed && !observed);

	values[0] = text_or_null(command, &nulls[0]);
	values[1] = text_or_null(cut_statement(statement), &nulls[1]);
	values[2] = text_or_null(dropped->name, &nulls[2]);
	values[3] = text_or_null(dropped->table_name, &nulls[3]);
	values[4] = text_or_null(dropped->definition, &nulls[4]);
	values[5] = text_or_null(verdict, &nulls[5]);
	values[6] = text_or_null(reason, &nulls[6]);
	values[7] = text_or_null(sentence, &nulls[7]);
	values[8] = (Datum) 0;
	nulls[8] = 'n';
	if (judgement != NULL)
	{
		values[8] = DirectFunctionCall1(jsonb_in,
										CStringGetDatum(guard_facts_json(judgement)));
		nulls[8] = ' ';
	}
	guard_store_execute("INSERT INTO guard.audit_log"
						" (command, statement, index_name, table_name, definition,"
						" verdict, reason, detail, facts)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
						9, types, values, nulls);
}

void
guard_audit_log_unjudged(const char *index, const char *definition)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg("index %s dropped while guard.mode is off", index),
			 definition ? errhint("To bring it back: %s", definition) : 0));
}
