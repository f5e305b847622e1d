-- Migrations loop over everybody's constraints: guard's own tables have none that such a loop could meet.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir /sql/include/begin.psql
\i :begin
CREATE EXTENSION guard;
CREATE TABLE users (id int PRIMARY KEY, email text CHECK (email <> ''));
CREATE TABLE devices (id int PRIMARY KEY, user_id int REFERENCES users);
-- what NOT NULL leaves in the catalog from PostgreSQL 18 on is a property of a column
SELECT conrelid::regclass, conname FROM pg_constraint WHERE conrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'guard'::regnamespace) AND contype <> 'n';
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT conrelid::regclass AS name, conname FROM pg_constraint WHERE conrelid >= 16384 AND contype IN ('f', 'c', 'u') LOOP
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.name, c.conname);
	END LOOP;
	FOR c IN SELECT conrelid::regclass AS name, conname FROM pg_constraint WHERE conrelid >= 16384 AND contype = 'p' LOOP
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.name, c.conname);
	END LOOP;
END
$$;
SELECT guard.protect('users', 'guard goes on');
SELECT guard.snapshot();

-- what belongs to guard goes with guard
\set VERBOSITY default
DROP INDEX guard.moved_table_old_key_idx;
DO $$ BEGIN ALTER TABLE guard.object DROP COLUMN index_name; END $$;
\set VERBOSITY sqlstate
BEGIN;
SET LOCAL guard.mode = off;
DROP INDEX guard.moved_table_old_key_idx;
ROLLBACK;
SET client_min_messages = warning;
DROP EXTENSION guard;
