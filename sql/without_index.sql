-- What-if by hand: SET guard.without_index, then EXPLAIN.  This session only, and
-- nothing but plans.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 500 AS team, i % 500 AS kind, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_team_idx ON users (id, team);
CREATE INDEX users_id_idx ON users (id);
CREATE SCHEMA "Odd, one";
CREATE TABLE "Odd, one"."T" (a int);
INSERT INTO "Odd, one"."T" SELECT generate_series(1, 5000);
CREATE INDEX "I ""a"", b" ON "Odd, one"."T" (a);
VACUUM ANALYZE "Odd, one"."T";
VACUUM ANALYZE users;
SET enable_bitmapscan = off;
-- the indexes that a plan uses
CREATE FUNCTION tools.plan(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	found text[] := '{}';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || statement LOOP
		found := found || coalesce(substring(line FROM 'using (\S+)'), substring(line FROM 'Bitmap Index Scan on (\S+)'), substring(line FROM 'Seq Scan'));
	END LOOP;
	RETURN coalesce(array_to_string(array_remove(found, NULL), ', '), '');
END $$;

SELECT plan('SELECT pad FROM users WHERE id = 17');
SET guard.without_index = 'public.users_id_idx';
SELECT plan('SELECT pad FROM users WHERE id = 17');
SET guard.without_index = 'public.users_id_idx, users_id_team_idx';
SELECT plan('SELECT pad FROM users WHERE id = 17');
-- the answer is the same
SELECT count(*) FROM users WHERE id = 17;
SET guard.without_index = one, "two";
SHOW guard.without_index;
-- for the transaction only
RESET guard.without_index;
BEGIN;
SET LOCAL guard.without_index = users_id_idx;
SELECT plan('SELECT pad FROM users WHERE id = 17');
SAVEPOINT s;
SET LOCAL guard.without_index = 'users_id_idx, users_id_team_idx';
SELECT plan('SELECT pad FROM users WHERE id = 17');
ROLLBACK TO s;
SELECT plan('SELECT pad FROM users WHERE id = 17');
COMMIT;
SELECT plan('SELECT pad FROM users WHERE id = 17');

-- plans that the session keeps are made anew: prepared, generic, in functions
SET plan_cache_mode = force_generic_plan;
PREPARE p (int) AS SELECT pad FROM users WHERE id = $1;
SELECT plan('EXECUTE p (17)');
SET guard.without_index = 'users_id_idx, users_id_team_idx';
SELECT plan('EXECUTE p (17)');
RESET guard.without_index;
SELECT plan('EXECUTE p (17)');
RESET plan_cache_mode;
-- other sessions know nothing of it
SET guard.without_index = 'users_id_idx, users_id_team_idx';
CALL use('SELECT count(*) FROM users WHERE id = 17');
SELECT uses FROM guard.index_statements('users_id_idx');
RESET guard.without_index;

-- names: quoted, in search_path, not there, none, of something else
SELECT plan('SELECT a FROM "Odd, one"."T" WHERE a = 1');
SET guard.without_index = '"Odd, one"."I ""a"", b", USERS_ID_IDX';
SHOW guard.without_index;
SELECT plan('SELECT a FROM "Odd, one"."T" WHERE a = 1');
SELECT plan('SELECT pad FROM users WHERE id = 17');
\set VERBOSITY terse
SET guard.without_index = 'nowhere.users_id_idx';
SET guard.without_index = 'users_kind_idx';
SELECT plan('SELECT pad FROM users WHERE kind = 17');
CREATE INDEX users_kind_idx ON users (kind);
SELECT plan('SELECT pad FROM users WHERE kind = 17');
SET guard.without_index = 'users';
SET guard.without_index = 'users_id_idx,';
SET guard.without_index = ',';
SET guard.without_index = '"users_id_idx';
SET guard.without_index = 'a.b.c.d';
SET guard.without_index = 'users id idx';
\set VERBOSITY sqlstate
SHOW guard.without_index;
SET guard.without_index = '  ';
SELECT plan('SELECT pad FROM users WHERE kind = 17');
SET search_path = tools;
SET guard.without_index = 'public.users_kind_idx';
SELECT plan('SELECT pad FROM public.users WHERE kind = 17');
SET search_path = public, tools;
RESET guard.without_index;

-- an index of a partitioned table stands for those of its partitions
CREATE TABLE events (day int, id int, pad text) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (10) PARTITION BY RANGE (day);
CREATE TABLE events_1a PARTITION OF events_1 FOR VALUES FROM (1) TO (10);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20);
CREATE INDEX events_id_idx ON events (id);
INSERT INTO events SELECT 1 + i % 18, i, repeat('x', 50) FROM generate_series(1, 5000) i;
VACUUM ANALYZE events;
SELECT plan('SELECT pad FROM events WHERE id = 17');
SET guard.without_index = 'events_id_idx';
SELECT plan('SELECT pad FROM events WHERE id = 17');
SET guard.without_index = 'events_2_id_idx';
SELECT plan('SELECT pad FROM events WHERE id = 17');
RESET guard.without_index;

-- what an index does beside plans it goes on doing
CREATE TABLE keys (id int PRIMARY KEY, n int REFERENCES keys);
INSERT INTO keys VALUES (1, 1), (2, 1);
SET guard.without_index = 'keys_pkey';
INSERT INTO keys VALUES (1, 1);
INSERT INTO keys VALUES (1, 1) ON CONFLICT (id) DO NOTHING;
INSERT INTO keys VALUES (3, 4);
DELETE FROM keys WHERE id = 1;
SELECT count(*) FROM keys;
RESET guard.without_index;

-- anybody may
CREATE ROLE regress_guard_dev;
SET ROLE regress_guard_dev;
SET guard.without_index = 'public.users_id_idx';
RESET guard.without_index;
RESET ROLE;
