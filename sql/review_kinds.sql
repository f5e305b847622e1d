-- A script that takes one kind of relation for another is judged, and crashes nothing.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE t AS SELECT i AS a, i AS b, repeat('x', 100) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX hot ON t (a);
CREATE TABLE p (a int) PARTITION BY RANGE (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2);
CREATE INDEX pi ON p (a);
CREATE SEQUENCE s;
CREATE VIEW v AS SELECT * FROM t;
CREATE MATERIALIZED VIEW m AS SELECT a FROM t;
CREATE TYPE c AS (a int);
CREATE FOREIGN DATA WRAPPER w;
CREATE SERVER w FOREIGN DATA WRAPPER w;
CREATE FOREIGN TABLE f (a int) SERVER w;
CALL use('SELECT count(*) FROM t WHERE a = 17');
SELECT format('pg_toast.%I', r.relname) AS toast FROM pg_class t JOIN pg_class r ON r.oid = t.reltoastrelid WHERE t.relname = 't' \gset

-- every statement of every kind of relation; whatever came before, the last one is blocked
CREATE VIEW targets AS SELECT unnest(ARRAY['hot', 'pi', 's', 'v', 'm', 'c', 'f', 't', 'p', 'p1', 'pg_class', 'pg_class_oid_index', 'pg_toast.pg_toast_1255', :'toast',
	'nothing', 'made', 'made_i', 'made_v', 'pg_temp.x']) AS name;
CREATE VIEW shapes AS SELECT unnest(ARRAY[
	'CREATE INDEX i ON %s (a)', 'CREATE UNIQUE INDEX ON %s ((a + 1)) WHERE a > 1', 'CREATE INDEX ON ONLY %s (a)', 'ALTER TABLE %s ADD COLUMN z int UNIQUE', 'ALTER TABLE %s ADD PRIMARY KEY (a)',
	'ALTER TABLE %s ADD CONSTRAINT k UNIQUE USING INDEX hot', 'ALTER TABLE %s RENAME TO y; CREATE INDEX k ON y (a); ALTER TABLE y ADD UNIQUE (a)', 'ALTER INDEX %s RENAME TO y; CREATE INDEX k ON y (a); DROP INDEX y',
	'ALTER TABLE %s RENAME a TO aa; CREATE INDEX ON %1$s (aa)', 'ALTER TABLE %s RENAME CONSTRAINT hot TO y', 'ALTER TABLE %s SET SCHEMA tools; CREATE INDEX ON tools.hot (a)', 'ALTER TABLE %s DROP COLUMN a', 'ALTER TABLE %s DROP CONSTRAINT hot',
	'ALTER TABLE %s ALTER a TYPE text', 'ALTER INDEX %s ATTACH PARTITION hot', 'ALTER TABLE %s ATTACH PARTITION t DEFAULT', 'DROP INDEX %s', 'DROP TABLE %s CASCADE', 'DROP VIEW %s', 'DROP MATERIALIZED VIEW %s', 'DROP FOREIGN TABLE %s',
	'CREATE TABLE l (LIKE %s INCLUDING ALL); CREATE INDEX ON l (a)', 'CREATE TABLE l PARTITION OF %s DEFAULT; CREATE INDEX ON l (a)', 'CREATE TABLE l () INHERITS (%s); ALTER TABLE l ADD UNIQUE (a)', 'CREATE VIEW l AS SELECT 1; CREATE INDEX ON l (a)',
	'REINDEX INDEX %s', 'CLUSTER %s USING hot']) AS shape;
SELECT count(DISTINCT (name, shape, last.verdict)) AS cases, string_agg(DISTINCT last.verdict || ' ' || coalesce(last.reason, ''), ',') FILTER (WHERE NOT touched) AS verdicts
  FROM targets, shapes,
	LATERAL (SELECT name IN ('hot', 't') OR shape ~ 'USING INDEX|CASCADE' OR name ~ 'toast' AS touched) w,
	LATERAL (SELECT r.verdict, r.reason FROM guard.review('CREATE TABLE made (a int); CREATE INDEX made_i ON made (a); CREATE VIEW made_v AS SELECT 1; '
		|| format(shape, name) || '; DROP INDEX hot') WITH ORDINALITY AS r ORDER BY r.ordinality DESC LIMIT 1) last;

-- what is no table has no index
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review('CREATE INDEX twin ON v (a); DROP INDEX hot');
SELECT command, target, verdict, detail FROM guard.review('CREATE TABLE made (a int); DROP INDEX made; DROP TABLE hot; DROP VIEW t; ALTER TABLE hot DROP COLUMN a');

-- scripts torn and put together at random
SELECT setseed(0.5);
CREATE TABLE words AS SELECT row_number() OVER () AS n, w FROM (SELECT regexp_split_to_table(string_agg(format(shape, name), ' ; '), '\M|\m') FROM targets, shapes) x (w) WHERE w !~ '^ *$';
DO $$
DECLARE
	script text;
	n int := (SELECT count(*) FROM words);
BEGIN
	FOR i IN 1 .. 600 LOOP
		SELECT string_agg(w.w, CASE WHEN random() < 0.05 THEN ';' ELSE ' ' END ORDER BY k.start, w.n) INTO script
		  FROM (SELECT 1 + (random() * (n - 20))::int AS start, 2 + (random() * 18)::int AS length FROM generate_series(1, 4)) k
		  JOIN words w ON w.n BETWEEN k.start AND k.start + k.length;
		PERFORM * FROM guard.review(script, random() < 0.5);
	END LOOP;
END $$;

-- what hides statements is an error, and ends the review
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review($$SET standard_conforming_strings = off; SELECT '\'' ; DROP INDEX hot; --'$$);
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review($$SET SESSION standard_conforming_strings TO 0; SELECT 1$$);
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review($$SELECT set_config('Standard_Conforming_Strings', 'no', false); SELECT 1$$);
SELECT verdict FROM guard.review($$SET standard_conforming_strings = on; SET standard_conforming_strings = 'true'; RESET standard_conforming_strings$$);
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review($$SELECT 1, set_config('standard_conforming_strings', 'off', false)$$);
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review(E'CREATE INDEX twin ON t (a) \\gdesc\nDROP INDEX hot;');
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review(E'CREATE INDEX twin ON t (a) \\parse x\nDROP INDEX hot;');
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review(E'BEGIN;\nDROP INDEX hot;\n\\if false\nROLLBACK;\n\\endif\nCOMMIT;');
SELECT verdict, CASE WHEN verdict <> 'block' THEN detail END FROM guard.review(E'\\echo x \\if false\nCREATE INDEX twin ON t (a);\n\\endif\nDROP INDEX hot;');
SELECT verdict, reason FROM guard.review(E'SELECT 1 \\g\nSELECT 2 \\gset\nDROP INDEX hot;');

-- rubbish takes time in proportion to its length
SELECT count(*) < 5000 AS bounded, max(detail) FILTER (WHERE detail ~ 'too many') FROM guard.review(repeat(E'x(;\n', 40000));
SELECT count(*) FROM guard.review(repeat('DROP INDEX a;', 3000));
SELECT count(*) FROM guard.review('DROP INDEX ' || (SELECT string_agg('n' || g, ',') FROM generate_series(1, 5000) g));

-- it is not for everybody
SELECT has_function_privilege('pg_read_all_stats', 'guard.review(text)', 'EXECUTE') AND has_function_privilege('pg_read_all_stats', 'guard.review(text, boolean)', 'EXECUTE') AS stats,
	bool_or(acl.grantee = 0) AS everybody FROM pg_proc, aclexplode(proacl) acl WHERE proname = 'review' AND pronamespace = 'guard'::regnamespace;
