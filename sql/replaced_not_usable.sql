-- An index that queries may not use yet replaces nothing: where rows were
-- updated in place, a new index serves only transactions that began after it.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CALL use('SELECT count(*) FROM users WHERE id = 17');
CREATE TABLE other (id int);

-- somebody's older transaction is still open
SELECT dblink_connect('older', connection('backup'));
SELECT dblink_exec('older', 'BEGIN');
SELECT dblink_exec('older', 'INSERT INTO other VALUES (1)');
DELETE FROM users WHERE id = 5000;
VACUUM users;
UPDATE users SET pad = 'y' WHERE id = 4999;
BEGIN;
DROP INDEX users_id_idx;
CREATE INDEX users_id_idx ON users (id);
SELECT indcheckxmin FROM pg_index WHERE indexrelid = 'users_id_idx'::regclass;
COMMIT;
:refusal

-- it has ended
SELECT dblink_exec('older', 'COMMIT');
SELECT dblink_disconnect('older');
BEGIN;
DROP INDEX users_id_idx;
CREATE INDEX users_id_idx ON users (id);
COMMIT;
SELECT * FROM verdict('users');
