-- A view is a name like any other: what it leads to must serve its traffic.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users_1 AS SELECT i AS id, 's' || i AS email, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE TABLE users_2 AS TABLE users_1;
CREATE INDEX users_1_email_idx ON users_1 (email);
CREATE VIEW users AS SELECT id, email AS mail, team FROM users_1 WHERE id > 0;
CALL use('SELECT count(*) FROM users WHERE mail = ''s17''');
-- pointed elsewhere
CREATE OR REPLACE VIEW users AS SELECT id, email AS mail, team FROM users_2 WHERE id > 0;
:refusal
BEGIN;
DROP VIEW users;
CREATE VIEW users AS SELECT id, email AS mail FROM users_2;
COMMIT;
:refusal
-- a table takes its name
BEGIN;
ALTER VIEW users RENAME TO users_view;
CREATE TABLE users AS SELECT id, email AS mail FROM users_2;
COMMIT;
:refusal
-- to the same table, by other words, or by another view
CREATE OR REPLACE VIEW users AS SELECT id, email AS mail, team FROM users_1 WHERE team > 3;
CREATE VIEW active AS SELECT id, email, team FROM users_1;
CREATE OR REPLACE VIEW users AS SELECT id, email AS mail, team FROM active;
CREATE OR REPLACE VIEW users AS SELECT id, email AS mail, team FROM users_1;
-- served
BEGIN;
CREATE INDEX ON users_2 (email);
CREATE OR REPLACE VIEW users AS SELECT id, email AS mail, team FROM users_2;
COMMIT;

-- a view that takes the name of a table
CREATE TABLE jobs AS TABLE users_1;
CREATE INDEX jobs_team_idx ON jobs (team);
CALL use('SELECT count(*) FROM jobs WHERE team = 17');
CREATE TABLE jobs_next AS TABLE jobs;
BEGIN;
ALTER TABLE jobs RENAME TO jobs_old;
CREATE VIEW jobs AS SELECT id, team FROM jobs_next;
COMMIT;
:refusal
BEGIN;
ALTER TABLE jobs RENAME TO jobs_old;
CREATE MATERIALIZED VIEW jobs AS SELECT id, team FROM jobs_next;
COMMIT;
:refusal
BEGIN;
ALTER TABLE jobs RENAME TO jobs_base;
CREATE VIEW jobs AS SELECT id, team FROM jobs_base;
COMMIT;

-- what goes with the session replaces nothing
CREATE DOMAIN pg_temp.d AS bigint;
CREATE TABLE t AS TABLE users_1;
CREATE INDEX t_email ON t (email);
CALL use('SELECT count(*) FROM t WHERE email = ''s17''');
CREATE INDEX r ON t (email, (id::pg_temp.d));
DROP INDEX t_email;
:refusal
BEGIN;
CREATE TEMP TABLE tt (a int) ON COMMIT DROP;
DROP INDEX t_email;
CREATE INDEX r2 ON t (email, ((id IS NULL) AND (NULL::pg_temp.tt IS NULL)));
COMMIT;
:refusal
DISCARD TEMP;
:indexes

-- nor by way of what it depends on
ALTER TABLE t ADD COLUMN note text;
CREATE DOMAIN pg_temp.dom AS text;
ALTER TABLE t ALTER COLUMN email TYPE pg_temp.dom;
:refusal
CREATE DOMAIN lasting AS pg_temp.dom;
ALTER TABLE t ALTER COLUMN email TYPE lasting;
:refusal
CREATE COLLATION pg_temp.c (locale = 'C');
ALTER TABLE t ALTER COLUMN email TYPE text COLLATE pg_temp.c;
:refusal
CREATE TYPE pg_temp.row AS (id int, email text, team int, pad text, note text);
ALTER TABLE t OF pg_temp.row;
:refusal
CREATE OPERATOR CLASS pg_temp.by_text FOR TYPE text USING btree AS OPERATOR 3 =, FUNCTION 1 bttextcmp(text, text);
CREATE INDEX r ON t (email pg_temp.by_text);
DROP INDEX t_email;
:refusal
-- there and back, and a column of no index
BEGIN;
ALTER TABLE t ALTER COLUMN email TYPE pg_temp.dom;
ALTER TABLE t ALTER COLUMN email TYPE text;
COMMIT;
ALTER TABLE t ALTER COLUMN note TYPE pg_temp.dom;
SET client_min_messages = warning;
DISCARD TEMP;
RESET client_min_messages;
:indexes

-- what a view that computes needs cannot be told: guard.unknown_action decides
CREATE TABLE stock AS TABLE users_1;
CREATE INDEX stock_team ON stock (team);
CALL use('SELECT count(*) FROM stock WHERE team = 17');
CREATE TABLE stock_next AS TABLE stock;
SET guard.unknown_action = block;
BEGIN;
ALTER TABLE stock RENAME TO stock_old;
CREATE VIEW stock AS SELECT team, count(*) AS n FROM stock_next GROUP BY team;
COMMIT;
:refusal
SET guard.unknown_action = auto;
SET guard.rebuild_limit = '100kB';
BEGIN;
ALTER TABLE stock RENAME TO stock_old;
CREATE VIEW stock AS SELECT team, count(*) AS n FROM stock_next GROUP BY team;
COMMIT;
:refusal
RESET guard.rebuild_limit;
BEGIN;
ALTER TABLE stock RENAME TO stock_old;
CREATE VIEW stock AS SELECT team, count(*) AS n FROM stock_next GROUP BY team;
COMMIT;
RESET guard.unknown_action;
