-- The order of deployment.

CREATE FUNCTION guard.add_dependency(index regclass, service text,
	until_version text DEFAULT NULL, note text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_add_dependency';
COMMENT ON FUNCTION guard.add_dependency(regclass, text, text, text) IS
'This service needs the index as long as a version below until_version runs (null: whatever runs). Covers the partitions of a partitioned index, present and future. A second call for the same service replaces version and note. The note is shown to whoever is refused. Raises 22004 for a null index, 22023 for a service without a name or with a version in it, 42501 unless the caller owns the table, 42809 for what is not an index.';
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
'From now on this version of the service runs everywhere, and no other does. For the deploy pipeline. A lower version than before is a rollback, and legal: what was released is needed again. A WARNING says when a registered dependency cannot be compared with the version. Raises 22023 for an empty service or version.';
-- example: SELECT guard.report_deployment('auth', '2.10');

CREATE FUNCTION guard.compare_versions(a text, b text) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'guard_sql_compare_versions';
COMMENT ON FUNCTION guard.compare_versions(text, text) IS
'How guard compares two versions: -1 when a is older than b, 0 when they are the same, 1 when a is newer, null when they cannot be compared.';
-- example: SELECT guard.compare_versions('2.9', '2.10');

REVOKE ALL ON FUNCTION guard.add_dependency(regclass, text, text, text),
	guard.remove_dependency(regclass, text),
	guard.report_deployment(text, text) FROM PUBLIC;

CREATE FUNCTION guard.dependencies(
	OUT table_schema text, OUT table_name text, OUT index_name text,
	OUT service text, OUT registered boolean, OUT until_version text,
	OUT deployed_version text, OUT needed boolean, OUT versions_seen text[],
	OUT first_use timestamptz, OUT last_use timestamptz, OUT uses bigint,
	OUT note text, OUT registered_by name, OUT registered_at timestamptz,
	OUT index regclass)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_dependencies';
COMMENT ON FUNCTION guard.dependencies() IS
'See the view guard.dependencies.';

CREATE VIEW guard.dependencies WITH (security_barrier) AS SELECT * FROM guard.dependencies();
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
