-- May this version be deployed?  guard.may_deploy() has a row for each index that it needs and that is missing, invalid, hidden or
-- going; no row: go ahead.  A rollback that needs what is gone is an alert.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
ANALYZE users;
CREATE FUNCTION tools.may(service text, version text) RETURNS TABLE (index text, state text, detail text, remedy text) LANGUAGE sql AS $$
	SELECT index_name, state, regexp_replace(mask(detail), '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+', '…'), remedy FROM guard.may_deploy(service, version)
$$;
\set alerts 'SELECT facts ->> ''alert'', facts ->> ''index'', reason, facts -> ''facts'' FROM guard.audit_log WHERE command = ''alert'' ORDER BY id DESC LIMIT 1;'
CALL use('SELECT count(*) FROM users WHERE team = 17', 'auth/2.9');
CALL use('SELECT count(*) FROM users WHERE team = 17', 'push');

-- all that it needs is there
SELECT guard.add_dependency('users_email_idx', 'auth', from_version => '2.10', until_version => '3.0', note => 'login by email');
SELECT * FROM may('auth', '2.9');
SELECT * FROM may('auth', '2.10');
SELECT * FROM may('push', '1.0');

-- a service that nobody knows: a row, and the nearest names
\set VERBOSITY default
SELECT * FROM may('atuh', '2.10');
SELECT guard.report_deployment('atuh', '2.10');
SELECT guard.add_dependency('users_team_idx', 'puhs', '9');
-- known as well: by another version's name, by a session, by what is registered
SELECT * FROM may('auth-1', '2.10');
SELECT * FROM may('puhs', '8');
SELECT dblink_connect('batch', connection('batch'));
SELECT * FROM may('batch', '1');
SELECT dblink_disconnect('batch');
SELECT guard.remove_dependency('users_team_idx', 'puhs');
\set VERBOSITY sqlstate

-- missing, only for the versions that need it
SET client_min_messages = error;
SET guard.mode = observe;
DROP INDEX users_email_idx;
RESET guard.mode;
RESET client_min_messages;
SELECT * FROM may('auth', '2.9');
SELECT * FROM may('auth', '2.10');
SELECT * FROM may('auth-7', '2.99');
SELECT * FROM may('auth', '3.0');
SELECT * FROM may('push', '2.10');
-- another one like it will do, whatever its name
CREATE INDEX users_email_again ON users (email);
SELECT * FROM may('auth', '2.10');
DROP INDEX users_email_again;
CREATE INDEX users_email_idx ON users (email);
SELECT * FROM may('auth', '2.10');

-- what this very version used, and another one did not
SET client_min_messages = error;
SET guard.mode = observe;
DROP INDEX users_team_idx;
RESET guard.mode;
RESET client_min_messages;
SELECT * FROM may('auth', '2.9');
SELECT * FROM may('auth', '2.8');
-- a rollback to it: an alert, and the way back
SELECT guard.report_deployment('auth', '2.10');
SELECT guard.report_deployment('auth', '2.9');
:alerts
SELECT guard.report_deployment('auth', '2.8');
CREATE INDEX users_team_idx ON users (team);
SELECT guard.report_deployment('auth', '2.9');
SELECT * FROM may('auth', '2.9');

-- not as it was: invalid, hidden, going
SELECT guard.add_dependency('users_team_idx', 'auth', '3.0');
SELECT guard.hide('users_team_idx');
SELECT * FROM may('auth', '2.9');
SELECT guard.unhide('users_team_idx');
SET guard.hot_action = delay;
DROP INDEX users_team_idx;
SELECT * FROM may('auth', '2.9');
SELECT guard.restore('users_team_idx');
RESET guard.hot_action;
SELECT * FROM may('auth', '2.9');
CREATE UNIQUE INDEX CONCURRENTLY users_team_key ON users (team);
SELECT guard.add_dependency('users_team_key', 'auth', '3.0');
SELECT * FROM may('auth', '2.9');

-- the code went first, then the index, then the code came back
CREATE TABLE mails AS SELECT i AS id, i % 100 AS kind FROM generate_series(1, 5000) i;
CREATE INDEX mails_kind_idx ON mails (kind);
SELECT guard.add_dependency('mails_kind_idx', 'mail', '7');
SELECT guard.report_deployment('mail', '7');
DROP INDEX mails_kind_idx;
SELECT * FROM may('mail', '7.1');
SELECT * FROM may('mail', '6.9');
SELECT guard.report_deployment('mail', '6.9');
:alerts

-- dropped while guard was off: registrations know
SET guard.mode = off;
DROP INDEX users_team_idx;
RESET guard.mode;
SELECT * FROM may('auth', '2.9');
-- with its whole table
SET client_min_messages = error;
SET guard.mode = observe;
DROP TABLE users;
RESET guard.mode;
RESET client_min_messages;
SELECT * FROM may('auth', '2.10');

-- words that are none, and who may ask
SELECT * FROM guard.may_deploy(NULL, '1');
SELECT * FROM guard.may_deploy('auth', ' ');
SELECT * FROM guard.may_deploy('auth/2.9', '1');
CREATE ROLE regress_guard_pipeline;
GRANT USAGE ON SCHEMA guard TO regress_guard_pipeline;
SET ROLE regress_guard_pipeline;
SELECT * FROM guard.may_deploy('auth', '2.9');
RESET ROLE;
GRANT EXECUTE ON FUNCTION guard.may_deploy TO regress_guard_pipeline;
SET ROLE regress_guard_pipeline;
SELECT index_name, state FROM guard.may_deploy('auth', '2.9');
RESET ROLE;
