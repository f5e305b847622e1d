-- Asking.  These functions see to it themselves that nobody learns more than
-- PostgreSQL would tell him, so everybody may call them.

CREATE FUNCTION guard.check(object regclass,
	OUT index regclass, OUT verdict text, OUT reason text, OUT detail text,
	OUT hint text, OUT facts jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_check';
COMMENT ON FUNCTION guard.check(regclass) IS
'What would happen if the index, or each index of the table, were dropped by name now. detail and hint are what a refusal would say, hint is null for what is allowed. facts is the evidence; its rule is the number of the rule that matched, in the table of section 5 of the design (doc/internals/design.md). Changes nothing, waits for no lock. NULL gives no row. Raises 42501 for anybody but the owner of the table and members of pg_read_all_stats, 42809 for what is not an index or a table.';
-- example: SELECT index, verdict, reason, detail FROM guard.check('auth.users_email_idx');
-- example: SELECT index, verdict, reason, facts->>'rule' AS rule FROM guard.check('auth.users');

CREATE FUNCTION guard.index_statements(index regclass,
	OUT queryid bigint, OUT query text, OUT uses bigint,
	OUT calls_per_second double precision, OUT mean_time double precision,
	OUT predicted_time double precision, OUT predicted_low double precision,
	OUT predicted_high double precision,
	OUT predicted_connections double precision, OUT other_index regclass,
	OUT services text[], OUT last_use timestamptz, OUT foreign_keys text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_index_statements';
COMMENT ON FUNCTION guard.index_statements(regclass) IS
'The captured statements that use an index, most frequent first. Times are in milliseconds. mean_time and query come from pg_stat_statements and are null without it; query is null for anybody but members of pg_read_all_stats. predicted_time is what a call would take without the index, by estimate, between predicted_low and predicted_high; predicted_connections is calls_per_second times that, the connections that the statement would keep busy; other_index is what the planner would use instead: all null where the statement has not been planned without the index lately. services are those of the index; foreign_keys are those of which the statement is the check. Waits for no lock. Raises 42501 and 42809 as guard.check does.';
-- example: SELECT query, calls_per_second, mean_time, predicted_time, predicted_connections, services FROM guard.index_statements('auth.users_email_idx');

CREATE FUNCTION guard.indexes(
	OUT table_schema text, OUT table_name text, OUT index_name text,
	OUT verdict text, OUT reason text, OUT detail text,
	OUT keep_instead text, OUT redundant_with text,
	OUT last_use timestamptz, OUT scans_per_day double precision,
	OUT predicted_connections double precision,
	OUT size_bytes bigint, OUT services text, OUT protected boolean,
	OUT hidden boolean, OUT index regclass, OUT dependencies jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_indexes';
COMMENT ON FUNCTION guard.indexes() IS
'See the view guard.index_facts.';

-- Alone it enforces that, unless a twin does that stays.
CREATE VIEW guard.index_facts WITH (security_barrier) AS
WITH i AS (SELECT * FROM guard.indexes())
SELECT i.table_schema, i.table_name, i.index_name, i.verdict, i.reason, i.detail,
	   i.keep_instead, i.redundant_with, i.last_use, i.scans_per_day, p.hour_peak,
	   i.predicted_connections, i.size_bytes, i.services, i.protected, i.hidden, i.index,
	   (SELECT o.created_at FROM guard.object o WHERE o.index_oid = i.index::pg_catalog.oid AND o.gone_at IS NULL LIMIT 1) AS created_at,
	   CASE WHEN x.indisreplident THEN 'the replica identity'
			WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype = 'f') THEN 'foreign keys'
			WHEN NOT x.indisvalid THEN NULL
			WHEN x.indisprimary THEN 'a primary key'
			WHEN x.indisexclusion THEN 'an exclusion constraint'
			WHEN x.indisunique AND NOT EXISTS (
				SELECT FROM i t JOIN pg_catalog.pg_index y ON y.indexrelid = t.index
				 WHERE y.indrelid = x.indrelid AND y.indexrelid <> x.indexrelid AND y.indisunique AND y.indisvalid
				   AND (t.verdict <> 'allow' OR y.indisprimary OR y.indexrelid < x.indexrelid)
				   AND pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(y.indexrelid), '^.*? USING ', '') =
					   pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(x.indexrelid), '^.*? USING ', ''))
			THEN 'uniqueness' END AS enforces,
	   i.dependencies
  FROM i LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = i.index
  LEFT JOIN (
		SELECT k.relation_oid, pg_catalog.max(COALESCE(h.peak, GREATEST(h.scans, h.uses))) AS hour_peak
		  FROM guard.home, guard.known_use k JOIN guard.hourly_use h ON h.relation_id = k.id
		 WHERE h.hour > pg_catalog.clock_timestamp() - interval '35 days' GROUP BY k.relation_oid) p ON p.relation_oid = i.index::pg_catalog.oid;
COMMENT ON VIEW guard.index_facts IS
'Every index that the caller may ask about, with the verdict if it were dropped by name now: all that is known, in exact figures, for programs; guard.indexes is the same for eyes. What has verdict allow can go all together: of indexes that serve in place of each other one stays, and the others name it in keep_instead. hour_peak is the most scans in an hour of the last 35 days, null where history has none. redundant_with serves in its place, used or not. last_use is null where it is not known, size_bytes where the index is locked, predicted_connections (what its statements would keep busy without it, by estimate) where no statement was planned without it, created_at where guard did not see it being created. enforces says what would be lost besides speed, null: nothing that no twin enforces as well. dependencies is what guard.dependencies has of it, as JSON, null: nothing.';
GRANT SELECT ON guard.index_facts TO PUBLIC;
-- example: SELECT index, verdict, size_bytes FROM guard.index_facts WHERE verdict = 'allow' ORDER BY size_bytes DESC;

CREATE VIEW guard.indexes WITH (security_barrier) AS
SELECT f.verdict, f.reason, f.index::pg_catalog.text AS index_name, x.indrelid::pg_catalog.regclass::pg_catalog.text AS table_name,
	   pg_catalog.pg_size_pretty(f.size_bytes) AS size,
	   CASE WHEN f.scans_per_day >= 86400 THEN pg_catalog.round(f.scans_per_day / 86400) || '/s'
			WHEN f.scans_per_day >= 1440 THEN pg_catalog.round(f.scans_per_day / 1440) || '/min'
			WHEN f.scans_per_day >= 24 THEN pg_catalog.round(f.scans_per_day / 24) || '/h'
			WHEN f.scans_per_day > 0 THEN pg_catalog.round(f.scans_per_day::numeric, 1) || '/day'
			WHEN f.scans_per_day = 0 THEN '0' END AS scans,
	   pg_catalog.date_trunc('second', f.last_use) AS last_use,
	   CASE WHEN f.index_name ~ '^guard_drop_\d+$' THEN 'nothing: it is being dropped in stages (guard.soft_drops)'
			WHEN f.hidden THEN 'drop it when its trial is over, or guard.unhide() it'
			WHEN f.verdict = 'delay' THEN 'DROP INDEX drops it in stages, once nobody needs it'
			WHEN f.detail LIKE 'it stays in place of %' THEN 'keep it' || pg_catalog.substr(f.detail, 3)
			WHEN f.verdict = 'allow' AND f.reason <> 'approved' AND f.enforces IS NOT NULL THEN 'keep it: it enforces ' || f.enforces
			ELSE CASE f.reason
				WHEN 'approved' THEN 'it may be dropped, once: it is approved'
				WHEN 'protected' THEN 'keep it; or guard.unprotect() it'
				WHEN 'dependency' THEN 'wait for a deployment (guard.dependencies)'
				WHEN 'invalid' THEN 'drop it, or REINDEX it: it serves no query'
				WHEN 'replica_identity' THEN 'keep it: replication needs it'
				WHEN 'arbiter' THEN 'keep it: ON CONFLICT relies on it'
				WHEN 'required' THEN 'keep it: statements would fail without it'
				WHEN 'replaced' THEN 'drop it: ' || COALESCE(f.keep_instead, f.redundant_with, 'another one') || ' serves'
				WHEN 'harmless' THEN 'drop it or not: no statement would notice'
				WHEN 'hot' THEN 'first deploy ' || COALESCE(f.services, 'the code') || ' without it'
				WHEN 'stopped' THEN 'drop it: its use has ended'
				WHEN 'cold' THEN 'drop it: nobody has used it'
				WHEN 'constraint' THEN CASE f.verdict WHEN 'allow' THEN 'drop it: another one enforces as much' ELSE 'keep it: it enforces a constraint' END
				ELSE 'wait: too little is known of it' END
	   END AS what_to_do
  FROM guard.index_facts f LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = f.index
 ORDER BY CASE f.verdict WHEN 'block' THEN 1 WHEN 'delay' THEN 2 ELSE 3 END, f.size_bytes DESC NULLS LAST, f.index::pg_catalog.text COLLATE "C";
COMMENT ON VIEW guard.indexes IS
'Every index that the caller may ask about, with the verdict if it were dropped by name now and what to do about it, for eyes: what is blocked first, then the largest. size is empty where the index is locked, last_use where it is not known. scans is how often it is scanned, on average since the server''s counters began. What it says to drop can go all together; guard.clean_up() writes that as a script. What enforces something is not offered, though whoever drops it by name may. guard.index_facts has everything known, in exact figures, for programs.';
GRANT SELECT ON guard.indexes TO PUBLIC;
-- example: SELECT * FROM guard.indexes;
-- example: SELECT * FROM guard.indexes WHERE table_name = 'auth.users';

CREATE FUNCTION guard.status(OUT item text, OUT state text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_status';
COMMENT ON FUNCTION guard.status() IS
'What works here, what is missing, and since when guard knows what it knows, in a fixed order, for programs. The view guard.status is the same for eyes.';
-- example: SELECT state FROM guard.status() WHERE item = 'capture';

-- The first rule that matches says what to do about it; without one all is well.
CREATE VIEW guard.status WITH (security_barrier) AS
WITH rule (item, bad, what_to_do) AS (VALUES
	('mode', '^off', 'nothing is judged: ALTER SYSTEM RESET guard.mode; SELECT pg_reload_conf();'),
	('mode', '^observe', 'nothing is refused: ALTER SYSTEM SET guard.mode = ''enforce''; SELECT pg_reload_conf();'),
	('versions', '^(?!library and SQL belong together)', 'ALTER EXTENSION guard UPDATE; or restart with the library that belongs to it'),
	('evidence', '^none', 'wait: what is not seen yet is unknown'),
	('counters', '^off', 'ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();'),
	('capture', '^not available', 'shared_preload_libraries = ''pg_stat_statements, guard'', then restart'),
	('capture', '^off', 'services are not seen: ALTER SYSTEM RESET guard.capture, or guard.mode'),
	('capture', '^incomplete', 'in these sessions SET guard.mode = ''observe'' rather than off'),
	('captured indexes and tables', 'no room', 'raise guard.max_indexes, and restart'),
	('captured statements', '[1-9]\d* evicted', 'raise guard.max_statements, and restart, if predictions are missing'),
	('worker', '^not available', 'guard.snapshot() from cron; or preload guard'),
	('worker', '^not running', 'look into the server log, and restart'),
	('worker', '^off', 'ALTER SYSTEM RESET guard.mode; SELECT pg_reload_conf();'),
	('worker', 'waits', 'raise max_worker_processes, and restart'),
	('hiding', '^(off|not available)', 'hidden indexes are visible: guard.hiding = on, in a preloaded guard'),
	('hiding', 'could not be read', 'something has locked guard.hidden_index'),
	('history', '^nothing', 'SELECT guard.snapshot(); or wait for the worker'),
	('what-if', '^(off|not available)', 'no predictions: guard.whatif = on, in a preloaded guard'),
	('pg_stat_statements', 'not installed', 'CREATE EXTENSION pg_stat_statements;'),
	('pg_stat_statements', 'shared_preload', 'shared_preload_libraries = ''pg_stat_statements, guard'', then restart'),
	('pg_stat_statements', 'version', 'ALTER EXTENSION pg_stat_statements UPDATE;'),
	('standbys', '^unknown', 'have it report, or name it in guard.ignore_standbys: see state'),
	('audit', '^(?!nothing waits)', 'look whether guard.audit_log is locked'),
	('alerts', '^off', 'ALTER SYSTEM RESET guard.alerts; SELECT pg_reload_conf();'))
SELECT s.item, CASE WHEN r.what_to_do IS NULL THEN 'ok' ELSE 'look' END AS health, r.what_to_do, s.state
  FROM guard.status() WITH ORDINALITY s (item, state, n)
  LEFT JOIN LATERAL (
		SELECT r.what_to_do FROM rule r WHERE r.item = s.item AND s.state ~ r.bad
		UNION ALL
		SELECT 'wait: until it is guard.min_evidence_age old, what is not used may be unknown'
		 WHERE s.item = 'evidence'
		   AND make_interval(days => substring(s.state FROM '\((\d+) days\)')::integer) < current_setting('guard.min_evidence_age')::interval
		 LIMIT 1) r ON true
 ORDER BY r.what_to_do IS NULL, s.n;
COMMENT ON VIEW guard.status IS
'What works here, what is missing, and since when guard knows what it knows; what should be looked at first, with what to do about it.';
GRANT SELECT ON guard.status TO PUBLIC;
-- example: SELECT * FROM guard.status;
