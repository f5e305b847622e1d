-- Build and swap: the old table's traffic was that of its name, and where
-- another table bears the name now and serves it, the old one may go.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE SCHEMA archive;
CREATE PROCEDURE make(name text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I AS SELECT i AS id, i %% 100 AS team, repeat(''x'', 50) AS pad FROM generate_series(1, 5000) i', name);
	EXECUTE format('CREATE INDEX ON %I (id)', name);
END
$$;
CALL make('users');
CALL use('SELECT count(*) FROM users WHERE id = 17');
CALL use('SELECT count(pad) FROM users');

-- as dbt does it: rename, rename, drop the backup last
CALL make('users_new');
BEGIN;
ALTER TABLE users RENAME TO users_backup;
ALTER TABLE users_new RENAME TO users;
COMMIT;
DROP TABLE users_backup CASCADE;
-- the new table is heir to the traffic, and is not to be dropped by the next one who comes along
SELECT * FROM verdict('users');
DROP INDEX users_new_id_idx;
:refusal
DROP TABLE users;
:refusal
-- and again, in one transaction
CALL make('users_new');
BEGIN;
ALTER TABLE users RENAME TO users_backup;
ALTER TABLE users_new RENAME TO users;
DROP TABLE users_backup;
COMMIT;
SELECT * FROM verdict('users');

-- the next one is being built: the one at work is not its old name's, though it had that name once
CALL make('users_new');
DROP TABLE users;
:refusal
-- into another schema
BEGIN;
ALTER TABLE users SET SCHEMA archive;
ALTER TABLE users_new RENAME TO users;
COMMIT;
DROP INDEX archive.users_new_id_idx1;
DROP TABLE archive.users;
SELECT * FROM verdict('users');

-- where no other table bears the name, renaming is no way round
ALTER TABLE users RENAME TO users_backup;
DROP TABLE users_backup;
:refusal
DROP INDEX users_new_id_idx;
:refusal
ALTER TABLE users_backup SET SCHEMA archive;
DROP TABLE archive.users_backup;
:refusal
ALTER TABLE archive.users_backup RENAME TO users_old;
DROP TABLE archive.users_old;
:refusal
-- nor where the table that bears it lacks the index
CREATE TABLE users (id int, team int, pad text);
DROP TABLE archive.users_old;
:refusal
DROP INDEX archive.users_new_id_idx;
:refusal
-- created there, it is as if it had been there all the time
CREATE INDEX users_id_idx ON users (id);
DROP TABLE archive.users_old;
:indexes

-- back again: as if nothing had been renamed
INSERT INTO users SELECT i, i % 100, repeat('x', 50) FROM generate_series(1, 5000) i;
SELECT * FROM verdict('users');
ALTER TABLE users RENAME TO users_away;
ALTER TABLE users_away RENAME TO users;
DROP TABLE users;
CREATE TABLE users_away (LIKE users INCLUDING ALL);
DROP TABLE users;
:refusal
DROP INDEX users_id_idx;
:refusal
DROP TABLE users_away;
:indexes

-- used again after the move, under the new name
CALL make('users_new');
ALTER TABLE users RENAME TO users_backup;
ALTER TABLE users_new RENAME TO users;
CALL use('SELECT count(*) FROM users_backup WHERE id = 17', 'report');
DROP TABLE users_backup;
:refusal
DROP INDEX users_id_idx;
:indexes
