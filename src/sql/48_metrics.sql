-- Figures for Prometheus.  A scrape costs the same however long the audit log has become.

CREATE VIEW guard.metrics WITH (security_barrier) AS
WITH status AS MATERIALIZED (
	SELECT s.item, regexp_match(s.state, '^(\d+) of (\d+)') AS fill FROM guard.status() s
)
SELECT m.name, m.labels, m.value::double precision AS value, m.help, m.type
  FROM (
	SELECT 'guard_pool_connections' AS name, jsonb_build_object('state', s.state) AS labels, s.n::numeric AS value,
		   'Client connections by what they do' AS help, 'gauge' AS type
	  FROM guard.pool_health p,
		   LATERAL (VALUES ('active', p.active_on_cpu), ('waiting', p.waiting), ('idle in transaction', p.idle_in_transaction),
						   ('idle', p.connections - p.busy)) s (state, n)
	 WHERE p.service IS NULL
	UNION ALL
	SELECT 'guard_audit_entries', jsonb_build_object('verdict', a.verdict), count(*) + sum(a.coalesced),
		   'Drops, refusals and changes of rules in guard.audit_log of the last 24 hours, by verdict', 'gauge'
	  FROM guard.audit_log a WHERE a.at >= statement_timestamp() - interval '1 day' GROUP BY a.verdict
	UNION ALL
	SELECT 'guard_soft_drops', jsonb_build_object('state', s.state), count(d.state), 'Indexes dropped in stages, by state', 'gauge'
	  FROM unnest(ARRAY['waiting', 'hidden', 'dropped', 'restored']) s (state)
	  LEFT JOIN guard.soft_drops d ON d.state = s.state GROUP BY s.state
	UNION ALL
	SELECT 'guard_capture_entries', jsonb_build_object('table', s.item), s.fill[1]::numeric, 'Entries in use of the tables of capture', 'gauge'
	  FROM status s WHERE s.item LIKE 'captured %' AND s.fill IS NOT NULL
	UNION ALL
	SELECT 'guard_capture_capacity', jsonb_build_object('table', s.item), s.fill[2]::numeric, 'Entries that the tables of capture have room for', 'gauge'
	  FROM status s WHERE s.item LIKE 'captured %' AND s.fill IS NOT NULL
	UNION ALL
	SELECT 'guard_hidden_indexes', '{}', count(*), 'Indexes of this database that the planner does not see', 'gauge'
	  FROM guard.home, guard.hidden_index
	UNION ALL
	SELECT 'guard_snapshot_age_seconds', '{}', extract(epoch FROM clock_timestamp() - max(e.seen_at)),
		   'Time since history was last written down', 'gauge' FROM guard.home, guard.evidence_epoch e HAVING count(*) > 0
) m
 WHERE m.value IS NOT NULL
   AND pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW guard.metrics IS
'Figures for Prometheus, in its conventions. What is not known has no row. No row for anybody but members of pg_read_all_stats.';
-- example: SELECT name, labels, value FROM guard.metrics ORDER BY name;
GRANT SELECT ON guard.metrics TO pg_read_all_stats;
