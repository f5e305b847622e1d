-- guard.mode = observe: nothing is ever refused; a WARNING says what would have
-- been, and the books keep it.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE SCHEMA app;
SET search_path = app, public, tools;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team, i % 7 AS kind FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_both_idx ON users (team, kind);
CREATE TABLE teams (id int PRIMARY KEY);
CALL use('SELECT count(*) FROM app.users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM app.users WHERE team = 17 AND kind = 3');
CALL use('SELECT count(*) FROM app.users WHERE id = 17');
CALL use('SELECT count(*) FROM app.users WHERE kind = 3');
SET guard.mode = observe;
-- the verdicts are the same
SELECT * FROM verdict('users');

-- refused otherwise: by itself, at COMMIT, by cascade, protected
DROP INDEX CONCURRENTLY users_email_idx;
BEGIN;
DROP INDEX users_both_idx;
COMMIT;
BEGIN;
DROP INDEX users_id_idx;
CREATE INDEX users_id_idx ON users (id);
COMMIT;
SELECT guard.protect('users_id_idx', 'mine');
DROP INDEX users_id_idx;
DROP SCHEMA app CASCADE;
:indexes
-- not even where guard itself fails
CREATE SCHEMA app;
CREATE TABLE users AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
SELECT dblink_connect('lock', connection('lock'));
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE guard.protection');
DROP INDEX users_id_idx;
SELECT dblink_exec('lock', 'ROLLBACK');
SELECT dblink_disconnect('lock');
:indexes
-- the harmless neighbour goes without a word
CREATE INDEX users_pad_idx ON users (pad);
DROP INDEX users_pad_idx;

SELECT command, index_name, verdict, reason FROM guard.audit_log WHERE verdict NOT IN ('block', 'change') ORDER BY id;
