-- Rolling back a savepoint forgets what was dropped since; releasing it
-- forgets nothing.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CALL use('SELECT count(*) FROM users WHERE id = 17');
CALL use('SELECT count(*) FROM users WHERE team = 17');

-- rolled back: nothing dropped, nothing asked
BEGIN;
SAVEPOINT a;
DROP INDEX users_id_idx;
ROLLBACK TO a;
COMMIT;
:indexes

-- released: dropped
BEGIN;
SAVEPOINT a;
DROP INDEX users_id_idx;
RELEASE a;
COMMIT;
:refusal

-- inside each other
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
DROP INDEX users_id_idx;
RELEASE b;
ROLLBACK TO a;
COMMIT;
BEGIN;
SAVEPOINT a;
DROP INDEX users_id_idx;
SAVEPOINT b;
DROP INDEX users_team_idx;
ROLLBACK TO b;
COMMIT;
:refusal
:indexes

-- a replacement that is rolled back replaces nothing
BEGIN;
DROP INDEX users_id_idx;
SAVEPOINT a;
CREATE INDEX users_id_new ON users (id);
ROLLBACK TO a;
COMMIT;
:refusal
-- one that is not does, on whichever side of the savepoint
BEGIN;
SAVEPOINT a;
DROP INDEX users_id_idx;
RELEASE a;
CREATE INDEX users_id_new ON users (id);
COMMIT;
BEGIN;
DROP INDEX users_id_new;
SAVEPOINT a;
CREATE INDEX users_id_idx ON users (id);
COMMIT;
:indexes

-- an error in between is no way out
BEGIN;
DROP INDEX users_id_idx;
SAVEPOINT a;
SELECT 1 / 0;
ROLLBACK TO a;
COMMIT;
:refusal

-- a twin that was dropped, and is there again, counts again
CREATE INDEX users_id_twin ON users (id);
BEGIN;
SAVEPOINT a;
DROP INDEX users_id_twin;
ROLLBACK TO a;
DROP INDEX users_id_idx;
COMMIT;
:indexes
SELECT * FROM verdict('users');
