-- INSERT … ON CONFLICT DO NOTHING names no index, and leaves out what any unique
-- one forbids.  Without that it does not fail, but writes rows twice.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE seen (event bigint, at timestamptz);
CREATE UNIQUE INDEX seen_event ON seen (event);
INSERT INTO seen SELECT g, now() FROM generate_series(1, 20000) g;
-- a row that was not there already shows nothing
CALL use('INSERT INTO seen VALUES (-1, now()) ON CONFLICT DO NOTHING');
SELECT * FROM verdict('seen');
CALL use('INSERT INTO seen VALUES (1, now()) ON CONFLICT DO NOTHING');
DROP INDEX seen_event;
:refusal
-- a plain index is nothing, a unique one on more columns neither
CREATE INDEX seen_slow ON seen (event);
CREATE UNIQUE INDEX seen_wide ON seen (event, at);
DROP INDEX seen_event;
-- one that forbids as much is
CREATE UNIQUE INDEX seen_new ON seen (event) INCLUDE (at);
DROP INDEX seen_event;
DROP INDEX seen_new;
:indexes

-- of several rows, fewer; or rows of a query
CREATE TABLE several (a int UNIQUE, b int);
INSERT INTO several SELECT g FROM generate_series(1, 20000) g;
CALL use('INSERT INTO several VALUES (-1, 1), (-2, 2) ON CONFLICT DO NOTHING');
SELECT * FROM verdict('several');
CALL use('INSERT INTO several VALUES (-3, 1), (-1, 2) ON CONFLICT DO NOTHING');
SELECT * FROM verdict('several');
CREATE TABLE from_query (a int UNIQUE, b int);
INSERT INTO from_query SELECT g FROM generate_series(1, 20000) g;
CALL use('INSERT INTO from_query SELECT -g FROM generate_series(1, 3) g ON CONFLICT DO NOTHING');
SELECT * FROM verdict('from_query');

-- a key that is left to its default conflicts with nothing, one that is given does
CREATE TABLE numbered (id serial PRIMARY KEY, u uuid DEFAULT gen_random_uuid() UNIQUE, nothing int UNIQUE, mail text UNIQUE, day date DEFAULT current_date UNIQUE);
INSERT INTO numbered (mail, day) SELECT g, '2000-01-01'::date + g FROM generate_series(1, 5000) g;
CALL use('INSERT INTO numbered (mail) VALUES (''1'') ON CONFLICT DO NOTHING');
SELECT * FROM verdict('numbered');
CREATE TABLE identified (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant int, UNIQUE (tenant, id), mail text UNIQUE);
INSERT INTO identified (mail) SELECT g FROM generate_series(1, 20000) g;
CALL use('INSERT INTO identified (tenant, mail) VALUES (1, ''1'') ON CONFLICT DO NOTHING');
SELECT * FROM verdict('identified');

-- what forbids more lets no duplicate through: of the two the narrower one is enough
CREATE TABLE narrower (a int UNIQUE, b int, UNIQUE (a, b));
INSERT INTO narrower SELECT g, g FROM generate_series(1, 20000) g;
CALL use('INSERT INTO narrower VALUES (1, 1) ON CONFLICT DO NOTHING');
SELECT * FROM verdict('narrower');
ALTER TABLE narrower DROP CONSTRAINT narrower_a_b_key;

-- an exclusion constraint, and a partitioned table, of which one partition has its columns elsewhere
CREATE TABLE excluded (r int4range, EXCLUDE USING gist (r WITH &&));
INSERT INTO excluded SELECT int4range(g * 10, g * 10 + 5) FROM generate_series(1, 5000) g;
CALL use('INSERT INTO excluded VALUES (''[11,12)'') ON CONFLICT DO NOTHING');
SELECT * FROM verdict('excluded');
CREATE TABLE parted (id int, at int DEFAULT 0, UNIQUE (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100000);
CREATE TABLE parted_2 (gone int, at int, id int, UNIQUE (id));
ALTER TABLE parted_2 DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (100000) TO (200000);
INSERT INTO parted SELECT g * 10 FROM generate_series(0, 19999) g;
CALL use('INSERT INTO parted VALUES (100000) ON CONFLICT DO NOTHING');
SELECT * FROM verdict('parted');
ALTER TABLE parted DROP CONSTRAINT parted_id_key;

-- beside an equal arbiter, INCLUDE or not, an arbiter is nothing special
CREATE TABLE t (id int, s text, pad text);
INSERT INTO t SELECT g, 'a', repeat('x', 60) FROM generate_series(1, 20000) g;
CREATE UNIQUE INDEX t_id ON t (id);
CREATE UNIQUE INDEX t_id_s ON t (id) INCLUDE (s);
CALL use('INSERT INTO t VALUES (5, ''b'') ON CONFLICT (id) DO UPDATE SET s = excluded.s');
BEGIN;
DROP INDEX t_id_s;
DROP INDEX t_id;
COMMIT;
DROP INDEX t_id_s, t_id;
DROP INDEX t_id_s;
DROP INDEX t_id;
