-- guard.protect(): a DBA's flat "not this one".  Whatever its use, by whatever
-- route, at once even in a transaction, and with his reason in the message.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users AS SELECT i AS id, 'user' || i AS email, i % 100 AS team FROM generate_series(1, 5000) i;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_team_idx ON users (team);
ALTER TABLE users ADD PRIMARY KEY (id);
CREATE TABLE teams (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE tiny (id int PRIMARY KEY);

SELECT guard.protect('users_email_idx', 'month-end report');
SELECT index, verdict, reason, mask(split_part(detail, '. ', 1)) FROM guard.check('users_email_idx');
DROP INDEX users_email_idx;
:refusal
DROP INDEX CONCURRENTLY users_email_idx;
ALTER TABLE users DROP COLUMN email;
DROP TABLE users;
DROP SCHEMA public CASCADE;
-- at once: nothing in the transaction could make up for it
BEGIN;
DROP INDEX users_email_idx;
ROLLBACK;
BEGIN;
CREATE INDEX users_email_new ON users (email);
DROP INDEX users_email_idx;
ROLLBACK;
DO $$
BEGIN
	DROP INDEX users_email_idx;
EXCEPTION WHEN object_in_use THEN
	RAISE WARNING 'refused at once';
END
$$;
-- the neighbour on the same table is not protected
BEGIN;
DROP INDEX users_team_idx;
ROLLBACK;

-- a second call replaces the reason; the view shows it
SELECT guard.protect('users_email_idx', 'year-end report');
SELECT index_name, reason, protected FROM guard.index_facts WHERE protected;
SELECT count(*), min(split_part(split_part(detail, ': ', 2), '. ', 1)) FROM guard.check('users_email_idx');
-- unprotected it goes; once is enough
SELECT guard.unprotect('users_email_idx');
SELECT guard.unprotect('users_email_idx');
DROP INDEX users_email_idx;
:indexes

-- a table stands for all of its indexes, present and future, big or not
SELECT guard.protect('users', 'ask the auth team');
CREATE INDEX users_email_idx ON users (email);
SELECT * FROM verdict('users');
DROP INDEX users_email_idx;
ALTER TABLE users DROP CONSTRAINT users_pkey;
DROP TABLE users;
SELECT guard.protect('tiny', 'small but mine');
DROP TABLE tiny;
-- the protection of the table is not that of an index
SELECT guard.unprotect('users_email_idx');
-- both at once: the index keeps its own when the table's is taken away
SELECT guard.protect('users_team_idx', 'team page');
SELECT guard.unprotect('users');
SELECT * FROM verdict('users');
SELECT guard.unprotect('tiny');
DROP TABLE tiny;

-- an index that is not valid is protected all the same
INSERT INTO users VALUES (0, 'user17', 1);
CREATE UNIQUE INDEX CONCURRENTLY users_email_key ON users (email);
SELECT guard.protect('users_email_key', 'to be repaired');
DROP INDEX users_email_key;
SELECT guard.unprotect('users_email_key');
DROP INDEX users_email_key;

-- an exact twin does not take its place by itself: the hint says how
CREATE INDEX users_team_twin ON users (team);
DROP INDEX users_team_idx;
SELECT * FROM ask('DROP INDEX users_team_idx') WHERE ask LIKE 'HINT%';
SELECT guard.protect('public.users_team_twin', 'in place of public.users_team_idx'); SELECT guard.unprotect('public.users_team_idx');
DROP INDEX users_team_idx;
DROP INDEX users_team_twin;

-- registered in a transaction that is rolled back
BEGIN;
SELECT guard.protect('teams_pkey', 'not meant');
SELECT * FROM verdict('teams_pkey');
ROLLBACK;
SELECT * FROM verdict('teams_pkey');
DROP TABLE teams;
:indexes
