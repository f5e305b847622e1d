-- UPDATE and DELETE on a published table fail without its replica identity;
-- a twin is not the identity, and a table published for INSERT needs none.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
SET client_min_messages = error;
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL);
CREATE UNIQUE INDEX users_email_idx ON users (email);
CREATE TABLE teams (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE logs (id int PRIMARY KEY);
CREATE TABLE full_logs (id int PRIMARY KEY);
ALTER TABLE full_logs REPLICA IDENTITY FULL;
CREATE TABLE away (id int PRIMARY KEY);
SELECT * FROM verdict('users');
-- not published: the identity is nobody's
ALTER TABLE teams REPLICA IDENTITY USING INDEX teams_name_key;
SELECT * FROM verdict('teams');

CREATE PUBLICATION changes FOR TABLE users, full_logs;
CREATE PUBLICATION arrivals FOR TABLE logs WITH (publish = 'insert');
RESET client_min_messages;
SELECT * FROM verdict('users');
SELECT * FROM verdict('logs');
SELECT * FROM verdict('full_logs');
SELECT * FROM verdict('away');
ALTER TABLE users DROP CONSTRAINT users_pkey;
:refusal
ALTER TABLE users DROP COLUMN id;
-- a twin does not help, another identity does
CREATE UNIQUE INDEX users_id_twin ON users (id);
ALTER TABLE users DROP CONSTRAINT users_pkey;
ALTER TABLE users REPLICA IDENTITY USING INDEX users_email_idx;
SELECT * FROM verdict('users');
DROP INDEX users_email_idx;
ALTER TABLE users DROP CONSTRAINT users_pkey;
:indexes

-- in a transaction: what is there at its end
BEGIN;
DROP INDEX users_email_idx;
COMMIT;
:refusal
BEGIN;
DROP INDEX users_email_idx;
CREATE UNIQUE INDEX users_email_idx ON users (email);
COMMIT;
BEGIN;
DROP INDEX users_email_idx;
CREATE UNIQUE INDEX users_email_idx ON users (email);
ALTER TABLE users REPLICA IDENTITY USING INDEX users_email_idx;
COMMIT;
BEGIN;
DROP INDEX users_email_idx;
ALTER TABLE users REPLICA IDENTITY FULL;
COMMIT;
:indexes

-- published by schema, by everything, with its partitions
SET client_min_messages = error;
CREATE SCHEMA app;
CREATE TABLE app.users (id int PRIMARY KEY);
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA app;
CREATE TABLE events (at int PRIMARY KEY) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE PUBLICATION of_events FOR TABLE events;
RESET client_min_messages;
SELECT * FROM verdict('app.users');
SELECT * FROM verdict('events');
DROP PUBLICATION of_schema, of_events;
SELECT * FROM verdict('app.users');
SELECT * FROM verdict('events');
SET client_min_messages = error;
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'update');
RESET client_min_messages;
SELECT * FROM verdict('app.users');
SELECT * FROM verdict('away');
-- the whole table goes: nothing is left to fail
DROP TABLE app.users;
DROP PUBLICATION everything;
ALTER TABLE away DROP CONSTRAINT away_pkey;
:indexes
