-- A partitioned index is judged leaf by leaf.  A partition that goes as a
-- whole, data and all, is retention: unless it is the one that is at work.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE events (at int, who int, kind int, pad text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (1000) TO (2000);
CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (2000) TO (3000);
CREATE TABLE events_4 PARTITION OF events FOR VALUES FROM (3000) TO (4000);
CREATE TABLE events_5 PARTITION OF events FOR VALUES FROM (4000) TO (5000);
INSERT INTO events SELECT i, i % 100, i % 7, repeat('x', 100) FROM generate_series(0, 4999) i;
CREATE INDEX events_at_idx ON events (at);
CREATE INDEX events_who_idx ON events (who);
CREATE INDEX events_pad_idx ON events (pad);
CREATE INDEX events_2_local_idx ON events_2 (kind);
CALL use('SELECT count(*) FROM events WHERE who = 17');
CALL use('SELECT count(*) FROM events WHERE at = 2500');
CALL use('SELECT count(*) FROM events_2 WHERE kind = 3');

-- one leaf in use is enough; one index is one target, not six
SELECT * FROM verdict('events');
SELECT * FROM verdict('events_at_idx');
DROP INDEX events_who_idx;
:refusal
DROP INDEX events_at_idx;
:refusal
DROP INDEX events_2_local_idx;
:refusal
ALTER TABLE events DROP COLUMN who, DROP COLUMN kind;
:refusal
BEGIN;
DROP INDEX events_at_idx;
COMMIT;
:refusal
BEGIN;
DROP INDEX events_at_idx;
CREATE INDEX events_at_idx ON events (at);
COMMIT;
SELECT * FROM verdict('events_at_idx');
-- the idle one goes, with all its parts
DROP INDEX events_pad_idx;
-- PostgreSQL's own affairs
DROP INDEX events_1_at_idx;
DROP INDEX CONCURRENTLY events_who_idx;
-- all partitions at once are no retention
DROP TABLE events;
:refusal

-- retention: by DROP, by DETACH and DROP, at once or later
DROP TABLE events_1;
ALTER TABLE events DETACH PARTITION events_2;
DROP TABLE events_2;
SELECT count(*) FROM events;

-- the partition that takes the rows is not the one to go
CALL use('INSERT INTO events VALUES (4500, 1, 1, '''')', 'tracker');
DROP TABLE events_5;
:refusal
ALTER TABLE events DETACH PARTITION events_4;
DROP TABLE events_4;

-- nor is one that statements are aimed at, more than at its siblings
CREATE TABLE events_6 PARTITION OF events FOR VALUES FROM (5000) TO (6000);
INSERT INTO events SELECT i, i % 100, i % 7, repeat('x', 100) FROM generate_series(5000, 5999) i;
CALL use('SELECT count(*) FROM events WHERE at = 2500', 'auth', 30);
DROP TABLE events_3;
:refusal
DROP TABLE events_6;
:indexes

-- a build half done: the parent is not valid, but its children are at work
CREATE INDEX events_half_idx ON ONLY events (at, who);
CREATE INDEX events_3_half_idx ON events_3 (at, who);
ALTER INDEX events_half_idx ATTACH PARTITION events_3_half_idx;
CALL use('SELECT count(*) FROM events WHERE at = 2500 AND who = 0');
SELECT indisvalid FROM pg_index WHERE indexrelid = 'events_half_idx'::regclass;
DROP INDEX events_half_idx;
:refusal

-- several levels: leaves decide, a level goes like a partition
CREATE TABLE clicks (at int, who int, pad text) PARTITION BY RANGE (at);
CREATE TABLE clicks_1 PARTITION OF clicks FOR VALUES FROM (0) TO (2000) PARTITION BY RANGE (at);
CREATE TABLE clicks_1_a PARTITION OF clicks_1 FOR VALUES FROM (0) TO (1000);
CREATE TABLE clicks_1_b PARTITION OF clicks_1 FOR VALUES FROM (1000) TO (2000);
CREATE TABLE clicks_2 PARTITION OF clicks FOR VALUES FROM (2000) TO (3000);
INSERT INTO clicks SELECT i, i % 100, repeat('x', 100) FROM generate_series(0, 2999) i;
CREATE INDEX clicks_at_idx ON clicks (at);
CREATE INDEX clicks_who_idx ON clicks (who);
CALL use('SELECT count(*) FROM clicks WHERE at = 1500');
SELECT * FROM verdict('clicks');
DROP INDEX clicks_at_idx;
:refusal
DROP INDEX clicks_1_at_idx;
DROP TABLE clicks;
DROP INDEX clicks_who_idx;
DROP TABLE clicks_2;
DROP TABLE clicks_1;
:indexes

-- old-style inheritance is partitioning, too
CREATE TABLE logs (at int, pad text);
CREATE TABLE logs_1 (CHECK (at < 1000)) INHERITS (logs);
CREATE TABLE logs_2 (CHECK (at >= 1000)) INHERITS (logs);
INSERT INTO logs_1 SELECT i, repeat('x', 100) FROM generate_series(1, 999) i;
INSERT INTO logs_2 SELECT i, repeat('x', 100) FROM generate_series(1000, 1999) i;
CREATE INDEX logs_1_at_idx ON logs_1 (at);
CREATE INDEX logs_2_at_idx ON logs_2 (at);
CALL use('SELECT count(*) FROM logs WHERE at IN (17, 1700)');
DROP INDEX logs_1_at_idx;
:refusal
DROP TABLE logs CASCADE;
:refusal
DROP TABLE logs_1;
ALTER TABLE logs_2 NO INHERIT logs;
DROP TABLE logs_2;
-- what nearly serves is called by what people have made: of a partitioned table, not of one of its partitions
CREATE TABLE near (id int, email text, team int) PARTITION BY RANGE (id);
CREATE TABLE near_1 PARTITION OF near FOR VALUES FROM (0) TO (3000);
CREATE TABLE near_2 PARTITION OF near FOR VALUES FROM (3000) TO (6000);
INSERT INTO near SELECT i, 's' || i, i % 100 FROM generate_series(1, 5000) i;
CREATE INDEX near_email ON near (email);
CREATE INDEX near_few ON near (email) WHERE team = 3;
CALL use('SELECT count(*) FROM near WHERE email = ''s17''');
SELECT substring(ask FROM 'Index .*? does not serve.*?\.') FROM ask('DROP INDEX near_email') WHERE ask ~ '^DETAIL';
DROP INDEX near_few;
CREATE INDEX near_2_few ON near_2 (email) WHERE team = 4;
CREATE INDEX near_1_own ON near_1 (email);
SELECT substring(ask FROM 'Index .*') FROM ask('DROP INDEX near_email') WHERE ask ~ '^DETAIL';
