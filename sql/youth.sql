-- A history of migrations that runs on an empty database in one go: what those
-- who make a table do with it is its installation, not traffic.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
\c
SET application_name = 'migrate';
CREATE TABLE settings (id int PRIMARY KEY, key text, scope int NOT NULL DEFAULT 0, pad text, CONSTRAINT settings_key UNIQUE (key));
INSERT INTO settings SELECT i, 'k' || i, i, repeat('x', 100) FROM generate_series(1, 5000) i;
CREATE INDEX settings_scope_idx ON settings (scope);
ANALYZE settings;
-- the first migration inserts, and looks up what it inserted; each is a session of its own
CREATE FUNCTION tools.migrate(statement text) RETURNS void LANGUAGE plpgsql AS $$BEGIN CALL tools.use(statement, 'migrate'); END$$;
CALL use('INSERT INTO settings (id, key) VALUES (7, ''k7'') ON CONFLICT (key) DO UPDATE SET pad = ''y''', 'migrate');
CALL use('DO ''BEGIN FOR i IN 1 .. 100 LOOP PERFORM id FROM settings WHERE scope = i; END LOOP; END''', 'migrate');
SELECT c.index, verdict, reason FROM guard.check('settings') c ORDER BY 1::text;
-- a later one replaces the constraint, and needs no index any more
BEGIN; ALTER TABLE settings DROP CONSTRAINT settings_key; ALTER TABLE settings ADD CONSTRAINT settings_key_scope UNIQUE (key, scope); COMMIT;
DROP INDEX settings_scope_idx;
BEGIN; DROP TABLE settings; ROLLBACK;
-- what it replaced does not make the new one hot
SELECT c.index, verdict, reason FROM guard.check('settings') c ORDER BY 1::text;
:indexes

-- not: others, be it one of them; the same service under another role; who comes again and again
CREATE INDEX settings_scope_idx ON settings (scope);
CALL use('SELECT id FROM settings WHERE scope = 17', 'migrate', 19);
SELECT * FROM verdict('settings_scope_idx');
BEGIN;
CALL use('SELECT id FROM settings WHERE scope = 17', 'migrate', 1);
SELECT * FROM verdict('settings_scope_idx');
DROP INDEX settings_scope_idx;
ROLLBACK;
CREATE INDEX settings_pad_idx ON settings (pad);
CALL use('SELECT id FROM settings WHERE pad = ''z''', 'migrate');
SELECT * FROM verdict('settings_pad_idx');
CALL use('SELECT id FROM settings WHERE pad = ''z''', 'auth');
SELECT * FROM verdict('settings_pad_idx');
CREATE ROLE regress_guard_app LOGIN SUPERUSER;
CREATE INDEX settings_length_idx ON settings (length(pad));
CALL use('SET SESSION AUTHORIZATION regress_guard_app; SELECT id FROM settings WHERE length(pad) = 17', 'migrate');
SELECT * FROM verdict('settings_length_idx');

-- not: a large table; one whose name another one bore; one that is not new
CALL use('CREATE TABLE large AS SELECT i AS id, repeat(''x'', 100) AS pad FROM generate_series(1, 5000) i; CREATE INDEX large_id_idx ON large (id)', 'migrate');
CALL use('SELECT pad FROM large WHERE id = 17', 'migrate');
SELECT * FROM verdict('large_id_idx');
SET guard.rebuild_limit = '1kB';
SELECT * FROM verdict('large_id_idx');
RESET guard.rebuild_limit;
UPDATE guard.object SET created_at = created_at - interval '61 min' WHERE table_name = 'large';
SELECT * FROM verdict('large_id_idx');
UPDATE guard.object SET created_at = created_at + interval '61 min' WHERE table_name = 'large';
SELECT * FROM verdict('large_id_idx');
CALL use('CREATE TABLE larger AS TABLE large; CREATE INDEX larger_id_idx ON larger (id); ALTER TABLE large RENAME TO large_old; ALTER TABLE larger RENAME TO large', 'migrate');
CALL use('SELECT pad FROM large WHERE id = 17', 'migrate');
SELECT * FROM verdict('larger_id_idx');
CALL use('CREATE TABLE again AS TABLE large; DROP TABLE again; CREATE TABLE again AS TABLE large; CREATE INDEX again_id_idx ON again (id)', 'migrate');
CALL use('SELECT pad FROM again WHERE id = 17', 'migrate');
SELECT * FROM verdict('again_id_idx');
