-- INSERT … ON CONFLICT fails without the unique index that it names: not slow,
-- but wrong.  So even a small table's arbiter stays, and only a unique index
-- takes its place.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE settings (name text PRIMARY KEY, kind int UNIQUE, grp int, value text, CONSTRAINT one_value EXCLUDE (value WITH =));
CREATE UNIQUE INDEX settings_lower_idx ON settings (lower(name));
CREATE UNIQUE INDEX settings_grp_idx ON settings (grp) WHERE kind > 0;
CALL use('INSERT INTO settings VALUES (''a'', 1, 1, ''x'') ON CONFLICT (name) DO UPDATE SET value = ''y''');
CALL use('INSERT INTO settings VALUES (''a'', 1, 1, ''x'') ON CONFLICT ON CONSTRAINT settings_kind_key DO NOTHING');
CALL use('INSERT INTO settings VALUES (''b'', 2, 2, ''z'') ON CONFLICT (lower(name)) DO NOTHING');
CALL use('INSERT INTO settings VALUES (''c'', 3, 3, ''c'') ON CONFLICT (grp) WHERE kind > 0 DO NOTHING');
CALL use('INSERT INTO settings VALUES (''d'', 4, 4, ''d'') ON CONFLICT ON CONSTRAINT one_value DO NOTHING');
SELECT * FROM verdict('settings');
ALTER TABLE settings DROP CONSTRAINT settings_pkey;
:refusal
ALTER TABLE settings DROP CONSTRAINT settings_kind_key;
ALTER TABLE settings DROP CONSTRAINT one_value;
DROP INDEX settings_lower_idx;
DROP INDEX settings_grp_idx;
ALTER TABLE settings DROP COLUMN grp;
BEGIN;
DROP INDEX settings_lower_idx;
COMMIT;
:refusal
:indexes

-- rebuilt under a new OID it is the arbiter as before
REINDEX TABLE CONCURRENTLY settings;
ALTER TABLE settings ALTER COLUMN kind TYPE bigint;
SELECT * FROM verdict('settings');

-- an index that is not unique does not take its place, one that is does
CREATE INDEX settings_lower_slow ON settings (lower(name));
DROP INDEX settings_lower_idx;
CREATE UNIQUE INDEX settings_lower_wide ON settings (lower(name), kind);
DROP INDEX settings_lower_idx;
CREATE UNIQUE INDEX settings_lower_part ON settings (lower(name)) WHERE kind > 0;
DROP INDEX settings_lower_idx;
CREATE UNIQUE INDEX settings_lower_new ON settings (lower(name));
DROP INDEX settings_lower_idx;
-- the new one is the arbiter now
DROP INDEX settings_lower_new;
:refusal
BEGIN;
DROP INDEX settings_lower_new;
CREATE INDEX settings_lower_idx ON settings (lower(name));
COMMIT;
BEGIN;
DROP INDEX settings_lower_new;
CREATE UNIQUE INDEX settings_lower_idx ON settings (lower(name));
COMMIT;
ALTER TABLE settings DROP CONSTRAINT settings_pkey, ADD PRIMARY KEY (name);
ALTER TABLE settings DROP CONSTRAINT settings_kind_key, ADD CONSTRAINT settings_kind_key UNIQUE (kind);
:indexes

-- where no index is named, each may have made it leave out a row
CREATE TABLE log (id int PRIMARY KEY, line text UNIQUE);
CALL use('INSERT INTO log SELECT i, i FROM generate_series(1, 5000) i ON CONFLICT DO NOTHING');
SELECT * FROM verdict('log');
ALTER TABLE log DROP CONSTRAINT log_line_key;
-- a plain INSERT relies on none; a unique index that only refuses duplicates may go by its name
CREATE TABLE plain (id int PRIMARY KEY, line text UNIQUE);
CALL use('INSERT INTO plain SELECT i, i FROM generate_series(1, 5000) i');
SELECT * FROM verdict('plain');
ALTER TABLE plain DROP CONSTRAINT plain_line_key;
-- the same for an exclusion constraint, which has to search to refuse
CREATE TABLE bookings (during int4range, CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&));
CALL use('INSERT INTO bookings SELECT int4range(2 * i, 2 * i + 1) FROM generate_series(1, 5000) i');
SELECT * FROM verdict('bookings');
ALTER TABLE bookings DROP CONSTRAINT no_overlap;
-- a migration that names the index it has just created can be taken back
CALL use('CREATE TABLE roles (name text UNIQUE); INSERT INTO roles VALUES (''reader'') ON CONFLICT (name) DO NOTHING');
SELECT * FROM verdict('roles');
CALL use('INSERT INTO roles VALUES (''writer'') ON CONFLICT (name) DO NOTHING', 'web');
SELECT * FROM verdict('roles');
CALL use('ALTER TABLE roles ADD kind text, ADD CONSTRAINT roles_kind UNIQUE (name, kind); INSERT INTO roles VALUES (''third'', ''x'') ON CONFLICT (name, kind) DO NOTHING');
ALTER TABLE roles DROP CONSTRAINT roles_kind;
-- partitions: the arbiter is that of the whole table
CREATE TABLE events (at int, who int, pad text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE UNIQUE INDEX events_at_idx ON events (at);
CALL use('INSERT INTO events VALUES (1, 1) ON CONFLICT (at) DO NOTHING');
SELECT * FROM verdict('events');
DROP INDEX events_at_idx;
:indexes
