-- A registration stays with its index through all that leaves the index what
-- it is, and cannot be evaded by renaming first and dropping afterwards.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE SCHEMA other;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
SELECT guard.protect('users_email_idx', 'report');
\set registered 'SELECT table_schema, table_name, index_name, reason FROM guard.protection;'
:registered

-- names change
ALTER INDEX users_email_idx RENAME TO renamed_idx;
:registered
DROP INDEX renamed_idx;
ALTER TABLE renamed_idx RENAME TO users_email_idx;
ALTER TABLE users RENAME TO people;
DROP INDEX users_email_idx;
ALTER TABLE people RENAME COLUMN email TO mail;
DROP INDEX users_email_idx;
ALTER TABLE people SET SCHEMA other;
:registered
DROP INDEX other.users_email_idx;
ALTER SCHEMA other RENAME TO elsewhere;
DROP INDEX elsewhere.users_email_idx;
DROP TABLE elsewhere.people;
ALTER SCHEMA elsewhere RENAME TO other;
ALTER TABLE other.people SET SCHEMA public;
ALTER TABLE people RENAME TO users;
:registered

-- the OID changes
REINDEX INDEX CONCURRENTLY users_email_idx;
DROP INDEX users_email_idx;
ALTER TABLE users ALTER COLUMN mail TYPE varchar(200);
DROP INDEX users_email_idx;
-- both, one after the other, in whatever order
REINDEX INDEX CONCURRENTLY users_email_idx;
ALTER INDEX users_email_idx RENAME TO renamed_idx;
REINDEX TABLE CONCURRENTLY users;
ALTER TABLE users RENAME TO people;
ALTER TABLE people ALTER COLUMN mail TYPE text;
ALTER TABLE people SET SCHEMA other;
DROP INDEX other.renamed_idx;
BEGIN;
ALTER TABLE other.people ALTER COLUMN mail TYPE varchar(100);
ALTER INDEX other.renamed_idx RENAME TO again_idx;
DROP INDEX other.again_idx;
ROLLBACK;
DROP INDEX other.renamed_idx;
ALTER TABLE other.people SET SCHEMA public;
ALTER TABLE people RENAME TO users;
ALTER INDEX renamed_idx RENAME TO users_email_idx;
VACUUM FULL users;
CLUSTER users USING users_email_idx;
ALTER TABLE users SET UNLOGGED;
DROP INDEX users_email_idx;
:registered

-- not even what happened while guard was off puts it off the track
SET guard.mode = off;
REINDEX INDEX CONCURRENTLY users_email_idx;
RESET guard.mode;
ALTER INDEX users_email_idx RENAME TO renamed_idx;
DROP INDEX renamed_idx;
ALTER INDEX renamed_idx RENAME TO users_email_idx;
:registered

-- the name alone is nothing: a newcomer who takes it is not meant
ALTER INDEX users_email_idx RENAME TO kept_idx;
CREATE INDEX users_email_idx ON users (mail, id);
SELECT * FROM verdict('users');
DROP INDEX users_email_idx;
DROP INDEX kept_idx;
ALTER TABLE users RENAME TO users_old;
CREATE TABLE users (id int, mail text);
CREATE INDEX users_email_idx ON users (mail);
DROP TABLE users;
ALTER TABLE users_old RENAME TO users;
ALTER INDEX kept_idx RENAME TO users_email_idx;
-- two change places
ALTER INDEX users_email_idx RENAME TO tmp;
ALTER INDEX users_team_idx RENAME TO users_email_idx;
ALTER INDEX tmp RENAME TO users_team_idx;
DROP INDEX users_email_idx;
DROP INDEX users_team_idx;
:registered

-- a constraint's index
CREATE UNIQUE INDEX users_id_idx ON users (id);
SELECT guard.protect('users_id_idx', 'identity');
ALTER TABLE users ADD CONSTRAINT users_pkey PRIMARY KEY USING INDEX users_id_idx;
ALTER TABLE users DROP CONSTRAINT users_pkey;
ALTER TABLE users RENAME CONSTRAINT users_pkey TO users_key;
ALTER TABLE users DROP CONSTRAINT users_key;
ALTER TABLE users ALTER COLUMN id TYPE bigint;
ALTER TABLE users DROP CONSTRAINT users_key;
-- a materialized view's
CREATE MATERIALIZED VIEW active AS SELECT * FROM users;
CREATE INDEX active_id_idx ON active (id);
SELECT guard.protect('active', 'dashboard');
ALTER MATERIALIZED VIEW active RENAME TO actives;
DROP MATERIALIZED VIEW actives;
ALTER MATERIALIZED VIEW actives SET SCHEMA other;
REFRESH MATERIALIZED VIEW other.actives;
DROP INDEX other.active_id_idx;

-- partitions, present and future, attached and detached
CREATE TABLE events (at int, who int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE INDEX events_at_idx ON events (at);
CREATE INDEX events_who_idx ON events (who);
SELECT guard.protect('events_at_idx', 'tracker');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (1000) TO (2000);
SELECT * FROM verdict('events_1');
SELECT * FROM verdict('events_2');
DROP INDEX events_at_idx;
DROP TABLE events;
-- retention does not count it
DROP TABLE events_1;
-- one made on the partition itself does
SELECT guard.protect('events_2_at_idx', 'evidence in court');
DROP TABLE events_2;
ALTER TABLE events DETACH PARTITION events_2;
DROP TABLE events_2;
DROP INDEX events_2_at_idx;
SELECT guard.unprotect('events_2_at_idx');
DROP INDEX events_2_at_idx;
DROP TABLE events_2;

-- forgotten with the index, whatever bears its name next
SELECT guard.unprotect('events_at_idx');
SELECT guard.protect('events_who_idx', 'soon gone');
SET guard.mode = observe;
DROP INDEX events_who_idx;
RESET guard.mode;
CREATE INDEX events_who_idx ON events (who);
SELECT * FROM verdict('events');
