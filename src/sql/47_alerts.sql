-- Connections and alerts.

CREATE FUNCTION guard.pool_before(OUT at timestamptz, OUT service text,
	OUT connections integer, OUT busy integer, OUT complete boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_pool_before';
COMMENT ON FUNCTION guard.pool_before() IS
'The latest count of connections by guard''s worker that is at least a second old, for guard.pool_health; service is null for all together. complete is false where the smallest services were left out. busy is null for anybody but members of pg_read_all_stats. No row without preloading, and where no worker has been yet.';

CREATE VIEW guard.pool_health WITH (security_barrier) AS
WITH connection AS (
	SELECT guard.service_of(coalesce(a.application_name, ''), coalesce(a.usename::text, 'unknown')) AS service,
		   a.backend_type IS NULL AS is_secret,
		   a.state IN ('active', 'fastpath function call') AS is_active,
		   a.state LIKE 'idle in transaction%' AS is_in_transaction,
		   a.wait_event_type AS waits_for, a.query_start, a.xact_start
	  FROM pg_catalog.pg_stat_activity a
	 WHERE a.backend_type = 'client backend' OR a.backend_type IS NULL AND a.usesysid IS NOT NULL
		   -- guard's own processes, where nobody is told what kind they are; no client can pass for one
		   AND NOT (a.usesysid = 10 AND a.application_name IN ('guard launcher', 'guard worker', 'guard builder'))
), counted AS (
	SELECT c.service, count(*)::integer AS connections, bool_or(c.is_secret) AS is_secret,
		   (count(*) FILTER (WHERE c.is_active AND c.waits_for IS NULL))::integer AS active_on_cpu,
		   (count(*) FILTER (WHERE c.is_active AND c.waits_for IS NOT NULL))::integer AS waiting,
		   (count(*) FILTER (WHERE c.is_in_transaction))::integer AS idle_in_transaction,
		   clock_timestamp() - min(c.query_start) FILTER (WHERE c.is_active) AS longest_statement,
		   clock_timestamp() - min(c.xact_start) AS longest_transaction
	  FROM connection c
	 GROUP BY GROUPING SETS ((), (c.service))
), waits AS (
	SELECT w.service, jsonb_object_agg(w.waits_for, w.n) AS waiting_for
	  FROM (SELECT c.service, c.waits_for, count(*) AS n
			  FROM connection c
			 WHERE c.is_active AND c.waits_for IS NOT NULL
			 GROUP BY GROUPING SETS ((c.waits_for), (c.service, c.waits_for))) w
	 GROUP BY w.service
), rated AS (
	SELECT n.*, coalesce(w.waiting_for, '{}') AS waiting_for,
		   n.active_on_cpu + n.waiting + n.idle_in_transaction AS busy,
		   coalesce(b.connections, CASE WHEN s.complete THEN 0 END) AS connections_before,
		   coalesce(b.busy, CASE WHEN s.complete AND b.service IS NULL AND n.service IS NOT NULL THEN 0 END) AS busy_before,
		   s.at AS compared_with,
		   extract(epoch FROM clock_timestamp() - s.at)::double precision AS seconds
	  FROM counted n
	  LEFT JOIN waits w ON w.service IS NOT DISTINCT FROM n.service
	  LEFT JOIN (SELECT p.at, p.complete FROM guard.pool_before() p WHERE p.service IS NULL) s ON true
	  LEFT JOIN guard.pool_before() b ON b.service IS NOT DISTINCT FROM n.service
)
SELECT r.service, r.connections,
	   CASE WHEN r.service IS NULL THEN current_setting('max_connections')::integer END AS connection_limit,
	   CASE WHEN NOT r.is_secret THEN r.busy END AS busy,
	   CASE WHEN NOT r.is_secret THEN r.active_on_cpu END AS active_on_cpu,
	   CASE WHEN NOT r.is_secret THEN r.waiting END AS waiting,
	   CASE WHEN NOT r.is_secret THEN r.waiting_for END AS waiting_for,
	   CASE WHEN NOT r.is_secret THEN r.idle_in_transaction END AS idle_in_transaction,
	   CASE WHEN NOT r.is_secret THEN r.longest_statement END AS longest_statement,
	   CASE WHEN NOT r.is_secret THEN r.longest_transaction END AS longest_transaction,
	   (r.connections - r.connections_before) / r.seconds AS connections_per_second,
	   CASE WHEN NOT r.is_secret THEN (r.busy - r.busy_before) / r.seconds END AS busy_per_second,
	   r.compared_with
  FROM rated r
 ORDER BY r.service IS NOT NULL, r.connections DESC, r.service;
COMMENT ON VIEW guard.pool_health IS
'Client connections of all databases: one row for all together (service null), and one for each service. busy is active_on_cpu (running a statement, waiting for nothing), waiting (in a statement; waiting_for says for what kind of thing how many do) and idle_in_transaction together. connections_per_second and busy_per_second: how fast they grew since the worker counted them last, at compared_with; null without preloading. Who may not see what other roles'' sessions do (PostgreSQL shows it to members of pg_read_all_stats) gets connections alone where any of them is another role''s, background workers included, but for guard''s own.';
-- example: SELECT service, connections, connection_limit, busy, waiting, idle_in_transaction FROM guard.pool_health;
GRANT SELECT ON guard.pool_health TO PUBLIC;

CREATE FUNCTION guard.test_alert() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_test_alert';
COMMENT ON FUNCTION guard.test_alert() IS
'Raises an alert of kind test, to see whether it arrives: a line in the server log at once; at commit, a notification on channel guard_alert and a row of guard.audit_log. Returns false, having done nothing, where guard.alerts or guard.mode is off. Raises 25006 on a standby or in a read-only transaction.';
-- example: SELECT guard.test_alert();
REVOKE ALL ON FUNCTION guard.test_alert() FROM PUBLIC;

-- Three tables know of them.  One index is named once, with what happened to it
-- last and the statement that undoes that.  Nothing is told here that everybody
-- could not read in the catalogs while the index was there: an alert tells it,
-- and whoever may connect may LISTEN.
CREATE VIEW guard.recent WITH (security_barrier) AS
	WITH happened AS (
		SELECT 'dropped' AS what, a.index_name, a.at, a.login_role AS by,
			   pg_catalog.left(a.definition, 1000) AS undo
		  FROM guard.audit_log a
		 WHERE a.at > pg_catalog.statement_timestamp() - interval '1 hour'
		   AND a.verdict NOT IN ('block', 'failed', 'change')
		   AND a.index_name IS NOT NULL
		UNION ALL
		SELECT 'hidden', pg_catalog.format('%I.%I', o.table_schema, o.index_name), h.hidden_at, h.hidden_by,
			   pg_catalog.format('SELECT guard.unhide(%L);', pg_catalog.format('%I.%I', o.table_schema, o.index_name))
		  FROM guard.hidden_index h JOIN guard.object o ON o.id = h.object
		 WHERE h.hidden_at > pg_catalog.statement_timestamp() - interval '1 hour' AND h.kind = 'hand'
		UNION ALL
		SELECT 'soft drop, ' || s.state, pg_catalog.format('%I.%I', s.index_schema, s.index_name),
			   greatest(s.dropped_at, s.state_since), s.dropped_by,
			   CASE WHEN s.state <> 'restored'
					THEN pg_catalog.format('SELECT guard.restore(%L);', pg_catalog.format('%I.%I', s.index_schema, s.index_name)) END
		  FROM guard.soft_drop s
		 WHERE greatest(s.dropped_at, s.state_since) > pg_catalog.statement_timestamp() - interval '1 hour')
	SELECT DISTINCT ON (h.index_name) h.index_name, h.what, h.at, h.by, h.undo
	  FROM happened h ORDER BY h.index_name, h.at DESC;
COMMENT ON VIEW guard.recent IS
'The indexes that were dropped, hidden or dropped in stages in the last hour, each with what happened to it last, by whom, and the statement that undoes it: what every alert names.';
