-- The extension itself: what it makes, whose it is, how it comes and goes.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
-- before it is there nothing is judged, preloaded or not
CREATE TABLE users AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CALL use('SELECT count(*) FROM users WHERE id = 17');
DROP INDEX users_id_idx;

-- a schema of that name that is somebody else's is not moved into
CREATE SCHEMA guard;
CREATE EXTENSION guard;
SELECT count(*) FROM pg_extension WHERE extname = 'guard';
DROP SCHEMA guard;
CREATE EXTENSION guard;
CREATE EXTENSION guard;
CREATE EXTENSION IF NOT EXISTS guard;

-- its surface: functions and views, those for everybody marked
SELECT p.oid::regprocedure, CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN 'public' ELSE '' END
  FROM pg_proc p WHERE pronamespace = 'guard'::regnamespace ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT c.oid::regclass, CASE WHEN has_table_privilege('public', c.oid, 'SELECT') THEN 'public' ELSE '' END
  FROM pg_class c WHERE relnamespace = 'guard'::regnamespace AND relkind IN ('v', 'r', 'm') ORDER BY relname COLLATE "C";
SELECT count(*) FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS what
 WHERE relnamespace = 'guard'::regnamespace AND relkind IN ('v', 'r', 'm') AND has_table_privilege('public', c.oid, what);
SELECT evtname, evtevent, evtenabled FROM pg_event_trigger ORDER BY 1;
-- everything is commented, and belongs to the extension
SELECT pg_describe_object(classid, objid, 0) FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'guard') AND deptype = 'e'
   AND obj_description(objid, classid::regclass::name) IS NULL AND classid <> 'pg_type'::regclass
   AND NOT EXISTS (SELECT FROM pg_class WHERE oid = objid AND relkind = 'S');
SELECT count(*) FROM pg_class c WHERE relnamespace = 'guard'::regnamespace AND relkind IN ('r', 'v') AND NOT EXISTS
	(SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e');

-- it comes, and goes, with everything
CREATE INDEX users_id_idx ON users (id);
CALL use('SELECT count(*) FROM users WHERE id = 17');
DROP INDEX users_id_idx;
DROP EXTENSION guard;
SELECT count(*) FROM pg_namespace WHERE nspname = 'guard';
SELECT count(*) FROM pg_event_trigger;
DROP INDEX users_id_idx;
CREATE INDEX users_id_idx ON users (id);
CREATE EXTENSION guard;
CALL use('SELECT count(*) FROM users WHERE id = 17');
DROP INDEX users_id_idx;
-- nothing is judged any more in the transaction in which it goes
BEGIN;
DROP EXTENSION guard;
DROP INDEX users_id_idx;
ROLLBACK;
DROP INDEX users_id_idx;
-- everything in the one in which it comes
DROP EXTENSION guard;
BEGIN;
CREATE EXTENSION guard;
DROP INDEX users_id_idx;
ROLLBACK;
SELECT count(*) FROM pg_namespace WHERE nspname = 'guard';
-- it does not go by accident, along with the tables
CREATE EXTENSION guard;
SET guard.mode = observe;
DROP SCHEMA public CASCADE;
SELECT count(*) FROM pg_extension WHERE extname = 'guard';
