-- An approval lets one drop pass, whatever guard knows of the index: once,
-- for a while, and not by the one who drops where two persons are asked for.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE ROLE regress_guard_dba SUPERUSER;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
ANALYZE users;
CREATE PROCEDURE use_all() LANGUAGE plpgsql AS $$
BEGIN
	CALL use('SELECT count(*) FROM users WHERE id = 17');
	CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
	CALL use('SELECT count(*) FROM users WHERE team = 17');
END
$$;
CALL use_all();
\set approvals 'SELECT table_name, index_name, reason, state FROM guard.approvals ORDER BY approved_at;'

-- the refusal says what to hand to the other person
SELECT * FROM ask('DROP INDEX users_id_idx') OFFSET 2;
SELECT * FROM ask('DROP INDEX users_id_idx, users_team_idx') OFFSET 2;
SELECT * FROM ask('DROP TABLE users') OFFSET 2;
-- and it works
SELECT guard.approve('public.users_id_idx'::regclass, 'the report is gone');
SELECT * FROM verdict('users');
SELECT detail ~ '^(\S+) approved it: the report is gone\.', facts->'approval'->>'reason' FROM guard.check('users_id_idx');
DROP INDEX users_id_idx;
:approvals
SELECT index_name, verdict, reason, facts->'approval'->>'reason' AS because, approval ~ 'the report is gone' AS said FROM guard.audit_log WHERE index_name ~ 'id_idx' AND reason = 'approved';
-- once
CREATE INDEX users_id_idx ON users (id);
CALL use_all();
DROP INDEX users_id_idx;

-- a rolled back drop gives it back
SELECT guard.approve('users_id_idx', 'again');
BEGIN;
DROP INDEX users_id_idx;
ROLLBACK;
BEGIN;
SAVEPOINT a;
DROP INDEX users_id_idx;
ROLLBACK TO a;
COMMIT;
BEGIN;
SAVEPOINT a;
DROP INDEX users_id_idx;
ROLLBACK TO a;
DROP INDEX users_id_idx;
SELECT * FROM guard.nothing;
ROLLBACK;
SELECT * FROM verdict('users_id_idx');
:approvals
-- so does a statement that is refused for another index
DROP INDEX users_id_idx, users_team_idx;
SELECT * FROM verdict('users_id_idx');
-- dropped in a savepoint that is undone, dropped again, and committed: used
BEGIN;
SAVEPOINT a;
DROP INDEX users_id_idx;
ROLLBACK TO a;
DROP INDEX users_id_idx;
COMMIT;
:approvals
CREATE INDEX users_id_idx ON users (id);
CALL use_all();
SELECT * FROM verdict('users_id_idx');

-- CONCURRENTLY
SELECT guard.approve('users_id_idx', 'online');
DROP INDEX CONCURRENTLY users_id_idx;
SELECT state FROM guard.approvals WHERE reason = 'online';
CREATE INDEX users_id_idx ON users (id);
CALL use_all();
DROP INDEX CONCURRENTLY users_id_idx;

-- it follows its index
SELECT guard.approve('users_id_idx', 'follows');
REINDEX INDEX CONCURRENTLY users_id_idx;
ALTER INDEX users_id_idx RENAME TO renamed_idx;
ALTER TABLE users ALTER id TYPE bigint;
DROP INDEX renamed_idx;
SELECT index_name, state FROM guard.approvals WHERE reason = 'follows';

-- a table stands for all of its indexes in one transaction
CREATE INDEX users_id_idx ON users (id);
CALL use_all();
SELECT guard.approve('users', 'spring cleaning');
BEGIN;
DROP INDEX users_id_idx;
DROP INDEX users_team_idx;
ROLLBACK;
DROP INDEX users_id_idx, users_team_idx;
DROP INDEX users_email_idx;
-- the whole table
SELECT guard.approve('users', 'closed down');
BEGIN;
DROP TABLE users;
ROLLBACK;
-- other doors
BEGIN;
ALTER TABLE users DROP COLUMN email;
ROLLBACK;
CREATE SCHEMA app;
ALTER TABLE users SET SCHEMA app;
DROP SCHEMA app CASCADE;
:approvals

-- what a person protected, and what somebody depends on
CREATE TABLE users AS SELECT i AS id FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
SELECT guard.protect('users_id_idx', 'never');
SELECT guard.add_dependency('users_id_idx', 'auth');
SELECT guard.approve('users_id_idx', 'yes, now');
SELECT * FROM verdict('users_id_idx');

-- two persons
SET guard.two_person = on;
SELECT * FROM verdict('users_id_idx');
SELECT substring(mask(detail) FROM 'Service .*') FROM guard.check('users_id_idx');
DROP INDEX users_id_idx;
SET SESSION AUTHORIZATION regress_guard_dba;
SELECT guard.approve('users_id_idx', 'seen by the other one');
DROP INDEX users_id_idx;
RESET SESSION AUTHORIZATION;
-- SET ROLE makes nobody another person
SET ROLE regress_guard_dba;
SELECT count(*), count(DISTINCT approved_by) FROM guard.approvals WHERE index_name = 'users_id_idx' AND state = 'valid';
RESET ROLE;
DROP INDEX users_id_idx;
RESET guard.two_person;
SELECT reason, state FROM guard.approvals WHERE index_name = 'users_id_idx' ORDER BY approved_at DESC LIMIT 2;

-- the one that was left goes with its index, not to the next of that name
-- it expires
CREATE INDEX users_id_idx ON users (id);
SELECT guard.protect('users_id_idx', 'never');
SELECT guard.revoke_approval('users_id_idx');
SELECT guard.approve('users_id_idx', 'short', '1 microsecond');
DROP INDEX users_id_idx;
SELECT substring(mask(detail) FROM 'The approval[^.]*\.') FROM guard.check('users_id_idx');
-- it can be taken back
SELECT guard.approve('users_id_idx', 'rash');
SELECT guard.revoke_approval('users_id_idx');
DROP INDEX users_id_idx;
SELECT guard.revoke_approval('users_id_idx');
SELECT guard.revoke_approval('users');
-- in observe mode it is used up as well
SELECT guard.approve('users_id_idx', 'watched');
SET guard.mode = observe;
DROP INDEX users_id_idx;
RESET guard.mode;
SELECT state FROM guard.approvals WHERE reason = 'watched';

-- partitions: what was approved for all does not stand for one alone
CREATE TABLE events (at int, who int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (5000);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (5000) TO (10000);
CREATE INDEX events_at_idx ON events (at);
INSERT INTO events SELECT i, i FROM generate_series(0, 9999) i;
SELECT guard.add_dependency('events_at_idx', 'tracker');
SELECT guard.approve('events_at_idx', 'all of it');
SELECT * FROM verdict('events');
SELECT * FROM verdict('events_1');
DROP TABLE events_1;
SELECT state FROM guard.approvals WHERE reason = 'all of it';
DROP INDEX events_at_idx;
SELECT state FROM guard.approvals WHERE reason = 'all of it';
CREATE INDEX events_at_idx ON events (at);
SELECT guard.add_dependency('events_at_idx', 'tracker');
SELECT guard.approve('events', 'the table');
DROP TABLE events;

-- who may, and words that are none
SELECT guard.approve(NULL, 'x');
SELECT guard.approve('users', NULL);
SELECT guard.approve('users', ' ');
SELECT guard.approve('users', 'x', NULL);
SELECT guard.approve('users', 'x', '0');
SELECT guard.approve('users', 'x', '-1 hour');
SELECT guard.approve('pg_class', 'x');
SELECT guard.approve(0, 'x');
SELECT guard.revoke_approval(NULL);
CREATE ROLE regress_guard_other;
SET ROLE regress_guard_other;
SELECT guard.approve('users', 'mine');
SELECT guard.revoke_approval('users');
SELECT guard.add_dependency('users', 'mine');
SELECT guard.remove_dependency('users', 'mine');
SELECT guard.report_deployment('mine', '1');
SELECT * FROM guard.approvals;
SELECT * FROM guard.approval;
SELECT * FROM guard.dependency;
SELECT * FROM guard.deployments;
SELECT count(*) FROM guard.dependencies;
RESET ROLE;
GRANT EXECUTE ON FUNCTION guard.approve(regclass, text, interval) TO regress_guard_other;
GRANT EXECUTE ON FUNCTION guard.add_dependency(regclass, text, text, text, text) TO regress_guard_other;
CREATE INDEX users_id_idx ON users (id);
SET ROLE regress_guard_other;
-- a reviewer need not own what he reviews, a grantee looks after his own tables
SELECT guard.approve('users', 'reviewed');
SELECT guard.add_dependency('users_id_idx', 'not mine');
RESET ROLE;
SELECT command, object, reason FROM guard.audit_log WHERE command ~ 'approv' ORDER BY id DESC LIMIT 2;
DROP ROLE regress_guard_dba;
