-- The statistics of an expression are in its index, and plans go by them.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE ev (id int, p jsonb, uid int);
INSERT INTO ev SELECT g, jsonb_build_object('k', CASE WHEN g % 2 = 0 THEN 'page' ELSE 'k' || g % 5 END), g % 2000 FROM generate_series(1, 20000) g;
CREATE TABLE us (id int PRIMARY KEY);
INSERT INTO us SELECT generate_series(0, 1999);
CREATE INDEX ev_k ON ev ((p ->> 'k'));
CREATE INDEX ev_m ON ev ((p ->> 'm'));
CREATE INDEX ev_uid ON ev (uid);
ANALYZE ev, us;
-- the plan without it is no dearer only because it expects fewer rows
CALL use('SELECT count(*) FROM ev JOIN us ON us.id = uid WHERE p ->> ''k'' = ''page''');
DROP INDEX ev_k;
:refusal
-- of what nobody uses it is told what goes along
CLUSTER ev USING ev_uid;
\set VERBOSITY default
DROP INDEX ev_m;
DROP INDEX ev_uid;
CREATE INDEX ev_m ON ev ((p ->> 'm'));
CREATE STATISTICS ev_m_stat ON (p ->> 'm') FROM ev;
ANALYZE ev;
DROP INDEX ev_m;
\set VERBOSITY sqlstate
CLUSTER ev;
:indexes
