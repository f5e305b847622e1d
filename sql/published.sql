-- A publication FOR ALL TABLES holds guard's own tables, too: what guard writes
-- there must not be refused for want of a replica identity.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE EXTENSION guard;
CREATE PUBLICATION everything FOR ALL TABLES;

SELECT guard.protect('users_email_idx', 'month-end report');
SELECT guard.protect('users_email_idx', 'year-end report');
DROP INDEX users_email_idx;
ALTER TABLE users RENAME TO people;
ALTER INDEX users_email_idx RENAME TO people_email_idx;
DROP INDEX people_email_idx;
SELECT guard.unprotect('people_email_idx');
-- the books of a drop: its row, and nothing left of the index
CREATE INDEX people_id_idx ON people (id);
SELECT count(*) FROM guard.object WHERE index_name = 'people_id_idx' AND gone_at IS NULL;
DROP INDEX people_id_idx;
SELECT coalesce(index_name, object), verdict FROM guard.audit_log WHERE verdict <> 'block' ORDER BY id;
SELECT count(*) FROM guard.object WHERE index_name = 'people_id_idx' AND gone_at IS NULL;
DROP TABLE people;
SELECT count(*) FROM guard.moved_table;
-- every table of guard's that rows go from
SELECT relname FROM pg_class
 WHERE relnamespace = 'guard'::regnamespace AND relkind = 'r' AND relreplident <> 'f'
   AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary);
