-- A transaction is judged by what it leaves behind: a drop that would be
-- refused by itself may be made up for before COMMIT, else COMMIT is refused.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users (id int PRIMARY KEY, email text CONSTRAINT users_email_key UNIQUE, team int, kind int, pad text);
INSERT INTO users SELECT i, 'user' || i, i % 100, i % 7, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
CREATE INDEX users_lower_idx ON users (lower(email));
CALL use('SELECT count(*) FROM users WHERE id = 17');
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM users WHERE team = 17');
CALL use('SELECT count(*) FROM users WHERE lower(email) = ''user17''');

-- nothing in its place: refused at COMMIT, and nothing has happened
BEGIN;
DROP INDEX users_team_idx;
CREATE TABLE other (id int);
COMMIT;
:refusal
:indexes
SELECT to_regclass('other');

-- the same for constraint, column and table
BEGIN;
ALTER TABLE users DROP CONSTRAINT users_pkey;
COMMIT;
:refusal
BEGIN;
ALTER TABLE users DROP COLUMN team;
COMMIT;
:refusal
BEGIN;
DROP TABLE users;
COMMIT;
:refusal
BEGIN;
DROP SCHEMA public CASCADE;
COMMIT;
:indexes

-- an error in COMMIT is the end of the transaction, not a state to get out of
SELECT 'back to work';

-- ROLLBACK is asked nothing, nor is an aborted transaction
BEGIN;
DROP INDEX users_team_idx;
ROLLBACK;
BEGIN;
DROP INDEX users_team_idx;
SELECT 1 / 0;
COMMIT;
:indexes

-- drop first, create afterwards, under the old name or another, and the other way round
BEGIN;
DROP INDEX users_team_idx;
CREATE INDEX users_team_idx ON users (team);
COMMIT;
BEGIN;
DROP INDEX users_team_idx;
CREATE INDEX users_team_new ON users (team);
COMMIT;
BEGIN;
CREATE INDEX users_team_idx ON users (team);
DROP INDEX users_team_new;
COMMIT;
BEGIN;
ALTER TABLE users DROP CONSTRAINT users_pkey;
ALTER TABLE users ADD PRIMARY KEY (id);
COMMIT;
BEGIN;
ALTER TABLE users DROP CONSTRAINT users_email_key;
CREATE UNIQUE INDEX users_email_idx ON users (email);
COMMIT;
BEGIN;
DROP INDEX users_lower_idx;
CREATE INDEX users_lower_idx ON users (lower(email));
COMMIT;
:indexes

-- what was created is heir to the traffic: the next drop is refused
SELECT * FROM verdict('users');

-- something else does not make up for it
BEGIN;
DROP INDEX users_team_idx;
CREATE INDEX users_kind_team_idx ON users (kind, team);
COMMIT;
:refusal
BEGIN;
DROP INDEX users_team_idx;
CREATE INDEX users_team_idx ON users (team) WHERE kind = 1;
COMMIT;
BEGIN;
DROP INDEX users_lower_idx;
CREATE INDEX users_lower_idx ON users (upper(email));
COMMIT;
-- nor does what is dropped again
BEGIN;
DROP INDEX users_team_idx;
CREATE INDEX users_team_idx ON users (team);
DROP INDEX users_team_idx;
COMMIT;
-- nor one of two
BEGIN;
DROP INDEX users_team_idx, users_lower_idx;
CREATE INDEX users_team_idx ON users (team);
COMMIT;
:refusal
BEGIN;
DROP INDEX users_team_idx;
DROP INDEX users_lower_idx;
COMMIT;
:refusal
:indexes

-- around a change of type, by ALTER and by hand
BEGIN;
DROP INDEX users_team_idx;
ALTER TABLE users ALTER COLUMN team TYPE bigint;
CREATE INDEX users_team_idx ON users (team);
COMMIT;
BEGIN;
ALTER TABLE users ADD COLUMN team2 int;
UPDATE users SET team2 = team;
ALTER TABLE users DROP COLUMN team;
ALTER TABLE users RENAME COLUMN team2 TO team;
CREATE INDEX users_team_idx ON users (team);
COMMIT;
-- not on a column that has handed its name on: the traffic means the new one
BEGIN;
DROP INDEX users_team_idx;
ALTER TABLE users RENAME COLUMN team TO team_was;
ALTER TABLE users ADD COLUMN team int;
CREATE INDEX users_team_idx ON users (team_was);
COMMIT;
:refusal
-- the table itself, under its old name
BEGIN;
CREATE TABLE users_new (LIKE users INCLUDING ALL);
INSERT INTO users_new SELECT * FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
ALTER INDEX users_new_team_idx RENAME TO users_team_idx;
ALTER INDEX users_new_kind_idx RENAME TO users_kind_idx;
ALTER INDEX users_new_lower_idx RENAME TO users_lower_idx;
COMMIT;
SELECT * FROM verdict('users');
-- but not with an index less
BEGIN;
CREATE TABLE users_new (LIKE users INCLUDING ALL);
DROP INDEX users_new_team_idx;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
COMMIT;
:refusal
:indexes

-- dropped first and made anew, as a restore does it
CREATE MATERIALIZED VIEW teams AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX teams_id_idx ON teams (id);
CREATE TABLE things AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX things_id_idx ON things (id);
CALL use('SELECT count(*) FROM teams WHERE id = 17');
CALL use('SELECT count(*) FROM things WHERE id = 17');
BEGIN;
DROP MATERIALIZED VIEW teams;
DROP TABLE things;
CREATE MATERIALIZED VIEW teams AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX teams_id_idx ON teams (id);
CREATE TABLE things AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX things_id_idx ON things (id);
COMMIT;
SELECT * FROM verdict('teams');
SELECT * FROM verdict('things');
BEGIN;
DROP TABLE things;
CREATE TABLE things (id int, pad text);
COMMIT;
DROP MATERIALIZED VIEW teams;

-- several changes, the last word counts
BEGIN;
DROP INDEX users_team_idx;
CREATE INDEX a ON users (team);
DROP INDEX a;
CREATE INDEX b ON users (team);
ALTER INDEX b RENAME TO users_team_idx;
COMMIT;
:indexes

-- where the table is large, the traffic would wait too long for COMMIT: refused at once, whatever may follow
BEGIN;
SET LOCAL guard.rebuild_limit = 0;
DROP INDEX users_team_idx;
CREATE INDEX users_team_idx ON users (team);
COMMIT;
-- unless the replacement is there before
BEGIN;
SET LOCAL guard.rebuild_limit = 0;
CREATE INDEX users_team_new ON users (team);
DROP INDEX users_team_idx;
ALTER INDEX users_team_new RENAME TO users_team_idx;
COMMIT;
:indexes

-- two phases: PREPARE is where it is judged
BEGIN;
DROP INDEX users_team_idx;
PREPARE TRANSACTION 'swap';
:refusal
BEGIN;
DROP INDEX users_team_idx;
CREATE INDEX users_team_idx ON users (team);
PREPARE TRANSACTION 'swap';
COMMIT PREPARED 'swap';
:indexes

-- a chain: each link for itself
BEGIN;
DROP INDEX users_kind_idx;
COMMIT AND CHAIN;
DROP INDEX users_team_idx;
COMMIT;
:indexes

-- CONCURRENTLY cannot be part of it, as PostgreSQL says, so nothing can make up for it
CREATE INDEX users_kind_idx ON users (kind);
BEGIN;
DROP INDEX CONCURRENTLY users_kind_idx;
ROLLBACK;
BEGIN;
DROP INDEX CONCURRENTLY users_team_idx;
ROLLBACK;

-- the mode is read again at COMMIT
BEGIN;
DROP INDEX users_team_idx;
SET LOCAL guard.mode = off;
COMMIT;
:indexes

-- a wider index serves in place of a narrower one, not the other way round
BEGIN;
DROP INDEX users_lower_idx;
CREATE INDEX users_lower_id_idx ON users (lower(email), id);
COMMIT;
CALL use('SELECT count(*) FROM users WHERE lower(email) = ''x'' AND id = 17');
BEGIN;
DROP INDEX users_lower_id_idx;
CREATE INDEX users_lower_idx ON users (lower(email));
COMMIT;
:indexes
