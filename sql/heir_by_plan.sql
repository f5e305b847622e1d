-- What an index would be missed for that has taken over from another one is
-- known before anybody asks it: statements are planned without both.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
-- twins, whichever is used, and a key that serves at the same cost: one after the other may go
CREATE TABLE t (id int PRIMARY KEY, a int, pad text);
INSERT INTO t SELECT g, g % 1000, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX t_1 ON t (id, a);
CREATE INDEX t_2 ON t (id, a);
CREATE INDEX t_3 ON t (id, a);
CALL vacuum('t');
CALL plainly('SELECT pad FROM t WHERE id = 5 AND a = 5');
DROP INDEX t_3;
-- the key has the use of all
DROP INDEX t_2;
DROP INDEX CONCURRENTLY t_1;
SELECT * FROM verdict('t');
-- also when snapshots have been taken meanwhile
CREATE TABLE u (id int PRIMARY KEY, a int, pad text);
INSERT INTO u SELECT g, g % 1000, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX u_1 ON u (id, a);
CREATE INDEX u_2 ON u (id, a);
CALL vacuum('u');
CALL plainly('SELECT pad FROM u WHERE id = 5 AND a = 5');
DROP INDEX u_2;
SELECT count(guard.snapshot()) FROM generate_series(1, 2);
DROP INDEX u_1;
SELECT count(guard.snapshot()) FROM generate_series(1, 2);
SELECT * FROM verdict('u');
-- the one that was not used goes first, then the one that was
CREATE TABLE v (id int PRIMARY KEY, a int, b int, pad text);
INSERT INTO v SELECT g, g % 1000, g % 997, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX v_b ON v (id, a, b);
CREATE INDEX v_a ON v (id, a);
CALL vacuum('v');
CALL plainly('SELECT pad FROM v WHERE id = 5 AND a = 5');
DROP INDEX v_b;
DROP INDEX v_a;
SELECT * FROM verdict('v');
-- not where it is dearer, though something serves by its structure
CREATE TABLE w (id int, a int, gone boolean, pad text);
INSERT INTO w SELECT g, g % 100, g % 50 = 0, repeat('x', 300) FROM generate_series(1, 20000) g;
CREATE INDEX w_1 ON w (a) WHERE NOT gone;
CREATE INDEX w_2 ON w (a) WHERE NOT gone;
CREATE INDEX w_a ON w (a);
CALL vacuum('w');
CALL plainly('SELECT count(*) FROM w WHERE a = 5 AND NOT gone');
DROP INDEX w_2;
DROP INDEX w_1;
SELECT * FROM verdict('w');
-- nor where a statement of the first one has not come again, and would be dearer
CREATE TABLE x (id int PRIMARY KEY, a int, pad text);
INSERT INTO x SELECT g, g % 1000, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX x_1 ON x (id, a);
CREATE INDEX x_2 ON x (id, a);
CALL vacuum('x');
CALL plainly('SELECT pad FROM x WHERE id = 5 AND a = 5');
CALL plainly('SELECT a FROM x WHERE id BETWEEN 5 AND 15000 ORDER BY id LIMIT 5000');
DROP INDEX x_2;
CALL plainly('SELECT pad FROM x WHERE id = 5 AND a = 5');
SELECT * FROM verdict('x');
DROP INDEX x_1;
-- of a partitioned table
CREATE TABLE p (id int PRIMARY KEY, a int, pad text) PARTITION BY HASH (id);
CREATE TABLE p_0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE p_1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO p SELECT g, g % 1000, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX p_a1 ON p (id, a);
CREATE INDEX p_a2 ON p (id, a);
CALL vacuum('p');
CALL plainly('SELECT pad FROM p WHERE id IN (5, 6, 7) AND a = 5');
DROP INDEX p_a2;
DROP INDEX p_a1;
-- and what is undone was not
CREATE TABLE y (id int PRIMARY KEY, a int, pad text);
INSERT INTO y SELECT g, g % 1000, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX y_1 ON y (id, a);
CREATE INDEX y_2 ON y (id, a);
CALL vacuum('y');
CALL plainly('SELECT pad FROM y WHERE id = 5 AND a = 5');
DROP INDEX y_2;
BEGIN;
DROP INDEX y_1;
ROLLBACK;
SELECT * FROM verdict('y');
DROP INDEX y_1;
SELECT * FROM verdict('y');
-- one that serves its own statements, and has taken over others: a third serves the former by plan; the latter, of whom sessions with settings of their own say nothing, by its structure
CREATE TABLE m (id int, a int, pad text);
INSERT INTO m SELECT g, g % 1000, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX m_a ON m (a) WITH (deduplicate_items = off);
CREATE INDEX m_desc ON m (a DESC) WITH (deduplicate_items = off);
CREATE INDEX m_both ON m (a, id DESC);
CALL vacuum('m');
CALL plainly('SELECT pad FROM m WHERE a = 5');
CALL use('SELECT pad FROM m ORDER BY a DESC LIMIT 3');
DROP INDEX m_desc;
DROP INDEX m_both;
SELECT * FROM verdict('m');
-- not where that goes as well
CREATE TABLE n (id int, a int, pad text);
INSERT INTO n TABLE m;
CREATE INDEX n_a ON n (a) WITH (deduplicate_items = off);
CREATE INDEX n_desc ON n (a DESC) WITH (deduplicate_items = off);
CREATE INDEX n_both ON n (a, id DESC);
CALL vacuum('n');
CALL plainly('SELECT pad FROM n WHERE a = 5');
CALL use('SELECT pad FROM n ORDER BY a DESC LIMIT 3');
DROP INDEX n_desc;
DROP INDEX n_both, n_a;
