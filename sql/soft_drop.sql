-- With guard.hot_action = delay, DROP INDEX of an index that is needed succeeds, and the index stays, under another name.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
-- No visitor moves anything while this runs: what is hot stays hot.
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team, i % 7 AS kind FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
COMMENT ON INDEX users_email_idx IS 'for the login page';
CREATE INDEX users_team_idx ON users (team);
CREATE INDEX users_kind_idx ON users (kind);
CREATE UNIQUE INDEX users_key ON users (id);
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM users WHERE team = 17', 'push');
CALL use('SELECT count(*) FROM users WHERE id = 17');
SELECT * FROM verdict('users');
SET guard.hot_action = delay;
SELECT * FROM verdict('users');


-- Names without the number that they hold.
CREATE VIEW tools.drops AS
	SELECT index_name, state, reason, regexp_replace(current_name, '\d+', 'N') AS current_name FROM guard.soft_drops ORDER BY dropped_at;
CREATE VIEW tools.names AS
	SELECT string_agg(regexp_replace(relname, '^guard_drop_\d+', 'guard_drop_N'), ', ' ORDER BY relname COLLATE "C") AS indexes
	  FROM pg_class WHERE relkind IN ('i', 'I') AND relnamespace = 'public'::regnamespace;

-- the statement succeeds, the index is there, and is used
DROP INDEX users_email_idx;
SELECT * FROM drops;
SELECT * FROM names;
SELECT obj_description(c.oid, 'pg_class') ~
	   '^Was index public.users_email_idx until .* dropped it on .*SELECT guard.restore\(''public.users_email_idx''\);.*ALTER INDEX guard_drop_\d+ RENAME TO users_email_idx'
	   FROM pg_class c WHERE relname LIKE 'guard\_drop\_%';
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
SELECT event, index_name, verdict, definition FROM guard.last_drops();

-- its name is free
CREATE INDEX users_email_idx ON users (lower(email));
DROP INDEX users_email_idx;
DROP INDEX users_email_idx;
DROP INDEX IF EXISTS users_email_idx;

-- and it comes back, with its comment
SELECT guard.restore('users_email_idx');
SELECT obj_description('users_email_idx'::regclass, 'pg_class');
SELECT * FROM names;
SELECT * FROM drops;
SELECT regexp_replace(guard.restore('users_email_idx'), 'on .* already', 'on … already');
SELECT guard.restore('no_such_idx');
SELECT guard.restore(NULL);

-- what is to go does not count as the replacement of what came after it (which replaces it, as a visitor would find)
BEGIN;
DROP INDEX users_email_idx;
CREATE INDEX users_email_new ON users (email);
SELECT * FROM verdict('users_email_new');
ROLLBACK;

-- a name that has been taken is not taken away again
DROP INDEX users_email_idx;
CREATE INDEX users_email_idx ON users (lower(email));
SELECT regexp_replace(guard.restore('public.users_email_idx'), 'guard_drop_\d+', 'guard_drop_N');
SELECT * FROM names;
DROP INDEX users_email_idx;
-- the name is free: a visitor gives it back, if it comes before us
\set ECHO none
SET client_min_messages = warning;
SELECT format('ALTER INDEX IF EXISTS %I RENAME TO users_email_idx', relname) FROM pg_class WHERE relname LIKE 'guard\_drop\_%' \gexec
RESET client_min_messages;
\set ECHO all

-- many names: what is not needed goes, what is needed stays
DROP INDEX users_kind_idx, users_email_idx, users_team_idx;
SELECT * FROM names;
-- by its holding name, too: what is still needed is left alone, and that is no error
\set ECHO none
SELECT format('DROP INDEX %I', relname) FROM pg_class WHERE relname LIKE 'guard\_drop\_%' ORDER BY relname \gexec
\set ECHO all
SELECT * FROM names;
SELECT guard.restore('users_email_idx'), guard.restore('users_team_idx');
-- the same name a second time: the later one is meant
DROP INDEX users_email_idx;
CREATE INDEX users_email_idx ON users (lower(email));
CALL use('SELECT count(*) FROM users WHERE lower(email) = ''user17''');
DROP INDEX users_email_idx;
SELECT guard.restore('users_email_idx');
SELECT pg_get_indexdef('users_email_idx'::regclass);
SELECT * FROM drops WHERE state = 'waiting';
-- the other one does not count as its replacement
SELECT reason FROM guard.check('users_email_idx');
SET guard.mode = off;
DROP INDEX users_email_idx;
RESET guard.mode;
SELECT guard.restore('users_email_idx');

-- CONCURRENTLY
DROP INDEX CONCURRENTLY users_email_idx;
SELECT * FROM names;
SELECT guard.restore('users_email_idx');
BEGIN;
DROP INDEX CONCURRENTLY users_email_idx;
ROLLBACK;
DROP INDEX CONCURRENTLY users_email_idx, users_team_idx;
SELECT * FROM names;

-- in a transaction: dropped and created again, and all of it taken back
BEGIN;
DROP INDEX users_email_idx;
CREATE INDEX users_email_idx ON users (email);
SELECT * FROM names;
SAVEPOINT one;
DROP INDEX users_team_idx;
ROLLBACK TO one;
SELECT * FROM names;
ROLLBACK;
SELECT * FROM names;
SELECT * FROM drops WHERE state = 'waiting';
-- in two phases
BEGIN;
DROP INDEX users_email_idx;
PREPARE TRANSACTION 'regress_guard_soft_drop';
ROLLBACK PREPARED 'regress_guard_soft_drop';
SELECT * FROM names;
BEGIN;
DROP INDEX users_email_idx;
PREPARE TRANSACTION 'regress_guard_soft_drop';
COMMIT PREPARED 'regress_guard_soft_drop';
SELECT * FROM names;
SELECT * FROM drops WHERE state = 'waiting';
SELECT guard.restore('users_email_idx');
-- in a function
DO 'BEGIN DROP INDEX users_email_idx; END';
SELECT * FROM names;
SELECT guard.restore('users_email_idx');

-- what cannot be delayed is refused, and the message says why
DROP INDEX users_key;
SELECT regexp_replace(a, '(It serves|It would|In use).*(It cannot be delayed: [^.]*\.)', '\2', 'gn') FROM ask('SET guard.hot_action = delay; DROP INDEX users_key') AS a;
SELECT regexp_replace(a, '(It serves|It would|In use).*(It cannot be delayed: [^.]*\.)', '\2', 'gn') FROM ask('SET guard.hot_action = delay; ALTER TABLE users DROP COLUMN email') AS a;
SELECT regexp_replace(a, '(It serves|It would|In use).*(It cannot be delayed: [^.]*\.)', '\2', 'gn') FROM ask('SET guard.hot_action = delay; DROP TABLE users') AS a;
-- a person's no is a no
SELECT guard.protect('users_email_idx', 'not this one');
DROP INDEX users_email_idx;
SELECT guard.unprotect('users_email_idx');

-- unknown_action = delay: what is not known is left in place as well, where that is possible
SET guard.mode = off;
CREATE INDEX users_next_idx ON users ((id + 1));
CREATE UNIQUE INDEX users_next_key ON users ((id + 2));
RESET guard.mode;
SET guard.hot_action = block;
SET guard.unknown_action = delay;
SELECT * FROM verdict('users');
DROP INDEX users_email_idx;
DROP INDEX users_next_idx;
DROP INDEX users_next_key;
SELECT * FROM names;
SELECT * FROM drops WHERE state = 'waiting';
SELECT guard.restore('users_next_idx');
SET guard.mode = off;
DROP INDEX users_next_idx;
RESET guard.mode;
RESET guard.unknown_action;
SET guard.hot_action = delay;

-- in observe mode nothing is delayed, but it is said
BEGIN;
SET LOCAL guard.mode = observe;
DROP INDEX users_email_idx;
SELECT * FROM names;
ROLLBACK;

-- the table goes, and takes along what is still there of its indexes
SET guard.mode = off;
CREATE TABLE gone AS SELECT i AS id FROM generate_series(1, 5000) i;
CREATE INDEX gone_id_idx ON gone (id);
RESET guard.mode;
CALL use('SELECT count(*) FROM gone WHERE id = 17');
DROP INDEX gone_id_idx;
BEGIN;
SET LOCAL guard.mode = observe;
DROP TABLE gone;
SELECT * FROM drops WHERE index_name = 'public.gone_id_idx';
SELECT guard.restore('gone_id_idx');
ROLLBACK;
-- while it is in use, a column keeps its index
ALTER TABLE gone DROP COLUMN id;
SELECT * FROM drops WHERE index_name = 'public.gone_id_idx';

-- REINDEX CONCURRENTLY gives it another number, and is followed
\set ECHO none
SELECT format('REINDEX INDEX CONCURRENTLY %I', relname) FROM pg_class WHERE relname LIKE 'guard\_drop\_%' \gexec
\set ECHO all
SELECT count(*) FROM guard.soft_drop s JOIN pg_class c ON c.oid = s.index_oid WHERE s.state = 'waiting';
SELECT guard.restore('gone_id_idx');

-- a partitioned index goes with all its partitions'
CREATE TABLE events (id int, day int) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (2);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (2) TO (3);
INSERT INTO events SELECT i, 1 + i % 2 FROM generate_series(1, 10000) i;
CREATE INDEX events_id_idx ON events (id);
CALL use('SELECT count(*) FROM events WHERE id = 17');
DROP INDEX events_1_id_idx;
DROP INDEX events_id_idx;
SELECT * FROM names;
CREATE INDEX events_id_idx ON events (day);
SELECT * FROM names;
SET guard.mode = off;
DROP INDEX events_id_idx;
RESET guard.mode;
SELECT guard.restore('events_id_idx');
SELECT * FROM names;

-- who may see and restore: the owner of the table
CREATE ROLE regress_guard_owner;
CREATE ROLE regress_guard_other;
GRANT EXECUTE ON FUNCTION guard.restore(text) TO regress_guard_owner, regress_guard_other;
ALTER TABLE events OWNER TO regress_guard_owner;
ALTER TABLE events_1 OWNER TO regress_guard_owner;
ALTER TABLE events_2 OWNER TO regress_guard_owner;
-- who owns the table may drop its index, though he could not rename it: he may not create in the schema
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SET ROLE regress_guard_owner;
DROP INDEX events_id_idx;
SELECT index_name, state FROM guard.soft_drops WHERE state = 'waiting';
SET ROLE regress_guard_other;
SELECT count(*) FROM guard.soft_drops;
SELECT guard.restore('events_id_idx');
SET ROLE regress_guard_owner;
SELECT guard.restore('events_id_idx');
RESET ROLE;

-- when guard goes by a way that asks nobody, everything is given back as well
SET client_min_messages = warning;
DROP EXTENSION guard CASCADE;
RESET client_min_messages;
CREATE ROLE regress_guard_su SUPERUSER;
SET ROLE regress_guard_su;
CREATE EXTENSION guard;
RESET ROLE;
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
DROP INDEX users_email_idx;
SELECT * FROM names;
SET client_min_messages = warning;
DROP OWNED BY regress_guard_su CASCADE;
RESET client_min_messages;
SELECT count(*) FROM pg_extension WHERE extname = 'guard';
SELECT * FROM names;
CREATE EXTENSION guard;
CREATE VIEW tools.drops AS
	SELECT index_name, state, reason, regexp_replace(current_name, '\d+', 'N') AS current_name FROM guard.soft_drops ORDER BY dropped_at;
CALL use('SELECT count(*) FROM users WHERE email = ''user17''');
CALL use('SELECT count(*) FROM events WHERE id = 17');

-- guard itself does not go while something is under way, or gives it back
DROP INDEX users_email_idx, events_id_idx;
DROP EXTENSION guard;
SELECT count(*) FROM pg_extension WHERE extname = 'guard';
SET client_min_messages = warning;
DROP EXTENSION guard CASCADE;
SELECT * FROM names;
SELECT obj_description('users_email_idx'::regclass, 'pg_class');
