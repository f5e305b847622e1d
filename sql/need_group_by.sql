-- GROUP BY a primary key lets a statement show the other columns: without the
-- key it fails, and no unique index takes its place.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE customer (id int CONSTRAINT customer_pk PRIMARY KEY, region int, name text);
CREATE TABLE orders (id int, customer int, total int);
INSERT INTO customer SELECT g, g % 2000, 'c' || g FROM generate_series(1, 20000) g;
INSERT INTO orders SELECT g, 1 + g % 20000, g % 100 FROM generate_series(1, 60000) g;
CREATE INDEX customer_region ON customer (region);
CREATE INDEX orders_customer ON orders (customer);
CALL vacuum('customer', 'orders');
CREATE UNIQUE INDEX customer_uq ON customer (id);
-- only planned: no evidence
CALL use('EXPLAIN SELECT name FROM customer GROUP BY id');
SELECT * FROM verdict('customer_pk');
CALL use('SELECT c.name FROM customer c JOIN orders o ON o.customer = c.id WHERE c.region = 7 GROUP BY c.id');
ALTER TABLE customer DROP CONSTRAINT customer_pk;
:refusal
BEGIN;
ALTER TABLE customer DROP CONSTRAINT customer_pk;
COMMIT;
-- a key again, of whatever name
BEGIN;
ALTER TABLE customer DROP CONSTRAINT customer_pk;
ALTER TABLE customer ADD CONSTRAINT customer_key PRIMARY KEY USING INDEX customer_uq;
COMMIT;
ALTER TABLE customer DROP CONSTRAINT customer_key;

-- wherever it stands: in a WITH, a sub-query, a view, and in functions
CREATE TABLE a (id int PRIMARY KEY, n text);
CREATE TABLE b (id int PRIMARY KEY, n text);
CREATE TABLE c (id int PRIMARY KEY, n text);
CREATE TABLE d (id int PRIMARY KEY, n text);
CREATE TABLE e (id int PRIMARY KEY, n text);
CREATE TABLE f (id int PRIMARY KEY, n text);
INSERT INTO a SELECT g, g FROM generate_series(1, 20000) g;
INSERT INTO b TABLE a;
INSERT INTO c TABLE a;
INSERT INTO d TABLE a;
INSERT INTO e TABLE a;
INSERT INTO f TABLE a;
ANALYZE a, b, c, d, e, f;
CREATE VIEW v AS SELECT n FROM c GROUP BY id;
CREATE FUNCTION inlined() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT n FROM d GROUP BY id';
CREATE FUNCTION nested() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM (SELECT n FROM e GROUP BY id) s); END $$;
CALL use('WITH w AS (SELECT n FROM a GROUP BY id) SELECT n FROM w LIMIT 1');
CALL use('SELECT 1 WHERE EXISTS (SELECT FROM (SELECT n FROM b GROUP BY id) s)');
CALL use('SELECT n FROM v LIMIT 1');
CALL use('SELECT * FROM inlined() LIMIT 1');
CALL use('SELECT nested()');
CALL use('SELECT id FROM f GROUP BY id LIMIT 1');
ALTER TABLE a DROP CONSTRAINT a_pkey;
ALTER TABLE b DROP CONSTRAINT b_pkey;
ALTER TABLE c DROP CONSTRAINT c_pkey CASCADE;
ALTER TABLE d DROP CONSTRAINT d_pkey;
ALTER TABLE e DROP CONSTRAINT e_pkey;
SELECT reason FROM (VALUES ('a_pkey'), ('b_pkey'), ('c_pkey'), ('d_pkey'), ('e_pkey')) n (name), guard.check(name::regclass);
-- the key alone needs no key
SELECT reason FROM guard.check('f_pkey');
