-- A dependency stays with its index through all that leaves the index what it
-- is, as a protection does, and covers the partitions of a partitioned one.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE SCHEMA other;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
SELECT guard.add_dependency('users_email_idx', 'auth', '2.10');
SELECT guard.add_dependency('users_email_idx', 'push');
\set registered 'SELECT table_schema, table_name, index_name, service FROM guard.dependency ORDER BY 1, 2, 3, 4;'

-- names change
ALTER INDEX users_email_idx RENAME TO renamed_idx;
ALTER TABLE users RENAME TO people;
ALTER TABLE people RENAME COLUMN email TO mail;
ALTER TABLE people SET SCHEMA other;
ALTER SCHEMA other RENAME TO elsewhere;
:registered
DROP INDEX elsewhere.renamed_idx;
-- the OID changes
REINDEX INDEX CONCURRENTLY elsewhere.renamed_idx;
ALTER TABLE elsewhere.people ALTER COLUMN mail TYPE varchar(200);
REINDEX TABLE CONCURRENTLY elsewhere.people;
DROP INDEX elsewhere.renamed_idx;
-- both, back to where it was
ALTER TABLE elsewhere.people SET SCHEMA public;
ALTER INDEX renamed_idx RENAME TO users_email_idx;
ALTER TABLE people RENAME TO users;
VACUUM FULL users;
CLUSTER users USING users_email_idx;
ALTER TABLE users SET UNLOGGED;
:registered
DROP INDEX users_email_idx;
:refusal
-- what happened while guard was off does not put it off the track
SET guard.mode = off;
REINDEX INDEX CONCURRENTLY users_email_idx;
RESET guard.mode;
ALTER INDEX users_email_idx RENAME TO kept_idx;
CREATE INDEX users_email_idx ON users (mail, id);
DROP INDEX users_email_idx;
DROP INDEX kept_idx;
:registered
-- forgotten with the index, whatever bears its name next
SELECT guard.remove_dependency('kept_idx', 'push');
SELECT guard.report_deployment('auth', '2.10');
DROP INDEX kept_idx;
:registered
CREATE INDEX kept_idx ON users (mail);
SELECT * FROM verdict('kept_idx');

-- partitions, present and future
CREATE TABLE events (at int, who int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (5000);
CREATE INDEX events_at_idx ON events (at);
CREATE INDEX events_who_idx ON events (who);
SELECT guard.add_dependency('events_at_idx', 'tracker', '5', 'timeline');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (5000) TO (10000);
INSERT INTO events SELECT i, i FROM generate_series(0, 9999) i;
SELECT * FROM verdict('events_1');
SELECT * FROM verdict('events_2');
DROP INDEX events_at_idx;
:refusal
DROP INDEX events_who_idx;
DROP TABLE events;
SELECT index_name, service, until_version FROM guard.dependencies WHERE table_name ~ 'event';
-- a partition goes with its rows: retention
DROP TABLE events_1;
-- one that somebody registered for the partition itself
SELECT guard.add_dependency('events_2_at_idx', 'archive');
DROP TABLE events_2;
SELECT guard.remove_dependency('events_2_at_idx', 'archive');
-- a twin of the partitioned index takes over for all
CREATE INDEX events_at_twin ON events (at);
DROP INDEX events_at_idx;
:registered
SELECT * FROM verdict('events_2');
ALTER TABLE events DETACH PARTITION events_2;
DROP TABLE events_2;
DROP TABLE events;

-- a table that takes another one's place takes over its dependencies as well
CREATE TABLE things AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX things_id_idx ON things (id);
SELECT guard.add_dependency('things_id_idx', 'shop', '3');
CREATE TABLE things_new (LIKE things);
CREATE INDEX things_new_id_idx ON things_new (id);
BEGIN;
ALTER TABLE things RENAME TO things_old;
ALTER TABLE things_new RENAME TO things;
COMMIT;
:registered
DROP TABLE things_old;
:registered
DROP INDEX things_new_id_idx;
:refusal
