/*-------------------------------------------------------------------------
 *
 * json.h
 *	  The one writer of JSON.
 *
 * JSON is appended to a StringInfo, member by member:
 *
 *		guard_json_object(buf, NULL);
 *		guard_json_text(buf, "service", service);
 *		guard_json_array(buf, "seen");
 *		guard_json_time(buf, NULL, at);
 *		guard_json_end_array(buf);
 *		guard_json_end_object(buf);
 *
 * "key" is NULL for an element of an array and for the whole.  Commas come by
 * themselves.  A member that has nothing to say is left out: a text that is
 * NULL, a time that is 0.
 *
 * Where a query of ours has the values, jsonb_build_object() is simpler still.
 *
 * Copyright (c) 2026, the guard authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GUARD_JSON_H
#define GUARD_JSON_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

/* Open an object or an array, and close it. */
extern void guard_json_object(StringInfo json, const char *key);
extern void guard_json_end_object(StringInfo json);
extern void guard_json_array(StringInfo json, const char *key);
extern void guard_json_end_array(StringInfo json);

/* Bytes that are no character are shown (store/text.h). */
extern void guard_json_text(StringInfo json, const char *key, const char *value);
extern void guard_json_int(StringInfo json, const char *key, int64 value);
extern void guard_json_bool(StringInfo json, const char *key, bool value);
extern void guard_json_time(StringInfo json, const char *key, TimestampTz value);

/* With three digits behind the point; null where it is not finite. */
extern void guard_json_number(StringInfo json, const char *key, double value);

/* What is JSON already; "null", where a member must be there. */
extern void guard_json_raw(StringInfo json, const char *key, const char *value);

#endif							/* GUARD_JSON_H */
