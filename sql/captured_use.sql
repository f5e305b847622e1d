-- What counts as a use: whatever really read the index, by whatever kind of
-- statement; and what does not.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, team int, kind int, tags int[], area int4range, code int);
INSERT INTO users SELECT i, 'user' || i, i % 100, i % 7, ARRAY[i], int4range(i, i + 1), i FROM generate_series(1, 5000) i;
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_lower_idx ON users (lower(email));
CREATE INDEX users_kind_idx ON users (kind) WHERE kind > 3;
CREATE INDEX users_tags_idx ON users USING gin (tags);
CREATE INDEX users_area_idx ON users USING gist (area);
CREATE INDEX users_hash_idx ON users USING hash (code);
CREATE TABLE devices (id int PRIMARY KEY, user_id int, pad text);
INSERT INTO devices SELECT i, i, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE INDEX devices_user_id_idx ON devices (user_id);
CREATE FUNCTION f(int) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM users WHERE id = $1); END';
CREATE FUNCTION g(int) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM users WHERE team = $1 GROUP BY ()';
CREATE FUNCTION on_device() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM FROM users WHERE id = NEW.user_id; RETURN NEW; END';
CREATE TRIGGER on_device BEFORE UPDATE ON devices FOR EACH ROW EXECUTE FUNCTION on_device();
CREATE MATERIALIZED VIEW team_17 AS SELECT * FROM users WHERE team = 17;
ANALYZE;

CREATE FUNCTION counts() RETURNS TABLE (name text, uses bigint) LANGUAGE sql AS $$
	SELECT c.index::text, COALESCE(sum((fact ->> 'count')::bigint) FILTER (WHERE fact ->> 'source' = 'capture'), 0)
	  FROM (SELECT * FROM guard.check('users') UNION ALL SELECT * FROM guard.check('devices')) AS c, jsonb_array_elements(c.facts -> 'uses') AS fact
	 GROUP BY 1
$$;
CREATE FUNCTION used_by(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before jsonb := (SELECT jsonb_object_agg(name, uses) FROM counts());
BEGIN
	CALL use(statement, 'app');
	RETURN (SELECT COALESCE(string_agg(name, ', ' ORDER BY name COLLATE "C"), 'none') FROM counts() WHERE uses > (before ->> name)::bigint);
END
$$;

-- kinds of scans
SELECT used_by('SELECT email FROM users WHERE id = 17');
SELECT used_by('SELECT id FROM users WHERE id = 17');
SELECT used_by('SET enable_indexscan = off; SET enable_indexonlyscan = off; SELECT count(kind) FROM users WHERE id = 17');
SELECT used_by('SET enable_indexscan = off; SELECT count(code) FROM users WHERE id BETWEEN 100 AND 200 AND team = 17');
SELECT used_by('SELECT max(team) FROM users');
SELECT used_by('SELECT team FROM users ORDER BY team LIMIT 1');
SELECT used_by('SELECT count(*) FROM users WHERE lower(email) = ''user17''');
SELECT used_by('SELECT count(*) FROM users WHERE kind = 5');
SELECT used_by('SELECT count(*) FROM users WHERE tags @> ''{17}''');
SELECT used_by('SELECT count(*) FROM users WHERE area @> 17');
SELECT used_by('SELECT count(*) FROM users WHERE code = 17');
-- joins and subqueries
SELECT used_by('SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT count(u.kind) FROM devices d JOIN users u ON u.id = d.user_id WHERE d.id = 3');
SELECT used_by('SELECT (SELECT kind FROM users WHERE email = ''user17'')');
SELECT used_by('WITH c AS MATERIALIZED (SELECT kind FROM users WHERE email = ''user17'') SELECT count(*) FROM c');
SELECT used_by('SELECT count(*) FROM (SELECT kind FROM users WHERE id = 1 UNION ALL SELECT kind FROM users WHERE email = ''user1'') AS u');
-- changes
SELECT used_by('UPDATE users SET kind = 1 WHERE id = 17');
SELECT used_by('DELETE FROM users WHERE email = ''user4000''');
SELECT used_by('MERGE INTO users u USING (VALUES (18)) AS v (id) ON u.id = v.id WHEN MATCHED THEN UPDATE SET kind = 1');
SELECT used_by('INSERT INTO users (id, email) VALUES (1, ''user1'') ON CONFLICT (email) DO NOTHING');
SELECT used_by('INSERT INTO devices SELECT id + 9000, id FROM users WHERE id = 9');
-- inside functions, triggers, DO
SELECT used_by('SELECT f(17)');
SELECT used_by('SELECT g(17)');
SELECT used_by('DO ''BEGIN PERFORM f(17); END''');
SELECT used_by('UPDATE devices SET pad = '''' WHERE id = 3');
-- prepared, by cursor, into a table, a file, a view
SELECT used_by('SET plan_cache_mode = force_generic_plan; PREPARE p(int) AS SELECT email FROM users WHERE id = $1; EXECUTE p(17)');
SELECT used_by('BEGIN; DECLARE c CURSOR FOR SELECT email FROM users WHERE id = 17; FETCH c; COMMIT');
SELECT used_by('CREATE TABLE copy AS SELECT * FROM users WHERE id = 17');
SELECT used_by('COPY (SELECT * FROM users WHERE id = 17) TO ''/dev/null''');
SELECT used_by('REFRESH MATERIALIZED VIEW team_17');
-- rolled back is used all the same
SELECT used_by('BEGIN; SELECT count(*) FROM users WHERE id = 17; ROLLBACK');

-- no use: what was never executed
SELECT used_by('BEGIN; DECLARE c CURSOR FOR SELECT email FROM users WHERE id = 17; COMMIT');
SELECT used_by('SELECT email FROM users WHERE id = 17 LIMIT 0');
SELECT used_by('SELECT count(*) FROM users WHERE id = 17 AND current_setting(''guard.mode'') = ''off''');
SELECT used_by('SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT count(u.kind) FROM devices d JOIN users u ON u.id = d.user_id WHERE d.id = -1');
SELECT used_by('PREPARE p(int) AS SELECT email FROM users WHERE id = $1; DEALLOCATE p');
SELECT used_by('EXPLAIN (COSTS off) SELECT email FROM users WHERE id = 17');
-- what only keeps the index up
SELECT used_by('INSERT INTO users (id, email) VALUES (7000, ''user7000'')');
SELECT used_by('SET enable_seqscan = on; SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off; UPDATE users SET kind = 1 WHERE id = 17');
SELECT used_by('VACUUM users');
SELECT used_by('ANALYZE users');

-- a foreign key: looked up at each INSERT here, and at each DELETE there
CREATE TABLE parents (id int PRIMARY KEY, pad text);
CREATE TABLE children (id int PRIMARY KEY, parent_id int REFERENCES parents ON DELETE CASCADE, pad text);
CREATE INDEX children_parent_id_idx ON children (parent_id);
INSERT INTO parents SELECT i, repeat('x', 50) FROM generate_series(1, 5000) i;
INSERT INTO children SELECT i, i, repeat('x', 50) FROM generate_series(1, 5000) i;
SELECT * FROM verdict('parents');
SELECT * FROM verdict('children');
CALL use('INSERT INTO children SELECT i, i - 5000 FROM generate_series(5001, 5100) i');
SELECT * FROM verdict('parents');
SELECT * FROM verdict('children');
CALL use('SET enable_seqscan = on; SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off; DELETE FROM parents WHERE id = 5');
SELECT * FROM verdict('children');
CALL use('DELETE FROM parents WHERE id = 6');
SELECT * FROM verdict('children');

-- partitions: those that were reached, not those that were pruned, at planning or at execution
CREATE TABLE events (at int, who int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (5000);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (5000) TO (10000);
INSERT INTO events SELECT i, i FROM generate_series(0, 9999) i;
CREATE INDEX events_1_at_idx ON events_1 (at);
CREATE INDEX events_2_at_idx ON events_2 (at);
CALL use('SELECT count(*) FROM events WHERE at = 17');
SELECT * FROM verdict('events_1');
SELECT * FROM verdict('events_2');
CALL use('SET plan_cache_mode = force_generic_plan; PREPARE p(int) AS SELECT count(*) FROM events WHERE at = $1; EXECUTE p(18)');
SELECT * FROM verdict('events_2');
CALL use('SET plan_cache_mode = force_generic_plan; PREPARE p(int) AS SELECT count(*) FROM events WHERE at = $1; EXECUTE p(7018)');
SELECT * FROM verdict('events_2');
