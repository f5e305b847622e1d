-- The order of deployment.

CREATE FUNCTION guard.add_dependency(index regclass, service text,
	until_version text DEFAULT NULL, note text DEFAULT NULL, from_version text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_add_dependency';
COMMENT ON FUNCTION guard.add_dependency(regclass, text, text, text, text) IS
'This service needs the index as long as a version below until_version runs (null: whatever runs). Versions below from_version do without it, as guard.may_deploy() knows; the index stays for those to come all the same. A NOTICE tells of a service that nobody has seen, with the nearest names. Covers the partitions of a partitioned index, present and future. A second call for the same service replaces versions and note. The note is shown to whoever is refused. Raises 22004 for a null index, 22023 for a service without a name or with a version in it, 42501 unless the caller owns the table, 42809 for what is not an index.';
-- example: SELECT guard.add_dependency('auth.users_email_idx', 'auth', until_version => '2.10', note => 'look-up by address');

CREATE FUNCTION guard.remove_dependency(index regclass, service text)
RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_remove_dependency';
COMMENT ON FUNCTION guard.remove_dependency(regclass, text) IS
'Take back what guard.add_dependency() registered for exactly this index and service. Raises 22004 for null, 42704 when it is not registered, 42501 unless the caller owns the table, 42809 for what is not an index.';
-- example: SELECT guard.remove_dependency('auth.users_email_idx', 'auth');

CREATE FUNCTION guard.report_deployment(service text, version text)
RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_report_deployment';
COMMENT ON FUNCTION guard.report_deployment(text, text) IS
'From now on this version of the service runs everywhere, and no other does. For the deploy pipeline. A lower version than before is a rollback, and legal: what was released is needed again, and what is gone already is an alert and a WARNING with its CREATE INDEX. A NOTICE tells of a service that nobody has seen, with the nearest names. A WARNING says when a registered dependency cannot be compared with the version. Raises 22023 for an empty service or version.';
-- example: SELECT guard.report_deployment('auth', '2.10');

-- Which of two versions is the older one, as people expect.  There is no one rule, but what people write falls into few shapes:
--
--	2.10, v2.10, release-2.10.0		numbers; those that are missing are 0
--	2.10.0-rc1, 2.10rc1, 2.10~beta	before 2.10.0
--	2.10.post1, 2.10-hotfix2		after it
--	v2.10-14-gabcdef				git describe: 14 commits after it
--	2.10.0+build5					build metadata: 2.10.0
--	1:2.10							an epoch, as Debian and (1!2.10) Python
--	2026-11-04, 20261104, 20261104T1530	dates
--
-- What is not understood has no order, and whoever asks must not take that for "old enough" nor for "new enough".  That goes for a
-- commit's hash, for names (blue, green), for a date beside a version, and for two that differ only in something whose order is
-- anybody's guess: "2.10-1" comes before 2.10 with npm and after it with Debian.
CREATE FUNCTION guard.version_parts(version text,
	OUT prefix text, OUT dated boolean, OUT numbers numeric[], OUT words text[],
	OUT commits numeric, OUT hash text, OUT dirty boolean, OUT build text)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
WITH a AS (
	-- letters in front, an epoch, all the rest up to build metadata
	SELECT v, m, m[1] IN ('v', 'ver', 'version', 'r', 'rel', 'release') AS says_nothing,
		   regexp_replace(m[4], '^([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])', '\1\2\3') AS rest
	  FROM lower(version COLLATE "C") AS v,
		   regexp_match(v, '^(?:([a-z]+)([-_ /]?)v?)?(?:([0-9]+)[:!])?([0-9][^+]*)(?:\+.*)?$') AS m
	 WHERE length(v) <= 200
	   -- a commit: nothing but hexadecimal digits, letters among them
	   AND NOT (v ~ '^[0-9a-f]{7,}$' AND v ~ '[a-f]')
), b AS (
	-- year, month and day, the time of day or which of the day's, and what follows
	SELECT a.*, d, coalesce(d[1]::int BETWEEN 1990 AND 2100 AND d[2]::int BETWEEN 1 AND 12 AND d[3]::int BETWEEN 1 AND 31, false) AS dated,
		   regexp_match(m[4], '^([0-9]+(?:\.[0-9]+)*)(.*)$') AS p
	  FROM a, regexp_match(rest, '^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{4}|[0-9]{6})?(?![0-9])((?:[-t_.:][0-9]+)*)(?:z(?![a-z0-9]))?(.*)$') AS d
	 WHERE m[1] IS NULL OR says_nothing OR m[2] <> ''
), c AS (
	SELECT b.*, CASE WHEN b.dated THEN d[1:3] ||
					-- T1530 and T15:30 are the same
					ARRAY(SELECT pair[1] FROM regexp_matches(concat_ws('.', d[4], d[5]), '[0-9]+', 'g') WITH ORDINALITY AS r (run, n),
							regexp_matches(run[1], CASE WHEN length(run[1]) % 2 = 0 THEN '..' ELSE '.+' END, 'g') WITH ORDINALITY AS s (pair, i) ORDER BY n, i)
					ELSE string_to_array(p[1], '.') END AS digits, w,
		   ARRAY(SELECT word[1] FROM regexp_matches(w[1], '[0-9]+|[a-z]+', 'g') WITH ORDINALITY AS r (word, n) ORDER BY n) AS words
	  FROM b, regexp_match(CASE WHEN b.dated THEN d[6] ELSE p[2] END, '^(.*?)(?:-([0-9]+)-g([0-9a-f]{4,}))?(-dirty)?$') AS w
)
SELECT CASE WHEN says_nothing THEN '' ELSE coalesce(m[1], '') END, c.dated, (coalesce(m[3], '0') || digits)::numeric[], c.words,
	   coalesce(w[2], '0')::numeric, w[3], w[4] IS NOT NULL, substring(version FROM '^[^+]*\+(.*)$')
  FROM c
 WHERE w[1] ~ '^([-_.~]?([0-9]+|[a-z]+))*$' AND cardinality(digits) <= 10 AND cardinality(c.words) <= 10
   -- 2.x and 11-04-2026 mean no version that numbers could tell
   AND c.words[1] IS DISTINCT FROM 'x'
   AND (cardinality(digits) <> 1 OR cardinality(c.words) <> 2 OR c.words[1] !~ '^[0-9]' OR c.words[2] !~ '^(199[0-9]|20[0-9][0-9]|2100)$');
END;
COMMENT ON FUNCTION guard.version_parts(text) IS
'What a version is made of; all null where there is no order to be seen in it. For guard''s own use.';

CREATE FUNCTION guard.compare_versions(a text, b text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
SELECT CASE WHEN a COLLATE "C" = b COLLATE "C" THEN 0
			WHEN x.numbers IS NULL OR y.numbers IS NULL OR x.prefix <> y.prefix THEN NULL
			-- a date may stand beside a version that begins with a year
			WHEN x.dated <> y.dated AND (x.numbers[2] NOT BETWEEN 1990 AND 2100 OR y.numbers[2] NOT BETWEEN 1990 AND 2100) THEN NULL
			WHEN l <> r THEN CASE WHEN l < r THEN -1 ELSE 1 END
			WHEN word.sign <> 0 THEN nullif(word.sign, 2)
			WHEN x.commits <> y.commits THEN sign(x.commits - y.commits)::int
			-- as many commits after the tag, but on another branch?
			WHEN left(x.hash, length(y.hash)) <> left(y.hash, length(x.hash)) OR x.dirty <> y.dirty OR x.build <> y.build THEN NULL
			ELSE 0
	   END
  FROM guard.version_parts(a) x, guard.version_parts(b) y,
	   LATERAL (SELECT array_cat(x.numbers, array_fill(0::numeric, ARRAY[greatest(cardinality(y.numbers) - cardinality(x.numbers), 0)])) AS l,
					   array_cat(y.numbers, array_fill(0::numeric, ARRAY[greatest(cardinality(x.numbers) - cardinality(y.numbers), 0)])) AS r) n
	   -- the first word that differs; 2: its order is anybody's guess
	   LEFT JOIN LATERAL (
		SELECT d.sign
		  FROM generate_series(1, greatest(cardinality(x.words), cardinality(y.words))) AS i,
			   LATERAL (SELECT x.words[i] AS p, y.words[i] AS q, coalesce(x.words[i], y.words[i]) AS alone,
							   CASE WHEN x.words[i] IS NULL THEN y.words[i - 1] ELSE x.words[i - 1] END AS previous,
							   CASE WHEN x.words[i] IS NULL THEN -1 ELSE 1 END AS side,
							   '{"dev": -6, "snapshot": -5, "nightly": -5, "canary": -5, "a": -4, "alpha": -4, "b": -3, "beta": -3,
								 "m": -2, "milestone": -2, "c": -1, "rc": -1, "cr": -1, "pre": -1, "preview": -1, "final": 0, "ga": 0, "release": 0,
								 "post": 1, "p": 1, "patch": 1, "hotfix": 1, "sp": 1}'::jsonb AS rank) e,
			   LATERAL (SELECT CASE
							WHEN p = q THEN 0
							WHEN p IS NOT NULL AND q IS NOT NULL THEN CASE
								WHEN p ~ '^[0-9]' AND q ~ '^[0-9]' THEN sign(p::numeric - q::numeric)::int
								WHEN p ~ '^[0-9]' OR q ~ '^[0-9]' THEN 2
								ELSE coalesce(sign((rank ->> p)::int - (rank ->> q)::int)::int, 2) END
							-- rc is rc0; but nobody knows where 2.10-1 stands
							WHEN alone !~ '^[0-9]' THEN coalesce(side * sign((rank ->> alone)::int)::int, 2)
							WHEN previous ~ '^[0-9]' OR rank ? previous THEN side * sign(alone::numeric)::int
							ELSE 2 END AS sign) d
		 WHERE d.sign <> 0 ORDER BY i LIMIT 1) word ON true;
END;
COMMENT ON FUNCTION guard.compare_versions(text, text) IS
'How guard compares two versions: -1 when a is older than b, 0 when they are the same, 1 when a is newer, null when they cannot be compared.';
-- example: SELECT guard.compare_versions('2.9', '2.10');

CREATE FUNCTION guard.service_of(application_name text, role text) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'guard_sql_service_of';
COMMENT ON FUNCTION guard.service_of(text, text) IS
'Which service guard takes a session for: application_name without what tells processes and versions of one service apart, or the login role where nothing is left of it; by guard.application_name_pattern. NULL for null.';
-- example: SELECT guard.service_of('auth-7f9c6d5b8-x2v4q/2.10', 'app');

-- Whose use of what capture has seen, for the functions below.
CREATE FUNCTION guard.service_uses(OUT relation oid, OUT service text, OUT version text, OUT last_use timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_service_uses';
COMMENT ON FUNCTION guard.service_uses() IS
'Which services capture has seen in this database, using what. For guard''s own use.';
REVOKE ALL ON FUNCTION guard.service_uses() FROM PUBLIC;

CREATE FUNCTION guard.version_needs(service text, version text,
	OUT index_name text, OUT table_name text, OUT state text, OUT detail text, OUT remedy text)
RETURNS SETOF record
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
WITH needed AS (
	-- what people said
	SELECT format('%I.%I', d.table_schema, d.index_name) AS index_name, format('%I.%I', d.table_schema, d.table_name) AS table_name,
		   coalesce(o.index_oid, to_regclass(format('%I.%I', d.table_schema, d.index_name))::oid) AS index,
		   format('%s registered that %s needs it', d.registered_by, d.service) || coalesce(': ' || d.note, '') AS why, NULL::text AS definition
	  FROM guard.home, guard.dependency d LEFT JOIN guard.object o ON o.id = d.object AND o.gone_at IS NULL
	 WHERE (d.service = $1 OR guard.service_of(d.service, d.service) = guard.service_of($1, $1))
	   AND coalesce(guard.compare_versions($2, d.from_version) >= 0, true)
	   AND coalesce(guard.compare_versions($2, d.until_version) < 0, true)
	UNION ALL
	-- what this very version did
	SELECT format('%I.%I', n.nspname, c.relname), format('%I.%I', n.nspname, t.relname), c.oid,
		   format('version %s used it, last on %s', $2, to_char(u.last_use, 'YYYY-MM-DD HH24:MI:SS TZH')), NULL
	  FROM guard.service_uses() u
	  JOIN pg_index i ON i.indexrelid = u.relation JOIN pg_class c ON c.oid = i.indexrelid
	  JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	 WHERE u.service IN ($1, guard.service_of($1, $1)) AND u.version = $2
	UNION ALL
	-- the same of what is gone, as it was when that went
	SELECT g.index_name, g.table_name, NULL, format('it went on %s by %s', to_char(g.at, 'YYYY-MM-DD HH24:MI:SS TZH'), g.login_role), g.definition
	  FROM (SELECT DISTINCT ON (a.index_name) a.*
			  FROM guard.home, guard.audit_log a
			 WHERE a.verdict IN ('allow', 'observe') AND a.definition IS NOT NULL
			 ORDER BY a.index_name, a.at DESC) g
	 WHERE g.reason <> 'replaced' AND to_regclass(g.index_name) IS NULL
	   AND NOT EXISTS (SELECT FROM pg_index i
						WHERE i.indrelid = to_regclass(g.table_name)
						  AND regexp_replace(pg_get_indexdef(i.indexrelid), ' INDEX .* ON ', ' ON ') = regexp_replace(g.definition, ' INDEX .* ON ', ' ON '))
	   AND (EXISTS (SELECT FROM jsonb_array_elements(g.facts -> 'dependencies') d
					 WHERE (d ->> 'service' = $1 OR guard.service_of(d ->> 'service', d ->> 'service') = guard.service_of($1, $1))
					   AND coalesce(guard.compare_versions($2, d ->> 'from_version') >= 0, true)
					   AND coalesce(guard.compare_versions($2, d ->> 'until_version') < 0, true))
			OR EXISTS (SELECT FROM jsonb_array_elements(g.facts -> 'uses') f, jsonb_array_elements(f -> 'by_service') s
						WHERE s ->> 'service' IN ($1, guard.service_of($1, $1)) AND s ->> 'version' = $2))
), found AS (
	SELECT CASE WHEN s.id IS NULL THEN n.index_name ELSE format('%I.%I', s.index_schema, s.index_name) END AS index_name, n.table_name, n.why, n.definition,
		   CASE WHEN i.indexrelid IS NULL THEN 'missing'
				WHEN s.id IS NOT NULL THEN 'going'
				WHEN NOT (i.indisvalid AND i.indisready AND i.indislive) THEN 'invalid'
				WHEN EXISTS (SELECT FROM guard.hidden_index h JOIN guard.object o ON o.id = h.object AND o.gone_at IS NULL
							  WHERE o.index_oid = n.index) THEN 'hidden'
		   END AS state
	  FROM needed n LEFT JOIN pg_index i ON i.indexrelid = n.index
	  LEFT JOIN guard.soft_drop s ON s.index_oid = n.index AND s.state IN ('waiting', 'hidden')
)
SELECT DISTINCT ON (f.index_name) f.index_name, f.table_name, f.state, f.why,
	   CASE f.state WHEN 'invalid' THEN format('REINDEX INDEX CONCURRENTLY %s', f.index_name)
					WHEN 'hidden' THEN format('SELECT guard.unhide(%L)', f.index_name)
					WHEN 'going' THEN format('SELECT guard.restore(%L)', f.index_name)
					ELSE coalesce(f.definition, (SELECT a.definition FROM guard.home, guard.audit_log a
												  WHERE a.index_name = f.index_name AND a.definition IS NOT NULL ORDER BY a.at DESC LIMIT 1))
	   END
  FROM found f WHERE f.state IS NOT NULL
 ORDER BY f.index_name, f.definition IS NOT NULL;
END;
COMMENT ON FUNCTION guard.version_needs(text, text) IS
'What a version of a service needs and does not find: the rows of guard.may_deploy(), without its questions. For guard''s own use.';
REVOKE ALL ON FUNCTION guard.version_needs(text, text) FROM PUBLIC;

CREATE FUNCTION guard.may_deploy(service text, version text,
	OUT index_name text, OUT table_name text, OUT state text, OUT detail text, OUT remedy text)
RETURNS SETOF record
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_may_deploy';
COMMENT ON FUNCTION guard.may_deploy(text, text) IS
'May this version of the service be deployed? No row: go ahead. One row for each index that it needs - as registered with guard.add_dependency(), or because this very version used it - and that is missing, invalid, hidden, or going (being dropped in stages), with the statement that remedies it where guard knows one. A service that was never seen nor registered gives one row with state unknown, and a NOTICE with the nearest names. Changes nothing. For the deploy pipeline. Raises 22023 for an empty service or version.';
-- example: SELECT index_name, state, detail, remedy FROM guard.may_deploy('auth', '2.10');

REVOKE ALL ON FUNCTION guard.add_dependency(regclass, text, text, text, text),
	guard.remove_dependency(regclass, text),
	guard.report_deployment(text, text),
	guard.may_deploy(text, text) FROM PUBLIC;

CREATE VIEW guard.dependencies WITH (security_barrier) AS
	SELECT i.table_schema, i.table_name, i.index_name, d.service, d.registered, d.from_version, d.until_version, d.deployed_version,
		   d.needed, d.versions_seen, d.first_use, d.last_use, d.uses, d.note, d.registered_by, d.registered_at, i.index
	  FROM guard.indexes() i, LATERAL pg_catalog.jsonb_to_recordset(i.dependencies) d (service text, registered boolean, from_version text,
		   until_version text, deployed_version text, needed boolean, versions_seen text[], first_use timestamptz, last_use timestamptz,
		   uses bigint, note text, registered_by name, registered_at timestamptz);
COMMENT ON VIEW guard.dependencies IS
'Which services need an index, as registered, and which use it, as captured, of every index that the caller may ask about. needed is null where nothing was registered, versions_seen, first_use, last_use and uses where nothing was captured.';
-- example: SELECT index_name, service, until_version, deployed_version, needed, versions_seen, last_use FROM guard.dependencies;
GRANT SELECT ON guard.dependencies TO PUBLIC;

CREATE VIEW guard.deployments WITH (security_barrier) AS
	SELECT d.service, d.version, d.reported_at, d.reported_by,
		   pg_catalog.row_number() OVER (PARTITION BY d.service ORDER BY d.reported_at DESC)
			OPERATOR(pg_catalog.=) 1 AS current
	  FROM guard.home, guard.deployment d;
COMMENT ON VIEW guard.deployments IS
'Every deployment that was reported; current is what runs now.';
-- example: SELECT * FROM guard.deployments WHERE current;
GRANT SELECT ON guard.deployments TO pg_read_all_stats;
