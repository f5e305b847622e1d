-- Traffic that has moved to a better index of another shape needs the old one
-- no more; and not merely because there is a better one.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
ALTER DATABASE guard_regress SET guard.whatif_interval = 0;
-- the settings are the server's here, not the client's: only then do plans speak for a drop
CREATE OR REPLACE FUNCTION tools.connection(service text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s application_name=''%s''',
				  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
				  current_database(), session_user, service)
$$;
\c
CREATE TABLE o (id int PRIMARY KEY, a int, b int, pad text);
INSERT INTO o SELECT g, g % 400, (g * 7919) % 50000, repeat('x', 60) FROM generate_series(1, 100000) g;
CREATE INDEX o_ab ON o (a, b);
VACUUM ANALYZE o;
CALL use('SELECT id FROM o WHERE a = 7 AND b = 77', 'app', 30);
SELECT * FROM verdict('o_ab');

-- a better one that nobody uses yet
CREATE INDEX CONCURRENTLY o_ba ON o (b, a);
SELECT * FROM verdict('o_ab');
-- used, but not often enough
CALL use('SELECT id FROM o WHERE a = 7 AND b = 77', 'app', 15);
SELECT * FROM verdict('o_ab');
-- and now it has moved
CALL use('SELECT id FROM o WHERE a = 7 AND b = 77', 'app', 15);
SELECT c.index, verdict, reason, facts #>> '{replacement,index}' AS instead FROM guard.check('o_ab') c;
-- but not without what it has moved to
BEGIN; DROP INDEX o_ab, o_ba; COMMIT;
BEGIN; DROP INDEX o_ab; DROP INDEX o_ba; COMMIT;
BEGIN; DROP INDEX o_ab; ROLLBACK;
-- another statement has not
CALL use('SELECT count(b) FROM o WHERE a = 8', 'app', 3);
SELECT * FROM verdict('o_ab');
DROP INDEX o_ab;
:indexes

-- the same statement with other parameters, of which it is not known whether they have moved, too: the end of the month
CREATE TABLE e (id int, kind int, day int, pad text);
INSERT INTO e SELECT g, CASE WHEN g % 100 = 0 THEN g % 7 ELSE 9 END, (g * 7919) % 5000, repeat('x', 60) FROM generate_series(1, 100000) g;
CREATE INDEX e_kind ON e (kind);
VACUUM ANALYZE e;
CALL use('SELECT count(pad) FROM e WHERE kind = 3 AND day < 4000', 'app', 25);
CALL use('SELECT count(pad) FROM e WHERE kind = 3 AND day < 2', 'app', 25);
CREATE INDEX e_day ON e (day, kind);
CALL use('SELECT count(pad) FROM e WHERE kind = 3 AND day < 2', 'app', 60);
SELECT * FROM verdict('e_kind');

-- it ran a hundred times between two uses of the old one: thirty times do not show that it has moved
CREATE TABLE r (id int PRIMARY KEY, a int, b int, pad text);
INSERT INTO r SELECT g, CASE WHEN g <= 50000 THEN 1 ELSE g END, g % 20000, repeat('x', 60) FROM generate_series(1, 100000) g;
CREATE INDEX r_a ON r (a);
CREATE INDEX r_b ON r (b);
VACUUM ANALYZE r;
CALL use('SELECT pad FROM r WHERE a = 60000 AND b = 0', 'app', 2);
CALL use('SELECT pad FROM r WHERE a = 1 AND b = 17', 'app', 100);
CALL use('SELECT pad FROM r WHERE a = 60000 AND b = 0', 'app', 2);
CREATE INDEX r_ba ON r (b, a);
CALL use('SELECT pad FROM r WHERE a = 60000 AND b = 0', 'app', 30);
SELECT * FROM verdict('r_a');
CALL use('SELECT pad FROM r WHERE a = 60000 AND b = 0', 'app', 300);
SELECT * FROM verdict('r_a');
