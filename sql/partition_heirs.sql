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
:indexes
\set ECHO none
