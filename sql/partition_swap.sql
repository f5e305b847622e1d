-- Partitions and children are addressed by their parent's name: what takes the
-- place of one must have what its traffic needs.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE ev (at int, k int, pad text) PARTITION BY RANGE (at);
CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (5000);
CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM (5000) TO (10000);
INSERT INTO ev SELECT i, i % 500, repeat('x', 50) FROM generate_series(0, 9999) i;
CREATE INDEX ev1_local ON ev1 (k);
CREATE INDEX ev2_local ON ev2 (k);
CALL use('SELECT count(*) FROM ev WHERE k = 7');
CREATE TABLE ev1_new AS TABLE ev1;
-- exchanged for one without
BEGIN;
ALTER TABLE ev DETACH PARTITION ev1;
ALTER TABLE ev ATTACH PARTITION ev1_new FOR VALUES FROM (0) TO (5000);
COMMIT;
:refusal
BEGIN;
DROP TABLE ev1;
ALTER TABLE ev ATTACH PARTITION ev1_new FOR VALUES FROM (0) TO (5000);
COMMIT;
:refusal
BEGIN;
ALTER TABLE ev DETACH PARTITION ev1;
ALTER TABLE ev1 RENAME TO ev1_old;
ALTER TABLE ev1_new RENAME TO ev1;
ALTER TABLE ev ATTACH PARTITION ev1 FOR VALUES FROM (0) TO (5000);
DROP TABLE ev1_old;
COMMIT;
:refusal
-- for one that has it
CREATE INDEX ev1_new_k ON ev1_new (k, at);
BEGIN;
ALTER TABLE ev DETACH PARTITION ev1;
ALTER TABLE ev ATTACH PARTITION ev1_new FOR VALUES FROM (0) TO (5000);
COMMIT;
DROP TABLE ev1;
-- detached, dropped, attached: nothing has moved
CREATE INDEX ev_k ON ev (k);
CALL use('SELECT count(*) FROM ev WHERE k = 7', 'push');
BEGIN;
ALTER TABLE ev DETACH PARTITION ev1_new;
ALTER TABLE ev DETACH PARTITION ev2;
DROP INDEX ev_k;
DROP INDEX IF EXISTS ev1_new_k, ev1_new_k_idx;
DROP INDEX IF EXISTS ev2_local, ev2_k_idx;
ALTER TABLE ev ATTACH PARTITION ev1_new FOR VALUES FROM (0) TO (5000);
ALTER TABLE ev ATTACH PARTITION ev2 FOR VALUES FROM (5000) TO (10000);
COMMIT;
:refusal
:indexes
-- in several transactions
ALTER TABLE ev DETACH PARTITION ev2;
DROP INDEX ev2_local;
BEGIN;
DROP INDEX ev_k;
ALTER TABLE ev ATTACH PARTITION ev2 FOR VALUES FROM (5000) TO (10000);
COMMIT;
:refusal
ALTER TABLE ev ATTACH PARTITION ev2 FOR VALUES FROM (5000) TO (10000);
:indexes
-- retention goes on as ever: the oldest out, a new one in
CREATE TABLE ev3 PARTITION OF ev FOR VALUES FROM (10000) TO (20000);
INSERT INTO ev SELECT i, i % 500, repeat('x', 50) FROM generate_series(10000, 19999) i;
CREATE INDEX ev3_local ON ev3 (k, at);
CALL use('SELECT count(*) FROM ev WHERE k = 7', 'push');
CREATE TABLE ev4 (LIKE ev);
BEGIN;
ALTER TABLE ev DETACH PARTITION ev3;
ALTER TABLE ev ATTACH PARTITION ev4 FOR VALUES FROM (20000) TO (30000);
COMMIT;
DROP TABLE ev3;

-- children of inheritance
CREATE TABLE logs (at int, k int, pad text);
CREATE TABLE logs_1 () INHERITS (logs);
INSERT INTO logs_1 SELECT i, i % 500, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE INDEX logs_1_k ON logs_1 (k);
CALL use('SELECT count(*) FROM logs WHERE k = 7');
CREATE TABLE logs_new AS TABLE logs_1;
BEGIN;
ALTER TABLE logs_1 NO INHERIT logs;
ALTER TABLE logs_new INHERIT logs;
COMMIT;
:refusal
-- an ordinary table that is made a child for a moment
CREATE TABLE dummy (at int);
CREATE TABLE hot AS TABLE logs_1;
CREATE INDEX hot_k ON hot (k);
CALL use('SELECT count(*) FROM hot WHERE k = 7');
BEGIN;
ALTER TABLE hot INHERIT dummy;
ALTER TABLE hot NO INHERIT dummy;
DROP INDEX hot_k;
COMMIT;
:refusal
ALTER TABLE hot INHERIT dummy;
SET guard.quiet_period = '1s';
BEGIN;
ALTER TABLE hot NO INHERIT dummy;
DROP INDEX hot_k;
COMMIT;
:refusal
RESET guard.quiet_period;
-- several children at once, and their parent stays
CREATE SCHEMA old1;
CREATE SCHEMA old2;
CREATE TABLE e (id int, d date, k int);
CREATE TABLE old1.a () INHERITS (e);
CREATE TABLE old1.b () INHERITS (e);
CREATE TABLE old2.c () INHERITS (e);
CREATE TABLE cur () INHERITS (e);
INSERT INTO old1.a SELECT i, '2024-01-01', i % 500 FROM generate_series(1, 5000) i;
INSERT INTO old1.b TABLE old1.a;
INSERT INTO old2.c TABLE old1.a;
INSERT INTO cur TABLE old1.a;
CREATE INDEX ON old1.a (k);
CREATE INDEX ON old1.b (k);
CREATE INDEX ON old2.c (k);
CREATE INDEX ON cur (k);
CALL use('SELECT count(*) FROM e WHERE k = 7');
SET client_min_messages = warning;
DROP SCHEMA old2 CASCADE;
DROP SCHEMA old1 CASCADE;
-- with the parent they do not
CREATE SCHEMA all_of_them;
ALTER TABLE e SET SCHEMA all_of_them;
ALTER TABLE cur SET SCHEMA all_of_them;
DROP SCHEMA all_of_them CASCADE;
:refusal
-- nor one after the other in one transaction, the parent at last
CREATE TABLE readings (at int, k int, pad text);
CREATE TABLE readings_1 () INHERITS (readings);
INSERT INTO readings_1 SELECT i, i % 500, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE INDEX ON readings_1 (k);
CALL use('SELECT count(*) FROM readings WHERE k = 7');
BEGIN;
DROP TABLE readings_1;
DROP TABLE readings;
COMMIT;
:refusal
DROP TABLE readings_1;
