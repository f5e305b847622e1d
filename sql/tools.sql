-- What tools do beside guard: no refusal where every use is served, refusal where not.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE PROCEDURE make(name text, rows int DEFAULT 5000) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %s AS SELECT i AS id, ''s'' || i AS email, i %% 100 AS team, repeat(''x'', 50) AS pad FROM generate_series(1, %s) i', name, rows);
END
$$;
SET client_min_messages = warning;

-- dbt: built beside the table, with its indexes, swapped in, the old one dropped; every day
CALL make('orders');
CREATE INDEX orders_team ON orders (team);
CALL use('SELECT count(*) FROM orders WHERE team = 17', 'web');
CALL make('orders__dbt_tmp');
CREATE INDEX "7f3c" ON orders__dbt_tmp (team);
BEGIN;
ALTER TABLE orders RENAME TO orders__dbt_backup;
ALTER TABLE orders__dbt_tmp RENAME TO orders;
COMMIT;
DROP TABLE IF EXISTS orders__dbt_backup CASCADE;
CALL use('SELECT count(*) FROM orders WHERE team = 17', 'web');
CALL make('orders__dbt_tmp');
CREATE INDEX "91ab" ON orders__dbt_tmp (team);
BEGIN;
ALTER TABLE orders RENAME TO orders__dbt_backup;
ALTER TABLE orders__dbt_tmp RENAME TO orders;
COMMIT;
DROP TABLE IF EXISTS orders__dbt_backup CASCADE;
-- the day on which somebody took the index out of the model
CALL make('orders__dbt_tmp');
BEGIN;
ALTER TABLE orders RENAME TO orders__dbt_backup;
ALTER TABLE orders__dbt_tmp RENAME TO orders;
COMMIT;
:refusal
DROP TABLE orders__dbt_tmp;
-- the same by dropping first, in one transaction, and with an index that is made last
BEGIN;
DROP TABLE orders;
CALL make('orders');
CREATE INDEX orders_team ON orders (team);
COMMIT;
BEGIN;
DROP TABLE orders;
CALL make('orders');
COMMIT;
:refusal
-- and by way of a materialized view
CREATE MATERIALIZED VIEW totals AS SELECT team, count(*) AS n FROM orders GROUP BY team;
CREATE INDEX totals_team ON totals (team);
CALL use('SELECT n FROM totals WHERE team = 17', 'web');
INSERT INTO orders SELECT i, 's' || i, i FROM generate_series(1000, 9000) i;
REFRESH MATERIALIZED VIEW totals;
CREATE MATERIALIZED VIEW totals_new AS SELECT team, count(*) AS n FROM orders GROUP BY team;
BEGIN;
ALTER MATERIALIZED VIEW totals RENAME TO totals_old;
ALTER MATERIALIZED VIEW totals_new RENAME TO totals;
COMMIT;
:refusal
BEGIN;
CREATE UNIQUE INDEX ON totals_new (team);
ALTER MATERIALIZED VIEW totals RENAME TO totals_old;
ALTER MATERIALIZED VIEW totals_new RENAME TO totals;
COMMIT;
DROP MATERIALIZED VIEW totals_old;
:indexes

-- pgslice: prep, partitions, fill, swap, and the retired table goes later
CALL make('visits');
ALTER TABLE visits ADD PRIMARY KEY (id);
CREATE INDEX visits_team ON visits (team);
CALL use('SELECT count(*) FROM visits WHERE team = 17', 'web');
CALL use('SELECT pad FROM visits WHERE id = 17', 'web');
CREATE TABLE visits_intermediate (LIKE visits INCLUDING DEFAULTS) PARTITION BY RANGE (id);
CREATE INDEX ON visits_intermediate (team);
CREATE TABLE visits_1 PARTITION OF visits_intermediate FOR VALUES FROM (0) TO (3000);
ALTER TABLE visits_1 ADD PRIMARY KEY (id);
CREATE TABLE visits_2 PARTITION OF visits_intermediate FOR VALUES FROM (3000) TO (9000);
INSERT INTO visits_intermediate TABLE visits;
BEGIN;
ALTER TABLE visits RENAME TO visits_retired;
ALTER TABLE visits_intermediate RENAME TO visits;
COMMIT;
:refusal
ALTER TABLE visits_2 ADD PRIMARY KEY (id);
BEGIN;
ALTER TABLE visits RENAME TO visits_retired;
ALTER TABLE visits_intermediate RENAME TO visits;
COMMIT;
DROP TABLE visits_retired;

-- pg_partman: partitions ahead, the oldest detached and dropped, one of them archived
CREATE TABLE visits_3 (LIKE visits INCLUDING ALL);
ALTER TABLE visits ATTACH PARTITION visits_3 FOR VALUES FROM (9000) TO (20000);
CALL use('SELECT count(*) FROM visits WHERE team = 17', 'web');
ALTER TABLE visits DETACH PARTITION visits_1;
CREATE SCHEMA archive;
ALTER TABLE visits_1 SET SCHEMA archive;
DROP TABLE archive.visits_1;
DROP INDEX visits_intermediate_team_idx;
:refusal

-- pg_repack: a copy takes the file, not the name; its indexes are built beside and dropped with it
CREATE SCHEMA repack;
CREATE TABLE repack.table_1 AS TABLE orders;
CREATE INDEX index_1 ON repack.table_1 (team);
CREATE INDEX CONCURRENTLY index_2 ON orders (team);
DROP INDEX CONCURRENTLY orders_team;
CALL use('SELECT count(*) FROM orders WHERE team = 17', 'web');
ALTER INDEX index_2 RENAME TO orders_team;
DROP TABLE repack.table_1;
DROP INDEX CONCURRENTLY orders_team;
:refusal

-- pg-boss: the index of another shape in the next version, in a transaction and in steps
CREATE TABLE job (id int, name text, state text, start_after int, singleton text) PARTITION BY LIST (name);
CREATE TABLE job_common PARTITION OF job DEFAULT;
INSERT INTO job SELECT i, 'q', CASE WHEN i % 50 = 0 THEN 'created' ELSE 'done' END, i, NULL FROM generate_series(1, 5000) i;
CREATE INDEX job_i5 ON job_common (name, start_after) INCLUDE (id) WHERE state < 'created';
CREATE UNIQUE INDEX job_i1 ON job_common (name, singleton) WHERE state = 'created';
ANALYZE job_common;
CALL use('INSERT INTO job_common VALUES (1, ''q'', ''created'', 1, ''s'') ON CONFLICT DO NOTHING', 'worker', 2);
DROP INDEX job_i1;
:refusal
BEGIN;
DROP INDEX job_i1;
CREATE UNIQUE INDEX job_i1 ON job_common (name, COALESCE(singleton, '')) WHERE state = 'created';
COMMIT;
:refusal
BEGIN;
DROP INDEX job_i1;
CREATE UNIQUE INDEX job_i1 ON job_common (singleton, name) WHERE state = 'created';
COMMIT;
DROP INDEX job_i5;
:indexes
