-- The audit log.  The record of what was asked and answered.

CREATE FUNCTION guard.last_drops(since interval DEFAULT '1 day',
	OUT at timestamptz, OUT event text, OUT index_name text,
	OUT table_name text, OUT login_role name, OUT verdict text,
	OUT reason text, OUT definition text)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT a.at,
		   CASE a.verdict
				WHEN 'change' THEN a.command
				WHEN 'block' THEN 'refused'
				WHEN 'failed' THEN 'failed'
				ELSE 'dropped' END,
		   coalesce(a.index_name, a.object), a.table_name, a.login_role,
		   a.verdict, a.reason,
		   coalesce(a.definition, a.facts ->> 'definition')
	  FROM guard.audit_log a
	 WHERE a.at >= statement_timestamp() - since
	   AND (a.verdict <> 'change' OR a.command IN ('hide', 'unhide') OR
			a.facts ? 'definition')
	 ORDER BY a.at DESC, a.id DESC;
END;
COMMENT ON FUNCTION guard.last_drops(interval) IS
'What was dropped, hidden or refused lately, newest first, with the statement that brings each index back: the first thing to look at when latency jumps. For members of pg_read_all_stats.';
-- example: SELECT at, event, index_name, login_role, definition FROM guard.last_drops('3 hours');
REVOKE ALL ON FUNCTION guard.last_drops(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.last_drops(interval) TO pg_read_all_stats;

CREATE FUNCTION guard.audit_log_only_grows() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'guard_sql_audit_log_only_grows';
COMMENT ON FUNCTION guard.audit_log_only_grows() IS
'Keeps everybody but superusers from changing rows of guard.audit_log. For its trigger only.';
REVOKE ALL ON FUNCTION guard.audit_log_only_grows() FROM PUBLIC;

CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON guard.audit_log
	FOR EACH STATEMENT EXECUTE FUNCTION guard.audit_log_only_grows();
ALTER TABLE guard.audit_log ENABLE ALWAYS TRIGGER only_grows;
COMMENT ON TRIGGER only_grows ON guard.audit_log IS
'guard: the audit log is append-only.';

CREATE FUNCTION guard.prune_audit_log() RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_prune_audit_log';
COMMENT ON FUNCTION guard.prune_audit_log() IS
'Delete what is older than guard.audit_retention from guard.audit_log, now; returns how many rows. guard''s worker does so by itself.';
-- example: SELECT guard.prune_audit_log();
REVOKE ALL ON FUNCTION guard.prune_audit_log() FROM PUBLIC;
