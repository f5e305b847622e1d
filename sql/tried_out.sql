-- What a condition takes that an index saved from being computed is tried out on some rows, and only where nothing but
-- built-in code would run, in the session of who may read the table.  Otherwise there is no upper bound.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION guard;
CREATE EXTENSION fuzzystrmatch;
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
CREATE OR REPLACE FUNCTION tools.connection(service text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s application_name=''%s'' options=''-c client_min_messages=warning''',
				  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
				  current_database(), session_user, service)
$$;
CREATE TABLE people (id int, name text, share int, tags text[], pad text);
INSERT INTO people SELECT i, 'Name ' || i, i % 100, ARRAY['tag' || i % 2000], repeat('x', 50) FROM generate_series(1, 20000) i;
CREATE INDEX people_lower_idx ON people (lower(name));
CREATE INDEX people_tags_idx ON people USING gin (tags);
CREATE INDEX people_soundex_idx ON people (soundex(name));
CREATE INDEX people_share_idx ON people ((1000 / share)) WHERE share * share > 0;
CREATE INDEX people_upper_idx ON people (upper(name));
CREATE INDEX people_initcap_idx ON people (initcap(name));
VACUUM ANALYZE people;
CREATE FUNCTION bound(index regclass) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN predicted_high IS NULL THEN 'no prediction' WHEN predicted_high = 'Infinity' THEN 'open' ELSE 'bound' END
	  FROM guard.index_statements(index)
$$;
SELECT pg_stat_force_next_flush();
SELECT COALESCE(seq_scan, 0) AS scans FROM pg_stat_all_tables WHERE relname = 'people' \gset

-- lower() is PostgreSQL's, so is what arrays are compared with
CALL use('SELECT pad FROM people WHERE lower(name) = ''name 17''', 'auth', 2);
SELECT bound('people_lower_idx');
CALL use('SELECT count(*)::text FROM people WHERE tags @> ARRAY[''tag17'']', 'auth', 2);
SELECT bound('people_tags_idx');
-- soundex() is a library's
CALL use('SELECT pad FROM people WHERE soundex(name) = ''X999''', 'auth', 2);
SELECT bound('people_soundex_idx');
-- an error on the way is nobody's: the scan would divide by zero, the index does not
CALL use('SELECT count(*)::text FROM people WHERE 1000 / share > 900 AND share * share > 0', 'auth', 2);
SELECT bound('people_share_idx');
-- what is volatile is not called
CREATE SEQUENCE calls;
CALL use('SELECT pad FROM people WHERE nextval(''calls'') > 0 AND upper(name) = ''NOBODY''', 'auth', 2);
SELECT bound('people_upper_idx');
SELECT is_called FROM calls;

-- who may read some columns only, or some rows only, learns nothing by it
CREATE ROLE regress_guard_reader;
GRANT SELECT (id, name) ON people TO regress_guard_reader;
CALL use('SET ROLE regress_guard_reader; SELECT id::text FROM people WHERE initcap(name) = ''Name 17''', 'auth', 2);
SELECT bound('people_initcap_idx');
CREATE TABLE rows (id int, name text, pad text);
INSERT INTO rows SELECT i, 'Name ' || i, repeat('x', 50) FROM generate_series(1, 20000) i;
CREATE INDEX rows_id_idx ON rows ((id::bigint));
GRANT SELECT ON rows TO regress_guard_reader;
CREATE POLICY odd ON rows USING (id % 2 = 1);
ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
VACUUM ANALYZE rows;
CALL use('SET ROLE regress_guard_reader; SELECT name FROM rows WHERE id::bigint = 17', 'auth', 2);
SELECT bound('rows_id_idx');
ALTER TABLE rows DISABLE ROW LEVEL SECURITY;
CREATE INDEX rows_lower_idx ON rows (lower(name));
CALL use('SET ROLE regress_guard_reader; SELECT id::text FROM rows WHERE lower(name) = ''name 17''', 'auth', 2);
SELECT bound('rows_lower_idx');

-- and nobody has seen anything
SELECT seq_scan - :scans AS scans_of_ours FROM pg_stat_all_tables WHERE relname = 'people';

-- another index would be walked from end to end: more than its cost tells, which counts a page once
CREATE TABLE walks (id int, s text, a int, u int, pad text);
INSERT INTO walks SELECT g, CASE WHEN g % 25 = 0 THEN 'open' ELSE 'done' END, hashint4(g) & 1023, hashint4(-g) & 65535, repeat('x', 60) FROM generate_series(1, 60000) g;
CREATE INDEX walks_s_a ON walks (s, a);
CREATE INDEX walks_s_u ON walks (s, u);
VACUUM (FREEZE, ANALYZE) walks;
ALTER DATABASE guard_regress SET random_page_cost = 1.1;
CALL use('SELECT pad FROM walks ORDER BY s, a LIMIT 50', 'auth', 2);
SELECT other_index, predicted_time > 10 AS long FROM guard.index_statements('walks_s_a');

-- columns that go together: by the one alone a hundred times as many rows may be found as by what the planner takes for two
ALTER DATABASE guard_regress SET enable_seqscan = off;
CREATE TABLE places (id int, city int, postcode int, state int, pad text);
INSERT INTO places SELECT i, i % 100, i % 100, i % 100, repeat('x', 50) FROM generate_series(1, 50000) i;
CREATE INDEX places_three_idx ON places (city, postcode, state);
CREATE INDEX places_two_idx ON places (city, postcode);
VACUUM ANALYZE places;
CALL use('SELECT count(pad)::text FROM places WHERE city = 17 AND postcode = 17 AND state = 17', 'auth', 2);
SELECT other_index, predicted_high - mean_time > 20 * (predicted_time - mean_time) AS wide FROM guard.index_statements('places_three_idx');
