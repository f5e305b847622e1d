-- A service needs an index as long as an older version than the one that lets
-- go of it runs; what runs is what was reported last.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
ANALYZE users;
\set drop 'SELECT * FROM ask(\'DROP INDEX users_email_idx\');'

-- nobody uses it yet, and nothing was deployed
SELECT guard.add_dependency('users_email_idx', 'auth', '2.10', 'login by email');
DROP INDEX users_email_idx;
:refusal
SELECT guard.report_deployment('auth', 'v2.9');
:drop
SELECT * FROM verdict('users');

-- the code first, then the index
SELECT guard.report_deployment('auth', 'v2.10.0-rc1');
SELECT * FROM verdict('users_email_idx');
SELECT guard.report_deployment('auth', '2.10');
SELECT * FROM verdict('users_email_idx');
-- a rollback closes the door again, a later version opens it
SELECT guard.report_deployment('auth', '2.9.4');
:drop
SELECT guard.report_deployment('auth', '3.0');
SELECT * FROM verdict('users_email_idx');
-- what was rolled back by the transaction was never reported
BEGIN;
SELECT guard.report_deployment('auth', '2.9');
SELECT * FROM verdict('users_email_idx');
ROLLBACK;
SELECT * FROM verdict('users_email_idx');
-- neither old enough nor new enough: nobody knows, and it is said at once
\set VERBOSITY default
SELECT guard.report_deployment('auth', '8f2c41d');
\set VERBOSITY sqlstate
:drop
SELECT guard.report_deployment('auth', '2.10.0+build7');
BEGIN;
DROP INDEX users_email_idx;
ROLLBACK;

-- for ever, with and without a reason
SELECT guard.add_dependency('users_email_idx', 'auth', NULL, E'month-end\nreport');
:drop
SELECT guard.add_dependency('users_email_idx', 'auth');
DROP INDEX users_email_idx;
:refusal
-- several services, and other indexes
SELECT guard.add_dependency('users_email_idx', 'push', '7');
SELECT guard.add_dependency('users_team_idx', 'push', '7');
SELECT * FROM ask('DROP INDEX users_email_idx, users_team_idx');
SELECT guard.report_deployment('push', '7.1');
SELECT * FROM verdict('users');
DROP TABLE users;
ALTER TABLE users DROP COLUMN email;
SELECT guard.remove_dependency('users_email_idx', 'auth');
SELECT * FROM verdict('users');

-- one that serves is not what was asked for, but a twin is, and takes it over
SELECT guard.add_dependency('users_email_idx', 'auth', '2.11', 'login');
CREATE INDEX users_email_id_idx ON users (email, id);
DROP INDEX users_email_idx;
CREATE INDEX users_email_twin ON users (email);
SELECT guard.add_dependency('users_email_twin', 'push', '9', 'its own');
DROP INDEX users_email_idx;
SELECT index_name, service, until_version, note FROM guard.dependency ORDER BY 1, 2;
DROP INDEX CONCURRENTLY users_email_twin;
CREATE INDEX users_email_idx ON users (email);
DROP INDEX CONCURRENTLY users_email_twin;
-- made up for in one transaction
BEGIN;
DROP INDEX users_email_idx;
COMMIT;
BEGIN;
DROP INDEX users_email_idx;
CREATE INDEX users_mail_idx ON users (email, team);
COMMIT;
BEGIN;
DROP INDEX users_email_idx;
CREATE INDEX users_mail_idx ON users (email);
COMMIT;
SELECT index_name, service, until_version, note FROM guard.dependency ORDER BY 1, 2;
DROP INDEX users_mail_idx;
:indexes

-- what people say of it
SELECT index_name, service, registered, until_version, deployed_version, needed, versions_seen, uses, note FROM guard.dependencies ORDER BY 1, 2;
SELECT service, version, current FROM guard.deployments ORDER BY reported_at;
SELECT command, facts FROM guard.audit_log WHERE verdict = 'change' ORDER BY id LIMIT 3;
SELECT DISTINCT command FROM guard.audit_log WHERE verdict = 'change' ORDER BY 1;

-- in observe mode it is only said
SET guard.mode = observe;
DROP INDEX users_mail_idx;
RESET guard.mode;
SELECT count(*) FROM guard.dependency WHERE index_name = 'users_mail_idx';

-- words that are none
SELECT guard.add_dependency(NULL, 'auth');
SELECT guard.add_dependency('users', 'auth');
SELECT guard.add_dependency(0, 'auth');
SELECT guard.add_dependency('pg_class_oid_index', 'auth');
SELECT guard.add_dependency('users_team_idx', NULL);
SELECT guard.add_dependency('users_team_idx', '  ');
SELECT guard.add_dependency('users_team_idx', 'auth/2.9');
SELECT guard.add_dependency('users_team_idx', repeat('x', 64));
SELECT guard.remove_dependency('users_team_idx', 'nobody');
SELECT guard.remove_dependency(NULL, 'push');
SELECT guard.report_deployment(NULL, '1');
SELECT guard.report_deployment('auth', NULL);
SELECT guard.report_deployment('auth', ' ');
\set VERBOSITY terse
SELECT guard.add_dependency('users_team_idx', 'auth', ' next ');
SELECT until_version FROM guard.dependency WHERE service = 'auth';
-- how versions compare
SELECT guard.compare_versions('2.9', '2.10'), guard.compare_versions('v2.10', '2.10.0'), guard.compare_versions('2.10', '2.10-rc1'),
	guard.compare_versions('blue', 'green'), guard.compare_versions(NULL, '1');
