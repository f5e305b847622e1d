-- REFRESH MATERIALIZED VIEW CONCURRENTLY goes by a unique index, by any that it
-- can use: the last of these stays.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE cs (id int PRIMARY KEY, tag text);
INSERT INTO cs SELECT g, 't' || g % 20000 FROM generate_series(1, 60000) g;
CREATE MATERIALIZED VIEW ts AS SELECT tag, count(*) AS n FROM cs GROUP BY tag;
CREATE UNIQUE INDEX ts_tag ON ts (tag);
CREATE UNIQUE INDEX ts_tag_n ON ts (tag, n);
CREATE UNIQUE INDEX ts_lower ON ts (lower(tag));
CREATE UNIQUE INDEX ts_part ON ts (tag) WHERE n > 0;
CREATE INDEX ts_n ON ts (n);
CALL use('REFRESH MATERIALIZED VIEW CONCURRENTLY ts');
-- what it cannot use, and one of two
DROP INDEX ts_lower;
DROP INDEX ts_part;
DROP INDEX ts_tag_n;
DROP INDEX ts_tag;
:refusal
BEGIN;
DROP INDEX ts_tag;
CREATE UNIQUE INDEX ts_new ON ts (tag, n);
COMMIT;
DROP INDEX ts_new, ts_n;

-- nobody refreshes this one without a lock
CREATE MATERIALIZED VIEW plain AS SELECT tag, count(*) AS n FROM cs GROUP BY tag;
CREATE UNIQUE INDEX plain_tag ON plain (tag);
CALL use('REFRESH MATERIALIZED VIEW plain');
DROP INDEX plain_tag;

-- nor does it belong to the making of a view that others read meanwhile
CREATE MATERIALIZED VIEW young AS SELECT tag, count(*) AS n FROM cs GROUP BY tag;
CREATE UNIQUE INDEX young_tag ON young (tag);
CALL use('REFRESH MATERIALIZED VIEW CONCURRENTLY young', current_setting('application_name'));
DROP INDEX young_tag;
:refusal

-- a view of few rows may go, but what takes its name is refreshed like it
CREATE MATERIALIZED VIEW few AS SELECT id % 5 AS k, count(*) AS n FROM cs GROUP BY 1;
CREATE UNIQUE INDEX few_k ON few (k);
CALL use('REFRESH MATERIALIZED VIEW CONCURRENTLY few');
BEGIN;
DROP MATERIALIZED VIEW few;
CREATE MATERIALIZED VIEW few AS SELECT id % 5 AS k, count(*) AS n FROM cs GROUP BY 1;
COMMIT;
:refusal
BEGIN;
DROP MATERIALIZED VIEW few;
CREATE MATERIALIZED VIEW few AS SELECT id % 5 AS k, count(*) AS n FROM cs GROUP BY 1;
CREATE UNIQUE INDEX ON few (k);
COMMIT;

-- one of two that would do, where the view is made anew or another one takes its name
\set made 'CREATE MATERIALIZED VIEW two AS SELECT tag, count(*) AS n, repeat(\'x\', 50) AS pad FROM cs GROUP BY tag;'
:made
CREATE UNIQUE INDEX two_tag ON two (tag);
CREATE UNIQUE INDEX two_tag_n ON two (tag, n);
CALL use('REFRESH MATERIALIZED VIEW CONCURRENTLY two');
BEGIN;
DROP MATERIALIZED VIEW two;
:made
CREATE INDEX two_new ON two (tag);
COMMIT;
:refusal
BEGIN;
DROP MATERIALIZED VIEW two;
:made
CREATE UNIQUE INDEX two_new ON two (tag);
COMMIT;
DROP INDEX two_new;
:refusal
CREATE UNIQUE INDEX two_tag_n ON two (tag, n);
CALL use('REFRESH MATERIALIZED VIEW CONCURRENTLY two');
CREATE MATERIALIZED VIEW next AS SELECT * FROM two;
CREATE UNIQUE INDEX next_tag ON next (tag);
BEGIN;
ALTER MATERIALIZED VIEW two RENAME TO two_old;
ALTER MATERIALIZED VIEW next RENAME TO two;
COMMIT;
-- not where it is read as well
CREATE UNIQUE INDEX two_n ON two (n, tag);
CALL use('SELECT count(pad) FROM two WHERE n = 4');
CALL use('REFRESH MATERIALIZED VIEW CONCURRENTLY two');
BEGIN;
DROP MATERIALIZED VIEW two;
:made
CREATE UNIQUE INDEX two_last ON two (tag);
COMMIT;
:refusal
-- a view of few rows, and what plans take for a proof
DROP INDEX few_k_idx;
:refusal
CREATE UNIQUE INDEX few_k_n ON few (k, n);
CALL plainly('REFRESH MATERIALIZED VIEW CONCURRENTLY few');
BEGIN;
DROP MATERIALIZED VIEW few;
CREATE MATERIALIZED VIEW few AS SELECT id % 5 AS k, count(*) AS n FROM cs GROUP BY 1;
CREATE UNIQUE INDEX few_new ON few (k);
COMMIT;
CREATE MATERIALIZED VIEW proof AS SELECT tag, count(*) AS n FROM cs GROUP BY tag;
CREATE UNIQUE INDEX proof_tag ON proof (tag);
CREATE UNIQUE INDEX proof_tag_n ON proof (tag, n);
CALL plainly('REFRESH MATERIALIZED VIEW CONCURRENTLY proof');
BEGIN;
DROP MATERIALIZED VIEW proof;
CREATE MATERIALIZED VIEW proof AS SELECT tag, count(*) AS n FROM cs GROUP BY tag;
CREATE UNIQUE INDEX proof_new ON proof (tag);
COMMIT;
