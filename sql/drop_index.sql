-- DROP INDEX in all its forms.  An index that another session used is refused,
-- and stays; one that nobody used goes without a word.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team, i % 7 AS kind FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
CREATE INDEX users_id_idx ON users (id);
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM users WHERE team = 17', 'push');
SELECT * FROM verdict('users');

-- plain, with its schema, with IF EXISTS, RESTRICT and CASCADE
DROP INDEX users_email_idx;
:refusal
DROP INDEX public.users_email_idx;
DROP INDEX IF EXISTS users_email_idx;
DROP INDEX users_email_idx RESTRICT;
DROP INDEX users_email_idx CASCADE;
DROP INDEX CONCURRENTLY users_email_idx;
DROP INDEX CONCURRENTLY IF EXISTS users_email_idx;
:indexes

-- many names: one refused index keeps them all, and all refused ones are named
DROP INDEX users_kind_idx, users_email_idx, users_team_idx;
:refusal
DROP INDEX users_team_idx, users_email_idx;
:refusal
:indexes

-- what is not there, or is no index, is PostgreSQL's own affair
DROP INDEX no_such_idx;
DROP INDEX IF EXISTS no_such_idx;
DROP INDEX users;
DROP INDEX users_email_idx, no_such_idx;
DROP INDEX CONCURRENTLY users_kind_idx, users_id_idx;
:indexes

-- IF EXISTS skips what is not there and judges the rest
DROP INDEX IF EXISTS no_such_idx, users_email_idx;
:refusal

-- the harmless neighbours go
DROP INDEX users_kind_idx;
DROP INDEX CONCURRENTLY users_id_idx;
:indexes
