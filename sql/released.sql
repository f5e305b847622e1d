-- A use stops counting when every service that made it was released by a
-- deployment, and the use is older than that.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
ANALYZE users;
\set seek '\'SELECT count(*) FROM users WHERE email = \'\'user17\'\'\''
\set drop 'SELECT * FROM ask(\'DROP INDEX users_email_idx\');'
\set first 'SELECT line FROM ask(\'DROP INDEX users_email_idx\') AS line LIMIT 1;'
CALL use(:seek, 'auth/2.9', 30);

-- discovered, not registered: hot, by name
:first
SELECT service, registered, needed, versions_seen, uses > 0 FROM guard.dependencies WHERE index_name = 'users_email_idx';
-- a deployment alone does not release: nobody said that it matters
SELECT guard.report_deployment('auth', '2.10');
:first

-- registered: the dependency says more than the use
SELECT guard.report_deployment('auth', '2.9');
SELECT guard.add_dependency('users_email_idx', 'auth', '2.10');
:first
-- released, and only older use
SELECT guard.report_deployment('auth', '2.10');
SELECT verdict, reason, mask(split_part(detail, '. ', 1)) FROM guard.check('users_email_idx');
BEGIN;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP INDEX users_email_idx;
SET client_min_messages = notice;
\set VERBOSITY sqlstate
ROLLBACK;
-- rolled back: closed again, and released anew
SELECT guard.report_deployment('auth', '2.9');
:first
SELECT guard.report_deployment('auth', '2.10');
SELECT * FROM verdict('users_email_idx');

-- another service uses it as well: it is named, and the released one is not
CALL use(:seek, 'push');
:first
SELECT service, registered, needed FROM guard.dependencies WHERE index_name = 'users_email_idx' ORDER BY service;
SELECT guard.add_dependency('users_email_idx', 'push', '7');
SELECT guard.report_deployment('push', '7');
SELECT * FROM verdict('users_email_idx');

-- the new version uses it after all
CALL use(:seek, 'auth/2.10');
:first
-- the next one does not: but nobody said so, until the registration says it
SELECT guard.report_deployment('auth', '2.11');
:first
SELECT guard.add_dependency('users_email_idx', 'auth', '2.11');
SELECT * FROM verdict('users_email_idx');

-- whoever calls himself by an old version elsewhere keeps nothing
CREATE TABLE elsewhere AS SELECT i AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX elsewhere_team_idx ON elsewhere (team);
ANALYZE elsewhere;
CALL use('SELECT count(*) FROM elsewhere WHERE team = 17', 'auth/2.10', 3);
SELECT * FROM verdict('users_email_idx');
-- an old version still at work on its table, be it by another index
CREATE INDEX users_team_idx ON users (team);
CALL use('SELECT count(*) FROM users WHERE team = 17', 'auth/2.10', 3);
:drop
SELECT service, needed, versions_seen FROM guard.dependencies WHERE index_name = 'users_email_idx' ORDER BY service;
-- reported again: whatever was seen is over
SELECT guard.report_deployment('auth', '2.11');
SELECT * FROM verdict('users_email_idx');
-- an old version that uses this one
CALL use(:seek, 'auth/2.9.1');
:first
SELECT guard.report_deployment('auth', '2.11');
SELECT * FROM verdict('users_email_idx');
-- so does a session that does not say which version it is, but then nobody can tell
CALL use(:seek, 'auth');
:first

-- released again
SELECT guard.add_dependency('users_email_idx', 'auth', '2.12');
SELECT guard.report_deployment('auth', '2.12');
SELECT * FROM verdict('users_email_idx');
-- names as processes bear them
SELECT guard.add_dependency('users_team_idx', 'auth-7f9c6d5b8-x2v4q', '2.12');
SELECT * FROM verdict('users_team_idx');
SELECT guard.report_deployment('auth-6c8d7f9b5-z4k2m', '2.9');
SELECT * FROM verdict('users_team_idx');
