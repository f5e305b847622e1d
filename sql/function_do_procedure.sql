-- DDL in DO, functions, procedures and messages of several statements is part
-- of a transaction that goes on: what it leaves behind is judged at its end.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_pad_idx ON users (pad);
CALL use('SELECT count(*) FROM users WHERE id = 17');
CALL use('SELECT count(*) FROM users WHERE team = 17');

-- DO: dropped for good, by EXECUTE or not; the idle neighbour goes
DO $$ BEGIN DROP INDEX users_id_idx; END $$;
:refusal
DO $$ BEGIN EXECUTE 'DROP INDEX ' || 'users_id_idx'; END $$;
DO $$ BEGIN DROP INDEX users_pad_idx; END $$;
:indexes
-- replaced
DO $$ BEGIN DROP INDEX users_id_idx; CREATE INDEX users_id_idx ON users (id); END $$;
:indexes

-- an exception block swallows the refusal of a statement, and with it the drop; that of COMMIT it cannot
DO $$ BEGIN DROP INDEX users_id_idx; EXCEPTION WHEN others THEN RAISE WARNING 'swallowed'; END $$;
SET guard.rebuild_limit = 0;
DO $$ BEGIN DROP INDEX users_id_idx; EXCEPTION WHEN object_in_use THEN RAISE WARNING 'swallowed'; END $$;
RESET guard.rebuild_limit;
-- an exception after the drop takes it back
DO $$ BEGIN DROP INDEX users_id_idx; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
:indexes

-- functions
CREATE FUNCTION drop_it(name text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('DROP INDEX %I', name); RETURN 'dropped'; END $$;
CREATE FUNCTION drop_in_sql() RETURNS void LANGUAGE sql AS 'DROP INDEX users_id_idx';
CREATE FUNCTION swap() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DROP INDEX users_id_idx;
	CREATE INDEX users_id_idx ON users (id);
	RETURN 'swapped';
END $$;
SELECT drop_it('users_id_idx');
SELECT drop_in_sql();
SELECT swap();
BEGIN;
SELECT drop_it('users_id_idx');
CREATE INDEX users_id_idx ON users (id);
COMMIT;
BEGIN;
SELECT drop_it('users_id_idx');
COMMIT;
:indexes

-- procedures that commit: the error is at their COMMIT, and what was committed before stays
CREATE PROCEDURE drop_and_commit() LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE before (id int);
	COMMIT;
	DROP INDEX users_id_idx;
	COMMIT;
	CREATE TABLE after (id int);
END $$;
CREATE PROCEDURE swap_and_commit() LANGUAGE plpgsql AS $$
BEGIN
	DROP INDEX users_id_idx;
	CREATE INDEX users_id_idx ON users (id);
	COMMIT;
	DROP INDEX users_team_idx;
	ROLLBACK;
END $$;
CREATE PROCEDURE commit_and_drop() LANGUAGE plpgsql AS $$ BEGIN COMMIT; DROP INDEX users_id_idx; END $$;
CALL drop_and_commit();
:refusal
SELECT to_regclass('before'), to_regclass('after');
CALL swap_and_commit();
CALL commit_and_drop();
:indexes

-- several statements in one message
DROP INDEX users_id_idx\; SELECT 'next';
:refusal
SELECT 'previous'\; DROP INDEX users_id_idx;
DROP INDEX users_id_idx\; CREATE INDEX users_id_idx ON users (id);
DROP INDEX users_id_idx\; COMMIT\; CREATE INDEX users_id_idx ON users (id);
:indexes

-- CREATE SCHEMA with its elements, event triggers of others, nested DDL
CREATE FUNCTION on_end() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF tg_tag = 'COMMENT' THEN DROP INDEX users_team_idx; END IF;
END $$;
CREATE EVENT TRIGGER on_end ON ddl_command_end EXECUTE FUNCTION on_end();
COMMENT ON TABLE users IS 'drops an index';
:refusal
:indexes
