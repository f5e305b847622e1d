-- Who plans under settings of his own answers for himself, and for nobody else.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
ALTER DATABASE guard_regress SET guard.whatif_time_limit = '1h';
CREATE OR REPLACE FUNCTION tools.connection(service text) RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s application_name=''%s'' options=''-c client_min_messages=warning %s''',
				  split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'),
				  current_database(), session_user, service, current_setting('tools.options', true))
$$;
\c
CREATE TABLE users AS SELECT i AS id, i AS team, i % 7 AS kind, repeat('x', 100) AS pad FROM generate_series(1, 20000) i;
CREATE INDEX users_team ON users (team);
CREATE INDEX users_id_kind ON users (id, kind);
CREATE INDEX users_kind_id ON users (kind, id);
CALL vacuum('users');

-- all of its statements are planned under settings of the sessions' own: they answer
SET tools.options = '-c random_page_cost=1.1';
CALL use('SELECT pad FROM users WHERE id = 77 AND kind = 0', times => 3);
CALL use('SELECT kind FROM users WHERE team = 77', times => 3);
SELECT * FROM verdict('users');
-- another parameter is looked at, too
CREATE TABLE events AS SELECT i AS id, CASE WHEN i % 40 = 0 THEN 0 ELSE i END AS shop, CASE WHEN i % 3 = 0 THEN NULL ELSE now() END AS paid,
	repeat('x', 300) AS pad FROM generate_series(1, 30000) i;
CREATE INDEX events_open ON events (shop) WHERE paid IS NULL;
CREATE INDEX events_shop ON events (shop);
CALL vacuum('events');
CALL use('SELECT count(*) FROM events WHERE shop = 77 AND paid IS NULL', times => 40);
SELECT * FROM verdict('events_open');
CALL use('SELECT count(*) FROM events WHERE shop = 0 AND paid IS NULL', times => 2);
SELECT * FROM verdict('events_open');

-- somebody else's statement, which was not planned again
SET tools.options = '-c guard.whatif_time_limit=0';
CALL use('SELECT pad FROM users WHERE id = 77 AND kind = 0');
SELECT * FROM verdict('users');
-- and one under other settings of its own
CREATE TABLE others AS TABLE users;
CREATE INDEX others_id_kind ON others (id, kind);
CREATE INDEX others_kind_id ON others (kind, id);
CALL vacuum('others');
SET tools.options = '-c random_page_cost=1.1';
CALL use('SELECT pad FROM others WHERE id = 77 AND kind = 0', times => 3);
SELECT * FROM verdict('others');
SET tools.options = '-c guard.whatif_time_limit=0 -c random_page_cost=1.2';
CALL use('SELECT pad FROM others WHERE id = 77 AND kind = 0');
SELECT * FROM verdict('others');
-- nor where a kind of plan is switched off: what is left is no measure
CREATE TABLE forced AS TABLE users;
CREATE INDEX forced_id_kind ON forced (id, kind);
CREATE INDEX forced_kind_id ON forced (kind, id);
CALL vacuum('forced');
SET tools.options = '-c enable_bitmapscan=off';
CALL use('SELECT pad FROM forced WHERE id = 77 AND kind = 0', times => 3);
SELECT * FROM verdict('forced');
