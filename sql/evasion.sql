-- What was needed a moment ago is needed still, whatever detour a table takes
-- before its index goes.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_team_idx ON users (team);
CALL use('SELECT count(pad) FROM users WHERE team = 17', 'auth', 30);

-- to be somebody's child for a moment ends no use
CREATE TABLE parent ();
ALTER TABLE users INHERIT parent;
ALTER TABLE users NO INHERIT parent;
DROP INDEX users_team_idx;
DROP TABLE users;
-- nor does it make the table one of those that retention drops
ALTER TABLE users INHERIT parent;
DROP TABLE users;
ALTER TABLE users NO INHERIT parent;
CREATE TABLE divided (LIKE users) PARTITION BY LIST (team);
ALTER TABLE divided ATTACH PARTITION users DEFAULT;
DROP TABLE users;
ALTER TABLE divided DETACH PARTITION users;
DROP INDEX users_team_idx;

-- away and back again
ALTER TABLE users RENAME TO away;
ALTER TABLE away RENAME TO users;
DROP INDEX users_team_idx;

-- first the index, then its table: COMMIT asks whether anybody needs the table
BEGIN;
DROP INDEX users_team_idx;
DROP TABLE users;
COMMIT;
:refusal
:indexes

-- an index of its own in a schema of its own name: that is a swap, and may pass
CREATE SCHEMA blue;
ALTER TABLE users SET SCHEMA blue;
CREATE SCHEMA green;
CREATE TABLE green.users AS TABLE blue.users;
CREATE INDEX ON green.users (team);
CALL use('SELECT count(pad) FROM blue.users WHERE team = 17');
BEGIN;
ALTER SCHEMA blue RENAME TO retired;
ALTER SCHEMA green RENAME TO blue;
COMMIT;
DROP SCHEMA retired CASCADE;
-- and the one that lacks it may not
CREATE SCHEMA green;
CREATE TABLE green.users AS TABLE blue.users;
CALL use('SELECT count(pad) FROM blue.users WHERE team = 17');
BEGIN;
ALTER SCHEMA blue RENAME TO retired;
ALTER SCHEMA green RENAME TO blue;
COMMIT;
:refusal

-- a table that was filled once, and that nobody has read, is nobody's
CREATE TABLE staging (id int PRIMARY KEY, pad text);
CALL use('INSERT INTO staging SELECT i, repeat(''x'', 50) FROM generate_series(1, 5000) i', 'loader');
DROP TABLE staging;

-- planning reads the ends of an index, and is no use of it
CREATE TABLE events AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX events_id_idx ON events (id);
ANALYZE events;
CALL use('EXPLAIN SELECT count(pad) FROM events WHERE id > 4990', 'auth', 60);
SELECT * FROM verdict('events');
DROP INDEX events_id_idx;

-- whoever may drop a function, but does not own the table, is refused without its traffic
CREATE ROLE regress_guard_author;
GRANT CREATE ON SCHEMA public TO regress_guard_author;
SET ROLE regress_guard_author;
CREATE FUNCTION norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
RESET ROLE;
CREATE TABLE names AS SELECT i AS id, 'Name ' || i AS name, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX names_norm_idx ON names (norm(name));
CALL use('SELECT count(pad) FROM names WHERE norm(name) = ''name 17''');
SET ROLE regress_guard_author;
DROP FUNCTION norm(text) CASCADE;
:refusal
RESET ROLE;
DROP FUNCTION norm(text) CASCADE;
:refusal
