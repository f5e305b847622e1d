-- What can go goes all together: an index of a partitioned table and one of a
-- single partition may serve in place of each other, but not both of nothing.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE t (id int, u int, s text) PARTITION BY HASH (id);
CREATE TABLE t_p0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE t_p1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO t SELECT g, hashint4(g) & 16383, 'open' FROM generate_series(1, 40000) g;
CREATE INDEX t_u ON t (u);
CREATE INDEX t_p0_u_s ON t_p0 (u, s);
CREATE INDEX t_p1_u_id ON t_p1 (u, id);
VACUUM (FREEZE, ANALYZE) t;
CALL use('SELECT count(*) FROM t WHERE u >= 12000');
SELECT index_name, verdict, reason FROM guard.index_facts ORDER BY index_name;
-- the whole list
SELECT string_agg(format('DROP INDEX %s;', index), ' ') AS list FROM guard.index_facts WHERE verdict = 'allow' \gset
:list
:indexes
CALL use('SELECT count(*) FROM t WHERE u >= 12000');
