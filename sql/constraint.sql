-- A unique index that no query reads still refuses duplicates.  Who drops it by
-- name knows; who drops a column or a function may not.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users (id int PRIMARY KEY, email text, team int, login text UNIQUE, nick text, pad text, during int4range,
					UNIQUE (email, team), EXCLUDE USING gist (during WITH &&));
INSERT INTO users SELECT i, 'user' || i, i % 100, 'login' || i, 'nick' || i, repeat('x', 50), int4range(2 * i, 2 * i + 1)
  FROM generate_series(1, 5000) i;
CREATE FUNCTION norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE UNIQUE INDEX users_nick_idx ON users (norm(nick));
CREATE INDEX users_pad_idx ON users (pad);
CALL use('INSERT INTO users (id, email) VALUES (0, ''user0'')');

-- as collateral: too little is known of what it is for
SET guard.unknown_action = block;
ALTER TABLE users DROP COLUMN team;
:refusal
ALTER TABLE users DROP COLUMN email;
ALTER TABLE users DROP COLUMN during;
DROP FUNCTION norm(text) CASCADE;
:refusal
-- its neighbour enforces nothing
ALTER TABLE users DROP COLUMN pad;
RESET guard.unknown_action;
-- auto: where the table is small, a WARNING
BEGIN;
ALTER TABLE users DROP COLUMN team;
DROP FUNCTION norm(text) CASCADE;
ROLLBACK;
SET guard.rebuild_limit = 0;
ALTER TABLE users DROP COLUMN team;
RESET guard.rebuild_limit;
-- by name: the person's word
SELECT * FROM verdict('users');
ALTER TABLE users DROP CONSTRAINT users_login_key;
ALTER TABLE users DROP CONSTRAINT users_during_excl;
ALTER TABLE users DROP CONSTRAINT users_email_team_key;
DROP INDEX users_nick_idx;
ALTER TABLE users DROP CONSTRAINT users_pkey;
:indexes
