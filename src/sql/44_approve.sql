-- Letting somebody drop an index that is needed.

CREATE FUNCTION guard.approve(object regclass, reason text,
	valid_for interval DEFAULT '1 hour') RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_approve';
COMMENT ON FUNCTION guard.approve(regclass, text, interval) IS
'Let the next drop of this index pass, whatever guard knows of it, once, and for as long as valid_for. A table stands for all of its indexes, in one statement or transaction. A second call by the same login role replaces the first. Does not ask for ownership: whom a DBA lets execute this may approve anything. With guard.two_person = on, an approval by the login role that drops does not count. Raises 22004 for a null object, 22023 for an empty reason or a valid_for that is null, not positive or infinite, 42809 for what is not an index or a table.';
-- example: SELECT guard.approve('auth.users_email_idx', 'the service is switched off', valid_for => '2 hours');

CREATE FUNCTION guard.revoke_approval(object regclass) RETURNS void
LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'guard_sql_revoke_approval';
COMMENT ON FUNCTION guard.revoke_approval(regclass) IS
'Take back every approval of exactly this object that has not been used. Raises 22004 for null, 42704 when there is none, 42809 for what is not an index or a table.';
-- example: SELECT guard.revoke_approval('auth.users_email_idx');

REVOKE ALL ON FUNCTION guard.approve(regclass, text, interval),
	guard.revoke_approval(regclass) FROM PUBLIC;

CREATE VIEW guard.approvals WITH (security_barrier) AS
	SELECT a.table_schema, a.table_name, a.index_name, a.reason, a.approved_by,
		   a.approved_at, a.valid_until, a.used_at, a.used_by,
		   CASE WHEN a.used_at IS NOT NULL THEN 'used'
				WHEN a.valid_until OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'expired'
				ELSE 'valid' END AS state
	  FROM guard.home, guard.approval a;
COMMENT ON VIEW guard.approvals IS
'Approvals of the last weeks: valid, used or expired.';
-- example: SELECT * FROM guard.approvals WHERE state = 'valid';
GRANT SELECT ON guard.approvals TO pg_read_all_stats;
