-- A partition that goes as a whole is retention, unless statements are aimed at
-- it clearly more often than at its siblings: more than twice as often as at
-- one of them on average, and twenty times at least.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE events (at int, pad text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (1000) TO (2000);
CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (2000) TO (3000);
CREATE TABLE events_4 PARTITION OF events FOR VALUES FROM (3000) TO (4000);
CREATE TABLE events_5 PARTITION OF events FOR VALUES FROM (4000) TO (5000);
INSERT INTO events SELECT i, repeat('x', 100) FROM generate_series(0, 4999) i;
CREATE INDEX events_at_idx ON events (at);
CALL use('SELECT count(*) FROM events WHERE at = 500', 'auth', 10);
CALL use('SELECT count(*) FROM events WHERE at = 1500', 'auth', 10);
CALL use('SELECT count(*) FROM events WHERE at = 2500', 'auth', 30);
CALL use('SELECT count(*) FROM events WHERE at = 3500', 'auth', 20);

-- 30 against 10 on average: more than twice as often
DROP TABLE events_3;
:refusal
-- 20 against 12.5: more often, but not clearly
DROP TABLE events_4;
-- 30 against 6.67
DROP TABLE events_3;
:refusal
-- what visits all of them is aimed at none
CALL use('SELECT count(*) FROM events WHERE pad = ''y''', 'auth', 30);
DROP TABLE events_1;
DROP TABLE events_2;
:indexes

-- 19 are too few, however few the others have; 20 are not
CREATE TABLE logs (at int, pad text) PARTITION BY RANGE (at);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (1000);
CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (1000) TO (2000);
INSERT INTO logs SELECT i, repeat('x', 100) FROM generate_series(0, 1999) i;
CREATE INDEX logs_at_idx ON logs (at);
CALL use('SELECT count(*) FROM logs WHERE at = 500', 'auth', 19);
BEGIN;
DROP TABLE logs_1;
ROLLBACK;
CALL use('SELECT count(*) FROM logs WHERE at = 500');
DROP TABLE logs_1;
:refusal
DROP TABLE logs_2;

-- one that was attached lately has a life of its own behind it
CREATE TABLE logs_3 (LIKE logs);
INSERT INTO logs_3 SELECT i, repeat('x', 100) FROM generate_series(2000, 2999) i;
CREATE INDEX logs_3_at_idx ON logs_3 (at);
ALTER TABLE logs ATTACH PARTITION logs_3 FOR VALUES FROM (2000) TO (3000);
CALL use('SELECT count(*) FROM logs WHERE at = 2500');
DROP TABLE logs_3;
:refusal
