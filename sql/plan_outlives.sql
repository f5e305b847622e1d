-- What is known of a statement's plans without an index outlives changes of its
-- table's indexes that are in none of these plans, and passes to what the index is
-- built again as.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
\c
-- a table of which two indexes serve the statement at the same cost, and neither has the structure of the other
CREATE PROCEDURE tools.make(t text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I (id int, a int, b int, c varchar(10), pad text)', t);
	EXECUTE format('INSERT INTO %I SELECT g, g %% 1000, g %% 997, g %% 10, repeat(''x'', 60) FROM generate_series(1, 20000) g', t);
	EXECUTE format('CREATE INDEX %I ON %I (id DESC, a)', t || '_other', t);
	EXECUTE format('CREATE INDEX %I ON %I (id, a)', t || '_used', t);
	EXECUTE format('CREATE INDEX %I ON %I (b)', t || '_b', t);
	EXECUTE format('CREATE INDEX %I ON %I (c)', t || '_c', t);
	COMMIT;
	CALL tools.vacuum(t::regclass);
	CALL tools.plainly(format('SELECT pad FROM %I WHERE id = 5 AND a = 5', t));
END
$$;
CALL make('one');
SELECT instead FROM guard.what_if('one_used');
SELECT * FROM verdict('one_used');
-- first one that nobody uses
DROP INDEX one_b;
SELECT * FROM verdict('one_used');
DROP INDEX CONCURRENTLY one_c;
SELECT * FROM verdict('one_used');
-- what takes over must stay
SET guard.mode = observe;
DROP INDEX one_other;
RESET guard.mode;
SELECT * FROM verdict('one_used');
-- in one transaction
CALL make('two');
BEGIN;
DROP INDEX two_b;
DROP INDEX two_used;
COMMIT;
SELECT count(*) FROM pg_index WHERE indrelid = 'two'::regclass;
-- one that another statement used
CALL make('three');
CALL plainly('SELECT count(pad) FROM three WHERE b = 5');
SET guard.mode = observe;
DROP INDEX three_b;
RESET guard.mode;
SELECT * FROM verdict('three_used');

-- built again
CALL make('four');
REINDEX INDEX CONCURRENTLY four_used;
SELECT * FROM verdict('four_used');
DROP INDEX CONCURRENTLY four_used;
SELECT * FROM verdict('four_other');
CALL make('five');
ALTER TABLE five ALTER c TYPE varchar(20) USING c || '0';
SELECT * FROM verdict('five_used');
-- one like it, in its place
CALL make('six');
CREATE INDEX six_twin ON six (id, a);
DROP INDEX six_used;
SELECT * FROM verdict('six_twin');
DROP INDEX six_twin;
SELECT * FROM verdict('six_other');
-- not where all were, nor where nothing else takes over
CALL make('seven');
REINDEX TABLE CONCURRENTLY seven;
SELECT * FROM verdict('seven_used');
CALL make('eight');
SET guard.mode = observe;
DROP INDEX eight_other;
RESET guard.mode;
CALL plainly('SELECT pad FROM eight WHERE id = 5 AND a = 5');
REINDEX INDEX CONCURRENTLY eight_used;
SELECT * FROM verdict('eight_used');

-- with other parameters it used another one, and has nothing but this when that is gone
CREATE TABLE s (grp int, b int, c int, pad text);
INSERT INTO s SELECT g % 20, g, g, left(md5(g::text), 28) FROM generate_series(1, 30000) g;
CREATE INDEX s_low ON s (grp) WHERE grp < 10;
CREATE INDEX s_high ON s (grp DESC, pad, b, c) WHERE grp >= 10;
CREATE INDEX s_grp ON s (grp, pad);
CALL vacuum('s');
CALL plainly('SELECT count(*) FROM s WHERE grp = 5');
CALL plainly('SELECT count(*) FROM s WHERE grp = 15');
SELECT instead FROM guard.what_if('s_grp');
SELECT * FROM verdict('s_grp');
SET guard.mode = observe;
SET client_min_messages = error;
DROP INDEX s_low;
RESET client_min_messages;
RESET guard.mode;
SELECT * FROM verdict('s_grp');

-- what a plan has against one that has the structure outlives them as well
CREATE TABLE o (grp int, b int, pad text);
INSERT INTO o SELECT g % 100, g, md5(g::text) || md5('a' || g) || md5('b' || g) || md5('c' || g) || md5('d' || g) FROM generate_series(1, 20000) g;
CREATE INDEX o_grp ON o (grp);
CREATE INDEX o_grp_pad ON o (grp, pad);
CREATE INDEX o_b ON o (b);
CALL vacuum('o');
CALL plainly('SELECT count(*) FROM o WHERE grp = 5');
SELECT * FROM verdict('o_grp');
DROP INDEX o_b;
SELECT * FROM verdict('o_grp');
REINDEX INDEX CONCURRENTLY o_grp;
SELECT * FROM verdict('o_grp');

-- Of an index that one partition has and one that all of them have a statement uses now this, now that: what is known of the plans with
-- the one is of the indexes of another table than what is known of the other.
CREATE TABLE parts (d int, grp int, b int, pad text) PARTITION BY RANGE (d);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
INSERT INTO parts SELECT g % 20, g % 100, g, repeat('x', 60) FROM generate_series(1, 40000) g;
CREATE INDEX parts_other ON parts (grp DESC, d);
CREATE INDEX parts_b ON parts (b);
CREATE INDEX parts_2_used ON parts_2 (grp, d);
VACUUM (FREEZE, ANALYZE) parts;
CALL plainly('SELECT pad FROM parts WHERE d >= 10 AND grp = 15 AND b < 1000000');
SELECT instead FROM guard.what_if('parts_2_used');
SELECT * FROM verdict('parts_2_used');
CALL plainly('SELECT pad FROM parts WHERE d >= 10 AND grp = 15 AND b < 5');
CALL plainly('SELECT pad FROM parts WHERE d >= 10 AND grp = 15 AND b < 6');
SELECT instead FROM guard.what_if('parts_b');
SELECT instead FROM guard.what_if('parts_2_used');
SELECT * FROM verdict('parts_2_used');
