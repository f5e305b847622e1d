-- What asks the audit log for the last hour or day does not read all of it.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
INSERT INTO guard.audit_log (at, question, verdict, command, mode, database, login_role, facts)
	SELECT now() - (i || ' minutes')::interval - interval '2 days', 'q' || i, 'change', 'hide', 'enforce', 'postgres', 'somebody', '{}' FROM generate_series(1, 20000) i;
VACUUM ANALYZE guard.audit_log;
-- how often a statement reads the audit log whole
CREATE FUNCTION tools.whole_reads(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE before bigint := coalesce((SELECT seq_scan FROM pg_stat_xact_all_tables WHERE relid = 'guard.audit_log'::regclass), 0);
BEGIN
	EXECUTE statement;
	RETURN (SELECT seq_scan FROM pg_stat_xact_all_tables WHERE relid = 'guard.audit_log'::regclass) - before;
END $$;
SELECT whole_reads('SELECT count(facts) FROM guard.audit_log') AS whole;
SELECT whole_reads('SELECT * FROM guard.last_drops()') AS last_drops;
SELECT whole_reads('SELECT guard.test_alert()') AS alert;
SELECT whole_reads('SELECT count(value) FROM guard.metrics') AS metrics;
SET guard.audit_retention = '15d';
SELECT whole_reads('SELECT guard.prune_audit_log()') AS prune;
SELECT min(at) BETWEEN now() - interval '15 days' AND now() - interval '14 days 23 hours' AS kept FROM guard.audit_log;
