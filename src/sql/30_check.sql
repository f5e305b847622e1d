-- Asking.  These functions see to it themselves that nobody learns more than
-- PostgreSQL would tell him, so everybody may call them.

CREATE FUNCTION guard.check(object regclass,
	OUT index regclass, OUT verdict text, OUT reason text, OUT detail text,
	OUT facts jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_check';
COMMENT ON FUNCTION guard.check(regclass) IS
'What would happen if the index, or each index of the table, were dropped by name now. facts is the evidence; its rule is the number of the rule that matched, in the table of section 5 of the design (doc/internals/design.md). Changes nothing, waits for no lock. NULL gives no row. Raises 42501 for anybody but the owner of the table and members of pg_read_all_stats, 42809 for what is not an index or a table.';

CREATE FUNCTION guard.index_statements(index regclass,
	OUT queryid bigint, OUT query text, OUT uses bigint,
	OUT calls_per_second double precision, OUT mean_time double precision,
	OUT predicted_time double precision, OUT predicted_low double precision,
	OUT predicted_high double precision,
	OUT predicted_connections double precision, OUT other_index regclass,
	OUT services text[], OUT last_use timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_index_statements';
COMMENT ON FUNCTION guard.index_statements(regclass) IS
'The captured statements that use an index, most frequent first. Times are in milliseconds. mean_time and query come from pg_stat_statements and are null without it; query is null for anybody but members of pg_read_all_stats. predicted_time is what a call would take without the index, by estimate, between predicted_low and predicted_high; predicted_connections is calls_per_second times that, the connections that the statement would keep busy; other_index is what the planner would use instead: all null where the statement has not been planned without the index lately. services are those of the index. Waits for no lock. Raises 42501 and 42809 as guard.check does.';

CREATE FUNCTION guard.indexes(
	OUT table_schema text, OUT table_name text, OUT index_name text,
	OUT verdict text, OUT reason text, OUT detail text,
	OUT keep_instead text, OUT redundant_with text,
	OUT last_use timestamptz, OUT scans_per_day double precision,
	OUT predicted_connections double precision,
	OUT size_bytes bigint, OUT services text, OUT protected boolean,
	OUT hidden boolean, OUT index regclass)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_indexes';
COMMENT ON FUNCTION guard.indexes() IS
'See the view guard.indexes.';

CREATE VIEW guard.indexes WITH (security_barrier) AS
SELECT i.table_schema, i.table_name, i.index_name, i.verdict, i.reason, i.detail,
	   i.keep_instead, i.redundant_with, i.last_use, i.scans_per_day, p.hour_peak,
	   i.predicted_connections, i.size_bytes, i.services, i.protected, i.hidden, i.index
  FROM guard.indexes() i
  LEFT JOIN LATERAL (
		SELECT pg_catalog.max(GREATEST(h.scans, h.uses)) AS hour_peak
		  FROM guard.known_use k JOIN guard.hourly_use h ON h.relation_id = k.id
		 WHERE k.relation_oid = i.index::pg_catalog.oid AND h.hours = 1) p ON true;
COMMENT ON VIEW guard.indexes IS
'Every index that the caller may ask about, with the verdict if it were dropped by name now. What has verdict allow can go all together: of indexes that serve in place of each other one stays, and the others name it in keep_instead. hour_peak is the most scans in an hour of the last 35 days, null where history has none. redundant_with serves in its place, used or not. last_use is null where it is not known, size_bytes where the index is locked, predicted_connections (what its statements would keep busy without it, by estimate) where no statement was planned without it.';
GRANT SELECT ON guard.indexes TO PUBLIC;

CREATE FUNCTION guard.status(OUT item text, OUT state text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_status';
COMMENT ON FUNCTION guard.status() IS
'See the view guard.status.';

CREATE VIEW guard.status WITH (security_barrier) AS SELECT * FROM guard.status();
COMMENT ON VIEW guard.status IS
'What works here, what is missing, and since when guard knows what it knows.';
GRANT SELECT ON guard.status TO PUBLIC;
