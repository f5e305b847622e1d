-- A use that has ended no longer counts: after guard.lookback, or when it has
-- been quiet for guard.quiet_period and clearly longer than ever between uses.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, i % 7 AS kind, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
ANALYZE users;
CREATE PROCEDURE wait_for_verdict(index regclass, expected text) LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT reason FROM guard.check(index)) <> expected LOOP
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
CALL use('SELECT count(*) FROM users WHERE id = 17', 'report');
CALL use('SELECT count(*) FROM users WHERE team = 17', 'auth', 50);
SELECT * FROM verdict('users');

-- the look-back has passed
SET guard.lookback = '1s';
CALL wait_for_verdict('users_id_idx', 'stopped');
SELECT mask(split_part(detail, '. ', 1)) FROM guard.check('users_id_idx');
RESET guard.lookback;

-- quiet for long enough: many uses with short pauses have ended, a single one tells nothing of the next
SET guard.quiet_period = '1s';
CALL wait_for_verdict('users_team_idx', 'stopped');
SELECT * FROM verdict('users');
DROP INDEX users_id_idx;
:refusal
-- the ordinary period is a day
RESET guard.quiet_period;
SELECT * FROM verdict('users');

-- used again: it has not ended
SET guard.quiet_period = '1s';
CALL wait_for_verdict('users_team_idx', 'stopped');
SET guard.quiet_period = '1h';
CALL use('SELECT count(*) FROM users WHERE team = 17', 'auth');
DROP INDEX users_team_idx;

-- a NOTICE says so, by whatever way it goes
SET guard.lookback = '1s';
CALL wait_for_verdict('users_team_idx', 'stopped');
BEGIN;
ALTER TABLE users DROP COLUMN team;
ROLLBACK;
DROP TABLE users;
SELECT index_name, verdict, reason FROM guard.audit_log WHERE verdict <> 'block' ORDER BY index_name COLLATE "C";
