-- A partitioned index is hidden with those of all partitions, whatever comes
-- and goes; the index of one partition by itself.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set plan :srcdir /sql/include/plan.psql
\i :plan
CREATE EXTENSION guard;
CREATE TABLE events (at int, what int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (1000) TO (2000) PARTITION BY RANGE (at);
CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES FROM (1000) TO (1500);
INSERT INTO events SELECT i, i % 10 FROM generate_series(1, 1499) i;
CREATE INDEX events_at_idx ON events (at);
ANALYZE events;
\set first 'SELECT plan(\'SELECT what FROM events WHERE at = 17\');'
\set deep 'SELECT plan(\'SELECT what FROM events WHERE at = 1017\');'
\set direct 'SELECT plan(\'SELECT what FROM events_2a WHERE at = 1017\');'
\set hidden 'SELECT index_name, hidden FROM guard.index_facts ORDER BY 1;'
SET plan_cache_mode = force_generic_plan;
PREPARE q(int) AS SELECT what FROM events_2a WHERE at = $1;
\set prepared 'SELECT plan(\'EXECUTE q(1017)\');'
:prepared

SELECT guard.hide('events_at_idx');
:first
:deep
:direct
:prepared
:hidden
SELECT count(*) FROM guard.hidden_index;
-- a partition's by itself: it is hidden, but not on its own account
SELECT guard.unhide('events_1_at_idx');
:refusal
SELECT * FROM ask('SELECT guard.unhide(''events_1_at_idx'')');
SELECT guard.hide('events_1_at_idx');
SELECT state FROM guard.status WHERE item = 'hiding';
SELECT guard.unhide('events_at_idx');
SELECT state FROM guard.status WHERE item = 'hiding';
:first
:deep
:prepared
SELECT guard.hide('events_at_idx');
SELECT guard.unhide('events_1_at_idx');
:first

-- partitions that come later, at any depth
CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (2000) TO (3000);
CREATE TABLE events_2b PARTITION OF events_2 FOR VALUES FROM (1500) TO (2000);
SELECT plan('SELECT what FROM events_3 WHERE at = 2017'), plan('SELECT what FROM events_2b WHERE at = 1517');
CREATE TABLE events_4 (at int, what int);
INSERT INTO events_4 SELECT i, i % 10 FROM generate_series(3000, 3999) i;
CREATE INDEX events_4_at_idx ON events_4 (at);
SELECT plan('SELECT what FROM events_4 WHERE at = 3017');
ALTER TABLE events ATTACH PARTITION events_4 FOR VALUES FROM (3000) TO (4000);
SELECT plan('SELECT what FROM events_4 WHERE at = 3017');
BEGIN;
ALTER TABLE events DETACH PARTITION events_4;
SELECT plan('SELECT what FROM events_4 WHERE at = 3017');
ROLLBACK;
SELECT plan('SELECT what FROM events_4 WHERE at = 3017');
-- one that has left is its own master
ALTER TABLE events DETACH PARTITION events_4;
SELECT plan('SELECT what FROM events_4 WHERE at = 3017');
-- an index made on the parent alone, its partition's attached by hand
CREATE INDEX events_what_idx ON ONLY events_2 (what);
CREATE INDEX events_2a_what_idx ON events_2a (what);
CREATE INDEX events_2b_what_idx ON events_2b (what);
SELECT guard.hide('events_what_idx');
:refusal
ALTER INDEX events_what_idx ATTACH PARTITION events_2a_what_idx;
ALTER INDEX events_what_idx ATTACH PARTITION events_2b_what_idx;
SELECT guard.hide('events_what_idx');
SELECT plan('SELECT at FROM events_2a WHERE what = 7');
SELECT guard.unhide('events_what_idx');
SELECT plan('SELECT at FROM events_2a WHERE what = 7');

-- new OIDs and names, above and below
REINDEX INDEX CONCURRENTLY events_2a_at_idx;
:direct
:prepared
REINDEX TABLE CONCURRENTLY events;
:first
:prepared
DEALLOCATE q;
ALTER TABLE events ALTER COLUMN what TYPE bigint;
PREPARE q(int) AS SELECT what FROM events_2a WHERE at = $1;
ALTER INDEX events_at_idx RENAME TO renamed_idx;
ALTER INDEX events_2a_at_idx RENAME TO deep_idx;
:first
:direct
ALTER TABLE events RENAME TO events_old;
ALTER TABLE events_old RENAME TO events;
:first
SELECT index_name FROM guard.hidden_index JOIN guard.object o ON o.id = object;
SELECT guard.unhide('renamed_idx');
:first
:deep
:prepared
-- transactions
BEGIN;
SELECT guard.hide('renamed_idx');
:prepared
ROLLBACK;
:prepared
-- a partition goes, the index goes
SELECT guard.hide('renamed_idx');
DROP TABLE events_1;
:deep
SELECT count(*) FROM guard.hidden_index;
DROP INDEX renamed_idx;
SELECT count(*) FROM guard.hidden_index;
