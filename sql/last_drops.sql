-- Every drop that goes through leaves a row with the statement that brings the
-- index back; one that does not leaves none.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE SCHEMA app;
CREATE TABLE app.users (id int PRIMARY KEY, email text CONSTRAINT users_email_key UNIQUE DEFERRABLE, team int, during int4range,
						CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&) WHERE (id > 0));
INSERT INTO app.users SELECT i, 'user' || i, i % 100, int4range(2 * i, 2 * i + 1) FROM generate_series(1, 5000) i;
CREATE INDEX users_lower_idx ON app.users (lower(email) DESC, team) INCLUDE (id) WITH (fillfactor = 70) WHERE team > 3;
CREATE INDEX users_team_idx ON app.users (team);
CREATE INDEX users_hash_idx ON app.users USING hash (email);
CREATE TABLE app.teams (id int PRIMARY KEY);
CREATE INDEX "Teams Idx" ON app.teams (id, (id + 1));
CREATE TABLE app.events (at int) PARTITION BY RANGE (at);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM (0) TO (10);
CREATE INDEX events_at_idx ON app.events (at);
CALL use('SELECT count(*) FROM app.users WHERE id = 17');

-- by every route, in the order in which they went
DROP INDEX app.users_hash_idx;
DROP INDEX CONCURRENTLY app.users_lower_idx;
ALTER TABLE app.users DROP CONSTRAINT users_email_key;
ALTER TABLE app.users DROP CONSTRAINT no_overlap;
ALTER TABLE app.users DROP COLUMN team;
DROP TABLE app.teams;
DROP INDEX app.events_at_idx;
-- refused, or undone: no row
ALTER TABLE app.users DROP CONSTRAINT users_pkey;
CREATE INDEX users_during_idx ON app.users USING gist (during);
BEGIN;
DROP INDEX app.users_during_idx;
ROLLBACK;
BEGIN;
SAVEPOINT a;
DROP INDEX app.users_during_idx;
ROLLBACK TO a;
COMMIT;
BEGIN;
DROP INDEX app.users_during_idx;
ALTER TABLE app.users DROP CONSTRAINT users_pkey;
COMMIT;
-- replaced in a transaction
BEGIN;
ALTER TABLE app.users DROP CONSTRAINT users_pkey;
ALTER TABLE app.users ADD CONSTRAINT users_pk PRIMARY KEY (id);
COMMIT;
SELECT command, index_name, table_name, verdict, reason FROM guard.audit_log WHERE verdict <> 'block' ORDER BY id;
SELECT definition FROM guard.audit_log WHERE verdict <> 'block' ORDER BY id;
SELECT statement FROM guard.audit_log WHERE index_name = 'app.users_hash_idx';
SELECT bool_and(login_role = session_user AND application ~ 'last_drops' AND at <= clock_timestamp()) FROM guard.audit_log;

-- the newest first
SELECT index_name FROM guard.last_drops() WHERE event = 'dropped' LIMIT 2;
SELECT index_name, verdict, reason FROM guard.last_drops('1 hour') WHERE event = 'dropped' ORDER BY at LIMIT 1;
SELECT count(*) FROM guard.last_drops('0 s');

-- and they do bring the indexes back
ALTER TABLE app.users ADD COLUMN team int;
SELECT definition FROM guard.last_drops() WHERE event = 'dropped' AND table_name = 'app.users' AND index_name <> 'app.users_pkey' ORDER BY at \gexec
:indexes
