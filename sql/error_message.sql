-- The refusal in full: several tools show nothing but its first line, so that
-- line says which index, who needs it and how much.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE TABLE old AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX old_id_idx ON old (id);
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION guard;
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, team int, kind int, "Weird" int, secret text);
INSERT INTO users SELECT i, 'user' || i, i % 100, i % 7, i, repeat('x', 50) FROM generate_series(1, 5000) i;
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
CREATE INDEX "users Weird" ON users ("Weird");
CREATE INDEX users_idle_idx ON users (secret);

-- one service, several, many
CALL use('SELECT count(*) FROM users WHERE id = 17');
SELECT * FROM ask('ALTER TABLE users DROP CONSTRAINT users_pkey');
CALL use('SELECT count(*) FROM users WHERE team = 17', 'auth', 5);
CALL use('SELECT sum(kind) FROM users WHERE team = 4', 'push', 4);
SELECT * FROM ask('DROP INDEX CONCURRENTLY users_team_idx');
CALL use('SELECT sum(kind) FROM users WHERE team = 4', 'mail', 3);
SELECT * FROM ask('DROP INDEX users_team_idx') LIMIT 1;
CALL use('SELECT sum(kind) FROM users WHERE team = 4', 'report', 2);
SELECT * FROM ask('DROP INDEX users_team_idx') LIMIT 1;
CALL use('SELECT sum(kind) FROM users WHERE team = 4', 'billing');
SELECT * FROM ask('DROP INDEX users_team_idx') LIMIT 1;
-- no service says who it is: the login role stands for it
CALL use('SELECT count(*) FROM users WHERE kind = 3', '');
SELECT * FROM ask('DROP INDEX users_kind_idx') LIMIT 1;

-- what is written in a statement may be secret: no text of it reaches the client
CALL use('SELECT count(*) FROM users WHERE email = ''hunter2''');
SELECT ask ~ 'hunter2|SELECT count' FROM ask('ALTER TABLE users DROP CONSTRAINT users_email_key');

-- routes: constraint, column, table, cascade
SELECT * FROM ask('ALTER TABLE users DROP COLUMN team');
CREATE TABLE teams AS SELECT i AS id, repeat('x', 50) AS pad FROM generate_series(1, 5000) i;
CREATE INDEX teams_id_idx ON teams (id);
CALL use('SELECT count(pad) FROM teams');
SELECT * FROM ask('DROP TABLE teams');
CREATE MATERIALIZED VIEW active AS SELECT * FROM users;
CREATE INDEX active_id_idx ON active (id);
CALL use('SELECT count(*) FROM active WHERE id = 17');
SELECT * FROM ask('DROP MATERIALIZED VIEW active');
CREATE FUNCTION norm(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE INDEX users_norm_idx ON users (norm(email));
CALL use('SELECT count(*) FROM users WHERE norm(email) = ''user17''');
SELECT * FROM ask('DROP FUNCTION norm(text) CASCADE');
-- nothing is predicted of a table as long as planning would call what is not written in C
SET guard.mode = off;
DROP FUNCTION norm(text) CASCADE;
RESET guard.mode;

-- several at once: all are named, with evidence for each
SELECT * FROM ask('DROP INDEX users_idle_idx, users_team_idx, users_kind_idx');
-- very many: five by name, the others by number
DO $$
BEGIN
	FOR i IN 1 .. 8 LOOP
		EXECUTE format('CREATE INDEX many_%s ON users ((id + %s))', i, i);
	END LOOP;
END $$;
CALL use('SELECT count(*) FROM users WHERE id + 1 = 0 OR id + 2 = 0 OR id + 3 = 0 OR id + 4 = 0 OR id + 5 = 0 OR id + 6 = 0 OR id + 7 = 0 OR id + 8 = 0');
SELECT * FROM ask('DROP INDEX many_1, many_2, many_3, many_4, many_5, many_6, many_7, many_8') WHERE ask !~ '^HINT';

-- what guard would know with more at hand
DROP EXTENSION pg_stat_statements;
SELECT * FROM ask('DROP INDEX users_team_idx') WHERE ask ~ '^HINT';
CREATE EXTENSION pg_stat_statements;

-- at COMMIT, with what is missing; in a transaction that cannot wait, with why
SELECT * FROM ask('BEGIN; DROP INDEX users_team_idx; COMMIT');
SELECT * FROM ask('BEGIN; SET LOCAL guard.rebuild_limit = 0; DROP INDEX users_team_idx');
-- a replacement that does not work
CREATE UNIQUE INDEX CONCURRENTLY users_team_key ON users (team);
SELECT * FROM ask('BEGIN; DROP INDEX users_team_idx; COMMIT');
DROP INDEX users_team_key;

-- the hint can be pasted
CALL use('SELECT count(*) FROM users WHERE "Weird" = 17');
SELECT split_part(ask, 'What uses it: ', 2) AS command FROM ask('DROP INDEX "users Weird"') WHERE ask ~ '^HINT' \gset
SELECT :'command';
SELECT format('SELECT count(*) FROM (%s) AS t', split_part(:'command', ';', 1)) \gexec

-- protected, unknown, guarding a published table
SELECT guard.protect('users_idle_idx', 'month-end report');
SELECT * FROM ask('DROP INDEX users_idle_idx');
SELECT * FROM ask('SET guard.unknown_action = block; DROP INDEX old_id_idx');
CREATE PUBLICATION changes FOR TABLE users;
SELECT * FROM ask('ALTER TABLE users DROP CONSTRAINT users_pkey');
DROP PUBLICATION changes;
CALL use('INSERT INTO users (id, email) VALUES (0, ''0'') ON CONFLICT (email) DO NOTHING');
SELECT * FROM ask('ALTER TABLE users DROP CONSTRAINT users_email_key');

-- a session's own NOTICE where it helps, and a WARNING where little is known
\set VERBOSITY terse
CREATE INDEX users_team_twin ON users (team);
DROP INDEX users_team_idx;
