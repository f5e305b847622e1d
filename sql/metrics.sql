-- guard.metrics follows Prometheus' conventions, and is for pg_read_all_stats.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE ROLE regress_guard_app;
CREATE ROLE regress_guard_monitor IN ROLE pg_monitor;
SELECT guard.snapshot();
SELECT guard.test_alert();
SET ROLE regress_guard_monitor;
SELECT name, type FROM guard.metrics GROUP BY name, type ORDER BY name COLLATE "C";
SELECT count(*) FROM guard.metrics WHERE name !~ '^guard_[a-z_]+$' OR help = '' OR help IS NULL OR value IS NULL OR labels IS NULL;
SELECT count(*) - count(DISTINCT (name, labels)) AS twice FROM guard.metrics;
SELECT labels, value FROM guard.metrics WHERE name IN ('guard_audit_entries', 'guard_soft_drops') ORDER BY name COLLATE "C", labels::text COLLATE "C";
SET ROLE regress_guard_app;
SELECT count(*) FROM guard.metrics;
RESET ROLE;
DROP ROLE regress_guard_app, regress_guard_monitor;
