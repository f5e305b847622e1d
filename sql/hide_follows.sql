-- A hidden index stays hidden through all that leaves it what it is, and is
-- forgotten when it goes.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set plan :srcdir /sql/include/plan.psql
\i :plan
CREATE EXTENSION guard;
CREATE SCHEMA other;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 3000) i;
CREATE INDEX users_email_idx ON users (email);
ANALYZE users;
SELECT guard.hide('users_email_idx', 'on trial');
\set plan 'SELECT plan($$SELECT id FROM users WHERE email = ''user17''$$);'
-- what is registered, and whether it is what there is
\set hidden 'SELECT table_schema, table_name, index_name, reason, (SELECT oid FROM pg_class c WHERE c.oid = index_oid AND relname = index_name) IS NOT NULL AS found FROM guard.hidden_index JOIN guard.object o ON o.id = object;'
:plan

-- new OIDs
REINDEX INDEX users_email_idx;
:plan
REINDEX INDEX CONCURRENTLY users_email_idx;
:plan
:hidden
REINDEX TABLE CONCURRENTLY users;
:plan
ALTER TABLE users ALTER COLUMN email TYPE varchar(200);
:plan
:hidden
BEGIN;
ALTER TABLE users ALTER COLUMN email TYPE text;
:plan
ROLLBACK;
:plan
VACUUM FULL users;
CLUSTER users USING users_email_idx;
ALTER TABLE users SET UNLOGGED;
TRUNCATE users;
INSERT INTO users SELECT i, 'user' || i, i % 100 FROM generate_series(1, 3000) i;
:plan

-- new names
ALTER INDEX users_email_idx RENAME TO renamed_idx;
ALTER TABLE users RENAME TO people;
ALTER TABLE people RENAME COLUMN email TO mail;
ALTER TABLE people SET SCHEMA other;
SELECT plan($$SELECT id FROM other.people WHERE mail = 'user17'$$);
:hidden
-- both
REINDEX INDEX CONCURRENTLY other.renamed_idx;
ALTER INDEX other.renamed_idx RENAME TO again_idx;
ALTER TABLE other.people ALTER COLUMN mail TYPE text;
REINDEX TABLE CONCURRENTLY other.people;
SELECT plan($$SELECT id FROM other.people WHERE mail = 'user17'$$);
:hidden
ALTER TABLE other.people SET SCHEMA public;
ALTER TABLE people RENAME TO users;
ALTER TABLE users RENAME COLUMN mail TO email;
ALTER INDEX again_idx RENAME TO users_email_idx;

-- what guard did not see is found by name ...
SET guard.mode = off;
REINDEX INDEX CONCURRENTLY users_email_idx;
:plan
RESET guard.mode;
:plan
:hidden
-- ... and the next statement that guard sees puts the OID right
ALTER TABLE users ALTER COLUMN team SET DEFAULT 1;
:hidden
-- but a rename that it did not see, after that, is not: then the index is visible
SET guard.mode = off;
REINDEX INDEX CONCURRENTLY users_email_idx;
ALTER INDEX users_email_idx RENAME TO lost_idx;
RESET guard.mode;
:plan
SELECT index_name, hidden FROM guard.index_facts;
ALTER INDEX lost_idx RENAME TO users_email_idx;
:plan
SELECT guard.unhide('users_email_idx');
:plan

-- it goes: what is created under its name is another one
SELECT guard.hide('users_email_idx');
DROP INDEX users_email_idx;
:hidden
CREATE INDEX users_email_idx ON users (email);
:plan
SELECT guard.hide('users_email_idx');
BEGIN;
DROP INDEX users_email_idx;
CREATE INDEX users_email_idx ON users (email);
:plan
ROLLBACK;
:plan
ALTER TABLE users DROP COLUMN email;
:hidden
ALTER TABLE users ADD email text;
CREATE INDEX users_email_idx ON users (email);
SELECT guard.hide('users_email_idx');
DROP TABLE users;
:hidden
SELECT count(*) FROM guard.hidden_time;
-- the audit log has it all
SELECT command, object, reason FROM guard.audit_log WHERE command ~ 'hide' ORDER BY id;
