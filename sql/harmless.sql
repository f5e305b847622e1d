-- A table of at most eight blocks is read as fast without an index: losing one
-- there harms nobody, however hot it is.  What would fail is another matter.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE settings (name text PRIMARY KEY, value text, kind int);
CREATE INDEX settings_value_idx ON settings (value);
CREATE INDEX settings_kind_idx ON settings (kind);
-- empty: every migration runs on an empty database first
CALL use('SELECT count(*) FROM settings WHERE value = ''on''', 'auth', 3);
CALL use('SELECT count(*) FROM settings WHERE name = ''mode''', 'auth', 3);
SELECT * FROM verdict('settings');
BEGIN;
DROP INDEX settings_value_idx;
ALTER TABLE settings DROP CONSTRAINT settings_pkey;
ALTER TABLE settings DROP COLUMN kind;
DROP TABLE settings;
ROLLBACK;

-- eight blocks; nine
INSERT INTO settings SELECT 'name' || i, repeat('x', 100), i FROM generate_series(1, 300) i;
SELECT pg_relation_size('settings') / current_setting('block_size')::int <= 8;
CALL use('SELECT count(*) FROM settings WHERE value = ''on''');
DROP INDEX settings_value_idx;
CREATE INDEX settings_value_idx ON settings (value);
CALL use('SELECT count(*) FROM settings WHERE value = ''on''');
INSERT INTO settings SELECT 'name' || i, repeat('x', 100), i FROM generate_series(301, 1000) i;
SELECT pg_relation_size('settings') / current_setting('block_size')::int > 8;
-- the size that counts is that of now, not what the catalog says
SELECT relpages <= 8 FROM pg_class WHERE oid = 'settings'::regclass;
DROP INDEX settings_value_idx;
:refusal
TRUNCATE settings;
DROP INDEX settings_value_idx;

-- partitions are looked at one by one: two small ones are small, one large one is not
CREATE TABLE events (at int, pad text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (1000) TO (2000);
CREATE INDEX events_at_idx ON events (at);
CALL use('SELECT count(*) FROM events WHERE at IN (17, 1700)');
SELECT * FROM verdict('events');
INSERT INTO events SELECT i, repeat('x', 100) FROM generate_series(1000, 1999) i;
SELECT * FROM verdict('events');
DROP INDEX events_at_idx;
DROP TABLE events;

-- what statements would fail without stays: see arbiter, replica_identity
INSERT INTO settings VALUES ('mode', 'on', 1);
CALL use('INSERT INTO settings VALUES (''mode'', ''off'', 1) ON CONFLICT (name) DO NOTHING');
SELECT * FROM verdict('settings');
ALTER TABLE settings DROP CONSTRAINT settings_pkey;
:indexes

-- emptied by the transaction that drops the index: what it holds at COMMIT decides
CREATE TABLE loaded (id int, pad text);
INSERT INTO loaded SELECT i, repeat('x', 100) FROM generate_series(1, 10000) i;
CREATE INDEX loaded_id_idx ON loaded (id);
VACUUM ANALYZE loaded;
CALL use('SELECT pad FROM loaded WHERE id = 17');
BEGIN;
TRUNCATE loaded;
DROP INDEX loaded_id_idx;
INSERT INTO loaded SELECT i, repeat('x', 100) FROM generate_series(1, 10000) i;
COMMIT;
:refusal
BEGIN;
TRUNCATE loaded;
DROP INDEX loaded_id_idx;
INSERT INTO loaded SELECT i, repeat('x', 100) FROM generate_series(1, 10000) i;
CREATE INDEX loaded_id_idx ON loaded (id);
COMMIT;
CALL use('SELECT pad FROM loaded WHERE id = 17');
BEGIN;
TRUNCATE loaded;
DROP TABLE loaded;
COMMIT;
:refusal
BEGIN;
TRUNCATE loaded;
DROP INDEX loaded_id_idx;
COMMIT;
:indexes
