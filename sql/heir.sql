-- What serves in place of a dropped index is heir to its traffic, so that
-- dropping twin after twin ends in a refusal, however it is done.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, i % 7 AS kind, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX id_1 ON users (id);
CREATE INDEX team_1 ON users (team);
CALL use('SELECT count(*) FROM users WHERE id = 17');
CALL use('SELECT count(*) FROM users WHERE team = 17', 'push');
CREATE INDEX id_2 ON users (id);
CREATE INDEX id_3 ON users (id);
CREATE INDEX team_2 ON users (team, kind);
SELECT * FROM verdict('users');

-- in one statement, in one transaction, in one message
DROP INDEX id_1, id_2, id_3;
:refusal
BEGIN;
DROP INDEX id_1;
DROP INDEX id_2;
DROP INDEX id_3;
COMMIT;
:refusal
DROP INDEX id_1, id_2\; DROP INDEX id_3;
BEGIN;
DROP INDEX team_1;
DROP INDEX team_2;
COMMIT;
:indexes

-- one after the other
DROP INDEX id_1;
DROP INDEX CONCURRENTLY id_2;
DROP INDEX id_3;
:refusal
DROP INDEX CONCURRENTLY id_3;
DROP INDEX team_1;
DROP INDEX CONCURRENTLY team_2;
:refusal
ALTER TABLE users DROP COLUMN kind;
:refusal
:indexes

-- the estate includes what the dropped one had itself inherited, and who used it
SELECT index_name, services FROM guard.index_facts ORDER BY 1;

-- build new, drop old, rename: as often as one likes
CREATE INDEX CONCURRENTLY id_new ON users (id);
DROP INDEX CONCURRENTLY id_3;
ALTER INDEX id_new RENAME TO id_3;
CREATE INDEX CONCURRENTLY id_new ON users (id);
DROP INDEX CONCURRENTLY id_3;
ALTER INDEX id_new RENAME TO id_3;
BEGIN;
CREATE INDEX id_new ON users (id);
DROP INDEX id_3;
ALTER INDEX id_new RENAME TO id_3;
COMMIT;
SELECT * FROM verdict('users');

-- a drop that is rolled back leaves nothing to inherit
CREATE INDEX kind_1 ON users (kind);
CREATE INDEX pad_1 ON users (pad);
CALL use('SELECT count(*) FROM users WHERE kind = 3');
CREATE INDEX kind_2 ON users (kind);
BEGIN;
DROP INDEX kind_1;
ROLLBACK;
DROP INDEX kind_2;
:indexes

-- idle twins leave nothing to inherit either: both may go
CREATE INDEX pad_2 ON users (pad);
DROP INDEX pad_1;
DROP INDEX pad_2;
CREATE INDEX pad_1 ON users (pad);
CREATE INDEX pad_2 ON users (pad);
DROP INDEX pad_1, pad_2;
CREATE INDEX pad_1 ON users (pad);
CREATE INDEX pad_2 ON users (pad);
BEGIN;
DROP INDEX pad_1;
DROP INDEX pad_2;
COMMIT;
:indexes
