-- Whatever others have locked, guard does not wait for it: a refusal and an
-- answer come at once, and other DDL goes on.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (lower(id::text)) WHERE id > 0;
CREATE INDEX users_team_idx ON users (team);
CREATE TABLE other AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX other_id_idx ON other (id);
CREATE INDEX other_pad_idx ON other (pad);
CALL use('SELECT count(*) FROM users WHERE lower(id::text) = ''17'' AND id > 0');
CALL use('SELECT count(*) FROM other WHERE id = 17');
SELECT dblink_connect('lock', connection('lock'));
-- whoever waits, waits until this ends him
SET statement_timeout = '10s';

-- the table
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE users');
DROP INDEX users_id_idx;
:refusal
DROP INDEX CONCURRENTLY users_id_idx;
ALTER TABLE users DROP COLUMN id;
DROP TABLE users;
BEGIN;
SET LOCAL guard.rebuild_limit = 0;
DROP INDEX users_id_idx;
ROLLBACK;
SELECT * FROM verdict('users');
SELECT index_name, reason FROM guard.indexes ORDER BY 1;
SELECT uses FROM guard.index_statements('users_id_idx');
SELECT guard.protect('users_team_idx', 'mine');
DROP INDEX users_team_idx;
SELECT guard.unprotect('users_team_idx');
SELECT dblink_exec('lock', 'ROLLBACK');

-- a reader: a refused drop makes nobody wait behind it
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE users IN ACCESS SHARE MODE');
DROP INDEX users_id_idx;
SELECT dblink_exec('lock', 'ROLLBACK');

-- guard's own books: what cannot be written is not written, what goes on goes on
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE guard.audit_log, guard.moved_table');
CREATE TABLE new (id int PRIMARY KEY);
CREATE INDEX new_id_idx ON new (id);
ALTER TABLE new RENAME TO newer;
DROP INDEX CONCURRENTLY new_id_idx;
DROP TABLE newer;
DROP INDEX other_id_idx;
BEGIN;
DROP INDEX other_id_idx;
CREATE INDEX other_id_idx ON other (id);
COMMIT;
SELECT dblink_exec('lock', 'ROLLBACK');

-- without what it must know guard cannot judge, so the drop is refused; but nothing else stops
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE guard.inherited_use');
DROP INDEX other_pad_idx;
CREATE TABLE third (id int PRIMARY KEY);
ALTER TABLE third RENAME TO fourth;
SELECT dblink_exec('lock', 'ROLLBACK');
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE guard.protection');
DROP INDEX other_pad_idx;
:refusal
BEGIN;
DROP INDEX other_pad_idx;
ROLLBACK;
CREATE TABLE new (id int PRIMARY KEY);
ALTER TABLE new RENAME TO newer;
TRUNCATE newer;
CREATE INDEX CONCURRENTLY newer_id_idx ON newer (id);
ALTER INDEX newer_id_idx RENAME TO newest_id_idx;
REINDEX TABLE CONCURRENTLY newer;
-- the error says how a superuser gets on
SELECT * FROM ask('DROP INDEX other_pad_idx');
SET guard.mode = off;
DROP INDEX other_pad_idx;
RESET guard.mode;
SELECT dblink_exec('lock', 'ROLLBACK');
SELECT dblink_disconnect('lock');
:indexes
