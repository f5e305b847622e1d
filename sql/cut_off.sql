-- What an error cut off had needed its index all the same, and so had a cursor that nobody closed.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
ALTER DATABASE guard_regress SET guard.min_evidence_age = 0;
-- Live traffic that fails, each time.
CREATE PROCEDURE tools.fail(statement text, times int DEFAULT 1, setting text DEFAULT 'SELECT 1') LANGUAGE plpgsql AS $$
DECLARE
	session int;
BEGIN
	PERFORM tools.dblink_connect('use', tools.connection('auth'));
	SELECT pid INTO session FROM tools.dblink('use', 'SELECT pg_backend_pid()') AS t (pid int);
	PERFORM FROM tools.dblink('use', setting) AS t (result text);
	FOR i IN 1 .. times LOOP
		PERFORM FROM tools.dblink('use', statement, false) AS t (result text);
	END LOOP;
	PERFORM tools.dblink_disconnect('use');
	CALL tools.wait_for_end(session);
END
$$;
CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY '{divided,late,early,slow,caught,looped,rolled,broken,declared,held,whole}'::text[] LOOP
		EXECUTE format('CREATE TABLE %I (a int, b text)', name);
		EXECUTE format('INSERT INTO %I SELECT i, repeat(''x'', 50) FROM generate_series(1, 5000) i', name);
		EXECUTE format('CREATE INDEX %I ON %I (a)', name || '_idx', name);
	END LOOP;
END
$$;
ANALYZE;
SET client_min_messages = error;

-- in the executor, in triggers behind and before the row, at a timeout, where somebody catches it, in a loop over a cursor
CALL fail('SELECT 1 / (a - a) FROM divided WHERE a = 17', 3);
SELECT * FROM ask('DROP INDEX divided_idx') WHERE ask !~ '^(DETAIL|HINT)';
CREATE TRIGGER no AFTER UPDATE ON late FOR EACH ROW EXECUTE FUNCTION no();
CALL fail('UPDATE late SET b = ''y'' WHERE a = 17');
SELECT * FROM ask('DROP INDEX late_idx') WHERE ask !~ '^(DETAIL|HINT)';
CREATE TRIGGER no BEFORE UPDATE ON early FOR EACH ROW EXECUTE FUNCTION no();
CALL fail('UPDATE early SET b = ''y'' WHERE a = 17');
SELECT * FROM ask('DROP INDEX early_idx') WHERE ask !~ '^(DETAIL|HINT)';
CALL fail('SELECT pg_sleep(60) FROM slow WHERE a = 17', setting => 'SET statement_timeout = ''100ms''');
SELECT * FROM ask('DROP INDEX slow_idx') WHERE ask !~ '^(DETAIL|HINT)';
CALL fail('DO ''DECLARE n int; BEGIN n := 0; SELECT 1 / (a - a) INTO n FROM caught WHERE a = 17; EXCEPTION WHEN others THEN NULL; END''');
SELECT * FROM ask('DROP INDEX caught_idx') WHERE ask !~ '^(DETAIL|HINT)';
CALL fail('DO ''DECLARE r record; BEGIN FOR r IN SELECT a FROM looped WHERE a < 100 LOOP PERFORM 1 / (r.a - r.a); END LOOP; END''');
SELECT * FROM ask('DROP INDEX looped_idx') WHERE ask !~ '^(DETAIL|HINT)';

-- a cursor that is open at ROLLBACK, or when something else fails; not one that nobody fetched from
CALL fail('BEGIN; DECLARE c CURSOR FOR SELECT a FROM rolled WHERE a < 100; FETCH 1 FROM c; ROLLBACK');
SELECT * FROM ask('DROP INDEX rolled_idx') WHERE ask !~ '^(DETAIL|HINT)';
CALL fail('BEGIN; DECLARE c CURSOR FOR SELECT a FROM broken WHERE a < 100; FETCH ALL FROM c; SELECT 1 / 0');
SELECT * FROM ask('DROP INDEX broken_idx') WHERE ask !~ '^(DETAIL|HINT)';
CALL fail('BEGIN; DECLARE c CURSOR FOR SELECT a FROM declared WHERE a < 100; ROLLBACK');
SELECT * FROM ask('DROP INDEX declared_idx') WHERE ask !~ '^(DETAIL|HINT)';

-- one that is used to its end is one use
CALL use('BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT a FROM held WHERE a < 100; FETCH 10 FROM c; FETCH 10 FROM c; COMMIT; CLOSE c', times => 20);
SELECT sum(uses) = 20 AS once_each FROM guard.index_statements('held_idx');
CALL use('DO ''DECLARE r record; BEGIN FOR r IN SELECT a FROM whole WHERE a < 400 LOOP NULL; END LOOP; END''', times => 20);
SELECT sum(uses) = 20 AS once_each FROM guard.index_statements('whole_idx');
-- each of several in one transaction, whose memory is used again
CALL use('DO ''DECLARE r record; BEGIN FOR i IN 1 .. 20 LOOP FOR r IN SELECT a FROM whole WHERE a < 400 LOOP NULL; END LOOP; END LOOP; END''');
SELECT sum(uses) = 40 AS once_each FROM guard.index_statements('whole_idx');
