-- Figures for Prometheus.  A scrape costs the same however long the audit log
-- has become, and however many statements there are: who asks for one name gets
-- it without the rest.  doc/postgres_exporter.yml has the same list.

CREATE VIEW guard.metrics WITH (security_barrier) AS
WITH status AS MATERIALIZED (
	SELECT s.item, s.state, regexp_match(s.state, '^(\d+) of (\d+)') AS fill FROM guard.status() s
)
SELECT m.name, m.labels, m.value::double precision AS value, m.help, m.type
  FROM (
	SELECT 'guard_mode_info' AS name, jsonb_build_object('mode', s.state) AS labels, 1::numeric AS value,
		   'What guard does about a drop: enforce, observe, off' AS help, 'gauge' AS type
	  FROM status s WHERE s.item = 'mode'
	UNION ALL
	SELECT 'guard_pool_connections', jsonb_build_object('state', s.state), s.n, 'Client connections by what they do', 'gauge'
	  FROM guard.pool_health p,
		   LATERAL (VALUES ('active', p.active_on_cpu), ('waiting', p.waiting), ('idle in transaction', p.idle_in_transaction),
						   ('idle', p.connections - p.busy)) s (state, n)
	 WHERE p.service IS NULL
	UNION ALL
	SELECT 'guard_pool_limit', '{}', p.connection_limit, 'How many connections there may be (max_connections)', 'gauge'
	  FROM guard.pool_health p WHERE p.service IS NULL
	UNION ALL
	SELECT 'guard_audit_entries', jsonb_build_object('verdict', a.verdict), count(*) + sum(a.coalesced),
		   'Drops, refusals and changes of rules in guard.audit_log of the last 24 hours, by verdict', 'gauge'
	  FROM guard.audit_log a WHERE a.at >= statement_timestamp() - interval '1 day' GROUP BY a.verdict
	UNION ALL
	SELECT v.name, jsonb_build_object('reason', t.reason), sum(t.entries), v.help, 'counter'
	  FROM (VALUES ('guard_refusals_total', 'block', 'Drops of an index that were refused, by reason'),
				   ('guard_would_be_refusals_total', 'observe', 'Drops of an index that guard.mode = observe let go and enforce would refuse, by reason')) v (name, verdict, help)
	  JOIN (SELECT a.verdict, a.reason, a.entries FROM guard.home, guard.audit_total a WHERE a.reason IS NOT NULL
			UNION ALL
			-- those that nobody met yet, so that the first is an increase
			SELECT w.verdict, r.reason, 0
			  FROM unnest(ARRAY['block', 'observe']) w (verdict),
				   unnest(ARRAY['protected', 'dependency', 'replica_identity', 'arbiter', 'required', 'hot', 'constraint', 'unknown']) r (reason)) t
		ON t.verdict = v.verdict
	 GROUP BY v.name, v.help, t.reason
	UNION ALL
	SELECT 'guard_failures_total', '{}', COALESCE(sum(t.entries), 0), 'Drops that could not be judged and were refused for that, or failed halfway', 'counter'
	  FROM guard.home, guard.audit_total t WHERE t.verdict = 'failed'
	UNION ALL
	SELECT 'guard_audit_rows_waiting', '{}', COALESCE(substring(s.state FROM '^(\d+) records wait')::numeric, 0),
		   'Rows of guard.audit_log that wait to be written', 'gauge' FROM status s WHERE s.item = 'audit'
	UNION ALL
	SELECT 'guard_audit_lost_total', '{}', COALESCE(substring(s.state FROM '(\d+) are in the server log only')::numeric, 0),
		   'Entries of the audit log that are in the server log only', 'counter' FROM status s WHERE s.item = 'audit'
	UNION ALL
	SELECT 'guard_last_removal_age_seconds', jsonb_build_object('index', r.name, 'what', r.what), extract(epoch FROM clock_timestamp() - r.at),
		   'Time since an index was last dropped, hidden or moved, and which', 'gauge'
	  FROM (
		SELECT 'dropped' AS what, t.last_index AS name, t.last_at AS at
		  FROM guard.audit_total t WHERE t.verdict NOT IN ('block', 'failed', 'change') AND t.last_index IS NOT NULL
		UNION ALL
		SELECT 'hidden', format('%I.%I', o.table_schema, o.index_name), h.hidden_at
		  FROM guard.hidden_index h JOIN guard.object o ON o.id = h.object WHERE h.kind = 'hand'
		UNION ALL
		SELECT 'soft drop, ' || s.state, format('%I.%I', s.index_schema, s.index_name), greatest(s.dropped_at, s.state_since)
		  FROM guard.soft_drop s WHERE s.state <> 'restored'
		UNION ALL
		SELECT 'moved with its table', format('%I.%I', n.nspname, i.relname), t.moved_at
		  FROM guard.moved_table t CROSS JOIN unnest(t.relations) u (oid)
		  JOIN pg_class i ON i.oid = u.oid AND i.relkind IN ('i', 'I') JOIN pg_namespace n ON n.oid = i.relnamespace
		 WHERE t.how <> 'c'
		 ORDER BY at DESC LIMIT 1) r, guard.home
	UNION ALL
	SELECT 'guard_soft_drops', jsonb_build_object('state', s.state), count(d.state), 'Indexes dropped in stages, by state', 'gauge'
	  FROM unnest(ARRAY['waiting', 'hidden', 'dropped', 'restored']) s (state)
	  LEFT JOIN guard.soft_drops d ON d.state = s.state GROUP BY s.state
	UNION ALL
	SELECT 'guard_soft_drops_stuck', '{}', count(*), 'Indexes dropped in stages of which a step failed five times in a row', 'gauge'
	  FROM guard.soft_drops d WHERE d.attempts >= 5
	UNION ALL
	SELECT 'guard_hidden_indexes', '{}', count(*), 'Indexes of this database that the planner does not see', 'gauge'
	  FROM guard.home, guard.hidden_index
	UNION ALL
	-- Many uses of a large table: asking about every index would take too long.
	SELECT 'guard_predicted_connections', jsonb_build_object('index', p.index::text, 'table', p.heap::text), p.busy,
		   'Connections that the statements of an index would keep busy without it, by estimate: the ten dearest of the thirty whose statements would read most', 'gauge'
	  FROM (
		SELECT k.index, k.heap, (c.facts #>> '{load_without,busy_expected}')::numeric AS busy
		  FROM (
			SELECT x.indexrelid::regclass AS index, x.indrelid::regclass AS heap
			  FROM guard.home, guard.hourly_use h JOIN guard.known_use u ON u.id = h.relation_id
			  JOIN pg_index x ON x.indexrelid = u.relation_oid JOIN pg_class t ON t.oid = x.indrelid
			 WHERE h.hour > clock_timestamp() - interval '3 hours'
			 GROUP BY x.indexrelid, x.indrelid
			 ORDER BY sum(greatest(h.uses, h.scans)) * max(greatest(t.relpages, 1)) DESC LIMIT 30) k, LATERAL guard.check(k.index) c
		 WHERE c.facts #>> '{load_without,busy_expected}' IS NOT NULL
		 ORDER BY busy DESC LIMIT 10) p
	UNION ALL
	SELECT 'guard_capture_entries', jsonb_build_object('table', s.item), s.fill[1]::numeric, 'Entries in use of the tables of capture', 'gauge'
	  FROM status s WHERE s.item LIKE 'captured %' AND s.fill IS NOT NULL
	UNION ALL
	SELECT 'guard_capture_capacity', jsonb_build_object('table', s.item), s.fill[2]::numeric, 'Entries that the tables of capture have room for', 'gauge'
	  FROM status s WHERE s.item LIKE 'captured %' AND s.fill IS NOT NULL
	UNION ALL
	SELECT 'guard_snapshot_age_seconds', '{}', extract(epoch FROM clock_timestamp() - max(e.seen_at)),
		   'Time since history was last written down', 'gauge' FROM guard.home, guard.evidence_epoch e HAVING count(*) > 0
	UNION ALL
	SELECT 'guard_evidence_observed_seconds', jsonb_build_object('source', e.source), sum(extract(epoch FROM COALESCE(e.until, e.seen_at) - e.since)),
		   'For how long use was observed, gaps left out: by the counters of the server, and by capture', 'gauge'
	  FROM guard.home, guard.evidence_epoch e GROUP BY e.source
	UNION ALL
	SELECT 'guard_evidence_unbroken_seconds', jsonb_build_object('source', e.source), max(extract(epoch FROM clock_timestamp() - e.since)),
		   'Time since the last gap in what was observed', 'gauge'
	  FROM guard.home, guard.evidence_epoch e WHERE e.until IS NULL GROUP BY e.source
	UNION ALL
	SELECT 'guard_node_report_age_seconds', jsonb_build_object('node', n.name), extract(epoch FROM n.age),
		   'Time since a standby last reported what is used there', 'gauge' FROM guard.nodes() n
	UNION ALL
	SELECT 'guard_node_heard', jsonb_build_object('node', n.name), (n.lacks IS NULL)::int, 'Whether it is known what a standby uses', 'gauge' FROM guard.nodes() n WHERE n.counts
) m
 WHERE m.value IS NOT NULL
   AND pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE');
COMMENT ON VIEW guard.metrics IS
'Figures for Prometheus, in its conventions, type gauge or counter; counters outlive restarts and what is pruned. What is not known has no row. Raises 42501 for anybody but members of pg_read_all_stats, also for those who are granted the view.';
-- example: SELECT name, labels, value FROM guard.metrics ORDER BY name;
GRANT SELECT ON guard.metrics TO pg_read_all_stats;
