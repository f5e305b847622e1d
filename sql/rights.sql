-- guard is no oracle and no lever: who could not drop the index learns nothing
-- from it, and who could cannot talk it round.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set owner :USER
CREATE EXTENSION guard;
CREATE ROLE regress_guard_app;
CREATE ROLE regress_guard_other;
CREATE ROLE regress_guard_monitor IN ROLE pg_read_all_stats;
CREATE ROLE regress_guard_dba;
CREATE SCHEMA app AUTHORIZATION regress_guard_app;
GRANT USAGE, CREATE ON SCHEMA app TO PUBLIC;
SET search_path = app, public, tools;
SET ROLE regress_guard_app;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_id_idx ON users (id);
SET ROLE regress_guard_other;
CREATE TABLE others AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX others_id_idx ON others (id);
RESET ROLE;
CALL use('SELECT count(*) FROM app.users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM app.others WHERE id = 17');
SELECT guard.protect('users_team_idx', 'secret reason');

-- neither owner nor anybody: PostgreSQL's own error
SET ROLE regress_guard_other;
DROP INDEX users_email_idx;
DROP INDEX users_team_idx;
DROP INDEX users_id_idx;
DROP TABLE users;
ALTER TABLE users DROP COLUMN email;
DROP INDEX others_id_idx, users_email_idx;
BEGIN;
DROP INDEX users_email_idx;
ROLLBACK;
-- nor by asking
SELECT * FROM verdict('users_email_idx');
SELECT * FROM verdict('users');
SELECT * FROM guard.index_statements('users_email_idx');
SELECT index_name, reason FROM guard.indexes;
SELECT * FROM guard.protection;
SELECT * FROM guard.departed;
SELECT * FROM guard.audit_log;
SELECT * FROM guard.last_drops();
SELECT item FROM guard.status ORDER BY item COLLATE "C" LIMIT 1;

-- the owner is told, and refused; he may not register anything unless a DBA lets him
SET ROLE regress_guard_app;
DROP INDEX users_email_idx;
DROP INDEX users_team_idx;
SELECT * FROM verdict('users');
SELECT index_name, reason FROM guard.indexes ORDER BY 1;
SELECT uses > 0, query, services FROM guard.index_statements('users_email_idx');
SELECT guard.unprotect('users_team_idx');
SELECT guard.protect('users_id_idx', 'mine');
SELECT * FROM guard.last_drops();
UPDATE guard.protection SET reason = 'none';
DELETE FROM guard.protection;
DELETE FROM guard.audit_log;
ALTER EVENT TRIGGER guard_ddl_command_start DISABLE;
DROP EXTENSION guard;
DROP SCHEMA guard CASCADE;
DROP FUNCTION guard.ddl_command_start() CASCADE;
SELECT guard.ddl_command_start();
-- his own drop is his right
DROP INDEX users_id_idx;
-- the owner of a schema may drop what is in it, so he is told, too
DROP TABLE others;
-- shadowing PostgreSQL's own names in front of its does not blind guard
CREATE FUNCTION app.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''shadow''; END';
CREATE TABLE app.pg_index AS SELECT;
CREATE TABLE app.pg_class AS SELECT;
SET search_path = app, pg_catalog;
DROP INDEX app.users_email_idx;
CREATE INDEX users_id_idx ON app.users (id);
DROP INDEX app.users_id_idx;
RESET ROLE;
SET search_path = app, public, tools;
SELECT index_name, reason FROM guard.audit_log WHERE index_name ~ 'id_idx' AND verdict <> 'block' ORDER BY id;
DROP FUNCTION app.clock_timestamp();
DROP TABLE app.pg_index, app.pg_class;

-- a grant makes him look after his own, not after others'
GRANT EXECUTE ON FUNCTION guard.protect(regclass, text), guard.unprotect(regclass) TO regress_guard_app, regress_guard_dba;
SET ROLE regress_guard_app;
SELECT guard.unprotect('users_team_idx');
SELECT guard.protect('users', 'mine');
SELECT guard.protect('others', 'not mine');
SELECT protected_by = :'owner' FROM guard.protection;
SET ROLE regress_guard_dba;
SELECT guard.protect('users', 'not mine either');
SELECT guard.unprotect('users');
RESET ROLE;
SELECT table_name, reason, protected_by = :'owner' AS by_session_user FROM guard.protection;

-- who watches may see, and may read what others run; that does not make him an owner
SET ROLE regress_guard_monitor;
SELECT * FROM verdict('users_email_idx');
SELECT table_name, index_name FROM guard.indexes ORDER BY 2;
SELECT command, coalesce(index_name, object) FROM guard.audit_log WHERE verdict <> 'block' ORDER BY id;
SELECT index_name FROM guard.last_drops() WHERE event <> 'refused';
DROP INDEX users_email_idx;
SELECT guard.protect('users_email_idx', 'seen');
RESET ROLE;

-- an owner by proxy is judged by what he does
CREATE FUNCTION drop_it() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN DROP INDEX app.users_email_idx; END';
ALTER FUNCTION drop_it() OWNER TO regress_guard_app;
SET ROLE regress_guard_other;
SELECT app.drop_it();
RESET ROLE;
-- and so is a superuser
DROP INDEX others_id_idx;
:indexes
