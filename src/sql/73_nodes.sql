-- Standbys report what is used there.  A standby writes nothing: what it has
-- reported, and when, it reads in what its primary has written down of it.
-- Ages travel, not clock times.

CREATE FUNCTION guard.captured_uses(OUT relation oid, OUT way bigint, OUT life bigint, OUT first_use timestamptz,
	OUT last_use timestamptz, OUT uses bigint, OUT rate double precision, OUT longest_pause bigint, OUT statements int, OUT services text, OUT services_known boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_captured_uses';
COMMENT ON FUNCTION guard.captured_uses() IS
'What this node has captured of the use of indexes and tables, sessions'' own use included: way tells reads (0) from checks of foreign keys and needs, life one record from its successor; longest_pause in microseconds; services is a JSON array of who made the use, with last as an age in microseconds, and services_known that nobody else did. No row for anybody but members of pg_read_all_stats.';
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

-- So many statements tell how busy a server is, and so many are watched.
CREATE FUNCTION guard.node_watch() RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET jit = off
AS $function$
DECLARE
	now constant timestamptz := clock_timestamp();
	source text;
	since text;
	counted jsonb;
	reset_at timestamptz;
	drops jsonb;
	watched jsonb;
BEGIN
	IF NOT EXISTS (SELECT FROM guard.home, guard.soft_drop s WHERE s.state IN ('waiting', 'hidden')) THEN
		RETURN NULL;
	END IF;
	SELECT jsonb_agg(jsonb_build_object('id', s.id, 'state', s.state, 'uses', COALESCE(u.uses, 0))) INTO drops
	  FROM guard.soft_drop s
	  LEFT JOIN (SELECT o.id, sum(u.uses) AS uses FROM guard.soft_drop o, jsonb_array_elements(o.parts) p (p), guard.captured_uses() u
				  WHERE o.state IN ('waiting', 'hidden') AND u.way = 0 AND u.relation = (p.p ->> 'oid')::bigint::oid GROUP BY o.id) u ON u.id = s.id
	 WHERE s.state IN ('waiting', 'hidden');

	-- statements of partitions are known under the topmost
	WITH part AS (
		SELECT s.id, (p.p ->> 'oid')::bigint::oid AS index, (p.p ->> 'table')::bigint::oid AS "table"
		  FROM guard.soft_drop s, jsonb_array_elements(s.parts) p (p) WHERE s.state IN ('waiting', 'hidden')
	), relation AS (
		SELECT p.id, COALESCE(r.r, x.indexrelid) AS oid, x.indexrelid = p.index AS itself
		  FROM part p JOIN pg_index x ON x.indrelid = p.table, LATERAL (VALUES (NULL::oid), (pg_partition_root(x.indexrelid)::oid)) r (r)
		UNION
		SELECT p.id, r.r, false FROM part p, LATERAL (VALUES (p.table), (pg_partition_root(p.table)::oid)) r (r) WHERE r.r IS NOT NULL
	)
	SELECT jsonb_agg(w) INTO watched
	  FROM (SELECT r.id AS drop, c.queryid AS statement, CASE WHEN bool_or(r.itself) THEN 'i' ELSE 't' END AS kind,
				   COALESCE(sum(c.uses) FILTER (WHERE r.itself), 0) AS uses, (extract(epoch FROM now - min(c.first_use)) * 1000000)::bigint AS first
			  FROM relation r JOIN guard.captured_statements() c ON c.index::oid = r.oid
			 WHERE c.queryid <> 0 GROUP BY r.id, c.queryid ORDER BY bool_or(r.itself) DESC, sum(c.uses) DESC LIMIT 1000) w;

	SELECT format('%I.pg_stat_statements', n.nspname), CASE WHEN 'stats_since' = ANY (p.proargnames) THEN 'stats_since' ELSE 'NULL::timestamptz' END
	  INTO source, since FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
	  JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = e.extname WHERE e.extname = 'pg_stat_statements';
	IF source IS NOT NULL AND current_setting('pg_stat_statements.max', true) IS NOT NULL THEN
		EXECUTE format('SELECT i.stats_reset FROM %s_info() i', source) INTO reset_at;
		EXECUTE format($$
			SELECT jsonb_agg(c) FROM (
				SELECT s.queryid AS statement, sum(s.calls)::bigint AS calls, sum(s.total_exec_time) AS time,
					   sum(s.calls * (s.stddev_exec_time ^ 2 + s.mean_exec_time ^ 2)) AS squares, max(s.max_exec_time) AS longest, sum(s.rows)::float8 AS rows,
					   (extract(epoch FROM $1 - min(%s)) * 1000000)::bigint AS since
				  FROM %s(false) s WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND s.calls > 0 AND s.queryid IS NOT NULL
				 GROUP BY s.queryid ORDER BY s.queryid = ANY ($2) DESC, sum(s.total_exec_time) DESC LIMIT 200 + cardinality($2)) c $$, since, source)
		   INTO counted USING now, ARRAY(SELECT DISTINCT (w ->> 'statement')::bigint FROM jsonb_array_elements(watched) w);
	END IF;
	RETURN (SELECT jsonb_strip_nulls(jsonb_build_object('drops', drops, 'statements', watched, 'counted', counted,
			'reset', (extract(epoch FROM now - reset_at) * 1000000)::bigint,
			'lacks', CASE WHEN counted IS NULL THEN 'pg_stat_statements is not there' WHEN current_setting('guard.hiding') = 'off' THEN 'guard.hiding is off there' END,
			'active', count(*) FILTER (WHERE a.client), 'waiting', count(*) FILTER (WHERE a.client AND a.wait_event_type IS NOT NULL),
			'running', jsonb_agg(jsonb_build_object('statement', a.query_id, 'elapsed', extract(epoch FROM now - a.query_start) * 1000,
					'late', a.wait_event_type IS NOT DISTINCT FROM 'Lock', 'client', a.client)) FILTER (WHERE a.here AND a.query_id IS NOT NULL)))
	  FROM (SELECT *, backend_type = 'client backend' AS client, datname = current_database() AS here FROM pg_stat_activity WHERE state = 'active') a);
END
$function$;
COMMENT ON FUNCTION guard.node_watch() IS
'What this node counts of the statements of indexes that are dropped in stages, and of others to compare them with; null where none is. Part of guard.node_report().';
REVOKE ALL ON FUNCTION guard.node_watch() FROM PUBLIC;

CREATE FUNCTION guard.node_report(whole boolean DEFAULT true) RETURNS jsonb
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
BEGIN ATOMIC
	WITH moment AS MATERIALIZED (
		SELECT clock_timestamp() AS now, h.since, h.lacks, h.identity, n.node_clock, guard.node_watch() AS watch,
			   whole OR n.whole_at IS NULL OR n.whole_at < clock_timestamp() - interval '1 day' AS whole,
			   whole OR n.node_clock IS NULL OR n.node_clock NOT BETWEEN clock_timestamp() - 0.9 * current_setting('guard.snapshot_interval')::interval AND clock_timestamp() AS due
		  FROM guard.captured_here() h LEFT JOIN guard.node n ON n.identity = h.identity
	)
	SELECT jsonb_strip_nulls(jsonb_build_object('identity', m.identity, 'lacks', m.lacks, 'clock', to_jsonb(m.now), 'whole', m.whole,
			'system_identifier', (SELECT c.system_identifier::text FROM pg_control_system() c),
			'replayed', to_jsonb(pg_last_xact_replay_timestamp()), 'watch', m.watch,
			'watched', (extract(epoch FROM m.now - m.since) * 1000000)::bigint,
			'standbys', (SELECT jsonb_agg(r.application_name) FROM pg_stat_replication r WHERE r.replay_lsn IS NOT NULL),
			'uses', CASE WHEN m.due OR m.watch IS NULL THEN
					(SELECT COALESCE(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('relation', u.relation::bigint, 'way', u.way, 'life', u.life,
							'first', (extract(epoch FROM m.now - u.first_use) * 1000000)::bigint, 'last', (extract(epoch FROM m.now - u.last_use) * 1000000)::bigint,
							'uses', u.uses, 'rate', round(u.rate::numeric, 3), 'pause', u.longest_pause, 'statements', u.statements,
							'services', u.services::jsonb, 'known', u.services_known))), '[]')
					   FROM guard.captured_uses() u
					  WHERE u.last_use IS NOT NULL AND (m.whole OR u.last_use >= m.node_clock - interval '1 minute')) END))
	  FROM moment m;
END;
COMMENT ON FUNCTION guard.node_report(boolean) IS
'What this node has to say of itself to its primary: what is used here, by OID, with ages in microseconds; whole => false: what is new since it reported last. In between, while indexes are dropped in stages, only how their statements are here. Writes nothing.';
-- example: SELECT jsonb_array_length(guard.node_report() -> 'uses');
REVOKE ALL ON FUNCTION guard.node_report(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.node_report(boolean), guard.node_watch() TO pg_read_all_stats;
GRANT SELECT ON guard.node TO pg_read_all_stats;

-- How their statements are on a node, in types and by this server's clock, so that who reads it finds nothing amiss.
CREATE FUNCTION guard.take_watch(name text, watch jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
	now constant timestamptz := clock_timestamp();
	microsecond constant interval := '1 microsecond';
BEGIN
	DELETE FROM guard.node_watch w WHERE w.node = name;
	IF watch IS NULL THEN
		RETURN;
	END IF;
	INSERT INTO guard.node_watch
	SELECT name, now, now - (watch ->> 'reset')::bigint * microsecond, left(watch ->> 'lacks', 1000), COALESCE((watch ->> 'active')::int, 0), COALESCE((watch ->> 'waiting')::int, 0),
		   (SELECT COALESCE(jsonb_agg(d), '[]') FROM jsonb_to_recordset(watch -> 'drops') AS d (id bigint, state text, uses bigint) WHERE d.id IS NOT NULL),
		   (SELECT COALESCE(jsonb_agg(jsonb_build_object('drop', s.drop, 'statement', s.statement, 'kind', s.kind, 'uses', s.uses, 'first', now - s.first * microsecond)), '[]')
			  FROM jsonb_to_recordset(watch -> 'statements') AS s (drop bigint, statement bigint, kind text, uses bigint, first bigint) WHERE s.kind IN ('i', 't')),
		   (SELECT COALESCE(jsonb_agg(jsonb_build_object('statement', c.statement, 'calls', c.calls, 'time', c.time, 'squares', c.squares, 'longest', c.longest, 'rows', c.rows,
						'since', now - c.since * microsecond)), '[]')
			  FROM jsonb_to_recordset(watch -> 'counted') AS c (statement bigint, calls bigint, time float8, squares float8, longest float8, rows float8, since bigint)),
		   (SELECT COALESCE(jsonb_agg(jsonb_build_object('statement', r.statement, 'started', now - r.elapsed * interval '1 ms', 'elapsed', r.elapsed, 'late', r.late, 'client', r.client)), '[]')
			  FROM jsonb_to_recordset(watch -> 'running') AS r (statement bigint, elapsed float8, late boolean, client boolean));
END
$function$;
COMMENT ON FUNCTION guard.take_watch(text, jsonb) IS
'Write down how the statements of indexes that are dropped in stages are on a node, as guard.node_watch() has it: for guard.take_report().';
REVOKE ALL ON FUNCTION guard.take_watch(text, jsonb) FROM PUBLIC;

CREATE FUNCTION guard.take_report(name text, report jsonb, as_of timestamptz) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_variable
DECLARE
	-- what one report may bring, what is kept of one node, and how many nodes there may be
	most_bytes constant int := 32 * 1024 * 1024;
	most_uses constant int := 50000;
	most_nodes constant int := 100;
	now constant timestamptz := clock_timestamp();
	microsecond constant interval := '1 microsecond';
	watched timestamptz := now - (report ->> 'watched')::bigint * microsecond;
	fed text[] := ARRAY(SELECT left(s, 100) FROM jsonb_array_elements_text(COALESCE(report -> 'standbys', '[]')) s LIMIT most_nodes);
	identity text := left(report ->> 'identity', 100);
	old guard.node;
BEGIN
	IF pg_is_in_recovery() THEN
		RAISE EXCEPTION 'this server is a standby itself' USING ERRCODE = 'read_only_sql_transaction',
			HINT = 'Let guard.primary_conninfo lead to the primary.';
	ELSIF name IS NULL OR name !~ '\S' OR length(name) > 100 OR report IS NULL THEN
		RAISE EXCEPTION 'a node needs a name of at most 100 characters, and a report' USING ERRCODE = 'invalid_parameter_value';
	ELSIF report ->> 'system_identifier' IS DISTINCT FROM (SELECT c.system_identifier::text FROM pg_control_system() c) THEN
		RAISE EXCEPTION 'node % is no standby of this server', name USING ERRCODE = 'invalid_parameter_value';
	ELSIF pg_column_size(report) > most_bytes OR jsonb_array_length(COALESCE(report -> 'uses', '[]')) > most_uses THEN
		RAISE EXCEPTION 'the report of node % is too long', name USING ERRCODE = 'program_limit_exceeded';
	END IF;
	SELECT n.* INTO old FROM guard.node n WHERE n.name = name;
	IF NOT FOUND THEN
		IF (SELECT count(*) >= most_nodes FROM guard.node) THEN
			RAISE EXCEPTION 'there are % nodes already', most_nodes USING ERRCODE = 'program_limit_exceeded',
				HINT = 'Forget those that are gone with guard.forget_node().';
		END IF;
		INSERT INTO guard.node (name, role) VALUES (name, 'standby') ON CONFLICT DO NOTHING;
	ELSIF old.identity <> identity
		AND old.reported_at > now - 3 * COALESCE(NULLIF(current_setting('guard.snapshot_interval')::interval, '0'), '5 minutes') THEN
		RAISE EXCEPTION 'two nodes report under the name %', name USING ERRCODE = 'duplicate_object',
			HINT = format('Give each a cluster_name of its own. If one was replaced: SELECT guard.forget_node(%L, ''replaced'');', name);
	END IF;
	PERFORM guard.take_watch(name, report -> 'watch');
	IF report ? 'uses' THEN
		SELECT n.* INTO STRICT old FROM guard.node n WHERE n.name = name FOR UPDATE;

		-- what nobody watched between two reports is a gap
		UPDATE guard.node n SET reported_at = as_of, identity = identity, lacks = left(report ->> 'lacks', 1000), node_clock = (report ->> 'clock')::timestamptz,
			   whole_at = CASE WHEN (report ->> 'whole')::boolean THEN (report ->> 'clock')::timestamptz ELSE n.whole_at END,
			   since = CASE WHEN watched IS NULL OR old.since IS NULL OR old.identity <> identity THEN watched ELSE least(old.since, watched) END,
			   unobserved = CASE WHEN watched IS NULL OR old.since IS NULL OR old.identity <> identity THEN 0
					ELSE old.unobserved + greatest(extract(epoch FROM watched - old.reported_at) * 1000000, 0)::bigint END
		 WHERE n.name = name;

		WITH given AS MATERIALIZED (
			SELECT DISTINCT ON (u.relation, COALESCE(u.way, 0)) u.relation, COALESCE(u.way, 0) AS way, COALESCE(u.life, 0) AS life,
				   now - u.first * microsecond AS first_use, now - u.last * microsecond AS last_use, greatest(u.uses, 1) AS uses, COALESCE(u.rate, 0) AS rate, u.pause,
				   COALESCE(u.statements, 0) AS statements, COALESCE(u.known AND jsonb_array_length(u.services) > 0, false) AS services_known,
				   (SELECT array_agg(t.t ORDER BY s.n, t.n)
					  FROM ROWS FROM (jsonb_to_recordset(u.services) AS (service text, version text, last bigint, count bigint)) WITH ORDINALITY AS s (service, version, last, count, n), LATERAL
						   unnest(ARRAY[left(s.service, 100), left(COALESCE(s.version, ''), 100), '0',
								((extract(epoch FROM now - s.last * microsecond) - 946684800) * 1000000)::bigint::text, COALESCE(s.count, 1)::text]) WITH ORDINALITY t (t, n)
					 WHERE s.n <= 100) AS by_service
			  FROM jsonb_to_recordset(report -> 'uses') AS u (relation oid, way bigint, life bigint, first bigint, last bigint, uses bigint, rate float8,
					pause bigint, statements int, services jsonb, known boolean)
			 ORDER BY u.relation, COALESCE(u.way, 0), u.last
		), known AS (
			UPDATE guard.node_use k
			   SET uses_before = CASE WHEN k.life = g.life THEN k.uses_before ELSE k.uses_before + k.uses END,
				   longest_pause = greatest(k.longest_pause, g.pause, CASE WHEN k.life <> g.life THEN (extract(epoch FROM g.first_use - k.last_use) * 1000000)::bigint END),
				   last_use = greatest(k.last_use, g.last_use), uses = g.uses, rate = g.rate, statements = g.statements, life = g.life,
				   -- whom an earlier record named used it all the same, and so did whom it did not
				   by_service = (g.by_service || CASE WHEN k.life <> g.life AND NOT k.services_known THEN
						ARRAY['somebody', '', '0', ((extract(epoch FROM k.last_use) - 946684800) * 1000000)::bigint::text, k.uses::text] END ||
						ARRAY(SELECT t.t FROM generate_series(1, cardinality(k.by_service), 5) i, unnest(k.by_service[i : i + 4]) WITH ORDINALITY t (t, n)
							   WHERE NOT EXISTS (SELECT FROM generate_series(1, cardinality(g.by_service), 5) j WHERE g.by_service[j : j + 1] = k.by_service[i : i + 1])
							   ORDER BY i, t.n))[1 : 500],
				   services_known = g.services_known AND COALESCE(cardinality(k.by_service) < 500, true)
			  FROM given g WHERE k.node = name AND k.relation_oid = g.relation AND k.foreign_key = g.way
			RETURNING k.relation_oid, k.foreign_key
		)
		INSERT INTO guard.node_use (node, relation_oid, foreign_key, first_use, last_use, uses, uses_before, rate, longest_pause, statements, by_service, services_known, life)
		SELECT name, g.relation, g.way, g.first_use, g.last_use, g.uses, 0, g.rate, g.pause, g.statements, g.by_service, g.services_known, g.life
		  FROM given g WHERE (g.relation, g.way) NOT IN (SELECT k.relation_oid, k.foreign_key FROM known k)
		   AND g.relation NOT IN (SELECT d.index_oid FROM guard.departed d);
		IF (SELECT count(*) > most_uses FROM guard.node_use k WHERE k.node = name) THEN
			RAISE EXCEPTION 'node % has reported too much', name USING ERRCODE = 'program_limit_exceeded';
		END IF;

		-- of what is gone meanwhile, what was used before is told
		UPDATE guard.departed d SET last_use = greatest(d.last_use, k.last_use), longest_pause = greatest(d.longest_pause, k.longest_pause)
		  FROM guard.node_use k WHERE k.node = name AND k.relation_oid = d.index_oid AND k.last_use > d.last_use AND d.last_use IS NOT NULL;

		-- standbys that it feeds
		UPDATE guard.node n SET upstream = name WHERE n.name <> name AND n.name = ANY (fed) AND n.upstream IS DISTINCT FROM name;
		INSERT INTO guard.node (name, role, upstream)
		SELECT DISTINCT s.s, 'standby', name FROM unnest(fed) s (s) WHERE s.s <> name AND (SELECT count(*) < most_nodes FROM guard.node)
		ON CONFLICT DO NOTHING;
		DELETE FROM guard.node n WHERE n.upstream = name AND n.reported_at IS NULL AND n.name <> ALL (fed);
		UPDATE guard.node n SET upstream = NULL WHERE n.upstream = name AND n.name <> ALL (fed);
	END IF;
	RETURN jsonb_build_object('hidden', (SELECT count(*) FROM guard.soft_drop s WHERE s.state = 'hidden'));
END
$function$;
COMMENT ON FUNCTION guard.take_report(text, jsonb, timestamptz) IS
'Write down what a node says of itself, as guard.node_report() has it, true at that time; at most 100 nodes, 50,000 uses of each. For guard.report_node() and guard.import_profile().';
REVOKE ALL ON FUNCTION guard.take_report(text, jsonb, timestamptz) FROM PUBLIC;

CREATE FUNCTION guard.report_node(name text, report jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT guard.take_report(name, report, clock_timestamp());
END;
COMMENT ON FUNCTION guard.report_node(text, jsonb) IS
'A standby reports, under its name in pg_stat_replication, what is used there: guard.node_report(). Its worker does so by itself every guard.snapshot_interval; all that its role needs is EXECUTE on this function. Who may execute it is believed. Returns how many indexes are hidden, dropped in stages: as long as any is, it is told every few seconds how their statements are on the standby. Raises 25006 on a standby, 22023 for what is no standby of this server, 42710 when another node reports under that name, 54000 for what is too long, or one node too many.';
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
	OUT watched_since timestamptz, OUT upstream text, OUT lacks text, OUT counts boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_nodes';
COMMENT ON FUNCTION guard.nodes() IS
'The standbys of this server, attached or known by what they reported. The view guard.nodes is the same.';
REVOKE ALL ON FUNCTION guard.nodes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.nodes() TO pg_read_all_stats;
-- example: SELECT name FROM guard.nodes() WHERE lacks IS NOT NULL;

CREATE VIEW guard.nodes WITH (security_barrier) AS
	SELECT n.name, n.role, n.attached, n.last_report, n.age, n.watched_since, n.upstream, n.lacks, n.counts FROM guard.nodes() n;
COMMENT ON VIEW guard.nodes IS
'The standbys of this server: when each reported last and how long ago that is, since when use is watched there, which standby feeds it (upstream null: this server), why what is used there is not known (lacks null: it is), and whether that matters: counts is false for those in guard.ignore_standbys, and those that have been cut off for a day.';
-- example: SELECT name, role, age, lacks FROM guard.nodes;
GRANT SELECT ON guard.nodes TO pg_read_all_stats;
