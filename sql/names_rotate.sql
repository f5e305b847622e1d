-- Names that tables pass on every night.  A use is one of the name under which it
-- came: it goes to whoever bears that name, and to nobody who bears another one
-- that its table had before or since.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE today (id int, a int, pad text);
INSERT INTO today SELECT i, i, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE INDEX today_0 ON today (a);
CALL use('SELECT count(pad) FROM today WHERE a = 17');
-- today becomes yesterday, yesterday older
CREATE PROCEDURE rotate(night int) LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE IF EXISTS yesterday RENAME TO older;
	ALTER TABLE today RENAME TO yesterday;
	CREATE TABLE today (LIKE yesterday);
	INSERT INTO today SELECT * FROM yesterday;
	EXECUTE format('CREATE INDEX today_%s ON today (a)', night);
END
$$;
CALL rotate(1);
CALL use('SELECT count(pad) FROM today WHERE a = 17');
CALL rotate(2);
CALL use('SELECT count(pad) FROM today WHERE a = 17');
-- traffic asks for today's only
SELECT i.indrelid::regclass, verdict(i.indexrelid::regclass::text) FROM pg_index i WHERE indexrelid::regclass::text ~ '^today_' ORDER BY 2;
-- what goes does not leave its use to a name that it had in between
DROP TABLE older;
SELECT verdict('yesterday');
DROP INDEX today_1;
DROP INDEX today_2;
:refusal

-- who asks for yesterday's asks it of whoever comes to be that
CREATE INDEX yesterday_a ON yesterday (a);
CALL use('SELECT count(pad) FROM yesterday WHERE a = 17', 'report');
BEGIN;
DROP INDEX today_2;
CALL rotate(3);
COMMIT;
:refusal
CALL rotate(3);
DROP TABLE older;
SELECT verdict('yesterday');
DROP INDEX today_2;
:refusal
DROP INDEX today_3;
:refusal

-- a copy is made under the same name each night, swapped in, and says nothing of that name
CREATE TABLE users_new AS SELECT i AS id, i AS a, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
ALTER TABLE users_new RENAME TO users;
CREATE INDEX ON users (a);
CREATE PROCEDURE swap() LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE users_new AS SELECT * FROM users;
	CREATE INDEX ON users_new (a);
	ALTER TABLE users RENAME TO users_old;
	ALTER TABLE users_new RENAME TO users;
END
$$;
CALL use('SELECT count(pad) FROM users WHERE a = 17');
SET client_min_messages = notice;
CALL swap();
DROP TABLE users_old;
CALL use('SELECT count(pad) FROM users WHERE a = 17');
CREATE TABLE users_new AS SELECT * FROM users;
CREATE INDEX users_new_a ON users_new (a);
BEGIN;
ALTER TABLE users RENAME TO users_old;
ALTER TABLE users_new RENAME TO users;
COMMIT;
DROP TABLE users_old;
CALL use('SELECT count(pad) FROM users WHERE a = 17');
DROP INDEX users_new_a;
:refusal
-- it says so of the name that its traffic does write
ALTER TABLE users RENAME TO people;
