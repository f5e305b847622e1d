-- guard.review() cuts a script as psql does, and a syntax error costs one
-- statement.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set ECHO none
\set review :srcdir /sql/include/review.psql
\i :review
\set ECHO all
CREATE EXTENSION guard;
SELECT * FROM review('');
SELECT * FROM review(NULL);
SELECT * FROM review(E' ;; -- nothing;\n/* nothing; /* either; */ */ ;');
-- quotes, comments, dollar quotes, parentheses, bodies
SELECT * FROM review($_$SELECT 'a;b', E'it\'s; not', "c;d" FROM (VALUES (1)) AS "x;y" ("c;d"), pg_class AS "c;d";
SELECT $$a;b$$, $tag$ $$;'$tag$, 1::text, $1;
-- DROP INDEX a;
/* ; */ SELECT /* /* ; */ ; */ 1
;
CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2);
CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 ELSE 2 END; SELECT 2; END;
CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN DROP INDEX a; END $$;
BEGIN; END;$_$);
-- psql's commands, variables, and data
SELECT * FROM review($_$\set ON_ERROR_STOP on
\echo one; two
COPY t (a, b) FROM stdin;
1	it's; DROP INDEX a;
\.
SELECT 1 \; SELECT 2;
SELECT 'DROP INDEX a' \gexec
SELECT :var, :'var', :"var";
COPY t FROM STDIN WITH (FORMAT csv);
a,"b
\.
\if :x
SELECT 3$_$);
SELECT * FROM told($_$\i other.sql
\connect other
\timing
SELECT :"var" FROM :t;
SELECT 1 \gexec
\if :x
SELECT 1;
$_$);
-- errors: where they are, and what follows is reviewed
SELECT * FROM review($_$SELECT 1;
DROP INDX a;
SELECT 2;
  CREATE INDEX i ON t (a;
SELECT 3;
COMMENT ON TABLE t IS 'it's';
SELECT 4;
CREATE FUNTION f() AS $$ BEGIN; DROP INDEX a;
END $$;
SELECT 5;
SELECT 'not closed;
$_$);
SELECT * FROM told($_$SELECT 'ä',
  'ö' FORM t;
SELECT 1;

SELECT (2;
SELECT "x;
$_$);
-- 2,000 statements
SELECT count(*), count(DISTINCT statement), max(line) FROM guard.review(repeat(E'CREATE INDEX i ON t (a); DROP INDEX i;\n', 1000));
-- every beginning of a script is a script, with the same statements as far as it goes
CREATE TEMP TABLE script AS SELECT $_$\set x 1
CREATE TABLE t (a int, b text DEFAULT E'x\'y', "c;" int);
COPY t FROM stdin;
1	2
\.
/* a /* b */ c */ CREATE FUNCTION f() RETURNS int AS $f$ SELECT 1; $f$ LANGUAGE sql;
CREATE INDEX ON t (a) WHERE b = 'it''s;'; -- end
SELECT (1 + (2)) :: int \gset
DROP INDEX t_a_idx;
$_$ AS text;
CREATE TEMP TABLE whole AS SELECT DISTINCT statement, line, command FROM script, guard.review(text);
SELECT count(*) FROM whole;
SELECT n, r.statement, r.line, r.command FROM script, generate_series(0, length(text)) n, guard.review(left(text, n)) r
 WHERE r.statement < (SELECT max(statement) FROM guard.review(left(text, n)))
   AND NOT EXISTS (SELECT FROM whole w WHERE (w.statement, w.line, w.command) = (r.statement, r.line, r.command));
