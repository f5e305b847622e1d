-- Standbys report what is used there.  A standby writes nothing: what it has
-- reported, and when, it reads in what its primary has written down of it.
-- Ages travel, not clock times.

CREATE FUNCTION guard.captured_uses(OUT relation oid, OUT way bigint, OUT life bigint, OUT first_use timestamptz,
	OUT last_use timestamptz, OUT uses bigint, OUT rate double precision, OUT longest_pause bigint, OUT statements int, OUT services text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_captured_uses';
COMMENT ON FUNCTION guard.captured_uses() IS
'What this node has captured of the use of indexes and tables, sessions'' own use included: way tells reads (0) from checks of foreign keys and needs, life one record from its successor; longest_pause in microseconds. No row for anybody but members of pg_read_all_stats.';
REVOKE ALL ON FUNCTION guard.captured_uses() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.captured_uses() TO pg_read_all_stats;

CREATE FUNCTION guard.captured_here(OUT since timestamptz, OUT lacks text, OUT identity text)
RETURNS record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_captured_here';
COMMENT ON FUNCTION guard.captured_here() IS
'Since when this node captures all use in this database without a break, null: it does not, lacks says why; identity tells this node from others with the same name.';
REVOKE ALL ON FUNCTION guard.captured_here() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.captured_here() TO pg_read_all_stats;

CREATE FUNCTION guard.node_report(whole boolean DEFAULT true) RETURNS jsonb
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
BEGIN ATOMIC
	WITH moment AS MATERIALIZED (
		SELECT clock_timestamp() AS now, h.since, h.lacks, h.identity, n.node_clock,
			   whole OR n.whole_at IS NULL OR n.whole_at < clock_timestamp() - interval '1 day' AS whole
		  FROM guard.captured_here() h LEFT JOIN guard.node n ON n.identity = h.identity
	)
	SELECT jsonb_strip_nulls(jsonb_build_object('identity', m.identity, 'lacks', m.lacks, 'clock', to_jsonb(m.now), 'whole', m.whole,
			'system_identifier', (SELECT c.system_identifier::text FROM pg_control_system() c),
			'replayed', to_jsonb(pg_last_xact_replay_timestamp()),
			'watched', (extract(epoch FROM m.now - m.since) * 1000000)::bigint,
			'standbys', (SELECT jsonb_agg(r.application_name) FROM pg_stat_replication r WHERE r.replay_lsn IS NOT NULL),
			'uses', (SELECT COALESCE(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('relation', u.relation::bigint, 'way', u.way, 'life', u.life,
							'first', (extract(epoch FROM m.now - u.first_use) * 1000000)::bigint, 'last', (extract(epoch FROM m.now - u.last_use) * 1000000)::bigint,
							'uses', u.uses, 'rate', round(u.rate::numeric, 3), 'pause', u.longest_pause, 'statements', u.statements, 'services', u.services))), '[]')
					   FROM guard.captured_uses() u
					  WHERE u.last_use IS NOT NULL AND (m.whole OR u.last_use >= m.node_clock - interval '1 minute'))))
	  FROM moment m;
END;
COMMENT ON FUNCTION guard.node_report(boolean) IS
'What this node has to say of itself to its primary: what is used here, by OID, with ages in microseconds; whole => false: what is new since it reported last. Writes nothing.';
-- example: SELECT jsonb_array_length(guard.node_report() -> 'uses');
REVOKE ALL ON FUNCTION guard.node_report(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.node_report(boolean) TO pg_read_all_stats;
GRANT SELECT ON guard.node TO pg_read_all_stats;

CREATE FUNCTION guard.take_report(name text, report jsonb, as_of timestamptz) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
	now constant timestamptz := clock_timestamp();
	microsecond constant interval := '1 microsecond';
	watched timestamptz := now - (report ->> 'watched')::bigint * microsecond;
	old guard.node;
BEGIN
	IF pg_is_in_recovery() THEN
		RAISE EXCEPTION 'this server is a standby itself' USING ERRCODE = 'read_only_sql_transaction',
			HINT = 'Let guard.primary_conninfo lead to the primary.';
	ELSIF name IS NULL OR name !~ '\S' OR length(name) > 100 OR report IS NULL THEN
		RAISE EXCEPTION 'a node needs a name of at most 100 characters, and a report' USING ERRCODE = 'invalid_parameter_value';
	ELSIF report ->> 'system_identifier' IS DISTINCT FROM (SELECT c.system_identifier::text FROM pg_control_system() c) THEN
		RAISE EXCEPTION 'node % is no standby of this server', name USING ERRCODE = 'invalid_parameter_value';
	END IF;
	INSERT INTO guard.node (name, role) VALUES (name, 'standby') ON CONFLICT DO NOTHING;
	SELECT n.* INTO STRICT old FROM guard.node n WHERE n.name = name FOR UPDATE;
	IF old.identity <> report ->> 'identity'
		AND old.reported_at > now - 3 * COALESCE(NULLIF(current_setting('guard.snapshot_interval')::interval, '0'), '5 minutes') THEN
		RAISE EXCEPTION 'two nodes report under the name %', name USING ERRCODE = 'duplicate_object',
			HINT = format('Give each a cluster_name of its own. If one was replaced: SELECT guard.forget_node(%L, ''replaced'');', name);
	END IF;

	-- what nobody watched between two reports is a gap
	UPDATE guard.node n SET reported_at = as_of, identity = report ->> 'identity', lacks = report ->> 'lacks', node_clock = (report ->> 'clock')::timestamptz,
		   whole_at = CASE WHEN (report ->> 'whole')::boolean THEN (report ->> 'clock')::timestamptz ELSE n.whole_at END,
		   since = CASE WHEN watched IS NULL OR old.since IS NULL OR old.identity <> report ->> 'identity' THEN watched ELSE least(old.since, watched) END,
		   unobserved = CASE WHEN watched IS NULL OR old.since IS NULL OR old.identity <> report ->> 'identity' THEN 0
				ELSE old.unobserved + greatest(extract(epoch FROM watched - old.reported_at) * 1000000, 0)::bigint END
	 WHERE n.name = name;

	WITH given AS MATERIALIZED (
		SELECT u.relation, COALESCE(u.way, 0) AS way, COALESCE(u.life, 0) AS life, now - u.first * microsecond AS first_use, now - u.last * microsecond AS last_use,
			   COALESCE(u.uses, 1) AS uses, COALESCE(u.rate, 0) AS rate, u.pause, COALESCE(u.statements, 0) AS statements, u.services
		  FROM jsonb_to_recordset(report -> 'uses') AS u (relation oid, way bigint, life bigint, first bigint, last bigint, uses bigint, rate float8,
				pause bigint, statements int, services text)
	), known AS (
		UPDATE guard.node_use k
		   SET uses_before = CASE WHEN k.life = g.life THEN k.uses_before ELSE k.uses_before + k.uses END,
			   longest_pause = greatest(k.longest_pause, g.pause, CASE WHEN k.life <> g.life THEN (extract(epoch FROM g.first_use - k.last_use) * 1000000)::bigint END),
			   last_use = greatest(k.last_use, g.last_use), uses = g.uses, rate = g.rate, statements = g.statements, services = COALESCE(g.services, k.services), life = g.life
		  FROM given g WHERE k.node = name AND k.relation_oid = g.relation AND k.foreign_key = g.way
		RETURNING k.relation_oid, k.foreign_key
	)
	INSERT INTO guard.node_use (node, relation_oid, foreign_key, first_use, last_use, uses, uses_before, rate, longest_pause, statements, services, life)
	SELECT name, g.relation, g.way, g.first_use, g.last_use, g.uses, 0, g.rate, g.pause, g.statements, g.services, g.life
	  FROM given g WHERE (g.relation, g.way) NOT IN (SELECT k.relation_oid, k.foreign_key FROM known k)
	   AND g.relation IN (SELECT c.oid FROM pg_class c);

	-- standbys that it feeds
	UPDATE guard.node n SET upstream = name WHERE n.name <> name AND COALESCE(report -> 'standbys', '[]') ? n.name;
	INSERT INTO guard.node (name, role, upstream)
	SELECT DISTINCT s.s, 'standby', name FROM jsonb_array_elements_text(COALESCE(report -> 'standbys', '[]')) s (s) WHERE s.s <> name
	ON CONFLICT DO NOTHING;
	DELETE FROM guard.node n WHERE n.upstream = name AND n.reported_at IS NULL AND NOT COALESCE(report -> 'standbys', '[]') ? n.name;
	UPDATE guard.node n SET upstream = NULL WHERE n.upstream = name AND NOT COALESCE(report -> 'standbys', '[]') ? n.name;

	RETURN jsonb_build_object('hidden', (SELECT count(*) FROM guard.hidden_index));
END
$function$;
COMMENT ON FUNCTION guard.take_report(text, jsonb, timestamptz) IS
'Write down what a node says of itself, as guard.node_report() has it, true at that time. For guard.report_node() and guard.import_profile().';
REVOKE ALL ON FUNCTION guard.take_report(text, jsonb, timestamptz) FROM PUBLIC;

CREATE FUNCTION guard.report_node(name text, report jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT guard.take_report(name, report, clock_timestamp());
END;
COMMENT ON FUNCTION guard.report_node(text, jsonb) IS
'A standby reports, under its name in pg_stat_replication, what is used there: guard.node_report(). Its worker does so by itself every guard.snapshot_interval; all that its role needs is EXECUTE on this function. Who may execute it is believed. Returns what the standby should know. Raises 25006 on a standby, 22023 for what is no standby of this server, 42710 when another node reports under that name.';
-- example: SELECT guard.report_node('pg-2', guard.node_report());
REVOKE ALL ON FUNCTION guard.report_node(text, jsonb) FROM PUBLIC;

CREATE FUNCTION guard.forget_node(name text, reason text) RETURNS boolean
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_forget_node';
COMMENT ON FUNCTION guard.forget_node(text, text) IS
'A standby is gone for good: what it has reported no longer counts. Written into guard.audit_log with the reason. Returns whether it was known. Raises 22004 for null, 22023 without a reason. One that is still attached comes back as one that has never reported.';
-- example: SELECT guard.forget_node('pg-3', 'decommissioned');
REVOKE ALL ON FUNCTION guard.forget_node(text, text) FROM PUBLIC;

CREATE FUNCTION guard.nodes(OUT name text, OUT role text, OUT attached boolean, OUT last_report timestamptz, OUT age interval,
	OUT watched_since timestamptz, OUT upstream text, OUT lacks text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_nodes';
COMMENT ON FUNCTION guard.nodes() IS
'The standbys of this server, attached or known by what they reported. The view guard.nodes is the same.';
REVOKE ALL ON FUNCTION guard.nodes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.nodes() TO pg_read_all_stats;
-- example: SELECT name FROM guard.nodes() WHERE lacks IS NOT NULL;

CREATE VIEW guard.nodes WITH (security_barrier) AS
	SELECT n.name, n.role, n.attached, n.last_report, n.age, n.watched_since, n.upstream, n.lacks FROM guard.nodes() n;
COMMENT ON VIEW guard.nodes IS
'The standbys of this server: when each reported last and how long ago that is, since when use is watched there, which standby feeds it (upstream null: this server), and why what is used there is not known (lacks null: it is).';
-- example: SELECT name, role, age, lacks FROM guard.nodes;
GRANT SELECT ON guard.nodes TO pg_read_all_stats;
