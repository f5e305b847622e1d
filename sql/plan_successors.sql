-- What would be planned otherwise without an index, at the same cost, may need
-- several others for that: all of them must stay.  And what does not work hides
-- none of them.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE t (id int, a int, b int, pad text);
INSERT INTO t SELECT g, g % 1000, g % 997, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX t_id_a ON t (id, a);
CREATE INDEX t_id_b ON t (id, b);
CREATE INDEX t_id_ab ON t (id, a, b);
CALL vacuum('t');
CALL plainly('SELECT pad FROM t WHERE id = 5 ORDER BY a LIMIT 1');
CALL plainly('SELECT pad FROM t WHERE id = 5 AND b = 5');
SELECT index_name, instead FROM (SELECT 't_id_ab' AS index_name, instead::text FROM guard.what_if('t_id_ab')) w ORDER BY instead;
SELECT verdict, reason FROM guard.check('t_id_ab');
-- nothing is dearer for one index more, so what was planned before it came still answers, nor for one less that none of these plans scans
CREATE INDEX t_b ON t (b, pad);
SELECT verdict, reason FROM guard.check('t_id_ab');
CALL plainly('SELECT pad FROM t WHERE id = 5 ORDER BY a LIMIT 1');
CALL plainly('SELECT pad FROM t WHERE id = 5 AND b = 5');
DROP INDEX t_b;
SELECT verdict, reason FROM guard.check('t_id_ab');
CALL plainly('SELECT pad FROM t WHERE id = 5 ORDER BY a LIMIT 1');
CALL plainly('SELECT pad FROM t WHERE id = 5 AND b = 5');
-- not where one of them goes as well, in whatever order
DROP INDEX t_id_ab, t_id_b;
BEGIN;
DROP INDEX t_id_ab;
DROP INDEX t_id_b;
COMMIT;
:indexes
DROP INDEX t_id_ab;
-- these have its use now, though nobody has asked since; either will do for both
SELECT * FROM verdict('t');
DROP INDEX t_id_b;
SELECT * FROM verdict('t');

-- what is left of a CREATE INDEX CONCURRENTLY
CREATE TABLE s (id int, a int, pad text);
INSERT INTO s SELECT g, g % 1000, repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE INDEX s_id_desc_a ON s (id, a DESC);
CREATE INDEX s_id_a ON s (id, a);
CALL vacuum('s');
CALL plainly('SELECT pad FROM s WHERE id = 5 AND a = 5');
SELECT verdict, reason FROM guard.check('s_id_a');
CREATE INDEX leftover ON s (id, a);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'leftover'::regclass;
SELECT verdict, reason, facts #>> '{replacement,index}' FROM guard.check('s_id_a');
DROP INDEX s_id_a;
-- without another it is still not usable
SELECT verdict, reason FROM guard.check('s_id_desc_a');
