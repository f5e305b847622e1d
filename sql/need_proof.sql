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

-- where the plan without it is not made, it is unknown whether any does: of those alone that might
CREATE TABLE kinds AS SELECT i AS id, i AS nr, i AS code, repeat('x', 50) AS pad FROM generate_series(1, 20000) i;
ALTER TABLE kinds ADD CONSTRAINT kinds_id PRIMARY KEY (id), ADD CONSTRAINT kinds_nr UNIQUE (nr);
CREATE UNIQUE INDEX kinds_code ON kinds (code, nr);
CREATE VIEW named_kinds AS SELECT nr AS number, pad FROM kinds;
CREATE FUNCTION same(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CALL vacuum('kinds');
CALL use('SELECT count(users.id) FROM users LEFT JOIN kinds ON kinds.id = users.team WHERE users.id > same(17)');
SELECT * FROM verdict('kinds');
CALL use('SELECT count(users.id) FROM users LEFT JOIN named_kinds ON number = users.team WHERE users.id > same(17)');
SELECT * FROM verdict('kinds');
SET guard.unknown_action = block;
ALTER TABLE kinds DROP CONSTRAINT kinds_id;
:refusal
SELECT * FROM ask('DROP INDEX kinds_code');
RESET guard.unknown_action;
-- as long as it is not made
CREATE UNIQUE INDEX users_id ON users (id);
CREATE TABLE sorts AS TABLE kinds;
CREATE UNIQUE INDEX sorts_both ON sorts (id, nr);
CALL vacuum('sorts');
ALTER DATABASE guard_regress SET guard.whatif_time_limit = 0;
CALL use('SELECT count(pad) FROM kinds LEFT JOIN users ON users.id = kinds.nr');
CALL use('SELECT count(*) FROM (SELECT id, nr, max(pad) FROM sorts GROUP BY id, nr) x');
SELECT v.* FROM unnest('{users, sorts}'::regclass[]) t, verdict(t) v;
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
ALTER DATABASE guard_regress SET guard.whatif_interval = '1s';
DO $$ BEGIN
	LOOP
		CALL use('SELECT count(*) FROM (SELECT id, nr, max(pad) FROM sorts GROUP BY id, nr) x');
		CALL use('SELECT count(pad) FROM kinds LEFT JOIN users ON users.id = kinds.nr');
		EXIT WHEN NOT EXISTS (SELECT FROM unnest('{users, sorts}'::regclass[]) t, verdict(t) WHERE reason = 'unknown');
	END LOOP;
END $$;
SELECT v.* FROM unnest('{users, sorts}'::regclass[]) t, verdict(t) v;
