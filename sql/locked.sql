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
SELECT index_name, reason FROM guard.index_facts ORDER BY 1;
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
SELECT dblink_exec('lock', 'LOCK TABLE guard.departed');
DROP INDEX other_pad_idx;
CREATE TABLE third (id int PRIMARY KEY);
ALTER TABLE third RENAME TO fourth;
SELECT dblink_exec('lock', 'ROLLBACK');
-- who is what is written where that can be done at once; the next snapshot makes up for the rest
CREATE TABLE ledger (id int);
CREATE INDEX ledger_id_idx ON ledger (id);
BEGIN;
ALTER TABLE ledger SET (fillfactor = 90);
ALTER TABLE ledger ADD COLUMN note text;
SELECT DISTINCT mode FROM pg_locks WHERE relation = 'guard.object'::regclass AND granted;
ALTER TABLE ledger RENAME COLUMN note TO remark;
SELECT DISTINCT mode FROM pg_locks WHERE relation = 'guard.object'::regclass AND granted;
ALTER TABLE ledger RENAME TO accounts;
SELECT DISTINCT mode FROM pg_locks WHERE relation = 'guard.object'::regclass AND granted;
COMMIT;
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE guard.object');
-- one line for each wait
SET deadlock_timeout = '1ms';
SET log_lock_waits = on;
SET client_min_messages = log;
ALTER TABLE accounts SET (fillfactor = 80);
ALTER TABLE accounts RENAME TO bills;
ALTER INDEX ledger_id_idx RENAME TO bills_id_idx;
CREATE INDEX bills_remark_idx ON bills (remark);
CREATE TABLE seventh (id int PRIMARY KEY);
CREATE SCHEMA elsewhere;
ALTER TABLE seventh SET SCHEMA elsewhere;
ALTER SCHEMA elsewhere RENAME TO there;
-- what would have to be known of it cannot be read
DROP INDEX bills_remark_idx;
:refusal
RESET client_min_messages;
-- waits for others' transactions, whoever's
REINDEX INDEX CONCURRENTLY bills_id_idx;
SELECT dblink_exec('lock', 'ROLLBACK');
SELECT count(*) FROM guard.moved_table WHERE old_name IN ('accounts', 'seventh');
SELECT guard.snapshot();
SELECT table_schema, table_name, index_name, created_at IS NOT NULL AS created FROM guard.object
 WHERE table_name IN ('accounts', 'bills', 'seventh') AND gone_at IS NULL ORDER BY 1, 2, 3 NULLS FIRST;

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
