-- Unknown is not unused: where too little is known, guard.unknown_action decides.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team, i % 7 AS kind FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
CREATE INDEX users_id_idx ON users (id);
CREATE UNIQUE INDEX users_key ON users (id, team);
-- guard comes later than they: it has not seen them all their life, and the server itself is young
CREATE EXTENSION guard;
SELECT * FROM verdict('users');
SELECT tools.mask(detail) FROM guard.check('users_email_idx');

-- auto: a small table's index can be had again soon, so it goes, with a WARNING; a large one's stays
SHOW guard.unknown_action;
DROP INDEX users_email_idx;
SELECT index_name, verdict, reason FROM guard.last_drops() WHERE event <> 'refused';
SET guard.rebuild_limit = 0;
DROP INDEX users_team_idx;
:refusal
-- and is not waited for in a transaction either
BEGIN;
DROP INDEX users_team_idx;
ROLLBACK;
RESET guard.rebuild_limit;

-- block, also in a transaction, which may still replace it
SET guard.unknown_action = block;
DROP INDEX users_team_idx;
DROP INDEX CONCURRENTLY users_team_idx;
DROP TABLE users;
BEGIN;
DROP INDEX users_team_idx;
COMMIT;
BEGIN;
DROP INDEX users_team_idx;
CREATE INDEX users_team_idx ON users (team);
COMMIT;
:indexes

-- allow
SET guard.unknown_action = allow;
SET guard.rebuild_limit = 0;
DROP INDEX users_kind_idx;
RESET guard.rebuild_limit;

-- enough time has passed: nothing seen is cold
SET guard.unknown_action = block;
SET guard.min_evidence_age = 0;
SELECT * FROM verdict('users');
RESET guard.min_evidence_age;
-- guard saw it being created: then any time is enough
CREATE INDEX users_email_idx ON users (email);
SELECT * FROM verdict('users_email_idx');
DROP INDEX users_email_idx;
-- used is used, however little is known otherwise
CALL use('SELECT count(*) FROM users WHERE id = 17 AND team = 17');
SELECT * FROM verdict('users');

-- without counters there is one source less
SET track_counts = off;
SET guard.min_evidence_age = 0;
CREATE INDEX users_email_idx ON users (email);
SELECT tools.mask(detail) FROM guard.check('users_email_idx');
