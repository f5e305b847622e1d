-- guard.status says what works and what is missing; guard.indexes is the list
-- one goes through on a Friday.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
SELECT item, CASE item
				WHEN 'pg_stat_statements' THEN split_part(state, ':', 1)
				WHEN 'worker' THEN '…' WHEN 'visits here' THEN '…' WHEN 'databases' THEN '…'	-- as it happens: test/t/021_visits.pl
				WHEN 'what-if time' THEN regexp_replace(regexp_replace(state, 'since .+? \(', 'since … ('), '\d+(\.\d+)?', '…', 'g')
				WHEN 'what-if statements and indexes' THEN regexp_replace(state, '\d+', '…', 'g')
				ELSE regexp_replace(regexp_replace(mask(state), '\(\d+ days\)', '(… days)'), '\d+ of \d+(, \d+)?', '… of …') END
  FROM guard.status();

-- pg_stat_statements may live in any schema
CREATE SCHEMA "Stats";
CREATE EXTENSION pg_stat_statements SCHEMA "Stats";
SELECT state FROM guard.status WHERE item = 'pg_stat_statements';
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_pad_idx ON users (pad);
ANALYZE users;
CALL use('SELECT count(*) FROM users WHERE id = 17', 'auth', 3);
CALL use('UPDATE users SET pad = ''secret'' WHERE id = 18', 'push');
SELECT query, uses, calls_per_second > 0 AS rate, mean_time >= 0 AS timed, services, last_use <= clock_timestamp() AS dated
  FROM guard.index_statements('users_id_idx');
SELECT count(*) FROM guard.index_statements('users_pad_idx');
-- without it: no text, no time, but the same uses
DROP EXTENSION pg_stat_statements;
SELECT query, uses, mean_time, services FROM guard.index_statements('users_id_idx');
-- and a schema full of namesakes is not taken for it
CREATE FUNCTION public.pg_stat_statements(showtext boolean) RETURNS TABLE (queryid bigint, query text) LANGUAGE sql AS 'SELECT 0::bigint, ''false''';
SELECT count(query) FROM guard.index_statements('users_id_idx');

-- the list: every index that one may ask about, a partitioned one once
SELECT guard.protect('users_team_idx', 'mine');
CREATE TABLE events (at int PRIMARY KEY) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
CREATE INDEX events_1_local_idx ON events_1 (at);
CREATE MATERIALIZED VIEW active AS SELECT * FROM users;
CREATE INDEX active_id_idx ON active (id);
CREATE TEMP TABLE scratch (id int PRIMARY KEY);
SELECT table_schema, table_name, index_name, verdict, reason, last_use IS NOT NULL AS used, size_bytes > 0 AS sized, services, protected
  FROM guard.index_facts ORDER BY table_name COLLATE "C", index_name COLLATE "C";
SELECT index_name, index = index_name::regclass, mask(detail) FROM guard.index_facts WHERE table_name = 'users' ORDER BY 1;
