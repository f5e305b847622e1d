-- The short views say what to do, in an order; guard.clean_up() writes what can go as a script, and does nothing.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;

-- guard.status: what is to be looked at comes first, and says how it is mended
SELECT item, what_to_do FROM guard.status WHERE item = 'pg_stat_statements';
SELECT health FROM guard.status LIMIT 1;
CREATE EXTENSION pg_stat_statements;
SELECT item, health, what_to_do FROM guard.status WHERE item = 'pg_stat_statements';
SET guard.mode = 'observe';
SELECT item, health, what_to_do FROM guard.status WHERE item = 'mode';
RESET guard.mode;
SELECT count(*) = (SELECT count(*) FROM guard.status()) FROM guard.status;
SELECT count(*) FROM guard.status WHERE (health = 'ok') <> (what_to_do IS NULL);

-- a table of enough blocks, with an index in use, twins, one that nobody uses, a unique one, a constraint, an invalid one
CREATE SCHEMA app;
CREATE TABLE app.users AS SELECT i AS id, i % 100 AS team, i AS code, i AS pin, repeat('x', 50) AS pad FROM generate_series(1, 20000) i;
ALTER TABLE app.users ADD CONSTRAINT users_code_key UNIQUE (code);
CREATE UNIQUE INDEX users_pin_idx ON app.users (pin);
CREATE INDEX users_id_idx ON app.users (id);
CREATE INDEX users_team_idx ON app.users (team);
CREATE INDEX users_team_again_idx ON app.users (team);
CREATE INDEX "users
DROP TABLE app.users; --" ON app.users (pad, id);
CREATE TABLE app.tiny (id int);
CREATE INDEX tiny_id_idx ON app.tiny (id);
CREATE TABLE app.parts (at int) PARTITION BY RANGE (at);
CREATE TABLE app.parts_1 PARTITION OF app.parts FOR VALUES FROM (0) TO (100000);
INSERT INTO app.parts SELECT generate_series(1, 20000);
CREATE INDEX parts_at_idx ON app.parts (at);
VACUUM ANALYZE app.users, app.tiny, app.parts;
CALL use('SELECT pad FROM app.users WHERE id = 17', 'auth', 3);
CREATE UNIQUE INDEX CONCURRENTLY users_broken_idx ON app.users ((id % 10));

-- guard.indexes: what is blocked first, then by size
SELECT verdict, reason, replace(index_name, E'\n', ' '), table_name, scans <> '0' AS scanned, last_use = date_trunc('second', last_use) AS rounded, size ~ '^\d+ (kB|bytes)$' AS sized, what_to_do
  FROM guard.indexes WHERE index_name !~ 'parts_1';
SET search_path = app, public, tools;
SELECT index_name, table_name FROM guard.indexes WHERE index_name = 'users_id_idx';
RESET search_path;
SELECT protected, hidden, size_bytes > 0, created_at IS NOT NULL FROM guard.index_facts WHERE index_name = 'users_id_idx';

-- the script: invalid ones first, sizes, the way back; figures are the server's affair
CREATE FUNCTION tools.script() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(tools.mask(line), '\d+ (bytes|kB|MB)', '… kB', 'g'), '\d{4}-\d\d-\d\d \S+ \S+?(;|$)', '…\1', 'g')
	  FROM regexp_split_to_table(guard.clean_up(), E'\n') line
$$;
SELECT * FROM tools.script();
-- nothing was done by asking
SELECT count(*) FROM pg_index WHERE indrelid = 'app.users'::regclass;

-- what has been observed for long enough can be hidden first; and when its trial is over, it goes
SET guard.min_evidence_age = 0;
SELECT script FROM tools.script() WHERE script ~ '^(DROP|SELECT|SET)|unhide';
SELECT guard.hide('app.users_team_idx', 'clean-up');
SELECT what_to_do FROM guard.indexes WHERE index_name = 'app.users_team_idx';
SELECT index_name, table_name, kind, hidden_by = session_user AS mine, reason, index FROM guard.hidden_indexes;
SELECT script FROM tools.script() WHERE script ~ 'trial until|team_idx';
SET guard.trial_period = 0;
SELECT script FROM tools.script() WHERE script ~ '^DROP.*team_idx';
RESET guard.trial_period;

-- a hidden index says so in its comment, above what somebody wrote; and not any more when it is visible
SELECT regexp_replace(tools.mask(obj_description('app.users_team_idx'::regclass, 'pg_class')), 'since .*? [-+]\d\d:', 'since …:');
SELECT guard.unhide('app.users_team_idx');
SELECT obj_description('app.users_team_idx'::regclass, 'pg_class');
COMMENT ON INDEX app.users_team_idx IS E'teams\nof users';
SELECT guard.hide('app.users_team_idx');
SELECT guard.hide('app.users_team_idx', E'two\nlines');
SELECT regexp_replace(tools.mask(obj_description('app.users_team_idx'::regclass, 'pg_class')), 'since .*? [-+]\d\d:', 'since …:');
SELECT guard.unhide('app.users_team_idx');
SELECT obj_description('app.users_team_idx'::regclass, 'pg_class');
SELECT guard.hide('app.users_team_idx');
COMMENT ON INDEX app.users_team_idx IS 'mine';
SELECT guard.unhide('app.users_team_idx');
SELECT obj_description('app.users_team_idx'::regclass, 'pg_class');

-- the script runs, and a name is no way into it
\o results/clean_up.sql
SELECT guard.clean_up();
\o
\set ECHO none
\set QUIET on
\i results/clean_up.sql
\set ECHO all
SELECT replace(indexes, E'\n', ' ') FROM tools.standing;
-- what is gone is not in it any more, what is hidden is on trial
SELECT script FROM tools.script() WHERE script ~ 'left out|^(DROP|SELECT)';

-- somebody else is shown what he may ask about
CREATE ROLE regress_guard_other;
SET ROLE regress_guard_other;
SELECT script FROM tools.script() WHERE script !~ '^-- Nothing';
SELECT count(*) FROM guard.indexes;
SELECT count(*) FROM guard.hidden_indexes;
RESET ROLE;
DROP ROLE regress_guard_other;

-- what was registered goes with an approved drop, which says so
SELECT guard.add_dependency('app.users_id_idx', 'auth', '2.0');
CREATE ROLE regress_guard_lead SUPERUSER;
SET SESSION AUTHORIZATION regress_guard_lead;
SELECT guard.approve('app.users_id_idx', 'the report is gone');
RESET SESSION AUTHORIZATION;
SELECT reason FROM guard.audit_log WHERE command = 'approve';
SELECT substring(detail FROM 'What was registered.*') FROM guard.check('app.users_id_idx');
\set VERBOSITY default
DROP INDEX app.users_id_idx;
\set VERBOSITY sqlstate
SELECT count(*) FROM guard.dependencies;
