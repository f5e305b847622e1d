-- guard.review() advises where a statement would make traffic wait, and where
-- it cannot work.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set ECHO none
\set review :srcdir /sql/include/review.psql
\i :review
\set ECHO all
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 7 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CREATE TABLE idle AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX idle_id_idx ON idle (id);
CALL use('SELECT count(*) FROM users WHERE id = 17');

-- an idle index of a busy table: the drop is allowed, but its lock queues the traffic
SELECT * FROM review('DROP INDEX users_team_idx');
SELECT * FROM advice('DROP INDEX users_team_idx');
SELECT * FROM advice('DROP INDEX CONCURRENTLY users_team_idx');
SELECT * FROM advice('DROP INDEX idle_id_idx; DROP TABLE idle');
SELECT * FROM advice('SET lock_timeout = ''2s''; DROP INDEX users_team_idx');
SELECT * FROM advice('SELECT set_config(''lock_timeout'', ''2s'', false); DROP INDEX users_team_idx');
SELECT * FROM advice('SET lock_timeout = 0; DROP INDEX users_team_idx');
SELECT * FROM advice('SET lock_timeout = 2000; RESET ALL; DROP INDEX users_team_idx');
SELECT * FROM advice('BEGIN; SET LOCAL lock_timeout = 2000; COMMIT; DROP INDEX users_team_idx');
SELECT * FROM advice('BEGIN; SET LOCAL lock_timeout = 2000; DROP INDEX users_team_idx; COMMIT');
SELECT * FROM advice('BEGIN; DROP INDEX users_team_idx; COMMIT');
SELECT * FROM advice('ALTER TABLE users DROP team');
-- CONCURRENTLY where it cannot work
SELECT * FROM advice('BEGIN; DROP INDEX CONCURRENTLY users_team_idx; COMMIT');
SELECT a.advice FROM guard.review('DROP INDEX CONCURRENTLY users_team_idx', true) a;
SELECT * FROM advice('START TRANSACTION; SELECT 1; CREATE INDEX CONCURRENTLY i ON users (id); END');
SELECT * FROM advice('BEGIN; REINDEX INDEX CONCURRENTLY users_id_idx; COMMIT');
SELECT * FROM advice('DROP INDEX CONCURRENTLY users_team_idx, idle_id_idx');
SELECT * FROM advice('DROP INDEX CONCURRENTLY users_team_idx CASCADE');
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE INDEX p_id_idx ON p (id);
SELECT * FROM advice('DROP INDEX CONCURRENTLY p_id_idx; CREATE INDEX CONCURRENTLY ON p (id)');
-- the hint that a refusal would have
SELECT * FROM advice('SET lock_timeout = 1000; DROP INDEX users_id_idx');
-- a script that switches guard off
SELECT * FROM advice('SET guard.mode = off; DROP INDEX CONCURRENTLY users_team_idx');
-- a cheap question, whoever holds what lock: nothing is waited for
SELECT dblink_connect('lock', connection('lock'));
SET statement_timeout = '10s';
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE users, idle, p');
SELECT * FROM review('DROP INDEX users_id_idx; CREATE INDEX i ON users (id); ALTER TABLE users DROP team; DROP TABLE idle; ALTER TABLE users RENAME TO u; DROP INDEX p_id_idx; CREATE TABLE n (LIKE u INCLUDING ALL); DROP SCHEMA public CASCADE');
SELECT dblink_exec('lock', 'ROLLBACK');
-- and none stays behind
BEGIN;
SELECT count(*) FROM guard.review('DROP INDEX users_id_idx; CREATE INDEX i ON users (id); ALTER TABLE users DROP team');
SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND c.relname ~ 'users|idle';
ROLLBACK;
SELECT dblink_disconnect('lock');
