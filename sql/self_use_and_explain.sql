-- What the dropping session itself did is not live traffic, nor is EXPLAIN, nor
-- are guard's own questions.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, i % 100 AS team, i % 7 AS kind, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX users_id_idx ON users (id);
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
ANALYZE users;
SET enable_seqscan = off;

-- a migration's own scans and changes
SELECT count(*) FROM users WHERE id = 17;
UPDATE users SET kind = kind + 1 WHERE team = 17;
DELETE FROM users WHERE id BETWEEN 4000 AND 4010;
DO $$
BEGIN
	FOR i IN 1 .. 200 LOOP
		PERFORM FROM users WHERE id = i;
	END LOOP;
END $$;
SELECT * FROM verdict('users');
BEGIN;
UPDATE users SET kind = 0 WHERE id = 5;
DROP INDEX users_id_idx;
DROP TABLE users;
ROLLBACK;
-- told by now to the server's counters, which know no sessions
SELECT pg_stat_force_next_flush();
SELECT idx_scan >= 200 FROM pg_stat_user_indexes WHERE indexrelname = 'users_id_idx';
SELECT * FROM verdict('users');
DROP INDEX users_id_idx;
CREATE INDEX users_id_idx ON users (id);

-- EXPLAIN by anybody, with or without ANALYZE; planning alone
CALL use('EXPLAIN (COSTS off) SELECT count(*) FROM users WHERE id > 4900', 'dba', 60);
CALL use('EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT count(*) FROM users WHERE id = 17', 'dba', 60);
CALL use('DO $$ BEGIN FOR i IN 1 .. 60 LOOP EXECUTE ''EXPLAIN ANALYZE SELECT count(*) FROM users WHERE team = 17''; END LOOP; END $$', 'dba');
CALL use('DO $$ BEGIN FOR i IN 1 .. 60 LOOP EXECUTE ''EXPLAIN ANALYZE UPDATE users SET pad = pad WHERE kind = 17''; END LOOP; END $$', 'dba');
SELECT idx_scan >= 60 FROM pg_stat_user_indexes WHERE indexrelname ~ 'users_' ORDER BY indexrelname;
SELECT * FROM verdict('users');

-- guard's own questions
DO $$
BEGIN
	FOR i IN 1 .. 100 LOOP
		PERFORM FROM guard.check('users_id_idx');
	END LOOP;
	PERFORM FROM guard.indexes;
	PERFORM FROM guard.index_statements('users_id_idx');
END $$;
SELECT pg_stat_force_next_flush();
SELECT * FROM verdict('users');
CALL use('DO $$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM FROM guard.check(''users''); END LOOP; END $$', 'dba');
SELECT * FROM verdict('users');

-- maintenance
CLUSTER users USING users_id_idx;
CALL use('VACUUM users', 'autovacuum', 3);
CALL use('ANALYZE users', 'autovacuum', 3);
CALL use('CLUSTER users', 'dba');
CALL use('REINDEX TABLE users', 'dba');
SELECT * FROM verdict('users');

-- but one real use by another session is enough, and by this one before it connected anew
CALL use('SELECT count(*) FROM users WHERE id = 17');
SELECT * FROM verdict('users');
SET application_name = 'reader';
SELECT count(*) FROM users WHERE team = 17;
\c -
SELECT * FROM verdict('users');

-- nor is it one's own, what was done over this connection for another client, as over a pooler's: under another
-- application_name or role
CREATE TABLE pooled AS SELECT i AS id, i % 100 AS team, i % 7 AS kind, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX pooled_id_idx ON pooled (id);
CREATE INDEX pooled_team_idx ON pooled (team);
CREATE INDEX pooled_kind_idx ON pooled (kind);
ANALYZE pooled;
CREATE ROLE regress_guard_dba SUPERUSER;
SET enable_seqscan = off;
SET application_name = 'mail';
SELECT count(*) FROM pooled WHERE team = 17;
SELECT * FROM verdict('pooled');
SET application_name = 'migration';
SELECT * FROM verdict('pooled');
SELECT count(*) FROM pooled WHERE kind = 17;
SELECT * FROM verdict('pooled');
SET ROLE regress_guard_dba;
SELECT * FROM verdict('pooled');
-- a function of another role is still the same client's
CREATE FUNCTION own() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM pooled WHERE id = 17';
RESET ROLE;
SELECT own();
SELECT * FROM verdict('pooled');
SET SESSION AUTHORIZATION regress_guard_dba;
SELECT * FROM verdict('pooled');
DROP INDEX pooled_id_idx;
