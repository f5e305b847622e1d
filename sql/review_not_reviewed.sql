-- What guard.review() cannot see into is never called harmless.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set ECHO none
\set review :srcdir /sql/include/review.psql
\i :review
\set ECHO all
CREATE EXTENSION guard;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION lower(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT * FROM told($_$DO $$ BEGIN EXECUTE 'DROP INDEX i'; END $$;
CALL p();
SELECT f();
SELECT nowhere.f(), 1;
SELECT * FROM (SELECT 1 AS a WHERE f() = 1) s;
INSERT INTO t VALUES (1, f());
INSERT INTO t SELECT g FROM f() g;
UPDATE t SET a = f();
DELETE FROM t WHERE a IN (SELECT f());
WITH w AS (SELECT f()) SELECT 1 FROM w;
SELECT lower('A');
PREPARE s AS SELECT f();
PREPARE s AS SELECT 1;
EXECUTE s;
CREATE TABLE n AS SELECT f();
CREATE TABLE n AS EXECUTE s;
COPY (SELECT f()) TO STDOUT;
COPY t TO PROGRAM 'sh';
EXPLAIN SELECT f();
EXPLAIN (ANALYZE) SELECT f();
CREATE EXTENSION x;
ALTER EXTENSION x UPDATE;
DROP EXTENSION x;
ALTER TYPE x DROP ATTRIBUTE a CASCADE;
DROP FUNCTION f() CASCADE;
DROP FUNCTION f();
DROP OWNED BY me;
DROP DATABASE d;
LOAD 'x';
SET ROLE me;
RESET ROLE;
SET SESSION AUTHORIZATION me;
UPDATE pg_index SET indisvalid = false;
DELETE FROM pg_catalog.pg_class;
\i x.sql
$_$);
-- what PostgreSQL itself does drops no index, nor does what only defines something
SELECT * FROM told($_$SELECT upper('a'), now(), count(*) FROM t;
SELECT pg_catalog.setval('s', 1, true);
SELECT pg_catalog.set_config('search_path', '', false);
INSERT INTO t VALUES (DEFAULT, now(), E'x');
CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP INDEX i; END $$;
CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION g();
CREATE VIEW v AS SELECT f();
ALTER TABLE t ADD a int DEFAULT f();
COMMENT ON TABLE t IS 'x';
GRANT SELECT ON t TO PUBLIC;
VACUUM;
$_$);
-- no secret is repeated
SELECT command, detail FROM guard.review($_$CREATE ROLE a LOGIN PASSWORD 'geheim''1';
ALTER USER a PASSWORD E'geheim\'2' VALID UNTIL 'infinity';
CREATE SUBSCRIPTION s CONNECTION $c$host=h password=geheim3$c$ PUBLICATION p;
CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password 'geheim4');
SELECT dblink_connect('dbname=d password=geheim5');
\connect postgresql://a:geheim6@h/d
\set api_token geheim7
CREATE ROLE b PASSWORT 'geheim8';
CREATE ROLE b PASSWORD PASSWORD 'geheim9';
$_$);

-- rights: nobody learns more than from guard.check()
CREATE ROLE regress_guard_owner;
CREATE ROLE regress_guard_stranger;
CREATE ROLE regress_guard_auditor IN ROLE pg_read_all_stats;
CREATE SCHEMA secret;
CREATE TABLE secret.s (id int);
CREATE INDEX s_id_idx ON secret.s (id);
CREATE TABLE users AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
ALTER TABLE users OWNER TO regress_guard_owner;
CALL use('SELECT count(*) FROM users WHERE id = 17');
GRANT ALL ON SCHEMA tools TO PUBLIC;
GRANT EXECUTE ON FUNCTION guard.review(text), guard.review(text, boolean) TO regress_guard_stranger, regress_guard_owner;
SET ROLE regress_guard_stranger;
SELECT * FROM review('DROP INDEX users_id_idx; DROP INDEX secret.s_id_idx; SELECT 1');
SELECT * FROM told('DROP INDEX users_id_idx; DROP INDEX secret.s_id_idx; SELECT 1');
SELECT * FROM review('CREATE INDEX i ON users (id); DROP INDEX users_id_idx; DROP INDEX i');
SELECT * FROM told('DROP INDEX users_id_idx; CREATE INDEX i ON users (id)');
SELECT * FROM advice('DROP INDEX users_id_idx; CREATE INDEX i ON users (id)');
SET ROLE regress_guard_auditor;
SELECT * FROM review('DROP INDEX users_id_idx');
SET ROLE regress_guard_owner;
SELECT * FROM review('DROP INDEX users_id_idx');
RESET ROLE;
