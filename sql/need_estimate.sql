-- The statistics of an index on an expression hold an estimate, be the index read
-- or not.  CREATE STATISTICS serves, once there are any.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
CREATE OR REPLACE FUNCTION tools.connection(service text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s application_name=''%s'' options=''-c client_min_messages=warning''',
				  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
				  current_database(), session_user, service)
$$;
\c
CREATE TABLE orders AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 20000) i;
CREATE INDEX orders_large ON orders ((id / 20000));
CALL vacuum('orders');
-- nearly all of the rows: the table is read from end to end, but what follows in the plan goes by how many these are
CALL use('SELECT count(*) FROM orders WHERE id / 20000 = 0', times => 3);
SELECT role, rows > 10000 AS many, rows_without < 500 AS few FROM guard.what_if('orders_large');
SELECT * FROM verdict('orders');
DROP INDEX orders_large;
:refusal
SELECT detail ~ 'they would be estimated otherwise without its statistics' FROM guard.check('orders_large');
-- of another expression
CREATE STATISTICS orders_third ON (id % 3) FROM orders;
ANALYZE orders;
SELECT * FROM verdict('orders');
-- there are none before ANALYZE
CREATE STATISTICS orders_large_stat ON (id / 20000) FROM orders;
SELECT * FROM verdict('orders');
DROP INDEX orders_large;
:refusal
ANALYZE orders;
SELECT * FROM verdict('orders');
DROP INDEX orders_large;
:indexes

-- two that hold the same: either may go, not both
CREATE TABLE bills AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 20000) i;
CREATE INDEX bills_large ON bills ((id / 20000));
CREATE INDEX bills_large_pad ON bills ((id / 20000), pad);
CALL vacuum('bills');
CALL use('SELECT count(*) FROM bills WHERE id / 20000 = 0', times => 3);
SELECT * FROM verdict('bills');
DROP INDEX bills_large, bills_large_pad;
:refusal
DROP INDEX bills_large_pad;
DROP INDEX bills_large;
:refusal
:indexes

-- An index without an expression holds none, however many rows another plan takes out of the table at a time: all that a bitmap finds,
-- before the rest of the condition; those of one value after the other.  Nor is one with an expression needed where it has an estimate for nothing.
CREATE TABLE visits AS SELECT i AS id, i % 1000 AS user_id, i % 5000 AS kind, repeat('x', 100) AS pad FROM generate_series(1, 20000) i ORDER BY md5(i::text);
CREATE INDEX visits_id ON visits (id);
CREATE INDEX visits_shifted ON visits ((id + 0));
CALL vacuum('visits');
CALL plainly('SELECT count(pad) FROM visits WHERE id > 12000 AND kind = 5');
SELECT role, seq_scan, cost_without < cost * 1.1 AS nearly_the_same FROM guard.what_if('visits_id');
CALL plainly('SELECT count(pad) FROM visits WHERE id + 0 > 12000 AND kind = 5');
SELECT role, seq_scan, cost_without < cost * 1.1 AS nearly_the_same FROM guard.what_if('visits_shifted');
CREATE TABLE calls AS TABLE visits;
CREATE INDEX calls_user ON calls (user_id, kind);
CREATE INDEX calls_open ON calls (id, user_id) WHERE kind < 100;
CALL vacuum('calls');
CALL plainly('SELECT x.id FROM calls x WHERE x.kind IN (4000, 4001) AND EXISTS (SELECT FROM calls y WHERE y.user_id = x.id AND y.kind < 100)');
SELECT role, seq_scan, cost_without < cost * 1.1 AS nearly_the_same FROM guard.what_if('calls_open');
