-- What statements write are names of columns.  Use belongs to the name that it
-- was written by; what bears that at the end must have the index.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
SET client_min_messages = warning;
CREATE PROCEDURE make(name text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL guard.mode = off;
	EXECUTE format('DROP TABLE IF EXISTS %I', name);
	EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, id_new bigint NOT NULL DEFAULT 0, serial text, serial_v2 text, pad text)', name);
	EXECUTE format('INSERT INTO %I SELECT i, i, ''s'' || i, ''s'' || i, repeat(''x'', 50) FROM generate_series(1, 5000) i', name);
END
$$;

-- two renames alone take the index from the traffic
CALL make('devs');
RESET client_min_messages;
CREATE INDEX devs_a ON devs (serial);
CREATE INDEX devs_low ON devs (lower(serial)) WHERE serial <> '';
CALL use('SELECT count(*) FROM devs WHERE serial = ''s17''');
BEGIN;
ALTER TABLE devs RENAME COLUMN serial TO serial_v1;
ALTER TABLE devs RENAME COLUMN serial_v2 TO serial;
COMMIT;
:refusal
SELECT * FROM ask('BEGIN; ALTER TABLE devs RENAME COLUMN serial TO x; ALTER TABLE devs RENAME COLUMN serial_v2 TO serial; ALTER TABLE devs RENAME COLUMN x TO serial_v2; COMMIT') WHERE ask ~ '^HINT';
-- renamed and back is nothing, renamed away makes statements fail
BEGIN;
ALTER TABLE devs RENAME COLUMN serial TO x;
ALTER TABLE devs RENAME COLUMN x TO serial;
COMMIT;
\set VERBOSITY terse
ALTER TABLE devs RENAME COLUMN serial TO x;
\set VERBOSITY sqlstate
ALTER TABLE devs RENAME COLUMN x TO serial;
-- a name that was free meanwhile is taken by a column without the index: to refuse would keep statements failing
SET client_min_messages = warning;
CALL make('gadgets');
RESET client_min_messages;
CREATE INDEX gadgets_a ON gadgets (serial);
CALL use('SELECT count(*) FROM gadgets WHERE serial = ''s17''');
\set VERBOSITY terse
ALTER TABLE gadgets RENAME COLUMN serial TO serial_v1;
\set VERBOSITY sqlstate
ALTER TABLE gadgets RENAME COLUMN serial_v2 TO serial;
SELECT facts #>> '{facts,definition}' FROM guard.audit_log WHERE facts ->> 'alert' = 'lacking' AND object = 'public.gadgets';
ALTER TABLE gadgets RENAME COLUMN serial TO serial_v2;
ALTER TABLE gadgets ADD COLUMN serial text;
ALTER TABLE gadgets DROP COLUMN serial;
-- not where it has the index, nor where those who used it have found another name
CREATE INDEX gadgets_b ON gadgets (serial_v2);
ALTER TABLE gadgets RENAME COLUMN serial_v2 TO serial;
ALTER TABLE gadgets RENAME COLUMN serial TO serial_v2;
DROP INDEX gadgets_b;
CALL use('SELECT count(*) FROM gadgets WHERE serial_v1 = ''s17''');
ALTER TABLE gadgets RENAME COLUMN serial_v2 TO serial;
-- the name goes to another column and comes back, and what it was used by is gone meanwhile
CREATE INDEX gadgets_c ON gadgets (pad);
CALL use('SELECT count(*) FROM gadgets WHERE pad = ''s17''');
CREATE INDEX gadgets_d ON gadgets (serial);
BEGIN;
ALTER TABLE gadgets RENAME COLUMN pad TO pad_v1;
ALTER TABLE gadgets RENAME COLUMN serial TO pad;
COMMIT;
DROP INDEX gadgets_c;
BEGIN;
ALTER TABLE gadgets RENAME COLUMN pad TO serial;
ALTER TABLE gadgets RENAME COLUMN pad_v1 TO pad;
COMMIT;
:refusal
-- a table has taken the name of another one before, or its index has a twin's use
SET client_min_messages = warning;
CALL make('things');
CALL make('things_2');
RESET client_min_messages;
CREATE INDEX things_a ON things (serial);
CREATE INDEX things_b ON things_2 (serial);
CALL use('SELECT count(*) FROM things WHERE serial = ''s17''');
BEGIN;
ALTER TABLE things RENAME TO things_old;
ALTER TABLE things_2 RENAME TO things;
COMMIT;
DROP TABLE things_old;
\set swap 'ALTER TABLE things RENAME COLUMN serial TO serial_v1; ALTER TABLE things RENAME COLUMN serial_v2 TO serial;'
BEGIN; :swap COMMIT;
:refusal
CREATE INDEX things_c ON things (serial);
DROP INDEX things_b;
BEGIN; :swap COMMIT;
:refusal
CREATE INDEX things_d ON things (serial_v2);
BEGIN; :swap COMMIT;
DROP INDEX things_c;
-- and it is known by the name that it was used by, on another table, too
BEGIN;
CREATE TABLE things_3 (LIKE things);
CREATE INDEX things_e ON things_3 (serial);
ALTER TABLE things RENAME TO things_old;
ALTER TABLE things_3 RENAME TO things;
COMMIT;
DROP TABLE things_old;
DROP INDEX things_e;
:refusal
-- with the index on the other one it is silent, and that one is heir
CREATE INDEX devs_b ON devs (serial_v2);
BEGIN;
ALTER TABLE devs RENAME COLUMN serial TO x;
ALTER TABLE devs RENAME COLUMN serial_v2 TO serial;
ALTER TABLE devs RENAME COLUMN x TO serial_v2;
COMMIT;
DROP INDEX devs_a;
DROP INDEX devs_b;
:refusal
-- which it is for whoever named the column, not for the column
BEGIN;
ALTER TABLE devs RENAME COLUMN serial TO x;
ALTER TABLE devs RENAME COLUMN serial_v2 TO serial;
ALTER TABLE devs RENAME COLUMN x TO serial_v2;
COMMIT;
:refusal
-- expressions and predicates follow
CALL use('SELECT count(*) FROM devs WHERE lower(serial_v2) = ''s17'' AND serial_v2 <> ''''');
BEGIN;
CREATE INDEX devs_low2 ON devs (lower(serial)) WHERE serial <> 's1';
ALTER TABLE devs RENAME COLUMN serial TO x;
ALTER TABLE devs RENAME COLUMN serial_v2 TO serial;
ALTER TABLE devs RENAME COLUMN x TO serial_v2;
COMMIT;
:refusal

-- the key grows, in every order that people use
\set prepare 'CALL make(''files''); ANALYZE files; CALL use(''SELECT count(*) FROM files WHERE id = 77''); CREATE UNIQUE INDEX files_new_pk ON files (id_new);'
SET guard.rebuild_limit = '64kB';
SET client_min_messages = warning;
:prepare
BEGIN;
ALTER TABLE files RENAME COLUMN id TO id_old;
ALTER TABLE files RENAME COLUMN id_new TO id;
ALTER TABLE files DROP CONSTRAINT files_pkey;
ALTER TABLE files ADD CONSTRAINT files_pkey PRIMARY KEY USING INDEX files_new_pk;
COMMIT;
SELECT * FROM verdict('files');
:prepare
BEGIN;
ALTER TABLE files DROP CONSTRAINT files_pkey;
ALTER TABLE files RENAME COLUMN id TO id_old;
ALTER TABLE files RENAME COLUMN id_new TO id;
ALTER TABLE files ADD CONSTRAINT files_pkey PRIMARY KEY USING INDEX files_new_pk;
COMMIT;
SELECT * FROM verdict('files');
:prepare
BEGIN;
ALTER TABLE files RENAME COLUMN id TO id_old;
ALTER TABLE files RENAME COLUMN id_new TO id;
ALTER TABLE files DROP CONSTRAINT files_pkey, ADD CONSTRAINT files_pkey PRIMARY KEY USING INDEX files_new_pk;
COMMIT;
SELECT * FROM verdict('files');
:prepare
BEGIN;
ALTER TABLE files DROP CONSTRAINT files_pkey, ADD CONSTRAINT files_pkey PRIMARY KEY USING INDEX files_new_pk;
ALTER TABLE files RENAME COLUMN id TO id_old;
ALTER TABLE files RENAME COLUMN id_new TO id;
COMMIT;
SELECT * FROM verdict('files');
-- by dropping the old column
:prepare
BEGIN;
ALTER TABLE files DROP COLUMN id;
ALTER TABLE files RENAME COLUMN id_new TO id;
ALTER TABLE files ADD PRIMARY KEY USING INDEX files_new_pk;
COMMIT;
SELECT * FROM verdict('files');
-- the renames committed first
CALL make('docs');
CALL use('SELECT count(*) FROM docs WHERE id = 77');
CREATE UNIQUE INDEX docs_new_pk ON docs (id_new);
BEGIN;
ALTER TABLE docs RENAME COLUMN id TO id_old;
ALTER TABLE docs RENAME COLUMN id_new TO id;
COMMIT;
SELECT * FROM verdict('docs');
ALTER TABLE docs DROP CONSTRAINT docs_pkey, ADD CONSTRAINT docs_pkey PRIMARY KEY USING INDEX docs_new_pk;
SELECT * FROM verdict('docs');

-- refused where the index is on the wrong one
:prepare
BEGIN;
ALTER TABLE files RENAME COLUMN id TO id_old;
ALTER TABLE files RENAME COLUMN id_new TO id;
ALTER TABLE files DROP CONSTRAINT files_pkey;
DROP INDEX files_new_pk;
COMMIT;
:refusal
BEGIN;
ALTER TABLE files DROP CONSTRAINT files_pkey;
ALTER TABLE files ADD CONSTRAINT files_pkey PRIMARY KEY USING INDEX files_new_pk;
COMMIT;
:refusal

-- a column goes that an index had beside others: who names it fails, the others ask for what came before it
RESET guard.rebuild_limit;
\set prepare 'DROP TABLE IF EXISTS visits; CREATE TABLE visits (id int, site int, kind int, pad text); INSERT INTO visits SELECT i, i % 500, i % 7, repeat(''x'', 50) FROM generate_series(1, 5000) i; CREATE INDEX visits_a ON visits (site, kind, id) INCLUDE (pad); ANALYZE visits; CALL use(''SELECT count(id) FROM visits WHERE site = 77'');'
SET client_min_messages = warning;
:prepare
ALTER TABLE visits DROP COLUMN kind;
BEGIN; ALTER TABLE visits DROP COLUMN kind; CREATE INDEX visits_b ON visits (id, site); COMMIT;
:refusal
SELECT * FROM ask('BEGIN; ALTER TABLE visits DROP COLUMN kind; COMMIT') WHERE ask ~ '^HINT';
BEGIN; ALTER TABLE visits DROP COLUMN site; CREATE INDEX visits_b ON visits (kind, id) INCLUDE (pad); COMMIT;
BEGIN; ALTER TABLE visits DROP COLUMN kind; CREATE INDEX visits_b ON visits (site) INCLUDE (pad); COMMIT;
-- that one is heir
DROP INDEX visits_b;
:refusal
-- what it includes goes: the rest is asked for
SET guard.mode = off;
:prepare
RESET guard.mode;
BEGIN; ALTER TABLE visits DROP COLUMN pad; CREATE INDEX visits_b ON visits (site, kind); COMMIT;
BEGIN; ALTER TABLE visits DROP COLUMN pad; CREATE INDEX visits_b ON visits (site, kind, id); COMMIT;
-- on a copy that takes the name
BEGIN; CREATE TABLE fresh (id int, site int); ALTER TABLE visits RENAME TO stale; ALTER TABLE fresh RENAME TO visits; COMMIT;
:refusal
BEGIN; CREATE TABLE fresh (id int, site int); CREATE INDEX ON fresh (site); ALTER TABLE visits RENAME TO stale; ALTER TABLE fresh RENAME TO visits; COMMIT;
DROP TABLE stale;
-- nothing has the first column any more: who named it fails
SET guard.mode = off;
:prepare
RESET guard.mode;
BEGIN; CREATE TABLE fresh (id int, kind int); ALTER TABLE visits RENAME TO stale; ALTER TABLE fresh RENAME TO visits; COMMIT;
