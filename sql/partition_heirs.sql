-- A partition that was exchanged for another has left its traffic to that one, at once.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE p (id int, email text, team int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (30000);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (30000) TO (60000);
INSERT INTO p SELECT i, 's' || i, i % 100 FROM generate_series(1, 50000) i;
CREATE INDEX p1_email ON p1 (email);
CREATE INDEX p2_email ON p2 (email);
CREATE TABLE new1 (team int, email text, id int);
INSERT INTO new1 SELECT team, email, id FROM p1;
CREATE INDEX new1_email ON new1 (email);
CREATE INDEX new1_team ON new1 (team);
CALL use('SELECT count(*) FROM p WHERE email = ''s17''');
BEGIN;
ALTER TABLE p DETACH PARTITION p1;
ALTER TABLE p ATTACH PARTITION new1 FOR VALUES FROM (0) TO (30000);
COMMIT;
-- what it did not serve before may go, what it serves may not
DROP INDEX new1_team;
DROP INDEX new1_email;
:refusal
-- what left goes, and what came still has its traffic
DROP TABLE p1;
DROP INDEX new1_email;
:refusal
-- another place is another matter
CREATE TABLE p3 (LIKE p INCLUDING ALL);
CREATE INDEX p3_email ON p3 (email);
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (60000) TO (90000);
DROP INDEX p3_email;
-- nor does retention leave anything to the partition of the next month
ALTER TABLE p DETACH PARTITION p2;
CREATE TABLE p4 (LIKE p INCLUDING ALL);
CREATE INDEX p4_email ON p4 (email);
ALTER TABLE p ATTACH PARTITION p4 FOR VALUES FROM (90000) TO (120000);
DROP INDEX p4_email;
DROP TABLE p2;
-- nor is one exchanged for the next, before anybody has read it, for one without the index
CREATE TABLE q (id int, email text, team int) PARTITION BY RANGE (id);
CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (30000);
INSERT INTO q SELECT i, 's' || i, i % 100 FROM generate_series(1, 20000) i;
CREATE INDEX q1_email ON q1 (email);
CREATE TABLE q2 (LIKE q1 INCLUDING ALL);
INSERT INTO q2 SELECT * FROM q1;
CREATE TABLE q3 (LIKE q);
INSERT INTO q3 SELECT * FROM q1;
CALL use('SELECT count(*) FROM q WHERE email = ''s17''');
BEGIN;
ALTER TABLE q DETACH PARTITION q1;
ALTER TABLE q ATTACH PARTITION q2 FOR VALUES FROM (0) TO (30000);
COMMIT;
BEGIN;
ALTER TABLE q DETACH PARTITION q2;
ALTER TABLE q ATTACH PARTITION q3 FOR VALUES FROM (0) TO (30000);
COMMIT;
:refusal
-- also where the first of them is gone
DROP TABLE q1;
BEGIN;
DROP TABLE q2;
ALTER TABLE q ATTACH PARTITION q3 FOR VALUES FROM (0) TO (30000);
COMMIT;
:refusal
BEGIN;
CREATE INDEX q3_email ON q3 (email);
ALTER TABLE q DETACH PARTITION q2;
ALTER TABLE q ATTACH PARTITION q3 FOR VALUES FROM (0) TO (30000);
DROP TABLE q2;
COMMIT;
DROP INDEX q3_email;
:refusal
-- in two transactions: between them its rows are missed by everybody
CREATE TABLE q4 (LIKE q3 INCLUDING ALL);
ALTER TABLE q DETACH PARTITION q3;
ALTER TABLE q ATTACH PARTITION q4 FOR VALUES FROM (0) TO (30000);
DROP TABLE q3;
DROP INDEX q4_email_idx;
:refusal
-- nor does it help to rename what they are partitions of
ALTER TABLE q RENAME TO q_renamed;
DROP INDEX q4_email_idx;
:refusal
ALTER TABLE q_renamed RENAME TO q;
-- what has come lacks the index: to refuse it would keep the rows away
CALL use('SELECT count(*) FROM q WHERE email = ''s17''');
ALTER TABLE q DETACH PARTITION q4;
CREATE TABLE q5 (LIKE q);
INSERT INTO q5 SELECT * FROM q4;
ALTER TABLE q ATTACH PARTITION q5 FOR VALUES FROM (0) TO (30000);
SELECT object, tools.mask(reason) FROM guard.audit_log WHERE object IS NOT NULL ORDER BY id;
ALTER TABLE q DETACH PARTITION q5;
CREATE INDEX ON q5 (email);
ALTER TABLE q ATTACH PARTITION q5 FOR VALUES FROM (0) TO (30000);
CREATE TABLE q6 (LIKE q);
ALTER TABLE q ATTACH PARTITION q6 FOR VALUES FROM (30000) TO (60000);
-- with partitions of its own
CREATE TABLE r (id int, email text, team int) PARTITION BY RANGE (id);
CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (30000) PARTITION BY HASH (id);
CREATE TABLE r1a PARTITION OF r1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO r SELECT i, 's' || i, i % 100 FROM generate_series(1, 20000) i;
CREATE INDEX r1_email ON r1 (email);
CREATE TABLE s1 (LIKE r) PARTITION BY HASH (id);
CREATE TABLE s1a PARTITION OF s1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO s1 SELECT * FROM r1;
CREATE INDEX s1a_email ON s1a (email);
CALL use('SELECT count(*) FROM r WHERE email = ''s17''');
BEGIN;
ALTER TABLE r DETACH PARTITION r1;
ALTER TABLE r ATTACH PARTITION s1 FOR VALUES FROM (0) TO (30000);
COMMIT;
DROP INDEX s1a_email;
:refusal
DROP TABLE r1;
:refusal
DROP INDEX s1a_email;
:refusal
CREATE TABLE s2 (LIKE r);
INSERT INTO s2 SELECT * FROM s1;
BEGIN;
ALTER TABLE r DETACH PARTITION s1;
ALTER TABLE r ATTACH PARTITION s2 FOR VALUES FROM (0) TO (30000);
COMMIT;
:refusal
-- one that comes back has its own use, and its sister has not
CREATE TABLE t (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (60000) PARTITION BY RANGE (id);
CREATE TABLE t1a PARTITION OF t1 FOR VALUES FROM (0) TO (30000);
CREATE TABLE t1b PARTITION OF t1 FOR VALUES FROM (30000) TO (60000);
INSERT INTO t SELECT i, 's' || i FROM generate_series(1, 50000) i;
CREATE INDEX t1a_email ON t1a (email);
CREATE INDEX t1b_email ON t1b (email);
CALL use('SELECT count(*) FROM t WHERE id < 30000 AND email = ''s17''');
ALTER TABLE t DETACH PARTITION t1;
ALTER TABLE t ATTACH PARTITION t1 FOR VALUES FROM (0) TO (60000);
DROP INDEX t1b_email;
DROP INDEX t1a_email;
:refusal
:indexes
-- what is not partitioned takes the name, and the use of all that was below it
CREATE TABLE merged (id int, email text);
CREATE INDEX merged_email ON merged (email);
CREATE TABLE g (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE g1 PARTITION OF g FOR VALUES FROM (0) TO (30000);
CREATE TABLE g2 PARTITION OF g FOR VALUES FROM (30000) TO (60000);
INSERT INTO g SELECT i, 's' || i FROM generate_series(1, 50000) i;
INSERT INTO merged SELECT * FROM g;
CREATE INDEX g_email ON g (email);
CALL use('SELECT count(*) FROM g WHERE email = ''s17''');
BEGIN;
ALTER TABLE g RENAME TO g_old;
ALTER TABLE merged RENAME TO g;
COMMIT;
DROP TABLE g_old;
DROP INDEX merged_email;
:refusal
-- or was one of them itself
CREATE TABLE f (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE f1 PARTITION OF f FOR VALUES FROM (0) TO (60000);
INSERT INTO f SELECT i, 's' || i FROM generate_series(1, 50000) i;
CREATE INDEX f_email ON f (email);
CALL use('SELECT count(*) FROM f WHERE email = ''s17''');
BEGIN;
ALTER TABLE f DETACH PARTITION f1;
ALTER TABLE f RENAME TO f_old;
ALTER TABLE f1 RENAME TO f;
COMMIT;
DROP INDEX f1_email_idx;
:refusal
-- a place that was free is taken by what lacks the index of its own that the one before had
CREATE TABLE e (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE e1 PARTITION OF e FOR VALUES FROM (0) TO (30000);
CREATE TABLE e2 PARTITION OF e FOR VALUES FROM (30000) TO (60000);
INSERT INTO e SELECT i, 's' || i FROM generate_series(1, 50000) i;
CREATE INDEX e1_email ON e1 (email);
CREATE INDEX e2_email ON e2 (email);
CALL use('SELECT count(*) FROM e WHERE email = ''s17''');
ALTER TABLE e DETACH PARTITION e1;
CREATE TABLE e3 PARTITION OF e FOR VALUES FROM (0) TO (30000);
\set ECHO none
