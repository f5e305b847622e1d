-- Nobody can use a hidden index, so nothing follows from its not being used:
-- it is judged as of the moment when it was hidden, and when it is visible
-- again the clock goes on from there.  Nor does it serve in place of another.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
ANALYZE users;
CREATE PROCEDURE wait_for_verdict(index regclass, expected text) LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT reason FROM guard.check(index)) <> expected LOOP
		PERFORM pg_sleep(0.02);
	END LOOP;
END
$$;
CALL use('SELECT count(*) FROM users WHERE id = 17', 'report');
SELECT guard.hide('users_id_idx');
SELECT * FROM verdict('users_id_idx');
SELECT regexp_replace(substring(detail FROM 'It has been hidden.*'), 'since .*, and', 'since …, and') FROM guard.check('users_id_idx');
SELECT facts ? 'hidden_since', facts->'uses'->0 ? 'hidden_seconds' FROM guard.check('users_id_idx');
DROP INDEX users_id_idx;

-- As if it had been hidden right after it was used.  However far back that is, it does not end the use.
UPDATE guard.hidden_index SET hidden_at = '2000-01-01';
SET guard.lookback = '1s';
SELECT pg_sleep(1.1);
SELECT * FROM verdict('users_id_idx');
SELECT guard.unhide('users_id_idx');
SELECT hidden_from = '2000-01-01' AS since, hidden_until <= clock_timestamp() AS until FROM guard.hidden_time;
UPDATE guard.hidden_time SET hidden_until = 'infinity';
SELECT * FROM verdict('users_id_idx');
SELECT facts ? 'hidden_since', facts->'uses'->0 ? 'hidden_seconds' FROM guard.check('users_id_idx');
DROP INDEX users_id_idx;
-- that goes with it through a rebuild and a new name
REINDEX INDEX CONCURRENTLY users_id_idx;
ALTER INDEX users_id_idx RENAME TO renamed_idx;
SELECT count(*) FROM guard.hidden_time JOIN guard.object o ON o.id = object WHERE index_oid = 'renamed_idx'::regclass;
ALTER INDEX renamed_idx RENAME TO users_id_idx;
-- had it been visible all the time, the use would have ended
CREATE TABLE kept AS SELECT * FROM guard.hidden_time;
DELETE FROM guard.hidden_time;
SELECT * FROM verdict('users_id_idx');
INSERT INTO guard.hidden_time SELECT * FROM kept;
RESET guard.lookback;

-- hidden ever since it was created: nobody can have used it
CREATE INDEX users_team_idx ON users (team);
SELECT * FROM verdict('users_team_idx');
SELECT guard.hide('users_team_idx');
UPDATE guard.hidden_index SET hidden_at = '2000-01-01';
SELECT * FROM verdict('users_team_idx');
SELECT guard.unhide('users_team_idx');
SELECT * FROM verdict('users_team_idx');

-- the replacement must be one that the planner sees
CREATE INDEX users_id_new ON users (id);
SELECT * FROM verdict('users_id_idx');
SELECT guard.hide('users_id_new');
SELECT * FROM verdict('users_id_idx');
SELECT facts->'replacement'->>'why_not' FROM guard.check('users_id_idx');
DROP INDEX users_id_idx;
SELECT guard.unhide('users_id_new');
DROP INDEX users_id_idx;
-- gone is gone
SELECT count(*) FROM guard.hidden_time JOIN guard.object o ON o.id = object WHERE index_name = 'users_id_idx';
SELECT index_name FROM guard.hidden_time JOIN guard.object o ON o.id = object ORDER BY 1;
DROP INDEX users_team_idx;
SELECT index_name FROM guard.hidden_time JOIN guard.object o ON o.id = object;
