-- What plans say goes before what structure says: an index that has the right
-- columns is no replacement where statements were planned with it and cost more.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
-- a busy machine must not make a statement too slow to plan
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
-- the settings are the server's here, not the client's: only then do plans speak for a drop
CREATE OR REPLACE FUNCTION tools.connection(service text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s application_name=''%s'' options=''-c client_min_messages=warning''',
				  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
				  current_database(), session_user, service)
$$;
\c

-- one row of fifty is deleted, softly: without the partial index a scan has to read the table's rows
CREATE TABLE orders AS SELECT i AS id, i % 100 AS customer, CASE WHEN i % 50 = 0 THEN now() END AS deleted, repeat('x', 300) AS pad FROM generate_series(1, 30000) i;
CREATE INDEX orders_live ON orders (customer) WHERE deleted IS NULL;
CREATE INDEX orders_customer ON orders (customer);
CALL vacuum('orders');
CALL use('SELECT count(*) FROM orders WHERE customer = 7 AND deleted IS NULL', times => 3);
SELECT * FROM verdict('orders_live');
DROP INDEX orders_live;
:refusal
SELECT detail ~ 'Index public\.orders_customer has its columns, but without this one statements would cost up to [0-9.]+ times as much\.' FROM guard.check('orders_live');
-- nor does it make up for it at COMMIT
BEGIN;
DROP INDEX orders_live;
COMMIT;
-- an exact twin is the same, whatever was planned
CREATE INDEX orders_twin ON orders (customer) WHERE deleted IS NULL;
SELECT * FROM verdict('orders_live');
DROP INDEX orders_twin;
-- what is made in the same transaction was not there when they were planned
BEGIN;
DROP INDEX orders_live;
CREATE INDEX orders_live_id ON orders (customer, id) WHERE deleted IS NULL;
COMMIT;
:indexes

-- longer keys, wider rows: the same columns in front
CREATE TABLE parts AS SELECT i % 60 AS kind, repeat(i::text, 40) AS long, repeat('x', 300) AS pad FROM generate_series(1, 20000) i;
CREATE INDEX parts_kind ON parts (kind);
CREATE INDEX parts_kind_long ON parts (kind, long);
CALL vacuum('parts');
CALL use('SELECT count(*) FROM parts WHERE kind = 7', times => 3);
SELECT cost_without > 2 * cost FROM guard.what_if('parts_kind');
SELECT * FROM verdict('parts_kind');

-- a parameter that costs the same as others with the index, and much without, and comes when the statement has been planned already
CREATE TABLE carts AS SELECT i AS id, CASE WHEN i % 400 = 0 THEN 0 ELSE i END AS shop, CASE WHEN i * 7 % 50 = 3 THEN NULL ELSE now() END AS paid,
	repeat('x', 300) AS pad FROM generate_series(1, 30000) i;
CREATE INDEX carts_open ON carts (shop) WHERE paid IS NULL;
CREATE INDEX carts_shop ON carts (shop);
CALL vacuum('carts');
CALL use('SELECT count(*) FROM carts WHERE shop = 77 AND paid IS NULL', times => 6);
SELECT * FROM verdict('carts_open');
CALL use('SELECT count(*) FROM carts WHERE shop = 0 AND paid IS NULL', times => 30);
SELECT * FROM verdict('carts_open');

-- an index-only scan that becomes a look-up of one row: dearer, and nobody notices
CREATE TABLE users AS SELECT i AS id, i AS twin, repeat('x', 50) AS pad FROM generate_series(1, 20000) i;
CREATE UNIQUE INDEX users_id ON users (id);
CREATE UNIQUE INDEX users_id_twin ON users (id) INCLUDE (twin);
CALL vacuum('users');
CALL use('SELECT twin FROM users WHERE id = 7', times => 3);
SELECT cost_without < cost + 10, instead FROM guard.what_if('users_id_twin');
SELECT * FROM verdict('users_id_twin');
\set VERBOSITY terse
DROP INDEX users_id_twin;
\set VERBOSITY sqlstate

-- one tenant's plan does not speak for the others': LIMIT makes all cost the same with the index
CREATE TABLE events AS SELECT i AS id, CASE WHEN i % 80 = 0 THEN 1 ELSE 2 + i % 400 END AS tenant, i AS at, repeat('x', 60) AS pad FROM generate_series(1, 40000) i;
CREATE INDEX events_tenant_at ON events (tenant, at);
CREATE INDEX events_at ON events (at);
CALL vacuum('events');
CALL use('SELECT id FROM events WHERE tenant = 1 ORDER BY at DESC LIMIT 10', times => 3);
SELECT instead, cost_without < cost + 10 FROM guard.what_if('events_tenant_at');
SELECT * FROM verdict('events_tenant_at');
CALL use('SELECT id FROM events WHERE tenant = 17 ORDER BY at DESC LIMIT 10', times => 4);
SELECT * FROM verdict('events_tenant_at');

-- the first rows of an order, that an index alone has: without it each of them is fetched from a page of its own, and the planner
-- takes them for a share of a table whose pages are few
CREATE TABLE visits AS SELECT i AS id, (hashint4(i) & 2147483647) % 4000 AS page, i AS at, repeat('x', 100) AS pad FROM generate_series(1, 20000) i;
CREATE INDEX visits_page_at ON visits (page, at);
CREATE INDEX visits_page ON visits (page);
-- the same where rows that follow each other are on the same page
CREATE TABLE days AS SELECT i AS id, i / 5 AS page, i AS at, repeat('x', 100) AS pad FROM generate_series(1, 20000) i;
CREATE INDEX days_page_at ON days (page, at);
CREATE INDEX days_page ON days (page);
CALL vacuum('visits', 'days');
CALL use('SELECT count(*) FROM (SELECT page, at FROM visits ORDER BY page LIMIT 30) v', times => 3);
CALL use('SELECT page || '' '' || at FROM visits ORDER BY page LIMIT 30', times => 3);
CALL use('SELECT page || '' '' || at FROM days ORDER BY page LIMIT 30', times => 3);
SELECT bool_and(cost_without < cost + 10), max(instead::text) FROM guard.what_if('visits_page_at');
SELECT bool_and(cost_without < cost + 10), max(instead::text) FROM guard.what_if('days_page_at');
SELECT * FROM verdict('visits_page_at');
SELECT * FROM verdict('days_page_at');

-- one statement costs more by a share, and next to nothing, another one more than that, and by no share: neither suffers
CREATE TABLE mixed AS SELECT g AS id, hashint4(g) & 63 AS a, hashint4(-g) & 4095 AS b, CASE WHEN g = 77 THEN 'only' WHEN g % 5 = 1 THEN 'held' ELSE 'done' END AS s, repeat('x', 60) AS pad FROM generate_series(1, 10000) g;
CREATE INDEX mixed_s_b ON mixed (s, b);
CREATE INDEX mixed_s_a ON mixed (s, a);
CALL vacuum('mixed');
CALL use('SELECT count(*) FROM mixed WHERE s = ''only'' AND a = (SELECT hashint4(77) & 63)', times => 3);
CALL use('SELECT id FROM mixed WHERE s = ''held'' ORDER BY pad LIMIT 10', times => 3);
SELECT cost_without > 1.1 * cost, cost_without > cost + 10 FROM guard.what_if('mixed_s_a') ORDER BY cost;
SELECT * FROM verdict('mixed_s_a');
