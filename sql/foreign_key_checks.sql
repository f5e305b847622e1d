-- A foreign key's checks are use of an index for as long as there is the key:
-- not when it goes in the same statement or transaction, or went before.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
ALTER DATABASE guard_regress SET guard.min_evidence_age = 0;
\c
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE TABLE legacy (id int PRIMARY KEY, user_id int, pad text, CONSTRAINT legacy_user FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE);
INSERT INTO users SELECT i FROM generate_series(1, 30000) i;
INSERT INTO legacy SELECT i, i + 1000 FROM generate_series(1, 20000) i;
CREATE INDEX legacy_user_idx ON legacy (user_id);
ANALYZE;
CALL use('DO ''BEGIN FOR i IN 1 .. 60 LOOP DELETE FROM users WHERE id = i; END LOOP; END''', 'app');

-- while there is the key
SELECT verdict, reason, substring(detail FROM '\d+ of \d+ uses[^.;,]*') FROM guard.check('legacy_user_idx');
SELECT fact ->> 'count', fact ->> 'foreign_keys' FROM guard.check('legacy_user_idx'), jsonb_array_elements(facts -> 'uses') fact WHERE fact ->> 'source' = 'capture' AND fact ->> 'seen' = 'used';
SELECT uses, foreign_keys FROM guard.index_statements('legacy_user_idx');
SELECT count(*) FILTER (WHERE foreign_keys IS NULL), count(foreign_keys) FROM guard.index_statements('users_pkey');
DROP INDEX legacy_user_idx;
BEGIN; DROP INDEX legacy_user_idx; COMMIT;
-- another key, or another column, does not end it
BEGIN; ALTER TABLE legacy DROP COLUMN pad; DROP INDEX legacy_user_idx; COMMIT;
:indexes

-- the key in the same transaction, first or afterwards, in the same statement, and by another name
BEGIN; ALTER TABLE legacy DROP CONSTRAINT legacy_user; DROP INDEX legacy_user_idx; ROLLBACK;
BEGIN; DROP INDEX legacy_user_idx; ALTER TABLE legacy DROP CONSTRAINT legacy_user; COMMIT;
:indexes
CREATE INDEX legacy_user_idx ON legacy (user_id);
ALTER TABLE legacy ADD CONSTRAINT legacy_user FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
CALL use('DELETE FROM users WHERE id = 61', 'app');
SELECT * FROM verdict('legacy_user_idx');
-- "drop first" of a large table must not wait for what ends at once
SET guard.rebuild_limit = '1kB';
BEGIN; DROP INDEX legacy_user_idx; ALTER TABLE legacy DROP CONSTRAINT legacy_user; ROLLBACK;
RESET guard.rebuild_limit;
BEGIN; ALTER TABLE legacy DROP COLUMN user_id; ROLLBACK;
BEGIN; DROP TABLE legacy; ROLLBACK;
BEGIN; DROP TABLE users CASCADE; DROP INDEX legacy_user_idx; ROLLBACK;
-- a key that comes back in the same transaction checks as before, whatever it is called: on the same column, another of its name, another table
BEGIN; ALTER TABLE legacy DROP CONSTRAINT legacy_user; DROP INDEX legacy_user_idx; ALTER TABLE legacy ADD CONSTRAINT legacy_user_2 FOREIGN KEY (user_id) REFERENCES users; COMMIT;
:refusal
BEGIN; ALTER TABLE legacy DROP COLUMN user_id; ALTER TABLE legacy ADD COLUMN user_id int REFERENCES users; COMMIT;
BEGIN; CREATE TABLE legacy_2 (LIKE legacy); ALTER TABLE legacy_2 ADD FOREIGN KEY (user_id) REFERENCES users; DROP TABLE legacy; ALTER TABLE legacy_2 RENAME TO legacy; COMMIT;
-- but not where it is undone, where another index serves it, or where it is of other columns
BEGIN; ALTER TABLE legacy DROP CONSTRAINT legacy_user; SAVEPOINT s; DROP INDEX legacy_user_idx; ROLLBACK TO s; ALTER TABLE legacy ADD CONSTRAINT legacy_user FOREIGN KEY (user_id) REFERENCES users; COMMIT;
BEGIN; ALTER TABLE legacy DROP CONSTRAINT legacy_user; DROP INDEX legacy_user_idx; ALTER TABLE legacy ADD FOREIGN KEY (id) REFERENCES users NOT VALID; COMMIT;
ALTER TABLE legacy DROP CONSTRAINT legacy_id_fkey;
CREATE INDEX legacy_user_idx ON legacy (user_id);
ALTER TABLE legacy ADD CONSTRAINT legacy_user FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
CALL use('DELETE FROM users WHERE id = 61', 'app');
BEGIN; ALTER TABLE legacy DROP CONSTRAINT legacy_user; DROP INDEX legacy_user_idx; CREATE INDEX legacy_user_idx ON legacy (user_id, id); ALTER TABLE legacy ADD CONSTRAINT legacy_user FOREIGN KEY (user_id) REFERENCES users; COMMIT;
:indexes
-- a statement for itself: what takes the column takes its key and its index
CREATE TABLE votes (id int, user_id int REFERENCES users ON DELETE CASCADE);
INSERT INTO votes SELECT i, i + 1000 FROM generate_series(1, 20000) i;
CREATE INDEX votes_user_idx ON votes (user_id);
ANALYZE votes;
CALL use('DELETE FROM users WHERE id = 62', 'app');
DROP INDEX votes_user_idx;
ALTER TABLE votes DROP COLUMN user_id;
DROP TABLE votes;
-- went before; the key of the other side, too
ALTER TABLE legacy DROP CONSTRAINT legacy_user;
SELECT * FROM verdict('legacy_user_idx');
DROP INDEX legacy_user_idx;
:indexes

-- the referenced key, by which rows of the child are checked when they come
CREATE TABLE countries (code int CONSTRAINT countries_pkey PRIMARY KEY, name text);
CREATE TABLE cities (id int, code int CONSTRAINT cities_code REFERENCES countries);
INSERT INTO countries SELECT i, 'c' || i FROM generate_series(1, 20000) i;
ANALYZE countries;
CALL use('INSERT INTO cities SELECT i, i FROM generate_series(1, 60) i', 'app');
SELECT * FROM verdict('countries');
ALTER TABLE countries DROP CONSTRAINT countries_pkey;
BEGIN; ALTER TABLE countries DROP CONSTRAINT countries_pkey CASCADE; ROLLBACK;
BEGIN; DROP TABLE cities; ALTER TABLE countries DROP CONSTRAINT countries_pkey; ROLLBACK;
BEGIN; DROP TABLE countries, cities; ROLLBACK;
DROP TABLE cities;
SELECT * FROM verdict('countries');

-- two keys that share a column, and an index that serves both: each by itself
CREATE TABLE tenants (tenant int PRIMARY KEY);
CREATE TABLE accounts (tenant int, account int, PRIMARY KEY (tenant, account));
CREATE TABLE items (tenant int CONSTRAINT items_tenant REFERENCES tenants, account int,
					CONSTRAINT items_account FOREIGN KEY (tenant, account) REFERENCES accounts);
INSERT INTO tenants SELECT generate_series(1, 300);
INSERT INTO accounts SELECT i % 200, i FROM generate_series(1, 20000) i WHERE i % 200 > 0;
INSERT INTO items SELECT i % 200, i FROM generate_series(1000, 19000) i WHERE i % 200 > 0;
CREATE INDEX items_both ON items (tenant, account);
ANALYZE tenants, accounts, items;
CALL use('DELETE FROM accounts WHERE account < 61', 'app');
SELECT verdict, reason, fact ->> 'foreign_keys' FROM guard.check('items_both'), jsonb_array_elements(facts -> 'uses') fact WHERE fact ->> 'seen' = 'used' AND fact ->> 'source' = 'capture';
BEGIN; ALTER TABLE items DROP CONSTRAINT items_tenant; DROP INDEX items_both; ROLLBACK;
BEGIN; ALTER TABLE items DROP CONSTRAINT items_account; DROP INDEX items_both; ROLLBACK;
CALL use('DELETE FROM tenants WHERE tenant = 250', 'app');
BEGIN; ALTER TABLE items DROP CONSTRAINT items_account; DROP INDEX items_both; ROLLBACK;

-- what a trigger runs inside of a check is a use like any other, and so is what others do by the same index
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int, parent int CONSTRAINT children_parent REFERENCES parents ON DELETE CASCADE);
CREATE TABLE notes (id int, child int);
INSERT INTO parents SELECT generate_series(1, 20000);
INSERT INTO children SELECT i, i FROM generate_series(1, 20000) i;
INSERT INTO notes SELECT i, i FROM generate_series(1, 20000) i;
CREATE INDEX children_parent_idx ON children (parent);
CREATE INDEX notes_child_idx ON notes (child);
ANALYZE parents, children, notes;
CREATE FUNCTION forget_notes() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM notes WHERE child = OLD.id; RETURN OLD; END$$;
CREATE TRIGGER forget BEFORE DELETE ON children FOR EACH ROW EXECUTE FUNCTION forget_notes();
CALL use('DELETE FROM parents WHERE id < 31', 'app');
-- an error inside of a check is none that is still going on; the three that it cuts off have read the index as well
CALL use('DO ''BEGIN FOR i IN 1 .. 3 LOOP BEGIN ALTER TABLE notes RENAME TO other; DELETE FROM parents WHERE id = 100; EXCEPTION WHEN others THEN NULL; END; END LOOP; END''', 'app');
CALL use('DELETE FROM parents WHERE id = 101', 'app');
SELECT c.index, fact ->> 'count', fact ->> 'foreign_keys'
  FROM (SELECT * FROM guard.check('children') UNION ALL SELECT * FROM guard.check('notes')) c, jsonb_array_elements(facts -> 'uses') fact
 WHERE fact ->> 'seen' = 'used' AND fact ->> 'source' = 'capture' ORDER BY c.index::text;
ALTER TABLE children DROP CONSTRAINT children_parent;
DROP INDEX notes_child_idx;
DROP INDEX children_parent_idx;
CREATE INDEX children_parent_idx ON children (parent);
CALL use('SELECT id FROM children WHERE parent = 17', 'app');
DROP INDEX children_parent_idx;

-- as a snapshot wrote it down
CREATE TABLE boxes (id int PRIMARY KEY);
CREATE TABLE lids (id int, box int CONSTRAINT lids_box REFERENCES boxes);
INSERT INTO boxes SELECT generate_series(1, 20000);
INSERT INTO lids SELECT i, i FROM generate_series(1000, 19000) i;
CREATE INDEX lids_box_idx ON lids (box);
ANALYZE boxes, lids;
CALL use('DELETE FROM boxes WHERE id < 31', 'app');
SELECT guard.snapshot();
SELECT relation_name, segment_uses FROM guard.known_use WHERE foreign_key <> 0 AND relation_name = 'lids_box_idx';

-- a key that goes and comes back on the column, or the table, that takes the name checks there
CREATE TABLE makers (id int PRIMARY KEY);
CREATE TABLE wheels (id int PRIMARY KEY, maker int CONSTRAINT wheels_maker REFERENCES makers ON DELETE CASCADE, maker_new bigint);
INSERT INTO makers SELECT generate_series(1, 20000);
INSERT INTO wheels SELECT i, i, i FROM generate_series(1, 20000) i;
CREATE INDEX wheels_maker_idx ON wheels (maker);
ANALYZE makers, wheels;
CALL use('DELETE FROM makers WHERE id < 31', 'app');
\set swap 'ALTER TABLE wheels DROP CONSTRAINT wheels_maker; ALTER TABLE wheels RENAME maker TO maker_old; ALTER TABLE wheels RENAME maker_new TO maker; ALTER TABLE wheels ADD CONSTRAINT wheels_maker FOREIGN KEY (maker) REFERENCES makers ON DELETE CASCADE NOT VALID;'
BEGIN; :swap COMMIT;
:refusal
CREATE INDEX wheels_new_idx ON wheels (maker_new);
BEGIN; :swap COMMIT;
DROP INDEX wheels_maker_idx;
SELECT verdict, reason FROM guard.check('wheels_new_idx');
SELECT count(guard.snapshot()) FROM generate_series(1, 2);
DROP INDEX wheels_new_idx;
:refusal
-- and no more when it is gone
ALTER TABLE wheels DROP CONSTRAINT wheels_maker;
DROP INDEX wheels_new_idx;
-- a key follows its column, whatever takes the name of that
CREATE TABLE spokes (id int PRIMARY KEY, maker int CONSTRAINT spokes_maker REFERENCES makers ON DELETE CASCADE);
INSERT INTO spokes SELECT i, i FROM generate_series(1000, 20000) i;
CREATE INDEX spokes_maker_idx ON spokes (maker);
ANALYZE spokes;
CALL use('DELETE FROM makers WHERE id BETWEEN 900 AND 930', 'app');
\set follow 'DROP INDEX spokes_maker_idx; ALTER TABLE spokes RENAME maker TO maker_old; ALTER TABLE spokes ADD maker bigint;'
BEGIN; :follow CREATE INDEX spokes_new_idx ON spokes (maker); COMMIT;
:refusal
BEGIN; :follow CREATE INDEX spokes_new_idx ON spokes (maker_old); COMMIT;
SELECT verdict, reason FROM guard.check('spokes_new_idx');
SET guard.mode = off;
DROP TABLE spokes;
RESET guard.mode;
-- the same of a table
CREATE TABLE tyres (id int PRIMARY KEY, maker int CONSTRAINT tyres_maker REFERENCES makers ON DELETE CASCADE);
INSERT INTO tyres SELECT i, i FROM generate_series(1000, 20000) i;
CREATE INDEX tyres_maker_idx ON tyres (maker);
ANALYZE tyres;
CALL use('DELETE FROM makers WHERE id BETWEEN 100 AND 130', 'app');
BEGIN;
CREATE TABLE tyres_2 (LIKE tyres INCLUDING INDEXES, CONSTRAINT tyres_2_maker FOREIGN KEY (maker) REFERENCES makers ON DELETE CASCADE);
ALTER TABLE tyres RENAME TO tyres_old;
ALTER TABLE tyres_2 RENAME TO tyres;
COMMIT;
DROP TABLE tyres_old;
DROP INDEX tyres_2_maker_idx;
:refusal
ALTER TABLE tyres DROP CONSTRAINT tyres_2_maker;
DROP INDEX tyres_2_maker_idx;
