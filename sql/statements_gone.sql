-- pg_stat_statements goes, or moves, in the very statement or transaction that is judged: what it
-- told is unknown then, and nothing else is.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE SCHEMA app;
CREATE EXTENSION pg_stat_statements SCHEMA app;
CREATE TABLE app.t AS SELECT i AS id, i AS a FROM generate_series(1, 50000) i;
CREATE INDEX t_a ON app.t (a);
CREATE TABLE app.idle AS SELECT i AS id FROM generate_series(1, 50000) i;
CREATE INDEX idle_id ON app.idle (id);
VACUUM ANALYZE app.t;
CALL use('SELECT count(*) FROM app.t WHERE a = 7');
DROP SCHEMA app CASCADE;
:refusal
BEGIN;
CREATE SCHEMA elsewhere;
ALTER EXTENSION pg_stat_statements SET SCHEMA elsewhere;
DROP INDEX app.t_a;
COMMIT;
:refusal
BEGIN;
DROP EXTENSION pg_stat_statements CASCADE;
DROP INDEX app.t_a;
COMMIT;
:refusal
-- with what hangs on its view
CREATE VIEW app.slow AS SELECT query FROM app.pg_stat_statements;
CREATE MATERIALIZED VIEW app.texts AS SELECT queryid AS id FROM app.pg_stat_statements;
CREATE INDEX texts_id ON app.texts (id);
DROP EXTENSION pg_stat_statements CASCADE;
SELECT * FROM verdict('app.t');
DROP INDEX app.idle_id;
-- in observe nothing of guard stops a statement
CREATE EXTENSION pg_stat_statements SCHEMA app;
SET guard.mode = 'observe';
BEGIN;
ALTER EXTENSION pg_stat_statements SET SCHEMA public;
DROP INDEX app.t_a;
ROLLBACK;
DROP SCHEMA app CASCADE;
:indexes
\set ECHO none
