-- Exporting a profile: what the server says, and what guard knows of it.

CREATE FUNCTION guard.captured_statements(OUT index regclass, OUT queryid bigint,
	OUT uses bigint, OUT first_use timestamptz, OUT last_use timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_captured_statements';
COMMENT ON FUNCTION guard.captured_statements() IS
'Which statements used which indexes, as captured, of all indexes at once; those of partitions under the topmost index where that is known. guard.index_statements has more, of one index. No row for anybody but members of pg_read_all_stats.';
REVOKE ALL ON FUNCTION guard.captured_statements() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.captured_statements() TO pg_read_all_stats;
-- example: SELECT index, count(*) AS statements, sum(uses) AS uses FROM guard.captured_statements() GROUP BY index;

CREATE FUNCTION guard.index_height(index oid) RETURNS int
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_index_height';
COMMENT ON FUNCTION guard.index_height(oid) IS
'Levels of a B-tree above its leaves, by its meta page; null where the index is locked, partitioned, or no B-tree.';
-- example: SELECT guard.index_height('auth.users_email_idx'::regclass);
REVOKE ALL ON FUNCTION guard.index_height(oid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.index_height(oid) TO pg_read_all_stats;

CREATE FUNCTION guard.captured_evidence(OUT index regclass, OUT evidence jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_captured_evidence';
COMMENT ON FUNCTION guard.captured_evidence() IS
'What is known of the use of each index, and of its table, in the form in which another server can believe it. No row for anybody but members of pg_read_all_stats.';
REVOKE ALL ON FUNCTION guard.captured_evidence() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.captured_evidence() TO pg_read_all_stats;
-- example: SELECT index, evidence -> 'uses' FROM guard.captured_evidence();

CREATE FUNCTION guard.captured_parameters(OUT queryid bigint, OUT number int, OUT role text, OUT type oid,
	OUT relation oid, OUT "column" int, OUT operator oid, OUT samples int, OUT nulls int, OUT nowhere int,
	OUT common int[], OUT deciles int[], OUT "distinct" float8, OUT measure text, OUT marks float8[], OUT matches int[])
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_captured_parameters';
COMMENT ON FUNCTION guard.captured_parameters() IS
'Where the values of statements'' parameters lay in the calls that were sampled: how often each of the most common values of the column was met, each tenth of its histogram, neither (nowhere), NULL. Number 0 is the statement itself: nowhere counts calls without a row, marks are the parameters that were NULL together, as bits, and common counts these. Of a pattern, matches are the places of the column''s statistics that the latest one matched: from 1 the most common values, from 101 the bounds of the histogram. No row for anybody but members of pg_read_all_stats.';
REVOKE ALL ON FUNCTION guard.captured_parameters() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.captured_parameters() TO pg_read_all_stats;
-- example: SELECT queryid, number, samples, nulls FROM guard.captured_parameters();

CREATE VIEW guard.protections WITH (security_barrier) AS
	SELECT p.table_schema, p.table_name, p.index_name, p.reason, p.protected_by, p.protected_at
	  FROM guard.protection p;
COMMENT ON VIEW guard.protections IS
'What guard.protect() registered: an index, or a table (index_name null) for all of its indexes.';
-- example: SELECT * FROM guard.protections;
GRANT SELECT ON guard.protections TO pg_read_all_stats;

CREATE VIEW guard.use_history WITH (security_barrier) AS
	SELECT k.relation_oid::pg_catalog.regclass AS relation, pg_catalog.min(k.first_use) AS first_use, pg_catalog.max(k.last_use) AS last_use,
		   pg_catalog.sum(k.uses)::bigint AS uses, pg_catalog.make_interval(secs => pg_catalog.max(k.longest_pause) / 1000000.0) AS longest_pause,
		   pg_catalog.max(k.days) AS days
	  FROM guard.home, guard.known_use k GROUP BY k.relation_oid;
COMMENT ON VIEW guard.use_history IS
'What captured statements made of each index and table, as the last snapshot wrote it down: uses in all, the longest pause between two, and days with use.';
-- example: SELECT * FROM guard.use_history ORDER BY last_use DESC;
GRANT SELECT ON guard.use_history TO pg_read_all_stats;

CREATE VIEW guard.use_by_hour WITH (security_barrier) AS
	SELECT k.relation_oid::pg_catalog.regclass AS relation, h.hour, h.hours, pg_catalog.sum(greatest(h.scans, h.uses))::bigint AS uses
	  FROM guard.home, guard.known_use k JOIN guard.hourly_use h ON h.relation_id = k.id GROUP BY k.relation_oid, h.hour, h.hours;
COMMENT ON VIEW guard.use_by_hour IS
'How often each index and table was used in an hour, or in a day (hours = 24) when that is more than 14 days ago. Only where there was any.';
-- example: SELECT * FROM guard.use_by_hour WHERE hour > now() - interval '1 day' ORDER BY uses DESC;
GRANT SELECT ON guard.use_by_hour TO pg_read_all_stats;

CREATE VIEW guard.evidence_spans WITH (security_barrier) AS
	SELECT e.source, e.since, COALESCE(e.until, e.seen_at) AS until, e.until IS NULL AS goes_on, e.began
	  FROM guard.home, guard.evidence_epoch e;
COMMENT ON VIEW guard.evidence_spans IS
'Spans of time for which the server''s counters, or capture, are unbroken, and why each began; what is between two is a gap.';
-- example: SELECT * FROM guard.evidence_spans ORDER BY source, since;
GRANT SELECT ON guard.evidence_spans TO pg_read_all_stats;

-- Patterns that statements compare columns with, each with the mark that codes
-- of the values have which it matches.
CREATE FUNCTION guard.profile_patterns(OUT queryid bigint, OUT number int, OUT relation oid, OUT "column" int, OUT matches int[], OUT mark text)
RETURNS SETOF record
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.queryid, p.number, p.relation, p."column", p.matches, '~' || chr(96 + p.n::int)
	  FROM (SELECT c.*, dense_rank() OVER (PARTITION BY c.relation, c."column" ORDER BY c.matches) AS n
			  FROM guard.captured_parameters() c WHERE c.measure = 'p' AND c.relation <> 0) p WHERE p.n <= 26;
END;
COMMENT ON FUNCTION guard.profile_patterns() IS
'Patterns that statements compare columns with, by what they match, and the mark that stands for it in codes: for guard.export_profile().';
REVOKE ALL ON FUNCTION guard.profile_patterns() FROM PUBLIC;

-- A text in which parameters have the types that their constants had, where
-- PREPARE may not find these itself.  It finds what it would have made of a
-- string, and what is compared with a column or goes into one; not what the
-- lexer tells of a number, nor that in ARRAY[...].
CREATE FUNCTION guard.profile_typed(query text, parameters jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	parts text[] := string_to_array(query, '"');		-- every second one is within quotes
	p record;
BEGIN
	IF query !~* '\marray\M' AND NOT parameters @> '[{"role": "other", "seen": true}]' THEN
		RETURN (query);
	END IF;
	FOR p IN
		-- 18 shows of ARRAY[1, 2] one element, and what was seen is all of it
		SELECT x.number, CASE WHEN a.a THEN replace(x.type, '[]', '') ELSE x.type END AS type
		  FROM jsonb_to_recordset(parameters) x (number text, role text, type text, seen boolean),
			   LATERAL (SELECT query ~* ('\marray\s*\[[^]]*\$' || x.number || '\M') AS a) a
		 WHERE x.seen AND (a.a OR x.role = 'other') AND CASE WHEN a.a THEN replace(x.type, '[]', '') ELSE x.type END IN ('integer', 'bigint', 'numeric', 'boolean')
	LOOP
		FOR i IN 1 .. cardinality(parts) BY 2 LOOP
			parts[i] := regexp_replace(parts[i], '(?<![A-Za-z0-9_$])(?<![cC][aA][sS][tT]\()\$' || p.number || '(?![0-9])(?!\s*::)', format('CAST($%s AS %s)', p.number, p.type), 'g');
		END LOOP;
	END LOOP;
	RETURN array_to_string(parts, '"');
END
$function$;
COMMENT ON FUNCTION guard.profile_typed(text, jsonb) IS
'A text of a profile in which parameters have their types where PREPARE would not find them: for guard.export_profile().';
REVOKE ALL ON FUNCTION guard.profile_typed(text, jsonb) FROM PUBLIC;

-- What statements' parameters are and where their values lay, where that was
-- seen: what the text did not say of them is taken from there as well.  Of
-- several query identifiers of a text, that which was sampled most.
CREATE FUNCTION guard.profile_positions(statements jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET enable_nestloop = off
BEGIN ATOMIC
	WITH known AS MATERIALIZED (
		SELECT c.*, (SELECT sum(u) FROM unnest(c.common || c.deciles) u) + c.nowhere AS placed FROM guard.captured_parameters() c
	), statement AS (
		SELECT s.s, s.n FROM jsonb_array_elements(statements) WITH ORDINALITY s (s, n)
	), chosen AS (
		SELECT DISTINCT ON (s.n, k.number) s.n, k.* FROM statement s, jsonb_array_elements_text(s.s -> 'query_ids') q (id) JOIN known k ON k.queryid = q.id::bigint
		 ORDER BY s.n, k.number, k.samples DESC, k.queryid
	), whole AS (
		SELECT c.n, jsonb_strip_nulls(jsonb_build_object('empty', guard.profile_digits(c.nowhere::float8 / c.samples, 4), 'null_together', (
				SELECT jsonb_agg(jsonb_build_object('share', guard.profile_digits(u.count::float8 / c.samples, 4),
							'parameters', (SELECT jsonb_agg(b + 1 ORDER BY b) FROM generate_series(0, 31) b WHERE u.mark::bigint >> b & 1 = 1)) ORDER BY u.count DESC, u.mark)
				  FROM unnest(c.common, c.marks) u (count, mark) WHERE u.count > 0))) AS facts
		  FROM chosen c WHERE c.number = 0
	), position AS (
		SELECT c.n, c.number, jsonb_strip_nulls(jsonb_build_object('samples', c.samples, 'null', guard.profile_digits(c.nulls::float8 / c.samples, 4),
				   'distinct', guard.profile_digits(c.distinct, 2),
				   'pattern', CASE WHEN o.oprname ~ '^!?~\*?$' THEN m.mark WHEN o.oprname ~ '^!?~~' THEN '%' || m.mark || '%' WHEN o.oprname = '?' THEN m.mark
								  WHEN o.oprname = '@>' THEN '{"' || m.mark || '": 1}' END)) ||
			   CASE WHEN c.placed > 0 THEN jsonb_strip_nulls(jsonb_build_object('none', CASE WHEN y.typcategory <> 'A' THEN guard.profile_digits(c.nowhere::float8 / (c.placed + c.nulls), 4) END,
				   CASE y.typcategory WHEN 'A' THEN 'elements' ELSE 'mcv' END, (SELECT jsonb_agg(guard.profile_digits(u.count::float8 / (c.placed + c.nulls), 4) ORDER BY u.n) FROM unnest(c.common) WITH ORDINALITY u (count, n)
							WHERE u.n <= (SELECT max(l.n) FROM unnest(c.common) WITH ORDINALITY l (count, n) WHERE l.count > 0)),
				   'deciles', (SELECT jsonb_agg(guard.profile_digits(u.count::float8 / (c.placed + c.nulls), 4) ORDER BY u.n) FROM unnest(c.deciles) WITH ORDINALITY u (count, n)
								HAVING max(u.count) > 0))) ELSE '{}' END ||
			   CASE WHEN c.marks <> '{}' AND (c.measure <> 'p' OR o.oprname ~ '~~') THEN jsonb_build_object(CASE c.measure WHEN 'a' THEN 'age' WHEN 'w' THEN 'width' WHEN 'l' THEN 'list' WHEN 'p' THEN 'prefix' ELSE 'value' END,
				   (SELECT jsonb_agg(guard.profile_digits(q.q, 2) ORDER BY q.n) FROM unnest(
						(SELECT percentile_disc(ARRAY(SELECT i / greatest(least(cardinality(c.marks) - 1, 20.0), 1) FROM generate_series(0, least(cardinality(c.marks) - 1, 20)) i))
								WITHIN GROUP (ORDER BY m) FROM unnest(c.marks) m)) WITH ORDINALITY q (q, n))) ELSE '{}' END AS position
		  FROM chosen c LEFT JOIN guard.profile_patterns() m ON m.queryid = c.queryid AND m.number = c.number LEFT JOIN pg_operator o ON o.oid = c.operator
		  LEFT JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.column LEFT JOIN pg_type y ON y.oid = COALESCE(a.atttypid, 'text'::regtype)
		 WHERE c.number > 0 AND c.samples > 0
	), parameter AS (
		SELECT s.n, jsonb_agg(CASE WHEN c.number IS NULL THEN p.p ELSE
				   -- what was seen is certain, what the text seems to say is not
				   jsonb_build_object('type', format_type(NULLIF(c.type, 'unknown'::regtype), NULL)) || p.p ||
				   jsonb_strip_nulls(jsonb_build_object('role', CASE WHEN r.relname IS NOT NULL AND p.p ->> 'role' NOT IN ('list', 'assigned', 'inserted') THEN 'compared' END,
					   'schema', x.nspname, 'table', r.relname, 'column', a.attname, 'operator', CASE WHEN p.p ? 'operator' THEN NULL ELSE o.oprname END)) ||
				   jsonb_strip_nulls(jsonb_build_object('seen', true, 'position', t.position)) END ORDER BY p.i) AS parameters
		  FROM statement s CROSS JOIN jsonb_array_elements(s.s -> 'parameters') WITH ORDINALITY p (p, i)
		  LEFT JOIN chosen c ON c.number = (p.p ->> 'number')::int AND c.n = s.n
		  LEFT JOIN position t ON t.number = c.number AND t.n = c.n
		  LEFT JOIN pg_operator o ON o.oid = c.operator
		  LEFT JOIN pg_class r ON r.oid = c.relation LEFT JOIN pg_namespace x ON x.oid = r.relnamespace
		  LEFT JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.column
		 GROUP BY s.n
	)
	SELECT COALESCE(jsonb_agg(s.s || COALESCE(w.facts, '{}') || CASE WHEN p.parameters IS NULL THEN '{}' ELSE jsonb_build_object('text', guard.profile_typed(s.s ->> 'text', p.parameters), 'parameters', (
			SELECT jsonb_agg(jsonb_strip_nulls(e) - 'seen' ORDER BY i) FROM jsonb_array_elements(p.parameters) WITH ORDINALITY e (e, i))) END ORDER BY s.n), '[]')
	  FROM statement s LEFT JOIN whole w USING (n) LEFT JOIN parameter p USING (n);
END;
COMMENT ON FUNCTION guard.profile_positions(jsonb) IS
'Statements of a profile with what was seen of their parameters: for guard.export_profile().';
REVOKE ALL ON FUNCTION guard.profile_positions(jsonb) FROM PUBLIC;

CREATE FUNCTION guard.export_profile(literals text DEFAULT 'none') RETURNS jsonb
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET jit = off
SET enable_nestloop = off SET enable_mergejoin = off SET work_mem = '64MB'	-- nobody knows how long what is joined here is
AS $function$
DECLARE
	document jsonb;
	facts jsonb;
	tables jsonb;
	used jsonb;
BEGIN
	IF literals IS NULL OR literals NOT IN ('none', 'all') THEN
		RAISE EXCEPTION 'literals must be none or all' USING ERRCODE = 'invalid_parameter_value';
	ELSIF literals = 'all' AND current_setting('is_superuser') <> 'on' THEN
		RAISE EXCEPTION 'permission denied to export values of the data' USING ERRCODE = 'insufficient_privilege',
			HINT = 'Leave literals out: what is exported then has codes in place of values.';
	ELSIF literals = 'all' THEN
		RAISE WARNING 'this profile holds values of the data'
			USING HINT = 'Keep it where the data may be, or export it without literals.';
	END IF;
	-- where no capture tells that it was an EXPLAIN, to read an index would look like use of it
	document := guard.profile_document(literals, 'guard ' || (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'guard'),
		EXISTS (SELECT FROM guard.status() s WHERE s.item = 'capture' AND s.state !~ '^(not available|off)'),
		(SELECT COALESCE(jsonb_agg(DISTINCT jsonb_build_object('rel', p.relation, 'att', p."column", 'mark', p.mark, 'matches', p.matches)), '[]') FROM guard.profile_patterns() p));

	-- what is known of each index
	WITH known AS (
		SELECT f.table_schema, f.index_name, jsonb_strip_nulls(jsonb_build_object('verdict', f.verdict, 'reason', f.reason,
				   'redundant_with', f.redundant_with, 'keep_instead', f.keep_instead, 'last_use', to_jsonb(f.last_use),
				   'scans_per_day', guard.profile_digits(f.scans_per_day, 4), 'scans_in_busiest_hour', f.hour_peak,
				   'predicted_connections', guard.profile_digits(f.predicted_connections, 4), 'hidden', NULLIF(f.hidden, false), 'created', to_jsonb(f.created_at),
				   'first_use', to_jsonb(h.first_use), 'uses', h.uses, 'days_with_use', h.days, 'longest_pause', extract(epoch FROM h.longest_pause)::bigint,
				   'protected', (SELECT jsonb_build_object('reason', p.reason, 'by', p.protected_by) FROM guard.protections p
								  WHERE p.table_schema = f.table_schema AND p.table_name = f.table_name AND p.index_name = f.index_name LIMIT 1),
				   'services', (
						SELECT jsonb_agg(d - '{deployed_version,registered_by,registered_at}'::text[] - CASE d ->> 'registered' WHEN 'false' THEN 'registered' ELSE '' END
								ORDER BY d ->> 'service' COLLATE "C") FROM jsonb_array_elements(f.dependencies) d))) AS facts
		  FROM guard.index_facts f
		  LEFT JOIN guard.use_history h ON h.relation = f.index
	), evidence AS MATERIALIZED (
		SELECT n.nspname, c.relname, t.relname AS table_name, e.evidence, x.indexrelid::bigint = min(x.indexrelid::bigint) OVER (PARTITION BY x.indrelid) AS first
		  FROM guard.captured_evidence() e JOIN pg_index x ON x.indexrelid = e.index JOIN pg_class c ON c.oid = x.indexrelid
		  JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
	), seen AS (
		SELECT e.nspname, e.table_name, e.relname, jsonb_strip_nulls(jsonb_build_object('as_of', e.evidence -> 'as_of', 'unread', e.evidence -> 'unread', 'uses',
				   (SELECT jsonb_agg(u || jsonb_build_object('source', regexp_replace(u ->> 'source', '^table ', ''))) FROM jsonb_array_elements(e.evidence -> 'uses') u
					 WHERE starts_with(u ->> 'source', 'table ') = w.of_table))) ||
			   jsonb_strip_nulls(CASE WHEN w.of_table THEN jsonb_build_object('aimed_at', e.evidence -> 'aimed_at', 'last_write', e.evidence -> 'last_write',
										'attached', e.evidence -> 'attached', 'detached', e.evidence -> 'detached')
									  ELSE jsonb_build_object('what_if', e.evidence -> 'what_if', 'load_without', e.evidence -> 'load_without') END) AS evidence, w.of_table
		  FROM evidence e, (VALUES (false), (true)) w (of_table) WHERE e.first OR NOT w.of_table
	), protected AS (
		SELECT p.table_schema, p.table_name, p.index_name, jsonb_build_object('reason', p.reason, 'by', p.protected_by) AS facts FROM guard.protections p
	)
	SELECT (SELECT COALESCE(jsonb_agg(i.e || jsonb_strip_nulls(jsonb_build_object('use', k.facts, 'evidence', s.evidence, 'height', CASE WHEN i.e ->> 'method' = 'btree' AND NOT i.e ? 'locked' THEN
					guard.index_height((SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = i.e ->> 'schema' AND c.relname = i.e ->> 'name')) END)) ORDER BY i.n), '[]')
			  FROM jsonb_array_elements(document -> 'indexes') WITH ORDINALITY i (e, n)
			  LEFT JOIN known k ON k.table_schema = i.e ->> 'schema' AND k.index_name = i.e ->> 'name'
			  LEFT JOIN seen s ON s.nspname = i.e ->> 'schema' AND s.relname = i.e ->> 'name' AND NOT s.of_table),
		   (SELECT COALESCE(jsonb_agg(r.e || jsonb_strip_nulls(jsonb_build_object('evidence', s.evidence, 'protected', p.facts)) ORDER BY r.n), '[]')
			  FROM jsonb_array_elements(document -> 'relations') WITH ORDINALITY r (e, n)
			  LEFT JOIN seen s ON s.nspname = r.e ->> 'schema' AND s.table_name = r.e ->> 'name' AND s.of_table
			  LEFT JOIN protected p ON p.table_schema = r.e ->> 'schema' AND p.table_name = r.e ->> 'name' AND p.index_name IS NULL)
	  INTO facts, tables;

	-- and of each statement: indexes that it uses, what it would cost without, and its peak hour
	WITH captured AS MATERIALIZED (
		SELECT c.index, c.queryid, c.uses FROM guard.captured_statements() c JOIN pg_index i ON i.indexrelid = c.index
	), planned AS (
		SELECT DISTINCT ON (w.queryid, x.index) w.queryid, x.index, jsonb_strip_nulls(jsonb_build_object('cost', guard.profile_digits(w.cost, 4),
				   'cost_without', guard.profile_digits(w.cost_without, 4), 'rows', guard.profile_digits(w.rows, 4), 'rows_without', guard.profile_digits(w.rows_without, 4),
				   'instead', w.instead::text, 'whole_table', NULLIF(w.seq_scan, false), 'generic', NULLIF(w.generic, false))) AS facts
		  FROM (SELECT DISTINCT c.index FROM captured c) x, LATERAL guard.what_if(x.index) w ORDER BY w.queryid, x.index, w.at DESC
	), per_index AS (
		SELECT c.queryid, jsonb_agg(jsonb_strip_nulls(jsonb_build_object('schema', n.nspname, 'name', r.relname, 'uses', c.uses, 'without', p.facts))
									ORDER BY n.nspname COLLATE "C", r.relname COLLATE "C") AS indexes
		  FROM captured c JOIN pg_class r ON r.oid = c.index JOIN pg_namespace n ON n.oid = r.relnamespace
		  LEFT JOIN planned p ON p.queryid = c.queryid AND p.index = c.index
		 GROUP BY c.queryid
	), peak AS (
		SELECT h.queryid, h.calls, h.total_time, h.rows,
			   greatest(extract(epoch FROM least(h.hour + interval '1 hour', clock_timestamp()) - h.hour), 1)::float8 AS seconds
		  FROM guard.peak_hour h
	), statement AS MATERIALIZED (
		SELECT s.e, s.n FROM jsonb_array_elements(document -> 'statements') WITH ORDINALITY s (e, n)
	), of_id AS MATERIALIZED (
		SELECT s.n, q.q::bigint AS queryid FROM statement s, jsonb_array_elements_text(s.e -> 'query_ids') q (q)
	), used_by AS (
		SELECT o.n, jsonb_agg(i ORDER BY i ->> 'schema' COLLATE "C", i ->> 'name' COLLATE "C") AS indexes
		  FROM of_id o JOIN per_index x USING (queryid), jsonb_array_elements(x.indexes) i GROUP BY o.n
	), in_peak AS (
		SELECT o.n, jsonb_build_object('calls_per_second', guard.profile_digits(sum(p.calls)::float8 / max(p.seconds), 4),
				   'mean_time', guard.profile_digits(sum(p.total_time) / sum(p.calls)::float8, 4), 'rows_per_call', guard.profile_digits((sum(p.rows) / sum(p.calls))::float8, 4)) AS peak
		  FROM of_id o JOIN peak p USING (queryid) GROUP BY o.n HAVING sum(p.calls) > 0
	)
	SELECT COALESCE(jsonb_agg(s.e || jsonb_strip_nulls(jsonb_build_object('indexes', u.indexes, 'peak', p.peak)) ORDER BY s.n), '[]') INTO used
	  FROM statement s LEFT JOIN used_by u USING (n) LEFT JOIN in_peak p USING (n);
	document := document - '{indexes,relations,statements}'::text[];

	IF pg_is_in_recovery() THEN
		document := document || jsonb_build_object('node', guard.node_report());
	END IF;
	RETURN document || jsonb_build_object('indexes', facts, 'relations', tables, 'statements', guard.profile_positions(used), 'guard', jsonb_strip_nulls(jsonb_build_object(
		'mode', current_setting('guard.mode'),
		'min_evidence_age', extract(epoch FROM current_setting('guard.min_evidence_age')::interval)::bigint,
		'evidence', (SELECT COALESCE(jsonb_agg(to_jsonb(e) ORDER BY e.source COLLATE "C", e.since), '[]') FROM guard.evidence_spans e),
		'peak_hour', (SELECT to_jsonb(min(p.hour)) FROM guard.peak_hour p),
		'deployments', (SELECT COALESCE(jsonb_agg(jsonb_build_object('service', d.service, 'version', d.version, 'reported', to_jsonb(d.reported_at))
										ORDER BY d.service COLLATE "C"), '[]') FROM guard.deployments d WHERE d.current))));
END
$function$;
COMMENT ON FUNCTION guard.export_profile(text) IS
'What this server knows, as one document (format guard/profile/1, doc/profile.md): relations with their sizes and statistics, indexes with their use, statements with their rates. No value of the data is in it: codes stand in their place; with literals => ''all'', for superusers, the values of the statistics. Takes no lock that waits: of what is locked it has what the catalogs say. For members of pg_read_all_stats; who is not one of pg_read_all_data as well gets statistics of his own tables only, and the member missing says so. Raises 22023 for other literals, 42501 where they are not for the caller.';
-- example: SELECT guard.export_profile() -> 'server' ->> 'version';
REVOKE ALL ON FUNCTION guard.export_profile(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.export_profile(text), guard.profile_document(text, text, boolean, jsonb), guard.profile_ends(oid, name[]),
	guard.profile_kinds(), guard.profile_codes(text, int[], text[], int[], numeric[], int[], text[], boolean[], int[], text[], timestamptz),
	guard.profile_digits(double precision, int), guard.profile_scan(text), guard.profile_positions(jsonb), guard.profile_typed(text, jsonb), guard.profile_patterns() TO pg_read_all_stats;
