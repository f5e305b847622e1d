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
RESET ROLE;
-- counters: refusals by reason, what observe would have refused, what could not be judged; the rows may go
CREATE VIEW counters AS
	SELECT name, labels ->> 'reason' AS reason, value FROM guard.metrics WHERE type = 'counter' AND value > 0 ORDER BY name COLLATE "C", labels::text COLLATE "C";
CREATE PROCEDURE written(n int) LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT coalesce(sum(value), 0) FROM guard.metrics WHERE name = 'guard_refusals_total') < n LOOP
		COMMIT;
		PERFORM pg_sleep(0.002);
	END LOOP;
END
$$;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_pad_idx ON users (pad);
ANALYZE users;
CALL use('SELECT count(*) FROM users WHERE id = 17');
SELECT * FROM counters;
SELECT count(*) >= 8 AS from_the_start FROM guard.metrics WHERE name = 'guard_refusals_total' AND value = 0;
DROP INDEX users_id_idx;
DROP INDEX users_id_idx;
SELECT guard.protect('users_team_idx', 'why');
DROP INDEX users_id_idx, users_team_idx;
CALL written(4);
SELECT * FROM counters;
SELECT labels ->> 'what', labels ->> 'index' FROM guard.metrics WHERE name = 'guard_last_removal_age_seconds';
-- a transaction that is undone counts nothing, one that lets go does
SET guard.mode = observe;
SET client_min_messages = error;
BEGIN;
DROP INDEX users_id_idx;
ROLLBACK;
DROP INDEX users_id_idx;
RESET client_min_messages;
RESET guard.mode;
SELECT * FROM counters;
SELECT labels ->> 'what', labels ->> 'index', value BETWEEN 0 AND 300 FROM guard.metrics WHERE name = 'guard_last_removal_age_seconds';
SELECT guard.prune_audit_log() = 0;
TRUNCATE guard.audit_log;
SELECT guard.prune_audit_log();
SELECT * FROM counters;
SELECT count(*) - count(DISTINCT (verdict, reason)) AS apart FROM guard.audit_total;
-- it is hidden, or its table moves
SELECT guard.hide('users_pad_idx');
SELECT labels ->> 'what', labels ->> 'index' FROM guard.metrics WHERE name = 'guard_last_removal_age_seconds';
ALTER TABLE users RENAME TO people;
SELECT labels ->> 'what', labels ->> 'index' ~ '^public\.users_' FROM guard.metrics WHERE name = 'guard_last_removal_age_seconds';
-- what has no state to speak of
SELECT name, labels, value FROM guard.metrics WHERE name IN ('guard_audit_rows_waiting', 'guard_audit_lost_total', 'guard_soft_drops_stuck', 'guard_mode_info') ORDER BY name;
SELECT labels, value > 0 FROM guard.metrics WHERE name = 'guard_evidence_unbroken_seconds' ORDER BY 1;
SET ROLE regress_guard_app;
SELECT count(*) FROM guard.metrics;
RESET ROLE;
DROP ROLE regress_guard_app, regress_guard_monitor;
