-- A unique index that spares statements a join, unread, and another one that would do
-- as well: either may go, not both.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
CREATE OR REPLACE FUNCTION tools.connection(service text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s application_name=''%s'' options=''-c client_min_messages=warning''',
				  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
				  current_database(), session_user, service)
$$;
\c
CREATE TABLE teams AS SELECT i AS id, i % 100 AS kind, repeat('x', 50) AS pad FROM generate_series(1, 20000) i;
CREATE TABLE users AS SELECT i AS id, i % 20000 AS team FROM generate_series(1, 20000) i;
CREATE UNIQUE INDEX teams_id ON teams (id);
CREATE UNIQUE INDEX teams_id_kind ON teams (id) INCLUDE (kind);
CALL vacuum('teams', 'users');
CALL use('SELECT count(users.id) FROM users LEFT JOIN teams ON teams.id = users.team', times => 3);
SELECT * FROM verdict('teams');
DROP INDEX teams_id, teams_id_kind;
:refusal
-- made up for in the transaction
BEGIN;
DROP INDEX teams_id, teams_id_kind;
CREATE UNIQUE INDEX teams_new ON teams (id);
ROLLBACK;
DROP INDEX teams_id_kind;
DROP INDEX teams_id;
:refusal
-- one that is unique of more proves nothing
CREATE UNIQUE INDEX teams_more ON teams (id, kind);
DROP INDEX teams_id;
:refusal
:indexes
-- what is built again goes on proving it, and so does one that has taken its place
REINDEX INDEX CONCURRENTLY teams_id;
DROP INDEX teams_id;
:refusal
CREATE UNIQUE INDEX teams_twin ON teams (id);
DROP INDEX teams_id;
-- what is not unique is no twin of that
CREATE INDEX teams_plain ON teams (id);
DROP INDEX teams_twin;
:refusal
:indexes
