-- The tables that bench/prediction.sh asks its questions of; all of it fits into shared_buffers.
SELECT setseed(0.5);
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
CREATE INDEX customer_id ON customer (id);
CREATE INDEX account_shard ON account (shard);
VACUUM ANALYZE;
