-- An index that its statements would not miss, as their plans say, since they
-- would take another one: wherever its table's name leads to, that must be there.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
-- a busy machine must not make a statement too slow to plan
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
-- the settings are the server's here
CREATE OR REPLACE FUNCTION tools.connection(service text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s application_name=''%s'' options=''-c client_min_messages=warning''',
				  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
				  current_database(), session_user, service)
$$;
\c
CREATE TABLE users AS SELECT i AS id, i AS team, i % 7 AS kind, repeat('x', 100) AS pad FROM generate_series(1, 20000) i;
CREATE INDEX users_team_kind ON users (team, kind);
CREATE INDEX users_kind_team ON users (kind, team);
CALL vacuum('users');
CALL use('SELECT pad FROM users WHERE team = 77 AND kind = 3', times => 3);
SELECT instead FROM guard.what_if('users_kind_team');
SELECT * FROM verdict('users');
CREATE TABLE users_new AS TABLE users;

-- a copy with neither
BEGIN;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
COMMIT;
:refusal
-- nor when the old one goes on the way
BEGIN;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
DROP TABLE users_old;
COMMIT;
:refusal
-- with the index that statements would take
CREATE INDEX ON users_new (team, kind);
BEGIN;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
COMMIT;
BEGIN;
ALTER TABLE users RENAME TO users_new;
ALTER TABLE users_old RENAME TO users;
COMMIT;
BEGIN;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
DROP TABLE users_old;
COMMIT;
:indexes
