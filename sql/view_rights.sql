-- A view shows its reader what it may see, and his own functions no more than that.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
-- every view, for whoever adds one forgets which of them filter
SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'guard'::regnamespace AND c.relkind = 'v'
   AND NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions) WHERE option_name = 'security_barrier' AND option_value IN ('true', 'on'));

-- a function of the reader's that is cheaper than the filter
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
SET guard.hot_action = delay;
SET client_min_messages = error;
DROP INDEX users_email_idx;
RESET client_min_messages;
CREATE ROLE regress_guard_reader;
CREATE SCHEMA leak AUTHORIZATION regress_guard_reader;
SET ROLE regress_guard_reader;
CREATE FUNCTION leak.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'seen: %', $1; RETURN true; END $$;
SELECT count(*) FROM guard.soft_drops s WHERE leak.tell(s.index_name);
SELECT count(*) FROM guard.soft_drops s WHERE leak.tell(concat_ws('|', s.dropped_by, s.application, s.detail, s.definition));
RESET ROLE;
GRANT SELECT ON guard.metrics TO regress_guard_reader;
SET ROLE regress_guard_reader;
SELECT count(*) FROM guard.metrics m WHERE leak.tell(m.name);
RESET ROLE;
SELECT count(*) FROM guard.soft_drops;
SELECT guard.restore('users_email_idx');
REVOKE ALL ON guard.metrics FROM regress_guard_reader;
DROP FUNCTION leak.tell(text);
DROP SCHEMA leak;
DROP ROLE regress_guard_reader;
