-- An index that is not valid serves nobody, and goes.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE UNIQUE INDEX CONCURRENTLY users_team_key ON users (team);
CALL use('SELECT count(*) FROM users WHERE team = 17');
:indexes
SELECT * FROM verdict('users');
SET guard.unknown_action = block;
BEGIN;
DROP INDEX users_team_key;
ROLLBACK;
DROP INDEX CONCURRENTLY users_team_key;
SELECT index_name, verdict, reason FROM guard.last_drops() WHERE event <> 'refused';

-- what a REINDEX CONCURRENTLY left behind
CREATE UNIQUE INDEX users_id_idx ON users (id);
CALL use('SELECT count(*) FROM users WHERE id = 17');
SELECT dblink_connect('reader', connection('reader'));
SELECT dblink_exec('reader', 'BEGIN');
SELECT dblink_exec('reader', 'LOCK TABLE users IN ACCESS SHARE MODE');
SET lock_timeout = '10ms';
REINDEX INDEX CONCURRENTLY users_id_idx;
RESET lock_timeout;
SELECT dblink_disconnect('reader');
:indexes
SELECT * FROM verdict('users_id_idx_ccold');
DROP INDEX users_id_idx_ccold;

-- a partitioned index of which no part is built
CREATE TABLE events (at int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE INDEX events_at_idx ON ONLY events (at);
SELECT * FROM verdict('events');
DROP INDEX events_at_idx;
:indexes
