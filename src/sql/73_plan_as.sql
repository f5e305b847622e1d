-- Plans of another server: what its profile says of a table, as the planner can
-- be told it (guard.plan_as).  Called by the library while it explains.

CREATE FUNCTION guard.plan_profile(source text, OUT imported_at timestamptz,
	OUT exported_at timestamptz, OUT version int, OUT settings text[])
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT p.imported_at, p.exported_at, (p.server ->> 'version_number')::int / 10000,
		   ARRAY(SELECT u.u FROM jsonb_each_text(p.server -> 'settings') s, unnest(ARRAY[s.key, s.value]) WITH ORDINALITY u (u, n) ORDER BY s.key COLLATE "C", u.n)
	  FROM guard.profile p WHERE p.source = plan_profile.source;
END;
COMMENT ON FUNCTION guard.plan_profile(text) IS
'The server that an imported profile is of, for plans like its.';
REVOKE ALL ON FUNCTION guard.plan_profile(text) FROM PUBLIC;

-- By OID, as import found them; what was created anew since by its name.
CREATE FUNCTION guard.plan_sizes(source text, heap oid, OUT relation oid,
	OUT pages float8, OUT tuples float8, OUT all_visible float8, OUT height int, OUT remark text)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	(SELECT c.oid, r.pages::float8, r.tuples, r.all_visible::float8, NULL::int,
			concat_ws(E'\n', (SELECT 'table ' || c.relname || ' has partitions there that are not here: ' || string_agg(o.table_name, ', ' ORDER BY o.table_name)
			   FROM guard.profile_relation o
			  WHERE c.relkind = 'p' AND o.source = r.source AND o.parents @> jsonb_build_array(jsonb_build_object('schema', n.nspname, 'name', c.relname))
				AND NOT EXISTS (SELECT FROM pg_class h JOIN pg_namespace s ON s.oid = h.relnamespace WHERE h.relname = o.table_name AND s.nspname = o.table_schema)),
				(SELECT 'extended statistics of table ' || c.relname || ' are not in a profile' WHERE EXISTS (SELECT FROM pg_statistic_ext x WHERE x.stxrelid = c.oid)))
	   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	   JOIN guard.profile_relation r ON r.source = plan_sizes.source AND (r.relation_oid = c.oid OR r.table_name = c.relname AND r.table_schema = n.nspname)
	  WHERE c.oid = heap ORDER BY r.relation_oid = c.oid DESC LIMIT 1)
	UNION ALL
	(SELECT DISTINCT ON (c.oid) c.oid, x.pages::float8, x.tuples, x.all_visible::float8, (x.document ->> 'height')::int, NULL
	   FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
	   JOIN guard.profile_index x ON x.source = plan_sizes.source
		AND (x.index_oid = c.oid OR x.table_name = t.relname AND x.table_schema = n.nspname AND x.index_name = c.relname)
	  WHERE i.indrelid = heap ORDER BY c.oid, x.index_oid = c.oid DESC);
END;
COMMENT ON FUNCTION guard.plan_sizes(text, oid) IS
'How large a table and its indexes are on the server that an imported profile is of.';
REVOKE ALL ON FUNCTION guard.plan_sizes(text, oid) FROM PUBLIC;

CREATE FUNCTION guard.plan_statistics(source text, heap oid, OUT relation oid, OUT attnum int2,
	OUT inherited boolean, OUT null_fraction float4, OUT width int, OUT "distinct" float4,
	OUT correlation float4, OUT frequencies float4[], OUT common text[], OUT histogram text[],
	OUT ends_from_index boolean, OUT elements text[], OUT element_frequencies float4[],
	OUT element_counts float4[], OUT no_code text)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
BEGIN ATOMIC
	WITH known AS (
		(SELECT c.oid, r.columns
		   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		   JOIN guard.profile_relation r ON r.source = plan_statistics.source AND (r.relation_oid = c.oid OR r.table_name = c.relname AND r.table_schema = n.nspname)
		  WHERE c.oid = heap ORDER BY r.relation_oid = c.oid DESC LIMIT 1)
		UNION ALL
		(SELECT DISTINCT ON (c.oid) c.oid, x.columns
		   FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
		   JOIN guard.profile_index x ON x.source = plan_statistics.source
			AND (x.index_oid = c.oid OR x.table_name = t.relname AND x.table_schema = n.nspname AND x.index_name = c.relname)
		  WHERE i.indrelid = heap ORDER BY c.oid, x.index_oid = c.oid DESC)
	), statistic AS (
		SELECT k.oid, a.attnum, i.i = 'with_children' AS inherited, s.value -> i.i AS s,
			   t.oid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) AS in_time, p.exported_at
		  FROM guard.profile p, known k, jsonb_each(k.columns) s, (VALUES ('own'), ('with_children')) i (i), pg_attribute a, pg_type o, pg_type t
		 WHERE p.source = plan_statistics.source AND s.value ? i.i
		   AND a.attrelid = k.oid AND a.attname = s.key AND a.attnum > 0 AND NOT a.attisdropped
		   AND o.oid = a.atttypid AND t.oid = CASE o.typtype WHEN 'd' THEN o.typbasetype ELSE o.oid END
	)
	SELECT s.oid, s.attnum, s.inherited, (s.s ->> 'null_fraction')::float4, (s.s ->> 'width')::int, (s.s ->> 'distinct')::float4,
		   (s.s ->> 'correlation')::float4, ARRAY(SELECT f::float4 FROM jsonb_array_elements_text(s.s -> 'frequencies') f), v.common, v.histogram,
		   COALESCE((s.s ->> 'ends_from_index')::boolean, false),
		   ARRAY(SELECT jsonb_array_elements_text(s.s -> 'elements')),
		   ARRAY(SELECT f::float4 FROM jsonb_array_elements_text(s.s -> 'element_frequencies') f),
		   ARRAY(SELECT f::float4 FROM jsonb_array_elements_text(s.s -> 'element_counts') f), s.s ->> 'no_code'
	  FROM statistic s,
		   -- times are seconds from the export, unless the values themselves are there
		   LATERAL (SELECT array_agg(CASE WHEN s.in_time AND w.w ~ '^-?\d+(\.\d+)?$' THEN (s.exported_at + make_interval(secs => w.w::float8))::text ELSE w.w END ORDER BY w.n)
							   FILTER (WHERE w.is_common) AS common,
						   array_agg(CASE WHEN s.in_time AND w.w ~ '^-?\d+(\.\d+)?$' THEN (s.exported_at + make_interval(secs => w.w::float8))::text ELSE w.w END ORDER BY w.n)
							   FILTER (WHERE NOT w.is_common) AS histogram
					  FROM (SELECT true AS is_common, c.* FROM jsonb_array_elements_text(s.s -> 'common') WITH ORDINALITY c (w, n)
							UNION ALL SELECT false, h.* FROM jsonb_array_elements_text(s.s -> 'histogram') WITH ORDINALITY h (w, n)) w) v;
END;
COMMENT ON FUNCTION guard.plan_statistics(text, oid) IS
'The statistics of a table and of its indexes on the server that an imported profile is of.';
REVOKE ALL ON FUNCTION guard.plan_statistics(text, oid) FROM PUBLIC;
