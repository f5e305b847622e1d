-- The audit log says of every index why it could go: unjudged is only what
-- nobody judged.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE ROLE regress_guard_owner;
-- a table with partitions of two levels, and one without any
CREATE PROCEDURE tools.make(schema name) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I; GRANT ALL ON SCHEMA %1$I TO regress_guard_owner; SET LOCAL search_path = %1$I', schema);
	SET LOCAL ROLE regress_guard_owner;
	CREATE TABLE p (a int, b int) PARTITION BY RANGE (a);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (b);
	CREATE TABLE p11 PARTITION OF p1 FOR VALUES FROM (0) TO (100);
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (b);
	CREATE INDEX p_a ON p (a);
	ALTER TABLE p ADD CONSTRAINT p_key UNIQUE (a, b);
	RESET ROLE;
END
$$;
CREATE VIEW tools.went AS
	SELECT command, index_name, verdict, reason, mode FROM guard.audit_log WHERE verdict <> 'change';

CALL make('one');
DROP INDEX one.p_a;
ALTER TABLE one.p DROP CONSTRAINT p_key;
CREATE INDEX p_a ON one.p (a);
DROP TABLE one.p;
SELECT * FROM went ORDER BY 1, 2;
TRUNCATE guard.audit_log;
SET guard.mode = observe;
CALL make('one');
DROP TABLE one.p;
SELECT * FROM went ORDER BY 1, 2;
TRUNCATE guard.audit_log;
RESET guard.mode;
CALL make('two');
DROP SCHEMA two CASCADE;
SELECT * FROM went ORDER BY 1, 2;
TRUNCATE guard.audit_log;
CALL make('one');
DROP OWNED BY regress_guard_owner;
SELECT * FROM went ORDER BY 1, 2;
TRUNCATE guard.audit_log;
-- columns of a type, in an index that only hangs on them
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE m (a int, mood mood) PARTITION BY RANGE (a);
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (a);
CREATE TABLE m11 PARTITION OF m1 FOR VALUES FROM (0) TO (100);
CREATE INDEX m_mood ON m (mood);
DROP TYPE mood CASCADE;
SELECT * FROM went ORDER BY 1, 2;
TRUNCATE guard.audit_log;

-- what one partition's use says is said of the whole: here it would be missed
CREATE TABLE q (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (100000) PARTITION BY RANGE (a);
CREATE TABLE q11 PARTITION OF q1 FOR VALUES FROM (0) TO (100000);
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
CREATE INDEX q_twice ON q (twice(b));
INSERT INTO q SELECT i, i FROM generate_series(1, 20000) i;
ANALYZE q;
CALL use('SELECT count(*) FROM q WHERE twice(b) = 4');
SET guard.mode = observe;
DROP FUNCTION twice CASCADE;
RESET guard.mode;
SELECT * FROM went ORDER BY 1, 2;
TRUNCATE guard.audit_log;

-- with a temporary object: PostgreSQL drops it by itself
CREATE TABLE users (id int, email text);
CREATE DOMAIN pg_temp.d AS bigint;
CREATE INDEX users_d ON users (email, (id::pg_temp.d));
CREATE INDEX users_d2 ON users ((id::pg_temp.d));
DISCARD TEMP;
SELECT * FROM went ORDER BY 1, 2;
TRUNCATE guard.audit_log;
-- at COMMIT itself, after everybody has had his last look, and at a session's end
CREATE PROCEDURE tools.wait_for_row(name text) LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM guard.audit_log WHERE index_name = name) LOOP
		PERFORM pg_sleep(0.002);
	END LOOP;
END
$$;
BEGIN;
CREATE TEMP TABLE tt (a int) ON COMMIT DROP;
CREATE INDEX users_tt ON users (((NULL::pg_temp.tt) IS NULL));
COMMIT;
CALL wait_for_row('public.users_tt');
SELECT dblink_connect('gone', connection('gone'));
SELECT dblink_exec('gone', 'CREATE TEMP TABLE tt (a int); CREATE INDEX users_end ON users (((NULL::pg_temp.tt) IS NULL))');
SELECT dblink_disconnect('gone');
CALL wait_for_row('public.users_end');
SELECT command, index_name, verdict, reason FROM guard.audit_log ORDER BY 2;
TRUNCATE guard.audit_log;
-- what is rebuilt did not go
CREATE INDEX users_id ON users (id);
ALTER TABLE users ALTER COLUMN id TYPE bigint;
REINDEX INDEX CONCURRENTLY users_id;
SELECT * FROM went ORDER BY 1, 2;
