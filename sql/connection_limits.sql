-- How many connections a service can have is what its login role may have, whatever role it takes on; and no more than the database
-- and the server allow.  A drop that would keep more statements waiting than there is room for is refused at once.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE ROLE regress_guard_web LOGIN;
CREATE ROLE regress_guard_jobs LOGIN;
CREATE ROLE regress_guard_few CONNECTION LIMIT 1;
GRANT regress_guard_few TO regress_guard_web;
CREATE TABLE users AS SELECT i AS id, i AS code, i AS pin, repeat('x', 100) AS pad FROM generate_series(1, 5000) i;
GRANT SELECT ON users TO PUBLIC;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_code_idx ON users (code);
CREATE INDEX users_pin_idx ON users (pin);
VACUUM ANALYZE users;

-- So many times, from a session of that role.
CREATE PROCEDURE tools.use_as(role text, condition text, times int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tools.dblink_connect('role', replace(tools.connection(role), 'user=' || session_user, 'user=' || role));
	PERFORM tools.dblink_exec('role', format('DO $do$ BEGIN %s; FOR i IN 1 .. %s LOOP PERFORM pad FROM public.users WHERE %s; END LOOP; END $do$',
		CASE WHEN condition ~ '^code' THEN 'SET LOCAL ROLE regress_guard_few' ELSE 'NULL' END, times, condition));
	PERFORM tools.dblink_disconnect('role');
	PERFORM pg_stat_clear_snapshot();
	WHILE EXISTS (SELECT FROM pg_stat_activity WHERE usename = role AND application_name = role) LOOP
		PERFORM pg_sleep(0.002), pg_stat_clear_snapshot();
	END LOOP;
END
$$;
-- Eleven times a second over the last minute: while an index is built, which takes a fifth of a second at least, two wait.
CALL use_as('regress_guard_web', 'id = 17', 660);
CALL use_as('regress_guard_web', 'code = 17', 660);
CALL use_as('regress_guard_web', 'pin = 17', 660);
CALL use_as('regress_guard_jobs', 'pin = 17', 660);
-- "at once", with its reason, or "at COMMIT"; the use is going on
CREATE FUNCTION tools.refused(col text) RETURNS TABLE (at text, why text) LANGUAGE plpgsql AS $$
BEGIN
	CALL tools.use_as('regress_guard_web', col || ' = 17', 1);
	RETURN QUERY SELECT CASE WHEN string_agg(ask, ' ') ~ 'leaves nothing' THEN 'at COMMIT' ELSE 'at once' END, substring(string_agg(ask, ' ') FROM 'While[^.]*')
	  FROM tools.ask(format('BEGIN; DROP INDEX users_%s_idx; COMMIT', col));
END
$$;

-- nobody is limited but by the server
SELECT * FROM refused('id');
-- the service is; the others are not
ALTER ROLE regress_guard_web CONNECTION LIMIT 2;
SELECT * FROM refused('id');
-- of two services all connections count, and of one without a limit all that there are
SELECT * FROM refused('pin');
ALTER ROLE regress_guard_jobs CONNECTION LIMIT 2;
SELECT * FROM refused('pin');
ALTER ROLE regress_guard_jobs CONNECTION LIMIT 30;
SELECT * FROM refused('pin');
-- connections that are taken are not free
ALTER ROLE regress_guard_web CONNECTION LIMIT 30;
SELECT * FROM refused('id');
SELECT count(dblink_connect('taken' || i, replace(connection('web'), 'user=' || session_user, 'user=regress_guard_web'))) FROM generate_series(1, 28) i;
SELECT * FROM refused('id');
SELECT count(dblink_disconnect('taken' || i)) FROM generate_series(1, 28) i;
-- the role that a session takes on limits nobody
ALTER ROLE regress_guard_web CONNECTION LIMIT -1;
SELECT * FROM refused('code');
-- the database does, all of them
ALTER DATABASE guard_regress CONNECTION LIMIT 4;
SELECT * FROM refused('code');
SELECT * FROM refused('id');
ALTER DATABASE guard_regress CONNECTION LIMIT 40;
SELECT * FROM refused('id');
