-- What is dropped inside a statement that has committed already cannot be
-- refused: an error would leave the outer index dead.  It is said, and alerted.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE t AS SELECT i AS id, i % 500 AS a, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE TABLE t_arch AS TABLE t;
CREATE INDEX t_a ON t (a);
CREATE INDEX t_b ON t (id);
CREATE INDEX t_arch_a ON t_arch (a);
CREATE INDEX t_arch_b ON t_arch (id);
CREATE INDEX t_arch_c ON t_arch (pad);
CALL use('SELECT count(*) FROM t_arch WHERE a = 7');
CALL use('SELECT count(*) FROM t_arch WHERE id = 7');
CALL use('SELECT count(*) FROM t_arch WHERE pad = ''x''');
CREATE FUNCTION companion() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE object_identity = 'public.t_a') THEN
		DROP INDEX t_arch_a;
	END IF;
END
$$;
CREATE EVENT TRIGGER companion ON sql_drop EXECUTE FUNCTION companion();
CREATE FUNCTION afterwards() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass('t_b') IS NULL AND to_regclass('t_arch_b') IS NOT NULL THEN
		DROP INDEX IF EXISTS t_arch_b;
	END IF;
END
$$;
CREATE EVENT TRIGGER afterwards ON ddl_command_end WHEN TAG IN ('DROP INDEX') EXECUTE FUNCTION afterwards();
DROP INDEX CONCURRENTLY t_a;
DROP INDEX CONCURRENTLY t_b;
:indexes
SELECT command, object FROM guard.audit_log WHERE object IS NOT NULL ORDER BY id;
SELECT index_name FROM guard.last_drops() ORDER BY 1;
-- by a transaction that ends inside
CREATE FUNCTION making() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	DROP INDEX IF EXISTS t_arch_c;
END
$$;
CREATE EVENT TRIGGER making ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION making();
CREATE INDEX CONCURRENTLY t_pad ON t (pad);
:indexes
-- what has not committed yet is refused, with all that is nested in it
DROP EVENT TRIGGER making;
CREATE INDEX t_a ON t (a);
CREATE INDEX t_arch_a ON t_arch (a);
DROP INDEX t_a;
:refusal
:indexes
DROP EVENT TRIGGER companion;
DROP EVENT TRIGGER afterwards;
