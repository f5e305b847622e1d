-- What PostgreSQL rebuilds, and what is nobody's to keep, is never refused: not
-- even where the index is in use.  And what was known of it is known afterwards.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team) WHERE team > 3;
ALTER TABLE users ADD PRIMARY KEY (id);
CREATE TABLE source AS SELECT * FROM users;
CREATE MATERIALIZED VIEW active AS SELECT * FROM source;
CREATE UNIQUE INDEX active_id_idx ON active (id);
CALL use('SELECT count(*) FROM users WHERE id = 17');
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM users WHERE team = 17');
CALL use('SELECT count(*) FROM active WHERE id = 17');

-- rebuilt in place or under a new OID
REINDEX INDEX users_email_idx;
REINDEX TABLE users;
REINDEX INDEX CONCURRENTLY users_email_idx;
REINDEX TABLE CONCURRENTLY users;
SELECT * FROM verdict('users');
-- with the type of its column
ALTER TABLE users ALTER COLUMN team TYPE bigint;
ALTER TABLE users ALTER COLUMN email TYPE varchar(100);
ALTER TABLE users ALTER COLUMN id TYPE bigint, ALTER COLUMN email SET NOT NULL;
SELECT * FROM verdict('users');
-- with its table
CLUSTER users USING users_email_idx;
VACUUM FULL users;
ALTER TABLE users SET UNLOGGED;
ALTER TABLE users SET LOGGED;
ALTER TABLE users ADD COLUMN born timestamptz DEFAULT clock_timestamp();
REFRESH MATERIALIZED VIEW active;
REFRESH MATERIALIZED VIEW CONCURRENTLY active;
SELECT * FROM verdict('users');
SELECT * FROM verdict('active');
-- and after all that they are as hot as before
ALTER TABLE users RENAME COLUMN team TO squad;
ALTER INDEX users_team_idx SET (fillfactor = 70);
DROP INDEX users_team_idx;
DROP INDEX users_email_idx;
ALTER TABLE users DROP CONSTRAINT users_pkey;
DROP INDEX active_id_idx;
:indexes

-- temporary tables, in all their ways to go
CREATE TEMP TABLE scratch (id int PRIMARY KEY, team int);
CREATE INDEX scratch_team_idx ON scratch (team);
INSERT INTO scratch SELECT i, i FROM generate_series(1, 5000) i;
SELECT count(*) FROM scratch WHERE team = 17;
DROP INDEX scratch_team_idx;
DROP TABLE scratch;
BEGIN;
CREATE TEMP TABLE scratch (id int PRIMARY KEY) ON COMMIT DROP;
COMMIT;
CREATE TEMP TABLE scratch (id int PRIMARY KEY);
DISCARD TEMP;

-- guard's own tables, and guard itself
DROP INDEX guard.audit_log_id_idx;
DROP EXTENSION guard;
DROP INDEX users_email_idx;
:indexes
