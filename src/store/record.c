/*-------------------------------------------------------------------------
 *
 * record.c
 *	  Structures that are rows.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/store.h"

/*
 * The number of a word; NULL counts as one where it is among them.
 */
static int
number_of(const GuardColumn *column, const char *word)
{
	for (int i = 0; i < column->nwords; i++)
	{
		const char *each = column->words[i];

		if (word == each || (word != NULL && each != NULL && strcmp(word, each) == 0))
			return i;
	}
	elog(ERROR, "\"%s\" is nothing that guard writes to column \"%s\"", word,
		 column->name);
	return 0;
}

/*
 * One member, from the column of that number.
 */
static void
read_member(const GuardColumn *column, const GuardRows *rows, int number,
			void *member)
{
	switch (column->type)
	{
		case GUARD_COLUMN_UNREAD:
			break;
		case GUARD_COLUMN_OID:
			*(Oid *) member = guard_rows_oid(rows, number);
			break;
		case GUARD_COLUMN_INT4:
			*(int32 *) member = (int32) guard_rows_int(rows, number);
			break;
		case GUARD_COLUMN_INT8:
			*(int64 *) member = guard_rows_int(rows, number);
			break;
		case GUARD_COLUMN_SPAN:
			*(int64 *) member = guard_rows_int_or(rows, number, -1);
			break;
		case GUARD_COLUMN_FLOAT8:
			*(double *) member = guard_rows_float(rows, number);
			break;
		case GUARD_COLUMN_BOOL:
			*(bool *) member = guard_rows_bool(rows, number);
			break;
		case GUARD_COLUMN_TIME:
			*(TimestampTz *) member = guard_rows_time(rows, number);
			break;
		case GUARD_COLUMN_TEXT:
			*(char **) member = guard_rows_text(rows, number);
			break;
		case GUARD_COLUMN_NAME:
			namestrcpy(member, guard_rows_text(rows, number));
			break;
		case GUARD_COLUMN_UUID:
			memcpy(member, guard_rows_uuid(rows, number), sizeof(pg_uuid_t));
			break;
		case GUARD_COLUMN_WORD:
			*(int *) member = number_of(column, guard_rows_text(rows, number));
			break;
	}
}

/*
 * All members, from the row at hand.
 */
void
guard_record_read(const GuardColumn *columns, int n, const GuardRows *rows,
				  void *record)
{
	for (int i = 0; i < n; i++)
		read_member(&columns[i], rows, i + 1, (char *) record + columns[i].offset);
}

/*
 * A member as a parameter.
 */
GuardParam
guard_record_param(const GuardColumn *column, const void *record)
{
	const void *member = (const char *) record + column->offset;
	int64		number;

	switch (column->type)
	{
		case GUARD_COLUMN_UNREAD:
			break;
		case GUARD_COLUMN_OID:
			return P_OID(*(const Oid *) member);
		case GUARD_COLUMN_INT4:
			return P_INT4(*(const int32 *) member);
		case GUARD_COLUMN_INT8:
			return P_INT8(*(const int64 *) member);
		case GUARD_COLUMN_SPAN:
			number = *(const int64 *) member;
			return P_NULL_IF(number < 0, P_INT8(number));
		case GUARD_COLUMN_FLOAT8:
			return P_FLOAT8(*(const double *) member);
		case GUARD_COLUMN_BOOL:
			return P_BOOL(*(const bool *) member);
		case GUARD_COLUMN_TIME:
			return P_TIME(*(const TimestampTz *) member);
		case GUARD_COLUMN_TEXT:
			return P_TEXT(*(char *const *) member);
		case GUARD_COLUMN_NAME:
			return P_NAME(NameStr(*(const NameData *) member));
		case GUARD_COLUMN_UUID:
			return P_UUID((const pg_uuid_t *) member);
		case GUARD_COLUMN_WORD:
			return P_TEXT(column->words[*(const int *) member]);
	}
	elog(ERROR, "column \"%s\" is not written", column->name);
}

/*
 * All members as parameters.
 */
GuardParam *
guard_record_params(const GuardColumn *columns, int n, const void *record)
{
	GuardParam *params = palloc(n * sizeof(GuardParam));

	for (int i = 0; i < n; i++)
		params[i] = guard_record_param(&columns[i], record);
	return params;
}

/*
 * The names of columns, each behind a prefix.
 */
char *
guard_record_names(const GuardColumn *columns, int n, const char *prefix)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s%s", i > 0 ? ", " : "", prefix, columns[i].name);
	return buf.data;
}

/*
 * Parameters, from one number to another.
 */
char *
guard_record_numbers(int from, int to)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = from; i <= to; i++)
		appendStringInfo(&buf, "%s$%d", i > from ? ", " : "", i);
	return buf.data;
}
