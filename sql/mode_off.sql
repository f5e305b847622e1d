-- guard.mode = off is off: no judgement, no word, only a row that says so; and
-- what happens in the dark is not taken for silence afterwards.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set owner :USER
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_id_idx ON users (id);
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
SELECT guard.protect('users_team_idx', 'mine');

SET guard.mode = off;
DROP INDEX users_email_idx;
BEGIN;
DROP INDEX users_team_idx;
COMMIT;
CREATE INDEX users_email_idx ON users (email);
SELECT event, index_name, verdict, definition FROM guard.last_drops();
-- questions are answered all the same
SELECT * FROM verdict('users_id_idx');

-- another session is off while it works: now nobody can say "not used"
RESET guard.mode;
SELECT dblink_connect('dark', connection('dark'));
SELECT dblink_exec('dark', 'SET guard.mode = off');
SELECT * FROM verdict('users_id_idx');
SELECT * FROM dblink('dark', 'SELECT count(*), pg_stat_force_next_flush() FROM users WHERE id = 17') AS t (n int, flush text);
SELECT * FROM verdict('users_id_idx');
SELECT state FROM guard.status WHERE item = 'capture';
-- what is on again is seen again
SELECT dblink_exec('dark', 'SET guard.mode = enforce');
SELECT * FROM dblink('dark', 'SELECT count(*) FROM users WHERE email = ''user17''') AS t (n int);
SELECT * FROM verdict('users');
SELECT dblink_disconnect('dark');
SELECT * FROM verdict('users');

-- an exemption for a role
CREATE ROLE regress_guard_etl SUPERUSER LOGIN;
ALTER ROLE regress_guard_etl SET guard.mode = off;
\c - regress_guard_etl
SHOW guard.mode;
DROP INDEX users_email_idx;
\c - :owner
CREATE INDEX users_email_idx ON users (email);
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
-- and for a database
ALTER DATABASE guard_regress SET guard.mode = observe;
\c -
SHOW guard.mode;
DROP INDEX users_email_idx;
ALTER DATABASE guard_regress RESET guard.mode;
\c -
SHOW guard.mode;
