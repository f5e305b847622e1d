-- The audit log: a row for each index that was dropped or refused, whatever
-- became of the transaction, and for each change of guard's own rules.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
\set owner :USER
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team, i AS a, i AS b, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_a_idx ON users (a);
CREATE INDEX users_b_idx ON users (b);
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM users WHERE team = 17');
-- somebody else writes the row of a refused drop, a moment later
CREATE PROCEDURE tools.wait_for_refusals(n int) LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT count(*) FROM guard.audit_log WHERE verdict IN ('block', 'failed')) < n OR
		  (SELECT state FROM guard.status WHERE item = 'audit') <> 'nothing waits' LOOP
		PERFORM pg_sleep(0.002);
	END LOOP;
END
$$;

-- what is refused has its row, though its transaction is rolled back
DROP INDEX users_email_idx;
CALL wait_for_refusals(1);
SELECT verdict, reason, command, statement, index_name, table_name, definition FROM guard.audit_log;
SELECT facts #>> '{uses,0,services}', detail ~ '^auth used? it', mode, database, login_role = session_user, role = session_user, outer_user = session_user,
	   application ~ 'audit_log', client IS NULL, coalesced, at <= clock_timestamp()
  FROM guard.audit_log;
-- two indexes of one statement are one question, asked by this session
DROP INDEX users_email_idx, users_a_idx, users_team_idx;
CALL wait_for_refusals(3);
SELECT index_name, dense_rank() OVER (ORDER BY question) FROM guard.audit_log ORDER BY 2, 1;
SELECT bool_and(question LIKE format('%%.%s.%%', to_hex(pg_backend_pid()))) FROM guard.audit_log;
-- in a block, in a savepoint, in a handler that swallows the error, at COMMIT
BEGIN;
CREATE TABLE undone ();
ALTER TABLE users DROP COLUMN team;
COMMIT;
CALL wait_for_refusals(4);
SELECT guard.protect('users_b_idx', 'not this one');
DO $$
BEGIN
	ALTER TABLE users DROP COLUMN b;
EXCEPTION WHEN object_in_use THEN
	NULL;
END
$$;
SELECT guard.unprotect('users_b_idx');
CALL wait_for_refusals(5);
DROP INDEX CONCURRENTLY users_email_idx;
CALL wait_for_refusals(6);
SELECT reason, command, index_name FROM guard.audit_log WHERE verdict = 'block' ORDER BY at DESC LIMIT 3;
:indexes
-- guard could not judge: refused, and written down as that
SELECT dblink_connect('lock', connection('lock'));
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE guard.protection');
DROP INDEX users_email_idx;
SELECT dblink_exec('lock', 'ROLLBACK');
CALL wait_for_refusals(7);
SELECT verdict, reason, command, statement, index_name, detail, database, login_role = session_user FROM guard.audit_log ORDER BY at DESC LIMIT 1;
-- a lock on the log itself delays the row, and nothing else
SELECT dblink_exec('lock', 'BEGIN');
SELECT dblink_exec('lock', 'LOCK TABLE guard.audit_log');
DROP INDEX users_email_idx;
SELECT dblink_disconnect('lock');
CALL wait_for_refusals(8);

-- who: a SECURITY DEFINER function hides neither who logged in nor who called
CREATE ROLE regress_guard_caller;
CREATE ROLE regress_guard_definer;
GRANT USAGE ON SCHEMA tools TO regress_guard_caller;
ALTER TABLE users OWNER TO regress_guard_definer;
GRANT CREATE ON SCHEMA public TO regress_guard_definer;
CREATE FUNCTION drop_it() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN DROP INDEX users_a_idx; END';
ALTER FUNCTION drop_it() OWNER TO regress_guard_definer;
SET ROLE regress_guard_caller;
SELECT drop_it();
RESET ROLE;
SELECT verdict, reason, login_role = session_user, role, outer_user, statement FROM guard.audit_log WHERE index_name = 'public.users_a_idx';

-- off: no judgement, but the row says who
SET guard.mode = off;
DROP INDEX CONCURRENTLY users_b_idx;
BEGIN;
SAVEPOINT a;
DROP INDEX users_team_idx;
ROLLBACK TO a;
COMMIT;
BEGIN;
DROP INDEX users_team_idx;
ROLLBACK;
BEGIN;
SAVEPOINT a;
DROP INDEX users_team_idx;
RELEASE a;
COMMIT;
RESET guard.mode;
SELECT command, statement, index_name, definition, mode FROM guard.audit_log WHERE verdict = 'unjudged' ORDER BY id;
-- observe: the row says what would have been
SET guard.mode = observe;
DROP INDEX users_email_idx;
RESET guard.mode;
SELECT verdict, reason, index_name, mode FROM guard.audit_log WHERE mode = 'observe';

-- a statement of any length has a row, and a mark where it was cut
CREATE INDEX users_a_idx ON users (a);
DO $$ BEGIN EXECUTE format('DROP INDEX users_a_idx /* %s */', repeat('a', 5000)); END $$;
SELECT length(statement) < 4100, right(statement, 5) FROM guard.audit_log ORDER BY id DESC LIMIT 1;

-- changes of guard's own rules, in their own transaction
SELECT guard.protect('users', 'month-end report');
BEGIN;
SELECT guard.unprotect('users');
ROLLBACK;
SELECT guard.unprotect('users');
SELECT command, object, reason, login_role = session_user FROM guard.audit_log WHERE verdict = 'change' ORDER BY id DESC LIMIT 2;

-- dropped or refused, the newest first
SELECT event, index_name, reason FROM guard.last_drops() ORDER BY at DESC;

-- it only grows, for everybody but a superuser, whatever he was granted
GRANT ALL ON guard.audit_log TO regress_guard_definer;
GRANT pg_read_all_stats TO regress_guard_definer;
SET ROLE regress_guard_definer;
SELECT count(*) > 10 FROM guard.audit_log;
UPDATE guard.audit_log SET verdict = 'allow';
DELETE FROM guard.audit_log;
TRUNCATE guard.audit_log;
ALTER TABLE guard.audit_log DISABLE TRIGGER ALL;
SELECT guard.prune_audit_log();
RESET ROLE;
-- what is too old goes
SELECT guard.prune_audit_log();
UPDATE guard.audit_log SET at = at - interval '2 days' WHERE verdict = 'change';
SET guard.audit_retention = '1d';
SELECT guard.prune_audit_log();
SELECT count(*) FROM guard.audit_log WHERE verdict = 'change';
SET guard.audit_retention = 0;
SELECT guard.prune_audit_log();
RESET guard.audit_retention;

-- an index that is hidden is as good as dropped to whoever looks for what changed
CREATE INDEX users_b_idx ON users (b);
SELECT guard.hide('users_b_idx', 'who needs it?');
SELECT guard.unhide('users_b_idx');
SELECT event, index_name, reason FROM guard.last_drops() LIMIT 2;

-- a setting that lasts
ALTER DATABASE guard_regress SET guard.mode = observe;
ALTER ROLE regress_guard_definer SET GUARD.lookback = '1d';
ALTER DATABASE guard_regress RESET guard.mode;
ALTER DATABASE guard_regress SET work_mem = '1MB';
SET guard.without_index = '';
SELECT command, object, statement FROM guard.audit_log WHERE command = 'set' ORDER BY id;

-- let go, but carried out by half: the index is invalid, and the log says why
SELECT dblink_connect('reader', connection('reader'));
SELECT dblink_exec('reader', 'BEGIN; LOCK TABLE users IN ACCESS SHARE MODE');
SET lock_timeout = '1ms';
DROP INDEX CONCURRENTLY users_b_idx;
RESET lock_timeout;
SELECT dblink_disconnect('reader');
CALL wait_for_refusals(9);
SELECT verdict, command, index_name, definition, detail ~ 'lock timeout' FROM guard.audit_log WHERE detail ~ 'lock timeout';
:indexes

-- by approval
CALL use('SELECT count(*) FROM users WHERE a = 17');
CREATE INDEX users_a_idx ON users (a);
CALL use('SELECT count(*) FROM users WHERE a = 17');
SELECT guard.approve('users_a_idx', 'agreed');
DROP INDEX users_a_idx;
SELECT verdict, reason, approval ~ '^by .*: agreed$' FROM guard.audit_log WHERE approval IS NOT NULL;
