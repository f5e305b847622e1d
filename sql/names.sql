-- Traffic addresses names.  What bears a name when the transaction commits must
-- serve what its traffic needs, however the name got there.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE SCHEMA other;
CREATE PROCEDURE make(name text, rows int DEFAULT 5000) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %s AS SELECT i AS id, ''s'' || i AS email, i %% 100 AS team, repeat(''x'', 50) AS pad FROM generate_series(1, %s) i', name, rows);
END
$$;
CALL make('users');
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
CALL use('SELECT count(*) FROM users WHERE email = ''s17''');

-- a copy without the index takes the name: that is the drop, without one
CALL make('users_new');
BEGIN;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
COMMIT;
:refusal
SELECT * FROM ask('BEGIN; ALTER TABLE users RENAME TO users_old; ALTER TABLE users_new RENAME TO users; COMMIT') WHERE ask ~ '^HINT';
-- an empty one, to be filled later
BEGIN;
CREATE TABLE other.users (LIKE users);
ALTER TABLE users SET SCHEMA tools;
ALTER TABLE other.users SET SCHEMA public;
COMMIT;
:refusal
-- with an index that is there, but does not serve
BEGIN;
CREATE INDEX ON users_new (email) WHERE team = 3;
CREATE INDEX ON users_new (team, email);
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
COMMIT;
:refusal
-- by the schema
CREATE SCHEMA live;
CREATE SCHEMA next;
CALL make('live.t');
CREATE INDEX ON live.t (email);
CALL use('SELECT count(*) FROM live.t WHERE email = ''s17''');
CALL make('next.t');
BEGIN;
ALTER SCHEMA live RENAME TO past;
ALTER SCHEMA next RENAME TO live;
COMMIT;
:refusal
-- the table dropped on the way
BEGIN;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
DROP TABLE users_old;
COMMIT;
:refusal
BEGIN;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
COMMIT;
:refusal
-- a savepoint takes nothing away, and hides nothing
BEGIN;
SAVEPOINT a;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
ROLLBACK TO a;
COMMIT;
BEGIN;
SAVEPOINT a;
ALTER TABLE users RENAME TO users_old;
RELEASE a;
ALTER TABLE users_new RENAME TO users;
COMMIT;
:refusal
-- in one statement of its own
DO $$ BEGIN ALTER TABLE users RENAME TO users_old; ALTER TABLE users_new RENAME TO users; END $$;
:refusal

-- with every use served there is nothing to say, whatever the index is called; what nobody uses may be missing
BEGIN;
CREATE INDEX whatever ON users_new (email);
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
COMMIT;
DROP TABLE users_old;
SELECT * FROM verdict('users');
BEGIN;
CREATE INDEX ON next.t (email);
ALTER SCHEMA live RENAME TO past;
ALTER SCHEMA next RENAME TO live;
COMMIT;
DROP TABLE past.t;
SELECT * FROM verdict('live.t');

-- a partitioned table serves if each of its leaves does, the old one among them
CREATE TABLE parted (id int, email text, team int, pad text) PARTITION BY RANGE (id);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10000) TO (20000);
BEGIN;
ALTER TABLE users RENAME TO parted_1;
ALTER TABLE parted RENAME TO users;
ALTER TABLE users ATTACH PARTITION parted_1 FOR VALUES FROM (0) TO (10000);
COMMIT;
:refusal
BEGIN;
CREATE INDEX ON parted_2 (email);
ALTER TABLE users RENAME TO parted_1;
ALTER TABLE parted RENAME TO users;
ALTER TABLE users ATTACH PARTITION parted_1 FOR VALUES FROM (0) TO (10000);
COMMIT;
DROP INDEX whatever;
:refusal
DROP INDEX parted_2_email_idx;
:refusal

-- only renamed away: its statements fail, which everybody sees
CALL make('jobs');
CREATE INDEX jobs_team_idx ON jobs (team);
CALL use('SELECT count(*) FROM jobs WHERE team = 17');
\set VERBOSITY terse
ALTER TABLE jobs RENAME TO jobs_old;
\set VERBOSITY sqlstate
-- and taken again by what lacks the index: to refuse would keep them failing
CREATE TABLE jobs (LIKE jobs_old);
SELECT command, object, tools.mask(reason) FROM guard.audit_log WHERE object IS NOT NULL ORDER BY id;
DROP TABLE jobs;
ALTER TABLE jobs_old RENAME TO jobs;

-- undone moves revive: a decoy in between changes nothing
BEGIN;
ALTER TABLE jobs RENAME TO jobs_old;
CREATE TABLE jobs (LIKE jobs_old INCLUDING INDEXES);
DROP INDEX jobs_team_idx;
ALTER TABLE jobs RENAME TO jobs_decoy;
ALTER TABLE jobs_old RENAME TO jobs;
COMMIT;
:refusal
BEGIN;
ALTER TABLE jobs RENAME TO jobs_old;
CREATE TABLE jobs (LIKE jobs_old INCLUDING INDEXES);
DROP INDEX jobs_team_idx;
DROP TABLE jobs;
ALTER TABLE jobs_old RENAME TO jobs;
COMMIT;
:refusal
BEGIN;
ALTER TABLE jobs RENAME TO jobs_old;
CREATE TABLE jobs (LIKE jobs_old INCLUDING INDEXES);
DROP TABLE jobs_old;
DROP TABLE jobs;
COMMIT;
:refusal
-- in several transactions
BEGIN;
ALTER TABLE jobs RENAME TO jobs_old;
CREATE TABLE jobs (LIKE jobs_old INCLUDING INDEXES);
COMMIT;
DROP INDEX jobs_team_idx;
BEGIN;
ALTER TABLE jobs RENAME TO jobs_decoy;
ALTER TABLE jobs_old RENAME TO jobs;
COMMIT;
:refusal
BEGIN;
DROP TABLE jobs;
ALTER TABLE jobs_old RENAME TO jobs;
COMMIT;
:refusal
SELECT count(*) FROM jobs;

-- a copy that was put in its place is in use before anybody has read it, however small
CALL make('orders');
CREATE INDEX orders_team ON orders (team);
CALL use('SELECT count(*) FROM orders WHERE team = 17');
SET client_min_messages = warning;
ALTER TABLE orders RENAME TO orders_old;
RESET client_min_messages;
CREATE TABLE orders (LIKE orders_old INCLUDING INDEXES);
DROP INDEX orders_team_idx;
:refusal
DROP TABLE orders;
:refusal
INSERT INTO orders SELECT * FROM orders_old LIMIT 3;
DROP INDEX orders_team_idx;
:refusal
-- and what is small stays so
CALL use('SELECT count(*) FROM orders WHERE team = 17');
DROP INDEX orders_team_idx;
:refusal

-- a copy has what its original has, also where a predicate can be computed in part beforehand
CALL make('parcels');
CREATE INDEX parcels_few_idx ON parcels (lower(email)) WHERE team IN (3, 4);
CALL use('SELECT count(*) FROM parcels WHERE lower(email) = ''s17'' AND team IN (3, 4)');
CREATE TABLE parcels_new (LIKE parcels INCLUDING ALL);
BEGIN;
ALTER TABLE parcels RENAME TO parcels_old;
ALTER TABLE parcels_new RENAME TO parcels;
COMMIT;
-- not one of other rows
CREATE TABLE parcels_next (LIKE parcels);
CREATE INDEX ON parcels_next (lower(email)) WHERE team IN (3, 5);
BEGIN;
ALTER TABLE parcels RENAME TO parcels_gone;
ALTER TABLE parcels_next RENAME TO parcels;
COMMIT;
:refusal
-- nor a second copy, before anybody has read the first
CALL make('crates');
CREATE INDEX crates_email_idx ON crates (email);
CALL use('SELECT count(*) FROM crates WHERE email = ''s17''');
CREATE TABLE crates_new (LIKE crates INCLUDING ALL);
BEGIN;
ALTER TABLE crates RENAME TO crates_old;
ALTER TABLE crates_new RENAME TO crates;
COMMIT;
CALL make('crates_next');
BEGIN;
ALTER TABLE crates RENAME TO crates_gone;
ALTER TABLE crates_next RENAME TO crates;
COMMIT;
:refusal
