-- DROP TABLE and DROP MATERIALIZED VIEW: when the whole table goes, the
-- question is whether the table is in use, by whatever index or none.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_id_idx ON users (id);
CREATE TABLE logs (at int PRIMARY KEY, line text);
INSERT INTO logs SELECT i, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE TABLE inbox (id int PRIMARY KEY, line text);
INSERT INTO inbox SELECT i, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE TABLE idle (id int PRIMARY KEY, line text);
INSERT INTO idle SELECT i, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE TABLE bare AS SELECT i AS id, repeat('x', 50) AS line FROM generate_series(1, 5000) i;
CREATE MATERIALIZED VIEW active AS SELECT id, email FROM users;
CREATE INDEX active_id_idx ON active (id);
CREATE MATERIALIZED VIEW passive AS SELECT id FROM idle;
CREATE INDEX passive_id_idx ON passive (id);
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CALL use('SELECT count(line) FROM logs', 'report');
CREATE SEQUENCE numbers START 10000;
CALL use('INSERT INTO inbox VALUES (nextval(''numbers''))', 'mail', 30);
CALL use('INSERT INTO idle VALUES (nextval(''numbers''))', 'load');
CALL use('SELECT count(*) FROM active WHERE id = 17');
CALL use('SELECT count(*) FROM bare');

-- by an index of it
DROP TABLE users;
DROP TABLE users CASCADE;
:refusal
-- without any index, or by writing only, if it goes on: its statements would fail
DROP TABLE logs;
:refusal
DROP TABLE IF EXISTS inbox;
:refusal
-- but dropping the idle index of such a table harms nobody
SELECT * FROM verdict('logs');

-- a materialized view, by its own name and under CASCADE
DROP MATERIALIZED VIEW active;
:refusal
ALTER TABLE users DROP COLUMN id CASCADE;
:refusal

-- many: one that is in use keeps them all
DROP TABLE idle, logs CASCADE;
DROP TABLE IF EXISTS no_such_table, users CASCADE;
:indexes

-- the harmless neighbours; foreign keys and views of others are not in its way, nor are they in theirs
ALTER TABLE idle ADD FOREIGN KEY (id) REFERENCES logs NOT VALID;
CREATE VIEW lines AS SELECT line FROM idle;
DROP TABLE idle RESTRICT;
DROP TABLE idle CASCADE;
DROP TABLE bare;
DROP TABLE IF EXISTS no_such_table;
DROP TABLE no_such_table;
DROP VIEW users;
:indexes
