-- Importing a profile.  It may come with a pull request, so it is taken for
-- nothing but what it says of a server: every member is held against the
-- schema of the format, and texts are stored, never run.

CREATE FUNCTION guard.profile_schema() RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $function$ SELECT $schema$
@PROFILE_SCHEMA@
$schema$::jsonb $function$;
COMMENT ON FUNCTION guard.profile_schema() IS
'The JSON schema of the format guard/profile/1 (doc/profile.schema.json).';
-- example: SELECT guard.profile_schema() ->> 'title';
REVOKE ALL ON FUNCTION guard.profile_schema() FROM PUBLIC;

-- What in a value is not as the schema says, with its path; null: all is.  So
-- much of JSON schema as ours has.
CREATE FUNCTION guard.profile_complaint(value jsonb, schema jsonb, path text DEFAULT '$', definitions jsonb DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	is_a constant text := jsonb_typeof(value);
	figure constant numeric := CASE is_a WHEN 'number' THEN (value #>> '{}')::numeric END;
	should_be text;
	word text;
	member record;
	complaint text;
BEGIN
	IF schema ? '$ref' THEN
		schema := definitions -> split_part(schema ->> '$ref', '/', 3);
	END IF;
	should_be := schema ->> 'type';
	IF schema ? 'const' AND value <> schema -> 'const' THEN
		RETURN format('%s must be %s', path, schema -> 'const');
	ELSIF schema ? 'enum' AND NOT (schema -> 'enum') @> jsonb_build_array(value) THEN
		RETURN format('%s must be one of %s', path, schema -> 'enum');
	ELSIF should_be = 'integer' AND (is_a <> 'number' OR trunc(figure) <> figure) OR should_be <> 'integer' AND is_a <> should_be THEN
		RETURN format('%s must be of type %s', path, should_be);
	ELSIF abs(figure) > (CASE should_be WHEN 'integer' THEN 9e18 ELSE 1e300 END) THEN
		RETURN format('%s is out of range', path);
	ELSIF figure < (schema ->> 'minimum')::numeric THEN
		RETURN format('%s must be at least %s', path, schema ->> 'minimum');
	ELSIF figure > (schema ->> 'maximum')::numeric THEN
		RETURN format('%s must be at most %s', path, schema ->> 'maximum');
	ELSIF is_a = 'string' THEN
		word := value #>> '{}';
		IF word !~ COALESCE(schema ->> 'pattern', '') THEN
			RETURN format('%s does not have the form %s', path, schema ->> 'pattern');
		ELSIF schema ->> 'format' = 'date-time' AND word !~ '^(19|2\d)\d\d-(0[1-9]|1[012])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d[.+Z]' THEN
			BEGIN
				complaint := CASE WHEN word::timestamptz NOT BETWEEN '1900-01-01' AND '2999-01-01' THEN word END;
			EXCEPTION WHEN data_exception THEN
				complaint := word;
			END;
			IF complaint IS NOT NULL THEN
				RETURN format('%s is no point in time', path);
			END IF;
		END IF;
	ELSIF is_a = 'object' THEN
		SELECT r.name INTO word FROM jsonb_array_elements_text(schema -> 'required') r (name) WHERE NOT value ? r.name LIMIT 1;
		IF FOUND THEN
			RETURN format('%s lacks member %s', path, to_json(word));
		END IF;
		FOR member IN
			SELECT m.key, m.value, COALESCE(schema -> 'properties' -> m.key, schema -> 'additionalProperties') AS schema FROM jsonb_each(value) m
		LOOP
			complaint := CASE WHEN member.schema = 'false' THEN format('%s has member %s, which the format does not know', path, to_json(member.key))
				ELSE guard.profile_complaint(member.value, member.schema,
					path || CASE WHEN member.key ~ '^[a-z_]+$' THEN '.' || member.key ELSE format('[%s]', to_json(member.key)) END, definitions) END;
			EXIT WHEN complaint IS NOT NULL;
		END LOOP;
	ELSIF is_a = 'array' THEN
		IF jsonb_array_length(value) < (schema ->> 'minItems')::int THEN
			RETURN format('%s must have %s elements or more', path, schema ->> 'minItems');
		END IF;
		-- one by one only where there is more to look at than the type
		FOR member IN
			SELECT e.value, e.n - 1 AS n FROM jsonb_array_elements(value) WITH ORDINALITY e (value, n)
			 WHERE NOT (schema -> 'items' ->> 'type' IN ('string', 'number') AND (schema -> 'items') - 'type' = '{}'
						AND jsonb_typeof(e.value) = schema -> 'items' ->> 'type'
						AND (jsonb_typeof(e.value) <> 'number' OR length(e.value #>> '{}') < 100))
		LOOP
			complaint := guard.profile_complaint(member.value, schema -> 'items', format('%s[%s]', path, member.n), definitions);
			EXIT WHEN complaint IS NOT NULL;
		END LOOP;
	END IF;
	RETURN complaint;
END
$function$;
COMMENT ON FUNCTION guard.profile_complaint(jsonb, jsonb, text, jsonb) IS
'What in a JSON value is not as a JSON schema says, with its path; null where all is.';
REVOKE ALL ON FUNCTION guard.profile_complaint(jsonb, jsonb, text, jsonb) FROM PUBLIC;

-- An index's definition without its names; null where it is another's.
CREATE FUNCTION guard.profile_shape(definition text, is_unique boolean, index_name text, table_schema text, table_name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN starts_with(definition, p.p) THEN is_unique::text || ' ' || replace(substr(definition, length(p.p) + 1), format('%I.', table_schema), '') END
	  FROM (VALUES (format('CREATE %sINDEX %I ON %I.%I ', CASE WHEN is_unique THEN 'UNIQUE ' END, index_name, table_schema, table_name)),
				   (format('CREATE %sINDEX %I ON ONLY %I.%I ', CASE WHEN is_unique THEN 'UNIQUE ' END, index_name, table_schema, table_name))) p (p)
	 ORDER BY starts_with(definition, p.p) DESC LIMIT 1;
END;
COMMENT ON FUNCTION guard.profile_shape(text, boolean, text, text, text) IS
'An index''s definition without its name and its table''s, to compare those of different servers.';
REVOKE ALL ON FUNCTION guard.profile_shape(text, boolean, text, text, text) FROM PUBLIC;

CREATE FUNCTION guard.forget_profile(source text) RETURNS boolean
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	DELETE FROM guard.profile_relation p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_index p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_statement p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_plan p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_fact p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_without p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_load p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_protection p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_dependency p WHERE p.source = forget_profile.source;
	DELETE FROM guard.profile_deployment p WHERE p.source = forget_profile.source;
	WITH gone AS (DELETE FROM guard.profile p WHERE p.source = forget_profile.source RETURNING p.source)
	SELECT count(*) > 0 FROM gone;
END;
COMMENT ON FUNCTION guard.forget_profile(text) IS
'Take back guard.import_profile(): nothing of that source counts any more. Returns whether there was any.';
-- example: SELECT guard.forget_profile('prod');
REVOKE ALL ON FUNCTION guard.forget_profile(text) FROM PUBLIC;

CREATE FUNCTION guard.profile_rebuilt(old oid, successor oid) RETURNS void
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	UPDATE guard.profile_fact p SET relation_oid = successor WHERE p.relation_oid = old;
	UPDATE guard.profile_index p SET index_oid = successor WHERE p.index_oid = old;
	UPDATE guard.profile_load p SET index_oid = successor WHERE p.index_oid = old;
	UPDATE guard.profile_without p SET index_oid = CASE p.index_oid WHEN old THEN successor ELSE p.index_oid END,
		   beside = array_replace(p.beside, old, successor), takeovers = array_replace(p.takeovers, old, successor)
	 WHERE p.beside @> ARRAY[old];
END;
COMMENT ON FUNCTION guard.profile_rebuilt(oid, oid) IS
'An index that a profile knows was rebuilt: what the profile says of it goes along. Called by the library.';
REVOKE ALL ON FUNCTION guard.profile_rebuilt(oid, oid) FROM PUBLIC;

-- After a cut-over: what the old server knew counts for a week, and until this one has watched for as long as its own word takes.
CREATE FUNCTION guard.forget_predecessors() RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT guard.forget_profile(p.source) FROM guard.profile p
	 WHERE p.predecessor AND least(p.exported_at, p.imported_at) < clock_timestamp() - interval '7 days'
	   AND EXISTS (SELECT FROM guard.evidence_spans e
					WHERE e.source = 'capture' AND e.goes_on AND e.since <= clock_timestamp() - current_setting('guard.min_evidence_age')::interval);
END;
COMMENT ON FUNCTION guard.forget_predecessors() IS
'Forget the profiles of servers whose place this one has taken, once it knows enough of its own: part of a snapshot.';
REVOKE ALL ON FUNCTION guard.forget_predecessors() FROM PUBLIC;

-- Find here what profiles know by name: all of one source, or else the table
-- and its indexes in all of them, which may have been made after the import.
-- What has been found once stays with its OID, until that is gone.  False:
-- there was nothing to be found.
CREATE FUNCTION guard.place_profiles(source text, heap oid) RETURNS boolean
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET jit = off
AS $function$
#variable_conflict use_column
DECLARE
	-- nobody waits for who is at it already
	sources constant text[] := ARRAY(SELECT p.source FROM guard.profile p WHERE p.source = COALESCE(place_profiles.source, p.source) FOR UPDATE SKIP LOCKED);
	of_name constant name := (SELECT c.relname FROM pg_class c WHERE c.oid = heap);
	in_schema constant name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = heap);
	tables oid[];
BEGIN
	UPDATE guard.profile_relation r SET relation_oid = c.oid
	  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	 WHERE r.source = ANY (sources) AND (of_name IS NULL OR r.table_name = of_name AND r.table_schema = in_schema)
	   AND n.nspname = r.table_schema AND c.relname = r.table_name AND c.relkind IN ('r', 'p', 'm')
	   AND NOT EXISTS (SELECT FROM pg_class o WHERE o.oid = r.relation_oid);

	-- indexes by name, then by what they are made of, since names may be generated
	WITH given AS (
		SELECT i.source, i.ctid AS n, i.index_name, i.table_schema, i.table_name, i.definition, i.document ? 'unique' AS is_unique, r.relation_oid
		  FROM guard.profile_index i JOIN guard.profile_relation r ON r.source = i.source AND r.table_schema = i.table_schema AND r.table_name = i.table_name
		 WHERE i.source = ANY (sources) AND (of_name IS NULL OR i.table_name = of_name AND i.table_schema = in_schema)
		   AND r.relation_oid <> 0 AND NOT EXISTS (SELECT FROM pg_class o WHERE o.oid = i.index_oid)
	), here AS (
		SELECT g.source, x.indexrelid, x.indrelid, c.relname, guard.profile_shape(pg_get_indexdef(x.indexrelid), x.indisunique, c.relname, n.nspname, t.relname) AS shape
		  FROM (SELECT DISTINCT g.source, g.relation_oid FROM given g) g JOIN pg_index x ON x.indrelid = g.relation_oid
		  JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
		 WHERE NOT EXISTS (SELECT FROM guard.profile_index o WHERE o.source = g.source AND o.index_oid = x.indexrelid)
	), by_name AS (
		SELECT g.source, g.n, h.indexrelid FROM given g JOIN here h ON h.source = g.source AND h.indrelid = g.relation_oid AND h.relname = g.index_name
	), by_shape AS (
		SELECT g.source, g.n, h.indexrelid
		  FROM (SELECT g.*, row_number() OVER (PARTITION BY g.source, g.relation_oid, s.shape ORDER BY g.index_name) AS nth, s.shape FROM given g,
					   LATERAL (SELECT guard.profile_shape(g.definition, g.is_unique, g.index_name, g.table_schema, g.table_name) AS shape) s
				 WHERE NOT EXISTS (SELECT FROM by_name b WHERE b.n = g.n)) g
		  JOIN (SELECT h.*, row_number() OVER (PARTITION BY h.source, h.indrelid, h.shape ORDER BY h.relname) AS nth FROM here h
				 WHERE NOT EXISTS (SELECT FROM by_name b WHERE b.source = h.source AND b.indexrelid = h.indexrelid)) h
			ON h.source = g.source AND h.indrelid = g.relation_oid AND h.shape = g.shape AND h.nth = g.nth
	), placed AS (
		UPDATE guard.profile_index i SET index_oid = COALESCE(b.indexrelid, i.index_oid), table_oid = g.relation_oid
		  FROM given g LEFT JOIN (SELECT * FROM by_name UNION ALL SELECT * FROM by_shape) b USING (n) WHERE i.ctid = g.n
		RETURNING CASE WHEN b.indexrelid IS NOT NULL THEN g.relation_oid END AS relation
	)
	SELECT array_agg(DISTINCT p.relation) FILTER (WHERE p.relation IS NOT NULL) INTO tables FROM placed p;
	IF tables IS NULL AND heap IS NOT NULL THEN
		RETURN false;
	END IF;

	-- What is known of a partition that is not here goes to what it is a partition of.
	WITH RECURSIVE given AS (
		SELECT i.source, 'index' AS kind, i.table_schema, i.index_name AS name, i.index_oid AS oid, i.table_oid, i.document -> 'parent' AS parent,
			   i.document -> 'evidence' AS evidence, (i.document #>> '{use,scans_in_busiest_hour}')::float8 / 3600 AS peak
		  FROM guard.profile_index i WHERE i.source = ANY (sources)
		UNION ALL
		SELECT r.source, 'table', r.table_schema, r.table_name, r.relation_oid, r.relation_oid, r.parents -> 0, r.evidence, NULL
		  FROM guard.profile_relation r WHERE r.source = ANY (sources)
	), placed AS (
		SELECT g.*, 1 AS level FROM given g
		UNION ALL
		SELECT p.source, p.kind, p.table_schema, p.name, g.oid, g.table_oid, g.parent, p.evidence, p.peak, p.level + 1
		  FROM placed p JOIN given g ON g.source = p.source AND g.kind = p.kind AND g.table_schema = (p.parent ->> 'schema')::name AND g.name = (p.parent ->> 'name')::name
		 WHERE p.oid = 0 AND p.level < 10
	), use AS (
		SELECT p.*, u.u, f.imported_at - (p.evidence ->> 'as_of')::timestamptz + make_interval(secs => COALESCE((u.u ->> 'hidden_seconds')::float8, 0)) AS later
		  FROM placed p JOIN guard.profile f USING (source), jsonb_array_elements(p.evidence -> 'uses') u (u)
		 WHERE p.oid <> 0 AND NOT EXISTS (SELECT FROM guard.profile_fact k WHERE k.source = p.source AND k.relation_oid = p.oid)
	)
	INSERT INTO guard.profile_fact
	SELECT u.source, u.oid, CASE u.u ->> 'source' WHEN 'standby' THEN 'history' ELSE u.u ->> 'source' END, COALESCE(array_position('{arbiter,constraint,skip,group,defer,refresh}', u.u ->> 'way'), 0), u.u ->> 'seen',
		   (u.u ->> 'since')::timestamptz + u.later, (u.u ->> 'first')::timestamptz + u.later, (u.u ->> 'last')::timestamptz + u.later,
		   COALESCE((u.u ->> 'count')::bigint, 0),
		   greatest(COALESCE((u.u ->> 'per_second')::float8, 0), CASE WHEN u.u ->> 'source' = 'capture' AND NOT u.u ?| '{way,columns}' AND u.u ->> 'seen' = 'used' THEN u.peak END),
		   (u.u ->> 'longest_pause_seconds')::numeric * 1000000, COALESCE((u.u ->> 'statements')::int, 0), u.u ->> 'services',
		   COALESCE((u.u ->> 'not_observed_seconds')::bigint, 0) * 1000000, u.u ->> 'not_observed', COALESCE((u.u ->> 'known_uses')::bigint, 0),
		   (u.u ->> 'known_first')::timestamptz + u.later, COALESCE((u.u ->> 'days')::int, 0),
		   CASE u.u -> 'columns' WHEN '[]' THEN -1
				ELSE COALESCE((SELECT bit_or(1::bigint << (a.attnum - 1) % 63) FROM pg_attribute a
								WHERE a.attrelid = u.table_oid AND a.attnum > 0 AND u.u -> 'columns' ? a.attname::text), CASE WHEN u.u ? 'columns' THEN -1 ELSE 0 END) END,
		   u.u ? 'since_created', u.u ->> 'note',
		   (SELECT array_agg(t.t ORDER BY s.n, t.n) FROM jsonb_array_elements(u.u -> 'by_service') WITH ORDINALITY s (s, n),
				   unnest(ARRAY[s.s ->> 'service', COALESCE(s.s ->> 'version', ''), '0',
					   COALESCE(((extract(epoch FROM (s.s ->> 'last')::timestamptz + u.later) - 946684800) * 1000000)::bigint, 0)::text, s.s ->> 'count']) WITH ORDINALITY t (t, n)),
		   u.u ? 'by_service' AND NOT u.u ? 'others', u.evidence ? 'unread',
		   (SELECT array_agg(t.t ORDER BY v.n, t.n)
			  FROM jsonb_array_elements(jsonb_build_array(jsonb_build_object('last', u.u #> '{by,name}'), jsonb_build_object('name', '', 'last', u.u #> '{by,other_views}')) || (u.u #> '{by,views}'))
				   WITH ORDINALITY v (v, n),
				   unnest(ARRAY[CASE WHEN v.v ? 'name' THEN COALESCE((SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
																	   WHERE n.nspname = (v.v ->> 'schema')::name AND c.relname = (v.v ->> 'name')::name AND c.relkind = 'v'), 0)
									 WHEN v.v ? 'function_bodies' THEN 1255 ELSE 1 END::text, COALESCE(v.v ->> 'schema', ''), COALESCE(v.v ->> 'name', ''),
					   COALESCE(((extract(epoch FROM (v.v ->> 'last')::timestamptz + u.later) - 946684800) * 1000000)::bigint, 0)::text]) WITH ORDINALITY t (t, n)
			 WHERE v.n > 1 OR t.n = 4)
	  FROM use u;

	-- Without guard there were counters.
	INSERT INTO guard.profile_fact
	SELECT i.source, i.index_oid, 'counters', 0, CASE WHEN s.scans >= current_setting('guard.min_scans')::bigint THEN 'used' WHEN s.scans = 0 THEN 'not seen' ELSE 'unknown' END,
		   p.imported_at - (p.exported_at - (p.document ->> 'counting_since')::timestamptz), NULL, NULL, COALESCE(s.scans, 0), 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, 0, false,
		   CASE WHEN s.scans > 0 AND s.scans < current_setting('guard.min_scans')::bigint THEN 'too few scans to tell use from planning' END, NULL, false, false
	  FROM guard.profile_index i JOIN guard.profile p USING (source), LATERAL (SELECT (i.document ->> 'scans')::bigint AS scans) s
	 WHERE i.source = ANY (sources) AND i.index_oid <> 0 AND NOT i.document ? 'evidence' AND p.guard IS NULL
	   AND NOT EXISTS (SELECT FROM guard.profile_fact k WHERE k.source = i.source AND k.relation_oid = i.index_oid);

	-- with an index that is new here all plans of its table are others
	DELETE FROM guard.profile_without w USING guard.profile_index i WHERE i.source = ANY (sources) AND i.table_oid = ANY (tables) AND w.source = i.source AND w.index_oid = i.index_oid;
	INSERT INTO guard.profile_without
	SELECT i.source, i.index_oid, (w.w ->> 'statements')::int, (w.w ->> 'planned')::int, w.w ? 'complete', COALESCE((w.w ->> 'worst_ratio')::float8, 'infinity'),
		   COALESCE((w.w ->> 'worst_extra')::float8, 'infinity'), COALESCE((w.w ->> 'found_ratio')::float8, 'infinity'), COALESCE((w.w ->> 'found_extra')::float8, 'infinity'),
		   COALESCE((w.w ->> 'added_load')::float8, 'infinity'), w.w ? 'slower',
		   ARRAY(SELECT COALESCE(o.index_oid, 0) FROM jsonb_array_elements(w.w -> 'takeovers') t (t)
				   LEFT JOIN guard.profile_index o ON o.source = i.source AND o.table_schema = (t.t ->> 'schema')::name AND o.index_name = (t.t ->> 'name')::name),
		   w.w ? 'proves',
		   -- usable ones: production's plans knew no others
		   ARRAY(SELECT o.index_oid FROM guard.profile_index o LEFT JOIN pg_index x ON x.indexrelid = o.index_oid
				  WHERE o.source = i.source AND o.table_oid = i.table_oid AND x.indisvalid IS NOT FALSE)
	  FROM guard.profile_index i, LATERAL (SELECT i.document #> '{evidence,what_if}' AS w) w
	 WHERE i.source = ANY (sources) AND i.table_oid = ANY (tables) AND i.index_oid <> 0 AND w.w IS NOT NULL;

	-- in the busiest hour, if that is known
	INSERT INTO guard.profile_load
	SELECT i.source, i.index_oid, (w.w ->> 'statements')::int, (w.w ->> 'known')::int, COALESCE((w.w ->> 'without_upper_bound')::int, 0), f.calls * f.f,
		   (w.w ->> 'mean_ms_now')::float8, (w.w ->> 'mean_ms_expected')::float8, (w.w ->> 'busy_now')::float8 * f.f, (w.w ->> 'busy_low')::float8 * f.f,
		   (w.w ->> 'busy_expected')::float8 * f.f, (w.w ->> 'busy_high')::float8 * f.f, (w.w ->> 'cores')::int, (w.w ->> 'limit')::int, (w.w ->> 'busy')::int
	  FROM guard.profile_index i, LATERAL (SELECT i.document #> '{evidence,load_without}' AS w) w,
		   LATERAL (SELECT c.c AS calls, greatest(CASE WHEN c.c > 0 THEN (i.document #>> '{use,scans_in_busiest_hour}')::float8 / 3600 / c.c END, 1) AS f
					  FROM (SELECT (w.w ->> 'calls_per_second')::float8) c (c)) f
	 WHERE i.source = ANY (sources) AND i.index_oid <> 0 AND w.w IS NOT NULL
	   AND NOT EXISTS (SELECT FROM guard.profile_load k WHERE k.source = i.source AND k.index_oid = i.index_oid);
	RETURN true;
END
$function$;
COMMENT ON FUNCTION guard.place_profiles(text, oid) IS
'Find the tables and indexes here that imported profiles know, and have what these say count for them: of one source, or where that is null of all, and all tables, or the given one. For guard.import_profile(), and for the library before it says that a profile does not know an index.';
REVOKE ALL ON FUNCTION guard.place_profiles(text, oid) FROM PUBLIC;

CREATE FUNCTION guard.import_profile(source text, profile jsonb, predecessor boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET jit = off
AS $function$
#variable_conflict use_variable
DECLARE
	schema constant jsonb := guard.profile_schema();
	now constant timestamptz := clock_timestamp();
	exported timestamptz;
	complaint text;
BEGIN
	IF source !~ '\S' OR length(source) > 100 OR source ~ '[[:cntrl:]]' OR source IS NULL THEN
		RAISE EXCEPTION 'a profile needs a source: a name of at most 100 characters' USING ERRCODE = 'invalid_parameter_value';
	ELSIF profile IS NULL OR predecessor IS NULL THEN
		RAISE EXCEPTION '% must not be null', CASE WHEN profile IS NULL THEN 'profile' ELSE 'predecessor' END USING ERRCODE = 'null_value_not_allowed';
	ELSIF substring(profile ->> 'format' FROM '^guard/profile/(\d{1,9})$')::int > 1 THEN
		RAISE EXCEPTION 'profile has format %, which is newer than this guard reads', profile ->> 'format'
			USING ERRCODE = 'feature_not_supported', HINT = 'Update guard here, or export with an older one.';
	END IF;
	complaint := CASE WHEN profile -> 'format' = schema -> 'properties' -> 'format' -> 'const'
		THEN guard.profile_complaint(profile, schema, '$', schema -> 'definitions') ELSE '$.format is not "guard/profile/1"' END;
	exported := CASE WHEN complaint IS NULL THEN (profile ->> 'exported')::timestamptz END;
	IF exported > now + interval '1 day' THEN
		complaint := '$.exported is in the future';
	END IF;
	IF complaint IS NOT NULL THEN
		RAISE EXCEPTION 'this is no profile: %', complaint USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'Nothing was imported.', HINT = 'What a profile is, doc/profile.md says; guard.export_profile() and guard_profile write one.';
	END IF;

	-- a standby of this server: what it uses counts here, and nothing else of it is news
	IF profile #>> '{node,system_identifier}' = (SELECT c.system_identifier::text FROM pg_control_system() c) THEN
		PERFORM guard.take_report(source, profile -> 'node', least(now, COALESCE((profile #>> '{node,replayed}')::timestamptz, now)));
		RETURN;
	END IF;

	PERFORM guard.forget_profile(source);
	INSERT INTO guard.profile
	SELECT source, exported, now, session_user, profile -> 'server', profile -> 'guard',
		   profile - '{server,guard,relations,indexes,statements}'::text[], NULL, least((profile #>> '{server,connections,free}')::numeric, 1000000)::int, predecessor;

	INSERT INTO guard.profile_relation
	SELECT source, 0, r.r ->> 'schema', r.r ->> 'name', r.r ->> 'kind', (r.r ->> 'pages')::bigint, (r.r ->> 'tuples')::float8,
		   COALESCE((r.r ->> 'all_visible')::bigint, 0), r.r -> 'parents', r.r -> 'columns', NULL, false, NULL, NULL, r.r -> 'evidence'
	  FROM jsonb_array_elements(profile -> 'relations') r (r);
	INSERT INTO guard.profile_index
	SELECT source, 0, 0, i.i #>> '{table,schema}', i.i #>> '{table,name}', i.i ->> 'name', i.i ->> 'method', i.i ->> 'definition', (i.i ->> 'pages')::bigint,
		   (i.i ->> 'tuples')::float8, COALESCE((i.i ->> 'all_visible')::bigint, 0), i.i -> 'columns',
		   i.i - '{schema,name,table,method,definition,pages,tuples,all_visible,columns}'::text[]
	  FROM jsonb_array_elements(profile -> 'indexes') i (i);

	-- a partitioned table is as large as its partitions together
	WITH RECURSIVE below AS (
		SELECT r.table_schema, r.table_name, r.pages, p.p ->> 'schema' AS parent_schema, p.p ->> 'name' AS parent_name, 1 AS level
		  FROM guard.profile_relation r, jsonb_array_elements(r.parents) p (p) WHERE r.source = import_profile.source
		UNION ALL
		SELECT b.table_schema, b.table_name, b.pages, p.p ->> 'schema', p.p ->> 'name', b.level + 1
		  FROM below b JOIN guard.profile_relation r ON r.source = import_profile.source AND r.table_schema = b.parent_schema AND r.table_name = b.parent_name,
			   jsonb_array_elements(r.parents) p (p) WHERE b.level < 10
	)
	UPDATE guard.profile_relation r SET pages = b.pages
	  FROM (SELECT b.parent_schema, b.parent_name, least(sum(b.pages), 9e18)::bigint AS pages FROM below b GROUP BY 1, 2) b
	 WHERE r.source = import_profile.source AND r.kind = 'partitioned table' AND r.table_schema = b.parent_schema AND r.table_name = b.parent_name;

	PERFORM guard.place_profiles(source, NULL);

	UPDATE guard.profile_relation r SET aimed = r.evidence ? 'aimed_at',
		   last_write = now - ((r.evidence #>> '{as_of}')::timestamptz - (r.evidence #>> '{last_write}')::timestamptz),
		   attached_at = now - ((r.evidence #>> '{as_of}')::timestamptz - (r.evidence #>> '{attached}')::timestamptz),
		   detached_at = now - ((r.evidence #>> '{as_of}')::timestamptz - (r.evidence #>> '{detached}')::timestamptz)
	 WHERE r.source = import_profile.source AND r.evidence IS NOT NULL;

	-- what people registered there, under the names that the indexes have here
	INSERT INTO guard.profile_protection
	SELECT p.table_schema, p.table_name, p.index_name, p.facts ->> 'reason', p.facts ->> 'by', now, gen_random_uuid(), source
	  FROM (SELECT i.table_schema, i.table_name, COALESCE(c.relname, i.index_name) AS index_name, i.document #> '{use,protected}' AS facts
			  FROM guard.profile_index i LEFT JOIN pg_class c ON c.oid = i.index_oid WHERE i.source = import_profile.source
			UNION ALL
			SELECT (d.d ->> 'schema')::name, (d.d ->> 'name')::name, NULL, d.d -> 'protected' FROM jsonb_array_elements(profile -> 'relations') d (d)) p
	 WHERE p.facts IS NOT NULL;
	INSERT INTO guard.profile_dependency
	SELECT i.table_schema, i.table_name, COALESCE(c.relname, i.index_name), s.s ->> 'service', source, now, gen_random_uuid(), s.s ->> 'until_version', s.s ->> 'note', s.s ->> 'from_version', source
	  FROM guard.profile_index i LEFT JOIN pg_class c ON c.oid = i.index_oid, jsonb_array_elements(i.document #> '{use,services}') s (s)
	 WHERE i.source = import_profile.source AND s.s ? 'registered';
	INSERT INTO guard.profile_deployment
	SELECT d.d ->> 'service', d.d ->> 'version', now - (a.as_of - (d.d ->> 'reported')::timestamptz), source
	  FROM jsonb_array_elements(profile #> '{guard,deployments}') d (d),
		   -- no use after a deployment may seem to be one before it
		   (SELECT COALESCE(max((i.document #>> '{evidence,as_of}')::timestamptz), exported) AS as_of FROM guard.profile_index i WHERE i.source = import_profile.source) a;

	INSERT INTO guard.profile_statement
	SELECT source, s.n, s.s ->> 'text', s.s -> 'parameters', (s.s ->> 'calls')::bigint, (s.s ->> 'calls_per_second')::float8, (s.s ->> 'mean_time')::float8,
		   s.s - '{text,parameters,calls,calls_per_second,mean_time}'::text[]
	  FROM jsonb_array_elements(profile -> 'statements') WITH ORDINALITY s (s, n);
END
$function$;
COMMENT ON FUNCTION guard.import_profile(text, jsonb, boolean) IS
'Believe what guard.export_profile() or guard_profile wrote on another server, under the name of that source: what traffic needs there is needed here, and how large tables are there they are here. Replaces what came from that source before. An older one than a week tells nothing, unless this server has taken the place of that one (predecessor): then it counts until guard has watched here for guard.min_evidence_age, at least for a week, and is forgotten. Statements in it are never run. Raises 22023 for what is no profile, naming the place in it, 0A000 for one in a newer format; then nothing is imported.';
-- example: SELECT guard.import_profile('prod', guard.export_profile());
REVOKE ALL ON FUNCTION guard.import_profile(text, jsonb, boolean) FROM PUBLIC;

CREATE VIEW guard.profiles WITH (security_barrier) AS
	SELECT p.source, p.exported_at, p.imported_at, p.imported_by, p.server ->> 'version' AS version, p.guard IS NOT NULL AS with_guard,
		   (SELECT pg_catalog.count(*) FROM guard.profile_index i WHERE i.source = p.source) AS indexes,
		   (SELECT pg_catalog.count(*) FROM guard.profile_index i WHERE i.source = p.source AND i.index_oid <> 0) AS indexes_here,
		   (SELECT pg_catalog.count(*) FROM guard.profile_statement s WHERE s.source = p.source) AS statements
	  FROM guard.profile p;
COMMENT ON VIEW guard.profiles IS
'The profiles of other servers that guard.import_profile() has imported, how many indexes and statements each knows, and how many of these indexes are here.';
-- example: SELECT source, exported_at, indexes, indexes_here FROM guard.profiles;
GRANT SELECT ON guard.profiles TO pg_read_all_stats;

CREATE VIEW guard.profile_drift WITH (security_barrier) AS
	SELECT i.source, CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
											   WHERE n.nspname = i.table_schema AND c.relname = i.index_name AND c.relkind IN ('i', 'I')) THEN 'made since' ELSE 'missing here' END AS drift, i.table_schema, i.table_name, i.index_name, i.definition, i.document #>> '{use,verdict}' AS verdict,
		   i.document #>> '{use,reason}' AS reason
	  FROM guard.profile_index i WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = i.index_oid)
	UNION ALL
	SELECT p.source, 'unknown there', n.nspname, t.relname, c.relname, pg_catalog.pg_get_indexdef(c.oid), NULL, NULL
	  FROM guard.profile p, pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
	  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
	 WHERE n.nspname !~ '^(pg_|information_schema$|guard$)'
	   AND NOT EXISTS (SELECT FROM guard.profile_index i WHERE i.source = p.source AND i.index_oid = c.oid);
COMMENT ON VIEW guard.profile_drift IS
'Indexes that an imported profile knows and this database lacks, with what guard would say there if they were dropped, and those here that the profile does not know: before a switch to a new server, what it lacks. What was made since the import is found when it is judged.';
-- example: SELECT table_name, index_name, definition FROM guard.profile_drift WHERE drift = 'missing here' AND verdict = 'block';
GRANT SELECT ON guard.profile_drift TO pg_read_all_stats;
