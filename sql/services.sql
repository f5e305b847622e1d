-- Who uses an index is told by application_name without what tells processes,
-- hosts and versions apart; a flood of names costs detail, never a verdict.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_pad_idx ON users (pad);
ANALYZE users;
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['auth', 'auth/v1.2', 'auth/v1.3', 'auth-7f9c6d5b8-x2v4q', 'auth@10.0.0.7', 'auth - 10.0.0.5:51234',
			'puma: cluster worker 0: 4711 [app]', 'puma: cluster worker 1: 4712 [app]', 'sidekiq 7.2.4 app [3 of 10 busy]',
			'report 3f2b8c1e-1234-1234-1234-123456789abc', 'billing/2025-11-04', 'psql'] LOOP
		CALL use('SELECT count(*) FROM users WHERE id = 17', name);
	END LOOP;
	FOREACH name IN ARRAY ARRAY['', 'PostgreSQL JDBC Driver', '4711', '   '] LOOP
		CALL use('SELECT count(*) FROM users WHERE team = 17', name);
	END LOOP;
END
$$;
SELECT DISTINCT unnest(services) COLLATE "C" AS service FROM guard.index_statements('users_id_idx') ORDER BY 1;
-- where the name says nothing, the login role
SELECT DISTINCT unnest(services) = session_user FROM guard.index_statements('users_team_idx');

-- one session may work for several, one after the other
CALL use('SELECT count(*) FROM users WHERE pad = ''x''; SET application_name = ''push''; SELECT count(*) FROM users WHERE pad = ''x''', 'mail');
SELECT DISTINCT unnest(services) COLLATE "C" AS service FROM guard.index_statements('users_pad_idx') ORDER BY 1;

-- a flood of names and of statements, by a role without rights
CREATE ROLE regress_guard_mallory;
GRANT SELECT ON users TO regress_guard_mallory;
CALL use('SET ROLE regress_guard_mallory; DO $$ BEGIN FOR i IN 1 .. 400 LOOP
	PERFORM set_config(''application_name'', ''flood '' || translate(i::text, ''0123456789'', ''abcdefghij''), false);
	EXECUTE ''SELECT count(*) FROM users WHERE id = 17'' || repeat('' OR id = 17'', i);
	END LOOP; END $$', 'mallory');
SELECT count(*) <= 32, bool_and(cardinality(services) <= 17) FROM guard.index_statements('users_id_idx');
SELECT * FROM verdict('users');
DROP INDEX users_id_idx;
DROP INDEX users_team_idx;
SELECT * FROM ask('DROP INDEX users_pad_idx') LIMIT 1;
:indexes
