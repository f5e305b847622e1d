-- The tables that bench/prediction.sh asks its questions of; nearly all of it fits into shared_buffers.
SELECT setseed(0.5);
CREATE EXTENSION pg_trgm;
CREATE TABLE account AS
SELECT i AS id, (i::bigint * 7919 % 500000)::int AS ref, i % 1000 AS kind, i * 31 % 700 AS shard, i % 5 AS status,
	md5(i::text) AS email, timestamptz '2026-01-01' + i * interval '1 second' AS at,
	ARRAY[i % 1000, i % 777, i % 313] AS tags, repeat('x', 60) AS pad
FROM generate_series(1, 500000) i;
CREATE TABLE customer AS SELECT i AS id, i % 50 AS region, repeat('y', 40) AS pad FROM generate_series(1, 20000) i;
CREATE TABLE sale AS
SELECT i AS id, 1 + i * 17 % 20000 AS customer, i % 100 AS amount, repeat('z', 50) AS pad FROM generate_series(1, 400000) i;
CREATE TABLE event AS
SELECT i AS id, i * 7 % 100000 AS k, repeat('e', 80) AS pad, timestamp '2026-01-01' + i * interval '1 second' AS at
FROM generate_series(1, 600000) i;
CREATE TABLE reading (id int, day int, meter int, pad text) PARTITION BY RANGE (day);
CREATE TABLE reading_1 PARTITION OF reading FOR VALUES FROM (0) TO (10);
CREATE TABLE reading_2 PARTITION OF reading FOR VALUES FROM (10) TO (20);
CREATE TABLE reading_3 PARTITION OF reading FOR VALUES FROM (20) TO (30);
INSERT INTO reading SELECT i, i % 30, (i * 13) % 90000, repeat('p', 60) FROM generate_series(1, 300000) i;
-- a city has its postcodes, and every state some cities
CREATE TABLE place AS
SELECT i AS id, h % 2000 AS postcode, h % 2000 / 10 AS city, h % 2000 / 100 AS state, point(h % 1000, h / 1000 % 1000) AS spot, repeat('p', 60) AS pad
FROM (SELECT i, (i::bigint * 48271 % 2147483647)::int AS h FROM generate_series(1, 300000) i) s;
-- most of it belongs to few tenants
CREATE TABLE task AS
SELECT i AS id, (200 * power(random(), 3))::int AS tenant, i * 7 % 365 AS day,
	CASE WHEN i % 25 = 0 THEN 'open' ELSE 'done' END AS state, hashint4(i) & 1023 AS prio, hashint4(-i) & 65535 AS worker,
	CASE WHEN i % 500 = 0 THEN i END AS parent, timestamptz '2026-01-01' + i * interval '1 minute' AS at, repeat('t', 60) AS pad
FROM generate_series(1, 200000) i;
CREATE TABLE document AS
SELECT i AS id, i AS ref, jsonb_build_object('ref', i, 'kind', i % 100, 'text', t) AS body
FROM generate_series(1, 6000) i, LATERAL (SELECT string_agg(md5((i * 300 + g)::text), ' ') AS t FROM generate_series(1, 150) g) s;
CREATE TABLE item AS
SELECT i AS id, jsonb_build_object('color', i % 50, 'size', i * 7 % 2000) AS attributes, int4range(i, i + 20) AS span
FROM generate_series(1, 100000) i;
CREATE TABLE note AS
SELECT i AS id, (SELECT string_agg('word' || (i::bigint * 7919 * g % 5000)::text, ' ') FROM generate_series(1, 25) g) AS body
FROM generate_series(1, 20000) i;
CREATE TABLE wide AS SELECT i AS id, i * 17 % 70000 AS ref, i % 350 AS kind, repeat(md5(i::text), 32) AS pad FROM generate_series(1, 70000) i;
ALTER TABLE customer ADD PRIMARY KEY (id);
CREATE TABLE visit (id int, customer int REFERENCES customer, seconds int, pad text);
INSERT INTO visit SELECT i, 1 + i * 17 % 10000, i % 100, repeat('v', 40) FROM generate_series(1, 300000) i;
CREATE INDEX account_shard ON account (shard);
CREATE INDEX place_city ON place (city);
CREATE INDEX task_day ON task (day);
CREATE INDEX task_tenant ON task (tenant);
CREATE INDEX task_state_worker ON task (state, worker);
CREATE INDEX task_at ON task (at);
CREATE INDEX event_k ON event (k);
CREATE FUNCTION seconds_of(of_customer int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE result bigint;
BEGIN
	SELECT sum(seconds) INTO result FROM visit WHERE customer = of_customer;
	RETURN result;
END$$;
CREATE FUNCTION visits_of(of_customer int) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(pad) FROM visit WHERE customer = of_customer';
-- with several processes to a statement, nobody could tell what it takes on a machine that others use; one table shows it
SELECT format('ALTER TABLE %I SET (parallel_workers = 0)', relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'event' \gexec
VACUUM ANALYZE;
